//! A relay that does what a test tells it: records what it accepts, refuses, hangs up, falls silent.
//!
//! ```ignore
//! let peer = SmtpPeer::start(Script::new()
//!     .on(Step::Rcpt, When::To("full@example.com"), Act::Reply("452 4.2.2 mailbox full"))
//!     .on(Step::Dot, When::Nth(3), Act::HangUp)).await;
//! let settings = peer.settings(); // an EmailSettings that leads here
//! assert_eq!(peer.messages().len(), 2);
//! ```

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use visavis::config::{EmailSettings, RelaySettings, RelayTls};

mod script;

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
    commands: Mutex<Vec<String>>,
    reached: Mutex<Vec<(Step, String)>>,
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
            commands: Mutex::default(),
            reached: Mutex::default(),
            dots: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            max_open: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let served = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let state = Arc::clone(&served);
                state.connections.fetch_add(1, Ordering::SeqCst);
                let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
                state.max_open.fetch_max(open, Ordering::SeqCst);
                sessions.spawn(async move {
                    serve(&state, stream).await;
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { state, addr, task }
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
            dkim: Vec::new(),
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

    /// Every command line received, in order, over all connections.
    pub fn commands(&self) -> Vec<String> {
        self.state.commands.lock().expect("no panic").clone()
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

    /// Waits until so many messages were accepted; panics after ten seconds.
    pub async fn wait_for(&self, messages: usize) {
        for _ in 0..1000 {
            if self.state.messages.lock().expect("no panic").len() >= messages {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {messages} messages arrived", self.messages().len());
    }
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}
type Wire = BufReader<Pin<Box<dyn Stream>>>;

/// The end of a session: the connection is closed.
struct Gone;

struct Session<'a> {
    state: &'a State,
    wire: Wire,
    is_encrypted: bool,
    is_logged_in: bool,
    from: Option<String>,
    to: Option<String>,
    accepted: usize,
}

async fn serve(state: &State, stream: TcpStream) {
    let is_implicit = state
        .script
        .tls
        .as_ref()
        .is_some_and(|tls| tls.mode == RelayTls::Implicit);
    let plain: Pin<Box<dyn Stream>> = Box::pin(stream);
    let Ok(stream) = (if is_implicit {
        encrypt(state, plain).await
    } else {
        Ok(plain)
    }) else {
        return;
    };
    let mut session = Session {
        state,
        wire: BufReader::new(stream),
        is_encrypted: is_implicit,
        is_logged_in: state.script.login.is_none(),
        from: None,
        to: None,
        accepted: 0,
    };
    let Err(Gone) = session.talk().await;
}

async fn encrypt(state: &State, plain: Pin<Box<dyn Stream>>) -> Result<Pin<Box<dyn Stream>>, Gone> {
    let tls = state.script.tls.as_ref().ok_or(Gone)?;
    let stream = tls.acceptor.accept(plain).await.map_err(|_cause| Gone)?;
    Ok(Box::pin(stream))
}

impl Session<'_> {
    async fn talk(&mut self) -> Result<std::convert::Infallible, Gone> {
        self.act(Step::Greeting, "220 peer.example ESMTP").await?;
        loop {
            let line = self.line().await?;
            self.state
                .commands
                .lock()
                .expect("no panic")
                .push(line.clone());
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    let answer = self.offers();
                    self.act(Step::Ehlo, &answer).await?;
                }
                "STARTTLS" => self.starttls().await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" if !self.is_logged_in => self.say("530 5.7.0 log in first").await?,
                "MAIL" => {
                    if self.act(Step::Mail, "250 2.1.0 OK").await? {
                        self.from = Some(path(rest));
                        self.to = None;
                    }
                }
                "RCPT" if self.from.is_none() => self.say("503 5.5.1 MAIL first").await?,
                "RCPT" => {
                    self.to = Some(path(rest));
                    if !self.act(Step::Rcpt, "250 2.1.5 OK").await? {
                        self.to = None;
                    }
                }
                "DATA" if self.to.is_none() && self.state.script.go_ahead_without_recipient => {
                    self.say("354 go ahead").await?;
                    let raw = self.read_message().await?;
                    if !raw.is_empty() {
                        self.record(raw);
                    }
                    self.from = None;
                    self.say("554 5.5.1 no valid recipients").await?;
                }
                "DATA" if self.to.is_none() => self.say("503 5.5.1 RCPT first").await?,
                "DATA" => {
                    if self.act(Step::Data, "354 go ahead").await? {
                        self.data().await?;
                    }
                }
                "RSET" => {
                    self.from = None;
                    self.to = None;
                    self.act(Step::Reset, "250 2.0.0 OK").await?;
                }
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return Err(Gone);
                }
                _ => self.say("502 5.5.1 what?").await?,
            }
        }
    }

    fn offers(&self) -> String {
        let mut lines = vec!["peer.example".to_owned()];
        let script = &self.state.script;
        lines.extend(script.offers.iter().cloned());
        let offers_tls = script
            .tls
            .as_ref()
            .is_some_and(|tls| tls.mode == RelayTls::Starttls);
        if offers_tls && !self.is_encrypted {
            lines.push("STARTTLS".to_owned());
        }
        let last = lines.len() - 1;
        let lines = lines.iter().enumerate().map(|(at, line)| {
            let mark = if at == last { ' ' } else { '-' };
            format!("250{mark}{line}")
        });
        lines.collect::<Vec<_>>().join("\r\n")
    }

    async fn starttls(&mut self) -> Result<(), Gone> {
        self.say("220 2.0.0 go").await?;
        let nothing: Pin<Box<dyn Stream>> = Box::pin(tokio::io::empty());
        let plain = std::mem::replace(&mut self.wire, BufReader::new(nothing)).into_inner();
        self.wire = BufReader::new(encrypt(self.state, plain).await?);
        self.is_encrypted = true;
        Ok(())
    }

    async fn auth(&mut self, rest: &str) -> Result<(), Gone> {
        use data_encoding::BASE64;
        let plain = rest
            .strip_prefix("PLAIN ")
            .and_then(|given| BASE64.decode(given.as_bytes()).ok())
            .unwrap_or_default();
        let wanted = self
            .state
            .script
            .login
            .as_ref()
            .map(|(name, password)| format!("\0{name}\0{password}").into_bytes());
        if Some(plain) != wanted {
            return self.say("535 5.7.8 wrong name or password").await;
        }
        self.is_logged_in = self.act(Step::Auth, "235 2.7.0 welcome").await?;
        Ok(())
    }

    async fn read_message(&mut self) -> Result<Vec<u8>, Gone> {
        let mut raw = Vec::new();
        loop {
            let mut line = Vec::new();
            match self.wire.read_until(b'\n', &mut line).await {
                Ok(read) if read > 0 => {}
                _ => return Err(Gone),
            }
            if line == b".\r\n" {
                return Ok(raw);
            }
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    fn record(&self, raw: Vec<u8>) {
        let received = Received {
            return_path: self.from.clone().unwrap_or_default(),
            recipient: self.to.clone().unwrap_or_default(),
            raw,
            is_encrypted: self.is_encrypted,
            at: Instant::now(),
        };
        self.state.messages.lock().expect("no panic").push(received);
    }

    async fn data(&mut self) -> Result<(), Gone> {
        let raw = self.read_message().await?;
        self.state.dots.fetch_add(1, Ordering::SeqCst);
        let act = self.rule(Step::Dot);
        if let None | Some(Act::AcceptAndHangUp | Act::Wait(_)) = act {
            self.record(raw);
        }
        let is_accepted = self.carry_out(act, "250 2.0.0 taken").await?;
        self.from = None;
        self.to = None;
        self.accepted += usize::from(is_accepted);
        if self.state.script.hang_up_after == Some(self.accepted) {
            return Err(Gone);
        }
        Ok(())
    }

    /// Answers, by the script or as usual; whether as usual.
    async fn act(&mut self, step: Step, usual: &str) -> Result<bool, Gone> {
        let act = self.rule(step);
        self.carry_out(act, usual).await
    }

    fn rule(&self, step: Step) -> Option<Act> {
        let to = self.to.clone().unwrap_or_default();
        let mut reached = self.state.reached.lock().expect("no panic");
        reached.push((step, to.clone()));
        let times = reached.iter().filter(|(s, _)| *s == step).count();
        let times_for_it = reached
            .iter()
            .filter(|(s, t)| *s == step && *t == to)
            .count();
        let fits = |when: &When| match when {
            When::Always => true,
            When::To(wanted) => to.ends_with(wanted),
            When::Nth(n) if step == Step::Dot => self.state.dots.load(Ordering::SeqCst) == *n,
            When::Nth(n) => times == *n,
            When::FirstTimes(n) => times_for_it <= *n,
        };
        self.state
            .script
            .rules
            .iter()
            .find(|(at, when, _)| *at == step && fits(when))
            .map(|(_, _, act)| *act)
    }

    async fn carry_out(&mut self, act: Option<Act>, usual: &str) -> Result<bool, Gone> {
        match act {
            None => self.say(usual).await.map(|()| true),
            Some(Act::Wait(time)) => {
                tokio::time::sleep(time).await;
                self.say(usual).await.map(|()| true)
            }
            Some(Act::Reply(answer)) => self
                .say(answer)
                .await
                .map(|()| answer.starts_with(['2', '3'])),
            Some(Act::ReplyAndHangUp(answer)) => {
                self.say(answer).await?;
                Err(Gone)
            }
            Some(Act::HangUp | Act::AcceptAndHangUp) => Err(Gone),
            Some(Act::Silence) => std::future::pending().await,
        }
    }

    async fn say(&mut self, answer: &str) -> Result<(), Gone> {
        if !self.state.script.latency.is_zero() {
            tokio::time::sleep(self.state.script.latency).await;
        }
        let answer = format!("{answer}\r\n");
        self.wire
            .get_mut()
            .write_all(answer.as_bytes())
            .await
            .map_err(|_cause| Gone)?;
        self.wire.get_mut().flush().await.map_err(|_cause| Gone)
    }

    async fn line(&mut self) -> Result<String, Gone> {
        let mut line = String::new();
        let read = self.wire.read_line(&mut line);
        let read = match self.state.script.hang_up_idle {
            Some(idle) => tokio::time::timeout(idle, read)
                .await
                .map_err(|_cause| Gone)?,
            None => read.await,
        };
        match read {
            Ok(read) if read > 0 => Ok(line.trim_end().to_owned()),
            _ => Err(Gone),
        }
    }
}

fn path(rest: &str) -> String {
    rest.split_once('<')
        .and_then(|(_, rest)| rest.rsplit_once('>'))
        .map_or_else(String::new, |(path, _)| path.to_owned())
}
