//! One person's contacts, responses and orders.

use sea_orm::DbErr;

use crate::consent::model::Channel;
use crate::ids::CustomerId;
use crate::responses::model::MadeBy;
use crate::responses::timeline::{Entry, Key};
use crate::storage::{Db, Sql};

/// At most `limit` entries before a key, the newest first.
pub(in crate::responses) async fn before(
    db: &Db,
    customer: CustomerId,
    before: Key,
    limit: i64,
) -> Result<Vec<Entry>, DbErr> {
    // Each source is cut for itself first, so that a page costs no more than its own rows. An order that a
    // message earned is also a response of it: it is shown once, as an order.
    let sql = "
        SELECT e.at, e.source, e.id, e.kind, e.channel, e.detail, e.amount_cents, e.is_machine, e.is_scanner,
               m.name AS campaign
        FROM (
            SELECT * FROM (
                SELECT k.contacted_at AS at, 1 AS source, k.wave_id AS id, 'contact' AS kind, k.channel AS channel,
                       CAST(NULL AS TEXT) AS detail, CAST(NULL AS BIGINT) AS amount_cents,
                       FALSE AS is_machine, FALSE AS is_scanner, w.campaign_id AS campaign_id
                FROM contacts k JOIN waves w ON w.id = k.wave_id
                WHERE k.customer_id = $1 AND k.contacted_at <= $2
                  AND (k.contacted_at, 1, k.wave_id) < ($2, $3, $4)
                ORDER BY k.contacted_at DESC, k.wave_id DESC LIMIT $5) AS contact
            UNION ALL
            SELECT * FROM (
                SELECT r.responded_at, 2, r.id, r.kind, d.channel, COALESCE(r.part, r.class), CAST(NULL AS BIGINT),
                       r.is_machine, r.is_scanner, r.campaign_id
                FROM responses r LEFT JOIN deliveries d ON d.wave_id = r.wave_id AND d.seq = r.seq
                WHERE r.customer_id = $1 AND r.kind <> 'order' AND (r.responded_at, 2, r.id) < ($2, $3, $4)
                ORDER BY r.responded_at DESC, r.id DESC LIMIT $5) AS response
            UNION ALL
            SELECT * FROM (
                SELECT o.ordered_at, 3, o.id, 'order', d.channel, o.product, o.amount_cents, FALSE, FALSE, o.campaign_id
                FROM orders o LEFT JOIN deliveries d ON d.wave_id = o.wave_id AND d.seq = o.seq
                WHERE o.customer_id = $1 AND o.ordered_at <= $2 AND (o.ordered_at, 3, o.id) < ($2, $3, $4)
                ORDER BY o.ordered_at DESC, o.id DESC LIMIT $5) AS bought
        ) AS e LEFT JOIN campaigns m ON m.id = e.campaign_id
        ORDER BY e.at DESC, e.source DESC, e.id DESC LIMIT $5";
    let Key { at, source, id } = before;
    let values = [
        customer.0.into(),
        at.into(),
        source.into(),
        id.into(),
        limit.into(),
    ];
    db.rows(sql, values)
        .await?
        .iter()
        .map(|row| {
            let channel: Option<String> = row.try_get("", "channel")?;
            let source: i32 = row.try_get("", "source")?;
            let at = row.try_get("", "at")?;
            Ok(Entry {
                at,
                kind: row.try_get("", "kind")?,
                channel: channel.and_then(|name| name.parse::<Channel>().ok()),
                campaign: row.try_get("", "campaign")?,
                detail: row.try_get("", "detail")?,
                amount_cents: row.try_get("", "amount_cents")?,
                made_by: MadeBy::from_columns(
                    row.try_get("", "is_machine")?,
                    row.try_get("", "is_scanner")?,
                ),
                key: Key {
                    at,
                    source: source.into(),
                    id: row.try_get("", "id")?,
                },
            })
        })
        .collect()
}
