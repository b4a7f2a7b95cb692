//! The second factor.

use chrono::Duration;
use data_encoding::BASE32_NOPAD;
use reqwest::StatusCode;
use visavis::accounts::model::Role;
use visavis::accounts::totp::Secret;

use super::{PASSWORD, actions, between, cookies, get, location, now, post, signed_in, user};
use crate::on_both;
use crate::web::Site;

/// Turns the second factor on; the secret of the telephone, and the recovery codes.
pub(super) async fn enrol(site: &Site, cookie: &str) -> (Secret, Vec<String>) {
    let page = get(site, cookie, "/settings/profile/two-factors")
        .await
        .text()
        .await
        .unwrap();
    let key: String = between(&page, "key-text\">", "<").split(' ').collect();
    let bytes = BASE32_NOPAD.decode(key.as_bytes()).unwrap();
    let secret = Secret::new(bytes.try_into().unwrap());
    let salt = between(&page, "name=\"salt\" value=\"", "\"");
    let code = secret.code_at(now(site));
    let form = [
        ("salt", salt),
        ("code", code.as_str()),
        ("password", PASSWORD),
    ];
    let wrong = [
        ("salt", salt),
        ("code", code.as_str()),
        ("password", "not the password"),
    ];
    let response = post(site, cookie, "/settings/profile/two-factors", &wrong).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let response = post(site, cookie, "/settings/profile/two-factors", &form).await;
    assert_eq!(response.status(), StatusCode::OK);
    let page = response.text().await.unwrap();
    let list = between(&page, "<ul class=\"codes\">", "</ul>");
    let codes = list
        .split("<code>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    (secret, codes)
}

/// Gives the password; the cookie with which the code is asked for.
pub(super) async fn half(site: &Site) -> String {
    let form = [
        ("email", "anne@example.com"),
        ("password", PASSWORD),
        ("next", "/settings"),
    ];
    let response = post(site, "", "/sign-in", &form).await;
    assert_eq!(location(&response), "/sign-in/code");
    cookies(&response)
}

on_both! {
    async fn a_code_is_asked_for_and_works_once(db: &TestDb) {
        user(db, "anne@example.com", Role::Support).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        let (secret, codes) = enrol(&site, &cookie).await;
        assert_eq!(codes.len(), 10);
        let ticket = half(&site).await;
        // Half a sign-in is none.
        location(&get(&site, &ticket, "/settings/profile").await);
        assert_eq!(get(&site, &ticket, "/sign-in/code").await.status(), StatusCode::OK);
        // The code that turned it on was used.
        let code = secret.code_at(now(&site));
        let enter = async |ticket: &str, code: &str| post(&site, ticket, "/sign-in/code", &[("code", code)]).await;
        assert_eq!(enter(&ticket, &code).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
        site.clock.advance(Duration::seconds(60));
        let code = secret.code_at(now(&site));
        let response = enter(&ticket, &code).await;
        assert_eq!(location(&response), "/settings");
        let cookie = cookies(&response);
        assert_eq!(get(&site, &cookie, "/settings/profile").await.status(), StatusCode::OK);
        assert_eq!(enter(&ticket, &code).await.status(), StatusCode::UNPROCESSABLE_ENTITY, "twice");
        // A recovery code, however it is typed, once.
        let typed = codes[3].to_uppercase().replace('-', " ");
        assert_eq!(location(&enter(&ticket, &typed).await), "/settings");
        assert_eq!(enter(&ticket, &codes[3]).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = get(&site, &cookie, "/settings/profile").await.text().await.unwrap();
        assert!(page.contains("9 recovery codes are left."), "{page}");
        let done = actions(db).await;
        for action in ["user.two_factors.on", "user.recovery_code.used"] {
            assert!(done.iter().any(|done| done == action), "{done:?}");
        }
        // A ticket of ten minutes ago leads back to the beginning.
        site.clock.advance(Duration::minutes(11));
        assert_eq!(location(&get(&site, &ticket, "/sign-in/code").await), "/sign-in");
        site.close().await;
    }

    async fn codes_cannot_be_guessed_on_by_giving_the_password_again(db: &TestDb) {
        user(db, "anne@example.com", Role::Support).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        let (secret, _) = enrol(&site, &cookie).await;
        site.clock.advance(Duration::seconds(60));
        let mut said = String::new();
        for _ in 0..11 {
            let ticket = half(&site).await;
            let response = post(&site, &ticket, "/sign-in/code", &[("code", "000 000")]).await;
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
            said = response.text().await.unwrap();
        }
        assert!(said.contains("Too many codes."), "{said}");
        let ticket = half(&site).await;
        let code = secret.code_at(now(&site));
        let response = post(&site, &ticket, "/sign-in/code", &[("code", code.as_str())]).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "the right one waits too");
        site.clock.advance(Duration::minutes(16));
        let ticket = half(&site).await;
        let code = secret.code_at(now(&site));
        location(&post(&site, &ticket, "/sign-in/code", &[("code", code.as_str())]).await);
        site.close().await;
    }

    async fn who_gives_the_right_code_does_not_use_up_his_tries(db: &TestDb) {
        user(db, "anne@example.com", Role::Support).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        let (secret, _) = enrol(&site, &cookie).await;
        let ticket = half(&site).await;
        // All within a quarter of an hour, and within the ticket's time.
        for _ in 0..14 {
            site.clock.advance(Duration::seconds(31));
            let code = secret.code_at(now(&site));
            location(&post(&site, &ticket, "/sign-in/code", &[("code", code.as_str())]).await);
        }
        site.close().await;
    }

    async fn it_is_turned_off_by_its_user_and_by_an_administrator(db: &TestDb) {
        let anne = user(db, "anne@example.com", Role::Support).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        enrol(&site, &cookie).await;
        let off = "/settings/profile/two-factors/off";
        let response = post(&site, &cookie, off, &[("password", "not the password")]).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        location(&post(&site, &cookie, off, &[("password", PASSWORD)]).await);
        signed_in(&site, "anne@example.com").await;
        enrol(&site, &cookie).await;
        half(&site).await;
        let response = site
            .client
            .post(format!("{}/settings/users/{anne}", site.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("act=end_two_factors")
            .send()
            .await
            .unwrap();
        location(&response);
        signed_in(&site, "anne@example.com").await;
        site.close().await;
    }

    async fn where_it_is_required_nothing_else_is_open(db: &TestDb) {
        user(db, "anne@example.com", Role::Administrator).await;
        let site = Site::open_set(db, |settings| settings.accounts.require_two_factors = true).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        for path in ["/settings", "/settings/users", "/settings/profile"] {
            assert_eq!(location(&get(&site, &cookie, path).await), "/settings/profile/two-factors");
        }
        enrol(&site, &cookie).await;
        assert_eq!(get(&site, &cookie, "/settings/users").await.status(), StatusCode::OK);
        site.close().await;
    }
}
