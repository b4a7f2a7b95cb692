//! Queries about forecasts, and about the earlier waves they rest on.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr};
use serde::Deserialize;

use super::{Forecast, PastWave, Reach};
use crate::campaigns::definition::Definition;
use crate::campaigns::model::Goal;
use crate::consent::model::Channel;
use crate::ids::{CampaignId, WaveId};
use crate::storage::{Sql, Txn};

/// Waves looked at, the newest of all.
const WAVES: i64 = 200;

const DAY_MS: i64 = 86_400_000;

/// What of an earlier definition tells whether its wave is like the one to come.
#[derive(Debug, Deserialize)]
struct Likeness {
    #[serde(default)]
    topic: String,
    #[serde(default)]
    goal: Goal,
    #[serde(default)]
    channel: Option<Channel>,
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default = "fourteen")]
    window_days: i64,
}

fn fourteen() -> i64 {
    14
}

impl Likeness {
    fn is_of(&self, definition: &Definition) -> bool {
        let mut own = self.channels.clone();
        if own.is_empty() {
            own.push(self.channel.unwrap_or(Channel::Email));
        }
        self.topic == definition.topic
            && self.goal == definition.goal
            && own == definition.channels()
    }
}

/// The newest earlier waves of the same topic, channels and goal whose windows are over, played ones only
/// for one that is played.
///
/// # Errors
/// When the database is away.
pub async fn past_waves(
    connection: &impl ConnectionTrait,
    definition: &Definition,
    is_simulated: bool,
    now_ms: i64,
) -> Result<Vec<PastWave>, DbErr> {
    let rows = connection
        .rows(
            "SELECT w.id, w.definition, w.launched_at, c.counter, c.value
             FROM (SELECT id, definition, launched_at FROM waves WHERE is_simulated = $1 ORDER BY id DESC LIMIT $2) w
             JOIN wave_counters c ON c.wave_id = w.id
             WHERE c.counter IN ('accepted', 'deferred', 'failed', 'unknown', 'bounces', 'receipts.undelivered',
                 'responders', 'orders', 'revenue_cents', 'sms.accepted', 'unpriced', 'cost_micros')
             ORDER BY w.id DESC",
            [is_simulated.into(), WAVES.into()],
        )
        .await?;
    let mut waves: Vec<(i64, BTreeMap<String, i64>)> = Vec::new();
    let mut last: Option<(i64, bool)> = None;
    for row in &rows {
        let id: i64 = row.try_get("", "id")?;
        if last.is_none_or(|(of, _)| of != id) {
            let text: String = row.try_get("", "definition")?;
            let launched_at: i64 = row.try_get("", "launched_at")?;
            let is_like = serde_json::from_str::<Likeness>(&text).is_ok_and(|likeness| {
                let window = likeness.window_days.saturating_mul(DAY_MS);
                likeness.is_of(definition) && launched_at.saturating_add(window) <= now_ms
            });
            last = Some((id, is_like));
            if is_like {
                waves.push((id, BTreeMap::new()));
            }
        }
        if let (Some((_, true)), Some((_, counters))) = (last, waves.last_mut()) {
            counters.insert(row.try_get("", "counter")?, row.try_get("", "value")?);
        }
    }
    let mut past: Vec<PastWave> = waves
        .iter()
        .map(|(_, counters)| came_to(counters))
        .collect();
    past.retain(|wave| wave.delivered > 0);
    Ok(past)
}

fn came_to(counters: &BTreeMap<String, i64>) -> PastWave {
    let value = |counter: &str| counters.get(counter).copied().unwrap_or(0);
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    let accepted = value("accepted");
    PastWave {
        sent: count(accepted + value("deferred") + value("failed") + value("unknown")),
        delivered: count(accepted - value("bounces") - value("receipts.undelivered")),
        responders: count(value("responders")),
        orders: count(value("orders")),
        revenue_cents: value("revenue_cents"),
        priced_texts: count(value("sms.accepted") - value("unpriced")),
        texts_micros: count(value("cost_micros")),
    }
}

/// Whom a wave that is just written will reach, from its counters.
///
/// # Errors
/// When the database is away.
pub async fn reach_of(txn: &Txn, campaign: CampaignId, wave: WaveId) -> Result<Reach, DbErr> {
    let row = txn
        .row(
            "SELECT
                COALESCE((SELECT value FROM wave_counters WHERE wave_id = $1 AND counter = 'pending'), 0) AS people,
                COALESCE((SELECT value FROM wave_counters WHERE wave_id = $1 AND counter = 'sms.pending'), 0) AS texts,
                (SELECT COUNT(*) FROM waves WHERE campaign_id = $2 AND id < $1) AS earlier",
            [wave.0.into(), campaign.0.into()],
        )
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    let count = |column: &str| -> Result<u64, DbErr> {
        let value: i64 = row.try_get("", column)?;
        Ok(u64::try_from(value).unwrap_or(0))
    };
    let (people, texts) = (count("people")?, count("texts")?);
    Ok(Reach {
        mails: people.saturating_sub(texts),
        texts,
        is_first: count("earlier")? == 0,
    })
}

/// Keeps the forecast of a wave.
///
/// # Errors
/// When the database is away.
pub async fn keep(txn: &Txn, wave: WaveId, forecast: &Forecast) -> Result<(), DbErr> {
    let text = serde_json::to_string(forecast).map_err(|error| DbErr::Json(error.to_string()))?;
    txn.run(
        "UPDATE waves SET forecast = $2 WHERE id = $1",
        [wave.0.into(), text.into()],
    )
    .await
    .map(drop)
}
