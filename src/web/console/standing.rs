//! `GET /reports/standing`: what all campaigns together cause, by the standing control group.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{RateView, Visit, told};
use crate::reports::lift::Incremental;
use crate::reports::standing::{self, Period};
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    periods: Vec<PeriodView>,
}

#[derive(Debug, Serialize)]
struct PeriodView {
    name: String,
    percent: i64,
    begun: String,
    ends: Option<String>,
    reckoned: Option<String>,
    verdict: String,
    sentence: String,
    contacted: RateView,
    held_back: RateView,
    contacted_revenue: String,
    held_back_revenue: String,
    buyers: Option<Caused>,
    revenue: Option<Caused>,
}

/// What would not have been.
#[derive(Debug, Serialize)]
struct Caused {
    value: String,
    range: Option<String>,
}

impl Caused {
    fn new(caused: Incremental, text: impl Fn(f64) -> String, words: &Words) -> Self {
        Self {
            value: text(caused.value),
            range: caused
                .interval_95
                .map(|interval| words.ends(&text(interval.low), &text(interval.high))),
        }
    }
}

impl PeriodView {
    fn new(period: &Period, words: &Words) -> Self {
        let buyers = period.buyers;
        let revenue = period.revenue_cents;
        Self {
            name: period.period.clone(),
            percent: period.percent,
            begun: told(&period.begun_at, words),
            ends: period.ends_at.as_ref().map(|at| told(at, words)),
            reckoned: period.reckoned_at.as_ref().map(|at| told(at, words)),
            verdict: words.t(period.verdict.as_str()).to_owned(),
            sentence: words.say(&period.sentence),
            contacted: RateView::in_words(&period.contacted, words),
            held_back: RateView::in_words(&period.held_back, words),
            contacted_revenue: words.money(period.contacted_revenue_cents),
            held_back_revenue: words.money(period.held_back_revenue_cents),
            buyers: buyers.map(|caused| Caused::new(caused, |n| words.decimal(n, 0), words)),
            revenue: revenue.map(|caused| Caused::new(caused, |n| words.amount(n), words)),
        }
    }
}

/// The page.
pub(super) async fn page(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let periods = standing::periods(&state.db, state.clock.now_ms()).await?;
    let words = visit.words();
    let view = View {
        title: words.t("All campaigns together").to_owned(),
        section: "reports",
        periods: periods
            .iter()
            .map(|period| PeriodView::new(period, words))
            .collect(),
    };
    visit.answer(&state, "standing", &view)
}
