//! Whatever goes wrong has its outcome.

use super::*;

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
        let sent = send(
            Script::new().on(step, When::Always, Act::Silence),
            "x@example.org",
        );
        let given_up = tokio::time::timeout(Duration::from_secs(60), sent).await;
        let (_peer, outcome) = given_up.expect("nobody waits for silence without end");
        assert_eq!(deferred(&outcome), Some((Class::Network, 0)), "{step:?}");
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
    let (peer, outcome) = send(Script::new().with("SIZE 500"), "x@example.org").await;
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
async fn an_answer_to_the_message_that_is_neither_yes_nor_no_leaves_it_unknown() {
    let script = Script::new().on(Step::Dot, When::Always, Act::Reply("354 go on"));
    let (_peer, outcome) = send(script, "x@example.org").await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_talks_without_end_is_cut_off() {
    let line: &'static str = Box::leak(format!("250 {}", "x".repeat(4_000_000)).into_boxed_str());
    let script = Script::new().on(Step::Rcpt, When::Always, Act::Reply(line));
    let (_peer, outcome) = send(script.without("PIPELINING"), "x@example.org").await;
    assert!(
        matches!(
            outcome,
            Outcome::Deferred {
                class: Class::Network,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_may_not_go_any_more_is_held_back_however_late_it_turns_out() {
    for slow in [Step::Mail, Step::Rcpt, Step::Data] {
        for pipelining in [true, false] {
            let wait = Act::Wait(Duration::from_millis(300));
            let mut script = Script::new().on(slow, When::Nth(1), wait);
            if !pipelining {
                script = script.without("PIPELINING");
            }
            let peer = SmtpPeer::start(script).await;
            let (_channel, wave) = open(&peer.settings());
            let begin = Instant::now();
            let may_go = move |_| begin.elapsed() < Duration::from_millis(150);
            let outcome = wave.send_if(&message(1, "x@example.org"), may_go).await;
            assert_eq!(outcome, None, "{slow:?} {pipelining}");
            // The connection, or a new one, is good for the next.
            let outcome = wave.send(&message(2, "y@example.org")).await;
            assert_eq!(outcome, Outcome::Accepted, "{slow:?} {pipelining}");
            let recipients: Vec<_> = peer
                .messages()
                .into_iter()
                .map(|one| one.recipient)
                .collect();
            assert_eq!(recipients, ["y@example.org"], "{slow:?} {pipelining}");
        }
    }
}
