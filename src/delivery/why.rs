//! Why a person was, will be or will not be contacted by a campaign: every rule with the fact behind it.
//!
//! The rules are asked by the gate's own query ([`crate::gate::store::Question`]) and, before a launch,
//! by the audience's, so that this answer and what is done cannot part.

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::DbErr;
use serde::Serialize;

use super::model::State;
use super::store::why::{self as store, Facts, LedgerRow, PermissionFacts};
use crate::campaigns::audience::{Audience, DueBy};
use crate::campaigns::model::Status;
use crate::campaigns::store::{self as campaign_store, Campaign};
use crate::clock::from_ms;
use crate::config::WindowKind;
use crate::consent::ladder::Level;
use crate::consent::model::Basis;
use crate::customers::model::EmailState;
use crate::gate::model::{Request, Withheld};
use crate::gate::moment::{self, Moment};
use crate::gate::quiet_hours::Whereabouts;
use crate::gate::rules::{Cap, DAY_MS, Rules, WEEK_DAYS};
use crate::gate::store::{Question, places};
use crate::ids::CustomerId;
use crate::segments::{Explanation, ParseError, Rule, store as segment_store};
use crate::storage::Db;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    #[error("there is no customer {0}")]
    NoSuchCustomer(CustomerId),
    #[error("segment: {0}")]
    Segment(#[from] ParseError),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// One rule and how the person fares with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub rule: &'static str,
    /// `None`: not asked, since an earlier rule decides.
    pub passes: Option<bool>,
    /// The fact behind it.
    pub found: String,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Verdict {
    /// He was, or is just being.
    Contacted {
        at: Option<i64>,
    },
    /// Nobody knows: the connection was lost.
    Unknown {
        at: Option<i64>,
    },
    /// Nothing speaks against it from this instant on (milliseconds since the epoch).
    WouldBe {
        from: i64,
    },
    Withheld {
        reason: Withheld,
    },
    /// The segment does not mean him.
    NotSelected,
    /// It was tried and failed.
    Failed,
    /// The campaign is over, and he is not in its ledger.
    Over,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    pub customer: CustomerId,
    pub campaign: String,
    /// When it was asked, in milliseconds since the epoch.
    pub at: i64,
    pub verdict: Verdict,
    /// The verdict as a sentence.
    pub answer: String,
    pub steps: Vec<Step>,
    pub segment: Explanation,
}

/// Asks why.
///
/// # Errors
/// When there is no such customer, the segment cannot be read or the database is away.
pub async fn why(
    db: &Db,
    rules: &Rules,
    campaign: &Campaign,
    customer: CustomerId,
    now: DateTime<Utc>,
) -> Result<Why, WhyError> {
    let definition = &campaign.definition;
    let rule = Rule::parse(&definition.segment)?;
    let profile = segment_store::profile(db, customer)
        .await?
        .ok_or(WhyError::NoSuchCustomer(customer))?;
    let ledger = store::ledger_row(db, campaign.id, customer).await?;
    let request = definition.request();
    let places = places(&**db, request.fallback_zone).await?;
    let own_wave = ledger
        .as_ref()
        .filter(|row| row.is_running)
        .map(|row| row.wave);
    let rivals = campaign_store::rivals(&**db, request.priority, own_wave).await?;
    let now_ms = now.timestamp_millis();
    let moment = Moment::of_instant(&now_ms.to_string(), now_ms, "c", rules, &places);
    let question = Question {
        dialect: db.dialect(),
        rules,
        request: &request,
        moment: &moment,
        rivals: &rivals,
        c: "c",
        p: "p",
    };
    let facts = store::facts(db, &question, customer)
        .await?
        .ok_or(WhyError::NoSuchCustomer(customer))?;
    let audience = Audience {
        rule: &rule,
        rules,
        request: &request,
        rivals: &rivals,
        places: &places,
        control_percent: definition.control_percent,
        salt: campaign.id.0,
        now,
        due: DueBy::of(definition, now),
    };
    let in_audience = store::in_audience(db, &audience, customer).await?;
    let zone = profile
        .customer
        .time_zone
        .as_deref()
        .and_then(|name| name.parse().ok())
        .unwrap_or(request.fallback_zone);
    let release = rules.quiet_hours.next_allowed(
        now,
        request.channel,
        Whereabouts {
            country: &profile.customer.country,
            postal_code: profile.customer.postal_code.as_deref(),
            zone,
        },
    );
    let verdict = decide(
        campaign,
        &request,
        &facts,
        ledger.as_ref(),
        in_audience,
        release,
        now_ms,
    );

    let teller = Teller {
        rules,
        request: &request,
        facts: &facts,
        now_ms,
    };
    let segment = rule.explain(&profile, now);
    let mut steps = vec![Step {
        rule: "segment",
        passes: Some(segment.is_true),
        found: definition.segment.clone(),
    }];
    steps.push(teller.address(profile.customer.email_state));
    steps.push(teller.suppression(&store::suppressions(db, &question, customer).await?));
    steps.extend(teller.permission());
    steps.push(teller.step(
        "pause",
        &[Withheld::Paused],
        match facts.paused_until {
            Some(until) if until > now_ms => format!("asked for a pause until {}", minute(until)),
            Some(until) => format!("the pause ended on {}", minute(until)),
            None => "asked for none".to_owned(),
        },
    ));
    steps.extend(pressure(db, &teller, &question, customer, zone).await?);
    steps.extend(rest(
        &teller,
        definition.control_percent,
        in_audience,
        ledger.as_ref(),
    ));
    steps.push(quiet(&teller, &profile.customer.country, release));
    if let Some(end) = request.ends_at {
        steps.push(Step {
            rule: "end",
            passes: Some(now_ms < end),
            found: format!("the campaign ends on {}", minute(end)),
        });
    }
    steps.push(Step {
        rule: "ledger",
        passes: None,
        found: in_ledger(ledger.as_ref()),
    });
    Ok(Why {
        customer,
        campaign: definition.name.clone(),
        at: now_ms,
        answer: sentence(verdict, ledger.as_ref(), now_ms),
        verdict,
        steps,
        segment,
    })
}

/// What the ledger says where it says something final, else what gate and audience would.
fn decide(
    campaign: &Campaign,
    request: &Request,
    facts: &Facts,
    ledger: Option<&LedgerRow>,
    in_audience: Option<(i64, Option<Withheld>)>,
    release: Option<DateTime<Utc>>,
    now_ms: i64,
) -> Verdict {
    let is_over = matches!(campaign.status, Status::Finished | Status::Cancelled);
    if let Some(row) = ledger.filter(|row| row.is_running || is_over) {
        match row.state {
            State::Accepted | State::Sending => return Verdict::Contacted { at: row.settled_at },
            State::Unknown => return Verdict::Unknown { at: row.settled_at },
            State::Failed => return Verdict::Failed,
            State::Withheld => {
                let reason = row.reason.as_deref().and_then(Withheld::from_column);
                return Verdict::Withheld {
                    reason: reason.unwrap_or(Withheld::Cancelled),
                };
            }
            State::Pending | State::Deferred => {
                let end = request.ends_at.unwrap_or(i64::MAX);
                let due = row.next_at.unwrap_or(row.due_at);
                let release = release.map_or(now_ms, |at| at.timestamp_millis());
                let from = due.max(release);
                return match facts.refusals.first() {
                    Some(reason) => Verdict::Withheld { reason: *reason },
                    None if now_ms >= end || due >= end => Verdict::Withheld {
                        reason: Withheld::Ended,
                    },
                    None if from >= end => Verdict::Withheld {
                        reason: Withheld::QuietHours,
                    },
                    None => Verdict::WouldBe { from },
                };
            }
        }
    }
    match in_audience {
        _ if is_over => Verdict::Over,
        None => Verdict::NotSelected,
        Some((_, Some(reason))) => Verdict::Withheld { reason },
        Some((due, None)) => Verdict::WouldBe {
            from: due.max(now_ms),
        },
    }
}

fn sentence(verdict: Verdict, ledger: Option<&LedgerRow>, now_ms: i64) -> String {
    let on = |at: Option<i64>| {
        at.map_or_else(|| "just now".to_owned(), |at| format!("on {}", minute(at)))
    };
    match verdict {
        Verdict::Contacted { at } => format!("was contacted {}", on(at)),
        Verdict::Unknown { at } => format!(
            "may have been contacted {}: the connection was lost before the answer, and it is not tried again",
            on(at)
        ),
        Verdict::WouldBe { from } if from <= now_ms => "would be contacted now".to_owned(),
        Verdict::WouldBe { from } => format!("would be contacted from {}", minute(from)),
        Verdict::Withheld { reason } => format!("is not contacted because: {}", reason.describe()),
        Verdict::NotSelected => "is not contacted because the segment does not mean him".to_owned(),
        Verdict::Failed => format!(
            "was not reached: {}",
            ledger
                .and_then(|row| row.reason.as_deref())
                .unwrap_or("unknown")
                .replace('_', " ")
        ),
        Verdict::Over => {
            "is not contacted because the campaign is over, and no launch selected him".to_owned()
        }
    }
}

/// Tells rules and facts of one person.
struct Teller<'a> {
    rules: &'a Rules,
    request: &'a Request,
    facts: &'a Facts,
    now_ms: i64,
}

impl Teller<'_> {
    fn step(&self, rule: &'static str, reasons: &[Withheld], found: String) -> Step {
        let fails = reasons
            .iter()
            .any(|reason| self.facts.refusals.contains(reason));
        Step {
            rule,
            passes: Some(!fails),
            found,
        }
    }

    fn address(&self, state: EmailState) -> Step {
        let found = match state {
            _ if !self.facts.has_address => format!("no address for {}", self.request.channel),
            EmailState::Malformed => "what the base holds is not an address".to_owned(),
            EmailState::Refused => "its server said that there is no such recipient".to_owned(),
            EmailState::Ok => "has one, and nothing is known against it".to_owned(),
        };
        let reasons = [
            Withheld::NoAddress,
            Withheld::MalformedAddress,
            Withheld::RefusedAddress,
        ];
        self.step("address", &reasons, found)
    }

    fn suppression(&self, suppressions: &[store::SuppressionFacts]) -> Step {
        let found: Vec<String> = suppressions
            .iter()
            .map(|one| {
                let scope = match one.scope.as_str() {
                    "*" => format!("the whole channel {}", self.request.channel),
                    topic => topic.to_owned(),
                };
                format!("{} for {scope} since {}", one.reason, minute(one.at))
            })
            .collect();
        let stands = self.facts.refusals.contains(&Withheld::Suppressed);
        let found = match (found.as_slice(), stands) {
            ([], _) => "the address is on no list".to_owned(),
            (lines, true) => lines.join("; "),
            (lines, false) => format!("{}; a newer consent lifts it", lines.join("; ")),
        };
        self.step("suppression", &[Withheld::Suppressed], found)
    }

    /// Permission, basis, expiry and level: without a permission the later ones are not asked.
    fn permission(&self) -> Vec<Step> {
        let Some(permission) = self.facts.permission.as_ref().filter(|p| p.is_granted) else {
            let found = match &self.facts.permission {
                Some(no) => format!(
                    "withdrawn on {}{}",
                    minute(no.since_at),
                    source(no.source.as_deref())
                ),
                None => format!(
                    "never given for {} about {}",
                    self.request.channel, self.request.topic
                ),
            };
            let mut steps = vec![self.step("permission", &[Withheld::NoPermission], found)];
            steps.extend(["basis", "expiry", "level"].map(|rule| Step {
                rule,
                passes: None,
                found: "not asked without a permission".to_owned(),
            }));
            return steps;
        };
        vec![
            self.step(
                "permission",
                &[Withheld::NoPermission],
                format!(
                    "given on {}{}",
                    minute(permission.since_at),
                    source(permission.source.as_deref())
                ),
            ),
            self.step("basis", &[Withheld::NoBasis], self.basis(permission)),
            self.step("expiry", &[Withheld::Expired], self.expiry(permission)),
            self.step("level", &[Withheld::Level], self.level(permission)),
        ]
    }

    fn basis(&self, permission: &PermissionFacts) -> String {
        let name = permission.basis.as_deref().unwrap_or("none");
        let mut found = name.replace('_', " ");
        match Basis::ALL.into_iter().find(|basis| basis.as_str() == name) {
            Some(Basis::SoftOptIn) => found.push_str(&match self.facts.last_order_at {
                Some(at) => format!(", last order on {}", minute(at)),
                None => format!(", no order, stage {}", self.facts.stage),
            }),
            Some(Basis::B2bLegitimateInterest) => found.push_str(match &self.facts.company {
                Some(_) => ", a company is known",
                None => ", no company is known",
            }),
            Some(Basis::Contract) => found.push_str(&format!(", stage {}", self.facts.stage)),
            Some(Basis::Consent) | None => {}
        }
        if let Some(bases) = self.rules.bases_for(&self.request.topic) {
            let names: Vec<String> = bases
                .iter()
                .map(|basis| basis.as_str().replace('_', " "))
                .collect();
            found.push_str(&format!(
                "; {} wants {}",
                self.request.topic,
                names.join(" or ")
            ));
        }
        found
    }

    fn expiry(&self, permission: &PermissionFacts) -> String {
        let basis = Basis::ALL
            .into_iter()
            .find(|basis| Some(basis.as_str()) == permission.basis.as_deref());
        let last_act = self.last_act(permission).max(permission.since_at);
        let by_rule = basis
            .and_then(|basis| self.rules.holds_ms(basis))
            .map(|ms| last_act + ms);
        match [permission.expires_at, by_rule].into_iter().flatten().min() {
            Some(at) if at <= self.now_ms => format!("ended on {}", minute(at)),
            Some(at) => format!(
                "holds until {}; last act on {}",
                minute(at),
                minute(last_act)
            ),
            None => "without end".to_owned(),
        }
    }

    fn level(&self, permission: &PermissionFacts) -> String {
        let (granted, standing) = (
            Level::from_code(permission.level),
            Level::from_code(permission.standing),
        );
        let mut found = format!(
            "granted {granted} on {}, stands on {standing}, needs {}",
            minute(permission.level_since_at),
            self.request.level
        );
        if standing >= self.request.level
            && !self
                .rules
                .ladder
                .rung(standing)
                .channels
                .contains(&self.request.channel)
        {
            found.push_str(&format!(
                "; {standing} does not allow {}",
                self.request.channel
            ));
        }
        found
    }

    fn last_act(&self, permission: &PermissionFacts) -> i64 {
        [
            Some(permission.level_since_at),
            self.facts.last_response_at,
            self.facts.last_order_at,
        ]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or_default()
    }
}

/// Each cap: how many of how many, which, and when there is room again.
async fn pressure(
    db: &Db,
    teller: &Teller<'_>,
    question: &Question<'_>,
    customer: CustomerId,
    zone: Tz,
) -> Result<Vec<Step>, DbErr> {
    let mut caps: Vec<Cap> = teller
        .rules
        .caps_for(teller.request.channel, &teller.request.topic)
        .cloned()
        .collect();
    let calendar = |max: u32, days: u32| Cap {
        max,
        days,
        window: WindowKind::Calendar,
        channel: None,
        topic: None,
    };
    let standing = teller
        .facts
        .permission
        .as_ref()
        .map(|p| Level::from_code(p.standing));
    if let Some(max) = standing.and_then(|level| teller.rules.ladder.rung(level).contacts_per_week)
    {
        caps.push(calendar(max, WEEK_DAYS));
    }
    let mut lines = Vec::new();
    for cap in &caps {
        let counted = store::counted(db, question, cap, customer).await?;
        lines.push(room(cap, &counted, zone));
    }
    if let Some(days) = teller.facts.frequency_days {
        lines.push(format!("wants a message every {days} days at most"));
    }
    let waiting = store::waiting_first(db, question, customer).await?;
    if waiting > 0 {
        lines.push(format!(
            "{waiting} waiting in campaigns of a higher priority"
        ));
    }
    if lines.is_empty() {
        lines.push("nothing limits it".to_owned());
    }
    // One verdict over all caps, as the gate has it.
    Ok(lines
        .into_iter()
        .map(|found| teller.step("pressure", &[Withheld::Pressure], found))
        .collect())
}

fn room(cap: &Cap, counted: &[store::Counted], zone: Tz) -> String {
    let max = usize::try_from(cap.max).unwrap_or(usize::MAX);
    let mut text = format!("{} of at most {}", counted.len(), cap.describe());
    if !counted.is_empty() {
        let which: Vec<String> = counted
            .iter()
            .rev()
            .take(3)
            .map(|one| {
                let name = one.campaign.as_deref().unwrap_or("a campaign that is gone");
                format!("{name} on {}", minute(one.at))
            })
            .collect();
        text.push_str(&format!(" ({})", which.join(", ")));
    }
    // Room comes when so many have left the window that one less than the cap is in it.
    if counted.len() >= max
        && let Some(leaving) = counted.get(counted.len() - max)
    {
        let free = match cap.window {
            WindowKind::Sliding => leaving.at + i64::from(cap.days) * DAY_MS,
            WindowKind::Calendar => moment::end(from_ms(leaving.at), zone, cap.days),
        };
        text.push_str(&format!("; room again from {}", minute(free)));
    }
    text
}

/// What others of the audience decide: address, household, control group.
fn rest(
    teller: &Teller<'_>,
    control_percent: u8,
    in_audience: Option<(i64, Option<Withheld>)>,
    ledger: Option<&LedgerRow>,
) -> Vec<Step> {
    let recorded = ledger
        .filter(|row| row.state == State::Withheld)
        .and_then(|row| row.reason.as_deref())
        .and_then(Withheld::from_column);
    let decided = recorded.or(in_audience.and_then(|(_, reason)| reason));
    let passes = |reason: Withheld| match decided {
        Some(found) if found == reason => Some(false),
        // An earlier rule decided.
        Some(found) if found < reason => None,
        _ => Some(true),
    };
    let shared = |with: Option<i64>, what: &str| match with {
        Some(id) => format!("shared with customer {id}, known longer"),
        None => format!("nobody known longer has the same {what}"),
    };
    let mut steps = vec![Step {
        rule: "duplicate address",
        passes: passes(Withheld::DuplicateAddress),
        found: shared(teller.facts.same_address, "address"),
    }];
    if teller.request.per_household {
        steps.push(Step {
            rule: "household",
            passes: passes(Withheld::Household),
            found: shared(teller.facts.same_household, "household"),
        });
    }
    if control_percent > 0 {
        steps.push(Step {
            rule: "control group",
            passes: passes(Withheld::Control),
            found: format!("{control_percent} % are held back to measure the effect"),
        });
    }
    steps
}

fn quiet(teller: &Teller<'_>, country: &str, release: Option<DateTime<Utc>>) -> Step {
    let hours = teller
        .rules
        .quiet_hours
        .describe(teller.request.channel, country)
        .unwrap_or_else(|| format!("{} may be used at any hour", teller.request.channel));
    Step {
        rule: "quiet hours",
        passes: Some(release.is_none()),
        found: match release {
            Some(at) => format!("{hours}; quiet until {}", minute(at.timestamp_millis())),
            None => hours,
        },
    }
}

fn in_ledger(row: Option<&LedgerRow>) -> String {
    let Some(row) = row else {
        return "no launch has selected him".to_owned();
    };
    let mut text = format!("wave {}: {}", row.wave, row.state.counter());
    if let Some(reason) = &row.reason {
        text.push_str(&format!(" ({})", reason.replace('_', " ")));
    }
    if row.attempt > 0 {
        text.push_str(&format!(", attempt {}", row.attempt));
    }
    match (row.settled_at, row.next_at) {
        (Some(at), _) => text.push_str(&format!(", on {}", minute(at))),
        (None, Some(at)) => text.push_str(&format!(", tried again on {}", minute(at))),
        (None, None) => text.push_str(&format!(", due on {}", minute(row.due_at))),
    }
    text
}

fn source(source: Option<&str>) -> String {
    source.map_or_else(String::new, |source| format!(", source: {source}"))
}

/// To the minute, in UTC.
fn minute(ms: i64) -> String {
    from_ms(ms).format("%Y-%m-%d %H:%M UTC").to_string()
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "customer {} and campaign {}",
            self.customer, self.campaign
        )?;
        for step in &self.steps {
            let mark = match step.passes {
                Some(true) => "✓",
                Some(false) => "✗",
                None => "–",
            };
            writeln!(f, "  {mark} {:<17} {}", step.rule, step.found)?;
            if step.rule == "segment" && step.passes == Some(false) {
                for line in self.segment.to_string().lines() {
                    writeln!(f, "      {line}")?;
                }
            }
        }
        write!(f, "Customer {} {}.", self.customer, self.answer)
    }
}
