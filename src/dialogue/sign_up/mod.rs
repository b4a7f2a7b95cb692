//! Signing up: the request, and the confirmation over the channel itself that makes it a permission
//! (double opt-in).
//!
//! Until it is confirmed nothing is known of anybody: no customer, no permission. The answer to a request
//! is the same for an address we know, do not know, or must not write to, and so is the work done.

pub mod form;

use sea_orm::DbErr;

use super::confirmation;
use super::model::{Agreement, Ask, Asked, Confirmation, Limits, Opened, Purpose};
use super::store;
use crate::config::Settings;
use crate::consent::ladder::Level;
use crate::consent::model::{Basis, Channel, Details, Evidence};
use crate::consent::store as consent;
use crate::customers::enrol::{self, Enrolment};
use crate::customers::normalise;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::{Db, Txn};
use form::Filled;

/// Where a form was filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Our page.
    Form,
    /// The firm's own form, over the JSON endpoint.
    Api,
}

/// A request to sign up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub filled: Filled,
    pub way: Way,
    /// ISO 639-1.
    pub language: String,
    pub from: Details,
}

/// Takes a request: a message goes to the address, with a link to confirm it. What became of it is not
/// for the one who asked.
///
/// # Errors
/// When the database is away.
pub async fn request(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    request: Request,
    now_ms: i64,
) -> Result<Asked, DbErr> {
    let Request {
        filled,
        way,
        language,
        from,
    } = request;
    let form = match way {
        Way::Form => "sign_up_form",
        Way::Api => "sign_up_api",
    };
    let agreement = Agreement {
        topics: filled.topics,
        source: format!("{form}:{}", settings.sign_up.form_version),
        fields: filled.fields,
        asked_from: from,
    };
    let payload = serde_json::to_value(&agreement)
        .map_err(|error| DbErr::Custom(format!("a sign-up cannot be written down: {error}")))?;
    let lifetime_ms = i64::from(settings.sign_up.token_hours) * 3_600_000;
    let txn = db.begin().await?;
    let ask = Ask {
        purpose: Purpose::OptIn,
        channel: Channel::Email,
        customer: store::oldest_of(&txn, &filled.email.key).await?,
        fingerprint: keys.fingerprint(&filled.email.key),
        limit_key: keys.fingerprint(&mailbox(&filled.email.key)),
        address: Some(filled.email.address),
        language,
        payload,
        expires_at: now_ms.saturating_add(lifetime_ms),
    };
    let asked = confirmation::ask(&txn, &ask, Limits::from(&settings.sign_up), now_ms).await?;
    txn.commit().await?;
    Ok(asked)
}

/// The address without the tag by which many hosts tell letters of one mailbox apart (RFC 5233):
/// `ada+shop@mail.example` is in `ada@mail.example`. Elsewhere that is somebody else, so this is for
/// counting, not for writing to.
fn mailbox(email_key: &str) -> String {
    match email_key.rsplit_once('@') {
        Some((local, domain)) => match local.split_once('+') {
            Some((name, _tag)) if !name.is_empty() => format!("{name}@{domain}"),
            _ => email_key.to_owned(),
        },
        None => email_key.to_owned(),
    }
}

/// What became of a confirmation.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirmed {
    /// It holds from now on.
    Done {
        customer: CustomerId,
        agreement: Agreement,
        confirmation: Confirmation,
    },
    /// It held before: nothing was done.
    Before(Confirmation),
    /// Too late, or the person is gone: nothing was done.
    Expired(Confirmation),
    /// No link of ours, or not one to agree by.
    Unknown,
}

/// Confirms a sign-up, or that an old permission still holds: in one transaction the link is used up, the
/// customer is there, and each topic has its evidence of a consent given now. A "no" that came before is
/// lifted by that, a later one is not.
///
/// # Errors
/// When the database is away: nothing was done, and the link stays fresh.
pub async fn confirm(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    token: &str,
    from: Details,
    now_ms: i64,
) -> Result<Confirmed, DbErr> {
    let txn = db.begin().await?;
    let confirmation = match confirmation::take(&txn, keys, token, now_ms).await? {
        Opened::Fresh(confirmation) => confirmation,
        Opened::Used(confirmation) => return Ok(Confirmed::Before(confirmation)),
        Opened::Expired(confirmation) => return Ok(Confirmed::Expired(confirmation)),
        Opened::Unknown => return Ok(Confirmed::Unknown),
    };
    match confirmation.purpose {
        Purpose::OptIn | Purpose::RePermission => {}
        // Rolled back: it stays fresh for its own page.
        Purpose::Download | Purpose::Erasure => return Ok(Confirmed::Unknown),
    }
    let agreement = Agreement::read(&confirmation.payload).map_err(DbErr::Type)?;
    store::wait_for_turn(&txn, &confirmation.fingerprint).await?;
    let Some(customer) = enrol(&txn, keys, settings, &confirmation, &agreement, now_ms).await?
    else {
        return Ok(Confirmed::Expired(confirmation));
    };
    let page_url = agreement.asked_from.page_url.clone();
    let evidence: Vec<_> = agreement
        .topics
        .iter()
        .map(|topic| {
            let evidence = Evidence {
                wording: Some(topic.wording.clone()),
                locale: Some(confirmation.language.clone()),
                actor: Some("person".to_owned()),
                confirmation: Some(confirmation.id.0),
                level: Level::of_topic(&settings.permission.topics, &topic.name),
                details: Some(Details {
                    page_url: page_url.clone(),
                    ..from.clone()
                }),
                ..Evidence::grant(
                    customer,
                    confirmation.channel,
                    &topic.name,
                    Basis::Consent,
                    &agreement.source,
                    now_ms,
                )
            };
            (evidence, Some(confirmation.fingerprint.clone()))
        })
        .collect();
    consent::record_all(&*txn, &evidence, now_ms).await?;
    store::set_customer(&txn, confirmation.id, customer).await?;
    txn.commit().await?;
    Ok(Confirmed::Done {
        customer,
        agreement,
        confirmation,
    })
}

/// The customer who confirmed; `None` when the base knew him and he is gone since, or has another address
/// now: this link was sent to the old one.
async fn enrol(
    txn: &Txn,
    keys: &Keys,
    settings: &Settings,
    confirmation: &Confirmation,
    agreement: &Agreement,
    now_ms: i64,
) -> Result<Option<CustomerId>, DbErr> {
    let address = match confirmation.customer {
        Some(customer) => store::reach(&**txn, customer).await?.address,
        None => confirmation.address.clone(),
    };
    let email = address.and_then(|address| normalise::email(&address).ok());
    let Some(email) =
        email.filter(|email| keys.fingerprint(&email.key) == confirmation.fingerprint)
    else {
        return Ok(None);
    };
    let enrolment = Enrolment {
        email: &email,
        language: &confirmation.language,
        country: &settings.sign_up.country,
        fields: &agreement.fields,
    };
    enrol::enrol(txn, keys, &enrolment, now_ms).await.map(Some)
}
