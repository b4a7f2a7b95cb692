//! `GET /replies`: what people wrote back by SMS; `POST /replies/{id}/done`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{Paging, Visit, path_segment, see_other};
use crate::responses::texts::replies::{self, Reply};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Replies on a page.
const PAGE: u32 = 50;

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    /// With its noun.
    count: String,
    open: String,
    replies: Vec<Line>,
    /// Of this page, counted from 1.
    page: u32,
    is_paged: bool,
    newer: Option<String>,
    older: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: i64,
    text: String,
    is_erased: bool,
    number: String,
    /// Who wrote, as far as we know.
    who: Option<String>,
    proof: Option<String>,
    campaign: Option<String>,
    path: String,
    received: String,
    /// When somebody had dealt with it.
    done: Option<String>,
}

impl Line {
    fn new(reply: &Reply, words: &Words) -> Self {
        Self {
            id: reply.id,
            text: reply.text.clone().unwrap_or_default(),
            is_erased: reply.text.is_none(),
            number: reply
                .number
                .clone()
                .unwrap_or_else(|| words.t("number erased").to_owned()),
            who: reply.customer.map(|id| {
                reply
                    .name
                    .clone()
                    .unwrap_or_else(|| words.fill("customer {n}", &[("n", id.to_string())]))
            }),
            proof: reply
                .customer
                .map(|id| format!("/permission/customers/{id}")),
            path: reply
                .campaign
                .as_deref()
                .map(path_segment)
                .unwrap_or_default(),
            campaign: reply.campaign.clone(),
            received: words.moment(reply.received_at),
            done: reply.done_at.map(|at| words.moment(at)),
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
    let page = replies::page(&state.db, false, offset, i64::from(PAGE))
        .await
        .map_err(ApiError::unavailable)?;
    let has_older = page.count > u64::from(index + 1) * u64::from(PAGE);
    let newer = (index > 0).then(|| format!("/replies?page={index}"));
    let older = has_older.then(|| format!("/replies?page={}", index + 2));
    let words = visit.words();
    let view = View {
        title: words.t("Replies").to_owned(),
        section: "replies",
        count: words.counted(page.count, "{n} reply", "{n} replies"),
        open: words.number(page.open),
        replies: page
            .replies
            .iter()
            .map(|reply| Line::new(reply, words))
            .collect(),
        page: index + 1,
        is_paged: newer.is_some() || older.is_some(),
        newer,
        older,
    };
    visit.answer(&state, "replies", &view)
}

/// From which page somebody marks a reply.
#[derive(Debug, Deserialize)]
pub(super) struct Back {
    page: Option<String>,
}

/// Marks a reply as dealt with, and leads back to the list.
pub(super) async fn mark_done(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<Back>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let now_ms = state.clock.now_ms();
    let is_known = replies::mark_done(&state.db, id, now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    if !is_known {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    }
    visit
        .note(&state, "reply.done", &id.to_string(), "")
        .await?;
    let page = Paging {
        page: form.into_inner().page,
    };
    Ok(see_other(&format!("/replies?page={}", page.index() + 1)))
}
