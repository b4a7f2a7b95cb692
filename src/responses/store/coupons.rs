//! Queries about coupons: what they name, and that each is used once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::DbErr;
use serde_json::json;

use super::{KEY, key, key_values};
use crate::ids::{CustomerId, DeliveryKey};
use crate::keys::Keys;
use crate::responses::coupons::ShownCoupon;
use crate::storage::{Kind, Sql, Txn};
use crate::tokens::{coupon_key, read_coupon};

/// A coupon that a message was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::responses) struct Coupon {
    pub key: DeliveryKey,
    /// The first instant after its offer's last day, milliseconds since the epoch.
    pub deadline_at: Option<i64>,
}

/// The coupons with these codes, however they are written: of a pool, or of the signed series.
pub(in crate::responses) async fn find(
    txn: &Txn,
    keys: &Keys,
    codes: &BTreeSet<String>,
) -> Result<HashMap<String, Coupon>, DbErr> {
    if codes.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<[String; 1]> = codes.iter().map(|code| [coupon_key(code)]).collect();
    let sql = format!(
        "SELECT wanted.code_key, s.wave_id, s.first_seq + c.number - s.first_place AS seq, s.deadline_at
         FROM {} AS wanted CROSS JOIN coupon_codes c CROSS JOIN coupon_spans s
         WHERE c.code_key = wanted.code_key AND s.pool_id = c.pool_id
           AND s.first_place <= c.number AND s.last_place >= c.number",
        txn.dialect().recordset(1, &[("code_key", Kind::Text)])
    );
    let mut by_key: HashMap<String, Coupon> = HashMap::new();
    for row in txn.rows(sql, [json!(wanted).to_string().into()]).await? {
        let coupon = Coupon {
            key: key(&row)?,
            deadline_at: row.try_get("", "deadline_at")?,
        };
        by_key.insert(row.try_get("", "code_key")?, coupon);
    }
    let signed: BTreeMap<DeliveryKey, String> = codes
        .iter()
        .filter_map(|code| Some((read_coupon(code, keys)?, coupon_key(code))))
        .filter(|(_, code)| !by_key.contains_key(code))
        .collect();
    if !signed.is_empty() {
        let wanted: Vec<DeliveryKey> = signed.keys().copied().collect();
        let sql = format!(
            "SELECT wanted.wave_id, wanted.seq, s.deadline_at
             FROM {} AS wanted CROSS JOIN coupon_spans s
             WHERE s.wave_id = wanted.wave_id AND s.first_seq <= wanted.seq AND s.last_seq >= wanted.seq
               AND s.pool_id IS NULL",
            txn.dialect().recordset(1, &KEY)
        );
        let wanted = json!(key_values(&wanted)).to_string();
        for row in txn.rows(sql, [wanted.into()]).await? {
            let key = key(&row)?;
            if let Some(code) = signed.get(&key) {
                let deadline_at = row.try_get("", "deadline_at")?;
                by_key.insert(code.clone(), Coupon { key, deadline_at });
            }
        }
    }
    Ok(codes
        .iter()
        .filter_map(|code| Some((code.clone(), *by_key.get(&coupon_key(code))?)))
        .collect())
}

/// Redeems coupons by orders (id and instant), unless they were before; returns those that were not.
pub(in crate::responses) async fn redeem(
    txn: &Txn,
    uses: &BTreeMap<DeliveryKey, (i64, i64)>,
    now: i64,
) -> Result<Vec<DeliveryKey>, DbErr> {
    let rows: Vec<_> = uses
        .iter()
        .map(|(key, (order, at))| json!([key.wave.0, key.seq, order, at]))
        .collect();
    insert(txn, rows, now).await
}

/// Redeems a coupon without an order; whether it had not been redeemed before.
pub(in crate::responses) async fn redeem_alone(
    txn: &Txn,
    key: DeliveryKey,
    at: i64,
    now: i64,
) -> Result<bool, DbErr> {
    let row = json!([key.wave.0, key.seq, null, at]);
    Ok(!insert(txn, vec![row], now).await?.is_empty())
}

async fn insert(
    txn: &Txn,
    rows: Vec<serde_json::Value>,
    now: i64,
) -> Result<Vec<DeliveryKey>, DbErr> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let columns = [
        KEY[0],
        KEY[1],
        ("order_id", Kind::Int),
        ("redeemed_at", Kind::Int),
    ];
    // Only of a message that went out, or is on its way: nobody else has the code. What the ledger has let go
    // went out too.
    let sql = format!(
        "INSERT INTO coupon_redemptions (wave_id, seq, order_id, redeemed_at, recorded_at)
         SELECT r.wave_id, r.seq, r.order_id, r.redeemed_at, $2 FROM {} AS r
         WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.wave_id = r.wave_id AND d.seq = r.seq AND d.state IN (1, 2, 5))
            OR EXISTS (SELECT 1 FROM past_deliveries p WHERE p.wave_id = r.wave_id AND p.seq = r.seq)
         ORDER BY place
         ON CONFLICT (wave_id, seq) DO NOTHING RETURNING wave_id, seq",
        txn.dialect().recordset(1, &columns)
    );
    txn.rows(sql, [json!(rows).to_string().into(), now.into()])
        .await?
        .iter()
        .map(key)
        .collect()
}

/// Of these coupons, those redeemed by the order they are brought with; one redeemed without an order is from
/// now on redeemed by this one.
pub(in crate::responses) async fn claim_for_orders(
    txn: &Txn,
    uses: &BTreeMap<DeliveryKey, (i64, i64)>,
) -> Result<Vec<(DeliveryKey, i64)>, DbErr> {
    if uses.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<_> = uses
        .iter()
        .map(|(key, (order, _))| json!([key.wave.0, key.seq, order]))
        .collect();
    let columns = [KEY[0], KEY[1], ("order_id", Kind::Int)];
    let sql = format!(
        "UPDATE coupon_redemptions SET order_id = r.order_id FROM {} AS r
         WHERE coupon_redemptions.wave_id = r.wave_id AND coupon_redemptions.seq = r.seq
           AND (coupon_redemptions.order_id IS NULL OR coupon_redemptions.order_id = r.order_id)
         RETURNING coupon_redemptions.wave_id, coupon_redemptions.seq, coupon_redemptions.order_id",
        txn.dialect().recordset(1, &columns)
    );
    txn.rows(sql, [json!(rows).to_string().into()])
        .await?
        .iter()
        .map(|row| Ok((key(row)?, row.try_get("", "order_id")?)))
        .collect()
}

/// When a coupon was redeemed, milliseconds since the epoch, and with which order (the shop's number).
pub(in crate::responses) async fn redemption(
    connection: &impl sea_orm::ConnectionTrait,
    key: DeliveryKey,
) -> Result<Option<(i64, Option<String>)>, DbErr> {
    connection
        .row(
            "SELECT r.redeemed_at, o.external_id FROM coupon_redemptions r LEFT JOIN orders o ON o.id = r.order_id
             WHERE r.wave_id = $1 AND r.seq = $2",
            [key.wave.0.into(), key.seq.into()],
        )
        .await?
        .map(|row| Ok((row.try_get("", "redeemed_at")?, row.try_get("", "external_id")?)))
        .transpose()
}

/// What is known of the coupon of a delivery.
pub(in crate::responses) async fn shown(
    connection: &impl sea_orm::ConnectionTrait,
    key: DeliveryKey,
    deadline_at: Option<i64>,
) -> Result<Option<ShownCoupon>, DbErr> {
    let Some(row) = connection
        .row(
            "SELECT m.name, w.is_simulated, (SELECT customer_id FROM deliveries WHERE wave_id = $1 AND seq = $2) AS customer_id
             FROM waves w JOIN campaigns m ON m.id = w.campaign_id WHERE w.id = $1",
            [key.wave.0.into(), key.seq.into()],
        )
        .await?
    else {
        return Ok(None);
    };
    let used = redemption(connection, key).await?;
    let (redeemed_at, order) = used.map_or((None, None), |(at, order)| (Some(at), order));
    Ok(Some(ShownCoupon {
        campaign: row.try_get("", "name")?,
        wave: key.wave.0,
        seq: key.seq,
        customer: row
            .try_get::<Option<i64>>("", "customer_id")?
            .map(CustomerId),
        is_simulated: row.try_get("", "is_simulated")?,
        deadline_at,
        redeemed_at,
        order,
    }))
}
