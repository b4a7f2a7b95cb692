//! Brevo.
//!
//! It posts what becomes of a message, the replies to it and the opt-outs to one address, that of the
//! request; it signs nothing, so the address is secret. Where a STOP mention says `[STOP_CODE]`, Brevo
//! writes its short code there.

use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;
use serde_json::Value;

use super::fields::{code, count, moment, name_of_reply, text, without_plus};
use super::{Account, address};
use crate::channels::model::Class;
use crate::channels::sms::model::{
    Failure, Handed, Inbound, Receipt, ReceiptState, SmsEvent, SmsMessage,
};
use crate::channels::sms::provider::{Answer, Post, PostError, Provider};
use crate::config::{BrevoSettings, ConfigError};
use crate::templates::sms::Encoding;

const URL: &str = "https://api.brevo.com";

#[derive(Debug)]
pub(super) struct Brevo {
    account: Account,
    api_key: HeaderValue,
    organisation: Option<String>,
    send: Url,
    whoami: Url,
}

/// The body of `POST /v3/transactionalSMS/send`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sms<'a> {
    sender: &'a str,
    recipient: &'a str,
    content: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    tag: &'a str,
    web_url: &'a str,
    unicode_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation_prefix: Option<&'a str>,
}

impl Brevo {
    pub(super) fn open(account: Account, settings: &BrevoSettings) -> Result<Self, ConfigError> {
        let key = format!("{}.brevo", account.key);
        let base = settings.url.as_deref().unwrap_or(URL);
        let secret = settings.api_key(&key)?;
        let mut api_key = HeaderValue::from_str(secret.expose()).map_err(|_unusable| {
            ConfigError::key(
                &format!("{key}.api_key"),
                "holds characters that no key of Brevo has",
            )
        })?;
        api_key.set_sensitive(true);
        Ok(Self {
            api_key,
            organisation: settings.organisation.clone(),
            send: address(&key, base, "/v3/transactionalSMS/send")?,
            whoami: address(&key, base, "/v3/account")?,
            account,
        })
    }

    fn keyed(&self, method: Method, url: &Url) -> Request {
        let mut request = Request::new(method, url.clone());
        let headers = request.headers_mut();
        headers.insert(HeaderName::from_static("api-key"), self.api_key.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        request
    }
}

impl Provider for Brevo {
    fn request(&self, message: &SmsMessage, _now: DateTime<Utc>) -> Result<Request, Class> {
        let body = serde_json::to_vec(&Sms {
            sender: without_plus(&message.sender),
            recipient: without_plus(&message.to),
            content: &message.text,
            kind: if message.is_marketing {
                "marketing"
            } else {
                "transactional"
            },
            tag: &message.reference,
            web_url: &self.account.hooks.receipt,
            unicode_enabled: message.size.encoding == Encoding::Ucs2,
            organisation_prefix: self.organisation.as_deref(),
        })
        .map_err(|_unusable| Class::Unsupported)?;
        let mut request = self.keyed(Method::POST, &self.send);
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    fn answer(&self, answer: &Answer) -> Handed {
        if let Some(handed) = answer.by_status(false) {
            return refusal(answer).unwrap_or(handed);
        }
        let body = match answer.json(false) {
            Ok(body) => body,
            Err(handed) => return handed,
        };
        match text(&body, "messageId") {
            Some(id) => Handed::accepted(Some(id), count(&body, "smsCount")),
            None => answer.not_understood(false),
        }
    }

    fn probe(&self, _now: DateTime<Utc>) -> Option<Request> {
        Some(self.keyed(Method::GET, &self.whoami))
    }

    fn read(&self, post: &Post<'_>) -> Result<Vec<SmsEvent>, PostError> {
        if !self.account.secret.is(post.secret) {
            return Err(PostError::Forged);
        }
        let body: Value = serde_json::from_slice(post.body)
            .map_err(|_unusable| PostError::Unreadable("it is not JSON"))?;
        match body {
            Value::Array(events) => {
                let read: Vec<_> = events.iter().map(event).collect();
                // One event of a new kind does not lose the others.
                if !read.is_empty() && read.iter().all(Result::is_err) {
                    return Err(PostError::Unreadable(
                        "none of its events tells what happened",
                    ));
                }
                Ok(read.into_iter().filter_map(Result::ok).flatten().collect())
            }
            one => Ok(event(&one)?.into_iter().collect()),
        }
    }
}

/// What an error says beyond its status: `code`, and of a wrong parameter which one, which only the text
/// for people tells.
fn refusal(answer: &Answer) -> Option<Handed> {
    let status = answer.status;
    if !(400..500).contains(&status) || status == 408 || status == 429 {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let message = text(&body, "message").unwrap_or_default().to_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let class = match text(&body, "code")?.as_str() {
        "not_enough_credits"
        | "unauthorized"
        | "permission_denied"
        | "reseller_permission_denied"
        | "account_under_validation" => Class::Relay,
        "duplicate_request" => {
            return Some(Handed::unknown("the provider says that it has it already"));
        }
        "invalid_parameter" | "missing_parameter" | "out_of_range" => {
            if names(&["sender"]) {
                Class::Relay
            } else if names(&["phone", "recipient", "mobile"]) {
                Class::InvalidRecipient
            } else if names(&["content", "text"]) {
                Class::Content
            } else {
                Class::Protocol
            }
        }
        _ => return None,
    };
    Some(Handed::rejected(class, status))
}

/// One event; nothing when it is of a kind that tells us nothing.
fn event(event: &Value) -> Result<Option<SmsEvent>, PostError> {
    // The report and the hook write the same words differently: hardBounces, hard_bounce.
    let word: String = text(event, "msg_status")
        .or_else(|| text(event, "event"))
        .ok_or(PostError::Unreadable("it does not tell what happened"))?
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let message_id = text(event, "messageId");
    let reference = text(event, "tag");
    let at = at(event);
    let (state, class) = match word.as_str() {
        "sent" | "accepted" => (ReceiptState::Sent, None),
        "delivered" => (ReceiptState::Delivered, None),
        "softbounce" | "softbounces" => (ReceiptState::Undelivered, Some(Class::Inactive)),
        "hardbounce" | "hardbounces" => (ReceiptState::Undelivered, Some(Class::InvalidRecipient)),
        "rejected" => (ReceiptState::Undelivered, Some(Class::Content)),
        // The number is on Brevo's own block list, by a STOP or for bouncing: it does not say which.
        "blocked" | "blacklisted" => (ReceiptState::Undelivered, Some(Class::Inactive)),
        "replied" | "reply" | "replies" | "unsubscribe" | "unsubscribed" => {
            let said = if word.starts_with("repl") {
                text(event, "reply").ok_or(PostError::Unreadable("the reply has no text"))?
            } else {
                "STOP".to_owned()
            };
            let from = text(event, "phoneNumber")
                .or_else(|| text(event, "to"))
                .ok_or(PostError::Unreadable("it names no number"))?;
            return Ok(Some(SmsEvent::Inbound(Inbound {
                message_id: message_id.map(|id| name_of_reply(&id, &said)),
                from,
                to: None,
                text: said,
                reference,
                at,
            })));
        }
        _ => return Ok(None),
    };
    if message_id.is_none() && reference.is_none() {
        return Err(PostError::Unreadable("it names no message"));
    }
    Ok(Some(SmsEvent::Receipt(Receipt {
        reference,
        message_id,
        state,
        failure: class.map(|class| Failure {
            class,
            code: text(event, "error_code").map_or(word, |error| code(&error)),
        }),
        at,
    })))
}

/// `ts_event` in seconds, or a date that names its zone; `date` alone is in the account's own zone.
fn at(event: &Value) -> Option<i64> {
    event
        .get("ts_event")
        .and_then(Value::as_i64)
        .and_then(|seconds| seconds.checked_mul(1_000))
        .or_else(|| text(event, "date").and_then(|date| moment(&date)))
}

#[cfg(test)]
#[path = "brevo_tests.rs"]
mod tests;
