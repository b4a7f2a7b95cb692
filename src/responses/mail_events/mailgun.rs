//! Mailgun: webhooks, signed in the body ("Securing webhooks", "Webhook payloads").
//!
//! The signature covers a time and a token, not what is said: so a token is good for one body only.

use data_encoding::HEXLOWER_PERMISSIVE;
use ring::hmac;
use serde_json::Value;

use super::classify::{Refusal, judge};
use super::fields::{digest, folded, is_timely, refs, seconds, sha256, text, word};
use super::model::{Brought, MailEvent, MailEventKind, OneTime, Post, PostError, Read, Verdict};
use crate::channels::model::Class;
use crate::config::{ConfigError, MailProvider, MailgunSettings};

#[derive(Debug)]
pub(super) struct Mailgun {
    key: hmac::Key,
}

impl Mailgun {
    pub(super) fn open(key: &str, settings: &MailgunSettings) -> Result<Self, ConfigError> {
        let secret = settings.signing_key(key)?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()),
        })
    }

    /// Reads what Mailgun signed, and the token that must not have come with anything else.
    pub(super) fn read(&self, post: &Post<'_>) -> Result<(Brought, OneTime), PostError> {
        let body: Value =
            serde_json::from_slice(post.body).map_err(|_unreadable| PostError::Forged)?;
        let empty = Value::Null;
        let signature = body.get("signature").unwrap_or(&empty);
        let timestamp = text(signature, "timestamp").ok_or(PostError::Forged)?;
        let token = word(signature, "token");
        let given = HEXLOWER_PERMISSIVE
            .decode(word(signature, "signature").as_bytes())
            .map_err(|_unreadable| PostError::Forged)?;
        let at = seconds(signature, "timestamp").ok_or(PostError::Forged)?;
        let signed = format!("{timestamp}{token}");
        let is_signed = !token.is_empty()
            && is_timely(at, post.now_ms)
            && hmac::verify(&self.key, signed.as_bytes(), &given).is_ok();
        if !is_signed {
            return Err(PostError::Forged);
        }
        let event = body
            .get("event-data")
            .ok_or(PostError::Unreadable("event-data is missing"))?;
        let once = OneTime {
            token: sha256(signed.as_bytes()),
            body: sha256(post.body),
        };
        Ok((Brought::one(one(event)), once))
    }
}

fn one(event: &Value) -> Read {
    let name = folded(word(event, "event"));
    let kind = match name.as_str() {
        "failed" if folded(word(event, "severity")) == "temporary" => return Read::Delayed,
        "failed" => of_failed(event),
        // Mailgun itself did not want it.
        "rejected" => MailEventKind::Bounce(Verdict::by_type(Class::Relay)),
        "complained" => MailEventKind::Complaint,
        "unsubscribed" => MailEventKind::OptOut,
        "accepted" | "delivered" | "opened" | "clicked" | "stored" => return Read::PassedOver,
        _ => return Read::Unreadable,
    };
    let message = event.get("message").unwrap_or(&Value::Null);
    let headers = message.get("headers").unwrap_or(&Value::Null);
    let variables = event.get("user-variables").unwrap_or(&Value::Null);
    let envelope = event.get("envelope").unwrap_or(&Value::Null);
    let message_id = word(headers, "message-id");
    let at = text(event, "timestamp").unwrap_or_default();
    let parts = match word(event, "id") {
        "" => [name.as_str(), message_id, &at],
        id => [name.as_str(), id, ""],
    };
    let names = [
        word(variables, super::ARGUMENT),
        message_id,
        word(envelope, "sender"),
    ];
    Read::Event(MailEvent {
        kind,
        recipient: text(event, "recipient"),
        refs: refs(names),
        at: seconds(event, "timestamp"),
        digest: digest(MailProvider::Mailgun, &parts),
    })
}

/// A permanent failure.
fn of_failed(event: &Value) -> MailEventKind {
    let status = event.get("delivery-status").unwrap_or(&Value::Null);
    let message = word(status, "message");
    let enhanced = text(status, "enhanced-code").unwrap_or_default();
    let refusal = Refusal {
        diagnostic: match message {
            "" => word(status, "description"),
            message => message,
        },
        status: &enhanced,
        code: status
            .get("code")
            .and_then(Value::as_u64)
            .and_then(|code| u16::try_from(code).ok()),
    };
    let by_type = match folded(word(event, "reason")).as_str() {
        // On Mailgun's own lists: it did not try, and its text says no more.
        "suppressunsubscribe" => return MailEventKind::OptOut,
        "suppresscomplaint" => return MailEventKind::Complaint,
        "suppressbounce" => return MailEventKind::Bounce(Verdict::by_type(Class::Inactive)),
        "espblock" => Class::Blocked,
        "old" => Class::Expired,
        "greylisted" => Class::Greylist,
        "bounce" | "hardfail" => Class::Inactive,
        _ => Class::Network,
    };
    MailEventKind::Bounce(judge(refusal, by_type))
}

#[cfg(test)]
#[path = "mailgun_tests.rs"]
mod tests;
