//! The signatures, verified by mail-auth as a receiver would.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use data_encoding::BASE64;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::TokioResolver;
use mail_auth::hickory_resolver::config::ResolverConfig;
use mail_auth::{
    AuthenticatedMessage, DkimResult, MX, MessageAuthenticator, Parameters, RecordSet,
    ResolverCache, Txt,
};

use super::*;

const RSA: &str = include_str!("testdata/rsa.pem");
const RSA_PKCS1: &str = include_str!("testdata/rsa-pkcs1.pem");
const ED25519: &str = include_str!("testdata/ed25519.pem");

fn settings(kind: DkimKeyKind, selector: &str, key: &str) -> DkimSettings {
    DkimSettings {
        domain: "example.com".to_owned(),
        selector: selector.to_owned(),
        kind,
        key: serde_json::from_value(key.into()).unwrap(),
        key_file: None,
    }
}

/// What DNS would answer; nothing is asked on the network.
struct Records<K, V>(Mutex<HashMap<K, V>>);

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Records<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().unwrap().get(name).cloned()
    }

    fn remove<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().unwrap().remove(name)
    }

    fn insert(&self, key: K, value: V, _: Instant) {
        self.0.lock().unwrap().insert(key, value);
    }
}

type Verification<'a> = Parameters<
    'a,
    &'a AuthenticatedMessage<'a>,
    Records<Box<str>, Txt>,
    Records<Box<str>, RecordSet<MX>>,
    Records<Box<str>, RecordSet<Ipv4Addr>>,
    Records<Box<str>, RecordSet<Ipv6Addr>>,
    Records<IpAddr, RecordSet<Box<str>>>,
>;

fn public_key(signer: &DkimSigner) -> String {
    match &signer.key {
        DkimKey::Rsa(key) => format!("v=DKIM1; k=rsa; p={}", BASE64.encode(&key.public_key())),
        DkimKey::Ed25519(key) => {
            format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(&key.public_key()))
        }
    }
}

async fn verified(signers: &[DkimSigner], raw: &[u8]) -> Vec<bool> {
    let records = Records::<Box<str>, Txt>(Mutex::new(HashMap::new()));
    for signer in signers {
        let key = DomainKey::parse(public_key(signer).as_bytes()).unwrap();
        let name = format!("{}.", signer.record()).into_boxed_str();
        records.insert(name, Txt::DomainKey(Arc::new(key)), Instant::now());
    }
    let resolver = TokioResolver::builder_with_config(
        ResolverConfig::default(),
        mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider::default(),
    )
    .build()
    .unwrap();
    let message = AuthenticatedMessage::parse(raw).unwrap();
    let parameters: Verification<'_> = Parameters {
        params: &message,
        cache_txt: Some(&records),
        cache_mx: None,
        cache_ptr: None,
        cache_ipv4: None,
        cache_ipv6: None,
    };
    MessageAuthenticator(resolver)
        .verify_dkim(parameters)
        .await
        .iter()
        .map(|output| output.result() == &DkimResult::Pass)
        .collect()
}

fn raw() -> String {
    [
        "From: Maison <bonjour@example.com>",
        "To: elise@example.org",
        "Date: Fri, 20 Mar 2026 09:46:40 +0000",
        "Message-ID: <1.2.x@news.example.com>",
        "Subject: Bonjour",
        "List-Unsubscribe: <https://news.example.com/u/TOKEN>,",
        " <mailto:unsub+1-2-x@bounce.example.com>",
        "X-Visavis-Ref: 1-2-x",
        "Reply-To: service@example.com",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "List-Id: x <x.news.example.com>",
        "Feedback-ID: a:visavis:b:visavis",
        "MIME-Version: 1.0",
        "Content-Type: text/plain",
        "",
        "Bonjour  \t",
        "",
        "",
        "",
    ]
    .join("\r\n")
}

fn signers() -> Vec<DkimSigner> {
    [
        settings(DkimKeyKind::Rsa, "r1", RSA),
        settings(DkimKeyKind::Ed25519, "e1", ED25519),
    ]
    .iter()
    .map(|settings| DkimSigner::new(settings).unwrap())
    .collect()
}

#[tokio::test]
async fn both_signatures_verify_and_any_change_breaks_them() {
    let signers = signers();
    let signed = sign(&signers, raw().into_bytes(), 1_774_000_000_000).unwrap();
    let text = String::from_utf8(signed.clone()).unwrap();
    assert!(
        text.starts_with(
            "DKIM-Signature: v=1; a=rsa-sha256; s=r1; d=example.com; c=relaxed/relaxed;"
        )
    );
    assert!(text.split("\r\n").all(|line| line.len() <= 78));
    assert!(text.contains("t=1774000000"));
    assert_eq!(verified(&signers, &signed).await, [true, true]);
    // What relays may do: fold anew, add a header in front.
    let relayed = format!(
        "Received: by x\r\n{}",
        text.replace(",\r\n <mailto", ", <mailto")
    );
    assert_eq!(verified(&signers, relayed.as_bytes()).await, [true, true]);

    for (from, to) in [
        ("/u/TOKEN", "/u/OTHER"),
        ("List-Unsubscribe=One-Click", "List-Unsubscribe=Two-Clicks"),
        ("Subject: Bonjour", "Subject: Bonsoir"),
        ("Maison", "Banque"),
        ("Feedback-ID: a", "Feedback-ID: b"),
        ("Bonjour  \t", "Bonjour, bonjour"),
        ("\r\nSubject: ", "\r\nSubject: Gagnez\r\nSubject: "),
        ("\r\nFrom: ", "\r\nFrom: x@example.net\r\nFrom: "),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert_eq!(
            verified(&signers, changed.as_bytes()).await,
            [false, false],
            "{from}"
        );
    }
}

#[test]
fn keys_in_both_pem_forms_are_read() {
    assert!(DkimSigner::new(&settings(DkimKeyKind::Rsa, "r2", RSA_PKCS1)).is_ok());
}

#[test]
fn a_wrong_key_is_named_with_the_way_to_a_right_one() {
    let refused = |kind, key| {
        DkimSigner::new(&settings(kind, "v1", key))
            .unwrap_err()
            .to_string()
    };
    let message = refused(DkimKeyKind::Ed25519, RSA);
    assert!(message.contains("v1._domainkey.example.com"), "{message}");
    assert!(
        message.contains("openssl genpkey -algorithm ed25519"),
        "{message}"
    );
    let message = refused(DkimKeyKind::Rsa, "no pem");
    assert!(
        message.contains("openssl genpkey -algorithm RSA"),
        "{message}"
    );
    let mut none = settings(DkimKeyKind::Rsa, "v1", RSA);
    none.key = None;
    let message = DkimSigner::new(&none).unwrap_err().to_string();
    assert!(message.contains("email.dkim.key"), "{message}");
}

#[test]
fn without_a_key_nothing_is_signed() {
    assert_eq!(
        sign(&[], raw().into_bytes(), 0).unwrap(),
        raw().into_bytes()
    );
}

proptest::proptest! {
    /// Our way over the lines comes to what mail-auth's way over the bytes does.
    #[test]
    fn the_body_is_relaxed_as_the_standard_says(lines in proptest::collection::vec("[ab \t]{0,12}", 0..12)) {
        let body: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let canonical = Canonicalization::Relaxed.canonical_body(body.as_bytes(), 0);
        let mut theirs = Vec::new();
        canonical.write(&mut theirs);
        let theirs = ring::digest::digest(&ring::digest::SHA256, &theirs);
        proptest::prop_assert_eq!(body_hash(body.as_bytes()), theirs.as_ref());
    }
}
