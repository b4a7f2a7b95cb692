//! `visavis report`

use std::process::ExitCode;

use clap::Args;

use super::{Common, print};
use crate::campaigns::plan;
use crate::reports;

#[derive(Debug, Args)]
pub(super) struct Report {
    /// The campaign
    name: String,
    /// Prints the figures as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Prints the figures as CSV
    #[arg(long)]
    csv: bool,
}

impl Report {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        plan::find(&parts.db, &self.name).await?;
        let report = reports::store::report(&parts.db, &self.name)
            .await?
            .filter(|report| !report.waves.is_empty())
            .ok_or_else(|| {
                anyhow::anyhow!(
                    "{} was not launched yet; `visavis campaign launch {}` does that",
                    self.name,
                    self.name
                )
            })?
            .in_currency(&parts.settings.sms.currency)
            .at(parts.clock.now_ms());
        if self.json {
            print(serde_json::to_string_pretty(&report)?);
        } else if self.csv {
            print(reports::csv::write(&report)?);
        } else {
            print(reports::table::write(&report));
        }
        Ok(ExitCode::SUCCESS)
    }
}
