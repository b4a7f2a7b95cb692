//! A segment in the making, as the form brings it: the lines and the text, of which the one that was changed
//! is right.

use super::Fields;
use super::sentence;
use crate::segments::builder::{About, Builder, Edit, Fault};
use crate::segments::library::Segment;
use crate::segments::model::{MAX_CHARS, Node};
use crate::segments::{ParseError, Rule};
use crate::web::State;
use crate::web::words::Words;

/// What is being made.
#[derive(Debug)]
pub(super) struct Draft {
    pub name: String,
    pub description: String,
    pub revision: i64,
    /// What the reach is counted for.
    pub topic: String,
    pub builder: Builder,
    pub faults: Vec<Fault>,
    /// Whether lines that are still empty are told.
    pub is_strict: bool,
    pub text: String,
    /// The text as the page had it, by which one sees whether it was changed.
    pub text_was: String,
    pub text_fault: Option<ParseError>,
    pub are_both_changed: bool,
    /// Who is to be explained.
    pub who: String,
}

/// What the pressed button says.
#[derive(Debug)]
pub(super) enum Doing {
    Edit(Edit),
    Show,
    Count,
    Explain,
    Save,
    Archive(bool),
}

impl Draft {
    /// An empty one.
    pub fn new(state: &State) -> Self {
        let topics = &state.settings.permission.topics;
        let topic = topics.first().map_or("", |topic| topic.name.as_str());
        let mut draft = Self {
            name: String::new(),
            description: String::new(),
            revision: 0,
            topic: topic.to_owned(),
            builder: Builder::of(&Rule::everyone()),
            faults: Vec::new(),
            is_strict: false,
            text: String::new(),
            text_was: String::new(),
            text_fault: None,
            are_both_changed: false,
            who: String::new(),
        };
        draft.take_lines();
        draft
    }

    /// A segment as it is kept.
    pub fn of(segment: &Segment, state: &State) -> Self {
        let mut draft = Self::new(state);
        draft.name.clone_from(&segment.name);
        draft.description.clone_from(&segment.description);
        draft.revision = segment.revision;
        draft.take_text(&segment.rule);
        if let Some(counted) = &segment.counted {
            draft.topic.clone_from(&counted.topic);
        }
        draft
    }

    /// Reads the form, and what is to be done.
    pub fn read(form: &Fields, state: &State) -> (Self, Doing) {
        let field = |name: &str| {
            let found = form.iter().find(|(known, _)| known == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let mut draft = Self::new(state);
        draft.name = field("name").to_owned();
        draft.description = field("description").replace("\r\n", "\n");
        draft.revision = field("revision").parse().unwrap_or(0);
        draft.who = field("who").to_owned();
        let topics = &state.settings.permission.topics;
        if topics.iter().any(|topic| topic.name == field("topic")) {
            draft.topic = field("topic").to_owned();
        }
        draft.builder = Builder::from_fields(form.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        draft.text = field("text").replace("\r\n", "\n");
        draft.text_was = field("text_was").replace("\r\n", "\n");
        let asked = field("do");
        draft.is_strict = matches!(asked, "save" | "count" | "explain" | "archive");
        let doing = doing(asked, form);
        draft.settle(asked, &doing);
        (draft, doing)
    }

    /// Decides between the lines and the text.
    fn settle(&mut self, asked: &str, doing: &Doing) {
        let is_text_changed = self.text.trim() != self.text_was.trim();
        let takes_lines = matches!(doing, Doing::Edit(_)) || asked == "lines";
        if takes_lines || !is_text_changed {
            self.take_lines();
            return;
        }
        if asked != "text" && self.are_lines_changed() {
            self.are_both_changed = true;
            self.faults = self.builder.rule().err().unwrap_or_default();
            return;
        }
        let text = self.text.clone();
        self.take_text(&text);
    }

    /// Whether the lines say something else than the text as the page had it.
    fn are_lines_changed(&self) -> bool {
        let before = match self.text_was.trim() {
            "" => Rule::everyone(),
            text => match Rule::parse(text) {
                Ok(rule) => rule,
                Err(_) => return false,
            },
        };
        self.builder.rule().as_ref() != Ok(&before)
    }

    /// The text becomes lines, if it is a rule.
    pub fn take_text(&mut self, text: &str) {
        if text.trim().is_empty() {
            self.builder = Builder::of(&Rule::everyone());
            self.take_lines();
            return;
        }
        match Rule::parse(text) {
            Ok(rule) => {
                self.builder = Builder::of(&rule);
                self.take_lines();
            }
            Err(error) => {
                self.text = text.to_owned();
                self.text_fault = Some(error);
                self.faults = self.builder.rule().err().unwrap_or_default();
            }
        }
    }

    /// The lines become text: those that are complete.
    fn take_lines(&mut self) {
        self.faults = self.builder.rule().err().unwrap_or_default();
        match self.builder.complete() {
            Ok(rule) => self.text = laid_out(&rule),
            Err(fault) => self.faults.push(fault),
        }
        self.text_was.clone_from(&self.text);
        self.text_fault = None;
    }

    /// Changes the shape of the lines.
    pub fn change(&mut self, edit: Edit) {
        self.builder.edit(edit);
        self.take_lines();
    }

    /// The rule, where every line is complete.
    pub fn rule(&self) -> Option<Rule> {
        if self.text_fault.is_some() || self.are_both_changed {
            return None;
        }
        self.builder.rule().ok()
    }

    /// Its canonical text.
    pub fn rule_text(&self) -> Option<String> {
        self.rule().map(|rule| rule.to_string())
    }

    /// The rule as a sentence, as far as it is complete.
    pub fn said(&self, words: &Words) -> String {
        let rule = self.builder.complete();
        rule.map_or_else(|_| String::new(), |rule| sentence::of_rule(words, &rule))
    }
}

/// The text of a rule, a line of the outermost "and" or "or" on each line.
fn laid_out(rule: &Rule) -> String {
    let (lines, is_any) = rule.lines();
    let link = if is_any { "\nor " } else { "\nand " };
    let is_group = |line: &Rule| !is_any && matches!(line.root(), Node::Any(_));
    let lines: Vec<String> = lines
        .iter()
        .map(|line| {
            if is_group(line) {
                format!("({line})")
            } else {
                line.to_string()
            }
        })
        .collect();
    let text = lines.join(link);
    // The longest rules have no room for it.
    if text.chars().count() > MAX_CHARS {
        return rule.to_string();
    }
    text
}

fn doing(asked: &str, form: &Fields) -> Doing {
    let (word, number) = asked.split_once(':').unwrap_or((asked, ""));
    let number = || number.parse::<usize>().ok();
    let edit = match word {
        "add" => number().and_then(|group| {
            let name = format!("new.{group}");
            let chosen = form.iter().find(|(known, _)| *known == name);
            let about = About::from_field(&chosen?.1)?;
            Some(Edit::AddLine { group, about })
        }),
        "group" => number().map(|group| Edit::AddGroup { group }),
        "remove" => number().map(Edit::Remove),
        "up" => number().map(Edit::Up),
        "down" => number().map(Edit::Down),
        _ => None,
    };
    match (edit, word) {
        (Some(edit), _) => Doing::Edit(edit),
        (None, "count") => Doing::Count,
        (None, "explain") => Doing::Explain,
        (None, "save") => Doing::Save,
        (None, "archive") => Doing::Archive(true),
        (None, "back") => Doing::Archive(false),
        _ => Doing::Show,
    }
}
