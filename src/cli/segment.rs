//! `visavis segment`

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use anyhow::Context as _;

use super::{Common, print};
use crate::app::Parts;
use crate::clock::from_ms;
use crate::customers::store as customer_store;
use crate::gate::study::{Studies, Study};
use crate::segments::library::{self, Archived, Draft, LibraryError, Segment as Kept};
use crate::segments::{Rule, names, store, vocabulary};

/// Who waits here has time.
const PATIENCE: Duration = Duration::from_secs(300);

/// Who changes segments here.
const ACTOR: &str = "command line";

/// How the words go together.
const GRAMMAR: &str = r#"A rule joins tests with and, or, not and parentheses:

  age between 30 and 60 and city in ("Amiens", "Lille") and not tagged "staff"

  FIELD = VALUE            also != < <= > >=
  FIELD between A and B    both included
  FIELD in (A, B, …)
  TEXT contains "…"        also starts with, ends with; case and accents do not count
  FIELD is known           also is unknown
  DATE within 90 days      also weeks, months, years
  DATE more than 2 years ago
  DATE >= 2025-03-01
  BEHAVIOUR campaign "…" at least 2 times within 90 days
  BEHAVIOUR between 2025-01-01 and 2025-12-31
  ordered product "…" category "…" for at least 120.50 within 1 year
"#;

#[derive(Debug, Subcommand)]
pub(super) enum Segment {
    /// Counts the customers a rule selects
    Count {
        /// Such as: age between 30 and 60 and city in ("Amiens", "Lille")
        rule: String,
    },
    /// Says why one customer is in or out, rule by rule
    Explain {
        /// A rule of the segment language
        rule: String,
        /// The customer: id, your own key, or address
        #[arg(long, value_name = "ID")]
        customer: String,
    },
    /// Keeps a rule under a name, or changes the one that bears it
    Save {
        /// What the segment is called
        name: String,
        /// A rule of the segment language
        rule: String,
        /// What it is for; left out: as it was
        #[arg(long)]
        description: Option<String>,
    },
    /// Lists the segments that bear a name
    List {
        /// Those that were put away
        #[arg(long)]
        archived: bool,
    },
    /// Shows a segment: how many each line takes away, who can be reached, whether it is a useful one
    Show {
        name: String,
        /// What they would be written to about [default: the first topic of the settings]
        #[arg(long)]
        topic: Option<String>,
    },
    /// Puts a segment away; campaigns keep their rules
    Archive {
        name: String,
        /// Takes it back
        #[arg(long)]
        back: bool,
    },
    /// Lists the words of the segment language
    Words,
}

impl Segment {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::Count { rule } => {
                let rule = Rule::parse(&rule)?;
                let parts = common.open().await?;
                let selected = store::count(&parts.db, &rule, parts.clock.now()).await?;
                let all = crate::customers::store::count(&parts.db).await?;
                print(format_args!("{selected} of {all} customers: {rule}"));
                for note in names::unknown(&parts.db, &rule).await? {
                    print(format_args!("note: {note}"));
                }
            }
            Self::Explain { rule, customer } => {
                let rule = Rule::parse(&rule)?;
                let parts = common.open().await?;
                let found = customer_store::find(&parts.db, &customer).await?;
                let id = found
                    .ok_or_else(|| anyhow::anyhow!("there is no customer {customer}"))?
                    .id;
                let profile = store::profile(&parts.db, id)
                    .await?
                    .ok_or_else(|| anyhow::anyhow!("there is no customer {customer}"))?;
                print(rule.explain(&profile, parts.clock.now()));
            }
            Self::Save {
                name,
                rule,
                description,
            } => {
                let rule = Rule::parse(&rule)?;
                let parts = common.open().await?;
                let now_ms = parts.clock.now_ms();
                let before = library::by_name(&parts.db, &name).await?;
                let segment = match &before {
                    None => {
                        let description = description.as_deref().unwrap_or_default();
                        let draft = Draft {
                            name: &name,
                            description,
                            rule: &rule,
                        };
                        library::create(&parts.db, draft, ACTOR, now_ms).await?
                    }
                    Some(before) => {
                        let draft = Draft {
                            name: &before.name,
                            description: description.as_deref().unwrap_or(&before.description),
                            rule: &rule,
                        };
                        let (id, revision) = (before.id, before.revision);
                        library::change(&parts.db, id, revision, draft, ACTOR, now_ms).await?
                    }
                };
                let done = if before.is_some() { "changed" } else { "saved" };
                print(format_args!("{done} {}: {}", segment.name, segment.rule));
                for note in names::unknown(&parts.db, &rule).await? {
                    print(format_args!("note: {note}"));
                }
            }
            Self::List { archived } => {
                let parts = common.open().await?;
                let archived = if archived {
                    Archived::Yes
                } else {
                    Archived::No
                };
                let segments = library::list(&parts.db, archived).await?;
                if segments.is_empty() {
                    print("no segments; `visavis segment save NAME RULE` keeps one");
                }
                for segment in segments {
                    print(format_args!("{}: {}", segment.name, segment.rule));
                    if let Some(counted) = &segment.counted {
                        print(format_args!(
                            "  {} of {} customers, {} by email and {} by SMS about {}, counted {}",
                            counted.people,
                            counted.base,
                            counted.reach_email,
                            counted.reach_sms,
                            counted.topic,
                            from_ms(counted.at).format("%Y-%m-%d %H:%M UTC"),
                        ));
                    }
                }
            }
            Self::Show { name, topic } => {
                let parts = common.open().await?;
                let segment = kept(&parts, &name).await?;
                show(&parts, &segment, topic.as_deref()).await?;
            }
            Self::Archive { name, back } => {
                let parts = common.open().await?;
                let segment = kept(&parts, &name).await?;
                let now_ms = parts.clock.now_ms();
                library::archive(&parts.db, segment.id, !back, ACTOR, now_ms).await?;
                let done = if back { "taken back" } else { "put away" };
                print(format_args!("{} is {done}", segment.name));
            }
            Self::Words => {
                print(GRAMMAR);
                for field in crate::segments::model::Field::ALL {
                    print(format_args!(
                        "{:<16} {}",
                        field.as_str(),
                        field.description()
                    ));
                }
                for (word, description) in vocabulary::predicates() {
                    print(format_args!("{word:<16} {description}"));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn kept(parts: &Parts, name: &str) -> anyhow::Result<Kept> {
    let found = library::by_name(&parts.db, name).await?;
    let unknown = || LibraryError::Unknown {
        name: name.to_owned(),
    };
    Ok(found.ok_or_else(unknown)?)
}

async fn show(parts: &Parts, segment: &Kept, topic: Option<&str>) -> anyhow::Result<()> {
    let rule = Rule::parse(&segment.rule)?;
    print(format_args!("{}: {rule}", segment.name));
    if !segment.description.is_empty() {
        print(&segment.description);
    }
    let topics = &parts.settings.permission.topics;
    let topic = topic
        .or_else(|| topics.first().map(|topic| topic.name.as_str()))
        .context("the settings know no topic; name one with --topic")?;
    let now = parts.clock.now();
    let study = Studies::patient(PATIENCE)
        .of(&parts.db, &parts.rules, &rule, topic, now)
        .await?;
    print_study(&study);
    let uses = library::uses(&parts.db).await?;
    for used in uses.get(&segment.id).into_iter().flatten() {
        let form = if used.is_current {
            ""
        } else {
            ", with an earlier form of it"
        };
        print(format_args!(
            "used by {} ({}){form}",
            used.campaign, used.status
        ));
    }
    Ok(())
}

fn print_study(study: &Study) {
    let analysis = &study.analysis;
    print(format_args!(
        "{} of {} customers",
        analysis.people, analysis.base
    ));
    let sign = if analysis.is_any { '+' } else { '-' };
    for line in &analysis.lines {
        print(format_args!(
            "{:>12} {sign}{:<11} {}",
            line.people, line.moved, line.rule
        ));
    }
    for finding in study.verdict() {
        let said: Vec<String> = finding.sentences.iter().map(ToString::to_string).collect();
        print(format_args!(
            "{}: {}; {}",
            finding.criterion.as_str(),
            finding.grade.as_str(),
            said.join("; ")
        ));
    }
}
