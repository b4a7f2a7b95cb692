//! From the bytes of a file to UTF-8, streamed.
//!
//! The encoding is decided by reading the whole file once beforehand: only so can a file that is UTF-8
//! at its beginning and not at its end be told from a clean one. In order: a byte order mark; zeros at
//! every other byte (UTF-16 without a mark); UTF-8 where the file is valid, or where at least some
//! letters beyond ASCII are valid UTF-8 (then the rows that are not are told one by one); Windows-1252
//! where none is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

const BUFFER: usize = 64 * 1024;

/// What the bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::customers) struct Detected {
    pub encoding: &'static Encoding,
    /// Bytes of the byte order mark.
    pub mark: u64,
    /// Whether some bytes may not be readable in this encoding; they become U+FFFD.
    pub may_be_damaged: bool,
}

/// Decides the encoding of `file`, reading all of it.
///
/// # Errors
/// When the file cannot be read.
pub(in crate::customers) fn detect(file: &mut File) -> io::Result<Detected> {
    let mut buffer = vec![0_u8; BUFFER];
    let filled = fill(file, &mut buffer)?;
    let head = buffer.get(..filled).unwrap_or_default();
    if let Some((encoding, mark)) = Encoding::for_bom(head) {
        let mark = u64::try_from(mark).unwrap_or_default();
        let may_be_damaged = encoding != UTF_8 || {
            file.seek(SeekFrom::Start(mark))?;
            scan(file, &mut buffer)?.has_invalid
        };
        return Ok(Detected {
            encoding,
            mark,
            may_be_damaged,
        });
    }
    if let Some(encoding) = utf_16_without_mark(head.get(..4096).unwrap_or(head)) {
        return Ok(Detected {
            encoding,
            mark: 0,
            may_be_damaged: true,
        });
    }
    file.seek(SeekFrom::Start(0))?;
    let found = scan(file, &mut buffer)?;
    let is_utf_8 = !found.has_invalid || found.has_multibyte;
    Ok(Detected {
        encoding: if is_utf_8 { UTF_8 } else { WINDOWS_1252 },
        mark: 0,
        may_be_damaged: is_utf_8 && found.has_invalid,
    })
}

/// Text of mostly ASCII letters has a zero in every pair of bytes.
fn utf_16_without_mark(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.len() / 2;
    let zeros = |offset: usize| {
        head.iter()
            .skip(offset)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    if pairs < 2 {
        None
    } else if odd * 10 > pairs * 4 && even * 10 < pairs {
        Some(UTF_16LE)
    } else if even * 10 > pairs * 4 && odd * 10 < pairs {
        Some(UTF_16BE)
    } else {
        None
    }
}

#[derive(Default)]
struct Scan {
    has_multibyte: bool,
    has_invalid: bool,
}

/// Looks for letters beyond ASCII and for what is not UTF-8, until both are found or the file ends.
fn scan(file: &mut File, buffer: &mut [u8]) -> io::Result<Scan> {
    let mut found = Scan::default();
    // Bytes of a letter that the last read cut.
    let mut kept = 0;
    loop {
        let filled = fill(file, buffer.get_mut(kept..).unwrap_or_default())?;
        let mut rest = buffer.get(..kept + filled).unwrap_or_default();
        let is_end = filled == 0;
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    found.has_multibyte |= !text.is_ascii();
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    found.has_multibyte |= !valid.is_ascii();
                    if let Some(bad) = error.error_len() {
                        found.has_invalid = true;
                        rest = after.get(bad..).unwrap_or_default();
                        if !found.has_multibyte {
                            continue;
                        }
                    } else {
                        rest = after;
                    }
                }
            }
            break;
        }
        if is_end {
            found.has_invalid |= !rest.is_empty();
            return Ok(found);
        }
        if found.has_multibyte && found.has_invalid {
            return Ok(found);
        }
        let start = kept + filled - rest.len();
        kept = rest.len();
        buffer.copy_within(start..start + kept, 0);
    }
}

/// Reads until `buffer` is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file as UTF-8, in constant memory.
pub(in crate::customers) struct Decoded {
    file: File,
    decoder: Decoder,
    raw: Vec<u8>,
    from: usize,
    to: usize,
    is_end: bool,
    is_done: bool,
    bytes_read: u64,
}

impl Decoded {
    /// Reads `file` from behind its byte order mark.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(mut file: File, detected: Detected) -> io::Result<Self> {
        file.seek(SeekFrom::Start(detected.mark))?;
        Ok(Self {
            file,
            decoder: detected.encoding.new_decoder_without_bom_handling(),
            raw: vec![0; BUFFER],
            from: 0,
            to: 0,
            is_end: false,
            is_done: false,
            bytes_read: detected.mark,
        })
    }

    /// Bytes of the file that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

impl Read for Decoded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.len() < 16 {
            return Err(io::Error::other("the buffer is too small for a letter"));
        }
        while !self.is_done {
            if self.from == self.to && !self.is_end {
                self.from = 0;
                self.to = fill(&mut self.file, &mut self.raw)?;
                self.is_end = self.to < self.raw.len();
                self.bytes_read += u64::try_from(self.to).unwrap_or_default();
            }
            let raw = self.raw.get(self.from..self.to).unwrap_or_default();
            let (result, read, written, _) = self.decoder.decode_to_utf8(raw, out, self.is_end);
            self.from += read;
            self.is_done = self.is_end && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}
