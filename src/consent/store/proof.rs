//! Everything on record about the permission of one person.

use sea_orm::{ConnectionTrait, DbErr};

use crate::consent::model::Details;
use crate::consent::proof::{Confirmation, Contacts, Piece, instant};
use crate::ids::CustomerId;
use crate::storage::Sql;

/// A piece of evidence with where it belongs.
#[derive(Debug, Clone)]
pub(in crate::consent) struct Placed {
    pub channel: String,
    pub topic: String,
    pub piece: Piece,
}

/// The evidence about a person, oldest first.
pub(in crate::consent) async fn evidence(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Vec<Placed>, DbErr> {
    let rows = connection
        .rows(
            "SELECT e.id, e.channel, e.topic, e.action, e.basis, e.source, e.wording, e.fingerprint, \
             e.occurred_at, e.recorded_at, e.level, e.expires_at, e.locale, e.actor, e.confirmation_id, \
             e.details_digest, d.details, k.position, k.link, \
             f.requested_at, f.sent_at, f.used_at \
             FROM permission_evidence e \
             LEFT JOIN evidence_details d ON d.evidence_id = e.id \
             LEFT JOIN evidence_chain k ON k.evidence_id = e.id \
             LEFT JOIN confirmations f ON f.id = e.confirmation_id \
             WHERE e.customer_id = $1 ORDER BY e.occurred_at, e.id",
            [customer.0.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let text = |column: &str| row.try_get::<Option<String>>("", column);
            let number = |column: &str| row.try_get::<Option<i64>>("", column);
            let details: Option<Details> = text("details")?
                .map(|json| serde_json::from_str(&json))
                .transpose()
                .map_err(|error| DbErr::Type(format!("evidence_details.details: {error}")))?;
            let confirmation = match number("confirmation_id")? {
                None => None,
                Some(id) => Some(Confirmation {
                    id,
                    requested_at: number("requested_at")?.map(instant),
                    sent_at: number("sent_at")?.map(instant),
                    confirmed_at: number("used_at")?.map(instant),
                }),
            };
            Ok(Placed {
                channel: row.try_get("", "channel")?,
                topic: row.try_get("", "topic")?,
                piece: Piece {
                    id: row.try_get("", "id")?,
                    action: row.try_get("", "action")?,
                    basis: text("basis")?,
                    level: row.try_get::<Option<i16>>("", "level")?,
                    source: row.try_get("", "source")?,
                    wording: text("wording")?,
                    language: text("locale")?,
                    recorded_by: text("actor")?,
                    occurred_at: instant(row.try_get("", "occurred_at")?),
                    recorded_at: instant(row.try_get("", "recorded_at")?),
                    expires_at: number("expires_at")?.map(instant),
                    address_fingerprint: text("fingerprint")?,
                    are_details_erased: details.is_none() && text("details_digest")?.is_some(),
                    details,
                    confirmation,
                    position: number("position")?,
                    link: text("link")?,
                },
            })
        })
        .collect()
}

/// Messages handed over, by channel and topic, with those that are only known as a sum.
pub(in crate::consent) async fn contacts(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Vec<(String, String, Contacts)>, DbErr> {
    let rows = connection
        .rows(
            "SELECT channel, topic, CAST(SUM(n) AS BIGINT) AS n, MIN(first_at) AS first_at, MAX(last_at) AS last_at FROM ( \
                 SELECT channel, topic, 1 AS n, contacted_at AS first_at, contacted_at AS last_at \
                 FROM contacts WHERE customer_id = $1 \
                 UNION ALL SELECT channel, topic, contacts, first_at, last_at \
                 FROM past_contacts WHERE customer_id = $1) AS sent \
             GROUP BY channel, topic ORDER BY channel, topic",
            [customer.0.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let count: i64 = row.try_get("", "n")?;
            Ok((
                row.try_get("", "channel")?,
                row.try_get("", "topic")?,
                Contacts {
                    count: count.unsigned_abs(),
                    first_at: Some(instant(row.try_get("", "first_at")?)),
                    last_at: Some(instant(row.try_get("", "last_at")?)),
                },
            ))
        })
        .collect()
}

/// What of a customer's row bears on his permissions.
#[derive(Debug, Clone)]
pub(in crate::consent) struct Acts {
    /// The last click or answer, and the last order, in milliseconds since the epoch.
    pub last_response_at: Option<i64>,
    pub last_order_at: Option<i64>,
    /// Of the addresses he has now.
    pub email_fingerprint: Option<String>,
    pub phone_fingerprint: Option<String>,
}

/// `None` when he is not in the base.
pub(in crate::consent) async fn acts(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Option<Acts>, DbErr> {
    connection
        .row(
            "SELECT last_response_at, last_order_at, email_fingerprint, phone_fingerprint \
             FROM customers WHERE id = $1",
            [customer.0.into()],
        )
        .await?
        .map(|row| {
            Ok(Acts {
                last_response_at: row.try_get("", "last_response_at")?,
                last_order_at: row.try_get("", "last_order_at")?,
                email_fingerprint: row.try_get("", "email_fingerprint")?,
                phone_fingerprint: row.try_get("", "phone_fingerprint")?,
            })
        })
        .transpose()
}
