//! What in a mail may name one of our messages: by its form alone, the proof is `tokens`' work.

use std::sync::LazyLock;

use regex::Regex;

use super::mime::Mail;
use super::model::{Envelope, MailKind};

/// References of one mail that are kept: each costs whoever proves them a MAC.
const AT_MOST: usize = 16;

/// Tags of return paths and local parts of Message-IDs, see `tokens`. BATV and SRS stand around a tag and change
/// nothing in it.
static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:(?:n|[0-9]{1,19})-[0-9]{1,19}-[a-z2-7]{16}|(?:n|[0-9]{1,19})\.[0-9]{1,19}\.[a-z2-7]{16,64})\b",
    )
    .ok()
});

/// The references of a mail, the most trusted place first.
pub(super) fn of(
    mail: &Mail,
    known: &Envelope,
    envelope_id: Option<&str>,
    kind: &MailKind,
) -> Vec<String> {
    let mut refs = Refs(Vec::new());
    for recipient in &known.recipients {
        refs.take(recipient);
    }
    for name in [
        "to",
        "delivered-to",
        "x-original-to",
        "envelope-to",
        "x-envelope-to",
        "x-rcpt-to",
        "x-delivered-to",
        "apparently-to",
        "resent-to",
        "cc",
    ] {
        for value in mail.fields.all(name) {
            refs.take(value);
        }
    }
    refs.take(envelope_id.unwrap_or_default());
    let returned = || {
        (mail.parts.iter())
            .map(|part| &part.returned)
            .chain(std::iter::once(&mail.fields))
    };
    for name in ["x-visavis-ref", "return-path", "message-id", "x-message-id"] {
        for fields in returned() {
            fields.all(name).for_each(|value| refs.take(value));
        }
    }
    for name in ["in-reply-to", "references"] {
        for value in mail.fields.all(name) {
            refs.take(value);
        }
    }
    // Reports of machines name the message wherever they like; what a person quotes proves nothing about him.
    let is_of_machine = matches!(
        kind,
        MailKind::Bounce(_)
            | MailKind::Delayed(_)
            | MailKind::Complaint(_)
            | MailKind::NotSpam
            | MailKind::AuthFailure
            | MailKind::Delivered
    );
    if is_of_machine {
        for part in &mail.parts {
            part.returned.iter().for_each(|(_, value)| refs.take(value));
            refs.take(&part.text);
        }
    }
    refs.0
}

struct Refs(Vec<String>);

impl Refs {
    fn take(&mut self, text: &str) {
        let Some(form) = FORM.as_ref() else {
            return;
        };
        for found in form.find_iter(text) {
            if self.0.len() >= AT_MOST {
                return;
            }
            let tag = found.as_str().to_ascii_lowercase();
            if !self.0.contains(&tag) {
                self.0.push(tag);
            }
        }
    }
}
