//! What a copywriter would say about a template before it goes out.

mod sms;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::email::Imprint;
use super::fields::{FieldFacts, FieldUse, sample_customer};
use super::layouts::{contrast_with_white, phrases};
use super::library::start::is_example;
use super::markdown::{self, ReadyText};
use super::model::{Part, RecipientLinks};
use super::ready::ReadyWording;
use super::tags::{Piece, Tag, field_uses, pieces, take};
use super::wording::{Form, Text, Theme, Wording};
use super::{Template, links};
use crate::statistics::sentence::{Sentence, Value};

/// Characters of a subject that a telephone shows.
const SUBJECT_CHARACTERS: usize = 50;
/// Characters of a preheader that mail programs show at most.
const PREHEADER_CHARACTERS: usize = 120;
/// What a field counts for in a line.
const FIELD_CHARACTERS: usize = 8;
/// A field that fewer customers have needs a default.
const FILLED_SHARE: f64 = 0.95;
/// The key of a text message's own words.
const SMS_TEXT: &str = "sms.text";
/// Gmail shows no more of a message than 102 kB, and the footer is at its end.
const HTML_BYTES: usize = 100_000;

/// What is said of a text that a new template began with.
fn example() -> Sentence {
    Sentence::new("this is still the example's text; write your own, or empty the field")
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must not go out like this.
    Error,
    /// It could be better.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One remark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    pub severity: Severity,
    /// None when it is about the template as a whole.
    pub part: Option<Part>,
    pub language: String,
    /// The key in the file, such as `attention.subject`.
    pub key: String,
    #[schema(value_type = String)]
    pub message: Sentence,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} [{}] {}: {}",
            self.severity, self.language, self.key, self.message
        )
    }
}

impl Template {
    /// Reads the template as a copywriter would, with what the customer base says about its fields.
    ///
    /// Sorted: errors first, then in the order of reading. No error means that it may go out.
    pub fn lint(&self, facts: &FieldFacts) -> Vec<Finding> {
        let mut findings = Vec::new();
        for language in self.languages() {
            let (Some(wording), Some((_, ready))) =
                (self.script.wordings.get(language), self.ready.get(language))
            else {
                continue;
            };
            let mut reader = Reader {
                language,
                findings: &mut findings,
            };
            reader.attention(wording);
            reader.parts(wording);
            reader.call_to_action(wording, ready);
            reader.texts(wording, &self.script.theme, facts);
            if language != &self.script.language
                && let Some(original) = self.script.wordings.get(&self.script.language)
            {
                reader.translation(wording, original);
            }
            if !phrases::ALL
                .iter()
                .any(|phrases| phrases.language == language)
            {
                reader.warn(None, "language", Sentence::new("the footer has no words in {language} and will be in English; give the campaign's sender a reason in this language")
                    .with("language", format!("{language:?}")));
            }
            reader.sms(self, wording, facts);
            reader.result(self);
        }
        if contrast_with_white(&self.script.theme.accent).is_some_and(|ratio| ratio < 4.5) {
            findings.push(Finding {
                severity: Severity::Warning,
                part: None,
                language: self.script.language.clone(),
                key: "theme.accent".to_owned(),
                message: Sentence::new(
                    "{colour} is too pale on white for kicker and links (contrast below 4.5); take a darker shade",
                )
                .named("colour", &self.script.theme.accent),
            });
        }
        self.lint_interests(&mut findings);
        findings.sort_by_key(|finding| finding.severity);
        findings
    }

    /// An interest that no link leads to would never be found.
    fn lint_interests(&self, findings: &mut Vec<Finding>) {
        let mut refuse = |message: Sentence| {
            findings.push(Finding {
                severity: Severity::Error,
                part: None,
                language: self.script.language.clone(),
                key: "interests".to_owned(),
                message,
            });
        };
        for (url, interest) in &self.script.interests {
            if !self.links.iter().any(|link| link.url == *url) {
                refuse(
                    Sentence::new(
                        "no link leads to {url}; write the address as it stands in the text",
                    )
                    .with("url", format!("{url:?}")),
                );
            }
            let length = interest.trim().chars().count();
            if !(1..=MAX_INTEREST_CHARS).contains(&length) {
                refuse(
                    Sentence::new(
                        "the interest of {url} has {n} characters; give it a name of 1 to {most}",
                    )
                    .with("url", format!("{url:?}"))
                    .named("n", length)
                    .named("most", MAX_INTEREST_CHARS),
                );
            }
        }
    }
}

/// Characters of the name of an interest.
const MAX_INTEREST_CHARS: usize = 60;

struct Reader<'a> {
    language: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    fn say(&mut self, severity: Severity, part: Option<Part>, key: &str, message: Sentence) {
        self.findings.push(Finding {
            severity,
            part,
            language: self.language.to_owned(),
            key: key.to_owned(),
            message,
        });
    }

    fn warn(&mut self, part: Option<Part>, key: &str, message: impl Into<Sentence>) {
        self.say(Severity::Warning, part, key, message.into());
    }

    fn refuse(&mut self, part: Option<Part>, key: &str, message: impl Into<Sentence>) {
        self.say(Severity::Error, part, key, message.into());
    }

    fn attention(&mut self, wording: &Wording) {
        let part = Some(Part::Attention);
        let attention = &wording.attention;
        let (subject, preheader) = (attention.subject.trim(), attention.preheader.trim());
        if subject.is_empty() {
            self.refuse(
                part,
                "attention.subject",
                Sentence::new("there is no subject: nobody opens a letter without one"),
            );
        } else {
            let length = length(subject);
            if length > SUBJECT_CHARACTERS {
                self.warn(part, "attention.subject", Sentence::new("the subject has {n} characters; a telephone shows about {most}, so say it shorter or put the weight first")
                    .named("n", length)
                    .named("most", SUBJECT_CHARACTERS));
            }
            if is_shouting(subject) {
                self.warn(
                    part,
                    "attention.subject",
                    Sentence::new(
                        "the subject is all capitals: it shouts, and spam filters hear it",
                    ),
                );
            }
            if subject.matches('!').count() > 1 {
                self.warn(part, "attention.subject", Sentence::new("more than one exclamation mark in the subject; one is the most a reader believes"));
            }
        }
        if preheader.is_empty() {
            self.warn(part, "attention.preheader", Sentence::new("there is no preheader: the inbox will show whatever the letter begins with; write the second half of your promise"));
        } else if preheader == subject {
            self.warn(
                part,
                "attention.preheader",
                Sentence::new("the preheader repeats the subject; go on with the thought instead"),
            );
        } else if length(preheader) > PREHEADER_CHARACTERS {
            self.warn(
                part,
                "attention.preheader",
                Sentence::new("the preheader has {n} characters; no inbox shows more than {most}")
                    .named("n", length(preheader))
                    .named("most", PREHEADER_CHARACTERS),
            );
        }
        if attention.headline.trim().is_empty() {
            self.refuse(
                part,
                "attention.headline",
                Sentence::new(
                    "there is no headline: it is what four of five readers read, and all they read",
                ),
            );
        } else if attention.headline.trim() == subject {
            self.warn(
                part,
                "attention.headline",
                Sentence::new("the headline repeats the subject; the reader has just read it"),
            );
        }
        if let Some(image) = &attention.image
            && image.alt.trim().is_empty()
        {
            self.warn(part, "attention.image.alt", Sentence::new("the picture has no alt text: who does not load pictures sees a hole; say what it shows"));
        }
    }

    fn parts(&mut self, wording: &Wording) {
        let given = wording.texts();
        let has = |part: Part| given.iter().any(|text| text.part == part);
        if !has(Part::Interest) {
            self.refuse(
                Some(Part::Interest),
                "interest.body",
                Sentence::new("Interest is empty: say what this has to do with the reader"),
            );
        } else if wording.interest.body.trim().is_empty() {
            self.warn(
                Some(Part::Interest),
                "interest.body",
                Sentence::new(
                    "Interest is a headline only; say what this has to do with the reader",
                ),
            );
        }
        if !has(Part::Desire) {
            self.refuse(
                Some(Part::Desire),
                "desire.body",
                Sentence::new("Desire is empty: say what the reader gains, best in points"),
            );
        }
        for (number, point) in wording.desire.points.iter().enumerate() {
            if point.trim().is_empty() {
                self.warn(
                    Some(Part::Desire),
                    &format!("desire.points[{number}]"),
                    Sentence::new("this point is empty; remove it or write it"),
                );
            }
        }
        if !has(Part::Action) {
            self.refuse(
                Some(Part::Action),
                "action",
                Sentence::new("Action is empty: nobody does what nobody asks for"),
            );
        }
    }

    fn call_to_action(&mut self, wording: &Wording, ready: &ReadyWording) {
        let part = Some(Part::Action);
        let action = &wording.action;
        let (button, link) = (action.button.trim(), action.link.trim());
        match (button.is_empty(), link.is_empty()) {
            (true, true) => self.refuse(part, "action.button", Sentence::new("there is no call to action: write a button that says what happens when it is pressed, and its link")),
            (false, true) => self.refuse(part, "action.link", Sentence::new("the button leads nowhere; give it a link")),
            (true, false) => self.refuse(part, "action.button", Sentence::new("the link has no button; write what happens when it is pressed")),
            (false, false) => {
                let length = length(button);
                if length > 40 {
                    self.warn(part, "action.button", Sentence::new("the button has {n} characters; a verb and what one gets are enough").named("n", length));
                }
            }
        }
        if let Some(panel) = &action.panel {
            let (button, other) = (panel.button.trim(), panel.link.trim());
            if panel.title.trim().is_empty() && panel.body.trim().is_empty() {
                self.refuse(
                    part,
                    "action.box",
                    Sentence::new("the box is empty; fill it or remove it"),
                );
            }
            if button.is_empty() != other.is_empty() {
                self.refuse(
                    part,
                    "action.box.button",
                    Sentence::new(
                        "the box has half a button; give both button and link, or neither",
                    ),
                );
            } else if !link.is_empty() && !other.is_empty() && other != link {
                self.warn(part, "action.box.link", Sentence::new("more than one call to action: the box leads elsewhere than the button, and who has to choose often does neither; lead both to one page"));
            }
        }
        let elsewhere: BTreeSet<&str> = ready
            .links
            .iter()
            .map(|(_, url, _)| url.as_str())
            .filter(|url| *url != link)
            .collect();
        if !link.is_empty() && elsewhere.len() > 2 {
            self.warn(part, "action.link", Sentence::new("more than one call to action: {n} links in the text lead elsewhere than the button; keep those that help to decide")
                .named("n", elsewhere.len()));
        }
    }

    fn texts(&mut self, wording: &Wording, theme: &Theme, facts: &FieldFacts) {
        let mut exclamations = 0;
        let mut said = BTreeSet::new();
        for text in wording.texts() {
            let part = Some(text.part);
            exclamations += text.text.matches('!').count();
            if is_example(text.text) {
                self.warn(part, &text.key, example());
            }
            if text.form != Form::Markdown
                && let Some(tag) = html_tag(text.text)
            {
                self.warn(
                    part,
                    &text.key,
                    Sentence::new(
                        "readers will see {tag} as it stands: a line holds no HTML, so take it out",
                    )
                    .named("tag", tag),
                );
            }
            // What was read once can be read again.
            let Ok(ready) = markdown::ready(&text, theme) else {
                continue;
            };
            self.addresses(&text, &ready);
            self.fields(part, &text.key, &ready.tags, facts, &mut said);
        }
        if wording.sms().is_some_and(is_example) {
            self.warn(None, SMS_TEXT, example());
        }
        if exclamations > 4 {
            self.warn(
                None,
                "template",
                Sentence::new(
                    "{n} exclamation marks in one letter; facts persuade better than noise",
                )
                .named("n", exclamations),
            );
        }
    }

    /// Fields that nobody has, and those that are empty too often.
    fn fields(
        &mut self,
        part: Option<Part>,
        key: &str,
        tags: &[Tag],
        facts: &FieldFacts,
        said: &mut BTreeSet<(String, String, bool)>,
    ) {
        for used in field_uses(tags) {
            if !said.insert((key.to_owned(), used.field.clone(), used.is_guarded)) {
                continue;
            }
            match facts.of(&used.field) {
                FieldUse::Unknown => {
                    let hint = facts
                        .nearest(&used.field)
                        .map(|near| Sentence::new("; did you mean {near}?").named("near", near));
                    self.refuse(
                        part,
                        key,
                        Sentence::new("no customer has a field {field}{hint}")
                            .with("field", format!("{:?}", used.field))
                            .with("hint", hint),
                    );
                }
                FieldUse::Filled(share) if !used.is_guarded && share < FILLED_SHARE => {
                    self.warn(part, key, Sentence::new("{field} is empty for {n} of 100 customers, and the sentence will have a hole; write {default} or put it in {condition}")
                        .named("field", &used.field)
                        .with("n", Value::Decimal((1.0 - share) * 100.0, 0))
                        .with("default", format!("{{{{default {} \"…\"}}}}", used.field))
                        .with("condition", format!("{{{{#if {}}}}}", used.field)));
                }
                FieldUse::Filled(_) | FieldUse::Exists => {}
            }
        }
    }

    /// Bare addresses, links that are not https, and false ways out.
    fn addresses(&mut self, text: &Text<'_>, ready: &ReadyText) {
        let part = Some(text.part);
        let link_key = match text.form {
            Form::Button { link_key, .. } => link_key,
            Form::Line | Form::Markdown => &text.key,
        };
        if ready.text.contains("https://") || ready.text.contains("http://") {
            self.refuse(part, &text.key, Sentence::new("an address stands bare in the text, where it would not be counted; write [what one finds there](https://…)"));
        }
        for (url, label) in &ready.links {
            self.link(part, &text.key, link_key, url, label);
        }
    }

    fn link(&mut self, part: Option<Part>, key: &str, link_key: &str, url: &str, label: &str) {
        if links::is_plain_http(url) {
            self.warn(
                part,
                link_key,
                Sentence::new("{url} is not https: browsers warn, and readers leave")
                    .with("url", url),
            );
        }
        let label = label.to_lowercase();
        let mut ways_out = phrases::ALL.iter().flat_map(|phrases| phrases.way_out);
        // It would keep people in who want to leave.
        if ways_out.any(|word| label.contains(word)) {
            self.refuse(part, key, Sentence::new("this link looks like the unsubscribe link and is not: remove it, the true one stands at the foot of every message"));
        }
    }

    fn translation(&mut self, wording: &Wording, original: &Wording) {
        let keys = |wording: &Wording| -> Vec<(Option<Part>, String)> {
            let texts = wording.texts().into_iter();
            let own_sms = wording.sms().map(|_| (None, SMS_TEXT.to_owned()));
            texts
                .map(|text| (Some(text.part), text.key))
                .chain(own_sms)
                .collect()
        };
        let given = keys(wording);
        for (part, key) in keys(original) {
            if !given.iter().any(|(_, known)| *known == key) {
                self.warn(part, &key, Sentence::new("missing translation: the default language says something here, and {language} does not")
                    .with("language", format!("{:?}", self.language)));
            }
        }
    }

    /// What comes out: whether it renders, and whether Gmail would cut it.
    fn result(&mut self, template: &Template) {
        let imprint = Imprint {
            sender_name: "A sender".to_owned(),
            postal_address: "An address".to_owned(),
            reason: None,
        };
        // What stops this has been said above; a layout that fails for another reason has not.
        let email = match template.compile_email(self.language, &imprint) {
            Ok(email) => email,
            Err(error) => {
                if !self.findings.iter().any(|f| f.severity == Severity::Error) {
                    self.refuse(None, "template", error.to_string());
                }
                return;
            }
        };
        let links = RecipientLinks {
            clicks: vec![
                "https://links.example/".to_owned() + &"x".repeat(50);
                email.links().len()
            ],
            ..RecipientLinks::default()
        }
        .with_sample_offer();
        match email.render(&sample_customer(), &links) {
            Ok(message) if message.html.len() > HTML_BYTES => self.warn(None, "template", Sentence::new("the HTML has {n} kB; Gmail cuts at 102 and hides the footer with the unsubscribe link, so shorten the letter")
                .named("n", message.html.len() / 1000)),
            Ok(_) => {}
            Err(error) => self.refuse(None, "template", error.to_string()),
        }
    }
}

/// Characters of a line, a field taken for eight, and of each condition the longest branch.
fn length(text: &str) -> usize {
    let Ok((marked, tags)) = take(text) else {
        return text.chars().count();
    };
    // For each open condition: the length before it, and its longest branch so far.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut now = 0;
    for piece in pieces(&marked) {
        let tag = match piece {
            Piece::Raw(raw) => {
                now += raw.chars().count();
                continue;
            }
            Piece::Mark(_, number) => tags.get(number),
        };
        match tag {
            Some(Tag::Value(_)) => now += FIELD_CHARACTERS,
            Some(Tag::If { .. }) => open.push((std::mem::take(&mut now), 0)),
            Some(Tag::ElseIf(_) | Tag::Else) => {
                if let Some((_, longest)) = open.last_mut() {
                    *longest = std::mem::take(&mut now).max(*longest);
                }
            }
            Some(Tag::End { .. }) => {
                if let Some((before, longest)) = open.pop() {
                    now = before + longest.max(now);
                }
            }
            None => {}
        }
    }
    now
}

/// The first tag of HTML in a line.
fn html_tag(text: &str) -> Option<&str> {
    text.match_indices('<').find_map(|(at, _)| {
        let tag = text.get(at..)?;
        let tag = tag.get(..=tag.find('>')?)?;
        let name = tag.trim_start_matches(['<', '/']);
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            .then_some(tag)
    })
}

fn is_shouting(text: &str) -> bool {
    let Ok((marked, _)) = take(text) else {
        return false;
    };
    let letters: Vec<char> = pieces(&marked)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Raw(raw) => Some(raw.chars()),
            Piece::Mark(..) => None,
        })
        .flatten()
        .filter(|c| c.is_alphabetic())
        .collect();
    letters.len() >= 6 && !letters.iter().any(|c| c.is_lowercase())
}
