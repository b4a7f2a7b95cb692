//! Dispatch at the limit of the machine: each figure as a ratio to what the machine allows, in one run.
//!
//! `cargo bench --bench dispatch -- [--quick] [--only throughput,launch] [--people 20000] [--runs 3]
//!     [--database URL] [--verify] [--rules on|off|compare]`
//!
//! Each section measures one promise beside the bare work of the same kind, in the same run, and prints a
//! line of the table: the median of the runs, with the least and the greatest. Absolute figures depend on
//! the machine. `--database` names an empty PostgreSQL database; without it all runs on SQLite. `--quick`
//! uses few people, to see that everything runs.
//!
//! Import: at least 200,000 people; on PostgreSQL in two databases of its own, made and dropped beside the
//! one that is named.
//!
//! Tracking: `wrk` follows links at the real server and asks an empty actix handler beside it; then every
//! click that was answered is looked for in the database.
//!
//! Throughput: a wave of personal messages of about 10 KB; then Postfix's `smtp-source` sends as many of the
//! same size over as many connections to the same `smtp-sink`; ours with ledger, gate, rendering and tracked links on.
//! `--verify` lets the sink keep the mail and checks that each recipient got exactly one (and is not
//! timed against `smtp-source`). `--rules` tells what the gate costs: `on` is three pressure caps (one of
//! calendar days), a weekly cap by level, quiet hours that are open, one message a household and a running
//! wave of a higher priority, over a contact history of ten messages a person; `off` is none of that.
//! `compare` sends a wave of each in turn in every run.
//!
//! Launch: an audience of ten times `--people`, with permissions, suppressions, shared addresses and all
//! rules, beside a copy of the very rows it wrote from a plain table into the same ledger. Memory: a wave
//! to `--people` and one to ten times as many, each in a process of its own; and what a message of each
//! costs from launch to the last settlement.
//!
//! Nodes (PostgreSQL only): the built program, once and twice, on a relay that takes 50 ms a message; and
//! three times with one `email.rate_per_second` for all, counted at the relay.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot run says so by failing; its counts are far below 2^53"
)]

mod house;
mod import;
mod launch;
mod memory;
mod nodes;
mod peer;
mod smtp;
mod table;
mod throughput;
mod tracking;

use std::path::PathBuf;

use table::Line;

/// What was asked for on the command line.
#[derive(Debug, Clone)]
pub struct Bench {
    pub people: u32,
    pub runs: usize,
    /// `None`: SQLite in a temporary folder.
    pub database: Option<String>,
    pub is_quick: bool,
    pub verify: bool,
    pub rules: throughput::Mode,
    /// Where a process of [`memory`] finds its base; `None` in the bench itself.
    pub child: Option<PathBuf>,
    /// The sections to run; empty: all.
    only: Vec<String>,
}

impl Bench {
    /// "SQLite" or "PostgreSQL".
    pub fn database_name(&self) -> &'static str {
        if self.database.is_some() {
            "PostgreSQL"
        } else {
            "SQLite"
        }
    }

    fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == section)
    }
}

fn main() {
    let bench = arguments();
    let installed = rustls::crypto::ring::default_provider().install_default();
    drop(installed);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let Some(folder) = &bench.child {
        return runtime.block_on(memory::child(&bench, folder));
    }
    let lines = runtime.block_on(run(&bench));
    println!("\n{}", table::print(&bench, &lines));
}

async fn run(bench: &Bench) -> Vec<Line> {
    let mut lines = Vec::new();
    if bench.wants("throughput") {
        lines.extend(throughput::run(bench).await);
    }
    if bench.wants("launch") {
        lines.extend(launch::run(bench).await);
    }
    if bench.wants("memory") {
        lines.extend(memory::run(bench).await);
    }
    if bench.wants("import") {
        lines.extend(import::run(bench).await);
    }
    if bench.wants("tracking") {
        lines.extend(tracking::run(bench).await);
    }
    if bench.wants("nodes") {
        lines.extend(nodes::run(bench).await);
    }
    lines
}

fn arguments() -> Bench {
    let mut bench = Bench {
        people: 20_000,
        runs: 3,
        database: None,
        is_quick: false,
        verify: false,
        rules: throughput::Mode::Off,
        child: None,
        only: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value follows");
        match argument.as_str() {
            "--quick" => {
                bench.is_quick = true;
                bench.people = 2_000;
                bench.runs = 1;
            }
            "--only" => bench.only = value().split(',').map(str::to_owned).collect(),
            "--people" => bench.people = value().parse().expect("a number"),
            "--runs" => bench.runs = value().parse().expect("a number"),
            "--database" => bench.database = Some(value()),
            "--verify" => bench.verify = true,
            // The bench itself gives this to its own processes.
            "--child" => bench.child = Some(value().into()),
            "--rules" => {
                bench.rules = match value().as_str() {
                    "on" => throughput::Mode::On,
                    "off" => throughput::Mode::Off,
                    "compare" => throughput::Mode::Compare,
                    other => panic!("--rules is on, off or compare, not {other:?}"),
                };
            }
            // Cargo passes this to every bench.
            "--bench" => {}
            other => panic!("{other:?} is not known; see the head of benches/dispatch/main.rs"),
        }
    }
    bench
}
