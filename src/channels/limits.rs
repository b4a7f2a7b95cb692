//! How fast messages may go out.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// A pace that any number of tasks keep together; clones share it.
///
/// It bounds one process: two servers send notices twice as fast. Waves wait for slots that all nodes share
/// besides.
#[derive(Clone)]
pub struct Pace {
    limiter: Arc<DefaultDirectRateLimiter>,
    per_second: NonZeroU32,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pace({}/s)", self.per_second)
    }
}

impl Pace {
    /// At most `per_second` in any second, evenly spread: what was not used may be caught up for a tenth
    /// of a second, not more. Zero counts as one.
    pub fn per_second(per_second: u32) -> Self {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        // A tenth of a second in a burst, or timers of a millisecond would hold back fast paces.
        let burst = NonZeroU32::new(per_second.get() / 10).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            limiter: Arc::new(RateLimiter::direct(quota)),
            per_second,
        }
    }

    /// Waits for one's turn. Dropping the future gives up the turn: nothing is used up by waiting.
    pub async fn until_ready(&self) {
        self.limiter.until_ready().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn ten_a_second_take_their_time() {
        let pace = Pace::per_second(20);
        let start = Instant::now();
        let turns = (0..12).map(|_| {
            let pace = pace.clone();
            tokio::spawn(async move { pace.until_ready().await })
        });
        for turn in turns.collect::<Vec<_>>() {
            turn.await.unwrap();
        }
        // Two at once, ten more at 50 ms each.
        assert!(
            start.elapsed() >= Duration::from_millis(450),
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test]
    async fn a_turn_given_up_is_not_used_up() {
        let pace = Pace::per_second(1);
        pace.until_ready().await;
        let given_up = tokio::time::timeout(Duration::from_millis(20), pace.until_ready()).await;
        assert!(given_up.is_err());
        let start = Instant::now();
        pace.until_ready().await;
        assert!(
            start.elapsed() < Duration::from_millis(1500),
            "{:?}",
            start.elapsed()
        );
    }
}
