//! Who told the provider to stop, as the provider says when it refuses a message to him: from then on he has
//! told us too.

use sea_orm::DbErr;

use super::model::{Settlement, Verdict};
use crate::channels::model::Class;
use crate::consent;
use crate::consent::model::{Channel, Scope};
use crate::ids::CustomerId;
use crate::storage::{Db, is_deadlock};

/// Where the "no" came from, in the evidence.
const SOURCE: &str = "sms_provider_opt_out";

/// How often a "no" is tried to be written.
const TRIES: u32 = 3;

/// Records the opt-outs among the settled. One that cannot be written now is refused again the next time.
pub(super) async fn record(db: &Db, settlements: &[Settlement], now_ms: i64) {
    for settlement in settlements {
        let Verdict::Failed {
            class: Class::OptedOut,
            ..
        } = settlement.verdict
        else {
            continue;
        };
        let mut tries = 1;
        while let Err(error) = record_one(db, settlement.customer, now_ms).await {
            if tries == TRIES || !is_deadlock(&error) {
                tracing::error!(%error, "an opt-out that a provider told could not be written");
                break;
            }
            tries += 1;
        }
    }
}

async fn record_one(db: &Db, customer: CustomerId, now_ms: i64) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    consent::store::opt_out(
        &*txn,
        customer,
        None,
        Channel::Sms,
        &Scope::All,
        SOURCE,
        now_ms,
    )
    .await?;
    txn.commit().await
}
