//! Twilio SendGrid: the Signed Event Webhook ("Event Webhook Reference", "Getting Started with the Event
//! Webhook Security Features"). One request brings up to thousands of events.

use data_encoding::BASE64;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;

use super::classify::{Refusal, judge};
use super::fields::{digest, folded, is_timely, refs, seconds, text, word};
use super::model::{Brought, MailEvent, MailEventKind, Post, PostError, Read, Verdict};
use crate::channels::model::Class;
use crate::config::{ConfigError, MailProvider, SendgridSettings};

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

/// What stands before the point in the SubjectPublicKeyInfo of a P-256 key: its algorithm and curve (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Of an uncompressed point.
const POINT: usize = 65;

#[derive(Debug)]
pub(super) struct Sendgrid {
    /// The point of the key.
    key: Vec<u8>,
}

impl Sendgrid {
    pub(super) fn open(key: &str, settings: &SendgridSettings) -> Result<Self, ConfigError> {
        let text: String = settings
            .public_key
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .flat_map(|line| line.trim().chars())
            .collect();
        BASE64
            .decode(text.as_bytes())
            .ok()
            .and_then(|der| Some(der.strip_prefix(&SPKI)?.to_vec()))
            .filter(|point| point.len() == POINT)
            .map(|key| Self { key })
            .ok_or_else(|| {
                ConfigError::key(
                    &format!("{key}.public_key"),
                    "is no key of the Signed Event Webhook; copy the verification key from SendGrid's page Settings > Mail Settings > Event Webhooks",
                )
            })
    }

    pub(super) fn prove(&self, post: &Post<'_>) -> Result<(), PostError> {
        let timestamp = post.header(TIMESTAMP).ok_or(PostError::Unsigned(
            "turn the Signed Event Webhook on at SendGrid",
        ))?;
        let signature = post
            .header(SIGNATURE)
            .and_then(|text| BASE64.decode(text.as_bytes()).ok())
            .ok_or(PostError::Forged)?;
        let at = timestamp
            .parse::<i64>()
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000))
            .ok_or(PostError::Forged)?;
        if !is_timely(at, post.now_ms) {
            return Err(PostError::Forged);
        }
        let signed = [timestamp.as_bytes(), post.body].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.key)
            .verify(&signed, &signature)
            .map_err(|_wrong| PostError::Forged)
    }
}

/// Reads what is proven: a list of events.
pub(super) fn read(body: &[u8]) -> Result<Brought, PostError> {
    let events: Vec<Value> = serde_json::from_slice(body)
        .map_err(|_unreadable| PostError::Unreadable("it is no list of JSON objects"))?;
    let mut brought = Brought::default();
    for event in &events {
        brought.add(one(event));
    }
    Ok(brought)
}

fn one(event: &Value) -> Read {
    let reason = word(event, "reason");
    let name = folded(word(event, "event"));
    let kind = match name.as_str() {
        "bounce" => MailEventKind::Bounce(of_bounce(event, reason)),
        "blocked" => MailEventKind::Bounce(judge(refusal(event, reason), Class::Blocked)),
        "dropped" => of_dropped(event, reason),
        "spamreport" => MailEventKind::Complaint,
        "unsubscribe" | "groupunsubscribe" => MailEventKind::OptOut,
        "deferred" => return Read::Delayed,
        "processed"
        | "delivered"
        | "open"
        | "click"
        | "groupresubscribe"
        | "accountstatuschange" => return Read::PassedOver,
        _ => return Read::Unreadable,
    };
    let at = text(event, "timestamp").unwrap_or_default();
    let id = text(event, "sg_event_id").unwrap_or_default();
    // Without its name an event is known by what it says of which message and when.
    let parts = match id.as_str() {
        "" => [name.as_str(), word(event, "sg_message_id"), &at],
        id => [name.as_str(), id, ""],
    };
    // Arguments stand beside the event's own fields.
    let names = [word(event, super::ARGUMENT), word(event, "smtp-id")];
    Read::Event(MailEvent {
        kind,
        recipient: text(event, "email"),
        refs: refs(names),
        at: seconds(event, "timestamp"),
        digest: digest(MailProvider::Sendgrid, &parts),
    })
}

fn refusal<'a>(event: &'a Value, reason: &'a str) -> Refusal<'a> {
    Refusal {
        diagnostic: reason,
        status: word(event, "status"),
        code: None,
    }
}

fn of_bounce(event: &Value, reason: &str) -> Verdict {
    let by_type = match folded(word(event, "bounce_classification")).as_str() {
        "invalidaddress" => Class::InvalidRecipient,
        "mailboxunavailable" => Class::Inactive,
        "content" => Class::Content,
        "reputation" => Class::Blocked,
        "frequencyorvolumetoohigh" => Class::Greylist,
        "technicalfailure" | "technical" => Class::Network,
        // "blocked": the server refused the message, not the address.
        _ if folded(word(event, "type")) == "blocked" => Class::Blocked,
        _ => Class::Inactive,
    };
    judge(refusal(event, reason), by_type)
}

/// What SendGrid did not even try to send, and why.
fn of_dropped(event: &Value, reason: &str) -> MailEventKind {
    let class = match folded(reason).as_str() {
        "unsubscribedaddress" => return MailEventKind::OptOut,
        "spamreportingaddress" => return MailEventKind::Complaint,
        // It bounced before.
        "bouncedaddress" => Class::Inactive,
        "invalid" => Class::InvalidRecipient,
        "invalidsmtpapiheader" => Class::Protocol,
        "recipientlistoverpackagequota" => Class::Relay,
        reason if reason.starts_with("spamcontent") => Class::Content,
        _ => return MailEventKind::Bounce(judge(refusal(event, reason), Class::Network)),
    };
    MailEventKind::Bounce(Verdict::by_type(class))
}

#[cfg(test)]
#[path = "sendgrid_tests.rs"]
mod tests;
