//! From tree to a condition of either database.
//!
//! Two-valued like the language: every test of a column that may be NULL begins with `IS NOT NULL AND`,
//! every test of an attribute is a CASE with an ELSE, so that no part is ever NULL and `NOT` is exact.
//! Behaviour is `id IN (SELECT …)`, which both databases answer with one pass over the events (SENDPATH
//! §2: on SQLite several times as fast as EXISTS). A text is found by its position, not by LIKE: there is
//! no pattern language, so nothing to escape.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sea_orm::sea_query::{
    Alias, CaseStatement, Condition, DynIden, Expr, ExprTrait, Func, IntoIden, JoinType, Query,
    SelectStatement,
};

use super::calendar::{
    Born, all_generation_days, born_for_age, day_end_ms, day_start_ms, generation_days,
    span_start_day, span_start_ms, window_ms,
};
use super::comparison::{
    booleans, column_of, constant, joined, length, plain, reached, text_value, words,
};
use super::model::{Behaviour, Deed, Field, Node, Number, Relation, Rule, Subject, Test, Value};
use super::vocabulary::{Kind, Matching};
use crate::consent::model::{Channel, Tracking};
use crate::consent::store as consent;
use crate::customers::fading::Fading;
use crate::customers::store::value;
use crate::customers::value::{CLASS, Measure};
use crate::storage::Dialect;

impl Rule {
    /// The condition that selects from a FROM that holds the table `customers` under its own name.
    ///
    /// Columns are qualified with `customers`; `now` is what `within`, `ago` and `age` count from.
    pub fn condition(&self, dialect: Dialect, now: DateTime<Utc>) -> Condition {
        self.condition_on("customers", dialect, now)
    }

    /// [`Rule::condition`] where the table `customers` is known as `alias`.
    pub fn condition_on(&self, alias: &str, dialect: Dialect, now: DateTime<Utc>) -> Condition {
        Compiler {
            table: Alias::new(alias).into_iden(),
            dialect,
            now,
        }
        .node(&self.root)
    }
}

struct Compiler {
    table: DynIden,
    dialect: Dialect,
    now: DateTime<Utc>,
}

impl Compiler {
    fn node(&self, node: &Node) -> Condition {
        match node {
            Node::Everyone => constant(true).into(),
            Node::All(parts) => joined(self.nodes(parts), Condition::all),
            Node::Any(parts) => joined(self.nodes(parts), Condition::any),
            Node::Not(part) => self.node(part).not(),
            Node::Compare(Subject::Field(field), test) => self.field(*field, test),
            Node::Compare(Subject::Attribute(name), test) => self.attribute(name, test),
            Node::Tagged(tag) => {
                let mut tags = Query::select();
                tags.column("customer_id")
                    .from("customer_tags")
                    .and_where(Expr::col("tag_key").eq(Matching::Folded.key(tag)));
                self.is_among(tags)
            }
            Node::Interested(name) => self.interested(name),
            Node::Did(behaviour) => self.behaviour(behaviour),
            Node::CanReceive { channel, topic } => self.can_receive(*channel, topic),
        }
    }

    fn nodes(&self, parts: &[Node]) -> Vec<Condition> {
        parts.iter().map(|part| self.node(part)).collect()
    }

    fn column(&self, name: &'static str) -> Expr {
        Expr::col((self.table.clone(), name))
    }

    /// When we last reached him: the newest entry of the contact history, found in its primary key.
    fn last_contact(&self) -> Expr {
        Expr::cust(format!(
            "(SELECT MAX(contacts.contacted_at) FROM contacts WHERE contacts.customer_id = {}.id)",
            self.table
        ))
    }

    fn is_among(&self, customers: SelectStatement) -> Condition {
        self.column("id").in_subquery(customers).into()
    }

    fn field(&self, field: Field, test: &Test) -> Condition {
        let (name, is_nullable) = column_of(field);
        let column = match field {
            Field::LastContact => self.last_contact(),
            Field::Rfm => self.rfm(),
            Field::ValueClass => self.value_class(),
            _ => self.column(name),
        };
        // Without this the test of a NULL would be NULL, and so would its NOT.
        let known = match field {
            Field::Generation => Condition::all().add(column.clone().is_not_null()).add(
                match all_generation_days() {
                    Some((first, last)) => column.clone().between(first, last),
                    None => constant(false),
                },
            ),
            Field::Recency
            | Field::Frequency
            | Field::Monetary
            | Field::Rfm
            | Field::ValueClass => Expr::cust(value::is_known_sql(&self.table.to_string())).into(),
            _ if is_nullable => column.clone().is_not_null().into(),
            _ => constant(true).into(),
        };
        let holds = match (field, field.kind(), test) {
            (_, _, Test::Known) => return known,
            (_, _, Test::Unknown) => return known.not(),
            (Field::Age, _, test) => reached(test, |n| self.completed(column.clone(), n)),
            (Field::Engagement, _, test) => reached(test, |n| self.has_left(column.clone(), n)),
            (Field::Recency, _, test) => reached(test, |n| self.fifth(Measure::Recency, n)),
            (Field::Frequency, _, test) => reached(test, |n| self.fifth(Measure::Frequency, n)),
            (Field::Monetary, _, test) => reached(test, |n| self.fifth(Measure::Monetary, n)),
            (Field::Generation, _, test) => words(test, |word| match generation_days(word) {
                Some((first, last)) => column.clone().between(first, last),
                None => constant(false),
            }),
            (_, Kind::Text(matching), test) => {
                let column = match matching {
                    Matching::Code => self.lower(column.clone()),
                    _ => column.clone(),
                };
                self.text(&column, test, matching)
            }
            (_, Kind::Word(_), test) => {
                let column = self.lower(column.clone());
                words(test, |word| column.clone().eq(word))
            }
            (_, Kind::Whole, test) => plain(&column, test, |value| match value {
                Value::Number(number) => number.as_whole().map(Expr::val),
                _ => None,
            }),
            (_, Kind::Money, test) => plain(&column, test, |value| match value {
                Value::Number(number) => number.as_cents().map(Expr::val),
                _ => None,
            }),
            (_, Kind::Day, test) => self.day(&column, test),
            (_, Kind::Instant, test) => self.instant(&column, test),
        };
        if is_nullable {
            Condition::all().add(known).add(holds)
        } else {
            holds
        }
    }

    /// Who has completed `n` years.
    fn completed(&self, birth: Expr, n: i64) -> Condition {
        match born_for_age(n, self.now.date_naive()) {
            Born::Never => constant(false).into(),
            Born::By(day) => birth.lte(day).into(),
            Born::Always => constant(true).into(),
        }
    }

    /// Who has `n` points left.
    fn has_left(&self, weight: Expr, n: i64) -> Condition {
        if n <= 0 {
            return constant(true).into();
        }
        let least = Fading::least(n, self.now.timestamp_millis());
        weight.gte(least.0).into()
    }

    /// Of the buyers, who is in fifth `n` of a measure or above.
    fn fifth(&self, measure: Measure, n: i64) -> Condition {
        match n {
            ..=1 => constant(true).into(),
            2..=5 => Expr::cust(self.passes(measure, n - 1)).into(),
            _ => constant(false).into(),
        }
    }

    /// SQL for who lies beyond the end of a fifth; never NULL for a buyer.
    fn passes(&self, measure: Measure, step: i64) -> String {
        let (table, column) = (&self.table, measure.column());
        let end = value::step_sql(measure.as_str(), step);
        format!("({table}.{column} > {end})")
    }

    fn rfm(&self) -> Expr {
        let digits = Measure::ALL.map(|measure| {
            let steps: String = (1..5)
                .map(|step| {
                    let passes = self.passes(measure, step);
                    format!(" + CASE WHEN {passes} THEN 1 ELSE 0 END")
                })
                .collect();
            format!("CAST(1{steps} AS TEXT)")
        });
        Expr::cust(format!("({})", digits.join(" || ")))
    }

    fn value_class(&self) -> Expr {
        let [a, b] = [1, 2].map(|step| value::step_sql(CLASS, step));
        let revenue = format!("{}.revenue_cents", self.table);
        Expr::cust(format!(
            "(CASE WHEN {revenue} >= {a} THEN 'a' WHEN {revenue} >= {b} THEN 'b' ELSE 'c' END)"
        ))
    }

    /// Interests count only of those who agree to tracking today.
    fn interested(&self, name: &str) -> Condition {
        let least = Fading::least(1, self.now.timestamp_millis());
        let mut interested = Query::select();
        interested
            .column("customer_id")
            .from("customer_interests")
            .and_where(Expr::col("interest_key").eq(Matching::Folded.key(name)))
            .and_where(Expr::col("weight").gte(least.0));
        Condition::all()
            .add(self.column("tracking").eq(Tracking::Full.as_str()))
            .add(self.is_among(interested))
    }

    fn day(&self, column: &Expr, test: &Test) -> Condition {
        match test {
            Test::Within(span) => column
                .clone()
                .between(span_start_day(*span, self.now), self.now.date_naive())
                .into(),
            Test::MoreThanAgo(span) => column.clone().lt(span_start_day(*span, self.now)).into(),
            other => plain(column, other, |value| match value {
                // A day of four digits a year: SQLite compares dates as text.
                Value::Date(date) if date.year() >= 1 => Some(Expr::val(*date)),
                _ => None,
            }),
        }
    }

    /// An instant is compared with a date by its day: the day is a range of milliseconds.
    fn instant(&self, column: &Expr, test: &Test) -> Condition {
        let on = |date: NaiveDate| {
            Condition::all()
                .add(column.clone().gte(day_start_ms(date)))
                .add(column.clone().lt(day_end_ms(date)))
        };
        match test {
            Test::Within(span) => column
                .clone()
                .between(span_start_ms(*span, self.now), self.now.timestamp_millis())
                .into(),
            Test::MoreThanAgo(span) => column.clone().lt(span_start_ms(*span, self.now)).into(),
            Test::Is(relation, Value::Date(date)) => match relation {
                Relation::Equal => on(*date),
                Relation::NotEqual => on(*date).not(),
                Relation::Less => column.clone().lt(day_start_ms(*date)).into(),
                Relation::LessOrEqual => column.clone().lt(day_end_ms(*date)).into(),
                Relation::Greater => column.clone().gte(day_end_ms(*date)).into(),
                Relation::GreaterOrEqual => column.clone().gte(day_start_ms(*date)).into(),
            },
            Test::Between(Value::Date(first), Value::Date(last)) => Condition::all()
                .add(column.clone().gte(day_start_ms(*first)))
                .add(column.clone().lt(day_end_ms(*last))),
            Test::In(values) => joined(
                values
                    .iter()
                    .filter_map(|value| match value {
                        Value::Date(date) => Some(on(*date)),
                        _ => None,
                    })
                    .collect(),
                Condition::any,
            ),
            _ => constant(false).into(),
        }
    }

    /// A test of a text that is not NULL, in the form in which it is compared.
    fn text(&self, column: &Expr, test: &Test, matching: Matching) -> Condition {
        let function = |sqlite: &'static str, postgres: &'static str| match self.dialect {
            Dialect::Sqlite => Func::cust(sqlite),
            Dialect::Postgres => Func::cust(postgres),
        };
        match test {
            Test::Contains(text) | Test::StartsWith(text) | Test::EndsWith(text)
                if matching.key(text).is_empty() =>
            {
                constant(true).into()
            }
            Test::Contains(text) => {
                let position = function("instr", "strpos")
                    .arg(column.clone())
                    .arg(matching.key(text));
                Expr::from(position).gt(0).into()
            }
            Test::StartsWith(text) => {
                let key = matching.key(text);
                let start = Func::cust("substr")
                    .arg(column.clone())
                    .arg(1)
                    .arg(length(&key));
                Expr::from(start).eq(key).into()
            }
            Test::EndsWith(text) => {
                let key = matching.key(text);
                let end = match self.dialect {
                    Dialect::Sqlite => Func::cust("substr").arg(column.clone()).arg(-length(&key)),
                    Dialect::Postgres => Func::cust("right").arg(column.clone()).arg(length(&key)),
                };
                Expr::from(end).eq(key).into()
            }
            Test::Is(Relation::Equal | Relation::NotEqual, _) | Test::In(_) => {
                plain(column, test, |value| text_value(value, matching))
            }
            other => plain(&self.in_code_point_order(column), other, |value| {
                text_value(value, matching)
            }),
        }
    }

    /// A column ordered by code point, as SQLite and memory do, whatever the database's collation.
    fn in_code_point_order(&self, column: &Expr) -> Expr {
        match self.dialect {
            Dialect::Sqlite => column.clone(),
            Dialect::Postgres => Expr::cust_with_expr("($1 COLLATE \"C\")", column.clone()),
        }
    }

    /// Lower case of ASCII letters only, as SQLite's LOWER does.
    fn lower(&self, column: Expr) -> Expr {
        Func::lower(self.in_code_point_order(&column)).into()
    }

    fn attribute(&self, name: &str, test: &Test) -> Condition {
        let json = self.column("attributes_key");
        let (kind, value) = match self.dialect {
            Dialect::Sqlite => {
                let path = format!("$.{}", serde_json::Value::from(name));
                (
                    Func::cust("json_type").arg(json.clone()).arg(path.clone()),
                    Func::cust("json_extract").arg(json).arg(path),
                )
            }
            Dialect::Postgres => (
                Func::cust("jsonb_typeof")
                    .arg(Func::cust("jsonb_extract_path").arg(json.clone()).arg(name)),
                Func::cust("jsonb_extract_path_text").arg(json).arg(name),
            ),
        };
        let (kind, value) = (Expr::from(kind), Expr::from(value));
        let is_of_type = |sqlite: &[&'static str], postgres: &'static str| match self.dialect {
            Dialect::Sqlite => kind.clone().is_in(sqlite.iter().copied()),
            Dialect::Postgres => kind.clone().eq(postgres),
        };
        let literal = match test {
            Test::Is(_, value) | Test::Between(value, _) => Some(value),
            Test::In(values) => values.first(),
            _ => None,
        };
        let (is_comparable, holds) = match (test, literal) {
            (Test::Known, _) => {
                let known: Expr = Func::coalesce([kind.clone(), Expr::val("null")]).into();
                return known.ne("null").into();
            }
            (Test::Unknown, _) => return self.attribute(name, &Test::Known).not(),
            (test, Some(Value::Number(_))) => {
                let value = match self.dialect {
                    Dialect::Sqlite => value.clone(),
                    // As numeric, which is exact; it stands in the CASE, so text is never cast.
                    Dialect::Postgres => value.clone().cast_as("numeric"),
                };
                let holds = plain(&value, test, |literal| match literal {
                    Value::Number(number) => Some(self.number(*number)),
                    _ => None,
                });
                (is_of_type(&["integer", "real"], "number"), holds)
            }
            (test, Some(Value::Boolean(_))) => {
                let is_true = match self.dialect {
                    Dialect::Sqlite => kind.clone().eq("true"),
                    Dialect::Postgres => value.clone().eq("true"),
                };
                (
                    is_of_type(&["true", "false"], "boolean"),
                    booleans(test, &is_true),
                )
            }
            (test, _) => (
                is_of_type(&["text"], "string"),
                self.text(&value, test, Matching::Folded),
            ),
        };
        // The CASE fixes the order: PostgreSQL may take the parts of an AND in any.
        let case = CaseStatement::new()
            .case(is_comparable, Expr::from(holds))
            .finally(constant(false));
        Expr::Case(Box::new(case)).into()
    }

    fn number(&self, number: Number) -> Expr {
        match (self.dialect, number.as_whole()) {
            (Dialect::Sqlite, Some(whole)) => Expr::val(whole),
            (Dialect::Sqlite, None) => Expr::val(number.as_f64()),
            (Dialect::Postgres, _) => Expr::val(number.to_string()).cast_as("numeric"),
        }
    }

    fn behaviour(&self, behaviour: &Behaviour) -> Condition {
        let mut events = Query::select();
        events.column("customer_id");
        let time = match behaviour.deed {
            Deed::Ordered => {
                events.from("orders");
                "ordered_at"
            }
            Deed::Received => {
                // 2 is accepted.
                events.from("deliveries").and_where(Expr::cust("state = 2"));
                "settled_at"
            }
            deed => {
                let kinds = deed.response_kinds().iter().copied();
                events
                    .from("responses")
                    .and_where(Expr::col("kind").is_in(kinds))
                    .and_where(Expr::cust("NOT is_machine"));
                "responded_at"
            }
        };
        if let Some(window) = behaviour.window {
            let (first, last) = window_ms(window, self.now);
            events.and_where(Expr::col(time).between(first, last));
        }
        if let Some(campaign) = &behaviour.campaign {
            let mut campaigns = Query::select();
            campaigns.column("id").from("campaigns").and_where(
                self.lower(Expr::col("name"))
                    .eq(Matching::Code.key(campaign)),
            );
            if behaviour.deed == Deed::Received {
                let mut waves = Query::select();
                waves
                    .column("id")
                    .from("waves")
                    .and_where(Expr::col("campaign_id").in_subquery(campaigns));
                events.and_where(Expr::col("wave_id").in_subquery(waves));
            } else {
                events.and_where(Expr::col("campaign_id").in_subquery(campaigns));
            }
        }
        let named = [
            ("product", &behaviour.product),
            ("category", &behaviour.category),
        ];
        for (column, name) in named {
            if let Some(name) = name {
                events.and_where(self.lower(Expr::col(column)).eq(Matching::Code.key(name)));
            }
        }
        if behaviour.times > 1 || behaviour.amount.is_some() {
            events.group_by_col("customer_id");
        }
        if behaviour.times > 1 {
            events.and_having(Expr::cust("COUNT(*)").gte(i64::from(behaviour.times)));
        }
        if let Some(cents) = behaviour.amount.and_then(Number::as_cents) {
            events.and_having(Expr::cust("CAST(SUM(amount_cents) AS BIGINT)").gte(cents));
        }
        self.is_among(events)
    }

    /// Granted for exactly this topic, with an address that can be used and is not suppressed: a
    /// suppression holds against a consent given before it, and against every other basis.
    fn can_receive(&self, channel: Channel, topic: &str) -> Condition {
        let (address, fingerprint) = match channel {
            Channel::Email => ("email", "email_fingerprint"),
            Channel::Sms => ("phone", "phone_fingerprint"),
        };
        let permission = |column: &'static str| Expr::col(("permission", column));
        let person = |column: &'static str| Expr::col(("person", column));
        let suppression = |column: &'static str| Expr::col(("suppression", column));

        let mut suppressed = Query::select();
        suppressed
            .expr(Expr::cust("1"))
            .from_as("suppressions", "suppression")
            .and_where(suppression("fingerprint").eq(person(fingerprint)))
            .and_where(suppression("channel").eq(channel.as_str()))
            .and_where(suppression("scope").is_in([topic, "*"]))
            .and_where(Expr::cust(consent::stands_against(
                "suppression",
                "permission",
            )));

        let mut permitted = Query::select();
        permitted
            .expr(permission("customer_id"))
            .from_as("permissions", "permission")
            .join_as(
                JoinType::InnerJoin,
                "customers",
                "person",
                person("id").equals(("permission", "customer_id")),
            )
            .and_where(permission("channel").eq(channel.as_str()))
            .and_where(permission("topic").eq(topic))
            .and_where(Expr::cust("permission.is_granted"))
            .and_where(person(address).is_not_null())
            .and_where(Expr::not_exists(suppressed));
        match channel {
            Channel::Email => permitted.and_where(person("email_state").eq("ok")),
            Channel::Sms => permitted
                .and_where(person("phone_kind").eq("mobile"))
                .and_where(person("phone_state").eq("ok")),
        };
        self.is_among(permitted)
    }
}
