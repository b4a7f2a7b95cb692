//! A base with people in it, and campaigns to send them.

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
use visavis::storage::{Db, DbUrl, Dialect, Sql};
use visavis::templates::Template;

use crate::Bench;
use crate::smtp::CONNECTIONS;

/// Opens the database of the bench, with its data folder.
pub async fn open(bench: &Bench, folder: &Path) -> Parts {
    // What is tried is set as it is for the server: VISAVIS__DELIVERY__WORKERS=4.
    let environment = std::env::vars()
        .filter(|(name, _)| name.starts_with("VISAVIS__"))
        .collect();
    let mut settings = Settings::load_from(None, environment).expect("good settings");
    settings.data_dir = folder.to_owned();
    settings.database.url = bench.database.clone().map(DbUrl::new);
    settings.email.connections = CONNECTIONS;
    settings.email.messages_per_connection = 1_000_000;
    settings.web.public_url = "https://mail.example".to_owned();
    open_with(settings).await
}

/// Opens the database of the settings, its schema brought up to date.
pub async fn open_with(settings: Settings) -> Parts {
    let connections = settings.database.max_connections;
    let db = Db::open(&settings.database_url(), connections)
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
        template = "brief"
        topic = "offers"
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
        "#
    );
    Definition::parse(&text, "bench").expect("a good definition")
}

/// Makes people by SQL until there are `people`: every tenth never agreed, every tenth is suppressed, every
/// hundredth shares the address of the one before.
pub async fn make_people(parts: &Parts, people: u32) {
    let (numbers, hex) = match parts.db.dialect() {
        Dialect::Sqlite => (
            "WITH RECURSIVE g (n) AS (SELECT $1 + 1 UNION ALL SELECT n + 1 FROM g WHERE n < $2) \
             SELECT n FROM g WHERE n <= $2",
            "printf('%08x', {})",
        ),
        Dialect::Postgres => (
            "SELECT n FROM generate_series(CAST($1 AS BIGINT) + 1, CAST($2 AS BIGINT)) AS g (n)",
            "lpad(to_hex({}), 8, '0')",
        ),
    };
    let hex = |factor: u32| hex.replace("{}", &format!("p.n * {factor} % 2147483647"));
    let fingerprint = [48_271, 69_621, 16_807, 39_373].map(hex).join(" || ");
    let now_ms = parts.clock.now_ms();
    let month_ago = now_ms - 86_400_000 * 30;
    let row = parts
        .db
        .row(
            "SELECT COUNT(*) AS n, COALESCE(MAX(id), 0) AS last FROM customers",
            [],
        )
        .await
        .expect("the database is there")
        .expect("a row");
    let there: i64 = row.try_get("", "n").expect("a number");
    let last: i64 = row.try_get("", "last").expect("a number");
    let txn = parts.db.begin().await.expect("a transaction");
    txn.run(
        format!(
            "INSERT INTO customers (external_id, email, email_key, email_fingerprint, email_state, first_name,
                 language, country, time_zone, stage, attributes, attributes_key, tracking, orders_count,
                 revenue_cents, engagement, created_at, updated_at)
             SELECT 'M' || p.n, p.address, p.address, {fingerprint}, 'ok', 'Camille',
                 'fr', 'FR', CASE WHEN p.n % 8 = 0 THEN 'Indian/Reunion' ELSE 'Europe/Paris' END, 'customer',
                 '{{}}', '{{}}', 'hygiene', 0, 0, 0, $3, $3
             FROM (SELECT n, (CASE WHEN n % 100 = 0 THEN n - 1 ELSE n END) || '@people.example' AS address
                 FROM ({numbers}) AS numbers) AS p"
        ),
        [there.into(), i64::from(people).into(), month_ago.into()],
    )
    .await
    .expect("people");
    txn.run(
        "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level,
             level_since_at)
         SELECT id, 'email', 'offers', id % 10 <> 1, CASE WHEN id % 10 <> 1 THEN 'consent' END, $2, id, 2, $2
         FROM customers WHERE id > $1 AND id % 10 <> 0",
        [last.into(), month_ago.into()],
    )
    .await
    .expect("what they allow");
    txn.run(
        "INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at)
         SELECT email_fingerprint, 'email', 'offers', 'opt_out', $2
         FROM customers WHERE id > $1 AND id % 10 = 1",
        [last.into(), month_ago.into()],
    )
    .await
    .expect("who said no");
    txn.commit().await.expect("they are there");
    if parts.db.dialect() == Dialect::Postgres {
        // As its own upkeep does soon after an import.
        parts.db.run("ANALYZE", []).await.expect("statistics");
    }
}

/// A personal message of about 10 KB, with tracked links.
fn template() -> Template {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = r#"
        name = "brief"
        language = "fr"
        description = "Pans, in few words"
        [attention]
        subject = "{{#if first_name}}{{first_name}}, votre poêle{{else}}Votre poêle{{/if}}"
        headline = "Une bonne poêle change tout"
        [interest]
        body = "{{#if first_name}}Bonjour {{first_name}},{{/if}} [voici nos poêles](https://shop.example/poeles)."
        [desire]
        body = "Elles durent trente ans{{#if city}}, aussi à {{city}}{{/if}}."
        [action]
        button = "Je commande"
        link = "https://shop.example/commande"
    "#;
    std::fs::write(folder.path().join("template.toml"), text).expect("a file");
    Template::load(folder.path()).expect("a good template")
}

/// Applies a campaign and launches it.
pub async fn launch(parts: &Parts, definition: &Definition) -> Launched {
    let template = template();
    let now = parts.clock.now();
    let (id, _) = plan::apply(&parts.db, definition, &[&template], None, "bench", now)
        .await
        .expect("it is applied");
    let options = parts.launch_options();
    launch::launch(&parts.db, id, Occurrence::ByHand, options, "bench", now)
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
