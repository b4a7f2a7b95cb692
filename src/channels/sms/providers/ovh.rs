//! OVHcloud.
//!
//! Requests are signed; what it posts is not, so the addresses are secret. In the account, `callBack` is the
//! receipt address; `stopCallBack`, and `cgiUrl` of `smsResponse` with the type `cgi`, are the inbound one.
//! The consumer key needs GET and POST on `/sms/SERVICE/jobs`.

use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use ring::digest;
use serde::Serialize;
use serde_json::Value;

use super::fields::{code, form, moment, name_of_reply, pair, text};
use super::{Account, address};
use crate::channels::model::Class;
use crate::channels::sms::model::{
    Failure, Handed, Inbound, Receipt, ReceiptState, SmsEvent, SmsMessage,
};
use crate::channels::sms::provider::{Answer, Post, PostError, PostKind, Provider};
use crate::config::{ConfigError, OvhSettings, Secret, StopBy};
use crate::templates::sms::Encoding;

/// Where the European customers are.
const URL: &str = "https://eu.api.ovh.com";

/// The longest tag that comes back with a reply.
const MOST_TAG: usize = 20;

#[derive(Debug)]
pub(super) struct Ovh {
    account: Account,
    application_key: HeaderValue,
    application_secret: Secret,
    consumer_key: Secret,
    consumer: HeaderValue,
    jobs: Url,
    time: Url,
}

/// The body of `POST /sms/{service}/jobs`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job<'a> {
    message: &'a str,
    receivers: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    sender_for_response: bool,
    no_stop_clause: bool,
    charset: &'static str,
    coding: &'static str,
    class: &'static str,
    priority: &'static str,
    /// Minutes.
    validity_period: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
}

impl Ovh {
    pub(super) fn open(account: Account, settings: &OvhSettings) -> Result<Self, ConfigError> {
        let key = format!("{}.ovh", account.key);
        let header = |name: &str, value: &str| {
            HeaderValue::from_str(value).map_err(|_unusable| {
                ConfigError::key(
                    &format!("{key}.{name}"),
                    "holds characters that no key of OVHcloud has",
                )
            })
        };
        let is_plain = settings
            .service
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-');
        if settings.service.is_empty() || !is_plain {
            return Err(ConfigError::key(
                &format!("{key}.service"),
                "must be the name of the SMS account, such as sms-ab12345-1",
            ));
        }
        let base = settings.url.as_deref().unwrap_or(URL);
        let consumer_key = settings.consumer_key(&key)?;
        let mut consumer = header("consumer_key", consumer_key.expose())?;
        consumer.set_sensitive(true);
        Ok(Self {
            application_key: header("application_key", &settings.application_key)?,
            application_secret: settings.application_secret(&key)?,
            consumer_key,
            consumer,
            jobs: address(&key, base, &format!("/1.0/sms/{}/jobs", settings.service))?,
            time: address(&key, base, "/1.0/auth/time")?,
            account,
        })
    }

    /// A request, signed.
    fn signed(&self, method: Method, url: &Url, body: Vec<u8>, now: DateTime<Utc>) -> Request {
        let time = now.timestamp();
        let signature = sign(
            self.application_secret.expose(),
            self.consumer_key.expose(),
            method.as_str(),
            url.as_str(),
            &body,
            time,
        );
        let mut request = Request::new(method, url.clone());
        let headers = request.headers_mut();
        headers.insert(
            HeaderName::from_static("x-ovh-application"),
            self.application_key.clone(),
        );
        headers.insert(
            HeaderName::from_static("x-ovh-consumer"),
            self.consumer.clone(),
        );
        headers.insert(
            HeaderName::from_static("x-ovh-timestamp"),
            HeaderValue::from(time),
        );
        if let Ok(signature) = HeaderValue::from_str(&signature) {
            headers.insert(HeaderName::from_static("x-ovh-signature"), signature);
        }
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.into());
        }
        request
    }
}

impl Provider for Ovh {
    fn request(&self, message: &SmsMessage, now: DateTime<Utc>) -> Result<Request, Class> {
        // A short code is not a sender of ours: OVHcloud chooses one of its own, which people can answer.
        let is_short_code =
            message.sender.len() <= 6 && message.sender.chars().all(|c| c.is_ascii_digit());
        let job = Job {
            message: &message.text,
            receivers: [&message.to],
            sender: (!is_short_code).then_some(message.sender.as_str()),
            sender_for_response: is_short_code,
            // Without the clause OVHcloud neither writes STOP nor keeps the hours: both are then ours.
            no_stop_clause: !message.is_marketing || self.account.stop_by == Some(StopBy::Us),
            charset: "UTF-8",
            coding: match message.size.encoding {
                Encoding::Gsm7 => "7bit",
                Encoding::Ucs2 => "8bit",
            },
            class: "phoneDisplay",
            priority: if message.is_marketing {
                "medium"
            } else {
                "high"
            },
            validity_period: 2_880,
            tag: (message.reference.len() <= MOST_TAG).then_some(message.reference.as_str()),
        };
        let body = serde_json::to_vec(&job).map_err(|_unusable| Class::Unsupported)?;
        Ok(self.signed(Method::POST, &self.jobs, body, now))
    }

    fn answer(&self, answer: &Answer) -> Handed {
        if let Some(handed) = answer.by_status(false) {
            return refusal(answer).unwrap_or(handed);
        }
        let body = match answer.json(false) {
            Ok(body) => body,
            Err(handed) => return handed,
        };
        let first = |name: &str| body.get(name)?.as_array()?.first().cloned();
        match (first("ids"), first("invalidReceivers")) {
            (Some(Value::Number(id)), _) => Handed::accepted(Some(id.to_string()), None),
            (Some(Value::String(id)), _) => Handed::accepted(Some(id), None),
            (_, Some(_)) => Handed::rejected(Class::InvalidRecipient, answer.status),
            _ => answer.not_understood(false),
        }
    }

    fn probe(&self, now: DateTime<Utc>) -> Option<Request> {
        Some(self.signed(Method::GET, &self.jobs, Vec::new(), now))
    }

    fn read(&self, post: &Post<'_>) -> Result<Vec<SmsEvent>, PostError> {
        if !self.account.secret.is(post.secret) {
            return Err(PostError::Forged);
        }
        let mut pairs = post.query.to_vec();
        pairs.extend(form(post.body));
        match post.kind {
            PostKind::Receipt => receipt(&pairs),
            PostKind::Inbound => inbound(&pairs),
        }
    }

    fn clock(&self) -> Option<Request> {
        Some(Request::new(Method::GET, self.time.clone()))
    }
}

/// What an error says beyond its status: requests that are signed wrongly come back as 400.
fn refusal(answer: &Answer) -> Option<Handed> {
    if answer.status != 400 {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let class = match text(&body, "errorCode").as_deref() {
        Some("INVALID_SIGNATURE" | "INVALID_KEY" | "INVALID_CREDENTIAL" | "QUERY_TIME_OUT") => {
            Class::Relay
        }
        // From a short code of theirs nobody may send a link or a number, so no message would go.
        _ if text(&body, "message")?
            .to_lowercase()
            .contains("contact information") =>
        {
            Class::Policy
        }
        _ => return None,
    };
    Some(Handed::rejected(class, answer.status))
}

/// `$1$` and the SHA-1 of all of it, joined by plus signs; `time` is in seconds.
fn sign(secret: &str, consumer: &str, method: &str, url: &str, body: &[u8], time: i64) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for piece in [secret, consumer, method, url] {
        hash.update(piece.as_bytes());
        hash.update(b"+");
    }
    hash.update(body);
    hash.update(format!("+{time}").as_bytes());
    format!("$1${}", HEXLOWER.encode(hash.finish().as_ref()))
}

/// `id`, `ptt`, `date`, `description` (the state as a number) and `descriptionDlr`.
fn receipt(pairs: &[(String, String)]) -> Result<Vec<SmsEvent>, PostError> {
    let id = pair(pairs, "id").ok_or(PostError::Unreadable("it names no message"))?;
    let ptt = pair(pairs, "ptt");
    let known = ptt.and_then(by_ptt).or_else(|| {
        ["description", "descriptionDlr"]
            .into_iter()
            .find_map(|name| pair(pairs, name).and_then(by_state))
    });
    let Some((state, class)) = known else {
        if ptt.is_none() {
            return Err(PostError::Unreadable("it tells no state"));
        }
        // The list of codes grows.
        return Ok(Vec::new());
    };
    Ok(vec![SmsEvent::Receipt(Receipt {
        reference: None,
        message_id: Some(id.to_owned()),
        state,
        failure: class.map(|class| Failure {
            class,
            code: code(ptt.unwrap_or_default()),
        }),
        at: pair(pairs, "date").and_then(moment),
    })])
}

/// What a "premium tracking technical" code means: the table of the guide on SMS users, step 5.
fn by_ptt(ptt: &str) -> Option<(ReceiptState, Option<Class>)> {
    let class = match ptt {
        // 1 and 2 are still tried, 3 is with the operator, and of 6 nobody will ever know.
        "1" | "2" | "3" | "6" => return Some((ReceiptState::Sent, None)),
        "4" => return Some((ReceiptState::Delivered, None)),
        "5" | "25" | "39" | "73" => Class::Network,
        "8" => Class::Expired,
        "20" | "29" | "33" => Class::Content,
        "21" | "26" => Class::Quota,
        "23" => Class::InvalidRecipient,
        "24" | "74" => Class::Inactive,
        "27" => Class::Unsupported,
        "28" | "76" | "202" => Class::Blocked,
        _ => return None,
    };
    Some((ReceiptState::Undelivered, Some(class)))
}

/// The second table there, for codes that the first does not list.
fn by_state(state: &str) -> Option<(ReceiptState, Option<Class>)> {
    match state {
        "0" | "4" | "8" => Some((ReceiptState::Sent, None)),
        "1" => Some((ReceiptState::Delivered, None)),
        "2" | "16" => Some((ReceiptState::Undelivered, Some(Class::Network))),
        _ => None,
    }
}

/// A reply: `id`, `message`, `senderid`, `shortcode`, `tag`. What `stopCallBack` adds to its address is
/// written nowhere, so any name of a number is taken; a post without a text is a STOP.
fn inbound(pairs: &[(String, String)]) -> Result<Vec<SmsEvent>, PostError> {
    let from = ["senderid", "sender", "from", "number", "receiver"]
        .into_iter()
        .find_map(|name| pair(pairs, name))
        .ok_or(PostError::Unreadable("it names no number"))?;
    let text = pairs
        .iter()
        .find(|(name, _)| name == "message")
        .map_or("STOP", |(_, text)| text.as_str());
    Ok(vec![SmsEvent::Inbound(Inbound {
        message_id: pair(pairs, "id").map(|id| name_of_reply(id, text)),
        from: match from.strip_prefix("00") {
            Some(rest) => format!("+{rest}"),
            None => from.to_owned(),
        },
        to: pair(pairs, "shortcode").map(str::to_owned),
        text: text.to_owned(),
        reference: pair(pairs, "tag").map(str::to_owned),
        at: pair(pairs, "date").and_then(moment),
    })])
}

#[cfg(test)]
#[path = "ovh_tests.rs"]
mod tests;
