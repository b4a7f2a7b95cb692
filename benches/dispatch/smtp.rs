//! Postfix's `smtp-sink` and `smtp-source`: what the wire allows.

use std::collections::HashSet;
use std::io::BufRead;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const CONNECTIONS: u32 = 10;

/// Messages of so many bytes a second of `smtp-source` to the sink.
pub fn source(port: u16, messages: u64, bytes: u64) -> f64 {
    let begin = Instant::now();
    let status = Command::new(program("smtp-source").expect("it is installed"))
        .args([
            "-d",
            "-s",
            &CONNECTIONS.to_string(),
            "-l",
            &bytes.to_string(),
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
pub struct Sink {
    child: Child,
    pub port: u16,
    kept: std::path::PathBuf,
}

impl Sink {
    pub fn start(folder: &Path, keep: bool) -> Self {
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

    /// How many bytes it has read so far.
    pub fn heard(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.child.id()));
        let io = io.unwrap_or_default();
        io.lines()
            .find_map(|line| line.strip_prefix("rchar: "))
            .and_then(|bytes| bytes.parse().ok())
            .expect("the system counts what a process reads")
    }

    /// Checks that the sink holds exactly one message for each of `expected` recipients of ours.
    pub fn verify(&self, expected: u64) {
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

pub fn program(name: &str) -> Option<std::path::PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}
