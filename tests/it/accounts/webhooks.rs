//! The page of Settings about webhooks, at a real receiver.

use reqwest::StatusCode;
use visavis::accounts::model::Role;
use visavis::events::model::EventKind;
use visavis::events::{self, store};
use visavis::ids::EndpointId;

use super::{actions, between, get, location, now, post};
use crate::events::receiver::Receiver;
use crate::kit::console::sign_in;
use crate::on_both;
use crate::web::Site;

on_both! {
    async fn an_endpoint_is_added_tried_turned_off_and_removed(db: &TestDb) {
        let receiver = Receiver::start(|n| if n == 2 { 500 } else { 204 }).await;
        let site = Site::open_set(db, |settings| settings.webhooks.allow_loopback = true).await;
        let (_, cookie) = sign_in(db, Role::Administrator, now(&site)).await;
        let url = receiver.url();
        let form = |url: &'static str| vec![("url", url), ("description", "the <shop>"), ("kind", "import.finished")];
        for (url, said) in [
            ("http://shop.example.com/hooks", "https"),
            ("https://10.0.0.1/hooks", "address"),
        ] {
            let refused = post(&site, &cookie, "/settings/webhooks", &form(url)).await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{url}");
            let page = refused.text().await.unwrap();
            assert!(page.contains(said) && page.contains("the &lt;shop&gt;"), "{page}");
        }
        let nothing = post(&site, &cookie, "/settings/webhooks", &[("url", url.as_str())]).await;
        assert_eq!(nothing.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(store::endpoints(&***db).await.unwrap().is_empty());

        let wanted = [("url", url.as_str()), ("description", "the <shop>"), ("kind", "import.finished")];
        let added = post(&site, &cookie, "/settings/webhooks", &wanted).await;
        assert_eq!(added.status(), StatusCode::OK);
        let page = added.text().await.unwrap();
        let secret = between(&page, "class=\"copy\"><code>", "<").replace("&#x3D;", "=");
        assert!(secret.starts_with("whsec_"), "{secret}");
        let id = store::endpoints(&***db).await.unwrap()[0].id;
        let path = format!("/settings/webhooks/{id}");
        let page = get(&site, &cookie, &path).await.text().await.unwrap();
        assert!(!page.contains("whsec_") && page.contains("value=\"import.finished\" checked"), "{page}");

        for said in ["It took the event (204).", "It failed (500)."] {
            let page = post(&site, &cookie, &path, &[("act", "test")]).await.text().await.unwrap();
            assert!(page.contains(said), "{page}");
        }
        let heard = receiver.heard();
        assert!(heard.len() == 2 && heard.iter().all(|one| one.is_signed_with(&secret)));
        assert_eq!(heard[0].kind(), "webhook.test");

        let none = post(&site, &cookie, &path, &[("act", "subscribe")]).await;
        assert_eq!(none.status(), StatusCode::UNPROCESSABLE_ENTITY);
        location(&post(&site, &cookie, &path, &[("act", "subscribe"), ("kind", "campaign.paused")]).await);
        let endpoint = async || store::by_id(&***db, EndpointId(id.0)).await.unwrap().unwrap();
        assert_eq!(endpoint().await.kinds, [EventKind::CampaignPaused]);
        let renewed = post(&site, &cookie, &path, &[("act", "rotate")]).await.text().await.unwrap();
        assert_ne!(between(&renewed, "class=\"copy\"><code>", "<").replace("&#x3D;", "="), secret);

        location(&post(&site, &cookie, &path, &[("act", "disable")]).await);
        assert!(!endpoint().await.is_active);
        let page = get(&site, &cookie, &path).await.text().await.unwrap();
        assert!(page.contains("disabled") && page.contains("value=\"enable\""), "{page}");
        let refused = post(&site, &cookie, &path, &[("act", "resend")]).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        location(&post(&site, &cookie, &path, &[("act", "enable")]).await);
        assert!(endpoint().await.is_active);

        assert_eq!(location(&post(&site, &cookie, &path, &[("act", "remove")]).await), "/settings/webhooks?done=webhook-removed");
        assert_eq!(get(&site, &cookie, &path).await.status(), StatusCode::NOT_FOUND);
        let page = get(&site, &cookie, "/settings/webhooks").await.text().await.unwrap();
        assert!(page.contains("No endpoint yet."), "{page}");
        let done: Vec<String> = actions(db).await.into_iter().filter(|action| action.starts_with("webhook.")).collect();
        assert_eq!(
            done,
            ["add", "test", "test", "subscribe", "rotate", "disable", "enable", "remove"].map(|act| format!("webhook.{act}"))
        );
        // Whoever may not administer sees none of it.
        let (_, other) = sign_in(db, Role::Marketer, now(&site)).await;
        assert_eq!(get(&site, &other, "/settings/webhooks").await.status(), StatusCode::FORBIDDEN);
        assert!(events::list(db).await.unwrap().is_empty());
        site.close().await;
    }
}
