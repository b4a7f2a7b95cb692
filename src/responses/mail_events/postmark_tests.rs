use proptest::prelude::*;
use serde_json::json;

use super::super::samples::{TAG, class, header, only, post, with};
use super::*;

fn told(event: &Value) -> Brought {
    read(event.to_string().as_bytes()).unwrap()
}

fn bounce(kind: &str, details: &str) -> Value {
    json!({
        "RecordType": "Bounce", "ID": 4_323_372_036_854_775_807_i64, "Type": kind, "TypeCode": 1,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Metadata": {"ref": TAG},
        "Details": details, "Description": "The server was unable to deliver your message.",
        "Email": "jean@example.org", "From": "news@shop.example", "BouncedAt": "2026-11-23T09:00:00.5Z",
        "Inactive": true, "MessageStream": "broadcast",
    })
}

fn change(reason: &str, origin: &str, is_suppressed: bool) -> Value {
    json!({
        "RecordType": "SubscriptionChange", "MessageID": "883953f4", "Recipient": "jean@example.org",
        "ChangedAt": "2026-11-23T09:00:00Z", "Origin": origin, "SuppressSending": is_suppressed,
        "SuppressionReason": reason, "Metadata": {"REF": TAG},
    })
}

#[test]
fn a_log_in_is_asked_for_where_there_is_one() {
    let settings: PostmarkSettings =
        serde_json::from_value(json!({"username": "visavis", "password": "pass:word"})).unwrap();
    let known = Postmark::open("k", &settings).unwrap();
    let proved = |value: &str| {
        let headers = [header("authorization", value)];
        known.prove(&post(None, &headers, b"", 0))
    };
    let right = BASE64.encode(b"visavis:pass:word");
    assert_eq!(proved(&format!("Basic {right}")), Ok(()));
    assert_eq!(proved(&format!("basic  {right}")), Ok(()));
    for wrong in [
        "",
        "Basic",
        "Basic AAAA",
        &format!("Bearer {right}"),
        &right,
    ] {
        assert_eq!(proved(wrong), Err(PostError::Forged), "{wrong}");
    }
    assert_eq!(
        known.prove(&post(None, &[], b"", 0)),
        Err(PostError::Forged)
    );
    let none = Postmark::open("k", &PostmarkSettings::default()).unwrap();
    assert_eq!(
        none.prove(&post(None, &[], b"", 0)),
        Ok(()),
        "its address was the proof"
    );
}

#[test]
fn the_types_of_postmark_are_told_apart() {
    let by_type = |class| MailEventKind::Bounce(Verdict::by_type(class));
    for (kind, expected) in [
        ("HardBounce", by_type(Class::Inactive)),
        ("SoftBounce", by_type(Class::Quota)),
        ("DnsError", by_type(Class::Network)),
        ("Unknown", by_type(Class::Network)),
        ("SpamNotification", by_type(Class::Blocked)),
        ("Blocked", by_type(Class::Blocked)),
        ("VirusNotification", by_type(Class::Content)),
        ("DMARCPolicy", by_type(Class::Policy)),
        ("BadEmailAddress", by_type(Class::InvalidRecipient)),
        ("ManuallyDeactivated", by_type(Class::Inactive)),
        ("SMTPApiError", by_type(Class::Relay)),
        ("SpamComplaint", MailEventKind::Complaint),
        ("Unsubscribe", MailEventKind::OptOut),
    ] {
        assert_eq!(only(&told(&bounce(kind, ""))).kind, expected, "{kind}");
    }
    assert_eq!(told(&bounce("Transient", "")).delayed, 1);
    for none in [
        "AutoResponder",
        "AddressChange",
        "ChallengeVerification",
        "Subscribe",
    ] {
        assert_eq!(told(&bounce(none, "")).passed_over, 1, "{none}");
    }
    let full = bounce(
        "HardBounce",
        "action: failed\r\nstatus: 5.2.2\r\ndiagnostic-code: smtp;552 5.2.2 mailbox full",
    );
    assert_eq!(class(&told(&full)), Class::Quota);
}

#[test]
fn who_was_put_on_its_list_by_whom_matters() {
    for (reason, origin, is_suppressed, expected) in [
        (
            "ManualSuppression",
            "Recipient",
            true,
            Some(MailEventKind::OptOut),
        ),
        ("ManualSuppression", "Customer", true, None),
        ("ManualSuppression", "Admin", true, None),
        ("ManualSuppression", "Recipient", false, None),
        (
            "SpamComplaint",
            "Recipient",
            true,
            Some(MailEventKind::Complaint),
        ),
        ("HardBounce", "Recipient", true, None),
    ] {
        let brought = told(&change(reason, origin, is_suppressed));
        let found = brought.events.first().map(|event| event.kind);
        assert_eq!(found, expected, "{reason} {origin}");
        assert_eq!(brought.passed_over, u64::from(expected.is_none()));
    }
}

#[test]
fn an_event_names_its_message_by_its_metadata() {
    let brought = told(&bounce("HardBounce", ""));
    let found = only(&brought);
    assert_eq!(found.refs, [TAG]);
    assert_eq!(found.at, moment("2026-11-23T09:00:00.5Z"));
    assert_eq!(found.recipient.as_deref(), Some("jean@example.org"));
    let changed = told(&change("ManualSuppression", "Recipient", true));
    assert_eq!(only(&changed).refs, [TAG]);
    assert_eq!(
        only(&changed).recipient.as_deref(),
        Some("jean@example.org")
    );
    let other = with(bounce("HardBounce", ""), "/ID", json!(7));
    assert_ne!(only(&told(&other)).digest, found.digest);
    let complaint = with(
        bounce("SpamComplaint", ""),
        "/RecordType",
        json!("SpamComplaint"),
    );
    assert_eq!(only(&told(&complaint)).kind, MailEventKind::Complaint);
    for passed in ["Delivery", "Open", "Click"] {
        assert_eq!(told(&json!({"RecordType": passed})).passed_over, 1);
    }
    assert_eq!(told(&json!({"RecordType": "Telepathy"})).unreadable, 1);
    assert!(matches!(read(b"x"), Err(PostError::Unreadable(_))));
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,40}", field in prop::sample::select(vec![
        "/RecordType", "/ID", "/Type", "/Metadata", "/Metadata/ref", "/Details", "/BouncedAt", "/MessageID",
    ]), number in any::<f64>()) {
        drop(read(&body));
        for new in [json!(text), json!(number), Value::Null, json!([text]), json!({"ref": text})] {
            told(&with(bounce("HardBounce", &text), field, new));
        }
    }
}
