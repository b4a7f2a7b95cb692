//! What it cost and earned, and what was expected, as the page shows it.

use serde::Serialize;

use super::super::{share_of, unparted};
use super::charts::{Whisker, round_end};
use crate::reports::economics::{Amount, Basis, Economics};
use crate::reports::figures::{Denominator, Rate};
use crate::reports::forecast::{Compared, Line, Unit, Verdict};
use crate::reports::model::Report;
use crate::reports::table::{amount, people, signed_percent};

/// Cost, margin, profit and return.
#[derive(Debug, Serialize)]
pub(super) struct EconomicsView {
    headline: Option<String>,
    /// Whether it cost more than it earned.
    is_loss: bool,
    break_even: Option<BreakEvenView>,
    costs: Vec<Figure>,
    /// Attributed beside incremental.
    rows: Vec<Beside>,
    compared_with: Option<&'static str>,
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
struct Beside {
    name: &'static str,
    attributed: String,
    incremental: String,
    range: String,
    is_total: bool,
}

/// The response rate against the rate at which it pays, drawn.
#[derive(Debug, Serialize)]
struct BreakEvenView {
    sentence: String,
    scale: Option<BreakEvenScale>,
}

#[derive(Debug, Serialize)]
struct BreakEvenScale {
    whisker: Whisker,
    end: String,
}

impl EconomicsView {
    /// `None` where the definition says nothing of money and none came in.
    pub(super) fn new(report: &Report) -> Option<Self> {
        let economics = &report.economics;
        if report.waves.is_empty() {
            return None;
        }
        let money = |cents: f64| unbroken(&amount(cents, &report.currency));
        let unit = |cents: Option<f64>| cents.map_or_else(|| "–".to_owned(), &money);
        Some(Self {
            headline: headline(economics, &report.currency),
            is_loss: best_profit(economics).is_some_and(|profit| profit < 0.0),
            break_even: break_even(economics),
            costs: costs(economics, &money),
            rows: rows(economics, &unit, &money),
            compared_with: economics.compared_with.map(|whom| match whom {
                "global" => "the standing control group",
                _ => "the campaign’s control group",
            }),
            missing: economics
                .missing
                .iter()
                .map(|missing| missing.sentence.clone())
                .collect(),
        })
    }
}

/// The incremental profit where it is known, else the attributed.
fn best_profit(economics: &Economics) -> Option<f64> {
    economics
        .incremental_profit
        .map(|profit| profit.cents)
        .or(economics.profit_cents)
}

fn headline(economics: &Economics, currency: &str) -> Option<String> {
    let profit = best_profit(economics)?;
    let basis = match economics.return_basis {
        Some(Basis::Incremental) => "what it caused",
        _ => "what is attributed to it",
    };
    let size = unbroken(&amount(profit.abs(), currency));
    let sentence = if profit < 0.0 {
        format!("It cost {size} more than {basis} brought in.")
    } else {
        format!("By {basis}, it brought in {size} more than it cost.")
    };
    let interval = economics
        .incremental_profit
        .filter(|profit| profit.low_95 < 0.0 && profit.high_95 > 0.0)
        .map_or("", |_| " The interval holds 0: that may be chance.");
    Some(format!("{sentence}{interval}"))
}

fn break_even(economics: &Economics) -> Option<BreakEvenView> {
    if economics
        .margin_per_response_cents
        .is_some_and(|margin| margin <= 0.0)
    {
        return Some(BreakEvenView {
            sentence: "Each response costs more than it earns: no response rate would make it pay."
                .to_owned(),
            scale: None,
        });
    }
    let least = economics.break_even_rate?;
    let rate = Rate::new(economics.responders, economics.contacts, Denominator::Sent);
    let index = economics.break_even_index?;
    let sentence = format!(
        "It pays from a response rate of {} of sent; it has {}, which is {} {} that.",
        share_of(Some(least)),
        share_of(rate.value),
        signed_percent(index.abs()),
        if index < 0.0 { "below" } else { "above" }
    );
    let scale = rate.interval_95.and_then(|interval| {
        let end = round_end(interval.high.max(least))?;
        Some(BreakEvenScale {
            whisker: Whisker::new((0.0, end), (interval.low, interval.high), rate.value)
                .beside((0.0, end), least),
            end: format!("{}\u{a0}%", end * 100.0),
        })
    });
    Some(BreakEvenView {
        sentence: unparted(&sentence),
        scale,
    })
}

fn costs(economics: &Economics, money: &impl Fn(f64) -> String) -> Vec<Figure> {
    let Some(cost) = economics.cost else {
        return Vec::new();
    };
    let parts: Vec<String> = [
        (cost.fixed_cents, "fixed"),
        (cost.dispatch_cents, "emails"),
        (cost.texts_cents, "text messages"),
        (cost.responses_cents, "gifts and handling"),
    ]
    .into_iter()
    .filter(|(cents, _)| *cents > 0.0)
    .map(|(cents, name)| format!("{} {name}", money(cents)))
    .collect();
    let whole = money(cost.total_cents);
    let mut figures = vec![Figure {
        name: "Cost in all",
        value: match parts.len() {
            0 | 1 => whole,
            _ => format!("{whole}: {}", parts.join(", ")),
        },
    }];
    for (name, cents) in [
        ("Per thousand sent", economics.cost_per_thousand_cents),
        ("Per response", economics.cost_per_response_cents),
        ("Per order", economics.cost_per_order_cents),
        ("A response earns", economics.margin_per_response_cents),
    ] {
        if let Some(cents) = cents {
            figures.push(Figure {
                name,
                value: money(cents),
            });
        }
    }
    figures
}

fn rows(
    economics: &Economics,
    unit: &impl Fn(Option<f64>) -> String,
    money: &impl Fn(f64) -> String,
) -> Vec<Beside> {
    let row = |name, attributed: String, caused: Option<Amount>, is_total| Beside {
        name,
        attributed,
        incremental: unit(caused.map(|amount| amount.cents)),
        range: caused.map_or_else(String::new, |amount| {
            format!("{} to {}", money(amount.low_95), money(amount.high_95))
        }),
        is_total,
    };
    let revenue = crate::reports::cells::signed(economics.revenue_cents);
    let mut rows = vec![
        row(
            "Revenue",
            money(revenue),
            economics.incremental_revenue,
            false,
        ),
        row(
            "Margin",
            unit(economics.margin_cents),
            economics.incremental_margin,
            false,
        ),
        row(
            "Profit",
            unit(economics.profit_cents),
            economics.incremental_profit,
            true,
        ),
    ];
    if let (Some(value), Some(cost)) = (economics.return_on_cost, economics.cost) {
        let percent = |value: f64| unparted(&signed_percent(value * 100.0));
        let attributed = economics
            .margin_cents
            .and_then(|margin| crate::reports::economics::return_on(margin, cost.total_cents));
        let is_caused = economics.return_basis == Some(Basis::Incremental);
        rows.push(Beside {
            name: "Return on cost",
            attributed: attributed.map_or_else(|| "–".to_owned(), &percent),
            incremental: if is_caused {
                percent(value)
            } else {
                "–".to_owned()
            },
            range: economics
                .return_interval_95
                .map_or_else(String::new, |(low, high)| {
                    format!("{} to {}", percent(low), percent(high))
                }),
            is_total: true,
        });
    }
    rows
}

/// What was expected beside what came.
#[derive(Debug, Serialize)]
pub(super) struct ForecastView {
    rests_on: String,
    is_over: bool,
    lines: Vec<LineView>,
}

#[derive(Debug, Serialize)]
struct LineView {
    name: &'static str,
    expected: String,
    range: String,
    actual: String,
    verdict: &'static str,
    is_off: bool,
    whisker: Option<Whisker>,
}

impl ForecastView {
    pub(super) fn new(compared: &Compared, currency: &str) -> Self {
        Self {
            rests_on: compared.rests_on.clone(),
            is_over: compared.is_over,
            lines: compared
                .lines
                .iter()
                .map(|line| line_view(line, currency))
                .collect(),
        }
    }
}

fn line_view(line: &Line, currency: &str) -> LineView {
    let text = |value: f64| match line.unit {
        Unit::People => people(value),
        Unit::Share => share_of(Some(value)),
        Unit::Cents => unbroken(&amount(value, currency)),
    };
    let is_exact = (line.high_95 - line.low_95).abs() < f64::EPSILON;
    let ends = [Some(line.low_95), Some(line.high_95), line.actual];
    let most = ends.into_iter().flatten().fold(0.0, f64::max) * 1.05;
    let least = ends.into_iter().flatten().fold(0.0, f64::min) * 1.05;
    LineView {
        name: line.figure,
        expected: text(line.expected),
        range: if is_exact {
            String::new()
        } else {
            format!("{} to {}", text(line.low_95), text(line.high_95))
        },
        actual: line.actual.map_or_else(|| "–".to_owned(), text),
        verdict: line.verdict.as_str(),
        is_off: matches!(line.verdict, Verdict::Above | Verdict::Below),
        whisker: (most > least).then(|| {
            Whisker::new((least, most), (line.low_95, line.high_95), line.actual)
                .beside((least, most), line.expected)
        }),
    }
}

/// An amount that no line break parts from its currency.
fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}
