//! The links in messages (click, open, unsubscribe, preferences, confirm) and the sign-up form. They stand
//! without login, with any mail program or scanner in front.

mod browser;
mod click;
mod confirm;
mod cors;
mod open;
mod preferences;
mod short;
mod sign_up;
mod trap;
mod unsubscribe;
pub(super) mod words;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap, HeaderName, USER_AGENT};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use super::{State, api, configure_errors, frame, hooks, limits, not_found, probes, resource};
use crate::consent::model::Details;
use crate::ids::DeliveryKey;
use crate::responses::judge;
use crate::responses::model::MadeBy;
use crate::tokens::{LinkKind, LinkToken};
use words::Language;

/// Registers the public routes; `web::Data<State>` must be among the app's data.
///
/// The message as a page, `/v/{token}`, stands where messages are rendered, not here.
pub fn configure_public(config: &mut ServiceConfig) {
    configure_errors(config);
    config.default_service(web::route().to(not_found).wrap(from_fn(frame::public)));
    hooks::configure(config);
    api::configure(config);
    config
        .service(
            resource("/c/{token}", "GET, HEAD")
                .route(web::get().to(click::follow))
                .route(web::head().to(click::follow))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/o/{token}.gif", "GET, HEAD")
                .route(web::get().to(open::pixel))
                .route(web::head().to(open::pixel))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/t/{token}", "GET, HEAD")
                .route(web::get().to(trap::spring))
                .route(web::head().to(trap::spring))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/u/{token}", "GET, HEAD, POST")
                .route(web::get().to(unsubscribe::page))
                .route(web::head().to(unsubscribe::page))
                .route(web::post().to(unsubscribe::opt_out))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/p/{token}", "GET, HEAD, POST")
                .route(web::get().to(preferences::page))
                .route(web::head().to(preferences::page))
                .route(web::post().to(preferences::choose))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/v/{token}", "GET, HEAD")
                .route(web::get().to(browser::page))
                .route(web::head().to(browser::page))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/confirm/{token}", "GET, HEAD, POST")
                .route(web::get().to(confirm::page))
                .route(web::head().to(confirm::page))
                .route(web::post().to(confirm::confirm))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/sign-up", "GET, HEAD, POST")
                .route(web::get().to(sign_up::page))
                .route(web::head().to(sign_up::page))
                .route(web::post().to(sign_up::send))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/sign-up/{topic}", "GET, HEAD, POST")
                .route(web::get().to(sign_up::page_of))
                .route(web::head().to(sign_up::page_of))
                .route(web::post().to(sign_up::send_of))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/api/sign-up", "POST, OPTIONS")
                .route(web::post().to(sign_up::api))
                .route(web::method(Method::OPTIONS).to(cors::preflight))
                .wrap(from_fn(frame::public))
                .wrap(from_fn(cors::allow)),
        )
        .service(
            resource(short::PATH, "GET, HEAD")
                .route(web::get().to(short::follow))
                .route(web::head().to(short::follow))
                .wrap(from_fn(frame::public)),
        )
        .service(
            resource("/healthz", "GET, HEAD")
                .route(web::get().to(probes::health))
                .route(web::head().to(probes::health))
                .wrap(from_fn(frame::public)),
        );
}

/// The delivery and kind a token proves; `None` for whatever we did not write.
fn read(token: &str, state: &State) -> Option<(DeliveryKey, LinkKind)> {
    LinkToken::decode(token, &state.keys).map(|token| (token.delivery, token.kind))
}

/// The text of a header; `None` when it is absent or not ASCII.
fn header(request: &HttpRequest, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

/// The language a browser asks for.
fn browser_language(request: &HttpRequest) -> Language {
    Language::from_header(header(request, ACCEPT_LANGUAGE))
}

/// From where something was said, for the evidence.
fn details(request: &HttpRequest, state: &State, page_url: Option<String>) -> Details {
    /// Characters of what a stranger sends that are kept.
    const KEPT: usize = 400;
    let agent = header(request, USER_AGENT);
    Details {
        ip: limits::visitor(request, &state.settings.web).map(|ip| ip.to_string()),
        user_agent: agent.map(|agent| agent.chars().take(KEPT).collect()),
        page_url: page_url.map(|url| url.chars().take(KEPT).collect()),
    }
}

/// Who made the request, as far as it shows.
fn made_by(request: &HttpRequest) -> MadeBy {
    let headers = request.headers();
    judge::by_request(judge::Request {
        is_head: request.method() == actix_web::http::Method::HEAD,
        is_prefetch: is_prefetch(headers),
        user_agent: headers
            .get(USER_AGENT)
            .and_then(|agent| agent.to_str().ok()),
    })
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .any(|purpose| purpose.contains("prefetch") || purpose.contains("preview"))
}
