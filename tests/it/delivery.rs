//! The ledger's promises, through a real database and a real SMTP peer.

use std::collections::HashSet;
use std::time::Duration;

use chrono::Duration as Span;
use tokio_util::sync::CancellationToken;
use visavis::campaigns::model::Status;
use visavis::campaigns::plan;
use visavis::delivery::cancel;
use visavis::delivery::launch::{self, Occurrence};
use visavis::delivery::model::{Settlement, Verdict};
use visavis::delivery::store;
use visavis::ids::CustomerId;
use visavis::scheduler;
use visavis::storage::Sql;

use crate::kit::house::{House, definition, noon};
use crate::kit::smtp::{Act, Script, SmtpPeer, Step, When};
use crate::on_both;

/// The recipients of what a peer accepted, each once; fails on a double.
fn once_each(peer: &SmtpPeer) -> HashSet<String> {
    let accepted = peer.accepted();
    let recipients: HashSet<String> = accepted.iter().map(|(to, _)| to.clone()).collect();
    assert_eq!(recipients.len(), accepted.len(), "nobody got it twice");
    recipients
}

on_both! {
    async fn everyone_eligible_gets_it_once(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(230, "mail.example").await;
        let wave = house.send("spring").await;
        assert_eq!(house.deliver().await, 230);
        assert_eq!(once_each(&peer).len(), 230);
        assert_eq!(house.ledger(wave).await, [("accepted", 230)].into());
        let campaign = plan::find(&house.parts.db, "spring").await.unwrap();
        assert_eq!(campaign.status, Status::Finished);
    }

    async fn launching_twice_at_once_is_harmless(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(40, "mail.example").await;
        let id = house.apply(&definition("spring")).await;
        let launches = (0..4).map(|_| {
            let (db, now) = (house.parts.db.clone(), house.now());
            let options = house.parts.launch_options();
            tokio::spawn(async move { launch::launch(&db, id, Occurrence::ByHand, options, "test", now).await })
        }).collect::<Vec<_>>();
        let mut fresh = 0;
        for launch in launches {
            fresh += i32::from(!launch.await.unwrap().unwrap().was_already);
        }
        assert_eq!(fresh, 1);
        house.deliver().await;
        assert_eq!(once_each(&peer).len(), 40);
    }

    async fn the_waterfall_names_a_reason_for_everyone(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        let first = house.add_customers(10, "mail.example").await;
        for (offset, change) in [
            (0, "email = NULL, email_key = NULL"),
            (1, "email_state = 'malformed'"),
            (2, "email_state = 'refused'"),
            (5, "email_key = 'c7@mail.example'"),
        ] {
            db.run(format!("UPDATE customers SET {change} WHERE id = $1"), [(first + offset).into()]).await.unwrap();
        }
        db.run("DELETE FROM permissions WHERE customer_id = $1", [(first + 3).into()]).await.unwrap();
        let print = house.parts.keys.fingerprint(&format!("c{}@mail.example", first + 4));
        db.run("INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at) VALUES ($1, 'email', '*', 'link', 1795348800000)",
            [print.into()]).await.unwrap();
        let wave = house.send("spring").await;
        house.deliver().await;
        let ledger = house.ledger(wave).await;
        assert_eq!(ledger, [("accepted", 4), ("withheld", 6)].into());
        let counters = store::counters(&*house.parts.db, wave).await.unwrap();
        for reason in ["no_address", "malformed_address", "refused_address", "no_permission", "suppressed", "duplicate_address"] {
            assert_eq!(counters.get(&format!("withheld.{reason}")), Some(&1), "{reason}");
        }
        assert_eq!(once_each(&peer).len(), 4);
    }

    async fn who_opts_out_after_the_launch_is_withheld(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        let first = house.add_customers(30, "mail.example").await;
        let wave = house.send("spring").await;
        db.run("UPDATE permissions SET is_granted = $2 WHERE customer_id = $1", [first.into(), false.into()]).await.unwrap();
        db.run("DELETE FROM permissions WHERE customer_id = $1", [(first + 1).into()]).await.unwrap();
        db.run("DELETE FROM permissions WHERE customer_id = $1", [(first + 2).into()]).await.unwrap();
        db.run("DELETE FROM customers WHERE id = $1", [(first + 2).into()]).await.unwrap();
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 27), ("withheld", 3)].into());
        assert!(!once_each(&peer).contains(&format!("c{first}@mail.example")));
    }

    async fn an_opt_out_during_deferral_wins(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().on(Step::Rcpt, When::FirstTimes(1), Act::Reply("450 4.7.1 greylisted"))).await;
        let house = House::new(db, Some(peer.settings()));
        let first = house.add_customers(10, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("deferred", 10)].into());
        db.run("UPDATE permissions SET is_granted = $2 WHERE customer_id = $1", [first.into(), false.into()]).await.unwrap();
        house.advance(Span::minutes(7));
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 9), ("withheld", 1)].into());
        assert_eq!(once_each(&peer).len(), 9);
        let campaign = plan::find(&house.parts.db, "spring").await.unwrap();
        assert_eq!(campaign.status, Status::Finished);
    }

    async fn a_message_deferred_for_ever_fails_as_expired(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().on(Step::Rcpt, When::Always, Act::Reply("451 4.3.2 later"))).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(3, "mail.example").await;
        let wave = house.send("spring").await;
        for _ in 0..20 {
            house.deliver().await;
            house.advance(Span::hours(3));
        }
        assert_eq!(house.ledger(wave).await, [("failed", 3)].into());
        let counters = store::counters(&*house.parts.db, wave).await.unwrap();
        assert_eq!(counters.get("failed.expired"), Some(&3));
    }

    async fn an_unknown_recipient_marks_the_address_and_nobody_else(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().on(Step::Rcpt, When::To("c2@mail.example"), Act::Reply("550 5.1.1 no such user"))).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(5, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 4), ("failed", 1)].into());
        let refused = db.rows("SELECT id FROM customers WHERE email_state = 'refused'", []).await.unwrap();
        assert_eq!(refused.iter().map(|row| row.try_get::<i64>("", "id").unwrap()).collect::<Vec<_>>(), [2]);
        // The next wave leaves the address out.
        let next = house.send("summer").await;
        house.deliver().await;
        assert_eq!(house.ledger(next).await, [("accepted", 4), ("withheld", 1)].into());
    }

    async fn a_senders_fault_pauses_and_blames_no_customer(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().on(Step::Mail, When::Always, Act::Reply("550 5.7.26 unauthenticated sender"))).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(60, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        let campaign = plan::find(&house.parts.db, "spring").await.unwrap();
        assert_eq!(campaign.status, Status::Paused);
        assert!(campaign.status_reason.unwrap().contains("sender"), "the reason says whose fault it is");
        let ledger = house.ledger(wave).await;
        assert_eq!(ledger.values().sum::<i64>(), 60);
        assert!(!ledger.contains_key("failed"), "{ledger:?}");
        let refused = db.rows("SELECT id FROM customers WHERE email_state <> 'ok'", []).await.unwrap();
        assert!(refused.is_empty());
    }

    async fn an_answer_lost_after_the_dot_is_unknown_and_never_sent_again(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().on(Step::Dot, When::To("c3@mail.example"), Act::AcceptAndHangUp)).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(6, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 5), ("unknown", 1)].into());
        house.advance(Span::days(2));
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 5), ("unknown", 1)].into());
        let tries = peer.commands().iter().filter(|line| line.contains("c3@mail.example")).count();
        assert_eq!(tries, 1);
    }

    async fn a_paused_campaign_sends_nothing_and_goes_on_where_it_was(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(5))).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(400, "mail.example").await;
        let wave = house.send("spring").await;
        let engine = house.engine().await;
        let stop = CancellationToken::new();
        let (done, ()) = tokio::join!(engine.run_until_idle(&stop), async {
            peer.wait_for(40).await;
            plan::pause(&house.parts.db, "spring", "by hand", "test", house.clock_ms()).await.unwrap();
        });
        done.unwrap();
        let sent = peer.accepted().len();
        assert!((40..400).contains(&sent), "{sent}");
        let ledger = house.ledger(wave).await;
        assert_eq!(ledger.get("accepted"), Some(&i64::try_from(sent).unwrap()), "{ledger:?}");
        assert!(!ledger.contains_key("sending"), "{ledger:?}");
        house.deliver().await;
        assert_eq!(peer.accepted().len(), sent, "nothing while paused");
        plan::resume(&house.parts.db, "spring", "test", house.clock_ms()).await.unwrap();
        house.deliver().await;
        assert_eq!(once_each(&peer).len(), 400);
        assert_eq!(house.ledger(wave).await, [("accepted", 400)].into());
    }

    async fn a_cancelled_campaign_keeps_what_was_sent_on_record(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(5))).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(300, "mail.example").await;
        let wave = house.send("spring").await;
        let engine = house.engine().await;
        let stop = CancellationToken::new();
        let (done, ()) = tokio::join!(engine.run_until_idle(&stop), async {
            peer.wait_for(30).await;
            cancel::cancel(&house.parts.db, "spring", "test", house.clock_ms()).await.unwrap();
        });
        done.unwrap();
        house.deliver().await;
        let sent = i64::try_from(once_each(&peer).len()).unwrap();
        let ledger = house.ledger(wave).await;
        assert_eq!(ledger, [("accepted", sent), ("withheld", 300 - sent)].into());
        assert!(house.parts.db.row("SELECT 1 AS one FROM waves WHERE status = 'running'", []).await.unwrap().is_none());
    }

    async fn a_stop_drains_and_leaves_nothing_unknown(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(5))).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(300, "mail.example").await;
        let wave = house.send("spring").await;
        let engine = house.engine().await;
        let stop = CancellationToken::new();
        let (done, ()) = tokio::join!(engine.run(&stop), async {
            peer.wait_for(30).await;
            stop.cancel();
        });
        done.unwrap();
        drop(engine);
        let ledger = house.ledger(wave).await;
        assert!(!ledger.contains_key("unknown") && !ledger.contains_key("sending"), "{ledger:?}");
        house.deliver().await;
        assert_eq!(once_each(&peer).len(), 300);
    }

    async fn a_dead_workers_rows_are_unknown_and_the_rest_is_sent(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(100, "mail.example").await;
        let wave = house.send("spring").await;
        // Another node takes a chunk, marks its first ten, and is never heard of again.
        let lease = store::claim(&house.parts.db, "elsewhere", "default", 60, house.clock_ms()).await.unwrap().unwrap();
        let entry = house.entry(wave).await;
        let passed = house.ask(&lease, &entry, 10).await.unwrap();
        assert!(matches!(passed, store::Passed::Candidates(rows, _) if rows.len() == 10));
        house.deliver().await;
        assert_eq!(once_each(&peer).len(), 50, "its lease still holds");
        store::revoke_of_node(&house.parts.db, "elsewhere").await.unwrap();
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 90), ("unknown", 10)].into());
        assert_eq!(once_each(&peer).len(), 90);
        // When it wakes after all, it can neither mark nor settle.
        let late = house.ask(&lease, &entry, 10).await.unwrap();
        assert_eq!(late, store::Passed::LeaseLost);
    }

    async fn whom_a_lease_has_in_hand_nobody_else_can_take(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(10, "mail.example").await;
        let wave = house.send("spring").await;
        let lease = store::claim(&house.parts.db, "here", "default", 60, house.clock_ms()).await.unwrap().unwrap();
        let entry = house.entry(wave).await;
        house.ask(&lease, &entry, 4).await.unwrap();
        // Asked from the beginning while they are in hand: a fault of the program, and nothing of it stands.
        let again = house.ask(&lease, &entry, 10).await;
        assert!(again.unwrap_err().to_string().contains("in hand already"));
        assert_eq!(house.ledger(wave).await, [("pending", 6), ("sending", 4)].into());
    }

    async fn a_relay_that_is_away_loses_nobody(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut email = peer.settings();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        email.relay.as_mut().unwrap().port = closed;
        let house = House::new(db, Some(email));
        house.add_customers(30, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("pending", 30)].into(), "no attempt was used up");
        let mut house = house;
        house.relay(peer.settings());
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 30)].into());
        assert_eq!(once_each(&peer).len(), 30);
    }

    async fn a_name_with_a_line_break_harms_nobody(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        let first = house.add_customers(3, "mail.example").await;
        db.run("UPDATE customers SET first_name = $2 WHERE id = $1", [first.into(), "Eve\r\nBcc: all@mail.example".into()]).await.unwrap();
        let wave = house.send("spring").await;
        house.deliver().await;
        assert_eq!(house.ledger(wave).await.values().sum::<i64>(), 3);
        assert!(once_each(&peer).len() >= 2);
        for message in peer.messages() {
            assert!(!message.text().contains("\r\nBcc:"), "no header of theirs");
        }
    }

    async fn each_recipient_in_his_own_zone(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        let first = house.add_customers(3, "mail.example").await;
        for (offset, zone) in [(0, "Indian/Reunion"), (1, "America/Cayenne")] {
            db.run("UPDATE customers SET time_zone = $2 WHERE id = $1", [(first + offset).into(), zone.into()]).await.unwrap();
        }
        let mut plan = definition("spring");
        plan.schedule = Some(toml::from_str("at = \"2026-11-23T09:30\"\nzone = \"recipient\"").unwrap());
        house.apply(&plan).await;
        let options = house.parts.launch_options();
        assert_eq!(scheduler::launch_due(&house.parts.db, options, house.now()).await.unwrap(), 0);
        let mut seen = Vec::new();
        // From the day before until the day after, an hour at a time.
        for hour in 0..48 {
            house.deliver().await;
            while seen.len() < peer.accepted().len() {
                seen.push((peer.accepted()[seen.len()].0.clone(), hour));
            }
            house.advance(Span::hours(1));
        }
        // Noon is hour 0; 09:30 is 05:30 UTC on Réunion, 08:30 in Paris (the fallback), 12:30 in Cayenne.
        assert_eq!(seen, [
            ("c1@mail.example".to_owned(), 18),
            ("c3@mail.example".to_owned(), 21),
            ("c2@mail.example".to_owned(), 25),
        ]);
    }

    async fn a_recurring_campaign_launched_early_by_hand_goes_on(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(2, "mail.example").await;
        let mut plan = definition("weekly");
        plan.schedule = Some(toml::from_str("every = \"0 9 * * *\"\nzone = \"Europe/Paris\"").unwrap());
        let id = house.apply(&plan).await;
        house.launch(id).await;
        house.deliver().await;
        assert_eq!(plan::find(&house.parts.db, "weekly").await.unwrap().status, Status::Scheduled);
        // Changed meanwhile: the occurrence that was launched early does not come again.
        plan.window_days = 7;
        house.apply(&plan).await;
        for _ in 0..2 {
            house.advance(Span::days(1));
            house.deliver().await;
        }
        let waves = store::waves_of(&house.parts.db, id).await.unwrap();
        let keys: Vec<_> = waves.iter().map(|wave| wave.due_key.as_str()).collect();
        assert_eq!(keys, ["2026-11-23T09:00", "2026-11-24T09:00"]);
        assert_eq!(peer.accepted().len(), 4);
    }

    async fn a_due_campaign_that_was_rescheduled_waits_for_its_new_time(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(2, "mail.example").await;
        let at = |day: &str| Some(toml::from_str(&format!("at = \"2026-11-{day}T09:00\"\nzone = \"UTC\"")).unwrap());
        let mut plan = definition("spring");
        plan.schedule = at("23");
        let id = house.apply(&plan).await;
        house.advance(Span::days(1));
        // Between the tick that found it due and its launch.
        plan.schedule = at("25");
        house.apply(&plan).await;
        let late = launch::launch(&house.parts.db, id, Occurrence::Due("2026-11-23T09:00"), house.parts.launch_options(), "test", house.now()).await;
        assert!(matches!(late, Err(launch::LaunchError::NotDue { .. })), "{late:?}");
        house.deliver().await;
        assert_eq!(peer.accepted().len(), 0);
        house.advance(Span::days(2));
        house.deliver().await;
        house.deliver().await;
        assert_eq!(peer.accepted().len(), 2);
    }

    async fn a_wave_that_ends_during_a_pause_is_not_sent_again(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(2, "mail.example").await;
        let wave = house.send("spring").await;
        let lease = store::claim(&house.parts.db, "here", "default", 60, house.clock_ms()).await.unwrap().unwrap();
        let entry = house.entry(wave).await;
        house.ask(&lease, &entry, 10).await.unwrap();
        plan::pause(&house.parts.db, "spring", "by hand", "test", house.clock_ms()).await.unwrap();
        let customer = CustomerId(0);
        let accepted: Vec<_> = (1..=2).map(|seq| Settlement::new(seq, customer, Verdict::Accepted)).collect();
        let settled = store::advance(&house.parts.db, &lease, &entry, &accepted, None, 60, house.clock_ms()).await.unwrap();
        assert_eq!(settled, store::Passed::Settled);
        store::release(&house.parts.db, &lease, None, house.clock_ms()).await.unwrap();
        let resumed = plan::resume(&house.parts.db, "spring", "test", house.clock_ms()).await.unwrap();
        assert_eq!(resumed.status, Status::Finished);
        assert_eq!(house.ledger(wave).await, [("accepted", 2)].into());
    }

    async fn a_cancellation_can_be_repeated(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(5, "mail.example").await;
        let wave = house.send("spring").await;
        // As if the process had died after the first of its transactions.
        plan::cancel(&house.parts.db, "spring", "test", house.clock_ms()).await.unwrap();
        assert_eq!(cancel::cancel(&house.parts.db, "spring", "test", house.clock_ms()).await.unwrap(), 5);
        assert_eq!(cancel::cancel(&house.parts.db, "spring", "test", house.clock_ms()).await.unwrap(), 0);
        assert_eq!(house.ledger(wave).await, [("withheld", 5)].into());
    }

    async fn a_gate_whose_commit_was_lost_gives_its_rows_back(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(60, "mail.example").await;
        let wave = house.send("spring").await;
        let lease = store::claim(&house.parts.db, "here", "default", 60, house.clock_ms()).await.unwrap().unwrap();
        let entry = house.entry(wave).await;
        house.ask(&lease, &entry, 20).await.unwrap();
        store::take_back(&house.parts.db, &lease, house.clock_ms()).await.unwrap();
        assert_eq!(house.ledger(wave).await, [("pending", 60)].into());
        // Doing it again, or after somebody else took the lease, changes nothing.
        house.deliver().await;
        store::take_back(&house.parts.db, &lease, house.clock_ms()).await.unwrap();
        assert_eq!(house.ledger(wave).await, [("accepted", 60)].into());
        assert_eq!(once_each(&peer).len(), 60);
    }

    async fn a_recurring_campaign_is_launched_once_each_time(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(4, "mail.example").await;
        let mut plan = definition("weekly");
        plan.schedule = Some(toml::from_str("every = \"0 9 * * *\"\nzone = \"Europe/Paris\"").unwrap());
        let id = house.apply(&plan).await;
        for _ in 0..3 {
            house.advance(Span::days(1));
            house.deliver().await;
            house.deliver().await;
        }
        let waves = store::waves_of(&house.parts.db, id).await.unwrap();
        let keys: Vec<_> = waves.iter().map(|wave| wave.due_key.as_str()).collect();
        assert_eq!(keys, ["2026-11-23T09:00", "2026-11-24T09:00", "2026-11-25T09:00"]);
        assert_eq!(peer.accepted().len(), 12);
        assert_eq!(house.now(), noon() + Span::days(3));
    }

    async fn a_running_campaign_cannot_be_edited(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(4, "mail.example").await;
        house.send("spring").await;
        let mut changed = definition("spring");
        changed.topic = "news".to_owned();
        let template = visavis::templates::Template::embedded("super-chef").unwrap();
        let refused = plan::apply(&house.parts.db, &changed, &[&template], None, "test", house.now()).await;
        assert!(refused.unwrap_err().to_string().contains("can no longer be changed"));
    }

    async fn the_control_group_is_not_contacted_and_is_the_same_at_check_and_launch(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(500, "mail.example").await;
        let mut plan = definition("spring");
        plan.control_percent = 20;
        let id = house.apply(&plan).await;
        let template = visavis::templates::Template::embedded("super-chef").unwrap();
        let checked = visavis::campaigns::check::check(&house.parts.db, &plan, &[&template], &house.parts.settings, house.now()).await.unwrap();
        let launched = house.launch(id).await;
        assert_eq!(checked.will_receive, launched.deliveries);
        assert_eq!(checked.withheld, launched.withheld.into_iter().collect::<Vec<_>>());
        assert!((60..=140).contains(&(500 - launched.deliveries)), "{}", launched.deliveries);
        house.deliver().await;
        assert_eq!(u64::try_from(once_each(&peer).len()).unwrap(), launched.deliveries);
    }
}

/// The connections of a wave cut again and again: the wave ends by itself, nobody twice, nobody skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_drops_its_connections_mid_wave() {
    let Some(db) = crate::kit::database::postgres().await else {
        return;
    };
    let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(4))).await;
    let house = House::new(&db, Some(peer.settings()));
    house.add_customers(600, "mail.example").await;
    let wave = house.send("spring").await;
    let engine = house.engine().await;
    let stop = CancellationToken::new();
    let cutter = crate::kit::database::admin().await;
    let (done, cuts) = tokio::join!(engine.run(&stop), async {
        let mut cuts = 0;
        for share in [60, 150, 300, 450] {
            peer.wait_for(share).await;
            cuts += cutter.cut_all(&db).await;
        }
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            let open = house
                .parts
                .db
                .row("SELECT 1 AS one FROM waves WHERE status = 'running'", [])
                .await;
            if matches!(open, Ok(None)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.cancel();
        cuts
    });
    done.unwrap();
    assert!(cuts > 0, "connections were cut");
    let ledger = house.ledger(wave).await;
    let count = |state: &str| ledger.get(state).copied().unwrap_or(0);
    assert_eq!(count("accepted") + count("unknown"), 600, "{ledger:?}");
    let arrived = i64::try_from(once_each(&peer).len()).unwrap();
    assert!(
        arrived >= count("accepted") && arrived <= 600,
        "{ledger:?}, {arrived} arrived"
    );
    assert!(count("unknown") <= 40, "{ledger:?}");
}
