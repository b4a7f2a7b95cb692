//! `GET /reports/grid/people`: the people of a cell.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{Asked, load};
use crate::reports::ReportError;
use crate::reports::grid::Crossing;
use crate::reports::grid::people::{self, Someone, Wanted};
use crate::reports::table::{counted, money};
use crate::web::console::{Visit, path_segment};
use crate::web::{ApiError, State};

/// People on a page.
const PEOPLE: usize = 50;

#[derive(Debug, Serialize)]
struct PeopleView {
    title: &'static str,
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
    name: &'static str,
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
    fn new(someone: Someone) -> Self {
        let orders = match someone.orders {
            0 => String::new(),
            n => format!(
                ", {} for {}",
                counted(n, "order", "orders"),
                money(someone.revenue_cents)
            ),
        };
        let answer = if someone.has_responded {
            "responded"
        } else {
            "did not respond"
        };
        Self {
            name: someone
                .name
                .unwrap_or_else(|| format!("customer {}", someone.customer)),
            link: format!("/customers/{}", path_segment(&someone.customer.to_string())),
            wave: someone.wave,
            channel: someone.channel,
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
    let asked = Asked::read(&query)?;
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
            name: dimension.title(),
            value: value.clone(),
        })
        .collect();
    if let Some(campaign) = &asked.scope.campaign {
        facts.insert(
            0,
            Fact {
                name: "Campaign",
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
        title: "People of a cell",
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
        people: found.people.into_iter().map(Person::new).collect(),
        is_first: asked.after.is_none(),
    };
    visit.answer(&state, "grid_people", &view)
}
