//! HTTP/1.1, as much of it as a provider's clients use.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Met, Posted, State};

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: String,
    /// Without its query.
    pub path: String,
    /// By lower-case name.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The fields of a form.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// The first field of this name.
pub fn field(form: &[(String, String)], name: &str) -> Option<String> {
    form.iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.clone())
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub retry_after: Option<u64>,
    pub body: String,
}

impl Reply {
    pub fn empty(status: u16) -> Self {
        Self::text(status, "")
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "text/plain",
            retry_after: None,
            body: body.to_owned(),
        }
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            content_type: "application/json",
            ..Self::text(status, &body.to_string())
        }
    }
}

pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let _gone: std::io::Result<()> = talk(&state, stream).await;
        });
        // What has ended is let go.
        while connections.try_join_next().is_some() {}
    }
}

/// Answers until the client hangs up or shall be hung up on.
async fn talk(state: &State, stream: TcpStream) -> std::io::Result<()> {
    let mut wire = BufReader::new(stream);
    while let Some(asked) = read(&mut wire).await? {
        let reply = match state.meet(&asked) {
            Met::Reply(reply) => reply,
            Met::Late(delay, reply) => {
                tokio::time::sleep(delay).await;
                reply
            }
            Met::Silence => std::future::pending().await,
            Met::Close => return Ok(()),
        };
        let after = reply
            .retry_after
            .map_or_else(String::new, |after| format!("Retry-After: {after}\r\n"));
        let head = format!(
            "HTTP/1.1 {} Said\r\nContent-Type: {}\r\n{after}Content-Length: {}\r\n\r\n{}",
            reply.status,
            reply.content_type,
            reply.body.len(),
            reply.body
        );
        wire.get_mut().write_all(head.as_bytes()).await?;
    }
    Ok(())
}

async fn read(wire: &mut BufReader<TcpStream>) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if wire.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let path = target.split('?').next().unwrap_or_default();
    let mut asked = Asked {
        method,
        path: path.to_owned(),
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        asked
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length: usize = asked
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    asked.body = vec![0; length];
    wire.read_exact(&mut asked.body).await?;
    Ok(Some(asked))
}

/// Posts to us, one connection each.
pub(super) async fn post(posted: &Posted, origin: &str) -> u16 {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let mut stream = TcpStream::connect(host).await.expect("somebody listens");
    let mut request = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n",
        posted.method,
        posted.path(),
        posted.body.len()
    );
    for (name, value) in &posted.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(&posted.body);
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it is read");
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .await
        .expect("an answer");
    line.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status")
}
