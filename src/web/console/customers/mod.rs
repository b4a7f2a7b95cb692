//! `GET /customers`: finding people. Behind it a page for each of them ([`page`]), and what may be done there
//! ([`change`]).

mod change;
mod page;
mod why;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{Visit, path_segment, place, see_other};
use crate::accounts::model::Right;
use crate::customers::model::{Customer, EmailState, Stage};
use crate::customers::search::{self, Place, ValueClass, Wanted};
use crate::ids::CustomerId;
use crate::statistics::Sentence;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// People on a page.
const PAGE: usize = 50;

/// Registers the pages about people.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(place("/customers", "GET", Right::People).route(web::get().to(list)))
        // Before the page, whose pattern would take it too.
        .service(
            place("/customers/new", "GET, POST", Right::EditPeople)
                .route(web::get().to(change::profile::blank))
                .route(web::post().to(change::profile::admit)),
        )
        .service(place("/customers/{id}", "GET", Right::People).route(web::get().to(page::page)))
        .service(
            place("/customers/{id}/edit", "GET, POST", Right::EditPeople)
                .route(web::get().to(change::profile::form))
                .route(web::post().to(change::profile::rectify)),
        )
        .service(
            place("/customers/{id}/permission", "GET, POST", Right::EditPeople)
                .route(web::get().to(change::permission::form))
                .route(web::post().to(change::permission::answer)),
        )
        .service(
            place("/customers/{id}/notes", "POST", Right::EditPeople)
                .route(web::post().to(change::notes::add)),
        )
        .service(
            place(
                "/customers/{id}/notes/{note}/remove",
                "POST",
                Right::EditPeople,
            )
            .route(web::post().to(change::notes::remove)),
        )
        .service(
            place("/customers/{id}/export", "POST", Right::EditPeople)
                .route(web::post().to(change::export::export)),
        )
        .service(
            place("/customers/{id}/erase", "GET, POST", Right::EditPeople)
                .route(web::get().to(change::erase::question))
                .route(web::post().to(change::erase::erase)),
        )
        .service(place("/customers/{id}/why", "GET", Right::People).route(web::get().to(why::page)))
        .service(
            place("/customers/{id}/messages/{wave}", "GET", Right::People)
                .route(web::get().to(why::message)),
        );
}

/// Whom somebody looks for; every field may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    stage: String,
    class: String,
    country: String,
    language: String,
    after: Option<String>,
    done: String,
}

#[derive(Debug, Serialize)]
struct ListView {
    title: String,
    section: &'static str,
    done: Option<String>,
    search: String,
    country: String,
    language: String,
    stages: Vec<Choice>,
    classes: Vec<Choice>,
    people: Vec<Person>,
    /// Whether somebody was looked for, or everyone is listed.
    is_asked: bool,
    is_cut: bool,
    is_paged: bool,
    first: Option<String>,
    next: Option<String>,
}

/// One of several values of a field.
#[derive(Debug, Serialize)]
struct Choice {
    value: String,
    name: String,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct Person {
    id: i64,
    name: String,
    /// His number, and the firm's own key.
    remark: String,
    email: Option<String>,
    is_email_bad: bool,
    phone: Option<String>,
    place: String,
    stage: String,
    orders: i64,
    revenue_cents: i64,
}

impl Person {
    fn new(customer: &Customer, words: &Words) -> Self {
        let number = customer.id.to_string();
        let remark = match &customer.external_id {
            Some(key) => format!("{number} · {key}"),
            None => number,
        };
        Self {
            id: customer.id.0,
            name: name(customer, words),
            remark,
            email: customer.email.clone(),
            is_email_bad: customer.email_state != EmailState::Ok,
            phone: customer.phone.clone(),
            place: lives_in(customer),
            stage: words.t(stage_in_words(customer.stage)).to_owned(),
            orders: customer.orders_count,
            revenue_cents: customer.revenue_cents,
        }
    }
}

impl Asked {
    /// `region` is the country of telephone numbers without a prefix.
    fn wanted(&self, region: &str) -> Wanted {
        let code = |text: &str| {
            Some(text.trim())
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        Wanted {
            text: self.q.trim().to_owned(),
            region: region.to_owned(),
            stage: Stage::ALL
                .into_iter()
                .find(|stage| stage.as_str() == self.stage),
            country: code(&self.country.to_uppercase()),
            language: code(&self.language.to_lowercase()),
            class: ValueClass::ALL
                .into_iter()
                .find(|class| class.as_str() == self.class),
        }
    }

    /// The same question, from a place on.
    fn link(&self, wanted: &Wanted, after: Option<&Place>) -> String {
        let mut pairs = vec![("q", wanted.text.clone())];
        pairs.extend(
            wanted
                .stage
                .map(|stage| ("stage", stage.as_str().to_owned())),
        );
        pairs.extend(
            wanted
                .class
                .map(|class| ("class", class.as_str().to_owned())),
        );
        pairs.extend(wanted.country.clone().map(|country| ("country", country)));
        pairs.extend(
            wanted
                .language
                .clone()
                .map(|language| ("language", language)),
        );
        pairs.extend(after.map(|after| ("after", after.to_word())));
        let query: Vec<String> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", path_segment(value)))
            .collect();
        format!("/customers?{}", query.join("&"))
    }
}

/// Those who may be meant; leads straight to the only one.
pub(super) async fn list(
    visit: Visit,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let wanted = asked.wanted(&state.settings.customers.country);
    let after = asked.after.as_deref().and_then(Place::from_word);
    let found = search::search(&state.db, &wanted, after.as_ref(), PAGE)
        .await
        .map_err(ApiError::unavailable)?;
    if let [only] = found.customers.as_slice()
        && found.next.is_none()
        && after.is_none()
        && !wanted.text.is_empty()
        && !wanted.is_filtered()
    {
        return Ok(see_other(&format!("/customers/{}", only.id)));
    }
    let next = found
        .next
        .as_ref()
        .map(|next| asked.link(&wanted, Some(next)));
    let first = after.map(|_| asked.link(&wanted, None));
    let view = ListView {
        title: words.t("Customers").to_owned(),
        section: "customers",
        done: (asked.done == "erased").then(|| {
            words
                .t("Erased. The number, the fingerprints that keep us from writing again and the proof of permission stay.")
                .to_owned()
        }),
        stages: stages(words, wanted.stage),
        classes: ValueClass::ALL
            .into_iter()
            .map(|class| Choice {
                value: class.as_str().to_owned(),
                name: class.as_str().to_uppercase(),
                is_chosen: wanted.class == Some(class),
            })
            .collect(),
        people: found
            .customers
            .iter()
            .map(|customer| Person::new(customer, words))
            .collect(),
        is_asked: !wanted.text.is_empty() || wanted.is_filtered(),
        is_cut: found.is_cut,
        is_paged: next.is_some() || first.is_some(),
        search: wanted.text.clone(),
        country: wanted.country.unwrap_or_default(),
        language: wanted.language.unwrap_or_default(),
        first,
        next,
    };
    visit.answer(&state, "customers", &view)
}

fn stages(words: &Words, chosen: Option<Stage>) -> Vec<Choice> {
    Stage::ALL
        .into_iter()
        .map(|stage| Choice {
            value: stage.as_str().to_owned(),
            name: words.t(stage_in_words(stage)).to_owned(),
            is_chosen: chosen == Some(stage),
        })
        .collect()
}

fn stage_in_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Suspect => "Suspect",
        Stage::Prospect => "Prospect",
        Stage::Customer => "Customer",
        Stage::Lapsed => "Lapsed",
    }
}

/// The name, or the number of one who has none.
fn name(customer: &Customer, words: &Words) -> String {
    let names: Vec<&str> = [&customer.first_name, &customer.last_name, &customer.company]
        .into_iter()
        .filter_map(|name| name.as_deref())
        .take(2)
        .collect();
    if names.is_empty() {
        words.fill("Customer {n}", &[("n", customer.id.to_string())])
    } else {
        names.join(" ")
    }
}

fn lives_in(customer: &Customer) -> String {
    let parts = [customer.postal_code.as_deref(), customer.city.as_deref()];
    let parts: Vec<&str> = parts
        .into_iter()
        .flatten()
        .chain([customer.country.as_str()])
        .collect();
    parts.join(" ")
}

/// That there is no such customer (any more).
fn nobody(id: CustomerId) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND).with_detail(
        Sentence::new(
            "there is no customer {id}; one who was erased has left only the proof of permission",
        )
        .named("id", id),
    )
}
