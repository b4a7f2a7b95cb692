//! What all messages of a wave share, made ready once.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::DbErr;

use super::model::FaultTally;
use super::pace::Limits;
use super::store::{self, WaveRow};
use crate::campaigns::definition::Definition;
use crate::campaigns::store as campaign_store;
use crate::channels::email::{EmailChannel, EmailWave};
use crate::channels::model::{Sender, WaveFrame};
use crate::config::Settings;
use crate::gate::rules::Rules;
use crate::ids::WaveId;
use crate::keys::Keys;
use crate::storage::Db;
use crate::templates::{CompiledEmail, Imprint, Template, TemplateError};

/// Why a wave cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum WaveError {
    #[error("wave {0} does not exist")]
    NotFound(WaveId),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("the channel cannot take this wave: {0}")]
    Channel(String),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// A wave ready to be sent: its plan, its template compiled in every language, its mail frame, its limits.
pub struct WaveContext {
    pub row: WaveRow,
    pub public_url: String,
    pub keys: Keys,
    pub email: EmailWave,
    /// What it asks at the gate.
    pub entry: store::Entry,
    /// How many pass the gate together, as the relay's answers have shown; 0 before the first.
    pub batch: AtomicUsize,
    faults: Mutex<FaultTally>,
    own_language: CompiledEmail,
    translations: HashMap<String, CompiledEmail>,
}

impl std::fmt::Debug for WaveContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaveContext")
            .field("wave", &self.row.id)
            .finish_non_exhaustive()
    }
}

impl WaveContext {
    /// Makes a wave ready.
    ///
    /// # Errors
    /// When the wave is not there or its frozen template no longer compiles.
    pub async fn load(
        db: &Db,
        keys: &Keys,
        settings: &Settings,
        channel: &EmailChannel,
        rules: &Arc<Rules>,
        id: WaveId,
        now_ms: i64,
    ) -> Result<Self, WaveError> {
        let row = store::wave(&**db, id)
            .await?
            .ok_or(WaveError::NotFound(id))?;
        let source = campaign_store::template_source(&**db, row.template_version).await?;
        let template = Template::from_source(&source)?;
        let imprint = imprint(&row.definition);
        let own = template.language_for("");
        let own_language = template.compile_email(own, &imprint)?;
        let mut translations = HashMap::new();
        for language in template.languages() {
            if language != own {
                let compiled = template.compile_email(language, &imprint)?;
                translations.insert(language.to_owned(), compiled);
            }
        }
        let definition = &row.definition;
        let frame = WaveFrame {
            sender: Sender {
                name: definition.sender.name.clone(),
                address: definition.sender.address.clone(),
                reply_to: definition.sender.reply_to.clone(),
            },
            campaign: definition.name.clone(),
            topic: definition.topic.clone(),
        };
        let email = channel
            .open_wave_through(&row.relay, &frame)
            .ok_or_else(|| {
                WaveError::Channel(format!("its relay {} is not in the settings", row.relay))
            })?;
        if let Some(fault) = email.fault() {
            return Err(WaveError::Channel(fault.to_string()));
        }
        let limits = Limits::new(&settings.email, row.subject());
        let entry = store::Entry::new(db, &row, Arc::clone(rules), now_ms)
            .await?
            .within(limits);
        Ok(Self {
            entry,
            batch: AtomicUsize::new(0),
            faults: Mutex::default(),
            public_url: settings.web.public_url.clone(),
            keys: keys.clone(),
            email,
            own_language,
            translations,
            row,
        })
    }

    /// The sender's faults of late.
    pub fn faults(&self) -> MutexGuard<'_, FaultTally> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The template in a customer's language, or in its own.
    pub fn compiled(&self, language: &str) -> &CompiledEmail {
        self.translations
            .get(language)
            .unwrap_or(&self.own_language)
    }
}

/// Who stands in the foot of every message.
pub fn imprint(definition: &Definition) -> Imprint {
    Imprint {
        sender_name: definition.sender.name.clone(),
        postal_address: definition.sender.postal_address.clone(),
        reason: None,
    }
}
