//! Where uploaded files lie: a folder of the data folder that only this program reads.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ring::rand::SecureRandom as _;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

use crate::customers::import::{is_workbook, rejects_path};

/// The folder.
#[derive(Debug, Clone)]
pub struct Shelf {
    folder: PathBuf,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    #[error(
        "the file is larger than {max_mb} MB; split it, or raise imports.max_mb in the settings"
    )]
    TooLarge { max_mb: u32 },
    #[error(
        "the file could not be kept: {0}; look whether the data folder can be written and has room"
    )]
    Write(#[from] std::io::Error),
}

/// A file that is coming in; dropped before [`Incoming::finish`] it leaves nothing.
#[derive(Debug)]
pub struct Incoming {
    file: File,
    path: PathBuf,
    stored: String,
    bytes: u64,
    max_mb: u32,
    is_finished: bool,
}

impl Shelf {
    /// The folder in `data_dir`.
    pub fn in_folder(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("imports"),
        }
    }

    /// Where a file lies.
    pub fn path(&self, stored: &str) -> PathBuf {
        self.folder.join(stored)
    }

    /// Where the rejected rows of a file lie.
    pub fn rejects(&self, stored: &str) -> PathBuf {
        rejects_path(&self.path(stored))
    }

    /// Whether a file lies here.
    pub fn holds(&self, stored: &str) -> bool {
        self.path(stored).is_file()
    }

    /// Begins to take a file of at most `max_mb` megabytes.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn receive(&self, max_mb: u32) -> Result<Incoming, ShelfError> {
        let mut folder = tokio::fs::DirBuilder::new();
        folder.recursive(true);
        #[cfg(unix)]
        folder.mode(0o700);
        folder.create(&self.folder).await?;
        let mut name = [0_u8; 12];
        ring::rand::SystemRandom::new()
            .fill(&mut name)
            .map_err(|_cause| std::io::Error::other("the system gives no random numbers"))?;
        let stored = format!("{}.csv", HEXLOWER.encode(&name));
        let path = self.path(&stored);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        Ok(Incoming {
            file: options.open(&path).await?,
            path,
            stored,
            bytes: 0,
            max_mb,
            is_finished: false,
        })
    }

    /// Why a file that was kept cannot be one of rows, where that is seen at its beginning; blocks the thread.
    pub fn unfit(&self, kept: &Kept) -> Option<Unfit> {
        if kept.bytes == 0 {
            return Some(Unfit::Empty);
        }
        matches!(is_workbook(&self.path(&kept.stored)), Ok(true)).then_some(Unfit::Workbook)
    }

    /// Takes a file away that nobody is told of.
    pub fn refuse(&self, kept: &Kept) {
        if let Err(error) = self.remove(&kept.stored) {
            tracing::warn!(%error, "a refused upload could not be removed; the upkeep tries again");
        }
    }

    /// Takes a file and its rejected rows away.
    ///
    /// # Errors
    /// When one is there and cannot be taken away.
    pub fn remove(&self, stored: &str) -> std::io::Result<()> {
        self.remove_file(stored)?;
        gone(std::fs::remove_file(self.rejects(stored)))
    }

    /// Takes a file away that is not needed any more; its rejected rows stay.
    ///
    /// # Errors
    /// When it is there and cannot be taken away.
    pub fn remove_file(&self, stored: &str) -> std::io::Result<()> {
        gone(std::fs::remove_file(self.path(stored)))
    }
}

/// What is not there is taken away already.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Incoming {
    /// Adds the next bytes.
    ///
    /// # Errors
    /// When there are too many, or they cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ShelfError> {
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.bytes > u64::from(self.max_mb) * 1_000_000 {
            return Err(ShelfError::TooLarge {
                max_mb: self.max_mb,
            });
        }
        self.file.write_all(bytes).await?;
        Ok(())
    }

    /// Keeps the file: its name in the folder, and its bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn finish(mut self) -> Result<Kept, ShelfError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        self.is_finished = true;
        Ok(Kept {
            stored: std::mem::take(&mut self.stored),
            bytes: self.bytes,
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = gone(std::fs::remove_file(&self.path))
        {
            tracing::warn!(%error, "an upload that broke off could not be removed; the upkeep tries again");
        }
    }
}

/// Why a file that was kept is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the file is empty")]
    Empty,
    #[error(
        "this is a workbook, not a CSV file: save it from your spreadsheet as “CSV UTF-8” and upload that"
    )]
    Workbook,
}

/// A file that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub stored: String,
    pub bytes: u64,
}
