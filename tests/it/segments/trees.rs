//! Arbitrary rules, as trees in normal form.

use chrono::NaiveDate;
use proptest::prelude::*;
use proptest::sample::select;
use visavis::consent::model::Channel;
use visavis::segments::model::{
    Behaviour, Deed, Field, Node, Number, Relation, Span, Subject, Test, Unit, Value, Window,
};
use visavis::segments::vocabulary::Kind;

use super::base::CAMPAIGNS;
use super::varied::{NAMES, TEXTS};

/// Any rule at all.
pub fn tree() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(5, 40, 4, |part| {
        prop_oneof![
            prop::collection::vec(part.clone(), 2..5).prop_map(all),
            prop::collection::vec(part.clone(), 2..5).prop_map(any),
            part.prop_map(|part| Node::Not(Box::new(part))),
        ]
    })
}

/// `and` of parts in normal form.
pub fn all(parts: Vec<Node>) -> Node {
    Node::All(
        parts
            .into_iter()
            .flat_map(|part| match part {
                Node::All(parts) => parts,
                other => vec![other],
            })
            .collect(),
    )
}

/// `or` of parts in normal form.
pub fn any(parts: Vec<Node>) -> Node {
    Node::Any(
        parts
            .into_iter()
            .flat_map(|part| match part {
                Node::Any(parts) => parts,
                other => vec![other],
            })
            .collect(),
    )
}

/// One condition.
pub fn leaf() -> impl Strategy<Value = Node> {
    prop_oneof![
        1 => Just(Node::Everyone),
        14 => select(Field::ALL.to_vec()).prop_flat_map(field),
        6 => attribute(),
        1 => tagged(),
        2 => interested(),
        6 => did(),
        2 => permitted(),
    ]
}

/// A condition on one field.
pub fn field(field: Field) -> impl Strategy<Value = Node> {
    field_test(field).prop_map(move |test| Node::Compare(Subject::Field(field), test))
}

/// A condition on an attribute.
pub fn attribute() -> impl Strategy<Value = Node> {
    (select(NAMES.to_vec()), attribute_test())
        .prop_map(|(name, test)| Node::Compare(Subject::Attribute(name.to_owned()), test))
}

pub fn tagged() -> impl Strategy<Value = Node> {
    select(vec!["vip", "eco friendly", "ÉCO FRIENDLY", "100%", "none"])
        .prop_map(|tag| Node::Tagged(tag.to_owned()))
}

pub fn interested() -> impl Strategy<Value = Node> {
    select(vec!["knives", "ete pans", "ÉTÉ PANS", "100%", "none"])
        .prop_map(|name| Node::Interested(name.to_owned()))
}

/// A condition on behaviour.
pub fn did() -> impl Strategy<Value = Node> {
    behaviour().prop_map(Node::Did)
}

pub fn permitted() -> impl Strategy<Value = Node> {
    let channel = select(vec![Channel::Email, Channel::Sms]);
    (channel, select(vec!["offers", "news", "*"])).prop_map(|(channel, topic)| Node::CanReceive {
        channel,
        topic: topic.to_owned(),
    })
}

fn field_test(field: Field) -> BoxedStrategy<Test> {
    match field.kind() {
        Kind::Text(_) => text_test(text_for(field)).boxed(),
        Kind::Word(words) => {
            let word = select(words.to_vec()).prop_map(|word| Value::Text(word.to_owned()));
            prop_oneof![
                4 => (equality(), word.clone()).prop_map(|(relation, word)| Test::Is(relation, word)),
                2 => prop::collection::vec(word, 1..4).prop_map(Test::In),
                1 => knowledge(),
            ]
            .boxed()
        }
        Kind::Whole if field == Field::Age => {
            let birthdays = select(vec![17, 18, 19, 29, 30, 31, 44, 45, 46, 59, 60, 61]);
            let years = prop_oneof![6 => birthdays, 3 => -3_i64..110, 1 => -3000_i64..30_000];
            value_test(years.prop_map(whole)).boxed()
        }
        Kind::Whole if field == Field::Id => value_test((-1_i64..160).prop_map(whole)).boxed(),
        Kind::Whole => value_test((-3_i64..7).prop_map(whole)).boxed(),
        Kind::Money => {
            let cents = prop_oneof![select(vec![999, 1000, 12_050, 12_051, 0]), -600_i64..30_000];
            value_test(cents.prop_map(|cents| Value::Number(Number::new(cents, 2).unwrap())))
                .boxed()
        }
        Kind::Day | Kind::Instant => {
            let day = if field.kind() == Kind::Day {
                birth().boxed()
            } else {
                day().boxed()
            };
            prop_oneof![
                3 => value_test(day.prop_map(Value::Date)),
                2 => span().prop_map(Test::Within),
                2 => span().prop_map(Test::MoreThanAgo),
            ]
            .boxed()
        }
    }
}

fn text_for(field: Field) -> BoxedStrategy<String> {
    let own = match field {
        Field::ExternalId => vec!["A-", "a-1", "Ab%", "x_", "A-1"],
        Field::Email => vec![
            "@example.org",
            "Marie",
            "O'NEIL",
            "_",
            "élise",
            " marie0@EXAMPLE.org ",
        ],
        Field::Phone => vec!["+33 6", "(+336) 00", "0000", "+33600000007"],
        Field::Gender => vec!["f", "F", "M"],
        Field::Language => vec!["FR", "fr", "n"],
        Field::Country => vec!["FR", "DE", "be", "b"],
        Field::PostalCode => vec!["8", "80000", "sw1a", "1AA", "é1", "É1"],
        Field::Rfm => vec!["555", "5", "11", "155", "1"],
        Field::TimeZone => vec!["europe/paris", "America", "_"],
        _ => vec!["e", "lo", "s", "ZOE", "o'n", "drop table"],
    };
    prop_oneof![
        6 => select(own).prop_map(str::to_owned),
        4 => text(),
    ]
    .boxed()
}

/// Texts of the base and any other; what may not stand in a text is left out.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(TEXTS.to_vec()).prop_map(str::to_owned),
        1 => any_text(),
    ]
}

/// Any text that holds no control characters.
pub fn any_text() -> impl Strategy<Value = String> {
    proptest::arbitrary::any::<String>()
        .prop_map(|text| text.chars().filter(|c| !c.is_control()).collect())
}

fn attribute_test() -> impl Strategy<Value = Test> {
    let number = prop_oneof![
        select(vec![
            (0, 0),
            (1, 0),
            (42, 0),
            (1, 1),
            (125, 1),
            (-25, 2),
            (1, 7),
            (3, 1),
            (999_999_999_999_999, 0)
        ]),
        (-100_000_i64..100_000, 0_u8..4),
    ]
    .prop_map(|(digits, decimals)| Value::Number(Number::new(digits, decimals).unwrap()));
    let boolean = proptest::bool::ANY.prop_map(Value::Boolean);
    prop_oneof![
        4 => text_test(prop_oneof![text(), select(vec!["e", "42", "true"]).prop_map(str::to_owned)].boxed()),
        4 => value_test(number),
        2 => (equality(), boolean.clone()).prop_map(|(relation, value)| Test::Is(relation, value)),
        1 => prop::collection::vec(boolean, 1..3).prop_map(Test::In),
        1 => knowledge(),
    ]
}

fn text_test(text: BoxedStrategy<String>) -> impl Strategy<Value = Test> {
    prop_oneof![
        3 => value_test(text.clone().prop_map(Value::Text)),
        1 => text.clone().prop_map(Test::Contains),
        1 => text.clone().prop_map(Test::StartsWith),
        1 => text.prop_map(Test::EndsWith),
    ]
}

fn value_test(
    value: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = Test> {
    prop_oneof![
        6 => (relation(), value.clone()).prop_map(|(relation, value)| Test::Is(relation, value)),
        2 => (value.clone(), value.clone()).prop_map(|(a, b)| between(a, b)),
        2 => prop::collection::vec(value, 1..12).prop_map(Test::In),
        1 => knowledge(),
    ]
}

/// The smaller end first, as a rule must have it.
fn between(a: Value, b: Value) -> Test {
    let is_turned = match (&a, &b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() > b.as_f64(),
        (Value::Date(a), Value::Date(b)) => a > b,
        _ => false,
    };
    if is_turned {
        Test::Between(b, a)
    } else {
        Test::Between(a, b)
    }
}

fn knowledge() -> impl Strategy<Value = Test> {
    select(vec![Test::Known, Test::Unknown])
}

fn relation() -> impl Strategy<Value = Relation> {
    select(vec![
        Relation::Equal,
        Relation::NotEqual,
        Relation::Less,
        Relation::LessOrEqual,
        Relation::Greater,
        Relation::GreaterOrEqual,
    ])
}

fn equality() -> impl Strategy<Value = Relation> {
    select(vec![Relation::Equal, Relation::NotEqual])
}

fn whole(n: i64) -> Value {
    Value::Number(Number::new(n, 0).unwrap())
}

/// Days of which the base holds the first and last millisecond, and others.
fn day() -> impl Strategy<Value = NaiveDate> + Clone {
    let from: NaiveDate = "2024-01-01".parse().unwrap();
    let edges =
        select(vec!["2026-11-22", "2028-02-29"]).prop_map(|day| day.parse::<NaiveDate>().unwrap());
    let back = select(vec![
        0, 1, 2, 7, 8, 14, 15, 30, 31, 60, 61, 90, 91, 365, 366,
    ]);
    prop_oneof![
        8 => (edges, back).prop_map(|(edge, days)| edge - chrono::Duration::days(days)),
        4 => (0_i64..1600).prop_map(move |days| from + chrono::Duration::days(days)),
        1 => select(vec!["0001-01-01", "1969-12-31", "1970-01-01", "9999-12-31"]).prop_map(|day| day.parse().unwrap()),
    ]
}

fn birth() -> impl Strategy<Value = NaiveDate> + Clone {
    let from: NaiveDate = "1925-01-01".parse().unwrap();
    (0_i64..39_000).prop_map(move |days| from + chrono::Duration::days(days))
}

fn span() -> impl Strategy<Value = Span> {
    let span = |count, unit| Span { count, unit };
    prop_oneof![
        4 => (select(vec![1, 7, 30, 60, 90, 365]), Just(Unit::Days)).prop_map(move |(count, unit)| span(count, unit)),
        4 => (1_u32..40, select(Unit::ALL.to_vec())).prop_map(move |(count, unit)| span(count, unit)),
        1 => (Just(Span::MAX), select(Unit::ALL.to_vec())).prop_map(move |(count, unit)| span(count, unit)),
    ]
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let campaign = prop_oneof![
        4 => select(CAMPAIGNS.to_vec()).prop_map(str::to_owned),
        1 => select(vec!["SPRING", "%", "o'brien", "summer 100%_\\"]).prop_map(str::to_owned),
    ];
    let window = prop_oneof![
        span().prop_map(Window::Within),
        (day(), day()).prop_map(|(a, b)| Window::Between(a.min(b), a.max(b))),
    ];
    let product = select(vec!["pan", "POÊLE", "Poêle", "100%"]).prop_map(str::to_owned);
    let category = select(vec!["kitchen", "GARDEN"]).prop_map(str::to_owned);
    let amount = select(vec![0, 1000, 5000, 12_050, 24_101])
        .prop_map(|cents| Number::new(cents, 2).unwrap());
    (
        select(Deed::ALL.to_vec()),
        prop::option::weighted(0.4, campaign),
        prop::option::weighted(0.3, product),
        prop::option::weighted(0.3, category),
        prop_oneof![3 => Just(1_u32), 2 => 2_u32..4],
        prop::option::weighted(0.4, amount),
        prop::option::weighted(0.5, window),
    )
        .prop_map(
            |(deed, campaign, product, category, times, amount, window)| {
                let is_order = deed == Deed::Ordered;
                Behaviour {
                    deed,
                    campaign,
                    product: product.filter(|_| is_order),
                    category: category.filter(|_| is_order),
                    times,
                    amount: amount.filter(|_| is_order),
                    window,
                }
            },
        )
}
