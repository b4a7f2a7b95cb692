//! Rejected rows as a file that can be mended and imported: the cells as they were, and behind them the
//! line and the reason, two columns the next import passes over. A cell that a spreadsheet would take for a
//! formula has an apostrophe before it, which the next import takes away.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::columns::Columns;
use super::records::Cells;
use crate::storage::text::formula_safe;

/// A file of rejected rows; it has its name only when it is whole.
pub(super) struct Rejects {
    writer: csv::Writer<File>,
    /// The name until then; `None` for what is no file (a device, a pipe), which is written to as it is.
    unfinished: Option<PathBuf>,
    path: PathBuf,
}

impl Rejects {
    /// Begins the file with the header of the file imported.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, columns: &Columns, delimiter: u8) -> io::Result<Self> {
        let is_file = path.metadata().map_or(true, |metadata| metadata.is_file());
        let (mut file, unfinished) = if is_file {
            let mut unfinished = path.as_os_str().to_owned();
            unfinished.push(".part");
            let unfinished = PathBuf::from(unfinished);
            (File::create(&unfinished)?, Some(unfinished))
        } else {
            (File::options().write(true).open(path)?, None)
        };
        // By this mark Excel knows that it is UTF-8.
        file.write_all("\u{feff}".as_bytes())?;
        let writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_writer(file);
        let mut rejects = Self {
            writer,
            unfinished,
            path: path.to_owned(),
        };
        let header = kept(columns, columns.headers.iter().map(String::as_str));
        let header = header.into_iter().chain(["line", "reason"]);
        rejects.writer.write_record(header.map(formula_safe))?;
        Ok(rejects)
    }

    /// Adds a row; cells beyond the header stand behind the reason.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, columns: &Columns, cells: &Cells, reason: &str) -> io::Result<()> {
        let wanted = columns.headers.len();
        let line = cells.line.to_string();
        let own = kept(
            columns,
            (0..wanted).map(|n| cells.get(n).unwrap_or_default()),
        );
        let beyond = cells.iter().skip(wanted);
        let row = own.into_iter().chain([line.as_str(), reason]).chain(beyond);
        self.writer.write_record(row.map(formula_safe))?;
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        match &self.unfinished {
            Some(unfinished) => std::fs::rename(unfinished, &self.path),
            None => Ok(()),
        }
    }
}

/// The cells without the line and reason of an earlier import.
fn kept<'a>(columns: &Columns, cells: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    cells
        .enumerate()
        .filter(|(n, _)| !columns.notes.contains(n))
        .map(|(_, cell)| cell)
        .collect()
}
