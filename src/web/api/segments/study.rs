//! What there is to know of a segment before one writes to it: how many can be reached, what each line of the rule
//! does, some of the people, and whether it is a useful one.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{answer, body, faults, instant, refused};
use super::asked;
use crate::consent::model::Channel;
use crate::consent::topics;
use crate::gate::model::Withheld;
use crate::gate::reach::Reach;
use crate::gate::study::Study;
use crate::segments::analysis::Contrast;
use crate::segments::names;
use crate::segments::verdict::{Criterion, Finding, Grade};
use crate::storage::Unanswered;
use crate::web::{ApiError, State};

/// Which segment is studied: a rule, or a saved one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct StudyTold {
    #[schema(example = "city = \"Amiens\" and orders >= 3", min_length = 1)]
    rule: Option<String>,
    /// The name of a saved one or its number, instead of a rule.
    #[schema(example = "Regulars of Amiens", min_length = 1)]
    segment: Option<String>,
    /// What they would be written to about; none: what the segment was counted for last, or the first topic of the
    /// settings.
    #[schema(example = "offers")]
    topic: Option<String>,
}

/// Who can be reached by a channel, by what lasts: permission, suppression, address. Pressure passes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reach)]
pub(in crate::web::api) struct ReachView {
    channel: Channel,
    reachable: u64,
    /// Who cannot, each under the first of the reasons.
    withheld: Vec<OutOfReach>,
}

/// Why people cannot be reached.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct OutOfReach {
    #[schema(value_type = String, example = "no_permission")]
    reason: Withheld,
    /// The reason as a sentence.
    #[schema(value_type = String)]
    sentence: &'static str,
    people: u64,
}

impl From<&Reach> for ReachView {
    fn from(one: &Reach) -> Self {
        let withheld = one.withheld.iter().map(|(reason, people)| OutOfReach {
            reason: *reason,
            sentence: reason.describe(),
            people: *people,
        });
        Self {
            channel: one.channel,
            reachable: one.reachable,
            withheld: withheld.collect(),
        }
    }
}

/// How many people of a segment can be reached.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct SegmentReach {
    /// The rule as it is printed.
    rule: String,
    #[schema(example = "offers")]
    topic: String,
    /// Within the last minute.
    #[schema(value_type = String, format = DateTime)]
    counted_at: String,
    selected: u64,
    channels: Vec<ReachView>,
}

impl From<&Study> for SegmentReach {
    fn from(one: &Study) -> Self {
        Self {
            rule: one.analysis.rule.clone(),
            topic: one.topic.clone(),
            counted_at: instant(one.counted_at),
            selected: one.analysis.people,
            channels: one.reach.iter().map(ReachView::from).collect(),
        }
    }
}

/// Counts how many of a segment can be reached by each channel.
///
/// With those who cannot, and why.
#[utoipa::path(
    post, path = "/api/v1/segments/reach", operation_id = "reachSegment", tag = "Segments",
    request_body(content = StudyTold, example = json!({"rule": "city = \"Amiens\"", "topic": "offers"})),
    responses((status = 200, description = "By each channel", body = SegmentReach)),
)]
pub(in crate::web::api) async fn reach(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: StudyTold = body::read(&request, &bytes)?;
    let study = studied(&state, &told).await?;
    answer(StatusCode::OK, &SegmentReach::from(&*study))
}

/// One line of a rule.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct RuleLine {
    #[schema(example = "orders >= 3")]
    rule: String,
    /// Whom the lines up to this one select.
    people: u64,
    /// Whom this line takes away from those before it; where one line is enough, whom it adds.
    moved: u64,
}

/// How many of the base are known by a field.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct KnownField {
    #[schema(example = "city")]
    field: String,
    people: u64,
}

/// How many did something, of the people of the segment and of all others.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contrast)]
pub(in crate::web::api) struct ContrastView {
    inside: u64,
    outside: u64,
}

impl From<Contrast> for ContrastView {
    fn from(one: Contrast) -> Self {
        Self {
            inside: one.inside,
            outside: one.outside,
        }
    }
}

/// One of the five tests of a useful segment (Kotler & Keller, Marketing Management).
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct SegmentTest {
    criterion: Criterion,
    grade: Grade,
    /// Why.
    sentences: Vec<String>,
}

impl From<Finding> for SegmentTest {
    fn from(one: Finding) -> Self {
        Self {
            criterion: one.criterion,
            grade: one.grade,
            sentences: one.sentences.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What there is to know of a segment.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct SegmentStudy {
    #[serde(flatten)]
    reach: SegmentReach,
    /// All customers of the base.
    of: u64,
    /// One of the lines is enough; otherwise all of them must hold.
    is_any: bool,
    /// The parts of the rule, in order.
    lines: Vec<RuleLine>,
    /// How many of the base are known by each field the rule asks, where that may be unknown.
    known: Vec<KnownField>,
    /// Who responded within the last 365 days.
    responded: ContrastView,
    /// Who ordered within the last 365 days.
    ordered: ContrastView,
    /// The numbers of some of the people.
    sample: Vec<i64>,
    /// Whether the segment is a useful one.
    tests: Vec<SegmentTest>,
    /// Names in the rule that nothing here knows: most likely misspelt.
    notes: Vec<String>,
}

impl From<&Study> for SegmentStudy {
    fn from(one: &Study) -> Self {
        let analysis = &one.analysis;
        Self {
            reach: one.into(),
            of: analysis.base,
            is_any: analysis.is_any,
            lines: analysis
                .lines
                .iter()
                .map(|line| RuleLine {
                    rule: line.rule.clone(),
                    people: line.people,
                    moved: line.moved,
                })
                .collect(),
            known: analysis
                .known
                .iter()
                .map(|known| KnownField {
                    field: known.subject.clone(),
                    people: known.people,
                })
                .collect(),
            responded: analysis.responded.into(),
            ordered: analysis.ordered.into(),
            sample: one.sample.iter().map(|id| id.0).collect(),
            tests: one.verdict().into_iter().map(SegmentTest::from).collect(),
            notes: analysis.unknown.iter().map(names::note).collect(),
        }
    }
}

/// Studies a segment.
///
/// Whom each line of the rule takes away, who can be reached, how they differ from the others, some of them, and the
/// five tests of a useful segment. What was counted within the last minute is not counted again.
#[utoipa::path(
    post, path = "/api/v1/segments/study", operation_id = "studySegment", tag = "Segments",
    request_body(content = StudyTold, example = json!({"rule": "city = \"Amiens\" and orders >= 3"})),
    responses((status = 200, description = "What there is to know of it", body = SegmentStudy)),
)]
pub(in crate::web::api) async fn study(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: StudyTold = body::read(&request, &bytes)?;
    let study = studied(&state, &told).await?;
    answer(StatusCode::OK, &SegmentStudy::from(&*study))
}

async fn studied(state: &State, told: &StudyTold) -> Result<Arc<Study>, ApiError> {
    let (rule, segment) = asked(state, told.rule.as_deref(), told.segment.as_deref()).await?;
    let counted = segment.and_then(|segment| segment.counted);
    let first = state.settings.permission.topics.first();
    let topic = match (&told.topic, counted, first) {
        (Some(topic), ..) => {
            topics::ensure_known(&state.db, &state.settings, [], topic)
                .await
                .map_err(|error| faults::topic("topic", error))?;
            topic.clone()
        }
        (None, Some(counted), _) => counted.topic,
        (None, None, Some(first)) => first.name.clone(),
        (None, None, None) => {
            return Err(refused("topic", "is missing, and the settings know none"));
        }
    };
    let (now, studies) = (state.clock.now(), &state.studies);
    let study = studies
        .of(&state.db, &state.rules, &rule, &topic, now)
        .await;
    study.map_err(|error| match error {
        Unanswered::TooLong(_) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE).with_detail(format!(
            "Counting took longer than {} seconds and was given up; ask again later, or with fewer conditions on behaviour.",
            studies.patience().as_secs()
        )),
        Unanswered::Database(error) => ApiError::unavailable(error),
    })
}
