use proptest::prelude::*;
use ring::hmac;
use serde_json::json;

use super::super::samples::{TAG, class, only, post, with};
use super::*;
use crate::config::Secret;

const NOW: i64 = 1_795_000_000;

fn mailgun() -> Mailgun {
    let settings: MailgunSettings =
        serde_json::from_value(json!({"signing_key": "key-1"})).unwrap();
    Mailgun::open("mail_hooks.main.mailgun", &settings).unwrap()
}

fn sign(at: &str, token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key-1");
    let tag = hmac::sign(&key, format!("{at}{token}").as_bytes());
    data_encoding::HEXLOWER.encode(tag.as_ref())
}

fn body(event: &Value) -> Value {
    let at = NOW.to_string();
    json!({
        "signature": {"timestamp": at, "token": "token-1", "signature": sign(&at, "token-1")},
        "event-data": event,
    })
}

fn read(body: &Value, now: i64) -> Result<(Brought, OneTime), PostError> {
    mailgun().read(&post(None, &[], body.to_string().as_bytes(), now * 1_000))
}

fn told(event: &Value) -> Brought {
    read(&body(event), NOW).unwrap().0
}

fn event(name: &str) -> Value {
    json!({
        "id": "G9Bn5sl1TC6nu79C8C0bwg", "timestamp": 1_795_000_000.25, "event": name, "severity": "permanent",
        "reason": "generic", "recipient": "jean@example.org",
        "delivery-status": {"attempt-no": 1, "code": 550, "message": "", "description": "", "enhanced-code": ""},
        "message": {"headers": {"message-id": "7.42.abcdefgh@shop.example", "to": "jean@example.org"}},
        "envelope": {"sender": "bounce+1@mg.shop.example", "targets": "jean@example.org"},
        "user-variables": {"visavis_ref": TAG},
    })
}

#[test]
fn a_signature_is_of_this_time_and_this_token() {
    let good = body(&event("opened"));
    assert!(read(&good, NOW).is_ok());
    let at = NOW.to_string();
    for (pointer, new) in [
        ("/signature/timestamp", json!((NOW + 1).to_string())),
        ("/signature/token", json!("token-2")),
        ("/signature/token", json!("")),
        ("/signature/signature", json!("")),
        ("/signature/signature", json!("zz")),
        ("/signature/signature", json!(sign(&at, "token-2"))),
        ("/signature", Value::Null),
    ] {
        let forged = with(good.clone(), pointer, new);
        assert_eq!(read(&forged, NOW), Err(PostError::Forged), "{pointer}");
    }
    assert_eq!(read(&good, NOW + 2 * 86_400), Err(PostError::Forged), "old");
    assert_eq!(
        read(&good, NOW - 3_600),
        Err(PostError::Forged),
        "of the future"
    );
    // The signature without the token would be that of the time alone.
    let bare = json!({"signature": {"timestamp": at, "token": "", "signature": sign(&at, "")}, "event-data": {}});
    assert_eq!(read(&bare, NOW), Err(PostError::Forged));
}

#[test]
fn a_token_is_bound_to_the_body_it_came_with() {
    let (_, first) = read(&body(&event("opened")), NOW).unwrap();
    let (_, again) = read(&body(&event("opened")), NOW).unwrap();
    assert_eq!(first, again);
    let (_, other) = read(&body(&event("complained")), NOW).unwrap();
    assert_eq!(first.token, other.token);
    assert_ne!(first.body, other.body);
}

#[test]
fn a_key_is_asked_for() {
    let none: MailgunSettings = serde_json::from_value(json!({})).unwrap();
    assert!(Mailgun::open("k", &none).is_err());
    let empty: Secret = serde_json::from_value(json!("")).unwrap();
    let none = MailgunSettings {
        signing_key: Some(empty),
        signing_key_file: None,
    };
    assert!(Mailgun::open("k", &none).is_err());
}

#[test]
fn a_failure_is_what_the_server_said_then_what_mailgun_thinks() {
    let failed = |reason: &str, code: u16, enhanced: &str, message: &str| {
        let event = with(event("failed"), "/reason", json!(reason));
        let event = with(event, "/delivery-status/code", json!(code));
        let event = with(event, "/delivery-status/enhanced-code", json!(enhanced));
        with(event, "/delivery-status/message", json!(message))
    };
    for (reason, code, enhanced, message, expected) in [
        (
            "bounce",
            550,
            "5.1.1",
            "5.1.1 The email account that you tried to reach does not exist",
            Class::InvalidRecipient,
        ),
        ("bounce", 552, "5.2.2", "5.2.2 mailbox full", Class::Quota),
        ("espblock", 550, "", "", Class::Blocked),
    ] {
        let found = class(&told(&failed(reason, code, enhanced, message)));
        assert_eq!(found, expected, "{reason} {message}");
    }
    let kind = |event: &Value| only(&told(event)).kind;
    let suppressed = failed(
        "suppress-bounce",
        605,
        "",
        "Not delivering to previously bounced address",
    );
    assert_eq!(class(&told(&suppressed)), Class::Inactive);
    assert_eq!(
        kind(&failed("suppress-unsubscribe", 606, "", "")),
        MailEventKind::OptOut
    );
    assert_eq!(
        kind(&failed("suppress-complaint", 607, "", "")),
        MailEventKind::Complaint
    );
    assert_eq!(kind(&event("complained")), MailEventKind::Complaint);
    assert_eq!(kind(&event("unsubscribed")), MailEventKind::OptOut);
    assert_eq!(class(&told(&event("rejected"))), Class::Relay);
    let temporary = with(event("failed"), "/severity", json!("temporary"));
    assert_eq!(told(&temporary).delayed, 1);
    for passed in ["accepted", "delivered", "opened", "clicked", "stored"] {
        assert_eq!(told(&event(passed)).passed_over, 1, "{passed}");
    }
    assert_eq!(told(&event("telepathy")).unreadable, 1);
}

#[test]
fn an_event_names_its_message_by_variable_or_message_id() {
    let brought = told(&event("complained"));
    let found = only(&brought);
    assert_eq!(found.refs[..2], [TAG, "7.42.abcdefgh"]);
    assert_eq!(found.at, Some(1_795_000_000_250));
    let other = with(event("complained"), "/id", json!("another"));
    assert_ne!(only(&told(&other)).digest, found.digest);
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,40}", pointer in prop::sample::select(vec![
        "/event", "/reason", "/delivery-status", "/delivery-status/code", "/message", "/user-variables", "/timestamp", "/id",
    ]), number in any::<f64>()) {
        drop(mailgun().read(&post(None, &[], &bytes, NOW)));
        for new in [json!(text), json!(number), Value::Null, json!([text])] {
            let event = with(event("failed"), pointer, new.clone());
            told(&event);
            drop(read(&with(body(&event), "/signature/timestamp", new), NOW));
        }
    }
}
