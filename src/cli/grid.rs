//! `visavis grid`, `visavis improve`

use std::process::ExitCode;

use chrono::{Days, NaiveDate, NaiveTime};
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Common, print};
use crate::app::Parts;
use crate::campaigns::plan;
use crate::reports::grid::cross::Figure;
use crate::reports::grid::{Crossing, Dimension, Table, count};
use crate::reports::improve::{Improvement, improve};
use crate::reports::store::grid::{self as store, Loaded, Scope};
use crate::reports::table::{percent, thousands};

#[derive(Debug, Args)]
pub(super) struct Grid {
    /// What makes the rows: campaign, segment, offer, channel, wave, cell, generation, gender, country, region,
    /// language, stage, orders, revenue, last_order or clicked
    #[arg(long, default_value = "generation", value_name = "DIMENSION")]
    rows: Dimension,
    /// What makes the columns
    #[arg(long, value_name = "DIMENSION")]
    columns: Option<Dimension>,
    /// Only these people, such as region=Somme; may be given several times
    #[arg(long = "where", value_name = "DIMENSION=VALUE", value_parser = filter)]
    filters: Vec<(Dimension, String)>,
    /// Of one campaign
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// Of waves launched on this day (UTC) or later
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// Of waves launched until this day
    #[arg(long, value_name = "DATE")]
    to: Option<NaiveDate>,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
}

fn filter(text: &str) -> Result<(Dimension, String), String> {
    let (dimension, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not written as region=Somme"))?;
    Ok((dimension.trim().parse()?, value.trim().to_owned()))
}

impl Grid {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        if let Some(campaign) = &self.campaign {
            plan::find(&parts.db, campaign).await?;
        }
        let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
        let scope = Scope {
            campaign: self.campaign,
            since: self.from.map(start),
            until: self
                .to
                .and_then(|day| day.checked_add_days(Days::new(1)))
                .map(start),
        };
        let loaded = count_and_load(&parts, &scope).await?;
        let crossing = Crossing {
            rows: self.rows,
            columns: self.columns.filter(|columns| *columns != self.rows),
            filters: self.filters,
        };
        let table = crossing.table(&loaded.slices);
        if self.json {
            print(serde_json::to_string_pretty(&table)?);
        } else {
            print(written(&crossing, &table));
            if loaded.is_cut {
                print("Older waves are left out; choose a campaign or a period.");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(super) struct Improve {
    /// The campaign
    name: String,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
}

impl Improve {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let parts = common.open().await?;
        plan::find(&parts.db, &self.name).await?;
        let scope = Scope {
            campaign: Some(self.name),
            ..Scope::default()
        };
        let loaded = count_and_load(&parts, &scope).await?;
        let segment = loaded
            .slices
            .first()
            .map(|slice| slice.common.segment.clone());
        let found = improve(&loaded.slices, &segment.unwrap_or_default());
        if self.json {
            print(serde_json::to_string_pretty(&found)?);
        } else {
            print(told(&found));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A person at the command line wants what is, not what was counted a while ago.
async fn count_and_load(parts: &Parts, scope: &Scope) -> anyhow::Result<Loaded> {
    let stop = CancellationToken::new();
    count::moved(&parts.db, &parts.clock, count::Pace::AtOnce, &stop).await?;
    Ok(store::load(&parts.db, scope).await?)
}

fn written(crossing: &Crossing, table: &Table) -> String {
    let mut out = comfy_table::Table::new();
    out.load_style(comfy_table::presets::NOTHING);
    let mut head = vec![crossing.rows.title().to_owned()];
    if let Some(columns) = crossing.columns {
        let names = table.column_names.iter();
        head.extend(names.map(|name| columns.said(name).to_string()));
    }
    head.push("All".to_owned());
    out.set_header(head);
    let line = |name: &str, cells: &[Figure], sum: &Figure| {
        let mut line = vec![name.to_owned()];
        if crossing.columns.is_some() {
            line.extend(cells.iter().map(figure));
        }
        line.push(figure(sum));
        line
    };
    for (name, (cells, sum)) in table
        .row_names
        .iter()
        .map(|name| crossing.rows.said(name).to_string())
        .zip(table.cells.iter().zip(&table.row_totals))
    {
        out.add_row(line(&name, cells, sum));
    }
    out.add_row(line("All", &table.column_totals, &table.total));
    let mut text = format!(
        "Response rate, 95 % interval, people delivered to; (few): too few to say much\n\n{out}\n"
    );
    for (lead, one) in [("Best", &table.best), ("Worst", &table.worst)] {
        if let Some(one) = one {
            text.push_str(&format!(
                "\n{lead}: {}, {} of {}; everyone else {}; {}",
                one.name(),
                percent(one.rate.value),
                thousands(one.rate.of),
                percent(one.rest.value),
                one.verdict(table.compared)
            ));
        }
    }
    text
}

fn figure(figure: &Figure) -> String {
    let rate = &figure.rate;
    if rate.of == 0 && rate.count == 0 {
        return "–".to_owned();
    }
    let few = if figure.is_small { " (few)" } else { "" };
    let range = rate.interval_95.map_or_else(String::new, |interval| {
        format!("{:.1}–{:.1}", interval.low * 100.0, interval.high * 100.0)
    });
    format!(
        "{}{few}\n{range}\nof {}",
        percent(rate.value),
        thousands(rate.of)
    )
}

fn told(found: &Improvement) -> String {
    let mut text = format!(
        "Of {} delivered {} responded.\n{} of {} criteria separate responders from the rest by more than chance.\n",
        thousands(found.of_all.of),
        percent(found.of_all.value),
        found.separating,
        found.criteria.len()
    );
    for line in found.criteria.iter().filter(|line| line.is_beyond_chance) {
        text.push_str(&format!(
            "  {:<44} {:>8} inside, {:>8} outside, {} of people{}\n",
            line.words.to_string(),
            percent(line.inside.value),
            percent(line.outside.value),
            percent(Some(line.coverage)),
            line.caution
                .map(|caution| format!(" ({caution})"))
                .unwrap_or_default()
        ));
    }
    match &found.proposal {
        None => text.push_str("No narrower segment is proposed."),
        Some(proposal) => text.push_str(&format!(
            "Proposed segment:\n  {}\nIt would have reached {} of the people and {} of the responders: {} instead of {}, \
             reckoned in the half of the people that had no part in finding it.",
            proposal.rule,
            percent(Some(proposal.share_of_people)),
            percent(Some(proposal.share_of_responders)),
            percent(proposal.rate.value),
            percent(proposal.of_all.value)
        )),
    }
    text
}
