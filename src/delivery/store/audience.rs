//! The audience of a wave, written into the ledger at launch.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Alias, Expr, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, Value};

use super::wave::{Counters, add};
use crate::campaigns::audience::Audience;
use crate::campaigns::store as campaign_store;
use crate::delivery::model::State;
use crate::gate::model::Withheld;
use crate::ids::WaveId;
use crate::storage::{Dialect, Sql, Txn};

/// What was written of an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How many will be contacted: they have the first places.
    pub deliveries: u64,
    /// How many are withheld for each reason.
    pub withheld: BTreeMap<Withheld, u64>,
    spans: Vec<Span>,
}

/// Places that are due together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    due_at: i64,
    first: i64,
    last: i64,
}

/// Writes the audience into the ledger: who will be contacted first, in order of their due time, then
/// who is withheld, each with the reason.
///
/// What is asked of each person alone goes into a table of the transaction's own, which the rest is read
/// from twice: so no sort of the whole audience is needed to give those who will be contacted the first
/// places, and PostgreSQL may ask on several cores, which it does for no INSERT into the ledger.
///
/// # Errors
/// When the database is away.
pub async fn insert_audience(
    txn: &Txn,
    wave: WaveId,
    audience: &Audience<'_>,
) -> Result<Written, DbErr> {
    campaign_store::prepare_audience(txn).await?;
    let asked = audience.asked(txn.dialect());
    let asked = txn.get_database_backend().build(&asked);
    let at_end = match txn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "ON COMMIT DROP",
    };
    txn.run(
        format!("CREATE TEMPORARY TABLE asked {at_end} AS {}", asked.sql),
        asked.values.map(|values| values.0).unwrap_or_default(),
    )
    .await?;
    let due_at_once = audience.due_at_once();
    let place = match due_at_once {
        Some(_) => "ROW_NUMBER() OVER ()",
        None => "ROW_NUMBER() OVER (ORDER BY w.due_at, w.id)",
    };
    let eligible = rows(wave, audience, State::Pending, place)
        .and_where(Expr::cust("w.reason IS NULL"))
        .take();
    let deliveries = insert(txn, eligible).await?;
    let place = format!("{deliveries} + ROW_NUMBER() OVER ()");
    let withheld = rows(wave, audience, State::Withheld, &place)
        .and_where(Expr::cust("w.reason IS NOT NULL"))
        .take();
    insert(txn, withheld).await?;
    txn.run("DROP TABLE asked", []).await?;
    Ok(Written {
        deliveries,
        withheld: count_withheld(txn, wave, deliveries).await?,
        spans: match due_at_once {
            Some(due_at) => Vec::from_iter((deliveries > 0).then_some(Span {
                due_at,
                first: 1,
                last: signed(deliveries),
            })),
            None => spans(txn, wave, deliveries).await?,
        },
    })
}

/// Ledger rows of the audience in a state.
fn rows(wave: WaveId, audience: &Audience<'_>, state: State, place: &str) -> SelectStatement {
    let mut rows = Query::select();
    rows.expr(Expr::val(wave.0))
        .expr(Expr::cust(place.to_owned()))
        .expr(Expr::cust("w.id"))
        .expr(Expr::val(audience.request.channel.as_str()))
        .expr(Expr::cust(format!(
            "CASE WHEN w.reason = '{}' THEN 'control' ELSE 'all' END",
            Withheld::Control.as_str()
        )))
        .expr(Expr::cust(state.code().to_string()))
        .expr(Expr::cust("0"))
        .expr(Expr::cust("0"))
        .expr(Expr::cust("w.due_at"))
        .expr(Expr::cust(format!(
            "CASE WHEN w.reason IS NULL AND w.due_at > w.wished_at THEN '{}' ELSE w.reason END",
            Withheld::QuietHours.as_str()
        )))
        .expr(Expr::cust("0"))
        .from_subquery(audience.rest(), Alias::new("w"));
    rows
}

async fn insert(txn: &Txn, rows: SelectStatement) -> Result<u64, DbErr> {
    let mut insert = Query::insert();
    insert
        .into_table(Alias::new("deliveries"))
        .columns(
            [
                "wave_id",
                "seq",
                "customer_id",
                "channel",
                "cell",
                "state",
                "attempt",
                "fence",
                "due_at",
                "reason",
                "marks",
            ]
            .map(Alias::new),
        )
        .select_from(rows)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(txn.execute(&insert).await?.rows_affected())
}

/// How many rows of a fresh wave are withheld for each reason; they stand behind the `deliveries`.
async fn count_withheld(
    txn: &Txn,
    wave: WaveId,
    deliveries: u64,
) -> Result<BTreeMap<Withheld, u64>, DbErr> {
    let mut withheld = BTreeMap::new();
    for row in txn
        .rows(
            "SELECT reason, COUNT(*) AS n FROM deliveries WHERE wave_id = $1 AND seq > $2 GROUP BY reason",
            [wave.0.into(), signed(deliveries).into()],
        )
        .await?
    {
        let word: String = row.try_get("", "reason")?;
        let reason = Withheld::from_column(&word)
            .ok_or_else(|| DbErr::Type(format!("deliveries.reason: {word}")))?;
        withheld.insert(reason, row.try_get::<i64>("", "n")?.unsigned_abs());
    }
    Ok(withheld)
}

/// The places of a fresh wave that are due together, the earliest first.
async fn spans(txn: &Txn, wave: WaveId, deliveries: u64) -> Result<Vec<Span>, DbErr> {
    txn.rows(
        "SELECT due_at, MIN(seq) AS first_seq, MAX(seq) AS last_seq FROM deliveries
         WHERE wave_id = $1 AND seq <= $2 GROUP BY due_at ORDER BY due_at",
        [wave.0.into(), signed(deliveries).into()],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(Span {
            due_at: row.try_get("", "due_at")?,
            first: row.try_get("", "first_seq")?,
            last: row.try_get("", "last_seq")?,
        })
    })
    .collect()
}

/// Writes the first counters of a wave.
///
/// # Errors
/// When the database is away.
pub async fn insert_counters(txn: &Txn, wave: WaveId, written: &Written) -> Result<(), DbErr> {
    let all_withheld: u64 = written.withheld.values().sum();
    let mut deltas = Counters::from([
        (
            "selected".to_owned(),
            signed(written.deliveries + all_withheld),
        ),
        (
            State::Pending.counter().to_owned(),
            signed(written.deliveries),
        ),
        (State::Withheld.counter().to_owned(), signed(all_withheld)),
    ]);
    for (reason, n) in &written.withheld {
        deltas.insert(format!("withheld.{}", reason.as_str()), signed(*n));
    }
    add(txn, wave, &deltas).await
}

/// Cuts the pending part of the audience into leases of `chunk` rows that are due together, and adds
/// the one lease under which the wave's deferred rows will be retried.
///
/// # Errors
/// When the database is away.
pub async fn insert_leases(
    txn: &Txn,
    wave: WaveId,
    written: &Written,
    chunk: u32,
) -> Result<(), DbErr> {
    let chunk = i64::from(chunk.max(1));
    let mut leases: Vec<(&str, i64, i64, i64, bool)> = Vec::new();
    for span in &written.spans {
        let mut from = span.first;
        while from <= span.last {
            let to = (from + chunk - 1).min(span.last);
            leases.push(("first", from, to, span.due_at, false));
            from = to + 1;
        }
    }
    leases.push(("retry", 1, i64::MAX, i64::MAX, true));
    for rows in leases.chunks(txn.dialect().rows_per_statement(7)) {
        let sql = format!(
            "INSERT INTO leases (wave_id, kind, from_seq, to_seq, due_at, fence, is_done) VALUES {}",
            txn.dialect().values(rows.len(), 7)
        );
        let values: Vec<Value> = rows
            .iter()
            .flat_map(|(kind, from, to, due_at, is_done)| {
                [
                    wave.0.into(),
                    (*kind).into(),
                    (*from).into(),
                    (*to).into(),
                    (*due_at).into(),
                    0_i64.into(),
                    (*is_done).into(),
                ]
            })
            .collect();
        txn.run(sql, values).await?;
    }
    Ok(())
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
