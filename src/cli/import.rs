//! `visavis import`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Common, print, progress};
use crate::customers::import::{self, ImportKind, ImportRequest};
use crate::imports::take_in::take_in;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A CSV file; its delimiter and encoding are found out
    file: PathBuf,
    /// What the rows are
    #[arg(long, value_enum, default_value_t = Kind::Customers)]
    kind: Kind,
    /// Takes one of their columns for one of our fields (#2 is the second column); may be given several times
    #[arg(long, value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// Says what an import would do, and keeps nothing
    #[arg(long)]
    dry_run: bool,
    /// Country of phone numbers without a prefix [default: customers.country]
    #[arg(long, value_name = "COUNTRY")]
    region: Option<String>,
    /// Language of customers without one [default: customers.language]
    #[arg(long)]
    language: Option<String>,
    /// Country of customers without one [default: customers.country]
    #[arg(long)]
    country: Option<String>,
    /// Where rejected rows are written [default: FILE.rejected.csv]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Prints the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Customers,
    Orders,
}

impl Import {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let map = self
            .map
            .iter()
            .map(|pair| import::parse_map(pair))
            .collect::<Result<_, _>>()
            .map_err(|problem| anyhow::anyhow!("--map {problem}"))?;
        let parts = common.open_to_write().await?;
        let bytes = std::fs::metadata(&self.file).map_or(0, |metadata| metadata.len());
        let bar = progress::bar("importing", bytes, "bytes");
        let usual = &parts.settings.customers;
        let request = ImportRequest {
            path: self.file.clone(),
            name: None,
            kind: match self.kind {
                Kind::Customers => ImportKind::Customers,
                Kind::Orders => ImportKind::Orders,
            },
            map,
            default_region: self.region.unwrap_or_else(|| usual.country.clone()),
            default_language: self.language.unwrap_or_else(|| usual.language.clone()),
            default_country: self.country.unwrap_or_else(|| usual.country.clone()),
            default_currency: parts.settings.orders.currency.clone(),
            dry_run: self.dry_run,
            rejects: Some(
                self.rejects
                    .unwrap_or_else(|| import::rejects_path(&self.file)),
            ),
        };
        let now_ms = parts.clock.now_ms();
        let report = take_in(
            &parts.db,
            &parts.keys,
            &parts.settings,
            now_ms,
            request,
            |progress| bar.set_position(progress.bytes_read),
            None,
        )
        .await;
        bar.finish_and_clear();
        let report = report?;
        if self.json {
            print(serde_json::to_string_pretty(&report)?);
        } else {
            print(report);
        }
        Ok(ExitCode::SUCCESS)
    }
}
