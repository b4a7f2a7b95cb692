//! `visavis import`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Common, print, progress};
use crate::consent::anchor::{self, AnchorFile};
use crate::customers::import::{self, ImportKind, ImportRequest};
use crate::responses::effects;
use crate::responses::orders::{OrderRules, adopt_all, attribute_orders};

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A CSV file; its delimiter and encoding are found out
    file: PathBuf,
    /// What the rows are
    #[arg(long, value_enum, default_value_t = Kind::Customers)]
    kind: Kind,
    /// Takes one of their columns for one of our fields; may be given several times
    #[arg(long, value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// Does everything and takes it back
    #[arg(long)]
    dry_run: bool,
    /// Country of phone numbers without a prefix
    #[arg(long, default_value = "FR", value_name = "COUNTRY")]
    region: String,
    /// Language of customers without one
    #[arg(long, default_value = "fr")]
    language: String,
    /// Country of customers without one
    #[arg(long, default_value = "FR")]
    country: String,
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
        let request = ImportRequest {
            path: self.file.clone(),
            kind: match self.kind {
                Kind::Customers => ImportKind::Customers,
                Kind::Orders => ImportKind::Orders,
            },
            map,
            default_region: self.region,
            default_language: self.language,
            default_country: self.country,
            default_currency: parts.settings.orders.currency.clone(),
            dry_run: self.dry_run,
            rejects: Some(
                self.rejects
                    .unwrap_or_else(|| import::rejects_path(&self.file)),
            ),
        };
        let report = import::run(
            &parts.db,
            &parts.keys,
            parts.clock.now_ms(),
            request,
            |progress| bar.set_position(progress.bytes_read),
        )
        .await?;
        bar.finish_and_clear();
        if !self.dry_run {
            let file = AnchorFile::in_folder(&parts.settings.data_dir);
            anchor::seal_or_log(&parts.db, &parts.keys, &file, parts.clock.now_ms()).await?;
        }
        if matches!(self.kind, Kind::Customers) && !self.dry_run {
            // Some may be those whose orders came before them.
            let rules = OrderRules::new(&parts.keys, &parts.settings);
            adopt_all(&parts.db, &rules, parts.clock.now_ms()).await?;
        }
        if !self.dry_run {
            let rules = OrderRules::new(&parts.keys, &parts.settings);
            let now_ms = parts.clock.now_ms();
            let attributed = attribute_orders(&parts.db, &rules, now_ms).await?;
            // Whoever looks at a report now sees what these orders tell of the control groups.
            effects::reckon(&parts.db, &parts.settings.orders.currency, now_ms).await?;
            if attributed > 0 {
                tracing::info!(attributed, "orders attributed to deliveries");
            }
        }
        if self.json {
            print(serde_json::to_string_pretty(&report)?);
        } else {
            print(report);
        }
        Ok(ExitCode::SUCCESS)
    }
}
