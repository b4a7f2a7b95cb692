//! `visavis customer`

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Common, print};
use crate::clock::from_ms;
use crate::consent::model::{Channel, Scope};
use crate::customers::import;
use crate::dialogue::lookup::{self, Who};
use crate::dialogue::object::Objection;
use crate::dialogue::{erase, export, object, rectify};
use crate::ids::CustomerId;
use crate::reports::table::money;
use crate::responses::timeline::{self, Key};
use crate::segments;
use crate::storage::Db;
use crate::storage::text::counted;

#[derive(Debug, Subcommand)]
pub(super) enum CustomerCommand {
    /// Prints the number of a customer, by which the other commands know him
    Find(Find),
    /// Shows what is kept about a customer
    Show(One),
    /// Writes everything about a customer into a zip archive (GDPR art. 15 and 20)
    Export(Export),
    /// Sets fields right (GDPR art. 16)
    Rectify(Rectify),
    /// Records a "no" that came otherwise than by a link (GDPR art. 21)
    Object(Object),
    /// Erases a customer; fingerprints and proof are kept (GDPR art. 17)
    Erase(Erase),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Wanted {
    #[arg(long)]
    email: Option<String>,
    #[arg(long)]
    phone: Option<String>,
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Find {
    #[command(flatten)]
    wanted: Wanted,
    /// Country of a phone number without a prefix
    #[arg(long, default_value = "FR", value_name = "COUNTRY")]
    region: String,
}

/// Who it is about, and who does it.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The customer: his number, your own key for him, or his e-mail address; number:42 where your keys
    /// are numbers too
    #[arg(long, value_name = "ID")]
    customer: String,
    /// Who does it, for the audit record [default: the user of this machine]
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    one: One,
    /// The archive to write
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Rectify {
    #[command(flatten)]
    one: One,
    /// A field, named like the column of an import, and its value; without a value it is cleared
    #[arg(long = "set", value_name = "FIELD=VALUE", required = true)]
    fields: Vec<String>,
    /// The person asked for it: his permissions move to the new address
    #[arg(long)]
    asked_by_person: bool,
    /// Country of a phone number without a prefix
    #[arg(long, default_value = "FR", value_name = "COUNTRY")]
    region: String,
}

#[derive(Debug, Args)]
pub(super) struct Object {
    #[command(flatten)]
    one: One,
    /// email or sms [default: both]
    #[arg(long)]
    channel: Option<Channel>,
    /// Only this topic [default: everything]
    #[arg(long)]
    topic: Option<String>,
    /// Where the person said so, for the evidence: "letter of 3 March"; without his name or address
    #[arg(long, value_name = "TEXT")]
    source: String,
}

#[derive(Debug, Args)]
pub(super) struct Erase {
    /// The customer: his number, your own key for him, or his e-mail address; number:42 where your keys
    /// are numbers too
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "pending_email",
        conflicts_with = "pending_email"
    )]
    customer: Option<String>,
    /// Deletes the sign-ups of an address that nobody confirmed, instead
    #[arg(long, value_name = "ADDRESS")]
    pending_email: Option<String>,
    /// Who does it, for the audit record [default: the user of this machine]
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Does not ask again
    #[arg(long)]
    yes: bool,
}

impl CustomerCommand {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::Find(find) => find.run(common).await,
            Self::Show(one) => show(&one, common).await,
            Self::Export(export) => export.run(common).await,
            Self::Rectify(rectify) => rectify.run(common).await,
            Self::Object(object) => object.run(common).await,
            Self::Erase(erase) => erase.run(common).await,
        }
    }
}

impl One {
    async fn id(&self, db: &Db) -> anyhow::Result<CustomerId> {
        Ok(lookup::one(db, &self.customer).await?)
    }

    fn actor(&self) -> String {
        operator(self.actor.as_deref())
    }
}

/// The operator, with his name where the machine tells it.
fn operator(name: Option<&str>) -> String {
    let user = || {
        ["USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
    };
    match name.map(str::to_owned).or_else(user) {
        Some(name) => format!("operator {name}"),
        None => "operator".to_owned(),
    }
}

impl Find {
    async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let Wanted {
            email,
            phone,
            external_id,
        } = self.wanted;
        let who = match (email, phone, external_id) {
            (Some(email), _, _) => Who::Email(email),
            (_, Some(phone), _) => Who::Phone(phone, self.region),
            (_, _, external_id) => Who::ExternalId(external_id.unwrap_or_default()),
        };
        let parts = common.open().await?;
        let found = lookup::find(&parts.db, &who).await?;
        for customer in &found {
            print(customer);
        }
        let mut waiting = 0;
        if let Who::Email(email) = &who {
            waiting = lookup::waiting_sign_ups(&parts.db, &parts.keys, email).await?;
        }
        if waiting > 0 {
            print(format_args!(
                "{} of this address not confirmed yet; the daily upkeep deletes what stays so for {}, `visavis customer erase --pending-email ADDRESS` does at once.",
                counted(waiting, "sign-up", "sign-ups"),
                counted(
                    parts.settings.sign_up.keep_unconfirmed_days.into(),
                    "day",
                    "days"
                ),
            ));
        } else if found.is_empty() {
            anyhow::bail!("nobody in the base is known by that");
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn show(one: &One, common: &Common) -> anyhow::Result<ExitCode> {
    let parts = common.open().await?;
    let now_ms = parts.clock.now_ms();
    let (id, actor) = (one.id(&parts.db).await?, one.actor());
    let shown = export::overview(&parts.db, &parts.keys, id, &actor, now_ms).await?;
    print(format_args!("Customer {id}"));
    for (name, value) in shown
        .get("profile")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if !value.is_null() && name != "id" {
            print(format_args!("  {name:<20} {}", plain(value)));
        }
    }
    for section in ["tags", "interests", "habits", "permissions", "suppressions"] {
        let rows = shown.get(section).and_then(Value::as_array);
        let rows = rows.map(Vec::as_slice).unwrap_or_default();
        print(format_args!("{section}: {}", rows.len()));
        for row in rows {
            let cells: Vec<String> = row
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{name} {}", plain(value)))
                .collect();
            print(format_args!("  {}", cells.join(", ")));
        }
    }
    let profile = segments::store::profile(&parts.db, id).await?;
    match profile.and_then(|profile| profile.worth) {
        Some(worth) => print(format_args!(
            "worth: {} (recency, frequency, monetary), {}",
            worth.code(),
            worth.class_in_words()
        )),
        None => print("worth: not known"),
    }
    let entries = timeline::before(&parts.db, id, Key::END, SHOWN).await?;
    print(format_args!("timeline: the last {}", entries.len()));
    for entry in entries {
        let cells = [
            Some(from_ms(entry.at).format("%Y-%m-%d %H:%M UTC").to_string()),
            Some(entry.kind),
            entry.channel.map(|channel| channel.to_string()),
            entry.campaign,
            entry.detail,
            entry.amount_cents.map(money),
            (!entry.made_by.is_person()).then(|| "not counted".to_owned()),
        ];
        let cells: Vec<String> = cells.into_iter().flatten().collect();
        print(format_args!("  {}", cells.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

/// Entries of the timeline that are shown.
const SHOWN: i64 = 20;

/// A value without quotation marks.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Export {
    async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        let now_ms = parts.clock.now_ms();
        let path = self.file.display();
        if self.file.exists() {
            anyhow::bail!("{path} is there already and is not written over; choose another name");
        }
        let (id, actor) = (self.one.id(&parts.db).await?, self.one.actor());
        let archive = export::archive(&parts.db, &parts.keys, id, &actor, now_ms).await?;
        write_private(&self.file, &archive).with_context(|| format!("cannot write {path}"))?;
        print(format_args!("Everything about customer {id} is in {path}."));
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a file that only its owner may read; one that is there is not written over.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(bytes)
}

impl Rectify {
    async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let fields: Vec<(String, String)> = self
            .fields
            .iter()
            .map(|pair| {
                let (name, value) = pair
                    .split_once('=')
                    .with_context(|| format!("--set {pair}: write FIELD=VALUE"))?;
                Ok((name.trim().to_owned(), value.to_owned()))
            })
            .collect::<anyhow::Result<_>>()?;
        let parts = common.open_to_write().await?;
        let now_ms = parts.clock.now_ms();
        let correction = import::read_fields(&fields, &self.region, now_ms)
            .map_err(|problem| anyhow::anyhow!("--set: {problem}; nothing was changed"))?;
        let outcome = rectify::rectify(
            &parts.db,
            &parts.keys,
            self.one.id(&parts.db).await?,
            &correction,
            self.asked_by_person,
            &self.one.actor(),
            now_ms,
        )
        .await?;
        print(if outcome.is_changed {
            "Rectified."
        } else {
            "It was so already."
        });
        if !outcome.moved.is_empty() {
            print(format_args!(
                "Permissions that moved to the new address: {}.",
                outcome.moved.join(", ")
            ));
        }
        if !outcome.ended.is_empty() {
            print(format_args!(
                "Permissions that ended with the former address: {}. If the person asked for the change, say so with --asked-by-person; else they sign up anew.",
                outcome.ended.join(", ")
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Object {
    async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open_to_write().await?;
        super::ensure_topic(&parts, self.topic.as_deref()).await?;
        let channel = match self.channel {
            Some(channel) => format!(" by {channel}"),
            None => String::new(),
        };
        let what = match self.topic.as_deref() {
            Some(topic) if topic != "*" => format!(" about {topic}"),
            _ => String::new(),
        };
        let objection = Objection {
            channel: self.channel,
            scope: self.topic.map_or(Scope::All, Scope::from_column),
            source: self.source,
        };
        let now_ms = parts.clock.now_ms();
        let (id, actor) = (self.one.id(&parts.db).await?, self.one.actor());
        object::object(&parts.db, &parts.keys, id, &objection, &actor, now_ms).await?;
        print(format_args!(
            "Recorded: customer {id} is not written to any more{what}{channel}."
        ));
        Ok(ExitCode::SUCCESS)
    }
}

impl Erase {
    async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open_to_write().await?;
        let (db, keys) = (&parts.db, &parts.keys);
        let now_ms = parts.clock.now_ms();
        let actor = operator(self.actor.as_deref());
        if let Some(email) = &self.pending_email {
            let n = lookup::delete_waiting_sign_ups(db, keys, email, &actor, now_ms).await?;
            print(format_args!(
                "{} deleted.",
                counted(n, "unconfirmed sign-up", "unconfirmed sign-ups")
            ));
            return Ok(ExitCode::SUCCESS);
        }
        let id = lookup::one(db, self.customer.as_deref().unwrap_or_default()).await?;
        if !self.yes && !is_confirmed(id)? {
            print("Nothing was changed.");
            return Ok(ExitCode::FAILURE);
        }
        let others = lookup::sharing_an_address(db, id).await?;
        erase::erase(db, keys, id, &actor, now_ms).await?;
        print(format_args!(
            "Customer {id} is erased. His addresses stay blocked by their fingerprints."
        ));
        for other in others {
            print(format_args!(
                "Customer {other} has the same address or number and is not erased: `visavis customer erase --customer {other}`"
            ));
        }
        let outbox = parts.settings.data_dir.join("outbox");
        if outbox.join("index.jsonl").exists() {
            print(format_args!(
                "Test mails in {} may still name them: delete that folder.",
                outbox.display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn is_confirmed(customer: CustomerId) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("erasing cannot be undone; say --yes to do it without being asked");
    }
    print(format_args!(
        "Erasing customer {customer} cannot be undone. Type the customer's number to go on:"
    ));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim() == customer.to_string())
}
