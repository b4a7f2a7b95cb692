//! Many rows in one statement: they travel as one JSON parameter, so that the text of the statement
//! does not grow with them (and with it the work of preparing and binding).

use sea_orm::{ConnectionTrait, DatabaseBackend};

use super::Dialect;

/// What a place of a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Int,
    Bool,
    Date,
    /// A JSON document, given as a JSON string.
    Json,
}

impl Kind {
    fn cast(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Int => "::bigint",
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

    /// A condition: one of the whole numbers of parameter `n`, a JSON array. As a list that PostgreSQL sees
    /// when it plans, so that it looks each of them up in an index, statistics or none.
    pub fn is_one_of(self, n: usize) -> String {
        match self {
            Self::Sqlite => format!("IN {}", self.list(n, Kind::Int)),
            Self::Postgres => format!("= ANY(translate(${n}, '[]', '{{}}')::bigint[])"),
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
