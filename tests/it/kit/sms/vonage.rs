//! Vonage SMS API: <https://developer.vonage.com/en/api/sms>.

use std::collections::BTreeMap;

use data_encoding::HEXUPPER;
use ring::hmac;
use serde_json::{Value, json};
use visavis::channels::sms::model::ReceiptState;

use super::wire::field;
use super::{Asked, Posted, Reply, Speech, Submitted, Taken, Text, plus};

const ACCOUNT: &str = "abcd1234";
const SECRET: &str = "kit-vonage-secret";
const SIGNATURE_SECRET: &str = "kit-vonage-signature-secret";

pub(super) struct Vonage;

impl Speech for Vonage {
    fn settings(&self, url: &str) -> String {
        format!(
            "account = \"{ACCOUNT}\"\nsecret = \"{SECRET}\"\nsignature_secret = \"{SIGNATURE_SECRET}\"\nsignature = \"sha256\"\nurl = \"{url}\"\n"
        )
    }

    fn read(&self, asked: &Asked) -> Result<Submitted, Reply> {
        if asked.method != "POST" || asked.path != "/sms/json" {
            return Err(Reply::empty(404));
        }
        let form = asked.form();
        let is = |name: &str, value: &str| field(&form, name).as_deref() == Some(value);
        if !is("api_key", ACCOUNT) || !is("api_secret", SECRET) {
            return Err(fault("4", "Bad Credentials"));
        }
        let (Some(to), Some(sender), Some(text)) = (
            field(&form, "to"),
            field(&form, "from"),
            field(&form, "text"),
        ) else {
            return Err(fault("2", "Missing mandatory params"));
        };
        if !to.chars().all(|c| c.is_ascii_digit()) {
            return Err(fault("3", "to address is not numeric"));
        }
        Ok(Submitted {
            to: plus(&to),
            sender,
            text,
            reference: field(&form, "client-ref"),
            callback: field(&form, "callback"),
            is_unicode: is("type", "unicode"),
        })
    }

    fn accepted(&self, taken: &Taken) -> Reply {
        let parts: Vec<Value> = (1..=taken.parts)
            .map(|part| {
                json!({
                    "to": taken.to.trim_start_matches('+'),
                    "message-id": if part == 1 { taken.message_id.clone() } else { format!("{}-{part}", taken.message_id) },
                    "status": "0", "remaining-balance": "2.50000000", "message-price": "0.03330000",
                    "network": "20801", "client-ref": taken.reference,
                })
            })
            .collect();
        Reply::json(
            200,
            &json!({"message-count": taken.parts.to_string(), "messages": parts}),
        )
    }

    fn refused(&self, submitted: &Submitted) -> Reply {
        let _ = submitted;
        fault("33", "Number De-activated")
    }

    fn other(&self, asked: &Asked) -> Option<Reply> {
        (asked.path == "/account/get-balance")
            .then(|| Reply::json(200, &json!({"value": 2.5, "autoReload": false})))
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
            ReceiptState::Sent => "buffered",
            ReceiptState::Delivered => "delivered",
            ReceiptState::Undelivered => "failed",
        };
        signed(
            url,
            &[
                ("msisdn", taken.to.trim_start_matches('+')),
                ("to", &taken.sender),
                ("network-code", "20801"),
                ("messageId", &taken.message_id),
                ("price", "0.03330000"),
                ("status", status),
                ("scts", "2611222130"),
                ("err-code", code.unwrap_or("0")),
                ("api-key", ACCOUNT),
                ("client-ref", taken.reference.as_deref().unwrap_or_default()),
                ("message-timestamp", "2026-11-22 21:30:00"),
            ],
            now,
        )
    }

    fn inbound(&self, url: &str, text: &Text<'_>, now: i64) -> Posted {
        signed(
            url,
            &[
                ("api-key", ACCOUNT),
                ("msisdn", text.from.trim_start_matches('+')),
                ("to", text.to.trim_start_matches('+')),
                ("messageId", text.message_id),
                ("text", text.text),
                (
                    "type",
                    if text.text.is_ascii() {
                        "text"
                    } else {
                        "unicode"
                    },
                ),
                ("keyword", text.text.split(' ').next().unwrap_or_default()),
                ("message-timestamp", "2026-11-22 21:30:00"),
            ],
            now,
        )
    }
}

fn fault(status: &str, text: &str) -> Reply {
    Reply::json(
        200,
        &json!({"message-count": "1", "messages": [{"status": status, "error-text": text}]}),
    )
}

/// With SHA-256; as JSON.
fn signed(url: &str, fields: &[(&str, &str)], now: i64) -> Posted {
    let now = now.to_string();
    let mut fields: BTreeMap<&str, &str> = fields.iter().copied().collect();
    fields.insert("timestamp", &now);
    fields.insert("nonce", "0b0f6e4c-4a3c-4f6e-9d6a-1f1d2b1c0a99");
    let mut signed = String::new();
    for (name, value) in &fields {
        signed.push_str(&format!("&{name}={}", value.replace(['&', '='], "_")));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNATURE_SECRET.as_bytes());
    let signature = HEXUPPER.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    fields.insert("sig", &signature);
    Posted {
        method: "POST",
        url: url.to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: json!(fields).to_string(),
    }
}
