//! Recency, frequency, monetary value and the value class.

use visavis::customers::value;
use visavis::storage::{Db, Sql};

use super::meant;
use crate::kit::ledger::{self, DAY_MS, SETTLED_AT};
use crate::on_both;

async fn bought(db: &Db, name: &str, days_ago: i64, orders: i64, cents: i64) {
    let customer = ledger::customer(db, name, "en", "none").await;
    db.run(
        "UPDATE customers SET orders_count = $2, revenue_cents = $3, last_order_at = $4 WHERE id = $1",
        [
            customer.0.into(),
            orders.into(),
            cents.into(),
            (SETTLED_AT - days_ago * DAY_MS).into(),
        ],
    )
    .await
    .unwrap();
}

on_both! {
    async fn fifths_of_the_buyers_are_equal_and_independent(db: &TestDb) {
        for n in 1..=10 {
            // The more lately, the less.
            bought(db, &format!("c{n}"), n, if n == 10 { 7 } else { 1 }, n * 1_000).await;
        }
        ledger::customer(db, "looks only", "en", "none").await;
        assert_eq!(meant(db, "rfm is known or recency >= 1", SETTLED_AT).await, 0, "before the first upkeep");
        value::find_breaks(db, SETTLED_AT).await.unwrap();
        value::find_breaks(db, SETTLED_AT).await.unwrap();
        for fifth in 1..=5 {
            for measure in ["recency", "monetary"] {
                let rule = format!("{measure} = {fifth}");
                assert_eq!(meant(db, &rule, SETTLED_AT).await, 2, "{rule}");
            }
        }
        for (rule, people) in [
            // Nine who bought once are of equal value and stay together.
            ("frequency = 1", 9),
            ("frequency = 5", 1),
            ("rfm = \"511\"", 2),
            ("rfm = \"155\" and external_id = \"c10\"", 1),
            ("rfm starts with \"1\"", 2),
            ("recency is unknown and value_class is unknown and orders = 0", 1),
            ("not recency >= 1", 1),
        ] {
            assert_eq!(meant(db, rule, SETTLED_AT).await, people, "{rule}");
        }
    }

    async fn a_code_follows_from_a_new_order_at_once(db: &TestDb) {
        for n in 1..=10 {
            bought(db, &format!("c{n}"), 100 * n, n, n * 1_000).await;
        }
        value::find_breaks(db, SETTLED_AT).await.unwrap();
        assert_eq!(meant(db, "external_id = \"c10\" and rfm = \"155\"", SETTLED_AT).await, 1);
        bought(db, "new", 0, 1, 50_000).await;
        assert_eq!(meant(db, "external_id = \"new\" and rfm = \"515\" and value_class = \"A\"", SETTLED_AT).await, 1);
    }

    async fn classes_are_cut_by_revenue(db: &TestDb) {
        for (name, cents) in [("a", 80), ("b", 10), ("c", 5), ("d", 3), ("e", 2), ("f", 0)] {
            bought(db, name, 1, 1, cents * 100).await;
        }
        value::find_breaks(db, SETTLED_AT).await.unwrap();
        for (rule, people) in [
            ("value_class = \"a\" and external_id = \"a\"", 1),
            ("value_class = \"b\" and external_id in (\"b\", \"c\")", 2),
            ("value_class = \"c\" and external_id in (\"d\", \"e\", \"f\")", 3),
            ("value_class is known", 6),
        ] {
            assert_eq!(meant(db, rule, SETTLED_AT).await, people, "{rule}");
        }
    }

    async fn without_a_buyer_nobody_is_worth_anything(db: &TestDb) {
        ledger::customer(db, "ada", "en", "none").await;
        value::find_breaks(db, SETTLED_AT).await.unwrap();
        assert_eq!(meant(db, "rfm is known or value_class is known", SETTLED_AT).await, 0);
    }
}
