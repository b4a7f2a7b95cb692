//! `[control]`: the standing control group.

use serde::Deserialize;

use super::ConfigError;

/// `[control]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlSettings {
    /// Percent of the base that no campaign contacts; 0: there is no such group.
    pub percent: u8,
    /// How long one group stands.
    pub rotates: Rotation,
}

/// How long a standing control group stands, in calendar units of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    Monthly,
    Quarterly,
    Yearly,
    Never,
}

impl ControlSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.percent > 50 {
            return Err(ConfigError::key(
                "control.percent",
                format!("{} is too much; at most 50", self.percent),
            ));
        }
        Ok(())
    }
}
