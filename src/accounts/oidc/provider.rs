//! Asking the provider: where it is asked, for a code's tokens, for what it knows of a person.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::CACHE_CONTROL;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::{Identity, Journey, OidcError};
use crate::config::OidcSettings;

/// Bytes of an answer.
const BYTES_AT_MOST: usize = 256 * 1024;
const WAIT_AT_MOST: Duration = Duration::from_secs(10);

/// How long what a provider says of itself is kept at most, and where it does not say how long.
const KEPT_AT_MOST_MS: i64 = 3_600_000;
const KEPT_USUALLY_MS: i64 = 600_000;

/// What the provider said of itself, for as long as it says it holds.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Option<Remembered>>);

#[derive(Debug, Clone)]
struct Remembered {
    issuer: String,
    places: Places,
    until_ms: i64,
}

impl Memory {
    fn known(&self, issuer: &str, now_ms: i64) -> Option<Places> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .as_ref()
            .filter(|known| known.issuer == issuer && known.until_ms > now_ms)
            .map(|known| known.places.clone())
    }

    fn keep(&self, places: &Places, until_ms: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Remembered {
            issuer: places.issuer.clone(),
            places: places.clone(),
            until_ms,
        });
    }

    /// Asks anew the next time: the provider may have moved.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Where the provider is asked (OpenID Connect Discovery 1.0 section 3).
#[derive(Debug, Clone, Deserialize)]
struct Places {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    id_token: String,
    access_token: String,
}

/// The provider of the settings, as it describes itself.
#[derive(Debug, Clone)]
pub struct Provider<'a> {
    settings: &'a OidcSettings,
    places: Places,
    client: reqwest::Client,
}

impl<'a> Provider<'a> {
    /// Asks the provider where it is asked, unless that is remembered.
    ///
    /// # Errors
    /// When it does not answer, or not as a provider of this issuer.
    pub async fn discover(
        settings: &'a OidcSettings,
        memory: &Memory,
        now_ms: i64,
    ) -> Result<Self, OidcError> {
        // Every TLS connection of this process uses one provider of ciphers; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(WAIT_AT_MOST)
            .user_agent(concat!("visavis/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()
            .map_err(unreachable)?;
        if let Some(places) = memory.known(&settings.issuer, now_ms) {
            return Ok(Self {
                settings,
                places,
                client,
            });
        }
        let issuer = settings.issuer.trim_end_matches('/');
        let place = format!("{issuer}/.well-known/openid-configuration");
        let (places, holds_ms): (Places, i64) = asked_with_age(client.get(place)).await?;
        if places.issuer != settings.issuer {
            return Err(OidcError::Answer(format!(
                "it names itself {}, and accounts.oidc.issuer is {}",
                places.issuer, settings.issuer
            )));
        }
        // What was learnt over TLS must not lead out of it.
        let is_open =
            |place: &str| settings.issuer.starts_with("https:") && !place.starts_with("https:");
        let named = [
            Some(&places.authorization_endpoint),
            Some(&places.token_endpoint),
        ];
        if named
            .into_iter()
            .flatten()
            .chain(&places.userinfo_endpoint)
            .any(|place| is_open(place))
        {
            return Err(OidcError::Answer("it names places without TLS".to_owned()));
        }
        if holds_ms > 0 {
            memory.keep(&places, now_ms + holds_ms);
        }
        Ok(Self {
            settings,
            places,
            client,
        })
    }

    fn back(&self) -> String {
        format!("{}/sign-in/oidc/back", self.settings.console_url)
    }

    /// Where the browser is sent.
    ///
    /// # Errors
    /// When the provider named no URL.
    pub fn door(&self, journey: &Journey) -> Result<String, OidcError> {
        let mut url = Url::parse(&self.places.authorization_endpoint)
            .map_err(|error| OidcError::Answer(error.to_string()))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.back())
            .append_pair("scope", "openid email profile")
            .append_pair("state", &journey.state)
            .append_pair("nonce", &journey.nonce)
            .append_pair("code_challenge", &journey.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Who it is that came back with a code.
    ///
    /// # Errors
    /// When the provider refuses the code, or its answer does not hold.
    pub async fn identify(
        &self,
        code: &str,
        journey: &Journey,
        now_ms: i64,
    ) -> Result<Identity, OidcError> {
        let tokens = self.exchange(code, journey).await?;
        let mut claims = Claims::read(&tokens.id_token)?;
        let settings = self.settings;
        claims.check(
            &settings.issuer,
            &settings.client_id,
            &journey.nonce,
            now_ms,
        )?;
        if let (true, Some(place)) = (claims.lacks_email(), &self.places.userinfo_endpoint) {
            let request = self.client.get(place).bearer_auth(&tokens.access_token);
            let said: Map<String, Value> = asked(request).await?;
            // Section 5.3.2: or somebody else's answer could be slipped in.
            if said.get("sub").and_then(Value::as_str) != Some(claims.subject()) {
                return Err(OidcError::Claim(
                    "what is known of the person is of another one",
                ));
            }
            claims.add(said);
        }
        Ok(claims.identity(settings))
    }

    async fn exchange(&self, code: &str, journey: &Journey) -> Result<Tokens, OidcError> {
        let settings = self.settings;
        let back = self.back();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &back),
            ("code_verifier", &journey.verifier),
        ];
        let secret = settings.secret()?;
        let supported = &self.places.token_endpoint_auth_methods_supported;
        // Where nothing is said it is `client_secret_basic` (Discovery section 3).
        let takes_basic = supported
            .as_ref()
            .is_none_or(|ways| ways.iter().any(|way| way == "client_secret_basic"));
        let request = self.client.post(&self.places.token_endpoint);
        let request = match &secret {
            Some(secret) if takes_basic => {
                request.basic_auth(encoded(&settings.client_id), Some(encoded(secret.expose())))
            }
            Some(secret) => {
                form.push(("client_id", &settings.client_id));
                form.push(("client_secret", secret.expose()));
                request
            }
            None => {
                form.push(("client_id", &settings.client_id));
                request
            }
        };
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        asked(request).await
    }
}

/// RFC 6749 section 2.3.1: name and secret are encoded as in a form first.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn unreachable(error: reqwest::Error) -> OidcError {
    // The address may hold a code.
    OidcError::Unreachable(error.without_url().to_string())
}

/// The JSON of an answer; of a refusal the word that says why (RFC 6749 section 5.2).
async fn asked<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, OidcError> {
    asked_with_age(request).await.map(|(answer, _)| answer)
}

/// As [`asked`], with the milliseconds for which the answer may be kept.
async fn asked_with_age<T: DeserializeOwned>(
    request: RequestBuilder,
) -> Result<(T, i64), OidcError> {
    let mut answer = request
        .header("accept", "application/json")
        .send()
        .await
        .map_err(unreachable)?;
    let status = answer.status();
    let cached = answer.headers().get(CACHE_CONTROL);
    let cached = cached.and_then(|value| value.to_str().ok());
    let holds_ms = cached.map_or(KEPT_USUALLY_MS, holds_ms);
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > BYTES_AT_MOST {
            return Err(OidcError::Answer("it is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let said: Option<Value> = serde_json::from_slice(&body).ok();
        let word = said
            .as_ref()
            .and_then(|said| said.get("error"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let word: String = word
            .chars()
            .filter(|c| c.is_ascii_graphic())
            .take(60)
            .collect();
        return Err(OidcError::Refused(format!("{} {word}", status.as_u16())));
    }
    let answer =
        serde_json::from_slice(&body).map_err(|error| OidcError::Answer(error.to_string()))?;
    Ok((answer, holds_ms))
}

/// The milliseconds that `Cache-Control` allows (RFC 9111 section 5.2.2), an hour at most.
fn holds_ms(cache_control: &str) -> i64 {
    let mut holds = KEPT_USUALLY_MS;
    for directive in cache_control.split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        if directive == "no-store" || directive == "no-cache" {
            return 0;
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            let seconds: i64 = seconds.trim_matches('"').parse().unwrap_or(0);
            holds = seconds.saturating_mul(1_000).clamp(0, KEPT_AT_MOST_MS);
        }
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_kept_an_hour_at_most() {
        for (said, seconds) in [
            ("public", 600),
            ("max-age=60", 60),
            ("public, max-age=\"90\"", 90),
            ("Max-Age=86400, must-revalidate", 3_600),
            ("max-age=99999999999999999999", 0),
            ("max-age=-5", 0),
            ("no-store, max-age=60", 0),
            ("max-age=60, no-cache", 0),
        ] {
            assert_eq!(holds_ms(said), seconds * 1_000, "{said}");
        }
    }
}
