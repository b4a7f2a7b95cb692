//! `[permission]`, `[[pressure]]`, `[[quiet_hours]]`, `[holidays]`, `[sign_up]`, `[notices]`, `[retention]`:
//! what we may do with a person's permission.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ConfigError;

/// A text in several languages, by ISO 639-1 code.
pub type Texts = BTreeMap<String, String>;

/// The text for a reader of `language`; English where there is none for him.
pub fn in_language<'a>(texts: &'a Texts, language: &str) -> &'a str {
    texts
        .get(language)
        .or_else(|| texts.get("en"))
        .or_else(|| texts.values().next())
        .map_or("", String::as_str)
}

/// `[permission]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionSettings {
    /// Days each legal basis holds after the person's last act; 0: without end.
    pub consent_days: u32,
    pub soft_opt_in_days: u32,
    pub b2b_days: u32,
    pub contract_days: u32,
    /// What one may be written to about.
    pub topics: Vec<TopicSettings>,
    pub levels: LevelsSettings,
}

/// `[[permission.topics]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSettings {
    pub name: String,
    /// What the pages call it.
    pub title: Texts,
    /// The words a person agrees to.
    pub wording: Texts,
    /// The legal bases that suffice for it.
    pub bases: Vec<String>,
    /// The rung of the ladder that a person's own yes to it gives; left out: what consent gives.
    #[serde(default)]
    pub level: Option<String>,
}

/// `[permission.levels]`: the rungs above stranger, who is never contacted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelsSettings {
    pub situational: LevelSettings,
    pub brand_trust: LevelSettings,
    pub personal_relationship: LevelSettings,
    pub points: LevelSettings,
    pub intravenous: LevelSettings,
}

/// `[permission.levels.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelSettings {
    pub channels: Vec<String>,
    /// Messages in seven days at most, over all campaigns and channels; 0: without limit.
    pub contacts_per_week: u32,
    /// Days it holds after the person's last act; then one rung down. 0: without end.
    pub holds_days: u32,
    /// The kinds of offer it allows.
    pub offers: Vec<String>,
}

/// `[[pressure]]`: so many messages at most in so many days.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PressureSettings {
    pub max: u32,
    pub days: u32,
    /// `calendar`: days of the recipient's zone; `sliding`: so many times 24 hours back.
    #[serde(default)]
    pub window: WindowKind,
    /// Only messages by this channel; left out: every channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// Only messages about this topic; left out: every topic.
    #[serde(default)]
    pub topic: Option<String>,
}

/// How days are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    #[default]
    Calendar,
    Sliding,
}

/// `[[quiet_hours]]`: when a channel may be used in a country; all other hours are quiet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHoursSettings {
    pub channel: String,
    /// ISO 3166-1; left out: every country without an entry of its own.
    #[serde(default)]
    pub country: Option<String>,
    /// Only messages that this SMS provider carries; left out: all.
    #[serde(default)]
    pub provider: Option<String>,
    /// `"Mon-Fri 08:00-20:00"`, `"Sat 10:00-18:00"`.
    pub allowed: Vec<String>,
    /// Whether public holidays are quiet all day.
    #[serde(default = "yes")]
    pub holidays_are_quiet: bool,
}

fn yes() -> bool {
    true
}

/// `[sign_up]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignUpSettings {
    /// Stands in the evidence: change it whenever the form or a wording changes.
    pub form_version: String,
    /// The topics the form offers, of `[[permission.topics]]`.
    pub topics: Vec<String>,
    #[serde(default)]
    pub fields: Vec<FieldSettings>,
    /// ISO 3166-1 country of who signs up; what holds in a country holds for him.
    pub country: String,
    /// Where the privacy notice stands, `https://…`; the form links to it.
    #[serde(default)]
    pub privacy_url: Option<String>,
    /// How long the link in the confirmation works.
    pub token_hours: u32,
    /// Days after which what was not confirmed is deleted.
    pub keep_unconfirmed_days: u32,
    /// Confirmations sent to one address in 24 hours at most.
    pub per_address_per_day: u32,
    /// Minutes between two confirmations to one address at least.
    pub resend_minutes: u32,
    /// Requests from one IP address in an hour at most.
    pub per_ip_per_hour: u32,
    /// Requests in an hour at most, from everywhere.
    pub per_hour: u32,
    /// Web sites whose scripts may use the JSON endpoint: `https://www.example.com`.
    pub allowed_origins: Vec<String>,
}

/// `[[sign_up.fields]]`: what the form asks beside the address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSettings {
    /// `first_name`, `last_name`, `postal_code`, `city`, or a name for an attribute.
    pub name: String,
    pub label: Texts,
    #[serde(default)]
    pub is_required: bool,
}

/// `[notices]`: who sends confirmations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeSettings {
    pub sender_name: String,
    pub sender_address: String,
    pub postal_address: String,
}

impl NoticeSettings {
    /// The postal address as people may see it; `None` while it is still the hint of the defaults.
    pub fn postal_address(&self) -> Option<&str> {
        let address = self.postal_address.as_str();
        (!address.contains("[notices]")).then_some(address)
    }
}

/// `[retention]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// Whether the upkeep asks and deletes, or only reports who is due.
    pub act: bool,
    /// Days after the person's last act when he is asked again (CNIL: three years).
    pub days: u32,
    /// Days he has to answer before his data is deleted.
    pub answer_days: u32,
}

impl PermissionSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for topic in &self.topics {
            let is_word = !topic.name.is_empty()
                && topic
                    .name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
            if !is_word {
                return Err(ConfigError::key(
                    "permission.topics.name",
                    format!(
                        "{:?} must be lower-case letters, digits, - or _",
                        topic.name
                    ),
                ));
            }
            for (key, texts) in [("title", &topic.title), ("wording", &topic.wording)] {
                if !texts.contains_key("en") {
                    return Err(ConfigError::key(
                        &format!("permission.topics.{key}"),
                        format!(
                            "{:?} needs at least an English text: en = \"…\"",
                            topic.name
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

impl SignUpSettings {
    pub(super) fn validate(&self, permission: &PermissionSettings) -> Result<(), ConfigError> {
        for topic in &self.topics {
            if !permission.topics.iter().any(|known| known.name == *topic) {
                return Err(ConfigError::key(
                    "sign_up.topics",
                    format!("{topic:?} is not among [[permission.topics]]; add it there first"),
                ));
            }
        }
        let is_country =
            self.country.len() == 2 && self.country.bytes().all(|b| b.is_ascii_uppercase());
        if !is_country {
            return Err(ConfigError::key(
                "sign_up.country",
                format!(
                    "{:?} must be two capital letters such as \"FR\"",
                    self.country
                ),
            ));
        }
        for origin in &self.allowed_origins {
            let is_origin = reqwest::Url::parse(origin)
                .is_ok_and(|url| url.origin().ascii_serialization() == *origin);
            if !is_origin {
                return Err(ConfigError::key(
                    "sign_up.allowed_origins",
                    format!(
                        "{origin:?} must be a scheme and a host alone, such as \"https://www.example.com\""
                    ),
                ));
            }
        }
        if let Some(url) = &self.privacy_url
            && !url.starts_with("https://")
        {
            return Err(ConfigError::key(
                "sign_up.privacy_url",
                format!("{url:?} must begin with https://"),
            ));
        }
        for field in &self.fields {
            let is_word = !field.name.is_empty()
                && field
                    .name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            // What the form itself sends.
            let is_taken = ["email", "topic", "website", "lang"].contains(&field.name.as_str());
            if !is_word || is_taken {
                return Err(ConfigError::key(
                    "sign_up.fields.name",
                    format!(
                        "{:?} must be lower-case letters, digits or _, and not email, topic, website or lang",
                        field.name
                    ),
                ));
            }
        }
        for (key, value) in [
            ("sign_up.token_hours", self.token_hours),
            ("sign_up.keep_unconfirmed_days", self.keep_unconfirmed_days),
            ("sign_up.per_address_per_day", self.per_address_per_day),
            ("sign_up.per_ip_per_hour", self.per_ip_per_hour),
            ("sign_up.per_hour", self.per_hour),
        ] {
            if value == 0 {
                return Err(ConfigError::key(key, "must be at least 1"));
            }
        }
        Ok(())
    }
}
