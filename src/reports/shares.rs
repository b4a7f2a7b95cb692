//! Links by which somebody without an account reads one report: they end by themselves, and can be ended.

use serde::Serialize;

use super::{ReportError, store};
use crate::accounts::{audit, digest_of, random_token};
use crate::clock::DAY_MS;
use crate::storage::Db;

/// For how many days a link may work.
pub const LASTS_DAYS: [i64; 4] = [7, 30, 90, 365];

/// A link that was given out; what it was is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    pub id: i64,
    pub made_by: String,
    /// Milliseconds since the epoch, as all below.
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
}

impl Share {
    /// Whether it opens the report at this instant.
    pub fn works(&self, now_ms: i64) -> bool {
        self.revoked_at.is_none() && now_ms < self.expires_at
    }
}

/// Makes a link to the report of a campaign and returns its token; `None` when there is no such campaign.
/// `days` beyond a year count as a year.
///
/// # Errors
/// When the database or chance is away.
pub async fn make(
    db: &Db,
    campaign: &str,
    actor: &str,
    days: i64,
    now_ms: i64,
) -> Result<Option<String>, ReportError> {
    let token = random_token()?;
    let [.., longest] = LASTS_DAYS;
    let expires_at = now_ms.saturating_add(days.clamp(1, longest) * DAY_MS);
    let txn = db.begin().await?;
    let digest = digest_of(&token);
    let row = store::shares::New {
        digest: &digest,
        made_by: actor,
        created_at: now_ms,
        expires_at,
    };
    if !store::shares::add(&txn, campaign, &row).await? {
        return Ok(None);
    }
    let detail = format!("for {days} days");
    audit::note(&*txn, actor, "report.share", campaign, &detail, now_ms).await?;
    txn.commit().await?;
    Ok(Some(token))
}

/// The campaign whose report a token opens now; `None` whatever is wrong with it.
///
/// # Errors
/// When the database is away.
pub async fn find(db: &Db, token: &str, now_ms: i64) -> Result<Option<String>, ReportError> {
    Ok(store::shares::campaign(db, &digest_of(token), now_ms).await?)
}

/// The last links to a campaign's report and all that still work, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db, campaign: &str, now_ms: i64) -> Result<Vec<Share>, ReportError> {
    Ok(store::shares::list(db, campaign, now_ms).await?)
}

/// Ends a link of this campaign; false when it has none of this number that works.
///
/// # Errors
/// When the database is away.
pub async fn revoke(
    db: &Db,
    campaign: &str,
    id: i64,
    actor: &str,
    now_ms: i64,
) -> Result<bool, ReportError> {
    let txn = db.begin().await?;
    if !store::shares::revoke(&txn, campaign, id, now_ms).await? {
        return Ok(false);
    }
    let detail = format!("link {id}");
    audit::note(&*txn, actor, "report.unshare", campaign, &detail, now_ms).await?;
    txn.commit().await?;
    Ok(true)
}
