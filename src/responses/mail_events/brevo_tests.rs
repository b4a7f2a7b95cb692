use proptest::prelude::*;
use serde_json::json;

use super::super::samples::{TAG, class, header, only, post, with};
use super::*;

fn told(event: &Value) -> Brought {
    read(event.to_string().as_bytes()).unwrap()
}

fn event(name: &str, reason: &str) -> Value {
    json!({
        "event": name, "email": "jean@example.org", "id": 26_224, "date": "2026-11-23 10:00:00",
        "ts": 1_795_000_000, "message-id": "<7.42.abcdefgh@shop.example>", "ts_event": 1_795_000_001,
        "subject": "Soldes", "X-Mailin-custom": format!("ref:{TAG}"), "template_id": 0, "tags": ["x"],
        "reason": reason, "ts_epoch": 1_795_000_001_000_i64,
    })
}

#[test]
fn a_token_is_asked_for_where_there_is_one() {
    let settings: BrevoMailSettings = serde_json::from_value(json!({"token": "t-1"})).unwrap();
    let known = Brevo::open("k", &settings).unwrap();
    let proved = |value: &str| {
        let headers = [header("authorization", value)];
        known.prove(&post(None, &headers, b"", 0))
    };
    assert_eq!(proved("Bearer t-1"), Ok(()));
    for wrong in ["Bearer t-2", "Bearer", "Basic t-1", "t-1"] {
        assert_eq!(proved(wrong), Err(PostError::Forged), "{wrong}");
    }
}

#[test]
fn the_events_of_brevo_are_told_apart() {
    for (name, reason, expected) in [
        (
            "hard_bounce",
            "550 5.1.1 <jean@example.org>: Recipient address rejected: User unknown",
            Class::InvalidRecipient,
        ),
        ("hard_bounce", "552 5.2.2 mailbox full", Class::Quota),
        ("hard_bounce", "", Class::Inactive),
        ("soft_bounce", "", Class::Network),
        ("invalid_email", "", Class::InvalidRecipient),
        (
            "blocked",
            "blocked : due to blacklist user",
            Class::Inactive,
        ),
        ("error", "", Class::Relay),
    ] {
        assert_eq!(
            class(&told(&event(name, reason))),
            expected,
            "{name} {reason}"
        );
    }
    assert_eq!(
        only(&told(&event("spam", ""))).kind,
        MailEventKind::Complaint
    );
    assert_eq!(
        only(&told(&event("unsubscribed", ""))).kind,
        MailEventKind::OptOut
    );
    assert_eq!(told(&event("deferred", "4.7.1 greylisted")).delayed, 1);
    for passed in [
        "request",
        "sent",
        "delivered",
        "opened",
        "unique_opened",
        "proxy_open",
        "unique_proxy_open",
        "click",
    ] {
        assert_eq!(told(&event(passed, "")).passed_over, 1, "{passed}");
    }
    assert_eq!(told(&event("telepathy", "")).unreadable, 1);
}

#[test]
fn an_event_names_its_message_by_our_header_or_message_id() {
    let brought = told(&event("spam", ""));
    let found = only(&brought);
    assert_eq!(found.refs, [TAG, "7.42.abcdefgh"]);
    assert_eq!(found.at, Some(1_795_000_001_000));
    let again = with(event("spam", ""), "/id", json!(1));
    assert_eq!(
        only(&told(&again)).digest,
        found.digest,
        "by another webhook"
    );
    let other = with(event("spam", ""), "/ts_event", json!(7));
    assert_ne!(only(&told(&other)).digest, found.digest);
}

#[test]
fn a_batch_is_read_whole() {
    let batch = json!([
        event("spam", ""),
        event("delivered", ""),
        7,
        event("hard_bounce", "")
    ]);
    let brought = told(&batch);
    assert_eq!(brought.events.len(), 2);
    assert_eq!((brought.passed_over, brought.unreadable), (1, 1));
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,40}", field in prop::sample::select(vec![
        "/event", "/reason", "/ts_event", "/ts", "/message-id", "/X-Mailin-custom", "/email",
    ]), number in any::<f64>()) {
        drop(read(&body));
        for new in [json!(text), json!(number), Value::Null, json!([text])] {
            told(&with(event("hard_bounce", &text), field, new));
        }
    }
}
