//! `visavis segment`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, print};
use crate::customers::store as customer_store;
use crate::segments::{Rule, names, store, vocabulary};

/// How the words go together.
const GRAMMAR: &str = r#"A rule joins tests with and, or, not and parentheses:

  age between 30 and 60 and city in ("Amiens", "Lille") and not tagged "staff"

  FIELD = VALUE            also != < <= > >=
  FIELD between A and B    both included
  FIELD in (A, B, …)
  TEXT contains "…"        also starts with, ends with; case and accents do not count
  FIELD is known           also is unknown
  DATE within 90 days      also weeks, months, years
  DATE more than 2 years ago
  DATE >= 2025-03-01
  BEHAVIOUR campaign "…" at least 2 times within 90 days
  BEHAVIOUR between 2025-01-01 and 2025-12-31
  ordered product "…" category "…" for at least 120.50 within 1 year
"#;

#[derive(Debug, Subcommand)]
pub(super) enum Segment {
    /// Counts the customers a rule selects
    Count {
        /// Such as: age between 30 and 60 and city in ("Amiens", "Lille")
        rule: String,
    },
    /// Says why one customer is in or out, rule by rule
    Explain {
        /// A rule of the segment language
        rule: String,
        /// The customer: id, your own key, or address
        #[arg(long, value_name = "ID")]
        customer: String,
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
                for note in names::unknown(&parts.db, &rule).await? {
                    print(format_args!("note: {note}"));
                }
            }
            Self::Explain { rule, customer } => {
                let rule = Rule::parse(&rule)?;
                let parts = common.open().await?;
                let found = customer_store::find(&parts.db, &customer).await?;
                let id = found
                    .ok_or_else(|| anyhow::anyhow!("there is no customer {customer}"))?
                    .id;
                let profile = store::profile(&parts.db, id)
                    .await?
                    .ok_or_else(|| anyhow::anyhow!("there is no customer {customer}"))?;
                print(rule.explain(&profile, parts.clock.now()));
            }
            Self::Words => {
                print(GRAMMAR);
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
