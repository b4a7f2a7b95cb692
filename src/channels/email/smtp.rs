//! One message over one connection, phase by phase, the envelope of the next along with it.
//!
//! The promise is about the final dot: before it is written, whatever goes wrong may be tried again;
//! once it may have been written, only the server's answer tells, and without one the outcome is unknown.
//! And about the first byte: a server may take its time over the envelope, so the sender is asked once more
//! whether the message may go.

use std::time::Duration;

use lettre::transport::smtp::response::{Response, Severity};

use super::Composed;
use super::classify::Phase;
use super::connect::{Connection, Trouble, put_off, within};
use crate::channels::health::Sign;
use crate::channels::model::{Class, Moment, Outcome, Reply};

/// What the connection is good for after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Reuse,
    /// The server still waits for the rest of this message's commands.
    Reset,
    Close,
}

/// How a message ended.
#[derive(Debug)]
pub(super) struct End {
    /// `None`: the message was held back, and no byte of it was written.
    pub outcome: Option<Outcome>,
    pub after: After,
    /// The server had hung up before it heard of this message.
    pub is_stale: bool,
    /// What it says about the relay.
    pub sign: Sign,
}

impl End {
    fn new(outcome: Outcome, after: After) -> Self {
        Self {
            outcome: Some(outcome),
            after,
            is_stale: false,
            sign: Sign::Answered,
        }
    }

    /// The end of a message that may not go any more.
    fn held_back(after: After) -> Self {
        Self {
            outcome: None,
            after,
            is_stale: false,
            sign: Sign::Nothing,
        }
    }

    /// The end by trouble at `phase`.
    fn by(trouble: &Trouble, phase: Phase, after_refusal: After) -> Self {
        let after = match trouble {
            Trouble::Refused { code: 421, .. } | Trouble::Lost(_) | Trouble::Silent => After::Close,
            Trouble::Refused { .. } => after_refusal,
        };
        let is_stale = phase == Phase::Mail
            && matches!(
                trouble,
                Trouble::Lost(_) | Trouble::Refused { code: 421, .. }
            );
        Self {
            outcome: Some(trouble.outcome(phase)),
            after,
            is_stale,
            sign: trouble.sign(),
        }
    }

    /// The end of a message that may have been taken.
    fn unknown(why: &'static str, sign: Sign) -> Self {
        Self {
            sign,
            ..Self::new(Outcome::Unknown { why }, After::Close)
        }
    }
}

/// Announces a message: MAIL, RCPT and DATA, until the server waits for it. `may_go` is asked once more
/// before DATA where each command waits for its answer.
pub(super) async fn announce(
    connection: &mut Connection,
    mail: &Composed,
    timeout: Duration,
    may_go: impl Fn(Moment) -> bool,
) -> Result<(), End> {
    if let Some(class) = unsuited(connection, mail) {
        return Err(End {
            sign: Sign::Nothing,
            ..End::new(rejected(class), After::Reuse)
        });
    }
    if connection.has_pipelining {
        let first = within(timeout, connection.smtp.command(envelope(mail))).await;
        agree(connection, first, timeout).await
    } else {
        announce_in_turn(connection, mail, timeout, may_go).await
    }
}

/// The answers to an envelope that was written with the message before it.
pub(super) async fn announced(connection: &mut Connection, timeout: Duration) -> Result<(), End> {
    let first = within(timeout, connection.smtp.read_response()).await;
    agree(connection, first, timeout).await
}

/// Whether the envelope of `mail` may travel with the message before it.
pub(super) fn may_follow(connection: &Connection, mail: &Composed) -> bool {
    connection.has_pipelining && unsuited(connection, mail).is_none()
}

/// Hands the message itself over, with the envelope of the one that follows in the same write: RFC 2920
/// section 3.1 lets the content stand first in a group of commands. The answers to the envelope are left
/// to [`announced`].
pub(super) async fn hand_over(
    connection: &mut Connection,
    mail: &Composed,
    following: Option<&Composed>,
    timeout: Duration,
) -> End {
    let Ok(raw) = std::str::from_utf8(&mail.raw) else {
        return End::new(rejected(Class::Content), After::Close);
    };
    let mut text = String::with_capacity(raw.len() + 256);
    write_stuffed(&mut text, raw);
    // What is written of it before its last byte is no message yet.
    let whole = text.len() as u64;
    if let Some(following) = following {
        text.push_str(&envelope(following));
    }
    let before = connection.written();
    let answer = within(timeout, connection.smtp.command(text)).await;
    let is_whole = connection.written().saturating_sub(before) >= whole;
    match answer {
        Ok(answer) if answer.code().severity == Severity::PositiveCompletion => {
            End::new(Outcome::Accepted, After::Reuse)
        }
        // Neither yes nor no: we are out of step with the server, and it may have the message.
        Ok(_) => End::unknown(
            "the answer to the message is no answer to a message",
            Sign::Answered,
        ),
        Err(trouble @ Trouble::Lost(_)) if is_whole => End::unknown(
            "the connection broke before the message was confirmed",
            trouble.sign(),
        ),
        Err(trouble @ Trouble::Silent) if is_whole => End::unknown(
            "the server did not confirm the message in time",
            trouble.sign(),
        ),
        // An answer before the end of the message: what it still waits for nobody knows.
        Err(trouble) => {
            let after = if is_whole { After::Reuse } else { After::Close };
            End::by(&trouble, Phase::Body, after)
        }
    }
}

/// Why a message cannot go over this connection.
fn unsuited(connection: &Connection, mail: &Composed) -> Option<Class> {
    if needs_utf8(mail) && !connection.has_utf8 {
        return Some(Class::Unsupported);
    }
    let is_too_large = connection.largest.is_some_and(|size| mail.raw.len() > size);
    is_too_large.then_some(Class::Content)
}

fn needs_utf8(mail: &Composed) -> bool {
    !mail.recipient.is_ascii() || !mail.raw.is_ascii()
}

fn mail_from(mail: &Composed) -> String {
    // A server with SMTPUTF8 has 8BITMIME too (RFC 6531 section 3.1).
    let parameters = if needs_utf8(mail) {
        " SMTPUTF8 BODY=8BITMIME"
    } else {
        ""
    };
    format!("MAIL FROM:<{}>{parameters}\r\n", mail.return_path)
}

fn rcpt_to(mail: &Composed) -> String {
    format!("RCPT TO:<{}>\r\n", mail.recipient)
}

fn envelope(mail: &Composed) -> String {
    format!("{}{}DATA\r\n", mail_from(mail), rcpt_to(mail))
}

/// The message as it goes over the wire: a dot before a dot at the start of a line (RFC 5321 section
/// 4.5.2), and the dot that ends it. Its lines end in CRLF already.
fn write_stuffed(text: &mut String, raw: &str) {
    if raw.starts_with('.') {
        text.push('.');
    }
    let mut rest = raw;
    while let Some(at) = memchr::memmem::find(rest.as_bytes(), b"\n.") {
        let (before, after) = rest.split_at(at + 1);
        text.push_str(before);
        text.push('.');
        rest = after;
    }
    text.push_str(rest);
    if !raw.is_empty() && !raw.ends_with("\r\n") {
        text.push_str("\r\n");
    }
    text.push_str(".\r\n");
}

fn rejected(class: Class) -> Outcome {
    Outcome::Rejected {
        class,
        reply: Reply::default(),
    }
}

async fn announce_in_turn(
    connection: &mut Connection,
    mail: &Composed,
    timeout: Duration,
    may_go: impl Fn(Moment) -> bool,
) -> Result<(), End> {
    let smtp = &mut connection.smtp;
    within(timeout, smtp.command(mail_from(mail)))
        .await
        .map_err(|trouble| End::by(&trouble, Phase::Mail, After::Reuse))?;
    within(timeout, smtp.command(rcpt_to(mail)))
        .await
        .map_err(|trouble| End::by(&trouble, Phase::Rcpt, After::Reset))?;
    if !may_go(Moment::Message) {
        return Err(End::held_back(After::Reset));
    }
    let go = within(timeout, smtp.command("DATA\r\n")).await;
    go_ahead(go)
}

/// The answers to MAIL, RCPT and DATA that were written together, in order (RFC 2920 section 3.1); `mail`
/// is the first of them.
async fn agree(
    connection: &mut Connection,
    mail: Result<Response, Trouble>,
    timeout: Duration,
) -> Result<(), End> {
    let smtp = &mut connection.smtp;
    if let Err(trouble @ (Trouble::Lost(_) | Trouble::Silent)) = &mail {
        return Err(End::by(trouble, Phase::Mail, After::Close));
    }
    let rcpt = within(timeout, smtp.read_response()).await;
    let data = match &rcpt {
        Err(trouble @ (Trouble::Lost(_) | Trouble::Silent)) if mail.is_ok() => {
            return Err(End::by(trouble, Phase::Rcpt, After::Close));
        }
        Err(Trouble::Lost(_) | Trouble::Silent) => Err(Trouble::Silent),
        Ok(_) | Err(Trouble::Refused { .. }) => within(timeout, smtp.read_response()).await,
    };
    let refusal = match (&mail, &rcpt) {
        (Err(trouble), _) => (trouble, Phase::Mail),
        (Ok(_), Err(trouble)) => (trouble, Phase::Rcpt),
        (Ok(_), Ok(_)) => return go_ahead(data),
    };
    // What the server makes of DATA without a recipient decides only what the connection is worth.
    let after = match data {
        // It waits for a message: an empty one, which it must refuse (RFC 2920 section 3.1).
        Ok(go) if go.has_code(354) => match within(timeout, smtp.command(".\r\n")).await {
            Ok(_) | Err(Trouble::Refused { .. }) => After::Reset,
            Err(Trouble::Lost(_) | Trouble::Silent) => After::Close,
        },
        Ok(_) | Err(Trouble::Lost(_) | Trouble::Silent) => After::Close,
        Err(Trouble::Refused { .. }) => After::Reset,
    };
    let (trouble, phase) = refusal;
    let mut end = End::by(trouble, phase, after);
    if after == After::Close {
        end.after = After::Close;
    }
    Err(end)
}

fn go_ahead(answer: Result<Response, Trouble>) -> Result<(), End> {
    match answer {
        Ok(go) if go.has_code(354) => Ok(()),
        // Not an answer to DATA: we are out of step with the server.
        Ok(_) => Err(End::new(put_off(Class::Protocol), After::Close)),
        Err(trouble) => Err(End::by(&trouble, Phase::Data, After::Reset)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::write_stuffed;

    /// What a server makes of the wire (RFC 5321 section 4.5.2).
    fn received(wire: &str) -> Option<String> {
        let mut message = String::new();
        for line in wire.split_inclusive("\r\n") {
            match line.strip_prefix('.') {
                Some("\r\n") => return Some(message),
                Some(rest) => message.push_str(rest),
                None => message.push_str(line),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn what_is_stuffed_arrives_as_it_was(lines in prop::collection::vec("[.a ]{0,4}", 1..12)) {
            let raw: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let mut wire = String::new();
            write_stuffed(&mut wire, &raw);
            prop_assert_eq!(received(&wire), Some(raw));
            prop_assert_eq!(wire.matches("\r\n.\r\n").count() + usize::from(wire.starts_with(".\r\n")), 1);
        }
    }
}
