//! `visavis webhook`

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Common, print};
use crate::clock::from_ms;
use crate::events::model::{Answer, EventKind};
use crate::events::store::{self, Endpoint, Told};
use crate::events::{self, New};
use crate::ids::EndpointId;

/// Who changes an endpoint from here, as the audit log has it.
const ACTOR: &str = "command line";

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Adds an endpoint, and shows its secret, this once
    Add {
        /// Where events are posted to: https://…
        url: String,
        /// The events it is told of [default: all]
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<EventKind>,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
        #[arg(long)]
        json: bool,
    },
    /// Lists the endpoints and how they do
    List {
        #[arg(long)]
        json: bool,
    },
    /// Shows what an endpoint was told lately
    Show {
        id: i64,
        #[arg(long)]
        json: bool,
        /// How many events
        #[arg(long, default_value_t = 20)]
        last: u32,
    },
    /// Sends an endpoint an event that tells of nothing, now
    Test { id: i64 },
    /// Gives an endpoint a new secret; for a day the one before signs too
    Rotate { id: i64 },
    /// Tells an endpoint nothing any more
    Disable { id: i64 },
    /// Tells an endpoint again of what happens from now on
    Enable { id: i64 },
    /// Forgets an endpoint
    Remove { id: i64 },
    /// Sends an endpoint one event again, or all that it was not told of
    Resend {
        id: i64,
        /// The event, as `show` names it: msg_…
        message: Option<String>,
    },
}

impl WebhookCommand {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        let (db, keys, settings) = (&parts.db, &parts.keys, &parts.settings);
        let now_ms = parts.clock.now_ms();
        match self {
            Self::Add {
                url,
                events,
                description,
                json,
            } => {
                let new = New {
                    url: &url,
                    description: &description,
                    kinds: events.into_iter().collect(),
                };
                let (id, secret) = events::add(db, keys, settings, &new, ACTOR, now_ms).await?;
                if json {
                    print(json!({ "id": id, "secret": secret }));
                } else {
                    print(format_args!(
                        "Endpoint {id} is told from now on. Its secret, shown this once:"
                    ));
                    print(secret);
                }
            }
            Self::List { json } => {
                let endpoints = events::list(db).await?;
                if json {
                    print(serde_json::to_string_pretty(&endpoints)?);
                } else if endpoints.is_empty() {
                    print("No endpoint yet; `visavis webhook add https://…` adds one.");
                } else {
                    for endpoint in &endpoints {
                        print(line(endpoint));
                    }
                }
            }
            Self::Show { id, json, last } => {
                let endpoint = store::by_id(&**db, EndpointId(id)).await?;
                let endpoint = endpoint.ok_or(events::EventError::NotFound(EndpointId(id)))?;
                let told = store::told(&**db, endpoint.id, i64::from(last)).await?;
                if json {
                    let shown = json!({ "endpoint": endpoint, "told": told });
                    print(serde_json::to_string_pretty(&shown)?);
                } else {
                    print(line(&endpoint));
                    for one in &told {
                        print(format_args!("  {}", event(one)));
                    }
                }
            }
            Self::Test { id } => {
                let answer = events::send_test(db, keys, settings, EndpointId(id), now_ms).await?;
                match answer {
                    Answer::Taken(status) => print(format_args!("It answered {status}: well.")),
                    other => {
                        let fault = other.fault().unwrap_or_default();
                        anyhow::bail!("endpoint {id} {fault}");
                    }
                }
            }
            Self::Rotate { id } => {
                let secret = events::rotate(db, keys, EndpointId(id), ACTOR, now_ms).await?;
                print("The new secret, shown this once; for a day the one before signs too:");
                print(secret);
            }
            Self::Disable { id } => {
                events::disable(db, settings, EndpointId(id), ACTOR, now_ms).await?;
                print(format_args!("Endpoint {id} is told nothing any more."));
            }
            Self::Enable { id } => {
                events::enable(db, settings, EndpointId(id), ACTOR, now_ms).await?;
                print(format_args!(
                    "Endpoint {id} is told from now on; `visavis webhook resend {id}` sends what was stopped."
                ));
            }
            Self::Remove { id } => {
                events::remove(db, EndpointId(id), ACTOR, now_ms).await?;
                print(format_args!("Endpoint {id} is forgotten."));
            }
            Self::Resend { id, message } => {
                let message = message.as_deref();
                let again = events::resend(db, EndpointId(id), message, ACTOR, now_ms).await?;
                let counted = crate::storage::text::counted(again, "event", "events");
                print(format_args!(
                    "{counted} will be sent again, by the server that runs."
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(endpoint: &Endpoint) -> String {
    let mut line = format!("{}  {}", endpoint.id, endpoint.url);
    if !endpoint.description.is_empty() {
        let _ = write!(line, "  ({})", endpoint.description);
    }
    let state = if endpoint.is_active {
        match endpoint.failing_since {
            Some(since) => format!(
                "fails since {}, {} tries",
                instant(since),
                endpoint.failures
            ),
            None => "well".to_owned(),
        }
    } else {
        format!(
            "disabled: {}",
            endpoint.reason.as_deref().unwrap_or("no reason is known")
        )
    };
    let _ = write!(
        line,
        "\n   {state}; {} waiting, {} not told",
        endpoint.waiting, endpoint.lost
    );
    let kinds: Vec<&str> = endpoint.kinds.iter().map(|kind| kind.as_str()).collect();
    let _ = write!(line, "\n   {}", kinds.join(", "));
    line
}

fn event(told: &Told) -> String {
    let mut line = format!(
        "{}  {}  {}  {}",
        told.message_id,
        instant(told.created_at),
        told.kind,
        told.state.as_str()
    );
    if let Some(error) = &told.last_error {
        let _ = write!(line, " (try {}: it {error})", told.attempts);
    }
    line
}

fn instant(ms: i64) -> String {
    from_ms(ms).format("%Y-%m-%d %H:%M UTC").to_string()
}
