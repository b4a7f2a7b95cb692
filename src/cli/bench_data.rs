//! `visavis bench-data`: a base of full size, made by the very code that makes a real one but for the sending.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::{Common, print, progress};
use crate::accounts::audit::PROGRAM;
use crate::app::Parts;
use crate::campaigns::definition::Definition;
use crate::campaigns::plan;
use crate::customers::import::{self, ImportKind, ImportRequest};
use crate::customers::{sample, store as customers};
use crate::delivery::launch::{self, LaunchOptions, Occurrence};
use crate::delivery::store;
use crate::dialogue::upkeep;
use crate::ids::DeliveryKey;
use crate::responses::ResponseWriter;
use crate::responses::model::{MadeBy, Response, What};
use crate::templates::Template;
use tokio_util::sync::CancellationToken;

/// The same people every time.
const SEED: u64 = 20_261_122;
/// Of a hundred people, so many click within the goal's window.
const CLICKS_OF_100: i64 = 6;
/// Responses that wait to be written at most.
const AT_ONCE: u64 = 20_000;

#[derive(Debug, Args)]
pub(super) struct BenchData {
    /// People in the base
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    customers: u32,
    /// Rows of the ledger, at least; waves are launched until there are so many
    #[arg(long, default_value_t = 10_000_000)]
    deliveries: u64,
    /// People of whom orders are invented
    #[arg(long, default_value_t = 200_000)]
    buyers: u32,
}

impl BenchData {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let mut settings = common.settings()?;
        // A campaign a day to the same people is what fills a ledger; no cap may stand in its way.
        settings.pressure.clear();
        settings.quiet_hours.clear();
        let parts = Parts::open(settings, super::clock()).await?;
        if customers::count(&parts.db).await? > 0 {
            anyhow::bail!("there are customers already; give an empty data folder with --data-dir");
        }
        self.people(&parts).await?;
        let written = self.waves(&parts).await?;
        let stop = CancellationToken::new();
        upkeep::run(
            &parts.db,
            &parts.keys,
            &parts.settings,
            parts.clock.now_ms(),
            &stop,
        )
        .await?;
        print(format_args!(
            "{} people, {written} rows of the ledger.",
            self.customers
        ));
        parts.db.close().await;
        Ok(ExitCode::SUCCESS)
    }

    async fn people(&self, parts: &Parts) -> anyhow::Result<()> {
        let folder: &Path = &parts.settings.data_dir;
        let today = parts.clock.now().date_naive();
        let people = folder.join("bench-customers.csv");
        sample::write_customers(&people, self.customers, SEED, today)?;
        let orders = folder.join("bench-orders.csv");
        sample::write_orders(&orders, self.buyers.min(self.customers), SEED, today)?;
        for (file, kind, label) in [
            (people, ImportKind::Customers, "customers"),
            (orders, ImportKind::Orders, "orders"),
        ] {
            let bytes = std::fs::metadata(&file)?.len();
            let bar = progress::bar(label, bytes, "bytes");
            let now_ms = parts.clock.now_ms();
            let mut request = ImportRequest::new(&file, kind);
            request.rejects = None;
            import::run(&parts.db, &parts.keys, now_ms, request, |progress| {
                bar.set_position(progress.bytes_read);
            })
            .await
            .with_context(|| format!("cannot import {}", file.display()))?;
            bar.finish_and_clear();
            std::fs::remove_file(&file)?;
        }
        Ok(())
    }

    /// Campaigns of the last weeks, settled and answered; how many rows they have.
    async fn waves(&self, parts: &Parts) -> anyhow::Result<u64> {
        let template = Template::embedded("super-chef")?;
        let options = LaunchOptions {
            is_simulated: true,
            ..parts.launch_options()
        };
        let writer = ResponseWriter::start(parts.db.clone());
        let bar = progress::bar("ledger", self.deliveries, "rows");
        let mut written = 0;
        let mut number = 0;
        while written < self.deliveries {
            number += 1;
            let definition = definition(number)?;
            // The oldest first; the newest is a few days old.
            let at = parts.clock.now() - chrono::Duration::days(4 + i64::from(60 - number.min(56)));
            let (id, _) =
                plan::apply(&parts.db, &definition, &[&template], None, PROGRAM, at).await?;
            let launched = launch::launch(
                &parts.db,
                id,
                Occurrence::ByHand,
                options.clone(),
                PROGRAM,
                at,
            )
            .await?;
            if launched.deliveries == 0 {
                anyhow::bail!("nobody of this base may be contacted; take more customers");
            }
            let txn = parts.db.begin().await?;
            let at_ms = at.timestamp_millis() + 60_000;
            store::settle_as_sent(&txn, launched.wave, &definition.topic, at_ms).await?;
            txn.commit().await?;
            let rows = i64::try_from(launched.deliveries).unwrap_or(i64::MAX);
            for seq in 1..=rows {
                // A step without a common divisor spreads them; none of the refused.
                if (seq * 7_919) % 100 >= CLICKS_OF_100 || seq % 97 == 0 {
                    continue;
                }
                while writer.figures().waiting > AT_ONCE {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let link = u16::try_from(seq % 3).unwrap_or_default();
                let part = template
                    .links()
                    .get(usize::from(link))
                    .map_or(crate::templates::model::Part::Action, |link| link.part);
                writer
                    .record(Response {
                        delivery: DeliveryKey {
                            wave: launched.wave,
                            seq,
                        },
                        what: What::Click { link, part },
                        made_by: MadeBy::Person,
                        at: at_ms + 3_600_000 + (seq % 86_400) * 1000,
                    })
                    .await;
            }
            written += launched.deliveries + launched.withheld.values().sum::<u64>();
            bar.set_position(written);
        }
        writer.drain().await;
        bar.finish_and_clear();
        Ok(written)
    }
}

/// Every other campaign tests two cells.
fn definition(number: u32) -> anyhow::Result<Definition> {
    let cells = if number.is_multiple_of(2) {
        "[[cells]]\nname = \"a\"\n[[cells]]\nname = \"b\"\n"
    } else {
        ""
    };
    let text = format!(
        r#"
        name = "bench-{number:03}"
        segment = "everyone"
        template = "super-chef"
        topic = "offers"
        control_percent = 5
        goal = "click"
        {cells}
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@maison-vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
        "#
    );
    Ok(Definition::parse(&text, "the bench")?)
}
