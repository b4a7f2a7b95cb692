use super::*;
use crate::config::WindowKind;

pub(in crate::campaigns::calendar) fn entry(name: &str, segment: &str, at: i64) -> Entry {
    Entry {
        campaign: CampaignId(i64::from(name.bytes().next().unwrap())),
        name: name.to_owned(),
        status: Status::Scheduled,
        channels: vec![Channel::Email],
        topic: "offers".to_owned(),
        segment: segment.to_owned(),
        relay: None,
        sender: String::new(),
        zone_is_recipients: false,
        is_recurring: false,
        day: NaiveDate::default(),
        at,
        ended_at: None,
        window_until: None,
        people: None,
        responders: None,
        is_wave: false,
        may_move: true,
    }
}

fn cap(max: u32, days: u32) -> Cap {
    Cap {
        max,
        days,
        window: WindowKind::Sliding,
        channel: None,
        topic: None,
    }
}

fn named(conflicts: &[Conflict]) -> Vec<(bool, Vec<&str>)> {
    conflicts
        .iter()
        .map(|conflict| match conflict {
            Conflict::Pressure {
                is_certain,
                campaigns,
                ..
            } => (*is_certain, campaigns.iter().map(String::as_str).collect()),
            Conflict::Capacity { first, second, .. } => (true, vec![first, second]),
        })
        .collect()
}

#[test]
fn too_much_for_the_same_people_is_certain_and_for_others_possible() {
    let caps = [cap(1, 7)];
    let told = |entries: &[Entry]| -> Vec<(bool, Vec<String>)> {
        named(&pressure_conflicts(entries, &caps, 0))
            .into_iter()
            .map(|(is_certain, names)| (is_certain, names.into_iter().map(str::to_owned).collect()))
            .collect()
    };
    let day = DAY_MS;
    assert_eq!(told(&[entry("a", "x", 0), entry("b", "x", 7 * day)]), []);
    let both = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(
        told(&[entry("a", "x", 0), entry("b", "x", 7 * day - 1)]),
        [(true, both.clone())]
    );
    assert_eq!(
        told(&[entry("a", "x", 0), entry("b", "everyone", day)]),
        [(true, both.clone())]
    );
    assert_eq!(
        told(&[entry("a", "x", 0), entry("b", "y", day)]),
        [(false, both)]
    );
    // Of another topic or channel it is none of the cap's business.
    let mut news = entry("b", "x", day);
    news.topic = "news".to_owned();
    let about_offers = [Cap {
        topic: Some("offers".to_owned()),
        ..cap(1, 7)
    }];
    assert_eq!(
        pressure_conflicts(&[entry("a", "x", 0), news], &about_offers, 0),
        []
    );
}

#[test]
fn what_lies_behind_us_is_no_conflict_and_a_group_is_told_once() {
    let day = DAY_MS;
    let entries = [
        entry("a", "x", day),
        entry("b", "x", 2 * day),
        entry("c", "x", 3 * day),
    ];
    assert_eq!(pressure_conflicts(&entries, &[cap(1, 7)], 4 * day), []);
    let told = pressure_conflicts(&entries, &[cap(1, 7)], 0);
    assert_eq!(named(&told), [(true, vec!["a", "b", "c"])]);
    // Each day again: it is told once.
    let daily: Vec<Entry> = (0..30).map(|n| entry("d", "x", n * day)).collect();
    assert_eq!(pressure_conflicts(&daily, &[cap(1, 7)], 0).len(), 1);
}

#[test]
fn a_relay_that_is_still_busy_is_told() {
    let mut first = entry("a", "x", 0);
    first.people = Some(36_000);
    let rate = |_: &Entry| Some(("main".to_owned(), 10));
    let hour = 3_600_000;
    let busy = capacity_conflicts(&[first.clone(), entry("b", "y", hour - 1)], rate, 0);
    assert_eq!(named(&busy), [(true, vec!["a", "b"])]);
    assert_eq!(
        capacity_conflicts(&[first.clone(), entry("b", "y", hour)], rate, 0),
        []
    );
    assert_eq!(
        capacity_conflicts(&[first, entry("b", "y", 1)], |_| None, 0),
        []
    );
}

#[test]
fn pressure_is_the_most_in_any_stretch_of_the_tightest_cap() {
    let span = Span {
        from: NaiveDate::from_ymd_opt(1970, 1, 1).unwrap(),
        until: NaiveDate::from_ymd_opt(1970, 1, 31).unwrap(),
        zone: chrono_tz::UTC,
    };
    assert_eq!(span.days().count(), 30);
    assert_eq!((span.from_ms(), span.until_ms()), (0, 30 * DAY_MS));
    let day = DAY_MS;
    let entries = [
        entry("a", "x", 0),
        entry("b", "everyone", day),
        entry("c", "x", 10 * day),
        entry("d", "y", 40 * day),
    ];
    let told = pressure(&entries, &[cap(10, 1), cap(3, 7)], span, 0);
    let told: Vec<(&str, usize, usize, u32)> = told
        .iter()
        .map(|one| (one.segment.as_str(), one.planned, one.peak, one.max))
        .collect();
    // Whoever is of x is of everyone too; of y nobody gets anything of his own in the span.
    assert_eq!(
        told,
        [("x", 3, 2, 3), ("everyone", 1, 1, 3), ("y", 1, 1, 3)]
    );
    assert_eq!(pressure(&entries, &[cap(3, 7)], span, 35 * day), []);
}

#[test]
fn a_day_is_that_of_the_zone() {
    let span = Span {
        from: NaiveDate::from_ymd_opt(2026, 10, 25).unwrap(),
        until: NaiveDate::from_ymd_opt(2026, 10, 26).unwrap(),
        zone: chrono_tz::Europe::Paris,
    };
    // The day on which clocks go back has 25 hours.
    assert_eq!(span.until_ms() - span.from_ms(), 25 * 3_600_000);
    assert_eq!(
        span.day_of(span.from_ms() - 1),
        span.from.pred_opt().unwrap()
    );
    assert_eq!(span.day_of(span.until_ms() - 1), span.from);
}

#[test]
fn a_calendar_day_ends_at_midnight() {
    let mut late = entry("a", "x", 22 * 3_600_000);
    late.day = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    let mut early = entry("b", "x", 30 * 3_600_000);
    early.day = NaiveDate::from_ymd_opt(1970, 1, 2).unwrap();
    let both = [late, early];
    let daily = Cap {
        window: WindowKind::Calendar,
        ..cap(1, 1)
    };
    assert_eq!(
        pressure_conflicts(&both, std::slice::from_ref(&daily), 0),
        []
    );
    assert_eq!(pressure_conflicts(&both, &[cap(1, 1)], 0).len(), 1);
    let two_days = Cap { days: 2, ..daily };
    assert_eq!(pressure_conflicts(&both, &[two_days], 0).len(), 1);
}
