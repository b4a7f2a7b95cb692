//! Bearer tokens (RFC 6750): which program asks, what it may do, and how often.

use std::collections::BTreeSet;
use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, web};
use futures_util::future::{Ready, ready};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::rights;
use crate::accounts::{self, tokens};
use crate::config::{ApiSettings, Scope};
use crate::web::{ApiError, State};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type Limiter =
    RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// The tokens of the settings, as digests: so that no comparison tells anything of them by its time.
pub(in crate::web) struct Tokens {
    known: Vec<Token>,
    per_minute: u32,
    limiter: Limiter,
}

struct Token {
    caller: Caller,
    digest: [u8; SHA256_OUTPUT_LEN],
}

/// The program that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub name: String,
    /// What is his alone: one of the settings and one of the console may bear the same name.
    pub key: String,
    /// What the audit log adds to the name of one that the console made.
    number: Option<i64>,
    pub scopes: BTreeSet<Scope>,
}

/// How often a token may still ask.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    per_minute: u32,
    left: u32,
    /// Seconds until more is there.
    wait: u32,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .known
            .iter()
            .map(|one| one.caller.name.as_str())
            .collect();
        f.debug_tuple("Tokens").field(&names).finish()
    }
}

impl Tokens {
    pub fn new(settings: &ApiSettings) -> Self {
        let mut known = Vec::new();
        for (name, token) in &settings.tokens {
            match token.secret(name) {
                Ok(secret) => known.push(Token {
                    caller: Caller {
                        name: name.clone(),
                        key: format!("settings {name}"),
                        number: None,
                        scopes: token.scopes.clone(),
                    },
                    digest: sha256(secret.expose().as_bytes()),
                }),
                // It could be read when the settings were.
                Err(error) => tracing::error!(%error, "an API token is left out"),
            }
        }
        let quota = Quota::per_minute(settings.requests_per_minute);
        Self {
            known,
            per_minute: settings.requests_per_minute.get(),
            limiter: RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>(),
        }
    }

    /// Whose token a request bears: one of the settings, or one that the console made.
    async fn caller(&self, headers: &HeaderMap, state: &State) -> Result<Caller, ApiError> {
        let token = borne(headers).ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED))?;
        if let Some(found) = self.of_settings(token) {
            return Ok(found.caller.clone());
        }
        if !tokens::is_whole(token) {
            return Err(ApiError::new(StatusCode::UNAUTHORIZED));
        }
        let made = tokens::find(&state.db, &accounts::digest_of(token), state.clock.now_ms())
            .await
            .map_err(ApiError::unavailable)?
            .ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED))?;
        Ok(Caller {
            scopes: made.scopes.split(' ').filter_map(Scope::read).collect(),
            key: format!("token {}", made.id),
            number: Some(made.id),
            name: made.name,
        })
    }

    /// The token of the settings that this is; all are compared, whichever fits.
    fn of_settings(&self, token: &str) -> Option<&Token> {
        let given = sha256(token.as_bytes());
        self.known.iter().fold(None, |found, token| {
            if is_equal(&token.digest, &given) {
                Some(token)
            } else {
                found
            }
        })
    }

    /// Whether a request bears a token of the settings.
    pub fn is_of_settings(&self, headers: &HeaderMap) -> bool {
        borne(headers).is_some_and(|token| self.of_settings(token).is_some())
    }

    /// Counts a request of the token with this key.
    fn allow(&self, key: &str) -> Result<Allowance, Allowance> {
        let allowance = |left, wait| Allowance {
            per_minute: self.per_minute,
            left,
            wait,
        };
        match self.limiter.check_key(&key.to_owned()) {
            Ok(state) => Ok(allowance(state.remaining_burst_capacity(), 1)),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let seconds = wait.as_secs().saturating_add(1);
                Err(allowance(0, u32::try_from(seconds).unwrap_or(u32::MAX)))
            }
        }
    }
}

impl Caller {
    /// Who did it, for the audit log.
    pub fn actor(&self) -> String {
        match self.number {
            None => format!("token {}", self.name),
            Some(number) => format!("token {} ({number})", self.name),
        }
    }

    /// Refuses who may not do this beside what its address asks for.
    ///
    /// # Errors
    /// 403, with what to do.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(ApiError::new(StatusCode::FORBIDDEN).with_detail(format!(
            "This token lacks the scope {}; give {} one that has it (Settings, API tokens, or [api.tokens]).",
            scope.as_str(),
            self.name
        )))
    }
}

/// The token a request bears.
fn borne(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
}

/// What [`guard`] found.
impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED)))
    }
}

/// Lets through who bears a token that may do this, and not too often: 401 without a token of ours, 403 when it
/// may not do this, 429 when it asks too often. Which methods there are, everybody may ask.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match admit(&request).await {
        Ok(()) => next
            .call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body),
        // Not by `into_response`, which loses what was said.
        Err(error) => {
            let (request, _) = request.into_parts();
            Ok(ServiceResponse::new(
                request,
                HttpResponse::from_error(error),
            ))
        }
    }
}

async fn admit(request: &ServiceRequest) -> Result<(), ApiError> {
    // No database knows a text with this character, so there is nothing of that name.
    if request.uri().to_string().contains("%00") {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    }
    let pattern = request.match_pattern().unwrap_or_default();
    let needed = rights::needed(&pattern, request.method());
    if request.method() == Method::OPTIONS || needed.is_none() {
        // The resource says which methods there are.
        return Ok(());
    }
    let Some(state) = request.app_data::<web::Data<State>>() else {
        return Err(ApiError::internal("the API stands without its state"));
    };
    let caller = state.tokens.caller(request.headers(), state).await?;
    let allowance = state.tokens.allow(&caller.key);
    let (Ok(shown) | Err(shown)) = allowance;
    request.extensions_mut().insert(shown);
    if let Err(over) = allowance {
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS)
            .with_wait(over.wait)
            .with_detail(format!(
                "This token may ask {} times a minute; wait {} seconds, or raise [api] requests_per_minute.",
                over.per_minute, over.wait
            )));
    }
    if let Some(Some(scope)) = needed {
        caller.require(scope)?;
    }
    request.extensions_mut().insert(caller);
    // Also where nothing is done by it: one that cannot be a key is a mistake of the program.
    if request.method() == Method::POST
        && let Some(key) = request.headers().get(&super::IDEMPOTENCY_KEY)
    {
        super::key(key)?;
    }
    Ok(())
}

/// Says with every answer how often may still be asked (draft-ietf-httpapi-ratelimit-headers-10).
pub(super) async fn told(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let allowance = response.request().extensions().get::<Allowance>().copied();
    if let Some(allowance) = allowance {
        let policy = format!("\"token\";q={};w=60", allowance.per_minute);
        let left = format!("\"token\";r={};t={}", allowance.left, allowance.wait);
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    Ok(response)
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
