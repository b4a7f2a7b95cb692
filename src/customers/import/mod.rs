//! Customers and orders from a CSV file.
//!
//! The file is read twice, never held: once to decide its encoding, once to import it, a batch ahead of
//! the database. All is written in one transaction, so an interruption leaves nothing behind. A row that
//! cannot be taken is told with its line and reason and written to a file of its own; the others are taken.

pub(super) mod columns;
mod customers;
pub(super) mod encoding;
mod fields;
pub(super) mod names;
mod orders;
mod preview;
mod reading;
pub(super) mod records;
mod rejects;
mod report;
pub mod told;
pub(super) mod values;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use futures_util::future::BoxFuture;
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use fields::{Correction, read_fields};
pub use preview::{Preview, PreviewColumn, fields_of, is_workbook, preview, rejected};
pub use report::{ImportReport, Rejection, Warning, WarningKind, Warnings};
pub use write::Change;

use self::columns::Columns;
use self::reading::{Batch, Source};
use self::records::{Cells, MAX_RECORD};
use self::rejects::Rejects;
use super::profile::Row;
use super::store::{import as store, trial};
use crate::clock;
use crate::events::{self, model::EventKind};
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::statistics::Sentence;
use crate::storage::{Db, Txn};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportKind {
    #[default]
    Customers,
    Orders,
}

/// What to import, and how.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    pub path: PathBuf,
    /// What the person calls the file, where that is not what it is called here.
    pub name: Option<String>,
    pub kind: ImportKind,
    /// Columns of the file and the fields they hold, where the names alone do not tell.
    pub map: Vec<(String, String)>,
    /// Where telephone numbers without a country code are from, when the row names no country (ISO 3166-1 alpha-2).
    pub default_region: String,
    /// Language of a new customer whose row names none (ISO 639-1).
    pub default_language: String,
    /// Country of a new customer whose row names none (ISO 3166-1 alpha-2).
    pub default_country: String,
    /// Currency of a new order whose row names none (ISO 4217).
    pub default_currency: String,
    /// Do everything elsewhere, and keep nothing.
    pub dry_run: bool,
    /// Where rejected rows are written; a file that is there is replaced. `None`: nowhere.
    pub rejects: Option<PathBuf>,
}

impl ImportRequest {
    /// An import for France in French, with rejected rows written beside the file.
    pub fn new(path: impl Into<PathBuf>, kind: ImportKind) -> Self {
        let path = path.into();
        Self {
            rejects: Some(rejects_path(&path)),
            path,
            name: None,
            kind,
            map: Vec::new(),
            default_region: "FR".to_owned(),
            default_language: "fr".to_owned(),
            default_country: "FR".to_owned(),
            default_currency: "EUR".to_owned(),
            dry_run: false,
        }
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        // One that is not there yet is no other.
        _ => false,
    }
}

/// The file beside `path` that takes its rejected rows: `customers.csv.rejected.csv`.
pub fn rejects_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".rejected.csv");
    PathBuf::from(name)
}

impl ImportRequest {
    fn check_defaults(&self) -> Result<(), ImportError> {
        for code in [&self.default_region, &self.default_country] {
            if values::country(code).as_deref() != Some(code) {
                return Err(ImportError::DefaultCountry(code.clone()));
            }
        }
        Ok(())
    }

    /// Whether the file can be opened and its header understood, without reading a row; blocks the thread.
    ///
    /// # Errors
    /// As [`run`].
    pub fn check(&self) -> Result<(), ImportError> {
        self.check_defaults()?;
        Source::open(self).map(|_| ())
    }
}

/// Reads `Their column=our_field` of the command line; `#2=our_field` names the second column.
///
/// # Errors
/// A sentence, when there is no `=` or nothing on one side of it.
pub fn parse_map(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((column, field)) if !column.trim().is_empty() && !field.trim().is_empty() => {
            Ok((column.trim().to_owned(), field.trim().to_owned()))
        }
        _ => Err(format!(
            "{text:?} does not say what holds what; write \"Their column=our_field\""
        )),
    }
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Of the file, in its own encoding.
    pub bytes_read: u64,
    pub bytes_total: u64,
    pub rows: u64,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("cannot read {path}: {cause}")]
    Read {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{path} is not a regular file; save the data to a file and import that")]
    NotAFile { path: PathBuf },
    #[error(
        "the rejected rows would replace {path}, the file they come from; give --rejects another name"
    )]
    RejectsOverInput { path: PathBuf },
    #[error("{path} is empty; its first line must name the columns")]
    Empty { path: PathBuf },
    #[error(
        "the header of {path} is larger than {MAX_RECORD} bytes; is it a CSV file, and every quotation mark closed?"
    )]
    HeaderTooLarge { path: PathBuf },
    #[error(
        "--map names the column {column:?}, which the file does not have; its columns are: {columns}"
    )]
    UnknownColumn { column: String, columns: String },
    #[error("--map names the field {field:?}, which there is not; did you mean {nearest:?}?")]
    UnknownField { field: String, nearest: String },
    #[error(
        "the columns {first:?} and {second:?} hold the same field; keep one, or set the other aside with --map \"{second}=ignore\""
    )]
    DuplicateColumn { first: String, second: String },
    #[error(
        "the column {column:?} does not name a permission; write permission.email.TOPIC or permission.sms.TOPIC, with .source, .date, .basis, .wording, .level or .expires behind it for its proof"
    )]
    PermissionColumn { column: String },
    #[error(
        "no column says who a row is about: {id}, email or phone; the columns are: {columns}; name one with --map \"Their column={id}\""
    )]
    NoIdentifier { id: &'static str, columns: String },
    #[error(
        "no column holds {field}; the columns are: {columns}; name it with --map \"Their column={field}\""
    )]
    MissingColumn {
        field: &'static str,
        columns: String,
    },
    #[error("the default country {0:?} is not an ISO 3166-1 code such as FR")]
    DefaultCountry(String),
    #[error("cannot write the rejected rows to {path}: {cause}")]
    Rejects {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("the database failed, nothing was imported: {0}")]
    Database(#[from] DbErr),
}

/// What holds for every row.
#[derive(Debug, Clone)]
struct Defaults {
    region: String,
    language: String,
    country: String,
    currency: String,
    /// The source of a refusal that names none.
    source: String,
    now_ms: i64,
    today: NaiveDate,
}

/// What is written in the transaction of an import, behind all else: it stands when the import does.
pub type Seal =
    Box<dyn for<'t> FnOnce(&'t Txn, &'t ImportReport) -> BoxFuture<'t, Result<(), DbErr>> + Send>;

/// Imports a file, whole or not at all; `progress` is called after each batch.
///
/// Who a row is about: the customer with its external id; else with its e-mail address; else, without
/// an address, with its telephone number. A row whose external id is new takes a customer at the same
/// address only if he has no external id yet. An empty cell erases nothing. Rows are taken in order.
///
/// # Errors
/// When the file cannot be read or its header not understood, or the database fails; nothing is then
/// imported.
pub async fn run(
    db: &Db,
    keys: &Keys,
    now_ms: i64,
    request: ImportRequest,
    progress: impl FnMut(Progress),
) -> Result<ImportReport, ImportError> {
    run_sealed(db, keys, now_ms, request, progress, None).await
}

/// As [`run`]; `seal` is called before the import is made durable, not in a dry run.
///
/// # Errors
/// As [`run`]; also when the seal fails.
pub async fn run_sealed(
    db: &Db,
    keys: &Keys,
    now_ms: i64,
    request: ImportRequest,
    mut progress: impl FnMut(Progress),
    seal: Option<Seal>,
) -> Result<ImportReport, ImportError> {
    request.check_defaults()?;
    if let Some(rejects) = &request.rejects
        && is_same_file(rejects, &request.path)
    {
        return Err(ImportError::RejectsOverInput {
            path: rejects.clone(),
        });
    }
    let source = Source::open(&request)?;
    let name = match &request.name {
        Some(name) => name.as_str().into(),
        None => request
            .path
            .file_name()
            .map(|name| name.to_string_lossy())
            .unwrap_or_default(),
    };
    let defaults = Arc::new(Defaults {
        region: request.default_region.clone(),
        language: request.default_language.clone(),
        country: request.default_country.clone(),
        currency: request.default_currency.clone(),
        source: format!("import of {name}"),
        now_ms,
        today: clock::from_ms(now_ms).date_naive(),
    });
    let mut taking = Taking::new(&request, &source);
    // A trial writes what an import writes, but elsewhere: on SQLite all other writers would wait for its end.
    let scratch = match request.dry_run {
        true => Some(Db::scratch().await?),
        false => None,
    };
    let txn = scratch.as_ref().unwrap_or(db).begin().await?;
    match &scratch {
        Some(_) => trial::begin(db, &txn).await?,
        None => store::begin(&txn).await?,
    }
    let mut seen = Seen::default();
    let mut lines = Lines::default();
    match request.kind {
        ImportKind::Customers => {
            let mut batches = source.batches(customers::read, Arc::clone(&defaults));
            while let Some(batch) = batches.next().await? {
                let (rows, read) = taking.take(batch)?;
                let entries: Vec<_> = rows.into_iter().map(|(_, entry)| entry).collect();
                if scratch.is_some() {
                    let rows: Vec<_> = entries.iter().map(|entry| &entry.row).collect();
                    trial::bring_customers(db, &txn, keys, &rows).await?;
                }
                let report = &mut taking.report;
                for entry in &entries {
                    if let Some(earlier) = lines.of(&entry.row, entry.line) {
                        let kind = WarningKind::StandsTwice;
                        report.warnings.add_pair(kind, earlier, entry.line);
                    }
                }
                seen.add(write::write(&txn, keys, &defaults, &entries, report).await?);
                progress(read);
            }
            store::settle(&txn).await?;
            for ids in seen.chunks() {
                for (channel, n) in store::reachable(&txn, &ids).await? {
                    *taking.report.reachable.entry(channel.as_str()).or_default() += n;
                }
            }
        }
        ImportKind::Orders => {
            let mut batches = source.batches(orders::read, Arc::clone(&defaults));
            while let Some(mut batch) = batches.next().await? {
                // Told with those that the base refuses, in the order of the file.
                let mut refused = std::mem::take(&mut batch.refused);
                let (rows, read) = taking.take(batch)?;
                let (cells, entries): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
                if scratch.is_some() {
                    let told: Vec<_> = entries.iter().map(|entry| &entry.told).collect();
                    trial::bring_orders(db, &txn, &told).await?;
                }
                let (currency, report) = (&defaults.currency, &mut taking.report);
                let by_base = orders::write(&txn, keys, &entries, currency, now_ms, report).await?;
                let mut cells: Vec<Option<Cells>> = cells.into_iter().map(Some).collect();
                refused.extend(by_base.into_iter().filter_map(|(n, reason)| {
                    let cells = cells.get_mut(n)?.take()?;
                    Some((cells, reason))
                }));
                refused.sort_by_key(|(cells, _)| cells.line);
                for (cells, reason) in &refused {
                    taking.reject(cells, reason)?;
                }
                progress(read);
            }
            store::settle(&txn).await?;
        }
    }
    // The rejects first: an import is not to stand whose rejected rows are lost.
    let report = taking.finish()?;
    if let Some(scratch) = scratch {
        txn.rollback().await?;
        scratch.close().await;
    } else {
        let content = json!({
            "kind": report.kind,
            "file": name,
            "rows": report.rows,
            "created": report.created,
            "updated": report.updated,
            "unchanged": report.unchanged,
            "rejected": report.rejected,
        });
        events::record(&*txn, EventKind::ImportFinished, &content, now_ms).await?;
        if let Some(seal) = seal {
            seal(&txn, &report).await?;
        }
        txn.commit().await?;
    }
    Ok(report)
}

/// What is told of a file while it is taken.
struct Taking<'a> {
    request: &'a ImportRequest,
    columns: Arc<Columns>,
    delimiter: u8,
    bytes_total: u64,
    rejects: Option<Rejects>,
    report: ImportReport,
}

impl<'a> Taking<'a> {
    fn new(request: &'a ImportRequest, source: &Source) -> Self {
        let delimiter = source.delimiter();
        let mut report =
            ImportReport::new(request.kind, request.dry_run, source.encoding, delimiter);
        report.ignored_columns.clone_from(&source.columns.ignored);
        report.has_permissions = !source.columns.permissions.is_empty();
        Self {
            request,
            columns: Arc::clone(&source.columns),
            delimiter,
            bytes_total: source.bytes_total,
            rejects: None,
            report,
        }
    }

    /// Notes what was said of a batch; its rows, and how far the import has come with it.
    fn take<T>(&mut self, batch: Batch<T>) -> Result<(Vec<(Cells, T)>, Progress), ImportError> {
        self.report.note(batch.remarks);
        for (cells, reason) in &batch.refused {
            self.reject(cells, reason)?;
        }
        let progress = Progress {
            bytes_read: batch.bytes_read,
            bytes_total: self.bytes_total,
            rows: self.report.rows,
        };
        Ok((batch.rows, progress))
    }

    fn reject(&mut self, cells: &Cells, reason: &Sentence) -> Result<(), ImportError> {
        self.report.reject(cells.line, reason);
        let Some(path) = &self.request.rejects else {
            return Ok(());
        };
        let failed = |cause| ImportError::Rejects {
            path: path.clone(),
            cause,
        };
        let rejects = match &mut self.rejects {
            Some(rejects) => rejects,
            none => {
                none.insert(Rejects::create(path, &self.columns, self.delimiter).map_err(failed)?)
            }
        };
        let reason = reason.to_string();
        rejects.write(&self.columns, cells, &reason).map_err(failed)
    }

    fn finish(mut self) -> Result<ImportReport, ImportError> {
        if let (Some(rejects), Some(path)) = (self.rejects, &self.request.rejects) {
            rejects.finish().map_err(|cause| ImportError::Rejects {
                path: path.clone(),
                cause,
            })?;
            self.report.rejects = Some(path.clone());
        }
        Ok(self.report)
    }
}

/// The line on which each customer of a file stood last, by a hash of what he is known by.
#[derive(Debug, Default)]
struct Lines {
    hasher: RandomState,
    lines: HashMap<u64, u64>,
}

impl Lines {
    /// The earlier line about the customer of a row.
    fn of(&mut self, row: &Row, line: u64) -> Option<u64> {
        let key = match (&row.external_id, &row.email, &row.phone) {
            (Some(id), _, _) => (0, id.as_str()),
            (None, Some(email), _) => (1, email.key.as_str()),
            (None, None, Some(phone)) => (2, phone.as_str()),
            (None, None, None) => return None,
        };
        self.lines.insert(self.hasher.hash_one(key), line)
    }
}

/// Customers a file was about, a bit for each: ids are dense, so a million takes little.
#[derive(Debug, Default)]
struct Seen(BTreeMap<i64, u64>);

impl Seen {
    fn add(&mut self, customers: Vec<CustomerId>) {
        for CustomerId(id) in customers {
            *self.0.entry(id.div_euclid(64)).or_default() |= 1 << id.rem_euclid(64);
        }
    }

    /// All of them, in lists of a few thousand.
    fn chunks(&self) -> impl Iterator<Item = Vec<CustomerId>> {
        let words: Vec<(i64, u64)> = self.0.iter().map(|(word, bits)| (*word, *bits)).collect();
        let lists: Vec<Vec<(i64, u64)>> = words.chunks(64).map(<[_]>::to_vec).collect();
        lists.into_iter().map(|words| {
            words
                .into_iter()
                .flat_map(|(word, bits)| {
                    (0..64)
                        .filter(move |bit| bits >> bit & 1 == 1)
                        .map(move |bit| CustomerId(word * 64 + bit))
                })
                .collect()
        })
    }
}
