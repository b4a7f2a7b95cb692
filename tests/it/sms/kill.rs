//! The program killed without warning in a wave of text messages: never twice, never skipped.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{by_sms, truth};
use crate::kit::house::House;
use crate::kit::program::Node;
use crate::kit::sms::{Kind, SmsServer};
use crate::on_both;

const PEOPLE: i64 = 10_000;
const KILLS: usize = 25;
const CONNECTIONS: i64 = 8;

on_both! {
    async fn killed_25_times_nobody_gets_a_text_twice_and_nobody_is_skipped(db: &TestDb) {
        let server = SmsServer::start(Kind::Infobip);
        let mut house = House::new(db, None);
        house.go_by_the_machine(0);
        house.change_settings(|settings| {
            settings.quiet_hours.clear();
            settings.sms.providers = [("main".to_owned(), server.settings())].into();
        });
        house.add_customers(PEOPLE, "mail.example").await;
        // Of a country whose hours can be switched off.
        house.give_mobiles(1, PEOPLE, "BE").await;
        let campaign = house.apply(&by_sms("spring")).await;
        let wave = house.launch(campaign).await.wave;
        let node = Node::texting(db, &format!(
            "pressure = []\nquiet_hours = []\n[sms]\nconnections = {CONNECTIONS}\n{}",
            server.toml("sms.providers.main")
        ));
        let mut chance = StdRng::seed_from_u64(11);
        for _ in 0..KILLS {
            let mut program = node.start(&["work", "--until-idle"]);
            let begin = Instant::now();
            let until = server.count() + chance.random_range(1..PEOPLE as usize / (KILLS + 2));
            while server.count() < until {
                assert!(program.is_running(), "it is at work: {}", node.log());
                assert!(begin.elapsed() < Duration::from_secs(120), "it comes on: {}", node.log());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(program.kill(), "it was at work: {}", node.log());
        }
        assert!(!house.is_over(wave).await);
        let ended = node.start(&["work", "--until-idle"]).ended().await;
        assert!(ended.success(), "{}", node.log());
        let ledger = truth(&house, wave, &server).await;
        let count = |state: &str| ledger.get(state).copied().unwrap_or(0);
        assert_eq!(count("accepted") + count("unknown"), PEOPLE, "{ledger:?}");
        assert!(count("unknown") <= CONNECTIONS * KILLS as i64, "what was on the wire: {ledger:?}");
    }
}
