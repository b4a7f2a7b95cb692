//! The whole job in a real browser: set up, import, segment, template, campaign, approval, launch, the click and the
//! way out, the report; and whether those who do not see the pages can use them.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, Locator};
use reqwest::{Method, Url};
use tokio_util::sync::CancellationToken;
use visavis::app::App;
use visavis::channels::outbox::{Outbox, OutboxMessage};
use visavis::storage::Sql;

use crate::browser::Driver;
use crate::kit;
use crate::kit::house::House;

const PASSWORD: &str = "pans and pots and lids";

const PEOPLE: &str = "\
id,email,first_name,last_name,city,birth_date,permission.email.offers,permission_source,permission_date,permission_basis,permission_wording
A1,ada@mail.example,Ada,Petit,Amiens,1980-05-01,yes,shop form,2026-10-01,consent,I want offers by email
A2,bea@mail.example,Béa,Grand,Amiens,1990-05-01,yes,shop form,2026-10-01,consent,I want offers by email
A3,cid@mail.example,Cid,Long,Lille,1970-05-01,yes,shop form,2026-10-01,consent,I want offers by email
A4,not an address,Dan,Court,Amiens,1970-05-01,no,,,,
";

/// A window of the console.
struct Window {
    browser: Client,
    base: String,
    screens: PathBuf,
    taken: std::cell::Cell<u32>,
}

impl Window {
    async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.base);
        self.browser.goto(&url).await.unwrap();
    }

    async fn text(&self) -> String {
        let body = self.browser.find(Locator::Css("body")).await.unwrap();
        body.text().await.unwrap()
    }

    /// Writes what is seen to the folder of screens.
    async fn look(&self, name: &str) {
        let number = self.taken.get() + 1;
        self.taken.set(number);
        let picture = self.browser.screenshot().await.unwrap();
        std::fs::write(
            self.screens.join(format!("{number:02}-{name}.png")),
            picture,
        )
        .unwrap();
    }

    async fn fill(&self, field: &str, text: &str) {
        let found = self.browser.find(Locator::Css(field)).await;
        let found = found.unwrap_or_else(|error| panic!("{field}: {error}"));
        found.clear().await.ok();
        found.send_keys(text).await.unwrap();
    }

    /// Presses a button, and waits until another page is there.
    async fn press(&self, button: &str) {
        let before = self.browser.find(Locator::Css("html")).await.unwrap();
        let found = self.browser.find(Locator::Css(button)).await;
        let found = match found {
            Ok(found) => found,
            Err(error) => panic!("{button}: {error} in {}", self.text().await),
        };
        found.click().await.unwrap();
        let begin = Instant::now();
        // The element of a page that is gone can no longer be asked.
        while before.tag_name().await.is_ok() {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{button} leads on"
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    async fn choose(&self, option: &str) {
        let found = self.browser.find(Locator::Css(option)).await;
        let found = found.unwrap_or_else(|error| panic!("{option}: {error}"));
        found.click().await.unwrap();
    }

    async fn sees(&self, text: &str) {
        let seen = self.text().await;
        assert!(seen.contains(text), "{text:?} in {seen}");
    }

    /// Opens a page again and again until it says this.
    async fn until(&self, path: &str, text: &str) {
        let begin = Instant::now();
        loop {
            self.open(path).await;
            if self.text().await.contains(text) {
                return;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{path} says {text:?}: {}",
                self.text().await
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn sign_in(&self, email: &str) {
        self.press("form.who button").await;
        self.fill("#email", email).await;
        self.fill("#password", PASSWORD).await;
        self.press(".card button").await;
    }
}

async fn number(house: &House, sql: &str) -> i64 {
    let row = house.parts.db.row(sql, []).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

/// A link of a mail, by a piece of its path.
fn link(mail: &OutboxMessage, piece: &str) -> String {
    let html = mail.html.as_deref().unwrap();
    let at = html
        .find(piece)
        .unwrap_or_else(|| panic!("{piece} in the mail"));
    let start = html[..at].rfind('"').unwrap() + 1;
    html[start..].split('"').next().unwrap().to_owned()
}

fn screens(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_does_its_whole_job_without_a_script() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let db = kit::database::sqlite().await;
    let house = House::new(&db, None);
    let app = App::build(house.parts.clone()).await.unwrap();
    let setup = house
        .parts
        .setup_link()
        .await
        .unwrap()
        .expect("nobody is here");
    let stop = CancellationToken::new();
    let base = format!("http://localhost:{}", app.console_address().port());
    let run = tokio::spawn(app.run(stop.clone()));
    let profile = tempfile::tempdir().unwrap();
    let console = Window {
        browser: driver.browser_of(profile.path(), (1280, 1000), false).await,
        base,
        screens: screens("journey"),
        taken: std::cell::Cell::new(0),
    };

    console.open(&format!("/enter/{setup}")).await;
    console.look("setup").await;
    console.fill("#name", "Anne Petit").await;
    console.fill("#email", "anne@visavis.example").await;
    console.fill("#password", PASSWORD).await;
    console.press(".card button").await;
    console.look("dashboard").await;
    console.open(&format!("/enter/{setup}")).await;
    assert!(!console.text().await.contains("Your name"), "it works once");

    console.open("/settings/users").await;
    console.fill("#name", "Paul Dubois").await;
    console
        .fill("form.fields #email", "paul@visavis.example")
        .await;
    console.choose("input[name=role][value=marketer]").await;
    console.press("form.fields .buttons button").await;
    let page = console.browser.source().await.unwrap();
    let (_, invitation) = page.split_once("/enter/").expect("the link is shown once");
    let invitation: String = invitation
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();

    let file = profile.path().join("people.csv");
    std::fs::write(&file, PEOPLE).unwrap();
    console.open("/imports").await;
    let input = console.browser.find(Locator::Css("#file")).await.unwrap();
    input.send_keys(&file.display().to_string()).await.unwrap();
    console.press("form.fields button").await;
    console.look("columns").await;
    let page = console.browser.current_url().await.unwrap();
    console.press("button[value=import]").await;
    console.until(page.path(), "4").await;
    let begin = Instant::now();
    while number(&house, "SELECT COUNT(*) AS n FROM customers").await < 4 {
        assert!(begin.elapsed() < Duration::from_secs(30), "it is imported");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    console.open(page.path()).await;
    console.look("imported").await;

    console.open("/segments/new").await;
    console.fill("#name", "Amiens").await;
    console.fill("#text", "city = \"Amiens\"").await;
    console
        .press("button[value=text].second:not([tabindex])")
        .await;
    console.look("segment").await;
    console.press("button[value=save]").await;
    console.open("/segments").await;
    console.sees("Amiens").await;

    console.open("/templates/new").await;
    console.fill("#name", "autumn").await;
    console.choose("#from option[value=super-chef]").await;
    console.press("form.fields button").await;
    console.look("template").await;

    // Paul plans.
    console.press("form.who button").await;
    console.open(&format!("/enter/{invitation}")).await;
    console.fill("#password", PASSWORD).await;
    console.press(".card button").await;
    console.open("/campaigns/new").await;
    console.fill("#name", "autumn").await;
    console.press("form.plan button").await;
    console.fill("#segment", "city = \"Amiens\"").await;
    console.press("button[value=next]").await;
    console.choose("input[name=template][value=autumn]").await;
    console.press("button[value=next]").await;
    console.fill("#sender_name", "Maison Vaisselle").await;
    console
        .fill("#sender_address", "bonjour@vaisselle.example")
        .await;
    console
        .fill("#postal_address", "12 rue des Chaudronniers, 80000 Amiens")
        .await;
    console.choose("#topic option[value=offers]").await;
    console.look("schedule").await;
    console.press("button[value=next]").await;
    console.press("button[value=next]").await;
    console.look("review").await;
    console.sees("2 people").await;
    console.press("button[value=ask]").await;

    // Anne approves and launches.
    console.sign_in("anne@visavis.example").await;
    console.open("/campaigns/autumn/review").await;
    console.look("approval").await;
    console.press("button[value=approve]").await;
    console.open("/campaigns/autumn/launch").await;
    console.look("launch").await;
    console.press("form.plan button").await;
    console.look("launched").await;

    let outbox = Outbox::open(&house.parts.settings.data_dir.join("outbox")).unwrap();
    let begin = Instant::now();
    while outbox.count().unwrap() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(30), "it is sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    console.open("/outbox").await;
    console.look("outbox").await;
    console.sees("ada@mail.example").await;
    let mails: Vec<OutboxMessage> = (1..=2)
        .map(|n| OutboxMessage::parse(&outbox.read(n).unwrap().unwrap()).unwrap())
        .collect();
    // Sooner it would be a scanner's.
    house.advance(chrono::Duration::minutes(5));
    // The shop is on no network of ours: the browser ends nowhere, and the click counts.
    console.browser.goto(&link(&mails[0], "/c/")).await.ok();
    console.browser.goto(&link(&mails[1], "/u/")).await.unwrap();
    console.press("form button").await;
    console.look("unsubscribed").await;

    console
        .until("/reports/campaigns/autumn", "1 responder of 2 delivered")
        .await;
    console.look("report").await;
    assert_eq!(
        number(
            &house,
            "SELECT COUNT(*) AS n FROM permissions WHERE NOT is_granted AND customer_id IN (1, 2)"
        )
        .await,
        1,
        "who opted out is heard"
    );
    console.open("/settings/audit").await;
    console.look("audit").await;
    console.sees("campaign.launch").await;

    console.browser.close().await.unwrap();
    stop.cancel();
    run.await.unwrap().unwrap();
}

/// Where the checker of accessibility is; `None` (said aloud) where it is not installed.
fn checker() -> Option<String> {
    let path = std::env::var("VISAVIS_AXE").ok()?;
    std::fs::read_to_string(path).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_kept_out_of_the_console() {
    let Some(checker) = checker() else {
        kit::missing("axe-core (VISAVIS_AXE names its axe.min.js)");
        return;
    };
    let Some(driver) = Driver::start() else {
        return;
    };
    let db = kit::database::sqlite().await;
    let house = House::new(&db, None);
    house.add_customers(30, "mail.example").await;
    house.send("spring").await;
    let setup = house
        .parts
        .setup_link()
        .await
        .unwrap()
        .expect("nobody is here");
    let app = App::build(house.parts.clone()).await.unwrap();
    let stop = CancellationToken::new();
    let base = format!("http://localhost:{}", app.console_address().port());
    let run = tokio::spawn(app.run(stop.clone()));
    let profile = tempfile::tempdir().unwrap();
    let console = Window {
        browser: driver.browser_of(profile.path(), (1280, 1000), true).await,
        base,
        screens: screens("console"),
        taken: std::cell::Cell::new(0),
    };
    console.open(&format!("/enter/{setup}")).await;
    let mut faults = examine_both(&console, &checker, "/enter").await;
    console.fill("#name", "Anne Petit").await;
    console.fill("#email", "anne@visavis.example").await;
    console.fill("#password", PASSWORD).await;
    console.press(".card button").await;
    for path in [
        "/",
        "/campaigns",
        "/campaigns/new",
        "/campaigns/spring",
        "/calendar",
        "/calendar?week=2026-11-23",
        "/customers",
        "/customers/1",
        "/segments",
        "/segments/new",
        "/imports",
        "/permission",
        "/templates",
        "/templates/super-chef",
        "/templates/new",
        "/reports",
        "/reports/campaigns/spring",
        "/reports/grid",
        "/replies",
        "/mail",
        "/outbox",
        "/settings",
        "/settings/profile",
        "/settings/users",
        "/settings/tokens",
        "/settings/senders",
        "/settings/relays",
        "/settings/rules",
        "/settings/audit",
        "/settings/webhooks",
    ] {
        console.open(path).await;
        faults.extend(examine_both(&console, &checker, path).await);
        let name = path.trim_matches('/').replace(['/', '?', '='], "-");
        console.look(&name).await;
    }
    console.browser.close().await.unwrap();
    stop.cancel();
    run.await.unwrap().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// By light and in the dark.
async fn examine_both(console: &Window, checker: &str, path: &str) -> Vec<String> {
    let mut faults = examine(console, checker, path).await;
    console.browser.issue_cmd(Scheme("dark")).await.unwrap();
    let is_dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
    let is_dark = console.browser.execute(is_dark, vec![]).await.unwrap();
    assert_eq!(is_dark, true, "{path}");
    faults.extend(examine(console, checker, &format!("{path} (dark)")).await);
    console.browser.issue_cmd(Scheme("light")).await.unwrap();
    faults
}

/// Sets the colours a visitor prefers, by Chromium's own command.
#[derive(Debug)]
struct Scheme(&'static str);

impl WebDriverCompatibleCommand for Scheme {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _address: &Url) -> (Method, Option<String>) {
        let command = serde_json::json!({
            "cmd": "Emulation.setEmulatedMedia",
            "params": {"features": [{"name": "prefers-color-scheme", "value": self.0}]},
        });
        (Method::POST, Some(command.to_string()))
    }
}

/// What axe-core finds on a page that keeps people out: its serious and critical findings.
async fn examine(console: &Window, checker: &str, path: &str) -> Vec<String> {
    console.browser.execute(checker, vec![]).await.unwrap();
    let run = "const done = arguments[arguments.length - 1]; \
        axe.run(document, { iframes: false }).then((found) => done(found.violations.map((v) => \
            [v.impact, v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')])), \
            (error) => done([['critical', 'axe', String(error), '']]));";
    let found = console.browser.execute_async(run, vec![]).await.unwrap();
    let found: Vec<[String; 4]> = serde_json::from_value(found).unwrap();
    found
        .into_iter()
        .filter(|[impact, ..]| matches!(impact.as_str(), "serious" | "critical"))
        .map(|[impact, id, help, nodes]| format!("{path}: {impact} {id}: {help}: {nodes}"))
        .collect()
}
