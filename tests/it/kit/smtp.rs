//! A relay that does what a test tells it: records what it accepts, refuses, hangs up, falls silent.
//!
//! ```ignore
//! let peer = SmtpPeer::start(Script::new()
//!     .on(Step::Rcpt, When::To("full@example.com"), Act::Reply("452 4.2.2 mailbox full"))
//!     .on(Step::Dot, When::Nth(3), Act::HangUp)).await;
//! let settings = peer.settings(); // an EmailSettings that leads here
//! assert_eq!(peer.messages().len(), 2);
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use visavis::config::{EmailSettings, RelaySettings, RelayTls};

mod script;
mod session;

pub use script::{Act, Script, Step, Tls, When};

/// An accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub return_path: String,
    pub recipient: String,
    /// As it was before dot-stuffing, with its last CRLF.
    pub raw: Vec<u8>,
    pub is_encrypted: bool,
    /// When its final dot arrived.
    pub at: Instant,
}

impl Received {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// The value of a header field, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next()?.replace("\r\n ", " ");
        head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }
}

struct State {
    script: Script,
    messages: Mutex<Vec<Received>>,
    recipients: Mutex<Vec<String>>,
    commands: Mutex<Vec<String>>,
    /// How often a step was reached, in all and for each recipient.
    reached: Mutex<HashMap<(Step, Option<String>), usize>>,
    dots: AtomicUsize,
    open: AtomicUsize,
    max_open: AtomicUsize,
    connections: AtomicUsize,
}

/// The running server; it stops when it is dropped.
pub struct SmtpPeer {
    state: Arc<State>,
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for SmtpPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpPeer {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            script,
            messages: Mutex::default(),
            recipients: Mutex::default(),
            commands: Mutex::default(),
            reached: Mutex::default(),
            dots: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            max_open: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(Arc::clone(&state), listener));
        Self { state, addr, task }
    }

    /// Closes the port and every connection, as a relay that is away.
    pub async fn go_away(&mut self) {
        self.task.abort();
        let aborted = (&mut self.task).await;
        assert!(aborted.is_err(), "it served until now");
    }

    /// Opens the port again.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.addr).await.expect("the same port");
        self.task = tokio::spawn(accept(Arc::clone(&self.state), listener));
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Settings that lead here: 4 connections, a timeout of 1 second, no signature.
    pub fn settings(&self) -> EmailSettings {
        let tls = self.state.script.tls.as_ref();
        let host = if tls.is_some() {
            "localhost"
        } else {
            "127.0.0.1"
        };
        EmailSettings {
            relay: Some(RelaySettings {
                tls: tls.map_or(RelayTls::None, |tls| tls.mode),
                ca_file: tls.map(|tls| tls.ca_file.clone()),
                ..RelaySettings::plain(host, self.addr.port())
            }),
            relays: Default::default(),
            limits: Vec::new(),
            connections: 4,
            messages_per_connection: 100,
            rate_per_second: None,
            timeout_seconds: 1,
            bounce_domain: "bounce.example.com".to_owned(),
            message_domain: "news.example.com".to_owned(),
            feedback_id: "visavis".to_owned(),
            takes_opt_outs: false,
            dkim: Vec::new(),
            name_server: None,
        }
    }

    /// What was accepted, in order.
    pub fn messages(&self) -> Vec<Received> {
        self.state.messages.lock().expect("no panic").clone()
    }

    /// Recipient and Message-ID of what was accepted, in order.
    pub fn accepted(&self) -> Vec<(String, String)> {
        self.messages()
            .iter()
            .map(|message| {
                let id = message.header("Message-ID").unwrap_or_default();
                (message.recipient.clone(), id)
            })
            .collect()
    }

    /// The recipients of what was accepted, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.state.recipients.lock().expect("no panic").clone()
    }

    /// How many messages were accepted.
    pub fn count(&self) -> usize {
        self.state.recipients.lock().expect("no panic").len()
    }

    /// Every command line received, in order, over all connections.
    pub fn commands(&self) -> Vec<String> {
        self.state.commands.lock().expect("no panic").clone()
    }

    /// How often its script was asked what to do at a step; one without rules is not.
    pub fn reached(&self, step: Step) -> usize {
        let reached = self.state.reached.lock().expect("no panic");
        reached.get(&(step, None)).copied().unwrap_or(0)
    }

    /// The most connections that were open at once.
    pub fn max_connections(&self) -> usize {
        self.state.max_open.load(Ordering::SeqCst)
    }

    /// The connections open now.
    pub fn open_connections(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// All connections ever opened.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many messages were accepted; panics after a minute.
    pub async fn wait_for(&self, messages: usize) {
        for _ in 0..6000 {
            if self.count() >= messages {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {messages} messages arrived", self.count());
    }
}

async fn accept(state: Arc<State>, listener: TcpListener) {
    let mut sessions = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        state.connections.fetch_add(1, Ordering::SeqCst);
        let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
        state.max_open.fetch_max(open, Ordering::SeqCst);
        sessions.spawn(async move {
            let _open = Open(&state.open);
            session::serve(&state, stream).await;
        });
        // What has ended is let go.
        while sessions.try_join_next().is_some() {}
    }
}

/// An open connection, counted down however it ends.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
