//! `visavis segment`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, print};
use crate::ids::CustomerId;
use crate::segments::{Rule, store, vocabulary};

#[derive(Debug, Subcommand)]
pub(super) enum Segment {
    /// Counts the customers a rule selects
    Count {
        /// Such as: age between 30 and 60 and city in ("Amiens", "Lille")
        rule: String,
    },
    /// Says why one customer is in or out, rule by rule
    Explain {
        rule: String,
        /// The customer's id
        #[arg(long, value_name = "ID")]
        customer: i64,
    },
    /// Lists the words of the segment language
    Words,
}

impl Segment {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::Count { rule } => {
                let rule = Rule::parse(&rule)?;
                let parts = common.open().await?;
                let selected = store::count(&parts.db, &rule, parts.clock.now()).await?;
                let all = crate::customers::store::count(&parts.db).await?;
                print(format_args!("{selected} of {all} customers: {rule}"));
            }
            Self::Explain { rule, customer } => {
                let rule = Rule::parse(&rule)?;
                let parts = common.open().await?;
                let profile = store::profile(&parts.db, CustomerId(customer))
                    .await?
                    .ok_or_else(|| anyhow::anyhow!("there is no customer {customer}"))?;
                print(rule.explain(&profile, parts.clock.now()));
            }
            Self::Words => {
                for field in crate::segments::model::Field::ALL {
                    print(format_args!(
                        "{:<16} {}",
                        field.as_str(),
                        field.description()
                    ));
                }
                for (word, description) in vocabulary::predicates() {
                    print(format_args!("{word:<16} {description}"));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
