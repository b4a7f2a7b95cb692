//! What would happen: the whole of a plan looked at before anything is sent.

pub mod offer;
mod power;
mod sender;
mod sms;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::audience::{Audience, DueBy};
use super::definition::Definition;
use super::model::Status;
use super::split::{Split, salt_of};
use super::store::Campaign;
use super::{forecast, plan, schedule, store};
use crate::clock::from_ms;
use crate::config::{ConfigError, Settings, provider_of, sms_route};
use crate::consent::model::Channel;
use crate::customers::store as customer_store;
use crate::gate::model::{Request, Withheld};
use crate::gate::rules::Rules;
use crate::gate::store as gate_store;
use crate::ids::WaveId;
use crate::segments::{ParseError, Rule, names, store as segment_store};
use crate::statistics::sentence::{Parts, Sentence, Value};
use crate::storage::{Db, Unanswered};
use crate::templates::{FieldFacts, Finding, Severity, Template};

pub use power::{CellForecast, TestForecast};
pub use sms::SmsForecast;

/// Why a campaign could not even be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("segment: {0}")]
    Segment(#[from] ParseError),
    #[error("settings: {0}")]
    Settings(#[from] ConfigError),
    #[error("counting the audience: {0}")]
    Unanswered(#[from] Unanswered),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// How long one waits who has started a check and sees it run.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a campaign would do now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckedCampaign {
    pub name: String,
    pub segment: String,
    pub selected: u64,
    /// The waterfall, in its order: reason, people.
    pub withheld: Vec<(Withheld, u64)>,
    pub will_receive: u64,
    /// Of those by email, where the campaign has text messages too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_email: Option<u64>,
    /// Of those, who wait for the end of quiet hours, and until when (UTC).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<(Sentence, u64)>,
    /// What the text messages would weigh and cost, of a campaign that sends any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsForecast>,
    /// What it would bring.
    pub forecast: forecast::Forecast,
    /// Whether the cells or the control group are large enough, of a campaign that has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<TestForecast>,
    /// The latest launch, of one that had any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launched: Option<LaunchedBefore>,
    /// What forbids the launch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Sentence>,
    /// At the campaign's or the relay's rate, or as fast as the last wave went; none without either.
    pub estimated_seconds: Option<f64>,
    /// The next launch, in UTC; none: by hand.
    pub due: Option<String>,
    /// What a copywriter would say of the template, and an operator of the plan.
    pub findings: Vec<Finding>,
    /// What stands in the way of a real mailing.
    pub warnings: Vec<Sentence>,
}

/// What became of the plan so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchedBefore {
    pub wave: WaveId,
    /// UTC.
    pub at: String,
    pub status: Status,
    /// Another launch is to come, so that being ready still means something.
    pub comes_again: bool,
}

/// Customers looked at to tell how often a field is empty.
const SAMPLE: u32 = 2_000;

/// Checks a definition against the customer base. `templates` are those that [`Definition::templates`] names, its
/// own first: text messages are reckoned with that.
///
/// # Errors
/// When the segment is wrong or the database is away.
pub async fn check(
    db: &Db,
    definition: &Definition,
    templates: &[&Template],
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<CheckedCampaign, CheckError> {
    check_within(db, definition, templates, settings, now, PATIENCE).await
}

/// As [`check`]; no question about the whole base takes longer than `patience`.
///
/// # Errors
/// As [`check`], and when it took too long.
pub async fn check_within(
    db: &Db,
    definition: &Definition,
    templates: &[&Template],
    settings: &Settings,
    now: DateTime<Utc>,
    patience: Duration,
) -> Result<CheckedCampaign, CheckError> {
    let rule = Rule::parse(&definition.segment)?;
    let rules = Rules::new(settings)?;
    let routes = routes_of(definition, settings);
    let requests = match &routes {
        Ok(routes) => requests_by(definition, routes),
        Err(_) => definition.requests(),
    };
    let request = definition.request(definition.channel);
    let places = gate_store::places(&**db, request.fallback_zone).await?;
    let rivals = store::rivals(&**db, request.priority, None).await?;
    let stored = store::by_name(&**db, &definition.name).await?;
    let salt = match &stored {
        Some(campaign) => campaign.salt,
        None => salt_of(&definition.name),
    };
    let launched = match &stored {
        Some(campaign) => launched_before(db, campaign, definition).await?,
        None => None,
    };
    let standing = match definition.global_control {
        true => store::standing_control(&**db, &rules, launched_at(definition, now)).await?,
        false => None,
    };
    let audience = Audience {
        rule: &rule,
        rules: &rules,
        requests: &requests,
        rivals: &rivals,
        places: &places,
        control_percent: definition.control_percent,
        standing: standing.as_ref(),
        split: &Split::default(),
        salt,
        now: launched_at(definition, now),
        due: DueBy::of(definition, launched_at(definition, now)),
    };
    let count = store::count_audience(db, &audience, patience).await?;
    let (will_receive, withheld) = (count.eligible, count.withheld);
    let mut facts = FieldFacts::unknown();
    let sample = customer_store::sample(db, SAMPLE).await?;
    for customer in &sample {
        facts.observe(customer);
    }
    let mut rates = vec![definition.rate_per_second];
    for route in routes.iter().flatten() {
        rates.push(match provider_of(route) {
            Some(provider) => settings.sms.rate_of(provider),
            None => settings.email.rate_of(route),
        });
    }
    let mut refusals: Vec<Sentence> = offer_refusal(definition, &rules).into_iter().collect();
    // The launch refuses it, too.
    if plan::lies_behind(definition, now) {
        refusals.push(Sentence::new("the time in [schedule] lies behind us"));
    }
    let mut warnings = warnings(definition, settings, will_receive, now);
    let mut sms = None;
    for provider in routes
        .iter()
        .flatten()
        .filter_map(|route| provider_of(route))
    {
        let by_sms = count.by_channel.get(&Channel::Sms).copied().unwrap_or(0);
        let Some(own) = templates.first() else { break };
        let ids = store::sample_audience(db, &audience, Channel::Sms, SAMPLE, patience).await?;
        let people = customer_store::with_ids(db, &ids).await?;
        let reckoned = sms::forecast(
            definition,
            own,
            (settings, &rules),
            provider,
            &people,
            by_sms,
        );
        refusals.extend(reckoned.verdict.refusals);
        warnings.extend(reckoned.verdict.warnings);
        sms = Some(reckoned.forecast);
    }
    refusals.extend(routes.err().map(Sentence::from));
    refusals.extend(offer::unmet_by_cells(definition, templates));
    refusals.extend(offer::refusals(&**db, definition, will_receive).await?);
    warnings.extend(offer::is_over(definition, now));
    warnings.extend(end_warnings(
        definition,
        request.ends_at,
        &withheld,
        will_receive,
        now,
    ));
    let past = store::past_rate(&**db, definition, now.timestamp_millis()).await?;
    let test = power::forecast(definition, will_receive, &withheld, past);
    warnings.extend(
        test.as_ref()
            .and_then(|test| test.warning(definition.test.as_ref())),
    );
    let languages = segment_store::languages(db, &rule, audience.now).await?;
    warnings.extend(
        templates
            .iter()
            .filter_map(|template| unread(template.name(), template.languages(), &languages)),
    );
    for note in names::unknown(db, &rule).await? {
        warnings.push(Sentence::new("segment: {note}").with("note", note));
    }
    let limit = rates.into_iter().flatten().min().map(f64::from);
    let measured = store::last_rate(&**db).await?;
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let estimated_seconds = limit
        .into_iter()
        .chain(measured)
        .reduce(f64::min)
        .map(|rate| will_receive as f64 / rate);
    let by_channel = |channel| count.by_channel.get(&channel).copied().unwrap_or(0);
    let expected = forecast::for_check(
        &**db,
        definition,
        stored.as_ref().map(|campaign| campaign.id),
        by_channel,
        now.timestamp_millis(),
    )
    .await?;
    Ok(CheckedCampaign {
        name: definition.name.clone(),
        segment: rule.to_string(),
        selected: will_receive + withheld.values().sum::<u64>(),
        withheld: withheld.into_iter().collect(),
        will_receive,
        by_email: (definition.channels().len() > 1)
            .then(|| count.by_channel.get(&Channel::Email).copied().unwrap_or(0)),
        held: by_instant(&count.held),
        sms,
        forecast: expected,
        test,
        launched,
        refusals,
        estimated_seconds,
        due: definition
            .schedule
            .as_ref()
            .and_then(|plan| schedule::next(plan, now))
            .map(|due| due.at.format("%Y-%m-%d %H:%M UTC").to_string()),
        findings: templates
            .iter()
            .flat_map(|template| template.lint(&facts))
            .collect(),
        warnings,
    })
}

async fn launched_before(
    db: &Db,
    campaign: &Campaign,
    definition: &Definition,
) -> Result<Option<LaunchedBefore>, DbErr> {
    let Some((wave, at)) = store::last_wave(&**db, campaign.id).await? else {
        return Ok(None);
    };
    Ok(Some(LaunchedBefore {
        wave,
        at: from_ms(at).format("%Y-%m-%d %H:%M UTC").to_string(),
        status: campaign.status,
        // Waiting for a due time, or changed (in a file) so that it can be applied and launched anew.
        comes_again: matches!(campaign.status, Status::Ready | Status::Scheduled)
            || (campaign.status == Status::Finished && campaign.definition != *definition),
    }))
}

/// When the next launch will ask: at its due time, where that is still to come.
fn launched_at(definition: &Definition, now: DateTime<Utc>) -> DateTime<Utc> {
    definition
        .schedule
        .as_ref()
        .and_then(|plan| schedule::next(plan, now))
        .map_or(now, |due| due.at.max(now))
}

impl CheckedCampaign {
    /// Its sentences, in one order.
    fn sentences(&mut self) -> impl Iterator<Item = &mut Sentence> {
        let findings = self.findings.iter_mut();
        let held = self.held.iter_mut();
        self.refusals
            .iter_mut()
            .chain(&mut self.warnings)
            .chain(findings.map(|finding| &mut finding.message))
            .chain(held.map(|(until, _)| until))
    }

    /// As text that [`CheckedCampaign::read`] reads, with the parts of its sentences.
    pub(super) fn write(&self) -> Result<String, serde_json::Error> {
        let mut found = self.clone();
        let sentences = found.sentences().map(|one| one.clone().into_parts());
        serde_json::to_string(&Kept {
            sentences: sentences.collect(),
            found,
        })
    }

    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let Kept {
            sentences,
            mut found,
        } = serde_json::from_str(text)?;
        for (place, parts) in found.sentences().zip(sentences) {
            *place = parts.into();
        }
        Ok(found)
    }
}

/// What is kept of a check.
#[derive(Serialize, Deserialize)]
struct Kept {
    sentences: Vec<Parts>,
    found: CheckedCampaign,
}

/// How many of the selected read a language in which a template is not written.
fn unread(template: &str, written: &[String], read: &BTreeMap<String, u64>) -> Option<Sentence> {
    let selected: u64 = read.values().sum();
    let mut others: Vec<(&String, &u64)> = read
        .iter()
        .filter(|(language, _)| !written.contains(language))
        .collect();
    others.sort_by_key(|(_, people)| std::cmp::Reverse(**people));
    if others.is_empty() {
        return None;
    }
    let told: Vec<Sentence> = others
        .iter()
        .map(|(language, people)| {
            Sentence::new("{n} read {language}")
                .with("n", **people)
                .with("language", language_name(language))
        })
        .collect();
    let written: Vec<Sentence> = written.iter().map(|code| language_name(code)).collect();
    Some(
        Sentence::new(
            "of {selected} people selected, {told}; the template {template} has {written} only",
        )
        .with("selected", selected)
        .with("told", told)
        .named("template", template)
        .with("written", written),
    )
}

/// A language in English; its code where it is not among the usual ones.
fn language_name(code: &str) -> Sentence {
    Sentence::new(match code {
        "de" => "German",
        "en" => "English",
        "es" => "Spanish",
        "fr" => "French",
        "it" => "Italian",
        "nl" => "Dutch",
        "pl" => "Polish",
        "pt" => "Portuguese",
        other => return other.to_owned().into(),
    })
}

/// Why what a campaign proposes is too much for the rung it asks for.
pub fn offer_refusal(definition: &Definition, rules: &Rules) -> Option<Sentence> {
    let offer = definition.offer_kind?;
    let rungs = rules.rungs_offering(offer);
    if rungs.contains(&definition.level) {
        return None;
    }
    let names: Vec<&str> = rungs.iter().map(|level| level.as_str()).collect();
    let advice = if names.is_empty() {
        Sentence::new("no level does; see [permission.levels]")
    } else {
        Sentence::new("these do: {levels}").with("levels", names.join(", "))
    };
    Some(
        Sentence::new("offer_kind: the level {level} does not allow {kind} offers; {advice}")
            .named("level", definition.level)
            .with("kind", Value::word(offer.as_str()))
            .with("advice", advice),
    )
}

/// Why a campaign by text message may not be launched to people in these countries (those of their numbers).
pub fn sender_refusal(
    definition: &Definition,
    settings: &Settings,
    countries: &BTreeSet<String>,
) -> Option<Sentence> {
    if !definition.channels().contains(&Channel::Sms) {
        return None;
    }
    let provider = settings.sms.route(definition.provider.as_deref()).ok()?;
    let account = settings.sms.provider_named(provider);
    let twilio = account.and_then(|account| account.twilio.as_ref());
    if twilio.is_some_and(|twilio| twilio.service.is_some()) {
        // A messaging service has senders of its own.
        return None;
    }
    let outgoing = sender::Outgoing {
        sender: &super::sms::sender_of(definition, account),
        stop: account.and_then(|account| account.stop.as_ref()),
        countries,
        is_sandbox: account.is_none(),
    };
    outgoing.judge().refusals.into_iter().next()
}

/// What a campaign asks of the gate for each of its channels, which go these routes.
pub fn requests_by(definition: &Definition, routes: &[String]) -> Vec<Request> {
    let mut requests = definition.requests();
    for (request, route) in requests.iter_mut().zip(routes) {
        request.provider = provider_of(route).map(str::to_owned);
    }
    requests
}

/// The routes a campaign goes by, in the order of its channels.
///
/// # Errors
/// When it asks for a relay or a provider that is not in the settings; says which are.
pub fn routes_of(definition: &Definition, settings: &Settings) -> Result<Vec<String>, String> {
    let (email, sms) = (&settings.email, &settings.sms);
    let channels = definition.channels().iter();
    channels
        .map(|channel| match channel {
            Channel::Email => email
                .route(definition.relay.as_deref(), &definition.sender.address)
                .map(str::to_owned),
            Channel::Sms => sms.route(definition.provider.as_deref()).map(sms_route),
        })
        .collect()
}

/// The first few instants and how many wait for each.
fn by_instant(held: &BTreeMap<i64, u64>) -> Vec<(Sentence, u64)> {
    const SHOWN: usize = 5;
    let mut lines: Vec<(Sentence, u64)> = held
        .iter()
        .take(SHOWN)
        .map(|(at, n)| (Sentence::new("{at}").with("at", Value::Moment(*at)), *n))
        .collect();
    let rest: u64 = held.values().skip(SHOWN).sum();
    if let Some((last, _)) = held.iter().next_back().filter(|_| rest > 0) {
        let until = Sentence::new("{at} at the latest").with("at", Value::Moment(*last));
        lines.push((until, rest));
    }
    lines
}

fn end_warnings(
    definition: &Definition,
    ends_at: Option<i64>,
    withheld: &BTreeMap<Withheld, u64>,
    will_receive: u64,
    now: DateTime<Utc>,
) -> Vec<Sentence> {
    let mut warnings = Vec::new();
    let Some(end) = ends_at else {
        return warnings;
    };
    if end <= now.timestamp_millis() {
        warnings.push(Sentence::new(
            "ends_at lies behind us: nobody would be contacted",
        ));
    }
    let quiet = withheld.get(&Withheld::QuietHours).copied().unwrap_or(0);
    if quiet > 0 && will_receive == 0 {
        warnings.push(
            Sentence::new(
                "quiet hours hold the whole wave past its end ({end}): launch earlier or end later",
            )
            .with("end", Value::Moment(end)),
        );
    }
    if let Some(every) = definition
        .schedule
        .as_ref()
        .filter(|plan| plan.every.is_some())
        && schedule::next(every, now).is_some_and(|due| due.at.timestamp_millis() >= end)
    {
        warnings.push(Sentence::new(
            "the next launch of [schedule] comes after ends_at",
        ));
    }
    warnings
}

fn warnings(
    definition: &Definition,
    settings: &Settings,
    will_receive: u64,
    now: DateTime<Utc>,
) -> Vec<Sentence> {
    let mut warnings = Vec::new();
    if will_receive == 0 {
        warnings.push(Sentence::new(
            "nobody would receive it: see who is withheld and why",
        ));
    }
    if !definition.channels().contains(&Channel::Email) {
        // What follows is about email.
    } else if settings.email.relay.is_none() {
        warnings.push(Sentence::new(
            "no relay is configured: messages go to the outbox, nothing leaves this machine",
        ));
    } else {
        if !settings.web.public_url.starts_with("https://") {
            warnings.push(Sentence::new(
                "web.public_url is not https: mail programs will not offer one-click unsubscribe (RFC 8058)",
            ));
        }
        let domain = definition
            .sender
            .address
            .rsplit('@')
            .next()
            .unwrap_or_default();
        let is_signed =
            settings.email.dkim.iter().any(|dkim| {
                domain == dkim.domain || domain.ends_with(&format!(".{}", dkim.domain))
            });
        if !is_signed {
            warnings.push(
                Sentence::new("no DKIM signature for {domain}: large providers refuse unsigned bulk mail; add [[email.dkim]]")
                    .with("domain", domain),
            );
        }
    }
    if let Some(every) = definition
        .schedule
        .as_ref()
        .filter(|plan| plan.every.is_some())
        && let Some(first) = schedule::next(every, now)
        && let Some(second) = schedule::next(every, first.at)
        && second.at - first.at < chrono::Duration::hours(20)
    {
        let every = every.every.as_deref().unwrap_or_default();
        warnings.push(
            Sentence::new("every {every} writes to the same people more than once a day")
                .with("every", format!("{every:?}")),
        );
    }
    warnings
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "as saturates"
)]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

impl CheckedCampaign {
    /// How many are held back by lot, by the campaign or as the standing group.
    pub fn held_back(&self) -> u64 {
        let by_lot = self
            .withheld
            .iter()
            .filter(|(reason, _)| matches!(reason, Withheld::Control | Withheld::GlobalControl));
        by_lot.map(|(_, people)| people).sum()
    }

    /// What it would cost, in cents: as the plan says, else the text messages; `None`: neither is known.
    pub fn cost_cents(&self) -> Option<i64> {
        let texts = self.sms.as_ref().and_then(|sms| sms.typical_micros);
        match self.forecast.cost_cents {
            Some(range) => Some(whole(range.expected)),
            None => texts.map(|micros| micros / 10_000),
        }
    }

    /// Whether nothing forbids the launch.
    pub fn is_ready(&self) -> bool {
        self.refusals.is_empty()
            && self
                .findings
                .iter()
                .all(|finding| finding.severity != Severity::Error)
    }
}

impl fmt::Display for CheckedCampaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        writeln!(f, "  segment       {}", self.segment)?;
        writeln!(f, "  selected      {:>9}", self.selected)?;
        for (reason, n) in &self.withheld {
            writeln!(f, "    withheld    {n:>9}  {}", reason.describe())?;
        }
        writeln!(f, "  will receive  {:>9}", self.will_receive)?;
        if let Some(by_email) = self.by_email {
            writeln!(f, "  by email      {by_email:>9}")?;
        }
        for (until, n) in &self.held {
            writeln!(f, "    held        {n:>9}  by quiet hours until {until}")?;
        }
        if let Some(sms) = &self.sms {
            sms.fmt(f)?;
        }
        self.forecast.fmt(f)?;
        if let Some(test) = &self.test {
            test.fmt(f)?;
        }
        match &self.due {
            Some(due) => writeln!(f, "  launch        {due}")?,
            None => writeln!(f, "  launch        by hand")?,
        }
        match self.estimated_seconds {
            Some(seconds) => writeln!(f, "  takes about   {}", super::duration(seconds))?,
            None => writeln!(
                f,
                "  takes         as long as the relay does; no wave of 100 messages was measured yet"
            )?,
        }
        for refusal in &self.refusals {
            writeln!(f, "  error: {refusal}")?;
        }
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        if let Some(launched) = &self.launched {
            write!(
                f,
                "  Launched before: wave {} on {}; it is {}. See `visavis campaign status {}`.",
                launched.wave, launched.at, launched.status, self.name
            )?;
            if !launched.comes_again {
                return Ok(());
            }
            writeln!(f)?;
        }
        if self.will_receive == 0 {
            write!(f, "  Nobody to send to.")
        } else if self.is_ready() {
            write!(f, "  Ready to launch.")
        } else {
            write!(f, "  Mend the errors above first.")
        }
    }
}
