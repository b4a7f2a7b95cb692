//! Clicks under load at the real server, on both databases.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::ConnectionTrait;
use tokio_util::sync::CancellationToken;
use visavis::app::App;
use visavis::storage::{Db, Dialect};
use visavis::tokens::{LinkKind, LinkToken};

use crate::kit::database::{TestDb, admin};
use crate::kit::house::House;
use crate::kit::ledger::{self, CLICKS, number};
use crate::on_both;

/// Takes the database away for a moment: PostgreSQL cuts all and lets nobody in; on SQLite somebody else
/// holds the write lock.
async fn away(db: &TestDb, moment: Duration) {
    match db.dialect() {
        Dialect::Sqlite => {
            let other = Db::open(&db.url, 1).await.unwrap();
            let txn = other.begin().await.unwrap();
            txn.execute_unprepared("UPDATE deliveries SET attempt = attempt")
                .await
                .unwrap();
            tokio::time::sleep(moment).await;
            txn.rollback().await.unwrap();
            other.close().await;
        }
        Dialect::Postgres => {
            let admin = admin().await;
            admin.shut_out(db, true).await;
            tokio::time::sleep(moment).await;
            admin.shut_out(db, false).await;
        }
    }
}

/// `visavis serve` on the house's folder and database, and where it answers.
fn serve(house: &House, db: &TestDb) -> (Child, String) {
    let folder = &house.parts.settings.data_dir;
    std::fs::write(folder.join("secret.key"), "07".repeat(32)).unwrap();
    let settings = folder.join("settings.toml");
    std::fs::write(
        &settings,
        format!("data_dir = {folder:?}\n[web]\nlisten = \"127.0.0.1:0\"\nconsole_listen = \"127.0.0.1:0\"\n"),
    )
    .unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_visavis"))
        .args(["serve", "--config"])
        .arg(&settings)
        .env("DATABASE_URL", db.url.expose())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = told.next().unwrap().unwrap();
    let base = line.split(' ').next_back().unwrap().to_owned();
    (child, base)
}

/// Bytes of the journals in a data folder.
fn journalled(house: &House) -> u64 {
    std::fs::read_dir(house.parts.settings.data_dir.join("responses"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

/// Waits for what will come.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("it comes");
}

/// A figure of /metrics.
async fn figure(client: &reqwest::Client, base: &str, name: &str) -> u64 {
    let answer = client.get(format!("{base}/metrics")).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let value = line.and_then(|line| line.rsplit(' ').next()).unwrap();
    value.parse().unwrap()
}

on_both! {
    async fn what_was_answered_is_written_lost_or_waiting_while_the_database_is_away(db: &TestDb) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let house = House::new(db, None);
        let wave = ledger::wave(db, CLICKS).await;
        let mut tokens = Vec::new();
        for seq in 1..=20 {
            let customer = ledger::customer(db, &format!("c{seq}"), "en", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            tokens.push(LinkToken { delivery, kind: LinkKind::Click(0) }.encode(&house.parts.keys));
        }
        let mut parts = house.parts.clone();
        parts.db = Db::open(&db.url, 8).await.unwrap();
        let app = App::build(parts).await.unwrap();
        let base = format!("http://{}", app.public_address());
        let stop = CancellationToken::new();
        let app_stop = stop.clone();
        let app = tokio::spawn(async move { app.run(app_stop).await.unwrap() });

        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let follow = |token: &str| client.get(format!("{base}/c/{token}")).header("user-agent", "Mozilla/5.0 (X11) Firefox/132.0").send();
        // The destinations of the wave are known from here on.
        assert_eq!(follow(&tokens[0]).await.unwrap().status(), 302);
        let answered = Arc::new(AtomicU64::new(1));
        let is_over = Arc::new(AtomicBool::new(false));
        let mut visitors = tokio::task::JoinSet::new();
        for visitor in 0..4_usize {
            let (answered, is_over, tokens) = (Arc::clone(&answered), Arc::clone(&is_over), tokens.clone());
            let (client, base) = (client.clone(), base.clone());
            visitors.spawn(async move {
                let mut n = visitor;
                while !is_over.load(Ordering::Relaxed) {
                    let url = format!("{base}/c/{}", tokens[n % tokens.len()]);
                    let answer = client.get(url).header("user-agent", "Mozilla/5.0 (X11) Firefox/132.0").send().await.unwrap();
                    assert_eq!(answer.status(), 302, "a click is answered whatever the database does");
                    answered.fetch_add(1, Ordering::Relaxed);
                    n += 1;
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        away(db, Duration::from_millis(1_200)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        is_over.store(true, Ordering::Relaxed);
        while let Some(visitor) = visitors.join_next().await {
            visitor.unwrap();
        }
        let answered = answered.load(Ordering::Relaxed);
        // The figures are of one instant.
        let answer = client.get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
        let sum: u64 = answer
            .lines()
            .filter(|line| ["written_total ", "orphaned_total ", "lost_total ", "waiting "].iter()
                .any(|name| line.starts_with(&format!("visavis_responses_{name}"))))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(sum, answered, "{answer}");
        let written = async {
            while figure(&client, &base, "visavis_responses_waiting").await > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), written).await.expect("the database is back");
        assert_eq!(figure(&client, &base, "visavis_responses_lost_total").await, 0);
        stop.cancel();
        app.await.unwrap();
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await.unsigned_abs(), answered);
    }

    async fn clicks_outlive_a_process_that_is_killed_and_count_once(db: &TestDb) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let house = House::new(db, None);
        let wave = ledger::wave(db, CLICKS).await;
        let mut tokens = Vec::new();
        for seq in 1..=20 {
            let customer = ledger::customer(db, &format!("c{seq}"), "en", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            tokens.push(LinkToken { delivery, kind: LinkKind::Click(0) }.encode(&house.parts.keys));
        }
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let follow_all = async |base: &str| {
            for token in &tokens {
                let answer = client.get(format!("{base}/c/{token}")).header("user-agent", "Mozilla/5.0 (X11) Firefox/132.0").send().await;
                assert_eq!(answer.unwrap().status(), 302);
            }
        };
        let (mut child, base) = serve(&house, db);
        follow_all(&base).await;
        until(async || number(db, "SELECT COUNT(*) FROM responses").await == 20).await;
        let of_twenty = journalled(&house);
        // The database takes nothing until the process is dead.
        let held = db.begin().await.unwrap();
        held.execute_unprepared("UPDATE deliveries SET attempt = attempt").await.unwrap();
        follow_all(&base).await;
        until(async || journalled(&house) == 2 * of_twenty).await;
        child.kill().unwrap();
        child.wait().unwrap();
        held.rollback().await.unwrap();
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 20);
        let (mut child, base) = serve(&house, db);
        until(async || number(db, "SELECT COUNT(*) FROM responses").await == 40).await;
        until(async || figure(&client, &base, "visavis_responses_waiting").await == 0).await;
        assert_eq!(figure(&client, &base, "visavis_responses_written_total").await, 20);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 40);
        assert_eq!(number(db, "SELECT CAST(SUM(value) AS BIGINT) FROM wave_counters WHERE counter IN ('clicks.total', 'clicks.machine')").await, 40);
    }
}
