//! `[customers]`

use serde::Deserialize;

use super::ConfigError;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerSettings {
    /// Where a new customer lives of whom nothing else is told, and a telephone number without a prefix is from
    /// (ISO 3166-1 alpha-2).
    pub country: String,
    /// What a new customer reads of whom nothing else is told (ISO 639-1).
    pub language: String,
}

impl CustomerSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let is_code = |text: &str, is_letter: fn(&u8) -> bool| {
            text.len() == 2 && text.as_bytes().iter().all(is_letter)
        };
        if !is_code(&self.country, u8::is_ascii_uppercase) {
            return Err(ConfigError::key(
                "customers.country",
                "must be two capital letters such as FR",
            ));
        }
        if !is_code(&self.language, u8::is_ascii_lowercase) {
            return Err(ConfigError::key(
                "customers.language",
                "must be two small letters such as fr",
            ));
        }
        Ok(())
    }
}
