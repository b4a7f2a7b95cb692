//! What a refusal means, by the rules of `rules.toml` (RULES.md §1.8).
//!
//! Words are believed before a status, a telling status before a bare code. "5.x.x is hard" is not a rule here:
//! six of ten such bounces are not about the recipient.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use toml::Spanned;

use super::phrases::{Collector, Phrases, is_folded};
use crate::channels::model::Class;
use crate::storage::text::fold;

const FILE: &str = include_str!("rules.toml");
/// Bytes of a text that the rules look at.
const READ_AT_MOST: usize = 64 << 10;

/// An enhanced status (RFC 3463).
pub type Status = (u8, u16, u16);

/// Why a file of rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rules.toml, line {line}: {what}")]
pub struct RulesError {
    pub line: usize,
    pub what: String,
}

/// What a diagnosis says, in codes and in words.
#[derive(Debug, Clone, Default)]
pub(super) struct Diagnosis {
    pub status: Option<Status>,
    pub code: Option<u16>,
    /// Folded and without the codes that break sentences of several lines.
    pub words: String,
}

/// The rules and the signs of a file, ready to be asked.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    phrases: Phrases,
    pub signs: Signs,
}

/// Every condition that is given must hold.
#[derive(Debug)]
struct Rule {
    name: String,
    class: Class,
    /// Asked only when no other rule knows.
    is_fallback: bool,
    status: Vec<Pattern>,
    codes: Vec<u16>,
    words: Vec<usize>,
    with: Vec<usize>,
    unless: Vec<usize>,
}

/// `5.1.1`, `1.1` (whatever its class), `7.20-29` or `4.*`.
#[derive(Debug)]
struct Pattern {
    class: Option<u8>,
    subject: u16,
    details: RangeInclusive<u16>,
}

macro_rules! signs {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// By what mails are told apart: a list of phrases each.
        #[derive(Debug)]
        pub(super) struct Signs { $($(#[$doc])* pub $name: Phrases,)* }

        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WrittenSigns { $($name: Spanned<Vec<String>>,)* }

        impl WrittenSigns {
            fn compile(&self) -> Result<Signs, (usize, String)> {
                Ok(Signs { $($name: compiled(&self.$name)?,)* })
            }
        }
    };
}

signs! {
    /// Local parts and names of programs that return mail.
    daemons,
    /// Beginnings of subjects of bounces.
    bounce_subjects,
    /// What only a bounce says.
    bounce_texts,
    /// What says that the message is still tried.
    delays,
    /// What says, beside a delay, that it is tried no more.
    given_up,
    /// Lines from which on the returned message stands.
    returned_from,
    /// Subjects that only a machine gives.
    auto_subjects,
    /// Subjects that a person may give too.
    away_subjects,
    /// What automatic answers say.
    auto_texts,
    challenges,
    /// Local parts that take nothing but opt-outs.
    opt_out_mailboxes,
    /// What a whole text or subject says to opt out.
    opt_outs,
    courtesies,
    /// Prefixes of a subject that answers.
    answers,
    /// Lines from which on another's message is quoted.
    quotes_from,
    /// Ends of a line that introduces a quote.
    quotes_after,
    /// Words of a line that introduces a quote and begins as such lines do.
    quote_verbs,
    /// Lines that a telephone or a mail program writes below.
    footers,
}

fn compiled(written: &Spanned<Vec<String>>) -> Result<Phrases, (usize, String)> {
    let at = written.span().start;
    if let Some(phrase) = written.get_ref().iter().find(|phrase| !is_folded(phrase)) {
        return Err((at, unfolded(phrase)));
    }
    Phrases::of(written.get_ref()).map_err(|error| (at, error.to_string()))
}

fn unfolded(phrase: &str) -> String {
    format!("write {phrase:?} as it is compared: {:?}", fold(phrase))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    signs: WrittenSigns,
    rule: Vec<Spanned<WrittenRule>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    name: String,
    class: Class,
    #[serde(default)]
    fallback: bool,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    codes: Vec<u16>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
}

/// The rules of the file that is built in.
pub(super) static RULES: LazyLock<Option<Rules>> = LazyLock::new(|| {
    Rules::parse(FILE)
        .inspect_err(|error| tracing::error!(%error, "mail that comes back cannot be read"))
        .ok()
});

/// The class of a refusal and the name of the rule that decided: for everything that reports one in words, be it
/// a mail or the webhook of a provider. A status or code that is not given is looked for in the text.
pub fn class_of(
    diagnostic: &str,
    status: Option<Status>,
    code: Option<u16>,
) -> (Class, &'static str) {
    let mut diagnosis = Diagnosis::of(diagnostic);
    diagnosis.status = diagnosis
        .status
        .filter(is_telling)
        .or(status)
        .or(diagnosis.status);
    diagnosis.code = diagnosis.code.or(code);
    match RULES.as_ref() {
        Some(rules) => rules.class(&[diagnosis]),
        None => UNDETERMINED,
    }
}

/// What is said of a bounce that says nothing: nobody is to blame.
const UNDETERMINED: (Class, &str) = (Class::Network, "undetermined");

/// Whether a status says more than that something failed.
pub(super) fn is_telling(status: &Status) -> bool {
    (status.1, status.2) != (0, 0)
}

impl Rules {
    /// # Errors
    /// When a rule cannot be read or could never hold; the error names its line.
    fn parse(text: &str) -> Result<Self, RulesError> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let wrong = |at: usize, what: String| RulesError {
            line: line(at),
            what,
        };
        let written: Written = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(at, error.message().to_owned())
        })?;
        let signs = (written.signs.compile()).map_err(|(at, what)| wrong(at, what))?;
        let mut collector = Collector::default();
        let mut rules: Vec<Rule> = Vec::with_capacity(written.rule.len());
        for spanned in &written.rule {
            let at = spanned.span().start;
            let rule = spanned.get_ref();
            if rules.iter().any(|known| known.name == rule.name) {
                return Err(wrong(at, format!("the name {:?} stands twice", rule.name)));
            }
            rules.push(Rule::of(rule, &mut collector).map_err(|what| wrong(at, what))?);
        }
        let phrases = collector
            .compile()
            .map_err(|error| wrong(0, error.to_string()))?;
        Ok(Self {
            rules,
            phrases,
            signs,
        })
    }

    /// The class by diagnoses in the order in which they are believed.
    pub(super) fn class(&self, diagnoses: &[Diagnosis]) -> (Class, &str) {
        self.first(diagnoses, false)
            .or_else(|| self.first(diagnoses, true))
            .unwrap_or(UNDETERMINED)
    }

    /// Whether a rule that is no fallback knows a diagnosis.
    pub(super) fn knows(&self, diagnosis: &Diagnosis) -> bool {
        self.first(std::slice::from_ref(diagnosis), false).is_some()
    }

    fn first(&self, diagnoses: &[Diagnosis], is_fallback: bool) -> Option<(Class, &str)> {
        diagnoses.iter().find_map(|diagnosis| {
            let found = self.phrases.find(&diagnosis.words);
            self.rules
                .iter()
                .filter(|rule| rule.is_fallback == is_fallback)
                .find(|rule| {
                    (rule.words.is_empty() || found.any(&rule.words))
                        && (rule.with.is_empty() || found.any(&rule.with))
                        && !found.any(&rule.unless)
                        && rule.fits(diagnosis)
                })
                .map(|rule| (rule.class, rule.name.as_str()))
        })
    }
}

impl Rule {
    fn of(written: &WrittenRule, collector: &mut Collector) -> Result<Self, String> {
        if written.status.is_empty() && written.codes.is_empty() && written.words.is_empty() {
            return Err(format!(
                "{:?} holds for everything; give it status, codes or words",
                written.name
            ));
        }
        if let Some(code) = written
            .codes
            .iter()
            .find(|code| !(400..600).contains(*code))
        {
            return Err(format!("{code} is no code of a refusal; give 400 to 599"));
        }
        let mut numbers = |phrases: &[String]| {
            if let Some(phrase) = phrases.iter().find(|phrase| !is_folded(phrase)) {
                return Err(unfolded(phrase));
            }
            Ok(phrases
                .iter()
                .map(|phrase| collector.number(phrase))
                .collect())
        };
        Ok(Self {
            name: written.name.clone(),
            class: written.class,
            is_fallback: written.fallback,
            status: (written.status.iter())
                .map(|pattern| Pattern::parse(pattern))
                .collect::<Result<_, _>>()?,
            codes: written.codes.clone(),
            words: numbers(&written.words)?,
            with: numbers(&written.with)?,
            unless: numbers(&written.unless)?,
        })
    }

    fn fits(&self, diagnosis: &Diagnosis) -> bool {
        (self.codes.is_empty()
            || diagnosis
                .code
                .is_some_and(|code| self.codes.contains(&code)))
            && (self.status.is_empty()
                || (diagnosis.status)
                    .is_some_and(|status| self.status.iter().any(|pattern| pattern.fits(status))))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no status; write 5.1.1, 1.1, 7.20-29 or 4.*");
        let parts: Vec<&str> = text.split('.').collect();
        let (class, subject, details) = match parts.as_slice() {
            [class, subject, details] => (Some(*class), *subject, *details),
            [subject, details] => (None, *subject, *details),
            _ => return Err(wrong()),
        };
        let number = |text: &str| text.parse::<u16>().ok().ok_or_else(wrong);
        let class = match class {
            None => None,
            Some("2") => Some(2),
            Some("4") => Some(4),
            Some("5") => Some(5),
            Some(_) => return Err(wrong()),
        };
        let details = match details.split_once('-') {
            Some((first, last)) => number(first)?..=number(last)?,
            None if details == "*" => 0..=999,
            None => number(details)?..=number(details)?,
        };
        if details.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            class,
            subject: number(subject)?,
            details,
        })
    }

    fn fits(&self, (class, subject, detail): Status) -> bool {
        self.class.is_none_or(|own| own == class)
            && self.subject == subject
            && self.details.contains(&detail)
    }
}

/// A pattern that stands in this file and compiles, as its test shows.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// A reply with its enhanced status, `550 5.1.1` or `550-5.1.1` or `550 #5.1.1`.
static BOTH: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"\b([45]\d\d)[- ]+[(\[]?#?([45])\.([0-7])\.(\d{1,3})\b"));
/// A status alone.
static STATUS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(?:^|[\s(#\[<=:;,-])([45])\.([0-7])\.(\d{1,3})(?:$|[\s)\]>:;,\-]|\.\s)")
});
/// A code alone, where a reply is quoted: other numbers of three digits are prices and rooms.
static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?im)(?:^\s*|<<<\s*|[:;>]\s+|;|\b(?:said|says|error|code|response|reply|answer|returned|status|smtp|with|esmtp)\b[:=]?\s*[(<\x22']?)([45]\d\d)(?:[ \-:;,.)]|$)",
    )
});
/// What interrupts a sentence that a server wrote on several lines.
static BREAKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"\b[245]\d\d(?:-(?:[245]\.\d{1,3}\.\d{1,3})?|[ ]+[245]\.\d{1,3}\.\d{1,3})[ \t]*")
});

/// An address stands within sentences ("User <a@example.com> unknown") and may hold any word itself.
static ADDRESS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"<?[^\s<>,;:()]+@[^\s<>,;:()]+>?"));

impl Diagnosis {
    /// Reads a text: its first status and code, and its words.
    pub(super) fn of(text: &str) -> Self {
        let text = super::mime::head(text, READ_AT_MOST);
        let number = |found: &regex::Captures<'_>, group: usize| {
            found
                .get(group)
                .and_then(|found| found.as_str().parse::<u16>().ok())
        };
        let status_at = |found: &regex::Captures<'_>, first: usize| {
            let class = u8::try_from(number(found, first)?).ok()?;
            Some((class, number(found, first + 1)?, number(found, first + 2)?))
        };
        let both = BOTH.as_ref().and_then(|both| both.captures(text));
        let mut status = both.as_ref().and_then(|found| status_at(found, 2));
        let mut code = both.as_ref().and_then(|found| number(found, 1));
        if !status.as_ref().is_some_and(is_telling) {
            let alone = STATUS.as_ref().and_then(|pattern| {
                pattern
                    .captures_iter(text)
                    .filter_map(|found| status_at(&found, 1))
                    .find(is_telling)
            });
            status = alone.or(status);
        }
        if code.is_none() {
            let alone = CODE.as_ref().and_then(|pattern| pattern.captures(text));
            code = alone.as_ref().and_then(|found| number(found, 1));
        }
        let without = |pattern: &Option<Regex>, text: &str| match pattern {
            Some(pattern) => pattern.replace_all(text, " ").into_owned(),
            None => text.to_owned(),
        };
        let words = fold(&without(&ADDRESS, &without(&BREAKS, text)));
        Self {
            status,
            code,
            words,
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
