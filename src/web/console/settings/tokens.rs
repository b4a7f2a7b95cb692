//! `/settings/tokens`: the programs that may ask us, and what each may do.

use std::collections::BTreeSet;

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::Done;
use crate::accounts::AccountError;
use crate::accounts::tokens::{self, ApiToken};
use crate::clock::DAY_MS;
use crate::config::Scope;
use crate::web::console::{Visit, person, see_other};
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// How long a token may work, in days; 0: until it is revoked.
const LIVES: [(u16, &str); 4] = [
    (30, "30 days"),
    (90, "90 days"),
    (365, "a year"),
    (0, "until it is revoked"),
];

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    script: &'static str,
    done: Option<&'a str>,
    fault: Option<&'a str>,
    /// Just made, and never shown again.
    token: Option<&'a str>,
    tokens: Vec<Line>,
    of_settings: Vec<FileToken<'a>>,
    /// The form that came back.
    name: &'a str,
    scopes: Vec<ScopeView<'a>>,
    lives: Vec<Life<'a>>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: i64,
    name: String,
    scopes: String,
    made_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
    is_expired: bool,
    works: bool,
}

impl Line {
    fn new(token: ApiToken, now_ms: i64) -> Self {
        let is_expired = token.expires_at.is_some_and(|at| at <= now_ms);
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.replace(' ', ", "),
            made_by: person(&token.made_by).to_owned(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            used_at: token.used_at,
            works: token.revoked_at.is_none() && !is_expired,
            revoked_at: token.revoked_at,
            is_expired,
        }
    }
}

/// A token of the settings file.
#[derive(Debug, Serialize)]
struct FileToken<'a> {
    name: &'a str,
    scopes: String,
}

#[derive(Debug, Serialize)]
struct ScopeView<'a> {
    word: &'static str,
    about: &'a str,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct Life<'a> {
    days: u16,
    title: &'a str,
    is_chosen: bool,
}

/// What a form asks for.
#[derive(Debug)]
struct Wanted {
    name: String,
    scopes: BTreeSet<Scope>,
    days: u16,
}

impl Wanted {
    fn nothing() -> Self {
        Self {
            name: String::new(),
            scopes: BTreeSet::new(),
            days: 365,
        }
    }

    /// Of the pairs of a form, in which `scope` comes as often as one was ticked.
    fn read(pairs: &[(String, String)]) -> Self {
        let mut wanted = Self::nothing();
        for (key, value) in pairs {
            match key.as_str() {
                "name" => wanted.name.clone_from(value),
                "scope" => wanted.scopes.extend(Scope::read(value)),
                "days" => {
                    let given = LIVES.iter().find(|(days, _)| days.to_string() == *value);
                    wanted.days = given.map_or(wanted.days, |(days, _)| *days);
                }
                _ => {}
            }
        }
        wanted
    }
}

/// The list.
pub(super) async fn list(
    visit: Visit,
    done: web::Query<Done>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let done = done.said(visit.words());
    shown(&visit, &state, done, &Wanted::nothing(), None, None).await
}

async fn shown(
    visit: &Visit,
    state: &State,
    done: Option<&str>,
    wanted: &Wanted,
    fault: Option<&str>,
    token: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let now_ms = state.clock.now_ms();
    let tokens = tokens::list(&state.db)
        .await
        .map_err(ApiError::unavailable)?;
    let view = View {
        title: words.t("API tokens"),
        section: "settings",
        tab: "tokens",
        script: super::SCRIPT,
        done,
        fault,
        token,
        tokens: tokens
            .into_iter()
            .map(|token| Line::new(token, now_ms))
            .collect(),
        of_settings: state
            .settings
            .api
            .tokens
            .iter()
            .map(|(name, token)| FileToken {
                name,
                scopes: listed(&token.scopes),
            })
            .collect(),
        name: &wanted.name,
        scopes: Scope::ALL
            .into_iter()
            .map(|scope| ScopeView {
                word: scope.as_str(),
                about: words.t(scope.describe()),
                is_chosen: wanted.scopes.contains(&scope),
            })
            .collect(),
        lives: lives(wanted.days, words),
    };
    match fault {
        None => visit.answer(state, "settings_tokens", &view),
        Some(_) => visit.refuse(state, "settings_tokens", &view),
    }
}

fn lives(chosen: u16, words: &Words) -> Vec<Life<'_>> {
    LIVES
        .into_iter()
        .map(|(days, title)| Life {
            days,
            title: words.t(title),
            is_chosen: days == chosen,
        })
        .collect()
}

fn listed(scopes: &BTreeSet<Scope>) -> String {
    let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    words.join(", ")
}

/// Makes a token, and shows it this once.
pub(super) async fn make(
    visit: Visit,
    form: web::Form<Vec<(String, String)>>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let wanted = Wanted::read(&form);
    let now_ms = state.clock.now_ms();
    let expires_at = (wanted.days > 0).then(|| now_ms + i64::from(wanted.days) * DAY_MS);
    let actor = visit.actor();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    let made = tokens::make(
        &txn,
        &wanted.name,
        &wanted.scopes,
        expires_at,
        &actor,
        now_ms,
    )
    .await;
    match made {
        Ok(made) => {
            txn.commit().await.map_err(ApiError::unavailable)?;
            let nothing = Wanted::nothing();
            shown(&visit, &state, None, &nothing, None, Some(&made.secret)).await
        }
        Err(
            fault @ (AccountError::TokenName | AccountError::TokenTaken | AccountError::NoScope),
        ) => {
            drop(txn);
            let fault = fault.to_string();
            let fault = visit.words().t(&fault);
            shown(&visit, &state, None, &wanted, Some(fault), None).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends a token.
pub(super) async fn revoke(
    visit: Visit,
    id: web::Path<i64>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let now_ms = state.clock.now_ms();
    let txn = state.db.begin().await.map_err(ApiError::unavailable)?;
    tokens::revoke(&txn, *id, &visit.actor(), now_ms).await?;
    txn.commit().await.map_err(ApiError::unavailable)?;
    Ok(see_other("/settings/tokens?done=revoked"))
}
