//! What a wave asks at the gate: its rules, compiled to the query for its next rows.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DbErr;

use super::wave::WaveRow;
use crate::clock::from_ms;
use crate::config::provider_of;
use crate::customers::model::Customer;
use crate::customers::store as customer_store;
use crate::delivery::model::{LeaseKind, channel_of};
use crate::delivery::pace::Limits;
use crate::gate::model::{Request, Rival, Withheld};
use crate::gate::moment::{Moment, Places};
use crate::gate::quiet_hours::Whereabouts;
use crate::gate::rules::Rules;
use crate::gate::store::{Question, address_key, places};
use crate::ids::WaveId;
use crate::storage::{Db, Dialect, Kind};

/// How long the places of the base are taken to be the same, in milliseconds.
const PLACES_HOLD_MS: i64 = 600_000;

/// What a wave asks at the gate; the text of its query is kept while it holds.
#[derive(Debug)]
pub struct Entry {
    wave: WaveId,
    launched_at: i64,
    pub(super) request: Request,
    rules: Arc<Rules>,
    dialect: Dialect,
    /// What bounds it, if anything does.
    pub(super) limits: Option<Limits>,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Cache {
    places: Arc<Places>,
    read_at: i64,
    /// Texts without rivals, and until when their calendar days are right.
    first: Option<(i64, i64, Arc<str>)>,
    retry: Option<(i64, i64, Arc<str>)>,
}

impl Entry {
    /// What `wave` asks of those who go by a route.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn new(
        db: &Db,
        wave: &WaveRow,
        route: &str,
        rules: Arc<Rules>,
        now_ms: i64,
    ) -> Result<Self, DbErr> {
        let mut request = wave.definition.request(channel_of(route));
        request.provider = provider_of(route).map(str::to_owned);
        let places = places(&**db, request.fallback_zone).await?;
        Ok(Self {
            wave: wave.id,
            launched_at: wave.launched_at,
            request,
            rules,
            dialect: db.dialect(),
            limits: None,
            cache: Mutex::new(Cache {
                places: Arc::new(places),
                read_at: now_ms,
                first: None,
                retry: None,
            }),
        })
    }

    /// The same, under limits.
    #[must_use]
    pub fn within(mut self, limits: Limits) -> Self {
        self.limits = (!limits.is_empty()).then_some(limits);
        self
    }

    /// The least of the limits that hold for the whole wave, in messages a second.
    pub fn rate(&self) -> Option<u32> {
        let limits = self.limits.iter().flat_map(|limits| &limits.shared);
        limits.map(|limit| limit.per_second).min()
    }

    /// The zones of customers who came since.
    pub(super) async fn refresh(&self, db: &Db, now_ms: i64) -> Result<(), DbErr> {
        let age = now_ms - self.cache().read_at;
        if (0..PLACES_HOLD_MS).contains(&age) {
            return Ok(());
        }
        let places = Arc::new(places(&**db, self.request.fallback_zone).await?);
        let mut cache = self.cache();
        *cache = Cache {
            places,
            read_at: now_ms,
            first: None,
            retry: None,
        };
        Ok(())
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The query for the next rows. Its text stays the same until midnight, so that it is prepared once.
    pub(super) fn text(&self, kind: LeaseKind, rivals: &[Rival], now_ms: i64) -> Arc<str> {
        let mut cache = self.cache();
        let kept = match kind {
            LeaseKind::First => &cache.first,
            LeaseKind::Retry => &cache.retry,
        };
        if let Some((from, until, text)) = kept
            && rivals.is_empty()
            && (*from..*until).contains(&now_ms)
        {
            return Arc::clone(text);
        }
        let moment = Moment::of_instant(
            "CAST($4 AS BIGINT)",
            now_ms,
            "c",
            &self.rules,
            &cache.places,
        );
        let text: Arc<str> = self.select(kind, &moment, rivals).into();
        if rivals.is_empty() {
            let kept = Some((now_ms, moment.valid_until, Arc::clone(&text)));
            match kind {
                LeaseKind::First => cache.first = kept,
                LeaseKind::Retry => cache.retry = kept,
            }
        }
        text
    }

    /// The next rows of a lease with their customer and the reason to withhold them, if there is one.
    fn select(&self, kind: LeaseKind, moment: &Moment, rivals: &[Rival]) -> String {
        let question = Question {
            dialect: self.dialect,
            rules: &self.rules,
            request: &self.request,
            moment,
            rivals,
            c: "c",
            p: "p",
        };
        let mut refusals = question.refusals();
        refusals.extend(self.became_double());
        let cases: String = refusals
            .iter()
            .map(|(reason, holds)| format!(" WHEN {holds} THEN '{}'", reason.as_str()))
            .collect();
        format!(
            "SELECT d.seq, d.attempt, c.id AS found, CASE{cases} END AS refusal,
                 c.{key} AS address_key, {household} AS household, {may_be_double} AS may_be_double, {customer}
             FROM deliveries d
             LEFT JOIN customers c ON c.id = d.customer_id
             LEFT JOIN permissions p ON {permission}
             WHERE {next} {locked} ORDER BY {order} LIMIT $5",
            key = address_key(self.request.channel),
            household = if self.request.per_household {
                "c.household_key"
            } else {
                "NULL"
            },
            may_be_double = self.may_be_double(),
            customer = customer_store::select_list(self.dialect, "c"),
            permission = question.permission_join(),
            next = next_rows(kind),
            order = order(kind),
            // An erased customer cannot be locked, and need not be.
            locked = match self.dialect {
                Dialect::Sqlite => String::new(),
                Dialect::Postgres => format!(
                    "AND (c.id IS NULL OR d.seq IN {})",
                    self.dialect.list(6, Kind::Int)
                ),
            },
        )
    }

    /// Two people of the wave may have become one since the launch: by an address or a household that
    /// either of them was given. Of all others the audience has seen to that.
    fn became_double(&self) -> Vec<(Withheld, String)> {
        self.keys()
            .into_iter()
            .map(|(reason, key)| {
                let holds = format!(
                    // Who is in hand, was contacted, or may have been stands in the contact history. CROSS
                    // JOIN keeps SQLite from beginning with the contacts of all.
                    "EXISTS (SELECT 1 FROM customers o CROSS JOIN contacts ok \
                     WHERE {same} AND ok.customer_id = o.id AND ok.wave_id = {wave})",
                    wave = self.wave,
                    same = self.same(key),
                );
                (reason, holds)
            })
            .collect()
    }

    /// SQL for whether a person shares an address or a household that changed since the launch.
    fn may_be_double(&self) -> String {
        let shares: Vec<String> = self
            .keys()
            .into_iter()
            .map(|(_, key)| {
                format!(
                    "EXISTS (SELECT 1 FROM customers o WHERE {})",
                    self.same(key)
                )
            })
            .collect();
        format!("({})", shares.join(" OR "))
    }

    /// SQL for another customer `o` with the same key, which one of the two got after the launch.
    fn same(&self, key: &str) -> String {
        format!(
            "o.{key} = c.{key} AND o.id <> c.id AND (c.updated_at > {at} OR o.updated_at > {at})",
            at = self.launched_at
        )
    }

    fn keys(&self) -> Vec<(Withheld, &'static str)> {
        let mut keys = vec![(
            Withheld::DuplicateAddress,
            address_key(self.request.channel),
        )];
        if self.request.per_household {
            keys.push((Withheld::Household, "household_key"));
        }
        keys
    }

    /// When the quiet hours of a person end; `None` when he may be contacted now.
    pub(super) fn release(&self, customer: &Customer, now_ms: i64) -> Option<i64> {
        let route = self.request.route();
        if !self.rules.quiet_hours.concerns(route) {
            return None;
        }
        let place = Whereabouts::of(customer, route.channel, self.request.fallback_zone);
        self.rules
            .quiet_hours
            .next_allowed(from_ms(now_ms), route, place)
            .map(|at| at.timestamp_millis())
    }
}

/// Which rows of a lease come next.
pub(super) fn next_rows(kind: LeaseKind) -> &'static str {
    match kind {
        LeaseKind::First => {
            "d.wave_id = $1 AND d.seq BETWEEN $2 AND $3 AND d.state = 0 AND d.due_at <= CAST($4 AS BIGINT)"
        }
        LeaseKind::Retry => {
            "d.wave_id = $1 AND d.seq BETWEEN $2 AND $3 AND d.state = 3 AND d.next_at <= CAST($4 AS BIGINT)"
        }
    }
}

/// In which order they come.
pub(super) fn order(kind: LeaseKind) -> &'static str {
    match kind {
        LeaseKind::First => "d.seq",
        LeaseKind::Retry => "d.next_at, d.seq",
    }
}
