//! Clicks at the real server, beside an empty handler of the same framework in the same run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, HttpServer, web};
use tokio_util::sync::CancellationToken;
use visavis::app::{App, Parts};
use visavis::campaigns::plan;
use visavis::delivery::launch::{self, Occurrence};
use visavis::ids::{DeliveryKey, WaveId};
use visavis::storage::Sql;
use visavis::templates::Template;
use visavis::tokens::{LinkKind, LinkToken};

use crate::Bench;
use crate::house::{self, definition, import_people};
use crate::smtp::program;
use crate::table::Line;

/// Different links that are followed, at most.
const TOKENS: i64 = 20_000;
/// Connections that ask at once.
const CONNECTIONS: u32 = 64;
/// What makes a click a person's.
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";

/// What `wrk` saw.
struct Seen {
    per_second: f64,
    p99: Duration,
    answers: u64,
    errors: u64,
}

/// Asks both handlers in turn and prints each run.
pub async fn run(bench: &Bench) -> Vec<Line> {
    let Some(wrk) = program("wrk") else {
        println!("NOT RUN: wrk is missing (Debian package wrk)");
        return Vec::new();
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut parts = house::open(bench, folder.path()).await;
    let mut settings = (*parts.settings).clone();
    settings.web.listen = ([127, 0, 0, 1], 0).into();
    settings.web.console_listen = settings.web.listen;
    parts.settings = Arc::new(settings);
    import_people(&parts, bench.people).await;
    let (wave, deliveries) = sent_wave(&parts).await;
    let script = write_script(folder.path(), &parts, wave, deliveries);

    let empty = HttpServer::new(|| {
        actix_web::App::new().default_service(web::to(|| async { HttpResponse::Ok().finish() }))
    })
    .workers(2)
    .disable_signals()
    .bind("127.0.0.1:0")
    .expect("a free port");
    let empty_url = format!("http://{}/", empty.addrs().first().expect("it is bound"));
    let empty = empty.run();
    let empty_handle = empty.handle();
    let empty = tokio::spawn(empty);
    let app = App::build(parts).await.expect("it listens");
    let url = format!("http://{}/", app.public_address());
    let stop = CancellationToken::new();
    let app_stop = stop.clone();
    let app = tokio::spawn(async move { app.run(app_stop).await });

    let seconds = if bench.is_quick { 1 } else { 5 };
    for url in [&empty_url, &url] {
        ask(&wrk, &script, url, 1).await;
    }
    let mut ratios = Vec::new();
    let mut worst = Duration::ZERO;
    let mut last_clicks = 0.0;
    for run in 1..=bench.runs {
        all_written(&url).await;
        let nothing = ask(&wrk, &script, &empty_url, seconds).await;
        let clicks = ask(&wrk, &script, &url, seconds).await;
        let begin = Instant::now();
        all_written(&url).await;
        let ratio = clicks.per_second / nothing.per_second;
        println!(
            "run {run}: empty handler {:.0}/s, p99 {:.1} ms; clicks {:.0}/s, p99 {:.1} ms; ratio {ratio:.2}; \
             {} answered, {} refused, all in the database {:.1} s later",
            nothing.per_second,
            nothing.p99.as_secs_f64() * 1000.0,
            clicks.per_second,
            clicks.p99.as_secs_f64() * 1000.0,
            clicks.answers,
            clicks.errors,
            begin.elapsed().as_secs_f64(),
        );
        ratios.push(ratio);
        worst = worst.max(clicks.p99);
        last_clicks = clicks.per_second;
    }
    let metrics = metrics(&url).await;
    let answered = sum(&metrics, "visavis_http_requests_total", "302");
    let lost = sum(&metrics, "visavis_responses_lost_total", "");
    stop.cancel();
    app.await.expect("it ended").expect("it ran");
    empty_handle.stop(true).await;
    empty.await.expect("it ended").expect("it ran");
    let durable = clicks_on_record(folder.path(), bench).await;
    println!("{answered} clicks answered, {durable} in the database, {lost} lost");
    vec![
        Line {
            what: "clicks beside an empty handler".to_owned(),
            promised: "at least 0.50".to_owned(),
            values: ratios,
            note: format!(
                "{CONNECTIONS} connections; last run {last_clicks:.0}/s, worst p99 {:.1} ms",
                worst.as_secs_f64() * 1000.0
            ),
        },
        Line {
            what: "clicks durable of clicks answered".to_owned(),
            promised: "1.00".to_owned(),
            values: vec![durable as f64 / answered.max(1) as f64],
            note: format!("{answered} clicks"),
        },
    ]
}

/// A wave to everyone that was accepted an hour ago, as if it had been sent.
async fn sent_wave(parts: &Parts) -> (WaveId, i64) {
    let template = Template::embedded("super-chef").expect("a template of ours");
    let now = parts.clock.now();
    let name = format!("tracking-{}", now.timestamp_millis());
    let mut definition = definition(&name);
    "super-chef".clone_into(&mut definition.template);
    let (id, _) = plan::apply(&parts.db, &definition, &[&template], None, "bench", now)
        .await
        .expect("it is applied");
    let launched = launch::launch(
        &parts.db,
        id,
        Occurrence::ByHand,
        parts.launch_options(),
        "bench",
        now,
    )
    .await
    .expect("it is launched");
    let wave = launched.wave;
    let an_hour_ago = now.timestamp_millis() - 3_600_000;
    let txn = parts.db.begin().await.expect("a transaction");
    for sql in [
        format!(
            "UPDATE deliveries SET state = 2, settled_at = {an_hour_ago} WHERE wave_id = {wave} AND state = 0"
        ),
        format!("UPDATE leases SET is_done = TRUE WHERE wave_id = {wave}"),
        format!("UPDATE waves SET status = 'finished' WHERE id = {wave}"),
    ] {
        txn.run(sql, []).await.expect("it is written");
    }
    txn.commit().await.expect("it is written");
    (wave, i64::try_from(launched.deliveries).expect("few"))
}

/// A script for `wrk` that follows one link after the other, and prints figures at the end.
fn write_script(folder: &Path, parts: &Parts, wave: WaveId, deliveries: i64) -> PathBuf {
    let mut script = String::from("local paths = {\n");
    // A step that has no divisor in common with most counts spreads them over the whole wave.
    for n in 0..TOKENS.min(deliveries) {
        let token = LinkToken {
            delivery: DeliveryKey {
                wave,
                seq: (n * 7_919) % deliveries + 1,
            },
            kind: LinkKind::Click(0),
        };
        writeln!(script, "\"/c/{}\",", token.encode(&parts.keys)).expect("a text takes it");
    }
    write!(
        script,
        r#"}}
local requests = {{}}
local next_one = 0
local threads = 0
function setup(thread)
  thread:set("start", threads)
  threads = threads + 1
end
function init(args)
  for i, path in ipairs(paths) do
    requests[i] = wrk.format("GET", path, {{["User-Agent"] = "{AGENT}", ["Host"] = "localhost"}})
  end
  next_one = start * 997
end
function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#
    )
    .expect("a text takes it");
    let path = folder.join("clicks.lua");
    std::fs::write(&path, script).expect("a file");
    path
}

async fn ask(wrk: &Path, script: &Path, url: &str, seconds: u32) -> Seen {
    let mut command = Command::new(wrk);
    command
        .args(["-t", "2", "-c", &CONNECTIONS.to_string()])
        .arg(format!("-d{seconds}s"))
        .arg("-s")
        .arg(script)
        .arg(url);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("it ended")
        .expect("wrk starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = text
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .unwrap_or_else(|| panic!("wrk gave no figures: {text}"))
        .split(' ')
        .map(|figure| figure.parse().expect("a number"))
        .collect();
    let [answers, microseconds, p99, errors] = figures[..] else {
        panic!("wrk gave other figures: {text}");
    };
    Seen {
        per_second: answers * 1e6 / microseconds,
        p99: Duration::from_secs_f64(p99 / 1e6),
        answers: answers.round().to_string().parse().expect("a count"),
        errors: errors.round().to_string().parse().expect("a count"),
    }
}

async fn metrics(url: &str) -> String {
    let answer = reqwest::get(format!("{url}metrics")).await;
    let text = answer.expect("it answers").text().await;
    text.expect("a text")
}

/// The sum of the series of a metric whose labels contain `label`.
fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    metrics
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(label))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .map(|value| value.round().to_string().parse::<u64>().expect("a count"))
        .sum()
}

async fn all_written(url: &str) {
    while sum(&metrics(url).await, "visavis_responses_waiting", "") > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many clicks the database has. The server closed its pool, so it is opened again.
async fn clicks_on_record(folder: &Path, bench: &Bench) -> u64 {
    let parts = house::open(bench, folder).await;
    let row = parts
        .db
        .row(
            "SELECT COUNT(*) AS n FROM responses WHERE kind = 'click'",
            [],
        )
        .await
        .expect("the database is there")
        .expect("a count");
    let n: i64 = row.try_get("", "n").expect("a count");
    n.unsigned_abs()
}
