//! The command line: one file per command.

mod bench_data;
mod campaign;
mod check;
mod consent;
mod coupon;
mod customer;
mod demo;
mod grid;
mod import;
mod ingest;
mod mail;
mod order;
mod progress;
mod replies;
mod report;
mod response;
mod segment;
mod serve;
mod summary;
mod suppression;
mod template;
mod upkeep;
mod user;
mod webhook;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::app::Parts;
use crate::clock::{SharedClock, SystemClock};
use crate::config::Settings;

/// Says that a data folder holds nothing but a demo, which may begin it anew.
const DEMO_MARKER: &str = "made-by-visavis-demo";

/// Direct-marketing campaigns, one to one.
#[derive(Debug, Parser)]
#[command(name = "visavis", version, propagate_version = true)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Common {
    /// Settings file; every key is documented in config/default.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the data lives: database, secret, outbox [default: ./visavis-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the whole loop: a customer base, a campaign, its mails and its report
    Demo(demo::Demo),
    /// Fills an empty data folder with a large invented base, for measuring; nothing is sent
    #[command(hide = true)]
    BenchData(bench_data::BenchData),
    /// Reads customers or orders from a CSV file
    Import(import::Import),
    /// Counts a segment, or explains it for one customer
    #[command(subcommand)]
    Segment(segment::Segment),
    /// Lists, checks and previews templates
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Proves permission: the chain of evidence, one person's file, the ladder
    #[command(subcommand)]
    Consent(consent::Consent),
    /// Imports and exports suppression lists
    #[command(subcommand)]
    Suppression(suppression::Suppression),
    /// Plans, checks, launches and follows campaigns
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    /// Sends what is due
    Work(serve::Work),
    /// Answers links, launches what is due and sends it: everything in one process
    Serve(serve::Serve),
    /// What came back: the response-rate report of a campaign
    Report(report::Report),
    /// Imports, shows and redeems coupons
    #[command(subcommand)]
    Coupon(coupon::CouponCommand),
    /// Shows orders that wait for their customer
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// Notes who came to a shop or called
    #[command(subcommand)]
    Response(response::ResponseCommand),
    /// Response rates crossed: by segment, offer, channel, wave, and who the people are
    Grid(grid::Grid),
    /// Which criteria separate the responders of a campaign, and a rule for the next segment
    Improve(grid::Improve),
    /// What ran lately, for the people who run the campaigns: shown, or sent by email
    #[command(subcommand)]
    Summary(summary::Summary),
    /// What people wrote back by SMS
    Replies(replies::Replies),
    /// Takes in what came back
    #[command(subcommand)]
    Ingest(ingest::Ingest),
    /// Mails that a person must read: replies, and what nobody could tell
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Looks at configuration, database, relay and templates, and says what to do
    Check(check::Check),
    /// A person's rights: find, show, export, rectify, object, erase
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// Ends expired permissions, deletes unconfirmed sign-ups, keeps the retention period, lets old deliveries go
    Upkeep(upkeep::Upkeep),
    /// Who may sign in to the console: adds, lists, shuts out
    #[command(subcommand)]
    User(user::UserCommand),
    /// Tells other programs of events: endpoints, their secrets, and what they were told
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Brings the database schema up to date
    Migrate,
}

impl Arguments {
    /// Long-running commands tell what they do; the others speak through their output.
    pub fn log_level(&self) -> &'static str {
        match self.command {
            Command::Serve(_) | Command::Work(_) => "info",
            _ => "warn",
        }
    }
}

impl Common {
    /// The settings, with what the command line says put over them.
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::load(self.config.as_deref())?;
        if let Some(data_dir) = &self.data_dir {
            settings.data_dir.clone_from(data_dir);
        }
        Ok(settings)
    }

    /// As [`Common::open`], for a command that puts data in: from then on the folder is not only of a
    /// demo, and no demo begins it anew.
    async fn open_to_write(&self) -> anyhow::Result<Parts> {
        let parts = self.open().await?;
        let marker = parts.settings.data_dir.join(DEMO_MARKER);
        if marker.exists() {
            std::fs::remove_file(&marker)
                .with_context(|| format!("cannot remove {}", marker.display()))?;
        }
        Ok(parts)
    }

    /// Opens the data this command works on.
    async fn open(&self) -> anyhow::Result<Parts> {
        Parts::open(self.settings()?, clock())
            .await
            .map_err(Into::into)
    }
}

/// Refuses a topic that nothing here knows: most likely misspelt.
async fn ensure_topic(parts: &Parts, topic: Option<&str>) -> anyhow::Result<()> {
    let Some(topic) = topic.filter(|topic| *topic != "*") else {
        return Ok(());
    };
    let campaigns = crate::campaigns::store::list(&parts.db).await?;
    let of_campaigns = campaigns.into_iter().map(|one| one.definition.topic);
    crate::consent::topics::ensure_known(&parts.db, &parts.settings, of_campaigns, topic)
        .await
        .map_err(Into::into)
}

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// Runs the command to its end.
///
/// The runtime stands here and not in the program: what is awaited is compiled where it is first driven, and
/// driven from there all of this would be compiled a second time.
///
/// # Errors
/// What went wrong, for a person.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(dispatch(arguments))
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let common = &arguments.common;
    match arguments.command {
        Command::Demo(demo) => demo.run(common).await,
        Command::Import(import) => import.run(common).await,
        Command::Segment(segment) => segment.run(common).await,
        Command::Template(template) => template.run(common).await,
        Command::Consent(consent) => consent.run(common).await,
        Command::Suppression(suppression) => suppression.run(common).await,
        Command::Campaign(campaign) => campaign.run(common).await,
        Command::Work(work) => work.run(common).await,
        Command::Serve(serve) => serve.run(common).await,
        Command::Report(report) => report.run(common).await,
        Command::Coupon(coupon) => coupon.run(common).await,
        Command::Order(order) => order.run(common).await,
        Command::Response(response) => response.run(common).await,
        Command::Grid(grid) => grid.run(common).await,
        Command::Improve(improve) => improve.run(common).await,
        Command::Summary(summary) => summary.run(common).await,
        Command::Replies(replies) => replies.run(common).await,
        Command::Ingest(ingest) => ingest.run(common).await,
        Command::Mail(mail) => mail.run(common).await,
        Command::Check(check) => check.run(common).await,
        Command::Customer(customer) => customer.run(common).await,
        Command::BenchData(bench_data) => bench_data.run(common).await,
        Command::Upkeep(upkeep) => upkeep.run(common).await,
        Command::User(user) => user.run(common).await,
        Command::Webhook(webhook) => webhook.run(common).await,
        Command::Migrate => migrate(common).await,
    }
}

async fn migrate(common: &Common) -> anyhow::Result<ExitCode> {
    let settings = common.settings()?;
    std::fs::create_dir_all(&settings.data_dir)
        .with_context(|| format!("cannot create {}", settings.data_dir.display()))?;
    let url = settings.database_url();
    let db = crate::storage::Db::open(&url, settings.database.max_connections).await?;
    match db.migrate().await? {
        0 => println!("The schema of {url} is up to date."),
        n => println!("Applied {n} migrations to {url}."),
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Who gives a command, as the audit log has it: with the name the system tells, where it tells one.
fn actor() -> String {
    let named = ["SUDO_USER", "USER"].map(|name| std::env::var(name).unwrap_or_default());
    let user = named.iter().find(|user| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        (1..=60).contains(&user.len()) && user.chars().all(is_plain)
    });
    user.map_or_else(
        || "command line".to_owned(),
        |user| format!("command line {user}"),
    )
}

/// Writes text to standard output; a reader that went away (`| head`) is no error.
fn print(text: impl std::fmt::Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}");
    drop(written);
}
