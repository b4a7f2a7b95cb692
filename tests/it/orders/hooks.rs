//! What a shop posts in its own words, signed in its own way.

use data_encoding::{BASE64, HEXLOWER};
use reqwest::Method;
use ring::hmac;
use serde_json::json;
use visavis::config::Settings;

use crate::kit::ledger::{self, CLICKS, number};
use crate::on_both;
use crate::web::Site;

const SECRET: &str = "what the shop signs with";

fn hooks(settings: &mut Settings) {
    let shopify = format!(
        r#"
        cancelled = ["refunded"]
        [signature]
        header = "X-Shopify-Hmac-Sha256"
        secret = "{SECRET}"
        [fields]
        id = "/id"
        customer_email = "/customer/email"
        ordered_at = "/created_at"
        amount = "/total_price"
        currency = "/currency"
        coupon = "/discount_codes/0/code"
        status = "/financial_status"
        "#
    );
    let hexed = format!(
        r#"
        path_secret = "sixteen-letters-and-more"
        currency = "CHF"
        [signature]
        header = "X-Signature"
        secret = "{SECRET}"
        encoding = "hex"
        prefix = "sha256="
        [fields]
        id = "/order/number"
        customer_external_id = "/order/client"
        ordered_at = "/order/at"
        amount_cents = "/order/cents"
        "#
    );
    for (name, text) in [("shopify", shopify), ("other", hexed)] {
        let hook = toml::from_str(&text).unwrap();
        settings.orders.hooks.insert(name.to_owned(), hook);
    }
}

fn signed(body: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::sign(&key, body.as_bytes()).as_ref().to_vec()
}

on_both! {
    async fn a_shop_posts_in_its_own_words(db: &TestDb) {
        let site = Site::open_set(db, hooks).await;
        let wave = ledger::wave(db, CLICKS).await;
        ledger::customer(db, "ada", "fr", "none").await;
        let post = async |path: &str, header: &str, signature: String, body: String| {
            let request = site.ask(Method::POST, path).header(header, signature).body(body);
            request.send().await.unwrap().status().as_u16()
        };
        let shopify = |status: &str| json!({
            "id": 450_789_469, "created_at": "2026-11-22T12:00:30+00:00", "total_price": "409.94", "currency": "EUR",
            "customer": {"email": "ada@example.org"}, "discount_codes": [], "financial_status": status,
        }).to_string();
        let (path, header) = ("/hooks/orders/shopify", "X-Shopify-Hmac-Sha256");
        let body = shopify("paid");
        let good = BASE64.encode(&signed(&body));
        assert_eq!(post(path, header, BASE64.encode(&signed("other")), body.clone()).await, 403);
        assert_eq!(post(path, "X-Other", good.clone(), body.clone()).await, 403);
        assert_eq!(post("/hooks/orders/unknown", header, good.clone(), body.clone()).await, 404);
        assert_eq!(post("/hooks/orders/shopify/guess", header, good.clone(), body.clone()).await, 403);
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders").await, 0);
        for _ in 0..2 {
            assert_eq!(post(path, header, good.clone(), body.clone()).await, 204);
        }
        assert_eq!(number(db, "SELECT CAST(SUM(amount_cents) AS BIGINT) FROM orders").await, 40_994);
        let body = shopify("refunded");
        assert_eq!(post(path, header, BASE64.encode(&signed(&body)), body).await, 204);
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders").await, 0);

        let path = "/hooks/orders/other/sixteen-letters-and-more";
        let body = json!({"order": {"number": "A-1", "client": "ada", "at": "2026-11-22T12:00:00Z", "cents": 1_500}}).to_string();
        let signature = format!("sha256={}", HEXLOWER.encode(&signed(&body)));
        assert_eq!(post("/hooks/orders/other", "X-Signature", signature.clone(), body.clone()).await, 403);
        assert_eq!(post("/hooks/orders/other/sixteen-letters-and-mort", "X-Signature", signature.clone(), body.clone()).await, 403);
        assert_eq!(post(path, "X-Signature", signature, body).await, 204);
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders WHERE currency = 'CHF' AND amount_cents = 1500").await, 1);
        // A guest without an address worth the name waits; what has no amount is refused.
        for (body, expected) in [
            (json!({"order": {"number": "A-2", "client": "stranger", "at": "2026-11-22T12:00:00Z", "cents": 1}}), 204),
            (json!({"order": {"number": "A-3", "client": "ada", "at": "2026-11-22T12:00:00Z"}}), 422),
            (json!([]), 422),
        ] {
            let body = body.to_string();
            let signature = format!("sha256={}", HEXLOWER.encode(&signed(&body)));
            assert_eq!(post(path, "X-Signature", signature, body).await, expected);
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM unmatched_orders").await, 1);
        assert!(ledger::counters(db, wave).await.is_empty());
        site.close().await;
    }
}
