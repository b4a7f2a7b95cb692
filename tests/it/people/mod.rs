//! People in the console: found, shown, changed; and the files that bring them.

mod changes;
mod found;
mod uploads;

use reqwest::Method;
use visavis::customers::import::{self, ImportKind, ImportReport, ImportRequest};
use visavis::keys::Keys;
use visavis::storage::Db;

use crate::web::Site;

/// Imports a text as customers.
async fn import_people(db: &Db, text: &str, now_ms: i64) -> ImportReport {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.csv");
    std::fs::write(&path, text).unwrap();
    let keys = Keys::from_secret(&[7; 32]);
    let request = ImportRequest::new(path, ImportKind::Customers);
    import::run(db, &keys, now_ms, request, |_| {})
        .await
        .unwrap()
}

/// Sends a form as a browser does.
async fn post(site: &Site, path: &str, fields: &[(&str, &str)]) -> reqwest::Response {
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    site.ask(Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.join("&"))
        .send()
        .await
        .unwrap()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// Where an answer leads.
fn location(answer: &reqwest::Response) -> String {
    crate::web::header(answer, "location").to_owned()
}

/// A link of a page by what stands before its address.
fn link(page: &str, before: &str) -> Option<String> {
    let rest = page.split(before).nth(1)?;
    let link = rest.split('"').next()?;
    Some(link.replace("&amp;", "&").replace("&#x3D;", "="))
}
