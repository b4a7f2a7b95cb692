//! `visavis check`: is everything in place, and what to do where it is not.

use std::process::ExitCode;

use clap::Args;

use super::{Common, print};
use crate::channels::email::EmailChannel;
use crate::config::Settings;
use crate::keys::Keys;
use crate::storage::{Db, DbUrl};
use crate::templates::{FieldFacts, Severity, Template};

#[derive(Debug, Args)]
pub(super) struct Check {}

/// One line of the answer.
enum Line {
    Good(String),
    /// Works, but not for a real mailing.
    Note(String),
    Bad(String),
}

impl Check {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let settings = match common.settings() {
            Ok(settings) => settings,
            Err(error) => {
                show(&[Line::Bad(format!("configuration: {error:#}"))]);
                return Ok(ExitCode::FAILURE);
            }
        };
        let mut lines = vec![Line::Good(
            "configuration: read, every key known".to_owned(),
        )];
        lines.push(data_dir(&settings));
        lines.push(database(&settings.database_url(), settings.database.max_connections).await);
        lines.push(relay(&settings).await);
        lines.push(public_url(&settings));
        lines.extend(templates(&settings));
        show(&lines);
        Ok(if lines.iter().any(|line| matches!(line, Line::Bad(_))) {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn show(lines: &[Line]) {
    for line in lines {
        match line {
            Line::Good(text) => print(format_args!("ok    {text}")),
            Line::Note(text) => print(format_args!("note  {text}")),
            Line::Bad(text) => print(format_args!("FAIL  {text}")),
        }
    }
}

fn data_dir(settings: &Settings) -> Line {
    let path = settings.data_dir.display();
    let probe = settings.data_dir.join(".write-check");
    let written = std::fs::create_dir_all(&settings.data_dir)
        .and_then(|()| std::fs::write(&probe, b"x"))
        .and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Line::Good(format!("data folder: {path} is writable")),
        Err(cause) => Line::Bad(format!(
            "data folder: {path}: {cause}; give another with --data-dir or data_dir"
        )),
    }
}

async fn database(url: &DbUrl, max_connections: u32) -> Line {
    let db = match Db::open(url, max_connections).await {
        Ok(db) => db,
        Err(error) => return Line::Bad(format!("database: {error}")),
    };
    let line = match db.require_current_schema().await {
        Ok(()) => Line::Good(format!("database: {url}, schema up to date")),
        Err(error) => Line::Note(format!("database: {url}: {error}")),
    };
    db.close().await;
    line
}

async fn relay(settings: &Settings) -> Line {
    let keys = match Keys::load_or_create(&settings.data_dir.join("secret.key")) {
        Ok(keys) => keys,
        Err(error) => return Line::Bad(format!("secret: {error}")),
    };
    let outbox = settings.data_dir.join("outbox");
    let channel = match EmailChannel::new(&settings.email, keys, &outbox) {
        Ok(channel) => channel,
        Err(error) => return Line::Bad(format!("email: {error}")),
    };
    let line = match channel.check().await {
        Ok(_) if settings.email.relay.is_none() => Line::Note(format!(
            "relay: none; messages go to the outbox in {} and nothing leaves this machine",
            outbox.display()
        )),
        Ok(facts) => Line::Good(format!(
            "relay: {} answers as {}, {}{}",
            facts.peer,
            facts.greeting,
            if facts.is_encrypted {
                "encrypted"
            } else {
                "not encrypted"
            },
            if facts.is_logged_in {
                ", log-in accepted"
            } else {
                ""
            }
        )),
        Err(problem) => Line::Bad(format!("relay: {problem}")),
    };
    channel.close().await;
    line
}

fn public_url(settings: &Settings) -> Line {
    let url = &settings.web.public_url;
    if url.starts_with("https://") {
        Line::Good(format!("links: {url}"))
    } else {
        Line::Note(format!(
            "links: {url} is not https; set web.public_url before a real mailing, or one-click unsubscribe does not work"
        ))
    }
}

fn templates(settings: &Settings) -> Vec<Line> {
    let mut folders: Vec<_> = std::fs::read_dir(&settings.templates_dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("template.toml").exists())
        .collect();
    folders.sort();
    let own = folders
        .into_iter()
        .map(|folder| (folder.display().to_string(), Template::load(&folder)));
    let embedded = Template::embedded_names()
        .into_iter()
        .map(|name| (format!("{name} (in the binary)"), Template::embedded(&name)));
    own.chain(embedded)
        .map(|(name, template)| match template {
            Ok(template) => {
                let errors = template
                    .lint(&FieldFacts::unknown())
                    .into_iter()
                    .filter(|finding| finding.severity == Severity::Error)
                    .count();
                if errors == 0 {
                    Line::Good(format!("template: {name}"))
                } else {
                    Line::Bad(format!(
                        "template: {name} has {errors} errors; `visavis template check` names them"
                    ))
                }
            }
            Err(error) => Line::Bad(format!("template: {name}: {error}")),
        })
        .collect()
}
