//! Twilio Programmable Messaging, API 2010-04-01.

use chrono::{DateTime, Utc};
use data_encoding::{BASE64, HEXLOWER};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Request, Url};
use ring::{digest, hmac};
use serde_json::Value;

use super::{Account, Hooks, address, basic, get, plain_code, post_form, posted, word};
use crate::channels::model::Class;
use crate::channels::sms::model::{
    Failure, Handed, Inbound, Receipt, ReceiptState, SmsEvent, SmsMessage,
};
use crate::channels::sms::provider::{Answer, Post, PostError, PostKind, Provider};
use crate::config::{ConfigError, TwilioSettings};

const PUBLIC: &str = "https://api.twilio.com";

/// An account with Twilio.
#[derive(Debug)]
pub struct Twilio {
    messages: Url,
    account: Url,
    authorization: HeaderValue,
    service: Option<String>,
    hooks: Hooks,
    signs: hmac::Key,
}

impl Twilio {
    /// # Errors
    /// Names the key of what is missing or wrong.
    pub fn new(account: Account, settings: &TwilioSettings) -> Result<Self, ConfigError> {
        let key = format!("{}.twilio", account.key);
        let token = settings.token(&key)?;
        let base = settings.url.as_deref().unwrap_or(PUBLIC);
        let path = format!("/2010-04-01/Accounts/{}", settings.account);
        Ok(Self {
            messages: address(&key, base, &format!("{path}/Messages.json"))?,
            account: address(&key, base, &format!("{path}.json"))?,
            authorization: basic(&key, &settings.account, token.expose())?,
            service: settings.service.clone(),
            hooks: account.hooks,
            signs: hmac::Key::new(
                hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                token.expose().as_bytes(),
            ),
        })
    }

    /// Whether Twilio signed this with the token of the account
    /// (<https://www.twilio.com/docs/usage/security#validating-requests>).
    fn is_signed(&self, post: &Post<'_>) -> bool {
        let Some(signature) = post
            .header("x-twilio-signature")
            .and_then(|given| BASE64.decode(given.as_bytes()).ok())
        else {
            return false;
        };
        let body_hash = post.query.iter().find(|(name, _)| name == "bodySHA256");
        let fields = match body_hash {
            Some((_, hash)) => {
                let actual = digest::digest(&digest::SHA256, post.body);
                if !hash.eq_ignore_ascii_case(&HEXLOWER.encode(actual.as_ref())) {
                    return false;
                }
                String::new()
            }
            // What a GET carries is in the address, which is signed anyway.
            None if post.method == "GET" => String::new(),
            None => signed_fields(post.body),
        };
        // Twilio drops the standard port of the address it calls, or adds it.
        [post.url.to_owned(), other_port(post.url)]
            .iter()
            .any(|url| {
                let signed = format!("{url}{fields}");
                hmac::verify(&self.signs, signed.as_bytes(), &signature).is_ok()
            })
    }
}

/// Every name in order with each of its values in order, none twice.
fn signed_fields(body: &[u8]) -> String {
    let mut fields: Vec<_> = form_urlencoded::parse(body).collect();
    fields.sort_unstable();
    fields.dedup();
    let mut signed = String::new();
    for (name, value) in &fields {
        signed.push_str(name);
        signed.push_str(value);
    }
    signed
}

/// The same address without its port, or with the standard one if it has none.
fn other_port(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let digits_at = authority.rfind(':').filter(|at| {
        // The last colon of an IPv6 address is no port.
        authority[at + 1..]
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    });
    match digits_at {
        Some(at) => format!("{scheme}://{}{path}", &authority[..at]),
        None => {
            let port = if scheme == "http" { 80 } else { 443 };
            format!("{scheme}://{authority}:{port}{path}")
        }
    }
}

impl Provider for Twilio {
    fn request(&self, message: &SmsMessage, _now: DateTime<Utc>) -> Result<Request, Class> {
        // The receipt names our reference, also of a message whose answer was lost.
        let callback = format!("{}?ref={}", self.hooks.receipt, message.reference);
        let from = match &self.service {
            Some(service) => ("MessagingServiceSid", service.as_str()),
            None => ("From", message.sender.as_str()),
        };
        // Never SmartEncoded: what Twilio replaced would not be what was counted.
        let fields = [
            ("To", message.to.as_str()),
            from,
            ("Body", &message.text),
            ("StatusCallback", &callback),
        ];
        let mut request = post_form(&self.messages, &fields);
        request
            .headers_mut()
            .insert(AUTHORIZATION, self.authorization.clone());
        Ok(request)
    }

    fn answer(&self, answer: &Answer) -> Handed {
        let by_status = answer.by_status(false);
        let body = match answer.json(false) {
            Ok(body) => body,
            Err(unknown) => return by_status.unwrap_or(unknown),
        };
        if let Some(by_status) = by_status {
            return match body.get("code").and_then(Value::as_u64) {
                Some(code) if (400..500).contains(&answer.status) && answer.status != 429 => {
                    refusal(code, answer)
                }
                _ => by_status,
            };
        }
        // Taken and given up at once.
        if let Some(code) = body.get("error_code").and_then(Value::as_u64) {
            return refusal(code, answer);
        }
        match word(body.get("sid")) {
            Some(sid) if !sid.is_empty() => {
                // A messaging service counts later: until then it says 0.
                let parts = word(body.get("num_segments"))
                    .and_then(|parts| parts.parse().ok())
                    .filter(|parts| *parts > 0);
                Handed::accepted(Some(sid), parts)
            }
            _ => answer.not_understood(false),
        }
    }

    fn probe(&self, _now: DateTime<Utc>) -> Option<Request> {
        Some(get(&self.account, &self.authorization))
    }

    fn read(&self, post: &Post<'_>) -> Result<Vec<SmsEvent>, PostError> {
        if !self.is_signed(post) {
            return Err(PostError::Forged);
        }
        let fields = posted(post).ok_or(PostError::Unreadable("it is no form and no JSON"))?;
        let field = |name: &str| word(fields.get(name)).filter(|value| !value.is_empty());
        let message_id = field("MessageSid").or_else(|| field("SmsSid"));
        match post.kind {
            PostKind::Receipt => {
                let status = field("MessageStatus")
                    .or_else(|| field("SmsStatus"))
                    .ok_or(PostError::Unreadable("MessageStatus is missing"))?;
                let reference = post.query.iter().find(|(name, _)| name == "ref");
                let reference = reference.map(|(_, value)| value.clone());
                if reference.is_none() && message_id.is_none() {
                    return Err(PostError::Unreadable("it names no message"));
                }
                // Others are on the way to these, or new: parameters and words may be added at any time.
                let state = match status.as_str() {
                    "sent" | "partially_delivered" => ReceiptState::Sent,
                    "delivered" | "read" => ReceiptState::Delivered,
                    "undelivered" | "failed" | "canceled" => ReceiptState::Undelivered,
                    _ => return Ok(Vec::new()),
                };
                let failure = (state == ReceiptState::Undelivered).then(|| {
                    let code = field("ErrorCode").unwrap_or_default();
                    Failure {
                        class: code.parse().map_or(Class::Network, class_of),
                        code: plain_code(&code),
                    }
                });
                Ok(vec![SmsEvent::Receipt(Receipt {
                    reference,
                    message_id,
                    state,
                    failure,
                    at: None,
                })])
            }
            PostKind::Inbound => Ok(vec![SmsEvent::Inbound(Inbound {
                message_id,
                from: field("From").ok_or(PostError::Unreadable("From is missing"))?,
                to: field("To"),
                // A picture comes without text.
                text: field("Body").unwrap_or_default(),
                reference: None,
                at: None,
            })]),
        }
    }
}

/// What an error code of the answer means.
fn refusal(code: u64, answer: &Answer) -> Handed {
    let reply = u16::try_from(code).unwrap_or(answer.status);
    match code {
        // Too many requests; the sender's queue is full; too many a second.
        20_429 | 21_611 | 14_107 | 30_022 => {
            Handed::deferred(Class::Greylist, reply, answer.retry_after)
        }
        _ => Handed::rejected(class_of(code), reply),
    }
}

/// By <https://www.twilio.com/docs/api/errors>.
fn class_of(code: u64) -> Class {
    match code {
        // Not a telephone number; not a mobile one; an unknown handset.
        21_211 | 21_214 | 21_217 | 21_614 | 30_005 => Class::InvalidRecipient,
        21_610 => Class::OptedOut,
        // The country is not open to the account; not reachable from this sender; a landline.
        21_408 | 21_612 | 30_006 => Class::Unsupported,
        30_003 => Class::Inactive,
        // By the recipient's operator; filtered.
        30_004 | 30_007 => Class::Blocked,
        21_602 | 21_605 | 21_617 | 30_009 | 30_019 => Class::Content,
        // Unknown to Twilio too.
        30_008 => Class::Network,
        30_036 => Class::Expired,
        // Log-in, account, address of the service.
        20_003 | 20_005 | 20_006 | 20_008 | 20_404 | 21_608 | 30_001 | 30_002 | 30_010 => {
            Class::Relay
        }
        // The sender or the messaging service; its registration with the operators.
        21_212 | 21_266 | 21_603 | 21_606 | 21_659 | 21_660 | 21_701..=21_705 | 30_032 | 30_034 => {
            Class::Relay
        }
        30_000..=30_999 => Class::Network,
        _ => Class::Protocol,
    }
}

#[cfg(test)]
#[path = "twilio_tests.rs"]
mod tests;
