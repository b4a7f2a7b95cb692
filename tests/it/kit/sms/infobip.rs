//! Infobip: <https://www.infobip.com/docs/api/channels/sms>, version 3 of sending.

use serde_json::{Value, json};
use visavis::channels::sms::model::ReceiptState;

use super::{Asked, Posted, Reply, Speech, Submitted, Taken, Text, member, plus};

const API_KEY: &str = "kit-infobip-key";

pub(super) struct Infobip;

impl Speech for Infobip {
    fn settings(&self, url: &str) -> String {
        format!("api_key = \"{API_KEY}\"\nurl = \"{url}\"\n")
    }

    fn read(&self, asked: &Asked) -> Result<Submitted, Reply> {
        if asked.method != "POST" || asked.path != "/sms/3/messages" {
            return Err(fault(404, "Not Found"));
        }
        keyed(asked)?;
        let body = asked.json().ok_or_else(|| fault(400, "not JSON"))?;
        let needed = |pointer: &str| {
            member(&body, pointer).ok_or_else(|| fault(400, &format!("{pointer} is missing")))
        };
        let text = needed("/messages/0/content/text")?;
        Ok(Submitted {
            to: plus(&needed("/messages/0/destinations/0/to")?),
            sender: needed("/messages/0/sender")?,
            is_unicode: text.chars().any(|c| u32::from(c) > 0xff && c != '€'),
            text,
            reference: member(&body, "/messages/0/destinations/0/messageId"),
            callback: member(&body, "/messages/0/webhooks/delivery/url"),
        })
    }

    fn accepted(&self, taken: &Taken) -> Reply {
        answer(
            &name(taken),
            &taken.to,
            &json!({
                "groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED",
                "description": "Message sent to next instance",
            }),
            taken.parts,
        )
    }

    fn refused(&self, submitted: &Submitted) -> Reply {
        answer(
            submitted.reference.as_deref().unwrap_or("refused"),
            &submitted.to,
            &json!({
                "groupId": 5, "groupName": "REJECTED", "id": 8, "name": "REJECTED_PREFIX_MISSING",
                "description": "Number prefix missing",
            }),
            1,
        )
    }

    fn other(&self, asked: &Asked) -> Option<Reply> {
        (asked.path == "/sms/1/preview").then(|| match keyed(asked) {
            Ok(()) => Reply::json(200, &json!({"originalText": ".", "previews": []})),
            Err(fault) => fault,
        })
    }

    fn receipt(
        &self,
        url: &str,
        taken: &Taken,
        state: ReceiptState,
        code: Option<&str>,
        _now: i64,
    ) -> Posted {
        let (group, status) = match state {
            ReceiptState::Sent => ("PENDING", "PENDING_ENROUTE"),
            ReceiptState::Delivered => ("DELIVERED", "DELIVERED_TO_HANDSET"),
            ReceiptState::Undelivered => ("UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED"),
        };
        let error = match (state, code) {
            (ReceiptState::Sent | ReceiptState::Delivered, _) => {
                json!({"groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": false})
            }
            (_, None | Some("1")) => {
                json!({"groupName": "HANDSET_ERRORS", "id": 1, "name": "EC_UNKNOWN_SUBSCRIBER", "permanent": true})
            }
            (_, Some("27")) => {
                json!({"groupName": "HANDSET_ERRORS", "id": 27, "name": "EC_ABSENT_SUBSCRIBER", "permanent": false})
            }
            (_, Some(other)) => {
                json!({"groupName": "HANDSET_ERRORS", "id": 255, "name": other, "permanent": false})
            }
        };
        posted(
            url,
            &json!({"results": [{
                "bulkId": "kit-bulk", "messageId": name(taken),
                "to": taken.to.trim_start_matches('+'), "sender": taken.sender,
                "sentAt": "2026-11-22T21:30:00.000+0000", "doneAt": "2026-11-22T21:30:05.000+0000",
                "messageCount": taken.parts,
                "status": {"groupName": group, "id": 5, "name": status}, "error": error,
            }]}),
        )
    }

    fn inbound(&self, url: &str, text: &Text<'_>, _now: i64) -> Posted {
        posted(
            url,
            &json!({
                "results": [{
                    "messageId": text.message_id, "from": text.from.trim_start_matches('+'),
                    "to": text.to.trim_start_matches('+'), "text": text.text,
                    "cleanText": text.text, "keyword": "",
                    "receivedAt": "2026-11-22T21:30:00.000+0000", "smsCount": 1,
                }],
                "messageCount": 1, "pendingMessageCount": 0,
            }),
        )
    }
}

/// It takes our name for a message as its own.
fn name(taken: &Taken) -> String {
    taken
        .reference
        .clone()
        .unwrap_or_else(|| taken.message_id.clone())
}

fn answer(name: &str, to: &str, status: &Value, parts: u16) -> Reply {
    Reply::json(
        200,
        &json!({"bulkId": "kit-bulk", "messages": [{
            "messageId": name, "status": status, "destination": to.trim_start_matches('+'),
            "details": {"messageCount": parts},
        }]}),
    )
}

fn fault(status: u16, text: &str) -> Reply {
    Reply::json(
        status,
        &json!({"requestError": {"serviceException": {"messageId": "BAD_REQUEST", "text": text}}}),
    )
}

fn keyed(asked: &Asked) -> Result<(), Reply> {
    if asked.header("authorization") == Some(&format!("App {API_KEY}")) {
        Ok(())
    } else {
        Err(fault(401, "Invalid login details"))
    }
}

fn posted(url: &str, body: &Value) -> Posted {
    Posted {
        method: "POST",
        url: url.to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.to_string(),
    }
}
