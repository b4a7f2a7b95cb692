//! The console's way from an empty draft to a launched campaign, with forms alone.

use std::sync::Arc;

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use reqwest::StatusCode;
use reqwest::header::LOCATION;
use visavis::accounts::model::Role;
use visavis::channels::outbox::Outbox;
use visavis::responses::ResponseWriter;
use visavis::storage::Sql;
use visavis::web::{State, configure_console};

use crate::kit::console::{sign_in, with_cookie};
use crate::kit::house::House;
use crate::on_both;

/// The console of a house.
struct Console {
    base: String,
    handle: ServerHandle,
}

/// Somebody who works with it.
struct Person {
    client: reqwest::Client,
    base: String,
}

impl Console {
    fn open(house: &House) -> Self {
        let parts = &house.parts;
        let outbox = Outbox::open(&parts.settings.data_dir.join("outbox")).unwrap();
        let state = State::new(
            parts.db.clone(),
            parts.clock.clone(),
            parts.keys.clone(),
            Arc::clone(&parts.settings),
            ResponseWriter::start(parts.db.clone()),
            Arc::new(outbox),
        );
        let state = web::Data::new(state.unwrap());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .configure(configure_console)
        })
        .workers(2)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { base, handle }
    }

    async fn person(&self, house: &House, role: Role) -> Person {
        let now_ms = house.now().timestamp_millis();
        let (_, cookie) = sign_in(&house.parts.db, role, now_ms).await;
        Person {
            client: with_cookie(&cookie),
            base: self.base.clone(),
        }
    }
}

impl Person {
    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self
            .client
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// The page, which is there.
    async fn page(&self, path: &str) -> String {
        let (status, page) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        assert!(
            !page.contains("style=\"") && !page.contains("<script>"),
            "{path}: the policy allows neither"
        );
        page
    }

    /// Sends a form; the status, and where it leads or what it says.
    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let answer = self
            .client
            .post(format!("{}{path}", self.base))
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded(fields))
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let to = answer.headers().get(LOCATION);
        match to.map(|to| to.to_str().unwrap().to_owned()) {
            Some(to) => (status, to),
            None => (status, answer.text().await.unwrap()),
        }
    }

    /// Sends a form that is taken; where it leads.
    async fn sent(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let (status, to) = self.send(path, fields).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}: {to}");
        to
    }

    /// Plans a campaign of this name up to its review.
    async fn plan(&self, name: &str) {
        let to = self
            .sent("/campaigns/new", &[("name", name), ("from", "")])
            .await;
        assert_eq!(to, format!("/campaigns/{name}/audience"));
        type Fields<'a> = Vec<(&'a str, &'a str)>;
        let steps: [(&str, Fields<'_>, &str); 4] = [
            ("audience", vec![("segment", "everyone")], "message"),
            (
                "message",
                vec![
                    ("template", "super-chef"),
                    ("goal", "click"),
                    ("window_days", "14"),
                ],
                "schedule",
            ),
            ("schedule", SCHEDULE.to_vec(), "test"),
            (
                "test",
                vec![
                    ("cell1_name", ""),
                    ("control", "10"),
                    ("global_control", "yes"),
                ],
                "review",
            ),
        ];
        for (step, mut fields, next) in steps {
            let path = format!("/campaigns/{name}/{step}");
            let page = self.page(&path).await;
            let revision = revision(&page);
            fields.extend([("revision", revision.as_str()), ("go", "next")]);
            assert_eq!(
                self.sent(&path, &fields).await,
                format!("/campaigns/{name}/{next}")
            );
        }
    }
}

const SCHEDULE: [(&str, &str); 7] = [
    ("way", "email"),
    ("topic", "offers"),
    ("sender_name", "Maison Vaisselle"),
    ("sender_address", "bonjour@vaisselle.example"),
    ("postal_address", "12 rue des Chaudronniers, 80000 Amiens"),
    ("when", "now"),
    ("rate", "50"),
];

/// Fields as a browser sends them.
fn encoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let fields = fields.iter();
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    fields.join("&")
}

/// The revision that a page's form holds.
fn hidden(page: &str, name: &str) -> String {
    let (_, after) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .expect("a form");
    after.split('"').next().unwrap_or_default().to_owned()
}

fn revision(page: &str) -> String {
    hidden(page, "revision")
}

/// What a form shows, as it gives it back.
fn shown(page: &str) -> [(&'static str, String); 2] {
    ["revision", "digest"].map(|name| (name, hidden(page, name)))
}

async fn number(house: &House, sql: &str) -> i64 {
    let row = house.parts.db.row(sql, []).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

on_both! {
    async fn a_marketer_plans_an_approver_approves_and_it_is_launched_once(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(40, "one.example").await;
        let console = Console::open(&house);
        let marketer = console.person(&house, Role::Marketer).await;
        let approver = console.person(&house, Role::Approver).await;
        marketer.plan("spring").await;
        let review = marketer.page("/campaigns/spring/review").await;
        assert!(review.contains("held back as control"), "{review}");
        assert!(review.contains("by email as soon as it is launched"), "{review}");
        assert!(review.contains("Ask for approval") && !review.contains("/campaigns/spring/launch\""), "{review}");
        let revision_asked = revision(&review);
        let early = marketer.send("/campaigns/spring/launch", &[("revision", revision_asked.as_str())]).await;
        assert_eq!(early.0, StatusCode::FORBIDDEN, "{}", early.1);
        marketer
            .sent("/campaigns/spring/approval", &[("revision", revision_asked.as_str()), ("act", "ask"), ("word", "Ready?")])
            .await;
        let list = approver.page("/campaigns?status=asked").await;
        assert!(list.contains("/campaigns/spring/"), "{list}");
        let review = approver.page("/campaigns/spring/review").await;
        assert!(review.contains("Ready?") && review.contains("value=\"approve\""), "{review}");
        let own = marketer
            .send("/campaigns/spring/approval", &[("revision", revision(&review).as_str()), ("act", "approve")])
            .await;
        assert_eq!(own.0, StatusCode::FORBIDDEN, "{}", own.1);
        // Nobody approves what he did not see.
        for digest in [None, Some(("digest", "of another template"))] {
            let revision = revision(&review);
            let mut blind = vec![("revision", revision.as_str()), ("act", "approve")];
            blind.extend(digest);
            let (status, page) = approver.send("/campaigns/spring/approval", &blind).await;
            assert!(status == StatusCode::CONFLICT && page.contains("look at it again"), "{status} {page}");
        }
        let mut seen: Vec<_> = shown(&review).into();
        seen.push(("act", "approve".to_owned()));
        let seen: Vec<(&str, &str)> = seen.iter().map(|(name, value)| (*name, value.as_str())).collect();
        approver.sent("/campaigns/spring/approval", &seen).await;
        let page = marketer.page("/campaigns/spring/launch").await;
        let people = 40 - number_in(&marketer.page("/campaigns/spring/review").await, "control group");
        assert!(page.contains(&format!("Send it to {people} people now")), "{page}");
        let fields = shown(&page);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // A second tab, a double click: both are led on, one sends.
        let (one, other) = tokio::join!(
            marketer.sent("/campaigns/spring/launch", &fields),
            marketer.sent("/campaigns/spring/launch", &fields),
        );
        assert_eq!((one.as_str(), other.as_str()), ("/campaigns/spring?done=launched", "/campaigns/spring?done=launched"));
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM waves").await, 1);
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM audit_log WHERE action = 'campaign.launch'").await, 1);

        let running = marketer.page("/campaigns/spring?done=launched").await;
        assert!(running.contains("Launched.") && running.contains("value=\"pause\""), "{running}");
        marketer.sent("/campaigns/spring/act", &[("act", "pause"), ("reason", "a wrong price")]).await;
        let paused = marketer.page("/campaigns/spring").await;
        assert!(paused.contains("a wrong price") && !paused.contains("value=\"resume\""), "{paused}");
        // To go on is to launch: he sees whom to ask.
        assert!(paused.contains("ask approver"), "{paused}");
        let own = marketer.send("/campaigns/spring/act", &[("act", "resume")]).await;
        assert_eq!(own.0, StatusCode::FORBIDDEN, "{}", own.1);
        assert!(approver.page("/campaigns/spring").await.contains("value=\"resume\""));
        approver.sent("/campaigns/spring/act", &[("act", "resume")]).await;
        house.deliver().await;
        let done = marketer.page("/campaigns/spring").await;
        assert!(done.contains("Response rate") && done.contains("/campaigns/new?from=spring"), "the report: {done}");
        let copy = marketer.page("/campaigns/new?from=spring").await;
        assert!(copy.contains("value=\"spring-2\""), "{copy}");
        console.handle.stop(false).await;
    }

    async fn what_is_missing_or_wrong_is_said_where_it_is_given(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(5, "one.example").await;
        let console = Console::open(&house);
        let admin = console.person(&house, Role::Administrator).await;
        admin.sent("/campaigns/new", &[("name", "Soldes d'été"), ("from", ""), ("at", "2026-12-24")]).await;
        let schedule = admin.page("/campaigns/soldes-d-ete/schedule").await;
        assert!(schedule.contains("value=\"2026-12-24\""), "the calendar's day: {schedule}");
        let again = admin.send("/campaigns/new", &[("name", "soldes d ete"), ("from", "")]).await;
        assert_eq!(again.0, StatusCode::UNPROCESSABLE_ENTITY);
        let base = "/campaigns/soldes-d-ete";
        let review = admin.page(&format!("{base}/review")).await;
        assert!(review.contains("Not complete yet") && review.contains("Email address of the sender"), "{review}");
        assert!(!review.contains(&format!("{base}/launch")), "{review}");
        // A rule that cannot be read is not saved, and stands there as it was written.
        let wrong = admin.send(&format!("{base}/audience"), &[("segment", "agee > 3"), ("revision", "2")]).await;
        assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.1.contains("agee &gt; 3"), "{}", wrong.1);
        // Outrun by somebody, what was typed stands there, and may be saved knowing it.
        let now = revision(&admin.page(&format!("{base}/audience")).await);
        admin.sent(&format!("{base}/audience"), &[("segment", "age > 30"), ("revision", now.as_str()), ("go", "stay")]).await;
        let (status, late) = admin.send(&format!("{base}/audience"), &[("segment", "age > 40"), ("revision", now.as_str())]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(late.contains("was changed since you opened it") && late.contains("age &gt; 40"), "{late}");
        let anew = revision(&late);
        assert_ne!(anew, now);
        admin.sent(&format!("{base}/audience"), &[("segment", "age > 40"), ("revision", anew.as_str()), ("go", "stay")]).await;
        // A rule as long as the language takes it comes in whole; this one is not complete.
        let long = "city = \"é\" or ".repeat(1_300);
        assert!((16_384..20_000).contains(&long.chars().count()));
        let long = admin.send(&format!("{base}/audience"), &[("segment", long.as_str()), ("revision", "1")]).await;
        assert_eq!(long.0, StatusCode::UNPROCESSABLE_ENTITY, "{}", long.1);
        let counted = admin.page(&format!("{base}/audience?segment=everyone")).await;
        assert!(counted.contains("<strong>5</strong>"), "{counted}");
        let fragment = admin.page(&format!("{base}/count?segment=id%20%3E%203")).await;
        assert!(!fragment.contains("<html"), "{fragment}");
        let fields = [("when", "at"), ("at_day", ""), ("rate", "many"), ("revision", "2")];
        let wrong = admin.send(&format!("{base}/schedule"), &fields).await;
        assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.1.contains("href=\"#at_day\"") && wrong.1.contains("href=\"#rate\""), "{}", wrong.1);
        assert!(wrong.1.contains("value=\"many\""), "what was written stays");
        console.handle.stop(false).await;
    }

    async fn a_time_that_is_over_is_refused_beside_its_field_and_at_the_launch(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(5, "one.example").await;
        let console = Console::open(&house);
        let admin = console.person(&house, Role::Administrator).await;
        admin.plan("spring").await;
        let path = "/campaigns/spring/schedule";
        let revision_now = revision(&admin.page(path).await);
        let at = |day: &'static str| {
            let mut fields = SCHEDULE.to_vec();
            fields.retain(|(name, _)| *name != "when");
            fields.extend([("when", "at"), ("at_day", day), ("at_time", "13:30"), ("whose", "fixed"), ("zone", "Europe/Paris"),
                ("fallback_zone", "Europe/Paris"), ("go", "stay")]);
            fields
        };
        let mut over = at("2026-11-21");
        over.push(("revision", revision_now.as_str()));
        let (status, page) = admin.send(path, &over).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.contains("href=\"#at_day\"") && page.contains("This time lies behind us"), "{page}");
        let mut to_come = at("2026-11-22");
        to_come.push(("revision", revision_now.as_str()));
        admin.sent(path, &to_come).await;
        let question = admin.page("/campaigns/spring/launch").await;
        house.advance(chrono::Duration::hours(1));
        let (status, page) = admin.send("/campaigns/spring/launch", &shown(&question).each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        for expected in ["It was not launched", "time lies behind us", "/campaigns/spring/review"] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(!page.contains("[schedule] out"), "{page}");
        // A figure that is none is told by the name of its field.
        let mut half = at("2026-12-01");
        half.retain(|(name, _)| *name != "rate");
        half.extend([("rate", "10,5"), ("revision", revision_now.as_str())]);
        let (_, page) = admin.send(path, &half).await;
        assert!(page.contains("At most, messages a second: Give a whole number."), "{page}");
        console.handle.stop(false).await;
    }

    async fn only_who_plans_comes_near_and_a_trial_goes_to_the_outbox(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(5, "one.example").await;
        let console = Console::open(&house);
        let admin = console.person(&house, Role::Administrator).await;
        admin.plan("spring").await;
        for role in [Role::Analyst, Role::Support] {
            let person = console.person(&house, role).await;
            for page in ["audience", "review", "launch"] {
                let (status, _) = person.get(&format!("/campaigns/spring/{page}")).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{role}: {page}");
            }
            let (status, _) = person.send("/campaigns/spring/launch", &[("revision", "5")]).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{role}");
        }
        let analyst = console.person(&house, Role::Analyst).await;
        let list = analyst.page("/campaigns").await;
        assert!(!list.contains("/campaigns/new"), "{list}");
        let review = admin.page("/campaigns/spring/review?as=1").await;
        assert!(review.contains("sandbox=") && review.contains("srcdoc="), "{review}");
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM audit_records WHERE action = 'access'").await, 1);
        let tried = admin
            .send("/campaigns/spring/trial", &[("to", "me@one.example, you@one.example"), ("as", "1")])
            .await;
        assert_eq!(tried.0, StatusCode::OK, "{}", tried.1);
        assert!(tried.1.contains("me@one.example") && tried.1.contains("/outbox"), "{}", tried.1);
        let outbox = Outbox::open(&house.parts.settings.data_dir.join("outbox")).unwrap();
        assert_eq!(outbox.list(0, 10, None).unwrap().len(), 2);
        // Another name for a time to come, and the last question says so.
        let page = admin.page("/campaigns/spring/schedule").await;
        let mut fields = SCHEDULE.to_vec();
        let revision_now = revision(&page);
        fields.retain(|(name, _)| *name != "when");
        fields.extend([("when", "every"), ("repeat", "weekly"), ("repeat_weekday", "1"), ("repeat_time", "09:30"),
            ("zone", "Europe/Paris"), ("fallback_zone", "Europe/Paris"), ("revision", revision_now.as_str()), ("go", "stay")]);
        admin.sent("/campaigns/spring/schedule", &fields).await;
        let page = admin.page("/campaigns/spring/launch").await;
        assert!(page.contains("every Monday at 09:30, time of Paris"), "{page}");
        admin.sent("/campaigns/spring/launch", &shown(&page).each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        let page = admin.page("/campaigns/spring?done=launched").await;
        assert!(page.contains("scheduled") && page.contains("Leaves"), "{page}");
        admin.sent("/campaigns/spring/reopen", &[]).await;
        admin.sent("/campaigns/spring/delete", &[]).await;
        admin.sent("/campaigns/spring/act", &[("act", "cancel")]).await;
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM campaigns WHERE status = 'cancelled'").await, 1);
        console.handle.stop(false).await;
    }
}

/// The people of a line of the waterfall.
fn number_in(page: &str, reason: &str) -> u64 {
    let line = page
        .split("<tr class=\"loss\">")
        .find(|line| line.contains(&format!(">{reason}<")));
    let Some((_, after)) = line.and_then(|line| line.split_once('−')) else {
        return 0;
    };
    after
        .split('<')
        .next()
        .unwrap_or_default()
        .parse()
        .unwrap_or(0)
}
