//! `/settings/senders`: the domains our mail is from, and what must stand in DNS for each.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use crate::campaigns::senders::{self, Use};
use crate::channels::email::dns::{self, Dns, Found, Purpose, Record, Sender, Standing};
use crate::web::console::{Visit, path_segment};
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    senders: Vec<Line>,
    is_sandbox: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    domain: String,
    path: String,
    /// With its noun; empty for none.
    campaigns: String,
    is_of_notices: bool,
    is_signed: bool,
    relay: String,
}

/// The domains.
pub(super) async fn list(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let settings = &state.settings;
    let words = visit.words();
    let domains = senders::domains(&state.db, settings)
        .await
        .map_err(ApiError::unavailable)?;
    let mut lines = Vec::with_capacity(domains.len());
    for (domain, found) in domains {
        let sender = published(&state, &domain)?;
        lines.push(Line {
            path: path_segment(&domain),
            campaigns: match found.campaigns.len() {
                0 => String::new(),
                n => words.counted(
                    u64::try_from(n).unwrap_or(u64::MAX),
                    "{n} campaign",
                    "{n} campaigns",
                ),
            },
            is_of_notices: found.is_of_notices,
            is_signed: sender.is_signed,
            relay: settings
                .email
                .route(None, &domain)
                .unwrap_or_default()
                .to_owned(),
            domain,
        });
    }
    let view = View {
        title: words.t("Senders"),
        section: "settings",
        tab: "senders",
        senders: lines,
        is_sandbox: settings.email.relay.is_none(),
    };
    visit.answer(&state, "settings_senders", &view)
}

fn published(state: &State, domain: &str) -> Result<Sender, ApiError> {
    // The keys could be read when the server started; one that is damaged since is told.
    dns::sender(&state.settings, domain)
        .map_err(|error| ApiError::new(StatusCode::CONFLICT).with_detail(error.to_string()))
}

#[derive(Debug, Deserialize)]
pub(super) struct Look {
    /// Given: the records are looked up.
    look: Option<String>,
}

#[derive(Debug, Serialize)]
struct OneView<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    script: &'static str,
    path: String,
    campaigns: &'a [String],
    is_of_notices: bool,
    is_signed: bool,
    is_return_path_own: bool,
    bounce_domain: &'a str,
    is_looked_up: bool,
    is_all_right: bool,
    /// Why nothing could be looked up.
    fault: Option<String>,
    records: Vec<RecordView<'a>>,
}

#[derive(Debug, Serialize)]
struct RecordView<'a> {
    kind: &'static str,
    what: &'static str,
    why: &'a str,
    name: String,
    value: String,
    /// `right`, `missing`, `different`, `unknown`, or nothing before the look.
    standing: &'static str,
    said: String,
    found: Vec<String>,
    at: Option<String>,
}

impl<'a> RecordView<'a> {
    fn of(record: &Record, words: &'a Words) -> Self {
        Self {
            kind: record.kind.as_str(),
            what: record.purpose.title(),
            why: why(record.purpose, words),
            name: record.name.clone(),
            value: record.value.clone(),
            standing: "",
            said: String::new(),
            found: Vec::new(),
            at: None,
        }
    }

    fn looked(found: Found, words: &'a Words) -> Self {
        let (standing, said) = match &found.standing {
            Standing::Right => ("right", words.t("right").to_owned()),
            Standing::Missing => ("missing", words.t("missing").to_owned()),
            Standing::Different(how) => ("different", words.t(how.in_words()).to_owned()),
            Standing::CannotTell(cause) => (
                "unknown",
                words.fill("cannot be told: {cause}", &[("cause", cause.as_str())]),
            ),
        };
        Self {
            standing,
            said,
            found: found.values,
            at: found.at,
            ..Self::of(&found.record, words)
        }
    }
}

fn why(purpose: Purpose, words: &Words) -> &str {
    match purpose {
        Purpose::Dkim => words.t("proves that the mail is yours and unchanged"),
        Purpose::Spf => words.t("says who may send with the return path"),
        Purpose::ReturnPath => {
            words.t("lets bounces arrive, at the mail server that hands them over to visavis")
        }
        Purpose::Dmarc => words.t("tells receivers what to do with mail that proves nothing"),
    }
}

/// One domain; with `?look=1` also how its records stand.
pub(super) async fn page(
    visit: Visit,
    domain: web::Path<String>,
    look: web::Query<Look>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    // Only those that are ours: nobody makes us ask for others.
    let domains = senders::domains(&state.db, &state.settings)
        .await
        .map_err(ApiError::unavailable)?;
    let Some((domain, found)) = domains.get_key_value(domain.as_str()) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND));
    };
    let sender = published(&state, domain)?;
    let (records, fault) = match look.look {
        None => (None, None),
        Some(_) => match Dns::new(state.settings.email.name_server) {
            Ok(asked) => (Some(dns::look(&asked, &sender).await), None),
            Err(error) => (None, Some(error.to_string())),
        },
    };
    let is_looked_up = records.is_some();
    let records: Vec<RecordView<'_>> = match records {
        Some(found) => found
            .into_iter()
            .map(|found| RecordView::looked(found, words))
            .collect(),
        None => sender
            .records
            .iter()
            .map(|record| RecordView::of(record, words))
            .collect(),
    };
    let view = one_view(domain, found, &sender, &state, records, fault, is_looked_up);
    visit.answer(&state, "settings_sender", &view)
}

fn one_view<'a>(
    domain: &'a str,
    found: &'a Use,
    sender: &Sender,
    state: &'a State,
    records: Vec<RecordView<'a>>,
    fault: Option<String>,
    is_looked_up: bool,
) -> OneView<'a> {
    OneView {
        title: domain,
        section: "settings",
        tab: "senders",
        script: super::SCRIPT,
        path: path_segment(domain),
        campaigns: &found.campaigns,
        is_of_notices: found.is_of_notices,
        is_signed: sender.is_signed,
        is_return_path_own: sender.is_return_path_own,
        bounce_domain: &state.settings.email.bounce_domain,
        is_looked_up,
        is_all_right: sender.is_signed && records.iter().all(|record| record.standing == "right"),
        fault,
        records,
    }
}
