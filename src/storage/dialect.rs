//! Where SQLite and PostgreSQL part.

/// Which database this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// SQL for now in milliseconds: the database's clock where nodes share one, ours where there is one node.
    pub fn now(self, now_ms: i64) -> String {
        match self {
            Self::Sqlite => now_ms.to_string(),
            Self::Postgres => "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint".to_owned(),
        }
    }

    /// Placeholder `n` for a JSON column, cast where the database insists on its type.
    pub fn json(self, n: usize) -> String {
        match self {
            Self::Sqlite => format!("${n}"),
            Self::Postgres => format!("${n}::jsonb"),
        }
    }

    /// A JSON column as text, as it is read back.
    pub fn json_text(self, column: &str) -> String {
        match self {
            Self::Sqlite => column.to_owned(),
            Self::Postgres => format!("{column}::text"),
        }
    }

    /// The text under a key of a column with JSON.
    pub fn json_member(self, column: &str, key: &str) -> String {
        match self {
            Self::Sqlite => format!("json_extract({column}, '$.{key}')"),
            Self::Postgres => format!("({column}::jsonb ->> '{key}')"),
        }
    }

    /// The whole number under a key of a column with JSON.
    pub fn json_number(self, column: &str, key: &str) -> String {
        format!("CAST({} AS BIGINT)", self.json_member(column, key))
    }

    /// The greatest of two or more values that are not NULL.
    pub fn greatest(self, values: &[&str]) -> String {
        let word = match self {
            Self::Sqlite => "MAX",
            Self::Postgres => "GREATEST",
        };
        format!("{word}({})", values.join(", "))
    }

    /// Placeholders `($1, $2), ($3, $4)` for `rows` rows of `columns`.
    pub fn values(self, rows: usize, columns: usize) -> String {
        let mut sql = String::with_capacity(rows * columns * 6);
        let mut n = 0;
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..columns {
                n += 1;
                if column > 0 {
                    sql.push_str(", ");
                }
                sql.push('$');
                sql.push_str(&n.to_string());
            }
            sql.push(')');
        }
        sql
    }

    /// How many rows of `columns` fit one statement: PostgreSQL takes 65,535 parameters, SQLite 32,766.
    pub fn rows_per_statement(self, columns: usize) -> usize {
        let limit = match self {
            Self::Sqlite => 32_766,
            Self::Postgres => 65_535,
        };
        (limit / columns.max(1)).max(1)
    }
}
