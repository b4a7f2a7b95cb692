//! Quiet hours: examples, both clock changes, and the property over every zone.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::config::Settings;

fn defaults() -> QuietHours {
    let settings = Settings::load_from(None, HashMap::new()).expect("the defaults");
    QuietHours::new(&settings.quiet_hours, &settings.holidays).expect("good hours")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn in_france(postal_code: Option<&str>, zone: Tz) -> Whereabouts<'_> {
    Whereabouts {
        country: "FR",
        postal_code,
        zone,
    }
}

fn next(now: &str, place: Whereabouts<'_>) -> Option<String> {
    defaults()
        .next_allowed(at(now), Channel::Sms, place)
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

#[test]
fn an_evening_waits_for_the_morning_a_sunday_for_monday() {
    let paris = in_france(None, Tz::Europe__Paris);
    assert_eq!(next("2026-11-24T10:00:00Z", paris), None);
    assert_eq!(
        next("2026-11-24T19:00:00Z", paris).as_deref(),
        Some("2026-11-25T07:00:00Z")
    );
    assert_eq!(
        next("2026-11-21T17:00:00Z", paris).as_deref(),
        Some("2026-11-23T07:00:00Z")
    );
    assert_eq!(
        next("2026-11-21T08:59:59Z", paris).as_deref(),
        Some("2026-11-21T09:00:00Z")
    );
}

#[test]
fn holidays_are_quiet_where_they_are_kept() {
    let paris = in_france(None, Tz::Europe__Paris);
    // Friday, Christmas; Saturday the 26th is one in Strasbourg only.
    assert_eq!(
        next("2026-12-25T10:00:00Z", paris).as_deref(),
        Some("2026-12-26T09:00:00Z")
    );
    let strasbourg = in_france(Some("67000"), Tz::Europe__Paris);
    assert_eq!(
        next("2026-12-25T10:00:00Z", strasbourg).as_deref(),
        Some("2026-12-28T07:00:00Z")
    );
    // The 10th of June in Cayenne, 3 hours behind UTC.
    let cayenne = in_france(None, Tz::America__Cayenne);
    assert_eq!(
        next("2026-06-10T15:00:00Z", cayenne).as_deref(),
        Some("2026-06-11T11:00:00Z")
    );
    assert_eq!(next("2026-06-10T15:00:00Z", paris), None);
}

#[test]
fn both_clock_changes() {
    let settings = |allowed: &str| QuietHoursSettings {
        channel: "email".to_owned(),
        country: None,
        provider: None,
        allowed: vec![allowed.to_owned()],
        holidays_are_quiet: false,
    };
    let paris = in_france(None, Tz::Europe__Paris);
    let hours = |allowed: &str| {
        QuietHours::new(&[settings(allowed)], &BTreeMap::new()).expect("good hours")
    };
    let after =
        |allowed: &str, now: &str| hours(allowed).next_allowed(at(now), Channel::Email, paris);
    // 02:30 does not exist on 28 March 2027: 03:00 summer time comes first.
    assert_eq!(
        after("Sun 02:30-05:00", "2027-03-28T00:00:00Z"),
        Some(at("2027-03-28T01:00:00Z"))
    );
    // Nothing of 02:10-02:50 exists that day.
    assert_eq!(
        after("Sun 02:10-02:50", "2027-03-28T00:00:00Z"),
        Some(at("2027-04-04T00:10:00Z"))
    );
    // 02:00-02:30 comes twice on 25 October 2026.
    assert_eq!(
        after("Sun 02:00-02:30", "2026-10-24T22:00:00Z"),
        Some(at("2026-10-25T00:00:00Z"))
    );
    assert_eq!(
        after("Sun 02:00-02:30", "2026-10-25T00:40:00Z"),
        Some(at("2026-10-25T01:00:00Z"))
    );
    assert_eq!(after("Sun 02:00-02:30", "2026-10-25T01:10:00Z"), None);
    // Eight in the morning stays eight over the change.
    assert_eq!(
        next("2027-03-29T18:30:00Z", paris).as_deref(),
        Some("2027-03-30T06:00:00Z")
    );
}

#[test]
fn a_mistake_names_its_key() {
    let error = |allowed: &[&str], channel: &str, country: &str| {
        let entry = QuietHoursSettings {
            channel: channel.to_owned(),
            country: Some(country.to_owned()),
            provider: None,
            allowed: allowed.iter().map(|&text| text.to_owned()).collect(),
            holidays_are_quiet: true,
        };
        QuietHours::new(&[entry], &BTreeMap::new())
            .expect_err("a mistake")
            .to_string()
    };
    assert!(error(&["Mon-Fri 20:00-08:00"], "sms", "FR").contains("over midnight"));
    assert!(error(&["Mon-Fry 08:00-20:00"], "sms", "FR").contains("quiet_hours.allowed"));
    assert!(error(&["Mon 08:00-24:30"], "sms", "FR").contains("quiet_hours.allowed"));
    assert!(error(&[], "sms", "FR").contains("no hour at all"));
    assert!(error(&["Mon 08:00-20:00"], "fax", "FR").contains("quiet_hours.channel"));
    assert!(error(&["Mon 08:00-20:00"], "sms", "France").contains("quiet_hours.country"));
    let holidays = BTreeMap::from([("FR".to_owned(), vec!["24.12.2026".to_owned()])]);
    let error = QuietHours::new(&[], &holidays)
        .expect_err("a mistake")
        .to_string();
    assert!(error.contains("holidays.FR"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The answer is allowed, later than now, and no minute before it is allowed.
    #[test]
    fn the_next_allowed_instant_is_the_first(
        zone in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        minute in 0_i64..2 * 366 * 24 * 60,
        from in 0_u32..24 * 60 - 1, length in 1_u32..600,
        days in proptest::sample::select(vec!["Mon-Fri", "Sat", "Sun", "Sat-Mon", "Wed-Wed", "Mon-Sun"]),
        country in proptest::sample::select(vec!["FR", "DE", "US"]),
    ) {
        let to = (from + length).min(24 * 60);
        let entry = QuietHoursSettings {
            channel: "email".to_owned(),
            country: None,
            provider: None,
            allowed: vec![format!("{days} {}-{}", clock_time(from), clock_time(to))],
            holidays_are_quiet: true,
        };
        let hours = QuietHours::new(&[entry], &BTreeMap::new()).expect("good hours");
        let now = at("2026-01-01T00:00:00Z") + TimeDelta::minutes(minute) + TimeDelta::seconds(17);
        let place = Whereabouts { country, postal_code: None, zone };
        let answer = hours.next_allowed(now, Channel::Email, place);
        let table = hours.timetable(Channel::Email.into(), country).expect("a timetable");
        let Some(release) = answer else {
            prop_assert!(hours.is_open(table, now, place));
            return Ok(());
        };
        prop_assert!(release > now);
        prop_assert_eq!(hours.next_allowed(release, Channel::Email, place), None);
        let mut between = now;
        while between < release {
            prop_assert!(!hours.is_open(table, between, place), "{between} is allowed, {release} was said");
            between += TimeDelta::minutes(1);
        }
    }
}

#[test]
fn hours_that_leave_nothing_out_are_any_time() {
    let described = |allowed: &[&str], holidays_are_quiet| {
        let entry = QuietHoursSettings {
            channel: "email".to_owned(),
            country: None,
            provider: None,
            allowed: allowed.iter().map(|&text| text.to_owned()).collect(),
            holidays_are_quiet,
        };
        let hours = QuietHours::new(&[entry], &BTreeMap::new()).unwrap();
        hours.told(Channel::Email, "FR").unwrap().to_string()
    };
    let all_day = ["Mon-Sun 00:00-12:00", "Mon-Sun 12:00-24:00"];
    assert_eq!(described(&all_day, false), "any time");
    assert_eq!(
        described(&all_day, true),
        "any time, not on public holidays"
    );
    let but_a_minute = ["Mon-Sun 00:00-12:00", "Mon-Sun 12:01-24:00"];
    assert!(described(&but_a_minute, false).starts_with("Mon-Sun 00:00-12:00 and 12:01-24:00"));
}
