//! The ways of a search, each in the order of an index.

use sea_orm::{DbErr, Value};

use crate::customers::search::{Field, LOOK, Place, Told, ValueClass, Wanted, Way};
use crate::customers::value::CLASS;
use crate::storage::{Db, Dialect, Sql};

use super::value::{is_known_sql, step_sql};

/// Some of those whom one way finds.
#[derive(Debug)]
pub(in crate::customers) struct Page {
    pub places: Vec<Place>,
    /// Where the look ended, when it ended before the last of them.
    pub looked_until: Option<Place>,
}

/// The values of a statement, by the places they are named by.
#[derive(Debug, Default)]
struct Values(Vec<Value>);

impl Values {
    fn put(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }
}

/// Orders texts by their bytes, so that those that begin alike stand together.
fn bytes(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => " COLLATE \"C\"",
    }
}

impl Field {
    /// The column as its index has it.
    fn column(self, dialect: Dialect) -> String {
        let name = match self {
            Self::LastName => "last_name_key",
            Self::FirstName => "first_name_key",
            Self::Company => "company_key",
            Self::Email => "email_key",
            Self::City => "city_key",
            Self::PostalCode => "postal_code",
        };
        format!("c.{name}{}", bytes(dialect))
    }

    /// The other name, as the index of this one has it behind it.
    fn second(self, dialect: Dialect) -> Option<(Self, String)> {
        let (field, name) = match self {
            Self::LastName => (Self::FirstName, "first_name_key"),
            Self::FirstName => (Self::LastName, "last_name_key"),
            _ => return None,
        };
        Some((field, format!("COALESCE(c.{name}, ''){}", bytes(dialect))))
    }
}

impl Way {
    /// SQL for whether a row is found this way, as a property of the row: no index is meant to serve it.
    fn holds(&self, dialect: Dialect, values: &mut Values) -> String {
        match self {
            Self::Everyone => "TRUE".to_owned(),
            Self::Known { .. } => {
                let known = self.known(values);
                let any: Vec<String> = known
                    .iter()
                    .map(|(column, value)| format!("c.{column} = {value}"))
                    .collect();
                format!("({})", any.join(" OR "))
            }
            Self::Fields(tells) => {
                let behind = tells.first().and_then(|first| first.field.second(dialect));
                let all: Vec<String> = tells
                    .iter()
                    .map(|told| match &behind {
                        Some((field, column)) if *field == told.field => told.holds(column, values),
                        _ => told.holds(&told.field.column(dialect), values),
                    })
                    .collect();
                format!("({})", all.join(" AND "))
            }
        }
    }

    fn known(&self, values: &mut Values) -> Vec<(&'static str, String)> {
        let Self::Known {
            id,
            external_id,
            email,
            phone,
        } = self
        else {
            return Vec::new();
        };
        let mut known = vec![("external_id", values.put(external_id.as_str()))];
        known.extend(id.map(|id| ("id", values.put(id))));
        for (column, text) in [("email_key", email), ("phone", phone)] {
            known.extend(
                text.as_ref()
                    .map(|text| (column, values.put(text.as_str()))),
            );
        }
        known
    }
}

impl Told {
    /// SQL for whether a column is so.
    fn holds(&self, column: &str, values: &mut Values) -> String {
        let text = values.put(self.text.as_str());
        if self.is_whole {
            return format!("{column} = {text}");
        }
        // The greatest letter there is.
        let until = values.put(format!("{}\u{10ffff}", self.text));
        format!("{column} >= {text} AND {column} < {until}")
    }
}

/// The next of those whom the `n`-th of `ways` finds and none before it, at most `limit`.
pub(in crate::customers) async fn page(
    db: &Db,
    ways: &[Way],
    n: usize,
    wanted: &Wanted,
    after: Option<&Place>,
    limit: usize,
) -> Result<Page, DbErr> {
    let Some(way) = ways.get(n) else {
        return Ok(Page {
            places: Vec::new(),
            looked_until: None,
        });
    };
    let dialect = db.dialect();
    let mut values = Values::default();
    let mut conditions = Vec::new();
    let (key, second, order) = match way {
        Way::Everyone => {
            if let Some(after) = after {
                conditions.push(format!("c.id < {}", values.put(after.id)));
            }
            ("''".to_owned(), "''".to_owned(), "c.id DESC".to_owned())
        }
        Way::Known { .. } => {
            let ids: Vec<String> = way
                .known(&mut values)
                .iter()
                .map(|(column, value)| format!("SELECT id FROM customers WHERE {column} = {value}"))
                .collect();
            conditions.push(format!("c.id IN ({})", ids.join(" UNION ")));
            if let Some(after) = after {
                conditions.push(format!("c.id > {}", values.put(after.id)));
            }
            ("''".to_owned(), "''".to_owned(), "c.id".to_owned())
        }
        Way::Fields(tells) => {
            let Some(first) = tells.first() else {
                return Ok(Page {
                    places: Vec::new(),
                    looked_until: None,
                });
            };
            let key = first.field.column(dialect);
            let second = first.field.second(dialect).map(|(_, column)| column);
            conditions.push(way.holds(dialect, &mut values));
            let mut columns = vec![key.as_str()];
            columns.extend(second.as_deref());
            columns.push("c.id");
            let order = columns.join(", ");
            if let Some(after) = after {
                let mut from = vec![values.put(after.key.as_str())];
                if second.is_some() {
                    from.push(values.put(after.second_key.as_str()));
                }
                from.push(values.put(after.id));
                conditions.push(format!("({order}) > ({})", from.join(", ")));
            }
            (key, second.unwrap_or_else(|| "''".to_owned()), order)
        }
    };
    for earlier in ways.iter().take(n) {
        let held = earlier.holds(dialect, &mut values);
        conditions.push(format!("NOT COALESCE({held}, FALSE)"));
    }
    if conditions.is_empty() {
        conditions.push("TRUE".to_owned());
    }
    let conditions = conditions.join(" AND ");
    let list = format!("c.id AS id, {key} AS key, {second} AS second_key");
    if !wanted.is_filtered() {
        let limit = values.put(i64::try_from(limit).unwrap_or(i64::MAX));
        let sql = format!(
            "SELECT {list} FROM customers c WHERE {conditions} ORDER BY {order} LIMIT {limit}"
        );
        return Ok(Page {
            places: places(db, sql, values, n).await?,
            looked_until: None,
        });
    }
    // Looked through in the order of the way, so that the time does not depend on how rare the wanted are.
    let look = format!(
        "SELECT {list}, c.stage, c.country, c.language, c.revenue_cents, c.orders_count, c.last_order_at \
         FROM customers c WHERE {conditions} ORDER BY {order} LIMIT {LOOK}"
    );
    let order = match way {
        Way::Everyone => "x.id DESC",
        _ => "x.key, x.second_key, x.id",
    };
    let mut last = Values(values.0.clone());
    let filters = filters(wanted, &mut values);
    let most = values.put(i64::try_from(limit).unwrap_or(i64::MAX));
    let sql = format!(
        "SELECT x.id, x.key, x.second_key FROM ({look}) AS x WHERE {filters} ORDER BY {order} LIMIT {most}"
    );
    let found = places(db, sql, values, n).await?;
    let mut looked_until = None;
    if found.len() < limit {
        let before = last.put(LOOK - 1);
        let sql = format!(
            "SELECT x.id, x.key, x.second_key FROM ({look}) AS x ORDER BY {order} LIMIT 1 OFFSET {before}"
        );
        looked_until = places(db, sql, last, n).await?.pop();
    }
    Ok(Page {
        places: found,
        looked_until,
    })
}

async fn places(db: &Db, sql: String, values: Values, way: usize) -> Result<Vec<Place>, DbErr> {
    db.rows(sql, values.0)
        .await?
        .iter()
        .map(|row| {
            Ok(Place {
                way,
                key: row.try_get("", "key")?,
                second_key: row.try_get("", "second_key")?,
                id: row.try_get("", "id")?,
            })
        })
        .collect()
}

/// SQL for who of `x` is wanted.
fn filters(wanted: &Wanted, values: &mut Values) -> String {
    let mut all = Vec::new();
    if let Some(stage) = wanted.stage {
        all.push(format!("x.stage = {}", values.put(stage.as_str())));
    }
    if let Some(country) = &wanted.country {
        all.push(format!("x.country = {}", values.put(country.as_str())));
    }
    if let Some(language) = &wanted.language {
        all.push(format!("x.language = {}", values.put(language.as_str())));
    }
    if let Some(class) = wanted.class {
        let (a, b) = (step_sql(CLASS, 1), step_sql(CLASS, 2));
        let of_class = match class {
            ValueClass::A => format!("x.revenue_cents >= {a}"),
            ValueClass::B => format!("x.revenue_cents < {a} AND x.revenue_cents >= {b}"),
            ValueClass::C => format!("x.revenue_cents < {a} AND x.revenue_cents < {b}"),
        };
        all.push(format!("{} AND {of_class}", is_known_sql("x")));
    }
    all.join(" AND ")
}
