//! What all messages of a wave share, made ready once.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::DbErr;

use super::decide::Decision;
use super::model::{FaultTally, channel_of};
use super::offering::Offering;
use super::pace::Limits;
use super::store::{self, WaveRow};
use crate::campaigns::cells::REST;
use crate::campaigns::definition::{Definition, Offer};
use crate::campaigns::sms::{frame, sender_of};
use crate::campaigns::store as campaign_store;
use crate::channels::Channels;
use crate::channels::email::EmailWave;
use crate::channels::model::{Sender, WaveFrame};
use crate::channels::sms::SmsWave;
use crate::config::{ProviderSettings, Settings, provider_of};
use crate::consent::model::Channel;
use crate::gate::rules::Rules;
use crate::ids::WaveId;
use crate::keys::Keys;
use crate::storage::Db;
use crate::templates::{CompiledEmail, CompiledSms, Imprint, Template, TemplateError};

/// Why a wave cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum WaveError {
    #[error("wave {0} does not exist")]
    NotFound(WaveId),
    #[error("the winner of the test in wave {0} is not chosen yet")]
    Undecided(WaveId),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("the channel cannot take this wave: {0}")]
    Channel(String),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// A wave ready to be sent by one of its channels: its plan, its template compiled in every language, its
/// way out, its limits.
pub struct WaveContext {
    pub row: WaveRow,
    /// What its people are offered.
    pub offer: Option<Offer>,
    pub public_url: String,
    /// What stands before the code in short links.
    pub short_url: String,
    /// Whether its HTML mails hold a link that no person sees.
    pub has_trap_link: bool,
    pub keys: Keys,
    pub way: Way,
    /// What its messages propose.
    pub offering: Offering,
    /// What it asks at the gate.
    pub entry: store::Entry,
    /// How many may be in the hands of its channel at once.
    pub connections: usize,
    /// How many pass the gate together, as the relay's answers have shown; 0 before the first.
    pub batch: AtomicUsize,
    faults: Mutex<FaultTally>,
}

/// The way out of a wave, with its texts.
#[derive(Debug)]
pub enum Way {
    Email(Box<EmailWay>),
    Sms(Box<SmsWay>),
}

impl Way {
    pub fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Sms(_) => Channel::Sms,
        }
    }
}

/// By email.
#[derive(Debug)]
pub struct EmailWay {
    pub wave: EmailWave,
    texts: Texts<CompiledEmail>,
}

/// By SMS.
#[derive(Debug)]
pub struct SmsWay {
    pub wave: SmsWave,
    pub sender: String,
    /// The account it goes through; `None` for the sandbox.
    provider: Option<ProviderSettings>,
    texts: Texts<CompiledSms>,
}

/// A template compiled for a channel, in every language.
#[derive(Debug)]
struct Texts<T> {
    own: T,
    translations: HashMap<String, T>,
}

impl<T> Texts<T> {
    fn compile(
        template: &Template,
        compile: impl Fn(&str) -> Result<T, TemplateError>,
    ) -> Result<Self, TemplateError> {
        let own = template.language_for("");
        let mut translations = HashMap::new();
        for language in template.languages() {
            if language != own {
                translations.insert(language.to_owned(), compile(language)?);
            }
        }
        Ok(Self {
            own: compile(own)?,
            translations,
        })
    }

    /// The template in a customer's language, or in its own.
    fn of(&self, language: &str) -> &T {
        self.translations.get(language).unwrap_or(&self.own)
    }
}

impl EmailWay {
    /// The template in a customer's language, or in its own.
    pub fn compiled(&self, language: &str) -> &CompiledEmail {
        self.texts.of(language)
    }
}

impl SmsWay {
    /// The template in a customer's language, or in its own.
    pub fn compiled(&self, language: &str) -> &CompiledSms {
        self.texts.of(language)
    }

    /// The price of a part to a country, in millionths of the currency; `None`: not known.
    pub fn price_micros(&self, country: &str) -> Option<i64> {
        // The sandbox costs nothing.
        self.provider
            .as_ref()
            .map_or(Some(0), |provider| provider.price_micros(country))
    }
}

impl std::fmt::Debug for WaveContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaveContext")
            .field("wave", &self.row.id)
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

impl WaveContext {
    /// Makes a wave ready for those of its people who go by a route and got a cell.
    ///
    /// # Errors
    /// When the wave is not there, the cell waits for the winner of its test, or its frozen template no longer
    /// compiles.
    pub async fn load(
        db: &Db,
        keys: &Keys,
        settings: &Settings,
        channels: &Channels,
        rules: &Arc<Rules>,
        (id, route, cell): (WaveId, &str, &str),
        now_ms: i64,
    ) -> Result<Self, WaveError> {
        let row = store::wave(&**db, id)
            .await?
            .ok_or(WaveError::NotFound(id))?;
        let version = store::cells::template_version_of(&**db, id, cell)
            .await?
            .ok_or_else(|| WaveError::Undecided(id))?;
        let source = campaign_store::template_source(&**db, version).await?;
        let template = Template::from_source(&source)?;
        let (way, connections) = match channel_of(route) {
            Channel::Email => {
                let relay = settings.email.relay_named(route).flatten();
                (
                    Way::Email(Box::new(email_way(
                        channels,
                        route,
                        &row.definition,
                        &template,
                    )?)),
                    settings.email.connections_to(relay),
                )
            }
            Channel::Sms => {
                let provider = provider_of(route).unwrap_or_default();
                (
                    Way::Sms(Box::new(sms_way(
                        channels,
                        settings,
                        provider,
                        &row.definition,
                        &template,
                    )?)),
                    settings.sms.connections_to(provider),
                )
            }
        };
        let offer = row
            .definition
            .offer_of(&sent_as(db, id, cell).await?)
            .cloned();
        let limits = Limits::new(settings, row.subject(route));
        let entry = store::Entry::new(db, &row, route, Arc::clone(rules), now_ms)
            .await?
            .within(limits);
        Ok(Self {
            entry,
            way,
            connections: usize::try_from(connections).unwrap_or(10),
            batch: AtomicUsize::new(0),
            faults: Mutex::default(),
            public_url: settings.web.public_url.clone(),
            short_url: settings.web.short_url().to_owned(),
            has_trap_link: settings.web.trap_link,
            keys: keys.clone(),
            offering: Offering::new(offer.as_ref(), &template),
            offer,
            row,
        })
    }

    /// The sender's faults of late.
    pub fn faults(&self) -> MutexGuard<'_, FaultTally> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its relay or provider works, as far as one knows; while it does not, nothing is handed over.
    pub fn is_well(&self) -> bool {
        match &self.way {
            Way::Email(way) => way.wave.is_well(),
            Way::Sms(way) => way.wave.is_well(),
        }
    }
}

/// The cell whose text and offer the people of a cell get: its own, or the winner's.
pub(super) async fn sent_as(db: &Db, wave: WaveId, cell: &str) -> Result<String, DbErr> {
    if cell != REST {
        return Ok(cell.to_owned());
    }
    let (_, decision) = store::cells::decision(&**db, wave).await?;
    let decision = decision.as_deref().and_then(Decision::read);
    Ok(decision.map_or_else(String::new, |decision| decision.winner))
}

fn email_way(
    channels: &Channels,
    relay: &str,
    definition: &Definition,
    template: &Template,
) -> Result<EmailWay, WaveError> {
    let imprint = imprint(definition);
    let texts = Texts::compile(template, |language| {
        template.compile_email(language, &imprint)
    })?;
    let frame = WaveFrame {
        sender: Sender {
            name: definition.sender.name.clone(),
            address: definition.sender.address.clone(),
            reply_to: definition.sender.reply_to.clone(),
        },
        campaign: definition.name.clone(),
        topic: definition.topic.clone(),
    };
    let wave = channels
        .email
        .open_wave_through(relay, &frame)
        .ok_or_else(|| WaveError::Channel(format!("its relay {relay} is not in the settings")))?;
    if let Some(fault) = wave.fault() {
        return Err(WaveError::Channel(fault.to_string()));
    }
    Ok(EmailWay { wave, texts })
}

fn sms_way(
    channels: &Channels,
    settings: &Settings,
    provider: &str,
    definition: &Definition,
    template: &Template,
) -> Result<SmsWay, WaveError> {
    let missing = || {
        WaveError::Channel(format!(
            "its SMS provider {provider} is not in the settings"
        ))
    };
    let wave = channels.sms.open_wave(provider).ok_or_else(missing)?;
    let account = settings.sms.provider_named(provider).cloned();
    let texts = Texts::compile(template, |language| {
        let frame = frame(&settings.sms, provider, language);
        template.compile_sms(language, &frame)
    })?;
    Ok(SmsWay {
        wave,
        sender: sender_of(definition, account.as_ref()),
        provider: account,
        texts,
    })
}

/// Who stands in the foot of every message.
pub fn imprint(definition: &Definition) -> Imprint {
    Imprint {
        sender_name: definition.sender.name.clone(),
        postal_address: definition.sender.postal_address.clone(),
        reason: None,
    }
}
