//! The short links of text messages over HTTP, on both databases.

use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use visavis::consent::model::{Basis, Channel, Evidence};
use visavis::consent::store as consent;
use visavis::delivery::message::short_links;
use visavis::ids::CustomerId;
use visavis::ids::{DeliveryKey, WaveId};
use visavis::keys::Keys;
use visavis::storage::Sql;
use visavis::templates::model::{Link, Part};
use visavis::tokens::{LinkKind, LinkToken, short_code};

use crate::kit::ledger::{self, CLICKS, DESTINATIONS, counters, expected, number};
use crate::on_both;
use crate::web::{Site, header};

fn path(delivery: DeliveryKey, kind: LinkKind) -> String {
    let token = LinkToken { delivery, kind };
    let code = short_code(token, &Keys::from_secret(&[7; 32])).unwrap();
    format!("/{code}")
}

on_both! {
    async fn a_short_link_is_a_click_like_any_other(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let path = path(delivery, LinkKind::Click(0));
        for _ in 0..2 {
            let response = site.get(&path).await;
            assert_eq!(response.status(), StatusCode::FOUND);
            assert_eq!(response.headers()[LOCATION], DESTINATIONS[0]);
            assert_eq!(header(&response, "referrer-policy"), "no-referrer");
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert!(!response.headers().contains_key("set-cookie"));
        }
        let head = site.ask(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::FOUND);
        let preview = site.ask(Method::GET, &path).header("sec-purpose", "prefetch").send().await.unwrap();
        assert_eq!(preview.status(), StatusCode::FOUND);
        let post = site.ask(Method::POST, &path).send().await.unwrap();
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
        site.close().await;
        assert_eq!(counters(db, wave).await, expected([
            ("clicks", 1), ("clicks.total", 2), ("clicks.link.0", 2), ("clicks.part.interest", 1),
            ("clicks.machine", 1),
            ("clicks.scanner", 1), ("responders", 1),
        ]));
    }

    async fn a_short_link_leads_to_the_unsubscribe_page_and_changes_nothing(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        for method in [Method::GET, Method::HEAD] {
            let response = site.ask(method, &path(delivery, LinkKind::Unsubscribe)).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::FOUND);
            let page = header(&response, "location").to_owned();
            assert_eq!(page, format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe)));
            assert_eq!(site.get(&page).await.status(), StatusCode::OK);
        }
        site.close().await;
        assert_eq!(counters(db, wave).await, expected([]));
        assert_eq!(number(db, "SELECT COUNT(*) FROM suppressions").await, 0);
    }

    async fn who_comes_from_a_text_message_is_first_offered_to_get_none(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let site = Site::open(db).await;
        for (seq, language, all, topic) in [
            (1, "en", "Stop all text messages", "Stop messages about"),
            (2, "fr", "Ne plus recevoir aucun SMS", "Offres"),
            (3, "de", "Gar keine SMS mehr", "Angebote"),
            (4, "es", "No recibir ningún SMS más", "Ofertas"),
        ] {
            let customer = ledger::customer(db, &format!("c{seq}"), language, "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            let page = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
            let by_email = site.get(&page).await.text().await.unwrap();
            assert!(by_email.find("value=\"topic\"").unwrap() < by_email.find("value=\"all\" class=\"second\"").unwrap(), "{by_email}");
            let yes = Evidence::grant(customer, Channel::Sms, "offers", Basis::Consent, "test", 1);
            consent::record(&*db.db, &yes, None, 1).await.unwrap();
            db.run("UPDATE deliveries SET channel = 'sms' WHERE seq = $1", [seq.into()]).await.unwrap();
            let by_sms = site.get(&page).await.text().await.unwrap();
            let first = by_sms.find(&format!("<button name=\"scope\" value=\"all\">{all}</button>")).unwrap();
            let second = by_sms.find("<button name=\"scope\" value=\"topic\" class=\"second\">").unwrap();
            assert!(first < second && by_sms.contains(topic), "{by_sms}");
            assert_eq!(by_sms.matches("<button").count(), 2, "{by_sms}");
        }
        site.close().await;
    }

    async fn who_tries_codes_is_sent_away_and_nobody_else(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let ask = |path: String, visitor: &'static str| {
            site.ask(Method::GET, &path)
                .header("x-forwarded-for", visitor)
                .header(ACCEPT, "text/html")
                .header(ACCEPT_LANGUAGE, "fr")
                .send()
        };
        // No such link, no web page, no such wave.
        for unknown in [
            path(delivery, LinkKind::Click(9)),
            path(delivery, LinkKind::Click(2)),
            path(DeliveryKey { wave: WaveId(4_000), seq: 1 }, LinkKind::Click(0)),
        ] {
            let response = ask(unknown, "198.51.100.7").await.unwrap();
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            assert!(response.text().await.unwrap().contains("lang=\"fr\""));
        }
        let mut refused = 0;
        for n in 0..100 {
            let response = ask(format!("/abcdefgh{n:03}"), "198.51.100.7").await.unwrap();
            if response.status() == StatusCode::TOO_MANY_REQUESTS {
                assert!(response.headers().contains_key(RETRY_AFTER));
                refused += 1;
            } else {
                assert_eq!(response.status(), StatusCode::NOT_FOUND);
            }
        }
        assert!(refused > 20, "{refused}");
        let other = ask("/abcdefgh000".to_owned(), "198.51.100.8").await.unwrap();
        assert_eq!(other.status(), StatusCode::NOT_FOUND);
        // A telephone behind the same address.
        let good = path(delivery, LinkKind::Click(0));
        for _ in 0..100 {
            assert_eq!(ask(good.clone(), "198.51.100.7").await.unwrap().status(), StatusCode::FOUND);
        }
        // What is no code is not counted as one.
        for (path, status) in [
            ("/abcdefgh00", StatusCode::NOT_FOUND), ("/abcdefgh0000", StatusCode::NOT_FOUND),
            ("/abcdefgh-00", StatusCode::NOT_FOUND), ("/healthz", StatusCode::OK), ("/sign-up", StatusCode::OK),
        ] {
            assert_eq!(ask(path.to_owned(), "198.51.100.7").await.unwrap().status(), status, "{path}");
        }
        site.close().await;
    }
}

#[test]
fn a_recipient_gets_short_links_and_long_ones_where_no_code_fits() {
    let keys = Keys::from_secret(&[7; 32]);
    let links: Vec<Link> = [0, 61, 62]
        .into_iter()
        .map(|number| Link {
            number,
            part: Part::Action,
            url: "https://shop.example/".to_owned(),
            label: "Shop".to_owned(),
        })
        .collect();
    let delivery = DeliveryKey {
        wave: WaveId(3),
        seq: 5,
    };
    let (short, long) = ("https://go.acme.fr", "https://www.acme.example");
    let of = |delivery| short_links(short, long, &keys, delivery, CustomerId(9), &links);
    let ready = of(delivery);
    assert_eq!(
        ready.clicks,
        [
            format!("{short}{}", path(delivery, LinkKind::Click(0))),
            format!("{short}{}", path(delivery, LinkKind::Click(61))),
            format!(
                "{long}/c/{}",
                LinkToken {
                    delivery,
                    kind: LinkKind::Click(62)
                }
                .encode(&keys)
            ),
        ]
    );
    assert!(ready.clicks[0].len() <= 30 && ready.unsubscribe.len() <= 30);
    assert_eq!(
        ready.unsubscribe,
        format!("{short}{}", path(delivery, LinkKind::Unsubscribe))
    );
    assert_eq!(ready.open, None);
    let far = DeliveryKey {
        wave: WaveId(1 << 21),
        seq: 5,
    };
    let far = of(far);
    assert!(far.clicks[0].starts_with("https://www.acme.example/c/"));
    assert!(far.unsubscribe.starts_with("https://www.acme.example/u/"));
}
