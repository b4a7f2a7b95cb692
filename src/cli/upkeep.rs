//! `visavis upkeep`

use std::process::ExitCode;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Common, print};
use crate::dialogue::upkeep::{self, UpkeepReport};
use crate::lifecycle;

/// Reports shown at most.
const HISTORY: u32 = 30;

#[derive(Debug, Args)]
pub(super) struct Upkeep {
    /// Counts what would be done, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Shows what the last upkeeps did instead
    #[arg(long, conflicts_with = "dry_run")]
    history: bool,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

impl Upkeep {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = if self.dry_run || self.history {
            common.open().await?
        } else {
            common.open_to_write().await?
        };
        let (db, keys, settings) = (&parts.db, &parts.keys, &parts.settings);
        let now_ms = parts.clock.now_ms();
        if self.history {
            let reports = upkeep::history(db, HISTORY).await?;
            if self.json {
                print(serde_json::to_string_pretty(&reports)?);
            } else if reports.is_empty() {
                print("No upkeep has run yet; `visavis serve` and `visavis work` do one a day.");
            } else {
                reports.iter().for_each(print);
            }
            return Ok(ExitCode::SUCCESS);
        }
        let report: UpkeepReport = if self.dry_run {
            upkeep::dry_run(db, keys, settings, now_ms).await?
        } else {
            let stop = CancellationToken::new();
            lifecycle::stop_on_signal(stop.clone())?;
            upkeep::run(db, keys, settings, now_ms, &stop).await?
        };
        if self.json {
            print(serde_json::to_string_pretty(&report)?);
        } else {
            print(&report);
        }
        Ok(ExitCode::SUCCESS)
    }
}
