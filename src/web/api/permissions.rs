//! `/api/v1/customers/{customer}/permissions` and `/opt-out`: what a person allows, on what evidence, and what he
//! refuses.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Caller;
use super::customers::{meant, note_seen, seen};
use super::{body, faults, instant, note_in, once, once_around, refused, reply};
use crate::campaigns::store as campaigns;
use crate::consent::ladder::Level;
use crate::consent::model::{Action, Basis, Channel, Permission, Scope};
use crate::consent::{proof as file, store as consent, topics};
use crate::customers::import::told::Said;
use crate::dialogue::attest::{self, LONGEST};
use crate::dialogue::object::{self, Objection};
use crate::responses::requests::Failed;
use crate::web::{ApiError, State};

/// Every topic of a channel.
const ALL: &str = "*";

/// What a person says of being contacted, with its evidence.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionTold {
    channel: Channel,
    /// What it is about, as the settings and campaigns name it. A no without one is to every topic of the channel.
    #[schema(example = "offers", min_length = 1, max_length = 60)]
    topic: Option<String>,
    action: YesOrNo,
    /// Why a contact is lawful. A yes needs one.
    basis: Option<Basis>,
    /// Where it was said: a form and its version, a call. Without a name or an address.
    #[schema(example = "shop form 3", min_length = 1, max_length = 4000)]
    source: String,
    /// The words that were agreed to. A consent needs them.
    #[schema(example = "I want offers by email", max_length = 4000)]
    wording: Option<String>,
    /// When it was said. A yes needs it.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-02T10:00:00Z")]
    occurred_at: Option<String>,
    /// The rung of the permission ladder; none: what its basis gives.
    level: Option<Level>,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

/// A yes or a no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PermissionAction)]
enum YesOrNo {
    Grant,
    Withdraw,
}

impl PermissionTold {
    /// Reads one.
    ///
    /// # Errors
    /// 422 with the field that cannot be read.
    pub fn read(value: Value) -> Result<Self, ApiError> {
        body::typed(value)
    }

    /// What it says.
    ///
    /// # Errors
    /// 422 with the field that is missing or cannot be.
    pub fn said(self, now_ms: i64) -> Result<Said, ApiError> {
        let scope = match self.topic.as_deref() {
            None | Some(ALL) => Scope::All,
            Some(topic) => Scope::Topic(word("topic", topic)?),
        };
        let said = Said {
            channel: self.channel,
            scope,
            action: match self.action {
                YesOrNo::Grant => Action::Grant,
                YesOrNo::Withdraw => Action::Withdraw,
            },
            basis: self.basis,
            source: self.source,
            wording: self.wording,
            level: self.level,
            expires_at: self
                .expires_at
                .map(|text| body::any_instant("expires_at", &text))
                .transpose()?,
            occurred_at: self
                .occurred_at
                .map(|text| body::past("occurred_at", &text, now_ms))
                .transpose()?,
        };
        for (field, text) in [
            ("source", Some(&said.source)),
            ("wording", said.wording.as_ref()),
        ] {
            if text.is_some_and(|text| text.chars().count() > LONGEST) {
                return Err(refused(field, "is longer than 4,000 characters"));
            }
        }
        match said.problem() {
            Some((field, problem)) => Err(refused(field, problem)),
            None => Ok(said),
        }
    }
}

/// A word such as the name of a topic.
pub(super) fn word(field: &str, text: &str) -> Result<String, ApiError> {
    let is_word = (1..=60).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if is_word {
        return Ok(text.to_owned());
    }
    Err(refused(
        field,
        "is not 1 to 60 lower-case letters, digits, - or _",
    ))
}

/// Refuses a topic that nothing here knows: most likely misspelt.
pub(super) async fn ensure_topic(
    state: &State,
    field: &str,
    topic: Option<&str>,
) -> Result<(), ApiError> {
    let Some(topic) = topic.filter(|topic| *topic != ALL) else {
        return Ok(());
    };
    word(field, topic)?;
    let of_settings = &state.settings.permission.topics;
    if of_settings.iter().any(|known| known.name == topic) {
        return Ok(());
    }
    let known = campaigns::topics(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    topics::ensure_known(&state.db, &state.settings, known, topic)
        .await
        .map_err(|error| faults::topic(field, error))
}

/// What follows from the evidence for one channel and topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Permission)]
pub(super) struct PermissionView {
    channel: Channel,
    /// `*`: a no to every topic of the channel.
    #[schema(example = "offers")]
    topic: String,
    is_granted: bool,
    /// Of a yes.
    basis: Option<Basis>,
    /// When what decides was said.
    #[schema(value_type = String, format = DateTime)]
    since: String,
    /// The highest rung granted since the last no.
    level: Level,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// The number of the piece of evidence that decides.
    evidence: i64,
}

impl From<Permission> for PermissionView {
    fn from(one: Permission) -> Self {
        Self {
            channel: one.channel,
            topic: one.scope.as_str().to_owned(),
            is_granted: one.is_granted,
            basis: one.basis,
            since: instant(one.since_at),
            level: one.level,
            expires_at: one.expires_at.map(instant),
            evidence: one.evidence_id,
        }
    }
}

/// All of a customer's permissions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Permissions {
    /// By channel and topic.
    permissions: Vec<PermissionView>,
}

async fn permissions_of(
    state: &State,
    customer: crate::ids::CustomerId,
) -> Result<Permissions, ApiError> {
    let found = consent::permissions_of(&*state.db, customer)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Permissions {
        permissions: found.into_iter().map(PermissionView::from).collect(),
    })
}

/// Lists a customer's permissions.
#[utoipa::path(
    get, path = "/api/v1/customers/{customer}/permissions", operation_id = "listPermissions", tag = "Permission",
    params(("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42")),
    responses((status = 200, description = "By channel and topic", body = Permissions)),
)]
pub(super) async fn list(
    customer: web::Path<String>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let customer = seen(&state, &caller, &customer).await?.id;
    super::answer(StatusCode::OK, &permissions_of(&state, customer).await?)
}

/// Records what a customer allows or refuses.
///
/// Evidence is only ever added: the newest word counts, and of equally new ones the no. A yes needs its topic, one of
/// the bases that the settings allow for it, its source and date and an address of his on the channel, a consent its
/// wording too. A no suppresses the address; use `opt-out` for one that is said now.
#[utoipa::path(
    post, path = "/api/v1/customers/{customer}/permissions", operation_id = "recordPermission", tag = "Permission",
    params(("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42")),
    request_body(content = PermissionTold, example = json!({
        "channel": "email", "topic": "offers", "action": "grant", "basis": "consent", "source": "shop form 3",
        "wording": "I want offers by email", "occurred_at": "2026-11-02T10:00:00Z",
    })),
    responses((status = 201, description = "It is on record; these are his permissions now", body = Permissions)),
)]
pub(super) async fn record(
    customer: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let told: PermissionTold = body::read(&request, &bytes)?;
    let said = told.said(now_ms)?;
    if let Scope::Topic(topic) = &said.scope {
        ensure_topic(&state, "topic", Some(topic)).await?;
    }
    let id = meant(&state, &customer).await?;
    once(&request, &state, &caller, &bytes, async |txn| {
        let actor = caller.actor();
        attest::attest(txn, &state.keys, &state.settings, id, &said, &actor, now_ms)
            .await
            .map_err(|error| Failed::Refused(faults::attest(error)))?;
        note_in(txn, &caller, "permission.record", &id.to_string(), now_ms).await?;
        let found = consent::permissions_of(&**txn, id).await?;
        let view = Permissions {
            permissions: found.into_iter().map(PermissionView::from).collect(),
        };
        reply(StatusCode::CREATED, &view).map_err(Failed::Refused)
    })
    .await
}

/// A no that is said now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OptOut {
    /// None: every channel.
    channel: Option<Channel>,
    /// None: everything.
    #[schema(example = "offers", min_length = 1, max_length = 60)]
    topic: Option<String>,
    /// Where he said so, for the evidence. Without his name or address.
    #[schema(example = "call of 3 March", min_length = 1, max_length = 500)]
    source: String,
}

/// Takes a customer's no.
///
/// For his address of today and his former ones; when it is answered, nothing is being handed over to him any more.
#[utoipa::path(
    post, path = "/api/v1/customers/{customer}/opt-out", operation_id = "optOut", tag = "Permission",
    params(("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42")),
    request_body(content = OptOut, example = json!({"channel": "email", "source": "call of 3 March"})),
    responses((status = 200, description = "It is on record; these are his permissions now", body = Permissions)),
)]
pub(super) async fn opt_out(
    customer: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: OptOut = body::read(&request, &bytes)?;
    let source = body::line("source", &told.source, 500)?
        .ok_or_else(|| refused("source", "is missing: where it was said"))?;
    ensure_topic(&state, "topic", told.topic.as_deref()).await?;
    let id = meant(&state, &customer).await?;
    let objection = Objection {
        channel: told.channel,
        scope: told.topic.map_or(Scope::All, Scope::from_column),
        source: source.to_owned(),
    };
    once_around(&request, &state, &caller, &bytes, async || {
        let now_ms = state.clock.now_ms();
        let actor = caller.actor();
        object::object(&state.db, &state.keys, id, &objection, &actor, now_ms)
            .await
            .map_err(faults::dialogue)?;
        super::note(&state, &caller, "permission.opt_out", &id.to_string(), "").await?;
        reply(StatusCode::OK, &permissions_of(&state, id).await?)
    })
    .await
}

/// Proves a customer's permissions.
///
/// Everything a regulator asks about one person: each piece of evidence with its place in the chain, the suppressions
/// of his addresses, what was done to his data. Also of one who was erased, by his number.
#[utoipa::path(
    get, path = "/api/v1/customers/{customer}/proof", operation_id = "provePermission", tag = "Permission",
    params(("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42")),
    responses((status = 200, description = "The file, as `visavis consent proof` prints it", body = Object)),
)]
pub(super) async fn proof(
    customer: web::Path<String>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = meant(&state, &customer).await?;
    let proof = file::of_customer(&state.db, &state.settings, id, state.clock.now_ms())
        .await
        .map_err(|error| match error {
            file::ProofError::Nothing(_) => faults::nobody("customer"),
            file::ProofError::Database(error) => ApiError::unavailable(error),
            file::ProofError::Settings(error) => ApiError::internal(error),
        })?;
    note_seen(&state, &caller, id).await?;
    super::answer(StatusCode::OK, &proof)
}
