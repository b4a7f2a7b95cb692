//! The proof of one person's permission as a page.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::capital;
use crate::consent::bases::GROUNDS;
use crate::consent::proof::{self, Entry, Piece, Proof, ProofError, Standing};
use crate::customers::model::Customer;
use crate::customers::store as customers;
use crate::ids::CustomerId;
use crate::reports::table::thousands;
use crate::web::console::{Visit, spoken};
use crate::web::public::words::Language;
use crate::web::{ApiError, Pages, State};

/// The proof.
pub(in crate::web::console) async fn proof(
    visit: Visit,
    customer: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(customer.into_inner());
    let now_ms = state.clock.now_ms();
    let proof = proof::of_customer(&state.db, &state.settings, id, now_ms).await?;
    let person = customers::get(&*state.db, state.db.dialect(), id)
        .await
        .map_err(ApiError::unavailable)?;
    visit.answer(&state, "proof", &view(&proof, person.as_ref()))
}

/// The proof as a page of its own, for a file.
///
/// # Errors
/// When the page does not compile: a defect of this program.
pub fn html(proof: &Proof, person: Option<&Customer>) -> Result<String, String> {
    let pages = Pages::new("", chrono_tz::UTC).map_err(|error| error.to_string())?;
    pages
        .page(Language::English, "proof", &view(proof, person))
        .map_err(|error| error.cause().unwrap_or_default().to_owned())
}

impl From<ProofError> for ApiError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Nothing(_) => {
                Self::new(StatusCode::NOT_FOUND).with_detail(error.to_string())
            }
            ProofError::Database(_) => Self::unavailable(error),
            ProofError::Settings(_) => Self::internal(error),
        }
    }
}

#[derive(Debug, Serialize)]
struct ProofView {
    title: String,
    controller: String,
    customer: i64,
    made: String,
    /// Name, address and number as the base has them.
    person: Vec<Fact>,
    gone: Option<String>,
    summary: Vec<SummaryRow>,
    sections: Vec<SectionView>,
    suppressions: Vec<SuppressionRow>,
    audit: Vec<AuditRow>,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    value: String,
    /// Digits nobody reads, only compares.
    is_code: bool,
}

fn fact(name: &'static str, value: impl Into<String>) -> Fact {
    Fact {
        name,
        value: value.into(),
        is_code: false,
    }
}

fn code(name: &'static str, value: impl Into<String>) -> Fact {
    Fact {
        is_code: true,
        ..fact(name, value)
    }
}

#[derive(Debug, Serialize)]
struct SummaryRow {
    what: String,
    anchor: usize,
    state: &'static str,
    since: String,
    is_allowed: bool,
    basis: String,
    level: String,
    until: String,
    sent: String,
}

#[derive(Debug, Serialize)]
struct SectionView {
    anchor: usize,
    what: String,
    rests: Vec<Fact>,
    pieces: Vec<PieceView>,
}

#[derive(Debug, Serialize)]
struct PieceView {
    id: i64,
    action: &'static str,
    is_no: bool,
    is_deciding: bool,
    when: String,
    wording: Option<String>,
    language: Option<String>,
    facts: Vec<Fact>,
    position: String,
}

#[derive(Debug, Serialize)]
struct SuppressionRow {
    channel: String,
    scope: String,
    reason: String,
    since: String,
    fingerprint: String,
}

#[derive(Debug, Serialize)]
struct AuditRow {
    at: String,
    what: String,
    actor: String,
    details: String,
}

fn view(proof: &Proof, person: Option<&Customer>) -> ProofView {
    let summary = proof
        .permissions
        .iter()
        .enumerate()
        .map(|(n, entry)| summary(n + 1, entry))
        .collect();
    let sections = proof
        .permissions
        .iter()
        .enumerate()
        .map(|(n, entry)| section(n + 1, entry))
        .collect();
    let gone = (!proof.is_known).then(|| match &proof.erased_at {
        Some(at) => format!(
            "This person was erased on {}. What stays is what proves that earlier contacts were lawful, and what keeps them from being contacted again.",
            spoken(at)
        ),
        None => "This person is not in the base.".to_owned(),
    });
    ProofView {
        title: format!("Proof of permission, customer {}", proof.customer),
        controller: format!(
            "{}, {}",
            proof.controller.name, proof.controller.postal_address
        ),
        customer: proof.customer.0,
        made: spoken(&proof.made_at),
        person: person.map(who).unwrap_or_default(),
        gone,
        summary,
        sections,
        suppressions: proof
            .suppressions
            .iter()
            .map(|one| SuppressionRow {
                channel: channel(&one.channel).to_owned(),
                scope: topic(&one.scope),
                reason: one.reason.replace('_', " "),
                since: spoken(&one.since),
                fingerprint: one.fingerprint.clone(),
            })
            .collect(),
        audit: proof
            .audit
            .iter()
            .map(|record| AuditRow {
                at: spoken(&record.at),
                what: capital(&record.action.replace('_', " ")),
                actor: record.actor.clone(),
                details: details_in_words(&record.details),
            })
            .collect(),
    }
}

fn who(person: &Customer) -> Vec<Fact> {
    let name = [&person.first_name, &person.last_name]
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    [
        ("Name", Some(name).filter(|name| !name.is_empty())),
        ("Company", person.company.clone()),
        ("Email", person.email.clone()),
        ("Telephone", person.phone.clone()),
        ("Your number", person.external_id.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(fact(name, value?)))
    .collect()
}

fn summary(anchor: usize, entry: &Entry) -> SummaryRow {
    let current = entry.current.as_ref();
    let until = current.and_then(|current| {
        let ends = [
            current.expires_at.as_deref(),
            current.basis_ends_at.as_deref(),
        ];
        ends.into_iter().flatten().min()
    });
    SummaryRow {
        what: what(entry),
        anchor,
        state: match current.map(|current| current.state) {
            Some(Standing::Allowed) => "allowed",
            Some(Standing::Blocked) => "blocked",
            Some(Standing::Ended) => "ended",
            Some(Standing::Refused) => "refused",
            None => "no longer held",
        },
        since: match current {
            Some(current) => match &current.blocked_by {
                Some(block) => format!(
                    "{}, since {}",
                    block.reason.replace('_', " "),
                    day(&block.since)
                ),
                None if current.state == Standing::Ended => current
                    .basis_ends_at
                    .iter()
                    .chain(&current.expires_at)
                    .min()
                    .map_or_else(
                        || format!("since {}", day(&current.since)),
                        |end| format!("on {}", day(end)),
                    ),
                None => format!("since {}", day(&current.since)),
            },
            None => String::new(),
        },
        is_allowed: current.is_some_and(|current| current.state == Standing::Allowed),
        basis: current
            .and_then(|current| current.ground)
            .map_or_else(|| "–".to_owned(), |ground| ground.title.to_owned()),
        level: current.filter(|current| current.is_granted).map_or_else(
            || "–".to_owned(),
            |current| {
                if current.level_today == current.level_granted {
                    current.level_today.title().to_owned()
                } else {
                    format!(
                        "{} (granted: {})",
                        current.level_today.title(),
                        current.level_granted.title()
                    )
                }
            },
        ),
        until: until.map_or_else(|| "–".to_owned(), |end| day(end).to_owned()),
        sent: match entry.contacts.count {
            0 => "none".to_owned(),
            n => thousands(n),
        },
    }
}

fn section(anchor: usize, entry: &Entry) -> SectionView {
    let mut rests = Vec::new();
    if let Some(current) = &entry.current {
        if let Some(ground) = current.ground {
            rests.push(fact(
                "Legal basis",
                format!("{} – {}", ground.title, ground.law),
            ));
            rests.push(fact("Rests on", ground.rests_on));
        }
        if let Some(end) = &current.expires_at {
            rests.push(fact("Ends by itself", spoken(end)));
        }
        if let Some(end) = &current.basis_ends_at {
            rests.push(fact(
                "Basis ends",
                format!("{}, unless the person acts before", day(end)),
            ));
        }
    }
    let sent = &entry.contacts;
    rests.push(fact(
        "Messages",
        match (sent.count, &sent.first_at, &sent.last_at) {
            (0, _, _) => "none handed over".to_owned(),
            (n, Some(first), Some(last)) => format!(
                "{} handed over, first {}, last {}",
                thousands(n),
                spoken(first),
                spoken(last)
            ),
            (n, _, _) => format!("{} handed over", thousands(n)),
        },
    ));
    let deciding = entry.current.as_ref().map(|current| current.evidence);
    SectionView {
        anchor,
        what: what(entry),
        rests,
        pieces: entry
            .evidence
            .iter()
            .map(|piece| piece_view(piece, deciding))
            .collect(),
    }
}

fn piece_view(piece: &Piece, deciding: Option<i64>) -> PieceView {
    let mut facts = vec![fact("Source", source(&piece.source))];
    if let Some(basis) = &piece.basis {
        let ground = GROUNDS.iter().find(|ground| ground.basis.as_str() == basis);
        facts.push(fact(
            "Basis",
            ground.map_or(basis.as_str(), |ground| ground.title),
        ));
    }
    if let Some(level) = piece.level {
        let level = crate::consent::ladder::Level::from_code(level);
        facts.push(fact("Level", level.title()));
    }
    if let Some(end) = &piece.expires_at {
        facts.push(fact("Ends", spoken(end)));
    }
    if let Some(details) = &piece.details {
        let given = [
            ("IP address", &details.ip),
            ("Browser", &details.user_agent),
            ("Page", &details.page_url),
        ];
        for (name, value) in given {
            facts.extend(value.as_ref().map(|value| fact(name, value.clone())));
        }
    }
    if piece.are_details_erased {
        facts.push(fact("IP address, browser, page", "erased"));
    }
    if let Some(confirmation) = &piece.confirmation {
        let times = [
            ("asked", &confirmation.requested_at),
            ("sent", &confirmation.sent_at),
            ("confirmed", &confirmation.confirmed_at),
        ];
        let times: Vec<String> = times
            .iter()
            .filter_map(|(word, at)| Some(format!("{word} {}", second(at.as_ref()?))))
            .collect();
        facts.push(fact(
            "Double opt-in",
            if times.is_empty() {
                format!("no. {}; its times were deleted", confirmation.id)
            } else {
                times.join(", ")
            },
        ));
    }
    if let Some(actor) = &piece.recorded_by {
        facts.push(fact(
            "Recorded",
            format!("{} by {actor}", spoken(&piece.recorded_at)),
        ));
    } else {
        facts.push(fact("Recorded", spoken(&piece.recorded_at)));
    }
    if let Some(fingerprint) = &piece.address_fingerprint {
        facts.push(code("Address (fingerprint)", fingerprint.clone()));
    }
    facts.extend(piece.link.as_ref().map(|link| code("Seal", link.clone())));
    PieceView {
        id: piece.id,
        action: match piece.action.as_str() {
            "grant" => "Yes",
            "withdraw" => "No",
            _ => "Ended",
        },
        is_no: piece.action != "grant",
        is_deciding: deciding == Some(piece.id),
        when: second(&piece.occurred_at),
        wording: piece.wording.clone(),
        language: piece.language.clone(),
        facts,
        position: piece
            .position
            .map_or_else(|| "waits to be sealed".to_owned(), |n| n.to_string()),
    }
}

fn what(entry: &Entry) -> String {
    format!("{}, {}", channel(&entry.channel), topic(&entry.topic))
}

fn channel(word: &str) -> &str {
    match word {
        "email" => "Email",
        "sms" => "SMS",
        other => other,
    }
}

fn topic(word: &str) -> String {
    match word {
        "*" => "every topic".to_owned(),
        topic => format!("topic “{topic}”"),
    }
}

/// Where it was said, in words where it is one of our own links.
fn source(word: &str) -> &str {
    match word {
        "rfc8058_post" => "one click on “unsubscribe” in the mail program (RFC 8058)",
        "unsubscribe_page" => "the button of our unsubscribe page",
        "unsubscribe_link" => "the unsubscribe link of a message",
        other => other,
    }
}

/// `2026-11-22` of an RFC 3339 instant.
fn day(rfc3339: &str) -> &str {
    rfc3339.get(..10).unwrap_or(rfc3339)
}

/// `2026-11-22 13:25:07 UTC` of an RFC 3339 instant.
fn second(rfc3339: &str) -> String {
    let second = rfc3339.get(..19).unwrap_or(rfc3339);
    format!("{} UTC", second.replace('T', " "))
}

/// `rows 3, new 2` of a flat JSON object.
fn details_in_words(details: &serde_json::Value) -> String {
    let Some(object) = details.as_object() else {
        return details.to_string();
    };
    object
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            format!("{} {value}", name.replace('_', " "))
        })
        .collect::<Vec<_>>()
        .join(", ")
}
