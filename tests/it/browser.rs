//! The pages a customer sees, in a real browser.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_util::sync::CancellationToken;
use visavis::accounts::links::{self, Purpose};
use visavis::app::App;
use visavis::channels::outbox::{Outbox, OutboxMessage};
use visavis::ids::UserId;
use visavis::storage::Sql;
use visavis::tokens::preferences_token;

use crate::kit;
use crate::kit::house::{House, definition};
use crate::kit::ledger::{self, SETTLED_AT};
use crate::web::Site;

const PERSON: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";

/// chromedriver, ended with the test.
pub struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// `None` (said aloud) without Chromium and its driver.
    pub fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .unwrap()
            .port();
        let is_there = Command::new("chromium").arg("--version").output().is_ok();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) if is_there => Some(Self { child, port }),
            _ => {
                kit::missing("Chromium with chromedriver");
                None
            }
        }
    }

    /// A telephone whose browser runs no scripts: the pages must work without.
    async fn browser(&self, folder: &std::path::Path) -> Client {
        self.browser_of(folder, (390, 844), false).await
    }

    /// A browser with a window of this size.
    pub async fn browser_of(
        &self,
        folder: &std::path::Path,
        (width, height): (u32, u32),
        runs_scripts: bool,
    ) -> Client {
        let capabilities = serde_json::json!({
            "goog:chromeOptions": {"args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage",
                format!("--blink-settings=scriptEnabled={runs_scripts}"),
                format!("--window-size={width},{height}"),
                // Its own says that nobody looks, and would be taken for a machine.
                format!("--user-agent={PERSON}"),
                format!("--user-data-dir={}", folder.display()),
            ]}
        });
        let serde_json::Value::Object(capabilities) = capabilities else {
            unreachable!("written above");
        };
        let begin = Instant::now();
        loop {
            let client = ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities.clone())
                .connect(&format!("http://127.0.0.1:{}", self.port))
                .await;
            match client {
                Ok(client) => return client,
                Err(error) => assert!(begin.elapsed() < Duration::from_secs(30), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From the mail in the outbox: read it in the browser, unsubscribe with the button.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_reads_in_the_browser_and_unsubscribes() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let db = kit::database::sqlite().await;
    let house = House::new(&db, None);
    house.add_customers(1, "mail.example").await;
    house.send("spring").await;
    let app = App::build(house.parts.clone()).await.unwrap();
    let stop = CancellationToken::new();
    let run = tokio::spawn(app.run(stop.clone()));
    let outbox = Outbox::open(&house.parts.settings.data_dir.join("outbox")).unwrap();
    let begin = Instant::now();
    while outbox.count().unwrap() == 0 {
        assert!(begin.elapsed() < Duration::from_secs(20), "it is sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mail = OutboxMessage::parse(&outbox.read(1).unwrap().unwrap()).unwrap();
    let html = mail.html.unwrap();
    let link = |path: &str| {
        let at = html
            .find(path)
            .unwrap_or_else(|| panic!("{path} in the mail"));
        let start = html[..at].rfind('"').unwrap() + 1;
        html[start..].split('"').next().unwrap().to_owned()
    };

    let profile = tempfile::tempdir().unwrap();
    let browser = driver.browser(profile.path()).await;
    browser.goto(&link("/v/")).await.unwrap();
    let text = browser
        .find(Locator::Css("body"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(text.contains("Élodie"), "{text}");

    browser.goto(&link("/u/")).await.unwrap();
    let before: bool = granted(&db).await;
    assert!(before, "looking changes nothing");
    let button = browser.find(Locator::Css("form button")).await.unwrap();
    button.click().await.unwrap();
    // The tick stands on the page that says that it is done.
    browser
        .wait()
        .at_most(Duration::from_secs(20))
        .for_element(Locator::Css("svg.tick"))
        .await
        .unwrap();
    assert!(!granted(&db).await, "he is unsubscribed");

    browser.close().await.unwrap();
    stop.cancel();
    run.await.unwrap().unwrap();
}

/// From the mail to the preference centre on a telephone, with the keyboard alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_chooses_with_the_keyboard_on_a_telephone() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let db = kit::database::sqlite().await;
    let customer = ledger::customer(&db, "ada", "fr", "full").await;
    let site = Site::open(&db).await;
    let profile = tempfile::tempdir().unwrap();
    let browser = driver.browser(profile.path()).await;
    let path = format!(
        "{}/p/{}",
        site.base,
        preferences_token(customer, &site.keys)
    );
    browser.goto(&path).await.unwrap();
    let page = browser.find(Locator::Css("html")).await.unwrap();
    let (_, _, width, _) = page.rectangle().await.unwrap();
    let form = browser.find(Locator::Css("form.sections")).await.unwrap();
    let (left, _, form_width, _) = form.rectangle().await.unwrap();
    assert!(
        left >= 0.0 && left + form_width <= width,
        "nothing stands out of {width}"
    );
    for control in browser
        .find_all(Locator::Css(
            "select, button, input[type=checkbox], input[type=date]",
        ))
        .await
        .unwrap()
    {
        let size = control.css_value("font-size").await.unwrap();
        let is_box = control.attr("type").await.unwrap().as_deref() == Some("checkbox");
        assert!(
            is_box || size.trim_end_matches("px").parse::<f64>().unwrap() >= 16.0,
            "{size}: a telephone would zoom in"
        );
    }

    let press = async |key: &str| {
        let focused = browser.active_element().await.unwrap();
        focused.send_keys(key).await.unwrap();
    };
    let tab = String::from(char::from(Key::Tab));
    let mut met = Vec::new();
    press(&tab).await;
    loop {
        let focused = browser.active_element().await.unwrap();
        let name = focused.attr("name").await.unwrap().unwrap_or_default();
        let value = focused.attr("value").await.unwrap().unwrap_or_default();
        met.push(format!("{name} {value}"));
        assert!(met.len() < 20, "{met:?}");
        match (name.as_str(), value.as_str()) {
            ("topic", "email:offers") | ("tracking", _) => press(" ").await,
            // The list takes the choice that begins so: "Une fois par mois" by its third.
            ("frequency", _) => press("Une fois par mois").await,
            ("action", "save") => break,
            _ => {}
        }
        press(&tab).await;
    }
    assert_eq!(
        met[0], "topic email:offers",
        "the form comes first: {met:?}"
    );
    press(&String::from(char::from(Key::Enter))).await;
    let done = browser
        .wait()
        .at_most(Duration::from_secs(20))
        .for_element(Locator::Css("ul.changes"));
    let said = done.await.unwrap().text().await.unwrap();
    for text in ["Offres", "une fois par mois", "Nous n’enregistrons plus"] {
        assert!(said.contains(text), "{text} in {said}");
    }
    let left = "SELECT COUNT(*) FROM permissions WHERE is_granted AND topic = 'news'";
    assert_eq!(ledger::number(&db, left).await, 1);
    assert_eq!(
        ledger::number(&db, "SELECT COUNT(*) FROM permissions WHERE is_granted").await,
        1
    );
    browser.close().await.unwrap();
    site.close().await;
}

async fn granted(db: &kit::database::TestDb) -> bool {
    db.row("SELECT 1 AS one FROM permissions WHERE is_granted", [])
        .await
        .unwrap()
        .is_some()
}

/// A part of a page that asks again by itself says when it cannot, and goes on when it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_follows_says_that_it_is_old_and_catches_up() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let db = kit::database::sqlite().await;
    let house = House::new(&db, None);
    house.add_customers(1, "mail.example").await;
    let campaign = house.apply(&definition("spring")).await;
    house.launch(campaign).await;
    let site = Site::open(&db).await;
    let user = ledger::number(&db, "SELECT id FROM users").await;
    let txn = db.begin().await.unwrap();
    let link = links::make(&txn, Purpose::SignIn, Some(UserId(user)), SETTLED_AT).await;
    txn.commit().await.unwrap();
    let profile = tempfile::tempdir().unwrap();
    let browser = driver.browser_of(profile.path(), (1280, 900), true).await;
    // Its session's cookie needs https, or this name.
    let base = site.base.replace("127.0.0.1", "localhost");
    let enter = format!("{base}/enter/{}", link.unwrap());
    browser.goto(&enter).await.unwrap();
    let button = browser.find(Locator::Css("main form button")).await;
    button.unwrap().click().await.unwrap();
    let shown = async |selector: &str| {
        browser
            .wait()
            .at_most(Duration::from_secs(60))
            .for_element(Locator::Css(selector))
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    assert!(shown("#running[data-refresh]").await.contains("spring"));
    let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
    db.run(rename("user_sessions", "elsewhere"), [])
        .await
        .unwrap();
    assert!(shown("#running .warned").await.contains("may be old"));
    db.run(rename("elsewhere", "user_sessions"), [])
        .await
        .unwrap();
    shown("#running:not(:has(.warned))").await;
    browser.close().await.unwrap();
    site.close().await;
}
