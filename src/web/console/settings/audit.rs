//! `/settings/audit`: who changed what, and when; `/settings/audit.csv`.

use std::io;

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::accounts::audit::{self, Entry, Filter};
use crate::clock::from_ms;
use crate::storage::Db;
use crate::storage::text::formula_safe;
use crate::web::console::Visit;
use crate::web::{ApiError, State};

/// Entries on a page.
const PAGE: i64 = 50;
/// Entries that are read at once for a file.
const CHUNK: i64 = 1_000;

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    actor: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    before: String,
}

impl Asked {
    fn filter(&self) -> Filter {
        Filter {
            actor: self.actor.trim().to_owned(),
            action: self.action.trim().to_owned(),
            subject: self.subject.trim().to_owned(),
            before: self.before.parse().ok(),
        }
    }

    /// The query of the same filter.
    fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("actor", self.actor.trim())
            .append_pair("action", self.action.trim())
            .append_pair("subject", self.subject.trim())
            .finish()
    }
}

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    actor: &'a str,
    action: &'a str,
    subject: &'a str,
    is_filtered: bool,
    query: String,
    is_first: bool,
    older: Option<i64>,
    entries: Vec<Entry>,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let filter = asked.filter();
    let mut entries = audit::list(&state.db, &filter, PAGE + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let has_more = entries.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    entries.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let view = View {
        title: visit.words().t("Audit log"),
        section: "settings",
        tab: "audit",
        actor: &filter.actor,
        action: &filter.action,
        subject: &filter.subject,
        is_filtered: [&filter.actor, &filter.action, &filter.subject]
            .into_iter()
            .any(|text| !text.is_empty()),
        query: asked.query(),
        is_first: filter.before.is_none(),
        older: has_more
            .then(|| entries.last().map(|entry| entry.id))
            .flatten(),
        entries,
    };
    visit.answer(&state, "settings_audit", &view)
}

/// All entries that fit, as a file, read as it is sent.
pub(super) async fn file(
    visit: Visit,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    visit.note(&state, "audit.export", "", "").await?;
    let filter = Filter {
        before: None,
        ..asked.filter()
    };
    let head = ["at", "actor", "action", "subject", "detail"].map(str::to_owned);
    let head = stream::iter([lines(vec![head])]);
    let rest = stream::try_unfold(Some((state.db.clone(), filter)), |next| async move {
        match next {
            Some((db, filter)) => chunk(db, filter).await,
            None => Ok(None),
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((
            CONTENT_DISPOSITION,
            "attachment; filename=\"visavis-audit.csv\"",
        ))
        .streaming(head.chain(rest)))
}

/// What is still to be read, if anything is.
type Rest = Option<(Db, Filter)>;

/// The lines of the next entries, and what comes after them.
async fn chunk(db: Db, filter: Filter) -> io::Result<Option<(Bytes, Rest)>> {
    let entries = audit::list(&db, &filter, CHUNK)
        .await
        .map_err(io::Error::other)?;
    let Some(last) = entries.last().map(|entry| entry.id) else {
        return Ok(None);
    };
    let rows = entries
        .into_iter()
        .map(|entry| {
            [
                from_ms(entry.at).format("%Y-%m-%dT%H:%M:%SZ").to_string(),
                entry.actor,
                entry.action,
                entry.subject,
                entry.detail,
            ]
        })
        .collect();
    let rest = Filter {
        before: Some(last),
        ..filter
    };
    Ok(Some((lines(rows)?, Some((db, rest)))))
}

/// Rows as CSV (RFC 4180), in which no spreadsheet finds a formula.
fn lines(rows: Vec<[String; 5]>) -> io::Result<Bytes> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        writer
            .write_record(row.iter().map(|text| formula_safe(text)))
            .map_err(io::Error::other)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Bytes::from(bytes))
}
