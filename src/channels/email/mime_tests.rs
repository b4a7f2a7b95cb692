use std::path::Path;

use mail_parser::MessageParser;
use proptest::prelude::*;

use super::*;
use crate::channels::email::{Composed, EmailChannel, EmailWave};
use crate::channels::model::Sender;
use crate::config::EmailSettings;
use crate::ids::{DeliveryKey, WaveId};
use crate::keys::Keys;

fn frame() -> WaveFrame {
    WaveFrame {
        sender: Sender {
            name: "Maison Été".to_owned(),
            address: "bonjour@example.com".to_owned(),
            reply_to: Some("service@example.com".to_owned()),
        },
        campaign: "Printemps 2026: l'été".to_owned(),
        topic: "Lettre d'été".to_owned(),
    }
}

fn message() -> EmailMessage {
    EmailMessage {
        delivery: DeliveryKey {
            wave: WaveId(12),
            seq: 345,
        },
        to_name: Some("Élise d'Œuvre".to_owned()),
        to_address: "elise@example.org".to_owned(),
        subject: "🌷 Élise, le printemps est là".to_owned(),
        html: "<html><body><p>Bonjour Élise&nbsp;!</p>\n<p>1 + 1 = 2</p></body></html>".to_owned(),
        text: "Bonjour Élise !\n.\nFin de ligne \nAdieu".to_owned(),
        unsubscribe_url: "https://news.example.com/u/AbCdEf".to_owned(),
        at: 1_774_000_000_000,
    }
}

fn wave_of(frame: &WaveFrame) -> EmailWave {
    let settings: EmailSettings = serde_json::from_value(serde_json::json!({
        "connections": 1, "messages_per_connection": 1, "timeout_seconds": 1,
        "relay": { "host": "localhost", "port": 25, "tls": "none" },
        "bounce_domain": "bounce.example.com", "message_domain": "news.example.com",
        "feedback_id": "visavis",
    }))
    .unwrap();
    EmailChannel::new(&settings, Keys::from_secret(&[7; 32]), Path::new(""))
        .unwrap()
        .open_wave(frame)
}

fn compose(message: &EmailMessage) -> Result<Composed, ComposeError> {
    wave_of(&frame()).compose(message)
}

fn lines_may_travel(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    text.ends_with("\r\n")
        && text
            .split("\r\n")
            .all(|line| line.len() <= 998 && !line.contains(['\r', '\n']))
}

#[test]
fn a_message_through_a_provider_carries_our_reference_in_its_words() {
    use crate::config::MailProvider;
    let plain = String::from_utf8(compose(&message()).unwrap().raw).unwrap();
    let tag = crate::tokens::return_path_tag(message().delivery, &Keys::from_secret(&[7; 32]));
    for (provider, expected) in [
        (
            MailProvider::Ses,
            format!("X-SES-MESSAGE-TAGS: visavis-ref={tag}"),
        ),
        (
            MailProvider::Sendgrid,
            format!("X-SMTPAPI: {{\"unique_args\": {{\"visavis_ref\": \"{tag}\"}}}}"),
        ),
        (
            MailProvider::Mailgun,
            format!("X-Mailgun-Variables: {{\"visavis_ref\": \"{tag}\"}}"),
        ),
        (MailProvider::Postmark, format!("X-PM-Metadata-ref: {tag}")),
        (MailProvider::Brevo, format!("X-Mailin-custom: ref:{tag}")),
    ] {
        let settings: EmailSettings = serde_json::from_value(serde_json::json!({
            "connections": 1, "messages_per_connection": 1, "timeout_seconds": 1,
            "relay": { "host": "localhost", "port": 25, "tls": "none", "provider": provider.as_str() },
            "bounce_domain": "bounce.example.com", "message_domain": "news.example.com",
            "feedback_id": "visavis",
            "dkim": [{ "domain": "example.com", "selector": "s1", "kind": "ed25519",
                "key_file": concat!(env!("CARGO_MANIFEST_DIR"), "/src/channels/email/testdata/ed25519.pem") }],
        }))
        .unwrap();
        let wave = EmailChannel::new(&settings, Keys::from_secret(&[7; 32]), Path::new(""))
            .unwrap()
            .open_wave(&frame());
        let raw = String::from_utf8(wave.compose(&message()).unwrap().raw).unwrap();
        assert!(lines_may_travel(raw.as_bytes()));
        let line = format!("\r\n{expected}\r\n");
        assert!(raw.contains(&line), "{line}");
        assert!(!plain.contains(expected.split(':').next().unwrap()));
        // It goes before the message is delivered; were it signed, the signature would break.
        let signature = &raw[raw.find("DKIM-Signature:").unwrap()..];
        let signature = &signature[..signature.find("\r\nFrom:").unwrap()];
        let name = expected.split(':').next().unwrap().to_lowercase();
        assert!(!signature.to_lowercase().contains(&name), "{signature}");
    }
}

#[test]
fn a_whole_message() {
    let composed = compose(&message()).unwrap();
    assert_eq!(
        compose(&message()).unwrap(),
        composed,
        "the same at every attempt"
    );
    let text = String::from_utf8(composed.raw).unwrap();
    insta::assert_snapshot!(text.replace("\r\n", "\n"));
    assert_eq!(
        composed.return_path,
        "b+12-345-aojp2kcmham7h6xw@bounce.example.com"
    );
    assert_eq!(composed.recipient, "elise@example.org");
}

#[test]
fn every_header_stands_there_once() {
    let raw = compose(&message()).unwrap().raw;
    let parsed = MessageParser::new().parse(&raw).unwrap();
    for name in [
        "From",
        "To",
        "Date",
        "Message-ID",
        "Subject",
        "Reply-To",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "List-Id",
        "Feedback-ID",
        "Precedence",
        "X-Visavis-Ref",
        "MIME-Version",
        "Content-Type",
    ] {
        let times = parsed
            .headers()
            .iter()
            .filter(|header| header.name().eq_ignore_ascii_case(name))
            .count();
        assert_eq!(times, 1, "{name}");
    }
    assert_eq!(parsed.headers().len(), 14);
}

#[test]
fn nothing_can_be_injected_into_a_header() {
    for bad in [
        "a\r\nBcc: x@example.org",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\u{1}b",
        "a\tb",
        "a\u{7f}b",
    ] {
        let mut subject = message();
        subject.subject = bad.to_owned();
        let refused = compose(&subject).unwrap_err();
        assert_eq!(
            refused,
            ComposeError::ControlCharacter { header: "Subject" }
        );
        assert_eq!(refused.class(), Class::Content);
        let mut name = message();
        name.to_name = Some(bad.to_owned());
        assert_eq!(
            compose(&name).unwrap_err(),
            ComposeError::ControlCharacter { header: "To" }
        );
        let mut url = message();
        url.unsubscribe_url = format!("https://x.example/{bad}");
        assert_eq!(compose(&url).unwrap_err(), ComposeError::UnsubscribeUrl);
        for place in 0..4 {
            let mut frame = frame();
            match place {
                0 => frame.sender.name = bad.to_owned(),
                1 => frame.campaign = bad.to_owned(),
                2 => frame.topic = bad.to_owned(),
                _ => frame.sender.reply_to = Some(format!("x@example.org{bad}")),
            }
            let wave = wave_of(&frame);
            assert!(wave.fault().is_some(), "{place} {bad:?}");
            assert_eq!(wave.fault(), wave.compose(&message()).err());
        }
    }
}

#[test]
fn addresses_are_checked_and_their_domains_put_in_ascii() {
    let good = |address| mailbox_address("To", address).unwrap();
    assert_eq!(good("a@b.example"), "a@b.example");
    assert_eq!(good("É.lise+x@Exämple.ORG"), "É.lise+x@xn--exmple-cua.org");
    let long = format!("{}@example.org", "x".repeat(65));
    for bad in [
        "",
        "@",
        "a@",
        "@b",
        "a",
        "a b@c.example",
        "a@b c",
        "<a@b.example>",
        "a@b\r\n",
        long.as_str(),
    ] {
        assert!(mailbox_address("To", bad).is_err(), "{bad:?}");
    }
}

#[test]
fn one_line_of_minified_html_is_broken() {
    let mut long = message();
    long.html = format!("<p>{}</p>", "mot ".repeat(5000));
    long.text = "é".repeat(5000);
    long.subject = "très ".repeat(100);
    long.to_name = Some("Élise ".repeat(50));
    let raw = compose(&long).unwrap().raw;
    assert!(lines_may_travel(&raw));
    let text = String::from_utf8(raw).unwrap();
    assert!(
        text.split("\r\n").all(|line| line.len() <= 78),
        "folded and soft broken"
    );
    assert!(text.is_ascii());
}

#[test]
fn the_boundary_cannot_stand_in_a_body() {
    let mut sly = message();
    sly.text = format!("\r\n--{BOUNDARY}--\r\nhidden");
    sly.html = format!("\n--{BOUNDARY}\nContent-Type: text/plain\n\nhidden");
    let raw = compose(&sly).unwrap().raw;
    let parsed = MessageParser::new().parse(&raw).unwrap();
    assert_eq!(parsed.parts.len(), 3);
    assert_eq!(parsed.body_text(0).unwrap(), sly.text);
    assert_eq!(parsed.body_html(0).unwrap(), sly.html.replace('\n', "\r\n"));
}

#[test]
fn slugs_are_plain_words() {
    assert_eq!(slug("Printemps 2026: l'été"), "printemps-2026-l-ete");
    assert_eq!(slug("  --x--  "), "x");
    assert_eq!(slug("春"), "list");
    assert_eq!(slug(&"a:".repeat(100)).len(), 59);
}

/// A body as it comes back: any line end is CRLF.
fn normalised(body: &str) -> String {
    body.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\n', "\r\n")
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\\p{Cc}]{0,120}",
        "[ -~]{0,200}",
        "(=\\?utf-8\\?Q\\?a\\?= |é|🌷| ){0,30}",
    ]
}

proptest! {
    #[test]
    fn any_text_comes_back(subject in words(), name in words(), text in "(?s).{0,400}", html in "(?s)[ -~\r\n.é=]{0,400}") {
        let mut any = message();
        any.subject = subject.clone();
        any.to_name = Some(name.clone());
        any.text = text.clone();
        any.html = html.clone();
        let raw = compose(&any).unwrap().raw;
        prop_assert!(lines_may_travel(&raw));
        prop_assert!(raw.is_ascii());
        let parsed = MessageParser::new().parse(&raw).unwrap();
        prop_assert_eq!(parsed.subject().unwrap_or_default(), subject);
        let to = parsed.to().and_then(|to| to.first()).unwrap();
        prop_assert_eq!(to.name().unwrap_or_default(), name.trim());
        prop_assert_eq!(to.address(), Some("elise@example.org"));
        prop_assert_eq!(parsed.body_text(0).unwrap(), normalised(&text));
        prop_assert_eq!(parsed.body_html(0).unwrap(), normalised(&html));
    }
}
