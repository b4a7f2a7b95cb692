use chrono::DateTime;
use proptest::prelude::*;

use super::super::samples::{SECRET, account, answer, documents, message, post, shown, survives};
use super::*;
use crate::channels::model::Outcome;
use crate::channels::sms::provider::PostKind;

fn provider() -> Brevo {
    let settings: BrevoSettings =
        toml::from_str("api_key = \"xkeysib-1\"\norganisation = \"Boutique\"").unwrap();
    Brevo::open(account(), &settings).unwrap()
}

fn read(body: &str) -> Result<Vec<SmsEvent>, PostError> {
    provider().read(&post(PostKind::Receipt, Some(SECRET), &[], body.as_bytes()))
}

#[test]
fn a_message_is_one_request() {
    assert_eq!(
        shown(
            &provider()
                .request(&message(), DateTime::UNIX_EPOCH)
                .unwrap()
        ),
        r#"POST https://api.brevo.com/v3/transactionalSMS/send
api-key: xkeysib-1
accept: application/json
content-type: application/json
{"sender":"Boutique","recipient":"33612345678","content":"Soldes d'été: -30 %. STOP 36111","type":"marketing","tag":"w7-42","webUrl":"https://shop.example/hooks/sms/main/receipt/0123456789abcdef","unicodeEnabled":false,"organisationPrefix":"Boutique"}"#
    );
    let answer = SmsMessage {
        sender: "+33700000000".to_owned(),
        text: "Désabonné ✓".to_owned(),
        size: crate::templates::sms::Size {
            encoding: Encoding::Ucs2,
            units: 11,
            parts: 1,
        },
        is_marketing: false,
        ..message()
    };
    let request = provider().request(&answer, DateTime::UNIX_EPOCH).unwrap();
    let body: Value = serde_json::from_slice(request.body().unwrap().as_bytes().unwrap()).unwrap();
    assert_eq!(body["type"], "transactional");
    assert_eq!(body["sender"], "33700000000");
    assert_eq!(body["unicodeEnabled"], true);
}

#[test]
fn the_probe_asks_who_we_are() {
    assert_eq!(
        shown(&provider().probe(DateTime::UNIX_EPOCH).unwrap()),
        "GET https://api.brevo.com/v3/account\napi-key: xkeysib-1\naccept: application/json\n"
    );
}

#[test]
fn answers() {
    let error = |code: &str, message: &str| format!(r#"{{"code":"{code}","message":"{message}"}}"#);
    let table = [
        (
            201,
            r#"{"reference":"ab1cde2fgh3i4jklmno","messageId":1511882900176220,"smsCount":2,"usedCredits":0.7,"remainingCredits":82.85}"#.to_owned(),
            Handed::accepted(Some("1511882900176220".to_owned()), Some(2)),
        ),
        (
            400,
            error("invalid_parameter", "Invalid telephone number"),
            Handed::rejected(Class::InvalidRecipient, 400),
        ),
        (
            400,
            error("invalid_parameter", "Sender is invalid"),
            Handed::rejected(Class::Relay, 400),
        ),
        (
            400,
            error("missing_parameter", "content is missing"),
            Handed::rejected(Class::Content, 400),
        ),
        (
            400,
            error("invalid_parameter", "webUrl is invalid"),
            Handed::rejected(Class::Protocol, 400),
        ),
        (
            400,
            error("not_enough_credits", "…"),
            Handed::rejected(Class::Relay, 400),
        ),
        (
            402,
            error("not_enough_credits", "…"),
            Handed::rejected(Class::Relay, 402),
        ),
        (
            401,
            error("unauthorized", "Key not found"),
            Handed::rejected(Class::Relay, 401),
        ),
        (
            400,
            error("something_new", "…"),
            Handed::rejected(Class::Protocol, 400),
        ),
        (
            429,
            error("unauthorized", "…"),
            Handed::deferred(Class::Greylist, 429, None),
        ),
    ];
    for (status, body, expected) in table {
        assert_eq!(
            provider().answer(&answer(status, &body)),
            expected,
            "{body}"
        );
    }
    for (status, body) in [
        (201, String::new()),
        (201, "{\"messageId\":null}".to_owned()),
        (200, "[]".to_owned()),
        (400, error("duplicate_request", "…")),
        (500, error("invalid_parameter", "sender")),
        (502, "<html>".to_owned()),
    ] {
        let handed = provider().answer(&answer(status, &body));
        assert!(
            matches!(handed.outcome, Outcome::Unknown { .. }),
            "{status} {body}: {handed:?}"
        );
    }
}

#[test]
fn receipts() {
    let of = |status: &str, more: &str| {
        let body = format!(
            r#"{{"id":26570,"to":"33612345678","sms_count":1,"credits_used":1.5,"messageId":123,"remaining_credit":11488.845,"msg_status":"{status}","date":"2026-11-22 10:00:00","ts_event":1795338000,"type":"marketing","reference":"ab1","tag":"w7-42"{more}}}"#
        );
        let events = read(&body).unwrap();
        match events.as_slice() {
            [] => None,
            [SmsEvent::Receipt(receipt)] => {
                assert_eq!(receipt.message_id.as_deref(), Some("123"));
                assert_eq!(receipt.reference.as_deref(), Some("w7-42"));
                assert_eq!(receipt.at, Some(1_795_338_000_000));
                Some((receipt.state, receipt.failure.clone()))
            }
            _ => panic!("{events:?}"),
        }
    };
    let failed = |class, code: &str| {
        Some((
            ReceiptState::Undelivered,
            Some(Failure {
                class,
                code: code.to_owned(),
            }),
        ))
    };
    assert_eq!(of("sent", ""), Some((ReceiptState::Sent, None)));
    assert_eq!(of("accepted", ""), Some((ReceiptState::Sent, None)));
    assert_eq!(of("delivered", ""), Some((ReceiptState::Delivered, None)));
    assert_eq!(of("soft_bounce", ""), failed(Class::Inactive, "softbounce"));
    assert_eq!(
        of("hard_bounce", r#","error_code":"E-26""#),
        failed(Class::InvalidRecipient, "E26")
    );
    assert_eq!(
        of("hardBounces", ""),
        failed(Class::InvalidRecipient, "hardbounces")
    );
    assert_eq!(of("rejected", ""), failed(Class::Content, "rejected"));
    assert_eq!(of("blocked", ""), failed(Class::Inactive, "blocked"));
    assert_eq!(of("something_new", ""), None);
}

#[test]
fn replies_and_opt_outs_come_to_the_same_address() {
    let inbound = |said: &str| {
        SmsEvent::Inbound(Inbound {
            message_id: Some(name_of_reply("123", said)),
            from: "33612345678".to_owned(),
            to: None,
            text: said.to_owned(),
            reference: Some("w7-42".to_owned()),
            at: None,
        })
    };
    assert_eq!(
        read(
            r#"[{"to":"33612345678","messageId":123,"msg_status":"replied","reply":"Deux !","tag":"w7-42"},
                {"to":"33612345678","messageId":123,"msg_status":"unsubscribe","tag":"w7-42"},
                {"msg_status":"replied"}]"#
        ),
        Ok(vec![inbound("Deux !"), inbound("STOP")])
    );
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for body in [
        "",
        "{",
        "null",
        "{}",
        r#"{"msg_status":"delivered"}"#,
        r#"{"msg_status":"replied","to":"33612345678"}"#,
        r#"{"msg_status":"unsubscribe","messageId":1}"#,
        r#"[{"msg_status":"delivered"},7]"#,
    ] {
        assert!(
            matches!(read(body), Err(PostError::Unreadable(_))),
            "{body}: {:?}",
            read(body)
        );
    }
    assert_eq!(read("[]"), Ok(Vec::new()));
}

#[test]
fn the_key_is_not_in_its_debug_form() {
    let shown = format!("{:?}", provider());
    assert!(
        !shown.contains("xkeysib") && !shown.contains(SECRET),
        "{shown}"
    );
}

const NAMES: &[&str] = &[
    "code",
    "message",
    "messageId",
    "smsCount",
    "msg_status",
    "event",
    "tag",
    "reply",
    "to",
    "ts_event",
    "date",
    "delivered",
    "replied",
    "hard_bounce",
    "invalid_parameter",
];

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        status in 100..600_u16,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        survives(&provider(), status, &body, &[]);
    }

    #[test]
    fn any_document_is_read_or_refused(status in 100..600_u16, body in documents(NAMES)) {
        survives(&provider(), status, body.to_string().as_bytes(), &[]);
    }
}
