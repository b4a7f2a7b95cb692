//! Taking one mail in.

use data_encoding::HEXLOWER;
use ring::digest;
use sea_orm::DbErr;

use super::faults;
use super::model::{Received, Way, is_of_address};
use super::named::{Named, Names};
use super::proof::{self, Proved};
use super::store::mails::{self as store, NewMail};
use super::store::notices::{self, Notice};
use crate::channels::model::Class;
use crate::consent;
use crate::consent::model::{Channel, Evidence, Scope};
use crate::consent::store::{COMPLAINT, Suppression};
use crate::customers::normalise;
use crate::delivery::in_flight;
use crate::ids::{CustomerId, DeliveryKey};
use crate::keys::Keys;
use crate::responses::mail::model::{Bounce, Envelope, MailKind, ReadMail};
use crate::responses::mail::read;
use crate::responses::model::{MadeBy, Marks, Response, What};
use crate::responses::opt_out::{self, Choice, Source};
use crate::responses::store::{self as responses, Addressee, Waves};
use crate::storage::{Db, Txn, is_deadlock};

/// How often a transaction is tried that waits for another one that waits for it.
const TRIES: u32 = 3;
/// Characters that are kept of what a person must read.
const KEPT_TEXT: usize = 20_000;
const KEPT_LINE: usize = 300;
/// Where a complaint came from, in the evidence.
const FEEDBACK: &str = "feedback_report";
/// Where an opt-out by a report or a mail about a notice came from.
const UNSUBSCRIBE_MAIL: &str = "unsubscribe_mail";

/// Why a mail was not taken in: whoever brings it must keep it and bring it again.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error("the database did not take the mail: {0}; bring it again when the database is back")]
    Database(#[from] DbErr),
    #[error(
        "the mail is about a message that is still being handed over; bring it again in a minute"
    )]
    TooEarly,
}

/// A mail as it came.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    pub raw: &'a [u8],
    /// What the way in knows beside the bytes.
    pub envelope: &'a Envelope,
    pub way: Way,
}

/// Takes a mail in. When this returns, all that it changes is committed, or was when it came before; and where it
/// says no, nothing is on its way any more to whoever said so.
///
/// # Errors
/// When the database is away, or the mail overtook the settlement of the message it is about: then nothing is
/// changed, and it must be brought again.
pub async fn receive(
    db: &Db,
    keys: &Keys,
    mail: Mail<'_>,
    now_ms: i64,
) -> Result<Received, ReceiveError> {
    let read = read(mail.raw, mail.envelope);
    let proved = proof::first(&read.refs, keys);
    let news = News {
        raw: mail.raw,
        way: mail.way,
        digest: &digest_of(mail.raw, &read, proved),
        read: &read,
        proved,
        at: now_ms,
    };
    let mut tries = 1;
    let taken = loop {
        match take(db, keys, &news, now_ms).await {
            Err(ReceiveError::Database(error)) if tries < TRIES && is_deadlock(&error) => {
                tries += 1;
            }
            taken => break taken?,
        }
    };
    let Some(taken) = taken else {
        return Ok(Received::Again);
    };
    if !taken.silenced.is_empty() {
        in_flight::settled(db, &taken.silenced, now_ms, in_flight::AT_MOST).await?;
    }
    if let Some(wave) = taken.blocked {
        faults::raise_alarm(db, wave, now_ms).await?;
    }
    Ok(Received::New(taken.kind))
}

/// What came back, read and proved.
#[derive(Debug)]
pub(super) struct News<'a> {
    /// Where addresses are looked for: the mail, or what a provider names.
    pub raw: &'a [u8],
    pub way: Way,
    pub digest: &'a str,
    pub read: &'a ReadMail,
    pub proved: Option<Proved>,
    /// When it happened, in milliseconds since the epoch.
    pub at: i64,
}

/// What one transaction did.
#[derive(Debug)]
pub(super) struct Taken {
    pub kind: &'static str,
    /// Whether it is about a message of ours.
    pub is_matched: bool,
    /// To whom nothing may be on its way any more.
    pub silenced: Vec<CustomerId>,
    /// The wave whose message was blocked or refused by policy.
    pub blocked: Option<crate::ids::WaveId>,
}

/// The message of ours that a mail is about, as it stands.
#[derive(Debug)]
enum About {
    Delivery(DeliveryKey, Box<Addressee>),
    Notice(Notice),
    /// No message of ours, or one that nothing is known of any more.
    Nothing,
}

impl About {
    async fn of(txn: &Txn, proved: Option<Proved>) -> Result<Self, DbErr> {
        Ok(match proved {
            Some(Proved::Delivery(key)) => match responses::addressee(&**txn, key).await? {
                // References of text messages are made alike, but no mail answers one.
                Some(addressee) if addressee.channel == Channel::Email => {
                    Self::Delivery(key, Box::new(addressee))
                }
                _ => Self::Nothing,
            },
            Some(Proved::Notice(id)) => notices::notice(txn, id)
                .await?
                .map_or(Self::Nothing, Self::Notice),
            None => Self::Nothing,
        })
    }

    fn delivery(&self) -> Option<DeliveryKey> {
        match self {
            Self::Delivery(key, _) => Some(*key),
            Self::Notice(_) | Self::Nothing => None,
        }
    }

    fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::Delivery(_, addressee) => Some(addressee.customer_id),
            Self::Notice(notice) => notice.customer,
            Self::Nothing => None,
        }
    }
}

/// Takes a mail in one transaction; `None` when it was taken before.
async fn take(
    db: &Db,
    keys: &Keys,
    news: &News<'_>,
    now_ms: i64,
) -> Result<Option<Taken>, ReceiveError> {
    let txn = db.begin().await?;
    let taken = take_within(&txn, keys, news, now_ms).await?;
    txn.commit().await?;
    Ok(taken)
}

/// Takes what came back; `None` when it was taken before. Whoever is told that it came too early finds nothing
/// changed.
pub(super) async fn take_within(
    txn: &Txn,
    keys: &Keys,
    news: &News<'_>,
    now_ms: i64,
) -> Result<Option<Taken>, ReceiveError> {
    let (read, proved) = (news.read, news.proved);
    let about = About::of(txn, proved).await?;
    if let (About::Delivery(key, _), MailKind::Bounce(_)) = (&about, &read.kind)
        && store::is_in_hand(txn, *key).await?
    {
        return Err(ReceiveError::TooEarly);
    }
    let fate = Fate::of(&read.kind, &about, news.way);
    let text = fate.is_kept.then(|| Text::of(read, keys));
    let new = NewMail {
        digest: news.digest,
        way: news.way,
        kind: fate.kind,
        class: fate.bounce.map(|bounce| bounce.class),
        rule: fate.bounce.map(|bounce| bounce.rule.as_str()),
        delivery: about.delivery(),
        notice: match (&about, proved) {
            (About::Notice(_), Some(Proved::Notice(id))) => Some(id),
            _ => None,
        },
        customer: about.customer(),
        text: text.as_ref(),
        received_at: now_ms,
    };
    if !store::insert(txn, &new).await? {
        return Ok(None);
    }
    let mut taken = Taken {
        kind: fate.kind,
        is_matched: !matches!(about, About::Nothing),
        silenced: Vec::new(),
        blocked: None,
    };
    match &about {
        About::Delivery(key, addressee) => {
            act_on_delivery(txn, keys, news, *key, addressee, now_ms, &mut taken).await?;
        }
        About::Notice(notice) => {
            act_on_notice(txn, &read.kind, notice, now_ms, &mut taken).await?;
        }
        About::Nothing => {}
    }
    Ok(Some(taken))
}

/// What becomes of a mail, before it acts.
#[derive(Debug)]
struct Fate<'a> {
    /// As the database and metrics have it.
    kind: &'static str,
    bounce: Option<&'a Bounce>,
    /// Whether a person must read it.
    is_kept: bool,
}

impl<'a> Fate<'a> {
    fn of(kind: &'a MailKind, about: &About, way: Way) -> Self {
        let is_proved = !matches!(about, About::Nothing);
        let (word, is_kept) = match kind {
            // It says nothing that a person could read: of whatever else the account sends it tells us too.
            _ if matches!(way, Way::Hook(_)) => (kind.as_str(), false),
            MailKind::Reply | MailKind::Unknown => (kind.as_str(), true),
            // Who it is about must be found by a person, or nobody would be left alone by it.
            MailKind::OptOut => (kind.as_str(), !is_proved),
            MailKind::Bounce(_) | MailKind::Complaint(_) if !is_proved => {
                (MailKind::Unknown.as_str(), true)
            }
            _ => (kind.as_str(), false),
        };
        Self {
            kind: word,
            bounce: match kind {
                MailKind::Bounce(bounce) | MailKind::Delayed(bounce) => Some(bounce),
                _ => None,
            },
            is_kept,
        }
    }
}

/// What is kept of a mail for a person.
#[derive(Debug)]
pub(super) struct Text {
    /// Of the address it says it is from, so that it can be erased with the person.
    pub fingerprint: Option<String>,
    pub sender: Option<String>,
    pub subject: Option<String>,
    pub body: String,
}

impl Text {
    fn of(read: &ReadMail, keys: &Keys) -> Self {
        let from = read.from.as_deref();
        Self {
            fingerprint: from
                .and_then(|from| normalise::email(from).ok())
                .map(|email| keys.fingerprint(&email.key)),
            sender: from.map(|from| kept(from, KEPT_LINE)),
            subject: read
                .subject
                .as_deref()
                .map(|subject| kept(subject, KEPT_LINE)),
            body: kept(&read.text, KEPT_TEXT),
        }
    }
}

/// The beginning of a text as both databases take it: PostgreSQL takes no NUL.
fn kept(text: &str, at_most: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(at_most).collect()
}

async fn act_on_delivery(
    txn: &Txn,
    keys: &Keys,
    news: &News<'_>,
    delivery: DeliveryKey,
    addressee: &Addressee,
    now_ms: i64,
    taken: &mut Taken,
) -> Result<(), DbErr> {
    let response = |what| Response {
        delivery,
        what,
        made_by: MadeBy::Person,
        at: news.at,
    };
    match &news.read.kind {
        MailKind::Bounce(bounce) => {
            if let Some(fingerprint) = address_of_today(txn, keys, news.raw, addressee).await?
                && is_of_address(bounce.class)
            {
                faults::note(txn, &fingerprint, bounce.class, Some(delivery), now_ms).await?;
            }
            let what = What::Bounce {
                class: bounce.class,
            };
            responses::write_once(txn, &mut Waves::default(), response(what), Marks::BOUNCED)
                .await?;
            if matches!(bounce.class, Class::Blocked | Class::Policy) {
                taken.blocked = Some(delivery.wave);
            }
        }
        MailKind::Complaint(feedback) => {
            let held = consent::store::hold_mailboxes(&**txn, addressee.customer_id).await?;
            let said = Evidence {
                wording: Some(feedback.kind.as_str().to_owned()),
                actor: Some("person".to_owned()),
                ..Evidence::withdrawal(
                    addressee.customer_id,
                    Channel::Email,
                    Scope::All,
                    FEEDBACK,
                    now_ms,
                )
            };
            let known = addressee.customer.as_ref();
            let fingerprint = known.and_then(|known| known.fingerprint.as_deref());
            consent::store::complain(&**txn, said, fingerprint).await?;
            let complaint = response(What::Complaint);
            responses::write_once(txn, &mut Waves::default(), complaint, Marks::COMPLAINED).await?;
            taken.silenced = held.customers;
        }
        MailKind::OptOut => {
            let (choice, source) = match news.way {
                // It lets nothing of this account through to him any more.
                Way::Hook(_) => (Choice::Everything, Source::Provider),
                _ => (Choice::Topic, Source::Mail),
            };
            let out = opt_out::record_within(txn, delivery, choice, source, now_ms).await?;
            taken.silenced = out.map(|(_, people)| people).unwrap_or_default();
        }
        MailKind::Reply => {
            responses::write(txn, &mut Waves::default(), &[response(What::Reply)])
                .await
                .map(drop)?;
        }
        MailKind::Delayed(_)
        | MailKind::Delivered
        | MailKind::NotSpam
        | MailKind::AuthFailure
        | MailKind::AutoReply
        | MailKind::Challenge
        | MailKind::Unknown => {}
    }
    Ok(())
}

/// The fingerprint of the address that a bounce is held against: the customer's, unless he has another since.
async fn address_of_today(
    txn: &Txn,
    keys: &Keys,
    raw: &[u8],
    addressee: &Addressee,
) -> Result<Option<String>, DbErr> {
    let known = addressee.customer.as_ref();
    let Some(fingerprint) = known.and_then(|known| known.fingerprint.clone()) else {
        return Ok(None);
    };
    let former = store::former_addresses(txn, addressee.customer_id, &fingerprint).await?;
    let named = Names::read(raw, keys).of(&fingerprint, &former);
    Ok((named != Named::Another).then_some(fingerprint))
}

/// A notice has no delivery: what comes back concerns the address it went to.
async fn act_on_notice(
    txn: &Txn,
    kind: &MailKind,
    notice: &Notice,
    now_ms: i64,
    taken: &mut Taken,
) -> Result<(), DbErr> {
    match kind {
        MailKind::Bounce(bounce) if is_of_address(bounce.class) => {
            faults::note(txn, &notice.fingerprint, bounce.class, None, now_ms).await?;
            if matches!(bounce.class, Class::InvalidRecipient | Class::Inactive) {
                notices::note_refused(txn, notice.id).await?;
            }
        }
        MailKind::Complaint(_) | MailKind::OptOut => {
            let is_complaint = matches!(kind, MailKind::Complaint(_));
            match notice.customer {
                Some(customer) => {
                    let held = consent::store::hold_mailboxes(&**txn, customer).await?;
                    let source = if is_complaint {
                        FEEDBACK
                    } else {
                        UNSUBSCRIBE_MAIL
                    };
                    let said = Evidence {
                        actor: Some("person".to_owned()),
                        ..Evidence::withdrawal(customer, Channel::Email, Scope::All, source, now_ms)
                    };
                    let fingerprint = Some(notice.fingerprint.as_str());
                    if is_complaint {
                        consent::store::complain(&**txn, said, fingerprint).await?;
                    } else {
                        consent::store::opt_out_by(&**txn, said, fingerprint).await?;
                    }
                    taken.silenced = held.customers;
                }
                // A stranger whose address somebody typed into the form: nobody types it in again with success.
                None => {
                    let reason = if is_complaint {
                        COMPLAINT
                    } else {
                        consent::store::OPT_OUT
                    };
                    let suppression = Suppression {
                        fingerprint: notice.fingerprint.clone(),
                        channel: Channel::Email,
                        scope: Scope::All,
                        reason: reason.to_owned(),
                        suppressed_at: now_ms,
                    };
                    consent::store::suppress(&**txn, &[suppression]).await?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// What tells a mail from all others, whichever way it comes: the trace fields that each way adds stay out of it
/// (RFC 5321 section 4.4), and so do line ends, which a file changes. What it proves is in it, since a bounce of few
/// words may name its message in the envelope alone.
fn digest_of(raw: &[u8], read: &ReadMail, proved: Option<Proved>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let at = read.at.map(|at| at.to_string());
    let proved = format!("{proved:?}");
    for piece in [
        read.message_id.as_deref(),
        read.from.as_deref(),
        read.subject.as_deref(),
        at.as_deref(),
        Some(proved.as_str()),
    ] {
        let piece = piece.unwrap_or("\u{0}");
        context.update(&piece.len().to_be_bytes());
        context.update(piece.as_bytes());
    }
    for line in body_of(raw).split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A mailbox file quotes lines that begin with "From ".
        let line = line.strip_prefix(b">").unwrap_or(line);
        if !line.is_empty() {
            context.update(line);
            context.update(b"\n");
        }
    }
    HEXLOWER.encode(context.finish().as_ref())
}

/// What stands after the header; all of it where there is none.
fn body_of(raw: &[u8]) -> &[u8] {
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', raw) {
        let line = raw.get(begin..end).unwrap_or_default();
        begin = end + 1;
        if matches!(line, b"" | b"\r") {
            return raw.get(begin..).unwrap_or_default();
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(raw: &[u8], seq: i64) -> String {
        let read = read(raw, &Envelope::default());
        let wave = crate::ids::WaveId(1);
        digest_of(
            raw,
            &read,
            Some(Proved::Delivery(DeliveryKey { wave, seq })),
        )
    }

    #[test]
    fn a_mail_is_the_same_by_every_way_and_another_is_not() {
        let plain = digest(b"Subject: x\r\n\r\nFrom here\r\nno\r\n", 1);
        let traced =
            b"Return-Path: <>\nReceived: by y\nSubject: x\n\n>From here\nno\n\n".as_slice();
        assert_eq!(digest(traced, 1), plain);
        assert_ne!(digest(traced, 2), plain, "of another message");
        assert_ne!(digest(b"Subject: x\r\n\r\nFrom here\r\nyes\r\n", 1), plain);
    }
}
