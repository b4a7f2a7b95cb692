//! The parts a condition is made of: columns, constants, and tests of one kind of value.

use sea_orm::sea_query::{Condition, Expr, ExprTrait};

use super::model::{Field, Relation, Test, Value};
use super::vocabulary::Matching;

/// How many parts one AND or OR joins; more are grouped, since SQLite limits how deep an expression is
/// and counts `a OR b OR c` as depth.
const GROUP: usize = 8;

/// The column a field is compared by, and whether it may be NULL.
pub(super) fn column_of(field: Field) -> (&'static str, bool) {
    match field {
        Field::Id => ("id", false),
        Field::ExternalId => ("external_id", true),
        Field::Email => ("email_key", true),
        Field::Phone => ("phone", true),
        Field::FirstName => ("first_name_key", true),
        Field::LastName => ("last_name_key", true),
        Field::Company => ("company_key", true),
        Field::Gender => ("gender", true),
        Field::Age | Field::BirthDate | Field::Generation => ("birth_date", true),
        Field::Language => ("language", false),
        Field::Country => ("country", false),
        Field::Region => ("region_key", true),
        Field::PostalCode => ("postal_code", true),
        Field::City => ("city_key", true),
        Field::TimeZone => ("time_zone", true),
        Field::Stage => ("stage", false),
        Field::Orders => ("orders_count", false),
        Field::Revenue => ("revenue_cents", false),
        Field::FirstOrder => ("first_order_at", true),
        Field::LastOrder => ("last_order_at", true),
        // Not a column: the contact history tells.
        Field::LastContact => ("", true),
        Field::LastResponse => ("last_response_at", true),
        Field::Engagement => ("engagement_weight", false),
        // Not columns: where the fifths of the buyers end tells.
        Field::Recency | Field::Frequency | Field::Monetary | Field::Rfm | Field::ValueClass => {
            ("", true)
        }
        Field::PreferredChannel => ("preferred_channel", true),
        Field::PreferredHour => ("preferred_hour", true),
        Field::Created => ("created_at", false),
    }
}

/// `TRUE` or `FALSE`, which both databases know.
pub(super) fn constant(truth: bool) -> Expr {
    Expr::cust(if truth { "TRUE" } else { "FALSE" })
}

/// Joins the parts in groups of groups, so that the depth grows with the logarithm of their number.
pub(super) fn joined(mut parts: Vec<Condition>, join: fn() -> Condition) -> Condition {
    if parts.is_empty() {
        // As `Condition` itself has it: all of nothing is true, any of nothing false.
        return constant(join() == Condition::all()).into();
    }
    while parts.len() > GROUP {
        let mut groups = Vec::with_capacity(parts.len() / GROUP + 1);
        let mut rest = parts.into_iter().peekable();
        while rest.peek().is_some() {
            groups.push(rest.by_ref().take(GROUP).fold(join(), Condition::add));
        }
        parts = groups;
    }
    parts.into_iter().fold(join(), Condition::add)
}

pub(super) fn length(key: &str) -> i32 {
    // At most MAX_CHARS, each folded to a few characters.
    i32::try_from(key.chars().count()).unwrap_or(i32::MAX)
}

pub(super) fn text_value(value: &Value, matching: Matching) -> Option<Expr> {
    match value {
        Value::Text(text) => Some(Expr::val(matching.key(text))),
        _ => None,
    }
}

/// A test that SQL's own operators answer; `literal` makes the column's type of a value. A value of
/// another type, which a checked rule does not hold, makes the test false.
pub(super) fn plain(
    column: &Expr,
    test: &Test,
    literal: impl Fn(&Value) -> Option<Expr>,
) -> Condition {
    let column = column.clone();
    let holds = match test {
        Test::Is(relation, value) => literal(value).map(|value| match relation {
            Relation::Equal => column.eq(value),
            Relation::NotEqual => column.ne(value),
            Relation::Less => column.lt(value),
            Relation::LessOrEqual => column.lte(value),
            Relation::Greater => column.gt(value),
            Relation::GreaterOrEqual => column.gte(value),
        }),
        Test::Between(low, high) => match (literal(low), literal(high)) {
            (Some(low), Some(high)) => Some(column.between(low, high)),
            _ => None,
        },
        Test::In(values) => Some(column.is_in(values.iter().filter_map(literal))),
        _ => None,
    };
    holds.unwrap_or_else(|| constant(false)).into()
}

/// A test of a whole number that is known by who has reached each: years, points, fifths.
pub(super) fn reached(test: &Test, completed: impl Fn(i64) -> Condition) -> Condition {
    let whole = |value: &Value| match value {
        Value::Number(number) => number.as_whole(),
        _ => None,
    };
    let exactly = |n: i64| {
        Condition::all()
            .add(completed(n))
            .add(completed(n + 1).not())
    };
    let holds = match test {
        Test::Is(relation, value) => whole(value).map(|n| match relation {
            Relation::Equal => exactly(n),
            Relation::NotEqual => exactly(n).not(),
            Relation::Less => completed(n).not(),
            Relation::LessOrEqual => completed(n + 1).not(),
            Relation::Greater => completed(n + 1),
            Relation::GreaterOrEqual => completed(n),
        }),
        Test::Between(low, high) => match (whole(low), whole(high)) {
            (Some(low), Some(high)) => Some(
                Condition::all()
                    .add(completed(low))
                    .add(completed(high + 1).not()),
            ),
            _ => None,
        },
        Test::In(values) => Some(joined(
            values.iter().filter_map(whole).map(exactly).collect(),
            Condition::any,
        )),
        _ => None,
    };
    holds.unwrap_or_else(|| constant(false).into())
}

/// A test of a word out of a few.
pub(super) fn words(test: &Test, is_word: impl Fn(&str) -> Expr) -> Condition {
    match test {
        Test::Is(Relation::Equal, Value::Text(word)) => is_word(word).into(),
        Test::Is(Relation::NotEqual, Value::Text(word)) => {
            Condition::all().add(is_word(word)).not()
        }
        Test::In(values) => joined(
            values
                .iter()
                .filter_map(|value| match value {
                    Value::Text(word) => Some(is_word(word).into()),
                    _ => None,
                })
                .collect(),
            Condition::any,
        ),
        _ => constant(false).into(),
    }
}

/// A test of a boolean that is known, given when it is true.
pub(super) fn booleans(test: &Test, is_true: &Expr) -> Condition {
    let is = |truth: bool| {
        let condition = Condition::all().add(is_true.clone());
        if truth { condition } else { condition.not() }
    };
    match test {
        Test::Is(Relation::Equal, Value::Boolean(truth)) => is(*truth),
        Test::Is(Relation::NotEqual, Value::Boolean(truth)) => is(!*truth),
        Test::In(values) => joined(
            values
                .iter()
                .filter_map(|value| match value {
                    Value::Boolean(truth) => Some(is(*truth)),
                    _ => None,
                })
                .collect(),
            Condition::any,
        ),
        _ => constant(false).into(),
    }
}
