//! What the responses of one delivery change: reckoned without I/O, written by `store`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono_tz::Tz;

use super::judge;
use super::model::{MadeBy, Marks, Response, Terms, What};
use super::stages;
use crate::campaigns::cells::ALL;
use crate::consent::model::{Channel, Tracking};
use crate::delivery::store::SMS_COUNTERS;
use crate::ids::{CampaignId, CustomerId, DeliveryKey, WaveId};
use crate::templates::model::Part;

/// A delivery as it stands before its new responses.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub key: DeliveryKey,
    pub customer: CustomerId,
    pub channel: Channel,
    /// Whether the hand-over has begun but was not answered.
    pub is_in_hand: bool,
    /// Whether the next server had taken it: only such a message can bounce, and count as not delivered.
    pub is_accepted: bool,
    /// The cell the person was given at launch.
    pub cell: String,
    pub settled_at: Option<i64>,
    pub marks: Marks,
    /// What the customer agreed to; [`Tracking::None`] when he was erased.
    pub tracking: Tracking,
    /// Where he lives, as far as it is known.
    pub zone: Option<Tz>,
}

/// A wave as far as its responses are concerned.
#[derive(Debug, Clone)]
pub struct Wave {
    pub campaign: CampaignId,
    pub is_simulated: bool,
    /// Milliseconds since the epoch.
    pub launched_at: i64,
    /// Whether it is counted how far its people went: not of waves from before that was counted.
    pub counts_stages: bool,
    pub terms: Terms,
    /// What a click on a link shows interest in; read when a click comes.
    pub subjects: Subjects,
}

/// What the links of each template of a wave are about, by the places that got it and the link's number.
#[derive(Debug, Clone, Default)]
pub struct Subjects(pub Vec<(RangeInclusive<i64>, BTreeMap<u16, String>)>);

impl Subjects {
    /// Whether the template of a place is among them.
    pub fn knows(&self, seq: i64) -> bool {
        self.of(seq).is_some()
    }

    /// What the links in the message of a place are about.
    pub fn of(&self, seq: i64) -> Option<&BTreeMap<u16, String>> {
        let mut templates = self.0.iter();
        templates
            .find(|(places, _)| places.contains(&seq))
            .map(|(_, about)| about)
    }
}

/// A click that is on record.
#[derive(Debug, Clone, Copy)]
pub struct EarlierClick {
    pub id: i64,
    pub link: u16,
    pub at: i64,
    pub made_by: MadeBy,
}

/// What is on record of a delivery beside its new responses.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    pub clicks: Vec<EarlierClick>,
    /// When scanners gave themselves away.
    pub scans: Vec<i64>,
}

/// The human clicks a delivery keeps, link by link, after some were taken back.
#[derive(Debug, Clone, Copy)]
pub struct RemainingClicks {
    pub link: u16,
    pub part: Part,
    pub first_at: i64,
    pub last_at: i64,
}

/// The new responses of a delivery, judged.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// To be written as raw events, with the verdict.
    pub responses: Vec<Response>,
    /// Earlier clicks that turn out to be a scanner's.
    pub taken_back: Vec<EarlierClick>,
    /// When orders were made that were cancelled or corrected since.
    pub orders_gone: Vec<i64>,
}

/// Judges the new responses of one delivery: drops opens without tracking consent, and tells people from
/// machines and scanners.
pub fn judge(delivery: &Delivery, wave: &Wave, earlier: &Earlier, new: &[Response]) -> Judged {
    let mut responses: Vec<Response> = new
        .iter()
        .filter(|response| match response.what {
            What::Open => delivery.tracking == Tracking::Full,
            What::Scan => !wave.is_simulated,
            _ => true,
        })
        .copied()
        .collect();
    if wave.is_simulated {
        return Judged {
            responses,
            ..Judged::default()
        };
    }
    // A scanner's clicks, too, show what a click beside them is.
    let mut clicks: Vec<(u16, i64)> = Vec::new();
    let mut scans = earlier.scans.clone();
    for response in &responses {
        match response.what {
            What::Click { link, .. } => clicks.push((link, response.at)),
            What::Scan => scans.push(response.at),
            _ => {}
        }
    }
    let is_scanned = |(link, at): (u16, i64)| {
        clicks
            .iter()
            .any(|other| judge::is_burst((link, at), *other))
            || scans.iter().any(|scan| judge::is_beside_scan(at, *scan))
    };
    let taken_back: Vec<EarlierClick> = earlier
        .clicks
        .iter()
        .filter(|click| click.made_by.is_person() && is_scanned((click.link, click.at)))
        .copied()
        .collect();
    for response in &mut responses {
        if let What::Click { link, .. } = response.what
            && response.made_by.is_person()
        {
            let click = (link, response.at);
            let is_scanner = judge::is_hasty(delivery.is_in_hand, delivery.settled_at, response.at)
                || is_scanned(click)
                || earlier
                    .clicks
                    .iter()
                    .any(|other| judge::is_burst(click, (other.link, other.at)));
            if is_scanner {
                response.made_by = MadeBy::Scanner;
            }
        }
    }
    Judged {
        responses,
        taken_back,
        ..Judged::default()
    }
}

/// The marks of a delivery after its judged responses. `remaining` is given when clicks were taken back:
/// what human clicks the delivery then has, the new ones included.
pub fn marks_after(
    delivery: &Delivery,
    terms: &Terms,
    judged: &Judged,
    remaining: Option<&[RemainingClicks]>,
) -> Marks {
    use super::model::Goal;
    let is_in_time = |at| terms.is_within_window(terms.goal, delivery.settled_at, at);
    let mut marks = delivery.marks;
    if let Some(remaining) = remaining {
        marks = marks.without(Marks::OF_CLICKS);
        if terms.goal == Goal::Click {
            marks = marks.without(Marks::RESPONDED);
        }
        for clicks in remaining {
            marks = marks.with(Marks::CLICKED).with(Marks::of_part(clicks.part));
            if terms.goal == Goal::Click && is_in_time(clicks.first_at) {
                marks = marks.with(Marks::RESPONDED);
            }
        }
    }
    for response in &judged.responses {
        let goal = match response.what {
            What::Open if !response.made_by.is_person() => {
                marks = marks.with(Marks::MACHINE_OPENED);
                None
            }
            What::Open => {
                marks = marks.with(Marks::OPENED);
                None
            }
            What::Click { .. } if !response.made_by.is_person() => None,
            What::Click { part, .. } => {
                marks = marks.with(Marks::CLICKED).with(Marks::of_part(part));
                Some(Goal::Click)
            }
            What::OptOut => {
                marks = marks.with(Marks::OPTED_OUT);
                None
            }
            What::Order { amount_cents } if amount_cents < 0 => None,
            What::Order { .. } => {
                marks = marks.with(Marks::ORDERED);
                Some(Goal::Order)
            }
            What::Reply => {
                marks = marks.with(Marks::REPLIED);
                Some(Goal::Reply)
            }
            What::Bounce { .. } => {
                if delivery.is_accepted {
                    marks = marks.with(Marks::BOUNCED);
                }
                None
            }
            What::Complaint => {
                marks = marks.with(Marks::COMPLAINED);
                None
            }
            What::Redeem => {
                marks = marks.with(Marks::REDEEMED);
                Some(Goal::Coupon)
            }
            What::Answer => {
                marks = marks.with(Marks::ANSWERED);
                Some(Goal::Answer)
            }
            What::Scan => None,
        };
        if goal == Some(terms.goal) && is_in_time(response.at) {
            marks = marks.with(Marks::RESPONDED);
        }
    }
    marks
}

/// The marks of a delivery some orders of which were taken back, when the first that is left was made at
/// `first_order_at`.
pub fn marks_without_orders(
    delivery: &Delivery,
    terms: &Terms,
    first_order_at: Option<i64>,
) -> Marks {
    let mut marks = delivery.marks;
    if first_order_at.is_none() {
        marks = marks.without(Marks::ORDERED);
    }
    let is_in_time =
        |at| terms.is_within_window(super::model::Goal::Order, delivery.settled_at, at);
    if terms.goal == super::model::Goal::Order && !first_order_at.is_some_and(is_in_time) {
        marks = marks.without(Marks::RESPONDED);
    }
    marks
}

/// How far the counters of waves move: the sum over all deliveries of a batch, in a fixed order, so that
/// two writers take their locks alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves(pub BTreeMap<(WaveId, String), i64>);

impl Moves {
    fn add(&mut self, wave: WaveId, counter: impl Into<String>, by: i64) {
        if by != 0 {
            *self.0.entry((wave, counter.into())).or_default() += by;
        }
    }

    /// Adds what one delivery changes. Responses to text messages are also counted for themselves, as the
    /// delivery's own counters are.
    pub fn add_delivery(&mut self, delivery: &Delivery, after: Marks, judged: &Judged) {
        for (counter, by) in counters_of(delivery.marks, after, judged) {
            self.add_of(delivery, counter, by);
        }
    }

    /// Adds how far the recipient went, and when he responded. The times are not counted by cell and
    /// channel: they are many.
    pub fn add_stages(&mut self, delivery: &Delivery, wave: &Wave, after: Marks, judged: &Judged) {
        if !wave.counts_stages {
            return;
        }
        let (key, goal) = (delivery.key.wave, wave.terms.goal);
        for (counter, by) in stages::moves(delivery.marks, after, goal) {
            self.add_of(delivery, counter.to_string(), by);
        }
        let time = stages::time(delivery.marks, after, judged, goal, wave.launched_at);
        if let Some((counter, by)) = time {
            self.add(key, counter, by);
        }
    }

    /// Moves a counter because of one delivery, and with it those of its cell and its channel.
    pub fn add_of(&mut self, delivery: &Delivery, counter: String, by: i64) {
        let wave = delivery.key.wave;
        if delivery.cell != ALL {
            self.add(wave, format!("cell.{}.{counter}", delivery.cell), by);
        }
        if delivery.channel == Channel::Sms {
            self.add(wave, format!("{SMS_COUNTERS}{counter}"), by);
        }
        self.add(wave, counter, by);
    }
}

/// The counters that one delivery moves, and how far; one may stand there more than once.
fn counters_of(before: Marks, after: Marks, judged: &Judged) -> Vec<(String, i64)> {
    let mut moves: Vec<(String, i64)> = Marks::COUNTERS
        .into_iter()
        .map(|(mark, counter)| {
            let by = i64::from(after.has(mark)) - i64::from(before.has(mark));
            (counter.to_owned(), by)
        })
        .collect();
    let mut has_bounced = false;
    let mut add = |counter: String, by: i64| moves.push((counter, by));
    for response in &judged.responses {
        match response.what {
            What::Click { .. } if response.made_by == MadeBy::Machine => {
                add("clicks.machine".to_owned(), 1);
            }
            What::Click { .. } if response.made_by == MadeBy::Scanner => {
                add("clicks.scanner".to_owned(), 1);
            }
            What::Click { link, .. } => {
                add("clicks.total".to_owned(), 1);
                add(format!("clicks.link.{link}"), 1);
            }
            What::Order { amount_cents } => {
                add("orders".to_owned(), i64::from(amount_cents >= 0));
                add("revenue_cents".to_owned(), amount_cents);
            }
            // The first one only, as the mark is set.
            What::Bounce { class }
                if after.has(Marks::BOUNCED) && !before.has(Marks::BOUNCED) && !has_bounced =>
            {
                has_bounced = true;
                add(format!("bounces.{}", class.as_str()), 1);
            }
            What::Open
            | What::OptOut
            | What::Reply
            | What::Bounce { .. }
            | What::Complaint
            | What::Redeem
            | What::Answer
            | What::Scan => {}
        }
    }
    for click in &judged.taken_back {
        add("clicks.scanner".to_owned(), 1);
        add("clicks.total".to_owned(), -1);
        add(format!("clicks.link.{}", click.link), -1);
    }
    moves
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
