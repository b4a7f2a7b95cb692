//! People, machines and scanners.

use reqwest::header::USER_AGENT;
use reqwest::{Method, StatusCode};
use visavis::customers::model::Customer;
use visavis::templates::model::RecipientLinks;
use visavis::templates::{Imprint, Template, sample_customer};
use visavis::tokens::LinkKind;

use crate::kit::ledger::{self, CLICKS, Plan, counters, expected, number};
use crate::on_both;
use crate::web::Site;

on_both! {
    async fn who_follows_the_trap_followed_the_other_links_too(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "en", "full").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let click = format!("/c/{}", site.token(delivery, LinkKind::Click(0)));
        let trap = format!("/t/{}", site.token(delivery, LinkKind::Trap));
        site.get(&click).await;
        site.clock.advance(chrono::Duration::minutes(9));
        let sprung = site.get(&trap).await;
        assert_eq!(sprung.status(), StatusCode::NO_CONTENT);
        assert_eq!(site.get("/t/forged").await.status(), StatusCode::NOT_FOUND);
        site.clock.advance(chrono::Duration::minutes(9));
        site.get(&click).await;
        // The person, later.
        site.clock.advance(chrono::Duration::minutes(2));
        site.get(&click).await;
        site.close().await;
        let counters = counters(db, wave).await;
        let of = |name: &str| counters.get(name).copied();
        assert_eq!((of("clicks.scanner"), of("clicks.total"), of("clicks")), (Some(2), Some(1), Some(1)));
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses WHERE kind = 'scan' AND is_scanner").await, 1);
    }

    async fn a_trap_takes_nothing_from_readers_who_are_played_back(db: &TestDb) {
        let wave = ledger::wave(db, Plan { is_simulated: true, ..CLICKS }).await;
        let ada = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        site.get(&format!("/c/{}", site.token(delivery, LinkKind::Click(0)))).await;
        site.get(&format!("/t/{}", site.token(delivery, LinkKind::Trap))).await;
        site.close().await;
        let counters = counters(db, wave).await;
        assert_eq!((counters.get("clicks"), counters.get("clicks.scanner")), (Some(&1), None));
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 1);
    }

    async fn one_visitor_over_many_recipients_is_a_scanner(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let site = Site::open(db).await;
        for seq in 1..=25 {
            let customer = ledger::customer(db, &format!("c{seq}"), "en", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            let path = format!("/c/{}", site.token(delivery, LinkKind::Click(0)));
            let click = site.ask(Method::GET, &path).header("x-forwarded-for", "203.0.113.9");
            assert_eq!(click.send().await.unwrap().status(), StatusCode::FOUND);
        }
        // Another visitor, at the same time.
        let eve = ledger::customer(db, "eve", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 99, eve).await;
        let path = format!("/c/{}", site.token(delivery, LinkKind::Click(0)));
        site.ask(Method::GET, &path).header("x-forwarded-for", "198.51.100.7").send().await.unwrap();
        site.close().await;
        let counters = counters(db, wave).await;
        let of = |name: &str| counters.get(name).copied();
        assert_eq!((of("clicks.scanner"), of("clicks"), of("responders")), (Some(25), Some(1), Some(1)));
    }

    async fn machines_and_scanners_are_counted_apart(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let path = format!("{}/c/{}", site.base, site.token(delivery, LinkKind::Click(0)));
        for agent in ["WhatsApp/2.23", "curl/8.5.0", "Barracuda Sentinel"] {
            site.client.get(&path).header(USER_AGENT, agent).send().await.unwrap();
        }
        site.close().await;
        assert_eq!(counters(db, wave).await, expected([("clicks.machine", 2), ("clicks.scanner", 1)]));
    }
}

fn rendered(trap: Option<&str>) -> (String, String) {
    let template = Template::embedded("super-chef").unwrap();
    let imprint = Imprint {
        sender_name: "Shop".to_owned(),
        postal_address: "1 rue de l’Exemple".to_owned(),
        reason: None,
    };
    let email = template.compile_email("en", &imprint).unwrap();
    let links = RecipientLinks {
        clicks: vec!["https://shop.example/c/T".to_owned(); email.links().len()],
        trap: trap.map(str::to_owned),
        ..RecipientLinks::default()
    };
    let customer: Customer = sample_customer();
    let message = email.render(&customer, &links).unwrap();
    (message.html, message.text)
}

#[test]
fn the_trap_is_hidden_from_eyes_keys_and_screen_readers() {
    let (html, text) = rendered(Some("https://shop.example/t/TRAP"));
    let start = html.find("<div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\" aria-hidden=\"true\"><a href=\"https://shop.example/t/TRAP\"");
    let trap = &html[start.expect("the trap")..];
    let trap = &trap[..trap.find("</div>").unwrap()];
    assert!(
        trap.contains("tabindex=\"-1\"") && trap.ends_with("></a>"),
        "no word stands in it: {trap}"
    );
    assert!(!text.contains("/t/TRAP"));
    assert!(!rendered(None).0.contains("/t/"));
}
