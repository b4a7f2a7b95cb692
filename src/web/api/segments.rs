//! `/api/v1/segments`: rules counted, explained and put into words.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::customers::seen;
use super::{body, faults};
use crate::customers::store as customers;

use crate::segments::model::Field;
use crate::segments::{Explanation, Rule, names, store, vocabulary};
use crate::web::{ApiError, State};

/// A rule of the segment language.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleTold {
    #[schema(
        example = "age between 30 and 60 and city in (\"Amiens\", \"Lille\")",
        min_length = 1
    )]
    rule: String,
}

/// How many a rule means.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counted {
    /// The rule as it is printed.
    rule: String,
    selected: u64,
    /// All customers of the base.
    of: u64,
    /// Names in it that nothing here knows: most likely misspelt.
    notes: Vec<String>,
}

fn parsed(text: &str) -> Result<Rule, ApiError> {
    Rule::parse(text).map_err(|error| faults::rule("rule", &error))
}

/// Counts the customers a rule means.
#[utoipa::path(
    post, path = "/api/v1/segments/count", operation_id = "countSegment", tag = "Segments",
    request_body(content = RuleTold, example = json!({"rule": "city = \"Amiens\" and ordered within 365 days"})),
    responses((status = 200, description = "How many they are", body = Counted)),
)]
pub(super) async fn count(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: RuleTold = body::read(&request, &bytes)?;
    let rule = parsed(&told.rule)?;
    let away = ApiError::unavailable;
    let selected = store::count(&state.db, &rule, state.clock.now())
        .await
        .map_err(away)?;
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
    super::answer(StatusCode::OK, &view)
}

/// Whom a rule is asked about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplanationTold {
    #[schema(example = "city = \"Amiens\"", min_length = 1)]
    rule: String,
    /// His number, or `external_id:` and your own key of him.
    #[schema(example = "42", min_length = 1)]
    customer: String,
}

/// Explains why a customer is in a segment or out of it.
///
/// The token needs `customers:read` too: what is known of him stands in the answer.
#[utoipa::path(
    post, path = "/api/v1/segments/explain", operation_id = "explainSegment", tag = "Segments",
    request_body(content = ExplanationTold),
    responses((status = 200, description = "The rule, part by part", body = Explanation)),
)]
pub(super) async fn explain(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: ExplanationTold = body::read(&request, &bytes)?;
    let rule = parsed(&told.rule)?;
    let id = seen(&state, &caller, &told.customer).await?.id;
    let profile = store::profile(&state.db, id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| faults::nobody("customer"))?;
    super::answer(StatusCode::OK, &rule.explain(&profile, state.clock.now()))
}

/// A word of the segment language.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Word {
    #[schema(value_type = String, example = "age")]
    word: &'static str,
    #[schema(value_type = String)]
    description: &'static str,
}

/// The words of the segment language.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Vocabulary {
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
pub(super) async fn words() -> Result<HttpResponse, ApiError> {
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
    super::answer(StatusCode::OK, &view)
}
