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
        zone: None,
    }
}

fn wave(goal: Goal, is_simulated: bool) -> Wave {
    Wave {
        campaign: CampaignId(1),
        is_simulated,
        launched_at: 0,
        counts_stages: true,
        terms: Terms {
            goal,
            window_days: 1,
            ..Terms::default()
        },
        subjects: Subjects::default(),
    }
}

fn response(what: What, after_ms: i64) -> Response {
    Response {
        delivery: delivery(Marks::default()).key,
        what,
        made_by: MadeBy::Person,
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

/// People's clicks on record: id, link, when.
fn earlier(clicks: &[(i64, u16, i64)]) -> Earlier {
    let click = |&(id, link, after_ms): &(i64, u16, i64)| EarlierClick {
        id,
        link,
        at: SETTLED + after_ms,
        made_by: MadeBy::Person,
    };
    Earlier {
        clicks: clicks.iter().map(click).collect(),
        scans: Vec::new(),
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
    let judged = judge(&delivery, &wave, &Earlier::default(), &[click(1, 60_000)]);
    let after = marks_after(&delivery, &wave.terms, &judged, None);
    assert_eq!(after, before);
    assert_eq!(
        moved(before, after, &judged),
        [
            ("clicks.link.1".to_owned(), 1),
            ("clicks.total".to_owned(), 1)
        ]
    );
}

#[test]
fn a_click_after_the_window_is_a_click_but_no_response() {
    let delivery = delivery(Marks::default());
    let wave = wave(Goal::Click, false);
    let judged = judge(
        &delivery,
        &wave,
        &Earlier::default(),
        &[click(0, 86_400_001)],
    );
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
        let judged = judge(&delivery, &wave, &Earlier::default(), &[new]);
        let after = marks_after(&delivery, &wave.terms, &judged, None);
        assert_eq!(after.has(Marks::RESPONDED), is_response, "{goal:?} {new:?}");
    }
}

#[test]
fn a_scanner_that_follows_every_link_is_nobody() {
    let delivery = delivery(Marks::default());
    let wave = wave(Goal::Click, false);
    let judged = judge(
        &delivery,
        &wave,
        &Earlier::default(),
        &[click(0, 9_000), click(1, 9_300)],
    );
    let after = marks_after(&delivery, &wave.terms, &judged, None);
    assert_eq!(after, Marks::default());
    assert_eq!(
        moved(Marks::default(), after, &judged),
        [("clicks.scanner".to_owned(), 2)]
    );
}

#[test]
fn a_burst_takes_back_the_click_that_was_counted() {
    let before = Marks::CLICKED.with(Marks::ATTENTION).with(Marks::RESPONDED);
    let delivery = delivery(before);
    let wave = wave(Goal::Click, false);
    let judged = judge(
        &delivery,
        &wave,
        &earlier(&[(7, 0, 9_000)]),
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
            ("clicks.part.attention".to_owned(), -1),
            ("clicks.scanner".to_owned(), 2),
            ("clicks.total".to_owned(), -1),
            ("responders".to_owned(), -1),
        ]
    );
}

#[test]
fn a_click_beside_a_burst_of_another_hour_stays() {
    let before = Marks::CLICKED.with(Marks::ATTENTION).with(Marks::RESPONDED);
    let delivery = delivery(before);
    let wave = wave(Goal::Click, false);
    let clicks = earlier(&[(7, 0, 9_000), (8, 0, 3_600_000)]);
    let judged = judge(&delivery, &wave, &clicks, &[click(1, 3_600_100)]);
    assert_eq!(
        judged.taken_back.iter().map(|c| c.id).collect::<Vec<_>>(),
        [8]
    );
    let remaining = [RemainingClicks {
        link: 0,
        part: Part::Attention,
        first_at: SETTLED + 9_000,
        last_at: SETTLED + 9_000,
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
        &earlier(&[(7, 0, 9_000)]),
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
        &Earlier::default(),
        &[click(0, 10), click(1, 20)],
    );
    assert!(
        judged
            .responses
            .iter()
            .all(|response| response.made_by.is_person())
    );
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
            &Earlier::default(),
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
        made_by: MadeBy::Machine,
        ..response(What::Open, 9_000)
    };
    let judged = judge(&delivery, &wave, &Earlier::default(), &[open]);
    let after = marks_after(&delivery, &wave.terms, &judged, None);
    assert_eq!(after, Marks::MACHINE_OPENED);
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
        let judged = judge(delivery, &wave, &Earlier::default(), &[click(1, 60_000)]);
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
    let judged = judge(
        &text,
        &wave,
        &earlier(&[(1, 0, 60_000)]),
        &[click(1, 60_001)],
    );
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
fn a_scan_takes_the_clicks_beside_it_whenever_it_is_told() {
    let wave = wave(Goal::Click, false);
    let delivery = delivery(Marks::default());
    let scan = response(What::Scan, 60_000);
    // Told together, told after the click, told before it.
    let together = judge(
        &delivery,
        &wave,
        &Earlier::default(),
        &[click(0, 90_000), scan],
    );
    assert_eq!(together.responses[0].made_by, MadeBy::Scanner);
    let after = judge(
        &delivery,
        &wave,
        &earlier(&[(7, 0, 90_000), (8, 0, 700_000)]),
        &[scan],
    );
    assert_eq!(
        after.taken_back.iter().map(|c| c.id).collect::<Vec<_>>(),
        [7]
    );
    let scanned = Earlier {
        scans: vec![SETTLED + 60_000],
        ..Earlier::default()
    };
    for (at, made_by) in [(660_000, MadeBy::Scanner), (660_001, MadeBy::Person)] {
        let before = judge(&delivery, &wave, &scanned, &[click(0, at)]);
        assert_eq!(before.responses[0].made_by, made_by);
    }
    // No act of the customer, and no count of its own.
    let alone = judge(&delivery, &wave, &Earlier::default(), &[scan]);
    let marks = marks_after(&delivery, &wave.terms, &alone, None);
    assert_eq!(moved(Marks::default(), marks, &alone), []);
}

#[test]
fn a_bounce_counts_once_by_its_class_and_only_of_a_message_that_was_taken() {
    let wave = wave(Goal::Click, false);
    let bounce = |class| response(What::Bounce { class }, 5_000);
    let new = [bounce(Class::Quota), bounce(Class::InvalidRecipient)];
    let taken = delivery(Marks::default());
    let judged = judge(&taken, &wave, &Earlier::default(), &new);
    let after = marks_after(&taken, &wave.terms, &judged, None);
    let mut moves = Moves::default();
    moves.add_delivery(&taken, after, &judged);
    let moved: Vec<_> = moves
        .0
        .iter()
        .map(|((_, name), by)| (name.as_str(), *by))
        .collect();
    assert_eq!(moved, [("bounces", 1), ("bounces.quota", 1)]);

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
        let judged = judge(
            &delivery,
            &wave,
            &Earlier::default(),
            &[response(what, 5_000)],
        );
        let after = marks_after(&delivery, &wave.terms, &judged, None);
        assert!(after.has(Marks::RESPONDED), "{what:?}");
    }
}

#[test]
fn what_comes_back_from_a_cell_is_also_counted_for_it() {
    let wave = wave(Goal::Click, false);
    let delivery = Delivery {
        cell: "b".to_owned(),
        ..delivery(Marks::default())
    };
    let judged = judge(
        &delivery,
        &wave,
        &Earlier::default(),
        &[response(What::Redeem, 5_000)],
    );
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
