//! The outbox: what the sandbox received, on disk, as files that any mail client opens.
//!
//! `outbox/00000/00000001.eml` and so on, a thousand to a folder, and `outbox/index.jsonl`, one line each
//! in the order of arrival. A message is in the index before its arrival is confirmed to the sender; a
//! line cut off by a crash is cut away at the next start. Several processes may append.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use mail_parser::{HeaderName, MessageParser};
use serde::{Deserialize, Serialize};

use crate::ids::DeliveryKey;

const PER_FOLDER: u64 = 1000;

/// Why the outbox could not be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the outbox {path}: {cause}; check that the data folder is writable and has room"
)]
pub struct OutboxError {
    pub path: String,
    pub cause: io::Error,
}

/// One line of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Counted from 1.
    pub number: u64,
    /// Milliseconds since the epoch.
    pub received_at: i64,
    pub recipient: String,
    pub subject: String,
    /// Size of the message.
    pub bytes: u64,
    /// Which delivery it is, from its return path.
    pub delivery: Option<DeliveryKey>,
}

/// The outbox of a data folder. Its functions read and write files: call them where blocking is allowed.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    /// How far the index was read, and its last number.
    known: Mutex<Known>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    length: u64,
    last: u64,
}

impl Outbox {
    /// Opens the outbox in `folder`, making it if there is none.
    ///
    /// # Errors
    /// When the folder cannot be made or its index not be read.
    pub fn open(folder: &Path) -> Result<Self, OutboxError> {
        let outbox = Self {
            folder: folder.to_owned(),
            known: Mutex::new(Known::default()),
        };
        let open = || -> io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let mut index = outbox.open_index()?;
            index.lock()?;
            cut_torn_line(&mut index)?;
            index.unlock()
        };
        open().map_err(|cause| outbox.error(cause))?;
        Ok(outbox)
    }

    /// Keeps a message and returns its number. After an error the outbox is as it was.
    ///
    /// # Errors
    /// When it cannot be written, for instance because the disk is full ([`io::ErrorKind::StorageFull`]).
    pub fn append(
        &self,
        raw: &[u8],
        recipient: &str,
        delivery: Option<DeliveryKey>,
        received_at: i64,
    ) -> io::Result<u64> {
        let subject = MessageParser::new()
            .parse_headers(raw)
            .and_then(|message| message.subject().map(str::to_owned))
            .unwrap_or_default();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = self.open_index()?;
        index.lock()?;
        let length = index.metadata()?.len();
        if length != known.length {
            // Another process wrote, or this is the first message.
            *known = Known {
                length,
                last: last_entry(&mut index)?.map_or(0, |entry| entry.number),
            };
        }
        let entry = OutboxEntry {
            number: known.last + 1,
            received_at,
            recipient: recipient.to_owned(),
            subject,
            bytes: raw.len() as u64,
            delivery,
        };
        let path = self.path(entry.number);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        // A file of this number without a line is of a message that was never confirmed.
        let written = std::fs::write(&path, raw).and_then(|()| index.write_all(&line));
        if let Err(cause) = written {
            // Leave no half line: what cannot be undone is cut away at the next start.
            let _ = index.set_len(length);
            let _ = std::fs::remove_file(&path);
            return Err(cause);
        }
        *known = Known {
            length: length + line.len() as u64,
            last: entry.number,
        };
        Ok(entry.number)
    }

    /// How many messages there are.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn count(&self) -> Result<u64, OutboxError> {
        self.open_index()
            .and_then(|mut index| last_entry(&mut index))
            .map(|entry| entry.map_or(0, |entry| entry.number))
            .map_err(|cause| self.error(cause))
    }

    /// A page of the index, newest first: `limit` entries after the first `offset`. With `search`, only
    /// those in whose recipient or subject it stands, whatever the case.
    ///
    /// Reads the index from its end, and no further than needed.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn list(
        &self,
        offset: usize,
        limit: usize,
        search: Option<&str>,
    ) -> Result<Vec<OutboxEntry>, OutboxError> {
        let search = search
            .map(|search| search.trim().to_lowercase())
            .filter(|search| !search.is_empty());
        let is_wanted = |entry: &OutboxEntry| {
            search.as_ref().is_none_or(|search| {
                entry.recipient.to_lowercase().contains(search)
                    || entry.subject.to_lowercase().contains(search)
            })
        };
        let mut page = Vec::new();
        let mut to_skip = offset;
        self.open_index()
            .and_then(|mut index| {
                each_line_from_the_end(&mut index, |line| {
                    if page.len() == limit {
                        return false;
                    }
                    // Without a search, entries that are skipped need not be understood.
                    if to_skip > 0 && search.is_none() {
                        to_skip -= 1;
                        return true;
                    }
                    let Ok(entry) = serde_json::from_slice::<OutboxEntry>(line) else {
                        return true;
                    };
                    if is_wanted(&entry) {
                        if to_skip > 0 {
                            to_skip -= 1;
                        } else {
                            page.push(entry);
                        }
                    }
                    page.len() < limit
                })
            })
            .map_err(|cause| self.error(cause))?;
        Ok(page)
    }

    /// A message as it was received; `None` when there is none of this number.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn read(&self, number: u64) -> Result<Option<Vec<u8>>, OutboxError> {
        if number == 0 || number > self.count()? {
            return Ok(None);
        }
        match std::fs::read(self.path(number)) {
            Ok(raw) => Ok(Some(raw)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(self.error(cause)),
        }
    }

    /// Deletes the messages whose recipient `is_his`, and takes recipient and subject out of their lines;
    /// returns how many there were. Their numbers stay.
    ///
    /// # Errors
    /// When a file cannot be read, written or deleted; what was deleted before stays so.
    pub fn forget(&self, is_his: impl Fn(&str) -> bool) -> Result<u64, OutboxError> {
        self.forget_within(is_his)
            .map_err(|cause| self.error(cause))
    }

    fn forget_within(&self, is_his: impl Fn(&str) -> bool) -> io::Result<u64> {
        let index = self.open_index()?;
        index.lock()?;
        // Not for appending, which would write at the end wherever one stands.
        let mut blanked = OpenOptions::new().write(true).open(self.index_path())?;
        let mut reader = BufReader::new(&index);
        let mut line = Vec::new();
        let mut forgotten = 0;
        let mut at = 0;
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if read == 0 || line.last() != Some(&b'\n') {
                return Ok(forgotten);
            }
            let entry = serde_json::from_slice::<OutboxEntry>(&line).ok();
            if let Some(entry) = entry.filter(|entry| is_his(&entry.recipient)) {
                match std::fs::remove_file(self.path(entry.number)) {
                    Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
                    _ => {}
                }
                let mut blank = serde_json::to_vec(&OutboxEntry {
                    recipient: String::new(),
                    subject: String::new(),
                    ..entry
                })?;
                // As long as it was: whoever knows how far the index was read is not misled.
                blank.resize(read - 1, b' ');
                blanked.seek(SeekFrom::Start(at))?;
                blanked.write_all(&blank)?;
                forgotten += 1;
            }
            at += read as u64;
        }
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join("index.jsonl")
    }

    fn path(&self, number: u64) -> PathBuf {
        let folder = number.saturating_sub(1) / PER_FOLDER;
        self.folder
            .join(format!("{folder:05}"))
            .join(format!("{number:08}.eml"))
    }

    fn open_index(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(self.index_path())
    }

    fn error(&self, cause: io::Error) -> OutboxError {
        OutboxError {
            path: self.folder.display().to_string(),
            cause,
        }
    }
}

fn cut_torn_line(index: &mut File) -> io::Result<()> {
    let length = index.metadata()?.len();
    if length == 0 {
        return Ok(());
    }
    let mut last = [0];
    index.seek(SeekFrom::Start(length - 1))?;
    index.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(());
    }
    index.seek(SeekFrom::Start(0))?;
    let mut whole = 0;
    let mut reader = BufReader::new(&*index);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            break;
        }
        whole += read as u64;
    }
    index.set_len(whole)
}

fn last_entry(index: &mut File) -> io::Result<Option<OutboxEntry>> {
    let mut last = None;
    each_line_from_the_end(index, |line| {
        last = serde_json::from_slice(line).ok();
        last.is_none()
    })?;
    Ok(last)
}

/// Hands the lines to `take`, last first, until it returns false.
fn each_line_from_the_end(file: &mut File, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    const BLOCK: u64 = 64 * 1024;
    let mut at = file.metadata()?.len();
    // The start of a line whose end was read already.
    let mut tail: Vec<u8> = Vec::new();
    while at > 0 {
        let from = at.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(at - from).unwrap_or_default()];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut block)?;
        block.append(&mut tail);
        at = from;
        let mut lines = block.as_slice();
        while let Some(newline) = lines.iter().rposition(|byte| *byte == b'\n') {
            let (before, line) = lines.split_at(newline);
            let line = line.get(1..).unwrap_or_default();
            if !line.is_empty() && !take(line) {
                return Ok(());
            }
            lines = before;
        }
        tail = lines.to_vec();
    }
    if !tail.is_empty() {
        take(&tail);
    }
    Ok(())
}

/// A message of the outbox as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutboxMessage {
    /// Every header field in its order, with encoded words read and folding undone.
    pub headers: Vec<(String, String)>,
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
}

impl OutboxMessage {
    /// Reads a message; `None` when it is none.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let message = MessageParser::new().parse(raw)?;
        let headers = message
            .headers()
            .iter()
            .map(|header| {
                let name = header.name().to_owned();
                let raw = raw
                    .get(header.offset_start() as usize..header.offset_end() as usize)
                    .unwrap_or_default();
                (name, shown(header.name.clone(), raw))
            })
            .collect();
        let of_kind = |html: bool| {
            let ids = if html {
                &message.html_body
            } else {
                &message.text_body
            };
            let part = ids.first().and_then(|id| message.part(*id))?;
            (part.is_text_html() == html)
                .then(|| part.text_contents().map(str::to_owned))
                .flatten()
        };
        Some(Self {
            subject: message.subject().unwrap_or_default().to_owned(),
            html: of_kind(true),
            text: of_kind(false),
            headers,
        })
    }
}

/// A field's value as people read it.
fn shown(name: HeaderName<'_>, raw: &[u8]) -> String {
    let unfolded = String::from_utf8_lossy(raw)
        .split("\r\n")
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ");
    let unfolded = unfolded.trim();
    if !unfolded.contains("=?") {
        return unfolded.to_owned();
    }
    // Read alone, as a subject: only there the parser gives encoded words back as plain text.
    let alone = format!("Subject: {unfolded}\r\n\r\n");
    match (name, MessageParser::new().parse_headers(alone.as_bytes())) {
        (HeaderName::DkimSignature, _) | (_, None) => unfolded.to_owned(),
        (_, Some(message)) => message.subject().unwrap_or(unfolded).to_owned(),
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
