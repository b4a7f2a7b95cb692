//! Rows of an order file: whose purchase, what it was, and what it says about the customer.

use std::collections::{BTreeSet, HashMap};

use sea_orm::DbErr;

use super::columns::{Columns, Field};
use super::customers::long_line_of;
use super::records::Cells;
use super::report::{ImportReport, Remarks, WarningKind};
use super::{Defaults, values};
use crate::customers::normalise;
use crate::customers::store::orders as store;
use crate::customers::store::orders::{OrderRow, Who};
use crate::ids::CustomerId;
use crate::storage::Txn;
use crate::storage::text::fold;

const MAX_TEXT: usize = 250;

/// A row that can be taken, if its customer is known.
#[derive(Debug)]
pub(super) struct Entry {
    line: u64,
    who: Who,
    campaign: Option<String>,
    order: OrderRow,
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
) -> Result<Entry, String> {
    let line = cells.line;
    let text = |field: Field| long_line_of(columns, &field, cells, MAX_TEXT);
    let who = Who {
        external_id: text(Field::ExternalId)?,
        email: text(Field::Email)?.map(|text| {
            normalise::email(&text)
                .map_or_else(|_| normalise::malformed_key(&text), |email| email.key)
        }),
        phone: text(Field::Phone)?.and_then(|text| normalise::phone(&text, &defaults.region).ok()),
    };
    if who.external_id.is_none() && who.email.is_none() && who.phone.is_none() {
        return Err(
            "no customer id, e-mail address or valid telephone number says whose order this is"
                .to_owned(),
        );
    }
    let required = |field: Field| {
        columns
            .cell(&field, cells)
            .ok_or_else(|| format!("{} is empty", columns.header(&field)))
    };
    let ordered_at = values::instant(required(Field::OrderedAt)?)?;
    // The end of today everywhere on Earth.
    if ordered_at > values::end_of_day(defaults.now_ms) + 14 * 3_600_000 {
        return Err("the order lies in the future".to_owned());
    }
    let amount_cents = values::cents(required(Field::Amount)?)?;
    let currency = text(Field::Currency)?.map(|word| {
        currency(&word).unwrap_or_else(|| {
            remarks.warnings.add(WarningKind::UnknownCurrency, line);
            "EUR".to_owned()
        })
    });
    let order = OrderRow {
        id: None,
        external_id: text(Field::OrderId)?,
        customer: None,
        ordered_at,
        amount_cents,
        currency,
        product: text(Field::Product)?,
        category: text(Field::Category)?,
        campaign: None,
    };
    Ok(Entry {
        line,
        who,
        campaign: text(Field::Campaign)?,
        order,
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

/// Writes a batch; returns the rows (by their place) that could not be taken, and why.
///
/// # Errors
/// When the database is away.
pub(super) async fn write(
    txn: &Txn,
    batch: &[Entry],
    report: &mut ImportReport,
) -> Result<Vec<(usize, String)>, DbErr> {
    let who: Vec<&Who> = batch.iter().map(|entry| &entry.who).collect();
    let customers = store::customers(txn, &who).await?;
    let names: BTreeSet<&str> = batch
        .iter()
        .filter_map(|entry| entry.campaign.as_deref())
        .collect();
    let campaigns = store::campaigns(txn, &names).await?;
    let mut refused = Vec::new();
    let mut rows = Vec::with_capacity(batch.len());
    for (n, entry) in batch.iter().enumerate() {
        let Some(customer) = customers.find(&entry.who) else {
            refused.push((
                n,
                "no customer of the base is the one of this order; import the customers first"
                    .to_owned(),
            ));
            continue;
        };
        let mut order = entry.order.clone();
        order.customer = Some(customer);
        if let Some(name) = &entry.campaign {
            order.campaign = campaigns.get(name).copied();
            if order.campaign.is_none() {
                report
                    .warnings
                    .add(WarningKind::UnknownCampaign, entry.line);
            }
        }
        rows.push(order);
    }
    let mut ledger = Ledger::new(store::matching(txn, &rows).await?);
    for row in rows {
        match ledger.take(row) {
            Change::Created => report.created += 1,
            Change::Updated => report.updated += 1,
            Change::Unchanged => report.unchanged += 1,
        }
    }
    store::write(txn, &ledger.orders, &ledger.is_changed).await?;
    let buyers: Vec<CustomerId> = ledger.buyers.into_iter().collect();
    let others: Vec<CustomerId> = ledger.others.into_iter().collect();
    store::add_up(txn, &buyers, true).await?;
    store::add_up(txn, &others, false).await?;
    Ok(refused)
}

enum Change {
    Created,
    Updated,
    Unchanged,
}

type Fact = (Option<CustomerId>, i64, i64, Option<String>);

/// The orders a batch is about.
struct Ledger {
    orders: Vec<OrderRow>,
    is_changed: Vec<bool>,
    by_external_id: HashMap<String, usize>,
    /// Orders without a number are known by customer, instant, amount and product.
    by_fact: HashMap<Fact, usize>,
    /// Customers with a new order.
    buyers: BTreeSet<CustomerId>,
    /// Customers an order of whom has changed or gone to another.
    others: BTreeSet<CustomerId>,
}

impl Ledger {
    fn new(known: Vec<OrderRow>) -> Self {
        let mut ledger = Self {
            is_changed: vec![false; known.len()],
            orders: known,
            by_external_id: HashMap::new(),
            by_fact: HashMap::new(),
            buyers: BTreeSet::new(),
            others: BTreeSet::new(),
        };
        for n in 0..ledger.orders.len() {
            ledger.index(n);
        }
        ledger
    }

    fn index(&mut self, n: usize) {
        let Some(order) = self.orders.get(n) else {
            return;
        };
        match &order.external_id {
            Some(id) => self.by_external_id.insert(id.clone(), n),
            None => self.by_fact.insert(fact(order), n),
        };
    }

    fn take(&mut self, row: OrderRow) -> Change {
        let place = match &row.external_id {
            Some(id) => self.by_external_id.get(id),
            None => self.by_fact.get(&fact(&row)),
        };
        let known = place.and_then(|n| Some((*n, self.orders.get_mut(*n)?)));
        let Some((n, known)) = known else {
            self.buyers.extend(row.customer);
            self.orders.push(row);
            self.is_changed.push(true);
            self.index(self.orders.len() - 1);
            return Change::Created;
        };
        let before = known.customer;
        if !known.merge(&row) {
            return Change::Unchanged;
        }
        self.others.extend(before);
        if known.customer == before {
            self.others.extend(known.customer);
        } else {
            self.buyers.extend(known.customer);
        }
        if let Some(is_changed) = self.is_changed.get_mut(n) {
            *is_changed = true;
        }
        Change::Updated
    }
}

fn fact(order: &OrderRow) -> Fact {
    (
        order.customer,
        order.ordered_at,
        order.amount_cents,
        order.product.clone(),
    )
}
