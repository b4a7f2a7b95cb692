//! What a wave spent and earned, from its counters and the definition it was launched with.

use serde::Deserialize;

use super::economics::{Amount, Caused, Earned, Spent, Tariff};
use super::figures::Z_95;
use super::model::{Counters, Wave};
use crate::campaigns::cells::{CONTROL, GLOBAL};
use crate::campaigns::definition::{Cell, Costs, Offer};
use crate::delivery::store::SMS_COUNTERS;
use crate::responses::effects::{Effect, OfWave};

/// What the frozen definition of a wave says about money; a poor one says nothing.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Proposal {
    pub offer: Option<Offer>,
    pub costs: Option<Costs>,
    pub cells: Vec<Cell>,
}

impl Proposal {
    /// Reads the definition of a wave (JSON).
    pub fn read(definition: &str) -> Self {
        serde_json::from_str(definition).unwrap_or_default()
    }
}

/// What a wave cost to make and send.
pub(super) fn spent(wave: &Wave, contacts: u64, bears_fixed: bool) -> Spent {
    let counters = &wave.counters;
    let texts = ["accepted", "deferred", "failed", "unknown"]
        .into_iter()
        .map(|counter| counters.get(&format!("{SMS_COUNTERS}{counter}")))
        .sum();
    Spent {
        contacts,
        texts,
        texts_micros: counters.get("cost_micros"),
        texts_unpriced: counters.get("unpriced"),
        costs: wave.proposal.costs.map(|costs| Tariff {
            fixed_cents: costs.fixed_cents,
            per_thousand_cents: costs.per_thousand_cents,
        }),
        bears_fixed,
    }
}

/// What a wave earned, by offer: of each cell that has its own, and of the rest.
pub(super) fn earned(wave: &Wave) -> Vec<Earned> {
    let Proposal { offer, cells, .. } = &wave.proposal;
    let counters = &wave.counters;
    let mut rest = of_offer(counters, "", offer.as_ref());
    let mut earned = Vec::new();
    for cell in cells {
        let Some(own) = &cell.offer else { continue };
        let of_cell = of_offer(counters, &format!("cell.{}.", cell.name), Some(own));
        rest.responders = rest.responders.saturating_sub(of_cell.responders);
        rest.revenue_cents -= of_cell.revenue_cents;
        earned.push(of_cell);
    }
    if earned.is_empty() || rest.responders > 0 || rest.revenue_cents != 0 {
        earned.push(rest);
    }
    earned
}

fn of_offer(counters: &Counters, of: &str, offer: Option<&Offer>) -> Earned {
    Earned {
        responders: counters.get(&format!("{of}responders")),
        revenue_cents: counters.signed(&format!("{of}revenue_cents")),
        margin_percent: offer.and_then(|offer| offer.margin_percent),
        cost_per_response_cents: offer.map_or(0, |offer| offer.cost_cents),
    }
}

/// What the campaign caused in revenue: for each wave the people who were contacted, by assignment, against
/// those held back, Δ = ȳ_T − ȳ_C with SE = √(s²_T/n_T + s²_C/n_C), times n_T (METHODS.md M6); the waves
/// add up, and so do their variances.
///
/// `None` unless every wave held people back and was reckoned.
pub fn caused(waves: &[OfWave]) -> Option<Caused> {
    let (mut cents, mut variance) = (0.0, 0.0);
    let mut against = CONTROL;
    for wave in waves {
        wave.reckoned_at?;
        let held_back = |name: &str| wave.cells.iter().find(|cell| cell.cell == name);
        let by_name = |name| held_back(name).filter(|cell| cell.people > 1);
        let others = by_name(CONTROL).or_else(|| {
            against = GLOBAL;
            by_name(GLOBAL)
        })?;
        let treated = wave
            .cells
            .iter()
            .filter(|cell| ![CONTROL, GLOBAL].contains(&cell.cell.as_str()))
            .fold(None, |sum: Option<Sample>, cell| {
                let own = Sample::of(cell);
                Some(sum.map_or(own, |sum| sum.with(own)))
            })?;
        let others = Sample::of(others);
        let difference = treated.mean()? - others.mean()?;
        let of_mean = treated.variance_of_mean()? + others.variance_of_mean()?;
        cents += treated.people * difference;
        variance += treated.people.powi(2) * of_mean;
    }
    let half = Z_95 * variance.sqrt();
    (!waves.is_empty()).then_some(Caused {
        revenue: Amount {
            cents,
            low_95: cents - half,
            high_95: cents + half,
        },
        against,
    })
}

/// People, what they spent, and the sum of its squares.
#[derive(Debug, Clone, Copy)]
struct Sample {
    people: f64,
    sum: f64,
    squares: f64,
}

impl Sample {
    fn of(effect: &Effect) -> Self {
        Self {
            people: super::economics::signed(effect.people),
            sum: super::economics::signed(effect.spend_cents),
            squares: effect.spend_squares,
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            people: self.people + other.people,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    fn mean(self) -> Option<f64> {
        (self.people > 0.0).then(|| self.sum / self.people)
    }

    fn variance_of_mean(self) -> Option<f64> {
        let mean = self.mean()?;
        let squares = (self.squares - self.people * mean * mean).max(0.0);
        (self.people > 1.0).then(|| squares / (self.people - 1.0) / self.people)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WaveId;
    use crate::reports::model::tests::sample_wave;

    fn effect(cell: &str, people: i64, mean: f64, deviation: f64) -> Effect {
        let n = super::super::economics::signed(people);
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "a test's cents"
        )]
        let spend_cents = (n * mean).round() as i64;
        Effect {
            cell: cell.to_owned(),
            people,
            buyers: 0,
            orders: 0,
            spend_cents,
            spend_squares: deviation * deviation * (n - 1.0) + n * mean * mean,
        }
    }

    fn wave(cells: Vec<Effect>) -> OfWave {
        OfWave {
            wave: WaveId(1),
            launched_at: 0,
            window_ends_at: 1,
            reckoned_at: Some(2),
            cells,
        }
    }

    #[test]
    fn hillstrom_s_mens_mailing_caused_77_cents_a_head() {
        // METHODS.md M6: spend M−C, Δ $0.7698, SE 0.14525, interval 0.485–1.055, of 21,307 and 21,306. The
        // deviations are those that give the published standard error.
        let both = 14.525 * (21_306.5_f64 / 2.0).sqrt();
        let caused = caused(&[wave(vec![
            effect("all", 21_307, 142.261_7, both),
            effect("control", 21_306, 65.278_9, both),
        ])])
        .unwrap();
        let a_head = |cents: f64| cents / 21_307.0 / 100.0;
        assert!((a_head(caused.revenue.cents) - 0.7698).abs() < 5e-5);
        assert!((a_head(caused.revenue.low_95) - 0.485).abs() < 5e-4);
        assert!((a_head(caused.revenue.high_95) - 1.055).abs() < 6e-4);
        assert_eq!(caused.against, "control");
    }

    #[test]
    fn cells_are_contacted_together_and_waves_add_up() {
        let cells = || {
            wave(vec![
                effect("a", 500, 100.0, 10.0),
                effect("b", 500, 200.0, 10.0),
                effect("global", 100, 50.0, 10.0),
            ])
        };
        let one = caused(&[cells()]).unwrap();
        assert!((one.revenue.cents - 100_000.0).abs() < 1e-6);
        assert_eq!(one.against, "global");
        let two = caused(&[cells(), cells()]).unwrap();
        assert!((two.revenue.cents - 200_000.0).abs() < 1e-6);
        let width = |of: Caused| of.revenue.high_95 - of.revenue.low_95;
        assert!((width(two) / width(one) - 2.0_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn where_a_wave_held_nobody_back_nothing_is_said() {
        let with = wave(vec![
            effect("all", 50, 1.0, 1.0),
            effect("control", 50, 1.0, 1.0),
        ]);
        let without = wave(vec![effect("all", 50, 1.0, 1.0)]);
        assert_eq!(caused(&[with.clone(), without]), None);
        let unreckoned = OfWave {
            reckoned_at: None,
            ..with
        };
        assert_eq!(caused(&[unreckoned]), None);
        assert_eq!(caused(&[]), None);
    }

    #[test]
    fn cells_with_offers_of_their_own_earn_by_them() {
        let mut wave = sample_wave(&[
            ("responders", 10),
            ("revenue_cents", 1_000),
            ("cell.b.responders", 4),
            ("cell.b.revenue_cents", 400),
        ]);
        wave.proposal = Proposal::read(
            r#"{"offer":{"name":"pans","margin_percent":50.0},
                "cells":[{"name":"a"},{"name":"b","offer":{"name":"gift","margin_percent":30.0,"cost_cents":20}}]}"#,
        );
        let earned = earned(&wave);
        let figures: Vec<_> = earned
            .iter()
            .map(|of| {
                (
                    of.responders,
                    of.revenue_cents,
                    of.margin_percent,
                    of.cost_per_response_cents,
                )
            })
            .collect();
        assert_eq!(figures, [(4, 400, Some(30.0), 20), (6, 600, Some(50.0), 0)]);
    }
}
