//! A secret that is never printed, given in place or by file.

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::ConfigError;

/// A password or key.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself; do not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret given in place or in a file; `key` is named when neither or both are.
    pub(super) fn resolve(
        key: &str,
        inline: Option<&Self>,
        file: Option<&Path>,
    ) -> Result<Option<Self>, ConfigError> {
        match (inline, file) {
            (Some(_), Some(_)) => Err(ConfigError::key(
                key,
                format!("give either {key} or {key}_file, not both"),
            )),
            (Some(secret), None) => Ok(Some(secret.clone())),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map(|text| Some(Self(text.trim_end_matches(['\r', '\n']).to_owned())))
                .map_err(|cause| {
                    ConfigError::key(
                        &format!("{key}_file"),
                        format!("cannot read {}: {cause}", path.display()),
                    )
                }),
            (None, None) => Ok(None),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
