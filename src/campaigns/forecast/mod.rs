//! What a wave is expected to bring, reckoned before it is launched and kept with it.
//!
//! Promise: a forecast is written once, at the launch, and never again; it says what it rests on, and where
//! nothing is known it says nothing.

pub mod store;

use std::fmt;

use sea_orm::{ConnectionTrait, DbErr};
use serde::{Deserialize, Serialize};

use super::definition::Definition;
use super::model::Goal;
use crate::consent::model::Channel;
use crate::ids::{CampaignId, WaveId};
use crate::statistics::as_f64;
use crate::statistics::prediction::{ENOUGH_WAVES, Range, known, predicted};
use crate::statistics::sentence::{Sentence, Value};
use crate::storage::Txn;

/// What is expected of a wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Who will be written to.
    pub people: u64,
    /// What it rests on.
    pub basis: Basis,
    pub delivered: Range,
    /// The share of the delivered who respond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_rate: Option<Range>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responses: Option<Range>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<Range>,
    /// In cents; orders times what an order was worth before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue_cents: Option<Range>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_cents: Option<Range>,
    /// Margin of the revenue less the cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profit_cents: Option<Range>,
}

/// What the expected response rate rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The definition's `expected_response_percent`.
    Stated,
    /// Earlier waves of the same topic, channels and goal whose windows are over.
    Past { waves: u64, delivered: u64 },
    /// Nothing is known.
    Nothing,
}

/// What an earlier wave came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PastWave {
    /// Handed over, whatever the answer.
    pub sent: u64,
    pub delivered: u64,
    pub responders: u64,
    pub orders: u64,
    pub revenue_cents: i64,
    /// Text messages whose price is known, and what they cost in millionths of the currency.
    pub priced_texts: u64,
    pub texts_micros: u64,
}

/// Whom a wave will write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub mails: u64,
    pub texts: u64,
    /// Whether the campaign has no wave yet: the first bears the fixed cost.
    pub is_first: bool,
}

impl Forecast {
    /// Reckons what a wave of this definition will bring, from earlier ones.
    pub fn new(definition: &Definition, reach: Reach, past: &[PastWave]) -> Self {
        let people = reach.mails + reach.texts;
        let of = |part: fn(&PastWave) -> u64, whole: fn(&PastWave) -> u64| {
            let pairs: Vec<(u64, u64)> =
                past.iter().map(|wave| (part(wave), whole(wave))).collect();
            pairs
        };
        let delivered = predicted(&of(|wave| wave.delivered, |wave| wave.sent), people)
            .unwrap_or_else(|| Range::exactly(as_f64(people)));
        let expected = rounded(delivered.expected);
        let (basis, responses) = match definition.expected_response_percent {
            Some(percent) => (Basis::Stated, Some(known(percent / 100.0, expected))),
            None => {
                let before: u64 = past.iter().map(|wave| wave.delivered).sum();
                let basis = Basis::Past {
                    waves: u64::try_from(past.len()).unwrap_or(u64::MAX),
                    delivered: before,
                };
                match predicted(&of(|wave| wave.responders, |wave| wave.delivered), expected) {
                    Some(responses) => (basis, Some(responses)),
                    None => (Basis::Nothing, None),
                }
            }
        };
        let orders = match (basis, definition.goal) {
            // Whoever responds has ordered.
            (Basis::Stated, Goal::Order) => responses,
            _ => predicted(&of(|wave| wave.orders, |wave| wave.delivered), expected),
        };
        let of_an_order = value_of_an_order(past);
        let revenue = orders
            .zip(of_an_order)
            .map(|(orders, value)| orders.map(|orders| orders * value));
        let cost = cost(definition, reach, past, responses);
        let margin = definition
            .offer
            .as_ref()
            .and_then(|offer| offer.margin_percent);
        let profit = match (revenue, cost, margin) {
            (Some(revenue), Some(cost), Some(margin)) => Some(Range {
                expected: revenue.expected * margin / 100.0 - cost.expected,
                low_95: revenue.low_95 * margin / 100.0 - cost.low_95,
                high_95: revenue.high_95 * margin / 100.0 - cost.high_95,
            }),
            _ => None,
        };
        Self {
            people,
            basis,
            delivered,
            response_rate: responses
                .filter(|_| expected > 0)
                .map(|responses| responses.map(|count| count / as_f64(expected))),
            responses,
            orders,
            revenue_cents: revenue,
            cost_cents: cost,
            profit_cents: profit,
        }
    }

    /// What it rests on, in a sentence.
    pub fn rests_on(&self) -> Sentence {
        match self.basis {
            Basis::Stated => Sentence::new(
                "the definition’s expected_response_percent; the range knows chance alone",
            ),
            Basis::Past { waves, .. } if waves < ENOUGH_WAVES => Sentence::new(
                "{waves} of the same topic, channels and goal; the range knows chance alone, since so few waves do not show how much they differ",
            )
            .with("waves", count_of(waves)),
            Basis::Past { waves, .. } => Sentence::new(
                "{waves} of the same topic, channels and goal, and how much they differed",
            )
            .with("waves", count_of(waves)),
            Basis::Nothing => Sentence::new(
                "nothing yet: no earlier wave of the same topic, channels and goal is over; set expected_response_percent",
            ),
        }
    }
}

fn count_of(waves: u64) -> Value {
    Value::counted(waves, "{n} earlier wave", "{n} earlier waves")
}

/// What an order was worth, in cents; `None` when there was none.
fn value_of_an_order(past: &[PastWave]) -> Option<f64> {
    let orders: u64 = past.iter().map(|wave| wave.orders).sum();
    let revenue: i64 = past.iter().map(|wave| wave.revenue_cents).sum();
    (orders > 0).then(|| signed(revenue) / as_f64(orders))
}

/// What it will cost, in cents, as far as the definition and earlier waves tell.
fn cost(
    definition: &Definition,
    reach: Reach,
    past: &[PastWave],
    responses: Option<Range>,
) -> Option<Range> {
    let mails = match (&definition.costs, reach.mails) {
        (Some(costs), mails) => {
            let fixed = if reach.is_first { costs.fixed_cents } else { 0 };
            signed(fixed) + signed(costs.per_thousand_cents) * as_f64(mails) / 1000.0
        }
        (None, 0) => 0.0,
        (None, _) => return None,
    };
    let texts = if reach.texts == 0 {
        0.0
    } else {
        let priced: u64 = past.iter().map(|wave| wave.priced_texts).sum();
        let micros: u64 = past.iter().map(|wave| wave.texts_micros).sum();
        if priced == 0 {
            return None;
        }
        as_f64(micros) / as_f64(priced) * as_f64(reach.texts) / 10_000.0
    };
    let gift = definition
        .offer
        .as_ref()
        .map_or(0.0, |offer| signed(offer.cost_cents));
    if gift == 0.0 {
        return Some(Range::exactly(mails + texts));
    }
    responses.map(|responses| responses.map(|count| mails + texts + gift * count))
}

/// Reckons the forecast of a wave that is being launched, and keeps it with the wave.
///
/// # Errors
/// When the database is away.
pub async fn at_launch(
    txn: &Txn,
    campaign: CampaignId,
    wave: WaveId,
    definition: &Definition,
    is_simulated: bool,
    now_ms: i64,
) -> Result<(), DbErr> {
    let reach = store::reach_of(txn, campaign, wave).await?;
    let past = store::past_waves(&**txn, definition, is_simulated, now_ms).await?;
    store::keep(txn, wave, &Forecast::new(definition, reach, &past)).await
}

/// The forecast of a wave that would reach so many, as `campaign check` shows it.
///
/// # Errors
/// When the database is away.
pub async fn for_check(
    connection: &impl ConnectionTrait,
    definition: &Definition,
    campaign: Option<CampaignId>,
    by_channel: impl Fn(Channel) -> u64,
    now_ms: i64,
) -> Result<Forecast, DbErr> {
    let is_first = match campaign {
        Some(campaign) => !super::store::has_wave(connection, campaign).await?,
        None => true,
    };
    let reach = Reach {
        mails: by_channel(Channel::Email),
        texts: by_channel(Channel::Sms),
        is_first,
    };
    let past = store::past_waves(connection, definition, false, now_ms).await?;
    Ok(Forecast::new(definition, reach, &past))
}

impl fmt::Display for Forecast {
    /// Lines for the terminal, as `campaign check` has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  forecast      rests on {}", self.rests_on())?;
        let people = |value: f64| format!("{value:.0}");
        let percent = |value: f64| format!("{:.2} %", value * 100.0);
        let money = |value: f64| format!("{:.2}", value / 100.0);
        type Line<'a> = (&'static str, Option<Range>, &'a dyn Fn(f64) -> String);
        let lines: [Line<'_>; 6] = [
            ("response rate", self.response_rate, &percent),
            ("responses", self.responses, &people),
            ("orders", self.orders, &people),
            ("revenue", self.revenue_cents, &money),
            ("cost", self.cost_cents, &money),
            ("profit", self.profit_cents, &money),
        ];
        for (name, range, text) in lines {
            let Some(range) = range else { continue };
            write!(f, "    {name:<13} {:>8}", text(range.expected))?;
            if range.is_exact() {
                writeln!(f)?;
            } else {
                writeln!(f, "  {} to {}", text(range.low_95), text(range.high_95))?;
            }
        }
        Ok(())
    }
}

/// A count of people from an expectation of it.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of people, not below 0"
)]
fn rounded(people: f64) -> u64 {
    people.max(0.0).round() as u64
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "std has no other way"
)]
fn signed(cents: i64) -> f64 {
    cents as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(more: &str) -> Definition {
        let text = format!(
            r#"
            name = "spring"
            segment = "everyone"
            template = "pans"
            topic = "offers"
            goal = "order"
            {more}
            [sender]
            name = "Shop"
            address = "shop@example.org"
            postal_address = "1, rue"
            "#
        );
        Definition::parse(&text, "test").unwrap()
    }

    const REACH: Reach = Reach {
        mails: 10_000,
        texts: 0,
        is_first: true,
    };

    const PAST: PastWave = PastWave {
        sent: 5_000,
        delivered: 4_900,
        responders: 98,
        orders: 100,
        revenue_cents: 500_000,
        priced_texts: 0,
        texts_micros: 0,
    };

    #[test]
    fn a_forecast_rests_on_earlier_waves() {
        let plan = definition(
            "offer = {name = \"Pans\", margin_percent = 40.0, cost_cents = 100}\ncosts = {fixed_cents = 50000, per_thousand_cents = 2000}",
        );
        let forecast = Forecast::new(&plan, REACH, &[PAST]);
        assert_eq!(
            forecast.basis,
            Basis::Past {
                waves: 1,
                delivered: 4_900
            }
        );
        let of = |range: Option<Range>| range.unwrap().expected;
        assert!((forecast.delivered.expected - 9_800.0).abs() < 1e-6);
        assert!((of(forecast.response_rate) - 0.02).abs() < 1e-9);
        assert!((of(forecast.responses) - 196.0).abs() < 1e-6);
        assert!((of(forecast.orders) - 200.0).abs() < 1e-6);
        assert!((of(forecast.revenue_cents) - 1_000_000.0).abs() < 1e-3);
        // 500.00 fixed, 10 thousand at 20.00, 196 gifts at 1.00.
        assert!((of(forecast.cost_cents) - 89_600.0).abs() < 1e-3);
        assert!((of(forecast.profit_cents) - 310_400.0).abs() < 1e-3);
    }

    #[test]
    fn what_the_definition_expects_goes_before_what_was() {
        let plan = definition("expected_response_percent = 3.5");
        let forecast = Forecast::new(&plan, REACH, &[]);
        assert_eq!(forecast.basis, Basis::Stated);
        assert!((forecast.responses.unwrap().expected - 350.0).abs() < 1e-6);
        assert!((forecast.orders.unwrap().expected - 350.0).abs() < 1e-6);
        assert_eq!(
            forecast.revenue_cents, None,
            "nobody knows what an order is worth"
        );
        assert_eq!(forecast.cost_cents, None, "and not what it costs");
    }

    #[test]
    fn without_a_basis_nothing_is_said() {
        let forecast = Forecast::new(&definition(""), REACH, &[]);
        assert_eq!(forecast.basis, Basis::Nothing);
        assert_eq!((forecast.responses, forecast.orders), (None, None));
        assert!(
            forecast
                .to_string()
                .contains("set expected_response_percent")
        );
    }

    #[test]
    fn a_forecast_is_kept_as_it_was() {
        let forecast = Forecast::new(&definition(""), REACH, &[PAST, PAST]);
        let kept = serde_json::to_string(&forecast).unwrap();
        let read: Forecast = serde_json::from_str(&kept).unwrap();
        assert_eq!(read.basis, forecast.basis);
        assert!((read.delivered.expected - forecast.delivered.expected).abs() < 1e-9);
    }
}
