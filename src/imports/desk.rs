//! The desk of this node: one file at a time is read here, beside whatever else the server does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DbErr;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::model::{Outcome, Plan, Standing, State, Upload};
use super::shelf::{Kept, Shelf};
use super::store;
use super::take_in::{TakeInError, take_in};
use crate::accounts::audit;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::customers::import::{ImportError, ImportKind, ImportRequest, Progress, Seal};
use crate::ids::UploadId;
use crate::keys::Keys;
use crate::storage::{Db, Txn};

/// How far the file on the desk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    pub upload: UploadId,
    pub is_dry_run: bool,
    pub progress: Progress,
}

/// What lies on the desk, for all who look at it.
#[derive(Debug, Clone)]
pub struct Desk {
    running: Arc<Mutex<Option<Running>>>,
    /// What was read last, once its row tells how that ended.
    ended: Arc<Mutex<Option<UploadId>>>,
    /// Tells that the place is free again.
    freed: Arc<Notify>,
    /// Ends what is being read; nothing more is begun then.
    stop: CancellationToken,
    /// Where files are read: not on the thread that answers one browser.
    runtime: Option<Handle>,
}

/// What a run needs.
#[derive(Debug, Clone)]
pub struct Parts {
    pub db: Db,
    pub keys: Keys,
    pub settings: Arc<Settings>,
    pub clock: SharedClock,
}

/// Why a file cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("another file is being read; begin this one when that is done")]
    Busy,
    #[error("this very file is being read; wait until that is done")]
    BeingRead,
    #[error("there is no such upload (any more); upload the file again")]
    NoSuchUpload,
    #[error("the file is imported already; to import it again, upload it again")]
    Imported,
    #[error("the file is not on this machine any more; upload it again")]
    Gone,
    #[error(transparent)]
    File(#[from] ImportError),
    #[error("the database failed: {0}; nothing was imported")]
    Database(#[from] DbErr),
}

/// Leaves the desk free, however the run ends.
struct Place(Desk);

impl Drop for Place {
    fn drop(&mut self) {
        let Desk { running, freed, .. } = &self.0;
        *running.lock().unwrap_or_else(PoisonError::into_inner) = None;
        freed.notify_waiters();
    }
}

impl Default for Desk {
    /// Files are read by the runtime this is made in.
    fn default() -> Self {
        Self {
            running: Arc::default(),
            ended: Arc::default(),
            freed: Arc::default(),
            stop: CancellationToken::new(),
            runtime: Handle::try_current().ok(),
        }
    }
}

impl Desk {
    /// What is being read here now.
    pub fn running(&self) -> Option<Running> {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How an upload stands, seen from here.
    pub fn standing(&self, shelf: &Shelf, upload: &Upload) -> Standing {
        let is_here = |running: Running| running.upload == upload.id;
        // Whose row says so though its end is noted was read a moment before that.
        let is_running = self.running().is_some_and(is_here)
            || (upload.state == State::Running && self.ended() == Some(upload.id));
        upload.standing(shelf.holds(&upload.stored), is_running)
    }

    /// What was read here last and is noted as ended.
    fn ended(&self) -> Option<UploadId> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the only place; `None` when it is taken.
    fn take(&self, upload: UploadId, is_dry_run: bool) -> Option<Place> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() || self.stop.is_cancelled() {
            return None;
        }
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *running = Some(Running {
            upload,
            is_dry_run,
            progress: Progress {
                bytes_read: 0,
                bytes_total: 0,
                rows: 0,
            },
        });
        Some(Place(self.clone()))
    }

    /// Why this file cannot have the desk.
    fn busy_with(&self, upload: UploadId) -> BeginError {
        match self.running() {
            Some(running) if running.upload == upload => BeginError::BeingRead,
            _ => BeginError::Busy,
        }
    }

    /// Breaks off what is being read and waits until it let go of the database; nothing is begun from now on. A file
    /// that is not imported by then leaves nothing behind and can be begun again.
    pub async fn stop(&self) {
        self.stop.cancel();
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.running().is_none() {
                return;
            }
            freed.await;
        }
    }

    /// Begins to read a file as `plan` says; returns as soon as it is certain that it can be read.
    ///
    /// # Errors
    /// Why it cannot be begun; then nothing has changed.
    pub async fn begin(
        &self,
        parts: &Parts,
        upload: UploadId,
        plan: Plan,
        is_dry_run: bool,
        actor: &str,
    ) -> Result<(), BeginError> {
        let place = self
            .take(upload, is_dry_run)
            .ok_or_else(|| self.busy_with(upload))?;
        let known = get(&parts.db, upload)
            .await?
            .ok_or(BeginError::NoSuchUpload)?;
        if known.is_imported {
            return Err(BeginError::Imported);
        }
        let shelf = Shelf::in_folder(&parts.settings.data_dir);
        if !shelf.holds(&known.stored) {
            return Err(BeginError::Gone);
        }
        let request = request(&shelf, &parts.settings, &known, &plan, is_dry_run);
        let looked = request.clone();
        tokio::task::spawn_blocking(move || looked.check())
            .await
            .map_err(|_cause| BeginError::Busy)??;
        let now_ms = parts.clock.now_ms();
        let txn = parts.db.begin().await?;
        if !store::begin(&txn, upload, &plan, is_dry_run, now_ms).await? {
            return Err(BeginError::NoSuchUpload);
        }
        let action = if is_dry_run {
            "import.try"
        } else {
            "import.run"
        };
        let detail = match plan.kind {
            ImportKind::Customers => "customers",
            ImportKind::Orders => "orders",
        };
        audit::note(&*txn, actor, action, &upload.to_string(), detail, now_ms).await?;
        txn.commit().await?;
        let run = run(parts.clone(), shelf, known, request, place);
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(run)),
            None => drop(tokio::spawn(run)),
        }
        Ok(())
    }
}

fn request(
    shelf: &Shelf,
    settings: &Settings,
    upload: &Upload,
    plan: &Plan,
    is_dry_run: bool,
) -> ImportRequest {
    ImportRequest {
        path: shelf.path(&upload.stored),
        name: Some(upload.name.clone()),
        kind: plan.kind,
        map: plan.map(),
        default_region: plan.region.clone(),
        default_language: plan.language.clone(),
        default_country: plan.country.clone(),
        default_currency: settings.orders.currency.clone(),
        dry_run: is_dry_run,
        rejects: Some(shelf.rejects(&upload.stored)),
    }
}

async fn run(parts: Parts, shelf: Shelf, upload: Upload, request: ImportRequest, place: Place) {
    let is_dry_run = request.dry_run;
    let rejects: Option<PathBuf> = request.rejects.clone();
    // Those of an earlier run are not these.
    if let Some(Err(error)) = rejects.map(std::fs::remove_file)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "rejected rows of an earlier run could not be removed");
    }
    let Parts {
        db,
        keys,
        settings,
        clock,
    } = &parts;
    let note = |progress| {
        let running = &place.0.running;
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_mut() {
            running.progress = progress;
        }
    };
    let id = upload.id;
    let seal: Seal = Box::new(move |txn, report| {
        Box::pin(async move { store::seal(txn, id, &Outcome::from(report)).await })
    });
    let taken = tokio::select! {
        taken = take_in(db, keys, settings, clock.now_ms(), request, note, Some(seal)) => taken,
        () = place.0.stop.cancelled() => {
            // Its row tells whether it was imported by then.
            tracing::info!(import = %id, "the server ends while an uploaded file is read");
            return;
        }
    };
    let ended = match taken {
        Ok(report) => Ok(Outcome::from(&report)),
        Err(TakeInError::After { report, cause }) => {
            tracing::warn!(import = %upload.id, error = %cause, "what follows from an import waits");
            Ok(Outcome::from(&*report))
        }
        Err(error) => {
            tracing::error!(import = %upload.id, %error, "an uploaded file was not taken in");
            Err(told(&error))
        }
    };
    if ended.is_ok()
        && !is_dry_run
        && let Err(error) = shelf.remove_file(&upload.stored)
    {
        tracing::warn!(%error, "an imported file could not be removed; the upkeep tries again");
    }
    match end(db, upload.id, &ended, clock.now_ms()).await {
        Ok(()) => {
            let mut ended = place.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
            *ended = Some(upload.id);
        }
        Err(error) => {
            tracing::error!(import = %upload.id, %error, "how an import ended could not be noted");
        }
    }
    drop(place);
}

/// The problem as a person reads it, without the paths of this machine.
fn told(error: &TakeInError) -> String {
    match error {
        TakeInError::Import(ImportError::Read { cause, .. }) => {
            format!(
                "the file could not be read to its end: {cause}; nothing was imported, upload it again"
            )
        }
        TakeInError::Import(ImportError::Rejects { cause, .. }) => {
            format!("the rejected rows could not be written: {cause}; nothing was imported")
        }
        error => error.to_string(),
    }
}

async fn end(
    db: &Db,
    upload: UploadId,
    ended: &Result<Outcome, String>,
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    store::end(&txn, upload, ended, now_ms).await?;
    txn.commit().await
}

/// Notes a file that was kept, to be read as `plan` says, within a transaction; without it the file is of no use.
///
/// # Errors
/// When the database is away.
pub async fn add(
    txn: &Txn,
    name: &str,
    kept: &Kept,
    plan: &Plan,
    actor: &str,
    now_ms: i64,
) -> Result<UploadId, DbErr> {
    let id = store::add(txn, name, kept, plan, actor, now_ms).await?;
    audit::note(&**txn, actor, "import.upload", &id.to_string(), "", now_ms).await?;
    Ok(id)
}

/// Sets how a file is to be read, within a transaction. What a trial by another plan showed is forgotten.
///
/// # Errors
/// When it is being read, is imported already, there is no such upload, or the database is away.
pub async fn set_plan(
    desk: &Desk,
    txn: &Txn,
    id: UploadId,
    plan: &Plan,
    actor: &str,
    now_ms: i64,
) -> Result<(), BeginError> {
    if desk.running().is_some_and(|running| running.upload == id) {
        return Err(BeginError::BeingRead);
    }
    let known = store::get(&**txn, id)
        .await?
        .ok_or(BeginError::NoSuchUpload)?;
    if known.is_imported {
        return Err(BeginError::Imported);
    }
    if known.plan == *plan {
        return Ok(());
    }
    store::set_plan(txn, id, plan).await?;
    audit::note(&**txn, actor, "import.plan", &id.to_string(), "", now_ms).await?;
    Ok(())
}

/// As [`get`], within a transaction.
///
/// # Errors
/// When the database is away.
pub async fn get_in(txn: &Txn, id: UploadId) -> Result<Option<Upload>, DbErr> {
    store::get(&**txn, id).await
}

/// An upload.
///
/// # Errors
/// When the database is away.
pub async fn get(db: &Db, id: UploadId) -> Result<Option<Upload>, DbErr> {
    store::get(&**db, id).await
}

/// At most `limit` uploads that came before `before`, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn newest(db: &Db, before: Option<UploadId>, limit: i64) -> Result<Vec<Upload>, DbErr> {
    store::newest(db, before.unwrap_or(UploadId(i64::MAX)), limit).await
}

/// Forgets an upload and takes its file away; what it brought into the base stays.
///
/// # Errors
/// When it is being read, there is no such upload, or the database is away.
pub async fn remove(
    desk: &Desk,
    parts: &Parts,
    id: UploadId,
    actor: &str,
) -> Result<(), BeginError> {
    let _place = desk.take(id, true).ok_or_else(|| desk.busy_with(id))?;
    let upload = get(&parts.db, id).await?.ok_or(BeginError::NoSuchUpload)?;
    let now_ms = parts.clock.now_ms();
    let txn = parts.db.begin().await?;
    store::remove(&txn, id).await?;
    audit::note(&*txn, actor, "import.remove", &id.to_string(), "", now_ms).await?;
    txn.commit().await?;
    let shelf = Shelf::in_folder(&parts.settings.data_dir);
    if let Err(error) = shelf.remove(&upload.stored) {
        tracing::warn!(%error, "an uploaded file could not be removed; the upkeep tries again");
    }
    Ok(())
}
