//! Reading a file while the database is busy with what was read before.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::columns::Columns;
use super::encoding::{self, Decoded};
use super::records::{Cells, MAX_RECORD, Record, Records};
use super::report::Remarks;
use super::{Defaults, ImportError, ImportRequest};
use crate::statistics::Sentence;

/// Rows written together.
const BATCH: u64 = 500;
/// Bytes of text of a batch, where rows are large.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Batches that are read ahead, beside the one that is being read.
const AHEAD: usize = 1;

/// A row of a batch, or why there is none.
pub(super) type Read<T> = fn(&Columns, &Cells, &Defaults, &mut Remarks) -> Result<T, Sentence>;

/// Some rows of a file.
pub(super) struct Batch<T> {
    /// Those that could be read, with their cells.
    pub rows: Vec<(Cells, T)>,
    /// Those that could not, and why.
    pub refused: Vec<(Cells, Sentence)>,
    pub remarks: Remarks,
    /// Of the file, up to the end of the batch.
    pub bytes_read: u64,
}

/// The batches of a file, as they are read.
pub(super) struct Batches<T> {
    path: PathBuf,
    receiver: mpsc::Receiver<Result<Option<Batch<T>>, ImportError>>,
}

impl<T> Batches<T> {
    /// The next batch; `None` at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read to its end.
    pub async fn next(&mut self) -> Result<Option<Batch<T>>, ImportError> {
        // The end of the file is told: silence is a thread that broke off, and half a file is not taken.
        self.receiver.recv().await.unwrap_or_else(|| {
            Err(ImportError::Read {
                path: self.path.clone(),
                cause: std::io::Error::other("the reading broke off before the end"),
            })
        })
    }
}

/// A file whose header was understood.
pub(super) struct Source {
    path: PathBuf,
    records: Records,
    pub columns: Arc<Columns>,
    pub bytes_total: u64,
    /// Name of the encoding.
    pub encoding: &'static str,
    may_be_damaged: bool,
}

impl Source {
    /// Opens the file and reads its header.
    ///
    /// # Errors
    /// When it cannot be read or its header not understood.
    pub fn open(request: &ImportRequest) -> Result<Self, ImportError> {
        let path = &request.path;
        let read = |cause| ImportError::Read {
            path: path.clone(),
            cause,
        };
        let mut file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(ImportError::NotAFile { path: path.clone() });
        }
        let detected = encoding::detect(&mut file).map_err(read)?;
        let decoded = Decoded::new(file, detected).map_err(read)?;
        let mut records = Records::new(decoded).map_err(read)?;
        let header = match records.next().map_err(read)? {
            None => return Err(ImportError::Empty { path: path.clone() }),
            Some(Record::TooLarge { .. }) => {
                return Err(ImportError::HeaderTooLarge { path: path.clone() });
            }
            Some(Record::Cells(header)) => header,
        };
        let columns = Columns::read(&header, &request.map, request.kind)?;
        Ok(Self {
            path: path.clone(),
            records,
            columns: Arc::new(columns),
            bytes_total: metadata.len(),
            encoding: detected.encoding.name(),
            may_be_damaged: detected.may_be_damaged,
        })
    }

    pub fn delimiter(&self) -> u8 {
        self.records.delimiter()
    }

    /// Reads the file on a thread of its own, which is never more than [`AHEAD`] batches ahead and ends
    /// when nobody takes them any more.
    pub fn batches<T: Send + 'static>(
        mut self,
        read: Read<T>,
        defaults: Arc<Defaults>,
    ) -> Batches<T> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            loop {
                let batch = self.batch(read, &defaults);
                let is_last = !matches!(batch, Ok(Some(_)));
                if sender.blocking_send(batch).is_err() || is_last {
                    break;
                }
            }
        });
        Batches { path, receiver }
    }

    /// The next batch; `None` at the end of the file.
    fn batch<T>(
        &mut self,
        read: Read<T>,
        defaults: &Defaults,
    ) -> Result<Option<Batch<T>>, ImportError> {
        let mut batch = Batch {
            rows: Vec::new(),
            refused: Vec::new(),
            remarks: Remarks::default(),
            bytes_read: 0,
        };
        let mut bytes = 0;
        while batch.remarks.rows < BATCH && bytes < BATCH_BYTES {
            let record = self.records.next().map_err(|cause| ImportError::Read {
                path: self.path.clone(),
                cause,
            })?;
            let cells = match record {
                None if batch.remarks.rows == 0 => return Ok(None),
                None => break,
                Some(Record::TooLarge { line, last_line }) => {
                    batch.remarks.rows += 1;
                    let reason = Sentence::new("lines {line} to {last} are one row of more than {n} bytes; is a quotation mark not closed? Its cells are not in this file")
                        .named("line", line)
                        .named("last", last_line)
                        .named("n", MAX_RECORD);
                    batch.refused.push((Cells::empty(line), reason));
                    continue;
                }
                Some(Record::Cells(cells)) if cells.is_blank() => continue,
                Some(Record::Cells(cells)) => cells,
            };
            batch.remarks.rows += 1;
            bytes += cells.size();
            let row = self
                .check(&cells)
                .and_then(|()| read(&self.columns, &cells, defaults, &mut batch.remarks));
            match row {
                Ok(row) => batch.rows.push((cells, row)),
                Err(reason) => batch.refused.push((cells, reason)),
            }
        }
        batch.bytes_read = self.records.bytes_read();
        Ok(Some(batch))
    }

    /// Whether the row is whole and readable.
    fn check(&self, cells: &Cells) -> Result<(), Sentence> {
        let (has, wanted) = (cells.len(), self.columns.headers.len());
        let has_more = cells
            .iter()
            .skip(wanted)
            .any(|cell| !cell.trim().is_empty());
        if has < wanted || has_more {
            let lines = (cells.last_line > cells.line).then(|| {
                Sentence::new(
                    "; it goes from line {line} to {last}: is a quotation mark not closed?",
                )
                .named("line", cells.line)
                .named("last", cells.last_line)
            });
            return Err(
                Sentence::new("the row has {has} cells, the header {wanted}{lines}")
                    .named("has", has)
                    .named("wanted", wanted)
                    .with("lines", lines),
            );
        }
        if self.may_be_damaged && cells.iter().any(|cell| cell.contains('\u{fffd}')) {
            return Err(Sentence::new(
                "some letters are not {encoding}, though the file elsewhere is; save the file in one encoding",
            )
            .with("encoding", self.encoding));
        }
        Ok(())
    }
}
