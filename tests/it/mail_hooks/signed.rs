//! What each provider posts, signed as it signs.

use data_encoding::{BASE64, HEXLOWER};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::desk::Desk;

const SNS_KEY: &[u8] = include_bytes!("../../../src/responses/mail_events/testdata/sns-key.pem");
const SENDGRID_KEY: &[u8] =
    include_bytes!("../../../src/responses/mail_events/testdata/sendgrid-key.pem");
pub const TOPIC: &str = "arn:aws:sns:eu-west-3:123456789012:mail-events";
pub const CONFIRM: &str = "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription&Token=t";

/// A POST that SendGrid signed; gives the status back.
pub async fn sendgrid(desk: &Desk, events: &Value) -> u16 {
    let body = events.to_string();
    let at = desk.seconds().to_string();
    let key = PrivatePkcs8KeyDer::from_pem_slice(SENDGRID_KEY).unwrap();
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        key.secret_pkcs8_der(),
        &random,
    )
    .unwrap();
    let signature = key.sign(&random, format!("{at}{body}").as_bytes()).unwrap();
    let signature = BASE64.encode(signature.as_ref());
    let headers = [
        ("x-twilio-email-event-webhook-signature", signature.as_str()),
        ("x-twilio-email-event-webhook-timestamp", &at),
    ];
    desk.post("sendgrid", &headers, &body).await
}

/// A POST that Mailgun signed with this token.
pub async fn mailgun(desk: &Desk, token: &str, event: &Value) -> u16 {
    let at = desk.seconds().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key-1");
    let signature = hmac::sign(&key, format!("{at}{token}").as_bytes());
    let body = json!({
        "signature": {"timestamp": at, "token": token, "signature": HEXLOWER.encode(signature.as_ref())},
        "event-data": event,
    });
    desk.post("mailgun", &[], &body.to_string()).await
}

/// A notification of SNS, version 2, of this kind.
pub fn sns(desk: &Desk, kind: &str, topic: &str, message: &str) -> String {
    let at = desk.house.now().to_rfc3339();
    let mut fields = vec![("Message", message), ("MessageId", "m-1")];
    let is_notification = kind == "Notification";
    if !is_notification {
        fields.push(("SubscribeURL", CONFIRM));
    }
    fields.push(("Timestamp", &at));
    if !is_notification {
        fields.push(("Token", "t"));
    }
    fields.extend([("TopicArn", topic), ("Type", kind)]);
    let text: String = fields
        .iter()
        .map(|(name, value)| format!("{name}\n{value}\n"))
        .collect();
    let key = PrivatePkcs8KeyDer::from_pem_slice(SNS_KEY).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .unwrap();
    let mut envelope: serde_json::Map<String, Value> = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    envelope.insert("SignatureVersion".to_owned(), json!("2"));
    envelope.insert("Signature".to_owned(), json!(BASE64.encode(&signature)));
    let certificate = "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-1.pem";
    envelope.insert("SigningCertURL".to_owned(), json!(certificate));
    Value::from(envelope).to_string()
}
