//! The figures of a campaign by channel, where it used text messages.

use serde::Serialize;

use super::figures::{Denominator, Rate, as_f64};
use super::lift::{NONE, ends};
use super::model::Counters;
use crate::consent::model::Channel;
use crate::delivery::store::SMS_COUNTERS;
use crate::statistics::Sentence;
use crate::statistics::sentence::Value;

/// What a receipt is worth.
pub const OF_RECEIPTS: &str = "A receipt is the provider's word, passed on from the networks: some telephones and networks never send one.";

/// What one channel did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelLine {
    pub channel: &'static str,
    pub selected: u64,
    pub withheld: u64,
    pub accepted: u64,
    /// Accepted, and by a receipt not delivered.
    pub undelivered: u64,
    /// Unique responders ÷ delivered: accepted less undelivered and bounces.
    pub response_rate: Rate,
    pub opt_out_rate: Rate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<Texts>,
}

/// What is known of text messages only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Texts {
    /// Of the accepted.
    pub parts: u64,
    /// Messages in one part, in two, and in more.
    pub messages_by_parts: [u64; 3],
    /// Millionths of the currency; of messages whose price is known.
    pub cost_micros: u64,
    /// By message whose price is known.
    pub cost_micros_per_message: Option<u64>,
    pub cost_micros_per_response: Option<u64>,
    /// Messages whose price is not known: the cost is without them.
    pub unpriced: u64,
    /// ISO 4217, as the settings have it now.
    pub currency: String,
    pub receipts: Receipts,
}

/// How far the receipts go, each message by its furthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Receipts {
    /// The provider passed it on.
    pub sent: u64,
    pub delivered: u64,
    pub undelivered: u64,
    /// Accepted, and nothing was heard of it.
    pub none: u64,
}

/// The channels of a sum of counters, email first; none when no text message was in it.
pub(super) fn lines(sum: &Counters) -> Vec<ChannelLine> {
    let own = |counter: &str| sum.get(&format!("{SMS_COUNTERS}{counter}"));
    let rest = |counter: &str| sum.get(counter).saturating_sub(own(counter));
    if own("selected") == 0 {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if rest("selected") > 0 {
        lines.push(line(Channel::Email, rest, 0));
    }
    let undelivered = undelivered(sum);
    let mut sms = line(Channel::Sms, own, undelivered);
    sms.texts = Some(texts(sum, own("accepted"), own("responders")));
    lines.push(sms);
    lines
}

/// Messages that were accepted and did not arrive, as receipts tell.
pub(super) fn undelivered(sum: &Counters) -> u64 {
    sum.get("receipts.undelivered").min(sum.get("accepted"))
}

fn line(channel: Channel, of: impl Fn(&str) -> u64, undelivered: u64) -> ChannelLine {
    let delivered = of("accepted")
        .saturating_sub(undelivered)
        .saturating_sub(of("bounces"));
    ChannelLine {
        channel: channel.as_str(),
        selected: of("selected"),
        withheld: of("withheld"),
        accepted: of("accepted"),
        undelivered,
        response_rate: Rate::new(of("responders"), delivered, Denominator::Delivered),
        opt_out_rate: Rate::new(of("opt_outs"), delivered, Denominator::Delivered),
        texts: None,
    }
}

fn texts(sum: &Counters, accepted: u64, responders: u64) -> Texts {
    let cost = sum.get("cost_micros");
    let unpriced = sum.get("unpriced");
    let [sent, delivered, undelivered] =
        ["sent", "delivered", "undelivered"].map(|state| sum.get(&format!("receipts.{state}")));
    Texts {
        parts: sum.get("parts"),
        messages_by_parts: ["1", "2", "more"].map(|parts| sum.get(&format!("texts.{parts}"))),
        cost_micros: cost,
        cost_micros_per_message: cost.checked_div(accepted.saturating_sub(unpriced)),
        cost_micros_per_response: cost.checked_div(responders),
        unpriced,
        currency: String::new(),
        receipts: Receipts {
            sent,
            delivered,
            undelivered,
            none: accepted.saturating_sub(sent + delivered + undelivered),
        },
    }
}

impl ChannelLine {
    /// As people call it.
    pub fn name(&self) -> &'static str {
        match self.channel {
            "sms" => "SMS",
            other => other,
        }
    }
}

/// The channels side by side: a figure and its cell for each, for readers.
pub fn side_by_side(lines: &[ChannelLine]) -> Vec<(&'static str, Vec<Value>)> {
    let row = |name, cell: &dyn Fn(&ChannelLine) -> Value| (name, lines.iter().map(cell).collect());
    let none = || Value::from(NONE);
    let text = |line: &ChannelLine, cell: &dyn Fn(&Texts) -> Value| {
        line.texts.as_ref().map_or_else(none, cell)
    };
    vec![
        row("selected", &|line| line.selected.into()),
        row("withheld", &|line| line.withheld.into()),
        row("accepted", &|line| line.accepted.into()),
        row("delivered by receipt", &|line| {
            text(line, &|texts| texts.receipts.delivered.into())
        }),
        row("undelivered", &|line| line.undelivered.into()),
        row("responders", &|line| line.response_rate.count.into()),
        row("response rate", &|line| {
            let rate = line.response_rate.value;
            rate.map_or_else(none, |share| Value::Percent(share, 2))
        }),
        row("95 % interval", &|line| {
            line.response_rate.interval_95.map_or_else(
                || Value::word("no interval"),
                |i| ends(Value::Percent(i.low, 2), Value::Percent(i.high, 2)).into(),
            )
        }),
        row("opt-outs", &|line| line.opt_out_rate.count.into()),
        row("cost", &|line| {
            text(line, &|texts| price(texts.cost_micros, 2, &texts.currency))
        }),
        row("cost per response", &|line| {
            text(line, &|texts| {
                texts
                    .cost_micros_per_response
                    .map_or_else(none, |cost| price(cost, 2, &texts.currency))
            })
        }),
    ]
}

/// What is known of text messages only, as names and sentences for readers.
pub fn of_texts(texts: &Texts) -> Vec<(&'static str, Value)> {
    let receipts = texts.receipts;
    let mut facts = vec![
        ("parts", parts_in_words(texts)),
        (
            "per message",
            texts.cost_micros_per_message.map_or_else(
                || Value::word("no price known"),
                |cost| price(cost, 4, &texts.currency),
            ),
        ),
    ];
    if texts.unpriced > 0 {
        let unpriced = Sentence::new("{n}, not in the cost").with("n", texts.unpriced);
        facts.push(("without a price", unpriced.into()));
    }
    let said = Sentence::new(
        "{delivered} delivered, {undelivered} undelivered, {sent} passed on, {none} none yet",
    )
    .with("delivered", receipts.delivered)
    .with("undelivered", receipts.undelivered)
    .with("sent", receipts.sent)
    .with("none", receipts.none);
    facts.push(("receipts", said.into()));
    facts
}

/// `1,250: 1,190 messages in one, 30 in two`.
fn parts_in_words(texts: &Texts) -> Value {
    let each: Vec<Sentence> = texts
        .messages_by_parts
        .iter()
        .zip([
            ["{n} message in one", "{n} messages in one", "{n} in one"],
            ["{n} message in two", "{n} messages in two", "{n} in two"],
            ["{n} message in more", "{n} messages in more", "{n} in more"],
        ])
        .filter(|(n, _)| **n > 0)
        .enumerate()
        .map(|(place, (n, [one, many, more]))| {
            let text = match (place, n) {
                (0, 1) => one,
                (0, _) => many,
                _ => more,
            };
            Sentence::new(text).with("n", *n)
        })
        .collect();
    if each.is_empty() {
        return texts.parts.into();
    }
    Sentence::new("{n}: {each}")
        .with("n", texts.parts)
        .with("each", each)
        .into()
}

/// An amount of so many decimals: `12.34 EUR`.
fn price(micros: u64, decimals: usize, currency: &str) -> Value {
    let amount = Value::Decimal(as_f64(micros) / 1_000_000.0, decimals);
    if currency.is_empty() {
        return amount;
    }
    Sentence::new("{n} {currency}")
        .with("n", amount)
        .with("currency", currency)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(figures: &[(&str, i64)]) -> Counters {
        let mut sum = Counters::default();
        for (counter, value) in figures {
            sum.add(counter, *value);
        }
        sum
    }

    #[test]
    fn what_is_not_sms_is_email_and_undelivered_texts_are_not_delivered() {
        let lines = lines(&counters(&[
            ("selected", 100),
            ("sms.selected", 40),
            ("accepted", 90),
            ("sms.accepted", 30),
            ("responders", 9),
            ("sms.responders", 5),
            ("parts", 33),
            ("texts.1", 28),
            ("texts.2", 1),
            ("texts.more", 1),
            ("cost_micros", 1_450_000),
            ("unpriced", 1),
            ("receipts.delivered", 20),
            ("receipts.undelivered", 5),
        ]));
        let [email, sms] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        assert_eq!(
            (email.selected, email.accepted, email.response_rate.of),
            (60, 60, 60)
        );
        assert_eq!(
            (email.response_rate.count, email.texts.is_none()),
            (4, true)
        );
        assert_eq!((sms.response_rate.count, sms.response_rate.of), (5, 25));
        let texts = sms.texts.as_ref().unwrap();
        assert_eq!(texts.cost_micros_per_message, Some(50_000));
        assert_eq!(texts.cost_micros_per_response, Some(290_000));
        assert_eq!(texts.receipts.none, 5);
        let (_, parts) = of_texts(texts).remove(0);
        assert_eq!(
            parts.to_string(),
            "33: 28 messages in one, 1 in two, 1 in more"
        );
    }

    #[test]
    fn a_campaign_of_mails_only_has_no_channels_and_one_of_texts_only_has_one() {
        assert!(lines(&counters(&[("selected", 3)])).is_empty());
        let lines = lines(&counters(&[("selected", 3), ("sms.selected", 3)]));
        assert_eq!(
            lines.iter().map(ChannelLine::name).collect::<Vec<_>>(),
            ["SMS"]
        );
        let texts = lines.first().and_then(|line| line.texts.as_ref()).unwrap();
        assert_eq!(texts.cost_micros_per_message, None, "nothing was sent");
    }

    #[test]
    fn prices_are_written_for_readers() {
        assert_eq!(
            price(1_234_567_890_000, 2, "EUR").to_string(),
            "1,234,567.89 EUR"
        );
        assert_eq!(price(58_300, 4, "EUR").to_string(), "0.0583 EUR");
        assert_eq!(price(0, 2, "").to_string(), "0.00");
    }
}
