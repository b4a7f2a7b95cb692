//! `/api/v1/replies` and `/api/v1/mails`: what people wrote back, for people to read.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::cursor::{self, Page};
use super::{faults, instant, once_around, reply};
use crate::responses::inbox::kept::{self, KeptMail};
use crate::responses::texts::replies as texts;
use crate::web::{ApiError, State};

/// Which of them are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Entries of the page at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; without it the list begins.
    cursor: Option<String>,
    /// Also those that somebody has dealt with.
    #[serde(default)]
    #[param(default = false)]
    all: bool,
}

/// A text message that came back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reply)]
pub(super) struct ReplyView {
    id: i64,
    /// The SMS provider it came by.
    provider: String,
    /// Of who wrote; null when it was erased.
    number: Option<String>,
    /// Null when it was erased.
    text: Option<String>,
    /// Null when nobody we know has the number.
    customer: Option<i64>,
    name: Option<String>,
    /// Whose message came to that number last.
    campaign: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    received_at: String,
    /// When somebody had dealt with it.
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<String>,
}

/// Lists the text messages that came back.
///
/// The newest first: what no keyword explains is for a person to read.
#[utoipa::path(
    get, path = "/api/v1/replies", operation_id = "listReplies", tag = "Inbox",
    params(Wanted),
    responses((status = 200, description = "A page of replies", body = Page<ReplyView>)),
)]
pub(super) async fn replies(
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    const LIST: &str = "replies";
    let limit = cursor::limit(wanted.limit)?;
    let before = cursor::after(wanted.cursor.as_deref(), &state.keys, LIST)?;
    let found = texts::before(
        &state.db,
        !wanted.all,
        before.unwrap_or(i64::MAX),
        limit + 1,
    )
    .await
    .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        LIST,
        found,
        limit,
        |one| one.id,
        |one| ReplyView {
            id: one.id,
            provider: one.provider,
            number: one.number,
            text: one.text,
            customer: one.customer.map(|id| id.0),
            name: one.name,
            campaign: one.campaign,
            received_at: instant(one.received_at),
            done_at: one.done_at.map(instant),
        },
    );
    cursor::answer(&page)
}

/// It is dealt with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    id: i64,
    /// Always true.
    is_done: bool,
}

/// Marks a text message as dealt with.
#[utoipa::path(
    post, path = "/api/v1/replies/{reply}/done", operation_id = "markReplyDone", tag = "Inbox",
    params(("reply" = i64, Path, description = "Its number", example = 7)),
    responses((status = 200, description = "It is dealt with", body = Done)),
)]
pub(super) async fn reply_done(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    once_around(&request, &state, &caller, &bytes, async || {
        let is_known = texts::mark_done(&state.db, id, state.clock.now_ms())
            .await
            .map_err(ApiError::unavailable)?;
        if !is_known {
            return Err(faults::nobody("reply"));
        }
        super::note(&state, &caller, "reply.done", &id.to_string(), "").await?;
        reply(StatusCode::OK, &Done { id, is_done: true })
    })
    .await
}

/// An email that came back and that a person must read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mail)]
pub(super) struct MailView {
    id: i64,
    /// `reply`, `opt_out` (of whom is not known) or `unknown`.
    #[schema(example = "reply")]
    kind: String,
    /// Of a bounce that proves nothing.
    class: Option<String>,
    /// As the mail says: anybody's claim.
    sender: Option<String>,
    subject: Option<String>,
    /// Null when it was erased.
    text: Option<String>,
    /// Whose message it answers, as its reference proves.
    customer: Option<i64>,
    name: Option<String>,
    campaign: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    received_at: String,
    /// When somebody had dealt with it.
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<String>,
}

impl From<KeptMail> for MailView {
    fn from(one: KeptMail) -> Self {
        Self {
            id: one.id,
            kind: one.kind,
            class: one.class,
            sender: one.sender,
            subject: one.subject,
            text: one.text,
            customer: one.customer.map(|id| id.0),
            name: one.name,
            campaign: one.campaign,
            received_at: instant(one.received_at),
            done_at: one.done_at.map(instant),
        }
    }
}

/// Lists the emails that a person must read.
///
/// Replies, and what nobody could tell, the newest first.
#[utoipa::path(
    get, path = "/api/v1/mails", operation_id = "listMails", tag = "Inbox",
    params(Wanted),
    responses((status = 200, description = "A page of mails", body = Page<MailView>)),
)]
pub(super) async fn mails(
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    const LIST: &str = "mails";
    let limit = cursor::limit(wanted.limit)?;
    let before = cursor::after(wanted.cursor.as_deref(), &state.keys, LIST)?;
    let found = kept::page(&state.db, !wanted.all, before, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        LIST,
        found.mails,
        limit,
        |one| one.id,
        MailView::from,
    );
    cursor::answer(&page)
}

/// Shows an email.
#[utoipa::path(
    get, path = "/api/v1/mails/{mail}", operation_id = "getMail", tag = "Inbox",
    params(("mail" = i64, Path, description = "Its number", example = 7)),
    responses((status = 200, description = "The email", body = MailView)),
)]
pub(super) async fn mail(
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let mail = kept::mail(&state.db, id.into_inner())
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| faults::nobody("mail"))?;
    super::answer(StatusCode::OK, &MailView::from(mail))
}

/// Marks an email as dealt with.
#[utoipa::path(
    post, path = "/api/v1/mails/{mail}/done", operation_id = "markMailDone", tag = "Inbox",
    params(("mail" = i64, Path, description = "Its number", example = 7)),
    responses((status = 200, description = "It is dealt with", body = Done)),
)]
pub(super) async fn mail_done(
    id: web::Path<i64>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    once_around(&request, &state, &caller, &bytes, async || {
        let is_known = kept::mark_done(&state.db, id, state.clock.now_ms())
            .await
            .map_err(ApiError::unavailable)?;
        if !is_known {
            return Err(faults::nobody("mail"));
        }
        super::note(&state, &caller, "mail.done", &id.to_string(), "").await?;
        reply(StatusCode::OK, &Done { id, is_done: true })
    })
    .await
}
