//! OVHcloud: <https://eu.api.ovh.com/console/#/sms>; receipts by its guide on SMS users.

use data_encoding::HEXLOWER;
use ring::digest;
use serde_json::json;
use visavis::channels::sms::model::ReceiptState;

use super::{Asked, Posted, Reply, Speech, Submitted, Taken, Text, member};

const SERVICE: &str = "sms-ab12345-1";
const APPLICATION: &str = "kit-ovh-application";
const APPLICATION_SECRET: &str = "kit-ovh-application-secret";
const CONSUMER: &str = "kit-ovh-consumer";

pub(super) struct Ovh;

impl Speech for Ovh {
    fn settings(&self, url: &str) -> String {
        format!(
            "service = \"{SERVICE}\"\napplication_key = \"{APPLICATION}\"\napplication_secret = \"{APPLICATION_SECRET}\"\nconsumer_key = \"{CONSUMER}\"\nurl = \"{url}\"\n"
        )
    }

    fn read(&self, asked: &Asked) -> Result<Submitted, Reply> {
        if asked.method != "POST" || asked.path != jobs() {
            return Err(fault(404, "INVALID_URL", "Got an invalid (or empty) URL"));
        }
        signed(asked)?;
        let wrong = |what: &str| fault(400, "INVALID_ARGUMENT", what);
        let job = asked.json().ok_or_else(|| wrong("Invalid JSON received"))?;
        let sender = member(&job, "/sender");
        if sender.is_some() == (job["senderForResponse"] == true) {
            return Err(wrong("sender or senderForResponse, not both"));
        }
        if !job["noStopClause"].is_boolean() || job["charset"] != "UTF-8" {
            return Err(wrong("noStopClause and charset are missing"));
        }
        if member(&job, "/tag").is_some_and(|tag| tag.len() > 20) {
            return Err(wrong("the tag is too long"));
        }
        Ok(Submitted {
            to: member(&job, "/receivers/0").ok_or_else(|| wrong("no receivers"))?,
            sender: sender.unwrap_or_default(),
            text: member(&job, "/message").ok_or_else(|| wrong("no message"))?,
            reference: member(&job, "/tag"),
            callback: None,
            is_unicode: job["coding"] == "8bit",
        })
    }

    fn accepted(&self, taken: &Taken) -> Reply {
        Reply::json(
            200,
            &json!({
                "totalCreditsRemoved": taken.parts, "invalidReceivers": [],
                "ids": [id(&taken.message_id)], "validReceivers": [taken.to],
            }),
        )
    }

    fn refused(&self, submitted: &Submitted) -> Reply {
        Reply::json(
            200,
            &json!({
                "totalCreditsRemoved": 0, "invalidReceivers": [submitted.to],
                "ids": [], "validReceivers": [],
            }),
        )
    }

    fn other(&self, asked: &Asked) -> Option<Reply> {
        if asked.method != "GET" {
            None
        } else if asked.path == "/1.0/auth/time" {
            Some(Reply::text(
                200,
                &visavis::clock::Clock::now(&visavis::clock::SystemClock)
                    .timestamp()
                    .to_string(),
            ))
        } else if asked.path == jobs() {
            Some(match signed(asked) {
                Ok(()) => Reply::json(200, &json!([])),
                Err(fault) => fault,
            })
        } else {
            None
        }
    }

    fn receipt(
        &self,
        url: &str,
        taken: &Taken,
        state: ReceiptState,
        code: Option<&str>,
        _now: i64,
    ) -> Posted {
        let (ptt, description) = match state {
            ReceiptState::Sent => ("3", "4"),
            ReceiptState::Delivered => ("4", "1"),
            ReceiptState::Undelivered => (code.unwrap_or("23"), "2"),
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("id", &id(&taken.message_id).to_string())
            .append_pair("ptt", ptt)
            .append_pair("date", "2026-11-22 21:30:00")
            .append_pair("description", description)
            .append_pair("descriptionDlr", "…")
            .finish();
        Posted {
            method: "GET",
            url: format!("{url}?{query}"),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    fn inbound(&self, url: &str, text: &Text<'_>, _now: i64) -> Posted {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("id", text.message_id)
            .append_pair("keyword", "kit")
            .append_pair("message", text.text)
            .append_pair("senderid", text.from)
            .append_pair("shortcode", text.to)
            .append_pair("tag", "")
            .finish();
        Posted {
            method: "POST",
            url: url.to_owned(),
            headers: vec![(
                "Content-Type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            )],
            body,
        }
    }
}

fn jobs() -> String {
    format!("/1.0/sms/{SERVICE}/jobs")
}

/// Its names are numbers.
fn id(message_id: &str) -> u64 {
    u64::from_str_radix(message_id.trim_start_matches("SM"), 16).expect("a name of the kit")
}

fn fault(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"class": "Client::BadRequest", "errorCode": code, "message": message}),
    )
}

/// Whether the request is signed over its very bytes, by a clock that is right to half a minute.
fn signed(asked: &Asked) -> Result<(), Reply> {
    let header = |name: &str| asked.header(name).unwrap_or_default();
    let time = header("x-ovh-timestamp");
    let off = visavis::clock::Clock::now(&visavis::clock::SystemClock).timestamp()
        - time.parse::<i64>().unwrap_or_default();
    if off.abs() > 30 {
        return Err(fault(400, "QUERY_TIME_OUT", "Query out of time"));
    }
    let body = String::from_utf8_lossy(&asked.body);
    let line = [
        APPLICATION_SECRET,
        CONSUMER,
        &asked.method,
        &format!("http://{}{}", header("host"), asked.path),
        &body,
        time,
    ]
    .join("+");
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, line.as_bytes());
    let expected = format!("$1${}", HEXLOWER.encode(hash.as_ref()));
    if header("x-ovh-application") != APPLICATION || header("x-ovh-consumer") != CONSUMER {
        return Err(fault(
            403,
            "INVALID_CREDENTIAL",
            "This credential is not valid",
        ));
    }
    if header("x-ovh-signature") != expected {
        return Err(fault(400, "INVALID_SIGNATURE", "Invalid signature"));
    }
    Ok(())
}
