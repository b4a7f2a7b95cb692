//! Signing in and out.

use chrono::Duration;
use reqwest::StatusCode;
use reqwest::header::SET_COOKIE;
use visavis::accounts::links::{self, Purpose};
use visavis::accounts::model::Role;
use visavis::accounts::{sign_in, users};
use visavis::keys::Keys;

use super::{PASSWORD, actions, cookies, get, location, nobody, post, signed_in, user};
use crate::kit::ledger::SETTLED_AT;
use crate::on_both;
use crate::web::{Site, header};

on_both! {
    async fn a_session_is_new_at_each_sign_in_and_ends(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        let site = Site::open(db).await;
        // A cookie that somebody else chose is not taken over.
        let chosen = "__Host-visavis=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let form = [("email", " Anne@Example.com "), ("password", PASSWORD)];
        let response = post(&site, chosen, "/sign-in", &form).await;
        assert_eq!(location(&response), "/");
        let set = header(&response, SET_COOKIE.as_str()).to_owned();
        for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
            assert!(set.contains(attribute), "{set}");
        }
        assert!(!set.contains("Domain"), "{set}");
        let first = cookies(&response);
        assert_ne!(first, chosen);
        let second = signed_in(&site, "anne@example.com").await;
        assert_ne!(first, second);
        for cookie in [&first, &second] {
            assert_eq!(get(&site, cookie, "/settings/profile").await.status(), StatusCode::OK);
        }
        assert_eq!(location(&post(&site, &first, "/sign-out", &[]).await), "/sign-in");
        let response = get(&site, &first, "/settings/profile").await;
        assert_eq!(location(&response), "/sign-in?next=%2Fsettings%2Fprofile");
        assert_eq!(get(&site, &second, "/settings/profile").await.status(), StatusCode::OK);
        // Nothing asked for long.
        site.clock.advance(Duration::hours(13));
        location(&get(&site, &second, "/settings/profile").await);
        assert_eq!(actions(db).await.iter().filter(|action| *action == "user.sign_in").count(), 2);
        site.close().await;
    }

    async fn who_guesses_waits(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        let site = Site::open(db).await;
        let wrong = [("email", "anne@example.com"), ("password", "wrong wrong wrong")];
        for _ in 0..5 {
            let response = post(&site, "", "/sign-in", &wrong).await;
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(response.text().await.unwrap().contains("Address or password is not right."));
        }
        let right = [("email", "anne@example.com"), ("password", PASSWORD)];
        let response = post(&site, "", "/sign-in", &right).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(response.text().await.unwrap().contains("Too many tries."));
        site.clock.advance(Duration::minutes(16));
        signed_in(&site, "anne@example.com").await;
        site.close().await;
    }

    async fn of_many_codes_at_once_no_more_are_looked_at_than_one_by_one(db: &TestDb) {
        let keys = Keys::from_secret(&[7; 32]);
        let tries = (0..60).map(|_| sign_in::try_code(db, &keys, "anne@example.com", "network", 1));
        let tries = futures_util::future::join_all(tries).await;
        let begun = tries.into_iter().filter(|begun| begun.as_ref().unwrap().is_some()).count();
        assert!(begun <= 10, "{begun}");
    }

    async fn no_setup_link_works_beside_an_administrator(db: &TestDb) {
        let txn = db.begin().await.unwrap();
        let early = users::setup_link(&txn, SETTLED_AT).await.unwrap().unwrap();
        txn.commit().await.unwrap();
        // With its administrator.
        let site = Site::open(db).await;
        assert_eq!(get(&site, "", &format!("/enter/{early}")).await.status(), StatusCode::NOT_FOUND);
        // One that was made while he was added.
        let txn = db.begin().await.unwrap();
        assert_eq!(users::setup_link(&txn, SETTLED_AT).await.unwrap(), None);
        let late = links::make(&txn, Purpose::Setup, None, SETTLED_AT).await.unwrap();
        txn.commit().await.unwrap();
        let form = [("name", "Eve"), ("email", "eve@example.com"), ("password", PASSWORD)];
        for link in [early, late] {
            let response = post(&site, "", &format!("/enter/{link}"), &form).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
        }
        assert_eq!(users::list(db).await.unwrap().len(), 1);
        site.close().await;
    }

    async fn a_form_of_another_site_is_refused(db: &TestDb) {
        user(db, "anne@example.com", Role::Administrator).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        for (name, value, passes) in [
            ("origin", "https://evil.example", false),
            ("origin", "null", false),
            ("sec-fetch-site", "cross-site", false),
            ("sec-fetch-site", "same-site", false),
            ("origin", site.base.as_str(), true),
            ("sec-fetch-site", "same-origin", true),
        ] {
            let response = nobody()
                .post(format!("{}/settings/profile", site.base))
                .header("cookie", &cookie)
                .header(name, value)
                .header("content-type", "application/x-www-form-urlencoded")
                .body("name=Anne&language=en")
                .send()
                .await
                .unwrap();
            let expected = if passes { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
            assert_eq!(response.status(), expected, "{name}: {value}");
        }
        site.close().await;
    }

    async fn nobody_is_led_elsewhere(db: &TestDb) {
        user(db, "anne@example.com", Role::Administrator).await;
        let site = Site::open(db).await;
        for (next, to) in [
            ("/settings/users?x=1", "/settings/users?x=1"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example", "/"),
        ] {
            let form = [("email", "anne@example.com"), ("password", PASSWORD), ("next", next)];
            assert_eq!(location(&post(&site, "", "/sign-in", &form).await), to);
        }
        site.close().await;
    }
}
