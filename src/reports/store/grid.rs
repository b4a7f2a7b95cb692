//! Queries of the grid: what is counted of a wave, and what was counted.

use std::collections::HashMap;

use sea_orm::{DbErr, QueryResult, Value};
use serde::Deserialize;

use crate::clock::DAY_MS;
use crate::ids::{CustomerId, DeliveryKey, WaveId};
use crate::reports::grid::attributes::Person;
use crate::reports::grid::cross::{Common, Slice};
use crate::reports::grid::cube::{Counts, Cube};
use crate::responses::model::Marks;
use crate::storage::{Db, Kind, Sql};

/// The counters that tell whether a wave must be counted again.
const FIGURES: &str =
    "('accepted', 'responders', 'orders', 'revenue_cents', 'bounces', 'receipts.undelivered')";

/// A wave that may have to be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reports) struct Countable {
    pub wave: WaveId,
    pub launched_at: i64,
    /// When nothing of it is counted any more, in milliseconds since the epoch; `None` while it is sent.
    pub closes_at: Option<i64>,
    /// Its counters as they stand now.
    pub figures: String,
    /// Those it was counted at.
    pub counted_figures: Option<String>,
    pub counted_at: Option<i64>,
    pub took_ms: i64,
}

/// What the frozen definition of a wave says about its people.
#[derive(Debug, Default, Deserialize)]
struct Plan {
    #[serde(default)]
    segment: String,
    #[serde(default = "fourteen")]
    window_days: i64,
    #[serde(default)]
    offer: Option<Offered>,
    #[serde(default)]
    cells: Vec<PlanCell>,
}

#[derive(Debug, Clone, Deserialize)]
struct Offered {
    name: String,
}

#[derive(Debug, Deserialize)]
struct PlanCell {
    name: String,
    #[serde(default)]
    offer: Option<Offered>,
}

/// As a definition that names none.
fn fourteen() -> i64 {
    14
}

impl Plan {
    /// One that cannot be read says nothing; its figures are worth more than their labels.
    fn read(definition: &str) -> Self {
        serde_json::from_str(definition).unwrap_or_else(|error| {
            tracing::warn!(%error, "the definition of a wave cannot be read");
            Self::default()
        })
    }

    fn offer(&self, cell: &str) -> Option<String> {
        let own = self.cells.iter().find(|one| one.name == cell);
        let offer = own
            .and_then(|cell| cell.offer.as_ref())
            .or(self.offer.as_ref());
        offer.map(|offer| offer.name.clone())
    }
}

/// Days after the window in which late figures are still taken in.
const LATE_DAYS: i64 = 30;

/// The waves that are not counted for good, the newest first.
pub(in crate::reports) async fn countable(db: &Db) -> Result<Vec<Countable>, DbErr> {
    let rows = db
        .rows(
            format!(
                "SELECT w.id, w.launched_at, w.finished_at, w.definition, g.figures, g.counted_at, g.took_ms,
                        c.counter, c.value
                 FROM waves w
                 LEFT JOIN grid_waves g ON g.wave_id = w.id
                 LEFT JOIN wave_counters c ON c.wave_id = w.id AND c.counter IN {FIGURES}
                 WHERE w.cleaned_at IS NULL AND (g.is_final IS NULL OR NOT g.is_final)
                 ORDER BY w.id DESC, c.counter"
            ),
            [],
        )
        .await?;
    let mut waves: Vec<Countable> = Vec::new();
    for row in &rows {
        let wave = WaveId(row.try_get("", "id")?);
        if waves.last().is_none_or(|last| last.wave != wave) {
            let definition: String = row.try_get("", "definition")?;
            let finished_at: Option<i64> = row.try_get("", "finished_at")?;
            let open_days = Plan::read(&definition)
                .window_days
                .saturating_add(LATE_DAYS);
            waves.push(Countable {
                wave,
                launched_at: row.try_get("", "launched_at")?,
                closes_at: finished_at
                    .map(|at| at.saturating_add(open_days.saturating_mul(DAY_MS))),
                figures: String::new(),
                counted_figures: row.try_get("", "figures")?,
                counted_at: row.try_get("", "counted_at")?,
                took_ms: row.try_get::<Option<i64>>("", "took_ms")?.unwrap_or(0),
            });
        }
        let counter: Option<String> = row.try_get("", "counter")?;
        if let (Some(counter), Some(last)) = (counter, waves.last_mut()) {
            let value: i64 = row.try_get("", "value")?;
            if value != 0 {
                last.figures.push_str(&format!("{counter}={value};"));
            }
        }
    }
    Ok(waves)
}

/// Takes a wave for counting; `false` when another node has it.
pub(in crate::reports) async fn take(
    db: &Db,
    wave: WaveId,
    now_ms: i64,
    until_ms: i64,
) -> Result<bool, DbErr> {
    let txn = db.begin().await?;
    let taken = txn
        .row(
            "INSERT INTO grid_waves (wave_id, figures, counted_at, took_ms, busy_until, is_final)
             VALUES ($1, '', NULL, 0, $3, FALSE)
             ON CONFLICT (wave_id) DO UPDATE SET busy_until = excluded.busy_until
             WHERE grid_waves.busy_until <= $2
             RETURNING wave_id",
            [wave.0.into(), now_ms.into(), until_ms.into()],
        )
        .await?;
    txn.commit().await?;
    Ok(taken.is_some())
}

/// The last place of a wave's audience.
pub(in crate::reports) async fn last_seq(db: &Db, wave: WaveId) -> Result<i64, DbErr> {
    let sql = "SELECT MAX(seq) AS last FROM deliveries WHERE wave_id = $1";
    let row = db.row(sql, [wave.0.into()]).await?;
    let last = row
        .map(|row| row.try_get::<Option<i64>>("", "last"))
        .transpose()?;
    Ok(last.flatten().unwrap_or(0))
}

/// A delivery with what came of it and whom it was for.
#[derive(Debug, Clone)]
pub(in crate::reports) struct Row {
    pub key: DeliveryKey,
    pub customer: CustomerId,
    pub channel: String,
    pub cell: String,
    pub counts: Counts,
    pub person: Person,
    pub name: Option<String>,
}

/// Some rows of a wave.
#[derive(Debug, Clone, Copy)]
pub(in crate::reports) struct Span {
    pub wave: WaveId,
    pub launched_at: i64,
    /// Those after this place,
    pub after: i64,
    /// up to this one.
    pub last: i64,
}

impl Span {
    fn values(self) -> [Value; 3] {
        [self.wave.0.into(), self.after.into(), self.last.into()]
    }
}

/// The deliveries of a span that arrived or brought something, with their people as they stood at the launch.
/// Other than the address nothing is left out here.
pub(in crate::reports) async fn rows(
    db: &Db,
    span: Span,
    only_responders: bool,
) -> Result<Vec<Row>, DbErr> {
    let wanted = if only_responders {
        format!("(d.marks & {}) <> 0", Marks::RESPONDED.0)
    } else {
        "(d.state = 2 OR d.marks <> 0)".to_owned()
    };
    let found = db
        .rows(
            format!(
                "SELECT d.seq, d.customer_id, d.channel, d.cell, d.state, d.marks,
                        c.first_name, c.last_name, c.birth_date, c.gender, c.country, c.region, c.language,
                        c.stage, c.orders_count, c.revenue_cents, c.last_order_at
                 FROM deliveries d LEFT JOIN customers c ON c.id = d.customer_id
                 WHERE d.wave_id = $1 AND d.seq > $2 AND d.seq <= $3 AND {wanted}
                 ORDER BY d.seq"
            ),
            span.values(),
        )
        .await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let earned = earned(db, span).await?;
    let undelivered = undelivered(db, span).await?;
    let since = since_launch(db, span, &wanted).await?;
    let clickers = clickers(db, span, &wanted).await?;
    found
        .iter()
        .map(|row| {
            let seq: i64 = row.try_get("", "seq")?;
            let customer: i64 = row.try_get("", "customer_id")?;
            let state: i16 = row.try_get("", "state")?;
            let marks = Marks(row.try_get("", "marks")?);
            let (orders, revenue_cents) = earned.get(&seq).copied().unwrap_or_default();
            // 2 is accepted.
            let is_delivered =
                state == 2 && !marks.has(Marks::BOUNCED) && !undelivered.contains_key(&seq);
            let mut person = person(row)?;
            person.has_clicked = clickers.contains_key(&customer);
            if let Some(since) = since.get(&customer) {
                person.orders = person.orders.map(|orders| (orders - since.orders).max(0));
                person.revenue_cents = (person.revenue_cents - since.cents).max(0);
                person.last_order_at = since.last_before;
            }
            Ok(Row {
                key: DeliveryKey {
                    wave: span.wave,
                    seq,
                },
                customer: CustomerId(customer),
                channel: row.try_get("", "channel")?,
                cell: row.try_get("", "cell")?,
                counts: Counts {
                    delivered: u64::from(is_delivered),
                    responders: u64::from(marks.has(Marks::RESPONDED)),
                    orders,
                    revenue_cents,
                },
                person,
                name: name(row)?,
            })
        })
        .collect()
}

fn person(row: &QueryResult) -> Result<Person, DbErr> {
    Ok(Person {
        birth_date: row.try_get("", "birth_date")?,
        gender: row.try_get("", "gender")?,
        country: row.try_get("", "country")?,
        region: row.try_get("", "region")?,
        language: row.try_get("", "language")?,
        stage: row.try_get("", "stage")?,
        orders: row.try_get("", "orders_count")?,
        revenue_cents: row
            .try_get::<Option<i64>>("", "revenue_cents")?
            .unwrap_or(0),
        last_order_at: row.try_get("", "last_order_at")?,
        has_clicked: false,
    })
}

fn name(row: &QueryResult) -> Result<Option<String>, DbErr> {
    let first: Option<String> = row.try_get("", "first_name")?;
    let last: Option<String> = row.try_get("", "last_name")?;
    let name = [first, last]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    Ok((!name.trim().is_empty()).then_some(name))
}

/// The orders that deliveries of the span earned, and their sum, by place.
async fn earned(db: &Db, span: Span) -> Result<HashMap<i64, (u64, i64)>, DbErr> {
    let rows = db
        .rows(
            "SELECT seq, COUNT(*) AS orders, CAST(SUM(amount_cents) AS BIGINT) AS cents
             FROM responses
             WHERE wave_id = $1 AND seq > $2 AND seq <= $3 AND kind = 'order'
             GROUP BY seq",
            span.values(),
        )
        .await?;
    rows.iter()
        .map(|row| {
            let orders: i64 = row.try_get("", "orders")?;
            let cents: Option<i64> = row.try_get("", "cents")?;
            let earned = (orders.unsigned_abs(), cents.unwrap_or(0));
            Ok((row.try_get("", "seq")?, earned))
        })
        .collect()
}

/// The text messages of the span that a receipt calls undelivered.
async fn undelivered(db: &Db, span: Span) -> Result<HashMap<i64, ()>, DbErr> {
    let rows = db
        .rows(
            "SELECT seq FROM sms_messages
             WHERE wave_id = $1 AND seq > $2 AND seq <= $3 AND receipt = 'undelivered'",
            span.values(),
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "seq")?, ())))
        .collect()
}

/// What a customer ordered since the launch.
#[derive(Debug, Clone, Copy)]
struct Since {
    orders: i64,
    cents: i64,
    /// When he had ordered last before it.
    last_before: Option<i64>,
}

/// `wanted`: of which deliveries `d`.
async fn since_launch(db: &Db, span: Span, wanted: &str) -> Result<HashMap<i64, Since>, DbErr> {
    let [wave, after, last] = span.values();
    let rows = db
        .rows(
            // Asked person by person, through the index: as a join PostgreSQL reads all orders since the launch
            // for every page.
            format!(
            "SELECT x.customer_id, x.orders,
                    (SELECT CAST(SUM(o.amount_cents) AS BIGINT) FROM orders o
                     WHERE o.customer_id = x.customer_id AND o.ordered_at >= $4) AS cents,
                    (SELECT MAX(o.ordered_at) FROM orders o
                     WHERE o.customer_id = x.customer_id AND o.ordered_at < $4) AS last_before
             FROM (SELECT d.customer_id,
                          (SELECT COUNT(*) FROM orders o
                           WHERE o.customer_id = d.customer_id AND o.ordered_at >= $4) AS orders
                   FROM deliveries d WHERE d.wave_id = $1 AND d.seq > $2 AND d.seq <= $3 AND {wanted}) AS x
             WHERE x.orders > 0"),
            [wave, after, last, span.launched_at.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let since = Since {
                orders: row.try_get("", "orders")?,
                cents: row.try_get::<Option<i64>>("", "cents")?.unwrap_or(0),
                last_before: row.try_get("", "last_before")?,
            };
            Ok((row.try_get("", "customer_id")?, since))
        })
        .collect()
}

/// The customers of the span who had clicked a message before the launch.
async fn clickers(db: &Db, span: Span, wanted: &str) -> Result<HashMap<i64, ()>, DbErr> {
    let [wave, after, last] = span.values();
    let rows = db
        .rows(
            format!(
                "SELECT d.customer_id FROM deliveries d
             WHERE d.wave_id = $1 AND d.seq > $2 AND d.seq <= $3 AND {wanted}
               AND (SELECT 1 FROM responses r
                    WHERE r.customer_id = d.customer_id AND r.kind = 'click' AND NOT r.is_machine
                      AND r.responded_at < $4 LIMIT 1) = 1"
            ),
            [wave, after, last, span.launched_at.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "customer_id")?, ())))
        .collect()
}

/// A wave as it was counted.
#[derive(Debug)]
pub(in crate::reports) struct Counted {
    pub wave: WaveId,
    pub figures: String,
    pub counted_at: i64,
    pub took_ms: i64,
    pub is_final: bool,
    /// By channel and cell.
    pub cubes: Vec<((String, String), Cube)>,
}

/// Keeps what was counted in place of what was there.
pub(in crate::reports) async fn keep(db: &Db, counted: &Counted) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "DELETE FROM grid_facts WHERE wave_id = $1",
        [counted.wave.0.into()],
    )
    .await?;
    for ((channel, cell), cube) in &counted.cubes {
        let total = cube.total();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        txn.run(
            "INSERT INTO grid_facts
                (wave_id, channel, cell, delivered, responders, orders, revenue_cents, entries, facts)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                counted.wave.0.into(),
                channel.as_str().into(),
                cell.as_str().into(),
                number(total.delivered).into(),
                number(total.responders).into(),
                number(total.orders).into(),
                total.revenue_cents.into(),
                i64::try_from(cube.entries.len()).unwrap_or(i64::MAX).into(),
                cube.pack().into(),
            ],
        )
        .await?;
    }
    txn.run(
        "UPDATE grid_waves SET figures = $2, counted_at = $3, took_ms = $4, busy_until = 0, is_final = $5
         WHERE wave_id = $1",
        [
            counted.wave.0.into(),
            counted.figures.as_str().into(),
            counted.counted_at.into(),
            counted.took_ms.into(),
            counted.is_final.into(),
        ],
    )
    .await?;
    txn.commit().await
}

/// Which waves a grid is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of one campaign, by its name.
    pub campaign: Option<String>,
    /// Launched at this instant or later, in milliseconds since the epoch.
    pub since: Option<i64>,
    /// Launched before this one.
    pub until: Option<i64>,
}

/// A wave of a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridWave {
    pub wave: WaveId,
    pub launched_at: i64,
    pub is_simulated: bool,
    /// In milliseconds since the epoch; `None` when it was not counted yet.
    pub counted_at: Option<i64>,
}

/// What was counted of the waves of a scope.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The newest wave first.
    pub slices: Vec<Slice>,
    pub waves: Vec<GridWave>,
    /// Whether older waves were left out, since they would be too many.
    pub is_cut: bool,
}

/// Combinations that are summed for one page.
const ENTRIES: i64 = 1_500_000;
/// Channels and cells of waves a page looks at.
const WAVES: i64 = 1_000;

/// What was counted of the newest waves of a scope.
///
/// # Errors
/// When the database is away.
pub async fn load(db: &Db, scope: &Scope) -> Result<Loaded, DbErr> {
    let rows = db
        .rows(
            "SELECT w.id, w.launched_at, w.is_simulated, w.definition, c.name, g.counted_at, f.channel, f.cell,
                    f.entries
             FROM waves w
             JOIN campaigns c ON c.id = w.campaign_id
             LEFT JOIN grid_waves g ON g.wave_id = w.id
             LEFT JOIN grid_facts f ON f.wave_id = w.id
             WHERE ($1 = '' OR c.name = $1) AND w.launched_at >= $2 AND w.launched_at < $3
             ORDER BY w.id DESC, f.channel, f.cell LIMIT $4",
            [
                scope.campaign.clone().unwrap_or_default().into(),
                scope.since.unwrap_or(i64::MIN).into(),
                scope.until.unwrap_or(i64::MAX).into(),
                WAVES.into(),
            ],
        )
        .await?;
    let mut loaded = Loaded {
        is_cut: i64::try_from(rows.len()).is_ok_and(|rows| rows == WAVES),
        ..Loaded::default()
    };
    let mut common: HashMap<(i64, String, String), Common> = HashMap::new();
    let mut wanted: Vec<i64> = Vec::new();
    let mut sum = 0_i64;
    for row in &rows {
        let wave: i64 = row.try_get("", "id")?;
        let launched_at: i64 = row.try_get("", "launched_at")?;
        let is_new = loaded.waves.last().is_none_or(|last| last.wave.0 != wave);
        let entries: Option<i64> = row.try_get("", "entries")?;
        if is_new {
            if sum > ENTRIES {
                loaded.is_cut = true;
                break;
            }
            loaded.waves.push(GridWave {
                wave: WaveId(wave),
                launched_at,
                is_simulated: row.try_get("", "is_simulated")?,
                counted_at: row.try_get("", "counted_at")?,
            });
        }
        let Some(entries) = entries else { continue };
        sum = sum.saturating_add(entries);
        if wanted.last() != Some(&wave) {
            wanted.push(wave);
        }
        let definition: String = row.try_get("", "definition")?;
        let plan = Plan::read(&definition);
        let campaign: String = row.try_get("", "name")?;
        let channel: String = row.try_get("", "channel")?;
        let cell: String = row.try_get("", "cell")?;
        let launched = crate::clock::from_ms(launched_at).format("%Y-%m-%d %H:%M");
        let of_wave = Common {
            wave: format!("{campaign} {launched}"),
            segment: plan.segment.clone(),
            offer: plan.offer(&cell),
            campaign,
            channel: channel.clone(),
            cell: cell.clone(),
        };
        common.insert((wave, channel, cell), of_wave);
    }
    if wanted.is_empty() {
        return Ok(loaded);
    }
    let list = serde_json::to_string(&wanted).map_err(|error| DbErr::Json(error.to_string()))?;
    let rows = db
        .rows(
            format!(
                "SELECT wave_id, channel, cell, facts FROM grid_facts
                 WHERE wave_id IN {} ORDER BY wave_id DESC, channel, cell",
                db.dialect().list(1, Kind::Int)
            ),
            [list.into()],
        )
        .await?;
    for row in &rows {
        let key = (
            row.try_get("", "wave_id")?,
            row.try_get("", "channel")?,
            row.try_get("", "cell")?,
        );
        let facts: Vec<u8> = row.try_get("", "facts")?;
        match (common.remove(&key), Cube::unpack(&facts)) {
            (Some(common), Some(cube)) => loaded.slices.push(Slice {
                wave: WaveId(key.0),
                common,
                cube,
            }),
            (Some(_), None) => {
                tracing::warn!(
                    wave = key.0,
                    "what was counted of wave {} cannot be read",
                    key.0
                );
            }
            (None, _) => {}
        }
    }
    Ok(loaded)
}

/// The campaigns that were launched, the last applied first, as many as a list can show.
///
/// # Errors
/// When the database is away.
pub async fn campaigns(db: &Db) -> Result<Vec<String>, DbErr> {
    let rows = db
        .rows(
            "SELECT c.name FROM campaigns c
             WHERE EXISTS (SELECT 1 FROM waves w WHERE w.campaign_id = c.id)
             ORDER BY c.id DESC LIMIT 200",
            [],
        )
        .await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}
