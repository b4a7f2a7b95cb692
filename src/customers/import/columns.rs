//! Which column of a file holds what: by its name or an alias, in English and French, or as `--map` says.

use std::collections::HashMap;

use super::names::names;
use super::records::Cells;
use super::{ImportError, ImportKind};
use crate::consent::model::{Channel, Scope};
use crate::storage::text::fold;

/// What a column can hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::customers) enum Field {
    // Customers and, but for the names, orders.
    ExternalId,
    Email,
    Phone,
    /// The n-th of [`crate::customers::profile::TEXTS`].
    Text(usize),
    BirthDate,
    Language,
    Country,
    Stage,
    Tags,
    Tracking,
    Attribute(String),
    /// Yes or no to a topic of a channel, or to the channel.
    Permission(Channel, Scope),
    /// What proves the answers: for all permission columns, or for one.
    Proof(Option<(Channel, Scope)>, Proof),
    // Orders.
    OrderId,
    OrderedAt,
    Amount,
    Currency,
    Product,
    Category,
    Campaign,
    Token,
    Coupon,
    CampaignCode,
    /// Not looked at, and not worth a word.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::customers) enum Proof {
    Source,
    Date,
    Basis,
    Wording,
    /// The rung of the ladder a yes gives.
    Level,
    /// When a yes ends by itself.
    Expires,
}

/// The columns of one file.
#[derive(Debug)]
pub(super) struct Columns {
    pub headers: Vec<String>,
    /// Where the line and reason of an earlier import's rejects stand.
    pub notes: Vec<usize>,
    pub ignored: Vec<String>,
    places: HashMap<Field, usize>,
    pub attributes: Vec<(String, usize)>,
    pub permissions: Vec<(Channel, Scope, usize)>,
}

impl Columns {
    /// Reads the header.
    ///
    /// # Errors
    /// When `map` names a column or field that is not there, two columns hold the same field, a
    /// permission column cannot be understood, or what every row needs is missing.
    pub fn read(
        header: &Cells,
        map: &[(String, String)],
        kind: ImportKind,
    ) -> Result<Self, ImportError> {
        // Control characters would speak to the terminal that shows the names.
        let headers: Vec<String> = header
            .iter()
            .map(|cell| cell.trim().replace(char::is_control, "\u{fffd}"))
            .collect();
        let folded: Vec<String> = headers.iter().map(|name| fold(name)).collect();
        let mut mapped: HashMap<usize, Field> = HashMap::new();
        for (column, field) in map {
            let wanted = fold(column);
            let place = folded
                .iter()
                .position(|name| *name == wanted)
                .or_else(|| numbered(&wanted).filter(|place| *place < folded.len()))
                .ok_or_else(|| ImportError::UnknownColumn {
                    column: column.clone(),
                    columns: headers.join(", "),
                })?;
            let field = field_named(&fold(field), kind, false)?.ok_or_else(|| {
                ImportError::UnknownField {
                    field: field.clone(),
                    nearest: nearest(field, kind),
                }
            })?;
            mapped.insert(place, field);
        }
        let is_reject_file = ["line", "reason"]
            .iter()
            .all(|note| folded.iter().any(|name| name == note));
        let mut columns = Self {
            headers,
            notes: Vec::new(),
            ignored: Vec::new(),
            places: HashMap::new(),
            attributes: Vec::new(),
            permissions: Vec::new(),
        };
        // What the user mapped comes first: an alias gives way to it.
        let by_user: Vec<Field> = mapped.values().cloned().collect();
        for (place, name) in folded.iter().enumerate() {
            let is_note = is_reject_file && (name == "line" || name == "reason");
            let field = match mapped.get(&place) {
                Some(field) => Some(field.clone()),
                None if is_note => {
                    columns.notes.push(place);
                    Some(Field::Nothing)
                }
                None => field_named(name, kind, true)?.filter(|field| !by_user.contains(field)),
            };
            columns.put(place, field)?;
        }
        columns.require(kind)?;
        Ok(columns)
    }

    fn put(&mut self, place: usize, field: Option<Field>) -> Result<(), ImportError> {
        let name = self.headers.get(place).cloned().unwrap_or_default();
        let Some(field) = field else {
            if !name.is_empty() {
                self.ignored.push(name);
            }
            return Ok(());
        };
        if field == Field::Nothing {
            return Ok(());
        }
        if let Some(first) = self.places.get(&field) {
            return Err(ImportError::DuplicateColumn {
                first: self.headers.get(*first).cloned().unwrap_or_default(),
                second: name,
            });
        }
        match &field {
            Field::Attribute(attribute) => self.attributes.push((attribute.clone(), place)),
            Field::Permission(channel, scope) => {
                self.permissions.push((*channel, scope.clone(), place));
            }
            _ => {}
        }
        self.places.insert(field, place);
        Ok(())
    }

    fn require(&self, kind: ImportKind) -> Result<(), ImportError> {
        let has = |field: Field| self.places.contains_key(&field);
        let found = || self.headers.join(", ");
        let is_proved = has(Field::Token) || has(Field::Coupon);
        if !(has(Field::ExternalId) || has(Field::Email) || has(Field::Phone) || is_proved) {
            let id = if kind == ImportKind::Customers {
                "external_id"
            } else {
                "customer_id"
            };
            return Err(ImportError::NoIdentifier {
                id,
                columns: found(),
            });
        }
        if kind == ImportKind::Orders {
            for (name, field) in [("ordered_at", Field::OrderedAt), ("amount", Field::Amount)] {
                if !has(field) {
                    return Err(ImportError::MissingColumn {
                        field: name,
                        columns: found(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The cell of a field, trimmed; `None` where the column is missing or the cell empty.
    pub fn cell<'a>(&self, field: &Field, cells: &'a Cells) -> Option<&'a str> {
        let text = said(cells, *self.places.get(field)?);
        (!text.is_empty()).then_some(text)
    }

    /// Whether some column holds this field.
    pub fn holds(&self, field: &Field) -> bool {
        self.places.contains_key(field)
    }

    /// What proves a permission: its own column, or the one for all.
    pub fn proof<'a>(
        &self,
        channel: Channel,
        scope: &Scope,
        proof: Proof,
        cells: &'a Cells,
    ) -> Option<&'a str> {
        self.cell(&Field::Proof(Some((channel, scope.clone())), proof), cells)
            .or_else(|| self.cell(&Field::Proof(None, proof), cells))
    }

    /// The name of the column that holds a field, as the file has it.
    pub fn header(&self, field: &Field) -> &str {
        self.places
            .get(field)
            .and_then(|place| self.headers.get(*place))
            .map_or("", String::as_str)
    }
}

/// The place of a column that is named by its number, `#1` the first: where two have the same name.
fn numbered(name: &str) -> Option<usize> {
    name.strip_prefix('#')?
        .parse::<usize>()
        .ok()?
        .checked_sub(1)
}

/// What a cell says, trimmed, and without the apostrophe that keeps a spreadsheet from taking it for a formula
/// ([`crate::storage::text::formula_safe`]): our own files come back with it.
pub(super) fn said(cells: &Cells, place: usize) -> &str {
    let text = cells.get(place).unwrap_or_default().trim();
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest,
        _ => text,
    }
}

/// Our name of what a column of this name holds, as far as the name tells.
pub(super) fn guess(header: &str, kind: ImportKind) -> Option<String> {
    let name = fold(header);
    match field_named(&name, kind, true).ok()?? {
        Field::Attribute(attribute) => Some(format!("attribute.{attribute}")),
        Field::Permission(..) | Field::Proof(Some(_), _) => Some(name),
        field => names(kind)
            .iter()
            .find(|(_, known, _)| *known == field)
            .map(|(name, _, _)| (*name).to_owned()),
    }
}

/// What an attribute from a column of this name is called.
pub(super) fn attribute_name(header: &str) -> String {
    format!("attribute.{}", word(&fold(header)))
}

/// The field of a folded name; aliases only where `with_aliases`.
fn field_named(
    name: &str,
    kind: ImportKind,
    with_aliases: bool,
) -> Result<Option<Field>, ImportError> {
    if kind == ImportKind::Customers {
        if let Some(attribute) = name
            .strip_prefix("attribute.")
            .or_else(|| name.strip_prefix("attribut."))
        {
            let attribute = word(attribute);
            return Ok((!attribute.is_empty()).then_some(Field::Attribute(attribute)));
        }
        if let Some(permission) = name.strip_prefix("permission.") {
            return permission_field(permission).map(Some).ok_or_else(|| {
                ImportError::PermissionColumn {
                    column: name.to_owned(),
                }
            });
        }
    }
    let spaced = name.replace('_', " ");
    let is_named = |known: &str| known == name || known.replace('_', " ") == spaced;
    Ok(names(kind)
        .iter()
        .find(|(known, field, aliases)| {
            (is_named(known) && (*field != Field::Nothing || !with_aliases))
                || (with_aliases && aliases.iter().any(|alias| is_named(alias)))
        })
        .map(|(_, field, _)| field.clone()))
}

/// `email.offers`, `email.offers.source`, `sms` or `sms.*`.
fn permission_field(name: &str) -> Option<Field> {
    let mut parts = name.split('.');
    let channel: Channel = parts.next()?.parse().ok()?;
    let scope = match parts.next() {
        None | Some("*" | "all") => Scope::All,
        Some(topic) => Scope::Topic(Some(word(topic)).filter(|topic| !topic.is_empty())?),
    };
    let field = match parts.next() {
        None => Field::Permission(channel, scope),
        Some("source") => Field::Proof(Some((channel, scope)), Proof::Source),
        Some("date") => Field::Proof(Some((channel, scope)), Proof::Date),
        Some("basis") => Field::Proof(Some((channel, scope)), Proof::Basis),
        Some("wording") => Field::Proof(Some((channel, scope)), Proof::Wording),
        Some("level") => Field::Proof(Some((channel, scope)), Proof::Level),
        Some("expires") => Field::Proof(Some((channel, scope)), Proof::Expires),
        Some(_) => return None,
    };
    parts.next().is_none().then_some(field)
}

/// A name as the segment language writes it: letters, digits, `_` and `-`.
fn word(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn nearest(field: &str, kind: ImportKind) -> String {
    let folded = fold(field);
    names(kind)
        .iter()
        .map(|(name, _, _)| *name)
        .max_by(|a, b| {
            strsim::jaro_winkler(a, &folded).total_cmp(&strsim::jaro_winkler(b, &folded))
        })
        .unwrap_or_default()
        .to_owned()
}
