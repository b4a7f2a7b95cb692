//! Queries of the summaries: what ran in a period, and who was told of it.

use std::collections::HashMap;

use sea_orm::DbErr;
use serde::Deserialize;

use crate::ids::{CampaignId, SummaryId};
use crate::reports::model::Counters;
use crate::storage::{Db, Sql};

/// A wave as a summary needs it.
#[derive(Debug, Clone)]
pub(in crate::reports) struct WaveFigures {
    pub campaign: CampaignId,
    pub name: String,
    pub launched_at: i64,
    pub is_simulated: bool,
    pub plan: Plan,
    pub counters: Counters,
}

/// What the frozen definition of a wave says about its costs.
#[derive(Debug, Clone, Default, Deserialize)]
pub(in crate::reports) struct Plan {
    #[serde(default)]
    pub costs: Option<PlanCosts>,
    #[serde(default)]
    pub offer: Option<PlanOffer>,
    #[serde(default)]
    pub cells: Vec<PlanCell>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(in crate::reports) struct PlanOffer {
    #[serde(default)]
    pub cost_cents: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(in crate::reports) struct PlanCell {
    pub name: String,
    #[serde(default)]
    pub offer: Option<PlanOffer>,
}

impl Plan {
    /// What the responses cost in gifts and handling, in cents: each as its cell offered.
    pub fn gifts(&self, counters: &Counters) -> i64 {
        let count = |name: &str| i64::try_from(counters.get(name)).unwrap_or(i64::MAX);
        let own = self.offer.map_or(0, |offer| offer.cost_cents);
        let of_cells = self
            .cells
            .iter()
            .filter_map(|cell| Some((cell, cell.offer?)));
        let dearer = of_cells.map(|(cell, offer)| {
            let responders = count(&format!("cell.{}.responders", cell.name));
            (offer.cost_cents - own).saturating_mul(responders)
        });
        let all = own.saturating_mul(count("responders"));
        dearer.fold(all, i64::saturating_add)
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(in crate::reports) struct PlanCosts {
    #[serde(default)]
    pub fixed_cents: i64,
    #[serde(default)]
    pub per_thousand_cents: i64,
}

/// The waves launched from one instant up to another, the newest first.
pub(in crate::reports) async fn waves(
    db: &Db,
    since_ms: i64,
    until_ms: i64,
) -> Result<Vec<WaveFigures>, DbErr> {
    let rows = db
        .rows(
            "SELECT w.id, w.campaign_id, p.name, w.launched_at, w.is_simulated, w.definition, c.counter, c.value
             FROM waves w
             JOIN campaigns p ON p.id = w.campaign_id
             LEFT JOIN wave_counters c ON c.wave_id = w.id
             WHERE w.launched_at >= $1 AND w.launched_at < $2
             ORDER BY w.id DESC",
            [since_ms.into(), until_ms.into()],
        )
        .await?;
    let mut waves: Vec<WaveFigures> = Vec::new();
    let mut places: HashMap<i64, usize> = HashMap::new();
    for row in &rows {
        let id: i64 = row.try_get("", "id")?;
        let place = match places.get(&id) {
            Some(place) => *place,
            None => {
                let definition: String = row.try_get("", "definition")?;
                waves.push(WaveFigures {
                    campaign: CampaignId(row.try_get("", "campaign_id")?),
                    name: row.try_get("", "name")?,
                    launched_at: row.try_get("", "launched_at")?,
                    is_simulated: row.try_get("", "is_simulated")?,
                    plan: serde_json::from_str(&definition).unwrap_or_default(),
                    counters: Counters::default(),
                });
                places.insert(id, waves.len() - 1);
                waves.len() - 1
            }
        };
        let counter: Option<String> = row.try_get("", "counter")?;
        if let (Some(counter), Some(wave)) = (counter, waves.get_mut(place)) {
            wave.counters.add(&counter, row.try_get("", "value")?);
        }
    }
    Ok(waves)
}

/// A summary that is due for one reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reports) struct Due {
    pub id: SummaryId,
    pub reader: String,
    pub since: i64,
    pub until: i64,
    /// Counted from 1, this one included.
    pub attempt: i16,
}

/// The end of the last period before `until` of which somebody was to be told by the schedule.
pub(in crate::reports) async fn last_until(db: &Db, until: i64) -> Result<Option<i64>, DbErr> {
    let row = db
        .row(
            "SELECT MAX(until_at) AS last FROM summaries WHERE until_at < $1",
            [until.into()],
        )
        .await?;
    let last = row
        .map(|row| row.try_get::<Option<i64>>("", "last"))
        .transpose()?;
    Ok(last.flatten())
}

/// Whether the period is planned already.
pub(in crate::reports) async fn is_planned(db: &Db, period: &str) -> Result<bool, DbErr> {
    let row = db
        .row(
            "SELECT 1 AS one FROM summaries WHERE period = $1 LIMIT 1",
            [period.into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Plans a period for these readers; one that was planned before stays as it is.
pub(in crate::reports) async fn plan(
    db: &Db,
    period: &str,
    readers: &[String],
    (since, until): (i64, i64),
    now_ms: i64,
) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    for reader in readers {
        txn.run(
            "INSERT INTO summaries (period, reader, since_at, until_at, state, attempt, next_at)
             VALUES ($1, $2, $3, $4, 'waiting', 0, $5)
             ON CONFLICT (period, reader) DO NOTHING",
            [
                period.into(),
                reader.as_str().into(),
                since.into(),
                until.into(),
                now_ms.into(),
            ],
        )
        .await?;
    }
    txn.commit().await
}

/// Takes the next summary that is due: nobody else has it before `again_ms`. One whose sender died comes back
/// then, with the same Message-ID.
pub(in crate::reports) async fn take(
    db: &Db,
    now_ms: i64,
    again_ms: i64,
) -> Result<Option<Due>, DbErr> {
    let txn = db.begin().await?;
    let row = txn
        .row(
            "UPDATE summaries SET attempt = attempt + 1, next_at = $2
             WHERE id = (SELECT id FROM summaries WHERE state = 'waiting' AND next_at <= $1
                         ORDER BY next_at, id LIMIT 1)
               AND state = 'waiting' AND next_at <= $1
             RETURNING id, reader, since_at, until_at, attempt",
            [now_ms.into(), again_ms.into()],
        )
        .await?;
    txn.commit().await?;
    row.map(|row| {
        Ok(Due {
            id: SummaryId(row.try_get("", "id")?),
            reader: row.try_get("", "reader")?,
            since: row.try_get("", "since_at")?,
            until: row.try_get("", "until_at")?,
            attempt: row.try_get("", "attempt")?,
        })
    })
    .transpose()
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reports) enum Sent {
    Yes,
    /// Again at this instant.
    Later(i64),
    Never,
}

/// Notes what became of an attempt, unless another was made meanwhile.
pub(in crate::reports) async fn settle(db: &Db, due: &Due, sent: Sent) -> Result<(), DbErr> {
    let (state, next_at) = match sent {
        Sent::Yes => ("sent", 0),
        Sent::Later(at) => ("waiting", at),
        Sent::Never => ("failed", 0),
    };
    let txn = db.begin().await?;
    txn.run(
        "UPDATE summaries SET state = $3, next_at = $4 WHERE id = $1 AND attempt = $2 AND state = 'waiting'",
        [due.id.0.into(), due.attempt.into(), state.into(), next_at.into()],
    )
    .await?;
    txn.commit().await
}
