//! Where the team works: whoever signed in sees and does what his role allows, in his language.
//!
//! Promise: every page needs a user but those by which one comes in; no page needs a script; GET changes nothing; a
//! form of another site is refused before it is read.

mod assets;
mod calendar;
mod campaigns;
mod compare;
mod customers;
mod dashboard;
pub(super) mod entry;
mod grid;
pub(in crate::web) mod imports;
mod improve;
mod mail;
mod oidc;
pub mod outbox;
pub mod permission;
mod replies;
mod report;
mod report_cells;
mod results;
mod sandbox;
mod second_step;
mod segments;
mod settings;
mod shared;
mod standing;
mod templates;
mod visit;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, Resource};
use serde::Serialize;

use super::words::Words;
use super::{ApiError, configure_errors, frame, not_found, probes, resource};
use crate::accounts::model::Right;
use crate::reports::figures::Rate;

pub(super) use visit::{Visit, forbidden};

/// A place whose visitors have this right; the frame sees to it.
fn place(
    path: &str,
    allow: &'static str,
    right: Right,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    resource(path, allow).wrap(from_fn(move |request, next| {
        frame::signed_in(Some(right), request, next)
    }))
}

/// A place for everybody who signed in.
fn door(
    path: &str,
    allow: &'static str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    resource(path, allow).wrap(from_fn(move |request, next| {
        frame::signed_in(None, request, next)
    }))
}

/// A place before the door.
fn place_for_all(
    path: &str,
    allow: &'static str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    resource(path, allow).wrap(from_fn(frame::console))
}

/// Takes forms of at most `limit` bytes, where those of other places are too short.
fn long_form<T>(resource: Resource<T>, limit: usize) -> Resource<T>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        >,
{
    let too_long = |_, _: &HttpRequest| {
        ApiError::new(StatusCode::BAD_REQUEST)
            .with_detail("The form could not be read, or is too long.")
            .into()
    };
    resource.app_data(
        web::FormConfig::default()
            .limit(limit)
            .error_handler(too_long),
    )
}

/// The name of who did something: the number beside it is for the audit log.
fn person(actor: &str) -> &str {
    let user = actor.strip_prefix("user ");
    let user = user.and_then(|user| user.split_once(' '));
    let token = actor.strip_prefix("token ");
    let token = token.map(|token| token.rsplit_once(" (").map_or(token, |(name, _)| name));
    user.map(|(_, name)| name).or(token).unwrap_or(actor)
}

/// Leads on after a form was taken (RFC 9110 §15.4.4); `path` is ours.
fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, path))
        .finish()
}

/// Registers the console's routes; `web::Data<State>` must be among the app's data.
pub fn configure_console(config: &mut ServiceConfig) {
    configure_errors(config);
    config.default_service(web::route().to(not_found).wrap(from_fn(frame::console)));
    entry::configure(config);
    settings::configure(config);
    campaigns::configure(config);
    customers::configure(config);
    imports::configure(config);
    templates::configure(config);
    config
        .service(place_for_all("/assets/{name}", "GET").route(web::get().to(assets::file)))
        .service(place_for_all("/favicon.ico", "GET").route(web::get().to(assets::icon)))
        .service(place("/", "GET", Right::Reports).route(web::get().to(dashboard::page)))
        .service(place("/calendar", "GET", Right::Reports).route(web::get().to(calendar::page)))
        .service(
            place("/calendar/move", "POST", Right::Launch).route(web::post().to(calendar::move_to)),
        )
        .service(
            place("/calendar/key", "POST", Right::Reports)
                .route(web::post().to(calendar::renew_key)),
        )
        .service(
            place("/calendar/key/forget", "POST", Right::Reports)
                .route(web::post().to(calendar::forget_key)),
        )
        // Programs that read it cannot sign in: its address holds a secret.
        .service(place_for_all("/calendar.ics", "GET").route(web::get().to(calendar::ics)))
        .configure(report::configure)
        .service(
            place("/permission", "GET", Right::Reports).route(web::get().to(permission::ladder)),
        )
        .service(
            place("/permission/customers/{id}", "GET", Right::People)
                .route(web::get().to(permission::proof)),
        )
        .configure(segments::configure)
        .service(place("/replies", "GET", Right::People).route(web::get().to(replies::list)))
        .service(
            place("/replies/{id}/done", "POST", Right::EditPeople)
                .route(web::post().to(replies::mark_done)),
        )
        .service(place("/mail", "GET", Right::People).route(web::get().to(mail::list)))
        .service(place("/mail/{id}", "GET", Right::People).route(web::get().to(mail::one)))
        .service(
            place("/mail/{id}/done", "POST", Right::EditPeople)
                .route(web::post().to(mail::mark_done)),
        )
        .service(place("/outbox", "GET", Right::People).route(web::get().to(sandbox::list)))
        .service(
            place("/outbox/{number}", "GET", Right::People).route(web::get().to(sandbox::message)),
        )
        .service(
            resource("/healthz", "GET, HEAD")
                .route(web::get().to(probes::health))
                .route(web::head().to(probes::health))
                .wrap(from_fn(frame::console)),
        )
        .service(
            resource("/readyz", "GET, HEAD")
                .route(web::get().to(probes::ready))
                .route(web::head().to(probes::ready))
                .wrap(from_fn(frame::console)),
        )
        .service(
            resource("/metrics", "GET")
                .route(web::get().to(probes::metrics))
                .wrap(from_fn(frame::console)),
        );
}

/// A rate as the pages show it.
#[derive(Debug, Serialize)]
struct RateView {
    count: String,
    /// The count with its noun: `1 responder`.
    responders: String,
    total: String,
    /// `6.13 %`, or a dash.
    value: String,
    /// `95 % interval 5.47 % to 6.86 %`, or why there is none.
    interval: String,
    /// `5.47 – 6.86 %`, or nothing.
    range: String,
}

impl RateView {
    /// As a page says it in the reader's language.
    fn in_words(rate: &Rate, words: &Words) -> Self {
        let ends = rate.interval_95.map(|interval| {
            let ends = [interval.low, interval.high].map(|end| words.percent(Some(end)));
            (ends, words.range(interval.low, interval.high))
        });
        Self {
            count: words.number(rate.count),
            responders: words.counted(rate.count, "{n} responder", "{n} responders"),
            total: words.number(rate.of),
            value: words.percent(rate.value),
            interval: match &ends {
                Some(([low, high], _)) => words.fill(
                    "95 % interval {low} to {high}",
                    &[("low", low), ("high", high)],
                ),
                None => words.t("No interval yet").to_owned(),
            },
            range: ends.map_or_else(String::new, |(_, range)| range),
        }
    }
}

/// An instant of a report (RFC 3339) in the reader's words.
fn told(rfc3339: &str, words: &Words) -> String {
    chrono::DateTime::parse_from_rfc3339(rfc3339).map_or_else(
        |_| rfc3339.to_owned(),
        |at| words.moment(at.timestamp_millis()),
    )
}

/// An instant of a report (RFC 3339, UTC) as the pages show it.
fn spoken(rfc3339: &str) -> String {
    let minute = rfc3339.get(..16).unwrap_or(rfc3339);
    format!("{} UTC", minute.replace('T', " "))
}

/// A text as one segment of a URL's path (RFC 3986 §2.3: all but the unreserved is encoded).
fn path_segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

/// The number of a page asked for, counted from 1; whatever is not a number is the first.
#[derive(Debug, serde::Deserialize)]
struct Paging {
    page: Option<String>,
}

impl Paging {
    /// Counted from 0 and bounded, so that no offset overflows.
    fn index(&self) -> u32 {
        let page = self.page.as_deref().unwrap_or("1");
        page.parse::<u32>().unwrap_or(1).clamp(1, 1_000_000) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_of_a_path() {
        assert_eq!(path_segment("été/50 %"), "%C3%A9t%C3%A9%2F50%20%25");
        assert_eq!(path_segment("super-chef_2.0"), "super-chef_2.0");
    }

    #[test]
    fn odd_pages_are_the_first() {
        for (page, index) in [
            (None, 0),
            (Some("2"), 1),
            (Some("0"), 0),
            (Some("-1"), 0),
            (Some("x"), 0),
        ] {
            let paging = Paging {
                page: page.map(str::to_owned),
            };
            assert_eq!(paging.index(), index);
        }
    }
}
