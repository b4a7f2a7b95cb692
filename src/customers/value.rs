//! What a customer is worth: recency, frequency and monetary value, and classes by revenue.
//!
//! RFM (Hughes, *Strategic Database Marketing*; METHODS M3): the buyers are sorted by the day of their last
//! order, by how many orders they made and by what they spent, each for itself (independent quintiles), and
//! cut into fifths; 5 is the best. Buyers of equal value are never parted: they all belong to the lowest of
//! the fifths they fill, so that where most bought once, most have 1 for frequency. The classes are those of
//! an ABC analysis: A make the first 80 % of the revenue, B the next 15 %, C the rest.
//!
//! The daily upkeep finds where the fifths end; from then on everyone's code follows from his own orders at
//! once, and nothing of it is kept with the person.

use sea_orm::{ConnectionTrait, DbErr};
use serde::Serialize;

use super::model::Customer;
use super::store::value as store;
use crate::storage::Db;

/// Of the revenue, in per cent, what class A makes, and what A and B make together.
pub(super) const CLASSES: [(i64, i64); 2] = [(1, 80), (2, 95)];

/// What buyers are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Recency,
    Frequency,
    Monetary,
}

impl Measure {
    pub const ALL: [Self; 3] = [Self::Recency, Self::Frequency, Self::Monetary];

    /// As the database keeps it in `value_breaks.measure`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recency => "recency",
            Self::Frequency => "frequency",
            Self::Monetary => "monetary",
        }
    }

    /// The column of customers it is found in.
    pub fn column(self) -> &'static str {
        match self {
            Self::Recency => "last_order_at",
            Self::Frequency => "orders_count",
            Self::Monetary => "revenue_cents",
        }
    }
}

/// The name of the classes in `value_breaks.measure`.
pub const CLASS: &str = "class";

/// Where the fifths end, and the classes begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breaks {
    /// Measure, step and value, as the database keeps them.
    pub(super) steps: Vec<(String, i64, i64)>,
}

/// What a buyer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Worth {
    /// From 1 to 5 each; 5 is the best.
    pub recency: u8,
    pub frequency: u8,
    pub monetary: u8,
    /// `a`, `b` or `c`.
    pub class: &'static str,
}

impl Worth {
    /// The code, as 555.
    pub fn code(self) -> String {
        format!("{}{}{}", self.recency, self.frequency, self.monetary)
    }

    /// The class in words.
    pub fn class_in_words(self) -> &'static str {
        match self.class {
            "a" => "A: of those who make the first 80\u{a0}% of the revenue",
            "b" => "B: of those who make the next 15\u{a0}% of the revenue",
            _ => "C: of those who make the last 5\u{a0}% of the revenue",
        }
    }
}

/// Where a fifth stands among the buyers.
pub fn fifth_in_words(fifth: u8) -> &'static str {
    match fifth {
        5 => "the best fifth of the buyers",
        4 => "above the middle",
        3 => "in the middle",
        2 => "below the middle",
        _ => "the last fifth",
    }
}

impl Breaks {
    /// What the customer is worth; `None` for one who never bought, and until the first upkeep.
    pub fn worth(&self, customer: &Customer) -> Option<Worth> {
        let last_order_at = customer.last_order_at?;
        if customer.orders_count <= 0 || self.steps.is_empty() {
            return None;
        }
        let fifth = |measure: Measure, value: i64| {
            let passed = self.steps.iter();
            let passed = passed.filter(|(of, _, end)| of == measure.as_str() && value > *end);
            u8::try_from(1 + passed.count()).unwrap_or(5)
        };
        let is_from = |step: i64| {
            self.steps
                .iter()
                .any(|(of, at, from)| of == CLASS && *at == step && customer.revenue_cents >= *from)
        };
        Some(Worth {
            recency: fifth(Measure::Recency, last_order_at),
            frequency: fifth(Measure::Frequency, customer.orders_count),
            monetary: fifth(Measure::Monetary, customer.revenue_cents),
            class: match (is_from(1), is_from(2)) {
                (true, _) => "a",
                (false, true) => "b",
                (false, false) => "c",
            },
        })
    }
}

/// Where the fifths end now.
///
/// # Errors
/// When the database is away.
pub async fn breaks(connection: &impl ConnectionTrait) -> Result<Breaks, DbErr> {
    store::breaks(connection).await
}

/// Finds out where the fifths of today's buyers end.
///
/// # Errors
/// When the database is away; then the old ones hold.
pub async fn find_breaks(db: &Db, now_ms: i64) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    store::find_breaks(&txn, now_ms).await?;
    txn.commit().await
}
