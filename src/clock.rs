//! Time is given: whoever needs the hour is handed a [`Clock`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// Milliseconds of a day of 24 hours.
pub const DAY_MS: i64 = 86_400_000;

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

/// When a day begins in a zone, in milliseconds since the epoch.
pub fn beginning(day: NaiveDate, zone: Tz) -> i64 {
    local_instant(day.and_time(NaiveTime::MIN), zone).timestamp_millis()
}

/// The instant of a local date-time: where it does not exist, the first instant after the gap; where it
/// comes twice, the first time.
pub fn local_instant(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
        LocalResult::None => {
            // Gaps are at most a day (Samoa left out a whole day in 2011) and lie on minutes.
            (1..=24 * 60)
                .find_map(|minutes| {
                    let later = local.checked_add_signed(Duration::minutes(minutes))?;
                    zone.from_local_datetime(&later).earliest()
                })
                .map_or_else(|| local.and_utc(), |at| at.to_utc())
        }
    }
}
