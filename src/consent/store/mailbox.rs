//! Who shares a mailbox: several customers may have one address, and a "no" from it is of all of them.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use crate::consent::model::Channel;
use crate::ids::CustomerId;
use crate::storage::{Dialect, Kind, Sql};

/// How often the addresses are read again when they change while the rows are waited for.
const LOOKS: u32 = 3;

/// Whom a customer's "no" concerns, locked until the transaction ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailboxes {
    pub customer: CustomerId,
    /// Who has one of the addresses today, and the customer himself unless he is gone; by number.
    pub customers: Vec<CustomerId>,
    /// The addresses he is known by: today's, and those of his evidence, which erasure leaves; in order,
    /// each once.
    pub fingerprints: Vec<(Channel, String)>,
}

/// Locks a customer and everyone who shares a mailbox with him, in the order in which imports and other
/// writers take them; to be called before anything else in the transaction. The gate of any of them then
/// comes before the "no", or sees it.
///
/// # Errors
/// When the database is away.
pub async fn hold_mailboxes(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
) -> Result<Mailboxes, DbErr> {
    hold_with(connection, customer, None).await
}

/// [`hold_mailboxes`], and those at one more address.
pub(super) async fn hold_with(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    address: Option<(Channel, &str)>,
) -> Result<Mailboxes, DbErr> {
    let mut fingerprints = known_by(connection, customer, address).await?;
    let mut looks = 1;
    loop {
        let customers = lock(connection, customer, &fingerprints).await?;
        // He may have been given another address while his row was waited for.
        let now = known_by(connection, customer, address).await?;
        if now == fingerprints || looks == LOOKS {
            return Ok(Mailboxes {
                customer,
                customers,
                fingerprints: now.into_iter().collect(),
            });
        }
        fingerprints = now;
        looks += 1;
    }
}

/// The addresses a customer is known by, and `address`.
async fn known_by(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    address: Option<(Channel, &str)>,
) -> Result<BTreeSet<(Channel, String)>, DbErr> {
    let sql = "SELECT 'email' AS channel, email_fingerprint AS fingerprint FROM customers \
         WHERE id = $1 AND email_fingerprint IS NOT NULL \
         UNION SELECT 'sms', phone_fingerprint FROM customers WHERE id = $1 AND phone_fingerprint IS NOT NULL \
         UNION SELECT channel, fingerprint FROM permission_evidence WHERE customer_id = $1 AND fingerprint IS NOT NULL";
    let mut known = BTreeSet::new();
    known.extend(address.map(|(channel, fingerprint)| (channel, fingerprint.to_owned())));
    for row in connection.rows(sql, [customer.0.into()]).await? {
        let channel: String = row.try_get("", "channel")?;
        known.insert((
            channel.parse().map_err(DbErr::Type)?,
            row.try_get("", "fingerprint")?,
        ));
    }
    Ok(known)
}

/// Locks the customer and those at these addresses, by number.
async fn lock(
    connection: &impl ConnectionTrait,
    customer: CustomerId,
    fingerprints: &BTreeSet<(Channel, String)>,
) -> Result<Vec<CustomerId>, DbErr> {
    let dialect = Dialect::of(connection);
    let sql = format!(
        "SELECT id FROM customers WHERE id IN (SELECT id FROM customers WHERE email_fingerprint IN {list} \
         UNION SELECT id FROM customers WHERE phone_fingerprint IN {list} UNION SELECT CAST($2 AS BIGINT)) \
         ORDER BY id {lock}",
        list = dialect.list(1, Kind::Text),
        lock = match dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => "FOR UPDATE",
        }
    );
    let fingerprints: Vec<&str> = fingerprints.iter().map(|(_, print)| &**print).collect();
    connection
        .rows(
            sql,
            [json!(fingerprints).to_string().into(), customer.0.into()],
        )
        .await?
        .iter()
        .map(|row| row.try_get("", "id").map(CustomerId))
        .collect()
}
