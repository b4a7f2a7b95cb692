//! Collecting a mailbox.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use async_imap::Session;
use futures_util::{StreamExt, TryStreamExt};
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::Mailroom;
use super::connect::{Door, Wire};
use crate::config::{ConfigError, ImapSettings, Then};
use crate::responses::inbox::model::{Received, Way};
use crate::responses::inbox::receive::{Mail, ReceiveError};
use crate::responses::inbox::{self, Position};
use crate::responses::mail::model::Envelope;

/// Mails asked for at once; each is taken in as it arrives, so that one is in memory at a time.
const BATCH: usize = 50;
/// The longest wait after a mailbox could not be collected.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// A mailbox of the settings.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub name: String,
    door: Door,
    folder: String,
    then: Then,
    poll: Duration,
}

impl Mailbox {
    pub fn new(name: &str, settings: &ImapSettings) -> Result<Self, ConfigError> {
        Ok(Self {
            name: name.to_owned(),
            door: Door::new(&format!("inbound.imap.{name}"), settings)?,
            folder: settings.folder.clone(),
            then: settings.then.clone(),
            poll: Duration::from_secs(settings.poll_seconds),
        })
    }
}

/// Why a mailbox could not be collected.
#[derive(Debug, thiserror::Error)]
pub(super) enum CollectError {
    #[error("the connection failed: {0}; look at host, port and tls")]
    Connection(#[from] io::Error),
    #[error("the server did not answer in time; look at host, port and tls")]
    Silent,
    #[error("the server said: {0}; look at username, password and folder")]
    Refused(async_imap::error::Error),
    #[error("the folder has no UIDVALIDITY, without which mails cannot be told apart")]
    NoUidValidity,
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
}

impl From<async_imap::error::Error> for CollectError {
    fn from(error: async_imap::error::Error) -> Self {
        match error {
            async_imap::error::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                Self::Silent
            }
            async_imap::error::Error::Io(error) => Self::Connection(error),
            async_imap::error::Error::ConnectionLost => {
                Self::Connection(io::ErrorKind::ConnectionReset.into())
            }
            error => Self::Refused(error),
        }
    }
}

/// Collects a mailbox again and again until `stop`.
pub(super) async fn run(mailroom: &Mailroom, mailbox: &Mailbox, stop: &CancellationToken) {
    let mut pause = mailbox.poll;
    while !stop.is_cancelled() {
        let collected = tokio::select! {
            collected = once(mailroom, mailbox) => collected,
            // What was taken in and not marked yet comes again, and does nothing then.
            () = stop.cancelled() => return,
        };
        match collected {
            Ok(new) => {
                pause = mailbox.poll;
                if new > 0 {
                    tracing::info!(mailbox = mailbox.name, new, "mail collected");
                }
            }
            Err(error) => {
                tracing::error!(mailbox = mailbox.name, %error, "a mailbox could not be collected; it is tried again");
                pause = (pause * 2).min(LONGEST_PAUSE.max(mailbox.poll));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Takes in what is new in a mailbox, and then marks, moves or deletes it; returns how many mails were new to us.
pub(super) async fn once(mailroom: &Mailroom, mailbox: &Mailbox) -> Result<u64, CollectError> {
    let mut session = mailbox.door.open().await?;
    let new = collect(mailroom, mailbox, &mut session).await;
    // The connection ends either way; a farewell that fails changes nothing.
    let _ = session.logout().await;
    new
}

/// How many mails are in a mailbox; changes nothing.
pub(super) async fn look(mailbox: &Mailbox) -> Result<u32, CollectError> {
    let mut session = mailbox.door.open().await?;
    let found = session.examine(&mailbox.folder).await;
    let _ = session.logout().await;
    Ok(found?.exists)
}

async fn collect(
    mailroom: &Mailroom,
    mailbox: &Mailbox,
    session: &mut Session<Wire>,
) -> Result<u64, CollectError> {
    let capabilities = session.capabilities().await?;
    let can = Can {
        move_mail: capabilities.has_str("MOVE"),
        expunge_some: capabilities.has_str("UIDPLUS"),
    };
    let selected = session.select(&mailbox.folder).await?;
    let uid_validity = selected.uid_validity.ok_or(CollectError::NoUidValidity)?;
    let uid_validity = i64::from(uid_validity);
    let mut position = match inbox::position(&mailroom.shared.db, &mailbox.name).await? {
        Some(known) if known.uid_validity == uid_validity => known,
        _ => Position {
            uid_validity,
            last_uid: 0,
        },
    };
    // What is taken out of the folder leaves no gap: all that is there is yet to be done.
    let is_from_begin = mailbox.then != Then::Seen;
    let from = if is_from_begin {
        1
    } else {
        position.last_uid + 1
    };
    let found = session.uid_search(format!("UID {from}:*")).await?;
    // `n:*` also finds the last mail where that is below n (RFC 3501 section 6.4.8).
    let mut uids: Vec<u32> = found
        .into_iter()
        .filter(|uid| i64::from(*uid) >= from)
        .collect();
    uids.sort_unstable();
    let mut new = 0;
    let mut has_gap = false;
    for batch in uids.chunks(BATCH) {
        let batch_taken = take_in(mailroom, mailbox, session, batch).await?;
        new += batch_taken.new;
        then(mailbox, session, can, &batch_taken.taken).await?;
        // Up to the first mail that must come again.
        let whole = batch
            .iter()
            .take_while(|uid| !batch_taken.again.contains(uid))
            .count();
        if !has_gap && let Some(last) = whole.checked_sub(1).and_then(|at| batch.get(at)) {
            position.last_uid = position.last_uid.max(i64::from(*last));
            inbox::note_position(&mailroom.shared.db, &mailbox.name, position).await?;
        }
        has_gap |= whole < batch.len();
    }
    Ok(new)
}

/// What the server can do beside IMAP4rev1.
#[derive(Debug, Clone, Copy)]
struct Can {
    /// RFC 6851.
    move_mail: bool,
    /// RFC 4315.
    expunge_some: bool,
}

/// What became of mails that were asked for.
#[derive(Debug, Default)]
struct Taken {
    taken: BTreeSet<u32>,
    /// To be asked for again; of all others the server gave nothing, since somebody took them out meanwhile.
    again: BTreeSet<u32>,
    /// How many were new to us.
    new: u64,
}

/// Takes mails in.
async fn take_in(
    mailroom: &Mailroom,
    mailbox: &Mailbox,
    session: &mut Session<Wire>,
    uids: &[u32],
) -> Result<Taken, CollectError> {
    // PEEK leaves the mail unseen until it is safe here; of a huge one the beginning is enough.
    let at_most = mailroom.shared.settings.inbound.max_bytes;
    let query = format!("(UID BODY.PEEK[]<0.{at_most}>)");
    let mut asked: BTreeSet<u32> = uids.iter().copied().collect();
    let mut fetched = session.uid_fetch(set(asked.iter()), query).await?;
    let mut taken = Taken::default();
    let mut failure = None;
    let envelope = Envelope::default();
    while let Some(fetch) = fetched.next().await {
        let fetch = fetch?;
        // A server may also tell of flags that somebody changed, for which nobody asked.
        let (Some(uid), Some(raw)) = (fetch.uid, fetch.body()) else {
            continue;
        };
        if !asked.remove(&uid) {
            continue;
        }
        let mail = Mail {
            raw,
            envelope: &envelope,
            way: Way::Imap,
        };
        match mailroom.receive(mail).await {
            Ok(received) => {
                taken.new += u64::from(matches!(received, Received::New(_)));
                taken.taken.insert(uid);
            }
            Err(ReceiveError::TooEarly) => {
                taken.again.insert(uid);
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    if let Some(error) = failure {
        return Err(error.into());
    }
    tracing::debug!(
        mailbox = mailbox.name,
        taken = taken.taken.len(),
        "mails taken in"
    );
    Ok(taken)
}

/// Does with mails that were taken in what the settings want.
async fn then(
    mailbox: &Mailbox,
    session: &mut Session<Wire>,
    can: Can,
    taken: &BTreeSet<u32>,
) -> Result<(), CollectError> {
    if taken.is_empty() {
        return Ok(());
    }
    let uids = set(taken.iter());
    match &mailbox.then {
        Then::Seen => flag(session, &uids, "\\Seen").await,
        Then::Move(folder) if can.move_mail => Ok(session.uid_mv(&uids, folder).await?),
        Then::Move(folder) => {
            session.uid_copy(&uids, folder).await?;
            delete(session, can, &uids).await
        }
        Then::Delete => delete(session, can, &uids).await,
    }
}

async fn delete(session: &mut Session<Wire>, can: Can, uids: &str) -> Result<(), CollectError> {
    flag(session, uids, "\\Deleted").await?;
    if can.expunge_some {
        let gone = session.uid_expunge(uids).await?;
        gone.try_for_each(|_| async { Ok(()) }).await?;
    } else {
        let gone = session.expunge().await?;
        gone.try_for_each(|_| async { Ok(()) }).await?;
    }
    Ok(())
}

async fn flag(session: &mut Session<Wire>, uids: &str, flag: &str) -> Result<(), CollectError> {
    let answers = session
        .uid_store(uids, format!("+FLAGS.SILENT ({flag})"))
        .await?;
    answers.try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

/// UIDs as IMAP writes a set of them, neighbours as a range, so that a thousand fit a line.
fn set<'a>(uids: impl Iterator<Item = &'a u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*uid) => *last = *uid,
            _ => ranges.push((*uid, *uid)),
        }
    }
    let parts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}:{last}")
            }
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_make_a_range() {
        assert_eq!(set([1, 2, 3, 7, 9, 10].iter()), "1:3,7,9:10");
        assert_eq!(set([u32::MAX].iter()), u32::MAX.to_string());
    }
}
