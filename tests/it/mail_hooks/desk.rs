//! A house whose wave has gone out, and its pages on a port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use futures_util::future::BoxFuture;
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use visavis::channels::outbox::Outbox;
use visavis::config::MailHookSettings;
use visavis::ids::{DeliveryKey, WaveId};
use visavis::responses::ResponseWriter;
use visavis::storage::{Db, Sql};
use visavis::tokens;
use visavis::web::hooks::Fetch;
use visavis::web::{MailHooks, State, configure_console, configure_public};

use crate::kit::database::TestDb;
use crate::kit::house::House;
use crate::kit::ledger::{self, number};

/// Amazon, as far as it is asked.
#[derive(Debug, Default)]
pub struct Amazon {
    pub asked: Mutex<Vec<String>>,
    pub is_away: Mutex<bool>,
}

pub const CERTIFICATE: &[u8] =
    include_bytes!("../../../src/responses/mail_events/testdata/sns-certificate.pem");

impl Fetch for Amazon {
    fn get(&self, url: Url) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        self.asked.lock().unwrap().push(url.to_string());
        let is_away = *self.is_away.lock().unwrap();
        Box::pin(async move {
            if is_away {
                return Err("nobody answers".to_owned());
            }
            Ok(CERTIFICATE.to_vec())
        })
    }
}

pub struct Desk {
    pub house: House,
    pub amazon: Arc<Amazon>,
    pub wave: WaveId,
    base: String,
    handle: ServerHandle,
    responses: ResponseWriter,
    client: reqwest::Client,
}

/// One account of every kind.
const HOOKS: &str = r#"
[ses.ses]
topics = ["arn:aws:sns:eu-west-3:123456789012:mail-events"]
[sendgrid.sendgrid]
public_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsoolWA743w9qRZqdQJiW+t5dBMR2Uv2wYYJUgG2mC8U6OvdjX4rDCJeEN54En0NhGlu/WyD6FAczkgNHsYPbZw=="
[mailgun.mailgun]
signing_key = "key-1"
[postmark]
hook_secret = "a-secret-of-16-letters"
[postmark.postmark]
username = "visavis"
password = "word"
[brevo]
hook_secret = "a-secret-of-16-letters"
[brevo.brevo]
"#;

impl Desk {
    /// `people` got a message.
    pub async fn open(db: &TestDb, people: i64) -> Self {
        let house = House::new(db, None);
        assert_eq!(house.add_customers(people, "mail.example").await, 1);
        let wave = house.send("spring").await;
        house.deliver().await;
        Self::with(house, db.db.clone(), wave).await
    }

    /// On the same house by another pool.
    pub async fn with(house: House, db: Db, wave: WaveId) -> Self {
        // reqwest brings no provider of its own; another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let parts = &house.parts;
        let hooks: BTreeMap<String, MailHookSettings> = toml::from_str(HOOKS).unwrap();
        let amazon = Arc::new(Amazon::default());
        let fetch: Arc<dyn Fetch> = amazon.clone();
        let responses = ResponseWriter::start(db.clone());
        let outbox = Outbox::open(&parts.settings.data_dir.join("outbox")).unwrap();
        let state = State::new(
            db,
            Arc::clone(&parts.clock),
            parts.keys.clone(),
            Arc::clone(&parts.settings),
            responses.clone(),
            Arc::new(outbox),
        )
        .unwrap()
        .with_mail(MailHooks::open(&hooks).unwrap().with_fetch(fetch));
        let state = web::Data::new(state);
        let served = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .configure(configure_public)
                .configure(configure_console)
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let base = format!("http://{}", served.addrs()[0]);
        let served = served.run();
        let handle = served.handle();
        tokio::spawn(served);
        Self {
            house,
            amazon,
            wave,
            base,
            handle,
            responses,
            client: reqwest::Client::new(),
        }
    }

    pub fn db(&self) -> &Db {
        &self.house.parts.db
    }

    /// Our reference of a message.
    pub fn tag(&self, seq: i64) -> String {
        tokens::return_path_tag(self.delivery(seq), &self.house.parts.keys)
    }

    /// What stands before `@` in its Message-ID.
    pub fn message_id(&self, seq: i64) -> String {
        tokens::message_id_local(self.delivery(seq), &self.house.parts.keys)
    }

    fn delivery(&self, seq: i64) -> DeliveryKey {
        DeliveryKey {
            wave: self.wave,
            seq,
        }
    }

    pub fn seconds(&self) -> i64 {
        self.house.clock_ms() / 1_000
    }

    /// Announces a body to `/hooks/mail/` and keeps it back; what is answered, if anything is.
    pub async fn announce(&self, path: &str) -> Option<u16> {
        let address = self.base.strip_prefix("http://").unwrap();
        let mut peer = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /hooks/mail/{path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n["
        );
        peer.write_all(head.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(5), peer.read_exact(&mut line));
        read.await.ok()?.unwrap();
        std::str::from_utf8(line.get(9..)?).ok()?.parse().ok()
    }

    /// Posts below `/hooks/mail/`; gives the status back.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let mut request = self.client.post(format!("{}/hooks/mail/{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body.to_owned()).send().await.unwrap();
        answer.status().as_u16()
    }

    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.base);
        let answer = self.client.get(url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The counters of the wave that responses move.
    pub async fn counter(&self, name: &str) -> i64 {
        let counters = ledger::counters(self.db(), self.wave).await;
        counters.get(name).copied().unwrap_or_default()
    }

    pub async fn number(&self, sql: &str) -> i64 {
        number(self.db(), sql).await
    }

    /// How many events are on record.
    pub async fn taken(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM received_mails").await
    }

    /// The customer whose message has this place in the wave.
    pub async fn customer(&self, seq: i64) -> i64 {
        let wave = self.wave;
        let sql =
            format!("SELECT customer_id FROM deliveries WHERE wave_id = {wave} AND seq = {seq}");
        self.number(&sql).await
    }

    /// The place of a customer's message in the wave.
    pub async fn seq_of(&self, customer: i64) -> i64 {
        let wave = self.wave;
        let sql = format!(
            "SELECT seq FROM deliveries WHERE wave_id = {wave} AND customer_id = {customer}"
        );
        self.number(&sql).await
    }

    /// Whether the customer's address is in use.
    pub async fn is_in_use(&self, seq: i64) -> bool {
        let id = self.customer(seq).await;
        let sql = format!("SELECT COUNT(*) FROM customers WHERE id = {id} AND email_state = 'ok'");
        self.number(&sql).await == 1
    }

    /// Why the customer's address is suppressed on the whole channel; empty when it is not.
    pub async fn suppressed(&self, seq: i64) -> String {
        let id = self.customer(seq).await;
        let rows = self
            .db()
            .rows(
                "SELECT s.reason FROM suppressions s JOIN customers c ON c.email_fingerprint = s.fingerprint
                 WHERE c.id = $1 AND s.channel = 'email'",
                [id.into()],
            )
            .await
            .unwrap();
        let reasons: Vec<String> = rows
            .iter()
            .map(|row| row.try_get("", "reason").unwrap())
            .collect();
        reasons.join(" ")
    }

    pub async fn close(self) -> House {
        self.handle.stop(true).await;
        self.responses.drain().await;
        self.house
    }
}
