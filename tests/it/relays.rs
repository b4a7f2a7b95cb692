//! Several relays, limits that nodes share, and what is told of them.

use std::time::{Duration, Instant};

use visavis::campaigns::definition::Definition;
use visavis::config::{LimitSettings, RelaySettings};
use visavis::delivery::pace::{Limits, Turn};
use visavis::delivery::store;
use visavis::ids::WaveId;
use visavis::storage::Sql;

use crate::kit::house::{House, definition};
use crate::on_both;


async fn launch(house: &House, definition: &Definition) -> WaveId {
    let id = house.apply(definition).await;
    house.launch(id).await.wave
}

/// The limits of a wave under the house's settings.
async fn limits(house: &House, wave: WaveId) -> Limits {
    let row = store::wave(&*house.parts.db, wave).await.unwrap().unwrap();
    Limits::new(&house.parts.settings.email, row.subject())
}

/// The wave whose lease a worker of `relay` takes.
async fn claim(house: &House, relay: &str) -> Option<WaveId> {
    let lease = store::claim(&house.parts.db, "here", relay, 60, house.clock_ms()).await.unwrap();
    lease.map(|lease| lease.wave)
}

/// Two relays that nobody listens at: for what never connects.
fn two_relays(house: &mut House) {
    house.change_settings(|settings| {
        settings.email.relay = Some(RelaySettings::plain("127.0.0.1", 1));
        let mut eu1 = RelaySettings::plain("127.0.0.1", 1);
        eu1.senders = ["eu.example".to_owned()].into();
        settings.email.relays = [("eu1".to_owned(), eu1)].into();
    });
}

fn limit(recipients: &[&str], rate_per_second: u32) -> LimitSettings {
    LimitSettings {
        recipients: recipients.iter().map(|&domain| domain.to_owned()).collect(),
        senders: Vec::new(),
        rate_per_second,
    }
}

on_both! {
    async fn waves_take_turns_and_relays_do_not_mix(db: &TestDb) {
        let mut house = House::new(db, None);
        two_relays(&mut house);
        // Four chunks each.
        house.add_customers(200, "mail.example").await;
        let big = launch(&house, &definition("big")).await;
        let next = launch(&house, &definition("next")).await;
        let third = launch(&house, &definition("third")).await;
        let mut elsewhere = definition("elsewhere");
        elsewhere.sender.address = "a@eu.example".to_owned();
        let elsewhere = launch(&house, &elsewhere).await;
        let mut first = Vec::new();
        for _ in 0..6 {
            first.push(claim(&house, "default").await.unwrap());
        }
        assert_eq!(first, [big, next, third, big, next, third], "the fewest in hand, then the one served longest ago");
        assert_eq!(claim(&house, "eu1").await, Some(elsewhere));
        // One that has nobody left to give does not stand in the way.
        for _ in 0..6 {
            claim(&house, "default").await.unwrap();
        }
        assert_eq!(claim(&house, "default").await, None);
        // What a dead worker held is taken over, by the same relay's workers.
        db.run("UPDATE leases SET until_at = 0 WHERE wave_id = $1 AND until_at IS NOT NULL", [elsewhere.0.into()]).await.unwrap();
        assert_eq!(claim(&house, "default").await, None);
        assert_eq!(claim(&house, "eu1").await, Some(elsewhere));
    }

    async fn among_equals_the_higher_priority_goes_first(db: &TestDb) {
        let mut house = House::new(db, None);
        two_relays(&mut house);
        house.add_customers(200, "mail.example").await;
        let low = launch(&house, &definition("low")).await;
        let mut urgent = definition("urgent");
        urgent.priority = 50;
        let urgent = launch(&house, &urgent).await;
        assert_eq!(claim(&house, "default").await, Some(urgent));
        assert_eq!(claim(&house, "default").await, Some(low), "it has none in hand");
        assert_eq!(claim(&house, "default").await, Some(urgent));
    }

    async fn a_wave_without_slots_rests_and_the_others_go_on(db: &TestDb) {
        let mut house = House::new(db, None);
        two_relays(&mut house);
        house.add_customers(60, "mail.example").await;
        let mut slow = definition("slow");
        slow.rate_per_second = Some(1);
        let slow = launch(&house, &slow).await;
        let quick = launch(&house, &definition("quick")).await;
        let limits = limits(&house, slow).await;
        assert_eq!(store::free_slots(&***db, &limits).await.unwrap(), Some(1));
        let txn = db.begin().await.unwrap();
        let turns = store::take_slots(&txn, &limits, &[None, None]).await.unwrap();
        txn.commit().await.unwrap();
        assert_eq!(turns.each, [Turn::Go, Turn::Wait]);
        assert_eq!(claim(&house, "default").await, Some(quick));
        assert_eq!(claim(&house, "default").await, Some(quick), "the slow one rests, though it has none in hand");
        assert_eq!(claim(&house, "default").await, None);
    }

    async fn nodes_together_never_exceed_a_limit(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| settings.email.rate_per_second = Some(40));
        house.add_customers(1, "mail.example").await;
        let wave = house.send("spring").await;
        let limits = limits(&house, wave).await;
        let begin = Instant::now();
        let node = || async {
            let mut gone = 0;
            while gone < 20 {
                let txn = db.begin().await.unwrap();
                let turns = store::take_slots(&txn, &limits, &[None, None, None]).await.unwrap();
                txn.commit().await.unwrap();
                gone += turns.each.iter().filter(|turn| **turn == Turn::Go).count();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            gone
        };
        let (one, two, three) = tokio::join!(node(), node(), node());
        let gone = u32::try_from(one + two + three).unwrap();
        // What was there at the beginning, and what came since.
        let most = f64::from(40) * begin.elapsed().as_secs_f64() + 2.0;
        assert!(f64::from(gone) <= most, "{gone} of {most}");
    }

    async fn lines_that_nobody_uses_are_forgotten(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| settings.email.limits = vec![limit(&["*"], 5)]);
        house.add_customers(1, "mail.example").await;
        let wave = house.send("spring").await;
        let limits = limits(&house, wave).await;
        let domains: Vec<_> = (0..50).map(|n| limits.of_recipient(&format!("a@d{n}.example"))).collect();
        let txn = db.begin().await.unwrap();
        store::take_slots(&txn, &limits, &domains).await.unwrap();
        txn.commit().await.unwrap();
        assert!(store::forget_idle(db).await.unwrap() <= 50, "those that were only looked at");
        let left = db.rows("SELECT name FROM paces", []).await.unwrap().len();
        assert_eq!(left, 50, "in use");
        db.run("UPDATE paces SET next_us = 1", []).await.unwrap();
        assert_eq!(store::forget_idle(db).await.unwrap(), 50);
    }

    async fn a_rest_is_seen_by_others_and_goes_with_its_node(db: &TestDb) {
        let house = House::new(db, None);
        let rest = |node: &'static str, wait_ms| store::begin_rest(db, "eu1", node, "connection refused", 3, wait_ms, house.clock_ms());
        rest("one", 60_000).await.unwrap();
        rest("two", 5_000).await.unwrap();
        let rests = store::rests_of(&***db, "eu1", house.clock_ms()).await.unwrap();
        let nodes: Vec<&str> = rests.iter().map(|rest| &*rest.node).collect();
        assert_eq!(nodes, ["two", "one"], "who comes back first");
        assert_eq!(rests[0].until_at - rests[0].since_at, 5_000);
        assert_eq!(store::rests_of(&***db, "eu2", house.clock_ms()).await.unwrap(), []);
        store::end_rest(db, Some("eu1"), "two").await.unwrap();
        assert_eq!(store::rests_of(&***db, "eu1", house.clock_ms()).await.unwrap().len(), 1);
        // Its node is never heard of again.
        db.run("UPDATE relay_rests SET until_at = until_at - 600000", []).await.unwrap();
        assert_eq!(store::rests_of(&***db, "eu1", house.clock_ms()).await.unwrap(), []);
        rest("two", 5_000).await.unwrap();
        assert_eq!(db.rows("SELECT node FROM relay_rests", []).await.unwrap().len(), 1, "stale ones are cleared away");
    }
}
