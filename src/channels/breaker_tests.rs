use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A breaker that has just opened, at the zero of time, and for how long.
fn opened() -> (Breaker, Duration) {
    let mut breaker = Breaker::default();
    assert_eq!(breaker.failed(Duration::ZERO, 0.5), None);
    assert_eq!(breaker.failed(Duration::ZERO, 0.5), None);
    let opened = breaker.failed(Duration::ZERO, 0.5).unwrap();
    assert_eq!(opened.failures, 3);
    (breaker, opened.wait)
}

#[test]
fn three_failures_in_a_row_open_it() {
    let (mut breaker, wait) = opened();
    assert_eq!(wait, FIRST_WAIT);
    assert_eq!(breaker.ask(SECOND), Permit::Wait(wait - SECOND));
    // What was in flight then changes nothing.
    assert_eq!(breaker.failed(SECOND, 0.5), None);
    breaker.answered();
    assert_eq!(breaker.ask(SECOND), Permit::Wait(wait - SECOND));
}

#[test]
fn an_answered_message_between_them_keeps_it_closed() {
    let mut breaker = Breaker::default();
    for _ in 0..20 {
        assert_eq!(breaker.failed(SECOND, 0.5), None);
        assert_eq!(breaker.failed(SECOND, 0.5), None);
        breaker.answered();
        assert_eq!(breaker.ask(SECOND), Permit::Go);
    }
}

#[test]
fn half_open_one_tries_and_the_others_wait() {
    let (mut breaker, wait) = opened();
    assert_eq!(breaker.ask(wait), Permit::Try);
    assert!(matches!(breaker.ask(wait), Permit::Wait(_)));
    assert!(breaker.connected());
    assert_eq!(breaker.ask(wait), Permit::Go);
    assert!(!breaker.connected(), "it was closed before");
}

#[test]
fn a_trial_that_is_lost_is_given_to_the_next() {
    let (mut breaker, wait) = opened();
    assert_eq!(breaker.ask(wait), Permit::Try);
    assert!(matches!(
        breaker.ask(wait + TRIAL - SECOND),
        Permit::Wait(_)
    ));
    assert_eq!(breaker.ask(wait + TRIAL), Permit::Try);
}

#[test]
fn a_relay_that_greets_and_then_fails_is_left_alone_for_longer() {
    let (mut breaker, mut now) = opened();
    assert_eq!(breaker.ask(now), Permit::Try);
    assert!(breaker.connected());
    let again = (0..3).find_map(|_| breaker.failed(now, 0.5)).unwrap();
    assert_eq!(again.wait, FIRST_WAIT * 2);
    now += again.wait;
    assert_eq!(breaker.ask(now), Permit::Try);
    assert!(breaker.connected());
    breaker.answered();
    let later = (0..3).find_map(|_| breaker.failed(now, 0.5)).unwrap();
    assert_eq!(later.wait, FIRST_WAIT, "an answered message forgives all");
}

/// What may happen to a breaker.
#[derive(Debug, Clone)]
enum Event {
    Ask,
    Connected,
    Answered,
    Failed(f64),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Ask),
        Just(Event::Connected),
        Just(Event::Answered),
        (0.0_f64..1.0).prop_map(Event::Failed),
        (0_u64..400).prop_map(Event::Wait),
    ]
}

proptest! {
    #[test]
    fn waits_are_bounded_and_one_tries_at_a_time(events in prop::collection::vec(event(), 0..300)) {
        let mut breaker = Breaker::default();
        let mut now = Duration::ZERO;
        let mut trial: Option<Duration> = None;
        for event in events {
            match event {
                Event::Ask => match breaker.ask(now) {
                    Permit::Go => prop_assert!(breaker.is_closed()),
                    Permit::Try => {
                        prop_assert!(trial.is_none_or(|since| now >= since + TRIAL), "two try");
                        trial = Some(now);
                    }
                    Permit::Wait(wait) => {
                        prop_assert!(!breaker.is_closed());
                        prop_assert!(wait <= LONGEST_WAIT);
                    }
                },
                Event::Connected => {
                    breaker.connected();
                    trial = None;
                }
                Event::Answered => breaker.answered(),
                Event::Failed(chance) => {
                    if let Some(opened) = breaker.failed(now, chance) {
                        prop_assert!(opened.wait >= FIRST_WAIT.mul_f64(0.8));
                        prop_assert!(opened.wait <= LONGEST_WAIT);
                        prop_assert!(opened.failures > 0);
                        trial = None;
                    }
                }
                Event::Wait(seconds) => now += Duration::from_secs(seconds),
            }
        }
        // However it stands, it comes back.
        now += LONGEST_WAIT.max(TRIAL);
        prop_assert!(!matches!(breaker.ask(now), Permit::Wait(_)));
    }

    #[test]
    fn each_opening_lasts_longer_up_to_the_bound(chance in 0.0_f64..1.0) {
        let (mut breaker, wait) = opened();
        let mut now = wait;
        let mut nominal = FIRST_WAIT;
        for _ in 0..12 {
            prop_assert_eq!(breaker.ask(now), Permit::Try);
            let opened = breaker.failed(now, chance).unwrap();
            nominal = (nominal * 2).min(LONGEST_WAIT);
            prop_assert!(opened.wait >= nominal.mul_f64(0.799));
            prop_assert!(opened.wait <= nominal.mul_f64(1.201).min(LONGEST_WAIT));
            now += opened.wait;
        }
        prop_assert_eq!(nominal, LONGEST_WAIT);
    }
}
