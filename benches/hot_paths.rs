//! What every recipient costs, apart from the wire: `cargo bench --bench hot_paths`.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot run says so by failing"
)]

use chrono::{DateTime, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use visavis::channels::email::EmailChannel;
use visavis::channels::model::{EmailMessage, Sender, WaveFrame};
use visavis::config::Settings;
use visavis::consent::model::Tracking;
use visavis::delivery::message::recipient_links;
use visavis::ids::{DeliveryKey, WaveId};
use visavis::keys::Keys;
use visavis::segments::Rule;
use visavis::storage::Dialect;
use visavis::templates::{Imprint, Template, sample_customer};
use visavis::tokens::{LinkKind, LinkToken};

const RULE: &str = r#"age between 30 and 60 and city in ("Amiens", "Lille") and ordered within 365 days and not clicked campaign "spring""#;

fn keys() -> Keys {
    Keys::from_secret(&[7; 32])
}

fn delivery() -> DeliveryKey {
    DeliveryKey {
        wave: WaveId(12),
        seq: 345_678,
    }
}

fn tokens(c: &mut Criterion) {
    let keys = keys();
    let token = LinkToken {
        delivery: delivery(),
        kind: LinkKind::Click(3),
    };
    let text = token.encode(&keys);
    c.bench_function("token: write", |b| b.iter(|| token.encode(&keys)));
    c.bench_function("token: read", |b| {
        b.iter(|| LinkToken::decode(&text, &keys));
    });
}

fn segments(c: &mut Criterion) {
    let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().expect("an instant");
    let rule = Rule::parse(RULE).expect("a good rule");
    c.bench_function("segment: parse", |b| b.iter(|| Rule::parse(RULE)));
    c.bench_function("segment: compile to SQL", |b| {
        b.iter(|| rule.condition(Dialect::Postgres, now));
    });
}

fn messages(c: &mut Criterion) {
    let keys = keys();
    let template = Template::embedded("super-chef").expect("a template of ours");
    let imprint = Imprint {
        sender_name: "Maison Vaisselle".to_owned(),
        postal_address: "12 rue des Chaudronniers, 80000 Amiens".to_owned(),
        reason: None,
    };
    let compiled = template.compile_email("fr", &imprint).expect("it compiles");
    let customer = sample_customer();
    let links = || {
        recipient_links(
            "https://mail.example",
            &keys,
            delivery(),
            customer.id,
            compiled.links(),
            Tracking::Full,
        )
    };
    c.bench_function("message: compile the template", |b| {
        b.iter(|| template.compile_email("fr", &imprint));
    });
    c.bench_function("message: links of a recipient", |b| b.iter(links));
    let own = links();
    c.bench_function("message: render", |b| {
        b.iter(|| compiled.render(&customer, &own));
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings =
        Settings::load_from(None, std::collections::HashMap::new()).expect("the defaults are good");
    let channel =
        EmailChannel::new(&settings.email, keys.clone(), folder.path()).expect("the sandbox");
    let wave = channel.open_wave(&WaveFrame {
        sender: Sender {
            name: "Maison Vaisselle".to_owned(),
            address: "bonjour@vaisselle.example".to_owned(),
            reply_to: None,
        },
        campaign: "super-chef".to_owned(),
        topic: "offers".to_owned(),
    });
    let rendered = compiled.render(&customer, &own).expect("it renders");
    let message = EmailMessage {
        delivery: delivery(),
        to_name: Some("Élodie Lefèvre".to_owned()),
        to_address: "elodie@mail.example".to_owned(),
        subject: rendered.subject,
        html: rendered.html,
        text: rendered.text,
        unsubscribe_url: own.unsubscribe,
        at: 1_795_348_800_000,
    };
    c.bench_function("message: splice into MIME", |b| {
        b.iter(|| wave.compose(&message));
    });
}

criterion_group!(hot_paths, tokens, segments, messages);
criterion_main!(hot_paths);
