//! What people of the firm do for a customer: take him in, set his fields right, write down what he said, give him
//! his data, erase him.

use std::collections::HashMap;

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpResponse, web};
use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::page::{self, Draft, basis_in_words, by_channel};
use super::{Choice, REGION, name, nobody, stages};
use crate::accounts::audit;
use crate::clock::from_ms;
use crate::config::in_language;
use crate::consent::model::{Basis, Channel, Scope};
use crate::customers::import::{Correction, read_fields};
use crate::customers::model::Customer;
use crate::customers::notes::{self, NoteError};
use crate::customers::store as customers;
use crate::dialogue::object::{self, Objection};
use crate::dialogue::permit::{self, Yes};
use crate::dialogue::rectify as rectification;
use crate::dialogue::{DialogueError, admit as admission, erase as erasure, export as exports};
use crate::ids::{CustomerId, NoteId};
use crate::web::console::{Visit, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// A form as it came.
type Form = HashMap<String, String>;

/// The fields of a profile, by their names in an import.
const FIELDS: [&str; 14] = [
    "first_name",
    "last_name",
    "company",
    "email",
    "phone",
    "external_id",
    "language",
    "country",
    "postal_code",
    "city",
    "region",
    "time_zone",
    "birth_date",
    "gender",
];

#[derive(Debug, Serialize)]
struct FormView {
    title: String,
    section: &'static str,
    action: String,
    back: String,
    fields: Vec<FieldView>,
    fault: Option<String>,
    /// Who is known by this already.
    known: Option<i64>,
    /// Whether he is in the base.
    is_known: bool,
    is_asked: bool,
}

#[derive(Debug, Serialize)]
struct FieldView {
    name: &'static str,
    label: String,
    kind: &'static str,
    value: String,
    hint: Option<String>,
    choices: Option<Vec<Choice>>,
}

/// The name of a field, and what helps to fill it in.
fn label<'a>(field: &'a str, words: &'a Words) -> (&'a str, Option<&'a str>) {
    match field {
        "first_name" => (words.t("First name"), None),
        "last_name" => (words.t("Last name"), None),
        "company" => (words.t("Company"), None),
        "email" => (words.t("Mail address"), None),
        "phone" => (
            words.t("Telephone"),
            Some(words.t("With the code of its country, or as it is written in France.")),
        ),
        "external_id" => (
            words.t("Your key"),
            Some(words.t("By which your own systems know this person.")),
        ),
        "language" => (
            words.t("Language"),
            Some(words.t("Two letters, such as fr.")),
        ),
        "country" => (
            words.t("Country"),
            Some(words.t("Two letters, such as FR.")),
        ),
        "postal_code" => (words.t("Postal code"), None),
        "city" => (words.t("City"), None),
        "region" => (words.t("Region"), None),
        "time_zone" => (words.t("Time zone"), Some(words.t("Such as Europe/Paris."))),
        "birth_date" => (words.t("Born"), None),
        "gender" => (words.t("Gender"), None),
        other => (other, None),
    }
}

/// What the base has in a field.
fn held(customer: &Customer, field: &str) -> String {
    let text = match field {
        "first_name" => customer.first_name.clone(),
        "last_name" => customer.last_name.clone(),
        "company" => customer.company.clone(),
        "email" => customer.email.clone(),
        "phone" => customer.phone.clone(),
        "external_id" => customer.external_id.clone(),
        "language" => Some(customer.language.clone()),
        "country" => Some(customer.country.clone()),
        "postal_code" => customer.postal_code.clone(),
        "city" => customer.city.clone(),
        "region" => customer.region.clone(),
        "time_zone" => customer.time_zone.clone(),
        "birth_date" => customer.birth_date.map(|day| day.to_string()),
        "gender" => customer.gender.clone(),
        "stage" => Some(customer.stage.as_str().to_owned()),
        _ => None,
    };
    text.unwrap_or_default()
}

/// What went wrong with a form.
#[derive(Debug, Default)]
struct Fault {
    text: Option<String>,
    known: Option<CustomerId>,
}

/// The form about a customer, or a new one; `form` is what came back.
fn form_view(
    words: &Words,
    customer: Option<&Customer>,
    form: Option<&Form>,
    fault: Fault,
) -> FormView {
    let value = |field: &str| match form {
        Some(form) => form.get(field).cloned().unwrap_or_default(),
        None => match (customer, field) {
            (Some(customer), field) => held(customer, field),
            (None, "language") => words.language().code().to_owned(),
            (None, "country") => REGION.to_owned(),
            (None, _) => String::new(),
        },
    };
    let mut fields: Vec<FieldView> = FIELDS
        .into_iter()
        .map(|field| {
            let (label, hint) = label(field, words);
            FieldView {
                name: field,
                label: label.to_owned(),
                kind: match field {
                    "birth_date" => "date",
                    "phone" => "tel",
                    _ => "text",
                },
                value: value(field),
                hint: hint.map(str::to_owned),
                choices: None,
            }
        })
        .collect();
    let stage = value("stage");
    let choices = stages(words, None).into_iter().map(|choice| Choice {
        is_chosen: choice.value == stage,
        ..choice
    });
    fields.push(FieldView {
        name: "stage",
        label: words.t("Stage").to_owned(),
        kind: "",
        value: String::new(),
        hint: None,
        choices: Some(choices.collect()),
    });
    let (title, action, back) = match customer {
        Some(customer) => (
            words.fill("Set right: {name}", &[("name", name(customer, words))]),
            format!("/customers/{}/edit", customer.id),
            format!("/customers/{}", customer.id),
        ),
        None => (
            words.t("New customer").to_owned(),
            "/customers/new".to_owned(),
            "/customers".to_owned(),
        ),
    };
    FormView {
        title,
        section: "customers",
        action,
        back,
        fields,
        fault: fault.text,
        known: fault.known.map(|id| id.0),
        is_known: customer.is_some(),
        is_asked: form.is_some_and(|form| form.contains_key("asked")),
    }
}

/// The form for a new customer.
pub(super) async fn blank(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let view = form_view(visit.words(), None, None, Fault::default());
    visit.answer(&state, "customer_form", &view)
}

/// Takes a new customer in.
pub(super) async fn admit(
    visit: Visit,
    form: web::Form<Form>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let given = fields(&form, |_, value| !value.is_empty());
    let admitted = match read_fields(&given, REGION, now_ms) {
        Ok(correction) => {
            let actor = visit.actor();
            admission::admit(&state.db, &state.keys, &correction, &actor, now_ms).await
        }
        Err(problem) => Err(DialogueError::Field(problem)),
    };
    match admitted {
        Ok(id) => {
            visit
                .note(&state, "customer.admit", &id.to_string(), "")
                .await?;
            Ok(see_other(&format!("/customers/{id}?done=admitted")))
        }
        Err(error) => {
            let fault = fault(error)?;
            let view = form_view(visit.words(), None, Some(&form), fault);
            visit.refuse(&state, "customer_form", &view)
        }
    }
}

/// What a person can mend; all else is an error of the request.
fn fault(error: DialogueError) -> Result<Fault, ApiError> {
    match error {
        DialogueError::Field(_) => Ok(Fault {
            text: Some(error.to_string()),
            known: None,
        }),
        DialogueError::Known(known) => Ok(Fault {
            text: Some(error.to_string()),
            known: Some(known),
        }),
        error => Err(error.into()),
    }
}

/// The fields of a form that `counts`.
fn fields(form: &Form, counts: impl Fn(&str, &str) -> bool) -> Vec<(String, String)> {
    FIELDS
        .into_iter()
        .chain(["stage"])
        .filter_map(|field| {
            let value = form.get(field)?.trim();
            counts(field, value).then(|| (field.to_owned(), value.to_owned()))
        })
        .collect()
}

async fn customer(state: &State, id: CustomerId) -> Result<Customer, ApiError> {
    customers::get(&*state.db, state.db.dialect(), id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| nobody(id))
}

/// The form of a known customer.
pub(super) async fn form(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let customer = customer(&state, id).await?;
    exports::note_access(&state.db, id, &visit.actor(), state.clock.now_ms()).await?;
    let view = form_view(visit.words(), Some(&customer), None, Fault::default());
    visit.answer(&state, "customer_form", &view)
}

/// Sets the fields right that differ from what the base has.
pub(super) async fn rectify(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<Form>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let now_ms = state.clock.now_ms();
    let customer = customer(&state, id).await?;
    let changed = fields(&form, |field, value| value != held(&customer, field));
    if changed.is_empty() {
        return Ok(see_other(&format!("/customers/{id}?done=unchanged")));
    }
    let is_asked = form.contains_key("asked");
    let region = customer.country.as_str();
    let rectified = match read_fields(&changed, region, now_ms) {
        Ok(correction) => rectified(&visit, &state, id, &correction, is_asked).await,
        Err(problem) => Err(DialogueError::Field(problem)),
    };
    match rectified {
        Ok(outcome) => {
            let names: Vec<&str> = changed.iter().map(|(name, _)| name.as_str()).collect();
            visit
                .note(
                    &state,
                    "customer.rectify",
                    &id.to_string(),
                    &names.join(", "),
                )
                .await?;
            let done = match outcome {
                rectification::Outcome { ended, .. } if !ended.is_empty() => "ended",
                rectification::Outcome {
                    is_changed: true, ..
                } => "rectified",
                _ => "unchanged",
            };
            Ok(see_other(&format!("/customers/{id}?done={done}")))
        }
        Err(error) => {
            let fault = fault(error)?;
            let view = form_view(visit.words(), Some(&customer), Some(&form), fault);
            visit.refuse(&state, "customer_form", &view)
        }
    }
}

async fn rectified(
    visit: &Visit,
    state: &State,
    id: CustomerId,
    correction: &Correction,
    is_asked: bool,
) -> Result<rectification::Outcome, DialogueError> {
    rectification::rectify(
        &state.db,
        &state.keys,
        id,
        correction,
        is_asked,
        &visit.actor(),
        state.clock.now_ms(),
    )
    .await
}

#[derive(Debug, Serialize)]
struct PermissionView {
    title: String,
    section: &'static str,
    id: i64,
    fault: Option<String>,
    channels: Vec<Answer>,
    topics: Vec<Answer>,
    bases: Vec<Answer>,
    today: String,
    said_on: String,
    no_source: String,
    yes_source: String,
    wording: String,
}

/// A value that a no and a yes may name.
#[derive(Debug, Serialize)]
struct Answer {
    value: String,
    name: String,
    is_refused: bool,
    is_allowed: bool,
}

/// What a person said, as the form has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    answer: String,
    channel: String,
    topic: String,
    basis: String,
    source: String,
    day: String,
    wording: String,
}

fn permission_view(
    visit: &Visit,
    state: &State,
    customer: &Customer,
    said: &Said,
    fault: Option<String>,
) -> PermissionView {
    let words = visit.words();
    let code = words.language().code();
    let is_no = said.answer == "no";
    let answer = |value: &str, name: String, chosen: &str| Answer {
        is_refused: is_no && value == chosen,
        is_allowed: !is_no && value == chosen,
        value: value.to_owned(),
        name,
    };
    let today = from_ms(state.clock.now_ms()).with_timezone(&words.zone());
    let today = today.date_naive().to_string();
    let topics = state.settings.permission.topics.iter();
    let sources = match is_no {
        true => (said.source.clone(), String::new()),
        false => (String::new(), said.source.clone()),
    };
    PermissionView {
        title: words.fill("What {name} said", &[("name", name(customer, words))]),
        section: "customers",
        id: customer.id.0,
        fault,
        channels: Channel::ALL
            .into_iter()
            .map(|channel| {
                let name = by_channel(channel.as_str(), words).to_owned();
                answer(channel.as_str(), name, &said.channel)
            })
            .collect(),
        topics: topics
            .map(|topic| {
                let title = in_language(&topic.title, code);
                answer(&topic.name, title.to_owned(), &said.topic)
            })
            .collect(),
        bases: Basis::ALL
            .into_iter()
            .map(|basis| {
                let name = words.t(basis_in_words(basis.as_str())).to_owned();
                answer(basis.as_str(), name, &said.basis)
            })
            .collect(),
        said_on: match said.day.as_str() {
            "" => today.clone(),
            day => day.to_owned(),
        },
        today,
        no_source: sources.0,
        yes_source: sources.1,
        wording: said.wording.clone(),
    }
}

/// The form for a yes or a no.
pub(super) async fn permission(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let customer = customer(&state, CustomerId(id.into_inner())).await?;
    let view = permission_view(&visit, &state, &customer, &Said::default(), None);
    visit.answer(&state, "customer_permission", &view)
}

/// Records what he said.
pub(super) async fn answer(
    visit: Visit,
    id: web::Path<i64>,
    said: web::Form<Said>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let recorded = match said.answer.as_str() {
        "no" => refuse(&visit, &state, id, &said).await,
        _ => allow(&visit, &state, id, &said).await,
    };
    match recorded {
        Ok(done) => {
            visit
                .note(&state, "customer.permission", &id.to_string(), &said.answer)
                .await?;
            Ok(see_other(&format!("/customers/{id}?done={done}")))
        }
        Err(DialogueError::Field(fault)) => {
            let customer = customer(&state, id).await?;
            let view = permission_view(&visit, &state, &customer, &said, Some(fault));
            visit.refuse(&state, "customer_permission", &view)
        }
        Err(error) => Err(error.into()),
    }
}

fn channel(text: &str) -> Result<Channel, DialogueError> {
    text.parse().map_err(DialogueError::Field)
}

async fn refuse(
    visit: &Visit,
    state: &State,
    id: CustomerId,
    said: &Said,
) -> Result<&'static str, DialogueError> {
    let source = said.source.trim();
    if source.is_empty() {
        return Err(DialogueError::Field(
            "say where it was said; it is the proof".to_owned(),
        ));
    }
    let objection = Objection {
        channel: match said.channel.as_str() {
            "" => None,
            one => Some(channel(one)?),
        },
        scope: match said.topic.as_str() {
            "" => Scope::All,
            topic => Scope::Topic(topic.to_owned()),
        },
        source: source.chars().take(200).collect(),
    };
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    object::object(&state.db, &state.keys, id, &objection, &actor, now_ms).await?;
    Ok("no")
}

async fn allow(
    visit: &Visit,
    state: &State,
    id: CustomerId,
    said: &Said,
) -> Result<&'static str, DialogueError> {
    let refuse = |text: &str| DialogueError::Field(text.to_owned());
    let now_ms = state.clock.now_ms();
    let day: NaiveDate = said
        .day
        .parse()
        .map_err(|_cause| refuse("the day it was said is not a day"))?;
    let basis = Basis::ALL
        .into_iter()
        .find(|basis| basis.as_str() == said.basis);
    let today = from_ms(now_ms)
        .with_timezone(&visit.words().zone())
        .date_naive();
    let yes = Yes {
        channel: channel(&said.channel)?,
        topic: said.topic.clone(),
        basis: basis.ok_or_else(|| refuse("there is no such legal basis"))?,
        source: said.source.clone(),
        wording: said.wording.clone(),
        // What was said on a day before counts from its beginning: whatever came later stands above it.
        occurred_at: if day == today {
            now_ms
        } else {
            day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
        },
    };
    let may = permit::permit(
        &state.db,
        &state.keys,
        &state.settings,
        id,
        &yes,
        &visit.actor(),
        now_ms,
    )
    .await?;
    Ok(if may { "yes" } else { "kept" })
}

/// A note as the form has it.
#[derive(Debug, Deserialize)]
pub(super) struct NoteForm {
    #[serde(default)]
    text: String,
}

/// Writes a note.
pub(super) async fn add_note(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<NoteForm>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    match notes::add(&txn, id, &form.text, &visit.name, now_ms).await {
        Ok(note) => {
            let detail = format!("note {note}");
            audit::note(
                &*txn,
                &visit.actor(),
                "customer.note",
                &id.to_string(),
                &detail,
                now_ms,
            )
            .await
            .map_err(ApiError::unavailable)?;
            txn.commit().await.map_err(ApiError::unavailable)?;
            Ok(see_other(&format!("/customers/{id}?done=noted#notes")))
        }
        Err(NoteError::NoSuchCustomer(id)) => Err(nobody(id)),
        Err(NoteError::Database(error)) => Err(ApiError::unavailable(error)),
        Err(fault @ (NoteError::Empty | NoteError::TooLong)) => {
            // Before the page, which notes the look.
            drop(txn);
            let draft = Draft {
                text: form.into_inner().text,
                fault: fault.to_string(),
            };
            page::with_draft(&visit, id, draft, &state).await
        }
    }
}

/// Takes a note away.
pub(super) async fn remove_note(
    visit: Visit,
    of: web::Path<(i64, i64)>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (id, note) = of.into_inner();
    let (id, note) = (CustomerId(id), NoteId(note));
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let was_there = notes::remove(&txn, id, note)
        .await
        .map_err(ApiError::unavailable)?;
    if !was_there {
        return Err(nobody(id));
    }
    let (actor, detail) = (visit.actor(), format!("note {note}"));
    audit::note(
        &*txn,
        &actor,
        "customer.note_removed",
        &id.to_string(),
        &detail,
        now_ms,
    )
    .await
    .map_err(ApiError::unavailable)?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(see_other(&format!("/customers/{id}?done=removed#notes")))
}

/// Everything about him, as an archive.
pub(super) async fn export(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    let archive = exports::archive(&state.db, &state.keys, id, &actor, now_ms).await?;
    visit
        .note(&state, "customer.export", &id.to_string(), "")
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"customer-{id}.zip\""),
        ))
        .body(archive))
}

#[derive(Debug, Serialize)]
struct EraseView {
    title: String,
    section: &'static str,
    id: i64,
    fault: Option<String>,
}

fn erase_view(words: &Words, customer: &Customer, fault: Option<String>) -> EraseView {
    EraseView {
        title: words.fill("Erase {name}?", &[("name", name(customer, words))]),
        section: "customers",
        id: customer.id.0,
        fault,
    }
}

/// Whether he is to be erased.
pub(super) async fn question(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let customer = customer(&state, CustomerId(id.into_inner())).await?;
    visit.answer(
        &state,
        "customer_erase",
        &erase_view(visit.words(), &customer, None),
    )
}

/// By what somebody shows that he means it.
#[derive(Debug, Deserialize)]
pub(super) struct Meant {
    #[serde(default)]
    number: String,
}

/// Erases him.
pub(super) async fn erase(
    visit: Visit,
    id: web::Path<i64>,
    meant: web::Form<Meant>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    if meant.number.trim() != id.to_string() {
        let customer = customer(&state, id).await?;
        let words = visit.words();
        let fault = words.fill(
            "That is not the number; nothing was changed. Write {n}.",
            &[("n", id.to_string())],
        );
        let view = erase_view(words, &customer, Some(fault));
        return visit.refuse(&state, "customer_erase", &view);
    }
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    erasure::erase(&state.db, &state.keys, id, &actor, now_ms).await?;
    visit
        .note(&state, "customer.erase", &id.to_string(), "")
        .await?;
    Ok(see_other("/customers?done=erased"))
}
