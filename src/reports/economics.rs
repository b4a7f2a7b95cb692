//! What a campaign cost and earned, without I/O. Formulas: METHODS.md M7 and M3.

use serde::Serialize;

use super::cells::signed;
use super::figures::as_f64;
use crate::statistics::Sentence;

/// The response rate at which a mailing earns what it costs: BE = (c + F/n)/m (METHODS.md M7), where `c`
/// is the cost of a contact, `F` the fixed cost, `n` the contacts and `m` what a response earns.
///
/// `None` when there are no contacts, or when a response earns nothing: then no rate is enough.
pub fn break_even_rate(
    cost_per_contact: f64,
    fixed: f64,
    contacts: u64,
    margin_per_response: f64,
) -> Option<f64> {
    (contacts > 0 && margin_per_response > 0.0)
        .then(|| (cost_per_contact + fixed / as_f64(contacts)) / margin_per_response)
}

/// How far a response rate is above the break-even rate, in per cent of it: (r − BE)/BE·100 (Hughes,
/// METHODS.md M3). Above 0 it pays.
pub fn break_even_index(rate: f64, break_even: f64) -> Option<f64> {
    (break_even > 0.0).then(|| (rate - break_even) / break_even * 100.0)
}

/// What a contact earns: demand · profit factor − advertising cost (Hillstrom, METHODS.md M7).
pub fn profit_per_contact(demand: f64, profit_factor: f64, cost: f64) -> f64 {
    demand * profit_factor - cost
}

/// Return on what was spent: (margin − cost)/cost (METHODS.md M7).
pub fn return_on(margin: f64, cost: f64) -> Option<f64> {
    (cost > 0.0).then(|| (margin - cost) / cost)
}

/// An amount in cents with its interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Amount {
    pub cents: f64,
    pub low_95: f64,
    pub high_95: f64,
}

impl Amount {
    fn map(self, each: impl Fn(f64) -> f64) -> Self {
        Self {
            cents: each(self.cents),
            low_95: each(self.low_95),
            high_95: each(self.high_95),
        }
    }
}

/// What the campaign caused in revenue, found by comparison with people held back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Caused {
    pub revenue: Amount,
    /// `"control"` or `"global"`: whom it was compared with.
    pub against: &'static str,
}

/// Figures of one run of the campaign, or of a cell of it where cells have offers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Earned {
    pub responders: u64,
    /// Attributed.
    pub revenue_cents: i64,
    /// What is left of revenue, in per cent.
    pub margin_percent: Option<f64>,
    /// What a response costs in gifts or handling.
    pub cost_per_response_cents: i64,
}

/// What a run of the campaign cost to make and send.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Messages handed over, whatever the answer.
    pub contacts: u64,
    /// Of those, text messages: they cost what the provider asks.
    pub texts: u64,
    /// Millionths of the currency.
    pub texts_micros: u64,
    /// Text messages whose price is not known.
    pub texts_unpriced: u64,
    /// `[costs]`, of a definition that has it.
    pub costs: Option<Tariff>,
    /// Whether it bears the fixed cost: the first run does.
    pub bears_fixed: bool,
}

/// `[costs]` of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tariff {
    pub fixed_cents: i64,
    pub per_thousand_cents: i64,
}

/// What the whole cost is made of, in cents.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    pub fixed_cents: f64,
    /// Sending by email, at the price of a thousand.
    pub dispatch_cents: f64,
    pub texts_cents: f64,
    /// Gifts and handling of the responses.
    pub responses_cents: f64,
    pub total_cents: f64,
}

/// A figure that cannot be given, and what would give it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// The key of the campaign's definition, or of the settings.
    pub key: &'static str,
    pub sentence: Sentence,
}

/// What the return on the campaign is reckoned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The margin of what the campaign caused, by comparison with people held back.
    Incremental,
    /// The margin of what was attributed to it, some of which would have come anyway.
    Attributed,
}

/// Cost, margin, profit and return; a figure whose inputs are not known is absent, and `missing` says why.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Economics {
    /// Messages handed over: what "per thousand" is of.
    pub contacts: u64,
    pub responders: u64,
    pub orders: u64,
    pub revenue_cents: i64,
    pub cost: Option<Cost>,
    pub cost_per_thousand_cents: Option<f64>,
    pub cost_per_response_cents: Option<f64>,
    pub cost_per_order_cents: Option<f64>,
    /// Of the attributed revenue.
    pub margin_cents: Option<f64>,
    /// Attributed margin less cost.
    pub profit_cents: Option<f64>,
    /// What a response earns, its gifts and handling paid.
    pub margin_per_response_cents: Option<f64>,
    /// The response rate, of messages handed over, at which it earns what it costs.
    pub break_even_rate: Option<f64>,
    /// Responders ÷ messages handed over: what is compared with the break-even rate.
    pub response_rate_of_sent: Option<f64>,
    /// Per cent above (or below) the break-even rate.
    pub break_even_index: Option<f64>,
    pub incremental_revenue: Option<Amount>,
    pub incremental_margin: Option<Amount>,
    /// Incremental margin less cost.
    pub incremental_profit: Option<Amount>,
    /// `"control"` or `"global"`.
    pub compared_with: Option<&'static str>,
    /// (margin − cost) ÷ cost.
    pub return_on_cost: Option<f64>,
    /// Of the return, where it is incremental.
    pub return_interval_95: Option<(f64, f64)>,
    pub return_basis: Option<Basis>,
    pub missing: Vec<Missing>,
}

impl Economics {
    /// Reckons from what was spent in each run, what each offer earned, and what was caused.
    pub fn new(spent: &[Spent], earned: &[Earned], orders: u64, caused: Option<Caused>) -> Self {
        let contacts: u64 = spent.iter().map(|run| run.contacts).sum();
        let responders: u64 = earned.iter().map(|of| of.responders).sum();
        let revenue: i64 = earned.iter().map(|of| of.revenue_cents).sum();
        let cost = cost(spent, earned);
        let margin = margin(earned);
        let mut economics = Self {
            contacts,
            responders,
            orders,
            revenue_cents: revenue,
            cost,
            margin_cents: margin,
            response_rate_of_sent: (contacts > 0).then(|| as_f64(responders) / as_f64(contacts)),
            missing: missing(spent, earned, cost.is_none(), margin.is_none()),
            ..Self::default()
        };
        let Some(cost) = cost.filter(|_| contacts > 0) else {
            return economics;
        };
        let total = cost.total_cents;
        let each = |of: u64| (of > 0).then(|| total / as_f64(of));
        economics.cost_per_thousand_cents = each(contacts).map(|one| one * 1000.0);
        economics.cost_per_response_cents = each(responders);
        economics.cost_per_order_cents = each(orders);
        let Some(margin) = margin else {
            return economics;
        };
        economics.profit_cents = Some(margin - total);
        economics.reckon_break_even(&cost, margin);
        economics.return_on_cost = return_on(margin, total);
        economics.return_basis = economics.return_on_cost.map(|_| Basis::Attributed);
        let share = share_kept(earned, margin, revenue);
        if let (Some(caused), Some(share)) = (caused, share) {
            let margin = caused.revenue.map(|cents| cents * share);
            economics.incremental_revenue = Some(caused.revenue);
            economics.incremental_margin = Some(margin);
            economics.incremental_profit = Some(margin.map(|cents| cents - total));
            economics.compared_with = Some(caused.against);
            if let Some(value) = return_on(margin.cents, total) {
                economics.return_on_cost = Some(value);
                economics.return_interval_95 =
                    return_on(margin.low_95, total).zip(return_on(margin.high_95, total));
                economics.return_basis = Some(Basis::Incremental);
            }
        }
        economics
    }

    /// The figures that are known, by name: amounts in cents, rates of 1, the index in per cent.
    pub fn amounts(&self) -> Vec<(&'static str, f64)> {
        let caused = self.incremental_profit;
        [
            ("cost_cents", self.cost.map(|cost| cost.total_cents)),
            ("cost_per_thousand_cents", self.cost_per_thousand_cents),
            ("cost_per_response_cents", self.cost_per_response_cents),
            ("cost_per_order_cents", self.cost_per_order_cents),
            ("margin_cents", self.margin_cents),
            ("profit_cents", self.profit_cents),
            ("break_even_rate", self.break_even_rate),
            ("break_even_index", self.break_even_index),
            (
                "incremental_profit_cents",
                caused.map(|profit| profit.cents),
            ),
            (
                "incremental_profit_low_95",
                caused.map(|profit| profit.low_95),
            ),
            (
                "incremental_profit_high_95",
                caused.map(|profit| profit.high_95),
            ),
            ("return_on_cost", self.return_on_cost),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    fn reckon_break_even(&mut self, cost: &Cost, margin: f64) {
        if self.responders == 0 {
            return;
        }
        let per_response = (margin - cost.responses_cents) / as_f64(self.responders);
        self.margin_per_response_cents = Some(per_response);
        let per_contact = (cost.dispatch_cents + cost.texts_cents) / as_f64(self.contacts);
        self.break_even_rate =
            break_even_rate(per_contact, cost.fixed_cents, self.contacts, per_response);
        self.break_even_index = self
            .response_rate_of_sent
            .zip(self.break_even_rate)
            .and_then(|(rate, break_even)| break_even_index(rate, break_even));
    }
}

/// The cost of all runs; `None` when a part of it is not known.
fn cost(spent: &[Spent], earned: &[Earned]) -> Option<Cost> {
    let mut cost = Cost {
        fixed_cents: 0.0,
        dispatch_cents: 0.0,
        texts_cents: 0.0,
        responses_cents: 0.0,
        total_cents: 0.0,
    };
    for run in spent {
        let mails = run.contacts.saturating_sub(run.texts);
        match run.costs {
            Some(tariff) => {
                if run.bears_fixed {
                    cost.fixed_cents += signed(tariff.fixed_cents);
                }
                cost.dispatch_cents += signed(tariff.per_thousand_cents) * as_f64(mails) / 1000.0;
            }
            None if mails > 0 => return None,
            None => {}
        }
        if run.texts_unpriced > 0 {
            return None;
        }
        cost.texts_cents += as_f64(run.texts_micros) / 10_000.0;
    }
    cost.responses_cents = earned
        .iter()
        .map(|of| signed(of.cost_per_response_cents) * as_f64(of.responders))
        .sum();
    cost.total_cents =
        cost.fixed_cents + cost.dispatch_cents + cost.texts_cents + cost.responses_cents;
    Some(cost)
}

/// The margin of all that was attributed; `None` when the margin of some revenue is not known.
fn margin(earned: &[Earned]) -> Option<f64> {
    let with_revenue = earned.iter().filter(|of| of.revenue_cents != 0);
    let known: Option<f64> = with_revenue
        .map(|of| {
            of.margin_percent
                .map(|percent| signed(of.revenue_cents) * percent / 100.0)
        })
        .sum();
    // Without any revenue the margin is nothing only if one would know it of some.
    known.filter(|_| earned.iter().any(|of| of.margin_percent.is_some()))
}

/// What is left of a unit of revenue: of what was attributed, or as the offers say where nothing was.
fn share_kept(earned: &[Earned], margin: f64, revenue: i64) -> Option<f64> {
    if revenue > 0 {
        return Some(margin / signed(revenue));
    }
    let mut percents = earned.iter().filter_map(|of| of.margin_percent);
    let first = percents.next()?;
    percents
        .all(|percent| (percent - first).abs() < f64::EPSILON)
        .then_some(first / 100.0)
}

fn missing(
    spent: &[Spent],
    earned: &[Earned],
    lacks_cost: bool,
    lacks_margin: bool,
) -> Vec<Missing> {
    let mut missing = Vec::new();
    if lacks_cost
        && spent
            .iter()
            .any(|run| run.costs.is_none() && run.contacts > run.texts)
    {
        missing.push(Missing {
            key: "[costs]",
            sentence: Sentence::new("What it cost is not known: the definition has no [costs] with fixed_cents and per_thousand_cents."),
        });
    }
    let unpriced: u64 = spent.iter().map(|run| run.texts_unpriced).sum();
    if unpriced > 0 {
        missing.push(Missing {
            key: "sms.prices",
            sentence: Sentence::new("What it cost is not known: {n} text messages have no price; see [sms.prices] in the settings.")
                .with("n", unpriced),
        });
    }
    if lacks_margin
        && earned
            .iter()
            .any(|of| of.margin_percent.is_none() || of.revenue_cents != 0)
    {
        missing.push(Missing {
            key: "offer.margin_percent",
            sentence: Sentence::new(
                "What it earned is not known: the definition's [offer] has no margin_percent.",
            ),
        });
    }
    missing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EURO: f64 = 100.0;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * a.abs().max(b.abs()).max(1.0)
    }

    /// A run of `contacts` mails at these costs, of which `responders` brought `revenue_cents`.
    fn run(
        (contacts, per_thousand_cents, fixed_cents): (u64, i64, i64),
        (responders, revenue_cents, margin_percent): (u64, i64, f64),
    ) -> Economics {
        let spent = Spent {
            contacts,
            costs: Some(Tariff {
                fixed_cents,
                per_thousand_cents,
            }),
            bears_fixed: true,
            ..Spent::default()
        };
        let earned = Earned {
            responders,
            revenue_cents,
            margin_percent: Some(margin_percent),
            ..Earned::default()
        };
        Economics::new(&[spent], &[earned], responders, None)
    }

    #[test]
    fn hillstrom_s_mailing_loses_38_cents_a_contact() {
        // METHODS.md M7: $1.30 · 0.40 − $0.90 = −$0.38.
        assert!(close(profit_per_contact(1.30, 0.40, 0.90), -0.38));
        let economics = run((1_000, 90_000, 0), (10, 130_000, 40.0));
        assert!(close(economics.profit_cents.unwrap() / 1_000.0, -38.0));
    }

    #[test]
    fn berry_and_linoff_s_campaign_breaks_even_at_one_in_45() {
        // METHODS.md M7: $44 a responder, −$1 a non-responder: $45 a response at $1 a contact.
        assert!((break_even_rate(1.0, 0.0, 100_000, 45.0).unwrap() - 0.0222).abs() < 5e-5);
        for (contacts, responders, profit) in
            [(100_000, 3_000, 35_000.0), (300_000, 6_000, -30_000.0)]
        {
            let revenue = i64::try_from(responders).unwrap() * 4_500;
            let economics = run((contacts, 100_000, 0), (responders, revenue, 100.0));
            assert!(close(economics.profit_cents.unwrap() / EURO, profit));
            assert!(close(economics.break_even_rate.unwrap(), 1.0 / 45.0));
            let pays = economics.break_even_index.unwrap() > 0.0;
            assert_eq!(pays, profit > 0.0);
        }
    }

    #[test]
    fn wheaton_s_two_per_cent_is_the_break_even_rate() {
        // METHODS.md M3: 600,000 contacts at 2.0 % are 12,000 orders of $75, and what they leave after
        // $90,000 of overhead is exactly what the mailing costs. At half of revenue as margin that is
        // $360,000, or 60 cents a contact.
        let economics = run((600_000, 60_000, 9_000_000), (12_000, 90_000_000, 50.0));
        assert!(close(economics.profit_cents.unwrap(), 0.0));
        assert!(close(economics.break_even_rate.unwrap(), 0.02));
        assert!(close(economics.break_even_index.unwrap(), 0.0));
    }

    #[test]
    fn hughes_index_is_per_cent_of_the_break_even_rate() {
        // METHODS.md M3: cells above 0 are mailed. 2.76 % where 1.3 % would do is 112 % above it.
        assert!((break_even_index(0.0276, 0.013).unwrap() - 112.3).abs() < 0.05);
        assert!(break_even_index(0.01, 0.013).unwrap() < 0.0);
        assert_eq!(break_even_index(0.01, 0.0), None);
    }

    #[test]
    fn what_is_not_known_is_absent_and_said() {
        let mail = Spent {
            contacts: 10,
            ..Spent::default()
        };
        let economics = Economics::new(&[mail], &[Earned::default()], 0, None);
        let keys: Vec<_> = economics.missing.iter().map(|one| one.key).collect();
        assert_eq!(keys, ["[costs]", "offer.margin_percent"]);
        assert_eq!((economics.cost, economics.profit_cents), (None, None));
        let text = Spent {
            contacts: 10,
            texts: 10,
            texts_micros: 500_000,
            texts_unpriced: 1,
            ..Spent::default()
        };
        let economics = Economics::new(&[text], &[Earned::default()], 0, None);
        let keys: Vec<_> = economics.missing.iter().map(|one| one.key).collect();
        assert_eq!(keys, ["sms.prices", "offer.margin_percent"]);
        let priced = Spent {
            texts_unpriced: 0,
            ..text
        };
        let economics = Economics::new(&[priced], &[Earned::default()], 0, None);
        assert!(close(economics.cost.unwrap().total_cents, 50.0));
        assert!(close(economics.cost_per_thousand_cents.unwrap(), 5_000.0));
    }

    #[test]
    fn a_response_that_earns_nothing_never_breaks_even() {
        let spent = Spent {
            contacts: 100,
            costs: Some(Tariff::default()),
            ..Spent::default()
        };
        let earned = Earned {
            responders: 10,
            revenue_cents: 1_000,
            margin_percent: Some(50.0),
            cost_per_response_cents: 60,
        };
        let economics = Economics::new(&[spent], &[earned], 0, None);
        assert!(close(economics.margin_per_response_cents.unwrap(), -10.0));
        assert_eq!(economics.break_even_rate, None);
        assert!(close(economics.profit_cents.unwrap(), -100.0));
    }

    #[test]
    fn the_return_is_incremental_where_people_were_held_back() {
        let attributed = run((1_000, 10_000, 0), (50, 100_000, 50.0));
        assert_eq!(attributed.return_basis, Some(Basis::Attributed));
        assert!(close(attributed.return_on_cost.unwrap(), 4.0));
        let spent = Spent {
            contacts: 1_000,
            costs: Some(Tariff {
                fixed_cents: 0,
                per_thousand_cents: 10_000,
            }),
            ..Spent::default()
        };
        let earned = Earned {
            responders: 50,
            revenue_cents: 100_000,
            margin_percent: Some(50.0),
            ..Earned::default()
        };
        let caused = Caused {
            revenue: Amount {
                cents: 40_000.0,
                low_95: 10_000.0,
                high_95: 70_000.0,
            },
            against: "control",
        };
        let economics = Economics::new(&[spent], &[earned], 50, Some(caused));
        assert_eq!(economics.return_basis, Some(Basis::Incremental));
        assert!(close(economics.return_on_cost.unwrap(), 1.0));
        let (low, high) = economics.return_interval_95.unwrap();
        assert!(close(low, -0.5) && close(high, 2.5));
        assert!(close(economics.incremental_profit.unwrap().cents, 10_000.0));
    }

    #[test]
    fn the_first_run_bears_the_fixed_cost() {
        let first = Spent {
            contacts: 1_000,
            costs: Some(Tariff {
                fixed_cents: 500,
                per_thousand_cents: 100,
            }),
            bears_fixed: true,
            ..Spent::default()
        };
        let later = Spent {
            bears_fixed: false,
            ..first
        };
        let economics = Economics::new(&[first, later], &[], 0, None);
        assert!(close(economics.cost.unwrap().total_cents, 700.0));
    }

    proptest! {
        #[test]
        fn at_the_break_even_rate_nothing_is_earned(
            responders in 1_u64..100_000,
            times in 1_u64..500,
            per_thousand in 0_i64..200_000,
            fixed in 0_i64..5_000_000,
        ) {
            let contacts = responders * times;
            // As much revenue as makes the rate there is the break-even rate.
            let cost = fixed + per_thousand * i64::try_from(contacts).unwrap() / 1000;
            let economics = run((contacts, per_thousand, fixed), (responders, cost, 100.0));
            if let Some(rate) = economics.break_even_rate {
                let is = as_f64(responders) / as_f64(contacts);
                prop_assert!((rate - is).abs() <= is * 0.01 + 1e-3, "{rate} {is}");
            }
            prop_assert!(economics.profit_cents.unwrap().abs() <= 1.0);
        }
    }
}
