//! How far a campaign is: counters, rate, and when it will be done.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sea_orm::DbErr;
use serde::Serialize;

use super::decide::Decision;
use super::estimate::{Estimate, Facts};
use super::model::{Rest, State};
use super::pace::Limits;
use super::store::{self, Counters, Held, WaveRow};
use crate::campaigns::cells::REST;
use crate::campaigns::model::Status;
use crate::campaigns::store::{self as campaign_store, Campaign};
use crate::channels::model::Class;
use crate::clock::from_ms;
use crate::config::{Settings, provider_of};
use crate::ids::WaveId;
use crate::storage::Db;
use crate::storage::text::counted;

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
    /// How many of the pending exceed the limit of their domain.
    pub limited: i64,
    /// When the last of those will have his turn.
    pub limited_until: Option<i64>,
    /// The relay or provider of each of its channels.
    pub routes: Vec<String>,
    /// The one of them that the settings here do not know.
    pub unknown_route: Option<String>,
    /// Which nodes give one of them no work now, and why.
    pub resting: Vec<Rest>,
    /// The least of the limits that hold for all of it, in messages a second.
    pub limit_per_second: Option<u32>,
    /// Hand-overs a second over the last minutes, while it runs.
    pub per_second: Option<f64>,
    /// When the pending will have been handed over, as it goes now.
    pub done_at: Option<i64>,
    /// The test that the rest waits for, of a wave that has one.
    pub test: Option<TestProgress>,
}

/// How the test of a wave stands whose winner goes to the rest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestProgress {
    /// How many wait for the winner.
    pub waiting: i64,
    /// When it is chosen, in milliseconds since the epoch; `None`: it is.
    pub decide_at: Option<i64>,
    pub decision: Option<Decision>,
}

/// Who of each wave waits for a time of his own, as it was read within the last half minute: that is asked of all
/// rows of a wave, and a page that shows how far it is asks every few seconds.
#[derive(Debug, Default)]
pub struct HeldLately(Mutex<HashMap<WaveId, (i64, Held)>>);

/// How long it is shown again, in milliseconds.
const LATELY_MS: i64 = 30_000;

impl HeldLately {
    async fn of(&self, db: &Db, wave: WaveId, now_ms: i64) -> Result<Held, DbErr> {
        let known = self.lock().get(&wave).copied();
        if let Some((_, held)) = known.filter(|(at, _)| (0..LATELY_MS).contains(&(now_ms - at))) {
            return Ok(held);
        }
        let held = store::held(&**db, wave, now_ms).await?;
        let mut kept = self.lock();
        kept.retain(|_, (at, _)| (0..LATELY_MS).contains(&(now_ms - *at)));
        kept.insert(wave, (now_ms, held));
        Ok(held)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WaveId, (i64, Held)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The progress of a campaign.
///
/// # Errors
/// When the database is away.
pub async fn progress(
    db: &Db,
    settings: &Settings,
    campaign: &Campaign,
    now_ms: i64,
) -> Result<Progress, DbErr> {
    progress_with(db, settings, campaign, &HeldLately::default(), now_ms).await
}

/// As [`progress`], for whoever asks again and again.
///
/// # Errors
/// When the database is away.
pub async fn progress_with(
    db: &Db,
    settings: &Settings,
    campaign: &Campaign,
    lately: &HeldLately,
    now_ms: i64,
) -> Result<Progress, DbErr> {
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
    let held = match &wave {
        Some(wave) => lately.of(db, wave.id, now_ms).await?,
        None => Held::default(),
    };
    let test = match &wave {
        Some(wave) => test_of(db, wave, &counters).await?,
        None => None,
    };
    let of = |state: State| counters.get(state.counter()).copied().unwrap_or(0);
    let pending = of(State::Pending);
    let is_under_way = campaign.status == Status::Running && pending + of(State::Deferred) > 0;
    let mut pace = Estimate::default();
    let (mut resting, mut limit) = (Vec::new(), None);
    if let Some(wave) = wave.as_ref().filter(|_| is_under_way) {
        for route in wave.routes() {
            resting.extend(store::rests_of(&**db, route, now_ms).await?);
        }
        limit = least_limit(settings, wave);
        let minutes = store::minutes(&**db, wave.id).await?;
        let minute = now_ms.div_euclid(60_000);
        let is_still = minutes.iter().all(|(at, _)| *at < minute - 1);
        pace = Facts {
            now_ms,
            launched_at: wave.launched_at,
            minutes,
            pending,
            next_due_at: next_pending_at,
            last_due_at: held.last_due_at,
            limit,
            // Another node may work while one rests.
            resting_until: resting
                .iter()
                .map(|rest| rest.until_at)
                .min()
                .filter(|_| is_still),
        }
        .estimate();
    }
    Ok(Progress {
        campaign: campaign.definition.name.clone(),
        status: campaign.status,
        status_reason: campaign.status_reason.clone(),
        next_due_at: campaign_store::next_due(&**db, campaign.id)
            .await?
            .map(|(_, at)| at),
        launched_at: wave.as_ref().map(|wave| wave.launched_at),
        finished_at: wave.as_ref().and_then(|wave| wave.finished_at),
        selected: counters.get("selected").copied().unwrap_or(0),
        withheld: of(State::Withheld),
        pending,
        sending: of(State::Sending),
        accepted: of(State::Accepted),
        deferred: of(State::Deferred),
        failed: of(State::Failed),
        unknown: of(State::Unknown),
        deferred_because,
        next_try_at,
        next_pending_at: next_pending_at.filter(|at| *at > now_ms),
        held: held.quiet.0,
        held_until: held.quiet.1,
        limited: held.limited.0,
        limited_until: held.limited.1,
        unknown_route: wave.as_ref().and_then(|wave| {
            let mut routes = wave.routes();
            let unknown = routes.find(|route| !is_known(settings, route));
            unknown.map(str::to_owned)
        }),
        routes: wave.map_or_else(Vec::new, |wave| wave.routes().map(str::to_owned).collect()),
        resting,
        limit_per_second: limit,
        per_second: pace.per_second,
        // Who waits for a winner does not go as it goes now.
        done_at: pace
            .done_at
            .filter(|_| test.as_ref().is_none_or(|test| test.decide_at.is_none())),
        test,
    })
}

async fn test_of(
    db: &Db,
    wave: &WaveRow,
    counters: &Counters,
) -> Result<Option<TestProgress>, DbErr> {
    let test = wave.definition.test.as_ref();
    if test.is_none_or(|test| test.share_percent.is_none()) {
        return Ok(None);
    }
    let (decide_at, decision) = store::cells::decision(&**db, wave.id).await?;
    let waiting = format!("{}pending", store::cell_counters(REST));
    Ok(Some(TestProgress {
        waiting: match decide_at {
            Some(_) => counters.get(&waiting).copied().unwrap_or(0),
            None => 0,
        },
        decide_at,
        decision: decision.as_deref().and_then(Decision::read),
    }))
}

/// The least of the limits that hold for all messages of a wave.
pub(super) fn least_limit(settings: &Settings, wave: &WaveRow) -> Option<u32> {
    wave.routes()
        .flat_map(|route| Limits::new(settings, wave.subject(route)).shared)
        .map(|limit| limit.per_second)
        .min()
}

fn is_known(settings: &Settings, route: &str) -> bool {
    match provider_of(route) {
        Some(provider) => settings.sms.route(Some(provider)).is_ok(),
        None => settings.email.relay_named(route).is_some(),
    }
}

/// The class of a deferral in words that fit email and text messages.
fn because(class: &str) -> String {
    match class {
        class if class == Class::Greylist.as_str() => "a rate limit or greylisting".to_owned(),
        class if class == Class::Network.as_str() => "the connection".to_owned(),
        class if class == Class::Relay.as_str() => "our account or sender".to_owned(),
        class => class.replace('_', " "),
    }
}

/// A route as a person calls it.
fn named(route: &str) -> String {
    match provider_of(route) {
        Some(provider) => format!("SMS provider {provider}"),
        None => format!("relay {route}"),
    }
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
            write!(f, "  {n} deferred because of {}", because(class))?;
            if class == Class::Network.as_str() {
                write!(f, "; `visavis check` tries it")?;
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
        if let Some(until) = self.limited_until {
            writeln!(
                f,
                "  {} wait for the limit of their domain, the last until {}",
                self.limited,
                from_ms(until).format("%Y-%m-%d %H:%M UTC")
            )?;
        }
        self.test(f)?;
        self.relay(f)?;
        for (what, at) in [
            ("next try", self.next_try_at),
            ("next due", self.next_pending_at),
        ] {
            if let Some(at) = at {
                writeln!(f, "  {what}   {}", from_ms(at).format("%Y-%m-%d %H:%M UTC"))?;
            }
        }
        if let Some(rate) = self.per_second {
            let decimals = usize::from(rate < 10.0);
            writeln!(f, "  {rate:.decimals$} a second over the last minutes")?;
        }
        if let Some(limit) = self.limit_per_second {
            writeln!(f, "  at most {limit} a second, as its limits say")?;
        }
        if let Some(at) = self.done_at {
            writeln!(
                f,
                "  done about {}, as it goes now",
                from_ms(at).format("%Y-%m-%d %H:%M UTC")
            )?;
        }
        Ok(())
    }
}

impl Progress {
    /// Who waits for the winner of a test, or who won.
    fn test(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(test) = &self.test else {
            return Ok(());
        };
        if let Some(at) = test.decide_at {
            writeln!(
                f,
                "  {} wait for the winner of the test, chosen on {}; `visavis campaign decide {}` chooses now",
                test.waiting,
                from_ms(at).format("%Y-%m-%d %H:%M UTC"),
                self.campaign
            )?;
        }
        if let Some(decision) = &test.decision {
            writeln!(
                f,
                "  the rest gets {}, chosen by {} on {}",
                decision.winner,
                if decision.by_hand {
                    "hand"
                } else {
                    decision.by.as_str()
                },
                from_ms(decision.at).format("%Y-%m-%d %H:%M UTC")
            )?;
        }
        Ok(())
    }

    /// Whether something is the matter with the relay or the provider.
    fn relay(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_open = self.pending + self.deferred > 0;
        if let Some(route) = self.unknown_route.as_deref().filter(|_| is_open) {
            writeln!(
                f,
                "  its {} is not in the settings here; the rest leaves where it is",
                named(route)
            )?;
        }
        for rest in &self.resting {
            writeln!(
                f,
                "  {} is resting until {}: {} ({}; node {})",
                named(&rest.relay),
                from_ms(rest.until_at).format("%H:%M:%S UTC"),
                rest.reason,
                counted(rest.failures.unsigned_abs(), "time", "times"),
                rest.node
            )?;
        }
        Ok(())
    }
}
