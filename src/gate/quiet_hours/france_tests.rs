//! What the settings may do to the hours of text messages in France, and what they may not.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::super::{QuietHours, Whereabouts, clock_time};
use crate::config::{ConfigError, QuietHoursSettings, Settings};
use crate::consent::model::Channel;
use crate::gate::holidays::{self, Region, is_holiday};
use crate::gate::model::Route;

const BY_OVH: Route<'_> = Route {
    channel: Channel::Sms,
    provider: Some("ovh"),
};

fn sms(country: Option<&str>, allowed: &[&str]) -> QuietHoursSettings {
    QuietHoursSettings {
        channel: "sms".to_owned(),
        country: country.map(str::to_owned),
        provider: None,
        allowed: allowed.iter().map(|&text| text.to_owned()).collect(),
        holidays_are_quiet: true,
    }
}

fn by(provider: &str, entry: QuietHoursSettings) -> QuietHoursSettings {
    QuietHoursSettings {
        provider: Some(provider.to_owned()),
        ..entry
    }
}

fn hours(settings: &[QuietHoursSettings]) -> Result<QuietHours, ConfigError> {
    QuietHours::new(settings, &BTreeMap::new())
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn place(country: &str, zone: Tz) -> Whereabouts<'_> {
    Whereabouts {
        country,
        postal_code: None,
        zone,
    }
}

#[test]
fn an_entry_for_france_may_only_narrow() {
    for (country, allowed) in [
        ("FR", "Sun 10:00-12:00"),
        ("FR", "Sat-Mon 10:00-12:00"),
        ("FR", "Mon-Fri 07:59-20:00"),
        ("FR", "Mon-Fri 08:00-22:01"),
        ("RE", "Mon-Sun 08:00-20:00"),
        ("NC", "Mon-Fri 00:00-24:00"),
    ] {
        for entry in [
            sms(Some(country), &[allowed]),
            by("ovh", sms(Some(country), &[allowed])),
        ] {
            let refused = hours(&[entry]).expect_err(allowed).to_string();
            assert!(
                refused.contains("quiet_hours.allowed") && refused.contains("operators"),
                "{refused}"
            );
        }
    }
    let on_holidays = QuietHoursSettings {
        holidays_are_quiet: false,
        ..sms(Some("FR"), &["Mon-Fri 08:00-20:00"])
    };
    let refused = hours(&[on_holidays]).expect_err("holidays").to_string();
    assert!(refused.contains("holidays_are_quiet"), "{refused}");
    hours(&[sms(Some("FR"), &["Mon-Sat 08:00-22:00"])]).expect("all that is allowed");
    // Mail is not text messages, and the neighbours are not France.
    let mail = QuietHoursSettings {
        channel: "email".to_owned(),
        ..sms(Some("FR"), &["Mon-Sun 00:00-24:00"])
    };
    hours(&[mail, sms(Some("BE"), &["Mon-Sun 00:00-24:00"])]).expect("no entry for France");
}

#[test]
fn what_holds_everywhere_is_narrowed_in_france() {
    let paris = place("FR", Tz::Europe__Paris);
    // Nothing set at all; a Saturday 22:30, then Sunday.
    let none = hours(&[]).unwrap();
    assert_eq!(
        none.next_allowed(at("2026-11-21T20:30:00Z"), Channel::Sms, paris),
        None
    );
    assert_eq!(
        none.next_allowed(at("2026-11-21T21:30:00Z"), Channel::Sms, paris),
        Some(at("2026-11-23T07:00:00Z"))
    );
    let always = QuietHoursSettings {
        holidays_are_quiet: false,
        ..sms(None, &["Mon-Sun 00:00-24:00"])
    };
    let always = hours(&[always]).unwrap();
    let sunday = at("2026-11-22T10:00:00Z");
    assert_eq!(
        always.next_allowed(sunday, Channel::Sms, paris),
        Some(at("2026-11-23T07:00:00Z"))
    );
    assert_eq!(
        always.next_allowed(sunday, Channel::Sms, place("BE", Tz::Europe__Brussels)),
        None
    );
    // Réunion is France: 08:00 there is 04:00 in UTC.
    assert_eq!(
        always.next_allowed(sunday, Channel::Sms, place("RE", Tz::Indian__Reunion)),
        Some(at("2026-11-23T04:00:00Z"))
    );
    let refused = hours(&[sms(None, &["Sun 10:00-12:00"])])
        .expect_err("no hour")
        .to_string();
    assert!(refused.contains("no hour in France"), "{refused}");
    hours(&[
        sms(None, &["Sun 10:00-12:00"]),
        sms(Some("FR"), &["Mon 10:00-12:00"]),
    ])
    .expect("France has its own");
}

#[test]
fn a_provider_may_have_hours_of_its_own() {
    let both = hours(&[
        sms(Some("FR"), &["Mon-Sat 08:00-22:00"]),
        by("ovh", sms(Some("FR"), &["Mon-Fri 09:00-12:00"])),
        by("ovh", sms(None, &["Mon-Fri 14:00-15:00"])),
        sms(Some("BE"), &["Mon-Sun 00:00-24:00"]),
    ])
    .unwrap();
    let evening = at("2026-11-24T19:00:00Z");
    let next = |route: Route<'_>, country: &str| {
        both.next_allowed(evening, route, place(country, Tz::Europe__Paris))
    };
    let by_another = Route {
        provider: Some("twilio"),
        ..BY_OVH
    };
    for route in [by_another, Channel::Sms.into()] {
        assert_eq!(next(route, "FR"), None);
        assert_eq!(next(route, "DE"), None);
    }
    assert_eq!(next(BY_OVH, "FR"), Some(at("2026-11-25T08:00:00Z")));
    // What is said of a country counts before what is said of all.
    assert_eq!(next(BY_OVH, "BE"), None);
    assert_eq!(next(BY_OVH, "DE"), Some(at("2026-11-25T13:00:00Z")));
    let described = both.told(BY_OVH, "FR").unwrap().to_string();
    assert!(described.starts_with("Mon-Fri 09:00-12:00"), "{described}");

    let twice = [
        sms(None, &["Mon 10:00-12:00"]),
        sms(None, &["Tue 10:00-12:00"]),
    ];
    assert!(hours(&twice).is_err());
    assert!(hours(&twice.map(|entry| by("ovh", entry))).is_err());
    let mail = QuietHoursSettings {
        channel: "email".to_owned(),
        ..by("ovh", sms(None, &["Mon 10:00-12:00"]))
    };
    let refused = hours(&[mail]).expect_err("mail").to_string();
    assert!(refused.contains("quiet_hours.provider"), "{refused}");
}

#[test]
fn the_defaults_keep_the_hours_of_the_united_states() {
    let settings = Settings::load_from(None, HashMap::new()).expect("the defaults");
    let hours = QuietHours::new(&settings.quiet_hours, &settings.holidays).expect("good hours");
    let new_york = place("US", Tz::America__New_York);
    // Sunday 20:00 and 19:59.
    assert_eq!(
        hours.next_allowed(at("2026-11-23T01:00:00Z"), Channel::Sms, new_york),
        Some(at("2026-11-23T13:00:00Z"))
    );
    assert_eq!(
        hours.next_allowed(at("2026-11-23T00:59:00Z"), Channel::Sms, new_york),
        None
    );
}

fn a_span() -> impl Strategy<Value = String> {
    let days = proptest::sample::select(vec![
        "Mon-Fri", "Mon-Sat", "Sat", "Sat-Mon", "Mon-Sun", "Wed",
    ]);
    (days, 0_u32..24 * 60, 1_u32..24 * 60).prop_map(|(days, from, length)| {
        let to = (from + length).min(24 * 60);
        format!("{days} {}-{}", clock_time(from), clock_time(to))
    })
}

fn an_entry() -> impl Strategy<Value = QuietHoursSettings> {
    let country =
        proptest::sample::select(vec![None, Some("FR"), Some("RE"), Some("NC"), Some("DE")]);
    let provider = proptest::sample::select(vec![None, Some("ovh")]);
    let allowed = proptest::collection::vec(a_span(), 1..3);
    (country, provider, allowed, any::<bool>()).prop_map(|(country, provider, allowed, quiet)| {
        QuietHoursSettings {
            channel: "sms".to_owned(),
            country: country.map(str::to_owned),
            provider: provider.map(str::to_owned),
            allowed,
            holidays_are_quiet: quiet,
        }
    })
}

/// Entries for France are refused more often than not: those that are taken, and the rest.
fn accepted(entries: Vec<QuietHoursSettings>) -> QuietHours {
    let mut taken: Vec<QuietHoursSettings> = Vec::new();
    for entry in entries {
        taken.push(entry);
        if hours(&taken).is_err() {
            taken.pop();
        }
    }
    hours(&taken).expect("each was taken")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever settings are accepted: no text message in France on a Sunday, a holiday or in the night.
    #[test]
    fn no_text_message_in_france_leaves_the_hours(
        entries in proptest::collection::vec(an_entry(), 0..6),
        place in proptest::sample::select(vec![
            ("FR", Tz::Europe__Paris), ("FR", Tz::Indian__Reunion), ("RE", Tz::Indian__Reunion),
            ("YT", Tz::Indian__Mayotte), ("GP", Tz::America__Guadeloupe), ("MQ", Tz::America__Martinique),
            ("GF", Tz::America__Cayenne), ("PM", Tz::America__Miquelon), ("NC", Tz::Pacific__Noumea),
            ("PF", Tz::Pacific__Tahiti), ("WF", Tz::Pacific__Wallis), ("BL", Tz::America__St_Barthelemy),
            ("MF", Tz::America__Marigot), ("FR", Tz::UTC),
        ]),
        provider in proptest::sample::select(vec![None, Some("ovh"), Some("twilio")]),
        minute in 0_i64..3 * 366 * 24 * 60,
    ) {
        let hours = accepted(entries);
        let route = Route { channel: Channel::Sms, provider };
        prop_assert!(hours.concerns(route));
        let (country, zone) = place;
        let now = at("2026-01-01T00:00:00Z") + TimeDelta::minutes(minute);
        let place = Whereabouts { country, postal_code: None, zone };
        let sent = hours.next_allowed(now, route, place).unwrap_or(now);
        let local = sent.with_timezone(&zone);
        prop_assert_ne!(local.weekday(), Weekday::Sun, "{}", local);
        prop_assert!((8..22).contains(&local.hour()), "{}", local);
        let region = Region { country, postal_code: None, time_zone: Some(zone.name()) };
        prop_assert!(!is_holiday(local.date_naive(), region), "{}", local);
        prop_assert_eq!(holidays::sovereign(country), "FR");
    }
}
