//! Orders from a CSV file.

use std::fmt::Write as _;

use visavis::customers::import::{self, ImportKind, ImportReport, ImportRequest, WarningKind};
use visavis::keys::Keys;
use visavis::responses::orders::{adopt_all, attribute_orders};
use visavis::tokens::coupon_code;

use super::counters;
use crate::kit::ledger::{self, CLICKS, Plan, SETTLED_AT, number};
use crate::on_both;
use crate::responses::rules;

const SALE: Plan = Plan {
    campaign: "sale",
    goal: "order",
    ..CLICKS
};

on_both! {
    async fn a_file_may_say_what_earned_its_orders(db: &TestDb) {
        use visavis::storage::Sql;
        let keys = Keys::from_secret(&[7; 32]);
        let wave = ledger::wave(db, SALE).await;
        db.run("INSERT INTO offer_codes (code_key, wave_id) VALUES ('C0DE', $1)", [wave.0.into()]).await.unwrap();
        db.run("INSERT INTO coupon_spans (wave_id, first_seq, last_seq) VALUES ($1, 1, 9)", [wave.0.into()]).await.unwrap();
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let bob = ledger::customer(db, "bob", "fr", "none").await;
        ledger::delivery(db, wave, 1, ada).await;
        let of_bob = ledger::delivery(db, wave, 2, bob).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.csv");
        let coupon = coupon_code(of_bob, &keys).unwrap();
        std::fs::write(&file, format!("\
order_id;customer_id;date;montant;devise;code promo;campaign_code
1;ada;2026-11-22T12:00:30Z;10,00;EUR;;code
2;unknown;2026-11-22T12:00:30Z;20,00;USD;{coupon};
3;unknown;2026-11-22T12:00:30Z;20,00;;;
4;bob;2026-11-22T12:00:30Z;-5,00;;;code
")).unwrap();
        let request = ImportRequest { default_currency: "EUR".to_owned(), ..ImportRequest::new(&file, ImportKind::Orders) };
        let now = SETTLED_AT + 60_000;
        let trial = ImportRequest { dry_run: true, ..request.clone() };
        let trial = import::run(db, &keys, now, trial, |_| {}).await.unwrap();
        let report = import::run(db, &keys, now, request, |_| {}).await.unwrap();
        assert_eq!(ImportReport { is_dry_run: false, ..trial }, report);
        assert_eq!((report.created, report.rejected, report.warnings.count(WarningKind::UnmatchedOrder)), (3, 1, 1));
        attribute_orders(db, &rules(), now).await.unwrap();
        let counters = counters(db, wave).await;
        for (counter, value) in [
            ("orders", 2), ("orders.by.code", 1), ("orders.by.coupon", 1), ("revenue_cents", 500), ("revenue.USD_cents", 2_000),
            ("redemptions", 1),
        ] {
            assert_eq!(counters.get(counter), Some(&value), "{counter}: {counters:?}");
        }
        assert_eq!(number(db, "SELECT orders_count FROM customers WHERE external_id = 'bob'").await, 2, "his coupon, his order");
    }

    async fn twenty_thousand_orders_are_looked_at_once(db: &TestDb) {
        let keys = Keys::from_secret(&[7; 32]);
        let wave = ledger::wave(db, SALE).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        ledger::delivery(db, wave, 1, ada).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.csv");
        let mut text = "order_id,customer_id,date,amount,campaign\n".to_owned();
        for n in 0..20_000 {
            let campaign = if n % 1_000 == 0 { "sale" } else { "" };
            writeln!(text, "{n},ada,2026-11-22T12:{:02}:{:02}Z,1.00,{campaign}", n / 60 % 60, n % 60).unwrap();
        }
        std::fs::write(&file, text).unwrap();
        let now = SETTLED_AT + 3_600_000;
        let report = import::run(db, &keys, now, ImportRequest::new(&file, ImportKind::Orders), |_| {}).await.unwrap();
        assert_eq!(report.created, 20_000);
        let given = attribute_orders(db, &rules(), now).await.unwrap();
        assert_eq!(number(db, "SELECT COUNT(*) FROM orders WHERE due_at IS NOT NULL").await, 0);
        assert!((15..=20).contains(&given), "{given} named the campaign after its message");
        assert_eq!(counters(db, wave).await.get("orders").copied(), i64::try_from(given).ok());
        adopt_all(db, &rules(), now).await.unwrap();
    }
}
