//! The way of a response into the base: a queue, and one writer that commits in batches.
//!
//! A click is answered before it is written when the queue has room; when it has none it is written at
//! once by whoever brings it, rather than dropped. A commit that fails is tried again, then the batch is
//! counted as lost and logged. A response that was acknowledged but not yet written is lost by a power
//! cut (at most [`BATCH_WAIT`] of them); an opt-out never goes this way (see [`super::opt_out`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::model::Response;
use super::store::{self, Waves};
use crate::storage::Db;

/// Responses waiting at most; then they are written by whoever brings them.
const QUEUE: usize = 10_000;
/// Responses in one transaction at most.
const BATCH: usize = 500;
/// How long a batch waits for company.
const BATCH_WAIT: Duration = Duration::from_millis(20);
/// How often a commit is tried, with pauses of 100 ms, doubling: about six seconds in all.
const TRIES: u32 = 7;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Takes responses and writes them, cheap to clone.
#[derive(Debug, Clone)]
pub struct ResponseWriter {
    queue: mpsc::Sender<Response>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    db: Db,
    stop: CancellationToken,
    task: TaskTracker,
    figures: AtomicFigures,
}

#[derive(Debug, Default)]
struct AtomicFigures {
    written: AtomicU64,
    orphaned: AtomicU64,
    lost: AtomicU64,
    unqueued: AtomicU64,
}

/// How the writer fared since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterFigures {
    /// Responses that were committed.
    pub written: u64,
    /// Responses to deliveries that do not exist.
    pub orphaned: u64,
    /// Responses that were given up after every try.
    pub lost: u64,
    /// Responses written by whoever brought them, because the queue was full or closed.
    pub unqueued: u64,
    /// Responses waiting now.
    pub waiting: usize,
}

impl ResponseWriter {
    /// Starts the writer; it needs a tokio runtime around it.
    pub fn start(db: Db) -> Self {
        Self::start_with_queue(db, QUEUE)
    }

    /// As [`ResponseWriter::start`], with room for `queue` responses (at least 1).
    pub fn start_with_queue(db: Db, queue: usize) -> Self {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let shared = Arc::new(Shared {
            db,
            stop: CancellationToken::new(),
            task: TaskTracker::new(),
            figures: AtomicFigures::default(),
        });
        shared.task.spawn(write_all(Arc::clone(&shared), receiver));
        shared.task.close();
        Self {
            queue: sender,
            shared,
        }
    }

    /// Takes a response; returns at once unless the queue is full.
    pub async fn record(&self, response: Response) {
        if self.queue.try_send(response).is_err() {
            self.shared.figures.unqueued.fetch_add(1, Ordering::Relaxed);
            commit(&self.shared, &mut Waves::default(), &[response]).await;
        }
    }

    /// Takes nothing more into the queue and waits until what is in it is written.
    pub async fn drain(&self) {
        self.shared.stop.cancel();
        self.shared.task.wait().await;
    }

    /// How the writer fared.
    pub fn figures(&self) -> WriterFigures {
        let figures = &self.shared.figures;
        WriterFigures {
            written: figures.written.load(Ordering::Relaxed),
            orphaned: figures.orphaned.load(Ordering::Relaxed),
            lost: figures.lost.load(Ordering::Relaxed),
            unqueued: figures.unqueued.load(Ordering::Relaxed),
            waiting: self.queue.max_capacity() - self.queue.capacity(),
        }
    }
}

async fn write_all(shared: Arc<Shared>, mut queue: mpsc::Receiver<Response>) {
    let mut waves = Waves::default();
    let mut batch = Vec::with_capacity(BATCH);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled(), if !is_stopping => {
                // What is in the queue still comes out; what is brought now is written by its bringer.
                queue.close();
                is_stopping = true;
                continue;
            }
            received = queue.recv_many(&mut batch, BATCH) => {
                if received == 0 {
                    return;
                }
            }
        }
        if !is_stopping {
            let company = async {
                while batch.len() < BATCH {
                    let room = BATCH - batch.len();
                    if queue.recv_many(&mut batch, room).await == 0 {
                        return;
                    }
                }
            };
            // Cancel safe: whatever `recv_many` took is in the batch.
            let _ = tokio::time::timeout(BATCH_WAIT, company).await;
        }
        commit(&shared, &mut waves, &batch).await;
        batch.clear();
    }
}

async fn commit(shared: &Shared, waves: &mut Waves, batch: &[Response]) {
    let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
    let mut pause = FIRST_PAUSE;
    let mut tries = 0;
    loop {
        tries += 1;
        match write(&shared.db, waves, batch).await {
            Ok(orphaned) => {
                let orphaned = u64::try_from(orphaned).unwrap_or(count);
                let figures = &shared.figures;
                figures.orphaned.fetch_add(orphaned, Ordering::Relaxed);
                figures
                    .written
                    .fetch_add(count - orphaned, Ordering::Relaxed);
                return;
            }
            Err(error) if tries < TRIES => {
                tracing::warn!(%error, count, tries, "{count} responses could not be written; trying again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(error) => {
                shared.figures.lost.fetch_add(count, Ordering::Relaxed);
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
