//! The way of a response into the base: a queue, a journal on disk, and one writer that commits in batches.
//!
//! A click is answered when it is in the queue. Within milliseconds it is in the journal and survives a
//! crash and a power cut; the database gets it at the database's pace, however long that is away. A crash
//! loses what was in the queue and what was being journalled: at most twice [`QUEUE`] responses, of the last
//! [`COMPANY`] and one write to disk.
//! When the queue is full, whoever brings a response waits until the journal has what was before him. Where
//! the disk takes no journal, or there is none, the database gets it at once, if need be by whoever brings
//! it, rather than that it is dropped; what that refuses after every try is counted as lost and logged. An
//! opt-out never goes this way (see [`super::opt_out`]).

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::journal::Journal;
use super::model::Response;
use super::store::{self, Waves};
use super::transcribe::transcribe;
use crate::storage::Db;

/// Responses in the queue at most; then whoever brings them waits.
const QUEUE: usize = 10_000;
/// Responses in the queue that show that many more are coming.
const BUSY: usize = 64;
/// Responses in one transaction at most.
pub(super) const BATCH: usize = 1_000;
/// How long the first response in the queue waits for others.
const COMPANY: Duration = Duration::from_millis(5);
/// How often a commit is tried that no journal stands behind, with pauses of 100 ms, doubling: about six
/// seconds in all.
const TRIES: u32 = 7;
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Takes responses and writes them, cheap to clone.
#[derive(Debug, Clone)]
pub struct ResponseWriter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub db: Db,
    queue: Queue,
    journal: Option<Arc<Journal>>,
    /// Nothing new is taken into the queue.
    pub stop: CancellationToken,
    /// What was in the queue is in the journal.
    pub is_collected: CancellationToken,
    tasks: TaskTracker,
    pub figures: AtomicFigures,
}

/// What waits for the journal. A list behind a lock, and not a channel, so that a click wakes somebody only
/// when it is the first.
#[derive(Debug)]
struct Queue {
    room: usize,
    inside: Mutex<Inside>,
    begun: Notify,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    responses: Vec<Response>,
    is_closed: bool,
}

impl Queue {
    /// `false` when it is full or closed.
    fn push(&self, response: Response) -> bool {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.is_closed || inside.responses.len() >= self.room {
            return false;
        }
        inside.responses.push(response);
        let is_first = inside.responses.len() == 1;
        drop(inside);
        if is_first {
            self.begun.notify_one();
        }
        true
    }

    /// As [`Queue::push`], but waits for room; `false` when it is closed.
    async fn push_when_there_is_room(&self, response: Response) -> bool {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // From here on no emptying is missed, so the look at the queue comes after it.
            emptied.as_mut().enable();
            if self.push(response) {
                return true;
            }
            if self.is_closed() {
                return false;
            }
            emptied.await;
        }
    }

    /// Whether responses come faster than one by one.
    fn is_busy(&self) -> bool {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.responses.len() >= BUSY
    }

    fn is_closed(&self) -> bool {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.is_closed
    }

    /// Swaps what is in it for `empty`.
    fn swap(&self, empty: &mut Vec<Response>) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut inside.responses, empty);
        drop(inside);
        self.emptied.notify_waiters();
    }

    fn close(&self) {
        self.inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_closed = true;
    }
}

#[derive(Debug, Default)]
pub(super) struct AtomicFigures {
    pub taken: AtomicU64,
    pub written: AtomicU64,
    orphaned: AtomicU64,
    lost: AtomicU64,
    unqueued: AtomicU64,
}

/// How the writer fared since it was started: what was taken is written, orphaned, lost or waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterFigures {
    /// Responses that were committed.
    pub written: u64,
    /// Responses to deliveries that do not exist, or no longer.
    pub orphaned: u64,
    /// Responses that were given up after every try.
    pub lost: u64,
    /// Responses written by whoever brought them, because the queue was closed, or full without a journal.
    pub unqueued: u64,
    /// Responses that are not in the database yet.
    pub waiting: u64,
}

impl ResponseWriter {
    /// Starts a writer without a journal: what is in the queue goes to the database, and is lost with the
    /// process. It needs a tokio runtime around it.
    pub fn start(db: Db) -> Self {
        Self::start_with_queue(db, QUEUE)
    }

    /// As [`ResponseWriter::start`], with room for `queue` responses (at least 1).
    pub fn start_with_queue(db: Db, queue: usize) -> Self {
        Self::run(db, queue, None)
    }

    /// Starts a writer with its journal in `folder`, which must be there; what an earlier process left in
    /// it is written first. It needs a tokio runtime around it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn with_journal(db: Db, folder: &Path) -> std::io::Result<Self> {
        let journal = Journal::open(folder)?;
        Ok(Self::run(db, QUEUE, Some(Arc::new(journal))))
    }

    fn run(db: Db, queue: usize, journal: Option<Arc<Journal>>) -> Self {
        let shared = Arc::new(Shared {
            db,
            queue: Queue {
                room: queue.max(1),
                inside: Mutex::default(),
                begun: Notify::new(),
                emptied: Notify::new(),
            },
            journal: journal.clone(),
            stop: CancellationToken::new(),
            is_collected: CancellationToken::new(),
            tasks: TaskTracker::new(),
            figures: AtomicFigures::default(),
        });
        shared.tasks.spawn(collect(Arc::clone(&shared)));
        if let Some(journal) = journal {
            shared.tasks.spawn(transcribe(Arc::clone(&shared), journal));
        }
        shared.tasks.close();
        Self { shared }
    }

    /// Takes a response; returns at once unless the queue is full or closed.
    pub async fn record(&self, response: Response) {
        let figures = &self.shared.figures;
        figures.taken.fetch_add(1, Ordering::Relaxed);
        let queue = &self.shared.queue;
        let is_taken = queue.push(response)
            || (self.shared.journal.is_some() && queue.push_when_there_is_room(response).await);
        if !is_taken {
            figures.unqueued.fetch_add(1, Ordering::Relaxed);
            commit(&self.shared, &mut Waves::default(), &[response]).await;
        }
    }

    /// Takes nothing more into the queue and waits until what is in it and in the journal is written; what
    /// a database that stays away does not take remains in the journal, for the next start.
    pub async fn drain(&self) {
        self.shared.queue.close();
        self.shared.stop.cancel();
        self.shared.tasks.wait().await;
    }

    /// How the writer fared.
    pub fn figures(&self) -> WriterFigures {
        let figures = &self.shared.figures;
        // What is done first: a response never is done before it was taken.
        let written = figures.written.load(Ordering::Acquire);
        let orphaned = figures.orphaned.load(Ordering::Acquire);
        let lost = figures.lost.load(Ordering::Acquire);
        let taken = figures.taken.load(Ordering::Acquire);
        WriterFigures {
            written,
            orphaned,
            lost,
            unqueued: figures.unqueued.load(Ordering::Relaxed),
            waiting: taken.saturating_sub(written + orphaned + lost),
        }
    }
}

/// Takes what is in the queue into the journal, until the queue is closed and empty.
async fn collect(shared: Arc<Shared>) {
    let mut waves = Waves::default();
    let mut batch = Vec::new();
    loop {
        let is_stopping = tokio::select! {
            () = shared.queue.begun.notified() => false,
            () = shared.stop.cancelled() => true,
        };
        if !is_stopping {
            tokio::time::sleep(COMPANY).await;
        }
        shared.queue.swap(&mut batch);
        keep(&shared, &mut waves, &mut batch).await;
        if is_stopping {
            break;
        }
    }
    if let Some(journal) = &shared.journal {
        journal.close();
    }
    shared.is_collected.cancel();
}

/// Makes responses durable: in the journal, or else in the database. Leaves the list empty.
async fn keep(shared: &Shared, waves: &mut Waves, batch: &mut Vec<Response>) {
    if batch.is_empty() {
        return;
    }
    if let Some(journal) = &shared.journal {
        let journal = Arc::clone(journal);
        let responses = std::mem::take(batch);
        let appended = tokio::task::spawn_blocking(move || {
            let appended = journal.append(&responses);
            (responses, appended)
        });
        match appended.await {
            Ok((responses, appended)) => {
                *batch = responses;
                match appended {
                    Ok(()) => {
                        batch.clear();
                        return;
                    }
                    Err(error) => tracing::error!(%error,
                        "the journal of responses cannot be written; they go to the database at once"),
                }
            }
            // The runtime is going down, and with it the database's connections.
            Err(error) => tracing::error!(%error, "responses could not be journalled"),
        }
    }
    for batch in batch.chunks(BATCH) {
        commit(shared, waves, batch).await;
    }
    batch.clear();
}

impl Shared {
    /// Whether so many responses come that the database should leave them the machine.
    pub fn is_busy(&self) -> bool {
        self.queue.is_busy()
    }

    /// Counts what is committed.
    pub fn count(&self, responses: usize, orphaned: usize) {
        let count = u64::try_from(responses).unwrap_or(u64::MAX);
        let orphaned = u64::try_from(orphaned).unwrap_or(count);
        let figures = &self.figures;
        figures.orphaned.fetch_add(orphaned, Ordering::Release);
        figures
            .written
            .fetch_add(count.saturating_sub(orphaned), Ordering::Release);
    }
}

/// Writes responses that no journal has.
async fn commit(shared: &Shared, waves: &mut Waves, batch: &[Response]) {
    let count = batch.len();
    let mut pause = FIRST_PAUSE;
    let mut tries = 0;
    loop {
        tries += 1;
        match write(&shared.db, waves, batch).await {
            Ok(orphaned) => {
                shared.count(count, orphaned);
                return;
            }
            Err(error) if tries < TRIES => {
                tracing::warn!(%error, count, tries, "{count} responses could not be written; trying again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(error) => {
                let lost = u64::try_from(count).unwrap_or(u64::MAX);
                shared.figures.lost.fetch_add(lost, Ordering::Release);
                tracing::error!(%error, count, "{count} responses are lost: the database did not take them");
                return;
            }
        }
    }
}

async fn write(db: &Db, waves: &mut Waves, batch: &[Response]) -> Result<usize, DbErr> {
    let txn = db.begin().await?;
    let orphaned = store::write(&txn, waves, batch).await?;
    txn.commit().await?;
    Ok(orphaned)
}
