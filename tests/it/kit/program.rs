//! The program as it runs: a process of its own, which takes signals.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::database::TestDb;
use super::smtp::SmtpPeer;

/// A node: a data folder with the secret of the house, and how its program is started.
pub struct Node {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Node {
    /// Works on `db` and sends to `peer`, over eight connections.
    pub fn new(db: &TestDb, peer: &SmtpPeer) -> Self {
        // A list can only be emptied in a file.
        Self::texting(db, "pressure = []\n")
            .set("email.relay.host", "127.0.0.1")
            .set("email.relay.port", &peer.addr().port().to_string())
            .set("email.relay.tls", "none")
            .set("email.connections", "8")
            .set("email.timeout_seconds", "10")
    }

    /// Works on `db` with a settings file, without a relay.
    pub fn texting(db: &TestDb, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("secret.key"), "07".repeat(32)).expect("its secret");
        std::fs::write(folder.path().join("settings.toml"), settings).expect("its settings");
        let mut node = Self {
            folder,
            environment: Vec::new(),
        };
        node.environment
            .push(("DATABASE_URL".to_owned(), db.url.expose().to_owned()));
        node.set("web.listen", "127.0.0.1:0")
            .set("web.console_listen", "127.0.0.1:0")
            .set("database.max_connections", "6")
    }

    /// With this setting: `delivery.batch`, say.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        let name = key.to_uppercase().replace('.', "__");
        self.environment
            .push((format!("VISAVIS__{name}"), value.to_owned()));
        self
    }

    /// With this setting of its sessions on PostgreSQL.
    pub fn session(mut self, name: &str, value: &str) -> Self {
        for (variable, url) in &mut self.environment {
            if variable == "DATABASE_URL" {
                url.push_str(&format!("?options[{name}]={value}"));
            }
        }
        self
    }

    /// With a clock that goes so many seconds before (or, negative, behind) the machine's; `None` (said
    /// aloud) where libfaketime is not installed.
    pub fn clock_ahead(mut self, seconds: i64) -> Option<Self> {
        self.environment.retain(|(name, _)| name != "FAKETIME");
        let Some(library) = libfaketime() else {
            super::missing("libfaketime");
            return None;
        };
        for (name, value) in [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", &format!("{seconds:+}")),
            // Spans of time stay what they are.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ] {
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        Some(self)
    }

    /// Starts `visavis` with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Process {
        let folder = self.folder.path();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .expect("its log");
        let child = Command::new(env!("CARGO_BIN_EXE_visavis"))
            .args(arguments)
            .arg("--config")
            .arg(folder.join("settings.toml"))
            .arg("--data-dir")
            .arg(folder)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        Process(child)
    }

    /// Runs `visavis` with these arguments to its end, with something on its standard input; its exit code.
    pub fn feed(&self, arguments: &[&str], input: &[u8]) -> Option<i32> {
        use std::io::Write as _;
        let folder = self.folder.path();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .expect("its log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_visavis"))
            .args(arguments)
            .arg("--config")
            .arg(folder.join("settings.toml"))
            .arg("--data-dir")
            .arg(folder)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        // It may end before it has read anything.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        child.wait().expect("it is ours").code()
    }

    /// The last lines that it logged.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// What shifts the clock of a process (Debian's package libfaketime), whatever the machine's architecture.
fn libfaketime() -> Option<String> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    folders
        .filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketime.so.1")))
        .find(|path| path.exists())
        .and_then(|path| path.into_os_string().into_string().ok())
}

/// A running program; killed when dropped.
pub struct Process(Child);

impl Process {
    /// Ends it without warning; whether it was still at work.
    pub fn kill(mut self) -> bool {
        let was_at_work = self.is_running();
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it is ours");
        was_at_work
    }

    /// Sends it a signal: `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.0.id().to_string()])
            .status()
            .expect("kill (package procps)");
        assert!(sent.success(), "{name} was sent");
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("it is ours").is_none()
    }

    /// Waits for its end; panics after two minutes.
    pub async fn ended(mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("it is ours") {
                return status;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(120),
                "the program ends"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
