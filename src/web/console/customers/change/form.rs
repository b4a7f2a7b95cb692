//! The form of a profile: its fields, and what of them the person changed.

use std::collections::HashMap;

use serde::Serialize;

use crate::config::CustomerSettings;
use crate::customers::model::Customer;
use crate::ids::CustomerId;
use crate::web::console::customers::{Choice, name, stages};
use crate::web::words::Words;

/// A form as it came.
pub(super) type Form = HashMap<String, String>;

/// The fields of a profile, by their names in an import.
pub(super) const FIELDS: [&str; 14] = [
    "first_name",
    "last_name",
    "company",
    "email",
    "phone",
    "external_id",
    "language",
    "country",
    "postal_code",
    "city",
    "region",
    "time_zone",
    "birth_date",
    "gender",
];

#[derive(Debug, Serialize)]
pub(super) struct FormView {
    title: String,
    section: &'static str,
    action: String,
    back: String,
    fields: Vec<FieldView>,
    fault: Option<String>,
    /// Who is known by this already.
    known: Option<i64>,
    /// Whether he is in the base.
    is_known: bool,
    is_asked: bool,
}

#[derive(Debug, Serialize)]
struct FieldView {
    name: &'static str,
    label: String,
    kind: &'static str,
    value: String,
    /// What the base has, as it was shown; goes with the form, so that it can be told what the person changed.
    was: String,
    hint: Option<String>,
    choices: Option<Vec<Choice>>,
}

/// The name of a field, and what helps to fill it in.
pub(super) fn label<'a>(field: &'a str, words: &'a Words) -> (&'a str, Option<&'a str>) {
    match field {
        "first_name" => (words.t("First name"), None),
        "last_name" => (words.t("Last name"), None),
        "company" => (words.t("Company"), None),
        "email" => (words.t("Mail address"), None),
        "phone" => (
            words.t("Telephone"),
            Some(words.t("With the code of its country, or as it is written in France.")),
        ),
        "external_id" => (
            words.t("Your key"),
            Some(words.t("By which your own systems know this person.")),
        ),
        "language" => (
            words.t("Language"),
            Some(words.t("Two letters, such as fr.")),
        ),
        "country" => (
            words.t("Country"),
            Some(words.t("Two letters, such as FR.")),
        ),
        "postal_code" => (words.t("Postal code"), None),
        "city" => (words.t("City"), None),
        "region" => (words.t("Region"), None),
        "time_zone" => (words.t("Time zone"), Some(words.t("Such as Europe/Paris."))),
        "birth_date" => (words.t("Born"), None),
        "gender" => (words.t("Gender"), None),
        other => (other, None),
    }
}

/// What the base has in a field.
pub(super) fn held(customer: &Customer, field: &str) -> String {
    let text = match field {
        "first_name" => customer.first_name.clone(),
        "last_name" => customer.last_name.clone(),
        "company" => customer.company.clone(),
        "email" => customer.email.clone(),
        "phone" => customer.phone.clone(),
        "external_id" => customer.external_id.clone(),
        "language" => Some(customer.language.clone()),
        "country" => Some(customer.country.clone()),
        "postal_code" => customer.postal_code.clone(),
        "city" => customer.city.clone(),
        "region" => customer.region.clone(),
        "time_zone" => customer.time_zone.clone(),
        "birth_date" => customer.birth_date.map(|day| day.to_string()),
        "gender" => customer.gender.clone(),
        "stage" => Some(customer.stage.as_str().to_owned()),
        _ => None,
    };
    text.unwrap_or_default()
}

/// What went wrong with a form.
#[derive(Debug, Default)]
pub(super) struct Fault {
    pub(super) text: Option<String>,
    /// Who is known by this already.
    pub(super) known: Option<CustomerId>,
}

/// What stands before the name of a field that goes with the form as it was shown.
const WAS: &str = "was-";

/// What a field held when the form was made; `None`: the form does not say.
pub(super) fn shown<'a>(form: &'a Form, field: &str) -> Option<&'a str> {
    form.get(&format!("{WAS}{field}")).map(|value| value.trim())
}

/// Whether the person wrote something else into a field than the form showed him, or than the base has.
pub(super) fn is_changed(form: &Form, field: &str, held: &str) -> bool {
    let value = form.get(field).map(|value| value.trim());
    value.is_some_and(|value| value != shown(form, field).unwrap_or(held))
}

/// The form about a customer, or a new one; `form` is what came back. Of that, what the person changed stays; the
/// rest is as the base has it now.
pub(super) fn form_view(
    words: &Words,
    usual: &CustomerSettings,
    customer: Option<&Customer>,
    form: Option<&Form>,
    fault: Fault,
) -> FormView {
    let was = |field: &str| customer.map_or_else(String::new, |customer| held(customer, field));
    let value = |field: &str| match (form, customer, field) {
        (Some(form), Some(_), field) if !is_changed(form, field, &was(field)) => was(field),
        (Some(form), _, field) => form.get(field).cloned().unwrap_or_default(),
        (None, Some(_), field) => was(field),
        (None, None, "language") => usual.language.clone(),
        (None, None, "country") => usual.country.clone(),
        (None, None, _) => String::new(),
    };
    let mut fields: Vec<FieldView> = FIELDS
        .into_iter()
        .map(|field| {
            let (label, hint) = label(field, words);
            FieldView {
                name: field,
                label: label.to_owned(),
                kind: match field {
                    "birth_date" => "date",
                    "phone" => "tel",
                    _ => "text",
                },
                value: value(field),
                was: was(field),
                hint: hint.map(str::to_owned),
                choices: None,
            }
        })
        .collect();
    let stage = value("stage");
    let choices = stages(words, None).into_iter().map(|choice| Choice {
        is_chosen: choice.value == stage,
        ..choice
    });
    fields.push(FieldView {
        name: "stage",
        label: words.t("Stage").to_owned(),
        kind: "",
        value: String::new(),
        was: was("stage"),
        hint: None,
        choices: Some(choices.collect()),
    });
    let (title, action, back) = match customer {
        Some(customer) => (
            words.fill("Set right: {name}", &[("name", name(customer, words))]),
            format!("/customers/{}/edit", customer.id),
            format!("/customers/{}", customer.id),
        ),
        None => (
            words.t("New customer").to_owned(),
            "/customers/new".to_owned(),
            "/customers".to_owned(),
        ),
    };
    FormView {
        title,
        section: "customers",
        action,
        back,
        fields,
        fault: fault.text,
        known: fault.known.map(|id| id.0),
        is_known: customer.is_some(),
        is_asked: form.is_some_and(|form| form.contains_key("asked")),
    }
}
