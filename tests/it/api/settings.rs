//! The rules in force, the senders and the ways out.

use serde_json::json;
use visavis::config::RelaySettings;

use super::Api;
use crate::kit::dns::NameServer;
use crate::kit::smtp::{Script, SmtpPeer};
use crate::on_both;

on_both! {
    async fn the_rules_are_told_as_the_settings_have_them(db: &TestDb) {
        let api = Api::open(db).await;
        let rules = api.get("/api/v1/rules").await;
        let topic = &rules.body["topics"][0];
        assert_eq!((&topic["name"], &topic["title"]["fr"], &topic["bases"][0]), (&json!("offers"), &json!("Offres"), &json!("consent")), "{}", rules.body);
        assert!(rules.body["pressure"].is_array() && rules.body["quiet_hours"].is_array());
        api.0.close().await;
    }

    async fn records_of_senders_are_said_and_looked_up(db: &TestDb) {
        let server = NameServer::start().await;
        let api = Api::open_set(db, |settings| {
            settings.email.name_server = Some(server.addr);
            settings.notices.sender_address = "bonjour@news.shop.example".to_owned();
        }).await;
        let all = api.get("/api/v1/senders").await;
        assert_eq!((&all.body["senders"][0]["domain"], &all.body["senders"][0]["is_of_notices"]), (&json!("news.shop.example"), &json!(true)), "{}", all.body);
        let path = "/api/v1/senders/news.shop.example";
        let one = api.get(path).await;
        let records = one.body["records"].as_array().unwrap();
        let dmarc = records.iter().find(|record| record["purpose"] == "DMARC").unwrap();
        assert_eq!(dmarc["standing"], json!(null), "{}", one.body);
        server.txt(dmarc["name"].as_str().unwrap(), dmarc["value"].as_str().unwrap());
        let looked = api.act(&format!("{path}/check")).await;
        for record in looked.body["records"].as_array().unwrap() {
            let expected = if record["purpose"] == "DMARC" { "right" } else { "missing" };
            assert_eq!(record["standing"], expected, "{record}");
        }
        assert_eq!(api.act("/api/v1/senders/other.example/check").await.status, 404, "nobody makes us ask for others");
        api.0.close().await;
    }

    async fn a_way_out_is_tried_without_a_message(db: &TestDb) {
        let peer = SmtpPeer::start(Script::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let api = Api::open_set(db, |settings| {
            settings.data_dir = folder.path().to_owned();
            settings.email = peer.settings();
            settings.email.relays.insert("away".to_owned(), RelaySettings::plain("127.0.0.1", 1));
        }).await;
        let relays = api.get("/api/v1/relays").await;
        let routes: Vec<&str> = relays.body["relays"].as_array().unwrap().iter().map(|one| one["route"].as_str().unwrap()).collect();
        assert_eq!(routes, ["default", "away"], "{}", relays.body);
        let good = api.act("/api/v1/relays/default/test").await;
        assert!(good.body["is_good"] == true && good.body["said"].as_str().unwrap().contains("answers as"), "{}", good.body);
        let away = api.act("/api/v1/relays/away/test").await;
        assert!(away.body["is_good"] == false && away.body["said"].as_str().unwrap().contains("cannot reach 127.0.0.1:1"), "{}", away.body);
        for route in ["none", "sms:none"] {
            assert_eq!(api.act(&format!("/api/v1/relays/{route}/test")).await.status, 404);
        }
        assert!(peer.messages().is_empty());
        api.0.close().await;
    }
}
