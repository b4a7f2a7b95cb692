//! The report of a campaign, without I/O.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attribution::Attribution;
use super::cells::{self, Cells, Facts};
use super::channels::{self, ChannelLine};
use super::economics::{Earned, Economics, Spent};
use super::figures::{Denominator, Rate};
use super::forecast::{Actual, Compared};
use super::funnel::Funnel;
use super::lift::{self, CausedBy};
use super::lost::Lost;
use super::money::{self, Proposal};
use super::over_time::OverTime;
use crate::campaigns::forecast::Forecast;
use crate::clock::DAY_MS;
use crate::delivery::store::SMS_COUNTERS;
use crate::responses::model::{Goal, Terms};
use crate::templates::model::{Link, Part};

/// The label wherever figures come from played-back responses.
pub const SIMULATED: &str = "simulated responses";

/// The counters of one wave, or the sum over several, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, i64>);

impl Counters {
    /// Adds `value` to a counter.
    pub fn add(&mut self, counter: &str, value: i64) {
        *self.0.entry(counter.to_owned()).or_default() += value;
    }

    /// A counter that never moved is 0. One below 0 (a defect, or somebody's hand in the database) is
    /// shown as 0; the report then says that it does not add up.
    pub fn get(&self, counter: &str) -> u64 {
        self.0
            .get(counter)
            .map_or(0, |value| u64::try_from(*value).unwrap_or(0))
    }

    /// The revenue in currencies that are not ours, by their codes.
    fn revenue_elsewhere(&self) -> BTreeMap<String, i64> {
        self.0
            .iter()
            .filter(|(_, cents)| **cents != 0)
            .filter_map(|(counter, cents)| {
                let currency = counter.strip_prefix("revenue.")?.strip_suffix("_cents")?;
                Some((currency.to_owned(), *cents))
            })
            .collect()
    }

    pub(super) fn signed(&self, counter: &str) -> i64 {
        self.0.get(counter).copied().unwrap_or(0)
    }

    /// The counters `group.*`, by what stands after the dot, the largest first.
    pub(super) fn group(&self, group: &str) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self
            .0
            .iter()
            .filter_map(|(counter, value)| {
                let name = counter.strip_prefix(group)?.strip_prefix('.')?;
                let count = u64::try_from(*value).ok().filter(|count| *count > 0)?;
                Some(Reason {
                    reason: name.to_owned(),
                    count,
                })
            })
            .collect();
        reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        reasons
    }
}

/// How many, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub reason: String,
    pub count: u64,
}

/// One run of the campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    pub id: i64,
    pub status: String,
    /// Milliseconds since the epoch.
    pub launched_at: i64,
    pub is_simulated: bool,
    pub template_version: i64,
    pub terms: Terms,
    /// What its definition says of money.
    pub proposal: Proposal,
    /// What was expected of it at its launch; `None` of one that was launched before that was kept.
    pub forecast: Option<Forecast>,
    pub counters: Counters,
    /// Whether only those of its counters are there that lists of waves and money are made of.
    pub is_outline: bool,
    /// When its ledger was let go, in milliseconds since the epoch.
    pub cleaned_at: Option<i64>,
}

/// One run as the report lists it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaveLine {
    pub wave: i64,
    pub status: String,
    /// RFC 3339, UTC.
    pub launched_at: String,
    pub selected: u64,
    pub withheld: u64,
    pub delivered: u64,
    pub response_rate: Rate,
}

/// How many people one of the four parts moved to click.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartLine {
    pub part: Part,
    /// Unique clickers, of delivered.
    pub clickers: Rate,
}

/// How often one link was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkLine {
    pub number: u16,
    pub part: Part,
    pub label: String,
    pub url: String,
    /// Total clicks, not people.
    pub clicks: u64,
}

/// Everything the response-rate report shows; the same fields in JSON, table, CSV and page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub campaign: String,
    pub status: String,
    pub topic: Option<String>,
    /// What makes a responder.
    pub goal: Goal,
    /// Days after the hand-over within which it counts.
    pub window_days: i64,
    /// Whether any of the responses were played back and not given by people.
    pub is_simulated: bool,
    /// `"simulated responses"` when they are.
    pub label: Option<&'static str>,

    /// Unique responders ÷ delivered.
    pub response_rate: Rate,
    /// Delivered ÷ sent.
    pub delivery_rate: Rate,
    /// Unique human openers ÷ delivered. Only customers who agreed to tracking can be seen opening.
    pub open_rate: Rate,
    /// Unique human clickers ÷ delivered; unsubscribe links are no clicks.
    pub click_rate: Rate,
    /// Customers who ordered ÷ delivered.
    pub order_rate: Rate,
    /// Openers who clicked ÷ openers, among those who agreed to tracking: CTOR.
    pub click_to_open_rate: Rate,
    /// Opt-outs ÷ delivered.
    pub opt_out_rate: Rate,
    /// What was lost on the way: bounces, complaints, contacts.
    pub lost: Lost,
    /// ISO 4217 of all amounts, as the settings have it now.
    pub currency: String,
    pub economics: Economics,
    /// What was expected of the newest wave that has a forecast, and what came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Compared>,
    pub funnel: Funnel,
    /// When people responded; none while nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_time: Option<OverTime>,
    pub attribution: Attribution,
    #[serde(skip)]
    money: Money,
    #[serde(skip)]
    sum: Counters,

    /// Whom the segment selected, duplicates of an address included.
    pub selected: u64,
    pub withheld: u64,
    pub withheld_by_reason: Vec<Reason>,
    /// Messages of the wave: selected less withheld.
    pub deliveries: u64,
    pub pending: u64,
    pub sending: u64,
    /// Handed over at least once: deliveries less pending and sending.
    pub sent: u64,
    /// Accepted by the next server, or by the provider of text messages.
    pub accepted: u64,
    /// Accepted text messages that did not arrive, as receipts tell. "Delivered" is accepted less these and
    /// less the bounces.
    pub undelivered: u64,
    /// Accepted emails that came back later.
    pub bounces: u64,
    pub deferred: u64,
    pub failed: u64,
    pub failed_by_class: Vec<Reason>,
    /// The answer was lost: perhaps delivered, never sent again by itself.
    pub unknown: u64,

    pub opens: u64,
    pub opens_machine: u64,
    /// Customers who redeemed their coupon.
    pub redemptions: u64,
    /// Customers who named the offer's code in a shop or by telephone.
    pub answers: u64,
    /// Answers of people who had no message of this campaign, or whom nobody knew.
    pub answers_unmatched: u64,
    /// Customers who wrote back.
    pub replies: u64,
    /// Unique clickers.
    pub clicks: u64,
    pub clicks_total: u64,
    /// Clicks of prefetchers, previews and programs, counted nowhere else.
    pub clicks_machine: u64,
    /// Clicks of scanners, counted nowhere else.
    pub clicks_scanner: u64,
    pub clicks_by_part: Vec<PartLine>,
    /// Empty when the waves used different templates.
    pub links: Vec<LinkLine>,
    pub opt_outs: u64,
    pub orders: u64,
    pub revenue_cents: i64,
    /// In currencies that are not ours, by their codes: never added up with it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub revenue_elsewhere_cents: BTreeMap<String, i64>,

    /// By channel; empty when no text message was among them.
    pub channels: Vec<ChannelLine>,
    /// The cells of its test; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<Cells>,
    /// What it caused, as those held back tell; none where nobody was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<CausedBy>,
    pub waves: Vec<WaveLine>,
    /// Since when responses to some of the waves are not counted any more, because their deliveries were
    /// let go; RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_since: Option<String>,
    /// What does not add up; empty when everything does.
    pub discrepancies: Vec<String>,
}

/// What the economics are reckoned from, kept for when more is known.
#[derive(Debug, Clone, PartialEq, Default)]
struct Money {
    spent: Vec<Spent>,
    earned: Vec<Earned>,
}

impl Money {
    /// Of all waves, the newest first: the oldest bears the fixed cost.
    fn of(waves: &[Wave]) -> Self {
        let last = waves.len().saturating_sub(1);
        Self {
            spent: waves
                .iter()
                .enumerate()
                .map(|(place, wave)| money::spent(wave, sent(&wave.counters), place == last))
                .collect(),
            earned: waves.iter().flat_map(money::earned).collect(),
        }
    }
}

impl Report {
    /// Makes the report of a campaign from its waves, the newest first. `links` are those of the template
    /// all waves used.
    pub fn new(campaign: &str, status: &str, waves: &[Wave], links: &[Link]) -> Self {
        Self::of(campaign, status, waves, summed(waves), links)
    }

    /// As [`Report::new`]; `sum` is that of all counters of the waves, of which some are outlines.
    pub fn of(campaign: &str, status: &str, waves: &[Wave], sum: Counters, links: &[Link]) -> Self {
        let terms = waves
            .first()
            .map(|wave| wave.terms.clone())
            .unwrap_or_default();
        let is_simulated = waves.iter().any(|wave| wave.is_simulated);
        let arrived = delivered_of(&sum);
        let delivered =
            |counter: &str| Rate::new(sum.get(counter), arrived, Denominator::Delivered);
        let sent = sent(&sum);
        let deliveries = sent + sum.get("pending") + sum.get("sending");
        let one_template = waves
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.template_version == b.template_version))
            && waves.iter().all(|wave| wave.terms.has_one_template());
        let money = Money::of(waves);
        Self {
            campaign: campaign.to_owned(),
            status: status.to_owned(),
            topic: terms.topic.clone(),
            goal: terms.goal,
            window_days: terms.window_days,
            is_simulated,
            label: is_simulated.then_some(SIMULATED),
            response_rate: delivered("responders"),
            delivery_rate: Rate::new(arrived, sent, Denominator::Sent),
            // Of the others nobody could be seen opening: among all delivered they would only hide the rate.
            open_rate: Rate::new(
                sum.get("opens").min(sum.get("opens.possible")),
                sum.get("opens.possible"),
                Denominator::Tracked,
            ),
            click_rate: delivered("clicks"),
            order_rate: delivered("orders.customers"),
            click_to_open_rate: Rate::new(
                sum.get("stage.interest.tracked"),
                sum.get("stage.attention.tracked"),
                Denominator::Openers,
            ),
            opt_out_rate: delivered("opt_outs"),
            lost: Lost::new(&sum, sent, arrived),
            currency: String::new(),
            economics: Economics::new(&money.spent, &money.earned, sum.get("orders"), None),
            forecast: compared(waves),
            funnel: Funnel::new(&sum, terms.goal, arrived, channels::undelivered(&sum)),
            over_time: OverTime::new(&sum),
            attribution: Attribution::new(&sum, &terms),
            money,
            selected: sum.get("selected"),
            withheld: sum.get("withheld"),
            withheld_by_reason: sum.group("withheld"),
            deliveries,
            pending: sum.get("pending"),
            sending: sum.get("sending"),
            sent,
            accepted: sum.get("accepted"),
            undelivered: channels::undelivered(&sum),
            bounces: sum.get("bounces"),
            deferred: sum.get("deferred"),
            failed: sum.get("failed"),
            failed_by_class: sum.group("failed"),
            unknown: sum.get("unknown"),
            opens: sum.get("opens"),
            opens_machine: sum.get("opens.machine"),
            redemptions: sum.get("redemptions"),
            answers: sum.get("answers"),
            answers_unmatched: sum.get("answers.unmatched"),
            replies: sum.get("replies"),
            clicks: sum.get("clicks"),
            clicks_total: sum.get("clicks.total"),
            clicks_machine: sum.get("clicks.machine"),
            clicks_scanner: sum.get("clicks.scanner"),
            clicks_by_part: Part::ALL
                .into_iter()
                .map(|part| PartLine {
                    part,
                    clickers: delivered(&format!("clicks.part.{part}")),
                })
                .collect(),
            links: if one_template {
                links.iter().map(|link| link_line(link, &sum)).collect()
            } else {
                Vec::new()
            },
            opt_outs: sum.get("opt_outs"),
            orders: sum.get("orders"),
            revenue_cents: sum.signed("revenue_cents"),
            revenue_elsewhere_cents: sum.revenue_elsewhere(),
            channels: channels::lines(&sum),
            cells: None,
            effect: None,
            waves: waves.iter().map(wave_line).collect(),
            final_since: waves
                .iter()
                .filter_map(|wave| wave.cleaned_at)
                .min()
                .map(rfc_3339),
            discrepancies: discrepancies(waves, &sum),
            sum,
        }
    }

    /// Judges the cells and those held back of the same waves.
    #[must_use]
    pub fn with_tests(mut self, waves: &[Wave], facts: &Facts) -> Self {
        self.cells = cells::cells(&self.sum, facts);
        self.effect = lift::caused_by(waves, facts);
        let effect = self.effect.as_ref();
        let caused = effect.and_then(|effect| money::caused(effect, waves, facts));
        let Money { spent, earned } = &self.money;
        self.economics = Economics::new(spent, earned, self.orders, caused);
        self
    }

    /// Amounts are of this currency.
    #[must_use]
    pub fn in_currency(mut self, currency: &str) -> Self {
        currency.clone_into(&mut self.currency);
        for texts in self
            .channels
            .iter_mut()
            .filter_map(|line| line.texts.as_mut())
        {
            currency.clone_into(&mut texts.currency);
        }
        self
    }

    /// As of an instant: what has not come yet is not missing.
    #[must_use]
    pub fn at(mut self, now_ms: i64) -> Self {
        self.forecast = self.forecast.map(|compared| compared.at(now_ms));
        self
    }

    /// Messages that arrived as far as one knows: accepted less undelivered and bounces.
    pub fn delivered(&self) -> u64 {
        self.accepted
            .saturating_sub(self.undelivered)
            .saturating_sub(self.bounces)
    }

    /// When the window of its newest wave ends, counted from the launch, in milliseconds since the epoch; `None`
    /// when it never ran. Who got his message later is counted for longer.
    pub fn closes_at(&self) -> Option<i64> {
        let launched = &self.waves.first()?.launched_at;
        let launched = chrono::DateTime::parse_from_rfc3339(launched).ok()?;
        let window = self.window_days.saturating_mul(DAY_MS);
        Some(launched.timestamp_millis().saturating_add(window))
    }

    /// Whether responses to it still count.
    pub fn is_open(&self, now_ms: i64) -> bool {
        let is_running = self.waves.iter().any(|wave| wave.status == "running");
        is_running || self.closes_at().is_some_and(|at| at > now_ms)
    }

    /// Whether there was a message that one can be seen to open: a text message cannot.
    pub fn can_be_opened(&self) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|line| line.texts.is_none())
    }
}

/// The newest wave with a forecast, and what came of it.
fn compared(waves: &[Wave]) -> Option<Compared> {
    let place = waves.iter().position(|wave| wave.forecast.is_some())?;
    let wave = waves.get(place)?;
    let bears_fixed = place + 1 == waves.len();
    let spent = money::spent(wave, sent(&wave.counters), bears_fixed);
    let orders = wave.counters.get("orders");
    let economics = Economics::new(&[spent], &money::earned(wave), orders, None);
    let actual = Actual {
        wave: wave.id,
        delivered: delivered_of(&wave.counters),
        window_ends_at: wave
            .launched_at
            .saturating_add(wave.terms.longest_window_ms()),
        economics: &economics,
    };
    Some(Compared::new(wave.forecast.as_ref()?, actual))
}

pub(super) fn summed(waves: &[Wave]) -> Counters {
    let mut sum = Counters::default();
    for wave in waves {
        for (counter, value) in &wave.counters.0 {
            sum.add(counter, *value);
        }
    }
    sum
}

pub(super) fn delivered_of(counters: &Counters) -> u64 {
    counters
        .get("accepted")
        .saturating_sub(channels::undelivered(counters))
        .saturating_sub(counters.get("bounces"))
}

fn sent(counters: &Counters) -> u64 {
    ["accepted", "deferred", "failed", "unknown"]
        .into_iter()
        .map(|counter| counters.get(counter))
        .sum()
}

fn link_line(link: &Link, counters: &Counters) -> LinkLine {
    LinkLine {
        number: link.number,
        part: link.part,
        label: link.label.clone(),
        url: link.url.clone(),
        clicks: counters.get(&format!("clicks.link.{}", link.number)),
    }
}

fn wave_line(wave: &Wave) -> WaveLine {
    let delivered = delivered_of(&wave.counters);
    WaveLine {
        wave: wave.id,
        status: wave.status.clone(),
        launched_at: rfc_3339(wave.launched_at),
        selected: wave.counters.get("selected"),
        withheld: wave.counters.get("withheld"),
        delivered,
        response_rate: Rate::new(
            wave.counters.get("responders"),
            delivered,
            Denominator::Delivered,
        ),
    }
}

fn rfc_3339(ms: i64) -> String {
    crate::clock::from_ms(ms).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// What does not add up, wave by wave; those that are outlines are looked at together.
fn discrepancies(waves: &[Wave], sum: &Counters) -> Vec<String> {
    let (outlines, whole): (Vec<&Wave>, Vec<&Wave>) =
        waves.iter().partition(|wave| wave.is_outline);
    let mut found: Vec<String> = whole
        .iter()
        .flat_map(|wave| uneven(&format!("wave {}", wave.id), &wave.counters))
        .collect();
    if !outlines.is_empty() {
        let mut rest = sum.clone();
        for wave in whole {
            for (counter, value) in &wave.counters.0 {
                rest.add(counter, -value);
            }
        }
        found.extend(uneven("the waves before", &rest));
    }
    found
}

/// What does not add up: selected = withheld + deliveries, the reasons make up the withheld, the classes the
/// failed, of text messages too, and nothing is below zero.
fn uneven(of: &str, counters: &Counters) -> Vec<String> {
    let uneven = ["", SMS_COUNTERS]
        .into_iter()
        .flat_map(|prefix| sums(counters, prefix))
        .filter(|(_, one, _, other)| one != other)
        .map(|(name, one, parts, other)| {
            format!("{of}: {name} is {one}, but {parts} come to {other}")
        });
    let below_zero = counters
        .0
        .iter()
        .filter(|(counter, value)| **value < 0 && !counter.contains("revenue"))
        .map(|(counter, value)| format!("{of}: {counter} is {value}"));
    uneven.chain(below_zero).collect()
}

/// What should be equal, of all counters or of those whose names begin with `of`.
fn sums(counters: &Counters, of: &str) -> [(String, u64, &'static str, u64); 3] {
    let get = |counter: &str| counters.get(&format!("{of}{counter}"));
    let group = |counter: &str| {
        let reasons = counters.group(&format!("{of}{counter}"));
        reasons.iter().map(|reason| reason.count).sum::<u64>()
    };
    let after_gate = [
        "withheld", "pending", "sending", "accepted", "deferred", "failed", "unknown",
    ];
    [
        (
            format!("{of}selected"),
            get("selected"),
            "withheld + deliveries",
            after_gate.into_iter().map(get).sum(),
        ),
        (
            format!("{of}withheld"),
            get("withheld"),
            "its reasons",
            group("withheld"),
        ),
        (
            format!("{of}failed"),
            get("failed"),
            "its classes",
            group("failed"),
        ),
    ]
}

/// A reason or class in words: `no_permission` becomes `no permission`.
pub fn in_words(name: &str) -> String {
    match name {
        "control" => "control group".to_owned(),
        other => other.replace('_', " "),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample_wave(counters: &[(&str, i64)]) -> Wave {
        let mut sum = Counters::default();
        for (counter, value) in counters {
            sum.add(counter, *value);
        }
        Wave {
            id: 1,
            status: "finished".to_owned(),
            launched_at: 1_795_000_000_000,
            is_simulated: true,
            template_version: 1,
            terms: Terms::read(r#"{"topic":"offers","goal":"click","window_days":14}"#),
            proposal: Proposal::default(),
            forecast: None,
            counters: sum,
            is_outline: false,
            cleaned_at: None,
        }
    }

    pub(crate) fn sample() -> Report {
        let wave = sample_wave(&[
            ("selected", 6_120),
            ("withheld", 1_420),
            ("withheld.no_permission", 911),
            ("withheld.suppressed", 214),
            ("withheld.duplicate_address", 143),
            ("withheld.malformed_address", 92),
            ("withheld.control", 60),
            ("pending", 0),
            ("sending", 0),
            ("accepted", 4_587),
            ("deferred", 12),
            ("failed", 98),
            ("failed.invalid_recipient", 81),
            ("failed.quota", 17),
            ("unknown", 3),
            ("opens", 1_012),
            ("opens.machine", 388),
            ("clicks", 287),
            ("clicks.total", 341),
            ("clicks.machine", 56),
            ("clicks.scanner", 31),
            ("clicks.part.attention", 61),
            ("clicks.part.interest", 48),
            ("clicks.part.desire", 35),
            ("clicks.part.action", 190),
            ("clicks.link.0", 70),
            ("clicks.link.1", 271),
            ("opt_outs", 19),
            ("orders", 41),
            ("orders.customers", 39),
            ("revenue_cents", 1_234_567),
            ("responders", 281),
            ("complaints", 2),
            ("opens.possible", 2_600),
            ("stage.attention", 1_080),
            ("stage.attention.tracked", 1_030),
            ("stage.interest", 289),
            ("stage.interest.tracked", 180),
            ("stage.desire", 212),
            ("stage.action", 194),
            ("responders.hour.0", 150),
            ("responders.hour.3", 100),
            ("responders.day.4", 31),
            ("orders.by.token", 30),
            ("orders.by.click", 11),
        ]);
        let wave = Wave {
            proposal: Proposal::read(
                r#"{"offer":{"name":"Pans","margin_percent":45.0,"cost_cents":50},
                    "costs":{"fixed_cents":40000,"per_thousand_cents":350}}"#,
            ),
            forecast: serde_json::from_str(
                r#"{"people":4700,"basis":{"past":{"waves":5,"delivered":21000}},
                    "delivered":{"expected":4600.0,"low_95":4550.0,"high_95":4640.0},
                    "response_rate":{"expected":0.05,"low_95":0.04,"high_95":0.0602},
                    "responses":{"expected":230.0,"low_95":184.0,"high_95":277.0},
                    "cost_cents":{"expected":67945.0,"low_95":65645.0,"high_95":70295.0}}"#,
            )
            .unwrap(),
            ..wave
        };
        let links = [
            (0, Part::Attention, "See the pans"),
            (1, Part::Action, "Order \"Super Chef\" now"),
        ]
        .map(|(number, part, label)| Link {
            number,
            part,
            url: format!("https://shop.example/{number}"),
            label: label.to_owned(),
        });
        Report::new("super-chef", "finished", &[wave], &links).in_currency("EUR")
    }

    pub(crate) fn sample_of_two_channels() -> Report {
        let wave = sample_wave(&[
            ("selected", 6_120),
            ("withheld", 1_420),
            ("withheld.no_permission", 1_420),
            ("accepted", 4_602),
            ("failed", 98),
            ("failed.invalid_recipient", 98),
            ("responders", 301),
            ("opt_outs", 24),
            ("sms.selected", 1_480),
            ("sms.withheld", 260),
            ("sms.withheld.no_permission", 260),
            ("sms.accepted", 1_208),
            ("sms.failed", 12),
            ("sms.failed.invalid_recipient", 12),
            ("sms.responders", 118),
            ("sms.opt_outs", 11),
            ("parts", 1_391),
            ("cost_micros", 72_332_000),
            ("unpriced", 4),
            ("receipts.sent", 21),
            ("receipts.delivered", 1_102),
            ("receipts.undelivered", 37),
        ]);
        Report::new("super-chef", "finished", &[wave], &[]).in_currency("EUR")
    }

    pub(crate) fn sample_of_text_messages() -> Report {
        let wave = sample_wave(&[
            ("selected", 3),
            ("accepted", 3),
            ("clicks", 1),
            ("clicks.total", 1),
            ("responders", 1),
            ("sms.selected", 3),
            ("sms.accepted", 3),
            ("sms.clicks", 1),
            ("sms.clicks.total", 1),
            ("sms.responders", 1),
            ("parts", 3),
            ("cost_micros", 147_000),
            ("receipts.delivered", 3),
        ]);
        Report::new("super-chef", "finished", &[wave], &[]).in_currency("EUR")
    }

    #[test]
    fn a_sample_of_two_channels_adds_up() {
        let report = sample_of_two_channels();
        assert_eq!(report.discrepancies, Vec::<String>::new());
        assert_eq!(report.response_rate.of, 4_602 - 37);
        let sum = |of: fn(&ChannelLine) -> u64| report.channels.iter().map(of).sum::<u64>();
        assert_eq!(sum(|line| line.selected), report.selected);
        assert_eq!(sum(|line| line.accepted), report.accepted);
        assert_eq!(sum(|line| line.response_rate.of), report.delivered());
    }

    #[test]
    fn text_messages_that_do_not_add_up_are_said() {
        let wave = sample_wave(&[
            ("selected", 2),
            ("accepted", 2),
            ("sms.selected", 2),
            ("sms.accepted", 1),
        ]);
        assert_eq!(
            Report::new("c", "running", &[wave], &[]).discrepancies,
            ["wave 1: sms.selected is 2, but withheld + deliveries come to 1"]
        );
    }

    #[test]
    fn the_sample_adds_up() {
        let report = sample();
        assert_eq!(report.discrepancies, Vec::<String>::new());
        assert_eq!(report.selected, report.withheld + report.deliveries);
        assert_eq!(report.sent, 4_700);
    }

    #[test]
    fn what_does_not_add_up_is_said() {
        let wave = sample_wave(&[
            ("selected", 10),
            ("withheld", 3),
            ("withheld.control", 2),
            ("accepted", 6),
            ("clicks", -1),
        ]);
        let report = Report::new("c", "running", &[wave], &[]);
        assert_eq!(
            report.discrepancies,
            [
                "wave 1: selected is 10, but withheld + deliveries come to 9",
                "wave 1: withheld is 3, but its reasons come to 2",
                "wave 1: clicks is -1",
            ]
        );
        assert_eq!(report.clicks, 0);
    }

    #[test]
    fn waves_are_summed_and_links_shown_only_for_one_template() {
        let one = sample_wave(&[("selected", 2), ("accepted", 2), ("responders", 1)]);
        let mut other = Wave {
            id: 2,
            template_version: 2,
            ..one.clone()
        };
        other.is_simulated = false;
        let report = Report::new("c", "running", &[other, one], &sample_links());
        assert_eq!(
            (
                report.selected,
                report.response_rate.count,
                report.response_rate.of
            ),
            (4, 2, 4)
        );
        assert!(
            report.is_simulated,
            "one simulated wave makes the sum simulated"
        );
        assert!(report.links.is_empty());
    }

    fn sample_links() -> [Link; 1] {
        [Link {
            number: 0,
            part: Part::Action,
            url: "https://shop.example".into(),
            label: "Buy".into(),
        }]
    }

    #[test]
    fn the_json_of_a_report_keeps_its_names() {
        insta::assert_json_snapshot!(sample());
    }
}
