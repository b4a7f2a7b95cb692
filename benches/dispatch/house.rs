//! A base with people in it, and campaigns to send them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use visavis::app::Parts;
use visavis::campaigns::definition::Definition;
use visavis::campaigns::plan;
use visavis::clock::SystemClock;
use visavis::config::{RelaySettings, Settings};
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::customers::sample;
use visavis::delivery::launch::{self, Launched, Occurrence};
use visavis::storage::{Db, DbUrl};
use visavis::templates::Template;

use crate::Bench;
use crate::smtp::CONNECTIONS;

/// Opens the database of the bench, with its data folder.
pub async fn open(bench: &Bench, folder: &Path) -> Parts {
    let mut settings = Settings::load_from(None, HashMap::new()).expect("the defaults are good");
    settings.data_dir = folder.to_owned();
    settings.database.url = bench.database.clone().map(DbUrl::new);
    settings.email.connections = CONNECTIONS;
    settings.email.messages_per_connection = 1_000_000;
    settings.web.public_url = "https://mail.example".to_owned();
    let db = Db::open(&settings.database_url(), 10)
        .await
        .expect("the database opens");
    db.migrate().await.expect("the schema");
    db.close().await;
    Parts::open(settings, Arc::new(SystemClock))
        .await
        .expect("it opens")
}

/// A relay on this machine.
pub fn relay(port: u16) -> RelaySettings {
    RelaySettings::plain("127.0.0.1", port)
}

/// A campaign to everyone.
pub fn definition(name: &str) -> Definition {
    let text = format!(
        r#"
        name = "{name}"
        segment = "everyone"
        template = "super-chef"
        topic = "offers"
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
        "#
    );
    Definition::parse(&text, "bench").expect("a good definition")
}

/// Applies a campaign and launches it.
pub async fn launch(parts: &Parts, definition: &Definition) -> Launched {
    let template = Template::embedded("super-chef").expect("a template of ours");
    let now = parts.clock.now();
    let (id, _) = plan::apply(&parts.db, definition, &template, now)
        .await
        .expect("it is applied");
    let options = parts.launch_options();
    launch::launch(&parts.db, id, Occurrence::ByHand, options, now)
        .await
        .expect("it is launched")
}

/// Invented customers, through the importer.
pub async fn import_people(parts: &Parts, people: u32) {
    let file = parts.settings.data_dir.join("customers.csv");
    sample::write_customers(&file, people, 1, parts.clock.now().date_naive()).expect("a file");
    let begin = Instant::now();
    let report = import::run(
        &parts.db,
        &parts.keys,
        parts.clock.now_ms(),
        ImportRequest::new(&file, ImportKind::Customers),
        |_| {},
    )
    .await
    .expect("it is imported");
    println!(
        "imported {} customers in {:.1} s",
        report.created,
        begin.elapsed().as_secs_f64()
    );
}
