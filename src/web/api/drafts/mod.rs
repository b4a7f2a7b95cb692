//! `/api/v1/drafts`: campaigns while they are being planned.
//!
//! What a draft may become is its standing and the token's scopes: one with `campaigns:launch` launches, and so
//! approves, what it did not itself ask an approval for; any other launches what was approved.

pub(super) mod answer;
mod faults;
pub(super) mod look;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, IF_MATCH};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::campaigns::templates;
use super::cursor::{self, Page};
use super::{answer as answered, body, instant, once_around, refused, reply};
use super::{require_match, revision_tag};
use crate::campaigns::definition::Definition;
use crate::campaigns::drafts::model::blank;
use crate::campaigns::drafts::{
    Author, Draft, DraftError, Gap, Review, Said, Standing, Step, digest, edit, gaps, store,
};
use crate::config::Scope;
use crate::templates::Template;
use crate::web::{ApiError, State};

/// The list, for its cursors.
const LIST: &str = "drafts";

/// A campaign being planned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Draft)]
pub(super) struct DraftView {
    #[schema(example = "spring")]
    name: String,
    standing: Standing,
    /// Counts its changes; also its ETag.
    revision: i64,
    /// Of the plan with its templates as they are now, for the approval and the launch of what was looked at; null: a
    /// template is not there.
    digest: Option<String>,
    /// What keeps it from being launched, in the order of the steps; none: it is complete.
    gaps: Vec<Gap>,
    /// Who asked for an approval, and what was answered.
    review: ReviewView,
    /// Who began it.
    made_by: String,
    #[schema(value_type = String, format = DateTime)]
    made_at: String,
    #[schema(value_type = String, format = DateTime)]
    changed_at: String,
    /// With empty texts where nothing is chosen yet.
    definition: Definition,
}

/// The second person's part.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Review)]
pub(super) struct ReviewView {
    asked: Option<SaidView>,
    approved: Option<SaidView>,
    sent_back: Option<SaidView>,
}

/// What somebody said of a draft.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Said)]
pub(super) struct SaidView {
    /// A user, a token of the console or one of the settings.
    #[schema(example = "settings shop")]
    by: String,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// May be empty.
    word: String,
}

impl From<Said> for SaidView {
    fn from(said: Said) -> Self {
        Self {
            by: said.by,
            name: said.name,
            at: instant(said.at),
            word: said.word,
        }
    }
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        Self {
            asked: review.asked.map(Into::into),
            approved: review.approved.map(Into::into),
            sent_back: review.sent_back.map(Into::into),
        }
    }
}

impl DraftView {
    async fn of(state: &State, draft: Draft) -> Result<Self, ApiError> {
        let digest = match templates(state, &draft.definition).await {
            Ok(templates) => {
                let templates: Vec<&Template> = templates.iter().collect();
                Some(digest(&draft.definition, &templates).map_err(ApiError::internal)?)
            }
            Err(error) if error.status().is_server_error() => return Err(error),
            Err(_) => None,
        };
        Ok(Self {
            gaps: gaps(&draft.definition),
            digest,
            name: draft.name,
            standing: draft.standing,
            revision: draft.revision,
            review: draft.review.into(),
            made_by: draft.made_by_name,
            made_at: instant(draft.made_at),
            changed_at: instant(draft.changed_at),
            definition: draft.definition,
        })
    }
}

/// The token as one who plans: it launches without a second one where its scopes say so.
fn author(caller: &Caller) -> Author {
    Author {
        key: caller.key.clone(),
        name: caller.name.clone(),
        actor: caller.actor(),
        may_launch: caller.scopes.contains(&Scope::CampaignsLaunch),
    }
}

async fn meant(state: &State, name: &str) -> Result<Draft, ApiError> {
    edit::find(&state.db, name).await.map_err(faults::draft)
}

/// The templates of a draft that is complete, its own first.
async fn templates_of(state: &State, draft: &Draft) -> Result<Vec<Template>, ApiError> {
    let missing = gaps(&draft.definition);
    if !missing.is_empty() {
        return Err(faults::incomplete(missing));
    }
    templates(state, &draft.definition).await
}

/// A draft with its tag.
async fn shown(state: &State, draft: Draft) -> Result<HttpResponse, ApiError> {
    let tag = HeaderValue::from_str(&revision_tag(draft.revision)).map_err(ApiError::internal)?;
    let mut response = answered(StatusCode::OK, &DraftView::of(state, draft).await?)?;
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// Which drafts are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Entries of the page at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; without it the list begins.
    cursor: Option<String>,
    /// Only those that stand so, such as those that wait for an approval.
    standing: Option<Standing>,
}

/// A draft of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedDraft {
    #[schema(example = "spring")]
    name: String,
    standing: Standing,
    revision: i64,
    made_by: String,
    #[schema(value_type = String, format = DateTime)]
    changed_at: String,
}

/// Lists the drafts, the last begun first.
#[utoipa::path(
    get, path = "/api/v1/drafts", operation_id = "listDrafts", tag = "Drafts",
    params(Wanted),
    responses((status = 200, description = "A page of drafts", body = Page<ListedDraft>)),
)]
pub(super) async fn list(
    wanted: web::Query<Wanted>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let limit = cursor::limit(wanted.limit)?;
    let before = cursor::after(wanted.cursor.as_deref(), &state.keys, LIST)?;
    let before = before.unwrap_or(i64::MAX);
    let found = store::before(&*state.db, before, wanted.standing, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        LIST,
        found,
        limit,
        |one| one.id,
        |one| ListedDraft {
            name: one.name,
            standing: one.standing,
            revision: one.revision,
            made_by: one.made_by_name,
            changed_at: instant(one.changed_at),
        },
    );
    cursor::answer(&page)
}

/// What is begun.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftTold {
    /// Lower-case letters, digits, - and _.
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    /// The draft or campaign that it is to be like; a time that may have passed is not taken over.
    from: Option<String>,
    /// What is chosen already; not beside `from`.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
}

/// Begins a draft.
///
/// Of nothing but its name, with the sender and the topic of the latest campaign; of a definition, whole or not; or
/// as a copy of another draft or campaign.
#[utoipa::path(
    post, path = "/api/v1/drafts", operation_id = "beginDraft", tag = "Drafts",
    request_body(content = DraftTold, examples(
        ("blank" = (summary = "Nothing is chosen yet", value = json!({"name": "spring"}))),
        ("copy" = (summary = "Like another", value = json!({"name": "spring-2", "from": "spring"}))),
        ("begun" = (summary = "Something is chosen", value = json!({"name": "autumn", "definition":
            {"segment": "city = \"Amiens\"", "template": "super-chef", "topic": "offers"}}))),
    )),
    responses((status = 201, description = "It is begun", body = DraftView)),
)]
pub(super) async fn begin(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let told: DraftTold = body::read(&request, &bytes)?;
    if told.from.is_some() && told.definition.is_some() {
        return Err(refused(
            "definition",
            "is not given beside from; change the copy",
        ));
    }
    let plan = told.definition.map(|given| {
        let whole = patched(&blank(&told.name), given);
        whole.map_err(|error| error.within("definition"))
    });
    let plan = plan.transpose()?;
    once_around(&request, &state, &caller, &bytes, async || {
        let (db, who, now_ms) = (&state.db, author(&caller), state.clock.now_ms());
        let draft = match (plan, &told.from) {
            (Some(plan), _) => edit::begin_with(db, plan, &who, now_ms).await,
            (None, Some(from)) => edit::duplicate(db, from, &told.name, &who, now_ms).await,
            (None, None) => edit::begin(db, &told.name, &who, now_ms).await,
        };
        let draft = draft.map_err(faults::draft)?;
        reply(StatusCode::CREATED, &DraftView::of(&state, draft).await?)
    })
    .await
}

/// Shows a draft with its plan, what is missing in it, and where it stands.
#[utoipa::path(
    get, path = "/api/v1/drafts/{draft}", operation_id = "getDraft", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "The draft", body = DraftView, headers(("ETag" = String, description = "Its revision, for If-Match")))),
)]
pub(super) async fn one(
    draft: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    shown(&state, meant(&state, &draft).await?).await
}

/// Gives a draft another plan.
///
/// It may be incomplete. A change voids what was asked and approved; the same plan again changes nothing.
#[utoipa::path(
    put, path = "/api/v1/drafts/{draft}", operation_id = "putDraft", tag = "Drafts",
    params(
        ("draft" = String, Path, description = "Its name", example = "spring"),
        ("If-Match" = Option<String>, Header, description = "The revision it was read with"),
    ),
    request_body(content = ref("#/components/schemas/DraftDefinition"), content_type = "application/json", example = json!({
        "segment": "city = \"Amiens\"", "template": "super-chef", "topic": "offers",
        "sender": {"name": "La Boutique", "address": "offres@example.com", "postal_address": "1 rue de la Paix, 80000 Amiens"},
        "schedule": {"at": "2027-03-01T09:30", "zone": "recipient"},
    })),
    responses(
        (status = 200, description = "As it is now", body = DraftView, headers(("ETag" = String, description = "Its revision, for If-Match"))),
        (status = 409, description = "Somebody else changed it at this moment", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn replace(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let given = body::json(&request, &bytes)?;
    let draft = meant(&state, &draft).await?;
    let plan = patched(&blank(&draft.name), given)?;
    save(&request, &state, &caller, draft, plan).await
}

/// Changes the plan of a draft.
///
/// A merge patch (RFC 7396): what is not given stays, what is null is taken out. A change voids what was asked and
/// approved.
#[utoipa::path(
    patch, path = "/api/v1/drafts/{draft}", operation_id = "changeDraft", tag = "Drafts",
    params(
        ("draft" = String, Path, description = "Its name", example = "spring"),
        ("If-Match" = Option<String>, Header, description = "The revision it was read with"),
    ),
    request_body(content(
        (ref("#/components/schemas/DraftDefinition") = "application/merge-patch+json", example = json!({"control_percent": 10, "schedule": null})),
        (ref("#/components/schemas/DraftDefinition") = "application/json"),
    )),
    responses(
        (status = 200, description = "As it is now", body = DraftView, headers(("ETag" = String, description = "Its revision, for If-Match"))),
        (status = 409, description = "Somebody else changed it at this moment", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    draft: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let given = body::json(&request, &bytes)?;
    let draft = meant(&state, &draft).await?;
    let plan = patched(&draft.definition, given)?;
    save(&request, &state, &caller, draft, plan).await
}

async fn save(
    request: &HttpRequest,
    state: &State,
    caller: &Caller,
    draft: Draft,
    plan: Definition,
) -> Result<HttpResponse, ApiError> {
    require_match(request, Some(&revision_tag(draft.revision)))?;
    // What is whole has nothing left to be chosen.
    let step = match gaps(&plan).is_empty() {
        true => Step::Review,
        false => draft.step,
    };
    let (who, now_ms) = (author(caller), state.clock.now_ms());
    let (name, revision) = (&draft.name, draft.revision);
    let saved = edit::save(&state.db, name, revision, plan, step, &who, now_ms).await;
    let saved = saved.map_err(|error| match error {
        DraftError::Stale if request.headers().contains_key(IF_MATCH) => {
            ApiError::new(StatusCode::PRECONDITION_FAILED)
        }
        error => faults::draft(error),
    })?;
    shown(state, saved).await
}

/// A plan with what was given put over it (RFC 7396); of what is taken out and must be there, nothing is chosen.
///
/// # Errors
/// 422 with the field that cannot be read.
fn patched(plan: &Definition, given: Value) -> Result<Definition, ApiError> {
    if !given.is_object() {
        return Err(refused("", "is not an object"));
    }
    let written = |plan: &Definition| serde_json::to_value(plan).map_err(ApiError::internal);
    let mut patched = written(plan)?;
    merge(&mut patched, given);
    let mut whole = written(&blank(&plan.name))?;
    merge(&mut whole, patched);
    let mut read: Definition = body::typed(whole)?;
    if read.name != plan.name {
        return Err(refused("name", "is not the name of the draft"));
    }
    if let Some(first) = read.channels.first() {
        read.channel = *first;
    }
    Ok(read)
}

fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    let Some(fields) = into.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Takes a draft away.
///
/// A campaign of its name stays as it is.
#[utoipa::path(
    delete, path = "/api/v1/drafts/{draft}", operation_id = "deleteDraft", tag = "Drafts",
    params(("draft" = String, Path, description = "Its name", example = "spring")),
    responses((status = 204, description = "It is gone")),
)]
pub(super) async fn delete(
    draft: web::Path<String>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    edit::delete(&state.db, &draft, &author(&caller), state.clock.now_ms())
        .await
        .map_err(faults::draft)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Opens a campaign that is not under way for a change.
///
/// The draft bears its name, and its launch replaces it; until then nothing else changes or launches the campaign by
/// hand. Where there is one already, it is shown.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{campaign}/reopen", operation_id = "reopenCampaign", tag = "Drafts",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "The draft of it", body = DraftView)),
)]
pub(super) async fn reopen(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let _: super::campaigns::steer::Nothing = body::read_or_empty(&request, &bytes)?;
    once_around(&request, &state, &caller, &bytes, async || {
        let (who, now_ms) = (author(&caller), state.clock.now_ms());
        let draft = edit::reopen(&state.db, &campaign, &who, now_ms)
            .await
            .map_err(faults::draft)?;
        reply(StatusCode::OK, &DraftView::of(&state, draft).await?)
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_given_stays_and_what_is_null_is_taken_out() {
        let plan = patched(
            &blank("spring"),
            json!({"segment": "everyone", "sender": {"name": "Shop"}, "rate_per_second": 5, "channels": ["sms", "email"]}),
        );
        let Ok(plan) = plan else {
            panic!("it can be read")
        };
        assert_eq!(
            (plan.sender.name.as_str(), plan.rate_per_second),
            ("Shop", Some(5))
        );
        assert_eq!(plan.channel.as_str(), "sms");
        let patch = json!({"segment": null, "sender": {"address": "shop@example.org", "name": null}, "rate_per_second": null});
        let Ok(plan) = patched(&plan, patch) else {
            panic!("it can be read")
        };
        assert_eq!((plan.segment.as_str(), plan.sender.name.as_str()), ("", ""));
        assert_eq!(plan.sender.address, "shop@example.org");
        assert_eq!((plan.rate_per_second, plan.channels.len()), (None, 2));
    }

    #[test]
    fn another_name_and_an_unknown_field_are_refused() {
        for given in [
            json!({"name": "summer"}),
            json!({"segmnt": "everyone"}),
            json!([]),
            json!({"sender": "Shop"}),
        ] {
            assert!(patched(&blank("spring"), given.clone()).is_err(), "{given}");
        }
    }
}
