//! What the builder calls the words of the segment language; the text form stays the language.

use crate::consent::model::Channel;
use crate::segments::builder::{About, Join, Literal, When, Word};
use crate::segments::model::{Deed, Field, Unit};
use crate::segments::vocabulary::Kind;

/// A group of choices with its name.
pub(super) type Shelf = (&'static str, Vec<About>);

/// Everything a line can be about, in the groups of the list.
pub(super) fn shelves() -> Vec<Shelf> {
    let fields = |fields: &[Field]| fields.iter().copied().map(About::Field).collect::<Vec<_>>();
    let mut who = fields(&[
        Field::Age,
        Field::Generation,
        Field::BirthDate,
        Field::Gender,
        Field::Language,
        Field::FirstName,
        Field::LastName,
        Field::Company,
    ]);
    who.push(About::Attribute(String::new()));
    who.push(About::Tagged);
    let mut worth = fields(&[
        Field::Stage,
        Field::Orders,
        Field::Revenue,
        Field::FirstOrder,
        Field::LastOrder,
        Field::ValueClass,
        Field::Recency,
        Field::Frequency,
        Field::Monetary,
        Field::Rfm,
    ]);
    worth.insert(0, About::Did(Deed::Ordered));
    let mut did: Vec<About> = Deed::ALL
        .into_iter()
        .filter(|deed| *deed != Deed::Ordered)
        .map(About::Did)
        .collect();
    did.push(About::Interested);
    did.extend(fields(&[
        Field::Engagement,
        Field::LastResponse,
        Field::LastContact,
        Field::PreferredChannel,
        Field::PreferredHour,
    ]));
    let mut reach: Vec<About> = Channel::ALL.into_iter().map(About::CanReceive).collect();
    reach.extend(fields(&[Field::Email, Field::Phone]));
    let mut other = fields(&[Field::Id, Field::ExternalId, Field::Created]);
    other.extend([About::Everyone, About::Text]);
    vec![
        ("Who they are", who),
        (
            "Where they live",
            fields(&[
                Field::City,
                Field::PostalCode,
                Field::Region,
                Field::Country,
                Field::TimeZone,
            ]),
        ),
        ("What they buy", worth),
        ("What they do with messages", did),
        ("How they can be reached", reach),
        ("Other conditions", other),
    ]
}

/// What a line is about, as its sentence begins.
pub(super) fn about(about: &About) -> &'static str {
    match about {
        About::Field(field) => self::field(*field),
        About::Attribute(_) => "a value of your own",
        About::Tagged => "has the tag",
        About::Interested => "is interested in",
        About::Did(deed) => self::deed(*deed),
        About::CanReceive(Channel::Email) => "can receive emails about",
        About::CanReceive(Channel::Sms) => "can receive SMS about",
        About::Everyone => "everyone",
        About::Text => "a condition in words of the language",
    }
}

pub(super) fn field(field: Field) -> &'static str {
    match field {
        Field::Id => "the customer’s number",
        Field::ExternalId => "the key in your own systems",
        Field::Email => "the mail address",
        Field::Phone => "the phone number",
        Field::FirstName => "the first name",
        Field::LastName => "the family name",
        Field::Company => "the company",
        Field::Gender => "the gender",
        Field::Age => "the age",
        Field::BirthDate => "the date of birth",
        Field::Generation => "the generation",
        Field::Language => "the language",
        Field::Country => "the country",
        Field::Region => "the region",
        Field::PostalCode => "the postal code",
        Field::City => "the town",
        Field::TimeZone => "the time zone",
        Field::Stage => "the stage",
        Field::Orders => "the number of orders",
        Field::Revenue => "the revenue",
        Field::FirstOrder => "the first order",
        Field::LastOrder => "the last order",
        Field::LastContact => "the last contact",
        Field::LastResponse => "the last response",
        Field::Engagement => "the engagement in points",
        Field::Recency => "the recency from 1 to 5",
        Field::Frequency => "the frequency from 1 to 5",
        Field::Monetary => "the spending from 1 to 5",
        Field::Rfm => "the RFM code",
        Field::ValueClass => "the value class",
        Field::PreferredChannel => "the preferred channel",
        Field::PreferredHour => "the preferred hour",
        Field::Created => "the day of entry into the base",
    }
}

pub(super) fn deed(deed: Deed) -> &'static str {
    match deed {
        Deed::Ordered => "ordered",
        Deed::Received => "received a message",
        Deed::Opened => "opened a message",
        Deed::Clicked => "clicked in a message",
        Deed::Responded => "responded to a message",
        Deed::Replied => "wrote back",
        Deed::Redeemed => "redeemed a coupon",
        Deed::Answered => "named the code of a campaign",
        Deed::Bounced => "could not be reached: a message came back",
        Deed::Complained => "called a message spam",
    }
}

/// What a test is called in a list of choices, of a date or of another value.
pub(super) fn word(word: Word, about: &About) -> &'static str {
    let is_date =
        matches!(about, About::Field(field) if matches!(field.kind(), Kind::Day | Kind::Instant));
    match (word, is_date) {
        (Word::Is, false) => "is",
        (Word::IsNot, false) => "is not",
        (Word::Less, false) => "is below",
        (Word::AtMost, false) => "is at most",
        (Word::More, false) => "is above",
        (Word::AtLeast, false) => "is at least",
        (Word::Between, false) => "is between",
        (Word::Is, true) => "is on",
        (Word::IsNot, true) => "is not on",
        (Word::Less, true) => "is before",
        (Word::AtMost, true) => "is on or before",
        (Word::More, true) => "is after",
        (Word::AtLeast, true) => "is on or after",
        (Word::Between, true) => "is from … to",
        (Word::In, _) => "is one of",
        (Word::Contains, _) => "contains",
        (Word::StartsWith, _) => "begins with",
        (Word::EndsWith, _) => "ends with",
        (Word::Within, _) => "lies within the last",
        (Word::MoreThanAgo, _) => "is longer ago than",
        (Word::Known, _) => "is known",
        (Word::Unknown, _) => "is unknown",
    }
}

/// The same as a sentence about `{what}` with its values.
pub(super) fn sentence(word: Word, about: &About) -> &'static str {
    let is_date =
        matches!(about, About::Field(field) if matches!(field.kind(), Kind::Day | Kind::Instant));
    match (word, is_date) {
        (Word::Is, false) => "{what} is {a}",
        (Word::IsNot, false) => "{what} is not {a}",
        (Word::Less, false) => "{what} is below {a}",
        (Word::AtMost, false) => "{what} is at most {a}",
        (Word::More, false) => "{what} is above {a}",
        (Word::AtLeast, false) => "{what} is at least {a}",
        (Word::Between, false) => "{what} is between {a} and {b}",
        (Word::Is, true) => "{what} is on {a}",
        (Word::IsNot, true) => "{what} is not on {a}",
        (Word::Less, true) => "{what} is before {a}",
        (Word::AtMost, true) => "{what} is on or before {a}",
        (Word::More, true) => "{what} is after {a}",
        (Word::AtLeast, true) => "{what} is on or after {a}",
        (Word::Between, true) => "{what} is from {a} to {b}",
        (Word::In, _) => "{what} is one of {a}",
        (Word::Contains, _) => "{what} contains {a}",
        (Word::StartsWith, _) => "{what} begins with {a}",
        (Word::EndsWith, _) => "{what} ends with {a}",
        (Word::Within, _) => "{what} lies within the last {a}",
        (Word::MoreThanAgo, _) => "{what} is longer ago than {a}",
        (Word::Known, _) => "{what} is known",
        (Word::Unknown, _) => "{what} is unknown",
    }
}

pub(super) fn join(join: Join) -> &'static str {
    match join {
        Join::All => "all of these hold",
        Join::Any => "at least one of these holds",
        Join::None => "none of these holds",
    }
}

pub(super) fn literal(literal: Literal) -> &'static str {
    match literal {
        Literal::Text => "a text",
        Literal::Number => "a figure",
        Literal::Boolean => "yes or no",
    }
}

pub(super) fn when(when: When) -> &'static str {
    match when {
        When::Ever => "at any time",
        When::Within => "within the last",
        When::Between => "from … to",
    }
}

pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Days => "days",
        Unit::Weeks => "weeks",
        Unit::Months => "months",
        Unit::Years => "years",
    }
}

/// One of a unit, and so many of it.
pub(super) fn span(unit: Unit) -> (&'static str, &'static str) {
    match unit {
        Unit::Days => ("{n} day", "{n} days"),
        Unit::Weeks => ("{n} week", "{n} weeks"),
        Unit::Months => ("{n} month", "{n} months"),
        Unit::Years => ("{n} year", "{n} years"),
    }
}

/// What a word of the language means to a reader.
pub(super) fn value(field: Field, word: &str) -> Option<&'static str> {
    Some(match (field, word) {
        (Field::Stage, "suspect") => "suspect (known by name only)",
        (Field::Stage, "prospect") => "prospect (has shown interest)",
        (Field::Stage, "customer") => "customer (has ordered)",
        (Field::Stage, "lapsed") => "lapsed (has not ordered for long)",
        (Field::Generation, "silent") => "silent (1928 to 1945)",
        (Field::Generation, "boomer") => "boomer (1946 to 1964)",
        (Field::Generation, "x") => "X (1965 to 1980)",
        (Field::Generation, "y") => "Y (1981 to 1996)",
        (Field::Generation, "z") => "Z (1997 to 2012)",
        (Field::Generation, "alpha") => "alpha (2013 to 2024)",
        (Field::ValueClass, "a") => "A (the first 80 % of the revenue)",
        (Field::ValueClass, "b") => "B (the next 15 %)",
        (Field::ValueClass, "c") => "C (the rest)",
        (Field::PreferredChannel, "email") => "email messages",
        (Field::PreferredChannel, "sms") => "SMS messages",
        _ => return None,
    })
}
