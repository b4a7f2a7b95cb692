//! `visavis suppression`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::{Common, print};
use crate::consent::model::{Channel, Scope};
use crate::customers::scrub_list::{self, ScrubRequest};

#[derive(Debug, Subcommand)]
pub(super) enum Suppression {
    /// Suppresses the addresses of a list: one a line, or a CSV file
    Import {
        /// Columns email, phone or fingerprint, and perhaps channel, scope, reason, date.
        /// Fingerprints only of this installation's own export: its column key names their key, and
        /// those of another installation protect nobody here and are refused
        file: PathBuf,
        /// Where the addresses must not be used: email or sms
        #[arg(long)]
        channel: Option<Channel>,
        /// A word for reports, such as robinson
        #[arg(long)]
        reason: Option<String>,
        /// Only this topic [default: every topic of the channel]
        #[arg(long, value_name = "TOPIC")]
        scope: Option<String>,
        /// From when on; only a newer consent counts against it [default: now]
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<String>,
        /// Country of phone numbers without a prefix
        #[arg(long, default_value = "FR", value_name = "COUNTRY")]
        region: String,
        /// Does everything and takes it back
        #[arg(long)]
        dry_run: bool,
        /// Prints the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Writes every suppression as CSV: fingerprints, no addresses; only an installation with the same
    /// secret.key understands them
    Export {
        /// A file, or - for standard output
        file: PathBuf,
    },
}

impl Suppression {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::Import {
                file,
                channel,
                reason,
                scope,
                date,
                region,
                dry_run,
                json,
            } => {
                let parts = common.open_to_write().await?;
                super::ensure_topic(&parts, scope.as_deref()).await?;
                let request = ScrubRequest {
                    path: file,
                    channel,
                    reason,
                    scope: Scope::from_column(scope.unwrap_or_else(|| "*".to_owned())),
                    date,
                    region,
                    dry_run,
                };
                let now_ms = parts.clock.now_ms();
                let report = scrub_list::import(&parts.db, &parts.keys, now_ms, &request).await?;
                if json {
                    print(serde_json::to_string_pretty(&report)?);
                } else {
                    print(report);
                }
            }
            Self::Export { file } => {
                let parts = common.open().await?;
                let now_ms = parts.clock.now_ms();
                if file.as_os_str() == "-" {
                    scrub_list::export(&parts.db, &parts.keys, now_ms, std::io::stdout()).await?;
                    return Ok(ExitCode::SUCCESS);
                }
                // The file has its name only when it is whole.
                let mut unfinished = file.as_os_str().to_owned();
                unfinished.push(".part");
                let unfinished = PathBuf::from(unfinished);
                let failed = || format!("cannot write {}", file.display());
                let out = std::fs::File::create(&unfinished).with_context(failed)?;
                let count = scrub_list::export(&parts.db, &parts.keys, now_ms, out).await?;
                std::fs::rename(&unfinished, &file).with_context(failed)?;
                print(format_args!(
                    "{} written to {}.",
                    crate::storage::text::counted(count, "suppression", "suppressions"),
                    file.display()
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
