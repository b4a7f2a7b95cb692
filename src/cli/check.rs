//! `visavis check`: is everything in place, and what to do where it is not.

mod inbound;
mod mail_hooks;
mod senders;
mod texts;

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::{Common, print};
use crate::channels;
use crate::config::{DEFAULT_RELAY, Settings};
use crate::gate::rules::Rules;
use crate::keys::Keys;
use crate::storage::{Db, DbUrl, Dialect};
use crate::templates::library::{self, Origin};
use crate::templates::{FieldFacts, Severity, Template};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Also looks up what must stand in DNS for your senders.
    #[arg(long)]
    dns: bool,
}

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
        lines.push(rules(&settings));
        lines.push(data_dir(&settings));
        lines.push(database(&settings.database_url(), settings.database.max_connections).await);
        lines.push(secret(&settings).await);
        lines.extend(relays(&settings).await);
        lines.extend(texts::providers(&settings).await);
        lines.extend(mail_hooks::lines(&settings));
        lines.extend(inbound::lines(&settings).await);
        lines.push(public_url(&settings));
        lines.push(console(&settings));
        lines.extend(sender_domain(&settings));
        if self.dns {
            lines.extend(senders::lines(&settings).await);
        }
        lines.extend(templates(&settings));
        lines.extend(saved_templates(&settings).await);
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

fn rules(settings: &Settings) -> Line {
    match Rules::new(settings) {
        Ok(rules) => {
            let caps: Vec<String> = rules
                .caps
                .iter()
                .map(|cap| cap.sentence().to_string())
                .collect();
            Line::Good(match caps.as_slice() {
                [] => "permission rules: read; no pressure caps".to_owned(),
                caps => format!("permission rules: read; at most {}", caps.join(", ")),
            })
        }
        Err(error) => Line::Bad(format!("permission rules: {error}")),
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
        Err(error) if db.dialect() == Dialect::Sqlite => {
            drop(error);
            Line::Good(format!(
                "database: {url}, made or brought up to date at its first use"
            ))
        }
        Err(error) => Line::Bad(format!("database: {url}: {error}")),
    };
    db.close().await;
    line
}

/// Whether the secret is there and the database's.
async fn secret(settings: &Settings) -> Line {
    let path = settings.data_dir.join("secret.key");
    let shown = path.display();
    let db = Db::open(&settings.database_url(), 2).await;
    let is_in_use = match &db {
        Ok(db) => db.has_secret().await.unwrap_or(false),
        Err(_) => false,
    };
    if !path.exists() {
        return if is_in_use {
            Line::Bad(format!(
                "secret: {shown} is missing; restore it from your backup"
            ))
        } else {
            Line::Good(format!("secret: {shown} is made at the first start"))
        };
    }
    match (Keys::load_or_create(&path), db) {
        (Err(error), _) => Line::Bad(format!("secret: {error}")),
        (Ok(keys), Ok(db)) if is_in_use && !db.is_secret(&keys).await.unwrap_or(true) => {
            Line::Bad(format!(
                "secret: {shown} is not the one this database was used with; restore it from your backup"
            ))
        }
        (Ok(_), _) => Line::Good(format!("secret: {shown}; keep it in your backup")),
    }
}

async fn relays(settings: &Settings) -> Vec<Line> {
    let outbox = settings.data_dir.join("outbox");
    let tries = settings
        .email
        .routes()
        .map(|(name, _)| relay(name, settings, &outbox));
    futures_util::future::join_all(tries).await
}

async fn relay(name: &str, settings: &Settings, outbox: &Path) -> Line {
    let label = if name == DEFAULT_RELAY {
        "relay".to_owned()
    } else {
        format!("relay {name}")
    };
    match channels::check::relay(settings, name).await {
        Ok(_) if settings.email.relay.is_none() => Line::Note(format!(
            "relay: none; messages go to the outbox in {} and nothing leaves this machine",
            outbox.display()
        )),
        Ok(facts) => Line::Good(format!(
            "{label}: {} answers as {}, {}{}",
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
        Err(problem) => Line::Bad(format!("{label}: {problem}")),
    }
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

fn console(settings: &Settings) -> Line {
    let address = settings.web.console_listen;
    if address.ip().is_loopback() {
        Line::Good(format!("console: {address}, this machine only"))
    } else {
        Line::Bad(format!(
            "console: {address} is open to others and has no login; set web.console_listen to 127.0.0.1 and a port"
        ))
    }
}

/// What receiving servers look at; of no matter while everything goes to the outbox.
fn sender_domain(settings: &Settings) -> Vec<Line> {
    if settings.email.relay.is_none() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for (key, domain) in [
        ("email.bounce_domain", &settings.email.bounce_domain),
        ("email.message_domain", &settings.email.message_domain),
    ] {
        lines.push(if domain.ends_with("localhost") {
            Line::Bad(format!(
                "{key}: {domain} is not yours; set it to a domain of your own"
            ))
        } else {
            Line::Good(format!("{key}: {domain}"))
        });
    }
    lines.push(notices(settings));
    if settings.email.dkim.is_empty() {
        lines.push(Line::Bad(
            "DKIM: no signature; large providers refuse unsigned bulk mail; add [[email.dkim]]"
                .to_owned(),
        ));
    }
    lines
}

/// Who confirmations and the sign-up form say that they are from.
fn notices(settings: &Settings) -> Line {
    let notices = &settings.notices;
    if notices.sender_address.ends_with("localhost") {
        Line::Bad(format!(
            "notices.sender_address: {} is not yours; set it to an address of your own",
            notices.sender_address
        ))
    } else if notices.postal_address().is_none() {
        Line::Bad(
            "notices.postal_address: not set; the sign-up form and every confirmation show it"
                .to_owned(),
        )
    } else {
        Line::Good(format!(
            "confirmations: from {} <{}>",
            notices.sender_name, notices.sender_address
        ))
    }
}

fn templates(settings: &Settings) -> Vec<Line> {
    let own = library::folders(&settings.templates_dir)
        .into_iter()
        .map(|folder| (folder.display().to_string(), Template::load(&folder)));
    let embedded = Template::embedded_names()
        .into_iter()
        .map(|name| (format!("{name} (in the binary)"), Template::embedded(&name)));
    own.chain(embedded)
        .map(|(name, template)| match template {
            Ok(template) => written(&name, &template),
            Err(error) => Line::Bad(format!("template: {name}: {error}")),
        })
        .collect()
}

fn written(name: &str, template: &Template) -> Line {
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

/// Those of the library; a base that is not there yet, or is an older one, has none to tell of.
async fn saved_templates(settings: &Settings) -> Vec<Line> {
    let Ok(db) = Db::open(&settings.database_url(), 1).await else {
        return Vec::new();
    };
    if db.require_current_schema().await.is_err() {
        return Vec::new();
    }
    let entries = match library::list(&db, &settings.templates_dir).await {
        Ok(entries) => entries,
        Err(error) => return vec![Line::Bad(format!("templates of the library: {error}"))],
    };
    let mut lines = Vec::new();
    for entry in entries {
        if entry.is_archived || !matches!(entry.origin, Origin::Library { .. }) {
            continue;
        }
        let name = format!("{} (in the library)", entry.name);
        lines.push(
            match library::find(&db, &settings.templates_dir, &entry.name).await {
                Ok(template) => written(&name, &template),
                Err(error) => Line::Bad(format!("template: {name}: {error}")),
            },
        );
    }
    lines
}
