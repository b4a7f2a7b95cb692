//! What all campaigns together cause: the base against the standing control group, period by period.

use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

use super::ReportError;
use super::cells::spent;
use super::figures::{Denominator, Rate};
use super::lift::{Incremental, incremental_buyers, incremental_revenue, sentence, verdict};
use super::table::{money, percent, section, thousands};
use crate::campaigns::cells::GLOBAL;
use crate::clock::from_ms;
use crate::responses::effects::{self, Effect, Standing};
use crate::statistics::sentence::Value;
use crate::statistics::verdict::{Readiness, Word};
use crate::statistics::{Sentence, Share};
use crate::storage::Db;

/// How long a group that never rotates must have stood, in milliseconds, before it is judged.
const LONG_ENOUGH_MS: i64 = 90 * 86_400_000;

/// What one period tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Period {
    /// `2026-Q4` and the like.
    pub period: String,
    /// Percent of the base that was held back.
    pub percent: i64,
    /// RFC 3339, UTC; orders count from then on.
    pub begun_at: String,
    /// RFC 3339, UTC; none for a group that never rotates.
    pub ends_at: Option<String>,
    /// When it was reckoned; RFC 3339, UTC.
    pub reckoned_at: Option<String>,
    /// Customers who ordered, of those whom campaigns could contact.
    pub contacted: Rate,
    /// Customers who ordered, of those held back.
    pub held_back: Rate,
    pub contacted_revenue_cents: i64,
    pub held_back_revenue_cents: i64,
    pub verdict: Word,
    pub sentence: Sentence,
    /// Customers who would not have ordered; `None` before its time.
    pub buyers: Option<Incremental>,
    /// Revenue that would not have been, in cents; `None` before its time.
    pub revenue_cents: Option<Incremental>,
}

/// What each period tells, the latest first.
///
/// # Errors
/// When the database is away.
pub async fn periods(db: &Db, now_ms: i64) -> Result<Vec<Period>, ReportError> {
    let standings = effects::standings(db).await?;
    Ok(standings.iter().map(|one| period(one, now_ms)).collect())
}

fn period(standing: &Standing, now_ms: i64) -> Period {
    let of = |is_held_back: bool| {
        let mut arms = standing.arms.iter();
        arms.find(|arm| (arm.cell == GLOBAL) == is_held_back)
    };
    let (contacted, held) = (of(false), of(true));
    let shares = (share(contacted), share(held));
    let ends_at = (standing.until_at < i64::MAX).then_some(standing.until_at);
    let judged_at = ends_at.unwrap_or(standing.begun_at.saturating_add(LONG_ENOUGH_MS));
    let why = Sentence::new("the period is judged on {at}").with("at", Value::Moment(judged_at));
    let readiness = if now_ms < judged_at {
        Readiness::TooEarly(why.clone())
    } else {
        Readiness::Ready
    };
    let is_ready = readiness == Readiness::Ready;
    let (verdict, p) = verdict(shares, readiness, None);
    let revenue_cents = contacted
        .zip(held)
        .filter(|_| is_ready)
        .and_then(|(contacted, held)| incremental_revenue(spent(contacted), spent(held)));
    let revenue = |arm: Option<&Effect>| arm.map_or(0, |arm| arm.spend_cents);
    Period {
        period: standing.period.clone(),
        percent: standing.percent,
        begun_at: instant(standing.begun_at),
        ends_at: ends_at.map(instant),
        reckoned_at: standing.reckoned_at.map(instant),
        contacted: Rate::new(shares.0.count, shares.0.of, Denominator::Assigned),
        held_back: Rate::new(shares.1.count, shares.1.of, Denominator::Assigned),
        contacted_revenue_cents: revenue(contacted),
        held_back_revenue_cents: revenue(held),
        verdict,
        sentence: sentence("All campaigns together", verdict, shares, p, Some(why)),
        buyers: is_ready.then(|| incremental_buyers(shares, p)),
        revenue_cents,
    }
}

fn share(arm: Option<&Effect>) -> Share {
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    arm.map_or(Share::new(0, 0), |arm| {
        Share::new(count(arm.buyers), count(arm.people))
    })
}

fn instant(ms: i64) -> String {
    from_ms(ms).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The periods as a person reads them.
pub fn write(periods: &[Period]) -> String {
    if periods.is_empty() {
        return "There is no standing control group; [control] percent in the settings makes one.\n"
            .to_owned();
    }
    let mut text = String::new();
    for period in periods {
        let mut table = Table::new();
        let mut row = |name: &str, cells: [String; 2]| {
            let mut row = vec![Cell::new(name)];
            row.extend(cells.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right)));
            table.add_row(row);
        };
        row("", ["contacted".to_owned(), "held back".to_owned()]);
        row(
            "people",
            [&period.contacted, &period.held_back].map(|rate| thousands(rate.of)),
        );
        row(
            "who ordered",
            [&period.contacted, &period.held_back].map(|rate| thousands(rate.count)),
        );
        row(
            "of all",
            [&period.contacted, &period.held_back].map(|rate| percent(rate.value)),
        );
        row(
            "revenue",
            [
                period.contacted_revenue_cents,
                period.held_back_revenue_cents,
            ]
            .map(money),
        );
        let heading = format!(
            "{}: {} % of the base held back",
            period.period, period.percent
        );
        section(&mut text, &heading, table);
        text.push_str(&format!("\n  {}\n", period.sentence));
    }
    text.push_str(
        "\n  Everybody who was in the base when the period began, reachable or not; orders of any way since.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(until_at: i64) -> Standing {
        let arm = |cell: &str, people, buyers, spend_cents| Effect {
            cell: cell.to_owned(),
            people,
            buyers,
            orders: buyers,
            spend_cents,
            spend_squares: 25_000_000.0 * 100.0 * f64::from(u32::try_from(buyers).unwrap()),
        };
        Standing {
            period: "2026-Q4".to_owned(),
            percent: 5,
            begun_at: 1_790_000_000_000,
            until_at,
            reckoned_at: Some(1_791_000_000_000),
            arms: vec![
                arm("all", 95_000, 3_800, 19_000_000),
                arm("global", 5_000, 150, 750_000),
            ],
        }
    }

    #[test]
    fn a_period_is_judged_when_it_is_over() {
        let until = 1_798_761_600_000;
        let early = period(&standing(until), until - 1);
        assert_eq!(early.verdict, Word::TooEarly);
        assert_eq!((early.buyers, early.revenue_cents), (None, None));
        let over = period(&standing(until), until);
        assert_eq!(over.verdict, Word::Significant, "{}", over.sentence);
        let buyers = over.buyers.unwrap();
        // 95,000 × (0.04 − 0.03).
        assert!((buyers.value - 950.0).abs() < 1e-6, "{buyers:?}");
        insta::assert_snapshot!(write(&[over]));
        assert!(write(&[]).contains("[control] percent"));
    }

    #[test]
    fn a_group_that_never_rotates_is_judged_after_three_months() {
        let standing = standing(i64::MAX);
        let early = period(&standing, standing.begun_at + LONG_ENOUGH_MS - 1);
        assert_eq!((early.verdict, early.ends_at), (Word::TooEarly, None));
        let late = period(&standing, standing.begun_at + LONG_ENOUGH_MS);
        assert_ne!(late.verdict, Word::TooEarly);
    }
}
