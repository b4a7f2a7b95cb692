//! What the page of a segment shows.

use serde::Serialize;

use super::draft::Draft;
use super::explain::{ExplainedView, name};
use super::form::{self, Beside, PartView, ShelfView};
use super::study::{self, StudyView};
use super::{Shown, UseView};
use crate::accounts::model::Right;
use crate::customers::store as customers;
use crate::gate::study::Study;
use crate::segments::analysis::LineCount;
use crate::segments::library::{self, Segment};
use crate::segments::names;
use crate::web::console::{Visit, person};
use crate::web::{ApiError, State};

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
pub(super) struct View {
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
    /// Puts it together.
    pub async fn new(
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
                let moved = |line: &LineCount| study::moved(words, analysis.is_any, line.moved);
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
            text_fault: draft.text_fault.as_ref().map(|error| words.fault(error)),
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

    /// Whether the form comes back with faults.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }
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
