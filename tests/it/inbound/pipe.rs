//! The command behind a mail server's pipe, and over files.

use std::fs;
use std::time::{Duration, Instant};

use visavis::storage::Sql;

use super::{Desk, NO_SUCH_USER, Refusal, bounce, reply};
use crate::cli::{told, visavis};
use crate::kit::ledger::number;
use crate::kit::program::Node;
use crate::on_both;

on_both! {
    async fn the_pipe_takes_a_mail_or_tells_the_server_to_keep_it(db: &TestDb) {
        let desk = Desk::open(db, 2).await;
        let tag = desk.tag(1).await;
        let node = Node::texting(db, "");
        // The tag stands in the envelope alone.
        let mail = bounce("1-1-x", "c1@example.org", NO_SUCH_USER).replace("X-Visavis-Ref", "X-Other");
        let to = format!("b+{tag}@bounce.localhost");
        let pipe = ["ingest", "mail", "--sender", "", "--recipient", &to];
        assert_eq!(node.feed(&pipe, mail.as_bytes()), Some(0), "{}", node.log());
        assert!(desk.is_refused(1).await);
        assert_eq!(node.feed(&pipe, mail.as_bytes()), Some(0));
        assert_eq!(desk.counter("bounces").await, 1);
        db.run("ALTER TABLE received_mails RENAME TO away", []).await.unwrap();
        assert_eq!(node.feed(&pipe, reply("x", "a@b.example", "new").as_bytes()), Some(75));
        db.run("ALTER TABLE away RENAME TO received_mails", []).await.unwrap();
        assert_eq!(node.feed(&["ingest", "mail", "/no/such/file"], b""), Some(66));
        let away = Node::texting(db, "").set("database.url", "postgres://visavis@127.0.0.1:1/none");
        assert_eq!(away.feed(&pipe, mail.as_bytes()), Some(75));
        // Whatever it is, it is kept.
        assert_eq!(node.feed(&["ingest", "mail", "-"], &[0xff, 0, b'\n', 0x80]), Some(0));
        assert_eq!(node.feed(&["ingest", "mail", "-"], b""), Some(0));
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM received_mails WHERE is_kept").await, 2);
    }

    async fn killed_in_the_midst_of_many_each_counts_once(db: &TestDb) {
        const MAILS: i64 = 240;
        let desk = Desk::open(db, MAILS).await;
        let folder = tempfile::tempdir().unwrap();
        let mut mbox = String::new();
        for customer in 1..=MAILS {
            let mail = desk.bounce(customer, NO_SUCH_USER).await.replace("\r\n", "\n");
            mbox.push_str(&format!("From MAILER-DAEMON Sun Nov 22 12:00:00 2026\n{mail}\n"));
        }
        let file = folder.path().join("bounces.mbox");
        fs::write(&file, mbox).unwrap();
        let arguments = ["ingest", "mail", file.to_str().unwrap()];
        let node = Node::texting(db, "");
        for part in 1..=3 {
            let mut program = node.start(&arguments);
            let begin = Instant::now();
            while number(db, "SELECT COUNT(*) AS n FROM received_mails").await < part * MAILS / 5 {
                assert!(program.is_running(), "it is at work: {}", node.log());
                assert!(begin.elapsed() < Duration::from_secs(120), "it comes on: {}", node.log());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            program.kill();
        }
        // Two at once, one of them from a Maildir with the same mails and one more.
        let maildir = folder.path().join("Maildir");
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(maildir.join(sub)).unwrap();
        }
        for customer in 1..=MAILS {
            fs::write(maildir.join(format!("new/{customer}")), desk.bounce(customer, NO_SUCH_USER).await).unwrap();
        }
        fs::write(maildir.join("cur/x:2,S"), desk.bounce(1, Refusal { id: "more", ..NO_SUCH_USER }).await).unwrap();
        let one = node.start(&arguments);
        let other = node.start(&["ingest", "mail", maildir.to_str().unwrap()]);
        assert!(one.ended().await.success() && other.ended().await.success(), "{}", node.log());
        for name in ["bounces", "bounces.invalid_recipient"] {
            assert_eq!(desk.counter(name).await, MAILS, "{name}");
        }
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM received_mails").await, MAILS + 1);
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM responses WHERE kind = 'bounce'").await, MAILS);
        assert_eq!(desk.number("SELECT COUNT(*) AS n FROM customers WHERE email_state = 'refused'").await, MAILS);
    }
}

/// From the shell of who answers customers.
#[test]
fn kept_mail_is_listed_shown_and_ticked_off() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mail = reply(
        "none",
        "Jean <jean@example.net>",
        "Do you have \u{1b}[31mblue\u{1b}[0m ones?\nJean",
    );
    fs::write(folder.join("one.eml"), mail).unwrap();
    let ingest = ["ingest", "mail", "one.eml"];
    assert_eq!(told(folder, &ingest).trim(), "1 mail taken in, 0 before.");
    assert_eq!(told(folder, &ingest).trim(), "0 mails taken in, 1 before.");
    let list = told(folder, &["mail", "list"]);
    assert!(
        list.starts_with("1 mail, 1 to be read") && list.contains("jean@example.net"),
        "{list}"
    );
    assert!(list.contains("blue") && !list.contains('\u{1b}'), "{list}");
    let shown = told(folder, &["mail", "show", "1"]);
    assert!(
        shown.contains("ones?\nJean") && !shown.contains('\u{1b}'),
        "{shown}"
    );
    told(folder, &["mail", "done", "1"]);
    assert_eq!(
        told(folder, &["mail", "list"]).trim(),
        "1 mail, 0 to be read"
    );
    let all: serde_json::Value =
        serde_json::from_str(&told(folder, &["mail", "list", "--all", "--json"])).unwrap();
    assert_eq!(all["mails"][0]["subject"], "Re: Bonjour");
    for wrong in [["mail", "show", "9"], ["mail", "done", "9"]] {
        let output = visavis(folder, &wrong);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains("visavis mail list --all"),
            "{said}"
        );
    }
}
