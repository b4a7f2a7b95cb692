//! The program killed without warning, several times in one wave: never twice, never skipped.

use std::collections::HashSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use visavis::storage::Sql;

use crate::kit::database::TestDb;
use crate::kit::house::House;
use crate::kit::smtp::{Script, SmtpPeer};
use crate::on_both;

const PEOPLE: i64 = 3_000;
const KILLS: usize = 5;

/// `visavis work --until-idle` on the house's folder and database, with the peer as its relay.
fn work(house: &House, db: &TestDb, peer: &SmtpPeer) -> Child {
    let folder = &house.parts.settings.data_dir;
    std::fs::write(folder.join("secret.key"), "07".repeat(32)).unwrap();
    let settings = folder.join("settings.toml");
    std::fs::write(
        &settings,
        format!(
            "data_dir = {folder:?}\n[email]\nconnections = 8\n[email.relay]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n[delivery]\nchunk = 200\nbatch = 40\n",
            peer.addr().port()
        ),
    )
    .unwrap();
    Command::new(env!("CARGO_BIN_EXE_visavis"))
        .args(["work", "--until-idle", "--config"])
        .arg(&settings)
        .env("DATABASE_URL", db.url.expose())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

on_both! {
    async fn killed_five_times_nobody_gets_it_twice_and_nobody_is_skipped(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(2))).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(PEOPLE, "mail.example").await;
        // Due by the machine's clock too.
        let wave = house.send("spring").await;
        let mut chance = StdRng::seed_from_u64(5);
        for _ in 0..KILLS {
            let before = peer.accepted().len();
            let until = before + chance.random_range(40..400);
            let mut child = work(&house, db, &peer);
            let begin = Instant::now();
            while peer.accepted().len() < until && begin.elapsed() < Duration::from_secs(60) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            assert!(!ended.success(), "it was still at work");
        }
        let mut child = work(&house, db, &peer);
        let begin = Instant::now();
        let ended = loop {
            if let Some(ended) = child.try_wait().unwrap() {
                break ended;
            }
            assert!(begin.elapsed() < Duration::from_secs(120), "the wave ends by itself");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(ended.success());

        let ledger = house.ledger(wave).await;
        let accepted = peer.accepted();
        let at_peer: HashSet<String> = accepted.iter().map(|(to, _)| to.clone()).collect();
        assert_eq!(at_peer.len(), accepted.len(), "nobody got it twice: {ledger:?}");
        let count = |state: &str| ledger.get(state).copied().unwrap_or(0);
        assert_eq!(count("accepted") + count("unknown"), PEOPLE, "{ledger:?}");
        // At most what two workers had in their hands at each kill.
        assert!(count("unknown") <= 2 * 40 * i64::try_from(KILLS).unwrap(), "{ledger:?}");
        let mut unknown = HashSet::new();
        for row in db
            .rows(
                "SELECT c.email FROM deliveries d JOIN customers c ON c.id = d.customer_id WHERE d.wave_id = $1 AND d.state = 5",
                [wave.0.into()],
            )
            .await
            .unwrap()
        {
            unknown.insert(row.try_get::<String>("", "email").unwrap());
        }
        for id in 1..=PEOPLE {
            let email = format!("c{id}@mail.example");
            assert!(
                at_peer.contains(&email) || unknown.contains(&email),
                "{email} was skipped"
            );
        }
        let surely: i64 = i64::try_from(at_peer.difference(&unknown).count()).unwrap();
        assert_eq!(surely, count("accepted"), "what the ledger calls accepted arrived");
    }
}
