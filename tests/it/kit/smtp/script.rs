//! What the relay of the kit is told to do.

use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use visavis::config::RelayTls;

/// Where in the dialogue something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Greeting,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// Somewhere in the message, before its end.
    Body,
    /// After the final dot.
    Dot,
    Reset,
}

/// To which messages it happens.
#[derive(Debug, Clone, Copy)]
pub enum When {
    Always,
    /// To the message for this recipient (known from RCPT on), or whose address ends so.
    To(&'static str),
    /// On the n-th message whose final dot arrives, counted from 1 over all connections; before that,
    /// on the n-th time that this step is reached.
    Nth(usize),
    /// The first n times that this step is reached for each recipient.
    FirstTimes(usize),
    /// The same, for recipients whose address ends so.
    FirstTimesTo(usize, &'static str),
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// This answer instead of the usual one.
    Reply(&'static str),
    /// This answer, and then the connection is closed.
    ReplyAndHangUp(&'static str),
    /// The connection is closed without an answer; at the dot the message is not accepted.
    HangUp,
    /// At the dot: the message is accepted (and recorded), the connection closed without an answer.
    AcceptAndHangUp,
    /// No answer, ever; the connection stays open.
    Silence,
    /// The usual answer, after a while.
    Wait(Duration),
}

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) offers: Vec<String>,
    pub(super) rules: Vec<(Step, When, Act)>,
    pub(super) latency: Duration,
    pub(super) hang_up_after: Option<usize>,
    pub(super) hang_up_idle: Option<Duration>,
    pub(super) go_ahead_without_recipient: bool,
    pub(super) in_pieces: bool,
    pub(super) recipients_only: bool,
    pub(super) login: Option<(String, String)>,
    pub(super) tls: Option<Tls>,
}

/// A certificate for `localhost` and the way to use it.
#[derive(Clone)]
pub struct Tls {
    pub acceptor: TlsAcceptor,
    pub ca_file: std::path::PathBuf,
    pub mode: RelayTls,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({:?})", self.mode)
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// A server that accepts everything, with PIPELINING, 8BITMIME, SMTPUTF8 and ENHANCEDSTATUSCODES.
    pub fn new() -> Self {
        Self {
            offers: ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
                .map(str::to_owned)
                .to_vec(),
            rules: Vec::new(),
            latency: Duration::ZERO,
            hang_up_after: None,
            hang_up_idle: None,
            go_ahead_without_recipient: false,
            in_pieces: false,
            recipients_only: false,
            login: None,
            tls: None,
        }
    }

    /// Does not offer this extension.
    pub fn without(mut self, offer: &str) -> Self {
        self.offers.retain(|offered| offered != offer);
        self
    }

    /// Offers this line in the answer to EHLO.
    pub fn with(mut self, offer: &str) -> Self {
        self.offers.push(offer.to_owned());
        self
    }

    /// At `step`, for messages as `when` says, `act` happens; the first rule that fits.
    pub fn on(mut self, step: Step, when: When, act: Act) -> Self {
        self.rules.push((step, when, act));
        self
    }

    /// Every answer comes so much later.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Each connection is closed after so many accepted messages.
    pub fn hang_up_after(mut self, messages: usize) -> Self {
        self.hang_up_after = Some(messages);
        self
    }

    /// Connections on which nothing happens are closed, without a word.
    pub fn hang_up_idle(mut self, idle: Duration) -> Self {
        self.hang_up_idle = Some(idle);
        self
    }

    /// DATA is answered with 354 even when no recipient was accepted (RFC 2920 section 3.1 allows it);
    /// what then comes is refused, and recorded if it is more than nothing.
    pub fn go_ahead_without_recipient(mut self) -> Self {
        self.go_ahead_without_recipient = true;
        self
    }

    /// Every answer comes byte by byte.
    pub fn in_pieces(mut self) -> Self {
        self.in_pieces = true;
        self
    }

    /// Keeps the recipients of what it accepts, and neither messages nor commands: for large waves.
    pub fn recipients_only(mut self) -> Self {
        self.recipients_only = true;
        self
    }

    /// Mail only after this log-in.
    pub fn login(mut self, name: &str, password: &str) -> Self {
        self.login = Some((name.to_owned(), password.to_owned()));
        self.with("AUTH PLAIN LOGIN")
    }

    /// Encrypts, from the first byte or after STARTTLS.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }
}
