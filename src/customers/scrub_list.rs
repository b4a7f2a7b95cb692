//! Suppression lists: scrub lists of others (Robinson lists, a partner's opt-outs) come in, our own goes
//! out and comes back.
//!
//! Addresses are normalised as those of customers are and become fingerprints while the file is read;
//! none is kept, and none stands in the report. The export holds fingerprints, so it means something to
//! a base with the same secret only; it names their key, and fingerprints under another are refused.

mod columns;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat};
use sea_orm::DbErr;
use serde::Serialize;
use serde_json::json;

use super::import::encoding::{self, Decoded};
use super::import::records::{Record, Records};
use super::import::{Rejection, values};
use super::store::import as store;
use crate::consent::audit;
use crate::consent::model::{Channel, Scope};
use crate::consent::store::{self as consent, Suppression};
use crate::keys::Keys;
use crate::storage::text::counted;
use crate::storage::{Db, Txn};
use columns::{Columns, RowDefaults};

/// Rows written together: many, since each batch looks through the base once.
const BATCH: usize = 20_000;
/// Rejected rows told in the report.
const TOLD: usize = 20;
/// Characters of a reason or a topic.
const MAX_WORD: usize = 100;

/// What to import, and what holds for rows that do not say it themselves.
#[derive(Debug, Clone)]
pub struct ScrubRequest {
    pub path: PathBuf,
    /// `None`: the file has a column `channel`, or its address column tells.
    pub channel: Option<Channel>,
    /// `None`: the file has a column `reason`.
    pub reason: Option<String>,
    pub scope: Scope,
    /// `2026-11-22` or an instant; `None`: now.
    pub date: Option<String>,
    /// Country of numbers without a prefix (ISO 3166-1 alpha-2).
    pub region: String,
    /// Do everything, then take it back.
    pub dry_run: bool,
}

/// Why no list was imported or exported.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    #[error("cannot read {path}: {cause}")]
    Read {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{0} is empty; it needs an address or number a line, or a CSV header")]
    Empty(PathBuf),
    #[error(
        "the file does not say by which channel its addresses are suppressed; give --channel email or --channel sms"
    )]
    NoChannel,
    #[error(
        "the file does not say why its addresses are suppressed; give --reason, such as robinson"
    )]
    NoReason,
    #[error("the reason {0:?} is not a word of letters, digits, - and _")]
    BadReason(String),
    #[error("the date {0:?} cannot be read; write 2026-11-22")]
    BadDate(String),
    #[error(
        "line {line}: this fingerprint was not made with the key of this installation ({key_id}, column `key`) and would protect nobody here; nothing was changed. Import the addresses themselves from the system the list comes from, or give this installation that system's secret.key before its first start"
    )]
    ForeignKey { line: u64, key_id: String },
    #[error("cannot write the list: {0}")]
    Write(#[from] std::io::Error),
    #[error("the database failed, nothing was changed: {0}")]
    Database(#[from] DbErr),
}

/// What an import of a list did; of a dry run, what it would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ScrubReport {
    pub is_dry_run: bool,
    /// Rows read, blank ones not counted.
    pub rows: u64,
    /// Addresses that were not suppressed for this channel and scope.
    pub new: u64,
    /// Addresses that were, or that the file names twice.
    pub known: u64,
    pub rejected: u64,
    /// Customers whom the channel could reach about some topic, and now about none.
    pub unreachable: u64,
    pub first_rejections: Vec<Rejection>,
}

impl fmt::Display for ScrubReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_dry_run {
            writeln!(f, "Dry run: nothing was kept.")?;
        }
        writeln!(f, "{} read", counted(self.rows, "row", "rows"))?;
        for (n, word) in [
            (self.new, "newly suppressed"),
            (self.known, "suppressed already"),
            (self.rejected, "rejected"),
            (
                self.unreachable,
                match self.unreachable {
                    1 => "person of the base no longer reachable",
                    _ => "people of the base no longer reachable",
                },
            ),
        ] {
            writeln!(f, "{n:>10} {word}")?;
        }
        for rejection in &self.first_rejections {
            writeln!(f, "Rejected line {}: {}", rejection.line, rejection.reason)?;
        }
        let told = u64::try_from(self.first_rejections.len()).unwrap_or_default();
        if self.rejected > told {
            writeln!(f, "… and {} more", self.rejected - told)?;
        }
        Ok(())
    }
}

/// Imports a list, whole or not at all: an address or number a line, or a CSV file with a column
/// `email`, `phone` or `fingerprint` and perhaps `channel`, `scope`, `reason` and `date`. A fingerprint
/// needs the column `key` of our own export.
///
/// A day counts to its end, since nothing tells at what time of it a consent was taken back.
///
/// # Errors
/// When the file cannot be read or does not say enough, holds fingerprints of another installation, or the
/// database fails.
pub async fn import(
    db: &Db,
    keys: &Keys,
    now_ms: i64,
    request: &ScrubRequest,
) -> Result<ScrubReport, ScrubError> {
    if let Some(reason) = request.reason.as_deref().filter(|word| !is_word(word)) {
        return Err(ScrubError::BadReason(reason.to_owned()));
    }
    let date = match &request.date {
        None => now_ms,
        Some(text) => instant(text, now_ms).ok_or_else(|| ScrubError::BadDate(text.clone()))?,
    };
    let read = |cause| ScrubError::Read {
        path: request.path.clone(),
        cause,
    };
    let mut records = open(&request.path).map_err(read)?;
    let Some(first) = records.next().map_err(read)? else {
        return Err(ScrubError::Empty(request.path.clone()));
    };
    let (columns, mut pending) = match first {
        Record::Cells(cells) => match Columns::of_header(&cells) {
            Some(columns) => (columns, None),
            None => (Columns::default(), Some(Record::Cells(cells))),
        },
        large @ Record::TooLarge { .. } => (Columns::default(), Some(large)),
    };
    let row_defaults = RowDefaults {
        channel: request.channel.or_else(|| columns.own_channel()),
        reason: request.reason.as_deref(),
        scope: &request.scope,
        date,
        region: &request.region,
        now_ms,
    };
    if row_defaults.channel.is_none() && columns.channel.is_none() {
        return Err(ScrubError::NoChannel);
    }
    if request.reason.is_none() && columns.reason.is_none() {
        return Err(ScrubError::NoReason);
    }
    let txn = db.begin().await?;
    store::begin(&txn).await?;
    let mut report = ScrubReport {
        is_dry_run: request.dry_run,
        ..ScrubReport::default()
    };
    let key_id = keys.fingerprint_key_id();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let record = match pending.take() {
            Some(record) => Some(record),
            None => records.next().map_err(read)?,
        };
        let (line, taken) = match record {
            None => break,
            Some(Record::Cells(cells)) if cells.is_blank() => continue,
            Some(Record::Cells(cells)) if columns.is_foreign(&cells, &key_id) => {
                let line = cells.line;
                return Err(ScrubError::ForeignKey { line, key_id });
            }
            Some(Record::Cells(cells)) => (cells.line, columns.read(&cells, keys, &row_defaults)),
            Some(Record::TooLarge { line, .. }) => (
                line,
                Err("the row is far too long; is a quotation mark not closed?".to_owned()),
            ),
        };
        report.rows += 1;
        match taken {
            Ok(suppression) => batch.push(suppression),
            Err(reason) => {
                report.rejected += 1;
                if report.first_rejections.len() < TOLD {
                    report.first_rejections.push(Rejection {
                        line,
                        reason: reason.into(),
                    });
                }
            }
        }
        if batch.len() == BATCH {
            write(&txn, &batch, &mut report).await?;
            batch.clear();
        }
    }
    write(&txn, &batch, &mut report).await?;
    let details = json!({
        "rows": report.rows, "new": report.new, "known": report.known, "rejected": report.rejected,
        "unreachable": report.unreachable, "channel": row_defaults.channel, "scope": request.scope.as_str(),
        "reason": request.reason,
    });
    audit::record(
        &*txn,
        now_ms,
        "operator",
        "suppression_import",
        None,
        details,
    )
    .await?;
    if request.dry_run {
        txn.rollback().await?;
    } else {
        txn.commit().await?;
    }
    Ok(report)
}

/// Suppresses a batch and counts what that changes.
async fn write(txn: &Txn, batch: &[Suppression], report: &mut ScrubReport) -> Result<(), DbErr> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut unique: HashMap<(&str, Channel, &str), &Suppression> = HashMap::new();
    for one in batch {
        unique.insert((&one.fingerprint, one.channel, one.scope.as_str()), one);
    }
    let rows: Vec<Suppression> = unique.into_values().cloned().collect();
    let known = consent::count_known(&**txn, &rows).await?;
    let new = u64::try_from(rows.len()).unwrap_or_default() - known;
    report.new += new;
    report.known += u64::try_from(batch.len()).unwrap_or_default() - new;
    let mut concerned = Vec::new();
    for channel in [Channel::Email, Channel::Sms] {
        let fingerprints: Vec<String> = rows
            .iter()
            .filter(|one| one.channel == channel)
            .map(|one| one.fingerprint.clone())
            .collect();
        if !fingerprints.is_empty() {
            let customers = store::at_fingerprints(txn, channel, &fingerprints).await?;
            concerned.push((channel, customers));
        }
    }
    let before = count_reachable(txn, &concerned).await?;
    consent::suppress(&**txn, batch).await?;
    let after = count_reachable(txn, &concerned).await?;
    report.unreachable += before.saturating_sub(after);
    Ok(())
}

async fn count_reachable(
    txn: &Txn,
    concerned: &[(Channel, Vec<crate::ids::CustomerId>)],
) -> Result<u64, DbErr> {
    let mut count = 0;
    for (channel, customers) in concerned {
        if customers.is_empty() {
            continue;
        }
        for (reached, n) in store::reachable(txn, customers).await? {
            if reached == *channel {
                count += n;
            }
        }
    }
    Ok(count)
}

/// Writes every suppression to `out` as CSV, ordered, so that the same list is the same bytes; returns
/// how many.
///
/// # Errors
/// When the list cannot be written or the database fails.
pub async fn export(db: &Db, keys: &Keys, now_ms: i64, out: impl Write) -> Result<u64, ScrubError> {
    let key_id = keys.fingerprint_key_id();
    let mut writer = csv::Writer::from_writer(out);
    let failed = |error: csv::Error| ScrubError::Write(std::io::Error::other(error));
    writer
        .write_record(["fingerprint", "channel", "scope", "reason", "date", "key"])
        .map_err(failed)?;
    let mut count = 0;
    let mut last: Option<Suppression> = None;
    loop {
        let mut page = consent::suppressions_after(&**db, last.as_ref()).await?;
        for one in &page {
            writer
                .write_record([
                    one.fingerprint.as_str(),
                    one.channel.as_str(),
                    one.scope.as_str(),
                    one.reason.as_str(),
                    &rfc3339(one.suppressed_at),
                    &key_id,
                ])
                .map_err(failed)?;
            count += 1;
        }
        match page.pop() {
            Some(one) => last = Some(one),
            None => break,
        }
    }
    writer.flush()?;
    let txn = db.begin().await?;
    let details = json!({ "rows": count });
    audit::record(
        &*txn,
        now_ms,
        "operator",
        "suppression_export",
        None,
        details,
    )
    .await?;
    txn.commit().await?;
    Ok(count)
}

/// To the millisecond, so that what comes back is what went out.
fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn open(path: &Path) -> std::io::Result<Records> {
    let mut file = File::open(path)?;
    let detected = encoding::detect(&mut file)?;
    Records::new(Decoded::new(file, detected)?)
}

/// An instant; a day without a time to its end, and nothing later than now.
fn instant(text: &str, now_ms: i64) -> Option<i64> {
    let at = values::instant(text).ok()?;
    let has_time = text.contains([':', 'T', 'h']);
    let at = if has_time { at } else { values::end_of_day(at) };
    Some(at.min(now_ms))
}

fn is_word(text: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    !text.is_empty() && text.chars().count() <= MAX_WORD && text.chars().all(is_letter)
}
