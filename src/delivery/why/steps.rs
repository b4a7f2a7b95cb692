//! The rules one by one, each with the fact behind it.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::DbErr;

use super::{Step, by, spaced};
use crate::clock::from_ms;
use crate::config::WindowKind;
use crate::consent::bases::Ground;
use crate::consent::ladder::Level;
use crate::consent::model::{Basis, Channel};
use crate::customers::model::{Customer, EmailState, PhoneState};
use crate::customers::number::PhoneKind;
use crate::delivery::model::State;
use crate::delivery::store::why::{self as store, Facts, LedgerRow, PermissionFacts};
use crate::gate::control::Share;
use crate::gate::model::{Request, Withheld};
use crate::gate::moment;
use crate::gate::rules::{Cap, DAY_MS, Rules, WEEK_DAYS};
use crate::gate::store::Question;
use crate::ids::CustomerId;
use crate::statistics::sentence::{Sentence, Value};
use crate::storage::Db;

/// Tells rules and facts of one person.
pub(super) struct Teller<'a> {
    pub(super) rules: &'a Rules,
    pub(super) request: &'a Request,
    pub(super) facts: &'a Facts,
    pub(super) now_ms: i64,
}

impl Teller<'_> {
    pub(super) fn step(&self, rule: &'static str, reasons: &[Withheld], found: Sentence) -> Step {
        let fails = reasons
            .iter()
            .any(|reason| self.facts.refusals.contains(reason));
        Step {
            rule,
            passes: Some(!fails),
            found,
        }
    }

    pub(super) fn address(&self, customer: &Customer) -> Step {
        const FINE: &str = "has one, and nothing is known against it";
        let found = match self.request.channel {
            channel if !self.facts.has_address => {
                Sentence::new("no address for {channel}").with("channel", by(channel))
            }
            Channel::Email => Sentence::new(match customer.email_state {
                EmailState::Malformed => "what the base holds is not an address",
                EmailState::Refused => "its server said that there is no such recipient",
                EmailState::Ok => FINE,
            }),
            Channel::Sms => Sentence::new(match (customer.phone_kind, customer.phone_state) {
                (Some(PhoneKind::Mobile), PhoneState::Ok) => FINE,
                (Some(PhoneKind::Mobile), PhoneState::Refused) => {
                    "receipts of two days said that nobody has the number"
                }
                (Some(PhoneKind::Fixed), _) => "the number is a fixed line",
                (Some(PhoneKind::Other), _) => "the number is neither mobile nor fixed",
                (None, _) => "the number was not read yet; the next start does it",
            }),
        };
        let reasons = [
            Withheld::NoAddress,
            Withheld::NotMobile,
            Withheld::MalformedAddress,
            Withheld::RefusedAddress,
        ];
        self.step("address", &reasons, found)
    }

    pub(super) fn suppression(&self, suppressions: &[store::SuppressionFacts]) -> Step {
        let found: Vec<Sentence> = suppressions
            .iter()
            .map(|one| {
                let scope = match one.scope.as_str() {
                    "*" => Sentence::new("the whole channel {channel}")
                        .with("channel", by(self.request.channel)),
                    topic => Sentence::new("{topic}").with("topic", topic),
                };
                Sentence::new("{reason} for {scope} since {at}")
                    .with("reason", Sentence::from(one.reason.clone()))
                    .with("scope", scope)
                    .with("at", Value::Moment(one.at))
            })
            .collect();
        let stands = self.facts.refusals.contains(&Withheld::Suppressed);
        let found = match (found.is_empty(), stands) {
            (true, _) => Sentence::new("the address is on no list"),
            (false, true) => Sentence::clauses(found),
            (false, false) => Sentence::new("{lists}; a newer consent lifts it")
                .with("lists", Value::clauses(found)),
        };
        self.step("suppression", &[Withheld::Suppressed], found)
    }

    /// Permission, basis, expiry and level: without a permission the later ones are not asked.
    pub(super) fn permission(&self) -> Vec<Step> {
        let Some(permission) = self.facts.permission.as_ref().filter(|p| p.is_granted) else {
            let found = match &self.facts.permission {
                Some(no) if no.has_ended => Sentence::new("ended on {at} ({source})")
                    .with("at", Value::Moment(no.since_at))
                    .with(
                        "source",
                        match &no.source {
                            Some(source) => Value::from(source.as_str()),
                            None => Value::word("by itself"),
                        },
                    ),
                Some(no) => Sentence::new("withdrawn on {at}{source}")
                    .with("at", Value::Moment(no.since_at))
                    .with("source", source(no.source.as_deref())),
                None => Sentence::new("never given for {channel} about {topic}")
                    .with("channel", by(self.request.channel))
                    .with("topic", self.request.topic.as_str()),
            };
            let mut steps = vec![self.step("permission", &[Withheld::NoPermission], found)];
            steps.extend(["basis", "expiry", "level"].map(|rule| Step {
                rule,
                passes: None,
                found: Sentence::new("not asked without a permission"),
            }));
            return steps;
        };
        vec![
            self.step(
                "permission",
                &[Withheld::NoPermission],
                Sentence::new("given on {at}{source}")
                    .with("at", Value::Moment(permission.since_at))
                    .with("source", source(permission.source.as_deref())),
            ),
            self.step("basis", &[Withheld::NoBasis], self.basis(permission)),
            self.step("expiry", &[Withheld::Expired], self.expiry(permission)),
            self.step("level", &[Withheld::Level], self.level(permission)),
        ]
    }

    fn basis(&self, permission: &PermissionFacts) -> Sentence {
        let name = permission.basis.as_deref().unwrap_or("none");
        let basis = Basis::ALL.into_iter().find(|basis| basis.as_str() == name);
        let title = match basis {
            Some(basis) => Sentence::new(Ground::of(basis).title),
            None => name.to_owned().into(),
        };
        let stage = || Sentence::from(self.facts.stage.to_string());
        let fact = match basis {
            Some(Basis::SoftOptIn) => Some(match self.facts.last_order_at {
                Some(at) => Sentence::new("last order on {at}").with("at", Value::Moment(at)),
                None => Sentence::new("no order, stage {stage}").with("stage", stage()),
            }),
            Some(Basis::B2bLegitimateInterest) => Some(match &self.facts.company {
                Some(_) => Sentence::new("a company is known"),
                None => Sentence::new("no company is known"),
            }),
            Some(Basis::Contract) => Some(Sentence::new("stage {stage}").with("stage", stage())),
            Some(Basis::Consent) | None => None,
        };
        let known = Sentence::new("{what}").with(
            "what",
            std::iter::once(title).chain(fact).collect::<Vec<_>>(),
        );
        let Some(bases) = self.rules.bases_for(&self.request.topic) else {
            return known;
        };
        let wanted = bases.iter().map(|basis| Ground::of(*basis).title);
        let wanted = wanted.fold(None, |before, title| {
            Some(match before {
                None => Sentence::new(title),
                Some(before) => Sentence::new("{one} or {other}")
                    .with("one", before)
                    .with("other", Value::word(title)),
            })
        });
        Sentence::new("{known}; {topic} wants {bases}")
            .with("known", known)
            .with("topic", self.request.topic.as_str())
            .with("bases", wanted)
    }

    fn expiry(&self, permission: &PermissionFacts) -> Sentence {
        let basis = Basis::ALL
            .into_iter()
            .find(|basis| Some(basis.as_str()) == permission.basis.as_deref());
        let last_act = self.last_act(permission).max(permission.since_at);
        let by_rule = basis
            .and_then(|basis| self.rules.holds_ms(basis))
            .map(|ms| last_act + ms);
        match [permission.expires_at, by_rule].into_iter().flatten().min() {
            Some(at) if at <= self.now_ms && permission.expires_at == Some(at) => {
                Sentence::new("ended on {at} (end date of the grant)").with("at", Value::Moment(at))
            }
            Some(at) if at <= self.now_ms => {
                Sentence::new("ended on {at} (nothing came from the person since {last})")
                    .with("at", Value::Moment(at))
                    .with("last", Value::Moment(last_act))
            }
            Some(at) => Sentence::new("holds until {at}; last act on {last}")
                .with("at", Value::Moment(at))
                .with("last", Value::Moment(last_act)),
            None => Sentence::new("without end"),
        }
    }

    fn level(&self, permission: &PermissionFacts) -> Sentence {
        let (granted, standing) = (
            Level::from_code(permission.level),
            Level::from_code(permission.standing),
        );
        let found =
            Sentence::new("granted {granted} on {at}, stands on {standing}, needs {needed}")
                .with("granted", Value::word(granted.as_str()))
                .with("at", Value::Moment(permission.level_since_at))
                .with("standing", Value::word(standing.as_str()))
                .with("needed", Value::word(self.request.level.as_str()));
        if standing >= self.request.level
            && !self
                .rules
                .ladder
                .rung(standing)
                .channels
                .contains(&self.request.channel)
        {
            let forbids = Sentence::new("{standing} does not allow {channel}")
                .with("standing", Value::word(standing.as_str()))
                .with("channel", by(self.request.channel));
            return Sentence::clauses(vec![found, forbids]);
        }
        found
    }

    fn last_act(&self, permission: &PermissionFacts) -> i64 {
        [
            Some(permission.since_at),
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
pub(super) async fn pressure(
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
    // Each by its own count, so that only what is reached is marked.
    let line = |passes: bool, found: Sentence| Step {
        rule: "pressure",
        passes: Some(passes),
        found,
    };
    let mut steps = Vec::new();
    for cap in &caps {
        let sent = store::counted(db, question, cap, customer).await?;
        let counted = store::count_against(db, question, cap, customer).await?;
        let waiting = counted.saturating_sub(sent.len());
        steps.push(line(
            counted < usize::try_from(cap.max).unwrap_or(usize::MAX),
            room(cap, &sent, waiting, zone),
        ));
    }
    if let Some(days) = teller.facts.frequency_days {
        let found = match days {
            1 => Sentence::new("wants one message a day at most"),
            days => Sentence::new("wants a message every {n} days at most").named("n", days),
        };
        let is_reached = store::had_his_wish(db, question, customer).await?;
        steps.push(line(!is_reached, found));
    }
    if steps.is_empty() {
        steps.push(line(true, Sentence::new("nothing limits it")));
    }
    Ok(steps)
}

fn room(cap: &Cap, counted: &[store::Counted], waiting: usize, zone: Tz) -> Sentence {
    let max = usize::try_from(cap.max).unwrap_or(usize::MAX);
    let which = (!counted.is_empty()).then(|| {
        let which: Vec<Sentence> = counted
            .iter()
            .rev()
            .take(3)
            .map(|one| {
                let name = match &one.campaign {
                    Some(name) => Value::from(name.as_str()),
                    None => Value::word("a campaign that is gone"),
                };
                Sentence::new("{campaign} on {at}")
                    .with("campaign", name)
                    .with("at", Value::Moment(one.at))
            })
            .collect();
        Sentence::new(" ({which})").with("which", which)
    });
    let waiting_too = (waiting > 0).then(|| {
        Sentence::new(", {n} of them waiting in campaigns of a higher priority").named("n", waiting)
    });
    let told = Sentence::new("{n} of at most {cap}{which}{waiting}")
        .named("n", counted.len() + waiting)
        .with("cap", cap.sentence())
        .with("which", which)
        .with("waiting", waiting_too);
    // Room comes when so many have left the window that one less than the cap is in it.
    if counted.len() >= max
        && let Some(leaving) = counted.get(counted.len() - max)
    {
        let free = match cap.window {
            WindowKind::Sliding => leaving.at + i64::from(cap.days) * DAY_MS,
            WindowKind::Calendar => moment::end(from_ms(leaving.at), zone, cap.days),
        };
        let again = Sentence::new("room again from {at}").with("at", Value::Moment(free));
        return Sentence::clauses(vec![told, again]);
    }
    told
}

/// What others of the audience decide: address, household, control group.
pub(super) fn rest(
    teller: &Teller<'_>,
    control_percent: u8,
    standing: Option<&Share>,
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
    let shared = |with: Option<i64>, alone: &'static str| match with {
        Some(id) => Sentence::new("shared with customer {id}, known longer").named("id", id),
        None => Sentence::new(alone),
    };
    let mut steps = vec![Step {
        rule: "duplicate address",
        passes: passes(Withheld::DuplicateAddress),
        found: shared(
            teller.facts.same_address,
            "nobody known longer has the same address",
        ),
    }];
    if teller.request.per_household {
        steps.push(Step {
            rule: "household",
            passes: passes(Withheld::Household),
            found: shared(
                teller.facts.same_household,
                "nobody known longer has the same household",
            ),
        });
    }
    if let Some(share) = standing {
        steps.push(Step {
            rule: "standing control group",
            passes: passes(Withheld::GlobalControl),
            found: Sentence::new("{n} % of the base are contacted by no campaign in {period}")
                .named("n", share.percent)
                .named("period", &share.period.name),
        });
    }
    if control_percent > 0 {
        steps.push(Step {
            rule: "control group",
            passes: passes(Withheld::Control),
            found: Sentence::new("{n} % are held back to measure the effect")
                .named("n", control_percent),
        });
    }
    steps
}

pub(super) fn quiet(teller: &Teller<'_>, country: &str, release: Option<DateTime<Utc>>) -> Step {
    let hours = teller
        .rules
        .quiet_hours
        .told(teller.request.route(), country)
        .unwrap_or_else(|| {
            Sentence::new("{channel} may be used at any hour")
                .with("channel", by(teller.request.channel))
        });
    Step {
        rule: "quiet hours",
        passes: Some(release.is_none()),
        found: match release {
            Some(at) => {
                let until = Value::Moment(at.timestamp_millis());
                let quiet = Sentence::new("quiet until {at}").with("at", until);
                Sentence::clauses(vec![hours, quiet])
            }
            None => hours,
        },
    }
}

pub(super) fn in_ledger(row: Option<&LedgerRow>, let_go_at: Option<i64>) -> Sentence {
    let Some(row) = row else {
        return match let_go_at {
            Some(at) => Sentence::new(
                "no launch whose deliveries are kept has selected this person; older ones were let go on {at}",
            )
            .with("at", Value::Moment(at)),
            None => Sentence::new("no launch has selected this person"),
        };
    };
    let reason = row.reason.as_deref();
    let reason = reason.map(|reason| Sentence::new(" ({reason})").with("reason", spaced(reason)));
    let attempt = (row.attempt > 0).then(|| Sentence::new(", attempt {n}").named("n", row.attempt));
    let when = match (row.settled_at, row.next_at) {
        (Some(at), _) => Sentence::new(", on {at}").with("at", Value::Moment(at)),
        (None, Some(at)) => Sentence::new(", tried again on {at}").with("at", Value::Moment(at)),
        (None, None) => Sentence::new(", due on {at}").with("at", Value::Moment(row.due_at)),
    };
    let more = Sentence::new("{reason}{attempt}{when}")
        .with("reason", reason)
        .with("attempt", attempt)
        .with("when", when);
    let told = match row.state {
        State::Pending => Sentence::new("wave {wave}: pending{more}"),
        State::Sending => Sentence::new("wave {wave}: sending{more}"),
        State::Accepted => Sentence::new("wave {wave}: accepted{more}"),
        State::Deferred => Sentence::new("wave {wave}: deferred{more}"),
        State::Failed => Sentence::new("wave {wave}: failed{more}"),
        State::Unknown => Sentence::new("wave {wave}: unknown{more}"),
        State::Withheld => Sentence::new("wave {wave}: withheld{more}"),
    };
    told.named("wave", row.wave).with("more", more)
}

fn source(source: Option<&str>) -> Option<Sentence> {
    source.map(|source| Sentence::new(", source: {source}").with("source", source))
}
