//! Tells other programs what came back, and what it earned.

use sea_orm::DbErr;
use serde_json::{Value, json};

use super::orders::{DueOrder, Sale};
use crate::events::{self, model::EventKind};
use crate::ids::CampaignId;
use crate::responses::model::What;
use crate::responses::tally::{Delivery, Judged, Wave};
use crate::storage::Txn;

/// Tells of the responses of people; opens are too unsure to act on, and an opt-out is told as what it is.
pub(super) async fn tell(txn: &Txn, judged: &[(&Delivery, &Wave, Judged)]) -> Result<(), DbErr> {
    let worth: Vec<_> = judged
        .iter()
        .flat_map(|(delivery, wave, judged)| {
            judged
                .responses
                .iter()
                .map(move |one| (*delivery, *wave, one))
        })
        .filter(|(_, _, response)| {
            response.made_by.is_person()
                && !matches!(response.what, What::Open | What::OptOut | What::Scan)
        })
        .collect();
    if worth.is_empty() || !events::is_wanted(&**txn, EventKind::ResponseRecorded).await? {
        return Ok(());
    }
    let people = worth.iter().map(|(delivery, _, _)| delivery.customer);
    let keys = events::keys_of(&**txn, people).await?;
    let last = worth.iter().map(|(_, _, response)| response.at).max();
    let content: Vec<Value> = worth
        .into_iter()
        .map(|(delivery, wave, response)| {
            let (part, amount, class) = match response.what {
                What::Click { part, .. } => (Some(part.as_str()), None, None),
                What::Order { amount_cents } => (None, Some(amount_cents), None),
                What::Bounce { class } => (None, None, Some(class.as_str())),
                _ => (None, None, None),
            };
            json!({
                "customer": events::person(delivery.customer, &keys),
                "campaign": wave.campaign,
                "wave": delivery.key.wave,
                "delivery": delivery.key.to_string(),
                "kind": response.what.as_str(),
                "part": part,
                "amount_cents": amount,
                "class": class,
                "at": events::told(response.at),
            })
        })
        .collect();
    let kind = EventKind::ResponseRecorded;
    events::record_list(
        &**txn,
        kind,
        "responses",
        &content,
        last.unwrap_or_default(),
    )
    .await
}

/// Tells which messages earned these orders.
pub(in crate::responses) async fn tell_orders(
    txn: &Txn,
    given: &[(&DueOrder, Sale, CampaignId)],
    now_ms: i64,
) -> Result<(), DbErr> {
    if given.is_empty() || !events::is_wanted(&**txn, EventKind::OrderAttributed).await? {
        return Ok(());
    }
    let keys = events::keys_of(&**txn, given.iter().map(|(order, _, _)| order.customer)).await?;
    let content: Vec<Value> = given
        .iter()
        .map(|(order, sale, campaign)| {
            json!({
                "order": order.external_id,
                "customer": events::person(order.customer, &keys),
                "campaign": campaign,
                "wave": sale.key.wave,
                "delivery": sale.key.to_string(),
                "amount_cents": sale.counted.cents,
                "currency": sale.counted.currency,
                "matched_by": sale.by.as_str(),
                "at": events::told(order.ordered_at),
            })
        })
        .collect();
    let kind = EventKind::OrderAttributed;
    events::record_list(&**txn, kind, "orders", &content, now_ms).await
}
