//! Whom a delivery went to.

use sea_orm::{ConnectionTrait, DbErr};

use crate::consent::model::Channel;
use crate::ids::{CustomerId, DeliveryKey};
use crate::responses::model::Terms;
use crate::storage::Sql;

/// What an opt-out needs to know of a delivery.
#[derive(Debug)]
pub(in crate::responses) struct Addressee {
    /// To whom the delivery went, also when he was erased.
    pub customer_id: CustomerId,
    pub channel: Channel,
    /// `None` when he was erased.
    pub customer: Option<Known>,
    pub terms: Terms,
}

/// A customer who is still in the base.
#[derive(Debug)]
pub(in crate::responses) struct Known {
    pub id: CustomerId,
    pub language: String,
    /// Of the address of the delivery's channel.
    pub fingerprint: Option<String>,
}

/// Whom a delivery went to, also when the ledger has let it go.
pub(in crate::responses) async fn addressee(
    connection: &impl ConnectionTrait,
    key: DeliveryKey,
) -> Result<Option<Addressee>, DbErr> {
    let row = connection
        .row(
            "SELECT d.customer_id AS addressee, d.channel, w.definition, c.id AS customer_id, c.language, c.email_fingerprint, c.phone_fingerprint
             FROM (SELECT wave_id, seq, customer_id, channel FROM deliveries WHERE wave_id = $1 AND seq = $2
                   UNION ALL
                   SELECT wave_id, seq, customer_id, channel FROM past_deliveries WHERE wave_id = $1 AND seq = $2) AS d
             JOIN waves w ON w.id = d.wave_id
             LEFT JOIN customers c ON c.id = d.customer_id",
            [key.wave.0.into(), key.seq.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let channel: String = row.try_get("", "channel")?;
    let channel = channel.parse::<Channel>().map_err(DbErr::Type)?;
    let definition: String = row.try_get("", "definition")?;
    let customer = match row.try_get::<Option<i64>>("", "customer_id")? {
        None => None,
        Some(id) => Some(Known {
            id: CustomerId(id),
            language: row.try_get("", "language")?,
            fingerprint: match channel {
                Channel::Email => row.try_get("", "email_fingerprint")?,
                Channel::Sms => row.try_get("", "phone_fingerprint")?,
            },
        }),
    };
    Ok(Some(Addressee {
        customer_id: CustomerId(row.try_get("", "addressee")?),
        channel,
        customer,
        terms: Terms::read(&definition),
    }))
}
