//! The document of the API (OpenAPI 3.1), made of the types and the functions that answer.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::problem::Problem;
use super::{
    admin, calendar, campaigns, coupons, customers, customers_in, drafts, imports, inbox, notes,
    orders, page, permissions, relays, reports, responses, rights, rules, segments, senders,
    suppressions, templates, tokens, uploads, users, webhook_deliveries, webhooks,
};
use crate::config::Scope;
use crate::web::error::words;

/// What the page says of all of it.
const ABOUT: &str = "\
What programs need of the console and the command line.

**Who may.** Every request bears a token: `Authorization: Bearer …`. What a token may do is its scopes, which stand \
with each operation. Tokens are made in the console (Settings, API tokens) or in the settings file (`[api.tokens]`).

**Once.** A POST that carries an `Idempotency-Key` is done once: whoever gets no answer sends the same again within a \
day and gets the answer of the first, without the secret that one may have shown. PUT, PATCH and DELETE may be sent again as they are.

**Lists** have pages: `limit` entries, and `next_cursor` for the next page until it is null. An entry that is there \
all the time comes once, whatever is written meanwhile.

**Mistakes** are problems (RFC 9457): `code` stays the same, `detail` says what to do, `errors` names the fields. A \
field that is not known is a mistake.

**Figures.** Instants are RFC 3339; money is cents beside its currency (ISO 4217); a rate shows its count and its \
denominator.";

#[derive(OpenApi)]
#[openapi(
    info(title = "visavis", version = "1", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    components(schemas(Problem)),
    tags(
        (name = "Customers", description = "People: who they are, what happened between them and us."),
        (name = "Imports", description = "Files of customers, permissions and orders, step by step: upload, columns, trial, import, refused rows."),
        (name = "Permission", description = "What people allow, on what evidence, and what they refuse."),
        (name = "Events", description = "What happened elsewhere: orders, redeemed coupons, answers in shops."),
        (name = "Segments", description = "Rules that select customers, told or kept under a name."),
        (name = "Templates", description = "Messages in four parts: written, checked, shown, with every revision."),
        (name = "Drafts", description = "Campaigns being planned: step by step, with a second person's approval."),
        (name = "Campaigns", description = "Plans: checked, launched, followed, stopped."),
        (name = "Reports", description = "What came back, and what it means."),
        (name = "Inbox", description = "What people wrote back."),
        (name = "Webhooks", description = "Where events are posted to (Standard Webhooks), and what was told."),
        (name = "Settings", description = "The rules in force, the senders and the ways out; they are changed in the settings file."),
        (name = "Administration", description = "Users, tokens, the audit log, the chain of evidence."),
        (name = "This API", description = "Of the token itself."),
    ),
    paths(
        customers::list, customers_in::put, customers_in::bulk, customers::one, customers::change,
        customers::erase, customers::export, customers::timeline, customers::why,
        permissions::list, permissions::record, permissions::opt_out, permissions::proof,
        notes::list, notes::write, notes::remove,
        imports::list, uploads::upload, imports::one, imports::change, imports::remove, uploads::preview,
        uploads::rejected, imports::dry_run, imports::begin,
        suppressions::list, suppressions::add, suppressions::check,
        orders::take, orders::unmatched, responses::take,
        coupons::redeem, coupons::show, coupons::pools, coupons::add_codes,
        calendar::show, drafts::list, drafts::begin, drafts::one, drafts::replace, drafts::change, drafts::delete,
        drafts::look::check, drafts::look::preview, drafts::look::test_send,
        drafts::answer::ask, drafts::answer::withdraw, drafts::answer::approve, drafts::answer::send_back,
        drafts::answer::launch, drafts::reopen,
        campaigns::list, campaigns::one, campaigns::put, campaigns::check::check, campaigns::check::check_given,
        campaigns::steer::progress, campaigns::steer::launch, campaigns::steer::reschedule,
        campaigns::steer::pause, campaigns::steer::resume, campaigns::steer::cancel, campaigns::steer::decide,
        segments::library::list, segments::library::create, segments::library::one, segments::library::change,
        segments::library::archive, segments::library::take_back, segments::library::uses,
        segments::rules::count, segments::rules::explain, segments::study::reach, segments::study::study,
        segments::rules::words,
        templates::library::list, templates::library::create, templates::library::one, templates::library::put,
        templates::library::archive, templates::library::take_back,
        templates::check::check, templates::check::check_text, templates::check::preview,
        templates::revisions::list, templates::revisions::one, templates::revisions::restore,
        templates::revisions::compare,
        reports::list, reports::one, reports::csv, reports::improve, reports::grid, reports::standing,
        inbox::replies, inbox::reply_done, inbox::mails, inbox::mail, inbox::mail_done,
        webhooks::list, webhooks::add, webhooks::one, webhooks::change, webhooks::remove, webhooks::renew_secret,
        webhook_deliveries::list, webhook_deliveries::test, webhook_deliveries::resend,
        rules::in_force, senders::list, senders::one, senders::check, relays::list, relays::test,
        users::list, users::add, users::one, users::change, users::link, users::end_sessions,
        users::end_two_factors, tokens::list, tokens::make, tokens::revoke,
        admin::audit_log, admin::verification, admin::levels,
        page::token,
    )
)]
struct Answers;

/// The document, whole.
pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());

/// The document as programs read it.
pub(super) async fn json() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .body(TEXT.as_str())
}

fn document() -> Value {
    let mut document = serde_json::to_value(Answers::openapi()).unwrap_or_default();
    if let Some(info) = document.get_mut("info") {
        info["description"] = ABOUT.into();
    }
    document["servers"] = json!([{ "url": "/", "description": "This server" }]);
    let scopes: Vec<String> = Scope::ALL
        .iter()
        .map(|scope| format!("- `{}`: {}", scope.as_str(), scope.describe()))
        .collect();
    document["components"]["securitySchemes"] = json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": format!("The token of a program, with these scopes:\n\n{}", scopes.join("\n")),
        },
    });
    document["components"]["responses"] = common_answers();
    // They are made of parts, of which none knows the fields of the other.
    for name in ["CustomerTold", "SuppressionTold"] {
        document["components"]["schemas"][name]["unevaluatedProperties"] = false.into();
    }
    loosen(&mut document["components"]["schemas"]);
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let (Some(operation), Ok(method)) = (
                    operation.as_object_mut(),
                    Method::from_bytes(method.to_ascii_uppercase().as_bytes()),
                ) {
                    complete(path, &method, operation);
                }
            }
        }
    }
    document
}

/// The plan of a draft: a definition of which anything may be missing, or null where nothing is chosen.
fn loosen(schemas: &mut Value) {
    for (of, whole) in [("DraftDefinition", "Definition"), ("DraftSender", "Sender")] {
        let mut schema = schemas[whole].clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("required");
            let about = format!("As {whole}, of which anything may be missing.");
            schema.insert("description".to_owned(), about.into());
        }
        let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, field) in fields.into_iter().flatten() {
            if let Some(kind) = field.get("type").and_then(Value::as_str) {
                field["type"] = json!([kind, "null"]);
            } else if name == "sender" {
                *field = json!({ "$ref": "#/components/schemas/DraftSender" });
            }
        }
        schemas[of] = schema;
    }
}

/// Statuses that many operations answer, by the name of their entry.
const COMMON: [(u16, &str); 12] = [
    (400, "BadRequest"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "NotFound"),
    (409, "Conflict"),
    (410, "Gone"),
    (412, "PreconditionFailed"),
    (413, "PayloadTooLarge"),
    (415, "UnsupportedMediaType"),
    (422, "Invalid"),
    (429, "TooManyRequests"),
    (503, "Unavailable"),
];

fn common_answers() -> Value {
    let mut answers = Map::new();
    for (status, name) in COMMON {
        let status_code = StatusCode::from_u16(status).unwrap_or_default();
        let (code, title, detail) = words(status_code);
        let mut headers = Map::new();
        let text = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
        headers.insert(
            "X-Request-Id".to_owned(),
            text("Leads to the line in the log."),
        );
        if status == 401 {
            headers.insert("WWW-Authenticate".to_owned(), text("`Bearer`"));
        }
        if status == 429 {
            headers.insert("Retry-After".to_owned(), text("Seconds to wait."));
            headers.insert(
                "RateLimit".to_owned(),
                text("What is left, and for how long."),
            );
        }
        answers.insert(
            name.to_owned(),
            json!({
                "description": title,
                "headers": headers,
                "content": {
                    "application/problem+json": {
                        "schema": { "$ref": "#/components/schemas/Problem" },
                        "example": {
                            "type": "about:blank", "title": title, "status": status, "code": code,
                            "detail": detail, "request_id": "9e3779b97f4a7c15",
                        },
                    },
                },
            }),
        );
    }
    Value::Object(answers)
}

/// Adds what holds for all operations: what it needs, and how it says no.
fn complete(path: &str, method: &Method, operation: &mut Map<String, Value>) {
    let scopes: Vec<&str> = rights::needed(path, method)
        .flatten()
        .map(Scope::as_str)
        .into_iter()
        .collect();
    operation.insert("security".to_owned(), json!([{ "token": scopes }]));
    let is_post = *method == Method::POST;
    let has_body = operation.contains_key("requestBody");
    // What only asks needs no key: it may be asked again.
    let is_asking = scopes.iter().any(|scope| scope.ends_with(":read"));
    if is_post && !is_asking {
        let parameters = operation
            .entry("parameters")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Some(parameters) = parameters.as_array_mut() {
            parameters.push(json!({
                "name": "Idempotency-Key",
                "in": "header",
                "required": false,
                "description": "A word of your own, such as a UUID: the same request under it is done once.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]+$" },
                "example": "018f3c1e-7d2a-7c5e-9a55-7b1f0d3b2c11",
            }));
        }
    }
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let has = |place: &str| parameters.is_some_and(|all| all.iter().any(|one| one["in"] == place));
    let mut statuses = vec![400, 401, 403, 404, 429, 503];
    if has_body || is_post {
        statuses.extend([413, 415, 422]);
    }
    if has("query") || has("path") {
        statuses.push(422);
    }
    if is_post {
        statuses.push(409);
    }
    if parameters.is_some_and(|all| all.iter().any(|one| one["name"] == "If-Match")) {
        statuses.push(412);
    }
    if path.contains("{customer}") {
        statuses.push(410);
    }
    let answers = operation
        .entry("responses")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(answers) = answers.as_object_mut() else {
        return;
    };
    for status in statuses {
        if let Some((_, name)) = COMMON.iter().find(|(of, _)| *of == status) {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            answers.entry(status.to_string()).or_insert(reference);
        }
    }
}
