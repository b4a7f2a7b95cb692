//! Why one person is in a segment, or is not.

use serde::Serialize;

use super::Shown;
use super::draft::Draft;
use super::sentence;
use crate::accounts::model::Right;
use crate::customers::model::Customer;
use crate::customers::store as customers;
use crate::dialogue::export;
use crate::segments::{Explanation, Rule, store};
use crate::web::console::Visit;
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
pub(super) struct ExplainedView {
    id: i64,
    name: String,
    is_in: bool,
    reason: ReasonView,
}

/// A part of a rule and whether it is true of somebody.
#[derive(Debug, Serialize)]
struct ReasonView {
    said: String,
    is_true: bool,
    found: Option<String>,
    parts: Vec<ReasonView>,
}

impl ReasonView {
    fn new(words: &Words, explanation: &Explanation) -> Self {
        let said = if explanation.parts.is_empty() {
            match Rule::parse(&explanation.rule) {
                Ok(rule) => sentence::of_leaf(words, rule.root()),
                Err(_) => explanation.rule.clone(),
            }
        } else {
            let said = match explanation.rule.as_str() {
                "all of" => words.t("all of these hold"),
                "any of" => words.t("at least one of these holds"),
                _ => words.t("this does not hold"),
            };
            said.to_owned()
        };
        Self {
            said,
            is_true: explanation.is_true,
            found: explanation.found.clone(),
            parts: explanation
                .parts
                .iter()
                .map(|part| Self::new(words, part))
                .collect(),
        }
    }
}

/// Says why somebody is in or out; who looks at a person is noted.
pub(super) async fn explain(
    visit: &Visit,
    state: &State,
    draft: &mut Draft,
    shown: &mut Shown,
) -> Result<(), ApiError> {
    visit.require(Right::People)?;
    let words = visit.words();
    let Some(rule) = draft.rule() else {
        return Ok(());
    };
    let who = draft.who.trim().replace('\0', "");
    let customer = match who.as_str() {
        "" => None,
        who => customers::find(&state.db, who)
            .await
            .map_err(ApiError::unavailable)?,
    };
    let profile = match &customer {
        None => None,
        Some(customer) => store::profile(&state.db, customer.id)
            .await
            .map_err(ApiError::unavailable)?,
    };
    let Some(profile) = profile else {
        shown.unexplained = Some(words.fill(
            "Nobody in the base is known by “{who}”; write a customer’s number, your own key, or a whole mail address.",
            &[("who", who)],
        ));
        return Ok(());
    };
    let now = state.clock.now();
    export::note_access(
        &state.db,
        profile.customer.id,
        &visit.actor(),
        now.timestamp_millis(),
    )
    .await
    .map_err(ApiError::unavailable)?;
    let explanation = rule.explain(&profile, now);
    shown.explained = Some(ExplainedView {
        id: profile.customer.id.0,
        name: name(words, &profile.customer),
        is_in: explanation.is_true,
        reason: ReasonView::new(words, &explanation),
    });
    Ok(())
}

/// What a customer is called.
pub(super) fn name(words: &Words, customer: &Customer) -> String {
    let names = [&customer.first_name, &customer.last_name];
    let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
    match (names.is_empty(), &customer.company) {
        (false, _) => names.join(" "),
        (true, Some(company)) => company.clone(),
        (true, None) => words.fill("Customer no. {n}", &[("n", customer.id.to_string())]),
    }
}
