//! The message of a draft, as one customer would get it: on the page, and in a test send.

use std::borrow::Cow;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{Choice, Given, find};
use crate::campaigns::drafts::Draft;
use crate::consent::model::Channel;
use crate::customers::model::Customer;
use crate::customers::store as customers;
use crate::delivery::trial::{self, Specimen, Trial, TrialError};
use crate::dialogue::export;
use crate::templates::{Template, library, sample_customer};
use crate::web::console::Visit;
use crate::web::{ApiError, State};

/// The policy of a page with a message in it. The message stands in a sandboxed frame, which inherits it: its
/// styles are let in, its remote pictures are not, and in the frame no script runs.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// Lets a message stand in a page.
pub(super) fn framed(mut response: HttpResponse) -> HttpResponse {
    let policy = HeaderValue::from_static(POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// A message as the page shows it.
#[derive(Debug, Serialize)]
pub(super) struct Preview {
    /// Where the choice of another customer, language or cell leads.
    languages: Vec<Choice>,
    cells: Vec<Choice>,
    channels: Vec<Choice>,
    /// As whom it is written; empty: an invented one.
    who: String,
    /// What was asked for and is not there.
    missing: String,
    name: String,
    is_sms: bool,
    subject: String,
    html: String,
    text: String,
    size: String,
    sender: String,
    problem: String,
}

impl Preview {
    /// Of the draft's template, as `query` asks: `as`, `language`, `cell` and `by`. None while there is no template.
    pub async fn of(
        visit: &Visit,
        state: &State,
        draft: &Draft,
        query: &Given,
    ) -> Result<Option<Self>, ApiError> {
        let plan = &draft.definition;
        if plan.template.is_empty() {
            return Ok(None);
        }
        let cell = query.text("cell");
        let name = plan.template_of(cell);
        let (mut customer, missing) = customer(visit, state, query.text("as")).await?;
        let who = match missing.is_empty() {
            true => query.text("as").to_owned(),
            false => String::new(),
        };
        let channel = plan
            .channels()
            .iter()
            .copied()
            .find(|channel| channel.as_str() == query.text("by"))
            .or(plan.channels().first().copied())
            .unwrap_or(Channel::Email);
        let mut view = Self {
            languages: Vec::new(),
            cells: plan
                .cells
                .iter()
                .map(|one| Choice::new(&one.name, one.name.as_str(), cell))
                .collect(),
            channels: match plan.channels() {
                [_] => Vec::new(),
                several => several
                    .iter()
                    .map(|one| Choice::new(one.as_str(), one.as_str(), channel.as_str()))
                    .collect(),
            },
            who,
            missing,
            name: name_of(&customer),
            is_sms: channel == Channel::Sms,
            subject: String::new(),
            html: String::new(),
            text: String::new(),
            size: String::new(),
            sender: plan.sender.name.clone(),
            problem: String::new(),
        };
        let found = library::find(&state.db, &state.settings.templates_dir, name).await;
        let template = match found {
            Ok(template) => template,
            Err(error) => {
                view.problem = error.to_string();
                return Ok(Some(view));
            }
        };
        if !query.text("language").is_empty() {
            query.text("language").clone_into(&mut customer.language);
        }
        let language = template.language_for(&customer.language).to_owned();
        view.languages = template
            .languages()
            .iter()
            .map(|one| Choice::new(one, one.as_str(), &language))
            .collect();
        let trial = Trial {
            definition: &trial::presentable(plan),
            template: &template,
            cell,
            customer: &customer,
            channel,
        };
        match trial.specimen(&state.settings) {
            Ok(Specimen::Email {
                subject,
                html,
                text,
            }) => (view.subject, view.html, view.text) = (subject, html, text),
            Ok(Specimen::Sms(rendered)) => {
                view.size = visit.words().say(&rendered.size.sentence());
                view.text = rendered.text;
            }
            Err(error) => view.problem = visit.words().say(&error.sentence()),
        }
        Ok(Some(view))
    }
}

/// The customer who is meant, or an invented one with what was not found. That somebody looks at him is noted.
async fn customer(visit: &Visit, state: &State, who: &str) -> Result<(Customer, String), ApiError> {
    let who = who.replace('\0', "");
    if who.is_empty() {
        return Ok((sample_customer(), String::new()));
    }
    let found = customers::find(&state.db, &who)
        .await
        .map_err(ApiError::unavailable)?;
    let Some(found) = found else {
        return Ok((sample_customer(), who));
    };
    let now_ms = state.clock.now_ms();
    export::note_access(&state.db, found.id, &visit.actor(), now_ms).await?;
    Ok((found, String::new()))
}

fn name_of(customer: &Customer) -> String {
    let names = [&customer.first_name, &customer.last_name];
    let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
    names.join(" ")
}

#[derive(Debug, Serialize)]
struct TriedView {
    title: Cow<'static, str>,
    section: &'static str,
    name: String,
    back: String,
    taken: u64,
    /// Whether the sandbox has them.
    is_sandbox: bool,
    lines: Vec<TriedLine>,
    problem: String,
}

#[derive(Debug, Serialize)]
struct TriedLine {
    to: String,
    problem: Option<String>,
}

/// Sends the message to people named by hand.
pub(super) async fn send(
    visit: Visit,
    name: web::Path<String>,
    given: web::Form<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let plan = &draft.definition;
    let addresses: Vec<String> = given
        .text("to")
        .split([',', ';', '\n'])
        .map(str::trim)
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .collect();
    let cell = given.text("cell");
    let template = plan.template_of(cell);
    let (customer, _) = customer(&visit, &state, given.text("as")).await?;
    let channel = plan
        .channels()
        .iter()
        .copied()
        .find(|channel| channel.as_str() == given.text("by"))
        .unwrap_or(plan.channel);
    let tried = match library::find(&state.db, &state.settings.templates_dir, template).await {
        Ok(template) => {
            let trial = Trial {
                definition: plan,
                template: &template,
                cell,
                customer: &customer,
                channel,
            };
            let sender = format!("user {}", visit.user);
            let (db, keys, settings) = (&state.db, &state.keys, &state.settings);
            trial::send_apart(db, keys, settings, &state.clock, trial, &addresses, &sender).await
        }
        Err(error) => Err(TrialError::Route(error.to_string())),
    };
    let words = visit.words();
    let mut view = TriedView {
        title: words.t("Test send").into(),
        section: "campaigns",
        back: super::address(&draft.name, "review"),
        name: draft.name.clone(),
        taken: 0,
        is_sandbox: match channel {
            Channel::Email => state.settings.email.relay.is_none(),
            Channel::Sms => state.settings.sms.providers.is_empty(),
        },
        lines: Vec::new(),
        problem: String::new(),
    };
    match tried {
        Ok(tried) => {
            let taken = tried.iter().filter(|one| one.problem.is_none()).count();
            view.taken = u64::try_from(taken).unwrap_or(0);
            let detail = format!("{taken} taken of {}", tried.len());
            visit
                .note(&state, "campaign.test_send", &draft.name, &detail)
                .await?;
            view.lines = tried
                .into_iter()
                .map(|one| TriedLine {
                    to: one.to,
                    problem: one.problem.map(|problem| words.say(&problem)),
                })
                .collect();
            visit.answer(&state, "campaign_tried", &view)
        }
        Err(TrialError::Database(error)) => Err(ApiError::unavailable(error)),
        Err(error) => {
            view.problem = words.say(&error.sentence());
            visit.refuse(&state, "campaign_tried", &view)
        }
    }
}

/// The templates of a draft by reference.
pub(super) fn by_reference(templates: &[Template]) -> Vec<&Template> {
    templates.iter().collect()
}
