use proptest::prelude::*;

use super::*;

fn settings(limits: &[(&[&str], &[&str], u32)], rate: Option<u32>) -> Settings {
    let limits: Vec<_> = limits
        .iter()
        .map(|(recipients, senders, rate)| {
            serde_json::json!({ "recipients": recipients, "senders": senders, "rate_per_second": rate })
        })
        .collect();
    let mut settings = Settings::load_from(None, std::collections::HashMap::new()).unwrap();
    settings.email = serde_json::from_value(serde_json::json!({
        "connections": 4, "messages_per_connection": 100, "timeout_seconds": 5,
        "bounce_domain": "bounce.example.com", "message_domain": "news.example.com",
        "feedback_id": "visavis", "limits": limits, "rate_per_second": rate,
    }))
    .unwrap();
    settings
}

fn limits(settings: &Settings) -> Limits {
    let subject = Subject {
        wave: WaveId(7),
        campaign: CampaignId(3),
        route: "default",
        sender_address: "bonjour@Vaisselle.example",
        rate_per_second: None,
    };
    Limits::new(settings, subject)
}

/// How many of a batch of `n` without a recipient's limit go.
fn go(limits: &Limits, n: usize, lines: &mut Lines, now: i64) -> i64 {
    let turns = limits.allot(&vec![None; n], lines, now);
    count(&turns, Turn::Go)
}

fn count(turns: &Turns, turn: Turn) -> i64 {
    i64::try_from(turns.each.iter().filter(|each| **each == turn).count()).unwrap()
}

#[test]
fn what_names_a_wave_bounds_it() {
    let bounded = settings(
        &[
            (&[], &["vaisselle.example"], 5),
            (&["gmail.com", "googlemail.com"], &[], 2),
            (&["*"], &[], 9),
        ],
        Some(50),
    );
    let limits = self::limits(&bounded);
    let names: Vec<&str> = limits.shared.iter().map(|limit| &*limit.name).collect();
    assert_eq!(names, ["relay/default", "from/vaisselle.example"]);
    let of = |address| limits.of_recipient(address).unwrap();
    assert_eq!(of("a@GMAIL.com"), of("b@googlemail.com"), "they share it");
    assert_eq!(of("a@x.example").per_second, 9);
    assert_ne!(of("a@x.example"), of("a@y.example"), "each for itself");
    assert!(self::limits(&settings(&[], None)).is_empty());
}

#[test]
fn a_line_begins_with_one_slot_and_catches_up_a_second_at_most() {
    let limits = limits(&settings(&[], Some(10)));
    let mut lines = Lines::new();
    let begin = 1_000 * SECOND;
    assert_eq!(go(&limits, 50, &mut lines, begin), 1, "nothing to catch up");
    assert_eq!(limits.rest(&lines, begin), Some(SECOND / 10 + GATHER));
    assert_eq!(go(&limits, 50, &mut lines, begin + SECOND / 2), 5);
    assert_eq!(go(&limits, 50, &mut lines, begin + 4 * SECOND), 11);
    assert_eq!(go(&limits, 50, &mut lines, begin + 60 * SECOND), 1);
}

#[test]
fn who_exceeds_a_domain_queues_up_and_slows_nobody_else() {
    let limits = limits(&settings(&[(&["slow.example"], &[], 2)], None));
    let slow = limits.of_recipient("a@slow.example");
    let batch = [slow.clone(), None, slow.clone(), slow.clone(), None, slow];
    let mut lines = Lines::new();
    let turns = limits.allot(&batch, &mut lines, 0);
    let off = |n: i64| Turn::PutOff(PUT_OFF + n * SECOND / 2);
    assert_eq!(
        turns.each,
        [Turn::Go, Turn::Go, off(0), off(1), Turn::Go, off(2)]
    );
    assert_eq!(turns.rest, None);
    // The queue goes on where it ended, not from now.
    let more = limits.allot(&batch[2..4], &mut lines, SECOND / 10);
    let Turn::PutOff(wait) = more.each[0] else {
        panic!("{more:?}");
    };
    assert_eq!(wait, PUT_OFF + 3 * SECOND / 2 - SECOND / 10);
}

proptest! {
    #[test]
    fn nodes_together_keep_the_rate(
        rate in 1_u32..5_000,
        // Each look of any node: how long after the one before, and how many it has to send.
        looks in prop::collection::vec((0_i64..400_000, 0_usize..2_000), 1..200),
    ) {
        let limits = limits(&settings(&[], Some(rate)));
        let mut lines = Lines::new();
        let mut now = 1_000 * SECOND;
        let mut begin = None;
        let mut gone = 0;
        let mut always_more = true;
        for (after, wanted) in looks {
            now += after;
            let begin = *begin.get_or_insert(now);
            let went = go(&limits, wanted, &mut lines, now);
            always_more &= usize::try_from(went).unwrap() < wanted;
            gone += went;
            let most = (now - begin) * i64::from(rate) / SECOND + 1;
            // Rounding of a microsecond a look.
            prop_assert!(gone <= most + most / 1_000 + 1, "{gone} of {most}");
            // Whoever always has more to send gets all of it.
            if always_more {
                prop_assert!(gone >= most - 1, "{gone} of {most}");
            }
        }
    }

    #[test]
    fn a_queue_is_spaced_like_its_limit(rate in 1_u32..100, n in 1_usize..300) {
        let limits = limits(&settings(&[(&["slow.example"], &[], rate)], None));
        let batch = vec![limits.of_recipient("a@slow.example"); n];
        let turns = limits.allot(&batch, &mut Lines::new(), 0);
        let waits: Vec<i64> = turns.each.iter().filter_map(|turn| match turn {
            Turn::PutOff(wait) => Some(*wait),
            _ => None,
        }).collect();
        prop_assert_eq!(waits.len(), n - 1);
        for pair in waits.windows(2) {
            prop_assert_eq!(pair[1] - pair[0], SECOND / i64::from(rate));
        }
    }
}
