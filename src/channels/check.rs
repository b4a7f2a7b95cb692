//! Trying the ways out without sending anything.

use std::sync::Arc;

use super::email::{EmailChannel, RelayFacts};
use super::outbox::Outbox;
use super::sms::SmsChannel;
use super::sms::model::Looked;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::keys::Keys;

/// A look signs nothing that stays; no secret is needed for it.
fn keys() -> Keys {
    Keys::from_secret(&[0; 32])
}

/// Connects to a relay, greets, encrypts and logs in.
///
/// # Errors
/// What is wrong, in words, and what to do about it.
pub async fn relay(settings: &Settings, name: &str) -> Result<RelayFacts, String> {
    let outbox = settings.data_dir.join("outbox");
    let channel =
        EmailChannel::new(&settings.email, keys(), &outbox).map_err(|error| error.to_string())?;
    let found = channel.check_relay(name).await;
    channel.close().await;
    found
}

/// Asks a provider of text messages whether it is there and knows us.
///
/// # Errors
/// What is wrong, in words.
pub async fn provider(
    settings: &Settings,
    name: &str,
    clock: &SharedClock,
) -> Result<Looked, String> {
    let outbox = Outbox::open(&settings.data_dir.join("outbox"));
    let outbox = Arc::new(outbox.map_err(|error| error.to_string())?);
    let url = &settings.web.public_url;
    let channel = SmsChannel::new(&settings.sms, url, &keys(), &outbox, clock)
        .map_err(|error| error.to_string())?;
    let found = channel.check(name).await;
    channel.close().await;
    found
}
