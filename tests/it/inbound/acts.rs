//! What each kind of mail changes, and what it does not.

use chrono::Duration;
use visavis::app::App;
use visavis::campaigns::model::Status;
use visavis::channels::outbox::Outbox;
use visavis::dialogue::{erase, export};
use visavis::ids::{ConfirmationId, CustomerId};
use visavis::responses::inbox;
use visavis::responses::inbox::kept;
use visavis::responses::inbox::model::Received;
use visavis::responses::inbox::receive::ReceiveError;
use visavis::responses::inbox::warnings::warnings;
use visavis::storage::Sql;
use visavis::tokens;

use super::{BLOCKED, DISABLED, Desk, FULL, NO_SUCH_USER, Refusal, bounce, reply, report};
use crate::kit::dump;
use crate::on_both;

on_both! {
    async fn an_address_that_does_not_exist_is_out_of_use_at_once_and_counts_once(db: &TestDb) {
        let desk = Desk::open(db, 3).await;
        // Two customers with one mailbox.
        db.run("UPDATE customers SET email = 'c1@example.org', email_key = 'c1@example.org',
            email_fingerprint = (SELECT f.email_fingerprint FROM customers f WHERE f.id = 1) WHERE id = 2", []).await.unwrap();
        let mail = desk.bounce(1, NO_SUCH_USER).await;
        assert_eq!(desk.takes(&mail).await, "bounce");
        assert!(desk.is_refused(1).await && desk.is_refused(2).await && !desk.is_refused(3).await);
        assert_eq!(desk.receive(&mail).await.unwrap(), Received::Again);
        // By another way it has other trace fields and line ends.
        let traced = format!("Delivered-To: x\nReceived: by y; now\n{}", mail.replace("\r\n", "\n"));
        assert_eq!(desk.receive(&traced).await.unwrap(), Received::Again);
        // Another server of the chain tells it too.
        desk.takes(&desk.bounce(1, Refusal { id: "again", ..NO_SUCH_USER }).await).await;
        assert_eq!(desk.counter("bounces").await, 1);
        assert_eq!(desk.counter("bounces.invalid_recipient").await, 1);
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM responses WHERE kind = 'bounce'").await, 1);
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM customers WHERE last_response_at IS NOT NULL").await, 0);
        // Nothing of the mail is kept.
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM received_mails WHERE is_kept OR body IS NOT NULL OR sender IS NOT NULL").await, 0);
        assert!(dump::holders(db, "User unknown").await.is_empty());
    }

    async fn a_mail_without_our_proof_changes_nothing_and_is_kept(db: &TestDb) {
        let desk = Desk::open(db, 2).await;
        let tag = desk.tag(1).await;
        let mut forged = tag.clone();
        let last = if forged.pop() == Some('a') { 'b' } else { 'a' };
        forged.push(last);
        let other = tag.replacen(&format!("{}-", desk.wave), &format!("{}-", desk.wave.0 + 1), 1);
        for (n, wrong) in [forged, other, "1-1".to_owned()].iter().enumerate() {
            let kind = desk.takes(&bounce(wrong, "c1@example.org", NO_SUCH_USER)).await;
            assert_eq!(kind, "unknown", "{wrong}");
            assert_eq!(desk.number("SELECT COUNT(*) AS n FROM received_mails WHERE is_kept AND wave_id IS NULL").await, n as i64 + 1);
        }
        desk.takes(&report("1-2-aaaaaaaaaaaaaaaa", "abuse")).await;
        desk.takes("From: x@y.example\r\nSubject: ?\r\n\r\n\x00\x01c1@example.org user unknown\r\n").await;
        assert!(!desk.is_refused(1).await && desk.may(1, "offers").await && desk.may(2, "offers").await);
        assert_eq!(desk.counter("bounces").await + desk.counter("complaints").await, 0);
        let page = kept::page(db, true, None, 3).await.unwrap();
        assert_eq!((page.count, page.open, page.mails.len(), page.has_more), (5, 5, 3, true));
        let older = kept::page(db, true, Some(page.mails[2].id), 3).await.unwrap();
        assert_eq!((older.mails.len(), older.has_more), (2, false));
    }

    async fn a_disabled_mailbox_dies_at_the_second_bounce_and_a_full_one_after_five_in_two_weeks(db: &TestDb) {
        let mut desk = Desk::open(db, 3).await;
        desk.takes(&desk.bounce(1, DISABLED).await).await;
        desk.takes(&desk.bounce(1, Refusal { id: "twice", ..DISABLED }).await).await;
        assert!(!desk.is_refused(1).await, "two mails about one message are one bounce");
        for (name, day) in [("b", 3), ("c", 6), ("d", 9), ("e", 14)] {
            desk.takes(&desk.bounce(2, FULL).await).await;
            desk.takes(&desk.bounce(3, FULL).await).await;
            assert!(!desk.is_refused(2).await, "{day}");
            desk.house.advance(Duration::days(if day == 14 { 5 } else { 3 }));
            desk.send_again(name).await;
            if name == "d" {
                // Whoever answers has room again.
                let local = tokens::message_id_local(desk.message_to(3).await, &desk.house.parts.keys);
                assert_eq!(desk.takes(&reply(&local, "c3@example.org", "Hello, do you have blue ones?")).await, "reply");
            }
        }
        desk.takes(&desk.bounce(2, FULL).await).await;
        desk.takes(&desk.bounce(3, FULL).await).await;
        assert!(desk.is_refused(2).await);
        assert!(!desk.is_refused(3).await);
        desk.takes(&desk.bounce(1, DISABLED).await).await;
        assert!(desk.is_refused(1).await);
        for class in ["bounces.inactive", "bounces.quota", "bounces"] {
            assert!(desk.counter(class).await > 0, "{class}");
        }
    }

    async fn a_block_is_the_senders_and_in_numbers_pauses_the_campaign(db: &TestDb) {
        let desk = Desk::open(db, 40).await;
        db.run("UPDATE waves SET status = 'running'", []).await.unwrap();
        db.run("UPDATE campaigns SET status = 'running'", []).await.unwrap();
        for customer in 1..=25 {
            assert_eq!(desk.takes(&desk.bounce(customer, BLOCKED).await).await, "bounce");
            let paused = desk.number("SELECT COUNT(*) AS n FROM campaigns WHERE status = 'paused'").await;
            assert_eq!(paused == 1, customer >= 20, "{customer}");
        }
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM customers WHERE email_state <> 'ok'").await, 0);
        let campaign = visavis::campaigns::store::list(db).await.unwrap().remove(0);
        assert_eq!(campaign.status, Status::Paused);
        assert!(campaign.status_reason.unwrap().starts_with("20 of 40 messages came back"));
        let warning = warnings(db, desk.house.clock_ms()).await.unwrap().remove(0);
        assert_eq!((warning.class.as_str(), warning.bounces, warning.accepted), ("blocked", 25, 40));
        // Resumed, it is not paused for the same ones again.
        db.run("UPDATE campaigns SET status = 'running', status_reason = NULL", []).await.unwrap();
        desk.takes(&desk.bounce(26, BLOCKED).await).await;
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM campaigns WHERE status = 'running'").await, 1);
        desk.house.advance(Duration::days(31));
        assert!(warnings(db, desk.house.clock_ms()).await.unwrap().is_empty());
    }

    async fn a_complaint_silences_the_channel_and_its_likes_do_not(db: &TestDb) {
        let desk = Desk::open(db, 4).await;
        for kind in ["not-spam", "auth-failure"] {
            desk.takes(&report(&desk.tag(2).await, kind)).await;
        }
        assert!(desk.may(2, "offers").await);
        assert_eq!(desk.takes(&report(&desk.tag(1).await, "abuse")).await, "complaint");
        assert!(!desk.may(1, "offers").await && desk.may(3, "offers").await);
        let sql = "SELECT COUNT(*) AS n FROM suppressions WHERE reason = 'complaint' AND scope = '*' AND channel = 'email'";
        assert_eq!(desk.number(sql).await, 1);
        let sql = "SELECT COUNT(*) AS n FROM permission_evidence WHERE customer_id = 1 AND action = 'withdraw' AND source = 'feedback_report'";
        assert_eq!(desk.number(sql).await, 1);
        assert_eq!(desk.receive(&report(&desk.tag(1).await, "abuse")).await.unwrap(), Received::Again);
        assert_eq!(desk.counter("complaints").await, 1);
        assert_eq!(desk.counter("opt_outs").await, 0);
        // An opt-out report is an opt-out.
        assert_eq!(desk.takes(&report(&desk.tag(3).await, "opt-out")).await, "opt_out");
        assert!(!desk.may(3, "offers").await);
        assert_eq!(desk.counter("opt_outs").await, 1);
    }

    async fn a_mail_to_the_address_in_list_unsubscribe_opts_out(db: &TestDb) {
        let mut desk = Desk::open(db, 2).await;
        desk.house.change_settings(|settings| settings.email.takes_opt_outs = true);
        desk.send_again("with-a-mailbox").await;
        let outbox = Outbox::open(&desk.house.parts.settings.data_dir.join("outbox")).unwrap();
        let mut address = None;
        for entry in outbox.list(0, 10, None).unwrap() {
            let raw = String::from_utf8(outbox.read(entry.number).unwrap().unwrap()).unwrap();
            if let Some((_, rest)) = raw.split_once("<mailto:")
                && raw.contains("<c1@example.org>")
            {
                assert!(raw.contains(">,\r\n <mailto:unsubscribe+"), "the link comes first");
                address = Some(rest.split_once('>').unwrap().0.to_owned());
            }
        }
        let address = address.expect("a mailbox in the message");
        assert!(address.ends_with("@bounce.localhost"));
        let mail = format!("From: c1@example.org\r\nTo: {address}\r\nSubject: unsubscribe\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n\r\n");
        assert_eq!(desk.takes(&mail).await, "opt_out");
        assert!(!desk.may(1, "offers").await && desk.may(2, "offers").await);
        assert_eq!(desk.counter("opt_outs").await, 1);
        let sql = "SELECT COUNT(*) AS n FROM permission_evidence WHERE source = 'unsubscribe_mail'";
        assert_eq!(desk.number(sql).await, 1);
        // Of whom is not proved: a person must find out.
        let mail = mail.replace(&address, "unsubscribe@bounce.localhost").replace("c1@", "c2@");
        assert_eq!(desk.takes(&mail).await, "opt_out");
        assert!(desk.may(2, "offers").await);
        assert_eq!(kept::page(db, true, None, 9).await.unwrap().mails[0].kind, "opt_out");
    }

    async fn a_reply_is_a_response_is_read_by_a_person_and_goes_with_him(db: &TestDb) {
        let desk = Desk::open(db, 2).await;
        let parts = &desk.house.parts;
        let local = tokens::message_id_local(desk.message_to(1).await, &parts.keys);
        desk.takes(&reply(&local, "Canary <canary@other.example>", "Canary words, do you deliver to Lille?")).await;
        desk.takes(&reply("nothing", "c2@example.org", "Other words, and no proof")).await;
        assert_eq!(desk.counter("replies").await, 1);
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM customers WHERE last_response_at IS NOT NULL").await, 1);
        let page = kept::page(db, true, None, 9).await.unwrap();
        let mail = &page.mails[1];
        assert_eq!((mail.customer, mail.campaign.as_deref()), (Some(CustomerId(1)), Some("spring")));
        assert!(mail.text.as_ref().unwrap().contains("Canary words"));
        assert!(kept::mark_done(db, mail.id, 5).await.unwrap() && !kept::mark_done(db, 999, 5).await.unwrap());
        assert_eq!(kept::page(db, true, None, 9).await.unwrap().mails.len(), 1);
        for (customer, own, other) in [(1, "Canary words", "Other words"), (2, "Other words", "Canary words")] {
            let archive = export::archive(db, &parts.keys, CustomerId(customer), "operator", desk.house.clock_ms()).await.unwrap();
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
            let mut all = String::new();
            std::io::Read::read_to_string(&mut archive.by_name("everything.json").unwrap(), &mut all).unwrap();
            assert!(all.contains(own) && !all.contains(other));
            erase::erase(db, &parts.keys, CustomerId(customer), "person", desk.house.clock_ms()).await.unwrap();
            assert!(dump::holders(db, own).await.is_empty());
            assert_eq!(dump::holders(db, other).await.is_empty(), customer == 2);
        }
        assert!(dump::holders(db, "canary@other.example").await.is_empty());
    }

    async fn an_address_that_was_changed_since_is_spared(db: &TestDb) {
        let desk = Desk::open(db, 2).await;
        let mail = desk.bounce(1, NO_SUCH_USER).await;
        let new = desk.house.parts.keys.fingerprint("new@example.org");
        db.run("UPDATE customers SET email = 'new@example.org', email_key = 'new@example.org', email_fingerprint = $1 WHERE id = 1", [new.into()]).await.unwrap();
        desk.takes(&mail).await;
        assert!(!desk.is_refused(1).await);
        assert_eq!(desk.counter("bounces").await, 1, "it did not arrive all the same");
        // A server that names nobody is believed, since the return path is proved.
        let poor = format!(
            "From: MAILER-DAEMON@mx.example.net\r\nTo: b+{}@bounce.localhost\r\nSubject: failure notice\r\n\r\n\
             Hi. This is the qmail-send program at mx.example.net.\r\nI'm afraid I wasn't able to deliver your message to the following addresses.\r\n\
             This is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n",
            desk.tag(2).await
        );
        assert_eq!(desk.takes(&poor).await, "bounce");
        assert!(desk.is_refused(2).await);
    }

    async fn what_is_long_gone_is_answered_all_the_same(db: &TestDb) {
        let desk = Desk::open(db, 4).await;
        let parts = &desk.house.parts;
        let bounced = desk.bounce(1, NO_SUCH_USER).await;
        let complaint = report(&desk.tag(1).await, "abuse");
        erase::erase(db, &parts.keys, CustomerId(1), "person", desk.house.clock_ms()).await.unwrap();
        assert_eq!(desk.takes(&bounced).await, "bounce");
        assert_eq!(desk.takes(&complaint).await, "complaint");
        assert_eq!(desk.counter("bounces").await, 1);
        // The ledger of the wave was let go.
        let tags = [desk.tag(2).await, desk.tag(3).await];
        let refused = desk.bounce(4, NO_SUCH_USER).await;
        db.run("INSERT INTO past_deliveries (wave_id, seq, customer_id, channel) SELECT wave_id, seq, customer_id, channel FROM deliveries", []).await.unwrap();
        db.run("DELETE FROM deliveries", []).await.unwrap();
        assert_eq!(desk.takes(&report(&tags[0], "abuse")).await, "complaint");
        assert_eq!(desk.takes(&report(&tags[1], "opt-out")).await, "opt_out");
        assert!(!desk.may(2, "offers").await && !desk.may(3, "offers").await);
        assert_eq!(desk.takes(&refused).await, "bounce");
        assert!(desk.is_refused(4).await);
    }

    async fn what_comes_back_about_a_notice_concerns_its_address(db: &TestDb) {
        let desk = Desk::open(db, 2).await;
        let keys = &desk.house.parts.keys;
        for (id, customer, address) in [(1_i64, Some(1_i64), "c1@example.org"), (2, None, "stranger@example.org")] {
            db.run(
                "INSERT INTO confirmations (id, purpose, nonce, channel, address, fingerprint, customer_id, language, payload,
                    requested_at, expires_at, send_state, attempt, limit_key)
                 VALUES ($1, 'opt_in', 'n', 'email', NULL, $2, $3, 'en', '{}', 0, 0, 'sent', 1, 'k')",
                [id.into(), keys.fingerprint(address).into(), customer.into()],
            )
            .await
            .unwrap();
        }
        let tag = |id| tokens::notice_return_path_tag(ConfirmationId(id), keys);
        let mail = bounce(&tag(1), "c1@example.org", NO_SUCH_USER).replace("X-Visavis-Ref", "X-Other");
        assert_eq!(desk.takes(&mail).await, "bounce");
        assert!(desk.is_refused(1).await && !desk.is_refused(2).await);
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM confirmations WHERE send_state = 'refused'").await, 1);
        assert_eq!(desk.takes(&report(&tag(2), "abuse")).await, "complaint");
        let print = keys.fingerprint("stranger@example.org");
        assert!(visavis::consent::store::is_suppressed(&***db, &print, visavis::consent::model::Channel::Email, "offers").await.unwrap());
        assert_eq!(desk.counter("bounces").await, 0);
    }

    async fn a_bounce_that_overtakes_its_message_comes_again(db: &TestDb) {
        let desk = Desk::open(db, 1).await;
        let mail = desk.bounce(1, NO_SUCH_USER).await;
        db.run("UPDATE waves SET status = 'running'", []).await.unwrap();
        db.run("UPDATE deliveries SET state = 1", []).await.unwrap();
        assert!(matches!(desk.receive(&mail).await, Err(ReceiveError::TooEarly)));
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM received_mails").await, 0);
        db.run("UPDATE deliveries SET state = 2", []).await.unwrap();
        assert_eq!(desk.takes(&mail).await, "bounce");
        assert_eq!(desk.counter("bounces").await, 1);
    }

    async fn what_was_kept_long_enough_is_forgotten(db: &TestDb) {
        let desk = Desk::open(db, 1).await;
        desk.takes(&desk.bounce(1, FULL).await).await;
        desk.takes(&reply("nothing", "x@y.example", "What is this?")).await;
        desk.house.advance(Duration::days(90));
        let now_ms = desk.house.clock_ms();
        assert_eq!(inbox::count_old(db, 90, now_ms).await.unwrap(), 0);
        assert_eq!(inbox::let_go_old(db, 90, now_ms + 1).await.unwrap(), 2);
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM address_faults").await, 1);
        desk.house.advance(Duration::days(91));
        inbox::let_go_old(db, 90, desk.house.clock_ms()).await.unwrap();
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM address_faults").await, 0);
    }

    async fn mails_at_once_count_as_one_after_the_other(db: &TestDb) {
        let desk = Desk::open(db, 12).await;
        let mut mails = Vec::new();
        for customer in 1..=12 {
            let tag = desk.tag(customer).await;
            mails.push(desk.bounce(customer, NO_SUCH_USER).await);
            mails.push(desk.bounce(customer, NO_SUCH_USER).await);
            mails.push(report(&tag, "abuse"));
            mails.push(report(&tag, "opt-out"));
        }
        let taken = futures_util::future::join_all(mails.iter().map(|mail| desk.receive(mail))).await;
        let new = taken.into_iter().filter(|one| matches!(one, Ok(Received::New(_)))).count();
        assert_eq!(new, 36);
        for name in ["bounces", "bounces.invalid_recipient", "complaints", "opt_outs"] {
            assert_eq!(desk.counter(name).await, 12, "{name}");
        }
    }
}

/// Whatever is wrong with the pages of `App`, the figures of mail are among its metrics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_listens_for_mail_where_the_settings_say() {
    let db = crate::kit::database::sqlite().await;
    let mut house = crate::kit::house::House::new(&db, None);
    assert!(
        App::build(house.parts.clone())
            .await
            .unwrap()
            .mail_address()
            .is_none()
    );
    house.change_settings(|settings| {
        settings.inbound.lmtp = Some(visavis::config::LmtpSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            connections: 2,
            timeout_seconds: 5,
        });
    });
    let app = App::build(house.parts.clone()).await.unwrap();
    let address = app.mail_address().unwrap();
    let console = app.console_address();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(app.run(stop.clone()));
    let mut client = super::lmtp::Client::connect(address).await;
    assert!(client.say("LHLO mx.example.net").await.starts_with("250"));
    client.say("MAIL FROM:<>").await;
    client.say("RCPT TO:<b+x@bounce.localhost>").await;
    assert_eq!(
        client
            .send("Subject: hello\r\n\r\nwho are you?\r\n", 1)
            .await,
        ["250 2.0.0 taken"]
    );
    let metrics = reqwest::get(format!("http://{console}/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        metrics.contains("visavis_mails_received_total{kind="),
        "{metrics}"
    );
    stop.cancel();
    running.await.unwrap().unwrap();
}
