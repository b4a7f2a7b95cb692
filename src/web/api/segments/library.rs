//! Segments that bear a name: kept, changed, put away.

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, IF_MATCH};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Caller;
use super::super::cursor::{self, Page};
use super::super::{answer, body, faults, instant, once, reply, require_match};
use super::{meant, parsed};
use crate::responses::requests::Failed;
use crate::segments::library::{self, Archived, Counted, Draft, LibraryError, Segment};
use crate::web::{ApiError, State};

/// A segment that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Segment)]
pub(in crate::web::api) struct SegmentView {
    #[schema(example = 3)]
    id: i64,
    #[schema(example = "Regulars of Amiens")]
    name: String,
    description: String,
    /// As it is printed.
    #[schema(example = "city = \"Amiens\" and orders >= 3")]
    rule: String,
    /// Counts its changes; also its ETag.
    revision: i64,
    is_archived: bool,
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    updated_by: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
    /// What was counted last of the rule as it stands; null: nothing yet.
    counted: Option<CountedView>,
}

/// What was counted last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastCount)]
pub(in crate::web::api) struct CountedView {
    #[schema(value_type = String, format = DateTime)]
    at: String,
    people: u64,
    /// All customers, as they were then.
    of: u64,
    /// What the reach is about.
    #[schema(example = "offers")]
    topic: String,
    reachable_by_email: u64,
    reachable_by_sms: u64,
}

impl From<Counted> for CountedView {
    fn from(one: Counted) -> Self {
        Self {
            at: instant(one.at),
            people: one.people,
            of: one.base,
            topic: one.topic,
            reachable_by_email: one.reach_email,
            reachable_by_sms: one.reach_sms,
        }
    }
}

impl From<Segment> for SegmentView {
    fn from(one: Segment) -> Self {
        Self {
            id: one.id.0,
            name: one.name,
            description: one.description,
            rule: one.rule,
            revision: one.revision,
            is_archived: one.is_archived,
            created_by: one.created_by,
            created_at: instant(one.created_at),
            updated_by: one.updated_by,
            updated_at: instant(one.updated_at),
            counted: one.counted.map(CountedView::from),
        }
    }
}

fn revision_tag(revision: i64) -> String {
    format!("\"{revision}\"")
}

fn shown(segment: Segment) -> Result<HttpResponse, ApiError> {
    let tag = HeaderValue::from_str(&revision_tag(segment.revision)).map_err(ApiError::internal)?;
    let mut response = answer(StatusCode::OK, &SegmentView::from(segment))?;
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// What the work of a request could not do; a database that was in the way is asked again.
fn failed(error: LibraryError) -> Failed<ApiError> {
    match error {
        LibraryError::Database(error) => error.into(),
        error => Failed::Refused(faults::segment(error)),
    }
}

/// Which segments are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web::api) struct Wanted {
    /// Entries of the page at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; without it the list begins.
    cursor: Option<String>,
    /// Those that were put away, instead of those in use.
    #[serde(default)]
    #[param(default = false)]
    archived: bool,
}

/// Lists the saved segments by name.
#[utoipa::path(
    get, path = "/api/v1/segments", operation_id = "listSegments", tag = "Segments",
    params(Wanted),
    responses((status = 200, description = "A page of segments", body = Page<SegmentView>)),
)]
pub(in crate::web::api) async fn list(
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let limit = cursor::limit(wanted.limit)?;
    let (name, archived) = if wanted.archived {
        ("archived segments", Archived::Yes)
    } else {
        ("segments", Archived::No)
    };
    let after: Option<String> = cursor::after(wanted.cursor.as_deref(), &state.keys, name)?;
    let after = after.unwrap_or_default();
    let found = library::page(&state.db, archived, &after, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        name,
        found,
        limit,
        |one| one.name.clone(),
        SegmentView::from,
    );
    cursor::answer(&page)
}

/// Shows a saved segment.
#[utoipa::path(
    get, path = "/api/v1/segments/{segment}", operation_id = "getSegment", tag = "Segments",
    params(("segment" = String, Path, description = "Its number, or `name:` and its name", example = "name:Regulars of Amiens")),
    responses((status = 200, description = "The segment", body = SegmentView, headers(("ETag" = String, description = "Its revision, for If-Match")))),
)]
pub(in crate::web::api) async fn one(
    segment: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    shown(meant(&state, &segment).await?)
}

/// A segment that is to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct SegmentTold {
    #[schema(example = "Regulars of Amiens", min_length = 1, max_length = 80)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 2_000)]
    description: String,
    #[schema(example = "city = \"Amiens\" and orders >= 3", min_length = 1)]
    rule: String,
}

/// Keeps a rule under a name.
#[utoipa::path(
    post, path = "/api/v1/segments", operation_id = "addSegment", tag = "Segments",
    request_body(content = SegmentTold, example = json!({
        "name": "Regulars of Amiens", "rule": "city = \"Amiens\" and orders >= 3",
    })),
    responses((status = 201, description = "It is kept", body = SegmentView)),
)]
pub(in crate::web::api) async fn create(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: SegmentTold = body::read(&request, &bytes)?;
    let rule = parsed("rule", &told.rule)?;
    let draft = Draft {
        name: &told.name,
        description: &told.description,
        rule: &rule,
    };
    let now_ms = state.clock.now_ms();
    once(&request, &state, &caller, &bytes, async |txn| {
        let kept = library::create_within(txn, draft, &caller.actor(), now_ms)
            .await
            .map_err(failed)?;
        reply(StatusCode::CREATED, &SegmentView::from(kept)).map_err(Failed::Refused)
    })
    .await
}

/// What is to be another; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct SegmentChange {
    #[schema(min_length = 1, max_length = 80)]
    name: Option<String>,
    #[schema(max_length = 2_000)]
    description: Option<String>,
    #[schema(example = "city = \"Amiens\" and orders >= 5", min_length = 1)]
    rule: Option<String>,
}

/// Changes a saved segment.
///
/// Campaigns keep the rule they were planned with.
#[utoipa::path(
    patch, path = "/api/v1/segments/{segment}", operation_id = "changeSegment", tag = "Segments",
    params(
        ("segment" = String, Path, description = "Its number, or `name:` and its name", example = "name:Regulars of Amiens"),
        ("If-Match" = Option<String>, Header, description = "The revision it was read with"),
    ),
    request_body(content = SegmentChange, example = json!({"rule": "city = \"Amiens\" and orders >= 5"})),
    responses(
        (status = 200, description = "As it is now", body = SegmentView, headers(("ETag" = String, description = "Its revision, for If-Match"))),
        (status = 409, description = "Another segment bears the name, or somebody else was faster", body = super::super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::web::api) async fn change(
    segment: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: SegmentChange = body::read(&request, &bytes)?;
    let before = meant(&state, &segment).await?;
    require_match(&request, Some(&revision_tag(before.revision)))?;
    let rule = match &told.rule {
        Some(rule) => parsed("rule", rule)?,
        None => parsed("rule", &before.rule)?,
    };
    let draft = Draft {
        name: told.name.as_deref().unwrap_or(&before.name),
        description: told.description.as_deref().unwrap_or(&before.description),
        rule: &rule,
    };
    let (actor, now_ms) = (caller.actor(), state.clock.now_ms());
    let kept = library::change(&state.db, before.id, before.revision, draft, &actor, now_ms).await;
    shown(kept.map_err(|error| match error {
        LibraryError::Changed { .. } if request.headers().contains_key(IF_MATCH) => {
            ApiError::new(StatusCode::PRECONDITION_FAILED)
        }
        error => faults::segment(error),
    })?)
}

/// Puts a segment away.
///
/// It leaves the list; campaigns keep the rule they were planned with.
#[utoipa::path(
    post, path = "/api/v1/segments/{segment}/archive", operation_id = "archiveSegment", tag = "Segments",
    params(("segment" = String, Path, description = "Its number, or `name:` and its name", example = "name:Regulars of Amiens")),
    responses((status = 200, description = "It is put away", body = SegmentView)),
)]
pub(in crate::web::api) async fn archive(
    segment: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    put_away(&segment, true, &request, &bytes, &caller, &state).await
}

/// Takes a segment back that was put away.
#[utoipa::path(
    post, path = "/api/v1/segments/{segment}/take-back", operation_id = "takeBackSegment", tag = "Segments",
    params(("segment" = String, Path, description = "Its number, or `name:` and its name", example = "name:Regulars of Amiens")),
    responses((status = 200, description = "It is in the list again", body = SegmentView)),
)]
pub(in crate::web::api) async fn take_back(
    segment: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    put_away(&segment, false, &request, &bytes, &caller, &state).await
}

async fn put_away(
    segment: &str,
    is_archived: bool,
    request: &HttpRequest,
    bytes: &Bytes,
    caller: &Caller,
    state: &State,
) -> Result<HttpResponse, ApiError> {
    body::nothing(request, bytes)?;
    let id = meant(state, segment).await?.id;
    let now_ms = state.clock.now_ms();
    once(request, state, caller, bytes, async |txn| {
        let segment = library::archive_within(txn, id, is_archived, &caller.actor(), now_ms)
            .await
            .map_err(failed)?;
        reply(StatusCode::OK, &SegmentView::from(segment)).map_err(Failed::Refused)
    })
    .await
}

/// A campaign that was planned with the rule of a segment.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct SegmentUse {
    #[schema(example = "spring")]
    campaign: String,
    #[schema(example = "scheduled")]
    status: String,
    /// The rule of the segment is still the campaign's.
    is_current: bool,
}

/// The campaigns of a segment.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct SegmentUses {
    campaigns: Vec<SegmentUse>,
}

/// Lists the campaigns that were planned with a segment's rule, as it is or was.
#[utoipa::path(
    get, path = "/api/v1/segments/{segment}/uses", operation_id = "listSegmentUses", tag = "Segments",
    params(("segment" = String, Path, description = "Its number, or `name:` and its name", example = "name:Regulars of Amiens")),
    responses((status = 200, description = "The campaigns by name", body = SegmentUses)),
)]
pub(in crate::web::api) async fn uses(
    segment: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = meant(&state, &segment).await?.id;
    let mut uses = library::uses(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let of_segment = uses.remove(&id).unwrap_or_default().into_iter();
    let view = SegmentUses {
        campaigns: of_segment
            .map(|used| SegmentUse {
                campaign: used.campaign,
                status: used.status,
                is_current: used.is_current,
            })
            .collect(),
    };
    answer(StatusCode::OK, &view)
}
