//! The rows of where people sign in from.

use sea_orm::DbErr;

use crate::storage::{Db, Sql};

/// Whether somebody signed in to the account from this network since an instant.
pub(in crate::accounts) async fn is_known(
    db: &Db,
    account: &str,
    network: &str,
    since: i64,
) -> Result<bool, DbErr> {
    let row = db
        .row(
            "SELECT 1 AS one FROM sign_in_networks WHERE account = $1 AND network = $2 AND signed_in_at > $3",
            [account.into(), network.into(), since.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Notes a sign-in, and forgets those from before `since`.
pub(in crate::accounts) async fn note(
    db: &Db,
    account: &str,
    network: &str,
    since: i64,
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "DELETE FROM sign_in_networks WHERE signed_in_at < $1",
        [since.into()],
    )
    .await?;
    txn.run(
        "INSERT INTO sign_in_networks (account, network, signed_in_at) VALUES ($1, $2, $3)
         ON CONFLICT (account, network) DO UPDATE SET signed_in_at = excluded.signed_in_at",
        [account.into(), network.into(), now_ms.into()],
    )
    .await?;
    txn.commit().await
}
