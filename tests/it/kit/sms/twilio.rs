//! Twilio: <https://www.twilio.com/docs/messaging/api/message-resource>.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use ring::hmac;
use serde_json::json;
use visavis::channels::sms::model::ReceiptState;

use super::wire::field;
use super::{Asked, Posted, Reply, Speech, Submitted, Taken, Text};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "kit-twilio-token";

pub(super) struct Twilio;

impl Speech for Twilio {
    fn settings(&self, url: &str) -> String {
        format!("account = \"{ACCOUNT}\"\ntoken = \"{TOKEN}\"\nurl = \"{url}\"\n")
    }

    fn read(&self, asked: &Asked) -> Result<Submitted, Reply> {
        let right = format!(
            "Basic {}",
            BASE64.encode(format!("{ACCOUNT}:{TOKEN}").as_bytes())
        );
        if asked.header("authorization") != Some(&right) {
            return Err(fault(401, 20003, "Authenticate"));
        }
        if asked.method != "POST"
            || asked.path != format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
        {
            return Err(fault(404, 20404, "The requested resource was not found"));
        }
        let form = asked.form();
        let Some(to) = field(&form, "To").filter(|to| to.starts_with('+')) else {
            return Err(fault(400, 21211, "Invalid 'To' Phone Number"));
        };
        let Some(text) = field(&form, "Body").filter(|text| !text.is_empty()) else {
            return Err(fault(400, 21602, "Message body is required."));
        };
        let Some(sender) = field(&form, "From").or_else(|| field(&form, "MessagingServiceSid"))
        else {
            return Err(fault(400, 21603, "A 'From' phone number is required."));
        };
        let callback = field(&form, "StatusCallback");
        let reference = callback
            .as_ref()
            .and_then(|url| url.split_once("?ref="))
            .map(|(_, reference)| reference.to_owned());
        Ok(Submitted {
            to,
            sender,
            is_unicode: text.chars().any(|c| u32::from(c) > 0xff && c != '€'),
            text,
            reference,
            callback,
        })
    }

    fn accepted(&self, taken: &Taken) -> Reply {
        Reply::json(
            201,
            &json!({
                "account_sid": ACCOUNT, "sid": taken.message_id, "status": "queued", "to": taken.to,
                "from": taken.sender, "body": taken.text, "num_segments": taken.parts.to_string(),
                "error_code": null, "error_message": null, "direction": "outbound-api",
            }),
        )
    }

    fn refused(&self, _submitted: &Submitted) -> Reply {
        fault(400, 21211, "Invalid 'To' Phone Number")
    }

    fn other(&self, asked: &Asked) -> Option<Reply> {
        (asked.method == "GET")
            .then(|| Reply::json(200, &json!({"sid": ACCOUNT, "status": "active"})))
    }

    fn receipt(
        &self,
        url: &str,
        taken: &Taken,
        state: ReceiptState,
        code: Option<&str>,
        _now: i64,
    ) -> Posted {
        let status = state.as_str();
        let mut form = vec![
            ("SmsSid", taken.message_id.as_str()),
            ("SmsStatus", status),
            ("MessageStatus", status),
            ("To", &taken.to),
            ("MessageSid", &taken.message_id),
            ("AccountSid", ACCOUNT),
            ("From", &taken.sender),
            ("ApiVersion", "2010-04-01"),
        ];
        if let Some(code) = code {
            form.push(("ErrorCode", code));
        }
        signed(url, &form)
    }

    fn inbound(&self, url: &str, text: &Text<'_>, _now: i64) -> Posted {
        signed(
            url,
            &[
                ("ToCountry", "FR"),
                ("SmsMessageSid", text.message_id),
                ("NumMedia", "0"),
                ("SmsStatus", "received"),
                ("Body", text.text),
                ("To", text.to),
                ("NumSegments", "1"),
                ("MessageSid", text.message_id),
                ("AccountSid", ACCOUNT),
                ("From", text.from),
                ("ApiVersion", "2010-04-01"),
            ],
        )
    }
}

fn fault(status: u16, code: u32, message: &str) -> Reply {
    let more = format!("https://www.twilio.com/docs/errors/{code}");
    Reply::json(
        status,
        &json!({"code": code, "message": message, "more_info": more, "status": status}),
    )
}

fn signed(url: &str, form: &[(&str, &str)]) -> Posted {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in form {
        values.entry(name).or_default().insert(value);
    }
    let mut signed = url.to_owned();
    for (name, values) in &values {
        for value in values {
            signed.push_str(name);
            signed.push_str(value);
        }
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    let signature = BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    Posted {
        method: "POST",
        url: url.to_owned(),
        headers: vec![
            (
                "Content-Type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
            ("X-Twilio-Signature".to_owned(), signature),
        ],
        body: form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish(),
    }
}
