//! The people behind a cell of the grid, page by page.

use sea_orm::DbErr;

use super::cross::{self, Slice};
use super::dimension::Dimension;
use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::reports::store::grid::{self as store, Loaded, Row, Span};
use crate::storage::Db;

/// Deliveries read at once, and how often for one page, so that a page is quick however rare its people are.
const STEP: i64 = 1_000;
/// The same where the database passes over who did not respond.
const STEP_OF_RESPONDERS: i64 = 8_000;
const STEPS: i64 = 6;

/// Whom one wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub filters: Vec<(Dimension, String)>,
    pub only_responders: bool,
    /// The delivery after which to go on.
    pub after: Option<DeliveryKey>,
    pub limit: usize,
}

/// A person of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Someone {
    pub customer: CustomerId,
    pub name: Option<String>,
    pub delivery: DeliveryKey,
    pub wave: String,
    pub channel: String,
    pub has_responded: bool,
    pub orders: u64,
    pub revenue_cents: i64,
}

/// A page of people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    pub people: Vec<Someone>,
    /// Where the next page begins; `None` when everyone was seen.
    pub next: Option<DeliveryKey>,
}

/// The next people of a cell, in the order of the newest wave and its places. They are looked for as they are
/// now, so that one whose details changed since the counting may be missing here or stand here anew.
///
/// # Errors
/// When the database is away.
pub async fn people(db: &Db, loaded: &Loaded, wanted: &Wanted) -> Result<People, DbErr> {
    let mut found = People::default();
    let step = if wanted.only_responders {
        STEP_OF_RESPONDERS
    } else {
        STEP
    };
    let mut budget = step * STEPS;
    for wave in &loaded.waves {
        if wanted.after.is_some_and(|after| after.wave < wave.wave) {
            continue;
        }
        let slices: Vec<&Slice> = loaded.of_wave(wave.wave).collect();
        if !slices.iter().any(|slice| suits_wave(slice, wanted)) {
            continue;
        }
        let last = store::last_seq(db, wave.wave).await?;
        let begun = wanted.after.filter(|after| after.wave == wave.wave);
        let mut after = begun.map_or(0, |after| after.seq);
        while after < last {
            if budget <= 0 {
                found.next = Some(DeliveryKey {
                    wave: wave.wave,
                    seq: after,
                });
                return Ok(found);
            }
            let span = Span {
                wave: wave.wave,
                launched_at: wave.launched_at,
                after,
                last: last.min(after + step),
            };
            for row in store::rows(db, span, wanted.only_responders).await? {
                let slice = slices.iter().find(|slice| {
                    slice.common.channel == row.channel && slice.common.cell == row.cell
                });
                let Some(slice) = slice else { continue };
                if !suits(slice, &row, wave.launched_at, wanted) {
                    continue;
                }
                let key = row.key;
                found.people.push(someone(row, slice));
                if found.people.len() >= wanted.limit {
                    found.next = Some(key);
                    return Ok(found);
                }
            }
            budget -= span.last - span.after;
            after = span.last;
        }
    }
    Ok(found)
}

impl Loaded {
    fn of_wave(&self, wave: WaveId) -> impl Iterator<Item = &Slice> {
        self.slices.iter().filter(move |slice| slice.wave == wave)
    }
}

fn suits_wave(slice: &Slice, wanted: &Wanted) -> bool {
    wanted.filters.iter().all(|(dimension, value)| {
        let of_wave = slice.common.value(*dimension);
        of_wave.is_none_or(|found| found == value)
    })
}

/// A delivery is of the people who were counted: it arrived, or brought a response.
fn suits(slice: &Slice, row: &Row, launched_at: i64, wanted: &Wanted) -> bool {
    let is_counted = row.counts.delivered > 0 || row.counts.responders > 0;
    is_counted
        && suits_wave(slice, wanted)
        && wanted.filters.iter().all(|(dimension, value)| {
            let Some(place) = dimension.place() else {
                return true;
            };
            let found = match row.person.value(*dimension, launched_at) {
                None => cross::UNKNOWN,
                Some(name) => {
                    let is_named = slice.cube.named(place).any(|(_, named)| named == name);
                    if is_named { name } else { cross::OTHERS }
                }
            };
            found == value
        })
}

fn someone(row: Row, slice: &Slice) -> Someone {
    Someone {
        customer: row.customer,
        name: row.name,
        delivery: row.key,
        wave: slice.common.wave.clone(),
        channel: row.channel,
        has_responded: row.counts.responders > 0,
        orders: row.counts.orders,
        revenue_cents: row.counts.revenue_cents,
    }
}
