//! `GET /customers`: finding a person; `GET /customers/{id}`: all that is known of him on one page.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{Visit, instant, path_segment};
use crate::consent::model::{Channel, Tracking};
use crate::customers::model::{Customer, EmailState, PhoneState};
use crate::customers::store as customers;
use crate::customers::value::{Worth, fifth_in_words};
use crate::dialogue::export;
use crate::dialogue::lookup::{self, Who};
use crate::ids::CustomerId;
use crate::reports::table::{counted, money};
use crate::responses::model::MadeBy;
use crate::responses::timeline::{self, Entry, Key};
use crate::segments::Profile;
use crate::segments::store as segments;
use crate::web::{ApiError, State};

/// Entries of the timeline on a page.
const PAGE: i64 = 50;

/// Whom somebody looks for.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Debug, Serialize)]
struct SearchView {
    title: &'static str,
    section: &'static str,
    search: String,
    found: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Found {
    id: i64,
    name: String,
}

/// Leads to the customer who is meant, or shows those who may be.
pub(super) async fn search(
    visit: Visit,
    asked: web::Query<Search>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    // PostgreSQL knows no text with this character, so nobody is called so.
    let text = asked.into_inner().q.trim().replace('\0', "");
    let mut ids = Vec::new();
    if let Ok(number) = text.parse().map(CustomerId) {
        ids.push(number);
    }
    if !text.is_empty() {
        let by_key = lookup::find(&state.db, &Who::ExternalId(text.clone())).await;
        ids.extend(by_key.map_err(ApiError::unavailable)?);
    }
    if text.contains('@') {
        // What is no address is nobody's.
        ids.extend(
            lookup::find(&state.db, &Who::Email(text.clone()))
                .await
                .unwrap_or_default(),
        );
    }
    ids.sort_unstable();
    ids.dedup();
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let found = customers::with_ids(&state.db, &ids)
        .await
        .map_err(ApiError::unavailable)?;
    if let [only] = found.as_slice() {
        return Ok(HttpResponse::SeeOther()
            .insert_header((LOCATION, format!("/customers/{}", only.id)))
            .finish());
    }
    let found = found.iter().map(|customer| Found {
        id: customer.id.0,
        name: name(customer),
    });
    let view = SearchView {
        title: "Customers",
        section: "customers",
        search: text,
        found: found.collect(),
    };
    visit.answer(&state, "customers", &view)
}

/// Which part of the timeline is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    before: Option<String>,
}

#[derive(Debug, Serialize)]
struct View {
    title: String,
    section: &'static str,
    stage: &'static str,
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
    timeline: Vec<Line>,
    is_paged: bool,
    newest: Option<String>,
    older: Option<String>,
}

#[derive(Debug, Serialize)]
struct Card {
    name: &'static str,
    value: String,
    remark: String,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: String,
    value: String,
}

impl Fact {
    fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Line {
    what: String,
    remark: Option<String>,
    channel: &'static str,
    campaign: Option<String>,
    path: String,
    at: String,
    /// Whether no person did it.
    is_apart: bool,
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    id: web::Path<i64>,
    place: web::Query<Place>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = CustomerId(id.into_inner());
    let now_ms = state.clock.now_ms();
    let profile = segments::profile(&state.db, id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| {
            ApiError::new(StatusCode::NOT_FOUND).with_detail(format!(
                "there is no customer {id}; one who was erased has left only his proof of permission"
            ))
        })?;
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
    let customer = &profile.customer;
    let view = View {
        title: name(customer),
        section: "customers",
        stage: customer.stage.as_str(),
        tags: profile.tags.clone(),
        proof: format!("/permission/customers/{id}"),
        cards: cards(&profile, now_ms),
        profile: facts(customer),
        permissions: permissions(&profile),
        suppressions: profile
            .suppressions
            .iter()
            .map(|held| {
                let scope = match held.scope.as_str() {
                    "*" => "everything".to_owned(),
                    topic => format!("“{topic}”"),
                };
                format!(
                    "{scope} by {} since {}",
                    held.channel,
                    instant(held.suppressed_at)
                )
            })
            .collect(),
        worth: profile.worth.map(worth).unwrap_or_default(),
        is_buyer: customer.orders_count > 0,
        likes: likes(&profile, now_ms),
        is_tracked: customer.tracking == Tracking::Full,
        timeline: entries.iter().map(Line::new).collect(),
        is_paged: older.is_some() || newest.is_some(),
        newest,
        older,
    };
    visit.answer(&state, "customer", &view)
}

/// The name, or the number of one who has none.
fn name(customer: &Customer) -> String {
    let names: Vec<&str> = [&customer.first_name, &customer.last_name, &customer.company]
        .into_iter()
        .filter_map(|name| name.as_deref())
        .take(2)
        .collect();
    if names.is_empty() {
        format!("Customer {}", customer.id)
    } else {
        names.join(" ")
    }
}

fn cards(profile: &Profile, now_ms: i64) -> Vec<Card> {
    let customer = &profile.customer;
    let last_response = match (customer.last_response_at, customer.last_response.as_deref()) {
        (None, _) => "never".to_owned(),
        (Some(at), None) => instant(at),
        (Some(at), Some(kind)) => format!("{}, {}", word(kind), instant(at)),
    };
    vec![
        Card {
            name: "Engagement",
            value: customer.engagement.points(now_ms).to_string(),
            remark: "points today".to_owned(),
        },
        Card {
            name: "Recency, frequency, money",
            value: profile.worth.map_or_else(|| "–".to_owned(), Worth::code),
            remark: match profile.worth {
                Some(worth) => format!("value class {}", worth.class.to_ascii_uppercase()),
                None => "not known".to_owned(),
            },
        },
        Card {
            name: "Orders",
            value: customer.orders_count.to_string(),
            remark: format!("{} in all", money(customer.revenue_cents)),
        },
        Card {
            name: "Last response",
            value: customer.last_response_at.map_or_else(
                || "–".to_owned(),
                |at| {
                    let days = (now_ms - at).max(0) / crate::clock::DAY_MS;
                    match days {
                        0 => "today".to_owned(),
                        days => format!("{} ago", counted(days.unsigned_abs(), "day", "days")),
                    }
                },
            ),
            remark: last_response,
        },
    ]
}

fn facts(customer: &Customer) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Number", customer.id.to_string())];
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| Fact::new(name, value)));
    };
    add("Your key", customer.external_id.clone());
    add("Company", customer.company.clone());
    add(
        "Mail address",
        customer
            .email
            .as_ref()
            .map(|email| match customer.email_state {
                EmailState::Ok => email.clone(),
                EmailState::Malformed => format!("{email} (malformed)"),
                EmailState::Refused => format!("{email} (refused by its server)"),
            }),
    );
    add(
        "Telephone",
        customer
            .phone
            .as_ref()
            .map(|phone| match customer.phone_state {
                PhoneState::Ok => phone.clone(),
                PhoneState::Refused => format!("{phone} (reaches nobody)"),
            }),
    );
    add("Born", customer.birth_date.map(|day| day.to_string()));
    let place: Vec<&str> = [customer.postal_code.as_deref(), customer.city.as_deref()]
        .into_iter()
        .flatten()
        .chain([customer.country.as_str()])
        .collect();
    add("Lives in", Some(place.join(" ")));
    add("Language", Some(customer.language.clone()));
    add(
        "Time zone",
        customer.zone().map(|zone| zone.name().to_owned()),
    );
    add("In the base since", Some(instant(customer.created_at)));
    facts
}

fn permissions(profile: &Profile) -> Vec<Fact> {
    let mut facts: Vec<Fact> = profile
        .permissions
        .iter()
        .map(|held| {
            let what = match held.topic.as_str() {
                "*" => format!("{}, everything", held.channel),
                topic => format!("{}, {topic}", held.channel),
            };
            let since = instant(held.since_at);
            let said = match (held.is_granted, &held.basis) {
                (true, Some(basis)) => format!("granted ({basis}) {since}"),
                (true, None) => format!("granted {since}"),
                (false, _) => format!("no, since {since}"),
            };
            Fact::new(what, said)
        })
        .collect();
    let tracking = match profile.customer.tracking {
        Tracking::Full => "agreed",
        Tracking::Hygiene => "the day of the last open only",
        Tracking::None => "not agreed",
    };
    if !facts.is_empty() {
        facts.push(Fact::new("Tracking", tracking));
    }
    facts
}

fn worth(worth: Worth) -> Vec<Fact> {
    let fifth = |fifth: u8| format!("{fifth} of 5, {}", fifth_in_words(fifth));
    vec![
        Fact::new("How lately he ordered", fifth(worth.recency)),
        Fact::new("How often", fifth(worth.frequency)),
        Fact::new("For how much", fifth(worth.monetary)),
        Fact::new("Value class", worth.class_in_words()),
    ]
}

fn likes(profile: &Profile, now_ms: i64) -> Vec<Fact> {
    let customer = &profile.customer;
    let interests: Vec<String> = profile
        .interests
        .iter()
        .map(|interest| (interest, interest.score.points(now_ms)))
        .filter(|(_, points)| *points > 0 && customer.tracking == Tracking::Full)
        .map(|(interest, points)| {
            format!(
                "{} ({})",
                interest.name,
                counted(points.unsigned_abs(), "point", "points")
            )
        })
        .collect();
    let unknown = || "not known yet".to_owned();
    vec![
        Fact::new(
            "Interested in",
            if interests.is_empty() {
                unknown()
            } else {
                interests.join(", ")
            },
        ),
        Fact::new(
            "Answers by",
            customer
                .preferred_channel
                .map_or_else(unknown, |channel| spoken(channel).to_owned()),
        ),
        Fact::new(
            "Active about",
            customer
                .preferred_hour
                .map_or_else(unknown, |hour| format!("{hour}:00 of his own day")),
        ),
    ]
}

fn spoken(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "mail",
        Channel::Sms => "SMS",
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
    fn new(entry: &Entry) -> Self {
        let mut what = word(&entry.kind).to_owned();
        if let Some(first) = what.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let mut remarks: Vec<String> = entry.amount_cents.map(money).into_iter().collect();
        remarks.extend(entry.detail.clone());
        match entry.made_by {
            MadeBy::Person => {}
            MadeBy::Machine => remarks.push("by a machine, not counted".to_owned()),
            MadeBy::Scanner => remarks.push("by a scanner, not counted".to_owned()),
        }
        Self {
            what,
            remark: (!remarks.is_empty()).then(|| remarks.join(", ")),
            channel: entry.channel.map_or("", spoken),
            path: entry
                .campaign
                .as_deref()
                .map(path_segment)
                .unwrap_or_default(),
            campaign: entry.campaign.clone(),
            at: instant(entry.at),
            is_apart: !entry.made_by.is_person(),
        }
    }
}
