//! A look at a file before it is imported: its columns, what they seem to hold, and its first rows.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::columns::{attribute_name, guess};
use super::encoding::{self, Decoded};
use super::names::names;
use super::records::{Cells, MAX_RECORD, Record, Records};
use super::{ImportError, ImportKind};

/// Rows that are shown.
const ROWS: usize = 5;
/// Characters of a cell that are shown.
const CELL: usize = 60;

/// The begin of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    pub columns: Vec<PreviewColumn>,
    /// Whether the file has rows beyond the header.
    pub has_rows: bool,
    /// Name of the encoding.
    pub encoding: &'static str,
    pub delimiter: char,
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewColumn {
    pub header: String,
    /// Our name of what it seems to hold; of two that seem to hold the same, the first has it.
    pub guess: Option<String>,
    /// What it would be called as an attribute.
    pub as_attribute: String,
    /// Its cells in the first rows.
    pub samples: Vec<String>,
}

/// Our names of what a column of such a file can hold.
pub fn fields_of(kind: ImportKind) -> Vec<&'static str> {
    names(kind).iter().map(|(name, _, _)| *name).collect()
}

/// Looks at a file; blocks the thread.
///
/// # Errors
/// When it cannot be read or has no header.
pub fn preview(path: &Path, kind: ImportKind) -> Result<Preview, ImportError> {
    let (mut records, encoding) = open(path)?;
    let header = match next(&mut records, path)? {
        None => {
            return Err(ImportError::Empty {
                path: path.to_owned(),
            });
        }
        Some(Record::TooLarge { .. }) => {
            return Err(ImportError::HeaderTooLarge {
                path: path.to_owned(),
            });
        }
        Some(Record::Cells(header)) => header,
    };
    let rows = rows(&mut records, path, ROWS)?;
    let mut columns: Vec<PreviewColumn> = Vec::with_capacity(header.len());
    for (n, name) in header.iter().enumerate() {
        let name = shown(name);
        let guess = guess(&name, kind).filter(|guess| {
            let mut before = columns.iter();
            !before.any(|column| column.guess.as_ref() == Some(guess))
        });
        columns.push(PreviewColumn {
            guess,
            as_attribute: attribute_name(&name),
            samples: rows
                .iter()
                .map(|cells| shown(cells.get(n).unwrap_or_default()))
                .collect(),
            header: name,
        });
    }
    Ok(Preview {
        columns,
        has_rows: !rows.is_empty(),
        encoding,
        delimiter: char::from(records.delimiter()),
    })
}

/// The header and the first `limit` rows of a file of rejected rows, as they are shown; blocks the thread.
///
/// # Errors
/// When it cannot be read.
pub fn rejected(path: &Path, limit: usize) -> Result<Vec<Vec<String>>, ImportError> {
    let (mut records, _) = open(path)?;
    let rows = rows(&mut records, path, limit + 1)?;
    // The reason is told whole.
    let reason = rows.first().and_then(|heads| {
        heads
            .iter()
            .collect::<Vec<_>>()
            .iter()
            .rposition(|head| *head == "reason")
    });
    let row = |cells: &Cells| -> Vec<String> {
        let cells = cells.iter().enumerate();
        cells
            .map(|(n, text)| match Some(n) == reason {
                true => text.to_owned(),
                false => shown(text),
            })
            .collect()
    };
    Ok(rows.iter().map(row).collect())
}

fn open(path: &Path) -> Result<(Records, &'static str), ImportError> {
    let read = |cause| ImportError::Read {
        path: path.to_owned(),
        cause,
    };
    let mut file = File::open(path).map_err(read)?;
    let detected = encoding::detect(&mut file).map_err(read)?;
    let decoded = Decoded::new(file, detected).map_err(read)?;
    let records = Records::new(decoded).map_err(read)?;
    Ok((records, detected.encoding.name()))
}

fn next(records: &mut Records, path: &Path) -> Result<Option<Record>, ImportError> {
    records.next().map_err(|cause| ImportError::Read {
        path: path.to_owned(),
        cause,
    })
}

/// The next rows that are not blank; rows too large to be kept are passed over.
fn rows(records: &mut Records, path: &Path, limit: usize) -> Result<Vec<Cells>, ImportError> {
    let mut rows = Vec::new();
    let mut bytes = 0;
    while rows.len() < limit && bytes < 4 * MAX_RECORD {
        match next(records, path)? {
            None => break,
            Some(Record::Cells(cells)) if !cells.is_blank() => {
                bytes += cells.size();
                rows.push(cells);
            }
            Some(_) => bytes += 1_024,
        }
    }
    Ok(rows)
}

/// A cell as a page shows it: one line, not too long.
fn shown(cell: &str) -> String {
    let cell = cell.trim();
    let mut text: String = cell
        .chars()
        .take(CELL)
        .map(|c| if c.is_control() { '\u{b7}' } else { c })
        .collect();
    if cell.chars().nth(CELL).is_some() {
        text.push('…');
    }
    text
}

/// Whether a file begins like a workbook of a spreadsheet program (or another archive), which is no CSV.
///
/// # Errors
/// When it cannot be read.
pub fn is_workbook(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(8).read_to_end(&mut head)?;
    // Zip (xlsx, ods), and the older compound files (xls).
    Ok(head.starts_with(b"PK\x03\x04") || head.starts_with(b"\xd0\xcf\x11\xe0"))
}
