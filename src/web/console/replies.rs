//! `GET /replies`: what people wrote back by SMS; `POST /replies/{id}/done`.

use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderValue, LOCATION, ORIGIN, REFERRER_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{Paging, instant, path_segment};
use crate::reports::table::{counted, thousands};
use crate::responses::texts::replies::{self, Reply};
use crate::web::{ApiError, State};

/// Replies on a page.
const PAGE: u32 = 50;

#[derive(Debug, Serialize)]
struct View {
    title: &'static str,
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
    fn new(reply: &Reply) -> Self {
        Self {
            id: reply.id,
            text: reply.text.clone().unwrap_or_default(),
            is_erased: reply.text.is_none(),
            number: reply
                .number
                .clone()
                .unwrap_or_else(|| "number erased".to_owned()),
            who: reply.customer.map(|id| {
                reply
                    .name
                    .clone()
                    .unwrap_or_else(|| format!("customer {id}"))
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
            received: instant(reply.received_at),
            done: reply.done_at.map(instant),
        }
    }
}

/// The page.
pub(super) async fn list(
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
    let view = View {
        title: "Replies",
        section: "replies",
        count: counted(page.count, "reply", "replies"),
        open: thousands(page.open),
        replies: page.replies.iter().map(Line::new).collect(),
        page: index + 1,
        is_paged: newer.is_some() || older.is_some(),
        newer,
        older,
    };
    let mut response = state.pages.answer("replies", &view)?;
    // Without a referrer a browser would not say where the form of this page comes from.
    response
        .headers_mut()
        .insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Ok(response)
}

/// From which page somebody marks a reply.
#[derive(Debug, Deserialize)]
pub(super) struct Back {
    page: Option<String>,
}

/// Marks a reply as dealt with, and leads back to the list.
pub(super) async fn mark_done(
    request: HttpRequest,
    id: web::Path<i64>,
    form: web::Form<Back>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    if !is_of_own_page(&request) {
        return Err(ApiError::new(StatusCode::FORBIDDEN));
    }
    let now_ms = state.clock.now_ms();
    let is_known = replies::mark_done(&state.db, id.into_inner(), now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    if !is_known {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    }
    let page = Paging {
        page: form.into_inner().page,
    };
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("/replies?page={}", page.index() + 1)))
        .finish())
}

/// Whether a form comes from a page of ours: the console knows no login, so a page of another site must not be
/// able to press its buttons. A program that is no browser names no origin.
pub(super) fn is_of_own_page(request: &HttpRequest) -> bool {
    let header = |name| {
        let value = request.headers().get(name);
        value.map(|value: &HeaderValue| value.to_str().unwrap_or("?"))
    };
    match (header(ORIGIN), header(HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    }
}
