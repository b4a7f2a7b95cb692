//! `visavis replies`

use std::process::ExitCode;

use clap::Args;

use super::{Common, print};
use crate::clock::from_ms;
use crate::responses::texts::replies::{self, Page, Reply};
use crate::storage::text::counted;

/// What people wrote back by SMS, the newest first: what no keyword explains is for a person to read
#[derive(Debug, Args)]
pub(super) struct Replies {
    /// Also those that somebody has dealt with
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
    /// Marks this one as done instead
    #[arg(long, value_name = "ID")]
    done: Option<i64>,
    #[arg(long)]
    json: bool,
}

impl Replies {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        if let Some(id) = self.done {
            let now_ms = parts.clock.now_ms();
            anyhow::ensure!(
                replies::mark_done(&parts.db, id, now_ms).await?,
                "there is no reply {id}; `visavis replies --all` lists them"
            );
            print(format_args!("Reply {id} is done."));
            return Ok(ExitCode::SUCCESS);
        }
        let page = replies::page(&parts.db, !self.all, 0, i64::from(self.limit)).await?;
        if self.json {
            print(serde_json::to_string_pretty(&page)?);
        } else {
            print(table(&page));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn table(page: &Page) -> String {
    let mut text = format!(
        "{}, {} to be read\n",
        counted(page.count, "reply", "replies"),
        page.open
    );
    for reply in &page.replies {
        text.push_str(&lines(reply));
    }
    text.trim_end().to_owned()
}

fn lines(reply: &Reply) -> String {
    let at = from_ms(reply.received_at).format("%Y-%m-%d %H:%M");
    let number = reply.number.as_deref().unwrap_or("number erased");
    let who = match (&reply.name, reply.customer) {
        (Some(name), Some(id)) => format!("{name} (customer {id})"),
        (None, Some(id)) => format!("customer {id}"),
        (_, None) => "nobody we know".to_owned(),
    };
    let campaign = reply.campaign.as_deref().unwrap_or("no campaign");
    let done = if reply.done_at.is_some() {
        ", done"
    } else {
        ""
    };
    // A line break or an escape sequence in a text must not pass for something of ours.
    let body: String = reply
        .text
        .as_deref()
        .unwrap_or("(erased)")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!(
        "\n{id}  {at} UTC  {number}  {who}, {campaign}{done}\n    {body}\n",
        id = reply.id
    )
}
