//! Reports read from the counters, on both databases.

mod money;
pub mod pages;
mod stages;

use visavis::ids::WaveId;
use visavis::reports::store;
use visavis::storage::{Db, Kind, Sql};

use crate::kit::ledger::{self, CLICKS, Plan};
use crate::on_both;
use crate::web::Site;

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
        set(db, one, &[("bounces", 4)]).await;
        let page = store::before(db, i64::MAX, 2).await.unwrap();
        let shown: Vec<_> = page.iter().map(|(_, r)| (r.campaign.as_str(), r.delivered, r.waves)).collect();
        assert_eq!(shown, [("autumn", 3, 1), ("silent", 0, 1)]);
        assert_eq!(page[0].1.response_rate.value, Some(1.0 / 3.0));
        let rest = store::before(db, page[1].0.0, 2).await.unwrap();
        let [(_, last)] = rest.as_slice() else { panic!("{rest:?}") };
        assert_eq!((last.delivered, last.response_rate.of), (6, 6), "what bounced did not arrive");
        assert_eq!(last.launched_at, Some(ledger::LAUNCHED_AT));
    }

    async fn a_report_of_very_many_waves_is_that_of_all_of_them(db: &TestDb) {
        let first = ledger::wave(db, CLICKS).await;
        set(db, first, &FIGURES).await;
        let one = store::report(db, "super-chef").await.unwrap().unwrap();
        let copies = format!(
            "INSERT INTO waves (campaign_id, due_key, template_version_id, definition, status, is_simulated, launched_at,
                priority, relay)
             SELECT w.campaign_id, 'copy ' || n.n, w.template_version_id, w.definition, w.status, w.is_simulated,
                w.launched_at, w.priority, w.relay
             FROM waves w CROSS JOIN {} n WHERE w.id = $2",
            db.dialect().recordset(1, &[("n", Kind::Int)])
        );
        let numbers: Vec<_> = (0..149).map(|n| serde_json::json!([n])).collect();
        let numbers = serde_json::Value::from(numbers).to_string();
        db.run(copies, [numbers.into(), first.0.into()]).await.unwrap();
        db.run(
            "INSERT INTO wave_counters (wave_id, counter, value) SELECT w.id, c.counter, c.value
             FROM waves w CROSS JOIN wave_counters c WHERE c.wave_id = $1 AND w.id <> $1",
            [first.0.into()],
        ).await.unwrap();
        let all = store::report(db, "super-chef").await.unwrap().unwrap();
        assert_eq!(all.discrepancies, Vec::<String>::new());
        assert_eq!((all.waves.len(), all.selected, all.clicks_total), (150, 150 * one.selected, 150 * one.clicks_total));
        assert_eq!(all.response_rate.count, 150 * one.response_rate.count);
        assert_eq!(all.waves[149].response_rate, one.waves[0].response_rate);
        db.run("UPDATE wave_counters SET value = 1000 WHERE wave_id = $1 AND counter = 'failed.quota'", [first.0.into()]).await.unwrap();
        let told = store::report(db, "super-chef").await.unwrap().unwrap().discrepancies;
        assert!(told.iter().any(|one| one.starts_with("the waves before: failed is")), "{told:?}");
        let site = Site::open(db).await;
        let page = site.get("/reports/campaigns/super-chef").await.text().await.unwrap();
        assert!(page.contains("The newest 100 of 150 waves."), "{page}");
        let rows = |page: &str| page.split("id=\"waves\"").nth(1).unwrap().matches("<tr>").count() - 1;
        assert_eq!(rows(&page), 100);
        let page = site.get("/reports/campaigns/super-chef?waves=all").await.text().await.unwrap();
        assert_eq!(rows(&page), 150);
        site.close().await;
    }
}
