//! Mails kept for a person.

use sea_orm::{DbErr, QueryResult};

use crate::ids::CustomerId;
use crate::responses::inbox::kept::KeptMail;
use crate::storage::{Db, Sql, Txn};

const SELECT: &str = "SELECT r.id, r.kind, r.class, r.sender, r.subject, r.body, r.customer_id, c.first_name, c.last_name,
        m.name AS campaign, r.received_at, r.done_at
     FROM received_mails r LEFT JOIN customers c ON c.id = r.customer_id
     LEFT JOIN waves w ON w.id = r.wave_id LEFT JOIN campaigns m ON m.id = w.campaign_id";

/// How many are kept, and how many of them nobody has dealt with.
pub(in crate::responses::inbox) async fn count(db: &Db) -> Result<(u64, u64), DbErr> {
    let row = db
        .row(
            "SELECT (SELECT COUNT(*) FROM received_mails WHERE is_kept) AS n,
                (SELECT COUNT(*) FROM received_mails WHERE is_kept AND done_at IS NULL) AS open",
            [],
        )
        .await?;
    let Some(row) = row else { return Ok((0, 0)) };
    let (all, open): (i64, i64) = (row.try_get("", "n")?, row.try_get("", "open")?);
    Ok((all.unsigned_abs(), open.unsigned_abs()))
}

/// Those below a number, the newest first.
pub(in crate::responses::inbox) async fn page(
    db: &Db,
    is_open_only: bool,
    before: i64,
    limit: i64,
) -> Result<Vec<KeptMail>, DbErr> {
    let open = if is_open_only {
        "AND r.done_at IS NULL"
    } else {
        ""
    };
    db.rows(
        format!("{SELECT} WHERE r.is_kept {open} AND r.id < $1 ORDER BY r.id DESC LIMIT $2"),
        [before.into(), limit.into()],
    )
    .await?
    .iter()
    .map(read)
    .collect()
}

/// One of them.
pub(in crate::responses::inbox) async fn mail(db: &Db, id: i64) -> Result<Option<KeptMail>, DbErr> {
    let row = db
        .row(
            format!("{SELECT} WHERE r.is_kept AND r.id = $1"),
            [id.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &QueryResult) -> Result<KeptMail, DbErr> {
    let first: Option<String> = row.try_get("", "first_name")?;
    let last: Option<String> = row.try_get("", "last_name")?;
    let name = [first, last].into_iter().flatten().collect::<Vec<_>>();
    Ok(KeptMail {
        id: row.try_get("", "id")?,
        kind: row.try_get("", "kind")?,
        class: row.try_get("", "class")?,
        sender: row.try_get("", "sender")?,
        subject: row.try_get("", "subject")?,
        text: row.try_get("", "body")?,
        customer: row
            .try_get::<Option<i64>>("", "customer_id")?
            .map(CustomerId),
        name: (!name.is_empty()).then(|| name.join(" ")),
        campaign: row.try_get("", "campaign")?,
        received_at: row.try_get("", "received_at")?,
        done_at: row.try_get("", "done_at")?,
    })
}

/// Marks one as dealt with; whether there is such a mail.
pub(in crate::responses::inbox) async fn mark_done(
    txn: &Txn,
    id: i64,
    now_ms: i64,
) -> Result<bool, DbErr> {
    txn.run(
        "UPDATE received_mails SET done_at = COALESCE(done_at, $2) WHERE id = $1 AND is_kept",
        [id.into(), now_ms.into()],
    )
    .await
    .map(|result| result.rows_affected() == 1)
}
