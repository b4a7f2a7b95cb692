//! What this node hands over, on its own disk: so that a crash leaves in doubt only what was on the wire.
//!
//! The database knows whom a worker had in hand; the journal knows how far he came. A page stands for a
//! lease and holds a line when the first byte of a message is about to leave and one when its answer is
//! there. It is written, not synced: what a killed process wrote the system still has. After a power cut it
//! may not, which the name of the boot tells; then everything in hand is in doubt.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::model::{Bill, Lease};
use super::store::Remains;

/// What a line tells; the place of the message in its wave follows.
const BEGUN: u8 = b'B';
const ACCEPTED: u8 = b'A';
const NOT_TAKEN: u8 = b'N';
/// What the text message costs that the next line says was accepted: parts and millionths follow.
const BILL: u8 = b'P';

/// Millionths of a price that is not known, in six bytes.
const NO_PRICE: u64 = 0xFFFF_FFFF_FFFF;

/// A page of another process that was not written for so long is of no use: no lease holds so long.
const LONG_GONE: Duration = Duration::from_secs(7 * 86_400);

/// Bytes of a line.
const LINE: usize = 9;

/// Bytes of the name of a boot, which stands first on a page.
const BOOT: usize = 36;

/// The journal of a node.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    node: String,
    boot: [u8; BOOT],
}

/// What a page says of a lease whose worker is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftBehind {
    pub lease: i64,
    pub fence: i64,
    pub remains: Remains,
}

impl Journal {
    /// Opens the journal of `node` in the data folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(data_dir: &Path, node: &str) -> io::Result<Self> {
        let folder = data_dir.join("journal");
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            node: node.to_owned(),
            boot: boot(),
        })
    }

    /// The name of the node whose journal this is.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Begins the page of a lease.
    ///
    /// # Errors
    /// When the folder cannot be written; nothing may then be handed over under the lease.
    pub fn page(&self, lease: &Lease) -> io::Result<Page> {
        let path = self
            .folder
            .join(format!("{}.{}.{}", self.node, lease.id, lease.fence));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .append(true)
            .open(&path)?;
        (&file).write_all(&self.boot)?;
        Ok(Page { file, path })
    }

    /// Reads and removes the pages that an earlier run of this node left behind. Pages of another boot say
    /// nothing: they may lack lines.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn left_behind(&self) -> io::Result<Vec<(LeftBehind, Page)>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let Some((lease, fence)) = self.lease_of(&path) else {
                forget_if_old(&path);
                continue;
            };
            let bytes = std::fs::read(&path)?;
            let page = Page {
                file: File::open(&path)?,
                path,
            };
            match bytes.split_at_checked(BOOT) {
                Some((boot, lines)) if boot == self.boot && boot != [0; BOOT] => {
                    let remains = read(lines);
                    let left = LeftBehind {
                        lease,
                        fence,
                        remains,
                    };
                    all.push((left, page));
                }
                _ => page.close(),
            }
        }
        Ok(all)
    }

    /// Lease and fence of a page of this node.
    fn lease_of(&self, path: &Path) -> Option<(i64, i64)> {
        let name = path.file_name()?.to_str()?;
        let (lease, fence) = name
            .strip_prefix(&self.node)?
            .strip_prefix('.')?
            .split_once('.')?;
        Some((lease.parse().ok()?, fence.parse().ok()?))
    }
}

/// The page of a lease.
#[derive(Debug)]
pub struct Page {
    file: File,
    path: PathBuf,
}

impl Page {
    /// The first byte of a message is about to leave.
    ///
    /// # Errors
    /// When it cannot be written down; the message must then stay.
    pub fn begun(&self, seq: i64) -> io::Result<()> {
        self.line(BEGUN, seq)
    }

    /// The answer to a message is there. When it cannot be written down, the message is in doubt after a
    /// crash.
    pub fn answered(&self, seq: i64, is_accepted: bool, bill: Option<Bill>) {
        let written = match bill.filter(|_| is_accepted) {
            // Both at once: nothing comes between them.
            Some(bill) => {
                let lines = [
                    line(BILL, bill_bytes(bill)),
                    line(ACCEPTED, seq.to_be_bytes()),
                ];
                (&self.file).write_all(lines.as_flattened())
            }
            None => self.line(if is_accepted { ACCEPTED } else { NOT_TAKEN }, seq),
        };
        if let Err(cause) = written {
            tracing::warn!(%cause, "an answer could not be written into the journal");
        }
    }

    fn line(&self, kind: u8, seq: i64) -> io::Result<()> {
        // In append mode lines of several connections do not mix.
        (&self.file).write_all(&line(kind, seq.to_be_bytes()))
    }

    /// Removes the page: everything on it is settled.
    pub fn close(&self) {
        if let Err(cause) = std::fs::remove_file(&self.path) {
            // Its lease has ended, so nobody will heed it.
            tracing::warn!(%cause, "a page of the journal could not be removed");
        }
    }
}

/// Removes the page of a process that had a name of its own and is long gone: its lease has run out.
fn forget_if_old(path: &Path) {
    let written = std::fs::metadata(path).and_then(|page| page.modified());
    let is_old = written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LONG_GONE));
    if is_old && let Err(cause) = std::fs::remove_file(path) {
        tracing::warn!(%cause, "an old page of the journal could not be removed");
    }
}

fn line(kind: u8, rest: [u8; LINE - 1]) -> [u8; LINE] {
    let mut line = [kind; LINE];
    if let Some((_, place)) = line.split_first_mut() {
        place.copy_from_slice(&rest);
    }
    line
}

/// Two bytes of parts, six of millionths.
fn bill_bytes(bill: Bill) -> [u8; LINE - 1] {
    let cost = bill
        .cost_micros
        .and_then(|micros| u64::try_from(micros).ok())
        .map_or(NO_PRICE, |micros| micros.min(NO_PRICE - 1));
    (u64::from(bill.parts) << 48 | cost).to_be_bytes()
}

fn bill_of(bytes: [u8; LINE - 1]) -> Bill {
    let all = u64::from_be_bytes(bytes);
    let cost = all & NO_PRICE;
    Bill {
        parts: u16::try_from(all >> 48).unwrap_or(u16::MAX),
        cost_micros: i64::try_from(cost).ok().filter(|_| cost != NO_PRICE),
    }
}

/// What the lines of a page come to. One that was cut off tells nothing that is not in doubt anyway.
fn read(lines: &[u8]) -> Remains {
    let mut remains = Remains::default();
    let (lines, _) = lines.as_chunks::<LINE>();
    let mut bill = None;
    for [kind, place @ ..] in lines {
        let seq = i64::from_be_bytes(*place);
        match *kind {
            BEGUN => {
                remains.begun.insert(seq);
            }
            ACCEPTED => {
                remains.begun.remove(&seq);
                remains.accepted.insert(seq, bill.take());
            }
            NOT_TAKEN => {
                remains.begun.remove(&seq);
            }
            BILL => bill = Some(bill_of(*place)),
            // A line was cut off, by a full disk: what follows is out of step, and what was begun in doubt.
            _ => break,
        }
    }
    remains
}

/// The name of this boot of the machine; zeros where the system does not tell.
fn boot() -> [u8; BOOT] {
    std::fs::read("/proc/sys/kernel/random/boot_id")
        .ok()
        .and_then(|name| name.first_chunk::<BOOT>().copied())
        .unwrap_or([0; BOOT])
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;
    use crate::delivery::model::LeaseKind;
    use crate::ids::WaveId;

    const LEASE: Lease = Lease {
        id: 4,
        wave: WaveId(2),
        route: String::new(),
        cell: String::new(),
        kind: LeaseKind::First,
        from_seq: 1,
        to_seq: 500,
        fence: 9,
    };

    proptest! {
        /// Wherever a run is killed, what is in doubt is what was begun and not answered.
        #[test]
        fn a_page_tells_what_was_on_the_wire(steps in prop::collection::vec((1_i64..40, 0..3), 0..80)) {
            let folder = tempfile::tempdir().unwrap();
            let journal = Journal::open(folder.path(), "node").unwrap();
            let page = journal.page(&LEASE).unwrap();
            let (mut begun, mut accepted) = (HashSet::new(), HashMap::new());
            for (seq, step) in steps {
                if accepted.contains_key(&seq) {
                    continue;
                }
                if begun.contains(&seq) {
                    let bill = (seq % 3 > 0).then_some(Bill {
                        parts: u16::try_from(seq).unwrap(),
                        cost_micros: (seq % 3 == 1).then_some(seq * 49_000),
                    });
                    page.answered(seq, step == 1, bill);
                    begun.remove(&seq);
                    if step == 1 {
                        accepted.insert(seq, bill);
                    }
                } else {
                    page.begun(seq).unwrap();
                    begun.insert(seq);
                }
            }
            drop(page);
            let mut left = journal.left_behind().unwrap();
            let (left, page) = left.pop().unwrap();
            prop_assert_eq!((left.lease, left.fence), (LEASE.id, LEASE.fence));
            prop_assert_eq!(left.remains, Remains { accepted, begun });
            page.close();
            prop_assert!(journal.left_behind().unwrap().is_empty());
        }
    }

    #[test]
    fn pages_of_another_node_or_boot_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let other = Journal::open(folder.path(), "other").unwrap();
        let page = other.page(&LEASE).unwrap();
        page.begun(1).unwrap();
        let journal = Journal::open(folder.path(), "node").unwrap();
        assert!(journal.left_behind().unwrap().is_empty());
        let rebooted = Journal {
            boot: [b'x'; BOOT],
            ..Journal::open(folder.path(), "other").unwrap()
        };
        assert!(rebooted.left_behind().unwrap().is_empty());
    }
}
