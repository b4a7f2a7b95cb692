use std::time::Duration;

use chrono::TimeZone;
use proptest::prelude::*;

use super::super::samples::{
    SECRET, account, answer, documents, message, post, query, shown, survives,
};
use super::*;
use crate::channels::model::{Outcome, Reply};
use crate::config::StopBy;

fn settings() -> OvhSettings {
    toml::from_str(
        r#"
        service = "sms-ab12345-1"
        application_key = "7kbG7Bk7S9Nt7ZSV"
        application_secret = "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF"
        consumer_key = "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1"
        "#,
    )
    .unwrap()
}

fn provider(account: Account) -> Ovh {
    Ovh::open(account, &settings()).unwrap()
}

fn now() -> DateTime<Utc> {
    Utc.timestamp_opt(1_763_800_000, 0).unwrap()
}

fn body(account: Account, message: &SmsMessage) -> Value {
    let request = provider(account).request(message, now()).unwrap();
    serde_json::from_slice(request.body().unwrap().as_bytes().unwrap()).unwrap()
}

fn read(kind: PostKind, pairs: &[(&str, &str)]) -> Result<Vec<SmsEvent>, PostError> {
    provider(account()).read(&post(kind, Some(SECRET), &query(pairs), b""))
}

#[test]
fn the_signature_is_that_of_the_documents() {
    // The example of "First steps with the OVHcloud APIs".
    assert_eq!(
        sign(
            "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF",
            "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1",
            "GET",
            "https://eu.api.ovh.com/1.0/domains/",
            b"",
            1_366_560_945,
        ),
        "$1$d3705e8afb27a0d2970a322b96550abfc67bb798"
    );
}

#[test]
fn a_message_is_one_job_signed_over_its_very_bytes() {
    // The signature is computed by another program over the address and the body below.
    assert_eq!(
        shown(&provider(account()).request(&message(), now()).unwrap()),
        r#"POST https://eu.api.ovh.com/1.0/sms/sms-ab12345-1/jobs
x-ovh-application: 7kbG7Bk7S9Nt7ZSV
x-ovh-consumer: MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1
x-ovh-timestamp: 1763800000
x-ovh-signature: $1$aef1c2c0a2d5f75479f8ab42ff4957619de76ea9
content-type: application/json
{"message":"Soldes d'été: -30 %. STOP 36111","receivers":["+33612345678"],"sender":"Boutique","senderForResponse":false,"noStopClause":true,"charset":"UTF-8","coding":"7bit","class":"phoneDisplay","priority":"medium","validityPeriod":2880,"tag":"w7-42"}"#
    );
}

#[test]
fn the_probe_is_signed_and_the_clock_is_not() {
    let provider = provider(account());
    assert_eq!(
        shown(&provider.probe(now()).unwrap()),
        "GET https://eu.api.ovh.com/1.0/sms/sms-ab12345-1/jobs
x-ovh-application: 7kbG7Bk7S9Nt7ZSV
x-ovh-consumer: MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1
x-ovh-timestamp: 1763800000
x-ovh-signature: $1$1620490c85bda0de40f8769cb70794c83b1c4990
"
    );
    assert_eq!(
        shown(&provider.clock().unwrap()),
        "GET https://eu.api.ovh.com/1.0/auth/time\n"
    );
}

#[test]
fn stop_is_written_by_one_of_the_two() {
    let by = |stop_by, is_marketing| {
        let account = Account {
            stop_by,
            ..account()
        };
        let message = SmsMessage {
            is_marketing,
            ..message()
        };
        body(account, &message)["noStopClause"] == true
    };
    assert!(by(Some(StopBy::Us), true));
    assert!(!by(Some(StopBy::Provider), true));
    assert!(!by(None, true), "advertising never goes without");
    assert!(by(Some(StopBy::Provider), false));
    assert!(by(None, false));
}

#[test]
fn a_short_code_means_a_number_that_people_can_answer() {
    let of = |sender: &str| {
        let message = SmsMessage {
            sender: sender.to_owned(),
            ..message()
        };
        let body = body(account(), &message);
        (
            body["sender"].as_str().map(str::to_owned),
            body["senderForResponse"] == true,
        )
    };
    assert_eq!(of("36111"), (None, true));
    assert_eq!(of(""), (None, true));
    assert_eq!(of("Boutique"), (Some("Boutique".to_owned()), false));
    assert_eq!(of("+33700000000"), (Some("+33700000000".to_owned()), false));
}

#[test]
fn encoding_and_tag_follow_the_message() {
    let mut long = message();
    long.size.encoding = Encoding::Ucs2;
    long.reference = "a-reference-of-21-char".to_owned();
    long.is_marketing = false;
    let body = body(account(), &long);
    assert_eq!(body["coding"], "8bit");
    assert_eq!(body["priority"], "high");
    assert_eq!(body.get("tag"), None, "a cut tag would name nothing");
}

#[test]
fn answers() {
    let accepted = |id: &str| Handed::accepted(Some(id.to_owned()), None);
    let table = [
        (
            200,
            r#"{"totalCreditsRemoved":1,"invalidReceivers":[],"ids":[26929925],"validReceivers":["+33612345678"]}"#,
            accepted("26929925"),
        ),
        (200, r#"{"ids":["26929925"]}"#, accepted("26929925")),
        (
            200,
            r#"{"totalCreditsRemoved":0,"invalidReceivers":["+3361234"],"ids":[],"validReceivers":[]}"#,
            Handed::rejected(Class::InvalidRecipient, 200),
        ),
        (
            400,
            r#"{"class":"Client::BadRequest","message":"Invalid signature","errorCode":"INVALID_SIGNATURE","httpCode":"400 Bad Request"}"#,
            Handed::rejected(Class::Relay, 400),
        ),
        (
            400,
            r#"{"message":"…"}"#,
            Handed::rejected(Class::Protocol, 400),
        ),
        (
            400,
            r#"{"message":"Cannot send contact information with shortcode"}"#,
            Handed::rejected(Class::Policy, 400),
        ),
        (402, "", Handed::rejected(Class::Relay, 402)),
        (
            403,
            r#"{"errorCode":"NOT_GRANTED_CALL"}"#,
            Handed::rejected(Class::Relay, 403),
        ),
        (404, "{}", Handed::rejected(Class::Relay, 404)),
        (429, "", Handed::deferred(Class::Greylist, 429, None)),
    ];
    let provider = provider(account());
    for (status, body, expected) in table {
        assert_eq!(provider.answer(&answer(status, body)), expected, "{body}");
    }
    for (status, body) in [
        (200, ""),
        (200, "{"),
        (200, "[]"),
        (200, r#"{"ids":[],"invalidReceivers":[]}"#),
        (200, r#"{"ids":[{}]}"#),
        (500, r#"{"message":"Internal server error"}"#),
        (504, ""),
    ] {
        let handed = provider.answer(&answer(status, body));
        assert!(
            matches!(handed.outcome, Outcome::Unknown { .. }),
            "{status} {body}: {handed:?}"
        );
    }
    let busy = Answer {
        retry_after: Some(Duration::from_secs(7)),
        ..answer(503, "")
    };
    assert_eq!(
        provider.answer(&busy).outcome,
        Outcome::Deferred {
            class: Class::Network,
            reply: Reply {
                code: 503,
                enhanced: None
            },
            retry_after: Some(Duration::from_secs(7)),
        }
    );
}

#[test]
fn receipts() {
    let of = |ptt: &str, description: &str| {
        let events = read(
            PostKind::Receipt,
            &[
                ("id", "26929925"),
                ("ptt", ptt),
                ("date", "2026-11-22T10:00:00+01:00"),
                ("description", description),
                ("descriptionDlr", "…"),
            ],
        )
        .unwrap();
        match events.as_slice() {
            [] => None,
            [SmsEvent::Receipt(receipt)] => {
                assert_eq!(receipt.message_id.as_deref(), Some("26929925"));
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
    assert_eq!(of("3", "4"), Some((ReceiptState::Sent, None)));
    assert_eq!(of("6", ""), Some((ReceiptState::Sent, None)));
    assert_eq!(of("4", "1"), Some((ReceiptState::Delivered, None)));
    assert_eq!(of("8", "2"), failed(Class::Expired, "8"));
    assert_eq!(of("23", "2"), failed(Class::InvalidRecipient, "23"));
    assert_eq!(of("24", "2"), failed(Class::Inactive, "24"));
    assert_eq!(of("28", "2"), failed(Class::Blocked, "28"));
    // A code of tomorrow: the state decides, and where it is no help the receipt tells nothing.
    assert_eq!(of("999", "1"), Some((ReceiptState::Delivered, None)));
    assert_eq!(of("999", "16"), failed(Class::Network, "999"));
    assert_eq!(of("999", "64"), None);
}

#[test]
fn a_receipt_that_names_nothing_is_unreadable() {
    for pairs in [
        &[][..],
        &[("ptt", "4")],
        &[("id", "26929925")],
        &[("id", " "), ("ptt", "4")],
    ] {
        assert!(
            matches!(
                read(PostKind::Receipt, pairs),
                Err(PostError::Unreadable(_))
            ),
            "{pairs:?}"
        );
    }
}

#[test]
fn a_reply_comes_as_a_form() {
    let form = b"id=99&keyword=x&message=J%27en+veux+deux&senderid=0033612345678&shortcode=36111&tag=w7-42";
    let events = provider(account())
        .read(&post(PostKind::Inbound, Some(SECRET), &[], form))
        .unwrap();
    assert_eq!(
        events,
        [SmsEvent::Inbound(Inbound {
            message_id: Some(name_of_reply("99", "J'en veux deux")),
            from: "+33612345678".to_owned(),
            to: Some("36111".to_owned()),
            text: "J'en veux deux".to_owned(),
            reference: Some("w7-42".to_owned()),
            at: None,
        })]
    );
}

#[test]
fn a_post_of_the_stop_address_is_a_stop() {
    let said = |pairs: &[(&str, &str)]| match read(PostKind::Inbound, pairs).as_deref() {
        Ok([SmsEvent::Inbound(inbound)]) => (inbound.from.clone(), inbound.text.clone()),
        other => panic!("{other:?}"),
    };
    let stop = ("+33612345678".to_owned(), "STOP".to_owned());
    assert_eq!(said(&[("senderid", "+33612345678")]), stop);
    assert_eq!(said(&[("from", "0033612345678")]), stop);
    // An empty reply is no STOP.
    assert_eq!(said(&[("senderid", "+33612345678"), ("message", "")]).1, "");
    assert_eq!(
        read(PostKind::Inbound, &[("id", "1")]),
        Err(PostError::Unreadable("it names no number"))
    );
}

#[test]
fn settings_that_cannot_work_are_named() {
    for (change, key) in [
        ("service", "sms.providers.main.ovh.service"),
        ("application_key", "sms.providers.main.ovh.application_key"),
    ] {
        let mut settings = settings();
        match change {
            "service" => settings.service = "../me".to_owned(),
            _ => settings.application_key = "a\nb".to_owned(),
        }
        let error = Ovh::open(account(), &settings).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn nothing_secret_is_in_its_debug_form() {
    let shown = format!("{:?}", provider(account()));
    for secret in [
        SECRET,
        "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF",
        "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1",
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

const NAMES: &[&str] = &["ids", "invalidReceivers", "validReceivers", "errorCode"];

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        status in 100..600_u16,
        body in proptest::collection::vec(any::<u8>(), 0..200),
        pairs in proptest::collection::vec(("(id|ptt|date|description|senderid|message|tag)", ".{0,9}"), 0..6),
    ) {
        survives(&provider(account()), status, &body, &pairs);
    }

    #[test]
    fn any_document_is_read_or_refused(status in 100..600_u16, body in documents(NAMES)) {
        survives(&provider(account()), status, body.to_string().as_bytes(), &[]);
    }
}
