//! Reports read from the counters, on both databases.

mod money;
pub mod pages;
mod stages;

use visavis::ids::WaveId;
use visavis::reports::store;
use visavis::storage::{Db, Sql};

use crate::kit::ledger::{self, CLICKS, Plan};
use crate::on_both;

/// Moves the counters of a wave.
pub async fn set(db: &Db, wave: WaveId, counters: &[(&str, i64)]) {
    for (counter, value) in counters {
        db.run(
            "INSERT INTO wave_counters (wave_id, counter, value) VALUES ($1, $2, $3)",
            [wave.0.into(), (*counter).into(), (*value).into()],
        )
        .await
        .unwrap();
    }
}

/// A wave of 100 selected whose figures add up.
pub const FIGURES: [(&str, i64); 17] = [
    ("selected", 100),
    ("withheld", 12),
    ("withheld.no_permission", 8),
    ("withheld.control", 4),
    ("pending", 0),
    ("sending", 0),
    ("accepted", 80),
    ("deferred", 1),
    ("failed", 5),
    ("failed.invalid_recipient", 3),
    ("failed.quota", 2),
    ("unknown", 2),
    ("clicks", 9),
    ("clicks.total", 12),
    ("clicks.part.action", 9),
    ("clicks.link.1", 12),
    ("responders", 8),
];

on_both! {
    async fn a_report_is_the_counters_and_they_add_up(db: &TestDb) {
        let wave = ledger::wave(db, Plan { is_simulated: true, ..CLICKS }).await;
        set(db, wave, &FIGURES).await;
        let report = store::report(db, "super-chef").await.unwrap().unwrap();
        assert_eq!(report.discrepancies, Vec::<String>::new());
        assert_eq!(report.selected, report.withheld + report.deliveries);
        assert_eq!(
            report.deliveries,
            report.accepted + report.failed + report.unknown + report.deferred + report.pending + report.sending
        );
        assert_eq!(report.label, Some("simulated responses"));
        insta::assert_json_snapshot!("report", report, {".waves[].wave" => "[id]"});
    }

    async fn a_campaign_that_is_not_there_has_no_report(db: &TestDb) {
        assert!(store::report(db, "nothing").await.unwrap().is_none());
    }

    async fn the_list_shows_each_campaign_with_its_own_waves(db: &TestDb) {
        let one = ledger::wave(db, CLICKS).await;
        set(db, one, &[("selected", 10), ("accepted", 10)]).await;
        ledger::wave(db, Plan { campaign: "silent", ..CLICKS }).await;
        let two = ledger::wave(db, Plan { campaign: "autumn", ..CLICKS }).await;
        set(db, two, &[("selected", 3), ("accepted", 3), ("responders", 1)]).await;
        let page = store::list(db, 0, 2).await.unwrap();
        assert_eq!(page.campaigns, 3);
        let shown: Vec<_> = page.reports.iter().map(|r| (r.campaign.as_str(), r.accepted, r.waves.len())).collect();
        assert_eq!(shown, [("autumn", 3, 1), ("silent", 0, 1)]);
        let rest = store::list(db, 2, 2).await.unwrap();
        assert_eq!(rest.reports.iter().map(|r| r.accepted).collect::<Vec<_>>(), [10]);
    }
}
