//! The sandbox and its outbox.

use visavis::channels::outbox::OutboxMessage;

use super::*;

fn sandbox(folder: &Path) -> (EmailChannel, EmailWave) {
    let settings = EmailSettings {
        relay: None,
        relays: Default::default(),
        limits: Vec::new(),
        connections: 4,
        messages_per_connection: 100,
        rate_per_second: None,
        timeout_seconds: 5,
        bounce_domain: "bounce.example.com".to_owned(),
        message_domain: "news.example.com".to_owned(),
        feedback_id: "visavis".to_owned(),
        takes_opt_outs: false,
        dkim: Vec::new(),
        name_server: None,
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
