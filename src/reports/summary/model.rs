//! The figures of a summary, without I/O.

use serde::Serialize;

use crate::ids::CampaignId;
use crate::reports::chance;
use crate::reports::figures::{Denominator, Rate, as_f64};
use crate::reports::improve::criteria::CriterionLine;
use crate::reports::model::Counters;
use crate::reports::store::summary::WaveFigures;
use crate::reports::table::thousands;
use crate::responses::effects::OfWave;

/// From this share of complaints on mailbox providers object (Google and Yahoo, 2024: stay below 0.1 %, never
/// reach 0.3 %).
const COMPLAINTS: f64 = 0.001;
/// From this share of bounces on a list is taken for neglected.
const BOUNCES: f64 = 0.02;
/// With fewer messages a share says nothing yet.
const ENOUGH: u64 = 500;

/// One campaign of the period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CampaignLine {
    pub campaign: CampaignId,
    pub name: String,
    pub waves: usize,
    pub rate: Rate,
    /// Of its waves in the periods before; `None` when there were none.
    pub before: Option<Rate>,
    pub orders: u64,
    pub revenue_cents: i64,
    /// In cents; `None` when neither the definition nor a provider names a price.
    pub cost_cents: Option<i64>,
    /// What those who were held back say; `None` when nobody was.
    pub held_back: Option<String>,
}

/// A period of the drawing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Past {
    /// Milliseconds since the epoch.
    pub since: i64,
    pub rate: Rate,
}

/// What ran in a period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Milliseconds since the epoch; the end does not belong to it.
    pub since: i64,
    pub until: i64,
    pub rate: Rate,
    /// Of the period before.
    pub before: Rate,
    pub campaigns: Vec<CampaignLine>,
    /// The oldest first, this one last.
    pub past: Vec<Past>,
    /// What separates those who responded from the rest by more than chance.
    pub criteria: Vec<CriterionLine>,
    pub warnings: Vec<String>,
    pub is_simulated: bool,
}

impl Summary {
    /// From the waves of this period and of those before, of the same length, `periods` in all.
    pub(in crate::reports) fn new(
        waves: &[WaveFigures],
        since: i64,
        until: i64,
        periods: i64,
    ) -> Self {
        let length = until.saturating_sub(since).max(1);
        let between = |from: i64, to: i64| {
            let of_period = waves
                .iter()
                .filter(move |wave| (from..to).contains(&wave.launched_at));
            rate(of_period.map(|wave| &wave.counters))
        };
        let past: Vec<Past> = (0..periods)
            .rev()
            .map(|back| {
                let end = until.saturating_sub(length.saturating_mul(back));
                let start = end.saturating_sub(length);
                Past {
                    since: start,
                    rate: between(start, end),
                }
            })
            .collect();
        let mut campaigns: Vec<CampaignLine> = Vec::new();
        for wave in waves.iter().filter(|wave| wave.launched_at >= since) {
            if !campaigns.iter().any(|line| line.campaign == wave.campaign) {
                let own: Vec<&WaveFigures> = waves
                    .iter()
                    .filter(|other| other.campaign == wave.campaign)
                    .collect();
                campaigns.push(line(wave, &own, since));
            }
        }
        campaigns.sort_by_key(|line| std::cmp::Reverse(line.rate.of));
        let of_period: Vec<&WaveFigures> = waves
            .iter()
            .filter(|wave| wave.launched_at >= since)
            .collect();
        Self {
            since,
            until,
            rate: between(since, until),
            before: between(since.saturating_sub(length), since),
            warnings: warnings(&campaigns, &of_period),
            is_simulated: of_period.iter().any(|wave| wave.is_simulated),
            campaigns,
            past,
            criteria: Vec::new(),
        }
    }

    pub fn revenue_cents(&self) -> i64 {
        self.campaigns.iter().map(|line| line.revenue_cents).sum()
    }

    /// What is known of the costs; `None` when nothing is.
    pub fn cost_cents(&self) -> Option<i64> {
        let known: Vec<i64> = self
            .campaigns
            .iter()
            .filter_map(|line| line.cost_cents)
            .collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }
}

fn line(wave: &WaveFigures, own: &[&WaveFigures], since: i64) -> CampaignLine {
    let (now, earlier): (Vec<&WaveFigures>, Vec<&WaveFigures>) = own
        .iter()
        .copied()
        .partition(|wave| wave.launched_at >= since);
    let sum = |counter: &str| {
        now.iter()
            .map(|wave| wave.counters.get(counter))
            .sum::<u64>()
    };
    let before = rate(earlier.iter().map(|wave| &wave.counters));
    CampaignLine {
        campaign: wave.campaign,
        name: wave.name.clone(),
        waves: now.len(),
        rate: rate(now.iter().map(|wave| &wave.counters)),
        before: (before.of > 0).then_some(before),
        orders: sum("orders"),
        revenue_cents: now
            .iter()
            .map(|wave| wave.counters.signed("revenue_cents"))
            .sum(),
        cost_cents: cost(&now),
        held_back: None,
    }
}

/// What the waves cost: fixed, by the thousand emails and by the response as their definitions say, and what
/// providers billed.
fn cost(waves: &[&WaveFigures]) -> Option<i64> {
    let mut sum = None;
    for wave in waves {
        let texts = i64::try_from(wave.counters.get("cost_micros") / 10_000).unwrap_or(i64::MAX);
        if texts > 0 {
            *sum.get_or_insert(0) += texts;
        }
        if let Some(costs) = wave.plan.costs {
            let emails = wave
                .counters
                .get("accepted")
                .saturating_sub(wave.counters.get("sms.accepted"));
            let emails = i64::try_from(emails).unwrap_or(i64::MAX);
            let by_thousand = costs.per_thousand_cents.saturating_mul(emails) / 1_000;
            *sum.get_or_insert(0) += costs.fixed_cents.saturating_add(by_thousand);
        }
        let gifts = wave.plan.gifts(&wave.counters);
        if gifts > 0 {
            *sum.get_or_insert(0) += gifts;
        }
    }
    sum
}

/// Responders of delivered: accepted less what a receipt calls undelivered and what bounced.
fn rate<'c>(counters: impl Iterator<Item = &'c Counters>) -> Rate {
    let (mut responders, mut delivered) = (0, 0);
    for counters in counters {
        responders += counters.get("responders");
        delivered += counters
            .get("accepted")
            .saturating_sub(counters.get("receipts.undelivered"))
            .saturating_sub(counters.get("bounces"));
    }
    Rate::new(responders, delivered, Denominator::Delivered)
}

fn warnings(campaigns: &[CampaignLine], waves: &[&WaveFigures]) -> Vec<String> {
    let mut warnings = Vec::new();
    for line in campaigns {
        let own = waves.iter().filter(|wave| wave.campaign == line.campaign);
        let sum = |counter: &str| {
            own.clone()
                .map(|wave| wave.counters.get(counter))
                .sum::<u64>()
        };
        let accepted = sum("accepted");
        let mut say = |count: u64, limit: f64, what: &str, so: &str| {
            if accepted >= ENOUGH && as_f64(count) >= limit * as_f64(accepted) && count > 0 {
                warnings.push(format!(
                    "{}: {} {what} of {} sent; {so}",
                    line.name,
                    thousands(count),
                    thousands(accepted)
                ));
            }
        };
        say(
            sum("complaints"),
            COMPLAINTS,
            "complaints",
            "mailbox providers object from 0.1 % on. Write to fewer people, who asked for it.",
        );
        say(
            sum("bounces"),
            BOUNCES,
            "bounces",
            "the list is old, or was bought. Look at where its addresses come from.",
        );
        let unknown = sum("unknown");
        if unknown > 0 {
            warnings.push(format!(
                "{}: {} messages may or may not have arrived, since the answer to them was lost.",
                line.name,
                thousands(unknown)
            ));
        }
    }
    warnings
}

/// What those who were held back say of the waves of a period: who bought, by assignment, whatever earned it.
pub(super) fn held_back(
    waves: &[OfWave],
    (since, until): (i64, i64),
    now_ms: i64,
) -> Option<String> {
    let (mut sent, mut held) = ((0_u64, 0_u64), (0_u64, 0_u64));
    let mut is_open = false;
    for wave in waves {
        if !(since..until).contains(&wave.launched_at) || wave.reckoned_at.is_none() {
            continue;
        }
        is_open |= now_ms < wave.window_ends_at;
        for effect in &wave.cells {
            let side = match effect.cell.as_str() {
                "control" => &mut held,
                "global" => continue,
                _ => &mut sent,
            };
            side.0 += u64::try_from(effect.buyers).unwrap_or(0);
            side.1 += u64::try_from(effect.people).unwrap_or(0);
        }
    }
    if held.1 == 0 || sent.1 == 0 {
        return None;
    }
    let share = |(buyers, people): (u64, u64)| as_f64(buyers) / as_f64(people) * 100.0;
    let figures = format!(
        "bought: {:.2} % of those meant to get it, {:.2} % of the control group",
        share(sent),
        share(held)
    );
    if is_open {
        return Some(format!(
            "{figures}; too early for a verdict, the window is still open"
        ));
    }
    let p = chance::of_two_proportions(sent, held).unwrap_or(1.0);
    let verdict = if p < chance::LEVEL {
        "more than chance explains"
    } else {
        "which may well be chance"
    };
    Some(format!("{figures}; {verdict} ({})", chance::p_in_words(p)))
}

/// How a rate stands to the one before, in words.
pub fn change(now: &Rate, before: &Rate) -> String {
    let (Some(one), Some(other)) = (now.value, before.value) else {
        return "nothing before to compare with".to_owned();
    };
    let points = (one - other) * 100.0;
    let sign = if points < 0.0 { '−' } else { '+' };
    let p = chance::of_two_proportions((now.count, now.of), (before.count, before.of));
    let verdict = if p.is_some_and(|p| p < chance::LEVEL) {
        "more than chance"
    } else {
        "no clear change"
    };
    format!("{sign}{:.2} points, {verdict}", points.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WaveId;
    use crate::reports::store::summary::{Plan, PlanCosts};
    use crate::responses::effects::Effect;

    fn wave(campaign: i64, launched_at: i64, counters: &[(&str, i64)]) -> WaveFigures {
        let mut sum = Counters::default();
        for (counter, value) in counters {
            sum.add(counter, *value);
        }
        WaveFigures {
            campaign: CampaignId(campaign),
            name: format!("campaign {campaign}"),
            launched_at,
            is_simulated: false,
            plan: Plan {
                costs: Some(PlanCosts {
                    fixed_cents: 10_000,
                    per_thousand_cents: 150,
                }),
                ..Plan::default()
            },
            counters: sum,
        }
    }

    #[test]
    fn a_period_is_told_beside_what_was_before() {
        let waves = [
            wave(
                1,
                950,
                &[
                    ("accepted", 2_000),
                    ("bounces", 100),
                    ("complaints", 3),
                    ("responders", 190),
                    ("revenue_cents", 5_000),
                ],
            ),
            wave(2, 910, &[("accepted", 500), ("responders", 5)]),
            wave(1, 850, &[("accepted", 1_000), ("responders", 50)]),
            wave(1, 150, &[("accepted", 1_000), ("responders", 50)]),
        ];
        let summary = Summary::new(&waves, 900, 1_000, 8);
        assert_eq!((summary.rate.count, summary.rate.of), (195, 2_400));
        assert_eq!((summary.before.count, summary.before.of), (50, 1_000));
        let names: Vec<&str> = summary
            .campaigns
            .iter()
            .map(|line| line.name.as_str())
            .collect();
        assert_eq!(names, ["campaign 1", "campaign 2"]);
        let one = &summary.campaigns[0];
        assert_eq!((one.rate.of, one.before.unwrap().of), (1_900, 2_000));
        assert_eq!(one.cost_cents, Some(10_300));
        assert_eq!(
            change(&one.rate, &one.before.unwrap()),
            "+5.00 points, more than chance"
        );
        assert_eq!(summary.past.len(), 8);
        assert_eq!(
            (
                summary.past[7].rate.of,
                summary.past[6].rate.of,
                summary.past[0].since
            ),
            (2_400, 1_000, 200)
        );
        assert_eq!(summary.warnings.len(), 2, "{:?}", summary.warnings);
    }

    #[test]
    fn those_held_back_have_the_last_word_and_not_before_its_time() {
        let effect = |cell: &str, people, buyers| Effect {
            cell: cell.to_owned(),
            people,
            buyers,
            orders: buyers,
            spend_cents: 0,
            spend_squares: 0.0,
        };
        let waves = [OfWave {
            wave: WaveId(1),
            launched_at: 10,
            window_begins_at: 10,
            window_ends_at: 50,
            reckoned_at: Some(60),
            cells: vec![
                effect("a", 5_000, 400),
                effect("b", 5_000, 400),
                effect("control", 2_000, 80),
            ],
        }];
        let said = held_back(&waves, (0, 20), 60).unwrap();
        assert!(
            said.starts_with("bought: 8.00 %") && said.contains("more than chance explains"),
            "{said}"
        );
        assert!(
            held_back(&waves, (0, 20), 40)
                .unwrap()
                .contains("too early")
        );
        assert_eq!(held_back(&waves, (20, 30), 60), None);
    }
}
