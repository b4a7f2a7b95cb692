//! Getting a connection that may carry mail: TCP, TLS, EHLO, log-in.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters,
};
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::{ClientId, Extension};
use lettre::transport::smtp::response::Response;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::classify::{self, Phase};
use super::stream::Bounded;
use crate::channels::model::{Class, Outcome, Reply};
use crate::channels::sandbox::Sandbox;
use crate::config::{ConfigError, MailProvider, RelaySettings, RelayTls};

/// Whom the channel hands its messages to.
#[derive(Debug)]
pub(super) enum Peer {
    Relay(Box<Relay>),
    Sandbox(Arc<Sandbox>),
}

impl Peer {
    /// Whose relay it is, where the settings say so.
    pub fn provider(&self) -> Option<MailProvider> {
        match self {
            Self::Relay(relay) => relay.provider,
            Self::Sandbox(_) => None,
        }
    }
}

/// A relay and what is needed to be let in.
pub(super) struct Relay {
    /// Its key in the settings.
    pub key: String,
    pub host: String,
    pub port: u16,
    pub tls: RelayTls,
    /// Whose relay it is, where that changes what a message carries.
    pub provider: Option<MailProvider>,
    implicit: Option<(TlsConnector, ServerName<'static>)>,
    starttls: Option<TlsParameters>,
    credentials: Option<Credentials>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({}:{}, {:?})", self.host, self.port, self.tls)
    }
}

impl Relay {
    /// `key` is that of the settings, for complaints.
    ///
    /// # Errors
    /// When the log-in, the name or the certificate file cannot be used.
    pub fn new(key: &str, settings: &RelaySettings) -> Result<Self, ConfigError> {
        let host = settings.host.clone();
        let ca = settings.ca_file.as_deref().map(|path| {
            let unusable = |cause: String| {
                ConfigError::key(
                    &format!("{key}.ca_file"),
                    format!("cannot use {}: {cause}", path.display()),
                )
            };
            let pem = std::fs::read(path).map_err(|cause| unusable(cause.to_string()))?;
            let certificates = CertificateDer::pem_slice_iter(&pem)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|cause| unusable(cause.to_string()))?;
            if certificates.is_empty() {
                return Err(unusable("it holds no PEM certificate".to_owned()));
            }
            Ok((pem, certificates))
        });
        let ca = ca.transpose()?;
        let bad_name = |cause: &dyn fmt::Display| {
            ConfigError::key(
                &format!("{key}.host"),
                format!("{host:?} cannot be used for TLS: {cause}"),
            )
        };
        let implicit = match settings.tls {
            RelayTls::Implicit => {
                let mut roots = rustls::RootCertStore::empty();
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                for certificate in ca.iter().flat_map(|(_, certificates)| certificates) {
                    roots.add(certificate.clone()).map_err(|cause| {
                        ConfigError::key(&format!("{key}.ca_file"), cause.to_string())
                    })?;
                }
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|cause| bad_name(&cause))?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let name = ServerName::try_from(host.clone()).map_err(|cause| bad_name(&cause))?;
                Some((TlsConnector::from(Arc::new(config)), name))
            }
            RelayTls::Starttls | RelayTls::None => None,
        };
        let starttls = match settings.tls {
            RelayTls::Starttls => {
                let mut parameters = TlsParameters::builder(host.clone());
                if let Some((pem, _)) = &ca {
                    let certificate =
                        Certificate::from_pem(pem).map_err(|cause| bad_name(&cause))?;
                    parameters = parameters.add_root_certificate(certificate);
                }
                Some(parameters.build().map_err(|cause| bad_name(&cause))?)
            }
            RelayTls::Implicit | RelayTls::None => None,
        };
        let credentials = settings
            .credentials(key)?
            .map(|(name, password)| Credentials::new(name, password.expose().to_owned()));
        Ok(Self {
            key: key.to_owned(),
            host,
            port: settings.port,
            tls: settings.tls,
            provider: settings.provider,
            implicit,
            starttls,
            credentials,
        })
    }
}

/// Why a command had no good answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server said no.
    Refused { code: u16, text: String },
    /// The connection broke, or the answer was not SMTP.
    Lost(String),
    /// No answer in time.
    Silent,
}

impl Trouble {
    pub fn outcome(&self, phase: Phase) -> Outcome {
        match self {
            Self::Refused { code, text } => classify::outcome(phase, *code, text),
            Self::Lost(_) | Self::Silent => put_off(Class::Network),
        }
    }
}

/// Not now, without an answer.
pub(super) fn put_off(class: Class) -> Outcome {
    Outcome::Deferred {
        class,
        reply: Reply::default(),
        retry_after: None,
    }
}

/// Waits for an answer, no longer than `timeout`.
pub(super) async fn within<T>(
    timeout: Duration,
    answer: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Err(match error.status() {
                Some(code) => Trouble::Refused {
                    code: code.into(),
                    text: cause.unwrap_or_default(),
                },
                None => Trouble::Lost(cause.unwrap_or_else(|| error.to_string())),
            })
        }
        Err(_elapsed) => Err(Trouble::Silent),
    }
}

/// Where getting a connection ended.
#[derive(Debug)]
pub(super) enum ConnectError {
    Tcp(io::Error),
    Tls(String),
    /// Greeting or EHLO.
    Hello(Trouble),
    NoStarttls,
    Starttls(Trouble),
    NoMechanism,
    Auth(Trouble),
}

impl ConnectError {
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Tcp(_) | Self::Tls(_) | Self::NoStarttls => put_off(Class::Network),
            Self::Hello(trouble) | Self::Starttls(trouble) => trouble.outcome(Phase::Connect),
            Self::Auth(trouble) => trouble.outcome(Phase::Auth),
            Self::NoMechanism => Outcome::Rejected {
                class: Class::Relay,
                reply: Reply::default(),
            },
        }
    }
}

/// A connection that may carry mail.
pub(super) struct Connection {
    pub smtp: AsyncSmtpConnection,
    pub has_pipelining: bool,
    pub has_utf8: bool,
    /// The largest message, if the server named it (RFC 1870).
    pub largest: Option<usize>,
    pub is_encrypted: bool,
    pub sent: u32,
    pub used_at: tokio::time::Instant,
    written: Arc<AtomicU64>,
}

impl Peer {
    /// Opens a connection; each step may take `timeout`.
    pub async fn connect(
        &self,
        hello: &ClientId,
        timeout: Duration,
    ) -> Result<Connection, ConnectError> {
        match self {
            Self::Sandbox(sandbox) => {
                let stream = sandbox.connect();
                let written = stream.written();
                let smtp = greet(Box::new(stream), hello, timeout).await?;
                Connection::ready(smtp, written, hello, timeout, false).await
            }
            Self::Relay(relay) => relay.connect(hello, timeout).await,
        }
    }
}

impl Relay {
    pub fn has_login(&self) -> bool {
        self.credentials.is_some()
    }

    async fn connect(
        &self,
        hello: &ClientId,
        timeout: Duration,
    ) -> Result<Connection, ConnectError> {
        let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
        let address = (self.host.as_str(), self.port);
        let tcp = match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
            Ok(tcp) => tcp.map_err(ConnectError::Tcp)?,
            Err(_elapsed) => return Err(ConnectError::Tcp(timed_out())),
        };
        // Without it Nagle's algorithm and delayed ACKs cost 40 ms per message (SENDPATH.md §1).
        tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
        let peer = tcp.peer_addr().map_err(ConnectError::Tcp)?;
        let written;
        let stream: Box<dyn AsyncTokioStream> = match &self.implicit {
            None => {
                let stream = Bounded::new(tcp, peer);
                written = stream.written();
                Box::new(stream)
            }
            Some((connector, name)) => {
                let handshake = connector.connect(name.clone(), tcp);
                match tokio::time::timeout(timeout, handshake).await {
                    Ok(Ok(stream)) => {
                        let stream = Bounded::new(stream, peer);
                        written = stream.written();
                        Box::new(stream)
                    }
                    Ok(Err(cause)) => return Err(ConnectError::Tls(cause.to_string())),
                    Err(_elapsed) => return Err(ConnectError::Tls("no answer".to_owned())),
                }
            }
        };
        let mut smtp = greet(stream, hello, timeout).await?;
        if let Some(parameters) = &self.starttls {
            if !smtp.can_starttls() {
                // In clear is not an option: somebody on the way may have removed the offer.
                return Err(ConnectError::NoStarttls);
            }
            let upgrade = smtp.starttls(parameters.clone(), hello);
            within(timeout, upgrade)
                .await
                .map_err(|trouble| match trouble {
                    Trouble::Lost(cause) => ConnectError::Tls(cause),
                    trouble => ConnectError::Starttls(trouble),
                })?;
        }
        if let Some(credentials) = &self.credentials {
            const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
            if smtp.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
                return Err(ConnectError::NoMechanism);
            }
            within(timeout, smtp.auth(&MECHANISMS, credentials))
                .await
                .map_err(ConnectError::Auth)?;
        }
        let is_encrypted = self.tls != RelayTls::None;
        Connection::ready(smtp, written, hello, timeout, is_encrypted).await
    }
}

async fn greet(
    stream: Box<dyn AsyncTokioStream>,
    hello: &ClientId,
    timeout: Duration,
) -> Result<AsyncSmtpConnection, ConnectError> {
    within(
        timeout,
        AsyncSmtpConnection::connect_with_transport(stream, hello),
    )
    .await
    .map_err(ConnectError::Hello)
}

impl Connection {
    /// Asks once more what the server offers: lettre keeps neither PIPELINING nor SIZE.
    async fn ready(
        mut smtp: AsyncSmtpConnection,
        written: Arc<AtomicU64>,
        hello: &ClientId,
        timeout: Duration,
        is_encrypted: bool,
    ) -> Result<Self, ConnectError> {
        let offers = within(timeout, smtp.command(Ehlo::new(hello.clone())))
            .await
            .map_err(ConnectError::Hello)?;
        Ok(Self {
            has_pipelining: offered(&offers, "PIPELINING").is_some(),
            largest: offered(&offers, "SIZE")
                .and_then(|size| size.trim().parse().ok())
                .filter(|size| *size > 0),
            has_utf8: smtp.server_info().supports_feature(Extension::SmtpUtfEight),
            is_encrypted,
            smtp,
            sent: 0,
            used_at: tokio::time::Instant::now(),
            written,
        })
    }

    /// How many bytes went out so far; after STARTTLS those of the encrypted stream, which are more than
    /// what was written into it.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// What stands behind a keyword of an EHLO answer.
fn offered<'a>(offers: &'a Response, keyword: &str) -> Option<&'a str> {
    offers.message().skip(1).find_map(|line| {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        word.eq_ignore_ascii_case(keyword).then_some(rest)
    })
}
