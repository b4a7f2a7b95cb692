//! Postmark: webhooks, which are not signed: a secret address, a log-in of HTTP's Basic scheme, or both
//! ("Bounce webhook", "Spam complaint webhook", "Subscription change webhook").

use data_encoding::BASE64;
use serde_json::Value;

use super::classify::{Refusal, judge};
use super::fields::{digest, folded, moment, refs, text, word};
use super::model::{Brought, MailEvent, MailEventKind, Post, PostError, Read, Verdict};
use crate::channels::model::Class;
use crate::channels::sms::provider::PathSecret;
use crate::config::{ConfigError, MailProvider, PostmarkSettings};

#[derive(Debug)]
pub(super) struct Postmark {
    /// The log-in as it stands in the header; `None`: the address is the proof.
    login: Option<PathSecret>,
}

impl Postmark {
    pub(super) fn open(key: &str, settings: &PostmarkSettings) -> Result<Self, ConfigError> {
        let login = settings.login(key)?.map(|(name, password)| {
            let pair = format!("{name}:{}", password.expose());
            PathSecret::new(Some(&BASE64.encode(pair.as_bytes())))
        });
        Ok(Self { login })
    }

    pub(super) fn prove(&self, post: &Post<'_>) -> Result<(), PostError> {
        super::prove_by_header(self.login.as_ref(), "basic", post)
    }
}

/// Reads what is proven.
pub(super) fn read(body: &[u8]) -> Result<Brought, PostError> {
    let event: Value = serde_json::from_slice(body)
        .map_err(|_unreadable| PostError::Unreadable("it is not JSON"))?;
    Ok(Brought::one(one(&event)))
}

fn one(event: &Value) -> Read {
    let record = folded(word(event, "RecordType"));
    let (kind, at) = match record.as_str() {
        "bounce" => match of_bounce(event) {
            Ok(kind) => (kind, "BouncedAt"),
            Err(read) => return read,
        },
        "spamcomplaint" => (MailEventKind::Complaint, "BouncedAt"),
        "subscriptionchange" => match of_subscription(event) {
            Some(kind) => (kind, "ChangedAt"),
            None => return Read::PassedOver,
        },
        "delivery" | "open" | "click" | "inbound" | "smtpapierror" => return Read::PassedOver,
        _ => return Read::Unreadable,
    };
    let at = word(event, at);
    let id = text(event, "ID").unwrap_or_default();
    let parts = [record.as_str(), &id, word(event, "MessageID"), at];
    let metadata = event.get("Metadata").and_then(Value::as_object);
    let names = metadata
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.eq_ignore_ascii_case(super::METADATA))
        .filter_map(|(_, value)| value.as_str());
    Read::Event(MailEvent {
        kind,
        recipient: text(event, "Email").or_else(|| text(event, "Recipient")),
        refs: refs(names),
        at: moment(at),
        digest: digest(MailProvider::Postmark, &parts),
    })
}

/// What a bounce is; `Err` for what Postmark calls so and is none.
fn of_bounce(event: &Value) -> Result<MailEventKind, Read> {
    let refusal = Refusal {
        diagnostic: word(event, "Details"),
        ..Refusal::default()
    };
    // "Bounce types" in Postmark's documents.
    let by_type = match folded(word(event, "Type")).as_str() {
        "hardbounce" => Class::Inactive,
        "softbounce" => Class::Quota,
        "dnserror" | "unknown" | "inbounderror" => Class::Network,
        "spamnotification" | "blocked" => Class::Blocked,
        "virusnotification" | "templaterenderingfailed" => Class::Content,
        "dmarcpolicy" | "openrelaytest" => Class::Policy,
        "smtpapierror" | "unconfirmed" => Class::Relay,
        // Not by a server, so its text says no more.
        "bademailaddress" => {
            return Ok(MailEventKind::Bounce(Verdict::by_type(
                Class::InvalidRecipient,
            )));
        }
        "manuallydeactivated" => {
            return Ok(MailEventKind::Bounce(Verdict::by_type(Class::Inactive)));
        }
        "spamcomplaint" => return Ok(MailEventKind::Complaint),
        "unsubscribe" => return Ok(MailEventKind::OptOut),
        "transient" => return Err(Read::Delayed),
        // Answers of machines and people, not of servers.
        "autoresponder" | "addresschange" | "challengeverification" | "subscribe" => {
            return Err(Read::PassedOver);
        }
        _ => Class::Network,
    };
    Ok(MailEventKind::Bounce(judge(refusal, by_type)))
}

/// Who was put on Postmark's list by whom; `None` where nothing new follows.
fn of_subscription(event: &Value) -> Option<MailEventKind> {
    if event.get("SuppressSending").and_then(Value::as_bool) != Some(true) {
        return None;
    }
    match folded(word(event, "SuppressionReason")).as_str() {
        "spamcomplaint" => Some(MailEventKind::Complaint),
        // By the firm or by Postmark it says nothing about what he wants; a bounce comes as a bounce.
        "manualsuppression" if folded(word(event, "Origin")) == "recipient" => {
            Some(MailEventKind::OptOut)
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "postmark_tests.rs"]
mod tests;
