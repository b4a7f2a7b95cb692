//! One bound connection to an SMSC: a window of requests without an answer, and what the SMSC asks of us.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::pdu::{self, Deliver, HEAD, LONGEST, Pdu, status};

/// Packets that wait to be written.
const QUEUE: usize = 64;

/// A connection, TLS or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Who is told what a deliver_sm says; the SMSC gets the status it answers with.
pub type Listener = Arc<dyn Fn(Deliver) -> oneshot::Receiver<u32> + Send + Sync>;

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long an answer is waited for.
    pub answer: Duration,
    /// How often the SMSC is asked whether it is there.
    pub enquiry: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// No byte left us.
    NotSent(&'static str),
    /// It may have been read.
    Lost(&'static str),
}

/// A request that waits for its answer, with its place in the window.
struct Waiting {
    answer: oneshot::Sender<Pdu>,
    /// A submit_sm has one until it is answered, whether or not anybody still waits.
    _place: Option<OwnedSemaphorePermit>,
}

pub struct Session {
    queue: mpsc::Sender<Vec<u8>>,
    waiting: Mutex<HashMap<u32, Waiting>>,
    sequence: AtomicU32,
    window: Arc<Semaphore>,
    times: Times,
    over: CancellationToken,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("is_over", &self.is_over())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Binds over a connection with the body of a bind_transceiver.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn bind(
        stream: Box<dyn Stream>,
        bind: Vec<u8>,
        window: usize,
        times: Times,
        listener: Listener,
    ) -> Result<Arc<Self>, String> {
        let (reader, writer) = tokio::io::split(stream);
        let (queue, queued) = mpsc::channel(QUEUE);
        let session = Arc::new(Self {
            queue,
            waiting: Mutex::default(),
            sequence: AtomicU32::new(1),
            window: Arc::new(Semaphore::new(window.max(1))),
            times,
            over: CancellationToken::new(),
        });
        tokio::spawn(write(writer, queued, session.over.clone()));
        tokio::spawn(Arc::clone(&session).read(reader, listener));
        // Whoever gives up the bind leaves no connection behind.
        let guard = session.over.clone().drop_guard();
        let answer = session
            .ask(pdu::BIND_TRANSCEIVER, bind, None)
            .await
            .map_err(|no_answer| match no_answer {
                NoAnswer::NotSent(why) | NoAnswer::Lost(why) => format!("no bind: {why}"),
            })?;
        match answer.status {
            status::OK if answer.command == pdu::BIND_TRANSCEIVER | pdu::ANSWER => {}
            status::BIND_FAILED | status::INVALID_PASSWORD | status::INVALID_SYSTEM_ID => {
                return Err(format!(
                    "it refuses our log-in (status {:#04x}); check system_id, password and system_type",
                    answer.status
                ));
            }
            status => return Err(format!("it refuses the bind with status {status:#04x}")),
        }
        guard.disarm();
        tokio::spawn(Arc::clone(&session).enquire());
        Ok(session)
    }

    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        self.over.cancelled().await;
    }

    pub fn end(&self) {
        self.over.cancel();
        // Their answers will not come: who waits is told so.
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits a message once there is a place in the window.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn submit(&self, body: Vec<u8>) -> Result<Pdu, NoAnswer> {
        let place = Arc::clone(&self.window).acquire_owned();
        match tokio::time::timeout(self.times.answer, place).await {
            Ok(Ok(place)) => self.ask(pdu::SUBMIT_SM, body, Some(place)).await,
            // It answers nothing any more.
            _ => {
                self.end();
                Err(NoAnswer::NotSent("no answer to all that was sent before"))
            }
        }
    }

    /// Asks the SMSC whether it is there.
    ///
    /// # Errors
    /// When it is not; the session is then over.
    pub async fn is_there(&self) -> Result<(), NoAnswer> {
        let answer = self.ask(pdu::ENQUIRE_LINK, Vec::new(), None).await;
        if answer.is_err() {
            self.end();
        }
        // Whatever it answers, it is there.
        answer.map(drop)
    }

    /// Says good-bye.
    pub async fn unbind(&self) {
        if !self.is_over() {
            let _ = self.ask(pdu::UNBIND, Vec::new(), None).await;
        }
        self.end();
    }

    async fn ask(
        &self,
        command: u32,
        body: Vec<u8>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Pdu, NoAnswer> {
        let over = NoAnswer::NotSent("the connection is closed");
        let queue = tokio::select! {
            biased;
            () = self.over.cancelled() => return Err(over),
            queue = self.queue.reserve() => queue.map_err(|_closed| over.clone())?,
        };
        let (answer, answered) = oneshot::channel();
        // 1 to 0x7FFFFFFF.
        let count = self.sequence.fetch_add(1, Ordering::Relaxed);
        let sequence = (count & 0x7FFF_FFFF).max(1);
        let waiting = Waiting {
            answer,
            _place: place,
        };
        self.waiting().insert(sequence, waiting);
        if self.is_over() {
            self.waiting().remove(&sequence);
            return Err(over);
        }
        queue.send(Pdu::request(command, sequence, body).encode());
        match tokio::time::timeout(self.times.answer, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_dropped)) => Err(NoAnswer::Lost("the connection broke")),
            Err(_elapsed) => Err(NoAnswer::Lost("no answer in time")),
        }
    }

    async fn enquire(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.over.cancelled() => return,
                () = tokio::time::sleep(self.times.enquiry) => {}
            }
            if self.is_there().await.is_err() {
                return;
            }
        }
    }

    async fn read(self: Arc<Self>, mut reader: ReadHalf<Box<dyn Stream>>, listener: Listener) {
        loop {
            let packet = tokio::select! {
                biased;
                () = self.over.cancelled() => break,
                packet = packet(&mut reader) => packet,
            };
            match packet {
                Some(Ok(pdu)) if pdu.is_answer() => {
                    // Nobody waits for one that comes late: what became of it was said already.
                    let waiting = self.waiting().remove(&pdu.sequence);
                    if let Some(waiting) = waiting {
                        let _ = waiting.answer.send(pdu);
                    }
                }
                Some(Ok(pdu)) => {
                    if !self.serve(pdu, &listener).await {
                        break;
                    }
                }
                // Where the next packet begins cannot be known.
                Some(Err(())) => {
                    self.say(Pdu::nack(0, status::INVALID_LENGTH)).await;
                    break;
                }
                None => break,
            }
        }
        self.end();
    }

    /// Does what the SMSC asks; `false` when it takes its leave.
    async fn serve(self: &Arc<Self>, request: Pdu, listener: &Listener) -> bool {
        let (command, sequence) = (request.command, request.sequence);
        match command {
            pdu::ENQUIRE_LINK => self.say(Pdu::answer(command, sequence, status::OK)).await,
            pdu::UNBIND => {
                self.say(Pdu::answer(command, sequence, status::OK)).await;
                return false;
            }
            pdu::DELIVER_SM => match Deliver::read(&request.body) {
                Some(deliver) => {
                    let told = listener(deliver);
                    let session = Arc::clone(self);
                    // It may take time to write it down, and answers need not be in order.
                    tokio::spawn(async move {
                        let status = told.await.unwrap_or(status::NOT_TAKEN_NOW);
                        session.say(Pdu::answer(command, sequence, status)).await;
                    });
                }
                // It would be the same the next time.
                None => {
                    self.say(Pdu::answer(command, sequence, status::NEVER_TAKEN))
                        .await;
                }
            },
            _ => {
                self.say(Pdu::nack(sequence, status::INVALID_COMMAND)).await;
            }
        }
        true
    }

    async fn say(&self, pdu: Pdu) {
        tokio::select! {
            biased;
            () = self.over.cancelled() => {}
            _sent = self.queue.send(pdu.encode()) => {}
        }
    }
}

/// Writes what is queued, and once it is over what is queued still.
async fn write(
    mut writer: WriteHalf<Box<dyn Stream>>,
    mut queued: mpsc::Receiver<Vec<u8>>,
    over: CancellationToken,
) {
    loop {
        let octets = tokio::select! {
            biased;
            octets = queued.recv() => octets,
            () = over.cancelled() => None,
        };
        let Some(octets) = octets else { break };
        let written = tokio::select! {
            written = writer.write_all(&octets) => written.is_ok(),
            () = over.cancelled() => false,
        };
        if !written || writer.flush().await.is_err() {
            break;
        }
    }
    over.cancel();
    let _ = writer.shutdown().await;
}

/// The next packet; `Err` when its length is none, `None` when the connection ends.
async fn packet(reader: &mut ReadHalf<Box<dyn Stream>>) -> Option<Result<Pdu, ()>> {
    let mut head = [0; HEAD];
    // The length alone first: of garbage there may be no more.
    reader.read_exact(head.get_mut(..4)?).await.ok()?;
    let word = |head: &[u8; HEAD], at: usize| -> Option<u32> {
        Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?))
    };
    let length = usize::try_from(word(&head, 0)?).ok()?;
    if !(HEAD..=LONGEST).contains(&length) {
        return Some(Err(()));
    }
    reader.read_exact(head.get_mut(4..)?).await.ok()?;
    let mut body = vec![0; length - HEAD];
    reader.read_exact(&mut body).await.ok()?;
    Some(Ok(Pdu {
        command: word(&head, 4)?,
        status: word(&head, 8)?,
        sequence: word(&head, 12)?,
        body,
    }))
}
