//! A wave during which people opt out at random moments: is anybody contacted after the answer, and how
//! long do answers take?
//!
//! `cargo bench --bench opt_out -- [--people 100000] [--opt-outs 1000] [--database URL]`
//!
//! With `--database` (PostgreSQL, empty) two nodes send. One-click POSTs go through the real HTTP server,
//! messages to an SMTP peer in this process, so that both are stamped by one clock.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot run says so by failing"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use visavis::app::{App, Parts};
use visavis::campaigns::definition::Definition;
use visavis::campaigns::plan;
use visavis::clock::{Clock, SystemClock};
use visavis::config::{RelaySettings, Settings};
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::delivery::launch::{self, Occurrence};
use visavis::delivery::store;
use visavis::ids::DeliveryKey;
use visavis::storage::{Db, DbUrl, Dialect};
use visavis::templates::Template;
use visavis::tokens::{LinkKind, LinkToken};

/// The recipient, and when the final dot of his message arrived.
type Arrivals = Arc<Mutex<HashMap<String, Instant>>>;

struct Wanted {
    people: u32,
    opt_outs: usize,
    database: Option<String>,
}

fn main() {
    let wanted = arguments();
    let installed = rustls::crypto::ring::default_provider().install_default();
    drop(installed);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run(&wanted));
}

async fn run(wanted: &Wanted) {
    let arrivals = Arrivals::default();
    let port = peer(Arc::clone(&arrivals)).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut settings = Settings::load_from(None, HashMap::new()).expect("the defaults are good");
    settings.data_dir = folder.path().join("first");
    settings.database.url = Some(match &wanted.database {
        Some(url) => DbUrl::new(url.clone()),
        None => DbUrl::sqlite_file(&folder.path().join("visavis.db")),
    });
    settings.web.listen = ([127, 0, 0, 1], 0).into();
    settings.web.console_listen = settings.web.listen;
    settings.web.public_url = "http://localhost:0".to_owned();
    settings.email.relay = Some(RelaySettings::plain("127.0.0.1", port));
    let db = Db::open(&settings.database_url(), 2)
        .await
        .expect("the database opens");
    db.migrate().await.expect("the schema");
    db.close().await;
    let clock = Arc::new(SystemClock);
    let first = Parts::open(settings.clone(), clock.clone())
        .await
        .expect("it opens");
    import_people(&first, wanted.people).await;
    let definition = definition();
    let template = Template::embedded("super-chef").expect("a template of ours");
    let (id, _) = plan::apply(
        &first.db,
        &definition,
        &[&template],
        None,
        "bench",
        clock.now(),
    )
    .await
    .expect("it is applied");
    let options = first.launch_options();
    let launched = launch::launch(
        &first.db,
        id,
        Occurrence::ByHand,
        options,
        "bench",
        clock.now(),
    )
    .await
    .expect("it is launched");

    let (keys, db, is_shared) = (
        first.keys.clone(),
        first.db.clone(),
        first.db.dialect() == Dialect::Postgres,
    );
    let recipients = recipients(&db, launched.wave).await;
    let second = if is_shared {
        settings.data_dir = folder.path().join("second");
        std::fs::create_dir_all(&settings.data_dir).expect("a folder");
        let secret = folder.path().join("first/secret.key");
        std::fs::copy(secret, settings.data_dir.join("secret.key")).expect("the secret");
        Some(
            Parts::open(settings, clock.clone())
                .await
                .expect("it opens"),
        )
    } else {
        None
    };
    let stop = CancellationToken::new();
    let mut nodes = tokio::task::JoinSet::new();
    let app = App::build(first).await.expect("it listens");
    let base = format!("http://{}", app.public_address());
    let begin = Instant::now();
    let app_stop = stop.clone();
    nodes.spawn(async move { app.run(app_stop).await.expect("it runs") });
    if let Some(second) = second {
        let engine = second.engine().await.expect("an engine");
        let stop = stop.clone();
        nodes.spawn(async move { engine.run(&stop).await.expect("it runs") });
    }

    let mut chance = StdRng::seed_from_u64(7);
    let mut seqs: Vec<i64> = recipients.keys().copied().collect();
    seqs.sort_unstable();
    seqs.shuffle(&mut chance);
    seqs.truncate(wanted.opt_outs);
    let client = reqwest::Client::new();
    let mut asked = tokio::task::JoinSet::new();
    for (n, seq) in seqs.into_iter().enumerate() {
        // Spread over the wave: the n-th opt-out comes when its share of the messages has left.
        // Of four fifths: who opts out lessens what can arrive.
        let share = recipients.len() * n * 4 / 5 / wanted.opt_outs.max(1);
        let waiting = Instant::now();
        while arrivals.lock().expect("no panic").len() < share
            && waiting.elapsed() < Duration::from_secs(20)
        {
            tokio::time::sleep(Duration::from_millis(chance.random_range(1..5))).await;
        }
        let token = LinkToken {
            delivery: DeliveryKey {
                wave: launched.wave,
                seq,
            },
            kind: LinkKind::Unsubscribe,
        };
        let url = format!("{base}/u/{}", token.encode(&keys));
        let client = client.clone();
        asked.spawn(async move {
            let begin = Instant::now();
            let answer = client
                .post(url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body("List-Unsubscribe=One-Click")
                .send()
                .await
                .expect("an answer");
            assert_eq!(answer.status(), 200);
            (seq, Instant::now(), begin.elapsed())
        });
    }
    let answers = asked.join_all().await;
    loop {
        let counters = store::counters(&*db, launched.wave)
            .await
            .expect("the database is there");
        let left = ["pending", "sending"].map(|name| counters.get(name).copied().unwrap_or(0));
        if left == [0, 0] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = begin.elapsed();
    stop.cancel();
    nodes.join_all().await;

    let arrivals = arrivals.lock().expect("no panic");
    let (mut violations, mut in_time) = (0, 0);
    let mut waits: Vec<Duration> = Vec::with_capacity(answers.len());
    for (seq, answered, waited) in &answers {
        waits.push(*waited);
        match recipients.get(seq).and_then(|local| arrivals.get(local)) {
            Some(arrived) if arrived > answered => violations += 1,
            Some(_) => {}
            None => in_time += 1,
        }
    }
    waits.sort_unstable();
    let at = |percent: usize| {
        waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1)))
    };
    println!(
        "{} messages in {:.1} s, {} nodes; {} opt-outs, of which {in_time} came before the message",
        arrivals.len(),
        took.as_secs_f64(),
        if is_shared { 2 } else { 1 },
        answers.len(),
    );
    println!(
        "answers took {:?} (median), {:?} (95 %), {:?} (longest)",
        at(50).copied().unwrap_or_default(),
        at(95).copied().unwrap_or_default(),
        at(100).copied().unwrap_or_default()
    );
    println!("contacted after the answer: {violations}");
    assert_eq!(violations, 0);
}

/// Who stands where in the audience.
async fn recipients(db: &Db, wave: visavis::ids::WaveId) -> HashMap<i64, String> {
    use visavis::storage::Sql;
    db.rows(
        "SELECT d.seq, c.email FROM deliveries d JOIN customers c ON c.id = d.customer_id
         WHERE d.wave_id = $1 AND d.state = 0",
        [wave.0.into()],
    )
    .await
    .expect("the database is there")
    .iter()
    .map(|row| {
        let email: String = row.try_get("", "email").expect("an address");
        (row.try_get("", "seq").expect("a place"), email)
    })
    .collect()
}

fn definition() -> Definition {
    let text = r#"
        name = "opt-out-bench"
        segment = "everyone"
        template = "super-chef"
        topic = "offers"
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
    "#;
    Definition::parse(text, "bench").expect("a good definition")
}

async fn import_people(parts: &Parts, people: u32) {
    use std::io::Write;
    let file = parts.settings.data_dir.join("customers.csv");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file).expect("a file"));
    let header = "external_id,email,permission.email.offers,permission_source,permission_date,permission_basis";
    writeln!(out, "{header}").expect("room on the disk");
    for n in 0..people {
        writeln!(out, "p{n},p{n}@mail.example,yes,form 3,2026-03-01,consent")
            .expect("room on the disk");
    }
    out.flush().expect("room on the disk");
    let request = ImportRequest::new(&file, ImportKind::Customers);
    let report = import::run(
        &parts.db,
        &parts.keys,
        parts.clock.now_ms(),
        request,
        |_| {},
    )
    .await
    .expect("it is imported");
    println!("imported {} customers", report.created);
}

/// A relay that takes everything and notes when.
async fn peer(arrivals: Arrivals) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let arrivals = Arc::clone(&arrivals);
            tokio::spawn(async move {
                // The end of a session is a broken pipe like any other.
                let _ = session(stream, &arrivals).await;
            });
        }
    });
    port
}

async fn session(stream: TcpStream, arrivals: &Arrivals) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = BufReader::new(stream);
    wire.get_mut()
        .write_all(b"220 peer.example ESMTP\r\n")
        .await?;
    let (mut line, mut to) = (Vec::new(), String::new());
    loop {
        line.clear();
        if wire.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let answer: &[u8] = match text
            .get(..4)
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str()
        {
            "EHLO" => b"250-peer.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            "RCPT" => {
                to = text.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                b"250 2.1.5 OK\r\n"
            }
            "DATA" => {
                wire.get_mut().write_all(b"354 go ahead\r\n").await?;
                loop {
                    line.clear();
                    if wire.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                }
                let at = Instant::now();
                let twice = arrivals.lock().expect("no panic").insert(to.clone(), at);
                assert!(twice.is_none(), "nobody gets it twice");
                b"250 2.0.0 taken\r\n"
            }
            "QUIT" => b"221 2.0.0 bye\r\n",
            _ => b"250 2.0.0 OK\r\n",
        };
        wire.get_mut().write_all(answer).await?;
    }
}

fn arguments() -> Wanted {
    let mut wanted = Wanted {
        people: 100_000,
        opt_outs: 1_000,
        database: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value follows");
        match argument.as_str() {
            "--people" => wanted.people = value().parse().expect("a number"),
            "--opt-outs" => wanted.opt_outs = value().parse().expect("a number"),
            "--database" => wanted.database = Some(value()),
            // Cargo passes this to every bench.
            "--bench" => {}
            other => panic!("{other:?} is not known; see the head of benches/opt_out.rs"),
        }
    }
    wanted
}
