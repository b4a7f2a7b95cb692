use super::*;
use crate::channels::model::Class;
use crate::responses::model::Goal;

const SETTLED: i64 = 100_000;

fn delivery(marks: Marks) -> Delivery {
    Delivery {
        key: DeliveryKey {
            wave: WaveId(1),
            seq: 1,
        },
        customer: CustomerId(1),
        channel: Channel::Email,
        is_in_hand: false,
        is_accepted: true,
        cell: "all".to_owned(),
        settled_at: Some(SETTLED),
        marks,
        tracking: Tracking::Full,
    }
}

fn wave(goal: Goal, is_simulated: bool) -> Wave {
    Wave {
        campaign: CampaignId(1),
        is_simulated,
        terms: Terms {
            goal,
            window_days: 1,
            ..Terms::default()
        },
    }
}

fn response(what: What, after_ms: i64) -> Response {
    Response {
        delivery: delivery(Marks::default()).key,
        what,
        is_machine: false,
        at: SETTLED + after_ms,
    }
}

fn click(link: u16, after_ms: i64) -> Response {
    let part = if link == 0 {
        Part::Attention
    } else {
        Part::Action
    };
    response(What::Click { link, part }, after_ms)
}

fn earlier(id: i64, link: u16, after_ms: i64) -> EarlierClick {
    EarlierClick {
        id,
        link,
        at: SETTLED + after_ms,
        is_machine: false,
    }
}

/// The counters of wave 1 that moved.
fn moved(before: Marks, after: Marks, judged: &Judged) -> Vec<(String, i64)> {
    let mut moves = Moves::default();
    moves.add_delivery(&delivery(before), after, judged);
    let moves = moves.0.into_iter();
    moves.map(|((_, counter), by)| (counter, by)).collect()
}

#[test]
fn a_second_click_moves_only_the_totals() {
    let before = Marks::CLICKED.with(Marks::ACTION).with(Marks::RESPONDED);
    let delivery = delivery(before);
    let wave = wave(Goal::Click, false);
    let judged = judge(&delivery, &wave, &[], &[click(1, 60_000)]);
    let after = marks_after(&delivery, &wave.terms, &judged, None);
    assert_eq!(after, before);
    assert_eq!(
        moved(before, after, &judged),
        [
            ("clicks.link.1".to_owned(), 1),
            ("clicks.total".to_owned(), 1)
        ]
    );
    let feedback = feedback(&delivery, after, &judged);
    assert_eq!(
        (feedback.points, feedback.responded_at),
        (0, Some(SETTLED + 60_000))
    );
}

#[test]
fn a_click_after_the_window_is_a_click_but_no_response() {
    let delivery = delivery(Marks::default());
    let wave = wave(Goal::Click, false);
    let judged = judge(&delivery, &wave, &[], &[click(0, 86_400_001)]);
    let after = marks_after(&delivery, &wave.terms, &judged, None);
    assert!(after.has(Marks::CLICKED) && !after.has(Marks::RESPONDED));
}

#[test]
fn only_the_goal_makes_a_responder() {
    let delivery = delivery(Marks::default());
    let order = response(What::Order { amount_cents: 100 }, 5_000);
    for (goal, new, is_response) in [
        (Goal::Click, click(0, 5_000), true),
        (Goal::Order, click(0, 5_000), false),
        (Goal::Order, order, true),
        (Goal::Click, order, false),
        (Goal::Click, response(What::OptOut, 5_000), false),
        (Goal::Click, response(What::Open, 5_000), false),
    ] {
        let wave = wave(goal, false);
        let judged = judge(&delivery, &wave, &[], &[new]);
        let after = marks_after(&delivery, &wave.terms, &judged, None);
        assert_eq!(after.has(Marks::RESPONDED), is_response, "{goal:?} {new:?}");
    }
}

#[test]
fn a_scanner_that_follows_every_link_is_nobody() {
    let delivery = delivery(Marks::default());
    let wave = wave(Goal::Click, false);
    let judged = judge(&delivery, &wave, &[], &[click(0, 9_000), click(1, 9_300)]);
    let after = marks_after(&delivery, &wave.terms, &judged, None);
    assert_eq!(after, Marks::default());
    assert_eq!(
        moved(Marks::default(), after, &judged),
        [("clicks.machine".to_owned(), 2)]
    );
    assert_eq!(feedback(&delivery, after, &judged).responded_at, None);
}

#[test]
fn a_burst_takes_back_the_click_that_was_counted() {
    let before = Marks::CLICKED.with(Marks::ATTENTION).with(Marks::RESPONDED);
    let delivery = delivery(before);
    let wave = wave(Goal::Click, false);
    let judged = judge(
        &delivery,
        &wave,
        &[earlier(7, 0, 9_000)],
        &[click(1, 9_300)],
    );
    assert_eq!(judged.taken_back.len(), 1);
    let after = marks_after(&delivery, &wave.terms, &judged, Some(&[]));
    assert_eq!(after, Marks::default());
    assert_eq!(
        moved(before, after, &judged),
        [
            ("clicks".to_owned(), -1),
            ("clicks.link.0".to_owned(), -1),
            ("clicks.machine".to_owned(), 2),
            ("clicks.part.attention".to_owned(), -1),
            ("clicks.total".to_owned(), -1),
            ("responders".to_owned(), -1),
        ]
    );
    assert_eq!(feedback(&delivery, after, &judged).points, -3);
}

#[test]
fn a_click_beside_a_burst_of_another_hour_stays() {
    let before = Marks::CLICKED.with(Marks::ATTENTION).with(Marks::RESPONDED);
    let delivery = delivery(before);
    let wave = wave(Goal::Click, false);
    let clicks = [earlier(7, 0, 9_000), earlier(8, 0, 3_600_000)];
    let judged = judge(&delivery, &wave, &clicks, &[click(1, 3_600_100)]);
    assert_eq!(
        judged.taken_back.iter().map(|c| c.id).collect::<Vec<_>>(),
        [8]
    );
    let remaining = [RemainingClicks {
        part: Part::Attention,
        first_at: SETTLED + 9_000,
    }];
    let after = marks_after(&delivery, &wave.terms, &judged, Some(&remaining));
    assert_eq!(after, before);
}

#[test]
fn an_order_keeps_its_responder_when_clicks_are_taken_back() {
    let before = Marks::CLICKED
        .with(Marks::ATTENTION)
        .with(Marks::ORDERED)
        .with(Marks::RESPONDED);
    let delivery = delivery(before);
    let wave = wave(Goal::Order, false);
    let judged = judge(
        &delivery,
        &wave,
        &[earlier(7, 0, 9_000)],
        &[click(1, 9_300)],
    );
    let after = marks_after(&delivery, &wave.terms, &judged, Some(&[]));
    assert_eq!(after, Marks::ORDERED.with(Marks::RESPONDED));
}

#[test]
fn played_back_readers_may_be_faster_than_life() {
    let delivery = delivery(Marks::default());
    let judged = judge(
        &delivery,
        &wave(Goal::Click, true),
        &[],
        &[click(0, 10), click(1, 20)],
    );
    assert!(judged.responses.iter().all(|response| !response.is_machine));
}

#[test]
fn without_tracking_consent_an_open_leaves_no_trace() {
    let wave = wave(Goal::Click, false);
    for (tracking, kept) in [
        (Tracking::None, 1),
        (Tracking::Hygiene, 1),
        (Tracking::Full, 2),
    ] {
        let delivery = Delivery {
            tracking,
            ..delivery(Marks::default())
        };
        let judged = judge(
            &delivery,
            &wave,
            &[],
            &[response(What::Open, 9_000), click(0, 9_000)],
        );
        assert_eq!(judged.responses.len(), kept, "{tracking:?}");
    }
}

#[test]
fn a_machine_that_opens_is_counted_apart_and_earns_nothing() {
    let delivery = delivery(Marks::default());
    let wave = wave(Goal::Click, false);
    let open = Response {
        is_machine: true,
        ..response(What::Open, 9_000)
    };
    let judged = judge(&delivery, &wave, &[], &[open]);
    let after = marks_after(&delivery, &wave.terms, &judged, None);
    assert_eq!(after, Marks::MACHINE_OPENED);
    assert_eq!(feedback(&delivery, after, &judged).points, 0);
}

#[test]
fn responses_to_a_text_message_are_also_counted_for_themselves() {
    let text = Delivery {
        channel: Channel::Sms,
        ..delivery(Marks::default())
    };
    let mail = delivery(Marks::default());
    let wave = wave(Goal::Click, false);
    let mut moves = Moves::default();
    for delivery in [&text, &mail] {
        let judged = judge(delivery, &wave, &[], &[click(1, 60_000)]);
        let after = marks_after(delivery, &wave.terms, &judged, None);
        moves.add_delivery(delivery, after, &judged);
    }
    let of = |counter: &str| moves.0.get(&(WaveId(1), counter.to_owned())).copied();
    for counter in ["clicks", "clicks.total", "clicks.link.1", "responders"] {
        assert_eq!(of(counter), Some(2), "{counter}");
        assert_eq!(of(&format!("sms.{counter}")), Some(1), "{counter}");
    }
}

#[test]
fn a_click_on_a_text_message_is_taken_back_from_both() {
    let before = Marks::CLICKED.with(Marks::ATTENTION).with(Marks::RESPONDED);
    let text = Delivery {
        channel: Channel::Sms,
        ..delivery(before)
    };
    let wave = wave(Goal::Click, false);
    let judged = judge(&text, &wave, &[earlier(1, 0, 60_000)], &[click(1, 60_001)]);
    let after = marks_after(&text, &wave.terms, &judged, Some(&[]));
    let mut moves = Moves::default();
    moves.add_delivery(&text, after, &judged);
    for ((wave, counter), by) in &moves.0 {
        if !counter.starts_with("sms.") {
            let own = moves.0.get(&(*wave, format!("sms.{counter}")));
            assert_eq!(own, Some(by), "{counter}");
        }
    }
    assert_eq!(
        moves.0.get(&(WaveId(1), "sms.responders".into())),
        Some(&-1)
    );
}

#[test]
fn a_bounce_counts_once_by_its_class_and_only_of_a_message_that_was_taken() {
    let wave = wave(Goal::Click, false);
    let bounce = |class| response(What::Bounce { class }, 5_000);
    let new = [bounce(Class::Quota), bounce(Class::InvalidRecipient)];
    let taken = delivery(Marks::default());
    let judged = judge(&taken, &wave, &[], &new);
    let after = marks_after(&taken, &wave.terms, &judged, None);
    let mut moves = Moves::default();
    moves.add_delivery(&taken, after, &judged);
    let moved: Vec<_> = moves
        .0
        .iter()
        .map(|((_, name), by)| (name.as_str(), *by))
        .collect();
    assert_eq!(moved, [("bounces", 1), ("bounces.quota", 1)]);
    assert_eq!(
        feedback(&taken, after, &judged).responded_at,
        None,
        "a server's act"
    );

    let unknown = Delivery {
        is_accepted: false,
        ..delivery(Marks::default())
    };
    let after = marks_after(&unknown, &wave.terms, &judged, None);
    assert!(
        !after.has(Marks::BOUNCED),
        "it was not counted as delivered"
    );
}

#[test]
fn what_is_done_off_line_is_the_goal_where_the_campaign_says_so() {
    for (goal, what) in [
        (Goal::Reply, What::Reply),
        (Goal::Coupon, What::Redeem),
        (Goal::Answer, What::Answer),
    ] {
        let wave = wave(goal, false);
        let delivery = delivery(Marks::default());
        let judged = judge(&delivery, &wave, &[], &[response(what, 5_000)]);
        let after = marks_after(&delivery, &wave.terms, &judged, None);
        assert!(after.has(Marks::RESPONDED), "{what:?}");
        assert!(feedback(&delivery, after, &judged).responded_at.is_some());
    }
}

#[test]
fn what_comes_back_from_a_cell_is_also_counted_for_it() {
    let wave = wave(Goal::Click, false);
    let delivery = Delivery {
        cell: "b".to_owned(),
        ..delivery(Marks::default())
    };
    let judged = judge(&delivery, &wave, &[], &[response(What::Redeem, 5_000)]);
    let after = marks_after(&delivery, &wave.terms, &judged, None);
    let mut moves = Moves::default();
    moves.add_delivery(&delivery, after, &judged);
    let moved: Vec<_> = moves
        .0
        .iter()
        .map(|((_, name), by)| (name.as_str(), *by))
        .collect();
    assert_eq!(moved, [("cell.b.redemptions", 1), ("redemptions", 1)]);
}
