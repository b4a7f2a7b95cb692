//! Mails taken in, and what must be known to act on them.

use sea_orm::DbErr;

use crate::channels::model::Class;
use crate::ids::{ConfirmationId, CustomerId, DeliveryKey};
use crate::responses::inbox::model::Way;
use crate::responses::inbox::receive::Text;
use crate::storage::{Sql, Txn};

/// A mail as it is put on record.
#[derive(Debug)]
pub(in crate::responses::inbox) struct NewMail<'a> {
    pub digest: &'a str,
    pub way: Way,
    pub kind: &'static str,
    pub class: Option<Class>,
    pub rule: Option<&'a str>,
    pub delivery: Option<DeliveryKey>,
    pub notice: Option<ConfirmationId>,
    pub customer: Option<CustomerId>,
    /// Of what is kept for a person.
    pub text: Option<&'a Text>,
    pub received_at: i64,
}

/// Puts a mail on record; `false` when it is there already.
pub(in crate::responses::inbox) async fn insert(
    txn: &Txn,
    mail: &NewMail<'_>,
) -> Result<bool, DbErr> {
    let text = mail.text;
    let inserted = txn
        .run(
            "INSERT INTO received_mails (digest, way, kind, class, rule, wave_id, seq, notice_id, customer_id,
                is_kept, fingerprint, sender, subject, body, received_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             ON CONFLICT (digest) DO NOTHING",
            [
                mail.digest.into(),
                mail.way.as_str().into(),
                mail.kind.into(),
                mail.class.map(Class::as_str).into(),
                mail.rule.into(),
                mail.delivery.map(|key| key.wave.0).into(),
                mail.delivery.map(|key| key.seq).into(),
                mail.notice.map(|id| id.0).into(),
                mail.customer.map(|customer| customer.0).into(),
                text.is_some().into(),
                text.and_then(|text| text.fingerprint.clone()).into(),
                text.and_then(|text| text.sender.clone()).into(),
                text.and_then(|text| text.subject.clone()).into(),
                text.map(|text| text.body.clone()).into(),
                mail.received_at.into(),
            ],
        )
        .await?
        .rows_affected();
    Ok(inserted == 1)
}

/// Whether a message is being handed over, so that nobody can say yet whether it was taken: pending and sending.
/// What waits for another attempt can wait for days.
pub(in crate::responses::inbox) async fn is_in_hand(
    txn: &Txn,
    key: DeliveryKey,
) -> Result<bool, DbErr> {
    let row = txn
        .row(
            "SELECT 1 AS one FROM deliveries d JOIN waves w ON w.id = d.wave_id
             WHERE d.wave_id = $1 AND d.seq = $2 AND d.state IN (0, 1) AND w.status = 'running'",
            [key.wave.0.into(), key.seq.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// The addresses that a customer's evidence names, without the one of today.
pub(in crate::responses::inbox) async fn former_addresses(
    txn: &Txn,
    customer: CustomerId,
    today: &str,
) -> Result<Vec<String>, DbErr> {
    txn.rows(
        "SELECT DISTINCT fingerprint FROM permission_evidence
         WHERE customer_id = $1 AND channel = 'email' AND fingerprint IS NOT NULL AND fingerprint <> $2",
        [customer.0.into(), today.into()],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "fingerprint"))
    .collect()
}
