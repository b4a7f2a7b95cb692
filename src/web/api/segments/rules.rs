//! Rules and saved segments, counted and explained, and the words of the language.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::auth::Caller;
use super::super::customers::seen;
use super::super::{answer, body, faults};
use super::asked;
use crate::customers::store as customers;
use crate::segments::model::Field;
use crate::segments::{Explanation, names, store, vocabulary};
use crate::statistics::Sentence;
use crate::storage::Unanswered;
use crate::web::{ApiError, State};

/// A rule of the segment language, or a saved segment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct RuleTold {
    #[schema(
        example = "age between 30 and 60 and city in (\"Amiens\", \"Lille\")",
        min_length = 1
    )]
    rule: Option<String>,
    /// The name of a saved one or its number, instead of a rule.
    #[schema(example = "Regulars of Amiens", min_length = 1)]
    segment: Option<String>,
}

/// How many a rule means.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Counted {
    /// The rule as it is printed.
    rule: String,
    selected: u64,
    /// All customers of the base.
    of: u64,
    /// Names in it that nothing here knows: most likely misspelt.
    #[schema(value_type = Vec<String>)]
    notes: Vec<Sentence>,
}

/// Counts the customers a rule or a saved segment means.
#[utoipa::path(
    post, path = "/api/v1/segments/count", operation_id = "countSegment", tag = "Segments",
    request_body(content = RuleTold, example = json!({"rule": "city = \"Amiens\" and ordered within 365 days"})),
    responses((status = 200, description = "How many they are", body = Counted)),
)]
pub(in crate::web::api) async fn count(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: RuleTold = body::read(&request, &bytes)?;
    let (rule, _) = asked(&state, told.rule.as_deref(), told.segment.as_deref()).await?;
    let (studies, now) = (&state.studies, state.clock.now());
    let counting = store::count_within(&state.db, &rule, now, studies.patience());
    let selected = studies
        .turns()
        .ask(None, studies.patience(), counting)
        .await
        .map_err(uncounted)?;
    let notes = names::unknown(&state.db, &rule)
        .await
        .map_err(ApiError::unavailable)?;
    let view = Counted {
        rule: rule.to_string(),
        selected,
        of: customers::count(&state.db)
            .await
            .map_err(ApiError::unavailable)?,
        notes,
    };
    answer(StatusCode::OK, &view)
}

/// A count that was given up, or could not be begun.
pub(super) fn uncounted(error: Unanswered) -> ApiError {
    match error {
        Unanswered::TooLong(patience) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE)
            .with_detail(format!(
                "Counting took longer than {} seconds and was given up. Fewer conditions on behaviour count faster.",
                patience.as_secs()
            )),
        other => ApiError::unavailable(other),
    }
}

/// Whom a rule is asked about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web::api) struct ExplanationTold {
    #[schema(example = "city = \"Amiens\"", min_length = 1)]
    rule: Option<String>,
    /// The name of a saved one or its number, instead of a rule.
    #[schema(example = "Regulars of Amiens", min_length = 1)]
    segment: Option<String>,
    /// His number, or `external_id:` and your own key of him.
    #[schema(example = "42", min_length = 1)]
    customer: String,
}

/// Explains why a customer is in a segment or out of it.
///
/// The token needs `customers:read` too: what is known of him stands in the answer.
#[utoipa::path(
    post, path = "/api/v1/segments/explain", operation_id = "explainSegment", tag = "Segments",
    request_body(content = ExplanationTold, example = json!({"rule": "city = \"Amiens\"", "customer": "42"})),
    responses((status = 200, description = "The rule, part by part", body = Explanation)),
)]
pub(in crate::web::api) async fn explain(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: ExplanationTold = body::read(&request, &bytes)?;
    let (rule, _) = asked(&state, told.rule.as_deref(), told.segment.as_deref()).await?;
    let id = seen(&state, &caller, &told.customer).await?.id;
    let profile = store::profile(&state.db, id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| faults::nobody("customer"))?;
    answer(StatusCode::OK, &rule.explain(&profile, state.clock.now()))
}

/// A word of the segment language.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Word {
    #[schema(value_type = String, example = "age")]
    word: &'static str,
    #[schema(value_type = String)]
    description: &'static str,
}

/// The words of the segment language.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::api) struct Vocabulary {
    /// What is compared with a value.
    fields: Vec<Word>,
    /// What stands by itself.
    predicates: Vec<Word>,
}

/// Lists the words of the segment language.
#[utoipa::path(
    get, path = "/api/v1/segments/words", operation_id = "listSegmentWords", tag = "Segments",
    responses((status = 200, description = "Its fields and predicates", body = Vocabulary)),
)]
pub(in crate::web::api) async fn words() -> Result<HttpResponse, ApiError> {
    let predicates = vocabulary::predicates().into_iter();
    let view = Vocabulary {
        fields: Field::ALL
            .iter()
            .map(|field| Word {
                word: field.as_str(),
                description: field.description(),
            })
            .collect(),
        predicates: predicates
            .map(|(word, description)| Word { word, description })
            .collect(),
    };
    answer(StatusCode::OK, &view)
}
