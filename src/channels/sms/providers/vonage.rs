//! Vonage SMS API.
//!
//! A long message of a person comes in parts (`concat-ref`, `concat-part`, `concat-total`), and each is
//! handed on as a message of its own: nothing is kept here to put them together, and STOP is never long.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use reqwest::header::HeaderValue;
use reqwest::{Request, Url};
use serde_json::Value;

use super::{Account, Hooks, address, basic, get, plain_code, post_form, posted, word};
use crate::channels::model::Class;
use crate::channels::sms::model::{
    Failure, Handed, Inbound, Receipt, ReceiptState, SmsEvent, SmsMessage,
};
use crate::channels::sms::provider::{Answer, PathSecret, Post, PostError, PostKind, Provider};
use crate::config::{ConfigError, Secret, VonageSettings, VonageSignature};
use crate::templates::sms::Encoding;

const PUBLIC: &str = "https://rest.nexmo.com";

/// Seconds that its clock may be before ours.
const AHEAD: i64 = 5 * 60;

/// Seconds after which what it posts is too old: it tries for 24 hours, and a STOP must not be lost. A post that
/// comes twice changes nothing.
const BEHIND: i64 = 25 * 3_600;

/// An account with Vonage.
#[derive(Debug)]
pub struct Vonage {
    submit: Url,
    balance: Url,
    account: String,
    secret: Secret,
    authorization: HeaderValue,
    hooks: Hooks,
    signature: Option<Signature>,
    path: PathSecret,
}

impl Vonage {
    /// # Errors
    /// Names the key of what is missing or wrong.
    pub fn new(account: Account, settings: &VonageSettings) -> Result<Self, ConfigError> {
        let key = format!("{}.vonage", account.key);
        let secret = settings.secret(&key)?;
        let base = settings.url.as_deref().unwrap_or(PUBLIC);
        Ok(Self {
            submit: address(&key, base, "/sms/json")?,
            balance: address(&key, base, "/account/get-balance")?,
            authorization: basic(&key, &settings.account, secret.expose())?,
            account: settings.account.clone(),
            secret,
            hooks: account.hooks,
            signature: settings.signature_secret(&key)?.map(|secret| Signature {
                method: settings.signature,
                secret,
            }),
            path: account.secret,
        })
    }

    /// The fields of what Vonage posted.
    fn proven(&self, post: &Post<'_>) -> Result<BTreeMap<String, String>, PostError> {
        let is_secret_path = self.path.is(post.secret);
        if self.signature.is_none() && !is_secret_path {
            return Err(PostError::Forged);
        }
        let Some(Value::Object(fields)) = posted(post) else {
            // Only who has shown who he is is told what is wrong.
            return Err(if is_secret_path {
                PostError::Unreadable("it is no form and no JSON object")
            } else {
                PostError::Forged
            });
        };
        let fields: BTreeMap<String, String> = fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), word(Some(value))?)))
            .collect();
        if let Some(signature) = &self.signature
            && !signature.is_on(&fields, post.now)
        {
            return Err(PostError::Forged);
        }
        Ok(fields)
    }
}

/// How what is posted is proven
/// (<https://developer.vonage.com/en/getting-started/concepts/signing-messages>).
#[derive(Debug)]
struct Signature {
    method: VonageSignature,
    secret: Secret,
}

impl Signature {
    /// Whether the fields are signed, and not long ago.
    fn is_on(&self, fields: &BTreeMap<String, String>, now: DateTime<Utc>) -> bool {
        let Some(given) = fields
            .get("sig")
            .and_then(|sig| HEXLOWER_PERMISSIVE.decode(sig.as_bytes()).ok())
        else {
            return false;
        };
        let is_fresh = fields
            .get("timestamp")
            .and_then(|seconds| seconds.parse::<i64>().ok())
            .is_some_and(|seconds| {
                let age = now.timestamp().saturating_sub(seconds);
                (-AHEAD..=BEHIND).contains(&age)
            });
        is_fresh && self.is_of(&signed(fields), &given)
    }

    /// In constant time.
    fn is_of(&self, signed: &str, given: &[u8]) -> bool {
        let secret = self.secret.expose().as_bytes();
        let by_ring = |algorithm| {
            let key = ring::hmac::Key::new(algorithm, secret);
            ring::hmac::verify(&key, signed.as_bytes(), given).is_ok()
        };
        match self.method {
            VonageSignature::Md5hash => {
                let mut hash = Md5::new();
                hash.update(signed.as_bytes());
                hash.update(secret);
                // Comparing MACs of both takes the same time whatever they are.
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
                let tag = ring::hmac::sign(&key, &hash.finalize());
                ring::hmac::verify(&key, given, tag.as_ref()).is_ok()
            }
            VonageSignature::Md5 => Hmac::<Md5>::new_from_slice(secret).is_ok_and(|mut mac| {
                mac.update(signed.as_bytes());
                mac.verify_slice(given).is_ok()
            }),
            VonageSignature::Sha1 => by_ring(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            VonageSignature::Sha256 => by_ring(ring::hmac::HMAC_SHA256),
            VonageSignature::Sha512 => by_ring(ring::hmac::HMAC_SHA512),
        }
    }
}

/// `&name=value` of every field in order of their names, without the signature; what would look like
/// another field is replaced.
fn signed(fields: &BTreeMap<String, String>) -> String {
    let mut signed = String::new();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "sig") {
        signed.push('&');
        signed.push_str(name);
        signed.push('=');
        signed.push_str(&value.replace(['&', '='], "_"));
    }
    signed
}

impl Provider for Vonage {
    fn request(&self, message: &SmsMessage, _now: DateTime<Utc>) -> Result<Request, Class> {
        let kind = match message.size.encoding {
            Encoding::Gsm7 => "text",
            Encoding::Ucs2 => "unicode",
        };
        let fields = [
            ("api_key", self.account.as_str()),
            ("api_secret", self.secret.expose()),
            ("from", message.sender.trim_start_matches('+')),
            ("to", message.to.trim_start_matches('+')),
            ("text", &message.text),
            ("type", kind),
            ("client-ref", &message.reference),
            ("status-report-req", "true"),
            ("callback", &self.hooks.receipt),
        ];
        Ok(post_form(&self.submit, &fields))
    }

    fn answer(&self, answer: &Answer) -> Handed {
        if let Some(by_status) = answer.by_status(false) {
            return by_status;
        }
        let body = match answer.json(false) {
            Ok(body) => body,
            Err(unknown) => return unknown,
        };
        let parts = body.get("messages").and_then(Value::as_array);
        let parts = parts.map_or(&[][..], Vec::as_slice);
        let status = |part: &Value| -> Option<u16> { word(part.get("status"))?.parse().ok() };
        // Of a message with a part under way and another refused, the first would arrive twice if it were
        // sent again.
        if let Some(taken) = parts.iter().find(|part| status(part) == Some(0)) {
            let message_id = word(taken.get("message-id"));
            return Handed::accepted(message_id, u16::try_from(parts.len()).ok());
        }
        // A part without a status may have been taken.
        let statuses: Option<Vec<u16>> = parts.iter().map(status).collect();
        match statuses.as_deref() {
            Some([first, ..]) => refusal(*first, answer),
            _ => answer.not_understood(false),
        }
    }

    fn probe(&self, _now: DateTime<Utc>) -> Option<Request> {
        Some(get(&self.balance, &self.authorization))
    }

    fn read(&self, post: &Post<'_>) -> Result<Vec<SmsEvent>, PostError> {
        let fields = self.proven(post)?;
        let field = |name: &str| fields.get(name).filter(|value| !value.is_empty()).cloned();
        match post.kind {
            PostKind::Receipt => receipt(&field),
            PostKind::Inbound => inbound(&field),
        }
    }
}

fn receipt(field: &dyn Fn(&str) -> Option<String>) -> Result<Vec<SmsEvent>, PostError> {
    let status = field("status").ok_or(PostError::Unreadable("status is missing"))?;
    let (reference, message_id) = (field("client-ref"), field("messageId"));
    if reference.is_none() && message_id.is_none() {
        return Err(PostError::Unreadable("it names no message"));
    }
    let state = match status.as_str() {
        "accepted" | "buffered" => ReceiptState::Sent,
        "delivered" => ReceiptState::Delivered,
        "failed" | "rejected" | "expired" => ReceiptState::Undelivered,
        // "unknown": the operator says nothing, and so it says nothing here.
        _ => return Ok(Vec::new()),
    };
    let failure = (state == ReceiptState::Undelivered).then(|| {
        let code = field("err-code").unwrap_or_default();
        Failure {
            class: if status == "expired" {
                Class::Expired
            } else {
                code.parse().map_or(Class::Network, class_of_receipt)
            },
            code: plain_code(&code),
        }
    });
    let at = field("scts").and_then(|scts| instant(&scts, "%y%m%d%H%M"));
    Ok(vec![SmsEvent::Receipt(Receipt {
        reference,
        message_id,
        state,
        failure,
        at,
    })])
}

fn inbound(field: &dyn Fn(&str) -> Option<String>) -> Result<Vec<SmsEvent>, PostError> {
    if field("type").as_deref() == Some("binary") {
        return Ok(Vec::new());
    }
    let at = field("message-timestamp");
    let at = at.and_then(|at| instant(at.get(..19)?, "%Y-%m-%d %H:%M:%S"));
    Ok(vec![SmsEvent::Inbound(Inbound {
        message_id: field("messageId"),
        from: field("msisdn").ok_or(PostError::Unreadable("msisdn is missing"))?,
        to: field("to"),
        text: field("text").unwrap_or_default(),
        reference: field("client-ref"),
        at,
    })])
}

/// Milliseconds since the epoch of an instant in UTC.
fn instant(text: &str, format: &str) -> Option<i64> {
    let at = NaiveDateTime::parse_from_str(text, format).ok()?;
    Some(at.and_utc().timestamp_millis())
}

/// What a status of the answer means (<https://developer.vonage.com/en/api-errors/sms>).
fn refusal(status: u16, answer: &Answer) -> Handed {
    let class = match status {
        // Throttled; too many connections.
        1 | 10 => return Handed::deferred(Class::Greylist, status, answer.retry_after),
        // An error of theirs: the message was not taken.
        5 => return Handed::deferred(Class::Network, status, answer.retry_after),
        // No such network; the number may not be sent to.
        6 | 7 => Class::Unsupported,
        33 => Class::Inactive,
        12 => Class::Content,
        // Log-in, account, credit, sender.
        4 | 8 | 9 | 11 | 14 | 15 | 29 | 32 => Class::Relay,
        _ => Class::Protocol,
    };
    Handed::rejected(class, status)
}

/// What `err-code` of a receipt means (Vonage, "SMS Delivery Error Codes").
fn class_of_receipt(code: u16) -> Class {
    match code {
        // Away for now; barred by its user; busy; no money left.
        2 | 4 | 7 | 15 => Class::Inactive,
        // No longer a number.
        3 => Class::InvalidRecipient,
        // "User has requested not to receive messages from a specific service".
        9 => Class::OptedOut,
        // Spam; by the operator; by rules for what, from whom and with which consent.
        6 | 14 | 50..=53 => Class::Blocked,
        10 => Class::Content,
        13 => Class::Unsupported,
        // Quota; a sender that must not send there.
        16 | 39 => Class::Relay,
        54 => Class::Policy,
        _ => Class::Network,
    }
}

#[cfg(test)]
#[path = "vonage_tests.rs"]
mod tests;
