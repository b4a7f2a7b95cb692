//! `/campaigns/{name}/review`: the whole plan in a sentence, who is withheld and why, and what speaks against it.

use std::borrow::Cow;

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::message::goal_in_words;
use super::preview::{self, Preview, by_reference};
use super::test::Power;
use super::{
    Checked, Given, Head, Uncounted, address, author, check_and_keep, checked, find, templates_of,
};
use super::{title_of, when};
use crate::campaigns::check::CheckedCampaign;
use crate::campaigns::definition::Definition;
use crate::campaigns::drafts::{self, Draft, DraftError, Standing, Step, gaps};
use crate::campaigns::forecast::Forecast;
use crate::consent::model::Channel;
use crate::gate::model::Withheld;
use crate::statistics::Sentence;
use crate::statistics::prediction::Range;
use crate::templates::{Finding, Severity};
use crate::web::console::templates::labels;
use crate::web::console::{Visit, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// The length of a full bar, in the units of its drawing.
const FULL: u64 = 1000;

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    script: &'static str,
    head: Head,
    /// Of what is shown.
    digest: String,
    gaps: Vec<GapLine>,
    problem: String,
    found: Option<Found>,
    is_uncounted: bool,
    facts: Vec<Fact>,
    preview: Option<Preview>,
    can: Can,
}

/// What is missing, with where it is given.
#[derive(Debug, Serialize)]
struct GapLine {
    step: Cow<'static, str>,
    href: String,
    key: String,
    problem: String,
}

/// What this person may do now.
#[derive(Debug, Default, Serialize)]
struct Can {
    launch: bool,
    /// Launching is then the approval of what somebody else made.
    launch_approves: bool,
    ask: bool,
    answer: bool,
    withdraw: bool,
    /// Why there is no launch, in words.
    why_not: Cow<'static, str>,
}

/// What a look at the audience found.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub sentence: String,
    pub will_receive: u64,
    pub at: i64,
    /// Whether it is of now, not of an earlier look.
    is_fresh: bool,
    selected: u64,
    steps: Vec<WaterStep>,
    held: Vec<Held>,
    refusals: Vec<String>,
    errors: Vec<String>,
    remarks: Vec<String>,
    pub warnings: Vec<String>,
    pub is_ready: bool,
    forecast: Vec<ForecastLine>,
    rests_on: String,
    power: Option<Power>,
}

/// A step of the waterfall.
#[derive(Debug, Serialize)]
struct WaterStep {
    reason: Cow<'static, str>,
    people: u64,
    share: f64,
    /// Those left after it, and those it took, as lengths.
    left: u64,
    taken: u64,
    is_control: bool,
}

#[derive(Debug, Serialize)]
struct Held {
    until: String,
    people: u64,
}

#[derive(Debug, Serialize)]
struct ForecastLine {
    name: Cow<'static, str>,
    value: String,
    range: String,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: Cow<'static, str>,
    value: String,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    name: web::Path<String>,
    query: web::Query<Given>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let words = visit.words();
    let templates = templates_of(&state, &draft).await;
    let has_templates = templates.is_some();
    let templates = templates.unwrap_or_default();
    let by_reference = by_reference(&templates);
    let checked = checked(&state, &draft, &by_reference).await?;
    let missing = gaps(&draft.definition);
    let digest = drafts::digest(&draft.definition, &by_reference).map_err(ApiError::internal)?;
    let done = query.some("done");
    let is_uncounted = checked.is_none() && missing.is_empty() && has_templates;
    let done = done.filter(|done| done != "counted" || !is_uncounted);
    let found = checked.map(|checked| Found::new(&state, &draft.definition, &checked, words));
    let is_ready =
        missing.is_empty() && has_templates && found.as_ref().is_none_or(|found| found.is_ready);
    let view = View {
        title: draft.name.clone(),
        section: "campaigns",
        script: "/assets/campaigns.js",
        head: Head::new(&draft, Step::Review, words, done.as_deref()),
        gaps: missing
            .into_iter()
            .map(|gap| GapLine {
                step: title_of(gap.step, words),
                href: address(&draft.name, gap.step.as_str()),
                key: label_of(&gap.key, words),
                problem: words.say(&gap.problem),
            })
            .collect(),
        problem: match has_templates || draft.definition.template.is_empty() {
            true => String::new(),
            false => words.fill(
                "The template {name} is not there, or cannot be read.",
                &[("name", draft.definition.templates().join(", "))],
            ),
        },
        found,
        is_uncounted,
        facts: facts(&draft.definition, words),
        preview: Preview::of(&visit, &state, &draft, &query).await?,
        can: Can::of(&visit, &draft, &digest, is_ready),
        digest,
    };
    Ok(preview::framed(visit.answer(
        &state,
        "campaign_review",
        &view,
    )?))
}

/// Counts the audience of a large base anew.
pub(super) async fn count(
    visit: Visit,
    name: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let draft = find(&state, &name).await?;
    let counted = check_and_keep(&visit, &state, &draft).await?;
    let done = counted.map_or_else(Uncounted::as_str, |()| "counted");
    let to = format!("{}?done={done}", address(&draft.name, "review"));
    Ok(see_other(&to))
}

/// What the forms call a key of the definition, as this person reads it.
pub(super) fn label_of(key: &str, words: &Words) -> String {
    // The labels of amounts name the currency.
    words.fill(field_of(key), &[("currency", words.currency())])
}

/// The label of a key; the key where the forms have no field for it.
fn field_of(key: &str) -> &str {
    match key {
        "name" => "Name",
        "segment" => "Rule",
        "per_household" => "One message a household",
        "template" => "Template",
        "goal" => "It has worked on whoever",
        "offer" => "Offer",
        "offer.name" => "Name in reports",
        "offer.product" => "Product",
        "offer.code" => "Code to name at the till",
        "offer.coupon" => "Coupons",
        "offer.deadline" => "Last day",
        "offer.margin_percent" => "Margin (%)",
        "offer.cost_cents" => "Cost of a response ({currency})",
        "offer_kind" => "Kind of offer",
        "costs" => "Costs",
        "costs.fixed_cents" => "Text, pictures and work ({currency})",
        "costs.per_thousand_cents" => "A thousand emails ({currency})",
        "topic" => "What it is about",
        "sender.name" => "Name of the sender",
        "sender.address" => "Email address of the sender",
        "sender.reply_to" => "Answers go to",
        "sender.postal_address" => "Postal address",
        "sender.sms" => "Sender of text messages",
        "rate_per_second" => "At most, messages a second",
        "window_days" | "windows" => "Responses count for (days)",
        "priority" => "Priority (−100 to 100)",
        "level" => "Rung of the ladder",
        "ends_at" => "Nothing leaves any more from",
        "channel" | "channels" => "Channel",
        "relay" => "Relay",
        "provider" => "SMS provider",
        "expected_response_percent" => "Expected response rate (%)",
        "schedule" | "schedule.every" => "How often",
        "schedule.at" => "Day",
        "schedule.zone" => "Time zone",
        "schedule.fallback_zone" => "Of who has no time zone",
        "cells" | "cells.name" => "Cells",
        "cells.weight" => "Weight",
        "test" => "Decision",
        "test.by" => "The winner is told by",
        "test.difference_points" => "A difference that matters (points)",
        "test.thompson" => "Each wave gives its cells shares by their chance to be the best",
        "test.wait_hours" => "Hours until the winner is chosen",
        "test.share_percent" => "Tested on (% of the people)",
        "control_percent" => "Control group",
        "global_control" => "Leave out the standing control group",
        other => other,
    }
}

impl Can {
    fn of(visit: &Visit, draft: &Draft, digest: &str, is_ready: bool) -> Self {
        let (who, words) = (author(visit), visit.words());
        let launched = draft.launched_by(&who, digest);
        let asked_himself = draft
            .review
            .asked
            .as_ref()
            .is_some_and(|asked| asked.by == who.key);
        Self {
            launch: launched.is_ok() && is_ready,
            launch_approves: who.may_launch && draft.made_by != who.key,
            ask: is_ready
                && matches!(draft.standing, Standing::Open | Standing::SentBack)
                && draft.launched_by(&who, digest).is_err(),
            answer: draft.answered_by(&who).is_ok(),
            withdraw: asked_himself
                && matches!(draft.standing, Standing::Asked | Standing::Approved),
            why_not: match launched {
                Ok(()) if is_ready => "".into(),
                Ok(()) => words.t("Mend what is named above first.").into(),
                Err(DraftError::NeedsApproval) if draft.standing == Standing::Asked => {
                    words.t("It waits for a second person.").into()
                }
                Err(DraftError::NeedsApproval) => {
                    words.t("Your role needs a second person's approval.").into()
                }
                Err(DraftError::ChangedSince) => words
                    .t("A template was changed after the approval, so that it no longer holds. Withdraw it and ask again.")
                    .into(),
                Err(DraftError::OwnRequest) => words
                    .t("You asked for an approval, so another person gives it. Or withdraw the request.")
                    .into(),
                Err(_) => "".into(),
            },
        }
    }
}

impl Found {
    pub fn new(state: &State, plan: &Definition, checked: &Checked, words: &Words) -> Self {
        let found = &checked.found;
        let mut left = found.selected;
        let of = found.selected.max(1);
        let steps = found
            .withheld
            .iter()
            .map(|(reason, people)| {
                left = left.saturating_sub(*people);
                WaterStep {
                    reason: words.t(reason.describe()).into(),
                    people: *people,
                    share: crate::statistics::as_f64(*people) / crate::statistics::as_f64(of),
                    left: left.saturating_mul(FULL) / of,
                    taken: (people.saturating_mul(FULL) / of).max(u64::from(*people > 0) * 4),
                    is_control: is_control(*reason),
                }
            })
            .collect();
        let (errors, remarks): (Vec<_>, Vec<_>) = found
            .findings
            .iter()
            .partition(|finding| finding.severity == Severity::Error);
        let say = |sentences: &[Sentence]| sentences.iter().map(|one| words.say(one)).collect();
        Self {
            sentence: sentence(plan, found, words),
            will_receive: found.will_receive,
            at: checked.at,
            is_fresh: checked.at >= state.clock.now_ms() - 60_000,
            selected: found.selected,
            steps,
            held: found
                .held
                .iter()
                .map(|(until, people)| Held {
                    until: words.say(until),
                    people: *people,
                })
                .collect(),
            refusals: say(&found.refusals),
            errors: told(&errors, words),
            remarks: told(&remarks, words),
            warnings: say(&found.warnings),
            // Who is meant may come by the time it is due.
            is_ready: found.is_ready() && (found.will_receive > 0 || plan.schedule.is_some()),
            forecast: forecast(&found.forecast, words),
            rests_on: words.say(&found.forecast.rests_on()),
            power: found.test.as_ref().map(|test| Power::new(test, words)),
        }
    }
}

/// Findings with the fields they are about; what is said of several is said once.
fn told(findings: &[&Finding], words: &Words) -> Vec<String> {
    let mut lines: Vec<(&str, String, Vec<String>)> = Vec::new();
    for finding in findings {
        let field = labels::full(words, &finding.key);
        let field = match field.trim_end_matches(" · ") {
            "" => words.t("Template").to_owned(),
            field => field.to_owned(),
        };
        let (language, message) = (finding.language.as_str(), words.say(&finding.message));
        let known = lines
            .iter_mut()
            .find(|line| line.0 == language && line.1 == message);
        match known {
            Some((.., fields)) => fields.push(field),
            None => lines.push((language, message, vec![field])),
        }
    }
    lines
        .into_iter()
        .map(|(language, message, fields)| {
            format!("[{language}] {}", words.pair(&fields.join(", "), &message))
        })
        .collect()
}

fn is_control(reason: Withheld) -> bool {
    matches!(reason, Withheld::Control | Withheld::GlobalControl)
}

/// The plan in plain words: whom, who is held back, by which way, when, how long and for how much.
fn sentence(plan: &Definition, found: &CheckedCampaign, words: &Words) -> String {
    let mut parts = vec![people(found.will_receive, words)];
    let held_back = found.held_back();
    if held_back > 0 {
        parts.push(words.counted(
            held_back,
            "1 held back as control",
            "{n} held back as control",
        ));
    }
    parts.push(format!(
        "{} {}",
        way_in_words(plan, words),
        when::in_words(plan.schedule.as_ref(), words)
    ));
    if let Some(seconds) = found.estimated_seconds {
        parts.push(duration(seconds, words));
    }
    if let Some(cents) = found.cost_cents() {
        let cost = words.money(cents);
        parts.push(words.fill("cost {cost}", &[("cost", cost)]));
    }
    format!("{}.", parts.join(", "))
}

/// `1 person`, `12,410 people`.
pub(super) fn people(count: u64, words: &Words) -> String {
    words.counted(count, "1 person", "{n} people")
}

/// `email`, `text message`, or both in their order.
pub(super) fn way_in_words(plan: &Definition, words: &Words) -> String {
    match plan.channels() {
        [Channel::Email] => words.t("by email"),
        [Channel::Sms] => words.t("by text message"),
        [Channel::Email, ..] => words.t("by email, else by text message,"),
        _ => words.t("by text message, else by email,"),
    }
    .to_owned()
}

/// `about 7 minutes`.
pub(super) fn duration(seconds: f64, words: &Words) -> String {
    let minutes = (seconds / 60.0).round();
    let whole = |number: f64| format!("{number:.0}");
    if seconds < 90.0 {
        let n = whole(seconds.max(1.0));
        words.fill("about {n} s", &[("n", n)])
    } else if minutes < 90.0 {
        words.fill("about {n} minutes", &[("n", whole(minutes))])
    } else {
        words.fill(
            "about {h} h {min} min",
            &[
                ("h", whole((minutes / 60.0).floor())),
                ("min", whole(minutes % 60.0)),
            ],
        )
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "as saturates"
)]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

fn forecast(forecast: &Forecast, words: &Words) -> Vec<ForecastLine> {
    let people = |value: f64| words.number(whole(value).unsigned_abs());
    let money = |value: f64| words.money(whole(value));
    let share = |value: f64| words.percent(Some(value));
    type Show<'a> = &'a dyn Fn(f64) -> String;
    let lines: [(Cow<'static, str>, Option<Range>, Show<'_>); 6] = [
        (
            words.t("Response rate").into(),
            forecast.response_rate,
            &share,
        ),
        (words.t("Responses").into(), forecast.responses, &people),
        (words.t("Orders").into(), forecast.orders, &people),
        (words.t("Revenue").into(), forecast.revenue_cents, &money),
        (words.t("Cost").into(), forecast.cost_cents, &money),
        (words.t("Profit").into(), forecast.profit_cents, &money),
    ];
    lines
        .into_iter()
        .filter_map(|(name, range, show)| {
            let range = range?;
            let ends = (!range.is_exact()).then(|| {
                words.fill(
                    "{low} to {high}",
                    &[("low", show(range.low_95)), ("high", show(range.high_95))],
                )
            });
            Some(ForecastLine {
                name,
                value: show(range.expected),
                range: ends.unwrap_or_default(),
            })
        })
        .collect()
}

/// Every choice once more.
fn facts(plan: &Definition, words: &Words) -> Vec<Fact> {
    let mut facts: Vec<(&'static str, String)> = vec![
        (words.t("Audience"), plan.segment.clone()),
        (words.t("Template"), plan.templates().join(", ")),
        (words.t("Goal"), goal_in_words(plan.goal, words)),
        (words.t("Topic"), plan.topic.clone()),
        (
            words.t("Sender"),
            format!("{} <{}>", plan.sender.name, plan.sender.address),
        ),
        (
            words.t("Channel"),
            way_in_words(plan, words).trim_end_matches(',').to_owned(),
        ),
        (
            words.t("Launch"),
            when::in_words(plan.schedule.as_ref(), words),
        ),
    ];
    if let Some(offer) = &plan.offer {
        facts.push((words.t("Offer"), offer.name.clone()));
    }
    if !plan.cells.is_empty() {
        let cells: Vec<&str> = plan.cells.iter().map(|cell| cell.name.as_str()).collect();
        facts.push((words.t("Cells"), cells.join(", ")));
    }
    facts.push((
        words.t("Control group"),
        match plan.control_percent {
            0 => words.t("no control group").to_owned(),
            percent => words.percent(Some(f64::from(percent) / 100.0)),
        },
    ));
    if let Some(rate) = plan.rate_per_second {
        facts.push((
            words.t("Rate"),
            words.fill("at most {n} a second", &[("n", rate.to_string())]),
        ));
    }
    facts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| Fact {
            name: name.into(),
            value,
        })
        .collect()
}
