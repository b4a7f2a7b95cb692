//! Erasing a customer, behind a question.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::customer;
use crate::customers::model::Customer;
use crate::dialogue::erase as erasure;
use crate::ids::CustomerId;
use crate::web::console::customers::name;
use crate::web::console::{Visit, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

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
pub(in crate::web::console::customers) async fn question(
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
pub(in crate::web::console::customers) struct Meant {
    #[serde(default)]
    number: String,
}

/// Erases him.
pub(in crate::web::console::customers) async fn erase(
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
