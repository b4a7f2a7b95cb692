//! What the README shows works as it stands there.

use std::sync::Arc;

use visavis::campaigns::definition::Definition;
use visavis::channels::outbox::Outbox;
use visavis::channels::sms::SmsChannel;
use visavis::clock::{SharedClock, SystemClock};
use visavis::config::{MailProvider, Settings};
use visavis::keys::Keys;
use visavis::segments::Rule;
use visavis::templates::{FieldFacts, Severity, Template};
use visavis::web::MailHooks;

const SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsoolWA743w9qRZqdQJiW+t5dBMR2Uv2wYYJUgG2mC8U6OvdjX4rDCJeEN54En0NhGlu/WyD6FAczkgNHsYPbZw==";
const README: &str = include_str!("../../README.md");

fn blocks() -> Vec<&'static str> {
    README
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_campaign_can_be_applied() {
    let text = blocks()
        .into_iter()
        .find(|block| block.contains("segment = "))
        .unwrap();
    let definition = Definition::parse(text, "README.md").unwrap();
    Rule::parse(&definition.segment).unwrap();
    Template::embedded(&definition.template).unwrap();
}

/// The settings of a file, and the folder where its secrets are.
fn load(text: &str) -> (Settings, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().display().to_string();
    for path in text
        .split('"')
        .filter_map(|word| word.strip_prefix("/run/secrets/"))
    {
        std::fs::write(folder.path().join(path), "0123456789abcdef").unwrap();
    }
    let file = folder.path().join("visavis.toml");
    std::fs::write(&file, text.replace("/run/secrets", &secrets)).unwrap();
    let settings = Settings::load_from(Some(&file), Default::default()).unwrap();
    (settings, folder)
}

/// Whether the channel accepts the settings too, which reads what each kind of provider is told.
fn open(settings: &Settings) -> SmsChannel {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Arc::new(Outbox::open(folder.path()).unwrap());
    let keys = Keys::from_secret(&[0; 32]);
    let clock: SharedClock = Arc::new(SystemClock);
    SmsChannel::new(
        &settings.sms,
        &settings.web.public_url,
        &keys,
        &outbox,
        &clock,
    )
    .unwrap()
}

#[tokio::test]
async fn the_sms_provider_can_be_configured() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = blocks()
        .into_iter()
        .find(|block| block.contains("[sms.providers"))
        .unwrap();
    let (settings, _secrets) = load(text);
    let account = settings.sms.provider_named("main").unwrap();
    assert!(account.ovh.is_some() && account.stop.is_some());
    assert_eq!(account.price_micros("FR"), Some(49_000));
    assert_eq!(open(&settings).providers().len(), 1);
}

#[test]
fn the_email_provider_can_be_configured() {
    let text = blocks()
        .into_iter()
        .find(|block| block.contains("[mail_hooks"))
        .unwrap();
    let (settings, _secrets) = load(text);
    assert_eq!(
        settings.email.relay.as_ref().unwrap().provider,
        Some(MailProvider::Mailgun)
    );
    assert!(MailHooks::open(&settings.mail_hooks).is_ok());
}

/// Every kind of account that the defaults show, switched on by itself.
#[test]
fn the_mail_hooks_of_the_defaults_can_be_configured() {
    let defaults = include_str!("../../config/default.toml");
    let shown: Vec<&str> = defaults
        .lines()
        .skip_while(|line| *line != "# [mail_hooks.main]")
        .take_while(|line| *line != "[sms]")
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .collect();
    let heads: Vec<usize> = (0..shown.len())
        .filter(|at| shown[*at].starts_with('['))
        .collect();
    assert_eq!(heads.len(), 6);
    for (place, at) in heads.iter().enumerate().skip(1) {
        let end = heads.get(place + 1).copied().unwrap_or(shown.len());
        let text = [&shown[..heads[1]], &shown[*at..end]].concat().join("\n");
        // A key of SendGrid is long.
        let text = text.replace("MFkw...", SENDGRID_KEY);
        let (settings, _secrets) = load(&text);
        MailHooks::open(&settings.mail_hooks).unwrap();
    }
}

/// Every kind of provider that the defaults show, switched on by itself.
#[tokio::test]
async fn the_providers_of_the_defaults_can_be_configured() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let defaults = include_str!("../../config/default.toml");
    // A sentence holds no " = ".
    let shown: Vec<&str> = defaults
        .lines()
        .skip_while(|line| *line != "# [sms.providers.main]")
        .take_while(|line| *line != "[delivery]")
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .collect();
    let mut tables: Vec<Vec<&str>> = Vec::new();
    for line in shown {
        if line.starts_with('[') {
            tables.push(Vec::new());
        }
        tables.last_mut().unwrap().push(line);
    }
    let is_shared = |table: &&Vec<&str>| {
        let ends = ["main]", ".stop]", ".prices]"];
        let head = table[0].split('#').next().unwrap().trim();
        ends.into_iter().any(|end| head.ends_with(end))
    };
    let shared: Vec<String> = tables
        .iter()
        .filter(is_shared)
        .map(|table| table.join("\n"))
        .collect();
    assert_eq!(shared.len(), 3);
    for kind in [
        "twilio", "vonage", "ovh", "brevo", "infobip", "http", "smpp",
    ] {
        let of_kind = |table: &&Vec<&str>| {
            let head = format!("[sms.providers.main.{kind}");
            table[0].starts_with(&head) && table[0][head.len()..].starts_with([']', '.'])
        };
        let own: Vec<String> = tables
            .iter()
            .filter(of_kind)
            .map(|table| table.join("\n"))
            .collect();
        assert!(!own.is_empty(), "{kind}");
        let (settings, _secrets) = load(&[shared.clone(), own].concat().join("\n"));
        assert!(settings.sms.provider_named("main").is_some(), "{kind}");
        drop(open(&settings));
    }
}

/// What the defaults say that a provider of no name posts is read as they say.
#[test]
fn what_a_described_provider_posts_is_shown() {
    let defaults = include_str!("../../config/default.toml");
    for shown in [
        "{\"id\": \"m-1\", \"status\": \"delivered\"}",
        "{\"from\": \"+33612345678\", \"text\": \"STOP\"}",
    ] {
        assert!(defaults.contains(shown), "{shown}");
        serde_json::from_str::<serde_json::Value>(shown).unwrap();
    }
}

#[test]
fn the_template_loads_and_has_no_errors() {
    let text = blocks()
        .into_iter()
        .find(|block| block.contains("[attention]"))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("template.toml"), text).unwrap();
    let template = Template::load(folder.path()).unwrap();
    let errors: Vec<_> = template
        .lint(&FieldFacts::unknown())
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn the_rules_are_rules() {
    for line in README
        .lines()
        .filter(|line| line.contains("visavis segment"))
    {
        let Some(rule) = line.split('\'').nth(1) else {
            continue;
        };
        Rule::parse(rule).unwrap();
    }
}
