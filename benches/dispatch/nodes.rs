//! Several nodes, each a process of its own, on one PostgreSQL.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use visavis::app::Parts;
use visavis::campaigns::plan;
use visavis::config::Settings;
use visavis::delivery::launch::{self, Occurrence};
use visavis::storage::DbUrl;
use visavis::templates::Template;

use crate::Bench;
use crate::house::{self, definition, import_people};
use crate::peer::Peer;
use crate::table::Line;

/// What a message takes at the relay of the first measure.
const TAKES: Duration = Duration::from_millis(50);

/// The common rate of the second, in messages a second.
const RATE: u32 = 200;

/// For server and nodes: no caps, since each wave goes to the same people; small leases, so that all have
/// work until the end.
const SETTINGS: &str = "pressure = []
[permission.levels]
situational.contacts_per_week = 0
brand_trust.contacts_per_week = 0
personal_relationship.contacts_per_week = 0
points.contacts_per_week = 0
[delivery]
chunk = 20
batch = 20
[email]
connections = 10
messages_per_connection = 1000000
";

/// Two nodes beside one on a slow relay, and three that share a rate.
pub async fn run(bench: &Bench) -> Vec<Line> {
    let Some(database) = &bench.database else {
        println!("NOT RUN: several nodes want PostgreSQL; give --database URL");
        return Vec::new();
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let parts = open(folder.path(), database).await;
    import_people(&parts, if bench.is_quick { 800 } else { 4_000 }).await;
    let mut shares = Vec::new();
    let mut paces = Vec::new();
    for run in 1..=bench.runs {
        let one = wave(&parts, database, 1, TAKES, None).await;
        let two = wave(&parts, database, 2, TAKES, None).await;
        let paced = wave(&parts, database, 3, Duration::ZERO, Some(RATE)).await;
        println!(
            "run {run}: one node {one:.0}/s, two {two:.0}/s; three that share {RATE}/s: {paced:.1}/s"
        );
        shares.push(two / one);
        paces.push(paced / f64::from(RATE));
    }
    let people = "measured at the relay, without start and end";
    vec![
        Line {
            what: "two nodes beside one".to_owned(),
            promised: "at least 1.90".to_owned(),
            values: shares,
            note: format!(
                "the relay takes {} ms a message; {people}",
                TAKES.as_millis()
            ),
        },
        Line {
            what: "three nodes' rate beside the one that is set".to_owned(),
            promised: "0.95 to 1.05".to_owned(),
            values: paces,
            note: format!("{RATE} messages a second; {people}"),
        },
    ]
}

async fn open(folder: &Path, database: &str) -> Parts {
    let file = folder.join("settings.toml");
    std::fs::write(&file, SETTINGS).expect("a file");
    let mut settings = Settings::load_from(Some(&file), HashMap::new()).expect("good settings");
    settings.data_dir = folder.to_owned();
    settings.database.url = Some(DbUrl::new(database));
    house::open_with(settings).await
}

/// Sends a wave with so many nodes; messages a second at the relay.
async fn wave(
    parts: &Parts,
    database: &str,
    nodes: usize,
    takes: Duration,
    rate: Option<u32>,
) -> f64 {
    let peer = Peer::start(takes).await;
    let nodes: Vec<Node> = (0..nodes)
        .map(|_| Node::start(&parts.settings.data_dir, database, peer.port, rate))
        .collect();
    // They look for work when it comes: all are there from its first message.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut definition = definition(&format!("nodes-{}", parts.clock.now_ms()));
    "super-chef".clone_into(&mut definition.template);
    let template = Template::embedded("super-chef").expect("a template of ours");
    let (id, _) = plan::apply(
        &parts.db,
        &definition,
        &[&template],
        None,
        "bench",
        parts.clock.now(),
    )
    .await
    .expect("it is applied");
    let options = parts.launch_options();
    let launched = launch::launch(
        &parts.db,
        id,
        Occurrence::ByHand,
        options,
        "bench",
        parts.clock.now(),
    )
    .await
    .expect("it is launched");
    let wanted = usize::try_from(launched.deliveries).expect("a small wave");
    let begin = Instant::now();
    while peer.count() < wanted {
        assert!(
            begin.elapsed() < Duration::from_secs(300),
            "{} of {wanted} messages arrived",
            peer.count()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(nodes);
    peer.rate()
}

/// A process with a data folder of its own and the secret of all; asked to end when dropped.
struct Node {
    child: Child,
    _folder: TempDir,
}

impl Node {
    fn start(common: &Path, database: &str, port: u16, rate: Option<u32>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in ["secret.key", "settings.toml"] {
            std::fs::copy(common.join(file), folder.path().join(file)).expect("a file");
        }
        let mut program = Command::new(env!("CARGO_BIN_EXE_visavis"));
        program
            .args(["work", "--config"])
            .arg(folder.path().join("settings.toml"))
            .arg("--data-dir")
            .arg(folder.path())
            .env("DATABASE_URL", database)
            .env("VISAVIS__EMAIL__RELAY__HOST", "127.0.0.1")
            .env("VISAVIS__EMAIL__RELAY__PORT", port.to_string())
            .env("VISAVIS__EMAIL__RELAY__TLS", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(rate) = rate {
            program.env("VISAVIS__EMAIL__RATE_PER_SECOND", rate.to_string());
        }
        Self {
            child: program.spawn().expect("the program starts"),
            _folder: folder,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
