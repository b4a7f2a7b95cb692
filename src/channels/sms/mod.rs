//! SMS: a text in, an outcome out.
//!
//! One [`SmsChannel`] per process; it holds a line to each provider account, or the sandbox when there is
//! none. Handing over never fails: what goes wrong is an [`Outcome`](super::model::Outcome). A request
//! whose answer was lost may have been taken, so its outcome is unknown, unless the provider takes a
//! reference only once.

mod line;
pub mod model;
pub mod provider;
pub mod providers;
mod sandbox;
pub mod smpp;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use line::SmsParcel;
pub use sandbox::SMS_HEADER;

use super::breaker::Permit;
use super::health::News;
use super::limits::Pace;
use super::model::Outcome;
use super::outbox::Outbox;
use crate::clock::SharedClock;
use crate::config::{ConfigError, SANDBOX, SmsSettings};
use crate::keys::Keys;
use line::{Line, Peer};
use model::{Looked, SmsMessage};
use provider::Provider;
use sandbox::SmsSandbox;
use smpp::{Smpp, SmscEvent};
use tokio::sync::mpsc;

/// After this an idle connection is closed: what is sent over one that the other side closes is in doubt.
const IDLE_AT_MOST: Duration = Duration::from_secs(10);

/// How long a message that passed the gate may wait for its connection: with the second that the gate's
/// answer may be old before, less than an opt-out waits (5 s), so that nothing begins to leave after it.
const CONNECT_AT_MOST: Duration = Duration::from_secs(3);

/// What SMSCs told and nobody has recorded yet, at most.
const EVENTS: usize = 64;

/// The way out by SMS. Clones share its lines.
#[derive(Clone)]
pub struct SmsChannel {
    lines: Arc<BTreeMap<String, Arc<Line>>>,
    providers: Arc<BTreeMap<String, Arc<dyn Provider>>>,
    told: smpp::Outlet,
}

impl fmt::Debug for SmsChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SmsChannel")
            .field(&self.lines.keys())
            .finish()
    }
}

/// A wave's way to its provider.
#[derive(Clone)]
pub struct SmsWave {
    line: Arc<Line>,
}

impl fmt::Debug for SmsWave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SmsWave").field(self.line.peer()).finish()
    }
}

impl SmsChannel {
    /// Opens a line to each provider, or to the sandbox that writes into `outbox` where there is none.
    /// `public_url` is where providers post to. Connects to nothing yet.
    ///
    /// # Errors
    /// When a key, a secret or the client cannot be had.
    pub fn new(
        settings: &SmsSettings,
        public_url: &str,
        keys: &Keys,
        outbox: &Arc<Outbox>,
        clock: &SharedClock,
    ) -> Result<Self, ConfigError> {
        let mut lines = BTreeMap::new();
        let mut all = BTreeMap::new();
        let told = smpp::Outlet::default();
        for (name, account) in &settings.providers {
            let key = format!("sms.providers.{name}");
            let timeout = Duration::from_secs(settings.timeout_of(name));
            let pace = settings.rate_of(name).map(Pace::per_second);
            if let Some(account) = &account.smpp {
                let smpp = Smpp::new(name, account, timeout, &told)?;
                let peer = Peer::Smpp(Box::new(smpp));
                let line = Line::new(peer, account.window, pace, Arc::clone(clock));
                lines.insert(name.clone(), line);
                continue;
            }
            let Some(provider) = providers::open(name, account, public_url)? else {
                return Err(ConfigError::key(
                    &key,
                    "this kind of provider is not built yet",
                ));
            };
            let provider: Arc<dyn Provider> = Arc::from(provider);
            let peer = Peer::Http {
                provider: Arc::clone(&provider),
                client: client(timeout).map_err(|cause| {
                    ConfigError::key(&key, format!("no HTTP client can be made: {cause}"))
                })?,
            };
            let line = Line::new(peer, settings.connections_to(name), pace, Arc::clone(clock));
            lines.insert(name.clone(), line);
            all.insert(name.clone(), provider);
        }
        if lines.is_empty() {
            let sandbox = SmsSandbox::new(Arc::clone(outbox), keys.clone(), Arc::clone(clock));
            let line = Line::new(
                Peer::Sandbox(Box::new(sandbox)),
                settings.connections,
                None,
                Arc::clone(clock),
            );
            lines.insert(SANDBOX.to_owned(), line);
        }
        Ok(Self {
            lines: Arc::new(lines),
            providers: Arc::new(all),
            told,
        })
    }

    /// What SMSCs tell over their connections, which are kept from now on. Each event is to be recorded and
    /// then acknowledged; until somebody takes them, the SMSCs keep them. `None` when there is no SMSC, or
    /// they are taken already.
    pub fn events(&self) -> Option<mpsc::Receiver<SmscEvent>> {
        let kept: Vec<_> = self
            .lines
            .values()
            .filter(|line| matches!(line.peer(), Peer::Smpp(_)))
            .collect();
        let (sender, events) = mpsc::channel(EVENTS);
        if kept.is_empty() || self.told.set(sender).is_err() {
            return None;
        }
        for line in kept {
            let line = Arc::clone(line);
            tokio::spawn(async move { line.stay_bound().await });
        }
        Some(events)
    }

    /// The providers by name, for what they post to us.
    pub fn providers(&self) -> &Arc<BTreeMap<String, Arc<dyn Provider>>> {
        &self.providers
    }

    /// Names of the lines, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().map(String::as_str)
    }

    /// Whether messages go to the sandbox.
    pub fn is_sandbox(&self) -> bool {
        self.lines.contains_key(SANDBOX)
    }

    /// A wave's way through a provider; `None` when there is none of this name.
    pub fn open_wave(&self, provider: &str) -> Option<SmsWave> {
        self.lines.get(provider).map(|line| SmsWave {
            line: Arc::clone(line),
        })
    }

    /// Hands one message over and says what became of it: an answer to a person, not advertising.
    pub async fn send(&self, provider: &str, message: &SmsMessage) -> Outcome {
        match self.lines.get(provider) {
            Some(line) => line.send(message).await,
            None => Outcome::Rejected {
                class: super::model::Class::Relay,
                reply: super::model::Reply::default(),
            },
        }
    }

    /// Asks a provider whether it is there and knows us.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn check(&self, provider: &str) -> Result<Looked, String> {
        match self.lines.get(provider) {
            Some(line) => line.check().await,
            None => Err(format!("there is no provider {provider:?} in the settings")),
        }
    }

    /// Whether messages may be handed to a provider now. Who gets [`Permit::Try`] calls
    /// [`SmsChannel::try_again`].
    pub fn permit(&self, provider: &str) -> Permit {
        self.lines
            .get(provider)
            .map_or(Permit::Go, |line| line.health.ask())
    }

    /// Tries a provider that rested.
    pub async fn try_again(&self, provider: &str) {
        if let Some(line) = self.lines.get(provider) {
            line.try_again().await;
        }
    }

    /// What changed about a provider since this was asked last.
    pub fn take_news(&self, provider: &str) -> Option<News> {
        self.lines
            .get(provider)
            .and_then(|line| line.health.take_news())
    }

    /// Waits for what is under way; what is handed over later goes back.
    pub async fn close(&self) {
        futures_util::future::join_all(self.lines.values().map(|line| line.close())).await;
    }
}

impl SmsWave {
    /// Whether its provider works, as far as one knows; while it does not, nothing is handed over.
    pub fn is_well(&self) -> bool {
        self.line.health.is_well()
    }

    /// Puts a parcel into the line of what is to be handed over, once there is room in it.
    pub async fn submit(&self, parcel: SmsParcel) {
        self.line.submit(parcel).await;
    }
}

/// A client that follows no redirect, so that nothing is posted elsewhere, and keeps nothing open for long.
fn client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Every TLS connection of this process uses one provider of ciphers; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeout.min(CONNECT_AT_MOST))
        .timeout(timeout)
        .pool_idle_timeout(IDLE_AT_MOST)
        .user_agent(concat!("visavis/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .build()
}
