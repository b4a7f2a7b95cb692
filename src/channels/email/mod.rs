//! Email: a message in, an outcome out.
//!
//! One [`EmailChannel`] per process; it holds the connections to each relay, or the sandbox when there is
//! none. Per wave an [`EmailWave`] holds what its messages have in common. Handing over never fails:
//! what goes wrong is an [`Outcome`].

mod carrier;
mod classify;
mod connect;
mod dkim;
pub mod dns;
mod facts;
mod health;
mod mime;
mod parcel;
mod pool;
pub mod reference;
mod smtp;
pub(in crate::channels) mod stream;
mod summaries;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use classify::{Phase, outcome as outcome_of_reply};
pub use dkim::DkimError;
pub use facts::RelayFacts;
pub use mime::ComposeError;
pub use summaries::EmailSummaries;

use super::breaker::Permit;
use super::health::News;
use super::limits::Pace;
use super::model::{EmailMessage, Moment, NoticeMessage, Outcome, Reply, Sender, WaveFrame};
use super::outbox::{Outbox, OutboxError};
use super::parcel::Parcel;
use super::sandbox::Sandbox;
use crate::clock::{SharedClock, SystemClock};
use crate::config::{ConfigError, DEFAULT_RELAY, EmailSettings, RelaySettings};
use crate::keys::Keys;
use crate::tokens;
use connect::{Peer, Relay};
use dkim::DkimSigner;
use mime::{Ids, Letter, MimeFrame};
use pool::{Bounds, Pool};

/// After this an idle connection is closed: servers hang up after a minute or more.
const IDLE_AT_MOST: Duration = Duration::from_secs(30);

/// Why the channel cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Dkim(#[from] DkimError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// The way out by email. Clones share its connections and its pace.
#[derive(Clone)]
pub struct EmailChannel {
    inner: Arc<Inner>,
}

struct Inner {
    /// That of the default relay, or of the sandbox.
    pool: Arc<Pool>,
    /// Those of the others, by the name of their relay.
    others: BTreeMap<String, Arc<Pool>>,
    signers: Vec<DkimSigner>,
    keys: Keys,
    bounce_domain: String,
    message_domain: String,
    feedback_id: String,
    takes_opt_outs: bool,
}

impl fmt::Debug for EmailChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailChannel")
            .field("peer", self.inner.pool.peer())
            .field("signers", &self.inner.signers)
            .finish_non_exhaustive()
    }
}

/// A message as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// MAIL FROM: where bounces go.
    pub return_path: String,
    /// RCPT TO, its domain in ASCII.
    pub recipient: String,
    /// The whole message, signed, with CRLF line ends.
    pub raw: Vec<u8>,
}

impl EmailChannel {
    /// Opens the channel; with no relay in the settings, to a sandbox whose outbox is the folder `outbox`.
    ///
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When a key, a certificate, the log-in or the outbox cannot be used.
    pub fn new(settings: &EmailSettings, keys: Keys, outbox: &Path) -> Result<Self, ChannelError> {
        Self::with_clock(settings, keys, outbox, Arc::new(SystemClock))
    }

    /// As [`EmailChannel::new`], with the clock that tells the sandbox when a message arrived.
    ///
    /// # Errors
    /// As [`EmailChannel::new`].
    pub fn with_clock(
        settings: &EmailSettings,
        keys: Keys,
        outbox: &Path,
        clock: SharedClock,
    ) -> Result<Self, ChannelError> {
        let peer = match &settings.relay {
            Some(relay) => Peer::Relay(Box::new(Relay::new("email.relay", relay)?)),
            None => Peer::Sandbox(Sandbox::new(Outbox::open(outbox)?, keys.clone(), clock)),
        };
        let signers = settings.dkim.iter().map(DkimSigner::new);
        let mut others = BTreeMap::new();
        for (name, relay) in &settings.relays {
            let key = format!("email.relays.{name}");
            let peer = Peer::Relay(Box::new(Relay::new(&key, relay)?));
            let pool = Pool::new(peer, bounds(settings, name, Some(relay)));
            others.insert(name.clone(), pool);
        }
        let bounds = bounds(settings, DEFAULT_RELAY, settings.relay.as_ref());
        Ok(Self {
            inner: Arc::new(Inner {
                pool: Pool::new(peer, bounds),
                others,
                signers: signers.collect::<Result<_, _>>()?,
                keys,
                bounce_domain: settings.bounce_domain.clone(),
                message_domain: settings.message_domain.clone(),
                feedback_id: settings.feedback_id.clone(),
                takes_opt_outs: settings.takes_opt_outs,
            }),
        })
    }

    /// Prepares a wave that goes through the default relay. A frame that cannot stand in headers is told by
    /// [`EmailWave::fault`], and every message of the wave is then rejected.
    pub fn open_wave(&self, frame: &WaveFrame) -> EmailWave {
        self.open(frame, &self.inner.pool)
    }

    /// As [`EmailChannel::open_wave`], through the relay of this name; `None` when there is none.
    pub fn open_wave_through(&self, relay: &str, frame: &WaveFrame) -> Option<EmailWave> {
        self.pool(relay).map(|pool| self.open(frame, pool))
    }

    fn open(&self, frame: &WaveFrame, pool: &Arc<Pool>) -> EmailWave {
        let inner = Arc::clone(&self.inner);
        let frame = MimeFrame::compile(frame, &inner.message_domain, &inner.feedback_id)
            .map(|frame| frame.through(pool.peer().provider()));
        EmailWave {
            inner,
            pool: Arc::clone(pool),
            frame,
        }
    }

    /// Prepares notices that go through the relay of this name, or the default one when there is none. A
    /// sender that cannot stand in headers is told by [`EmailNotices::fault`].
    pub fn open_notices(&self, relay: &str, sender: &Sender) -> EmailNotices {
        let pool = self.pool(relay).unwrap_or(&self.inner.pool);
        let provider = pool.peer().provider();
        EmailNotices {
            inner: Arc::clone(&self.inner),
            pool: Arc::clone(pool),
            frame: MimeFrame::of_notices(sender).map(|frame| frame.through(provider)),
        }
    }

    fn pool(&self, relay: &str) -> Option<&Arc<Pool>> {
        if relay == DEFAULT_RELAY {
            return Some(&self.inner.pool);
        }
        self.inner.others.get(relay)
    }

    /// The relays, the default one first.
    pub fn relays(&self) -> impl Iterator<Item = &str> {
        std::iter::once(DEFAULT_RELAY).chain(self.inner.others.keys().map(String::as_str))
    }

    /// Whether messages go to the sandbox.
    pub fn is_sandbox(&self) -> bool {
        matches!(self.inner.pool.peer(), Peer::Sandbox(_))
    }

    /// The sandbox's outbox; `None` with a relay.
    pub fn outbox(&self) -> Option<&Outbox> {
        match self.inner.pool.peer() {
            Peer::Sandbox(sandbox) => Some(&sandbox.outbox),
            Peer::Relay(_) => None,
        }
    }

    /// Tries the way to the default relay without sending: connects, greets, encrypts, logs in.
    ///
    /// # Errors
    /// What went wrong, in words, and what to do about it.
    pub async fn check(&self) -> Result<RelayFacts, String> {
        facts::check(&self.inner.pool, &self.inner.signers).await
    }

    /// As [`EmailChannel::check`], of the relay of this name.
    ///
    /// # Errors
    /// As [`EmailChannel::check`], and when there is no such relay.
    pub async fn check_relay(&self, relay: &str) -> Result<RelayFacts, String> {
        match self.pool(relay) {
            Some(pool) => facts::check(pool, &self.inner.signers).await,
            None => Err(format!("there is no relay {relay:?} in the settings")),
        }
    }

    /// Whether messages may be handed to a relay now. Who gets [`Permit::Try`] calls [`EmailChannel::try_again`].
    pub fn permit(&self, relay: &str) -> Permit {
        self.pool(relay)
            .map_or(Permit::Go, |pool| pool.health.ask())
    }

    /// Tries a relay that rested.
    pub async fn try_again(&self, relay: &str) {
        if let Some(pool) = self.pool(relay) {
            pool.try_again().await;
        }
    }

    /// What changed about a relay since this was asked last.
    pub fn take_news(&self, relay: &str) -> Option<News> {
        self.pool(relay).and_then(|pool| pool.health.take_news())
    }

    /// Waits for what is in flight and closes the connections; what is handed over later is deferred.
    pub async fn close(&self) {
        let others = self.inner.others.values().map(|pool| pool.close());
        futures_util::future::join(
            self.inner.pool.close(),
            futures_util::future::join_all(others),
        )
        .await;
    }
}

/// What the messages of a wave have in common, compiled. Clones are cheap enough for a task each.
#[derive(Clone)]
pub struct EmailWave {
    inner: Arc<Inner>,
    pool: Arc<Pool>,
    frame: Result<MimeFrame, ComposeError>,
}

impl fmt::Debug for EmailWave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailWave")
            .field("fault", &self.fault())
            .finish_non_exhaustive()
    }
}

impl EmailWave {
    /// Whether its relay works, as far as one knows; while it does not, nothing is handed over.
    pub fn is_well(&self) -> bool {
        self.pool.health.is_well()
    }

    /// Why no message of this wave can be composed, if so.
    pub fn fault(&self) -> Option<ComposeError> {
        self.frame.as_ref().err().copied()
    }

    /// The message as it would be sent: the same bytes at every attempt with the same `at`.
    ///
    /// # Errors
    /// When something of it cannot stand in a header, or the recipient is no address.
    pub fn compose(&self, message: &EmailMessage) -> Result<Composed, ComposeError> {
        let frame = self.frame.as_ref().map_err(|fault| *fault)?;
        let keys = &self.inner.keys;
        self.inner.compose(
            frame,
            &message.to_address,
            &message.into(),
            &tokens::return_path_tag(message.delivery, keys),
            &tokens::message_id_local(message.delivery, keys),
        )
    }

    /// Hands a message over and says what became of it.
    ///
    /// Waits for a free connection and for the pace of the settings. Each step of the dialogue may take
    /// `email.timeout_seconds`. Dropping the future before it ends closes its connection, and leaves open
    /// whether the message was taken.
    pub async fn send(&self, message: &EmailMessage) -> Outcome {
        // It may always go, so there is always an outcome.
        let outcome = self.send_if(message, |_| true).await;
        outcome.unwrap_or(Outcome::Unknown {
            why: "the message was held back",
        })
    }

    /// As [`EmailWave::send`], asking `may_go` after the waiting, right before the first command, and again
    /// right before the first byte of the message: `None` when it says no, and nothing was handed over.
    pub async fn send_if(
        &self,
        message: &EmailMessage,
        may_go: impl Fn(Moment) -> bool + Send + Sync + 'static,
    ) -> Option<Outcome> {
        match self.compose(message) {
            Ok(composed) => self.pool.deliver(composed, may_go).await,
            Err(fault) => Some(refused(fault)),
        }
    }

    /// Puts a parcel into the line of what is to be handed over, once there is room in it.
    pub async fn submit(&self, parcel: Box<dyn Parcel<Composed>>) {
        self.pool.submit(parcel).await;
    }
}

/// What notices have in common, compiled. They share connections and pace with the waves.
#[derive(Clone)]
pub struct EmailNotices {
    inner: Arc<Inner>,
    pool: Arc<Pool>,
    frame: Result<MimeFrame, ComposeError>,
}

impl fmt::Debug for EmailNotices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailNotices")
            .field("fault", &self.fault())
            .finish_non_exhaustive()
    }
}

impl EmailNotices {
    /// Why no notice can be composed, if so.
    pub fn fault(&self) -> Option<ComposeError> {
        self.frame.as_ref().err().copied()
    }

    /// The notice as it would be sent: the same bytes at every attempt with the same `at`.
    ///
    /// # Errors
    /// When something of it cannot stand in a header, or the recipient is no address.
    pub fn compose(&self, notice: &NoticeMessage) -> Result<Composed, ComposeError> {
        let frame = self.frame.as_ref().map_err(|fault| *fault)?;
        let keys = &self.inner.keys;
        self.inner.compose(
            frame,
            &notice.to_address,
            &notice.into(),
            &tokens::notice_return_path_tag(notice.notice, keys),
            &tokens::notice_message_id_local(notice.notice, keys),
        )
    }

    /// Hands a notice over, as [`EmailWave::send_if`] does.
    pub async fn send_if(
        &self,
        notice: &NoticeMessage,
        may_go: impl Fn(Moment) -> bool + Send + Sync + 'static,
    ) -> Option<Outcome> {
        match self.compose(notice) {
            Ok(composed) => self.pool.deliver(composed, may_go).await,
            Err(fault) => Some(refused(fault)),
        }
    }
}

/// The bounds of the connections to a relay.
fn bounds(settings: &EmailSettings, name: &str, relay: Option<&RelaySettings>) -> Bounds {
    Bounds {
        connections: settings.connections_to(relay),
        messages_per_connection: settings.messages_per_connection_of(relay),
        timeout: Duration::from_secs(settings.timeout_of(relay)),
        idle_at_most: IDLE_AT_MOST,
        pace: settings.rate_of(name).map(Pace::per_second),
    }
}

impl Inner {
    /// The message as bytes, signed, with its envelope.
    fn compose(
        &self,
        frame: &MimeFrame,
        to: &str,
        letter: &Letter<'_>,
        tag: &str,
        message_id_local: &str,
    ) -> Result<Composed, ComposeError> {
        let recipient = mime::mailbox_address("To", to)?;
        let ids = Ids {
            return_path_tag: tag,
            message_id_local,
            message_domain: &self.message_domain,
            opt_out_domain: self.takes_opt_outs.then_some(&self.bounce_domain),
        };
        let raw = frame.compose(letter, &recipient, &ids)?;
        Ok(Composed {
            return_path: format!("b+{tag}@{}", self.bounce_domain),
            recipient,
            raw: dkim::sign(&self.signers, raw, letter.at)?,
        })
    }
}

/// How a message ends that cannot be composed.
pub fn refused(fault: ComposeError) -> Outcome {
    Outcome::Rejected {
        class: fault.class(),
        reply: Reply::default(),
    }
}
