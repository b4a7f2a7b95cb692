//! `/api/v1/campaigns`: plans, from the definition to the last message.

pub(super) mod check;
pub(super) mod steer;

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, IF_MATCH, LOCATION};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Caller;
use super::cursor::{self, Page, Paging};
use super::{answer, body, faults, instant, refused, require_match, revision_tag};
use crate::campaigns::check as checks;
use crate::campaigns::definition::Definition;
use crate::campaigns::model::Status;
use crate::campaigns::store::{self, Campaign};
use crate::campaigns::{drafts, plan};
use crate::config::Scope;
use crate::templates::Template;
use crate::templates::library::LibraryError;
use crate::web::{ApiError, State};

/// The list, for its cursors.
const LIST: &str = "campaigns";

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(super) struct CampaignView {
    #[schema(example = "spring")]
    name: String,
    status: Status,
    /// Why it is paused.
    status_reason: Option<String>,
    /// Counts its definitions; also its ETag.
    revision: i64,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
    /// When it is launched by its schedule.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due_at: Option<String>,
    definition: Definition,
}

async fn view(state: &State, campaign: Campaign) -> Result<CampaignView, ApiError> {
    let due = store::next_due(&*state.db, campaign.id)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(CampaignView {
        name: campaign.definition.name.clone(),
        status: campaign.status,
        status_reason: campaign.status_reason,
        revision: campaign.revision,
        updated_at: instant(campaign.updated_at),
        next_due_at: due.map(|(_, at)| instant(at)),
        definition: campaign.definition,
    })
}

async fn shown(
    state: &State,
    status: StatusCode,
    campaign: Campaign,
) -> Result<HttpResponse, ApiError> {
    let view = view(state, campaign).await?;
    let mut response = answer(status, &view)?;
    if let Ok(tag) = HeaderValue::from_str(&revision_tag(view.revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    if status == StatusCode::CREATED
        && let Ok(place) = HeaderValue::from_str(&format!("/api/v1/campaigns/{}", view.name))
    {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// A campaign of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedCampaign {
    #[schema(example = "spring")]
    name: String,
    status: Status,
    revision: i64,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// Lists the campaigns, the last made first.
#[utoipa::path(
    get, path = "/api/v1/campaigns", operation_id = "listCampaigns", tag = "Campaigns",
    params(Paging),
    responses((status = 200, description = "A page of campaigns", body = Page<ListedCampaign>)),
)]
pub(super) async fn list(
    paging: web::Query<Paging>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let limit = paging.limit()?;
    let before = paging.after(&state.keys, LIST)?.unwrap_or(i64::MAX);
    let found = store::before(&state.db, before, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        LIST,
        found,
        limit,
        |one| one.id,
        |one| ListedCampaign {
            name: one.definition.name,
            status: one.status,
            revision: one.revision,
            updated_at: instant(one.updated_at),
        },
    );
    cursor::answer(&page)
}

/// Shows a campaign with its definition.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{campaign}", operation_id = "getCampaign", tag = "Campaigns",
    params(("campaign" = String, Path, description = "Its name", example = "spring")),
    responses((status = 200, description = "The campaign", body = CampaignView, headers(("ETag" = String, description = "Its revision, for If-Match")))),
)]
pub(super) async fn one(
    campaign: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let campaign = meant(&state, &campaign).await?;
    shown(&state, StatusCode::OK, campaign).await
}

pub(super) async fn meant(state: &State, name: &str) -> Result<Campaign, ApiError> {
    plan::find(&state.db, name).await.map_err(faults::plan)
}

/// Reads a definition: what is null is as if it were left out.
fn definition(request: &HttpRequest, bytes: &[u8]) -> Result<Definition, ApiError> {
    let mut value = body::json(request, bytes)?;
    leave_nulls(&mut value);
    let given: Definition = body::typed(value)?;
    given.completed("body").map_err(faults::definition)
}

fn leave_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(leave_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(leave_nulls),
        _ => {}
    }
}

/// The templates a definition names, its own first.
pub(super) async fn templates(
    state: &State,
    definition: &Definition,
) -> Result<Vec<Template>, ApiError> {
    drafts::templates(&state.db, &state.settings.templates_dir, definition)
        .await
        .map_err(|error| faults::named("template", error))
}

/// Makes a campaign, or changes it.
///
/// The same definition as in a file of `visavis campaign apply`. What check and launch would refuse is not stored
/// either; the templates are frozen with it. A definition with a schedule is launched by it, so it takes the scope
/// `campaigns:launch` too. A campaign that is being planned as a draft is changed by the launch of the draft alone.
#[utoipa::path(
    put, path = "/api/v1/campaigns/{campaign}", operation_id = "putCampaign", tag = "Campaigns",
    params(
        ("campaign" = String, Path, description = "Its name, as in the definition", example = "spring"),
        ("If-Match" = Option<String>, Header, description = "The revision it was read with"),
    ),
    request_body(content = Definition, example = json!({
        "name": "spring", "segment": "city = \"Amiens\"", "template": "super-chef", "topic": "offers",
        "sender": {"name": "La Boutique", "address": "offres@example.com", "postal_address": "1 rue de la Paix, 80000 Amiens"},
        "schedule": {"at": "2027-03-01T09:30", "zone": "recipient"},
    })),
    responses(
        (status = 200, description = "It was there", body = CampaignView),
        (status = 201, description = "It is new", body = CampaignView),
        (status = 409, description = "It runs or is over, and can no longer be changed, or is being planned as a draft", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(
    campaign: web::Path<String>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let definition = definition(&request, &bytes)?;
    if definition.name != *campaign {
        return Err(refused("name", "is not the name in the address"));
    }
    if definition.schedule.is_some() && !caller.scopes.contains(&Scope::CampaignsLaunch) {
        return Err(ApiError::new(StatusCode::FORBIDDEN).with_detail(
            "A campaign with a schedule is launched by it, which this token may not; leave the schedule out, or plan \
             it as a draft and ask for its approval (/api/v1/drafts).",
        ));
    }
    let templates = templates(&state, &definition).await?;
    let templates: Vec<&Template> = templates.iter().collect();
    if let Some(refusal) = [
        checks::offer_refusal(&definition, &state.rules),
        checks::sender_refusal(&definition, &state.settings, &BTreeSet::new()),
        checks::routes_of(&definition, &state.settings).err(),
    ]
    .into_iter()
    .flatten()
    .next()
    {
        return Err(
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(body::sentence(&refusal))
        );
    }
    let before = store::by_name(&*state.db, &definition.name)
        .await
        .map_err(ApiError::unavailable)?;
    let tag = before.as_ref().map(|one| revision_tag(one.revision));
    require_match(&request, tag.as_deref())?;
    // What was read may have been changed since.
    let seen = before
        .filter(|_| request.headers().contains_key(IF_MATCH))
        .map(|one| one.revision);
    let (actor, now) = (caller.actor(), state.clock.now());
    let (_, applied) = plan::apply(&state.db, &definition, &templates, seen, &actor, now)
        .await
        .map_err(faults::plan)?;
    let status = match applied {
        plan::Applied::Created => StatusCode::CREATED,
        plan::Applied::Updated | plan::Applied::Unchanged => StatusCode::OK,
    };
    let campaign = meant(&state, &definition.name).await?;
    shown(&state, status, campaign).await
}
