//! The console's page of mail, over HTTP.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, LOCATION, ORIGIN};

use super::{BLOCKED, Desk, reply};
use crate::on_both;
use crate::web::Site;

on_both! {
    async fn what_people_wrote_is_shown_as_text_and_can_be_ticked_off(db: &TestDb) {
        let desk = Desk::open(db, 8).await;
        let local = visavis::tokens::message_id_local(desk.message_to(1).await, &desk.house.parts.keys);
        desk.takes(&reply(&local, "c1@example.org", "<script>alert(1)</script> <img src=https://evil.example/x.png> merci")).await;
        for customer in 2..=6 {
            desk.takes(&desk.bounce(customer, BLOCKED).await).await;
        }
        for n in 0..50 {
            desk.takes(&reply("none", "x@y.example", &format!("number {n}"))).await;
        }
        let site = Site::open(db).await;
        let get = |path: String| {
            let request = site.client.get(format!("{}{path}", site.base));
            async move { request.send().await.unwrap().text().await.unwrap() }
        };
        let first = get("/mail".to_owned()).await;
        assert!(first.contains("51 mails, 51 to be read"), "{first}");
        assert!(first.contains("5 messages came back: blocked · <a href=\"/reports/campaigns/spring\">") && first.contains("blocked"), "a warning: {first}");
        assert!(first.contains("number 49") && !first.contains("<script>"));
        let (_, older) = first.split_once("href=\"/mail?before=").expect("older mails");
        let older = older.split('"').next().unwrap();
        let second = get(format!("/mail?before={older}")).await;
        assert!(second.contains("&lt;script&gt;") && !second.contains("<script>") && !second.contains("<img"), "{second}");
        assert!(second.contains("/permission/customers/1") && second.contains("Élodie"));
        let id: i64 = desk.number("SELECT MIN(id) AS n FROM received_mails WHERE is_kept").await;
        let one = get(format!("/mail/{id}")).await;
        assert!(one.contains("merci") && !one.contains("<img"), "{one}");
        let done = |origin: &'static str| {
            let request = site.client.post(format!("{}/mail/{id}/done", site.base)).header(ORIGIN, origin).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body("before=7");
            async move { request.send().await.unwrap() }
        };
        assert_eq!(done("https://evil.example").await.status(), StatusCode::FORBIDDEN);
        let request = site.client.post(format!("{}/mail/{id}/done", site.base)).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body("before=7");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()[LOCATION], "/mail?before=7");
        assert!(get("/mail".to_owned()).await.contains("51 mails, 50 to be read"));
        for path in ["/mail/0", "/mail/x"] {
            let answer = site.client.get(format!("{}{path}", site.base)).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        }
        for odd in ["/mail?before=x", "/mail?before=-1", "/mail?before=99999999999999999999"] {
            let answer = site.client.get(format!("{}{odd}", site.base)).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{odd}");
        }
        site.close().await;
    }
}
