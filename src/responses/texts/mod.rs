//! What comes back by SMS: what became of messages, and what people write to us.
//!
//! Promise: everything is durable before the provider is told that it was taken, and taken twice it changes
//! nothing more; receipts may come in any order; a STOP acts at once and on everything this firm sends by SMS,
//! whoever has the number; what no keyword says is kept for a person to read. Whether the provider really sent
//! it is proved before this room is asked.

mod inbound;
pub mod keywords;
pub mod model;
mod receipts;
pub mod replies;
mod smsc;
mod store;

use super::ResponseError;
use crate::channels::sms::model::SmsEvent;
use crate::keys::Keys;
use crate::storage::Db;

pub use receipts::{MATCH_WITHIN_MS, let_go_unmatched, match_kept};
pub use smsc::listen;
pub use store::retention::{count_old, let_go_old};

/// How the references of our answers begin, by which their receipts are known: nothing follows from those.
pub const ANSWER: &str = "answer-";

/// The account by which something came.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Its name in the settings.
    pub provider: &'a str,
    /// Whether the provider itself answers STOP and HELP.
    pub answers_keywords: bool,
}

/// Records what a provider posted. When this returns, all of it is committed, and no message to whoever said
/// STOP is in hand any more that could still leave.
///
/// # Errors
/// When the database is away: then the provider must be told to post it again; what was recorded stays, and
/// does no harm when it comes again.
pub async fn record(
    db: &Db,
    keys: &Keys,
    account: Account<'_>,
    events: Vec<SmsEvent>,
    now_ms: i64,
) -> Result<(), ResponseError> {
    let mut receipts = Vec::new();
    let mut texts = Vec::new();
    for event in events {
        match event {
            SmsEvent::Receipt(receipt) => receipts.push(receipt),
            SmsEvent::Inbound(text) => texts.push(text),
        }
    }
    receipts::record(db, keys, account.provider, &receipts, now_ms).await?;
    inbound::record(db, keys, account, &texts, now_ms).await?;
    Ok(())
}
