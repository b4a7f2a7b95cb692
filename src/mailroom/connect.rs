//! A connection to an IMAP server.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_imap::{Client, Session};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::collect::CollectError;
use crate::config::{ConfigError, ImapSettings, RelayTls, Secret};

/// How to get into a mailbox.
pub(super) struct Door {
    host: String,
    port: u16,
    tls: RelayTls,
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
    username: String,
    password: Secret,
    patience: Duration,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({}:{}, {:?})", self.host, self.port, self.tls)
    }
}

impl Door {
    /// `key` is that of the mailbox in the settings.
    ///
    /// # Errors
    /// When the name, the password or the certificates cannot be used.
    pub fn new(key: &str, settings: &ImapSettings) -> Result<Self, ConfigError> {
        let host = settings.host.clone();
        let name = match settings.tls {
            RelayTls::None => None,
            RelayTls::Implicit | RelayTls::Starttls => {
                Some(ServerName::try_from(host.clone()).map_err(|cause| {
                    ConfigError::key(
                        &format!("{key}.host"),
                        format!("{host:?} cannot be used for TLS: {cause}"),
                    )
                })?)
            }
        };
        Ok(Self {
            connector: connector(key, settings)?,
            host,
            port: settings.port,
            tls: settings.tls,
            name,
            username: settings.username.clone(),
            password: settings.password(key)?,
            patience: Duration::from_secs(settings.timeout_seconds),
        })
    }

    /// Connects and logs in.
    pub async fn open(&self) -> Result<Session<Wire>, CollectError> {
        let connect = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            let stream = Wire::plain(stream, self.patience);
            let stream = match (self.tls, &self.name) {
                (RelayTls::Implicit, Some(name)) => stream.secured(&self.connector, name).await?,
                _ => stream,
            };
            let mut client = Client::new(stream);
            client
                .read_response()
                .await?
                .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            if let (RelayTls::Starttls, Some(name)) = (self.tls, &self.name) {
                client.run_command_and_check_ok("STARTTLS", None).await?;
                let stream = client.into_inner().secured(&self.connector, name).await?;
                client = Client::new(stream);
            }
            client
                .login(&self.username, self.password.expose())
                .await
                .map_err(|(error, _)| CollectError::from(error))
        };
        timeout(self.patience, connect)
            .await
            .map_err(|_elapsed| CollectError::Silent)?
    }
}

fn connector(key: &str, settings: &ImapSettings) -> Result<TlsConnector, ConfigError> {
    let unusable = |cause: String| ConfigError::key(&format!("{key}.ca_file"), cause);
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read(path)
            .map_err(|cause| unusable(format!("cannot read {}: {cause}", path.display())))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|cause| unusable(cause.to_string()))?;
            roots
                .add(certificate)
                .map_err(|cause| unusable(cause.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| unusable(cause.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A stream, protected or not, on which silence for too long is an error.
pub(super) struct Wire {
    stream: Stream,
    patience: Duration,
    waits: Option<Pin<Box<tokio::time::Sleep>>>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    fn plain(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream: Stream::Plain(stream),
            patience,
            waits: None,
        }
    }

    async fn secured(
        self,
        connector: &TlsConnector,
        name: &ServerName<'static>,
    ) -> io::Result<Self> {
        let Stream::Plain(stream) = self.stream else {
            return Err(io::Error::other("the connection is protected already"));
        };
        let stream = connector.connect(name.clone(), stream).await?;
        Ok(Self {
            stream: Stream::Tls(Box::new(stream)),
            patience: self.patience,
            waits: None,
        })
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if read.is_ready() {
            self.waits = None;
            return read;
        }
        let patience = self.patience;
        let waits = self
            .waits
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match Future::poll(waits.as_mut(), context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
