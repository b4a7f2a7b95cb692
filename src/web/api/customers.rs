//! `/api/v1/customers`: looking people up, correcting, exporting and erasing them, and what happened between them
//! and us.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_DISPOSITION, ContentDisposition, DispositionParam, DispositionType, IF_MATCH,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::cursor::{self, Page, Paging};
use super::customers_in::{self, CustomerFields};
use super::{body, faults, instant, refused, require_match, tag, tagged};
use crate::campaigns::plan;
use crate::config::Scope;
use crate::consent::model::{Channel, Tracking};
use crate::customers::import;
use crate::customers::model::{Customer, EmailState, PhoneState, Stage};
use crate::customers::store;
use crate::delivery::why;
use crate::dialogue::lookup::{self, Who};
use crate::dialogue::{Meant, erase as erasure, export as archive, rectify};
use crate::ids::CustomerId;
use crate::responses::model::MadeBy;
use crate::responses::timeline::{self as history, Entry, Key};
use crate::segments::{self, Rule};
use crate::storage::text::counted;
use crate::web::{ApiError, State};

/// What stands before the firm's own key in a path.
const OWN_KEY: &str = "external_id:";
/// The list of all customers, for its cursors.
const LIST: &str = "customers";

/// A customer of the base.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Customer)]
pub(super) struct CustomerView {
    #[schema(example = 42)]
    id: i64,
    /// The key the firm's own systems use.
    #[schema(example = "K-1001")]
    external_id: Option<String>,
    #[schema(example = "ada@example.com")]
    email: Option<String>,
    /// Whether mail to the address can arrive.
    email_state: EmailState,
    /// E.164.
    #[schema(example = "+33612345678")]
    phone: Option<String>,
    /// Whether a text message to the number can arrive.
    phone_state: PhoneState,
    first_name: Option<String>,
    last_name: Option<String>,
    company: Option<String>,
    gender: Option<String>,
    #[schema(value_type = Option<String>, format = Date)]
    birth_date: Option<NaiveDate>,
    /// ISO 639-1.
    #[schema(example = "fr")]
    language: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "FR")]
    country: String,
    region: Option<String>,
    postal_code: Option<String>,
    city: Option<String>,
    /// IANA name.
    #[schema(example = "Europe/Paris")]
    time_zone: Option<String>,
    /// Where no `time_zone` is recorded: that of the telephone number, by whose clock messages go out.
    #[schema(example = "Europe/Paris")]
    time_zone_guessed: Option<String>,
    stage: Stage,
    /// Texts, numbers and booleans by name.
    attributes: Map<String, Value>,
    /// How far he agreed to be followed.
    tracking: Tracking,
    orders_count: i64,
    /// In the currency of the settings.
    revenue_cents: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    first_order_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_order_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_contact_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_response_at: Option<String>,
    /// `click`, `order`, `reply` and so on.
    last_response: Option<String>,
    /// On which he answers most, where that is known.
    preferred_channel: Option<Channel>,
    /// The hour of his own day (0 to 23) about which he is active most, where that is known.
    preferred_hour: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
}

impl From<Customer> for CustomerView {
    fn from(one: Customer) -> Self {
        let guessed = match &one.time_zone {
            Some(_) => None,
            None => one.zone().map(|zone| zone.name().to_owned()),
        };
        Self {
            time_zone_guessed: guessed,
            id: one.id.0,
            external_id: one.external_id,
            email: one.email,
            email_state: one.email_state,
            phone: one.phone,
            phone_state: one.phone_state,
            first_name: one.first_name,
            last_name: one.last_name,
            company: one.company,
            gender: one.gender,
            birth_date: one.birth_date,
            language: one.language,
            country: one.country,
            region: one.region,
            postal_code: one.postal_code,
            city: one.city,
            time_zone: one.time_zone,
            stage: one.stage,
            attributes: one.attributes,
            tracking: one.tracking,
            orders_count: one.orders_count,
            revenue_cents: one.revenue_cents,
            first_order_at: one.first_order_at.map(instant),
            last_order_at: one.last_order_at.map(instant),
            last_contact_at: one.last_contact_at.map(instant),
            last_response_at: one.last_response_at.map(instant),
            last_response: one.last_response,
            preferred_channel: one.preferred_channel,
            preferred_hour: one.preferred_hour,
            created_at: instant(one.created_at),
        }
    }
}

/// Whom a path means: his number, or the firm's own key of him.
///
/// # Errors
/// 404 when there is nobody.
pub(super) async fn meant(state: &State, text: &str) -> Result<CustomerId, ApiError> {
    if let Some(key) = text.strip_prefix(OWN_KEY) {
        let found = lookup::find(&state.db, &Who::ExternalId(key.to_owned())).await;
        let found = found.map_err(faults::dialogue)?;
        return found
            .first()
            .copied()
            .ok_or_else(|| faults::nobody("customer"));
    }
    text.parse()
        .map(CustomerId)
        .map_err(|_error: std::num::ParseIntError| faults::nobody("customer"))
}

/// [`meant`], with what is known of him.
pub(super) async fn known(state: &State, text: &str) -> Result<Customer, ApiError> {
    let id = meant(state, text).await?;
    store::get(&*state.db, state.db.dialect(), id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| faults::nobody("customer"))
}

/// [`known`], shown to a caller who may see people: whoever looks at a person leaves his name.
///
/// # Errors
/// 403 when he may not; 404 when there is nobody.
pub(super) async fn seen(state: &State, caller: &Caller, text: &str) -> Result<Customer, ApiError> {
    caller.require(Scope::CustomersRead)?;
    let customer = known(state, text).await?;
    note_seen(state, caller, customer.id).await?;
    Ok(customer)
}

/// Leaves the record of a look at a person.
///
/// # Errors
/// When the database is away: then he is not shown.
pub(super) async fn note_seen(
    state: &State,
    caller: &Caller,
    customer: CustomerId,
) -> Result<(), ApiError> {
    archive::note_access(&state.db, customer, &caller.actor(), state.clock.now_ms())
        .await
        .map_err(faults::dialogue)
}

/// Which customers are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Entries of the page at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; without it the list begins.
    cursor: Option<String>,
    /// Only those with this address.
    #[param(example = "ada@example.com")]
    email: Option<String>,
    /// Only those with this number.
    #[param(example = "+33612345678")]
    phone: Option<String>,
    /// Only the one with this key of your own.
    external_id: Option<String>,
    /// Only those whom this rule of the segment language means.
    #[param(example = "city = \"Amiens\" and ordered within 365 days")]
    segment: Option<String>,
}

/// Lists customers.
///
/// In the order of their numbers; or those with an address, a telephone number or a key, or those whom a rule of the
/// segment language means. Only one of these filters at a time.
#[utoipa::path(
    get, path = "/api/v1/customers", operation_id = "listCustomers", tag = "Customers",
    params(Wanted),
    responses((status = 200, description = "A page of customers", body = Page<CustomerView>)),
)]
pub(super) async fn list(
    wanted: web::Query<Wanted>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let wanted = wanted.into_inner();
    let limit = cursor::limit(wanted.limit)?;
    let filters = [
        &wanted.email,
        &wanted.phone,
        &wanted.external_id,
        &wanted.segment,
    ];
    if filters.into_iter().flatten().count() > 1 {
        return Err(refused("", "has more than one filter; give one of them"));
    }
    let region = state.settings.customers.country.clone();
    let who = match (wanted.email, wanted.phone, wanted.external_id) {
        (Some(email), _, _) => Some(("email", Who::Email(email))),
        (_, Some(phone), _) => Some(("phone", Who::Phone(phone, region))),
        (_, _, Some(key)) => Some(("external_id", Who::ExternalId(key))),
        _ => None,
    };
    let now = state.clock.now();
    // The cursors of another question are not those of this one.
    let name = match (&who, &wanted.segment) {
        (Some((field, _)), _) => format!("{LIST} by {field}"),
        (None, Some(rule)) => format!("{LIST} of {rule}"),
        (None, None) => LIST.to_owned(),
    };
    let after = cursor::after(wanted.cursor.as_deref(), &state.keys, &name)?.unwrap_or(0_i64);
    let wide = limit + 1;
    let is_looked_up = who.is_some();
    let customers = if let Some((field, who)) = who {
        let found = lookup::find(&state.db, &who)
            .await
            .map_err(|error| match error {
                crate::dialogue::DialogueError::Field(problem) => refused(field, problem),
                error => faults::dialogue(error),
            })?;
        let behind = found.iter().map(|id| id.0).filter(|id| *id > after);
        let ids: Vec<i64> = behind.take(usize::try_from(wide).unwrap_or(0)).collect();
        store::with_ids(&state.db, &ids).await
    } else if let Some(text) = &wanted.segment {
        let rule = Rule::parse(text).map_err(|error| faults::rule("segment", &error))?;
        let found =
            segments::store::ids_after(&state.db, &rule, now, after, wide.unsigned_abs()).await;
        let ids: Vec<i64> = found
            .map_err(ApiError::unavailable)?
            .iter()
            .map(|id| id.0)
            .collect();
        store::with_ids(&state.db, &ids).await
    } else {
        store::after(&state.db, after, wide).await
    };
    let customers = customers.map_err(ApiError::unavailable)?;
    let shown = customers.iter().take(usize::try_from(limit).unwrap_or(0));
    if is_looked_up {
        for one in shown {
            note_seen(&state, &caller, one.id).await?;
        }
    } else {
        // A program that copies the base would leave as many records as there are people.
        let shown = u64::try_from(shown.count()).unwrap_or(u64::MAX);
        let many = counted(shown, "customer", "customers");
        super::note(&state, &caller, "customers.list", &many, "").await?;
    }
    let page = cursor::page(
        &state.keys,
        &name,
        customers,
        limit,
        |one| one.id,
        CustomerView::from,
    );
    cursor::answer(&page)
}

/// Shows a customer.
#[utoipa::path(
    get, path = "/api/v1/customers/{customer}", operation_id = "getCustomer", tag = "Customers",
    params(("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "external_id:K-1001")),
    responses((status = 200, description = "The customer", body = CustomerView, headers(("ETag" = String, description = "For If-Match")))),
)]
pub(super) async fn one(
    customer: web::Path<String>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let customer = seen(&state, &caller, &customer).await?;
    tagged(&CustomerView::from(customer))
}

/// Whether the person asked for the change himself.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The person asked for it: his permissions move to a new address, and he may be tracked further.
    #[serde(default)]
    #[param(default = false)]
    by_person: bool,
}

/// What a correction did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Corrected {
    customer: CustomerView,
    /// Permissions that ended with the address they were given for, as `channel/topic`.
    permissions_ended: Vec<String>,
    /// Permissions that moved to the new address, because the person asked.
    permissions_moved: Vec<String>,
}

/// Corrects a customer.
///
/// A JSON merge patch (RFC 7396): a field that is given is set, one that is null is cleared, `attributes` one by one;
/// what is left out stays. Tags and permissions are not corrected: tags come with `POST /api/v1/customers`, a
/// permission follows from evidence. Permission is about an address and does not move to another one unless
/// `by_person` says that he asked.
#[utoipa::path(
    patch, path = "/api/v1/customers/{customer}", operation_id = "correctCustomer", tag = "Customers",
    params(
        ("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "external_id:K-1001"),
        Asked,
        ("If-Match" = Option<String>, Header, description = "The ETag he was read with"),
    ),
    request_body(content(
        (CustomerFields = "application/merge-patch+json", example = json!({"city": "Lille", "company": null})),
        (CustomerFields = "application/json"),
    )),
    responses((status = 200, description = "As he is now", body = Corrected)),
)]
pub(super) async fn change(
    customer: web::Path<String>,
    asked: web::Query<Asked>,
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let given = customers_in::patch(body::json(&request, &bytes)?)?;
    let before = known(&state, &customer).await?;
    let id = before.id;
    let region = before.country.clone();
    let known_tag = tag(&CustomerView::from(before.clone()))?;
    require_match(&request, Some(&known_tag))?;
    let meant = match request.headers().contains_key(IF_MATCH) {
        true => Meant::from(&before),
        false => id.into(),
    };
    let now_ms = state.clock.now_ms();
    let correction =
        customers_in::correction(given, |fields| import::read_fields(fields, &region, now_ms))?;
    let outcome = rectify::rectify(
        &state.db,
        &state.keys,
        meant,
        &correction,
        asked.by_person,
        &caller.actor(),
        now_ms,
    )
    .await
    .map_err(faults::dialogue)?;
    super::note(&state, &caller, "customer.correct", &id.to_string(), "").await?;
    let after = known(&state, &id.to_string()).await?;
    let view = Corrected {
        customer: after.into(),
        permissions_ended: outcome.ended,
        permissions_moved: outcome.moved,
    };
    super::answer(StatusCode::OK, &view)
}

/// Erases a customer (GDPR art. 17).
///
/// His addresses stay suppressed by their fingerprints, so that no import brings him back; the proof that we were
/// allowed to write stays without its details. It cannot be undone.
#[utoipa::path(
    delete, path = "/api/v1/customers/{customer}", operation_id = "eraseCustomer", tag = "Customers",
    params(
        ("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42"),
        ("If-Match" = Option<String>, Header, description = "The ETag he was read with"),
    ),
    responses((status = 204, description = "He is erased")),
)]
pub(super) async fn erase(
    customer: web::Path<String>,
    request: HttpRequest,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = meant(&state, &customer).await?;
    let before = store::get(&*state.db, state.db.dialect(), id)
        .await
        .map_err(ApiError::unavailable)?;
    let known_tag = before
        .clone()
        .map(|one| tag(&CustomerView::from(one)))
        .transpose()?;
    require_match(&request, known_tag.as_deref())?;
    let meant = match &before {
        Some(before) if request.headers().contains_key(IF_MATCH) => Meant::from(before),
        _ => id.into(),
    };
    erasure::erase(
        &state.db,
        &state.keys,
        meant,
        &caller.actor(),
        state.clock.now_ms(),
    )
    .await
    .map_err(faults::dialogue)?;
    super::note(&state, &caller, "customer.erase", &id.to_string(), "").await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Exports everything about a customer (GDPR art. 15 and 20).
///
/// A zip archive with one JSON document, a CSV a kind, and a README in his language.
#[utoipa::path(
    get, path = "/api/v1/customers/{customer}/export", operation_id = "exportCustomer", tag = "Customers",
    params(("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42")),
    responses((status = 200, description = "The archive", body = Vec<u8>, content_type = "application/zip")),
)]
pub(super) async fn export(
    customer: web::Path<String>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = meant(&state, &customer).await?;
    let now_ms = state.clock.now_ms();
    let archive = archive::archive(&state.db, &state.keys, id, &caller.actor(), now_ms)
        .await
        .map_err(faults::dialogue)?;
    super::note(&state, &caller, "customer.export", &id.to_string(), "").await?;
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!("customer-{id}.zip"))],
    };
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(archive))
}

/// Something that happened between him and us.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelineEntry {
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// `contact`, `order`, or the kind of the response: `click`, `open`, `reply`, `bounce` …
    #[schema(example = "click")]
    kind: String,
    channel: Option<Channel>,
    campaign: Option<String>,
    /// The part of the message a click came from, the class of a bounce, the product of an order.
    detail: Option<String>,
    /// Of an order.
    amount_cents: Option<i64>,
    made_by: MadeBy,
}

impl From<Entry> for TimelineEntry {
    fn from(entry: Entry) -> Self {
        Self {
            at: instant(entry.at),
            kind: entry.kind,
            channel: entry.channel,
            campaign: entry.campaign,
            detail: entry.detail,
            amount_cents: entry.amount_cents,
            made_by: entry.made_by,
        }
    }
}

/// Lists what happened between a customer and us.
///
/// Every contact, response and order on every channel, the newest first.
#[utoipa::path(
    get, path = "/api/v1/customers/{customer}/timeline", operation_id = "getTimeline", tag = "Customers",
    params(
        ("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42"),
        Paging,
    ),
    responses((status = 200, description = "A page of entries", body = Page<TimelineEntry>)),
)]
pub(super) async fn timeline(
    customer: web::Path<String>,
    paging: web::Query<Paging>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = seen(&state, &caller, &customer).await?.id;
    let limit = paging.limit()?;
    let name = format!("timeline of {id}");
    let before = paging.after(&state.keys, &name)?.unwrap_or(Key::END);
    let entries = history::before(&state.db, id, before, limit + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let page = cursor::page(
        &state.keys,
        &name,
        entries,
        limit,
        |entry| entry.key,
        TimelineEntry::from,
    );
    cursor::answer(&page)
}

/// About which campaign is asked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct About {
    /// The name of the campaign.
    #[param(example = "spring")]
    campaign: String,
}

/// Why a person was, would be or would not be contacted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhyAnswer {
    customer: i64,
    campaign: String,
    #[schema(value_type = String, format = DateTime)]
    asked_at: String,
    /// `contacted`, `unknown`, `would_be`, `withheld`, `not_selected`, `failed` or `over`.
    verdict: String,
    /// Of one who is withheld: the reason, as the waterfall names it.
    reason: Option<String>,
    /// The verdict as a sentence.
    answer: String,
    /// Rule by rule.
    steps: Vec<WhyStep>,
}

/// One rule and how the person fares with it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhyStep {
    #[schema(value_type = String)]
    rule: &'static str,
    /// Null: not asked, since an earlier rule decides.
    passes: Option<bool>,
    /// The fact behind it.
    found: String,
}

/// Says why a customer was, would be or would not be contacted by a campaign.
#[utoipa::path(
    get, path = "/api/v1/customers/{customer}/why", operation_id = "whyContacted", tag = "Customers",
    params(
        ("customer" = String, Path, description = "His number, or `external_id:` and your own key of him", example = "42"),
        About,
    ),
    responses(
        (status = 200, description = "The answer, rule by rule", body = WhyAnswer),
        (status = 409, description = "The campaign's segment cannot be read any more", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn why(
    customer: web::Path<String>,
    about: web::Query<About>,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = seen(&state, &caller, &customer).await?.id;
    let campaign = plan::find(&state.db, &about.campaign)
        .await
        .map_err(faults::plan)?;
    let found = why::why(&state.db, &state.rules, &campaign, id, state.clock.now())
        .await
        .map_err(faults::why)?;
    let verdict = serde_json::to_value(found.verdict).map_err(ApiError::internal)?;
    let word = |key: &str| verdict.get(key).and_then(Value::as_str).map(str::to_owned);
    let view = WhyAnswer {
        customer: id.0,
        campaign: found.campaign,
        asked_at: instant(found.at),
        verdict: word("kind").unwrap_or_default(),
        reason: word("reason"),
        answer: found.answer.to_string(),
        steps: found
            .steps
            .into_iter()
            .map(|step| WhyStep {
                rule: step.rule,
                passes: step.passes,
                found: step.found.to_string(),
            })
            .collect(),
    };
    super::answer(StatusCode::OK, &view)
}
