//! The fields of a customer that a template may use, and how well they are filled.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::model::RecipientLinks;
use super::sms::Encoding;
use super::tags::nearest;
use crate::clock;
use crate::consent::model::Tracking;
use crate::customers::fading::Fading;
use crate::customers::model::{Customer, EmailState, PhoneState, Stage};
use crate::ids::CustomerId;

/// What stands before the name of an attribute.
pub(super) const ATTRIBUTE: &str = "attribute";

/// A field that every customer has, be it empty.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    /// What it holds, for the authors of templates.
    pub about: &'static str,
    value: fn(&Customer) -> Value,
}

/// The fields of a customer; beside them there is `attribute.<name>` for each of his attributes.
///
/// His addresses are not among them: a forwarded mail would carry them on.
pub const FIELDS: &[Field] = &[
    Field {
        name: "first_name",
        about: "first name",
        value: |c| text(c.first_name.as_deref()),
    },
    Field {
        name: "last_name",
        about: "last name",
        value: |c| text(c.last_name.as_deref()),
    },
    Field {
        name: "gender",
        about: "as in the base, for conditions: {{#if (eq gender \"f\")}}",
        value: |c| text(c.gender.as_deref()),
    },
    Field {
        name: "company",
        about: "the company of this person",
        value: |c| text(c.company.as_deref()),
    },
    Field {
        name: "city",
        about: "town",
        value: |c| text(c.city.as_deref()),
    },
    Field {
        name: "postal_code",
        about: "postal code",
        value: |c| text(c.postal_code.as_deref()),
    },
    Field {
        name: "region",
        about: "region, county or state",
        value: |c| text(c.region.as_deref()),
    },
    Field {
        name: "country",
        about: "two letters, upper case, such as FR",
        value: |c| text(Some(&c.country)),
    },
    Field {
        name: "language",
        about: "two letters, lower case, such as fr",
        value: |c| text(Some(&c.language)),
    },
    Field {
        name: "external_id",
        about: "the customer number of the firm's own systems",
        value: |c| text(c.external_id.as_deref()),
    },
    Field {
        name: "stage",
        about: "suspect, prospect, customer or lapsed",
        value: |c| Value::from(c.stage.as_str()),
    },
    Field {
        name: "orders_count",
        about: "how many orders were placed; a number",
        value: |c| Value::from(c.orders_count),
    },
    Field {
        name: "first_order_date",
        about: "the day of the first order; write {{date first_order_date}}",
        value: |c| day(c, c.first_order_at),
    },
    Field {
        name: "last_order_date",
        about: "the day of the latest order; write {{date last_order_date}}",
        value: |c| day(c, c.last_order_at),
    },
];

/// What a message says of the offer of its campaign, and the recipient's own coupon: fields that no customer
/// has.
pub const OFFER_FIELDS: &[(&str, &str)] = &[
    (
        "coupon",
        "the recipient’s own coupon; needs coupons in the campaign’s offer",
    ),
    ("offer.name", "what the campaign's [offer] is called"),
    ("offer.code", "the code to name in a shop or by telephone"),
    (
        "offer.deadline",
        "its last day; write {{date offer.deadline}}",
    ),
];

/// A text as a value: control characters and line separators become spaces, an empty one is no value.
fn text(text: Option<&str>) -> Value {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Value::Null;
    };
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if text.contains(breaks) {
        Value::String(text.replace(breaks, " "))
    } else {
        Value::String(text.to_owned())
    }
}

/// The day of an instant where the customer lives, as `2026-03-15`.
fn day(customer: &Customer, instant: Option<i64>) -> Value {
    let Some(instant) = instant else {
        return Value::Null;
    };
    let instant = clock::from_ms(instant);
    let day = match customer.zone() {
        Some(zone) => instant.with_timezone(&zone).date_naive(),
        None => instant.date_naive(),
    };
    Value::String(day.format("%Y-%m-%d").to_string())
}

fn attribute(value: Option<&Value>) -> Value {
    match value {
        Some(Value::String(string)) => text(Some(string)),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.clone(),
        // Lists and tables are no single value that could stand in a sentence.
        _ => Value::Null,
    }
}

/// Where the value of a field comes from, found once per template.
#[derive(Debug, Clone)]
pub(super) enum Getter {
    Field(&'static Field),
    Attribute(String),
    /// Of the offer; see [`add_offer`].
    Offer,
}

impl Getter {
    /// The getter of a field by its name; none when there is no such field.
    pub(super) fn of(name: &str) -> Option<Self> {
        if OFFER_FIELDS.iter().any(|(known, _)| *known == name) {
            return Some(Self::Offer);
        }
        match name.split_once('.') {
            Some((ATTRIBUTE, attribute)) => Some(Self::Attribute(attribute.to_owned())),
            Some(_) => None,
            None => FIELDS
                .iter()
                .find(|field| field.name == name)
                .map(Self::Field),
        }
    }

    fn value(&self, customer: &Customer) -> Value {
        match self {
            Self::Field(field) => (field.value)(customer),
            Self::Attribute(name) => attribute(customer.attributes.get(name)),
            Self::Offer => Value::Null,
        }
    }
}

/// Adds what is said of the offer, where the texts ask for it.
pub(super) fn add_offer(
    values: &mut Map<String, Value>,
    getters: &[Getter],
    links: &RecipientLinks,
) {
    if !getters.iter().any(|getter| matches!(getter, Getter::Offer)) {
        return;
    }
    let offer = links.offer.as_deref();
    let of = |word: Option<&String>| text(word.map(String::as_str));
    values.insert("coupon".to_owned(), of(links.coupon.as_ref()));
    values.insert(
        "offer".to_owned(),
        serde_json::json!({
            "name": of(offer.map(|offer| &offer.name)),
            "code": of(offer.and_then(|offer| offer.code.as_ref())),
            "deadline": of(offer.and_then(|offer| offer.deadline.as_ref())),
        }),
    );
}

/// The values of `getters` for one customer, as Handlebars wants them; a missing one is null.
pub(super) fn values(getters: &[Getter], customer: &Customer) -> Map<String, Value> {
    let mut values = Map::new();
    let mut attributes = Map::new();
    for getter in getters {
        let value = getter.value(customer);
        match getter {
            Getter::Field(field) => {
                values.insert(field.name.to_owned(), value);
            }
            Getter::Attribute(name) => {
                attributes.insert(name.clone(), value);
            }
            Getter::Offer => {}
        }
    }
    values.insert(ATTRIBUTE.to_owned(), Value::Object(attributes));
    values
}

/// What is known of a field of the customer base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldUse {
    /// There is no such field.
    Unknown,
    /// It exists; how many customers have a value is not known.
    Exists,
    /// It exists, with the share of customers who have a value, from 0 to 1.
    Filled(f64),
}

/// What the customer base says about its fields: which attributes there are and how many customers
/// have a value for each.
#[derive(Debug, Clone, Default)]
pub struct FieldFacts {
    customers: u64,
    filled: BTreeMap<String, u64>,
    /// By field: the longest text, and the longest of those that the GSM alphabet cannot say.
    texts: BTreeMap<String, [String; 2]>,
}

/// Long values for a base of which nothing is known; in the GSM alphabet.
const LONG: &[(&str, &str)] = &[
    ("first_name", "Marie-Christine"),
    ("last_name", "de La Rochefoucauld"),
    ("company", "Boulangerie de la Cathédrale"),
    ("city", "Saint-Germain-en-Laye"),
];

impl FieldFacts {
    /// Nothing is known of the base: the fields of every customer exist, and any attribute may.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// From counts: the customers of the base, and for each field (`city`, `attribute.hobby`) how many
    /// of them have a value. An attribute not named has none.
    pub fn from_counts(customers: u64, filled: impl IntoIterator<Item = (String, u64)>) -> Self {
        Self {
            customers,
            filled: filled.into_iter().collect(),
            texts: BTreeMap::new(),
        }
    }

    /// Counts one more customer: for a sample of the base.
    pub fn observe(&mut self, customer: &Customer) {
        self.customers += 1;
        let mut count = |name: &str, value: &Value| {
            if !value.is_null() {
                match self.filled.get_mut(name) {
                    Some(count) => *count += 1,
                    None => {
                        self.filled.insert(name.to_owned(), 1);
                    }
                }
            }
            if let Value::String(text) = value {
                let forces_ucs2 = Encoding::of(text) == Encoding::Ucs2;
                let [longest, dearest] = self.texts.entry(name.to_owned()).or_default();
                if text.chars().count() > longest.chars().count() {
                    longest.clone_from(text);
                }
                if forces_ucs2 && text.chars().count() > dearest.chars().count() {
                    dearest.clone_from(text);
                }
            }
        };
        for field in FIELDS {
            count(field.name, &(field.value)(customer));
        }
        for (name, value) in &customer.attributes {
            count(&format!("{ATTRIBUTE}.{name}"), &attribute(Some(value)));
        }
    }

    /// What is known of a field.
    pub fn of(&self, field: &str) -> FieldUse {
        let Some(getter) = Getter::of(field) else {
            return FieldUse::Unknown;
        };
        if self.customers == 0 || matches!(getter, Getter::Offer) {
            return FieldUse::Exists;
        }
        match (getter, self.filled.get(field)) {
            (Getter::Attribute(_), None) => FieldUse::Unknown,
            (Getter::Field(_) | Getter::Offer, None) => FieldUse::Filled(0.0),
            (_, Some(filled)) => {
                FieldUse::Filled((*filled as f64 / self.customers as f64).min(1.0))
            }
        }
    }

    /// The longest text that a field was seen to hold; an invented one when nothing is known of the base,
    /// and `usual` when nothing is known of the field.
    pub(super) fn longest(&self, field: &str, usual: &Value) -> Value {
        if let Some([longest, _]) = self.texts.get(field) {
            return Value::from(longest.as_str());
        }
        let invented = LONG.iter().find(|(name, _)| *name == field);
        match invented {
            Some((_, long)) if self.customers == 0 => Value::from(*long),
            _ => usual.clone(),
        }
    }

    /// The longest text of a field that forces a text message into UCS-2; the longest when none does.
    pub(super) fn dearest(&self, field: &str, usual: &Value) -> Value {
        match self.texts.get(field) {
            Some([_, dearest]) if !dearest.is_empty() => Value::from(dearest.as_str()),
            _ => self.longest(field, usual),
        }
    }

    /// The field whose name is nearest to a wrong one.
    pub(super) fn nearest(&self, wrong: &str) -> Option<String> {
        let names: BTreeSet<&str> = FIELDS
            .iter()
            .map(|field| field.name)
            .chain(OFFER_FIELDS.iter().map(|(name, _)| *name))
            .chain(self.filled.keys().map(String::as_str))
            .collect();
        if let Some(attribute) = names
            .iter()
            .find(|name| name.strip_prefix("attribute.") == Some(wrong))
        {
            return Some((*attribute).to_owned());
        }
        nearest(wrong, names.into_iter()).map(str::to_owned)
    }
}

/// A customer for previews; invented.
pub fn sample_customer() -> Customer {
    let attributes = [
        ("hobby", Value::from("cooking")),
        ("store", Value::from("Rue des Trois-Cailloux")),
        ("favourite_category", Value::from("knives")),
    ];
    let at = |year, month, day| {
        NaiveDate::from_ymd_opt(year, month, day)
            .and_then(|day| day.and_hms_opt(12, 0, 0))
            .map(|noon| noon.and_utc().timestamp_millis())
    };
    Customer {
        id: CustomerId(0),
        external_id: Some("K-10482".to_owned()),
        email: Some("camille.oneil@customer.example".to_owned()),
        email_state: EmailState::Ok,
        phone: None,
        phone_kind: None,
        phone_country: None,
        phone_zone: None,
        phone_state: PhoneState::Ok,
        first_name: Some("Camille".to_owned()),
        last_name: Some("O'Neil".to_owned()),
        company: None,
        gender: Some("f".to_owned()),
        birth_date: NaiveDate::from_ymd_opt(1984, 5, 17),
        language: "fr".to_owned(),
        country: "FR".to_owned(),
        region: Some("Hauts-de-France".to_owned()),
        postal_code: Some("80000".to_owned()),
        city: Some("Amiens".to_owned()),
        time_zone: Some("Europe/Paris".to_owned()),
        stage: Stage::Customer,
        attributes: attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        tracking: Tracking::None,
        orders_count: 3,
        revenue_cents: 21_700,
        first_order_at: at(2024, 3, 9),
        last_order_at: at(2026, 2, 21),
        last_contact_at: None,
        last_response_at: None,
        last_response: None,
        engagement: Fading::default(),
        preferred_channel: None,
        preferred_hour: None,
        created_at: at(2024, 3, 9).unwrap_or_default(),
    }
}
