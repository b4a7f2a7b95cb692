//! `visavis template`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::campaign::find_template;
use super::{Common, print};
use crate::campaigns::sms as campaign_sms;
use crate::config::{SANDBOX, Settings};
use crate::customers::store as customer_store;
use crate::templates::model::RecipientLinks;
use crate::templates::sms::sample_links;
use crate::templates::{FieldFacts, Imprint, Severity, SmsFrame, Template, sample_customer};

#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// Lists your templates and those in the binary
    List,
    /// Reads a template as a copywriter would
    Check {
        /// The template's folder, or the name of one in the binary
        dir: PathBuf,
    },
    /// Renders a template for one customer
    Preview {
        /// The template's name
        name: String,
        /// The customer: id, your own key, or address; without it, an invented one
        #[arg(long, value_name = "ID")]
        customer: Option<String>,
        /// Another language than the customer's
        #[arg(long)]
        language: Option<String>,
        /// Writes the HTML to this file instead of printing the text
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Shows the text message instead, with its alphabet, characters and parts
        #[arg(long, conflicts_with = "html")]
        sms: bool,
        /// Replaces the characters that force the text message into UCS-2
        #[arg(long, requires = "sms")]
        transliterate: bool,
    },
}

impl TemplateCommand {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::List => {
                let settings = common.settings()?;
                for folder in own_folders(&settings.templates_dir) {
                    match Template::load(&folder) {
                        Ok(template) => print(format_args!(
                            "{:<24} {:<10} {}",
                            template.name(),
                            template.languages().join(", "),
                            folder.display()
                        )),
                        Err(error) => print(format_args!("{}: {error}", folder.display())),
                    }
                }
                for name in Template::embedded_names() {
                    let template = Template::embedded(&name)?;
                    print(format_args!(
                        "{name:<24} {}",
                        template.languages().join(", ")
                    ));
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Check { dir } => check(common, &dir).await,
            Self::Preview {
                name,
                customer,
                language,
                html,
                sms,
                transliterate,
            } => {
                let how = match sms {
                    true => Shown::Sms { transliterate },
                    false => Shown::Email { html },
                };
                preview(common, &name, customer, language, how).await
            }
        }
    }
}

async fn check(common: &Common, dir: &std::path::Path) -> anyhow::Result<ExitCode> {
    let template = if dir.is_dir() {
        Template::load(dir)?
    } else {
        let settings = common.settings()?;
        find_template(&settings.templates_dir, &dir.to_string_lossy())?
    };
    // How often a field is empty is asked of the base, if there is one.
    let mut facts = FieldFacts::unknown();
    let settings = common.settings()?;
    if settings.database.url.is_some() || settings.data_dir.join("visavis.db").exists() {
        let parts = common.open().await?;
        for customer in customer_store::sample(&parts.db, 2_000).await? {
            facts.observe(&customer);
        }
    }
    let findings = template.lint(&facts);
    for finding in &findings {
        print(finding);
    }
    for language in template.languages() {
        // Why there is none is said above, if it matters.
        let frame = frame_of(&settings, language);
        if let Ok(measure) = template.measure_sms(language, &frame, &facts) {
            print(format_args!("[{language}] sms: {measure}"));
        }
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    print(format_args!(
        "{}: {} languages, {} links, {errors} errors, {} warnings",
        template.name(),
        template.languages().len(),
        template.links().len(),
        findings.len() - errors
    ));
    Ok(if errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is shown of a template.
enum Shown {
    Email { html: Option<PathBuf> },
    Sms { transliterate: bool },
}

/// What stands around a text message, as it would go out without more ado.
fn frame_of(settings: &Settings, language: &str) -> SmsFrame {
    let provider = settings.sms.route(None).unwrap_or(SANDBOX);
    campaign_sms::frame(&settings.sms, provider, language)
}

async fn preview(
    common: &Common,
    name: &str,
    customer: Option<String>,
    language: Option<String>,
    how: Shown,
) -> anyhow::Result<ExitCode> {
    let settings = common.settings()?;
    let template = find_template(&settings.templates_dir, name)?;
    let customer = match customer {
        Some(who) => {
            let parts = common.open().await?;
            customer_store::find(&parts.db, &who)
                .await?
                .ok_or_else(|| anyhow::anyhow!("there is no customer {who}"))?
        }
        None => sample_customer(),
    };
    let language = language.unwrap_or_else(|| customer.language.clone());
    let language = template.language_for(&language);
    let html = match how {
        Shown::Email { html } => html,
        Shown::Sms { transliterate } => {
            let mut frame = frame_of(&settings, language);
            frame.transliterate |= transliterate;
            let compiled = template.compile_sms(language, &frame)?;
            let rendered = compiled.render(&customer, &sample_links(&compiled))?;
            print(format_args!(
                "SMS [{language}]: {}, {} characters{}\n\n{}",
                rendered.size,
                rendered.text.chars().count(),
                if settings.sms.providers.is_empty() {
                    " (its STOP mention is an example until there is a provider)"
                } else {
                    ""
                },
                rendered.text
            ));
            return Ok(ExitCode::SUCCESS);
        }
    };
    let compiled = template.compile_email(
        language,
        &Imprint {
            sender_name: "Sender".to_owned(),
            postal_address: "1 rue de l’Exemple, 80000 Amiens".to_owned(),
            reason: None,
        },
    )?;
    let links = RecipientLinks {
        clicks: compiled
            .links()
            .iter()
            .map(|link| link.url.clone())
            .collect(),
        unsubscribe: format!("{}/u/preview", settings.web.public_url),
        preferences: format!("{}/p/preview", settings.web.public_url),
        browser: format!("{}/v/preview", settings.web.public_url),
        ..RecipientLinks::default()
    }
    .with_sample_offer();
    let rendered = compiled.render(&customer, &links)?;
    match html {
        Some(file) => {
            std::fs::write(&file, rendered.html)?;
            print(format_args!(
                "Subject: {}\nWritten to {}",
                rendered.subject,
                file.display()
            ));
        }
        None => print(format_args!(
            "Subject: {}\n\n{}",
            rendered.subject, rendered.text
        )),
    }
    Ok(ExitCode::SUCCESS)
}

/// The template folders below `folder`, in order of their names.
pub(super) fn own_folders(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("template.toml").exists())
        .collect();
    folders.sort();
    folders
}
