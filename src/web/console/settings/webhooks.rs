//! `/settings/webhooks`: where events are posted to, how each endpoint stands, and what it was told.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Done;
use crate::events::model::{Answer, DeliveryState, EventKind};
use crate::events::store::{self, Endpoint, Told};
use crate::events::{self, Change, EventError, New};
use crate::ids::EndpointId;
use crate::web::console::{Visit, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// What an endpoint was told lately that is shown.
const TOLD: i64 = 50;

fn refused(error: EventError) -> ApiError {
    match error {
        EventError::Database(_) => ApiError::unavailable(error),
        EventError::NotFound(_) => {
            ApiError::new(StatusCode::NOT_FOUND).with_detail(error.to_string())
        }
        _ => ApiError::new(StatusCode::CONFLICT).with_detail(error.to_string()),
    }
}

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    script: &'static str,
    done: Option<&'a str>,
    fault: Option<String>,
    endpoints: Vec<Line>,
    url: &'a str,
    description: &'a str,
    kinds: Vec<KindView>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: i64,
    url: String,
    description: String,
    kinds: String,
    is_active: bool,
    /// It failed last, or was disabled since it did.
    fails: bool,
    failing_since: Option<i64>,
    reason: Option<String>,
    waiting: i64,
    lost: i64,
    told_at: Option<i64>,
    created_at: i64,
    created_by: String,
}

impl Line {
    fn new(endpoint: &Endpoint, words: &Words) -> Self {
        let kinds: Vec<&str> = endpoint.kinds.iter().map(|kind| kind.as_str()).collect();
        Self {
            id: endpoint.id.0,
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            kinds: if kinds.len() == EventKind::ALL.len() {
                words.t("every event").to_owned()
            } else {
                kinds.join(", ")
            },
            is_active: endpoint.is_active,
            fails: endpoint.failing_since.is_some(),
            failing_since: endpoint.failing_since,
            reason: endpoint.reason.clone(),
            waiting: endpoint.waiting,
            lost: endpoint.lost,
            told_at: endpoint.told_at,
            created_at: endpoint.created_at,
            created_by: endpoint.created_by.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
struct KindView {
    word: &'static str,
    is_chosen: bool,
}

fn kinds(chosen: &BTreeSet<EventKind>) -> Vec<KindView> {
    EventKind::ALL
        .into_iter()
        .map(|kind| KindView {
            word: kind.as_str(),
            is_chosen: chosen.contains(&kind),
        })
        .collect()
}

/// What a form asks for; `kind` comes as often as one was ticked.
#[derive(Debug, Default)]
struct Wanted {
    url: String,
    description: String,
    kinds: BTreeSet<EventKind>,
}

impl Wanted {
    fn read(pairs: &[(String, String)]) -> Self {
        let mut wanted = Self::default();
        for (key, value) in pairs {
            match key.as_str() {
                "url" => wanted.url = value.trim().to_owned(),
                "description" => wanted.description = value.chars().take(200).collect(),
                "kind" => wanted.kinds.extend(value.parse::<EventKind>().ok()),
                _ => {}
            }
        }
        wanted
    }
}

/// The endpoints.
pub(super) async fn list(
    visit: Visit,
    done: web::Query<Done>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let wanted = Wanted {
        kinds: EventKind::ALL.into_iter().collect(),
        ..Wanted::default()
    };
    shown(&visit, &state, done.said(visit.words()), &wanted, None).await
}

async fn shown(
    visit: &Visit,
    state: &State,
    done: Option<&str>,
    wanted: &Wanted,
    fault: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let endpoints = events::list(&state.db).await.map_err(refused)?;
    let has_fault = fault.is_some();
    let view = View {
        title: words.t("Webhooks"),
        section: "settings",
        tab: "webhooks",
        script: super::SCRIPT,
        done,
        fault,
        endpoints: endpoints
            .iter()
            .map(|endpoint| Line::new(endpoint, words))
            .collect(),
        url: &wanted.url,
        description: &wanted.description,
        kinds: kinds(&wanted.kinds),
    };
    if has_fault {
        visit.refuse(state, "settings_webhooks", &view)
    } else {
        visit.answer(state, "settings_webhooks", &view)
    }
}

/// Adds an endpoint, and shows its secret this once.
pub(super) async fn add(
    visit: Visit,
    form: web::Form<Vec<(String, String)>>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let wanted = Wanted::read(&form);
    let now_ms = state.clock.now_ms();
    let new = New {
        url: &wanted.url,
        description: &wanted.description,
        kinds: wanted.kinds.clone(),
    };
    let actor = visit.actor();
    // None ticked means none; left out, the room would take every one.
    let added = if wanted.kinds.is_empty() {
        Err(EventError::NoKind)
    } else {
        events::add(
            &state.db,
            &state.keys,
            &state.settings,
            &new,
            &actor,
            now_ms,
        )
        .await
    };
    match added {
        Ok((id, secret)) => one(&visit, &state, id, Said::secret(secret)).await,
        Err(fault @ (EventError::Url(_) | EventError::NoKind | EventError::TooMany)) => {
            let fault = fault.to_string();
            let fault = visit.words().t(&fault).to_owned();
            shown(&visit, &state, None, &wanted, Some(fault)).await
        }
        Err(error) => Err(refused(error)),
    }
}

#[derive(Debug, Serialize)]
struct OneView<'a> {
    title: String,
    section: &'static str,
    tab: &'static str,
    script: &'static str,
    done: Option<&'a str>,
    fault: Option<String>,
    /// Shown this once.
    secret: Option<String>,
    answer: Option<String>,
    endpoint: Line,
    kinds: Vec<KindView>,
    told: Vec<ToldView<'a>>,
}

#[derive(Debug, Serialize)]
struct ToldView<'a> {
    message_id: String,
    kind: String,
    created_at: i64,
    state: &'a str,
    is_good: bool,
    is_over: bool,
    attempts: i64,
    status: Option<i64>,
    error: Option<String>,
    next_at: Option<i64>,
}

impl<'a> ToldView<'a> {
    fn new(told: Told, words: &'a Words) -> Self {
        Self {
            state: match told.state {
                DeliveryState::Waiting => words.t("waits"),
                DeliveryState::Delivered => words.t("delivered"),
                DeliveryState::Failed => words.t("failed"),
                DeliveryState::Stopped => words.t("stopped"),
            },
            is_good: told.state == DeliveryState::Delivered,
            is_over: told.state != DeliveryState::Waiting,
            next_at: (told.state == DeliveryState::Waiting).then_some(told.next_at),
            message_id: told.message_id,
            kind: told.kind,
            created_at: told.created_at,
            attempts: told.attempts,
            status: told.last_status,
            error: told.last_error,
        }
    }
}

/// What is said beside an endpoint.
#[derive(Debug, Default)]
struct Said<'a> {
    done: Option<&'a str>,
    fault: Option<String>,
    secret: Option<String>,
    answer: Option<String>,
}

impl Said<'_> {
    fn secret(secret: String) -> Self {
        Self {
            secret: Some(secret),
            ..Self::default()
        }
    }
}

/// One endpoint.
pub(super) async fn page(
    visit: Visit,
    id: web::Path<i64>,
    done: web::Query<Done>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let said = Said {
        done: done.said(visit.words()),
        ..Said::default()
    };
    one(&visit, &state, EndpointId(*id), said).await
}

async fn one(
    visit: &Visit,
    state: &State,
    id: EndpointId,
    said: Said<'_>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let endpoint = store::by_id(&*state.db, id)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(|| refused(EventError::NotFound(id)))?;
    let told = store::told(&*state.db, id, TOLD)
        .await
        .map_err(ApiError::unavailable)?;
    let has_fault = said.fault.is_some();
    let view = OneView {
        title: words.fill("Webhook {n}", &[("n", id.to_string())]),
        section: "settings",
        tab: "webhooks",
        script: super::SCRIPT,
        done: said.done,
        fault: said.fault,
        secret: said.secret,
        answer: said.answer,
        kinds: kinds(&endpoint.kinds.iter().copied().collect()),
        endpoint: Line::new(&endpoint, words),
        told: told
            .into_iter()
            .map(|told| ToldView::new(told, words))
            .collect(),
    };
    if has_fault {
        visit.refuse(state, "settings_webhook", &view)
    } else {
        visit.answer(state, "settings_webhook", &view)
    }
}

/// What is to be done with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Test,
    Rotate,
    Enable,
    Disable,
    Remove,
    Resend,
    Subscribe,
}

impl Act {
    fn read(pairs: &[(String, String)]) -> Option<Self> {
        let word = pairs.iter().find(|(key, _)| key == "act")?;
        match word.1.as_str() {
            "test" => Some(Self::Test),
            "rotate" => Some(Self::Rotate),
            "enable" => Some(Self::Enable),
            "disable" => Some(Self::Disable),
            "remove" => Some(Self::Remove),
            "resend" => Some(Self::Resend),
            "subscribe" => Some(Self::Subscribe),
            _ => None,
        }
    }
}

/// Changes or tries an endpoint.
pub(super) async fn change(
    visit: Visit,
    id: web::Path<i64>,
    form: web::Form<Vec<(String, String)>>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id = EndpointId(*id);
    let act = Act::read(&form).ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST))?;
    let (db, now_ms, actor) = (&state.db, state.clock.now_ms(), visit.actor());
    let said = match act {
        Act::Test => {
            let answer = events::send_test(db, &state.keys, &state.settings, id, now_ms)
                .await
                .map_err(refused)?;
            visit
                .note(&state, "webhook.test", &id.to_string(), "")
                .await?;
            let said = Said {
                answer: Some(answer_in_words(&answer, visit.words())),
                ..Said::default()
            };
            return one(&visit, &state, id, said).await;
        }
        Act::Rotate => {
            let secret = events::rotate(db, &state.keys, id, &actor, now_ms)
                .await
                .map_err(refused)?;
            return one(&visit, &state, id, Said::secret(secret)).await;
        }
        Act::Enable => events::enable(db, &state.settings, id, &actor, now_ms).await,
        Act::Disable => events::disable(db, &state.settings, id, &actor, now_ms).await,
        Act::Remove => {
            events::remove(db, id, &actor, now_ms)
                .await
                .map_err(refused)?;
            return Ok(see_other("/settings/webhooks?done=webhook-removed"));
        }
        Act::Resend => {
            let message = form
                .iter()
                .find(|(key, value)| key == "message" && !value.is_empty())
                .map(|(_, value)| value.as_str());
            events::resend(db, id, message, &actor, now_ms)
                .await
                .map(drop)
        }
        Act::Subscribe => {
            let kinds = Wanted::read(&form).kinds;
            subscribe(&state, id, kinds, &actor, now_ms).await
        }
    };
    match said {
        Ok(()) => Ok(see_other(&format!("/settings/webhooks/{id}?done=webhook"))),
        Err(
            fault @ (EventError::NoKind
            | EventError::Url(_)
            | EventError::NothingToResend
            | EventError::Disabled(_)),
        ) => {
            let fault = fault.to_string();
            let said = Said {
                fault: Some(visit.words().t(&fault).to_owned()),
                ..Said::default()
            };
            one(&visit, &state, id, said).await
        }
        Err(error) => Err(refused(error)),
    }
}

async fn subscribe(
    state: &State,
    id: EndpointId,
    kinds: BTreeSet<EventKind>,
    actor: &str,
    now_ms: i64,
) -> Result<(), EventError> {
    let asked = Change {
        kinds: Some(kinds),
        ..Change::default()
    };
    let txn = state.db.begin().await?;
    events::change(&txn, &state.settings, id, &asked, actor, now_ms).await?;
    Ok(txn.commit().await?)
}

fn answer_in_words(answer: &Answer, words: &Words) -> String {
    let status = |status: &u16| [("status", status.to_string())];
    match answer {
        Answer::Taken(code) => words.fill("It took the event ({status}).", &status(code)),
        Answer::Gone => words
            .t("It wants nothing any more (410): disable it, or correct its address.")
            .to_owned(),
        Answer::Busy(code, _) => {
            words.fill("It is busy ({status}); try again later.", &status(code))
        }
        Answer::Refused(code) => words.fill("It refused the event ({status}).", &status(code)),
        Answer::Failed(code) => words.fill("It failed ({status}).", &status(code)),
        Answer::None(why) => words.fill("It did not answer: {why}", &[("why", why.as_str())]),
    }
}
