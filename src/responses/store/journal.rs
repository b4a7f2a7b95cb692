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

/// Notes that the first `position` entries are written, in the transaction that writes the last of them.
pub(in crate::responses) async fn note_position(
    txn: &Txn,
    journal: &str,
    position: i64,
) -> Result<(), DbErr> {
    txn.run(
        "INSERT INTO response_journals (id, position) VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE SET position = excluded.position",
        [journal.into(), position.into()],
    )
    .await
    .map(drop)
}

/// Forgets a journal that is deleted.
pub(in crate::responses) async fn forget_journal(txn: &Txn, journal: &str) -> Result<(), DbErr> {
    let sql = "DELETE FROM response_journals WHERE id = $1";
    txn.run(sql, [journal.into()]).await.map(drop)
}
