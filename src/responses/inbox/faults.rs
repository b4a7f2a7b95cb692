//! What bounces are held against: addresses, and campaigns whose messages are blocked.

use sea_orm::DbErr;

use super::model::{Blocks, Faults};
use super::store::faults as store;
use crate::accounts::audit;
use crate::campaigns::plan::{self, PlanError};
use crate::channels::model::Class;
use crate::ids::{DeliveryKey, WaveId};
use crate::storage::{Db, Txn};

/// Holds a bounce against an address, and takes the address out of use where that is enough. The state belongs to the
/// mailbox: it is that of everyone who has the address now.
pub(super) async fn note(
    txn: &Txn,
    fingerprint: &str,
    class: Class,
    delivery: Option<DeliveryKey>,
    now_ms: i64,
) -> Result<(), DbErr> {
    // Whoever bounces at the same address waits here.
    store::hold_people(txn, fingerprint).await?;
    let former = store::faults(txn, fingerprint, class).await?;
    if let (Some((_, Some(last))), Some(this)) = (&former, delivery)
        && *last == this
    {
        // A second mail about one message.
        return Ok(());
    }
    let former = former.map(|(faults, _)| faults);
    let has_answered = match former {
        Some(former) => store::has_answered(txn, fingerprint, former.first_at).await?,
        None => false,
    };
    let faults = Faults::after(former, class, now_ms, has_answered);
    store::set_faults(txn, fingerprint, class, faults, delivery).await?;
    if faults.is_dead(class) {
        store::mark_refused(txn, fingerprint, now_ms).await?;
    }
    Ok(())
}

/// Pauses the campaign of a wave whose messages come back blocked in numbers.
pub(super) async fn raise_alarm(db: &Db, wave: WaveId, now_ms: i64) -> Result<(), DbErr> {
    let Some(standing) = store::blocks(db, wave).await? else {
        return Ok(());
    };
    if !standing.now.is_alarming(standing.at_last_alarm) {
        return Ok(());
    }
    let Blocks { bounces, accepted } = standing.now;
    let txn = db.begin().await?;
    store::note_alarm(&txn, wave, standing.now, now_ms).await?;
    txn.commit().await?;
    let reason = format!(
        "{bounces} of {accepted} messages came back blocked or refused by policy; look at /mail, mend the cause, then resume"
    );
    match plan::pause(db, &standing.campaign, &reason, audit::PROGRAM, now_ms).await {
        Ok(_) => {
            tracing::error!(
                campaign = standing.campaign,
                bounces,
                "campaign paused: messages come back blocked"
            );
            Ok(())
        }
        Err(PlanError::Database(error)) => Err(error),
        // It is paused or over already.
        Err(error) => {
            tracing::warn!(campaign = standing.campaign, %error, "messages come back blocked; campaign not paused");
            Ok(())
        }
    }
}
