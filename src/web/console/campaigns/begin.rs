//! `/campaigns/new`: a draft begins, from nothing or from what there is; and how it is given up.

use std::borrow::Cow;

use actix_web::{HttpResponse, web};
use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::{Fault, Given, address, author};
use crate::campaigns::definition::{Missed, Schedule, Zone};
use crate::campaigns::drafts::{Draft, DraftError, edit};
use crate::web::console::{Visit, see_other};
use crate::web::{ApiError, State};

/// What the new draft is like.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    from: String,
    /// The day on which it is to leave, as the calendar has it.
    #[serde(default)]
    at: String,
}

#[derive(Debug, Serialize)]
struct View {
    title: Cow<'static, str>,
    section: &'static str,
    name: String,
    from: String,
    at: String,
    faults: Vec<Fault>,
}

/// The form.
pub(super) async fn page(
    visit: Visit,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Asked { from, at } = asked.into_inner();
    let name = match from.is_empty() {
        true => String::new(),
        false => next_name(&from),
    };
    let view = View {
        title: visit.words().t("New campaign").into(),
        section: "campaigns",
        name,
        from,
        at,
        faults: Vec::new(),
    };
    visit.answer(&state, "campaign_new", &view)
}

/// `spring` becomes `spring-2`, and `spring-2` becomes `spring-3`.
fn next_name(from: &str) -> String {
    if let Some((stem, number)) = from.rsplit_once('-')
        && number.len() < 4
        && let Ok(number) = number.parse::<u32>()
    {
        return format!("{stem}-{}", number + 1);
    }
    format!("{from}-2")
}

/// What a person wrote, as a name: `Soldes d'été 2027` becomes `soldes-d-ete-2027`.
fn as_name(text: &str) -> String {
    let folded = crate::storage::text::fold(text);
    let mut name = String::with_capacity(folded.len());
    for c in folded.chars() {
        match c {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.truncate(60);
    name.trim_end_matches('-').to_owned()
}

/// Begins.
pub(super) async fn begin(
    visit: Visit,
    given: web::Form<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (name, from) = (as_name(given.text("name")), given.text("from"));
    let (who, now_ms) = (author(&visit), state.clock.now_ms());
    let begun = match from.is_empty() {
        true => edit::begin(&state.db, &name, &who, now_ms).await,
        false => edit::duplicate(&state.db, from, &name, &who, now_ms).await,
    };
    let words = visit.words();
    let problem = match begun {
        Ok(draft) => {
            plan_day(&visit, &state, &draft, given.text("at")).await?;
            return Ok(see_other(&address(&draft.name, "audience")));
        }
        Err(DraftError::Taken { name }) => words.fill(
            "{name} is taken by another campaign. Take another name.",
            &[("name", name)],
        ),
        Err(DraftError::Name { .. }) => words
            .t("Give a name of letters and digits, at most 60.")
            .into(),
        Err(error) => return Err(error.into()),
    };
    let view = View {
        title: words.t("New campaign").into(),
        section: "campaigns",
        name: given.text("name").to_owned(),
        from: from.to_owned(),
        at: given.text("at").to_owned(),
        faults: vec![Fault {
            field: "name",
            problem,
        }],
    };
    visit.refuse(&state, "campaign_new", &view)
}

/// Plans the launch for the morning of a day that was chosen in the calendar.
async fn plan_day(visit: &Visit, state: &State, draft: &Draft, day: &str) -> Result<(), ApiError> {
    let nine = NaiveTime::from_hms_opt(9, 30, 0).unwrap_or_default();
    let Ok(day) = NaiveDate::parse_from_str(day, "%Y-%m-%d") else {
        return Ok(());
    };
    let mut definition = draft.definition.clone();
    let zone = visit.words().zone();
    definition.schedule = Some(Schedule {
        at: Some(day.and_time(nine)),
        every: None,
        zone: Zone::Named(zone),
        fallback_zone: zone,
        missed: Missed::default(),
    });
    edit::save(
        &state.db,
        &draft.name,
        draft.revision,
        definition,
        draft.step,
        &author(visit),
        state.clock.now_ms(),
    )
    .await?;
    Ok(())
}

/// Opens a campaign that is not under way for a change.
pub(super) async fn reopen(
    visit: Visit,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let draft = edit::reopen(&state.db, &name, &author(&visit), now_ms).await?;
    Ok(see_other(&address(&draft.name, "review")))
}

#[derive(Debug, Serialize)]
struct DeleteView {
    title: Cow<'static, str>,
    section: &'static str,
    name: String,
    back: String,
}

/// Asks whether the draft is to go.
pub(super) async fn delete_page(
    visit: Visit,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = super::find(&state, &name).await?;
    let view = DeleteView {
        title: visit.words().t("Delete the draft").into(),
        section: "campaigns",
        back: address(&draft.name, draft.step.as_str()),
        name: draft.name,
    };
    visit.answer(&state, "campaign_delete", &view)
}

/// Takes the draft away.
pub(super) async fn delete(
    visit: Visit,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    edit::delete(&state.db, &name, &author(&visit), state.clock.now_ms()).await?;
    Ok(see_other("/campaigns"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_name() {
        assert_eq!(as_name("Soldes d'été 2027 !"), "soldes-d-ete-2027");
        assert_eq!(as_name(" -- "), "");
        assert_eq!(as_name(&"é".repeat(99)).len(), 60);
    }

    #[test]
    fn a_copy_counts_on() {
        assert_eq!(next_name("spring"), "spring-2");
        assert_eq!(next_name("spring-2"), "spring-3");
        assert_eq!(next_name("spring-2027"), "spring-2027-2");
    }
}
