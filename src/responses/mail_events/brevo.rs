//! Brevo: webhooks of transactional mail, which are not signed: a secret address, a Bearer token, or both
//! ("Transactional webhooks", "Secure your webhook calls"). With batches on, one request brings a list.

use serde_json::Value;

use super::classify::{Refusal, judge};
use super::fields::{digest, folded, refs, seconds, text, word};
use super::model::{Brought, MailEvent, MailEventKind, Post, PostError, Read, Verdict};
use crate::channels::model::Class;
use crate::channels::sms::provider::PathSecret;
use crate::config::{BrevoMailSettings, ConfigError, MailProvider};

#[derive(Debug)]
pub(super) struct Brevo {
    token: Option<PathSecret>,
}

impl Brevo {
    pub(super) fn open(key: &str, settings: &BrevoMailSettings) -> Result<Self, ConfigError> {
        let token = settings.token(key)?;
        Ok(Self {
            token: token.map(|token| PathSecret::new(Some(token.expose()))),
        })
    }

    pub(super) fn prove(&self, post: &Post<'_>) -> Result<(), PostError> {
        super::prove_by_header(self.token.as_ref(), "bearer", post)
    }
}

/// Reads what is proven.
pub(super) fn read(body: &[u8]) -> Result<Brought, PostError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|_unreadable| PostError::Unreadable("it is not JSON"))?;
    let mut brought = Brought::default();
    match &body {
        Value::Array(events) => events.iter().for_each(|event| brought.add(one(event))),
        event => brought.add(one(event)),
    }
    Ok(brought)
}

fn one(event: &Value) -> Read {
    let name = folded(word(event, "event"));
    let refusal = Refusal {
        diagnostic: word(event, "reason"),
        ..Refusal::default()
    };
    let kind = match name.as_str() {
        "hardbounce" => MailEventKind::Bounce(judge(refusal, Class::Inactive)),
        "softbounce" => MailEventKind::Bounce(judge(refusal, Class::Network)),
        "invalidemail" | "invalid" => {
            MailEventKind::Bounce(Verdict::by_type(Class::InvalidRecipient))
        }
        // On Brevo's own list, for a bounce, a complaint or a word of his: it does not say which.
        "blocked" => MailEventKind::Bounce(Verdict::by_type(Class::Inactive)),
        "error" => MailEventKind::Bounce(Verdict::by_type(Class::Relay)),
        "spam" | "complaint" => MailEventKind::Complaint,
        "unsubscribe" | "unsubscribed" => MailEventKind::OptOut,
        "deferred" => return Read::Delayed,
        "request" | "sent" | "delivered" | "opened" | "uniqueopened" | "proxyopen"
        | "uniqueproxyopen" | "click" | "clicked" => return Read::PassedOver,
        _ => return Read::Unreadable,
    };
    let message_id = word(event, "message-id");
    // An event has no name of its own: `id` is that of the webhook.
    let at = text(event, "ts_event").or_else(|| text(event, "ts"));
    let parts = [name.as_str(), message_id, at.as_deref().unwrap_or_default()];
    let names = [word(event, super::BREVO_HEADER), message_id];
    Read::Event(MailEvent {
        kind,
        recipient: text(event, "email"),
        refs: refs(names),
        // `date` is in the account's own zone; the others are in UTC.
        at: seconds(event, "ts_event").or_else(|| seconds(event, "ts")),
        digest: digest(MailProvider::Brevo, &parts),
    })
}

#[cfg(test)]
#[path = "brevo_tests.rs"]
mod tests;
