//! Counts waves for the grid, in the background: the newest first, again when their counters moved, and for
//! good once their window and a month have passed.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::attributes;
use super::cube::Counting;
use crate::clock::SharedClock;
use crate::reports::store::grid::{self as store, Countable, Counted, Span};
use crate::storage::Db;

/// Rows read at once.
const PAGE: i64 = 5_000;
/// How often is looked for waves that moved.
const IDLE: Duration = Duration::from_secs(20);
/// A wave is not counted again before this, in milliseconds,
const REST_MS: i64 = 120_000;
/// nor before so many times what its last counting took: counting never takes more than a twentieth of the
/// time.
const REST_TIMES: i64 = 20;
/// A node that has not ended by then has died.
const BUSY_MS: i64 = 15 * 60_000;

/// When a wave may be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Not too often: in the background.
    Steady,
    /// Whenever it moved: a person asks for it.
    AtOnce,
}

/// Counts what moved until `stop`.
pub async fn run(db: &Db, clock: &SharedClock, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = moved(db, clock, Pace::Steady, stop).await {
            tracing::error!(%error, "the grid could not be counted; it is tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(IDLE) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Counts the waves whose counters moved; returns how many.
///
/// # Errors
/// When the database is away.
pub async fn moved(
    db: &Db,
    clock: &SharedClock,
    pace: Pace,
    stop: &CancellationToken,
) -> Result<usize, DbErr> {
    let mut counted = 0;
    for wave in store::countable(db).await? {
        let now_ms = clock.now_ms();
        if stop.is_cancelled() {
            break;
        }
        if !is_due(&wave, pace, now_ms)
            || !store::take(db, wave.wave, now_ms, now_ms + BUSY_MS).await?
        {
            continue;
        }
        let is_done = count(db, clock, &wave, stop).await;
        if !matches!(is_done, Ok(true)) {
            store::release(db, wave.wave).await?;
        }
        counted += usize::from(is_done?);
    }
    Ok(counted)
}

fn is_due(wave: &Countable, pace: Pace, now_ms: i64) -> bool {
    let has_moved =
        wave.counted_at.is_none() || wave.counted_figures.as_ref() != Some(&wave.figures);
    let closes = wave.closes_at.is_some_and(|at| at <= now_ms);
    let has_rested = match (pace, wave.counted_at) {
        (Pace::AtOnce, _) | (_, None) => true,
        (Pace::Steady, Some(at)) => {
            let rest = REST_MS.max(wave.took_ms.saturating_mul(REST_TIMES));
            now_ms.saturating_sub(at) >= rest
        }
    };
    (has_moved && has_rested) || closes
}

/// `false` when it was stopped.
async fn count(
    db: &Db,
    clock: &SharedClock,
    wave: &Countable,
    stop: &CancellationToken,
) -> Result<bool, DbErr> {
    let begun_at = clock.now_ms();
    let mut cubes: BTreeMap<(String, String), Counting> = BTreeMap::new();
    let last = store::last_seq(db, wave.wave).await?;
    let mut after = 0;
    while after < last {
        if stop.is_cancelled() {
            return Ok(false);
        }
        let span = Span {
            wave: wave.wave,
            launched_at: wave.launched_at,
            after,
            last: last.min(after + PAGE),
        };
        for row in store::rows(db, span, false).await? {
            let cube = cubes.entry((row.channel, row.cell)).or_default();
            let half = attributes::half(row.customer.0);
            cube.add(&row.person, wave.launched_at, half, &row.counts);
        }
        after = span.last;
    }
    let cubes = cubes
        .into_iter()
        .map(|(of, counting)| (of, counting.finish()))
        .collect();
    let counted_at = clock.now_ms();
    let counted = Counted {
        wave: wave.wave,
        figures: wave.figures.clone(),
        counted_at,
        took_ms: counted_at.saturating_sub(begun_at),
        is_final: wave.closes_at.is_some_and(|at| at <= begun_at),
        cubes,
    };
    store::keep(db, &counted).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WaveId;

    #[test]
    fn a_wave_is_counted_when_it_moved_but_not_all_the_time() {
        let wave = Countable {
            wave: WaveId(1),
            launched_at: 0,
            closes_at: None,
            figures: "accepted=2;".to_owned(),
            counted_figures: Some("accepted=1;".to_owned()),
            counted_at: Some(1_000_000),
            took_ms: 10_000,
        };
        assert!(
            !is_due(&wave, Pace::Steady, 1_150_000),
            "it took ten seconds"
        );
        assert!(is_due(&wave, Pace::Steady, 1_200_000));
        assert!(is_due(&wave, Pace::AtOnce, 1_000_001));
        let still = Countable {
            counted_figures: Some(wave.figures.clone()),
            ..wave.clone()
        };
        assert!(!is_due(&still, Pace::AtOnce, i64::MAX));
        let closing = Countable {
            closes_at: Some(5_000_000),
            ..still
        };
        assert!(
            is_due(&closing, Pace::Steady, 5_000_000),
            "once more, for good"
        );
    }
}
