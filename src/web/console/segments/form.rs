//! The builder as the page shows it: each line with its choices and fields.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{labels, sentence};
use crate::segments::builder::{
    About, Builder, Fault, Group, Join, Line, Literal, MAX_NESTING, Part, Problem, When, Word,
};
use crate::segments::model::{Deed, Unit};
use crate::segments::vocabulary::Kind;
use crate::web::words::Words;

/// A group or a line.
#[derive(Debug, Serialize)]
pub(super) struct PartView {
    // Not its own name, which a figure of the pages has.
    #[serde(rename = "at")]
    number: usize,
    parent: usize,
    is_group: bool,
    /// Of a group.
    joins: Vec<Choice>,
    parts: Vec<PartView>,
    may_nest: bool,
    is_outermost: bool,
    /// Of a line.
    about: &'static str,
    lead: String,
    name: Option<String>,
    is_negated: bool,
    inputs: Vec<Input>,
    fault: Option<String>,
    /// The line as a sentence, by which its buttons are told apart.
    said: String,
    is_first: bool,
    is_last: bool,
    /// What the line moves, where it was counted: `−1,204`.
    moved: Option<String>,
}

/// One field of a line.
#[derive(Debug, Serialize)]
pub(super) struct Input {
    name: String,
    label: String,
    /// Whether the label is shown, or only read out.
    is_labelled: bool,
    kind: &'static str,
    is_select: bool,
    is_text: bool,
    value: String,
    choices: Vec<Choice>,
    list: Option<&'static str>,
    is_wide: bool,
    /// Whether another choice asks for other fields.
    is_turning: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

/// A group of the choices of a new line.
#[derive(Debug, Serialize)]
pub(super) struct ShelfView {
    label: String,
    choices: Vec<Choice>,
}

/// What a new line can be about.
pub(super) fn shelves(words: &Words) -> Vec<ShelfView> {
    labels::shelves()
        .into_iter()
        .map(|(label, abouts)| ShelfView {
            label: words.t(label).to_owned(),
            choices: abouts
                .iter()
                .map(|about| Choice {
                    value: about.as_str().to_owned(),
                    label: words.t(labels::about(about)).to_owned(),
                    is_chosen: matches!(about, About::Field(field) if field.as_str() == "city"),
                })
                .collect(),
        })
        .collect()
}

/// What the builder shows beside the rule itself.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// What is wrong, by the number of the line.
    faults: BTreeMap<usize, String>,
    /// What each part of the outermost group moves, in order, where that was counted.
    pub moved: Vec<String>,
}

impl Beside {
    /// `is_strict`: lines that are still empty are told too.
    pub fn new(words: &Words, faults: &[Fault], is_strict: bool) -> Self {
        let faults = faults
            .iter()
            .filter(|fault| is_strict || fault.problem != Problem::NoValue)
            .map(|fault| (fault.number, told(words, &fault.problem)));
        Self {
            faults: faults.collect(),
            moved: Vec::new(),
        }
    }

    /// What is wrong with the rule as a whole.
    pub fn whole(&self) -> Option<&str> {
        self.faults.get(&0).map(String::as_str)
    }
}

fn told(words: &Words, problem: &Problem) -> String {
    match problem {
        Problem::NoValue => words.t("a value is missing").to_owned(),
        Problem::NoName => words
            .t("the name is missing; write it as in your files")
            .to_owned(),
        Problem::NoNumber(text) => {
            words.fill("“{text}” is not a number that fits", &[("text", text)])
        }
        Problem::NoDate(text) => words.fill("“{text}” is no date", &[("text", text)]),
        Problem::Said(message) => words.say(message),
    }
}

/// The builder as the page shows it.
pub(super) fn view(words: &Words, builder: &Builder, beside: &Beside) -> PartView {
    let mut number = 0;
    group(words, &builder.root, 0, 0, &mut number, beside)
}

fn empty(number: usize, parent: usize) -> PartView {
    PartView {
        number,
        parent,
        is_group: false,
        joins: Vec::new(),
        parts: Vec::new(),
        may_nest: false,
        is_outermost: false,
        about: "",
        lead: String::new(),
        name: None,
        is_negated: false,
        inputs: Vec::new(),
        fault: None,
        said: String::new(),
        is_first: false,
        is_last: false,
        moved: None,
    }
}

fn group(
    words: &Words,
    of: &Group,
    parent: usize,
    depth: usize,
    number: &mut usize,
    beside: &Beside,
) -> PartView {
    let own = *number;
    let last = of.parts.len().saturating_sub(1);
    let mut parts = Vec::with_capacity(of.parts.len());
    for (place, part) in of.parts.iter().enumerate() {
        *number += 1;
        let mut shown = match part {
            Part::Group(inner) => group(words, inner, own, depth + 1, number, beside),
            Part::Line(of) => line(words, of, *number, own, beside),
        };
        shown.is_first = place == 0;
        shown.is_last = place == last;
        if depth == 0 {
            shown.moved = beside.moved.get(place).cloned();
        }
        parts.push(shown);
    }
    PartView {
        is_group: true,
        joins: Join::ALL
            .into_iter()
            .map(|join| Choice {
                value: join.as_str().to_owned(),
                label: words.t(labels::join(join)).to_owned(),
                is_chosen: join == of.join,
            })
            .collect(),
        parts,
        may_nest: depth < MAX_NESTING,
        is_outermost: depth == 0,
        said: words.t("the group").to_owned(),
        ..empty(own, parent)
    }
}

fn line(words: &Words, of: &Line, number: usize, parent: usize, beside: &Beside) -> PartView {
    let name = match &of.about {
        About::Attribute(name) => Some(name.clone()),
        _ => None,
    };
    PartView {
        about: of.about.as_str(),
        lead: words.t(labels::about(&of.about)).to_owned(),
        name,
        is_negated: of.is_negated,
        inputs: Inputs { words, of, number }.all(),
        fault: beside.faults.get(&number).cloned(),
        said: sentence::of_line(words, of),
        ..empty(number, parent)
    }
}

/// Makes the fields of a line.
struct Inputs<'a> {
    words: &'a Words,
    of: &'a Line,
    number: usize,
}

impl Inputs<'_> {
    fn all(&self) -> Vec<Input> {
        match &self.of.about {
            About::Everyone => Vec::new(),
            About::Text => vec![Input {
                is_text: true,
                is_wide: true,
                ..self.field(
                    "a",
                    &self.of.a,
                    self.words.t("A condition, such as age >= 30"),
                )
            }],
            About::Tagged => vec![self.field("a", &self.of.a, self.words.t("The tag"))],
            About::Interested => vec![self.field("a", &self.of.a, self.words.t("The interest"))],
            About::CanReceive(_) => vec![self.topic()],
            About::Did(deed) => self.behaviour(*deed),
            About::Field(_) | About::Attribute(_) => self.comparison(),
        }
    }

    fn comparison(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        if let About::Attribute(_) = self.of.about {
            let label = self.words.t("What it holds");
            let choices = Literal::ALL.map(|literal| Choice {
                value: literal.as_str().to_owned(),
                label: self.words.t(labels::literal(literal)).to_owned(),
                is_chosen: literal == self.of.literal,
            });
            inputs.push(self.turning("literal", label, choices.into()));
        }
        let words = self.of.about.words(self.of.literal);
        let choices = words.iter().map(|word| Choice {
            value: word.as_str().to_owned(),
            label: self.words.t(labels::word(*word, &self.of.about)).to_owned(),
            is_chosen: *word == self.of.word,
        });
        let label = self.words.t("Comparison");
        inputs.push(self.turning("word", label, choices.collect()));
        match self.of.word {
            Word::Known | Word::Unknown => {}
            Word::Within | Word::MoreThanAgo => inputs.extend(self.span()),
            Word::Between => inputs.extend([
                self.value("a", &self.of.a, self.words.t("From this value")),
                self.value("b", &self.of.b, self.words.t("To this value")),
            ]),
            Word::In => inputs.push(Input {
                is_wide: true,
                ..self.field(
                    "a",
                    &self.of.a,
                    self.words.t("Values, with commas between them"),
                )
            }),
            _ => inputs.push(self.value("a", &self.of.a, self.words.t("Value"))),
        }
        inputs
    }

    fn behaviour(&self, deed: Deed) -> Vec<Input> {
        let t = |text| self.words.t(text);
        let labelled = |input: Input| Input {
            is_labelled: true,
            ..input
        };
        let mut inputs = vec![labelled(Input {
            list: Some("campaigns"),
            ..self.field("campaign", &self.of.campaign, t("Campaign"))
        })];
        if deed == Deed::Ordered {
            inputs.extend([
                labelled(self.field("product", &self.of.product, t("Product"))),
                labelled(self.field("category", &self.of.category, t("Category"))),
                labelled(self.number("amount", &self.of.amount, t("For at least"))),
            ]);
        }
        inputs.push(labelled(self.number(
            "times",
            &self.of.times,
            t("Times at least"),
        )));
        let choices = When::ALL.map(|when| Choice {
            value: when.as_str().to_owned(),
            label: t(labels::when(when)).to_owned(),
            is_chosen: when == self.of.when,
        });
        inputs.push(labelled(self.turning("when", t("When"), choices.into())));
        match self.of.when {
            When::Ever => {}
            When::Within => inputs.extend(self.span()),
            When::Between => inputs.extend([
                labelled(self.date("a", &self.of.a, t("First day"))),
                labelled(self.date("b", &self.of.b, t("Last day"))),
            ]),
        }
        inputs
    }

    fn span(&self) -> [Input; 2] {
        let units = Unit::ALL.map(|unit| Choice {
            value: unit.plural().to_owned(),
            label: self.words.t(labels::unit(unit)).to_owned(),
            is_chosen: unit == self.of.unit,
        });
        [
            self.number("a", &self.of.a, self.words.t("How many")),
            self.select("unit", self.words.t("Unit of time"), units.into()),
        ]
    }

    /// A field for one value of what is compared.
    fn value(&self, key: &str, value: &str, label: &str) -> Input {
        match &self.of.about {
            About::Field(field) => match field.kind() {
                Kind::Word(known) => {
                    let choices = known.iter().map(|word| Choice {
                        value: (*word).to_owned(),
                        label: labels::value(*field, word)
                            .map_or(*word, |label| self.words.t(label))
                            .to_owned(),
                        is_chosen: word.eq_ignore_ascii_case(value),
                    });
                    self.select(key, label, choices.collect())
                }
                Kind::Whole | Kind::Money => self.number(key, value, label),
                Kind::Day | Kind::Instant => self.date(key, value, label),
                Kind::Text(_) => self.field(key, value, label),
            },
            _ => match self.of.literal {
                Literal::Text => self.field(key, value, label),
                Literal::Number => self.number(key, value, label),
                Literal::Boolean => {
                    let choice = |word: &str, label: &str| Choice {
                        value: word.to_owned(),
                        label: label.to_owned(),
                        is_chosen: (word == "true") == (value == "true"),
                    };
                    let choices = vec![
                        choice("true", self.words.t("yes")),
                        choice("false", self.words.t("no")),
                    ];
                    self.select(key, label, choices)
                }
            },
        }
    }

    fn topic(&self) -> Input {
        Input {
            list: Some("topics"),
            ..self.field("a", &self.of.a, self.words.t("The topic"))
        }
    }

    fn field(&self, key: &str, value: &str, label: &str) -> Input {
        Input {
            name: format!("{}.{key}", self.number),
            label: label.to_owned(),
            is_labelled: false,
            kind: "text",
            is_select: false,
            is_text: false,
            value: value.to_owned(),
            choices: Vec::new(),
            list: None,
            is_wide: false,
            is_turning: false,
        }
    }

    /// A number is written as people write it, so the field takes any text.
    fn number(&self, key: &str, value: &str, label: &str) -> Input {
        Input {
            kind: "decimal",
            ..self.field(key, value, label)
        }
    }

    fn date(&self, key: &str, value: &str, label: &str) -> Input {
        Input {
            kind: "date",
            ..self.field(key, value, label)
        }
    }

    fn select(&self, key: &str, label: &str, choices: Vec<Choice>) -> Input {
        Input {
            is_select: true,
            choices,
            ..self.field(key, "", label)
        }
    }

    fn turning(&self, key: &str, label: &str, choices: Vec<Choice>) -> Input {
        Input {
            is_turning: true,
            ..self.select(key, label, choices)
        }
    }
}
