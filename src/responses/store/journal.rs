//! How far the journals of responses are written.

use sea_orm::{ConnectionTrait, DbErr};

use crate::storage::{Sql, Txn};

/// How many entries of a journal are in the database.
pub(in crate::responses) async fn position(
    connection: &impl ConnectionTrait,
    journal: &str,
) -> Result<i64, DbErr> {
    let sql = "SELECT position FROM response_journals WHERE id = $1";
    let row = connection.row(sql, [journal.into()]).await?;
    row.map_or(Ok(0), |row| row.try_get("", "position"))
}

/// Notes that the entries up to `after` are written, in the transaction that writes those from `before` on;
/// `false` when they are in the database already, or others are not.
pub(in crate::responses) async fn note_position(
    txn: &Txn,
    journal: &str,
    before: i64,
    after: i64,
) -> Result<bool, DbErr> {
    txn.run(
        // Waits for a commit whose answer was lost and that goes on by itself, and then sees what it noted.
        "INSERT INTO response_journals (id, position) VALUES ($1, $3)
         ON CONFLICT (id) DO UPDATE SET position = excluded.position WHERE response_journals.position = $2",
        [journal.into(), before.into(), after.into()],
    )
    .await
    .map(|result| result.rows_affected() == 1)
}

/// Forgets a journal that is deleted.
pub(in crate::responses) async fn forget_journal(txn: &Txn, journal: &str) -> Result<(), DbErr> {
    let sql = "DELETE FROM response_journals WHERE id = $1";
    txn.run(sql, [journal.into()]).await.map(drop)
}
