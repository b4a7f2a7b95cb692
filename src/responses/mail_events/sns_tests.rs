//! The signatures were made by OpenSSL with the key in `testdata`, over the texts that the developer guide of SNS
//! describes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::responses::mail_events::Post;

const CERTIFICATE: &[u8] = include_bytes!("testdata/sns-certificate.pem");
const EXPIRED: &[u8] = include_bytes!("testdata/sns-expired.pem");
const TOPIC: &str = "arn:aws:sns:eu-west-3:123456789012:mail-events";
const CONFIRM: &str =
    "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37";

const NOTIFICATION_1: &str = "X2HOwPAFDWPqMANUnO390oQhOxarDdvKiEESaH2Ut8UN9nxNFoOaA6AYhBHhDyw/jtgLQNYtTNtSihbw5kY+tsjQgm7qBeQmM26MuDLkJT+dd2A1NotD2JmH83qiD8b/s2hOajXJ0E7a+m4ZPcfzLFKdb+A9ROARuDz5Hpguo+3DLZpz1Wh34yC5Askob4sWlo8s0SXsS3Dqmyc6i49mQlnalpWVT1V/0oQ/Pf1JyS56l8C2tHKYcWqUwcdGRwTpjwBLMYZ9Vi1QY5VpJTFhedHqsim9yxxdR3odWTFIQwdvYhJIqZ9+NrNhvq9spS/NZXho1JpR3lK5DtmIvLjKww==";
const NOTIFICATION_2: &str = "dLBgVZgtDO0LtddXGaKj/5OTzP+DGemOIX+lF647jK7fNsqE68TfiqDPc2d5W+H+RufUPDv6/4qkp2gQErivctBgCtFwZUGzY3WU9vNDtkDW38L2htjiU/2r9YRVxbGa3R9IBwAO/N6rz22So5ApzFKCWr+OZ58wVc6IQneUx21C23/LAPW/Yh06kMVk4zWWuu+6RBww9OZ9yQ2JrTomxtCNrwCwMARAOD1KNXSOPasYGcc6kFUrEkNuo/uqESYSFgoMYt67q9Z/dkWkKyt99n4Q7uLekWq5Hcn8ISNXT/7VobFfMI9WlbYTWpAXXILm29pgEUxAlVUb/M40GipDvw==";
const CONFIRMATION_1: &str = "SW3qcYm9WIKz/tU4QUoiQhVOEyOAx0drtcwVasjbR2mv8prNYJT4HaxhvbO6wQiPloJ3dxaue4snYOF95kzDqVnU4cWnWuPy2Qm99FCtLZzB4sMaQOVhiLvgdI5EXYbTcmszDKioCTj7+PZ9Si6/xmoiUMwq9ZbkvEd4xPi2UUPvVC80qAGxiwkGO/Tmwu/6+UGnl1T7LDchxad8rX80Xv7BSv0bZXtnqX0g18AxQ5bkqLTCHyo5OwMwymL0KOOf7Udf7sWyc4vT2mRrmS4IGJY/QR4VaGPRGc/bOwzwlomLcDgrRH7sTIVp4IUy0cOsbKhXRuQHGb6dnVs6tw0fcA==";
const CONFIRMATION_2: &str = "aHV6041Tivch3y2LTxFGw6sK11wz+YPtJR+JKWlqiDkMEMr47ZEJORd/ndSYofvRQPFQb4HfPJ/Ob6enCPyd/c4RgbMBB4tWcRewb6TCjr5C9VKt0cLMM+82ZU++6UJpk+YwCa0UWV+sbCRBsbcg5saF83j5h72mHaeS97Cc7QegDhilRWWpH2XjQhAGAirr93cs4Ust3jnXZkuOxUsUiqliWXgAMOhuUaht15yAaD4aKTKanIvdI2ZWr+N1R/vR4JSTTt9ShxhX0qvZnUxrGg8l8EaHMtPYgUgT4odMV6Qit3Nq68A57sjELQ74gxyUwu579Mop5Kb9VxyExM/Deg==";
const ELSEWHERE_1: &str = "j0qgnAYk8cSowsergShiAidV5BJCxtP5Zhlp72a81q7SpUtMLrtd0O3mtWbSIVovHdACinndKXIUiYLKxEKnOqOUT6WvMXewvlcaROy/ngpCY0PFhB6Na8knK6btjMXI91axJV7q00yI69hteNjPgCxYozuwn1kC7ntxI8xD9xRy9/KSl7Nv8Uzg6p9b+4wuJvqPZiZp4YqY07mecud+tjI/0jYPyw7d/jXxnna4L6tl+ajk70U5+qal7Qhr+0+Ayr+2zmYRGN7Bw2NzO7TEeKnSj4L95HVafWAXxUmO5xgpiZ+8/fBtFUbfVdOWIIoAfhVQ/32td0gDSxmzwraImg==";

fn now() -> i64 {
    moment("2026-11-23T10:05:00Z").unwrap()
}

fn notification() -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": "{\"eventType\":\"Open\"}",
        "Timestamp": "2026-11-23T10:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": NOTIFICATION_1,
        "SigningCertURL": "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0123.pem",
        "UnsubscribeURL": "https://sns.eu-west-3.amazonaws.com/?Action=Unsubscribe",
    })
}

fn confirmation() -> Value {
    json!({
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": TOPIC,
        "Token": "2336412f37",
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": CONFIRM,
        "Timestamp": "2026-11-23T10:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": CONFIRMATION_1,
        "SigningCertURL": "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0123.pem",
    })
}

fn with(mut value: Value, name: &str, new: &str) -> Value {
    value[name] = json!(new);
    value
}

fn envelope(
    body: &[u8],
    headers: &[(String, String)],
    now_ms: i64,
) -> Result<(Envelope, Url), PostError> {
    let post = Post {
        secret: None,
        headers,
        body,
        now_ms,
    };
    Envelope::read(&post, &[TOPIC.to_owned()])
}

fn opened_at(value: &Value, certificate: &[u8], now_ms: i64) -> Result<Content, PostError> {
    let (envelope, _) = envelope(value.to_string().as_bytes(), &[], now_ms)?;
    envelope.open(certificate, now_ms)
}

fn opened(value: &Value) -> Result<Content, PostError> {
    opened_at(value, CERTIFICATE, now())
}

#[test]
fn both_signatures_prove_a_notification_and_a_confirmation() {
    let message = Content::Notification("{\"eventType\":\"Open\"}".to_owned());
    assert_eq!(opened(&notification()), Ok(message.clone()));
    let second = with(notification(), "SignatureVersion", "2");
    let second = with(second, "Signature", NOTIFICATION_2);
    assert_eq!(opened(&second), Ok(message));
    let confirm = Content::Confirm(Url::parse(CONFIRM).unwrap());
    assert_eq!(opened(&confirmation()), Ok(confirm.clone()));
    let second = with(confirmation(), "SignatureVersion", "2");
    let second = with(second, "Signature", CONFIRMATION_2);
    assert_eq!(opened(&second), Ok(confirm));
}

#[test]
fn a_change_in_any_signed_field_is_a_forgery() {
    for (field, new) in [
        ("Message", "{\"eventType\":\"Bounce\"}"),
        ("MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325"),
        ("Subject", "Another"),
        ("Timestamp", "2026-11-23T10:00:00.001Z"),
        ("Type", "UnsubscribeConfirmation"),
        ("SignatureVersion", "2"),
        ("SignatureVersion", "3"),
        ("Signature", NOTIFICATION_2),
        ("Signature", "not base64"),
        ("Signature", ""),
    ] {
        let forged = with(notification(), field, new);
        assert_eq!(opened(&forged), Err(PostError::Forged), "{field}");
    }
    let mut without = notification();
    without.as_object_mut().unwrap().remove("Subject");
    assert_eq!(opened(&without), Err(PostError::Forged));
    for field in ["Token", "SubscribeURL"] {
        let forged = with(
            confirmation(),
            field,
            "https://sns.eu-west-3.amazonaws.com/?x=1",
        );
        assert_eq!(opened(&forged), Err(PostError::Forged), "{field}");
    }
}

#[test]
fn a_confirmation_elsewhere_is_refused_though_it_is_signed() {
    let elsewhere = with(
        confirmation(),
        "SubscribeURL",
        "https://sns.eu-west-3.evil.example/?Token=1",
    );
    let elsewhere = with(elsewhere, "Signature", ELSEWHERE_1);
    assert_eq!(opened(&elsewhere), Err(PostError::Forged));
}

#[test]
fn another_topic_another_day_and_an_expired_certificate_are_refused() {
    let other = with(
        notification(),
        "TopicArn",
        "arn:aws:sns:eu-west-3:999999999999:mail-events",
    );
    assert_eq!(opened(&other), Err(PostError::Forged));
    let day = 86_400_000;
    for now_ms in [now() + 2 * day, now() - day, -1] {
        let late = opened_at(&notification(), CERTIFICATE, now_ms);
        assert_eq!(late, Err(PostError::Forged));
    }
    for certificate in [
        EXPIRED,
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let found = opened_at(&notification(), certificate, now());
        assert_eq!(found, Err(PostError::Forged));
    }
}

#[test]
fn only_amazon_has_the_certificate() {
    let of = |url: &str| {
        let body = with(notification(), "SigningCertURL", url).to_string();
        envelope(body.as_bytes(), &[], now()).map(|(_, url)| url.to_string())
    };
    for good in [
        "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0123.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123.pem",
        "https://sns.us-gov-west-1.amazonaws.com/x.pem",
    ] {
        assert_eq!(of(good), Ok(good.to_owned()));
    }
    for bad in [
        "http://sns.eu-west-3.amazonaws.com/x.pem",
        "https://sns.eu-west-3.amazonaws.com.evil.example/x.pem",
        "https://sns.eu-west-3.amazonaws.com.cn.evil.example/x.pem",
        "https://evil.example/sns.eu-west-3.amazonaws.com/x.pem",
        "https://sns.eu-west-3.amazonaws.com@evil.example/x.pem",
        "https://evil.example#@sns.eu-west-3.amazonaws.com/x.pem",
        "https://user@sns.eu-west-3.amazonaws.com/x.pem",
        "https://sns.eu-west-3.amazonaws.com:8443/x.pem",
        "https://sns.a.b.amazonaws.com/x.pem",
        "https://s3.eu-west-3.amazonaws.com/x.pem",
        "https://bucket.sns.eu-west-3.amazonaws.com/x.pem",
        "https://snsXeu-west-3.amazonaws.com/x.pem",
        "https://sns.amazonaws.com/x.pem",
        "https://sns.eu-west-3.amazonaws.com/?Action=Publish&x=.pem",
        "https://sns.eu-west-3.amazonaws.com/x.pem?Action=Publish",
        "https://127.0.0.1/x.pem",
        "file:///etc/x.pem",
        "x.pem",
        "",
    ] {
        assert_eq!(of(bad), Err(PostError::Forged), "{bad}");
    }
}

#[test]
fn a_raw_delivery_is_refused_with_advice() {
    let headers = [(RAW.to_owned(), "true".to_owned())];
    let found = envelope(b"{\"eventType\":\"Open\"}", &headers, now());
    assert!(matches!(found, Err(PostError::Unsigned(advice)) if advice.contains("raw")));
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(
        body in prop::collection::vec(any::<u8>(), 0..300),
        field in prop::sample::select(vec!["Type", "Message", "Timestamp", "Signature", "SigningCertURL", "SubscribeURL", "Token"]),
        text in ".{0,60}",
        certificate in prop::collection::vec(any::<u8>(), 0..300),
        now_ms in any::<i64>(),
    ) {
        drop(envelope(&body, &[], now_ms));
        for value in [notification(), confirmation()] {
            let value = with(value, field, &text);
            drop(opened_at(&value, CERTIFICATE, now()));
            drop(opened_at(&value, &certificate, now_ms));
        }
        // A certificate with a byte changed.
        let mut der = CertificateDer::from_pem_slice(CERTIFICATE).unwrap().to_vec();
        let at = certificate.len() % der.len();
        der[at] ^= 0x55;
        if let Ok(changed) = EndEntityCert::try_from(&CertificateDer::from(der)) {
            is_valid(&changed, now());
        }
    }
}
