//! Queries about the coupons of a wave: given out at launch in spans of places, so that nothing is written for
//! each person.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::DbErr;
use serde_json::json;

use crate::campaigns::cells::{ALL, REST};
use crate::campaigns::check::offer as check;
use crate::campaigns::definition::Definition;
use crate::campaigns::offer::SERIES;
use crate::campaigns::schedule;
use crate::campaigns::store::coupons;
use crate::ids::{DeliveryKey, WaveId};
use crate::statistics::Sentence;
use crate::storage::{Db, Kind, Sql, Txn};
use crate::tokens::{coupon_key, has_coupon};

/// Gives the people of a fresh wave their coupons, and freezes the codes by which its offers are named. The
/// error is a sentence: why it may not be launched.
///
/// # Errors
/// When the database is away.
pub async fn give_coupons(
    txn: &Txn,
    wave: WaveId,
    definition: &Definition,
    deliveries: u64,
) -> Result<Result<(), Sentence>, DbErr> {
    if let Some(refusal) = check::mixed(definition) {
        return Ok(Err(refusal));
    }
    write_codes(txn, wave, definition).await?;
    let spans = spans(txn, wave, deliveries).await?;
    // All that is wanted of a pool, before the first of it is taken: so the need that is told is the whole one.
    let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
    for (cell, first, last) in &spans {
        let offer = definition.offer_of(offered_to(definition, cell));
        let pool = offer.and_then(|offer| offer.coupon.as_deref());
        if let Some(pool) = pool.filter(|pool| *pool != SERIES) {
            *wanted.entry(pool).or_default() += last - first + 1;
        }
    }
    for (name, n) in wanted {
        let left = coupons::pool(&**txn, name).await?.map(|pool| pool.left());
        match left {
            Some(left) if left < n => {
                return Ok(Err(check::too_few(name, left, n.unsigned_abs())));
            }
            Some(_) => {}
            None => return Ok(Err(check::no_such_pool(name))),
        }
    }
    for (cell, first, last) in spans {
        let Some(offer) = definition.offer_of(offered_to(definition, &cell)) else {
            continue;
        };
        let Some(source) = &offer.coupon else {
            continue;
        };
        let n = last - first + 1;
        let places = if source == SERIES {
            let last = DeliveryKey { wave, seq: last };
            if !has_coupon(last) {
                return Ok(Err(Sentence::new(
                    "offer.coupon: a series has room for 134,217,727 people a wave; import a pool",
                )));
            }
            None
        } else {
            let Some((pool, place)) = coupons::take_places(txn, source, n).await? else {
                let pool = coupons::pool(&**txn, source).await?;
                return Ok(Err(match pool {
                    Some(pool) => check::too_few(source, pool.left(), n.unsigned_abs()),
                    None => check::no_such_pool(source),
                }));
            };
            Some((pool, place))
        };
        let deadline_at = offer
            .deadline
            .and_then(|day| day.succ_opt())
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map(|end| schedule::instant(end, definition.fallback_zone()).timestamp_millis());
        txn.run(
            "INSERT INTO coupon_spans (wave_id, first_seq, last_seq, pool_id, first_place, last_place, deadline_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [
                wave.0.into(),
                first.into(),
                last.into(),
                places.map(|(pool, _)| pool).into(),
                places.map(|(_, place)| place).into(),
                places.map(|(_, place)| place + n - 1).into(),
                deadline_at.into(),
            ],
        )
        .await?;
    }
    Ok(Ok(()))
}

/// The cell whose coupons a cell gets: who waits for the winner gets what all cells have, which `mixed` has made
/// sure is one.
fn offered_to<'a>(definition: &'a Definition, cell: &'a str) -> &'a str {
    let first = definition.cells.first().filter(|_| cell == REST);
    first.map_or(cell, |first| first.name.as_str())
}

/// Where the people of each cell lie who are to be contacted.
async fn spans(txn: &Txn, wave: WaveId, deliveries: u64) -> Result<Vec<(String, i64, i64)>, DbErr> {
    let rows = txn
        .rows(
            "SELECT cell, first_seq, last_seq FROM cell_spans WHERE wave_id = $1 ORDER BY first_seq",
            [wave.0.into()],
        )
        .await?;
    if rows.is_empty() && deliveries > 0 {
        let last = i64::try_from(deliveries).unwrap_or(i64::MAX);
        return Ok(vec![(ALL.to_owned(), 1, last)]);
    }
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get("", "cell")?,
                row.try_get("", "first_seq")?,
                row.try_get("", "last_seq")?,
            ))
        })
        .collect()
}

async fn write_codes(txn: &Txn, wave: WaveId, definition: &Definition) -> Result<(), DbErr> {
    let offers = definition
        .cells
        .iter()
        .filter_map(|cell| cell.offer.as_ref());
    let codes: BTreeSet<String> = definition
        .offer
        .iter()
        .chain(offers)
        .filter_map(|offer| offer.code.as_deref())
        .map(coupon_key)
        .collect();
    for code in codes {
        txn.run(
            "INSERT INTO offer_codes (code_key, wave_id) VALUES ($1, $2)",
            [code.into(), wave.0.into()],
        )
        .await?;
    }
    Ok(())
}

/// The coupons of these people, of a wave whose coupons are of a pool.
///
/// # Errors
/// When the database is away.
pub async fn pool_coupons(
    db: &Db,
    wave: WaveId,
    seqs: &[i64],
) -> Result<HashMap<i64, String>, DbErr> {
    let rows: Vec<[i64; 1]> = seqs.iter().map(|seq| [*seq]).collect();
    let sql = format!(
        "SELECT wanted.seq, c.code FROM {} AS wanted CROSS JOIN coupon_spans s CROSS JOIN coupon_codes c
         WHERE s.wave_id = $2 AND s.first_seq <= wanted.seq AND s.last_seq >= wanted.seq
           AND c.pool_id = s.pool_id AND c.number = s.first_place + wanted.seq - s.first_seq",
        db.dialect().recordset(1, &[("seq", Kind::Int)])
    );
    db.rows(sql, [json!(rows).to_string().into(), wave.0.into()])
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "seq")?, row.try_get("", "code")?)))
        .collect()
}

/// The cell of a delivery; `all` where there are none.
///
/// # Errors
/// When the database is away.
pub async fn cell_at(db: &Db, delivery: DeliveryKey) -> Result<String, DbErr> {
    db.row(
        "SELECT cell FROM cell_spans WHERE wave_id = $1 AND first_seq <= $2 AND last_seq >= $2",
        [delivery.wave.0.into(), delivery.seq.into()],
    )
    .await?
    .map_or_else(|| Ok(ALL.to_owned()), |row| row.try_get("", "cell"))
}
