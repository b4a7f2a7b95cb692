//! Taking a customer in, and setting his fields right.

use actix_web::{HttpResponse, web};

use super::customer;
use super::form::{FIELDS, Fault, Form, form_view, held, is_changed, label, shown};
use crate::customers::import::{Correction, read_fields};
use crate::customers::model::Customer;
use crate::dialogue::rectify as rectification;
use crate::dialogue::{DialogueError, admit as admission, export as exports};
use crate::ids::CustomerId;
use crate::web::console::{Visit, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// The form for a new customer.
pub(in crate::web::console::customers) async fn blank(
    visit: Visit,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let view = form_view(
        visit.words(),
        &state.settings.customers,
        None,
        None,
        Fault::default(),
    );
    visit.answer(&state, "customer_form", &view)
}

/// Takes a new customer in.
pub(in crate::web::console::customers) async fn admit(
    visit: Visit,
    form: web::Form<Form>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let given = fields(&form, |_, value| !value.is_empty());
    let admitted = match read_fields(&given, &state.settings.customers.country, now_ms) {
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
            let fault = fault(error, visit.words())?;
            let view = form_view(
                visit.words(),
                &state.settings.customers,
                None,
                Some(&form),
                fault,
            );
            visit.refuse(&state, "customer_form", &view)
        }
    }
}

/// What a person can mend; all else is an error of the request.
fn fault(error: DialogueError, words: &Words) -> Result<Fault, ApiError> {
    match error {
        DialogueError::Field(problem) => Ok(Fault {
            text: Some(words.fill(
                "{problem}; nothing was changed",
                &[("problem", told(&problem, words))],
            )),
            known: None,
        }),
        DialogueError::Known(known) => Ok(Fault {
            text: Some(words.fill(
                "customer {id} is known by this key, address or number already; nothing was changed",
                &[("id", known.to_string())],
            )),
            known: Some(known),
        }),
        error => Err(error.into()),
    }
}

/// What is wrong with a field, which is called as the form calls it.
fn told(problem: &str, words: &Words) -> String {
    let Some((name, fault)) = problem.split_once(' ') else {
        return words.t(problem).to_owned();
    };
    let (label, _) = label(name, words);
    if label == name {
        return words.t(problem).to_owned();
    }
    let english = match fault {
        "cannot be empty" => "{name} cannot be empty",
        fault if fault.starts_with("holds a line break") => {
            "{name} holds a line break or another control character"
        }
        fault if fault.starts_with("is longer than") => "{name} is longer than {n} characters",
        _ => return words.t(problem).to_owned(),
    };
    let n: String = fault.chars().filter(char::is_ascii_digit).collect();
    words.fill(english, &[("name", label), ("n", n.as_str())])
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

/// The form of a known customer.
pub(in crate::web::console::customers) async fn form(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let customer = customer(&state, id).await?;
    exports::note_access(&state.db, id, &visit.actor(), state.clock.now_ms()).await?;
    let view = form_view(
        visit.words(),
        &state.settings.customers,
        Some(&customer),
        None,
        Fault::default(),
    );
    visit.answer(&state, "customer_form", &view)
}

/// The fields that both this person and somebody else changed since the form was made, if there are any.
fn overtaken(
    words: &Words,
    customer: &Customer,
    form: &Form,
    changed: &[(String, String)],
) -> Option<Fault> {
    let told: Vec<String> = changed
        .iter()
        .filter_map(|(field, value)| {
            let now = held(customer, field);
            let is_overtaken =
                shown(form, field).is_some_and(|shown| shown != now) && *value != now;
            is_overtaken.then(|| {
                let now = words.fill("“{text}”", &[("text", &now)]);
                words.pair(label(field, words).0, &now)
            })
        })
        .collect();
    (!told.is_empty()).then(|| Fault {
        text: Some(words.fill(
            "Somebody changed this in the meantime, and nothing is saved yet. What the base has now: {fields}. Yours stands below; save again to put it in its place.",
            &[("fields", told.join(", "))],
        )),
        known: None,
    })
}

/// Sets the fields right that the person changed.
pub(in crate::web::console::customers) async fn rectify(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<Form>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let now_ms = state.clock.now_ms();
    let customer = customer(&state, id).await?;
    // Only what he changed: the rest may be newer than his form.
    let changed = fields(&form, |field, _| {
        is_changed(&form, field, &held(&customer, field))
    });
    if let Some(fault) = overtaken(visit.words(), &customer, &form, &changed) {
        let view = form_view(
            visit.words(),
            &state.settings.customers,
            Some(&customer),
            Some(&form),
            fault,
        );
        return visit.refuse(&state, "customer_form", &view);
    }
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
            let fault = fault(error, visit.words())?;
            let view = form_view(
                visit.words(),
                &state.settings.customers,
                Some(&customer),
                Some(&form),
                fault,
            );
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
