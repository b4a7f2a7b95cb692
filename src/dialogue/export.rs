//! Access and portability (GDPR art. 15 and 20): everything about one person, as one JSON document and as
//! tables, in a zip.

use std::io::{Cursor, Write};

use chrono::{Datelike, Timelike};
use serde_json::{Map, Value, json};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, result::ZipError};

use super::store::{erasure, everything};
use super::{DialogueError, gone};
use crate::clock::from_ms;
use crate::consent::audit;
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Db;
use crate::storage::text::formula_safe;

mod readme;

/// The action of the audit record.
pub const EXPORT: &str = "export";

/// Everything about a customer and nothing about anyone else, as a zip archive: `everything.json`, a CSV a
/// kind (RFC 4180, safe for spreadsheets), and `README.txt` in his language. Leaves an audit record of
/// `actor` (`person`, `operator`).
///
/// # Errors
/// When there is no such customer, or the database is away.
pub async fn archive(
    db: &Db,
    keys: &Keys,
    customer: CustomerId,
    actor: &str,
    now_ms: i64,
) -> Result<Vec<u8>, DialogueError> {
    // One transaction, under the lock of his row: nothing changes between the tables.
    let txn = db.begin().await?;
    let Some(held) = erasure::hold(&txn, keys, customer).await? else {
        return Err(gone(&txn, customer).await);
    };
    audit::record(&*txn, now_ms, actor, EXPORT, Some(customer), json!({})).await?;
    let sections = everything::everything(&*txn, customer, &held.fingerprints, now_ms).await?;
    txn.commit().await?;
    pack(&sections, customer, &held.language, now_ms).map_err(DialogueError::Archive)
}

/// The action of the audit record of a look.
pub const ACCESS: &str = "access";

/// Leaves the audit record of a look at a person.
///
/// # Errors
/// When the database is away: then he must not be shown.
pub async fn note_access(
    db: &Db,
    customer: CustomerId,
    actor: &str,
    now_ms: i64,
) -> Result<(), DialogueError> {
    let txn = db.begin().await?;
    audit::record(&*txn, now_ms, actor, ACCESS, Some(customer), json!({})).await?;
    txn.commit().await?;
    Ok(())
}

/// Leaves the audit record of a look at each of several people.
///
/// # Errors
/// As [`note_access`].
pub async fn note_access_to(
    db: &Db,
    customers: &[CustomerId],
    actor: &str,
    now_ms: i64,
) -> Result<(), DialogueError> {
    let txn = db.begin().await?;
    audit::record_each(&*txn, now_ms, actor, ACCESS, customers).await?;
    txn.commit().await?;
    Ok(())
}

/// What an operator looks at: profile, tags, interests, habits, permissions and suppressions. Leaves an audit record.
///
/// # Errors
/// As [`archive`].
pub async fn overview(
    db: &Db,
    keys: &Keys,
    customer: CustomerId,
    actor: &str,
    now_ms: i64,
) -> Result<Value, DialogueError> {
    let txn = db.begin().await?;
    let Some(held) = erasure::hold(&txn, keys, customer).await? else {
        return Err(gone(&txn, customer).await);
    };
    audit::record(&*txn, now_ms, actor, ACCESS, Some(customer), json!({})).await?;
    let mut sections = everything::everything(&*txn, customer, &held.fingerprints, now_ms).await?;
    txn.commit().await?;
    sections.retain(|section| {
        [
            "profile",
            "tags",
            "interests",
            "habits",
            "permissions",
            "suppressions",
        ]
        .contains(&section.name)
    });
    Ok(document(&sections, customer, now_ms))
}

fn pack(
    sections: &[everything::Section],
    customer: CustomerId,
    language: &str,
    now_ms: i64,
) -> Result<Vec<u8>, ZipError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(file_time(now_ms))
        .unix_permissions(0o600);
    archive.start_file("README.txt", options)?;
    archive.write_all(readme::text(language).as_bytes())?;
    archive.start_file("everything.json", options)?;
    let document = document(sections, customer, now_ms);
    archive.write_all(&serde_json::to_vec_pretty(&document).map_err(std::io::Error::from)?)?;
    for section in sections {
        archive.start_file(format!("{}.csv", section.name), options)?;
        archive.write_all(&table(section)?)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// An instant as an archive has it; the first it knows where it cannot.
fn file_time(now_ms: i64) -> zip::DateTime {
    let now = from_ms(now_ms);
    let small = |n: u32| u8::try_from(n).unwrap_or_default();
    u16::try_from(now.year())
        .ok()
        .and_then(|year| {
            zip::DateTime::from_date_and_time(
                year,
                small(now.month()),
                small(now.day()),
                small(now.hour()),
                small(now.minute()),
                small(now.second()),
            )
            .ok()
        })
        .unwrap_or_default()
}

/// One object a kind; of the profile there is one, of all others a list.
fn document(sections: &[everything::Section], customer: CustomerId, now_ms: i64) -> Value {
    let mut document = Map::new();
    document.insert("customer".to_owned(), json!(customer));
    let made_at = from_ms(now_ms).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    document.insert("made_at".to_owned(), json!(made_at));
    for section in sections {
        let mut rows: Vec<Value> = section
            .rows
            .iter()
            .map(|row| {
                let names = section.columns.iter().map(|name| (*name).to_owned());
                Value::Object(names.zip(row.iter().cloned()).collect())
            })
            .collect();
        let value = match section.name {
            "profile" => rows.pop().unwrap_or_default(),
            _ => Value::Array(rows),
        };
        document.insert(section.name.to_owned(), value);
    }
    Value::Object(document)
}

fn table(section: &everything::Section) -> Result<Vec<u8>, std::io::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(&section.columns)?;
    for row in &section.rows {
        writer.write_record(row.iter().map(cell))?;
    }
    writer
        .into_inner()
        .map_err(|error| std::io::Error::other(error.into_error()))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => formula_safe(text),
        other => other.to_string(),
    }
}
