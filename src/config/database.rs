//! `[database]`

use serde::Deserialize;

use super::ConfigError;
use crate::storage::DbUrl;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `None`: the SQLite file of the data folder.
    #[serde(default)]
    pub url: Option<DbUrl>,
    pub max_connections: u32,
}

impl DatabaseSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.max_connections < 2 {
            return Err(ConfigError::key(
                "database.max_connections",
                "must be at least 2: one writes while another reads",
            ));
        }
        Ok(())
    }
}
