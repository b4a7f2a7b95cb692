//! `visavis ingest`

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{Common, print};
use crate::app::Parts;
use crate::responses::inbox;
use crate::responses::inbox::model::{Received, Way};
use crate::responses::inbox::receive::{self, ReceiveError};
use crate::responses::mail::model::Envelope;
use crate::storage::text::counted;

/// What a mail server's pipe takes for "keep it and bring it again" (sysexits.h, EX_TEMPFAIL).
const BRING_AGAIN: u8 = 75;
/// A file that cannot be read (sysexits.h, EX_NOINPUT).
const NO_INPUT: u8 = 66;

#[derive(Debug, Subcommand)]
pub(super) enum Ingest {
    /// Takes in mails that came back: from files, mailbox files (mbox), Maildir folders, or standard input
    Mail(IngestMail),
    /// Collects the mailboxes of the settings once
    Mailboxes,
}

/// Behind a pipe of a mail server it ends with 75 whenever the mail is not safe, so that the server keeps it.
#[derive(Debug, Args)]
pub(super) struct IngestMail {
    /// Files or folders; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// To whom the mail came (RCPT TO)
    #[arg(
        long,
        env = "RECIPIENT",
        value_name = "ADDRESS",
        hide_env_values = true
    )]
    recipient: Option<String>,
    /// From whom (MAIL FROM); empty for a bounce
    #[arg(long, env = "SENDER", value_name = "ADDRESS", hide_env_values = true)]
    sender: Option<String>,
}

impl Ingest {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::Mail(mail) => mail.run(common).await,
            Self::Mailboxes => collect(common).await,
        }
    }
}

async fn collect(common: &Common) -> anyhow::Result<ExitCode> {
    let parts = common.open().await?;
    anyhow::ensure!(
        !parts.settings.inbound.imap.is_empty(),
        "no mailbox is set; name one under [inbound.imap.NAME] in the settings"
    );
    let mailroom =
        crate::mailroom::Mailroom::new(parts.db, parts.keys, parts.clock, parts.settings)?;
    let new = mailroom.collect_once().await.map_err(anyhow::Error::msg)?;
    print(format_args!(
        "{} taken in.",
        counted(new, "new mail", "new mails")
    ));
    Ok(ExitCode::SUCCESS)
}

impl IngestMail {
    async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self.take_all(common).await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(Failure::NoInput(error)) => {
                eprintln!("visavis: {error:#}");
                Ok(ExitCode::from(NO_INPUT))
            }
            // Also what a person must mend first: a mail that is sent back instead would be lost.
            Err(Failure::BringAgain(error)) => {
                eprintln!("visavis: {error:#}");
                Ok(ExitCode::from(BRING_AGAIN))
            }
        }
    }

    async fn take_all(&self, common: &Common) -> Result<(), Failure> {
        let parts = common.open().await.map_err(Failure::BringAgain)?;
        let mut tally = Tally::default();
        for file in &self.files {
            self.take_file(&parts, file, &mut tally).await?;
        }
        print(format_args!(
            "{} taken in, {} before.",
            counted(tally.new, "mail", "mails"),
            tally.again
        ));
        if tally.too_early > 0 {
            return Err(Failure::BringAgain(anyhow::anyhow!(
                "{} about messages that are still being handed over; bring them again in a minute",
                counted(tally.too_early, "mail is", "mails are")
            )));
        }
        Ok(())
    }

    async fn take_file(
        &self,
        parts: &Parts,
        file: &Path,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let at_most = parts.settings.inbound.max_bytes;
        if file == Path::new("-") {
            let raw = read_all(io::stdin().lock(), at_most).map_err(|error| {
                Failure::BringAgain(anyhow::Error::new(error).context("cannot read the mail"))
            })?;
            return self.take(parts, &raw, tally).await;
        }
        if file.is_dir() {
            for mail in maildir(file).map_err(Failure::NoInput)? {
                let raw = read_file(&mail, at_most).map_err(Failure::NoInput)?;
                self.take(parts, &raw, tally).await?;
            }
            return Ok(());
        }
        // A mailbox file is as long as it is; each mail in it is bounded.
        let text = fs::read(file)
            .with_context(|| format!("cannot read {}", file.display()))
            .map_err(Failure::NoInput)?;
        for mail in mails_of(&text) {
            let mail = mail.get(..at_most).unwrap_or(mail);
            self.take(parts, mail, tally).await?;
        }
        Ok(())
    }

    async fn take(&self, parts: &Parts, raw: &[u8], tally: &mut Tally) -> Result<(), Failure> {
        let envelope = Envelope {
            recipients: self.recipient.iter().cloned().collect(),
            sender: self.sender.clone(),
        };
        let mail = receive::Mail {
            raw,
            envelope: &envelope,
            way: Way::Command,
        };
        match inbox::receive(&parts.db, &parts.keys, mail, parts.clock.now_ms()).await {
            Ok(Received::New(_)) => tally.new += 1,
            Ok(Received::Again) => tally.again += 1,
            Err(ReceiveError::TooEarly) => tally.too_early += 1,
            Err(error) => return Err(Failure::BringAgain(error.into())),
        }
        Ok(())
    }
}

/// How many mails came.
#[derive(Debug, Default)]
struct Tally {
    new: u64,
    again: u64,
    too_early: u64,
}

/// Why mails were not taken in.
#[derive(Debug)]
enum Failure {
    NoInput(anyhow::Error),
    BringAgain(anyhow::Error),
}

/// The beginning of a mail; the rest is read too, or the server would take its own pipe for broken.
fn read_all(mut from: impl Read, at_most: usize) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    from.by_ref().take(at_most as u64).read_to_end(&mut raw)?;
    io::copy(&mut from, &mut io::sink())?;
    Ok(raw)
}

fn read_file(path: &Path, at_most: usize) -> anyhow::Result<Vec<u8>> {
    fs::File::open(path)
        .and_then(|file| read_all(file, at_most))
        .with_context(|| format!("cannot read {}", path.display()))
}

/// The mails of a Maildir folder, by name; of a plain folder its files.
fn maildir(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_maildir = folder.join("cur").is_dir() && folder.join("new").is_dir();
    let folders = if is_maildir {
        vec![folder.join("new"), folder.join("cur")]
    } else {
        vec![folder.to_owned()]
    };
    let mut mails = Vec::new();
    for folder in folders {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot read {}", folder.display()))?
                .path();
            if path.is_file() {
                mails.push(path);
            }
        }
    }
    mails.sort_unstable();
    Ok(mails)
}

/// The mails of a mailbox file (RFC 4155); a file that is none is one mail.
fn mails_of(text: &[u8]) -> Vec<&[u8]> {
    const SEPARATOR: &[u8] = b"From ";
    if !text.starts_with(SEPARATOR) {
        return vec![text];
    }
    let mut begins: Vec<usize> = memchr::memchr_iter(b'\n', text)
        .map(|at| at + 1)
        .filter(|at| {
            let before = text.get(..at - 1).unwrap_or_default();
            let is_after_blank = before.ends_with(b"\n") || before.ends_with(b"\n\r");
            is_after_blank
                && text
                    .get(*at..)
                    .is_some_and(|rest| rest.starts_with(SEPARATOR))
        })
        .collect();
    begins.insert(0, 0);
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    begins
        .iter()
        .zip(ends)
        .filter_map(|(begin, end)| {
            let mail = text.get(*begin..end)?;
            // Its first line is the separator.
            let first = memchr::memchr(b'\n', mail)?;
            mail.get(first + 1..)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_file_is_split_at_its_separators() {
        let text =
            b"From a@b Mon\nSubject: 1\n\nhe said\nFrom here on\n\nFrom c@d Tue\nSubject: 2\n\nx\n";
        let mails = mails_of(text);
        assert_eq!(mails.len(), 2);
        assert!(mails[0].starts_with(b"Subject: 1") && mails[0].ends_with(b"on\n\n"));
        assert_eq!(mails[1], b"Subject: 2\n\nx\n");
        assert_eq!(
            mails_of(b"Subject: 3\n\nFrom \n"),
            [b"Subject: 3\n\nFrom \n"]
        );
    }

    #[test]
    fn a_long_mail_is_cut_and_its_pipe_drained() {
        let mut long = io::Cursor::new(vec![b'x'; 100]);
        assert_eq!(read_all(&mut long, 10).unwrap().len(), 10);
        assert_eq!(long.position(), 100);
    }
}
