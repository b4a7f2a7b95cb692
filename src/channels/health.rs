//! How a relay or a provider does, as this process sees it: its circuit breaker, and what there is to tell
//! about it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt;

use super::breaker::{Breaker, Permit};

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Nothing is handed over for `wait`.
    Rests {
        /// What failed last, in words, without anything a server said.
        reason: String,
        /// How often in a row.
        failures: u32,
        wait: Duration,
    },
    Works,
}

/// What the end of a message says about the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered, whatever it said.
    Answered,
    /// It failed, and why, in words.
    Failed(String),
    Nothing,
}

/// The breaker of a relay, shared by all who hand over.
#[derive(Debug)]
pub(super) struct Health {
    state: Mutex<State>,
    /// The zero of the breaker's time.
    begin: Instant,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    news: Option<News>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            begin: Instant::now(),
        }
    }
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether messages may be handed over.
    pub fn is_well(&self) -> bool {
        self.state().breaker.is_closed()
    }

    /// Asks whether to begin; who gets [`Permit::Try`] tells how the trial went.
    pub fn ask(&self) -> Permit {
        let now = self.begin.elapsed();
        self.state().breaker.ask(now)
    }

    /// A connection stands that may carry mail.
    pub fn connected(&self) {
        let mut state = self.state();
        if state.breaker.connected() {
            state.news = Some(News::Works);
        }
    }

    /// Heeds the end of a message.
    pub fn heed(&self, sign: &Sign) {
        match sign {
            Sign::Answered => self.state().breaker.answered(),
            Sign::Failed(reason) => self.failed(reason.clone()),
            Sign::Nothing => {}
        }
    }

    /// The relay itself failed.
    pub fn failed(&self, reason: String) {
        let now = self.begin.elapsed();
        let mut state = self.state();
        if let Some(opened) = state.breaker.failed(now, rand::rng().random()) {
            tracing::warn!(
                %reason,
                failures = opened.failures,
                seconds = opened.wait.as_secs(),
                "a relay fails and is left alone"
            );
            state.news = Some(News::Rests {
                reason,
                failures: opened.failures,
                wait: opened.wait,
            });
        }
    }

    /// It asks to be left alone for so long, though it works.
    pub fn asked_to_wait(&self, wait: Duration) {
        let now = self.begin.elapsed();
        let mut state = self.state();
        if let Some(wait) = state.breaker.pause(now, wait) {
            state.news = Some(News::Rests {
                reason: "it asks to be sent less at a time".to_owned(),
                failures: 0,
                wait,
            });
        }
    }

    /// What changed since this was asked last.
    pub fn take_news(&self) -> Option<News> {
        self.state().news.take()
    }
}
