//! Several relays, limits that nodes share, and what is told of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use visavis::campaigns::definition::Definition;
use visavis::campaigns::plan;
use visavis::clock::Clock;
use visavis::config::{LimitSettings, RelaySettings};
use visavis::delivery::launch::{self, LaunchError, Occurrence};
use visavis::delivery::pace::{Limits, Turn};
use visavis::delivery::progress::{self, Progress};
use visavis::delivery::running::running;
use visavis::delivery::store::{self, NewRest};
use visavis::ids::WaveId;
use visavis::storage::Sql;

use crate::kit::house::{House, definition, noon};
use crate::kit::smtp::{Act, Received, Script, SmtpPeer, Step, When};
use crate::on_both;

/// A clock that runs from noon on.
#[derive(Debug)]
struct Running(Instant);

impl Clock for Running {
    fn now(&self) -> DateTime<Utc> {
        noon() + self.0.elapsed()
    }
}

async fn launch(house: &House, definition: &Definition) -> WaveId {
    let id = house.apply(definition).await;
    house.launch(id).await.wave
}

/// The limits of a wave under the house's settings.
async fn limits(house: &House, wave: WaveId) -> Limits {
    let row = store::wave(&*house.parts.db, wave).await.unwrap().unwrap();
    Limits::new(&house.parts.settings, row.subject(&row.relay))
}

/// The wave whose lease a worker of `relay` takes.
async fn claim(house: &House, relay: &str) -> Option<WaveId> {
    let lease = store::claim(&house.parts.db, "here", relay, 60, house.clock_ms())
        .await
        .unwrap();
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

/// A campaign of the sender that goes through `eu1`.
fn through_eu1(name: &str) -> Definition {
    let mut plan = definition(name);
    plan.sender.address = "a@eu.example".to_owned();
    plan
}

async fn progress(house: &House, name: &str) -> Progress {
    let db = &house.parts.db;
    let campaign = plan::find(db, name).await.unwrap();
    progress::progress(db, &house.parts.settings, &campaign, house.clock_ms())
        .await
        .unwrap()
}

/// Does what is asked until it says yes; fails after a minute.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long it took from the first of some messages to the last, in seconds.
fn span(messages: &[Received]) -> f64 {
    let first = messages.iter().map(|message| message.at).min().unwrap();
    let last = messages.iter().map(|message| message.at).max().unwrap();
    (last - first).as_secs_f64()
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}

on_both! {
    async fn a_relay_that_hangs_holds_up_nobody_else(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let hanging = SmtpPeer::start(Script::new().on(Step::Greeting, When::Always, Act::Silence)).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| {
            let mut eu1 = RelaySettings::plain("127.0.0.1", hanging.addr().port());
            eu1.senders = ["eu.example".to_owned()].into();
            settings.email.relays = [("eu1".to_owned(), eu1)].into();
        });
        house.add_customers(120, "mail.example").await;
        let stuck = launch(&house, &through_eu1("stuck")).await;
        let fine = launch(&house, &definition("fine")).await;
        let engine = house.engine().await;
        let stop = CancellationToken::new();
        let (done, ()) = tokio::join!(engine.run(&stop), async {
            until("the other campaign is through", async || progress(&house, "fine").await.finished_at.is_some()).await;
            until("the relay rests", async || !progress(&house, "stuck").await.resting.is_empty()).await;
            stop.cancel();
        });
        done.unwrap();
        drop(engine);
        assert_eq!(peer.messages().len(), 120);
        assert_eq!(house.ledger(fine).await, [("accepted", 120)].into());
        assert_eq!(house.ledger(stuck).await, [("pending", 120)].into());
        let tried = db.rows("SELECT seq FROM deliveries WHERE attempt > 0 AND wave_id = $1", [stuck.0.into()]).await.unwrap();
        assert!(tried.is_empty(), "no attempt is used up");
    }

    async fn a_relay_that_is_away_rests_says_why_and_comes_back(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut email = peer.settings();
        email.relay = Some(RelaySettings::plain("127.0.0.1", port));
        let house = House::new(db, Some(email));
        house.add_customers(30, "mail.example").await;
        let wave = house.send("spring").await;
        let engine = house.engine().await;
        let stop = CancellationToken::new();
        let (done, ()) = tokio::join!(engine.run(&stop), async {
            until("it rests", async || !progress(&house, "spring").await.resting.is_empty()).await;
            let told = progress(&house, "spring").await;
            assert_eq!((told.pending, told.deferred), (30, 0));
            assert!(told.to_string().contains("relay default is resting until"), "{told}");
            assert!(told.to_string().contains("connection refused (3 times"), "{told}");
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
            let addr = peer.addr();
            let forward = tokio::spawn(async move {
                while let Ok((mut near, _)) = listener.accept().await {
                    tokio::spawn(async move {
                        if let Ok(mut far) = tokio::net::TcpStream::connect(addr).await {
                            tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
                        }
                    });
                }
            });
            until("all have it", async || progress(&house, "spring").await.finished_at.is_some()).await;
            assert_eq!(progress(&house, "spring").await.resting, []);
            stop.cancel();
            forward.abort();
        });
        done.unwrap();
        drop(engine);
        assert_eq!(house.ledger(wave).await, [("accepted", 30)].into());
        let twice = db.rows("SELECT seq FROM deliveries WHERE attempt <> 1", []).await.unwrap();
        assert!(twice.is_empty(), "one attempt each");
        assert!(store::rests_of(&***db, "default", house.clock_ms()).await.unwrap().is_empty());
    }

    async fn who_exceeds_his_domains_limit_waits_and_the_others_do_not(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.parts.clock = Arc::new(Running(Instant::now()));
        house.change_settings(|settings| settings.email.limits = vec![limit(&["slow.example", "alias.example"], 8)]);
        house.add_customers(10, "slow.example").await;
        house.add_customers(60, "mail.example").await;
        house.add_customers(10, "alias.example").await;
        let wave = house.send("spring").await;
        assert_eq!(house.deliver().await, 80);
        assert_eq!(house.ledger(wave).await, [("accepted", 80)].into());
        let (slow, quick): (Vec<_>, Vec<_>) = peer.messages().into_iter().partition(|message| !message.recipient.ends_with("@mail.example"));
        assert_eq!((slow.len(), quick.len()), (20, 60));
        // What a second of the limit lets through may be caught up.
        let most = 8.0 * (span(&slow) + 1.0) + 1.0;
        assert!(count(slow.len()) <= most, "{most}");
        let last_quick = quick.iter().map(|message| message.at).max().unwrap();
        assert!(slow.iter().any(|message| message.at > last_quick), "nobody waited for them");
    }

    async fn two_nodes_share_a_rate(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut email = peer.settings();
        email.rate_per_second = Some(40);
        let house = House::new(db, Some(email.clone()));
        let other = House::new(db, Some(email));
        house.add_customers(120, "mail.example").await;
        let wave = house.send("spring").await;
        let (one, two) = tokio::join!(house.deliver(), other.deliver());
        assert_eq!(one + two, 120);
        assert_eq!(house.ledger(wave).await, [("accepted", 120)].into());
        let messages = peer.messages();
        let most = 40.0 * (span(&messages) + 1.0) + 1.0;
        assert!(count(messages.len()) <= most, "{} of {most}", messages.len());
    }

    async fn at_a_glance_a_wave_is_through_when_the_last_may_be_contacted(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(100, "mail.example").await;
        house.send("spring").await;
        let mut slow = (*house.parts.settings).clone();
        slow.email.rate_per_second = Some(5);
        let glance = async || running(&house.parts.db, &slow, 5, house.clock_ms()).await.unwrap()[0].done_at;
        assert_eq!(glance().await, Some(house.clock_ms() + 20_000));
        // One of the two chunks waits for the end of quiet hours.
        let held_until = house.clock_ms() + 3 * 3_600_000;
        db.run(
            "UPDATE leases SET due_at = $1 WHERE id IN (SELECT MAX(id) FROM leases WHERE kind = 'first')",
            [held_until.into()],
        ).await.unwrap();
        assert_eq!(glance().await, Some(held_until));
    }

    async fn the_status_tells_how_fast_it_went_of_late_and_when_it_is_done(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(100, "mail.example").await;
        house.send("spring").await;
        // Another node holds one of the two chunks.
        store::claim(&house.parts.db, "elsewhere", "default", 600, house.clock_ms()).await.unwrap().unwrap();
        house.deliver().await;
        house.advance(chrono::Duration::seconds(25));
        let told = progress(&house, "spring").await;
        assert_eq!(told.per_second, Some(2.0), "50 in 25 seconds");
        assert_eq!(told.done_at, Some(house.clock_ms() + 25_000));
        house.advance(chrono::Duration::hours(1));
        let told = progress(&house, "spring").await;
        assert_eq!((told.per_second, told.done_at), (None, None), "what was an hour ago says nothing");
        // The slowest of its limits tells instead.
        let mut slow = (*house.parts.settings).clone();
        slow.email.rate_per_second = Some(5);
        let campaign = plan::find(&house.parts.db, "spring").await.unwrap();
        let told = progress::progress(&house.parts.db, &slow, &campaign, house.clock_ms()).await.unwrap();
        assert_eq!(told.done_at, Some(house.clock_ms() + 10_000));
    }

    async fn a_campaign_may_ask_for_a_relay_and_is_told_which_there_are(db: &TestDb) {
        let mut house = House::new(db, None);
        two_relays(&mut house);
        house.add_customers(1, "mail.example").await;
        let wave = launch(&house, &Definition { relay: Some("eu1".to_owned()), ..definition("spring") }).await;
        assert_eq!(store::wave(&***db, wave).await.unwrap().unwrap().relay, "eu1");
        let id = house.apply(&Definition { relay: Some("eu9".to_owned()), ..definition("summer") }).await;
        let refused = launch::launch(&house.parts.db, id, Occurrence::ByHand, house.parts.launch_options(), "test", noon()).await;
        let Err(refused @ LaunchError::Relay(_)) = refused else {
            panic!("{refused:?}");
        };
        assert!(refused.to_string().contains("default, eu1"), "{refused}");
        // The relay was taken out of the settings: the wave stays, and the status says so.
        house.change_settings(|settings| settings.email.relays.clear());
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("pending", 1)].into());
        assert!(progress(&house, "spring").await.to_string().contains("its relay eu1 is not in the settings"));
    }

    async fn waves_take_turns_and_relays_do_not_mix(db: &TestDb) {
        let mut house = House::new(db, None);
        two_relays(&mut house);
        // Four chunks each.
        house.add_customers(200, "mail.example").await;
        let big = launch(&house, &definition("big")).await;
        let next = launch(&house, &definition("next")).await;
        let third = launch(&house, &definition("third")).await;
        let elsewhere = launch(&house, &through_eu1("elsewhere")).await;
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
        // For longer than the claims may take on a busy machine.
        db.run("UPDATE paces SET next_us = next_us + 3600000000 WHERE name LIKE 'rest/%'", []).await.unwrap();
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
        let rest = |node: &'static str, wait_ms| store::begin_rest(db, NewRest { relay: "eu1", node, reason: "connection refused", failures: 3, wait: Duration::from_millis(wait_ms) }, house.clock_ms());
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
