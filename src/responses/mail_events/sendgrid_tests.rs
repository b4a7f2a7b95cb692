use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use super::super::samples::{TAG, class, header, only, post};
use super::*;

/// Of `testdata/sendgrid-key.pem`, as SendGrid shows it.
const PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsoolWA743w9qRZqdQJiW+t5dBMR2Uv2wYYJUgG2mC8U6OvdjX4rDCJeEN54En0NhGlu/WyD6FAczkgNHsYPbZw==";
const NOW: i64 = 1_795_000_000;

fn sendgrid(key: &str) -> Result<Sendgrid, ConfigError> {
    let settings = SendgridSettings {
        public_key: key.to_owned(),
    };
    Sendgrid::open("mail_hooks.main.sendgrid", &settings)
}

fn sign(timestamp: &str, body: &[u8]) -> String {
    let pem = include_bytes!("testdata/sendgrid-key.pem");
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der(), &random).unwrap();
    let signed = [timestamp.as_bytes(), body].concat();
    BASE64.encode(key.sign(&random, &signed).unwrap().as_ref())
}

fn proved(timestamp: &str, signature: &str, body: &[u8], now: i64) -> Result<(), PostError> {
    let headers = [header(SIGNATURE, signature), header(TIMESTAMP, timestamp)];
    sendgrid(PUBLIC_KEY)
        .unwrap()
        .prove(&post(None, &headers, body, now * 1_000))
}

fn told(event: Value) -> Brought {
    read(json!([event]).to_string().as_bytes()).unwrap()
}

fn event(name: &str) -> Value {
    json!({
        "email": "jean@example.org", "timestamp": NOW, "event": name, "sg_event_id": format!("id-{name}"),
        "sg_message_id": "m.filter1", "smtp-id": "<7.42.abcdefgh@shop.example>", "visavis_ref": TAG,
    })
}

fn bounce(kind: &str, classification: &str, status: &str, reason: &str) -> Value {
    let mut event = event("bounce");
    event["type"] = json!(kind);
    event["bounce_classification"] = json!(classification);
    event["status"] = json!(status);
    event["reason"] = json!(reason);
    event
}

#[test]
fn a_signature_is_of_these_bytes_and_this_time() {
    let (body, at) = (b"[{\"event\":\"open\"}]\r\n".as_slice(), NOW.to_string());
    let signature = sign(&at, body);
    assert_eq!(proved(&at, &signature, body, NOW), Ok(()));
    let day = 86_400;
    assert_eq!(
        proved(&at, &signature, body, NOW + day),
        Ok(()),
        "tried again for a day"
    );
    for (at, signature, body, now) in [
        (
            at.as_str(),
            signature.as_str(),
            b"[{\"event\":\"open\"}]".as_slice(),
            NOW,
        ),
        (&(NOW + 1).to_string(), &signature, body, NOW),
        (&at, &sign("", body), body, NOW),
        (&at, "", body, NOW),
        (&at, "AAAA", body, NOW),
        (&at, &signature, body, NOW + 2 * day),
        (&at, &signature, body, NOW - 3_600),
        ("", &sign("", body), body, NOW),
        (
            "9223372036854775807",
            &sign("9223372036854775807", body),
            body,
            NOW,
        ),
    ] {
        assert_eq!(proved(at, signature, body, now), Err(PostError::Forged));
    }
    let unsigned = sendgrid(PUBLIC_KEY)
        .unwrap()
        .prove(&post(None, &[], body, NOW));
    assert!(matches!(unsigned, Err(PostError::Unsigned(_))));
}

#[test]
fn a_key_is_taken_as_it_is_shown_and_no_other() {
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
        &PUBLIC_KEY[..64],
        &PUBLIC_KEY[64..]
    );
    assert!(sendgrid(&pem).is_ok());
    for bad in ["", "abc", &PUBLIC_KEY[4..], &PUBLIC_KEY[..64]] {
        let error = sendgrid(bad).unwrap_err().to_string();
        assert!(
            error.starts_with("mail_hooks.main.sendgrid.public_key"),
            "{error}"
        );
    }
}

#[test]
fn the_refusal_comes_before_the_type_of_sendgrid() {
    for (kind, classification, status, reason, expected) in [
        (
            "bounce",
            "Invalid Address",
            "5.1.1",
            "550 5.1.1 The email account that you tried to reach does not exist",
            Class::InvalidRecipient,
        ),
        (
            "bounce",
            "Unclassified",
            "5.2.2",
            "552 5.2.2 mailbox over quota",
            Class::Quota,
        ),
        ("bounce", "Invalid Address", "", "", Class::InvalidRecipient),
        ("bounce", "Mailbox Unavailable", "", "", Class::Inactive),
        ("bounce", "Reputation", "", "", Class::Blocked),
        ("bounce", "Content", "", "", Class::Content),
        ("bounce", "Technical Failure", "", "", Class::Network),
        (
            "bounce",
            "Frequency or Volume Too High",
            "",
            "",
            Class::Greylist,
        ),
        ("bounce", "", "", "", Class::Inactive),
        ("blocked", "", "", "", Class::Blocked),
    ] {
        let found = class(&told(bounce(kind, classification, status, reason)));
        assert_eq!(found, expected, "{kind} {classification} {reason}");
    }
}

#[test]
fn what_is_dropped_was_said_before() {
    let dropped = |reason: &str| {
        let mut event = event("dropped");
        event["reason"] = json!(reason);
        only(&told(event)).kind
    };
    let by_type = |class| MailEventKind::Bounce(Verdict::by_type(class));
    for (reason, expected) in [
        ("Bounced Address", by_type(Class::Inactive)),
        ("Unsubscribed Address", MailEventKind::OptOut),
        ("Spam Reporting Address", MailEventKind::Complaint),
        ("Invalid", by_type(Class::InvalidRecipient)),
        ("Invalid SMTPAPI header", by_type(Class::Protocol)),
        (
            "Spam Content (if Spam Checker app is enabled)",
            by_type(Class::Content),
        ),
        ("Recipient List over Package Quota", by_type(Class::Relay)),
    ] {
        assert_eq!(dropped(reason), expected, "{reason}");
    }
}

#[test]
fn a_batch_is_read_whole_whatever_one_event_is() {
    let body = json!([
        event("processed"),
        event("deferred"),
        event("delivered"),
        event("open"),
        event("click"),
        event("spamreport"),
        event("unsubscribe"),
        event("group_unsubscribe"),
        event("group_resubscribe"),
        event("telepathy"),
        7,
        null,
        [],
        bounce("bounce", "", "5.1.1", "550 5.1.1 no such user"),
    ]);
    let brought = read(body.to_string().as_bytes()).unwrap();
    let kinds: Vec<&str> = brought
        .events
        .iter()
        .map(|event| event.kind.as_str())
        .collect();
    assert_eq!(kinds, ["complaint", "opt_out", "opt_out", "bounce"]);
    assert_eq!(
        (brought.delayed, brought.passed_over, brought.unreadable),
        (1, 5, 4)
    );
    let event = &brought.events[3];
    assert_eq!(event.refs, [TAG, "7.42.abcdefgh"]);
    assert_eq!(event.at, Some(NOW * 1_000));
    assert_eq!(event.recipient.as_deref(), Some("jean@example.org"));
    assert!(matches!(read(b"{}"), Err(PostError::Unreadable(_))));
}

#[test]
fn an_event_is_the_same_whenever_it_comes_and_no_other_is() {
    let digest = |event: &Value| only(&told(event.clone())).digest;
    let first = event("spamreport");
    let mut second = first.clone();
    second["ip"] = json!("1.2.3.4");
    assert_eq!(digest(&first), digest(&second));
    second["sg_event_id"] = json!("another");
    assert_ne!(digest(&first), digest(&second));
    second["sg_event_id"] = Value::Null;
    let nameless = digest(&second);
    second["timestamp"] = json!(NOW + 1);
    assert_ne!(nameless, digest(&second));
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,40}", field in prop::sample::select(vec![
        "event", "reason", "status", "timestamp", "smtp-id", "visavis_ref", "type", "sg_event_id",
    ]), number in any::<f64>()) {
        drop(read(&body));
        drop(proved(&text, &text, &body, NOW));
        for new in [json!(text), json!(number), Value::Null, json!([text])] {
            let mut event = bounce("bounce", &text, &text, &text);
            event[field] = new;
            told(event);
        }
    }
}
