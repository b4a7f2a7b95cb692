//! Permissions end: at the date the grant names, or when nothing came from the person for as long as
//! the basis holds. The end is evidence like any other; it suppresses nothing, and a newer grant renews.

use std::collections::BTreeMap;

use sea_orm::DbErr;
use serde::Serialize;

use super::bases::holds_days;
use super::model::{Action, Basis, Evidence};
use super::store::expiry::Ended;
use super::store::{self, expiry};
use crate::clock::DAY_MS;
use crate::config::PermissionSettings;
use crate::storage::{Db, Txn};

/// What an upkeep ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Grants whose own date passed.
    pub by_date: u64,
    /// Grants whose basis ended, by basis.
    pub by_basis: BTreeMap<&'static str, u64>,
}

impl Expired {
    /// All of them.
    pub fn count(&self) -> u64 {
        self.by_date + self.by_basis.values().sum::<u64>()
    }
}

/// Days after the last act at which each basis ends; those without end are left out.
fn limits(settings: &PermissionSettings) -> Vec<(Basis, i64)> {
    Basis::ALL
        .into_iter()
        .filter_map(|basis| Some((basis, i64::from(holds_days(basis, settings)?))))
        .collect()
}

/// The same in milliseconds.
pub(super) fn lengths(settings: &PermissionSettings) -> Vec<(Basis, i64)> {
    limits(settings)
        .into_iter()
        .map(|(basis, days)| (basis, days * DAY_MS))
        .collect()
}

/// Records the end of every grant that has ended by `now_ms`, in short transactions. The end is dated
/// when it came, not when it was noticed, so that a yes said since then counts.
///
/// # Errors
/// When the database is away; what was recorded before stays.
pub async fn expire_due(
    db: &Db,
    settings: &PermissionSettings,
    now_ms: i64,
) -> Result<Expired, DbErr> {
    let mut expired = Expired::default();
    let mut last = None;
    loop {
        let txn = db.begin().await?;
        last = expire_some(&txn, settings, now_ms, last.as_ref(), &mut expired).await?;
        txn.commit().await?;
        if last.is_none() {
            return Ok(expired);
        }
    }
}

/// Counts what [`expire_due`] would end, in a transaction that is taken back.
///
/// # Errors
/// When the database is away.
pub async fn count_due(
    db: &Db,
    settings: &PermissionSettings,
    now_ms: i64,
) -> Result<Expired, DbErr> {
    let mut expired = Expired::default();
    let txn = db.begin().await?;
    let mut last = None;
    loop {
        last = expire_some(&txn, settings, now_ms, last.as_ref(), &mut expired).await?;
        if last.is_none() {
            break;
        }
    }
    txn.rollback().await?;
    Ok(expired)
}

/// Ends some of the grants that have ended, those that follow `after`; the last of them, `None` when there
/// were none left.
async fn expire_some(
    txn: &Txn,
    settings: &PermissionSettings,
    now_ms: i64,
    after: Option<&Ended>,
    expired: &mut Expired,
) -> Result<Option<Ended>, DbErr> {
    let limits = limits(settings);
    let lengths = lengths(settings);
    let mut ended = expiry::ended(txn, &lengths, now_ms, after).await?;
    let mut evidence = Vec::with_capacity(ended.len());
    for end in &ended {
        let days = limits
            .iter()
            .find(|(basis, _)| Some(*basis) == end.basis)
            .map_or(0, |(_, days)| *days);
        let source = if end.is_by_date {
            expired.by_date += 1;
            "end date of the grant".to_owned()
        } else {
            let basis = end.basis.map_or("unknown", Basis::as_str);
            *expired.by_basis.entry(basis).or_default() += 1;
            format!("nothing came from the person for {days} days")
        };
        let piece = Evidence {
            action: Action::Expire,
            actor: Some("system".to_owned()),
            ..Evidence::withdrawal(
                end.customer,
                end.channel,
                end.scope.clone(),
                &source,
                end.ended_at,
            )
        };
        evidence.push((piece, end.fingerprint.clone()));
    }
    store::record_all(&**txn, &evidence, now_ms).await?;
    Ok(ended.pop())
}
