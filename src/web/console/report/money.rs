//! What it cost and earned, and what was expected, as the page shows it.

use serde::Serialize;

use super::charts::{Whisker, round_end};
use crate::reports::economics::{Amount, Basis, Economics};
use crate::reports::figures::{Denominator, Rate};
use crate::reports::forecast::{Compared, Line, Unit, Verdict};
use crate::reports::model::Report;
use crate::web::words::Words;

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
    compared_with: Option<String>,
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct Beside {
    name: String,
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
    pub(super) fn new(report: &Report, words: &Words) -> Option<Self> {
        let economics = &report.economics;
        if report.waves.is_empty() {
            return None;
        }
        Some(Self {
            headline: headline(economics, words),
            is_loss: best_profit(economics).is_some_and(|profit| profit < 0.0),
            break_even: break_even(economics, words),
            costs: costs(economics, words),
            rows: rows(economics, words),
            compared_with: economics.compared_with.map(|whom| {
                let whom = match whom {
                    "global" => "the standing control group",
                    _ => "the control group of this campaign",
                };
                words.t(whom).to_owned()
            }),
            missing: economics
                .missing
                .iter()
                .map(|missing| words.say(&missing.sentence))
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

fn headline(economics: &Economics, words: &Words) -> Option<String> {
    let profit = best_profit(economics)?;
    let is_caused = economics.return_basis == Some(Basis::Incremental);
    let text = match (profit < 0.0, is_caused) {
        (true, true) => "It cost {size} more than what it caused brought in.",
        (true, false) => "It cost {size} more than what is attributed to it brought in.",
        (false, true) => "By what it caused, it brought in {size} more than it cost.",
        (false, false) => "By what is attributed to it, it brought in {size} more than it cost.",
    };
    let sentence = words.fill(text, &[("size", words.amount(profit.abs()))]);
    let may_be_chance = economics
        .incremental_profit
        .is_some_and(|profit| profit.low_95 < 0.0 && profit.high_95 > 0.0);
    Some(if may_be_chance {
        let chance = words.t("The interval holds 0: that may be chance.");
        format!("{sentence} {chance}")
    } else {
        sentence
    })
}

fn break_even(economics: &Economics, words: &Words) -> Option<BreakEvenView> {
    if economics
        .margin_per_response_cents
        .is_some_and(|margin| margin <= 0.0)
    {
        return Some(BreakEvenView {
            sentence: words
                .t("Each response costs more than it earns: no response rate would make it pay.")
                .to_owned(),
            scale: None,
        });
    }
    let least = economics.break_even_rate?;
    let rate = Rate::new(economics.responders, economics.contacts, Denominator::Sent);
    let index = economics.break_even_index?;
    let sentence = words.fill(
        if index < 0.0 {
            "It pays from a response rate of {least} of sent; it has {rate}, which is {index} below that."
        } else {
            "It pays from a response rate of {least} of sent; it has {rate}, which is {index} above that."
        },
        &[
            ("least", words.percent(Some(least))),
            ("rate", words.percent(rate.value)),
            ("index", words.percent_of(index.abs() / 100.0, 0)),
        ],
    );
    let scale = rate.interval_95.and_then(|interval| {
        let end = round_end(interval.high.max(least))?;
        Some(BreakEvenScale {
            whisker: Whisker::new((0.0, end), (interval.low, interval.high), rate.value)
                .beside((0.0, end), least),
            end: words.round_percent(end),
        })
    });
    Some(BreakEvenView { sentence, scale })
}

fn costs(economics: &Economics, words: &Words) -> Vec<Figure> {
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
    .map(|(cents, name)| format!("{} {}", words.amount(cents), words.t(name)))
    .collect();
    let whole = words.amount(cost.total_cents);
    let mut figures = vec![Figure {
        name: words.t("Cost in all").to_owned(),
        value: match parts.len() {
            0 | 1 => whole,
            _ => words.fill("{n}: {each}", &[("n", whole), ("each", parts.join(", "))]),
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
                name: words.t(name).to_owned(),
                value: words.amount(cents),
            });
        }
    }
    figures
}

fn rows(economics: &Economics, words: &Words) -> Vec<Beside> {
    let none = || "–".to_owned();
    let unit = |cents: Option<f64>| cents.map_or_else(none, |cents| words.amount(cents));
    let row = |name: &str, attributed: String, caused: Option<Amount>, is_total| Beside {
        name: words.t(name).to_owned(),
        attributed,
        incremental: unit(caused.map(|amount| amount.cents)),
        range: caused.map_or_else(String::new, |amount| {
            words.ends(&words.amount(amount.low_95), &words.amount(amount.high_95))
        }),
        is_total,
    };
    let revenue = crate::reports::cells::signed(economics.revenue_cents);
    let mut rows = vec![
        row(
            "Revenue",
            words.amount(revenue),
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
        let percent = |value: f64| words.percent_of(value, 0);
        let attributed = economics
            .margin_cents
            .and_then(|margin| crate::reports::economics::return_on(margin, cost.total_cents));
        let is_caused = economics.return_basis == Some(Basis::Incremental);
        rows.push(Beside {
            name: words.t("Return on cost").to_owned(),
            attributed: attributed.map_or_else(none, percent),
            incremental: if is_caused { percent(value) } else { none() },
            range: economics
                .return_interval_95
                .map_or_else(String::new, |(low, high)| {
                    words.ends(&percent(low), &percent(high))
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
    name: String,
    expected: String,
    range: String,
    actual: String,
    verdict: String,
    is_off: bool,
    whisker: Option<Whisker>,
}

impl ForecastView {
    pub(super) fn new(compared: &Compared, words: &Words) -> Self {
        Self {
            rests_on: words.say(&compared.rests_on),
            is_over: compared.is_over,
            lines: compared
                .lines
                .iter()
                .map(|line| line_view(line, words))
                .collect(),
        }
    }
}

fn line_view(line: &Line, words: &Words) -> LineView {
    let text = |value: f64| match line.unit {
        Unit::People => words.decimal(value, 0),
        Unit::Share => words.percent(Some(value)),
        Unit::Cents => words.amount(value),
    };
    let is_exact = (line.high_95 - line.low_95).abs() < f64::EPSILON;
    let ends = [Some(line.low_95), Some(line.high_95), line.actual];
    let most = ends.into_iter().flatten().fold(0.0, f64::max) * 1.05;
    let least = ends.into_iter().flatten().fold(0.0, f64::min) * 1.05;
    LineView {
        name: words.t(line.figure).to_owned(),
        expected: text(line.expected),
        range: if is_exact {
            String::new()
        } else {
            words.ends(&text(line.low_95), &text(line.high_95))
        },
        actual: line.actual.map_or_else(|| "–".to_owned(), text),
        verdict: words.t(line.verdict.as_str()).to_owned(),
        is_off: matches!(line.verdict, Verdict::Above | Verdict::Below),
        whisker: (most > least).then(|| {
            Whisker::new((least, most), (line.low_95, line.high_95), line.actual)
                .beside((least, most), line.expected)
        }),
    }
}
