//! Queries about orders and the messages that may have earned them.

use std::collections::HashMap;

use sea_orm::{DbErr, Value};

use super::{Waves, key};
use crate::ids::{CampaignId, CustomerId, DeliveryKey, WaveId};
use crate::responses::model::Terms;
use crate::storage::{Db, Sql, Txn};

/// SQL for the last instant at which order `o` may have been made: one given to the day or to the second
/// was made within it, and a click of that day or second came before.
const LATEST: &str = "(o.ordered_at + CASE WHEN o.ordered_at % 86400000 = 0 THEN 86399999 \
     WHEN o.ordered_at % 1000 = 0 THEN 999 ELSE 0 END)";

/// An order that may belong to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::responses) struct OpenOrder {
    pub id: i64,
    pub customer: CustomerId,
    /// The last instant at which it may have been made.
    pub ordered_at: i64,
    pub amount_cents: i64,
    pub campaign: Option<CampaignId>,
}

/// A delivery an order may belong to: a contact of the named campaign, or a click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::responses) struct Contact {
    pub order: i64,
    pub key: DeliveryKey,
    pub campaign: CampaignId,
    pub settled_at: i64,
    /// When the customer clicked; `None` for a contact found by the campaign's name.
    pub clicked_at: Option<i64>,
}

/// The next orders, by id, that belong to no delivery yet but name a campaign or follow a click.
pub(in crate::responses) async fn open_orders(
    db: &Db,
    after_id: i64,
    until: i64,
    limit: i64,
) -> Result<Vec<OpenOrder>, DbErr> {
    let rows = db
        .rows(
            format!(
                "SELECT o.id, o.customer_id, {LATEST} AS ordered_at, o.amount_cents, o.campaign_id
                 FROM orders o
                 WHERE o.wave_id IS NULL AND o.id > $1 AND o.ordered_at <= $2
                   AND {LATEST} >= (SELECT MIN(launched_at) FROM waves)
                   AND (o.campaign_id IS NOT NULL OR EXISTS (
                        SELECT 1 FROM responses r
                        WHERE r.customer_id = o.customer_id AND r.kind = 'click' AND NOT r.is_machine
                          AND r.responded_at <= {LATEST}))
                 ORDER BY o.id LIMIT $3"
            ),
            [after_id.into(), until.into(), limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(OpenOrder {
                id: row.try_get("", "id")?,
                customer: CustomerId(row.try_get("", "customer_id")?),
                ordered_at: row.try_get("", "ordered_at")?,
                amount_cents: row.try_get("", "amount_cents")?,
                campaign: row
                    .try_get::<Option<i64>>("", "campaign_id")?
                    .map(CampaignId),
            })
        })
        .collect()
}

/// The contacts and clicks before each of these orders, from messages that were handed over.
pub(in crate::responses) async fn contacts(
    db: &Db,
    orders: &[OpenOrder],
) -> Result<Vec<Contact>, DbErr> {
    let values = || orders.iter().map(|order| Value::from(order.id));
    let wanted = db.dialect().values(orders.len(), 1);
    let by_campaign = format!(
        "WITH wanted (id) AS (VALUES {wanted})
         SELECT o.id AS order_id, d.wave_id, d.seq, w.campaign_id, d.settled_at
         FROM wanted
         JOIN orders o ON o.id = wanted.id
         JOIN waves w ON w.campaign_id = o.campaign_id
         JOIN deliveries d ON d.wave_id = w.id AND d.customer_id = o.customer_id
         WHERE d.state IN (2, 5) AND d.settled_at <= {LATEST}"
    );
    let by_click = format!(
        "WITH wanted (id) AS (VALUES {wanted})
         SELECT o.id AS order_id, d.wave_id, d.seq, w.campaign_id, d.settled_at, r.responded_at
         FROM wanted
         JOIN orders o ON o.id = wanted.id
         JOIN responses r ON r.customer_id = o.customer_id
         JOIN deliveries d ON d.wave_id = r.wave_id AND d.seq = r.seq
         JOIN waves w ON w.id = d.wave_id
         WHERE o.campaign_id IS NULL AND r.kind = 'click' AND NOT r.is_machine
           AND r.responded_at <= {LATEST} AND d.settled_at IS NOT NULL"
    );
    let mut contacts = Vec::new();
    for (sql, is_click) in [(by_campaign, false), (by_click, true)] {
        for row in db.rows(sql, values()).await? {
            contacts.push(Contact {
                order: row.try_get("", "order_id")?,
                key: key(&row)?,
                campaign: CampaignId(row.try_get("", "campaign_id")?),
                settled_at: row.try_get("", "settled_at")?,
                clicked_at: if is_click {
                    Some(row.try_get("", "responded_at")?)
                } else {
                    None
                },
            });
        }
    }
    Ok(contacts)
}

/// The terms of waves.
pub(in crate::responses) async fn terms(
    db: &Db,
    waves: &mut Waves,
    ids: impl IntoIterator<Item = WaveId>,
) -> Result<HashMap<WaveId, Terms>, DbErr> {
    let ids: Vec<WaveId> = ids.into_iter().collect();
    waves.read(&**db, ids.iter().copied()).await?;
    Ok(ids
        .into_iter()
        .filter_map(|id| Some((id, waves.get(id)?.terms.clone())))
        .collect())
}

/// Gives orders to their deliveries; returns those that had none until now.
pub(in crate::responses) async fn claim_orders(
    txn: &Txn,
    claims: &[(OpenOrder, Contact)],
) -> Result<Vec<i64>, DbErr> {
    let sql = format!(
        "WITH claim (id, campaign_id, wave_id, seq) AS (VALUES {})
         UPDATE orders SET campaign_id = claim.campaign_id, wave_id = claim.wave_id, seq = claim.seq
         FROM claim WHERE orders.id = claim.id AND orders.wave_id IS NULL
         RETURNING orders.id",
        txn.dialect().values(claims.len(), 4)
    );
    let values: Vec<Value> = claims
        .iter()
        .flat_map(|(order, contact)| {
            [
                order.id.into(),
                contact.campaign.0.into(),
                contact.key.wave.0.into(),
                contact.key.seq.into(),
            ]
        })
        .collect();
    txn.rows(sql, values)
        .await?
        .iter()
        .map(|row| row.try_get("", "id"))
        .collect()
}
