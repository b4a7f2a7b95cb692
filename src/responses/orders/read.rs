//! An order as JSON: what it may hold, and what is wrong with it, field by field.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::currency;
use crate::customers::normalise;
use crate::customers::orders::{OrderRow, Told, Who};
use crate::ids::CustomerId;

/// Characters of a text.
const LONGEST: usize = 250;
/// Sums of orders must stay in range: ten thousand million, in cents.
const MOST_CENTS: i64 = 1_000_000_000_000;
/// How far a shop's clock may go before ours.
const AHEAD_MS: i64 = 86_400_000;

const FIELDS: [&str; 12] = [
    "id",
    "customer",
    "ordered_at",
    "amount",
    "amount_cents",
    "currency",
    "product",
    "category",
    "token",
    "coupon",
    "campaign_code",
    "status",
];

/// What is wrong with a field of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderFault {
    pub field: String,
    pub detail: &'static str,
}

/// Reads an order; `own_currency`: of one that names none; `now`: milliseconds since the epoch.
///
/// # Errors
/// Every fault that was found.
pub(crate) fn read(value: &Value, own_currency: &str, now: i64) -> Result<Told, Vec<OrderFault>> {
    let Some(object) = value.as_object() else {
        return Err(vec![OrderFault {
            field: String::new(),
            detail: "is not an object with the fields of an order",
        }]);
    };
    let mut reader = Reader {
        object,
        faults: Vec::new(),
    };
    reader.only(&FIELDS);
    let is_cancelled = match reader.text("status").as_deref() {
        None | Some("placed") => false,
        Some("cancelled") => true,
        Some(_) => {
            reader.refuse("status", "is neither placed nor cancelled");
            false
        }
    };
    let id = reader.text("id");
    if id.is_none() && !reader.has_fault("id") {
        reader.refuse(
            "id",
            "is missing: the number the shop gave the order, so that it counts once",
        );
    }
    let who = reader.customer();
    let ordered_at = reader.instant("ordered_at", now);
    let cents = reader.cents();
    // Of what is cancelled its number is enough.
    if !is_cancelled {
        if ordered_at.is_none() && !reader.has_fault("ordered_at") {
            reader.refuse(
                "ordered_at",
                "is missing: when it was ordered, as 2026-11-22T14:05:00+01:00",
            );
        }
        if cents.is_none() && !reader.has_fault("amount") && !reader.has_fault("amount_cents") {
            reader.refuse("amount", "is missing: \"49.90\", or amount_cents: 4990");
        }
    }
    let currency = reader.text("currency");
    if currency
        .as_deref()
        .is_some_and(|code| !currency::is_code(code))
    {
        reader.refuse("currency", "is not an ISO 4217 code such as EUR");
    }
    let order = OrderRow {
        external_id: id,
        ordered_at: ordered_at.unwrap_or_default(),
        amount_cents: cents.unwrap_or_default(),
        currency,
        own_currency: own_currency.to_owned(),
        product: reader.text("product"),
        category: reader.text("category"),
        token: reader.text("token"),
        coupon: reader.text("coupon"),
        campaign_code: reader.text("campaign_code"),
        ..OrderRow::default()
    };
    if !is_cancelled && !who.names_somebody() && !order.is_proved() && reader.faults.is_empty() {
        reader.refuse(
            "customer",
            "is missing, and neither token nor coupon tells whose order it is",
        );
    }
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    Ok(Told {
        who,
        campaign: None,
        // A shop that knows no other word for it gives all of the money back.
        is_cancelled: is_cancelled || order.amount_cents < 0,
        order,
    })
}

/// Reads whom a body is about: `{"id": …}`, `{"external_id": …}` or `{"email": …}` in `customer`.
pub(crate) fn read_customer(object: &Map<String, Value>) -> Result<Who, Vec<OrderFault>> {
    let mut reader = Reader {
        object,
        faults: Vec::new(),
    };
    let who = reader.customer();
    if reader.faults.is_empty() {
        Ok(who)
    } else {
        Err(reader.faults)
    }
}

struct Reader<'a> {
    object: &'a Map<String, Value>,
    faults: Vec<OrderFault>,
}

impl Reader<'_> {
    fn refuse(&mut self, field: impl Into<String>, detail: &'static str) {
        self.faults.push(OrderFault {
            field: field.into(),
            detail,
        });
    }

    fn has_fault(&self, field: &str) -> bool {
        self.faults.iter().any(|fault| fault.field == field)
    }

    fn only(&mut self, fields: &[&str]) {
        let unknown: Vec<String> = self
            .object
            .keys()
            .filter(|key| !fields.contains(&key.as_str()))
            .map(|key| key.chars().take(60).collect())
            .collect();
        for field in unknown {
            self.refuse(field, "is not a field that is read here");
        }
    }

    /// A text or a number, as one line; an empty one is none.
    fn text(&mut self, field: &str) -> Option<String> {
        let text = match self.object.get(field)? {
            Value::Null => return None,
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) if !number.is_f64() => number.to_string(),
            _ => {
                self.refuse(field, "is not a text");
                return None;
            }
        };
        if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            self.refuse(field, "is longer than 250 characters, or not one line");
            return None;
        }
        (!text.is_empty()).then_some(text)
    }

    fn customer(&mut self) -> Who {
        let Some(value) = self.object.get("customer").filter(|value| !value.is_null()) else {
            return Who::default();
        };
        let Some(object) = value.as_object() else {
            self.refuse("customer", "is not an object with id, external_id or email");
            return Who::default();
        };
        let mut inner = Reader {
            object,
            faults: Vec::new(),
        };
        inner.only(&["id", "external_id", "email"]);
        let id = object.get("id").filter(|id| !id.is_null());
        let number = id.and_then(Value::as_i64);
        if id.is_some() && number.is_none() {
            inner.refuse(
                "id",
                "is not a number of ours; the shop's own goes into external_id",
            );
        }
        let external_id = inner.text("external_id");
        let email = inner.text("email");
        let key = email
            .as_deref()
            .and_then(|email| normalise::email(email).ok())
            .map(|email| email.key);
        if email.is_some() && key.is_none() {
            inner.refuse("email", "is not an email address");
        }
        let faults = inner.faults;
        for fault in faults {
            self.refuse(format!("customer.{}", fault.field), fault.detail);
        }
        Who {
            id: number.map(CustomerId),
            external_id,
            email: key,
            phone: None,
        }
    }

    fn instant(&mut self, field: &str, now: i64) -> Option<i64> {
        let text = self.text(field)?;
        let Ok(instant) = DateTime::parse_from_rfc3339(&text) else {
            self.refuse(
                field,
                "is not an RFC 3339 instant such as 2026-11-22T14:05:00+01:00",
            );
            return None;
        };
        let at = instant.timestamp_millis();
        if at > now + AHEAD_MS {
            self.refuse(field, "lies in the future");
            return None;
        }
        if at < 0 {
            self.refuse(field, "lies before 1970");
            return None;
        }
        Some(at)
    }

    fn cents(&mut self) -> Option<i64> {
        let given = |field| self.object.get(field).filter(|value| !value.is_null());
        match (given("amount"), given("amount_cents")) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                self.refuse("amount", "stands beside amount_cents; give one of them");
                None
            }
            (Some(amount), None) => {
                let text = match amount {
                    Value::String(text) => text.trim().to_owned(),
                    Value::Number(number) => number.to_string(),
                    _ => String::new(),
                };
                let cents = decimal(&text);
                if cents.is_none() {
                    self.refuse("amount", "is not an amount such as \"49.90\": a point, at most two decimals, no currency");
                }
                cents
            }
            (None, Some(cents)) => {
                let cents = cents
                    .as_i64()
                    .filter(|cents| (-MOST_CENTS..=MOST_CENTS).contains(cents));
                if cents.is_none() {
                    self.refuse(
                        "amount_cents",
                        "is not a whole number of cents such as 4990",
                    );
                }
                cents
            }
        }
    }
}

/// `49.90`, `49.9`, `49` and `-49.90` in cents; more than two decimals only where they are zeros.
fn decimal(text: &str) -> Option<i64> {
    let (sign, bare) = match text.strip_prefix('-') {
        Some(bare) => (-1, bare),
        None => (1, text),
    };
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || bare.ends_with('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 2 {
        return None;
    }
    let units: i64 = whole.parse().ok()?;
    let hundredths: i64 = format!("{fraction:0<2}").parse().ok()?;
    let cents = units.checked_mul(100)?.checked_add(hundredths)?;
    (cents <= MOST_CENTS).then_some(sign * cents)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn faults(value: Value) -> Vec<(String, &'static str)> {
        read(&value, "EUR", NOW)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|fault| (fault.field, fault.detail))
            .collect()
    }

    #[test]
    fn an_order_is_read_as_it_is_meant() {
        let value = json!({
            "id": 1001, "customer": {"email": "Ada@Example.org"}, "ordered_at": "2026-11-22T14:05:00+01:00",
            "amount": "49.90", "currency": "USD", "coupon": " 7k3m ",
        });
        let told = read(&value, "EUR", NOW).unwrap();
        assert_eq!(told.order.external_id.as_deref(), Some("1001"));
        assert_eq!(told.order.amount_cents, 4_990);
        assert_eq!(told.order.currency.as_deref(), Some("USD"));
        assert_eq!(told.order.coupon.as_deref(), Some("7k3m"));
        assert_eq!(told.order.ordered_at, 1_795_352_700_000);
        assert_eq!(told.who.email.as_deref(), Some("ada@example.org"));
        assert!(!told.is_cancelled);
    }

    #[test]
    fn every_fault_is_named() {
        let found = faults(json!({
            "customer": {"email": "no", "mail": 1}, "ordered_at": "yesterday", "amount": "1,5", "currency": "EURO",
            "colour": "red",
        }));
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        for field in [
            "id",
            "customer.email",
            "customer.mail",
            "ordered_at",
            "amount",
            "currency",
            "colour",
        ] {
            assert!(fields.contains(&field), "{field} in {fields:?}");
        }
        assert_eq!(faults(json!([]))[0].0, "");
        let future = json!({"id": "1", "customer": {"id": 1}, "ordered_at": "2030-01-01T00:00:00Z", "amount": 1});
        assert_eq!(faults(future)[0].1, "lies in the future");
        let nobody = json!({"id": "1", "ordered_at": "2026-01-01T00:00:00Z", "amount": 1});
        assert_eq!(faults(nobody)[0].0, "customer");
    }

    #[test]
    fn a_cancellation_needs_its_number_only_and_a_negative_amount_is_one() {
        assert!(
            read(&json!({"id": "1", "status": "cancelled"}), "EUR", NOW)
                .unwrap()
                .is_cancelled
        );
        let refund = json!({"id": "1", "customer": {"id": 1}, "ordered_at": "2026-01-01T00:00:00Z", "amount": "-5"});
        assert!(read(&refund, "EUR", NOW).unwrap().is_cancelled);
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, cents) in [
            ("49.90", Some(4_990)),
            ("49.9", Some(4_990)),
            ("49", Some(4_900)),
            ("-0.01", Some(-1)),
            ("49.900", Some(4_990)),
            ("49.905", None),
            ("49,90", None),
            ("49.", None),
            (".5", None),
            ("1e3", None),
            ("", None),
            ("99999999999999", None),
            ("10000000000.00", Some(MOST_CENTS)),
        ] {
            assert_eq!(decimal(text), cents, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,30}", number in any::<f64>()) {
            let _ = decimal(&text);
            let _ = read(&json!({"id": text, "amount": number, "ordered_at": text, "customer": text}), "EUR", NOW);
        }
    }
}
