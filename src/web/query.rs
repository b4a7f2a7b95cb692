//! What is wrong with the parameters of a query, in words.

use actix_web::HttpRequest;
use actix_web::error::QueryPayloadError;
use actix_web::http::StatusCode;

use super::ApiError;

/// Characters at most of a name or value that are said back.
const ECHOED: usize = 100;

/// Names at most that are said where nothing tells which of them it is.
const NAMED: usize = 5;

/// The refusal of a query that cannot be read.
pub(super) fn refusal(error: &QueryPayloadError, request: &HttpRequest) -> ApiError {
    let refused = ApiError::new(StatusCode::BAD_REQUEST);
    // Programs mend it by what is said; the links of pages and messages are ours, and strangers learn nothing.
    if request.path().starts_with("/api/") {
        refused.with_detail(told(&error.to_string(), request.query_string()))
    } else {
        refused
    }
}

/// The error in a sentence, with the parameter where it does not name it.
fn told(error: &str, query: &str) -> String {
    let error = error
        .strip_prefix("Query deserialize error: ")
        .unwrap_or(error);
    let given: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let mut said = error.to_owned();
    for text in given.iter().flat_map(|(name, value)| [name, value]) {
        if text.chars().count() > ECHOED {
            said = said.replace(text.as_str(), &clipped(text));
        }
    }
    let names_it = ["missing field", "unknown field", "duplicate field"];
    if names_it.iter().any(|start| error.starts_with(start)) {
        return format!("The query cannot be read: {said}.");
    }
    let suspects = given.iter().filter(|(_, value)| is_suspect(error, value));
    let mut names: Vec<String> = suspects
        .map(|(name, _)| format!("`{}`", clipped(name)))
        .collect();
    names.truncate(NAMED);
    match names.as_slice() {
        [] => format!("The query cannot be read: {said}."),
        [name] => format!("The parameter {name} cannot be read: {said}."),
        names => format!(
            "One of the parameters {} cannot be read: {said}.",
            names.join(", ")
        ),
    }
}

/// Whether this error can be about this value: numbers and truths are refused without a word of which it was.
fn is_suspect(error: &str, value: &str) -> bool {
    if let Some(variant) = error.strip_prefix("unknown variant `") {
        return variant.starts_with(&format!("{value}`"));
    }
    if error.starts_with("cannot parse ") {
        return value.is_empty();
    }
    if error.starts_with("invalid digit") {
        return value.parse::<u64>().is_err();
    }
    if error.starts_with("invalid float") {
        return value.parse::<f64>().is_err();
    }
    if error.starts_with("number too ") {
        return value.parse::<u16>().is_err() && value.parse::<f64>().is_ok();
    }
    if error.contains("`true`") {
        return value != "true" && value != "false";
    }
    true
}

/// The beginning of a text.
fn clipped(text: &str) -> String {
    text.chars().take(ECHOED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_named() {
        for (error, query, expected) in [
            (
                "Query deserialize error: missing field `name`",
                "kind=orders",
                "The query cannot be read: missing field `name`.",
            ),
            (
                "unknown field `colour`, expected `limit` or `cursor`",
                "colour=red",
                "The query cannot be read: unknown field `colour`, expected `limit` or `cursor`.",
            ),
            (
                "unknown variant `zz`, expected `customers` or `orders`",
                "name=a.csv&kind=zz",
                "The parameter `kind` cannot be read: unknown variant `zz`, expected `customers` or `orders`.",
            ),
            (
                "invalid digit found in string",
                "offset=3&limit=abc",
                "The parameter `limit` cannot be read: invalid digit found in string.",
            ),
            (
                "invalid digit found in string",
                "email=x&limit=-1",
                "One of the parameters `email`, `limit` cannot be read: invalid digit found in string.",
            ),
            (
                "provided string was not `true` or `false`",
                "by_person=yes",
                "The parameter `by_person` cannot be read: provided string was not `true` or `false`.",
            ),
        ] {
            assert_eq!(told(error, query), expected);
        }
    }

    #[test]
    fn little_is_said_back_of_what_was_given() {
        let long = "x".repeat(5_000);
        let error = format!("unknown variant `{long}`, expected `customers`");
        let said = told(&error, &format!("kind={long}"));
        assert!(said.starts_with("The parameter `kind` "), "{said}");
        assert!(said.len() < 300, "{said}");
    }
}
