//! The links to reports.

use sea_orm::DbErr;

use crate::reports::shares::Share;
use crate::storage::{Db, Sql, Txn};

/// A link to be kept.
pub(in crate::reports) struct New<'a> {
    pub digest: &'a str,
    pub made_by: &'a str,
    pub created_at: i64,
    pub expires_at: i64,
}

/// Keeps a link; false when there is no such campaign.
pub(in crate::reports) async fn add(
    txn: &Txn,
    campaign: &str,
    new: &New<'_>,
) -> Result<bool, DbErr> {
    let row = txn
        .row(
            "INSERT INTO report_shares (digest, campaign_id, made_by, created_at, expires_at)
             SELECT $1, id, $2, $3, $4 FROM campaigns WHERE name = $5 RETURNING id",
            [
                new.digest.into(),
                new.made_by.into(),
                new.created_at.into(),
                new.expires_at.into(),
                campaign.into(),
            ],
        )
        .await?;
    Ok(row.is_some())
}

pub(in crate::reports) async fn campaign(
    db: &Db,
    digest: &str,
    now_ms: i64,
) -> Result<Option<String>, DbErr> {
    let row = db
        .row(
            "SELECT c.name FROM report_shares s JOIN campaigns c ON c.id = s.campaign_id
             WHERE s.digest = $1 AND s.expires_at > $2 AND s.revoked_at IS NULL",
            [digest.into(), now_ms.into()],
        )
        .await?;
    row.map(|row| row.try_get("", "name")).transpose()
}

/// The last hundred, and before them all that work.
pub(in crate::reports) async fn list(
    db: &Db,
    campaign: &str,
    now_ms: i64,
) -> Result<Vec<Share>, DbErr> {
    let rows = db
        .rows(
            "SELECT s.id, s.made_by, s.created_at, s.expires_at, s.revoked_at
             FROM report_shares s JOIN campaigns c ON c.id = s.campaign_id
             WHERE c.name = $1 AND (s.revoked_at IS NULL AND s.expires_at > $2
               OR s.id >= COALESCE((SELECT o.id FROM report_shares o WHERE o.campaign_id = c.id
                                    ORDER BY o.id DESC LIMIT 1 OFFSET 99), 0))
             ORDER BY s.id DESC",
            [campaign.into(), now_ms.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Share {
                id: row.try_get("", "id")?,
                made_by: row.try_get("", "made_by")?,
                created_at: row.try_get("", "created_at")?,
                expires_at: row.try_get("", "expires_at")?,
                revoked_at: row.try_get("", "revoked_at")?,
            })
        })
        .collect()
}

/// Ends a link; false when there was none to end.
pub(in crate::reports) async fn revoke(
    txn: &Txn,
    campaign: &str,
    id: i64,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let row = txn
        .row(
            "UPDATE report_shares SET revoked_at = $1
             WHERE id = $2 AND revoked_at IS NULL
               AND campaign_id = (SELECT id FROM campaigns WHERE name = $3) RETURNING id",
            [now_ms.into(), id.into(), campaign.into()],
        )
        .await?;
    Ok(row.is_some())
}
