//! The email channel against a relay that misbehaves, and against the sandbox.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use visavis::channels::email::{EmailChannel, EmailWave, Phase, outcome_of_reply};
use visavis::channels::model::{Class, EmailMessage, Outcome, Sender, WaveFrame};
use visavis::channels::outbox::OutboxMessage;
use visavis::config::{EmailSettings, RelayTls};
use visavis::ids::{DeliveryKey, WaveId};
use visavis::keys::Keys;

use crate::kit::certificate;
use crate::kit::smtp::{Act, Script, SmtpPeer, Step, When};

fn frame() -> WaveFrame {
    WaveFrame {
        sender: Sender {
            name: "Maison Été".to_owned(),
            address: "bonjour@example.com".to_owned(),
            reply_to: Some("reply@example.com".to_owned()),
        },
        campaign: "Printemps".to_owned(),
        topic: "newsletter".to_owned(),
    }
}

fn message(seq: i64, to: &str) -> EmailMessage {
    EmailMessage {
        delivery: DeliveryKey {
            wave: WaveId(7),
            seq,
        },
        to_name: Some("Élise".to_owned()),
        to_address: to.to_owned(),
        subject: "Une idée pour vous".to_owned(),
        html: "<p>Bonjour Élise,</p>\n<p>.</p>\n".to_owned(),
        text: "Bonjour Élise,\n.\n..\n.caché\nà bientôt\n".to_owned(),
        unsubscribe_url: "https://news.example.com/u/TOKEN".to_owned(),
        at: 1_795_000_000_000,
    }
}

fn open(settings: &EmailSettings) -> (EmailChannel, EmailWave) {
    let keys = Keys::from_secret(&[7; 32]);
    let channel = EmailChannel::new(settings, keys, Path::new("not used")).expect("it opens");
    let wave = channel.open_wave(&frame());
    (channel, wave)
}

async fn send(script: Script, to: &str) -> (SmtpPeer, Outcome) {
    let peer = SmtpPeer::start(script).await;
    let (_channel, wave) = open(&peer.settings());
    let outcome = wave.send(&message(1, to)).await;
    (peer, outcome)
}

fn deferred(outcome: &Outcome) -> Option<(Class, u16)> {
    match outcome {
        Outcome::Deferred { class, reply, .. } => Some((*class, reply.code)),
        _ => None,
    }
}

fn rejected(outcome: &Outcome) -> Option<(Class, u16)> {
    match outcome {
        Outcome::Rejected { class, reply } => Some((*class, reply.code)),
        _ => None,
    }
}

#[tokio::test]
async fn a_message_arrives_byte_for_byte_pipelined_or_not() {
    let mut arrived = Vec::new();
    for script in [Script::new(), Script::new().without("PIPELINING")] {
        let peer = SmtpPeer::start(script).await;
        let (channel, wave) = open(&peer.settings());
        for seq in 1..=3 {
            let outcome = wave.send(&message(seq, "elise@example.org")).await;
            assert_eq!(outcome, Outcome::Accepted);
        }
        channel.close().await;
        assert_eq!(peer.connections(), 1, "the connection is used again");
        let messages = peer.messages();
        let composed = wave.compose(&message(1, "elise@example.org")).unwrap();
        assert_eq!(messages[0].raw, composed.raw);
        assert_eq!(messages[0].return_path, composed.return_path);
        assert_eq!(messages[0].recipient, "elise@example.org");
        assert_eq!(peer.commands().last().map(String::as_str), Some("QUIT"));
        arrived.push(messages);
    }
    assert_eq!(arrived[0], arrived[1]);
    let id = arrived[0][0].header("Message-ID").unwrap();
    assert!(
        id.starts_with("<7.1.") && id.ends_with("@news.example.com>"),
        "{id}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_stay_within_their_bound() {
    let peer = SmtpPeer::start(Script::new().latency(Duration::from_millis(1))).await;
    let (channel, wave) = open(&peer.settings());
    let sends = (1..=200).map(|seq| {
        let wave = wave.clone();
        tokio::spawn(async move { wave.send(&message(seq, "a@example.org")).await })
    });
    for send in sends.collect::<Vec<_>>() {
        assert_eq!(send.await.unwrap(), Outcome::Accepted);
    }
    assert_eq!(peer.accepted().len(), 200);
    let mut ids: Vec<_> = peer.accepted().into_iter().map(|(_, id)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200, "each once");
    assert_eq!(peer.max_connections(), 4);
    assert_eq!(peer.connections(), 4);
    channel.close().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(peer.open_connections(), 0);
    let late = wave.send(&message(201, "a@example.org")).await;
    assert_eq!(deferred(&late), Some((Class::Network, 0)));
}

#[tokio::test]
async fn a_connection_is_changed_after_so_many_messages() {
    let peer = SmtpPeer::start(Script::new()).await;
    let mut settings = peer.settings();
    settings.messages_per_connection = 3;
    let (_channel, wave) = open(&settings);
    for seq in 1..=7 {
        assert_eq!(
            wave.send(&message(seq, "a@example.org")).await,
            Outcome::Accepted
        );
    }
    assert_eq!(peer.connections(), 3);
    assert_eq!(peer.max_connections(), 1);
}

#[tokio::test]
async fn the_pace_is_kept() {
    let peer = SmtpPeer::start(Script::new()).await;
    let mut settings = peer.settings();
    settings.rate_per_second = Some(10);
    let (_channel, wave) = open(&settings);
    let start = Instant::now();
    let sends = (1..=6).map(|seq| {
        let wave = wave.clone();
        tokio::spawn(async move { wave.send(&message(seq, "a@example.org")).await })
    });
    for send in sends.collect::<Vec<_>>() {
        assert_eq!(send.await.unwrap(), Outcome::Accepted);
    }
    assert!(
        start.elapsed() >= Duration::from_millis(450),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn every_refusal_has_its_outcome() {
    use Class::{
        Blocked, Content, Greylist, Inactive, InvalidRecipient, Network, Policy, Quota, Relay,
    };
    let defer = true;
    let cases: &[(Step, &str, bool, Class, u16)] = &[
        (
            Step::Greeting,
            "554 5.7.1 no mail from you",
            defer,
            Network,
            554,
        ),
        (Step::Greeting, "421 4.3.2 later", defer, Network, 421),
        (
            Step::Ehlo,
            "550 5.7.1 blocked using zen.spamhaus.org",
            defer,
            Blocked,
            550,
        ),
        (Step::Ehlo, "451 not now", defer, Network, 451),
        (Step::Mail, "550 5.1.8 bad sender", false, Relay, 550),
        (Step::Mail, "550 5.7.26 DMARC", false, Policy, 550),
        (Step::Mail, "451 4.7.1 too fast", defer, Greylist, 451),
        (
            Step::Mail,
            "421 4.7.0 too many messages",
            defer,
            Greylist,
            421,
        ),
        (
            Step::Rcpt,
            "550 5.1.1 user unknown",
            false,
            InvalidRecipient,
            550,
        ),
        (Step::Rcpt, "525 5.7.13 disabled", false, Inactive, 525),
        (Step::Rcpt, "450 4.7.1 greylisted", defer, Greylist, 450),
        (Step::Rcpt, "452 4.2.2 mailbox full", defer, Quota, 452),
        (Step::Rcpt, "421 4.4.2 closing", defer, Network, 421),
        (
            Step::Data,
            "451 4.3.0 try again later",
            defer,
            Greylist,
            451,
        ),
        (
            Step::Data,
            "554 5.7.1 blocked by reputation",
            false,
            Blocked,
            554,
        ),
        (Step::Dot, "552 5.3.4 too big", false, Content, 552),
        (
            Step::Dot,
            "554 5.7.1 spam message rejected",
            false,
            Blocked,
            554,
        ),
        (Step::Dot, "550 5.7.515 authenticate", false, Policy, 550),
        (Step::Dot, "452 4.3.1 full", defer, Quota, 452),
        (Step::Dot, "421 4.3.2 shutting down", defer, Network, 421),
    ];
    for (step, answer, is_deferred, class, code) in cases {
        for pipelining in [true, false] {
            let mut script = Script::new().on(*step, When::Always, Act::Reply(answer));
            if !pipelining {
                script = script.without("PIPELINING");
            }
            let (peer, outcome) = send(script, "x@example.org").await;
            let found = if *is_deferred {
                deferred(&outcome)
            } else {
                rejected(&outcome)
            };
            assert_eq!(
                found,
                Some((*class, *code)),
                "{step:?} {answer} {outcome:?}"
            );
            assert_eq!(peer.messages(), []);
        }
    }
}

#[tokio::test]
async fn a_time_the_server_names_is_passed_on() {
    let script = Script::new().on(
        Step::Rcpt,
        When::Always,
        Act::Reply("451 4.7.1 greylisted, try again in 10 minutes"),
    );
    let (_peer, outcome) = send(script, "x@example.org").await;
    let Outcome::Deferred { retry_after, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(600)));
}

#[tokio::test]
async fn silence_ends_in_time_and_only_after_the_dot_is_it_unknown() {
    for step in [
        Step::Greeting,
        Step::Ehlo,
        Step::Mail,
        Step::Rcpt,
        Step::Data,
    ] {
        let start = Instant::now();
        let (_peer, outcome) = send(
            Script::new().on(step, When::Always, Act::Silence),
            "x@example.org",
        )
        .await;
        assert_eq!(deferred(&outcome), Some((Class::Network, 0)), "{step:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "{step:?}");
    }
    let (_peer, outcome) = send(
        Script::new().on(Step::Dot, When::Always, Act::Silence),
        "x@example.org",
    )
    .await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_broken_connection_is_unknown_only_after_the_dot() {
    for step in [
        Step::Greeting,
        Step::Ehlo,
        Step::Mail,
        Step::Rcpt,
        Step::Data,
    ] {
        let (_peer, outcome) = send(
            Script::new().on(step, When::Always, Act::HangUp),
            "x@example.org",
        )
        .await;
        assert_eq!(deferred(&outcome), Some((Class::Network, 0)), "{step:?}");
    }
    for (act, arrived) in [(Act::HangUp, 0), (Act::AcceptAndHangUp, 1)] {
        let (peer, outcome) = send(
            Script::new().on(Step::Dot, When::Always, act),
            "x@example.org",
        )
        .await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        assert_eq!(peer.messages().len(), arrived);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_within_the_message_may_be_tried_again() {
    let script = Script::new().on(
        Step::Data,
        When::Always,
        Act::ReplyAndHangUp("354 go ahead"),
    );
    let peer = SmtpPeer::start(script).await;
    let (_channel, wave) = open(&peer.settings());
    // More than the buffers on the way hold: the final dot cannot have been written.
    let mut large = message(1, "x@example.org");
    large.html = "<p>long</p>\n".repeat(2_000_000);
    let outcome = wave.send(&large).await;
    assert_eq!(deferred(&outcome), Some((Class::Network, 0)));
}

#[tokio::test]
async fn a_server_that_is_gone_defers() {
    let peer = SmtpPeer::start(Script::new()).await;
    let settings = peer.settings();
    drop(peer);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (channel, wave) = open(&settings);
    let outcome = wave.send(&message(1, "x@example.org")).await;
    assert_eq!(deferred(&outcome), Some((Class::Network, 0)));
    let advice = channel.check().await.unwrap_err();
    assert!(advice.contains("email.relay.port"), "{advice}");
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_nothing() {
    for script in [Script::new(), Script::new().without("PIPELINING")] {
        let script = script.hang_up_idle(Duration::from_millis(30));
        let peer = SmtpPeer::start(script).await;
        let (_channel, wave) = open(&peer.settings());
        for seq in 1..=3 {
            assert_eq!(
                wave.send(&message(seq, "a@example.org")).await,
                Outcome::Accepted
            );
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
        assert_eq!(peer.messages().len(), 3);
        assert_eq!(peer.connections(), 3);
    }
}

#[tokio::test]
async fn a_server_that_closes_after_some_messages_loses_none() {
    let peer = SmtpPeer::start(Script::new().hang_up_after(2)).await;
    let (_channel, wave) = open(&peer.settings());
    for seq in 1..=7 {
        assert_eq!(
            wave.send(&message(seq, "a@example.org")).await,
            Outcome::Accepted
        );
    }
    assert_eq!(peer.messages().len(), 7);
    assert_eq!(peer.connections(), 4);
}

#[tokio::test]
async fn a_farewell_in_place_of_an_answer_is_tried_once_on_a_fresh_connection() {
    let script = Script::new().on(
        Step::Mail,
        When::Nth(2),
        Act::ReplyAndHangUp("421 4.4.2 idle for too long"),
    );
    let peer = SmtpPeer::start(script).await;
    let (_channel, wave) = open(&peer.settings());
    for seq in 1..=3 {
        assert_eq!(
            wave.send(&message(seq, "a@example.org")).await,
            Outcome::Accepted
        );
    }
    assert_eq!(peer.messages().len(), 3);
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn after_a_refused_recipient_the_connection_serves_the_next() {
    // DATA without a recipient is refused by some servers, and by others answered with 354.
    for script in [
        Script::new(),
        Script::new().go_ahead_without_recipient(),
        Script::new().without("PIPELINING"),
    ] {
        let script = script
            .on(
                Step::Rcpt,
                When::To("@refused.example"),
                Act::Reply("550 5.1.1 no such user"),
            )
            .on(
                Step::Rcpt,
                When::FirstTimes(1),
                Act::Reply("451 4.7.1 greylisted"),
            );
        let peer = SmtpPeer::start(script).await;
        let (_channel, wave) = open(&peer.settings());
        let outcome = wave.send(&message(1, "x@refused.example")).await;
        assert_eq!(rejected(&outcome), Some((Class::InvalidRecipient, 550)));
        let outcome = wave.send(&message(2, "y@example.org")).await;
        assert_eq!(deferred(&outcome), Some((Class::Greylist, 451)));
        assert_eq!(
            wave.send(&message(2, "y@example.org")).await,
            Outcome::Accepted
        );
        assert_eq!(peer.connections(), 1);
        let resets = peer
            .commands()
            .iter()
            .filter(|line| *line == "RSET")
            .count();
        assert_eq!(resets, 2);
        assert_eq!(peer.accepted().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_comes_late_but_in_time_is_waited_for() {
    let script = Script::new().on(
        Step::Dot,
        When::Nth(1),
        Act::Wait(Duration::from_millis(500)),
    );
    let (peer, outcome) = send(script, "x@example.org").await;
    assert_eq!(outcome, Outcome::Accepted);
    peer.wait_for(1).await;
}

#[tokio::test]
async fn non_ascii_addresses_need_a_server_that_knows_them() {
    let (_peer, outcome) = send(Script::new().without("SMTPUTF8"), "élise@example.org").await;
    assert_eq!(rejected(&outcome), Some((Class::Unsupported, 0)));

    let (peer, outcome) = send(Script::new(), "élise@exämple.org").await;
    assert_eq!(outcome, Outcome::Accepted);
    assert_eq!(peer.messages()[0].recipient, "élise@xn--exmple-cua.org");
    let mail = peer
        .commands()
        .into_iter()
        .find(|line| line.starts_with("MAIL"));
    assert!(mail.unwrap().ends_with("> SMTPUTF8 BODY=8BITMIME"));

    // A domain alone is put in ASCII, and needs nothing.
    let (peer, outcome) = send(Script::new().without("SMTPUTF8"), "elise@exämple.org").await;
    assert_eq!(outcome, Outcome::Accepted);
    assert_eq!(peer.messages()[0].recipient, "elise@xn--exmple-cua.org");
}

#[tokio::test]
async fn a_message_larger_than_the_server_takes_is_not_tried() {
    let (peer, outcome) = send(Script::new().with("SIZE 1000"), "x@example.org").await;
    assert_eq!(rejected(&outcome), Some((Class::Content, 0)));
    assert!(!peer.commands().iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn what_is_no_address_or_no_header_is_rejected_without_a_word_to_the_server() {
    let peer = SmtpPeer::start(Script::new()).await;
    let (channel, wave) = open(&peer.settings());
    let mut injected = message(1, "x@example.org");
    injected.subject = "Hello\r\nBcc: all@example.org".to_owned();
    assert_eq!(
        rejected(&wave.send(&injected).await),
        Some((Class::Content, 0))
    );
    for bad in [
        "nobody",
        "a b@example.org",
        "x@example.org>\r\nRCPT TO:<y@example.org",
        "@",
        "",
    ] {
        let outcome = wave.send(&message(1, bad)).await;
        assert_eq!(
            rejected(&outcome),
            Some((Class::InvalidRecipient, 0)),
            "{bad:?}"
        );
    }
    let mut frame = frame();
    frame.sender.name = "Maison\nBcc: all@example.org".to_owned();
    let wave = channel.open_wave(&frame);
    assert!(wave.fault().is_some());
    let outcome = wave.send(&message(1, "x@example.org")).await;
    assert_eq!(rejected(&outcome), Some((Class::Content, 0)));
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_in_clear() {
    let peer = SmtpPeer::start(Script::new()).await;
    let mut settings = peer.settings();
    if let Some(relay) = &mut settings.relay {
        relay.tls = RelayTls::Starttls;
    }
    let (channel, wave) = open(&settings);
    let outcome = wave.send(&message(1, "x@example.org")).await;
    assert_eq!(deferred(&outcome), Some((Class::Network, 0)));
    assert!(!peer.commands().iter().any(|line| line.starts_with("MAIL")));
    let advice = channel.check().await.unwrap_err();
    assert!(advice.contains("does not offer STARTTLS"), "{advice}");
    assert!(advice.contains("not sent in clear"), "{advice}");
}

#[tokio::test]
async fn both_ways_of_encryption_work_and_the_log_in_travels_within() {
    for mode in [RelayTls::Starttls, RelayTls::Implicit] {
        let folder = tempfile::tempdir().unwrap();
        let Some(tls) = certificate::localhost(folder.path(), mode) else {
            return;
        };
        let script = Script::new().tls(tls).login("visavis", "Geheimnis");
        let peer = SmtpPeer::start(script).await;
        let login = |password: &str| {
            let mut settings = peer.settings();
            if let Some(relay) = &mut settings.relay {
                relay.username = Some("visavis".to_owned());
                relay.password = serde_json::from_value(password.into()).ok();
            }
            settings
        };
        let (channel, wave) = open(&login("Geheimnis"));
        assert_eq!(
            wave.send(&message(1, "x@example.org")).await,
            Outcome::Accepted
        );
        assert!(peer.messages()[0].is_encrypted);
        let facts = channel.check().await.unwrap();
        assert!(facts.is_encrypted && facts.is_logged_in && facts.has_pipelining);
        assert_eq!(facts.greeting, "peer.example");

        let (channel, wave) = open(&login("wrong"));
        let outcome = wave.send(&message(1, "x@example.org")).await;
        assert_eq!(rejected(&outcome), Some((Class::Relay, 535)));
        let advice = channel.check().await.unwrap_err();
        assert!(advice.contains("email.relay.username"), "{advice}");

        // A certificate that nobody vouches for is refused.
        let mut settings = login("Geheimnis");
        if let Some(relay) = &mut settings.relay {
            relay.ca_file = None;
        }
        let (channel, wave) = open(&settings);
        let outcome = wave.send(&message(1, "x@example.org")).await;
        assert_eq!(deferred(&outcome), Some((Class::Network, 0)));
        let advice = channel.check().await.unwrap_err();
        assert!(advice.contains("ca_file"), "{advice}");
        assert_eq!(peer.messages().len(), 1);
    }
}

#[tokio::test]
async fn the_wrong_kind_of_encryption_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate::localhost(folder.path(), RelayTls::Implicit) else {
        return;
    };
    let peer = SmtpPeer::start(Script::new().tls(tls)).await;
    let mut settings = peer.settings();
    if let Some(relay) = &mut settings.relay {
        relay.tls = RelayTls::Starttls;
    }
    let advice = open(&settings).0.check().await.unwrap_err();
    assert!(
        advice.contains("set email.relay.tls to \"implicit\""),
        "{advice}"
    );

    let peer = SmtpPeer::start(Script::new()).await;
    let mut settings = peer.settings();
    if let Some(relay) = &mut settings.relay {
        relay.tls = RelayTls::Implicit;
    }
    let advice = open(&settings).0.check().await.unwrap_err();
    assert!(
        advice.contains("set email.relay.tls to \"starttls\""),
        "{advice}"
    );
}

#[tokio::test]
async fn a_log_in_that_is_not_offered_is_the_senders_fault() {
    let peer = SmtpPeer::start(Script::new()).await;
    let mut settings = peer.settings();
    if let Some(relay) = &mut settings.relay {
        relay.username = Some("visavis".to_owned());
        relay.password = serde_json::from_value("Geheimnis".into()).ok();
    }
    let (channel, wave) = open(&settings);
    let outcome = wave.send(&message(1, "x@example.org")).await;
    assert_eq!(rejected(&outcome), Some((Class::Relay, 0)));
    assert!(channel.check().await.unwrap_err().contains("no log-in"));
}

#[tokio::test]
async fn a_send_given_up_half_way_leaves_the_channel_whole() {
    let peer = SmtpPeer::start(Script::new().on(Step::Dot, When::Nth(1), Act::Silence)).await;
    let mut settings = peer.settings();
    settings.connections = 1;
    settings.timeout_seconds = 30;
    let (_channel, wave) = open(&settings);
    let first = message(1, "x@example.org");
    let given_up = tokio::time::timeout(Duration::from_millis(200), wave.send(&first)).await;
    assert!(given_up.is_err());
    assert_eq!(
        wave.send(&message(2, "x@example.org")).await,
        Outcome::Accepted
    );
}

fn sandbox(folder: &Path) -> (EmailChannel, EmailWave) {
    let settings = EmailSettings {
        relay: None,
        connections: 4,
        messages_per_connection: 100,
        rate_per_second: None,
        timeout_seconds: 5,
        bounce_domain: "bounce.example.com".to_owned(),
        message_domain: "news.example.com".to_owned(),
        feedback_id: "visavis".to_owned(),
        dkim: Vec::new(),
    };
    let keys = Keys::from_secret(&[7; 32]);
    let channel = EmailChannel::new(&settings, keys, folder).expect("it opens");
    let wave = channel.open_wave(&frame());
    (channel, wave)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_keeps_what_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (channel, wave) = sandbox(folder.path());
    assert!(channel.is_sandbox());
    assert_eq!(channel.check().await.unwrap().peer, "sandbox");
    let sends = (1..=50).map(|seq| {
        let wave = wave.clone();
        tokio::spawn(async move { wave.send(&message(seq, "elise@example.org")).await })
    });
    for send in sends.collect::<Vec<_>>() {
        assert_eq!(send.await.unwrap(), Outcome::Accepted);
    }
    let outbox = channel.outbox().unwrap();
    assert_eq!(outbox.count().unwrap(), 50);
    let newest = outbox.list(0, 1, None).unwrap().remove(0);
    assert_eq!(newest.number, 50);
    assert_eq!(newest.recipient, "elise@example.org");
    assert_eq!(newest.subject, "Une idée pour vous");
    let seq = newest.delivery.unwrap().seq;
    let kept = outbox.read(50).unwrap().unwrap();
    let composed = wave.compose(&message(seq, "elise@example.org")).unwrap();
    let expected = format!("Return-Path: <{}>\r\n", composed.return_path);
    assert_eq!(kept, [expected.as_bytes(), &composed.raw].concat());
    let shown = OutboxMessage::parse(&kept).unwrap();
    assert_eq!(
        shown.text.unwrap().replace("\r\n", "\n"),
        message(seq, "").text
    );
}

#[tokio::test]
async fn the_sandbox_has_a_refusing_and_a_busy_domain() {
    let folder = tempfile::tempdir().unwrap();
    let (_channel, wave) = sandbox(folder.path());
    let outcome = wave.send(&message(1, "x@refused.example")).await;
    assert_eq!(rejected(&outcome), Some((Class::InvalidRecipient, 550)));
    for seq in [2, 3] {
        let outcome = wave.send(&message(seq, "x@busy.example")).await;
        assert_eq!(deferred(&outcome), Some((Class::Greylist, 451)));
    }
    for seq in [2, 3] {
        assert_eq!(
            wave.send(&message(seq, "x@busy.example")).await,
            Outcome::Accepted
        );
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_defers_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.jsonl");
    std::os::unix::fs::symlink("/dev/full", &index).unwrap();
    let (channel, wave) = sandbox(folder.path());
    let outcome = wave.send(&message(1, "x@example.org")).await;
    assert_eq!(deferred(&outcome), Some((Class::Quota, 452)));
    std::fs::remove_file(&index).unwrap();
    assert_eq!(
        wave.send(&message(1, "x@example.org")).await,
        Outcome::Accepted
    );
    let outbox = channel.outbox().unwrap();
    assert_eq!(outbox.count().unwrap(), 1);
    assert!(outbox.read(1).unwrap().is_some());
}

#[test]
fn replies_are_classified_for_others_too() {
    let outcome = outcome_of_reply(Phase::Rcpt, 550, "5.1.1 user unknown");
    assert_eq!(rejected(&outcome), Some((Class::InvalidRecipient, 550)));
}

#[test]
fn the_peer_of_the_kit_has_an_address() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let peer = runtime.block_on(SmtpPeer::start(Script::default()));
    assert!(Arc::new(peer).addr().ip().is_loopback());
}
