//! The audience query: whom the segment selects, and why some of them are withheld.
//!
//! Asked by `check` (counted) and by launch (written), so that what is announced is what happens. The
//! gate asks the same rules of each row right before the hand-over ([`crate::gate::store::Question`]).

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use sea_orm::sea_query::{Alias, Expr, JoinType, Order, Query, SelectStatement};

use super::definition::{Definition, Schedule, Zone};
use super::schedule;
use crate::gate::model::{Request, Rival, Withheld};
use crate::gate::moment::{Moment, Places};
use crate::gate::quiet_hours::Whereabouts;
use crate::gate::rules::Rules;
use crate::gate::store::{Question, address_key};
use crate::segments::Rule;
use crate::storage::Dialect;

/// What the audience query needs to know.
#[derive(Debug)]
pub struct Audience<'a> {
    pub rule: &'a Rule,
    pub rules: &'a Rules,
    pub request: &'a Request,
    /// Running waves that go first.
    pub rivals: &'a [Rival],
    pub places: &'a Places,
    pub control_percent: u8,
    /// Makes the control group of each campaign another one.
    pub salt: i64,
    pub now: DateTime<Utc>,
    /// When each recipient is due.
    pub due: DueBy,
}

/// When a recipient's message is due, before quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueBy {
    /// All at one instant.
    Instant(DateTime<Utc>),
    /// By the clock of each recipient's zone.
    Local(NaiveDateTime),
}

impl DueBy {
    /// When the recipients of a definition launched now are due.
    pub fn of(definition: &Definition, now: DateTime<Utc>) -> Self {
        match &definition.schedule {
            Some(Schedule {
                at: Some(local),
                zone: Zone::Recipient,
                ..
            }) => Self::Local(*local),
            _ => Self::Instant(now),
        }
    }

    fn at(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Instant(at) => at,
            Self::Local(local) => schedule::instant(local, zone),
        }
    }
}

impl Audience<'_> {
    /// When a recipient at a place is due: as the schedule has it, or when the quiet hours end.
    fn due_at(&self, zone: Tz, country: &str) -> i64 {
        let wished = self.due.at(zone);
        let place = Whereabouts {
            country,
            postal_code: None,
            zone,
        };
        self.rules
            .quiet_hours
            .next_allowed(wished.max(self.now), self.request.channel, place)
            .unwrap_or(wished)
            .timestamp_millis()
    }

    /// Rows (id, due_at, wished_at, reason): everyone the segment selects, `reason` NULL for who will be
    /// contacted; `due_at` is later than `wished_at` where the hours are quiet.
    pub fn select(&self, dialect: Dialect) -> SelectStatement {
        let wished = self
            .places
            .by_zone("customers", |zone| self.due.at(zone).timestamp_millis());
        let is_quiet = self.rules.quiet_hours.concerns(self.request.channel);
        let due = if is_quiet {
            self.places
                .by_place("customers", |zone, country| self.due_at(zone, country))
        } else {
            wished.clone()
        };
        // One instant for all is a constant, and the windows that end with it depend on the zone alone.
        let moment = match (is_quiet, self.due) {
            (false, DueBy::Instant(at)) => {
                let now_ms = at.timestamp_millis();
                Moment::of_instant(&now_ms.to_string(), now_ms, "c", self.rules, self.places)
            }
            _ => {
                let mut moment = Moment::by_place("c", self.rules, self.places, |zone, country| {
                    self.due_at(zone, country)
                });
                moment.now = "c.due_at".to_owned();
                moment
            }
        };
        let question = Question {
            dialect,
            rules: self.rules,
            request: self.request,
            moment: &moment,
            rivals: self.rivals,
            c: "c",
            p: "p",
        };
        let segment = Query::select()
            .expr(Expr::cust("customers.*"))
            .expr_as(Expr::cust(due), Alias::new("due_at"))
            .expr_as(Expr::cust(wished), Alias::new("wished_at"))
            .from(Alias::new("customers"))
            .cond_where(self.rule.condition(dialect, self.now))
            .take();
        let selected = Query::select()
            .expr_as(Expr::cust("c.id"), Alias::new("id"))
            .expr_as(
                Expr::cust(format!("c.{}", address_key(self.request.channel))),
                Alias::new("address"),
            )
            .expr_as(Expr::cust("c.household_key"), Alias::new("household"))
            .expr_as(Expr::cust("c.due_at"), Alias::new("due_at"))
            .expr_as(Expr::cust("c.wished_at"), Alias::new("wished_at"))
            .expr_as(Expr::cust(question.reason()), Alias::new("reason"))
            .from_subquery(segment, Alias::new("c"))
            .join_as(
                JoinType::LeftJoin,
                Alias::new("permissions"),
                Alias::new("p"),
                Expr::cust(question.permission_join()),
            )
            .take();
        // One message an address, and where it is wished a household: the customer known longest gets it.
        let mut rest = first_of_each(selected, "s.address", Withheld::DuplicateAddress);
        if self.request.per_household {
            rest = first_of_each(rest, "s.household", Withheld::Household);
        }
        rest = refused(
            rest,
            &format!(
                "{} < {}",
                hash_percent("s.id", self.salt),
                self.control_percent
            ),
            Withheld::Control,
        );
        if let Some(end) = self.request.ends_at {
            rest = refused(
                rest,
                &format!("s.wished_at < {end} AND s.due_at >= {end}"),
                Withheld::QuietHours,
            );
            rest = refused(rest, &format!("s.due_at >= {end}"), Withheld::Ended);
        }
        rest
    }

    /// Rows (reason, held_until, n): the waterfall; `reason` NULL is who will be contacted, `held_until`
    /// when the quiet hours end for those who wait for that.
    pub fn count(&self, dialect: Dialect) -> SelectStatement {
        let held = "CASE WHEN reason IS NULL AND due_at > wished_at THEN due_at END";
        Query::select()
            .expr_as(Expr::col(Alias::new("reason")), Alias::new("reason"))
            .expr_as(Expr::cust(held), Alias::new("held_until"))
            .expr_as(Expr::cust("COUNT(*)"), Alias::new("n"))
            .from_subquery(self.select(dialect), Alias::new("audience"))
            .group_by_col(Alias::new("reason"))
            .add_group_by([Expr::cust(held)])
            .order_by_expr(Expr::cust("n"), Order::Desc)
            .take()
    }

    /// As [`Audience::select`], of one customer; no row when the segment does not select him.
    pub fn select_one(&self, dialect: Dialect, customer: i64) -> SelectStatement {
        Query::select()
            .expr_as(Expr::cust("one.due_at"), Alias::new("due_at"))
            .expr_as(Expr::cust("one.wished_at"), Alias::new("wished_at"))
            .expr_as(Expr::cust("one.reason"), Alias::new("reason"))
            .from_subquery(self.select(dialect), Alias::new("one"))
            .and_where(Expr::cust(format!("one.id = {customer}")))
            .take()
    }
}

/// Withholds all but the first, by id, of those eligible who share a value that is not NULL.
fn first_of_each(rows: SelectStatement, value: &str, reason: Withheld) -> SelectStatement {
    let eligible = format!("s.reason IS NULL AND {value} IS NOT NULL");
    let is_later = format!(
        "{value} IS NOT NULL AND ROW_NUMBER() OVER \
         (PARTITION BY (CASE WHEN {eligible} THEN {value} END) ORDER BY s.id) > 1"
    );
    refused(rows, &is_later, reason)
}

/// Gives those still eligible a reason where the condition on `s` holds.
fn refused(rows: SelectStatement, condition: &str, reason: Withheld) -> SelectStatement {
    let mut query = Query::select();
    for column in ["id", "address", "household", "due_at", "wished_at"] {
        query.expr_as(Expr::cust(format!("s.{column}")), Alias::new(column));
    }
    query
        .expr_as(
            Expr::cust(format!(
                "CASE WHEN s.reason IS NULL AND {condition} THEN '{}' ELSE s.reason END",
                reason.as_str()
            )),
            Alias::new("reason"),
        )
        .from_subquery(rows, Alias::new("s"))
        .take()
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
