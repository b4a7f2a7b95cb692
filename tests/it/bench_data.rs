//! `visavis bench-data`: what it writes in a few statements adds up as what is written a message at a time.

use std::collections::BTreeMap;

use visavis::ids::WaveId;
use visavis::responses::model::Marks;
use visavis::storage::{Db, Sql};

use crate::kit::ledger::{self, number};
use crate::kit::program::Node;
use crate::on_both;

/// The counters of a wave's rows, told from the rows alone.
async fn recounted(db: &Db, wave: WaveId) -> BTreeMap<String, i64> {
    let rows = db
        .rows(
            "SELECT state, reason, marks FROM deliveries WHERE wave_id = $1",
            [wave.0.into()],
        )
        .await
        .unwrap();
    let mut counted = BTreeMap::new();
    let mut add = |counter: String| *counted.entry(counter).or_insert(0) += 1;
    for row in rows {
        let reason: Option<String> = row.try_get("", "reason").unwrap();
        let reason = reason.unwrap_or_default();
        match row.try_get::<i16>("", "state").unwrap() {
            0 => add("pending".to_owned()),
            2 => add("accepted".to_owned()),
            4 => {
                add("failed".to_owned());
                add(format!("failed.{reason}"));
            }
            5 => add("unknown".to_owned()),
            6 => add(format!("withheld.{reason}")),
            state => panic!("a row in state {state}"),
        }
        let marks = Marks(row.try_get("", "marks").unwrap());
        for (mark, counter) in [
            (Marks::CLICKED, "clicks"),
            (Marks::RESPONDED, "responders"),
            (Marks::INTEREST, "clicks.part.interest"),
            (Marks::ACTION, "clicks.part.action"),
        ] {
            if marks.has(mark) {
                add(counter.to_owned());
            }
        }
    }
    counted
}

on_both! {
    async fn its_counters_are_the_rows_of_its_ledger(db: &TestDb) {
        let node = Node::texting(db, "");
        let ended = node.feed(
            &["bench-data", "--customers", "1500", "--deliveries", "2500", "--buyers", "100"],
            b"",
        );
        assert_eq!(ended, Some(0), "{}", node.log());

        let waves = db.rows("SELECT id FROM waves ORDER BY id", []).await.unwrap();
        assert!(waves.len() >= 2, "a wave without cells and one with two");
        assert!(number(db, "SELECT COUNT(*) FROM deliveries").await >= 2_500);
        for row in waves {
            let wave = WaveId(row.try_get("", "id").unwrap());
            let counted = recounted(db, wave).await;
            let told = ledger::counters(db, wave).await;
            for counter in ["accepted", "failed", "clicks", "responders"] {
                assert!(counted[counter] > 0, "{counter} of wave {}", wave.0);
            }
            for (counter, value) in &counted {
                assert_eq!(told.get(counter), Some(value), "{counter} of wave {}", wave.0);
            }
            assert_eq!(told.get("pending").copied().unwrap_or(0), 0);
            // What it calls contacted is what was handed over.
            let contacts = number(
                db,
                &format!("SELECT COUNT(*) FROM contacts WHERE wave_id = {}", wave.0),
            )
            .await;
            let handed_over = counted["accepted"] + counted.get("unknown").copied().unwrap_or(0);
            assert_eq!(contacts, handed_over);
        }
        let unfinished = "SELECT COUNT(*) FROM waves WHERE finished_at IS NULL";
        assert_eq!(number(db, unfinished).await, 0);
    }
}
