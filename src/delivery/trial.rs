//! A trial: the message of a plan, as one customer would get it, sent to people named by hand.
//!
//! It goes the way of the real ones and looks like them, but stands in no ledger, its links are not tracked,
//! and its subject says that it is a test. Who opted out gets none, nor does a customer who allowed nothing; and a
//! day has only so many, so that nobody sends a mailing by it.

use sea_orm::DbErr;

use super::store::trials;
use super::wave::imprint;
use crate::accounts::users;
use crate::campaigns::check::routes_of;
use crate::campaigns::definition::Definition;
use crate::campaigns::sms::{frame, sender_of};
use crate::channels::Channels;
use crate::channels::model::{EmailMessage, Outcome, Sender, WaveFrame};
use crate::channels::sms::model::SmsMessage;
use crate::clock::{DAY_MS, SharedClock};
use crate::config::{Settings, provider_of};
use crate::consent::model::Channel;
use crate::consent::store::{is_suppressed, may_contact};
use crate::customers::model::Customer;
use crate::customers::normalise;
use crate::ids::{DeliveryKey, WaveId};
use crate::keys::Keys;
use crate::statistics::sentence::{Sentence, Value};
use crate::storage::Db;
use crate::templates::model::{Link, OfferWords, RecipientLinks};
use crate::templates::sms::{RenderedSms, size};
use crate::templates::{RenderError, Template, TemplateError};
use crate::tokens;

/// Stands before what is no real message.
const MARK: &str = "[Test]";

/// Addresses of one trial.
pub const MOST: usize = 10;
/// Addresses that one sender tries within a day.
const MOST_A_DAY: i64 = 50;

/// Why nothing of a trial could be sent.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("name one to {MOST} addresses")]
    Addresses,
    #[error(
        "a test goes to {MOST_A_DAY} addresses a day at most; look at the preview, or go on tomorrow"
    )]
    TooMany,
    #[error("{0}")]
    Route(String),
    #[error("this campaign does not go by {0}")]
    Channel(Channel),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("it cannot be written for this customer: {0}")]
    Render(#[from] RenderError),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

impl TrialError {
    /// The same, to be said in every language.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::Addresses => Sentence::new("name one to {n} addresses").named("n", MOST),
            Self::TooMany => Sentence::new(
                "a test goes to {n} addresses a day at most; look at the preview, or go on tomorrow",
            )
            .named("n", MOST_A_DAY),
            Self::Channel(channel) => Sentence::new("this campaign does not go by {channel}")
                .with("channel", Value::word(channel.as_str())),
            Self::Render(why) => {
                Sentence::new("it cannot be written for this customer: {why}").named("why", why)
            }
            other => other.to_string().into(),
        }
    }
}

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    pub definition: &'a Definition,
    pub template: &'a Template,
    /// The cell whose offer it proposes; empty: the campaign's.
    pub cell: &'a str,
    /// As whom it is written.
    pub customer: &'a Customer,
    pub channel: Channel,
}

/// What became of one address.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    pub to: String,
    /// Why it was not taken.
    pub problem: Option<Sentence>,
}

/// A message to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Specimen {
    Email {
        subject: String,
        html: String,
        text: String,
    },
    Sms(RenderedSms),
}

impl Trial<'_> {
    /// The message as this customer would get it; its links lead where they will, untracked.
    ///
    /// # Errors
    /// When the template cannot be compiled, or not be rendered for this customer.
    pub fn specimen(&self, settings: &Settings) -> Result<Specimen, TrialError> {
        let language = self.template.language_for(&self.customer.language);
        match self.channel {
            Channel::Email => {
                let imprint = imprint(self.definition);
                let compiled = self.template.compile_email(language, &imprint)?;
                let links = self.links(settings, compiled.links());
                let rendered = compiled.render(self.customer, &links)?;
                Ok(Specimen::Email {
                    subject: rendered.subject,
                    html: rendered.html,
                    text: rendered.text,
                })
            }
            Channel::Sms => {
                let provider = settings.sms.route(self.definition.provider.as_deref());
                let provider =
                    provider.map_err(|problem| TrialError::Route(problem.to_string()))?;
                let frame = frame(&settings.sms, provider, language);
                let compiled = self.template.compile_sms(language, &frame)?;
                let mut links = crate::templates::sms::sample_links(&compiled);
                self.propose(&mut links);
                Ok(Specimen::Sms(compiled.render(self.customer, &links)?))
            }
        }
    }

    fn links(&self, settings: &Settings, links: &[Link]) -> RecipientLinks {
        let base = &settings.web.public_url;
        let mut links = RecipientLinks {
            clicks: links.iter().map(|link| link.url.clone()).collect(),
            unsubscribe: format!("{base}/u/test"),
            preferences: format!("{base}/p/test"),
            browser: format!("{base}/v/test"),
            ..RecipientLinks::default()
        };
        self.propose(&mut links);
        links
    }

    /// The offer of the cell, and an invented coupon where each has his own.
    fn propose(&self, links: &mut RecipientLinks) {
        let Some(offer) = self.definition.offer_of(self.cell) else {
            return;
        };
        let sample = RecipientLinks::default().with_sample_offer();
        links.coupon = offer.coupon.as_ref().and(sample.coupon);
        links.offer = Some(std::sync::Arc::new(OfferWords {
            name: offer.name.clone(),
            code: offer.code.clone(),
            deadline: offer.deadline.map(|day| day.to_string()),
        }));
    }
}

/// Sends a trial to each of the addresses, and says what became of each. `sender`: who does, by what does not change of
/// him.
///
/// # Errors
/// When it cannot be written or sent to anybody, or the sender tried too many within a day.
pub async fn send(
    db: &Db,
    keys: &Keys,
    (settings, channels): (&Settings, &Channels),
    trial: Trial<'_>,
    addresses: &[String],
    sender: &str,
    now_ms: i64,
) -> Result<Vec<Tried>, TrialError> {
    if addresses.is_empty() || addresses.len() > MOST {
        return Err(TrialError::Addresses);
    }
    let definition = trial.definition;
    let place = definition
        .channels()
        .iter()
        .position(|one| *one == trial.channel);
    let routes = routes_of(definition, settings).map_err(TrialError::Route)?;
    let route = place
        .and_then(|place| routes.get(place))
        .ok_or(TrialError::Channel(trial.channel))?;
    let specimen = trial.specimen(settings)?;
    count(db, sender, addresses.len(), now_ms).await?;
    let mut tried = Vec::with_capacity(addresses.len());
    for (at, address) in (0_i64..).zip(addresses) {
        let problem = match known_as(trial.channel, address, &settings.customers.country) {
            Err(problem) => Some(problem),
            Ok((to, key)) => {
                let fingerprint = keys.fingerprint(&key);
                let topic = &definition.topic;
                if is_suppressed(&**db, &fingerprint, trial.channel, topic).await? {
                    Some(Sentence::new("opted out, or is on the suppression list"))
                } else if is_stranger(db, (trial.channel, topic), (&to, &key), &fingerprint).await?
                {
                    Some(Sentence::new(
                        "is a customer who has not allowed it; send the test to a colleague",
                    ))
                } else {
                    // Wave 0 is nobody's: what comes back of it belongs to no delivery.
                    let delivery = DeliveryKey {
                        wave: WaveId(0),
                        seq: now_ms.saturating_add(at),
                    };
                    let way = Way {
                        keys,
                        settings,
                        channels,
                        route,
                    };
                    way.hand_over(definition, &specimen, to, delivery, now_ms)
                        .await
                }
            }
        };
        tried.push(Tried {
            to: address.clone(),
            problem,
        });
    }
    Ok(tried)
}

/// As [`send`], by a way out of its own: a trial does not wait behind a wave.
///
/// # Errors
/// As [`send`], and when the way out cannot be opened.
pub async fn send_apart(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    clock: &SharedClock,
    trial: Trial<'_>,
    addresses: &[String],
    sender: &str,
) -> Result<Vec<Tried>, TrialError> {
    let outbox = settings.data_dir.join("outbox");
    let channels = Channels::new(settings, keys, &outbox, clock)
        .map_err(|error| TrialError::Route(error.to_string()))?;
    let now_ms = clock.now_ms();
    let way = (settings, &channels);
    let tried = send(db, keys, way, trial, addresses, sender, now_ms).await;
    channels.close().await;
    tried
}

/// A plan with a sender, so that its message can be shown before one is chosen.
pub fn presentable(definition: &Definition) -> Definition {
    let mut plan = definition.clone();
    for text in [&mut plan.sender.name, &mut plan.sender.postal_address] {
        if text.trim().is_empty() {
            "…".clone_into(text);
        }
    }
    plan
}

/// The channel of a plan that is called so; the first, where none is named.
///
/// # Errors
/// When the plan does not go by it.
pub fn channel_of(definition: &Definition, named: Option<Channel>) -> Result<Channel, TrialError> {
    let channels = definition.channels();
    match named {
        None => Ok(channels.first().copied().unwrap_or(definition.channel)),
        Some(channel) if channels.contains(&channel) => Ok(channel),
        Some(channel) => Err(TrialError::Channel(channel)),
    }
}

/// Counts a trial among those of its sender, on all nodes. It is noted before it is counted, so that of two at once
/// each sees the other.
async fn count(db: &Db, sender: &str, addresses: usize, now_ms: i64) -> Result<(), TrialError> {
    let since = now_ms - DAY_MS;
    let addresses = i64::try_from(addresses).unwrap_or(i64::MAX);
    let noted = trials::note(db, sender, addresses, since, now_ms).await?;
    if trials::addresses(db, sender, since).await? <= MOST_A_DAY {
        return Ok(());
    }
    trials::forget(db, noted).await?;
    Err(TrialError::TooMany)
}

/// Whether the address is that of customers alone of whom none allowed it; a user of the console may try it on himself.
async fn is_stranger(
    db: &Db,
    (channel, topic): (Channel, &str),
    (address, key): (&str, &str),
    fingerprint: &str,
) -> Result<bool, DbErr> {
    let known = trials::customers_at(db, channel, key).await?;
    if known.is_empty() {
        return Ok(false);
    }
    for customer in known {
        if may_contact(&**db, customer, fingerprint, channel, topic).await? {
            return Ok(false);
        }
    }
    if channel != Channel::Email {
        return Ok(true);
    }
    let user = users::by_email(db, address).await?;
    Ok(user.is_none_or(|user| user.is_disabled))
}

/// An address as it is written to, and as it is matched.
fn known_as(channel: Channel, address: &str, country: &str) -> Result<(String, String), Sentence> {
    let why = |error: String| Value::Word(error.into());
    match channel {
        Channel::Email => normalise::email(address)
            .map(|email| (email.address, email.key))
            .map_err(|error| {
                Sentence::new("no email address: {why}").with("why", why(error.to_string()))
            }),
        Channel::Sms => normalise::phone(address, country)
            .map(|number| (number.clone(), number))
            .map_err(|error| {
                Sentence::new("no telephone number: {why}").with("why", why(error.to_string()))
            }),
    }
}

/// The way out of a trial.
struct Way<'a> {
    keys: &'a Keys,
    settings: &'a Settings,
    channels: &'a Channels,
    route: &'a str,
}

impl Way<'_> {
    /// Hands one message over; why it was not taken, where it was not.
    async fn hand_over(
        &self,
        definition: &Definition,
        specimen: &Specimen,
        to: String,
        delivery: DeliveryKey,
        now_ms: i64,
    ) -> Option<Sentence> {
        let outcome = match specimen {
            Specimen::Email {
                subject,
                html,
                text,
            } => {
                let frame = WaveFrame {
                    sender: Sender {
                        name: definition.sender.name.clone(),
                        address: definition.sender.address.clone(),
                        reply_to: definition.sender.reply_to.clone(),
                    },
                    campaign: definition.name.clone(),
                    topic: definition.topic.clone(),
                };
                let Some(wave) = self.channels.email.open_wave_through(self.route, &frame) else {
                    return Some(
                        Sentence::new("the relay {name} is not in the settings")
                            .named("name", self.route),
                    );
                };
                let message = EmailMessage {
                    delivery,
                    to_name: None,
                    to_address: to,
                    subject: format!("{MARK} {subject}"),
                    html: html.clone(),
                    text: text.clone(),
                    unsubscribe_url: format!("{}/u/test", self.settings.web.public_url),
                    at: now_ms,
                };
                wave.send(&message).await
            }
            Specimen::Sms(rendered) => {
                let provider = provider_of(self.route).unwrap_or_default();
                let account = self.settings.sms.provider_named(provider);
                let text = format!("{MARK} {}", rendered.text);
                let message = SmsMessage {
                    reference: tokens::return_path_tag(delivery, self.keys),
                    to,
                    sender: sender_of(definition, account),
                    size: size(&text),
                    text,
                    is_marketing: true,
                };
                self.channels.sms.send(provider, &message).await
            }
        };
        match outcome {
            Outcome::Accepted => None,
            Outcome::Deferred { reply, .. } => {
                Some(Sentence::new("put off by the server ({reply})").named("reply", reply))
            }
            Outcome::Rejected { reply, .. } => {
                Some(Sentence::new("refused by the server ({reply})").named("reply", reply))
            }
            Outcome::Unknown { why } => {
                Some(Sentence::new("may or may not have arrived: {why}").named("why", why))
            }
        }
    }
}
