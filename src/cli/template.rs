//! `visavis template`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;

use super::{Common, print};
use crate::campaigns::sms as campaign_sms;
use crate::clock::from_ms;
use crate::config::{SANDBOX, Settings};
use crate::customers::store as customer_store;
use crate::templates::library::{self, Change, Origin};
use crate::templates::{
    FieldFacts, FileTexts, Severity, SmsFrame, Template, difference, preview as previews,
    sample_customer,
};

/// Who saves from here, for the audit log.
const ACTOR: &str = "command line";

#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// Lists your templates and those in the binary
    List,
    /// Reads a template as a copywriter would
    Check {
        /// The template's folder, or its name
        dir: PathBuf,
    },
    /// Saves a folder's files as the next revision of a template of the library
    Save {
        /// The template's name
        name: String,
        /// The folder with template.toml
        dir: PathBuf,
        /// What is new in it
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Writes a template's files into a folder
    Export {
        /// The template's name
        name: String,
        /// Made where it is missing; files of these names are overwritten
        dir: PathBuf,
    },
    /// Lists the revisions of a template
    History { name: String },
    /// Shows what changed between two revisions
    Diff { name: String, from: i64, to: i64 },
    /// Makes a past revision the newest one
    Restore { name: String, revision: i64 },
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
                list(common).await?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Save { name, dir, note } => {
                save(common, &name, &dir, &note).await?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Export { name, dir } => {
                export(common, &name, &dir).await?;
                Ok(ExitCode::SUCCESS)
            }
            Self::History { name } => {
                history(common, &name).await?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Diff { name, from, to } => {
                let parts = common.open().await?;
                let before = library::revision(&parts.db, &name, from).await?;
                let after = library::revision(&parts.db, &name, to).await?;
                match difference::unified(&before.files, &after.files) {
                    lines if lines.is_empty() => {
                        print(format_args!("Revisions {from} and {to} are the same."));
                    }
                    lines => print(lines.trim_end()),
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Restore { name, revision } => {
                let parts = common.open_to_write().await?;
                let folder = &parts.settings.templates_dir;
                let now_ms = parts.clock.now_ms();
                let saved =
                    library::restore(&parts.db, folder, &name, revision, ACTOR, now_ms).await?;
                print(match saved.is_new {
                    true => format!(
                        "{name} is as in revision {revision}, saved as revision {}.",
                        saved.revision
                    ),
                    false => {
                        format!("{name} is as in revision {revision} already; nothing was saved.")
                    }
                });
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

/// Whether there is a base to look into; none is made for a look at a template.
fn has_base(settings: &Settings) -> bool {
    settings.database.url.is_some() || settings.data_dir.join("visavis.db").exists()
}

/// The template of a name, where campaigns find it.
async fn find(common: &Common, settings: &Settings, name: &str) -> anyhow::Result<Template> {
    if !has_base(settings) {
        return Ok(library::find_outside(&settings.templates_dir, name)?);
    }
    let parts = common.open().await?;
    Ok(library::find(&parts.db, &settings.templates_dir, name).await?)
}

async fn list(common: &Common) -> anyhow::Result<()> {
    let settings = common.settings()?;
    let folder = &settings.templates_dir;
    if !has_base(&settings) {
        for folder in library::folders(folder) {
            match Template::load(&folder) {
                Ok(template) => line(
                    template.name(),
                    template.languages(),
                    &folder.display().to_string(),
                ),
                Err(error) => print(format_args!("{}: {error}", folder.display())),
            }
        }
        for name in Template::embedded_names() {
            line(&name, Template::embedded(&name)?.languages(), "");
        }
        return Ok(());
    }
    let parts = common.open().await?;
    for entry in library::list(&parts.db, folder).await? {
        let origin = match entry.origin {
            Origin::Library { .. } if entry.is_archived => "archived".to_owned(),
            Origin::Library { revision } => format!("revision {revision}"),
            Origin::Folder => folder.join(&entry.name).display().to_string(),
            Origin::Binary => String::new(),
        };
        match entry.problem {
            Some(problem) => print(format_args!("{:<24} {problem}", entry.name)),
            None => line(&entry.name, &entry.languages, &origin),
        }
    }
    Ok(())
}

fn line(name: &str, languages: &[String], origin: &str) {
    let line = format!("{name:<24} {:<10} {origin}", languages.join(", "));
    print(line.trim_end());
}

async fn save(common: &Common, name: &str, dir: &Path, note: &str) -> anyhow::Result<()> {
    let texts = FileTexts::of_folder(dir)?;
    // What is wrong is said with the path of its file.
    Template::load(dir)?;
    let parts = common.open_to_write().await?;
    let change = Change {
        name,
        texts: &texts,
        base: None,
        by: ACTOR,
        note,
    };
    let folder = &parts.settings.templates_dir;
    let saved = library::save(&parts.db, folder, &change, parts.clock.now_ms()).await?;
    print(match (saved.is_new, saved.revision) {
        (true, number) => format!(
            "{name} saved as revision {number}. Campaigns take it when they are applied; visavis template check {name} reads it."
        ),
        (false, 0) => format!("{name} is the same outside of the library; nothing was saved."),
        (false, number) => format!("{name} is the same as revision {number}; nothing was saved."),
    });
    Ok(())
}

async fn export(common: &Common, name: &str, dir: &Path) -> anyhow::Result<()> {
    let settings = common.settings()?;
    let texts = if has_base(&settings) {
        let parts = common.open().await?;
        library::open(&parts.db, &settings.templates_dir, name)
            .await?
            .texts
    } else {
        let own = settings.templates_dir.join(name);
        match own.join("template.toml").exists() {
            true => FileTexts::of_folder(&own)?,
            false => FileTexts::embedded(name)?,
        }
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for (file, text) in texts.iter() {
        let path = dir.join(file);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        print(path.display());
    }
    Ok(())
}

async fn history(common: &Common, name: &str) -> anyhow::Result<()> {
    let parts = common.open().await?;
    let revisions = library::history(&parts.db, name).await?;
    if revisions.is_empty() {
        // A name that nobody knows is an error.
        library::open(&parts.db, &parts.settings.templates_dir, name).await?;
        print(format_args!(
            "{name} was never saved here; its first change makes revision 1 of its files."
        ));
    }
    for revision in revisions {
        let by = match revision.saved_by.as_str() {
            "" => "as it came",
            by => by,
        };
        let at = from_ms(revision.saved_at).format("%Y-%m-%d %H:%M UTC");
        let line = format!("{:>4}  {at}  {by:<24} {}", revision.number, revision.note);
        print(line.trim_end());
    }
    Ok(())
}

async fn check(common: &Common, dir: &std::path::Path) -> anyhow::Result<ExitCode> {
    let settings = common.settings()?;
    let template = if dir.is_dir() {
        Template::load(dir)?
    } else {
        find(common, &settings, &dir.to_string_lossy()).await?
    };
    // How often a field is empty is asked of the base, if there is one.
    let mut facts = FieldFacts::unknown();
    if has_base(&settings) {
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
    let template = find(common, &settings, name).await?;
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
            let rendered = previews::sms(&template, language, &customer, &frame)?;
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
    let rendered = previews::email(&template, language, &customer, &settings.web.public_url)?;
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
