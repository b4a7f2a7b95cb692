//! The rule asked of one customer in memory.
//!
//! Written from the meaning of the words, not from the SQL: a test holds both against each other.

use std::cmp::Ordering;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::Value as Json;

use super::calendar::{
    age, day_number, day_of_ms, generation, span_start_day, span_start_ms, window_ms,
};
use super::model::{
    Behaviour, Deed, Field, HeldPermission, Interest, Node, Number, Profile, Relation, Rule,
    Subject, Test, Value,
};
use super::vocabulary::{Kind, Matching};
use crate::consent::model::{Channel, Tracking};
use crate::customers::model::{EmailState, PhoneState};
use crate::customers::number::PhoneKind;
use crate::customers::value::Worth;
use crate::storage::text::fold;

impl Rule {
    /// Whether the customer is meant; `now` is what `within`, `ago` and `age` count from.
    pub fn matches(&self, profile: &Profile, now: DateTime<Utc>) -> bool {
        Asker { profile, now }.holds(&self.root)
    }
}

/// What a customer has to be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Unknown,
    /// In the form in which it is compared.
    Text(String, Matching),
    Word(&'static str),
    Whole(i64),
    Cents(i64),
    Day(NaiveDate),
    Instant(i64),
    /// An attribute that is a number or boolean, or cannot be compared at all.
    Json(Json),
}

/// One event of a behaviour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub at: Option<i64>,
    /// Zero for what is no order.
    pub cents: i64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'p> {
    pub profile: &'p Profile,
    pub now: DateTime<Utc>,
}

impl Asker<'_> {
    pub fn holds(&self, node: &Node) -> bool {
        match node {
            Node::Everyone => true,
            Node::All(parts) => parts.iter().all(|part| self.holds(part)),
            Node::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Node::Not(part) => !self.holds(part),
            Node::Compare(subject, test) => self.test(&self.found(subject), test),
            Node::Tagged(tag) => {
                let key = fold(tag);
                self.profile.tags.iter().any(|tag| fold(tag) == key)
            }
            Node::Interested(name) => {
                let key = fold(name);
                self.profile.customer.tracking == Tracking::Full
                    && self
                        .interests()
                        .any(|(interest, _)| fold(&interest.name) == key)
            }
            Node::Did(behaviour) => self.did(behaviour),
            Node::CanReceive { channel, topic } => {
                self.has_address(*channel)
                    && self.permissions(*channel, topic).any(|permission| {
                        permission.is_granted && self.blocked_at(permission).is_none()
                    })
            }
        }
    }

    pub fn found(&self, subject: &Subject) -> Found {
        let field = match subject {
            Subject::Field(field) => *field,
            Subject::Attribute(name) => {
                return match self.profile.customer.attributes.get(name) {
                    None | Some(Json::Null) => Found::Unknown,
                    Some(Json::String(text)) => Found::Text(fold(text), Matching::Folded),
                    Some(other) => Found::Json(other.clone()),
                };
            }
        };
        let customer = &self.profile.customer;
        let text = |value: Option<&str>| match (value, field.kind()) {
            (Some(value), Kind::Text(matching)) => Found::Text(own_key(value, matching), matching),
            _ => Found::Unknown,
        };
        let instant = |value: Option<i64>| value.map_or(Found::Unknown, Found::Instant);
        let worth = |of: fn(Worth) -> Found| self.profile.worth.map_or(Found::Unknown, of);
        match field {
            Field::Id => Found::Whole(customer.id.0),
            Field::ExternalId => text(customer.external_id.as_deref()),
            Field::Email => text(self.profile.email_key.as_deref()),
            Field::Phone => text(customer.phone.as_deref()),
            Field::FirstName => text(customer.first_name.as_deref()),
            Field::LastName => text(customer.last_name.as_deref()),
            Field::Company => text(customer.company.as_deref()),
            Field::Gender => text(customer.gender.as_deref()),
            Field::Age => customer.birth_date.map_or(Found::Unknown, |birth| {
                Found::Whole(age(birth, self.now.date_naive()))
            }),
            Field::BirthDate => customer.birth_date.map_or(Found::Unknown, Found::Day),
            Field::Generation => customer
                .birth_date
                .and_then(|birth| generation(birth.year()))
                .map_or(Found::Unknown, Found::Word),
            Field::Language => text(Some(&customer.language)),
            Field::Country => text(Some(&customer.country)),
            Field::Region => text(customer.region.as_deref()),
            Field::PostalCode => text(customer.postal_code.as_deref()),
            Field::City => text(customer.city.as_deref()),
            Field::TimeZone => text(customer.time_zone.as_deref()),
            Field::Stage => Found::Word(customer.stage.as_str()),
            Field::Orders => Found::Whole(customer.orders_count),
            Field::Revenue => Found::Cents(customer.revenue_cents),
            Field::FirstOrder => instant(customer.first_order_at),
            Field::LastOrder => instant(customer.last_order_at),
            Field::LastContact => instant(customer.last_contact_at),
            Field::LastResponse => instant(customer.last_response_at),
            Field::Engagement => {
                Found::Whole(customer.engagement.points(self.now.timestamp_millis()))
            }
            Field::Recency => worth(|worth| Found::Whole(worth.recency.into())),
            Field::Frequency => worth(|worth| Found::Whole(worth.frequency.into())),
            Field::Monetary => worth(|worth| Found::Whole(worth.monetary.into())),
            Field::Rfm => worth(|worth| Found::Text(worth.code(), Matching::Exact)),
            Field::ValueClass => worth(|worth| Found::Word(worth.class)),
            Field::PreferredChannel => customer
                .preferred_channel
                .map_or(Found::Unknown, |channel| Found::Word(channel.as_str())),
            Field::PreferredHour => customer.preferred_hour.map_or(Found::Unknown, Found::Whole),
            Field::Created => Found::Instant(customer.created_at),
        }
    }

    fn test(&self, found: &Found, test: &Test) -> bool {
        match (found, test) {
            (Found::Unknown, test) => matches!(test, Test::Unknown),
            (_, Test::Known) => true,
            (_, Test::Unknown) => false,
            (Found::Text(text, matching), Test::Contains(part)) => {
                text.contains(&matching.key(part))
            }
            (Found::Text(text, matching), Test::StartsWith(part)) => {
                text.starts_with(&matching.key(part))
            }
            (Found::Text(text, matching), Test::EndsWith(part)) => {
                text.ends_with(&matching.key(part))
            }
            (Found::Day(day), Test::Within(span)) => {
                (span_start_day(*span, self.now)..=self.now.date_naive()).contains(day)
            }
            (Found::Day(day), Test::MoreThanAgo(span)) => *day < span_start_day(*span, self.now),
            (Found::Instant(at), Test::Within(span)) => {
                (span_start_ms(*span, self.now)..=self.now.timestamp_millis()).contains(at)
            }
            (Found::Instant(at), Test::MoreThanAgo(span)) => *at < span_start_ms(*span, self.now),
            (found, Test::Is(relation, value)) => {
                compare(found, value).is_some_and(|order| stands(order, *relation))
            }
            (found, Test::Between(low, high)) => {
                compare(found, low).is_some_and(Ordering::is_ge)
                    && compare(found, high).is_some_and(Ordering::is_le)
            }
            (found, Test::In(values)) => values
                .iter()
                .any(|value| compare(found, value) == Some(Ordering::Equal)),
            // A text test of what is no text, a span of what is no date.
            _ => false,
        }
    }

    /// What a point is left of, with the points.
    pub fn interests(&self) -> impl Iterator<Item = (&Interest, i64)> {
        let now = self.now.timestamp_millis();
        self.profile
            .interests
            .iter()
            .map(move |interest| (interest, interest.score.points(now)))
            .filter(|(_, points)| *points >= 1)
    }

    fn did(&self, behaviour: &Behaviour) -> bool {
        let events = self.events(behaviour);
        let cents: i64 = events.iter().map(|event| event.cents).sum();
        events.len() >= usize::try_from(behaviour.times).unwrap_or(usize::MAX)
            && behaviour
                .amount
                .and_then(Number::as_cents)
                .is_none_or(|least| cents >= least)
    }

    /// The events the behaviour counts: of its kind, campaign, product and category, in its window.
    pub fn events(&self, behaviour: &Behaviour) -> Vec<Event> {
        let window = behaviour.window.map(|window| window_ms(window, self.now));
        let is_in_window = |event: &Event| {
            window
                .is_none_or(|(first, last)| event.at.is_some_and(|at| (first..=last).contains(&at)))
        };
        let is_named = |wanted: &Option<String>, name: &Option<String>| match (wanted, name) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(name)) => wanted.eq_ignore_ascii_case(name),
        };
        let is_ours = |campaign: &Option<String>| is_named(&behaviour.campaign, campaign);
        let profile = self.profile;
        match behaviour.deed {
            Deed::Ordered => profile
                .orders
                .iter()
                .filter(|order| is_ours(&order.campaign))
                .filter(|order| is_named(&behaviour.product, &order.product))
                .filter(|order| is_named(&behaviour.category, &order.category))
                .map(|order| Event {
                    at: Some(order.ordered_at),
                    cents: order.amount_cents,
                })
                .filter(is_in_window)
                .collect(),
            Deed::Received => profile
                .deliveries
                .iter()
                .filter(|delivery| is_ours(&delivery.campaign))
                .map(|delivery| Event {
                    at: delivery.settled_at,
                    cents: 0,
                })
                .filter(is_in_window)
                .collect(),
            deed => profile
                .responses
                .iter()
                .filter(|response| {
                    !response.is_machine && deed.response_kinds().contains(&response.kind.as_str())
                })
                .filter(|response| is_ours(&response.campaign))
                .map(|response| Event {
                    at: Some(response.responded_at),
                    cents: 0,
                })
                .filter(is_in_window)
                .collect(),
        }
    }

    pub fn has_address(&self, channel: Channel) -> bool {
        let customer = &self.profile.customer;
        match channel {
            Channel::Email => customer.email.is_some() && customer.email_state == EmailState::Ok,
            Channel::Sms => {
                customer.phone.is_some()
                    && customer.phone_kind == Some(PhoneKind::Mobile)
                    && customer.phone_state == PhoneState::Ok
            }
        }
    }

    /// What he said about the channel and topic: one permission, or none.
    pub fn permissions<'a>(
        &'a self,
        channel: Channel,
        topic: &'a str,
    ) -> impl Iterator<Item = &'a HeldPermission> {
        self.profile
            .permissions
            .iter()
            .filter(move |held| held.channel == channel.as_str() && held.topic == topic)
    }

    /// When the address was suppressed, if that holds against the permission: a consent given later
    /// overrides a suppression, no other basis does, nor one given for another address.
    pub fn blocked_at(&self, permission: &HeldPermission) -> Option<i64> {
        self.profile
            .suppressions
            .iter()
            .filter(|held| held.channel == permission.channel)
            .filter(|held| held.scope == "*" || held.scope == permission.topic)
            .filter(|held| {
                held.suppressed_at >= permission.since_at
                    || permission.basis.as_deref() != Some("consent")
                    || permission
                        .fingerprint
                        .as_ref()
                        .is_some_and(|address| *address != held.fingerprint)
            })
            .map(|held| held.suppressed_at)
            .max()
    }
}

/// A value of the base in the form in which it is compared.
fn own_key(value: &str, matching: Matching) -> String {
    match matching {
        Matching::Folded => fold(value),
        Matching::Code => value.to_ascii_lowercase(),
        Matching::Address | Matching::Exact | Matching::PhoneNumber => value.to_owned(),
    }
}

fn stands(order: Ordering, relation: Relation) -> bool {
    match relation {
        Relation::Equal => order.is_eq(),
        Relation::NotEqual => order.is_ne(),
        Relation::Less => order.is_lt(),
        Relation::LessOrEqual => order.is_le(),
        Relation::Greater => order.is_gt(),
        Relation::GreaterOrEqual => order.is_ge(),
    }
}

/// How what was found stands to a literal; nothing if they cannot be compared.
fn compare(found: &Found, value: &Value) -> Option<Ordering> {
    match (found, value) {
        (Found::Text(text, matching), Value::Text(literal)) => {
            Some(text.as_str().cmp(matching.key(literal).as_str()))
        }
        (Found::Word(word), Value::Text(literal)) => Some((*word).cmp(literal.as_str())),
        (Found::Whole(whole), Value::Number(number)) => Some(whole.cmp(&number.as_whole()?)),
        (Found::Cents(cents), Value::Number(number)) => Some(cents.cmp(&number.as_cents()?)),
        (Found::Day(day), Value::Date(date)) => Some(day.cmp(date)),
        (Found::Instant(at), Value::Date(date)) => Some(day_of_ms(*at).cmp(&day_number(*date))),
        (Found::Json(Json::Bool(boolean)), Value::Boolean(literal)) => Some(boolean.cmp(literal)),
        // Exact: a literal has at most 15 digits, and rounding to a double keeps the order.
        (Found::Json(Json::Number(number)), Value::Number(literal)) => {
            number.as_f64()?.partial_cmp(&literal.as_f64())
        }
        _ => None,
    }
}
