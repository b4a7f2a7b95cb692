//! What an ID token says, and whether it says it to us (OpenID Connect Core 1.0 sections 2 and 3.1.3.7).

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::OidcError;
use crate::accounts::model::Role;
use crate::config::OidcSettings;

/// Seconds that clocks may differ.
const LEEWAY: i64 = 60;

#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    /// The others; those of a person may come from the user-info endpoint instead.
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Who somebody is, as the provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Issuer and subject, which alone stay the same (section 5.7).
    pub subject: String,
    /// Only when it was verified.
    pub email: Option<String>,
    pub name: Option<String>,
    /// `None`: the claim names none.
    pub role: Option<Role>,
    pub language: Option<String>,
}

impl Claims {
    /// Reads the claims of a token; its signature is not looked at.
    ///
    /// # Errors
    /// When it is no token.
    pub fn read(token: &str) -> Result<Self, OidcError> {
        let claims = token.split('.').nth(1).unwrap_or_default();
        let json = BASE64URL_NOPAD
            .decode(claims.trim_end_matches('=').as_bytes())
            .map_err(|_malformed: data_encoding::DecodeError| {
                OidcError::Answer("its ID token is none".to_owned())
            })?;
        serde_json::from_slice(&json)
            .map_err(|error| OidcError::Answer(format!("its ID token: {error}")))
    }

    /// Whether the token was made for this sign-in of ours.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(
        &self,
        issuer: &str,
        client_id: &str,
        nonce: &str,
        now_ms: i64,
    ) -> Result<(), OidcError> {
        let now = now_ms.div_euclid(1000);
        let (is_ours, is_alone) = match &self.aud {
            Audience::One(one) => (one == client_id, true),
            Audience::Many(all) => (all.iter().any(|one| one == client_id), all.len() == 1),
        };
        let holds = [
            (self.iss == issuer, "it is from another issuer"),
            (is_ours, "it is for somebody else"),
            (
                self.azp.as_deref().map_or(is_alone, |azp| azp == client_id),
                "it was given to somebody else",
            ),
            (self.exp > now - LEEWAY, "it has expired"),
            (self.iat < now + LEEWAY, "it is of the future"),
            (
                self.nonce.as_deref() == Some(nonce),
                "it answers another sign-in",
            ),
            ((1..=255).contains(&self.sub.len()), "it names nobody"),
        ];
        match holds.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(OidcError::Claim(what)),
            None => Ok(()),
        }
    }

    pub fn subject(&self) -> &str {
        &self.sub
    }

    /// Whether the address of the person is still to be asked for.
    pub fn lacks_email(&self) -> bool {
        !self.others.contains_key("email")
    }

    /// Adds what the user-info endpoint says; what the token says itself stays.
    pub fn add(&mut self, said: Map<String, Value>) {
        for (name, value) in said {
            self.others.entry(name).or_insert(value);
        }
    }

    /// Who it is.
    pub fn identity(&self, settings: &OidcSettings) -> Identity {
        let text = |name: &str| {
            let value = self.others.get(name).and_then(Value::as_str);
            value.map(str::trim).filter(|text| !text.is_empty())
        };
        // Some write it as a text.
        let is_verified = match self.others.get("email_verified") {
            Some(Value::Bool(is)) => *is,
            Some(Value::String(text)) => text == "true",
            _ => false,
        };
        Identity {
            subject: format!("{} {}", self.iss, self.sub),
            email: text("email").filter(|_| is_verified).map(str::to_owned),
            name: text("name").map(str::to_owned),
            role: settings
                .role_claim
                .as_deref()
                .and_then(|claim| self.role(claim, settings)),
            language: text("locale").and_then(|locale| locale.get(..2).map(str::to_lowercase)),
        }
    }

    /// The most that a claim's words allow, where it has several.
    fn role(&self, claim: &str, settings: &OidcSettings) -> Option<Role> {
        let words: Vec<&str> = match self.others.get(claim)? {
            Value::String(word) => vec![word],
            Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let roles = words.iter().filter_map(|word| {
            let role = settings.roles.get(*word)?;
            Role::from_word(role)
        });
        // They are declared from the most to the least.
        roles.min()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn claims(changed: Value) -> Claims {
        let mut claims = json!({
            "iss": "https://op.example", "sub": "u1", "aud": "visavis", "exp": NOW + 300, "iat": NOW,
            "nonce": "n", "email": "anne@example.com", "email_verified": true, "groups": ["staff", "mkt"],
        });
        for (name, value) in changed.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let token = format!(
            "e30.{}.x",
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        );
        Claims::read(&token).expect("a token")
    }

    #[test]
    fn only_a_token_for_us_and_now_holds() {
        for (changed, holds) in [
            (json!({}), true),
            (json!({"aud": ["visavis"]}), true),
            (json!({"aud": ["other", "visavis"], "azp": "visavis"}), true),
            (json!({"aud": ["other", "visavis"]}), false),
            (json!({"aud": ["other", "visavis"], "azp": "other"}), false),
            (json!({"azp": "other"}), false),
            (json!({"aud": "other"}), false),
            (json!({"iss": "https://op.example/"}), false),
            (json!({"nonce": "m"}), false),
            (json!({"nonce": null}), false),
            (json!({"exp": NOW - 30}), true),
            (json!({"exp": NOW - 61}), false),
            (json!({"iat": NOW + 61}), false),
            (json!({"sub": ""}), false),
        ] {
            let result =
                claims(changed.clone()).check("https://op.example", "visavis", "n", NOW * 1000);
            assert_eq!(result.is_ok(), holds, "{changed}: {result:?}");
        }
    }

    #[test]
    fn an_address_counts_only_when_it_was_verified() {
        let settings = settings();
        for (changed, email) in [
            (json!({}), Some("anne@example.com")),
            (json!({"email_verified": "true"}), Some("anne@example.com")),
            (json!({"email_verified": false}), None),
            (json!({"email_verified": null}), None),
        ] {
            let identity = claims(changed).identity(&settings);
            assert_eq!(identity.email.as_deref(), email);
            assert_eq!(identity.subject, "https://op.example u1");
        }
    }

    #[test]
    fn of_several_roles_the_highest_counts() {
        let settings = settings();
        for (groups, role) in [
            (json!(["staff", "mkt"]), Some(Role::Marketer)),
            (json!(["mkt", "boss"]), Some(Role::Administrator)),
            (json!("boss"), Some(Role::Administrator)),
            (json!(["staff"]), None),
            (json!(7), None),
        ] {
            let identity = claims(json!({ "groups": groups })).identity(&settings);
            assert_eq!(identity.role, role);
        }
    }

    fn settings() -> OidcSettings {
        serde_json::from_value(json!({
            "issuer": "https://op.example", "client_id": "visavis", "console_url": "https://c.example",
            "role_claim": "groups", "roles": {"mkt": "marketer", "boss": "administrator"},
        }))
        .expect("good settings")
    }
}
