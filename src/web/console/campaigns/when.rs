//! When a campaign is launched, as fields of a form and as words: a cron expression is nobody's language.

use chrono::{NaiveDateTime, NaiveTime};
use chrono_tz::Tz;

use crate::campaigns::definition::{Missed, Schedule, Zone};
use crate::web::public::words::Language;
use crate::web::words::Words;

/// What comes again and again, as far as fields can say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Daily,
    /// Monday to Friday.
    Workdays,
    /// On a day of the week, 1 for Monday to 7.
    Weekly(u8),
    /// On a day of the month, 1 to 28.
    Monthly(u8),
}

/// How a cron expression of one time a day reads; `None`: it says more than the fields can.
pub(super) fn read(cron: &str) -> Option<(Repeat, NaiveTime)> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let [minute, hour, day, "*", weekday] = fields.as_slice() else {
        return None;
    };
    let time = NaiveTime::from_hms_opt(hour.parse().ok()?, minute.parse().ok()?, 0)?;
    let repeat = match (*day, *weekday) {
        ("*", "*") => Repeat::Daily,
        ("*", "1-5") => Repeat::Workdays,
        ("*", day) => match day.parse().ok()? {
            0 => Repeat::Weekly(7),
            day @ 1..=7 => Repeat::Weekly(day),
            _ => return None,
        },
        (day, "*") => Repeat::Monthly(day.parse().ok().filter(|day| (1..=28).contains(day))?),
        _ => return None,
    };
    Some((repeat, time))
}

/// The cron expression of a repetition.
pub(super) fn write(repeat: Repeat, time: NaiveTime) -> String {
    let at = time.format("%-M %-H");
    match repeat {
        Repeat::Daily => format!("{at} * * *"),
        Repeat::Workdays => format!("{at} * * 1-5"),
        Repeat::Weekly(day) => format!("{at} * * {}", day % 7),
        Repeat::Monthly(day) => format!("{at} {day} * *"),
    }
}

/// A day of the week, 1 for Monday.
pub(super) fn weekday(day: u8, words: &Words) -> &'static str {
    match day {
        1 => words.t("Monday"),
        2 => words.t("Tuesday"),
        3 => words.t("Wednesday"),
        4 => words.t("Thursday"),
        5 => words.t("Friday"),
        6 => words.t("Saturday"),
        _ => words.t("Sunday"),
    }
}

/// A day of the week within a sentence: French has it small there.
fn within(day: &str, words: &Words) -> String {
    match words.language() {
        Language::French => day.to_lowercase(),
        _ => day.to_owned(),
    }
}

/// A repetition as a sentence has it: `every Monday at 09:30`.
pub(super) fn every_in_words(cron: &str, words: &Words) -> String {
    let Some((repeat, time)) = read(cron) else {
        return words.fill("whenever {cron} says", &[("cron", cron.to_owned())]);
    };
    let time = time.format("%H:%M").to_string();
    match repeat {
        Repeat::Daily => words.fill("every day at {time}", &[("time", time)]),
        Repeat::Workdays => words.fill("from Monday to Friday at {time}", &[("time", time)]),
        Repeat::Weekly(day) => words.fill(
            "every {day} at {time}",
            &[("day", within(weekday(day, words), words)), ("time", time)],
        ),
        Repeat::Monthly(day) => words.fill(
            "on day {day} of every month at {time}",
            &[("day", day.to_string()), ("time", time)],
        ),
    }
}

/// When a plan is launched, as the sentence of the review has it.
pub(super) fn in_words(schedule: Option<&Schedule>, words: &Words) -> String {
    let Some(schedule) = schedule else {
        return words.t("as soon as it is launched").to_owned();
    };
    let when = match (&schedule.at, &schedule.every) {
        (Some(at), _) => {
            let day = words.date(at.date());
            let time = at.format("%H:%M").to_string();
            words.fill("on {day} at {time}", &[("day", day), ("time", time)])
        }
        (None, Some(cron)) => every_in_words(cron, words),
        (None, None) => String::new(),
    };
    match schedule.zone {
        Zone::Recipient => words.fill("{when} in each recipient's own time", &[("when", when)]),
        Zone::Named(zone) => words.fill(
            "{when}, time of {place}",
            &[("when", when), ("place", place_of(zone))],
        ),
    }
}

/// `Europe/Paris` as `Paris`.
pub(super) fn place_of(zone: Tz) -> String {
    let name = zone.name();
    name.rsplit('/').next().unwrap_or(name).replace('_', " ")
}

/// A schedule of one of the two kinds.
pub(super) fn schedule(
    at: Option<NaiveDateTime>,
    every: Option<String>,
    zone: Zone,
    (fallback_zone, missed): (Tz, Missed),
) -> Schedule {
    Schedule {
        at,
        every,
        zone,
        fallback_zone,
        missed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fields_write_they_read() {
        let time = NaiveTime::from_hms_opt(9, 30, 0).unwrap();
        let mut all = vec![Repeat::Daily, Repeat::Workdays];
        all.extend((1..=7).map(Repeat::Weekly));
        all.extend((1..=28).map(Repeat::Monthly));
        for repeat in all {
            let cron = write(repeat, time);
            crate::campaigns::cron::parse(&cron).unwrap();
            assert_eq!(read(&cron), Some((repeat, time)), "{cron}");
        }
        assert_eq!(write(Repeat::Weekly(7), time), "30 9 * * 0");
    }

    #[test]
    fn what_says_more_is_left_as_it_is() {
        for cron in [
            "*/30 * * * *",
            "0 9 * 5 *",
            "0 9 1 * 1",
            "0 9 31 * *",
            "0 9 * * 1,3",
        ] {
            assert_eq!(read(cron), None, "{cron}");
        }
    }
}
