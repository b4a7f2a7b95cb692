//! `/campaigns/{name}/audience`: whom the campaign means, and how many they are.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{Choice, Given, Head, Uncounted, find, is_outrun, save_step, told};
use crate::campaigns::drafts::{Draft, Step};
use crate::consent::model::Channel;
use crate::customers::store as customers;
use crate::segments::{Rule, library, names, store as segments};
use crate::storage::Unanswered;
use crate::web::console::Visit;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    head: Head,
    segment: String,
    /// Saved segments, with their rules as values.
    saved: Vec<Choice>,
    per_household: bool,
    counted: Option<Counted>,
}

/// How many a rule means.
#[derive(Debug, Serialize)]
struct Counted {
    people: u64,
    of: u64,
    share: f64,
    topic: String,
    by_email: u64,
    by_sms: u64,
    notes: Vec<String>,
    /// What is wrong with the rule; the counts are then 0.
    problem: Option<String>,
    /// Why there is no count, in words.
    uncounted: Option<String>,
}

/// The step; with `?segment=` as it would be, with its count, and nothing saved.
pub(super) async fn page(
    visit: Visit,
    name: web::Path<String>,
    query: web::Query<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let tried = query
        .is("segment")
        .then(|| query.text("segment").to_owned());
    let counted = match &tried {
        Some(rule) => Some(count(&visit, &state, &draft, rule).await?),
        None => None,
    };
    let words = visit.words();
    let done = query.some("done");
    let segment = tried.unwrap_or_else(|| draft.definition.segment.clone());
    let view = View {
        title: draft.name.clone(),
        section: "campaigns",
        script: "/assets/campaigns.js",
        head: Head::new(&draft, Step::Audience, words, done.as_deref()),
        saved: saved_segments(&state, &segment).await?,
        segment,
        per_household: match query.is("segment") {
            true => query.is("per_household"),
            false => draft.definition.per_household,
        },
        counted,
    };
    visit.answer(&state, "campaign_audience", &view)
}

/// The segments that are kept, with their rules as values.
async fn saved_segments(state: &State, segment: &str) -> Result<Vec<Choice>, ApiError> {
    let kept = library::list(&state.db, library::Archived::No)
        .await
        .map_err(ApiError::unavailable)?;
    let choices = kept.into_iter();
    Ok(choices
        .map(|one| Choice::new(&one.rule, one.name, segment))
        .collect())
}

/// Only the count, for the script.
pub(super) async fn fragment(
    visit: Visit,
    name: web::Path<String>,
    query: web::Query<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let counted = count(&visit, &state, &draft, query.text("segment")).await?;
    #[derive(Serialize)]
    struct Fragment {
        counted: Counted,
    }
    visit.answer(&state, "campaign_count", &Fragment { counted })
}

/// Counts whom a rule means, and how many of them a message about the topic may reach.
async fn count(
    visit: &Visit,
    state: &State,
    draft: &Draft,
    rule: &str,
) -> Result<Counted, ApiError> {
    let topic = topic_of(state, draft);
    let mut counted = Counted {
        people: 0,
        of: 0,
        share: 0.0,
        topic: topic.clone(),
        by_email: 0,
        by_sms: 0,
        notes: Vec::new(),
        problem: None,
        uncounted: None,
    };
    let parsed = match Rule::parse(rule) {
        Ok(parsed) => parsed,
        Err(error) => {
            counted.problem = Some(visit.words().fault(&error));
            return Ok(counted);
        }
    };
    counted.notes = names::unknown(&state.db, &parsed)
        .await
        .map_err(ApiError::unavailable)?
        .iter()
        .map(|note| visit.words().say(note))
        .collect();
    let (now, patience) = (state.clock.now(), state.studies.patience());
    let counting = async {
        let among =
            async |rule: &Rule| segments::count_within(&state.db, rule, now, patience).await;
        let people = among(&parsed).await?;
        let mut reachable = [0, 0];
        for (channel, of_channel) in Channel::ALL.into_iter().zip(&mut reachable) {
            let rule = format!("({rule}) and can receive {channel} about \"{topic}\"");
            if let Ok(rule) = Rule::parse(&rule) {
                *of_channel = among(&rule).await?;
            }
        }
        Ok::<_, Unanswered>((people, reachable))
    };
    // Who types on asks anew.
    let who = format!("{} count", visit.actor());
    let turns = state.studies.turns();
    match turns.ask(Some(&who), patience, counting).await {
        Ok((people, [by_email, by_sms])) => {
            counted.people = people;
            counted.by_email = by_email;
            counted.by_sms = by_sms;
        }
        Err(error) => {
            counted.uncounted = Some(told(Uncounted::of(&error), visit.words(), patience));
            return Ok(counted);
        }
    }
    counted.of = customers::count(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    counted.share =
        crate::statistics::as_f64(counted.people) / crate::statistics::as_f64(counted.of.max(1));
    Ok(counted)
}

/// What the campaign is about, or the first there is to be about.
fn topic_of(state: &State, draft: &Draft) -> String {
    let own = Some(draft.definition.topic.clone()).filter(|topic| !topic.is_empty());
    let first = state.settings.permission.topics.first();
    own.or_else(|| first.map(|topic| topic.name.clone()))
        .unwrap_or_default()
}

/// Saves.
pub(super) async fn save(
    visit: Visit,
    name: web::Path<String>,
    given: web::Form<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let mut definition = draft.definition.clone();
    // The rule is kept even where it cannot be read: what is wrong is said on the page.
    definition.segment = match given.some("saved") {
        Some(rule) if given.text("go") == "take" => rule,
        _ => given.text("segment").replace("\r\n", "\n"),
    };
    definition.per_household = given.is("per_household");
    let words = visit.words();
    let fault = match definition.segment.is_empty() {
        true => None,
        false => Rule::parse(&definition.segment).err(),
    };
    let is_stale = is_outrun(&draft, &given, &definition);
    if fault.is_some() || is_stale {
        let mut head = Head::refused(&draft, Step::Audience, words, &given, is_stale);
        head.faults.extend(fault.map(|error| super::Fault {
            field: "segment",
            problem: words.fault(&error),
        }));
        let view = View {
            title: draft.name.clone(),
            section: "campaigns",
            script: "/assets/campaigns.js",
            head,
            saved: saved_segments(&state, &definition.segment).await?,
            segment: definition.segment,
            per_household: definition.per_household,
            counted: None,
        };
        return visit.refuse(&state, "campaign_audience", &view);
    }
    save_step(&visit, &state, &draft, &given, definition, Step::Audience).await
}
