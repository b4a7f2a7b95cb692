//! The form of a rule as names and values, and back.
//!
//! Every group and line has its number, in the order of the form; the outermost group is 0. `3.in` names the
//! group that line 3 stands in, `3.about` what it is about, `3.group` how a group is joined.

use std::collections::BTreeMap;

use super::{About, Builder, Group, Join, Line, Literal, Part, When};
use crate::segments::model::Unit;

/// The greatest number that is read: a form that was not tampered with has fewer.
const MAX_NUMBER: usize = 400;

impl Builder {
    /// The fields of the form.
    pub fn fields(&self) -> Vec<(String, String)> {
        let mut fields = vec![("0.group".to_owned(), self.root.join.as_str().to_owned())];
        write(&self.root, 0, &mut 0, &mut fields);
        fields
    }

    /// Reads the fields of a form, whatever else stands among them. What is missing is as in a new line, and
    /// what nothing holds stands in the outermost group.
    pub fn from_fields<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Self {
        let mut read: BTreeMap<usize, BTreeMap<&str, &str>> = BTreeMap::new();
        for (name, value) in fields {
            if let Some((number, key)) = name.split_once('.')
                && let Ok(number) = number.parse()
                && number <= MAX_NUMBER
            {
                read.entry(number).or_default().insert(key, value);
            }
        }
        let join = |of: &BTreeMap<&str, &str>| of.get("group").and_then(|j| Join::from_field(j));
        let root = read.get(&0).and_then(join).unwrap_or(Join::All);
        // Which parts each group holds, in order.
        let mut holds: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, of) in &read {
            if *number == 0 || (join(of).is_none() && !of.contains_key("about")) {
                continue;
            }
            let named: Option<usize> = of.get("in").and_then(|group| group.parse().ok());
            let group = named
                .filter(|group| group < number)
                .filter(|group| *group == 0 || read.get(group).is_some_and(|g| join(g).is_some()))
                .unwrap_or(0);
            holds.entry(group).or_default().push(*number);
        }
        Self {
            root: group(0, root, &read, &holds),
        }
    }
}

fn group(
    number: usize,
    join: Join,
    read: &BTreeMap<usize, BTreeMap<&str, &str>>,
    holds: &BTreeMap<usize, Vec<usize>>,
) -> Group {
    let parts = holds.get(&number).into_iter().flatten();
    let parts = parts.filter_map(|part| {
        let of = read.get(part)?;
        Some(match of.get("group").and_then(|j| Join::from_field(j)) {
            Some(join) => Part::Group(group(*part, join, read, holds)),
            None => Part::Line(Box::new(line(of)?)),
        })
    });
    Group {
        join,
        parts: parts.collect(),
    }
}

fn line(of: &BTreeMap<&str, &str>) -> Option<Line> {
    let text = |key: &str| of.get(key).copied();
    let owned = |key: &str| text(key).unwrap_or_default().to_owned();
    let about = match About::from_field(text("about")?)? {
        About::Attribute(_) => About::Attribute(owned("name")),
        about => about,
    };
    let new = Line::new(about);
    let literal = Literal::ALL
        .into_iter()
        .find(|literal| Some(literal.as_str()) == text("literal"))
        .unwrap_or(Literal::Text);
    let words = new.about.words(literal);
    let word = words
        .iter()
        .copied()
        .find(|word| Some(word.as_str()) == text("word"))
        .or_else(|| words.first().copied())
        .unwrap_or(new.word);
    Some(Line {
        is_negated: text("not") == Some("1"),
        word,
        literal,
        a: text("a").map_or_else(|| new.a.clone(), str::to_owned),
        b: owned("b"),
        unit: Unit::ALL
            .into_iter()
            .find(|unit| Some(unit.plural()) == text("unit"))
            .unwrap_or(Unit::Days),
        campaign: owned("campaign"),
        product: owned("product"),
        category: owned("category"),
        times: owned("times"),
        amount: owned("amount"),
        when: When::ALL
            .into_iter()
            .find(|when| Some(when.as_str()) == text("when"))
            .unwrap_or(When::Ever),
        ..new
    })
}

fn write(group: &Group, own: usize, number: &mut usize, fields: &mut Vec<(String, String)>) {
    for part in &group.parts {
        *number += 1;
        let at = *number;
        let mut put = |key: &str, value: &str| {
            if !value.is_empty() {
                fields.push((format!("{at}.{key}"), value.to_owned()));
            }
        };
        put("in", &own.to_string());
        match part {
            Part::Group(inner) => {
                put("group", inner.join.as_str());
                write(inner, at, number, fields);
            }
            Part::Line(line) => {
                put("about", line.about.as_str());
                if let About::Attribute(name) = &line.about {
                    put("name", name);
                    put("literal", line.literal.as_str());
                }
                put("not", if line.is_negated { "1" } else { "" });
                put("word", line.word.as_str());
                // Even when it is empty: a new line would have a value of its own.
                fields.push((format!("{at}.a"), line.a.clone()));
                let mut put = |key: &str, value: &str| {
                    if !value.is_empty() {
                        fields.push((format!("{at}.{key}"), value.to_owned()));
                    }
                };
                put("b", &line.b);
                put("unit", line.unit.plural());
                put("campaign", &line.campaign);
                put("product", &line.product);
                put("category", &line.category);
                put("times", &line.times);
                put("amount", &line.amount);
                put("when", line.when.as_str());
            }
        }
    }
}
