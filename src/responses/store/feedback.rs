//! What responses tell about the people, written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::DbErr;

use super::{KEY, json, key};
use crate::consent::model::Channel;
use crate::ids::{CustomerId, DeliveryKey};
use crate::responses::feedback::{Feedback, habits};
use crate::responses::model::What;
use crate::responses::tally::{Delivery, Judged, Wave};
use crate::storage::{Kind, Sql, Txn};

/// The links that people had followed before, of the deliveries that now get clicks, where a link says what
/// it is about. To be asked before the new clicks are written.
pub(super) async fn followed_links(
    txn: &Txn,
    judged: &[(&Delivery, &Wave, Judged)],
) -> Result<HashMap<DeliveryKey, BTreeSet<u16>>, DbErr> {
    let wanted: Vec<(i64, i64)> = judged
        .iter()
        .filter(|(delivery, wave, _)| {
            let known = wave.subjects.of(delivery.key.seq);
            known.is_some_and(|known| !known.is_empty())
        })
        .filter(|(_, _, judged)| {
            !judged.taken_back.is_empty()
                || judged
                    .responses
                    .iter()
                    .any(|response| matches!(response.what, What::Click { .. }))
        })
        .map(|(delivery, _, _)| (delivery.key.wave.0, delivery.key.seq))
        .collect();
    let mut followed: HashMap<DeliveryKey, BTreeSet<u16>> = HashMap::new();
    if wanted.is_empty() {
        return Ok(followed);
    }
    // Those that are now taken back are still people's; a click that is written is none of them yet.
    let sql = format!(
        "SELECT DISTINCT r.wave_id, r.seq, r.link FROM {} AS wanted CROSS JOIN responses r
         WHERE r.wave_id = wanted.wave_id AND r.seq = wanted.seq
           AND r.kind = 'click' AND NOT r.is_machine AND r.link IS NOT NULL",
        txn.dialect().recordset(1, &KEY)
    );
    for row in txn.rows(sql, [json(&wanted)?]).await? {
        let link: i64 = row.try_get("", "link")?;
        if let Ok(link) = u16::try_from(link) {
            followed.entry(key(&row)?).or_default().insert(link);
        }
    }
    Ok(followed)
}

/// Feeds the customers; one who was erased meanwhile is fed nothing.
pub(super) async fn feed_customers(txn: &Txn, feedback: Vec<Feedback>) -> Result<(), DbErr> {
    let feedback: Vec<Feedback> = feedback.into_iter().filter(|f| !f.is_empty()).collect();
    if feedback.is_empty() {
        return Ok(());
    }
    let columns = [
        ("id", Kind::Int),
        ("weight", Kind::Real),
        ("responded_at", Kind::Int),
        ("response", Kind::Text),
        ("has_ordered", Kind::Bool),
    ];
    let is_newer = "new.responded_at IS NOT NULL AND
        (customers.last_response_at IS NULL OR customers.last_response_at <= new.responded_at)";
    let sql = format!(
        "UPDATE customers SET
            engagement_weight = customers.engagement_weight + new.weight,
            last_response_at = CASE WHEN {is_newer} THEN new.responded_at ELSE customers.last_response_at END,
            last_response_kind = CASE WHEN {is_newer} THEN new.response ELSE customers.last_response_kind END,
            stage = CASE WHEN new.has_ordered THEN 'customer' ELSE customers.stage END
         FROM {} AS new WHERE customers.id = new.id",
        txn.dialect().recordset(1, &columns)
    );
    let rows: Vec<_> = feedback
        .iter()
        .map(|f| {
            let (at, what) = f.responded.unzip();
            (f.customer.0, f.engagement.0, at, what, f.has_ordered)
        })
        .collect();
    // From here on the rows of these customers are held, so that nobody else reckons their habits meanwhile.
    txn.run(sql, [json(&rows)?]).await?;
    feed_interests(txn, &feedback).await?;
    feed_acts(txn, &feedback).await
}

async fn feed_interests(txn: &Txn, feedback: &[Feedback]) -> Result<(), DbErr> {
    let rows: Vec<_> = feedback
        .iter()
        .flat_map(|f| {
            f.interests.iter().map(|(key, taste)| {
                let Feedback { customer, .. } = f;
                let weight = taste.weight.0;
                (customer.0, key, &taste.name, weight, taste.shown_at)
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("customer_id", Kind::Int),
        ("interest_key", Kind::Text),
        ("interest", Kind::Text),
        ("weight", Kind::Real),
        ("shown_at", Kind::Int),
    ];
    // What is only taken back makes no new row.
    let sql = format!(
        "INSERT INTO customer_interests (customer_id, interest_key, interest, weight, last_at)
         SELECT new.customer_id, new.interest_key, new.interest, new.weight, COALESCE(new.shown_at, 0)
         FROM {} AS new WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = new.customer_id)
           AND (new.shown_at IS NOT NULL OR EXISTS (SELECT 1 FROM customer_interests k
                WHERE k.customer_id = new.customer_id AND k.interest_key = new.interest_key))
         ORDER BY new.customer_id, new.interest_key
         ON CONFLICT (customer_id, interest_key) DO UPDATE SET
            weight = customer_interests.weight + excluded.weight,
            last_at = CASE WHEN customer_interests.last_at < excluded.last_at
                THEN excluded.last_at ELSE customer_interests.last_at END",
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [json(&rows)?]).await?;
    Ok(())
}

async fn feed_acts(txn: &Txn, feedback: &[Feedback]) -> Result<(), DbErr> {
    let rows: Vec<_> = feedback
        .iter()
        .flat_map(|f| {
            f.acts.iter().map(|((channel, hour), acts)| {
                (f.customer.0, channel.as_str(), *hour, acts.all, acts.clicks)
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("customer_id", Kind::Int),
        ("channel", Kind::Text),
        ("hour", Kind::Int),
        ("acts", Kind::Int),
        ("clicks", Kind::Int),
    ];
    let sql = format!(
        "INSERT INTO customer_acts (customer_id, channel, hour, acts, clicks)
         SELECT new.customer_id, new.channel, new.hour, new.acts, new.clicks FROM {} AS new
         WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = new.customer_id)
           AND (new.acts > 0 OR EXISTS (SELECT 1 FROM customer_acts k WHERE k.customer_id = new.customer_id
                AND k.channel = new.channel AND k.hour = new.hour))
         ORDER BY new.customer_id, new.channel, new.hour
         ON CONFLICT (customer_id, channel, hour) DO UPDATE SET
            acts = customer_acts.acts + excluded.acts, clicks = customer_acts.clicks + excluded.clicks",
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [json(&rows)?]).await?;
    let mut customers: Vec<i64> = rows.iter().map(|row| row.0).collect();
    customers.dedup();
    prefer(txn, &customers).await
}

/// Finds out anew what these customers prefer.
async fn prefer(txn: &Txn, customers: &[i64]) -> Result<(), DbErr> {
    let sql = format!(
        "SELECT a.customer_id, a.channel, a.hour, a.acts FROM {} AS wanted
         CROSS JOIN customer_acts a WHERE a.customer_id = wanted.id AND a.acts > 0",
        txn.dialect().recordset(1, &[("id", Kind::Int)])
    );
    let wanted: Vec<[i64; 1]> = customers.iter().map(|id| [*id]).collect();
    let mut acts: BTreeMap<i64, Vec<(Channel, i64, i64)>> =
        customers.iter().map(|id| (*id, Vec::new())).collect();
    for row in txn.rows(sql, [json(&wanted)?]).await? {
        let channel: String = row.try_get("", "channel")?;
        acts.entry(row.try_get("", "customer_id")?)
            .or_default()
            .push((
                channel.parse().map_err(DbErr::Type)?,
                row.try_get("", "hour")?,
                row.try_get("", "acts")?,
            ));
    }
    let rows: Vec<_> = acts
        .iter()
        .map(|(customer, acts)| {
            let (channel, hour) = habits(acts);
            (*customer, channel.map(Channel::as_str), hour)
        })
        .collect();
    let columns = [
        ("id", Kind::Int),
        ("channel", Kind::Text),
        ("hour", Kind::Int),
    ];
    let sql = format!(
        "UPDATE customers SET preferred_channel = new.channel, preferred_hour = new.hour
         FROM {} AS new WHERE customers.id = new.id",
        txn.dialect().recordset(1, &columns)
    );
    txn.run(sql, [json(&rows)?]).await?;
    Ok(())
}

/// After clicks were taken back: when the customer last did something himself, and what.
pub(super) async fn restore_last_response(txn: &Txn, customer: CustomerId) -> Result<(), DbErr> {
    let last = |column: &str| {
        format!(
            "(SELECT {column} FROM responses WHERE customer_id = $1 AND NOT is_machine
                AND kind NOT IN ('open', 'bounce', 'scan') ORDER BY responded_at DESC, id DESC LIMIT 1)"
        )
    };
    let sql = format!(
        "UPDATE customers SET last_response_at = {}, last_response_kind = {} WHERE id = $1",
        last("responded_at"),
        last("kind")
    );
    txn.run(sql, [customer.0.into()]).await?;
    Ok(())
}

/// Some of the customers who do not agree to tracking, of whom something was learned by it.
pub(in crate::responses) async fn untracked(
    txn: &Txn,
    limit: i64,
) -> Result<Vec<CustomerId>, DbErr> {
    txn.rows(
        "SELECT c.id FROM customers c WHERE c.tracking <> 'full' AND c.id IN
             (SELECT customer_id FROM customer_interests
              UNION SELECT customer_id FROM customer_acts WHERE clicks <> 0)
         ORDER BY c.id LIMIT $1",
        [limit.into()],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "id").map(CustomerId))
    .collect()
}

/// Forgets what was learned of customers by tracking.
pub(in crate::responses) async fn forget(txn: &Txn, customers: &[CustomerId]) -> Result<(), DbErr> {
    let ids: Vec<i64> = customers.iter().map(|customer| customer.0).collect();
    let list = txn.dialect().list(1, Kind::Int);
    for sql in [
        format!("DELETE FROM customer_interests WHERE customer_id IN {list}"),
        format!(
            "UPDATE customer_acts SET acts = acts - clicks, clicks = 0
             WHERE clicks <> 0 AND customer_id IN {list}"
        ),
    ] {
        txn.run(sql, [json(&ids)?]).await?;
    }
    prefer(txn, &ids).await
}
