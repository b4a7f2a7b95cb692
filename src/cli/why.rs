//! `visavis consent why`

use std::process::ExitCode;

use clap::Args;

use super::{Common, print};
use crate::campaigns::plan;
use crate::customers::store as customer_store;
use crate::delivery::why;

/// Says why a person was, will be or will not be contacted by a campaign, rule by rule
#[derive(Debug, Args)]
pub(super) struct Why {
    /// The customer: id or your own key
    #[arg(long, value_name = "ID")]
    customer: String,
    #[arg(long, value_name = "NAME")]
    campaign: String,
    #[arg(long)]
    json: bool,
}

impl Why {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        let campaign = plan::find(&parts.db, &self.campaign).await?;
        let customer = customer_store::find(&parts.db, &self.customer)
            .await?
            .ok_or_else(|| anyhow::anyhow!("there is no customer {}", self.customer))?;
        let why = why::why(
            &parts.db,
            &parts.rules,
            &campaign,
            customer.id,
            parts.clock.now(),
        )
        .await?;
        if self.json {
            print(serde_json::to_string_pretty(&why)?);
        } else {
            print(why);
        }
        Ok(ExitCode::SUCCESS)
    }
}
