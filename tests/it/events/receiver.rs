//! A program that wants to be told of events, and keeps what it was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use ring::digest::{Context, SHA256};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What it was told, once.
#[derive(Debug, Clone)]
pub struct Heard {
    pub id: String,
    pub seconds: i64,
    pub signatures: Vec<String>,
    pub body: String,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    /// Whether one of the signatures is made with this secret, computed from the words of RFC 2104.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let secret = secret.strip_prefix("whsec_").expect("its prefix");
        let mut key = BASE64.decode(secret.as_bytes()).expect("base64");
        key.resize(64, 0);
        let hash = |pad: u8, message: &[u8]| {
            let mut context = Context::new(&SHA256);
            context.update(&key.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>());
            context.update(message);
            context.finish()
        };
        let signed = format!("{}.{}.{}", self.id, self.seconds, self.body);
        let inner = hash(0x36, signed.as_bytes());
        let expected = format!("v1,{}", BASE64.encode(hash(0x5c, inner.as_ref()).as_ref()));
        self.signatures.contains(&expected)
    }
}

/// What it does with the n-th request, counted from 1: the status it answers with, or 0 for silence.
pub type Script = fn(usize) -> u16;

pub struct Receiver {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let _gone: Option<()> = talk(stream, &kept, script).await;
                });
            }
        });
        Self { port, heard, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks", self.port)
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic before").clone()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.heard().iter().map(Heard::kind).collect()
    }

    /// Waits until it has heard so much.
    pub async fn has_heard(&self, n: usize) {
        let waiting = async {
            while self.heard().len() < n {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(120), waiting).await;
        assert!(
            heard.is_ok(),
            "{n} were to come, there are {:?}",
            self.kinds()
        );
    }
}

async fn talk(stream: TcpStream, kept: &Mutex<Vec<Heard>>, script: Script) -> Option<()> {
    let mut wire = BufReader::new(stream);
    loop {
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut line = String::new();
        wire.read_line(&mut line)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            wire.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let mut body = vec![0; header("content-length").parse().ok()?];
        wire.read_exact(&mut body).await.ok()?;
        assert_eq!(header("content-type"), "application/json");
        let heard = Heard {
            id: header("webhook-id"),
            seconds: header("webhook-timestamp").parse().ok()?,
            signatures: header("webhook-signature")
                .split(' ')
                .map(str::to_owned)
                .collect(),
            body: String::from_utf8(body).ok()?,
        };
        let n = {
            let mut kept = kept.lock().expect("no panic before");
            kept.push(heard);
            kept.len()
        };
        match script(n) {
            0 => std::future::pending::<()>().await,
            status => {
                let head = format!(
                    "HTTP/1.1 {status} Said\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nno"
                );
                let head = if status == 204 {
                    "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
                } else {
                    head
                };
                wire.get_mut().write_all(head.as_bytes()).await.ok()?;
            }
        }
    }
}
