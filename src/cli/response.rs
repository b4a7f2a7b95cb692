//! `visavis response`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, print};
use crate::customers::normalise;
use crate::customers::orders::Who;
use crate::ids::CustomerId;
use crate::responses::answers::{self, Answer, Place};

#[derive(Debug, Subcommand)]
pub(super) enum ResponseCommand {
    /// Notes that somebody came or called and named the code of an offer
    Add {
        /// The code he named, as in [offer] code
        #[arg(long, value_name = "CODE")]
        code: String,
        /// Where he answered
        #[arg(long, value_enum)]
        kind: Kind,
        /// Who it was, by our number
        #[arg(long, value_name = "ID", conflicts_with_all = ["external_id", "email"])]
        customer: Option<i64>,
        /// Who it was, by the firm's number of him
        #[arg(long, value_name = "ID", conflicts_with = "email")]
        external_id: Option<String>,
        /// Who it was, by his address
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// What else there is to say
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Kind {
    Shop,
    Phone,
}

impl ResponseCommand {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let Self::Add {
            code,
            kind,
            customer,
            external_id,
            email,
            note,
        } = self;
        let parts = common.open_to_write().await?;
        let email = email
            .map(|email| normalise::email(&email).map(|email| email.key))
            .transpose()
            .map_err(|error| anyhow::anyhow!("--email: {error}"))?;
        let now = parts.clock.now_ms();
        let told = Answer {
            code: &code,
            who: Who {
                id: customer.map(CustomerId),
                external_id,
                email,
                phone: None,
            },
            place: match kind {
                Kind::Shop => Place::Shop,
                Kind::Phone => Place::Phone,
            },
            note: note.as_deref(),
            at: now,
        };
        let txn = parts.db.begin().await?;
        let message = answers::answer(&txn, &told, now).await?;
        txn.commit().await?;
        print(match message {
            Some(key) => format!("Counted as an answer to message {} of wave {}.", key.seq, key.wave),
            None => "Counted for the offer: nobody we know got it within its window (answers.unmatched)."
                .to_owned(),
        });
        Ok(ExitCode::SUCCESS)
    }
}
