//! How far IMAP folders are read.

use sea_orm::DbErr;

use crate::storage::{Db, Sql};

/// Up to which mail of a folder everything was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// When the folder has another, its numbers mean other mails (RFC 3501 section 2.3.1.1).
    pub uid_validity: i64,
    pub last_uid: i64,
}

/// Up to where a folder is read; `None`: not yet.
///
/// # Errors
/// When the database is away.
pub async fn position(db: &Db, mailbox: &str) -> Result<Option<Position>, DbErr> {
    let row = db
        .row(
            "SELECT uid_validity, last_uid FROM mailbox_positions WHERE mailbox = $1",
            [mailbox.into()],
        )
        .await?;
    row.map(|row| {
        Ok(Position {
            uid_validity: row.try_get("", "uid_validity")?,
            last_uid: row.try_get("", "last_uid")?,
        })
    })
    .transpose()
}

/// Notes up to where a folder is read.
///
/// # Errors
/// When the database is away.
pub async fn note_position(db: &Db, mailbox: &str, position: Position) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "INSERT INTO mailbox_positions (mailbox, uid_validity, last_uid) VALUES ($1, $2, $3)
         ON CONFLICT (mailbox) DO UPDATE SET uid_validity = excluded.uid_validity, last_uid = excluded.last_uid",
        [
            mailbox.into(),
            position.uid_validity.into(),
            position.last_uid.into(),
        ],
    )
    .await?;
    txn.commit().await
}
