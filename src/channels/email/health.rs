//! What goes wrong with a relay, in words, and what that says about it.

use std::io;

use super::connect::{ConnectError, Trouble};
use crate::channels::health::Sign;

impl ConnectError {
    /// What went wrong, without anything the server said.
    pub fn in_words(&self) -> String {
        match self {
            Self::Tcp(cause) => match cause.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                io::ErrorKind::TimedOut => "no connection in time".to_owned(),
                _ => format!("no connection: {cause}"),
            },
            Self::Tls(_) => "TLS fails".to_owned(),
            Self::Hello(trouble) => format!("the greeting: {}", trouble.in_words()),
            Self::NoStarttls => "STARTTLS is not offered".to_owned(),
            Self::Starttls(trouble) => format!("STARTTLS: {}", trouble.in_words()),
            Self::NoMechanism => "no log-in by PLAIN or LOGIN is offered".to_owned(),
            Self::Auth(trouble) => format!("the log-in: {}", trouble.in_words()),
        }
    }
}

impl Trouble {
    /// What went wrong, without anything the server said.
    pub fn in_words(&self) -> String {
        match self {
            Self::Refused { code, .. } => format!("refused with {code}"),
            Self::Lost(_) => "the connection broke".to_owned(),
            Self::Silent => "no answer in time".to_owned(),
        }
    }

    /// What it says about the relay. A connection that breaks says nothing: servers hang up after so many
    /// messages.
    pub fn sign(&self) -> Sign {
        match self {
            Self::Refused { code: 421, .. } => Sign::Failed("closes with 421".to_owned()),
            Self::Silent => Sign::Failed("no answer in time".to_owned()),
            Self::Refused { .. } => Sign::Answered,
            Self::Lost(_) => Sign::Nothing,
        }
    }
}
