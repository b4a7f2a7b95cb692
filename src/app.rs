//! Puts the rooms together: the only place that knows everyone.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use crate::accounts::{AccountError, users};
use crate::channels::Channels;
use crate::channels::outbox::Outbox;
use crate::channels::sms::SmsChannel;
use crate::clock::SharedClock;
use crate::config::{ConfigError, Settings};
use crate::customers::store::numbers;
use crate::delivery::journal::Journal;
use crate::delivery::launch::{LaunchError, LaunchOptions};
use crate::delivery::node::Node;
use crate::delivery::recovery::{self, RecoveryError};
use crate::delivery::worker::Worker;
use crate::dialogue::notice::Notices;
use crate::dialogue::replies::TextReplies;
use crate::events::EventSender;
use crate::gate::rules::Rules;
use crate::imports::desk::Desk;
use crate::keys::{Keys, KeysError};
use crate::mailroom::Mailroom;
use crate::reports::summary::Summaries;
use crate::reports::{ReportError, grid};
use crate::responses::{ResponseWriter, texts};
use crate::scheduler::{self, Duties, Ticker};
use crate::storage::{Db, Dialect, StorageError};
use crate::web::{self, MailHooks, SmsHooks};

/// Why visavis could not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot create the data folder {path}: {cause}; give another with --data-dir")]
    DataDir { path: String, cause: std::io::Error },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(
        "the database was used with another secret than {path}: no link already sent and no opt-out would be understood; restore secret.key from your backup, or copy it from the other node"
    )]
    OtherSecret { path: String },
    #[error("settings: {0}")]
    Settings(#[from] ConfigError),
    #[error("channels: {0}")]
    Channel(String),
    #[error("cannot listen on {address}: {cause}; is it taken? Change {key}")]
    Listen {
        key: &'static str,
        address: SocketAddr,
        cause: std::io::Error,
    },
    #[error("cannot start the ticker: {0}")]
    Ticker(String),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    #[error("a summary: {0}")]
    Summary(#[from] ReportError),
    #[error("launching what is due: {0}")]
    Launch(#[from] LaunchError),
    #[error("a metric cannot be registered: {0}")]
    Metrics(String),
    #[error("the pages of this program are damaged: {0}")]
    Pages(String),
    #[error("cannot start the web server: {0}")]
    Web(#[from] std::io::Error),
}

/// What every command works with.
#[derive(Debug, Clone)]
pub struct Parts {
    pub db: Db,
    pub keys: Keys,
    pub clock: SharedClock,
    pub settings: Arc<Settings>,
    /// Who may be contacted, when and how often; made of the settings.
    pub rules: Arc<Rules>,
}

impl Parts {
    /// Opens data folder, secret and database. An SQLite file is brought up to date here; PostgreSQL
    /// only by `visavis migrate`, since other nodes may run an older program.
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub async fn open(settings: Settings, clock: SharedClock) -> Result<Self, AppError> {
        let rules = Rules::new(&settings)?;
        create_private(&settings.data_dir).map_err(|cause| AppError::DataDir {
            path: settings.data_dir.display().to_string(),
            cause,
        })?;
        let secret = settings.data_dir.join("secret.key");
        let is_new = !secret.exists();
        let keys = Keys::load_or_create(&secret)?;
        let db = Db::open(&settings.database_url(), settings.database.max_connections).await?;
        match db.dialect() {
            Dialect::Sqlite => {
                db.migrate().await?;
            }
            Dialect::Postgres => db.require_current_schema().await?,
        }
        if !db.is_secret(&keys).await? {
            if is_new {
                // It never was of use, and would stand in the way of the right one.
                std::fs::remove_file(&secret)?;
            }
            return Err(AppError::OtherSecret {
                path: secret.display().to_string(),
            });
        }
        numbers::read_unread(&db).await?;
        Ok(Self {
            db,
            keys,
            clock,
            settings: Arc::new(settings),
            rules: Arc::new(rules),
        })
    }

    /// A link that makes the first administrator, where nobody can sign in yet; an earlier one ends.
    ///
    /// # Errors
    /// When the database or chance is away.
    pub async fn setup_link(&self) -> Result<Option<String>, AccountError> {
        if !users::is_nobody_here(&self.db).await? {
            return Ok(None);
        }
        let txn = self.db.begin().await?;
        let token = users::setup_link(&txn, self.clock.now_ms()).await?;
        txn.commit().await?;
        Ok(token)
    }

    /// How this server launches a wave.
    pub fn launch_options(&self) -> LaunchOptions {
        LaunchOptions {
            chunk: self.settings.delivery.chunk,
            is_simulated: false,
            rules: Arc::clone(&self.rules),
            settings: Arc::clone(&self.settings),
        }
    }

    /// Makes ready what sends.
    ///
    /// # Errors
    /// When the channel's settings cannot be used or the data folder cannot be written.
    pub async fn engine(&self) -> Result<Engine, AppError> {
        let data_dir = |cause| AppError::DataDir {
            path: self.settings.data_dir.display().to_string(),
            cause,
        };
        let node = Node::take(&self.settings.data_dir).map_err(data_dir)?;
        let journal = Journal::open(&self.settings.data_dir, node.name()).map_err(data_dir)?;
        if node.is_sole() {
            let now_ms = self.clock.now_ms();
            recovery::end_earlier_run(&self.db, &journal, node.name(), now_ms)
                .await
                .map_err(|error| match error {
                    RecoveryError::Journal(cause) => data_dir(cause),
                    RecoveryError::Database(cause) => AppError::Database(cause),
                })?;
        }
        let outbox = self.settings.data_dir.join("outbox");
        let channels = Channels::new(&self.settings, &self.keys, &outbox, &self.clock)
            .map_err(|error| AppError::Channel(error.to_string()))?;
        let worker = Worker::new(
            self.db.clone(),
            Arc::clone(&self.clock),
            self.keys.clone(),
            Arc::clone(&self.settings),
            Arc::clone(&self.rules),
            channels.clone(),
            journal,
        )
        .map_err(|error| AppError::Metrics(error.to_string()))?;
        let notices = Notices::new(
            self.db.clone(),
            Arc::clone(&self.clock),
            self.keys.clone(),
            Arc::clone(&self.settings),
            &channels.email,
        );
        let summaries = Summaries::new(
            self.db.clone(),
            Arc::clone(&self.clock),
            self.keys.clone(),
            Arc::clone(&self.settings),
            &channels.email,
        );
        let text_replies = TextReplies::new(
            self.db.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.settings),
            channels.sms.clone(),
        );
        let events = EventSender::new(
            self.db.clone(),
            Arc::clone(&self.clock),
            self.keys.clone(),
            &self.settings,
            node.name(),
        )
        .map_err(AppError::Channel)?;
        if node.is_sole() {
            events.end_earlier_run().await?;
        }
        Ok(Engine {
            parts: self.clone(),
            worker: Arc::new(worker),
            notices,
            summaries,
            text_replies,
            events,
            channels,
            _node: node,
        })
    }
}

/// What sends: the ticker that launches, the workers that deliver, and the notices.
#[derive(Debug)]
pub struct Engine {
    parts: Parts,
    worker: Arc<Worker>,
    notices: Notices,
    summaries: Summaries,
    text_replies: TextReplies<SmsChannel>,
    events: EventSender,
    channels: Channels,
    /// Held so that no other process takes our leases for those of a dead one.
    _node: Node,
}

impl Engine {
    /// Launches what falls due and delivers until `stop`; then settles what is in flight.
    ///
    /// # Errors
    /// When the ticker cannot be started.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), AppError> {
        let ticker = Ticker::start(Duties {
            db: self.parts.db.clone(),
            clock: Arc::clone(&self.parts.clock),
            keys: self.parts.keys.clone(),
            settings: Arc::clone(&self.parts.settings),
            options: self.parts.launch_options(),
            wake: self.worker.wake(),
        })
        .await
        .map_err(|error| AppError::Ticker(error.to_string()))?;
        let drain = Duration::from_secs(self.parts.settings.delivery.drain_seconds);
        let too_long = async {
            stop.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        let deliver = async {
            tokio::select! {
                ((), (), (), (), ()) = async {
                    tokio::join!(
                        self.worker.run(stop),
                        self.notices.run(stop),
                        self.summaries.run(stop),
                        self.text_replies.run(stop),
                        self.events.run(stop)
                    )
                } => {}
                () = too_long => {
                    self.worker.give_up();
                    tracing::error!(seconds = drain.as_secs(),
                        "messages still wait for the relay's answer; they will be unknown");
                }
            }
        };
        let tick = async {
            stop.cancelled().await;
            // Nothing new is launched while what is in flight is settled.
            ticker.stop().await;
        };
        let listen = async {
            // Dropped unasked, the SMSCs keep what they have to tell.
            if let Some(events) = self.channels.sms.events() {
                let Parts {
                    db,
                    keys,
                    clock,
                    settings,
                    ..
                } = &self.parts;
                texts::listen(db, keys, clock, &settings.sms, events, stop).await;
            }
        };
        let count = grid::count::run(&self.parts.db, &self.parts.clock, stop);
        tokio::join!(deliver, tick, listen, count);
        Ok(())
    }

    /// Launches, delivers and sends notices until nothing is due; returns how many messages of campaigns
    /// were accepted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_until_idle(&self, stop: &CancellationToken) -> Result<u64, AppError> {
        let mut accepted = 0;
        loop {
            let launched = scheduler::launch_due(
                &self.parts.db,
                self.parts.launch_options(),
                self.parts.clock.now(),
            )
            .await?;
            self.notices.run_until_idle(stop).await?;
            self.summaries.run_until_idle(stop).await?;
            self.text_replies.run_until_idle(stop).await?;
            accepted += self.worker.run_until_idle(stop).await?;
            self.events.run_until_idle(stop).await?;
            if launched == 0 || stop.is_cancelled() {
                return Ok(accepted);
            }
        }
    }

    /// Tells the workers that there is something to do.
    pub fn wake(&self) {
        self.worker.wake().notify_waiters();
    }

    /// What sends summaries to the people who run the campaigns.
    pub fn summaries(&self) -> &Summaries {
        &self.summaries
    }

    /// The ways out.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Says goodbye to the relay.
    pub async fn close(self) {
        self.channels.close().await;
    }
}

/// The server: links, console, ticker and workers in one process.
pub struct App {
    parts: Parts,
    engine: Engine,
    responses: ResponseWriter,
    mailroom: Mailroom,
    imports: Desk,
    mail_listener: Option<TcpListener>,
    servers: Vec<actix_web::dev::Server>,
    public_address: SocketAddr,
    console_address: SocketAddr,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("public_address", &self.public_address)
            .field("console_address", &self.console_address)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Binds the ports and makes everything ready. A `web.public_url` that ends in `:0` gets the port
    /// that was bound.
    ///
    /// # Errors
    /// When a port is taken or a part cannot be had.
    pub async fn build(mut parts: Parts) -> Result<Self, AppError> {
        let web = parts.settings.web.clone();
        let public = listen("web.listen", web.listen)?;
        let public_address = public.local_addr()?;
        let console = if web.console_listen == web.listen {
            None
        } else {
            Some(listen("web.console_listen", web.console_listen)?)
        };
        let console_address = match &console {
            Some(listener) => listener.local_addr()?,
            None => public_address,
        };
        if let Some(host) = web.public_url.strip_suffix(":0") {
            let mut settings = (*parts.settings).clone();
            settings.web.public_url = format!("{host}:{}", public_address.port());
            parts.settings = Arc::new(settings);
        }
        let lmtp = parts.settings.inbound.lmtp.as_ref();
        let mail_listener = lmtp
            .map(|lmtp| listen("inbound.lmtp.listen", lmtp.listen))
            .transpose()?;
        let mailroom = Mailroom::new(
            parts.db.clone(),
            parts.keys.clone(),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.settings),
        )?;
        let engine = parts.engine().await?;
        let journal = parts.settings.data_dir.join("responses");
        let responses = create_private(&journal)
            .and_then(|()| ResponseWriter::with_journal(parts.db.clone(), &journal))
            .map_err(|cause| AppError::DataDir {
                path: journal.display().to_string(),
                cause,
            })?;
        let outbox = Outbox::open(&parts.settings.data_dir.join("outbox"))
            .map_err(|error| AppError::Channel(error.to_string()))?;
        let state = web::State::new(
            parts.db.clone(),
            Arc::clone(&parts.clock),
            parts.keys.clone(),
            Arc::clone(&parts.settings),
            responses.clone(),
            Arc::new(outbox),
        )
        .map_err(|error| AppError::Pages(error.to_string()))?
        .with_sms(SmsHooks::new(
            engine
                .channels
                .sms
                .providers()
                .iter()
                .map(|(name, provider)| (name.clone(), Arc::clone(provider))),
        ))
        .with_mail(MailHooks::open(&parts.settings.mail_hooks)?);
        state
            .metrics
            .registry()
            .register(Box::new(engine.worker.hand_overs()))
            .and_then(|()| {
                let resting = Box::new(engine.worker.resting());
                state.metrics.registry().register(resting)
            })
            .and_then(|()| {
                let tries = Box::new(engine.events.tries());
                state.metrics.registry().register(tries)
            })
            .and_then(|()| {
                let mails = Box::new(mailroom.mails());
                state.metrics.registry().register(mails)
            })
            .map_err(|error| AppError::Metrics(error.to_string()))?;
        let imports = state.imports.clone();
        let state = actix_web::web::Data::new(state);
        let servers = match console {
            Some(console) => vec![
                web::server(state.clone(), public, web::Surface::Public)?,
                web::server(state, console, web::Surface::Console)?,
            ],
            None => vec![web::server(state, public, web::Surface::Both)?],
        };
        Ok(Self {
            parts,
            engine,
            responses,
            mailroom,
            imports,
            mail_listener,
            servers,
            public_address,
            console_address,
        })
    }

    /// Where links are answered.
    pub fn public_address(&self) -> SocketAddr {
        self.public_address
    }

    /// Where reports and outbox are shown.
    pub fn console_address(&self) -> SocketAddr {
        self.console_address
    }

    /// Where mail servers hand over what came back; `None` when nothing listens.
    pub fn mail_address(&self) -> Option<SocketAddr> {
        self.mail_listener.as_ref()?.local_addr().ok()
    }

    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Runs until `stop`, then drains: nothing new is leased, what is in flight is settled, what came
    /// back is written; a file that is being imported is broken off.
    ///
    /// # Errors
    /// When a server or the ticker fails.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AppError> {
        let handles: Vec<ServerHandle> = self.servers.iter().map(|s| s.handle()).collect();
        let servers: Vec<_> = self
            .servers
            .into_iter()
            .map(|server| tokio::spawn(server))
            .collect();
        let no_more_mail = stop.child_token();
        let imports = async {
            no_more_mail.cancelled().await;
            self.imports.stop().await;
        };
        let work = async {
            let result = self.engine.run(&stop).await;
            no_more_mail.cancel();
            result
        };
        let mail = self.mailroom.run(self.mail_listener, &no_more_mail);
        let (result, (), ()) = tokio::join!(work, mail, imports);
        for handle in handles {
            handle.stop(true).await;
        }
        for server in servers {
            if let Ok(Err(error)) = server.await {
                tracing::error!(%error, "a web server ended with an error");
            }
        }
        self.responses.drain().await;
        self.engine.close().await;
        self.parts.db.close().await;
        result
    }
}

fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).map_err(|cause| AppError::Listen {
        key,
        address,
        cause,
    })
}

/// Makes a folder that only its owner may look into; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn create_private(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}
