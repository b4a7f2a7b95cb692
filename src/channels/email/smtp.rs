//! One message over one connection, phase by phase.
//!
//! The promise is about the final dot: before it is written, whatever goes wrong may be tried again;
//! once it may have been written, only the server's answer tells, and without one the outcome is unknown.
//! And about the first byte: a server may take its time over the envelope, so the sender is asked once more
//! whether the message may go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::response::{Response, Severity};

use super::Composed;
use super::classify::Phase;
use super::connect::{Connection, Trouble, put_off, within};
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
}

impl End {
    fn new(outcome: Outcome, after: After) -> Self {
        Self {
            outcome: Some(outcome),
            after,
            is_stale: false,
        }
    }

    /// The end of a message that may not go any more.
    fn held_back(after: After) -> Self {
        Self {
            outcome: None,
            after,
            is_stale: false,
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
        }
    }
}

/// Hands one message over, unless `may_go` says no before its first byte.
pub(super) async fn transact(
    connection: &mut Connection,
    mail: &Composed,
    timeout: Duration,
    may_go: &(impl Fn(Moment) -> bool + Sync),
) -> End {
    let needs_utf8 = !mail.recipient.is_ascii() || !mail.raw.is_ascii();
    if needs_utf8 && !connection.has_utf8 {
        return End::new(rejected(Class::Unsupported), After::Reuse);
    }
    if connection.largest.is_some_and(|size| mail.raw.len() > size) {
        return End::new(rejected(Class::Content), After::Reuse);
    }
    // A server with SMTPUTF8 has 8BITMIME too (RFC 6531 section 3.1).
    let parameters = if needs_utf8 {
        " SMTPUTF8 BODY=8BITMIME"
    } else {
        ""
    };
    let from = format!("MAIL FROM:<{}>{parameters}\r\n", mail.return_path);
    let to = format!("RCPT TO:<{}>\r\n", mail.recipient);
    let envelope = if connection.has_pipelining {
        envelope_at_once(connection, &from, &to, timeout).await
    } else {
        envelope_in_turn(connection, &from, &to, timeout, may_go).await
    };
    match envelope {
        Ok(()) if may_go(Moment::Message) => body(connection, &mail.raw, timeout).await,
        // Nothing but a message may follow now, and an empty one would be taken for one.
        Ok(()) => End::held_back(After::Close),
        Err(end) => end,
    }
}

fn rejected(class: Class) -> Outcome {
    Outcome::Rejected {
        class,
        reply: Reply::default(),
    }
}

async fn envelope_in_turn(
    connection: &mut Connection,
    from: &str,
    to: &str,
    timeout: Duration,
    may_go: &(impl Fn(Moment) -> bool + Sync),
) -> Result<(), End> {
    let smtp = &mut connection.smtp;
    within(timeout, smtp.command(from))
        .await
        .map_err(|trouble| End::by(&trouble, Phase::Mail, After::Reuse))?;
    within(timeout, smtp.command(to))
        .await
        .map_err(|trouble| End::by(&trouble, Phase::Rcpt, After::Reset))?;
    if !may_go(Moment::Message) {
        return Err(End::held_back(After::Reset));
    }
    let go = within(timeout, smtp.command("DATA\r\n")).await;
    go_ahead(go)
}

/// MAIL, RCPT and DATA in one write, the answers in order (RFC 2920 section 3.1).
async fn envelope_at_once(
    connection: &mut Connection,
    from: &str,
    to: &str,
    timeout: Duration,
) -> Result<(), End> {
    let smtp = &mut connection.smtp;
    let mail = within(timeout, smtp.command(format!("{from}{to}DATA\r\n"))).await;
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

async fn body(connection: &mut Connection, raw: &[u8], timeout: Duration) -> End {
    // lettre ends the last line itself.
    let raw = raw.strip_suffix(b"\r\n").unwrap_or(raw);
    // It asks for a further part once the part before is written, and then writes the dot.
    let is_dot_near = AtomicBool::new(false);
    let parts = std::iter::once(raw).chain(std::iter::from_fn(|| {
        is_dot_near.store(true, Ordering::Relaxed);
        None
    }));
    let answer = within(timeout, connection.smtp.message_iter(parts)).await;
    let is_dot_near = is_dot_near.load(Ordering::Relaxed);
    match answer {
        Ok(answer) if answer.code().severity == Severity::PositiveCompletion => {
            End::new(Outcome::Accepted, After::Reuse)
        }
        // Neither yes nor no: we are out of step with the server, and it may have the message.
        Ok(_) => End::new(
            Outcome::Unknown {
                why: "the answer to the message is no answer to a message",
            },
            After::Close,
        ),
        Err(Trouble::Lost(_)) if is_dot_near => End::new(
            Outcome::Unknown {
                why: "the connection broke before the message was confirmed",
            },
            After::Close,
        ),
        Err(Trouble::Silent) if is_dot_near => End::new(
            Outcome::Unknown {
                why: "the server did not confirm the message in time",
            },
            After::Close,
        ),
        Err(trouble) => End::by(&trouble, Phase::Body, After::Reuse),
    }
}
