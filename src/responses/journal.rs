//! The journal of responses: a file in the data folder that has what the database does not have yet.
//!
//! Entries are appended together and are durable when [`Journal::append`] returns; how many of a segment
//! stand in the database is noted there, in the transaction that writes them, so that none is written
//! twice. A segment is deleted when all of it is written. Each is locked by its process: what a dead one
//! left is taken over by the next that opens the folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use ring::rand::SecureRandom;
use tokio::sync::Notify;

use super::model::{MadeBy, Response, What};
use crate::channels::model::Class;
use crate::ids::{DeliveryKey, WaveId};
use crate::templates::model::Part;

/// Bytes of an entry: wave, place, time, amount, link, kind, part, verdict, checksum.
const ENTRY: usize = 8 + 8 + 8 + 8 + 2 + 1 + 1 + 1 + 8;
/// Entries after which a new segment begins (about 45 MB).
const SEGMENT: u64 = 1_000_000;
/// Segments kept at once: what waits for the database is bounded by a gigabyte.
const SEGMENTS: usize = 24;
const SUFFIX: &str = "journal";

/// The segments of one process, oldest first.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    segments: Mutex<Vec<Arc<Segment>>>,
    /// Told when there is more to read.
    pub grown: Notify,
}

/// One file of the journal.
#[derive(Debug)]
pub(super) struct Segment {
    /// Its name in the database.
    pub id: String,
    path: PathBuf,
    /// Locked for as long as this process has it.
    file: File,
    /// Entries that are durable.
    entries: AtomicU64,
    /// Entries that were counted as written; what a dead process wrote was.
    pub counted: AtomicU64,
    /// Whether another process left it, so that nobody counted its entries as taken.
    pub is_inherited: AtomicBool,
    /// Whether nothing is appended any more.
    is_closed: AtomicBool,
}

impl Journal {
    /// Opens the journal in `folder`, which must be there, and takes over what dead processes left.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|suffix| suffix == SUFFIX)
                && let Some(segment) = Segment::inherit(path)?
            {
                segments.push(Arc::new(segment));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            segments: Mutex::new(segments),
            grown: Notify::new(),
        })
    }

    /// Appends responses; when this returns they are durable. Waits for the disk: not for async tasks. By
    /// one thread at a time.
    ///
    /// # Errors
    /// When the disk does not take them or so many wait already; then none of them is in the journal.
    pub fn append(&self, responses: &[Response]) -> std::io::Result<()> {
        let segment = self.open_segment()?;
        segment.append(responses)?;
        self.grown.notify_one();
        Ok(())
    }

    /// The segment to read from, and whether it may still grow.
    pub fn oldest(&self) -> Option<(Arc<Segment>, bool)> {
        let segments = self.segments();
        let oldest = segments.first()?;
        let may_grow = segments.len() == 1 && !oldest.is_closed.load(Ordering::Acquire);
        Some((Arc::clone(oldest), may_grow))
    }

    /// Nothing more is appended to what is there: a later append begins a new segment.
    pub fn close(&self) {
        for segment in self.segments().iter() {
            segment.is_closed.store(true, Ordering::Release);
        }
        self.grown.notify_one();
    }

    /// Deletes a segment that is written; its row in the database may go when this returns.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub fn remove(&self, segment: &Segment) -> std::io::Result<()> {
        match std::fs::remove_file(&segment.path) {
            // It was removed the last time, and only the folder could not be synced.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        // A file that came back after a power cut would be written again.
        sync_folder(&self.folder)?;
        self.segments().retain(|kept| kept.id != segment.id);
        Ok(())
    }

    fn open_segment(&self) -> std::io::Result<Arc<Segment>> {
        let mut segments = self.segments();
        if let Some(last) = segments.last()
            && !last.is_closed.load(Ordering::Acquire)
        {
            if last.entries.load(Ordering::Acquire) < SEGMENT {
                return Ok(Arc::clone(last));
            }
            last.is_closed.store(true, Ordering::Release);
        }
        if segments.len() >= SEGMENTS {
            return Err(std::io::Error::other(
                "as much waits for the database as the journal may hold",
            ));
        }
        let segment = Arc::new(Segment::create(&self.folder)?);
        segments.push(Arc::clone(&segment));
        Ok(segment)
    }

    fn segments(&self) -> MutexGuard<'_, Vec<Arc<Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Segment {
    fn create(folder: &Path) -> std::io::Result<Self> {
        let mut bytes = [0_u8; 16];
        ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|ring::error::Unspecified| {
                std::io::Error::other("the system gave no random bytes")
            })?;
        let id = HEXLOWER.encode(&bytes);
        let path = folder.join(format!("{id}.{SUFFIX}"));
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)?;
        file.try_lock()?;
        sync_folder(folder)?;
        Ok(Self {
            id,
            path,
            file,
            entries: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            is_inherited: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Takes over the file of a dead process; `None` when the process lives, or is just deleting it.
    fn inherit(path: PathBuf) -> std::io::Result<Option<Self>> {
        let file = match OpenOptions::new().append(true).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            locked => locked?,
        }
        // Written and deleted between the opening and the lock.
        if !path.exists() {
            return Ok(None);
        }
        let id = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let entries = whole_entries(&path)?;
        Ok(Some(Self {
            id,
            path,
            file,
            entries: AtomicU64::new(entries),
            counted: AtomicU64::new(0),
            is_inherited: AtomicBool::new(true),
            is_closed: AtomicBool::new(true),
        }))
    }

    fn append(&self, responses: &[Response]) -> std::io::Result<()> {
        let bytes: Vec<u8> = responses.iter().flat_map(encode).collect();
        let written = (&self.file)
            .write_all(&bytes)
            .and_then(|()| self.file.sync_data());
        let entries = self.entries.load(Ordering::Acquire);
        if let Err(error) = written {
            // Whoever brought them writes them elsewhere, so none may be found here later.
            self.is_closed.store(true, Ordering::Release);
            let good = entries.saturating_mul(u64::try_from(ENTRY).unwrap_or(u64::MAX));
            self.file.set_len(good)?;
            return Err(error);
        }
        let added = u64::try_from(responses.len()).unwrap_or_default();
        self.entries.store(entries + added, Ordering::Release);
        Ok(())
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Acquire)
    }

    /// Reads it from entry `position` on.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn read_from(&self, position: u64) -> std::io::Result<Reader> {
        let mut file = File::open(&self.path)?;
        let at = position.saturating_mul(u64::try_from(ENTRY).unwrap_or(u64::MAX));
        file.seek(SeekFrom::Start(at))?;
        Ok(Reader { file, position })
    }
}

/// A place in a segment.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    /// Entries before it.
    pub position: u64,
}

impl Reader {
    /// At most `limit` of the entries that follow; empty at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, segment: &Segment, limit: usize) -> std::io::Result<Vec<Response>> {
        let left = segment.entries().saturating_sub(self.position);
        let count = usize::try_from(left).unwrap_or(limit).min(limit);
        let mut bytes = vec![0; count * ENTRY];
        self.file.read_exact(&mut bytes)?;
        let responses: Option<Vec<Response>> = bytes.chunks_exact(ENTRY).map(decode).collect();
        let responses = responses.ok_or_else(|| std::io::Error::other("an entry is damaged"))?;
        self.position += u64::try_from(count).unwrap_or_default();
        Ok(responses)
    }
}

/// Entries of a file before the first that is torn: what a power cut tore was answered within the last
/// milliseconds before it.
fn whole_entries(path: &Path) -> std::io::Result<u64> {
    let mut file = BufReader::new(File::open(path)?);
    let mut entry = [0; ENTRY];
    let mut entries = 0;
    loop {
        match file.read_exact(&mut entry) {
            Ok(()) if decode(&entry).is_some() => entries += 1,
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(error),
            Ok(()) | Err(_) => return Ok(entries),
        }
    }
}

fn encode(response: &Response) -> [u8; ENTRY] {
    let (kind, link, part, amount) = match response.what {
        What::Open => (1, 0, 0, 0),
        What::Click { link, part } => (2, link, part_number(part), 0),
        What::OptOut => (3, 0, 0, 0),
        What::Order { amount_cents } => (4, 0, 0, amount_cents),
        What::Reply => (5, 0, 0, 0),
        What::Bounce { class } => (6, 0, class_number(class), 0),
        What::Complaint => (7, 0, 0, 0),
        What::Redeem => (8, 0, 0, 0),
        What::Answer => (9, 0, 0, 0),
        What::Scan => (10, 0, 0, 0),
    };
    let mut entry = [0; ENTRY];
    let parts = response
        .delivery
        .wave
        .0
        .to_be_bytes()
        .into_iter()
        .chain(response.delivery.seq.to_be_bytes())
        .chain(response.at.to_be_bytes())
        .chain(amount.to_be_bytes())
        .chain(link.to_be_bytes())
        .chain([kind, part, made_by_number(response.made_by)]);
    for (to, from) in entry.iter_mut().zip(parts) {
        *to = from;
    }
    let (fields, sum) = entry.split_at_mut(ENTRY - 8);
    sum.copy_from_slice(&checksum(fields).to_be_bytes());
    entry
}

/// The response of an entry; `None` when it is not whole.
fn decode(entry: &[u8]) -> Option<Response> {
    let (fields, sum) = entry.split_last_chunk::<8>()?;
    if u64::from_be_bytes(*sum) != checksum(fields) {
        return None;
    }
    let (wave, rest) = fields.split_first_chunk::<8>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (amount, rest) = rest.split_first_chunk::<8>()?;
    let (link, rest) = rest.split_first_chunk::<2>()?;
    let [kind, part, made_by] = *rest.first_chunk::<3>()?;
    let what = match kind {
        1 => What::Open,
        2 => What::Click {
            link: u16::from_be_bytes(*link),
            part: Part::ALL
                .into_iter()
                .find(|known| part_number(*known) == part)?,
        },
        3 => What::OptOut,
        4 => What::Order {
            amount_cents: i64::from_be_bytes(*amount),
        },
        5 => What::Reply,
        6 => What::Bounce {
            class: Class::ALL
                .into_iter()
                .find(|known| class_number(*known) == part)?,
        },
        7 => What::Complaint,
        8 => What::Redeem,
        9 => What::Answer,
        10 => What::Scan,
        _ => return None,
    };
    Some(Response {
        delivery: DeliveryKey {
            wave: WaveId(i64::from_be_bytes(*wave)),
            seq: i64::from_be_bytes(*seq),
        },
        what,
        made_by: made_by_of(made_by)?,
        at: i64::from_be_bytes(*at),
    })
}

/// As journals of older versions have it, which knew no scanner.
fn made_by_number(made_by: MadeBy) -> u8 {
    match made_by {
        MadeBy::Person => 0,
        MadeBy::Machine => 1,
        MadeBy::Scanner => 2,
    }
}

fn made_by_of(number: u8) -> Option<MadeBy> {
    [MadeBy::Person, MadeBy::Machine, MadeBy::Scanner]
        .into_iter()
        .find(|made_by| made_by_number(*made_by) == number)
}

fn part_number(part: Part) -> u8 {
    match part {
        Part::Attention => 1,
        Part::Interest => 2,
        Part::Desire => 3,
        Part::Action => 4,
    }
}

/// New classes get new numbers at the end: a journal may be read by a later program.
fn class_number(class: Class) -> u8 {
    let place = Class::ALL.iter().position(|known| *known == class);
    place
        .and_then(|place| u8::try_from(place).ok())
        .map_or(0, |place| place + 1)
}

/// FNV-1a, 64 bits: tells a torn entry from a whole one.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Makes durable which files the folder has; only Unix asks for that.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(seq: i64, what: What) -> Response {
        Response {
            delivery: DeliveryKey {
                wave: WaveId(7),
                seq,
            },
            what,
            made_by: made_by_of(u8::try_from(seq % 3).unwrap()).unwrap(),
            at: 1_000 + seq,
        }
    }

    fn some() -> Vec<Response> {
        let part = Part::Desire;
        vec![
            response(1, What::Open),
            response(2, What::Click { link: 513, part }),
            response(3, What::OptOut),
            response(4, What::Order { amount_cents: -5 }),
            response(5, What::Reply),
            response(
                6,
                What::Bounce {
                    class: Class::OptedOut,
                },
            ),
            response(7, What::Complaint),
            response(8, What::Redeem),
            response(9, What::Answer),
            response(10, What::Scan),
        ]
    }

    #[test]
    fn what_is_appended_is_read_back_and_each_entry_shows_damage() {
        for response in some() {
            let entry = encode(&response);
            assert_eq!(decode(&entry), Some(response));
            for at in 0..ENTRY {
                let mut damaged = entry;
                damaged[at] ^= 1;
                assert_eq!(decode(&damaged), None, "byte {at}");
            }
        }
        assert_eq!(decode(&[0; ENTRY]), None);
    }

    #[test]
    fn a_segment_is_inherited_when_its_process_is_gone_and_read_up_to_a_torn_entry() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        journal.append(&some()).unwrap();
        let living = Journal::open(folder.path()).unwrap();
        assert!(living.oldest().is_none(), "its process lives");
        let path = journal.oldest().unwrap().0.path.clone();
        drop(journal);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&[0; ENTRY + 3]).unwrap();
        drop(file);
        let heir = Journal::open(folder.path()).unwrap();
        let (segment, may_grow) = heir.oldest().unwrap();
        assert!(!may_grow && segment.is_inherited.load(Ordering::Relaxed));
        assert_eq!(segment.entries(), 10);
        let mut reader = segment.read_from(1).unwrap();
        assert_eq!(reader.next(&segment, 2).unwrap(), some()[1..3]);
        assert_eq!(reader.next(&segment, 9).unwrap(), some()[3..]);
        assert_eq!(reader.next(&segment, 9).unwrap(), []);
        heir.remove(&segment).unwrap();
        assert!(heir.oldest().is_none() && !path.exists());
    }
}
