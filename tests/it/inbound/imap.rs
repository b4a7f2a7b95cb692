//! Mailboxes, on a real Dovecot.

use std::sync::Arc;

use visavis::config::{ImapSettings, RelayTls, Then};
use visavis::mailroom::Mailroom;
use visavis::storage::Sql;

use super::{Desk, NO_SUCH_USER, bounce, reply};
use crate::kit::dovecot::Dovecot;
use crate::on_both;

fn mailroom(desk: &mut Desk, mailbox: ImapSettings) -> Mailroom {
    desk.house.change_settings(|settings| {
        settings.inbound.max_bytes = 100_000;
        settings.inbound.imap = [("bounces".to_owned(), mailbox)].into();
    });
    let parts = &desk.house.parts;
    Mailroom::new(
        parts.db.clone(),
        parts.keys.clone(),
        Arc::clone(&parts.clock),
        Arc::clone(&parts.settings),
    )
    .unwrap()
}

on_both! {
    async fn a_mailbox_is_collected_once_whatever_happens_to_its_mails(db: &TestDb) {
        let Some(server) = Dovecot::start() else { return };
        let mut desk = Desk::open(db, 130).await;
        for customer in 1..=120 {
            server.deliver(&desk.bounce(customer, NO_SUCH_USER).await);
        }
        // Seen: they stay, and are passed over the next time.
        let room = mailroom(&mut desk, server.settings(RelayTls::Implicit, Then::Seen));
        assert_eq!(room.collect_once().await.unwrap(), 120);
        assert_eq!(room.collect_once().await.unwrap(), 0);
        assert_eq!((server.count("INBOX"), server.unseen("INBOX")), (120, 0));
        assert_eq!(desk.counter("bounces").await, 120);
        let position = desk.number("SELECT last_uid AS n FROM mailbox_positions").await;
        assert_eq!(position, 120);
        // A mail that is seen already is taken in all the same, and one that came by another way is not counted.
        let known = desk.bounce(121, NO_SUCH_USER).await;
        desk.takes(&known).await;
        server.deliver(&known);
        server.deliver_seen(&desk.bounce(122, NO_SUCH_USER).await);
        assert_eq!(room.collect_once().await.unwrap(), 1);
        assert_eq!(desk.counter("bounces").await, 122);
        // The position is lost: all of it is looked at again, and nothing happens.
        db.run("UPDATE mailbox_positions SET uid_validity = 1", []).await.unwrap();
        assert_eq!(room.collect_once().await.unwrap(), 0);
        assert_eq!(desk.counter("bounces").await, 122);

        // Moved away, over STARTTLS; while the database is away they stay.
        let room = mailroom(&mut desk, server.settings(RelayTls::Starttls, Then::Move("Taken in".to_owned())));
        server.deliver(&desk.bounce(123, NO_SUCH_USER).await);
        db.run("ALTER TABLE received_mails RENAME TO away", []).await.unwrap();
        assert!(room.collect_once().await.is_err());
        assert_eq!(server.count("INBOX"), 123);
        db.run("ALTER TABLE away RENAME TO received_mails", []).await.unwrap();
        assert_eq!(room.collect_once().await.unwrap(), 1);
        assert_eq!((server.count("INBOX"), server.count("Taken in")), (0, 123));

        // Deleted, in the clear on this machine. A bounce that overtakes its message waits and holds up nobody.
        let room = mailroom(&mut desk, server.settings(RelayTls::None, Then::Delete));
        db.run("UPDATE waves SET status = 'running'", []).await.unwrap();
        let early = desk.message_to(124).await.seq;
        db.run("UPDATE deliveries SET state = 1 WHERE seq = $1", [early.into()]).await.unwrap();
        server.deliver(&desk.bounce(124, NO_SUCH_USER).await);
        server.deliver(&desk.bounce(125, NO_SUCH_USER).await);
        server.deliver(&format!("{}{}", reply("x", "someone@example.net", "What is this?"), "long ".repeat(200_000)));
        assert_eq!(room.collect_once().await.unwrap(), 2);
        assert_eq!(server.count("INBOX"), 1);
        assert!(desk.is_refused(125).await && !desk.is_refused(124).await);
        db.run("UPDATE deliveries SET state = 2 WHERE seq = $1", [early.into()]).await.unwrap();
        assert_eq!(room.collect_once().await.unwrap(), 1);
        assert_eq!(server.count("INBOX"), 0);
        assert_eq!(desk.counter("bounces").await, 125);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_cannot_be_had_says_why() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let db = crate::kit::database::sqlite().await;
    let mut desk = Desk::open(&db, 1).await;
    server.deliver(&bounce("1-1-x", "c1@example.org", NO_SUCH_USER));
    let good = server.settings(RelayTls::Implicit, Then::Seen);
    let mut wrong_password = good.clone();
    wrong_password.password = Some(serde_json::from_value("wrong".into()).unwrap());
    let mut wrong_folder = good.clone();
    wrong_folder.folder = "Nowhere".to_owned();
    let mut unknown_certificate = good.clone();
    unknown_certificate.ca_file = None;
    let mut wrong_port = good.clone();
    wrong_port.port = 1;
    let mut silent = good.clone();
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    silent.port = mute.local_addr().unwrap().port();
    silent.timeout_seconds = 1;
    for (mailbox, said) in [
        (wrong_password, "username, password"),
        (wrong_folder, "folder"),
        (unknown_certificate, "tls"),
        (wrong_port, "port"),
        (silent, "did not answer in time"),
    ] {
        let told = mailroom(&mut desk, mailbox)
            .collect_once()
            .await
            .unwrap_err();
        assert!(
            told.starts_with("inbound.imap.bounces: ") && told.contains(said),
            "{told}"
        );
    }
    assert_eq!(mailroom(&mut desk, good).collect_once().await.unwrap(), 1);
}
