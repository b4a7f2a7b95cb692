//! The rules as SQL: one CASE in the order of the waterfall, asked by audience, gate and `why` alike.
//!
//! Cheap tests stand first, and both databases stop at the first that holds; the contact history is
//! looked at last, in one range of its primary key for each customer of the mailbox.

pub(super) mod reach;

use chrono_tz::Tz;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::model::{Request, Rival, Withheld};
use super::moment::{Moment, Place, Places};
use super::rules::{Cap, DAY_MS, Rules, WEEK_DAYS};
use crate::config::WindowKind;
use crate::consent::model::{Action, Basis, Channel};
use crate::consent::store as consent;
use crate::storage::{Dialect, Sql};

/// What is asked of customer `c` with permission `p`, both table aliases.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub dialect: Dialect,
    pub rules: &'a Rules,
    pub request: &'a Request,
    pub moment: &'a Moment,
    pub rivals: &'a [Rival],
    pub c: &'a str,
    pub p: &'a str,
}

impl Question<'_> {
    /// The join that brings in the permission for channel and topic.
    pub fn permission_join(&self) -> String {
        format!(
            "{p}.customer_id = {c}.id AND {p}.channel = '{channel}' AND {p}.topic = '{topic}'",
            p = self.p,
            c = self.c,
            channel = self.request.channel,
            topic = self.request.topic,
        )
    }

    /// SQL for why he may not be contacted; NULL when he may. A rule with a guard is asked only where that
    /// holds: SQL that is cheap over a whole base and holds wherever the rule does.
    pub fn reason(&self, guard: impl Fn(Withheld) -> Option<String>) -> String {
        let cases: String = self
            .refusals()
            .iter()
            .map(|(reason, holds)| {
                let word = reason.as_str();
                match guard(*reason) {
                    Some(guard) => format!(" WHEN {guard} AND ({holds}) THEN '{word}'"),
                    None => format!(" WHEN {holds} THEN '{word}'"),
                }
            })
            .collect();
        format!("CASE{cases} END")
    }

    /// Every reason of the person's own with the SQL of when it holds (true; false or NULL otherwise), in
    /// the order of the waterfall. A later one is right only where no earlier one holds.
    pub fn refusals(&self) -> Vec<(Withheld, String)> {
        let (c, p) = (self.c, self.p);
        let mut refusals = vec![(
            Withheld::NoAddress,
            format!("{c}.{} IS NULL", address(self.request.channel)),
        )];
        match self.request.channel {
            Channel::Email => refusals.extend([
                (
                    Withheld::MalformedAddress,
                    format!("{c}.email_state = 'malformed'"),
                ),
                (
                    Withheld::RefusedAddress,
                    format!("{c}.email_state = 'refused'"),
                ),
            ]),
            // A number that was not read yet is not known to be a mobile one.
            Channel::Sms => refusals.extend([
                (
                    Withheld::NotMobile,
                    format!("COALESCE({c}.phone_kind, '') <> 'mobile'"),
                ),
                (
                    Withheld::RefusedAddress,
                    format!("{c}.phone_state = 'refused'"),
                ),
            ]),
        }
        refusals.extend([
            (
                Withheld::Suppressed,
                format!(
                    "EXISTS (SELECT 1 FROM suppressions x WHERE x.fingerprint = {c}.{fingerprint} \
                     AND x.channel = '{channel}' AND x.scope IN ('{topic}', '*') AND {stands})",
                    fingerprint = fingerprint(self.request.channel),
                    channel = self.request.channel,
                    topic = self.request.topic,
                    stands = consent::stands_against("x", p),
                ),
            ),
            (
                Withheld::NoPermission,
                format!(
                    "{p}.is_granted IS NULL OR (NOT {p}.is_granted AND NOT {})",
                    self.ended_by_itself()
                ),
            ),
            (Withheld::NoBasis, self.no_basis()),
            (Withheld::Expired, self.expired()),
            (Withheld::Level, self.level()),
            (Withheld::Paused, self.paused()),
        ]);
        refusals.extend(self.pressure().map(|holds| (Withheld::Pressure, holds)));
        refusals
    }

    /// What the basis rests on is not there, or it does not suffice for the topic.
    fn no_basis(&self) -> String {
        let (c, p) = (self.c, self.p);
        let bought = format!("{c}.stage IN ('customer', 'lapsed')");
        let mut holds = format!(
            "{p}.is_granted AND ({p}.basis IS NULL \
             OR ({p}.basis = '{soft}' AND {c}.last_order_at IS NULL AND NOT {bought}) \
             OR ({p}.basis = '{b2b}' AND COALESCE({c}.company, '') = '') \
             OR ({p}.basis = '{contract}' AND NOT {bought})",
            soft = Basis::SoftOptIn.as_str(),
            b2b = Basis::B2bLegitimateInterest.as_str(),
            contract = Basis::Contract.as_str(),
        );
        if let Some(bases) = self.rules.bases_for(&self.request.topic) {
            let bases: Vec<String> = bases
                .iter()
                .map(|basis| format!("'{}'", basis.as_str()))
                .collect();
            holds.push_str(&format!(" OR {p}.basis NOT IN ({})", bases.join(", ")));
        }
        holds.push(')');
        holds
    }

    /// A permission that is not granted ended by itself; nobody withdrew it.
    fn ended_by_itself(&self) -> String {
        format!(
            "EXISTS (SELECT 1 FROM permission_evidence x WHERE x.id = {}.evidence_id AND x.action = '{}')",
            self.p,
            Action::Expire.as_str()
        )
    }

    /// The grant ended, or nothing came from the person for as long as its basis holds.
    fn expired(&self) -> String {
        let (p, now) = (self.p, &self.moment.now);
        let holds: String = Basis::ALL
            .into_iter()
            .filter_map(|basis| Some((basis, self.rules.holds_ms(basis)?)))
            .map(|(basis, ms)| format!(" WHEN '{}' THEN {ms}", basis.as_str()))
            .collect();
        // Without a grant it has come so far only because the grant ended by itself.
        let ended = format!("NOT {p}.is_granted OR {p}.expires_at <= {now}");
        if holds.is_empty() {
            return ended;
        }
        let last_act = consent::last_act(self.dialect, p, self.c);
        format!("{ended} OR {last_act} < {now} - CASE {p}.basis{holds} END")
    }

    /// He stands on a rung that is too low, or that does not allow the channel.
    fn level(&self) -> String {
        let rungs = self
            .rules
            .rungs_for(self.request.level, self.request.channel);
        if rungs.is_empty() {
            return "TRUE".to_owned();
        }
        let codes: Vec<String> = rungs.iter().map(|level| level.code().to_string()).collect();
        format!("{} NOT IN ({})", self.standing(), codes.join(", "))
    }

    /// SQL for the rung he stands on now.
    pub fn standing(&self) -> String {
        consent::standing(
            self.dialect,
            &self.rules.ladder,
            self.p,
            self.c,
            &self.moment.now,
        )
    }

    /// SQL for whether customer `m`, a table alias, has the same mailbox: several customers may share one, and
    /// a pause, a wish and what was sent are the mailbox's.
    pub fn shares_mailbox(&self, m: &str) -> String {
        let key = address_key(self.request.channel);
        format!("{m}.{key} = {}.{key}", self.c)
    }

    /// Someone with the mailbox wants no messages for a while.
    fn paused(&self) -> String {
        format!(
            "EXISTS (SELECT 1 FROM customers m WHERE {} AND m.paused_until IS NOT NULL AND m.paused_until > {})",
            self.shares_mailbox("m"),
            self.moment.now,
        )
    }

    /// A cap is reached, counting what he was sent and what waits for him of a higher priority. `None`
    /// where nothing limits.
    fn pressure(&self) -> Option<String> {
        let now = &self.moment.now;
        let mut reached: Vec<String> = self
            .rules
            .caps_for(self.request.channel, &self.request.topic)
            .map(|cap| {
                format!(
                    "COUNT(CASE WHEN {} THEN 1 END) >= {}",
                    self.counts(cap),
                    cap.max
                )
            })
            .collect();
        let weekly: String = self
            .rules
            .ladder
            .rungs()
            .iter()
            .filter_map(|rung| Some((rung.level, rung.contacts_per_week?)))
            .map(|(level, max)| format!(" WHEN {} THEN {max}", level.code()))
            .collect();
        if !weekly.is_empty() {
            reached.push(format!(
                "COUNT(CASE WHEN h.contacted_at >= {begin} AND h.contacted_at < {end} THEN 1 END) >= \
                 CASE {standing}{weekly} ELSE 9223372036854775807 END",
                begin = self.moment.begin(WEEK_DAYS),
                end = self.moment.end(WEEK_DAYS),
                standing = self.standing(),
            ));
        }
        let wish = self.wish();
        if reached.is_empty() {
            return Some(wish);
        }
        let since = format!("{now} - {}", self.reach_ms());
        Some(format!(
            "(SELECT CASE WHEN {} THEN 1 ELSE 0 END FROM {}) = 1 OR {wish}",
            reached.join(" OR "),
            self.history(Some(&since)),
        ))
    }

    /// How far back the caps look, in milliseconds: a day more than the longest window, since a calendar day
    /// may have 25 hours.
    pub fn reach_ms(&self) -> i64 {
        let longest = self.rules.caps.iter().map(|cap| cap.days).max();
        i64::from(longest.unwrap_or(0).max(WEEK_DAYS) + 1) * DAY_MS
    }

    /// SQL for whether he had a message within the days of his own wish, in calendar days too: "once a
    /// week" lets a message of every Monday pass.
    pub fn wish(&self) -> String {
        // In calendar days too: "once a week" lets a message of every Monday pass.
        format!(
            "EXISTS (SELECT 1 FROM customers wish WHERE {same} AND wish.frequency_days IS NOT NULL \
             AND EXISTS (SELECT 1 FROM {history} \
             WHERE h.contacted_at >= {begin} - (wish.frequency_days - 1) * {DAY_MS} \
             AND h.contacted_at < {end} + (wish.frequency_days - 1) * {DAY_MS}))",
            same = self.shares_mailbox("wish"),
            history = self.history(None),
            begin = self.moment.begin(1),
            end = self.moment.end(1),
        )
    }

    /// SQL for whether message `h` counts against a cap.
    pub fn counts(&self, cap: &Cap) -> String {
        let now = &self.moment.now;
        let (begin, end) = match cap.window {
            WindowKind::Calendar => (
                format!("h.contacted_at >= {}", self.moment.begin(cap.days)),
                self.moment.end(cap.days).to_owned(),
            ),
            WindowKind::Sliding => {
                let ms = i64::from(cap.days) * DAY_MS;
                (
                    format!("h.contacted_at > {now} - {ms}"),
                    format!("{now} + {ms}"),
                )
            }
        };
        let mut counts = begin;
        // Only what waits lies in the future.
        if !self.rivals.is_empty() {
            counts.push_str(&format!(" AND h.contacted_at < {end}"));
        }
        if let Some(channel) = cap.channel {
            counts.push_str(&format!(" AND h.channel = '{channel}'"));
        }
        if let Some(topic) = &cap.topic {
            counts.push_str(&format!(" AND h.topic = '{topic}'"));
        }
        counts
    }

    /// What his mailbox was sent since an instant and what waits for it of a higher priority, as table `h`.
    /// What is in hand stands in the contact history and still in the ledger: it counts once.
    pub fn history(&self, since: Option<&str>) -> String {
        let same = self.shares_mailbox("m");
        let since = since.map_or_else(String::new, |since| {
            format!(" AND k.contacted_at > {since}")
        });
        // CROSS JOIN keeps SQLite from beginning with the contacts of all.
        let sent = format!(
            "SELECT k.contacted_at, k.channel, k.topic FROM customers m CROSS JOIN contacts k \
             WHERE {same} AND k.customer_id = m.id{since}"
        );
        if self.rivals.is_empty() {
            return format!("({sent}) AS h");
        }
        let waves: Vec<String> = self
            .rivals
            .iter()
            .map(|rival| rival.wave.to_string())
            .collect();
        let topics: String = self
            .rivals
            .iter()
            .map(|rival| format!(" WHEN {} THEN '{}'", rival.wave, rival.topic))
            .collect();
        format!(
            "({sent} UNION ALL SELECT COALESCE(w.next_at, w.due_at), w.channel, CASE w.wave_id{topics} END \
             FROM customers m CROSS JOIN deliveries w WHERE {same} AND w.customer_id = m.id \
             AND w.wave_id IN ({waves}) AND w.state IN (0, 3) \
             AND NOT EXISTS (SELECT 1 FROM contacts hand WHERE hand.customer_id = w.customer_id \
             AND hand.wave_id = w.wave_id)) AS h",
            waves = waves.join(", "),
        )
    }
}

/// The column of an address.
pub fn address(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email",
        Channel::Sms => "phone",
    }
}

/// The column by which two addresses are the same.
pub fn address_key(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email_key",
        Channel::Sms => "phone",
    }
}

/// The column of the fingerprint of an address.
pub fn fingerprint(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email_fingerprint",
        Channel::Sms => "phone_fingerprint",
    }
}

/// The zones and countries in which customers live, and the countries of their numbers; a zone that the
/// zone database does not know counts as none.
///
/// # Errors
/// When the database is away.
pub async fn places(connection: &impl ConnectionTrait, fallback: Tz) -> Result<Places, DbErr> {
    let all = connection.rows(format!("{PLACES} FROM customers"), []);
    read_places(all.await?, fallback)
}

/// The same, of the customers whose `ids` a query selects: what is asked of a few need not read all.
///
/// # Errors
/// When the database is away.
pub async fn places_of(
    connection: &impl ConnectionTrait,
    ids: SelectStatement,
    fallback: Tz,
) -> Result<Places, DbErr> {
    let ids = connection.get_database_backend().build(&ids);
    let values = ids.values.map(|values| values.0).unwrap_or_default();
    // In this order on both databases: from the few to their rows.
    let sql = format!(
        "{PLACES} FROM ({}) few CROSS JOIN customers WHERE customers.id = few.id",
        ids.sql
    );
    read_places(connection.rows(sql, values).await?, fallback)
}

const PLACES: &str =
    "SELECT DISTINCT COALESCE(time_zone, phone_zone) AS zone, country, phone_country";

fn read_places(rows: Vec<QueryResult>, fallback: Tz) -> Result<Places, DbErr> {
    let mut all = Vec::new();
    for row in rows {
        let zone: Option<String> = row.try_get("", "zone")?;
        all.push(Place {
            zone: zone.and_then(|name| name.parse().ok()),
            country: row.try_get("", "country")?,
            number_country: row.try_get("", "phone_country")?,
        });
    }
    Ok(Places { all, fallback })
}
