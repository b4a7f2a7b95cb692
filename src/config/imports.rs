//! `[imports]`

use serde::Deserialize;

use super::ConfigError;
use super::limits::at_least_one;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportSettings {
    /// Megabytes of a file that is uploaded.
    pub max_mb: u32,
    /// Days for which an uploaded file, and the rows that were refused, are kept.
    pub keep_days: u32,
}

impl ImportSettings {
    pub(super) fn validate(self) -> Result<(), ConfigError> {
        at_least_one(&[
            ("imports.max_mb", self.max_mb.into()),
            ("imports.keep_days", self.keep_days.into()),
        ])
    }
}
