//! `GET /permission`: the ladder and the rules on one page; `GET /permission/customers/{id}`: the proof of
//! one person's permission, as a page that can be printed and filed.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Visit;
use crate::consent::overview::{self, OverviewError};
use crate::customers::store as customers;
use crate::dialogue::upkeep;
use crate::web::{ApiError, State};

mod proof;

pub use proof::html;
pub(super) use proof::proof;

/// Customers from which on people are counted by the daily upkeep only, not for each look at the page.
const MANY: u32 = 50_000;

/// The length of a full bar, in the units of its drawing.
const FULL: u64 = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Empty: the best of each person's topics.
    #[serde(default)]
    topic: String,
}

#[derive(Debug, Serialize)]
struct LadderView {
    title: String,
    section: &'static str,
    topics: Vec<TopicChoice>,
    is_overall: bool,
    /// With its noun; empty where they were not counted.
    customers: String,
    /// When they were counted, where that was not now.
    as_of: Option<String>,
    is_counted: bool,
    rungs: Vec<RungView>,
    /// How often one may write, and when.
    rules: Vec<String>,
    bases: Vec<BasisView>,
    about: Vec<TopicView>,
}

/// On what bases a topic may be written about.
#[derive(Debug, Serialize)]
struct TopicView {
    title: String,
    bases: String,
}

#[derive(Debug, Serialize)]
struct BasisView {
    title: String,
    rests_on: String,
    law: &'static str,
    holds: String,
}

#[derive(Debug, Serialize)]
struct TopicChoice {
    name: String,
    title: String,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct RungView {
    number: i16,
    title: String,
    who: String,
    contact: String,
    offers: String,
    climb: String,
    holds: String,
    people: String,
    width: u64,
    is_stranger: bool,
}

/// The ladder.
pub(super) async fn ladder(
    visit: Visit,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let topic = Some(asked.topic.as_str()).filter(|topic| !topic.is_empty());
    let now_ms = state.clock.now_ms();
    let are_many = customers::are_more_than(&state.db, MANY)
        .await
        .map_err(ApiError::unavailable)?;
    let (overview, as_of) = if !are_many {
        let overview = overview::overview(&state.db, &state.settings, topic, now_ms).await?;
        (overview, None)
    } else {
        let counted = upkeep::standings(&state.db, topic)
            .await
            .map_err(ApiError::unavailable)?;
        let counts = counted.map(|(_, counts)| counts);
        let overview = overview::of(&state.settings, topic, counts).map_err(ApiError::internal)?;
        (overview, counted.map(|(at, _)| at))
    };
    let is_counted = overview.customers.is_some();
    let topics = overview
        .topics
        .iter()
        .map(|line| TopicChoice {
            name: line.name.clone(),
            title: line.title.clone(),
            is_chosen: topic == Some(&line.name),
        })
        .collect();
    let words = visit.words();
    let rungs = overview
        .rungs
        .iter()
        .map(|rung| RungView {
            number: rung.level.code(),
            title: words.t(rung.title).to_owned(),
            who: words.t(rung.who).to_owned(),
            contact: capital(&words.say(&rung.contact)),
            offers: capital(&words.say(&rung.offers)),
            climb: words.t(rung.climb).to_owned(),
            holds: capital(&words.say(&rung.holds)),
            people: rung
                .people
                .map_or_else(|| "–".to_owned(), |count| words.number(count)),
            width: rung.people.unwrap_or_default() * FULL
                / overview.customers.unwrap_or_default().max(1),
            is_stranger: rung.level.code() == 0,
        })
        .collect();
    let view = LadderView {
        title: words.t("Permission").to_owned(),
        section: "permission",
        topics,
        is_overall: topic.is_none(),
        customers: overview
            .customers
            .map(|count| words.counted(count, "{n} person", "{n} people"))
            .unwrap_or_default(),
        as_of: as_of.map(|at| words.moment(at)),
        is_counted,
        rungs,
        rules: overview
            .caps
            .iter()
            .chain(&overview.hours)
            .map(|rule| words.say(rule))
            .collect(),
        bases: overview
            .bases
            .iter()
            .map(|basis| BasisView {
                title: words.t(basis.ground.title).to_owned(),
                rests_on: words.t(basis.ground.rests_on).to_owned(),
                law: basis.ground.law,
                holds: words.say(&basis.holds),
            })
            .collect(),
        about: overview
            .topics
            .iter()
            .map(|topic| TopicView {
                title: topic.title.clone(),
                bases: words.say(&topic.bases),
            })
            .collect(),
    };
    visit.answer(&state, "permission", &view)
}

impl From<OverviewError> for ApiError {
    fn from(error: OverviewError) -> Self {
        match error {
            OverviewError::Database(_) => Self::unavailable(error),
            OverviewError::Settings(_) => Self::internal(error),
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
