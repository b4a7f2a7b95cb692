//! Delivery status notifications (RFC 3464, RFC 6533), and what calls itself something else but is one.

use super::mime::{Fields, Mail, head};
use super::rules::{Diagnosis, Status, is_telling};

/// Recipients of one report that are read; our messages have one.
const RECIPIENTS_AT_MOST: usize = 50;

/// What became of the message, in the words of RFC 3464 section 2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Failed,
    Delayed,
    /// Delivered, relayed or expanded.
    Delivered,
    /// Not said.
    Missing,
}

/// A report about one recipient.
#[derive(Debug)]
pub(super) struct Report {
    pub action: Action,
    /// What the field `Status` says.
    pub status: Option<Status>,
    /// What the server said.
    pub diagnosis: Option<Diagnosis>,
    pub envelope_id: Option<String>,
}

/// The report of a mail: about a failed recipient if there is one, else about a delayed one.
pub(super) fn read(mail: &Mail) -> Option<Report> {
    let named = mail.parts.iter().find(|part| {
        matches!(
            part.kind.as_str(),
            "message/delivery-status" | "message/global-delivery-status"
        ) || part.kind == "text/delivery-status"
    });
    let part = named.or_else(|| {
        (mail.parts.iter()).find(|part| part.returned.is_empty() && looks_like_a_report(&part.text))
    })?;
    let report = of_text(&part.text);
    // A part that is called a report and says nothing leaves the word to the text.
    (report.action != Action::Missing || report.status.is_some() || report.diagnosis.is_some())
        .then_some(report)
}

/// Whether a text that is called something else has the fields that every report must have.
fn looks_like_a_report(text: &str) -> bool {
    let mut has_recipient = false;
    let mut has_action = false;
    for line in text.lines().take(400) {
        let starts = |name: &str| {
            line.get(..name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        };
        has_recipient |= starts("Final-Recipient:") || starts("Original-Recipient:");
        has_action |= starts("Action:") || starts("Status:");
    }
    has_recipient && has_action
}

fn of_text(text: &str) -> Report {
    let mut envelope_id = None;
    let mut recipients: Vec<Fields> = Vec::new();
    for block in blocks(text) {
        let fields = Fields::read(&block);
        if envelope_id.is_none() {
            envelope_id = fields.get("original-envelope-id").map(str::to_owned);
        }
        if recipients.len() < RECIPIENTS_AT_MOST {
            recipients.extend(by_recipient(&fields));
        }
    }
    let reports: Vec<Report> = recipients.iter().map(of_recipient).collect();
    let rank = |report: &Report| match report.action {
        Action::Failed => 0,
        Action::Delayed => 1,
        Action::Missing => 2,
        Action::Delivered => 3,
    };
    let mut report = (reports.into_iter().min_by_key(rank)).unwrap_or(Report {
        action: Action::Missing,
        status: None,
        diagnosis: None,
        envelope_id: None,
    });
    report.envelope_id = envelope_id;
    report
}

/// Paragraphs: the blocks of a report stand between empty lines.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            if blocks.last().is_some_and(|block| !block.is_empty()) {
                blocks.push(String::new());
            }
        } else if let Some(block) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
        if blocks.len() > RECIPIENTS_AT_MOST * 2 {
            break;
        }
    }
    blocks
}

/// The fields of each recipient in a block; some writers leave the empty lines out.
fn by_recipient(fields: &Fields) -> Vec<Fields> {
    let mut recipients: Vec<Fields> = Vec::new();
    for (name, value) in fields.iter() {
        let begins = match name {
            "final-recipient" | "action" | "status" | "diagnostic-code" => {
                recipients.last().is_none_or(|known| known.has(name))
            }
            _ => false,
        };
        if begins {
            recipients.push(Fields::default());
        }
        if let Some(recipient) = recipients.last_mut() {
            recipient.push(name, value);
        }
    }
    recipients
}

fn of_recipient(fields: &Fields) -> Report {
    let action = match fields.get("action").map(word).as_deref() {
        Some("failed" | "failure" | "fail" | "error" | "expired") => Action::Failed,
        Some("delayed" | "delay" | "warning") => Action::Delayed,
        Some("delivered" | "relayed" | "expanded" | "deliverable") => Action::Delivered,
        _ => Action::Missing,
    };
    let status = fields.get("status").and_then(|value| {
        let mut numbers = value
            .split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .find(|word| word.contains('.'))?
            .split('.');
        let class = numbers
            .next()?
            .parse()
            .ok()
            .filter(|class| matches!(class, 2 | 4 | 5))?;
        Some((
            class,
            numbers.next()?.parse().ok()?,
            numbers.next()?.parse().ok()?,
        ))
    });
    let action = match (action, status) {
        (Action::Missing, Some((5, _, _))) => Action::Failed,
        (Action::Missing, Some((2, _, _))) => Action::Delivered,
        (action, _) => action,
    };
    let said: Vec<&str> = [
        "diagnostic-code",
        "x-supplementary-info",
        "x-display-diagnostic",
    ]
    .into_iter()
    .flat_map(|name| fields.all(name))
    .chain((fields.get("status")).filter(|value| value.len() > 12))
    .map(without_type)
    .collect();
    let said = said.join("\n");
    let diagnosis = (!said.trim().is_empty()).then(|| Diagnosis::of(&said));
    Report {
        action,
        status,
        diagnosis,
        envelope_id: None,
    }
}

fn word(value: &str) -> String {
    value
        .trim()
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// The text behind `smtp;` or another type.
fn without_type(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, text)) if kind.trim().len() <= 20 && !kind.trim().contains(' ') => text.trim(),
        _ => value,
    }
}

impl Report {
    /// What to believe of the codes: the server's own before the field that a gateway filled in.
    pub(super) fn diagnoses(&self) -> Vec<Diagnosis> {
        let mut diagnoses = Vec::new();
        let own = self.diagnosis.as_ref();
        let of_field = self.status.filter(is_telling);
        if let Some(own) = own {
            let mut first = own.clone();
            first.status = own
                .status
                .filter(is_telling)
                .or(of_field)
                .or(own.status)
                .or(self.status);
            diagnoses.push(first);
        }
        if self.status.is_some() && own.is_none_or(|own| own.status.is_some()) {
            diagnoses.push(Diagnosis {
                status: self.status,
                code: own.and_then(|own| own.code),
                words: String::new(),
            });
        }
        diagnoses
    }
}

/// A receipt for the eyes (RFC 8098) or another report that counts for nothing.
pub(super) fn is_receipt(mail: &Mail) -> bool {
    mail.parts
        .iter()
        .any(|part| part.kind == "message/disposition-notification")
        || mail.report_type.as_deref() == Some("disposition-notification")
        || (mail.parts.iter()).any(|part| {
            let text = head(&part.text, 4096);
            part.kind != "text/plain" && text.contains("Disposition: automatic-action")
        })
}
