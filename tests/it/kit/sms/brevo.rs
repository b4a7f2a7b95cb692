//! Brevo: <https://developers.brevo.com/reference/sendtransacsms> and its transactional webhooks.

use serde_json::{Value, json};
use visavis::channels::sms::model::ReceiptState;

use super::{Asked, Posted, Reply, Speech, Submitted, Taken, Text, member, plus};

const API_KEY: &str = "kit-brevo-key";

pub(super) struct Brevo;

impl Speech for Brevo {
    fn settings(&self, url: &str) -> String {
        format!("api_key = \"{API_KEY}\"\nurl = \"{url}\"\n")
    }

    fn read(&self, asked: &Asked) -> Result<Submitted, Reply> {
        if asked.method != "POST" || asked.path != "/v3/transactionalSMS/send" {
            return Err(fault(404, "document_not_found", "Route not found"));
        }
        keyed(asked)?;
        let wrong = |what: &str| fault(400, "missing_parameter", &format!("{what} is missing"));
        let sms = asked.json().ok_or_else(|| wrong("the body"))?;
        let to = member(&sms, "/recipient").ok_or_else(|| wrong("recipient"))?;
        if !to.chars().all(|c| c.is_ascii_digit()) {
            return Err(fault(400, "invalid_parameter", "Invalid telephone number"));
        }
        if !matches!(sms["type"].as_str(), Some("marketing" | "transactional")) {
            return Err(fault(400, "invalid_parameter", "type is invalid"));
        }
        Ok(Submitted {
            to: plus(&to),
            sender: member(&sms, "/sender").ok_or_else(|| wrong("sender"))?,
            text: member(&sms, "/content").ok_or_else(|| wrong("content"))?,
            reference: member(&sms, "/tag"),
            callback: member(&sms, "/webUrl"),
            is_unicode: sms["unicodeEnabled"] == true,
        })
    }

    fn accepted(&self, taken: &Taken) -> Reply {
        Reply::json(
            201,
            &json!({
                "reference": "ab1cde2fgh3i4jklmno", "messageId": id(&taken.message_id),
                "smsCount": taken.parts, "usedCredits": 0.7, "remainingCredits": 82.85,
            }),
        )
    }

    fn refused(&self, _submitted: &Submitted) -> Reply {
        fault(400, "invalid_parameter", "Invalid telephone number")
    }

    fn other(&self, asked: &Asked) -> Option<Reply> {
        (asked.method == "GET" && asked.path == "/v3/account").then(|| match keyed(asked) {
            Ok(()) => Reply::json(200, &json!({"email": "kit@example.com"})),
            Err(fault) => fault,
        })
    }

    fn receipt(
        &self,
        url: &str,
        taken: &Taken,
        state: ReceiptState,
        code: Option<&str>,
        now: i64,
    ) -> Posted {
        let status = match state {
            ReceiptState::Sent => "sent",
            ReceiptState::Delivered => "delivered",
            ReceiptState::Undelivered => code.unwrap_or("hard_bounce"),
        };
        posted(
            url,
            &json!({
                "id": 26570, "to": taken.to.trim_start_matches('+'), "sms_count": taken.parts,
                "credits_used": 0.7, "messageId": id(&taken.message_id), "remaining_credit": 82.85,
                "msg_status": status, "date": "2026-11-22 22:30:00", "ts_event": now,
                "type": "marketing", "reference": "ab1cde2fgh3i4jklmno", "tag": taken.reference,
            }),
        )
    }

    fn inbound(&self, url: &str, text: &Text<'_>, now: i64) -> Posted {
        posted(
            url,
            &json!({
                "id": 26570, "to": text.from.trim_start_matches('+'), "messageId": text.message_id,
                "msg_status": "replied", "reply": text.text, "date": "2026-11-22 22:30:00",
                "ts_event": now, "type": "marketing",
            }),
        )
    }
}

/// Its names are numbers.
fn id(message_id: &str) -> u64 {
    u64::from_str_radix(message_id.trim_start_matches("SM"), 16).expect("a name of the kit")
}

fn fault(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({"code": code, "message": message}))
}

fn keyed(asked: &Asked) -> Result<(), Reply> {
    if asked.header("api-key") == Some(API_KEY) {
        Ok(())
    } else {
        Err(fault(401, "unauthorized", "Key not found"))
    }
}

fn posted(url: &str, event: &Value) -> Posted {
    Posted {
        method: "POST",
        url: url.to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: event.to_string(),
    }
}
