//! Time is given: whoever needs the hour is handed a [`Clock`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// Tells the time, in UTC.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> DateTime<Utc>;

    /// Now, in milliseconds since the Unix epoch, as the database keeps it.
    fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }
}

/// A clock as it is passed about.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        Utc::now()
    }
}

/// A clock that stands still until it is moved; for tests.
#[derive(Debug)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// A clock that stands at `instant`.
    pub fn at(instant: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(instant.timestamp_millis())))
    }

    /// Moves the clock by `duration`, forward or back.
    pub fn advance(&self, duration: chrono::Duration) {
        self.0
            .fetch_add(duration.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        from_ms(self.0.load(Ordering::SeqCst))
    }
}

/// The instant of a database column; one outside chrono's range becomes the epoch.
pub fn from_ms(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}
