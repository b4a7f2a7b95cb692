//! A provider of text messages that does what a test tells it: takes messages as the real one does by its
//! documents, throttles, breaks, falls silent; and posts receipts and messages of people, signed.
//!
//! ```ignore
//! let server = SmsServer::start(Kind::Twilio);
//! let settings = server.settings(); // a ProviderSettings that leads here
//! server.behave_next(1, Behaviour::Throttle(Some(2)));
//! assert_eq!(server.taken().len(), 2);
//! let posted = server.receipt(&taken, ReceiptState::Delivered, None);
//! assert_eq!(posted.send("http://127.0.0.1:8080").await, 200);
//! ```

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use visavis::channels::sms::model::ReceiptState;
use visavis::config::ProviderSettings;

mod brevo;
mod http;
mod infobip;
mod ovh;
mod twilio;
mod vonage;
mod wire;

pub use wire::{Asked, Reply};

/// Secret end of the addresses of providers that do not sign.
pub const HOOK_SECRET: &str = "kit-hook-secret-0001";

/// Whose language is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Twilio,
    Vonage,
    Ovh,
    Brevo,
    Infobip,
    Http,
}

/// What is done with the messages that come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// As a provider should.
    Take,
    /// 429, with `Retry-After` in seconds. Nothing is taken.
    Throttle(Option<u64>),
    /// This HTTP status with an empty body. Nothing is taken.
    Status(u16),
    /// Takes the message and never answers.
    Hang,
    /// Takes the message and closes the connection.
    Close,
    /// Takes the message and answers 200 with bytes that mean nothing.
    Garbage,
    /// Takes the message and answers with half of its JSON.
    Truncated,
    /// Takes the message and answers 200 with a page.
    Html,
    /// Says, in its own words, that there is no such number.
    Refuse,
    /// Takes the message and answers late.
    Delay(Duration),
    /// Answers this, and takes nothing.
    Answer(u16, String),
}

impl Behaviour {
    fn takes(&self) -> bool {
        !matches!(
            self,
            Self::Throttle(_) | Self::Status(_) | Self::Refuse | Self::Answer(..)
        )
    }
}

/// A message the provider is responsible for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub kind: Kind,
    /// The provider's own name for it.
    pub message_id: String,
    /// E.164 with its +, however it was written on the way.
    pub to: String,
    pub sender: String,
    pub text: String,
    /// Ours, where the provider has a place for it.
    pub reference: Option<String>,
    /// Where its receipts shall be posted, where the message says so.
    pub callback: Option<String>,
    pub parts: u16,
}

/// A message as it was submitted.
#[derive(Debug, Clone, Default)]
pub struct Submitted {
    pub to: String,
    pub sender: String,
    pub text: String,
    pub reference: Option<String>,
    pub callback: Option<String>,
    /// Whether it was declared to be UCS-2.
    pub is_unicode: bool,
}

/// What a provider posts to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    pub method: &'static str,
    /// As the provider was told, with its query; a signature may cover it.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A message of a person.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// E.164.
    pub from: &'a str,
    pub to: &'a str,
    pub text: &'a str,
    pub message_id: &'a str,
}

/// One provider's formats, from its documents.
trait Speech: Send + Sync {
    /// The table of its kind in the settings, as TOML, that leads to `url`.
    fn settings(&self, url: &str) -> String;
    /// The message of a request, or what is wrong with the request.
    fn read(&self, asked: &Asked) -> Result<Submitted, Reply>;
    /// The answer to a message it takes.
    fn accepted(&self, taken: &Taken) -> Reply;
    /// The answer to a number that does not exist.
    fn refused(&self, submitted: &Submitted) -> Reply;
    /// Answers what is no message (a probe, the clock).
    fn other(&self, asked: &Asked) -> Option<Reply> {
        let _ = asked;
        None
    }
    /// A receipt; `code` is the provider's own, for one that was not delivered; `now` in seconds.
    fn receipt(
        &self,
        url: &str,
        taken: &Taken,
        state: ReceiptState,
        code: Option<&str>,
        now: i64,
    ) -> Posted;
    fn inbound(&self, url: &str, text: &Text<'_>, now: i64) -> Posted;
}

fn speech(kind: Kind) -> Box<dyn Speech> {
    match kind {
        Kind::Twilio => Box::new(twilio::Twilio),
        Kind::Vonage => Box::new(vonage::Vonage),
        Kind::Ovh => Box::new(ovh::Ovh),
        Kind::Brevo => Box::new(brevo::Brevo),
        Kind::Infobip => Box::new(infobip::Infobip),
        Kind::Http => Box::new(http::Http),
    }
}

#[derive(Default)]
struct Orders {
    always: Option<Behaviour>,
    /// The next so many messages.
    next: Option<(usize, Behaviour)>,
    by_number: HashMap<String, Behaviour>,
}

struct State {
    kind: Kind,
    speech: Box<dyn Speech>,
    orders: Mutex<Orders>,
    taken: Mutex<Vec<Taken>>,
    asked: Mutex<usize>,
    wrong: Mutex<Vec<String>>,
    references: Mutex<HashSet<String>>,
    is_idempotent: AtomicBool,
}

/// The running server; it stops when it is dropped.
pub struct SmsServer {
    state: Arc<State>,
    addr: SocketAddr,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic")
}

impl SmsServer {
    /// Serves in a thread of its own, so that it answers whatever the test's runtime does.
    pub fn start(kind: Kind) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("not blocking");
        let addr = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            kind,
            speech: speech(kind),
            orders: Mutex::default(),
            taken: Mutex::default(),
            asked: Mutex::default(),
            wrong: Mutex::default(),
            references: Mutex::default(),
            is_idempotent: AtomicBool::new(false),
        });
        let (end, ended) = oneshot::channel();
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = wire::serve(listener, served) => (),
                    _ = ended => (),
                }
            });
        });
        Self {
            state,
            addr,
            _end: end,
        }
    }

    /// Without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `[sms.providers.NAME]` that leads here, as TOML below `key`, such as `sms.providers.first`.
    pub fn toml(&self, key: &str) -> String {
        let kind = format!("{:?}", self.state.kind).to_lowercase();
        let of_kind = self.state.speech.settings(&self.url());
        format!("[{key}]\nhook_secret = \"{HOOK_SECRET}\"\n\n[{key}.{kind}]\n{of_kind}")
    }

    /// Settings that lead here, with credentials that it knows.
    pub fn settings(&self) -> ProviderSettings {
        let table: toml::Table = self.toml("it").parse().expect("TOML");
        table["it"].clone().try_into().expect("settings")
    }

    /// From now on.
    pub fn behave(&self, behaviour: Behaviour) {
        locked(&self.state.orders).always = Some(behaviour);
    }

    /// For the next so many messages.
    pub fn behave_next(&self, messages: usize, behaviour: Behaviour) {
        locked(&self.state.orders).next = Some((messages, behaviour));
    }

    /// Always for this number, in E.164.
    pub fn behave_for(&self, to: &str, behaviour: Behaviour) {
        locked(&self.state.orders)
            .by_number
            .insert(to.to_owned(), behaviour);
    }

    /// A message with a reference it took before is answered like the first time, and not taken again.
    pub fn take_each_reference_once(&self) {
        self.state.is_idempotent.store(true, Ordering::SeqCst);
    }

    /// What it took, in order.
    pub fn taken(&self) -> Vec<Taken> {
        locked(&self.state.taken).clone()
    }

    /// How many messages it took.
    pub fn count(&self) -> usize {
        locked(&self.state.taken).len()
    }

    /// The numbers of what it took, in order.
    pub fn numbers(&self) -> Vec<String> {
        locked(&self.state.taken)
            .iter()
            .map(|taken| taken.to.clone())
            .collect()
    }

    /// How many messages were submitted, taken or not.
    pub fn submitted(&self) -> usize {
        *locked(&self.state.asked)
    }

    /// What was wrong with requests that a provider by its documents would not understand.
    pub fn complaints(&self) -> Vec<String> {
        locked(&self.state.wrong).clone()
    }

    /// Waits until so many messages were taken; panics after a minute.
    pub async fn wait_for(&self, messages: usize) {
        for _ in 0..6000 {
            if self.count() >= messages {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {messages} messages arrived", self.count());
    }

    /// The receipt of a message, signed, for the address the message named.
    pub fn receipt(
        &self,
        taken: &Taken,
        state: ReceiptState,
        code: Option<&str>,
        now: i64,
    ) -> Posted {
        let url = taken
            .callback
            .clone()
            .expect("the message names an address");
        self.receipt_to(&url, taken, state, code, now)
    }

    /// The receipt of a message, signed, for this address.
    pub fn receipt_to(
        &self,
        url: &str,
        taken: &Taken,
        state: ReceiptState,
        code: Option<&str>,
        now: i64,
    ) -> Posted {
        self.state.speech.receipt(url, taken, state, code, now)
    }

    /// A message of a person, signed, for this address.
    pub fn inbound(&self, url: &str, text: &Text<'_>, now: i64) -> Posted {
        self.state.speech.inbound(url, text, now)
    }
}

impl Posted {
    /// Its path with its query.
    pub fn path(&self) -> &str {
        let rest = self
            .url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest);
        rest.find('/').map_or("/", |at| &rest[at..])
    }

    /// Posts it, to this origin whatever the signed address says; the HTTP status of the answer.
    pub async fn send(&self, origin: &str) -> u16 {
        wire::post(self, origin).await
    }
}

impl State {
    /// What this request shall be met with, and its message.
    fn meet(&self, asked: &Asked) -> Met {
        if let Some(reply) = self.speech.other(asked) {
            return Met::Reply(reply);
        }
        let submitted = match self.speech.read(asked) {
            Ok(submitted) => submitted,
            Err(reply) => {
                locked(&self.wrong).push(reply.body.clone());
                return Met::Reply(reply);
            }
        };
        *locked(&self.asked) += 1;
        let behaviour = self.behaviour_for(&submitted.to);
        match &behaviour {
            Behaviour::Throttle(after) => {
                let mut reply = Reply::empty(429);
                reply.retry_after = *after;
                return Met::Reply(reply);
            }
            Behaviour::Status(status) => return Met::Reply(Reply::empty(*status)),
            Behaviour::Answer(status, body) => return Met::Reply(Reply::text(*status, body)),
            Behaviour::Refuse => return Met::Reply(self.speech.refused(&submitted)),
            _ => (),
        }
        debug_assert!(behaviour.takes());
        let reply = self.speech.accepted(&self.take(submitted));
        match behaviour {
            Behaviour::Hang => Met::Silence,
            Behaviour::Close => Met::Close,
            Behaviour::Garbage => Met::Reply(Reply::text(200, "\u{1}\u{2}?!")),
            Behaviour::Truncated => {
                let half = reply.body.chars().count() / 2;
                let body: String = reply.body.chars().take(half).collect();
                Met::Reply(Reply { body, ..reply })
            }
            Behaviour::Html => Met::Reply(Reply {
                content_type: "text/html",
                ..Reply::text(200, "<!doctype html><title>Welcome</title>")
            }),
            Behaviour::Delay(delay) => Met::Late(delay, reply),
            _ => Met::Reply(reply),
        }
    }

    fn behaviour_for(&self, to: &str) -> Behaviour {
        let mut orders = locked(&self.orders);
        if let Some(behaviour) = orders.by_number.get(to) {
            return behaviour.clone();
        }
        if let Some((left, behaviour)) = orders.next.take() {
            if left > 1 {
                orders.next = Some((left - 1, behaviour.clone()));
            }
            if left > 0 {
                return behaviour;
            }
        }
        orders.always.clone().unwrap_or(Behaviour::Take)
    }

    fn take(&self, submitted: Submitted) -> Taken {
        let mut all = locked(&self.taken);
        if self.is_idempotent.load(Ordering::SeqCst)
            && let Some(reference) = &submitted.reference
            && !locked(&self.references).insert(reference.clone())
            && let Some(first) = all
                .iter()
                .find(|taken| taken.reference.as_ref() == Some(reference))
        {
            return first.clone();
        }
        let taken = Taken {
            kind: self.kind,
            message_id: format!("SM{:032x}", all.len() + 1),
            parts: parts(&submitted.text, submitted.is_unicode),
            to: submitted.to,
            sender: submitted.sender,
            text: submitted.text,
            reference: submitted.reference,
            callback: submitted.callback,
        };
        all.push(taken.clone());
        taken
    }
}

/// What is done with a request.
enum Met {
    Reply(Reply),
    Late(Duration, Reply),
    Silence,
    Close,
}

/// Near enough: ASCII without the extension table counts as GSM-7.
fn parts(text: &str, is_unicode: bool) -> u16 {
    let (units, single, each) = if is_unicode {
        (text.encode_utf16().count(), 70, 67)
    } else {
        (text.chars().count(), 160, 153)
    };
    if units <= single {
        1
    } else {
        u16::try_from(units.div_ceil(each)).expect("a short text")
    }
}

/// E.164 with its +.
fn plus(number: &str) -> String {
    format!("+{}", number.trim_start_matches('+'))
}

/// A member of a JSON object, as text.
fn member(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}
