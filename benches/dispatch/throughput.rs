//! Waves to the sink, beside `smtp-source` in the same run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use visavis::app::Parts;
use visavis::config::{
    DkimKeyKind, DkimSettings, PressureSettings, QuietHoursSettings, Settings, WindowKind,
};
use visavis::delivery::store;
use visavis::gate::rules::Rules;
use visavis::storage::Sql;

use crate::Bench;
use crate::house::{self, definition, import_people};
use crate::smtp::{CONNECTIONS, Sink, program, source};
use crate::table::Line;

/// Which rules the gate asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    On,
    Off,
    /// Both, in turn.
    Compare,
}

/// How messages are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    None,
    Ed25519,
    Rsa2048,
}

/// Sends waves and prints each run.
pub async fn run(bench: &Bench) -> Vec<Line> {
    if program("smtp-sink").is_none() || program("smtp-source").is_none() {
        println!("NOT RUN: smtp-sink and smtp-source are missing (Debian package postfix)");
        return Vec::new();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let parts = house::open(bench, folder.path()).await;
    import_people(&parts, bench.people).await;
    let modes: &[Mode] = match bench.rules {
        Mode::On => &[Mode::On],
        Mode::Off => &[Mode::Off],
        Mode::Compare => &[Mode::Off, Mode::On],
    };
    if bench.rules != Mode::Off {
        remember(&parts).await;
        launch_rival(&parts).await;
    }
    let note = format!("{CONNECTIONS} connections, {} people", bench.people);
    let mut plain = Line {
        what: "throughput beside `smtp-source`".to_owned(),
        promised: "at least 0.90".to_owned(),
        values: Vec::new(),
        note: note.clone(),
    };
    let mut cost = Line {
        what: "throughput, all rules on beside off".to_owned(),
        promised: "at least 0.85".to_owned(),
        values: Vec::new(),
        note: note.clone(),
    };
    for run in 1..=bench.runs {
        let mut last_off = 0.0;
        for mode in modes {
            let sent = send(&parts, folder.path(), *mode, Signature::None, bench.verify).await;
            println!("run {run}, rules {mode:?}: {sent}");
            plain.values.push(sent.ratio());
            if *mode == Mode::Off {
                last_off = sent.rate;
            } else if bench.rules == Mode::Compare {
                cost.values.push(sent.rate / last_off);
            }
        }
    }
    let mut lines = vec![plain];
    if bench.rules == Mode::Compare {
        lines.push(cost);
    }
    if bench.rules != Mode::Off || bench.verify {
        return lines;
    }
    for (signature, promised) in [
        (Signature::Ed25519, "at least 0.60"),
        (Signature::Rsa2048, "reported"),
    ] {
        let mut line = Line {
            what: format!("the same with DKIM ({signature:?})"),
            promised: promised.to_owned(),
            values: Vec::new(),
            note: note.clone(),
        };
        for run in 1..=bench.runs {
            let sent = send(&parts, folder.path(), Mode::Off, signature, false).await;
            println!("run {run}, {signature:?}: {sent}");
            line.values.push(sent.ratio());
        }
        lines.push(line);
    }
    lines
}

/// One wave, and `smtp-source` after it.
struct Sent {
    launch: Duration,
    /// Of a message, with its commands.
    bytes: u64,
    rate: f64,
    source: f64,
    /// Of this process, the database in it included, in microseconds a message.
    cpu: f64,
}

impl Sent {
    fn ratio(&self) -> f64 {
        self.rate / self.source
    }
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "launch {:.2} s; {} bytes a message; visavis {:.0}/s ({:.0} µs of CPU each); smtp-source {:.0}/s; ratio {:.2}",
            self.launch.as_secs_f64(),
            self.bytes,
            self.rate,
            self.cpu,
            self.source,
            self.ratio()
        )
    }
}

async fn send(
    parts: &Parts,
    folder: &Path,
    mode: Mode,
    signature: Signature,
    verify: bool,
) -> Sent {
    let sink = Sink::start(folder, verify);
    let begin = Instant::now();
    let mut parts = parts.clone();
    let mut settings = (*parts.settings).clone();
    settings.email.relay = Some(house::relay(sink.port));
    settings.email.dkim = sign(folder, signature);
    apply(&mut settings, mode);
    parts.rules = Arc::new(Rules::new(&settings).expect("good rules"));
    parts.settings = Arc::new(settings);
    let mut definition = definition(&format!("bench-{}", parts.clock.now().timestamp_micros()));
    definition.per_household = mode == Mode::On;
    let launched = house::launch(&parts, &definition).await;
    let launch = begin.elapsed();
    let engine = parts.engine().await.expect("an engine");
    let heard = sink.heard();
    let (begin, before) = (Instant::now(), cpu());
    let accepted = engine
        .run_until_idle(&CancellationToken::new())
        .await
        .expect("the database is there");
    let (sending, cpu) = (begin.elapsed(), cpu() - before);
    engine.close().await;
    let counters = store::counters(&*parts.db, launched.wave)
        .await
        .expect("the database is there");
    let counted = counters.get("accepted").copied().unwrap_or(0);
    assert_eq!(counted.unsigned_abs(), accepted);
    assert_eq!(accepted, launched.deliveries, "all were accepted");
    if verify {
        sink.verify(accepted);
    }
    let bytes = (sink.heard() - heard) / accepted.max(1);
    Sent {
        launch,
        bytes,
        rate: accepted as f64 / sending.as_secs_f64(),
        // After it, since only then the size of our messages is known.
        source: source(sink.port, launched.deliveries, bytes),
        cpu: cpu.as_secs_f64() * 1e6 / accepted as f64,
    }
}

/// User and system time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, in hundredths of a second; the name before them may hold spaces.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// A fresh key of the kind, made by OpenSSL.
fn sign(folder: &Path, signature: Signature) -> Vec<DkimSettings> {
    let (kind, arguments): (_, &[&str]) = match signature {
        Signature::None => return Vec::new(),
        Signature::Ed25519 => (DkimKeyKind::Ed25519, &["-algorithm", "ed25519"]),
        Signature::Rsa2048 => (
            DkimKeyKind::Rsa,
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        ),
    };
    let file = folder.join("dkim.pem");
    let made = Command::new("openssl")
        .arg("genpkey")
        .args(arguments)
        .arg("-out")
        .arg(&file)
        .stderr(Stdio::null())
        .status()
        .expect("openssl starts");
    assert!(made.success());
    vec![DkimSettings {
        domain: "vaisselle.example".to_owned(),
        selector: "v1".to_owned(),
        kind,
        key: None,
        key_file: Some(file),
    }]
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
            provider: None,
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
    house::launch(parts, &rival).await;
}
