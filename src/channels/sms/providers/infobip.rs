//! Infobip.
//!
//! It signs nothing, so its addresses are secret: that of receipts goes with every message, the inbound one
//! is set at the number. The API key needs the scope `sms:message:send`.

use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;
use serde_json::Value;

use super::fields::{code, count, moment, text, without_plus};
use super::{Account, address};
use crate::channels::model::Class;
use crate::channels::sms::model::{
    Failure, Handed, Inbound, Receipt, ReceiptState, SmsEvent, SmsMessage,
};
use crate::channels::sms::provider::{Answer, Post, PostError, PostKind, Provider};
use crate::config::{ConfigError, InfobipSettings};

#[derive(Debug)]
pub(super) struct Infobip {
    account: Account,
    api_key: HeaderValue,
    messages: Url,
    preview: Url,
}

/// The body of `POST /sms/3/messages`.
#[derive(Serialize)]
struct Batch<'a> {
    messages: [Message<'a>; 1],
}

#[derive(Serialize)]
struct Message<'a> {
    sender: &'a str,
    destinations: [Destination<'a>; 1],
    content: Content<'a>,
    webhooks: Webhooks<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Destination<'a> {
    to: &'a str,
    message_id: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Webhooks<'a> {
    delivery: Delivery<'a>,
    content_type: &'static str,
}

#[derive(Serialize)]
struct Delivery<'a> {
    url: &'a str,
}

impl Infobip {
    pub(super) fn open(account: Account, settings: &InfobipSettings) -> Result<Self, ConfigError> {
        let key = format!("{}.infobip", account.key);
        let secret = settings.api_key(&key)?;
        let mut api_key =
            HeaderValue::from_str(&format!("App {}", secret.expose())).map_err(|_unusable| {
                ConfigError::key(
                    &format!("{key}.api_key"),
                    "holds characters that no key of Infobip has",
                )
            })?;
        api_key.set_sensitive(true);
        Ok(Self {
            api_key,
            messages: address(&key, &settings.url, "/sms/3/messages")?,
            preview: address(&key, &settings.url, "/sms/1/preview")?,
            account,
        })
    }

    fn keyed(&self, url: &Url, body: Vec<u8>) -> Request {
        let mut request = Request::new(Method::POST, url.clone());
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.api_key.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.into());
        request
    }
}

impl Provider for Infobip {
    fn request(&self, message: &SmsMessage, _now: DateTime<Utc>) -> Result<Request, Class> {
        let body = serde_json::to_vec(&Batch {
            messages: [Message {
                sender: without_plus(&message.sender),
                destinations: [Destination {
                    to: without_plus(&message.to),
                    message_id: &message.reference,
                }],
                content: Content {
                    text: &message.text,
                },
                webhooks: Webhooks {
                    delivery: Delivery {
                        url: &self.account.hooks.receipt,
                    },
                    content_type: "application/json",
                },
            }],
        })
        .map_err(|_unusable| Class::Unsupported)?;
        Ok(self.keyed(&self.messages, body))
    }

    fn answer(&self, answer: &Answer) -> Handed {
        if let Some(handed) = answer.by_status(self.is_idempotent()) {
            return handed;
        }
        let body = match answer.json(self.is_idempotent()) {
            Ok(body) => body,
            Err(handed) => return handed,
        };
        let Some(message) = body.pointer("/messages/0") else {
            return answer.not_understood(self.is_idempotent());
        };
        let message_id = text(message, "messageId");
        let parts = count(message, "messageCount")
            .or_else(|| count(message.get("details")?, "messageCount"));
        let status = |name: &str| {
            message
                .get("status")
                .and_then(|status| text(status, name))
                .map(|word| word.to_uppercase())
                .unwrap_or_default()
        };
        match status("groupName").as_str() {
            "PENDING" | "OK" | "ACCEPTED" | "DELIVERED" => Handed::accepted(message_id, parts),
            "REJECTED" | "UNDELIVERABLE" | "EXPIRED" => {
                refusal(&status("name"), message_id, answer)
            }
            _ => answer.not_understood(self.is_idempotent()),
        }
    }

    /// The status list has REJECTED_DUPLICATE_MESSAGE_ID, but nothing says for how long a name is
    /// remembered, nor that two requests at once are told apart: not enough to send twice on.
    fn is_idempotent(&self) -> bool {
        false
    }

    /// Counting a text needs the same scope as sending one; the balance would need another.
    fn probe(&self, _now: DateTime<Utc>) -> Option<Request> {
        Some(self.keyed(&self.preview, br#"{"text":"."}"#.to_vec()))
    }

    fn read(&self, post: &Post<'_>) -> Result<Vec<SmsEvent>, PostError> {
        if !self.account.secret.is(post.secret) {
            return Err(PostError::Forged);
        }
        let body: Value = serde_json::from_slice(post.body)
            .map_err(|_unusable| PostError::Unreadable("it is not JSON"))?;
        let results = body
            .get("results")
            .and_then(Value::as_array)
            .ok_or(PostError::Unreadable("it holds no results"))?;
        let events: Vec<_> = results
            .iter()
            .filter_map(|result| match post.kind {
                PostKind::Receipt => receipt(result),
                PostKind::Inbound => inbound(result),
            })
            .collect();
        // One result of a new kind does not lose the others.
        if events.is_empty() && !results.is_empty() {
            return Err(PostError::Unreadable(
                "none of its results tells what happened",
            ));
        }
        Ok(events)
    }
}

/// What a status of the group REJECTED means at the hand-over.
fn refusal(name: &str, message_id: Option<String>, answer: &Answer) -> Handed {
    let class = match name {
        // An earlier attempt was taken after all.
        "REJECTED_DUPLICATE_MESSAGE_ID" => return Handed::accepted(message_id, None),
        "REJECTED_FLOODING_FILTER" => {
            return Handed::deferred(Class::Greylist, answer.status, answer.retry_after);
        }
        "REJECTED_SYSTEM_ERROR" => {
            return Handed::deferred(Class::Network, answer.status, answer.retry_after);
        }
        _ => by_status_name(name),
    };
    Handed::rejected(class, answer.status)
}

/// The status list, "General status codes", groups UNDELIVERABLE, EXPIRED and REJECTED.
fn by_status_name(name: &str) -> Class {
    match name {
        "REJECTED_PREFIX_MISSING" | "REJECTED_DESTINATION" | "MISSING_TO" => {
            Class::InvalidRecipient
        }
        "REJECTED_DND" | "REJECTED_DESTINATION_BLOCKLISTED" => Class::Inactive,
        "REJECTED_SOURCE"
        | "REJECTED_SENDER"
        | "REJECTED_NOT_ENOUGH_CREDITS"
        | "REJECTED_PREPAID_PACKAGE_EXPIRED"
        | "REJECTED_DESTINATION_NOT_REGISTERED"
        | "REJECTED_ROUTE_NOT_AVAILABLE" => Class::Relay,
        "REJECTED_NETWORK" => Class::Unsupported,
        "REJECTED_MESSAGE_TOO_LONG" => Class::Content,
        "REJECTED_FLOODING_FILTER" => Class::Greylist,
        "SIGNALS_BLOCKED" => Class::Blocked,
        "EXPIRED_EXPIRED" | "EXPIRED_DLR_UNKNOWN" => Class::Expired,
        "REJECTED_INVALID_UDH" | "UNDELIVERABLE_REJECTED_PLATFORM" => Class::Protocol,
        _ => Class::Network,
    }
}

/// The error list, "General error codes"; nothing where the status says more.
fn by_error_name(name: &str, is_permanent: bool) -> Option<Class> {
    Some(match name {
        "EC_UNKNOWN_SUBSCRIBER"
        | "EC_UNIDENTIFIED_SUBSCRIBER"
        | "EC_INVALID_REQUEST_DESTINATION"
        | "EC_DEACTIVATED_LIST"
        | "EC_OPERATOR_NOT_FOUND" => Class::InvalidRecipient,
        // Also sent when a prepaid card is empty, so it is believed only when it is for good.
        "EC_INVALID_DESTINATION_ADDRESS" => {
            if is_permanent {
                Class::InvalidRecipient
            } else {
                Class::Inactive
            }
        }
        "EC_ABSENT_SUBSCRIBER"
        | "EC_ABSENT_SUBSCRIBER_SM"
        | "EC_CALL_BARRED"
        | "EC_ILLEGAL_SUBSCRIBER"
        | "EC_SUBSCRIBER_BUSY_FOR_MT_SMS"
        | "EC_DEST_ADDRESS_SUSPENDED"
        | "EC_DESTINATION_BLOCKED_BY_OPERATOR"
        | "EC_SC_BLOCKED_FOR_END_USER"
        | "EC_DEST_ADDRESS_BLACKLISTED"
        | "EC_BLACKLISTED_DESTINATIONADDRESS"
        | "EC_IMSI_BLACKLISTED" => Class::Inactive,
        // By a STOP to the operator or to Infobip.
        "EC_SC_BLOCKED_BY_END_USER" | "EC_CONTENT_BLOCKED" => Class::OptedOut,
        "EC_SM_DF_MEMORYCAPACITYEXCEEDED"
        | "EC_MESSAGE_WAITING_LIST_FULL"
        | "EC_USER_OUT_OF_CREDIT" => Class::Quota,
        "EC_TELESERVICE_NOT_PROVISIONED"
        | "EC_ILLEGAL_EQUIPMENT"
        | "EC_FACILITY_NOT_SUPPORTED"
        | "EC_CANNOT_RECEIVE_SC"
        | "EC_DEST_ADDRESS_UNABLE_TO_RECEIVE_SMS"
        | "EC_DESTINATION_NOT_SMS_PROVISIONED" => Class::Unsupported,
        "EC_MSG_TEXT_TOO_LONG" | "EC_CONTENT_BLOCKED_BY_OPERATOR" => Class::Content,
        "EC_REJECTED_SPAM_BY_OPERATOR" | "EC_SIGNALS_BLOCKED" => Class::Blocked,
        "EC_INVALID_SOURCE_ADDRESS"
        | "EC_BLACKLISTED_SENDERADDRESS"
        | "EC_SOURCE_ADDRESS_IS_BLOCKED"
        | "EC_MONTHLY_LIMIT_REACHED"
        | "EC_ACCOUNT_ACCESS_DENIED"
        | "EC_ACCOUNT_NOT_PROVISIONED_FOR_CHANNEL" => Class::Relay,
        "EC_LIMIT_REACHED"
        | "EC_QUOTA_REACHED"
        | "EC_DESTINATION_FLOODING"
        | "EC_DESTINATION_TXT_FLOODING" => Class::Greylist,
        "EC_VALIDITY_EXPIRED" | "EC_VP_EXPIRED" | "EC_MESSAGE_EXPIRED" | "EC_TIME_OUT" => {
            Class::Expired
        }
        _ => return None,
    })
}

/// One delivery report; nothing when it cannot be told what it means.
fn receipt(result: &Value) -> Option<SmsEvent> {
    let message_id = text(result, "messageId")?;
    let status = result.get("status")?;
    let name = text(status, "name").unwrap_or_default().to_uppercase();
    let state = match text(status, "groupName")?.to_uppercase().as_str() {
        "OK" | "PENDING" | "ACCEPTED" => ReceiptState::Sent,
        // The operator has it, the telephone not yet: "intermediate" in the list.
        "DELIVERED" if name == "DELIVERED_TO_OPERATOR" => ReceiptState::Sent,
        "DELIVERED" => ReceiptState::Delivered,
        // A second attempt of ours came back; the first one has receipts of its own under this name.
        "REJECTED" if name == "REJECTED_DUPLICATE_MESSAGE_ID" => ReceiptState::Sent,
        "UNDELIVERABLE" | "EXPIRED" | "REJECTED" => ReceiptState::Undelivered,
        _ => return None,
    };
    let failure = (state == ReceiptState::Undelivered).then(|| {
        let error = result.get("error");
        let error_name = error.and_then(|error| text(error, "name"));
        let is_permanent = error
            .and_then(|error| error.get("permanent"))
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let of_error = error_name
            .as_deref()
            .and_then(|error| by_error_name(error, is_permanent));
        let number = match of_error {
            Some(_) => error.and_then(|error| text(error, "id")),
            None => text(status, "id"),
        };
        Failure {
            class: of_error.unwrap_or_else(|| by_status_name(&name)),
            code: code(&number.unwrap_or(name)),
        }
    });
    Some(SmsEvent::Receipt(Receipt {
        // Its name for the message is the one we gave.
        reference: Some(message_id.clone()),
        message_id: Some(message_id),
        state,
        failure,
        at: text(result, "doneAt").and_then(|at| moment(&at)),
    }))
}

/// One message of somebody; nothing when it does not say whose.
fn inbound(result: &Value) -> Option<SmsEvent> {
    Some(SmsEvent::Inbound(Inbound {
        message_id: text(result, "messageId"),
        from: text(result, "from")?,
        to: text(result, "to"),
        // An empty message is one, too.
        text: result.get("text")?.as_str()?.to_owned(),
        reference: None,
        at: text(result, "receivedAt").and_then(|at| moment(&at)),
    }))
}

#[cfg(test)]
#[path = "infobip_tests.rs"]
mod tests;
