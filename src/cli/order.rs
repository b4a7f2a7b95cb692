//! `visavis order`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, print};
use crate::clock::from_ms;
use crate::responses::orders::{self, UnmatchedOrder};
use crate::storage::text::counted;

#[derive(Debug, Subcommand)]
pub(super) enum OrderCommand {
    /// Orders of people whom the base does not have: they are taken when these come
    Unmatched {
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
}

impl OrderCommand {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let Self::Unmatched { limit, json } = self;
        let parts = common.open().await?;
        let (count, waiting) = orders::unmatched(&parts.db, i64::from(limit)).await?;
        if json {
            print(serde_json::to_string_pretty(
                &serde_json::json!({ "count": count, "orders": waiting }),
            )?);
        } else {
            print(table(count, &waiting));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn table(count: i64, waiting: &[UnmatchedOrder]) -> String {
    let mut text = format!(
        "{} without a customer; kept for [orders] keep_unmatched_days",
        counted(count.unsigned_abs(), "order", "orders")
    );
    for order in waiting {
        let id = order.external_id.as_deref().unwrap_or("without a number");
        let whose = order
            .customer_external_id
            .as_deref()
            .unwrap_or("an address or token");
        text.push_str(&format!(
            "\n  {}  {id}  {}.{:02} {}  names {whose}",
            from_ms(order.ordered_at).format("%Y-%m-%d %H:%M"),
            order.amount_cents / 100,
            (order.amount_cents % 100).abs(),
            order.currency.as_deref().unwrap_or_default(),
        ));
    }
    text
}
