//! Text to tree and back, and what is said about a mistake.

use proptest::prelude::*;
use visavis::segments::model::{Node, Subject, Test};
use visavis::segments::{ParseError, Rule};

use super::trees;

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same_tree(tree in trees::tree()) {
        let text = tree.to_string();
        let rule = Rule::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(rule.root(), &tree, "{}", text);
        prop_assert_eq!(rule.to_string(), text);
    }

    #[test]
    fn any_text_is_a_rule_or_an_error(text in any::<String>()) {
        if let Err(error) = Rule::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn words_of_the_language_in_any_order_are_a_rule_or_an_error(
        words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..25),
    ) {
        let text = words.join(" ");
        match Rule::parse(&text) {
            Ok(rule) => prop_assert_eq!(Rule::parse(&rule.to_string()).unwrap(), rule),
            Err(error) => prop_assert!(error.to_string().contains('^'), "{}", error),
        }
    }

    #[test]
    fn a_text_means_exactly_itself(text in trees::any_text()) {
        let tree = Node::Compare(Subject::Attribute("x".to_owned()), Test::Contains(text));
        let rule = Rule::from_tree(tree.clone()).unwrap();
        prop_assert_eq!(rule.root(), &tree);
    }
}

const WORDS: [&str; 52] = [
    "and",
    "or",
    "not",
    "(",
    ")",
    "everyone",
    "age",
    "city",
    "stage",
    "revenue",
    "last_order",
    "attribute",
    ".",
    "x",
    "\"a\"",
    "\"customer\"",
    "1",
    "2.5",
    "-3",
    "2026-03-01",
    "=",
    "!=",
    "<",
    ">=",
    "between",
    "in",
    ",",
    "is",
    "known",
    "unknown",
    "contains",
    "starts",
    "ends",
    "with",
    "within",
    "more",
    "than",
    "ago",
    "days",
    "ordered",
    "clicked",
    "campaign",
    "product",
    "at",
    "least",
    "times",
    "for",
    "tagged",
    "can",
    "receive",
    "email",
    "about",
];

fn canonical(text: &str) -> String {
    Rule::parse(text)
        .unwrap_or_else(|error| panic!("{error}"))
        .to_string()
}

#[test]
fn canonical_text_has_no_needless_parentheses() {
    let pairs = [
        (
            "(age >= 30) AND ((city = \"Lille\"))",
            r#"age >= 30 and city = "Lille""#,
        ),
        (
            "everyone and (everyone and (everyone))",
            "everyone and everyone and everyone",
        ),
        (
            "everyone or (everyone and everyone)",
            "everyone or everyone and everyone",
        ),
        (
            "(everyone or everyone) and everyone",
            "(everyone or everyone) and everyone",
        ),
        ("not (everyone)", "not everyone"),
        (
            "not (not everyone and everyone)",
            "not (not everyone and everyone)",
        ),
        (
            "last_order not within 1 days",
            "not last_order within 1 day",
        ),
        ("city not in (\"a\",\"b\")", r#"not city in ("a", "b")"#),
        ("revenue>=120.50", "revenue >= 120.5"),
        ("generation = \"X\"", r#"generation = "x""#),
        (
            "ordered within 2 weeks at least 2 times for at least 10 category \"c\"",
            r#"ordered category "c" at least 2 times for at least 10 within 2 weeks"#,
        ),
        ("attribute.\"x\" = true", "attribute.x = true"),
        ("attribute.\"x y\" is known", r#"attribute."x y" is known"#),
        (
            "created\n  more than 2 years ago",
            "created more than 2 years ago",
        ),
    ];
    for (written, expected) in pairs {
        assert_eq!(canonical(written), expected);
    }
}

#[test]
fn a_rule_travels_as_its_text() {
    let rule = Rule::parse("age>30 and tagged \"é\"").unwrap();
    let json = serde_json::to_string(&rule).unwrap();
    assert_eq!(json, r#""age > 30 and tagged \"é\"""#);
    assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
    let error = serde_json::from_str::<Rule>(r#""agee > 30""#)
        .unwrap_err()
        .to_string();
    assert!(error.contains("did you mean \"age\"?"), "{error}");
}

fn error(text: &str) -> ParseError {
    Rule::parse(text).unwrap_err()
}

#[test]
fn a_mistake_is_told_with_its_place_and_the_nearest_word() {
    let mistakes = [
        "agee between 30 and 60",
        "city = Paris",
        "age = \"thirty\"",
        "city in (\"Amiens\", \"Lille\"",
        "age >= 30\n  and country = \"FR\"\n  and last_order wihtin 90 days",
        "stage = \"lapsd\"",
        "last_order > 90",
        "revenue >= 120,50",
        "age >= 30 && city = \"Lille\"",
        "city = 'Lille'",
        "created = 01/03/2025",
        "clicked campagin \"spring\"",
        "ordered at least 100",
        "clicked for at least 100",
        "age between 60 and 30",
        "can receive mail about \"offers\"",
        "age >= 30 tagged \"vip\"",
        "city contains \"Saint",
        "",
        "attribute.since > 2025-01-01",
        "generation > \"x\"",
        "engagement > 2.5",
        "city not = \"Lille\"",
    ];
    let told = mistakes.map(|text| error(text).to_string()).join("\n\n");
    insta::assert_snapshot!(told);
}

#[test]
fn a_mistake_far_out_on_a_long_line_is_shown_with_its_surroundings() {
    let text = format!(
        "{} and agee > 3 and {}",
        vec!["age > 1"; 50].join(" and "),
        vec!["age > 2"; 50].join(" and ")
    );
    insta::assert_snapshot!(error(&text));
}

#[test]
fn a_rule_a_thousand_deep_is_refused_on_a_small_stack() {
    let texts = [
        format!("{}everyone{}", "(".repeat(1000), ")".repeat(1000)),
        format!("{}everyone", "not ".repeat(1000)),
        format!(
            "{}everyone{}",
            "not (everyone or ".repeat(1000),
            ")".repeat(1000)
        ),
        "(".repeat(19_999),
    ];
    let refuse = move || {
        for text in texts {
            let told = error(&text).to_string();
            assert!(told.contains("nest deeper than 100"), "{told}");
        }
        let tree = (0..1000).fold(Node::Everyone, |tree, _| Node::Not(Box::new(tree)));
        let told = Rule::from_tree(tree).unwrap_err().to_string();
        assert!(told.contains("nest deeper than 100"), "{told}");
    };
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(refuse)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn the_deepest_rule_allowed_is_read_printed_and_asked() {
    let text = format!(
        "{}everyone{}",
        "not (everyone and ".repeat(50),
        ")".repeat(50)
    );
    let rule = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            let rule = Rule::parse(&text).unwrap();
            assert_eq!(Rule::parse(&rule.to_string()).unwrap(), rule);
            rule
        })
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(rule.to_string().matches("not").count(), 50);
    assert!(Rule::parse(&format!("not not {rule}")).is_err());
}

#[test]
fn a_rule_that_is_too_long_is_refused() {
    let told = error(&"x".repeat(50_000_000)).to_string();
    assert_eq!(
        told,
        "the rule has more than 20000 characters; tag the customers you mean and write: tagged \"…\""
    );
    // Short as written, too long once printed with its spaces.
    assert!(Rule::parse(&vec!["age=1"; 2_400].join(" or ")).is_err());
    let list = vec!["7"; 9_000].join(",");
    assert!(Rule::parse(&format!("age in({list})")).is_err());
}
