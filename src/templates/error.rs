//! What can be wrong with a template, and with one rendering of it.

use std::fmt;
use std::path::PathBuf;

/// Where in a template something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or what stands for it when the template was frozen.
    pub file: String,
    /// Counted from 1; none for a frozen template.
    pub line: Option<usize>,
    /// The key, such as `action.box.link`; empty when the whole file is meant.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        Ok(())
    }
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Something its author wrote; the problem says what to do instead.
    #[error("{place}: {problem}")]
    Written { place: Place, problem: String },
    #[error("there is no template {name:?}; there are {known}")]
    NoSuchTemplate { name: String, known: String },
    #[error("template {template:?} is not written in {language:?}; it is in {known}")]
    NoSuchLanguage {
        template: String,
        language: String,
        known: String,
    },
    /// The law wants every commercial message to say who writes and from where (LCEN art. 20, CAN-SPAM).
    #[error(
        "the imprint has no {what}: set it in the campaign's sender, it stands at the foot of every message"
    )]
    Imprint { what: &'static str },
    /// The frozen text is not one that this program wrote.
    #[error("the frozen template cannot be read: {0}")]
    Frozen(#[source] serde_json::Error),
    #[error("template {template:?} in {language:?}: {source}")]
    Sms {
        template: String,
        language: String,
        source: RenderError,
    },
    /// Never the author's fault.
    #[error("the layout of {template:?} cannot be built: {problem}")]
    Layout { template: String, problem: String },
}

/// Why one message could not be made; it names no customer.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("the message grew beyond {limit} bytes: one of the customer's values is too long")]
    TooLong { limit: usize },
    #[error("the template has {wanted} links and {given} tracked addresses were given")]
    Links { wanted: usize, given: usize },
    #[error("the subject is empty for this customer: give its fields a default")]
    EmptySubject,
    #[error("the text message is empty for this customer: give its fields a default")]
    EmptyText,
    #[error(
        "the text message takes {parts} parts and at most {limit} are sent: one of the customer's values is too long, or the text is"
    )]
    TooManyParts { parts: usize, limit: usize },
    #[error(
        "it would go out without the coupon it speaks of: its wave was launched without coupons"
    )]
    NoCoupon,
    #[error("the fields could not be filled in")]
    Fill(#[source] Box<handlebars::RenderError>),
}
