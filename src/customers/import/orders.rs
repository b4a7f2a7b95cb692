//! Rows of an order file: whose purchase, what it was, and what it says about the customer.

use sea_orm::DbErr;

use super::columns::{Columns, Field};
use super::customers::long_line_of;
use super::records::Cells;
use super::report::{ImportReport, Remarks, WarningKind};
use super::{Defaults, values};
use crate::customers::normalise;
use crate::customers::orders::{self, OrderRow, Strangers, Taken, Told, Who};
use crate::keys::Keys;
use crate::statistics::Sentence;
use crate::storage::Txn;
use crate::storage::text::fold;

const MAX_TEXT: usize = 250;

/// A row that can be taken, if its customer is known.
#[derive(Debug)]
pub(super) struct Entry {
    line: u64,
    pub(super) told: Told,
}

/// Reads a row.
///
/// # Errors
/// Why it cannot be taken.
pub(super) fn read(
    columns: &Columns,
    cells: &Cells,
    defaults: &Defaults,
    remarks: &mut Remarks,
) -> Result<Entry, Sentence> {
    let line = cells.line;
    let text = |field: Field| long_line_of(columns, &field, cells, MAX_TEXT);
    let who = Who {
        id: None,
        external_id: text(Field::ExternalId)?,
        email: text(Field::Email)?.map(|text| {
            normalise::email(&text)
                .map_or_else(|_| normalise::malformed_key(&text), |email| email.key)
        }),
        phone: text(Field::Phone)?.and_then(|text| normalise::phone(&text, &defaults.region).ok()),
    };
    let proof = [Field::Token, Field::Coupon].map(|field| columns.cell(&field, cells));
    if !who.names_somebody() && proof.iter().all(Option::is_none) {
        return Err(Sentence::new(
            "no customer id, e-mail address or valid telephone number says whose order this is",
        ));
    }
    let required = |field: Field| {
        columns.cell(&field, cells).ok_or_else(|| {
            Sentence::new("{column} is empty").with("column", columns.header(&field))
        })
    };
    let ordered_at = values::instant(required(Field::OrderedAt)?)?;
    // The end of today everywhere on Earth.
    if ordered_at > values::end_of_day(defaults.now_ms) + 14 * 3_600_000 {
        return Err(Sentence::new("the order lies in the future"));
    }
    let amount_cents = values::cents(required(Field::Amount)?)?;
    let currency = text(Field::Currency)?.map(|word| {
        currency(&word).unwrap_or_else(|| {
            remarks.warnings.add(WarningKind::UnknownCurrency, line);
            defaults.currency.clone()
        })
    });
    let order = OrderRow {
        external_id: text(Field::OrderId)?,
        ordered_at,
        amount_cents,
        currency,
        own_currency: defaults.currency.clone(),
        product: text(Field::Product)?,
        category: text(Field::Category)?,
        token: text(Field::Token)?,
        coupon: text(Field::Coupon)?,
        campaign_code: text(Field::CampaignCode)?,
        ..OrderRow::default()
    };
    Ok(Entry {
        line,
        told: Told {
            who,
            campaign: text(Field::Campaign)?,
            is_cancelled: false,
            order,
        },
    })
}

fn currency(text: &str) -> Option<String> {
    match fold(text).as_str() {
        "€" | "euro" | "euros" => Some("EUR".to_owned()),
        "£" => Some("GBP".to_owned()),
        code if code.len() == 3 && code.bytes().all(|b| b.is_ascii_lowercase()) => {
            Some(code.to_uppercase())
        }
        _ => None,
    }
}

/// Writes a batch; returns the rows (by their place) that could not be taken, and why. `currency` is ours.
///
/// # Errors
/// When the database is away.
pub(super) async fn write(
    txn: &Txn,
    keys: &Keys,
    batch: &[Entry],
    currency: &str,
    now_ms: i64,
    report: &mut ImportReport,
) -> Result<Vec<(usize, Sentence)>, DbErr> {
    let told: Vec<Told> = batch.iter().map(|entry| entry.told.clone()).collect();
    let record = orders::record(txn, keys, &told, Strangers::Proved, now_ms).await?;
    orders::add_up(txn, &record, currency).await?;
    let mut refused = Vec::new();
    for (n, (entry, taken)) in batch.iter().zip(record.taken).enumerate() {
        match taken {
            Taken::Created => report.created += 1,
            Taken::Updated => report.updated += 1,
            Taken::Unchanged => report.unchanged += 1,
            Taken::Cancelled => {
                report.unchanged += 1;
                report.warnings.add(WarningKind::CancelledOrder, entry.line);
            }
            Taken::Unmatched => {
                report.created += 1;
                report.warnings.add(WarningKind::UnmatchedOrder, entry.line);
            }
            Taken::Nobody => refused.push((
                n,
                Sentence::new(
                    "no customer of the base is the one of this order; import the customers first",
                ),
            )),
        }
    }
    for n in record.unknown_campaigns {
        let is_refused = refused.iter().any(|(place, _)| *place == n);
        if let Some(entry) = batch.get(n).filter(|_| !is_refused) {
            report
                .warnings
                .add(WarningKind::UnknownCampaign, entry.line);
        }
    }
    Ok(refused)
}
