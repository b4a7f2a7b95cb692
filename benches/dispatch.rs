//! Messages a second, end to end, beside what the wire allows.
//!
//! `cargo bench --bench dispatch -- [--people 20000] [--runs 3] [--database URL] [--verify]`
//!
//! In each run Postfix's `smtp-source` sends as many messages of the same size over as many connections
//! to the same `smtp-sink` as the wave that follows, with ledger, gate, rendering and tracked links on.
//! The ratio is what counts; absolute figures depend on the machine. `--verify` lets the sink keep the
//! mail and checks that each recipient got exactly one (and is not timed against `smtp-source`).

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
use visavis::config::{RelaySettings, RelayTls, Settings};
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::customers::sample;
use visavis::delivery::launch::{self, Occurrence};
use visavis::delivery::store;
use visavis::storage::{Db, DbUrl};
use visavis::templates::Template;

const CONNECTIONS: u32 = 10;
const MESSAGE_BYTES: usize = 10_240;

struct Wanted {
    people: u32,
    runs: usize,
    database: Option<String>,
    verify: bool,
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

    let mut ratios = Vec::new();
    for run in 1..=wanted.runs {
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
        parts.settings = Arc::new(settings);
        let name = format!("bench-{run}-{}", clock.now_ms());
        let definition = definition(&name);
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
        println!(
            "run {run}: launch {:.2} s; visavis {rate:.0}/s; smtp-source {source:.0}/s; ratio {:.2}",
            launch_time.as_secs_f64(),
            rate / source
        );
        ratios.push(rate / source);
        if wanted.verify {
            sink.verify(accepted);
        }
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
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value follows");
        match argument.as_str() {
            "--people" => wanted.people = value().parse().expect("a number"),
            "--runs" => wanted.runs = value().parse().expect("a number"),
            "--database" => wanted.database = Some(value()),
            "--verify" => wanted.verify = true,
            // Cargo passes this to every bench.
            "--bench" => {}
            other => panic!("{other:?} is not known; see the head of benches/dispatch.rs"),
        }
    }
    wanted
}
