//! An import with all that follows from it: evidence gets its place in the chain, orders find their people and
//! the messages that earned them, and the effects of waves are reckoned anew.

use crate::config::Settings;
use crate::consent::anchor::{self, AnchorFile};
use crate::customers::import::{
    self, ImportError, ImportKind, ImportReport, ImportRequest, Progress, Seal,
};
use crate::keys::Keys;
use crate::responses::orders::{OrderRules, adopt_all, attribute_orders};
use crate::responses::{ResponseError, effects};
use crate::storage::Db;

/// Why a file was not taken in, or not all that follows.
#[derive(Debug, thiserror::Error)]
pub enum TakeInError {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(
        "the file was imported, but not all that follows from it could be reckoned ({cause}); a running server does so within minutes"
    )]
    After {
        report: Box<ImportReport>,
        cause: ResponseError,
    },
}

/// Imports a file, whole or not at all ([`import::run_sealed`]), and does what follows; of a dry run nothing does.
///
/// # Errors
/// When nothing was imported, or when the database failed behind it.
pub async fn take_in(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    now_ms: i64,
    request: ImportRequest,
    progress: impl FnMut(Progress) + Send,
    seal: Option<Seal>,
) -> Result<ImportReport, TakeInError> {
    let (kind, is_dry_run) = (request.kind, request.dry_run);
    let report = import::run_sealed(db, keys, now_ms, request, progress, seal).await?;
    if is_dry_run {
        return Ok(report);
    }
    match follow_up(db, keys, settings, kind, now_ms).await {
        Ok(()) => Ok(report),
        Err(cause) => Err(TakeInError::After {
            report: Box::new(report),
            cause,
        }),
    }
}

async fn follow_up(
    db: &Db,
    keys: &Keys,
    settings: &Settings,
    kind: ImportKind,
    now_ms: i64,
) -> Result<(), ResponseError> {
    let file = AnchorFile::in_folder(&settings.data_dir);
    anchor::seal_or_log(db, keys, &file, now_ms).await?;
    let rules = OrderRules::new(keys, settings);
    if kind == ImportKind::Customers {
        // Some may be those whose orders came before them.
        adopt_all(db, &rules, now_ms).await?;
    }
    let attributed = attribute_orders(db, &rules, now_ms).await?;
    // Whoever looks at a report now sees what these orders tell of the control groups.
    effects::reckon(db, &settings.orders.currency, now_ms).await?;
    if attributed > 0 {
        tracing::info!(attributed, "orders attributed to deliveries");
    }
    Ok(())
}
