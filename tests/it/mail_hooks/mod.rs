//! What providers of email post: bounces, complaints and opt-outs, over HTTP, on both databases.

mod desk;
mod signed;

use serde_json::{Value, json};
use visavis::storage::Db;

use crate::on_both;
use desk::Desk;
use signed::{CONFIRM, TOPIC, mailgun, sendgrid, sns};

/// An event of SendGrid about a message.
fn event(desk: &Desk, name: &str, seq: i64) -> Value {
    json!({
        "email": format!("c{seq}@mail.example"), "timestamp": desk.seconds(), "event": name,
        "sg_event_id": format!("{name}-{seq}"), "visavis_ref": desk.tag(seq),
    })
}

fn bounce(desk: &Desk, seq: i64, status: &str, reason: &str) -> Value {
    let mut event = event(desk, "bounce", seq);
    event["status"] = json!(status);
    event["reason"] = json!(reason);
    event["type"] = json!("bounce");
    event
}

const NO_SUCH_USER: &str = "550 5.1.1 <x@mail.example>: Recipient address rejected: User unknown";

on_both! {
    async fn who_does_not_know_the_address_is_not_listened_to(db: &TestDb) {
        let desk = Desk::open(db, 1).await;
        assert_eq!(desk.announce("postmark/not-the-secret-at-all").await, Some(403));
        assert_eq!(desk.announce("brevo").await, Some(403));
        assert_eq!(desk.announce("nobody").await, Some(404));
        desk.close().await;
    }

    async fn a_batch_acts_once_on_the_messages_it_proves(db: &TestDb) {
        let desk = Desk::open(db, 8).await;
        let mut forged = event(&desk, "spamreport", 5);
        forged["visavis_ref"] = json!(desk.tag(5).replacen("-5-", "-6-", 1));
        let mut nobody = event(&desk, "unsubscribe", 7);
        nobody["visavis_ref"] = Value::Null;
        let mut by_id = event(&desk, "spamreport", 4);
        by_id["visavis_ref"] = Value::Null;
        by_id["smtp-id"] = json!(format!("<{}@news.example>", desk.message_id(4)));
        let batch = json!([
            event(&desk, "delivered", 1), bounce(&desk, 1, "5.1.1", NO_SUCH_USER), forged,
            event(&desk, "spamreport", 2), event(&desk, "unsubscribe", 3), by_id, nobody,
            event(&desk, "deferred", 6), event(&desk, "telepathy", 6),
        ]);
        for _ in 0..2 {
            assert_eq!(sendgrid(&desk, &batch).await, 200);
        }
        for (counter, expected) in [
            ("bounces", 1), ("bounces.invalid_recipient", 1), ("complaints", 2), ("opt_outs", 1),
        ] {
            assert_eq!(desk.counter(counter).await, expected, "{counter}");
        }
        assert!(!desk.is_in_use(1).await);
        for (seq, reason) in [(2, "complaint"), (3, "opt_out"), (4, "complaint")] {
            assert!(desk.is_in_use(seq).await);
            assert_eq!(desk.suppressed(seq).await, reason, "{seq}");
        }
        for seq in 5..=8 {
            assert!(desk.is_in_use(seq).await);
            assert_eq!(desk.suppressed(seq).await, "", "{seq}");
        }
        // What proves nothing is on record too, without an address and for nobody to read.
        assert_eq!(desk.taken().await, 6);
        let unmatched = "SELECT COUNT(*) FROM received_mails WHERE wave_id IS NULL AND NOT is_kept AND way = 'sendgrid' AND sender IS NULL AND body IS NULL";
        assert_eq!(desk.number(unmatched).await, 2);
        let metrics = desk.metrics().await;
        for (result, count) in [
            ("recorded", 4), ("repeated", 6), ("unmatched", 2), ("delayed", 2), ("passed_over", 2), ("unreadable", 2),
        ] {
            let line = format!("visavis_mail_events_total{{provider=\"sendgrid\",result=\"{result}\"}} {count}");
            assert!(metrics.contains(&line), "{line} in {metrics}");
        }
        desk.close().await;
    }

    async fn thousands_come_at_once(db: &TestDb) {
        const PEOPLE: i64 = 400;
        let desk = Desk::open(db, PEOPLE).await;
        // In no order, and some twice.
        let events: Vec<Value> = (0..PEOPLE * 2)
            .map(|n| bounce(&desk, n * 7919 % PEOPLE + 1, "5.1.1", NO_SUCH_USER))
            .collect();
        assert_eq!(sendgrid(&desk, &json!(events)).await, 200);
        assert_eq!(desk.counter("bounces").await, PEOPLE);
        assert_eq!(desk.taken().await, PEOPLE);
        let refused = "SELECT COUNT(*) FROM customers WHERE email_state = 'refused'";
        assert_eq!(desk.number(refused).await, PEOPLE);
        desk.close().await;
    }

    async fn a_mailbox_that_is_off_is_given_up_at_the_second_bounce_and_a_full_one_is_not(db: &TestDb) {
        let mut house = None;
        let mut people = (0, 0);
        for round in 1..=2 {
            let desk = match house.take() {
                None => Desk::open(db, 2).await,
                Some((house, wave)) => Desk::with(house, db.db.clone(), wave).await,
            };
            if round == 1 {
                people = (desk.customer(1).await, desk.customer(2).await);
            }
            let (off, full) = (desk.seq_of(people.0).await, desk.seq_of(people.1).await);
            let mut batch = json!([
                bounce(&desk, off, "5.2.1", "550 5.2.1 The email account that you tried to reach is disabled"),
                bounce(&desk, full, "5.2.2", "552 5.2.2 mailbox full"),
            ]);
            for event in batch.as_array_mut().unwrap() {
                event["sg_event_id"] = json!(format!("{round} {}", event["sg_event_id"]));
            }
            assert_eq!(sendgrid(&desk, &batch).await, 200);
            assert_eq!(desk.counter("bounces").await, 2);
            assert_eq!(desk.is_in_use(off).await, round == 1);
            assert!(desk.is_in_use(full).await);
            if round == 2 {
                desk.close().await;
                break;
            }
            let kept = desk.close().await;
            kept.advance(chrono::Duration::days(3));
            let wave = kept.send("again").await;
            kept.deliver().await;
            house = Some((kept, wave));
        }
    }

    async fn mailgun_proves_one_body_a_token(db: &TestDb) {
        let desk = Desk::open(db, 3).await;
        let complaint = |seq: i64| json!({
            "id": format!("e-{seq}"), "timestamp": desk.seconds(), "event": "complained",
            "recipient": format!("c{seq}@mail.example"), "user-variables": {"visavis_ref": desk.tag(seq)},
        });
        assert_eq!(mailgun(&desk, "t-1", &complaint(1)).await, 200);
        assert_eq!(mailgun(&desk, "t-1", &complaint(1)).await, 200, "posted again");
        assert_eq!(mailgun(&desk, "t-1", &complaint(2)).await, 403, "a forgery");
        assert_eq!(mailgun(&desk, "t-2", &complaint(1)).await, 200, "the same event signed anew");
        assert_eq!(desk.counter("complaints").await, 1);
        assert_eq!(desk.suppressed(1).await, "complaint");
        assert_eq!(desk.suppressed(2).await, "");
        desk.close().await;
    }

    async fn who_signs_nothing_needs_the_secret_address(db: &TestDb) {
        let desk = Desk::open(db, 3).await;
        let bounced = json!({
            "RecordType": "Bounce", "ID": 7, "Type": "HardBounce", "MessageID": "m", "Email": "c1@mail.example",
            "Details": NO_SUCH_USER, "BouncedAt": "2026-11-22T11:00:00Z", "Metadata": {"ref": desk.tag(1)},
        })
        .to_string();
        let login = [("authorization", "Basic dmlzYXZpczp3b3Jk")];
        let spam = json!({
            "event": "spam", "email": "c2@mail.example", "ts_event": desk.seconds(), "message-id": "<x@y>",
            "X-Mailin-custom": format!("ref:{}", desk.tag(2)),
        })
        .to_string();
        let secret = "a-secret-of-16-letters";
        for (path, headers, body) in [
            (format!("postmark/{secret}"), &[][..], &bounced),
            ("postmark".to_owned(), &login[..], &bounced),
            ("postmark/a-secret-of-17-letters".to_owned(), &login[..], &bounced),
            (format!("postmark/{secret}"), &[("authorization", "Basic dmlzYXZpczp4")][..], &bounced),
            ("brevo".to_owned(), &[][..], &spam),
            (format!("brevo/{secret}x"), &[][..], &spam),
            // Signed ones take no other address.
            (format!("sendgrid/{secret}"), &[][..], &spam),
            ("sendgrid".to_owned(), &[][..], &spam),
        ] {
            assert_eq!(desk.post(&path, headers, body).await, 403, "{path}");
        }
        assert_eq!(desk.post("nobody", &[], &spam).await, 404);
        assert_eq!(desk.taken().await, 0);
        assert_eq!(desk.post(&format!("postmark/{secret}"), &login, &bounced).await, 200);
        assert_eq!(desk.post(&format!("brevo/{secret}"), &[], &spam).await, 200);
        assert_eq!(desk.post(&format!("brevo/{secret}"), &[], "no JSON").await, 400);
        assert_eq!((desk.counter("bounces").await, desk.counter("complaints").await), (1, 1));
        // When the provider says it happened.
        let at = "SELECT responded_at FROM responses WHERE kind = 'bounce'";
        assert_eq!(desk.number(at).await, desk.house.clock_ms() - 3_600_000);
        desk.close().await;
    }

    async fn amazon_posts_by_its_notification_service(db: &TestDb) {
        let desk = Desk::open(db, 3).await;
        let confirm = sns(&desk, "SubscriptionConfirmation", TOPIC, "You have chosen to subscribe.");
        assert_eq!(desk.post("ses", &[], &confirm).await, 200);
        let asked = desk.amazon.asked.lock().unwrap().clone();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert_eq!(asked[1], CONFIRM);
        let complaint = json!({
            "eventType": "Complaint",
            "complaint": {"complainedRecipients": [{"emailAddress": "c1@mail.example"}], "feedbackId": "f-1",
                          "complaintFeedbackType": "abuse", "timestamp": "2026-11-22T11:59:00.000Z"},
            "mail": {"messageId": "s-1", "source": "x@mail.example", "destination": ["c1@mail.example"],
                     "headers": [{"name": "X-Visavis-Ref", "value": desk.tag(1)}]},
        })
        .to_string();
        let told = sns(&desk, "Notification", TOPIC, &complaint);
        assert_eq!(desk.post("ses", &[], &told).await, 200);
        assert_eq!(desk.post("ses", &[], &told).await, 200, "SNS may deliver twice");
        assert_eq!(desk.counter("complaints").await, 1);
        assert_eq!(desk.suppressed(1).await, "complaint");
        assert_eq!(desk.amazon.asked.lock().unwrap().len(), 2, "the certificate is kept");
        let other = sns(&desk, "Notification", "arn:aws:sns:eu-west-3:999999999999:mail-events", &complaint);
        assert_eq!(desk.post("ses", &[], &other).await, 403);
        let changed = told.replace("f-1", "f-2");
        assert_eq!(desk.post("ses", &[], &changed).await, 403);
        assert_eq!(desk.post("ses", &[("x-amz-sns-rawdelivery", "true")], &complaint).await, 403);
        assert_eq!(desk.counter("complaints").await, 1);
        // A new certificate that cannot be had now: Amazon tries again.
        *desk.amazon.is_away.lock().unwrap() = true;
        let renewed = told.replace("SimpleNotificationService-1", "SimpleNotificationService-2");
        assert_eq!(desk.post("ses", &[], &renewed).await, 503);
        *desk.amazon.is_away.lock().unwrap() = false;
        assert_eq!(desk.post("ses", &[], &renewed).await, 200);
        desk.close().await;
    }

    async fn while_the_database_is_away_the_provider_is_asked_to_come_again(db: &TestDb) {
        let desk = Desk::open(db, 2).await;
        let wave = desk.wave;
        let house = desk.close().await;
        let pool = Db::open(&db.url, 1).await.unwrap();
        let desk = Desk::with(house, pool.clone(), wave).await;
        pool.close().await;
        let batch = json!([bounce(&desk, 1, "5.1.1", NO_SUCH_USER)]);
        assert_eq!(sendgrid(&desk, &batch).await, 503);
        assert_eq!(desk.taken().await, 0);
        let house = desk.close().await;
        let desk = Desk::with(house, db.db.clone(), wave).await;
        assert_eq!(sendgrid(&desk, &batch).await, 200);
        assert_eq!(desk.counter("bounces").await, 1);
        desk.close().await;
    }
}
