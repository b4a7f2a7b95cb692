//! A small house for one test: a database, a clock that stands still, a relay, and a campaign to send.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use sea_orm::DbErr;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use visavis::app::{Engine, Parts};
use visavis::campaigns::definition::{Cell, Definition};
use visavis::campaigns::plan;
use visavis::clock::SetClock;
use visavis::config::{EmailSettings, Settings};
use visavis::delivery::launch::{self, Launched, Occurrence};
use visavis::delivery::model::{Lease, State};
use visavis::delivery::store::{self, Entry, Passed, Wanted};
use visavis::gate::rules::Rules;
use visavis::ids::{CampaignId, WaveId};
use visavis::keys::Keys;
use visavis::storage::{Dialect, Kind, Sql};
use visavis::templates::Template;

use super::database::TestDb;

pub struct House {
    pub parts: Parts,
    pub clock: Arc<SetClock>,
    _folder: TempDir,
}

/// The settings of the binary, in `folder`.
pub fn settings(folder: &std::path::Path) -> Settings {
    let mut settings = Settings::load_from(None, HashMap::new()).expect("the defaults are good");
    settings.data_dir = folder.to_owned();
    settings.web.listen = ([127, 0, 0, 1], 0).into();
    settings.web.console_listen = settings.web.listen;
    settings.web.public_url = "http://localhost:0".to_owned();
    settings
}

/// A definition that sends `super-chef` to everyone who allows offers by email.
pub fn definition(name: &str) -> Definition {
    let text = format!(
        r#"
        name = "{name}"
        segment = "everyone"
        template = "super-chef"
        topic = "offers"
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
        "#
    );
    Definition::parse(&text, "test").expect("a good definition")
}

/// The same for two halves of the people, so that cells are told apart all the way.
pub fn halved(mut definition: Definition) -> Definition {
    definition.cells = ["one", "other"]
        .map(|name| Cell {
            name: name.to_owned(),
            weight: 1,
            template: None,
            offer: None,
        })
        .into();
    definition
}

pub fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().expect("an instant")
}

impl House {
    /// On `db`, sending as `email` says (the sandbox without).
    pub fn new(db: &TestDb, email: Option<EmailSettings>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = settings(folder.path());
        if let Some(email) = email {
            settings.email = email;
        }
        // Many tests write to the same people within the hour.
        settings.pressure.clear();
        settings.permission.levels.situational.contacts_per_week = 0;
        settings.permission.levels.brand_trust.contacts_per_week = 0;
        settings.delivery.chunk = 50;
        settings.delivery.batch = 20;
        let rules = Arc::new(Rules::new(&settings).expect("good rules"));
        let clock = SetClock::at(noon());
        Self {
            parts: Parts {
                db: db.db.clone(),
                keys: Keys::from_secret(&[7; 32]),
                clock: clock.clone(),
                settings: Arc::new(settings),
                rules,
            },
            clock,
            _folder: folder,
        }
    }

    /// From now on sends as `email` says.
    pub fn relay(&mut self, email: EmailSettings) {
        self.change_settings(|settings| settings.email = email);
    }

    /// From now on goes by changed settings.
    pub fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = (*self.parts.settings).clone();
        change(&mut settings);
        self.parts.rules = Arc::new(Rules::new(&settings).expect("good rules"));
        self.parts.settings = Arc::new(settings);
    }

    /// What a wave asks at the gate.
    pub async fn entry(&self, wave: WaveId) -> Entry {
        let db = &self.parts.db;
        let row = visavis::delivery::store::wave(&**db, wave)
            .await
            .unwrap()
            .expect("a wave");
        Entry::new(
            db,
            &row,
            &row.relay,
            Arc::clone(&self.parts.rules),
            self.clock_ms(),
        )
        .await
        .unwrap()
    }

    /// Asks the gate for the next of a lease.
    pub async fn ask(&self, lease: &Lease, entry: &Entry, limit: usize) -> Result<Passed, DbErr> {
        let wanted = Wanted {
            from_seq: lease.from_seq,
            limit,
        };
        store::advance(
            &self.parts.db,
            lease,
            entry,
            &[],
            Some(wanted),
            60,
            self.clock_ms(),
        )
        .await
    }

    /// Adds `n` customers who allow offers by email, at `domain`; the first id is given back.
    pub async fn add_customers(&self, n: i64, domain: &str) -> i64 {
        let db = &self.parts.db;
        let first: i64 = db
            .row("SELECT COALESCE(MAX(id), 0) + 1 AS n FROM customers", [])
            .await
            .unwrap()
            .unwrap()
            .try_get("", "n")
            .unwrap();
        let since = (self.now() - Duration::days(30)).timestamp_millis();
        let txn = db.begin().await.unwrap();
        let people: Vec<_> = (first..first + n)
            .map(|id| {
                let email = format!("c{id}@{domain}");
                let fingerprint = self.parts.keys.fingerprint(&email);
                serde_json::json!([id, email, fingerprint])
            })
            .collect();
        for people in people.chunks(5_000) {
            let rows = db.dialect().recordset(
                1,
                &[
                    ("id", Kind::Int),
                    ("email", Kind::Text),
                    ("fingerprint", Kind::Text),
                ],
            );
            let people = serde_json::Value::from(people).to_string();
            txn.run(
                format!(
                    "INSERT INTO customers (id, email, email_key, email_fingerprint, email_state, first_name, first_name_key,
                        language, country, stage, attributes, attributes_key, tracking, orders_count, revenue_cents, engagement,
                        created_at, updated_at)
                     SELECT id, email, email, fingerprint, 'ok', 'Élodie', 'elodie', 'fr', 'FR', 'prospect', {json}, {json},
                        CASE WHEN id % 3 = 0 THEN 'full' ELSE 'none' END, 0, 0, 0, 0, 0 FROM {rows} AS x",
                    json = db.dialect().json(2)
                ),
                [people.as_str().into(), "{}".into()],
            )
            .await
            .unwrap();
            txn.run(
                format!(
                    "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level_since_at)
                     SELECT id, 'email', 'offers', TRUE, 'consent', $2, 0, $2 FROM {rows} AS x"
                ),
                [people.as_str().into(), since.into()],
            )
            .await
            .unwrap();
        }
        txn.commit().await.unwrap();
        if db.dialect() == Dialect::Postgres {
            db.run(
                "SELECT setval(pg_get_serial_sequence('customers', 'id'), (SELECT MAX(id) FROM customers))",
                [],
            )
            .await
            .unwrap();
        }
        first
    }

    /// Gives the customers from `first` on a mobile number, and permission for offers by SMS; `country` tells
    /// whose numbers: `FR` (of fiction) or `BE`.
    pub async fn give_mobiles(&self, first: i64, n: i64, country: &str) {
        let db = &self.parts.db;
        let since = (self.now() - Duration::days(30)).timestamp_millis();
        let begin = if country == "FR" {
            "+33639980000"
        } else {
            "+32470000000"
        };
        let (prefix, digits) = begin.split_at(6);
        let width = digits.len();
        let people: Vec<_> = (first..first + n)
            .map(|id| {
                let base: i64 = digits.parse().expect("digits");
                let phone = format!("{prefix}{:0width$}", base + id);
                serde_json::json!([id, phone, self.parts.keys.fingerprint(&phone)])
            })
            .collect();
        let txn = db.begin().await.unwrap();
        for people in people.chunks(5_000) {
            let rows = db.dialect().recordset(
                1,
                &[
                    ("id", Kind::Int),
                    ("phone", Kind::Text),
                    ("fingerprint", Kind::Text),
                ],
            );
            let people = serde_json::Value::from(people).to_string();
            txn.run(
                format!(
                    "UPDATE customers SET phone = x.phone, phone_fingerprint = x.fingerprint, phone_kind = 'mobile',
                        phone_country = $2, country = $2 FROM {rows} AS x WHERE customers.id = x.id"
                ),
                [people.as_str().into(), country.into()],
            )
            .await
            .unwrap();
            txn.run(
                format!(
                    "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level_since_at)
                     SELECT id, 'sms', 'offers', TRUE, 'consent', $2, 0, $2 FROM {rows} AS x"
                ),
                [people.as_str().into(), since.into()],
            )
            .await
            .unwrap();
        }
        txn.commit().await.unwrap();
    }

    /// Stores a definition with the template of the binary.
    pub async fn apply(&self, definition: &Definition) -> CampaignId {
        let names = definition.templates().into_iter();
        let templates: Vec<Template> = names
            .map(|name| Template::embedded(name).expect("a template of ours"))
            .collect();
        let templates: Vec<&Template> = templates.iter().collect();
        plan::apply(
            &self.parts.db,
            definition,
            &templates,
            None,
            "test",
            self.now(),
        )
        .await
        .expect("it is applied")
        .0
    }

    pub async fn launch(&self, id: CampaignId) -> Launched {
        launch::launch(
            &self.parts.db,
            id,
            Occurrence::ByHand,
            self.parts.launch_options(),
            "test",
            self.now(),
        )
        .await
        .expect("it is launched")
    }

    /// Applies and launches a plain campaign.
    pub async fn send(&self, name: &str) -> WaveId {
        let id = self.apply(&definition(name)).await;
        self.launch(id).await.wave
    }

    pub async fn engine(&self) -> Engine {
        self.parts.engine().await.expect("an engine")
    }

    /// Delivers until nothing is due.
    pub async fn deliver(&self) -> u64 {
        let engine = self.engine().await;
        let accepted = engine
            .run_until_idle(&CancellationToken::new())
            .await
            .expect("the database is there");
        engine.close().await;
        accepted
    }

    /// Sets its clock `minutes` behind the machine's, by which processes go.
    pub fn go_by_the_machine(&self, minutes: i64) {
        let machine = visavis::clock::Clock::now(&visavis::clock::SystemClock);
        self.advance(machine - self.now() - Duration::minutes(minutes));
    }

    /// Delivers what is due, lets five minutes pass, and so on until the wave is over: it must end by itself.
    pub async fn deliver_to_the_end(&self, wave: WaveId) {
        let begin = std::time::Instant::now();
        while !self.is_over(wave).await {
            assert!(
                begin.elapsed() < std::time::Duration::from_secs(120),
                "the wave ends by itself"
            );
            self.deliver().await;
            self.advance(Duration::minutes(5));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub async fn is_over(&self, wave: WaveId) -> bool {
        let running = "SELECT 1 AS one FROM waves WHERE id = $1 AND status = 'running'";
        // A database that a test stops for a while is asked again.
        matches!(self.parts.db.row(running, [wave.0.into()]).await, Ok(None))
    }

    pub fn now(&self) -> DateTime<Utc> {
        visavis::clock::Clock::now(&*self.clock)
    }

    pub fn clock_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }

    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// How many rows of the ledger are in each state; fails when the counters say otherwise.
    pub async fn ledger(&self, wave: WaveId) -> BTreeMap<&'static str, i64> {
        let db = &self.parts.db;
        let mut rows = BTreeMap::new();
        let mut counted = BTreeMap::new();
        for row in db
            .rows(
                "SELECT state, reason, channel, cell, COUNT(*) AS n FROM
                 (SELECT CAST(CASE WHEN d.state IN (0, 3) AND EXISTS (SELECT 1 FROM contacts k
                      WHERE k.customer_id = d.customer_id AND k.wave_id = d.wave_id) THEN 1 ELSE d.state END AS SMALLINT) AS state,
                      d.reason, d.channel, d.cell FROM deliveries d WHERE d.wave_id = $1) AS x GROUP BY state, reason, channel, cell",
                [wave.0.into()],
            )
            .await
            .unwrap()
        {
            let state = State::from_code(row.try_get("", "state").unwrap()).unwrap();
            let reason: Option<String> = row.try_get("", "reason").unwrap();
            let n: i64 = row.try_get("", "n").unwrap();
            let channel: String = row.try_get("", "channel").unwrap();
            let cell: String = row.try_get("", "cell").unwrap();
            *rows.entry(state.counter()).or_insert(0) += n;
            let mut names = vec!["selected".to_owned(), state.counter().to_owned()];
            if let (State::Withheld | State::Failed, Some(reason)) = (state, reason) {
                names.push(format!("{}.{reason}", state.counter()));
            }
            for name in names {
                if channel == "sms" {
                    *counted.entry(format!("sms.{name}")).or_insert(0) += n;
                }
                if !["", "all"].contains(&cell.as_str()) {
                    *counted.entry(format!("cell.{cell}.{name}")).or_insert(0) += n;
                }
                *counted.entry(name).or_insert(0) += n;
            }
        }
        self.count_texts(wave, &mut counted).await;
        self.count_pixels(wave, &mut counted).await;
        let counters: BTreeMap<String, i64> = visavis::delivery::store::counters(&**db, wave)
            .await
            .unwrap()
            .into_iter()
            // What comes back is counted beside what went out.
            .filter(|(name, value)| {
                *value != 0
                    && !["opt_outs", "responders", "clicks", "stage."]
                        .iter()
                        .any(|back| name.contains(back))
            })
            .collect();
        assert_eq!(counters, counted, "the counters are the ledger's");
        rows
    }

    /// The accepted messages that can show that they were opened, as the counters should have them.
    async fn count_pixels(&self, wave: WaveId, counted: &mut BTreeMap<String, i64>) {
        let rows = self
            .parts
            .db
            .rows(
                "SELECT d.cell, COUNT(*) AS n FROM deliveries d JOIN customers c ON c.id = d.customer_id
                 WHERE d.wave_id = $1 AND d.state = 2 AND d.channel = 'email' AND c.tracking = 'full'
                 GROUP BY d.cell",
                [wave.0.into()],
            )
            .await
            .unwrap();
        for row in rows {
            let (cell, n): (String, i64) = (
                row.try_get("", "cell").unwrap(),
                row.try_get("", "n").unwrap(),
            );
            if !["", "all"].contains(&cell.as_str()) {
                counted.insert(format!("cell.{cell}.opens.possible"), n);
            }
            *counted.entry("opens.possible".to_owned()).or_insert(0) += n;
        }
    }

    /// What the text messages of a wave come to, as the counters should have it.
    async fn count_texts(&self, wave: WaveId, counted: &mut BTreeMap<String, i64>) {
        let row = self
            .parts
            .db
            .row(
                "SELECT CAST(COALESCE(SUM(m.parts), 0) AS BIGINT) AS parts,
                    CAST(COALESCE(SUM(m.cost_micros), 0) AS BIGINT) AS cost_micros,
                    COALESCE(SUM(CASE WHEN m.cost_micros IS NULL THEN 1 ELSE 0 END), 0) AS unpriced,
                    COALESCE(SUM(CASE WHEN m.parts = 1 THEN 1 ELSE 0 END), 0) AS one,
                    COALESCE(SUM(CASE WHEN m.parts = 2 THEN 1 ELSE 0 END), 0) AS two,
                    COALESCE(SUM(CASE WHEN m.parts > 2 THEN 1 ELSE 0 END), 0) AS more
                 FROM sms_messages m JOIN deliveries d ON d.wave_id = m.wave_id AND d.seq = m.seq
                    AND d.channel = 'sms' AND d.state = 2 WHERE m.wave_id = $1",
                [wave.0.into()],
            )
            .await
            .unwrap()
            .unwrap();
        for (column, name) in [
            ("parts", "parts"),
            ("cost_micros", "cost_micros"),
            ("unpriced", "unpriced"),
            ("one", "texts.1"),
            ("two", "texts.2"),
            ("more", "texts.more"),
        ] {
            let n: i64 = row.try_get("", column).unwrap();
            if n != 0 {
                counted.insert(name.to_owned(), n);
                counted.insert(format!("sms.{name}"), n);
            }
        }
    }

    /// As [`House::ledger`], of a wave that nobody has in hand: the contact history must hold whom it reached
    /// or may have reached, once each, and nobody else.
    pub async fn closed_ledger(&self, wave: WaveId) -> BTreeMap<&'static str, i64> {
        let rows = self.ledger(wave).await;
        assert!(!rows.contains_key("sending"), "{rows:?}");
        let db = &self.parts.db;
        let count = async |sql: &str| -> i64 {
            let row = db.row(sql, [wave.0.into()]).await.unwrap().unwrap();
            row.try_get("", "n").unwrap()
        };
        let contacts = count("SELECT COUNT(*) AS n FROM contacts WHERE wave_id = $1").await;
        let reached = count(
            "SELECT COUNT(*) AS n FROM deliveries d JOIN contacts c ON c.customer_id = d.customer_id
                 AND c.wave_id = d.wave_id AND c.seq = d.seq
             WHERE d.wave_id = $1 AND d.state IN (2, 5)",
        )
        .await;
        let ledger = ["accepted", "unknown"]
            .iter()
            .filter_map(|state| rows.get(state))
            .sum::<i64>();
        assert_eq!(
            (contacts, reached),
            (ledger, ledger),
            "contacts are the ledger's: {rows:?}"
        );
        rows
    }
}
