//! The tree of a rule and the profile it is asked about, without I/O.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::consent::model::Channel;
use crate::customers::fading::Fading;
use crate::customers::model::Customer;
use crate::customers::value::Worth;

/// How deep parentheses and `not` may nest.
pub const MAX_DEPTH: usize = 100;

/// The most tests of behaviour or permission in a rule: each is a sub-select, and PostgreSQL takes more
/// than a second to plan the joins of a hundred.
pub const MAX_SUBSELECTS: usize = 60;

/// How many characters a rule may have, as written and in its canonical form.
pub const MAX_CHARS: usize = 20_000;

/// A rule that selects customers: well-typed, in normal form, within [`MAX_DEPTH`] and [`MAX_CHARS`].
///
/// Normal form: `and` and `or` have two parts or more and never hold their own kind directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) root: Node,
}

impl Rule {
    /// The rule that means every customer.
    pub fn everyone() -> Self {
        Self {
            root: Node::Everyone,
        }
    }

    /// The rule's tree.
    pub fn root(&self) -> &Node {
        &self.root
    }
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Everyone,
    /// `and`; without parts it is everyone.
    All(Vec<Node>),
    /// `or`; without parts it is nobody.
    Any(Vec<Node>),
    Not(Box<Node>),
    Compare(Subject, Test),
    /// Has the tag, whatever its case and accents.
    Tagged(String),
    /// Showed interest lately: a point is left of what he won by clicks, whatever the case and accents of the
    /// interest's name.
    Interested(String),
    Did(Behaviour),
    /// May be contacted: permission granted for exactly this topic, a usable address, no suppression.
    CanReceive {
        channel: Channel,
        topic: String,
    },
}

impl Node {
    /// How deep the parentheses and `not`s of the canonical text nest.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::All(parts) => parts
                .iter()
                .map(|part| part.depth() + usize::from(matches!(part, Self::Any(_))))
                .max()
                .unwrap_or(0),
            Self::Any(parts) => parts.iter().map(Self::depth).max().unwrap_or(0),
            Self::Not(part) => {
                1 + part.depth() + usize::from(matches!(**part, Self::All(_) | Self::Any(_)))
            }
            _ => 0,
        }
    }

    /// How many tests of behaviour or permission it holds; without recursion.
    pub(super) fn subselects(&self) -> usize {
        let mut waiting = vec![self];
        let mut count = 0;
        while let Some(node) = waiting.pop() {
            match node {
                Self::All(parts) | Self::Any(parts) => waiting.extend(parts),
                Self::Not(part) => waiting.push(part),
                Self::Did(_) | Self::CanReceive { .. } | Self::Tagged(_) | Self::Interested(_) => {
                    count += 1
                }
                Self::Everyone | Self::Compare(..) => {}
            }
        }
        count
    }

    /// Whether no part lies more than `limit` levels down; found without recursion, so that a tree of
    /// any depth may be asked.
    pub(super) fn is_within(&self, limit: usize) -> bool {
        let mut waiting = vec![(self, 0)];
        while let Some((node, level)) = waiting.pop() {
            if level > limit {
                return false;
            }
            match node {
                Self::All(parts) | Self::Any(parts) => {
                    waiting.extend(parts.iter().map(|part| (part, level + 1)));
                }
                Self::Not(part) => waiting.push((part, level + 1)),
                _ => {}
            }
        }
        true
    }

    /// The same meaning in normal form; recurses, so ask [`Node::is_within`] first.
    pub(super) fn into_normal_form(self) -> Self {
        let flatten = |parts: Vec<Self>, is_same: fn(&Self) -> bool| {
            let mut flat = Vec::with_capacity(parts.len());
            for part in parts {
                match part.into_normal_form() {
                    same if is_same(&same) => match same {
                        Self::All(parts) | Self::Any(parts) => flat.extend(parts),
                        other => flat.push(other),
                    },
                    other => flat.push(other),
                }
            }
            flat
        };
        match self {
            Self::All(parts) => {
                let mut flat = flatten(parts, |part| matches!(part, Self::All(_)));
                match (flat.len(), flat.pop()) {
                    (_, None) => Self::Everyone,
                    (1, Some(only)) => only,
                    (_, Some(last)) => {
                        flat.push(last);
                        Self::All(flat)
                    }
                }
            }
            Self::Any(parts) => {
                let mut flat = flatten(parts, |part| matches!(part, Self::Any(_)));
                match (flat.len(), flat.pop()) {
                    (_, None) => Self::Not(Box::new(Self::Everyone)),
                    (1, Some(only)) => only,
                    (_, Some(last)) => {
                        flat.push(last);
                        Self::Any(flat)
                    }
                }
            }
            Self::Not(part) => Self::Not(Box::new(part.into_normal_form())),
            leaf => leaf,
        }
    }
}

/// What a comparison is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Field(Field),
    /// An entry of `customers.attributes`; its name is matched exactly.
    Attribute(String),
}

/// A name that stands for something in the base.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Name {
    Campaign(String),
    Tag(String),
    Interest(String),
    Topic(String),
    Attribute(String),
}

/// A field of the customer; [`super::vocabulary`] describes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Id,
    ExternalId,
    Email,
    Phone,
    FirstName,
    LastName,
    Company,
    Gender,
    Age,
    BirthDate,
    Generation,
    Language,
    Country,
    Region,
    PostalCode,
    City,
    TimeZone,
    Stage,
    Orders,
    Revenue,
    FirstOrder,
    LastOrder,
    LastContact,
    LastResponse,
    Engagement,
    Recency,
    Frequency,
    Monetary,
    Rfm,
    ValueClass,
    PreferredChannel,
    PreferredHour,
    Created,
}

/// What is asked of a subject. Each is false for an unknown subject, save [`Test::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    Is(Relation, Value),
    /// Both ends included.
    Between(Value, Value),
    /// One or more values of one type.
    In(Vec<Value>),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    /// In the span that ends now.
    Within(Span),
    /// Before the span that ends now.
    MoreThanAgo(Span),
    Known,
    Unknown,
}

/// How a value stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    /// The sign, as written in a rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// A literal of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(Number),
    Boolean(bool),
    /// A day in UTC, of the years 1 to 9999.
    Date(NaiveDate),
}

/// A decimal number of at most 15 digits: so many, that each is exact in both databases and in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// The digits, with the sign; without trailing zeros after the point.
    digits: i64,
    /// How many of them stand after the point.
    decimals: u8,
}

impl Number {
    const LIMIT: u64 = 1_000_000_000_000_000;

    /// `digits / 10^decimals`, or nothing if it has more than 15 digits.
    pub fn new(mut digits: i64, mut decimals: u8) -> Option<Self> {
        while decimals > 0 && digits % 10 == 0 {
            digits /= 10;
            decimals -= 1;
        }
        (digits.unsigned_abs() < Self::LIMIT && decimals <= 15).then_some(Self { digits, decimals })
    }

    /// The number as an integer, if it is one.
    pub fn as_whole(self) -> Option<i64> {
        (self.decimals == 0).then_some(self.digits)
    }

    /// The amount in cents, if it has at most two decimals.
    pub fn as_cents(self) -> Option<i64> {
        match self.decimals {
            0 => self.digits.checked_mul(100),
            1 => self.digits.checked_mul(10),
            2 => Some(self.digits),
            _ => None,
        }
    }

    /// The nearest double; two different numbers never share one.
    pub fn as_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(0.0)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.decimals == 0 {
            return write!(f, "{}", self.digits);
        }
        let sign = if self.digits < 0 { "-" } else { "" };
        let power = 10_u64.pow(u32::from(self.decimals));
        let digits = self.digits.unsigned_abs();
        let width = usize::from(self.decimals);
        write!(f, "{sign}{}.{:0width$}", digits / power, digits % power)
    }
}

/// A length of time, counted back from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From 1 to [`Span::MAX`].
    pub count: u32,
    pub unit: Unit,
}

impl Span {
    pub const MAX: u32 = 100_000;
}

/// A unit of a [`Span`]. Days and weeks are of 24 hours; months and years are those of the calendar, and
/// a day a month does not have becomes its last: one month before 31 March is 28 or 29 February.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Days,
    Weeks,
    Months,
    Years,
}

impl Unit {
    pub const ALL: [Self; 4] = [Self::Days, Self::Weeks, Self::Months, Self::Years];

    /// The word for more than one.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Weeks => "weeks",
            Self::Months => "months",
            Self::Years => "years",
        }
    }

    /// The word for one.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Days => "day",
            Self::Weeks => "week",
            Self::Months => "month",
            Self::Years => "year",
        }
    }
}

/// What a customer did, or what happened to him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    pub deed: Deed,
    /// The campaign's name; ASCII case does not count.
    pub campaign: Option<String>,
    /// Of an order; ASCII case does not count, accents do.
    pub product: Option<String>,
    /// Of an order; ASCII case does not count, accents do.
    pub category: Option<String>,
    /// From 1 to 1,000,000.
    pub times: u32,
    /// What the orders must come to together, not negative, at most two decimals.
    pub amount: Option<Number>,
    pub window: Option<Window>,
}

impl Behaviour {
    /// Has done it at all.
    pub fn once(deed: Deed) -> Self {
        Self {
            deed,
            campaign: None,
            product: None,
            category: None,
            times: 1,
            amount: None,
            window: None,
        }
    }
}

/// When a behaviour counts. An event without a time never lies in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Within(Span),
    /// From the first day to the last, both whole, in UTC.
    Between(NaiveDate, NaiveDate),
}

/// The kinds of behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    Ordered,
    /// A delivery to him was accepted.
    Received,
    /// Opened, as far as tracking is allowed; a machine's open does not count.
    Opened,
    /// Clicked a link; a scanner's click does not count.
    Clicked,
    /// Clicked, ordered, replied, redeemed or answered in answer to a message. An open is too weak, an opt-out
    /// the contrary.
    Responded,
    /// Wrote back.
    Replied,
    /// Redeemed a coupon.
    Redeemed,
    /// Named a campaign's code in a shop or by telephone.
    Answered,
    /// His server sent a message back after it had taken it.
    Bounced,
    /// Called a message spam.
    Complained,
}

impl Deed {
    pub const ALL: [Self; 10] = [
        Self::Ordered,
        Self::Received,
        Self::Opened,
        Self::Clicked,
        Self::Responded,
        Self::Replied,
        Self::Redeemed,
        Self::Answered,
        Self::Bounced,
        Self::Complained,
    ];

    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Received => "received",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Responded => "responded",
            Self::Replied => "replied",
            Self::Redeemed => "redeemed",
            Self::Answered => "answered",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }

    /// The kinds of response it counts; none for what is not a response.
    pub(super) fn response_kinds(self) -> &'static [&'static str] {
        match self {
            Self::Ordered | Self::Received => &[],
            Self::Opened => &["open"],
            Self::Clicked => &["click"],
            Self::Responded => &["click", "order", "reply", "redeem", "answer"],
            Self::Replied => &["reply"],
            Self::Redeemed => &["redeem"],
            Self::Answered => &["answer"],
            Self::Bounced => &["bounce"],
            Self::Complained => &["complaint"],
        }
    }
}

/// One customer with everything a rule may ask about; times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub customer: Customer,
    /// The normalised address mail is matched by.
    pub email_key: Option<String>,
    pub tags: Vec<String>,
    pub interests: Vec<Interest>,
    /// What he is worth among the buyers, where that is known.
    pub worth: Option<Worth>,
    pub orders: Vec<PastOrder>,
    pub responses: Vec<PastResponse>,
    /// The accepted ones.
    pub deliveries: Vec<PastDelivery>,
    pub permissions: Vec<HeldPermission>,
    /// Those that bear a fingerprint of this customer's addresses.
    pub suppressions: Vec<HeldSuppression>,
}

/// An interest of a [`Profile`].
#[derive(Debug, Clone, PartialEq)]
pub struct Interest {
    /// As it is written.
    pub name: String,
    /// Points won by clicks, which fade.
    pub score: Fading,
    /// When he showed it last.
    pub last_at: i64,
}

/// An order of a [`Profile`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOrder {
    pub ordered_at: i64,
    pub amount_cents: i64,
    pub product: Option<String>,
    pub category: Option<String>,
    /// The name of the campaign that earned it.
    pub campaign: Option<String>,
}

/// A response of a [`Profile`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastResponse {
    /// `open`, `click`, `order`, `opt_out`, `reply`, `redeem`, `answer`, `bounce`, `complaint` or `scan`.
    pub kind: String,
    /// Its campaign's name.
    pub campaign: Option<String>,
    pub responded_at: i64,
    pub is_machine: bool,
}

/// An accepted delivery of a [`Profile`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastDelivery {
    /// Its campaign's name.
    pub campaign: Option<String>,
    pub settled_at: Option<i64>,
}

/// A permission of a [`Profile`], as the evidence left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPermission {
    pub channel: String,
    pub topic: String,
    pub is_granted: bool,
    pub basis: Option<String>,
    pub since_at: i64,
    /// Of the address for which it was said, where that is known.
    pub fingerprint: Option<String>,
}

/// A suppression of an address of a [`Profile`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSuppression {
    pub fingerprint: String,
    pub channel: String,
    /// A topic, or `*` for the whole channel.
    pub scope: String,
    pub suppressed_at: i64,
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn a_number_is_exact_in_every_form() {
        let number = |digits, decimals| Number::new(digits, decimals).unwrap();
        assert_eq!(number(12_050, 2), number(1205, 1));
        assert_eq!(number(-5, 3).to_string(), "-0.005");
        assert_eq!(number(-100, 2).to_string(), "-1");
        assert_eq!(number(1205, 1).as_cents(), Some(12_050));
        assert_eq!(number(12_345, 3).as_cents(), None);
        assert_eq!(number(1205, 1).as_whole(), None);
        assert_eq!(Number::new(1_000_000_000_000_000, 0), None);
        assert_eq!(Number::new(i64::MIN, 0), None);
    }
}
