use super::*;
use crate::channels::model::Class;
use crate::ids::{CampaignId, WaveId};
use crate::responses::model::{MadeBy, Response, Terms};
use crate::responses::tally::Subjects;
use crate::responses::tally::{Earlier, EarlierClick, judge, marks_after};
use crate::templates::model::Part;

/// 2026-11-22 11:00 UTC, noon in Paris.
const SETTLED: i64 = 1_795_345_200_000;

fn delivery(tracking: Tracking) -> Delivery {
    Delivery {
        key: crate::ids::DeliveryKey {
            wave: WaveId(1),
            seq: 1,
        },
        customer: CustomerId(1),
        channel: Channel::Email,
        is_in_hand: false,
        is_accepted: true,
        cell: "all".to_owned(),
        settled_at: Some(SETTLED),
        marks: Marks::default(),
        tracking,
        zone: None,
    }
}

fn wave() -> Wave {
    Wave {
        campaign: CampaignId(1),
        is_simulated: false,
        launched_at: SETTLED,
        counts_stages: true,
        terms: Terms {
            topic: Some("Offers".to_owned()),
            ..Terms::default()
        },
        subjects: Subjects(vec![(
            0..=i64::MAX,
            BTreeMap::from([
                (1, "Knives".to_owned()),
                (2, "Knives".to_owned()),
                (3, "Pans".to_owned()),
            ]),
        )]),
    }
}

fn response(what: What, after_ms: i64) -> Response {
    Response {
        delivery: delivery(Tracking::None).key,
        what,
        made_by: MadeBy::Person,
        at: SETTLED + after_ms,
    }
}

fn click(link: u16, after_ms: i64) -> Response {
    let part = Part::Action;
    response(What::Click { link, part }, after_ms)
}

fn told(delivery: &Delivery, earlier: &[u16], new: &[Response]) -> Feedback {
    let wave = wave();
    let judged = judge(delivery, &wave, &Earlier::default(), new);
    let after = marks_after(delivery, &wave.terms, &judged, None);
    let earlier = earlier.iter().copied().collect();
    feedback(delivery, &wave, after, &judged, &earlier, None)
}

fn acts(hour: i64, all: i64, clicks: i64) -> BTreeMap<(Channel, i64), Acts> {
    BTreeMap::from([((Channel::Email, hour), Acts { all, clicks })])
}

fn names(feedback: &Feedback) -> Vec<&str> {
    feedback.interests.keys().map(String::as_str).collect()
}

#[test]
fn a_click_shows_the_topic_and_what_its_link_is_about_once_a_delivery() {
    let person = delivery(Tracking::Full);
    let first = told(&person, &[], &[click(1, 60_000), click(2, 90_000)]);
    assert_eq!(names(&first), ["knives", "offers"]);
    assert_eq!(first.interests["knives"].name, "Knives");
    assert_eq!(
        first.interests["knives"].weight,
        Fading::won(1, SETTLED + 60_000)
    );
    assert_eq!(first.acts, acts(12, 1, 1));

    let again = Delivery {
        marks: Marks::CLICKED.with(Marks::ACTION),
        ..person
    };
    let second = told(&again, &[1], &[click(2, 3_600_000), click(3, 7_200_000)]);
    assert_eq!(
        names(&second),
        ["pans"],
        "the other link was about the same"
    );
    assert!(second.acts.is_empty() && second.engagement == Fading::default());
    assert_eq!(second.responded, Some((SETTLED + 7_200_000, "click")));
}

#[test]
fn who_does_not_agree_to_tracking_shows_no_interest_and_no_hour_by_clicks() {
    for tracking in [Tracking::None, Tracking::Hygiene] {
        let person = delivery(tracking);
        let by_click = told(&person, &[], &[click(1, 60_000)]);
        assert!(by_click.interests.is_empty() && by_click.acts.is_empty());
        assert_eq!(by_click.engagement, Fading::won(3, SETTLED + 60_000));
        let by_reply = told(&person, &[], &[response(What::Reply, 3_600_000)]);
        assert_eq!(by_reply.acts, acts(13, 1, 0));
    }
}

#[test]
fn what_is_taken_back_is_worth_what_it_was() {
    let before = Delivery {
        marks: Marks::CLICKED.with(Marks::ACTION),
        ..delivery(Tracking::Full)
    };
    let earlier = Earlier {
        clicks: vec![EarlierClick {
            id: 7,
            link: 1,
            at: SETTLED + 60_000,
            made_by: MadeBy::Person,
        }],
        scans: Vec::new(),
    };
    let wave = wave();
    let judged = judge(&before, &wave, &earlier, &[click(3, 60_400)]);
    let after = marks_after(&before, &wave.terms, &judged, Some(&[]));
    let links = BTreeSet::from([1]);
    let lost = feedback(&before, &wave, after, &judged, &links, Some(&[]));
    let mut sum = told(&delivery(Tracking::Full), &[], &[click(1, 60_000)]);
    sum.add(lost);
    assert_eq!(sum.engagement, Fading::default());
    assert!(
        sum.interests
            .values()
            .all(|taste| taste.weight == Fading::default())
    );
    assert_eq!(names(&sum), ["knives", "offers"]);
    assert!(sum.acts.values().all(|acts| *acts == Acts::default()));
}

#[test]
fn a_server_s_act_is_not_his() {
    let class = Class::Quota;
    for what in [What::Bounce { class }, What::Scan, What::Open] {
        let told = told(&delivery(Tracking::Full), &[], &[response(what, 60_000)]);
        assert_eq!(told.responded, None, "{what:?}");
    }
    let redeemed = told(
        &delivery(Tracking::None),
        &[],
        &[response(What::Redeem, 60_000)],
    );
    assert_eq!(redeemed.engagement, Fading::won(10, SETTLED + 60_000));
    assert_eq!(redeemed.responded, Some((SETTLED + 60_000, "redeem")));
}

#[test]
fn an_order_given_to_the_day_has_no_hour() {
    let order = What::Order { amount_cents: 100 };
    let person = delivery(Tracking::None);
    let end_of_day = DAY_MS - 1 - SETTLED % DAY_MS;
    for (after, acts) in [(end_of_day, 0), (end_of_day + 1, 0), (3_600_000, 1)] {
        let told = told(&person, &[], &[response(order, after)]);
        assert_eq!(told.acts.len(), acts, "{after}");
        assert!(told.has_ordered);
    }
}

#[test]
fn a_habit_needs_three_acts() {
    use Channel::{Email, Sms};
    assert_eq!(habits(&[]), (None, None));
    assert_eq!(habits(&[(Email, 18, 2)]), (None, None));
    assert_eq!(habits(&[(Email, 18, 3)]), (Some(Email), Some(18)));
    assert_eq!(
        habits(&[(Email, 9, 2), (Sms, 20, 2)]),
        (None, None),
        "neither more"
    );
    // Across midnight, and of equal hours the earlier.
    assert_eq!(habits(&[(Sms, 23, 1), (Sms, 0, 1), (Sms, 1, 1)]).1, Some(0));
    assert_eq!(habits(&[(Sms, 8, 3), (Sms, 20, 3)]).1, Some(8));
    assert_eq!(
        habits(&[(Email, 8, 1), (Sms, 19, 2), (Sms, 20, 4)]),
        (Some(Sms), Some(20))
    );
}
