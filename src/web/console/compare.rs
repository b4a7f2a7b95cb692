//! `GET /reports/compare?campaign=a&campaign=b`: two to five campaigns side by side.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::report::{Whisker, find, round_end};
use super::{RateView, Visit, path_segment};
use crate::reports::compare::{AT_ONCE, Comparison};
use crate::reports::figures::{Rate, as_f64};
use crate::reports::model::Report;
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    /// What is wrong with what was chosen.
    fault: Option<&'static str>,
    headline: String,
    cautions: Vec<String>,
    campaigns: Vec<Campaign>,
    end: String,
    rows: Vec<Row>,
    pairs: Vec<PairView>,
    curves: Option<Curves>,
}

#[derive(Debug, Serialize)]
struct Campaign {
    name: String,
    path: String,
    status: String,
    is_simulated: bool,
    response: RateView,
    whisker: Option<Whisker>,
}

/// One figure of all campaigns.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    is_main: bool,
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    /// Whose it is, where the table is told apart.
    campaign: String,
    value: String,
    range: String,
}

#[derive(Debug, Serialize)]
struct PairView {
    better: String,
    other: String,
    difference: String,
    range: String,
    sure: String,
    verdict: String,
    is_sure: bool,
}

/// How much of the responders had come by each day, of each campaign.
#[derive(Debug, Serialize)]
struct Curves {
    lines: Vec<Curve>,
    days: Vec<Day>,
    last: String,
}

#[derive(Debug, Serialize)]
struct Curve {
    name: String,
    points: String,
    class: String,
}

#[derive(Debug, Serialize)]
struct Day {
    name: String,
    shares: Vec<String>,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    query: web::Query<Vec<(String, String)>>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let mut names: Vec<&str> = Vec::new();
    for (key, value) in query.iter() {
        // PostgreSQL knows no text with this character, so nothing is called so.
        let is_new = !names.contains(&value.as_str());
        if key == "campaign" && is_new && !value.is_empty() && !value.contains('\0') {
            names.push(value);
        }
    }
    let words = visit.words();
    if !AT_ONCE.contains(&names.len()) {
        return visit.refuse(&state, "compare", &View::empty(words));
    }
    let mut reports = Vec::with_capacity(names.len());
    for name in names {
        reports.push(find(name, &state).await?);
    }
    let view = View::new(&Comparison::new(reports, state.clock.now_ms()), words);
    visit.answer(&state, "compare", &view)
}

impl View {
    fn empty(words: &Words) -> Self {
        Self {
            title: words.t("Comparison").to_owned(),
            section: "reports",
            fault: Some("Choose two to five campaigns in the list of results."),
            headline: String::new(),
            cautions: Vec::new(),
            campaigns: Vec::new(),
            end: String::new(),
            rows: Vec::new(),
            pairs: Vec::new(),
            curves: None,
        }
    }

    fn new(comparison: &Comparison, words: &Words) -> Self {
        let reports = &comparison.reports;
        let ends = reports
            .iter()
            .filter_map(|report| report.response_rate.interval_95)
            .map(|interval| interval.high);
        let end = round_end(ends.fold(0.0, f64::max)).unwrap_or(1.0);
        let campaign = |report: &Report| Campaign {
            name: report.campaign.clone(),
            path: path_segment(&report.campaign),
            status: words.t(&report.status).to_owned(),
            is_simulated: report.is_simulated,
            response: RateView::in_words(&report.response_rate, words),
            whisker: report.response_rate.interval_95.map(|interval| {
                let rate = report.response_rate.value;
                Whisker::new((0.0, end), (interval.low, interval.high), rate)
            }),
        };
        Self {
            headline: words.say(&comparison.judgement.headline),
            cautions: comparison
                .cautions
                .iter()
                .map(|one| words.say(one))
                .collect(),
            campaigns: reports.iter().map(campaign).collect(),
            end: words.round_percent(end),
            rows: rows(reports, words),
            pairs: pairs(comparison, words),
            curves: Curves::new(reports, words),
            fault: None,
            ..Self::empty(words)
        }
    }
}

fn rows(reports: &[Report], words: &Words) -> Vec<Row> {
    let none = || "–".to_owned();
    let row = |name: &str, is_main, cell: &dyn Fn(&Report) -> (String, String)| Row {
        name: words.t(name).to_owned(),
        is_main,
        cells: reports
            .iter()
            .map(|report| {
                let (value, range) = cell(report);
                Cell {
                    campaign: report.campaign.clone(),
                    value,
                    range,
                }
            })
            .collect(),
    };
    let rate = |rate: &Rate| {
        let view = RateView::in_words(rate, words);
        (view.value, view.range)
    };
    let plain = |text: String| (text, String::new());
    let money = |cents: Option<f64>| plain(cents.map_or_else(none, |cents| words.amount(cents)));
    vec![
        row("Selected", false, &|one| plain(words.number(one.selected))),
        row("Withheld", false, &|one| plain(words.number(one.withheld))),
        row("Delivered", false, &|one| {
            plain(words.number(one.delivered()))
        }),
        row("Response rate", true, &|one| rate(&one.response_rate)),
        row("Click rate", false, &|one| rate(&one.click_rate)),
        row("Order rate", false, &|one| rate(&one.order_rate)),
        row("Opt-out rate", false, &|one| rate(&one.opt_out_rate)),
        row("Contacts lost", false, &|one| rate(&one.lost.contacts_lost)),
        row("Revenue", false, &|one| {
            plain(words.money(one.revenue_cents))
        }),
        row("Cost", false, &|one| {
            money(one.economics.cost.map(|cost| cost.total_cents))
        }),
        row("Cost per response", false, &|one| {
            money(one.economics.cost_per_response_cents)
        }),
        row("Break-even response rate", false, &|one| {
            plain(words.percent(one.economics.break_even_rate))
        }),
        row("Profit (attributed)", true, &|one| {
            money(one.economics.profit_cents)
        }),
        row("Return on cost", false, &|one| {
            let value = one.economics.return_on_cost;
            plain(value.map_or_else(none, |value| words.percent_of(value, 0)))
        }),
    ]
}

fn pairs(comparison: &Comparison, words: &Words) -> Vec<PairView> {
    use crate::statistics::verdict::{Word, p_in_words};
    let points = |share: f64| words.decimal(share * 100.0, 2);
    comparison
        .judgement
        .pairs
        .iter()
        .map(|pair| PairView {
            better: pair.better.clone(),
            other: pair.other.clone(),
            difference: pair.difference.map_or_else(
                || "–".to_owned(),
                |difference| words.fill("{n} points", &[("n", points(difference))]),
            ),
            range: pair.interval_95.map_or_else(String::new, |interval| {
                words.ends(&points(interval.low), &points(interval.high))
            }),
            sure: pair
                .p
                .map_or_else(String::new, |p| words.say(&p_in_words(p))),
            verdict: words.t(pair.verdict.as_str()).to_owned(),
            is_sure: pair.verdict == Word::Significant,
        })
        .collect()
}

impl Curves {
    /// `None` where nobody responded to two of them.
    fn new(reports: &[Report], words: &Words) -> Option<Self> {
        /// Days that are drawn at most, and units of the drawing.
        const MOST: usize = 30;
        const WIDTH: f64 = 600.0;
        const HEIGHT: f64 = 200.0;
        let curves: Vec<(&Report, usize, Vec<f64>)> = reports
            .iter()
            .enumerate()
            .filter_map(|(place, report)| {
                let over = report.over_time.as_ref()?;
                Some((report, place, over.shares_by_day()))
            })
            .collect();
        if curves.len() < 2 {
            return None;
        }
        let longest = curves
            .iter()
            .map(|(_, _, shares)| shares.len())
            .max()?
            .min(MOST);
        let step = WIDTH / as_f64(u64::try_from(longest).unwrap_or(1).max(1));
        let share = |shares: &[f64], day: usize| shares.get(day).or(shares.last()).copied();
        let lines = curves
            .iter()
            .map(|(report, place, shares)| {
                let mut points = vec![format!("0,{HEIGHT:.0}")];
                let mut x = 0.0;
                for day in 0..longest {
                    x += step;
                    let y = HEIGHT - share(shares, day).unwrap_or(0.0) * HEIGHT;
                    points.push(format!("{x:.1},{y:.1}"));
                }
                Curve {
                    name: report.campaign.clone(),
                    points: points.join(" "),
                    class: format!("curve-{place}"),
                }
            })
            .collect();
        let name = |day: usize| {
            let n = (day + 1).to_string();
            words.fill("day {n}", &[("n", n)])
        };
        Some(Self {
            lines,
            days: (0..longest)
                .map(|day| Day {
                    name: name(day),
                    shares: curves
                        .iter()
                        .map(|(_, _, shares)| words.percent(share(shares, day)))
                        .collect(),
                })
                .collect(),
            last: name(longest.saturating_sub(1)),
        })
    }
}
