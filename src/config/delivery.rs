//! `[delivery]`

use serde::Deserialize;

use super::ConfigError;

/// A pressure cap counts up to 366 days; more, so that none reaches what is gone.
const SHORTEST_KEEP_DAYS: u32 = 400;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverySettings {
    /// Recipients a lease covers.
    pub chunk: u32,
    /// Recipients that pass the gate together, right before they are handed over.
    pub batch: u32,
    /// Chunks worked on at once by this process.
    pub workers: u32,
    pub lease_seconds: u64,
    /// How long a deferred message is tried before it has failed as expired.
    pub give_up_hours: u32,
    /// How long a stop waits for what is in flight.
    pub drain_seconds: u64,
    /// Days after its end when the ledger of a wave is let go; 0: never.
    pub keep_days: u32,
}

impl DeliverySettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let at_least_one = [
            ("delivery.chunk", u64::from(self.chunk)),
            ("delivery.batch", u64::from(self.batch)),
            ("delivery.workers", u64::from(self.workers)),
            ("delivery.lease_seconds", self.lease_seconds),
            ("delivery.drain_seconds", self.drain_seconds),
        ];
        for (key, value) in at_least_one {
            if value == 0 {
                return Err(ConfigError::key(key, "must be at least 1"));
            }
        }
        if self.keep_days != 0 && self.keep_days < SHORTEST_KEEP_DAYS {
            return Err(ConfigError::key(
                "delivery.keep_days",
                format!(
                    "must be 0 (for ever) or at least {SHORTEST_KEEP_DAYS}, as far as caps may look back"
                ),
            ));
        }
        if self.chunk > 10_000 {
            return Err(ConfigError::key("delivery.chunk", "must be at most 10000"));
        }
        if self.batch > self.chunk {
            return Err(ConfigError::key(
                "delivery.batch",
                format!("must not be larger than delivery.chunk ({})", self.chunk),
            ));
        }
        Ok(())
    }
}
