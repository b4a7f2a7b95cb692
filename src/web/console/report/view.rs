//! What the page of a report shows, in the reader's words.

use serde::Serialize;

use super::FULL;
use super::charts::round_end;
use super::funnel::FunnelView;
use super::money::{EconomicsView, ForecastView};
use super::over_time::OverTimeView;
use super::people::Breakdown;
use super::reach::{LinkRow, PartRow, Step, links, parts, steps};
use crate::reports::attribution::{Attribution, way_in_words};
use crate::reports::channels;
use crate::reports::figures::{Denominator, Rate};
use crate::reports::model::{Report, WaveLine, in_words};
use crate::web::console::report_cells::{CellsView, EffectView};
use crate::web::console::{RateView, path_segment, told};
use crate::web::words::Words;

#[derive(Debug, Serialize)]
pub(in crate::web::console) struct View {
    title: String,
    section: &'static str,
    /// Whether somebody without an account reads it.
    is_shared: bool,
    /// Where its mail is shown with the clicks of each link; none where there is none to show.
    mail: Option<String>,
    /// By segment, cell, channel and language.
    people: Option<Breakdown>,
    path: String,
    status: String,
    is_simulated: bool,
    goal: String,
    discrepancies: Vec<String>,
    response: RateView,
    scale: Option<Scale>,
    rates: Vec<Card>,
    economics: Option<EconomicsView>,
    forecast: Option<ForecastView>,
    funnel: FunnelView,
    over_time: Option<OverTimeView>,
    attribution: AttributionView,
    lost: Vec<LostRow>,
    steps: Vec<Step>,
    channels: Option<ChannelTable>,
    cells: Option<CellsView>,
    effect: Option<EffectView>,
    parts: Vec<PartRow>,
    links: Vec<LinkRow>,
    waves: Vec<WaveRow>,
    /// How many of how many these are, where it is not all of them.
    waves_shown: Option<String>,
    /// The day since when some waves count no responses.
    final_since: Option<String>,
}

/// The channels side by side.
#[derive(Debug, Serialize)]
struct ChannelTable {
    names: Vec<String>,
    rows: Vec<Figures>,
    texts: Vec<Fact>,
    of_receipts: String,
}

#[derive(Debug, Serialize)]
struct Figures {
    name: String,
    is_rate: bool,
    cells: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: String,
    value: String,
}

/// By what rules a response counts.
#[derive(Debug, Serialize)]
struct AttributionView {
    rules: Vec<String>,
    /// Where they differ by kind.
    windows: Vec<Fact>,
    orders_by: Vec<NamedCount>,
}

#[derive(Debug, Serialize)]
struct NamedCount {
    name: String,
    value: String,
}

/// What was lost.
#[derive(Debug, Serialize)]
struct LostRow {
    name: String,
    is_part: bool,
    rate: RateView,
    of: String,
}

/// The interval of the response rate, drawn.
#[derive(Debug, Serialize)]
struct Scale {
    low: String,
    width: String,
    point: String,
    end: String,
}

#[derive(Debug, Serialize)]
struct Card {
    name: String,
    value: String,
    of: String,
    interval: String,
    remark: String,
    /// Shown more quietly: what programs do by themselves is in it.
    is_weak: bool,
}

#[derive(Debug, Serialize)]
struct WaveRow {
    launched: String,
    status: String,
    selected: String,
    withheld: String,
    delivered: String,
    rate: RateView,
}

/// Waves shown at once.
const WAVES: usize = 100;

fn wave_rows(waves: &[WaveLine], words: &Words) -> Vec<WaveRow> {
    waves
        .iter()
        .map(|wave| WaveRow {
            launched: told(&wave.launched_at, words),
            status: words.t(&wave.status).to_owned(),
            selected: words.number(wave.selected),
            withheld: words.number(wave.withheld),
            delivered: words.number(wave.delivered),
            rate: RateView::in_words(&wave.response_rate, words),
        })
        .collect()
}

impl View {
    pub fn new(report: &Report, words: &Words) -> Self {
        let response = &report.response_rate;
        Self {
            title: report.campaign.clone(),
            section: "reports",
            is_shared: false,
            mail: (report.can_be_opened() && !report.waves.is_empty())
                .then(|| format!("/reports/campaigns/{}/mail", path_segment(&report.campaign))),
            people: None,
            path: path_segment(&report.campaign),
            status: words.t(&report.status).to_owned(),
            is_simulated: report.is_simulated,
            goal: words.fill(
                "Goal: {goal} within {days} of the hand-over.",
                &[
                    ("goal", words.t(report.goal.as_str()).to_owned()),
                    ("days", in_days(report.window_days, words)),
                ],
            ),
            discrepancies: report.discrepancies.clone(),
            final_since: report.final_since.as_ref().map(|since| told(since, words)),
            response: RateView::in_words(response, words),
            scale: Scale::new(response, words),
            rates: cards(report, words),
            economics: EconomicsView::new(report, words),
            forecast: report
                .forecast
                .as_ref()
                .map(|compared| ForecastView::new(compared, words)),
            funnel: FunnelView::new(&report.funnel, words),
            over_time: report
                .over_time
                .as_ref()
                .map(|over| OverTimeView::new(over, words)),
            attribution: AttributionView::new(&report.attribution, words),
            lost: lost(report, words),
            steps: steps(report, words),
            channels: ChannelTable::new(report, words),
            cells: report
                .cells
                .as_ref()
                .map(|cells| CellsView::new(cells, words)),
            effect: report
                .effect
                .as_ref()
                .map(|effect| EffectView::new(effect, words)),
            parts: parts(report, words),
            links: links(report, words),
            waves: wave_rows(report.waves.get(..WAVES).unwrap_or(&report.waves), words),
            waves_shown: (report.waves.len() > WAVES).then(|| {
                let number = |n: usize| words.number(u64::try_from(n).unwrap_or(u64::MAX));
                words.fill(
                    "The newest {n} of {all} waves.",
                    &[("n", number(WAVES)), ("all", number(report.waves.len()))],
                )
            }),
        }
    }

    /// With all waves, however many they are.
    #[must_use]
    pub fn with_all_waves(mut self, report: &Report, words: &Words) -> Self {
        self.waves = wave_rows(&report.waves, words);
        self.waves_shown = None;
        self
    }

    /// With the responses by groups of people.
    #[must_use]
    pub fn with_people(mut self, people: Option<Breakdown>) -> Self {
        self.people = people;
        self
    }

    /// As somebody without an account reads it; its mail stands at this address.
    #[must_use]
    pub fn shared(mut self, mail: String) -> Self {
        self.is_shared = true;
        self.mail = self.mail.map(|_| mail);
        self
    }
}

/// `1 day`, `14 days`.
fn in_days(days: i64, words: &Words) -> String {
    words.counted(days.unsigned_abs(), "{n} day", "{n} days")
}

impl AttributionView {
    fn new(attribution: &Attribution, words: &Words) -> Self {
        Self {
            rules: attribution
                .rules
                .iter()
                .map(|rule| words.say(rule))
                .collect(),
            windows: if attribution.has_one_window() {
                Vec::new()
            } else {
                let each = attribution.windows.iter();
                each.map(|window| Fact {
                    name: words.t(window.kind).to_owned(),
                    value: in_days(window.days, words),
                })
                .collect()
            },
            orders_by: attribution
                .orders_by
                .iter()
                .map(|way| NamedCount {
                    name: way_in_words(&way.reason).said_by(words),
                    value: words.counted(way.count, "{n} order", "{n} orders"),
                })
                .collect(),
        }
    }
}

/// Bounces, complaints and contacts lost; the bounces by class below them.
fn lost(report: &Report, words: &Words) -> Vec<LostRow> {
    let lost = &report.lost;
    let row = |name: &str, rate: &Rate, is_part| LostRow {
        name: words.t(name).to_owned(),
        is_part,
        rate: RateView::in_words(rate, words),
        of: words.t(rate.denominator.as_str()).to_owned(),
    };
    let mut rows = vec![row("Bounces", &lost.bounce_rate, false)];
    if lost.bounce_rate.count > 0 {
        rows.push(row("hard", &lost.hard_bounce_rate, true));
        rows.push(row("soft", &lost.soft_bounce_rate, true));
    }
    for class in &lost.bounces_by_class {
        let rate = Rate::new(class.count, report.sent, Denominator::Sent);
        rows.push(row(&in_words(&class.reason), &rate, true));
    }
    rows.push(row("Complaints", &lost.complaint_rate, false));
    rows.push(row("Opt-outs", &report.opt_out_rate, false));
    rows.push(row("Contacts lost", &lost.contacts_lost, false));
    rows
}

impl ChannelTable {
    fn new(report: &Report, words: &Words) -> Option<Self> {
        if report.channels.is_empty() {
            return None;
        }
        let texts = report.channels.iter().find_map(|line| line.texts.as_ref());
        Some(Self {
            names: report
                .channels
                .iter()
                .map(|line| words.t(line.name()).to_owned())
                .collect(),
            rows: channels::side_by_side(&report.channels)
                .into_iter()
                .map(|(name, cells)| Figures {
                    is_rate: name == "response rate",
                    name: words.t(name).to_owned(),
                    cells: cells.iter().map(|cell| cell.said_by(words)).collect(),
                })
                .collect(),
            texts: texts
                .map(channels::of_texts)
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| Fact {
                    name: words.t(name).to_owned(),
                    value: value.said_by(words),
                })
                .collect(),
            of_receipts: words.t(channels::OF_RECEIPTS).to_owned(),
        })
    }
}

impl Scale {
    /// From 0 to the next round share above the interval, so that the band is seen and 0 is always there.
    fn new(rate: &Rate, words: &Words) -> Option<Self> {
        let (interval, value) = (rate.interval_95?, rate.value?);
        let end = round_end(interval.high)?;
        let at = |share: f64| share / end * FULL;
        Some(Self {
            low: format!("{:.1}", at(interval.low)),
            width: format!("{:.1}", (at(interval.high) - at(interval.low)).max(4.0)),
            point: format!("{:.1}", (at(value) - 3.0).clamp(0.0, FULL - 6.0)),
            end: words.round_percent(end),
        })
    }
}

fn cards(report: &Report, words: &Words) -> Vec<Card> {
    let apart = |machines: u64, scanners: u64| -> String {
        let n = |count| words.number(count);
        match (machines, scanners) {
            (0, 0) => String::new(),
            (some, 0) => words.fill("{n} by machines, apart", &[("n", n(some))]),
            (0, some) => words.fill("{n} by scanners, apart", &[("n", n(some))]),
            (one, other) => words.fill(
                "{n} by machines and {m} by scanners, apart",
                &[("n", n(one)), ("m", n(other))],
            ),
        }
    };
    let card = |name: &str, rate: &Rate, remark: String| Card {
        name: words.t(name).to_owned(),
        value: words.percent(rate.value),
        of: words.fill(
            "{n} of {all} {whom}",
            &[
                ("n", words.number(rate.count)),
                ("all", words.number(rate.of)),
                ("whom", words.t(rate.denominator.as_str()).to_owned()),
            ],
        ),
        interval: match RateView::in_words(rate, words).range {
            range if range.is_empty() => words.t("no interval yet").to_owned(),
            range => words.fill("95 %: {range}", &[("range", range)]),
        },
        remark,
        is_weak: false,
    };
    let mut cards = vec![
        card("Delivery rate", &report.delivery_rate, String::new()),
        card(
            "Click rate",
            &report.click_rate,
            [
                words.counted(report.clicks_total, "{n} click", "{n} clicks"),
                apart(report.clicks_machine, report.clicks_scanner),
            ]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(words.t("; ")),
        ),
        card("Order rate", &report.order_rate, orders(report, words)),
        card("Opt-out rate", &report.opt_out_rate, String::new()),
    ];
    let unmatched = match report.answers_unmatched {
        0 => String::new(),
        n => words.fill("{n} without a message", &[("n", words.number(n))]),
    };
    for (name, count, remark) in [
        ("Coupons redeemed", report.redemptions, String::new()),
        ("Answers (shop, phone)", report.answers, unmatched),
        ("Replies", report.replies, String::new()),
    ] {
        if count > 0 || !remark.is_empty() {
            let rate = Rate::new(count, report.delivered(), Denominator::Delivered);
            cards.push(card(name, &rate, remark));
        }
    }
    if report.can_be_opened() {
        let remark = apart(report.opens_machine, 0);
        cards.push(Card {
            is_weak: true,
            ..card("Open rate", &report.open_rate, remark)
        });
        if report.click_to_open_rate.of > 0 {
            cards.push(Card {
                is_weak: true,
                ..card(
                    "CTOR",
                    &report.click_to_open_rate,
                    words.t("of those who opened, who clicked").to_owned(),
                )
            });
        }
    }
    cards
}

/// How many, and for how much; what came in other currencies beside it.
fn orders(report: &Report, words: &Words) -> String {
    let mut text = format!(
        "{}, {}",
        words.counted(report.orders, "{n} order", "{n} orders"),
        words.money(report.revenue_cents)
    );
    for (currency, cents) in &report.revenue_elsewhere_cents {
        let amount = Words::new(words.language(), currency, words.zone()).money(*cents);
        text.push_str(&words.fill(" and {amount}", &[("amount", amount)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::figures::Denominator;
    use crate::reports::model::tests::{sample, sample_of_text_messages};
    use crate::web::console::visit::tests::{english, shown};

    #[test]
    fn text_messages_have_no_open_rate() {
        let has_opens = |report: &Report| {
            cards(report, &english())
                .iter()
                .any(|card| card.name == "Open rate")
        };
        assert!(has_opens(&sample()) && !has_opens(&sample_of_text_messages()));
        let view = View::new(&sample_of_text_messages(), &english());
        let page = shown("report", &view);
        assert!(page.contains("1 responder of 3 delivered"), "{page}");
    }

    #[test]
    fn the_page_has_its_sections_and_no_style_of_its_own() {
        let page = shown("report", &View::new(&sample(), &english()));
        for text in [
            "What it cost and earned",
            "It pays from a response rate of",
            "Expected and actual",
            "above",
            "How far people went",
            "extrapolated",
            "When they responded",
            "What was lost",
            "Contacts lost",
            "What counts for this campaign",
            "the link it came from",
        ] {
            assert!(page.contains(text), "{text:?} in {page}");
        }
        assert!(!page.contains(" style=\""), "the policy forbids it");
        assert!(!page.contains(" %"), "a per cent sign can stand alone");
        let bare = crate::reports::Report::new("c", "planned", &[], &[]);
        let page = shown("report", &View::new(&bare, &english()));
        assert!(!page.contains("What it cost and earned"));
    }

    #[test]
    fn no_percent_sign_can_stand_alone() {
        let cards = cards(&sample(), &english());
        assert!(!cards.is_empty());
        for card in cards {
            let text = [card.value, card.interval].concat();
            assert!(!text.contains(" %") && text.contains("\u{a0}%"), "{text}");
        }
    }

    #[test]
    fn the_scale_holds_the_whole_interval() {
        for (count, of) in [(0, 10), (1, 3), (281, 4587), (10, 10), (1, 1_000_000)] {
            let scale =
                Scale::new(&Rate::new(count, of, Denominator::Delivered), &english()).unwrap();
            let number = |text: &str| text.parse::<f64>().unwrap();
            assert!(
                number(&scale.low) + number(&scale.width) <= FULL + 4.0,
                "{scale:?}"
            );
            assert!(number(&scale.point) >= 0.0 && number(&scale.point) <= FULL);
        }
    }
}
