//! The audience query: whom the segment selects, and why some of them are withheld.
//!
//! Asked by `check` (counted) and by launch (written), so that what is announced is what happens. The
//! gate asks the same rules of each row right before the hand-over ([`crate::gate::store::Question`]).

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Condition, Expr, JoinType, Order, Query, SelectStatement,
    UnionType, WithClause,
};

use super::cells::{CONTROL, GLOBAL};
use super::definition::{Definition, Schedule, Zone};
use super::schedule;
use super::split::Split;
use crate::consent::model::Channel;
use crate::gate::control::{LOTS, Share};
use crate::gate::model::{Request, Rival, Withheld};
use crate::gate::moment::{Moment, Places};
use crate::gate::quiet_hours::Whereabouts;
use crate::gate::rules::Rules;
use crate::gate::store::{Question, address_key, fingerprint};
use crate::segments::Rule;
use crate::storage::Dialect;
use crate::storage::chance::lot;

/// What the audience query needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Audience<'a> {
    pub rule: &'a Rule,
    pub rules: &'a Rules,
    /// For each channel in order: each person gets the first that he may be contacted by.
    pub requests: &'a [Request],
    /// Running waves that go first.
    pub rivals: &'a [Rival],
    pub places: &'a Places,
    pub control_percent: u8,
    /// Who is in the standing control group, where the campaign leaves that out.
    pub standing: Option<&'a Share>,
    /// Between what it is decided, and how the people are shared out; empty: all get the same.
    pub split: &'a Split,
    /// Makes the control group and the cells of each campaign others.
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

/// Of whom the audience is asked.
#[derive(Debug)]
enum Whom {
    All,
    /// Of these ids.
    Circle(Box<SelectStatement>),
}

impl Audience<'_> {
    /// When a recipient at a place is due by a channel of the campaign: as the schedule has it, or when the quiet hours end.
    fn due_at(&self, request: &Request, zone: Tz, country: &str) -> i64 {
        let wished = self.due.at(zone);
        let place = Whereabouts {
            country,
            postal_code: None,
            zone,
        };
        self.rules
            .quiet_hours
            .next_allowed(wished.max(self.now), request.route(), place)
            .unwrap_or(wished)
            .timestamp_millis()
    }

    /// The one instant at which everyone is due, where neither zones nor quiet hours tell them apart.
    pub fn due_at_once(&self) -> Option<i64> {
        match self.due {
            DueBy::Instant(at) => {
                let mut requests = self.requests.iter();
                let is_quiet =
                    requests.any(|request| self.rules.quiet_hours.concerns(request.route()));
                (!is_quiet).then(|| at.timestamp_millis())
            }
            DueBy::Local(_) => None,
        }
    }

    /// Rows (id, due_at, wished_at, address, household, channel, reason) of everyone the segment selects, by
    /// what is known of him alone. The address is there of whoever may share it, the household where it
    /// counts. Who may not be contacted by the first channel has that reason, unless the second may be used.
    pub fn asked(&self, dialect: Dialect) -> SelectStatement {
        self.asked_of(&Whom::All, dialect)
    }

    fn asked_of(&self, whom: &Whom, dialect: Dialect) -> SelectStatement {
        let segment = || self.rule.condition(dialect, self.now);
        match self.requests {
            [] => Query::select(),
            [only] => self.asked_by(only, whom, dialect, segment()),
            [first, second, ..] => self.asked_in_order(first, second, whom, dialect, segment()),
        }
    }

    /// As [`Audience::asked`], of two channels.
    fn asked_in_order(
        &self,
        first: &Request,
        second: &Request,
        whom: &Whom,
        dialect: Dialect,
        segment: Condition,
    ) -> SelectStatement {
        let by_first = self.asked_by(first, whom, dialect, segment);
        let rest = Condition::all().add(Expr::cust(
            "customers.id IN (SELECT x.id FROM asked_first x WHERE x.reason IS NOT NULL)",
        ));
        let by_second = self.asked_by(second, whom, dialect, rest);
        let mut with = WithClause::new();
        for (name, query) in [("asked_first", by_first), ("asked_second", by_second)] {
            with.cte(
                CommonTableExpression::new()
                    .table_name(Alias::new(name))
                    .query(query)
                    .materialized(true)
                    .to_owned(),
            );
        }
        let takes_second = "b.id IS NOT NULL AND b.reason IS NULL";
        let mut merged = Query::select();
        merged.expr_as(Expr::cust("a.id"), Alias::new("id"));
        for column in [
            "due_at",
            "wished_at",
            "address",
            "household",
            "channel",
            "reason",
        ] {
            merged.expr_as(
                Expr::cust(format!(
                    "CASE WHEN {takes_second} THEN b.{column} ELSE a.{column} END"
                )),
                Alias::new(column),
            );
        }
        merged
            .from_as(Alias::new("asked_first"), Alias::new("a"))
            .join_as(
                JoinType::LeftJoin,
                Alias::new("asked_second"),
                Alias::new("b"),
                Expr::cust("b.id = a.id"),
            )
            .with_cte(with)
            .take()
    }

    /// As [`Audience::asked`], by one channel, of those for whom `segment` holds.
    ///
    /// Most people are on no list, share no address and got nothing of late: the rules that look somebody
    /// up are asked of the others only.
    fn asked_by(
        &self,
        request: &Request,
        whom: &Whom,
        dialect: Dialect,
        segment: Condition,
    ) -> SelectStatement {
        let channel = request.channel;
        let wished = self
            .places
            .by_zone("customers", |zone| self.due.at(zone).timestamp_millis());
        let due = if self.rules.quiet_hours.concerns(request.route()) {
            self.places.by_place("customers", channel, |zone, country| {
                self.due_at(request, zone, country)
            })
        } else {
            wished.clone()
        };
        // One instant for all is a constant, and the windows that end with it depend on the zone alone.
        let moment = match self.due_at_once() {
            Some(now_ms) => {
                Moment::of_instant(&now_ms.to_string(), now_ms, "c", self.rules, self.places)
            }
            None => {
                let mut moment =
                    Moment::by_place("c", channel, self.rules, self.places, |zone, country| {
                        self.due_at(request, zone, country)
                    });
                moment.now = "c.due_at".to_owned();
                moment
            }
        };
        let question = Question {
            dialect,
            rules: self.rules,
            request,
            moment: &moment,
            rivals: self.rivals,
            c: "c",
            p: "p",
        };
        let key = address_key(channel);
        let mut selected = Query::select();
        selected
            .expr(Expr::cust("customers.*"))
            .expr_as(Expr::cust(due), Alias::new("due_at"))
            .expr_as(Expr::cust(wished), Alias::new("wished_at"))
            .cond_where(segment);
        let special = match whom {
            Whom::All => {
                selected.from(Alias::new("customers"));
                Self::special(request)
            }
            Whom::Circle(circle) => {
                // In this order on both databases: from the few to their rows.
                selected
                    .from_subquery((**circle).clone(), Alias::new("circle"))
                    .join(
                        JoinType::CrossJoin,
                        Alias::new("customers"),
                        Expr::cust("TRUE"),
                    )
                    .and_where(Expr::cust("customers.id = circle.id"));
                (**circle).clone()
            }
        };
        let mut asked = Query::select();
        for (sql, column) in [
            ("c.id", "id"),
            ("c.due_at", "due_at"),
            ("c.wished_at", "wished_at"),
            (
                "CASE WHEN special.id IS NOT NULL THEN c.{key} END",
                "address",
            ),
        ] {
            asked.expr_as(Expr::cust(sql.replace("{key}", key)), Alias::new(column));
        }
        let household = if request.per_household {
            "c.household_key"
        } else {
            "CAST(NULL AS TEXT)"
        };
        asked
            .expr_as(Expr::cust(household), Alias::new("household"))
            .expr_as(Expr::cust(format!("'{channel}'")), Alias::new("channel"))
            .expr_as(
                Expr::cust(question.reason(|reason| self.guard(reason, &question))),
                Alias::new("reason"),
            )
            .from_subquery(selected, Alias::new("c"))
            .join_as(
                JoinType::LeftJoin,
                Alias::new("permissions"),
                Alias::new("p"),
                Expr::cust(question.permission_join()),
            )
            .join_subquery(
                JoinType::LeftJoin,
                special,
                Alias::new("special"),
                Expr::cust("special.id = c.id"),
            );
        asked
    }

    /// The ids of those on a list of suppressions, with a pause or a wish, or with an address that several
    /// have.
    fn special(request: &Request) -> SelectStatement {
        let key = address_key(request.channel);
        // CROSS JOIN keeps SQLite from beginning with all customers.
        let of = |set: &str, condition: String| {
            Query::select()
                .expr_as(Expr::cust("m.id"), Alias::new("id"))
                .from_as(Alias::new(set), Alias::new("x"))
                .join_as(
                    JoinType::CrossJoin,
                    Alias::new("customers"),
                    Alias::new("m"),
                    Expr::cust("TRUE"),
                )
                .and_where(Expr::cust(condition))
                .take()
        };
        let mut listed = of(
            "suppressions",
            format!(
                "m.{} = x.fingerprint AND x.channel = '{}' AND x.scope IN ('{}', '*')",
                fingerprint(request.channel),
                request.channel,
                request.topic
            ),
        );
        let wishing = of(
            "customers",
            format!(
                "m.{key} = x.{key} AND (x.paused_until IS NOT NULL OR x.frequency_days IS NOT NULL)"
            ),
        );
        let shared = Query::select()
            .expr_as(Expr::cust(key), Alias::new("address"))
            .from(Alias::new("customers"))
            .and_where(Expr::cust(format!("{key} IS NOT NULL")))
            .group_by_col(Alias::new(key))
            .and_having(Expr::cust("COUNT(*) > 1"))
            .take();
        let sharing = Query::select()
            .expr_as(Expr::cust("m.id"), Alias::new("id"))
            .from_subquery(shared, Alias::new("x"))
            .join_as(
                JoinType::CrossJoin,
                Alias::new("customers"),
                Alias::new("m"),
                Expr::cust("TRUE"),
            )
            .and_where(Expr::cust(format!("m.{key} = x.address")))
            .take();
        listed
            .union(UnionType::Distinct, wishing)
            .union(UnionType::Distinct, sharing)
            .take()
    }

    /// SQL that holds wherever the rule of a reason does; `None` where the rule itself is cheap.
    fn guard(&self, reason: Withheld, question: &Question<'_>) -> Option<String> {
        let is_special = "special.id IS NOT NULL";
        match reason {
            Withheld::Suppressed | Withheld::Paused => Some(is_special.to_owned()),
            // What was sent counts for the mailbox, so whoever may share his is asked in any case.
            Withheld::Pressure => {
                let mut guard = format!(
                    "({is_special} OR EXISTS (SELECT 1 FROM contacts k WHERE k.customer_id = c.id \
                     AND k.contacted_at > {})",
                    self.earliest_due() - question.reach_ms()
                );
                if !self.rivals.is_empty() {
                    let waves: Vec<String> = self
                        .rivals
                        .iter()
                        .map(|rival| rival.wave.to_string())
                        .collect();
                    guard.push_str(&format!(
                        " OR EXISTS (SELECT 1 FROM deliveries w WHERE w.customer_id = c.id \
                         AND w.wave_id IN ({}) AND w.state IN (0, 3))",
                        waves.join(", ")
                    ));
                }
                guard.push(')');
                Some(guard)
            }
            _ => None,
        }
    }

    /// Before this nobody is due, in milliseconds.
    fn earliest_due(&self) -> i64 {
        self.places
            .all
            .iter()
            .filter_map(|place| place.zone)
            .chain([self.places.fallback])
            .map(|zone| self.due.at(zone).timestamp_millis())
            .min()
            .unwrap_or_else(|| self.now.timestamp_millis())
    }

    fn asks_household(&self) -> bool {
        self.requests.iter().any(|request| request.per_household)
    }

    /// Rows (id, due_at, wished_at, channel, reason) of table `asked` (the rows of [`Audience::asked`]) with what
    /// people are to each other, the control group and the end of the campaign; `reason` NULL for who will
    /// be contacted. `due_at` is later than `wished_at` where the hours are quiet.
    pub fn rest(&self) -> SelectStatement {
        // One message an address, and where it is wished a household: the customer known longest gets it.
        let twins = later_of_each("address", None);
        let mut sets = vec![("twin", Withheld::DuplicateAddress, twins.clone())];
        if self.asks_household() {
            let housemates = later_of_each("household", Some(twins));
            sets.push(("housemate", Withheld::Household, housemates));
        }
        let mut cases = String::from("WHEN s.reason IS NOT NULL THEN s.reason");
        for (name, reason, _) in &sets {
            cases.push_str(&format!(
                " WHEN {name}.id IS NOT NULL THEN '{}'",
                reason.as_str()
            ));
        }
        let mut refuse = |condition: &str, reason: Withheld| {
            cases.push_str(&format!(" WHEN {condition} THEN '{}'", reason.as_str()));
        };
        if let Some(end) = self.requests.iter().find_map(|request| request.ends_at) {
            refuse(
                &format!("s.wished_at < {end} AND s.due_at >= {end}"),
                Withheld::QuietHours,
            );
            refuse(&format!("s.due_at >= {end}"), Withheld::Ended);
        }
        // The lots are drawn last, among those who would be contacted: so those who are held back are like them.
        if let Some(share) = self.standing {
            let lot = lot("s.id", share.period.salt, LOTS);
            let is_standing = format!("{lot} < {}", share.percent);
            refuse(&is_standing, Withheld::GlobalControl);
        }
        if self.control_percent > 0 {
            let is_control = format!(
                "{} < {}",
                lot("s.id", self.salt, LOTS),
                self.control_percent
            );
            refuse(&is_control, Withheld::Control);
        }
        let mut rest = Query::select();
        for column in ["id", "due_at", "wished_at", "channel"] {
            rest.expr_as(Expr::cust(format!("s.{column}")), Alias::new(column));
        }
        rest.expr_as(
            Expr::cust(format!("CASE {cases} END")),
            Alias::new("reason"),
        )
        .from_as(Alias::new("asked"), Alias::new("s"));
        for (name, _, later) in sets {
            rest.join_subquery(
                JoinType::LeftJoin,
                later,
                Alias::new(name),
                Expr::cust(format!("{name}.id = s.id")),
            );
        }
        rest
    }

    /// SQL for the cell of a row of [`Audience::rest`] under an alias: the empty text of whoever was not to be
    /// contacted in any case, and so belongs to no arm.
    pub fn cell(&self, alias: &str) -> String {
        let of = |reason: Withheld, cell: &str| format!("WHEN '{}' THEN '{cell}'", reason.as_str());
        let eligible = self.split.cell(&format!("{alias}.id"), self.salt);
        if self.control_percent == 0 && self.standing.is_none() {
            return format!("CASE WHEN {alias}.reason IS NULL THEN {eligible} ELSE '' END");
        }
        format!(
            "CASE WHEN {alias}.reason IS NULL THEN {eligible} ELSE CASE {alias}.reason {} {} ELSE '' END END",
            of(Withheld::Control, CONTROL),
            of(Withheld::GlobalControl, GLOBAL),
        )
    }

    /// Rows (id, due_at, wished_at, channel, reason): everyone the segment selects; see [`Audience::rest`].
    pub fn select(&self, dialect: Dialect) -> SelectStatement {
        self.select_of(&Whom::All, dialect)
    }

    fn select_of(&self, whom: &Whom, dialect: Dialect) -> SelectStatement {
        let mut asked = CommonTableExpression::new();
        asked
            .table_name(Alias::new("asked"))
            .query(self.asked_of(whom, dialect))
            .materialized(true);
        let mut rest = self.rest();
        rest.with_cte(asked);
        rest
    }

    /// Rows (reason, channel, held_until, n): the waterfall; `reason` NULL is who will be contacted, `held_until`
    /// when the quiet hours end for those who wait for that.
    pub fn count(&self, dialect: Dialect) -> SelectStatement {
        let held = "CASE WHEN reason IS NULL AND due_at > wished_at THEN due_at END";
        Query::select()
            .expr_as(Expr::col(Alias::new("reason")), Alias::new("reason"))
            .expr_as(Expr::col(Alias::new("channel")), Alias::new("channel"))
            .expr_as(Expr::cust(held), Alias::new("held_until"))
            .expr_as(Expr::cust("COUNT(*)"), Alias::new("n"))
            .from_subquery(self.select(dialect), Alias::new("audience"))
            .group_by_col(Alias::new("reason"))
            .group_by_col(Alias::new("channel"))
            .add_group_by([Expr::cust(held)])
            .order_by_expr(Expr::cust("n"), Order::Desc)
            .take()
    }

    /// The ids of about `n` who will be contacted by a channel, as if drawn by lot.
    pub fn sample(&self, dialect: Dialect, channel: Channel, n: u32) -> SelectStatement {
        Query::select()
            .expr_as(Expr::cust("drawn.id"), Alias::new("id"))
            .from_subquery(self.select(dialect), Alias::new("drawn"))
            .and_where(Expr::cust(format!(
                "drawn.reason IS NULL AND drawn.channel = '{channel}'"
            )))
            .order_by_expr(Expr::cust(lot("drawn.id", self.salt, LOTS)), Order::Asc)
            .order_by_expr(Expr::cust("drawn.id"), Order::Asc)
            .limit(u64::from(n))
            .take()
    }

    /// As [`Audience::select`], of one customer; no row when the segment does not select him.
    ///
    /// Asked of those alone on whom the answer may depend, or it would take as long as counting everyone.
    pub fn select_one(&self, dialect: Dialect, customer: i64) -> SelectStatement {
        let circle = Whom::Circle(Box::new(circle(self.requests, customer)));
        Query::select()
            .expr_as(Expr::cust("one.due_at"), Alias::new("due_at"))
            .expr_as(Expr::cust("one.wished_at"), Alias::new("wished_at"))
            .expr_as(Expr::cust("one.reason"), Alias::new("reason"))
            .from_subquery(self.select_of(&circle, dialect), Alias::new("one"))
            .and_where(Expr::cust(format!("one.id = {customer}")))
            .take()
    }
}

/// The ids of those on whom it depends what becomes of a customer: the customer, the household where it gets one
/// message only, and whoever shares an address with any of these.
pub fn circle(requests: &[Request], customer: i64) -> SelectStatement {
    // CROSS JOIN keeps SQLite from beginning with all customers.
    let others = |from: SelectStatement, shared: &str| {
        let mut others = Query::select();
        others
            .expr_as(Expr::cust("m.id"), Alias::new("id"))
            .from_subquery(from, Alias::new("x"));
        for name in ["o", "m"] {
            others.join_as(
                JoinType::CrossJoin,
                Alias::new("customers"),
                Alias::new(name),
                Expr::cust("TRUE"),
            );
        }
        others
            .and_where(Expr::cust(format!(
                "o.id = x.id AND m.{shared} = o.{shared}"
            )))
            .take()
    };
    let himself = Query::select()
        .expr_as(
            Expr::cust(format!("CAST({customer} AS BIGINT)")),
            Alias::new("id"),
        )
        .take();
    let mut household = himself.clone();
    if requests.iter().any(|request| request.per_household) {
        household.union(UnionType::Distinct, others(himself, "household_key"));
    }
    let mut circle = household.clone();
    for request in requests {
        let sharing = others(household.clone(), address_key(request.channel));
        circle.union(UnionType::Distinct, sharing);
    }
    circle
}

/// The ids of all but the first, by id, of those in table `asked` who may be contacted and share a value,
/// but for the `twins`.
fn later_of_each(value: &str, twins: Option<SelectStatement>) -> SelectStatement {
    let mut ranked = Query::select();
    ranked
        .expr_as(Expr::cust("a.id"), Alias::new("id"))
        .expr_as(
            Expr::cust(format!(
                "ROW_NUMBER() OVER (PARTITION BY a.{value} ORDER BY a.id)"
            )),
            Alias::new("place"),
        )
        .from_as(Alias::new("asked"), Alias::new("a"))
        .and_where(Expr::cust(format!(
            "a.reason IS NULL AND a.{value} IS NOT NULL"
        )));
    if let Some(twins) = twins {
        ranked
            .join_subquery(
                JoinType::LeftJoin,
                twins,
                Alias::new("twin"),
                Expr::cust("twin.id = a.id"),
            )
            .and_where(Expr::cust("twin.id IS NULL"));
    }
    Query::select()
        .expr_as(Expr::cust("ranked.id"), Alias::new("id"))
        .from_subquery(ranked, Alias::new("ranked"))
        .and_where(Expr::cust("ranked.place > 1"))
        .take()
}
