//! Feedback reports (RFC 5965, RFC 6591) and what providers write in their stead.

use super::mime::{Fields, Mail};
use super::model::{Feedback, FeedbackKind, MailKind};
use crate::storage::text::fold;

/// The report of a mail, if it is one.
pub(super) fn read(mail: &Mail) -> Option<MailKind> {
    let named = mail
        .parts
        .iter()
        .find(|part| part.kind == "message/feedback-report");
    let part = named.or_else(|| {
        (mail.parts.iter()).find(|part| {
            part.returned.is_empty()
                && Fields::read(&part.text).get("feedback-type").is_some()
                && (mail.report_type.as_deref() == Some("feedback-report")
                    || Fields::read(&part.text).has("user-agent"))
        })
    });
    if let Some(part) = part {
        return Some(of_fields(&Fields::read(&part.text)));
    }
    if is_dmarc_summary(mail) {
        return Some(MailKind::AuthFailure);
    }
    is_near_report(mail).then_some(MailKind::Complaint(Feedback {
        kind: FeedbackKind::Abuse,
        user_agent: None,
        reported_domain: None,
    }))
}

fn of_fields(fields: &Fields) -> MailKind {
    let kind = fields.get("feedback-type").unwrap_or_default();
    let kind = match kind.trim().to_ascii_lowercase().as_str() {
        "auth-failure" | "dmarc" | "dkim" | "spf" => return MailKind::AuthFailure,
        "not-spam" | "not spam" | "notspam" => return MailKind::NotSpam,
        // Yahoo wrote "opt-out-list" before the registry had a word.
        "opt-out" | "optout" | "opt-out-list" | "unsubscribe" => return MailKind::OptOut,
        "fraud" | "phish" | "phishing" => FeedbackKind::Fraud,
        "virus" => FeedbackKind::Virus,
        "other" => FeedbackKind::Other,
        _ => FeedbackKind::Abuse,
    };
    MailKind::Complaint(Feedback {
        kind,
        user_agent: fields.get("user-agent").map(str::to_owned),
        reported_domain: fields.get("reported-domain").map(str::to_owned),
    })
}

/// The daily summary of RFC 7489 section 7.2.1.1: an archive and a subject of fixed form.
fn is_dmarc_summary(mail: &Mail) -> bool {
    let subject = fold(mail.subject.as_deref().unwrap_or_default());
    let holds_archive = || {
        std::iter::once(mail.kind.as_str())
            .chain(mail.parts.iter().map(|part| part.kind.as_str()))
            .any(|kind| {
                kind.contains("zip")
                    || matches!(kind, "text/xml" | "application/xml")
                    || kind == "application/octet-stream"
                    || kind.contains("tlsrpt")
            })
    };
    let is_summary = subject.starts_with("report domain:")
        || subject.contains("dmarc aggregate report")
        || mail.report_type.as_deref() == Some("tlsrpt");
    is_summary && holds_archive()
}

/// What Hotmail's junk mail reporting program sends: the message alone, under a subject of its own.
fn is_near_report(mail: &Mail) -> bool {
    let subject = fold(mail.subject.as_deref().unwrap_or_default());
    let returns_message = mail.parts.iter().any(|part| !part.returned.is_empty());
    let says_so = subject.starts_with("complaint about message from")
        || subject.starts_with("fbl report")
        || subject.starts_with("abuse report")
        || subject.starts_with("spam complaint")
        || subject.starts_with("[spam report]")
        || subject.starts_with("email feedback report")
        || mail.fields.has("x-hmxmroriginalrecipient")
        || mail
            .parts
            .iter()
            .any(|part| part.returned.has("x-hmxmroriginalrecipient"));
    returns_message && says_so
}
