//! `/segments`: whom we mean, as sentences and as text, counted and explained.

mod draft;
mod explain;
mod form;
mod labels;
mod list;
mod sentence;
mod study;
mod view;

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Query};
use serde::{Deserialize, Serialize};

use self::draft::{Doing, Draft};
use self::explain::{ExplainedView, explain};
use self::view::View;
use super::{Visit, long_form, path_segment, person, place, see_other};
use crate::accounts::model::Right;
use crate::gate::study::Study;
use crate::ids::SegmentId;
use crate::segments::library::{self, LibraryError, Segment, Use};
use crate::statistics::Sentence;
use crate::storage::Unanswered;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// The longest form: a rule of its greatest length, as text and as lines.
const FORM_LIMIT: usize = 512 * 1024;

/// A field of a form by name and value.
type Fields = Vec<(String, String)>;

/// The routes of this area.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(place("/segments", "GET", Right::Plan).route(web::get().to(list::list)))
        .service(
            long_form(place("/segments/new", "GET, POST", Right::Plan), FORM_LIMIT)
                .route(web::get().to(new))
                .route(web::post().to(create)),
        )
        .service(
            long_form(
                place("/segments/{id}", "GET, POST", Right::Plan),
                FORM_LIMIT,
            )
            .route(web::get().to(page))
            .route(web::post().to(change)),
        );
}

#[derive(Debug, Serialize)]
struct UseView {
    name: String,
    path: String,
    status: String,
    is_current: bool,
}

impl UseView {
    fn new(used: &Use) -> Self {
        Self {
            name: used.campaign.clone(),
            path: path_segment(&used.campaign),
            status: used.status.clone(),
            is_current: used.is_current,
        }
    }
}

/// What the list and the page are asked.
#[derive(Debug, Deserialize)]
struct Asked {
    archived: Option<String>,
    done: Option<String>,
    /// A rule to begin with, from a report or the grid.
    rule: Option<String>,
}

fn done(words: &Words, word: Option<&str>) -> Option<String> {
    let said = match word? {
        "saved" => words.t("The segment is saved."),
        "archived" => {
            words.t("The segment is put away. Campaigns keep the rule they were planned with.")
        }
        "back" => words.t("The segment is back in the list."),
        _ => return None,
    };
    Some(said.to_owned())
}

async fn new(
    visit: Visit,
    asked: Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let mut draft = Draft::new(&state);
    if let Some(rule) = &asked.rule {
        draft.take_text(rule);
    }
    let shown = Shown::default();
    let view = View::new(&visit, &state, None, &draft, shown).await?;
    visit.answer(&state, "segment", &view)
}

async fn page(
    visit: Visit,
    id: web::Path<i64>,
    asked: Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let segment = found(&state, SegmentId(*id)).await?;
    let draft = Draft::of(&segment, &state);
    let shown = Shown {
        study: noted(&state, &segment).await?,
        done: done(visit.words(), asked.done.as_deref()),
        ..Shown::default()
    };
    let view = View::new(&visit, &state, Some(&segment), &draft, shown).await?;
    visit.answer(&state, "segment", &view)
}

async fn create(
    visit: Visit,
    form: web::Form<Fields>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    edit(&visit, &state, None, &form).await
}

async fn change(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<Fields>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let segment = found(&state, SegmentId(*id)).await?;
    edit(&visit, &state, Some(segment), &form).await
}

async fn found(state: &State, id: SegmentId) -> Result<Segment, ApiError> {
    let segment = library::by_id(&state.db, id)
        .await
        .map_err(ApiError::unavailable)?;
    segment.ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND)
            .with_detail(Sentence::new("There is no segment {id}.").named("id", id))
    })
}

/// What was found when the segment was counted last; what an older program wrote is not shown.
async fn noted(state: &State, segment: &Segment) -> Result<Option<Arc<Study>>, ApiError> {
    let text = library::study(&state.db, segment.id)
        .await
        .map_err(ApiError::unavailable)?;
    let study = text.and_then(|text| serde_json::from_str::<Study>(&text).ok());
    Ok(study.map(Arc::new))
}

/// Does what the pressed button says, and shows the form again, or leads on.
async fn edit(
    visit: &Visit,
    state: &State,
    segment: Option<Segment>,
    form: &Fields,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let (mut draft, doing) = Draft::read(form, state);
    let mut shown = Shown::default();
    if draft.text_fault.is_some() || draft.are_both_changed {
        shown.is_refused = true;
    } else {
        match doing {
            Doing::Edit(edit) => draft.change(edit),
            Doing::Show => {}
            Doing::Count => count(visit, state, &mut draft, &mut shown).await,
            Doing::Explain => explain(visit, state, &mut draft, &mut shown).await?,
            Doing::Archive(is_archived) => {
                if let Some(segment) = &segment {
                    return archive(visit, state, segment, is_archived).await;
                }
            }
            Doing::Save => match save(visit, state, segment.as_ref(), &mut draft).await? {
                Ok(saved) => return Ok(see_other(&format!("/segments/{}?done=saved", saved.id))),
                Err(refusal) => {
                    shown.is_refused = true;
                    if let LibraryError::Changed { revision, .. } = &refusal {
                        // What he saves next is meant to replace the other's.
                        draft.revision = *revision;
                        shown.theirs = segment.as_ref().map(|other| other.rule.clone());
                    }
                    shown.problem = told(words, &refusal);
                }
            },
        }
    }
    // What was counted last is still right of a rule that stands as it was.
    if shown.study.is_none()
        && let Some(segment) = &segment
        && draft.rule_text() == Some(segment.rule.clone())
    {
        shown.study = noted(state, segment).await?;
    }
    let view = View::new(visit, state, segment.as_ref(), &draft, shown).await?;
    if view.is_refused() {
        visit.refuse(state, "segment", &view)
    } else {
        visit.answer(state, "segment", &view)
    }
}

/// Why a segment was not kept, in the reader's language where it has words for it.
fn told(words: &Words, error: &LibraryError) -> Option<String> {
    Some(match error {
        LibraryError::NoName => words
            .t("The segment has no name; a word or two tell it from the others.")
            .to_owned(),
        LibraryError::Incomplete => words
            .t("A line of the rule is not complete; fill it in or remove it.")
            .to_owned(),
        LibraryError::Taken { name } => words.fill(
            "There is a segment “{name}” already; choose another name, or change that one.",
            &[("name", name)],
        ),
        LibraryError::Changed { by, at, .. } => words.fill(
            "{who} changed the segment while you worked on it, on {when}. Compare both; saving again replaces the other’s.",
            &[("who", person(by).to_owned()), ("when", words.moment(*at))],
        ),
        other => other.to_string(),
    })
}

async fn save(
    visit: &Visit,
    state: &State,
    segment: Option<&Segment>,
    draft: &mut Draft,
) -> Result<Result<Segment, LibraryError>, ApiError> {
    let Some(rule) = draft.rule() else {
        return Ok(Err(LibraryError::Incomplete));
    };
    let kept = library::Draft {
        name: &draft.name,
        description: &draft.description,
        rule: &rule,
    };
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    let saved = match segment {
        None => library::create(&state.db, kept, &actor, now_ms).await,
        Some(segment) => {
            let revision = draft.revision;
            library::change(&state.db, segment.id, revision, kept, &actor, now_ms).await
        }
    };
    match saved {
        Err(LibraryError::Database(error)) => Err(ApiError::unavailable(error)),
        Ok(saved) => {
            let noted = state.studies.note_kept(&state.db, &rule, &draft.topic);
            noted.await.map_err(ApiError::unavailable)?;
            Ok(Ok(saved))
        }
        refused => Ok(refused),
    }
}

async fn archive(
    visit: &Visit,
    state: &State,
    segment: &Segment,
    is_archived: bool,
) -> Result<HttpResponse, ApiError> {
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    library::archive(&state.db, segment.id, is_archived, &actor, now_ms)
        .await
        .map_err(|error| match error {
            LibraryError::Unknown { .. } => {
                ApiError::new(StatusCode::NOT_FOUND).with_detail(error.to_string())
            }
            error => ApiError::unavailable(error),
        })?;
    Ok(see_other(if is_archived {
        "/segments?done=archived"
    } else {
        "/segments?done=back"
    }))
}

/// Counts the rule, if it is one.
async fn count(visit: &Visit, state: &State, draft: &mut Draft, shown: &mut Shown) {
    let Some(rule) = draft.rule() else {
        return;
    };
    let now = state.clock.now();
    let (db, rules) = (&state.db, &state.rules);
    match state.studies.of(db, rules, &rule, &draft.topic, now).await {
        Ok(study) => shown.study = Some(study),
        Err(error) => {
            let words = visit.words();
            let seconds = state.studies.patience().as_secs();
            shown.uncounted = Some(match error {
                Unanswered::TooLong(_) => words.fill(
                    "Counting took longer than {n} seconds and was given up. The rule can be saved all the same; fewer conditions on behaviour count faster.",
                    &[("n", words.number(seconds))],
                ),
                Unanswered::Replaced => error.to_string(),
                Unanswered::Database(error) => {
                    tracing::error!(%error, "counting a segment");
                    words.t("The count failed; the log says why.").to_owned()
                }
            });
        }
    }
}

/// What the page shows beside the form.
#[derive(Debug, Default)]
struct Shown {
    study: Option<Arc<Study>>,
    uncounted: Option<String>,
    explained: Option<ExplainedView>,
    unexplained: Option<String>,
    problem: Option<String>,
    /// The rule that somebody else saved meanwhile.
    theirs: Option<String>,
    done: Option<String>,
    is_refused: bool,
}
