//! The audience of a wave, written into the ledger at launch.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Alias, Expr, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, Value};

use super::wave::{Counters, add_of};
use crate::campaigns::audience::Audience;
use crate::campaigns::cells::{ALL, CONTROL, GLOBAL, REST};
use crate::campaigns::store as campaign_store;
use crate::consent::model::Channel;
use crate::delivery::model::{State, channel_of};
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
    withheld_by_channel: BTreeMap<(Channel, Withheld), u64>,
    spans: Vec<Span>,
}

/// Places that are due together, by one channel and with one text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    channel: Channel,
    cell: String,
    due_at: i64,
    first: i64,
    last: i64,
}

/// When those are due who wait for the winner of a test: after all time.
pub(super) const UNDECIDED: i64 = i64::MAX - 1;

impl Written {
    fn spans_of(&self, channel: Channel) -> impl Iterator<Item = &Span> {
        self.spans
            .iter()
            .filter(move |span| span.channel == channel)
    }

    /// How many were assigned to each cell, those who are held back included.
    pub fn people(&self) -> BTreeMap<String, i64> {
        let mut people: BTreeMap<String, i64> = BTreeMap::new();
        for span in &self.spans {
            *people.entry(span.cell.clone()).or_default() += span.last - span.first + 1;
        }
        for (reason, n) in &self.withheld {
            if !cell_of(*reason).is_empty() {
                *people.entry(cell_of(*reason).to_owned()).or_default() += signed(*n);
            }
        }
        people
    }

    /// The places of each cell by each channel, those who are withheld not among them.
    pub(super) fn cell_spans(&self) -> Vec<(&str, i64, i64)> {
        let mut spans: BTreeMap<(&str, &str), (i64, i64)> = BTreeMap::new();
        for span in &self.spans {
            let (first, last) = spans
                .entry((span.channel.as_str(), span.cell.as_str()))
                .or_insert((span.first, span.last));
            *first = span.first.min(*first);
            *last = span.last.max(*last);
        }
        spans
            .into_iter()
            .map(|((_, cell), (first, last))| (cell, first, last))
            .collect()
    }

    /// When the last of those who are in the test is due; `None` when nobody is.
    pub fn last_due_of_test(&self) -> Option<i64> {
        let in_test = self.spans.iter().filter(|span| span.cell != REST);
        in_test.map(|span| span.due_at).max()
    }
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
    // The rows of a channel lie together, and in them those that are due together.
    let is_whole = audience.split.is_whole();
    let place = match (due_at_once, audience.requests) {
        (Some(_), [_]) if is_whole => "ROW_NUMBER() OVER ()".to_owned(),
        (None, [_]) if is_whole => "ROW_NUMBER() OVER (ORDER BY w.due_at, w.id)".to_owned(),
        _ => format!(
            "ROW_NUMBER() OVER (ORDER BY w.channel, {}, w.due_at, w.id)",
            audience.cell("w")
        ),
    };
    let eligible = rows(wave, audience, State::Pending, &place)
        .and_where(Expr::cust("w.reason IS NULL"))
        .take();
    let deliveries = insert(txn, eligible).await?;
    let place = format!("{deliveries} + ROW_NUMBER() OVER ()");
    let withheld = rows(wave, audience, State::Withheld, &place)
        .and_where(Expr::cust("w.reason IS NOT NULL"))
        .take();
    insert(txn, withheld).await?;
    txn.run("DROP TABLE asked", []).await?;
    let withheld = count_withheld(txn, wave, deliveries).await?;
    Ok(Written {
        deliveries,
        withheld: totals(&withheld),
        withheld_by_channel: withheld,
        spans: match (due_at_once, audience.requests) {
            (Some(due_at), [only]) if is_whole => Vec::from_iter((deliveries > 0).then(|| Span {
                channel: only.channel,
                cell: ALL.to_owned(),
                due_at,
                first: 1,
                last: signed(deliveries),
            })),
            _ => spans(txn, wave, deliveries).await?,
        },
    })
}

/// Ledger rows of the audience in a state.
fn rows(wave: WaveId, audience: &Audience<'_>, state: State, place: &str) -> SelectStatement {
    let mut rows = Query::select();
    rows.expr(Expr::val(wave.0))
        .expr(Expr::cust(place.to_owned()))
        .expr(Expr::cust("w.id"))
        .expr(Expr::cust("w.channel"))
        .expr(Expr::cust(audience.cell("w")))
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
) -> Result<BTreeMap<(Channel, Withheld), u64>, DbErr> {
    let mut withheld = BTreeMap::new();
    for row in txn
        .rows(
            "SELECT channel, reason, COUNT(*) AS n FROM deliveries WHERE wave_id = $1 AND seq > $2 GROUP BY channel, reason",
            [wave.0.into(), signed(deliveries).into()],
        )
        .await?
    {
        let word: String = row.try_get("", "reason")?;
        let reason = Withheld::from_column(&word)
            .ok_or_else(|| DbErr::Type(format!("deliveries.reason: {word}")))?;
        let n = row.try_get::<i64>("", "n")?.unsigned_abs();
        withheld.insert((channel(row.try_get("", "channel")?)?, reason), n);
    }
    Ok(withheld)
}

/// The places of a fresh wave that are due together, the earliest first.
async fn spans(txn: &Txn, wave: WaveId, deliveries: u64) -> Result<Vec<Span>, DbErr> {
    txn.rows(
        "SELECT channel, cell, due_at, MIN(seq) AS first_seq, MAX(seq) AS last_seq FROM deliveries
         WHERE wave_id = $1 AND seq <= $2 GROUP BY channel, cell, due_at ORDER BY channel, cell, due_at",
        [wave.0.into(), signed(deliveries).into()],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(Span {
            channel: channel(row.try_get("", "channel")?)?,
            cell: row.try_get("", "cell")?,
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
    let mut moved: BTreeMap<(Channel, &str), Counters> = BTreeMap::new();
    for span in &written.spans {
        let deltas = moved.entry((span.channel, span.cell.as_str())).or_default();
        for counter in ["selected", State::Pending.counter()] {
            *deltas.entry(counter.to_owned()).or_default() += span.last - span.first + 1;
        }
    }
    for ((channel, reason), n) in &written.withheld_by_channel {
        let deltas = moved.entry((*channel, cell_of(*reason))).or_default();
        for counter in ["selected", State::Withheld.counter()] {
            *deltas.entry(counter.to_owned()).or_default() += signed(*n);
        }
        *deltas
            .entry(format!("withheld.{}", reason.as_str()))
            .or_default() += signed(*n);
    }
    for ((channel, cell), deltas) in &moved {
        add_of(txn, wave, *channel, cell, deltas).await?;
    }
    Ok(())
}

/// The cell of those withheld at launch: an arm of its own where they are held back to be compared with, and
/// none where they were not to be contacted in any case.
fn cell_of(reason: Withheld) -> &'static str {
    match reason {
        Withheld::Control => CONTROL,
        Withheld::GlobalControl => GLOBAL,
        _ => "",
    }
}

/// The countries of the numbers that a fresh wave will write to.
///
/// # Errors
/// When the database is away.
pub async fn text_countries(txn: &Txn, wave: WaveId) -> Result<BTreeSet<String>, DbErr> {
    txn.rows(
        "SELECT DISTINCT COALESCE(c.phone_country, c.country) AS country
         FROM deliveries d JOIN customers c ON c.id = d.customer_id
         WHERE d.wave_id = $1 AND d.channel = 'sms' AND d.state = 0",
        [wave.0.into()],
    )
    .await?
    .iter()
    .map(|row| row.try_get("", "country"))
    .collect()
}

/// The reasons over all channels.
fn totals(withheld: &BTreeMap<(Channel, Withheld), u64>) -> BTreeMap<Withheld, u64> {
    let mut totals = BTreeMap::new();
    for ((_, reason), n) in withheld {
        *totals.entry(*reason).or_default() += n;
    }
    totals
}

fn channel(word: String) -> Result<Channel, DbErr> {
    word.parse()
        .map_err(|problem| DbErr::Type(format!("deliveries.channel: {problem}")))
}

/// Cuts the pending part of the audience into leases of `chunk` rows that are due together and go one of
/// the `routes`, and adds for each route the lease under which its deferred rows will be retried.
///
/// # Errors
/// When the database is away.
pub async fn insert_leases(
    txn: &Txn,
    wave: WaveId,
    written: &Written,
    routes: &[String],
    chunk: u32,
) -> Result<(), DbErr> {
    let chunk = i64::from(chunk.max(1));
    let mut leases: Vec<(&str, &str, &str, i64, i64, i64, bool)> = Vec::new();
    for route in routes {
        let mut of_cells: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for span in written.spans_of(channel_of(route)) {
            // Who waits for a winner is due when it is chosen.
            let due_at = if span.cell == REST {
                UNDECIDED
            } else {
                span.due_at
            };
            let mut from = span.first;
            while from <= span.last {
                let to = (from + chunk - 1).min(span.last);
                leases.push((route, &span.cell, "first", from, to, due_at, false));
                from = to + 1;
            }
            let (first, last) = of_cells
                .entry(span.cell.as_str())
                .or_insert((span.first, span.last));
            *first = span.first.min(*first);
            *last = span.last.max(*last);
        }
        for (cell, (first, last)) in of_cells {
            leases.push((route, cell, "retry", first, last, i64::MAX, true));
        }
    }
    for rows in leases.chunks(txn.dialect().rows_per_statement(9)) {
        let sql = format!(
            "INSERT INTO leases (wave_id, relay, cell, kind, from_seq, to_seq, due_at, fence, is_done) VALUES {}",
            txn.dialect().values(rows.len(), 9)
        );
        let values: Vec<Value> = rows
            .iter()
            .flat_map(|(route, cell, kind, from, to, due_at, is_done)| {
                [
                    wave.0.into(),
                    (*route).into(),
                    (*cell).into(),
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
