//! What comes back by mail: taken in by every way, acting once, on both databases.

mod acts;
mod imap;
mod lmtp;
mod page;
mod pipe;

use visavis::ids::{CustomerId, DeliveryKey, WaveId};
use visavis::responses::inbox::model::{Received, Way};
use visavis::responses::inbox::receive;
use visavis::responses::inbox::receive::{Mail, ReceiveError};
use visavis::responses::mail::model::Envelope;
use visavis::tokens;

use crate::kit::database::TestDb;
use crate::kit::house::House;
use crate::kit::ledger::{counters, number};

/// A wave that was sent, and waits for what comes back.
pub struct Desk {
    pub house: House,
    pub wave: WaveId,
}

impl Desk {
    /// Sends a campaign to `n` people.
    pub async fn open(db: &TestDb, n: i64) -> Self {
        let house = House::new(db, None);
        house.add_customers(n, "example.org").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        Self { house, wave }
    }

    /// Sends another campaign to the same people.
    pub async fn send_again(&mut self, name: &str) {
        self.wave = self.house.send(name).await;
        self.house.deliver().await;
    }

    /// The message to a customer in the wave sent last.
    pub async fn message_to(&self, customer: i64) -> DeliveryKey {
        let sql = format!(
            "SELECT seq AS n FROM deliveries WHERE wave_id = {} AND customer_id = {customer}",
            self.wave
        );
        DeliveryKey {
            wave: self.wave,
            seq: number(&self.house.parts.db, &sql).await,
        }
    }

    /// The tag of that message's return path.
    pub async fn tag(&self, customer: i64) -> String {
        tokens::return_path_tag(self.message_to(customer).await, &self.house.parts.keys)
    }

    /// A bounce of that message.
    pub async fn bounce(&self, customer: i64, refusal: Refusal) -> String {
        bounce(
            &self.tag(customer).await,
            &format!("c{customer}@example.org"),
            refusal,
        )
    }

    pub async fn receive(&self, raw: &str) -> Result<Received, ReceiveError> {
        let envelope = Envelope::default();
        let mail = Mail {
            raw: raw.as_bytes(),
            envelope: &envelope,
            way: Way::Command,
        };
        let parts = &self.house.parts;
        receive::receive(&parts.db, &parts.keys, mail, self.house.clock_ms()).await
    }

    /// Takes a mail in that is new, and says what it was.
    pub async fn takes(&self, raw: &str) -> &'static str {
        match self.receive(raw).await.unwrap() {
            Received::New(kind) => kind,
            Received::Again => panic!("it was taken before: {raw}"),
        }
    }

    /// Whether mail to the customer is out of use.
    pub async fn is_refused(&self, customer: i64) -> bool {
        let sql = format!(
            "SELECT COUNT(*) AS n FROM customers WHERE id = {customer} AND email_state = 'refused'"
        );
        self.number(&sql).await == 1
    }

    pub async fn may(&self, customer: i64, topic: &str) -> bool {
        let print = self
            .house
            .parts
            .keys
            .fingerprint(&format!("c{customer}@example.org"));
        visavis::consent::store::may_contact(
            &*self.house.parts.db,
            CustomerId(customer),
            &print,
            visavis::consent::model::Channel::Email,
            topic,
        )
        .await
        .unwrap()
    }

    pub async fn number(&self, sql: &str) -> i64 {
        number(&self.house.parts.db, sql).await
    }

    /// A counter of the wave.
    pub async fn counter(&self, name: &str) -> i64 {
        let all = counters(&self.house.parts.db, self.wave).await;
        all.get(name).copied().unwrap_or_default()
    }
}

/// Why a server sent a message back.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    pub status: &'static str,
    pub said: &'static str,
    /// Tells two mails about one message apart.
    pub id: &'static str,
}

pub const NO_SUCH_USER: Refusal = Refusal {
    status: "5.1.1",
    said: "550 5.1.1 <recipient>: Recipient address rejected: User unknown in virtual mailbox table",
    id: "1",
};

pub const DISABLED: Refusal = Refusal {
    status: "5.2.1",
    said: "550 5.2.1 The email account that you tried to reach is disabled.",
    id: "2",
};

pub const FULL: Refusal = Refusal {
    status: "5.2.2",
    said: "552 5.2.2 The recipient's mailbox is full and can't accept messages now; over quota",
    id: "3",
};

pub const BLOCKED: Refusal = Refusal {
    status: "5.7.1",
    said: "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    id: "4",
};

/// A notification (RFC 3464) that a message was given up, to its return path, with its header.
pub fn bounce(tag: &str, to: &str, refusal: Refusal) -> String {
    let Refusal { status, said, id } = refusal;
    format!(
        "Return-Path: <>\r\n\
         Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\
         From: MAILER-DAEMON@mx.example.net (Mail Delivery System)\r\n\
         Subject: Undelivered Mail Returned to Sender\r\n\
         To: b+{tag}@bounce.localhost\r\n\
         Auto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"zz\"\r\n\
         Message-Id: <{id}.{tag}@mx.example.net>\r\n\
         \r\n\
         --zz\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         This is the mail system at host mx.example.net.\r\n\
         \r\n\
         <{to}>: host mail.example.org[192.0.2.2] said: {said}\r\n\
         \r\n\
         --zz\r\n\
         Content-Type: message/delivery-status\r\n\
         \r\n\
         Reporting-MTA: dns; mx.example.net\r\n\
         \r\n\
         Final-Recipient: rfc822; {to}\r\n\
         Action: failed\r\n\
         Status: {status}\r\n\
         Diagnostic-Code: smtp; {said}\r\n\
         \r\n\
         --zz\r\n\
         Content-Type: text/rfc822-headers\r\n\
         \r\n\
         From: Maison Vaisselle <bonjour@vaisselle.example>\r\n\
         To: =?utf-8?Q?=C3=89lodie?= <{to}>\r\n\
         Subject: Bonjour\r\n\
         X-Visavis-Ref: {tag}\r\n\
         \r\n\
         --zz--\r\n"
    )
}

/// A feedback report (RFC 5965) about a message.
pub fn report(tag: &str, kind: &str) -> String {
    format!(
        "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\
         From: feedback@provider.example\r\n\
         To: fbl@bounce.localhost\r\n\
         Subject: FW: Bonjour\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=\"yy\"\r\n\
         \r\n\
         --yy\r\n\
         Content-Type: text/plain\r\n\
         \r\n\
         This is an email abuse report.\r\n\
         \r\n\
         --yy\r\n\
         Content-Type: message/feedback-report\r\n\
         \r\n\
         Feedback-Type: {kind}\r\n\
         User-Agent: Provider/1.0\r\n\
         Version: 1\r\n\
         \r\n\
         --yy\r\n\
         Content-Type: text/rfc822-headers\r\n\
         \r\n\
         From: Maison Vaisselle <bonjour@vaisselle.example>\r\n\
         To: <redacted@example.org>\r\n\
         X-Visavis-Ref: {tag}\r\n\
         Subject: Bonjour\r\n\
         \r\n\
         --yy--\r\n"
    )
}

/// A mail by a person, in answer to the Message-ID with this local part.
pub fn reply(message_id_local: &str, from: &str, text: &str) -> String {
    format!(
        "Date: Sun, 22 Nov 2026 12:30:00 +0000\r\n\
         From: {from}\r\n\
         To: bonjour@vaisselle.example\r\n\
         Subject: Re: Bonjour\r\n\
         Message-ID: <r1@example.org>\r\n\
         In-Reply-To: <{message_id_local}@visavis.localhost>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         \r\n\
         {text}\r\n"
    )
}
