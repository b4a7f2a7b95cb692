use chrono::DateTime;
use proptest::prelude::*;

use super::super::samples::{SECRET, account, answer, documents, message, post, shown, survives};
use super::*;
use crate::channels::model::Outcome;

fn provider() -> Infobip {
    let settings: InfobipSettings =
        toml::from_str("url = \"https://x1y2z3.api.infobip.com/\"\napi_key = \"k-1\"").unwrap();
    Infobip::open(account(), &settings).unwrap()
}

fn read(kind: PostKind, body: &str) -> Result<Vec<SmsEvent>, PostError> {
    provider().read(&post(kind, Some(SECRET), &[], body.as_bytes()))
}

#[test]
fn a_message_is_one_request_under_our_own_name() {
    assert_eq!(
        shown(
            &provider()
                .request(&message(), DateTime::UNIX_EPOCH)
                .unwrap()
        ),
        r#"POST https://x1y2z3.api.infobip.com/sms/3/messages
authorization: App k-1
accept: application/json
content-type: application/json
{"messages":[{"sender":"Boutique","destinations":[{"to":"33612345678","messageId":"w7-42"}],"content":{"text":"Soldes d'été: -30 %. STOP 36111"},"webhooks":{"delivery":{"url":"https://shop.example/hooks/sms/main/receipt/0123456789abcdef"},"contentType":"application/json"}}]}"#
    );
    assert_eq!(
        shown(&provider().probe(DateTime::UNIX_EPOCH).unwrap()),
        r#"POST https://x1y2z3.api.infobip.com/sms/1/preview
authorization: App k-1
accept: application/json
content-type: application/json
{"text":"."}"#
    );
}

#[test]
fn answers() {
    let of = |group: &str, name: &str| {
        provider().answer(&answer(
            200,
            &format!(
                r#"{{"bulkId":"b1","messages":[{{"messageId":"w7-42","status":{{"groupId":1,"groupName":"{group}","id":26,"name":"{name}","description":"…"}},"destination":"33612345678","details":{{"messageCount":2}}}}]}}"#
            ),
        ))
    };
    assert_eq!(
        of("PENDING", "PENDING_ACCEPTED"),
        Handed::accepted(Some("w7-42".to_owned()), Some(2))
    );
    assert_eq!(
        of("REJECTED", "REJECTED_DUPLICATE_MESSAGE_ID"),
        Handed::accepted(Some("w7-42".to_owned()), None)
    );
    for (name, class) in [
        ("REJECTED_PREFIX_MISSING", Class::InvalidRecipient),
        ("REJECTED_DESTINATION", Class::InvalidRecipient),
        ("REJECTED_DND", Class::Inactive),
        ("REJECTED_DESTINATION_BLOCKLISTED", Class::Inactive),
        ("REJECTED_NOT_ENOUGH_CREDITS", Class::Relay),
        ("REJECTED_SOURCE", Class::Relay),
        ("REJECTED_NETWORK", Class::Unsupported),
        ("REJECTED_MESSAGE_TOO_LONG", Class::Content),
    ] {
        assert_eq!(of("REJECTED", name), Handed::rejected(class, 200), "{name}");
    }
    assert_eq!(
        of("REJECTED", "REJECTED_FLOODING_FILTER"),
        Handed::deferred(Class::Greylist, 200, None)
    );
    assert_eq!(
        of("REJECTED", "REJECTED_SYSTEM_ERROR"),
        Handed::deferred(Class::Network, 200, None)
    );
    for (status, body) in [
        (200, ""),
        (200, "{}"),
        (200, r#"{"messages":[]}"#),
        (200, r#"{"messages":[{"messageId":"w7-42"}]}"#),
        (
            200,
            r#"{"messages":[{"status":{"groupName":"SOMETHING_NEW"}}]}"#,
        ),
        (500, "{}"),
    ] {
        let handed = provider().answer(&answer(status, body));
        assert!(
            matches!(handed.outcome, Outcome::Unknown { .. }),
            "{status} {body}: {handed:?}"
        );
    }
    assert_eq!(
        provider().answer(&answer(401, "{}")),
        Handed::rejected(Class::Relay, 401)
    );
    assert_eq!(
        provider().answer(&answer(400, "{}")),
        Handed::rejected(Class::Protocol, 400)
    );
    assert_eq!(
        provider().answer(&answer(429, "{}")),
        Handed::deferred(Class::Greylist, 429, None)
    );
}

fn receipt_of(status: &str, error: &str) -> (ReceiptState, Option<Failure>) {
    let body = format!(
        r#"{{"results":[{{"bulkId":"b1","messageId":"w7-42","to":"33612345678","sentAt":"2026-11-22T09:00:00.000+0000","doneAt":"2026-11-22T09:00:00.000+0000","messageCount":1,"status":{status},"error":{error}}}]}}"#
    );
    match read(PostKind::Receipt, &body).as_deref() {
        Ok([SmsEvent::Receipt(receipt)]) => {
            assert_eq!(receipt.message_id.as_deref(), Some("w7-42"));
            assert_eq!(receipt.reference.as_deref(), Some("w7-42"));
            assert_eq!(receipt.at, Some(1_795_338_000_000));
            (receipt.state, receipt.failure.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn receipts_tell_the_state() {
    let of = |group: &str, name: &str| {
        receipt_of(
            &format!(r#"{{"groupName":"{group}","id":5,"name":"{name}"}}"#),
            r#"{"groupName":"OK","id":0,"name":"NO_ERROR","permanent":false}"#,
        )
    };
    let failed = |class| {
        (
            ReceiptState::Undelivered,
            Some(Failure {
                class,
                code: "5".to_owned(),
            }),
        )
    };
    assert_eq!(
        of("DELIVERED", "DELIVERED_TO_HANDSET"),
        (ReceiptState::Delivered, None)
    );
    assert_eq!(
        of("DELIVERED", "DELIVERED_TO_OPERATOR"),
        (ReceiptState::Sent, None)
    );
    assert_eq!(of("PENDING", "PENDING_ENROUTE"), (ReceiptState::Sent, None));
    assert_eq!(
        of("REJECTED", "REJECTED_DUPLICATE_MESSAGE_ID"),
        (ReceiptState::Sent, None)
    );
    assert_eq!(of("EXPIRED", "EXPIRED_EXPIRED"), failed(Class::Expired));
    assert_eq!(
        of("REJECTED", "REJECTED_PREFIX_MISSING"),
        failed(Class::InvalidRecipient)
    );
    assert_eq!(
        of("UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED"),
        failed(Class::Network)
    );
}

#[test]
fn receipts_tell_why() {
    for (name, is_permanent, class) in [
        ("EC_UNKNOWN_SUBSCRIBER", true, Class::InvalidRecipient),
        ("EC_DEACTIVATED_LIST", true, Class::InvalidRecipient),
        ("EC_ABSENT_SUBSCRIBER", false, Class::Inactive),
        ("EC_INVALID_DESTINATION_ADDRESS", false, Class::Inactive),
        (
            "EC_INVALID_DESTINATION_ADDRESS",
            true,
            Class::InvalidRecipient,
        ),
        ("EC_SM_DF_MEMORYCAPACITYEXCEEDED", false, Class::Quota),
        ("EC_SC_BLOCKED_BY_END_USER", true, Class::OptedOut),
        ("EC_TELESERVICE_NOT_PROVISIONED", true, Class::Unsupported),
        ("EC_REJECTED_SPAM_BY_OPERATOR", true, Class::Blocked),
        ("EC_INVALID_SOURCE_ADDRESS", true, Class::Relay),
    ] {
        let (state, failure) = receipt_of(
            r#"{"groupName":"UNDELIVERABLE","id":9,"name":"UNDELIVERABLE_NOT_DELIVERED"}"#,
            &format!(r#"{{"id":1027,"name":"{name}","permanent":{is_permanent}}}"#),
        );
        assert_eq!(state, ReceiptState::Undelivered);
        assert_eq!(
            failure,
            Some(Failure {
                class,
                code: "1027".to_owned()
            }),
            "{name}"
        );
    }
}

#[test]
fn one_result_that_is_not_understood_does_not_lose_the_others() {
    let body = r#"{"results":[7,{"messageId":"a"},{"messageId":"b","status":{"groupName":"NEW"}},
        {"messageId":"w7-42","status":{"groupName":"DELIVERED"}}]}"#;
    let events = read(PostKind::Receipt, body).unwrap();
    assert_eq!(
        events,
        [SmsEvent::Receipt(Receipt {
            reference: Some("w7-42".to_owned()),
            message_id: Some("w7-42".to_owned()),
            state: ReceiptState::Delivered,
            failure: None,
            at: None,
        })]
    );
}

#[test]
fn inbound_messages() {
    let body = r#"{"results":[{"messageId":"817790313235066447","from":"33612345678","to":"36111","text":"Stop svp","cleanText":"svp","keyword":"STOP","receivedAt":"2026-11-22T09:00:00.000+0000","smsCount":1}],"messageCount":1,"pendingMessageCount":0}"#;
    assert_eq!(
        read(PostKind::Inbound, body).unwrap(),
        [SmsEvent::Inbound(Inbound {
            message_id: Some("817790313235066447".to_owned()),
            from: "33612345678".to_owned(),
            to: Some("36111".to_owned()),
            text: "Stop svp".to_owned(),
            reference: None,
            at: Some(1_795_338_000_000),
        })]
    );
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"results":7}"#,
        r#"{"results":[{}]}"#,
    ] {
        for kind in [PostKind::Receipt, PostKind::Inbound] {
            assert!(
                matches!(read(kind, body), Err(PostError::Unreadable(_))),
                "{body}"
            );
        }
    }
    assert_eq!(read(PostKind::Receipt, r#"{"results":[]}"#), Ok(Vec::new()));
}

#[test]
fn the_key_is_not_in_its_debug_form() {
    let shown = format!("{:?}", provider());
    assert!(!shown.contains("k-1") && !shown.contains(SECRET), "{shown}");
}

const NAMES: &[&str] = &[
    "messages",
    "results",
    "messageId",
    "status",
    "groupName",
    "name",
    "id",
    "error",
    "permanent",
    "details",
    "messageCount",
    "doneAt",
    "from",
    "text",
    "REJECTED",
    "DELIVERED",
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
