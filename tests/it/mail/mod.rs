//! Mail that comes back: a set of mails in the shapes that the documents of servers show, each with what it is,
//! and any bytes at all.

mod mutate;
mod shapes;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use visavis::responses::mail::model::{Envelope, MailKind};
use visavis::responses::mail::read;

use mutate::mutated;

/// A mail of the set, and what it is: the name of its folder.
pub struct Sample {
    pub name: String,
    pub is: String,
    pub raw: Vec<u8>,
}

/// The mails of a folder, sorted by name.
pub fn samples(folder: &str) -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/mail")
        .join(folder);
    let mut samples = Vec::new();
    for class in std::fs::read_dir(root).unwrap() {
        let class = class.unwrap();
        for file in std::fs::read_dir(class.path()).unwrap() {
            let file = file.unwrap();
            samples.push(Sample {
                name: file.file_name().into_string().unwrap(),
                is: class.file_name().into_string().unwrap(),
                raw: std::fs::read(file.path()).unwrap(),
            });
        }
    }
    samples.sort_by(|a, b| (&a.is, &a.name).cmp(&(&b.is, &b.name)));
    samples
}

/// What a mail was read as: the class of a bounce, else its kind.
fn label(kind: &MailKind) -> &'static str {
    match kind {
        MailKind::Bounce(bounce) => bounce.class.as_str(),
        other => other.as_str(),
    }
}

/// How well a set is read.
#[derive(Default)]
struct Score {
    /// How often what is (first) was read as what (second).
    counts: BTreeMap<(String, String), usize>,
    wrong: String,
}

impl Score {
    fn of(samples: &[Sample]) -> Self {
        let mut score = Self::default();
        for sample in samples {
            let mail = read(&sample.raw, &Envelope::default());
            let read_as = label(&mail.kind);
            if read_as != sample.is {
                let _ = writeln!(
                    score.wrong,
                    "{}/{}: read as {:?}",
                    sample.is, sample.name, mail.kind
                );
            }
            *(score.counts)
                .entry((sample.is.clone(), read_as.to_owned()))
                .or_default() += 1;
        }
        score
    }

    /// Precision and recall of every class that is there or was seen.
    fn classes(&self) -> BTreeMap<&str, (f64, f64, usize)> {
        let all = |fits: &dyn Fn(&(String, String)) -> bool| -> usize {
            self.counts
                .iter()
                .filter(|(key, _)| fits(key))
                .map(|(_, n)| n)
                .sum()
        };
        let names = self
            .counts
            .keys()
            .flat_map(|(is, read_as)| [is.as_str(), read_as.as_str()]);
        names
            .map(|class| {
                let right = all(&|(is, read_as)| is == class && read_as == class) as f64;
                let are = all(&|(is, _)| is == class);
                let seen = all(&|(_, read_as)| read_as == class);
                let share = |of: usize| if of == 0 { 1.0 } else { right / of as f64 };
                (class, (share(seen), share(are), are))
            })
            .collect()
    }

    /// A table for people; shown with `--nocapture`.
    fn table(&self) -> String {
        let mut table = String::from("class              mails precision recall\n");
        for (class, (precision, recall, mails)) in self.classes() {
            let _ = writeln!(table, "{class:18} {mails:5} {precision:9.3} {recall:6.3}");
        }
        let total: usize = self.counts.values().sum();
        let right: usize = (self.counts.iter())
            .filter(|((a, b), _)| a == b)
            .map(|(_, n)| n)
            .sum();
        let _ = writeln!(table, "{right} of {total} right\n{}", self.wrong);
        table
    }
}

#[test]
fn the_set_is_read_as_what_it_is() {
    let samples = samples("set");
    assert!(samples.len() >= 160);
    let without = samples
        .iter()
        .filter(|sample| !String::from_utf8_lossy(&sample.raw).contains("message/delivery-status"));
    assert!(
        without.count() * 2 >= samples.len(),
        "half of them have no delivery status"
    );
    let score = Score::of(&samples);
    println!("{}", score.table());
    for (class, (precision, recall, _)) in score.classes() {
        assert!(
            precision >= 0.95 && recall >= 0.95,
            "{class}\n{}",
            score.table()
        );
    }
}

#[test]
fn mails_written_after_the_rules_are_read_nearly_as_well() {
    let score = Score::of(&samples("held_out"));
    println!("{}", score.table());
    for (class, (precision, recall, _)) in score.classes() {
        assert!(
            precision >= 0.66 && recall >= 0.66,
            "{class}\n{}",
            score.table()
        );
    }
}

#[test]
fn every_refusal_is_read_in_every_shape_it_may_come_in() {
    let mut samples = Vec::new();
    for (n, (is, text)) in shapes::REFUSALS.iter().enumerate() {
        for (shape, raw) in shapes::all(n, text) {
            samples.push(Sample {
                name: format!("{shape}: {text}"),
                is: (*is).to_owned(),
                raw: raw.into_bytes(),
            });
        }
    }
    assert!(samples.len() > 300);
    let score = Score::of(&samples);
    println!("{}", score.table());
    for (class, (precision, recall, _)) in score.classes() {
        assert!(
            precision >= 0.95 && recall >= 0.95,
            "{class}\n{}",
            score.table()
        );
    }
}

#[test]
fn whatever_names_our_message_is_found() {
    let mut found = 0;
    for sample in samples("set") {
        let text = String::from_utf8_lossy(&sample.raw).into_owned();
        let mail = read(&sample.raw, &Envelope::default());
        for reference in &mail.refs {
            assert!(text.contains(reference), "{}", sample.name);
        }
        if text.contains("-abcdefgh234567ij") {
            let is_found = mail
                .refs
                .iter()
                .any(|tag| tag.ends_with("-abcdefgh234567ij"));
            assert!(is_found, "{}/{}: {:?}", sample.is, sample.name, mail.refs);
            found += 1;
        }
    }
    assert!(found > 100);
}

#[test]
fn the_recipient_of_the_envelope_is_trusted_first() {
    let sample = &samples("set")[0];
    for recipient in [
        "b+9-8-abcdefgh234567kl@bounce.example.com",
        "B+9-8-ABCDEFGH234567KL@bounce.example.com",
        "prvs=1234abcdef=b+9-8-abcdefgh234567kl@bounce.example.com",
        "<SRS0=abcd=XY=example.com=b+9-8-abcdefgh234567kl@forward.example>",
    ] {
        let known = Envelope {
            recipients: vec![recipient.to_owned()],
            sender: Some(String::new()),
        };
        let refs = read(&sample.raw, &known).refs;
        assert_eq!(
            refs.first().map(String::as_str),
            Some("9-8-abcdefgh234567kl"),
            "{recipient}"
        );
    }
    let notice = Envelope {
        recipients: vec!["b+n-7-abcdefgh234567kl@bounce.example.com".to_owned()],
        sender: None,
    };
    let refs = read(&sample.raw, &notice).refs;
    assert_eq!(
        refs.first().map(String::as_str),
        Some("n-7-abcdefgh234567kl")
    );
}

#[test]
fn an_answer_keeps_what_the_person_wrote_and_nothing_else() {
    let text = |name: &str| {
        let sample = samples("set")
            .into_iter()
            .find(|sample| sample.name == name);
        read(&sample.unwrap().raw, &Envelope::default()).text
    };
    assert_eq!(
        text("question.eml"),
        "Bonjour,\n\nL'offre est-elle valable en magasin à Lyon ?\n\nClaire"
    );
    assert_eq!(
        text("english_outlook.eml"),
        "Could you send me the size chart please?\n\nKind regards\nClaire"
    );
    assert_eq!(
        text("german_gmail.eml"),
        "Gilt das auch für Bestandskunden?"
    );
    assert_eq!(text("html_only.eml"), "Oui, je suis intéressée !");
    assert_eq!(text("italian_iphone.eml"), "Quanto costa la spedizione?");
}

#[test]
fn hostile_mails_are_read_to_their_end() {
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(300_000);
    let mut multiparts = String::new();
    for n in 0..100_000 {
        let _ = write!(
            multiparts,
            "Content-Type: multipart/mixed; boundary={n}\r\n\r\n--{n}\r\n"
        );
    }
    let same = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n".repeat(200_000);
    let digests = "Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\n".repeat(200_000);
    let headers = "X-A: b\r\n".repeat(1_200_000);
    let one_header = format!("Subject: {}", "=?utf-8?q?a?= ".repeat(700_000));
    let comments = format!("From: {}", "(".repeat(8_000_000));
    let angles = format!("References: {}", "<".repeat(8_000_000));
    let dashes = format!(
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n{}",
        "--a".repeat(3_000_000)
    );
    let closes = format!(
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n{}",
        "\n--a\n".repeat(1_500_000)
    );
    let quotes = format!("From: a@example.net\r\n\r\n{}hello", ">".repeat(1_000_000));
    let quoted_lines = format!("From: a@example.net\r\n\r\n{}", "> a\r\n".repeat(1_000_000));
    let introductions = format!(
        "From: a@example.net\r\n\r\n{}",
        "On Monday\r\n".repeat(700_000)
    );
    let html = format!(
        "Content-Type: text/html\r\n\r\n{}",
        "<a &amp; <".repeat(900_000)
    );
    let tags = format!("To: {}", "1-1-abcdefgh234567i".repeat(400_000));
    let status = format!(
        "Content-Type: message/delivery-status\r\n\r\n{}",
        "Action: failed\r\nDiagnostic-Code: smtp; 550 5.1.1 a\r\n\r\n".repeat(180_000)
    );
    let codes = format!(
        "From: mailer-daemon@example.net\r\n\r\n{}",
        "550-5.1.1 user ".repeat(600_000)
    );
    let base64 = format!(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        "Q29udGVudC1UeXBlOiBtZXNzYWdlL3JmYzgyMg0KDQpD".repeat(200_000)
    );
    for mail in [
        nested,
        multiparts,
        same,
        digests,
        headers,
        one_header,
        comments,
        angles,
        dashes,
        closes,
        quotes,
        quoted_lines,
        introductions,
        html,
        tags,
        status,
        codes,
        base64,
    ] {
        let read = read(mail.as_bytes(), &Envelope::default());
        assert_eq!(read.size, mail.len());
        assert!(read.text.len() <= 8 << 10);
        assert!(read.refs.len() <= 16);
    }
}

#[test]
fn any_change_to_the_set_is_read_without_panic() {
    let seeds: Vec<Vec<u8>> = samples("set")
        .into_iter()
        .map(|sample| sample.raw)
        .collect();
    let mut chance = StdRng::seed_from_u64(7);
    for _ in 0..20_000 {
        let raw = mutated(&seeds, &mut chance);
        let mail = read(&raw, &Envelope::default());
        assert_eq!(mail.size, raw.len());
        assert!(mail.text.len() <= 8 << 10, "capped");
    }
}
