//! `POST /api/v1/customers` and `/bulk`: customers as programs tell them.

use std::cell::{Cell, RefCell};
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use serde::Serialize;
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Caller;
use super::permissions::PermissionTold;
use super::{body, note_in, once, refused, reply};
use crate::consent::model::Tracking;
use crate::customers::import::Change;
use crate::customers::import::Correction;
use crate::customers::import::told::{self, Outcome, Taken, Terms, Told, Unread};
use crate::customers::model::Stage;
use crate::responses::requests::Failed;
use crate::storage::Txn;
use crate::web::error::FieldProblem;
use crate::web::{ApiError, State};

/// Customers of one request.
const MOST: usize = 10_000;
/// The media type of one JSON document a line.
const LINES: &str = "application/x-ndjson";
/// Fields that are one text.
const TEXTS: [&str; 17] = [
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "company",
    "gender",
    "birth_date",
    "language",
    "country",
    "region",
    "postal_code",
    "city",
    "time_zone",
    "household",
    "stage",
    "tracking",
];
const ATTRIBUTES: &str = "attributes";
const TAGS: &str = "tags";
const PERMISSIONS: &str = "permissions";
const TRACKING_AT: &str = "tracking_at";

/// The fields of a customer. One that is left out says nothing.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "read field by field, since null says something else than nothing"
)]
pub(super) struct CustomerFields {
    /// Your own key of him.
    #[schema(max_length = 250, example = "K-1001")]
    external_id: Option<String>,
    #[schema(max_length = 1000, example = "ada@example.com")]
    email: Option<String>,
    /// E.164, or as one dials it in his country.
    #[schema(max_length = 250, example = "+33612345678")]
    phone: Option<String>,
    #[schema(max_length = 250, example = "Ada")]
    first_name: Option<String>,
    #[schema(max_length = 250, example = "Lovelace")]
    last_name: Option<String>,
    #[schema(max_length = 250)]
    company: Option<String>,
    #[schema(max_length = 250)]
    gender: Option<String>,
    #[schema(value_type = Option<String>, format = Date, example = "1985-12-10")]
    birth_date: Option<String>,
    /// ISO 639-1.
    #[schema(example = "fr")]
    language: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "FR")]
    country: Option<String>,
    #[schema(max_length = 250)]
    region: Option<String>,
    #[schema(max_length = 250, example = "80000")]
    postal_code: Option<String>,
    #[schema(max_length = 250, example = "Amiens")]
    city: Option<String>,
    /// IANA name.
    #[schema(example = "Europe/Paris")]
    time_zone: Option<String>,
    /// The same for all people of one household.
    #[schema(max_length = 250)]
    household: Option<String>,
    stage: Option<Stage>,
    /// How far he agreed to be followed.
    tracking: Option<Tracking>,
    /// Texts, numbers and booleans by name.
    #[schema(example = json!({"loyalty": "gold", "shoe_size": 41}))]
    attributes: Option<Map<String, Value>>,
}

/// A customer as a program tells him: by the rules of an import. He is the one with the external id; else with the
/// e-mail address; else, without an address, with the telephone number; else he is new.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field, so that each fault is named")]
pub(super) struct CustomerTold {
    #[serde(flatten)]
    fields: CustomerFields,
    /// They are added to those he has.
    #[schema(nullable = false)]
    tags: Option<Vec<String>>,
    /// When he agreed to be followed so far: of one who is known, a looser consent without it is not taken.
    #[schema(value_type = Option<String>, format = DateTime)]
    tracking_at: Option<String>,
    /// What he says of being contacted, with its evidence.
    #[schema(nullable = false)]
    permissions: Option<Vec<PermissionTold>>,
}

/// What became of a customer who was told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CustomerOutcome {
    /// His number; null where he was refused.
    customer: Option<i64>,
    status: CustomerStatus,
    /// What cannot be read of him.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
}

/// What became of him.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CustomerStatus {
    Created,
    Updated,
    Unchanged,
    Invalid,
}

/// What became of each, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CustomerOutcomes {
    customers: Vec<CustomerOutcome>,
}

/// Creates a customer, or tells more of one.
///
/// An empty field erases nothing; `PATCH /api/v1/customers/{customer}` does. Permissions come with their evidence.
#[utoipa::path(
    post, path = "/api/v1/customers", operation_id = "putCustomer", tag = "Customers",
    request_body(content = CustomerTold, example = json!({
        "external_id": "K-1001", "email": "ada@example.com", "first_name": "Ada", "city": "Amiens",
        "permissions": [{
            "channel": "email", "topic": "offers", "action": "grant", "basis": "consent",
            "source": "shop form 3", "wording": "I want offers by email", "occurred_at": "2026-11-02T10:00:00Z",
        }],
    })),
    responses(
        (status = 201, description = "He is new", body = CustomerOutcome),
        (status = 200, description = "He was known", body = CustomerOutcome),
    ),
)]
pub(super) async fn put(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let terms = terms(&state);
    let value = body::json(&request, &bytes)?;
    let taken = one(value, &terms)
        .map_err(|errors| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY).with_fields(errors))?;
    let taken = RefCell::new(taken);
    once(&request, &state, &caller, &bytes, async |txn| {
        let one = vec![taken.borrow().clone()];
        let outcome = take(txn, &state, &caller, &terms, one).await?.pop();
        let outcome = outcome.map_or_else(|| refused_one(Vec::new()), shown);
        if let Some(customer) = outcome.customer {
            note_in(
                txn,
                &caller,
                "customer.save",
                &customer.to_string(),
                terms.now_ms,
            )
            .await?;
        }
        let status = match outcome.status {
            CustomerStatus::Created => StatusCode::CREATED,
            _ => StatusCode::OK,
        };
        reply(status, &outcome).map_err(Failed::Refused)
    })
    .await
}

/// Creates or tells more of many customers.
///
/// At most 10,000, as a JSON array or as one JSON document a line (`application/x-ndjson`). Those that can be read are
/// taken, all in one transaction; the answer says of each what became of him, and is 207 when one was refused.
#[utoipa::path(
    post, path = "/api/v1/customers/bulk", operation_id = "putCustomers", tag = "Customers",
    request_body(content(
        (Vec<CustomerTold> = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "All are taken", body = CustomerOutcomes),
        (status = 207, description = "Some were refused", body = CustomerOutcomes),
    ),
)]
pub(super) async fn bulk(
    request: HttpRequest,
    bytes: Bytes,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let terms = terms(&state);
    let form = Form::of(&request)?;
    let (body, by) = (bytes.clone(), terms.clone());
    // Not on a worker of the server: others wait for it.
    let read = web::block(move || many(form, &body, &by))
        .await
        .map_err(ApiError::internal)??;
    once(&request, &state, &caller, &bytes, async |txn| {
        let good = read.iter().filter_map(|one| one.as_ref().ok()).cloned();
        let good: Vec<Taken> = good.collect();
        let outcomes = take(txn, &state, &caller, &terms, good).await?;
        let many = format!("{} customers", outcomes.len());
        note_in(txn, &caller, "customer.save", &many, terms.now_ms).await?;
        let mut outcomes = outcomes.into_iter();
        let customers: Vec<CustomerOutcome> = read
            .iter()
            .map(|one| match one {
                Ok(_) => outcomes
                    .next()
                    .map_or_else(|| refused_one(Vec::new()), shown),
                Err(errors) => refused_one(errors.clone()),
            })
            .collect();
        let is_whole = customers
            .iter()
            .all(|one| one.status != CustomerStatus::Invalid);
        let status = match is_whole {
            true => StatusCode::OK,
            false => StatusCode::MULTI_STATUS,
        };
        reply(status, &CustomerOutcomes { customers }).map_err(Failed::Refused)
    })
    .await
}

async fn take(
    txn: &Txn,
    state: &State,
    caller: &Caller,
    terms: &Terms,
    taken: Vec<Taken>,
) -> Result<Vec<Outcome>, Failed<ApiError>> {
    let source = format!("API, token {}", caller.name);
    let outcomes = told::take(txn, &state.keys, terms, taken, &source).await?;
    Ok(outcomes)
}

fn shown(outcome: Outcome) -> CustomerOutcome {
    CustomerOutcome {
        customer: outcome.customer.map(|id| id.0),
        status: match outcome.change {
            Change::Created => CustomerStatus::Created,
            Change::Updated => CustomerStatus::Updated,
            Change::Unchanged => CustomerStatus::Unchanged,
        },
        errors: Vec::new(),
    }
}

fn refused_one(errors: Vec<FieldProblem>) -> CustomerOutcome {
    CustomerOutcome {
        customer: None,
        status: CustomerStatus::Invalid,
        errors,
    }
}

fn terms(state: &State) -> Terms {
    let usual = &state.settings.customers;
    Terms {
        region: usual.country.clone(),
        language: usual.language.clone(),
        country: usual.country.clone(),
        now_ms: state.clock.now_ms(),
    }
}

/// How a body holds many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Array,
    /// One a line.
    Lines,
}

impl Form {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        match body::media_type(request).as_deref() {
            Some(LINES) => Ok(Self::Lines),
            _ => body::require_json(request).map(|()| Self::Array),
        }
    }
}

type Read = Result<Taken, Vec<FieldProblem>>;

/// Reads a body of many. They are counted before one is read: a body full of nothing would be a hundred times as much
/// in memory.
fn many(form: Form, bytes: &[u8], terms: &Terms) -> Result<Vec<Read>, ApiError> {
    let lines = || {
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter(|line| !line.trim_ascii().is_empty())
    };
    let many = match form {
        Form::Lines => lines().take(MOST + 1).count(),
        Form::Array => elements(bytes)?,
    };
    if !(1..=MOST).contains(&many) {
        return Err(refused(
            "",
            "does not hold 1 to 10,000 customers; send more in several requests",
        ));
    }
    if form == Form::Lines {
        let read = lines().map(|line| {
            body::text_as_json(line)
                .map_err(|error| vec![as_field(&error)])
                .and_then(|value| one(value, terms))
        });
        return Ok(read.collect());
    }
    let Value::Array(values) = body::text_as_json(bytes)? else {
        return Err(refused("", "is not an array"));
    };
    Ok(values.into_iter().map(|value| one(value, terms)).collect())
}

/// How many elements an array has, none of them kept; no more than one above [`MOST`].
fn elements(bytes: &[u8]) -> Result<usize, ApiError> {
    struct Counter<'c>(&'c Cell<usize>);
    impl<'de> Visitor<'de> for Counter<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
            while self.0.get() <= MOST && elements.next_element::<IgnoredAny>()?.is_some() {
                self.0.set(self.0.get() + 1);
            }
            Ok(())
        }
    }
    let many = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match reader.deserialize_seq(Counter(&many)) {
        Ok(()) => Ok(many.get()),
        // What follows was not looked at, which is no fault of the body.
        Err(_) if many.get() > MOST => Ok(many.get()),
        Err(error) if error.is_data() => Err(refused("", "is not an array")),
        Err(error) => Err(body::not_json(&error)),
    }
}

fn as_field(error: &ApiError) -> FieldProblem {
    let problem = error.problem("");
    problem.errors.first().cloned().unwrap_or(FieldProblem {
        field: String::new(),
        detail: "is not JSON".into(),
    })
}

/// Reads one.
fn one(value: Value, terms: &Terms) -> Result<Taken, Vec<FieldProblem>> {
    let told = told(value, terms.now_ms).map_err(|error| vec![as_field(&error)])?;
    told::read(told, terms).map_err(|unread| unread.into_iter().map(problem).collect())
}

fn problem(unread: Unread) -> FieldProblem {
    FieldProblem {
        field: unread.field,
        detail: unread.problem.into(),
    }
}

fn told(value: Value, now_ms: i64) -> Result<Told, ApiError> {
    let mut known = TEXTS.to_vec();
    known.extend([ATTRIBUTES, TAGS, PERMISSIONS, TRACKING_AT]);
    let mut object = body::fields_of(value, &known)?;
    let tracking_at = body::text(&object, TRACKING_AT, 60)?
        .map(|text| body::past(TRACKING_AT, text, now_ms))
        .transpose()?;
    let attributes = match object.remove(ATTRIBUTES) {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(attributes)) => attributes,
        Some(_) => return Err(refused(ATTRIBUTES, "is not an object")),
    };
    let mut tags = Vec::new();
    for (n, tag) in list(&mut object, TAGS)?.into_iter().enumerate() {
        match tag {
            Value::String(tag) => tags.push(tag),
            _ => return Err(refused(&format!("{TAGS}[{n}]"), "is not a text")),
        }
    }
    let mut said = Vec::new();
    for (n, value) in list(&mut object, PERMISSIONS)?.into_iter().enumerate() {
        let place = format!("{PERMISSIONS}[{n}]");
        let told = PermissionTold::read(value).map_err(|error| inside(&place, &error))?;
        said.push(told.said(now_ms).map_err(|error| inside(&place, &error))?);
    }
    let mut fields = Vec::new();
    for name in TEXTS {
        if let Some(text) = text_of(&object, name)?.flatten() {
            fields.push((name, text));
        }
    }
    Ok(Told {
        fields,
        attributes,
        tags,
        tracking_at,
        said,
    })
}

/// An error within a field, named from without.
fn inside(place: &str, error: &ApiError) -> ApiError {
    let fault = as_field(error);
    refused(&body::below(place, &fault.field), fault.detail)
}

fn list(object: &mut Map<String, Value>, field: &str) -> Result<Vec<Value>, ApiError> {
    match object.remove(field) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(refused(field, "is not an array")),
    }
}

/// A field's text: nothing where it is left out, nothing within where it is null.
fn text_of(
    object: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Option<String>>, ApiError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) => {
            if name == "birth_date" && text.parse::<NaiveDate>().is_err() {
                return Err(refused(name, "is not a date such as 1985-12-10"));
            }
            Ok(Some(Some(text.clone())))
        }
        Some(_) => Err(refused(name, "is not a text")),
    }
}

/// What a merge patch gives.
#[derive(Debug)]
pub(super) struct Patch {
    /// An empty text clears a field.
    fields: Vec<(String, String)>,
    attributes: Map<String, Value>,
    cleared: Vec<String>,
}

/// Reads a merge patch.
///
/// # Errors
/// 422 with the field that cannot be patched.
pub(super) fn patch(value: Value) -> Result<Patch, ApiError> {
    let mut known = TEXTS.to_vec();
    known.push(ATTRIBUTES);
    let mut object = body::fields_of(value, &known)?;
    let mut patch = Patch {
        fields: Vec::new(),
        attributes: Map::new(),
        cleared: Vec::new(),
    };
    match object.remove(ATTRIBUTES) {
        None => {}
        Some(Value::Object(attributes)) => {
            for (name, value) in attributes {
                if value.is_null() {
                    patch.cleared.push(format!("attribute.{name}"));
                } else if let Some(problem) = told::problem_of_attribute(&name, &value) {
                    return Err(refused(&body::below(ATTRIBUTES, &name), problem));
                } else {
                    patch.attributes.insert(name, value);
                }
            }
        }
        Some(_) => {
            return Err(refused(
                ATTRIBUTES,
                "is not an object; patch them one by one",
            ));
        }
    }
    for name in TEXTS {
        match text_of(&object, name)? {
            None => {}
            Some(None) => patch.fields.push((name.to_owned(), String::new())),
            Some(Some(text)) if text.trim().is_empty() => {
                return Err(refused(name, "is empty; null clears it"));
            }
            Some(Some(text)) => patch.fields.push((name.to_owned(), text)),
        }
    }
    Ok(patch)
}

/// The correction of a patch; `read` reads fields as an import does.
///
/// # Errors
/// 422 with the field that cannot be read.
pub(super) fn correction(
    patch: Patch,
    read: impl Fn(&[(String, String)]) -> Result<Correction, String>,
) -> Result<Correction, ApiError> {
    let mut correction = read(&patch.fields).map_err(|all| {
        // Which of them it was: each by itself.
        let one = patch.fields.iter().find_map(|one| {
            let problem = read(std::slice::from_ref(one)).err()?;
            Some(refused(&one.0, problem))
        });
        one.unwrap_or_else(|| refused("", all))
    })?;
    correction.row.attributes = patch.attributes;
    correction.cleared.extend(patch.cleared);
    Ok(correction)
}
