//! Amazon SES: what it says about a message, as a notification of an identity or as an event of a
//! configuration set ("Contents of event data that Amazon SES publishes to Amazon SNS").
//!
//! Our reference comes back in the headers, which an identity's notifications hold only when they are asked
//! to, in the tags of the message, and in the return path, which SES calls `source`.

use serde_json::Value;

use super::classify::{Refusal, judge};
use super::fields::{digest, folded, moment, refs, text, word};
use super::model::{Brought, MailEvent, MailEventKind, Read, Verdict};
use crate::channels::model::Class;
use crate::config::MailProvider;

/// Reads a message that SES gave to a topic; whatever else is written there is passed over.
pub(super) fn read(message: &str) -> Brought {
    let read = match serde_json::from_str::<Value>(message) {
        Ok(event) => one(&event),
        // "Successfully validated SNS topic for Amazon SES event publishing."
        Err(_no_event) => Read::PassedOver,
    };
    Brought::one(read)
}

fn one(event: &Value) -> Read {
    // Events call it eventType, notifications notificationType.
    let kind = text(event, "eventType").or_else(|| text(event, "notificationType"));
    let Some(kind) = kind.as_deref().map(folded) else {
        return Read::Unreadable;
    };
    let empty = Value::Null;
    let part = |name: &str| event.get(name).unwrap_or(&empty);
    let (kind, told) = match kind.as_str() {
        "bounce" => {
            let bounce = part("bounce");
            match of_bounce(bounce) {
                // SES keeps a list of those who unsubscribed by it, and sends them nothing.
                Some(_) if folded(word(bounce, "bounceSubType")) == "unsubscribedrecipient" => {
                    (MailEventKind::OptOut, bounce)
                }
                Some(verdict) => (MailEventKind::Bounce(verdict), bounce),
                None => return Read::PassedOver,
            }
        }
        "complaint" => {
            let complaint = part("complaint");
            // Reports that somebody's filter erred, or on our DNS (RFC 5965, RFC 6591): nobody complained.
            match folded(word(complaint, "complaintFeedbackType")).as_str() {
                "notspam" | "authfailure" => return Read::PassedOver,
                _ => (MailEventKind::Complaint, complaint),
            }
        }
        // SES found a virus in it and did not send it.
        "reject" => (
            MailEventKind::Bounce(Verdict::by_type(Class::Content)),
            part("reject"),
        ),
        "subscription" => {
            let subscription = part("subscription");
            let preferences = subscription.get("newTopicPreferences");
            let wants_none = preferences.and_then(|new| new.get("unsubscribeAll"));
            if wants_none.and_then(Value::as_bool) != Some(true) {
                return Read::PassedOver;
            }
            (MailEventKind::OptOut, subscription)
        }
        "deliverydelay" => return Read::Delayed,
        "send" | "delivery" | "open" | "click" | "renderingfailure" => return Read::PassedOver,
        _ => return Read::Unreadable,
    };
    let mail = part("mail");
    let at = word(told, "timestamp");
    let id = text(told, "feedbackId").unwrap_or_else(|| at.to_owned());
    let parts = [kind.as_str(), word(mail, "messageId"), &id];
    Read::Event(MailEvent {
        kind,
        recipient: mail
            .get("destination")
            .and_then(|all| all.get(0))
            .and_then(Value::as_str)
            .map(str::to_owned),
        refs: names(mail),
        at: moment(at),
        digest: digest(MailProvider::Ses, &parts),
    })
}

/// Why it bounced; `None` for what is no bounce.
fn of_bounce(bounce: &Value) -> Option<Verdict> {
    // Every message of ours has one recipient.
    let recipient = bounce
        .get("bouncedRecipients")
        .and_then(|recipients| recipients.get(0))
        .unwrap_or(&Value::Null);
    let refusal = Refusal {
        diagnostic: word(recipient, "diagnosticCode"),
        status: word(recipient, "status"),
        code: None,
    };
    let subtype = folded(word(bounce, "bounceSubType"));
    let by_type = match folded(word(bounce, "bounceType")).as_str() {
        "permanent" => match subtype.as_str() {
            "noemail" => Class::InvalidRecipient,
            // It bounced before, and SES or the account no longer sends to it: what it did not try tells no more.
            "suppressed" | "onaccountsuppressionlist" => {
                return Some(Verdict::by_type(Class::Inactive));
            }
            _ => Class::Inactive,
        },
        "transient" => match subtype.as_str() {
            "mailboxfull" => Class::Quota,
            "messagetoolarge" | "contentrejected" | "attachmentrejected" => Class::Content,
            "customtimeoutexceeded" => Class::Expired,
            // "When you send an email to a recipient who has an automatic response rule, you might receive this
            // type of notification": an answer carries no refusal.
            _ if refusal.diagnostic.is_empty() && refusal.status.is_empty() => return None,
            _ => Class::Network,
        },
        _ => Class::Network,
    };
    Some(judge(refusal, by_type))
}

/// What may name the message.
fn names(mail: &Value) -> Vec<String> {
    let headers = mail.get("headers").and_then(Value::as_array);
    let header = |wanted: &str| {
        headers
            .into_iter()
            .flatten()
            .find(|header| word(header, "name").eq_ignore_ascii_case(wanted))
            .map(|header| word(header, "value"))
            .unwrap_or_default()
    };
    let tag = mail
        .get("tags")
        .and_then(|tags| tags.get(super::TAG))
        .and_then(|values| values.get(0))
        .and_then(Value::as_str)
        .unwrap_or_default();
    refs([
        header("X-Visavis-Ref"),
        tag,
        word(mail, "source"),
        header("Message-ID"),
    ])
}

#[cfg(test)]
#[path = "ses_tests.rs"]
mod tests;
