//! From the journal to the database: in batches, at the database's pace, each response once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sea_orm::DbErr;

use super::journal::{Journal, Reader, Segment};
use super::record::{BATCH, FIRST_PAUSE, Shared};
use super::store::{self, Waves};

/// The longest pause between two tries, of which there is no end.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many times as long as a batch took the next one waits while clicks pour in.
const GIVE_WAY: u32 = 3;
/// How long a stop waits for a database that takes nothing; then the journal keeps the rest.
const PATIENCE: Duration = Duration::from_secs(6);

/// How long a stop waits for a long journal, however well it goes: what is on disk is not lost.
const STOP_AT_MOST: Duration = Duration::from_secs(30);

/// Writes the journal to the database, segment by segment, until it is closed and written. After a stop it
/// goes on for as long as the database takes something within [`PATIENCE`], at most [`STOP_AT_MOST`].
pub(super) async fn transcribe(shared: Arc<Shared>, journal: Arc<Journal>) {
    let mut transcriber = Transcriber {
        shared: &shared,
        waves: Waves::default(),
        reader: None,
    };
    let mut pause = FIRST_PAUSE;
    let mut moved_at = Instant::now();
    let mut stopped_at = None;
    loop {
        let is_stopping = shared.stop.is_cancelled();
        if is_stopping && stopped_at.get_or_insert_with(Instant::now).elapsed() >= STOP_AT_MOST {
            tracing::warn!("responses stay in the journal until the next start");
            return;
        }
        let begun_at = Instant::now();
        let step = transcriber.step(&journal);
        let outcome = if is_stopping {
            let step = tokio::time::timeout(PATIENCE, step).await;
            step.unwrap_or(Err(StepError::TooLong))
        } else {
            tokio::select! {
                outcome = step => outcome,
                () = shared.stop.cancelled() => {
                    transcriber.reader = None;
                    moved_at = Instant::now();
                    continue;
                }
            }
        };
        match outcome {
            Ok(Step::Wrote) => {
                pause = FIRST_PAUSE;
                if !is_stopping && shared.is_busy() {
                    // Who clicks now goes first: what is in the journal can wait, and is not lost.
                    let turn = (begun_at.elapsed() * GIVE_WAY).min(LONGEST_PAUSE);
                    tokio::select! {
                        () = tokio::time::sleep(turn) => {}
                        () = shared.stop.cancelled() => {}
                    }
                }
                moved_at = Instant::now();
            }
            Ok(Step::NothingLeft) if shared.is_collected.is_cancelled() => {
                // The last segment may have been closed since it was looked at.
                if journal.oldest().is_none() {
                    return;
                }
            }
            Ok(Step::NothingLeft) => {
                tokio::select! {
                    () = journal.grown.notified() => {}
                    () = shared.is_collected.cancelled() => {}
                }
                moved_at = Instant::now();
            }
            Err(error) => {
                // Where it stands is asked again: a commit that was not answered may have been done.
                transcriber.reader = None;
                if is_stopping && moved_at.elapsed() >= PATIENCE {
                    tracing::error!(%error, "responses stay in the journal until the next start");
                    return;
                }
                tracing::warn!(%error, "responses could not be written; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(if is_stopping {
                    FIRST_PAUSE
                } else {
                    LONGEST_PAUSE
                });
            }
        }
    }
}

/// What one step of the transcription did.
enum Step {
    Wrote,
    NothingLeft,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("{0}")]
    Database(#[from] DbErr),
    #[error("the journal cannot be read or deleted: {0}")]
    Journal(#[from] std::io::Error),
    #[error("the database did not answer in time")]
    TooLong,
    #[error("an earlier write of the same responses went through after all")]
    Overtaken,
}

struct Transcriber<'a> {
    shared: &'a Shared,
    waves: Waves,
    /// Where it stands in which segment.
    reader: Option<(Arc<Segment>, Reader)>,
}

impl Transcriber<'_> {
    /// Writes the next batch, or deletes a segment that is written.
    async fn step(&mut self, journal: &Journal) -> Result<Step, StepError> {
        let Some((segment, may_grow)) = journal.oldest() else {
            return Ok(Step::NothingLeft);
        };
        let (_, reader) = match &mut self.reader {
            Some(current) if current.0.id == segment.id => current,
            current => current.insert(open(self.shared, &segment).await?),
        };
        let before = reader.position;
        let batch = reader.next(&segment, BATCH)?;
        if !batch.is_empty() {
            let before = i64::try_from(before).unwrap_or(i64::MAX);
            let after = before.saturating_add(i64::try_from(batch.len()).unwrap_or(i64::MAX));
            let txn = self.shared.db.begin().await?;
            if !store::note_position(&txn, &segment.id, before, after).await? {
                txn.rollback().await?;
                return Err(StepError::Overtaken);
            }
            let orphaned = store::write(&txn, &mut self.waves, &batch).await?;
            txn.commit().await?;
            segment.counted.store(reader.position, Ordering::Relaxed);
            self.shared.count(batch.len(), orphaned);
            return Ok(Step::Wrote);
        }
        if may_grow {
            return Ok(Step::NothingLeft);
        }
        self.reader = None;
        journal.remove(&segment)?;
        let txn = self.shared.db.begin().await?;
        store::forget_journal(&txn, &segment.id).await?;
        txn.commit().await?;
        Ok(Step::Wrote)
    }
}

/// A reader at the first entry of a segment that is not in the database.
async fn open(
    shared: &Shared,
    segment: &Arc<Segment>,
) -> Result<(Arc<Segment>, Reader), StepError> {
    let position = store::position(&*shared.db, &segment.id).await?;
    let position = u64::try_from(position).unwrap_or_default();
    let reader = segment.read_from(position)?;
    let counted = segment.counted.swap(position, Ordering::Relaxed);
    if segment.is_inherited.swap(false, Ordering::Relaxed) {
        let left = segment.entries().saturating_sub(position);
        shared.figures.taken.fetch_add(left, Ordering::Relaxed);
    } else {
        // A commit whose answer was lost, as it now turns out.
        let done = position.saturating_sub(counted);
        shared.figures.written.fetch_add(done, Ordering::Release);
    }
    Ok((Arc::clone(segment), reader))
}
