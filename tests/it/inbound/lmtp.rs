//! The listener, spoken to over TCP as a mail server does.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use visavis::config::LmtpSettings;
use visavis::mailroom::Mailroom;
use visavis::storage::Sql;

use super::{Desk, NO_SUCH_USER, bounce};
use crate::on_both;

/// A mail server that brings something.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        assert!(client.answer().await.starts_with("220 "));
        client
    }

    /// The next answer, all of its lines.
    pub async fn answer(&mut self) -> String {
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(
                std::time::Duration::from_secs(60),
                self.0.read_line(&mut line),
            );
            read.await.expect("an answer in time").unwrap();
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            answer.push_str(&line);
            if !goes_on {
                return answer.trim_end().to_owned();
            }
        }
    }

    pub async fn write(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    pub async fn say(&mut self, line: &str) -> String {
        self.write(&format!("{line}\r\n")).await;
        self.answer().await
    }

    /// The content of a mail after its envelope, and the answers to it.
    pub async fn send(&mut self, mail: &str, answers: usize) -> Vec<String> {
        assert!(self.say("DATA").await.starts_with("354"));
        self.write(&mail.replace("\r\n.", "\r\n..")).await;
        self.write(".\r\n").await;
        let mut told = Vec::new();
        for _ in 0..answers {
            told.push(self.answer().await);
        }
        told
    }
}

/// A listener of the test's own.
pub struct Listener {
    pub address: SocketAddr,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Listener {
    pub fn open(desk: &mut Desk, connections: usize) -> Self {
        desk.house.change_settings(|settings| {
            settings.inbound.domains = vec!["vaisselle.example".to_owned()];
            settings.inbound.max_bytes = 20_000;
            settings.inbound.lmtp = Some(LmtpSettings {
                listen: ([127, 0, 0, 1], 0).into(),
                connections,
                timeout_seconds: 20,
            });
        });
        let parts = &desk.house.parts;
        let mailroom = Mailroom::new(
            parts.db.clone(),
            parts.keys.clone(),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.settings),
        )
        .unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let its = stop.clone();
        let running = tokio::spawn(async move { mailroom.run(Some(socket), &its).await });
        Self {
            address,
            stop,
            running,
        }
    }

    pub async fn close(self) {
        self.stop.cancel();
        tokio::time::timeout(std::time::Duration::from_secs(60), self.running)
            .await
            .expect("it ends")
            .unwrap();
    }
}

on_both! {
    async fn a_mail_is_answered_when_the_database_has_it(db: &TestDb) {
        let mut desk = Desk::open(db, 4).await;
        let listener = Listener::open(&mut desk, 4);
        let mut client = Client::connect(listener.address).await;
        let hello = client.say("LHLO mx.example.net").await;
        for word in ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 20000"] {
            assert!(hello.contains(word), "{hello}");
        }
        // One mail, two recipients: an answer each. The tags stand in the envelope alone.
        let poor = "From: MAILER-DAEMON@mx.example.net\r\nSubject: failure notice\r\n\r\n\
            Hi. This is the qmail-send program at mx.example.net.\r\nI'm afraid I wasn't able to deliver your message to the following addresses.\r\n\
            .\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n";
        assert_eq!(client.say("MAIL FROM:<> SIZE=300 BODY=8BITMIME").await, "250 2.1.0 go on");
        for customer in [1, 2] {
            let tag = desk.tag(customer).await.to_uppercase();
            assert_eq!(client.say(&format!("RCPT TO:<B+{tag}@BOUNCE.LOCALHOST>")).await, "250 2.1.5 go on");
        }
        assert_eq!(client.send(poor, 2).await, ["250 2.0.0 taken", "250 2.0.0 taken"]);
        assert!(desk.is_refused(1).await && desk.is_refused(2).await && !desk.is_refused(3).await);

        // The same dialogue as SMTP, all of it at once (RFC 2920): one answer a mail. BATV stands around the tag.
        let tag = desk.tag(3).await;
        client.write("EHLO mx.example.net\r\n").await;
        client.answer().await;
        client.write(&format!("MAIL FROM:<>\r\nRCPT TO:<prvs=4040AB12CD=b+{tag}@bounce.localhost>\r\nDATA\r\n")).await;
        for code in ["250", "250", "354"] {
            assert!(client.answer().await.starts_with(code));
        }
        client.write(&format!("{}.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n", bounce(&tag, "c3@example.org", NO_SUCH_USER))).await;
        for code in ["250 2.0.0 taken", "250", "250", "221"] {
            assert!(client.answer().await.starts_with(code));
        }
        assert!(desk.is_refused(3).await);
        assert_eq!(desk.counter("bounces").await, 3);

        // While the database does not take it, the server keeps it.
        let mut client = Client::connect(listener.address).await;
        let tag = desk.tag(4).await;
        client.say("LHLO mx").await;
        db.run("ALTER TABLE received_mails RENAME TO away", []).await.unwrap();
        for (taken, is_back) in [("451 4.3.0", false), ("250 2.0.0", true), ("250 2.0.0", true)] {
            if is_back {
                // The second time there is nothing to rename any more.
                let _ = db.run("ALTER TABLE away RENAME TO received_mails", []).await;
            }
            client.say("MAIL FROM:<>").await;
            client.say(&format!("RCPT TO:<b+{tag}@bounce.localhost>")).await;
            let told = client.send(&bounce(&tag, "c4@example.org", NO_SUCH_USER), 1).await;
            assert!(told[0].starts_with(taken), "{told:?}");
            assert_eq!(desk.is_refused(4).await, is_back);
        }
        assert_eq!(desk.counter("bounces").await, 4);
        listener.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_mail_for_us_alone_and_bounds_everything() {
    let db = crate::kit::database::sqlite().await;
    let mut desk = Desk::open(&db, 1).await;
    let listener = Listener::open(&mut desk, 2);
    let mut client = Client::connect(listener.address).await;
    assert!(client.say("MAIL FROM:<>").await.starts_with("503"));
    assert!(client.say("HELO mx").await.starts_with("250 "));
    assert!(
        client
            .say("RCPT TO:<b+x@bounce.localhost>")
            .await
            .starts_with("503")
    );
    assert!(
        client
            .say("MAIL FROM:<a@b> SIZE=20001")
            .await
            .starts_with("552")
    );
    assert!(client.say("MAIL FROM:<a@b>").await.starts_with("250"));
    for other in [
        "someone@gmail.example",
        "b+x@bounce.localhost.example",
        "b+x%gmail.example@other.example",
        "@bounce.localhost:x@gmail.example",
        "nobody",
    ] {
        let told = client.say(&format!("RCPT TO:<{other}>")).await;
        assert!(told.starts_with("550 5.7.1"), "{other}: {told}");
    }
    assert!(client.say("DATA").await.starts_with("503"));
    for own in [
        "x@vaisselle.example",
        "Postmaster",
        "postmaster@bounce.localhost",
    ] {
        assert!(
            client
                .say(&format!("RCPT TO:<{own}>"))
                .await
                .starts_with("250"),
            "{own}"
        );
    }
    // Too long is said once the mail is over, and what follows is understood.
    let long = format!("Subject: x\r\n\r\n{}\r\n", "y".repeat(30_000));
    assert_eq!(
        client.send(&long, 1).await,
        ["552 5.3.4 the mail is too big"]
    );
    assert!(client.say("NOOP").await.starts_with("250"));
    assert!(
        client
            .say(&"x".repeat(5_000))
            .await
            .starts_with("500 5.5.2")
    );
    assert_eq!(
        desk.number("SELECT COUNT(*) AS n FROM received_mails")
            .await,
        0
    );
    client.say("MAIL FROM:<a@b>").await;
    for n in 0..101 {
        let told = client
            .say(&format!("RCPT TO:<{n}@vaisselle.example>"))
            .await;
        assert!(
            told.starts_with(if n < 100 { "250" } else { "452" }),
            "{n}: {told}"
        );
    }
    client.say("RSET").await;
    let mut told = String::new();
    for _ in 0..30 {
        told = client.say("GARBAGE").await;
        if told.starts_with("421") {
            break;
        }
    }
    assert!(told.starts_with("421"), "{told}");
    let mut rest = Vec::new();
    client.0.read_to_end(&mut rest).await.unwrap();

    // A third waits for a place, and gets it.
    let one = Client::connect(listener.address).await;
    let _two = Client::connect(listener.address).await;
    let mut third = BufReader::new(TcpStream::connect(listener.address).await.unwrap());
    let mut line = String::new();
    let wait = std::time::Duration::from_millis(200);
    assert!(
        tokio::time::timeout(wait, third.read_line(&mut line))
            .await
            .is_err()
    );
    drop(one);
    let wait = std::time::Duration::from_secs(60);
    tokio::time::timeout(wait, third.read_line(&mut line))
        .await
        .expect("a place")
        .unwrap();
    assert!(line.starts_with("220"));
    listener.close().await;
}
