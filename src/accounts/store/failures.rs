//! The rows of sign-ins that failed.

use sea_orm::DbErr;

use crate::storage::{Db, Sql, Txn};

/// Failures since an instant.
#[derive(Debug)]
pub(in crate::accounts) struct Failures {
    /// Of the account from the network.
    pub(in crate::accounts) of_pair: i64,
    pub(in crate::accounts) of_account: i64,
    pub(in crate::accounts) of_network: i64,
}

pub(in crate::accounts) async fn failures(
    db: &Db,
    account: &str,
    network: &str,
    since: i64,
) -> Result<Failures, DbErr> {
    let row = db
        .row(
            "SELECT (SELECT COUNT(*) FROM sign_in_failures WHERE account = $1 AND network = $2 AND failed_at > $3) AS of_pair,
                    (SELECT COUNT(*) FROM sign_in_failures WHERE account = $1 AND failed_at > $3) AS of_account,
                    (SELECT COUNT(*) FROM sign_in_failures WHERE network = $2 AND failed_at > $3) AS of_network",
            [account.into(), network.into(), since.into()],
        )
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("a row of counts".to_owned()))?;
    Ok(Failures {
        of_pair: row.try_get("", "of_pair")?,
        of_account: row.try_get("", "of_account")?,
        of_network: row.try_get("", "of_network")?,
    })
}

/// Notes a failure; its number.
pub(in crate::accounts) async fn note_failure(
    db: &Db,
    account: &str,
    network: &str,
    now_ms: i64,
) -> Result<i64, DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "DELETE FROM sign_in_failures WHERE failed_at < $1",
        [(now_ms - crate::clock::DAY_MS).into()],
    )
    .await?;
    let row = txn
        .row(
            "INSERT INTO sign_in_failures (account, network, failed_at) VALUES ($1, $2, $3) RETURNING id",
            [account.into(), network.into(), now_ms.into()],
        )
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    txn.commit().await?;
    row.try_get("", "id")
}

pub(in crate::accounts) async fn forget_failure(txn: &Txn, id: i64) -> Result<(), DbErr> {
    txn.run("DELETE FROM sign_in_failures WHERE id = $1", [id.into()])
        .await
        .map(drop)
}

pub(in crate::accounts) async fn forget_failures(
    db: &Db,
    account: &str,
    network: &str,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "DELETE FROM sign_in_failures WHERE account = $1 AND network = $2",
        [account.into(), network.into()],
    )
    .await?;
    txn.commit().await
}
