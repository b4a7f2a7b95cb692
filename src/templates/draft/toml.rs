//! One TOML file whose values are replaced while everything else stays as it is.

use std::collections::BTreeMap;

use toml_edit::{Array, Decor, DocumentMut, Item, Key, RawString, Table, TableLike, Value};

use crate::templates::error::{Place, TemplateError};

pub(super) struct Document {
    file: String,
    document: DocumentMut,
}

impl Document {
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, TemplateError> {
        let document = text
            .parse::<DocumentMut>()
            .map_err(|error| TemplateError::Written {
                place: Place {
                    file: file.to_owned(),
                    line: error.span().map(|span| {
                        let before = text.get(..span.start).unwrap_or(text);
                        before.matches('\n').count() + 1
                    }),
                    key: String::new(),
                },
                problem: error.message().trim().to_owned(),
            })?;
        Ok(Self {
            file: file.to_owned(),
            document,
        })
    }

    pub(super) fn into_text(self) -> String {
        self.document.to_string()
    }

    /// A complaint about this file.
    pub(super) fn refuse(&self, problem: String) -> TemplateError {
        TemplateError::Written {
            place: Place {
                file: self.file.clone(),
                line: None,
                key: String::new(),
            },
            problem,
        }
    }

    fn item(&self, steps: &[&str]) -> Option<&Item> {
        let mut item = self.document.as_item();
        for step in steps {
            item = item.as_table_like()?.get(step)?;
        }
        Some(item)
    }

    /// The text at a place; empty when there is none.
    pub(super) fn text(&self, steps: &[&str]) -> String {
        self.item(steps)
            .and_then(Item::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// The texts of a list.
    pub(super) fn list(&self, steps: &[&str]) -> Vec<String> {
        let items = self.item(steps).and_then(Item::as_array).into_iter();
        items
            .flatten()
            .map(|value| value.as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The texts of a table by their keys.
    pub(super) fn texts_of(&self, steps: &[&str]) -> BTreeMap<String, String> {
        let table = self.item(steps).and_then(Item::as_table_like);
        table
            .into_iter()
            .flat_map(|table| table.iter())
            .filter_map(|(key, item)| Some((key.to_owned(), item.as_str()?.to_owned())))
            .collect()
    }

    /// The table in which the last step stands, made where it is missing.
    fn table(&mut self, parents: &[&str]) -> Result<&mut dyn TableLike, String> {
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        for step in parents {
            if !table.contains_key(step) {
                table.insert(step, Item::Table(Table::new()));
            }
            table = table
                .get_mut(step)
                .and_then(Item::as_table_like_mut)
                .ok_or_else(|| format!("{} is no table", parents.join(".")))?;
        }
        Ok(table)
    }

    /// Puts a text at a place; an empty one takes the key away.
    pub(super) fn set(&mut self, steps: &[&str], text: &str) -> Result<(), String> {
        if text.is_empty() {
            self.remove(steps);
            return Ok(());
        }
        let Some((last, parents)) = steps.split_last() else {
            return Ok(());
        };
        let table = self.table(parents)?;
        let mut value = value_of(text);
        match table.get_mut(last) {
            Some(item) => {
                if let Some(old) = item.as_value() {
                    *value.decor_mut() = old.decor().clone();
                }
                *item = Item::Value(value);
            }
            None => {
                table.insert(last, Item::Value(value));
            }
        }
        Ok(())
    }

    /// Puts a list at a place; each point that was there before keeps its form, and comments stay.
    pub(super) fn set_list(&mut self, steps: &[&str], points: &[String]) -> Result<(), String> {
        if points.is_empty() {
            self.remove(steps);
            return Ok(());
        }
        let Some((last, parents)) = steps.split_last() else {
            return Ok(());
        };
        let table = self.table(parents)?;
        let old = table.get(last).and_then(Item::as_array).cloned();
        let mut comments = Vec::new();
        let list = match old {
            Some(old) => relisted(&old, points, &mut comments),
            None => {
                let mut list = Array::new();
                for point in points {
                    list.push_formatted(on_its_line(value_of(point)));
                }
                list.set_trailing("\n");
                list.set_trailing_comma(true);
                list
            }
        };
        match table.get_mut(last) {
            Some(item) => *item = Item::Value(Value::Array(list)),
            None => {
                table.insert(last, Item::Value(Value::Array(list)));
            }
        }
        self.keep(comments);
        Ok(())
    }

    /// Takes a table away in which no value stands.
    pub(super) fn remove_if_empty(&mut self, steps: &[&str]) {
        let is_empty = self
            .item(steps)
            .and_then(Item::as_table_like)
            .is_some_and(TableLike::is_empty);
        if is_empty {
            self.remove(steps);
        }
    }

    /// Takes a key away; the comments about it go to the end of the file.
    fn remove(&mut self, steps: &[&str]) {
        let Some((last, parents)) = steps.split_last() else {
            return;
        };
        let mut comments = Vec::new();
        if let Some(table) = self.item(parents).and_then(Item::as_table_like)
            && let Some((key, item)) = table.get_key_value(last)
        {
            comments_of(Some(key), item, &mut comments);
        } else {
            return;
        }
        if let Ok(table) = self.table(parents) {
            table.remove(last);
        }
        self.keep(comments);
    }

    /// Writes comments at the end of the file.
    fn keep(&mut self, comments: Vec<String>) {
        if comments.is_empty() {
            return;
        }
        let mut trailing = self
            .document
            .trailing()
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if !trailing.is_empty() && !trailing.ends_with('\n') {
            trailing.push('\n');
        }
        for comment in comments {
            trailing.push_str(&comment);
            trailing.push('\n');
        }
        self.document.set_trailing(trailing);
    }
}

/// A text as TOML writes it: one of several lines stands between triple quotes, its end on a line of its own.
fn value_of(text: &str) -> Value {
    if text.contains('\n') {
        Value::from(format!("{text}\n"))
    } else {
        Value::from(text)
    }
}

fn on_its_line(mut value: Value) -> Value {
    value.decor_mut().set_prefix("\n  ");
    value
}

/// The new list in the form of the old one.
fn relisted(old: &Array, points: &[String], comments: &mut Vec<String>) -> Array {
    let is_same = |value: &Value, point: &str| {
        value
            .as_str()
            .is_some_and(|text| super::tidy(text) == *point)
    };
    let mut left: Vec<Option<&Value>> = old.iter().map(Some).collect();
    // What stays keeps its place in the queue; what is new takes the form of what went from there.
    let kept: Vec<Option<&Value>> = points
        .iter()
        .map(|point| {
            let place = left
                .iter_mut()
                .find(|value| value.is_some_and(|value| is_same(value, point)));
            place.and_then(Option::take)
        })
        .collect();
    let is_spread = old.is_empty()
        || old
            .iter()
            .any(|value| written(value.decor().prefix()).contains('\n'));
    let mut list = old.clone();
    list.clear();
    for (number, (point, kept)) in points.iter().zip(kept).enumerate() {
        let value = match (kept, left.get_mut(number).and_then(Option::take)) {
            (Some(kept), gone) => {
                // Not this one's turn: another may still take its form.
                if let Some(place) = left.get_mut(number) {
                    *place = gone;
                }
                kept.clone()
            }
            (None, Some(gone)) => {
                let mut value = value_of(point);
                *value.decor_mut() = gone.decor().clone();
                value
            }
            (None, None) if is_spread => on_its_line(value_of(point)),
            (None, None) => {
                let mut value = value_of(point);
                value
                    .decor_mut()
                    .set_prefix(if number == 0 { "" } else { " " });
                value
            }
        };
        list.push_formatted(value);
    }
    if old.is_empty() && written(Some(old.trailing())).trim().is_empty() {
        list.set_trailing("\n");
        list.set_trailing_comma(true);
    }
    for gone in left.into_iter().flatten() {
        comments_of(None, &Item::Value(gone.clone()), comments);
    }
    list
}

fn written(raw: Option<&RawString>) -> &str {
    raw.and_then(RawString::as_str).unwrap_or_default()
}

/// The comments that stand around a key and within its value.
fn comments_of(key: Option<&Key>, item: &Item, found: &mut Vec<String>) {
    let mut around = |decor: &Decor| {
        comments_in(decor.prefix(), found);
        comments_in(decor.suffix(), found);
    };
    if let Some(key) = key {
        around(key.leaf_decor());
        around(key.dotted_decor());
    }
    match item {
        Item::None => {}
        Item::Value(value) => {
            around(value.decor());
            match value {
                Value::Array(list) => {
                    for value in list {
                        comments_of(None, &Item::Value(value.clone()), found);
                    }
                    comments_in(Some(list.trailing()), found);
                }
                Value::InlineTable(table) => {
                    for (key, item) in TableLike::iter(table) {
                        comments_of(table.key(key), item, found);
                    }
                    comments_in(Some(table.trailing()), found);
                }
                _ => {}
            }
        }
        Item::Table(table) => {
            around(table.decor());
            for (key, item) in table {
                comments_of(table.key(key), item, found);
            }
        }
        Item::ArrayOfTables(tables) => {
            for table in tables {
                comments_of(None, &Item::Table(table.clone()), found);
            }
        }
    }
}

fn comments_in(raw: Option<&RawString>, found: &mut Vec<String>) {
    let lines = written(raw).lines().map(str::trim);
    found.extend(lines.filter(|l| l.starts_with('#')).map(str::to_owned));
}
