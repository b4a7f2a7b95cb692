//! `visavis mail`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, print};
use crate::clock::from_ms;
use crate::responses::inbox::kept::{self, KeptMail, Page};
use crate::storage::text::counted;

#[derive(Debug, Subcommand)]
pub(super) enum Mail {
    /// Lists them, the newest first
    List {
        /// Also those that somebody has dealt with
        #[arg(long)]
        all: bool,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
    /// Shows one whole
    Show { id: i64 },
    /// Marks one as dealt with
    Done { id: i64 },
}

impl Mail {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        match self {
            Self::List { all, limit, json } => {
                let page = kept::page(&parts.db, !all, None, i64::from(limit)).await?;
                if json {
                    print(serde_json::to_string_pretty(&page)?);
                } else {
                    print(table(&page));
                }
            }
            Self::Show { id } => {
                let mail = kept::mail(&parts.db, id).await?;
                let mail = mail.ok_or_else(|| unknown(id))?;
                let text = mail.text.as_deref().unwrap_or("(erased)");
                print(format_args!("{}\n\n{}", head(&mail), plain(text, true)));
            }
            Self::Done { id } => {
                let now_ms = parts.clock.now_ms();
                anyhow::ensure!(kept::mark_done(&parts.db, id, now_ms).await?, unknown(id));
                print(format_args!("Mail {id} is done."));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn unknown(id: i64) -> anyhow::Error {
    anyhow::anyhow!("there is no mail {id}; `visavis mail list --all` lists them")
}

fn table(page: &Page) -> String {
    let mut text = format!(
        "{}, {} to be read\n",
        counted(page.count, "mail", "mails"),
        page.open
    );
    for mail in &page.mails {
        let first: String = mail
            .text
            .as_deref()
            .unwrap_or("(erased)")
            .chars()
            .take(160)
            .collect();
        text.push_str(&format!("\n{}\n    {}\n", head(mail), plain(&first, false)));
    }
    text.trim_end().to_owned()
}

fn head(mail: &KeptMail) -> String {
    let at = from_ms(mail.received_at).format("%Y-%m-%d %H:%M");
    let sender = mail.sender.as_deref().unwrap_or("nobody named");
    let who = match (&mail.name, mail.customer) {
        (Some(name), Some(id)) => format!("answers {name} (customer {id})"),
        (None, Some(id)) => format!("answers customer {id}"),
        (_, None) => "about nobody that is proved".to_owned(),
    };
    let campaign = mail.campaign.as_deref().unwrap_or("no campaign");
    let done = if mail.done_at.is_some() { ", done" } else { "" };
    let subject = mail.subject.as_deref().unwrap_or("without a subject");
    format!(
        "{}  {}  {at} UTC  {}  {who}, {campaign}{done}\n    {}",
        mail.id,
        mail.kind,
        plain(sender, false),
        plain(subject, false)
    )
}

/// A text without what a terminal would obey: an escape sequence in a mail must not pass for something of ours.
fn plain(text: &str, keeps_lines: bool) -> String {
    let is_kept = |c: char| !c.is_control() || (keeps_lines && c == '\n');
    text.chars()
        .map(|c| if is_kept(c) { c } else { ' ' })
        .collect()
}
