//! The pages: templates and styles in the binary, compiled once for each language.
//!
//! A public page carries its style, allowed by its hash, so that it is one answer and needs nothing from
//! elsewhere. The console's pages share theirs, which a browser keeps. Lengths of bars are attributes of SVG
//! shapes, since the policy forbids style attributes.

use std::borrow::Cow;
use std::fmt;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use chrono_tz::Tz;
use data_encoding::{BASE64, HEXLOWER};
use handlebars::Handlebars;
use ring::digest::{SHA256, digest};
use rust_embed::RustEmbed;
use serde::Serialize;

use super::ApiError;
use super::public::words::Language;
use super::speaking;
use super::words::Words;
use super::words::said::capital;
use crate::config::ConfigError;

/// Pages by their file names: `{style}` in a layout becomes the style, `{console_style}` the address of the
/// console's.
#[derive(RustEmbed)]
#[folder = "src/web/pages"]
struct Files;

/// What every page is built on; the console's own follow it.
const STYLE: &str = "style.css";

/// Why the web room cannot be made ready: a defect of this program.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    #[error("a page does not compile: {0}")]
    Template(Box<handlebars::TemplateError>),
    #[error("the file {0} of the pages is not text")]
    File(String),
    #[error("a metric cannot be registered: {0}")]
    Metric(#[from] prometheus::Error),
    #[error(transparent)]
    Settings(#[from] ConfigError),
}

/// The compiled pages.
pub struct Pages {
    english: Speaking,
    french: Speaking,
    style: String,
    policy: HeaderValue,
    console_policy: HeaderValue,
}

/// The pages in one language.
struct Speaking {
    words: Words,
    registry: Handlebars<'static>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages(..)")
    }
}

/// Marks an answer with an error status that is a page already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished;

/// What an error page shows.
#[derive(Debug, Serialize)]
struct ErrorView<'a> {
    language: &'static str,
    title: &'a str,
    lines: Vec<Cow<'a, str>>,
    /// Where the reader goes on; empty: nowhere in particular.
    onward: &'a str,
    onward_text: &'a str,
    reference: &'static str,
    request_id: &'a str,
}

impl Pages {
    /// Compiles the pages; amounts are of this currency (ISO 4217), instants are told in the time of this zone.
    ///
    /// # Errors
    /// When one does not compile.
    pub fn new(currency: &str, zone: Tz) -> Result<Self, PagesError> {
        let public_style = text(STYLE)?;
        let mut style = public_style.clone();
        for name in Files::iter().filter(|name| name.ends_with(".css") && name.as_ref() != STYLE) {
            style.push('\n');
            style.push_str(&text(&name)?);
        }
        let style_path = format!("/assets/console.css?v={}", fingerprint(&style));
        let speaking = |language| -> Result<Speaking, PagesError> {
            let words = Words::new(language, currency, zone);
            let mut registry = Handlebars::new();
            registry.set_strict_mode(true);
            speaking::register(&mut registry, &words);
            for file in Files::iter() {
                let Some(name) = file.strip_suffix(".hbs") else {
                    continue;
                };
                let source = text(&file)?
                    .replace("{style}", &public_style)
                    .replace("{console_style}", &style_path);
                registry
                    .register_template_string(name, source)
                    .map_err(|error| PagesError::Template(Box::new(error)))?;
            }
            Ok(Speaking { words, registry })
        };
        let hash = BASE64.encode(digest(&SHA256, public_style.as_bytes()).as_ref());
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'"
        );
        let console_policy = format!(
            "default-src 'none'; style-src 'self' 'sha256-{hash}'; script-src 'self'; connect-src 'self'; \
             img-src 'self' data:; frame-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        // They are ASCII; without a policy of our own nothing would be allowed, and so it is safe.
        let header = |policy: &str| {
            HeaderValue::from_str(policy)
                .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
        };
        Ok(Self {
            english: speaking(Language::English)?,
            french: speaking(Language::French)?,
            style,
            policy: header(&policy),
            console_policy: header(&console_policy),
        })
    }

    /// The Content-Security-Policy of every public page that does not bring its own.
    pub(super) fn policy(&self) -> &HeaderValue {
        &self.policy
    }

    /// The same of the console's pages.
    pub(super) fn console_policy(&self) -> &HeaderValue {
        &self.console_policy
    }

    /// The style of the console.
    pub(super) fn style(&self) -> &str {
        &self.style
    }

    /// The words of a language the console speaks; English for the others.
    pub(super) fn words(&self, language: Language) -> &Words {
        &self.speaking(language).words
    }

    fn speaking(&self, language: Language) -> &Speaking {
        match language {
            Language::French => &self.french,
            _ => &self.english,
        }
    }

    /// A page with status 200. Public pages bring their words along; those of the console take
    /// [`Pages::answer_in`].
    pub(super) fn answer(
        &self,
        name: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        self.answer_in(Language::English, name, view)
    }

    /// A page in a language, with status 200.
    pub(super) fn answer_in(
        &self,
        language: Language,
        name: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        let page = self.page(language, name, view)?;
        Ok(HttpResponse::build(StatusCode::OK)
            .content_type("text/html; charset=utf-8")
            .body(page))
    }

    /// A form that came back with faults: status 422, the page as it is.
    pub(super) fn refuse(
        &self,
        name: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        self.refuse_in(Language::English, name, view)
    }

    /// As [`Pages::refuse`], in a language.
    pub(super) fn refuse_in(
        &self,
        language: Language,
        name: &str,
        view: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        let mut response = self.answer_in(language, name, view)?;
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        response.extensions_mut().insert(Finished);
        Ok(response)
    }

    /// A page as text.
    pub(super) fn page(
        &self,
        language: Language,
        name: &str,
        view: &impl Serialize,
    ) -> Result<String, ApiError> {
        let registry = &self.speaking(language).registry;
        registry.render(name, view).map_err(ApiError::internal)
    }

    /// The page of an error; `is_console` speaks to the marketing team, else to a customer.
    pub(super) fn error(
        &self,
        error: &ApiError,
        language: Language,
        is_console: bool,
        request_id: &str,
    ) -> Result<String, ApiError> {
        let errors = language.errors();
        let problem = error.problem(request_id);
        let (title, lines) = if is_console {
            let words = self.words(language);
            (
                words.t(problem.title),
                vec![capital(&words.say(&problem.detail)).into()],
            )
        } else if error.status() == StatusCode::TOO_MANY_REQUESTS {
            (errors.busy_title, vec![errors.busy_text.into()])
        } else if error.status().is_client_error() {
            (
                errors.lost_title,
                vec![errors.lost_text.into(), errors.lost_hint.into()],
            )
        } else {
            (errors.fault_title, vec![errors.fault_text.into()])
        };
        let onward = error.onward().filter(|_| is_console);
        let view = ErrorView {
            language: language.code(),
            title,
            lines,
            onward: onward.map_or("", |onward| onward.path.as_str()),
            onward_text: onward.map_or("", |onward| self.words(language).t(onward.text)),
            reference: errors.reference,
            request_id,
        };
        self.page(language, "error", &view)
    }
}

fn text(name: &str) -> Result<String, PagesError> {
    Files::get(name)
        .and_then(|file| String::from_utf8(file.data.into_owned()).ok())
        .ok_or_else(|| PagesError::File(name.to_owned()))
}

/// Eight bytes that change with the text, so that a browser asks again only then.
fn fingerprint(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    HEXLOWER.encode(hash.as_ref().get(..8).unwrap_or_default())
}
