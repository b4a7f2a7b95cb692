//! What a wave takes of memory and time, and that neither grows with it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::Bench;
use crate::house::{self, definition, make_people};
use crate::smtp::{Sink, program};
use crate::table::Line;

/// What a process of ours tells of its wave.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    messages: u64,
    /// From the launch to the last settlement.
    seconds: f64,
    /// Resident before the launch, in KiB.
    idle_kib: u64,
    /// Resident at most, in KiB.
    peak_kib: u64,
}

impl Told {
    fn cost(&self) -> f64 {
        self.seconds / self.messages as f64
    }
}

/// Waves to so many people as were asked for and to ten times as many, in turn.
pub async fn run(bench: &Bench) -> Vec<Line> {
    if program("smtp-sink").is_none() {
        println!("NOT RUN: smtp-sink is missing (Debian package postfix)");
        return Vec::new();
    }
    let few = tempfile::tempdir().expect("a temporary folder");
    let many = tempfile::tempdir().expect("a temporary folder");
    let most = bench.people.saturating_mul(10);
    // One database for both where it is given: the small wave is then always the first.
    let runs = if bench.database.is_some() {
        1
    } else {
        bench.runs
    };
    let (mut memory, mut costs) = (Vec::new(), Vec::new());
    let mut notes = (String::new(), String::new());
    for run in 1..=runs {
        let mut told = Vec::new();
        for (folder, people) in [(&few, bench.people), (&many, most)] {
            let parts = house::open(bench, folder.path()).await;
            make_people(&parts, people).await;
            parts.db.close().await;
            told.push(in_a_process(bench, folder.path()));
        }
        let [small, large] = told.as_slice() else {
            continue;
        };
        println!("run {run}: {small:?}, {large:?}");
        memory.push(large.peak_kib as f64 / small.peak_kib as f64);
        costs.push(large.cost() / small.cost());
        let above = large.peak_kib.saturating_sub(large.idle_kib) / 1024;
        notes = (
            format!("{above} MiB above idle at {most} people; at most 64 promised"),
            format!("{:.0} µs a message at {most} people", large.cost() * 1e6),
        );
    }
    let line = |what: &str, promised: &str, values, note| Line {
        what: what.to_owned(),
        promised: promised.to_owned(),
        values,
        note,
    };
    vec![
        line(
            "peak memory at 10 N to N people",
            "at most 1.20",
            memory,
            notes.0,
        ),
        line(
            "cost a message at 10 N to N",
            "at most 1.10",
            costs,
            notes.1,
        ),
    ]
}

/// Runs this program again, for one wave.
fn in_a_process(bench: &Bench, folder: &Path) -> Told {
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    command.arg("--child").arg(folder);
    if let Some(database) = &bench.database {
        command.args(["--database", database]);
    }
    let out = command.output().expect("it runs");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8_lossy(&out.stdout);
    let last = text.lines().last().expect("it tells");
    serde_json::from_str(last).expect("it tells in JSON")
}

/// One wave to everyone of the base in a folder, in a process of its own.
pub async fn child(bench: &Bench, folder: &Path) {
    let mut parts = house::open(bench, folder).await;
    let sink = Sink::start(folder, false);
    let mut settings = (*parts.settings).clone();
    settings.email.relay = Some(house::relay(sink.port));
    parts.settings = Arc::new(settings);
    let engine = parts.engine().await.expect("an engine");
    engine
        .run_until_idle(&CancellationToken::new())
        .await
        .expect("the database is there");
    let idle_kib = resident("VmRSS:");
    let begin = Instant::now();
    house::launch(
        &parts,
        &definition(&format!("memory-{}", parts.clock.now_ms())),
    )
    .await;
    let messages = engine
        .run_until_idle(&CancellationToken::new())
        .await
        .expect("the database is there");
    let told = Told {
        messages,
        seconds: begin.elapsed().as_secs_f64(),
        idle_kib,
        peak_kib: resident("VmHWM:"),
    };
    engine.close().await;
    println!("{}", serde_json::to_string(&told).expect("plain numbers"));
}

/// A figure of this process in KiB, as Linux tells it.
fn resident(key: &str) -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .expect("Linux tells")
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}
