//! `visavis campaign`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, actor, print};
use crate::app::Parts;
use crate::campaigns::check::{self, CheckedCampaign};
use crate::campaigns::definition::Definition;
use crate::campaigns::{plan, schedule, store};
use crate::delivery::launch::{self, Occurrence};
use crate::delivery::{cancel, decide, progress};
use crate::storage::text::counted;
use crate::templates::{Template, library};

#[derive(Debug, Subcommand)]
pub(super) enum CampaignCommand {
    /// Stores a definition, or the change of one
    Apply {
        /// A TOML file
        file: PathBuf,
    },
    /// Lists the campaigns
    List,
    /// Shows a definition
    Show { name: String },
    /// Says what would happen: who gets it, who does not and why, how long it takes
    Check {
        /// The name of a stored campaign, or a TOML file
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// Freezes the audience and starts sending
    Launch { name: String },
    /// Stops for a while; takes effect within a second
    Pause {
        name: String,
        /// Shown in the status
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
    /// Goes on after a pause
    Resume { name: String },
    /// Stops for good; what was sent stays on record
    Cancel { name: String },
    /// Chooses the winner of a test before its time; those who wait get it
    Decide {
        name: String,
        /// The cell; without it the one that stands best
        #[arg(long)]
        cell: Option<String>,
    },
    /// Shows how far it is
    Status {
        name: String,
        #[arg(long)]
        json: bool,
    },
}

impl CampaignCommand {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = match self {
            Self::Apply { .. } => common.open_to_write().await?,
            _ => common.open().await?,
        };
        let db = &parts.db;
        let now = parts.clock.now();
        let now_ms = parts.clock.now_ms();
        match self {
            Self::Apply { file } => {
                let definition = Definition::load(&file)?;
                let templates = find_templates(&parts, &definition).await?;
                let templates: Vec<&Template> = templates.iter().collect();
                // What check and launch would refuse is not stored either.
                if let Some(refusal) = check::offer_refusal(&definition, &parts.rules) {
                    anyhow::bail!("{}: {refusal}", file.display());
                }
                if let Some(refusal) =
                    check::sender_refusal(&definition, &parts.settings, &BTreeSet::new())
                {
                    anyhow::bail!("{}: {refusal}", file.display());
                }
                if let Err(refusal) = check::routes_of(&definition, &parts.settings) {
                    anyhow::bail!("{}: {refusal}", file.display());
                }
                let (_, applied) =
                    plan::apply(db, &definition, &templates, None, &actor(), now).await?;
                let campaign = plan::find(db, &definition.name).await?;
                let what = match applied {
                    plan::Applied::Created => "created",
                    plan::Applied::Updated => "updated",
                    plan::Applied::Unchanged => "unchanged",
                };
                print(format_args!(
                    "{} {what}, {}.",
                    definition.name, campaign.status
                ));
                let plan = definition.schedule.as_ref();
                match store::next_due(&**db, campaign.id).await? {
                    Some((due, at)) if at < now_ms => {
                        let due_at = crate::clock::from_ms(at);
                        let is_missed =
                            plan.is_some_and(|plan| schedule::is_missed(plan, due_at, now));
                        print(if is_missed {
                            format!("{due} has passed and is left out (missed = \"skip\").")
                        } else {
                            format!(
                                "{due} is overdue; starts with the next `visavis serve` or `visavis work`."
                            )
                        });
                    }
                    Some((due, at)) => print(format_args!(
                        "Next: {due} by the clock of its zone, launched at {}. See what would happen: visavis campaign check {}",
                        crate::clock::from_ms(at).format("%Y-%m-%d %H:%M UTC"),
                        definition.name
                    )),
                    None => print(format_args!(
                        "See what would happen: visavis campaign check {0}\nSend it: visavis campaign launch {0}",
                        definition.name
                    )),
                }
            }
            Self::List => {
                let campaigns = store::list(db).await?;
                if campaigns.is_empty() {
                    print(
                        "There is no campaign yet; `visavis campaign apply FILE.toml` makes one.",
                    );
                }
                for campaign in campaigns {
                    let next = store::next_due(&**db, campaign.id)
                        .await?
                        .map(|(due, _)| format!("  next {due}"))
                        .unwrap_or_default();
                    print(format_args!(
                        "{:<32} {:<10}{next}",
                        campaign.definition.name, campaign.status
                    ));
                }
            }
            Self::Show { name } => {
                let campaign = plan::find(db, &name).await?;
                print(format_args!(
                    "# {}, revision {}\n{}",
                    campaign.status,
                    campaign.revision,
                    toml::to_string_pretty(&campaign.definition)?
                ));
            }
            Self::Check { name, json } => {
                let (definition, templates) = if name.ends_with(".toml") {
                    let definition = Definition::load(name.as_ref())?;
                    let templates = find_templates(&parts, &definition).await?;
                    (definition, templates)
                } else {
                    let campaign = plan::find(db, &name).await?;
                    let mut versions = vec![campaign.template_version];
                    versions.extend(
                        store::cell_versions(&**db, campaign.id)
                            .await?
                            .into_values(),
                    );
                    versions.dedup();
                    let mut templates = Vec::with_capacity(versions.len());
                    for version in versions {
                        let source = store::template_source(&**db, version).await?;
                        templates.push(Template::from_source(&source)?);
                    }
                    (campaign.definition, templates)
                };
                let templates: Vec<&Template> = templates.iter().collect();
                let checked =
                    check::check(db, &definition, &templates, &parts.settings, now).await?;
                let is_ready = checked.is_ready();
                show(&checked, json)?;
                if !is_ready {
                    return Ok(ExitCode::FAILURE);
                }
            }
            Self::Launch { name } => {
                let campaign = plan::find(db, &name).await?;
                let launched = launch::launch(
                    db,
                    campaign.id,
                    Occurrence::ByHand,
                    parts.launch_options(),
                    &actor(),
                    now,
                )
                .await?;
                if launched.was_already {
                    print(format_args!(
                        "{name} was launched before; nothing was done."
                    ));
                } else {
                    print(format_args!(
                        "{name} launched: {} to send, {} withheld.",
                        counted(launched.deliveries, "message", "messages"),
                        launched.withheld.values().sum::<u64>()
                    ));
                    print("`visavis serve` or `visavis work --until-idle` sends them.");
                    let campaign = plan::find(db, &name).await?;
                    let progress =
                        progress::progress(db, &parts.settings, &campaign, now_ms).await?;
                    if let Some(at) = progress.next_pending_at {
                        print(format_args!(
                            "The first are due at {}.",
                            crate::clock::from_ms(at).format("%Y-%m-%d %H:%M UTC")
                        ));
                    }
                }
            }
            Self::Pause { name, reason } => {
                plan::pause(db, &name, &reason, &actor(), now_ms).await?;
                print(format_args!(
                    "{name} is paused; `visavis campaign resume {name}` goes on."
                ));
            }
            Self::Resume { name } => {
                let campaign = plan::resume(db, &name, &actor(), now_ms).await?;
                print(format_args!("{name} is {}.", campaign.status));
            }
            Self::Cancel { name } => {
                let withheld = cancel::cancel(db, &name, &actor(), now_ms).await?;
                print(format_args!(
                    "{name} is cancelled; {} not sent and on record as withheld.",
                    counted(withheld.unsigned_abs(), "message was", "messages were")
                ));
            }
            Self::Decide { name, cell } => {
                let decision =
                    decide::decide_now(db, &name, cell.as_deref(), &actor(), now_ms).await?;
                print(format_args!(
                    "{} is chosen; `visavis serve` or `visavis work --until-idle` sends it to those who wait.",
                    decision.winner
                ));
            }
            Self::Status { name, json } => {
                let campaign = plan::find(db, &name).await?;
                let progress = progress::progress(db, &parts.settings, &campaign, now_ms).await?;
                if json {
                    print(serde_json::to_string_pretty(&progress)?);
                } else {
                    print(progress);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(checked: &CheckedCampaign, json: bool) -> anyhow::Result<()> {
    if json {
        print(serde_json::to_string_pretty(checked)?);
    } else {
        print(checked);
    }
    Ok(())
}

/// The templates a definition names, its own first.
async fn find_templates(
    parts: &Parts,
    definition: &Definition,
) -> Result<Vec<Template>, library::LibraryError> {
    let mut templates = Vec::new();
    for name in definition.templates() {
        templates.push(library::find(&parts.db, &parts.settings.templates_dir, name).await?);
    }
    Ok(templates)
}
