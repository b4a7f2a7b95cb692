//! How far people went, and when they came, at a terminal.

use comfy_table::{Cell, CellAlignment, Table};

use super::{number, percent, thousands};
use crate::reports::funnel::Funnel;
use crate::reports::model::Report;

/// The stages: people, share of delivered, share of the stage before.
pub(super) fn stages(funnel: &Funnel) -> Table {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    table.add_row([
        Cell::new(""),
        right("people".to_owned()),
        right("of delivered".to_owned()),
        right("of stage before".to_owned()),
        Cell::new(""),
    ]);
    for step in &funnel.steps {
        let people = if step.is_extrapolated {
            right(format!("≈ {}", thousands(step.people)))
        } else {
            number(step.people)
        };
        let before = step.of_before.filter(|_| step.stage != "delivered");
        let range = step
            .people_95
            .map(|(low, high)| format!("extrapolated, {} to {}", thousands(low), thousands(high)));
        table.add_row([
            Cell::new(step.stage),
            people,
            right(percent(step.of_delivered.value)),
            right(before.map_or_else(String::new, |rate| percent(rate.value))),
            Cell::new(range.unwrap_or_default()),
        ]);
    }
    table
}

/// Bounces, complaints and contacts lost; none where nothing was lost.
pub(super) fn lost(report: &Report) -> Option<Table> {
    let lost = &report.lost;
    let rates = [
        ("hard bounces", &lost.hard_bounce_rate),
        ("soft bounces", &lost.soft_bounce_rate),
        ("complaints", &lost.complaint_rate),
        ("contacts lost", &lost.contacts_lost),
    ];
    if rates.iter().all(|(_, rate)| rate.count == 0) {
        return None;
    }
    let mut table = Table::new();
    for (name, rate) in rates {
        let of = format!("of {} {}", thousands(rate.of), rate.denominator.as_str());
        table.add_row(super::rate_row(name, rate, of));
    }
    Some(table)
}
