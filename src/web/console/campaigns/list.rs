//! `GET /campaigns`: drafts and campaigns with their key figures.

use std::borrow::Cow;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Choice;
use crate::accounts::model::Right;
use crate::campaigns::drafts::{self, Draft, Standing};
use crate::campaigns::model::Status;
use crate::campaigns::store::{self, Campaign};
use crate::ids::CampaignId;
use crate::reports::store::{self as reports, KeyFigures};
use crate::web::console::{Visit, path_segment};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Campaigns on a page.
const PAGE: u32 = 40;
/// Drafts shown: who has more looks for one.
const DRAFTS: u32 = 60;

/// What is looked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    status: String,
    /// The number of the last campaign of the page before.
    #[serde(default)]
    before: String,
}

#[derive(Debug, Serialize)]
struct View {
    title: Cow<'static, str>,
    section: &'static str,
    q: String,
    statuses: Vec<Choice>,
    is_filtered: bool,
    drafts: Vec<DraftLine>,
    campaigns: Vec<Line>,
    is_later_page: bool,
    newest: String,
    older: Option<String>,
}

#[derive(Debug, Serialize)]
struct DraftLine {
    name: String,
    /// Empty for who may not plan.
    href: String,
    standing: Cow<'static, str>,
    is_waiting: bool,
    by: String,
    changed_at: i64,
    step: Cow<'static, str>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    path: String,
    status: Cow<'static, str>,
    is_bad: bool,
    reason: String,
    is_simulated: bool,
    launched_at: Option<i64>,
    waves: u64,
    is_again: bool,
    next_at: Option<i64>,
    delivered: u64,
    withheld: u64,
    response_rate: String,
    /// Of the rate; empty: none yet.
    interval: String,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    asked: web::Query<Asked>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    // PostgreSQL knows no text with this character, so nothing is called so.
    let text = asked.q.trim().replace('\0', "");
    let status = Status::from_column(&asked.status);
    let is_drafts_only = matches!(asked.status.as_str(), "draft" | "asked");
    let before = asked.before.parse().ok().map(CampaignId);
    let search = store::Search {
        text: &text,
        status,
        before,
        // One more than is shown tells whether another page follows.
        limit: PAGE + 1,
    };
    let mut found = match is_drafts_only {
        true => Vec::new(),
        false => store::search(&*state.db, &search)
            .await
            .map_err(ApiError::unavailable)?,
    };
    let has_older = found.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let last = found.last().map(|campaign| campaign.id.0);
    let figures = reports::of_campaigns(&state.db, &found).await?;
    let mut campaigns = Vec::with_capacity(found.len());
    for (campaign, figures) in found.iter().zip(&figures) {
        let next = match campaign.status {
            Status::Scheduled | Status::Running => store::next_due(&*state.db, campaign.id)
                .await
                .map_err(ApiError::unavailable)?,
            _ => None,
        };
        campaigns.push(Line::new(campaign, figures, next.map(|(_, at)| at), words));
    }
    let drafts = match status.is_none() && before.is_none() {
        true => drafts::store::list(&*state.db, &text, DRAFTS)
            .await
            .map_err(ApiError::unavailable)?,
        false => Vec::new(),
    };
    let wanted = |draft: &&Draft| asked.status != "asked" || draft.standing == Standing::Asked;
    let query = |more: &str| {
        let q = path_segment(&text);
        let status = path_segment(&asked.status);
        format!("/campaigns?q={q}&status={status}{more}")
    };
    let view = View {
        title: words.t("Campaigns").into(),
        section: "campaigns",
        statuses: statuses(&asked.status, words),
        is_filtered: !text.is_empty() || !asked.status.is_empty(),
        drafts: drafts
            .iter()
            .filter(wanted)
            .map(|draft| DraftLine::new(draft, visit.may(Right::Plan), words))
            .collect(),
        campaigns,
        is_later_page: before.is_some(),
        newest: query(""),
        older: last
            .filter(|_| has_older)
            .map(|last| query(&format!("&before={last}"))),
        q: text,
    };
    visit.answer(&state, "campaigns", &view)
}

fn statuses(chosen: &str, words: &Words) -> Vec<Choice> {
    let mut choices = vec![
        Choice::new("", words.t("Any status"), chosen),
        Choice::new("draft", words.t("draft"), chosen),
        Choice::new("asked", words.t("waits for approval"), chosen),
    ];
    for status in [
        Status::Ready,
        Status::Scheduled,
        Status::Running,
        Status::Paused,
        Status::Finished,
        Status::Cancelled,
    ] {
        choices.push(Choice::new(
            status.as_str(),
            status_in_words(status, words),
            chosen,
        ));
    }
    choices
}

/// A status as the pages call it.
pub(super) fn status_in_words(status: Status, words: &Words) -> Cow<'static, str> {
    match status {
        Status::Ready => words.t("ready").into(),
        Status::Scheduled => words.t("scheduled").into(),
        Status::Running => words.t("running").into(),
        Status::Paused => words.t("paused").into(),
        Status::Finished => words.t("finished").into(),
        Status::Cancelled => words.t("cancelled").into(),
    }
}

impl DraftLine {
    fn new(draft: &Draft, is_open: bool, words: &Words) -> Self {
        let href = is_open.then(|| super::address(&draft.name, draft.step.as_str()));
        Self {
            name: draft.name.clone(),
            href: href.unwrap_or_default(),
            standing: match draft.standing {
                Standing::Open => words.t("draft").into(),
                Standing::Asked => words.t("waits for approval").into(),
                Standing::Approved => words.t("approved").into(),
                Standing::SentBack => words.t("sent back").into(),
            },
            is_waiting: draft.standing == Standing::Asked,
            by: draft.made_by_name.clone(),
            changed_at: draft.changed_at,
            step: super::title_of(draft.step, words),
        }
    }
}

impl Line {
    fn new(campaign: &Campaign, figures: &KeyFigures, next_at: Option<i64>, words: &Words) -> Self {
        let name = &campaign.definition.name;
        let interval = figures.response_rate.interval_95;
        Self {
            name: name.clone(),
            path: path_segment(name),
            status: status_in_words(campaign.status, words),
            is_bad: campaign.status == Status::Paused,
            reason: campaign.status_reason.clone().unwrap_or_default(),
            is_simulated: figures.is_simulated,
            launched_at: figures.launched_at,
            waves: figures.waves,
            is_again: figures.waves > 1,
            next_at,
            delivered: figures.delivered,
            withheld: figures.withheld,
            response_rate: words.percent(figures.response_rate.value),
            interval: interval.map_or_else(String::new, |interval| {
                let (low, high) = (interval.low * 100.0, interval.high * 100.0);
                format!(
                    "{} – {}\u{a0}%",
                    words.decimal(low, 2),
                    words.decimal(high, 2)
                )
            }),
        }
    }
}
