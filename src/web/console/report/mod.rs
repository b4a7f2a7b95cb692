//! `GET /reports/{campaign}`: the report of a campaign as a page, JSON or CSV.

mod charts;
mod funnel;
mod money;
mod over_time;
mod reach;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_DISPOSITION, ContentDisposition, DispositionParam, DispositionType,
};
use actix_web::{HttpResponse, web};
use serde::Serialize;

use charts::round_end;
use funnel::FunnelView;
use money::{EconomicsView, ForecastView};
use over_time::OverTimeView;
use reach::{LinkRow, PartRow, Step, links, parts, steps};

use super::report_cells::{CellsView, EffectView};
use super::{RateView, Visit, path_segment, share_of, spoken, unparted};
use crate::reports::attribution::{Attribution, way_in_words};
use crate::reports::channels;
use crate::reports::figures::{Denominator, Rate};
use crate::reports::model::{Report, in_words};
use crate::reports::table::{counted, days, revenue, thousands};
use crate::reports::{csv as csv_form, store};
use crate::web::{ApiError, State};

/// The length of a full bar, in the units of its drawing.
const FULL: f64 = 1000.0;

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
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
    /// The day since when some waves count no responses.
    final_since: Option<String>,
}

/// The channels side by side.
#[derive(Debug, Serialize)]
struct ChannelTable {
    names: Vec<&'static str>,
    rows: Vec<Figures>,
    texts: Vec<Fact>,
    of_receipts: &'static str,
}

#[derive(Debug, Serialize)]
struct Figures {
    name: &'static str,
    is_rate: bool,
    cells: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
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
    of: &'static str,
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
    name: &'static str,
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

/// The page.
pub(super) async fn page(
    visit: Visit,
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = find(&campaign, &state).await?;
    visit.answer(&state, "report", &View::new(&report))
}

/// The report as JSON.
pub(super) async fn json(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = find(&campaign, &state).await?;
    Ok(HttpResponse::Ok().json(report))
}

/// The report as CSV, to be saved.
pub(super) async fn csv(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = find(&campaign, &state).await?;
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = report.campaign.chars().map(safe).collect();
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!("report-{name}.csv"))],
    };
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(csv_form::write(&report)?))
}

async fn find(campaign: &str, state: &State) -> Result<Report, ApiError> {
    let report = store::report(&state.db, campaign).await?.ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND).with_detail(
            "There is no campaign of this name; the list of campaigns shows those there are.",
        )
    })?;
    let report = report.in_currency(&state.settings.orders.currency);
    Ok(report.at(state.clock.now_ms()))
}

impl View {
    fn new(report: &Report) -> Self {
        let response = &report.response_rate;
        Self {
            title: report.campaign.clone(),
            section: "campaigns",
            path: path_segment(&report.campaign),
            status: report.status.clone(),
            is_simulated: report.is_simulated,
            goal: format!(
                "Goal: {} within {} of the hand-over.",
                report.goal.as_str(),
                days(report.window_days)
            ),
            discrepancies: report.discrepancies.clone(),
            final_since: report
                .final_since
                .as_ref()
                .and_then(|since| since.split('T').next())
                .map(str::to_owned),
            response: RateView::new(response),
            scale: Scale::new(response),
            rates: cards(report),
            economics: EconomicsView::new(report),
            forecast: report
                .forecast
                .as_ref()
                .map(|compared| ForecastView::new(compared, &report.currency)),
            funnel: FunnelView::new(&report.funnel),
            over_time: report.over_time.as_ref().map(OverTimeView::new),
            attribution: AttributionView::new(&report.attribution),
            lost: lost(report),
            steps: steps(report),
            channels: ChannelTable::new(report),
            cells: report.cells.as_ref().map(CellsView::new),
            effect: report.effect.as_ref().map(EffectView::new),
            parts: parts(report),
            links: links(report),
            waves: report
                .waves
                .iter()
                .map(|wave| WaveRow {
                    launched: spoken(&wave.launched_at),
                    status: wave.status.clone(),
                    selected: thousands(wave.selected),
                    withheld: thousands(wave.withheld),
                    delivered: thousands(wave.delivered),
                    rate: RateView::new(&wave.response_rate),
                })
                .collect(),
        }
    }
}

impl AttributionView {
    fn new(attribution: &Attribution) -> Self {
        Self {
            rules: attribution.rules.clone(),
            windows: if attribution.has_one_window() {
                Vec::new()
            } else {
                let each = attribution.windows.iter();
                each.map(|window| Fact {
                    name: window.kind,
                    value: days(window.days),
                })
                .collect()
            },
            orders_by: attribution
                .orders_by
                .iter()
                .map(|way| NamedCount {
                    name: way_in_words(&way.reason),
                    value: counted(way.count, "order", "orders"),
                })
                .collect(),
        }
    }
}

/// Bounces, complaints and contacts lost; the bounces by class below them.
fn lost(report: &Report) -> Vec<LostRow> {
    let lost = &report.lost;
    let row = |name: &str, rate: &Rate, is_part| LostRow {
        name: name.to_owned(),
        is_part,
        rate: RateView::new(rate),
        of: rate.denominator.as_str(),
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
    fn new(report: &Report) -> Option<Self> {
        if report.channels.is_empty() {
            return None;
        }
        let texts = report.channels.iter().find_map(|line| line.texts.as_ref());
        Some(Self {
            names: report.channels.iter().map(|line| line.name()).collect(),
            rows: channels::side_by_side(&report.channels)
                .into_iter()
                .map(|(name, cells)| Figures {
                    name,
                    is_rate: name == "response rate",
                    cells: cells.iter().map(|cell| unparted(cell)).collect(),
                })
                .collect(),
            texts: texts
                .map(channels::of_texts)
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| Fact { name, value })
                .collect(),
            of_receipts: channels::OF_RECEIPTS,
        })
    }
}

impl Scale {
    /// From 0 to the next round share above the interval, so that the band is seen and 0 is always there.
    fn new(rate: &Rate) -> Option<Self> {
        let (interval, value) = (rate.interval_95?, rate.value?);
        let end = round_end(interval.high)?;
        let at = |share: f64| share / end * FULL;
        Some(Self {
            low: format!("{:.1}", at(interval.low)),
            width: format!("{:.1}", (at(interval.high) - at(interval.low)).max(4.0)),
            point: format!("{:.1}", (at(value) - 3.0).clamp(0.0, FULL - 6.0)),
            end: format!("{}\u{a0}%", end * 100.0),
        })
    }
}

fn cards(report: &Report) -> Vec<Card> {
    let apart = |machines: u64, scanners: u64| {
        let counts = [(machines, "machines"), (scanners, "scanners")];
        let told: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, whose)| format!("{} by {whose}", thousands(count)))
            .collect();
        match told.join(" and ") {
            none if none.is_empty() => none,
            told => format!("{told}, apart"),
        }
    };
    let card = |name, rate: &Rate, remark: String| Card {
        name,
        value: share_of(rate.value),
        of: format!(
            "{} of {} {}",
            thousands(rate.count),
            thousands(rate.of),
            rate.denominator.as_str()
        ),
        interval: match RateView::new(rate).range {
            range if range.is_empty() => "no interval yet".to_owned(),
            range => format!("95\u{a0}%: {range}"),
        },
        remark,
        is_weak: false,
    };
    let mut cards = vec![
        card("Delivery rate", &report.delivery_rate, String::new()),
        card(
            "Click rate",
            &report.click_rate,
            format!(
                "{}{}",
                counted(report.clicks_total, "click", "clicks"),
                match apart(report.clicks_machine, report.clicks_scanner) {
                    others if others.is_empty() => others,
                    others => format!("; {others}"),
                }
            ),
        ),
        card(
            "Order rate",
            &report.order_rate,
            format!(
                "{}, {}",
                counted(report.orders, "order", "orders"),
                revenue(report)
            ),
        ),
        card("Opt-out rate", &report.opt_out_rate, String::new()),
    ];
    let unmatched = match report.answers_unmatched {
        0 => String::new(),
        n => format!("{} without a message", thousands(n)),
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
                ..card("CTOR", &report.click_to_open_rate, String::new())
            });
        }
    }
    cards
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::figures::Denominator;
    use crate::reports::model::tests::{sample, sample_of_text_messages};
    use crate::web::console::visit::tests::shown;

    #[test]
    fn text_messages_have_no_open_rate() {
        let has_opens = |report: &Report| cards(report).iter().any(|card| card.name == "Open rate");
        assert!(has_opens(&sample()) && !has_opens(&sample_of_text_messages()));
        let view = View::new(&sample_of_text_messages());
        let page = shown("report", &view);
        assert!(page.contains("1 responder of 3 delivered"), "{page}");
    }

    #[test]
    fn the_page_has_its_sections_and_no_style_of_its_own() {
        let page = shown("report", &View::new(&sample()));
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
        let page = shown("report", &View::new(&bare));
        assert!(!page.contains("What it cost and earned"));
    }

    #[test]
    fn no_percent_sign_can_stand_alone() {
        let cards = cards(&sample());
        assert!(!cards.is_empty());
        for card in cards {
            let text = [card.value, card.interval].concat();
            assert!(!text.contains(" %") && text.contains("\u{a0}%"), "{text}");
        }
    }

    #[test]
    fn the_scale_holds_the_whole_interval() {
        for (count, of) in [(0, 10), (1, 3), (281, 4587), (10, 10), (1, 1_000_000)] {
            let scale = Scale::new(&Rate::new(count, of, Denominator::Delivered)).unwrap();
            let number = |text: &str| text.parse::<f64>().unwrap();
            assert!(
                number(&scale.low) + number(&scale.width) <= FULL + 4.0,
                "{scale:?}"
            );
            assert!(number(&scale.point) >= 0.0 && number(&scale.point) <= FULL);
        }
    }
}
