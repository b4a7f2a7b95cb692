use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::channels::model::Outcome;
use crate::templates::sms::Size;

const NOW: i64 = 1_461_605_396;

fn vonage(method: &str) -> Vonage {
    let settings = json!({
        "account": "abcd", "secret": "s3", "signature_secret": "secret", "signature": method,
    });
    open(settings, None)
}

fn open(settings: serde_json::Value, path: Option<&str>) -> Vonage {
    let settings: VonageSettings = serde_json::from_value(settings).unwrap();
    let account = Account {
        stop_by: None,
        key: "sms.providers.it".to_owned(),
        hooks: Hooks::new("https://news.example.com", "it", path),
        secret: PathSecret::new(path),
    };
    Vonage::new(account, &settings).unwrap()
}

fn read(
    vonage: &Vonage,
    kind: PostKind,
    method: &str,
    query: &[(String, String)],
    body: &[u8],
    now: i64,
) -> Result<Vec<SmsEvent>, PostError> {
    vonage.read(&Post {
        kind,
        method,
        url: "https://news.example.com/hooks/sms/it/receipt",
        secret: Some("a-secret-of-16-letters"),
        query,
        headers: &[],
        body,
        now: DateTime::from_timestamp(now, 0).unwrap(),
    })
}

/// Signed with SHA-256.
fn sign(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    fields.insert("timestamp".to_owned(), NOW.to_string());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"secret");
    let tag = ring::hmac::sign(&key, signed(&fields).as_bytes());
    fields.insert(
        "sig".to_owned(),
        data_encoding::HEXUPPER.encode(tag.as_ref()),
    );
    fields
}

#[test]
fn a_message_is_a_form_and_its_secret_stays_out_of_addresses() {
    let mut message = SmsMessage {
        reference: "7-12".to_owned(),
        to: "+33612345678".to_owned(),
        sender: "Garden".to_owned(),
        text: "Salut".to_owned(),
        size: Size {
            encoding: Encoding::Gsm7,
            units: 5,
            parts: 1,
        },
        is_marketing: true,
    };
    let request = vonage("sha256")
        .request(&message, DateTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.url().as_str(), "https://rest.nexmo.com/sms/json");
    let body = |request: &Request| {
        String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap()
    };
    assert_eq!(
        body(&request),
        "api_key=abcd&api_secret=s3&from=Garden&to=33612345678&text=Salut&type=text&client-ref=7-12\
         &status-report-req=true&callback=https%3A%2F%2Fnews.example.com%2Fhooks%2Fsms%2Fit%2Freceipt"
    );
    message.size.encoding = Encoding::Ucs2;
    let request = vonage("sha256")
        .request(&message, DateTime::UNIX_EPOCH)
        .unwrap();
    assert!(body(&request).contains("&type=unicode&"));
    let probe = vonage("sha256").probe(DateTime::UNIX_EPOCH).unwrap();
    assert!(!format!("{probe:?} {:?}", vonage("sha256")).contains("s3"));
}

#[test]
fn every_part_of_an_answer_is_judged() {
    let answer = |parts: serde_json::Value| {
        vonage("sha256").answer(&Answer {
            status: 200,
            retry_after: None,
            body: json!({"messages": parts}).to_string().into_bytes(),
        })
    };
    let id = Some("a".to_owned());
    assert_eq!(
        answer(json!([{"status": "0", "message-id": "a"}])),
        Handed::accepted(id.clone(), Some(1))
    );
    // Sent again, its second part would come twice.
    assert_eq!(
        answer(json!([{"status": "1"}, {"status": "0", "message-id": "a"}])),
        Handed::accepted(id, Some(2))
    );
    for status in [1, 10] {
        assert_eq!(
            answer(json!([{"status": status.to_string()}])),
            Handed::deferred(Class::Greylist, status, None)
        );
    }
    assert_eq!(
        answer(json!([{"status": "5"}])),
        Handed::deferred(Class::Network, 5, None)
    );
    for (status, class) in [
        (3, Class::Protocol),
        (4, Class::Relay),
        (6, Class::Unsupported),
        (7, Class::Unsupported),
        (9, Class::Relay),
        (12, Class::Content),
        (15, Class::Relay),
        (33, Class::Inactive),
        (99, Class::Protocol),
    ] {
        assert_eq!(
            answer(json!([{"status": status.to_string()}])),
            Handed::rejected(class, status)
        );
    }
    for lost in [
        json!([]),
        json!({}),
        json!([{"status": "x"}]),
        json!([{"status": "1"}, {}]),
    ] {
        let handed = answer(lost.clone());
        assert!(matches!(handed.outcome, Outcome::Unknown { .. }), "{lost}");
    }
}

#[test]
fn who_signs_nothing_is_not_told_what_is_wrong() {
    for secret in [None, Some("guessed")] {
        let found = vonage("sha256").read(&Post {
            kind: PostKind::Inbound,
            method: "POST",
            url: "https://news.example.com/hooks/sms/it/inbound",
            secret,
            query: &[],
            headers: &[],
            body: b"[1]",
            now: DateTime::from_timestamp(NOW, 0).unwrap(),
        });
        assert_eq!(found, Err(PostError::Forged));
    }
}

#[test]
fn all_five_signatures_are_verified() {
    // The first is of Vonage's own libraries; the others were computed with Python's hmac.
    for (method, sig) in [
        ("md5hash", "6af838ef94998832dbfc29020b564830"),
        ("md5", "c15c21ced558c93a226c305f58f902f2"),
        ("sha1", "3e19a4e6880fdc2c1426bfd0587c98b9532f0210"),
        (
            "sha256",
            "a321e824b9b816be7c3f28859a31749a098713d39f613c80d455bbaffae1cd24",
        ),
        (
            "sha512",
            "812a18f76680fa0fe1b8bd9ee1625466ceb1bd96242e4d050d2cfd9a7b40166c63ed26ec9702168781b6edcf1633db8ff95af9341701004eec3fcf9550572ee8",
        ),
    ] {
        let body = |sig: &str| format!("a=1&b=2&timestamp={NOW}&sig={sig}").into_bytes();
        let try_it =
            |body: &[u8], now| read(&vonage(method), PostKind::Receipt, "POST", &[], body, now);
        let proven = Err(PostError::Unreadable("status is missing"));
        let forged = Err(PostError::Forged);
        assert_eq!(try_it(&body(sig), NOW), proven, "{method}");
        assert_eq!(
            try_it(&body(&sig.to_uppercase()), NOW + 90_000),
            proven,
            "{method}"
        );
        assert_eq!(
            try_it(&body(sig), NOW + 90_001),
            forged,
            "{method}: replayed"
        );
        assert_eq!(
            try_it(&body(sig), NOW - 301),
            forged,
            "{method}: of the future"
        );
        assert_eq!(
            try_it(&body(&sig.replace('8', "9")), NOW),
            forged,
            "{method}"
        );
        assert_eq!(try_it(&body(""), NOW), forged, "{method}");
        assert_eq!(try_it(b"a=1&b=2", NOW), forged, "{method}");
    }
}

#[test]
fn a_value_cannot_pass_for_a_field() {
    let two = sign(&[("status", "delivered"), ("messageId", "m"), ("x", "1&y=2")]);
    assert!(signed(&two).contains("&x=1_y_2"));
    let body = json!(two).to_string();
    assert!(
        read(
            &vonage("sha256"),
            PostKind::Receipt,
            "POST",
            &[],
            body.as_bytes(),
            NOW
        )
        .is_ok()
    );
}

#[test]
fn a_receipt_comes_as_json_form_or_query() {
    let fields = sign(&[
        ("messageId", "m"),
        ("client-ref", "7-12"),
        ("status", "failed"),
        ("err-code", "3"),
        ("scts", "2611222130"),
        ("msisdn", "33612345678"),
    ]);
    let expected = Ok(vec![SmsEvent::Receipt(Receipt {
        reference: Some("7-12".to_owned()),
        message_id: Some("m".to_owned()),
        state: ReceiptState::Undelivered,
        failure: Some(Failure {
            class: Class::InvalidRecipient,
            code: "3".to_owned(),
        }),
        at: Some(1_795_383_000_000),
    })]);
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&fields)
        .finish();
    let query: Vec<_> = fields.clone().into_iter().collect();
    let json = json!(fields).to_string();
    let vonage = vonage("sha256");
    let kind = PostKind::Receipt;
    assert_eq!(
        read(&vonage, kind, "POST", &[], json.as_bytes(), NOW),
        expected
    );
    assert_eq!(
        read(&vonage, kind, "POST", &[], form.as_bytes(), NOW),
        expected
    );
    assert_eq!(read(&vonage, kind, "GET", &query, b"", NOW), expected);
}

#[test]
fn a_message_of_a_person_is_read() {
    let fields = sign(&[
        ("messageId", "m"),
        ("msisdn", "33612345678"),
        ("to", "36123"),
        ("text", "Arrêt"),
        ("message-timestamp", "2016-04-25 17:29:56"),
    ]);
    let body = json!(fields).to_string();
    let events = read(
        &vonage("sha256"),
        PostKind::Inbound,
        "POST",
        &[],
        body.as_bytes(),
        NOW,
    );
    let [SmsEvent::Inbound(text)] = &events.unwrap()[..] else {
        panic!("one message");
    };
    assert_eq!(
        (text.from.as_str(), text.text.as_str()),
        ("33612345678", "Arrêt")
    );
    assert_eq!(text.at, Some(NOW * 1000));
}

#[test]
fn without_a_signature_the_path_is_the_secret() {
    let settings = json!({"account": "abcd", "secret": "s3"});
    let body = b"status=delivered&messageId=m";
    let right = open(settings.clone(), Some("a-secret-of-16-letters"));
    assert!(read(&right, PostKind::Receipt, "POST", &[], body, NOW).is_ok());
    for path in [None, Some("another-secret-of-16")] {
        let wrong = open(settings.clone(), path);
        let found = read(&wrong, PostKind::Receipt, "POST", &[], body, NOW);
        assert_eq!(found, Err(PostError::Forged));
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(fields in prop::collection::vec((".{0,20}", ".{0,20}"), 0..6), body in prop::collection::vec(any::<u8>(), 0..200), status in 0u16..700) {
        let by_path = open(json!({"account": "abcd", "secret": "s3"}), Some("a-secret-of-16-letters"));
        for vonage in [vonage("md5hash"), by_path] {
            for kind in [PostKind::Receipt, PostKind::Inbound] {
                drop(read(&vonage, kind, "POST", &[], &body, NOW));
                drop(read(&vonage, kind, "GET", &fields, &body, NOW));
            }
        }
        vonage("sha1").answer(&Answer { status, retry_after: None, body });
    }

    #[test]
    fn an_instant_of_any_letters_is_no_panic(at in ".{0,30}") {
        let get = |name: &str| (name == "message-timestamp" || name == "msisdn").then(|| at.clone());
        prop_assert!(inbound(&get).is_ok());
    }
}
