//! Several nodes on one PostgreSQL: they come, go, die, sleep, and disagree about the time.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use visavis::storage::Sql;

use super::{truth, until_over};
use crate::kit::database::{TestDb, postgres};
use crate::kit::house::House;
use crate::kit::program::{Node, Process};
use crate::kit::smtp::{Script, SmtpPeer};

const CONNECTIONS: i64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_come_and_go_with_clocks_that_differ() {
    const PEOPLE: i64 = 8_000;
    let Some(db) = postgres().await else { return };
    let script = Script::new().latency(Duration::from_millis(2));
    let peer = SmtpPeer::start(script.recipients_only()).await;
    let house = House::new(&db, None);
    // Due by each of their clocks.
    house.go_by_the_machine(10);
    house.add_customers(PEOPLE, "mail.example").await;
    let wave = house.send("spring").await;
    let nodes: Option<Vec<Node>> = [0, 240, -240]
        .into_iter()
        .map(|seconds| Node::new(&db, &peer).clock_ahead(seconds))
        .collect();
    let Some(nodes) = nodes else { return };

    let mut chance = StdRng::seed_from_u64(11);
    let mut running: Vec<Option<Process>> = nodes.iter().map(|_| None).collect();
    let mut kills = 0;
    let mut changes = 0;
    while changes < 40 && !house.is_over(wave).await {
        let which = chance.random_range(0..nodes.len());
        match running[which].take() {
            None => running[which] = Some(nodes[which].start(&["work"])),
            Some(process) if chance.random_bool(0.7) => {
                kills += 1;
                assert!(process.kill(), "{}", nodes[which].log());
            }
            Some(process) => {
                process.signal("TERM");
                let ended = process.ended().await;
                assert!(ended.success(), "{}", nodes[which].log());
            }
        }
        changes += 1;
        tokio::time::sleep(Duration::from_millis(chance.random_range(50..600))).await;
    }
    assert!(kills >= 3, "some were killed");
    for (process, node) in running.iter_mut().zip(&nodes) {
        process.get_or_insert_with(|| node.start(&["work"]));
    }
    until_over(&house, wave, 120).await;
    for (process, node) in running.into_iter().flatten().zip(&nodes) {
        process.signal("TERM");
        assert!(process.ended().await.success(), "{}", node.log());
    }

    let ledger = truth(&house, wave, &peer).await;
    let count = |state: &str| ledger.get(state).copied().unwrap_or(0);
    assert_eq!(count("accepted") + count("unknown"), PEOPLE, "{ledger:?}");
    assert!(
        count("unknown") <= CONNECTIONS * kills,
        "{kills} kills: {ledger:?}"
    );
}

/// Every row of the ledger, counter and contact of all waves.
async fn written(db: &TestDb) -> Vec<String> {
    let mut all = Vec::new();
    for table in ["deliveries", "wave_counters", "contacts"] {
        let sql = match table {
            "deliveries" => {
                "SELECT CAST(wave_id AS TEXT) || ' ' || seq || ' ' || state || ' ' || attempt || ' ' || fence
                    || ' ' || COALESCE(settled_at, 0) AS row FROM deliveries ORDER BY wave_id, seq"
            }
            "wave_counters" => {
                "SELECT CAST(wave_id AS TEXT) || ' ' || counter || ' ' || value AS row FROM wave_counters
                 ORDER BY wave_id, counter"
            }
            _ => {
                "SELECT CAST(wave_id AS TEXT) || ' ' || seq || ' ' || contacted_at AS row FROM contacts
                 ORDER BY wave_id, seq, contacted_at"
            }
        };
        let rows = db.rows(sql, []).await.unwrap();
        all.extend(rows.iter().map(|row| {
            let row: String = row.try_get("", "row").unwrap();
            format!("{table}: {row}")
        }));
    }
    all
}

/// It sleeps in the middle of its work for longer than its leases hold; another node takes them over and ends
/// the wave; then it wakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wakes_after_his_lease_writes_nothing_and_sends_nothing() {
    const PEOPLE: i64 = 600;
    let Some(db) = postgres().await else { return };
    let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(10))).await;
    let house = House::new(&db, None);
    house.go_by_the_machine(0);
    house.add_customers(PEOPLE, "mail.example").await;
    let node = || {
        Node::new(&db, &peer)
            .set("email.timeout_seconds", "2")
            .set("delivery.lease_seconds", "3")
            .set("delivery.chunk", "100")
            .set("delivery.batch", "40")
            // Asleep in a transaction it holds up the other for no longer than asleep elsewhere.
            .session("idle_in_transaction_session_timeout", "3s")
    };
    let (sleeper, other) = (node(), node());
    let mut chance = StdRng::seed_from_u64(3);
    for round in 1..=3 {
        let before = peer.count();
        let wave = house.send(&format!("round-{round}")).await;
        let asleep = sleeper.start(&["work"]);
        peer.wait_for(before + 20).await;
        // Somewhere in a batch: at the gate, on the wire, at the settlement.
        tokio::time::sleep(Duration::from_millis(chance.random_range(0..120))).await;
        asleep.signal("STOP");
        assert!(!house.is_over(wave).await);
        let awake = other.start(&["work"]);
        until_over(&house, wave, 60).await;
        awake.signal("TERM");
        assert!(awake.ended().await.success(), "{}", other.log());
        let (ledger, arrived) = (written(&db).await, peer.count());
        asleep.signal("CONT");
        // Time for whatever it still had in mind.
        tokio::time::sleep(Duration::from_secs(1)).await;
        asleep.signal("TERM");
        assert!(asleep.ended().await.success(), "{}", sleeper.log());
        assert_eq!(
            written(&db).await,
            ledger,
            "nothing was written: {}",
            sleeper.log()
        );
        // What was on the wire when it fell asleep may still have been taken.
        let late = peer.count() - arrived;
        assert!(late <= 8, "{late} left late");
        let recipients = peer.recipients().split_off(before);
        let once: std::collections::HashSet<_> = recipients.iter().collect();
        assert_eq!(once.len(), recipients.len(), "nobody got it twice");
        let ledger = house.closed_ledger(wave).await;
        let count = |state: &str| ledger.get(state).copied().unwrap_or(0);
        assert_eq!(count("accepted") + count("unknown"), PEOPLE, "{ledger:?}");
        assert!(recipients.len() as i64 >= count("accepted"), "{ledger:?}");
    }
}
