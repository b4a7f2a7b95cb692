//! Recording what a provider posted.

use data_encoding::HEXLOWER;
use sea_orm::DbErr;

use super::model::{Brought, MailEvent, MailEventKind, OneTime};
use super::store;
use crate::config::MailProvider;
use crate::keys::Keys;
use crate::responses::inbox::receive::ReceiveError;
use crate::responses::inbox::told::{self, Told};
use crate::responses::mail::model::{Bounce, Feedback, FeedbackKind, MailKind};
use crate::storage::Db;

pub use crate::responses::inbox::told::Count as Recorded;

/// Why what was posted is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the database did not take what a provider posted: {0}; the provider posts it again")]
    Database(#[from] DbErr),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error("its token came with another body before")]
    SecondUse,
}

/// Records what a provider posted. When this returns, all of it is committed.
///
/// # Errors
/// When the database is away or a message is not settled yet: then the provider must be told to post it again.
pub async fn record(
    db: &Db,
    keys: &Keys,
    provider: MailProvider,
    brought: &Brought,
    once: Option<OneTime>,
    now_ms: i64,
) -> Result<Recorded, RecordError> {
    if let Some(once) = once
        && !store::is_first_use(db, once, now_ms).await?
    {
        return Err(RecordError::SecondUse);
    }
    let told: Vec<Told> = brought.events.iter().map(told).collect();
    Ok(told::take_told(db, keys, provider, &told, now_ms).await?)
}

fn told(event: &MailEvent) -> Told {
    let kind = match event.kind {
        MailEventKind::Bounce(verdict) => MailKind::Bounce(Bounce {
            class: verdict.class,
            status: None,
            code: None,
            rule: verdict.rule.to_owned(),
        }),
        MailEventKind::Complaint => MailKind::Complaint(Feedback {
            kind: FeedbackKind::Abuse,
            user_agent: None,
            reported_domain: None,
        }),
        MailEventKind::OptOut => MailKind::OptOut,
    };
    Told {
        kind,
        refs: event.refs.clone(),
        recipient: event.recipient.clone(),
        digest: HEXLOWER.encode(&event.digest),
        at: event.at,
    }
}
