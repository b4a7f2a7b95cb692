//! `GET /customers/{id}`: all that is known of a person on one page.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{lives_in, name, nobody, stage_in_words};
use crate::campaigns::store as campaigns;
use crate::clock::DAY_MS;
use crate::consent::model::{Channel, Tracking};
use crate::customers::model::{Customer, EmailState, PhoneState};
use crate::customers::notes::{self, Note};
use crate::customers::value::{Worth, fifth_in_words};
use crate::dialogue::export;
use crate::ids::CustomerId;
use crate::responses::model::MadeBy;
use crate::responses::timeline::{self, Entry, Key};
use crate::segments::Profile;
use crate::segments::store as segments;
use crate::web::console::{Visit, path_segment};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// Entries of the timeline on a page.
const PAGE: i64 = 50;
/// Notes that are shown.
const NOTES: i64 = 100;

/// Which part of the timeline is asked for, and what was just done.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    before: Option<String>,
    done: Option<String>,
}

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    id: i64,
    done: Option<String>,
    stage: String,
    tags: Vec<String>,
    proof: String,
    cards: Vec<Card>,
    profile: Vec<Fact>,
    permissions: Vec<Fact>,
    suppressions: Vec<String>,
    worth: Vec<Fact>,
    is_buyer: bool,
    likes: Vec<Fact>,
    is_tracked: bool,
    campaigns: Vec<String>,
    notes: Vec<NoteLine>,
    /// A note that was not taken, and why.
    draft: String,
    note_fault: Option<String>,
    timeline: Vec<Line>,
    is_paged: bool,
    newest: Option<String>,
    older: Option<String>,
}

#[derive(Debug, Serialize)]
struct Card {
    name: String,
    value: String,
    remark: String,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct NoteLine {
    id: i64,
    text: String,
    author: String,
    written_at: i64,
}

#[derive(Debug, Serialize)]
struct Line {
    what: String,
    remark: Option<String>,
    channel: String,
    campaign: Option<String>,
    path: String,
    /// The page of what was sent.
    message: Option<String>,
    at: i64,
    /// Whether no person did it.
    is_apart: bool,
}

/// A note that was not taken.
#[derive(Debug)]
pub(super) struct Draft {
    pub text: String,
    pub fault: String,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    id: web::Path<i64>,
    place: web::Query<Place>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let view = view(&visit, CustomerId(id.into_inner()), &place, None, &state).await?;
    visit.answer(&state, "customer", &view)
}

/// The page with a note that was not taken.
pub(super) async fn with_draft(
    visit: &Visit,
    id: CustomerId,
    draft: Draft,
    state: &State,
) -> Result<HttpResponse, ApiError> {
    let place = Place {
        before: None,
        done: None,
    };
    let view = view(visit, id, &place, Some(draft), state).await?;
    visit.refuse(state, "customer", &view)
}

async fn view(
    visit: &Visit,
    id: CustomerId,
    place: &Place,
    draft: Option<Draft>,
    state: &State,
) -> Result<View, ApiError> {
    let words = visit.words();
    let now_ms = state.clock.now_ms();
    let profile = segments::profile(&state.db, id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| nobody(id))?;
    export::note_access(&state.db, id, &visit.actor(), now_ms)
        .await
        .map_err(ApiError::unavailable)?;
    let asked = place.before.as_deref().and_then(|text| text.parse().ok());
    let mut entries = timeline::before(&state.db, id, asked.unwrap_or(Key::END), PAGE + 1)
        .await
        .map_err(ApiError::unavailable)?;
    let limit = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let has_older = entries.len() > limit;
    entries.truncate(limit);
    let older = entries
        .last()
        .filter(|_| has_older)
        .map(|last| format!("/customers/{id}?before={}", last.key));
    let newest = asked.map(|_| format!("/customers/{id}"));
    let notes = notes::newest(&state.db, id, None, NOTES)
        .await
        .map_err(ApiError::unavailable)?;
    let campaigns = campaigns::names(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let customer = &profile.customer;
    let (draft, note_fault) = match draft {
        Some(draft) => (draft.text, Some(draft.fault)),
        None => (String::new(), None),
    };
    Ok(View {
        title: name(customer, words),
        section: "customers",
        id: id.0,
        done: place.done.as_deref().and_then(|done| told(done, words)),
        stage: words.t(stage_in_words(customer.stage)).to_owned(),
        tags: profile.tags.clone(),
        proof: format!("/permission/customers/{id}"),
        cards: cards(&profile, words, now_ms),
        profile: facts(customer, words),
        permissions: permissions(&profile, words),
        suppressions: suppressions(&profile, words),
        worth: profile.worth.map(|of| worth(of, words)).unwrap_or_default(),
        is_buyer: customer.orders_count > 0,
        likes: likes(&profile, words, now_ms),
        is_tracked: customer.tracking == Tracking::Full,
        campaigns,
        notes: notes.into_iter().map(NoteLine::from).collect(),
        draft,
        note_fault,
        timeline: entries
            .iter()
            .map(|entry| Line::new(entry, id, words))
            .collect(),
        is_paged: older.is_some() || newest.is_some(),
        newest,
        older,
    })
}

/// What was just done, in words.
fn told(done: &str, words: &Words) -> Option<String> {
    let text = match done {
        "admitted" => words.t("Taken into the base."),
        "rectified" => words.t("Set right."),
        "unchanged" => words.t("Nothing was different."),
        "ended" => words.t("Set right. What was allowed for the former address has ended: record a new yes, or say that the person asked for it."),
        "no" => words.t("The no is recorded and counts from now on."),
        "yes" => words.t("The yes is recorded: this person may be written to."),
        "kept" => words.t("The yes is recorded, but nothing is sent yet: a no that is as new, or a block of the address, stands above it."),
        "noted" => words.t("Written down."),
        "removed" => words.t("The note is gone."),
        _ => return None,
    };
    Some(text.to_owned())
}

impl From<Note> for NoteLine {
    fn from(note: Note) -> Self {
        Self {
            id: note.id.0,
            text: note.text,
            author: note.author,
            written_at: note.written_at,
        }
    }
}

fn cards(profile: &Profile, words: &Words, now_ms: i64) -> Vec<Card> {
    let customer = &profile.customer;
    let last_response = match (customer.last_response_at, customer.last_response.as_deref()) {
        (None, _) => words.t("never").to_owned(),
        (Some(at), None) => words.moment(at),
        (Some(at), Some(kind)) => format!("{}, {}", words.t(word(kind)), words.moment(at)),
    };
    vec![
        Card {
            name: words.t("Engagement").to_owned(),
            value: customer.engagement.points(now_ms).to_string(),
            remark: words.t("points today").to_owned(),
        },
        Card {
            name: words.t("Recency, frequency, money").to_owned(),
            value: profile.worth.map_or_else(|| "–".to_owned(), Worth::code),
            remark: match profile.worth {
                Some(worth) => words.fill(
                    "value class {class}",
                    &[("class", worth.class.to_uppercase())],
                ),
                None => words.t("not known").to_owned(),
            },
        },
        Card {
            name: words.t("Orders").to_owned(),
            value: words.number(customer.orders_count.unsigned_abs()),
            remark: words.fill(
                "{amount} in all",
                &[("amount", words.money(customer.revenue_cents))],
            ),
        },
        Card {
            name: words.t("Last response").to_owned(),
            value: customer.last_response_at.map_or_else(
                || "–".to_owned(),
                |at| match (now_ms - at).max(0) / DAY_MS {
                    0 => words.t("today").to_owned(),
                    days => words.counted(days.unsigned_abs(), "{n} day ago", "{n} days ago"),
                },
            ),
            remark: last_response,
        },
    ]
}

fn facts(customer: &Customer, words: &Words) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| Fact {
            name: name.to_owned(),
            value,
        }));
    };
    add(words.t("Number"), Some(customer.id.to_string()));
    add(words.t("Your key"), customer.external_id.clone());
    add(words.t("Company"), customer.company.clone());
    let email = customer.email.as_ref();
    add(
        words.t("Mail address"),
        email.map(|email| match customer.email_state {
            EmailState::Ok => email.clone(),
            EmailState::Malformed => words.fill("{address} (malformed)", &[("address", email)]),
            EmailState::Refused => {
                words.fill("{address} (refused by its server)", &[("address", email)])
            }
        }),
    );
    let phone = customer.phone.as_ref();
    add(
        words.t("Telephone"),
        phone.map(|phone| match customer.phone_state {
            PhoneState::Ok => phone.clone(),
            PhoneState::Refused => words.fill("{phone} (reaches nobody)", &[("phone", phone)]),
        }),
    );
    add(
        words.t("Born"),
        customer.birth_date.map(|day| words.date(day)),
    );
    add(words.t("Lives in"), Some(lives_in(customer)));
    add(words.t("Language"), Some(customer.language.clone()));
    add(
        words.t("Time zone"),
        customer.zone().map(|zone| zone.name().to_owned()),
    );
    for (name, value) in &customer.attributes {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        add(name, Some(value));
    }
    add(
        words.t("In the base since"),
        Some(words.day(customer.created_at)),
    );
    facts
}

fn permissions(profile: &Profile, words: &Words) -> Vec<Fact> {
    let mut facts: Vec<Fact> = profile
        .permissions
        .iter()
        .map(|held| {
            let topic = match held.topic.as_str() {
                "*" => words.t("everything"),
                topic => topic,
            };
            let since = words.since(held.since_at);
            let basis = held
                .basis
                .as_deref()
                .map(|basis| words.t(basis_in_words(basis)));
            let said = match (held.is_granted, basis) {
                (true, Some(basis)) => words.fill(
                    "yes ({basis}), {since}",
                    &[("basis", basis), ("since", &since)],
                ),
                (true, None) => words.fill("yes, {since}", &[("since", since)]),
                (false, _) => words.fill("no, since {since}", &[("since", since)]),
            };
            Fact {
                name: format!("{}, {topic}", by_channel(&held.channel.to_string(), words)),
                value: said,
            }
        })
        .collect();
    let tracking = match profile.customer.tracking {
        Tracking::Full => words.t("agreed"),
        Tracking::Hygiene => words.t("the day of the last open only"),
        Tracking::None => words.t("not agreed"),
    };
    if !facts.is_empty() {
        facts.push(Fact {
            name: words.t("Tracking").to_owned(),
            value: tracking.to_owned(),
        });
    }
    facts
}

fn suppressions(profile: &Profile, words: &Words) -> Vec<String> {
    let held = profile.suppressions.iter();
    held.map(|held| {
        let channel = held.channel.to_string();
        let channel = by_channel(&channel, words);
        let since = words.since(held.suppressed_at);
        match held.scope.as_str() {
            "*" => words.fill(
                "everything by {channel} since {since}",
                &[("channel", channel), ("since", &since)],
            ),
            topic => words.fill(
                "{topic} by {channel} since {since}",
                &[("topic", topic), ("channel", channel), ("since", &since)],
            ),
        }
    })
    .collect()
}

/// A legal basis as people call it.
pub(super) fn basis_in_words(basis: &str) -> &str {
    match basis {
        "consent" => "consent",
        "soft_opt_in" => "own customer (soft opt-in)",
        "b2b_legitimate_interest" => "legitimate interest, business",
        "contract" => "contract",
        other => other,
    }
}

fn worth(worth: Worth, words: &Words) -> Vec<Fact> {
    let fifth = |fifth: u8| {
        let place = words.t(fifth_in_words(fifth)).to_owned();
        words.fill(
            "{n} of 5, {place}",
            &[("n", fifth.to_string()), ("place", place)],
        )
    };
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    vec![
        fact(words.t("How lately they ordered"), fifth(worth.recency)),
        fact(words.t("How often"), fifth(worth.frequency)),
        fact(words.t("For how much"), fifth(worth.monetary)),
        fact(
            words.t("Value class"),
            words.t(worth.class_in_words()).to_owned(),
        ),
    ]
}

fn likes(profile: &Profile, words: &Words, now_ms: i64) -> Vec<Fact> {
    let customer = &profile.customer;
    let interests: Vec<String> = profile
        .interests
        .iter()
        .map(|interest| (interest, interest.score.points(now_ms)))
        .filter(|(_, points)| *points > 0 && customer.tracking == Tracking::Full)
        .map(|(interest, points)| {
            let points = words.counted(points.unsigned_abs(), "{n} point", "{n} points");
            format!("{} ({points})", interest.name)
        })
        .collect();
    let unknown = || words.t("not known yet").to_owned();
    let interests = match interests.as_slice() {
        [] => unknown(),
        known => known.join(", "),
    };
    let channel = customer.preferred_channel.map_or_else(unknown, |channel| {
        by_channel(channel.as_str(), words).to_owned()
    });
    let hour = customer.preferred_hour.map_or_else(unknown, |hour| {
        words.fill("{hour}:00 of their own day", &[("hour", hour.to_string())])
    });
    let facts = [
        (words.t("Interested in"), interests),
        (words.t("Answers by"), channel),
        (words.t("Active about"), hour),
    ];
    facts
        .map(|(name, value)| Fact {
            name: name.to_owned(),
            value,
        })
        .into()
}

/// A channel as people call it.
pub(super) fn by_channel<'a>(channel: &'a str, words: &Words) -> &'a str
where
    'static: 'a,
{
    match channel {
        "email" => words.t("mail"),
        "sms" => "SMS",
        other => other,
    }
}

/// What happened, in words.
fn word(kind: &str) -> &str {
    match kind {
        "contact" => "written to",
        "open" => "opened",
        "click" => "clicked",
        "opt_out" => "opted out",
        "order" => "ordered",
        "reply" => "replied",
        "bounce" => "message came back",
        "complaint" => "called it spam",
        "redeem" => "redeemed a coupon",
        "answer" => "named the campaign’s code",
        "scan" => "links were scanned",
        other => other,
    }
}

impl Line {
    fn new(entry: &Entry, customer: CustomerId, words: &Words) -> Self {
        let said = words.t(word(&entry.kind));
        let mut letters = said.chars();
        let what = letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        });
        let amount = entry.amount_cents.map(|cents| words.money(cents));
        let mut remarks: Vec<String> = amount.into_iter().collect();
        remarks.extend(entry.detail.clone());
        match entry.made_by {
            MadeBy::Person => {}
            MadeBy::Machine => remarks.push(words.t("by a machine, not counted").to_owned()),
            MadeBy::Scanner => remarks.push(words.t("by a scanner, not counted").to_owned()),
        }
        let is_message = entry.kind == "contact";
        Self {
            what,
            remark: (!remarks.is_empty()).then(|| remarks.join(", ")),
            channel: entry.channel.map_or_else(String::new, |channel: Channel| {
                by_channel(channel.as_str(), words).to_owned()
            }),
            path: entry
                .campaign
                .as_deref()
                .map(path_segment)
                .unwrap_or_default(),
            campaign: entry.campaign.clone(),
            // The place of a contact is its wave.
            message: is_message.then(|| format!("/customers/{customer}/messages/{}", entry.key.id)),
            at: entry.at,
            is_apart: !entry.made_by.is_person(),
        }
    }
}
