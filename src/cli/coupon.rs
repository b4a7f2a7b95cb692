//! `visavis coupon`

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Map, Value};

use super::{Common, print};
use crate::app::Parts;
use crate::campaigns::store::coupons as pools;
use crate::clock::from_ms;
use crate::responses::coupons::{self, RedeemError, Redemption, ShownCoupon};
use crate::responses::orders::{self, OrderRules};
use crate::storage::text::counted;

const DAY_MS: i64 = 86_400_000;
/// Lines told of a file that could not be redeemed.
const TOLD: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum CouponCommand {
    /// Puts codes that another system made into a pool, which a campaign names in [offer] coupon
    Import {
        /// The name of the pool; it is made where it is missing
        pool: String,
        /// A file with one code a line
        file: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Lists the pools and what is left of them
    Pools,
    /// What is known of a coupon: its campaign, its deadline, whether it was used
    Show {
        code: String,
        #[arg(long)]
        json: bool,
    },
    /// Redeems a coupon, or those of a CSV file; each once
    Redeem {
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        code: Option<String>,
        /// A CSV file with the column code, and perhaps redeemed_at (RFC 3339), order_id, amount, currency
        #[arg(long, value_name = "CSV")]
        file: Option<PathBuf>,
        /// The number of the order it was used for
        #[arg(long, value_name = "ID", requires = "amount")]
        order: Option<String>,
        /// What was paid, such as 49.90
        #[arg(long, requires = "order")]
        amount: Option<String>,
        /// ISO 4217 [default: that of [orders]]
        #[arg(long, requires = "order")]
        currency: Option<String>,
    },
}

impl CouponCommand {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Self::Import { pool, file, json } => import(common, &pool, &file, json).await,
            Self::Pools => {
                let parts = common.open().await?;
                let pools = pools::pools(&*parts.db).await?;
                for (name, pool) in &pools {
                    print(format_args!(
                        "{name}  {} left of {}",
                        pool.left(),
                        pool.size
                    ));
                }
                if pools.is_empty() {
                    print("No pool yet; `visavis coupon import POOL FILE` makes one.");
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Show { code, json } => {
                let parts = common.open().await?;
                let coupon = coupons::show(&parts.db, &parts.keys, &code)
                    .await?
                    .ok_or(RedeemError::Unknown)?;
                if json {
                    print(serde_json::to_string_pretty(&coupon)?);
                } else {
                    print(describe(&coupon));
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Redeem {
                code,
                file,
                order,
                amount,
                currency,
            } => {
                let parts = common.open_to_write().await?;
                if let Some(file) = file {
                    return redeem_file(&parts, &file).await;
                }
                let row = Row {
                    code: code.unwrap_or_default(),
                    redeemed_at: None,
                    order_id: order,
                    amount,
                    currency,
                };
                let coupon = redeem(&parts, row).await?;
                print(describe(&coupon));
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn import(common: &Common, pool: &str, file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let parts = common.open_to_write().await?;
    let codes = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let now = parts.clock.now_ms();
    let done = coupons::import_pool(&parts.db, pool, BufReader::new(codes), now).await?;
    if json {
        print(serde_json::to_string_pretty(&done)?);
        return Ok(ExitCode::SUCCESS);
    }
    print(format_args!(
        "{} added to the pool {pool}, {} known before or alike; {} left to give out.",
        counted(done.added, "coupon", "coupons"),
        done.known,
        done.left
    ));
    Ok(ExitCode::SUCCESS)
}

/// A line of a file of redeemed coupons.
#[derive(Debug, serde::Deserialize)]
struct Row {
    code: String,
    #[serde(default)]
    redeemed_at: Option<String>,
    #[serde(default)]
    order_id: Option<String>,
    #[serde(default)]
    amount: Option<String>,
    #[serde(default)]
    currency: Option<String>,
}

async fn redeem(parts: &Parts, row: Row) -> anyhow::Result<ShownCoupon> {
    let now = parts.clock.now_ms();
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let at = match given(row.redeemed_at) {
        None => now,
        Some(text) => chrono::DateTime::parse_from_rfc3339(text.trim())
            .map_err(|_error| {
                anyhow::anyhow!("redeemed_at is not an instant such as 2026-11-22T14:05:00+01:00")
            })?
            .timestamp_millis(),
    };
    let rules = OrderRules::new(&parts.keys, &parts.settings);
    let order = match (given(row.order_id), given(row.amount)) {
        (Some(id), Some(amount)) => {
            let mut order = Map::new();
            order.insert("id".to_owned(), id.into());
            order.insert("amount".to_owned(), amount.into());
            order.insert("ordered_at".to_owned(), from_ms(at).to_rfc3339().into());
            order.insert("coupon".to_owned(), row.code.as_str().into());
            if let Some(currency) = given(row.currency) {
                order.insert("currency".to_owned(), currency.into());
            }
            let told = orders::read(&Value::Object(order), rules.currency(), now);
            let told = told.map_err(|faults| {
                let faults: Vec<String> = faults
                    .iter()
                    .map(|fault| format!("{} {}", fault.field, fault.detail))
                    .collect();
                anyhow::anyhow!("{}", faults.join("; "))
            })?;
            Some(told)
        }
        (None, None) => None,
        _ => anyhow::bail!("an order needs both its number and its amount"),
    };
    let brought = Redemption {
        code: &row.code,
        at,
        order,
        grace_ms: i64::from(parts.settings.orders.coupon_grace_days) * DAY_MS,
    };
    let txn = parts.db.begin().await?;
    let redeemed = coupons::redeem(&txn, &rules, brought, now).await?;
    txn.commit().await?;
    Ok(redeemed.coupon)
}

async fn redeem_file(parts: &Parts, file: &Path) -> anyhow::Result<ExitCode> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let (mut redeemed, mut refused) = (0_u64, 0_u64);
    for (n, row) in reader.deserialize::<Row>().enumerate() {
        let done = match row {
            Ok(row) => redeem(parts, row).await.map(drop),
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(()) => redeemed += 1,
            Err(error) => {
                refused += 1;
                if refused <= TOLD.try_into().unwrap_or(u64::MAX) {
                    print(format_args!("line {}: {error}", n + 2));
                }
            }
        }
    }
    print(format_args!(
        "{} redeemed, {refused} refused.",
        counted(redeemed, "coupon", "coupons")
    ));
    Ok(if refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn describe(coupon: &ShownCoupon) -> String {
    let instant = |at: i64| from_ms(at).format("%Y-%m-%d %H:%M UTC").to_string();
    let mut text = format!("{}, wave {}", coupon.campaign, coupon.wave);
    if coupon.is_simulated {
        text.push_str(" (simulated: worth nothing in a shop)");
    }
    match coupon.customer {
        Some(customer) => text.push_str(&format!("\n  of customer {customer}")),
        None => text.push_str("\n  of a message the ledger has let go"),
    }
    if let Some(deadline) = coupon.deadline_at {
        text.push_str(&format!("\n  holds until {}", instant(deadline)));
    }
    match (coupon.redeemed_at, &coupon.order) {
        (None, _) => text.push_str("\n  not redeemed"),
        (Some(at), None) => text.push_str(&format!("\n  redeemed {}", instant(at))),
        (Some(at), Some(order)) => {
            text.push_str(&format!(
                "\n  redeemed {} for the order {order}",
                instant(at)
            ));
        }
    }
    text
}
