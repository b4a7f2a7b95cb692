//! A yes or a no that was said to people of the firm, with its proof.

use actix_web::{HttpResponse, web};
use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::customer;
use crate::clock::from_ms;
use crate::config::in_language;
use crate::consent::model::{Basis, Channel, Scope};
use crate::customers::model::Customer;
use crate::dialogue::DialogueError;
use crate::dialogue::object::{self, Objection};
use crate::dialogue::permit::{self, Yes};
use crate::ids::CustomerId;
use crate::web::console::customers::name;
use crate::web::console::customers::page::{basis_in_words, by_channel};
use crate::web::console::{Visit, see_other};
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

/// Records what he said.
pub(in crate::web::console::customers) async fn answer(
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
            "say where he said so; it is the proof".to_owned(),
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
        .map_err(|_cause| refuse("the day he said so is not a day"))?;
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
