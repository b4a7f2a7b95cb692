//! `/api/v1/suppressions`: addresses that must never be contacted, by their fingerprints.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::Caller;
use super::cursor::{self, Page, Paging};
use super::permissions::{ensure_topic, word};
use super::{body, instant, note_in, once, refused, reply};
use crate::consent::audit;
use crate::consent::model::{Channel, Scope};
use crate::consent::store::{self as consent, Suppression};
use crate::customers::normalise;
use crate::responses::requests::Failed;
use crate::web::{ApiError, State};

/// The list, for its cursors.
const LIST: &str = "suppressions";
/// Suppressions of one request.
const MOST: usize = 1_000;
/// The action of the audit record.
const ADDED: &str = "suppression_added";

/// An address that must not be contacted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suppression)]
pub(super) struct SuppressionView {
    /// Of the address, under the key of this installation.
    fingerprint: String,
    channel: Channel,
    /// `*`: every topic.
    #[schema(example = "*")]
    topic: String,
    /// `opt_out`, `complaint`, `erased`, or the word it came with.
    #[schema(example = "opt_out")]
    reason: String,
    #[schema(value_type = String, format = DateTime)]
    since: String,
}

impl From<Suppression> for SuppressionView {
    fn from(one: Suppression) -> Self {
        Self {
            fingerprint: one.fingerprint,
            channel: one.channel,
            topic: one.scope.as_str().to_owned(),
            reason: one.reason,
            since: instant(one.suppressed_at),
        }
    }
}

/// Lists suppressions.
///
/// By their fingerprints: no address is kept.
#[utoipa::path(
    get, path = "/api/v1/suppressions", operation_id = "listSuppressions", tag = "Permission",
    params(Paging),
    responses((status = 200, description = "A page of suppressions", body = Page<SuppressionView>)),
)]
pub(super) async fn list(
    paging: web::Query<Paging>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let limit = paging.limit()?;
    let after: Option<String> = paging.after(&state.keys, LIST)?;
    let after = after.as_deref().and_then(place);
    let found = consent::suppressions_after(&*state.db, after.as_ref())
        .await
        .map_err(ApiError::unavailable)?;
    let key =
        |one: &Suppression| format!("{} {} {}", one.fingerprint, one.channel, one.scope.as_str());
    let page = cursor::page(&state.keys, LIST, found, limit, key, SuppressionView::from);
    cursor::answer(&page)
}

/// The place of a cursor.
fn place(key: &str) -> Option<Suppression> {
    let mut parts = key.splitn(3, ' ');
    Some(Suppression {
        fingerprint: parts.next()?.to_owned(),
        channel: parts.next()?.parse().ok()?,
        scope: Scope::from_column(parts.next()?.to_owned()),
        reason: String::new(),
        suppressed_at: 0,
    })
}

/// An address that must not be contacted from now on: an e-mail address or a telephone number.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SuppressionTold {
    #[serde(flatten)]
    address: AddressTold,
    /// A word for reports.
    #[schema(example = "robinson", min_length = 1, max_length = 60)]
    reason: String,
    /// From when on; only a newer consent counts against it. None: now.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
}

/// An e-mail address or a telephone number, one of them.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct AddressTold {
    #[schema(example = "ada@example.com")]
    email: Option<String>,
    #[schema(example = "+33612345678")]
    phone: Option<String>,
    /// The country of a number without a prefix (ISO 3166-1 alpha-2); without it that of the settings
    /// (`customers.country`).
    #[schema(example = "FR")]
    region: Option<String>,
    /// None: every topic.
    #[schema(example = "offers", min_length = 1, max_length = 60)]
    topic: Option<String>,
}

const FIELDS: [&str; 6] = ["email", "phone", "region", "topic", "reason", "since"];

impl AddressTold {
    /// The channel, the fingerprint and the scope it means.
    fn read(&self, state: &State) -> Result<(Channel, String, Scope), ApiError> {
        let region = self.region.as_deref();
        let region = region.unwrap_or(&state.settings.customers.country);
        let (channel, key) = match (&self.email, &self.phone) {
            (Some(email), None) => {
                let email =
                    normalise::email(email).map_err(|error| refused("email", error.to_string()))?;
                (Channel::Email, email.key)
            }
            (None, Some(phone)) => {
                let phone = normalise::phone(phone, region)
                    .map_err(|error| refused("phone", error.to_string()))?;
                (Channel::Sms, phone)
            }
            _ => return Err(refused("", "names no address, or two; give email or phone")),
        };
        if let Some(topic) = self.topic.as_deref().filter(|topic| *topic != "*") {
            word("topic", topic)?;
        }
        let scope = Scope::from_column(self.topic.clone().unwrap_or_else(|| "*".to_owned()));
        Ok((channel, state.keys.fingerprint(&key), scope))
    }
}

/// What was added.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SuppressionsAdded {
    /// How many were not known before.
    added: u64,
    /// How many were.
    known: u64,
}

/// Adds suppressions.
///
/// One, or an array of at most 1,000, whole or not at all. A suppression is never taken away: only a newer consent of
/// the person counts against it.
#[utoipa::path(
    post, path = "/api/v1/suppressions", operation_id = "addSuppressions", tag = "Permission",
    request_body(content = SuppressionBody, example = json!([{"email": "ada@example.com", "reason": "robinson"}])),
    responses((status = 200, description = "They hold", body = SuppressionsAdded)),
)]
pub(super) async fn add(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (values, is_array) = match body::json(&request, &bytes)? {
        Value::Array(values) => (values, true),
        one => (vec![one], false),
    };
    if values.is_empty() || values.len() > MOST {
        return Err(refused("", "does not hold 1 to 1,000 suppressions"));
    }
    let now_ms = state.clock.now_ms();
    let mut suppressions = Vec::with_capacity(values.len());
    let mut topics = BTreeSet::new();
    for (n, value) in values.into_iter().enumerate() {
        let one = match read_one(value, &state, &mut topics, now_ms).await {
            Ok(one) => one,
            Err(error) if is_array => return Err(within(n, &error)),
            Err(error) => return Err(error),
        };
        suppressions.push(one);
    }
    once(&request, &state, &caller, &bytes, async |txn| {
        let known = consent::count_known(&**txn, &suppressions).await?;
        consent::suppress(&**txn, &suppressions).await?;
        let rows = u64::try_from(suppressions.len()).unwrap_or(u64::MAX);
        let details = json!({ "rows": rows, "known": known });
        audit::record(&**txn, now_ms, &caller.actor(), ADDED, None, details).await?;
        note_in(txn, &caller, "suppression.add", &rows.to_string(), now_ms).await?;
        let added = SuppressionsAdded {
            added: rows.saturating_sub(known),
            known,
        };
        reply(StatusCode::OK, &added).map_err(Failed::Refused)
    })
    .await
}

/// One suppression, or an array of them.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read one by one, so that each fault is named")]
pub(super) enum SuppressionBody {
    One(SuppressionTold),
    Many(Vec<SuppressionTold>),
}

fn within(n: usize, error: &ApiError) -> ApiError {
    let problem = error.problem("");
    let (field, detail) = match problem.errors.first() {
        Some(fault) => (fault.field.clone(), fault.detail.clone()),
        None => (String::new(), problem.detail.to_string().into()),
    };
    refused(&body::below(&format!("[{n}]"), &field), detail)
}

/// Reads a suppression; `topics` are those that were looked up for one before it.
async fn read_one(
    value: Value,
    state: &State,
    topics: &mut BTreeSet<String>,
    now_ms: i64,
) -> Result<Suppression, ApiError> {
    let object = body::fields_of(value, &FIELDS)?;
    let told: SuppressionTold = body::typed(Value::Object(object))?;
    let (channel, fingerprint, scope) = told.address.read(state)?;
    if let Some(topic) = &told.address.topic
        && !topics.contains(topic)
    {
        ensure_topic(state, "topic", Some(topic)).await?;
        topics.insert(topic.clone());
    }
    let is_word = (1..=60).contains(&told.reason.len())
        && told
            .reason
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !is_word {
        return Err(refused(
            "reason",
            "is not a word of at most 60 letters, digits, - _ or .",
        ));
    }
    let since = told.since.as_deref();
    let since = since
        .map(|text| body::past("since", text, now_ms))
        .transpose()?;
    Ok(Suppression {
        fingerprint,
        channel,
        scope,
        reason: told.reason,
        suppressed_at: since.unwrap_or(now_ms),
    })
}

/// What is known of an address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SuppressionCheck {
    /// Whether it must not be contacted about the topic, or about anything where none is named. A newer consent of its
    /// owner may count against it.
    is_suppressed: bool,
    /// All of the address, of every topic.
    suppressions: Vec<SuppressionView>,
}

/// Asks whether an address is suppressed.
///
/// With its address in the body, so that it stands in no log.
#[utoipa::path(
    post, path = "/api/v1/suppressions/check", operation_id = "checkSuppression", tag = "Permission",
    request_body(content = AddressTold, example = json!({"email": "ada@example.com"})),
    responses((status = 200, description = "What is known of it", body = SuppressionCheck)),
)]
pub(super) async fn check(
    request: HttpRequest,
    bytes: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let object = body::object(&request, &bytes, &FIELDS[..4])?;
    let told: AddressTold = body::typed(Value::Object(object))?;
    let (channel, fingerprint, scope) = told.read(&state)?;
    let found = consent::suppressions_of(&*state.db, &[fingerprint])
        .await
        .map_err(ApiError::unavailable)?;
    let concerned: Vec<Suppression> = found
        .into_iter()
        .filter(|one| one.channel == channel)
        .collect();
    let view = SuppressionCheck {
        is_suppressed: concerned
            .iter()
            .any(|one| one.scope == Scope::All || one.scope == scope),
        suppressions: concerned.into_iter().map(SuppressionView::from).collect(),
    };
    super::answer(StatusCode::OK, &view)
}
