use proptest::prelude::*;
use serde_json::json;

use super::super::samples::{TAG, class, only, with};
use super::*;

fn event(kind: &str, told: Value) -> Value {
    json!({
        "eventType": kind,
        (kind.to_lowercase()): told,
        "mail": {
            "timestamp": "2026-11-23T09:00:00.000Z",
            "source": format!("b+{TAG}@bounce.shop.example"),
            "sendingAccountId": "123456789012",
            "messageId": "010701fd-1",
            "destination": ["jean@example.org"],
            "headersTruncated": false,
            "headers": [
                {"name": "From", "value": "Shop <news@shop.example>"},
                {"name": "X-Visavis-Ref", "value": TAG},
            ],
            "tags": {"ses:configuration-set": ["main"], "visavis-ref": [TAG]},
        },
    })
}

fn bounce(kind: &str, subtype: &str, status: &str, diagnostic: &str) -> Value {
    event(
        "Bounce",
        json!({
            "bounceType": kind,
            "bounceSubType": subtype,
            "bouncedRecipients": [{
                "emailAddress": "jean@example.org",
                "action": "failed",
                "status": status,
                "diagnosticCode": diagnostic,
            }],
            "timestamp": "2026-11-23T09:00:01.500Z",
            "feedbackId": "010701fd-feedback",
            "reportingMTA": "dsn; e6-3.smtp-out.eu-west-3.amazonses.com",
        }),
    )
}

fn told(value: &Value) -> Brought {
    read(&value.to_string())
}

#[test]
fn a_bounce_names_its_message_by_four_ways() {
    let whole = bounce(
        "Permanent",
        "General",
        "5.1.1",
        "smtp; 550 5.1.1 user unknown",
    );
    let brought = told(&whole);
    let found = only(&brought);
    assert_eq!(found.refs, [TAG]);
    assert_eq!(found.at, moment("2026-11-23T09:00:01.500Z"));
    assert_eq!(found.recipient.as_deref(), Some("jean@example.org"));
    let none = with(whole, "/mail/headers", json!([]));
    let none = with(none, "/mail/tags", json!({}));
    assert_eq!(only(&told(&none)).refs, [TAG], "the return path");
    let none = with(none, "/mail/source", json!("news@shop.example"));
    let by_id = with(
        none.clone(),
        "/mail/headers",
        json!([{"name": "message-id", "value": "<7.42.abcdefgh@shop.example>"}]),
    );
    assert_eq!(only(&told(&by_id)).refs, ["7.42.abcdefgh"]);
    let by_tag = with(none.clone(), "/mail/tags", json!({"visavis-ref": [TAG]}));
    assert_eq!(only(&told(&by_tag)).refs, [TAG]);
    assert!(!only(&told(&none)).refs.iter().any(|name| name == TAG));
}

#[test]
fn the_refusal_comes_before_the_type_of_amazon() {
    for (kind, subtype, status, diagnostic, expected) in [
        (
            "Permanent",
            "General",
            "5.1.1",
            "smtp; 550 5.1.1 <jean@example.org>: user unknown",
            Class::InvalidRecipient,
        ),
        (
            "Permanent",
            "General",
            "5.2.2",
            "smtp; 552 5.2.2 mailbox full",
            Class::Quota,
        ),
        ("Permanent", "General", "", "", Class::Inactive),
        ("Permanent", "NoEmail", "", "", Class::InvalidRecipient),
        (
            "Permanent",
            "OnAccountSuppressionList",
            "5.1.1",
            "Amazon SES did not send the message to this address because it is on the suppression list for your account",
            Class::Inactive,
        ),
        (
            "Permanent",
            "Suppressed",
            "5.1.1",
            "Amazon SES has suppressed sending to this address",
            Class::Inactive,
        ),
        ("Transient", "MailboxFull", "", "", Class::Quota),
        ("Transient", "MessageTooLarge", "", "", Class::Content),
        ("Transient", "ContentRejected", "", "", Class::Content),
        (
            "Transient",
            "General",
            "4.4.7",
            "smtp; 554 4.4.7 Message expired: unable to deliver in 840 minutes",
            Class::Expired,
        ),
        ("Undetermined", "Undetermined", "", "", Class::Network),
    ] {
        let found = class(&told(&bounce(kind, subtype, status, diagnostic)));
        assert_eq!(found, expected, "{kind} {subtype} {diagnostic}");
    }
}

#[test]
fn an_answer_of_a_machine_is_no_bounce() {
    let away = bounce("Transient", "General", "", "");
    assert_eq!(told(&away).passed_over, 1);
    let away = with(
        away,
        "/bounce/bouncedRecipients",
        json!([{"emailAddress": "jean@example.org"}]),
    );
    assert_eq!(told(&away).passed_over, 1);
}

#[test]
fn complaints_and_opt_outs_are_told_from_reports() {
    let complaint = |kind: Value| {
        event(
            "Complaint",
            json!({
                "complainedRecipients": [{"emailAddress": "jean@example.org"}],
                "timestamp": "2026-11-23T09:00:01.000Z",
                "feedbackId": "f-1",
                "complaintFeedbackType": kind,
            }),
        )
    };
    for kind in [
        json!("abuse"),
        json!("fraud"),
        json!("virus"),
        json!("other"),
        Value::Null,
    ] {
        assert_eq!(only(&told(&complaint(kind))).kind, MailEventKind::Complaint);
    }
    for kind in ["not-spam", "auth-failure"] {
        assert_eq!(told(&complaint(json!(kind))).passed_over, 1, "{kind}");
    }
    let preferences = |all: bool| {
        event(
            "Subscription",
            json!({"contactList": "c", "timestamp": "2026-11-23T09:00:01Z", "source": "UnsubscribeHeader",
                   "newTopicPreferences": {"unsubscribeAll": all}}),
        )
    };
    assert_eq!(only(&told(&preferences(true))).kind, MailEventKind::OptOut);
    assert_eq!(told(&preferences(false)).passed_over, 1);
    let listed = bounce("Permanent", "UnsubscribedRecipient", "", "");
    assert_eq!(only(&told(&listed)).kind, MailEventKind::OptOut);
    assert_eq!(told(&event("DeliveryDelay", json!({}))).delayed, 1);
    assert_eq!(
        class(&told(&event("Reject", json!({"reason": "Bad content"})))),
        Class::Content
    );
    for passed in ["Send", "Delivery", "Open", "Click", "Rendering Failure"] {
        assert_eq!(told(&event(passed, json!({}))).passed_over, 1, "{passed}");
    }
    assert_eq!(told(&event("Telepathy", json!({}))).unreadable, 1);
    assert_eq!(
        read("Successfully validated SNS topic for Amazon SES event publishing.").passed_over,
        1
    );
}

#[test]
fn notifications_of_an_identity_are_events_by_another_name() {
    let mut whole = bounce(
        "Permanent",
        "General",
        "5.1.1",
        "smtp; 550 5.1.1 user unknown",
    );
    let digest = only(&told(&whole)).digest;
    let fields = whole.as_object_mut().unwrap();
    let kind = fields.remove("eventType").unwrap();
    fields.insert("notificationType".to_owned(), kind);
    assert_eq!(
        only(&told(&whole)).digest,
        digest,
        "told twice, it is one bounce"
    );
    let other = with(whole, "/bounce/feedbackId", json!("another"));
    assert_ne!(only(&told(&other)).digest, digest);
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(text in ".{0,80}", pointer in prop::sample::select(vec![
        "/bounce", "/bounce/bouncedRecipients", "/bounce/bounceType", "/mail", "/mail/headers", "/mail/tags",
        "/eventType", "/bounce/timestamp", "/mail/destination",
    ]), number in any::<f64>()) {
        read(&text);
        let whole = bounce("Permanent", "General", "5.1.1", &text);
        for new in [json!(text), json!(number), Value::Null, json!([text]), json!({"a": [number]})] {
            told(&with(whole.clone(), pointer, new));
        }
    }
}
