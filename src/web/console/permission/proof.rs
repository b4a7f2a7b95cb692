//! The proof of one person's permission as a page.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::consent::bases::GROUNDS;
use crate::consent::proof::{self, Entry, Piece, Proof, ProofError, Standing};
use crate::consent::store::{COMPLAINT, OPT_OUT};
use crate::customers::model::Customer;
use crate::customers::store as customers;
use crate::ids::CustomerId;
use crate::statistics::Sentence;
use crate::web::console::{Visit, spoken};
use crate::web::public::words::Language;
use crate::web::words::Words;
use crate::web::words::said::capital;
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
    visit.answer(
        &state,
        "proof",
        &view(&proof, person.as_ref(), visit.words()),
    )
}

/// The proof as a page of its own, for a file, in English.
///
/// # Errors
/// When the page does not compile: a defect of this program.
pub fn html(proof: &Proof, person: Option<&Customer>) -> Result<String, String> {
    let pages = Pages::new("", chrono_tz::UTC).map_err(|error| error.to_string())?;
    let view = view(proof, person, pages.words(Language::English));
    pages
        .page(Language::English, "proof", &view)
        .map_err(|error| error.cause().unwrap_or_default().to_owned())
}

impl From<ProofError> for ApiError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Nothing(id) => Self::new(StatusCode::NOT_FOUND).with_detail(
                Sentence::new(
                    "nothing is on record of customer {id}, neither now nor before an erasure",
                )
                .named("id", id),
            ),
            ProofError::Database(_) => Self::unavailable(error),
            ProofError::Settings(_) => Self::internal(error),
        }
    }
}

#[derive(Debug, Serialize)]
struct ProofView {
    language: &'static str,
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

fn view(proof: &Proof, person: Option<&Customer>, words: &Words) -> ProofView {
    let summary = proof
        .permissions
        .iter()
        .enumerate()
        .map(|(n, entry)| summary(n + 1, entry, words))
        .collect();
    let sections = proof
        .permissions
        .iter()
        .enumerate()
        .map(|(n, entry)| section(n + 1, entry, words))
        .collect();
    let gone = (!proof.is_known).then(|| match &proof.erased_at {
        Some(at) => words.fill(
            "This person was erased on {at}. What stays is what proves that earlier contacts were lawful, and what keeps them from being contacted again.",
            &[("at", spoken(at))],
        ),
        None => words.t("This person is not in the base.").to_owned(),
    });
    ProofView {
        language: words.language().code(),
        title: words.fill(
            "Proof of permission, customer {n}",
            &[("n", proof.customer.to_string())],
        ),
        controller: format!(
            "{}, {}",
            proof.controller.name, proof.controller.postal_address
        ),
        customer: proof.customer.0,
        made: spoken(&proof.made_at),
        person: person.map(|person| who(person, words)).unwrap_or_default(),
        gone,
        summary,
        sections,
        suppressions: proof
            .suppressions
            .iter()
            .map(|one| SuppressionRow {
                channel: channel(&one.channel, words).to_owned(),
                scope: topic(&one.scope, words),
                reason: reason(&one.reason, words),
                since: spoken(&one.since),
                fingerprint: one.fingerprint.clone(),
            })
            .collect(),
        audit: proof
            .audit
            .iter()
            .map(|record| AuditRow {
                at: spoken(&record.at),
                what: words
                    .t(&capital(&record.action.replace('_', " ")))
                    .to_owned(),
                actor: record.actor.clone(),
                details: details_in_words(&record.details),
            })
            .collect(),
    }
}

fn who(person: &Customer, words: &Words) -> Vec<Fact> {
    let name = [&person.first_name, &person.last_name]
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    [
        (words.t("Name"), Some(name).filter(|name| !name.is_empty())),
        (words.t("Company"), person.company.clone()),
        (words.t("Email"), person.email.clone()),
        (words.t("Telephone"), person.phone.clone()),
        (words.t("Your number"), person.external_id.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(fact(name, value?)))
    .collect()
}

fn summary(anchor: usize, entry: &Entry, words: &Words) -> SummaryRow {
    let current = entry.current.as_ref();
    let until = current.and_then(|current| {
        let ends = [
            current.expires_at.as_deref(),
            current.basis_ends_at.as_deref(),
        ];
        ends.into_iter().flatten().min()
    });
    SummaryRow {
        what: what(entry, words),
        anchor,
        state: match current.map(|current| current.state) {
            Some(Standing::Allowed) => words.t("allowed"),
            Some(Standing::Blocked) => words.t("address blocked"),
            Some(Standing::Ended) => words.t("has ended"),
            Some(Standing::Refused) => words.t("refused"),
            None => words.t("no longer held"),
        },
        since: match current {
            Some(current) => match &current.blocked_by {
                Some(block) => words.fill(
                    "{reason}, since {day}",
                    &[
                        ("reason", reason(&block.reason, words).as_str()),
                        ("day", day(&block.since)),
                    ],
                ),
                None if current.state == Standing::Ended => current
                    .basis_ends_at
                    .iter()
                    .chain(&current.expires_at)
                    .min()
                    .map_or_else(
                        || words.fill("since {day}", &[("day", day(&current.since))]),
                        |end| words.fill("on {day}", &[("day", day(end))]),
                    ),
                None => words.fill("since {day}", &[("day", day(&current.since))]),
            },
            None => String::new(),
        },
        is_allowed: current.is_some_and(|current| current.state == Standing::Allowed),
        basis: current
            .and_then(|current| current.ground)
            .map_or_else(|| "–".to_owned(), |ground| words.t(ground.title).to_owned()),
        level: current.filter(|current| current.is_granted).map_or_else(
            || "–".to_owned(),
            |current| {
                if current.level_today == current.level_granted {
                    words.t(current.level_today.title()).to_owned()
                } else {
                    words.fill(
                        "{today} (granted: {granted})",
                        &[
                            ("today", words.t(current.level_today.title())),
                            ("granted", words.t(current.level_granted.title())),
                        ],
                    )
                }
            },
        ),
        until: until.map_or_else(|| "–".to_owned(), |end| day(end).to_owned()),
        sent: words.number(entry.contacts.count),
    }
}

fn section(anchor: usize, entry: &Entry, words: &Words) -> SectionView {
    let mut rests = Vec::new();
    if let Some(current) = &entry.current {
        if let Some(ground) = current.ground {
            rests.push(fact(
                words.t("Legal basis"),
                format!("{} – {}", words.t(ground.title), ground.law),
            ));
            rests.push(fact(words.t("Rests on"), words.t(ground.rests_on)));
        }
        if let Some(end) = &current.expires_at {
            rests.push(fact(words.t("Ends by itself"), spoken(end)));
        }
        if let Some(end) = &current.basis_ends_at {
            rests.push(fact(
                words.t("Basis ends"),
                words.fill("{day}, unless the person acts before", &[("day", day(end))]),
            ));
        }
    }
    let sent = &entry.contacts;
    rests.push(fact(
        words.t("Messages"),
        match (sent.count, &sent.first_at, &sent.last_at) {
            (0, _, _) => words.t("none handed over").to_owned(),
            (n, Some(first), Some(last)) => words.fill(
                "{n} handed over, first {first}, last {last}",
                &[
                    ("n", words.number(n)),
                    ("first", spoken(first)),
                    ("last", spoken(last)),
                ],
            ),
            (n, _, _) => words.fill("{n} handed over", &[("n", words.number(n))]),
        },
    ));
    let deciding = entry.current.as_ref().map(|current| current.evidence);
    SectionView {
        anchor,
        what: what(entry, words),
        rests,
        pieces: entry
            .evidence
            .iter()
            .map(|piece| piece_view(piece, deciding, words))
            .collect(),
    }
}

fn piece_view(piece: &Piece, deciding: Option<i64>, words: &Words) -> PieceView {
    let mut facts = vec![fact(words.t("Source"), source(&piece.source, words))];
    if let Some(basis) = &piece.basis {
        let ground = GROUNDS.iter().find(|ground| ground.basis.as_str() == basis);
        facts.push(fact(
            words.t("Basis"),
            ground.map_or(basis.as_str(), |ground| words.t(ground.title)),
        ));
    }
    if let Some(level) = piece.level {
        let level = crate::consent::ladder::Level::from_code(level);
        facts.push(fact(words.t("Level"), words.t(level.title())));
    }
    if let Some(end) = &piece.expires_at {
        facts.push(fact(words.t("Ends"), spoken(end)));
    }
    if let Some(details) = &piece.details {
        let given = [
            (words.t("IP address"), &details.ip),
            (words.t("Browser"), &details.user_agent),
            (words.t("Page"), &details.page_url),
        ];
        for (name, value) in given {
            facts.extend(value.as_ref().map(|value| fact(name, value.clone())));
        }
    }
    if piece.are_details_erased {
        facts.push(fact(
            words.t("IP address, browser, page"),
            words.t("erased"),
        ));
    }
    if let Some(confirmation) = &piece.confirmation {
        let times = [
            ("asked {at}", &confirmation.requested_at),
            ("sent {at}", &confirmation.sent_at),
            ("confirmed {at}", &confirmation.confirmed_at),
        ];
        let times: Vec<String> = times
            .iter()
            .filter_map(|(word, at)| Some(words.fill(word, &[("at", second(at.as_ref()?))])))
            .collect();
        facts.push(fact(
            words.t("Double opt-in"),
            if times.is_empty() {
                words.fill(
                    "no. {id}; its times were deleted",
                    &[("id", confirmation.id.to_string())],
                )
            } else {
                times.join(", ")
            },
        ));
    }
    if let Some(actor) = &piece.recorded_by {
        facts.push(fact(
            words.t("Recorded"),
            words.fill(
                "{at} by {actor}",
                &[("at", spoken(&piece.recorded_at)), ("actor", actor.clone())],
            ),
        ));
    } else {
        facts.push(fact(words.t("Recorded"), spoken(&piece.recorded_at)));
    }
    if let Some(fingerprint) = &piece.address_fingerprint {
        facts.push(code(words.t("Address (fingerprint)"), fingerprint.clone()));
    }
    facts.extend(
        piece
            .link
            .as_ref()
            .map(|link| code(words.t("Seal"), link.clone())),
    );
    PieceView {
        id: piece.id,
        action: match piece.action.as_str() {
            "grant" => words.t("Yes"),
            "withdraw" => words.t("No"),
            _ => words.t("Ended"),
        },
        is_no: piece.action != "grant",
        is_deciding: deciding == Some(piece.id),
        when: second(&piece.occurred_at),
        wording: piece.wording.clone(),
        language: piece.language.clone(),
        facts,
        position: piece.position.map_or_else(
            || words.t("waits to be sealed").to_owned(),
            |n| n.to_string(),
        ),
    }
}

fn what(entry: &Entry, words: &Words) -> String {
    format!(
        "{}, {}",
        channel(&entry.channel, words),
        topic(&entry.topic, words)
    )
}

fn channel<'a>(word: &'a str, words: &Words) -> &'a str {
    match word {
        "email" => words.t("Email"),
        "sms" => "SMS",
        other => other,
    }
}

fn topic(word: &str, words: &Words) -> String {
    match word {
        "*" => words.t("every topic").to_owned(),
        topic => words.fill("topic “{topic}”", &[("topic", topic)]),
    }
}

/// Why an address is suppressed: a word of ours, or of whoever brought the list.
fn reason(word: &str, words: &Words) -> String {
    match word {
        OPT_OUT => words.t("opt out").to_owned(),
        COMPLAINT => words.t("complaint").to_owned(),
        other => other.replace('_', " "),
    }
}

/// Where it was said, in words where it is one of our own links.
fn source<'a>(word: &'a str, words: &Words) -> &'a str {
    match word {
        "rfc8058_post" => words.t("one click on “unsubscribe” in the mail program (RFC 8058)"),
        "unsubscribe_page" => words.t("the button of our unsubscribe page"),
        "unsubscribe_link" => words.t("the unsubscribe link of a message"),
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
