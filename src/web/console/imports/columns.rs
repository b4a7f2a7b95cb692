//! What each column of a file may hold, to choose from.

use serde::Serialize;

use crate::config::{TopicSettings, in_language};
use crate::consent::model::Channel;
use crate::customers::import::{ImportKind, Preview, PreviewColumn, fields_of};
use crate::imports::model::Plan;
use crate::web::words::Words;

/// What is not imported.
pub(super) const NOTHING: &str = "ignore";

/// A column with its choices.
#[derive(Debug, Serialize)]
pub(super) struct ColumnView {
    n: usize,
    header: String,
    samples: Vec<String>,
    choices: Vec<FieldChoice>,
}

#[derive(Debug, Serialize)]
struct FieldChoice {
    value: String,
    name: String,
    is_chosen: bool,
}

/// The columns of a file, as the last plan has them or as they seem to be.
pub(super) fn columns(
    preview: &Preview,
    plan: &Plan,
    topics: &[TopicSettings],
    words: &Words,
) -> Vec<ColumnView> {
    let of_all = of_all(plan.kind, topics, words);
    let columns = preview.columns.iter().enumerate();
    columns
        .map(|(n, column)| {
            let chosen = plan.fields.get(n).cloned();
            let chosen = chosen.or_else(|| column.guess.clone());
            let chosen = chosen.unwrap_or_else(|| NOTHING.to_owned());
            ColumnView {
                n,
                header: match column.header.as_str() {
                    "" => words.fill("Column {n}", &[("n", (n + 1).to_string())]),
                    header => header.to_owned(),
                },
                samples: column
                    .samples
                    .iter()
                    .filter(|sample| !sample.is_empty())
                    .cloned()
                    .collect(),
                choices: choices(column, plan.kind, &of_all, &chosen, words),
            }
        })
        .collect()
}

fn choices(
    column: &PreviewColumn,
    kind: ImportKind,
    of_all: &[(String, String)],
    chosen: &str,
    words: &Words,
) -> Vec<FieldChoice> {
    let mut choices = of_all.to_vec();
    if kind == ImportKind::Customers && !column.header.is_empty() {
        let own = column.as_attribute.clone();
        let name = own.trim_start_matches("attribute.").to_owned();
        choices.push((own, words.fill("Attribute “{name}”", &[("name", name)])));
    }
    if !choices.iter().any(|(value, _)| value == chosen) {
        choices.push((chosen.to_owned(), chosen.to_owned()));
    }
    choices
        .into_iter()
        .map(|(value, name)| FieldChoice {
            is_chosen: value == chosen,
            value,
            name,
        })
        .collect()
}

/// What any column may hold: our name of it, and what people call it.
fn of_all(kind: ImportKind, topics: &[TopicSettings], words: &Words) -> Vec<(String, String)> {
    let mut all = vec![(NOTHING.to_owned(), words.t("– not imported –").to_owned())];
    for field in fields_of(kind) {
        if field != NOTHING {
            all.push((field.to_owned(), words.t(in_words(field)).to_owned()));
        }
    }
    if kind == ImportKind::Customers {
        let code = words.language().code();
        for channel in Channel::ALL {
            let by = words.t(match channel {
                Channel::Email => "mail",
                Channel::Sms => "SMS",
            });
            for topic in topics {
                let title = in_language(&topic.title, code);
                let name = words.fill(
                    "Yes or no: {topic} by {channel}",
                    &[("topic", title), ("channel", by)],
                );
                all.push((format!("permission.{channel}.{}", topic.name), name));
            }
            let name = words.fill("No to everything by {channel}", &[("channel", by)]);
            all.push((format!("permission.{channel}"), name));
        }
    }
    all
}

/// A field of an import as people call it.
fn in_words(field: &str) -> &str {
    match field {
        "external_id" => "Your key for the customer",
        "email" => "Mail address",
        "phone" => "Telephone",
        "first_name" => "First name",
        "last_name" => "Last name",
        "company" => "Company",
        "gender" => "Gender",
        "region" => "Region",
        "postal_code" => "Postal code",
        "city" => "City",
        "time_zone" => "Time zone",
        "household" => "Household",
        "birth_date" => "Born",
        "language" => "Language",
        "country" => "Country",
        "stage" => "Stage",
        "tags" => "Tags",
        "tracking" => "Consent to tracking",
        "permission_source" => "Proof of permission: where it was given",
        "permission_date" => "Proof of permission: when",
        "permission_basis" => "Proof of permission: legal basis",
        "permission_wording" => "Proof of permission: the words",
        "permission_level" => "Proof of permission: level",
        "permission_expires" => "Proof of permission: until when",
        "order_id" => "Order number",
        "customer_id" => "Your key for the customer",
        "ordered_at" => "Day of the order",
        "amount" => "Amount",
        "currency" => "Currency",
        "product" => "Product",
        "category" => "Category",
        "campaign" => "Campaign",
        "token" => "Token of the link",
        "coupon" => "Coupon",
        "campaign_code" => "Code of the campaign",
        other => other,
    }
}
