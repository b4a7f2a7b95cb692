//! `GET /`: the campaigns with their key figures.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{Paging, RateView, Visit, path_segment, spoken};
use crate::reports::table::thousands;
use crate::reports::{Report, store};
use crate::web::{ApiError, State};

/// Campaigns on a page.
const PAGE: u32 = 50;

#[derive(Debug, Serialize)]
struct View {
    title: &'static str,
    section: &'static str,
    campaigns: Vec<Line>,
    is_paged: bool,
    newer: Option<String>,
    older: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    path: String,
    status: String,
    is_simulated: bool,
    launched: String,
    delivered: String,
    withheld: String,
    response: RateView,
}

impl Line {
    fn new(report: &Report) -> Self {
        Self {
            name: report.campaign.clone(),
            path: path_segment(&report.campaign),
            status: report.status.clone(),
            is_simulated: report.is_simulated,
            launched: match report.waves.as_slice() {
                [] => "not launched yet".to_owned(),
                [wave] => format!("launched {}", spoken(&wave.launched_at)),
                [last, ..] => {
                    format!(
                        "{} waves, the last {}",
                        report.waves.len(),
                        spoken(&last.launched_at)
                    )
                }
            },
            delivered: thousands(report.accepted),
            withheld: thousands(report.withheld),
            response: RateView::new(&report.response_rate),
        }
    }
}

/// The page.
pub(super) async fn list(
    visit: Visit,
    paging: web::Query<Paging>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let index = paging.index();
    let offset = i64::from(index) * i64::from(PAGE);
    let page = store::list(&state.db, offset, i64::from(PAGE)).await?;
    let has_older = page.campaigns > u64::from(index + 1) * u64::from(PAGE);
    let newer = (index > 0).then(|| format!("/?page={index}"));
    let older = has_older.then(|| format!("/?page={}", index + 2));
    let view = View {
        title: "Campaigns",
        section: "campaigns",
        campaigns: page.reports.iter().map(Line::new).collect(),
        is_paged: newer.is_some() || older.is_some(),
        newer,
        older,
    };
    visit.answer(&state, "campaigns", &view)
}
