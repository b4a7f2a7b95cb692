//! A wave settled as if it had been sent, in a few statements: for benches, where ten million messages would take
//! hours.

use sea_orm::DbErr;

use super::wave::{Counters, add_of, finish_if_done};
use crate::consent::model::Channel;
use crate::ids::WaveId;
use crate::storage::{Sql, Txn};

/// Every so manieth message is refused as an invalid recipient.
const REFUSED: i64 = 97;
/// Every so manieth stays unknown.
const UNKNOWN: i64 = 4_999;

/// Settles all that waits, a message a second from `at_ms` on, over an hour again and again; counters, the contact
/// history and the leases with it. How many were accepted.
///
/// # Errors
/// When the database is away.
pub async fn settle_as_sent(
    txn: &Txn,
    wave: WaveId,
    topic: &str,
    at_ms: i64,
) -> Result<i64, DbErr> {
    let pending = txn
        .rows(
            "SELECT channel, cell, COUNT(*) AS n FROM deliveries WHERE wave_id = $1 AND state = 0
             GROUP BY channel, cell ORDER BY channel, cell",
            [wave.0.into()],
        )
        .await?;
    txn.run(
        format!(
            "UPDATE deliveries SET attempt = 1, settled_at = $2 + (seq % 3600) * 1000,
                 state = CASE WHEN seq % {REFUSED} = 0 THEN 4 WHEN seq % {UNKNOWN} = 0 THEN 5 ELSE 2 END,
                 reason = CASE WHEN seq % {REFUSED} = 0 THEN 'invalid_recipient' END
             WHERE wave_id = $1 AND state = 0"
        ),
        [wave.0.into(), at_ms.into()],
    )
    .await?;
    txn.run(
        "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
         SELECT customer_id, settled_at, wave_id, seq, channel, $2 FROM deliveries
         WHERE wave_id = $1 AND state IN (2, 5)",
        [wave.0.into(), topic.into()],
    )
    .await?;
    let mut accepted = 0;
    for row in pending {
        let channel: String = row.try_get("", "channel")?;
        let cell: String = row.try_get("", "cell")?;
        let n: i64 = row.try_get("", "n")?;
        let of = txn
            .rows(
                "SELECT state, COUNT(*) AS n FROM deliveries
                 WHERE wave_id = $1 AND channel = $2 AND cell = $3 AND state IN (2, 4, 5) GROUP BY state",
                [wave.0.into(), channel.as_str().into(), cell.as_str().into()],
            )
            .await?;
        let mut counters = Counters::new();
        counters.insert("pending".to_owned(), -n);
        for row in of {
            let state: i16 = row.try_get("", "state")?;
            let n: i64 = row.try_get("", "n")?;
            match state {
                2 => {
                    accepted += n;
                    counters.insert("accepted".to_owned(), n);
                }
                4 => {
                    counters.insert("failed".to_owned(), n);
                    counters.insert("failed.invalid_recipient".to_owned(), n);
                }
                _ => {
                    counters.insert("unknown".to_owned(), n);
                }
            }
        }
        let channel = if channel == "sms" {
            Channel::Sms
        } else {
            Channel::Email
        };
        add_of(txn, wave, channel, &cell, &counters).await?;
    }
    txn.run(
        "UPDATE leases SET is_done = TRUE WHERE wave_id = $1",
        [wave.0.into()],
    )
    .await?;
    finish_if_done(txn, wave, at_ms + 3_600_000).await?;
    Ok(accepted)
}
