//! Whether a segment is a useful one, by the five tests of the textbooks (Kotler & Keller, Marketing
//! Management): measurable, large enough, reachable, distinct, workable. Pure: figures in, words out.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::analysis::{Analysis, BEHAVIOUR_DAYS, Contrast};
use super::model::{Node, Rule, Span, Test, Unit, Window};
use super::names;
use crate::consent::model::Channel;
use crate::statistics::proportions::{newcombe, wilson};
use crate::statistics::{Share, Z_95};

/// A rate of response by which "large enough" is judged: what a mailing to one's own customers may expect.
const USUAL_RATE: f64 = 0.02;
/// Below these shares a field is known of too few to choose by.
const WELL_KNOWN: f64 = 0.5;
const HARDLY_KNOWN: f64 = 0.2;
/// From these shares on a channel reaches enough of the people.
const WELL_REACHED: f64 = 0.5;
const HARDLY_REACHED: f64 = 0.2;
/// Two rates that differ by less than this factor call for the same message.
const APART: f64 = 1.2;
/// More lines than these are hard to explain, or to keep right.
const FEW_LINES: usize = 10;
const MANY_LINES: usize = 25;
/// Whom a shorter window means changes between planning and sending.
const STEADY_DAYS: u32 = 7;

/// One of the five tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    Measurable,
    Large,
    Reachable,
    Distinct,
    Workable,
}

impl Criterion {
    pub const ALL: [Self; 5] = [
        Self::Measurable,
        Self::Large,
        Self::Reachable,
        Self::Distinct,
        Self::Workable,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Measurable => "Measurable",
            Self::Large => "Large enough",
            Self::Reachable => "Reachable",
            Self::Distinct => "Distinct",
            Self::Workable => "Workable",
        }
    }
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Passed,
    Doubtful,
    Failed,
    /// There is nothing yet to judge by.
    Open,
}

impl Grade {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Doubtful => "doubtful",
            Self::Failed => "failed",
            Self::Open => "open",
        }
    }
}

/// The end of one test, with why.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub criterion: Criterion,
    pub grade: Grade,
    pub sentences: Vec<Sentence>,
}

/// A sentence with places for figures: `{people} people`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentence {
    pub pattern: &'static str,
    pub figures: Vec<(&'static str, Figure)>,
}

/// What stands in a place of a [`Sentence`].
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    Count(u64),
    /// From 0 to 1.
    Share(f64),
    Text(String),
}

/// With plain figures.
impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.pattern.to_owned();
        for (name, figure) in &self.figures {
            let shown = match figure {
                Figure::Count(count) => count.to_string(),
                Figure::Share(share) => format!("{:.1} %", share * 100.0),
                Figure::Text(text) => text.clone(),
            };
            text = text.replace(&format!("{{{name}}}"), &shown);
        }
        f.write_str(&text)
    }
}

impl Sentence {
    fn new(pattern: &'static str) -> Self {
        Self {
            pattern,
            figures: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, figure: Figure) -> Self {
        self.figures.push((name, figure));
        self
    }

    fn count(self, name: &'static str, count: u64) -> Self {
        self.with(name, Figure::Count(count))
    }

    fn share(self, name: &'static str, share: f64) -> Self {
        self.with(name, Figure::Share(share))
    }

    fn text(self, name: &'static str, text: impl Into<String>) -> Self {
        self.with(name, Figure::Text(text.into()))
    }
}

/// How many of the people can be reached by a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    pub channel: Channel,
    pub people: u64,
}

/// Judges a rule by what was counted; `reached` is about `topic`.
pub fn judge(rule: &Rule, analysis: &Analysis, reached: &[Reached], topic: &str) -> Vec<Finding> {
    vec![
        measurable(analysis),
        large(analysis),
        reachable(analysis, reached, topic),
        distinct(analysis),
        workable(rule, analysis, reached),
    ]
}

fn measurable(analysis: &Analysis) -> Finding {
    let mut grade = Grade::Passed;
    let mut sentences: Vec<Sentence> = Vec::new();
    for name in &analysis.unknown {
        grade = Grade::Failed;
        let (pattern, name) = names::pattern(name);
        sentences.push(Sentence::new(pattern).text("name", name));
    }
    let mut least = None;
    for known in &analysis.known {
        let Some(share) = Share::new(known.people, analysis.base).value() else {
            continue;
        };
        least = Some(least.map_or(share, |least: f64| least.min(share)));
        if share < WELL_KNOWN {
            let is_hardly = share < HARDLY_KNOWN;
            grade = grade.max(if is_hardly {
                Grade::Failed
            } else {
                Grade::Doubtful
            });
            sentences.push(
                Sentence::new("{field} is known of {share} of the customers only")
                    .text("field", &known.subject)
                    .share("share", share),
            );
        }
    }
    if sentences.is_empty() {
        sentences.push(match least {
            Some(share) => {
                Sentence::new("what it asks is known of {share} of the customers or more")
                    .share("share", share)
            }
            None => Sentence::new("what it asks is known of every customer"),
        });
    }
    Finding {
        criterion: Criterion::Measurable,
        grade,
        sentences,
    }
}

fn large(analysis: &Analysis) -> Finding {
    let people = analysis.people;
    // A share of whole people, rounded half up.
    let responders = (people + 25) / 50;
    let (grade, sentence) = match wilson(responders, people, Z_95) {
        None => (Grade::Failed, Sentence::new("nobody is in it")),
        Some(interval) => {
            let margin = (interval.high - interval.low) / 2.0;
            let grade = match people {
                750.. => Grade::Passed,
                200.. => Grade::Doubtful,
                _ => Grade::Failed,
            };
            let sentence = Sentence::new(
                "{people} people: a response rate of {rate} would be known to within ± {margin}",
            );
            (
                grade,
                sentence
                    .count("people", people)
                    .share("rate", USUAL_RATE)
                    .share("margin", margin),
            )
        }
    };
    Finding {
        criterion: Criterion::Large,
        grade,
        sentences: vec![sentence],
    }
}

fn reachable(analysis: &Analysis, reached: &[Reached], topic: &str) -> Finding {
    let share = |reached: &Reached| Share::new(reached.people, analysis.people).value();
    let best = reached.iter().filter_map(share).fold(None, |best, share| {
        Some(best.map_or(share, |best: f64| best.max(share)))
    });
    let Some(best) = best else {
        return Finding {
            criterion: Criterion::Reachable,
            grade: if analysis.people == 0 {
                Grade::Failed
            } else {
                Grade::Open
            },
            sentences: vec![if analysis.people == 0 {
                Sentence::new("nobody is in it")
            } else {
                Sentence::new("not counted yet")
            }],
        };
    };
    let sentences = reached.iter().filter_map(|reached| {
        let pattern = match reached.channel {
            Channel::Email => "{people} ({share}) can be reached by email about “{topic}”",
            Channel::Sms => "{people} ({share}) can be reached by SMS about “{topic}”",
        };
        Some(
            Sentence::new(pattern)
                .count("people", reached.people)
                .share("share", share(reached)?)
                .text("topic", topic),
        )
    });
    Finding {
        criterion: Criterion::Reachable,
        grade: match best {
            share if share >= WELL_REACHED => Grade::Passed,
            share if share >= HARDLY_REACHED => Grade::Doubtful,
            _ => Grade::Failed,
        },
        sentences: sentences.collect(),
    }
}

fn distinct(analysis: &Analysis) -> Finding {
    let finding = |grade, sentences| Finding {
        criterion: Criterion::Distinct,
        grade,
        sentences,
    };
    if analysis.people == 0 {
        return finding(Grade::Failed, vec![Sentence::new("nobody is in it")]);
    }
    if analysis.people == analysis.base {
        let sentence = Sentence::new("it is everyone, so it tells nobody apart");
        return finding(Grade::Failed, vec![sentence]);
    }
    let others = analysis.base - analysis.people;
    let judged = [
        (
            analysis.responded,
            "{inside} responded within a year, {outside} of all others",
        ),
        (
            analysis.ordered,
            "{inside} ordered within a year, {outside} of all others",
        ),
    ]
    .into_iter()
    .filter_map(|(contrast, pattern)| {
        let Contrast { inside, outside } = contrast;
        if inside + outside == 0 {
            return None;
        }
        let (inside, outside) = (
            Share::new(inside, analysis.people),
            Share::new(outside, others),
        );
        let interval = newcombe(inside, outside, Z_95)?;
        let (first, second) = (inside.value()?, outside.value()?);
        let is_apart = !interval.holds(0.0);
        let is_far = first.max(second) >= first.min(second) * APART;
        let grade = match (is_apart, is_far) {
            (true, true) => Grade::Passed,
            (true, false) => Grade::Doubtful,
            _ => Grade::Failed,
        };
        let sentence = Sentence::new(pattern)
            .share("inside", first)
            .share("outside", second);
        Some((grade, sentence))
    });
    let (grades, mut sentences): (Vec<Grade>, Vec<Sentence>) = judged.unzip();
    let Some(best) = grades.into_iter().min() else {
        let sentence = Sentence::new(
            "nobody has responded or ordered within a year, so nothing tells people apart yet",
        );
        return finding(Grade::Open, vec![sentence]);
    };
    if best == Grade::Failed {
        sentences.push(Sentence::new("that is no difference one can rely on"));
    }
    finding(best, sentences)
}

fn workable(rule: &Rule, analysis: &Analysis, reached: &[Reached]) -> Finding {
    let (lines, shortest) = shape(rule);
    let mut grade = Grade::Passed;
    let mut sentences = Vec::new();
    let many = u64::try_from(lines).unwrap_or(u64::MAX);
    if lines > FEW_LINES {
        grade = if lines > MANY_LINES {
            Grade::Failed
        } else {
            Grade::Doubtful
        };
        sentences.push(
            Sentence::new("{lines} conditions: few will be able to say whom it means")
                .count("lines", many),
        );
    }
    if let Some(span) = shortest.filter(|span| days(*span) < STEADY_DAYS) {
        grade = grade.max(Grade::Doubtful);
        sentences.push(
            Sentence::new("whom it means changes by the day: it asks about the last {span}")
                .text("span", span.to_string()),
        );
    }
    if analysis.people > 0 && !reached.is_empty() && reached.iter().all(|r| r.people == 0) {
        grade = Grade::Failed;
        sentences.push(Sentence::new("no channel of ours reaches them"));
    }
    if sentences.is_empty() {
        sentences.push(match many {
            1 => Sentence::new("one condition, steady from week to week"),
            _ => Sentence::new("{lines} conditions, steady from week to week").count("lines", many),
        });
    }
    Finding {
        criterion: Criterion::Workable,
        grade,
        sentences,
    }
}

/// How many conditions a rule has, and its shortest window that moves with time.
fn shape(rule: &Rule) -> (usize, Option<Span>) {
    let (mut lines, mut shortest): (usize, Option<Span>) = (0, None);
    let mut waiting = vec![rule.root()];
    while let Some(node) = waiting.pop() {
        let span = match node {
            Node::All(parts) | Node::Any(parts) => {
                waiting.extend(parts);
                continue;
            }
            Node::Not(part) => {
                waiting.push(part);
                continue;
            }
            Node::Compare(_, Test::Within(span) | Test::MoreThanAgo(span)) => Some(*span),
            Node::Did(behaviour) => match behaviour.window {
                Some(Window::Within(span)) => Some(span),
                _ => None,
            },
            _ => None,
        };
        lines += 1;
        if let Some(span) = span
            && shortest.is_none_or(|shortest| days(span) < days(shortest))
        {
            shortest = Some(span);
        }
    }
    (lines, shortest)
}

fn days(span: Span) -> u32 {
    let each = match span.unit {
        Unit::Days => 1,
        Unit::Weeks => 7,
        Unit::Months => 30,
        Unit::Years => 365,
    };
    span.count.saturating_mul(each)
}

/// Days in which behaviour is compared are a year, as the sentences say.
const _: () = assert!(BEHAVIOUR_DAYS == 365);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::analysis::Known;
    use crate::segments::model::Name;

    fn analysis(people: u64) -> Analysis {
        Analysis {
            rule: "age >= 30".to_owned(),
            base: 10_000,
            people,
            is_any: false,
            lines: Vec::new(),
            known: vec![Known {
                subject: "age".to_owned(),
                people: 9_000,
            }],
            responded: Contrast {
                inside: people / 10,
                outside: (10_000 - people) / 20,
            },
            ordered: Contrast::default(),
            unknown: Vec::new(),
        }
    }

    fn grades(rule: &str, analysis: &Analysis, email: u64) -> Vec<Grade> {
        let reached = [(Channel::Email, email), (Channel::Sms, 0)]
            .map(|(channel, people)| Reached { channel, people });
        let rule = Rule::parse(rule).unwrap();
        judge(&rule, analysis, &reached, "offers")
            .into_iter()
            .map(|finding| finding.grade)
            .collect()
    }

    #[test]
    fn a_useful_segment_passes_all_five() {
        let grades = grades("age >= 30", &analysis(4_000), 3_000);
        assert_eq!(grades, [Grade::Passed; 5]);
    }

    #[test]
    fn each_test_fails_for_its_own_reason() {
        use Grade::{Doubtful, Failed, Open, Passed};
        let mut unknown = analysis(4_000);
        unknown.unknown = vec![Name::Tag("vpi".to_owned())];
        assert_eq!(grades("tagged \"vpi\"", &unknown, 3_000)[0], Failed);

        let mut thin = analysis(4_000);
        thin.known[0].people = 3_000;
        assert_eq!(grades("age >= 30", &thin, 3_000)[0], Doubtful);
        thin.known[0].people = 1_000;
        assert_eq!(grades("age >= 30", &thin, 3_000)[0], Failed);

        assert_eq!(grades("age >= 30", &analysis(100), 90)[1], Failed);
        assert_eq!(grades("age >= 30", &analysis(300), 290)[1], Doubtful);
        assert_eq!(grades("age >= 30", &analysis(4_000), 1_000)[2], Doubtful);
        assert_eq!(
            grades("age >= 30", &analysis(4_000), 0)[2..=4],
            [Failed, Passed, Failed]
        );

        let mut same = analysis(4_000);
        same.responded = Contrast {
            inside: 200,
            outside: 300,
        };
        assert_eq!(grades("age >= 30", &same, 3_000)[3], Failed);
        same.responded = Contrast::default();
        assert_eq!(grades("age >= 30", &same, 3_000)[3], Open);
        assert_eq!(grades("everyone", &analysis(10_000), 9_000)[3], Failed);

        let fresh = grades("clicked within 2 days", &analysis(4_000), 3_000);
        assert_eq!(fresh[4], Doubtful);
        let long = vec!["age >= 30"; 30].join(" and ");
        assert_eq!(grades(&long, &analysis(4_000), 3_000)[4], Failed);
        assert_eq!(grades("age > 200", &analysis(0), 0)[1..=3], [Failed; 3]);
    }
}
