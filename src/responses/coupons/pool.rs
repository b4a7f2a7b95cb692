//! Pools of coupons that another system made.

use std::collections::HashSet;
use std::io::BufRead;

use serde::Serialize;

use crate::campaigns::store::coupons as store;
use crate::storage::Db;
use crate::tokens::coupon_key;

/// Codes written together.
const BATCH: usize = 5_000;
/// Characters of a code: a shorter one is guessed, a longer one nobody types.
const LENGTH: std::ops::RangeInclusive<usize> = 4..=64;

/// Why a pool could not be filled; nothing of the file was then taken.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("cannot read the codes: {0}")]
    Read(#[from] std::io::Error),
    #[error("line {line}: a code has 4 to 64 letters, digits, hyphens, dots or underscores")]
    Malformed { line: usize },
    #[error(
        "{0:?} is no name of a pool: 1 to 60 small letters, digits, - or _, and not \"series\""
    )]
    Name(String),
    #[error("the database failed, nothing was imported: {0}")]
    Database(#[from] sea_orm::DbErr),
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PoolImport {
    pub added: u64,
    /// Codes that this or another pool has already, or that read alike (O and 0, I and 1).
    pub known: u64,
    /// How many can be given out from now on.
    pub left: i64,
}

/// Puts codes, one a line, into a pool, whole or not at all; the first line may say `code`.
///
/// # Errors
/// When a line holds no code, the name is none, or the database is away.
pub async fn import_pool(
    db: &Db,
    name: &str,
    codes: impl BufRead,
    now_ms: i64,
) -> Result<PoolImport, PoolError> {
    let is_name = (1..=60).contains(&name.len())
        && name != crate::campaigns::offer::SERIES
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if !is_name {
        return Err(PoolError::Name(name.to_owned()));
    }
    let txn = db.begin().await?;
    let mut pool = store::hold_pool(&txn, name, now_ms).await?;
    let mut seen = HashSet::new();
    let mut batch = Vec::with_capacity(BATCH);
    let (mut added, mut told) = (0, 0);
    for (n, line) in codes.lines().enumerate() {
        let line = line?;
        let code = line
            .trim_start_matches('\u{feff}')
            .trim()
            .trim_matches('"')
            .trim();
        if code.is_empty() || (n == 0 && code.eq_ignore_ascii_case("code")) {
            continue;
        }
        let is_code = LENGTH.contains(&code.len())
            && code
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if !is_code {
            return Err(PoolError::Malformed { line: n + 1 });
        }
        told += 1;
        let key = coupon_key(code);
        if seen.insert(key.clone()) {
            batch.push((key, code.to_owned()));
        }
        if batch.len() == BATCH {
            added += store::add_codes(&txn, &mut pool, &batch).await?;
            batch.clear();
        }
    }
    added += store::add_codes(&txn, &mut pool, &batch).await?;
    txn.commit().await?;
    Ok(PoolImport {
        added,
        known: told - added,
        left: pool.left(),
    })
}
