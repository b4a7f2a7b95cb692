//! Any provider that takes one message a request, described in the settings.

use std::fmt;

use chrono::{DateTime, Utc};
use handlebars::{Handlebars, no_escape};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;
use serde_json::Value;

use super::{Account, address, plain_code, posted, word};
use crate::channels::model::Class;
use crate::channels::sms::model::{
    Failure, Handed, Inbound, Receipt, ReceiptState, SmsEvent, SmsMessage,
};
use crate::channels::sms::provider::{Answer, PathSecret, Post, PostError, PostKind, Provider};
use crate::config::{AnswerSettings, ConfigError, HttpSettings, InboundSettings, ReceiptSettings};
use crate::templates::sms::Encoding;

/// The name of the body's template.
const BODY: &str = "body";

/// An account described in the settings.
pub struct Http {
    url: Url,
    method: Method,
    format: Format,
    /// Its body, whose values are escaped as its format wants.
    body: Handlebars<'static>,
    /// Its headers, by name.
    headers: Handlebars<'static>,
    names: Vec<HeaderName>,
    content_type: HeaderValue,
    is_idempotent: bool,
    answer: AnswerSettings,
    receipts: Option<ReceiptSettings>,
    inbound: Option<InboundSettings>,
    receipt_url: String,
    path: PathSecret,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The templates of headers hold passwords.
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// What the body is, and so how a value in it is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Form,
    Xml,
    Other,
}

impl Format {
    fn of(content_type: &str) -> Self {
        let content_type = content_type.to_ascii_lowercase();
        if content_type.contains("json") {
            Self::Json
        } else if content_type.contains("form-urlencoded") {
            Self::Form
        } else if content_type.contains("xml") {
            Self::Xml
        } else {
            Self::Other
        }
    }

    fn escape(self) -> fn(&str) -> String {
        match self {
            Self::Json => |value| {
                let quoted = Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            },
            Self::Form => |value| form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            Self::Xml => |value| {
                value
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
                    .replace('"', "&quot;")
                    .replace('\'', "&apos;")
            },
            Self::Other => no_escape,
        }
    }

    /// Whether a value can stand in it: what it cannot escape must not change its meaning.
    fn can_hold(self, value: &str) -> bool {
        match self {
            Self::Json | Self::Form => true,
            Self::Xml => !value
                .chars()
                .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')),
            Self::Other => !value.chars().any(char::is_control),
        }
    }
}

/// The names of [`Values`].
const NAMES: [&str; 7] = [
    "to",
    "sender",
    "text",
    "reference",
    "parts",
    "encoding",
    "receipt_url",
];

/// What the templates may name.
#[derive(Serialize)]
struct Values<'a> {
    to: &'a str,
    sender: &'a str,
    text: &'a str,
    reference: &'a str,
    parts: usize,
    encoding: Encoding,
    receipt_url: &'a str,
}

impl Http {
    /// # Errors
    /// Names the key of what is missing or wrong: a template that cannot be filled in is found here.
    pub fn new(account: Account, settings: &HttpSettings) -> Result<Self, ConfigError> {
        let key = format!("{}.http", account.key);
        let content_type = settings.content_type.as_deref();
        let content_type = content_type.unwrap_or("application/json");
        let format = Format::of(content_type);
        let mut this = Self {
            url: address(&key, &settings.url, "")?,
            method: method(&key, settings.method.as_deref())?,
            format,
            body: Handlebars::new(),
            headers: Handlebars::new(),
            names: Vec::new(),
            content_type: HeaderValue::from_str(content_type).map_err(|cause| {
                ConfigError::key(&format!("{key}.content_type"), cause.to_string())
            })?,
            is_idempotent: settings.is_idempotent,
            answer: settings.answer.clone(),
            receipts: settings.receipts.clone(),
            inbound: settings.inbound.clone(),
            receipt_url: account.hooks.receipt,
            path: account.secret,
        };
        this.compile(&key, settings)?;
        this.check_places(&key)?;
        this.try_out(&key, settings)?;
        Ok(this)
    }

    fn compile(&mut self, key: &str, settings: &HttpSettings) -> Result<(), ConfigError> {
        for templates in [&mut self.body, &mut self.headers] {
            templates.set_strict_mode(true);
        }
        self.body.register_escape_fn(self.format.escape());
        self.headers.register_escape_fn(no_escape);
        let key_of_body = format!("{key}.body");
        if is_unescaped(&settings.body) {
            return Err(ConfigError::key(
                &key_of_body,
                "must not have {{{ or {{&: a text with a quote in it would change the request",
            ));
        }
        let wrong = |key: &str, cause: &dyn fmt::Display| {
            ConfigError::key(key, format!("is no template: {cause}"))
        };
        self.body
            .register_template_string(BODY, &settings.body)
            .map_err(|cause| wrong(&key_of_body, &cause))?;
        for (name, value) in &settings.headers {
            let key = format!("{key}.headers.{name}");
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|cause| ConfigError::key(&key, cause.to_string()))?;
            // The cause would show the header, which may hold a password.
            self.headers
                .register_template_string(name.as_str(), value.expose())
                .map_err(|_cause| ConfigError::key(&key, "is no template"))?;
            self.names.push(name);
        }
        Ok(())
    }

    fn check_places(&self, key: &str) -> Result<(), ConfigError> {
        let answer = &self.answer;
        let mut places = vec![
            ("answer.message_id", answer.message_id.as_ref()),
            ("answer.status", answer.status.as_ref()),
        ];
        if let Some(receipts) = &self.receipts {
            places.extend([
                ("receipts.list", receipts.list.as_ref()),
                ("receipts.reference", receipts.reference.as_ref()),
                ("receipts.message_id", receipts.message_id.as_ref()),
                ("receipts.status", Some(&receipts.status)),
            ]);
            if receipts.reference.is_none() && receipts.message_id.is_none() {
                return Err(ConfigError::key(
                    &format!("{key}.receipts"),
                    "needs reference or message_id: else nobody knows which message it is about",
                ));
            }
        }
        if let Some(inbound) = &self.inbound {
            places.extend([
                ("inbound.list", inbound.list.as_ref()),
                ("inbound.from", Some(&inbound.from)),
                ("inbound.text", Some(&inbound.text)),
                ("inbound.to", inbound.to.as_ref()),
                ("inbound.message_id", inbound.message_id.as_ref()),
            ]);
        }
        for (name, place) in places {
            if place.is_some_and(|place| !place.is_empty() && !place.starts_with('/')) {
                return Err(ConfigError::key(
                    &format!("{key}.{name}"),
                    "is no JSON pointer: it begins with /, such as /messages/0/id",
                ));
            }
        }
        if answer.status.is_some() && answer.accepted.is_empty() {
            return Err(ConfigError::key(
                &format!("{key}.answer.accepted"),
                "is missing: the words at answer.status that mean that a message was taken",
            ));
        }
        Ok(())
    }

    /// Fills the templates in with a message that has everything in it, so that a wrong name or a value
    /// outside its quotes is found before anybody is written to.
    fn try_out(&self, key: &str, settings: &HttpSettings) -> Result<(), ConfigError> {
        let values = Values {
            to: "+33600000000",
            sender: "36000",
            text: "\"C'est \\ l\u{2019}été\" & 50% <b>",
            reference: "0-0",
            parts: 1,
            encoding: Encoding::Ucs2,
            receipt_url: &self.receipt_url,
        };
        let body_key = format!("{key}.body");
        let body = self.body.render(BODY, &values).map_err(|cause| {
            ConfigError::key(
                &body_key,
                match names_of(&settings.body).find(|name| !NAMES.contains(name)) {
                    Some(name) => format!("names {name:?}; there are {}", NAMES.join(", ")),
                    None => format!("cannot be filled in: {}", cause.reason()),
                },
            )
        })?;
        if self.format == Format::Json && serde_json::from_str::<Value>(&body).is_err() {
            return Err(ConfigError::key(
                &body_key,
                "is no JSON once it is filled in; does every {{…}} of text stand between quotes?",
            ));
        }
        for name in &self.names {
            self.header(name, &values).map_err(|_class| {
                ConfigError::key(
                    &format!("{key}.headers.{name}"),
                    "cannot be filled in: does it name something unknown, or a text with accents?",
                )
            })?;
        }
        for name in ["to", "text"] {
            if !names_of(&settings.body).any(|known| known == name) {
                return Err(ConfigError::key(
                    &body_key,
                    format!("has no {{{{{name}}}}}: every message would go out without it"),
                ));
            }
        }
        Ok(())
    }

    fn header(&self, name: &HeaderName, values: &Values<'_>) -> Result<HeaderValue, Class> {
        let text = self
            .headers
            .render(name.as_str(), values)
            .map_err(|_cause| Class::Unsupported)?;
        // Other letters have no agreed meaning in a header.
        if !text.is_ascii() {
            return Err(Class::Unsupported);
        }
        let mut value = HeaderValue::from_str(&text).map_err(|_cause| Class::Unsupported)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What the word at `answer.status` means.
    fn by_word(&self, answer: &Answer, body: &Value, status: &str) -> Handed {
        let Some(said) = word(body.pointer(status)) else {
            return answer.not_understood(self.is_idempotent);
        };
        if self.answer.accepted.contains(&said) {
            Handed::accepted(self.message_id(body), None)
        } else if self.answer.deferred.contains(&said) {
            Handed::deferred(Class::Greylist, answer.status, answer.retry_after)
        } else if self.answer.rejected.contains(&said) {
            Handed::rejected(Class::Protocol, answer.status)
        } else {
            answer.not_understood(self.is_idempotent)
        }
    }

    fn message_id(&self, body: &Value) -> Option<String> {
        word(body.pointer(self.answer.message_id.as_deref()?)).filter(|id| !id.is_empty())
    }
}

fn method(key: &str, method: Option<&str>) -> Result<Method, ConfigError> {
    match method.unwrap_or("POST") {
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        _ => Err(ConfigError::key(
            &format!("{key}.method"),
            "must be POST, PUT or PATCH",
        )),
    }
}

/// What stands in the braces of a template, as far as it is a name.
fn names_of(template: &str) -> impl Iterator<Item = &str> {
    template
        .split("{{")
        .skip(1)
        .filter_map(|rest| rest.split("}}").next())
        .map(|inside| inside.trim_matches(['~', ' ']))
        .filter(|inside| {
            !inside.is_empty() && !inside.starts_with(['#', '/', '!', '>']) && *inside != "else"
        })
}

/// Whether a template puts a value in as it is.
fn is_unescaped(template: &str) -> bool {
    template.match_indices("{{").any(|(at, _)| {
        template[at + 2..]
            .trim_start_matches('~')
            .starts_with(['{', '&'])
    })
}

impl Provider for Http {
    fn request(&self, message: &SmsMessage, _now: DateTime<Utc>) -> Result<Request, Class> {
        let can_hold = [&message.text, &message.sender, &message.to]
            .iter()
            .all(|value| self.format.can_hold(value));
        if !can_hold {
            return Err(Class::Unsupported);
        }
        let values = Values {
            to: &message.to,
            sender: &message.sender,
            text: &message.text,
            reference: &message.reference,
            parts: message.size.parts,
            encoding: message.size.encoding,
            receipt_url: &self.receipt_url,
        };
        let body = self
            .body
            .render(BODY, &values)
            .map_err(|_cause| Class::Unsupported)?;
        let mut request = Request::new(self.method.clone(), self.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        for name in &self.names {
            headers.insert(name.clone(), self.header(name, &values)?);
        }
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    fn answer(&self, answer: &Answer) -> Handed {
        let status = self.answer.status.as_deref();
        let body = serde_json::from_slice::<Value>(&answer.body).ok();
        if let Some(by_status) = answer.by_status(self.is_idempotent) {
            // A refusal whose word says that it is one for now.
            return match (status, body) {
                (Some(status), Some(body))
                    if (400..500).contains(&answer.status)
                        && word(body.pointer(status))
                            .is_some_and(|said| self.answer.deferred.contains(&said)) =>
                {
                    Handed::deferred(Class::Greylist, answer.status, answer.retry_after)
                }
                _ => by_status,
            };
        }
        match (status, body) {
            (Some(status), Some(body)) => self.by_word(answer, &body, status),
            (Some(_), None) => answer.not_understood(self.is_idempotent),
            (None, _) if self.answer.message_id.is_none() => Handed::accepted(None, None),
            (None, body) => match body.and_then(|body| self.message_id(&body)) {
                Some(id) => Handed::accepted(Some(id), None),
                None => answer.not_understood(self.is_idempotent),
            },
        }
    }

    fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }

    fn probe(&self, _now: DateTime<Utc>) -> Option<Request> {
        Some(Request::new(Method::HEAD, self.url.clone()))
    }

    fn probe_shows_key(&self) -> bool {
        false
    }

    fn read(&self, post: &Post<'_>) -> Result<Vec<SmsEvent>, PostError> {
        if !self.path.is(post.secret) {
            return Err(PostError::Forged);
        }
        let posted = posted(post).ok_or(PostError::Unreadable("it is no JSON"))?;
        match post.kind {
            PostKind::Receipt => {
                let places = self.receipts.as_ref();
                let places = places.ok_or(PostError::Unreadable("no receipts are expected"))?;
                let found = items(&posted, places.list.as_deref())?.iter();
                let events = readable(found.map(|item| receipt(places, item)))?;
                Ok(events.into_iter().flatten().collect())
            }
            PostKind::Inbound => {
                let places = self.inbound.as_ref();
                let places = places.ok_or(PostError::Unreadable("no messages are expected"))?;
                let found = items(&posted, places.list.as_deref())?.iter();
                readable(found.map(|item| inbound(places, item)))
            }
        }
    }
}

/// The list at a place; without a place, what was posted is the only item, or the list itself.
fn items<'a>(posted: &'a Value, list: Option<&str>) -> Result<&'a [Value], PostError> {
    let found = posted.pointer(list.unwrap_or_default());
    match (found, list) {
        (Some(Value::Array(items)), _) => Ok(items),
        (Some(item), None) => Ok(std::slice::from_ref(item)),
        _ => Err(PostError::Unreadable("the list is missing")),
    }
}

/// What could be read: one item of a new kind does not lose the others, among which may be a STOP.
///
/// # Errors
/// The first reason, when nothing could be read.
fn readable<T>(found: impl Iterator<Item = Result<T, PostError>>) -> Result<Vec<T>, PostError> {
    let mut read = Vec::new();
    let mut first_error = None;
    for one in found {
        match one {
            Ok(one) => read.push(one),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) if read.is_empty() => Err(error),
        _ => Ok(read),
    }
}

fn at(item: &Value, place: Option<&String>) -> Option<String> {
    word(item.pointer(place?)).filter(|value| !value.is_empty())
}

fn receipt(places: &ReceiptSettings, item: &Value) -> Result<Option<SmsEvent>, PostError> {
    let status =
        at(item, Some(&places.status)).ok_or(PostError::Unreadable("status is missing"))?;
    let reference = at(item, places.reference.as_ref());
    let message_id = at(item, places.message_id.as_ref());
    if reference.is_none() && message_id.is_none() {
        return Err(PostError::Unreadable("it names no message"));
    }
    let is_unknown_subscriber = places.unknown_subscriber.contains(&status);
    let state = if places.delivered.contains(&status) {
        ReceiptState::Delivered
    } else if places.undelivered.contains(&status) || is_unknown_subscriber {
        ReceiptState::Undelivered
    } else if places.sent.contains(&status) {
        ReceiptState::Sent
    } else {
        return Ok(None);
    };
    let failure = (state == ReceiptState::Undelivered).then(|| Failure {
        class: if is_unknown_subscriber {
            Class::InvalidRecipient
        } else {
            Class::Network
        },
        code: plain_code(&status),
    });
    Ok(Some(SmsEvent::Receipt(Receipt {
        reference,
        message_id,
        state,
        failure,
        at: None,
    })))
}

fn inbound(places: &InboundSettings, item: &Value) -> Result<SmsEvent, PostError> {
    Ok(SmsEvent::Inbound(Inbound {
        message_id: at(item, places.message_id.as_ref()),
        from: at(item, Some(&places.from)).ok_or(PostError::Unreadable("from is missing"))?,
        to: at(item, places.to.as_ref()),
        text: at(item, Some(&places.text)).unwrap_or_default(),
        reference: None,
        at: None,
    }))
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
