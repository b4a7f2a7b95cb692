//! `/api/v1/reports`: what came back, and what it means.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_DISPOSITION, ContentDisposition, DispositionParam, DispositionType,
};
use actix_web::web;
use chrono::{Days, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::cursor::{self, Page, Paging};
use super::{answer, faults, instant, refused};
use crate::config::Scope::CustomersRead;
use crate::reports::figures::Rate;
use crate::reports::grid::{Crossing, Dimension, hide_people};
use crate::reports::improve::improve as separate;
use crate::reports::store::KeyFigures;
use crate::reports::store::grid::{self as grid_store, Loaded, Scope};
use crate::reports::{Report, ReportError, csv as csv_form, standing as control, store};
use crate::web::{ApiError, State};

/// The list, for its cursors.
const LIST: &str = "reports";

/// The key figures of a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReportSummary {
    #[schema(example = "spring")]
    campaign: String,
    status: String,
    /// The responses were played, not real.
    is_simulated: bool,
    waves: u64,
    /// The last launch.
    #[schema(value_type = Option<String>, format = DateTime)]
    launched_at: Option<String>,
    delivered: u64,
    withheld: u64,
    /// Unique responders by the campaign's goal, of those delivered.
    response_rate: Rate,
}

impl From<KeyFigures> for ReportSummary {
    fn from(one: KeyFigures) -> Self {
        Self {
            delivered: one.delivered,
            waves: one.waves,
            launched_at: one.launched_at.map(instant),
            campaign: one.campaign,
            status: one.status,
            is_simulated: one.is_simulated,
            withheld: one.withheld,
            response_rate: one.response_rate,
        }
    }
}

/// Lists campaigns with their key figures, the last made first.
#[utoipa::path(
    get, path = "/api/v1/reports", operation_id = "listReports", tag = "Reports",
    params(Paging),
    responses((status = 200, description = "A page of key figures", body = Page<ReportSummary>)),
)]
pub(super) async fn list(
    paging: web::Query<Paging>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let limit = paging.limit()?;
    let before = paging.after(&state.keys, LIST)?.unwrap_or(i64::MAX);
    let found = store::before(&state.db, before, limit + 1).await?;
    let page = cursor::page(
        &state.keys,
        LIST,
        found,
        limit,
        |(id, _)| *id,
        |(_, figures)| ReportSummary::from(figures),
    );
    cursor::answer(&page)
}

/// The report of a campaign that was launched.
async fn launched(state: &State, name: &str) -> Result<Report, ApiError> {
    let report = store::report(&state.db, name)
        .await?
        .ok_or_else(|| faults::nobody("campaign"))?;
    if report.waves.is_empty() {
        return Err(
            ApiError::new(StatusCode::NOT_FOUND).with_detail("This campaign was not launched yet.")
        );
    }
    Ok(report
        .in_currency(&state.settings.orders.currency)
        .at(state.clock.now_ms()))
}

/// Reports on a campaign.
///
/// Response rate first, with its interval; funnel, cells, channels, parts and links, the waterfall, costs and revenue.
/// Every rate shows its count and its denominator.
#[utoipa::path(
    get, path = "/api/v1/reports/{campaign}", operation_id = "getReport", tag = "Reports",
    params(("campaign" = String, Path, description = "The name of the campaign", example = "spring")),
    responses((status = 200, description = "The report, as `visavis report --json` prints it", body = Object)),
)]
pub(super) async fn one(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    answer(StatusCode::OK, &launched(&state, &campaign).await?)
}

/// Reports on a campaign as CSV.
#[utoipa::path(
    get, path = "/api/v1/reports/{campaign}/csv", operation_id = "getReportCsv", tag = "Reports",
    params(("campaign" = String, Path, description = "The name of the campaign", example = "spring")),
    responses((status = 200, description = "The figures, one a line, safe for spreadsheets", body = String, content_type = "text/csv")),
)]
pub(super) async fn csv(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let report = launched(&state, &campaign).await?;
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!(
            "{}.csv",
            report.campaign
        ))],
    };
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(csv_form::write(&report)?))
}

/// Tells which criteria separate the responders of a campaign.
///
/// And proposes a rule for the next segment.
#[utoipa::path(
    get, path = "/api/v1/reports/{campaign}/improve", operation_id = "improveCampaign", tag = "Reports",
    params(("campaign" = String, Path, description = "The name of the campaign", example = "spring")),
    responses((status = 200, description = "Criteria, gains table and proposal, as `visavis improve --json` prints them", body = Object)),
)]
pub(super) async fn improve(
    campaign: web::Path<String>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope {
        campaign: Some(campaign.into_inner()),
        ..Scope::default()
    };
    let loaded = grid_store::load(&state.db, &scope).await;
    let loaded = as_seen_by(&caller, loaded.map_err(ReportError::from)?);
    if loaded.waves.is_empty() {
        return Err(ApiError::new(StatusCode::NOT_FOUND)
            .with_detail("There is no launched campaign of that name."));
    }
    let first = loaded.slices.first();
    let segment = first.map_or("", |slice| slice.common.segment.as_str());
    answer(StatusCode::OK, &separate(&loaded.slices, segment))
}

/// What a crossing reads; a program that may not see people reads no rule by which one of them is meant.
fn as_seen_by(caller: &Caller, mut loaded: Loaded) -> Loaded {
    if caller.require(CustomersRead).is_err() {
        hide_people(&mut loaded.slices);
    }
    loaded
}

/// What is crossed with what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GridAsked {
    /// A dimension: `segment`, `offer`, `channel`, `wave`, `cell`, `generation` …
    #[param(example = "generation")]
    rows: Option<String>,
    /// Another, or none.
    #[param(example = "channel")]
    columns: Option<String>,
    /// Only waves of this campaign.
    campaign: Option<String>,
    /// Only waves launched on this day (UTC) or later.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<NaiveDate>,
    /// Only waves launched on this day (UTC) or before.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<NaiveDate>,
}

/// Crosses response rates.
///
/// By segment, offer, channel, wave, and who the people are.
#[utoipa::path(
    get, path = "/api/v1/reports/grid", operation_id = "getGrid", tag = "Reports",
    params(GridAsked),
    responses((status = 200, description = "A table of figures with its totals, the best and the worst cell", body = Object)),
)]
pub(super) async fn grid(
    asked: web::Query<GridAsked>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let dimension = |field: &str, word: &Option<String>| {
        let word = word.as_deref().filter(|word| !word.is_empty());
        word.map(|word| {
            word.parse::<Dimension>()
                .map_err(|error| refused(field, error))
        })
        .transpose()
    };
    let rows = dimension("rows", &asked.rows)?.unwrap_or(Dimension::Generation);
    let columns = dimension("columns", &asked.columns)?.filter(|columns| *columns != rows);
    let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    let scope = Scope {
        campaign: asked.campaign.clone(),
        since: asked.from.map(start),
        until: asked
            .to
            .and_then(|day| day.checked_add_days(Days::new(1)))
            .map(start),
    };
    let crossing = Crossing {
        rows,
        columns,
        filters: Vec::new(),
    };
    let crossings = std::slice::from_ref(&crossing);
    let loaded = grid_store::load_for(&state.db, &scope, crossings).await;
    let loaded = as_seen_by(&caller, loaded.map_err(ReportError::from)?);
    let mut table =
        serde_json::to_value(crossing.table(&loaded.slices)).map_err(ApiError::internal)?;
    let counted = loaded.waves.iter().filter_map(|wave| wave.counted_at).min();
    if let Some(table) = table.as_object_mut() {
        table.insert("rows".to_owned(), json!(rows.as_str()));
        let columns = columns.map_or(Value::Null, |columns| json!(columns.as_str()));
        table.insert("columns".to_owned(), columns);
        table.insert("waves".to_owned(), json!(loaded.waves.len()));
        table.insert("is_cut".to_owned(), json!(loaded.is_cut));
        table.insert("counted_at".to_owned(), json!(counted.map(instant)));
    }
    answer(StatusCode::OK, &table)
}

/// What all campaigns together cause.
///
/// The base against the standing control group, by period.
#[utoipa::path(
    get, path = "/api/v1/reports/standing", operation_id = "getStandingControl", tag = "Reports",
    responses((status = 200, description = "By period, as `visavis report --standing --json` prints them", body = [Object])),
)]
pub(super) async fn standing(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let periods = control::periods(&state.db, state.clock.now_ms()).await?;
    answer(StatusCode::OK, &periods)
}
