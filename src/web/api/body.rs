//! Bodies: JSON, and what is wrong with it.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use chrono::DateTime;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::refused;
use crate::web::ApiError;

/// How deep a body may be: what is read here is at most half as deep.
const DEEPEST: usize = 32;

/// The essence of the media type a request names; `None`: it names none.
pub(super) fn media_type(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE)?;
    let text = value.to_str().unwrap_or("?");
    let essence = text.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// Reads a body of JSON; one without a media type is taken for it.
///
/// # Errors
/// 415 for another media type, 400 with the place of the first fault, 422 for a text that no database keeps.
pub(super) fn json(request: &HttpRequest, body: &[u8]) -> Result<Value, ApiError> {
    require_json(request)?;
    text_as_json(body)
}

/// Refuses a body that is said to be something else than JSON.
///
/// # Errors
/// 415.
pub(super) fn require_json(request: &HttpRequest) -> Result<(), ApiError> {
    let is_json = media_type(request).is_none_or(|essence| {
        essence == "application/json"
            || (essence.starts_with("application/") && essence.ends_with("+json"))
    });
    if is_json {
        Ok(())
    } else {
        Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE))
    }
}

/// Reads JSON.
///
/// # Errors
/// As [`json`], but for the media type.
pub(super) fn text_as_json(body: &[u8]) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    ensure_storable(&value, &mut String::new(), 0)?;
    Ok(value)
}

/// The refusal of what is not JSON, with the place of the first fault.
pub(super) fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST).with_detail(format!(
        "The body is not JSON: line {}, column {}.",
        error.line(),
        error.column()
    ))
}

/// Refuses what neither database keeps: the character U+0000.
fn ensure_storable(value: &Value, path: &mut String, depth: usize) -> Result<(), ApiError> {
    if depth > DEEPEST {
        return Err(refused(path, "is nested too deeply"));
    }
    let no_nul = |text: &str, path: &str| {
        if text.contains('\0') {
            Err(refused(path, "holds the character U+0000"))
        } else {
            Ok(())
        }
    };
    match value {
        Value::String(text) => no_nul(text, path),
        Value::Array(values) => values.iter().enumerate().try_for_each(|(n, value)| {
            within(path, &format!("[{n}]"), |path| {
                ensure_storable(value, path, depth + 1)
            })
        }),
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            no_nul(key, path)?;
            within(path, key, |path| ensure_storable(value, path, depth + 1))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn within<T>(path: &mut String, step: &str, read: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    if length > 0 && !step.starts_with('[') {
        path.push('.');
    }
    path.extend(step.chars().take(60));
    let done = read(path);
    path.truncate(length);
    done
}

/// Reads a body into what it is to be.
///
/// # Errors
/// As [`json`], and 422 with the field that cannot be read.
pub(super) fn read<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, ApiError> {
    typed(json(request, body)?)
}

/// As [`read`], of a request that may have no body: then it is as if it were `{}`.
///
/// # Errors
/// As [`read`].
pub(super) fn read_or_empty<T: DeserializeOwned>(
    request: &HttpRequest,
    body: &[u8],
) -> Result<T, ApiError> {
    if body.is_empty() {
        return typed(Value::Object(Map::new()));
    }
    match json(request, body)? {
        Value::Null => typed(Value::Object(Map::new())),
        value => typed(value),
    }
}

/// Reads a body that says nothing: there is none, or it is `{}`.
///
/// # Errors
/// As [`json`], and 422 with the first field.
pub(super) fn nothing(request: &HttpRequest, body: &[u8]) -> Result<(), ApiError> {
    if body.is_empty() {
        return Ok(());
    }
    match json(request, body)? {
        Value::Null => Ok(()),
        value => fields_of(value, &[]).map(|_none| ()),
    }
}

/// Reads a value into what it is to be.
///
/// # Errors
/// 422 with the field that cannot be read.
pub(super) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    // An array would be read as the fields of an object in their order.
    if !value.is_object() {
        return Err(refused("", "is not an object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let (field, detail) = named(path, error.into_inner().to_string());
        refused(&field, detail)
    })
}

/// The field and what is wrong with it: serde names one that is missing or unknown within its sentence only.
fn named(path: String, said: String) -> (String, String) {
    if let Some(name) = said.strip_prefix("missing field `") {
        let name = name.trim_end_matches('`');
        return (below(&path, name), "is missing".to_owned());
    }
    let unknown = said.strip_prefix("unknown field `");
    if let Some((name, expected)) = unknown.and_then(|rest| rest.split_once("`, ")) {
        let is_named = path == name || path.ends_with(&format!(".{name}"));
        let field = if is_named { path } else { below(&path, name) };
        // A key is as long as the sender likes.
        let field = field.chars().take(200).collect();
        return (field, format!("is not known here; {expected}"));
    }
    (path, said)
}

/// Reads a body that is one object with these fields at most.
///
/// # Errors
/// As [`json`], and 422 with the field that is not known.
pub(super) fn object(
    request: &HttpRequest,
    body: &[u8],
    fields: &[&str],
) -> Result<Map<String, Value>, ApiError> {
    fields_of(json(request, body)?, fields)
}

/// A value as an object with these fields at most.
///
/// # Errors
/// 422 when it is none, or with the field that is not known.
pub(super) fn fields_of(value: Value, fields: &[&str]) -> Result<Map<String, Value>, ApiError> {
    let Value::Object(object) = value else {
        return Err(refused("", "is not an object"));
    };
    if let Some(field) = object.keys().find(|key| !fields.contains(&key.as_str())) {
        let field: String = field.chars().take(60).collect();
        return Err(refused(&field, "is not a field that is read here"));
    }
    Ok(object)
}

/// One line of text, of at most so many characters; an empty one is none.
///
/// # Errors
/// 422 when it is something else.
pub(super) fn text<'a>(
    object: &'a Map<String, Value>,
    field: &str,
    most: usize,
) -> Result<Option<&'a str>, ApiError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => line(field, text, most),
        Some(_) => Err(refused(field, "is not a text")),
    }
}

/// A text that is to be one line, of at most so many characters; an empty one is none.
///
/// # Errors
/// 422 when it is something else.
pub(super) fn line<'a>(
    field: &str,
    text: &'a str,
    most: usize,
) -> Result<Option<&'a str>, ApiError> {
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(refused(field, "is too long, or not one line"));
    }
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

/// As [`text`], of a field that must be there.
///
/// # Errors
/// 422 when it is missing or something else.
pub(super) fn required<'a>(
    object: &'a Map<String, Value>,
    field: &str,
    most: usize,
) -> Result<&'a str, ApiError> {
    text(object, field, most)?.ok_or_else(|| refused(field, "is missing"))
}

/// When it happened, milliseconds since the epoch; `now` where nothing is said.
///
/// # Errors
/// 422 when it is no instant, or lies ahead.
pub(super) fn instant(object: &Map<String, Value>, field: &str, now: i64) -> Result<i64, ApiError> {
    match text(object, field, 60)? {
        None => Ok(now),
        Some(text) => past(field, text, now),
    }
}

/// An instant that is not to lie ahead, in milliseconds since the epoch.
///
/// # Errors
/// 422 when it is none, or lies ahead.
pub(super) fn past(field: &str, text: &str, now: i64) -> Result<i64, ApiError> {
    let at = any_instant(field, text)?;
    // A till's clock may go a little before ours.
    if at > now + 600_000 {
        return Err(refused(field, "lies in the future"));
    }
    Ok(at.min(now))
}

/// An instant since 1970, in milliseconds since the epoch.
///
/// # Errors
/// 422 when it is none.
pub(super) fn any_instant(field: &str, text: &str) -> Result<i64, ApiError> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_error| {
        refused(
            field,
            "is not an RFC 3339 instant such as 2026-11-22T14:05:00+01:00",
        )
    })?;
    let at = at.timestamp_millis();
    if at < 0 {
        return Err(refused(field, "lies before 1970"));
    }
    Ok(at)
}

/// A fault that stands within a field.
pub(super) fn below(field: &str, at: &str) -> String {
    match (field, at) {
        (field, "") => field.to_owned(),
        ("", at) => at.to_owned(),
        (field, at) if at.starts_with('[') => format!("{field}{at}"),
        (field, at) => format!("{field}.{at}"),
    }
}

/// A sentence as a problem's detail has it: with a capital and a full stop.
pub(super) fn sentence(text: &str) -> Cow<'static, str> {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    Cow::Owned(format!(
        "{}{}{end}",
        first.unwrap_or_default(),
        letters.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_wherever_serde_names_it() {
        let named = |path: &str, said: &str| named(path.to_owned(), said.to_owned());
        let of = |field: &str, detail: &str| (field.to_owned(), detail.to_owned());
        assert_eq!(
            named("", "missing field `revision`"),
            of("revision", "is missing")
        );
        assert_eq!(
            named("cells[0]", "missing field `name`"),
            of("cells[0].name", "is missing")
        );
        assert_eq!(
            named(
                "sender.nmae",
                "unknown field `nmae`, expected `name` or `sms`"
            ),
            of("sender.nmae", "is not known here; expected `name` or `sms`")
        );
        assert_eq!(
            named("", "unknown field `x`, there are no fields"),
            of("x", "is not known here; there are no fields")
        );
        assert_eq!(
            named("cells[0].weight", "invalid type: string"),
            of("cells[0].weight", "invalid type: string")
        );
    }
}
