//! `GET /mail`: what came back by mail and a person must read; `GET /mail/{id}`; `POST /mail/{id}/done`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{Visit, path_segment, see_other};
use crate::reports::model::in_words;
use crate::responses::inbox::kept::{self, KeptMail};
use crate::responses::inbox::warnings::{self, Warning};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Mails on a page.
const PAGE: i64 = 50;
/// Characters of a mail that the list shows.
const BEGINNING: usize = 400;

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    /// With its noun.
    count: String,
    open: String,
    warnings: Vec<WarningView>,
    mails: Vec<Line>,
    is_first: bool,
    older: Option<i64>,
    before: Option<i64>,
}

#[derive(Debug, Serialize)]
struct WarningView {
    campaign: String,
    path: String,
    launched: String,
    class: String,
    bounces: String,
    accepted: String,
    advice: String,
}

impl WarningView {
    fn new(warning: &Warning, words: &Words) -> Self {
        Self {
            path: path_segment(&warning.campaign),
            campaign: warning.campaign.clone(),
            launched: words.moment(warning.launched_at),
            class: words.t(&in_words(&warning.class)).to_owned(),
            bounces: words.counted(
                warning.bounces.unsigned_abs(),
                "{n} message",
                "{n} messages",
            ),
            accepted: words.number(warning.accepted.unsigned_abs()),
            advice: words.t(warning.advice()).to_owned(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Line {
    id: i64,
    /// What it is, in words.
    kind: String,
    subject: Option<String>,
    text: String,
    is_cut: bool,
    is_erased: bool,
    sender: String,
    /// Whose message it answers.
    who: Option<String>,
    proof: Option<String>,
    campaign: Option<String>,
    path: String,
    received: String,
    /// When somebody had dealt with it.
    done: Option<String>,
}

impl Line {
    fn new(mail: &KeptMail, at_most: usize, words: &Words) -> Self {
        let text = mail.text.as_deref().unwrap_or_default();
        let kind = match (mail.kind.as_str(), &mail.class) {
            ("reply", _) => words.t("reply").to_owned(),
            ("opt_out", _) => words
                .t("asks for no more mail, of whom is not proved")
                .to_owned(),
            (_, Some(class)) => words.fill(
                "bounce ({class}) that proves no message of ours",
                &[("class", words.t(&in_words(class)))],
            ),
            _ => words.t("unknown").to_owned(),
        };
        Self {
            id: mail.id,
            kind,
            subject: mail.subject.clone(),
            text: text.chars().take(at_most).collect(),
            is_cut: text.chars().nth(at_most).is_some(),
            is_erased: mail.text.is_none(),
            sender: mail
                .sender
                .clone()
                .unwrap_or_else(|| words.t("nobody named").to_owned()),
            who: mail.customer.map(|id| {
                mail.name
                    .clone()
                    .unwrap_or_else(|| words.fill("customer {n}", &[("n", id.to_string())]))
            }),
            proof: mail
                .customer
                .map(|id| format!("/permission/customers/{id}")),
            path: mail
                .campaign
                .as_deref()
                .map(path_segment)
                .unwrap_or_default(),
            campaign: mail.campaign.clone(),
            received: words.moment(mail.received_at),
            done: mail.done_at.map(|at| words.moment(at)),
        }
    }
}

/// Below which mail a page begins; whatever is no number is the first page.
#[derive(Debug, Deserialize)]
pub(super) struct Before {
    before: Option<String>,
}

impl Before {
    fn number(&self) -> Option<i64> {
        self.before.as_deref()?.parse().ok()
    }
}

/// The page.
pub(super) async fn list(
    visit: Visit,
    before: web::Query<Before>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let before = before.number();
    let page = kept::page(&state.db, false, before, PAGE)
        .await
        .map_err(ApiError::unavailable)?;
    let warnings = warnings::warnings(&state.db, state.clock.now_ms())
        .await
        .map_err(ApiError::unavailable)?;
    let words = visit.words();
    let view = View {
        title: words.t("Mail").to_owned(),
        section: "mail",
        count: words.counted(page.count, "{n} mail", "{n} mails"),
        open: words.number(page.open),
        warnings: warnings
            .iter()
            .map(|warning| WarningView::new(warning, words))
            .collect(),
        mails: page
            .mails
            .iter()
            .map(|mail| Line::new(mail, BEGINNING, words))
            .collect(),
        is_first: before.is_none(),
        older: page
            .has_more
            .then(|| page.mails.last().map(|mail| mail.id))
            .flatten(),
        before,
    };
    visit.answer(&state, "mails", &view)
}

#[derive(Debug, Serialize)]
struct OneView {
    title: String,
    section: &'static str,
    mail: Line,
}

/// One mail, whole.
pub(super) async fn one(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let mail = kept::mail(&state.db, id.into_inner())
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))?;
    let words = visit.words();
    let view = OneView {
        title: words.t("Mail").to_owned(),
        section: "mail",
        mail: Line::new(&mail, usize::MAX, words),
    };
    visit.answer(&state, "mail", &view)
}

/// Marks a mail as dealt with, and leads back to the list.
pub(super) async fn mark_done(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<Before>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let now_ms = state.clock.now_ms();
    let is_known = kept::mark_done(&state.db, id, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    if !is_known {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    }
    visit.note(&state, "mail.done", &id.to_string(), "").await?;
    let back = match form.number() {
        Some(before) => format!("/mail?before={before}"),
        None => "/mail".to_owned(),
    };
    Ok(see_other(&back))
}
