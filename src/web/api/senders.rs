//! `/api/v1/senders`: the domains our mail is from, what must stand in DNS for each, and whether it does.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{answer, faults};
use crate::campaigns::senders::{self, Use};
use crate::channels::email::dns::{self, Dns, Found, Record, Sender, Standing};
use crate::web::{ApiError, State};

/// A domain our mail is from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SenderDomain)]
pub(super) struct SenderView {
    #[schema(example = "news.example.com")]
    domain: String,
    /// The campaigns that send from it, by name.
    campaigns: Vec<String>,
    /// Confirmations and summaries are sent from it.
    is_of_notices: bool,
    /// Whether a signature of ours (DKIM) counts for it.
    is_signed: bool,
    /// Whether the return path is of the same domain.
    is_return_path_own: bool,
    /// What belongs into DNS.
    records: Vec<DnsRecord>,
}

/// A record to publish.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DnsRecord {
    /// `DKIM`, `SPF`, `MX` (of the return path) or `DMARC`.
    #[schema(value_type = String, example = "DKIM")]
    purpose: &'static str,
    /// `TXT` or `MX`.
    #[schema(value_type = String, example = "TXT")]
    kind: &'static str,
    #[schema(example = "v1._domainkey.news.example.com")]
    name: String,
    value: String,
    /// What the name servers say: `right`, `missing`, `different` or `unknown`; null where nobody asked them.
    #[schema(value_type = Option<String>, example = "right")]
    standing: Option<&'static str>,
    /// What is wrong and what to do, in words.
    problem: Option<String>,
    /// What is published.
    found: Vec<String>,
    /// Where it was found, when that is above the name (DMARC of a parent domain).
    found_at: Option<String>,
}

impl From<&Record> for DnsRecord {
    fn from(one: &Record) -> Self {
        Self {
            purpose: one.purpose.title(),
            kind: one.kind.as_str(),
            name: one.name.clone(),
            value: one.value.clone(),
            standing: None,
            problem: None,
            found: Vec::new(),
            found_at: None,
        }
    }
}

impl From<Found> for DnsRecord {
    fn from(found: Found) -> Self {
        let (standing, problem) = match found.standing {
            Standing::Right => ("right", None),
            Standing::Missing => ("missing", None),
            Standing::Different(how) => ("different", Some(how.in_words().to_owned())),
            Standing::CannotTell(cause) => ("unknown", Some(cause)),
        };
        Self {
            standing: Some(standing),
            problem,
            found: found.values,
            found_at: found.at,
            ..Self::from(&found.record)
        }
    }
}

impl SenderView {
    fn new(sender: &Sender, found: Use, records: Vec<DnsRecord>) -> Self {
        Self {
            domain: sender.domain.clone(),
            campaigns: found.campaigns,
            is_of_notices: found.is_of_notices,
            is_signed: sender.is_signed,
            is_return_path_own: sender.is_return_path_own,
            records,
        }
    }
}

/// All domains of senders.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Senders {
    /// By domain.
    senders: Vec<SenderView>,
}

async fn domains(state: &State) -> Result<BTreeMap<String, Use>, ApiError> {
    senders::domains(&state.db, &state.settings)
        .await
        .map_err(ApiError::unavailable)
}

fn published(state: &State, domain: &str) -> Result<Sender, ApiError> {
    // The keys could be read when the server started; one that is damaged since is told.
    dns::sender(&state.settings, domain).map_err(faults::conflict)
}

/// Only those that are ours: nobody makes us ask for others.
async fn known(state: &State, domain: &str) -> Result<(Sender, Use), ApiError> {
    let found = domains(state).await?.remove(domain);
    let found = found.ok_or_else(|| faults::nobody("sender"))?;
    Ok((published(state, domain)?, found))
}

/// Lists the domains that settings and campaigns send from, with the records that belong into DNS.
#[utoipa::path(
    get, path = "/api/v1/senders", operation_id = "listSenders", tag = "Settings",
    responses(
        (status = 200, description = "All domains", body = Senders),
        (status = 409, description = "A key of the settings cannot be read", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let mut all = Vec::new();
    for (domain, found) in domains(&state).await? {
        let sender = published(&state, &domain)?;
        let records = sender.records.iter().map(DnsRecord::from).collect();
        all.push(SenderView::new(&sender, found, records));
    }
    answer(StatusCode::OK, &Senders { senders: all })
}

/// Shows one domain, with the records that belong into DNS.
#[utoipa::path(
    get, path = "/api/v1/senders/{domain}", operation_id = "getSender", tag = "Settings",
    params(("domain" = String, Path, description = "A domain of the list", example = "news.example.com")),
    responses(
        (status = 200, description = "The domain", body = SenderView),
        (status = 409, description = "A key of the settings cannot be read", body = super::problem::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn one(
    domain: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (sender, found) = known(&state, &domain).await?;
    let records = sender.records.iter().map(DnsRecord::from).collect();
    answer(StatusCode::OK, &SenderView::new(&sender, found, records))
}

/// Asks the name servers how the records of a domain stand.
#[utoipa::path(
    post, path = "/api/v1/senders/{domain}/check", operation_id = "checkSender", tag = "Settings",
    params(("domain" = String, Path, description = "A domain of the list", example = "news.example.com")),
    responses((status = 200, description = "The domain, each record with what was found", body = SenderView)),
)]
pub(super) async fn check(
    domain: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let (sender, found) = known(&state, &domain).await?;
    let asked = Dns::new(state.settings.email.name_server).map_err(faults::conflict)?;
    let records = dns::look(&asked, &sender).await;
    let records = records.into_iter().map(DnsRecord::from).collect();
    answer(StatusCode::OK, &SenderView::new(&sender, found, records))
}
