//! Days, ages and spans: the arithmetic of time that the language needs.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};

use super::model::{Span, Unit, Window};
use super::vocabulary::GENERATIONS;

const DAY_MS: i64 = 86_400_000;

/// The years completed on `today` by one born on `birth`; negative for a birth still to come. Who was
/// born on 29 February completes a year on 1 March when there is no 29th.
pub(super) fn age(birth: NaiveDate, today: NaiveDate) -> i64 {
    let is_before_birthday = (today.month(), today.day()) < (birth.month(), birth.day());
    i64::from(today.year()) - i64::from(birth.year()) - i64::from(is_before_birthday)
}

/// Who has completed `n` years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Born {
    /// Nobody born in the years 1 to 9999 has.
    Never,
    /// Those born on this day or before.
    By(NaiveDate),
    /// Everybody born in the years 1 to 9999 has.
    Always,
}

/// The day of birth from which on back one has completed `n` years on `today`.
pub(super) fn born_for_age(n: i64, today: NaiveDate) -> Born {
    let year = i64::from(today.year()).saturating_sub(n);
    if year < 1 {
        return Born::Never;
    }
    let Some(year) = i32::try_from(year).ok().filter(|year| *year <= 9999) else {
        return Born::Always;
    };
    let day = NaiveDate::from_ymd_opt(year, today.month(), today.day())
        // Today is 29 February and that year had none.
        .or_else(|| NaiveDate::from_ymd_opt(year, today.month(), 28));
    day.map_or(Born::Never, Born::By)
}

/// The generation of a year of birth.
pub(super) fn generation(year: i32) -> Option<&'static str> {
    GENERATIONS
        .iter()
        .find(|(_, first, last)| (*first..=*last).contains(&year))
        .map(|(name, _, _)| *name)
}

/// The first and last day of birth of a generation.
pub(super) fn generation_days(name: &str) -> Option<(NaiveDate, NaiveDate)> {
    let (_, first, last) = GENERATIONS.iter().find(|(known, _, _)| *known == name)?;
    year_days(*first, *last)
}

/// The first and last day of birth that belong to any generation.
pub(super) fn all_generation_days() -> Option<(NaiveDate, NaiveDate)> {
    let (_, first, _) = GENERATIONS.first()?;
    let (_, _, last) = GENERATIONS.last()?;
    year_days(*first, *last)
}

fn year_days(first: i32, last: i32) -> Option<(NaiveDate, NaiveDate)> {
    Some((
        NaiveDate::from_ymd_opt(first, 1, 1)?,
        NaiveDate::from_ymd_opt(last, 12, 31)?,
    ))
}

/// When the span that ends at `now` began; nothing if that lies before chrono's calendar.
pub(super) fn span_start(span: Span, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match span.unit {
        Unit::Days => now.checked_sub_days(Days::new(u64::from(span.count))),
        Unit::Weeks => now.checked_sub_days(Days::new(u64::from(span.count) * 7)),
        Unit::Months => now.checked_sub_months(Months::new(span.count)),
        Unit::Years => now.checked_sub_months(Months::new(span.count.checked_mul(12)?)),
    }
}

/// [`span_start`] in milliseconds since the epoch; the beginning of time instead of nothing.
pub(super) fn span_start_ms(span: Span, now: DateTime<Utc>) -> i64 {
    span_start(span, now).map_or(i64::MIN, |start| start.timestamp_millis())
}

/// The day (UTC) on which the span that ends at `now` began, not before the year 1.
pub(super) fn span_start_day(span: Span, now: DateTime<Utc>) -> NaiveDate {
    let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or(NaiveDate::MIN);
    span_start(span, now).map_or(first, |start| start.date_naive().max(first))
}

/// The first millisecond of a day in UTC.
pub(super) fn day_start_ms(day: NaiveDate) -> i64 {
    day_number(day) * DAY_MS
}

/// The first millisecond after a day in UTC.
pub(super) fn day_end_ms(day: NaiveDate) -> i64 {
    (day_number(day) + 1) * DAY_MS
}

/// Days since 1 January 1970.
pub(super) fn day_number(day: NaiveDate) -> i64 {
    let epoch = DateTime::<Utc>::UNIX_EPOCH.date_naive();
    (day - epoch).num_days()
}

/// The number of the day (UTC) an instant lies in.
pub(super) fn day_of_ms(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

/// The first and the last millisecond of a window.
pub(super) fn window_ms(window: Window, now: DateTime<Utc>) -> (i64, i64) {
    match window {
        Window::Within(span) => (span_start_ms(span, now), now.timestamp_millis()),
        Window::Between(first, last) => (day_start_ms(first), day_end_ms(last) - 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_leap_day_birthday_falls_on_the_first_of_march() {
        assert_eq!(age(date("2004-02-29"), date("2027-02-28")), 22);
        assert_eq!(age(date("2004-02-29"), date("2027-03-01")), 23);
        assert_eq!(age(date("2004-02-29"), date("2028-02-29")), 24);
        assert_eq!(age(date("2030-01-01"), date("2026-11-22")), -4);
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let now = "2026-03-31T12:00:00Z".parse().unwrap();
        let start = |count, unit| span_start(Span { count, unit }, now).unwrap().to_string();
        assert_eq!(start(1, Unit::Months), "2026-02-28 12:00:00 UTC");
        assert_eq!(start(2, Unit::Years), "2024-03-31 12:00:00 UTC");
        assert_eq!(start(2, Unit::Weeks), "2026-03-17 12:00:00 UTC");
    }

    proptest! {
        #[test]
        fn the_day_of_birth_for_an_age_is_exact(
            birth in 0_i64..120_000,
            today in 60_000_i64..140_000,
            n in -50_i64..250,
        ) {
            let from = date("1700-01-01");
            let birth = from + chrono::Duration::days(birth);
            let today = from + chrono::Duration::days(today);
            let by_bound = match born_for_age(n, today) {
                Born::Never => false,
                Born::By(day) => birth <= day,
                Born::Always => true,
            };
            prop_assert_eq!(by_bound, age(birth, today) >= n);
        }
    }
}
