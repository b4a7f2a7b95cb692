//! `[webhooks]`

use serde::Deserialize;

/// Whom events may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Whether an endpoint may stand on this machine, also without encryption: for development.
    pub allow_loopback: bool,
}
