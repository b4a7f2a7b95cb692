//! The retention period and the daily upkeep, over three years, on both databases.

use std::sync::Arc;

use chrono::Duration as Span;
use tokio_util::sync::CancellationToken;
use visavis::channels::email::EmailChannel;
use visavis::config::RelaySettings;
use visavis::consent::model::{Basis, Channel, Details, Evidence, Scope};
use visavis::consent::{audit, chain, expiry, store as consent};
use visavis::dialogue::confirmation;
use visavis::dialogue::notice::Notices;
use visavis::dialogue::sign_up::{self, Confirmed};
use visavis::dialogue::upkeep::{self, UpkeepReport};
use visavis::ids::{ConfirmationId, CustomerId};
use visavis::storage::Sql;

use crate::kit::database::TestDb;
use crate::kit::house::{House, noon};
use crate::kit::ledger::number;
use crate::on_both;

/// A house that acts.
fn house(db: &TestDb) -> House {
    let mut house = House::new(db, None);
    let mut settings = (*house.parts.settings).clone();
    settings.retention.act = true;
    house.parts.settings = Arc::new(settings);
    house
}

/// Adds `n` people with evidence of a yes to offers, said now.
async fn add(house: &House, n: i64) -> i64 {
    let first = house.add_customers(n, "mail.example").await;
    let db = &house.parts.db;
    let txn = db.begin().await.unwrap();
    let now = house.clock_ms();
    txn.run(
        "UPDATE customers SET created_at = $1 WHERE id >= $2",
        [now.into(), first.into()],
    )
    .await
    .unwrap();
    let evidence: Vec<_> = (first..first + n)
        .map(|id| {
            let print = house.parts.keys.fingerprint(&format!("c{id}@mail.example"));
            let grant = Evidence::grant(
                CustomerId(id),
                Channel::Email,
                "offers",
                Basis::Consent,
                "form 3",
                now,
            );
            (grant, Some(print))
        })
        .collect();
    consent::record_all(&*txn, &evidence, now).await.unwrap();
    txn.commit().await.unwrap();
    first
}

async fn keep_up(house: &House) -> UpkeepReport {
    upkeep::run(
        &house.parts.db,
        &house.parts.keys,
        &house.parts.settings,
        house.clock_ms(),
        &CancellationToken::new(),
    )
    .await
    .unwrap()
}

/// Sends the questions that wait.
async fn send(house: &House) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let parts = &house.parts;
    let folder = parts.settings.data_dir.join("outbox");
    let channel = EmailChannel::new(&parts.settings.email, parts.keys.clone(), &folder).unwrap();
    let (db, clock, keys) = (
        parts.db.clone(),
        Arc::clone(&parts.clock),
        parts.keys.clone(),
    );
    let notices = Notices::new(db, clock, keys, Arc::clone(&parts.settings), &channel);
    notices
        .run_until_idle(&CancellationToken::new())
        .await
        .unwrap();
}

async fn exists(house: &House, id: i64) -> bool {
    let sql = format!("SELECT COUNT(*) FROM customers WHERE id = {id}");
    number(&house.parts.db, &sql).await == 1
}

/// Answers a re-permission request with yes.
async fn say_yes(house: &House, customer: CustomerId) -> bool {
    let db = &house.parts.db;
    let row = db
        .row(
            "SELECT id, nonce FROM confirmations WHERE customer_id = $1 AND used_at IS NULL",
            [customer.0.into()],
        )
        .await
        .unwrap()
        .expect("he was asked");
    let id = ConfirmationId(row.try_get("", "id").unwrap());
    let nonce: String = row.try_get("", "nonce").unwrap();
    let token = confirmation::token(&house.parts.keys, id, &nonce);
    let from = Details {
        ip: Some("198.51.100.7".to_owned()),
        ..Details::default()
    };
    let confirmed = sign_up::confirm(
        db,
        &house.parts.keys,
        &house.parts.settings,
        &token,
        from,
        house.clock_ms(),
    )
    .await
    .unwrap();
    matches!(confirmed, Confirmed::Done { .. })
}

on_both! {
    async fn three_years_then_a_question_then_the_end(db: &TestDb) {
        let house = house(db);
        let first = add(&house, 8).await;
        let [silent, clicks, opens, orders, says_yes, is_out, has_no_address, has_contract] =
            std::array::from_fn(|n| first + i64::try_from(n).unwrap());
        house.advance(Span::days(500));
        let now = house.clock_ms();
        let print = house.parts.keys.fingerprint(&format!("c{is_out}@mail.example"));
        consent::opt_out(&***db, CustomerId(is_out), Some(&print), Channel::Email, &Scope::All, "test", now).await.unwrap();
        let contract = Evidence::grant(CustomerId(has_contract), Channel::Email, "service", Basis::Contract, "shop", now);
        consent::record(&***db, &contract, None, now).await.unwrap();
        for (change, id) in [
            ("last_response_at = $2", clicks),
            ("last_order_at = $2", orders),
        ] {
            db.run(format!("UPDATE customers SET {change} WHERE id = $1"), [id.into(), now.into()]).await.unwrap();
        }
        db.run("UPDATE customers SET email_state = 'refused' WHERE id = $1", [has_no_address.into()]).await.unwrap();
        // An open earns points and is no act.
        db.run("UPDATE customers SET engagement_weight = 9 WHERE id = $1", [opens.into()]).await.unwrap();
        house.advance(Span::days(590));
        let report = keep_up(&house).await;
        assert_eq!((report.retention.asked, report.retention.erased_unreachable), (0, 0), "five days are left");
        house.advance(Span::days(6));
        // 1,096 days after the beginning.
        let dry = upkeep::dry_run(db, &house.parts.keys, &house.parts.settings, house.clock_ms()).await.unwrap();
        let report = keep_up(&house).await;
        let kept = report.retention;
        assert_eq!((kept.asked, kept.erased_unreachable, kept.waiting), (3, 2, 0), "{kept:?}");
        assert_eq!(dry.retention, visavis::dialogue::retention::RetentionReport { is_acting: false, ..kept });
        assert_eq!(dry.expired, report.expired);
        assert!(report.expired >= 4, "their permissions ended the same day: {report:?}");
        assert!(!exists(&house, has_no_address).await);
        send(&house).await;
        for id in [silent, opens, says_yes] {
            let records = audit::of_customer(&***db, CustomerId(id)).await.unwrap();
            assert_eq!(records.iter().map(|r| r.action.as_str()).collect::<Vec<_>>(), ["re_permission_asked"]);
        }
        // Who opted out is erased unasked, and nobody writes to him.
        assert!(!exists(&house, is_out).await);
        let print = house.parts.keys.fingerprint(&format!("c{is_out}@mail.example"));
        assert!(consent::is_suppressed(&***db, &print, Channel::Email, "offers").await.unwrap());
        house.advance(Span::days(20));
        let report = keep_up(&house).await;
        assert_eq!((report.retention.asked, report.retention.waiting), (0, 3), "nobody is asked twice");
        let print = house.parts.keys.fingerprint(&format!("c{says_yes}@mail.example"));
        let may = || consent::may_contact(&***db, CustomerId(says_yes), &print, Channel::Email, "offers");
        assert!(!may().await.unwrap(), "it has expired");
        assert!(say_yes(&house, CustomerId(says_yes)).await);
        assert!(may().await.unwrap());
        house.advance(Span::days(11));
        let report = keep_up(&house).await;
        assert_eq!(report.retention.erased_unanswered, 2, "{report:?}");
        for id in [silent, opens] {
            assert!(!exists(&house, id).await);
        }
        for id in [clicks, orders, says_yes, has_contract] {
            assert!(exists(&house, id).await, "{}", id - first);
        }
        assert!(chain::verify(db, &house.parts.keys, None).await.unwrap().broken.is_none());
        let history = upkeep::history(db, 10).await.unwrap();
        assert_eq!(history.len(), 4);
        assert_eq!(history[0], report);
    }

    async fn nobody_is_erased_for_a_question_that_was_never_sent(db: &TestDb) {
        let mut house = house(db);
        let first = add(&house, 2).await;
        let [silent, says_yes] = [first, first + 1];
        let works = house.parts.settings.email.clone();
        let mut down = works.clone();
        down.timeout_seconds = 1;
        down.relay = Some(RelaySettings::plain(
            "127.0.0.1",
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(),
        ));
        house.relay(down);
        let act = |house: &mut House| house.change_settings(|settings| settings.retention.act = true);
        act(&mut house);
        house.advance(Span::days(1_096));
        for _ in 0..8 {
            let kept = keep_up(&house).await.retention;
            assert_eq!((kept.asked + kept.waiting, kept.erased_unanswered, kept.erased_unreachable), (2, 0, 0), "{kept:?}");
            send(&house).await;
            house.advance(Span::days(5));
        }
        let told = "SELECT COUNT(*) FROM audit_records WHERE action = 're_permission_asked'";
        assert_eq!(number(db, told).await, 0, "nobody was asked in 40 days");
        keep_up(&house).await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM confirmations").await, 2, "one request each, however often it failed");
        house.relay(works);
        // What was queued last goes out late, and leaves him his 30 days all the same.
        house.advance(Span::days(20));
        keep_up(&house).await;
        send(&house).await;
        assert_eq!(number(db, told).await, 2);
        house.advance(Span::days(29));
        let kept = keep_up(&house).await.retention;
        assert_eq!((kept.waiting, kept.asked, kept.erased_unanswered), (2, 0, 0), "{kept:?}");
        assert!(say_yes(&house, CustomerId(says_yes)).await, "the link lives as long");
        house.advance(Span::days(2));
        assert_eq!(keep_up(&house).await.retention.erased_unanswered, 1);
        assert!(!exists(&house, silent).await && exists(&house, says_yes).await);
    }

    async fn an_address_that_refuses_the_question_cannot_be_asked(db: &TestDb) {
        let house = house(db);
        let first = add(&house, 2).await;
        // The sandbox refuses this one for ever; c2's address stays.
        let print = house.parts.keys.fingerprint("c@refused.example");
        db.run("UPDATE customers SET email = 'c@refused.example', email_key = 'c@refused.example', email_fingerprint = $2 WHERE id = $1", [first.into(), print.into()]).await.unwrap();
        house.advance(Span::days(1_096));
        assert_eq!(keep_up(&house).await.retention.asked, 2);
        send(&house).await;
        house.advance(Span::days(1));
        let kept = keep_up(&house).await.retention;
        assert_eq!((kept.asked, kept.waiting, kept.erased_unreachable), (0, 1, 1), "{kept:?}");
        assert!(!exists(&house, first).await);
    }

    async fn every_grant_that_has_ended_is_ended_once(db: &TestDb) {
        let house = house(db);
        let first = add(&house, 2_300).await;
        let now = house.clock_ms();
        let news: Vec<_> = (first..first + 2_300).map(|id| {
            (Evidence::grant(CustomerId(id), Channel::Email, "news", Basis::Consent, "form 3", now), None)
        }).collect();
        consent::record_all(&***db, &news, now).await.unwrap();
        house.advance(Span::days(1_096));
        let settings = &house.parts.settings.permission;
        let due = expiry::count_due(db, settings, house.clock_ms()).await.unwrap();
        let ended = expiry::expire_due(db, settings, house.clock_ms()).await.unwrap();
        assert_eq!((due.count(), ended.count()), (4_600, 4_600));
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE is_granted").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence WHERE action = 'expire'").await, 4_600);
        assert_eq!(expiry::expire_due(db, settings, house.clock_ms()).await.unwrap().count(), 0);
    }

    async fn the_upkeep_counts_who_stands_where(db: &TestDb) {
        let house = house(db);
        add(&house, 3).await;
        assert_eq!(upkeep::standings(db, None).await.unwrap(), None);
        keep_up(&house).await;
        let at = house.clock_ms();
        let counted = upkeep::standings(db, Some("offers")).await.unwrap().unwrap();
        assert_eq!((counted.0, counted.1.iter().sum::<u64>(), counted.1[0]), (at, 3, 0));
        assert_eq!(upkeep::standings(db, None).await.unwrap(), Some(counted));
        assert_eq!(upkeep::standings(db, Some("nothing")).await.unwrap(), None);
    }

    async fn without_leave_to_act_it_only_counts(db: &TestDb) {
        let mut house = house(db);
        let mut settings = (*house.parts.settings).clone();
        settings.retention.act = false;
        house.parts.settings = Arc::new(settings);
        add(&house, 3).await;
        house.advance(Span::days(1_200));
        let report = keep_up(&house).await;
        assert_eq!((report.retention.asked, report.retention.is_acting), (3, false));
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 3);
        assert_eq!(number(db, "SELECT COUNT(*) FROM confirmations").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_records").await, 0);
    }

    async fn an_upkeep_cut_off_anywhere_is_taken_up_again(db: &TestDb) {
        let house = house(db);
        add(&house, 120).await;
        house.advance(Span::days(1_096));
        let mut cuts = 0;
        for milliseconds in [15, 40, 70, 100, 130, 160] {
            let (parts, now) = (house.parts.clone(), house.clock_ms());
            let upkeep = tokio::spawn(async move {
                let stop = CancellationToken::new();
                upkeep::run(&parts.db, &parts.keys, &parts.settings, now, &stop).await
            });
            tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
            upkeep.abort();
            cuts += i32::from(upkeep.await.is_err());
        }
        assert!(cuts > 1, "it was interrupted");
        keep_up(&house).await;
        send(&house).await;
        let asked = "SELECT COUNT(*) FROM confirmations";
        let told = "SELECT COUNT(*) FROM audit_records WHERE action = 're_permission_asked'";
        assert_eq!((number(db, asked).await, number(db, told).await), (120, 120), "everyone once");
        house.advance(Span::days(31));
        let stop = CancellationToken::new();
        stop.cancel();
        let at = house.clock_ms();
        let stopped = upkeep::run(db, &house.parts.keys, &house.parts.settings, at, &stop).await.unwrap();
        assert_eq!(stopped.retention.erased_unanswered, 0);
        assert!(upkeep::is_due(db, at).await.unwrap(), "a run that was stopped is due again");
        assert_eq!(keep_up(&house).await.retention.erased_unanswered, 120);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_records WHERE action = 'erasure'").await, 120);
    }

    async fn once_a_day_and_by_one_node(db: &TestDb) {
        let house = house(db);
        let now = house.clock_ms();
        let runs = (0..4).map(|_| {
            let parts = house.parts.clone();
            tokio::spawn(async move {
                let stop = CancellationToken::new();
                upkeep::run_if_due(&parts.db, &parts.keys, &parts.settings, now, &stop).await.unwrap().is_some()
            })
        });
        let mut done = 0;
        for run in runs.collect::<Vec<_>>() {
            done += i32::from(run.await.unwrap());
        }
        if db.dialect() == visavis::storage::Dialect::Postgres {
            assert_eq!(done, 1);
        }
        assert!(!upkeep::is_due(db, (noon() + Span::hours(13)).timestamp_millis()).await.unwrap());
        assert!(upkeep::is_due(db, (noon() + Span::hours(15)).timestamp_millis()).await.unwrap(), "after 2 o'clock");
    }
}
