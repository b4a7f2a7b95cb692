//! The launch, beside a bare copy of the rows it writes.

use std::time::Instant;

use visavis::app::Parts;
use visavis::ids::WaveId;
use visavis::storage::Sql;

use crate::Bench;
use crate::house::{self, definition, make_people};
use crate::table::Line;

const COLUMNS: &str =
    "seq, customer_id, channel, cell, state, attempt, fence, due_at, reason, marks";

/// Launches to ten times as many people as were asked for, and copies what was written.
pub async fn run(bench: &Bench) -> Vec<Line> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let parts = house::open(bench, folder.path()).await;
    let people = bench.people.saturating_mul(10);
    make_people(&parts, people).await;
    let mut ratios = Vec::new();
    let mut note = String::new();
    for run in 1..=bench.runs {
        parts.db.checkpoint().await;
        let begin = Instant::now();
        let launched = house::launch(
            &parts,
            &definition(&format!("launch-{run}-{}", parts.clock.now_ms())),
        )
        .await;
        let launch = begin.elapsed().as_secs_f64();
        let bare = copy(&parts, launched.wave).await;
        println!(
            "run {run}: launch {launch:.2} s; bare INSERT {bare:.2} s; {} deliveries",
            launched.deliveries
        );
        note = format!("{people} people, launch {launch:.1} s");
        ratios.push(launch / bare);
    }
    vec![Line {
        what: "launch beside the bare `INSERT … SELECT` of its rows".to_owned(),
        promised: "at most 1.30".to_owned(),
        values: ratios,
        note,
    }]
}

/// Seconds of a bare copy of a wave's rows into the ledger, which is taken out again.
async fn copy(parts: &Parts, wave: WaveId) -> f64 {
    let own = -wave.0;
    let txn = parts.db.begin().await.expect("a transaction");
    txn.run(
        format!("CREATE TABLE bare AS SELECT {COLUMNS} FROM deliveries WHERE wave_id = {wave} ORDER BY seq"),
        [],
    )
    .await
    .expect("a plain table");
    txn.commit().await.expect("it is written");
    parts.db.checkpoint().await;
    let begin = Instant::now();
    let txn = parts.db.begin().await.expect("a transaction");
    txn.run(
        format!("INSERT INTO deliveries (wave_id, {COLUMNS}) SELECT {own}, {COLUMNS} FROM bare"),
        [],
    )
    .await
    .expect("a copy");
    txn.commit().await.expect("it is written");
    let bare = begin.elapsed().as_secs_f64();
    let txn = parts.db.begin().await.expect("a transaction");
    txn.run("DELETE FROM deliveries WHERE wave_id < 0", [])
        .await
        .expect("it is taken out");
    txn.run("DROP TABLE bare", []).await.expect("it is gone");
    txn.commit().await.expect("it is written");
    bare
}
