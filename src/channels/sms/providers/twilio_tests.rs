use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::channels::model::Outcome;
use crate::channels::sms::provider::PathSecret;
use crate::templates::sms::{Encoding, Size};

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const BODY: &str = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
/// RULES.md §2.5: computed again from Twilio's own example.
const SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

fn twilio(service: Option<&str>) -> Twilio {
    let mut settings: TwilioSettings =
        serde_json::from_value(json!({"account": "AC1", "token": "12345"})).unwrap();
    settings.service = service.map(str::to_owned);
    let account = Account {
        stop_by: None,
        key: "sms.providers.it".to_owned(),
        hooks: Hooks::new("https://news.example.com", "it", None),
        secret: PathSecret::new(None),
    };
    Twilio::new(account, &settings).unwrap()
}

fn message() -> SmsMessage {
    SmsMessage {
        reference: "7-12".to_owned(),
        to: "+33612345678".to_owned(),
        sender: "36123".to_owned(),
        text: "Été & co: 5€ = 10%".to_owned(),
        size: Size {
            encoding: Encoding::Ucs2,
            units: 18,
            parts: 1,
        },
        is_marketing: true,
    }
}

fn posts(kind: PostKind, url: &str, signature: &str, body: &[u8], check: impl FnOnce(&Post<'_>)) {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let headers = [("x-twilio-signature".to_owned(), signature.to_owned())];
    check(&Post {
        kind,
        method: "POST",
        url,
        secret: None,
        query: &query,
        headers: &headers,
        body,
        now: DateTime::UNIX_EPOCH,
    });
}

fn signature_of(url: &str, fields: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"12345");
    BASE64.encode(hmac::sign(&key, format!("{url}{fields}").as_bytes()).as_ref())
}

#[test]
fn a_message_is_a_form() {
    let request = twilio(None)
        .request(&message(), DateTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(
        request.url().as_str(),
        "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    );
    assert_eq!(request.headers()[AUTHORIZATION], "Basic QUMxOjEyMzQ1");
    assert!(!format!("{request:?}").contains("QUMx"));
    let body = request.body().unwrap().as_bytes().unwrap();
    assert_eq!(
        std::str::from_utf8(body).unwrap(),
        "To=%2B33612345678&From=36123&Body=%C3%89t%C3%A9+%26+co%3A+5%E2%82%AC+%3D+10%25\
         &StatusCallback=https%3A%2F%2Fnews.example.com%2Fhooks%2Fsms%2Fit%2Freceipt%3Fref%3D7-12"
    );
    let by_service = twilio(Some("MG1")).request(&message(), DateTime::UNIX_EPOCH);
    let by_service = by_service.unwrap();
    let body = by_service.body().unwrap().as_bytes().unwrap();
    let body = std::str::from_utf8(body).unwrap();
    assert!(body.contains("MessagingServiceSid=MG1") && !body.contains("From="));
}

#[test]
fn an_answer_is_understood_by_its_code() {
    let read = |status, body: serde_json::Value| {
        twilio(None).answer(&Answer {
            status,
            retry_after: Some(std::time::Duration::from_secs(3)),
            body: body.to_string().into_bytes(),
        })
    };
    let taken = read(
        201,
        json!({"sid": "SM1", "num_segments": "2", "error_code": null}),
    );
    assert_eq!(taken, Handed::accepted(Some("SM1".to_owned()), Some(2)));
    let uncounted = read(201, json!({"sid": "SM1", "num_segments": "0"}));
    assert_eq!(uncounted, Handed::accepted(Some("SM1".to_owned()), None));
    for (code, class) in [
        (21211, Class::InvalidRecipient),
        (21614, Class::InvalidRecipient),
        (21217, Class::InvalidRecipient),
        (21610, Class::OptedOut),
        (21408, Class::Unsupported),
        (21606, Class::Relay),
        (21212, Class::Relay),
        (20003, Class::Relay),
        (20404, Class::Relay),
        (30001, Class::Relay),
        (30007, Class::Blocked),
        (21617, Class::Content),
        (29999, Class::Protocol),
    ] {
        assert_eq!(
            read(400, json!({"code": code})),
            Handed::rejected(class, code),
            "{code}"
        );
        assert_eq!(
            read(201, json!({"sid": "SM1", "error_code": code})),
            Handed::rejected(class, code),
            "{code}"
        );
    }
    let wait = Some(std::time::Duration::from_secs(3));
    assert_eq!(
        read(429, json!({"code": 20429})),
        Handed::deferred(Class::Greylist, 429, wait)
    );
    assert_eq!(
        read(400, json!({"code": 21611})),
        Handed::deferred(Class::Greylist, 21611, wait)
    );
    assert_eq!(read(401, json!({})), Handed::rejected(Class::Relay, 401));
    for lost in [
        read(500, json!({})),
        read(201, json!({})),
        read(200, json!([])),
    ] {
        assert!(matches!(lost.outcome, Outcome::Unknown { .. }), "{lost:?}");
    }
}

#[test]
fn the_signature_of_the_documents_is_taken_with_and_without_port() {
    let body = BODY.as_bytes();
    for url in [URL, "https://mycompany.com:443/myapp.php?foo=1&bar=2"] {
        posts(PostKind::Inbound, url, SIGNATURE, body, |post| {
            let events = twilio(None).read(post).unwrap();
            assert!(
                matches!(&events[..], [SmsEvent::Inbound(text)] if text.from == "+14158675309")
            );
        });
    }
    let with_port = signature_of("https://mycompany.com:443/x", "Froma");
    posts(
        PostKind::Inbound,
        "https://mycompany.com/x",
        &with_port,
        b"From=a",
        |post| assert!(twilio(None).read(post).is_ok()),
    );
}

#[test]
fn what_is_not_signed_is_refused() {
    let changed = BODY.replace("1234&", "1235&");
    for (url, signature, body) in [
        (URL, SIGNATURE, changed.as_str()),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=3",
            SIGNATURE,
            BODY,
        ),
        (URL, "", BODY),
        (URL, "not base64", BODY),
        (URL, &SIGNATURE.replace('R', "S"), BODY),
        (URL, SIGNATURE, ""),
    ] {
        posts(PostKind::Inbound, url, signature, body.as_bytes(), |post| {
            assert_eq!(twilio(None).read(post), Err(PostError::Forged));
        });
    }
}

#[test]
fn a_name_that_comes_twice_is_signed_with_each_value_once() {
    let signature = signature_of(URL, "From1Media1MediaaMediab");
    let body = b"Media=b&From=1&Media=a&Media=b&Media=1";
    posts(PostKind::Inbound, URL, &signature, body, |post| {
        assert!(twilio(None).read(post).is_ok());
    });
}

#[test]
fn json_is_proven_by_its_hash_in_the_address() {
    // Twilio's own example.
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let url = format!("{URL}&bodySHA256={hash}");
    let body = br#"{"property": "value", "boolean": true}"#;
    let signature = "a9nBmqA0ju/hNViExpshrM61xv4=";
    posts(PostKind::Inbound, &url, signature, body, |post| {
        let unreadable = Err(PostError::Unreadable("From is missing"));
        assert_eq!(twilio(None).read(post), unreadable);
    });
    posts(PostKind::Inbound, &url, signature, b"{}", |post| {
        assert_eq!(twilio(None).read(post), Err(PostError::Forged));
    });
}

#[test]
fn a_receipt_names_our_reference_and_why() {
    let url = "https://news.example.com/hooks/sms/it/receipt?ref=7-12";
    for (status, code, expected) in [
        ("sent", "", Some((ReceiptState::Sent, None))),
        ("delivered", "", Some((ReceiptState::Delivered, None))),
        ("read", "", Some((ReceiptState::Delivered, None))),
        (
            "undelivered",
            "30003",
            Some((ReceiptState::Undelivered, Some(Class::Inactive))),
        ),
        (
            "undelivered",
            "30004",
            Some((ReceiptState::Undelivered, Some(Class::Blocked))),
        ),
        (
            "undelivered",
            "30005",
            Some((ReceiptState::Undelivered, Some(Class::InvalidRecipient))),
        ),
        (
            "undelivered",
            "30006",
            Some((ReceiptState::Undelivered, Some(Class::Unsupported))),
        ),
        (
            "failed",
            "30007",
            Some((ReceiptState::Undelivered, Some(Class::Blocked))),
        ),
        (
            "failed",
            "30008",
            Some((ReceiptState::Undelivered, Some(Class::Network))),
        ),
        (
            "failed",
            "21610",
            Some((ReceiptState::Undelivered, Some(Class::OptedOut))),
        ),
        (
            "failed",
            "",
            Some((ReceiptState::Undelivered, Some(Class::Network))),
        ),
        ("queued", "", None),
        ("a word of tomorrow", "", None),
    ] {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("ErrorCode", code),
                ("MessageSid", "SM1"),
                ("MessageStatus", status),
            ])
            .finish();
        let signature = signature_of(
            url,
            &format!("ErrorCode{code}MessageSidSM1MessageStatus{status}"),
        );
        posts(
            PostKind::Receipt,
            url,
            &signature,
            body.as_bytes(),
            |post| {
                let events = twilio(None).read(post).unwrap();
                let found = events.first().map(|event| match event {
                    SmsEvent::Receipt(receipt) => {
                        assert_eq!(receipt.reference.as_deref(), Some("7-12"));
                        assert_eq!(receipt.message_id.as_deref(), Some("SM1"));
                        (
                            receipt.state,
                            receipt.failure.as_ref().map(|failure| failure.class),
                        )
                    }
                    SmsEvent::Inbound(_) => panic!("{event:?}"),
                });
                assert_eq!(found, expected, "{status} {code}");
            },
        );
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(url in ".{0,40}", signature in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..200), status in 0u16..700) {
        // Signed or not.
        let text = signed_fields(&body);
        for signature in [signature, signature_of(&url, &text)] {
            for kind in [PostKind::Receipt, PostKind::Inbound] {
                posts(kind, &url, &signature, &body, |post| drop(twilio(None).read(post)));
            }
        }
        twilio(None).answer(&Answer { status, retry_after: None, body });
    }
}
