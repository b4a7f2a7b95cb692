//! From the bytes of a mail to what it is.
//!
//! The order is that of trust: what has a form of its own (reports) before what is known by its words, what a
//! machine says before what a person may have said.

use super::mime::{Mail, head};
use super::model::{Bounce, Envelope, MailKind, ReadMail};
use super::rules::{Diagnosis, RULES, Rules};
use super::{arf, dsn, human, refs, returned};
use crate::storage::text::fold;

/// Reads a mail: any bytes, without panic, in time that grows no faster than they do.
pub fn read(raw: &[u8], known: &Envelope) -> ReadMail {
    let mail = Mail::read(raw);
    let Some(rules) = RULES.as_ref() else {
        return finish(
            mail,
            known,
            MailKind::Unknown,
            None,
            String::new(),
            raw.len(),
        );
    };
    let report = dsn::read(&mail);
    let envelope_id = report
        .as_ref()
        .and_then(|report| report.envelope_id.clone());
    let text = human::text(&mail, &rules.signs);
    let kind = kind(&mail, known, report.as_ref(), &text, rules);
    let text = match kind {
        MailKind::Reply | MailKind::OptOut | MailKind::AutoReply | MailKind::Unknown => text,
        _ => human::first_words(&mail),
    };
    finish(mail, known, kind, envelope_id.as_deref(), text, raw.len())
}

fn finish(
    mail: Mail,
    known: &Envelope,
    kind: MailKind,
    envelope_id: Option<&str>,
    text: String,
    size: usize,
) -> ReadMail {
    ReadMail {
        refs: refs::of(&mail, known, envelope_id, &kind),
        kind,
        message_id: mail.message_id,
        subject: mail.subject,
        from: mail.from,
        at: mail.at,
        text,
        size,
    }
}

fn kind(
    mail: &Mail,
    known: &Envelope,
    report: Option<&dsn::Report>,
    text: &str,
    rules: &Rules,
) -> MailKind {
    let signs = &rules.signs;
    if let Some(kind) = arf::read(mail) {
        return kind;
    }
    if let Some(report) = report {
        return of_report(mail, report, rules);
    }
    if dsn::is_receipt(mail) {
        return MailKind::Delivered;
    }
    if human::is_opt_out(mail, known, text, signs) {
        return MailKind::OptOut;
    }
    let folded = fold(head(human::whole(mail), 16 << 10));
    let is_auto_reply = human::is_auto_reply(mail, known, &folded, signs);
    let is_bounce = returned::read(mail, known, rules);
    if let Some(returned) = is_bounce
        && !(is_auto_reply && is_marked_reply(mail))
    {
        return match returned.is_delay {
            true => MailKind::Delayed(bounce(rules, &returned.diagnoses)),
            false => MailKind::Bounce(bounce(rules, &returned.diagnoses)),
        };
    }
    if human::is_challenge(mail, &folded, signs) {
        return MailKind::Challenge;
    }
    if is_auto_reply {
        return MailKind::AutoReply;
    }
    if is_of_a_person(mail, text) {
        return MailKind::Reply;
    }
    MailKind::Unknown
}

/// Whether the header says that the mail answers: an absence notice may quote a refusal.
fn is_marked_reply(mail: &Mail) -> bool {
    let is_daemon = mail.fields.has("x-failed-recipients");
    !is_daemon
        && (mail.fields.get("auto-submitted")).is_some_and(|value| {
            value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("auto-replied")
        })
        && !mail.from.as_deref().is_some_and(|from| {
            let from = from.to_ascii_lowercase();
            from.starts_with("mailer-daemon") || from.starts_with("postmaster")
        })
}

fn of_report(mail: &Mail, report: &dsn::Report, rules: &Rules) -> MailKind {
    let mut diagnoses = report.diagnoses();
    let told = returned::diagnosis(mail, &rules.signs);
    diagnoses.push(told);
    let subject = fold(head(mail.subject.as_deref().unwrap_or_default(), 400));
    let says_delay = || {
        let signs = &rules.signs;
        signs.delays.stands_in(&subject) && !signs.given_up.stands_in(&subject)
    };
    match report.action {
        dsn::Action::Failed => MailKind::Bounce(bounce(rules, &diagnoses)),
        dsn::Action::Delayed => MailKind::Delayed(bounce(rules, &diagnoses)),
        dsn::Action::Delivered => MailKind::Delivered,
        dsn::Action::Missing if says_delay() => MailKind::Delayed(bounce(rules, &diagnoses)),
        dsn::Action::Missing => MailKind::Bounce(bounce(rules, &diagnoses)),
    }
}

fn bounce(rules: &Rules, diagnoses: &[Diagnosis]) -> Bounce {
    let (class, rule) = rules.class(diagnoses);
    Bounce {
        class,
        status: diagnoses.iter().find_map(|diagnosis| diagnosis.status),
        code: diagnoses.iter().find_map(|diagnosis| diagnosis.code),
        rule: rule.to_owned(),
    }
}

/// Whether a person is likely to have written it, and to us.
fn is_of_a_person(mail: &Mail, text: &str) -> bool {
    let fields = &mail.fields;
    let is_mass = fields.has("list-id")
        || fields.has("list-unsubscribe")
        || fields.has("feedback-id")
        || (fields.get("precedence")).is_some_and(|value| {
            matches!(
                value.trim().to_ascii_lowercase().as_str(),
                "bulk" | "list" | "junk"
            )
        })
        || (fields.get("auto-submitted"))
            .is_some_and(|value| !value.trim().eq_ignore_ascii_case("no"));
    let is_of_machine = mail.from.as_deref().is_none_or(|from| {
        let from = from.to_ascii_lowercase();
        [
            "mailer-daemon",
            "postmaster",
            "no-reply",
            "noreply",
            "donotreply",
            "do-not-reply",
            "ne-pas-repondre",
            "nepasrepondre",
        ]
        .iter()
        .any(|name| from.starts_with(name))
    });
    let answers = fields.has("in-reply-to") || fields.has("references");
    let has_words = text.chars().any(char::is_alphanumeric) || answers;
    !is_mass && !is_of_machine && has_words
}
