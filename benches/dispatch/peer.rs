//! A relay of the bench's own: it takes so long for each message, and notes when each has come.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The running relay, ended when dropped.
pub struct Peer {
    pub port: u16,
    arrivals: Arc<Mutex<Vec<Instant>>>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Answers the end of each message after `takes`.
    pub async fn start(takes: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrivals);
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                sessions.spawn(async move { serve(stream, takes, &noted).await.ok() });
            }
        });
        Self {
            port,
            arrivals,
            task,
        }
    }

    /// How many messages have come.
    pub fn count(&self) -> usize {
        self.arrivals.lock().expect("no panic").len()
    }

    /// Messages a second between the first and the last fifth of what has come: without start and end.
    pub fn rate(&self) -> f64 {
        let arrivals = self.arrivals.lock().expect("no panic");
        let (from, to) = (arrivals.len() / 5, arrivals.len() * 4 / 5);
        let span = arrivals[to].duration_since(arrivals[from]);
        (to - from) as f64 / span.as_secs_f64()
    }
}

async fn serve(
    stream: TcpStream,
    takes: Duration,
    noted: &Mutex<Vec<Instant>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = BufReader::new(stream);
    wire.write_all(b"220 peer.example ESMTP\r\n").await?;
    let mut line = Vec::new();
    let mut is_message = false;
    loop {
        line.clear();
        if wire.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let answer: &[u8] = if is_message {
            if line != b".\r\n" {
                continue;
            }
            is_message = false;
            tokio::time::sleep(takes).await;
            noted.lock().expect("no panic").push(Instant::now());
            b"250 2.0.0 taken\r\n"
        } else if line.starts_with(b"EHLO") {
            b"250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
        } else if line.starts_with(b"DATA") {
            is_message = true;
            b"354 go ahead\r\n"
        } else {
            b"250 2.0.0 OK\r\n"
        };
        wire.write_all(answer).await?;
        wire.flush().await?;
    }
}
