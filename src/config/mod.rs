//! Settings: one file per section, every key documented in `config/default.toml`, which is in the binary.
//!
//! Later wins: the defaults, the file given with `--config`, `VISAVIS__SECTION__KEY`, and for the
//! database `DATABASE_URL`. Unknown keys are refused, and every complaint names its key.

mod accounts;
mod api;
mod control;
mod customers;
mod database;
mod delivery;
mod email;
mod imports;
mod inbound;
mod limits;
mod mail_hooks;
mod oidc;
mod orders;
mod permission;
mod relay;
mod secret;
mod sms;
mod summary;
mod web;
mod webhooks;

pub use accounts::AccountSettings;
pub use api::{ApiSettings, ApiTokenSettings, Scope};
pub use control::{ControlSettings, Rotation};
pub use customers::CustomerSettings;
pub use database::DatabaseSettings;
pub use delivery::DeliverySettings;
pub use email::{DkimKeyKind, DkimSettings, EmailSettings};
pub use imports::ImportSettings;
pub use inbound::{ImapSettings, InboundMailSettings, LmtpSettings, Then};
pub use limits::{LimitSettings, domain_of};
pub use mail_hooks::{
    BrevoMailSettings, MailHookSettings, MailProvider, MailgunSettings, PostmarkSettings,
    SendgridSettings, SesSettings,
};
pub use oidc::OidcSettings;
pub use orders::{
    OrderField, OrderHookSettings, OrderSettings, SignatureEncoding, SignatureSettings,
    TrackingSettings,
};
pub use permission::{
    FieldSettings, LevelSettings, LevelsSettings, NoticeSettings, PermissionSettings,
    PressureSettings, QuietHoursSettings, RetentionSettings, SignUpSettings, Texts, TopicSettings,
    WindowKind, in_language,
};
pub use relay::{DEFAULT_RELAY, RelaySettings, RelayTls};
pub use secret::Secret;
pub use sms::{
    AnswerSettings, BrevoSettings, HttpSettings, InboundSettings, InfobipSettings, OvhSettings,
    ProviderSettings, ReceiptSettings, SANDBOX, STOP_LINK, SenderId, SmppMessageIds, SmppSettings,
    SmsSettings, StopBy, StopSettings, TwilioSettings, VonageSettings, VonageSignature,
    is_french_mobile, provider_of, sms_route,
};
pub use summary::SummarySettings;
pub use web::WebSettings;
pub use webhooks::WebhookSettings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The defaults, with every key and its meaning.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    // In words, not as its source: the chain of causes would say it twice.
    #[error("cannot read the settings: {0}")]
    Read(String),
    #[error("{key}: {problem}")]
    Key { key: String, problem: String },
}

impl From<config::ConfigError> for ConfigError {
    fn from(error: config::ConfigError) -> Self {
        Self::Read(error.to_string())
    }
}

impl ConfigError {
    /// A complaint about one key.
    pub fn key(key: &str, problem: impl Into<String>) -> Self {
        Self::Key {
            key: key.to_owned(),
            problem: problem.into(),
        }
    }
}

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the data lives: database, secret, outbox.
    pub data_dir: PathBuf,
    /// Where templates are looked for before those in the binary.
    pub templates_dir: PathBuf,
    pub database: DatabaseSettings,
    pub web: WebSettings,
    pub email: EmailSettings,
    pub inbound: InboundMailSettings,
    /// The accounts whose providers post what becomes of messages, by their names.
    #[serde(default)]
    pub mail_hooks: BTreeMap<String, MailHookSettings>,
    pub sms: SmsSettings,
    pub delivery: DeliverySettings,
    pub permission: PermissionSettings,
    pub pressure: Vec<PressureSettings>,
    pub quiet_hours: Vec<QuietHoursSettings>,
    /// Days beside the public holidays, `YYYY-MM-DD`, by country.
    pub holidays: BTreeMap<String, Vec<String>>,
    pub sign_up: SignUpSettings,
    pub notices: NoticeSettings,
    pub retention: RetentionSettings,
    pub customers: CustomerSettings,
    pub imports: ImportSettings,
    pub orders: OrderSettings,
    pub tracking: TrackingSettings,
    pub api: ApiSettings,
    pub accounts: AccountSettings,
    pub control: ControlSettings,
    pub summary: SummarySettings,
    pub webhooks: WebhookSettings,
}

impl Settings {
    /// Reads the settings from the defaults, `file` and the environment.
    ///
    /// # Errors
    /// When a source cannot be read, a key is unknown or a value is not allowed.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_from(file, std::env::vars().collect())
    }

    /// As [`Settings::load`], with the environment given.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load_from(
        file: Option<&Path>,
        environment: std::collections::HashMap<String, String>,
    ) -> Result<Self, ConfigError> {
        // The name other tools use too; ours, where both are given, is meant.
        let database_url = environment
            .get("DATABASE_URL")
            .filter(|_| !environment.contains_key("VISAVIS__DATABASE__URL"))
            .cloned();
        let mut sources = config::Config::builder()
            .add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
        if let Some(file) = file {
            sources = sources.add_source(config::File::from(file));
        }
        if let Some(url) = database_url.filter(|url| !url.is_empty()) {
            sources = sources.set_override("database.url", url)?;
        }
        let environment = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with("VISAVIS__"))
            .collect();
        let merged = sources
            .add_source(
                config::Environment::with_prefix("VISAVIS")
                    .prefix_separator("__")
                    .separator("__")
                    .try_parsing(true)
                    .source(Some(environment)),
            )
            .build()?;
        let mut settings: Self = serde_path_to_error::deserialize(merged).map_err(|error| {
            let path = error.path().to_string();
            ConfigError::key(&path, error.into_inner().to_string())
        })?;
        settings.validate()?;
        settings.email.takes_opt_outs = settings.inbound.takes_opt_outs();
        Ok(settings)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.database.validate()?;
        self.web.validate()?;
        self.email.validate()?;
        self.inbound.validate()?;
        for (name, hook) in &self.mail_hooks {
            hook.validate(name)?;
        }
        self.sms.validate()?;
        self.delivery.validate()?;
        self.permission.validate()?;
        self.control.validate()?;
        self.summary.validate()?;
        self.sign_up.validate(&self.permission)?;
        self.customers.validate()?;
        self.imports.validate()?;
        self.orders.validate()?;
        self.api.validate()?;
        self.accounts.validate()?;
        if self.orders.currency != self.sms.currency {
            return Err(ConfigError::key(
                "orders.currency",
                format!(
                    "is {}, and sms.currency is {}: reports set what messages cost against what orders bring, so both must be the same",
                    self.orders.currency, self.sms.currency
                ),
            ));
        }
        // What came from a person last is partly told by responses to deliveries that are kept.
        let permission = &self.permission;
        let longest = [
            permission.consent_days,
            permission.soft_opt_in_days,
            permission.b2b_days,
            permission.contract_days,
            self.retention.days,
        ];
        let longest = longest.into_iter().max().unwrap_or(0);
        if self.delivery.keep_days != 0 && self.delivery.keep_days < longest {
            return Err(ConfigError::key(
                "delivery.keep_days",
                format!(
                    "must not be shorter than the longest of the days in [permission] and [retention] ({longest}), which count from the last response"
                ),
            ));
        }
        // A lease that ends before a send may end would let a second worker take the same rows.
        let longest = self.email.longest_timeout().max(self.sms.longest_timeout());
        if self.delivery.lease_seconds <= longest {
            return Err(ConfigError::key(
                "delivery.lease_seconds",
                format!(
                    "must be longer than the longest timeout_seconds of a channel ({longest}), or a slow send could be taken for a dead worker"
                ),
            ));
        }
        Ok(())
    }

    /// The database named in the settings, or the SQLite file of the data folder.
    pub fn database_url(&self) -> crate::storage::DbUrl {
        self.database.url.clone().unwrap_or_else(|| {
            crate::storage::DbUrl::sqlite_file(&self.data_dir.join("visavis.db"))
        })
    }
}
