//! Signing up over HTTP, the message that asks to confirm it, and what a scanner, a forger or a flood can
//! do to it: nothing.

use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use chrono::Duration;
use reqwest::header::ACCEPT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use visavis::channels::email::EmailChannel;
use visavis::channels::outbox::{Outbox, OutboxMessage};
use visavis::config::Settings;
use visavis::consent::ladder::Level;
use visavis::consent::model::{Channel, Scope};
use visavis::consent::store as consent;
use visavis::dialogue::confirmation;
use visavis::dialogue::model::{AgreedTopic, Agreement, Ask, Asked, Limits, Opened, Purpose};
use visavis::dialogue::notice::Notices;
use visavis::dialogue::preferences::request;
use visavis::ids::{ConfirmationId, CustomerId};
use visavis::keys::Keys;
use visavis::responses::ResponseWriter;
use visavis::storage::{Db, Sql};
use visavis::web::{State, configure_public};

use crate::kit::database::TestDb;
use crate::kit::dump;
use crate::kit::house::House;
use crate::kit::ledger::number;
use crate::on_both;

mod strangers;

/// A house with its public pages open.
struct Desk {
    house: House,
    base: String,
    client: reqwest::Client,
    responses: ResponseWriter,
    handle: ServerHandle,
}

impl Desk {
    async fn open(db: &TestDb) -> Self {
        Self::open_with(db, |_| {}).await
    }

    async fn open_with(db: &TestDb, change: impl FnOnce(&mut Settings)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut house = House::new(db, None);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut settings = (*house.parts.settings).clone();
        settings.web.public_url.clone_from(&base);
        settings.sign_up.per_ip_per_hour = 1_000;
        settings.notices.sender_name = "Maison Vaisselle".to_owned();
        change(&mut settings);
        house.parts.settings = Arc::new(settings);
        let parts = &house.parts;
        let responses = ResponseWriter::start(parts.db.clone());
        let outbox = Outbox::open(&parts.settings.data_dir.join("outbox")).unwrap();
        let state = State::new(
            parts.db.clone(),
            house.clock.clone(),
            parts.keys.clone(),
            Arc::clone(&parts.settings),
            responses.clone(),
            Arc::new(outbox),
        );
        let state = web::Data::new(state.unwrap());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .configure(configure_public)
        })
        .workers(2)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            house,
            base,
            client: reqwest::Client::new(),
            responses,
            handle,
        }
    }

    fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = match path.strip_prefix("http") {
            Some(_) => path.to_owned(),
            None => format!("{}{path}", self.base),
        };
        self.client.request(method, url).header(ACCEPT, "text/html")
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.ask(Method::GET, path).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
        let body = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect::<Vec<_>>()
            .join("&");
        let response = self
            .ask(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn sign_up(&self, email: &str) -> (StatusCode, String) {
        self.post("/sign-up?lang=fr", &[("email", email), ("topic", "offers")])
            .await
    }

    async fn api(&self, body: Value) -> (StatusCode, Value) {
        let request = self.client.post(format!("{}/api/sign-up", self.base));
        let response = request.json(&body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Sends what waits, and gives every message of the outbox with its recipient.
    async fn mail(&self) -> Vec<(String, OutboxMessage)> {
        self.house.deliver().await;
        let outbox = Outbox::open(&self.house.parts.settings.data_dir.join("outbox")).unwrap();
        let count = outbox.count().unwrap();
        (1..=count)
            .map(|number| {
                let raw = outbox.read(number).unwrap().unwrap();
                let message = OutboxMessage::parse(&raw).unwrap();
                (header(&message, "To").unwrap_or_default(), message)
            })
            .collect()
    }

    /// The link of the newest message to `email`.
    async fn link(&self, email: &str) -> String {
        let mail = self.mail().await;
        let (_, message) = mail
            .iter()
            .rev()
            .find(|(to, _)| to.contains(email))
            .unwrap();
        link_in(message)
    }

    async fn close(self) {
        self.handle.stop(true).await;
        self.responses.drain().await;
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn header(message: &OutboxMessage, name: &str) -> Option<String> {
    let mut headers = message.headers.iter();
    let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}

fn link_in(message: &OutboxMessage) -> String {
    let text = message.text.as_deref().unwrap();
    let line = text.lines().find(|line| line.contains("/confirm/"));
    line.unwrap().trim().to_owned()
}

async fn may_contact(desk: &Desk, email: &str) -> bool {
    let parts = &desk.house.parts;
    let Some(customer) = customer(&parts.db, email).await else {
        return false;
    };
    let print = parts.keys.fingerprint(email);
    consent::may_contact(&*parts.db, customer, &print, Channel::Email, "offers")
        .await
        .unwrap()
}

async fn customer(db: &Db, email: &str) -> Option<CustomerId> {
    db.row(
        "SELECT id FROM customers WHERE email_key = $1 ORDER BY id LIMIT 1",
        [email.into()],
    )
    .await
    .unwrap()
    .map(|row| CustomerId(row.try_get("", "id").unwrap()))
}

on_both! {
    async fn double_opt_in_makes_a_customer_with_evidence(db: &TestDb) {
        let desk = Desk::open(db).await;
        let (status, form) = desk.get("/sign-up?lang=fr").await;
        assert_eq!(status, StatusCode::OK);
        assert!(form.contains(r#"<html lang="fr">"#) && form.contains("Je souhaite recevoir vos offres."));
        assert!(!form.contains(" checked"), "no topic is ticked beforehand");
        let (status, page) = desk.post("/sign-up?lang=fr", &[
            ("email", " Zoé@Mail.Example "), ("topic", "offers"), ("topic", "news"),
            ("first_name", "  Zoé   Anne "), ("lang", "fr"),
        ]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("Consultez votre messagerie"));
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0, "nothing is known before the confirmation");

        let mail = desk.mail().await;
        let [(to, message)] = mail.as_slice() else { panic!("one message: {}", mail.len()) };
        assert!(to.contains("mail.example"));
        assert_eq!(message.subject, "Confirmez votre inscription auprès de Maison Vaisselle");
        assert_eq!(header(message, "Auto-Submitted").as_deref(), Some("auto-generated"));
        for absent in ["List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-ID", "Precedence"] {
            assert_eq!(header(message, absent), None, "{absent}");
        }
        let html = message.html.clone().unwrap();
        let text = message.text.clone().unwrap();
        for body in [&html, &text] {
            assert!(body.contains("Je souhaite recevoir vos offres.") && body.contains("vos actualités"), "{body}");
            assert!(!body.contains("Anne"), "nothing typed into the form is carried");
            assert!(body.contains("24 novembre 2026"), "until when");
        }
        assert!(!html.contains("<img"), "no pixel");
        let links: Vec<&str> = html.match_indices("href=\"").map(|(at, _)| {
            let rest = &html[at + 6..];
            rest.split('"').next().unwrap()
        }).collect();
        let link = link_in(message);
        assert_eq!(links, [link.as_str()], "no other link than the one to confirm");

        let (status, page) = desk.get(&link).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("Une dernière étape") && page.contains("Je souhaite recevoir vos actualités."));
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence").await, 0);
        desk.house.advance(Duration::minutes(9));
        let (status, page) = desk.post(&link, &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("Merci, votre inscription est confirmée"), "{page}");
        let preferences = page.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(desk.get(preferences).await.0, StatusCode::OK, "{preferences}");

        let row = db.row("SELECT id, email, first_name, language, country, stage, email_state FROM customers", []).await.unwrap().unwrap();
        for (column, expected) in [
            ("email", "Zoé@mail.example"), ("first_name", "Zoé Anne"), ("language", "fr"), ("country", "FR"),
            ("stage", "prospect"), ("email_state", "ok"),
        ] {
            assert_eq!(row.try_get::<String>("", column).unwrap(), expected, "{column}");
        }
        let rows = db.rows("SELECT topic, action, basis, source, wording, locale, actor, confirmation_id, occurred_at FROM permission_evidence ORDER BY topic", []).await.unwrap();
        let topics: Vec<String> = rows.iter().map(|row| row.try_get("", "topic").unwrap()).collect();
        assert_eq!(topics, ["news", "offers"]);
        for (column, expected) in [
            ("action", "grant"), ("basis", "consent"), ("source", "sign_up_form:1"), ("locale", "fr"),
            ("actor", "person"), ("wording", "Je souhaite recevoir vos offres."),
        ] {
            assert_eq!(rows[1].try_get::<String>("", column).unwrap(), expected, "{column}");
        }
        assert_eq!(rows[1].try_get::<i64>("", "occurred_at").unwrap(), desk.house.clock_ms());
        let details = db.row("SELECT details FROM evidence_details LIMIT 1", []).await.unwrap().unwrap();
        let details: String = details.try_get("", "details").unwrap();
        assert!(details.contains("127.0.0.1") && details.contains("/sign-up"), "{details}");
        assert!(may_contact(&desk, "zoé@mail.example").await);

        let before = dump::tables(db).await;
        let (status, page) = desk.post(&link, &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("Déjà confirmé") && !page.contains("/p/"), "{page}");
        assert_eq!(dump::tables(db).await, before, "a replay records nothing");
        desk.close().await;
    }

    async fn the_answer_is_the_same_for_everybody(db: &TestDb) {
        let desk = Desk::open(db).await;
        let first = desk.house.add_customers(3, "mail.example").await;
        let [subscribed, out, silent] = [first, first + 1, first + 2].map(|id| format!("c{id}@mail.example"));
        let print = desk.house.parts.keys.fingerprint(&out);
        consent::opt_out(&***db, CustomerId(first + 1), Some(&print), Channel::Email, &Scope::All, "test", desk.house.clock_ms()).await.unwrap();
        db.run("DELETE FROM permissions WHERE customer_id = $1", [(first + 2).into()]).await.unwrap();
        let mut answers = Vec::new();
        let unknown = "nobody@mail.example".to_owned();
        // The second time it is too soon, the fourth time too often.
        for email in [&subscribed, &out, &silent, &unknown, &unknown] {
            let (status, page) = desk.sign_up(email).await;
            answers.push((status, page.replace(email.as_str(), "X")));
        }
        for _ in 0..4 {
            desk.house.advance(Duration::minutes(6));
            let (status, page) = desk.sign_up(&unknown).await;
            answers.push((status, page.replace(unknown.as_str(), "X")));
        }
        let (status, page) = desk.post("/sign-up?lang=fr", &[("email", "robot@mail.example"), ("topic", "offers"), ("website", "buy")]).await;
        answers.push((status, page.replace("robot@mail.example", "X")));
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        let mut said = Vec::new();
        for email in [&subscribed, &out, &unknown] {
            said.push(desk.api(json!({"email": email, "topics": ["offers"], "language": "de"})).await);
        }
        assert!(said.iter().all(|answer| *answer == (StatusCode::ACCEPTED, json!({"status": "confirmation_sent"}))), "{said:?}");
        let mail = desk.mail().await;
        let count = |email: &str| mail.iter().filter(|(to, _)| to.contains(email)).count();
        assert_eq!([count(&subscribed), count(&out), count(&silent)], [2, 2, 1], "half an hour later once more");
        assert_eq!(count(&unknown), 3, "per_address_per_day");
        assert_eq!(count("robot"), 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM confirmations WHERE customer_id IS NOT NULL AND address IS NOT NULL").await, 0,
            "the address of somebody known stands in one place");
        desk.close().await;
    }

    async fn the_sandbox_forgets_whom_the_base_forgets(db: &TestDb) {
        let desk = Desk::open(db).await;
        let first = desk.house.add_customers(2, "mail.example").await;
        desk.house.send("spring").await;
        let parts = &desk.house.parts;
        let now_ms = desk.house.clock_ms();
        assert!(request::request(db, &parts.settings, CustomerId(first), Purpose::Erasure, now_ms).await.unwrap());
        let his = format!("c{first}@mail.example");
        let mut mail = desk.mail().await;
        mail.retain(|(to, _)| to.contains(&his));
        assert_eq!(mail.len(), 2);
        let asked = mail.iter().find(|(_, message)| message.text.as_deref().is_some_and(|text| text.contains("/confirm/")));
        let (status, _) = desk.post(&link_in(&asked.unwrap().1), &[]).await;
        assert_eq!(status, StatusCode::OK);
        let outbox = Outbox::open(&parts.settings.data_dir.join("outbox")).unwrap();
        let listed = outbox.list(0, 10, None).unwrap();
        assert_eq!(listed.iter().filter(|entry| entry.recipient.is_empty()).count(), 2);
        assert_eq!(listed.len(), 3);
        for entry in listed {
            assert_eq!(outbox.read(entry.number).unwrap().is_some(), !entry.recipient.is_empty());
        }
        desk.close().await;
    }

    async fn scanners_change_nothing(db: &TestDb) {
        let desk = Desk::open(db).await;
        for email in ["fresh@mail.example", "used@mail.example"] {
            desk.sign_up(email).await;
        }
        let [fresh, used] = [desk.link("fresh@").await, desk.link("used@").await];
        desk.post(&used, &[]).await;
        let before = dump::tables(db).await;
        for path in ["/sign-up", "/sign-up/offers", "/sign-up?lang=es", fresh.as_str(), used.as_str()] {
            for (method, header) in [
                (Method::GET, None), (Method::HEAD, None), (Method::GET, Some(("sec-purpose", "prefetch;prerender"))),
                (Method::GET, Some(("user-agent", "Mozilla/5.0 (compatible; LinkScanner/1.0)"))),
            ] {
                let mut request = desk.ask(method, path);
                if let Some((name, value)) = header {
                    request = request.header(name, value);
                }
                assert_eq!(request.send().await.unwrap().status(), StatusCode::OK, "{path}");
            }
        }
        for (method, path) in [(Method::PUT, fresh.as_str()), (Method::DELETE, fresh.as_str()), (Method::OPTIONS, "/api/sign-up")] {
            let status = desk.ask(method, path).send().await.unwrap().status();
            assert!([StatusCode::METHOD_NOT_ALLOWED, StatusCode::NO_CONTENT].contains(&status));
        }
        assert_eq!(dump::tables(db).await, before);
        let (_, page) = desk.post(&fresh, &[]).await;
        assert!(page.contains("Merci, votre inscription est confirmée"), "the link still works");
        desk.close().await;
    }

    async fn links_that_are_not_ours_or_too_old_open_nothing(db: &TestDb) {
        let desk = Desk::open(db).await;
        desk.sign_up("ada@mail.example").await;
        desk.sign_up("bob@mail.example").await;
        let link = desk.link("ada@").await;
        let (path, token) = link.rsplit_once('/').unwrap();
        let nonce: String = db.row("SELECT nonce FROM confirmations ORDER BY id LIMIT 1", []).await.unwrap().unwrap().try_get("", "nonce").unwrap();
        let id = ConfirmationId(number(db, "SELECT MIN(id) FROM confirmations").await);
        assert_eq!(confirmation::token(&desk.house.parts.keys, id, &nonce), token);
        let mut bad = vec![
            confirmation::token(&Keys::from_secret(&[8; 32]), id, &nonce),
            confirmation::token(&desk.house.parts.keys, ConfirmationId(id.0 + 1), &nonce),
            confirmation::token(&desk.house.parts.keys, id, &"0".repeat(32)),
            token.to_ascii_uppercase(), format!("{token}A"), "x".repeat(500), "%00".to_owned(),
        ];
        bad.extend((1..token.len()).map(|end| token[..end].to_owned()));
        let before = dump::tables(db).await;
        for token in &bad {
            for method in [Method::GET, Method::POST] {
                let status = desk.ask(method, &format!("{path}/{token}")).send().await.unwrap().status();
                assert_eq!(status, StatusCode::NOT_FOUND, "{token}");
            }
        }
        desk.house.advance(Duration::hours(48));
        for (method, what) in [(Method::GET, "page"), (Method::POST, "confirmation")] {
            let page = desk.ask(method, &link).send().await.unwrap().text().await.unwrap();
            assert!(page.contains("Ce lien a expiré") && page.contains("/sign-up"), "{what}");
        }
        assert_eq!(dump::tables(db).await, before);
        let now = desk.house.clock_ms();
        assert_eq!(confirmation::purge(db, now - 1, now).await.unwrap(), 2);
        assert_eq!(desk.get(&link).await.0, StatusCode::NOT_FOUND, "deleted with what it was about");
        desk.close().await;
    }

    async fn a_link_is_taken_once_by_many_at_once(db: &TestDb) {
        let desk = Desk::open(db).await;
        desk.sign_up("ada@mail.example").await;
        let link = desk.link("ada@").await;
        let posts = (0..12).map(|_| desk.post(&link, &[]));
        let answers = futures_util::future::join_all(posts).await;
        let done = answers.iter().filter(|(_, page)| page.contains("Merci, votre inscription est confirmée")).count();
        assert_eq!(done, 1);
        assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence").await, 1);
        desk.close().await;
    }

    async fn many_requests_at_once_are_one_message(db: &TestDb) {
        let desk = Desk::open(db).await;
        let requests = (0..20).map(|_| desk.sign_up("victim@mail.example"));
        let answers = futures_util::future::join_all(requests).await;
        assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
        assert_eq!(desk.mail().await.len(), 1);
        desk.close().await;
    }

    async fn two_confirmed_requests_of_one_stranger_are_one_customer(db: &TestDb) {
        let desk = Desk::open(db).await;
        desk.sign_up("ada@mail.example").await;
        let first = desk.link("ada@").await;
        desk.house.advance(Duration::minutes(6));
        desk.post("/sign-up/news", &[("email", "ada@mail.example")]).await;
        let second = desk.link("ada@").await;
        assert_ne!(first, second);
        futures_util::future::join(desk.post(&first, &[]), desk.post(&second, &[])).await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE is_granted").await, 2);
        assert_eq!(number(db, "SELECT COUNT(*) FROM confirmations WHERE address IS NOT NULL").await, 0);
        desk.close().await;
    }

    async fn signing_up_after_an_opt_out_is_a_newer_consent(db: &TestDb) {
        let desk = Desk::open(db).await;
        let first = desk.house.add_customers(1, "mail.example").await;
        let email = format!("c{first}@mail.example");
        let print = desk.house.parts.keys.fingerprint(&email);
        let out = |at| consent::opt_out(&***db, CustomerId(first), Some(&print), Channel::Email, &Scope::All, "test", at);
        out(desk.house.clock_ms()).await.unwrap();
        assert!(!may_contact(&desk, &email).await);
        db.run("UPDATE customers SET stage = 'suspect', email_state = 'refused'", []).await.unwrap();
        desk.post("/sign-up?lang=de", &[("email", &email), ("topic", "offers"), ("first_name", "Someone Else")]).await;
        assert!(!may_contact(&desk, &email).await, "asking is not agreeing");
        let link = desk.link(&email).await;
        desk.house.advance(Duration::seconds(1));
        desk.post(&link, &[]).await;
        assert!(may_contact(&desk, &email).await);
        let row = db.row("SELECT first_name, language, stage, email_state FROM customers", []).await.unwrap().unwrap();
        for (column, expected) in [("first_name", "Élodie"), ("language", "fr"), ("stage", "prospect"), ("email_state", "ok")] {
            assert_eq!(row.try_get::<String>("", column).unwrap(), expected, "{column}");
        }
        desk.house.advance(Duration::seconds(1));
        out(desk.house.clock_ms()).await.unwrap();
        desk.post(&link, &[]).await;
        assert!(!may_contact(&desk, &email).await, "a used link does not bring it back");
        desk.close().await;
    }

    async fn a_yes_to_a_request_climbs_the_ladder(db: &TestDb) {
        let desk = Desk::open_with(db, |settings| {
            for topic in &mut settings.permission.topics {
                topic.level = (topic.name == "news").then(|| "points".to_owned());
            }
        }).await;
        desk.post("/sign-up?lang=en", &[("email", "climber@mail.example"), ("topic", "offers"), ("topic", "news")]).await;
        let link = desk.link("climber@mail.example").await;
        desk.post(&link, &[]).await;
        let customer = customer(db, "climber@mail.example").await.unwrap();
        let permissions = consent::permissions_of(&***db, customer).await.unwrap();
        let levels: Vec<_> = permissions.iter().map(|p| (p.scope.as_str(), p.level)).collect();
        assert_eq!(levels, [("news", Level::Points), ("offers", Level::BrandTrust)]);
        desk.close().await;
    }

    async fn a_link_to_a_former_address_grants_nothing(db: &TestDb) {
        let desk = Desk::open(db).await;
        let first = desk.house.add_customers(2, "mail.example").await;
        for id in [first, first + 1] {
            desk.sign_up(&format!("c{id}@mail.example")).await;
        }
        let moved = desk.link(&format!("c{first}@")).await;
        let erased = desk.link(&format!("c{}@", first + 1)).await;
        let print = desk.house.parts.keys.fingerprint("new@mail.example");
        db.run("UPDATE customers SET email = 'new@mail.example', email_key = 'new@mail.example', email_fingerprint = $2 WHERE id = $1",
            [first.into(), print.into()]).await.unwrap();
        db.run("DELETE FROM customers WHERE id = $1", [(first + 1).into()]).await.unwrap();
        for link in [moved, erased] {
            let (status, page) = desk.post(&link, &[]).await;
            assert_eq!(status, StatusCode::OK);
            assert!(page.contains("Ce lien a expiré"));
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence").await, 0);
        desk.close().await;
    }

    async fn a_form_that_cannot_be_taken_says_why(db: &TestDb) {
        let desk = Desk::open_with(db, |settings| settings.sign_up.fields[0].is_required = true).await;
        let (status, page) = desk.post("/sign-up?lang=en", &[("email", "<b>nonsense"), ("first_name", "")]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        for part in [
            "Please enter an address such as", "Please choose at least one.", "Please fill in this field.",
            "value=\"&lt;b&gt;nonsense\"", "href=\"#email\"", "href=\"#topic-offers\"", "href=\"#field-first_name\"",
            "aria-describedby=\"email-hint email-fault\"",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        let (status, page) = desk.post("/sign-up?lang=en", &[("email", "ada@mail.example"), ("first_name", "A"), ("topic", "nonsense")]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.contains("value=\"ada@mail.example\""), "what was typed is kept");
        let (status, problem) = desk.api(json!({"email": "a@b@c", "topics": [], "fields": {"first_name": "x", "other": "y"}})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["code"], "invalid");
        let fields: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["email", "other", "topics"]);
        for (path, form) in [("/sign-up/nonsense", "email=a"), ("/sign-up/../x", "")] {
            assert_eq!(desk.ask(Method::POST, path).body(form).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        }
        let bytes = desk.ask(Method::POST, "/sign-up").body(vec![0xff_u8, 0xfe]).send().await.unwrap();
        assert_eq!(bytes.status(), StatusCode::BAD_REQUEST);
        assert_eq!(number(db, "SELECT COUNT(*) FROM confirmations").await, 0);
        desk.close().await;
    }

    async fn a_body_that_is_not_understood_is_told_with_the_shape(db: &TestDb) {
        let desk = Desk::open(db).await;
        for (body, part) in [
            (json!({"email": "ada@mail.example", "topic": "offers"}), "unknown field `topic`"),
            (json!({"email": "ada@mail.example", "topics": "offers"}), "expected a sequence"),
        ] {
            let (status, problem) = desk.api(body).await;
            let detail = problem["detail"].as_str().unwrap();
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(detail.contains(part) && detail.contains("\"topics\": [\"offers\"]"), "{detail}");
        }
        // A script of another site could send it as plain text without being asked for leave.
        let plain = desk.client.post(format!("{}/api/sign-up", desk.base)).header("content-type", "text/plain")
            .body(r#"{"email": "ada@mail.example", "topics": ["offers"]}"#).send().await.unwrap();
        assert_eq!(plain.status(), StatusCode::BAD_REQUEST);
        assert!(plain.text().await.unwrap().contains("Content-Type is not application/json"));
        let (status, problem) = desk.api(json!({})).await;
        assert_eq!((status, problem["errors"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 2));
        assert_eq!(number(db, "SELECT COUNT(*) FROM confirmations").await, 0);
        desk.close().await;
    }

    async fn a_message_put_off_is_tried_again_and_a_refused_one_is_not(db: &TestDb) {
        let desk = Desk::open(db).await;
        desk.sign_up("ada@busy.example").await;
        desk.sign_up("bob@refused.example").await;
        assert_eq!(desk.mail().await.len(), 0);
        let engine = desk.house.engine().await;
        desk.house.advance(Duration::minutes(10));
        engine.run_until_idle(&CancellationToken::new()).await.unwrap();
        engine.close().await;
        // The sandbox of a new engine has forgotten that it put the message off once.
        desk.house.advance(Duration::minutes(20));
        let engine = desk.house.engine().await;
        for _ in 0..2 {
            engine.run_until_idle(&CancellationToken::new()).await.unwrap();
            desk.house.advance(Duration::minutes(40));
        }
        engine.close().await;
        let mail = desk.mail().await;
        assert_eq!(mail.len(), 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM confirmations WHERE send_state = 'refused' AND next_at IS NULL").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM confirmations WHERE send_state = 'sent' AND sent_at IS NOT NULL").await, 1);
        desk.close().await;
    }

    async fn several_nodes_send_each_message_once(db: &TestDb) {
        let desk = Desk::open(db).await;
        for n in 0..50 {
            desk.sign_up(&format!("s{n}@mail.example")).await;
        }
        let parts = &desk.house.parts;
        let folder = parts.settings.data_dir.join("outbox");
        let nodes: Vec<Notices> = (0..3).map(|_| {
            let channel = EmailChannel::new(&parts.settings.email, parts.keys.clone(), &folder).unwrap();
            Notices::new(parts.db.clone(), Arc::clone(&parts.clock), parts.keys.clone(), Arc::clone(&parts.settings), &channel)
        }).collect();
        let stop = CancellationToken::new();
        let sent = futures_util::future::join_all(nodes.iter().map(|node| node.run_until_idle(&stop))).await;
        assert_eq!(sent.into_iter().map(Result::unwrap).sum::<u64>(), 50);
        let mut to: Vec<String> = desk.mail().await.into_iter().map(|(to, _)| to).collect();
        to.sort();
        to.dedup();
        assert_eq!((to.len(), number(db, "SELECT COUNT(*) FROM confirmations WHERE attempt = 1").await), (50, 50));
        desk.close().await;
    }

    async fn nobody_who_says_no_is_asked_to_stay(db: &TestDb) {
        let desk = Desk::open(db).await;
        let first = desk.house.add_customers(3, "mail.example").await;
        let parts = &desk.house.parts;
        let now = desk.house.clock_ms();
        let agreement = Agreement {
            topics: vec![AgreedTopic { name: "offers".to_owned(), wording: "Ich möchte Ihre Angebote erhalten.".to_owned() }],
            source: "re_permission".to_owned(),
            ..Agreement::default()
        };
        for id in [first, first + 1, first + 2] {
            let txn = db.begin().await.unwrap();
            let ask = Ask {
                purpose: Purpose::RePermission,
                channel: Channel::Email,
                customer: Some(CustomerId(id)),
                address: None,
                fingerprint: parts.keys.fingerprint(&format!("c{id}@mail.example")),
                limit_key: format!("c{id}"),
                language: "de".to_owned(),
                payload: serde_json::to_value(&agreement).unwrap(),
                expires_at: now + 30 * 86_400_000,
            };
            assert!(matches!(confirmation::ask(&txn, &ask, Limits::NONE, now).await.unwrap(), Asked::Queued(_)));
            txn.commit().await.unwrap();
        }
        let print = parts.keys.fingerprint(&format!("c{first}@mail.example"));
        consent::opt_out(&***db, CustomerId(first), Some(&print), Channel::Email, &Scope::All, "test", now + 1).await.unwrap();
        // A list that came in since says no of a day long ago; his yes rests on no consent.
        db.run("UPDATE permissions SET basis = 'soft_opt_in' WHERE customer_id = $1", [(first + 2).into()]).await.unwrap();
        let robinson = consent::Suppression {
            fingerprint: parts.keys.fingerprint(&format!("c{}@mail.example", first + 2)),
            channel: Channel::Email,
            scope: Scope::All,
            reason: "robinson".to_owned(),
            suppressed_at: now - 900 * 86_400_000,
        };
        consent::suppress(&***db, &[robinson]).await.unwrap();
        let mail = desk.mail().await;
        let [(to, message)] = mail.as_slice() else { panic!("one message: {}", mail.len()) };
        assert!(to.contains(&format!("c{}@", first + 1)));
        let (_, page) = desk.get(&link_in(message)).await;
        assert!(page.contains("Dürfen wir Ihnen weiterhin schreiben?"));
        desk.post(&link_in(message), &[]).await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence WHERE source = 're_permission' AND action = 'grant'").await, 1);
        desk.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_of_one_visitor_are_refused() {
    let db = crate::kit::database::sqlite().await;
    let desk = Desk::open_with(&db, |settings| settings.sign_up.per_ip_per_hour = 3).await;
    let from = |ip: &'static str, n: u32| {
        let request = desk
            .ask(Method::POST, "/sign-up")
            .header("x-forwarded-for", ip);
        let body = format!("email=a{n}%40mail.example&topic=offers");
        async move { request.body(body).send().await.unwrap() }
    };
    for n in 0..3 {
        assert_eq!(from("198.51.100.7", n).await.status(), StatusCode::OK);
    }
    // Whoever writes the head of the line himself is the same visitor.
    let refused = from("192.0.2.77, 198.51.100.7", 4).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "3600");
    assert!(refused.text().await.unwrap().contains("Too many requests"));
    assert_eq!(from("198.51.100.8", 5).await.status(), StatusCode::OK);
    let request = desk.client.post(format!("{}/api/sign-up", desk.base));
    let json = request
        .header("x-forwarded-for", "198.51.100.7")
        .json(&json!({"email": "x"}));
    let problem: Value = json.send().await.unwrap().json().await.unwrap();
    assert_eq!(problem["code"], "too_many_requests");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_named_sites_may_use_the_endpoint_from_a_script() {
    let db = crate::kit::database::sqlite().await;
    let shop = "https://shop.example";
    let desk = Desk::open_with(&db, |settings| {
        settings.sign_up.allowed_origins = vec![shop.to_owned()];
    })
    .await;
    for (origin, allowed) in [
        (shop, Some(shop)),
        ("https://evil.example", None),
        ("https://shop.example.evil.example", None),
        ("null", None),
    ] {
        let preflight = desk
            .ask(Method::OPTIONS, "/api/sign-up")
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let post = desk
            .ask(Method::POST, "/api/sign-up")
            .header("origin", origin)
            .header("content-type", "application/json")
            .body(r#"{"email": "ada@mail.example", "topics": ["offers"]}"#);
        let malformed = desk
            .ask(Method::POST, "/api/sign-up")
            .header("origin", origin)
            .header("content-type", "application/json")
            .body("{");
        for (request, status) in [
            (preflight, StatusCode::NO_CONTENT),
            (post, StatusCode::ACCEPTED),
            (malformed, StatusCode::BAD_REQUEST),
        ] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status, "{origin}");
            let headers = answer.headers();
            let to = headers.get("access-control-allow-origin");
            assert_eq!(to.map(|to| to.to_str().unwrap()), allowed, "{origin}");
            assert_eq!(headers["vary"], "Origin");
            assert!(!headers.contains_key("access-control-allow-credentials"));
        }
    }
    // A form of another site cannot post JSON without being asked first.
    let form = desk
        .ask(Method::POST, "/api/sign-up")
        .header("content-type", "text/plain")
        .body(r#"{"email": "bob@mail.example", "topics": ["offers"]}"#);
    assert_eq!(form.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let row = "SELECT COUNT(*) FROM confirmations";
    assert_eq!(number(&db, row).await, 1);
    desk.close().await;
}

#[tokio::test]
async fn opening_is_not_taking() {
    let db = crate::kit::database::sqlite().await;
    let keys = Keys::from_secret(&[7; 32]);
    let ask = Ask {
        purpose: Purpose::Download,
        channel: Channel::Email,
        customer: Some(CustomerId(1)),
        address: Some("never@kept.example".to_owned()),
        fingerprint: "print".to_owned(),
        limit_key: "print".to_owned(),
        language: "en".to_owned(),
        payload: json!({}),
        expires_at: 1_000,
    };
    let txn = db.begin().await.unwrap();
    let Asked::Queued(id) = confirmation::ask(&txn, &ask, Limits::NONE, 0)
        .await
        .unwrap()
    else {
        panic!("it is queued");
    };
    txn.commit().await.unwrap();
    let row = db.row("SELECT nonce FROM confirmations", []).await.unwrap();
    let nonce: String = row.unwrap().try_get("", "nonce").unwrap();
    let token = confirmation::token(&keys, id, &nonce);
    for _ in 0..2 {
        let opened = confirmation::open(&db, &keys, &token, 500).await.unwrap();
        assert!(matches!(opened, Opened::Fresh(one) if one.address.is_none()));
    }
    let txn = db.begin().await.unwrap();
    let taken = confirmation::take(&txn, &keys, &token, 500).await.unwrap();
    assert!(matches!(taken, Opened::Fresh(_)));
    txn.rollback().await.unwrap();
    let opened = confirmation::open(&db, &keys, &token, 999).await.unwrap();
    assert!(
        matches!(opened, Opened::Fresh(_)),
        "what was rolled back is fresh"
    );
    let opened = confirmation::open(&db, &keys, &token, 1_000).await.unwrap();
    assert!(matches!(opened, Opened::Expired(_)));
}
