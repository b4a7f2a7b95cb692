//! The permission ladder and the rules in force, in words a marketer understands, on one page.

use std::collections::BTreeMap;

use sea_orm::DbErr;
use serde::Serialize;

use super::bases::{GROUNDS, Ground, holds_days};
use super::expiry::lengths;
use super::ladder::{Ladder, Level, OfferKind, Rung};
use super::store::standing;
use crate::clock::DAY_MS;
use crate::config::{ConfigError, Settings, WindowKind};
use crate::statistics::sentence::{Sentence, Value};
use crate::storage::Db;

/// Why there is no overview.
#[derive(Debug, thiserror::Error)]
pub enum OverviewError {
    #[error(transparent)]
    Settings(#[from] ConfigError),
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// The ladder from top to bottom, and the rules.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// `None`: the best of each person's topics.
    pub topic: Option<String>,
    /// `None`: not counted.
    pub customers: Option<u64>,
    pub rungs: Vec<RungLine>,
    /// How much one person may get.
    pub caps: Vec<Sentence>,
    /// When channels may be used.
    pub hours: Vec<Sentence>,
    pub bases: Vec<BasisLine>,
    /// Topics, and the bases that suffice for them.
    pub topics: Vec<TopicLine>,
}

/// One rung in plain words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RungLine {
    pub level: Level,
    pub title: &'static str,
    pub who: &'static str,
    /// `Email and SMS, 5 messages a week`, or nothing.
    pub contact: Sentence,
    /// The kinds of offer.
    pub offers: Sentence,
    /// How one climbs to it.
    pub climb: &'static str,
    /// How long it holds; then he is one rung down.
    pub holds: Sentence,
    /// People standing on it; `None`: not counted.
    pub people: Option<u64>,
}

/// One legal basis in plain words.
#[derive(Debug, Clone, Serialize)]
pub struct BasisLine {
    pub ground: &'static Ground,
    pub holds: Sentence,
}

/// One topic.
#[derive(Debug, Clone, Serialize)]
pub struct TopicLine {
    pub name: String,
    pub title: String,
    pub bases: Sentence,
}

/// Counts people and says the rules; `now_ms` decides who still stands where.
///
/// # Errors
/// When the settings hold no ladder or the database is away.
pub async fn overview(
    db: &Db,
    settings: &Settings,
    topic: Option<&str>,
    now_ms: i64,
) -> Result<Overview, OverviewError> {
    let counts = count(db, settings, topic, now_ms).await?;
    Ok(of(settings, topic, Some(counts))?)
}

/// People by rung, strangers first, for each topic of the settings and, under the empty name, the best of
/// each person's topics.
///
/// # Errors
/// As [`overview`].
pub async fn standings(
    db: &Db,
    settings: &Settings,
    now_ms: i64,
) -> Result<BTreeMap<String, [u64; 6]>, OverviewError> {
    let mut standings = BTreeMap::new();
    let overall = count(db, settings, None, now_ms).await?;
    standings.insert(String::new(), overall);
    for topic in &settings.permission.topics {
        let counts = count(db, settings, Some(&topic.name), now_ms).await?;
        standings.insert(topic.name.clone(), counts);
    }
    Ok(standings)
}

async fn count(
    db: &Db,
    settings: &Settings,
    topic: Option<&str>,
    now_ms: i64,
) -> Result<[u64; 6], OverviewError> {
    let ladder = Ladder::new(&settings.permission.levels)?;
    let lengths = lengths(&settings.permission);
    Ok(standing::count(&**db, &ladder, &lengths, topic, now_ms).await?)
}

/// Says the rules; `counts` are people by rung, strangers first, where somebody counted them.
///
/// # Errors
/// When the settings hold no ladder.
pub fn of(
    settings: &Settings,
    topic: Option<&str>,
    counts: Option<[u64; 6]>,
) -> Result<Overview, ConfigError> {
    let ladder = Ladder::new(&settings.permission.levels)?;
    let people: [Option<u64>; 6] = counts.map_or([None; 6], |counts| counts.map(Some));
    let below = [None].into_iter().chain(ladder.rungs().iter().map(Some));
    let mut rungs: Vec<RungLine> = ladder
        .rungs()
        .iter()
        .zip(below)
        .zip(people)
        .map(|((rung, below), people)| line(rung, below, people))
        .collect();
    rungs.reverse();
    let bases = GROUNDS
        .iter()
        .map(|ground| BasisLine {
            ground,
            holds: match holds_days(ground.basis, &settings.permission) {
                Some(days) => Sentence::new("{days} after the last act")
                    .with("days", days_in_words(i64::from(days))),
                None => Sentence::new("without end"),
            },
        })
        .collect();
    let topics = settings
        .permission
        .topics
        .iter()
        .map(|topic| TopicLine {
            name: topic.name.clone(),
            title: topic
                .title
                .get("en")
                .cloned()
                .unwrap_or_else(|| topic.name.clone()),
            bases: listed(
                &GROUNDS
                    .iter()
                    .filter(|ground| topic.bases.iter().any(|name| name == ground.basis.as_str()))
                    .map(|ground| ground.title)
                    .collect::<Vec<_>>(),
                OR,
            ),
        })
        .collect();
    Ok(Overview {
        topic: topic.map(str::to_owned),
        customers: counts.map(|counts| counts.iter().sum()),
        rungs,
        caps: caps(settings),
        hours: hours(settings),
        bases,
        topics,
    })
}

fn line(rung: &Rung, below: Option<&Rung>, people: Option<u64>) -> RungLine {
    let level = rung.level;
    let is_stranger = level == Level::Stranger;
    let channels: Vec<&'static str> = rung
        .channels
        .iter()
        .map(|channel| spoken(channel.as_str()))
        .collect();
    // What is allowed below too need not be said again.
    let known = below
        .map(|below| &below.offers)
        .filter(|known| !known.is_empty() && known.iter().all(|kind| rung.offers.contains(kind)));
    let mut offers: Vec<&'static str> = known.iter().map(|_| "all of the rung below").collect();
    offers.extend(
        rung.offers
            .iter()
            .filter(|kind| known.is_none_or(|known| !known.contains(kind)))
            .map(|kind| kind.describe()),
    );
    RungLine {
        level,
        title: level.title(),
        who: level.who(),
        contact: match rung.contacts_per_week {
            _ if channels.is_empty() => Sentence::new("no message at all"),
            None => Sentence::new("{channels}, as often as agreed")
                .with("channels", listed(&channels, AND)),
            Some(1) => Sentence::new("{channels}, at most once a week")
                .with("channels", listed(&channels, AND)),
            Some(n) => Sentence::new("{channels}, at most {n} times a week")
                .with("channels", listed(&channels, AND))
                .with("n", u64::from(n)),
        },
        offers: listed(&offers, AND),
        climb: level.climb(),
        holds: match rung.holds_ms {
            _ if is_stranger => Sentence::new(""),
            None => Sentence::new("without end"),
            Some(ms) => {
                Sentence::new("{days} after the last act").with("days", days_in_words(ms / DAY_MS))
            }
        },
        people,
    }
}

fn caps(settings: &Settings) -> Vec<Sentence> {
    if settings.pressure.is_empty() {
        return vec![Sentence::new("No cap beyond the rungs.")];
    }
    settings
        .pressure
        .iter()
        .map(|cap| {
            let what = match (&cap.channel, &cap.topic) {
                (None, None) => Sentence::new("messages"),
                (Some(channel), None) => {
                    Sentence::new("{channel} messages").with("channel", said(channel))
                }
                (None, Some(topic)) => {
                    Sentence::new("messages about {topic}").with("topic", topic.as_str())
                }
                (Some(channel), Some(topic)) => Sentence::new("{channel} messages about {topic}")
                    .with("channel", said(channel))
                    .with("topic", topic.as_str()),
            };
            let span = match (cap.window, cap.days) {
                (WindowKind::Calendar, 1) => Sentence::new("a day"),
                (WindowKind::Calendar, days) => {
                    Sentence::new("in {n} calendar days").with("n", u64::from(days))
                }
                (WindowKind::Sliding, 1) => Sentence::new("in any 24 hours"),
                (WindowKind::Sliding, days) => {
                    Sentence::new("in any {n} days").with("n", u64::from(days))
                }
            };
            Sentence::new("At most {n} {what} {span}, over all campaigns.")
                .with("n", u64::from(cap.max))
                .with("what", what)
                .with("span", span)
        })
        .collect()
}

fn hours(settings: &Settings) -> Vec<Sentence> {
    settings
        .quiet_hours
        .iter()
        .map(|hours| {
            let country = hours
                .country
                .as_deref()
                .map_or(Value::word("other countries"), Value::from);
            let text = if hours.holidays_are_quiet {
                "{channel} ({country}): {hours}, not on public holidays, in the recipient’s time."
            } else {
                "{channel} ({country}): {hours}, in the recipient’s time."
            };
            Sentence::new(text)
                .with("channel", said(&hours.channel))
                .with("country", country)
                .with(
                    "hours",
                    hours
                        .allowed
                        .iter()
                        .map(|span| span_in_words(span))
                        .collect::<Vec<_>>(),
                )
        })
        .collect()
}

/// `Mon-Fri 08:00-20:00` as the settings write it.
fn span_in_words(span: &str) -> Sentence {
    let Some((days, hours)) = span.split_once(' ') else {
        return Sentence::new("{span}").with("span", span);
    };
    let day = |text: &str| {
        let known = DAYS.iter().find(|day| **day == text.trim());
        known.map_or_else(|| Value::from(text), |day| Value::word(day))
    };
    let days = match days.split_once('-') {
        Some((first, last)) => Sentence::new("{first}-{last}")
            .with("first", day(first))
            .with("last", day(last)),
        None => Sentence::new("{day}").with("day", day(days)),
    };
    Sentence::new("{days} {hours}")
        .with("days", days)
        .with("hours", hours)
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A channel as people say it.
fn spoken(channel: &str) -> &'static str {
    match channel {
        "email" => "email",
        "sms" => "SMS",
        _ => "",
    }
}

fn said(channel: &str) -> Value {
    match spoken(channel) {
        "" => Value::from(channel),
        known => Value::word(known),
    }
}

fn days_in_words(days: i64) -> Value {
    let days = days.unsigned_abs();
    if days > 0 && days.is_multiple_of(365) {
        Value::counted(days / 365, "{n} year", "{n} years")
    } else {
        Value::counted(days, "{n} day", "{n} days")
    }
}

/// `a, b and c`.
fn listed(words: &[&'static str], link: &'static str) -> Sentence {
    match words.split_last() {
        None => Sentence::new(""),
        Some((only, [])) => Sentence::new(only),
        Some((last, rest)) => {
            let rest: Vec<Sentence> = rest.iter().map(|word| Sentence::new(word)).collect();
            Sentence::new(link)
                .with("rest", rest)
                .with("last", Value::word(last))
        }
    }
}

/// How a list ends.
const AND: &str = "{rest} and {last}";
const OR: &str = "{rest} or {last}";

impl OfferKind {
    /// In words for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Information => "what helps them now",
            Self::General => "offers for everyone",
            Self::Personal => "offers made for them",
            Self::Reward => "rewards they earned",
            Self::OnApproval => "goods sent on approval",
        }
    }
}

impl Level {
    /// Its name for a person.
    pub fn title(self) -> &'static str {
        match self {
            Self::Stranger => "Stranger",
            Self::Situational => "Situational",
            Self::BrandTrust => "Brand trust",
            Self::PersonalRelationship => "Personal relationship",
            Self::Points => "Points",
            Self::Intravenous => "Intravenous",
        }
    }

    /// Who stands there.
    pub fn who(self) -> &'static str {
        match self {
            Self::Stranger => "Never allowed us anything, or took it back.",
            Self::Situational => "In the middle of something with us: an order, a question.",
            Self::BrandTrust => "Knows the brand: said yes to a topic, or bought.",
            Self::PersonalRelationship => {
                "Told us about themselves, so that we write to them and not to everyone."
            }
            Self::Points => "Collects something for the attention: points, a status, a chance.",
            Self::Intravenous => "Lets us choose and send, on approval.",
        }
    }

    /// Which request a person accepts to come here.
    pub fn climb(self) -> &'static str {
        match self {
            Self::Stranger => "",
            Self::Situational => "Orders or asks something of us.",
            Self::BrandTrust => "Says yes to a topic, or buys and does not refuse.",
            Self::PersonalRelationship => "Answers when we ask what they like.",
            Self::Points => "Joins what rewards reading on.",
            Self::Intravenous => "Asks us, in so many words, to choose for them.",
        }
    }
}
