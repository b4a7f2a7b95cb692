//! One file for each kind of provider.

mod brevo;
mod fields;
mod http;
mod infobip;
mod ovh;
#[cfg(test)]
mod samples;
mod twilio;
mod vonage;

use std::fmt;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde_json::Value;

use super::provider::{PathSecret, Post, Provider};
use crate::config::{ConfigError, ProviderSettings, StopBy};

pub use http::Http;
pub use twilio::Twilio;
pub use vonage::Vonage;

/// Where a provider posts to.
#[derive(Clone, PartialEq, Eq)]
pub struct Hooks {
    pub receipt: String,
    pub inbound: String,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Both end in the secret.
        f.write_str("Hooks(..)")
    }
}

impl Hooks {
    /// The addresses of a provider below our public one, with their secret end.
    pub fn new(public_url: &str, name: &str, secret: Option<&str>) -> Self {
        let end = secret.map_or_else(String::new, |secret| format!("/{secret}"));
        Self {
            receipt: format!("{public_url}/hooks/sms/{name}/receipt{end}"),
            inbound: format!("{public_url}/hooks/sms/{name}/inbound{end}"),
        }
    }
}

/// What every kind is told beside its own settings.
#[derive(Debug, Clone)]
pub struct Account {
    /// `sms.providers.NAME`, for errors.
    pub key: String,
    pub hooks: Hooks,
    pub secret: PathSecret,
    /// Who writes the STOP mention; `None` where there is none.
    pub stop_by: Option<StopBy>,
}

/// The provider of an account that posts over HTTP; `None` for one that does not (SMPP).
///
/// # Errors
/// Names the key of what is missing or wrong.
pub fn open(
    name: &str,
    settings: &ProviderSettings,
    public_url: &str,
) -> Result<Option<Box<dyn Provider>>, ConfigError> {
    let key = format!("sms.providers.{name}");
    let secret = settings.hook_secret(&key)?;
    let secret = secret.as_ref().map(crate::config::Secret::expose);
    let account = Account {
        hooks: Hooks::new(public_url, name, secret),
        secret: PathSecret::new(secret),
        stop_by: settings.stop.as_ref().map(|stop| stop.by),
        key,
    };
    if let Some(settings) = &settings.ovh {
        return Ok(Some(Box::new(ovh::Ovh::open(account, settings)?)));
    }
    if let Some(settings) = &settings.brevo {
        return Ok(Some(Box::new(brevo::Brevo::open(account, settings)?)));
    }
    if let Some(settings) = &settings.infobip {
        return Ok(Some(Box::new(infobip::Infobip::open(account, settings)?)));
    }
    if let Some(twilio) = &settings.twilio {
        return Ok(Some(Box::new(Twilio::new(account, twilio)?)));
    }
    if let Some(vonage) = &settings.vonage {
        return Ok(Some(Box::new(Vonage::new(account, vonage)?)));
    }
    if let Some(http) = &settings.http {
        return Ok(Some(Box::new(Http::new(account, http)?)));
    }
    Ok(None)
}

/// An address of the service: its base, as the settings or the documents give it, and a path.
fn address(key: &str, base: &str, path: &str) -> Result<Url, ConfigError> {
    Url::parse(&format!("{}{path}", base.trim_end_matches('/')))
        .map_err(|cause| ConfigError::key(&format!("{key}.url"), format!("is not a URL: {cause}")))
}

/// The header of HTTP's Basic log-in; never printed.
fn basic(key: &str, user: &str, password: &str) -> Result<HeaderValue, ConfigError> {
    let pair = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
    let mut header = HeaderValue::from_str(&format!("Basic {pair}"))
        .map_err(|cause| ConfigError::key(key, format!("cannot be sent: {cause}")))?;
    header.set_sensitive(true);
    Ok(header)
}

fn get(url: &Url, authorization: &HeaderValue) -> Request {
    let mut request = Request::new(Method::GET, url.clone());
    request
        .headers_mut()
        .insert(AUTHORIZATION, authorization.clone());
    request
}

/// A POST of a form.
fn post_form(url: &Url, fields: &[(&str, &str)]) -> Request {
    let mut request = Request::new(Method::POST, url.clone());
    request.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    *request.body_mut() = Some(body.into());
    request
}

/// What a request to us carries, as JSON: its body where that is JSON or a form, else its query. `None`:
/// it is none of these.
fn posted(post: &Post<'_>) -> Option<Value> {
    if post.method == "GET" {
        return Some(object(post.query.iter().cloned()));
    }
    let kind = post.header("content-type").unwrap_or_default();
    let first = post.body.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_json = kind.contains("json") || matches!(first, Some(b'{' | b'['));
    if is_json {
        serde_json::from_slice(post.body).ok()
    } else {
        Some(object(form_urlencoded::parse(post.body).into_owned()))
    }
}

/// Of a field that comes twice the last counts.
fn object(fields: impl Iterator<Item = (String, String)>) -> Value {
    fields
        .map(|(name, value)| (name, Value::String(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A word, number or truth as text; `None` for what is missing, null, a list or an object.
fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A provider's code as far as it may be kept: it must not carry a number or a text in disguise.
fn plain_code(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(20)
        .collect()
}
