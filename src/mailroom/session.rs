//! One dialogue with a mail server (RFC 5321, and RFC 2033 where it begins with LHLO).

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::Mailroom;
use super::lines::{Content, Line, Lines};
use crate::responses::inbox::model::Way;
use crate::responses::inbox::receive::Mail;
use crate::responses::mail::model::Envelope;

/// Recipients of one mail (RFC 5321 section 4.5.3.1.8).
const RECIPIENTS: usize = 100;
/// Wrong commands after which nobody is listened to any more.
const MISTAKES: u32 = 20;
/// Mails over one connection.
const MAILS: u32 = 10_000;

/// Which of the two dialogues this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// One answer a mail.
    Smtp,
    /// One answer a recipient.
    Lmtp,
}

/// The mail under way.
#[derive(Debug, Default)]
struct Transaction {
    /// MAIL FROM; empty for a bounce.
    sender: Option<String>,
    recipients: Vec<String>,
}

/// A dialogue.
#[derive(Debug)]
pub(super) struct Session<'a, R, W> {
    mailroom: &'a Mailroom,
    lines: Lines<R>,
    out: W,
    /// How long the peer may leave us waiting.
    patience: Duration,
    answers: Vec<u8>,
    dialect: Option<Dialect>,
    transaction: Transaction,
    mistakes: u32,
    mails: u32,
}

impl<'a, R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Session<'a, R, W> {
    pub fn new(mailroom: &'a Mailroom, reader: R, out: W, patience: Duration) -> Self {
        Self {
            mailroom,
            lines: Lines::new(reader, patience),
            out,
            patience,
            answers: Vec::new(),
            dialect: None,
            transaction: Transaction::default(),
            mistakes: 0,
            mails: 0,
        }
    }

    /// Talks until the peer leaves, or `stop`: a mail that is there as a whole is taken.
    pub async fn run(mut self, stop: &CancellationToken) -> io::Result<()> {
        let host = &self.mailroom.shared.settings.email.bounce_domain;
        let greeting = format!("220 {host} visavis takes mail that came back, by LMTP or ESMTP");
        self.answer(&greeting);
        loop {
            if !self.lines.has_more() {
                self.flush().await?;
            }
            let line = tokio::select! {
                line = self.lines.command() => line?,
                () = stop.cancelled() => {
                    self.answer("421 4.3.2 going down; try again in a minute");
                    return self.flush().await;
                }
            };
            let goes_on = match line {
                Line::Text(line) => self.command(&line, stop).await?,
                Line::TooLong => self.mistake("500 5.5.2 the line is too long"),
                Line::Silence => {
                    self.answer("421 4.4.2 nothing was said for too long");
                    false
                }
                Line::End => return Ok(()),
            };
            if !goes_on {
                return self.flush().await;
            }
        }
    }

    fn answer(&mut self, line: &str) {
        self.answers.extend_from_slice(line.as_bytes());
        self.answers.extend_from_slice(b"\r\n");
    }

    /// Who does not read our answers is given up, or he would keep his place for ever.
    async fn flush(&mut self) -> io::Result<()> {
        let answers = std::mem::take(&mut self.answers);
        let sent = async {
            self.out.write_all(&answers).await?;
            self.out.flush().await
        };
        tokio::time::timeout(self.patience, sent)
            .await
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Answers a mistake; whether the dialogue goes on.
    fn mistake(&mut self, line: &str) -> bool {
        self.mistakes += 1;
        if self.mistakes > MISTAKES {
            self.answer("421 4.7.0 too many mistakes");
            return false;
        }
        self.answer(line);
        true
    }

    /// Obeys a command; whether the dialogue goes on.
    async fn command(&mut self, line: &[u8], stop: &CancellationToken) -> io::Result<bool> {
        let Ok(line) = std::str::from_utf8(line) else {
            return Ok(self.mistake("500 5.5.2 that is not text"));
        };
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "LHLO" => self.hello(Dialect::Lmtp, true),
            "EHLO" => self.hello(Dialect::Smtp, true),
            "HELO" => self.hello(Dialect::Smtp, false),
            "MAIL" => return Ok(self.mail(rest)),
            "RCPT" => return Ok(self.recipient(rest)),
            "DATA" => return self.content(stop).await,
            "RSET" => {
                self.transaction = Transaction::default();
                self.answer("250 2.0.0 forgotten");
            }
            "NOOP" => self.answer("250 2.0.0 yes"),
            "VRFY" => self.answer("252 2.1.5 send it and see"),
            "QUIT" => {
                self.answer("221 2.0.0 goodbye");
                return Ok(false);
            }
            _ => return Ok(self.mistake("500 5.5.1 no such command here")),
        }
        Ok(true)
    }

    fn hello(&mut self, dialect: Dialect, is_extended: bool) {
        self.dialect = Some(dialect);
        self.transaction = Transaction::default();
        let settings = &self.mailroom.shared.settings;
        let host = settings.email.bounce_domain.clone();
        if !is_extended {
            self.answer(&format!("250 {host}"));
            return;
        }
        let size = settings.inbound.max_bytes;
        self.answer(&format!("250-{host}"));
        self.answer("250-PIPELINING");
        self.answer("250-8BITMIME");
        self.answer("250-ENHANCEDSTATUSCODES");
        self.answer(&format!("250 SIZE {size}"));
    }

    fn mail(&mut self, rest: &str) -> bool {
        if self.dialect.is_none() {
            return self.mistake("503 5.5.1 say LHLO or EHLO first");
        }
        if self.transaction.sender.is_some() {
            return self.mistake("503 5.5.1 one mail at a time");
        }
        let Some((sender, parameters)) = path(rest, "FROM:") else {
            return self.mistake("501 5.5.4 that is no MAIL FROM:<address>");
        };
        let size = parameters.split(' ').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("SIZE").then_some(value)
        });
        let at_most = self.mailroom.shared.settings.inbound.max_bytes;
        if size.is_some_and(|size| size.parse::<u64>().is_ok_and(|size| size > at_most as u64)) {
            self.answer("552 5.3.4 the mail is too big");
            return true;
        }
        if self.mails >= MAILS {
            self.answer("421 4.7.0 enough over one connection; make another");
            return false;
        }
        self.transaction.sender = Some(sender.to_owned());
        self.answer("250 2.1.0 go on");
        true
    }

    fn recipient(&mut self, rest: &str) -> bool {
        if self.transaction.sender.is_none() {
            return self.mistake("503 5.5.1 MAIL FROM comes first");
        }
        let Some((recipient, _)) = path(rest, "TO:") else {
            return self.mistake("501 5.5.4 that is no RCPT TO:<address>");
        };
        // Every server has to take mail for its postmaster (RFC 5321 section 4.5.1).
        let is_postmaster = recipient.eq_ignore_ascii_case("postmaster");
        let domain = recipient.rsplit_once('@').map(|(_, domain)| domain);
        if !is_postmaster && !domain.is_some_and(|domain| self.mailroom.is_ours(domain)) {
            return self.mistake("550 5.7.1 mail for that domain is not taken here");
        }
        if self.transaction.recipients.len() == RECIPIENTS {
            self.answer("452 4.5.3 too many recipients of one mail");
            return true;
        }
        self.transaction.recipients.push(recipient.to_owned());
        self.answer("250 2.1.5 go on");
        true
    }

    /// Takes the mail; answered is only when the database has it.
    async fn content(&mut self, stop: &CancellationToken) -> io::Result<bool> {
        if self.transaction.recipients.is_empty() {
            return Ok(self.mistake("503 5.5.1 RCPT TO comes first"));
        }
        self.answer("354 end with a dot on a line of its own");
        self.flush().await?;
        let settings = &self.mailroom.shared.settings;
        let content = tokio::select! {
            content = self.lines.content(settings.inbound.max_bytes) => content?,
            // Nothing was promised yet: the server keeps the mail.
            () = stop.cancelled() => Content::Broken,
        };
        let transaction = std::mem::take(&mut self.transaction);
        let count = match self.dialect {
            Some(Dialect::Lmtp) => transaction.recipients.len(),
            _ => 1,
        };
        let raw = match content {
            Content::Mail(raw) => raw,
            Content::TooBig => {
                for _ in 0..count {
                    self.answer("552 5.3.4 the mail is too big");
                }
                return Ok(true);
            }
            Content::Broken => return Ok(false),
        };
        self.mails += 1;
        // The same address twice is one; each has its own answer all the same.
        let mut failed = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for recipient in &transaction.recipients {
            if failed.contains(recipient) || taken.contains(recipient) {
                continue;
            }
            let envelope = Envelope {
                recipients: vec![recipient.clone()],
                sender: transaction.sender.clone(),
            };
            let mail = Mail {
                raw: &raw,
                envelope: &envelope,
                way: Way::Lmtp,
            };
            match self.mailroom.receive(mail).await {
                Ok(_) => taken.insert(recipient),
                Err(error) => {
                    tracing::warn!(%error, "a mail is not taken in yet; the server keeps it");
                    failed.insert(recipient)
                }
            };
        }
        const TAKEN: &str = "250 2.0.0 taken";
        const LATER: &str = "451 4.3.0 cannot take it now; bring it again";
        match self.dialect {
            Some(Dialect::Lmtp) => {
                for recipient in &transaction.recipients {
                    let is_taken = taken.contains(recipient);
                    self.answer(if is_taken { TAKEN } else { LATER });
                }
            }
            // Once taken for one recipient, it does nothing more when it comes again.
            _ => self.answer(if failed.is_empty() { TAKEN } else { LATER }),
        }
        Ok(true)
    }
}

/// The address of `FROM:<a@b> PARAMETERS`, and the parameters; source routes are left out (RFC 5321 section 4.1.2).
fn path<'a>(rest: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let (head, after) = rest.split_at_checked(word.len())?;
    if !head.eq_ignore_ascii_case(word) {
        return None;
    }
    let (address, parameters) = after.trim_start().strip_prefix('<')?.split_once('>')?;
    let address = match address.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => address,
    };
    let is_plain = address.len() <= 320 && !address.chars().any(char::is_control);
    is_plain.then_some((address, parameters.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_standard_writes_them() {
        assert_eq!(path("FROM:<>", "FROM:"), Some(("", "")));
        assert_eq!(
            path("from: <a@b> SIZE=5 BODY=8BITMIME", "FROM:"),
            Some(("a@b", "SIZE=5 BODY=8BITMIME"))
        );
        assert_eq!(path("TO:<@x,@y:a@b>", "TO:"), Some(("a@b", "")));
        for wrong in ["TO:a@b", "TO", "", "é", "TO:<a@b", "TO:<@x>"] {
            assert_eq!(path(wrong, "TO:"), None, "{wrong}");
        }
    }
}
