//! The gate's lasting rules asked of a whole segment at once.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use sea_orm::sea_query::{Alias, Expr, JoinType, PostgresQueryBuilder, Query, SqliteQueryBuilder};

use super::Question;
use crate::consent::ladder::Level;
use crate::consent::model::Channel;
use crate::gate::model::{Request, Withheld};
use crate::gate::moment::{Moment, Places};
use crate::gate::reach::Reach;
use crate::gate::rules::Rules;
use crate::segments::Rule;
use crate::storage::{Db, Dialect, Unanswered, rows_within};

/// One pass for all channels: the rule is asked of each customer once.
pub(in crate::gate) async fn count(
    db: &Db,
    rules: &Rules,
    rule: &Rule,
    topic: &str,
    now: DateTime<Utc>,
    patience: Duration,
) -> Result<Vec<Reach>, Unanswered> {
    let mut reaches = Channel::ALL.map(|channel| Reach {
        channel,
        topic: topic.to_owned(),
        reachable: 0,
        withheld: BTreeMap::new(),
    });
    // A topic stands in the query as it is.
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !topic.chars().all(is_word) {
        return Ok(reaches.into());
    }
    let (mut asked, mut counted) = (Query::select(), Query::select());
    asked
        .from_as(Alias::new("customers"), Alias::new("c"))
        .cond_where(rule.condition_on("c", db.dialect(), now));
    for channel in Channel::ALL {
        let permission = format!("permission_{channel}");
        let request = request(channel, topic);
        let now_ms = now.timestamp_millis();
        let places = Places {
            all: Vec::new(),
            fallback: request.fallback_zone,
        };
        let moment = Moment::of_instant(&now_ms.to_string(), now_ms, "c", rules, &places);
        let question = Question {
            dialect: db.dialect(),
            rules,
            request: &request,
            moment: &moment,
            rivals: &[],
            c: "c",
            p: &permission,
        };
        let cases: String = question
            .refusals()
            .into_iter()
            .filter(|(reason, _)| lasts(*reason))
            .map(|(reason, holds)| format!(" WHEN {holds} THEN '{}'", reason.as_str()))
            .collect();
        let reason = Alias::new(channel.as_str());
        asked
            .expr_as(Expr::cust(format!("CASE{cases} END")), reason.clone())
            .join_as(
                JoinType::LeftJoin,
                Alias::new("permissions"),
                Alias::new(&permission),
                Expr::cust(question.permission_join()),
            );
        counted.column(reason.clone()).group_by_col(reason);
    }
    if db.dialect() == Dialect::Sqlite {
        // Or it would work each CASE out twice a row, once to group by it.
        asked.limit(i64::MAX.unsigned_abs());
    }
    counted
        .expr_as(Expr::cust("COUNT(*)"), Alias::new("n"))
        .from_subquery(asked, Alias::new("x"));
    let (sql, values) = match db.dialect() {
        Dialect::Sqlite => counted.build(SqliteQueryBuilder),
        Dialect::Postgres => counted.build(PostgresQueryBuilder),
    };
    let values = values.0.into_iter().collect();
    for row in rows_within(db, sql, values, patience).await? {
        let n = row.try_get::<i64>("", "n")?.unsigned_abs();
        for reach in &mut reaches {
            let reason: Option<String> = row.try_get("", reach.channel.as_str())?;
            match reason {
                None => reach.reachable += n,
                Some(word) => {
                    let reason = Withheld::from_column(&word)
                        .ok_or_else(|| DbErr::Type(format!("there is no reason {word:?}")))?;
                    *reach.withheld.entry(reason).or_default() += n;
                }
            }
        }
    }
    Ok(reaches.into())
}

/// What a plain campaign asks of the gate.
fn request(channel: Channel, topic: &str) -> Request {
    Request {
        channel,
        provider: None,
        topic: topic.to_owned(),
        level: Level::default(),
        priority: 0,
        fallback_zone: chrono_tz::UTC,
        per_household: false,
        ends_at: None,
    }
}

/// Whether a reason holds until somebody does something about it.
fn lasts(reason: Withheld) -> bool {
    !matches!(reason, Withheld::Paused | Withheld::Pressure)
}
