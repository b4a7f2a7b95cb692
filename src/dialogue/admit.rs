//! Taking somebody into the base by hand: at the counter, on the telephone. It gives no permission to write to
//! him; that takes evidence of its own.

use serde_json::json;

use super::DialogueError;
use crate::consent::audit;
use crate::customers::enrol;
use crate::customers::import::Correction;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Db;

/// The action of the audit record.
pub const ADMISSION: &str = "admission";

/// Takes a new customer in for `actor`, with the fields of `correction`.
///
/// # Errors
/// When the base knows somebody by this key, address or number, no field says who he is, or the database is
/// away; then nothing is changed.
pub async fn admit(
    db: &Db,
    keys: &Keys,
    correction: &Correction,
    actor: &str,
    now_ms: i64,
) -> Result<CustomerId, DialogueError> {
    let row = &correction.row;
    if row.external_id.is_none() && row.email.is_none() && row.phone.is_none() {
        return Err(DialogueError::Field(
            "a mail address, a telephone number or your own key is needed, so that the person is found again"
                .to_owned(),
        ));
    }
    let txn = db.begin().await?;
    let known = enrol::known(&txn, row).await?;
    if let Some(known) = known {
        return Err(DialogueError::Known(known));
    }
    let customer = enrol::by_hand(&txn, keys, row, now_ms).await?;
    audit::record(&*txn, now_ms, actor, ADMISSION, Some(customer), json!({})).await?;
    txn.commit().await?;
    Ok(customer)
}
