//! What those try who should not come in, and those who should not any more.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::json;
use visavis::accounts::links::{self, Purpose};
use visavis::accounts::model::Role;
use visavis::accounts::{passwords, users};
use visavis::campaigns::calendar::feed;
use visavis::config::Scope;
use visavis::storage::Sql;

use super::oidc::{journey, set};
use super::two_factors::{enrol, half};
use super::{PASSWORD, cookies, get, location, nobody, now, post, signed_in, user};
use crate::api::give;
use crate::kit::ledger::number;
use crate::kit::oidc::Provider;
use crate::on_both;
use crate::web::Site;

on_both! {
    async fn who_guesses_from_elsewhere_locks_nobody_out_where_he_signs_in(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        let site = Site::open(db).await;
        let tried = async |password: &str, from: &str| {
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("email", "anne@example.com"), ("password", password)])
                .finish();
            let request = nobody()
                .post(format!("{}/sign-in", site.base))
                .header("x-forwarded-for", from)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body);
            request.send().await.unwrap().status()
        };
        assert_eq!(tried(PASSWORD, "192.0.2.1").await, StatusCode::SEE_OTHER);
        assert_eq!(tried("wrong wrong wrong", "198.51.100.1").await, StatusCode::UNPROCESSABLE_ENTITY);
        // As if from many networks.
        for n in 0..6 {
            let many = format!(
                "INSERT INTO sign_in_failures (account, network, failed_at) \
                 SELECT account, network || '{n}', failed_at FROM sign_in_failures"
            );
            db.run(many, []).await.unwrap();
        }
        assert_eq!(tried(PASSWORD, "198.51.100.2").await, StatusCode::UNPROCESSABLE_ENTITY, "unknown there");
        assert_eq!(tried(PASSWORD, "192.0.2.1").await, StatusCode::SEE_OTHER, "known here");
        // There the fifth wrong one is the last, as everywhere.
        for _ in 0..5 {
            assert_eq!(tried("wrong wrong wrong", "192.0.2.1").await, StatusCode::UNPROCESSABLE_ENTITY);
        }
        assert_eq!(tried(PASSWORD, "192.0.2.1").await, StatusCode::UNPROCESSABLE_ENTITY);
        site.clock.advance(chrono::Duration::days(31));
        db.run("UPDATE sign_in_failures SET failed_at = $1", [now(&site).into()]).await.unwrap();
        db.run("UPDATE sign_in_failures SET network = 'elsewhere'", []).await.unwrap();
        assert!(number(db, "SELECT COUNT(*) FROM sign_in_failures").await >= 50);
        assert_eq!(tried(PASSWORD, "192.0.2.1").await, StatusCode::UNPROCESSABLE_ENTITY, "known no more");
        site.close().await;
    }

    async fn half_a_sign_in_ends_with_the_password_it_was_begun_by(db: &TestDb) {
        let anne = user(db, "anne@example.com", Role::Support).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        let (_, codes) = enrol(&site, &cookie).await;
        let ticket = half(&site).await;
        let hash = passwords::hash("another copper pan").await.unwrap();
        let txn = db.begin().await.unwrap();
        users::set_password(&txn, anne, &hash, None, "test", now(&site)).await.unwrap();
        txn.commit().await.unwrap();
        let response = post(&site, &ticket, "/sign-in/code", &[("code", codes[0].as_str())]).await;
        assert_eq!(location(&response), "/sign-in");
        assert!(!cookies(&response).contains("__Host-visavis="), "{response:?}");
        site.close().await;
    }

    async fn who_is_let_in_again_has_no_link_of_before(db: &TestDb) {
        user(db, "boss@example.com", Role::Administrator).await;
        let anne = user(db, "anne@example.com", Role::Marketer).await;
        let txn = db.begin().await.unwrap();
        let link = links::make(&txn, Purpose::Password, Some(anne), 1).await.unwrap();
        txn.commit().await.unwrap();
        let key = feed::renew_key(db, anne.0, 1).await.unwrap();
        assert!(links::look(db, &link, 2).await.unwrap().is_some());
        for is_disabled in [true, false] {
            let txn = db.begin().await.unwrap();
            users::set_disabled(&txn, anne, is_disabled, "test", 2).await.unwrap();
            txn.commit().await.unwrap();
        }
        assert!(links::look(db, &link, 2).await.unwrap().is_none());
        assert_eq!(feed::user_of(db, &key).await.unwrap(), None);
    }

    async fn a_journey_is_over_when_somebody_came_back_from_it(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        let provider = Provider::start();
        let site = Site::open_set(db, |settings| set(settings, &provider, json!({}))).await;
        provider.says(json!({"sub": "s1", "email": "anne@example.com", "email_verified": true}), json!({}));
        let there = get(&site, "", "/sign-in/oidc").await;
        let back = async || {
            // A new code of the same journey.
            let back = provider.sign_in(location(&there));
            get(&site, &cookies(&there), back.strip_prefix("http://localhost").unwrap()).await
        };
        location(&back().await);
        assert_eq!(back().await.status(), StatusCode::FORBIDDEN);
        site.close().await;
        provider.stop().await;
    }

    async fn who_leaves_the_group_loses_its_role(db: &TestDb) {
        let provider = Provider::start();
        let roles = json!({"role_claim": "groups", "roles": {"leads": "approver"}});
        let says = |groups: serde_json::Value| {
            let claims = json!({"sub": "s1", "email": "anne@example.com", "email_verified": true, "groups": groups});
            provider.says(claims, json!({}));
        };
        user(db, "boss@example.com", Role::Administrator).await;
        let site = Site::open_set(db, |settings| set(settings, &provider, roles.clone())).await;
        says(json!(["leads"]));
        let cookie = cookies(&journey(&site, &provider).await);
        assert_eq!(get(&site, &cookie, "/settings/profile").await.status(), StatusCode::OK);
        says(json!(["staff"]));
        let response = journey(&site, &provider).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(response.text().await.unwrap().contains("no role here"));
        location(&get(&site, &cookie, "/settings/profile").await);
        site.close().await;
        // Where the settings have a role for everybody, it is that one.
        let mut with_default = roles;
        with_default["default_role"] = json!("support");
        let site = Site::open_set(db, |settings| set(settings, &provider, with_default)).await;
        location(&journey(&site, &provider).await);
        let anne = users::by_email(db, "anne@example.com").await.unwrap().unwrap();
        assert_eq!(anne.role, Role::Support);
        site.close().await;
        provider.stop().await;
    }

    async fn a_text_that_no_database_keeps_is_refused_before_it_is_asked(db: &TestDb) {
        user(db, "anne@example.com", Role::Administrator).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        for path in ["/customers?country=a%00", "/settings/audit?actor=%00", "/campaigns/a%00b", "/templates/%00"] {
            assert_eq!(get(&site, &cookie, path).await.status(), StatusCode::BAD_REQUEST, "{path}");
        }
        for path in ["/sign-in", "/segments/new", "/settings/webhooks", "/sign-up"] {
            let form = [("email", "a\0b@example.com"), ("description", "\0"), ("url", "https://example.com")];
            let response = post(&site, &cookie, path, &form).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        }
        site.close().await;
    }

    async fn the_address_of_a_feed_is_not_what_somebody_forwards(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        let request = nobody()
            .post(format!("{}/calendar/key", site.base))
            .header("cookie", cookie)
            .header("x-forwarded-host", "evil.example");
        let page = request.send().await.unwrap().text().await.unwrap();
        assert!(page.contains("/calendar.ics?key"), "{page}");
        assert!(!page.contains("evil.example"), "{page}");
        site.close().await;
    }

    async fn figures_are_for_this_machine_or_for_who_bears_a_token(db: &TestDb) {
        let secret = "a-token-of-who-watches-the-server";
        let site = Site::open_set(db, |settings| {
            give(settings, "watch", secret, &BTreeSet::from([Scope::ReportsRead]));
        })
        .await;
        let asked = async |headers: &[(&str, String)]| {
            let mut request = nobody().get(format!("{}/metrics", site.base));
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            request.send().await.unwrap().status()
        };
        let behind = ("x-forwarded-for", "192.0.2.1".to_owned());
        assert_eq!(asked(&[]).await, StatusCode::OK);
        assert_eq!(asked(std::slice::from_ref(&behind)).await, StatusCode::FORBIDDEN);
        assert_eq!(asked(&[("forwarded", "for=192.0.2.1".to_owned())]).await, StatusCode::FORBIDDEN);
        let wrong = ("authorization", "Bearer a-token-of-nobody-at-all".to_owned());
        assert_eq!(asked(&[behind.clone(), wrong]).await, StatusCode::FORBIDDEN);
        let right = ("authorization", format!("Bearer {secret}"));
        assert_eq!(asked(&[behind, right]).await, StatusCode::OK);
        site.close().await;
    }
}
