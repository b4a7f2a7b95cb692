//! What the forms of the wizard have in common: shown with what is saved, saved when it can be read, and shown
//! again with what is wrong.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::form::Reader;
use super::{Given, Head, find, is_outrun, preview, save_step};
use crate::campaigns::definition::Definition;
use crate::campaigns::drafts::{Draft, Step};
use crate::web::console::Visit;
use crate::web::{ApiError, State};

/// A step of the wizard as its fields show it.
pub(super) trait StepForm: Sized {
    const STEP: Step;
    /// The page it stands on.
    const PAGE: &'static str;
    /// Whether a message is shown beside it.
    const HAS_MESSAGE: bool = false;

    type View: Serialize;

    /// The fields of what is saved.
    fn of(plan: &Definition) -> Self;

    /// The fields as they were filled in.
    fn given(given: &Given) -> Self;

    /// Puts the fields into a plan, and notes what cannot be read.
    fn put(&self, plan: &mut Definition, read: &mut Reader<'_>);

    /// Notes what can be read and is of no use now.
    fn judge(_plan: &Definition, _now: DateTime<Utc>, _read: &mut Reader<'_>) {}

    /// The page; `query` tells as whom a message is shown.
    async fn view(
        self,
        visit: &Visit,
        state: &State,
        draft: &Draft,
        head: Head,
        query: &Given,
    ) -> Result<Self::View, ApiError>;
}

/// The step.
pub(super) async fn page<F: StepForm + 'static>(
    visit: Visit,
    name: web::Path<String>,
    query: web::Query<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let words = visit.words();
    let done = query.some("done");
    let head = Head::new(&draft, F::STEP, words, done.as_deref());
    let form = F::of(&draft.definition);
    let view = form.view(&visit, &state, &draft, head, &query).await?;
    Ok(framed::<F>(visit.answer(&state, F::PAGE, &view)?))
}

/// Saves, or says what is wrong.
pub(super) async fn save<F: StepForm + 'static>(
    visit: Visit,
    name: web::Path<String>,
    given: web::Form<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let words = visit.words();
    let form = F::given(&given);
    let mut definition = draft.definition.clone();
    let mut read = Reader::new(words);
    form.put(&mut definition, &mut read);
    F::judge(&definition, state.clock.now(), &mut read);
    let faults = read.faults;
    let is_stale = is_outrun(&draft, &given, &definition);
    if faults.is_empty() && !is_stale {
        return save_step(&visit, &state, &draft, &given, definition, F::STEP).await;
    }
    let mut head = Head::refused(&draft, F::STEP, words, &given, is_stale);
    head.faults = faults;
    let query = Given::default();
    let view = form.view(&visit, &state, &draft, head, &query).await?;
    Ok(framed::<F>(visit.refuse(&state, F::PAGE, &view)?))
}

fn framed<F: StepForm>(response: HttpResponse) -> HttpResponse {
    match F::HAS_MESSAGE {
        true => preview::framed(response),
        false => response,
    }
}
