//! Messages a second, end to end, beside what the wire allows.
//!
//! `cargo bench --bench dispatch -- [--people 20000] [--runs 3] [--database URL] [--verify]
//!     [--rules on|off|compare]`
//!
//! In each run Postfix's `smtp-source` sends as many messages of the same size over as many connections
//! to the same `smtp-sink` as the wave that follows, with ledger, gate, rendering and tracked links on.
//! The ratio is what counts; absolute figures depend on the machine. `--verify` lets the sink keep the
//! mail and checks that each recipient got exactly one (and is not timed against `smtp-source`).
//!
//! `--rules` tells what the gate costs: `on` is three pressure caps (one of calendar days), a weekly cap by
//! level, quiet hours that are open, one message a household and a running wave of a higher priority, over
//! a contact history of ten messages a person; `off` is none of that. `compare` sends a wave of each in
//! turn in every run.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot run says so by failing; its counts are far below 2^53"
)]

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use visavis::app::Parts;
use visavis::campaigns::definition::Definition;
use visavis::campaigns::plan;
use visavis::clock::{Clock, SystemClock};
use visavis::config::{
    PressureSettings, QuietHoursSettings, RelaySettings, RelayTls, Settings, WindowKind,
};
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::customers::sample;
use visavis::delivery::launch::{self, Occurrence};
use visavis::delivery::store;
use visavis::gate::rules::Rules;
use visavis::storage::{Db, DbUrl, Sql};
use visavis::templates::Template;

const CONNECTIONS: u32 = 10;
const MESSAGE_BYTES: usize = 10_240;

struct Wanted {
    people: u32,
    runs: usize,
    database: Option<String>,
    verify: bool,
    rules: Mode,
}

/// Which rules the gate asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    On,
    Off,
    /// Both, in turn.
    Compare,
}

fn main() {
    let wanted = arguments();
    if program("smtp-sink").is_none() || program("smtp-source").is_none() {
        println!("NOT RUN: smtp-sink and smtp-source are missing (Debian package postfix)");
        return;
    }
    let installed = rustls::crypto::ring::default_provider().install_default();
    drop(installed);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run(&wanted));
}

async fn run(wanted: &Wanted) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut settings = Settings::load_from(None, HashMap::new()).expect("the defaults are good");
    settings.data_dir = folder.path().to_owned();
    settings.database.url = wanted.database.clone().map(DbUrl::new);
    settings.email.connections = CONNECTIONS;
    settings.email.messages_per_connection = 1_000_000;
    settings.web.public_url = "https://mail.example".to_owned();
    let db = Db::open(&settings.database_url(), 10)
        .await
        .expect("the database opens");
    db.migrate().await.expect("the schema");
    db.close().await;
    let clock = Arc::new(SystemClock);
    let parts = Parts::open(settings, clock.clone())
        .await
        .expect("it opens");
    import_people(&parts, wanted.people).await;
    let modes: &[Mode] = match wanted.rules {
        Mode::On => &[Mode::On],
        Mode::Off => &[Mode::Off],
        Mode::Compare => &[Mode::Off, Mode::On],
    };
    if wanted.rules != Mode::Off {
        remember(&parts).await;
        launch_rival(&parts).await;
    }

    let mut ratios = Vec::new();
    let mut costs = Vec::new();
    let mut last_off = 0.0;
    for (run, mode) in (1..=wanted.runs).flat_map(|run| modes.iter().map(move |mode| (run, *mode)))
    {
        let sink = Sink::start(folder.path(), wanted.verify);
        let begin = Instant::now();
        let mut parts = parts.clone();
        let mut settings = (*parts.settings).clone();
        settings.email.relay = Some(RelaySettings {
            host: "127.0.0.1".to_owned(),
            port: sink.port,
            tls: RelayTls::None,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
        });
        apply(&mut settings, mode);
        parts.rules = Arc::new(Rules::new(&settings).expect("good rules"));
        parts.settings = Arc::new(settings);
        let name = format!("bench-{run}-{}", clock.now_ms());
        let mut definition = definition(&name);
        definition.per_household = mode == Mode::On;
        let template = Template::embedded("super-chef").expect("a template of ours");
        let (id, _) = plan::apply(&parts.db, &definition, &template, clock.now())
            .await
            .expect("it is applied");
        let launched = launch::launch(
            &parts.db,
            id,
            Occurrence::ByHand,
            parts.launch_options(),
            clock.now(),
        )
        .await
        .expect("it is launched");
        let launch_time = begin.elapsed();
        let source = source(sink.port, launched.deliveries);
        let engine = parts.engine().await.expect("an engine");
        let begin = Instant::now();
        let accepted = engine
            .run_until_idle(&CancellationToken::new())
            .await
            .expect("the database is there");
        let sending = begin.elapsed();
        engine.close().await;
        let counters = store::counters(&*parts.db, launched.wave)
            .await
            .expect("the database is there");
        assert_eq!(
            counters
                .get("accepted")
                .copied()
                .unwrap_or(0)
                .unsigned_abs(),
            accepted
        );
        assert_eq!(accepted, launched.deliveries, "all were accepted");
        let rate = accepted as f64 / sending.as_secs_f64();
        if mode == Mode::Off {
            last_off = rate;
        } else if wanted.rules == Mode::Compare {
            costs.push(rate / last_off);
        }
        println!(
            "run {run}, rules {}: launch {:.2} s; visavis {rate:.0}/s; smtp-source {source:.0}/s; ratio {:.2}",
            if mode == Mode::On { "on" } else { "off" },
            launch_time.as_secs_f64(),
            rate / source
        );
        ratios.push(rate / source);
        if wanted.verify {
            sink.verify(accepted);
        }
    }
    costs.sort_by(f64::total_cmp);
    if let (Some(median), Some(low), Some(high)) =
        (costs.get(costs.len() / 2), costs.first(), costs.last())
    {
        println!("rules on to off: median {median:.3}, from {low:.3} to {high:.3}");
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "ratio to smtp-source, {} connections, {} database: median {:.2}, from {:.2} to {:.2}",
        CONNECTIONS,
        if wanted.database.is_some() {
            "given"
        } else {
            "SQLite"
        },
        ratios.get(ratios.len() / 2).copied().unwrap_or(0.0),
        ratios.first().copied().unwrap_or(0.0),
        ratios.last().copied().unwrap_or(0.0)
    );
}

/// The rules of a mode. The caps are wide, so that both modes send the same messages.
fn apply(settings: &mut Settings, mode: Mode) {
    let levels = &mut settings.permission.levels;
    let week = if mode == Mode::On { 10_000 } else { 0 };
    for level in [
        &mut levels.situational,
        &mut levels.brand_trust,
        &mut levels.personal_relationship,
        &mut levels.points,
        &mut levels.intravenous,
    ] {
        level.contacts_per_week = week;
    }
    settings.pressure.clear();
    settings.quiet_hours.clear();
    if mode == Mode::On {
        for (days, window, topic) in [
            (1, WindowKind::Calendar, None),
            (7, WindowKind::Sliding, None),
            (30, WindowKind::Sliding, Some("offers".to_owned())),
        ] {
            settings.pressure.push(PressureSettings {
                max: 10_000,
                days,
                window,
                channel: None,
                topic,
            });
        }
        settings.quiet_hours.push(QuietHoursSettings {
            channel: "email".to_owned(),
            country: None,
            allowed: vec!["Mon-Sun 00:00-24:00".to_owned()],
            holidays_are_quiet: false,
        });
    }
}

/// Ten messages a person over the last four weeks.
async fn remember(parts: &Parts) {
    let now = parts.clock.now_ms();
    let txn = parts.db.begin().await.expect("a transaction");
    for n in 1..=10_i64 {
        txn.run(
            "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
             SELECT id, $1, $2, id, 'email', 'offers' FROM customers",
            [(now - n * 240_000_000).into(), (-n).into()],
        )
        .await
        .expect("a history");
    }
    txn.commit().await.expect("it is written");
}

/// A running wave of a higher priority to everyone, due tomorrow.
async fn launch_rival(parts: &Parts) {
    let tomorrow = (parts.clock.now() + chrono::Duration::days(1)).format("%Y-%m-%dT%H:%M");
    let mut rival = definition(&format!("rival-{}", parts.clock.now_ms()));
    rival.priority = 50;
    rival.schedule = Some(
        toml::from_str(&format!("at = \"{tomorrow}\"\nzone = \"recipient\"")).expect("a schedule"),
    );
    let template = Template::embedded("super-chef").expect("a template of ours");
    let (id, _) = plan::apply(&parts.db, &rival, &template, parts.clock.now())
        .await
        .expect("it is applied");
    launch::launch(
        &parts.db,
        id,
        Occurrence::ByHand,
        parts.launch_options(),
        parts.clock.now(),
    )
    .await
    .expect("it is launched");
}

fn definition(name: &str) -> Definition {
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
    Definition::parse(&text, "bench").expect("a good definition")
}

async fn import_people(parts: &Parts, people: u32) {
    let file = parts.settings.data_dir.join("customers.csv");
    sample::write_customers(&file, people, 1, parts.clock.now().date_naive()).expect("a file");
    let begin = Instant::now();
    let report = import::run(
        &parts.db,
        &parts.keys,
        parts.clock.now_ms(),
        ImportRequest::new(&file, ImportKind::Customers),
        |_| {},
    )
    .await
    .expect("it is imported");
    println!(
        "imported {} customers in {:.1} s",
        report.created,
        begin.elapsed().as_secs_f64()
    );
}

/// Messages a second of `smtp-source` to the sink.
fn source(port: u16, messages: u64) -> f64 {
    let begin = Instant::now();
    let status = Command::new(program("smtp-source").expect("it is installed"))
        .args([
            "-d",
            "-s",
            &CONNECTIONS.to_string(),
            "-l",
            &MESSAGE_BYTES.to_string(),
        ])
        .args([
            "-m",
            &messages.to_string(),
            "-f",
            "from@source.example",
            "-t",
            "to@source.example",
        ])
        .arg(format!("127.0.0.1:{port}"))
        .status()
        .expect("smtp-source starts");
    assert!(status.success());
    messages as f64 / begin.elapsed().as_secs_f64()
}

/// A running `smtp-sink`, ended when dropped.
struct Sink {
    child: Child,
    port: u16,
    kept: std::path::PathBuf,
}

impl Sink {
    fn start(folder: &Path, keep: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a free port")
            .port();
        let kept = folder.join(format!("sink-{port}"));
        let mut command = Command::new(program("smtp-sink").expect("it is installed"));
        if keep {
            command.arg("-D").arg(&kept);
        }
        let is_root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|out| out.stdout.starts_with(b"0\n"));
        if is_root {
            // It insists on being told.
            command.args(["-u", "root"]);
        }
        let child = command
            .arg(format!("127.0.0.1:{port}"))
            .arg("1000")
            .stdout(Stdio::null())
            .spawn()
            .expect("smtp-sink starts");
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "smtp-sink listens"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port, kept }
    }

    /// Checks that the sink holds exactly one message for each of `expected` recipients of ours.
    fn verify(&self, expected: u64) {
        let file = std::fs::File::open(&self.kept).expect("the sink kept the mail");
        let mut recipients = HashSet::new();
        let mut messages = 0_u64;
        for line in std::io::BufReader::new(file).split(b'\n') {
            let line = line.expect("it can be read");
            if line.starts_with(b"X-Rcpt-Args:")
                && !line.ends_with(b"source.example>")
                && !line.ends_with(b"source.example")
            {
                messages += 1;
                recipients.insert(line);
            }
        }
        assert_eq!(messages, expected, "the sink got every message once");
        assert_eq!(recipients.len() as u64, expected, "each recipient once");
        println!(
            "verified at the sink: {messages} messages, {} recipients",
            recipients.len()
        );
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(name: &str) -> Option<std::path::PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

fn arguments() -> Wanted {
    let mut wanted = Wanted {
        people: 20_000,
        runs: 3,
        database: None,
        verify: false,
        rules: Mode::Off,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value follows");
        match argument.as_str() {
            "--people" => wanted.people = value().parse().expect("a number"),
            "--runs" => wanted.runs = value().parse().expect("a number"),
            "--database" => wanted.database = Some(value()),
            "--verify" => wanted.verify = true,
            "--rules" => {
                wanted.rules = match value().as_str() {
                    "on" => Mode::On,
                    "off" => Mode::Off,
                    "compare" => Mode::Compare,
                    other => panic!("--rules is on, off or compare, not {other:?}"),
                };
            }
            // Cargo passes this to every bench.
            "--bench" => {}
            other => panic!("{other:?} is not known; see the head of benches/dispatch.rs"),
        }
    }
    wanted
}
