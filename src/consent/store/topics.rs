//! The topics somebody said yes or no to.

use sea_orm::DbErr;

use crate::storage::{Db, Sql};

/// Each once; a no to the whole channel names none.
pub(in crate::consent) async fn granted_or_refused(db: &Db) -> Result<Vec<String>, DbErr> {
    db.rows(
        "SELECT DISTINCT topic FROM permissions WHERE topic <> '*' ORDER BY topic",
        [],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "topic"))
    .collect()
}
