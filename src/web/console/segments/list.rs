//! `GET /segments`: the segments by name, with what was counted last.

use actix_web::HttpResponse;
use actix_web::web::{self, Query};
use serde::Serialize;

use super::{Asked, UseView, done, sentence};
use crate::segments::library::{self, Archived};
use crate::statistics::Share;
use crate::web::console::Visit;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct ListView {
    title: String,
    section: &'static str,
    segments: Vec<LineView>,
    is_archive: bool,
    done: Option<String>,
}

#[derive(Debug, Serialize)]
struct LineView {
    id: i64,
    name: String,
    said: String,
    description: String,
    people: Option<u64>,
    share: Option<f64>,
    reach_email: Option<u64>,
    reach_sms: Option<u64>,
    topic: String,
    counted_at: Option<i64>,
    uses: Vec<UseView>,
    more_uses: usize,
}

/// Campaigns shown beside a segment of the list.
const USES: usize = 3;

/// The page.
pub(super) async fn list(
    visit: Visit,
    asked: Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let is_archive = asked.archived.is_some();
    let archived = if is_archive {
        Archived::Yes
    } else {
        Archived::No
    };
    let segments = library::list(&state.db, archived)
        .await
        .map_err(ApiError::unavailable)?;
    let uses = library::uses(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let none = Vec::new();
    let segments = segments.into_iter().map(|segment| {
        let uses = uses.get(&segment.id).unwrap_or(&none);
        let counted = segment.counted.as_ref();
        LineView {
            id: segment.id.0,
            said: sentence::of_text(words, &segment.rule),
            people: counted.map(|counted| counted.people),
            share: counted.and_then(|counted| Share::new(counted.people, counted.base).value()),
            reach_email: counted.map(|counted| counted.reach_email),
            reach_sms: counted.map(|counted| counted.reach_sms),
            topic: counted.map_or_else(String::new, |counted| counted.topic.clone()),
            counted_at: counted.map(|counted| counted.at),
            uses: uses.iter().take(USES).map(UseView::new).collect(),
            more_uses: uses.len().saturating_sub(USES),
            name: segment.name,
            description: segment.description,
        }
    });
    let view = ListView {
        title: words.t("Segments").to_owned(),
        section: "segments",
        segments: segments.collect(),
        is_archive,
        done: done(words, asked.done.as_deref()),
    };
    visit.answer(&state, "segments", &view)
}
