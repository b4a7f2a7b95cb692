//! A Dovecot of a test's own: in a temporary folder, on loopback, ended with the test.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use visavis::config::{ImapSettings, RelayTls, Then};

/// An IMAP server with one mailbox.
pub struct Dovecot {
    folder: TempDir,
    server: Child,
    plain_port: u16,
    tls_port: u16,
    count: AtomicU32,
}

impl Dovecot {
    /// `None` (said aloud) where it is not installed.
    pub fn start() -> Option<Self> {
        let program = ["/usr/sbin/dovecot", "/usr/bin/dovecot"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let Some(program) = program else {
            super::missing("dovecot (package dovecot-imapd)");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        super::certificate::localhost(root, RelayTls::Implicit)?;
        for sub in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(root.join("mail").join(sub)).expect("a mailbox");
        }
        let own = |flag: &str| {
            let output = Command::new("id").arg(flag).output().expect("id");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        let (mut user, mut group) = (own("-un"), own("-gn"));
        let mut service_users = format!(
            "default_login_user = {user}\ndefault_internal_user = {user}\ndefault_internal_group = {group}\n"
        );
        if user == "root" {
            // It reads no mail as root; its package has brought users for its services.
            (user, group) = ("nobody".to_owned(), "nogroup".to_owned());
            service_users.clear();
            let owner = format!("{user}:{group}");
            let owned = Command::new("chown")
                .args(["-R", &owner])
                .arg(root.join("mail"))
                .status()
                .expect("chown");
            assert!(owned.success());
            use std::os::unix::fs::PermissionsExt as _;
            let open = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(root, open).expect("a folder that others may enter");
        }
        let (plain_port, tls_port) = (free_port(), free_port());
        let at = root.display();
        let settings = format!(
            "base_dir = {at}/run\nstate_dir = {at}/run\nlog_path = {at}/log\nprotocols = imap\n\
             listen = 127.0.0.1\nssl = yes\nssl_cert = <{at}/cert.pem\nssl_key = <{at}/key.pem\n\
             disable_plaintext_auth = no\nmail_location = maildir:{at}/mail\nfirst_valid_uid = 1\n{service_users}\
             passdb {{\n  driver = static\n  args = password=secret\n}}\n\
             userdb {{\n  driver = static\n  args = uid={user} gid={group} home={at}/mail\n}}\n\
             namespace inbox {{\n  inbox = yes\n  mailbox \"Taken in\" {{\n    auto = create\n  }}\n}}\n\
             service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = {plain_port}\n  }}\n  \
             inet_listener imaps {{\n    port = {tls_port}\n  }}\n}}\n\
             service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\n"
        );
        let file = root.join("dovecot.conf");
        std::fs::write(&file, settings).expect("its settings");
        let server = Command::new(program)
            .arg("-F")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut server = Self {
            folder,
            server,
            plain_port,
            tls_port,
            count: AtomicU32::new(0),
        };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", tls_port)).is_err() {
            let has_ended = server.server.try_wait().expect("it is ours").is_some();
            let log = std::fs::read_to_string(server.folder.path().join("log"));
            assert!(!has_ended, "Dovecot runs: {log:?}");
            assert!(begin.elapsed() < Duration::from_secs(60), "it answers");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// How to collect its mailbox.
    pub fn settings(&self, tls: RelayTls, then: Then) -> ImapSettings {
        let port = match tls {
            RelayTls::Implicit => self.tls_port,
            RelayTls::Starttls | RelayTls::None => self.plain_port,
        };
        let mut settings: ImapSettings = serde_json::from_value(serde_json::json!({
            "host": "localhost", "port": port, "username": "bounces", "password": "secret",
            "ca_file": self.folder.path().join("cert.pem"), "timeout_seconds": 30,
        }))
        .expect("good settings");
        settings.tls = tls;
        settings.then = then;
        settings
    }

    /// Puts a mail into the mailbox.
    pub fn deliver(&self, mail: &str) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.put(mail, &format!("new/{number:06}.test"));
    }

    /// Puts a mail into the mailbox that somebody has read.
    pub fn deliver_seen(&self, mail: &str) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.put(mail, &format!("cur/{number:06}.test:2,S"));
    }

    fn put(&self, mail: &str, place: &str) {
        let path = self.mailbox("INBOX").join(place);
        std::fs::write(&path, mail).expect("a mail");
        use std::os::unix::fs::PermissionsExt as _;
        let open = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(&path, open).expect("a mail that others may read");
    }

    fn mailbox(&self, folder: &str) -> PathBuf {
        let mail = self.folder.path().join("mail");
        match folder {
            "INBOX" => mail,
            other => mail.join(format!(".{other}")),
        }
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let mailbox = self.mailbox(folder);
        ["new", "cur"]
            .iter()
            .filter_map(|sub| std::fs::read_dir(mailbox.join(sub)).ok())
            .flatten()
            .map(|entry| {
                entry
                    .expect("a mail")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    /// How many mails are in a folder.
    pub fn count(&self, folder: &str) -> usize {
        self.names(folder).len()
    }

    /// How many of them are not marked as seen.
    pub fn unseen(&self, folder: &str) -> usize {
        let is_seen = |name: &String| {
            name.rsplit_once(":2,")
                .is_some_and(|(_, flags)| flags.contains('S'))
        };
        self.names(folder)
            .iter()
            .filter(|name| !is_seen(name))
            .count()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Its children end with it at a TERM alone.
        let _ = Command::new("kill")
            .arg(self.server.id().to_string())
            .status();
        let _ = self.server.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
        .port()
}
