//! Who may do what: every route of the console, as its code names it, for every role.

use std::path::Path;

use regex::Regex;
use reqwest::{Method, StatusCode};
use visavis::accounts::model::{Right, Role};
use visavis::clock::Clock;

use crate::kit::console;
use crate::kit::database;
use crate::web::Site;

/// A route, its methods, and the right it asks for; `None`: to be signed in.
type Route = (String, String, Option<Right>);

fn right(word: &str) -> Right {
    let all = Right::ALL.into_iter();
    let found = all.into_iter().find(|right| format!("{right:?}") == word);
    found.unwrap_or_else(|| panic!("no right {word}"))
}

fn routes(folder: &Path, found: &mut Vec<Route>) {
    let place = Regex::new(r#"\bplace\(\s*"([^"]+)",\s*"([^"]+)",\s*Right::(\w+)"#).unwrap();
    let door = Regex::new(r#"\bdoor\(\s*"([^"]+)",\s*"([^"]+)""#).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for route in place.captures_iter(&source) {
            found.push((
                route[1].to_owned(),
                route[2].to_owned(),
                Some(right(&route[3])),
            ));
        }
        for route in door.captures_iter(&source) {
            found.push((route[1].to_owned(), route[2].to_owned(), None));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_asks_for_its_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/console");
    let mut found = Vec::new();
    routes(&root, &mut found);
    assert!(found.len() > 30, "the routes were found: {found:?}");
    let db = database::sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open_set(&db, |settings| settings.data_dir = folder.path().to_owned()).await;
    let nobody = console::with_cookie("x=y");
    let mut clients = Vec::new();
    for role in Role::ALL {
        let (_, cookie) = console::sign_in(&db, role, Clock::now_ms(&*site.clock)).await;
        clients.push((role, console::with_cookie(&cookie)));
    }
    let placeholder = Regex::new(r"\{[^}]*\}").unwrap();
    for (pattern, methods, right) in &found {
        let path = placeholder.replace_all(pattern, "1");
        for word in methods.split(", ") {
            let method: Method = word.parse().unwrap();
            let asked = |client: &reqwest::Client| {
                client
                    .request(method.clone(), format!("{}{path}", site.base))
                    .send()
            };
            let answer = asked(&nobody).await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{word} {path}");
            for (role, client) in &clients {
                if pattern == "/sign-out" {
                    continue;
                }
                let answer = asked(client).await.unwrap();
                let status = answer.status();
                let may = right.is_none_or(|right| role.may(right));
                // Who may not see the first page is led to one he may see.
                let is_led = path == "/" && status == StatusCode::SEE_OTHER;
                assert!(!status.is_server_error(), "{role}: {word} {path}: {status}");
                assert!(
                    may == (status != StatusCode::FORBIDDEN) || is_led,
                    "{role}: {word} {path}: {status}"
                );
            }
        }
    }
    site.close().await;
}
