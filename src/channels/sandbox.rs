//! The sandbox: an SMTP server inside the process, at the other end of the same code that talks to a relay.
//!
//! It has no port, so nothing else can reach it, and it forwards nothing: what it accepts goes to the
//! outbox. Two domains behave badly on purpose: `refused.example` has no recipients, and `busy.example`
//! puts off the first attempt of every message.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::email::stream::Bounded;
use super::outbox::Outbox;
use crate::clock::SharedClock;
use crate::keys::Keys;
use crate::tokens;

/// Larger messages are refused, as RFC 1870 allows.
const LARGEST_MESSAGE: usize = 25 * 1024 * 1024;
/// RFC 5321 section 4.5.3.1.4, with room for SMTPUTF8.
const LONGEST_COMMAND: u64 = 1024;
/// How many messages put off are remembered; older ones are put off once more.
const PUT_OFF_AT_MOST: usize = 100_000;

/// The server; connections come from [`Sandbox::connect`].
#[derive(Debug)]
pub(super) struct Sandbox {
    pub outbox: Outbox,
    keys: Keys,
    clock: SharedClock,
    put_off: Mutex<PutOff>,
}

/// Return paths of messages that `busy.example` put off, oldest first.
#[derive(Debug, Default)]
struct PutOff {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Sandbox {
    pub fn new(outbox: Outbox, keys: Keys, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            keys,
            clock,
            put_off: Mutex::default(),
        })
    }

    /// Opens a connection: the client's end of it. The server's end lives until that one is dropped.
    pub fn connect(self: &Arc<Self>) -> Bounded<DuplexStream> {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let session = Session {
            sandbox: Arc::clone(self),
            stream: BufReader::new(server),
            out: Vec::new(),
            from: None,
            to: None,
        };
        tokio::spawn(async move {
            // A broken pipe is the client's hanging up: the end of every session.
            let _ = session.serve().await;
        });
        Bounded::new(client, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Whether this attempt is the first that `busy.example` sees of a message.
    fn is_first_attempt(&self, return_path: &str) -> bool {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        if put_off.known.contains(return_path) {
            return false;
        }
        put_off.known.insert(return_path.to_owned());
        put_off.order.push_back(return_path.to_owned());
        if put_off.order.len() > PUT_OFF_AT_MOST
            && let Some(oldest) = put_off.order.pop_front()
        {
            put_off.known.remove(&oldest);
        }
        true
    }
}

/// What a line of a session asked for.
enum Next {
    Command,
    Hang,
}

struct Session {
    sandbox: Arc<Sandbox>,
    stream: BufReader<DuplexStream>,
    /// Answers not yet written: pipelined commands are answered together (RFC 2920 section 3.2).
    out: Vec<u8>,
    from: Option<String>,
    to: Option<String>,
}

impl Session {
    async fn serve(mut self) -> io::Result<()> {
        self.answer("220 sandbox.invalid ESMTP visavis");
        loop {
            if self.stream.buffer().is_empty() {
                self.flush().await?;
            }
            let mut line = Vec::new();
            let read = (&mut self.stream)
                .take(LONGEST_COMMAND)
                .read_until(b'\n', &mut line)
                .await?;
            if read == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') {
                self.answer("500 5.5.2 line too long");
                return self.flush().await;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if matches!(self.obey(&line).await?, Next::Hang) {
                return self.flush().await;
            }
        }
    }

    async fn obey(&mut self, line: &str) -> io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                self.reset();
                self.answer(&format!(
                    "250-sandbox.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE {LARGEST_MESSAGE}\r\n250 ENHANCEDSTATUSCODES"
                ));
            }
            "MAIL" => match path(rest, "FROM:") {
                Some(path) => {
                    self.reset();
                    self.from = Some(path);
                    self.answer("250 2.1.0 OK");
                }
                None => self.answer("501 5.5.4 MAIL FROM:<path>"),
            },
            "RCPT" => self.rcpt(rest),
            "DATA" if self.to.is_none() => self.answer("503 5.5.1 RCPT first"),
            "DATA" => {
                self.answer("354 go ahead");
                self.flush().await?;
                self.data().await?;
            }
            "RSET" => {
                self.reset();
                self.answer("250 2.0.0 OK");
            }
            "NOOP" => self.answer("250 2.0.0 OK"),
            "QUIT" => {
                self.answer("221 2.0.0 bye");
                return Ok(Next::Hang);
            }
            _ => self.answer("502 5.5.1 not implemented"),
        }
        Ok(Next::Command)
    }

    fn rcpt(&mut self, rest: &str) {
        let Some(to) = path(rest, "TO:") else {
            return self.answer("501 5.5.4 RCPT TO:<path>");
        };
        let Some(from) = &self.from else {
            return self.answer("503 5.5.1 MAIL first");
        };
        let domain = to.rsplit_once('@').map_or("", |(_, domain)| domain);
        if domain.eq_ignore_ascii_case("refused.example") {
            self.answer("550 5.1.1 no such user here");
        } else if domain.eq_ignore_ascii_case("busy.example") && self.sandbox.is_first_attempt(from)
        {
            self.answer("451 4.7.1 greylisted, try again in 5 minutes");
        } else if self.to.is_some() {
            self.answer("452 4.5.3 one recipient per message");
        } else {
            self.to = Some(to);
            self.answer("250 2.1.5 OK");
        }
    }

    async fn data(&mut self) -> io::Result<()> {
        let mut raw = Vec::with_capacity(16 * 1024);
        let mut line = Vec::new();
        let mut is_too_large = false;
        loop {
            line.clear();
            let room = (LARGEST_MESSAGE + 1024) as u64;
            let read = (&mut self.stream)
                .take(room)
                .read_until(b'\n', &mut line)
                .await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                break;
            }
            // RFC 5321 section 4.5.2.
            let line = line.strip_prefix(b".").unwrap_or(&line);
            is_too_large = is_too_large || raw.len() + line.len() > LARGEST_MESSAGE;
            if !is_too_large {
                raw.extend_from_slice(line);
            }
        }
        let (Some(from), Some(to)) = (self.from.take(), self.to.take()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if is_too_large {
            self.answer("552 5.3.4 message too large");
            return Ok(());
        }
        match self.keep(from, to, raw).await {
            Ok(number) => self.answer(&format!("250 2.0.0 kept as {number}")),
            Err(cause) if is_full(&cause) => self.answer("452 4.3.1 the disk is full"),
            Err(cause) => {
                tracing::warn!(%cause, "the outbox cannot be written");
                self.answer("451 4.3.0 the outbox cannot be written");
            }
        }
        Ok(())
    }

    async fn keep(&self, from: String, to: String, raw: Vec<u8>) -> io::Result<u64> {
        let delivery = from
            .split_once('@')
            .and_then(|(local, _)| local.strip_prefix("b+"))
            .and_then(|tag| tokens::read_return_path_tag(tag, &self.sandbox.keys));
        // The last server writes down the envelope (RFC 5321 section 4.4).
        let mut kept = format!("Return-Path: <{from}>\r\n").into_bytes();
        kept.extend_from_slice(&raw);
        let sandbox = Arc::clone(&self.sandbox);
        tokio::task::spawn_blocking(move || {
            let now = sandbox.clock.now_ms();
            sandbox.outbox.append(&kept, &to, delivery, now)
        })
        .await
        .map_err(io::Error::other)?
    }

    fn reset(&mut self) {
        self.from = None;
        self.to = None;
    }

    fn answer(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }
}

fn is_full(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The path of `FROM:<path> PARAMETERS`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let (head, rest) = rest.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (path, _) = rest.trim_start().strip_prefix('<')?.rsplit_once('>')?;
    Some(path.to_owned())
}
