//! `GET /outbox` and `GET /outbox/{number}`: what the sandbox took instead of a relay.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::outbox::{self, Entry, Listing, Message};
use super::{Paging, Visit};
use crate::channels::outbox::OutboxError;
use crate::config::Settings;
use crate::web::{ApiError, State};

/// Messages on a page.
const PAGE: usize = 50;

/// What is looked for.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    q: Option<String>,
}

/// The list, the newest first.
pub(super) async fn list(
    visit: Visit,
    paging: web::Query<Paging>,
    search: web::Query<Search>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let index = paging.index();
    let wanted = search
        .into_inner()
        .q
        .filter(|text| !text.trim().is_empty() && text.len() <= 200);
    let offset = usize::try_from(index).unwrap_or(0).saturating_mul(PAGE);
    let (kept, needle) = (state.outbox.clone(), wanted.clone());
    let (count, mut found) = web::block(move || {
        // One more than is shown tells whether another page follows.
        let found = kept.list(offset, PAGE + 1, needle.as_deref())?;
        Ok::<_, OutboxError>((kept.count()?, found))
    })
    .await
    .map_err(ApiError::internal)?
    .map_err(ApiError::internal)?;
    let has_older = found.len() > PAGE;
    found.truncate(PAGE);
    let words = visit.words();
    let entries = found
        .iter()
        .map(|entry| {
            Entry::new(
                entry.number,
                entry.received_at,
                &entry.recipient,
                &entry.subject,
                entry.bytes,
                words,
            )
        })
        .collect();
    let note = note(&state.settings);
    let listing = Listing::new(
        count,
        note,
        wanted.as_deref(),
        index,
        entries,
        has_older,
        words,
    );
    outbox::list(&visit, &state, &listing)
}

/// What the outbox holds, as the settings are now.
fn note(settings: &Settings) -> &'static str {
    let has_relay = settings.email.relay.is_some() || !settings.email.relays.is_empty();
    match (has_relay, !settings.sms.providers.is_empty()) {
        (false, false) => "The sandbox keeps every message here; nothing left this machine.",
        (true, false) => {
            "Only what the sandbox took is here: text messages have no provider. Email leaves by a relay."
        }
        (false, true) => {
            "Only what the sandbox took is here: email has no relay. Text messages leave by a provider."
        }
        (true, true) => {
            "Only what the sandbox took is here. Email leaves by a relay, text messages by a provider."
        }
    }
}

/// One message.
pub(super) async fn message(
    visit: Visit,
    number: web::Path<u64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let number = number.into_inner();
    let kept = state.outbox.clone();
    let found = web::block(move || {
        let count = kept.count()?;
        let raw = kept.read(number)?;
        let back = usize::try_from(count.saturating_sub(number)).unwrap_or(usize::MAX);
        let entry = kept.list(back, 1, None)?.pop();
        Ok::<_, OutboxError>(raw.map(|raw| (raw, entry, count)))
    })
    .await
    .map_err(ApiError::internal)?
    .map_err(ApiError::internal)?;
    let (raw, entry, count) = found.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND))?;
    let received_at = entry.map_or(0, |entry| entry.received_at);
    let newer = (number < count).then_some(number + 1);
    let older = (number > 1).then_some(number - 1);
    outbox::message(
        &visit,
        &state,
        &Message::read(&raw, received_at, newer, older, visit.words()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nothing_left_is_said_only_where_nothing_can() {
        const RELAY: &str = "[email.relay]\nhost = \"127.0.0.1\"\nport = 25\ntls = \"none\"\n";
        const PROVIDER: &str =
            "[sms.providers.main.http]\nurl = \"https://sms.example/send\"\nbody = \"{}\"\n";
        let said = |parts: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("visavis.toml");
            std::fs::write(&file, parts.concat()).unwrap();
            note(&Settings::load_from(Some(&file), std::collections::HashMap::new()).unwrap())
        };
        assert!(said(&[]).contains("nothing left this machine"));
        for (parts, expected) in [
            (vec![RELAY], "Email leaves by a relay"),
            (vec![PROVIDER], "Text messages leave by a provider"),
            (
                vec![RELAY, PROVIDER],
                "Email leaves by a relay, text messages by a provider",
            ),
        ] {
            let said = said(&parts);
            assert!(
                said.contains(expected) && !said.contains("nothing left"),
                "{said}"
            );
        }
    }
}
