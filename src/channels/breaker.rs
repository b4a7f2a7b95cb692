//! The circuit breaker of a relay, without I/O.
//!
//! Closed, it lets everything through and counts the failures of the relay itself that follow one another:
//! no connection, a refused greeting or log-in, 421, silence. Refusals of a recipient, a sender or a message
//! are answers and count as work. At the third it opens: nothing is handed over for a while. Then it is half
//! open: one connection is tried, and whoever gets it tells how it went. Each opening that follows another
//! without an answered message between them lasts twice as long.

use std::time::Duration;

/// Failures in a row that open it.
const FAILURES: u32 = 3;

const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A trial that nobody told the end of is given to the next one after this.
const TRIAL: Duration = Duration::from_secs(120);

/// Lets hand-overs to one relay through, or not. Instants are durations since any fixed point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breaker {
    state: State,
    /// Since the last answered message.
    failures: u32,
    openings: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Closed,
    Open {
        until: Duration,
    },
    /// One is trying, since then.
    HalfOpen {
        since: Duration,
    },
}

/// What one who wants to hand something over may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    Go,
    /// Try a connection, and tell how it went.
    Try,
    /// Nothing, for so long.
    Wait(Duration),
}

/// What a failure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// How long nothing is handed over.
    pub wait: Duration,
    /// How often the relay failed since it last answered a message.
    pub failures: u32,
}

impl Breaker {
    /// Asks whether to hand over at `now`. Who gets [`Permit::Try`] has the only trial.
    pub fn ask(&mut self, now: Duration) -> Permit {
        match self.state {
            State::Closed => Permit::Go,
            State::Open { until } if now < until => Permit::Wait(until - now),
            State::HalfOpen { since } if now < since + TRIAL => Permit::Wait(FIRST_WAIT),
            State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::HalfOpen { since: now };
                Permit::Try
            }
        }
    }

    /// Whether it lets everything through.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The trial worked: a connection stands, and greets. Says whether that closed it.
    pub fn connected(&mut self) -> bool {
        match self.state {
            State::HalfOpen { .. } => {
                self.state = State::Closed;
                // Two more, and it is open again; how long, the openings remember.
                self.failures = 0;
                true
            }
            State::Closed | State::Open { .. } => false,
        }
    }

    /// The relay answered a message, whatever it said.
    pub fn answered(&mut self) {
        self.failures = 0;
        // While it rests, the last of what was in flight says nothing about a new connection.
        if self.state == State::Closed {
            self.openings = 0;
        }
    }

    /// Opens it for `wait` because the relay asks for that; says for how long, when it was closed. That is no
    /// failure, and the next opening is no longer for it.
    pub fn pause(&mut self, now: Duration, wait: Duration) -> Option<Duration> {
        if self.state != State::Closed {
            return None;
        }
        let wait = wait.min(LONGEST_WAIT);
        self.state = State::Open { until: now + wait };
        Some(wait)
    }

    /// The relay failed at `now`; `chance` in 0..1 spreads the waits, so that nodes do not come back
    /// together. Says when that opened it.
    pub fn failed(&mut self, now: Duration, chance: f64) -> Option<Opened> {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.state {
            State::Closed => self.failures >= FAILURES,
            State::HalfOpen { .. } => true,
            // What was in flight when it opened.
            State::Open { .. } => false,
        };
        if !opens {
            return None;
        }
        let nominal = FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(self.openings.min(16)))
            .min(LONGEST_WAIT);
        let wait = nominal
            .mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
            .min(LONGEST_WAIT);
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open { until: now + wait };
        Some(Opened {
            wait,
            failures: self.failures,
        })
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
