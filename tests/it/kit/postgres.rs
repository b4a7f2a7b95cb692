//! A PostgreSQL server of the tests' own: in a temporary folder, on loopback, ended with the process.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Held for the life of the test process: its closing tells the watcher to end the server.
pub struct Server {
    _watch: ChildStdin,
    _watcher: Child,
    port: u16,
    bin: PathBuf,
    folder: PathBuf,
}

/// How a server is stopped before it starts again.
#[derive(Debug, Clone, Copy)]
pub enum Restart {
    /// Transactions are ended, and the files are left in order.
    Fast,
    /// As after a crash: it recovers from its log.
    Immediate,
}

impl Server {
    /// A server for one test, which may restart it; `None` (said aloud) when PostgreSQL is missing.
    pub fn of_its_own() -> Option<Self> {
        // What is committed survives the crash of a server (not that of the machine).
        let server = start("on");
        if server.is_none() {
            super::missing("PostgreSQL");
        }
        server
    }

    pub fn url(&self, name: &str) -> String {
        format!("postgres://visavis@127.0.0.1:{}/{name}", self.port)
    }

    /// Stops it and starts it again; waits until it answers.
    pub fn restart(&self, how: Restart) {
        let mode = match how {
            Restart::Fast => "fast",
            Restart::Immediate => "immediate",
        };
        let status = as_postgres(is_root(), &self.bin.join("pg_ctl"))
            .args(["restart", "-w", "-s", "-m", mode, "-D"])
            .arg(self.folder.join("data"))
            .arg("-l")
            // In the one folder that is the server's own.
            .arg(self.folder.join("data/restart.log"))
            .stdout(Stdio::null())
            .status()
            .expect("pg_ctl starts");
        assert!(status.success(), "PostgreSQL restarts");
    }
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();

/// The URL of database `name` on the shared server; `None` (said aloud) when PostgreSQL is missing.
pub fn url(name: &str) -> Option<String> {
    // A power cut is not among the faults of most tests.
    let server = SERVER.get_or_init(|| start("off"));
    match server {
        Some(server) => Some(server.url(name)),
        None => {
            super::missing("PostgreSQL");
            None
        }
    }
}

fn start(synchronous_commit: &str) -> Option<Server> {
    let bin = find_bin()?;
    // Not removed by us: the watcher removes it after the server has ended.
    let folder = tempfile::Builder::new()
        .prefix("visavis-postgres-")
        .tempdir()
        .expect("a temporary folder")
        .keep();
    let is_root = is_root();
    if is_root {
        // PostgreSQL refuses to run as root.
        run(Command::new("chown").args(["-R", "postgres"]).arg(&folder));
    }
    let data = folder.join("data");
    run(as_postgres(is_root, &bin.join("initdb"))
        .args([
            "-U",
            "visavis",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C.UTF-8",
            "-D",
        ])
        .arg(&data));
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
        .port();
    let mut server = as_postgres(is_root, &bin.join("postgres"));
    server
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
        .args([
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
        ])
        .args([
            "-c",
            &format!("synchronous_commit={synchronous_commit}"),
            "-c",
            "max_connections=300",
            "-c",
            "shared_buffers=128MB",
        ]);
    // The watcher's standard input is a pipe from us: it closes when this process ends, however it ends.
    let script = r#"log="$1"; folder="$2"; shift 2
        "$@" >"$log" 2>&1 </dev/null & server=$!
        read -r _
        kill -QUIT "$server" 2>/dev/null
        pkill -QUIT -F "$folder/data/postmaster.pid" 2>/dev/null
        wait "$server"
        rm -rf "$folder""#;
    let mut watcher = Command::new("sh");
    watcher
        .args(["-c", script, "watch"])
        .arg(folder.join("log"))
        .arg(&folder)
        .arg(server.get_program())
        .args(server.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut watcher = watcher.spawn().expect("a shell");
    let watch = watcher.stdin.take().expect("its standard input");
    wait_until_ready(&bin, port, &folder);
    Some(Server {
        _watch: watch,
        _watcher: watcher,
        port,
        bin,
        folder,
    })
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|out| out.stdout.starts_with(b"0\n"))
}

fn wait_until_ready(bin: &Path, port: u16, folder: &Path) {
    let begin = Instant::now();
    loop {
        let ready = Command::new(bin.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
            .status()
            .is_ok_and(|status| status.success());
        if ready {
            return;
        }
        if begin.elapsed() > Duration::from_secs(60) {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            std::io::stderr().write_all(log.as_bytes()).ok();
            panic!("PostgreSQL did not start within a minute");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn as_postgres(is_root: bool, program: &Path) -> Command {
    if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The newest installed server, by its folder.
fn find_bin() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop()
}
