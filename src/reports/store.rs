//! Queries of the reports: campaigns, waves and counters, nothing of the size of an audience.

pub mod dashboard;
pub mod grid;
pub mod overview;
pub(super) mod shares;
pub(super) mod summary;

use std::collections::BTreeMap;

use sea_orm::{DbErr, QueryResult, Value};

use super::ReportError;
use super::cells::{Agreed, Assigned, Facts};
use super::figures::{Denominator, Rate};
use super::model::{Counters, Report, Wave, delivered_of, summed};
use super::money::Proposal;
use crate::campaigns::store::Campaign;
use crate::delivery::decide::Decision;
use crate::delivery::store::cells::CellKind;
use crate::ids::CampaignId;
use crate::responses::model::Terms;
use crate::responses::{effects, links};
use crate::storage::{Db, Kind, Sql};

/// The report of the campaign with this name; `None` when there is no such campaign.
///
/// # Errors
/// When the database is away.
pub async fn report(db: &Db, campaign: &str) -> Result<Option<Report>, ReportError> {
    let row = db
        .row(
            "SELECT id, status FROM campaigns WHERE name = $1",
            [campaign.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let id: i64 = row.try_get("", "id")?;
    let status: String = row.try_get("", "status")?;
    let (waves, sum) = waves(db, CampaignId(id)).await?;
    let links = match waves.first() {
        Some(wave) => template_links(db, wave.template_version).await?,
        None => Vec::new(),
    };
    let facts = facts(db, CampaignId(id), &waves).await?;
    Ok(Some(
        Report::of(campaign, &status, &waves, sum, &links).with_tests(&waves, &facts),
    ))
}

/// What the tests of a campaign are judged by; nothing where all of its waves are of before there were cells.
async fn facts(db: &Db, campaign: CampaignId, waves: &[Wave]) -> Result<Facts, ReportError> {
    let rows = db
        .rows(
            "SELECT c.wave_id, c.cell, c.kind, c.weight, c.people, w.definition, w.decision
             FROM waves w JOIN wave_cells c ON c.wave_id = w.id
             WHERE w.campaign_id = $1 ORDER BY w.id DESC, c.place",
            [campaign.0.into()],
        )
        .await?;
    let Some(newest) = rows.first() else {
        return Ok(Facts::default());
    };
    let definition: String = newest.try_get("", "definition")?;
    let decision: Option<String> = newest.try_get("", "decision")?;
    let assigned = rows
        .iter()
        .map(|row| {
            let kind: String = row.try_get("", "kind")?;
            let (weight, people): (i64, i64) =
                (row.try_get("", "weight")?, row.try_get("", "people")?);
            Ok(Assigned {
                wave: row.try_get("", "wave_id")?,
                cell: row.try_get("", "cell")?,
                kind: CellKind::from_column(&kind),
                weight: weight.unsigned_abs(),
                people: people.unsigned_abs(),
            })
        })
        .collect::<Result<Vec<_>, DbErr>>()?;
    Ok(Facts {
        assigned,
        effects: effects::of_campaign(db, campaign).await?,
        // A definition that cannot be read any more says nothing about its test.
        agreed: serde_json::from_str::<Agreed>(&definition).unwrap_or_default(),
        running: waves
            .iter()
            .filter(|wave| wave.status == "running")
            .map(|wave| wave.id)
            .collect(),
        decision: decision.as_deref().and_then(Decision::read),
    })
}

/// The key figures of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFigures {
    pub campaign: String,
    pub status: String,
    pub waves: u64,
    /// The last launch, in milliseconds since the epoch.
    pub launched_at: Option<i64>,
    /// Whether any of the responses were played back and not given by people.
    pub is_simulated: bool,
    pub delivered: u64,
    pub withheld: u64,
    /// Unique responders ÷ delivered.
    pub response_rate: Rate,
}

/// The key figures of campaigns below `before` with their numbers, the last applied first.
///
/// # Errors
/// When the database is away.
pub async fn before(
    db: &Db,
    before: i64,
    limit: i64,
) -> Result<Vec<(CampaignId, KeyFigures)>, ReportError> {
    let which = "WHERE id < $2 ORDER BY id DESC LIMIT $1";
    key_figures(db, which, &[limit.into(), before.into()]).await
}

/// The key figures of these campaigns, in their order.
///
/// # Errors
/// When the database is away.
pub async fn of_campaigns(db: &Db, campaigns: &[Campaign]) -> Result<Vec<KeyFigures>, ReportError> {
    let ids: Vec<i64> = campaigns.iter().map(|campaign| campaign.id.0).collect();
    let ids = serde_json::Value::from(ids).to_string();
    let which = format!("WHERE id IN {}", db.dialect().list(1, Kind::Int));
    let found = key_figures(db, &which, &[ids.into()]).await?;
    let mut found: BTreeMap<i64, KeyFigures> =
        found.into_iter().map(|(id, one)| (id.0, one)).collect();
    // One that was taken away meanwhile has none.
    let none = |campaign: &Campaign| {
        let name = campaign.definition.name.clone();
        KeyFigures::new(
            name,
            campaign.status.as_str().to_owned(),
            &Counters::default(),
        )
    };
    let in_order = campaigns.iter();
    Ok(in_order
        .map(|campaign| {
            found
                .remove(&campaign.id.0)
                .unwrap_or_else(|| none(campaign))
        })
        .collect())
}

impl KeyFigures {
    /// Of no wave yet but for its counters.
    fn new(campaign: String, status: String, sum: &Counters) -> Self {
        let delivered = delivered_of(sum);
        Self {
            campaign,
            status,
            waves: 0,
            launched_at: None,
            is_simulated: false,
            delivered,
            withheld: sum.get("withheld"),
            response_rate: Rate::new(sum.get("responders"), delivered, Denominator::Delivered),
        }
    }
}

/// The key figures of the campaigns that `which` says, in its order.
async fn key_figures(
    db: &Db,
    which: &str,
    values: &[Value],
) -> Result<Vec<(CampaignId, KeyFigures)>, ReportError> {
    let campaigns = db
        .rows(
            format!("SELECT id, name, status FROM campaigns {which}"),
            values.to_vec(),
        )
        .await?;
    let of = format!("w.campaign_id IN (SELECT id FROM campaigns {which})");
    let mut sums: BTreeMap<i64, Counters> = BTreeMap::new();
    for row in db
        .rows(
            format!(
                "SELECT w.campaign_id, c.counter, CAST(SUM(c.value) AS BIGINT) AS value
                 FROM waves w CROSS JOIN wave_counters c
                 WHERE c.wave_id = w.id AND {of}
                   AND c.counter IN ('accepted', 'receipts.undelivered', 'bounces', 'withheld', 'responders')
                 GROUP BY w.campaign_id, c.counter"
            ),
            values.to_vec(),
        )
        .await?
    {
        let counter: String = row.try_get("", "counter")?;
        let sum = sums.entry(row.try_get("", "campaign_id")?).or_default();
        sum.add(&counter, row.try_get("", "value")?);
    }
    let mut waves: BTreeMap<i64, (u64, i64, bool)> = BTreeMap::new();
    for row in db
        .rows(
            format!(
                "SELECT w.campaign_id, COUNT(*) AS waves, MAX(w.launched_at) AS launched_at,
                        MAX(CASE WHEN w.is_simulated THEN 1 ELSE 0 END) AS simulated
                 FROM waves w WHERE {of} GROUP BY w.campaign_id"
            ),
            values.to_vec(),
        )
        .await?
    {
        let count: i64 = row.try_get("", "waves")?;
        let simulated: i32 = row.try_get("", "simulated")?;
        let of_campaign = (
            count.unsigned_abs(),
            row.try_get("", "launched_at")?,
            simulated == 1,
        );
        waves.insert(row.try_get("", "campaign_id")?, of_campaign);
    }
    campaigns
        .iter()
        .map(|row| {
            let id: i64 = row.try_get("", "id")?;
            let sum = sums.remove(&id).unwrap_or_default();
            let mut one =
                KeyFigures::new(row.try_get("", "name")?, row.try_get("", "status")?, &sum);
            if let Some((count, launched_at, is_simulated)) = waves.remove(&id) {
                one.waves = count;
                one.launched_at = Some(launched_at);
                one.is_simulated = is_simulated;
            }
            Ok((CampaignId(id), one))
        })
        .collect()
}

/// Waves of which all counters are read, the newest; of the others those that a list of waves and the money are
/// made of, and their sum.
pub const WHOLE: usize = 100;

/// What outlines have.
const OUTLINE: &str = "('selected', 'withheld', 'accepted', 'deferred', 'failed', 'unknown', 'responders', \
     'bounces', 'receipts.undelivered', 'orders', 'orders.customers', 'revenue_cents', 'cost_micros', 'unpriced', \
     'sms.accepted', 'sms.deferred', 'sms.failed', 'sms.unknown')";

/// The waves of a campaign, the newest first, and the sum of all their counters. The counters are read apart,
/// since each wave has hundreds of them and a definition of some kilobytes.
async fn waves(db: &Db, campaign: CampaignId) -> Result<(Vec<Wave>, Counters), DbErr> {
    let rows = db
        .rows(
            "SELECT id, status, launched_at, is_simulated, template_version_id, definition, cleaned_at, forecast
             FROM waves WHERE campaign_id = $1 ORDER BY id DESC",
            [campaign.0.into()],
        )
        .await?;
    // The first of those of which all is read.
    let from: i64 = match rows.get(WHOLE - 1) {
        Some(row) => row.try_get("", "id")?,
        None => i64::MIN,
    };
    let mut counters: BTreeMap<i64, Counters> = BTreeMap::new();
    for row in db
        .rows(
            format!(
                "SELECT c.wave_id, c.counter, c.value FROM waves w CROSS JOIN wave_counters c
                 WHERE c.wave_id = w.id AND w.campaign_id = $1
                   AND (w.id >= $2 OR c.counter IN {OUTLINE} OR c.counter LIKE 'cell.%.responders'
                     OR c.counter LIKE 'cell.%.revenue_cents')"
            ),
            [campaign.0.into(), from.into()],
        )
        .await?
    {
        let counter: String = row.try_get("", "counter")?;
        let of_wave = counters.entry(row.try_get("", "wave_id")?).or_default();
        of_wave.add(&counter, row.try_get("", "value")?);
    }
    let waves: Vec<Wave> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| {
            let id: i64 = row.try_get("", "id")?;
            let of_wave = counters.remove(&id).unwrap_or_default();
            wave(row, of_wave, place >= WHOLE)
        })
        .collect::<Result<_, DbErr>>()?;
    let sum = if waves.len() > WHOLE {
        sum(db, campaign).await?
    } else {
        summed(&waves)
    };
    Ok((waves, sum))
}

/// The sum of all counters of a campaign's waves.
async fn sum(db: &Db, campaign: CampaignId) -> Result<Counters, DbErr> {
    let mut sum = Counters::default();
    for row in db
        .rows(
            "SELECT c.counter, CAST(SUM(c.value) AS BIGINT) AS value FROM waves w CROSS JOIN wave_counters c
             WHERE c.wave_id = w.id AND w.campaign_id = $1 GROUP BY c.counter",
            [campaign.0.into()],
        )
        .await?
    {
        let counter: String = row.try_get("", "counter")?;
        sum.add(&counter, row.try_get("", "value")?);
    }
    Ok(sum)
}

fn wave(row: &QueryResult, counters: Counters, is_outline: bool) -> Result<Wave, DbErr> {
    let definition: String = row.try_get("", "definition")?;
    let forecast: Option<String> = row.try_get("", "forecast")?;
    Ok(Wave {
        id: row.try_get("", "id")?,
        status: row.try_get("", "status")?,
        launched_at: row.try_get("", "launched_at")?,
        is_simulated: row.try_get("", "is_simulated")?,
        template_version: row.try_get("", "template_version_id")?,
        terms: Terms::read(&definition),
        proposal: Proposal::read(&definition),
        // One that cannot be read any more is as one that was not made.
        forecast: forecast.and_then(|text| serde_json::from_str(&text).ok()),
        counters,
        is_outline,
        cleaned_at: row.try_get("", "cleaned_at")?,
    })
}

/// The frozen template and definition of the newest run of a campaign; `None` when it never ran.
pub(super) async fn frozen(db: &Db, campaign: &str) -> Result<Option<(String, String)>, DbErr> {
    let row = db
        .row(
            "SELECT t.source, w.definition FROM campaigns c
             JOIN waves w ON w.campaign_id = c.id
             JOIN template_versions t ON t.id = w.template_version_id
             WHERE c.name = $1 ORDER BY w.id DESC LIMIT 1",
            [campaign.into()],
        )
        .await?;
    row.map(|row| Ok((row.try_get("", "source")?, row.try_get("", "definition")?)))
        .transpose()
}

/// The links of a template version; none when it cannot be read, since figures are worth more than
/// their labels.
async fn template_links(
    db: &Db,
    version: i64,
) -> Result<Vec<crate::templates::model::Link>, ReportError> {
    let row = db
        .row(
            "SELECT source FROM template_versions WHERE id = $1",
            [version.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Vec::new());
    };
    let source: String = row.try_get("", "source")?;
    Ok(links::links(&source).unwrap_or_else(|error| {
        tracing::warn!(version, %error, "the links of template version {version} cannot be read");
        Vec::new()
    }))
}
