//! `GET /c/{token}`: counts the click and leads on.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, web};

use super::{header, made_by, read};
use crate::ids::DeliveryKey;
use crate::responses::judge::Visit;
use crate::responses::links;
use crate::responses::model::{MadeBy, Response, What};
use crate::tokens::{LinkKind, LinkToken, short_code};
use crate::web::{ApiError, State, limits};

/// Redirects (302) to where the link of the frozen template leads. The token carries no destination, so
/// nobody can make it lead elsewhere.
pub(super) async fn follow(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Some((delivery, LinkKind::Click(number))) = read(&token, &state) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    };
    lead(&request, &state, delivery, number)
        .await?
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))
}

/// Counts a click and leads on; `None` when the link leads nowhere.
pub(super) async fn lead(
    request: &HttpRequest,
    state: &State,
    delivery: DeliveryKey,
    number: u16,
) -> Result<Option<HttpResponse>, ApiError> {
    let found = state.destinations.find(&state.db, delivery, number).await?;
    let Some(link) = found else {
        return Ok(None);
    };
    let at = state.clock.now_ms();
    let mut made_by = made_by(request);
    if made_by.is_person()
        && let Visit::Scan(earlier) = visit(request, state, delivery, at)
    {
        made_by = MadeBy::Scanner;
        for delivery in earlier {
            state
                .responses
                .record(Response {
                    delivery,
                    what: What::Scan,
                    made_by,
                    at,
                })
                .await;
        }
    }
    state
        .responses
        .record(Response {
            delivery,
            what: What::Click {
                link: number,
                part: link.part,
            },
            made_by,
            at,
        })
        .await;
    let passes_token = state.settings.tracking.pass_token || links::asks_for_token(&link.url);
    let url = if passes_token {
        links::with_token(&link.url, &token_of(delivery, number, state))
    } else {
        link.url.to_string()
    };
    let answer = HttpResponse::Found()
        .insert_header((LOCATION, url))
        .finish();
    Ok(Some(answer))
}

/// Counts whose links this visitor follows. One who comes through a proxy that is not known as ours is not
/// counted: its address stands for everybody behind it.
fn visit(request: &HttpRequest, state: &State, delivery: DeliveryKey, at: i64) -> Visit {
    let web = &state.settings.web;
    match limits::visitor(request, web) {
        Some(ip) if !limits::is_behind_unknown_proxy(request, web) => {
            let agent = header(request, USER_AGENT).unwrap_or_default();
            state.visitors.visit(ip, agent, delivery, at)
        }
        _ => Visit::Ordinary,
    }
}

/// What the shop can give back with an order: the token of the link, in its short form where it has one.
fn token_of(delivery: DeliveryKey, number: u16, state: &State) -> String {
    let token = LinkToken {
        delivery,
        kind: LinkKind::Click(number),
    };
    short_code(token, &state.keys).unwrap_or_else(|| token.encode(&state.keys))
}
