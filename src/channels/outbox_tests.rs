use super::*;
use crate::ids::WaveId;

fn raw(subject: &str) -> Vec<u8> {
    format!("From: a@example.com\r\nSubject: {subject}\r\n\r\nhello\r\n").into_bytes()
}

fn filled(folder: &Path, messages: u64) -> Outbox {
    let outbox = Outbox::open(folder).unwrap();
    for n in 1..=messages {
        let to = format!("r{n}@example.com");
        let key = DeliveryKey {
            wave: WaveId(1),
            seq: i64::try_from(n).unwrap(),
        };
        let number = outbox
            .append(&raw(&format!("No {n}")), &to, Some(key), 1000)
            .unwrap();
        assert_eq!(number, n);
    }
    outbox
}

fn numbers(entries: &[OutboxEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.number).collect()
}

#[test]
fn pages_are_newest_first_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 2100));
    let outbox = Outbox::open(folder.path()).unwrap();
    assert_eq!(outbox.count().unwrap(), 2100);
    assert_eq!(
        numbers(&outbox.list(0, 3, None).unwrap()),
        [2100, 2099, 2098]
    );
    assert_eq!(numbers(&outbox.list(2098, 10, None).unwrap()), [2, 1]);
    assert_eq!(
        numbers(&outbox.list(0, 10, Some("R17@EXAMPLE")).unwrap()),
        [17]
    );
    assert_eq!(
        numbers(&outbox.list(1, 2, Some("no 20")).unwrap()),
        [2098, 2097]
    );
    assert_eq!(outbox.list(0, 0, None).unwrap(), []);
    assert_eq!(outbox.list(0, 10, Some("nothing")).unwrap(), []);
    assert!(folder.path().join("00002/00002001.eml").exists());
    assert_eq!(outbox.read(1500).unwrap(), Some(raw("No 1500")));
    assert_eq!(outbox.read(0).unwrap(), None);
    assert_eq!(outbox.read(2101).unwrap(), None);
    assert_eq!(
        outbox.append(&raw("x"), "y@example.com", None, 1).unwrap(),
        2101
    );
}

#[test]
fn an_empty_outbox_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(&folder.path().join("deep/outbox")).unwrap();
    assert_eq!(outbox.count().unwrap(), 0);
    assert_eq!(outbox.list(0, 10, None).unwrap(), []);
    assert_eq!(outbox.read(1).unwrap(), None);
}

#[test]
fn a_line_torn_by_a_crash_is_cut_away() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path(), 3));
    let index = folder.path().join("index.jsonl");
    let mut text = std::fs::read(&index).unwrap();
    text.extend_from_slice(br#"{"number":4,"rece"#);
    std::fs::write(&index, text).unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    assert_eq!(
        outbox.append(&raw("x"), "y@example.com", None, 1).unwrap(),
        4
    );
    assert_eq!(numbers(&outbox.list(0, 10, None).unwrap()), [4, 3, 2, 1]);
}

#[test]
fn a_recipient_is_forgotten_and_the_others_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    let other_process = Outbox::open(folder.path()).unwrap();
    for recipient in ["ada@example.com", "bob@example.com", "ada@example.com"] {
        let raw = raw("Bonjour Ada");
        other_process.append(&raw, recipient, None, 1).unwrap();
    }
    let is_ada = |recipient: &str| recipient == "ada@example.com";
    assert_eq!(outbox.forget(is_ada).unwrap(), 2);
    assert_eq!(outbox.forget(is_ada).unwrap(), 0);
    let raw = raw("x");
    assert_eq!(
        other_process
            .append(&raw, "y@example.com", None, 1)
            .unwrap(),
        4
    );
    let listed = outbox.list(0, 10, None).unwrap();
    let recipients: Vec<_> = listed
        .iter()
        .map(|entry| entry.recipient.as_str())
        .collect();
    assert_eq!(recipients, ["y@example.com", "", "bob@example.com", ""]);
    assert_eq!(outbox.read(1).unwrap(), None);
    assert!(outbox.read(2).unwrap().is_some());
    let index = std::fs::read_to_string(folder.path().join("index.jsonl")).unwrap();
    assert!(!index.contains("ada@") && index.contains("bob@"));
}

#[test]
fn two_processes_share_an_outbox() {
    let folder = tempfile::tempdir().unwrap();
    let one = Outbox::open(folder.path()).unwrap();
    let two = Outbox::open(folder.path()).unwrap();
    let take = |outbox: &Outbox| outbox.append(&raw("x"), "y@example.com", None, 1).unwrap();
    let numbers = [take(&one), take(&two), take(&two), take(&one)];
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(one.count().unwrap(), 4);
}

#[test]
fn a_message_is_shown_as_people_read_it() {
    let raw = "From: =?utf-8?Q?Maison_=C3=89t=C3=A9?= <a@example.com>\r\nSubject: =?utf-8?B?w4l0w6k=?=\r\nList-Unsubscribe: <https://x>,\r\n <mailto:y@z>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--b--\r\n";
    let message = OutboxMessage::parse(raw.as_bytes()).unwrap();
    assert_eq!(message.subject, "Été");
    assert_eq!(message.text.as_deref(), Some("plain"));
    assert_eq!(message.html.as_deref(), Some("<p>rich</p>"));
    let header = |name: &str| {
        let found = message.headers.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(header("From"), Some("Maison Été <a@example.com>"));
    assert_eq!(
        header("List-Unsubscribe"),
        Some("<https://x>, <mailto:y@z>")
    );
    assert_eq!(message.headers.len(), 5);
}
