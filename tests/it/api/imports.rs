//! Files by the API: upload, columns, trial, import, refused rows.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use visavis::storage::Db;

use super::{ALL, Api};
use crate::kit::ledger::number;
use crate::on_both;

const PEOPLE: &str = "Numéro;Courriel;Prénom;Ville;permission.email.offers\n\
    1;anne@mail.example;Anne;Paris;\n\
    2;bob@mail.example;=HYPERLINK(\"http://evil.example\");@Lyon;peut-être\n\
    3;eve@mail.example;Ève;Metz;\n";

async fn open(db: &Db, max_mb: u32) -> (Api, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_owned();
    let api = Api::open_set(db, |settings| {
        settings.data_dir = data_dir;
        settings.imports.max_mb = max_mb;
    });
    (api.await, folder)
}

/// Sends a file; the status and what was answered.
async fn send(api: &Api, query: &str, media: &str, key: &str, bytes: &[u8]) -> (u16, Value) {
    let request = api
        .0
        .client
        .post(format!("{}/api/v1/imports{query}", api.0.base))
        .bearer_auth(ALL)
        .header("content-type", media)
        .header("idempotency-key", key)
        .body(bytes.to_vec());
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// The file when its run is over.
async fn over(api: &Api, path: &str) -> Value {
    let waiting = async {
        loop {
            let one = api.get(path).await.body;
            if one["state"] != "running" {
                return one;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Against hanging only.
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap()
}

fn files(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path().join("imports")).map_or(0, Iterator::count)
}

on_both! {
    async fn a_file_is_uploaded_tried_and_imported(db: &TestDb) {
        let (api, folder) = open(db, 5).await;
        let query = "?name=clients%20%C3%A9t%C3%A9.csv&kind=customers";
        let (status, uploaded) = send(&api, query, "text/csv", "k1", PEOPLE.as_bytes()).await;
        assert_eq!((status, &uploaded["state"]), (201, &json!("waiting")), "{uploaded}");
        assert_eq!((&uploaded["name"], &uploaded["uploaded_by"]), (&json!("clients été.csv"), &json!("token all")));
        // Sent again it is one file; another one under the same key is a mistake.
        assert_eq!(send(&api, query, "text/csv", "k1", PEOPLE.as_bytes()).await, (201, uploaded.clone()));
        assert_eq!(send(&api, query, "text/csv", "k1", b"email\n").await.0, 422);
        assert_eq!((number(db, "SELECT COUNT(*) FROM imports").await, files(&folder)), (1, 1));
        let path = format!("/api/v1/imports/{}", uploaded["id"]);
        let preview = api.get(&format!("{path}/preview")).await;
        let column = &preview.body["columns"][1];
        assert_eq!((&column["header"], &column["field"], &column["samples"][0]), (&json!("Courriel"), &json!("email"), &json!("anne@mail.example")));
        assert!(preview.body["known_fields"].as_array().unwrap().contains(&json!("city")), "{}", preview.body);

        let fields = json!(["external_id", "email", "first_name", "ignore", "permission.email.offers"]);
        let planned = api.patch(&path, &json!({"fields": fields, "region": "fr", "language": "EN", "country": "be"})).await;
        assert_eq!((&planned.body["fields"], &planned.body["country"], &planned.body["language"]), (&fields, &json!("BE"), &json!("en")), "{}", planned.body);
        for (body, field) in [
            (json!({"country": "Belgium"}), "country"),
            (json!({"fields": ["email", ""]}), "fields[1]"),
            (json!({"kind": "letters"}), "kind"),
            (json!({"column": 1}), "column"),
        ] {
            let refused = api.patch(&path, &body).await;
            assert_eq!((refused.status, refused.fields()), (422, vec![field]), "{}", refused.body);
        }
        let tried = api.act(&format!("{path}/try")).await;
        assert_eq!(tried.status, 202, "{}", tried.body);
        let tried = over(&api, &path).await;
        assert_eq!((&tried["state"], &tried["outcome"]["is_dry_run"], &tried["outcome"]["rejected"]), (&json!("tried"), &json!(true), &json!(1)), "{tried}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0);
        // Of another plan it showed nothing.
        let replanned = api.patch(&path, &json!({"fields": ["ignore", "ignore", "ignore", "ignore", "ignore"]})).await;
        assert_eq!((&replanned.body["state"], &replanned.body["outcome"]), (&json!("waiting"), &json!(null)));
        let refused = api.act(&format!("{path}/begin")).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["fields"]), "{}", refused.body);
        assert!(!refused.body.to_string().contains(folder.path().to_str().unwrap()), "{}", refused.body);
        assert_eq!(api.patch(&path, &json!({"fields": fields})).await.status, 200);
        let begin = format!("{path}/begin");
        let begun = api.post_once(&begin, "k2", None).await;
        assert_eq!(begun.status, 202, "{}", begun.body);
        assert_eq!(api.post_once(&begin, "k2", None).await.body, begun.body);
        let imported = over(&api, &path).await;
        assert_eq!((&imported["state"], &imported["outcome"]["created"]), (&json!("imported"), &json!(2)), "{imported}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE country = 'BE' AND language = 'en' AND city IS NULL").await, 2);
        for again in [api.act(&begin).await, api.patch(&path, &json!({"country": "FR"})).await] {
            assert_eq!(again.status, 409, "{}", again.body);
        }
        let rejected = api.0.client.get(format!("{}{path}/rejected", api.0.base)).bearer_auth(ALL).send().await.unwrap();
        assert_eq!(rejected.headers()["content-type"], "text/csv; charset=utf-8");
        let rejected = rejected.text().await.unwrap();
        assert!(rejected.contains("'=HYPERLINK") && rejected.contains("'@Lyon") && rejected.contains("write yes or no"), "{rejected}");
        assert!(!rejected.contains("anne@"), "{rejected}");
        assert_eq!(api.delete(&path).await.status, 204);
        for gone in [path.clone(), format!("{path}/preview"), format!("{path}/rejected")] {
            assert_eq!(api.get(&gone).await.status, 404);
        }
        assert_eq!((files(&folder), number(db, "SELECT COUNT(*) FROM customers").await), (0, 2), "what it brought stays");
        for (action, times) in [("upload", 1), ("plan", 3), ("try", 1), ("run", 1), ("rejects", 1), ("remove", 1)] {
            let noted = format!("SELECT COUNT(*) FROM audit_log WHERE actor = 'token all' AND action = 'import.{action}'");
            assert_eq!(number(db, &noted).await, times, "{action}");
        }
        api.0.close().await;
    }

    async fn what_is_no_file_is_refused_and_leaves_nothing(db: &TestDb) {
        let (api, folder) = open(db, 1).await;
        let large = vec![b'x'; 1_000_001];
        for (n, (query, media, bytes, status)) in [
            ("?name=a.csv", "text/csv", &b""[..], 422),
            ("?name=a.xlsx", "application/octet-stream", b"PK\x03\x04rest", 422),
            ("?name=a.csv", "text/csv", &large, 413),
            ("?name=a.csv", "application/json", b"{}", 415),
            ("?name=%20", "text/csv", b"email\n", 422),
            ("", "text/csv", b"email\n", 400),
            ("?name=a.csv&kind=letters", "text/csv", b"email\n", 400),
        ].into_iter().enumerate() {
            let (answered, body) = send(&api, query, media, &format!("k{n}"), bytes).await;
            assert_eq!(answered, status, "{query} {body}");
        }
        assert_eq!((files(&folder), number(db, "SELECT COUNT(*) FROM imports").await), (0, 0));
        for n in 0..3 {
            let (status, _) = send(&api, &format!("?name={n}.csv"), "application/octet-stream", &format!("l{n}"), b"email\nx@mail.example\n").await;
            assert_eq!(status, 201);
        }
        let page = api.get("/api/v1/imports?limit=2").await;
        assert_eq!((&page.body["data"][0]["name"], page.body["data"].as_array().unwrap().len()), (&json!("2.csv"), 2));
        let rest = api.get(&format!("/api/v1/imports?limit=2&cursor={}", page.body["next_cursor"].as_str().unwrap())).await;
        assert_eq!((&rest.body["data"][0]["name"], &rest.body["next_cursor"]), (&json!("0.csv"), &json!(null)));
        assert_eq!(api.get("/api/v1/imports/999").await.status, 404);
        api.0.close().await;
    }
}
