//! `/settings`: one's own account, the people and programs that work here, the ways out, the rules, and who
//! changed what.

mod audit;
mod profile;
mod relays;
mod rules;
mod senders;
mod tokens;
mod two_factors;
mod users;
mod webhooks;

use actix_web::http::header::HOST;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::{Visit, door, place};
use crate::accounts::model::Right;
use crate::channels::check;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// What copies a value at a click.
const SCRIPT: &str = "/assets/settings.js";

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(door("/settings", "GET").route(web::get().to(overview)))
        .service(
            door("/settings/profile", "GET, POST")
                .route(web::get().to(profile::page))
                .route(web::post().to(profile::save)),
        )
        .service(
            door("/settings/profile/password", "POST")
                .route(web::post().to(profile::change_password)),
        )
        .service(
            door("/settings/profile/sessions", "POST").route(web::post().to(profile::end_session)),
        )
        .service(
            door("/settings/profile/two-factors", "GET, POST")
                .route(web::get().to(two_factors::page))
                .route(web::post().to(two_factors::turn_on)),
        )
        .service(
            door("/settings/profile/two-factors/off", "POST")
                .route(web::post().to(two_factors::turn_off)),
        )
        .service(
            door("/settings/profile/recovery-codes", "POST")
                .route(web::post().to(two_factors::renew_codes)),
        )
        .service(
            place("/settings/users", "GET, POST", Right::Administer)
                .route(web::get().to(users::list))
                .route(web::post().to(users::invite)),
        )
        .service(
            place("/settings/users/{id}", "GET, POST", Right::Administer)
                .route(web::get().to(users::page))
                .route(web::post().to(users::change)),
        )
        .service(
            place("/settings/tokens", "GET, POST", Right::Administer)
                .route(web::get().to(tokens::list))
                .route(web::post().to(tokens::make)),
        )
        .service(
            place("/settings/tokens/{id}/revoke", "POST", Right::Administer)
                .route(web::post().to(tokens::revoke)),
        )
        .service(
            place("/settings/webhooks", "GET, POST", Right::Administer)
                .route(web::get().to(webhooks::list))
                .route(web::post().to(webhooks::add)),
        )
        .service(
            place("/settings/webhooks/{id}", "GET, POST", Right::Administer)
                .route(web::get().to(webhooks::page))
                .route(web::post().to(webhooks::change)),
        )
        .service(place("/settings/senders", "GET", Right::Plan).route(web::get().to(senders::list)))
        .service(
            place("/settings/senders/{domain}", "GET", Right::Plan)
                .route(web::get().to(senders::page)),
        )
        .service(place("/settings/relays", "GET", Right::Plan).route(web::get().to(relays::list)))
        .service(
            place("/settings/relays/test", "POST", Right::Administer)
                .route(web::post().to(relays::test)),
        )
        .service(door("/settings/rules", "GET").route(web::get().to(rules::page)))
        .service(
            place("/settings/audit", "GET", Right::Administer).route(web::get().to(audit::page)),
        )
        .service(
            place("/settings/audit.csv", "GET", Right::Administer)
                .route(web::get().to(audit::file)),
        );
}

/// What was done before, in the address of the page that follows.
#[derive(Debug, Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    /// It in words; an unknown word says nothing.
    fn said<'a>(&self, words: &'a Words) -> Option<&'a str> {
        Some(match self.done.as_str() {
            "profile" => words.t("Saved."),
            "password" => words.t("The password is changed. All other sessions have ended."),
            "session" => words.t("The session has ended."),
            "sessions" => words.t("All other sessions have ended."),
            "factors-off" => words.t("The second factor is off."),
            "role" => words.t("The role is changed. It holds from the next click."),
            "disabled" => words.t("The user is shut out. All sessions have ended."),
            "enabled" => words.t("The user may sign in again."),
            "revoked" => {
                words.t("The token is revoked. Programs that use it are refused from now on.")
            }
            "webhook" => words.t("The endpoint is changed."),
            "webhook-removed" => words.t("The endpoint is removed."),
            _ => return None,
        })
    }
}

#[derive(Debug, Serialize)]
struct Overview<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
}

/// What there is to set.
async fn overview(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let view = Overview {
        title: visit.words().t("Settings"),
        section: "settings",
        tab: "overview",
    };
    visit.answer(&state, "settings", &view)
}

/// Scheme and host by which this browser reaches the console, for links that are handed on.
pub(in crate::web::console) fn console_url(request: &HttpRequest, state: &State) -> String {
    if let Some(oidc) = &state.settings.accounts.oidc {
        return oidc.console_url.clone();
    }
    let host = request.headers().get(HOST);
    let host = host
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    // Elsewhere browsers keep no session without TLS, so it is there.
    let is_local = state.settings.web.console_listen.ip().is_loopback()
        && (host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]"));
    let scheme = if is_local { "http" } else { "https" };
    format!("{scheme}://{host}")
}
