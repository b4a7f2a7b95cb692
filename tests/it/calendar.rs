//! The calendar and the first page, on both databases.

use chrono::{Duration, NaiveDate};
use reqwest::{Method, StatusCode};
use visavis::accounts::model::Role;
use visavis::campaigns::calendar::calendar;
use visavis::campaigns::calendar::model::{Calendar, Conflict, Span};
use visavis::campaigns::definition::Definition;
use visavis::campaigns::drafts::{self, Author, edit};
use visavis::campaigns::model::Status;
use visavis::campaigns::plan::{self, PlanError};
use visavis::campaigns::reschedule::{MoveTo, reschedule};
use visavis::campaigns::store;
use visavis::config::{PressureSettings, WindowKind};
use visavis::reports::dashboard::{Attention, dashboard};
use visavis::storage::Sql;

use crate::kit::console::{sign_in, with_cookie};
use crate::kit::house::{House, definition};
use crate::kit::ledger::{SETTLED_AT, number};
use crate::on_both;
use crate::web::Site;

/// A definition with a schedule, at Paris time.
fn scheduled(name: &str, schedule: &str) -> Definition {
    let plain = definition(name);
    let mut text = toml::to_string(&plain).unwrap();
    text.push_str(&format!(
        "\n[schedule]\nzone = \"Europe/Paris\"\n{schedule}\n"
    ));
    Definition::parse(&text, "test").unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

async fn december(house: &House) -> Calendar {
    let span = Span {
        from: day("2026-11-16"),
        until: day("2027-01-01"),
        zone: chrono_tz::Europe::Paris,
    };
    let parts = &house.parts;
    calendar(&parts.db, &parts.rules, &parts.settings, span, house.now())
        .await
        .unwrap()
}

fn days_of(calendar: &Calendar, name: &str) -> Vec<String> {
    let found = calendar.entries.iter().filter(|entry| entry.name == name);
    found
        .filter(|entry| entry.day < day("2027-01-01"))
        .map(|entry| entry.day.to_string())
        .collect()
}

on_both! {
    async fn it_shows_what_went_out_and_what_will(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| {
            settings.pressure = vec![PressureSettings {
                max: 2, days: 7, window: WindowKind::Sliding, channel: None, topic: None,
            }];
            settings.holidays.insert("BE".to_owned(), vec!["2026-12-02".to_owned()]);
        });
        house.add_customers(4, "mail.example").await;
        house.send("went").await;
        house.deliver().await;
        house.apply(&scheduled("once", "at = \"2026-12-03T09:30\"")).await;
        house.apply(&scheduled("weekly", "every = \"0 8 * * MON\"")).await;
        house.apply(&definition("by-hand")).await;
        house.apply(&scheduled("stopped", "at = \"2026-12-04T09:30\"")).await;
        plan::cancel(db, "stopped", "test", house.clock_ms()).await.unwrap();
        let shown = december(&house).await;
        assert_eq!(days_of(&shown, "went"), ["2026-11-22"]);
        assert_eq!(days_of(&shown, "once"), ["2026-12-03"]);
        assert_eq!(days_of(&shown, "weekly"), ["2026-11-23", "2026-11-30", "2026-12-07", "2026-12-14", "2026-12-21", "2026-12-28"]);
        assert_eq!(days_of(&shown, "by-hand").len() + days_of(&shown, "stopped").len(), 0);
        let went = shown.entries.iter().find(|entry| entry.name == "went").unwrap();
        assert!(went.is_wave && went.people == Some(4) && !went.may_move);
        assert_eq!(shown.span.day_of(went.window_until.unwrap()), day("2026-12-06"));
        let once = shown.entries.iter().find(|entry| entry.name == "once").unwrap();
        assert!(once.may_move && once.people.is_none());
        assert!(shown.entries.iter().all(|entry| entry.name != "weekly" || !entry.may_move));
        let holidays: Vec<(String, String)> =
            shown.holidays.iter().map(|(day, at)| (day.to_string(), at.join(" "))).collect();
        assert_eq!(holidays, [("2026-12-02".into(), "BE".into()), ("2026-12-25".into(), "BE FR".into())]);
        // One of the past, one each Monday, and the one in December: three of everyone within seven days.
        assert_eq!(shown.conflicts, []);
        house.apply(&scheduled("too-much", "at = \"2026-12-01T09:30\"")).await;
        let shown = december(&house).await;
        let told: Vec<(bool, Vec<String>)> = shown.conflicts.iter().filter_map(|conflict| match conflict {
            Conflict::Pressure { is_certain, campaigns, .. } => Some((*is_certain, campaigns.clone())),
            Conflict::Capacity { .. } => None,
        }).collect();
        assert_eq!(told[0], (true, vec!["once".to_owned(), "too-much".to_owned(), "weekly".to_owned()]));
        assert_eq!((shown.pressure[0].segment.as_str(), shown.pressure[0].peak, shown.pressure[0].max), ("everyone", 3, 2));
    }

    async fn a_campaign_is_moved_with_all_that_it_is(db: &TestDb) {
        let house = House::new(db, None);
        let mut plan = scheduled("once", "at = \"2026-12-03T09:30\"");
        plan.ends_at = Some(day("2026-12-20").and_hms_opt(0, 0, 0).unwrap());
        let id = house.apply(&plan).await;
        let before = store::by_id(&***db, id).await.unwrap().unwrap();
        let now = house.now();
        let moved = reschedule(db, id, MoveTo::Day(day("2026-12-10")), "user 1 Anne", now).await.unwrap();
        assert_eq!(moved.to.to_string(), "2026-12-10 09:30:00");
        let after = store::by_id(&***db, id).await.unwrap().unwrap();
        assert_eq!(after.template_version, before.template_version);
        assert_eq!(after.definition.segment, before.definition.segment);
        assert_eq!(after.revision, before.revision + 1);
        let (key, at) = store::next_due(&***db, id).await.unwrap().unwrap();
        assert_eq!((key.as_str(), at), ("2026-12-10T09:30", 1_796_891_400_000));
        assert_eq!(number(db, "SELECT COUNT(*) FROM due_times").await, 1);
        let noted = "SELECT COUNT(*) FROM audit_log WHERE action = 'campaign.reschedule' AND subject = 'once'";
        assert_eq!(number(db, noted).await, 1);
        let refusal = |result: Result<_, PlanError>| result.map(drop).unwrap_err().to_string();
        let past = reschedule(db, id, MoveTo::Day(day("2026-11-21")), "t", now).await;
        assert!(refusal(past).contains("lies behind us"));
        let late = reschedule(db, id, MoveTo::Day(day("2026-12-20")), "t", now).await;
        assert!(refusal(late).contains("ends before"));
        let weekly = house.apply(&scheduled("weekly", "every = \"0 8 * * MON\"")).await;
        let weekly = reschedule(db, weekly, MoveTo::Day(day("2026-12-20")), "t", now).await;
        assert!(refusal(weekly).contains("again and again"));
        let by_hand = house.apply(&definition("by-hand")).await;
        let by_hand = reschedule(db, by_hand, MoveTo::Day(day("2026-12-20")), "t", now).await;
        assert!(refusal(by_hand).contains("cannot be moved"));
        assert_eq!(store::next_due(&***db, id).await.unwrap().unwrap().0, "2026-12-10T09:30");
    }

    async fn a_campaign_is_not_moved_to_a_time_it_was_launched_for(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(2, "mail.example").await;
        let id = house.apply(&scheduled("once", "at = \"2026-12-03T09:30\"")).await;
        // By hand, before its time.
        house.launch(id).await;
        house.deliver().await;
        house.apply(&scheduled("once", "at = \"2026-12-10T09:30\"")).await;
        let back = reschedule(db, id, MoveTo::Day(day("2026-12-03")), "t", house.now()).await;
        let refusal = back.unwrap_err().to_string();
        assert!(refusal.contains("launched for 2026-12-03 09:30 already"), "{refusal}");
        let kept = store::by_id(&***db, id).await.unwrap().unwrap();
        assert_eq!(kept.status, Status::Scheduled);
        assert_eq!(store::next_due(&***db, id).await.unwrap().unwrap().0, "2026-12-10T09:30");
    }

    async fn a_name_is_found_whatever_its_capitals(db: &TestDb) {
        let house = House::new(db, None);
        house.apply(&definition("spring-sale")).await;
        let author = Author {
            key: "user 1".to_owned(),
            name: "Anne".to_owned(),
            actor: "user 1 Anne".to_owned(),
            may_launch: false,
        };
        edit::begin(db, "spring-plan", &author, house.clock_ms()).await.unwrap();
        let search = store::Search { text: "Spring", limit: 9, ..store::Search::default() };
        let found = store::search(&***db, &search).await.unwrap();
        assert_eq!(found.len(), 1);
        let drafts = drafts::store::list(&***db, "SPRING", 9).await.unwrap();
        assert_eq!(drafts.len(), 1);
        assert!(drafts::store::list(&***db, "spring_", 9).await.unwrap().is_empty(), "_ stands for itself");
    }

    async fn its_page_and_its_feed_are_for_those_who_may(db: &TestDb) {
        let house = House::new(db, None);
        house.clock.advance(Duration::milliseconds(SETTLED_AT + 60_000 - house.clock_ms()));
        let id = house.apply(&scheduled("ete", "at = \"2026-12-03T09:30\"")).await;
        let site = Site::open(db).await;
        let page = site.get("/calendar?month=2026-12").await;
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.unwrap().replace("&#x3D;", "=");
        for expected in ["December 2026", "ete", "09:30", "/campaigns/new?at=2026-12-08", "Christmas Day FR", "action=\"/calendar/move\"", "You have no address yet"] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(!page.contains("style=\"") && !page.contains("onclick"), "{page}");
        assert!(!page.contains("/campaigns/new?at=2026-11-20"), "no campaign begins in the past");
        let week = site.get("/calendar?week=2026-W49").await.text().await.unwrap();
        assert!(week.contains("30 November 2026 to 6 December 2026") && week.contains("ete"), "{week}");
        assert!(site.get("/calendar?month=x&week=y").await.status().is_success());
        // Moved by the form, which needs no script; a marketer may not.
        let form = |day: &str| format!("campaign={id}&day={day}&time=&month=2026-12");
        let send = async |client: &reqwest::Client, path: &str, body: String| {
            client.request(Method::POST, format!("{}{path}", site.base))
                .header("sec-fetch-site", "same-origin")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body).send().await.unwrap()
        };
        let moved = send(&site.client, "/calendar/move", form("2026-12-09")).await;
        assert_eq!(moved.status(), StatusCode::SEE_OTHER);
        assert_eq!(moved.headers()["location"], "/calendar?month=2026-12&done=moved");
        let refused = send(&site.client, "/calendar/move", form("2026-11-01")).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text().await.unwrap().contains("lies behind us"));
        let (_, cookie) = sign_in(db, Role::Marketer, house.clock_ms()).await;
        let marketer = with_cookie(&cookie);
        let refused = send(&marketer, "/calendar/move", form("2026-12-10")).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        // The feed.
        let made = send(&site.client, "/calendar/key", String::new()).await;
        let made = made.text().await.unwrap();
        let address = made.split("class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let path = address.split_once(&site.base["http://".len()..]).unwrap().1.replace("&#x3D;", "=");
        let nobody = reqwest::Client::new();
        let feed = nobody.get(format!("{}{path}", site.base)).send().await.unwrap();
        assert_eq!(feed.headers()["content-type"], "text/calendar; charset=utf-8");
        let feed = feed.text().await.unwrap();
        assert!(feed.contains("SUMMARY:ete (Email)\r\n"), "{feed}");
        assert!(feed.contains("DTSTART:20261209T083000Z\r\n"), "moved: {feed}");
        assert!(feed.contains(&format!("UID:campaign-{id}@")), "{feed}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM calendar_keys WHERE LENGTH(digest) = 64").await, 1);
        for wrong in ["/calendar.ics", "/calendar.ics?key=", "/calendar.ics?key=AAAA"] {
            let answer = nobody.get(format!("{}{wrong}", site.base)).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wrong}");
        }
        send(&site.client, "/calendar/key", String::new()).await;
        let old = nobody.get(format!("{}{path}", site.base)).send().await.unwrap();
        assert_eq!(old.status(), StatusCode::NOT_FOUND, "the address of before leads nowhere");
        site.close().await;
    }

    async fn the_first_page_says_what_needs_a_person(db: &TestDb) {
        let house = House::new(db, None);
        house.clock.advance(Duration::milliseconds(SETTLED_AT + 60_000 - house.clock_ms()));
        let parts = &house.parts;
        let read = async || dashboard(db, &parts.rules, &parts.settings, house.now()).await.unwrap();
        let empty = read().await;
        assert!(empty.running.is_empty() && empty.next.is_empty() && empty.answered.is_empty());
        assert_eq!(empty.attention, []);
        house.add_customers(5, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        house.apply(&scheduled("once", "at = \"2026-12-03T09:30\"")).await;
        db.run(
            "INSERT INTO wave_counters (wave_id, counter, value) VALUES ($1, 'responders', 120), ($1, 'complaints', 2), ($1, 'bounces', 200)
             ON CONFLICT (wave_id, counter) DO UPDATE SET value = excluded.value",
            [wave.0.into()],
        ).await.unwrap();
        db.run("UPDATE wave_counters SET value = 1000 WHERE wave_id = $1 AND counter = 'accepted'", [wave.0.into()]).await.unwrap();
        let stuck = house.apply(&definition("stuck")).await;
        house.launch(stuck).await;
        plan::pause(db, "stuck", "the relay refuses our sender", "test", house.clock_ms()).await.unwrap();
        let full = read().await;
        assert_eq!(full.running.len(), 1);
        assert_eq!((full.running[0].name.as_str(), full.running[0].messages, full.running[0].done), ("stuck", 5, 0));
        assert_eq!(full.next.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["once"]);
        assert_eq!(full.answered[0].rate.value, Some(0.15), "of 800 that did not bounce");
        assert!(matches!(&full.attention[0], Attention::Paused { campaign, reason } if campaign == "stuck" && reason.contains("sender")));
        assert!(matches!(&full.attention[1], Attention::Complaints { campaign, rate } if campaign == "spring" && (rate.count, rate.of) == (2, 800)));
        assert_eq!(full.attention.len(), 2, "{:?}", full.attention);
        db.run(
            "INSERT INTO imports (name, stored, bytes, state, plan, is_dry_run, is_imported, report, actor, uploaded_at)
             VALUES ('people.csv', 'x', 1, 'done', '{}', $2, $3, '{\"rejected\": 3}', 'test', $1)",
            [house.clock_ms().into(), false.into(), true.into()],
        ).await.unwrap();
        db.run(
            "INSERT INTO campaign_drafts (name, definition, step, standing, review, revision, made_by, made_by_name, made_at, changed_at)
             VALUES ('draft', '{}', 'review', 'asked', '{}', 1, 'user 1', 'Anne', $1, $1)",
            [house.clock_ms().into()],
        ).await.unwrap();
        // However many came after them.
        for n in 0..6 {
            db.run(
                "INSERT INTO imports (name, stored, bytes, state, plan, is_dry_run, is_imported, report, actor, uploaded_at)
                 VALUES ('clean.csv', $2, 1, 'done', '{}', $3, $4, '{\"rejected\": 0}', 'test', $1)",
                [house.clock_ms().into(), format!("clean {n}").into(), false.into(), true.into()],
            ).await.unwrap();
        }
        db.run(
            "INSERT INTO waves (campaign_id, due_key, template_version_id, definition, status, is_simulated, launched_at,
                priority, relay)
             SELECT w.campaign_id, 'later ' || n.n, w.template_version_id, w.definition, 'finished', w.is_simulated,
                w.launched_at, w.priority, w.relay
             FROM waves w CROSS JOIN (SELECT a.n * 6 + b.n AS n
                FROM (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) a CROSS JOIN
                     (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) b) n
             WHERE w.id = $1",
            [wave.0.into()],
        ).await.unwrap();
        db.run(
            "INSERT INTO wave_counters (wave_id, counter, value)
             SELECT id, 'accepted', 1 FROM waves WHERE due_key LIKE 'later %'",
            [],
        ).await.unwrap();
        db.run(
            "INSERT INTO campaigns (name, definition, template_version_id, status, status_reason, revision, created_at, updated_at)
             SELECT 'also-' || n.n, c.definition, c.template_version_id, 'paused', 'its sender', 1, 0, 0
             FROM campaigns c CROSS JOIN (SELECT id AS n FROM waves WHERE due_key LIKE 'later %') n WHERE c.name = 'stuck'",
            [],
        ).await.unwrap();
        let more = read().await.attention;
        let paused = more.iter().filter(|one| matches!(one, Attention::Paused { .. })).count();
        assert_eq!(paused, 31, "more than the page shows as running");
        db.run("DELETE FROM campaigns WHERE name LIKE 'also-%'", []).await.unwrap();
        let more = read().await.attention;
        assert!(more.iter().any(|one| matches!(one, Attention::Complaints { campaign, .. } if campaign == "spring")), "30 waves later: {more:?}");
        for sql in [
            "DELETE FROM wave_counters WHERE wave_id IN (SELECT id FROM waves WHERE due_key LIKE 'later %')",
            "DELETE FROM waves WHERE due_key LIKE 'later %'",
        ] {
            db.run(sql, []).await.unwrap();
        }
        assert_eq!(more[0], Attention::Approvals { count: 1 }, "somebody waits for it");
        assert!(matches!(&more[3], Attention::Rejects { file, count: 3, .. } if file == "people.csv"), "{more:?}");
        let site = Site::open(db).await;
        let page = site.get("/").await.text().await.unwrap();
        for expected in ["stuck is paused: the relay refuses our sender", "0.25\u{a0}%", "15.00\u{a0}%", "href=\"/campaigns/once\"", "<svg class=\"trend\""] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(page.contains("href=\"/imports/"), "{page}");
        let (_, cookie) = sign_in(db, Role::Approver, house.clock_ms()).await;
        let approver = with_cookie(&cookie).get(format!("{}/", site.base)).send().await.unwrap().text().await.unwrap();
        assert!(approver.contains("1 campaign waits for an approval") && !approver.contains("href=\"/imports"), "{approver}");
        let (_, cookie) = sign_in(db, Role::Support, house.clock_ms()).await;
        let refused = with_cookie(&cookie).get(format!("{}/", site.base)).send().await.unwrap();
        assert_ne!(refused.status(), StatusCode::OK, "figures are not for whoever only helps customers");
        site.close().await;
    }
}
