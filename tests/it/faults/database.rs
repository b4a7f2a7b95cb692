//! Databases that restart, cut their connections or are busy: the program goes on, and every outcome is kept.

use std::time::{Duration, Instant};

use super::{truth, until_over};
use crate::kit::database::{self, TestDb};
use crate::kit::house::House;
use crate::kit::postgres::Restart;
use crate::kit::program::Node;
use crate::kit::smtp::{Script, SmtpPeer};

/// A wave of `people` during which `harm` is done each time another part of it has arrived.
async fn suffer(db: &TestDb, people: i64, times: usize, harm: impl AsyncFn(usize)) {
    let script = Script::new().latency(Duration::from_millis(2));
    let peer = SmtpPeer::start(script.recipients_only()).await;
    let house = House::new(db, None);
    house.go_by_the_machine(0);
    house.add_customers(people, "mail.example").await;
    let wave = house.send("spring").await;
    let node = Node::new(db, &peer).set("delivery.lease_seconds", "20");
    let mut program = node.start(&["work"]);
    let share = usize::try_from(people).unwrap() / (times + 1);
    for time in 0..times {
        let begin = Instant::now();
        while peer.count() < share * (time + 1) {
            assert!(program.is_running(), "it is at work: {}", node.log());
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "it comes on: {}",
                node.log()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        harm(time).await;
    }
    until_over(&house, wave, 90).await;
    program.signal("TERM");
    assert!(program.ended().await.success(), "{}", node.log());
    // Nobody was killed: what became of each is known.
    let ledger = truth(&house, wave, &peer).await;
    assert_eq!(ledger, [("accepted", people)].into(), "{}", node.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts() {
    let Some((server, db)) = database::postgres_of_its_own().await else {
        return;
    };
    suffer(&db, 2_000, 4, async |time| {
        let how = [Restart::Fast, Restart::Immediate][time % 2];
        server.restart(how);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cuts_every_connection() {
    let Some(db) = database::postgres().await else {
        return;
    };
    let cutter = database::admin().await;
    suffer(&db, 1_500, 10, async |_time| {
        assert!(cutter.cut_all(&db).await > 0, "connections were cut");
    })
    .await;
}

/// Another process holds the one write lock for seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_else_writes() {
    let db = database::sqlite().await;
    suffer(&db, 800, 3, async |time| {
        let txn = db.begin().await.unwrap();
        tokio::time::sleep(Duration::from_secs([1, 2, 6][time])).await;
        txn.rollback().await.unwrap();
    })
    .await;
}
