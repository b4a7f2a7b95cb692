//! The anchor a node keeps: the end of the chain as it last saw it, in a file beside the secret. Who can
//! only write the database cannot take back what was sealed before it, nor begin the chain anew.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::DbErr;

use super::chain::{self, Anchor, Extension};
use super::store::chain as store;
use crate::keys::{Keys, write_private};
use crate::storage::Db;

/// Why evidence was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    #[error(
        "cannot read or write the anchor of the evidence chain, {path}: {cause}; check that the data folder is writable"
    )]
    File { path: String, cause: std::io::Error },
    #[error(
        "{path} holds no anchor of the evidence chain; find out who changed it, then write it anew with `visavis consent verify --accept`"
    )]
    Malformed { path: String },
    #[error(
        "the evidence chain does not hold link {position}, which this server noted in {path}: it was cut or made anew past this program, or an older backup (or a replica that lagged) took the place of the database. Nothing is sealed until a person has looked: run `visavis consent verify`; if you know which it was, go on from it with `visavis consent verify --accept`"
    )]
    NotHeld { position: i64, path: String },
}

/// The file of a node's anchor.
#[derive(Debug, Clone)]
pub struct AnchorFile {
    path: PathBuf,
}

impl AnchorFile {
    /// That of the node with this data folder.
    pub fn in_folder(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join("evidence.anchor"),
        }
    }

    /// What is noted; `None` before the first.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn read(&self) -> Result<Option<Anchor>, SealError> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => match text.trim().parse() {
                Ok(anchor) => Ok(Some(anchor)),
                Err(_) => Err(SealError::Malformed { path: self.name() }),
            },
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(self.error(cause)),
        }
    }

    /// Notes `head` (`None`: of an empty chain), whatever stood there: for a person who has looked.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn replace(&self, head: Option<&Anchor>) -> Result<(), SealError> {
        let written = match head {
            Some(head) => self.write(head),
            None => match std::fs::remove_file(&self.path) {
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        };
        written.map_err(|cause| self.error(cause))
    }

    /// Notes `head`, unless another process has noted a later one.
    fn advance(&self, head: &Anchor) -> Result<(), SealError> {
        match self.read()? {
            Some(kept) if kept.position >= head.position => Ok(()),
            _ => self.replace(Some(head)),
        }
    }

    /// Whole or not at all, whoever else writes.
    fn write(&self, head: &Anchor) -> std::io::Result<()> {
        static TURN: AtomicU64 = AtomicU64::new(0);
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let fresh = self
            .path
            .with_extension(format!("{}-{turn}", std::process::id()));
        // Of a process that died and had the same number.
        match std::fs::remove_file(&fresh) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        write_private(&fresh, &format!("{head}\n"))?;
        std::fs::rename(&fresh, &self.path)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn not_held(&self, anchor: &Anchor) -> SealError {
        SealError::NotHeld {
            position: anchor.position,
            path: self.name(),
        }
    }

    fn error(&self, cause: std::io::Error) -> SealError {
        SealError::File {
            path: self.name(),
            cause,
        }
    }
}

/// Gives waiting evidence its place in the chain, if the chain holds the anchor of this node, and notes
/// the new end; returns how many pieces.
///
/// # Errors
/// [`SealError::NotHeld`] when the chain does not hold the anchor: nothing is then sealed. Otherwise when
/// the database is away or the file cannot be had; what was sealed before stays.
pub async fn seal(db: &Db, keys: &Keys, file: &AnchorFile, now_ms: i64) -> Result<u64, SealError> {
    let kept = file.read()?;
    match chain::extend(db, keys, kept.as_ref(), now_ms).await? {
        Extension::Sealed { count, head } => {
            if let Some(head) = head.filter(|head| kept.as_ref() != Some(head)) {
                file.advance(&head)?;
            }
            Ok(count)
        }
        Extension::NotHeld(anchor) => Err(file.not_held(&anchor)),
    }
}

/// Looks whether the chain still holds the anchor, and notes what other nodes have sealed; takes no lock.
///
/// # Errors
/// As [`seal`].
pub async fn follow(db: &Db, file: &AnchorFile) -> Result<(), SealError> {
    let kept = file.read()?;
    if let Some(kept) = &kept
        && store::link_at(&**db, kept.position).await?.as_ref() != Some(&kept.link)
    {
        return Err(file.not_held(kept));
    }
    match store::head(&**db).await? {
        Some((position, link)) if kept.is_none_or(|kept| kept.position < position) => {
            file.advance(&Anchor { position, link })
        }
        _ => Ok(()),
    }
}

/// As [`seal`], for whom sealing is a side matter: what stands in its way is logged, and the evidence
/// waits.
///
/// # Errors
/// When the database is away.
pub async fn seal_or_log(
    db: &Db,
    keys: &Keys,
    file: &AnchorFile,
    now_ms: i64,
) -> Result<u64, DbErr> {
    match seal(db, keys, file, now_ms).await {
        Ok(count) => Ok(count),
        Err(SealError::Database(error)) => Err(error),
        Err(error) => {
            tracing::error!(%error, "evidence waits to be sealed");
            Ok(0)
        }
    }
}
