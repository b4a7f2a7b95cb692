//! `/settings/relays`: the ways out, how each stands, and trying one without sending.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use crate::channels::email::RelayFacts;
use crate::channels::sms::model::Looked;
use crate::config::{RelaySettings, RelayTls, provider_of, sms_route};
use crate::delivery::store as ledger;
use crate::web::console::Visit;
use crate::web::words::Words;
use crate::web::{ApiError, State};

#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    section: &'static str,
    tab: &'static str,
    relays: Vec<RelayView<'a>>,
    providers: Vec<ProviderView<'a>>,
    hooks: Vec<HookView<'a>>,
    is_sandbox: bool,
    has_provider: bool,
}

#[derive(Debug, Serialize)]
struct RelayView<'a> {
    route: &'a str,
    key: String,
    peer: Option<String>,
    tls: &'a str,
    has_login: bool,
    provider: Option<&'static str>,
    senders: Vec<&'a str>,
    rate: Option<u32>,
    rests: Vec<RestView>,
    tried: Option<&'a Tried>,
}

#[derive(Debug, Serialize)]
struct ProviderView<'a> {
    route: String,
    name: &'a str,
    kind: &'static str,
    sender: Option<&'a str>,
    rate: Option<u32>,
    rests: Vec<RestView>,
    tried: Option<&'a Tried>,
}

#[derive(Debug, Serialize)]
struct HookView<'a> {
    name: &'a str,
    provider: &'static str,
}

#[derive(Debug, Serialize)]
struct RestView {
    reason: String,
    node: String,
    since_at: i64,
    until_at: i64,
}

/// What trying a way out showed.
#[derive(Debug, Serialize)]
struct Tried {
    route: String,
    is_good: bool,
    said: String,
}

/// The ways out.
pub(super) async fn list(visit: Visit, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    shown(&visit, &state, None).await
}

async fn shown(
    visit: &Visit,
    state: &State,
    tried: Option<&Tried>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let settings = &state.settings;
    let of = |route: &str| tried.filter(|tried| tried.route == route);
    let mut relays = Vec::new();
    for (name, relay) in settings.email.routes() {
        relays.push(RelayView {
            route: name,
            key: match name {
                crate::config::DEFAULT_RELAY => "[email.relay]".to_owned(),
                name => format!("[email.relays.{name}]"),
            },
            peer: relay.map(|relay| format!("{}:{}", relay.host, relay.port)),
            tls: relay.map_or("", |relay| tls(relay, words)),
            has_login: relay.is_some_and(|relay| relay.username.is_some()),
            provider: relay
                .and_then(|relay| relay.provider)
                .map(|provider| provider.as_str()),
            senders: relay
                .map(|relay| relay.senders.iter().map(String::as_str).collect())
                .unwrap_or_default(),
            rate: settings.email.rate_of(name),
            rests: rests(state, name).await?,
            tried: of(name),
        });
    }
    let mut providers = Vec::new();
    for (name, account) in &settings.sms.providers {
        let route = sms_route(name);
        providers.push(ProviderView {
            name,
            kind: kind(account),
            sender: account.sender.as_deref(),
            rate: account.rate_per_second,
            rests: rests(state, &route).await?,
            tried: of(&route),
            route,
        });
    }
    let view = View {
        title: words.t("Relays and providers"),
        section: "settings",
        tab: "relays",
        relays,
        is_sandbox: settings.email.relay.is_none(),
        has_provider: !providers.is_empty(),
        providers,
        hooks: settings
            .mail_hooks
            .iter()
            .filter_map(|(name, hook)| {
                let provider = hook.provider(name).ok()?.as_str();
                Some(HookView { name, provider })
            })
            .collect(),
    };
    visit.answer(state, "settings_relays", &view)
}

async fn rests(state: &State, route: &str) -> Result<Vec<RestView>, ApiError> {
    let rests = ledger::rests_of(&*state.db, route, state.clock.now_ms())
        .await
        .map_err(ApiError::unavailable)?;
    Ok(rests
        .into_iter()
        .map(|rest| RestView {
            reason: rest.reason,
            node: rest.node,
            since_at: rest.since_at,
            until_at: rest.until_at,
        })
        .collect())
}

fn tls<'a>(relay: &RelaySettings, words: &'a Words) -> &'a str {
    match relay.tls {
        RelayTls::Implicit => words.t("TLS from the first byte"),
        RelayTls::Starttls => words.t("TLS after STARTTLS"),
        RelayTls::None => words.t("not encrypted"),
    }
}

fn kind(account: &crate::config::ProviderSettings) -> &'static str {
    let kinds = [
        (account.twilio.is_some(), "Twilio"),
        (account.vonage.is_some(), "Vonage"),
        (account.ovh.is_some(), "OVHcloud"),
        (account.brevo.is_some(), "Brevo"),
        (account.infobip.is_some(), "Infobip"),
        (account.http.is_some(), "HTTP"),
        (account.smpp.is_some(), "SMPP"),
    ];
    kinds
        .into_iter()
        .find(|(is, _)| *is)
        .map_or("", |(_, kind)| kind)
}

#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    #[serde(default)]
    route: String,
}

/// Tries a way out: no message is sent.
pub(super) async fn test(
    visit: Visit,
    form: web::Form<Chosen>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let words = visit.words();
    let settings = &state.settings;
    let (is_good, said) = match provider_of(&form.route) {
        Some(name) => match super::check::provider(settings, name, &state.clock).await {
            Ok(Looked::Known) => (
                true,
                words.t("It is there, and it accepts our key.").to_owned(),
            ),
            Ok(Looked::Reached) => (
                true,
                words
                    .t("Its address answers; whether it accepts our key, only a message will show.")
                    .to_owned(),
            ),
            Err(problem) => (false, problem),
        },
        None => match super::check::relay(settings, &form.route).await {
            Ok(facts) => (true, said_of(&facts, words)),
            Err(problem) => (false, problem),
        },
    };
    visit
        .note(
            &state,
            "relay.test",
            &form.route.chars().take(60).collect::<String>(),
            if is_good { "answers" } else { "fails" },
        )
        .await?;
    let tried = Tried {
        route: form.into_inner().route,
        is_good,
        said,
    };
    shown(&visit, &state, Some(&tried)).await
}

fn said_of(facts: &RelayFacts, words: &Words) -> String {
    let mut said = vec![words.fill(
        "It answers as {name}.",
        &[("name", facts.greeting.as_str())],
    )];
    said.push(
        if facts.is_encrypted {
            words.t("The connection is encrypted.")
        } else {
            words.t("The connection is not encrypted.")
        }
        .to_owned(),
    );
    if facts.is_logged_in {
        said.push(words.t("The log-in is accepted.").to_owned());
    }
    said.join(" ")
}
