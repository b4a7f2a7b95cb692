//! `/u/{token}`: the page with the button, and the one-click POST (RFC 8058).
//!
//! The token is the authority: no cookie, no login, no CSRF check, no redirect. GET and HEAD change
//! nothing, since scanners fetch every link.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::preferences::{self, topic_title};
use super::read;
use super::words::{Language, Words};
use crate::consent::model::Channel;
use crate::dialogue;
use crate::ids::DeliveryKey;
use crate::responses::opt_out::{self, Choice, Invitation, Source};
use crate::tokens::LinkKind;
use crate::web::{ApiError, BODY_LIMIT, State};

/// How long the body of a request may take; a form is a few dozen bytes.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// What the templates show.
#[derive(Debug, Serialize)]
struct View<'a> {
    language: &'static str,
    words: &'static Words,
    title: &'static str,
    /// As the customer reads it; `None` when there is only everything to stop.
    topic: Option<String>,
    /// Who wrote, if the message is still known.
    sender: Option<&'a str>,
    is_sms: bool,
    /// Whether the topic, or everything, is off.
    is_topic: bool,
    is_everything: bool,
    /// The preference centre; `None` for who was erased.
    preferences: Option<String>,
    preferences_words: &'static str,
}

impl<'a> View<'a> {
    fn new(request: &HttpRequest, state: &State, invitation: Option<&'a Invitation>) -> Self {
        let own = invitation
            .and_then(|invitation| invitation.language.as_deref())
            .and_then(Language::from_tag);
        let language = own.unwrap_or_else(|| {
            let header = request.headers().get(ACCEPT_LANGUAGE);
            Language::from_header(header.and_then(|header| header.to_str().ok()))
        });
        Self {
            language: language.code(),
            words: language.words(),
            title: language.words().unsubscribe_title,
            topic: invitation
                .and_then(|invitation| invitation.topic.as_deref())
                .map(|topic| topic_title(state, language, topic)),
            sender: invitation.and_then(|invitation| invitation.sender.as_deref()),
            is_sms: invitation.is_some_and(|invitation| invitation.channel == Channel::Sms),
            is_topic: false,
            is_everything: false,
            preferences: invitation
                .and_then(|invitation| invitation.customer)
                .map(|customer| preferences::path(state, customer)),
            preferences_words: language.preferences().link,
        }
    }
}

/// The page: what may be stopped, each with its button, and what is off already. The customer's language, or
/// the browser's.
pub(super) async fn page(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let delivery = delivery(&token, &state)?;
    let invitation = opt_out::invitation(&state.db, delivery).await?;
    let mut view = View::new(&request, &state, invitation.as_ref());
    if let Some(invitation) = &invitation
        && let Some(customer) = invitation.customer
    {
        let (channel, topic) = (invitation.channel, invitation.topic.as_deref());
        let now = state.clock.now_ms();
        let out = dialogue::preferences::out(&state.db, customer, channel, topic, now).await?;
        view.is_topic = out.of_topic;
        view.is_everything = out.of_everything;
    }
    if view.is_topic || view.is_everything {
        view.title = view.words.already_title;
    }
    state.pages.answer("unsubscribe", &view)
}

/// Opts out, then says so. Any body will do, since the token says it all: RFC 8058's
/// `List-Unsubscribe=One-Click` (url-encoded or multipart), our page's `scope`, or nothing.
pub(super) async fn opt_out(
    request: HttpRequest,
    token: web::Path<String>,
    body: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let delivery = delivery(&token, &state)?;
    let body = read_some(body).await;
    let kind = request.headers().get(CONTENT_TYPE);
    let (choice, source) = wish(kind.and_then(|kind| kind.to_str().ok()), &body);
    let now = state.clock.now_ms();
    let invitation = opt_out::opt_out(&state.db, delivery, choice, source, now).await?;
    let mut view = View::new(&request, &state, invitation.as_ref());
    view.title = view.words.done_title;
    view.is_topic = true;
    view.is_everything = choice == Choice::Everything || view.topic.is_none();
    state.pages.answer("unsubscribed", &view)
}

/// The body as far as it comes: what is too long, too slow or broken off says nothing, and the token says
/// enough.
async fn read_some(body: web::Payload) -> web::Bytes {
    let read = tokio::time::timeout(BODY_WITHIN, body.to_bytes_limited(BODY_LIMIT)).await;
    match read {
        Ok(Ok(Ok(body))) => body,
        _ => web::Bytes::new(),
    }
}

fn delivery(token: &str, state: &State) -> Result<DeliveryKey, ApiError> {
    match read(token, state) {
        Some((delivery, LinkKind::Unsubscribe)) => Ok(delivery),
        _ => Err(ApiError::new(StatusCode::NOT_FOUND)),
    }
}

/// What a body asks for, and which way it came.
fn wish(content_type: Option<&str>, body: &[u8]) -> (Choice, Source) {
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let body = String::from_utf8_lossy(body);
    let field = |name: &str| -> Option<String> {
        if content_type.starts_with("multipart/form-data") {
            multipart_field(&body, name)
        } else {
            url_encoded_field(&body, name)
        }
    };
    if field("List-Unsubscribe").is_some_and(|value| value.eq_ignore_ascii_case("One-Click")) {
        return (Choice::Topic, Source::OneClick);
    }
    match field("scope").as_deref() {
        Some("all") => (Choice::Everything, Source::Page),
        Some("topic") => (Choice::Topic, Source::Page),
        _ => (Choice::Topic, Source::Link),
    }
}

fn url_encoded_field(body: &str, name: &str) -> Option<String> {
    let fields = web::Query::<Vec<(String, String)>>::from_query(body.trim()).ok()?;
    fields
        .into_inner()
        .into_iter()
        .find(|(field, _)| field == name)
        .map(|(_, value)| value)
}

/// A short text field of a multipart body (RFC 7578): what stands between the blank line after its
/// `name="…"` and the next line. Enough for one-word values, and never more than the body holds.
fn multipart_field(body: &str, name: &str) -> Option<String> {
    let mut lines = body.lines();
    let wanted = format!("name=\"{name}\"").to_ascii_lowercase();
    lines.find(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("content-disposition:") && line.contains(&wanted)
    })?;
    lines.find(|line| line.trim().is_empty())?;
    lines.next().map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    const MULTIPART: Option<&str> = Some("multipart/form-data; boundary=x");

    #[test]
    fn one_click_is_understood_in_both_forms() {
        let one_click = (Choice::Topic, Source::OneClick);
        assert_eq!(wish(FORM, b"List-Unsubscribe=One-Click"), one_click);
        assert_eq!(wish(None, b"List-Unsubscribe=One-Click\r\n"), one_click);
        let multipart = b"--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
        assert_eq!(wish(MULTIPART, multipart), one_click);
    }

    #[test]
    fn the_page_s_buttons_are_told_apart() {
        assert_eq!(wish(FORM, b"scope=topic"), (Choice::Topic, Source::Page));
        assert_eq!(wish(FORM, b"scope=all"), (Choice::Everything, Source::Page));
    }

    #[test]
    fn whatever_else_comes_is_an_opt_out_from_the_topic() {
        for body in [
            b"".as_slice(),
            b"{\"a\":1}",
            b"\xff\xfe\x00",
            b"scope=nonsense",
        ] {
            assert_eq!(
                wish(Some("application/json"), body),
                (Choice::Topic, Source::Link)
            );
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(kind in "(multipart/form-data|.{0,20})", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = wish(Some(&kind), &body);
        }
    }
}
