//! The program killed without warning, 25 times in one wave: never twice, never skipped.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use visavis::campaigns::plan;
use visavis::storage::Sql;
use visavis::templates::Template;

use super::truth;
use crate::kit::house::{House, definition, halved};
use crate::kit::program::Node;
use crate::kit::smtp::{Act, Script, SmtpPeer, Step, When};
use crate::on_both;

const PEOPLE: i64 = 50_000;
const KILLS: usize = 25;
const CONNECTIONS: i64 = 8;

/// Half as long as a real message, for the sake of the test's time.
fn brief() -> Template {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
        name = "brief"
        language = "fr"
        description = "Pans, in few words"
        [attention]
        subject = "Bonjour {{first_name}}"
        headline = "Bonjour"
        [interest]
        body = "[Les poêles](https://shop.example/poeles)"
        [desire]
        body = "De bonnes poêles."
        [action]
        button = "Je commande"
        link = "https://shop.example/commande"
    "#;
    std::fs::write(folder.path().join("template.toml"), text).unwrap();
    Template::load(folder.path()).unwrap()
}

/// When the program is killed.
enum Moment {
    /// Once the peer has so many messages in all, and a little later.
    Arrived(usize, Duration),
    /// So long after its start, whatever it does then.
    Started(Duration),
}

/// Anywhere in the wave, and some in the first second of a run.
fn moments(chance: &mut StdRng) -> Vec<Moment> {
    let mut arrived: Vec<usize> = (0..KILLS - 5)
        .map(|_| chance.random_range(20..PEOPLE as usize * 9 / 10))
        .collect();
    arrived.sort_unstable();
    let mut moments: Vec<Moment> = arrived
        .into_iter()
        .map(|count| Moment::Arrived(count, Duration::from_millis(chance.random_range(0..60))))
        .collect();
    for _ in 0..5 {
        let place = chance.random_range(0..moments.len());
        let after = Duration::from_millis(chance.random_range(0..1_000));
        moments.insert(place, Moment::Started(after));
    }
    moments
}

on_both! {
    async fn killed_25_times_nobody_gets_it_twice_and_nobody_is_skipped(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().recipients_only()).await;
        let house = House::new(db, None);
        house.go_by_the_machine(0);
        house.add_customers(PEOPLE, "mail.example").await;
        let refused = PEOPLE / 100;
        db.run("DELETE FROM permissions WHERE customer_id % 100 = 7", []).await.unwrap();
        let mut short = halved(definition("spring"));
        short.template = "brief".to_owned();
        let (campaign, _) = plan::apply(&house.parts.db, &short, &[&brief()], None, "test", house.now()).await.unwrap();
        let wave = house.launch(campaign).await.wave;
        let node = Node::new(db, &peer);
        let mut chance = StdRng::seed_from_u64(5);
        for moment in moments(&mut chance) {
            let mut program = node.start(&["work", "--until-idle"]);
            let begin = Instant::now();
            match moment {
                Moment::Arrived(count, later) => {
                    // Each run must come on, however soon it is killed.
                    let count = count.max(peer.count() + 1);
                    while peer.count() < count {
                        assert!(program.is_running(), "it is at work: {}", node.log());
                        assert!(begin.elapsed() < Duration::from_secs(120), "it comes on: {}", node.log());
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    tokio::time::sleep(later).await;
                }
                Moment::Started(after) => tokio::time::sleep(after).await,
            }
            assert!(program.kill(), "it was at work: {}", node.log());
            assert!(!house.is_over(wave).await);
        }
        let ended = node.start(&["work", "--until-idle"]).ended().await;
        assert!(ended.success(), "{}", node.log());

        let ledger = truth(&house, wave, &peer).await;
        let count = |state: &str| ledger.get(state).copied().unwrap_or(0);
        assert_eq!(count("withheld"), refused, "{ledger:?}");
        assert_eq!(count("accepted") + count("unknown"), PEOPLE - refused, "{ledger:?}");
        assert!(count("unknown") <= CONNECTIONS * KILLS as i64, "what was on the wire: {ledger:?}");
    }

    /// Half are greylisted twice; each run after a kill is later by more than the wait.
    async fn killed_among_retries_each_is_tried_again_and_got_once(db: &TestDb) {
        const PEOPLE: i64 = 600;
        let script = Script::new().on(
            Step::Rcpt,
            When::FirstTimesTo(2, "@half.example"),
            Act::Reply("450 4.2.0 greylisted"),
        );
        let peer = SmtpPeer::start(script).await;
        let house = House::new(db, None);
        house.go_by_the_machine(0);
        house.add_customers(PEOPLE / 2, "mail.example").await;
        house.add_customers(PEOPLE / 2, "half.example").await;
        let campaign = house.apply(&halved(definition("spring"))).await;
        let wave = house.launch(campaign).await.wave;
        let mut node = Node::new(db, &peer);
        let mut chance = StdRng::seed_from_u64(7);
        let mut kills = 0;
        let begin = Instant::now();
        for run in 0.. {
            assert!(begin.elapsed() < Duration::from_secs(120), "the wave ends by itself: {}", node.log());
            let Some(later) = node.clock_ahead(run * 1_200) else { return };
            node = later;
            let mut program = node.start(&["work", "--until-idle"]);
            let until = peer.reached(Step::Rcpt) + chance.random_range(20..250);
            while program.is_running() && peer.reached(Step::Rcpt) < until {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if run < 12 {
                kills += i64::from(program.kill());
            } else {
                assert!(program.ended().await.success(), "{}", node.log());
            }
            if house.is_over(wave).await {
                break;
            }
        }
        assert!(kills >= 4, "{kills} kills");
        let ledger = truth(&house, wave, &peer).await;
        let count = |state: &str| ledger.get(state).copied().unwrap_or(0);
        assert_eq!(count("accepted") + count("unknown"), PEOPLE, "{ledger:?}");
        assert!(count("unknown") <= CONNECTIONS * kills, "{kills} kills: {ledger:?}");
    }
}
