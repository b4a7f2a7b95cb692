//! From text to records: any of four delimiters, quoted cells with line breaks, lines ended in any way,
//! and no record larger than [`MAX_RECORD`] in memory.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::encoding::Decoded;

/// Bytes of UTF-8 a record may have.
pub(in crate::customers) const MAX_RECORD: usize = 256 * 1024;
/// Cells a record may have.
const MAX_CELLS: usize = 2_000;
const BUFFER: usize = 64 * 1024;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What stands at one place of the file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::customers) enum Record {
    Cells(Cells),
    /// The record is larger than memory is given for it; it was passed over.
    TooLarge {
        line: u64,
        last_line: u64,
    },
}

/// A record's cells, and its lines in the file, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::customers) struct Cells {
    pub line: u64,
    pub last_line: u64,
    text: String,
    ends: Vec<usize>,
}

impl Cells {
    /// A row of which nothing was kept.
    pub fn empty(line: u64) -> Self {
        Self {
            line,
            last_line: line,
            text: String::new(),
            ends: Vec::new(),
        }
    }

    /// These cells.
    pub fn of(line: u64, cells: &[&str]) -> Self {
        let mut row = Self::empty(line);
        for cell in cells {
            row.text.push_str(cell);
            row.ends.push(row.text.len());
        }
        row
    }

    pub fn get(&self, n: usize) -> Option<&str> {
        let end = *self.ends.get(n)?;
        let start = match n.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..end)
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|n| self.get(n).unwrap_or_default())
    }

    /// Bytes of text.
    pub fn size(&self) -> usize {
        self.text.len()
    }

    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// Reads the records of a file one by one.
pub(in crate::customers) struct Records {
    source: Decoded,
    reader: Reader,
    delimiter: u8,
    input: Vec<u8>,
    from: usize,
    to: usize,
    is_end: bool,
    output: Vec<u8>,
    ends: Vec<usize>,
    line: u64,
    was_return: bool,
}

impl Records {
    /// Looks at the beginning of the text for its delimiter.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(source: Decoded) -> io::Result<Self> {
        let mut records = Self {
            source,
            reader: Reader::new(),
            delimiter: b',',
            input: vec![0; BUFFER],
            from: 0,
            to: 0,
            is_end: false,
            output: vec![0; MAX_RECORD],
            ends: vec![0; MAX_CELLS],
            line: 1,
            was_return: false,
        };
        while records.to + 16 <= records.input.len() && !records.is_end {
            records.read_more()?;
        }
        let head = records.input.get(..records.to).unwrap_or_default();
        // Excel's own way of naming the delimiter, on a line before the header.
        records.delimiter = match head {
            [b's', b'e', b'p', b'=', delimiter, b'\r' | b'\n', ..]
                if DELIMITERS.contains(delimiter) =>
            {
                let delimiter = *delimiter;
                records.skip(5);
                delimiter
            }
            _ => sniff(head),
        };
        records.reader = ReaderBuilder::new().delimiter(records.delimiter).build();
        Ok(records)
    }

    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    pub fn bytes_read(&self) -> u64 {
        self.source.bytes_read()
    }

    /// The next record; empty lines are passed over.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let rest = self.input.get(self.from..self.to).unwrap_or_default();
            let blank = rest
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n'))
                .count();
            let is_all_blank = blank == rest.len();
            self.skip(blank);
            if !is_all_blank {
                break;
            }
            if self.is_end {
                return Ok(None);
            }
            self.read_more()?;
        }
        let line = self.line;
        let (mut written, mut ended, mut is_too_large) = (0, 0, false);
        loop {
            if self.from == self.to && !self.is_end {
                self.read_more()?;
            }
            let input = self.input.get(self.from..self.to).unwrap_or_default();
            let output = self.output.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(ended..).unwrap_or_default();
            let (result, read, wrote, cells) = self.reader.read_record(input, output, ends);
            self.skip(read);
            written += wrote;
            ended += cells;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    is_too_large = true;
                    (written, ended) = (0, 0);
                }
                ReadRecordResult::Record => break,
                ReadRecordResult::End if written == 0 && ended == 0 && !is_too_large => {
                    return Ok(None);
                }
                ReadRecordResult::End => break,
            }
        }
        let last_line = self.line - u64::from(self.is_at_line_start());
        if is_too_large {
            return Ok(Some(Record::TooLarge { line, last_line }));
        }
        let text = self.output.get(..written).unwrap_or_default();
        Ok(Some(Record::Cells(Cells {
            line,
            last_line: last_line.max(line),
            text: String::from_utf8_lossy(text).into_owned(),
            ends: self.ends.get(..ended).unwrap_or_default().to_vec(),
        })))
    }

    fn is_at_line_start(&self) -> bool {
        self.from > 0 && matches!(self.input.get(self.from - 1), Some(b'\r' | b'\n'))
    }

    /// Passes over `n` bytes of input, counting the lines that end in them.
    fn skip(&mut self, n: usize) {
        for byte in self.input.get(self.from..self.from + n).unwrap_or_default() {
            let is_second_half = *byte == b'\n' && self.was_return;
            if matches!(byte, b'\r' | b'\n') && !is_second_half {
                self.line += 1;
            }
            self.was_return = *byte == b'\r';
        }
        self.from += n;
    }

    fn read_more(&mut self) -> io::Result<()> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        let n = self
            .source
            .read(self.input.get_mut(self.to..).unwrap_or_default())?;
        self.to += n;
        self.is_end = n == 0;
        Ok(())
    }
}

/// The delimiter that cuts most records into as many cells as the header, and the header into most cells.
fn sniff(head: &[u8]) -> u8 {
    let mut best = (0, 0, b',');
    for delimiter in DELIMITERS {
        let counts = count(head, delimiter);
        let Some(header) = counts.first().copied().filter(|n| *n > 0) else {
            continue;
        };
        let alike = counts.iter().filter(|n| **n == header).count();
        if (alike, header) > (best.0, best.1) {
            best = (alike, header, delimiter);
        }
    }
    best.2
}

/// How often `delimiter` stands outside quotes in each of the first records.
fn count(head: &[u8], delimiter: u8) -> Vec<usize> {
    let mut counts = Vec::new();
    let (mut n, mut is_quoted, mut is_empty, mut is_cell_start) = (0, false, true, true);
    for byte in head {
        match byte {
            b'"' if is_quoted || is_cell_start => is_quoted = !is_quoted,
            b'\r' | b'\n' if !is_quoted => {
                if !is_empty {
                    counts.push(n);
                }
                if counts.len() == 20 {
                    return counts;
                }
                (n, is_empty, is_cell_start) = (0, true, true);
                continue;
            }
            _ if !is_quoted && *byte == delimiter => n += 1,
            _ => {}
        }
        is_empty = false;
        // A quote after a closing quote is an escaped one: the cell is then still open to quotes.
        is_cell_start = !is_quoted && (*byte == delimiter || *byte == b'"');
    }
    // The last record may be cut by the end of what was read.
    if counts.is_empty() && !is_empty {
        counts.push(n);
    }
    counts
}
