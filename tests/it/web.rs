//! Links and pages over HTTP, on both databases.

use std::sync::Arc;

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, LOCATION, USER_AGENT};
use reqwest::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use visavis::channels::outbox::Outbox;
use visavis::clock::{SetClock, from_ms};
use visavis::config::Settings;
use visavis::ids::DeliveryKey;
use visavis::keys::Keys;
use visavis::responses::ResponseWriter;
use visavis::storage::Db;
use visavis::tokens::{LinkKind, LinkToken};
use visavis::web::{State, configure_console, configure_public};

use crate::kit::database;
use crate::kit::ledger::{
    self, CLICKS, DESTINATIONS, Plan, SETTLED_AT, counters, expected, number,
};
use crate::on_both;
use crate::reports::{FIGURES, set};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";

/// The routes of both surfaces on a port of their own.
pub struct Site {
    pub base: String,
    pub client: reqwest::Client,
    pub keys: Keys,
    pub clock: Arc<SetClock>,
    responses: ResponseWriter,
    handle: ServerHandle,
    /// What the sandbox took.
    _outbox: tempfile::TempDir,
}

impl Site {
    pub async fn open(db: &Db) -> Self {
        Self::open_with(db, ResponseWriter::start(db.clone())).await
    }

    /// With changed settings.
    pub async fn open_set(db: &Db, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::load_from(None, Default::default()).unwrap();
        change(&mut settings);
        Self::open_as(db, ResponseWriter::start(db.clone()), settings).await
    }

    async fn open_with(db: &Db, responses: ResponseWriter) -> Self {
        let settings = Settings::load_from(None, Default::default()).unwrap();
        Self::open_as(db, responses, settings).await
    }

    async fn open_as(db: &Db, responses: ResponseWriter, settings: Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let keys = Keys::from_secret(&[7; 32]);
        let clock = SetClock::at(from_ms(SETTLED_AT + 60_000));
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let state = State::new(
            database::apart(db).await,
            clock.clone(),
            keys.clone(),
            Arc::new(settings),
            responses.clone(),
            Arc::new(outbox),
        );
        let state = web::Data::new(state.unwrap());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .configure(configure_public)
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
        let client = crate::kit::console::administrator(db, SETTLED_AT + 60_000).await;
        Self {
            base,
            client,
            keys,
            clock,
            responses,
            handle,
            _outbox: folder,
        }
    }

    pub fn token(&self, delivery: DeliveryKey, kind: LinkKind) -> String {
        LinkToken { delivery, kind }.encode(&self.keys)
    }

    pub fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .header(USER_AGENT, FIREFOX)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    /// Waits until every response that was counted is written.
    pub async fn written(&self) {
        while self.responses.figures().waiting > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Ends the server, after which every response is written.
    pub async fn close(self) {
        self.handle.stop(true).await;
        self.responses.drain().await;
    }
}

pub fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

on_both! {
    async fn a_click_is_counted_and_leads_to_the_frozen_destination(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let path = format!("/c/{}", site.token(delivery, LinkKind::Click(0)));
        for _ in 0..3 {
            let response = site.get(&path).await;
            assert_eq!(response.status(), StatusCode::FOUND);
            assert_eq!(response.headers()[LOCATION], DESTINATIONS[0]);
            assert_eq!(header(&response, "referrer-policy"), "no-referrer");
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert!(!response.headers().contains_key("set-cookie"));
        }
        let head = site.ask(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::FOUND);
        site.close().await;
        assert_eq!(counters(db, wave).await, expected([
            ("clicks", 1), ("clicks.total", 3), ("clicks.link.0", 3), ("clicks.part.interest", 1),
            ("clicks.scanner", 1), ("responders", 1),
        ]));
    }

    async fn a_thousand_clicks_at_once_are_all_counted(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let site = Arc::new(Site::open(db).await);
        let mut paths = Vec::new();
        for seq in 1..=250 {
            let customer = ledger::customer(db, &format!("c{seq}"), "fr", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            paths.push(format!("/c/{}", site.token(delivery, LinkKind::Click(1))));
        }
        let clicks: Vec<_> = paths.iter().cycle().take(1_000).cloned().map(|path| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { site.get(&path).await.status() })
        }).collect();
        for click in clicks {
            assert_eq!(click.await.unwrap(), StatusCode::FOUND);
        }
        let site = Arc::into_inner(site).unwrap();
        assert_eq!(site.responses.figures().lost, 0);
        site.close().await;
        let counters = counters(db, wave).await;
        for (counter, value) in [("clicks.total", 1_000), ("clicks", 250), ("responders", 250), ("clicks.part.action", 250)] {
            assert_eq!(counters.get(counter), Some(&value), "{counter}");
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 1_000);
    }

    async fn links_that_are_not_ours_lead_nowhere(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "full").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let good = site.token(delivery, LinkKind::Click(0));
        let forged = LinkToken { delivery, kind: LinkKind::Click(0) }.encode(&Keys::from_secret(&[8; 32]));
        let unsubscribe = site.token(delivery, LinkKind::Unsubscribe);
        let bad = [
            good[..46].to_owned(), good[1..].to_owned(), format!("{good}A"), forged, unsubscribe,
            "x".to_owned(), "%00".to_owned(), "a".repeat(4_000),
            site.token(delivery, LinkKind::Click(9)),
            // A template that should never have passed its check: not a web page.
            site.token(delivery, LinkKind::Click(2)),
        ];
        for token in &bad {
            let response = site.ask(Method::GET, &format!("/c/{token}"))
                .header(ACCEPT, "text/html").header(ACCEPT_LANGUAGE, "de-AT,fr;q=0.5").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{token}");
            assert!(!response.headers().contains_key(LOCATION));
            let page = response.text().await.unwrap();
            assert!(page.contains("lang=\"de\"") && page.contains("Dieser Link führt ins Leere"), "{page}");
        }
        for path in [format!("/u/{good}"), "/u/x".to_owned()] {
            assert_eq!(site.get(&path).await.status(), StatusCode::NOT_FOUND);
            let post = site.ask(Method::POST, &path).send().await.unwrap();
            assert_eq!(post.status(), StatusCode::NOT_FOUND);
        }
        site.close().await;
        assert_eq!(counters(db, wave).await, expected([]));
        assert_eq!(number(db, "SELECT COUNT(*) FROM suppressions").await, 0);
    }

    async fn looking_at_the_unsubscribe_page_changes_nothing(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "es", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let path = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
        let response = site.ask(Method::GET, &path).header(ACCEPT_LANGUAGE, "de").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert!(header(&response, "content-security-policy").contains("frame-ancestors 'none'"));
        let page = response.text().await.unwrap();
        assert!(page.contains("lang=\"es\"") && page.contains("«Ofertas»"), "{page}");
        assert!(page.contains("<form method=\"post\">") && !page.contains("<script>"));
        assert!(!page.contains("ada"), "no address on the page: the mail may have been forwarded");
        let head = site.ask(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK);
        site.close().await;
        assert_eq!(counters(db, wave).await, expected([]));
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence WHERE action = 'withdraw'").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE is_granted").await, 2);
    }

    async fn one_click_works_with_any_body_and_is_done_when_it_is_answered(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let site = Site::open(db).await;
        let bodies = [
            ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", "rfc8058_post"),
            ("multipart/form-data; boundary=xyz",
                "--xyz\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--xyz--\r\n", "rfc8058_post"),
            ("", "", "unsubscribe_link"),
            ("application/json", "{\"anything\": true}", "unsubscribe_link"),
        ];
        for (seq, (kind, body, source)) in (1..).zip(bodies) {
            let customer = ledger::customer(db, &format!("c{seq}"), "de", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            let path = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
            for _ in 0..2 {
                let mut post = site.client.post(format!("{}{path}", site.base)).body(body);
                if !kind.is_empty() {
                    post = post.header(CONTENT_TYPE, kind);
                }
                let response = post.send().await.unwrap();
                assert_eq!(response.status(), StatusCode::OK, "{kind}");
                assert!(!response.headers().contains_key("set-cookie"));
                assert!(response.text().await.unwrap().contains("Sie sind abgemeldet"));
                // At once, with the server still running: no queue stands between.
                assert_eq!(number(db, &format!("SELECT COUNT(*) FROM suppressions WHERE fingerprint = 'fingerprint of c{seq}' AND scope = 'offers'")).await, 1);
                assert_eq!(number(db, &format!("SELECT COUNT(*) FROM permissions WHERE customer_id = {customer} AND is_granted")).await, 1);
                assert!(number(db, &format!("SELECT COUNT(*) FROM permission_evidence WHERE customer_id = {customer} AND source = '{source}'")).await >= 1);
            }
        }
        site.close().await;
        assert_eq!(counters(db, wave).await, expected([("opt_outs", 4)]));
    }

    async fn the_page_s_second_button_stops_everything(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let path = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
        let response = site.ask(Method::POST, &path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded").body("scope=all").send().await.unwrap();
        let page = response.text().await.unwrap();
        assert!(page.contains("plus de publicité") && !page.contains("<form"), "{page}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE is_granted").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM suppressions WHERE scope = '*'").await, 1);
        site.close().await;
    }

    async fn unsubscribing_works_for_one_who_was_erased(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        db.execute_unprepared("DELETE FROM customers").await.unwrap();
        for delivery in [delivery, DeliveryKey { wave, seq: 4_711 }] {
            let path = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
            assert_eq!(site.get(&path).await.status(), StatusCode::OK);
            let post = site.ask(Method::POST, &path).body("List-Unsubscribe=One-Click").send().await.unwrap();
            assert_eq!(post.status(), StatusCode::OK);
        }
        site.close().await;
    }

    async fn a_body_too_long_to_read_opts_out_all_the_same(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let path = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
        let response = site.ask(Method::POST, &path).body(vec![b'x'; 20_000]).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(number(db, "SELECT COUNT(*) FROM suppressions").await, 1);
        site.close().await;
    }

    async fn without_the_database_nobody_is_told_that_it_is_done(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        db.execute_unprepared("ALTER TABLE suppressions RENAME TO away").await.unwrap();
        let path = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
        let response = site.ask(Method::POST, &path).header(ACCEPT, "text/html").header(ACCEPT_LANGUAGE, "fr").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let id = header(&response, "x-request-id").to_owned();
        let page = response.text().await.unwrap();
        assert!(page.contains(&id) && page.contains("La faute vient de nous"), "{page}");
        assert!(!page.contains("suppressions"), "nothing of the inside: {page}");
        // All or nothing.
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence WHERE action = 'withdraw'").await, 0);
        assert_eq!(number(db, "SELECT marks FROM deliveries").await, 0);
        site.close().await;
    }

    async fn opens_are_seen_only_with_consent_and_only_from_then(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let site = Site::open(db).await;
        let mut pixels = Vec::new();
        for (seq, tracking) in (1..).zip(["full", "hygiene", "none", "full"]) {
            let customer = ledger::customer(db, &format!("c{seq}"), "fr", tracking).await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            pixels.push(format!("/o/{}.gif", site.token(delivery, LinkKind::Open)));
        }
        // Customer 4 takes his consent back after the mail was sent.
        db.execute_unprepared("UPDATE customers SET tracking = 'none' WHERE external_id = 'c4'").await.unwrap();
        for pixel in &pixels {
            for _ in 0..2 {
                let response = site.get(pixel).await;
                assert_eq!(response.status(), StatusCode::OK);
                assert_eq!(header(&response, "content-type"), "image/gif");
                assert_eq!(header(&response, "cache-control"), "no-store");
                assert!(response.bytes().await.unwrap().starts_with(b"GIF89a"));
            }
            site.ask(Method::HEAD, pixel).send().await.unwrap();
        }
        let proxy = site.client.get(format!("{}{}", site.base, pixels[0])).header(USER_AGENT, "GoogleImageProxy");
        proxy.send().await.unwrap();
        let forged = site.get("/o/forged.gif").await;
        assert_eq!(forged.status(), StatusCode::OK, "a neutral picture for everybody");
        site.close().await;
        assert_eq!(counters(db, wave).await, expected([("opens", 1), ("opens.machine", 1)]));
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 3);
        assert_eq!(number(db, "SELECT CAST(CASE WHEN engagement_weight > 0 THEN 1 ELSE 0 END AS BIGINT) FROM customers WHERE external_id = 'c1'").await, 1);
    }

    async fn the_console_shows_campaigns_and_reports(db: &TestDb) {
        let wave = ledger::wave(db, Plan { is_simulated: true, campaign: "été & <b>", ..CLICKS }).await;
        set(db, wave, &FIGURES).await;
        let site = Site::open(db).await;
        let list = site.get("/campaigns").await.text().await.unwrap();
        assert!(list.contains("%C3%A9t%C3%A9%20%26%20%3Cb%3E") && list.contains("été &amp; &lt;b&gt;"), "{list}");
        assert!(list.contains("simulated responses") && list.contains("10.00\u{a0}%"));
        let path = "/reports/campaigns/%C3%A9t%C3%A9%20%26%20%3Cb%3E";
        let page = site.get(path).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert!(header(&page, "content-security-policy").starts_with("default-src 'none'; style-src 'self' 'sha256-"));
        let page = page.text().await.unwrap();
        for expected in ["10.00\u{a0}%", "8 responders of 80 delivered", "simulated responses", "withheld: no permission", "See the pans"] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(!page.contains("style=\"") && !page.contains("<script>"), "the policy allows neither");
        let json: serde_json::Value = serde_json::from_str(&site.get(&format!("{path}.json")).await.text().await.unwrap()).unwrap();
        assert_eq!(json["response_rate"]["count"], 8);
        assert_eq!(json["label"], "simulated responses");
        let csv = site.get(&format!("{path}.csv")).await;
        assert!(header(&csv, "content-disposition").starts_with("attachment"));
        assert!(csv.text().await.unwrap().contains("rates,response_rate,8,80,0.100000"));
        assert_eq!(site.get("/reports/campaigns/nothing").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(site.get("/reports/campaigns/nothing.json").await.status(), StatusCode::NOT_FOUND);
        site.close().await;
    }

    async fn a_large_base_is_counted_by_the_upkeep_not_by_the_page(db: &TestDb) {
        let json = |text: &str| match db.dialect() {
            visavis::storage::Dialect::Sqlite => format!("'{text}'"),
            visavis::storage::Dialect::Postgres => format!("CAST('{text}' AS JSONB)"),
        };
        let people = format!(
            "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 50001)
             INSERT INTO customers (id, email_state, language, country, stage, attributes, attributes_key, tracking,
                 orders_count, revenue_cents, engagement, created_at, updated_at)
             SELECT id, 'ok', 'fr', 'FR', 'prospect', {empty}, {empty}, 'none', 0, 0, 0, 0, 0 FROM n",
            empty = json("{}")
        );
        db.execute_unprepared(&people).await.unwrap();
        let site = Site::open(db).await;
        let page = site.get("/permission?topic=offers").await.text().await.unwrap();
        assert!(page.contains("People are not counted yet") && !page.contains(" people as of"), "{page}");
        let report = json(&serde_json::to_string(&visavis::dialogue::upkeep::UpkeepReport {
            at: 1_790_000_000_000,
            standings: [("offers".to_owned(), [49_990, 0, 7, 3, 0, 0])].into(),
            ..Default::default()
        }).unwrap());
        db.execute_unprepared(&format!("INSERT INTO upkeep_runs (at, report) VALUES (1790000000000, {report})")).await.unwrap();
        let page = site.get("/permission?topic=offers").await.text().await.unwrap();
        assert!(page.contains("people as of 21 September 2026") && page.contains("<strong>7</strong>"), "{page}");
        site.close().await;
    }

    async fn the_console_shows_the_ladder_and_a_persons_proof(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let site = Site::open(db).await;
        let page = site.get("/permission?topic=offers").await;
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.unwrap();
        assert!(page.contains("Brand trust") && page.contains("At most 2 messages a day"), "{page}");
        assert!(!page.contains("style=\"") && !page.contains("<script>"), "the policy allows neither");
        assert_eq!(site.get("/permission/customers/4711").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(site.get("/permission/customers/x").await.status(), StatusCode::NOT_FOUND);
        let proof = site.get(&format!("/permission/customers/{ada}")).await;
        assert_eq!(proof.status(), StatusCode::OK);
        assert!(proof.text().await.unwrap().contains("Proof of permission"));
        site.close().await;
    }

    async fn the_console_answers_to_its_own_name_only(db: &TestDb) {
        let site = Site::open(db).await;
        for (host, status) in [
            ("localhost:8081", StatusCode::OK), ("[::1]:8081", StatusCode::OK), ("127.0.0.1", StatusCode::OK),
            ("evil.example", StatusCode::MISDIRECTED_REQUEST), ("localhost.evil.example:8081", StatusCode::MISDIRECTED_REQUEST),
        ] {
            let response = site.ask(Method::GET, "/campaigns").header("host", host).send().await.unwrap();
            assert_eq!(response.status(), status, "{host}");
        }
        site.close().await;
    }

    async fn probes_and_metrics_tell_how_it_fares(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "full").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        assert_eq!(site.get("/healthz").await.status(), StatusCode::OK);
        assert_eq!(site.get("/readyz").await.status(), StatusCode::OK);
        let token = site.token(delivery, LinkKind::Click(0));
        site.get(&format!("/c/{token}")).await;
        site.get("/no/such/page").await;
        site.responses.drain().await;
        let metrics = site.get("/metrics").await.text().await.unwrap();
        for line in [
            "visavis_http_requests_total{method=\"GET\",route=\"/c/{token}\",status=\"302\"} 1",
            "visavis_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
            "visavis_responses_written_total 1",
            "visavis_responses_waiting 0",
        ] {
            assert!(metrics.contains(line), "{line} in {metrics}");
        }
        assert!(!metrics.contains(&token) && !metrics.contains("ada"));
        db.execute_unprepared("DELETE FROM seaql_migrations WHERE version LIKE '%create_responses'").await.unwrap();
        assert_eq!(site.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        site.close().await;
    }

    async fn errors_have_one_form(db: &TestDb) {
        let site = Site::open(db).await;
        for (method, path, status, code, allow) in [
            (Method::GET, "/nothing", 404, "not_found", ""),
            (Method::POST, "/campaigns", 405, "method_not_allowed", "GET"),
            (Method::DELETE, "/c/x", 405, "method_not_allowed", "GET, HEAD"),
            (Method::PUT, "/u/x", 405, "method_not_allowed", "GET, HEAD, POST"),
            (Method::GET, "/reports/campaigns/x", 404, "not_found", ""),
        ] {
            let response = site.ask(method, path).send().await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(header(&response, "content-type"), "application/problem+json");
            assert_eq!(header(&response, "allow"), allow);
            assert_eq!(header(&response, "x-content-type-options"), "nosniff");
            let id = header(&response, "x-request-id").to_owned();
            let problem: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(problem["code"], code, "{path}");
            assert_eq!(problem["status"], status);
            assert_eq!(problem["request_id"], id);
            assert_eq!(id.len(), 16);
        }
        site.close().await;
    }
}
