//! Delivery receipts: duplicated, out of order, some before the message they are about is settled.

use std::collections::{BTreeMap, HashMap};

use sea_orm::DbErr;

use super::ANSWER;
use super::model::Standing;
use super::store::receipts::{self as store, Unmatched};
use crate::campaigns::cells::ALL;
use crate::channels::model::Class;
use crate::channels::sms::model::{Receipt, ReceiptState, is_message_id};
use crate::consent;
use crate::consent::model::{Channel, Evidence, Scope};
use crate::customers::store::numbers;
use crate::delivery::store::{SMS_COUNTERS, cell_counters};
use crate::ids::{DeliveryKey, WaveId};
use crate::keys::Keys;
use crate::responses::model::{MadeBy, Response, What};
use crate::responses::store::{Waves, add_to_counters, write_opt_out};
use crate::storage::{Db, Txn, is_deadlock};
use crate::tokens;

/// How long after a receipt its message is looked for every few seconds; later only by the upkeep.
pub const MATCH_WITHIN_MS: i64 = 3_600_000;
/// Kept receipts looked at in one transaction.
const BATCH: i64 = 200;
/// How often a transaction is tried that waits for another one that waits for it.
const TRIES: u32 = 3;
/// Where the "no" came from, in the evidence.
const SOURCE: &str = "sms_provider_opt_out";

/// Records receipts of messages that went through a provider; those whose message is not known (yet) are kept.
pub(super) async fn record(
    db: &Db,
    keys: &Keys,
    provider: &str,
    receipts: &[Receipt],
    now_ms: i64,
) -> Result<(), DbErr> {
    if receipts.is_empty() {
        return Ok(());
    }
    let mut tries = 1;
    loop {
        match record_once(db, keys, provider, receipts, now_ms).await {
            Err(error) if tries < TRIES && is_deadlock(&error) => tries += 1,
            recorded => return recorded,
        }
    }
}

async fn record_once(
    db: &Db,
    keys: &Keys,
    provider: &str,
    receipts: &[Receipt],
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    let ids: Vec<&str> = receipts.iter().filter_map(message_id).collect();
    let known = store::by_message_id(&*txn, provider, &ids).await?;
    let known: HashMap<String, DeliveryKey> = known.into_iter().collect();
    let mut new: BTreeMap<DeliveryKey, Vec<Unmatched>> = BTreeMap::new();
    let mut nameless = 0_usize;
    let mut unmatched = Vec::new();
    for receipt in receipts {
        let reference = receipt.reference.as_deref();
        if reference.is_some_and(|text| text.starts_with(ANSWER)) {
            continue;
        }
        let own = reference.and_then(|text| tokens::read_return_path_tag(text, keys));
        let by_id = message_id(receipt).and_then(|id| known.get(id));
        let one = Unmatched {
            delivery: own,
            message_id: message_id(receipt).map(str::to_owned),
            standing: Standing::of(receipt, now_ms),
        };
        match own.or_else(|| by_id.copied()) {
            Some(delivery) => new.entry(delivery).or_default().push(one),
            // Without a name of either kind its message will never be found.
            None if one.message_id.is_none() => nameless += 1,
            None => unmatched.push(one),
        }
    }
    let mut changes = Changes::default();
    for (delivery, receipts) in new {
        let standings = receipts.iter().map(|one| one.standing.clone());
        if !changes.apply(&txn, delivery, standings).await? {
            unmatched.extend(receipts);
        }
    }
    store::keep(&txn, provider, &unmatched, now_ms).await?;
    changes.follow(&txn, now_ms).await?;
    txn.commit().await?;
    let count = unmatched.len() + nameless;
    if count > 0 {
        tracing::info!(
            provider,
            count,
            "receipts of messages that are not known, or not yet"
        );
    }
    Ok(())
}

/// What the provider calls the message; nothing where no message of ours can be called so.
fn message_id(receipt: &Receipt) -> Option<&str> {
    receipt.message_id.as_deref().filter(|id| is_message_id(id))
}

/// Gives kept receipts that were received since `since_ms` to their messages, as far as these are settled by
/// now. Returns how many.
///
/// # Errors
/// When the database is away.
pub async fn match_kept(db: &Db, since_ms: i64, now_ms: i64) -> Result<u64, DbErr> {
    let mut count = 0;
    loop {
        // Looks first, so that an idle server takes no lock.
        let found = store::matched(&**db, since_ms, BATCH).await?;
        if found.is_empty() {
            return Ok(count);
        }
        let txn = db.begin().await?;
        let ids: Vec<i64> = found.iter().map(|(id, ..)| *id).collect();
        let taken = store::take(&txn, &ids).await?;
        let mut changes = Changes::default();
        for (id, delivery, standing) in found {
            // Another node may have been faster.
            if taken.contains(&id) {
                changes
                    .apply(&txn, delivery, std::iter::once(standing))
                    .await?;
                count += 1;
            }
        }
        changes.follow(&txn, now_ms).await?;
        txn.commit().await?;
    }
}

/// Lets go of receipts received before `before_ms` whose message never came. Returns how many.
///
/// # Errors
/// When the database is away.
pub async fn let_go_unmatched(db: &Db, before_ms: i64) -> Result<u64, DbErr> {
    let txn = db.begin().await?;
    let count = store::forget_unmatched(&txn, before_ms).await?;
    txn.commit().await?;
    Ok(count)
}

/// What follows from receipts, done after all of them: who writes to people takes locks that others want.
#[derive(Debug, Default)]
struct Changes {
    counters: BTreeMap<(WaveId, String), i64>,
    opted_out: Vec<DeliveryKey>,
    /// Messages to numbers that do not exist, and when that was said.
    refused: Vec<(DeliveryKey, i64)>,
    /// Messages that arrived.
    reached: Vec<DeliveryKey>,
}

impl Changes {
    /// Gives a message its receipts; `false` when there is no such message.
    async fn apply(
        &mut self,
        txn: &Txn,
        delivery: DeliveryKey,
        receipts: impl Iterator<Item = Standing>,
    ) -> Result<bool, DbErr> {
        let Some(received) = store::standing(txn, delivery).await? else {
            return Ok(false);
        };
        let before = received.standing;
        let Some(after) = before
            .iter()
            .cloned()
            .chain(receipts)
            .reduce(Standing::with)
        else {
            return Ok(true);
        };
        if before.as_ref() == Some(&after) {
            return Ok(true);
        }
        store::set_standing(txn, delivery, &after).await?;
        let former = before.as_ref().map(|standing| standing.state);
        if former != Some(after.state) && received.is_accepted {
            let cell = received.cell.as_deref();
            if let Some(former) = former {
                self.count(delivery.wave, cell, former, -1);
            }
            self.count(delivery.wave, cell, after.state, 1);
        }
        if after.state == ReceiptState::Delivered && former != Some(ReceiptState::Delivered) {
            self.reached.push(delivery);
        }
        let class = after.class();
        if class != before.and_then(|standing| standing.class()) {
            match class {
                Some(Class::OptedOut) => self.opted_out.push(delivery),
                Some(Class::InvalidRecipient) => self.refused.push((delivery, after.at)),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Counts a message into a state or out of it: for the wave, its channel, and its cell where it has one.
    fn count(&mut self, wave: WaveId, cell: Option<&str>, state: ReceiptState, by: i64) {
        let name = match state {
            ReceiptState::Sent => "receipts.sent",
            ReceiptState::Undelivered => "receipts.undelivered",
            ReceiptState::Delivered => "receipts.delivered",
        };
        let cell = cell.filter(|cell| !cell.is_empty() && *cell != ALL);
        let of_cell = cell.map(|cell| format!("{}{name}", cell_counters(cell)));
        let names = [name.to_owned(), format!("{SMS_COUNTERS}{name}")];
        for name in names.into_iter().chain(of_cell) {
            *self.counters.entry((wave, name)).or_default() += by;
        }
    }

    /// Does what follows for people, then moves the counters: every writer of a wave wants the same few rows.
    async fn follow(self, txn: &Txn, now_ms: i64) -> Result<(), DbErr> {
        for delivery in &self.opted_out {
            opt_out(txn, *delivery, now_ms).await?;
        }
        let mut refused = Vec::new();
        for (delivery, at) in &self.refused {
            if let Some((_, Some(fingerprint))) = store::addressee(txn, *delivery).await? {
                refused.push((fingerprint, *at));
            }
        }
        numbers::note_refused(txn, &refused).await?;
        let mut reached = Vec::new();
        for delivery in &self.reached {
            if let Some((_, Some(fingerprint))) = store::addressee(txn, *delivery).await? {
                reached.push(fingerprint);
            }
        }
        numbers::note_reached(txn, &reached).await?;
        add_to_counters(txn, &self.counters).await
    }
}

/// Takes the "no" that somebody said to the provider, who will let nothing through to him any more.
async fn opt_out(txn: &Txn, delivery: DeliveryKey, now_ms: i64) -> Result<(), DbErr> {
    let Some((customer, fingerprint)) = store::addressee(txn, delivery).await? else {
        return Ok(());
    };
    let said = Evidence::withdrawal(customer, Channel::Sms, Scope::All, SOURCE, now_ms);
    consent::store::opt_out_by(&**txn, said, fingerprint.as_deref()).await?;
    let response = Response {
        delivery,
        what: What::OptOut,
        made_by: MadeBy::Person,
        at: now_ms,
    };
    write_opt_out(txn, &mut Waves::default(), response).await
}
