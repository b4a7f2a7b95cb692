//! `GET /imports/{id}`: one file, from its columns to what came of it.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::columns::{self, ColumnView, NOTHING};
use super::{is_bad, kind_in_words, parts, shelf, standing_in_words, usual_plan};
use crate::customers::import::{ImportError, Preview, preview, rejected};
use crate::ids::UploadId;
use crate::imports::desk::{self, BeginError, Running};
use crate::imports::model::{Outcome, Plan, Standing, State as RunState, Upload};
use crate::web::console::{Visit, person, see_other};
use crate::web::download::csv_file;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Seconds after which a page about a running import comes again by itself.
const AGAIN: &str = "2";
/// Rejected rows that are shown.
const SHOWN: usize = 100;
/// The length of a full bar, in the units of its drawing.
const FULL: u64 = 1000;

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    id: i64,
    state: String,
    is_bad: bool,
    fault: Option<String>,
    problem: Option<String>,
    /// What is not known to be done behind the import.
    unfinished: Option<String>,
    running: Option<RunningView>,
    outcome: Option<OutcomeView>,
    rejected: Option<RejectedView>,
    columns: Vec<ColumnView>,
    /// How the file is read.
    read: String,
    plan: PlanView,
    /// Whether the defaults were chosen.
    has_plan: bool,
    /// Another file that is being read.
    busy: Option<i64>,
    is_gone: bool,
    kind: String,
    size: String,
    actor: String,
    uploaded_at: i64,
    ended_at: Option<i64>,
}

#[derive(Debug, Serialize)]
struct PlanView {
    region: String,
    language: String,
    country: String,
}

#[derive(Debug, Serialize)]
struct RunningView {
    sentence: String,
    percent: String,
    width: u64,
    rows: String,
}

#[derive(Debug, Serialize)]
struct OutcomeView {
    headline: String,
    cards: Vec<Tally>,
    remarks: Vec<String>,
    warnings: Vec<Warning>,
}

#[derive(Debug, Serialize)]
struct Tally {
    name: String,
    value: u64,
    is_bad: bool,
}

#[derive(Debug, Serialize)]
struct Warning {
    sentence: String,
    count: u64,
    lines: String,
}

#[derive(Debug, Serialize)]
struct RejectedView {
    heads: Vec<String>,
    rows: Vec<Vec<Cell>>,
    shown: usize,
    is_cut: bool,
}

#[derive(Debug, Serialize)]
struct Cell {
    text: String,
    is_reason: bool,
}

async fn find(state: &State, id: i64) -> Result<Upload, ApiError> {
    let upload = desk::get(&state.db, UploadId(id))
        .await
        .map_err(ApiError::unavailable)?;
    upload.ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND)
            .with_detail("There is no such file (any more). Upload it again under Imports.")
    })
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let upload = find(&state, id.into_inner()).await?;
    let view = view(&visit, &state, &upload, &upload.plan, None).await?;
    let is_running = view.running.is_some();
    let mut response = visit.answer(&state, "import", &view)?;
    if is_running {
        // Every browser knows it, with scripts or without.
        let headers = response.headers_mut();
        headers.insert(
            HeaderName::from_static("refresh"),
            HeaderValue::from_static(AGAIN),
        );
    }
    Ok(response)
}

async fn view(
    visit: &Visit,
    state: &State,
    upload: &Upload,
    plan: &Plan,
    fault: Option<String>,
) -> Result<View, ApiError> {
    let words = visit.words();
    let shelf = shelf(state);
    let standing = state.imports.standing(&shelf, upload);
    let running = state.imports.running();
    let may_begin = matches!(
        standing,
        Standing::Waiting | Standing::Interrupted | Standing::Tried | Standing::Failed
    );
    let mut fault = fault;
    let mut columns = Vec::new();
    let mut read = String::new();
    if may_begin {
        let (path, kind) = (shelf.path(&upload.stored), plan.kind);
        let seen = web::block(move || preview(&path, kind))
            .await
            .map_err(ApiError::internal)?;
        match seen {
            Ok(preview) => {
                let topics = &state.settings.permission.topics;
                columns = columns::columns(&preview, plan, topics, words);
                read = how(&preview, words);
            }
            Err(error) => fault = fault.or_else(|| Some(told(&error, words))),
        }
    }
    let rejected = rejected_rows(state, upload, standing, words).await?;
    let is_here = |running: &Running| running.upload == upload.id;
    let outcome = upload.outcome.as_ref();
    Ok(View {
        title: upload.name.clone(),
        section: "imports",
        id: upload.id.0,
        state: words.t(standing_in_words(standing)).to_owned(),
        is_bad: is_bad(standing),
        fault,
        problem: match standing {
            Standing::Interrupted => Some(
                words
                    .t("The program ended while the file was being read. Nothing of it was kept; begin again.")
                    .to_owned(),
            ),
            Standing::Failed => upload.problem.clone(),
            _ => None,
        },
        unfinished: (standing == Standing::Imported && upload.state == RunState::Running).then(|| {
            words
                .t("All its rows are in the base. What follows from them, such as orders that find their messages, is not known to be done: the program may have ended before. A running server does it within minutes.")
                .to_owned()
        }),
        running: running.filter(is_here).map(|running| running_view(&running, words)),
        outcome: outcome
            .filter(|_| standing != Standing::Running)
            .map(|outcome| outcome_view(outcome, upload.is_dry_run, words)),
        rejected,
        columns,
        read,
        has_plan: *plan != Plan { fields: plan.fields.clone(), ..usual_plan(plan.kind, state) },
        plan: PlanView {
            region: plan.region.clone(),
            language: plan.language.clone(),
            country: plan.country.clone(),
        },
        busy: running
            .filter(|running| !is_here(running) && may_begin)
            .map(|running| running.upload.0),
        is_gone: standing == Standing::Gone,
        kind: words.t(kind_in_words(plan.kind)).to_owned(),
        size: size(upload.bytes, words),
        actor: person(&upload.actor).to_owned(),
        uploaded_at: upload.uploaded_at,
        ended_at: upload.ended_at,
    })
}

/// How the file is read.
fn how(preview: &Preview, words: &Words) -> String {
    let delimiter = match preview.delimiter {
        '\t' => words.t("tab").to_owned(),
        other => other.to_string(),
    };
    words.fill(
        "Read as {encoding}, with “{delimiter}” between the columns. What we guessed is chosen; look at the first rows.",
        &[
            ("encoding", preview.encoding.to_owned()),
            ("delimiter", delimiter),
        ],
    )
}

fn size(bytes: i64, words: &Words) -> String {
    let bytes = bytes.unsigned_abs();
    if bytes < 1_000_000 {
        words.fill("{n} kB", &[("n", words.number(bytes.div_ceil(1_000)))])
    } else {
        words.fill("{n} MB", &[("n", words.number(bytes.div_ceil(1_000_000)))])
    }
}

fn running_view(running: &Running, words: &Words) -> RunningView {
    let progress = running.progress;
    let width = progress.bytes_read * FULL / progress.bytes_total.max(1);
    let width = width.min(FULL);
    RunningView {
        sentence: words
            .t(match running.is_dry_run {
                true => "The file is being tried",
                false => "The file is being imported",
            })
            .to_owned(),
        percent: words.fill("{n} per cent", &[("n", (width / 10).to_string())]),
        width,
        rows: words.counted(progress.rows, "{n} row read", "{n} rows read"),
    }
}

fn outcome_view(outcome: &Outcome, is_dry_run: bool, words: &Words) -> OutcomeView {
    let tally = |name: &str, value: u64, is_bad: bool| Tally {
        name: name.to_owned(),
        value,
        is_bad,
    };
    let mut remarks = Vec::new();
    for (channel, n) in &outcome.reachable {
        let n = words.number(*n);
        remarks.push(match channel.as_str() {
            "email" => words.fill("Reachable by mail about some topic: {n}.", &[("n", n)]),
            _ => words.fill("Reachable by SMS about some topic: {n}.", &[("n", n)]),
        });
    }
    if outcome.no_basis > 0 {
        remarks.push(words.fill(
            "Not reachable, since a yes lacks its source, date or legal basis: {n}.",
            &[("n", words.number(outcome.no_basis))],
        ));
    }
    if !outcome.reachable.is_empty() && !outcome.has_permissions {
        remarks.push(
            words
                .t("No column speaks of permission, so this file made nobody reachable: add columns with yes or no, and where, when and on which basis it was said.")
                .to_owned(),
        );
    }
    if !outcome.ignored_columns.is_empty() {
        let columns = outcome.ignored_columns.join(", ");
        remarks.push(words.fill(
            "Columns that were not looked at: {columns}.",
            &[("columns", columns)],
        ));
    }
    OutcomeView {
        headline: if is_dry_run {
            words
                .t("What an import would do; nothing was kept")
                .to_owned()
        } else {
            words.t("What was imported").to_owned()
        },
        cards: vec![
            tally(words.t("rows read"), outcome.rows, false),
            tally(words.t("new"), outcome.created, false),
            tally(words.t("changed"), outcome.updated, false),
            tally(words.t("as they were"), outcome.unchanged, false),
            tally(words.t("rejected"), outcome.rejected, outcome.rejected > 0),
        ],
        remarks,
        warnings: outcome
            .warnings
            .iter()
            .map(|warned| {
                let lines: Vec<String> = warned.first_lines.iter().map(u64::to_string).collect();
                let has_more = warned.count > u64::try_from(lines.len()).unwrap_or_default();
                Warning {
                    sentence: words.t(&warned.sentence).to_owned(),
                    count: warned.count,
                    lines: format!("{}{}", lines.join(", "), if has_more { " …" } else { "" }),
                }
            })
            .collect(),
    }
}

/// The first rejected rows of the last run, with line and reason first.
async fn rejected_rows(
    state: &State,
    upload: &Upload,
    standing: Standing,
    words: &Words,
) -> Result<Option<RejectedView>, ApiError> {
    let count = upload
        .outcome
        .as_ref()
        .map_or(0, |outcome| outcome.rejected);
    let path = shelf(state).rejects(&upload.stored);
    if count == 0 || standing == Standing::Running {
        return Ok(None);
    }
    let read = web::block(move || rejected(&path, SHOWN)).await;
    // After a while the rows are gone, and only their count is left.
    let Ok(Ok(mut rows)) = read else {
        return Ok(None);
    };
    if rows.is_empty() {
        return Ok(None);
    }
    let heads = rows.remove(0);
    let line = heads.iter().rposition(|head| head == "line");
    let Some(line) = line.filter(|line| heads.get(line + 1).is_some_and(|head| head == "reason"))
    else {
        return Ok(None);
    };
    // What stands behind them are cells beyond the header.
    let order: Vec<usize> = [line, line + 1].into_iter().chain(0..line).collect();
    let shown = rows.len();
    let reasons = upload.outcome.as_ref().map(|outcome| &outcome.reasons);
    // The file has the reason in English; what was kept of the run has it in every language.
    let text_of = |row: &Vec<String>, n: usize| {
        let text = row.get(n).cloned().unwrap_or_default();
        let number = row.get(line).and_then(|line| line.parse().ok());
        let reason = number.and_then(|line: u64| reasons?.get(&line));
        match reason.filter(|_| n == line + 1) {
            Some(reason) => words.say(&reason.clone().into()),
            None => text,
        }
    };
    Ok(Some(RejectedView {
        heads: [words.t("Line"), words.t("Reason")]
            .into_iter()
            .chain(heads.iter().take(line).map(String::as_str))
            .map(str::to_owned)
            .collect(),
        rows: rows
            .iter()
            .map(|row| {
                order
                    .iter()
                    .map(|n| Cell {
                        text: text_of(row, *n),
                        is_reason: *n == line + 1,
                    })
                    .collect()
            })
            .collect(),
        shown,
        is_cut: u64::try_from(shown).unwrap_or_default() < count,
    }))
}

/// Why a file cannot be read so, to whoever chose its columns.
pub(in crate::web) fn told(error: &ImportError, words: &Words) -> String {
    match error {
        ImportError::Empty { .. } => words.t("The file is empty; its first line must name the columns.").to_owned(),
        ImportError::HeaderTooLarge { .. } => words.t("The first line is far too long. Is it a CSV file, and every quotation mark closed?").to_owned(),
        ImportError::Read { .. } | ImportError::NotAFile { .. } => words.t("The file cannot be read any more; upload it again.").to_owned(),
        ImportError::DuplicateColumn { first, second } => words.fill(
            "The columns “{first}” and “{second}” hold the same; keep one, and do not import the other.",
            &[("first", first), ("second", second)],
        ),
        ImportError::NoIdentifier { .. } => words.t("No column says who a row is about: choose one that holds your key, the mail address or the telephone.").to_owned(),
        ImportError::MissingColumn { field: "ordered_at", .. } => words.t("No column holds the day of the order; choose it.").to_owned(),
        ImportError::MissingColumn { .. } => words.t("No column holds the amount; choose it.").to_owned(),
        ImportError::DefaultCountry(code) => words.fill("“{code}” is not a country; write two letters such as FR.", &[("code", code)]),
        error => error.to_string(),
    }
}

/// Begins to read a file, for a try or for good.
pub(super) async fn begin(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<HashMap<String, String>>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let upload = find(&state, id.into_inner()).await?;
    let words = visit.words();
    let plan = plan(&upload, &form);
    let is_dry_run = form.get("run").is_none_or(|run| run != "import");
    let begun = state
        .imports
        .begin(
            &parts(&state),
            upload.id,
            plan.clone(),
            is_dry_run,
            &visit.actor(),
        )
        .await;
    let fault = match begun {
        Ok(()) => return Ok(see_other(&format!("/imports/{}", upload.id))),
        Err(BeginError::Database(error)) => return Err(ApiError::unavailable(error)),
        Err(BeginError::NoSuchUpload) => return Err(ApiError::new(StatusCode::NOT_FOUND)),
        Err(BeginError::File(error)) => told(&error, words),
        Err(BeginError::Busy) => words
            .t("Another file is being read; begin this one when that is done.")
            .to_owned(),
        Err(BeginError::BeingRead) => words
            .t("This very file is being read; wait until that is done.")
            .to_owned(),
        Err(BeginError::Imported) => words
            .t("The file is imported already; to import it again, upload it again.")
            .to_owned(),
        Err(BeginError::Gone) => words
            .t("The file is not on this machine any more, or on another one. Upload it again to import it.")
            .to_owned(),
    };
    let view = view(&visit, &state, &upload, &plan, Some(fault)).await?;
    visit.refuse(&state, "import", &view)
}

/// What the form says of the columns; of those it does not name, nothing is imported.
fn plan(upload: &Upload, form: &HashMap<String, String>) -> Plan {
    let mut fields = Vec::new();
    while let Some(field) = form.get(&format!("column-{}", fields.len())) {
        let field = field.trim();
        fields.push(if field.is_empty() {
            NOTHING.to_owned()
        } else {
            field.to_owned()
        });
    }
    let code = |name: &str, known: &str| {
        let text = form.get(name).map_or("", |text| text.trim());
        if text.is_empty() {
            known.to_owned()
        } else {
            text.to_owned()
        }
    };
    Plan {
        kind: upload.plan.kind,
        fields,
        region: code("region", &upload.plan.region).to_uppercase(),
        language: code("language", &upload.plan.language).to_lowercase(),
        country: code("country", &upload.plan.country).to_uppercase(),
    }
}

/// The rejected rows as a file that can be mended and uploaded.
pub(super) async fn rejects(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let upload = find(&state, id.into_inner()).await?;
    let path = shelf(&state).rejects(&upload.stored);
    let file = tokio::fs::File::open(path).await.map_err(|_cause| {
        ApiError::new(StatusCode::NOT_FOUND)
            .with_detail("There are no rejected rows, or they were removed after their time.")
    })?;
    visit
        .note(&state, "import.rejects", &upload.id.to_string(), "")
        .await?;
    Ok(csv_file(&format!("rejected-{}", upload.name), file))
}

/// Forgets a file.
pub(super) async fn remove(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let upload = find(&state, id.into_inner()).await?;
    match desk::remove(&state.imports, &parts(&state), upload.id, &visit.actor()).await {
        Ok(()) => Ok(see_other("/imports?done=removed")),
        Err(BeginError::Database(error)) => Err(ApiError::unavailable(error)),
        Err(BeginError::NoSuchUpload) => Err(ApiError::new(StatusCode::NOT_FOUND)),
        Err(error) => Err(ApiError::new(StatusCode::CONFLICT).with_detail(error.to_string())),
    }
}
