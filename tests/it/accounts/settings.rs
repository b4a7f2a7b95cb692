//! The pages of Settings: what they change, and what the audit log says of it.

use reqwest::{Response, StatusCode};
use visavis::accounts::audit::Filter;
use visavis::accounts::model::Role;
use visavis::accounts::{audit, digest_of, tokens};
use visavis::config::RelaySettings;
use visavis::storage::{Dialect, Sql};

use super::{
    PASSWORD, actions, between, cookies, get, location, nobody, now, post, signed_in, user,
};
use crate::kit::smtp::{Script, SmtpPeer};
use crate::on_both;
use crate::web::{Site, header};

/// Sends a form as the administrator of the site.
async fn send(site: &Site, path: &str, form: &[(&str, &str)]) -> Response {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    site.client
        .post(format!("{}{path}", site.base))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "text/html")
        .body(body)
        .send()
        .await
        .unwrap()
}

on_both! {
    async fn a_user_is_invited_and_comes_in_by_the_link(db: &TestDb) {
        let site = Site::open(db).await;
        let form = [("name", "Bruno <b>"), ("email", "bruno@example.com"), ("role", "approver"), ("language", "fr")];
        let response = send(&site, "/settings/users", &form).await;
        assert_eq!(response.status(), StatusCode::OK);
        let page = response.text().await.unwrap();
        assert!(page.contains("Bruno &lt;b&gt; can come in") && page.contains("invited"), "{page}");
        let link = between(&page, "class=\"copy\"><code>", "<").replace("&#x3D;", "=");
        let path = link.strip_prefix(&site.base).unwrap();
        let page = get(&site, "", path).await.text().await.unwrap();
        assert!(page.contains("Bruno &lt;b&gt;"), "{page}");
        let entered = post(&site, "", path, &[("password", PASSWORD)]).await;
        let cookie = cookies(&entered);
        let page = get(&site, &cookie, "/settings/profile").await.text().await.unwrap();
        assert!(page.contains("lang=\"fr\"") && page.contains("Approbateur"), "{page}");
        assert_eq!(post(&site, "", path, &[("password", PASSWORD)]).await.status(), StatusCode::NOT_FOUND);
        // The same address once more, however it is written.
        let again = [("name", "B"), ("email", "BRUNO@example.com"), ("role", "analyst")];
        let response = send(&site, "/settings/users", &again).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(response.text().await.unwrap().contains("there is a user with this address already"));
        site.close().await;
    }

    async fn the_last_administrator_stays(db: &TestDb) {
        let site = Site::open(db).await;
        let users = visavis::accounts::users::list(db).await.unwrap();
        let own = format!("/settings/users/{}", users[0].id);
        for form in [&[("act", "disable")][..], &[("act", "role"), ("role", "analyst")]] {
            let response = send(&site, &own, form).await;
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(response.text().await.unwrap().contains("this is the only administrator"));
        }
        user(db, "anne@example.com", Role::Administrator).await;
        location(&send(&site, &own, &[("act", "role"), ("role", "analyst")]).await);
        let response = send(&site, &own, &[("act", "role"), ("role", "administrator")]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "the role holds from the next click");
        site.close().await;
    }

    async fn who_is_shut_out_is_out_at_once(db: &TestDb) {
        let anne = user(db, "anne@example.com", Role::Marketer).await;
        let site = Site::open(db).await;
        let cookie = signed_in(&site, "anne@example.com").await;
        let path = format!("/settings/users/{anne}");
        location(&send(&site, &path, &[("act", "disable")]).await);
        location(&get(&site, &cookie, "/settings/profile").await);
        let form = [("email", "anne@example.com"), ("password", PASSWORD)];
        assert_eq!(post(&site, "", "/sign-in", &form).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
        location(&send(&site, &path, &[("act", "enable")]).await);
        let cookie = signed_in(&site, "anne@example.com").await;
        location(&send(&site, &path, &[("act", "end_sessions")]).await);
        location(&get(&site, &cookie, "/settings/profile").await);
        assert_eq!(actions(db).await, [
            "user.add", "user.password", "user.add", "user.sign_in", "user.disable", "user.enable", "user.sign_in",
            "user.sessions.end",
        ].map(str::to_owned).to_vec());
        site.close().await;
    }

    async fn a_new_password_ends_the_other_sessions(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        let site = Site::open(db).await;
        let own = signed_in(&site, "anne@example.com").await;
        let other = signed_in(&site, "anne@example.com").await;
        let path = "/settings/profile/password";
        for (form, said) in [
            ([("current", "not the password"), ("password", "a new and long one")], "The present password is not right."),
            ([("current", PASSWORD), ("password", "short")], "a password has 12 to 256 characters"),
        ] {
            let response = post(&site, &own, path, &form).await;
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(response.text().await.unwrap().contains(said), "{said}");
        }
        let form = [("current", PASSWORD), ("password", "a new and long one")];
        location(&post(&site, &own, path, &form).await);
        assert_eq!(get(&site, &own, "/settings/profile").await.status(), StatusCode::OK);
        location(&get(&site, &other, "/settings/profile").await);
        site.close().await;
    }

    async fn one_ends_sessions_of_ones_own_alone(db: &TestDb) {
        user(db, "anne@example.com", Role::Marketer).await;
        user(db, "bruno@example.com", Role::Marketer).await;
        let site = Site::open(db).await;
        let own = signed_in(&site, "anne@example.com").await;
        let other = signed_in(&site, "anne@example.com").await;
        let brunos = signed_in(&site, "bruno@example.com").await;
        let digest = |cookie: &str| digest_of(cookie.split_once('=').unwrap().1);
        let path = "/settings/profile/sessions";
        let response = post(&site, &own, path, &[("session", &digest(&brunos))]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        location(&post(&site, &own, path, &[("session", &digest(&other))]).await);
        location(&get(&site, &other, "/settings").await);
        for cookie in [&own, &brunos] {
            assert_eq!(get(&site, cookie, "/settings").await.status(), StatusCode::OK);
        }
        site.close().await;
    }

    async fn a_token_is_shown_once_and_works_until_it_is_revoked(db: &TestDb) {
        let site = Site::open(db).await;
        let form = [("name", "shop"), ("scope", "orders:write"), ("scope", "coupons:redeem"), ("days", "30")];
        let response = send(&site, "/settings/tokens", &form).await;
        assert_eq!(response.status(), StatusCode::OK);
        let page = response.text().await.unwrap();
        let token = between(&page, "class=\"copy\"><code>", "<").to_owned();
        assert!(token.starts_with("vv_") && tokens::is_whole(&token), "{token}");
        assert!(!tokens::is_whole(&token.replacen(|c: char| c.is_ascii_digit(), "x", 1)));
        let page = site.get("/settings/tokens").await.text().await.unwrap();
        assert!(page.contains("shop") && !page.contains(&token), "{page}");
        let found = tokens::find(db, &digest_of(&token), now(&site)).await.unwrap().unwrap();
        assert_eq!(found.scopes, "orders:write coupons:redeem");
        let later = now(&site) + 31 * 86_400_000;
        assert_eq!(tokens::find(db, &digest_of(&token), later).await.unwrap(), None, "it has expired");
        for (form, said) in [
            (&form[..], "there is a token of this name already"),
            (&[("name", "till")][..], "a token that may do nothing"),
            (&[("name", "<b>"), ("scope", "orders:write")][..], "a token has a name"),
        ] {
            let response = send(&site, "/settings/tokens", form).await;
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(response.text().await.unwrap().contains(said), "{said}");
        }
        let path = format!("/settings/tokens/{}/revoke", found.id);
        location(&send(&site, &path, &[]).await);
        assert_eq!(tokens::find(db, &digest_of(&token), now(&site)).await.unwrap(), None);
        assert_eq!(send(&site, &path, &[]).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(actions(db).await, ["user.add", "token.make", "token.revoke"].map(str::to_owned).to_vec());
        site.close().await;
    }

    async fn what_is_no_token_is_not_looked_up(db: &TestDb) {
        let site = Site::open(db).await;
        db.run("DROP TABLE api_tokens", []).await.unwrap();
        // As long as one, with a check that is not its own.
        let whole = "vv_00000000000000000000000000000000000000000000000000000000";
        for given in ["guess", whole] {
            let response = nobody().get(format!("{}/api/v1/token", site.base)).bearer_auth(given).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{given}");
        }
        site.close().await;
    }

    async fn the_begin_of_an_action_finds_it_in_whatever_order_a_base_has(db: &TestDb) {
        if db.dialect() == Dialect::Postgres {
            db.run("ALTER TABLE audit_log ALTER COLUMN action TYPE TEXT COLLATE \"en-x-icu\"", []).await.unwrap();
        }
        let txn = db.begin().await.unwrap();
        for action in ["campaign.launch", "campaign.Zebra", "campaigns", "segment.save"] {
            audit::note(&*txn, "token shop", action, "s", "", 1).await.unwrap();
        }
        txn.commit().await.unwrap();
        let found = async |action: &str, actor: &str| {
            let filter = Filter { action: action.to_owned(), actor: actor.to_owned(), ..Filter::default() };
            audit::list(db, &filter, 10).await.unwrap().len()
        };
        assert_eq!(found("campaign.", "").await, 2);
        assert_eq!(found("campaign", "token shop").await, 3);
        assert_eq!(found("", "token").await, 0);
        assert_eq!(found("", "").await, 4);
    }

    async fn the_audit_log_is_filtered_paged_and_safe_in_a_spreadsheet(db: &TestDb) {
        let site = Site::open(db).await;
        let txn = db.begin().await.unwrap();
        for n in 0..60 {
            let subject = if n == 7 { "=HYPERLINK(\"x\")".to_owned() } else { format!("s{n}") };
            let actor = if n % 2 == 0 { "user 1 Anne" } else { "token shop" };
            audit::note(&*txn, actor, if n < 30 { "segment.save" } else { "campaign.launch" }, &subject, "", n).await.unwrap();
        }
        txn.commit().await.unwrap();
        let page = site.get("/settings/audit").await.text().await.unwrap();
        assert_eq!(page.matches("<tr><th scope=\"row\"").count(), 50);
        let older = between(&page, "before=", "\"");
        let page = site.get(&format!("/settings/audit?before={older}")).await.text().await.unwrap();
        assert_eq!(page.matches("<tr><th scope=\"row\"").count(), 11, "with the administrator himself");
        let page = site.get("/settings/audit?actor=token+shop&action=segment.&subject=s9").await.text().await.unwrap();
        assert_eq!(page.matches("<tr><th scope=\"row\"").count(), 1, "{page}");
        let file = site.get("/settings/audit.csv?action=segment.save").await;
        assert!(header(&file, "content-disposition").contains("visavis-audit.csv"));
        let text = file.text().await.unwrap();
        assert_eq!(text.lines().count(), 31, "{text}");
        assert!(text.contains(",\"'=HYPERLINK(\"\"x\"\")\","), "{text}");
        assert!(text.contains("\r\n1970-01-01T00:00:00Z,"), "{text}");
        site.close().await;
    }

    async fn a_relay_is_tried_without_a_message(db: &TestDb) {
        let peer = SmtpPeer::start(Script::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let site = Site::open_set(db, |settings| {
            settings.data_dir = folder.path().to_owned();
            settings.email = peer.settings();
            settings.email.relays.insert("away".to_owned(), RelaySettings::plain("127.0.0.1", 1));
        }).await;
        let page = site.get("/settings/relays").await.text().await.unwrap();
        assert!(page.contains(&peer.addr().to_string()) && page.contains("[email.relays.away]"), "{page}");
        let page = send(&site, "/settings/relays/test", &[("route", "default")]).await.text().await.unwrap();
        assert!(page.contains("It answers as"), "{page}");
        let page = send(&site, "/settings/relays/test", &[("route", "away")]).await.text().await.unwrap();
        assert!(page.contains("cannot reach 127.0.0.1:1"), "{page}");
        assert!(peer.messages().is_empty());
        assert_eq!(actions(db).await, ["user.add", "relay.test", "relay.test"].map(str::to_owned).to_vec());
        site.close().await;
    }

    async fn the_rules_are_told_with_their_keys(db: &TestDb) {
        let site = Site::open(db).await;
        let page = site.get("/settings/rules").await.text().await.unwrap();
        for said in ["[[pressure]]", "at most 2 messages", "on one day of the recipient", "Mon–Fri 08:00–20:00", "[permission]", "1,095 days after the last act"] {
            assert!(page.contains(said), "{said} in {page}");
        }
        for path in ["/settings", "/settings/profile", "/settings/users", "/settings/tokens", "/settings/senders"] {
            let response = site.get(path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let page = response.text().await.unwrap();
            assert!(!page.contains("style=\"") && !page.contains("<script>"), "{path}: the policy allows neither");
        }
        site.close().await;
    }
}
