//! The pages of segments as a browser without scripts uses them.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use visavis::accounts::model::Role;
use visavis::segments::library;
use visavis::storage::{Db, Sql as _};

use super::base::{self, Person};
use crate::kit::console;
use crate::kit::ledger::SETTLED_AT;
use crate::on_both;
use crate::web::{Site, header};

/// A page with its one form, filled in as it came.
struct Page {
    html: String,
    action: String,
    fields: Vec<(String, String)>,
}

impl Page {
    fn new(html: String) -> Self {
        let (_, form) = html
            .split_once("<form method=\"post\" action=\"/segments")
            .expect("a form");
        let (form, _) = form.split_once("</form>").expect("its end");
        let (path, _) = form.split_once('"').unwrap();
        let action = format!("/segments{path}");
        let mut fields = Vec::new();
        let mut rest = form;
        while let Some(open) = rest.find('<') {
            let tag = &rest[open..];
            let (head, after) = tag.split_once('>').unwrap();
            rest = after;
            let Some(name) = attribute(head, "name") else {
                continue;
            };
            if head.starts_with("<input") {
                fields.push((name, attribute(head, "value").unwrap_or_default()));
            } else if head.starts_with("<textarea") {
                let (text, after) = after.split_once("</textarea>").unwrap();
                fields.push((name, plain(text.strip_prefix('\n').unwrap_or(text))));
                rest = after;
            } else if head.starts_with("<select") {
                let (options, after) = after.split_once("</select>").unwrap();
                let options: Vec<&str> = options.split("<option").skip(1).collect();
                let chosen = options
                    .iter()
                    .find(|option| option.split('>').next().unwrap().ends_with(" selected"));
                let chosen = chosen
                    .or(options.first())
                    .map(|option| attribute(option, "value").unwrap());
                fields.push((name, chosen.unwrap_or_default()));
                rest = after;
            }
        }
        Self {
            html,
            action,
            fields,
        }
    }

    fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known == name);
        &found
            .unwrap_or_else(|| panic!("no field {name}: {:?}", self.fields))
            .1
    }

    fn fill(&mut self, name: &str, value: &str) -> &mut Self {
        let found = self.fields.iter_mut().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no field {name}")).1 = value.to_owned();
        self
    }

    /// The text without what browsers lay out as they like.
    fn text(&self) -> String {
        self.field("text")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn says(&self, words: &str) -> bool {
        plain(&self.html).contains(words)
    }
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let (_, value) = head.split_once(&format!(" {name}=\""))?;
    Some(plain(value.split('"').next()?))
}

fn plain(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#x27;", "'")
        .replace("&#x3D;", "=")
        .replace("&amp;", "&")
}

async fn open(site: &Site, path: &str) -> Page {
    let response = site.get(path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    Page::new(response.text().await.unwrap())
}

/// As a browser puts it into a body.
fn encoded(text: &str) -> String {
    // It sends line breaks as two characters.
    let text = text.replace('\n', "\r\n");
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Presses a button of the form; where it leads, or the page again.
async fn press(site: &Site, page: &Page, button: &str) -> Result<Page, String> {
    let mut fields = page.fields.clone();
    fields.push(("do".to_owned(), button.to_owned()));
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let post = site
        .ask(Method::POST, &page.action)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = post.body(fields.join("&")).send().await.unwrap();
    match response.status() {
        StatusCode::SEE_OTHER => Err(header(&response, "location").to_owned()),
        StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY => {
            Ok(Page::new(response.text().await.unwrap()))
        }
        other => panic!("{other}"),
    }
}

async fn pressed(site: &Site, page: &Page, button: &str) -> Page {
    match press(site, page, button).await {
        Ok(page) => page,
        Err(path) => panic!("led to {path}"),
    }
}

async fn people(db: &Db) {
    let person = |city: &str, stage, tags: &[&str]| Person {
        city: Some(city.to_owned()),
        stage,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        first_name: Some("Élodie".to_owned()),
        ..Person::default()
    };
    base::insert(
        db,
        &[
            person("Amiens", "customer", &["vip"]),
            person("Amiens", "customer", &[]),
            person("Lille", "prospect", &["vip", "staff"]),
            person("Lille", "suspect", &[]),
        ],
    )
    .await;
}

on_both! {
    async fn a_nested_rule_is_built_from_nothing_and_saved(db: &TestDb) {
        people(db).await;
        let site = Site::open(db).await;
        let mut page = open(&site, "/segments/new").await;
        assert_eq!(page.field("0.group"), "all");
        page.fill("new.0", "city");
        let mut page = pressed(&site, &page, "add:0").await;
        // A new line is not blamed for being empty.
        assert!(!page.says("a value is missing"));
        page.fill("1.word", "in");
        let mut page = pressed(&site, &page, "lines").await;
        page.fill("1.a", "Amiens, Lille");
        let mut page = pressed(&site, &page, "group:0").await;
        assert_eq!((page.text().as_str(), page.field("2.group")), ("city in (\"Amiens\", \"Lille\")", "any"));
        page.fill("new.2", "tagged");
        let mut page = pressed(&site, &page, "add:2").await;
        page.fill("3.a", "vip").fill("new.2", "stage");
        let mut page = pressed(&site, &page, "add:2").await;
        page.fill("4.a", "lapsed").fill("4.not", "1").fill("name", "Ours");
        page.fill("new.0", "age");
        let page = pressed(&site, &page, "add:0").await;
        // The empty line stands in the way of saving, and says so in its place.
        let page = pressed(&site, &page, "save").await;
        assert!(page.says("a value is missing") && page.says("A line of the rule is not complete"));
        let page = pressed(&site, &page, "remove:5").await;
        let page = pressed(&site, &page, "up:2").await;
        let said = "(tagged \"vip\" or not stage = \"lapsed\") and city in (\"Amiens\", \"Lille\")";
        assert_eq!(page.text(), said);
        let path = press(&site, &page, "save").await.err().expect("saved");
        let page = open(&site, &path).await;
        assert_eq!((page.field("name"), page.text().as_str(), page.field("revision")), ("Ours", said, "1"));
        let kept = library::by_name(db, "ours").await.unwrap().unwrap();
        assert_eq!(kept.rule, said);
        assert!(kept.updated_by.starts_with("user "), "{}", kept.updated_by);
        let audit = db.row("SELECT actor, action, subject FROM audit_log ORDER BY id DESC LIMIT 1", []).await.unwrap().unwrap();
        assert_eq!(audit.try_get::<String>("", "action").unwrap(), "segment.save");
        site.close().await;
    }

    async fn the_lines_follow_the_text_and_the_text_the_lines(db: &TestDb) {
        let site = Site::open(db).await;
        let mut page = open(&site, "/segments/new").await;
        page.fill("text", "age  between 30 AND 60 and (tagged \"a\" or tagged \"b\")");
        let mut page = pressed(&site, &page, "text").await;
        assert_eq!((page.field("1.about"), page.field("1.a"), page.field("1.b"), page.field("2.group")), ("age", "30", "60", "any"));
        page.fill("1.b", "65");
        let mut page = pressed(&site, &page, "lines").await;
        assert_eq!(page.text(), "age between 30 and 65 and (tagged \"a\" or tagged \"b\")");
        // A slip of the pen is told with its place and the nearest word, and the lines stay.
        page.fill("text", "aeg > 3");
        let mut page = pressed(&site, &page, "text").await;
        assert!(page.says("did you mean \"age\"?") && page.says("column 1"), "{}", page.html);
        assert_eq!((page.field("text"), page.field("1.b")), ("aeg > 3", "65"));
        page.fill("text", "age > 3");
        let mut page = pressed(&site, &page, "count").await;
        assert_eq!(page.field("1.word"), "more");
        // Where both were changed nobody guesses.
        page.fill("text", "age > 5").fill("1.a", "4").fill("name", "Both");
        let page = pressed(&site, &page, "save").await;
        assert!(page.says("only one can be right"));
        assert_eq!(library::by_name(db, "Both").await.unwrap(), None);
        assert_eq!(pressed(&site, &page, "lines").await.text(), "age > 4");
        assert_eq!(pressed(&site, &page, "text").await.field("1.a"), "5");
        site.close().await;
    }

    async fn two_editors_are_told_of_each_other(db: &TestDb) {
        let site = Site::open(db).await;
        let mut page = open(&site, "/segments/new?rule=age%20%3E%203").await;
        page.fill("name", "Shared");
        let path = press(&site, &page, "save").await.err().expect("saved");
        let (mut one, mut two) = (open(&site, &path).await, open(&site, &path).await);
        one.fill("1.a", "4");
        press(&site, &one, "save").await.err().expect("saved");
        two.fill("1.a", "5");
        let again = pressed(&site, &two, "save").await;
        assert!(again.says("changed the segment while you worked on it") && again.says("age > 4"));
        let rule = async || library::by_name(db, "Shared").await.unwrap().unwrap().rule;
        assert_eq!(rule().await, "age > 4");
        // Knowing it, he may replace it.
        press(&site, &again, "save").await.err().expect("saved");
        assert_eq!(rule().await, "age > 5");
        let mut other = open(&site, "/segments/new").await;
        other.fill("name", "shared");
        assert!(pressed(&site, &other, "save").await.says("There is a segment “shared” already"));
        other.fill("name", " ");
        assert!(pressed(&site, &other, "save").await.says("has no name"));
        site.close().await;
    }

    async fn a_count_is_shown_and_stays(db: &TestDb) {
        people(db).await;
        let site = Site::open(db).await;
        let mut page = open(&site, "/segments/new?rule=city%20%3D%20%22Amiens%22%20and%20not%20tagged%20%22vip%22").await;
        page.fill("name", "Amiens");
        let path = press(&site, &page, "save").await.err().expect("saved");
        let page = open(&site, &path).await;
        assert!(page.says("This rule has not been counted yet."));
        // One that was counted before it was saved has its count.
        let mut early = open(&site, "/segments/new?rule=city%20%3D%20%22Lille%22").await;
        early.fill("name", "Lille");
        let early = pressed(&site, &early, "count").await;
        let saved = press(&site, &early, "save").await.err().expect("saved");
        assert!(open(&site, saved.split('?').next().unwrap()).await.says("of 4 customers, 50.00\u{a0}%"));
        let page = pressed(&site, &page, "count").await;
        for words in ["of 4 customers, 25.00\u{a0}%", "What each line takes away", "−2", "−1", "tests passed", "Élodie"] {
            assert!(page.says(words), "{words}: {}", page.html);
        }
        let page = open(&site, path.split('?').next().unwrap()).await;
        assert!(page.says("of 4 customers"));
        let list = site.get("/segments").await.text().await.unwrap();
        assert!(list.contains("25.00\u{a0}%"), "{list}");
        // Why somebody is in or out, with a trace of who looked.
        let mut page = page;
        page.fill("who", "1");
        let page = pressed(&site, &page, "explain").await;
        assert!(page.says("Not in the segment") && page.says("tagged \"vip\""));
        let looks = db.row("SELECT COUNT(*) AS n FROM audit_records WHERE action = 'access'", []).await.unwrap().unwrap();
        assert_eq!(looks.try_get::<i64>("", "n").unwrap(), 1);
        let mut page = page;
        page.fill("who", "nobody@example.org");
        assert!(pressed(&site, &page, "explain").await.says("Nobody in the base is known by"));
        let path = press(&site, &page, "archive").await.err().expect("put away");
        let list = site.get(&path).await.text().await.unwrap();
        assert!(list.contains(">Lille</a>") && !list.contains(">Amiens</a>"), "{list}");
        let archive = site.get("/segments?archived=1").await.text().await.unwrap();
        assert!(archive.contains("Amiens"));
        site.close().await;
    }

    async fn who_may_not_plan_sees_no_segments(db: &TestDb) {
        let site = Site::open(db).await;
        for (role, status) in [(Role::Analyst, StatusCode::FORBIDDEN), (Role::Support, StatusCode::FORBIDDEN), (Role::Marketer, StatusCode::OK), (Role::Approver, StatusCode::OK)] {
            let (_, cookie) = console::sign_in(db, role, SETTLED_AT + 60_000).await;
            let client = console::with_cookie(&cookie);
            for path in ["/segments", "/segments/new"] {
                let answer = client.get(format!("{}{path}", site.base)).send().await.unwrap();
                assert_eq!(answer.status(), status, "{role} {path}");
            }
        }
        site.close().await;
    }
}
