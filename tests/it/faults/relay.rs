//! Relays that refuse, break off, babble and go away: each recipient has the outcome that is his, and the wave
//! ends by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use visavis::config::EmailSettings;
use visavis::delivery::model::State;
use visavis::ids::WaveId;
use visavis::storage::Sql;

use super::truth;
use crate::kit::house::House;
use crate::kit::smtp::{Act, Script, SmtpPeer, Step, When};
use crate::on_both;

/// What became of the recipients of each domain: "half.example accepted", and how many.
async fn by_domain(house: &House, wave: WaveId) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let rows = house
        .parts
        .db
        .rows(
            "SELECT c.email, d.state, COALESCE(d.reason, '') AS reason FROM deliveries d
             JOIN customers c ON c.id = d.customer_id WHERE d.wave_id = $1",
            [wave.0.into()],
        )
        .await
        .unwrap();
    for row in rows {
        let email: String = row.try_get("", "email").unwrap();
        let domain = email.rsplit('@').next().unwrap().to_owned();
        let state = State::from_code(row.try_get("", "state").unwrap()).unwrap();
        let reason: String = match state {
            State::Failed => row.try_get("", "reason").unwrap(),
            _ => String::new(),
        };
        let said = format!("{domain} {} {reason}", state.counter());
        *found.entry(said.trim_end().to_owned()).or_default() += 1;
    }
    found
}

/// Settings that lead to the peer and wait so many seconds for an answer.
fn patient(peer: &SmtpPeer, seconds: u64) -> EmailSettings {
    EmailSettings {
        timeout_seconds: seconds,
        ..peer.settings()
    }
}

fn expected(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter()
        .map(|(said, n)| ((*said).to_owned(), *n))
        .collect()
}

on_both! {
    /// However the relay speaks: in one piece or byte by byte, with PIPELINING or without, and with a go-ahead
    /// for the message of a recipient it has just refused.
    async fn a_refusal_concerns_whom_it_names(db: &TestDb) {
        let house = House::new(db, None);
        for (domain, n) in [("fine", 20), ("half", 30), ("gone", 8), ("big", 5), ("busy", 5)] {
            house.add_customers(n, &format!("{domain}.example")).await;
        }
        let mut house = house;
        for (n, script) in [
            Script::new(),
            Script::new().go_ahead_without_recipient(),
            Script::new().go_ahead_without_recipient().in_pieces(),
            Script::new().without("PIPELINING").in_pieces(),
        ]
        .into_iter()
        .enumerate()
        {
            let script = script
                .on(Step::Rcpt, When::FirstTimesTo(2, "@half.example"), Act::Reply("450 4.2.0 greylisted"))
                .on(Step::Rcpt, When::To("@gone.example"), Act::Reply("550 5.1.1 no such user"))
                .on(Step::Dot, When::To("@big.example"), Act::Reply("552 5.3.4 too big"))
                .on(Step::Rcpt, When::FirstTimesTo(1, "@busy.example"), Act::ReplyAndHangUp("421 4.3.2 busy"));
            let peer = SmtpPeer::start(script).await;
            house.relay(patient(&peer, 10));
            db.run("UPDATE customers SET email_state = 'ok'", []).await.unwrap();
            let wave = house.send(&format!("way-{n}")).await;
            house.deliver_to_the_end(wave).await;
            truth(&house, wave, &peer).await;
            assert_eq!(
                by_domain(&house, wave).await,
                expected(&[
                    ("big.example failed content", 5),
                    ("busy.example accepted", 5),
                    ("fine.example accepted", 20),
                    ("gone.example failed invalid_recipient", 8),
                    ("half.example accepted", 30),
                ]),
                "way {n}"
            );
        }
    }

    /// What was lost after the whole message had left is unknown; what was lost before is sent again.
    async fn a_connection_that_breaks_costs_only_what_is_on_it(db: &TestDb) {
        let script = Script::new()
            .on(Step::Dot, When::To("@silent.example"), Act::Silence)
            .on(Step::Dot, When::To("@taken.example"), Act::AcceptAndHangUp)
            .on(Step::Dot, When::To("@dropped.example"), Act::HangUp)
            .on(Step::Dot, When::To("@babble.example"), Act::Reply("it was a dark and stormy night"))
            .on(Step::Dot, When::FirstTimesTo(1, "@late.example"), Act::ReplyAndHangUp("421 4.3.2 closing"))
            .on(Step::Rcpt, When::FirstTimesTo(1, "@noise.example"), Act::Reply("\u{1}\u{2} 99"))
            .on(Step::Rcpt, When::FirstTimesTo(1, "@shut.example"), Act::HangUp)
            .on(Step::Body, When::FirstTimesTo(1, "@cut.example"), Act::HangUp)
            .hang_up_after(3);
        for script in [script.clone(), script.without("PIPELINING")] {
            let peer = SmtpPeer::start(script).await;
            let house = House::new(db, Some(patient(&peer, 3)));
            if house.parts.db.row("SELECT 1 AS one FROM customers", []).await.unwrap().is_none() {
                for (domain, n) in [
                    ("fine", 20), ("silent", 2), ("taken", 3), ("dropped", 3), ("babble", 3), ("noise", 3), ("shut", 3),
                    ("cut", 3), ("late", 3),
                ] {
                    house.add_customers(n, &format!("{domain}.example")).await;
                }
            }
            let wave = house.send(&format!("spring-{}", peer.addr().port())).await;
            house.deliver_to_the_end(wave).await;
            truth(&house, wave, &peer).await;
            let mut found = by_domain(&house, wave).await;
            // Whether the end of the message had left when its beginning was refused is a matter of buffers.
            let cut: usize = ["cut.example accepted", "cut.example unknown"]
                .iter()
                .filter_map(|said| found.remove(*said))
                .sum();
            assert_eq!(cut, 3);
            assert_eq!(
                found,
                expected(&[
                    ("babble.example unknown", 3),
                    ("dropped.example unknown", 3),
                    ("fine.example accepted", 20),
                    ("late.example accepted", 3),
                    ("noise.example accepted", 3),
                    ("shut.example accepted", 3),
                    ("silent.example unknown", 2),
                    ("taken.example unknown", 3),
                ])
            );
        }
    }

    async fn a_relay_that_turns_everyone_away_for_a_while_gets_everyone_later(db: &TestDb) {
        let script = Script::new()
            .on(Step::Greeting, When::Nth(1), Act::Reply("HTTP/1.1 400 Bad Request"))
            .on(Step::Greeting, When::Nth(2), Act::ReplyAndHangUp("554 5.3.2 not now"))
            .on(Step::Greeting, When::FirstTimes(6), Act::ReplyAndHangUp("421 4.3.2 too many of you"));
        let peer = SmtpPeer::start(script).await;
        let house = House::new(db, Some(patient(&peer, 10)));
        house.add_customers(60, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver_to_the_end(wave).await;
        assert_eq!(truth(&house, wave, &peer).await, [("accepted", 60)].into());
    }

    /// Its port closed in the middle of a wave, for two seconds of ours.
    async fn a_relay_that_goes_away_and_comes_back_gets_everyone(db: &TestDb) {
        let mut peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(5))).await;
        let house = House::new(db, Some(patient(&peer, 10)));
        house.add_customers(300, "mail.example").await;
        let wave = house.send("spring").await;
        // One engine throughout, which may remember how the relay is.
        let engine = house.engine().await;
        let stop = CancellationToken::new();
        let deliver = async {
            let begin = Instant::now();
            while !house.is_over(wave).await {
                assert!(begin.elapsed() < Duration::from_secs(120), "the wave ends by itself");
                engine.run_until_idle(&stop).await.unwrap();
                house.advance(chrono::Duration::minutes(5));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let away = async {
            peer.wait_for(100).await;
            peer.go_away().await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            peer.come_back().await;
        };
        tokio::join!(deliver, away);
        engine.close().await;
        let ledger = truth(&house, wave, &peer).await;
        let count = |state: &str| ledger.get(state).copied().unwrap_or(0);
        assert_eq!(count("accepted") + count("unknown"), 300, "{ledger:?}");
        // One on each of its four connections.
        assert!(count("unknown") <= 4, "{ledger:?}");
    }
}
