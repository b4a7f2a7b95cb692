//! Bearer tokens (RFC 6750): which program asks, and what it may do.

use std::collections::BTreeSet;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::config::{ApiSettings, Scope};
use crate::web::ApiError;

/// The tokens of the settings, as digests: so that no comparison tells anything of them by its time.
#[derive(Debug)]
pub(in crate::web) struct Tokens(Vec<Token>);

struct Token {
    name: String,
    digest: [u8; SHA256_OUTPUT_LEN],
    scopes: BTreeSet<Scope>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    pub fn new(settings: &ApiSettings) -> Self {
        let mut tokens = Vec::new();
        for (name, token) in &settings.tokens {
            match token.secret(name) {
                Ok(secret) => tokens.push(Token {
                    name: name.clone(),
                    digest: sha256(secret.expose().as_bytes()),
                    scopes: token.scopes.clone(),
                }),
                // It could be read when the settings were.
                Err(error) => tracing::error!(%error, "an API token is left out"),
            }
        }
        Self(tokens)
    }

    /// The name of the token that a request bears.
    ///
    /// # Errors
    /// 401 without a token of ours, 403 when it may not do this.
    pub fn authorize(&self, request: &HttpRequest, scope: Scope) -> Result<&str, ApiError> {
        let given = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| sha256(token.trim().as_bytes()));
        let given = given.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED))?;
        // All are compared, whichever fits.
        let found = self.0.iter().fold(None, |found, token| {
            if is_equal(&token.digest, &given) {
                Some(token)
            } else {
                found
            }
        });
        let token = found.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED))?;
        if token.scopes.contains(&scope) {
            return Ok(&token.name);
        }
        Err(ApiError::new(StatusCode::FORBIDDEN).with_detail(format!(
            "This token lacks the scope {}; add it to [api.tokens.{}].",
            scope.as_str(),
            token.name
        )))
    }
}

/// Whether a secret that was given is the one we know, told in a time that does not depend on it.
pub(in crate::web) fn is_same_secret(given: &str, known: &str) -> bool {
    is_equal(&sha256(given.as_bytes()), &sha256(known.as_bytes()))
}

fn sha256(bytes: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut out = [0; SHA256_OUTPUT_LEN];
    for (to, from) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

fn is_equal(one: &[u8; SHA256_OUTPUT_LEN], other: &[u8; SHA256_OUTPUT_LEN]) -> bool {
    one.iter()
        .zip(other)
        .fold(0_u8, |differs, (a, b)| differs | (a ^ b))
        == 0
}
