//! A provider of no name, described in the settings.

use serde_json::json;
use visavis::channels::sms::model::ReceiptState;

use super::{Asked, Posted, Reply, Speech, Submitted, Taken, Text, member, plus};

const KEY: &str = "kit-http-key";

pub(super) struct Http;

impl Speech for Http {
    fn settings(&self, url: &str) -> String {
        format!(
            r#"url = "{url}/send"
headers = {{ Authorization = "Bearer {KEY}", X-Reference = "{{{{reference}}}}" }}
body = '{{"to": "{{{{to}}}}", "from": "{{{{sender}}}}", "text": "{{{{text}}}}", "reference": "{{{{reference}}}}", "coding": "{{{{encoding}}}}", "callback": "{{{{receipt_url}}}}"}}'

answer = {{ message_id = "/id", status = "/status", accepted = ["queued"], deferred = ["busy"], rejected = ["unknown"] }}
receipts = {{ list = "/receipts", reference = "/reference", message_id = "/id", status = "/status", delivered = ["delivered"], sent = ["sent"], undelivered = ["undelivered", "unknown"], unknown_subscriber = ["unknown"] }}
inbound = {{ from = "/from", text = "/text", to = "/to", message_id = "/id" }}
"#
        )
    }

    fn read(&self, asked: &Asked) -> Result<Submitted, Reply> {
        if asked.path != "/send" || asked.header("authorization") != Some(&format!("Bearer {KEY}"))
        {
            return Err(Reply::text(401, "who is there?"));
        }
        let Some(body) = asked.json() else {
            return Err(Reply::text(400, "no JSON"));
        };
        let at = |pointer: &str| member(&body, pointer).filter(|text| !text.is_empty());
        let (Some(to), Some(sender), Some(text)) = (at("/to"), at("/from"), at("/text")) else {
            return Err(Reply::text(400, "to, from or text is missing"));
        };
        Ok(Submitted {
            to: plus(&to),
            sender,
            text,
            reference: at("/reference"),
            callback: at("/callback"),
            is_unicode: at("/coding").as_deref() == Some("ucs2"),
        })
    }

    fn accepted(&self, taken: &Taken) -> Reply {
        Reply::json(200, &json!({"id": taken.message_id, "status": "queued"}))
    }

    fn refused(&self, _submitted: &Submitted) -> Reply {
        Reply::json(200, &json!({"status": "unknown"}))
    }

    fn receipt(
        &self,
        url: &str,
        taken: &Taken,
        state: ReceiptState,
        code: Option<&str>,
        _now: i64,
    ) -> Posted {
        let status = code.unwrap_or(state.as_str());
        let receipt =
            json!({"id": taken.message_id, "reference": taken.reference, "status": status});
        posted(url, &json!({"receipts": [receipt]}))
    }

    fn inbound(&self, url: &str, text: &Text<'_>, _now: i64) -> Posted {
        posted(
            url,
            &json!({"id": text.message_id, "from": text.from, "to": text.to, "text": text.text}),
        )
    }
}

fn posted(url: &str, body: &serde_json::Value) -> Posted {
    Posted {
        method: "POST",
        url: url.to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.to_string(),
    }
}
