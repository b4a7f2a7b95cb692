//! An SMSC on loopback that does what a test tells it. It reads with another's codec (`rusmpp`), and writes
//! octets, so that it can also write garbage.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use rusmpp::pdus::{BindTransceiver, SubmitSm};
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::{Command, CommandId, Pdu};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::codec::FramedRead;

/// What it does with a submit_sm.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Takes it under this name.
    Take(&'static str),
    /// Takes it after a while.
    TakeAfter(Duration),
    Refuse(u32),
    /// Never answers.
    Silent,
    /// Reads it and closes the connection.
    HangUp,
}

type Script = dyn Fn(usize) -> Act + Send + Sync;

#[derive(Default)]
struct Seen {
    binds: Vec<BindTransceiver>,
    messages: Vec<SubmitSm>,
    /// Submitted and not answered, now and at most.
    open: (usize, usize),
}

pub struct Smsc {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    say: broadcast::Sender<Vec<u8>>,
    heard: tokio::sync::Mutex<mpsc::UnboundedReceiver<Command>>,
    server: JoinHandle<()>,
}

impl Drop for Smsc {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A packet.
pub fn packet(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    let mut octets: Vec<u8> = [length, command, status, sequence]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .collect();
    octets.extend_from_slice(body);
    octets
}

/// A deliver_sm.
pub fn deliver(sequence: u32, esm_class: u8, text: &[u8], parameters: &[u8]) -> Vec<u8> {
    let mut body = b"\0\x01\x0133612345678\0\x03\x0036179\0".to_vec();
    body.extend_from_slice(&[esm_class, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.push(u8::try_from(text.len()).unwrap());
    body.extend_from_slice(text);
    body.extend_from_slice(parameters);
    packet(0x05, 0, sequence, &body)
}

impl Smsc {
    /// Answers binds with a status, and the message of each number (from 0) as the script says.
    pub async fn start(
        bind_status: u32,
        script: impl Fn(usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (say, _) = broadcast::channel(64);
        let (hear, heard) = mpsc::unbounded_channel();
        let script: Arc<Script> = Arc::new(script);
        let (state, voice) = (Arc::clone(&seen), say.clone());
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let said = voice.subscribe();
                let serving = serve(
                    stream,
                    bind_status,
                    Arc::clone(&script),
                    Arc::clone(&state),
                    said,
                    hear.clone(),
                );
                tokio::spawn(serving);
            }
        });
        Self {
            address,
            seen,
            say,
            heard: tokio::sync::Mutex::new(heard),
            server,
        }
    }

    pub fn messages(&self) -> Vec<SubmitSm> {
        self.seen.lock().unwrap().messages.clone()
    }

    pub fn binds(&self) -> Vec<BindTransceiver> {
        self.seen.lock().unwrap().binds.clone()
    }

    /// The most that was submitted and not answered at a time.
    pub fn most_open(&self) -> usize {
        self.seen.lock().unwrap().open.1
    }

    /// Writes octets into every connection.
    pub fn say(&self, octets: Vec<u8>) {
        self.say.send(octets).unwrap();
    }

    /// The next packet of this kind that is neither a bind nor a message.
    pub async fn hear(&self, id: CommandId) -> Command {
        let mut heard = self.heard.lock().await;
        let wanted = async {
            loop {
                let command = heard.recv().await.unwrap();
                if command.id() == id {
                    return command;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wanted)
            .await
            .expect("nothing of this kind is said")
    }
}

async fn serve(
    stream: TcpStream,
    bind_status: u32,
    script: Arc<Script>,
    seen: Arc<Mutex<Seen>>,
    mut said: broadcast::Receiver<Vec<u8>>,
    hear: mpsc::UnboundedSender<Command>,
) {
    let (reader, mut writer) = stream.into_split();
    let (queue, mut queued) = mpsc::unbounded_channel::<Vec<u8>>();
    let mut reader = FramedRead::new(reader, CommandCodec::new());
    loop {
        let command = tokio::select! {
            biased;
            Some(octets) = queued.recv() => {
                let _ = writer.write_all(&octets).await;
                continue;
            }
            Ok(octets) = said.recv() => {
                let _ = writer.write_all(&octets).await;
                continue;
            }
            command = reader.next() => command,
        };
        let Some(Ok(command)) = command else { return };
        let sequence = command.sequence_number();
        match command.pdu().cloned() {
            Some(Pdu::BindTransceiver(bind)) => {
                seen.lock().unwrap().binds.push(bind);
                let _ = queue.send(packet(0x8000_0009, bind_status, sequence, b"smsc\0"));
            }
            Some(Pdu::SubmitSm(message)) => {
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.messages.push(message);
                    seen.open.0 += 1;
                    seen.open.1 = seen.open.1.max(seen.open.0);
                    seen.messages.len() - 1
                };
                let (wait, status, id) = match script(number) {
                    Act::Take(id) => (Duration::ZERO, 0, id),
                    Act::TakeAfter(wait) => (wait, 0, "late"),
                    Act::Refuse(status) => (Duration::ZERO, status, ""),
                    Act::Silent => continue,
                    Act::HangUp => return,
                };
                let (queue, seen) = (queue.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    seen.lock().unwrap().open.0 -= 1;
                    let body = format!("{id}\0");
                    let _ = queue.send(packet(0x8000_0004, status, sequence, body.as_bytes()));
                });
            }
            pdu => {
                let answer = match pdu {
                    Some(Pdu::EnquireLink) => Some(0x8000_0015),
                    Some(Pdu::Unbind) => Some(0x8000_0006),
                    _ => None,
                };
                if let Some(answer) = answer {
                    let _ = queue.send(packet(answer, 0, sequence, b""));
                }
                let _ = hear.send(command);
            }
        }
    }
}
