//! Answers without a link: who comes to a shop or calls, and names the code of an offer.
//!
//! Promise: an answer counts for the last message with that offer the person got, within the window for answers.
//! Of who got none, or is not known, it is counted apart (`answers.unmatched`), so that nothing is lost; what was
//! noted of people nobody knows is kept no longer than their orders.

use sea_orm::DbErr;
use serde::Serialize;
use utoipa::ToSchema;

use super::ResponseError;
use super::model::{Goal, MadeBy, Response, What};
use super::store::{self, Waves, answers};
use crate::customers::orders::Who;
use crate::customers::store::orders as customers;
use crate::ids::{DeliveryKey, WaveId};
use crate::storage::Txn;
use crate::tokens::coupon_key;

/// Where he answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Shop,
    Phone,
}

impl Place {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Phone => "phone",
        }
    }

    /// Reads the word of a request.
    pub fn read(word: &str) -> Option<Self> {
        [Self::Shop, Self::Phone]
            .into_iter()
            .find(|place| place.as_str() == word)
    }
}

/// An answer as it is told.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub code: &'a str,
    pub who: Who,
    pub place: Place,
    pub note: Option<&'a str>,
    /// Milliseconds since the epoch.
    pub at: i64,
}

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error("no campaign that was launched has an offer with this code")]
    UnknownCode,
    #[error(transparent)]
    Room(#[from] ResponseError),
}

impl From<DbErr> for AnswerError {
    fn from(error: DbErr) -> Self {
        Self::Room(error.into())
    }
}

/// Takes an answer; the message it answers, if there is one.
///
/// # Errors
/// When no offer has the code, or the database is away.
pub(crate) async fn answer(
    txn: &Txn,
    told: &Answer<'_>,
    now: i64,
) -> Result<Option<DeliveryKey>, AnswerError> {
    let code = coupon_key(told.code);
    let at = told.at.min(now);
    let newest = answers::newest_wave(txn, &code)
        .await?
        .ok_or(AnswerError::UnknownCode)?;
    let customer = customers::customers(txn, &[&told.who])
        .await?
        .find(&told.who);
    let mut waves = Waves::default();
    let mut message = None;
    if let Some(customer) = customer {
        let contacts = answers::contacts(txn, &code, customer, at).await?;
        let touched: Vec<WaveId> = contacts.iter().map(|(key, _)| key.wave).collect();
        let terms = store::orders::terms(&**txn, &mut waves, touched).await?;
        message = contacts
            .into_iter()
            .find(|(key, settled_at)| {
                terms.get(&key.wave).is_some_and(|terms| {
                    terms.is_within_window(Goal::Answer, Some(*settled_at), at)
                })
            })
            .map(|(key, _)| key);
    }
    answers::insert(txn, told, &code, customer, message, at, now).await?;
    match message {
        Some(delivery) => {
            let response = Response {
                delivery,
                what: What::Answer,
                made_by: MadeBy::Person,
                at,
            };
            store::write(txn, &mut waves, &[response]).await?;
        }
        None => {
            let moves = [((newest, "answers.unmatched".to_owned()), 1)].into();
            store::add_to_counters(txn, &moves).await?;
        }
    }
    Ok(message)
}
