//! Whoever works with the console: a user with a session, and a client that carries it.

use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::header::{COOKIE, HeaderMap, HeaderValue};
use visavis::accounts::model::{Role, UserId};
use visavis::accounts::sessions;
use visavis::accounts::users::{self, NewUser};
use visavis::storage::Db;

/// A new user of this role; the cookie of his session, which begins at `now_ms`.
pub async fn sign_in(db: &Db, role: Role, now_ms: i64) -> (UserId, String) {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let new = NewUser {
        email: &format!("{role}{number}@visavis.example"),
        name: &format!("{role} {number}"),
        role,
        language: "en",
    };
    let txn = db.begin().await.unwrap();
    let id = users::add(&txn, new, "test", now_ms).await.unwrap();
    let token = sessions::begin(&txn, id, now_ms).await.unwrap();
    txn.commit().await.unwrap();
    (id, format!("__Host-visavis={token}"))
}

/// A browser of a new administrator, as far as headers go; it follows nothing by itself.
pub async fn administrator(db: &Db, now_ms: i64) -> reqwest::Client {
    let (_, cookie) = sign_in(db, Role::Administrator, now_ms).await;
    with_cookie(&cookie)
}

/// A client that carries a session.
pub fn with_cookie(cookie: &str) -> reqwest::Client {
    // reqwest brings no provider of its own; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
    reqwest::Client::builder()
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}
