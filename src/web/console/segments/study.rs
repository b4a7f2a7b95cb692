//! What was found about a segment, as the page shows it.

use serde::Serialize;

use super::sentence;
use crate::gate::study::Study;
use crate::segments::verdict::{Figure, Finding, Grade, Sentence};
use crate::statistics::Share;
use crate::web::words::Words;

/// Length of a full bar.
const BAR: f64 = 100.0;

#[derive(Debug, Serialize)]
pub(super) struct StudyView {
    pub counted_at: i64,
    people: u64,
    base: u64,
    share: Option<f64>,
    topic: String,
    channels: Vec<ChannelView>,
    is_any: bool,
    lines: Vec<LineView>,
    findings: Vec<FindingView>,
    passed: u64,
}

#[derive(Debug, Serialize)]
struct ChannelView {
    name: String,
    reachable: u64,
    share: Option<f64>,
    width: String,
    withheld: Vec<WithheldView>,
}

#[derive(Debug, Serialize)]
struct WithheldView {
    reason: String,
    people: u64,
}

#[derive(Debug, Serialize)]
struct LineView {
    said: String,
    people: u64,
    moved: String,
    width: String,
}

#[derive(Debug, Serialize)]
struct FindingView {
    name: String,
    grade: &'static str,
    grade_name: String,
    mark: &'static str,
    said: String,
}

impl StudyView {
    pub fn new(words: &Words, study: &Study) -> Self {
        let analysis = &study.analysis;
        let share = |count| Share::new(count, analysis.people).value();
        let of_base = |count| Share::new(count, analysis.base).value();
        let findings = study.verdict();
        Self {
            counted_at: study.counted_at,
            people: analysis.people,
            base: analysis.base,
            share: of_base(analysis.people),
            topic: study.topic.clone(),
            channels: study
                .reach
                .iter()
                .map(|reach| ChannelView {
                    name: sentence::channel(words, reach.channel).to_owned(),
                    reachable: reach.reachable,
                    share: share(reach.reachable),
                    width: width(share(reach.reachable)),
                    withheld: reach
                        .withheld
                        .iter()
                        .map(|(reason, people)| WithheldView {
                            reason: words.t(reason.describe()).to_owned(),
                            people: *people,
                        })
                        .collect(),
                })
                .collect(),
            is_any: analysis.is_any,
            lines: analysis
                .lines
                .iter()
                .map(|line| LineView {
                    said: sentence::of_text(words, &line.rule),
                    people: line.people,
                    moved: moved(words, analysis.is_any, line.moved),
                    width: width(of_base(line.people)),
                })
                .collect(),
            passed: findings
                .iter()
                .map(|finding| u64::from(finding.grade == Grade::Passed))
                .sum(),
            findings: findings
                .iter()
                .map(|finding| FindingView::new(words, finding))
                .collect(),
        }
    }
}

impl FindingView {
    fn new(words: &Words, finding: &Finding) -> Self {
        let said: Vec<String> = finding
            .sentences
            .iter()
            .map(|sentence| self::said(words, sentence))
            .collect();
        Self {
            name: words.t(finding.criterion.as_str()).to_owned(),
            grade: finding.grade.as_str(),
            grade_name: words.t(grade(finding.grade)).to_owned(),
            mark: match finding.grade {
                Grade::Passed => "✓",
                Grade::Doubtful => "~",
                Grade::Failed => "✗",
                Grade::Open => "?",
            },
            said: said.join(" · "),
        }
    }
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Passed => "test passed",
        Grade::Doubtful => "test in doubt",
        Grade::Failed => "test failed",
        Grade::Open => "nothing to judge by yet",
    }
}

/// What each line moves, with its sign.
pub(super) fn moved(words: &Words, is_any: bool, people: u64) -> String {
    let sign = if is_any { '+' } else { '−' };
    format!("{sign}{}", words.number(people))
}

/// A sentence with its figures.
fn said(words: &Words, sentence: &Sentence) -> String {
    let figures: Vec<(&str, String)> = sentence
        .figures
        .iter()
        .map(|(name, figure)| {
            let shown = match figure {
                Figure::Count(count) => words.number(*count),
                Figure::Share(share) => words.percent(Some(*share)),
                Figure::Text(text) => text.clone(),
            };
            (*name, shown)
        })
        .collect();
    words.fill(sentence.pattern, &figures)
}

fn width(share: Option<f64>) -> String {
    format!("{:.2}", share.unwrap_or(0.0) * BAR)
}
