//! Signing in by OpenID Connect: the authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0
//! section 3.1, RFC 7636, RFC 9207).
//!
//! Promise: who comes in is who the provider of the settings says, to us, for this sign-in, once; its ID token comes
//! straight from its token endpoint over TLS, which takes the place of its signature (section 3.1.3.7, 6.). An
//! account belongs to issuer and subject; it is found by its address only once, and only when the provider has
//! verified it.

mod claims;
mod enter;
mod provider;

pub use claims::{Claims, Identity};
pub use enter::{enter, use_up};
pub use provider::{Memory, Provider};

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{AccountError, random_token};

/// Why nobody came in this way.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("the provider cannot be asked: {0}")]
    Unreachable(String),
    #[error("the provider's answer cannot be used: {0}")]
    Answer(String),
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error("the ID token does not hold: {0}")]
    Claim(&'static str),
    #[error(
        "the provider has not verified the mail address of this account; have it verified there"
    )]
    Unverified,
    #[error("nobody was invited under this account; ask an administrator for an invitation")]
    Unknown,
    #[error(
        "the sign-in provider gives this account no role here any more; ask whoever keeps its groups"
    )]
    NoRole,
    #[error("this user was shut out; ask an administrator")]
    Disabled,
    #[error(transparent)]
    Settings(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("the database failed: {0}")]
    Database(#[from] sea_orm::DbErr),
}

/// What a browser carries while its person is at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journey {
    /// Comes back with the code, so that nobody else's code is taken.
    pub state: String,
    /// Comes back in the ID token, so that nobody else's token is taken.
    pub nonce: String,
    /// Proves that the code was asked for here (RFC 7636).
    pub verifier: String,
    /// Where to go afterwards.
    pub next: String,
}

impl Journey {
    /// # Errors
    /// When chance is away.
    pub fn new(next: &str) -> Result<Self, AccountError> {
        Ok(Self {
            state: random_token()?,
            nonce: random_token()?,
            verifier: random_token()?,
            next: next.to_owned(),
        })
    }

    /// What the provider is told of the verifier: `S256`.
    pub fn challenge(&self) -> String {
        BASE64URL_NOPAD.encode(digest(&SHA256, self.verifier.as_bytes()).as_ref())
    }
}
