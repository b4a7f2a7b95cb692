//! Queries about pools of coupons.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use crate::storage::{self, Kind, Sql, Txn};

/// Coupons somebody else made, to be given out in the order in which they were imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    pub id: i64,
    /// How many it ever had.
    pub size: i64,
    /// The place of the next one that is given out, from 1.
    pub next_place: i64,
}

impl Pool {
    /// How many are left.
    pub fn left(&self) -> i64 {
        (self.size - self.next_place + 1).max(0)
    }
}

/// The pool of this name.
///
/// # Errors
/// When the database is away.
pub async fn pool(connection: &impl ConnectionTrait, name: &str) -> Result<Option<Pool>, DbErr> {
    connection
        .row(
            "SELECT id, size, next_place FROM coupon_pools WHERE name = $1",
            [name.into()],
        )
        .await?
        .map(|row| {
            Ok(Pool {
                id: row.try_get("", "id")?,
                size: row.try_get("", "size")?,
                next_place: row.try_get("", "next_place")?,
            })
        })
        .transpose()
}

/// All pools by name.
///
/// # Errors
/// When the database is away.
pub async fn pools(connection: &impl ConnectionTrait) -> Result<Vec<(String, Pool)>, DbErr> {
    connection
        .rows(
            "SELECT name, id, size, next_place FROM coupon_pools ORDER BY name",
            [],
        )
        .await?
        .iter()
        .map(|row| {
            let pool = Pool {
                id: row.try_get("", "id")?,
                size: row.try_get("", "size")?,
                next_place: row.try_get("", "next_place")?,
            };
            Ok((row.try_get("", "name")?, pool))
        })
        .collect()
}

/// Begins to fill a pool, which is made where it is missing; another that fills or empties it waits.
///
/// # Errors
/// When the database is away.
pub async fn hold_pool(txn: &Txn, name: &str, now_ms: i64) -> Result<Pool, DbErr> {
    txn.run(
        "INSERT INTO coupon_pools (name, size, next_place, created_at) VALUES ($1, 0, 1, $2)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name",
        [name.into(), now_ms.into()],
    )
    .await?;
    pool(&**txn, name)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("coupon_pools".to_owned()))
}

/// Of these codes (key and code, each key once), puts those that no pool has at the end of this one; returns how
/// many.
///
/// # Errors
/// When the database is away.
pub async fn add_codes(
    txn: &Txn,
    pool: &mut Pool,
    codes: &[(String, String)],
) -> Result<u64, DbErr> {
    let keys: Vec<&String> = codes.iter().map(|(key, _)| key).collect();
    let sql = format!(
        "SELECT code_key FROM coupon_codes WHERE code_key IN {}",
        txn.dialect().list(1, Kind::Text)
    );
    let known: HashSet<String> = txn
        .rows(sql, [json!(keys).to_string().into()])
        .await?
        .iter()
        .map(|row| row.try_get("", "code_key"))
        .collect::<Result<_, DbErr>>()?;
    let rows: Vec<Vec<serde_json::Value>> = codes
        .iter()
        .filter(|(key, _)| !known.contains(key))
        .zip(pool.size + 1..)
        .map(|((key, code), place)| vec![json!(key), json!(pool.id), json!(place), json!(code)])
        .collect();
    let added = rows.len();
    pool.size += i64::try_from(added).unwrap_or_default();
    let columns = [
        ("code_key", Kind::Text),
        ("pool_id", Kind::Int),
        ("number", Kind::Int),
        ("code", Kind::Text),
    ];
    storage::insert(&**txn, "coupon_codes", &columns, rows, "").await?;
    txn.run(
        "UPDATE coupon_pools SET size = $2 WHERE id = $1",
        [pool.id.into(), pool.size.into()],
    )
    .await?;
    Ok(u64::try_from(added).unwrap_or_default())
}

/// Takes the next `n` places of a pool; `None` when there are not so many left, or no such pool.
///
/// # Errors
/// When the database is away.
pub async fn take_places(txn: &Txn, name: &str, n: i64) -> Result<Option<(i64, i64)>, DbErr> {
    txn.row(
        "UPDATE coupon_pools SET next_place = next_place + $2
         WHERE name = $1 AND next_place + $2 <= size + 1 RETURNING id, next_place - $2 AS first_place",
        [name.into(), n.into()],
    )
    .await?
    .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "first_place")?)))
    .transpose()
}
