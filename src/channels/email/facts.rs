//! What `visavis check` says about the way out.

use std::io;

use super::connect::{ConnectError, Connection, Peer, Relay, Trouble};
use super::dkim::DkimSigner;
use super::pool::{self, Pool};
use crate::config::RelayTls;

/// What was found at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayFacts {
    /// `host:port`, or `sandbox`.
    pub peer: String,
    /// The name by which the server greets.
    pub greeting: String,
    pub is_encrypted: bool,
    pub is_logged_in: bool,
    pub has_pipelining: bool,
    /// Whether addresses such as `élise@example.com` can be reached.
    pub has_utf8: bool,
    /// In bytes, if the server names it.
    pub largest_message: Option<usize>,
    /// The DNS records in which the public keys must stand.
    pub dkim_records: Vec<String>,
}

pub(super) async fn check(pool: &Pool, signers: &[DkimSigner]) -> Result<RelayFacts, String> {
    let found = pool.connect().await;
    let (peer, is_logged_in, connection) = match (pool.peer(), found) {
        (Peer::Sandbox(_), Ok(connection)) => ("sandbox".to_owned(), false, connection),
        (Peer::Sandbox(_), Err(error)) => return Err(format!("the sandbox fails: {error:?}")),
        (Peer::Relay(relay), Ok(connection)) => (name(relay), relay.has_login(), connection),
        (Peer::Relay(relay), Err(error)) => return Err(advice(relay, &error)),
    };
    let Connection {
        is_encrypted,
        has_pipelining,
        has_utf8,
        largest,
        ..
    } = connection;
    let greeting = connection.smtp.server_info().name().to_owned();
    pool::farewell(connection).await;
    Ok(RelayFacts {
        peer,
        greeting,
        is_encrypted,
        is_logged_in,
        has_pipelining,
        has_utf8,
        largest_message: largest,
        dkim_records: signers.iter().map(DkimSigner::record).collect(),
    })
}

fn name(relay: &Relay) -> String {
    format!("{}:{}", relay.host, relay.port)
}

/// What went wrong, and what to do.
fn advice(relay: &Relay, error: &ConnectError) -> String {
    let (peer, key) = (name(relay), &relay.key);
    let said = |trouble: &Trouble| match trouble {
        Trouble::Refused { code, text } => format!("answered {code} {text}"),
        Trouble::Lost(cause) => format!("broke the connection ({cause})"),
        Trouble::Silent => "did not answer in time".to_owned(),
    };
    match error {
        ConnectError::Tcp(cause) => {
            format!("cannot reach {peer}: {cause}; {}", tcp_advice(key, cause))
        }
        ConnectError::Tls(cause) if is_no_tls(cause) => format!(
            "{peer} does not speak TLS from the first byte ({cause}); set {key}.tls to \"starttls\" (usually port 587), or use port 465"
        ),
        ConnectError::Tls(cause) => format!(
            "TLS with {peer} fails: {cause}; {key}.host must be a name in the server's certificate, and for a certificate of your own give {key}.ca_file"
        ),
        ConnectError::Hello(trouble @ (Trouble::Silent | Trouble::Lost(_)))
            if relay.tls != RelayTls::Implicit =>
        {
            format!(
                "{peer} {} instead of greeting; if it expects TLS from the first byte (port 465), set {key}.tls to \"implicit\"",
                said(trouble)
            )
        }
        ConnectError::Hello(trouble) => format!(
            "{peer} {} when greeted; ask its operator whether this machine may send through it",
            said(trouble)
        ),
        ConnectError::NoStarttls => format!(
            "{peer} does not offer STARTTLS, and mail is not sent in clear; set {key}.tls to \"implicit\" with port 465, or to \"none\" only for a relay on this machine"
        ),
        ConnectError::Starttls(trouble) => format!(
            "{peer} {} to STARTTLS; try {key}.tls = \"implicit\" with port 465",
            said(trouble)
        ),
        ConnectError::NoMechanism => {
            let hint = match relay.tls {
                RelayTls::None => format!("it may want TLS first: set {key}.tls to \"starttls\""),
                RelayTls::Implicit | RelayTls::Starttls => {
                    format!("remove {key}.username if it needs no log-in")
                }
            };
            format!("{peer} offers no log-in by PLAIN or LOGIN; {hint}")
        }
        ConnectError::Auth(trouble) => format!(
            "{peer} {} to the log-in; check {key}.username and password (some providers want a password of its own for SMTP)",
            said(trouble)
        ),
    }
}

fn tcp_advice(key: &str, cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!(
                "nothing listens there: check {key}.port (465 for implicit TLS, 587 for STARTTLS)"
            )
        }
        io::ErrorKind::TimedOut => {
            "a firewall may block the port; many hosts block 25, so try 587 or 465".to_owned()
        }
        _ => format!("check {key}.host and the network"),
    }
}

/// Whether TLS failed because the server spoke in clear.
fn is_no_tls(cause: &str) -> bool {
    cause.contains("InvalidContentType") || cause.contains("corrupt message")
}
