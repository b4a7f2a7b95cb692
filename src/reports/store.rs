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
use super::model::{Counters, Report, Wave};
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
    let values: [Value; 1] = [id.into()];
    let waves = waves(db, "= $1", &values, "").await?;
    let waves: Vec<Wave> = waves.into_iter().map(|(_, wave)| wave).collect();
    let links = match waves.first() {
        Some(wave) => template_links(db, wave.template_version).await?,
        None => Vec::new(),
    };
    let facts = facts(db, CampaignId(id), &waves).await?;
    Ok(Some(
        Report::new(campaign, &status, &waves, &links).with_tests(&waves, &facts),
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

/// A page of reports.
#[derive(Debug)]
pub struct Page {
    pub reports: Vec<Report>,
    /// Of all campaigns.
    pub campaigns: u64,
}

/// The reports of `limit` campaigns after the first `offset`, the last applied first; without links.
///
/// # Errors
/// When the database is away.
pub async fn list(db: &Db, offset: i64, limit: i64) -> Result<Page, ReportError> {
    let total: i64 = match db.row("SELECT COUNT(*) AS n FROM campaigns", []).await? {
        Some(row) => row.try_get("", "n")?,
        None => 0,
    };
    let which = "ORDER BY id DESC LIMIT $1 OFFSET $2";
    let reports = shown(db, which, [limit.into(), offset.into()]).await?;
    Ok(Page {
        reports: reports.into_iter().map(|(_, report)| report).collect(),
        campaigns: total.unsigned_abs(),
    })
}

/// The reports of campaigns below `before` with their numbers, the last applied first; without links.
///
/// # Errors
/// When the database is away.
pub async fn before(
    db: &Db,
    before: i64,
    limit: i64,
) -> Result<Vec<(CampaignId, Report)>, ReportError> {
    let which = "WHERE id < $2 ORDER BY id DESC LIMIT $1";
    shown(db, which, [limit.into(), before.into()]).await
}

/// The reports of the campaigns that `which` says.
async fn shown(
    db: &Db,
    which: &str,
    values: [Value; 2],
) -> Result<Vec<(CampaignId, Report)>, ReportError> {
    let campaigns = db
        .rows(
            format!("SELECT id, name, status FROM campaigns {which}"),
            values.clone(),
        )
        .await?;
    let of = format!("IN (SELECT id FROM campaigns {which})");
    // The list draws no curve.
    let without = "AND c.counter NOT LIKE 'responders.%'";
    let mut by_campaign: BTreeMap<i64, Vec<Wave>> = BTreeMap::new();
    for (campaign, wave) in waves(db, &of, &values, without).await? {
        by_campaign.entry(campaign).or_default().push(wave);
    }
    let mut reports = Vec::with_capacity(campaigns.len());
    for row in campaigns {
        let id: i64 = row.try_get("", "id")?;
        let name: String = row.try_get("", "name")?;
        let status: String = row.try_get("", "status")?;
        let waves = by_campaign.remove(&id).unwrap_or_default();
        reports.push((CampaignId(id), Report::new(&name, &status, &waves, &[])));
    }
    Ok(reports)
}

/// The reports of these campaigns, in their order; without links.
///
/// # Errors
/// When the database is away.
pub async fn of_campaigns(db: &Db, campaigns: &[Campaign]) -> Result<Vec<Report>, ReportError> {
    let ids: Vec<i64> = campaigns.iter().map(|campaign| campaign.id.0).collect();
    let ids = serde_json::Value::from(ids).to_string();
    let shown = format!("IN {}", db.dialect().list(1, Kind::Int));
    // The list draws no curve.
    let without = "AND c.counter NOT LIKE 'responders.%'";
    let mut by_campaign: BTreeMap<i64, Vec<Wave>> = BTreeMap::new();
    for (campaign, wave) in waves(db, &shown, &[ids.into()], without).await? {
        by_campaign.entry(campaign).or_default().push(wave);
    }
    Ok(campaigns
        .iter()
        .map(|campaign| {
            let waves = by_campaign.remove(&campaign.id.0).unwrap_or_default();
            let name = &campaign.definition.name;
            Report::new(name, campaign.status.as_str(), &waves, &[])
        })
        .collect())
}

/// Waves with their campaign and their counters, the newest first: of the campaigns that `of` says, and the
/// counters that `which` leaves. Apart, since each wave has hundreds of counters and a definition of some
/// kilobytes.
async fn waves(
    db: &Db,
    of: &str,
    values: &[Value],
    which: &str,
) -> Result<Vec<(i64, Wave)>, DbErr> {
    let rows = db
        .rows(
            format!(
                "SELECT id, campaign_id, status, launched_at, is_simulated, template_version_id, definition,
                        cleaned_at, forecast
                 FROM waves WHERE campaign_id {of} ORDER BY id DESC"
            ),
            values.to_vec(),
        )
        .await?;
    let mut counters: BTreeMap<i64, Counters> = BTreeMap::new();
    for row in db
        .rows(
            format!(
                "SELECT c.wave_id, c.counter, c.value FROM waves w CROSS JOIN wave_counters c
                 WHERE c.wave_id = w.id AND w.campaign_id {of} {which}"
            ),
            values.to_vec(),
        )
        .await?
    {
        let counter: String = row.try_get("", "counter")?;
        let of_wave = counters.entry(row.try_get("", "wave_id")?).or_default();
        of_wave.add(&counter, row.try_get("", "value")?);
    }
    rows.iter()
        .map(|row| {
            let id: i64 = row.try_get("", "id")?;
            let wave = wave(row, counters.remove(&id).unwrap_or_default())?;
            Ok((row.try_get("", "campaign_id")?, wave))
        })
        .collect()
}

fn wave(row: &QueryResult, counters: Counters) -> Result<Wave, DbErr> {
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
