//! `/api/v1/segments`: whom we mean, kept under a name or asked as a rule.

pub(in crate::web::api) mod library;
pub(in crate::web::api) mod rules;
pub(in crate::web::api) mod study;

use super::{faults, refused};
use crate::ids::SegmentId;
use crate::segments::Rule;
use crate::segments::library::{self as segments, Segment};
use crate::web::{ApiError, State};

/// What stands before a name that could be taken for something else.
const NAME: &str = "name:";

/// The saved segment that a path or a field means: by its number, or by its name, whatever its case and accents.
///
/// # Errors
/// 404 when there is none.
async fn meant(state: &State, text: &str) -> Result<Segment, ApiError> {
    let id = text.parse().ok().map(SegmentId);
    let found = match (text.strip_prefix(NAME), id) {
        (None, Some(id)) => segments::by_id(&state.db, id).await,
        (name, _) => segments::by_name(&state.db, name.unwrap_or(text)).await,
    };
    found
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| faults::nobody("segment"))
}

/// The rule that is asked about: one that is told, or that of a saved segment, which then comes with it.
///
/// # Errors
/// 422 when none is told, or both, or it cannot be read; 404 when there is no such segment.
async fn asked(
    state: &State,
    rule: Option<&str>,
    segment: Option<&str>,
) -> Result<(Rule, Option<Segment>), ApiError> {
    match (rule, segment) {
        (Some(rule), None) => Ok((parsed("rule", rule)?, None)),
        (None, Some(segment)) => {
            let segment = meant(state, segment).await?;
            Ok((parsed("segment", &segment.rule)?, Some(segment)))
        }
        (None, None) => Err(refused("rule", "is missing; send a rule, or a segment")),
        (Some(_), Some(_)) => Err(refused("segment", "stands beside a rule; send one of them")),
    }
}

fn parsed(field: &str, text: &str) -> Result<Rule, ApiError> {
    Rule::parse(text).map_err(|error| faults::rule(field, &error))
}
