//! A name server on loopback that knows what a test tells it, over UDP (RFC 1035).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const MX: u16 = 15;
const TXT: u16 = 16;

type Records = HashMap<(String, u16), Vec<Vec<u8>>>;

pub struct NameServer {
    pub addr: SocketAddr,
    records: Arc<Mutex<Records>>,
    task: JoinHandle<()>,
}

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let addr = socket.local_addr().expect("an address");
        let records = Arc::new(Mutex::new(Records::new()));
        let known = Arc::clone(&records);
        let task = tokio::spawn(async move {
            let mut query = [0_u8; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                let answer = answer(&query[..length], &known.lock().expect("no panic"));
                socket.send_to(&answer, from).await.ok();
            }
        });
        Self {
            addr,
            records,
            task,
        }
    }

    /// Publishes a text, in pieces of 255 bytes.
    pub fn txt(&self, name: &str, text: &str) {
        let pieces = text.as_bytes().chunks(255);
        let content = pieces
            .flat_map(|piece| [&[piece.len() as u8], piece].concat())
            .collect();
        self.publish(name, TXT, content);
    }

    pub fn mx(&self, name: &str, server: &str) {
        self.publish(name, MX, [vec![0, 10], labels(server)].concat());
    }

    fn publish(&self, name: &str, kind: u16, content: Vec<u8>) {
        let mut records = self.records.lock().expect("no panic");
        records
            .entry((name.to_owned(), kind))
            .or_default()
            .push(content);
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn labels(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut out: Vec<u8> = labels
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
        .collect();
    out.push(0);
    out
}

fn answer(query: &[u8], records: &Records) -> Vec<u8> {
    let mut name = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        name.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    let question = &query[12..at + 5];
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let found = records.get(&(name.join("."), kind));
    let count = found.map_or(0, Vec::len) as u8;
    // An answer with recursion; 3: there is no such name.
    let code = if count == 0 { 0x83 } else { 0x80 };
    let mut out = [
        &query[..2],
        &[0x85, code, 0, 1, 0, count, 0, 0, 0, 0],
        question,
    ]
    .concat();
    for content in found.into_iter().flatten() {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((content.len() as u16).to_be_bytes());
        out.extend(content);
    }
    out
}
