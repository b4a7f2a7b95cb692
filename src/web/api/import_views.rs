//! An uploaded file as the API shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::instant;
use crate::customers::import::ImportKind;
use crate::imports::model::{Outcome, Standing, Upload, Warned};
use crate::web::State;
use crate::web::console::imports::shelf;

/// What a file holds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportKind)]
pub(super) enum KindTold {
    /// With what they allow, where it has such columns.
    #[default]
    Customers,
    Orders,
}

impl From<ImportKind> for KindTold {
    fn from(kind: ImportKind) -> Self {
        match kind {
            ImportKind::Customers => Self::Customers,
            ImportKind::Orders => Self::Orders,
        }
    }
}

impl From<KindTold> for ImportKind {
    fn from(told: KindTold) -> Self {
        match told {
            KindTold::Customers => Self::Customers,
            KindTold::Orders => Self::Orders,
        }
    }
}

/// An uploaded file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Import)]
pub(super) struct ImportView {
    #[schema(example = 7)]
    id: i64,
    #[schema(example = "customers.csv")]
    name: String,
    bytes: i64,
    kind: KindTold,
    /// `waiting`; `running`; `interrupted` (the program ended: nothing was imported, begin again); `tried` (nothing was
    /// kept); `imported`; `failed` (nothing was imported); `gone` (its file is not on this machine).
    #[schema(value_type = String, example = "tried")]
    state: &'static str,
    /// Our name of what each column holds, in their order; empty: as the header tells (`preview`).
    #[schema(example = json!(["external_id", "email", "ignore"]))]
    fields: Vec<String>,
    /// Country of telephone numbers without a prefix (ISO 3166-1 alpha-2).
    #[schema(example = "FR")]
    region: String,
    /// Language of new customers whose row names none (ISO 639-1).
    #[schema(example = "fr")]
    language: String,
    /// Country of new customers whose row names none (ISO 3166-1 alpha-2).
    #[schema(example = "FR")]
    country: String,
    /// While it runs.
    progress: Option<ImportProgress>,
    /// What the last run did, or would have done.
    outcome: Option<ImportOutcome>,
    /// Why the last run failed.
    problem: Option<String>,
    /// A user or a token.
    uploaded_by: String,
    #[schema(value_type = String, format = DateTime)]
    uploaded_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    began_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<String>,
}

/// How far a run has come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportProgress {
    is_dry_run: bool,
    bytes_read: u64,
    bytes_total: u64,
    rows: u64,
}

/// What a run did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportOutcome {
    /// Nothing of it was kept.
    is_dry_run: bool,
    rows: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    /// `rejected` has the rows.
    rejected: u64,
    /// Whom each channel may reach of those in the file.
    reachable: BTreeMap<String, u64>,
    /// Whether a column speaks of permission.
    has_permissions: bool,
    /// A yes without its source, date or legal basis, which allows nothing.
    no_basis: u64,
    warnings: Vec<ImportWarning>,
    /// Columns that were not looked at.
    ignored_columns: Vec<String>,
    encoding: String,
    #[schema(value_type = String, example = ";")]
    delimiter: char,
}

/// What was odd about some rows that were taken all the same.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportWarning {
    sentence: String,
    count: u64,
    first_lines: Vec<u64>,
}

impl From<Warned> for ImportWarning {
    fn from(one: Warned) -> Self {
        Self {
            sentence: one.sentence,
            count: one.count,
            first_lines: one.first_lines,
        }
    }
}

impl ImportOutcome {
    fn new(outcome: Outcome, is_dry_run: bool) -> Self {
        Self {
            is_dry_run,
            rows: outcome.rows,
            created: outcome.created,
            updated: outcome.updated,
            unchanged: outcome.unchanged,
            rejected: outcome.rejected,
            reachable: outcome.reachable,
            has_permissions: outcome.has_permissions,
            no_basis: outcome.no_basis,
            warnings: outcome
                .warnings
                .into_iter()
                .map(ImportWarning::from)
                .collect(),
            ignored_columns: outcome.ignored_columns,
            encoding: outcome.encoding,
            delimiter: outcome.delimiter,
        }
    }
}

impl ImportView {
    pub fn new(state: &State, upload: Upload) -> Self {
        let standing = state.imports.standing(&shelf(state), &upload);
        let running = state.imports.running();
        let running = running.filter(|running| running.upload == upload.id);
        let is_dry_run = upload.is_dry_run;
        let outcome = upload.outcome.filter(|_| running.is_none());
        Self {
            id: upload.id.0,
            name: upload.name,
            bytes: upload.bytes,
            kind: upload.plan.kind.into(),
            state: match standing {
                Standing::Waiting => "waiting",
                Standing::Running => "running",
                Standing::Interrupted => "interrupted",
                Standing::Tried => "tried",
                Standing::Imported => "imported",
                Standing::Failed => "failed",
                Standing::Gone => "gone",
            },
            fields: upload.plan.fields,
            region: upload.plan.region,
            language: upload.plan.language,
            country: upload.plan.country,
            progress: running.map(|running| ImportProgress {
                is_dry_run: running.is_dry_run,
                bytes_read: running.progress.bytes_read,
                bytes_total: running.progress.bytes_total,
                rows: running.progress.rows,
            }),
            outcome: outcome.map(|outcome| ImportOutcome::new(outcome, is_dry_run)),
            problem: upload.problem.filter(|_| standing == Standing::Failed),
            uploaded_by: upload.actor,
            uploaded_at: instant(upload.uploaded_at),
            began_at: upload.began_at.map(instant),
            ended_at: upload.ended_at.map(instant),
        }
    }
}
