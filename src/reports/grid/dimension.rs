//! By what the grid can be crossed and filtered, without I/O.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::statistics::sentence::Value;

/// What responses are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    Campaign,
    /// The rule of the campaign.
    Segment,
    Offer,
    Channel,
    Wave,
    /// Of a test.
    Cell,
    Generation,
    Gender,
    Country,
    Region,
    Language,
    Stage,
    /// How often he had ordered before the launch.
    Orders,
    /// For how much he had ordered before the launch.
    Revenue,
    /// How long before the launch he had ordered last.
    LastOrder,
    /// Whether he had clicked a message before the launch.
    Clicked,
}

impl Dimension {
    pub const ALL: [Self; 16] = [
        Self::Campaign,
        Self::Segment,
        Self::Offer,
        Self::Channel,
        Self::Wave,
        Self::Cell,
        Self::Generation,
        Self::Gender,
        Self::Country,
        Self::Region,
        Self::Language,
        Self::Stage,
        Self::Orders,
        Self::Revenue,
        Self::LastOrder,
        Self::Clicked,
    ];

    /// Those a cube holds, in the order of its keys.
    pub const OF_PEOPLE: [Self; 10] = [
        Self::Generation,
        Self::Gender,
        Self::Country,
        Self::Region,
        Self::Language,
        Self::Stage,
        Self::Orders,
        Self::Revenue,
        Self::LastOrder,
        Self::Clicked,
    ];

    /// The word in addresses and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Segment => "segment",
            Self::Offer => "offer",
            Self::Channel => "channel",
            Self::Wave => "wave",
            Self::Cell => "cell",
            Self::Generation => "generation",
            Self::Gender => "gender",
            Self::Country => "country",
            Self::Region => "region",
            Self::Language => "language",
            Self::Stage => "stage",
            Self::Orders => "orders",
            Self::Revenue => "revenue",
            Self::LastOrder => "last_order",
            Self::Clicked => "clicked",
        }
    }

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Campaign => "Campaign",
            Self::Segment => "Segment",
            Self::Offer => "Offer",
            Self::Channel => "Channel",
            Self::Wave => "Wave",
            Self::Cell => "Test cell",
            Self::Generation => "Generation",
            Self::Gender => "Gender",
            Self::Country => "Country",
            Self::Region => "Region",
            Self::Language => "Language",
            Self::Stage => "Stage",
            Self::Orders => "Orders before",
            Self::Revenue => "Revenue before",
            Self::LastOrder => "Last order before",
            Self::Clicked => "Clicked before",
        }
    }

    /// A value as people say it: `x` is Generation X.
    pub fn said(self, value: &str) -> Value {
        const NAMELESS: [&str; 2] = ["not known", "others"];
        if self == Self::Generation
            && let Some((_, name)) = GENERATIONS.iter().find(|(word, _)| *word == value)
        {
            return Value::word(name);
        }
        let channels: &[&'static str] = match self {
            Self::Channel => &["email", "sms"],
            _ => &[],
        };
        let words = NAMELESS.iter().chain(self.values()).chain(channels);
        match words.into_iter().find(|word| **word == value) {
            Some(word) => Value::word(word),
            None => Value::from(value),
        }
    }

    /// Its place in the key of a cube; `None` for what a whole wave has in common.
    pub fn place(self) -> Option<usize> {
        Self::OF_PEOPLE.iter().position(|one| *one == self)
    }

    /// The values in their order, where they are known beforehand.
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::Generation => &["alpha", "z", "y", "x", "boomer", "silent"],
            Self::Stage => &["suspect", "prospect", "customer", "lapsed"],
            Self::Orders => &["none", "1", "2 to 4", "5 to 9", "10 or more"],
            Self::Revenue => &[
                "none",
                "below 50",
                "50 to 200",
                "200 to 1,000",
                "1,000 or more",
            ],
            Self::LastOrder => &[
                "within 30 days",
                "within 90 days",
                "within a year",
                "longer ago",
                "never",
            ],
            Self::Clicked => &["yes", "no"],
            _ => &[],
        }
    }
}

/// The names of the generations, by the words of the segment language.
const GENERATIONS: [(&str, &str); 6] = [
    ("alpha", "Generation Alpha"),
    ("z", "Generation Z"),
    ("y", "Millennials"),
    ("x", "Generation X"),
    ("boomer", "Baby boomers"),
    ("silent", "Silent generation"),
];

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == word);
        found.ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.map(Self::as_str).to_vec();
            format!("{word:?} is none of: {}", words.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_have_their_names() {
        let said = |value| Dimension::Generation.said(value).to_string();
        assert_eq!(
            ["y", "x", "others", "?"].map(said),
            ["Millennials", "Generation X", "others", "?"]
        );
        assert_eq!(Dimension::Region.said("x").to_string(), "x");
    }

    #[test]
    fn words_lead_back_to_their_dimension() {
        for dimension in Dimension::ALL {
            assert_eq!(dimension.as_str().parse(), Ok(dimension));
        }
        assert!("tags".parse::<Dimension>().is_err());
    }
}
