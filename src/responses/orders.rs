//! Which message earned an order.
//!
//! An order that names its campaign belongs to the last message of that campaign handed over to the
//! customer before he ordered. Any other belongs to the message he clicked last before he ordered,
//! provided the order lies within that campaign's window after the hand-over. What neither rule finds
//! was earned by no message and stays without one. Scanners' clicks earn nothing.

use std::collections::HashMap;

use super::ResponseError;
use super::model::{MadeBy, Response, Terms, What};
use super::store::{self, Contact, OpenOrder, Waves};
use crate::ids::WaveId;
use crate::storage::Db;

/// Orders looked at together.
const BATCH: usize = 500;

/// Gives the orders made until `now` (milliseconds since the epoch) to the deliveries that earned them,
/// with marks, counters and customers; returns how many were given. Running it again, or on two nodes at
/// once, gives none twice.
///
/// # Errors
/// When the database is away; what was given until then stays given.
pub async fn attribute_orders(db: &Db, now: i64) -> Result<u64, ResponseError> {
    let mut waves = Waves::default();
    let mut after_id = 0;
    let mut given = 0;
    loop {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let orders = store::open_orders(db, after_id, now, limit).await?;
        let Some(last) = orders.last() else {
            return Ok(given);
        };
        after_id = last.id;
        let contacts = store::contacts(db, &orders).await?;
        let terms = store::terms(db, &mut waves, contacts.iter().map(|c| c.key.wave)).await?;
        let claims: Vec<(OpenOrder, Contact)> = orders
            .iter()
            .filter_map(|order| Some((*order, earned_by(order, &contacts, &terms)?)))
            .collect();
        if !claims.is_empty() {
            let txn = db.begin().await?;
            let claimed = store::claim_orders(&txn, &claims).await?;
            let responses: Vec<Response> = claims
                .iter()
                .filter(|(order, _)| claimed.contains(&order.id))
                .map(|(order, contact)| Response {
                    delivery: contact.key,
                    what: What::Order {
                        amount_cents: order.amount_cents,
                    },
                    made_by: MadeBy::Person,
                    // Of an order given to the day, no later than it is known.
                    at: order.ordered_at.min(now),
                })
                .collect();
            store::write(&txn, &mut waves, &responses).await?;
            txn.commit().await?;
            given += u64::try_from(responses.len()).unwrap_or_default();
        }
        if orders.len() < BATCH {
            return Ok(given);
        }
    }
}

/// The contact that earned an order, by the rules above; later wins, and of two at one instant the
/// higher key, so that the answer is always the same.
fn earned_by(
    order: &OpenOrder,
    contacts: &[Contact],
    terms: &HashMap<WaveId, Terms>,
) -> Option<Contact> {
    contacts
        .iter()
        .filter(|contact| contact.order == order.id)
        .filter(|contact| {
            contact.clicked_at.is_none()
                || terms.get(&contact.key.wave).is_some_and(|terms| {
                    terms.is_within_window(Some(contact.settled_at), order.ordered_at)
                })
        })
        .max_by_key(|contact| {
            (
                contact.clicked_at.unwrap_or(contact.settled_at),
                contact.key,
            )
        })
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CampaignId, CustomerId, DeliveryKey};

    const DAY: i64 = 86_400_000;

    fn order(ordered_at: i64, campaign: Option<i64>) -> OpenOrder {
        OpenOrder {
            id: 1,
            customer: CustomerId(1),
            ordered_at,
            amount_cents: 100,
            campaign: campaign.map(CampaignId),
        }
    }

    fn contact(wave: i64, settled_at: i64, clicked_at: Option<i64>) -> Contact {
        Contact {
            order: 1,
            key: DeliveryKey {
                wave: WaveId(wave),
                seq: 1,
            },
            campaign: CampaignId(wave),
            settled_at,
            clicked_at,
        }
    }

    fn terms() -> HashMap<WaveId, Terms> {
        let days = |days| Terms {
            window_days: days,
            ..Terms::default()
        };
        HashMap::from([(WaveId(1), days(7)), (WaveId(2), days(1))])
    }

    #[test]
    fn the_last_click_earns_the_order() {
        let contacts = [contact(1, 0, Some(20)), contact(2, 0, Some(10))];
        let earned = earned_by(&order(DAY / 2, None), &contacts, &terms());
        assert_eq!(earned.map(|c| c.key.wave), Some(WaveId(1)));
    }

    #[test]
    fn a_later_click_whose_window_is_over_leaves_it_to_the_earlier() {
        let contacts = [contact(1, 0, Some(10)), contact(2, 0, Some(20))];
        let earned = earned_by(&order(2 * DAY, None), &contacts, &terms());
        assert_eq!(earned.map(|c| c.key.wave), Some(WaveId(1)));
        assert_eq!(earned_by(&order(8 * DAY, None), &contacts, &terms()), None);
    }

    #[test]
    fn a_named_campaign_needs_no_click_and_no_window() {
        let contacts = [contact(2, 0, None), contact(2, DAY, None)];
        let earned = earned_by(&order(300 * DAY, Some(2)), &contacts, &terms());
        assert_eq!(earned.map(|c| c.settled_at), Some(DAY));
    }

    #[test]
    fn an_order_of_another_is_not_looked_at() {
        let contacts = [Contact {
            order: 2,
            ..contact(1, 0, Some(10))
        }];
        assert_eq!(earned_by(&order(20, None), &contacts, &terms()), None);
    }
}
