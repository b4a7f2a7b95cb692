//! SMPP 3.4: one connection to an SMSC, bound as a transceiver.
//!
//! Promise: no more messages are without an answer than the window allows; a message whose answer was lost
//! is in doubt and never sent again by itself; what the SMSC tells us is answered once it is recorded, and
//! it keeps what nobody recorded.
//!
//! The packets are our own (`pdu`): `rusmppc` 0.4 ends the connection, and with it leaves all that is under
//! way in doubt, when one packet of the SMSC cannot be read, so that a single receipt with a stray octet
//! would come again at every bind; and it always compiles in traces of whole packets, password and texts.

mod pdu;
mod receipt;
mod session;
mod text;

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::line::Exchange;
use super::model::{Handed, SmsEvent, SmsMessage};
use crate::channels::health::Sign;
use crate::channels::model::Class;
use crate::config::{ConfigError, Secret, SmppMessageIds, SmppSettings};
use crate::templates::sms::{Encoding, parts};
use pdu::{Address, Deliver, Pdu, status};
use receipt::Told;
use session::{Listener, NoAnswer, Session, Stream, Times};

/// How often a quiet SMSC is asked whether it is there.
const ENQUIRY: Duration = Duration::from_secs(30);
/// How long a throttled SMSC is left alone before a further part of a message it has begun to take.
const BETWEEN_PARTS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// What an SMSC told, to be recorded.
#[derive(Debug)]
pub struct SmscEvent {
    /// The provider's name in the settings.
    pub provider: String,
    pub event: SmsEvent,
    pub acknowledgement: Acknowledgement,
}

/// The answer that the SMSC waits for. Dropped, it says that the event was not recorded, and the SMSC brings
/// it again.
#[derive(Debug)]
pub struct Acknowledgement(oneshot::Sender<u32>);

impl Acknowledgement {
    /// The event was recorded.
    pub fn recorded(self) {
        let _ = self.0.send(status::OK);
    }
}

/// Where what SMSCs tell goes to, once somebody takes it.
pub type Outlet = Arc<OnceLock<mpsc::Sender<SmscEvent>>>;

/// The way to one SMSC.
pub struct Smpp {
    host: String,
    port: u16,
    tls: Option<(tokio_rustls::TlsConnector, ServerName<'static>)>,
    system_id: String,
    password: Secret,
    system_type: String,
    window: usize,
    times: Times,
    ids: SmppMessageIds,
    listener: Listener,
    /// The number that parts of one message have in common.
    concatenation: AtomicU8,
    session: Mutex<Option<Arc<Session>>>,
}

impl fmt::Debug for Smpp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smpp")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Smpp {
    /// The way to the SMSC of provider `name`, whose answers are waited for `timeout` long. Connects to
    /// nothing yet.
    ///
    /// # Errors
    /// Names the key of what is missing or wrong.
    pub fn new(
        name: &str,
        settings: &SmppSettings,
        timeout: Duration,
        outlet: &Outlet,
    ) -> Result<Self, ConfigError> {
        let key = format!("sms.providers.{name}.smpp");
        let password = settings.password(&key)?;
        for (field, text) in [
            ("system_id", settings.system_id.as_str()),
            ("password", password.expose()),
            ("system_type", settings.system_type.as_str()),
        ] {
            if !text.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(ConfigError::key(
                    &format!("{key}.{field}"),
                    "must be ASCII letters, digits and signs",
                ));
            }
        }
        let tls = settings
            .tls
            .then(|| tls(&settings.host))
            .transpose()
            .map_err(|problem| ConfigError::key(&format!("{key}.host"), problem))?;
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            tls,
            system_id: settings.system_id.clone(),
            password,
            system_type: settings.system_type.clone(),
            window: window(settings),
            times: Times {
                answer: timeout,
                enquiry: ENQUIRY,
            },
            ids: settings.message_ids,
            listener: listener(name.to_owned(), settings.message_ids, Arc::clone(outlet)),
            concatenation: AtomicU8::new(0),
            session: Mutex::default(),
        })
    }

    /// Hands a message over, in its parts.
    pub(super) async fn hand_over(&self, message: &SmsMessage) -> Exchange {
        let Some(source) = Address::of(&message.sender) else {
            return Exchange::Done(Handed::rejected(Class::Relay, 0), Sign::Nothing);
        };
        let Some(destination) = Address::of(&message.to).filter(|to| to.ton == 1) else {
            return Exchange::Done(Handed::rejected(Class::InvalidRecipient, 0), Sign::Nothing);
        };
        let session = match self.bound().await {
            Ok(session) => session,
            Err(reason) => return Exchange::Unreachable(reason),
        };
        let encoding = Encoding::of(&message.text);
        let parts = parts(&message.text);
        let reference = self.concatenation.fetch_add(1, Ordering::Relaxed);
        let total = u8::try_from(parts.len()).unwrap_or(u8::MAX);
        let mut message_id = None;
        for (number, part) in (1_u8..).zip(&parts) {
            let header: &[u8] = if total > 1 {
                &[0x05, 0x00, 0x03, reference, total, number]
            } else {
                &[]
            };
            let body = pdu::submit(
                &source,
                &destination,
                text::data_coding(encoding),
                header,
                &text::encode(part, encoding),
            );
            let is_begun = number > 1;
            match submit(&session, body, is_begun).await {
                Ok(answer) if answer.status == status::OK => {
                    // Receipts come for each part; the first one's stands for all.
                    if number == 1 {
                        message_id = answer.message_id();
                    }
                }
                // It may arrive in part.
                Ok(answer) if is_begun => {
                    let handed = Handed::unknown("the provider took only some of its parts");
                    return Exchange::Done(handed, sign(answer.status));
                }
                Ok(answer) => {
                    if answer.status == status::WRONG_BIND_STATE {
                        session.end();
                    }
                    return Exchange::Done(refusal(answer.status), sign(answer.status));
                }
                Err(NoAnswer::NotSent(why)) if !is_begun => {
                    return Exchange::Unreachable(why.to_owned());
                }
                Err(NoAnswer::NotSent(why) | NoAnswer::Lost(why)) => {
                    let handed = Handed::unknown("the provider's answer was lost");
                    return Exchange::Done(handed, Sign::Failed(why.to_owned()));
                }
            }
        }
        let message_id = message_id.map(|id| receipt::of_answer(&id, self.ids));
        Exchange::Done(
            Handed::accepted(message_id, Some(u16::from(total))),
            Sign::Answered,
        )
    }

    /// The session that stands, or a new one.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(super) async fn bound(&self) -> Result<Arc<Session>, String> {
        let mut slot = self.session.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| !session.is_over()) {
            return Ok(Arc::clone(session));
        }
        *slot = None;
        let stream = tokio::time::timeout(self.times.answer, self.connect())
            .await
            .map_err(|_elapsed| "no connection in time".to_owned())??;
        let bind = pdu::bind(&self.system_id, self.password.expose(), &self.system_type);
        let listener = Arc::clone(&self.listener);
        let session = Session::bind(stream, bind, self.window, self.times, listener).await?;
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|cause| format!("no connection: {}", cause.kind()))?;
        // Packets are small, and each is waited for.
        tcp.set_nodelay(true)
            .map_err(|cause| format!("no connection: {}", cause.kind()))?;
        match &self.tls {
            None => Ok(Box::new(tcp)),
            Some((connector, name)) => connector
                .connect(name.clone(), tcp)
                .await
                .map(|stream| Box::new(stream) as Box<dyn Stream>)
                .map_err(|cause| format!("no TLS: {}", cause.kind())),
        }
    }

    /// Asks the SMSC whether it is there and knows us.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) async fn check(&self) -> Result<(), String> {
        let session = self.bound().await?;
        session.is_there().await.map_err(|no_answer| {
            let (NoAnswer::NotSent(why) | NoAnswer::Lost(why)) = no_answer;
            format!("it does not answer: {why}")
        })
    }

    /// Says good-bye.
    pub(super) async fn close(&self) {
        let session = self.session.lock().await.take();
        if let Some(session) = session {
            session.unbind().await;
        }
    }
}

/// Messages without an answer at once.
pub fn window(settings: &SmppSettings) -> usize {
    usize::try_from(settings.window.max(1)).unwrap_or(1)
}

/// Submits one part. One that is refused for haste is tried again when a part before it was taken: the
/// message cannot begin anew.
async fn submit(session: &Session, body: Vec<u8>, is_begun: bool) -> Result<Pdu, NoAnswer> {
    let mut waits = BETWEEN_PARTS.iter().filter(|_| is_begun);
    loop {
        let answer = session.submit(body.clone()).await?;
        let is_hasty = matches!(answer.status, status::THROTTLED | status::QUEUE_FULL);
        match waits.next() {
            Some(wait) if is_hasty => tokio::time::sleep(*wait).await,
            _ => return Ok(answer),
        }
    }
}

/// What a refusal means.
fn refusal(status: u32) -> Handed {
    let code = u16::try_from(status).unwrap_or(u16::MAX);
    match status {
        status::THROTTLED => Handed::deferred(Class::Greylist, code, Some(Duration::from_secs(1))),
        status::QUEUE_FULL => Handed::deferred(Class::Greylist, code, Some(Duration::from_secs(5))),
        status::SYSTEM_ERROR
        | status::SUBMIT_FAILED
        | status::WRONG_BIND_STATE
        | status::NOT_TAKEN_NOW => Handed::deferred(Class::Network, code, None),
        status::INVALID_DESTINATION => Handed::rejected(Class::InvalidRecipient, code),
        status::INVALID_SOURCE | status::INVALID_SOURCE_TON | status::INVALID_SOURCE_NPI => {
            Handed::rejected(Class::Relay, code)
        }
        status::INVALID_DESTINATION_TON | status::INVALID_DESTINATION_NPI => {
            Handed::rejected(Class::Protocol, code)
        }
        status::NEVER_TAKEN => Handed::rejected(Class::Content, code),
        // Each has its own, and many pass.
        status::VENDOR.. => Handed::deferred(Class::Protocol, code, None),
        _ => Handed::rejected(Class::Protocol, code),
    }
}

/// What an answer says about the SMSC.
fn sign(status: u32) -> Sign {
    match status {
        status::SYSTEM_ERROR | status::WRONG_BIND_STATE => {
            Sign::Failed(format!("answers with status {status:#04x}"))
        }
        _ => Sign::Answered,
    }
}

/// Passes on what a deliver_sm says.
fn listener(provider: String, ids: SmppMessageIds, outlet: Outlet) -> Listener {
    Arc::new(move |deliver: Deliver| {
        let (answer, answered) = oneshot::channel();
        match receipt::read(&deliver, ids) {
            Told::Event(event) => {
                if let Some(outlet) = outlet.get() {
                    // What does not fit is dropped, and so comes again.
                    let _ = outlet.try_send(SmscEvent {
                        provider: provider.clone(),
                        event,
                        acknowledgement: Acknowledgement(answer),
                    });
                }
            }
            Told::Nothing => {
                tracing::debug!(%provider, "an SMSC told what says nothing about a message");
                let _ = answer.send(status::OK);
            }
        }
        answered
    })
}

fn tls(host: &str) -> Result<(tokio_rustls::TlsConnector, ServerName<'static>), String> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|cause| format!("cannot be used for TLS: {cause}"))?;
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| format!("cannot be used for TLS: {cause}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((tokio_rustls::TlsConnector::from(Arc::new(config)), name))
}
