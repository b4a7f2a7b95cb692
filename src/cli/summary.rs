//! `visavis summary`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, print};
use crate::clock::DAY_MS;
use crate::reports::summary;

#[derive(Debug, Subcommand)]
pub(super) enum Summary {
    /// Prints what ran in the last days
    Show {
        /// How many days back
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3_660))]
        days: u32,
    },
    /// Sends it by email now, with its charts; the scheduled ones are not touched
    Send {
        /// To this address
        #[arg(long, value_name = "ADDRESS")]
        to: String,
        /// How many days back
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3_660))]
        days: u32,
    },
}

impl Summary {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        match self {
            Self::Show { days } => {
                let now_ms = parts.clock.now_ms();
                let since = now_ms.saturating_sub(i64::from(days).saturating_mul(DAY_MS));
                let found = summary::of_period(&parts.db, since, now_ms, now_ms).await?;
                let settings = &parts.settings;
                print(summary::text(
                    &found,
                    settings.summary.zone,
                    &settings.orders.currency,
                ));
            }
            Self::Send { to, days } => {
                let engine = parts.engine().await?;
                let sent = engine.summaries().send_now(&to, days).await;
                engine.close().await;
                sent?.map_err(|problem| anyhow::anyhow!("the summary was not sent: {problem}"))?;
                print(format_args!(
                    "The summary of the last {days} days was sent to {to}."
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
