//! The runs of a period with their key figures, a row each.

use sea_orm::DbErr;

use crate::reports::overview::{Counts, Run};
use crate::storage::{Db, Sql};

/// Runs that are read at most, the newest; a period tells the others.
pub const RUNS: i64 = 5_000;

/// The counters that are read, by the names of their columns.
const COUNTERS: [(&str, &str); 11] = [
    ("selected", "selected"),
    ("selected_sms", "sms.selected"),
    ("withheld", "withheld"),
    ("accepted", "accepted"),
    ("undelivered", "receipts.undelivered"),
    ("bounces", "bounces"),
    ("responders", "responders"),
    ("clicks", "clicks"),
    ("opt_outs", "opt_outs"),
    ("orders", "orders"),
    ("revenue_cents", "revenue_cents"),
];

/// The runs launched within a period (milliseconds since the epoch, its end left out), the newest first.
///
/// # Errors
/// When the database is away.
pub async fn runs(db: &Db, from: Option<i64>, until: Option<i64>) -> Result<Vec<Run>, DbErr> {
    let sums: Vec<String> = COUNTERS
        .iter()
        .map(|(name, counter)| {
            format!(
                "CAST(COALESCE(SUM(CASE WHEN k.counter = '{counter}' THEN k.value END), 0) AS BIGINT) AS {name}"
            )
        })
        .collect();
    let names: Vec<String> = COUNTERS
        .iter()
        .map(|(_, counter)| format!("'{counter}'"))
        .collect();
    let sql = format!(
        "SELECT w.id, c.name, c.status, w.launched_at, w.is_simulated, {}
         FROM (SELECT id, campaign_id, launched_at, is_simulated FROM waves
               WHERE launched_at >= $1 AND launched_at < $2 ORDER BY id DESC LIMIT $3) w
         JOIN campaigns c ON c.id = w.campaign_id
         LEFT JOIN wave_counters k ON k.wave_id = w.id AND k.counter IN ({})
         GROUP BY w.id, c.name, c.status, w.launched_at, w.is_simulated ORDER BY w.id DESC",
        sums.join(", "),
        names.join(", ")
    );
    let rows = db
        .rows(
            sql,
            [
                from.unwrap_or(i64::MIN).into(),
                until.unwrap_or(i64::MAX).into(),
                RUNS.into(),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let count = |name: &str| -> Result<u64, DbErr> {
                let count: i64 = row.try_get("", name)?;
                Ok(u64::try_from(count).unwrap_or(0))
            };
            let accepted = count("accepted")?;
            Ok(Run {
                campaign: row.try_get("", "name")?,
                status: row.try_get("", "status")?,
                launched_at: row.try_get("", "launched_at")?,
                is_simulated: row.try_get("", "is_simulated")?,
                counts: Counts {
                    selected: count("selected")?,
                    selected_sms: count("selected_sms")?,
                    withheld: count("withheld")?,
                    delivered: accepted
                        .saturating_sub(count("undelivered")?.min(accepted))
                        .saturating_sub(count("bounces")?),
                    responders: count("responders")?,
                    clicks: count("clicks")?,
                    opt_outs: count("opt_outs")?,
                    orders: count("orders")?,
                    revenue_cents: row.try_get("", "revenue_cents")?,
                },
            })
        })
        .collect()
}
