//! `GET /customers/{id}/why`: every rule between a person and a campaign; `GET /customers/{id}/messages/{wave}`:
//! what he was sent.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::page::by_channel;
use super::{name, nobody};
use crate::campaigns::store as campaigns;
use crate::customers::store as customers;
use crate::delivery::message::{self, BrowserError};
use crate::delivery::why::{self, WhyError};
use crate::dialogue::export;
use crate::gate::rules::Rules;
use crate::ids::{CustomerId, WaveId};
use crate::web::console::Visit;
use crate::web::console::outbox::MESSAGE_POLICY;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Which campaign is meant.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    campaign: String,
}

#[derive(Debug, Serialize)]
struct WhyView {
    title: String,
    section: &'static str,
    id: i64,
    campaigns: Vec<CampaignChoice>,
    answer: String,
    steps: Vec<StepLine>,
    /// The segment's explanation; none where there is no campaign.
    segment: Option<String>,
    is_out: bool,
}

#[derive(Debug, Serialize)]
struct CampaignChoice {
    name: String,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct StepLine {
    rule: String,
    mark: String,
    found: String,
    is_failed: bool,
    /// Whether it was not asked.
    is_open: bool,
}

/// Why he is written to, or not.
pub(super) async fn page(
    visit: Visit,
    id: web::Path<i64>,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let id = CustomerId(id.into_inner());
    let customer = customers::get(&*state.db, state.db.dialect(), id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| nobody(id))?;
    export::note_access(&state.db, id, &visit.actor(), state.clock.now_ms()).await?;
    let mut all = campaigns::names(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let named = async |name: &str| {
        // PostgreSQL knows no text with this character, so nothing is called so.
        if name.contains('\0') {
            return Ok(None);
        }
        let found = campaigns::by_name(&*state.db, name).await;
        found.map_err(ApiError::unavailable)
    };
    let mut campaign = match asked.campaign.as_str() {
        "" => None,
        name => named(name).await?,
    };
    if campaign.is_none()
        && let Some(first) = all.first()
    {
        campaign = named(first).await?;
    }
    let chosen = campaign.as_ref().map(|one| one.definition.name.clone());
    // One that the list is too short for.
    all.extend(chosen.clone().filter(|name| !all.contains(name)));
    let chosen = chosen.as_ref();
    let mut view = WhyView {
        title: words.fill("Why {name}?", &[("name", name(&customer, words))]),
        section: "customers",
        id: id.0,
        campaigns: all
            .iter()
            .map(|name| CampaignChoice {
                name: name.clone(),
                is_chosen: chosen == Some(name),
            })
            .collect(),
        answer: words.t("There is no campaign yet.").to_owned(),
        steps: Vec::new(),
        segment: None,
        is_out: false,
    };
    if let Some(campaign) = &campaign {
        let rules = Rules::new(&state.settings).map_err(ApiError::internal)?;
        let why = why::why(&state.db, &rules, campaign, id, state.clock.now()).await;
        let why = why.map_err(|error| match error {
            WhyError::NoSuchCustomer(id) => nobody(id),
            WhyError::Segment(_) => {
                ApiError::new(StatusCode::CONFLICT).with_detail(error.to_string())
            }
            WhyError::Database(error) => ApiError::unavailable(error),
        })?;
        view.answer = words.fill(
            "{name} {answer}.",
            &[
                ("name", name(&customer, words)),
                ("answer", words.say(&why.answer)),
            ],
        );
        view.is_out = !why.segment.is_true;
        view.segment = Some(why.segment.to_string());
        view.steps = why
            .steps
            .into_iter()
            .map(|step| StepLine {
                rule: rule_of(step.rule, words).to_owned(),
                mark: words
                    .t(match step.passes {
                        Some(true) => "yes",
                        Some(false) => "no",
                        None if step.rule == "ledger" => "–",
                        None => "decided before",
                    })
                    .to_owned(),
                found: words.say(&step.found),
                is_failed: step.passes == Some(false),
                is_open: step.passes.is_none(),
            })
            .collect();
    }
    visit.answer(&state, "customer_why", &view)
}

/// A rule as the page calls it.
fn rule_of(rule: &'static str, words: &Words) -> &'static str {
    match rule {
        "segment" => words.t("Segment"),
        "channel" => words.t("Channel"),
        "address" => words.t("Address"),
        "suppression" => words.t("Suppression"),
        "permission" => words.t("Permission"),
        "basis" => words.t("Legal basis"),
        "expiry" => words.t("Expiry"),
        "level" => words.t("Permission level"),
        "pause" => words.t("Wish for a pause"),
        "pressure" => words.t("Pressure"),
        "duplicate address" => words.t("Duplicate address"),
        "household" => words.t("Household"),
        "standing control group" => words.t("Standing control group"),
        "control group" => words.t("Control group"),
        "quiet hours" => words.t("Quiet hours"),
        "end" => words.t("End of the campaign"),
        "ledger" => words.t("Ledger"),
        other => other,
    }
}

#[derive(Debug, Serialize)]
struct MessageView {
    title: String,
    section: &'static str,
    id: i64,
    name: String,
    campaign: String,
    channel: String,
    subject: Option<String>,
    html: Option<String>,
    text: String,
}

/// What he was sent.
pub(super) async fn message(
    visit: Visit,
    of: web::Path<(i64, i64)>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let (id, wave) = of.into_inner();
    let (id, wave) = (CustomerId(id), WaveId(wave));
    let customer = customers::get(&*state.db, state.db.dialect(), id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| nobody(id))?;
    export::note_access(&state.db, id, &visit.actor(), state.clock.now_ms()).await?;
    let sent = message::as_sent(&state.db, &state.settings, &state.keys, wave, id)
        .await
        .map_err(|error| match error {
            BrowserError::Gone => ApiError::new(StatusCode::NOT_FOUND)
                .with_detail("This message is no longer kept; only that it was sent is."),
            BrowserError::Database(error) => ApiError::unavailable(error),
            BrowserError::Template(_) | BrowserError::Render(_) => ApiError::internal(error),
        })?;
    let title = sent.subject.clone();
    let view = MessageView {
        title: title.unwrap_or_else(|| words.t("Text message").to_owned()),
        section: "customers",
        id: id.0,
        name: name(&customer, words),
        channel: by_channel(sent.channel.as_str(), words).to_owned(),
        campaign: sent.campaign,
        subject: sent.subject,
        html: sent.html,
        text: sent.text,
    };
    let mut response = visit.answer(&state, "customer_message", &view)?;
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(MESSAGE_POLICY),
    );
    Ok(response)
}
