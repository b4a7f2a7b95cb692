//! Single fields, read as an import reads the columns of their names.

use super::columns::{Columns, Field};
use super::records::Cells;
use super::report::Remarks;
use super::{Defaults, ImportKind, customers};
use crate::clock;
use crate::customers::profile::{Row, TEXTS};

/// Fields as they are to be: values, and those that are to be empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Correction {
    pub row: Row,
    /// The names of fields without a value.
    pub cleared: Vec<String>,
}

/// Fields that may be empty.
const CLEARABLE: [&str; 4] = ["external_id", "email", "phone", "birth_date"];

/// Reads `field=value` pairs; an empty value clears the field. What an import would only warn of is an
/// error here, since a person waits for the answer. `region` is the country of phone numbers without a
/// prefix.
///
/// # Errors
/// Which field cannot be read, and why.
pub fn read_fields(
    fields: &[(String, String)],
    region: &str,
    now_ms: i64,
) -> Result<Correction, String> {
    let mut correction = Correction::default();
    let mut external_id = None;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, value) in fields {
        let is_attribute = name.starts_with("attribute.");
        if value.trim().is_empty() {
            let is_clearable = is_attribute
                || TEXTS.contains(&name.as_str())
                || CLEARABLE.contains(&name.as_str());
            if !is_clearable {
                return Err(format!("{name} cannot be empty"));
            }
            correction.cleared.push(name.clone());
        } else if name == "external_id" {
            external_id = Some(value.as_str());
        } else {
            names.push(name.as_str());
            values.push(value.as_str());
        }
    }
    // A row of a file must say who it is about; here that is known.
    names.push("external_id");
    values.push(external_id.unwrap_or("-"));
    let header = Cells::of(1, &names);
    let columns =
        Columns::read(&header, &[], ImportKind::Customers).map_err(|error| error.to_string())?;
    if let Some(unknown) = columns.ignored.first() {
        return Err(format!(
            "{unknown:?} is not a field; they are named like the columns of an import, such as last_name, city or attribute.size"
        ));
    }
    if !columns.permissions.is_empty() || columns.holds(&Field::Tags) {
        return Err(
            "permissions and tags are not rectified: a permission follows from evidence (`visavis customer object`), tags come with an import"
                .to_owned(),
        );
    }
    let defaults = Defaults {
        region: region.to_owned(),
        language: String::new(),
        country: String::new(),
        currency: String::new(),
        source: String::new(),
        now_ms,
        today: clock::from_ms(now_ms).date_naive(),
    };
    let mut remarks = Remarks::default();
    let entry = customers::read(&columns, &Cells::of(2, &values), &defaults, &mut remarks)
        .map_err(|reason| reason.to_string())?;
    if let Some(kind) = remarks.warnings.0.keys().next() {
        // What an import makes of it comes after the semicolon, and does not happen here.
        let sentence = kind.sentence();
        let problem = sentence.split(';').next().unwrap_or(sentence);
        return Err(format!("the {problem}"));
    }
    correction.row = entry.row;
    if external_id.is_none() {
        correction.row.external_id = None;
    }
    Ok(correction)
}
