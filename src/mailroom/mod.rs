//! Where mail comes in: a listener for mail servers (LMTP, SMTP) and a collector of mailboxes (IMAP).
//!
//! Promise: a mail is acknowledged, marked or taken out of a mailbox only when the database has what it changes;
//! when that is away, whoever has the mail is told to keep it. Mail for others is never taken.

mod collect;
mod connect;
mod lines;
mod lmtp;
mod session;

use std::net::TcpListener;
use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{IntCounterVec, Opts};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::{ConfigError, Settings};
use crate::keys::Keys;
use crate::responses::inbox;
use crate::responses::inbox::model::Received;
use crate::responses::inbox::receive::{Mail, ReceiveError};
use crate::storage::Db;

use collect::Mailbox;

/// What takes mail in, cheap to clone.
#[derive(Debug, Clone)]
pub struct Mailroom {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    db: Db,
    keys: Keys,
    clock: SharedClock,
    settings: Arc<Settings>,
    mailboxes: Vec<Mailbox>,
    mails: IntCounterVec,
}

impl Mailroom {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When a mailbox's settings cannot be used.
    pub fn new(
        db: Db,
        keys: Keys,
        clock: SharedClock,
        settings: Arc<Settings>,
    ) -> Result<Self, ConfigError> {
        let mails = IntCounterVec::new(
            Opts::new(
                "visavis_mails_received_total",
                "Mails taken in, by way and by what they are.",
            ),
            &["way", "kind"],
        )
        .map_err(|error| ConfigError::key("inbound", error.to_string()))?;
        let mailboxes = settings.inbound.imap.iter();
        let mailboxes = mailboxes
            .map(|(name, mailbox)| Mailbox::new(name, mailbox))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            shared: Arc::new(Shared {
                db,
                keys,
                clock,
                settings,
                mailboxes,
                mails,
            }),
        })
    }

    /// How many mails were taken in, for the metrics.
    pub fn mails(&self) -> impl Collector + use<> {
        self.shared.mails.clone()
    }

    /// Takes mail in until `stop`: what connects to `listener`, and what comes into the mailboxes. What is being
    /// taken then is finished.
    pub async fn run(&self, listener: Option<TcpListener>, stop: &CancellationToken) {
        let listen = async {
            if let Some(listener) = listener {
                lmtp::listen(self, listener, stop).await;
            }
        };
        let collect = self
            .shared
            .mailboxes
            .iter()
            .map(|mailbox| collect::run(self, mailbox, stop));
        tokio::join!(listen, futures_util::future::join_all(collect));
    }

    /// Collects each mailbox once; returns how many mails were new.
    ///
    /// # Errors
    /// What stands against the first mailbox that could not be collected, in words.
    pub async fn collect_once(&self) -> Result<u64, String> {
        let mut new = 0;
        for mailbox in &self.shared.mailboxes {
            new += collect::once(self, mailbox)
                .await
                .map_err(|error| format!("inbound.imap.{}: {error}", mailbox.name))?;
        }
        Ok(new)
    }

    async fn receive(&self, mail: Mail<'_>) -> Result<Received, ReceiveError> {
        let Shared {
            db, keys, clock, ..
        } = &*self.shared;
        let received = inbox::receive(db, keys, mail, clock.now_ms()).await?;
        self.shared
            .mails
            .with_label_values(&[mail.way.as_str(), received.as_str()])
            .inc();
        Ok(received)
    }

    /// Whether mail for this domain is ours to take.
    fn is_ours(&self, domain: &str) -> bool {
        let settings = &self.shared.settings;
        domain.eq_ignore_ascii_case(&settings.email.bounce_domain)
            || settings
                .inbound
                .domains
                .iter()
                .any(|own| domain.eq_ignore_ascii_case(own))
    }
}

/// Logs in to each mailbox of the settings and looks at its folder: how many mails are there, or what stands
/// against it. Changes nothing.
pub async fn look(settings: &Settings) -> Vec<(&str, Result<u32, String>)> {
    let mut looks = Vec::new();
    for (name, mailbox) in &settings.inbound.imap {
        let found = match Mailbox::new(name, mailbox) {
            Ok(mailbox) => collect::look(&mailbox)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        looks.push((name.as_str(), found));
    }
    looks
}
