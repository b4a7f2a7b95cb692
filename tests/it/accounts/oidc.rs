//! Signing in by OpenID Connect, at a provider of the test.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use visavis::accounts::model::Role;
use visavis::accounts::users;
use visavis::config::{OidcSettings, Settings};

use super::{actions, cookies, get, location, user};
use crate::kit::oidc::{CLIENT, Provider, SECRET};
use crate::on_both;
use crate::web::Site;

pub(super) fn set(settings: &mut Settings, provider: &Provider, more: Value) {
    let mut oidc = json!({
        "issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET,
        "console_url": "http://localhost", "title": "Firm",
    });
    for (name, value) in more.as_object().unwrap() {
        oidc[name] = value.clone();
    }
    let oidc: OidcSettings = serde_json::from_value(oidc).unwrap();
    settings.accounts.oidc = Some(oidc);
}

/// Goes there and comes back.
pub(super) async fn journey(site: &Site, provider: &Provider) -> Response {
    let there = get(site, "", "/sign-in/oidc?next=/settings").await;
    let back = provider.sign_in(location(&there));
    let path = back.strip_prefix("http://localhost").unwrap();
    get(site, &cookies(&there), path).await
}

on_both! {
    async fn an_account_is_found_by_its_verified_address_and_then_by_its_subject(db: &TestDb) {
        let anne = user(db, "anne@example.com", Role::Marketer).await;
        let provider = Provider::start();
        let site = Site::open_set(db, |settings| set(settings, &provider, json!({}))).await;
        let page = get(&site, "", "/sign-in").await.text().await.unwrap();
        assert!(page.contains("Sign in with Firm"), "{page}");
        for (claims, said) in [
            (json!({"sub": "s1", "email": "anne@example.com", "email_verified": false}), "has not verified"),
            (json!({"sub": "s2", "email": "other@example.com", "email_verified": true}), "Nobody was invited"),
        ] {
            provider.says(claims, json!({}));
            let response = journey(&site, &provider).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            assert!(response.text().await.unwrap().contains(said), "{said}");
        }
        provider.says(json!({"sub": "s1", "email": "Anne@example.com", "email_verified": true}), json!({}));
        let response = journey(&site, &provider).await;
        assert_eq!(location(&response), "/settings");
        assert_eq!(get(&site, &cookies(&response), "/settings").await.status(), StatusCode::OK);
        // Her address changed there; nobody else may take her account by it.
        provider.says(json!({"sub": "s1", "email": "petit@example.com", "email_verified": true}), json!({}));
        location(&journey(&site, &provider).await);
        provider.says(json!({"sub": "s3", "email": "anne@example.com", "email_verified": true}), json!({}));
        assert_eq!(journey(&site, &provider).await.status(), StatusCode::FORBIDDEN);
        let txn = db.begin().await.unwrap();
        users::set_role(&txn, anne, Role::Analyst, "test", 1).await.unwrap();
        users::set_disabled(&txn, anne, true, "test", 1).await.unwrap();
        txn.commit().await.unwrap();
        provider.says(json!({"sub": "s1", "email": "anne@example.com", "email_verified": true}), json!({}));
        assert_eq!(journey(&site, &provider).await.status(), StatusCode::FORBIDDEN, "shut out");
        site.close().await;
        provider.stop().await;
    }

    async fn a_claim_names_the_role_and_the_user_info_the_address(db: &TestDb) {
        let provider = Provider::start();
        let more = json!({"default_role": "analyst", "role_claim": "groups", "roles": {"leads": "approver"}});
        let site = Site::open_set(db, |settings| set(settings, &provider, more)).await;
        let known = json!({"sub": "s1", "email": "anne@example.com", "email_verified": true, "name": "Anne Petit", "locale": "fr-FR"});
        provider.says(json!({"sub": "s1"}), known.clone());
        location(&journey(&site, &provider).await);
        let anne = users::by_email(db, "anne@example.com").await.unwrap().unwrap();
        assert_eq!((anne.role, anne.name.as_str(), anne.language.as_str()), (Role::Analyst, "Anne Petit", "fr"));
        provider.says(json!({"sub": "s1", "groups": ["staff", "leads"]}), known.clone());
        location(&journey(&site, &provider).await);
        let anne = users::by_email(db, "anne@example.com").await.unwrap().unwrap();
        assert_eq!(anne.role, Role::Approver);
        let done = actions(db).await;
        assert!(done.contains(&"user.oidc".to_owned()) && done.contains(&"user.role".to_owned()), "{done:?}");
        // What is known of somebody else is not taken.
        provider.says(json!({"sub": "s9"}), known);
        assert_eq!(journey(&site, &provider).await.status(), StatusCode::FORBIDDEN);
        site.close().await;
        provider.stop().await;
    }

    async fn the_provider_is_asked_seldom_where_it_is_and_many_who_never_come_back_are_slowed_down(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        let provider = Provider::start();
        let site = Site::open_set(db, |settings| set(settings, &provider, json!({}))).await;
        provider.says(json!({"sub": "s1", "email": "anne@example.com", "email_verified": true}), json!({}));
        for _ in 0..2 {
            location(&journey(&site, &provider).await);
        }
        assert_eq!(provider.described(), 1);
        site.clock.advance(chrono::Duration::minutes(11));
        location(&journey(&site, &provider).await);
        assert_eq!(provider.described(), 2, "it said nothing of how long it holds");
        // Who comes back as somebody we know is no guesser.
        let leave = async || get(&site, "", "/sign-in/oidc").await.status();
        for _ in 0..30 {
            assert_eq!(leave().await, StatusCode::SEE_OTHER);
        }
        location(&journey(&site, &provider).await);
        for _ in 0..50 {
            assert_eq!(leave().await, StatusCode::SEE_OTHER);
        }
        let over = get(&site, "", "/sign-in/oidc").await;
        assert_eq!(over.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(crate::web::header(&over, "retry-after"), "900");
        site.clock.advance(chrono::Duration::minutes(16));
        assert_eq!(leave().await, StatusCode::SEE_OTHER);
        site.close().await;
        provider.stop().await;
    }

    async fn only_the_browser_that_left_comes_back(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        let provider = Provider::start();
        let site = Site::open_set(db, |settings| set(settings, &provider, json!({}))).await;
        let claims = |more: Value| {
            let mut claims = json!({"sub": "s1", "email": "anne@example.com", "email_verified": true});
            for (name, value) in more.as_object().unwrap() {
                claims[name] = value.clone();
            }
            claims
        };
        provider.says(claims(json!({})), json!({}));
        let there = get(&site, "", "/sign-in/oidc").await;
        let other = get(&site, "", "/sign-in/oidc").await;
        let back = provider.sign_in(location(&there));
        let path = back.strip_prefix("http://localhost").unwrap();
        for cookie in [String::new(), cookies(&other), "__Host-visavis-oidc=x.y".to_owned()] {
            assert_eq!(get(&site, &cookie, path).await.status(), StatusCode::FORBIDDEN);
        }
        let elsewhere = path.replace("&iss=http", "&iss=https");
        assert_eq!(get(&site, &cookies(&there), &elsewhere).await.status(), StatusCode::FORBIDDEN);
        location(&get(&site, &cookies(&there), path).await);
        assert_eq!(get(&site, &cookies(&there), path).await.status(), StatusCode::FORBIDDEN, "a code works once");
        for wrong in [
            json!({"nonce": "other"}), json!({"aud": "other"}), json!({"iss": "https://other.example"}), json!({"exp": 1}),
        ] {
            provider.says(claims(wrong.clone()), json!({}));
            assert_eq!(journey(&site, &provider).await.status(), StatusCode::FORBIDDEN, "{wrong}");
        }
        site.close().await;
        provider.stop().await;
    }
}
