//! What administrators read: the audit log, the chain of evidence, the permission ladder.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::cursor::{self, Page};
use super::{answer, instant};
use crate::accounts::audit::{self, Entry, Filter};
use crate::consent::anchor::AnchorFile;
use crate::consent::{chain, overview};
use crate::web::{ApiError, State};

/// Which entries are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Entries of the page at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; without it the list begins.
    cursor: Option<String>,
    /// Only what this one did.
    #[param(example = "token shop")]
    actor: Option<String>,
    /// Only this action, or those that begin with it.
    #[param(example = "campaign.")]
    action: Option<String>,
    /// Only about this.
    #[param(example = "spring")]
    subject: Option<String>,
}

/// A change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEntry {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// A user, a token, or the command line.
    #[schema(example = "token shop")]
    actor: String,
    #[schema(example = "campaign.launch")]
    action: String,
    /// The name or number of what was changed.
    subject: String,
    detail: String,
}

impl From<Entry> for AuditEntry {
    fn from(one: Entry) -> Self {
        Self {
            id: one.id,
            at: instant(one.at),
            actor: one.actor,
            action: one.action,
            subject: one.subject,
            detail: one.detail,
        }
    }
}

/// Lists what was changed, by whom and when, the newest first.
#[utoipa::path(
    get, path = "/api/v1/audit-log", operation_id = "listAuditLog", tag = "Administration",
    params(Wanted),
    responses((status = 200, description = "A page of changes", body = Page<AuditEntry>)),
)]
pub(super) async fn audit_log(
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    const LIST: &str = "audit log";
    let wanted = wanted.into_inner();
    let limit = cursor::limit(wanted.limit)?;
    let filter = Filter {
        before: cursor::after(wanted.cursor.as_deref(), &state.keys, LIST)?,
        actor: wanted.actor.unwrap_or_default(),
        action: wanted.action.unwrap_or_default(),
        subject: wanted.subject.unwrap_or_default(),
    };
    let found = audit::list(&state.db, &filter, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        LIST,
        found,
        limit,
        |one| one.id,
        AuditEntry::from,
    );
    cursor::answer(&page)
}

/// Proves that the chain of evidence is whole.
///
/// Or names the first broken link. Reads all of it, which takes a while in a large base.
#[utoipa::path(
    get, path = "/api/v1/evidence/verification", operation_id = "verifyEvidence", tag = "Administration",
    responses((status = 200, description = "What was found, as `visavis consent verify --json` prints it", body = Object)),
)]
pub(super) async fn verification(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let file = AnchorFile::in_folder(&state.settings.data_dir);
    let kept = file.read().map_err(ApiError::internal)?;
    let found = chain::verify(&state.db, &state.keys, &kept)
        .await
        .map_err(ApiError::unavailable)?;
    answer(StatusCode::OK, &found)
}

/// Of which topic.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfTopic {
    /// None: the best of each person's topics.
    #[param(example = "offers")]
    topic: Option<String>,
}

/// Shows the permission ladder: what each rung allows, and who stands on it now.
#[utoipa::path(
    get, path = "/api/v1/permission-levels", operation_id = "listPermissionLevels", tag = "Permission",
    params(OfTopic),
    responses((status = 200, description = "The rungs, the caps, the bases and the topics, as `visavis consent levels --json` prints them", body = Object)),
)]
pub(super) async fn levels(
    asked: web::Query<OfTopic>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let topic = asked.topic.as_deref();
    super::permissions::ensure_topic(&state, "topic", topic).await?;
    let found = overview::overview(&state.db, &state.settings, topic, state.clock.now_ms())
        .await
        .map_err(|error| match error {
            overview::OverviewError::Database(error) => ApiError::unavailable(error),
            error => ApiError::internal(error),
        })?;
    let view: Value = serde_json::to_value(&found).map_err(ApiError::internal)?;
    answer(StatusCode::OK, &view)
}
