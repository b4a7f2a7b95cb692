//! The rules one by one, each with the fact behind it.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::DbErr;

use super::{Step, minute};
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
use crate::storage::Db;

/// Tells rules and facts of one person.
pub(super) struct Teller<'a> {
    pub(super) rules: &'a Rules,
    pub(super) request: &'a Request,
    pub(super) facts: &'a Facts,
    pub(super) now_ms: i64,
}

impl Teller<'_> {
    pub(super) fn step(&self, rule: &'static str, reasons: &[Withheld], found: String) -> Step {
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
            channel if !self.facts.has_address => format!("no address for {channel}"),
            Channel::Email => match customer.email_state {
                EmailState::Malformed => "what the base holds is not an address",
                EmailState::Refused => "its server said that there is no such recipient",
                EmailState::Ok => FINE,
            }
            .to_owned(),
            Channel::Sms => match (customer.phone_kind, customer.phone_state) {
                (Some(PhoneKind::Mobile), PhoneState::Ok) => FINE,
                (Some(PhoneKind::Mobile), PhoneState::Refused) => {
                    "receipts of two days said that nobody has the number"
                }
                (Some(PhoneKind::Fixed), _) => "the number is a fixed line",
                (Some(PhoneKind::Other), _) => "the number is neither mobile nor fixed",
                (None, _) => "the number was not read yet; the next start does it",
            }
            .to_owned(),
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
    pub(super) fn permission(&self) -> Vec<Step> {
        let Some(permission) = self.facts.permission.as_ref().filter(|p| p.is_granted) else {
            let found = match &self.facts.permission {
                Some(no) if no.has_ended => format!(
                    "ended on {} ({})",
                    minute(no.since_at),
                    no.source.as_deref().unwrap_or("by itself")
                ),
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
        let basis = Basis::ALL.into_iter().find(|basis| basis.as_str() == name);
        let mut found = basis
            .map_or(name, |basis| Ground::of(basis).title)
            .to_owned();
        match basis {
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
            let names: Vec<&str> = bases.iter().map(|basis| Ground::of(*basis).title).collect();
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
            Some(at) if at <= self.now_ms && permission.expires_at == Some(at) => {
                format!("ended on {} (end date of the grant)", minute(at))
            }
            Some(at) if at <= self.now_ms => format!(
                "ended on {} (nothing came from the person since {})",
                minute(at),
                minute(last_act)
            ),
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
    let line = |passes: bool, found: String| Step {
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
            1 => "wants one message a day at most".to_owned(),
            days => format!("wants a message every {days} days at most"),
        };
        let is_reached = store::had_his_wish(db, question, customer).await?;
        steps.push(line(!is_reached, found));
    }
    if steps.is_empty() {
        steps.push(line(true, "nothing limits it".to_owned()));
    }
    Ok(steps)
}

fn room(cap: &Cap, counted: &[store::Counted], waiting: usize, zone: Tz) -> String {
    let max = usize::try_from(cap.max).unwrap_or(usize::MAX);
    let mut text = format!("{} of at most {}", counted.len() + waiting, cap.describe());
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
    if waiting > 0 {
        text.push_str(&format!(
            ", {waiting} of them waiting in campaigns of a higher priority"
        ));
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
    if let Some(share) = standing {
        steps.push(Step {
            rule: "standing control group",
            passes: passes(Withheld::GlobalControl),
            found: format!(
                "{} % of the base are contacted by no campaign in {}",
                share.percent, share.period.name
            ),
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

pub(super) fn quiet(teller: &Teller<'_>, country: &str, release: Option<DateTime<Utc>>) -> Step {
    let hours = teller
        .rules
        .quiet_hours
        .describe(teller.request.route(), country)
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

pub(super) fn in_ledger(row: Option<&LedgerRow>, let_go_at: Option<i64>) -> String {
    let Some(row) = row else {
        return match let_go_at {
            Some(at) => format!(
                "no launch whose deliveries are kept has selected him; older ones were let go on {}",
                minute(at)
            ),
            None => "no launch has selected him".to_owned(),
        };
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
