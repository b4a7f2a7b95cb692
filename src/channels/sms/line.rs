//! The line to one provider: so many requests at once, under its pace, and none while it rests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::CONNECT_AT_MOST;
use super::model::{Handed, Looked, SmsMessage};
use super::provider::{Answer, Provider};
use super::sandbox::SmsSandbox;
use super::smpp::Smpp;
use crate::channels::breaker::Permit;
use crate::channels::health::{Health, Sign};
use crate::channels::limits::Pace;
use crate::channels::model::{Class, Moment, Outcome, Reply};
use crate::channels::parcel::Parcel;
use crate::clock::SharedClock;

/// Bytes of an answer that are read.
const ANSWER_AT_MOST: usize = 64 * 1024;

/// How long a provider may ask to be left alone for at most; a message waits longer if it asks so.
const WAIT_AT_MOST: Duration = Duration::from_secs(60);

/// How long a provider is left alone that asks for that and does not say how long.
const WAIT_AT_LEAST: Duration = Duration::from_secs(1);

/// How long the provider's clock is waited for.
const CLOCK_AT_MOST: Duration = Duration::from_secs(3);

/// How long an SMSC is left alone after a connection ended.
const REBIND: Duration = Duration::from_secs(1);

/// A parcel of this channel.
pub type SmsParcel = Box<dyn Parcel<SmsMessage>>;

/// Whom the messages are handed to.
#[derive(Debug)]
pub(super) enum Peer {
    Http {
        provider: Arc<dyn Provider>,
        client: reqwest::Client,
    },
    Smpp(Box<Smpp>),
    Sandbox(Box<SmsSandbox>),
}

pub(super) struct Line {
    peer: Peer,
    pub health: Health,
    pace: Option<Pace>,
    clock: SharedClock,
    /// How far the provider's clock is ahead of ours, in milliseconds; found out when it wants the time.
    ahead_ms: AtomicI64,
    knows_clock: AtomicBool,
    /// Places in the line: who brings more waits, so that those who bring take turns.
    room: Semaphore,
    /// Whether the last exchange was answered. Until one is, messages go one at a time: an answer that says
    /// nothing leaves a message in doubt for ever, and ten at once would be ten.
    is_proven: AtomicBool,
    alone: Mutex<()>,
    seats: Arc<Semaphore>,
    under_way: TaskTracker,
}

/// What is under way with the provider.
pub(super) enum Exchange {
    Done(Handed, Sign),
    /// No byte left us.
    Unreachable(String),
}

impl Line {
    pub fn new(peer: Peer, connections: u32, pace: Option<Pace>, clock: SharedClock) -> Arc<Self> {
        let size = usize::try_from(connections.max(1)).unwrap_or(1);
        Arc::new(Self {
            peer,
            health: Health::default(),
            pace,
            clock,
            ahead_ms: AtomicI64::new(0),
            knows_clock: AtomicBool::new(false),
            // One for each request to go on with at once, and one to wait.
            room: Semaphore::new(size),
            is_proven: AtomicBool::new(false),
            alone: Mutex::new(()),
            seats: Arc::new(Semaphore::new(size)),
            under_way: TaskTracker::new(),
        })
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Puts a parcel into the line, once there is room; its end is told to the parcel itself.
    pub async fn submit(self: &Arc<Self>, parcel: SmsParcel) {
        let Ok(place) = self.room.acquire().await else {
            // Closed: the process is stopping.
            return parcel.end(None);
        };
        place.forget();
        let line = Arc::clone(self);
        self.under_way.spawn(async move {
            let seat = Arc::clone(&line.seats).acquire_owned().await;
            line.room.add_permits(1);
            line.deliver(parcel).await;
            drop(seat);
        });
    }

    async fn deliver(&self, mut parcel: SmsParcel) {
        if !self.health.is_well() {
            return parcel.unreachable(put_off());
        }
        let given_up = parcel.given_up().clone();
        if parcel.may_go(Moment::Begin)
            && let Some(pace) = &self.pace
            && unless(&given_up, pace.until_ready()).await.is_none()
        {
            return parcel.end(None);
        }
        if !parcel.may_go(Moment::Begin) {
            return parcel.end(None);
        }
        let _alone = if self.is_proven.load(Ordering::Relaxed) {
            None
        } else {
            match unless(&given_up, self.alone.lock()).await {
                Some(alone) => Some(alone),
                None => return parcel.end(None),
            }
        };
        if !self.health.is_well() {
            return parcel.unreachable(put_off());
        }
        match unless(&given_up, self.prepare()).await {
            Some(Ok(())) => {}
            Some(Err(reason)) => {
                self.health.failed(reason);
                return parcel.unreachable(put_off());
            }
            None => return parcel.end(None),
        }
        let Some(message) = parcel.compose() else {
            return parcel.end(None);
        };
        // Not [`Moment::Message`], which leaves no time to connect before an opt-out is answered.
        if !parcel.may_go(Moment::Begin) || !parcel.begin() {
            return parcel.end(None);
        }
        // Whoever gives up drops it: what became of it is then in doubt, as the parcel tells itself.
        let Some(exchange) = unless(&given_up, self.exchange(&message)).await else {
            return;
        };
        match exchange {
            Exchange::Done(handed, sign) => {
                if sign != Sign::Nothing {
                    self.is_proven
                        .store(sign == Sign::Answered, Ordering::Relaxed);
                }
                self.health.heed(&sign);
                if let Outcome::Deferred {
                    class: Class::Greylist,
                    retry_after,
                    ..
                } = &handed.outcome
                {
                    // Without a rest all of the wave would be refused in haste, and tried hours later.
                    let wait = retry_after.unwrap_or(WAIT_AT_LEAST);
                    self.health.asked_to_wait(wait.min(WAIT_AT_MOST));
                }
                if let Outcome::Rejected {
                    class: Class::Relay,
                    ..
                } = &handed.outcome
                {
                    // It may be the time we signed with.
                    self.knows_clock.store(false, Ordering::Relaxed);
                }
                parcel.named(handed.message_id, handed.parts);
                parcel.end(Some(handed.outcome));
            }
            Exchange::Unreachable(reason) => {
                self.health.failed(reason);
                parcel.unreachable(put_off());
            }
        }
    }

    /// Does what takes its time before a message may begin to leave: an SMSC is bound, and a provider whose
    /// clock counts is asked for it.
    ///
    /// # Errors
    /// Why it cannot be reached, in words.
    async fn prepare(&self) -> Result<(), String> {
        match &self.peer {
            // Whoever waits longer has waited in vain: the next trial of the line may take its time.
            Peer::Smpp(smpp) => match tokio::time::timeout(CONNECT_AT_MOST, smpp.bound()).await {
                Ok(bound) => bound.map(drop),
                Err(_elapsed) => Err("no connection in time".to_owned()),
            },
            Peer::Http { provider, client } if !self.knows_clock.load(Ordering::Relaxed) => {
                match provider.clock() {
                    Some(request) => self.set_clock(client, request).await,
                    None => Ok(()),
                }
            }
            Peer::Http { .. } | Peer::Sandbox(_) => Ok(()),
        }
    }

    /// Hands a message over that somebody waits for.
    pub async fn send(&self, message: &SmsMessage) -> Outcome {
        let Ok(_seat) = self.seats.acquire().await else {
            return put_off();
        };
        if let Some(pace) = &self.pace {
            pace.until_ready().await;
        }
        if let Err(reason) = self.prepare().await {
            self.health.failed(reason);
            return put_off();
        }
        match self.exchange(message).await {
            Exchange::Done(handed, sign) => {
                self.health.heed(&sign);
                handed.outcome
            }
            Exchange::Unreachable(reason) => {
                self.health.failed(reason);
                put_off()
            }
        }
    }

    async fn exchange(&self, message: &SmsMessage) -> Exchange {
        match &self.peer {
            Peer::Sandbox(sandbox) => Exchange::Done(sandbox.take(message).await, Sign::Answered),
            Peer::Smpp(smpp) => smpp.hand_over(message).await,
            Peer::Http { provider, client } => {
                let request = match provider.request(message, self.now()) {
                    Ok(request) => request,
                    Err(class) => {
                        return Exchange::Done(Handed::rejected(class, 0), Sign::Nothing);
                    }
                };
                self.post(provider.as_ref(), client, request).await
            }
        }
    }

    async fn post(
        &self,
        provider: &dyn Provider,
        client: &reqwest::Client,
        request: reqwest::Request,
    ) -> Exchange {
        let answer = match client.execute(request).await {
            Ok(response) => read(response, self.clock.now()).await,
            Err(error) if error.is_connect() => {
                return Exchange::Unreachable(in_words(&error));
            }
            Err(error) => Err(in_words(&error)),
        };
        match answer {
            Ok(answer) => {
                let handed = provider.answer(&answer);
                let sign = match (answer.status, &handed.outcome) {
                    (500.., _) => Sign::Failed(format!("answers with {}", answer.status)),
                    (_, Outcome::Unknown { .. }) => {
                        Sign::Failed("answers what cannot be understood".to_owned())
                    }
                    _ => Sign::Answered,
                };
                Exchange::Done(handed, sign)
            }
            // The request was read, or may have been.
            Err(reason) => {
                let handed = if provider.is_idempotent() {
                    Handed::deferred(Class::Network, 0, None)
                } else {
                    Handed::unknown("the provider's answer was lost")
                };
                Exchange::Done(handed, Sign::Failed(reason))
            }
        }
    }

    /// Tries a provider that rested, with the permit to do so.
    pub async fn try_again(&self) {
        if let Peer::Smpp(smpp) = &self.peer {
            return match smpp.bound().await {
                Ok(_session) => self.health.connected(),
                Err(reason) => self.health.failed(reason),
            };
        }
        let Peer::Http { provider, client } = &self.peer else {
            return self.health.connected();
        };
        let Some(request) = provider.probe(self.now()) else {
            // The next message is the trial.
            return self.health.connected();
        };
        match client.execute(request).await {
            Ok(response) if response.status().is_server_error() => {
                let status = response.status().as_u16();
                self.health.failed(format!("answers with {status}"));
            }
            Ok(_answered) => self.health.connected(),
            Err(error) => self.health.failed(in_words(&error)),
        }
    }

    /// Asks the provider whether it is there and knows us.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn check(&self) -> Result<Looked, String> {
        if let Peer::Smpp(smpp) = &self.peer {
            return smpp.check().await.map(|()| Looked::Known);
        }
        let Peer::Http { provider, client } = &self.peer else {
            return Ok(Looked::Known);
        };
        if let Some(request) = provider.clock() {
            self.set_clock(client, request)
                .await
                .map_err(|reason| format!("its clock: {reason}; check its url"))?;
        }
        let Some(request) = provider.probe(self.now()) else {
            return Ok(Looked::Reached);
        };
        match client.execute(request).await {
            Ok(response) => match response.status().as_u16() {
                401 | 403 if provider.probe_shows_key() => Err(
                    "it refuses our key; check the account and its secret in the settings"
                        .to_owned(),
                ),
                status @ 500.. => Err(format!("it answers with {status}; try again later")),
                _ if provider.probe_shows_key() => Ok(Looked::Known),
                _ => Ok(Looked::Reached),
            },
            Err(error) => Err(format!("{}; check its url", in_words(&error))),
        }
    }

    /// Waits for what is under way; what comes later goes back.
    pub async fn close(&self) {
        self.room.close();
        self.under_way.close();
        self.under_way.wait().await;
        if let Peer::Smpp(smpp) = &self.peer {
            smpp.close().await;
        }
    }

    /// Keeps the connection of an SMSC, over which it tells us things, until the line is closed.
    pub async fn stay_bound(&self) {
        let Peer::Smpp(smpp) = &self.peer else {
            return;
        };
        while !self.room.is_closed() {
            match self.health.ask() {
                Permit::Go => match smpp.bound().await {
                    Ok(session) => session.ended().await,
                    Err(reason) => self.health.failed(reason),
                },
                Permit::Try => self.try_again().await,
                Permit::Wait(wait) => {
                    tokio::time::sleep(wait.min(REBIND)).await;
                    continue;
                }
            }
            tokio::time::sleep(REBIND).await;
        }
    }

    /// Now by the provider's clock.
    fn now(&self) -> DateTime<Utc> {
        let ahead = TimeDelta::milliseconds(self.ahead_ms.load(Ordering::Relaxed));
        let now = self.clock.now();
        now.checked_add_signed(ahead).unwrap_or(now)
    }

    /// Asks for the provider's clock; where the answer tells no time ours is taken to be right.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    async fn set_clock(
        &self,
        client: &reqwest::Client,
        mut request: reqwest::Request,
    ) -> Result<(), String> {
        *request.timeout_mut() = Some(CLOCK_AT_MOST);
        let response = client
            .execute(request)
            .await
            .map_err(|error| in_words(&error))?;
        let answer = read(response, self.clock.now()).await?;
        let seconds = std::str::from_utf8(&answer.body)
            .ok()
            .and_then(|text| text.trim().parse::<i64>().ok())
            .filter(|_| answer.status == 200);
        if let Some(seconds) = seconds {
            let ahead = seconds
                .saturating_mul(1000)
                .saturating_sub(self.clock.now_ms());
            self.ahead_ms.store(ahead, Ordering::Relaxed);
            self.knows_clock.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Reads an answer, no more of it than an answer has.
async fn read(mut response: reqwest::Response, now: DateTime<Utc>) -> Result<Answer, String> {
    let retry_after = response
        .headers()
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| Answer::retry_after(value, now));
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after,
        body: Vec::new(),
    };
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                answer.body.extend_from_slice(&chunk);
                if answer.body.len() > ANSWER_AT_MOST {
                    answer.body.truncate(ANSWER_AT_MOST);
                    return Ok(answer);
                }
            }
            Ok(None) => return Ok(answer),
            Err(error) => return Err(in_words(&error)),
        }
    }
}

/// What went wrong, without the address, which may hold a secret.
fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection broke".to_owned()
    }
}

fn put_off() -> Outcome {
    Outcome::Deferred {
        class: Class::Network,
        reply: Reply::default(),
        retry_after: None,
    }
}

/// Goes on unless nobody waits for the end any more.
async fn unless<T>(given_up: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = given_up.cancelled() => None,
    }
}
