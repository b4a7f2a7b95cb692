//! TLS and log-in.

use super::*;
use crate::kit::certificate;

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
