//! Queries about what the people of each cell bought.

use sea_orm::{DbErr, QueryResult};

use crate::campaigns::cells::{ALL, GLOBAL};
use crate::gate::control::LOTS;
use crate::ids::{CampaignId, WaveId};
use crate::responses::effects::{Effect, OfWave, ReckonedWave, Standing, Window};
use crate::responses::model::Terms;
use crate::storage::chance::lot;
use crate::storage::{Db, Sql};

/// The number of the newest order; 0 when there is none.
pub(in crate::responses) async fn newest_order(db: &Db) -> Result<i64, DbErr> {
    let row = db.row("SELECT MAX(id) AS newest FROM orders", []).await?;
    let newest: Option<i64> = row
        .map(|row| row.try_get("", "newest"))
        .transpose()?
        .flatten();
    Ok(newest.unwrap_or(0))
}

/// What the window of wave `w` is read from; who waited for the winner of a cancelled wave waits no longer.
const WINDOW: &str = "w.launched_at, w.definition, w.decision, \
     CASE WHEN w.status = 'cancelled' THEN NULL ELSE w.decide_at END AS waits_until";

fn window(row: &QueryResult) -> Result<Window, DbErr> {
    let definition: String = row.try_get("", "definition")?;
    let decision: Option<String> = row.try_get("", "decision")?;
    Ok(Window::new(
        row.try_get("", "launched_at")?,
        row.try_get("", "waits_until")?,
        decision.as_deref(),
        Terms::read(&definition).window_ms(),
    ))
}

/// The waves that have cells.
pub(in crate::responses) async fn reckoned_waves(db: &Db) -> Result<Vec<ReckonedWave>, DbErr> {
    db.rows(
        format!(
            "SELECT w.id, {WINDOW}, w.effects_at, w.effects_order FROM waves w
         WHERE EXISTS (SELECT 1 FROM wave_cells c WHERE c.wave_id = w.id AND c.kind <> 'all')
           AND w.cleaned_at IS NULL
         ORDER BY w.id DESC"
        ),
        [],
    )
    .await?
    .iter()
    .map(|row| {
        Ok(ReckonedWave {
            id: WaveId(row.try_get("", "id")?),
            window: window(row)?,
            reckoned_at: row.try_get("", "effects_at")?,
            newest_order: row.try_get("", "effects_order")?,
        })
    })
    .collect()
}

/// Reckons the effects of a wave from the orders between two instants.
pub(in crate::responses) async fn reckon(
    db: &Db,
    wave: WaveId,
    (from, until): (i64, i64),
    currency: &str,
    newest_order: i64,
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    // Two nodes that reckon one wave do so one after the other.
    txn.run(
        "UPDATE waves SET effects_at = $2, effects_order = $3 WHERE id = $1",
        [wave.0.into(), now_ms.into(), newest_order.into()],
    )
    .await?;
    txn.run(
        "DELETE FROM wave_effects WHERE wave_id = $1",
        [wave.0.into()],
    )
    .await?;
    // The people of the cells are looked up from the orders: a wave has many more people than buyers.
    // CROSS JOIN keeps SQLite from beginning with the wave.
    txn.run(
        "INSERT INTO wave_effects (wave_id, cell, buyers, orders, spend_cents, spend_squares)
         SELECT $1, d.cell, COUNT(*), CAST(SUM(b.orders) AS BIGINT), CAST(SUM(b.spend) AS BIGINT),
                SUM(CAST(b.spend AS DOUBLE PRECISION) * CAST(b.spend AS DOUBLE PRECISION))
         FROM (SELECT o.customer_id, COUNT(*) AS orders, SUM(o.amount_cents) AS spend FROM orders o
               WHERE o.ordered_at >= $2 AND o.ordered_at < $3 AND o.currency = $4
               GROUP BY o.customer_id) b
         CROSS JOIN deliveries d
         WHERE d.customer_id = b.customer_id AND d.wave_id = $1 AND d.cell <> ''
         GROUP BY d.cell",
        [wave.0.into(), from.into(), until.into(), currency.into()],
    )
    .await?;
    txn.commit().await
}

/// The effects of each wave of a campaign, the newest first.
pub(in crate::responses) async fn of_campaign(
    db: &Db,
    campaign: CampaignId,
) -> Result<Vec<OfWave>, DbErr> {
    let rows = db
        .rows(
            format!(
                "SELECT w.id, {WINDOW}, w.effects_at, c.cell, c.people,
                    COALESCE(e.buyers, 0) AS buyers, COALESCE(e.orders, 0) AS orders,
                    COALESCE(e.spend_cents, 0) AS spend_cents, COALESCE(e.spend_squares, 0.0) AS spend_squares
             FROM waves w JOIN wave_cells c ON c.wave_id = w.id
             LEFT JOIN wave_effects e ON e.wave_id = c.wave_id AND e.cell = c.cell
             WHERE w.campaign_id = $1 ORDER BY w.id DESC, c.place"
            ),
            [campaign.0.into()],
        )
        .await?;
    let mut waves: Vec<OfWave> = Vec::new();
    for row in &rows {
        let id = WaveId(row.try_get("", "id")?);
        if waves.last().is_none_or(|wave| wave.wave != id) {
            let window = window(row)?;
            let reckoned_at: Option<i64> = row.try_get("", "effects_at")?;
            waves.push(OfWave {
                wave: id,
                launched_at: row.try_get("", "launched_at")?,
                window_begins_at: window.begins_at,
                window_ends_at: window.ends_at,
                reckoned_at: reckoned_at.filter(|_| !window.is_undecided),
                cells: Vec::new(),
            });
        }
        let effect = Effect {
            cell: row.try_get("", "cell")?,
            people: row.try_get("", "people")?,
            buyers: row.try_get("", "buyers")?,
            orders: row.try_get("", "orders")?,
            spend_cents: row.try_get("", "spend_cents")?,
            spend_squares: row.try_get("", "spend_squares")?,
        };
        if let Some(wave) = waves.last_mut() {
            wave.cells.push(effect);
        }
    }
    Ok(waves)
}

/// The standing control groups, the latest first.
pub(in crate::responses) async fn standings(db: &Db) -> Result<Vec<Standing>, DbErr> {
    let rows = db
        .rows(
            "SELECT s.period, s.percent, s.begun_at, s.until_at, e.is_held_back, e.people, e.buyers, e.orders,
                    e.spend_cents, e.spend_squares, e.reckoned_at
             FROM standing_controls s LEFT JOIN standing_effects e ON e.period = s.period
             ORDER BY s.begun_at DESC, s.period, e.is_held_back",
            [],
        )
        .await?;
    let mut standings: Vec<Standing> = Vec::new();
    for row in &rows {
        let period: String = row.try_get("", "period")?;
        if standings.last().is_none_or(|last| last.period != period) {
            standings.push(Standing {
                period,
                percent: row.try_get::<i16>("", "percent")?.into(),
                begun_at: row.try_get("", "begun_at")?,
                until_at: row.try_get("", "until_at")?,
                reckoned_at: row.try_get("", "reckoned_at")?,
                arms: Vec::new(),
            });
        }
        let Some(is_held_back) = row.try_get::<Option<bool>>("", "is_held_back")? else {
            continue;
        };
        let arm = Effect {
            cell: if is_held_back { GLOBAL } else { ALL }.to_owned(),
            people: row.try_get("", "people")?,
            buyers: row.try_get("", "buyers")?,
            orders: row.try_get("", "orders")?,
            spend_cents: row.try_get("", "spend_cents")?,
            spend_squares: row.try_get("", "spend_squares")?,
        };
        if let Some(standing) = standings.last_mut() {
            standing.arms.push(arm);
        }
    }
    Ok(standings)
}

/// Reckons what the group of a period tells, from the whole base.
pub(in crate::responses) async fn reckon_standing(
    db: &Db,
    period: &str,
    currency: &str,
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.run(
        "UPDATE standing_controls SET percent = percent WHERE period = $1",
        [period.into()],
    )
    .await?;
    let Some(row) = txn
        .row(
            "SELECT percent, salt, begun_at, until_at FROM standing_controls WHERE period = $1",
            [period.into()],
        )
        .await?
    else {
        return Ok(());
    };
    let percent: i16 = row.try_get("", "percent")?;
    let is_held_back = format!(
        "({} < {percent})",
        lot("c.id", row.try_get("", "salt")?, LOTS)
    );
    txn.run(
        "DELETE FROM standing_effects WHERE period = $1",
        [period.into()],
    )
    .await?;
    // Only who was in the base when it began: who came later, because he bought, is in neither arm.
    txn.run(
        format!(
            "INSERT INTO standing_effects (period, is_held_back, people, buyers, orders, spend_cents, spend_squares, reckoned_at)
             SELECT $1, {is_held_back}, COUNT(*), COUNT(b.customer_id), CAST(COALESCE(SUM(b.orders), 0) AS BIGINT),
                    CAST(COALESCE(SUM(b.spend), 0) AS BIGINT),
                    COALESCE(SUM(CAST(b.spend AS DOUBLE PRECISION) * CAST(b.spend AS DOUBLE PRECISION)), 0.0), $6
             FROM customers c
             LEFT JOIN (SELECT o.customer_id, COUNT(*) AS orders, SUM(o.amount_cents) AS spend FROM orders o
                        WHERE o.ordered_at >= $2 AND o.ordered_at < $3 AND o.currency = $4
                        GROUP BY o.customer_id) b ON b.customer_id = c.id
             WHERE c.created_at <= $5 GROUP BY {is_held_back}"
        ),
        [
            period.into(),
            row.try_get::<i64>("", "begun_at")?.into(),
            row.try_get::<i64>("", "until_at")?.into(),
            currency.into(),
            row.try_get::<i64>("", "begun_at")?.into(),
            now_ms.into(),
        ],
    )
    .await?;
    txn.commit().await
}
