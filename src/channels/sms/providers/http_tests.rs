use proptest::prelude::*;
use serde_json::json;

use super::super::Hooks;
use super::*;
use crate::channels::model::Outcome;
use crate::templates::sms::Size;

const SECRET: &str = "a-secret-of-16-letters";

fn open(settings: serde_json::Value) -> Result<Http, ConfigError> {
    let settings: HttpSettings = serde_json::from_value(settings).unwrap();
    let account = Account {
        stop_by: None,
        key: "sms.providers.it".to_owned(),
        hooks: Hooks::new("https://news.example.com", "it", Some(SECRET)),
        secret: PathSecret::new(Some(SECRET)),
    };
    Http::new(account, &settings)
}

fn with_body(content_type: &str, body: &str) -> Result<Http, ConfigError> {
    open(json!({"url": "https://sms.example.com/send", "content_type": content_type, "body": body}))
}

fn described(is_idempotent: bool) -> Http {
    open(json!({
        "url": "https://sms.example.com/send",
        "headers": {"X-Key": "k3y", "X-Ref": "{{reference}}"},
        "body": r#"{"to":"{{to}}","text":"{{text}}","n":{{parts}}, "coding":"{{encoding}}"}"#,
        "is_idempotent": is_idempotent,
        "answer": {"message_id": "/r/0/id", "status": "/r/0/s", "accepted": ["OK"], "deferred": ["BUSY"], "rejected": ["NO"]},
        "receipts": {"list": "/all", "reference": "/ref", "status": "/s", "delivered": ["D"], "sent": ["S"], "undelivered": ["U"], "unknown_subscriber": ["X"]},
        "inbound": {"from": "/from", "text": "/text"},
    }))
    .unwrap()
}

fn message(text: &str) -> SmsMessage {
    SmsMessage {
        reference: "7-12".to_owned(),
        to: "+33612345678".to_owned(),
        sender: "36123".to_owned(),
        text: text.to_owned(),
        size: Size {
            encoding: Encoding::Gsm7,
            units: 5,
            parts: 1,
        },
        is_marketing: true,
    }
}

fn body(http: &Http, text: &str) -> String {
    let request = http.request(&message(text), DateTime::UNIX_EPOCH).unwrap();
    String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap()
}

fn read(
    http: &Http,
    kind: PostKind,
    secret: &str,
    body: &[u8],
) -> Result<Vec<SmsEvent>, PostError> {
    http.read(&Post {
        kind,
        method: "POST",
        url: "https://news.example.com/hooks/sms/it/receipt",
        secret: Some(secret),
        query: &[],
        headers: &[],
        body,
        now: DateTime::UNIX_EPOCH,
    })
}

#[test]
fn a_request_is_what_the_settings_say() {
    let http = described(false);
    let request = http
        .request(&message("Say \"hi\" \\ l'été\n"), DateTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.url().as_str(), "https://sms.example.com/send");
    assert_eq!(request.headers()["x-key"], "k3y");
    assert_eq!(request.headers()["x-ref"], "7-12");
    assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
    assert!(!format!("{request:?} {http:?}").contains("k3y"));
    assert!(!format!("{http:?}").contains(SECRET));
    assert_eq!(
        body(&http, "Say \"hi\" \\ l'été\n"),
        r#"{"to":"+33612345678","text":"Say \"hi\" \\ l'été\n","n":1, "coding":"gsm7"}"#
    );
    let form = with_body("application/x-www-form-urlencoded", "to={{to}}&t={{text}}").unwrap();
    assert_eq!(body(&form, "a&b=é"), "to=%2B33612345678&t=a%26b%3D%C3%A9");
    let xml = with_body("text/xml", "<n>{{to}}</n><t>{{text}}</t>").unwrap();
    assert_eq!(
        body(&xml, "</t>&"),
        "<n>+33612345678</n><t>&lt;/t&gt;&amp;</t>"
    );
    let plain = with_body("text/plain", "{{to}} {{text}}").unwrap();
    assert_eq!(body(&plain, "l'été"), "+33612345678 l'été");
    let two_lines = plain.request(&message("a\nb"), DateTime::UNIX_EPOCH);
    assert_eq!(two_lines.err(), Some(Class::Unsupported));
}

#[test]
fn a_wrong_description_is_found_at_the_start() {
    let json = "application/json";
    for (content_type, body, says) in [
        (json, r#"{"t": "{{{text}}}"}"#, "{{{"),
        (json, r#"{"t": "{{~{text}~}}"}"#, "{{{"),
        (json, r#"{"t": "{{&text}}"}"#, "{{&"),
        (json, r#"{"t": {{text}}}"#, "between quotes"),
        (json, r#"{"t": "{{txet}}"}"#, "there are to, sender, text"),
        (json, r#"{"t": "{{text}}"}"#, "has no {{to}}"),
        (json, r#"{"to": "{{to}}", "t": "hi"}"#, "has no {{text}}"),
        (json, r#"{"t": "{{#if text}}"}"#, "no template"),
    ] {
        let error = with_body(content_type, body).unwrap_err().to_string();
        assert!(error.contains("sms.providers.it.http.body"), "{error}");
        assert!(error.contains(says), "{error}");
    }
    let url = "https://sms.example.com/";
    for (settings, says) in [
        (
            json!({"url": url, "body": "{}", "method": "GET"}),
            "http.method",
        ),
        (
            json!({"url": url, "body": "{}", "headers": {"a b": "c"}}),
            "http.headers",
        ),
        (
            json!({"url": url, "body": "{}", "headers": {"X": "{{text}}"}}),
            "http.headers.x",
        ),
        (
            json!({"url": url, "body": "{}", "answer": {"message_id": "id"}}),
            "answer.message_id",
        ),
        (
            json!({"url": url, "body": "{}", "answer": {"status": "/s"}}),
            "answer.accepted",
        ),
        (
            json!({"url": url, "body": "{}", "receipts": {"status": "/s", "delivered": [], "undelivered": []}}),
            "http.receipts",
        ),
    ] {
        let error = open(settings).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn an_answer_is_read_at_its_places() {
    let read = |http: &Http, status, body: &str| {
        http.answer(&Answer {
            status,
            retry_after: None,
            body: body.as_bytes().to_vec(),
        })
    };
    let once = described(false);
    let again = described(true);
    let taken = read(&once, 200, r#"{"r": [{"id": 17, "s": "OK"}]}"#);
    assert_eq!(taken, Handed::accepted(Some("17".to_owned()), None));
    let busy = r#"{"r": [{"s": "BUSY"}]}"#;
    for status in [200, 400, 429] {
        let code = Handed::deferred(Class::Greylist, status, None);
        assert_eq!(read(&once, status, busy), code);
    }
    let refused = read(&once, 200, r#"{"r": [{"s": "NO"}]}"#);
    assert_eq!(refused, Handed::rejected(Class::Protocol, 200));
    assert_eq!(read(&once, 401, ""), Handed::rejected(Class::Relay, 401));
    assert_eq!(read(&once, 422, ""), Handed::rejected(Class::Protocol, 422));
    assert_eq!(
        read(&once, 503, ""),
        Handed::deferred(Class::Network, 503, None)
    );
    for (status, body) in [
        (500, ""),
        (502, ""),
        (504, ""),
        (200, "<html>"),
        (200, r#"{"r": [{"#),
    ] {
        let lost = read(&once, status, body).outcome;
        assert!(matches!(lost, Outcome::Unknown { .. }), "{status} {body}");
        let lost = read(&again, status, body).outcome;
        assert!(matches!(lost, Outcome::Deferred { .. }), "{status} {body}");
    }
    let by_status = with_body("application/json", r#"{"to": "{{to}}", "t": "{{text}}"}"#).unwrap();
    assert_eq!(read(&by_status, 204, ""), Handed::accepted(None, None));
}

#[test]
fn receipts_come_in_lists() {
    let http = described(false);
    let body = br#"{"all": [{"ref": "1-1", "s": "D"}, {"ref": "1-2", "s": "S"}, {"ref": "1-3", "s": "U"}, {"ref": "1-4", "s": "X"}, {"ref": "1-5", "s": "new"}]}"#;
    let events = read(&http, PostKind::Receipt, SECRET, body).unwrap();
    let found: Vec<_> = events
        .iter()
        .map(|event| match event {
            SmsEvent::Receipt(receipt) => (
                receipt.reference.as_deref().unwrap(),
                receipt.state,
                receipt.failure.as_ref().map(|failure| failure.class),
            ),
            SmsEvent::Inbound(_) => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(
        found,
        [
            ("1-1", ReceiptState::Delivered, None),
            ("1-2", ReceiptState::Sent, None),
            ("1-3", ReceiptState::Undelivered, Some(Class::Network)),
            (
                "1-4",
                ReceiptState::Undelivered,
                Some(Class::InvalidRecipient)
            ),
        ]
    );
    let mixed = br#"{"all": [{"s": "D"}, {"ref": "1-1", "s": "D"}, 7]}"#;
    let events = read(&http, PostKind::Receipt, SECRET, mixed).unwrap();
    assert_eq!(events.len(), 1, "the others are not lost");
    let forged = read(&http, PostKind::Receipt, "guessed", body);
    assert_eq!(forged, Err(PostError::Forged));
    for malformed in [
        &b"{"[..],
        b"{}",
        br#"{"all": [{}]}"#,
        br#"{"all": [{"s": "D"}]}"#,
    ] {
        let found = read(&http, PostKind::Receipt, SECRET, malformed);
        assert!(matches!(found, Err(PostError::Unreadable(_))), "{found:?}");
    }
}

#[test]
fn a_message_of_a_person_may_be_a_form() {
    let http = described(false);
    let events = read(
        &http,
        PostKind::Inbound,
        SECRET,
        b"from=%2B33612345678&text=STOP",
    );
    let [SmsEvent::Inbound(text)] = &events.unwrap()[..] else {
        panic!("one message");
    };
    assert_eq!(
        (text.from.as_str(), text.text.as_str()),
        ("+33612345678", "STOP")
    );
}

proptest! {
    #[test]
    fn any_text_stays_one_value(text in any::<String>()) {
        let filled: Value = serde_json::from_str(&body(&described(false), &text)).unwrap();
        prop_assert_eq!(filled["text"].as_str(), Some(text.as_str()));
        let form = with_body("application/x-www-form-urlencoded", "t={{text}}&z={{to}}").unwrap();
        let filled = body(&form, &text);
        let fields: Vec<_> = form_urlencoded::parse(filled.as_bytes()).collect();
        prop_assert_eq!(fields.len(), 2);
        prop_assert_eq!(fields[0].1.as_ref(), text.as_str());
    }

    #[test]
    fn nothing_that_comes_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), status in 0u16..700) {
        let http = described(false);
        for kind in [PostKind::Receipt, PostKind::Inbound] {
            drop(read(&http, kind, SECRET, &bytes));
        }
        http.answer(&Answer { status, retry_after: None, body: bytes });
    }
}
