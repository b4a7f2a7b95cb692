//! How far a campaign is: counters, rate, and when it will be done.

use std::fmt;

use sea_orm::DbErr;
use serde::Serialize;

use super::model::State;
use super::store::{self, Counters};
use crate::campaigns::model::Status;
use crate::campaigns::store::{self as campaign_store, Campaign};
use crate::clock::from_ms;
use crate::storage::Db;

/// The state of a campaign's latest wave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    pub campaign: String,
    pub status: Status,
    /// Why it is paused.
    pub status_reason: Option<String>,
    /// The next due time, in milliseconds since the epoch.
    pub next_due_at: Option<i64>,
    pub launched_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub selected: i64,
    pub withheld: i64,
    pub pending: i64,
    pub sending: i64,
    pub accepted: i64,
    pub deferred: i64,
    pub failed: i64,
    pub unknown: i64,
    /// Why messages are deferred: class and how many.
    pub deferred_because: Vec<(String, i64)>,
    /// When the next deferred message is tried again.
    pub next_try_at: Option<i64>,
    /// When the next pending messages are due, where that is still to come.
    pub next_pending_at: Option<i64>,
    /// How many of the pending wait for the end of quiet hours.
    pub held: i64,
    /// When the last of those may be contacted.
    pub held_until: Option<i64>,
    /// Hand-overs a second since the launch, while it runs.
    pub per_second: Option<f64>,
    /// Seconds until the pending rows are handed over at that rate.
    pub seconds_left: Option<f64>,
}

/// The progress of a campaign.
///
/// # Errors
/// When the database is away.
pub async fn progress(db: &Db, campaign: &Campaign, now_ms: i64) -> Result<Progress, DbErr> {
    let wave = store::latest_wave(db, campaign.id).await?;
    let counters = match &wave {
        Some(wave) => store::counters(&**db, wave.id).await?,
        None => Counters::new(),
    };
    let (deferred_because, next_try_at) = match &wave {
        Some(wave) => store::deferrals(&**db, wave.id).await?,
        None => (Vec::new(), None),
    };
    let next_pending_at = match &wave {
        Some(wave) => store::next_lease_due(&**db, wave.id).await?,
        None => None,
    };
    let (held, held_until) = match &wave {
        Some(wave) => store::held(&**db, wave.id, now_ms).await?,
        None => (0, None),
    };
    let of = |state: State| counters.get(state.counter()).copied().unwrap_or(0);
    let launched_at = wave.as_ref().map(|wave| wave.launched_at);
    let done = of(State::Accepted) + of(State::Failed) + of(State::Unknown) + of(State::Deferred);
    let elapsed_ms = launched_at.map_or(0, |at| now_ms - at);
    let is_under_way = campaign.status == Status::Running
        && of(State::Pending) > 0
        && next_pending_at.is_some_and(|at| at <= now_ms);
    let per_second = (is_under_way && elapsed_ms > 0 && done > 0)
        .then(|| as_f64(done) * 1000.0 / as_f64(elapsed_ms));
    Ok(Progress {
        campaign: campaign.definition.name.clone(),
        status: campaign.status,
        status_reason: campaign.status_reason.clone(),
        next_due_at: campaign_store::next_due(&**db, campaign.id)
            .await?
            .map(|(_, at)| at),
        launched_at,
        finished_at: wave.as_ref().and_then(|wave| wave.finished_at),
        selected: counters.get("selected").copied().unwrap_or(0),
        withheld: of(State::Withheld),
        pending: of(State::Pending),
        sending: of(State::Sending),
        accepted: of(State::Accepted),
        deferred: of(State::Deferred),
        failed: of(State::Failed),
        unknown: of(State::Unknown),
        deferred_because,
        next_try_at,
        next_pending_at: next_pending_at.filter(|at| *at > now_ms),
        held,
        held_until,
        seconds_left: per_second.map(|rate| as_f64(of(State::Pending)) / rate),
        per_second,
    })
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.campaign, self.status)?;
        if let Some(reason) = &self.status_reason {
            write!(f, " ({reason})")?;
        }
        writeln!(f)?;
        if let Some(at) = self.next_due_at {
            writeln!(
                f,
                "  scheduled  {}",
                from_ms(at).format("%Y-%m-%d %H:%M UTC")
            )?;
        }
        let Some(launched_at) = self.launched_at else {
            return writeln!(f, "  not launched yet");
        };
        writeln!(
            f,
            "  launched   {}",
            from_ms(launched_at).format("%Y-%m-%d %H:%M UTC")
        )?;
        if let Some(at) = self.finished_at {
            writeln!(
                f,
                "  finished   {}",
                from_ms(at).format("%Y-%m-%d %H:%M UTC")
            )?;
        }
        for (label, n) in [
            ("selected", self.selected),
            ("withheld", self.withheld),
            ("accepted", self.accepted),
            ("failed", self.failed),
            ("deferred", self.deferred),
            ("unknown", self.unknown),
            ("sending", self.sending),
            ("pending", self.pending),
        ] {
            writeln!(f, "  {label:<9} {n:>9}")?;
        }
        for (class, n) in &self.deferred_because {
            write!(f, "  {n} deferred because of {}", class.replace('_', " "))?;
            if class == "network" {
                write!(f, "; `visavis check` tries the relay")?;
            }
            writeln!(f)?;
        }
        if let Some(until) = self.held_until {
            writeln!(
                f,
                "  {} held by quiet hours, the last until {}",
                self.held,
                from_ms(until).format("%Y-%m-%d %H:%M UTC")
            )?;
        }
        for (what, at) in [
            ("next try", self.next_try_at),
            ("next due", self.next_pending_at),
        ] {
            if let Some(at) = at {
                writeln!(f, "  {what}   {}", from_ms(at).format("%Y-%m-%d %H:%M UTC"))?;
            }
        }
        if let (Some(rate), Some(left)) = (self.per_second, self.seconds_left) {
            writeln!(
                f,
                "  {rate:.0} a second, about {} left",
                crate::campaigns::duration(left)
            )?;
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and milliseconds far below 2^53"
)]
fn as_f64(n: i64) -> f64 {
    n as f64
}
