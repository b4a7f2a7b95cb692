//! `visavis demo`: the whole loop on one machine, through the very code that does it for real.

mod playback;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::user::enter_url;
use super::{Common, DEMO_MARKER, clock, print, progress};
use crate::accounts::audit::PROGRAM;
use crate::accounts::links::{self, Purpose};
use crate::accounts::model::Role;
use crate::accounts::users::{self, NewUser};
use crate::app::{App, Parts};
use crate::campaigns::definition::Definition;
use crate::campaigns::plan;
use crate::clock::from_ms;
use crate::config::{RelaySettings, Settings};
use crate::customers::import::{self, ImportKind, ImportReport, ImportRequest};
use crate::customers::sample;
use crate::delivery::launch::{self, LaunchOptions, Occurrence};
use crate::delivery::progress::{self as delivery_progress, Progress};
use crate::lifecycle;
use crate::reports;
use crate::templates::Template;

/// The same people every time.
const SEED: u64 = 20_261_122;

/// The campaign the demo launches.
const CAMPAIGN: &str = r#"
name = "super-chef"
segment = 'age between 25 and 75 and (ordered within 3 years or attribute.interest_cooking is known or tagged "cooking")'
template = "super-chef"
topic = "offers"
control_percent = 10
goal = "click"
window_days = 14

[offer]
name = "Ten per cent on pans"
margin_percent = 45.0

[costs]
fixed_cents = 40000
per_thousand_cents = 350

[sender]
name = "Maison Vaisselle"
address = "bonjour@maison-vaisselle.example"
reply_to = "clients@maison-vaisselle.example"
postal_address = "12 rue des Chaudronniers, 80000 Amiens"
"#;

/// The one by text message, to who buys often; by email to whom no text may be sent.
const EVENING: &str = r#"
name = "store-evening"
segment = 'ordered at least 3 times and can receive sms about "offers"'
template = "store-evening"
topic = "offers"
channels = ["sms", "email"]

[sender]
name = "Maison Vaisselle"
address = "bonjour@maison-vaisselle.example"
postal_address = "12 rue des Chaudronniers, 80000 Amiens"
sms = "Vaisselle"
"#;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// People in the customer base
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=5_000_000))]
    size: u32,
    /// A customer file of yours instead of the invented people
    #[arg(long, value_name = "FILE")]
    customers: Option<PathBuf>,
    /// Really sends, through this relay: smtp://host:port. Responses are then not played
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// Ends after the report instead of serving it
    #[arg(long)]
    once: bool,
    /// Prints the report as JSON
    #[arg(long)]
    json: bool,
    /// Where pages are served [default: 127.0.0.1:8080, with --once any free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::SocketAddr>,
}

/// A link that signs the demo's administrator in, once.
async fn sign_in_link(parts: &Parts) -> anyhow::Result<String> {
    const EMAIL: &str = "demo@localhost";
    let now_ms = parts.clock.now_ms();
    let known = users::by_email(&parts.db, EMAIL).await?;
    let txn = parts.db.begin().await?;
    let id = match known {
        Some(user) => user.id,
        None => {
            let new = NewUser {
                email: EMAIL,
                name: "Demo",
                role: Role::Administrator,
                language: "en",
            };
            users::add(&txn, new, "demo", now_ms).await?
        }
    };
    let token = links::make(&txn, Purpose::SignIn, Some(id), now_ms).await?;
    txn.commit().await?;
    Ok(token)
}

impl Demo {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let settings = self.settings(common)?;
        let data_dir = settings.data_dir.clone();
        prepare_folder(&data_dir)?;
        let stop = CancellationToken::new();
        lifecycle::stop_on_signal(stop.clone())?;

        let is_relayed = settings.email.relay.is_some();
        let parts = Parts::open(settings, clock()).await?;
        let app = App::build(parts)
            .await
            .context("the demo listens where --listen ADDRESS says")?;
        let parts = app.parts().clone();
        let address = app.public_address();
        let run = tokio::spawn(app.run(stop.clone()));

        let result = tokio::select! {
            result = self.play(&parts, is_relayed) => result,
            () = stop.cancelled() => Err(anyhow::anyhow!("stopped before the end")),
        };
        if result.is_ok() && !self.once {
            let link = enter_url(address, &sign_in_link(&parts).await?);
            self.say(format_args!(
                "\nSign in  {link}\nOutbox   http://localhost:{0}/outbox\nReport   http://localhost:{0}/reports/campaigns/super-chef\nThe first link works once and lets you in; the others are for afterwards. Ctrl-C ends.",
                address.port()
            ));
            stop.cancelled().await;
        }
        stop.cancel();
        run.await??;
        result.map(|()| ExitCode::SUCCESS)
    }

    /// Import, plan, launch, deliver, respond, report.
    async fn play(&self, parts: &Parts, is_relayed: bool) -> anyhow::Result<()> {
        let folder = &parts.settings.data_dir;
        let today = parts.clock.now().date_naive();
        let customers = match &self.customers {
            Some(file) => file.clone(),
            None => {
                let file = folder.join("customers.csv");
                sample::write_customers(&file, self.size, SEED, today)?;
                file
            }
        };
        let report = import(parts, &customers, ImportKind::Customers, "customers").await?;
        self.say(&report);
        if self.customers.is_none() {
            let orders = folder.join("orders.csv");
            sample::write_orders(&orders, self.size, SEED, today)?;
            let report = import(parts, &orders, ImportKind::Orders, "orders").await?;
            self.say(&report);
        }

        let mut definition = Definition::parse(CAMPAIGN, "the sample campaign")?;
        if self.customers.is_some() {
            "everyone".clone_into(&mut definition.segment);
        }
        let template = Template::embedded(&definition.template)?;
        let now = parts.clock.now();
        let (id, _) = plan::apply(&parts.db, &definition, &[&template], None, PROGRAM, now).await?;
        let options = LaunchOptions {
            is_simulated: !is_relayed,
            ..parts.launch_options()
        };
        let launched =
            launch::launch(&parts.db, id, Occurrence::ByHand, options, PROGRAM, now).await?;
        self.say(format_args!(
            "Campaign super-chef: {} messages to send, {} people withheld.",
            launched.deliveries,
            launched.withheld.values().sum::<u64>()
        ));
        let sent = deliver(parts, &definition.name, launched.deliveries).await?;
        self.say(format_args!(
            "Handed over: {} accepted, {} refused, {} deferred, {} unknown.",
            sent.accepted, sent.failed, sent.deferred, sent.unknown
        ));
        if is_relayed {
            self.say("The messages went to your relay, so no responses are played.");
        } else {
            playback::play(parts, SEED).await?;
        }
        if self.customers.is_none() && !is_relayed {
            self.text(parts).await?;
        }
        let report = reports::store::report(&parts.db, &definition.name)
            .await?
            .context("the campaign was launched, so it has a report")?
            .in_currency(&parts.settings.orders.currency)
            .at(parts.clock.now_ms());
        if self.json {
            print(serde_json::to_string_pretty(&report)?);
        } else {
            print(reports::table::write(&report));
        }
        Ok(())
    }

    /// The second campaign, by text message: whom the hours allow gets it now.
    async fn text(&self, parts: &Parts) -> anyhow::Result<()> {
        let definition = Definition::parse(EVENING, "the sample campaign by SMS")?;
        let template = Template::embedded(&definition.template)?;
        let now = parts.clock.now();
        let (id, _) = plan::apply(&parts.db, &definition, &[&template], None, PROGRAM, now).await?;
        let options = LaunchOptions {
            is_simulated: true,
            ..parts.launch_options()
        };
        let launched =
            launch::launch(&parts.db, id, Occurrence::ByHand, options, PROGRAM, now).await?;
        let sent = deliver(parts, &definition.name, launched.deliveries).await?;
        let held = sent.held_until.map_or_else(String::new, |until| {
            let until = from_ms(until).format("%Y-%m-%d %H:%M UTC");
            format!(
                "; {} held by quiet hours, the last until {until}",
                sent.held
            )
        });
        self.say(format_args!(
            "Campaign store-evening, by SMS: {} messages, {} accepted{held}.",
            launched.deliveries, sent.accepted
        ));
        Ok(())
    }

    /// The settings of a demo: one port, and the sandbox unless a relay is given.
    fn settings(&self, common: &Common) -> anyhow::Result<Settings> {
        let mut settings = common.settings()?;
        let address = match self.listen {
            Some(address) => address,
            None if self.once => ([127, 0, 0, 1], 0).into(),
            None => ([127, 0, 0, 1], 8080).into(),
        };
        settings.web.listen = address;
        settings.web.console_listen = address;
        "http://localhost:0".clone_into(&mut settings.web.public_url);
        // Invented people never go into a database of yours.
        settings.database.url = None;
        settings.email.relay = self.relay.as_deref().map(relay).transpose()?;
        Ok(settings)
    }

    /// Tells a person how it goes; with --json standard output is for the figures alone.
    fn say(&self, text: impl std::fmt::Display) {
        if self.json {
            eprintln!("{text}");
        } else {
            print(text);
        }
    }
}

/// A folder that is empty, new, or left by an earlier demo, which is begun anew.
fn prepare_folder(folder: &Path) -> anyhow::Result<()> {
    let marker = folder.join(DEMO_MARKER);
    let is_used = folder.join("visavis.db").exists();
    anyhow::ensure!(
        marker.exists() || !is_used,
        "{} holds data that is not only of a demo; give the demo a folder of its own with --data-dir",
        folder.display()
    );
    if marker.exists() {
        for name in ["visavis.db", "visavis.db-wal", "visavis.db-shm"] {
            remove(&folder.join(name), |path| std::fs::remove_file(path))?;
        }
        crate::consent::anchor::AnchorFile::in_folder(folder).replace(None)?;
        remove(&folder.join("outbox"), |path| std::fs::remove_dir_all(path))?;
    }
    crate::app::create_private(folder)
        .and_then(|()| std::fs::write(&marker, "The demo may delete this folder's data.\n"))
        .with_context(|| format!("cannot write to {}", folder.display()))
}

fn remove(path: &Path, how: impl Fn(&Path) -> std::io::Result<()>) -> anyhow::Result<()> {
    match how(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(cause).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn relay(url: &str) -> anyhow::Result<RelaySettings> {
    let parsed = reqwest::Url::parse(url)
        .ok()
        .filter(|url| url.scheme() == "smtp" && url.host_str().is_some())
        .with_context(|| format!("--relay {url:?}: write it as smtp://host:port"))?;
    Ok(RelaySettings::plain(
        parsed.host_str().unwrap_or_default(),
        parsed.port().unwrap_or(25),
    ))
}

async fn import(
    parts: &Parts,
    file: &Path,
    kind: ImportKind,
    label: &'static str,
) -> anyhow::Result<ImportReport> {
    let bytes = std::fs::metadata(file)
        .with_context(|| format!("cannot read {}", file.display()))?
        .len();
    let bar = progress::bar(label, bytes, "bytes");
    let request = ImportRequest::new(file, kind);
    let report = import::run(
        &parts.db,
        &parts.keys,
        parts.clock.now_ms(),
        request,
        |progress| bar.set_position(progress.bytes_read),
    )
    .await?;
    bar.finish_and_clear();
    Ok(report)
}

/// Waits until every message was handed over once that the hours allow now, showing how far it is.
async fn deliver(parts: &Parts, name: &str, deliveries: u64) -> anyhow::Result<Progress> {
    let bar = progress::bar("sending", deliveries, "messages");
    loop {
        let campaign = plan::find(&parts.db, name).await?;
        let now_ms = parts.clock.now_ms();
        let progress =
            delivery_progress::progress(&parts.db, &parts.settings, &campaign, now_ms).await?;
        anyhow::ensure!(
            progress.status_reason.is_none(),
            "the campaign was paused: {}",
            progress.status_reason.unwrap_or_default()
        );
        if let Some(rest) = progress.resting.first() {
            anyhow::bail!(
                "the relay fails: {}; `visavis check` tries it, and the next start goes on",
                rest.reason
            );
        }
        let open = (progress.pending - progress.held + progress.sending).unsigned_abs();
        bar.set_position(deliveries.saturating_sub(open));
        if open == 0 {
            bar.finish_and_clear();
            return Ok(progress);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
