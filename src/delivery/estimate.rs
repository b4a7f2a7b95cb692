//! When a wave will be done, without I/O: an estimate that says nothing rather than something false.

use std::ops::Range;

/// Minutes looked back upon.
pub const REACH: i64 = 5;

const MINUTE_MS: i64 = 60_000;

/// What is known of a wave under way. Instants are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    pub now_ms: i64,
    pub launched_at: i64,
    /// Minutes since the epoch and what was handed over in them, in any order.
    pub minutes: Vec<(i64, i64)>,
    pub pending: i64,
    /// When the next of the pending may go, where that is to come.
    pub next_due_at: Option<i64>,
    /// When the last of those may go who are held until a time of their own.
    pub last_due_at: Option<i64>,
    /// The least of the limits that hold for all of it, in messages a second.
    pub limit: Option<u32>,
    /// Until when its relay is resting.
    pub resting_until: Option<i64>,
}

/// How fast it goes, and when the pending are handed over if it goes on like that.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Estimate {
    /// Measured over the last minutes; `None`: nothing was handed over in them.
    pub per_second: Option<f64>,
    pub done_at: Option<i64>,
}

impl Facts {
    /// Estimates.
    pub fn estimate(&self) -> Estimate {
        let measured = self.measured();
        let limit = self.limit.map(f64::from);
        let rate = match (measured, limit) {
            // Slots that were missed before are caught up: for a while it may be faster than its limit.
            (Some(measured), Some(limit)) => Some(measured.min(limit)),
            (measured, limit) => measured.or(limit),
        };
        let done_at = rate
            .filter(|rate| *rate > 0.0 && self.pending > 0)
            .map(|rate| {
                let begin = [self.next_due_at, self.resting_until]
                    .into_iter()
                    .flatten()
                    .fold(self.now_ms, i64::max);
                let takes = milliseconds(as_f64(self.pending) / rate);
                let done = begin.saturating_add(takes);
                // Who is held goes when he may, not before.
                self.last_due_at.map_or(done, |last| done.max(last))
            });
        Estimate {
            per_second: measured,
            done_at,
        }
    }

    fn measured(&self) -> Option<f64> {
        let reach = self.reach();
        let within = || {
            self.minutes
                .iter()
                .filter(|(minute, n)| reach.contains(minute) && *n > 0)
        };
        let n: i64 = within().map(|(_, n)| n).sum();
        let first = within().map(|(minute, _)| *minute).min()?;
        // A wave that began within its first minute is not measured by the whole of it.
        let begin = (first * MINUTE_MS).max(self.launched_at);
        let elapsed = self.now_ms - begin;
        (elapsed > 0).then(|| as_f64(n) * 1000.0 / as_f64(elapsed))
    }

    fn reach(&self) -> Range<i64> {
        let now = self.now_ms.div_euclid(MINUTE_MS);
        // The clocks of nodes differ: a minute to come is the present of another.
        now - REACH + 1..now + REACH
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and milliseconds far below 2^53"
)]
fn as_f64(n: i64) -> f64 {
    n as f64
}

fn milliseconds(seconds: f64) -> i64 {
    std::time::Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|duration| i64::try_from(duration.as_millis()).ok())
        .unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes after the epoch, launched three minutes ago, 600 a minute.
    fn facts() -> Facts {
        Facts {
            now_ms: 10 * MINUTE_MS,
            launched_at: 7 * MINUTE_MS,
            minutes: vec![(7, 600), (8, 600), (9, 600)],
            pending: 6_000,
            ..Facts::default()
        }
    }

    #[test]
    fn it_goes_on_as_it_went_of_late() {
        let estimate = facts().estimate();
        assert_eq!(estimate.per_second, Some(10.0));
        assert_eq!(estimate.done_at, Some(20 * MINUTE_MS));
        // What was an hour ago says nothing.
        let mut old = facts();
        old.launched_at = 0;
        old.minutes = vec![(1, 1_000_000), (9, 600)];
        assert_eq!(old.estimate().per_second, Some(10.0));
    }

    #[test]
    fn a_wave_that_has_just_begun_is_measured_since_its_launch() {
        let facts = Facts {
            now_ms: 10 * MINUTE_MS + 30_000,
            launched_at: 10 * MINUTE_MS + 20_000,
            minutes: vec![(10, 100)],
            pending: 100,
            ..Facts::default()
        };
        assert_eq!(facts.estimate().per_second, Some(10.0));
    }

    #[test]
    fn without_a_measure_the_limit_tells_and_without_both_nobody_does() {
        let mut facts = facts();
        facts.minutes.clear();
        assert_eq!(facts.estimate(), Estimate::default());
        facts.limit = Some(20);
        assert_eq!(facts.estimate().done_at, Some(15 * MINUTE_MS));
    }

    #[test]
    fn limits_rests_and_held_people_are_reckoned_with() {
        let mut facts = facts();
        facts.limit = Some(5);
        assert_eq!(facts.estimate().done_at, Some(30 * MINUTE_MS));
        facts.limit = None;
        facts.resting_until = Some(12 * MINUTE_MS);
        assert_eq!(facts.estimate().done_at, Some(22 * MINUTE_MS));
        facts.last_due_at = Some(60 * MINUTE_MS);
        assert_eq!(facts.estimate().done_at, Some(60 * MINUTE_MS));
        facts.pending = 0;
        assert_eq!(facts.estimate().done_at, None, "nothing is left to be done");
    }
}
