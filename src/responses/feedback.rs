//! What responses tell about the person.
//!
//! - Engagement, for every delivery once: 1 point for having opened, 3 for having clicked, 5 for having
//!   replied or named the campaign's code, 10 for having ordered or redeemed a coupon; it fades
//!   ([`Fading`]).
//! - Interests, for every delivery once: the campaign's topic, and what the template says that the link's
//!   subject is; they fade likewise.
//! - Habits: on which channel and in which hour of his own day he acts himself.
//!
//! Interests, and the habits told by clicks, are learned only of who agreed to tracking in full; opens are
//! not even recorded of anybody else. What he sends us himself (replies, orders) is no tracking.
//! Machines, scanners and simulated waves teach nothing but what the counters of such a wave need.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Timelike;
use chrono_tz::Tz;
use sea_orm::DbErr;

use super::model::{Marks, What};
use super::store::feedback as store;
use super::tally::{Delivery, Judged, RemainingClicks, Wave};
use crate::clock::{DAY_MS, from_ms};
use crate::consent::model::{Channel, Tracking};
use crate::customers::fading::Fading;
use crate::ids::CustomerId;
use crate::storage::text::fold;
use crate::storage::{Db, Txn};

/// What the responses of a batch tell about one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Feedback {
    pub customer: CustomerId,
    /// Engagement won, or lost when clicks were taken back.
    pub engagement: Fading,
    /// When he last did something himself, and what. An open is not that: mail programs open by themselves,
    /// and the CNIL's retention reference counts a click but no open (RULES.md §3).
    pub responded: Option<(i64, &'static str)>,
    pub has_ordered: bool,
    /// By the folded name.
    pub interests: BTreeMap<String, Taste>,
    /// What he did, less what was taken back, by channel and hour of his day.
    pub acts: BTreeMap<(Channel, i64), Acts>,
}

/// Acts of his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acts {
    pub all: i64,
    /// Of them, clicks: known by tracking.
    pub clicks: i64,
}

/// How his interest in something moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Taste {
    /// As it is written.
    pub name: String,
    pub weight: Fading,
    /// When he showed it last; `None` when it was only taken back.
    pub shown_at: Option<i64>,
}

impl Feedback {
    /// Adds what another delivery tells about the same customer.
    pub fn add(&mut self, other: Self) {
        self.engagement += other.engagement;
        self.responded = self.responded.max(other.responded);
        self.has_ordered |= other.has_ordered;
        for (key, taste) in other.interests {
            self.interests
                .entry(key)
                .and_modify(|known| {
                    known.weight += taste.weight;
                    known.shown_at = known.shown_at.max(taste.shown_at);
                })
                .or_insert(taste);
        }
        for (habit, acts) in other.acts {
            let sum = self.acts.entry(habit).or_default();
            sum.all += acts.all;
            sum.clicks += acts.clicks;
        }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.engagement == Fading::default()
            && self.responded.is_none()
            && !self.has_ordered
            && self.interests.is_empty()
            && self.acts.is_empty()
    }
}

/// The feedback of one delivery. `earlier`: the links he had followed before; `remaining`: as in
/// [`super::tally::marks_after`].
pub fn feedback(
    delivery: &Delivery,
    wave: &Wave,
    after: Marks,
    judged: &Judged,
    earlier: &BTreeSet<u16>,
    remaining: Option<&[RemainingClicks]>,
) -> Feedback {
    let own_acts = judged
        .responses
        .iter()
        .filter(|response| response.made_by.is_person() && response.what.is_own_act());
    let mut feedback = Feedback {
        customer: delivery.customer,
        engagement: engagement(delivery.marks, after, judged),
        responded: own_acts
            .clone()
            .map(|response| (response.at, response.what.as_str()))
            .max(),
        has_ordered: own_acts
            .clone()
            .any(|response| matches!(response.what, What::Order { .. })),
        interests: BTreeMap::new(),
        acts: BTreeMap::new(),
    };
    let zone = delivery.zone.unwrap_or_else(|| wave.terms.zone());
    let is_tracked = delivery.tracking == Tracking::Full;
    if is_tracked {
        interests(
            &mut feedback,
            delivery,
            wave,
            after,
            judged,
            earlier,
            remaining,
        );
    }
    let mut act = |at: i64, all: i64, clicks: i64| {
        let habit = (delivery.channel, hour(at, zone));
        let sum = feedback.acts.entry(habit).or_default();
        sum.all += all;
        sum.clicks += clicks;
    };
    if is_tracked && let Some((at, by)) = clicked(delivery.marks, after, judged) {
        act(at, by, by);
    }
    for response in own_acts {
        let has_hour = match response.what {
            What::Reply => true,
            // An order given to the day has no hour.
            What::Order { .. } => !matches!((response.at + 1) % DAY_MS, 0 | 1),
            _ => false,
        };
        if has_hour {
            act(response.at, 1, 0);
        }
    }
    // What was corrected is written anew, and so counts once.
    for at in &judged.orders_gone {
        if !matches!((at + 1) % DAY_MS, 0 | 1) {
            act(*at, -1, 0);
        }
    }
    feedback.acts.retain(|_, acts| *acts != Acts::default());
    feedback
}

/// Engagement won and lost: each mark is worth its points at the instant of what set it or took it away.
fn engagement(before: Marks, after: Marks, judged: &Judged) -> Fading {
    let mut sum = Fading::default();
    for (mark, points) in Marks::POINTS {
        let first_at = judged
            .responses
            .iter()
            .filter(|response| response.made_by.is_person() && sets(response.what, mark))
            .map(|response| response.at)
            .min();
        let taken_at = if mark == Marks::ORDERED {
            judged.orders_gone.iter().copied().min()
        } else {
            judged.taken_back.iter().map(|click| click.at).min()
        };
        match (before.has(mark), after.has(mark)) {
            (false, true) => {
                sum += first_at.map_or_else(Fading::default, |at| Fading::won(points, at))
            }
            (true, false) => {
                sum += taken_at.map_or_else(Fading::default, |at| -Fading::won(points, at));
            }
            _ => {}
        }
    }
    sum
}

fn sets(what: What, mark: Marks) -> bool {
    match what {
        What::Open => mark == Marks::OPENED,
        What::Click { .. } => mark == Marks::CLICKED,
        What::Order { .. } => mark == Marks::ORDERED,
        What::Reply => mark == Marks::REPLIED,
        What::Redeem => mark == Marks::REDEEMED,
        What::Answer => mark == Marks::ANSWERED,
        What::OptOut | What::Bounce { .. } | What::Complaint | What::Scan => false,
    }
}

/// When the delivery's first human click came (1) or was taken back (-1).
fn clicked(before: Marks, after: Marks, judged: &Judged) -> Option<(i64, i64)> {
    match (before.has(Marks::CLICKED), after.has(Marks::CLICKED)) {
        (false, true) => judged
            .responses
            .iter()
            .filter(|response| response.made_by.is_person())
            .filter(|response| matches!(response.what, What::Click { .. }))
            .map(|response| (response.at, 1))
            .min(),
        (true, false) => judged.taken_back.iter().map(|click| (click.at, -1)).min(),
        _ => None,
    }
}

fn interests(
    feedback: &mut Feedback,
    delivery: &Delivery,
    wave: &Wave,
    after: Marks,
    judged: &Judged,
    earlier: &BTreeSet<u16>,
    remaining: Option<&[RemainingClicks]>,
) {
    let mut show = |name: &str, at: i64, by: i64| {
        let won = Fading::won(1, at);
        let taste = feedback
            .interests
            .entry(fold(name))
            .or_insert_with(|| Taste {
                name: name.to_owned(),
                weight: Fading::default(),
                shown_at: None,
            });
        taste.weight += if by > 0 { won } else { -won };
        if by > 0 {
            taste.shown_at = taste.shown_at.max(Some(at));
        }
    };
    if let Some(topic) = &wave.terms.topic
        && let Some((at, by)) = clicked(delivery.marks, after, judged)
    {
        show(topic, at, by);
    }
    let known = wave.subjects.of(delivery.key.seq);
    let Some(subjects) = known.filter(|known| !known.is_empty()) else {
        return;
    };
    let mut new: BTreeMap<u16, i64> = BTreeMap::new();
    for response in &judged.responses {
        if let What::Click { link, .. } = response.what
            && response.made_by.is_person()
        {
            let first = new.entry(link).or_insert(response.at);
            *first = (*first).min(response.at);
        }
    }
    let kept: BTreeSet<u16> = match remaining {
        Some(remaining) => remaining.iter().map(|clicks| clicks.link).collect(),
        None => earlier.iter().chain(new.keys()).copied().collect(),
    };
    // Several links may be about the same: each delivery shows an interest once.
    let about = |links: &BTreeSet<u16>| -> BTreeSet<&String> {
        links.iter().filter_map(|link| subjects.get(link)).collect()
    };
    let (before, now) = (about(earlier), about(&kept));
    let is_about = |link: &u16, subject: &String| subjects.get(link) == Some(subject);
    for subject in now.difference(&before) {
        let first = new.iter().filter(|(link, _)| is_about(link, subject));
        if let Some(at) = first.map(|(_, at)| *at).min() {
            show(subject, at, 1);
        }
    }
    for subject in before.difference(&now) {
        let gone = judged.taken_back.iter();
        let gone = gone.filter(|click| is_about(&click.link, subject));
        if let Some(at) = gone.map(|click| click.at).min() {
            show(subject, at, -1);
        }
    }
}

/// The hour of the day at an instant, in a zone.
fn hour(at: i64, zone: Tz) -> i64 {
    i64::from(from_ms(at).with_timezone(&zone).hour())
}

/// The fewest acts that make a habit.
const HABIT: i64 = 3;

/// The channel on which he acts, when at least [`HABIT`] acts are known and more than half of them came
/// there; and the middle of the three hours in which most of them lie, when at least [`HABIT`] do. Of equal
/// hours the fuller one, then the earlier.
pub fn habits(acts: &[(Channel, i64, i64)]) -> (Option<Channel>, Option<i64>) {
    let all: i64 = acts.iter().map(|(_, _, acts)| acts).sum();
    let on = |channel: Channel| -> i64 {
        let own = acts.iter().filter(|(on, _, _)| *on == channel);
        own.map(|(_, _, acts)| acts).sum()
    };
    let channel = [Channel::Email, Channel::Sms]
        .into_iter()
        .find(|channel| all >= HABIT && on(*channel) * 2 > all);
    let at = |hour: i64| -> i64 {
        let then = acts.iter().filter(|(_, at, _)| *at == hour);
        then.map(|(_, _, acts)| acts).sum()
    };
    let around = |hour: i64| at((hour + 23) % 24) + at(hour) + at((hour + 1) % 24);
    let hour = (0..24)
        .filter(|hour| around(*hour) >= HABIT)
        .max_by_key(|hour| (around(*hour), at(*hour), -hour));
    (channel, hour)
}

/// Forgets what was learned of customers by tracking, since they no longer agree to it: interests, and of the
/// habits the clicks.
///
/// # Errors
/// When the database is away.
pub async fn forget(txn: &Txn, customers: &[CustomerId]) -> Result<(), DbErr> {
    store::forget(txn, customers).await
}

/// As [`forget`], of everyone who does not agree to tracking: an import or a correction may have said so.
///
/// # Errors
/// When the database is away; what was forgotten until then stays so.
pub async fn forget_untracked(db: &Db) -> Result<(), DbErr> {
    /// Customers in one transaction.
    const BATCH: i64 = 1_000;
    loop {
        let txn = db.begin().await?;
        let customers = store::untracked(&txn, BATCH).await?;
        if customers.is_empty() {
            return Ok(());
        }
        store::forget(&txn, &customers).await?;
        txn.commit().await?;
    }
}

#[cfg(test)]
#[path = "feedback_tests.rs"]
mod tests;
