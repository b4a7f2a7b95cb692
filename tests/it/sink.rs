//! A wave to Postfix's `smtp-sink`, counted there: a peer that nobody of us wrote.

use std::collections::HashSet;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use visavis::config::{RelaySettings, Settings};

use crate::kit;
use crate::kit::house::House;
use crate::on_both;

/// A running `smtp-sink` that keeps what it gets in a file; ended when dropped.
struct Sink {
    child: Child,
    port: u16,
    kept: PathBuf,
}

impl Sink {
    /// `None` (said aloud) where Postfix is not installed.
    fn start(folder: &Path) -> Option<Self> {
        let program = Path::new("/usr/sbin/smtp-sink");
        if !program.exists() {
            kit::missing("Postfix's smtp-sink");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .unwrap()
            .port();
        let kept = folder.join("mail");
        let mut command = Command::new(program);
        command.arg("-D").arg(&kept);
        let user = Command::new("id").arg("-u").output().unwrap();
        if user.stdout.starts_with(b"0\n") {
            // It insists on being told.
            command.args(["-u", "root"]);
        }
        let child = command
            .arg(format!("127.0.0.1:{port}"))
            .arg("100")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "it listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, port, kept })
    }

    /// The recipients of what it got, in order.
    fn recipients(&self) -> Vec<String> {
        let mail = std::fs::read(&self.kept).unwrap();
        String::from_utf8_lossy(&mail)
            .lines()
            .filter_map(|line| line.strip_prefix("X-Rcpt-Args: "))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

on_both! {
    async fn a_wave_arrives_at_a_strangers_server_once_each(db: &TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let Some(sink) = Sink::start(folder.path()) else {
            return;
        };
        let mut email = Settings::load_from(None, Default::default()).unwrap().email;
        email.relay = Some(RelaySettings::plain("127.0.0.1", sink.port));
        let house = House::new(db, Some(email));
        house.add_customers(1_000, "mail.example").await;
        let wave = house.send("spring").await;
        assert_eq!(house.deliver().await, 1_000);
        assert_eq!(house.ledger(wave).await, [("accepted", 1_000)].into());
        let recipients = sink.recipients();
        assert_eq!(recipients.len(), 1_000);
        assert_eq!(recipients.into_iter().collect::<HashSet<_>>().len(), 1_000);
    }
}
