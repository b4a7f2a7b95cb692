//! How far people went and when they responded, counted with what came back.

use std::collections::BTreeMap;

use visavis::campaigns::model::Goal;
use visavis::ids::{CustomerId, DeliveryKey, WaveId};
use visavis::reports::store;
use visavis::responses::ResponseWriter;
use visavis::responses::model::{MadeBy, Marks, Response, What};
use visavis::responses::stages::{SESSION_MS, Stage};
use visavis::storage::{Db, Sql};
use visavis::templates::model::Part;

use crate::kit::ledger::{self, CLICKS, SETTLED_AT};
use crate::on_both;

async fn record(db: &Db, responses: &[Response]) {
    let writer = ResponseWriter::start(db.clone());
    for response in responses {
        writer.record(*response).await;
    }
    writer.drain().await;
}

fn response(delivery: DeliveryKey, what: What, after_ms: i64) -> Response {
    Response {
        delivery,
        what,
        made_by: MadeBy::Person,
        at: SETTLED_AT + after_ms,
    }
}

fn click(delivery: DeliveryKey, part: Part, after_ms: i64) -> Response {
    let link = if part == Part::Action { 1 } else { 0 };
    response(delivery, What::Click { link, part }, after_ms)
}

/// The counters of a wave whose names begin so, but for those at 0.
async fn counters(db: &Db, wave: WaveId, of: &str) -> BTreeMap<String, i64> {
    db.rows(
        "SELECT counter, value FROM wave_counters WHERE wave_id = $1 AND value <> 0 AND counter LIKE $2",
        [wave.0.into(), format!("{of}%").into()],
    )
    .await
    .unwrap()
    .iter()
    .map(|row| (row.try_get("", "counter").unwrap(), row.try_get("", "value").unwrap()))
    .collect()
}

/// The stages as the marks of the ledger have them.
async fn recounted(db: &Db, wave: WaveId) -> BTreeMap<String, i64> {
    let rows = db
        .rows(
            "SELECT marks FROM deliveries WHERE wave_id = $1",
            [wave.0.into()],
        )
        .await
        .unwrap();
    let mut counted = BTreeMap::new();
    for row in rows {
        let marks = Marks(row.try_get("", "marks").unwrap());
        let reached = Stage::of(marks, Goal::Click);
        for stage in Stage::ALL
            .into_iter()
            .filter(|stage| reached >= Some(*stage))
        {
            *counted
                .entry(format!("stage.{}", stage.as_str()))
                .or_insert(0) += 1;
            if stage <= Stage::Interest && marks.has(Marks::TRACKED) {
                *counted
                    .entry(format!("stage.{}.tracked", stage.as_str()))
                    .or_insert(0) += 1;
            }
        }
    }
    counted
}

async fn deliveries(db: &Db, wave: WaveId, tracking: &[&str]) -> Vec<DeliveryKey> {
    let mut keys = Vec::new();
    for (seq, tracking) in (1..).zip(tracking) {
        let customer: CustomerId = ledger::customer(db, &format!("c{seq}"), "en", tracking).await;
        keys.push(ledger::delivery(db, wave, seq, customer).await);
    }
    keys
}

on_both! {
    async fn everyone_counts_in_each_stage_up_to_the_furthest(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let d = deliveries(db, wave, &["full", "full", "none", "none", "full"]).await;
        record(db, &[
            response(d[0], What::Open, 60_000),
            click(d[1], Part::Interest, 61_000),
            click(d[2], Part::Action, 62_000),
            click(d[3], Part::Attention, 63_000),
        ]).await;
        let stages = counters(db, wave, "stage.").await;
        let expected = [
            ("stage.attention", 4), ("stage.attention.tracked", 2), ("stage.interest", 3),
            ("stage.interest.tracked", 1), ("stage.desire", 1), ("stage.action", 1),
        ];
        assert_eq!(stages, expected.map(|(name, n)| (name.to_owned(), n)).into());
        // A second visit is desire; a second click of the same visit is not.
        record(db, &[click(d[1], Part::Interest, 120_000)]).await;
        assert_eq!(counters(db, wave, "stage.desire").await["stage.desire"], 1);
        record(db, &[click(d[1], Part::Interest, 61_000 + SESSION_MS)]).await;
        assert_eq!(counters(db, wave, "stage.desire").await["stage.desire"], 2);
        record(db, &[click(d[3], Part::Attention, 63_000 + SESSION_MS), click(d[3], Part::Action, 2 * SESSION_MS)]).await;
        assert_eq!(counters(db, wave, "stage.").await, recounted(db, wave).await);
    }

    async fn what_a_scanner_did_is_taken_off_every_stage_and_hour(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let d = deliveries(db, wave, &["full", "none"]).await;
        record(db, &[click(d[0], Part::Interest, 60_000), click(d[1], Part::Interest, 7_200_000)]).await;
        assert_eq!(counters(db, wave, "responders.").await, [
            ("responders.hour.0".to_owned(), 1), ("responders.hour.2".to_owned(), 1),
        ].into());
        // Another link of the same message within a second: both were a scanner's.
        record(db, &[click(d[0], Part::Action, 60_500)]).await;
        assert_eq!(counters(db, wave, "stage.").await, recounted(db, wave).await);
        assert_eq!(counters(db, wave, "stage.interest").await, [("stage.interest".to_owned(), 1)].into());
        assert_eq!(counters(db, wave, "responders.").await, [("responders.hour.2".to_owned(), 1)].into());
    }

    async fn of_a_wave_from_before_stages_were_counted_none_is(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        db.run("UPDATE waves SET counts_stages = FALSE", []).await.unwrap();
        let d = deliveries(db, wave, &["full"]).await;
        // Who clicked then, and was counted nowhere, is a scanner's victim now.
        record(db, &[click(d[0], Part::Interest, 60_000)]).await;
        assert_eq!(counters(db, wave, "clicks").await["clicks"], 1);
        record(db, &[click(d[0], Part::Action, 60_500)]).await;
        assert_eq!(counters(db, wave, "clicks").await, [("clicks.scanner".to_owned(), 2)].into());
        for name in ["stage.", "responders."] {
            assert_eq!(counters(db, wave, name).await, BTreeMap::new());
        }
    }

    async fn the_report_shows_how_far_they_went_and_when(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let d = deliveries(db, wave, &["full", "full", "none"]).await;
        crate::reports::set(db, wave, &[("selected", 3), ("accepted", 3), ("opens.possible", 2)]).await;
        record(db, &[response(d[0], What::Open, 60_000), click(d[2], Part::Action, 90_000_000)]).await;
        let report = store::report(db, "super-chef").await.unwrap().unwrap();
        let people: Vec<_> = report.funnel.steps.iter().map(|step| (step.stage, step.people)).collect();
        // One of two who can be seen opened: of three, one and a half.
        assert_eq!(people, [("delivered", 3), ("attention", 2), ("interest", 1), ("desire", 1), ("action", 1)]);
        assert!(report.funnel.steps[1].is_extrapolated);
        let over = report.over_time.unwrap();
        assert_eq!(over.columns.iter().map(|column| column.responders).sum::<u64>(), 1);
        assert_eq!(over.columns[25].responders, 1);
    }
}
