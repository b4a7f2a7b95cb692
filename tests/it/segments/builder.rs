//! Rules as forms: nothing is lost on the way there and back.

use proptest::prelude::*;
use visavis::segments::Rule;
use visavis::segments::builder::{About, Builder, Edit, Join, Line, Part, Problem, Word};
use visavis::segments::model::Field;

use super::trees;

fn rule(text: &str) -> Rule {
    Rule::parse(text).unwrap()
}

fn through_the_form(builder: &Builder) -> Builder {
    let fields = builder.fields();
    Builder::from_fields(fields.iter().map(|(n, v)| (n.as_str(), v.as_str())))
}

/// How many lines of a form are text.
fn texts(builder: &Builder) -> usize {
    let mut waiting: Vec<&Part> = builder.root.parts.iter().collect();
    let mut count = 0;
    while let Some(part) = waiting.pop() {
        match part {
            Part::Group(group) => waiting.extend(&group.parts),
            Part::Line(line) => count += usize::from(line.about == About::Text),
        }
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_rule_comes_back_from_its_form(tree in trees::tree()) {
        let rule = Rule::from_tree(tree).unwrap();
        let builder = Builder::of(&rule);
        prop_assert_eq!(&builder.rule().unwrap(), &rule, "{}", rule);
        let read = through_the_form(&builder);
        prop_assert_eq!(&read, &builder, "{}", rule);
        prop_assert_eq!(read.rule().unwrap().to_string(), rule.to_string());
    }

    #[test]
    fn no_form_is_too_odd_to_be_read(fields in prop::collection::vec(
        ("[0-9]{1,3}", "(in|group|about|name|not|word|literal|a|b|unit|times|when|campaign)", "[a-z0-9.,\" ]{0,8}|all|any|none|city|age|ordered"),
        0..40,
    )) {
        let named: Vec<(String, String)> = fields.into_iter().map(|(n, key, value)| (format!("{n}.{key}"), value)).collect();
        let builder = Builder::from_fields(named.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        // Whatever it says, it is a rule or says why not, and comes back as it is.
        if let Ok(rule) = builder.rule() {
            prop_assert_eq!(Builder::of(&rule).rule().unwrap(), rule);
        }
        prop_assert_eq!(through_the_form(&builder), builder);
    }
}

#[test]
fn ordinary_rules_are_lines_and_not_text() {
    for text in [
        "everyone",
        "age between 30 and 60 and city in (\"Amiens\", \"Lille\")",
        "not (city = \"Amiens\" or tagged \"staff\")",
        "not (age >= 30 and stage = \"customer\")",
        "ordered product \"pan\" at least 2 times for at least 120.5 within 90 days or not clicked campaign \"spring\"",
        "can receive sms about \"offers\" and last_order more than 2 years ago",
        "attribute.hobby = \"golf\" and attribute.children >= 2 and attribute.vegan = true",
        "received between 2026-01-01 and 2026-03-31",
        "revenue > 99.95 and first_name is known and created >= 2025-01-01",
    ] {
        let rule = rule(text);
        let builder = Builder::of(&rule);
        assert_eq!(texts(&builder), 0, "{text}");
        assert_eq!(builder.rule().unwrap().to_string(), text);
    }
}

#[test]
fn what_no_line_can_say_stays_text() {
    for text in [
        // A comma parts the values of a list.
        "city in (\"Paris, Texas\", \"Lille\")",
        "city = \"\"",
        "tagged \"\"",
        "ordered campaign \"\"",
    ] {
        let rule = rule(text);
        let builder = Builder::of(&rule);
        assert_eq!(texts(&builder), 1, "{text}");
        assert_eq!(builder.rule().unwrap(), rule);
    }
    let long = vec!["age >= 30"; 100].join(" or ");
    let builder = Builder::of(&rule(&long));
    assert_eq!((builder.root.parts.len(), texts(&builder)), (1, 1));
    assert_eq!(builder.rule().unwrap().to_string(), long);
}

#[test]
fn a_form_is_built_step_by_step() {
    let mut builder = Builder::of(&rule("everyone"));
    let add = |group, about| Edit::AddLine { group, about };
    builder.edit(add(0, About::Field(Field::Stage)));
    builder.edit(Edit::AddGroup { group: 0 });
    builder.edit(add(2, About::Tagged));
    builder.edit(add(2, About::Field(Field::Age)));
    builder.edit(Edit::AddGroup { group: 2 });
    builder.edit(add(5, About::Everyone));
    let tag = &mut |builder: &mut Builder, tag: &str| {
        let Part::Group(group) = &mut builder.root.parts[1] else {
            panic!("a group")
        };
        let Part::Line(line) = &mut group.parts[0] else {
            panic!("a line")
        };
        line.a = tag.to_owned();
    };
    // A line that is not filled in is told by its number, and the rest is a rule.
    let faults: Vec<(usize, Problem)> = builder
        .rule()
        .unwrap_err()
        .into_iter()
        .map(|fault| (fault.number, fault.problem))
        .collect();
    assert_eq!(faults, [(3, Problem::NoValue), (4, Problem::NoValue)]);
    assert_eq!(
        builder.complete().unwrap().to_string(),
        "stage = \"suspect\" and everyone"
    );
    tag(&mut builder, "vip");
    builder.edit(Edit::Remove(4));
    assert_eq!(
        builder.rule().unwrap().to_string(),
        "stage = \"suspect\" and (tagged \"vip\" or everyone)"
    );
    // Up and down, and not beyond the ends.
    builder.edit(Edit::Up(2));
    builder.edit(Edit::Up(1));
    assert_eq!(
        builder.rule().unwrap().to_string(),
        "(tagged \"vip\" or everyone) and stage = \"suspect\""
    );
    builder.edit(Edit::Down(1));
    builder.edit(Edit::Down(2));
    builder.edit(Edit::Remove(99));
    builder.root.join = Join::None;
    assert_eq!(
        builder.rule().unwrap().to_string(),
        "not (stage = \"suspect\" or tagged \"vip\" or everyone)"
    );
    builder.edit(Edit::Remove(2));
    builder.edit(Edit::Remove(1));
    assert_eq!(builder.rule().unwrap().to_string(), "everyone");
}

#[test]
fn values_are_read_as_people_write_them() {
    let said = |about, word, a: &str| {
        let line = Line {
            word,
            a: a.to_owned(),
            ..Line::new(about)
        };
        line.node().map(|node| node.to_string())
    };
    let revenue = About::Field(Field::Revenue);
    let more = |a| said(revenue.clone(), Word::AtLeast, a);
    assert_eq!(more("1 250,50").unwrap(), "revenue >= 1250.5");
    assert_eq!(more(" 12 ").unwrap(), "revenue >= 12");
    assert_eq!(more("a lot"), Err(Problem::NoNumber("a lot".to_owned())));
    assert_eq!(more(""), Err(Problem::NoValue));
    // Nothing but a value can be written into a value.
    assert!(more("1 or everyone").is_err());
    assert!(matches!(more("1.999"), Err(Problem::Said(_))));
    let born = |a| said(About::Field(Field::BirthDate), Word::Is, a);
    assert_eq!(born("1990-02-28").unwrap(), "birth_date = 1990-02-28");
    assert_eq!(
        born("28/02/1990"),
        Err(Problem::NoDate("28/02/1990".to_owned()))
    );
    let city = |word, a| said(About::Field(Field::City), word, a);
    assert_eq!(
        city(Word::In, "Amiens,  Lille ,").unwrap(),
        "city in (\"Amiens\", \"Lille\")"
    );
    assert_eq!(
        city(Word::Is, "a\" or \"b").unwrap(),
        "city = \"a\\\" or \\\"b\""
    );
    assert_eq!(
        said(About::Attribute(String::new()), Word::Known, ""),
        Err(Problem::NoName)
    );
}
