//! Notes about customers.

use sea_orm::DbErr;

use crate::customers::notes::Note;
use crate::ids::{CustomerId, NoteId};
use crate::storage::{Db, Sql, Txn};

/// `None` when there is no such customer.
pub(in crate::customers) async fn add(
    txn: &Txn,
    customer: CustomerId,
    text: &str,
    author: &str,
    now_ms: i64,
) -> Result<Option<NoteId>, DbErr> {
    txn.row(
        "INSERT INTO customer_notes (customer_id, body, author, written_at)
         SELECT c.id, $2, $3, $4 FROM customers c WHERE c.id = $1 RETURNING id",
        [customer.0.into(), text.into(), author.into(), now_ms.into()],
    )
    .await?
    .map(|row| row.try_get("", "id").map(NoteId))
    .transpose()
}

pub(in crate::customers) async fn remove(
    txn: &Txn,
    customer: CustomerId,
    note: NoteId,
) -> Result<bool, DbErr> {
    let removed = txn
        .run(
            "DELETE FROM customer_notes WHERE id = $1 AND customer_id = $2",
            [note.0.into(), customer.0.into()],
        )
        .await?;
    Ok(removed.rows_affected() > 0)
}

pub(in crate::customers) async fn newest(
    db: &Db,
    customer: CustomerId,
    before: NoteId,
    limit: i64,
) -> Result<Vec<Note>, DbErr> {
    db.rows(
        "SELECT id, body, author, written_at FROM customer_notes WHERE customer_id = $1 AND id < $2
         ORDER BY id DESC LIMIT $3",
        [customer.0.into(), before.0.into(), limit.into()],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(Note {
            id: NoteId(row.try_get("", "id")?),
            text: row.try_get("", "body")?,
            author: row.try_get("", "author")?,
            written_at: row.try_get("", "written_at")?,
        })
    })
    .collect()
}
