//! A provider that throttles, breaks, falls silent and talks nonsense: the wave ends by itself with the right
//! outcome for each, and nobody gets it twice.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{by_sms, house, truth};
use crate::kit::house::House;
use crate::kit::sms::{Behaviour, Kind, SmsServer};
use crate::on_both;
use visavis::ids::WaveId;
use visavis::storage::Sql;

const PEOPLE: i64 = 24;

async fn launched(house: &House) -> WaveId {
    house.add_customers(PEOPLE, "mail.example").await;
    house.give_mobiles(1, PEOPLE, "FR").await;
    let campaign = house.apply(&by_sms("spring")).await;
    house.launch(campaign).await.wave
}

on_both! {
    async fn who_is_throttled_gets_it_later(db: &TestDb) {
        let server = SmsServer::start(Kind::Twilio);
        let house = house(db, &server);
        let wave = launched(&house).await;
        server.behave_next(3, Behaviour::Throttle(Some(1)));
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &server).await, BTreeMap::from([("accepted", PEOPLE)]));
        assert!(server.submitted() > PEOPLE as usize);
    }

    async fn a_provider_that_throttles_without_saying_for_how_long_is_left_alone_too(db: &TestDb) {
        let server = SmsServer::start(Kind::Twilio);
        let mut house = house(db, &server);
        house.change_settings(|settings| settings.sms.connections = 4);
        let wave = launched(&house).await;
        server.behave(Behaviour::Throttle(None));
        house.deliver().await;
        let submitted = server.submitted();
        assert!(submitted < PEOPLE as usize, "all of the wave was refused in haste");
        server.behave(Behaviour::Take);
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &server).await, BTreeMap::from([("accepted", PEOPLE)]));
    }

    async fn a_provider_that_is_out_of_service_gets_them_when_it_is_back(db: &TestDb) {
        let server = SmsServer::start(Kind::Http);
        let house = house(db, &server);
        let wave = launched(&house).await;
        server.behave_next(2, Behaviour::Status(503));
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &server).await, BTreeMap::from([("accepted", PEOPLE)]));
    }

    async fn an_answer_that_is_lost_is_unknown_and_nothing_is_sent_again(db: &TestDb) {
        for behaviour in [Behaviour::Hang, Behaviour::Close, Behaviour::Garbage, Behaviour::Truncated, Behaviour::Html, Behaviour::Status(500)] {
            let server = SmsServer::start(Kind::Vonage);
            let house = house(db, &server);
            let first = house.add_customers(4, "mail.example").await;
            house.give_mobiles(first, 4, "FR").await;
            let number: String = db
                .row("SELECT phone FROM customers WHERE id = $1", [first.into()])
                .await.unwrap().unwrap().try_get("", "phone").unwrap();
            server.behave_for(&number, behaviour.clone());
            let campaign = house.apply(&by_sms(&format!("spring-{first}"))).await;
            let wave = house.launch(campaign).await.wave;
            house.deliver_to_the_end(wave).await;
            let ledger = truth(&house, wave, &server).await;
            assert_eq!(ledger.get("unknown"), Some(&1), "{behaviour:?}: {ledger:?}");
            assert_eq!(ledger["accepted"], first + 2, "{behaviour:?}");
        }
    }

    async fn a_provider_that_takes_a_reference_once_is_asked_again(db: &TestDb) {
        let server = SmsServer::start(Kind::Http);
        server.take_each_reference_once();
        let mut house = house(db, &server);
        house.change_settings(|settings| {
            let account = settings.sms.providers.get_mut("main").unwrap();
            account.http.as_mut().unwrap().is_idempotent = true;
        });
        let wave = launched(&house).await;
        server.behave_next(2, Behaviour::Hang);
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &server).await, BTreeMap::from([("accepted", PEOPLE)]));
        assert!(server.submitted() > PEOPLE as usize);
    }

    async fn who_has_no_such_number_fails_alone(db: &TestDb) {
        for kind in [Kind::Twilio, Kind::Vonage, Kind::Ovh, Kind::Brevo, Kind::Infobip] {
            let server = SmsServer::start(kind);
            let house = house(db, &server);
            let first = house.add_customers(3, "mail.example").await;
            house.give_mobiles(first, 3, "FR").await;
            let number: String = db
                .row("SELECT phone FROM customers WHERE id = $1", [first.into()])
                .await.unwrap().unwrap().try_get("", "phone").unwrap();
            server.behave_for(&number, Behaviour::Refuse);
            let campaign = house.apply(&by_sms(&format!("spring-{first}"))).await;
            let wave = house.launch(campaign).await.wave;
            house.deliver_to_the_end(wave).await;
            let ledger = truth(&house, wave, &server).await;
            let counters = visavis::delivery::store::counters(&*house.parts.db, wave).await.unwrap();
            // Vonage says that its destination is barred, which need not be for ever.
            let class = if kind == Kind::Vonage { "failed.inactive" } else { "failed.invalid_recipient" };
            assert_eq!(counters.get(class), Some(&1), "{kind:?}: {counters:?}");
            assert_eq!(ledger["accepted"], first + 1, "{kind:?}");
        }
    }

    async fn a_provider_that_is_away_uses_up_no_attempt(db: &TestDb) {
        let server = SmsServer::start(Kind::Infobip);
        let mut house = house(db, &server);
        let url = server.url();
        let away = "http://127.0.0.1:9".to_owned();
        house.change_settings(|settings| {
            let account = settings.sms.providers.get_mut("main").unwrap();
            account.infobip.as_mut().unwrap().url = away;
        });
        let wave = launched(&house).await;
        house.deliver().await;
        let ledger = house.ledger(wave).await;
        assert_eq!(ledger, BTreeMap::from([("pending", PEOPLE)]));
        house.change_settings(|settings| {
            let account = settings.sms.providers.get_mut("main").unwrap();
            account.infobip.as_mut().unwrap().url = url;
        });
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &server).await, BTreeMap::from([("accepted", PEOPLE)]));
        let tried = "SELECT MAX(attempt) FROM deliveries";
        let row = db.row(tried, []).await.unwrap().unwrap();
        assert_eq!(row.try_get_by::<i16, _>(0).unwrap(), 1);
    }

    async fn a_refused_key_pauses_the_campaign_and_fails_nobody(db: &TestDb) {
        let server = SmsServer::start(Kind::Brevo);
        let house = house(db, &server);
        let wave = launched(&house).await;
        server.behave(Behaviour::Answer(401, "{\"code\":\"unauthorized\",\"message\":\"Key not found\"}".to_owned()));
        house.deliver().await;
        let campaign = visavis::campaigns::plan::find(db, "spring").await.unwrap();
        assert_eq!(campaign.status.as_str(), "paused");
        assert!(campaign.status_reason.unwrap().contains("visavis check"));
        let ledger = house.ledger(wave).await;
        assert!(!ledger.contains_key("failed"), "{ledger:?}");
        server.behave(Behaviour::Take);
        visavis::campaigns::plan::resume(db, "spring", "test", house.clock_ms()).await.unwrap();
        house.advance(chrono::Duration::minutes(10));
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &server).await, BTreeMap::from([("accepted", PEOPLE)]));
    }

    async fn a_stop_waits_for_what_is_on_the_wire(db: &TestDb) {
        let server = SmsServer::start(Kind::Infobip);
        server.behave(Behaviour::Delay(Duration::from_millis(300)));
        let house = house(db, &server);
        let wave = launched(&house).await;
        let engine = house.engine().await;
        let stop = tokio_util::sync::CancellationToken::new();
        let running = engine.run(&stop);
        let stopping = async {
            server.wait_for(3).await;
            stop.cancel();
        };
        let (ran, ()) = tokio::join!(running, stopping);
        ran.unwrap();
        let ledger = house.ledger(wave).await;
        assert!(!ledger.contains_key("unknown") && !ledger.contains_key("sending"), "{ledger:?}");
        assert_eq!(ledger["accepted"] as usize, server.count());
        engine.close().await;
        server.behave(Behaviour::Take);
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &server).await, BTreeMap::from([("accepted", PEOPLE)]));
    }

    async fn who_told_the_provider_to_stop_has_told_us(db: &TestDb) {
        let server = SmsServer::start(Kind::Twilio);
        let house = house(db, &server);
        let wave = launched(&house).await;
        let number: String = db
            .row("SELECT phone FROM customers WHERE id = 1", [])
            .await.unwrap().unwrap().try_get("", "phone").unwrap();
        let refused = r#"{"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}"#;
        server.behave_for(&number, Behaviour::Answer(400, refused.to_owned()));
        house.deliver_to_the_end(wave).await;
        let ledger = truth(&house, wave, &server).await;
        assert_eq!(ledger, BTreeMap::from([("accepted", PEOPLE - 1), ("failed", 1)]));
        let again = house.apply(&by_sms("again")).await;
        let launched = house.launch(again).await;
        assert_eq!(launched.withheld, BTreeMap::from([(visavis::gate::model::Withheld::Suppressed, 1)]));
    }

    async fn a_wave_that_an_older_program_launched_is_sent(db: &TestDb) {
        let server = SmsServer::start(Kind::Http);
        let mut house = house(db, &server);
        let peer = crate::kit::smtp::SmtpPeer::start(crate::kit::smtp::Script::new().recipients_only()).await;
        house.relay(peer.settings());
        house.add_customers(PEOPLE, "mail.example").await;
        let wave = house.send("spring").await;
        db.run("UPDATE leases SET relay = ''", []).await.unwrap();
        house.deliver_to_the_end(wave).await;
        assert_eq!(house.closed_ledger(wave).await, BTreeMap::from([("accepted", PEOPLE)]));
    }
}
