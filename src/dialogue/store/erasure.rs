//! What erasure takes away, and what it finds to keep.

use sea_orm::DbErr;

use super::{mails, replies};

use crate::consent::model::Channel;
use crate::consent::store::{Mailboxes, hold_mailboxes};
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::{Dialect, Kind, Sql, Txn};

/// A customer whose row is locked until the transaction ends.
#[derive(Debug)]
pub(in crate::dialogue) struct Held {
    pub email_key: Option<String>,
    pub phone: Option<String>,
    pub language: String,
    /// The address of each channel today.
    pub current: Vec<(Channel, String)>,
    /// Everyone who shares a mailbox with him, himself included.
    pub mailbox: Vec<CustomerId>,
    /// Every address he is known by here: today's, and those of his evidence; in order, each once.
    pub fingerprints: Vec<(Channel, String)>,
    /// The newest word on record about his permission, in milliseconds since the epoch.
    pub newest_at: i64,
}

/// Locks the customer's row and those who share a mailbox with him; `None` when there is none.
pub(in crate::dialogue) async fn hold(
    txn: &Txn,
    keys: &Keys,
    customer: CustomerId,
) -> Result<Option<Held>, DbErr> {
    let Mailboxes {
        customers: mailbox,
        mut fingerprints,
        ..
    } = hold_mailboxes(&**txn, customer).await?;
    let sql = "SELECT email_key, email_fingerprint, phone, phone_fingerprint, language FROM customers WHERE id = $1";
    let Some(row) = txn.row(sql, [customer.0.into()]).await? else {
        return Ok(None);
    };
    let mut current = Vec::new();
    for (channel, address, column) in [
        (Channel::Email, "email_key", "email_fingerprint"),
        (Channel::Sms, "phone", "phone_fingerprint"),
    ] {
        let on_record: Option<String> = row.try_get("", column)?;
        current.extend(on_record.map(|fingerprint| (channel, fingerprint)));
        // An address that cannot be written to has none on record; the next import may mend it.
        let address: Option<String> = row.try_get("", address)?;
        fingerprints.extend(address.map(|address| (channel, keys.fingerprint(&address))));
    }
    fingerprints.extend(current.iter().cloned());
    fingerprints.sort_unstable();
    fingerprints.dedup();
    let newest: Option<i64> = txn
        .row(
            "SELECT MAX(occurred_at) AS newest FROM permission_evidence WHERE customer_id = $1",
            [customer.0.into()],
        )
        .await?
        .map(|row| row.try_get("", "newest"))
        .transpose()?
        .flatten();
    Ok(Some(Held {
        email_key: row.try_get("", "email_key")?,
        phone: row.try_get("", "phone")?,
        language: row.try_get("", "language")?,
        current,
        mailbox,
        fingerprints,
        newest_at: newest.unwrap_or_default(),
    }))
}

/// How many pieces of evidence name the address or number in their source or wording, where it cannot be
/// taken out any more.
pub(in crate::dialogue) async fn evidence_naming(
    txn: &Txn,
    customer: CustomerId,
    address: &str,
) -> Result<i64, DbErr> {
    let place = |column: &str| match txn.dialect() {
        Dialect::Sqlite => format!("instr(lower(COALESCE({column}, '')), $2) > 0"),
        Dialect::Postgres => format!("strpos(lower(COALESCE({column}, '')), $2) > 0"),
    };
    let sql = format!(
        "SELECT COUNT(*) AS n FROM permission_evidence WHERE customer_id = $1 AND ({} OR {})",
        place("source"),
        place("wording")
    );
    let row = txn.row(sql, [customer.0.into(), address.into()]).await?;
    row.map_or(Ok(0), |row| row.try_get("", "n"))
}

/// Takes away what is his: details of evidence, confirmations, and the customer with all that hangs on
/// the row. Evidence, ledger and responses keep the number alone. The link he deleted himself by is known
/// until it would have expired, so that whoever presses the button twice reads that it is done.
pub(in crate::dialogue) async fn take_away(
    txn: &Txn,
    customer: CustomerId,
    fingerprints: &[(Channel, String)],
) -> Result<(), DbErr> {
    txn.run(
        "DELETE FROM evidence_details WHERE evidence_id IN
             (SELECT id FROM permission_evidence WHERE customer_id = $1)",
        [customer.0.into()],
    )
    .await?;
    let prints: Vec<&String> = fingerprints.iter().map(|(_, print)| print).collect();
    let sql = format!(
        "DELETE FROM confirmations WHERE (customer_id = $1 OR fingerprint IN {})
             AND NOT (purpose = 'erasure' AND used_at IS NOT NULL)",
        txn.dialect().list(2, Kind::Text)
    );
    let prints = serde_json::json!(prints).to_string();
    txn.run(sql, [customer.0.into(), prints.as_str().into()])
        .await?;
    replies::take_away(txn, customer, &prints).await?;
    mails::take_away(txn, customer, &prints).await?;
    // Tags, orders and permissions go with the row.
    txn.run("DELETE FROM customers WHERE id = $1", [customer.0.into()])
        .await?;
    Ok(())
}
