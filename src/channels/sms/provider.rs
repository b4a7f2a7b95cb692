//! What every provider does: say how a message is posted to it, read its answer, and read what it posts to
//! us. No I/O: the line posts, the web room listens.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::model::{Handed, SmsEvent, SmsMessage};
use crate::channels::model::Class;

/// A kind of provider with one account.
pub trait Provider: fmt::Debug + Send + Sync {
    /// The request that hands a message over; `now` is by the provider's clock where it wants the time.
    ///
    /// # Errors
    /// When the message cannot be expressed: its class.
    fn request(&self, message: &SmsMessage, now: DateTime<Utc>) -> Result<reqwest::Request, Class>;

    /// What an answer means. Whatever the provider says, it never panics; what cannot be understood in an
    /// answer that says 2xx is taken for [`Handed::unknown`].
    fn answer(&self, answer: &Answer) -> Handed;

    /// Whether the same reference is taken only once, so that a message whose answer was lost may be sent
    /// again.
    fn is_idempotent(&self) -> bool {
        false
    }

    /// A request that shows whether the provider can be reached and knows us, and sends nothing.
    fn probe(&self, now: DateTime<Utc>) -> Option<reqwest::Request>;

    /// Whether that request would be refused with a wrong key.
    fn probe_shows_key(&self) -> bool {
        true
    }

    /// What it posted to us.
    ///
    /// # Errors
    /// When it is not from the provider, or cannot be understood.
    fn read(&self, post: &Post<'_>) -> Result<Vec<SmsEvent>, PostError>;

    /// Whether it asks for its clock before requests are signed: the path of the request that tells it.
    fn clock(&self) -> Option<reqwest::Request> {
        None
    }
}

/// A provider's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP.
    pub status: u16,
    /// From `Retry-After`: seconds or a date (RFC 9110 section 10.2.3).
    pub retry_after: Option<Duration>,
    /// At most 64 KiB of it.
    pub body: Vec<u8>,
}

impl Answer {
    /// The longest `Retry-After` that is believed.
    const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

    /// Reads `Retry-After`: seconds or a date (RFC 9110 section 10.2.3), at most a day.
    pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
        let value = value.trim();
        let wait = if value.bytes().all(|byte| byte.is_ascii_digit()) {
            Duration::from_secs(value.parse().ok()?)
        } else {
            let date = DateTime::parse_from_rfc2822(value).ok()?;
            (date.with_timezone(&Utc) - now)
                .to_std()
                .unwrap_or_default()
        };
        Some(wait.min(Self::LONGEST_WAIT))
    }

    /// What the HTTP status alone says; `None` for 2xx, where the body tells.
    ///
    /// A server that failed (5xx other than 503) may have taken the message before: it is sent again only
    /// where that cannot make two.
    pub fn by_status(&self, is_idempotent: bool) -> Option<Handed> {
        let status = self.status;
        let handed = match status {
            200..=299 => return None,
            429 => Handed::deferred(Class::Greylist, status, self.retry_after),
            // The request did not arrive whole, or is not served at this time.
            408 | 503 => Handed::deferred(Class::Network, status, self.retry_after),
            // The account, or the address of the service: nobody's message would go.
            300..=399 | 401..=405 | 410 => Handed::rejected(Class::Relay, status),
            400..=499 => Handed::rejected(Class::Protocol, status),
            _ if is_idempotent => Handed::deferred(Class::Network, status, self.retry_after),
            _ => Handed::unknown("the provider failed and may have taken it"),
        };
        Some(handed)
    }

    /// The body of a 2xx as JSON.
    ///
    /// # Errors
    /// What becomes of a message whose answer cannot be understood.
    pub fn json(&self, is_idempotent: bool) -> Result<serde_json::Value, Handed> {
        serde_json::from_slice(&self.body).map_err(|_cause| self.not_understood(is_idempotent))
    }

    /// A 2xx that does not say what became of the message.
    pub fn not_understood(&self, is_idempotent: bool) -> Handed {
        if is_idempotent {
            Handed::deferred(Class::Protocol, self.status, self.retry_after)
        } else {
            Handed::unknown("the answer of the provider cannot be understood")
        }
    }
}

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostKind {
    /// What became of messages.
    Receipt,
    /// Messages of people.
    Inbound,
}

/// A request of the provider to us.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    pub kind: PostKind,
    /// GET or POST.
    pub method: &'a str,
    /// The address as the provider called it: ours, with its query.
    pub url: &'a str,
    /// The last piece of the path, where there is one; to be compared in constant time
    /// ([`PathSecret::is`]).
    pub secret: Option<&'a str>,
    /// The query, decoded, in its order.
    pub query: &'a [(String, String)],
    /// By lower-case name.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    /// When it came: a signature may be too old.
    pub now: DateTime<Utc>,
}

impl Post<'_> {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why what was posted is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Nothing proves that the provider posted it.
    #[error("it is not signed as it should be, or the address is not the secret one")]
    Forged,
    #[error("it cannot be understood: {0}")]
    Unreadable(&'static str),
}

/// The secret end of an address.
#[derive(Clone)]
pub struct PathSecret(Option<ring::hmac::Key>, Vec<u8>);

impl fmt::Debug for PathSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathSecret(..)")
    }
}

impl PathSecret {
    /// `None`: there is no secret address, and nothing is taken by it.
    pub fn new(secret: Option<&str>) -> Self {
        // Comparing MACs of both takes the same time whatever they are.
        let key =
            secret.map(|secret| ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes()));
        let tag = key.as_ref().map_or_else(Vec::new, |key| {
            ring::hmac::sign(key, secret.unwrap_or_default().as_bytes())
                .as_ref()
                .to_vec()
        });
        Self(key, tag)
    }

    /// Whether this is the secret.
    pub fn is(&self, given: Option<&str>) -> bool {
        match (&self.0, given) {
            (Some(key), Some(given)) => ring::hmac::verify(key, given.as_bytes(), &self.1).is_ok(),
            _ => false,
        }
    }
}
