//! Sends events: each endpoint in a task of its own, by one node at a time, in order.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounterVec, Opts};
use rand::RngExt as _;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use sea_orm::DbErr;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::endpoints::secrets;
use super::guard::{self, Guard, Lookup};
use super::model::{Answer, DeliveryState, GIVEN_UP_MS, lets_pass, next_try};
use super::signing;
use super::store;
use super::store::line::{self, Next, Tried};
use crate::clock::{DAY_MS, SharedClock};
use crate::config::Settings;
use crate::ids::EndpointId;
use crate::keys::Keys;
use crate::storage::Db;

/// How often is looked for something to send.
const IDLE: Duration = Duration::from_secs(1);
/// How long an endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// So much of an answer is read, so that the connection can be used again; nobody looks at it.
const READ_BYTES: usize = 8 * 1024;
/// Endpoints that are told at the same time.
const AT_ONCE: usize = 32;
/// How long events are kept, in days.
const KEEP_DAYS: i64 = 30;

/// What tells endpoints of events.
#[derive(Debug, Clone)]
pub struct EventSender(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: SharedClock,
    keys: Keys,
    client: reqwest::Client,
    allow_loopback: bool,
    node: String,
    tries: IntCounterVec,
}

impl EventSender {
    /// # Errors
    /// When no HTTP client can be made: a defect of this program or of its certificates.
    pub fn new(
        db: Db,
        clock: SharedClock,
        keys: Keys,
        settings: &Settings,
        node: &str,
    ) -> Result<Self, String> {
        Self::with_lookup(db, clock, keys, settings, node, guard::system_lookup())
    }

    /// As [`EventSender::new`], with another way to ask for the addresses of a name.
    ///
    /// # Errors
    /// As [`EventSender::new`].
    pub fn with_lookup(
        db: Db,
        clock: SharedClock,
        keys: Keys,
        settings: &Settings,
        node: &str,
        lookup: Lookup,
    ) -> Result<Self, String> {
        let allow_loopback = settings.webhooks.allow_loopback;
        let tries = IntCounterVec::new(
            Opts::new(
                "visavis_webhook_tries_total",
                "Tries to tell an endpoint of an event, by what came of them.",
            ),
            &["result"],
        )
        .map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Inner {
            db,
            clock,
            keys,
            client: client(lookup, allow_loopback).map_err(|error| error.to_string())?,
            allow_loopback,
            node: node.to_owned(),
            tries,
        })))
    }

    /// Tries by what came of them, for whoever gathers figures.
    pub fn tries(&self) -> IntCounterVec {
        self.0.tries.clone()
    }

    /// Gives back what a process with the name of this node had, which is gone.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_earlier_run(&self) -> Result<(), DbErr> {
        line::release_of_node(&self.0.db, &self.0.node).await
    }

    /// Sends what is due until `stop`, and lets no request go that is under way.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut tasks = JoinSet::new();
        while !stop.is_cancelled() {
            while tasks.try_join_next().is_some() {}
            match self.claim(AT_ONCE - tasks.len().min(AT_ONCE)).await {
                Ok(endpoints) => {
                    for endpoint in endpoints {
                        let (inner, stop) = (Arc::clone(&self.0), stop.clone());
                        tasks.spawn(async move { inner.tell(endpoint, &stop).await });
                    }
                }
                Err(error) => tracing::error!(%error, "events could not be looked for; they wait"),
            }
            tokio::select! {
                () = tokio::time::sleep(IDLE) => {}
                () = stop.cancelled() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Sends until nothing is due or `stop`; returns how many events were taken.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn run_until_idle(&self, stop: &CancellationToken) -> Result<u64, DbErr> {
        let mut told = 0;
        loop {
            let endpoints = self.claim(AT_ONCE).await?;
            if endpoints.is_empty() || stop.is_cancelled() {
                return Ok(told);
            }
            let mut tasks = JoinSet::new();
            for endpoint in endpoints {
                let (inner, stop) = (Arc::clone(&self.0), stop.clone());
                tasks.spawn(async move { inner.tell(endpoint, &stop).await });
            }
            while let Some(done) = tasks.join_next().await {
                told += done.unwrap_or_default();
            }
        }
    }

    async fn claim(&self, limit: usize) -> Result<Vec<EndpointId>, DbErr> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let inner = &self.0;
        line::claim(&inner.db, &inner.node, limit, inner.clock.now_ms()).await
    }
}

impl Inner {
    /// Tells an endpoint what is due, and gives it back; returns how many events it took.
    async fn tell(&self, endpoint: EndpointId, stop: &CancellationToken) -> u64 {
        let mut told = 0;
        let resume_at = match self.tell_all(endpoint, stop, &mut told).await {
            Ok(resume_at) => resume_at,
            Err(error) => {
                tracing::error!(%error, %endpoint, "an endpoint could not be told; it is tried again");
                0
            }
        };
        if let Err(error) = line::release(&self.db, endpoint, &self.node, resume_at).await {
            tracing::error!(%error, %endpoint, "an endpoint is held until its lease ends");
        }
        told
    }

    /// Returns until when the endpoint is to be left alone.
    async fn tell_all(
        &self,
        id: EndpointId,
        stop: &CancellationToken,
        told: &mut u64,
    ) -> Result<i64, DbErr> {
        while !stop.is_cancelled() {
            let now_ms = self.clock.now_ms();
            let Some(next) = line::next(&*self.db, id, now_ms).await? else {
                break;
            };
            if next.next_at > now_ms {
                return Ok(next.next_at);
            }
            let txn = self.db.begin().await?;
            let held = line::hold(&*txn, id, &self.node, now_ms).await?;
            txn.commit().await?;
            let Some(receiver) = held else {
                break;
            };
            let answer = post(
                &self.client,
                self.allow_loopback,
                &Post {
                    url: &receiver.url,
                    message_id: &next.message_id,
                    body: &next.body,
                    secrets: &secrets(&self.keys, &receiver.signed, now_ms),
                    now_ms,
                },
            )
            .await;
            *told += u64::from(matches!(answer, Answer::Taken(_)));
            self.settle(id, &next, &answer).await?;
        }
        Ok(0)
    }

    async fn settle(&self, id: EndpointId, next: &Next, answer: &Answer) -> Result<(), DbErr> {
        let now_ms = self.clock.now_ms();
        let attempts = next.attempts + 1;
        let fault = answer.fault();
        let again = next_try(attempts, answer, rand::rng().random(), now_ms);
        let state = match (answer, again) {
            (Answer::Taken(_), _) => DeliveryState::Delivered,
            (_, Some(_)) => DeliveryState::Waiting,
            (_, None) => DeliveryState::Failed,
        };
        let result = match state {
            DeliveryState::Delivered => "taken",
            DeliveryState::Waiting => "put_off",
            DeliveryState::Failed | DeliveryState::Stopped => "given_up",
        };
        self.tries.with_label_values(&[result]).inc();
        let txn = self.db.begin().await?;
        let failing_since = line::settle(
            &txn,
            &Tried {
                endpoint: id,
                event: next.event,
                state,
                attempts,
                lets_pass: lets_pass(attempts, answer),
                next_at: again.unwrap_or(now_ms),
                status: answer.status(),
                fault: fault.as_deref(),
                now_ms,
            },
        )
        .await?;
        let last = fault.unwrap_or_default();
        let end = match answer {
            Answer::Gone => Some(last),
            _ if failing_since.is_some_and(|since| now_ms - since >= GIVEN_UP_MS) => {
                Some(format!("failed for five days; the last time it {last}"))
            }
            _ => None,
        };
        if let Some(reason) = &end {
            store::disable(&txn, id, reason, true, now_ms).await?;
            tracing::error!(endpoint = %id, "an endpoint of webhooks was disabled; `visavis webhook list` says why");
        }
        txn.commit().await
    }
}

/// An event as it goes out.
pub(super) struct Post<'a> {
    pub url: &'a str,
    pub message_id: &'a str,
    pub body: &'a str,
    pub secrets: &'a [[u8; 32]],
    pub now_ms: i64,
}

/// The client all events go out by: it follows nothing, asks no proxy, and connects only where [`Guard`] lets it.
pub(super) fn client(lookup: Lookup, allow_loopback: bool) -> reqwest::Result<reqwest::Client> {
    // Whoever starts us has chosen already; in a test nobody has.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .dns_resolver(Arc::new(Guard::new(lookup, allow_loopback)))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .user_agent(concat!("visavis/", env!("CARGO_PKG_VERSION")))
        .pool_idle_timeout(Duration::from_secs(10))
        .pool_max_idle_per_host(1)
        .build()
}

/// Sends an event once.
pub(super) async fn post(
    client: &reqwest::Client,
    allow_loopback: bool,
    told: &Post<'_>,
) -> Answer {
    // Once more, since an address in the place of a name is not looked up, and settings change.
    let url = match guard::read(told.url, allow_loopback) {
        Ok(url) => url,
        Err(refusal) => return Answer::None(format!("was not asked: its address {refusal}")),
    };
    let seconds = told.now_ms.div_euclid(1_000);
    let signature = signing::sign(told.secrets, told.message_id, seconds, told.body);
    let sent = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", told.message_id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signature)
        .body(told.body.to_owned())
        .send()
        .await;
    let mut answered = match sent {
        Ok(answered) => answered,
        Err(error) => return Answer::None(in_words(&error)),
    };
    let retry_after = answered
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let answer = Answer::of(answered.status().as_u16(), retry_after);
    let mut read = 0;
    while read < READ_BYTES
        && let Ok(Some(bytes)) = answered.chunk().await
    {
        read += bytes.len();
    }
    answer
}

/// Why there was no answer; without the address, which may hold a secret of the receiver's.
fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("did not answer within {} seconds", TIMEOUT.as_secs());
    }
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if let Some(refusal) = cause.downcast_ref::<guard::Refusal>() {
        return format!("was not asked: its name {refusal}");
    }
    format!("could not be reached: {cause}")
}

/// Lets events go after 30 days; returns how many.
///
/// # Errors
/// When the database is away.
pub async fn forget_old(db: &Db, now_ms: i64) -> Result<u64, DbErr> {
    line::forget(db, now_ms - KEEP_DAYS * DAY_MS).await
}
