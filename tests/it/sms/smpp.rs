//! SMPP 3.4 against an SMSC on loopback.

use std::sync::Arc;
use std::time::Duration;

use rusmpp::values::InterfaceVersion;
use rusmpp::{CommandId, CommandStatus};
use visavis::channels::model::{Class, Outcome};
use visavis::channels::outbox::Outbox;
use visavis::channels::sms::SmsChannel;
use visavis::channels::sms::model::{ReceiptState, SmsEvent, SmsMessage};
use visavis::clock::{SharedClock, SystemClock};
use visavis::config::SmsSettings;
use visavis::keys::Keys;
use visavis::templates::sms::size;

use crate::kit::smsc::{Act, Smsc, deliver, packet};

const OK: u32 = 0;

fn channel(smsc: &Smsc, window: u32) -> SmsChannel {
    let settings: SmsSettings = toml::from_str(&format!(
        "[providers.smsc]\ntimeout_seconds = 1\n[providers.smsc.smpp]\nhost = \"127.0.0.1\"\nport = {}\n\
         system_id = \"visavis\"\npassword = \"secret08\"\nwindow = {window}\nmessage_ids = \"hex_then_decimal\"\n",
        smsc.address.port()
    ))
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let outbox = Arc::new(Outbox::open(folder.path()).unwrap());
    let clock: SharedClock = Arc::new(SystemClock);
    let keys = Keys::from_secret(&[7; 32]);
    SmsChannel::new(&settings, "https://v.example", &keys, &outbox, &clock).unwrap()
}

fn message(text: &str) -> SmsMessage {
    SmsMessage {
        reference: "w-1".to_owned(),
        to: "+33612345678".to_owned(),
        sender: "Maison".to_owned(),
        text: text.to_owned(),
        size: size(text),
        is_marketing: true,
    }
}

async fn send(channel: &SmsChannel, text: &str) -> Outcome {
    let message = message(text);
    let sent = channel.send("smsc", &message);
    tokio::time::timeout(Duration::from_secs(30), sent)
        .await
        .expect("a hand-over ends")
}

#[tokio::test]
async fn a_message_goes_over_a_transceiver_of_version_3_4() {
    let smsc = Smsc::start(OK, |_| Act::Take("1A")).await;
    let channel = channel(&smsc, 10);
    assert_eq!(send(&channel, "[é] 5 €").await, Outcome::Accepted);
    assert_eq!(send(&channel, "fenêtre").await, Outcome::Accepted);

    let binds = smsc.binds();
    assert_eq!(binds.len(), 1, "one connection for both");
    assert_eq!(binds[0].interface_version, InterfaceVersion::Smpp3_4);
    assert_eq!(binds[0].password.as_str(), "secret08");
    let [first, second] = smsc.messages().try_into().unwrap();
    assert_eq!(first.destination_addr.as_str(), "33612345678");
    assert_eq!(first.source_addr.as_str(), "Maison");
    assert_eq!(u8::from(first.source_addr_ton), 5);
    assert_eq!(u8::from(first.data_coding), 0);
    assert_eq!(u8::from(first.registered_delivery), 1);
    let text = first.short_message().as_ref().to_vec();
    assert_eq!(text, b"\x1b\x3c\x05\x1b\x3e 5 \x1b\x65");
    assert_eq!(u8::from(second.data_coding), 8);
    assert_eq!(second.short_message().as_ref().len(), 14);

    channel.close().await;
    smsc.hear(CommandId::Unbind).await;
}

#[tokio::test]
async fn a_long_message_goes_in_its_parts_and_a_hasty_one_is_finished() {
    let smsc = Smsc::start(OK, |number| match number {
        1 => Act::Refuse(0x58),
        4 => Act::Refuse(0x0B),
        _ => Act::Take("1"),
    })
    .await;
    let channel = channel(&smsc, 10);
    let text = "x".repeat(200);
    assert_eq!(send(&channel, &text).await, Outcome::Accepted);
    let messages = smsc.messages();
    assert_eq!(messages.len(), 3, "the second part twice");
    assert_eq!(messages[1], messages[2]);
    let part = |number: usize| messages[number].short_message().as_ref().to_vec();
    assert_eq!(part(0)[..6], [5, 0, 3, 0, 2, 1]);
    assert_eq!(part(2)[..6], [5, 0, 3, 0, 2, 2]);
    assert_eq!((part(0).len(), part(2).len()), (6 + 153, 6 + 47));

    // Its second part is refused: it may arrive in part.
    let outcome = send(&channel, &text).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(smsc.messages().len(), 5);
}

#[tokio::test]
async fn a_refusal_is_what_its_status_says() {
    let refused = [0x58, 0x14, 0x0B, 0x0A, 0x08];
    let smsc = Smsc::start(OK, move |number| Act::Refuse(refused[number])).await;
    let channel = channel(&smsc, 10);
    for expected in [
        (true, Class::Greylist),
        (true, Class::Greylist),
        (false, Class::InvalidRecipient),
        (false, Class::Relay),
        (true, Class::Network),
    ] {
        let found = match send(&channel, "x").await {
            Outcome::Deferred { class, .. } => (true, class),
            Outcome::Rejected { class, .. } => (false, class),
            outcome => panic!("{outcome:?}"),
        };
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn what_is_not_answered_is_in_doubt_and_a_late_answer_changes_nothing() {
    let smsc = Smsc::start(OK, |number| match number {
        0 => Act::HangUp,
        1 => Act::TakeAfter(Duration::from_millis(1500)),
        _ => Act::Take("2"),
    })
    .await;
    let channel = channel(&smsc, 1);
    for _ in 0..2 {
        let outcome = send(&channel, "x").await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
    // The window of one is free again once the late answer came.
    assert_eq!(send(&channel, "x").await, Outcome::Accepted);
    assert_eq!(smsc.messages().len(), 3, "nothing was sent twice");
    assert_eq!(smsc.binds().len(), 2);
}

#[tokio::test]
async fn the_window_is_never_exceeded() {
    let smsc = Smsc::start(OK, |_| Act::TakeAfter(Duration::from_millis(20))).await;
    let channel = channel(&smsc, 3);
    let sent = (0..15).map(|_| send(&channel, "x"));
    let outcomes = futures_util::future::join_all(sent).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Accepted));
    assert_eq!(smsc.most_open(), 3);
}

#[tokio::test]
async fn a_refused_bind_says_what_to_look_at_and_sends_nothing() {
    for status in [0x0D, 0x0E, 0x0F] {
        let smsc = Smsc::start(status, |_| Act::Take("1")).await;
        let channel = channel(&smsc, 10);
        let problem = channel.check("smsc").await.unwrap_err();
        assert!(problem.contains("check system_id"), "{problem}");
        assert!(!problem.contains("secret08"));
        let outcome = send(&channel, "x").await;
        assert!(matches!(outcome, Outcome::Deferred { .. }), "{outcome:?}");
        assert!(smsc.messages().is_empty());
    }
}

#[tokio::test]
async fn both_ask_whether_the_other_is_there() {
    let smsc = Smsc::start(OK, |_| Act::Take("1")).await;
    let channel = channel(&smsc, 10);
    channel.check("smsc").await.unwrap();
    smsc.hear(CommandId::EnquireLink).await;
    smsc.say(packet(0x15, 0, 77, b""));
    let answer = smsc.hear(CommandId::EnquireLinkResp).await;
    assert_eq!(answer.sequence_number(), 77);
    // It takes its leave, and is bound again for the next message.
    smsc.say(packet(0x06, 0, 78, b""));
    smsc.hear(CommandId::UnbindResp).await;
    while send(&channel, "x").await != Outcome::Accepted {}
    assert_eq!(smsc.binds().len(), 2);
}

#[tokio::test]
async fn what_it_tells_is_answered_once_it_is_recorded() {
    let smsc = Smsc::start(OK, |_| Act::Take("1A")).await;
    let channel = channel(&smsc, 10);
    channel.check("smsc").await.unwrap();
    // Nobody takes it yet: it keeps it.
    smsc.say(deliver(5, 0x00, b"STOP", b""));
    let answer = smsc.hear(CommandId::DeliverSmResp).await;
    assert_eq!(answer.status(), CommandStatus::from(0x64));

    let mut events = channel.events().unwrap();
    assert!(channel.events().is_none(), "only one may take them");
    smsc.say(deliver(6, 0x00, b"STOP", b""));
    let told = events.recv().await.unwrap();
    assert_eq!(told.provider, "smsc");
    let SmsEvent::Inbound(inbound) = &told.event else {
        panic!("{told:?}")
    };
    assert_eq!(
        (inbound.from.as_str(), inbound.text.as_str()),
        ("33612345678", "STOP")
    );
    // A receipt comes before the first is recorded, with parameters, the last of them cut.
    let parameters = b"\x00\x1e\x00\x0300A\x04\x27\x00\x01\x05\x14\x23\x00\x09x";
    smsc.say(deliver(7, 0x04, b"id:10 sub:001 stat:DEL", parameters));
    let receipt = events.recv().await.unwrap();
    let SmsEvent::Receipt(found) = &receipt.event else {
        panic!("{receipt:?}")
    };
    assert_eq!(found.message_id.as_deref(), Some("a"));
    assert_eq!(found.state, ReceiptState::Undelivered);
    receipt.acknowledgement.recorded();
    let answer = smsc.hear(CommandId::DeliverSmResp).await;
    assert_eq!(
        (answer.sequence_number(), answer.status()),
        (7, CommandStatus::EsmeRok)
    );
    drop(told);
    let answer = smsc.hear(CommandId::DeliverSmResp).await;
    assert_eq!(
        (answer.sequence_number(), answer.status()),
        (6, CommandStatus::from(0x64))
    );

    // The decimal name in the text is the hexadecimal one of the answer.
    smsc.say(deliver(8, 0x04, b"id:0000000026 stat:DELIVRD err:000", b""));
    let receipt = events.recv().await.unwrap();
    let SmsEvent::Receipt(found) = &receipt.event else {
        panic!("{receipt:?}")
    };
    assert_eq!(found.message_id.as_deref(), Some("1a"));
    assert_eq!(found.state, ReceiptState::Delivered);
}

#[tokio::test]
async fn garbage_is_refused_and_what_is_under_way_goes_on() {
    let smsc = Smsc::start(OK, |_| Act::TakeAfter(Duration::from_millis(300))).await;
    let channel = channel(&smsc, 10);
    channel.check("smsc").await.unwrap();
    let _events = channel.events().unwrap();
    let under_way = async {
        smsc.say(packet(0x05, 0, 9, b"\0\x01\x01336"));
        let answer = smsc.hear(CommandId::DeliverSmResp).await;
        assert_eq!(answer.status(), CommandStatus::from(0x65));
        smsc.say(packet(0x7777, 0, 10, b"?"));
        let answer = smsc.hear(CommandId::GenericNack).await;
        assert_eq!(answer.sequence_number(), 10);
        // An answer to nothing.
        smsc.say(packet(0x8000_0004, 0, 4711, b"x"));
    };
    let (outcome, ()) = tokio::join!(send(&channel, "x"), under_way);
    assert_eq!(outcome, Outcome::Accepted);
    assert_eq!(smsc.binds().len(), 1);
    // After a length that is none nothing can be read any more: it is bound anew.
    smsc.say(vec![0, 0, 0, 3, 1, 2, 3, 4]);
    smsc.hear(CommandId::GenericNack).await;
    while send(&channel, "x").await != Outcome::Accepted {}
    assert_eq!(smsc.binds().len(), 2);
}
