//! Bodies: JSON, whatever the content type says, and what is wrong with it.

use actix_web::http::StatusCode;
use chrono::DateTime;
use serde_json::{Map, Value};

use super::refused;
use crate::web::ApiError;

/// Reads a body.
///
/// # Errors
/// 400 with the place of the first fault.
pub(super) fn json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(StatusCode::BAD_REQUEST).with_detail(format!(
            "The body is not JSON: line {}, column {}.",
            error.line(),
            error.column()
        ))
    })
}

/// Reads a body that is one object with these fields at most.
///
/// # Errors
/// 400 for what is no JSON, 422 with the field that is not known.
pub(super) fn object(body: &[u8], fields: &[&str]) -> Result<Map<String, Value>, ApiError> {
    let Value::Object(object) = json(body)? else {
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
        Some(Value::String(text))
            if text.chars().count() <= most && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text.trim()).filter(|text| !text.is_empty()))
        }
        Some(Value::String(_)) => Err(refused(field, "is too long, or not one line")),
        Some(_) => Err(refused(field, "is not a text")),
    }
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
    let Some(text) = text(object, field, 60)? else {
        return Ok(now);
    };
    let at = DateTime::parse_from_rfc3339(text).map_err(|_error| {
        refused(
            field,
            "is not an RFC 3339 instant such as 2026-11-22T14:05:00+01:00",
        )
    })?;
    let at = at.timestamp_millis();
    // A till's clock may go a little before ours.
    if at > now + 600_000 {
        return Err(refused(field, "lies in the future"));
    }
    if at < 0 {
        return Err(refused(field, "lies before 1970"));
    }
    Ok(at.min(now))
}
