//! `GET /reports/{campaign}`: the response-rate report as a page, JSON or CSV.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_DISPOSITION, ContentDisposition, DispositionParam, DispositionType,
};
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::report_cells::{CellsView, EffectView};
use super::{RateView, path_segment, share_of, spoken, unparted};
use crate::reports::channels;
use crate::reports::figures::{Rate, as_f64};
use crate::reports::model::{Report, in_words};
use crate::reports::table::{counted, days, money, thousands};
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
}

#[derive(Debug, Serialize)]
struct Step {
    name: String,
    is_total: bool,
    count: String,
    share: String,
    x: String,
    width: String,
}

#[derive(Debug, Serialize)]
struct PartRow {
    letter: String,
    name: &'static str,
    rate: RateView,
    width: String,
}

#[derive(Debug, Serialize)]
struct LinkRow {
    label: String,
    part: &'static str,
    url: String,
    clicks: String,
    width: String,
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
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = find(&campaign, &state).await?;
    state.pages.answer("report", &View::new(&report))
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
    Ok(report.in_currency(&state.settings.sms.currency))
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
        const ENDS: [f64; 10] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0];
        let (interval, value) = (rate.interval_95?, rate.value?);
        let end = ENDS.into_iter().find(|end| interval.high <= *end)?;
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
    };
    let mut cards = vec![card("Delivery rate", &report.delivery_rate, String::new())];
    if report.can_be_opened() {
        let remark = apart(report.opens_machine, 0);
        cards.push(card("Open rate", &report.open_rate, remark));
    }
    cards.extend([
        card(
            "Click rate",
            &report.click_rate,
            apart(report.clicks_machine, report.clicks_scanner),
        ),
        card(
            "Order rate",
            &report.order_rate,
            format!(
                "{}, {}",
                counted(report.orders, "order", "orders"),
                money(report.revenue_cents)
            ),
        ),
        card("Opt-out rate", &report.opt_out_rate, String::new()),
    ]);
    cards
}

/// The waterfall: what is lost at each step hangs where it was lost.
fn steps(report: &Report) -> Vec<Step> {
    let selected = report.selected;
    let share = |count: u64| {
        let share = (selected > 0).then(|| as_f64(count) / as_f64(selected));
        (share, share.unwrap_or(0.0).min(1.0) * FULL)
    };
    let mut steps = Vec::new();
    let mut left = selected;
    let mut add = |name: String, count: u64, is_total: bool| {
        let (value, width) = share(count);
        let x = if is_total {
            0.0
        } else {
            left = left.saturating_sub(count);
            share(left).1
        };
        steps.push(Step {
            name,
            is_total,
            count: if is_total {
                thousands(count)
            } else {
                format!("− {}", thousands(count))
            },
            share: share_of(value),
            x: format!("{x:.1}"),
            width: bar_width(width, count),
        });
    };
    add("Selected".to_owned(), selected, true);
    for reason in &report.withheld_by_reason {
        add(
            format!("withheld: {}", in_words(&reason.reason)),
            reason.count,
            false,
        );
    }
    add("Deliveries".to_owned(), report.deliveries, true);
    for (name, count) in [
        ("waiting", report.pending),
        ("being sent", report.sending),
        ("deferred, will be tried again", report.deferred),
        ("unknown, the answer was lost", report.unknown),
    ] {
        if count > 0 {
            add(name.to_owned(), count, false);
        }
    }
    for class in &report.failed_by_class {
        add(
            format!("failed: {}", in_words(&class.reason)),
            class.count,
            false,
        );
    }
    if report.undelivered > 0 {
        add(
            "undelivered, by receipt".to_owned(),
            report.undelivered,
            false,
        );
    }
    add("Delivered".to_owned(), report.delivered(), true);
    steps
}

fn parts(report: &Report) -> Vec<PartRow> {
    let counts = report.clicks_by_part.iter().map(|line| line.clickers.count);
    let most = counts.max().unwrap_or(0);
    report
        .clicks_by_part
        .iter()
        .map(|line| PartRow {
            letter: line
                .part
                .as_str()
                .chars()
                .take(1)
                .map(|letter| letter.to_ascii_uppercase())
                .collect(),
            name: line.part.as_str(),
            rate: RateView::new(&line.clickers),
            width: of_most(line.clickers.count, most),
        })
        .collect()
}

fn links(report: &Report) -> Vec<LinkRow> {
    let most = report
        .links
        .iter()
        .map(|link| link.clicks)
        .max()
        .unwrap_or(0);
    report
        .links
        .iter()
        .map(|link| LinkRow {
            label: link.label.clone(),
            part: link.part.as_str(),
            url: link.url.clone(),
            clicks: thousands(link.clicks),
            width: of_most(link.clicks, most),
        })
        .collect()
}

fn of_most(count: u64, most: u64) -> String {
    let width = if most == 0 {
        0.0
    } else {
        as_f64(count) / as_f64(most) * FULL
    };
    bar_width(width, count)
}

/// A count above 0 always shows.
fn bar_width(width: f64, count: u64) -> String {
    format!("{:.1}", if count > 0 { width.max(3.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::figures::Denominator;
    use crate::reports::model::tests::{sample, sample_of_text_messages};

    #[test]
    fn text_messages_have_no_open_rate() {
        let has_opens = |report: &Report| cards(report).iter().any(|card| card.name == "Open rate");
        assert!(has_opens(&sample()) && !has_opens(&sample_of_text_messages()));
        let page = crate::web::Pages::new().unwrap();
        let view = View::new(&sample_of_text_messages());
        let page = page.page("report", &view).unwrap();
        assert!(page.contains("1 responder of 3 delivered"), "{page}");
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
    fn the_waterfall_hangs_each_loss_where_it_was_lost() {
        let steps = steps(&sample());
        let number = |text: &str| text.parse::<f64>().unwrap();
        let mut left = 1000.0;
        for step in &steps {
            if step.is_total {
                assert!((number(&step.width) - left).abs() < 0.4, "{step:?}");
            } else {
                left = number(&step.x);
            }
        }
        assert_eq!(
            steps.last().map(|step| step.name.as_str()),
            Some("Delivered")
        );
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
