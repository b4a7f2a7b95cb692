//! A rule as a sentence in the reader's language.

use super::labels;
use crate::consent::model::Channel;
use crate::segments::builder::{About, Line, Literal, Part, When, Word};
use crate::segments::builder::{Builder, Group, Join};
use crate::segments::model::{Field, Node, Rule, Unit};
use crate::segments::vocabulary::Kind;
use crate::web::words::Words;

/// Conditions a sentence has room for.
const ROOM: usize = 10;

/// The rule as a sentence, shortened where it has very many conditions.
pub(super) fn of_rule(words: &Words, rule: &Rule) -> String {
    let mut room = ROOM;
    of_group(words, &Builder::of(rule).root, true, &mut room)
}

/// The sentence of a rule's text; the text itself where it is none.
pub(super) fn of_text(words: &Words, text: &str) -> String {
    Rule::parse(text).map_or_else(|_| text.to_owned(), |rule| of_rule(words, &rule))
}

fn of_group(words: &Words, group: &Group, is_outermost: bool, room: &mut usize) -> String {
    if group.parts.is_empty() {
        return words.t("everyone").to_owned();
    }
    let mut said = Vec::new();
    let mut left_out = 0_u64;
    for part in &group.parts {
        if *room == 0 {
            left_out += 1;
            continue;
        }
        said.push(match part {
            Part::Line(line) => {
                *room -= 1;
                of_line(words, line)
            }
            Part::Group(group) => of_group(words, group, false, room),
        });
    }
    if left_out > 0 {
        said.push(words.counted(left_out, "{n} condition more", "{n} conditions more"));
    }
    let link = match group.join {
        Join::All => words.t("and"),
        Join::Any | Join::None => words.t("or"),
    };
    let joined = said.join(&format!(" {link} "));
    match (group.join, is_outermost, said.len()) {
        (Join::None, ..) => words.fill("not ({parts})", &[("parts", joined)]),
        (_, true, _) | (_, _, 1) => joined,
        _ => format!("({joined})"),
    }
}

/// A line as a sentence.
pub(super) fn of_line(words: &Words, line: &Line) -> String {
    let said = match &line.about {
        About::Everyone => words.t("everyone").to_owned(),
        About::Text => return line.a.clone(),
        About::Tagged | About::Interested | About::CanReceive(_) => format!(
            "{} {}",
            words.t(labels::about(&line.about)),
            quoted(words, &line.a)
        ),
        About::Did(_) => did(words, line),
        About::Field(_) | About::Attribute(_) => compared(words, line),
    };
    if line.is_negated {
        words.fill("not: {what}", &[("what", said)])
    } else {
        said
    }
}

fn compared(words: &Words, line: &Line) -> String {
    let what = match &line.about {
        About::Attribute(name) => format!("attribute.{name}"),
        about => words.t(labels::about(about)).to_owned(),
    };
    let a = match line.word {
        Word::Within | Word::MoreThanAgo => span(words, &line.a, line.unit),
        Word::In => {
            let values: Vec<String> = line
                .a
                .split(", ")
                .map(|value| self::value(words, line, value))
                .collect();
            values.join(", ")
        }
        _ => value(words, line, &line.a),
    };
    let b = value(words, line, &line.b);
    let pattern = labels::sentence(line.word, &line.about);
    words.fill(pattern, &[("what", what), ("a", a), ("b", b)])
}

fn value(words: &Words, line: &Line, text: &str) -> String {
    match &line.about {
        About::Field(field) => match field.kind() {
            Kind::Word(_) => match labels::value(*field, text) {
                Some(label) => words.t(label).to_owned(),
                None => text.to_owned(),
            },
            Kind::Day | Kind::Instant => day(words, text),
            Kind::Money => amount(words, text),
            Kind::Whole => figure(words, *field, text),
            Kind::Text(_) => quoted(words, text),
        },
        _ => match (line.literal, text) {
            (Literal::Boolean, "true") => words.t("yes").to_owned(),
            (Literal::Boolean, _) => words.t("no").to_owned(),
            (Literal::Number, _) => text.to_owned(),
            (Literal::Text, _) => quoted(words, text),
        },
    }
}

fn did(words: &Words, line: &Line) -> String {
    let mut said = vec![words.t(labels::about(&line.about)).to_owned()];
    let mut add = |pattern: &str, value: &str, shown: String| {
        if !value.is_empty() {
            said.push(words.fill(pattern, &[("a", shown)]));
        }
    };
    let q = |text: &str| quoted(words, text);
    add("of the campaign {a}", &line.campaign, q(&line.campaign));
    add("the product {a}", &line.product, q(&line.product));
    add("of the category {a}", &line.category, q(&line.category));
    add("at least {a} times", &line.times, line.times.clone());
    add(
        "for at least {a} in all",
        &line.amount,
        amount(words, &line.amount),
    );
    match line.when {
        When::Ever => {}
        When::Within => add(
            "within the last {a}",
            &line.a,
            span(words, &line.a, line.unit),
        ),
        When::Between => {
            let days = [("a", day(words, &line.a)), ("b", day(words, &line.b))];
            said.push(words.fill("from {a} to {b}", &days));
        }
    }
    said.join(" ")
}

fn span(words: &Words, count: &str, unit: Unit) -> String {
    let (one, many) = labels::span(unit);
    words.counted(count.parse().unwrap_or(0), one, many)
}

fn day(words: &Words, text: &str) -> String {
    text.parse()
        .map_or_else(|_| text.to_owned(), |day| words.date(day))
}

fn amount(words: &Words, text: &str) -> String {
    let (whole, cents) = text.split_once('.').unwrap_or((text, ""));
    let cents: String = cents.chars().chain("00".chars()).take(2).collect();
    format!("{whole}{cents}")
        .parse()
        .map_or_else(|_| text.to_owned(), |cents| words.money(cents))
}

fn figure(words: &Words, field: Field, text: &str) -> String {
    // A customer's number is a name and not a quantity.
    if field == Field::Id {
        return text.to_owned();
    }
    text.parse()
        .map_or_else(|_| text.to_owned(), |n| words.number(n))
}

fn quoted(words: &Words, text: &str) -> String {
    words.fill("“{text}”", &[("text", text)])
}

/// What a channel is called.
pub(super) fn channel(words: &Words, channel: Channel) -> &str {
    match channel {
        Channel::Email => words.t("By email"),
        Channel::Sms => words.t("By SMS"),
    }
}

/// A leaf of a rule as a sentence.
pub(super) fn of_leaf(words: &Words, node: &Node) -> String {
    of_line(words, &Line::of(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::public::words::Language;

    fn said(language: Language, rule: &str) -> String {
        let words = Words::new(language, "EUR", chrono_tz::UTC);
        of_text(&words, rule)
    }

    #[test]
    fn a_rule_is_a_sentence_in_both_languages() {
        let rule = "age between 30 and 60 and city in (\"Amiens\", \"Lille\") and (revenue >= 1250.5 or not tagged \"vip\") \
            and ordered category \"pans\" at least 2 times within 1 year and last_order more than 6 months ago";
        assert_eq!(
            said(Language::English, rule),
            "the age is between 30 and 60 and the town is one of “Amiens”, “Lille” and \
             (the revenue is at least 1,250.50\u{a0}€ or not: has the tag “vip”) and \
             ordered of the category “pans” at least 2 times within the last 1 year and \
             the last order is longer ago than 6 months"
        );
        assert_eq!(
            said(Language::French, rule),
            "l’âge est entre 30 et 60 et la ville est parmi «\u{a0}Amiens\u{a0}», «\u{a0}Lille\u{a0}» et \
             (le chiffre d’affaires vaut au moins 1\u{202f}250,50\u{a0}€ ou pas\u{a0}: porte l’étiquette «\u{a0}vip\u{a0}») et \
             a commandé de la catégorie «\u{a0}pans\u{a0}» au moins 2 fois il y a moins de 1 an et \
             la dernière commande date de plus de 6 mois"
        );
        assert_eq!(said(Language::English, "everyone"), "everyone");
        assert_eq!(
            said(
                Language::English,
                "not (stage = \"lapsed\" or created >= 2026-02-01)"
            ),
            "not (the stage is lapsed (has not ordered for long) or the day of entry into the base is on or after 1 February 2026)"
        );
    }

    #[test]
    fn every_label_has_its_french() {
        let words = Words::new(Language::French, "EUR", chrono_tz::UTC);
        let mut english: Vec<&str> = Vec::new();
        for about in About::all() {
            english.push(labels::about(&about));
            for literal in Literal::ALL {
                english.push(labels::literal(literal));
                for word in about.words(literal) {
                    english.push(labels::word(*word, &about));
                    english.push(labels::sentence(*word, &about));
                }
            }
            if let About::Field(field) = about
                && let Kind::Word(known) = field.kind()
            {
                let label = |word: &&'static str| labels::value(field, word).unwrap();
                english.extend(known.iter().map(label));
            }
        }
        english.extend(Join::ALL.map(labels::join));
        english.extend(When::ALL.map(labels::when));
        english.extend(Unit::ALL.map(labels::unit));
        english.extend(
            Unit::ALL
                .map(labels::span)
                .iter()
                .flat_map(|(a, b)| [*a, *b]),
        );
        english.extend(labels::shelves().iter().map(|(name, _)| *name));
        // These are the same in both.
        let same = ["alpha (2013 to 2024)"];
        for text in english {
            assert!(
                words.t(text) != text || same.contains(&text),
                "{text:?} has no French"
            );
        }
        // Nothing a line can be about is left out of the list.
        let listed: usize = labels::shelves()
            .iter()
            .map(|(_, abouts)| abouts.len())
            .sum();
        assert_eq!(listed, About::all().len());
    }
}
