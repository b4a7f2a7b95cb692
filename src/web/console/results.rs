//! `GET /reports`: all campaigns side by side, with sums and the trend.

use actix_web::{HttpResponse, web};
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::report::{Whisker, round_end};
use super::{RateView, Visit, path_segment};
use crate::clock::beginning;
use crate::reports::ReportError;
use crate::reports::overview::{Asked, Channel, Line, Month, Order, Overview};
use crate::reports::store::overview as store;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Campaigns on a page.
const PAGE: usize = 50;
/// States a campaign may be in, as the list can be narrowed by them.
const STATES: [&str; 5] = ["scheduled", "running", "paused", "finished", "cancelled"];

/// What is asked, as it stands in the address.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    from: Option<String>,
    to: Option<String>,
    channel: Option<String>,
    status: Option<String>,
    sort: Option<String>,
    page: Option<String>,
}

impl Query {
    fn day(text: Option<&String>) -> Option<NaiveDate> {
        text?.parse().ok()
    }

    fn asked(&self) -> Asked {
        Asked {
            channel: match self.channel.as_deref() {
                Some("email") => Some(Channel::Email),
                Some("sms") => Some(Channel::Sms),
                _ => None,
            },
            status: self
                .status
                .clone()
                .filter(|status| STATES.contains(&status.as_str())),
            order: self
                .sort
                .as_deref()
                .and_then(Order::from_word)
                .unwrap_or_default(),
        }
    }

    fn page(&self) -> usize {
        let page = self.page.as_deref().unwrap_or("1");
        page.parse::<usize>().unwrap_or(1).clamp(1, 10_000) - 1
    }

    /// The address of another page or order of the same.
    fn address(&self, order: &str, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("from", &self.from),
            ("to", &self.to),
            ("channel", &self.channel),
            ("status", &self.status),
        ] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                query.append_pair(name, value);
            }
        }
        query.append_pair("sort", order);
        if page > 0 {
            query.append_pair("page", &(page + 1).to_string());
        }
        format!("/reports?{}", query.finish())
    }
}

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    from: String,
    to: String,
    channels: Vec<Choice>,
    states: Vec<Choice>,
    orders: Vec<Choice>,
    is_simulated: bool,
    is_cut: bool,
    is_empty: bool,
    campaigns: u64,
    total: Total,
    trend: Option<Trend>,
    lines: Vec<LineView>,
    newer: Option<String>,
    older: Option<String>,
}

#[derive(Debug, Serialize)]
struct Choice {
    value: &'static str,
    label: String,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct Total {
    delivered: u64,
    response: RateView,
    click: RateView,
    opt_out: RateView,
    orders: u64,
    revenue_cents: i64,
}

#[derive(Debug, Serialize)]
struct LineView {
    name: String,
    path: String,
    status: String,
    is_simulated: bool,
    launched: String,
    delivered: u64,
    response: RateView,
    whisker: Option<Whisker>,
    click: RateView,
    opt_out: RateView,
    orders: u64,
    revenue_cents: i64,
}

/// The response rate by month of the launch.
#[derive(Debug, Serialize)]
struct Trend {
    width: String,
    end: String,
    months: Vec<MonthView>,
    first: String,
    last: String,
}

#[derive(Debug, Serialize)]
struct MonthView {
    name: String,
    delivered: u64,
    response: RateView,
    has_rate: bool,
    x: String,
    middle: String,
    y: String,
    width: String,
    height: String,
    /// The interval, drawn as a line.
    low: String,
    high: String,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    query: web::Query<Query>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let zone = visit.words().zone();
    let start = |day: NaiveDate| beginning(day, zone);
    let from = Query::day(query.from.as_ref());
    let to = Query::day(query.to.as_ref());
    let until = to
        .and_then(|day| day.checked_add_days(Days::new(1)))
        .map(start);
    let runs = store::runs(&state.db, from.map(start), until)
        .await
        .map_err(ReportError::from)?;
    let is_cut = i64::try_from(runs.len()).is_ok_and(|runs| runs >= store::RUNS);
    let asked = query.asked();
    let overview = Overview::new(&runs, &asked, zone);
    let view = View::new(&query, &asked, (from, to), &overview, visit.words());
    visit.answer(&state, "results", &View { is_cut, ..view })
}

impl View {
    fn new(
        query: &Query,
        asked: &Asked,
        (from, to): (Option<NaiveDate>, Option<NaiveDate>),
        overview: &Overview,
        words: &Words,
    ) -> Self {
        let text = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
        let page = query.page();
        let order = asked.order.as_str();
        let shown: Vec<&Line> = overview.lines.iter().skip(page * PAGE).take(PAGE).collect();
        let ends = overview
            .lines
            .iter()
            .filter_map(|line| line.counts.response_rate().interval_95)
            .map(|interval| interval.high);
        let end = round_end(ends.fold(0.0, f64::max)).unwrap_or(1.0);
        let total = &overview.total;
        Self {
            title: words.t("Results").to_owned(),
            section: "reports",
            from: text(from),
            to: text(to),
            channels: [("email", "Email"), ("sms", "SMS")]
                .into_iter()
                .map(|(value, label)| Choice {
                    value,
                    label: words.t(label).to_owned(),
                    is_chosen: query.channel.as_deref() == Some(value),
                })
                .collect(),
            states: STATES
                .into_iter()
                .map(|value| Choice {
                    value,
                    label: words.t(value).to_owned(),
                    is_chosen: asked.status.as_deref() == Some(value),
                })
                .collect(),
            orders: Order::ALL
                .into_iter()
                .map(|one| Choice {
                    value: one.as_str(),
                    label: words.t(in_words(one)).to_owned(),
                    is_chosen: one == asked.order,
                })
                .collect(),
            is_simulated: overview.is_simulated,
            is_cut: false,
            is_empty: overview.lines.is_empty(),
            campaigns: u64::try_from(overview.lines.len()).unwrap_or(u64::MAX),
            total: Total {
                delivered: total.delivered,
                response: RateView::in_words(&total.response_rate(), words),
                click: RateView::in_words(&total.click_rate(), words),
                opt_out: RateView::in_words(&total.opt_out_rate(), words),
                orders: total.orders,
                revenue_cents: total.revenue_cents,
            },
            trend: Trend::new(&overview.months, words),
            lines: shown
                .iter()
                .map(|line| LineView::new(line, end, words))
                .collect(),
            newer: (page > 0).then(|| query.address(order, page - 1)),
            older: (overview.lines.len() > (page + 1) * PAGE)
                .then(|| query.address(order, page + 1)),
        }
    }
}

fn in_words(order: Order) -> &'static str {
    match order {
        Order::Newest => "Newest first",
        Order::Response => "Response rate",
        Order::Clicks => "Click rate",
        Order::OptOuts => "Opt-out rate",
        Order::Delivered => "Delivered",
        Order::Revenue => "Revenue",
    }
}

impl LineView {
    fn new(line: &Line, end: f64, words: &Words) -> Self {
        let counts = &line.counts;
        let response = counts.response_rate();
        let day = words.day(line.launched_at);
        Self {
            name: line.campaign.clone(),
            path: path_segment(&line.campaign),
            status: words.t(&line.status).to_owned(),
            is_simulated: line.is_simulated,
            launched: if line.runs == 1 {
                words.fill("launched {day}", &[("day", day)])
            } else {
                words.fill(
                    "{n} waves, the last {day}",
                    &[("n", words.number(line.runs)), ("day", day)],
                )
            },
            delivered: counts.delivered,
            whisker: response.interval_95.map(|interval| {
                Whisker::new((0.0, end), (interval.low, interval.high), response.value)
            }),
            response: RateView::in_words(&response, words),
            click: RateView::in_words(&counts.click_rate(), words),
            opt_out: RateView::in_words(&counts.opt_out_rate(), words),
            orders: counts.orders,
            revenue_cents: counts.revenue_cents,
        }
    }
}

impl Trend {
    /// `None` where there are not two months to follow each other.
    fn new(months: &[Month], words: &Words) -> Option<Self> {
        /// Units of the drawing: a month, its column, and the height.
        const STEP: f64 = 20.0;
        const COLUMN: f64 = 14.0;
        const HEIGHT: f64 = 100.0;
        if months.len() < 2 {
            return None;
        }
        let rates = months.iter().map(|month| month.counts.response_rate());
        // The interval of a month of few people would push all others to the ground.
        let most = rates.filter_map(|rate| rate.value).fold(0.0, f64::max);
        let end = round_end((most * 1.15).min(1.0))?;
        let at = |share: f64| HEIGHT - (share / end).clamp(0.0, 1.0) * HEIGHT;
        let months: Vec<MonthView> = months
            .iter()
            .zip(0_u32..)
            .map(|(month, place)| {
                let rate = month.counts.response_rate();
                let value = rate.value.unwrap_or(0.0);
                let x = f64::from(place) * STEP + (STEP - COLUMN) / 2.0;
                let ends = rate.interval_95.map_or((0.0, 0.0), |i| (i.low, i.high));
                MonthView {
                    name: words.month(month.month),
                    delivered: month.counts.delivered,
                    has_rate: rate.value.is_some(),
                    response: RateView::in_words(&rate, words),
                    x: format!("{x:.1}"),
                    middle: format!("{:.1}", x + COLUMN / 2.0 - 0.5),
                    y: format!("{:.1}", at(value)),
                    width: format!("{COLUMN:.1}"),
                    height: format!("{:.1}", HEIGHT - at(value)),
                    low: format!("{:.1}", at(ends.1)),
                    high: format!("{:.1}", (at(ends.0) - at(ends.1)).max(0.5)),
                }
            })
            .collect();
        let count = u32::try_from(months.len()).unwrap_or(u32::MAX);
        Some(Self {
            width: format!("{:.0}", f64::from(count) * STEP),
            end: words.round_percent(end),
            first: months
                .first()
                .map(|month| month.name.clone())
                .unwrap_or_default(),
            last: months
                .last()
                .map(|month| month.name.clone())
                .unwrap_or_default(),
            months,
        })
    }
}
