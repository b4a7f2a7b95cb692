//! The document and the answers say the same.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use visavis::config::Scope;

use super::{ALL, Api, give};
use crate::kit::database::sqlite;
use crate::kit::missing;

/// Every operation of the document: its method, its path with values in it, and its scope.
async fn operations(api: &Api) -> Vec<(Method, String, Option<Scope>)> {
    let document = api.get("/api/v1/openapi.json").await.body;
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let scope = operation["security"][0]["token"][0].as_str();
            let scope = scope.map(|word| Scope::read(word).unwrap());
            let mut place = String::new();
            for step in path.split_inclusive('/') {
                let ends = if step.ends_with('/') { "/" } else { "" };
                place.push_str(if step.starts_with('{') {
                    "7"
                } else {
                    step.trim_end_matches('/')
                });
                place.push_str(ends);
            }
            operations.push((method, place, scope));
        }
    }
    assert!(operations.len() > 80, "{}", operations.len());
    operations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_does_what_its_scopes_say_and_nothing_else() {
    let db = sqlite().await;
    let secret = |scope: Scope| format!("all-but-{}-and-longer", scope.as_str());
    let api = Api::open_set(&db, |settings| {
        for scope in Scope::ALL {
            let others = Scope::ALL.into_iter().filter(|other| *other != scope);
            give(settings, scope.as_str(), &secret(scope), &others.collect());
        }
    })
    .await;
    for (method, path, scope) in operations(&api).await {
        let ask = async |token: &str| {
            let request = api
                .0
                .client
                .request(method.clone(), format!("{}{path}", api.0.base));
            let request = match token {
                "" => request,
                token => request.bearer_auth(token),
            };
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask("").await, 401, "{method} {path}");
        assert_eq!(
            ask("a-token-of-nobody-that-we-know").await,
            401,
            "{method} {path}"
        );
        if let Some(scope) = scope {
            assert_eq!(ask(&secret(scope)).await, 403, "{method} {path}");
        }
        let allowed = ask(ALL).await;
        assert!(
            ![401, 403, 405].contains(&allowed) && allowed < 500,
            "{method} {path} {allowed}"
        );
        let options = api.ask(Method::OPTIONS, &path, None, &[]).await;
        assert!(
            options.header("allow").contains(method.as_str()),
            "{method} {path}"
        );
    }
    api.0.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_every_operation_and_asks_for_nothing_from_elsewhere() {
    let db = sqlite().await;
    let api = Api::open(&db).await;
    let page = api.0.get("/api/v1").await;
    assert_eq!(page.status().as_u16(), 200);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        !policy.contains("unsafe") && policy.contains("default-src 'none'"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    let document = api.get("/api/v1/openapi.json").await.body;
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(page.contains(path.as_str()), "{path}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
    assert!(!page.contains("<script") && !page.contains(" style=") && !page.contains("src=\"http"));
    assert_eq!(api.0.get("/api/v1/style.css").await.status().as_u16(), 200);
    api.0.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_no_fault_and_no_undocumented_answer() {
    let Ok(version) = std::process::Command::new("st").arg("--version").output() else {
        return missing("schemathesis");
    };
    assert!(version.status.success());
    let db = sqlite().await;
    let outbox = tempfile::tempdir().unwrap();
    let api = Api::open_set(&db, |settings| {
        settings.api.requests_per_minute = std::num::NonZeroU32::new(1_000_000).unwrap();
        settings.data_dir = outbox.path().to_owned();
    })
    .await;
    let many: Vec<Value> = (1..=20).map(|n| json!({"external_id": format!("K-100{n}"), "email": format!("k{n}@example.org"), "city": "Amiens"})).collect();
    assert_eq!(
        api.post("/api/v1/customers/bulk", &many.into())
            .await
            .status,
        200
    );
    let plan = super::campaigns::plan("spring");
    assert_eq!(
        api.ask(Method::PUT, "/api/v1/campaigns/spring", Some(&plan), &[])
            .await
            .status,
        201
    );
    let draft = json!({"name": "autumn", "from": "spring"});
    assert_eq!(api.post("/api/v1/drafts", &draft).await.status, 201);
    // What the examples of the document name.
    let segment = json!({"name": "Regulars of Amiens", "rule": "city = \"Amiens\""});
    let template = json!({"name": "spring-sale", "from": "super-chef"});
    for (path, told) in [("segments", segment), ("templates", template)] {
        let made = api.post(&format!("/api/v1/{path}"), &told).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let folder = tempfile::tempdir().unwrap();
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,\
                  response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth";
    let ask = || {
        let mut st = std::process::Command::new("st");
        st.current_dir(&folder)
            .args(["run", "--checks", checks])
            .args(["--phases", "examples,coverage,fuzzing"])
            .args(["--header", &format!("Authorization: Bearer {ALL}")])
            .args(["--max-examples", "8", "--seed", "7", "--workers", "2"])
            .args(["--max-time", "60", "--no-color"])
            .arg(format!("{}/api/v1/openapi.json", api.0.base))
            .stdin(Stdio::null());
        tokio::task::spawn_blocking(move || st.output())
    };
    let mut told = String::new();
    for _ in 0..3 {
        // Against hanging only.
        let run = tokio::time::timeout(Duration::from_secs(180), ask());
        let run = run.await.unwrap().unwrap().unwrap();
        told = format!(
            "{}\n{}",
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        );
        assert!(!told.contains("= FAILURES ="), "{told}");
        if run.status.success() {
            api.0.close().await;
            return;
        }
        // It found nothing, but stumbled itself, as it does now and then on a busy machine.
    }
    panic!("it never came to its end: {told}");
}

/// The commands of the README's section about the API.
fn commands() -> Vec<String> {
    let readme = include_str!("../../../README.md");
    let section = readme.split("## The API\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("\n\n");
    blocks
        .filter(|block| block.starts_with("    curl"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_readme_work() {
    let db = sqlite().await;
    let api = Api::open(&db).await;
    assert_eq!(commands().len(), 3);
    for command in commands() {
        let command = command.replace("https://news.example.com", &api.0.base);
        let mut shell = std::process::Command::new("sh");
        let command = command.replace("curl ", "curl -sS --fail-with-body ");
        shell.args(["-c", &command]).env("TOKEN", ALL);
        let run = tokio::task::spawn_blocking(move || shell.output());
        let run = run.await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&run.stdout);
        assert!(
            run.status.success(),
            "{command}\n{told}{}",
            String::from_utf8_lossy(&run.stderr)
        );
        serde_json::from_str::<Value>(&told).unwrap();
    }
    api.0.close().await;
}
