//! Lists: every entry once, whatever is written meanwhile.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Api;
use crate::kit::database::sqlite;
use crate::on_both;

/// All pages of a list; between them `meanwhile` may write.
async fn pages(
    api: &Api,
    path: &str,
    limits: &[u32],
    mut meanwhile: impl AsyncFnMut(usize),
) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for n in 0.. {
        let limit = limits[n % limits.len()];
        let joint = if path.contains('?') { '&' } else { '?' };
        let answer = api
            .get(&format!("{path}{joint}limit={limit}{cursor}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.body["data"].as_array().unwrap();
        assert!(page.len() <= limit as usize);
        seen.extend(page.iter().cloned());
        match answer.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
        meanwhile(n).await;
    }
    seen
}

on_both! {
    async fn pages_give_every_customer_once_while_others_come_and_go(db: &TestDb) {
        let api = Api::open(db).await;
        let many: Vec<Value> = (0..60).map(|n| json!({"external_id": format!("k{n}"), "city": "Amiens"})).collect();
        assert_eq!(api.post("/api/v1/customers/bulk", &many.into()).await.status, 200);
        for path in ["/api/v1/customers", "/api/v1/customers?segment=city%20%3D%20%22Amiens%22"] {
            let seen = pages(&api, path, &[7, 1, 13], async |n| {
                let told = json!({"external_id": format!("late{n} {path}"), "city": "Amiens"});
                assert_eq!(api.post("/api/v1/customers", &told).await.status, 201);
            })
            .await;
            let mut keys: Vec<&str> = seen.iter().map(|one| one["external_id"].as_str().unwrap())
                .filter(|key| key.starts_with('k')).collect();
            let count = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!((count, keys.len()), (60, 60), "{path}");
        }
        // A cursor of one list is none of another.
        let first = api.get("/api/v1/customers?limit=1").await;
        let cursor = first.body["next_cursor"].as_str().unwrap();
        for other in ["suppressions", "campaigns", "mails", "customers?segment=everyone"] {
            let joint = if other.contains('?') { '&' } else { '?' };
            let answer = api.get(&format!("/api/v1/{other}{joint}cursor={cursor}")).await;
            assert_eq!((answer.status, answer.fields()), (422, vec!["cursor"]), "{other}");
        }
        api.0.close().await;
    }

    async fn pages_of_suppressions_and_campaigns_are_whole(db: &TestDb) {
        let api = Api::open(db).await;
        let many: Vec<Value> = (0..25).map(|n| json!({"email": format!("n{n}@example.org"), "reason": "robinson"})).collect();
        let added = api.post("/api/v1/suppressions", &many.into()).await;
        assert_eq!(added.body, json!({"added": 25, "known": 0}), "{}", added.body);
        let seen = pages(&api, "/api/v1/suppressions", &[4], async |_| {}).await;
        let mut prints: Vec<&str> = seen.iter().map(|one| one["fingerprint"].as_str().unwrap()).collect();
        prints.dedup();
        assert_eq!(prints.len(), 25);
        for n in 0..7 {
            let name = format!("c{n}");
            let plan = crate::api::campaigns::plan(&name);
            let put = api.ask(reqwest::Method::PUT, &format!("/api/v1/campaigns/{name}"), Some(&plan), &[]).await;
            assert_eq!(put.status, 201, "{}", put.body);
        }
        for list in ["campaigns", "reports"] {
            let seen = pages(&api, &format!("/api/v1/{list}"), &[3], async |_| {}).await;
            let field = if list == "campaigns" { "name" } else { "campaign" };
            let names: Vec<&str> = seen.iter().map(|one| one[field].as_str().unwrap()).collect();
            assert_eq!(names, ["c6", "c5", "c4", "c3", "c2", "c1", "c0"], "{list}");
        }
        api.0.close().await;
    }
}

#[test]
fn whatever_the_sizes_of_the_pages_each_entry_comes_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (db, api) = runtime.block_on(async {
        let db = sqlite().await;
        let api = Api::open(&db).await;
        let many: Vec<Value> = (0..40)
            .map(|n| json!({"external_id": format!("k{n}")}))
            .collect();
        assert_eq!(
            api.post("/api/v1/customers/bulk", &many.into())
                .await
                .status,
            200
        );
        (db, api)
    });
    let config = ProptestConfig::with_cases(24);
    proptest!(config, |(limits in proptest::collection::vec(1_u32..50, 1..5))| {
        let seen = runtime.block_on(pages(&api, "/api/v1/customers", &limits, async |_| {}));
        let ids: Vec<i64> = seen.iter().map(|one| one["id"].as_i64().unwrap()).collect();
        prop_assert_eq!(ids.len(), 40);
        prop_assert!(ids.windows(2).all(|two| two[0] < two[1]));
    });
    runtime.block_on(api.0.close());
    drop(db);
}
