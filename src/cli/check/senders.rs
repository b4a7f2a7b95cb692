//! What `visavis check --dns` says of the records of senders.

use super::Line;
use crate::campaigns::senders;
use crate::channels::email::dns::{self, Difference, Dns, Found, Standing};
use crate::config::Settings;
use crate::storage::Db;

/// How the records of each domain stand: those of the settings, and of the campaigns where the database can be read.
pub(super) async fn lines(settings: &Settings) -> Vec<Line> {
    let domains = match Db::open(&settings.database_url(), 1).await {
        Ok(db) => {
            let found = senders::domains(&db, settings).await;
            db.close().await;
            found.unwrap_or_else(|_| senders::of_settings(settings))
        }
        Err(_) => senders::of_settings(settings),
    };
    let asked = match Dns::new(settings.email.name_server) {
        Ok(asked) => asked,
        Err(error) => return vec![Line::Bad(format!("dns: {error}"))],
    };
    let mut lines = Vec::new();
    for domain in domains
        .keys()
        .filter(|domain| !domain.ends_with("localhost"))
    {
        let sender = match dns::sender(settings, domain) {
            Ok(sender) => sender,
            Err(error) => {
                lines.push(Line::Bad(format!("dns {domain}: {error}")));
                continue;
            }
        };
        if !sender.is_signed {
            lines.push(Line::Bad(format!(
                "dns {domain}: no signature of yours counts for it; add [[email.dkim]] with this domain"
            )));
        }
        lines.extend(dns::look(&asked, &sender).await.iter().map(line));
    }
    lines
}

fn line(found: &Found) -> Line {
    let record = &found.record;
    let what = format!(
        "dns {}: {} {}",
        record.name,
        record.purpose.title(),
        record.kind.as_str()
    );
    match &found.standing {
        Standing::Right => Line::Good(what),
        Standing::Missing => Line::Bad(format!("{what} is missing; publish: {}", record.value)),
        Standing::Different(how @ Difference::NotNamed) => Line::Note(format!(
            "{what}: {}; ours is: {}",
            how.in_words(),
            record.value
        )),
        Standing::Different(how) => Line::Bad(format!(
            "{what}: {}; ours is: {}",
            how.in_words(),
            record.value
        )),
        Standing::CannotTell(cause) => Line::Note(format!("{what}: cannot be told: {cause}")),
    }
}
