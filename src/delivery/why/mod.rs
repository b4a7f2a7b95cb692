//! Why a person was, will be or will not be contacted by a campaign: every rule with the fact behind it.
//!
//! The rules are asked by the gate's own query ([`crate::gate::store::Question`]) and, before a launch,
//! by the audience's, so that this answer and what is done cannot part.

mod steps;

use std::fmt;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::Serialize;

use super::model::State;
use super::store::why::{self as store, Facts, LedgerRow};
use crate::campaigns::audience::{self, Audience, DueBy};
use crate::campaigns::model::Status;
use crate::campaigns::split::Split;
use crate::campaigns::store::{self as campaign_store, Campaign};
use crate::consent::model::Channel;
use crate::gate::model::{Request, Withheld};
use crate::gate::moment::Moment;
use crate::gate::quiet_hours::Whereabouts;
use crate::gate::rules::Rules;
use crate::gate::store::{Question, places_of};
use crate::ids::CustomerId;
use crate::segments::{Explanation, ParseError, Rule, store as segment_store};
use crate::statistics::sentence::{Sentence, Value};
use crate::storage::Db;
use steps::{Teller, in_ledger, pressure, quiet, rest};

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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub rule: &'static str,
    /// `None`: not asked, since an earlier rule decides.
    pub passes: Option<bool>,
    /// The fact behind it.
    pub found: Sentence,
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

/// The facts for the channel he was or would be written to by: that of his row in the ledger, else the
/// first that nothing speaks against, else the first.
async fn facts_of<'a>(
    db: &Db,
    questions: &[Question<'a>],
    customer: CustomerId,
    channel: Option<Channel>,
) -> Result<(Question<'a>, Facts), WhyError> {
    let mut first = None;
    for question in questions {
        if channel.is_some_and(|channel| channel != question.request.channel) {
            continue;
        }
        let facts = store::facts(db, question, customer)
            .await?
            .ok_or(WhyError::NoSuchCustomer(customer))?;
        if facts.refusals.is_empty() {
            return Ok((*question, facts));
        }
        first.get_or_insert((*question, facts));
    }
    first.ok_or(WhyError::NoSuchCustomer(customer))
}

/// Of a campaign by several channels: which one is spoken of, and what speaks against the others.
async fn channels(
    db: &Db,
    questions: &[Question<'_>],
    chosen: Channel,
    customer: CustomerId,
) -> Result<Option<Step>, WhyError> {
    if questions.len() < 2 {
        return Ok(None);
    }
    let mut told = vec![Sentence::new("{channel} is looked at").with("channel", by(chosen))];
    for question in questions {
        let channel = question.request.channel;
        if channel == chosen {
            continue;
        }
        let facts = store::facts(db, question, customer).await?;
        let reason = facts.and_then(|facts| facts.refusals.first().copied());
        told.push(match reason {
            Some(reason) => Sentence::new("by {channel}: {reason}")
                .with("channel", by(channel))
                .with("reason", Value::word(reason.describe())),
            None => Sentence::new("nothing speaks against {channel}").with("channel", by(channel)),
        });
    }
    Ok(Some(Step {
        rule: "channel",
        passes: Some(true),
        found: Sentence::clauses(told),
    }))
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    pub customer: CustomerId,
    pub campaign: String,
    /// When it was asked, in milliseconds since the epoch.
    pub at: i64,
    pub verdict: Verdict,
    /// The verdict as a sentence.
    pub answer: Sentence,
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
    let let_go_at = store::let_go_at(db, campaign.id).await?;
    let own_wave = ledger
        .as_ref()
        .filter(|row| row.is_running)
        .map(|row| row.wave);
    let rivals = campaign_store::rivals(&**db, definition.priority, own_wave).await?;
    let now_ms = now.timestamp_millis();
    let requests = definition.requests();
    let circle = audience::circle(&requests, customer.0);
    let places = places_of(&**db, circle, definition.fallback_zone()).await?;
    let moment = Moment::of_instant(&now_ms.to_string(), now_ms, "c", rules, &places);
    let questions: Vec<Question<'_>> = requests
        .iter()
        .map(|request| Question {
            dialect: db.dialect(),
            rules,
            request,
            moment: &moment,
            rivals: &rivals,
            c: "c",
            p: "p",
        })
        .collect();
    let channel = ledger.as_ref().map(|row| row.channel);
    let (question, facts) = facts_of(db, &questions, customer, channel).await?;
    let request = question.request.clone();
    let standing = match definition.global_control {
        true => campaign_store::standing_control(&**db, rules, now).await?,
        false => None,
    };
    let audience = Audience {
        rule: &rule,
        rules,
        requests: &requests,
        rivals: &rivals,
        places: &places,
        control_percent: definition.control_percent,
        standing: standing.as_ref(),
        split: &Split::default(),
        salt: campaign.salt,
        now,
        due: DueBy::of(definition, now),
    };
    let in_audience = store::in_audience(db, &audience, customer).await?;
    let place = Whereabouts::of(&profile.customer, request.channel, request.fallback_zone);
    let release = rules.quiet_hours.next_allowed(now, request.route(), place);
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
        found: Sentence::new("{rule}").with("rule", definition.segment.as_str()),
    }];
    steps.extend(channels(db, &questions, request.channel, customer).await?);
    steps.push(teller.address(&profile.customer));
    steps.push(teller.suppression(&store::suppressions(db, &question, customer).await?));
    steps.extend(teller.permission());
    steps.push(teller.step(
        "pause",
        &[Withheld::Paused],
        match facts.paused_until {
            Some(until) if until > now_ms => {
                Sentence::new("asked for a pause until {at}").with("at", Value::Moment(until))
            }
            Some(until) => {
                Sentence::new("the pause ended on {at}").with("at", Value::Moment(until))
            }
            None => Sentence::new("asked for none"),
        },
    ));
    steps.extend(pressure(db, &teller, &question, customer, place.zone).await?);
    steps.extend(rest(
        &teller,
        definition.control_percent,
        standing.as_ref(),
        in_audience,
        ledger.as_ref(),
    ));
    steps.push(quiet(&teller, place.country, release));
    if let Some(end) = request.ends_at {
        steps.push(Step {
            rule: "end",
            passes: Some(now_ms < end),
            found: Sentence::new("the campaign ends on {at}").with("at", Value::Moment(end)),
        });
    }
    steps.push(Step {
        rule: "ledger",
        passes: None,
        found: in_ledger(ledger.as_ref(), let_go_at),
    });
    Ok(Why {
        customer,
        campaign: definition.name.clone(),
        at: now_ms,
        answer: sentence(verdict, ledger.as_ref(), let_go_at, now_ms),
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

fn sentence(
    verdict: Verdict,
    ledger: Option<&LedgerRow>,
    let_go_at: Option<i64>,
    now_ms: i64,
) -> Sentence {
    let on = |at: Option<i64>| {
        at.map_or_else(
            || Sentence::new("just now"),
            |at| Sentence::new("on {at}").with("at", Value::Moment(at)),
        )
    };
    match verdict {
        Verdict::Contacted { at } => Sentence::new("was contacted {when}").with("when", on(at)),
        Verdict::Unknown { at } => Sentence::new(
            "may have been contacted {when}: the connection was lost before the answer, and it is not tried again",
        )
        .with("when", on(at)),
        Verdict::WouldBe { from } if from <= now_ms => Sentence::new("would be contacted now"),
        Verdict::WouldBe { from } => {
            Sentence::new("would be contacted from {at}").with("at", Value::Moment(from))
        },
        Verdict::Withheld { reason } => {
            Sentence::new("is not contacted because: {reason}")
                .with("reason", Value::word(reason.describe()))
        },
        Verdict::NotSelected => {
            Sentence::new("is not contacted because the segment does not mean this person")
        },
        Verdict::Failed => {
            let reason = ledger.and_then(|row| row.reason.as_deref());
            Sentence::new("was not reached: {reason}").with("reason", spaced(reason.unwrap_or("unknown")))
        }
        Verdict::Over if let_go_at.is_some() => {
            Sentence::new("is not contacted because the campaign is over, and no launch that is kept selected this person")
        }
        Verdict::Over => {
            Sentence::new("is not contacted because the campaign is over, and no launch selected this person")
        }
    }
}

/// A channel within a sentence.
fn by(channel: Channel) -> Value {
    Value::word(channel.as_str())
}

/// A word of the ledger, as people read it.
fn spaced(word: &str) -> Sentence {
    word.replace('_', " ").into()
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
