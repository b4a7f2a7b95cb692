//! Who shares people with others: two rows that became one person, another transaction that has people in
//! hand, and a campaign of higher priority that stands still.

use std::time::Duration;

use visavis::campaigns::plan;
use visavis::config::{PressureSettings, WindowKind};
use visavis::consent::expiry;
use visavis::delivery::model::State;
use visavis::ids::WaveId;
use visavis::storage::{Db, Sql};

use crate::kit::house::{House, definition};
use crate::kit::ledger::number;
use crate::on_both;

async fn accepted(db: &Db, wave: WaveId) -> i64 {
    number(
        db,
        &format!(
            "SELECT COUNT(*) FROM deliveries WHERE wave_id = {wave} AND state = {}",
            State::Accepted.code()
        ),
    )
    .await
}

on_both! {
    /// Only one of the two was changed after the launch: the one who stands first, or the one who comes later.
    async fn two_who_became_one_get_it_once(db: &TestDb) {
        let house = House::new(db, None);
        let first = house.add_customers(60, "mail.example").await;
        let wave = house.send("spring").await;
        for (changed, other, key) in [(0, 1, "email_key"), (3, 2, "email_key"), (4, 59, "email_key")] {
            db.run(
                format!(
                    "UPDATE customers SET {key} = (SELECT o.{key} FROM customers o WHERE o.id = $2), updated_at = $3
                     WHERE id = $1"
                ),
                [(first + changed).into(), (first + other).into(), (house.clock_ms() + 1).into()],
            )
            .await
            .unwrap();
        }
        house.deliver().await;
        let ledger = house.ledger(wave).await;
        assert_eq!((ledger["accepted"], ledger["withheld"]), (57, 3));
        for pair in [[0, 1], [2, 3], [4, 59]] {
            let [a, b] = pair.map(|n| first + n);
            let sql = format!("SELECT COUNT(*) FROM deliveries WHERE customer_id IN ({a}, {b}) AND reason = 'duplicate_address'");
            assert_eq!(number(db, &sql).await, 1, "{pair:?}");
        }
    }

    /// Before the nightly upkeep and after it.
    async fn what_ended_by_itself_is_told_as_expired(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(2, "mail.example").await;
        let long_ago = (house.now() - chrono::Duration::days(1100)).timestamp_millis();
        db.run("UPDATE permissions SET since_at = $1, level_since_at = $1", [long_ago.into()]).await.unwrap();
        let before = house.send("before").await;
        let expired = expiry::expire_due(db, &house.parts.settings.permission, house.clock_ms()).await.unwrap();
        assert_eq!(expired.by_basis.values().sum::<u64>(), 2);
        let after = house.send("after").await;
        for wave in [before, after] {
            house.ledger(wave).await;
            let sql = format!("SELECT COUNT(*) FROM deliveries WHERE wave_id = {wave} AND reason = 'expired'");
            assert_eq!(number(db, &sql).await, 2);
        }
    }

    async fn a_campaign_that_stands_still_takes_nobody_s_turn(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| {
            settings.pressure = vec![PressureSettings { max: 1, days: 1, window: WindowKind::Calendar, channel: None, topic: None }];
        });
        house.add_customers(5, "mail.example").await;
        let mut high = definition("high");
        high.priority = 5;
        let id = house.apply(&high).await;
        let high = house.launch(id).await.wave;
        plan::pause(&house.parts.db, "high", "for a while", "test", house.clock_ms()).await.unwrap();
        let low = house.send("low").await;
        house.deliver().await;
        assert_eq!(house.ledger(low).await["accepted"], 5);
        // When it goes on, they have had their message of the day.
        plan::resume(&house.parts.db, "high", "test", house.clock_ms()).await.unwrap();
        house.deliver().await;
        assert_eq!(house.ledger(high).await["withheld"], 5);
    }
}

/// An import of a large file has people in hand for as long as it takes; the others need not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_other_hands_holds_up_nobody_else() {
    let Some(test) = crate::kit::database::postgres().await else {
        return;
    };
    let house = House::new(&test, None);
    let first = house.add_customers(200, "mail.example").await;
    let wave = house.send("spring").await;
    let long = test.begin().await.unwrap();
    // Of every lease the first rows.
    long.rows(
        "SELECT id FROM customers WHERE (id - $1) % 50 < 30 FOR UPDATE",
        [first.into()],
    )
    .await
    .unwrap();
    let engine = house.engine().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let deliver = engine.run_until_idle(&stop);
    let watch = async {
        for _ in 0..200 {
            if accepted(&test, wave).await == 80 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let free = accepted(&test, wave).await;
        long.rollback().await.unwrap();
        free
    };
    // The clock of this house stands still: it must come past the rest of the leases.
    let tick = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            house.advance(chrono::Duration::milliseconds(500));
        }
    };
    let (all, free) = tokio::select! {
        done = async { tokio::join!(deliver, watch) } => done,
        () = tick => unreachable!("it ticks for ever"),
    };
    assert_eq!(free, 80, "whom nobody had in hand");
    assert_eq!(all.unwrap(), 200);
    assert_eq!(house.ledger(wave).await["accepted"], 200);
    engine.close().await;
}
