//! Many rows in one statement.
//!
//! Rows that a query reads travel as one JSON parameter ([`Dialect::recordset`], [`Dialect::list`]), so
//! that the text of the statement does not grow with them (and with it the work of preparing). Rows that
//! are only put into a table go by [`insert`], the way each database takes in the least time.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Value as Parameter};
use serde_json::Value;

use super::{Dialect, Sql};

/// Values of a statement on SQLite: more save nothing, and it stays small to prepare.
const VALUES: usize = 2_000;

/// What a place of a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Int,
    Real,
    Bool,
    Date,
    /// A JSON document, given as a JSON string.
    Json,
}

impl Kind {
    /// The type of a column of such values on PostgreSQL.
    fn array(self) -> &'static str {
        match self {
            Self::Text => "text[]",
            Self::Int => "bigint[]",
            Self::Real => "double precision[]",
            Self::Bool => "boolean[]",
            Self::Date => "date[]",
            Self::Json => "jsonb[]",
        }
    }

    fn cast(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Int => "::bigint",
            Self::Real => "::double precision",
            Self::Bool => "::boolean",
            Self::Date => "::date",
            Self::Json => "::jsonb",
        }
    }
}

impl Dialect {
    /// The dialect of a connection or transaction.
    pub fn of(connection: &impl ConnectionTrait) -> Self {
        match connection.get_database_backend() {
            DatabaseBackend::Postgres => Self::Postgres,
            _ => Self::Sqlite,
        }
    }

    /// Parameter `n`, a JSON array of arrays, as a sub-select with the named columns and `place`,
    /// which grows in the order of the rows.
    pub fn recordset(self, n: usize, columns: &[(&str, Kind)]) -> String {
        let list: String = columns
            .iter()
            .enumerate()
            .map(|(i, (name, kind))| match self {
                Self::Sqlite => format!("value->>{i} AS {name}, "),
                Self::Postgres => format!("(value->>{i}){} AS {name}, ", kind.cast()),
            })
            .collect();
        match self {
            Self::Sqlite => format!("(SELECT {list}key AS place FROM json_each(${n}))"),
            Self::Postgres => format!(
                "(SELECT {list}place FROM jsonb_array_elements(${n}::jsonb) \
                 WITH ORDINALITY AS element (value, place))"
            ),
        }
    }

    /// A condition: one of the whole numbers of parameter `n`, a JSON array; on PostgreSQL an array, so that it
    /// looks each of them up in an index, statistics or none.
    pub fn is_one_of(self, n: usize) -> String {
        match self {
            Self::Sqlite => format!("IN {}", self.list(n, Kind::Int)),
            // In a sub-select, or it would be read anew for each row.
            Self::Postgres => {
                format!("= ANY((SELECT translate(${n}, '[]', '{{}}')::bigint[])::bigint[])")
            }
        }
    }

    /// Parameter `n`, a JSON array of scalars, as a sub-select for `IN`.
    pub fn list(self, n: usize, kind: Kind) -> String {
        match self {
            Self::Sqlite => format!("(SELECT value FROM json_each(${n}))"),
            Self::Postgres => format!(
                "(SELECT value{} FROM jsonb_array_elements_text(${n}::jsonb) AS element (value))",
                kind.cast()
            ),
        }
    }
}

/// Puts rows into a table, in their order; each has a value for each of the columns, as JSON has it.
/// `conflict` is what stands behind them: nothing, or `ON CONFLICT …`.
///
/// # Errors
/// When the database refuses a row or is away.
pub async fn insert(
    connection: &impl ConnectionTrait,
    table: &str,
    columns: &[(&str, Kind)],
    rows: Vec<Vec<Value>>,
    conflict: &str,
) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let names = columns
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ");
    match Dialect::of(connection) {
        Dialect::Postgres => {
            // An array for each column, parsed once; COPY would need a connection of its own, and has no
            // ON CONFLICT.
            let arrays = columns
                .iter()
                .enumerate()
                .map(|(n, (_, kind))| format!("${}::{}", n + 1, kind.array()))
                .collect::<Vec<_>>()
                .join(", ");
            let sql = format!(
                "INSERT INTO {table} ({names}) SELECT {names} FROM unnest({arrays}) \
                 WITH ORDINALITY AS r ({names}, place) ORDER BY place {conflict}"
            );
            let arrays = arrays_of(columns.len(), &rows).into_iter();
            connection.run(sql, arrays.map(Parameter::from)).await?;
        }
        Dialect::Sqlite => {
            // Bound one by one: JSON would be read again for each column.
            let marks = vec!["?"; columns.len()].join(", ");
            let statement = |rows: usize| {
                let rows = vec![format!("({marks})"); rows].join(", ");
                format!("INSERT INTO {table} ({names}) VALUES {rows} {conflict}")
            };
            let most = (VALUES / columns.len().max(1)).max(1);
            let full = statement(most);
            let mut rows = rows.into_iter();
            while rows.len() > 0 {
                let n = rows.len().min(most);
                let sql = if n == most {
                    full.clone()
                } else {
                    statement(n)
                };
                let cells: Vec<Parameter> = rows.by_ref().take(n).flatten().map(bound).collect();
                connection.run(sql, cells).await?;
            }
        }
    }
    Ok(())
}

/// Takes `n` numbers of the identity `id` of a table, in ascending order, to be given to rows with
/// [`insert`]; to be called in a transaction.
///
/// # Errors
/// When the database is away.
pub async fn take_numbers(
    connection: &impl ConnectionTrait,
    table: &str,
    n: usize,
) -> Result<Vec<i64>, DbErr> {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    match Dialect::of(connection) {
        Dialect::Postgres => {
            let mut numbers = connection
                .rows(
                    "SELECT nextval(pg_get_serial_sequence($1, 'id')::regclass) AS number \
                     FROM generate_series(1, $2)",
                    [table.into(), n.into()],
                )
                .await?
                .iter()
                .map(|row| row.try_get("", "number"))
                .collect::<Result<Vec<i64>, _>>()?;
            numbers.sort_unstable();
            Ok(numbers)
        }
        // It counts on by itself from the greatest number that was ever given.
        Dialect::Sqlite => {
            let row = connection
                .row(
                    "SELECT seq FROM sqlite_sequence WHERE name = $1",
                    [table.into()],
                )
                .await?;
            let last: i64 = row.map_or(Ok(0), |row| row.try_get("", "seq"))?;
            Ok((last + 1..=last + n).collect())
        }
    }
}

/// The columns of the rows as array literals of PostgreSQL.
fn arrays_of(columns: usize, rows: &[Vec<Value>]) -> Vec<String> {
    let mut arrays = vec![String::from("{"); columns];
    for (n, row) in rows.iter().enumerate() {
        for (array, value) in arrays.iter_mut().zip(row) {
            if n > 0 {
                array.push(',');
            }
            match value {
                Value::Null => array.push_str("NULL"),
                Value::String(text) => quote(array, text),
                other => quote(array, &other.to_string()),
            }
        }
    }
    for array in &mut arrays {
        array.push('}');
    }
    arrays
}

/// An element of an array literal: in quotation marks, so that no letter but two means more than itself.
fn quote(array: &mut String, text: &str) {
    array.push('"');
    for part in text.split_inclusive(['"', '\\']) {
        match part.strip_suffix(['"', '\\']) {
            None => array.push_str(part),
            Some(before) => {
                array.push_str(before);
                array.push('\\');
                array.push_str(part.get(before.len()..).unwrap_or_default());
            }
        }
    }
    array.push('"');
}

fn bound(value: Value) -> Parameter {
    match value {
        Value::Null => Parameter::String(None),
        Value::Bool(is) => is.into(),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| number.as_f64().into(), Parameter::from),
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::arrays_of;

    #[test]
    fn an_array_literal_says_what_the_rows_say() {
        let rows = [
            vec![json!(1), json!("a \"b\" \\c,{d}")],
            vec![json!(null), json!("NULL")],
            vec![json!(true), json!("")],
        ];
        let arrays = arrays_of(2, &rows);
        assert_eq!(
            arrays,
            [r#"{"1",NULL,"true"}"#, r#"{"a \"b\" \\c,{d}","NULL",""}"#]
        );
    }
}
