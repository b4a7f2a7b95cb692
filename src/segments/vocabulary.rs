//! The words of the language: each field with its type and one line about it.

use unicode_normalization::UnicodeNormalization as _;

use super::model::{Deed, Field};
use crate::storage::text::fold;

/// What a field holds, and so what may be asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text(Matching),
    /// One of a few words.
    Word(&'static [&'static str]),
    Whole,
    /// Currency units, with up to two decimals.
    Money,
    /// A date without an hour.
    Day,
    /// A moment; compared with a date by its day in UTC.
    Instant,
}

impl Kind {
    /// The type in a word, for lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Word(_) => "word",
            Self::Whole => "whole number",
            Self::Money => "amount",
            Self::Day | Self::Instant => "date",
        }
    }
}

/// How two texts are found equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Case, accents and repeated spaces do not count (`storage::text::fold`).
    Folded,
    /// Case and outer spaces do not count: a mail address, by its key. The key holds a domain in ASCII, so
    /// a domain of other letters is written as `xn--…`.
    Address,
    /// ASCII case does not count: a code.
    Code,
    /// Every character counts: a key of another system.
    Exact,
    /// Every digit counts; spaces and the signs `. - / ( )` of the rule do not.
    PhoneNumber,
}

impl Matching {
    /// The form in which a literal of the rule is compared.
    pub(super) fn key(self, literal: &str) -> String {
        match self {
            Self::Folded => fold(literal),
            Self::Address => literal.trim().nfc().collect::<String>().to_lowercase(),
            Self::Code => literal.to_ascii_lowercase(),
            Self::Exact => literal.to_owned(),
            Self::PhoneNumber => literal
                .chars()
                .filter(|c| !c.is_whitespace() && !matches!(c, '.' | '-' | '/' | '(' | ')'))
                .collect(),
        }
    }
}

/// The generations by year of birth, first and last included: the bounds of Pew Research Center (2019),
/// with `alpha` from their end to 2024. Who was born earlier or later has no known generation.
pub const GENERATIONS: [(&str, i32, i32); 6] = [
    ("silent", 1928, 1945),
    ("boomer", 1946, 1964),
    ("x", 1965, 1980),
    ("y", 1981, 1996),
    ("z", 1997, 2012),
    ("alpha", 2013, 2024),
];

const GENERATION_WORDS: [&str; 6] = ["silent", "boomer", "x", "y", "z", "alpha"];

const CLASS_WORDS: [&str; 3] = ["a", "b", "c"];

const CHANNEL_WORDS: [&str; 2] = ["email", "sms"];

const STAGE_WORDS: [&str; 4] = ["suspect", "prospect", "customer", "lapsed"];

impl Field {
    pub const ALL: [Self; 33] = [
        Self::Id,
        Self::ExternalId,
        Self::Email,
        Self::Phone,
        Self::FirstName,
        Self::LastName,
        Self::Company,
        Self::Gender,
        Self::Age,
        Self::BirthDate,
        Self::Generation,
        Self::Language,
        Self::Country,
        Self::Region,
        Self::PostalCode,
        Self::City,
        Self::TimeZone,
        Self::Stage,
        Self::Orders,
        Self::Revenue,
        Self::FirstOrder,
        Self::LastOrder,
        Self::LastContact,
        Self::LastResponse,
        Self::Engagement,
        Self::Recency,
        Self::Frequency,
        Self::Monetary,
        Self::Rfm,
        Self::ValueClass,
        Self::PreferredChannel,
        Self::PreferredHour,
        Self::Created,
    ];

    /// The word of the language.
    pub fn as_str(self) -> &'static str {
        self.entry().0
    }

    pub fn kind(self) -> Kind {
        self.entry().1
    }

    /// One line about it.
    pub fn description(self) -> &'static str {
        self.entry().2
    }

    fn entry(self) -> (&'static str, Kind, &'static str) {
        use Matching::{Address, Code, Exact, Folded, PhoneNumber};
        match self {
            Self::Id => ("id", Kind::Whole, "the customer's number in this base"),
            Self::ExternalId => (
                "external_id",
                Kind::Text(Exact),
                "the key your own systems use; case counts",
            ),
            Self::Email => ("email", Kind::Text(Address), "the mail address"),
            Self::Phone => (
                "phone",
                Kind::Text(PhoneNumber),
                "the phone number, as +33612345678",
            ),
            Self::FirstName => ("first_name", Kind::Text(Folded), "the first name"),
            Self::LastName => ("last_name", Kind::Text(Folded), "the family name"),
            Self::Company => ("company", Kind::Text(Folded), "the company"),
            Self::Gender => ("gender", Kind::Text(Code), "the gender, as imported"),
            Self::Age => (
                "age",
                Kind::Whole,
                "years completed today (UTC), from birth_date",
            ),
            Self::BirthDate => ("birth_date", Kind::Day, "the date of birth"),
            Self::Generation => (
                "generation",
                Kind::Word(&GENERATION_WORDS),
                "by year of birth: silent 1928-1945, boomer 1946-1964, x 1965-1980, y 1981-1996, z 1997-2012, alpha 2013-2024",
            ),
            Self::Language => ("language", Kind::Text(Code), "the language, as fr"),
            Self::Country => ("country", Kind::Text(Code), "the country, as FR"),
            Self::Region => ("region", Kind::Text(Folded), "the region"),
            Self::PostalCode => ("postal_code", Kind::Text(Code), "the postal code, a text"),
            Self::City => ("city", Kind::Text(Folded), "the town"),
            Self::TimeZone => ("time_zone", Kind::Text(Code), "the zone, as Europe/Paris"),
            Self::Stage => (
                "stage",
                Kind::Word(&STAGE_WORDS),
                "how far the person has come: suspect, prospect, customer or lapsed",
            ),
            Self::Orders => ("orders", Kind::Whole, "the number of orders ever"),
            Self::Revenue => (
                "revenue",
                Kind::Money,
                "the sum of all orders, in currency units",
            ),
            Self::FirstOrder => ("first_order", Kind::Instant, "when they ordered first"),
            Self::LastOrder => ("last_order", Kind::Instant, "when they ordered last"),
            Self::LastContact => ("last_contact", Kind::Instant, "when we last reached them"),
            Self::LastResponse => ("last_response", Kind::Instant, "when they last responded"),
            Self::Engagement => (
                "engagement",
                Kind::Whole,
                "points won by responses; half of each is left after 90 days",
            ),
            Self::Recency => (
                "recency",
                Kind::Whole,
                "from 1 to 5 among the buyers: how lately they ordered; 5 is the latest fifth",
            ),
            Self::Frequency => (
                "frequency",
                Kind::Whole,
                "from 1 to 5 among the buyers: how often they ordered",
            ),
            Self::Monetary => (
                "monetary",
                Kind::Whole,
                "from 1 to 5 among the buyers: how much they spent",
            ),
            Self::Rfm => (
                "rfm",
                Kind::Text(Exact),
                "recency, frequency and monetary as one code, such as \"555\"",
            ),
            Self::ValueClass => (
                "value_class",
                Kind::Word(&CLASS_WORDS),
                "a, b or c: who makes the first 80 % of the revenue, the next 15 %, the rest",
            ),
            Self::PreferredChannel => (
                "preferred_channel",
                Kind::Word(&CHANNEL_WORDS),
                "where they act themselves most, from three acts on: email or sms",
            ),
            Self::PreferredHour => (
                "preferred_hour",
                Kind::Whole,
                "the hour of their own day, 0 to 23, about which they act most, from three acts on",
            ),
            Self::Created => ("created", Kind::Instant, "when they came into the base"),
        }
    }
}

/// The predicates that are no comparison of a field: how they begin, and one line about each.
pub fn predicates() -> Vec<(&'static str, &'static str)> {
    let mut list = vec![
        ("everyone", "every customer"),
        (
            "attribute.NAME",
            "what you know beyond the fields: a text, a number, true or false",
        ),
        ("tagged \"NAME\"", "has the tag"),
        (
            "interested in \"NAME\"",
            "clicked lately on what is about it; only of those who agree to tracking",
        ),
        (
            "can receive email about \"TOPIC\"",
            "permission granted, address usable, not suppressed; also: can receive sms",
        ),
    ];
    list.extend(Deed::ALL.map(|deed| {
        let about = match deed {
            Deed::Ordered => {
                "has ordered; may name campaign, product, category, for at least AMOUNT"
            }
            Deed::Received => "a message to them was accepted; may name campaign",
            Deed::Opened => "opened a message himself; may name campaign",
            Deed::Clicked => "clicked a link himself; may name campaign",
            Deed::Responded => "clicked, ordered, replied, redeemed or answered; may name campaign",
            Deed::Replied => "wrote back; may name campaign",
            Deed::Redeemed => "redeemed a coupon; may name campaign",
            Deed::Answered => "named a campaign's code in a shop or by phone; may name campaign",
            Deed::Bounced => "a message to them came back; may name campaign",
            Deed::Complained => "called a message spam; may name campaign",
        };
        (deed.as_str(), about)
    }));
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customers::model::Stage;

    #[test]
    fn the_words_are_those_of_the_base() {
        assert_eq!(STAGE_WORDS, Stage::ALL.map(Stage::as_str));
        assert_eq!(GENERATION_WORDS, GENERATIONS.map(|(name, _, _)| name));
    }
}
