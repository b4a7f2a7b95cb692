use serde_json::{Value, json};

use super::samples::{SECRET, TAG, only, post};
use super::*;
use crate::channels::email::reference::header;

/// What a provider posts of a complaint about a message that had this header.
fn posted(provider: MailProvider) -> Brought {
    let (name, value) = header(provider, TAG);
    let parsed = || serde_json::from_str::<Value>(&value).unwrap();
    match provider {
        MailProvider::Ses => {
            let (tag, value) = value.split_once('=').unwrap();
            let event = json!({"eventType": "Complaint", "complaint": {}, "mail": {"tags": {tag: [value]}}});
            read_notification(&event.to_string())
        }
        MailProvider::Sendgrid => {
            let mut event = parsed()["unique_args"].clone();
            event["event"] = json!("spamreport");
            sendgrid::read(json!([event]).to_string().as_bytes()).unwrap()
        }
        MailProvider::Mailgun => {
            let settings: crate::config::MailgunSettings =
                serde_json::from_value(json!({"signing_key": "k"})).unwrap();
            let hook = mailgun::Mailgun::open("k", &settings).unwrap();
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"k");
            let signature = ring::hmac::sign(&key, b"1t");
            let signature = data_encoding::HEXLOWER.encode(signature.as_ref());
            let body = json!({
                "signature": {"timestamp": "1", "token": "t", "signature": signature},
                "event-data": {"event": "complained", "user-variables": parsed()},
            });
            let body = body.to_string();
            hook.read(&post(None, &[], body.as_bytes(), 1_000))
                .unwrap()
                .0
        }
        MailProvider::Postmark => {
            let field = name.strip_prefix("X-PM-Metadata-").unwrap();
            let event = json!({"RecordType": "SpamComplaint", "Metadata": {field: value}});
            postmark::read(event.to_string().as_bytes()).unwrap()
        }
        MailProvider::Brevo => {
            let event = json!({"event": "spam", name: value});
            brevo::read(event.to_string().as_bytes()).unwrap()
        }
    }
}

#[test]
fn what_a_message_carries_comes_back_from_its_provider() {
    for provider in [
        MailProvider::Ses,
        MailProvider::Sendgrid,
        MailProvider::Mailgun,
        MailProvider::Postmark,
        MailProvider::Brevo,
    ] {
        let (name, value) = header(provider, TAG);
        assert!(name.len() + value.len() < 200 && value.is_ascii());
        assert_eq!(only(&posted(provider)).refs[0], TAG, "{provider:?}");
    }
}

#[test]
fn an_address_with_a_secret_end_is_taken_with_it_only_and_another_without() {
    let hook = |settings: Value| {
        let settings: MailHookSettings = serde_json::from_value(settings).unwrap();
        MailHook::open("main", &settings).unwrap()
    };
    let proved = |hook: &MailHook, secret| hook.prove(&post(secret, &[], b"{}", 0)).map(drop);
    let secret = hook(json!({"hook_secret": SECRET, "brevo": {}}));
    assert_eq!(proved(&secret, Some(SECRET)), Ok(()));
    for wrong in [None, Some(""), Some("a-secret-of-16-letter")] {
        assert_eq!(proved(&secret, wrong), Err(PostError::Forged));
    }
    let open = hook(json!({"brevo": {}}));
    assert_eq!(proved(&open, None), Ok(()));
    assert_eq!(proved(&open, Some(SECRET)), Err(PostError::Forged));
}

#[test]
fn settings_that_would_let_anybody_in_are_refused() {
    let complaint = |settings: &str| {
        let text = format!("[mail_hooks.main]\n{settings}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, text).unwrap();
        let loaded =
            crate::config::Settings::load_from(Some(&file), std::collections::HashMap::new());
        loaded.map_or_else(|error| error.to_string(), |_| String::new())
    };
    for (settings, expected) in [
        ("", "mail_hooks.main: needs exactly one table"),
        (
            "brevo = {}\npostmark = {}",
            "mail_hooks.main: needs exactly one table",
        ),
        (
            "brevo = {}",
            "mail_hooks.main: needs hook_secret or brevo.token",
        ),
        (
            "postmark = {}",
            "mail_hooks.main: needs hook_secret or postmark.username",
        ),
        (
            "postmark = { username = \"a\" }",
            "mail_hooks.main.postmark.password",
        ),
        (
            "hook_secret = \"short\"\nbrevo = {}",
            "mail_hooks.main.hook_secret",
        ),
        (
            "ses = { topics = [] }",
            "mail_hooks.main.ses.topics: is empty",
        ),
        (
            "ses = { topics = [\"arn:aws:sqs:x:123456789012:q\"] }",
            "mail_hooks.main.ses.topics",
        ),
        (
            "mailgun = {}",
            "mail_hooks.main.mailgun.signing_key: is missing",
        ),
        (
            "brevo = { token = \"\" }",
            "mail_hooks.main.brevo.token: is empty",
        ),
    ] {
        let said = complaint(settings);
        assert!(said.contains(expected), "{settings}: {said}");
    }
    for good in [
        "hook_secret = \"a-secret-of-16-letters\"\nbrevo = {}",
        "brevo = { token = \"t\" }",
        "postmark = { username = \"a\", password = \"b\" }",
        "ses = { topics = [\"arn:aws-cn:sns:cn-north-1:123456789012:mail\"] }",
        "mailgun = { signing_key = \"k\" }",
    ] {
        assert_eq!(complaint(good), "", "{good}");
    }
}
