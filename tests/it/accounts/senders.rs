//! What must stand in DNS, looked up at a name server of the test.

use reqwest::StatusCode;
use visavis::channels::email::dns::{self, Dns, Standing};
use visavis::config::Settings;

use crate::kit::database;
use crate::kit::dns::NameServer;
use crate::web::Site;

/// One who sends from news.shop.example through a provider, signed in the name of shop.example.
fn settings(server: &NameServer) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("visavis.toml");
    let key = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/channels/email/testdata/rsa.pem"
    );
    let text = format!(
        r#"
        [web]
        public_url = "https://go.shop.example"
        [email]
        bounce_domain = "bounce.shop.example"
        name_server = "{}"
        [email.relay]
        host = "smtp.sendgrid.net"
        port = 587
        tls = "starttls"
        provider = "sendgrid"
        [[email.dkim]]
        domain = "shop.example"
        selector = "v1"
        kind = "rsa"
        key_file = "{key}"
        [notices]
        sender_name = "Shop"
        sender_address = "bonjour@news.shop.example"
        postal_address = "Amiens"
        "#,
        server.addr
    );
    std::fs::write(&file, text).unwrap();
    Settings::load_from(Some(&file), Default::default()).unwrap()
}

#[tokio::test]
async fn records_are_said_looked_up_and_compared() {
    let server = NameServer::start().await;
    let settings = settings(&server);
    let sender = dns::sender(&settings, "news.shop.example").unwrap();
    assert!(sender.is_signed && sender.is_return_path_own);
    let names: Vec<(&str, &str)> = sender
        .records
        .iter()
        .map(|record| (record.name.as_str(), record.kind.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("v1._domainkey.shop.example", "TXT"),
            ("bounce.shop.example", "TXT"),
            ("bounce.shop.example", "MX"),
            ("_dmarc.news.shop.example", "TXT"),
        ]
    );
    let [dkim, spf, mx, _] = &sender.records[..] else {
        panic!("four of them");
    };
    assert_eq!(spf.value, "v=spf1 include:sendgrid.net ~all");
    assert_eq!(mx.value, "10 go.shop.example.");
    // What openssl says of the same key: `openssl rsa -in rsa.pem -pubout -outform DER | base64`.
    assert!(
        dkim.value
            .starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"),
        "{}",
        dkim.value
    );

    let asked = Dns::new(settings.email.name_server).unwrap();
    let standings = async || -> Vec<Standing> {
        let found = dns::look(&asked, &sender).await;
        found.into_iter().map(|found| found.standing).collect()
    };
    assert_eq!(standings().await, vec![Standing::Missing; 4]);
    server.txt("v1._domainkey.shop.example", &dkim.value);
    server.txt("bounce.shop.example", "some-verification=1");
    server.txt(
        "bounce.shop.example",
        "v=spf1 include:_spf.sendgrid.example include:sendgrid.net -all",
    );
    server.mx("bounce.shop.example", "mx1.shop.example");
    // The policy of the domain above holds for it too.
    server.txt("_dmarc.shop.example", "v=DMARC1; p=reject");
    assert_eq!(standings().await, vec![Standing::Right; 4]);
    let found = dns::look(&asked, &sender).await;
    assert_eq!(found[3].at.as_deref(), Some("_dmarc.shop.example"));
    server.txt("bounce.shop.example", "v=spf1 -all");
    assert_eq!(
        standings().await[1],
        Standing::Different(dns::Difference::Several)
    );
}

#[tokio::test]
async fn who_gets_no_answer_is_not_told_that_something_is_missing() {
    // A port where nobody answers: bound, and never read.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = NameServer::start().await;
    let sender = dns::sender(&settings(&server), "news.shop.example").unwrap();
    let asked = Dns::new(silent.local_addr().ok()).unwrap();
    for found in dns::look(&asked, &sender).await {
        assert!(
            matches!(found.standing, Standing::CannotTell(_)),
            "{found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_looks_up_domains_of_ours_alone() {
    let server = NameServer::start().await;
    let db = database::sqlite().await;
    let told = settings(&server);
    let site = Site::open_set(&db, |settings| *settings = told).await;
    let page = site.get("/settings/senders").await.text().await.unwrap();
    assert!(
        page.contains("news.shop.example") && page.contains("/settings/senders/shop.example"),
        "{page}"
    );
    let page = site
        .get("/settings/senders/news.shop.example")
        .await
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("include:sendgrid.net") && !page.contains("missing<"),
        "{page}"
    );
    let path = "/settings/senders/news.shop.example?look=1";
    let page = site.get(path).await.text().await.unwrap();
    assert_eq!(page.matches(">missing<").count(), 4, "{page}");
    server.mx("bounce.shop.example", "mx1.shop.example");
    let page = site.get(path).await.text().await.unwrap();
    assert_eq!(page.matches(">missing<").count(), 3, "{page}");
    assert!(page.contains("10 mx1.shop.example."), "{page}");
    let other = site.get("/settings/senders/other.example?look=1").await;
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    site.close().await;
}
