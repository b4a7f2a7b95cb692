//! `visavis consent`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;

use super::{Common, print};
use crate::consent::anchor::{self, AnchorFile, SealError};
use crate::consent::chain::{self, Anchor, Defect, Verification};
use crate::consent::overview::{self, Overview};
use crate::consent::proof::{self, Proof};
use crate::customers::model::Customer;
use crate::customers::store as customers;
use crate::ids::CustomerId;
use crate::reports::table::thousands;
use crate::web::console::permission;

#[derive(Debug, Subcommand)]
pub(super) enum Consent {
    /// Why a person was, will be or will not be contacted by a campaign, rule by rule
    Why(super::why::Why),
    /// Proves that the chain of evidence is whole, or names the first broken link
    Verify {
        /// An end of the chain noted elsewhere, beside the one this server notes itself in its data folder
        #[arg(long, value_name = "POSITION:LINK")]
        anchor: Option<Anchor>,
        /// Takes the end of a chain that is whole as this server's anchor, after a person has looked: when
        /// an older backup of the database was restored
        #[arg(long)]
        accept: bool,
        /// Prints what was found as JSON
        #[arg(long)]
        json: bool,
    },
    /// Everything a regulator asks about one person's permission
    Proof {
        /// His number, your own key for him, or his address; of one who was erased, his number
        #[arg(long, value_name = "ID")]
        customer: String,
        /// Prints JSON (as without --html)
        #[arg(long)]
        json: bool,
        /// Writes a page that can be printed
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// The permission ladder: what each rung allows, and who stands on it now
    Levels {
        /// Of one topic [default: the best of each person's topics]
        #[arg(long)]
        topic: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

impl Consent {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::Why(why) => why.run(common).await,
            Self::Verify {
                anchor,
                accept,
                json,
            } => verify(common, anchor, accept, json).await,
            Self::Proof {
                customer,
                json,
                html,
            } => prove(common, &customer, json, html).await,
            Self::Levels { topic, json } => {
                let parts = common.open().await?;
                super::ensure_topic(&parts, topic.as_deref()).await?;
                let now_ms = parts.clock.now_ms();
                let overview =
                    overview::overview(&parts.db, &parts.settings, topic.as_deref(), now_ms)
                        .await?;
                if json {
                    print(serde_json::to_string_pretty(&overview)?);
                } else {
                    print(ladder(&overview));
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn verify(
    common: &Common,
    given: Option<Anchor>,
    accept: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let parts = common.open().await?;
    let file = AnchorFile::in_folder(&parts.settings.data_dir);
    if accept {
        let found = chain::verify(&parts.db, &parts.keys, &given).await?;
        if found.is_whole {
            file.replace(found.head.as_ref())?;
        }
    }
    match anchor::seal(&parts.db, &parts.keys, &file, parts.clock.now_ms()).await {
        // Told below, in the place of the first break.
        Ok(_) | Err(SealError::NotHeld { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let kept = file.read()?;
    let found = chain::verify(&parts.db, &parts.keys, given.iter().chain(&kept)).await?;
    if json {
        print(serde_json::to_string_pretty(&found)?);
    } else {
        print(told(&found, kept.as_ref()));
    }
    Ok(if found.is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn told(found: &Verification, kept: Option<&Anchor>) -> String {
    let Some(broken) = &found.broken else {
        let mut text = format!(
            "The chain is whole: {} links, {} permissions follow from their evidence, every withdrawal is suppressed.",
            thousands(found.links),
            thousands(found.permissions)
        );
        if found.unsealed > 0 {
            text.push_str(&format!(
                "\n{} pieces of evidence came in meanwhile and wait for their place.",
                thousands(found.unsealed)
            ));
        }
        if let Some(head) = &found.head {
            text.push_str(&format!(
                "\nThis server has noted its end, and seals nothing behind a chain that does not hold it. Note it\noutside this machine too; with `--anchor` it shows whether this machine itself was tampered with:\n{head}"
            ));
        }
        return text;
    };
    let mut text = "The chain is BROKEN".to_owned();
    if let Some(position) = broken.position {
        text.push_str(&format!(" at link {position}"));
    }
    text.push_str(&format!(": {}.", broken.defect.describe()));
    if let Some(evidence) = broken.evidence {
        text.push_str(&format!("\n  evidence {evidence}"));
    }
    if let Some(customer) = broken.customer {
        text.push_str(&format!("\n  customer {customer}"));
    }
    if let Some(permission) = &broken.permission {
        text.push_str(&format!("\n  permission {permission}"));
    }
    if broken.defect == Defect::Anchor
        && kept.is_some_and(|kept| Some(kept.position) == broken.position)
    {
        text.push_str(
            "\n  This server noted that link when it was sealed. Nothing is sealed until a person has looked. Did you\n  restore an older backup of the database? Then `visavis consent verify --accept` goes on from it.",
        );
    }
    text.push_str(&format!(
        "\n{} links before it are whole. Compare with your backups: somebody wrote to the database past this program.",
        thousands(found.links)
    ));
    text
}

/// By what a person is recognised; the rest of his profile is not asked for.
#[derive(Serialize)]
struct Person<'a> {
    external_id: Option<&'a str>,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    company: Option<&'a str>,
    email: Option<&'a str>,
    phone: Option<&'a str>,
}

impl<'a> Person<'a> {
    fn new(customer: &'a Customer) -> Self {
        Self {
            external_id: customer.external_id.as_deref(),
            first_name: customer.first_name.as_deref(),
            last_name: customer.last_name.as_deref(),
            company: customer.company.as_deref(),
            email: customer.email.as_deref(),
            phone: customer.phone.as_deref(),
        }
    }
}

/// The proof with the person it is about.
#[derive(Serialize)]
struct Document<'a> {
    person: Option<Person<'a>>,
    #[serde(flatten)]
    proof: &'a Proof,
}

async fn prove(
    common: &Common,
    who: &str,
    json: bool,
    html: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let parts = common.open().await?;
    let now_ms = parts.clock.now_ms();
    let file = AnchorFile::in_folder(&parts.settings.data_dir);
    anchor::seal_or_log(&parts.db, &parts.keys, &file, now_ms).await?;
    let person = customers::find(&parts.db, who).await?;
    let id = match &person {
        Some(person) => person.id,
        None => CustomerId(who.parse().with_context(|| {
            format!(
                "nobody in the base is {who:?}; of one who was erased, give the number they had"
            )
        })?),
    };
    let proof = proof::of_customer(&parts.db, &parts.settings, id, now_ms).await?;
    if let Some(file) = &html {
        let page = permission::html(&proof, person.as_ref()).map_err(anyhow::Error::msg)?;
        std::fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))?;
        if !json {
            print(format_args!("Proof written to {}.", file.display()));
        }
    }
    if json || html.is_none() {
        let document = Document {
            person: person.as_ref().map(Person::new),
            proof: &proof,
        };
        print(serde_json::to_string_pretty(&document)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// The ladder for a terminal.
fn ladder(overview: &Overview) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let about = match &overview.topic {
        Some(topic) => format!("topic {topic:?}"),
        None => "the best of each person's topics".to_owned(),
    };
    let _ = writeln!(
        text,
        "  The permission ladder: {} people, {about}",
        overview.customers.map(thousands).unwrap_or_default()
    );
    for rung in &overview.rungs {
        let _ = writeln!(
            text,
            "\n  {} {:<44}{:>12} people",
            rung.level.code(),
            rung.title.to_uppercase(),
            rung.people.map(thousands).unwrap_or_default()
        );
        let _ = writeln!(text, "    {}", rung.who);
        let mut lines = vec![("allows", rung.contact.to_string())];
        lines.extend(
            [
                ("offers", rung.offers.to_string()),
                ("climb", rung.climb.to_owned()),
                ("holds", rung.holds.to_string()),
            ]
            .into_iter()
            .filter(|(_, words)| !words.is_empty()),
        );
        for (name, words) in lines {
            let _ = writeln!(text, "    {name:<7} {words}");
        }
    }
    let _ = writeln!(
        text,
        "\n  Whoever gives no sign for so long stands one rung lower; a click, an order or a new yes renews."
    );
    let _ = writeln!(text, "\n  How often, and when");
    for rule in overview.caps.iter().chain(&overview.hours) {
        let _ = writeln!(text, "    {rule}");
    }
    let _ = writeln!(text, "\n  On what a permission rests");
    for basis in &overview.bases {
        let _ = writeln!(
            text,
            "    {:<18} {} ({})",
            basis.ground.title, basis.ground.rests_on, basis.holds
        );
    }
    let _ = writeln!(text, "\n  Topics");
    for topic in &overview.topics {
        let _ = writeln!(text, "    {:<18} {}", topic.name, topic.bases);
    }
    text.trim_end().to_owned()
}
