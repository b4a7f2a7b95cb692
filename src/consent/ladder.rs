//! The permission ladder (Seth Godin, *Permission Marketing*, 1999): how far a person let us come.
//!
//! One climbs by a request that the person accepts, and a rung that nothing renews is lost again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{Basis, Channel};
use crate::config::{ConfigError, LevelSettings, LevelsSettings, TopicSettings};

/// A rung. The numbers are the database's.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Allowed nothing.
    Stranger = 0,
    /// In the middle of something with us: an order, a question. About that, and not for long.
    #[default]
    Situational = 1,
    /// Knows and trusts the brand: asked for its news, or bought.
    BrandTrust = 2,
    /// Talks with us: told us about himself, so that we write to him and not to everyone.
    PersonalRelationship = 3,
    /// Collects something for his attention: points, a status, a chance.
    Points = 4,
    /// Lets us choose and send for him, on approval.
    Intravenous = 5,
}

impl Level {
    /// From the ground up.
    pub const ALL: [Self; 6] = [
        Self::Stranger,
        Self::Situational,
        Self::BrandTrust,
        Self::PersonalRelationship,
        Self::Points,
        Self::Intravenous,
    ];

    /// The database's number.
    pub fn code(self) -> i16 {
        match self {
            Self::Stranger => 0,
            Self::Situational => 1,
            Self::BrandTrust => 2,
            Self::PersonalRelationship => 3,
            Self::Points => 4,
            Self::Intravenous => 5,
        }
    }

    /// Reads the database's number; one it does not know counts as a stranger.
    pub fn from_code(code: i16) -> Self {
        Self::ALL
            .into_iter()
            .find(|level| level.code() == code)
            .unwrap_or(Self::Stranger)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Situational => "situational",
            Self::BrandTrust => "brand_trust",
            Self::PersonalRelationship => "personal_relationship",
            Self::Points => "points",
            Self::Intravenous => "intravenous",
        }
    }

    /// The rung that a person's own yes to a topic gives; `None` where the settings name none.
    pub fn of_topic(topics: &[TopicSettings], topic: &str) -> Option<Self> {
        let known = topics.iter().find(|known| known.name == topic)?;
        known.level.as_deref()?.parse().ok()
    }

    /// The rung a grant gives that names none: what its legal basis says of the relationship.
    pub fn of_basis(basis: Basis) -> Self {
        match basis {
            Basis::Consent | Basis::SoftOptIn | Basis::B2bLegitimateInterest => Self::BrandTrust,
            Basis::Contract => Self::Situational,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|level| level.as_str()).collect();
                format!(
                    "{text:?} is not a permission level; there are {}",
                    names.join(", ")
                )
            })
    }
}

/// What a rung allows, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    pub level: Level,
    pub channels: Vec<Channel>,
    /// Messages in seven days at most; `None`: without limit.
    pub contacts_per_week: Option<u32>,
    /// Milliseconds it holds after the person's last act; `None`: without end.
    pub holds_ms: Option<i64>,
    /// The kinds of offer it allows.
    pub offers: Vec<OfferKind>,
}

/// What is proposed, by how close one has to be for it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OfferKind {
    /// What helps with what he is doing.
    Information,
    /// The same for everyone.
    General,
    /// Made for what we know of him.
    Personal,
    /// For points or a status he earned.
    Reward,
    /// Sent without asking, kept or given back.
    OnApproval,
}

impl OfferKind {
    pub const ALL: [Self; 5] = [
        Self::Information,
        Self::General,
        Self::Personal,
        Self::Reward,
        Self::OnApproval,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::General => "general",
            Self::Personal => "personal",
            Self::Reward => "reward",
            Self::OnApproval => "on_approval",
        }
    }
}

const DAY_MS: i64 = 86_400_000;

/// The ladder as the settings have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// By [`Level::code`].
    rungs: [Rung; 6],
}

impl Ladder {
    /// Reads the settings.
    ///
    /// # Errors
    /// Names the key with a channel or kind of offer that does not exist.
    pub fn new(settings: &LevelsSettings) -> Result<Self, ConfigError> {
        let rung = |level: Level, settings: &LevelSettings| -> Result<Rung, ConfigError> {
            let key = |name: &str| format!("permission.levels.{level}.{name}");
            let channels = settings
                .channels
                .iter()
                .map(|name| name.parse())
                .collect::<Result<_, String>>()
                .map_err(|problem| ConfigError::key(&key("channels"), problem))?;
            let offers = settings
                .offers
                .iter()
                .map(|name| {
                    OfferKind::ALL
                        .into_iter()
                        .find(|kind| kind.as_str() == name)
                        .ok_or_else(|| {
                            let names: Vec<&str> =
                                OfferKind::ALL.iter().map(|kind| kind.as_str()).collect();
                            ConfigError::key(
                                &key("offers"),
                                format!(
                                    "{name:?} is not a kind of offer; there are {}",
                                    names.join(", ")
                                ),
                            )
                        })
                })
                .collect::<Result<_, _>>()?;
            Ok(Rung {
                level,
                channels,
                contacts_per_week: Some(settings.contacts_per_week).filter(|n| *n > 0),
                holds_ms: Some(i64::from(settings.holds_days) * DAY_MS).filter(|ms| *ms > 0),
                offers,
            })
        };
        Ok(Self {
            rungs: [
                Rung {
                    level: Level::Stranger,
                    channels: Vec::new(),
                    contacts_per_week: None,
                    holds_ms: None,
                    offers: Vec::new(),
                },
                rung(Level::Situational, &settings.situational)?,
                rung(Level::BrandTrust, &settings.brand_trust)?,
                rung(Level::PersonalRelationship, &settings.personal_relationship)?,
                rung(Level::Points, &settings.points)?,
                rung(Level::Intravenous, &settings.intravenous)?,
            ],
        })
    }

    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// What a rung allows.
    pub fn rung(&self, level: Level) -> &Rung {
        let [
            stranger,
            situational,
            brand_trust,
            personal,
            points,
            intravenous,
        ] = &self.rungs;
        match level {
            Level::Stranger => stranger,
            Level::Situational => situational,
            Level::BrandTrust => brand_trust,
            Level::PersonalRelationship => personal,
            Level::Points => points,
            Level::Intravenous => intravenous,
        }
    }

    /// Milliseconds for which a grant of `granted` keeps the person at `needed` or above, counted from
    /// his last act; `None`: without end. The rungs from `granted` down to `needed` are lost one after
    /// the other. 0 or less when `granted` is below `needed`.
    pub fn keeps_ms(&self, granted: Level, needed: Level) -> Option<i64> {
        let mut sum = 0_i64;
        for rung in &self.rungs {
            if rung.level >= needed && rung.level <= granted {
                sum = sum.saturating_add(rung.holds_ms?);
            }
        }
        Some(if granted < needed { -1 } else { sum })
    }

    /// Where a person stands at `now` who was granted `granted` and whose last act was at `last_act`
    /// (milliseconds since the epoch).
    pub fn standing(&self, granted: Level, last_act: i64, now: i64) -> Level {
        let age = now.saturating_sub(last_act);
        Level::ALL
            .into_iter()
            .rev()
            .filter(|level| *level <= granted && *level != Level::Stranger)
            .find(|level| {
                self.keeps_ms(granted, *level)
                    .is_none_or(|keeps| age <= keeps)
            })
            .unwrap_or(Level::Stranger)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Settings;

    fn ladder() -> Ladder {
        let settings = Settings::load_from(None, HashMap::new());
        Ladder::new(&settings.map(|s| s.permission.levels).expect("the defaults"))
            .expect("a ladder")
    }

    fn level() -> impl Strategy<Value = Level> {
        proptest::sample::select(Level::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn time_alone_never_lifts_anyone(granted in level(), a in 0_i64..6000, b in 0_i64..6000) {
            let ladder = ladder();
            let (early, late) = (a.min(b) * DAY_MS, a.max(b) * DAY_MS);
            prop_assert!(ladder.standing(granted, 0, late) <= ladder.standing(granted, 0, early));
            prop_assert!(ladder.standing(granted, 0, early) <= granted);
        }

        #[test]
        fn standing_and_keeping_say_the_same(granted in level(), needed in level(), days in 0_i64..6000) {
            prop_assume!(needed != Level::Stranger);
            let ladder = ladder();
            let keeps = ladder.keeps_ms(granted, needed).is_none_or(|keeps| days * DAY_MS <= keeps);
            prop_assert_eq!(ladder.standing(granted, 0, days * DAY_MS) >= needed, keeps);
        }
    }

    #[test]
    fn a_rung_that_nothing_renews_is_lost_again() {
        let ladder = ladder();
        let at = |days: i64| ladder.standing(Level::Points, 0, days * DAY_MS);
        assert_eq!(at(730), Level::Points);
        assert_eq!(at(731), Level::PersonalRelationship);
        assert_eq!(at(1461), Level::BrandTrust);
        assert_eq!(at(730 + 730 + 1095 + 1), Level::Situational);
        assert_eq!(at(730 + 730 + 1095 + 91), Level::Stranger);
    }
}
