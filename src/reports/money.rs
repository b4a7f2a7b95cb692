//! What a wave spent and earned, from its counters and the definition it was launched with.

use serde::Deserialize;

use super::cells::{Assigned, Facts};
use super::economics::{Amount, Caused, Earned, Spent, Tariff};
use super::lift::CausedBy;
use super::model::{Counters, Wave};
use crate::campaigns::cells::{CONTROL, GLOBAL};
use crate::campaigns::definition::{Cell, Costs, Offer};
use crate::delivery::store::SMS_COUNTERS;
use crate::delivery::store::cells::CellKind;

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

/// What the campaign caused in revenue, where every one of its waves held people back and it is not too
/// early to tell.
pub(super) fn caused(effect: &CausedBy, waves: &[Wave], facts: &Facts) -> Option<Caused> {
    let held_back = |wave: &Wave| {
        let of_wave = |one: &&Assigned| one.wave == wave.id && one.kind == effect.against;
        facts
            .assigned
            .iter()
            .filter(of_wave)
            .any(|one| one.people > 0)
    };
    if effect.waves_left_out > 0 || !waves.iter().all(held_back) {
        return None;
    }
    let revenue = effect.revenue_cents?;
    let interval = revenue.interval_95?;
    Some(Caused {
        revenue: Amount {
            cents: revenue.value,
            low_95: interval.low,
            high_95: interval.high,
        },
        against: match effect.against {
            CellKind::Global => GLOBAL,
            _ => CONTROL,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::model::tests::sample_wave;

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
