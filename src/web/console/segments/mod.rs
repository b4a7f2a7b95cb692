//! `/segments`: whom we mean, as sentences and as text, counted and explained.

mod draft;
mod form;
mod labels;
mod sentence;
mod study;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Query};
use actix_web::{HttpResponse, Resource, body::BoxBody, dev};
use serde::{Deserialize, Serialize};

use self::draft::{Doing, Draft};
use self::form::{Beside, PartView, ShelfView};
use self::study::StudyView;
use super::{Visit, path_segment, place, see_other};
use crate::accounts::model::Right;
use crate::customers::model::Customer;
use crate::customers::store as customers;
use crate::dialogue::export;
use crate::gate::study::Study;
use crate::ids::SegmentId;
use crate::segments::library::{self, Archived, LibraryError, Segment, Use};
use crate::segments::{Explanation, Rule, names, store};
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
        .service(place("/segments", "GET", Right::Plan).route(web::get().to(list)))
        .service(
            large(place("/segments/new", "GET, POST", Right::Plan))
                .route(web::get().to(new))
                .route(web::post().to(create)),
        )
        .service(
            large(place("/segments/{id}", "GET, POST", Right::Plan))
                .route(web::get().to(page))
                .route(web::post().to(change)),
        );
}

fn large<T>(resource: Resource<T>) -> Resource<T>
where
    T: dev::ServiceFactory<
            dev::ServiceRequest,
            Config = (),
            Response = dev::ServiceResponse<BoxBody>,
            Error = actix_web::Error,
            InitError = (),
        >,
{
    let too_long = |_, _: &actix_web::HttpRequest| {
        ApiError::new(StatusCode::BAD_REQUEST)
            .with_detail("The form could not be read, or is too long.")
            .into()
    };
    resource.app_data(
        web::FormConfig::default()
            .limit(FORM_LIMIT)
            .error_handler(too_long),
    )
}

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

/// Campaigns shown beside a segment of the list.
const USES: usize = 3;

async fn list(
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
            share: counted.and_then(|counted| {
                crate::statistics::Share::new(counted.people, counted.base).value()
            }),
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
        ApiError::new(StatusCode::NOT_FOUND).with_detail(format!("There is no segment {id}."))
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
        saved => Ok(saved),
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
        .map_err(ApiError::unavailable)?;
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
                Unanswered::Database(error) => {
                    tracing::error!(%error, "counting a segment");
                    words.t("The count failed; the log says why.").to_owned()
                }
            });
        }
    }
}

/// Says why somebody is in or out; who looks at a person is noted.
async fn explain(
    visit: &Visit,
    state: &State,
    draft: &mut Draft,
    shown: &mut Shown,
) -> Result<(), ApiError> {
    visit.require(Right::People)?;
    let words = visit.words();
    let Some(rule) = draft.rule() else {
        return Ok(());
    };
    let who = draft.who.trim().replace('\0', "");
    let customer = match who.as_str() {
        "" => None,
        who => customers::find(&state.db, who)
            .await
            .map_err(ApiError::unavailable)?,
    };
    let profile = match &customer {
        None => None,
        Some(customer) => store::profile(&state.db, customer.id)
            .await
            .map_err(ApiError::unavailable)?,
    };
    let Some(profile) = profile else {
        shown.unexplained = Some(words.fill(
            "Nobody in the base is known by “{who}”; write a customer’s number, your own key for him, or his whole mail address.",
            &[("who", who)],
        ));
        return Ok(());
    };
    let now = state.clock.now();
    export::note_access(
        &state.db,
        profile.customer.id,
        &visit.actor(),
        now.timestamp_millis(),
    )
    .await
    .map_err(ApiError::unavailable)?;
    let explanation = rule.explain(&profile, now);
    shown.explained = Some(ExplainedView {
        id: profile.customer.id.0,
        name: name(words, &profile.customer),
        is_in: explanation.is_true,
        reason: ReasonView::new(words, &explanation),
    });
    Ok(())
}

fn name(words: &Words, customer: &Customer) -> String {
    let names = [&customer.first_name, &customer.last_name];
    let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
    match (names.is_empty(), &customer.company) {
        (false, _) => names.join(" "),
        (true, Some(company)) => company.clone(),
        (true, None) => words.fill("Customer no. {n}", &[("n", customer.id.to_string())]),
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

#[derive(Debug, Serialize)]
struct ExplainedView {
    id: i64,
    name: String,
    is_in: bool,
    reason: ReasonView,
}

/// A part of a rule and whether it is true of somebody.
#[derive(Debug, Serialize)]
struct ReasonView {
    said: String,
    is_true: bool,
    found: Option<String>,
    parts: Vec<ReasonView>,
}

impl ReasonView {
    fn new(words: &Words, explanation: &Explanation) -> Self {
        let said = if explanation.parts.is_empty() {
            match Rule::parse(&explanation.rule) {
                Ok(rule) => sentence::of_leaf(words, rule.root()),
                Err(_) => explanation.rule.clone(),
            }
        } else {
            let said = match explanation.rule.as_str() {
                "all of" => words.t("all of these hold"),
                "any of" => words.t("at least one of these holds"),
                _ => words.t("this does not hold"),
            };
            said.to_owned()
        };
        Self {
            said,
            is_true: explanation.is_true,
            found: explanation.found.clone(),
            parts: explanation
                .parts
                .iter()
                .map(|part| Self::new(words, part))
                .collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct PersonView {
    id: i64,
    name: String,
    remark: String,
}

#[derive(Debug, Serialize)]
struct TopicView {
    value: String,
    label: String,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    action: String,
    is_new: bool,
    is_archived: bool,
    name: String,
    description: String,
    revision: i64,
    changed_by: String,
    changed_at: Option<i64>,
    uses: Vec<UseView>,
    done: Option<String>,
    problem: Option<String>,
    theirs: Option<String>,
    root: PartView,
    shelves: Vec<ShelfView>,
    said: String,
    text: String,
    text_was: String,
    rows: usize,
    text_fault: Option<String>,
    are_both_changed: bool,
    rule_fault: Option<String>,
    is_incomplete: bool,
    notes: Vec<String>,
    topics: Vec<TopicView>,
    campaigns: Vec<String>,
    study: Option<StudyView>,
    uncounted: Option<String>,
    sample: Vec<PersonView>,
    who: String,
    explained: Option<ExplainedView>,
    unexplained: Option<String>,
    #[serde(skip)]
    is_refused: bool,
}

/// Campaigns suggested where one is named.
const SUGGESTED: usize = 200;

impl View {
    async fn new(
        visit: &Visit,
        state: &State,
        segment: Option<&Segment>,
        draft: &Draft,
        shown: Shown,
    ) -> Result<Self, ApiError> {
        let words = visit.words();
        let mut beside = Beside::new(words, &draft.faults, draft.is_strict);
        let study = shown
            .study
            .filter(|study| draft.rule_text().as_deref() == Some(study.analysis.rule.as_str()));
        if let Some(study) = &study {
            let analysis = &study.analysis;
            if analysis.lines.len() == draft.builder.root.parts.len() {
                let moved = |line: &crate::segments::analysis::LineCount| {
                    study::moved(words, analysis.is_any, line.moved)
                };
                beside.moved = analysis.lines.iter().map(moved).collect();
            }
        }
        let uses = match segment {
            Some(segment) => library::uses(&state.db)
                .await
                .map_err(ApiError::unavailable)?
                .remove(&segment.id)
                .unwrap_or_default(),
            None => Vec::new(),
        };
        let campaigns = library::campaigns(&state.db, SUGGESTED)
            .await
            .map_err(ApiError::unavailable)?;
        let unknown: &[_] = study.as_ref().map_or(&[], |study| &study.analysis.unknown);
        let notes = unknown.iter().map(|name| {
            let (pattern, name) = names::pattern(name);
            words.fill(pattern, &[("name", name)])
        });
        let title = match segment {
            Some(segment) => segment.name.clone(),
            None => words.t("New segment").to_owned(),
        };
        Ok(Self {
            title,
            section: "segments",
            script: "/assets/segments.js",
            action: match segment {
                Some(segment) => format!("/segments/{}", segment.id),
                None => "/segments/new".to_owned(),
            },
            is_new: segment.is_none(),
            is_archived: segment.is_some_and(|segment| segment.is_archived),
            name: draft.name.clone(),
            description: draft.description.clone(),
            revision: draft.revision,
            changed_by: segment
                .map_or("", |segment| person(&segment.updated_by))
                .to_owned(),
            changed_at: segment.map(|segment| segment.updated_at),
            uses: uses.iter().map(UseView::new).collect(),
            done: shown.done,
            problem: shown.problem,
            theirs: shown.theirs,
            root: form::view(words, &draft.builder, &beside),
            shelves: form::shelves(words),
            said: draft.said(words),
            rows: rows(&draft.text),
            text: draft.text.clone(),
            text_was: draft.text_was.clone(),
            text_fault: draft.text_fault.clone(),
            are_both_changed: draft.are_both_changed,
            rule_fault: beside.whole().map(str::to_owned),
            is_incomplete: !draft.faults.is_empty(),
            notes: notes.collect(),
            topics: topics(visit, state, &draft.topic),
            campaigns,
            sample: sample(visit, state, study.as_deref()).await?,
            study: study.as_deref().map(|study| StudyView::new(words, study)),
            uncounted: shown.uncounted,
            who: draft.who.clone(),
            explained: shown.explained,
            unexplained: shown.unexplained,
            is_refused: shown.is_refused,
        })
    }

    fn is_refused(&self) -> bool {
        self.is_refused
    }
}

/// The name of an actor, without the number of a user.
fn person(actor: &str) -> &str {
    let user = actor.strip_prefix("user ");
    let name = user.and_then(|user| user.split_once(' '));
    name.map_or(actor, |(_, name)| name)
}

/// Lines a text needs, wrapped as the page has it.
fn rows(text: &str) -> usize {
    const COLUMNS: usize = 30;
    let lines = text.lines().map(|line| 1 + line.chars().count() / COLUMNS);
    lines.sum::<usize>().clamp(4, 24)
}

/// What the reach can be counted for.
fn topics(visit: &Visit, state: &State, chosen: &str) -> Vec<TopicView> {
    let language = visit.language.code();
    let topics = state.settings.permission.topics.iter();
    topics
        .map(|topic| TopicView {
            value: topic.name.clone(),
            label: crate::config::in_language(&topic.title, language).to_owned(),
            is_chosen: topic.name == chosen,
        })
        .collect()
}

/// The people of the sample, for who may see them; whoever was erased since is left out.
async fn sample(
    visit: &Visit,
    state: &State,
    study: Option<&Study>,
) -> Result<Vec<PersonView>, ApiError> {
    let Some(study) = study.filter(|_| visit.may(Right::People)) else {
        return Ok(Vec::new());
    };
    let ids: Vec<i64> = study.sample.iter().map(|id| id.0).collect();
    let people = customers::with_ids(&state.db, &ids)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(people
        .iter()
        .map(|customer| PersonView {
            id: customer.id.0,
            name: name(visit.words(), customer),
            remark: customer.city.clone().unwrap_or_default(),
        })
        .collect())
}
