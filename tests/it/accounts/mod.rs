//! Who comes into the console, what he may do there, and what is kept of it; on both databases.

mod entry;
mod misuse;
mod oidc;
mod rights;
mod senders;
mod settings;
mod two_factors;
mod webhooks;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use visavis::accounts::audit::{self, Filter};
use visavis::accounts::model::{Role, UserId};
use visavis::accounts::passwords;
use visavis::accounts::users::{self, NewUser};
use visavis::clock::Clock;
use visavis::storage::Db;

use crate::web::{Site, header};

const PASSWORD: &str = "copper pan and lid";

/// A user with the password of the tests.
async fn user(db: &Db, email: &str, role: Role) -> UserId {
    let hash = passwords::hash(PASSWORD).await.unwrap();
    let new = NewUser {
        email,
        name: "Anne Petit",
        role,
        language: "en",
    };
    let txn = db.begin().await.unwrap();
    let id = users::add(&txn, new, "test", 1).await.unwrap();
    users::set_password(&txn, id, &hash, None, "test", 1)
        .await
        .unwrap();
    txn.commit().await.unwrap();
    id
}

/// A browser without a session.
fn nobody() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// Sends a form, with these cookies.
async fn post(site: &Site, cookies: &str, path: &str, form: &[(&str, &str)]) -> Response {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    nobody()
        .post(format!("{}{path}", site.base))
        .header(COOKIE, cookies)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "text/html")
        .body(body)
        .send()
        .await
        .unwrap()
}

async fn get(site: &Site, cookies: &str, path: &str) -> Response {
    nobody()
        .get(format!("{}{path}", site.base))
        .header(COOKIE, cookies)
        .header("accept", "text/html")
        .send()
        .await
        .unwrap()
}

/// `name=value` of each cookie that an answer sets and does not take away.
fn cookies(response: &Response) -> String {
    let set = response.headers().get_all(SET_COOKIE).iter();
    let pairs: Vec<&str> = set
        .map(|value| value.to_str().unwrap())
        .filter(|cookie| !cookie.contains("Max-Age=0"))
        .map(|cookie| cookie.split(';').next().unwrap())
        .collect();
    pairs.join("; ")
}

fn location(response: &Response) -> &str {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{response:?}");
    header(response, LOCATION.as_str())
}

/// Signs in by password alone; the cookie of the session.
async fn signed_in(site: &Site, email: &str) -> String {
    let form = [("email", email), ("password", PASSWORD)];
    let response = post(site, "", "/sign-in", &form).await;
    assert_eq!(location(&response), "/");
    cookies(&response)
}

/// What the audit log says was done, the first first.
async fn actions(db: &Db) -> Vec<String> {
    let mut entries = audit::list(db, &Filter::default(), 100).await.unwrap();
    entries.reverse();
    entries.into_iter().map(|entry| entry.action).collect()
}

/// What stands between two texts of a page.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page
        .split_once(before)
        .unwrap_or_else(|| panic!("{before} in {page}"));
    rest.split_once(after).unwrap().0
}

fn now(site: &Site) -> i64 {
    site.clock.now_ms()
}
