//! `visavis report`

use std::process::ExitCode;

use clap::Args;

use super::{Common, print};
use crate::campaigns::plan;
use crate::reports::{self, standing};

#[derive(Debug, Args)]
pub(super) struct Report {
    /// The campaign
    #[arg(required_unless_present = "standing")]
    name: Option<String>,
    /// What all campaigns together cause: the base against the standing control group
    #[arg(long, conflicts_with_all = ["name", "csv"])]
    standing: bool,
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
        let Some(name) = self.name else {
            let periods = standing::periods(&parts.db, parts.clock.now_ms()).await?;
            if self.json {
                print(serde_json::to_string_pretty(&periods)?);
            } else {
                print(standing::write(&periods));
            }
            return Ok(ExitCode::SUCCESS);
        };
        plan::find(&parts.db, &name).await?;
        let report = reports::store::report(&parts.db, &name)
            .await?
            .filter(|report| !report.waves.is_empty())
            .ok_or_else(|| {
                anyhow::anyhow!(
                    "{name} was not launched yet; `visavis campaign launch {name}` does that"
                )
            })?
            .in_currency(&parts.settings.orders.currency)
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
