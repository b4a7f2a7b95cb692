//! The ways out: each takes a ready message and returns an outcome.
//!
//! There are two, email and SMS; for trying out each has a sandbox at its other end, so that trying out
//! and sending in earnest run through the same code. A wave goes by a *route*: the name of a mail relay,
//! or `sms/` and the name of a provider.

pub mod breaker;
pub mod check;
pub mod email;
pub mod health;
pub mod limits;
pub mod model;
pub mod outbox;
pub mod parcel;
mod sandbox;
pub mod sms;

use std::path::Path;
use std::sync::Arc;

use breaker::Permit;
use email::{ChannelError, EmailChannel};
use health::News;
use outbox::Outbox;
use sms::SmsChannel;

use crate::clock::SharedClock;
use crate::config::{Settings, provider_of};
use crate::keys::Keys;

/// Every way out of this process. Clones share connections and paces.
#[derive(Debug, Clone)]
pub struct Channels {
    pub email: EmailChannel,
    pub sms: SmsChannel,
}

impl Channels {
    /// Opens the channels of the settings; sandboxes write into the folder `outbox`.
    ///
    /// # Errors
    /// When a key, a certificate, a log-in or the outbox cannot be used.
    pub fn new(
        settings: &Settings,
        keys: &Keys,
        outbox: &Path,
        clock: &SharedClock,
    ) -> Result<Self, ChannelError> {
        Ok(Self {
            email: EmailChannel::new(&settings.email, keys.clone(), outbox)?,
            sms: SmsChannel::new(
                &settings.sms,
                &settings.web.public_url,
                keys,
                &Arc::new(Outbox::open(outbox)?),
                clock,
            )?,
        })
    }

    /// Every route, those of email first.
    pub fn routes(&self) -> Vec<String> {
        let sms = self.sms.names().map(crate::config::sms_route);
        self.email.relays().map(str::to_owned).chain(sms).collect()
    }

    /// Whether messages may be handed over by a route now. Who gets [`Permit::Try`] calls
    /// [`Channels::try_again`].
    pub fn permit(&self, route: &str) -> Permit {
        match provider_of(route) {
            Some(provider) => self.sms.permit(provider),
            None => self.email.permit(route),
        }
    }

    /// Tries a route that rested.
    pub async fn try_again(&self, route: &str) {
        match provider_of(route) {
            Some(provider) => self.sms.try_again(provider).await,
            None => self.email.try_again(route).await,
        }
    }

    /// What changed about a route since this was asked last.
    pub fn take_news(&self, route: &str) -> Option<News> {
        match provider_of(route) {
            Some(provider) => self.sms.take_news(provider),
            None => self.email.take_news(route),
        }
    }

    /// Waits for what is in flight; what is handed over later goes back.
    pub async fn close(&self) {
        tokio::join!(self.email.close(), self.sms.close());
    }
}
