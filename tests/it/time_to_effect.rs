//! An opt-out that was answered holds for every message not yet handed over, on every node.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Duration as Span;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use visavis::app::{App, Parts};
use visavis::consent::model::{Basis, Channel, Evidence};
use visavis::consent::store as consent;
use visavis::delivery::in_flight;
use visavis::dialogue::erase;
use visavis::ids::{CustomerId, DeliveryKey, WaveId};
use visavis::responses::opt_out::{self, Choice, Source};
use visavis::storage::{Db, Dialect, Sql};
use visavis::tokens::{LinkKind, LinkToken};

use crate::kit::database::TestDb;
use crate::kit::house::{House, definition};
use crate::kit::smtp::{Act, Script, SmtpPeer, Step, When};
use crate::on_both;

const PEOPLE: i64 = 1_500;
/// Mailboxes of two customers each.
const PAIRS: i64 = 500;
const OPT_OUTS: usize = 240;

/// The path of a person's unsubscribe link; `seq` counts as the customers do.
fn link(house: &House, wave: WaveId, seq: i64) -> String {
    let token = LinkToken {
        delivery: DeliveryKey { wave, seq },
        kind: LinkKind::Unsubscribe,
    };
    format!("/u/{}", token.encode(&house.parts.keys))
}

/// Who stands where in the audience.
async fn customers_by_seq(db: &Db, wave: WaveId) -> HashMap<i64, i64> {
    db.rows(
        "SELECT seq, customer_id FROM deliveries WHERE wave_id = $1",
        [wave.0.into()],
    )
    .await
    .unwrap()
    .iter()
    .map(|row| {
        (
            row.try_get("", "seq").unwrap(),
            row.try_get("", "customer_id").unwrap(),
        )
    })
    .collect()
}

/// A node: the house's database and secret, a data folder and connections of its own.
async fn node(house: &House, db: &TestDb) -> (Parts, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = (*house.parts.settings).clone();
    settings.data_dir = folder.path().to_owned();
    let parts = Parts {
        db: Db::open(&db.url, 8).await.unwrap(),
        settings: Arc::new(settings),
        ..house.parts.clone()
    };
    (parts, folder)
}

/// As Gmail sends it (RFC 8058).
async fn one_click(client: &reqwest::Client, url: &str) {
    let answer = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("List-Unsubscribe=One-Click")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

/// What came of opt-outs by links of a wave while nodes were handing over.
struct Outcome {
    /// Whose link, and when it was answered.
    answers: Vec<(i64, Instant)>,
    /// When each message arrived, by recipient.
    arrivals: HashMap<String, Vec<Instant>>,
}

/// Hands over everything that waits, on one node or two, while people use their links of `wave`, which has
/// `people`: half of them anyone, half of them close to what is being handed over at that moment.
async fn opt_outs_during(
    db: &TestDb,
    house: &House,
    peer: &SmtpPeer,
    wave: WaveId,
    people: i64,
) -> Outcome {
    let (parts, _folder) = node(house, db).await;
    let app = App::build(parts).await.unwrap();
    let base = format!("http://{}", app.public_address());
    let stop = CancellationToken::new();
    let mut nodes = tokio::task::JoinSet::new();
    let app_stop = stop.clone();
    nodes.spawn(async move { app.run(app_stop).await.unwrap() });
    let (parts, _second_folder) = node(house, db).await;
    if db.dialect() == Dialect::Postgres {
        let engine = parts.engine().await.unwrap();
        let stop = stop.clone();
        nodes.spawn(async move { engine.run(&stop).await.unwrap() });
    }
    let client = reqwest::Client::new();
    let mut chance = StdRng::seed_from_u64(11);
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..OPT_OUTS {
        let sent = i64::try_from(peer.messages().len()).unwrap();
        let seq = if n % 2 == 0 {
            chance.random_range(1..=people)
        } else {
            // The waves go one after the other.
            (sent + chance.random_range(-20..80)).rem_euclid(people) + 1
        };
        let url = format!("{base}{}", link(house, wave, seq));
        let client = client.clone();
        asked.spawn(async move {
            one_click(&client, &url).await;
            (seq, Instant::now())
        });
        tokio::time::sleep(Duration::from_millis(chance.random_range(0..12))).await;
    }
    let answers = asked.join_all().await;
    for _ in 0..600 {
        let waiting = db
            .row("SELECT COUNT(*) AS n FROM deliveries WHERE state < 2", [])
            .await
            .unwrap()
            .unwrap()
            .try_get::<i64>("", "n")
            .unwrap();
        if waiting == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    nodes.join_all().await;
    let mut arrivals: HashMap<String, Vec<Instant>> = HashMap::new();
    for message in peer.messages() {
        arrivals
            .entry(message.recipient)
            .or_default()
            .push(message.at);
    }
    Outcome { answers, arrivals }
}

/// Gives each customer from `first` on the mailbox of the one `people` before him.
async fn share_mailboxes(db: &Db, first: i64, people: i64) {
    db.run(
        "UPDATE customers SET (email, email_key, email_fingerprint) =
             (SELECT o.email, o.email_key, o.email_fingerprint FROM customers o WHERE o.id = customers.id - $2)
         WHERE id >= $1",
        [first.into(), people.into()],
    )
    .await
    .unwrap();
}

on_both! {
    async fn nobody_is_contacted_after_the_answer(db: &TestDb) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(1))).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(PEOPLE, "mail.example").await;
        let wave = house.send("spring").await;
        let customers = customers_by_seq(db, wave).await;
        let Outcome { answers, arrivals } = opt_outs_during(db, &house, &peer, wave, PEOPLE).await;
        assert!(arrivals.values().all(|times| times.len() == 1), "nobody got it twice");
        let mut withheld = 0;
        for (seq, answered) in &answers {
            match arrivals.get(&format!("c{}@mail.example", customers[seq])) {
                Some(arrived) => assert!(arrived[0] <= *answered, "delivery {seq} left {:?} after the answer", arrived[0] - *answered),
                None => withheld += 1,
            }
        }
        let ledger = house.ledger(wave).await;
        assert_eq!(ledger.values().sum::<i64>(), PEOPLE);
        assert_eq!(ledger["accepted"], i64::try_from(arrivals.len()).unwrap());
        assert!(withheld > OPT_OUTS / 8, "most opted out in time: {withheld}");
    }

    async fn a_shared_mailbox_gets_nothing_after_the_answer_from_any_wave(db: &TestDb) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(1))).await;
        let house = House::new(db, Some(peer.settings()));
        let first = house.add_customers(2 * PAIRS, "mail.example").await;
        share_mailboxes(db, first + PAIRS, PAIRS).await;
        let mut waves = Vec::new();
        for (name, test) in [("spring", "<"), ("summer", ">=")] {
            let mut plan = definition(name);
            plan.segment = format!("id {test} {}", first + PAIRS);
            let id = house.apply(&plan).await;
            waves.push(house.launch(id).await.wave);
        }
        let customers = customers_by_seq(db, waves[0]).await;
        assert_eq!((i64::try_from(customers.len()).unwrap(), house.ledger(waves[1]).await["pending"]), (PAIRS, PAIRS));
        let Outcome { answers, arrivals } = opt_outs_during(db, &house, &peer, waves[0], PAIRS).await;
        let mut withheld = 0;
        for (seq, answered) in &answers {
            let arrived = arrivals.get(&format!("c{}@mail.example", customers[seq])).map_or(&[][..], Vec::as_slice);
            for at in arrived {
                assert!(at <= answered, "a message to the mailbox of {seq} left {:?} after the answer", *at - *answered);
            }
            withheld += 2 - arrived.len();
        }
        assert!(withheld > OPT_OUTS / 8, "most opted out in time: {withheld}");
    }

    async fn a_no_holds_for_whom_it_was_written_to(db: &TestDb) {
        let house = House::new(db, None);
        let keys = &house.parts.keys;
        let first = house.add_customers(4, "mail.example").await;
        let [gone, moved, twin] = [first, first + 1, first + 2];
        let address = |id: i64| format!("c{id}@mail.example");
        let yes = |id: i64, email: String, at: i64| async move {
            let grant = Evidence::grant(CustomerId(id), Channel::Email, "offers", Basis::Consent, "sign-up", at);
            consent::record(&***db, &grant, Some(&keys.fingerprint(&email)), at).await.unwrap();
        };
        let may = |id: i64, email: String| async move {
            consent::may_contact(&***db, CustomerId(id), &keys.fingerprint(&email), Channel::Email, "offers").await.unwrap()
        };
        let live_at = |id: i64, email: String| async move {
            db.run(
                "UPDATE customers SET email = $2, email_key = $2, email_fingerprint = $3 WHERE id = $1",
                [id.into(), email.as_str().into(), keys.fingerprint(&email).into()],
            ).await.unwrap();
        };
        let now = house.clock_ms();
        for id in [gone, moved] {
            yes(id, address(id), now - 1).await;
        }
        let wave = house.send("spring").await;
        let seqs: HashMap<i64, i64> = customers_by_seq(db, wave).await.into_iter().map(|(seq, id)| (id, seq)).collect();
        let no = |id: i64, at: i64| {
            let delivery = DeliveryKey { wave, seq: seqs[&id] };
            async move { opt_out::opt_out(db, delivery, Choice::Topic, Source::OneClick, at).await.unwrap().unwrap() }
        };
        // Erased, signed up again, and now he clicks in the mail of before.
        erase::erase(db, keys, CustomerId(gone), "person", now).await.unwrap();
        let back = house.add_customers(1, "mail.example").await;
        live_at(back, address(gone)).await;
        yes(back, address(gone), now + 1_000).await;
        assert!(may(back, address(gone)).await);
        no(gone, now + 2_000).await;
        assert!(!may(back, address(gone)).await);
        // At another address now, where a second customer is too, whose yes came from a faster clock.
        live_at(moved, "new@mail.example".to_owned()).await;
        live_at(twin, "new@mail.example".to_owned()).await;
        yes(twin, "new@mail.example".to_owned(), now + 9_000).await;
        assert!(may(twin, "new@mail.example".to_owned()).await);
        no(moved, now + 3_000).await;
        assert!(!may(twin, "new@mail.example".to_owned()).await, "the mailbox said no");
        assert!(consent::is_suppressed(&***db, &keys.fingerprint(&address(moved)), Channel::Email, "offers").await.unwrap());
        // Both are out of what follows; the last is as he was.
        let outcomes = house.ledger({ let wave = house.send("summer").await; house.deliver().await; wave }).await;
        assert_eq!(outcomes, [("accepted", 1), ("withheld", 3)].into());
        // A new yes of his own lifts it.
        yes(back, address(gone), now + 20_000).await;
        assert!(may(back, address(gone)).await);
    }

    async fn a_deferred_message_is_withheld_after_an_opt_out(db: &TestDb) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let later = Act::Reply("450 4.7.1 greylisted");
        let peer = SmtpPeer::start(Script::new().on(Step::Rcpt, When::FirstTimes(1), later)).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(12, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("deferred", 12)].into());
        let customers = customers_by_seq(db, wave).await;
        let (parts, _folder) = node(&house, db).await;
        let app = App::build(parts).await.unwrap();
        let url = format!("http://{}{}", app.public_address(), link(&house, wave, 5));
        let stop = CancellationToken::new();
        let running = tokio::spawn(app.run(stop.clone()));
        one_click(&reqwest::Client::new(), &url).await;
        stop.cancel();
        running.await.unwrap().unwrap();
        house.advance(Span::minutes(7));
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 11), ("withheld", 1)].into());
        let out = format!("c{}@mail.example", customers[&5]);
        assert!(peer.messages().iter().all(|message| message.recipient != out));
    }

    async fn a_relay_slow_over_the_envelope_gets_nothing_once_an_opt_out_was_answered(db: &TestDb) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let slow = Act::Wait(in_flight::AT_MOST + Duration::from_millis(500));
        let peer = SmtpPeer::start(Script::new().on(Step::Rcpt, When::FirstTimes(1), slow)).await;
        let mut email = peer.settings();
        email.timeout_seconds = 30;
        let house = House::new(db, Some(email));
        house.add_customers(2, "mail.example").await;
        let wave = house.send("spring").await;
        let customers = customers_by_seq(db, wave).await;
        let (parts, _folder) = node(&house, db).await;
        let app = App::build(parts).await.unwrap();
        let url = format!("http://{}{}", app.public_address(), link(&house, wave, 1));
        let stop = CancellationToken::new();
        let running = tokio::spawn(app.run(stop.clone()));
        let rcpts = || peer.commands().iter().filter(|line| line.starts_with("RCPT")).count();
        while rcpts() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        one_click(&reqwest::Client::new(), &url).await;
        for _ in 0..200 {
            if peer.messages().len() == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
        running.await.unwrap().unwrap();
        let arrived: Vec<String> = peer.messages().into_iter().map(|one| one.recipient).collect();
        assert_eq!(arrived, [format!("c{}@mail.example", customers[&2])], "the other went through the gate again");
        assert_eq!(house.ledger(wave).await, [("accepted", 1), ("withheld", 1)].into());
    }

    async fn the_wait_ends_when_the_row_is_settled_and_not_before(db: &TestDb) {
        let house = House::new(db, None);
        let first = house.add_customers(2, "mail.example").await;
        house.send("spring").await;
        let now = house.clock_ms();
        let customer = CustomerId(first);
        assert!(in_flight::settled(db, &[customer], now, Duration::ZERO).await.unwrap(), "nothing was marked");
        db.run(
            "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
             SELECT customer_id, $1, wave_id, seq, channel, 'offers' FROM deliveries",
            [now.into()],
        ).await.unwrap();
        let patience = Duration::from_millis(60);
        assert!(!in_flight::settled(db, &[customer], now, patience).await.unwrap(), "it is on the wire");
        // An hour on it can only be of a worker that died: nobody waits for that.
        assert!(in_flight::settled(db, &[customer], now + 3_600_000, patience).await.unwrap());
        let waiting = tokio::spawn({
            let db = db.db.clone();
            async move { in_flight::settled(&db, &[customer], now, Duration::from_secs(60)).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished());
        db.run("UPDATE deliveries SET state = 2 WHERE customer_id = $1", [first.into()]).await.unwrap();
        assert!(waiting.await.unwrap(), "it is settled, and not given up");
    }
}
