//! A yes or a no that was said to people of the firm, with its proof.

use actix_web::{HttpResponse, web};
use chrono::{Datelike as _, NaiveDate};
use serde::{Deserialize, Serialize};

use super::customer;
use crate::accounts::audit;
use crate::clock::{beginning, from_ms};
use crate::config::in_language;
use crate::consent::model::{Action, Basis, Channel, Scope};
use crate::customers::import::told;
use crate::customers::model::Customer;
use crate::dialogue::attest::{self, AttestError};
use crate::dialogue::object::{self, Objection};
use crate::ids::CustomerId;
use crate::web::console::customers::name;
use crate::web::console::customers::page::{basis_in_words, by_channel};
use crate::web::console::{Visit, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

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
pub(in crate::web::console::customers) struct Said {
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
pub(in crate::web::console::customers) async fn form(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let customer = customer(&state, CustomerId(id.into_inner())).await?;
    let view = permission_view(&visit, &state, &customer, &Said::default(), None);
    visit.answer(&state, "customer_permission", &view)
}

/// What became of an answer.
enum Recorded {
    /// The word by which the next page says so.
    Done(&'static str),
    /// What is to be mended, in the words of whoever wrote it down.
    Fault(String),
}

/// Records what he said.
pub(in crate::web::console::customers) async fn answer(
    visit: Visit,
    id: web::Path<i64>,
    said: web::Form<Said>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let recorded = match said.answer.as_str() {
        "no" => refuse(&visit, &state, id, &said).await?,
        _ => allow(&visit, &state, id, &said).await?,
    };
    match recorded {
        Recorded::Done(done) => Ok(see_other(&format!("/customers/{id}?done={done}"))),
        Recorded::Fault(fault) => {
            let customer = customer(&state, id).await?;
            let view = permission_view(&visit, &state, &customer, &said, Some(fault));
            visit.refuse(&state, "customer_permission", &view)
        }
    }
}

async fn refuse(
    visit: &Visit,
    state: &State,
    id: CustomerId,
    said: &Said,
) -> Result<Recorded, ApiError> {
    let words = visit.words();
    let source = said.source.trim();
    if source.is_empty() {
        return Ok(Recorded::Fault(mend("source", words).to_owned()));
    }
    let channel = match said.channel.as_str() {
        "" => None,
        one => match one.parse() {
            Ok(channel) => Some(channel),
            Err(_unknown) => return Ok(Recorded::Fault(mend("channel", words).to_owned())),
        },
    };
    let objection = Objection {
        channel,
        scope: match said.topic.as_str() {
            "" => Scope::All,
            topic => Scope::Topic(topic.to_owned()),
        },
        source: source.chars().take(200).collect(),
    };
    let (actor, now_ms) = (visit.actor(), state.clock.now_ms());
    object::object(&state.db, &state.keys, id, &objection, &actor, now_ms).await?;
    visit
        .note(state, "customer.permission", &id.to_string(), "no")
        .await?;
    Ok(Recorded::Done("no"))
}

async fn allow(
    visit: &Visit,
    state: &State,
    id: CustomerId,
    said: &Said,
) -> Result<Recorded, ApiError> {
    let now_ms = state.clock.now_ms();
    let yes = match yes(visit, said, now_ms) {
        Ok(yes) => yes,
        Err(field) => return Ok(Recorded::Fault(mend(field, visit.words()).to_owned())),
    };
    let actor = visit.actor();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let attested = attest::attest(&txn, &state.keys, &state.settings, id, &yes, &actor, now_ms);
    let may = match attested.await {
        Ok(may) => may,
        Err(AttestError::Said { field, .. }) => {
            return Ok(Recorded::Fault(mend(field, visit.words()).to_owned()));
        }
        Err(AttestError::Dialogue(error)) => return Err(error.into()),
    };
    let subject = id.to_string();
    audit::note(
        &*txn,
        &actor,
        "customer.permission",
        &subject,
        "yes",
        now_ms,
    )
    .await
    .map_err(ApiError::unavailable)?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(Recorded::Done(if may { "yes" } else { "kept" }))
}

/// The yes of a form, or the field that cannot be read.
fn yes(visit: &Visit, said: &Said, now_ms: i64) -> Result<told::Said, &'static str> {
    let day: NaiveDate = said.day.parse().map_err(|_malformed| "day")?;
    if day.year() < 1970 {
        return Err("year");
    }
    let today = from_ms(now_ms)
        .with_timezone(&visit.words().zone())
        .date_naive();
    let mut bases = Basis::ALL.into_iter();
    Ok(told::Said {
        channel: said.channel.parse().map_err(|_unknown| "channel")?,
        scope: Scope::Topic(said.topic.clone()),
        action: Action::Grant,
        basis: bases.find(|basis| basis.as_str() == said.basis),
        source: said.source.clone(),
        wording: Some(said.wording.clone()),
        level: None,
        expires_at: None,
        // What was said on a day before counts from its beginning: whatever came later stands above it.
        occurred_at: Some(if day == today {
            now_ms
        } else {
            beginning(day, visit.words().zone())
        }),
    })
}

/// How a field of an answer is mended.
fn mend<'a>(field: &str, words: &'a Words) -> &'a str {
    match field {
        "day" => words.t("The day it was said is not a day."),
        "year" => words.t("The day it was said lies before 1970."),
        "occurred_at" => words.t("The day it was said lies ahead."),
        "source" => words.t("Say where it was said, such as the form or the call; it is the proof."),
        "wording" => words.t("Write the words that were agreed to; a consent is proved by them."),
        "channel" => words.t("There is no address on this channel; set it right first."),
        "topic" => words.t("There is no such topic."),
        "basis" => words.t("The topic cannot be allowed on this basis; the settings (permission.topics) name those it can."),
        _ => words.t("This cannot be recorded so; look at each field."),
    }
}
