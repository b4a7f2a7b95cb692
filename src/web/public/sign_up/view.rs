//! What the pages of the sign-up form show.

use serde::Serialize;

use crate::config::{Settings, TopicSettings, in_language};
use crate::dialogue::sign_up::form::{self, Fault, FaultKind, Typed};
use crate::web::public::words::{Language, SignUpWords};

/// The page that says where to look.
#[derive(Debug, Serialize)]
pub(super) struct SentView<'a> {
    language: &'static str,
    words: &'static SignUpWords,
    title: &'static str,
    sender: &'a str,
    email: &'a str,
    next: String,
}

impl<'a> SentView<'a> {
    pub(super) fn new(settings: &'a Settings, language: Language, email: &'a str) -> Self {
        let words = language.sign_up();
        let hours = settings.sign_up.token_hours.to_string();
        Self {
            language: language.code(),
            words,
            title: words.sent_title,
            sender: &settings.notices.sender_name,
            email,
            next: words.sent_next.replace("{hours}", &hours),
        }
    }
}

/// The form, with what was typed and what is wrong with it.
#[derive(Debug, Serialize)]
pub(super) struct FormView<'a> {
    language: &'static str,
    words: &'static SignUpWords,
    title: &'static str,
    sender: &'a str,
    postal_lines: Vec<&'a str>,
    privacy: String,
    privacy_url: Option<&'a str>,
    faults: Vec<FaultView>,
    email: &'a str,
    email_fault: Option<&'static str>,
    fields: Vec<FieldView<'a>>,
    topics: Vec<TopicView<'a>>,
    topics_fault: Option<&'static str>,
    /// What the form of one topic asks agreement to.
    single: Option<&'a str>,
    languages: Vec<LanguageView>,
}

#[derive(Debug, Serialize)]
struct FaultView {
    /// Of the field it leads to.
    id: String,
    label: String,
    text: &'static str,
}

#[derive(Debug, Serialize)]
struct FieldView<'a> {
    id: String,
    name: &'a str,
    label: &'a str,
    value: &'a str,
    autocomplete: &'static str,
    is_required: bool,
    fault: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct TopicView<'a> {
    id: String,
    name: &'a str,
    title: &'a str,
    wording: &'a str,
    is_ticked: bool,
}

#[derive(Debug, Serialize)]
struct LanguageView {
    code: &'static str,
    name: &'static str,
    is_current: bool,
}

impl<'a> FormView<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        language: Language,
        only: Option<&'a TopicSettings>,
        typed: &'a Typed,
        faults: &[Fault],
    ) -> Self {
        let code = language.code();
        let words = language.sign_up();
        let fault_of = |field: &str| {
            let fault = faults.iter().find(|fault| fault.field == field);
            fault.map(|fault| say(words, fault.kind))
        };
        let fields: Vec<FieldView<'_>> = settings
            .sign_up
            .fields
            .iter()
            .map(|field| FieldView {
                id: format!("field-{}", field.name),
                name: &field.name,
                label: in_language(&field.label, code),
                value: typed.fields.get(&field.name).map_or("", String::as_str),
                autocomplete: autocomplete(&field.name),
                is_required: field.is_required,
                fault: fault_of(&field.name),
            })
            .collect();
        let topics: Vec<TopicView<'_>> = form::offered(settings)
            .map(|topic| TopicView {
                id: format!("topic-{}", topic.name),
                name: &topic.name,
                title: in_language(&topic.title, code),
                wording: in_language(&topic.wording, code),
                is_ticked: typed.topics.contains(&topic.name),
            })
            .collect();
        let to_field = |fault: &Fault| {
            let (id, label) = match fault.field.as_str() {
                "email" => ("email".to_owned(), words.email),
                // The first box: a fieldset takes no focus.
                "topics" => {
                    let first = topics.first().map(|topic| topic.id.clone());
                    (first.unwrap_or_default(), words.topics)
                }
                name => {
                    let field = fields.iter().find(|field| field.name == name)?;
                    (field.id.clone(), field.label)
                }
            };
            Some(FaultView {
                id,
                label: label.to_owned(),
                text: say(words, fault.kind),
            })
        };
        let days = settings.sign_up.keep_unconfirmed_days.to_string();
        let sender = settings.notices.sender_name.as_str();
        Self {
            language: code,
            words,
            title: if faults.is_empty() {
                words.title
            } else {
                words.faults_title
            },
            sender,
            postal_lines: settings
                .notices
                .postal_address()
                .unwrap_or_default()
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect(),
            privacy: words
                .privacy
                .replace("{sender}", sender)
                .replace("{days}", &days),
            privacy_url: settings.sign_up.privacy_url.as_deref(),
            faults: faults.iter().filter_map(to_field).collect(),
            email: &typed.email,
            email_fault: fault_of("email"),
            topics_fault: fault_of("topics"),
            single: only.map(|topic| in_language(&topic.wording, code)),
            languages: Language::ALL
                .into_iter()
                .map(|(one, name)| LanguageView {
                    code: one.code(),
                    name,
                    is_current: one == language,
                })
                .collect(),
            fields,
            topics,
        }
    }
}

fn say(words: &SignUpWords, kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::NoEmail => words.no_email,
        FaultKind::MalformedEmail => words.malformed_email,
        FaultKind::NoTopic => words.no_topic,
        FaultKind::UnknownTopic | FaultKind::UnknownField => words.unknown_topic,
        FaultKind::Required => words.required,
        FaultKind::Unreadable => words.unreadable,
    }
}

/// What a browser may fill in by itself (WCAG 2.1, 1.3.5).
fn autocomplete(field: &str) -> &'static str {
    match field {
        "first_name" => "given-name",
        "last_name" => "family-name",
        "company" => "organization",
        "postal_code" => "postal-code",
        "city" => "address-level2",
        _ => "on",
    }
}
