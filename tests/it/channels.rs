//! The email channel against a relay that misbehaves, and against the sandbox.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use visavis::channels::email::{EmailChannel, EmailWave, Phase, outcome_of_reply};
use visavis::channels::model::{Class, EmailMessage, Outcome, Sender, WaveFrame};
use visavis::config::{EmailSettings, RelayTls};
use visavis::ids::{DeliveryKey, WaveId};
use visavis::keys::Keys;

use crate::kit::smtp::{Act, Received, Script, SmtpPeer, Step, When};

mod encryption;
mod outcomes;
mod sandbox;

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
    let without_time = |messages: &[Received]| -> Vec<_> {
        let parts = messages.iter();
        let parts = parts.map(|one| (one.return_path.clone(), one.recipient.clone(), one.text()));
        parts.collect()
    };
    assert_eq!(without_time(&arrived[0]), without_time(&arrived[1]));
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
