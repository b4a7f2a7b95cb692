//! Public holidays: fixed days and those that move with Easter.
//!
//! France as etalab's list has it (RULES §2.3), with Alsace-Moselle and all its parts overseas; of the
//! other countries the days that all their regions keep.

use chrono::{Datelike, Days, NaiveDate};

/// Départements that keep Good Friday and St Stephen's Day, by the begin of the postal code.
const ALSACE_MOSELLE: [&str; 3] = ["57", "67", "68"];

/// Where a day may be a holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region<'a> {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: &'a str,
    pub postal_code: Option<&'a str>,
    /// IANA name; tells a part of France overseas where there is no postal code.
    pub time_zone: Option<&'a str>,
}

/// A part of France overseas, with the days that it keeps beside the national ones.
struct Overseas {
    /// ISO 3166-1 alpha-2, where it stands as a country.
    country: &'static str,
    /// The longest begin of a postal code tells: Saint-Martin lies within the codes of Guadeloupe.
    postal_prefix: &'static str,
    time_zone: &'static str,
    /// Days (day, month); in the départements and the Antilles the abolition of slavery (décret 83-1003).
    days: &'static [(u32, u32)],
    keeps_good_friday: bool,
}

const OVERSEAS: [Overseas; 11] = [
    Overseas {
        country: "GP",
        postal_prefix: "971",
        time_zone: "America/Guadeloupe",
        days: &[(27, 5)],
        keeps_good_friday: false,
    },
    Overseas {
        country: "MQ",
        postal_prefix: "972",
        time_zone: "America/Martinique",
        days: &[(22, 5)],
        keeps_good_friday: false,
    },
    Overseas {
        country: "GF",
        postal_prefix: "973",
        time_zone: "America/Cayenne",
        days: &[(10, 6)],
        keeps_good_friday: false,
    },
    Overseas {
        country: "RE",
        postal_prefix: "974",
        time_zone: "Indian/Reunion",
        days: &[(20, 12)],
        keeps_good_friday: false,
    },
    Overseas {
        country: "YT",
        postal_prefix: "976",
        time_zone: "Indian/Mayotte",
        days: &[(27, 4)],
        keeps_good_friday: false,
    },
    Overseas {
        country: "BL",
        postal_prefix: "97133",
        time_zone: "America/St_Barthelemy",
        days: &[(9, 10)],
        keeps_good_friday: false,
    },
    Overseas {
        country: "MF",
        postal_prefix: "97150",
        time_zone: "America/Marigot",
        days: &[(28, 5)],
        keeps_good_friday: false,
    },
    Overseas {
        country: "PM",
        postal_prefix: "975",
        time_zone: "America/Miquelon",
        days: &[],
        keeps_good_friday: false,
    },
    // The day of citizenship.
    Overseas {
        country: "NC",
        postal_prefix: "988",
        time_zone: "Pacific/Noumea",
        days: &[(24, 9)],
        keeps_good_friday: false,
    },
    // The arrival of the Gospel; autonomy, and Matari'i that takes its place: both are kept quiet.
    Overseas {
        country: "PF",
        postal_prefix: "987",
        time_zone: "Pacific/Tahiti",
        days: &[(5, 3), (29, 6), (20, 11)],
        keeps_good_friday: true,
    },
    // Saint Pierre Chanel, Saints Peter and Paul, the territory.
    Overseas {
        country: "WF",
        postal_prefix: "986",
        time_zone: "Pacific/Wallis",
        days: &[(28, 4), (29, 6), (29, 7)],
        keeps_good_friday: false,
    },
];

/// The parts of France overseas, ISO 3166-1 alpha-2.
pub fn overseas() -> impl Iterator<Item = &'static str> {
    OVERSEAS.iter().map(|place| place.country)
}

/// The country whose law holds: France for its parts overseas.
pub fn sovereign(country: &str) -> &str {
    if OVERSEAS.iter().any(|place| place.country == country) {
        "FR"
    } else {
        country
    }
}

/// Easter Sunday of the Gregorian calendar (Meeus/Jones/Butcher).
pub fn easter(year: i32) -> Option<NaiveDate> {
    let a = year.rem_euclid(19);
    let (b, c) = (year.div_euclid(100), year.rem_euclid(100));
    let (d, e) = (b / 4, b % 4);
    let f = (b + 8) / 25;
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    let (month, day) = (n / 31, n % 31 + 1);
    NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)
}

/// Fixed days (day, month) and days from Easter Sunday that a country keeps everywhere.
fn national(country: &str) -> (&'static [(u32, u32)], &'static [i64]) {
    match country {
        "FR" => (
            &[
                (1, 1),
                (1, 5),
                (8, 5),
                (14, 7),
                (15, 8),
                (1, 11),
                (11, 11),
                (25, 12),
            ],
            &[1, 39, 50],
        ),
        "DE" => (
            &[(1, 1), (1, 5), (3, 10), (25, 12), (26, 12)],
            &[-2, 1, 39, 50],
        ),
        "ES" => (
            &[
                (1, 1),
                (6, 1),
                (1, 5),
                (15, 8),
                (12, 10),
                (1, 11),
                (6, 12),
                (8, 12),
                (25, 12),
            ],
            &[-2],
        ),
        "BE" => (
            &[
                (1, 1),
                (1, 5),
                (21, 7),
                (15, 8),
                (1, 11),
                (11, 11),
                (25, 12),
            ],
            &[1, 39, 50],
        ),
        "LU" => (
            &[
                (1, 1),
                (1, 5),
                (9, 5),
                (23, 6),
                (15, 8),
                (1, 11),
                (25, 12),
                (26, 12),
            ],
            &[1, 39, 50],
        ),
        "AT" => (
            &[
                (1, 1),
                (6, 1),
                (1, 5),
                (15, 8),
                (26, 10),
                (1, 11),
                (8, 12),
                (25, 12),
                (26, 12),
            ],
            &[1, 39, 50, 60],
        ),
        "IT" => (
            &[
                (1, 1),
                (6, 1),
                (25, 4),
                (1, 5),
                (2, 6),
                (15, 8),
                (1, 11),
                (8, 12),
                (25, 12),
                (26, 12),
            ],
            &[0, 1],
        ),
        // Of the cantons' many days those that all of them keep.
        "CH" => (&[(1, 1), (1, 8), (25, 12)], &[39]),
        _ => (&[], &[]),
    }
}

/// Whether a local day is a public holiday in the region. Countries that are not known here have none.
pub fn is_holiday(day: NaiveDate, region: Region<'_>) -> bool {
    let country = sovereign(region.country);
    let (fixed, movable) = national(country);
    let of_year = (day.day(), day.month());
    if fixed.contains(&of_year) {
        return true;
    }
    // A feast of Italy's patron again since 2026 (legge 151/2025).
    if country == "IT" && day.year() >= 2026 && of_year == (4, 10) {
        return true;
    }
    let from_easter = easter(day.year()).map(|sunday| (day - sunday).num_days());
    if from_easter.is_some_and(|days| movable.contains(&days)) {
        return true;
    }
    country == "FR" && is_french_regional(of_year, from_easter, region)
}

fn is_french_regional(of_year: (u32, u32), from_easter: Option<i64>, region: Region<'_>) -> bool {
    let postal = region.postal_code.unwrap_or_default();
    let is_alsace_moselle = region.country == "FR"
        && ALSACE_MOSELLE
            .iter()
            .any(|prefix| postal.starts_with(prefix));
    if is_alsace_moselle && (from_easter == Some(-2) || of_year == (26, 12)) {
        return true;
    }
    let by_postal_code = OVERSEAS
        .iter()
        .filter(|place| postal.starts_with(place.postal_prefix))
        .max_by_key(|place| place.postal_prefix.len());
    let elsewise = OVERSEAS.iter().filter(|place| {
        region.country == place.country || region.time_zone == Some(place.time_zone)
    });
    by_postal_code.into_iter().chain(elsewise).any(|place| {
        place.days.contains(&of_year) || (place.keeps_good_friday && from_easter == Some(-2))
    })
}

/// What a day is called where it is a holiday, in English; `None` where it has no name that its countries share.
pub fn name(day: NaiveDate) -> Option<&'static str> {
    let fixed = match (day.day(), day.month()) {
        (1, 1) => Some("New Year's Day"),
        (6, 1) => Some("Epiphany"),
        (1, 5) => Some("Labour Day"),
        (8, 5) => Some("Victory Day"),
        (14, 7) => Some("Bastille Day"),
        (15, 8) => Some("Assumption"),
        (3, 10) => Some("German Unity Day"),
        (1, 11) => Some("All Saints' Day"),
        (11, 11) => Some("Armistice Day"),
        (25, 12) => Some("Christmas Day"),
        (26, 12) => Some("St Stephen's Day"),
        _ => None,
    };
    fixed.or_else(
        || match day.signed_duration_since(easter(day.year())?).num_days() {
            -2 => Some("Good Friday"),
            0 => Some("Easter Sunday"),
            1 => Some("Easter Monday"),
            39 => Some("Ascension Day"),
            49 => Some("Whit Sunday"),
            50 => Some("Whit Monday"),
            60 => Some("Corpus Christi"),
            _ => None,
        },
    )
}

/// The holidays of a year in a region, in order.
pub fn of_year(year: i32, region: Region<'_>) -> Vec<NaiveDate> {
    let Some(first) = NaiveDate::from_ymd_opt(year, 1, 1) else {
        return Vec::new();
    };
    (0..366)
        .filter_map(|n| first.checked_add_days(Days::new(n)))
        .filter(|day| day.year() == year && is_holiday(*day, region))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(year: i32, country: &str, postal: Option<&str>, zone: Option<&str>) -> Vec<String> {
        let region = Region {
            country,
            postal_code: postal,
            time_zone: zone,
        };
        of_year(year, region)
            .iter()
            .map(|day| day.format("%m-%d").to_string())
            .collect()
    }

    #[test]
    fn easter_is_where_the_calendar_has_it() {
        for (year, month, day) in [
            (1961, 4, 2),
            (2000, 4, 23),
            (2008, 3, 23),
            (2019, 4, 21),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2038, 4, 25),
        ] {
            assert_eq!(easter(year), NaiveDate::from_ymd_opt(year, month, day));
        }
    }

    /// etalab, "jours fériés en France", métropole 2026 and 2027.
    #[test]
    fn france_keeps_eleven_days() {
        assert_eq!(
            days(2026, "FR", Some("80000"), Some("Europe/Paris")),
            [
                "01-01", "04-06", "05-01", "05-08", "05-14", "05-25", "07-14", "08-15", "11-01",
                "11-11", "12-25"
            ]
        );
        assert_eq!(
            days(2027, "FR", None, None),
            [
                "01-01", "03-29", "05-01", "05-06", "05-08", "05-17", "07-14", "08-15", "11-01",
                "11-11", "12-25"
            ]
        );
        // Ascension on the eighth of May: ten days.
        assert_eq!(days(2024, "FR", None, None).len(), 11);
        assert_eq!(days(2008, "FR", None, None).len(), 10);
    }

    #[test]
    fn every_day_that_all_of_france_keeps_has_its_name() {
        let region = Region {
            country: "FR",
            postal_code: None,
            time_zone: None,
        };
        for year in [2026, 2027, 2038] {
            for day in of_year(year, region) {
                assert!(name(day).is_some(), "{day}");
            }
        }
        assert_eq!(
            name(NaiveDate::from_ymd_opt(2026, 4, 6).unwrap()),
            Some("Easter Monday")
        );
        assert_eq!(name(NaiveDate::from_ymd_opt(2026, 4, 7).unwrap()), None);
    }

    #[test]
    fn alsace_moselle_and_overseas_keep_more() {
        let national = days(2026, "FR", None, None);
        let more = |postal, zone, country| {
            let mut days = days(2026, country, postal, zone);
            days.retain(|day| !national.contains(day));
            days
        };
        for postal in ["57000", "67000", "68100"] {
            assert_eq!(
                more(Some(postal), None, "FR"),
                ["04-03", "12-26"],
                "{postal}"
            );
        }
        for (postal, zone, country, day) in [
            (Some("97110"), None, "FR", "05-27"),
            (Some("97200"), None, "FR", "05-22"),
            (None, Some("America/Cayenne"), "FR", "06-10"),
            (None, None, "RE", "12-20"),
            (None, Some("Indian/Reunion"), "FR", "12-20"),
            (None, Some("America/Guadeloupe"), "FR", "05-27"),
            (None, Some("America/Martinique"), "FR", "05-22"),
            // Within the codes of Guadeloupe, with days of their own.
            (Some("97133"), None, "FR", "10-09"),
            (Some("97150"), None, "FR", "05-28"),
            (None, None, "BL", "10-09"),
            (None, Some("America/Marigot"), "FR", "05-28"),
            (None, Some("Pacific/Noumea"), "FR", "09-24"),
            (Some("97600"), Some("Indian/Mayotte"), "FR", "04-27"),
        ] {
            assert_eq!(more(postal, zone, country), [day]);
        }
        assert!(more(Some("97500"), Some("America/Miquelon"), "PM").is_empty());
        assert_eq!(more(None, None, "PF"), ["03-05", "04-03", "06-29", "11-20"]);
        assert_eq!(more(None, None, "WF"), ["04-28", "06-29", "07-29"]);
        for place in overseas() {
            assert_eq!(sovereign(place), "FR");
            assert!(days(2026, place, None, None).len() >= national.len());
        }
    }

    #[test]
    fn the_neighbours_keep_their_own() {
        assert_eq!(days(2026, "DE", None, None).len(), 9);
        assert_eq!(days(2026, "ES", None, None).len(), 10);
        assert_eq!(days(2026, "BE", None, None).len(), 10);
        // Ascension is not on Europe Day in 2026.
        assert_eq!(days(2026, "LU", None, None).len(), 11);
        assert_eq!(days(2026, "AT", None, None).len(), 13);
        assert!(days(2026, "IT", None, None).contains(&"10-04".to_owned()));
        assert!(!days(2025, "IT", None, None).contains(&"10-04".to_owned()));
        assert_eq!(
            days(2026, "CH", None, None),
            ["01-01", "05-14", "08-01", "12-25"]
        );
        assert!(days(2026, "JP", None, None).is_empty());
    }
}
