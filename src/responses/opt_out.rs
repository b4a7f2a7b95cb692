//! Opting out by the link in a message: durable before anybody is told so.

use sea_orm::DbErr;

use super::ResponseError;
use super::model::{MadeBy, Response, What};
use super::store::{self, Addressee, Waves};
use crate::consent;
use crate::consent::model::{Channel, Scope};
use crate::delivery::in_flight;
use crate::ids::{CustomerId, DeliveryKey};
use crate::storage::{Db, Txn, is_deadlock};

/// How often an opt-out is tried.
const TRIES: u32 = 3;

/// What the customer no longer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The topic of the campaign the message was part of.
    #[default]
    Topic,
    /// Everything on this channel.
    Everything,
}

/// By which way he said so, kept with the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One click in the mail program (RFC 8058).
    OneClick,
    /// The button of our page.
    Page,
    /// A POST that is neither of them, by the same link.
    Link,
    /// A mail to the unsubscribe address, or one that says nothing else.
    Mail,
    /// The way to unsubscribe that his provider or ours of email offers.
    Provider,
}

impl Source {
    /// As the evidence keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneClick => "rfc8058_post",
            Self::Page => "unsubscribe_page",
            Self::Link => "unsubscribe_link",
            Self::Mail => "unsubscribe_mail",
            Self::Provider => "mail_provider_opt_out",
        }
    }
}

/// What the page needs to know of the one who holds an unsubscribe link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub channel: Channel,
    /// `None` when the campaign names no topic: then there is only everything.
    pub topic: Option<String>,
    /// ISO 639-1; `None` when the customer was erased.
    pub language: Option<String>,
    /// Who wrote.
    pub sender: Option<String>,
    /// `None` when he was erased.
    pub customer: Option<CustomerId>,
}

/// Reads what the unsubscribe page shows, and changes nothing; `None` for a delivery that no longer is.
///
/// # Errors
/// When the database is away.
pub async fn invitation(
    db: &Db,
    delivery: DeliveryKey,
) -> Result<Option<Invitation>, ResponseError> {
    let addressee = store::addressee(&**db, delivery).await?;
    Ok(addressee.map(|addressee| Invitation {
        channel: addressee.channel,
        topic: addressee.terms.topic,
        sender: addressee.terms.sender.map(|sender| sender.name),
        customer: addressee.customer.as_ref().map(|customer| customer.id),
        language: addressee.customer.map(|customer| customer.language),
    }))
}

/// Opts the addressee of a delivery out. When this returns, evidence, withdrawn permission, suppression,
/// response, mark and counter are committed, all or none, and no message to him is in hand on any node
/// that could still leave; the same holds for everyone who shares the mailbox, and for every address on
/// record for him, since one of them was written to. Twice is as good as once. Of one who was erased the
/// addresses of his evidence are suppressed anew: he may have come back. For a delivery that no longer is
/// there is nothing left to do and that is no error (RFC 8058 wants the link to work for as long as the
/// message exists).
///
/// # Errors
/// When the database is away: then the customer must not be told that it is done.
pub async fn opt_out(
    db: &Db,
    delivery: DeliveryKey,
    choice: Choice,
    source: Source,
    at: i64,
) -> Result<Option<Invitation>, ResponseError> {
    let mut tries = 1;
    let recorded = loop {
        match record(db, delivery, choice, source, at).await {
            // A click of his is being written, which takes the same rows the other way round.
            Err(error) if tries < TRIES && is_deadlock(&error) => tries += 1,
            recorded => break recorded?,
        }
    };
    let Some((addressee, mailbox)) = recorded else {
        return Ok(None);
    };
    in_flight::settled(db, &mailbox, at, in_flight::AT_MOST).await?;
    Ok(Some(Invitation {
        channel: addressee.channel,
        topic: addressee.terms.topic,
        sender: addressee.terms.sender.map(|sender| sender.name),
        customer: addressee.customer.as_ref().map(|customer| customer.id),
        language: addressee.customer.map(|customer| customer.language),
    }))
}

/// Writes the opt-out in one transaction, and says who shares the mailbox; `None` for a delivery that no
/// longer is.
async fn record(
    db: &Db,
    delivery: DeliveryKey,
    choice: Choice,
    source: Source,
    at: i64,
) -> Result<Option<(Addressee, Vec<CustomerId>)>, DbErr> {
    let txn = db.begin().await?;
    let recorded = record_within(&txn, delivery, choice, source, at).await?;
    if recorded.is_some() {
        txn.commit().await?;
    }
    Ok(recorded)
}

/// The opt-out as part of a transaction.
pub(super) async fn record_within(
    txn: &Txn,
    delivery: DeliveryKey,
    choice: Choice,
    source: Source,
    at: i64,
) -> Result<Option<(Addressee, Vec<CustomerId>)>, DbErr> {
    let Some(Addressee { customer_id, .. }) = store::addressee(&**txn, delivery).await? else {
        return Ok(None);
    };
    let mailboxes = consent::store::hold_mailboxes(&**txn, customer_id).await?;
    // As he is now that his row is held.
    let Some(addressee) = store::addressee(&**txn, delivery).await? else {
        return Ok(None);
    };
    let scope = match choice {
        Choice::Topic => addressee.terms.scope(),
        Choice::Everything => Scope::All,
    };
    let current = addressee.customer.as_ref();
    consent::store::opt_out(
        &**txn,
        customer_id,
        current.and_then(|customer| customer.fingerprint.as_deref()),
        addressee.channel,
        &scope,
        source.as_str(),
        at,
    )
    .await?;
    store::write_opt_out(
        txn,
        &mut Waves::default(),
        Response {
            delivery,
            what: What::OptOut,
            made_by: MadeBy::Person,
            at,
        },
    )
    .await?;
    Ok(Some((addressee, mailboxes.customers)))
}
