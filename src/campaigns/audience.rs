//! The audience query: whom the segment selects, and why some of them are withheld.
//!
//! Asked by `check` (counted) and by launch (written), so that what is announced is what happens. The
//! gate asks the same questions of one chunk right before the hand-over, through [`refusal`].

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use sea_orm::sea_query::{Alias, Expr, Order, Query, SelectStatement};

use super::definition::{Definition, Schedule, Zone};
use super::schedule;
use crate::consent::model::Channel;
use crate::consent::store as consent;
use crate::gate::model::Withheld;
use crate::segments::Rule;
use crate::storage::Dialect;

/// What the audience query needs to know.
#[derive(Debug)]
pub struct Audience<'a> {
    pub rule: &'a Rule,
    pub channel: Channel,
    /// Lower-case letters, digits, `-` and `_` only; [`Definition`] sees to that.
    pub topic: &'a str,
    pub control_percent: u8,
    /// Makes the control group of each campaign another one.
    pub salt: i64,
    pub now: DateTime<Utc>,
    /// When each recipient is due.
    pub due: DueBy,
}

/// When a recipient's message is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueBy {
    /// All at one instant.
    Instant(i64),
    /// By the recipient's zone; the last is for everyone else.
    Zone {
        by_zone: BTreeMap<String, i64>,
        otherwise: i64,
    },
}

impl DueBy {
    /// The due instants of a definition launched now: each recipient's own for the zones given.
    pub fn of(definition: &Definition, zones: &[String], now: DateTime<Utc>) -> Self {
        match &definition.schedule {
            Some(Schedule {
                at: Some(local),
                zone: Zone::Recipient,
                fallback_zone,
                ..
            }) => Self::Zone {
                by_zone: zones
                    .iter()
                    .filter_map(|name| {
                        let zone: Tz = name.parse().ok()?;
                        Some((name.clone(), due_ms(*local, zone)))
                    })
                    .collect(),
                otherwise: due_ms(*local, *fallback_zone),
            },
            _ => Self::Instant(now.timestamp_millis()),
        }
    }

    /// As SQL over `customers.time_zone`. Zone names come from the zone database, so they hold no quote.
    fn sql(&self) -> String {
        match self {
            Self::Instant(at) => at.to_string(),
            Self::Zone { by_zone, otherwise } if by_zone.is_empty() => otherwise.to_string(),
            Self::Zone { by_zone, otherwise } => {
                let mut sql = String::from("CASE customers.time_zone");
                for (zone, at) in by_zone {
                    sql.push_str(&format!(" WHEN '{zone}' THEN {at}"));
                }
                sql.push_str(&format!(" ELSE {otherwise} END"));
                sql
            }
        }
    }
}

fn due_ms(local: NaiveDateTime, zone: Tz) -> i64 {
    schedule::instant(local, zone).timestamp_millis()
}

impl Audience<'_> {
    /// Rows (id, due_at, reason): everyone the segment selects, `reason` NULL for who will be contacted.
    pub fn select(&self, dialect: Dialect) -> SelectStatement {
        let selected = Query::select()
            .expr_as(Expr::cust("customers.id"), Alias::new("id"))
            .expr_as(
                Expr::cust(format!("customers.{}", address_key(self.channel))),
                Alias::new("address"),
            )
            .expr_as(Expr::cust(self.due.sql()), Alias::new("due_at"))
            .expr_as(
                Expr::cust(refusal("customers", "p", self.channel, self.topic)),
                Alias::new("reason"),
            )
            .from(Alias::new("customers"))
            .join_as(
                sea_orm::sea_query::JoinType::LeftJoin,
                Alias::new("permissions"),
                Alias::new("p"),
                Expr::cust(permission_join(
                    "customers.id",
                    "p",
                    self.channel,
                    self.topic,
                )),
            )
            .cond_where(self.rule.condition(dialect, self.now))
            .take();
        // One message an address: the customer known longest gets it.
        let distinct = Query::select()
            .expr_as(Expr::cust("s.id"), Alias::new("id"))
            .expr_as(Expr::cust("s.due_at"), Alias::new("due_at"))
            .expr_as(
                Expr::cust(format!(
                    "CASE WHEN s.reason IS NULL AND ROW_NUMBER() OVER \
                     (PARTITION BY (CASE WHEN s.reason IS NULL THEN s.address END) ORDER BY s.id) > 1 \
                     THEN '{}' ELSE s.reason END",
                    Withheld::DuplicateAddress.as_str()
                )),
                Alias::new("reason"),
            )
            .from_subquery(selected, Alias::new("s"))
            .take();
        Query::select()
            .expr_as(Expr::cust("a.id"), Alias::new("id"))
            .expr_as(Expr::cust("a.due_at"), Alias::new("due_at"))
            .expr_as(
                Expr::cust(format!(
                    "CASE WHEN a.reason IS NULL AND {} < {} THEN '{}' ELSE a.reason END",
                    hash_percent("a.id", self.salt),
                    self.control_percent,
                    Withheld::Control.as_str()
                )),
                Alias::new("reason"),
            )
            .from_subquery(distinct, Alias::new("a"))
            .take()
    }

    /// Rows (reason, n): the waterfall; `reason` NULL is who will be contacted.
    pub fn count(&self, dialect: Dialect) -> SelectStatement {
        Query::select()
            .expr_as(Expr::col(Alias::new("reason")), Alias::new("reason"))
            .expr_as(Expr::cust("COUNT(*)"), Alias::new("n"))
            .from_subquery(self.select(dialect), Alias::new("audience"))
            .group_by_col(Alias::new("reason"))
            .order_by_expr(Expr::cust("n"), Order::Desc)
            .take()
    }
}

/// The join that brings in the permission for a channel and topic.
pub fn permission_join(customer_id: &str, p: &str, channel: Channel, topic: &str) -> String {
    format!(
        "{p}.customer_id = {customer_id} AND {p}.channel = '{channel}' AND {p}.topic = '{topic}'"
    )
}

/// SQL for why customer `c` with permission `p` may not be contacted; NULL when he may.
pub fn refusal(c: &str, p: &str, channel: Channel, topic: &str) -> String {
    let fingerprint = format!("{c}.{channel}_fingerprint");
    let fingerprint = match channel {
        Channel::Email => fingerprint,
        Channel::Sms => format!("{c}.phone_fingerprint"),
    };
    let (address, bad_address) = match channel {
        Channel::Email => (
            "email",
            format!(
                "WHEN {c}.email_state = 'malformed' THEN '{}' WHEN {c}.email_state = 'refused' THEN '{}'",
                Withheld::MalformedAddress.as_str(),
                Withheld::RefusedAddress.as_str()
            ),
        ),
        Channel::Sms => ("phone", String::new()),
    };
    format!(
        "CASE WHEN {c}.{address} IS NULL THEN '{no_address}' {bad_address} \
         WHEN EXISTS (SELECT 1 FROM suppressions x WHERE x.fingerprint = {fingerprint} \
              AND x.channel = '{channel}' AND x.scope IN ('{topic}', '*') \
              AND {stands_against}) \
              THEN '{suppressed}' \
         WHEN {p}.is_granted IS NULL OR NOT {p}.is_granted THEN '{no_permission}' END",
        no_address = Withheld::NoAddress.as_str(),
        stands_against = consent::stands_against("x", p),
        suppressed = Withheld::Suppressed.as_str(),
        no_permission = Withheld::NoPermission.as_str(),
    )
}

fn address_key(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email_key",
        Channel::Sms => "phone",
    }
}

/// SQL for a number from 0 to 99 that depends on `id` and `salt` only: the same on both databases.
///
/// Two rounds of squaring modulo the prime 2^31 - 1 between linear steps; squaring keeps neighbours
/// from staying neighbours. Every product stays below 2^63, since SQLite turns to floats beyond it.
fn hash_percent(id: &str, salt: i64) -> String {
    const P: i64 = 2_147_483_647;
    let salt = salt.rem_euclid(P);
    let first = format!("((({id} % {P}) * 48271 + {salt}) % {P})");
    let second = format!("((({first} * {first}) % {P} + {salt} + 12345) % {P})");
    let third = format!("((({second} * {second}) % {P} * 69621 + 7) % {P})");
    format!("({third} / 13 % 100)")
}
