//! Why a rule means a customer or does not, part by part.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::evaluate::{Asker, Found};
use super::model::{Behaviour, Deed, Field, Node, Profile, Rule, Subject};
use crate::clock::from_ms;
use crate::consent::model::{Channel, Tracking};
use crate::customers::model::{EmailState, PhoneState};
use crate::storage::text::counted;

/// A part of a rule, whether it is true of a customer, and why. Shows as an indented outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Explanation {
    /// The part's text; of a compound `all of`, `any of` or `not`.
    pub rule: String,
    pub is_true: bool,
    /// What the base holds about him; none for a compound.
    pub found: Option<String>,
    #[schema(no_recursion)]
    pub parts: Vec<Explanation>,
}

impl Rule {
    /// Asks every part of the rule about the customer; true exactly when [`Rule::matches`] is.
    ///
    /// The answer holds personal data: it is for the screen, not for a log.
    pub fn explain(&self, profile: &Profile, now: DateTime<Utc>) -> Explanation {
        Asker { profile, now }.explain(&self.root)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outline(f, 0)
    }
}

impl Explanation {
    fn outline(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        if depth > 0 {
            writeln!(f)?;
        }
        let mark = if self.is_true { "✓" } else { "✗" };
        write!(f, "{:indent$}{mark} {}", "", self.rule, indent = depth * 2)?;
        if let Some(found) = &self.found {
            write!(f, " — {found}")?;
        }
        if !self.parts.is_empty() {
            f.write_str(":")?;
        }
        self.parts
            .iter()
            .try_for_each(|part| part.outline(f, depth + 1))
    }
}

impl Asker<'_> {
    fn explain(&self, node: &Node) -> Explanation {
        let compound = |rule: &str, parts: Vec<Explanation>, is_true: bool| Explanation {
            rule: rule.to_owned(),
            is_true,
            found: None,
            parts,
        };
        match node {
            Node::All(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.explain(part)).collect();
                let is_true = parts.iter().all(|part| part.is_true);
                compound("all of", parts, is_true)
            }
            Node::Any(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.explain(part)).collect();
                let is_true = parts.iter().any(|part| part.is_true);
                compound("any of", parts, is_true)
            }
            Node::Not(part) => {
                let part = self.explain(part);
                let is_true = !part.is_true;
                compound("not", vec![part], is_true)
            }
            leaf => Explanation {
                rule: leaf.to_string(),
                is_true: self.holds(leaf),
                found: self.reason(leaf),
                parts: Vec::new(),
            },
        }
    }

    fn reason(&self, leaf: &Node) -> Option<String> {
        match leaf {
            Node::Compare(subject, _) => Some(self.value_found(subject)),
            Node::Tagged(_) => Some(match self.profile.tags.as_slice() {
                [] => "has no tags".to_owned(),
                tags => format!("tagged {}", quoted(tags.iter().map(String::as_str))),
            }),
            Node::Interested(_) => Some(self.interests_found()),
            Node::Did(behaviour) => Some(self.events_found(behaviour)),
            Node::CanReceive { channel, topic } => Some(self.permission_found(*channel, topic)),
            Node::Everyone | Node::All(_) | Node::Any(_) | Node::Not(_) => None,
        }
    }

    /// The customer's own value, as he wrote it, not as it is compared.
    fn value_found(&self, subject: &Subject) -> String {
        let customer = &self.profile.customer;
        let found = self.found(subject);
        let written = match subject {
            Subject::Attribute(name) => customer.attributes.get(name).and_then(Json::as_str),
            Subject::Field(Field::Email) => customer.email.as_deref(),
            Subject::Field(Field::FirstName) => customer.first_name.as_deref(),
            Subject::Field(Field::LastName) => customer.last_name.as_deref(),
            Subject::Field(Field::Company) => customer.company.as_deref(),
            Subject::Field(Field::Gender) => customer.gender.as_deref(),
            Subject::Field(Field::Language) => Some(customer.language.as_str()),
            Subject::Field(Field::Country) => Some(customer.country.as_str()),
            Subject::Field(Field::Region) => customer.region.as_deref(),
            Subject::Field(Field::PostalCode) => customer.postal_code.as_deref(),
            Subject::Field(Field::City) => customer.city.as_deref(),
            Subject::Field(Field::TimeZone) => customer.time_zone.as_deref(),
            Subject::Field(_) => None,
        };
        let shown = match found {
            Found::Unknown => return format!("{subject} is unknown"),
            Found::Text(key, _) => quoted([written.unwrap_or(&key)]),
            Found::Word(word) => quoted([word]),
            Found::Whole(whole) => whole.to_string(),
            Found::Cents(cents) => money(cents),
            Found::Day(day) => day.to_string(),
            Found::Instant(at) => moment(at),
            Found::Json(json) => json.to_string(),
        };
        match (subject, customer.birth_date) {
            (Subject::Field(Field::Age | Field::Generation), Some(birth)) => {
                format!("{subject} is {shown} (born {birth})")
            }
            _ => format!("{subject} is {shown}"),
        }
    }

    fn interests_found(&self) -> String {
        if self.profile.customer.tracking != Tracking::Full {
            return "does not agree to tracking, so no interests are known".to_owned();
        }
        let shown: Vec<String> = self
            .interests()
            .map(|(interest, points)| {
                let points = counted(points.unsigned_abs(), "point", "points");
                format!("{} ({points})", quoted([interest.name.as_str()]))
            })
            .collect();
        match shown.is_empty() {
            true => "has shown no interest lately".to_owned(),
            false => format!("interested in {}", shown.join(", ")),
        }
    }

    fn events_found(&self, behaviour: &Behaviour) -> String {
        let counted = self.events(behaviour);
        let all = self.events(&Behaviour::once(behaviour.deed)).len();
        let noun = match behaviour.deed {
            Deed::Ordered => ("order", "orders"),
            Deed::Received => ("message received", "messages received"),
            Deed::Opened => ("open", "opens"),
            Deed::Clicked => ("click", "clicks"),
            Deed::Responded => ("response", "responses"),
            Deed::Replied => ("reply", "replies"),
            Deed::Redeemed => ("coupon redeemed", "coupons redeemed"),
            Deed::Answered => ("answer", "answers"),
            Deed::Bounced => ("bounce", "bounces"),
            Deed::Complained => ("complaint", "complaints"),
        };
        let number = |n: usize| match n {
            0 => format!("no {}", noun.1),
            1 => format!("1 {}", noun.0),
            n => format!("{n} {}", noun.1),
        };
        if counted.is_empty() {
            return match all {
                0 => number(0),
                all => format!("none as asked, {} in all", number(all)),
            };
        }
        let mut text = number(counted.len());
        if behaviour.deed == Deed::Ordered {
            let cents = counted.iter().map(|event| event.cents).sum();
            text.push_str(&format!(" for {}", money(cents)));
        }
        if let Some(last) = counted.iter().filter_map(|event| event.at).max() {
            text.push_str(&format!(", the last on {}", moment(last)));
        }
        if counted.len() < all {
            text.push_str(&format!(" (of {all} in all)"));
        }
        text
    }

    fn permission_found(&self, channel: Channel, topic: &str) -> String {
        let customer = &self.profile.customer;
        if !self.has_address(channel) {
            return match (channel, customer.email_state) {
                (Channel::Email, EmailState::Malformed) => "the mail address is malformed",
                (Channel::Email, EmailState::Refused) => "the mail address was refused",
                (Channel::Email, EmailState::Ok) => "has no mail address",
                (Channel::Sms, _) => match (&customer.phone, customer.phone_state) {
                    (None, _) => "has no phone number",
                    (_, PhoneState::Refused) => "the phone number was refused",
                    (_, PhoneState::Ok) => "the phone number is not a mobile one",
                },
            }
            .to_owned();
        }
        let Some(permission) = self.permissions(channel, topic).next() else {
            return "never gave permission".to_owned();
        };
        let since = moment(permission.since_at);
        if !permission.is_granted {
            return format!("permission withdrawn on {since}");
        }
        match self.blocked_at(permission) {
            Some(at) => format!("the address is suppressed since {}", moment(at)),
            None => match &permission.basis {
                Some(basis) => format!("permission granted on {since}, basis {basis}"),
                None => format!("permission granted on {since}"),
            },
        }
    }
}

fn quoted<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts
        .into_iter()
        .map(|text| {
            let plain: String = text.chars().filter(|c| !c.is_control()).collect();
            format!("\"{plain}\"")
        })
        .collect();
    texts.join(", ")
}

fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// To the minute, in UTC.
fn moment(ms: i64) -> String {
    from_ms(ms).format("%Y-%m-%d %H:%M UTC").to_string()
}
