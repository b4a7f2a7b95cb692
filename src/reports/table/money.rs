//! What it cost and earned, and what was expected, at a terminal.

use comfy_table::{Cell, CellAlignment, Table};

use super::{amount, people, percent, signed_percent};
use crate::reports::cells::signed;
use crate::reports::economics::{Basis, Economics};
use crate::reports::forecast::{Compared, Line, Unit};

/// Cost, revenue, profit and return; none where neither costs nor revenue are known.
pub(super) fn economics(economics: &Economics, currency: &str) -> Option<Table> {
    if economics.cost.is_none() && economics.revenue_cents == 0 {
        return None;
    }
    let money = |cents: f64| amount(cents, currency);
    let mut table = Table::new();
    let mut row = |name: &str, value: Option<String>, remark: String| {
        if let Some(value) = value {
            let value = Cell::new(value).set_alignment(CellAlignment::Right);
            table.add_row([Cell::new(name), value, Cell::new(remark)]);
        }
    };
    row(
        "revenue",
        Some(money(signed(economics.revenue_cents))),
        "attributed".to_owned(),
    );
    row(
        "cost",
        economics.cost.map(|cost| money(cost.total_cents)),
        economics
            .cost_per_thousand_cents
            .map_or_else(String::new, |cents| {
                format!("{} per thousand", money(cents))
            }),
    );
    row(
        "per response",
        economics.cost_per_response_cents.map(money),
        economics
            .cost_per_order_cents
            .map_or_else(String::new, |cents| format!("{} per order", money(cents))),
    );
    row(
        "profit",
        economics.profit_cents.map(money),
        "attributed margin less cost".to_owned(),
    );
    let incremental = economics.incremental_profit;
    row(
        "caused profit",
        incremental.map(|profit| money(profit.cents)),
        incremental.map_or_else(String::new, |profit| {
            format!("{} to {}", money(profit.low_95), money(profit.high_95))
        }),
    );
    row(
        "break-even",
        economics.break_even_rate.map(|rate| percent(Some(rate))),
        economics
            .break_even_index
            .map_or_else(String::new, |index| {
                let side = if index < 0.0 { "below" } else { "above" };
                format!(
                    "of sent; it has {}, {} {side}",
                    percent(economics.response_rate_of_sent),
                    signed_percent(index.abs())
                )
            }),
    );
    row(
        "return",
        economics
            .return_on_cost
            .map(|value| signed_percent(value * 100.0)),
        match economics.return_basis {
            Some(Basis::Incremental) => "of what it caused, on its cost".to_owned(),
            _ => "of what is attributed, on its cost".to_owned(),
        },
    );
    Some(table)
}

/// What was expected beside what came.
pub(super) fn forecast(compared: &Compared, currency: &str) -> Table {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    table.add_row([
        Cell::new(""),
        right("expected".to_owned()),
        Cell::new("range"),
        right("actual".to_owned()),
        Cell::new(""),
    ]);
    for line in &compared.lines {
        let text = |value: f64| in_unit(line, value, currency);
        let range = if (line.high_95 - line.low_95).abs() < f64::EPSILON {
            String::new()
        } else {
            format!("{} to {}", text(line.low_95), text(line.high_95))
        };
        table.add_row([
            Cell::new(line.figure),
            right(text(line.expected)),
            Cell::new(range),
            right(line.actual.map_or_else(|| "–".to_owned(), text)),
            Cell::new(line.verdict.as_str()),
        ]);
    }
    table
}

fn in_unit(line: &Line, value: f64, currency: &str) -> String {
    match line.unit {
        Unit::People => people(value),
        Unit::Share => percent(Some(value)),
        Unit::Cents => {
            let text = amount(value, currency);
            // The currency stands at the cost; six columns of it do not fit.
            text.split_once(' ')
                .map_or_else(|| text.clone(), |(figure, _)| figure.to_owned())
        }
    }
}
