//! The rows of second factors and recovery codes.

use sea_orm::DbErr;

use crate::accounts::model::UserId;
use crate::storage::{Db, Dialect, Kind, Sql, Txn, insert};

/// Sets the salt of a user's codes with the step that was taken first, or takes both away.
pub(in crate::accounts) async fn set_second_factor(
    txn: &Txn,
    user: UserId,
    factor: Option<(&str, i64)>,
) -> Result<(), DbErr> {
    let (salt, step) = factor.unzip();
    txn.run(
        "UPDATE users SET totp_secret = $2, totp_step = $3 WHERE id = $1",
        [user.0.into(), salt.into(), step.into()],
    )
    .await
    .map(drop)
}

/// The salt of a user's codes and the last step that was taken, locked until the transaction ends.
pub(in crate::accounts) async fn lock_second_factor(
    txn: &Txn,
    user: UserId,
) -> Result<Option<(String, Option<i64>)>, DbErr> {
    let lock = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE",
    };
    let sql = format!(
        "SELECT totp_secret, totp_step FROM users WHERE id = $1 AND totp_secret IS NOT NULL {lock}"
    );
    let row = txn.row(sql, [user.0.into()]).await?;
    row.map(|row| {
        Ok((
            row.try_get("", "totp_secret")?,
            row.try_get("", "totp_step")?,
        ))
    })
    .transpose()
}

pub(in crate::accounts) async fn set_taken_step(
    txn: &Txn,
    user: UserId,
    step: i64,
) -> Result<(), DbErr> {
    txn.run(
        "UPDATE users SET totp_step = $2 WHERE id = $1",
        [user.0.into(), step.into()],
    )
    .await
    .map(drop)
}

/// Puts these recovery codes in the place of all earlier ones.
pub(in crate::accounts) async fn set_recovery_codes(
    txn: &Txn,
    user: UserId,
    digests: &[String],
) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM recovery_codes WHERE user_id = $1",
        [user.0.into()],
    )
    .await?;
    let columns = [("digest", Kind::Text), ("user_id", Kind::Int)];
    let rows = digests
        .iter()
        .map(|digest| vec![digest.as_str().into(), user.0.into()])
        .collect();
    insert(&**txn, "recovery_codes", &columns, rows, "").await
}

/// How many are left.
pub(in crate::accounts) async fn recovery_codes(db: &Db, user: UserId) -> Result<i64, DbErr> {
    let row = db
        .row(
            "SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = $1",
            [user.0.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "n"))
}

/// Uses a recovery code up; whether it was there.
pub(in crate::accounts) async fn take_recovery_code(
    txn: &Txn,
    user: UserId,
    digest: &str,
) -> Result<bool, DbErr> {
    let done = txn
        .run(
            "DELETE FROM recovery_codes WHERE user_id = $1 AND digest = $2",
            [user.0.into(), digest.into()],
        )
        .await?;
    Ok(done.rows_affected() == 1)
}
