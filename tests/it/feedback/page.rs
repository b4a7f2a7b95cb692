//! A customer's page.

use reqwest::StatusCode;
use reqwest::header::LOCATION;
use visavis::responses::ResponseWriter;
use visavis::responses::model::{MadeBy, Response, What};
use visavis::templates::model::Part;

use crate::kit::ledger::{self, CLICKS, DAY_MS, SETTLED_AT, number};
use crate::on_both;
use crate::web::{Site, header};

on_both! {
    async fn a_person_is_found_by_number_key_and_address(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "none").await;
        ledger::customer(db, &ada.to_string(), "en", "none").await;
        let site = Site::open(db).await;
        for who in ["ada", "ADA@example.org", " ada "] {
            let path = format!("/customers?q={}", who.replace(' ', "%20").replace('@', "%40"));
            let answer = site.get(&path).await;
            assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{who}");
            assert_eq!(header(&answer, LOCATION.as_str()), format!("/customers/{ada}"));
        }
        // One's number is another's key.
        let several = site.get(&format!("/customers?q={ada}")).await.text().await.unwrap();
        assert_eq!(several.matches("href=\"/customers/").count(), 3, "two of them, and the way to a new one: {several}");
        for nobody in ["/customers?q=nobody", "/customers?q=%3Cb%3E@x", "/customers"] {
            let page = site.get(nobody).await;
            assert_eq!(page.status(), StatusCode::OK, "{nobody}");
            assert!(!page.text().await.unwrap().contains("<b>"));
        }
        assert_eq!(site.get("/customers/999999").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(site.get("/customers/x").await.status(), StatusCode::NOT_FOUND);
        site.close().await;
    }

    async fn all_that_happened_is_shown_page_by_page(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "en", "full").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let writer = ResponseWriter::start(db.db.clone());
        for n in 0..60 {
            let what = What::Click { link: 0, part: Part::Interest };
            // A day apart; the oldest is a scanner's.
            let made_by = if n == 0 { MadeBy::Scanner } else { MadeBy::Person };
            let at = SETTLED_AT + 60_000 + n * DAY_MS;
            writer.record(Response { delivery, what, made_by, at }).await;
        }
        writer.drain().await;
        ledger::order(db, ada, SETTLED_AT + 61 * DAY_MS, 4_990, None).await;
        let site = Site::open(db).await;
        let first = site.get(&format!("/customers/{ada}")).await.text().await.unwrap();
        assert!(first.contains("Ordered <span class=\"quiet small\">49.90\u{a0}€</span>"), "{first}");
        assert_eq!(first.matches("Clicked").count(), 49);
        assert!(!first.contains("class=\"apart\""));
        let older = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        let second = site.get(&older.replace("&amp;", "&").replace("&#x3D;", "=")).await.text().await.unwrap();
        assert_eq!(second.matches("Clicked").count(), 11);
        assert_eq!(second.matches("class=\"apart\"").count(), 1);
        assert!(second.contains("by a scanner, not counted") && !second.contains("rel=\"next\""));
        site.close().await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_records WHERE action = 'access' AND actor LIKE 'user %'").await, 2);
    }
}
