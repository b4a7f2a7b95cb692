//! The certificates by which Amazon SNS signs, fetched once each.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::Url;
use tokio::sync::Mutex;

use crate::responses::mail_events::sns::is_certificate;

/// Bytes of an answer: a certificate has two thousand.
const BYTES_AT_MOST: usize = 64 * 1024;
const WAIT_AT_MOST: Duration = Duration::from_secs(10);
/// Certificates kept: Amazon has one a region and year.
const KEPT_AT_MOST: usize = 32;
/// Requests that strangers can make us do.
const PER_MINUTE: u32 = 20;

/// Asks for an address; made anew in tests, since only Amazon has the hosts that are asked.
pub trait Fetch: fmt::Debug + Send + Sync {
    /// The body of a 2xx.
    fn get(&self, url: Url) -> BoxFuture<'static, Result<Vec<u8>, String>>;
}

/// Asks over https, follows nothing, and reads no more than a certificate has.
#[derive(Debug, Clone, Default)]
pub struct Https;

impl Fetch for Https {
    fn get(&self, url: Url) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let client = reqwest::Client::builder()
                .https_only(true)
                .redirect(reqwest::redirect::Policy::none())
                .timeout(WAIT_AT_MOST)
                .user_agent(concat!("visavis/", env!("CARGO_PKG_VERSION")))
                .no_proxy()
                .build()
                .map_err(|error| error.to_string())?;
            // The address of a confirmation holds a token.
            let told = |error: reqwest::Error| error.without_url().to_string();
            let mut answer = client.get(url).send().await.map_err(told)?;
            if !answer.status().is_success() {
                return Err(format!("it answers {}", answer.status()));
            }
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(told)? {
                if body.len() + chunk.len() > BYTES_AT_MOST {
                    return Err("the answer is too long".to_owned());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        })
    }
}

/// Fetches, and keeps what was good. Clones share it.
#[derive(Clone)]
pub(super) struct Certificates {
    fetch: Arc<dyn Fetch>,
    kept: Arc<Mutex<BTreeMap<String, Arc<[u8]>>>>,
    pace: Arc<DefaultDirectRateLimiter>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({:?})", self.fetch)
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new(Arc::new(Https))
    }
}

impl Certificates {
    pub fn new(fetch: Arc<dyn Fetch>) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(PER_MINUTE).unwrap_or(NonZeroU32::MIN));
        Self {
            fetch,
            kept: Arc::default(),
            pace: Arc::new(RateLimiter::direct(quota)),
        }
    }

    /// The certificate at an address.
    ///
    /// # Errors
    /// Why it cannot be had now.
    pub async fn at(&self, url: &Url) -> Result<Arc<[u8]>, String> {
        // Held while one is fetched: what comes meanwhile wants the same.
        let mut kept = self.kept.lock().await;
        if let Some(certificate) = kept.get(url.as_str()) {
            return Ok(Arc::clone(certificate));
        }
        let certificate: Arc<[u8]> = self.ask(url.clone()).await?.into();
        if !is_certificate(&certificate) {
            return Err("there is no certificate at the address that is named".to_owned());
        }
        if kept.len() >= KEPT_AT_MOST {
            kept.clear();
        }
        kept.insert(url.to_string(), Arc::clone(&certificate));
        Ok(certificate)
    }

    /// Asks for an address.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, url: Url) -> Result<Vec<u8>, String> {
        self.pace
            .check()
            .map_err(|_too_many| "too many different addresses are asked for".to_owned())?;
        self.fetch.get(url).await
    }
}
