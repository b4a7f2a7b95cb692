//! `GET /api/v1`: the document as people read it; and what a token may do.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::{HttpResponse, web};
use pulldown_cmark::{Parser, html};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Caller;
use super::document::DOCUMENT;
use crate::web::{ApiError, State};

/// What a token may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    #[schema(example = "shop")]
    name: String,
    #[schema(example = json!(["orders:write"]))]
    scopes: Vec<String>,
}

/// Says whose token this is and what it may do.
#[utoipa::path(
    get, path = "/api/v1/token", operation_id = "getToken", tag = "This API",
    responses((status = 200, description = "The token", body = TokenView)),
)]
pub(super) async fn token(caller: Caller) -> Result<HttpResponse, ApiError> {
    let view = TokenView {
        scopes: caller
            .scopes
            .iter()
            .map(|scope| scope.as_str().to_owned())
            .collect(),
        name: caller.name,
    };
    super::answer(StatusCode::OK, &view)
}

#[derive(Debug, Serialize)]
struct View {
    title: &'static str,
    section: &'static str,
    about: String,
    areas: Vec<Area>,
    scopes: String,
    schemas: Vec<Schema>,
}

#[derive(Debug, Default, Serialize)]
struct Area {
    name: String,
    anchor: String,
    description: String,
    operations: Vec<Operation>,
}

#[derive(Debug, Serialize)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    scope: String,
    parameters: Vec<Field>,
    body: Option<Body>,
    answers: Vec<Answer>,
    /// Statuses that many operations answer, in short.
    refusals: String,
    curl: String,
}

#[derive(Debug, Serialize)]
struct Field {
    name: String,
    place: String,
    kind: String,
    is_required: bool,
    description: String,
}

#[derive(Debug, Serialize)]
struct Body {
    media: String,
    kind: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    status: String,
    description: String,
    kind: String,
}

#[derive(Debug, Serialize)]
struct Schema {
    name: String,
    description: String,
    /// Of an enumeration, its words.
    words: String,
    fields: Vec<Field>,
    /// Of one that is one of several, which.
    kind: String,
}

/// The page: it needs a style of ours and nothing else.
pub(super) async fn page(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    const POLICY: &str =
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    let mut response = state.pages.answer("api", &View::of(&DOCUMENT))?;
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

/// Its style.
pub(super) async fn style(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(state.pages.style().to_owned())
}

impl View {
    fn of(document: &Value) -> Self {
        let text = |path: &str| document.pointer(path).map_or("", in_text);
        Self {
            title: "The API of visavis",
            section: "",
            about: markdown(text("/info/description")),
            areas: areas(document),
            scopes: markdown(text("/components/securitySchemes/token/description")),
            schemas: document
                .pointer("/components/schemas")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, schema)| Schema::of(name, schema))
                .collect(),
        }
    }
}

fn areas(document: &Value) -> Vec<Area> {
    let tags = document.get("tags").and_then(Value::as_array);
    let mut areas: Vec<Area> = tags
        .into_iter()
        .flatten()
        .map(|tag| {
            let name = field(tag, "name");
            Area {
                anchor: name.to_lowercase().replace(' ', "-"),
                description: markdown(field(tag, "description")),
                name: name.to_owned(),
                operations: Vec::new(),
            }
        })
        .collect();
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        // As one works with them, not in the order of the alphabet.
        for method in ["get", "post", "put", "patch", "delete"] {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let tag = operation.pointer("/tags/0").map_or("", in_text);
            if let Some(area) = areas.iter_mut().find(|area| area.name == tag) {
                area.operations.push(Operation::of(path, method, operation));
            }
        }
    }
    areas
}

impl Operation {
    fn of(path: &str, method: &str, operation: &Value) -> Self {
        let mut answers = Vec::new();
        let mut refusals = Vec::new();
        let told = operation.get("responses").and_then(Value::as_object);
        for (status, answer) in told.into_iter().flatten() {
            if answer.get("$ref").is_some() {
                refusals.push(status.as_str());
                continue;
            }
            let content = answer.get("content").and_then(Value::as_object);
            let kinds: Vec<String> = content
                .into_iter()
                .flatten()
                .map(|(media, content)| match media.as_str() {
                    "application/json" => content.get("schema").map(kind).unwrap_or_default(),
                    media => format!("<code>{}</code>", escaped(media)),
                })
                .collect();
            answers.push(Answer {
                status: status.clone(),
                description: markdown(field(answer, "description")),
                kind: kinds.join(", "),
            });
        }
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let scope = operation
            .pointer("/security/0/token/0")
            .map_or("any token", in_text);
        Self {
            id: field(operation, "operationId").to_owned(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: field(operation, "summary").trim_end_matches('.').to_owned(),
            description: markdown(field(operation, "description")),
            scope: scope.to_owned(),
            parameters: parameters.into_iter().flatten().map(parameter).collect(),
            body: operation.get("requestBody").map(Body::of),
            answers,
            refusals: refusals.join(", "),
            curl: curl(path, method, operation),
        }
    }
}

impl Body {
    fn of(body: &Value) -> Self {
        let content = body.get("content").and_then(Value::as_object);
        let (media, kinds): (Vec<&str>, Vec<String>) = content
            .into_iter()
            .flatten()
            .map(|(media, content)| {
                let kind = content.get("schema").map(kind).unwrap_or_default();
                (media.as_str(), kind)
            })
            .unzip();
        Self {
            media: media.join(", "),
            kind: kinds.into_iter().next().unwrap_or_default(),
        }
    }
}

fn parameter(one: &Value) -> Field {
    Field {
        name: field(one, "name").to_owned(),
        place: field(one, "in").to_owned(),
        kind: one.get("schema").map(kind).unwrap_or_default(),
        is_required: one["required"] == true,
        description: markdown(field(one, "description")),
    }
}

impl Schema {
    fn of(name: &str, schema: &Value) -> Self {
        let mut fields = Vec::new();
        collect(schema, &mut fields);
        let words: Vec<String> = enumeration(schema)
            .into_iter()
            .map(|word| format!("<code>{}</code>", escaped(&word)))
            .collect();
        let is_plain = !fields.is_empty() || !words.is_empty();
        Self {
            name: name.to_owned(),
            description: markdown(field(schema, "description")),
            words: words.join(", "),
            kind: if is_plain {
                String::new()
            } else {
                kind(schema)
            },
            fields,
        }
    }
}

/// The fields of a schema, with those of what it is made of.
fn collect(schema: &Value, fields: &mut Vec<Field>) {
    for part in schema
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        match part.get("$ref").and_then(Value::as_str) {
            Some(reference) => fields.push(Field {
                name: "…".to_owned(),
                place: String::new(),
                kind: link(reference.rsplit('/').next().unwrap_or_default()),
                is_required: false,
                description: "All of its fields too.".to_owned(),
            }),
            None => collect(part, fields),
        }
    }
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(in_text)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        fields.push(Field {
            name: name.clone(),
            place: String::new(),
            kind: kind(property),
            is_required: required.contains(&name.as_str()),
            description: markdown(field(property, "description")),
        });
    }
}

/// The words of an enumeration.
fn enumeration(schema: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(word).collect();
    }
    let parts = schema.get("oneOf").and_then(Value::as_array);
    parts
        .into_iter()
        .flatten()
        .filter_map(|part| part.pointer("/enum/0").and_then(word))
        .collect()
}

/// The kind of a schema in words, as HTML.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return link(reference.rsplit('/').next().unwrap_or_default());
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema.get(key).and_then(Value::as_array) {
            let mut kinds: Vec<String> = parts.iter().map(kind).collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
    }
    let words = enumeration(schema);
    if !words.is_empty() {
        return escaped(&words.join(" | "));
    }
    let named = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().map(in_text).collect(),
        _ => vec!["anything"],
    };
    let mut kinds: Vec<String> = Vec::new();
    for name in named {
        kinds.push(match (name, schema.get("format").and_then(Value::as_str)) {
            ("array", _) => {
                let items = schema.get("items").map(kind).unwrap_or_default();
                format!("list of {items}")
            }
            ("string", Some("date-time")) => "instant".to_owned(),
            ("string", Some("date")) => "date".to_owned(),
            ("string", _) => "text".to_owned(),
            (name, _) => escaped(name),
        });
    }
    kinds.join(" or ")
}

fn link(schema: &str) -> String {
    let name = escaped(schema);
    format!("<a href=\"#schema-{name}\">{name}</a>")
}

/// An example for a shell.
fn curl(path: &str, method: &str, operation: &Value) -> String {
    let mut place = path.to_owned();
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let mut query = Vec::new();
    for one in parameters.into_iter().flatten() {
        let name = field(one, "name");
        let example = match one
            .get("example")
            .or_else(|| one.pointer("/schema/example"))
        {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "…".to_owned(),
        };
        if field(one, "in") == "path" {
            place = place.replace(&format!("{{{name}}}"), &example);
        } else if field(one, "in") == "query" && one["required"] == true {
            query.push(format!("{name}={example}"));
        }
    }
    if !query.is_empty() {
        place = format!("{place}?{}", query.join("&"));
    }
    let mut lines = vec![format!(
        "curl -H \"Authorization: Bearer $TOKEN\" \\\n  \"$SERVER{place}\""
    )];
    if method != "get" {
        lines.push(format!("-X {}", method.to_uppercase()));
    }
    let body = operation
        .pointer("/requestBody/content")
        .and_then(Value::as_object);
    if let Some((media, content)) = body.and_then(|content| content.iter().next()) {
        let example = content.get("example").cloned();
        let example = example.unwrap_or_else(|| Value::Object(Map::new()));
        lines.push(format!("-H \"Content-Type: {media}\""));
        lines.push(if media.contains("json") {
            format!("-d '{example}'")
        } else {
            "--data-binary @FILE".to_owned()
        });
    }
    lines.join(" \\\n  ")
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).map_or("", in_text)
}

fn in_text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Text of ours as HTML.
fn markdown(text: &str) -> String {
    let mut page = String::new();
    html::push_html(&mut page, Parser::new(text));
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
