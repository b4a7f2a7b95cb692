//! The pages of reports over HTTP: over campaigns, side by side, in French, and shared with others.

use chrono::Duration;
use reqwest::header::{ACCEPT_LANGUAGE, LOCATION};
use reqwest::{Method, StatusCode};
use visavis::accounts::model::Role;
use visavis::reports::shares;
use visavis::storage::{Db, Sql};

use super::{FIGURES, set};
use crate::kit::console;
use crate::kit::house::{House, definition};
use crate::kit::ledger::{self, CLICKS, Plan, SETTLED_AT, number};
use crate::on_both;
use crate::web::{Site, header};

/// A campaign that ran once, with these responders of 80 delivered.
async fn ran(db: &Db, campaign: &'static str, responders: i64) {
    let wave = ledger::wave(db, Plan { campaign, ..CLICKS }).await;
    let figures = FIGURES.map(|(counter, value)| match counter {
        "responders" => (counter, responders),
        _ => (counter, value),
    });
    set(db, wave, &figures).await;
}

/// What stands on a page, without its markup.
fn text(page: &str) -> String {
    let page = page.split("<main").nth(1).unwrap_or(page);
    let mut text = String::new();
    let mut in_tag = true;
    for c in page.chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                text.push('\n');
            }
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Makes a link to a report as a form does, and returns the address it shows.
pub async fn shared(site: &Site, campaign: &str, days: u32) -> String {
    let path = format!("/reports/campaigns/{campaign}/share");
    let form = site
        .ask(Method::POST, &path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("days={days}"));
    let page = form.send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    // The whole address, so that it can be handed on as it stands.
    let begin = format!("{}/shared/", site.base);
    let link = page.split("href=\"").find(|rest| rest.starts_with(&begin));
    let link = link.expect("a link").split('"').next().unwrap();
    link.strip_prefix(site.base.as_str()).unwrap().to_owned()
}

on_both! {
    async fn a_link_opens_one_report_and_nothing_else(db: &TestDb) {
        ran(db, "spring", 8).await;
        ran(db, "autumn", 20).await;
        let site = Site::open(db).await;
        let link = shared(&site, "spring", 30).await;
        let stranger = reqwest::Client::new();
        let read = |path: String, language: &'static str| {
            let request = stranger.get(format!("{}{path}", site.base));
            async move { request.header(ACCEPT_LANGUAGE, language).send().await.unwrap() }
        };
        let page = read(link.clone(), "en").await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(header(&page, "cache-control"), "no-store");
        assert_eq!(header(&page, "x-robots-tag"), "noindex, nofollow");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        let page = page.text().await.unwrap();
        assert!(page.contains("8 responders of 80 delivered"), "{page}");
        for hidden in ["autumn", "/reports", "/customers", "<form", "<script"] {
            assert!(!page.contains(hidden), "{hidden} in {page}");
        }
        let french = read(link.clone(), "fr").await.text().await.unwrap();
        assert!(french.contains("lang=\"fr\"") && french.contains("8 répondants sur 80 délivrés"), "{french}");

        let token = link.strip_prefix("/shared/").unwrap();
        assert_eq!(number(db, &format!("SELECT COUNT(*) FROM report_shares WHERE digest = '{token}'")).await, 0, "only its digest is kept");
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_log WHERE action = 'report.share' AND subject = 'spring'").await, 1);
        for bad in [format!("{token}A"), token[1..].to_owned(), "spring".to_owned(), "a".repeat(3_000)] {
            assert_eq!(read(format!("/shared/{bad}"), "en").await.status(), StatusCode::NOT_FOUND, "{bad}");
        }
        let post = stranger.post(format!("{}{link}", site.base)).send().await.unwrap();
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
        let inside = read("/reports/campaigns/spring/share".to_owned(), "en").await;
        assert!(!inside.text().await.unwrap().contains("8 responders"), "the rest needs an account");

        // Another campaign's page does not end it; its own does.
        let id = number(db, "SELECT id FROM report_shares").await;
        let end = |campaign: &str| format!("/reports/campaigns/{campaign}/share/{id}/end");
        let other = site.ask(Method::POST, &end("autumn")).send().await.unwrap();
        assert_eq!(other.status(), StatusCode::NOT_FOUND);
        assert_eq!(read(link.clone(), "en").await.status(), StatusCode::OK);
        let own = site.ask(Method::POST, &end("spring")).send().await.unwrap();
        assert_eq!(own.status(), StatusCode::SEE_OTHER);
        assert_eq!(read(link.clone(), "en").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(site.ask(Method::POST, &end("spring")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_log WHERE action = 'report.unshare'").await, 1);
        site.close().await;
    }

    async fn every_link_that_works_is_listed(db: &TestDb) {
        ran(db, "spring", 8).await;
        shares::make(db, "spring", "test", 365, SETTLED_AT).await.unwrap();
        for _ in 0..101 {
            shares::make(db, "spring", "test", 7, SETTLED_AT).await.unwrap();
        }
        let later = SETTLED_AT + 8 * ledger::DAY_MS;
        let listed = shares::list(db, "spring", later).await.unwrap();
        assert_eq!(listed.len(), 101, "the last hundred, and the first");
        assert_eq!(listed.iter().filter(|link| link.works(later)).count(), 1);
        assert_eq!(shares::list(db, "autumn", later).await.unwrap().len(), 0);
    }

    async fn a_link_ends_by_itself(db: &TestDb) {
        ran(db, "spring", 8).await;
        let site = Site::open(db).await;
        let link = shared(&site, "spring", 7).await;
        let stranger = reqwest::Client::new();
        let status = async || stranger.get(format!("{}{link}", site.base)).send().await.unwrap().status();
        site.clock.advance(Duration::days(7) - Duration::seconds(1));
        assert_eq!(status().await, StatusCode::OK);
        site.clock.advance(Duration::seconds(1));
        assert_eq!(status().await, StatusCode::NOT_FOUND);
        site.close().await;
    }

    async fn results_are_sorted_narrowed_and_compared(db: &TestDb) {
        ran(db, "autumn", 40).await;
        ran(db, "spring", 8).await;
        let site = Site::open(db).await;
        let list = site.get("/reports?sort=response").await.text().await.unwrap();
        let place = |name: &str| list.find(&format!("/reports/campaigns/{name}\"")).expect(name);
        assert!(place("autumn") < place("spring"), "the better first: {list}");
        assert!(list.contains("30.00\u{a0}%") && list.contains("48 responders of 160 delivered"), "the sum: {list}");
        let newest = site.get("/reports").await.text().await.unwrap();
        assert!(newest.find("/spring\"") < newest.find("/autumn\""));
        for nothing in ["?channel=sms", "?status=running", "?from=2031-01-01", "?to=2001-01-01"] {
            let page = site.get(&format!("/reports{nothing}")).await.text().await.unwrap();
            assert!(page.contains("No campaign was launched in this period"), "{nothing}: {page}");
        }
        // 30 November in Greenwich, half past midnight in Paris.
        db.run("UPDATE waves SET launched_at = 1796081400000 WHERE id = (SELECT MAX(id) FROM waves)", []).await.unwrap();
        let december = site.get("/reports?from=2026-12-01&to=2026-12-01").await.text().await.unwrap();
        assert!(december.contains("/reports/campaigns/spring\"") && !december.contains("/reports/campaigns/autumn\""), "{december}");
        let odd = site.get("/reports?from=x&sort=%01&page=-3&channel=post").await;
        assert_eq!(odd.status(), StatusCode::OK);

        let page = site.get("/reports/compare?campaign=spring&campaign=autumn").await;
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.unwrap();
        for expected in [
            "autumn does better than spring: significant (50.00\u{a0}% against 10.00\u{a0}%",
            "autumn less spring", "40.00 points", "were not parted by chance",
        ] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        for (query, status) in [
            ("campaign=spring", StatusCode::UNPROCESSABLE_ENTITY),
            ("", StatusCode::UNPROCESSABLE_ENTITY),
            ("campaign=spring&campaign=spring", StatusCode::UNPROCESSABLE_ENTITY),
            ("campaign=spring&campaign=nothing", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(site.get(&format!("/reports/compare?{query}")).await.status(), status, "{query}");
        }
        let standing = site.get("/reports/standing").await.text().await.unwrap();
        assert!(standing.contains("There is no standing control group"), "{standing}");
        site.close().await;
    }

    async fn no_name_hides_a_report(db: &TestDb) {
        for name in ["grid", "compare", "standing"] {
            ran(db, name, 8).await;
        }
        let site = Site::open(db).await;
        for name in ["grid", "compare", "standing"] {
            let page = site.get(&format!("/reports/campaigns/{name}")).await.text().await.unwrap();
            assert!(page.contains("8 responders of 80 delivered"), "{page}");
        }
        let old = site.get("/reports/super%20chef.csv?x=1").await;
        assert_eq!(old.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(old.headers()[LOCATION], "/reports/campaigns/super%20chef.csv?x=1");
        site.close().await;
    }

    async fn who_reads_french_reads_a_french_report(db: &TestDb) {
        ran(db, "spring", 8).await;
        let site = Site::open(db).await;
        let (_, cookie) = console::sign_in(db, Role::Analyst, SETTLED_AT + 60_000).await;
        db.run("UPDATE users SET language = 'fr'", []).await.unwrap();
        let analyst = console::with_cookie(&cookie);
        let page = analyst.get(format!("{}/reports/campaigns/spring", site.base)).send().await.unwrap();
        let page = text(&page.text().await.unwrap());
        insta::assert_snapshot!("french_report", page);
        let list = analyst.get(format!("{}/reports", site.base)).send().await.unwrap().text().await.unwrap();
        assert!(list.contains("10,00\u{a0}%") && list.contains("Taux de réponse de l’ensemble"), "{list}");
        site.close().await;
    }

    async fn the_mail_shows_the_clicks_of_each_link(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(20, "mail.example").await;
        let id = house.apply(&definition("spring")).await;
        let wave = house.launch(id).await.wave;
        house.deliver_to_the_end(wave).await;
        db.run(
            "INSERT INTO wave_counters (wave_id, counter, value) VALUES ($1, 'clicks.link.0', 3), ($1, 'clicks.link.1', 1)
             ON CONFLICT (wave_id, counter) DO UPDATE SET value = excluded.value",
            [wave.0.into()],
        ).await.unwrap();
        let site = Site::open(db).await;
        let report = site.get("/reports/campaigns/spring").await.text().await.unwrap();
        assert!(report.contains("<iframe src=\"/reports/campaigns/spring/mail\""), "{report}");
        let mail = site.get("/reports/campaigns/spring/mail?language=fr").await;
        assert_eq!(mail.status(), StatusCode::OK);
        let policy = header(&mail, "content-security-policy");
        assert!(policy.contains("sandbox") && policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'self'"));
        assert_eq!(header(&mail, "x-frame-options"), "SAMEORIGIN");
        let mail = mail.text().await.unwrap();
        assert!(mail.contains(">3 · 75\u{a0}%</span>") && !mail.contains("link.invalid"), "{mail}");
        let link = shared(&site, "spring", 7).await;
        let stranger = reqwest::Client::new();
        let same = stranger.get(format!("{}{link}/mail", site.base)).send().await.unwrap();
        assert_eq!(same.status(), StatusCode::OK);
        let none = stranger.get(format!("{}/shared/x/mail", site.base)).send().await.unwrap();
        assert_eq!(none.status(), StatusCode::NOT_FOUND);
        site.close().await;
    }
}
