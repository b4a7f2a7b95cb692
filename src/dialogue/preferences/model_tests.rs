//! What follows from a form, whatever it was shown with.

use proptest::prelude::*;

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap_or_default()
}

fn preferences() -> impl Strategy<Value = Preferences> {
    let choice = (any::<bool>(), any::<bool>(), any::<bool>(), 0_i64..9);
    (
        proptest::collection::vec(choice, 0..5),
        proptest::sample::select(Frequency::ALL.to_vec()),
        proptest::sample::select(vec![Tracking::None, Tracking::Hygiene, Tracking::Full]),
        proptest::option::of(1_u32..400),
    )
        .prop_map(|(choices, frequency, tracking, pause)| Preferences {
            customer: CustomerId(1),
            email: None,
            has_mailbox: false,
            phone: None,
            language: "fr".to_owned(),
            tracking,
            frequency,
            paused_until: pause.map(|days| day("2026-11-22") + chrono::Days::new(days.into())),
            zone: Tz::Europe__Paris,
            choices: choices
                .into_iter()
                .enumerate()
                .map(|(n, (is_sms, is_on, can_grant, evidence_id))| Choice {
                    channel: if is_sms { Channel::Sms } else { Channel::Email },
                    topic: format!("t{n}"),
                    is_on,
                    can_grant: can_grant && !is_sms,
                    evidence_id,
                })
                .collect(),
        })
}

fn wishes(shown: Shown) -> impl Strategy<Value = Wishes> {
    let fields: Vec<String> = shown.on.iter().chain(&shown.off).cloned().collect();
    let ticked = proptest::collection::btree_set(
        proptest::sample::select([fields, vec!["email:t9".to_owned()]].concat()),
        0..6,
    );
    let pause = prop_oneof![
        Just(Pause::Keep),
        Just(Pause::Off),
        Just(Pause::Unreadable),
        (1_u64..400).prop_map(|days| Pause::Until(day("2026-11-22") + chrono::Days::new(days))),
    ];
    (
        ticked,
        proptest::option::of(proptest::sample::select(Frequency::ALL.to_vec())),
        any::<bool>(),
        proptest::sample::select(vec!["fr", "de", "xx", ""]),
        pause,
    )
        .prop_map(
            move |(ticked, frequency, may_track, language, pause)| Wishes {
                shown: Some(shown.clone()),
                seal: String::new(),
                ticked,
                language: language.to_owned(),
                may_track,
                frequency,
                pause,
            },
        )
}

/// What stands after the changes.
fn after(mut now: Preferences, changes: &[Change]) -> Preferences {
    for change in changes {
        let (channel, topic, is_on) = match change {
            Change::Grant { channel, topic } => (channel, topic, true),
            Change::Withdraw { channel, topic } => (channel, topic, false),
            Change::Language(language) => {
                now.language = language.clone();
                continue;
            }
            Change::Tracking(tracking) => {
                now.tracking = *tracking;
                continue;
            }
            Change::Frequency(frequency) => {
                now.frequency = *frequency;
                continue;
            }
            Change::Pause(until) => {
                now.paused_until = *until;
                continue;
            }
            Change::Stop => continue,
        };
        for choice in &mut now.choices {
            if choice.channel == *channel && choice.topic == *topic {
                choice.is_on = is_on;
            }
        }
    }
    now
}

proptest! {
    #[test]
    fn a_stale_form_only_ever_asks_for_less(
        now in preferences(),
        (shown, wishes) in preferences().prop_flat_map(|before| {
            let shown = before.shown();
            (Just(shown.clone()), wishes(shown))
        })
    ) {
        let (changes, _) = changes(&now, &wishes, false);
        let then = after(now.clone(), &changes);
        for (before, after) in now.choices.iter().zip(&then.choices) {
            prop_assert!(before.is_on || !after.is_on);
            if before.is_on && !after.is_on {
                let field = before.field();
                prop_assert!(shown.on.contains(&field) && !wishes.ticked.contains(&field));
            }
        }
        prop_assert!(then.frequency >= now.frequency);
        prop_assert!(then.paused_until >= now.paused_until);
        prop_assert!(then.tracking != Tracking::Full || now.tracking == Tracking::Full);
    }

    #[test]
    fn a_fresh_form_changes_what_he_changed_and_nothing_is_granted_that_was_not_ticked(
        (now, wishes) in preferences().prop_flat_map(|now| {
            let shown = now.shown();
            (Just(now), wishes(shown))
        })
    ) {
        let (changes, is_held_back) = changes(&now, &wishes, true);
        prop_assert!(!is_held_back);
        let then = after(now.clone(), &changes);
        for (before, after) in now.choices.iter().zip(&then.choices) {
            let is_ticked = wishes.ticked.contains(&before.field());
            let may_be_on = before.is_on || before.can_grant;
            prop_assert_eq!(after.is_on, is_ticked && may_be_on, "{:?}", before);
        }
        prop_assert_eq!(then.tracking == Tracking::Full, wishes.may_track);
    }

    #[test]
    fn whatever_is_sent_is_read(fields in proptest::collection::vec(("(topic|shown|pause|pause_until|frequency|language|.{0,5})", ".{0,40}"), 0..12)) {
        let wishes = Wishes::read(&fields, day("2026-11-22"));
        prop_assert!(wishes.shown.is_none());
    }

    #[test]
    fn a_mask_hides_all_but_first_letters(local in "[a-z]{2,20}", domain in "[a-z]{2,20}") {
        let masked = masked_email(&format!("{local}@{domain}.example"));
        prop_assert_eq!(masked, format!("{}•••@{}•••.example", &local[..1], &domain[..1]));
    }
}

#[test]
fn a_pause_is_read_as_it_is_meant() {
    let today = day("2026-11-30");
    for (choice, date, expected) in [
        ("off", "", Pause::Off),
        ("keep", "", Pause::Keep),
        ("", "", Pause::Keep),
        ("3", "", Pause::Until(day("2027-02-28"))),
        ("date", "2026-12-24", Pause::Until(day("2026-12-24"))),
        // Who gives a day means it, whatever the list beside it still says.
        ("off", "2026-12-24", Pause::Until(day("2026-12-24"))),
        ("1", "2027-12-24", Pause::Until(day("2026-12-30"))),
        ("date", "", Pause::Unreadable),
        ("date", "2026-11-30", Pause::Unreadable),
        ("date", "24/12/2026", Pause::Unreadable),
    ] {
        assert_eq!(pause(choice, date, today), expected, "{choice} {date}");
    }
}

#[test]
fn a_mask_shows_what_its_owner_recognises() {
    assert_eq!(masked_email("camille@example.org"), "c•••@e•••.org");
    assert_eq!(masked_email("é@a.b.co"), "é•••@a•••.co");
    assert_eq!(masked_email(""), "•••");
    assert_eq!(masked_phone("+33612345678"), "••• 78");
}
