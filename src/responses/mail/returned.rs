//! Bounces without a delivery status: half of them (RULES.md §1.8). They are known by who writes and how he
//! begins, and read up to where the returned message stands.

use super::human;
use super::mime::{Mail, field, head};
use super::model::Envelope;
use super::rules::{Diagnosis, Rules, Signs};
use crate::storage::text::fold;

/// Bytes of a report that are read.
const REPORT_AT_MOST: usize = 32 << 10;
/// Bytes in which a report must have said that it is one.
const OPENING: usize = 3 << 10;

/// A bounce in words.
#[derive(Debug)]
pub(super) struct Returned {
    pub is_delay: bool,
    pub diagnoses: Vec<Diagnosis>,
}

/// What the text of a mail reports, up to the message it returns.
pub(super) fn report(mail: &Mail, signs: &Signs) -> String {
    let mut report = String::new();
    let mut seen = 0;
    for line in human::whole(mail).lines() {
        seen += line.len() + 1;
        if seen > REPORT_AT_MOST {
            break;
        }
        let trimmed = line.trim_start_matches(['>', ' ', '\t']);
        let folded = fold(head(trimmed, 200));
        if !report.trim().is_empty() && signs.returned_from.begins(&folded) {
            break;
        }
        report.push_str(line);
        report.push('\n');
    }
    report
}

/// Reads a mail that is a bounce by its looks; `None` for anything else.
pub(super) fn read(mail: &Mail, known: &Envelope, rules: &Rules) -> Option<Returned> {
    let signs = &rules.signs;
    let report = report(mail, signs);
    let folded = fold(&report);
    let subject = fold(head(mail.subject.as_deref().unwrap_or_default(), 400));
    let diagnosis = Diagnosis::of(&with_quoted_replies(&report));
    let is_daemon = is_daemon(mail, known, signs);
    // A person may pass on or quote what a server said.
    let is_answer = signs.answers.begins(&subject) || mail.fields.has("in-reply-to");
    let has_subject = signs.bounce_subjects.stands_in(&subject) && !signs.answers.begins(&subject);
    let has_text = signs.bounce_texts.stands_in(head(&folded, OPENING));
    let has_codes = diagnosis.status.is_some() || diagnosis.code.is_some();
    let is_known = rules.knows(&diagnosis);
    let is_bounce = mail.fields.has("x-failed-recipients")
        || is_daemon && (has_subject || has_text || has_codes)
        || has_subject && has_text
        || has_text && has_codes && is_known && !is_answer;
    if !is_bounce {
        return None;
    }
    let says_delay =
        signs.delays.stands_in(&subject) || signs.delays.stands_in(head(&folded, OPENING));
    let is_delay =
        says_delay && !signs.given_up.stands_in(&folded) && !signs.given_up.stands_in(&subject);
    let of_subject = Diagnosis {
        words: subject,
        ..Diagnosis::default()
    };
    Some(Returned {
        is_delay,
        diagnoses: vec![diagnosis, of_subject],
    })
}

/// Whether the mail comes from who returns mail.
fn is_daemon(mail: &Mail, known: &Envelope, signs: &Signs) -> bool {
    let from = mail.from.as_deref().unwrap_or_default();
    let local = fold(head(from.split('@').next().unwrap_or_default(), 100));
    let name = fold(head(mail.from_name.as_deref().unwrap_or_default(), 100));
    if signs.daemons.is_whole(&local) || signs.daemons.begins(&local) || signs.daemons.begins(&name)
    {
        return true;
    }
    // An automatic answer may come from nobody too; what else tells it is asked before.
    known
        .sender
        .as_deref()
        .is_some_and(|sender| sender.trim_matches(['<', '>', ' ']).is_empty())
        && (from.is_empty() || mail.fields.has("x-failed-recipients"))
}

/// A report without the fields of its tail, such as "Reporting-MTA:", whose numbers are of other things.
fn with_quoted_replies(report: &str) -> String {
    report
        .lines()
        .filter(|line| {
            !field(line).is_some_and(|(name, _)| {
                matches!(
                    name.to_ascii_lowercase().as_str(),
                    "received"
                        | "subject"
                        | "date"
                        | "from"
                        | "to"
                        | "message-id"
                        | "reporting-mta"
                        | "arrival-date"
                        | "final-recipient"
                        | "remote-mta"
                        | "x-mailer"
                )
            })
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the text of a mail says that has a delivery status too.
pub(super) fn diagnosis(mail: &Mail, signs: &Signs) -> Diagnosis {
    Diagnosis::of(&with_quoted_replies(&report(mail, signs)))
}
