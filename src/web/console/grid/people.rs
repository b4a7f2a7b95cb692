//! `GET /reports/grid/people`: the people of a cell.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{Asked, load};
use crate::dialogue::export;
use crate::ids::CustomerId;
use crate::reports::ReportError;
use crate::reports::grid::Crossing;
use crate::reports::grid::people::{self, Someone, Wanted};
use crate::web::console::{Visit, path_segment};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// People on a page.
const PEOPLE: usize = 50;

#[derive(Debug, Serialize)]
struct PeopleView {
    title: String,
    section: &'static str,
    back: String,
    /// What all of them have in common.
    facts: Vec<Fact>,
    only_responders: bool,
    responders: String,
    everyone: String,
    people: Vec<Person>,
    next: Option<String>,
    is_first: bool,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct Person {
    name: String,
    link: String,
    wave: String,
    channel: String,
    answer: String,
}

impl Person {
    fn new(someone: Someone, words: &Words) -> Self {
        let orders = match someone.orders {
            0 => String::new(),
            n => words.fill(
                ", {orders} for {amount}",
                &[
                    ("orders", words.counted(n, "{n} order", "{n} orders")),
                    ("amount", words.money(someone.revenue_cents)),
                ],
            ),
        };
        let answer = if someone.has_responded {
            words.t("responded")
        } else {
            words.t("did not respond")
        };
        Self {
            name: someone.name.unwrap_or_else(|| {
                words.fill("customer {n}", &[("n", someone.customer.to_string())])
            }),
            link: format!("/customers/{}", path_segment(&someone.customer.to_string())),
            wave: someone.wave,
            channel: words.t(&someone.channel).to_owned(),
            answer: format!("{answer}{orders}"),
        }
    }
}

/// The people of a cell.
pub(in crate::web::console) async fn page(
    visit: Visit,
    query: web::Query<Vec<(String, String)>>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    const PAGE: &str = "/reports/grid/people";
    let asked = Asked::read(&query, visit.words().zone())?;
    let words = visit.words();
    let loaded = load(&state, &asked).await?;
    let wanted = Wanted {
        filters: asked.crossing.filters.clone(),
        only_responders: asked.only_responders,
        after: asked.after,
        limit: PEOPLE,
    };
    let found = people::people(&state.db, &loaded, &wanted)
        .await
        .map_err(ReportError::from)?;
    let seen: Vec<CustomerId> = found.people.iter().map(|one| one.customer).collect();
    let now_ms = state.clock.now_ms();
    export::note_access_to(&state.db, &seen, &visit.actor(), now_ms).await?;
    let who = if asked.only_responders {
        "responders"
    } else {
        "all"
    };
    let mut facts: Vec<Fact> = asked
        .crossing
        .filters
        .iter()
        .map(|(dimension, value)| Fact {
            name: words.t(dimension.title()).to_owned(),
            value: dimension.said(value).said_by(words),
        })
        .collect();
    if let Some(campaign) = &asked.scope.campaign {
        facts.insert(
            0,
            Fact {
                name: words.t("Campaign").to_owned(),
                value: campaign.clone(),
            },
        );
    }
    let crossed = [Some(asked.crossing.rows), asked.crossing.columns];
    let grid = Asked {
        crossing: Crossing {
            filters: asked
                .crossing
                .filters
                .iter()
                .filter(|(dimension, _)| !crossed.contains(&Some(*dimension)))
                .cloned()
                .collect(),
            ..asked.crossing.clone()
        },
        ..asked.clone()
    };
    let view = PeopleView {
        title: words.t("People of a cell").to_owned(),
        section: "grid",
        back: grid.address("/reports/grid", &[], &[]),
        facts,
        only_responders: asked.only_responders,
        responders: asked.address(PAGE, &[], &[("who", "responders")]),
        everyone: asked.address(PAGE, &[], &[("who", "all")]),
        next: found.next.map(|key| {
            let after = key.to_string();
            asked.address(PAGE, &[], &[("who", who), ("after", &after)])
        }),
        people: found
            .people
            .into_iter()
            .map(|someone| Person::new(someone, words))
            .collect(),
        is_first: asked.after.is_none(),
    };
    visit.answer(&state, "grid_people", &view)
}
