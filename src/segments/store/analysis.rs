//! The one pass over the base that counts every line of a rule.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use sea_orm::sea_query::{Alias, CaseStatement, Condition, Expr, ExprTrait as _, Order, Query};

use super::{build, name_query, selection};
use crate::ids::CustomerId;
use crate::segments::analysis::BEHAVIOUR_DAYS;
use crate::segments::model::{Name, Node, Rule, Subject, Test};
use crate::storage::{Db, Dialect, Sql as _, Unanswered, rows_within};

const DAY_MS: i64 = 86_400_000;

/// The customers who stop at the same line.
pub(in crate::segments) struct Step {
    /// Counted from 0; as many as there are lines: they pass all.
    pub line: usize,
    pub people: u64,
    pub responded: u64,
    pub ordered: u64,
    /// For each subject.
    pub known: Vec<u64>,
}

/// For each customer the first line that is false (of an "or": true), counted. A CASE stops there, so that
/// what few are asked of costs little.
pub(in crate::segments) async fn steps(
    db: &Db,
    lines: &[Rule],
    is_any: bool,
    subjects: &[Subject],
    now: DateTime<Utc>,
    patience: Duration,
) -> Result<Vec<Step>, Unanswered> {
    let dialect = db.dialect();
    let mut case = CaseStatement::new();
    for (n, line) in lines.iter().enumerate() {
        let holds = line.condition(dialect, now);
        let stops = if is_any { holds } else { holds.not() };
        case = case.case(stops, Expr::cust(n.to_string()));
    }
    let case = case.finally(Expr::cust(lines.len().to_string()));
    let since = now.timestamp_millis() - BEHAVIOUR_DAYS * DAY_MS;
    let flag = |condition: Condition| {
        let case = CaseStatement::new()
            .case(condition, Expr::cust("1"))
            .finally(Expr::cust("0"));
        Expr::Case(Box::new(case))
    };
    let recent = |column: &'static str| {
        let column = Expr::col(("customers", column));
        flag(Condition::all().add(column.gte(since)))
    };
    let mut inner = Query::select();
    inner
        .expr_as(Expr::Case(Box::new(case)), Alias::new("line"))
        .expr_as(recent("last_response_at"), Alias::new("responded"))
        .expr_as(recent("last_order_at"), Alias::new("ordered"))
        .from("customers");
    let mut outer = Query::select();
    outer
        .column(Alias::new("line"))
        .expr_as(Expr::cust("COUNT(*)"), Alias::new("people"))
        .expr_as(Expr::cust("SUM(responded)"), Alias::new("responded"))
        .expr_as(Expr::cust("SUM(ordered)"), Alias::new("ordered"));
    for (n, subject) in subjects.iter().enumerate() {
        let known = Rule {
            root: Node::Compare(subject.clone(), Test::Known),
        };
        inner.expr_as(
            flag(known.condition(dialect, now)),
            Alias::new(format!("known_{n}")),
        );
        outer.expr_as(
            Expr::cust(format!("SUM(known_{n})")),
            Alias::new(format!("known_{n}")),
        );
    }
    if dialect == Dialect::Sqlite {
        // Or it would put the CASE into the grouping, and work it out twice a row.
        inner.limit(i64::MAX.unsigned_abs());
    }
    outer
        .from_subquery(inner, Alias::new("x"))
        .group_by_col(Alias::new("line"));
    let (sql, values) = build(&outer, dialect);
    let rows = rows_within(db, sql, values.into_iter().collect(), patience).await?;
    let mut steps = Vec::with_capacity(rows.len());
    for row in rows {
        let number = |column: &str| Ok::<_, DbErr>(row.try_get::<i64>("", column)?.unsigned_abs());
        // PostgreSQL has these constants as four bytes.
        let line: i64 = match row.try_get::<i32>("", "line") {
            Ok(line) => line.into(),
            Err(_) => row.try_get("", "line")?,
        };
        let known = (0..subjects.len()).map(|n| number(&format!("known_{n}")));
        steps.push(Step {
            line: usize::try_from(line).unwrap_or(usize::MAX),
            people: number("people")?,
            responded: number("responded")?,
            ordered: number("ordered")?,
            known: known.collect::<Result<_, _>>()?,
        });
    }
    Ok(steps)
}

/// The names of the rule that nothing in the base bears.
pub(in crate::segments) async fn unknown(
    db: &Db,
    rule: &Rule,
    patience: Duration,
) -> Result<Vec<Name>, Unanswered> {
    let mut unknown = Vec::new();
    for name in rule.names() {
        let (sql, value) = name_query(db.dialect(), &name);
        let rows = rows_within(db, sql.to_owned(), vec![value.into()], patience).await?;
        if rows.is_empty() {
            unknown.push(name);
        }
    }
    Ok(unknown)
}

pub(in crate::segments) async fn sample(
    db: &Db,
    rule: &Rule,
    now: DateTime<Utc>,
    from: CustomerId,
    limit: usize,
    patience: Duration,
) -> Result<Vec<CustomerId>, Unanswered> {
    let limit = u64::try_from(limit).unwrap_or(0);
    let mut query = selection(rule, db.dialect(), now);
    query
        .and_where(Expr::col(("customers", "id")).gte(from.0))
        .order_by(("customers", "id"), Order::Asc)
        .limit(limit);
    let (sql, values) = build(&query, db.dialect());
    let rows = rows_within(db, sql, values.into_iter().collect(), patience).await?;
    let ids = rows.iter().map(|row| row.try_get("", "id").map(CustomerId));
    Ok(ids.collect::<Result<_, DbErr>>()?)
}

pub(in crate::segments) async fn last_customer(db: &Db) -> Result<CustomerId, DbErr> {
    let row = db.row("SELECT MAX(id) AS id FROM customers", []).await?;
    let id: Option<i64> = row.map_or(Ok(None), |row| row.try_get("", "id"))?;
    Ok(CustomerId(id.unwrap_or(0)))
}
