//! The preference centre and the ways out, as people, mail programs, scanners and strangers use them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use visavis::consent::model::{Basis, Channel, Evidence, Scope};
use visavis::consent::store as consent;
use visavis::dialogue::confirmation;
use visavis::ids::{ConfirmationId, CustomerId, DeliveryKey};
use visavis::keys::Keys;
use visavis::storage::{Db, Sql};
use visavis::tokens::{LinkKind, LinkToken, preferences_token};

use crate::kit::dump;
use crate::kit::ledger::{self, CLICKS, DAY_MS, LAUNCHED_AT, number};
use crate::on_both;
use crate::web::{Site, header};

const FORM: &str = "application/x-www-form-urlencoded";

fn path(site: &Site, customer: CustomerId) -> String {
    format!("/p/{}", preferences_token(customer, &site.keys))
}

/// A form as the browser would send it: what is chosen, by field.
struct Filled(Vec<(String, String)>);

impl Filled {
    /// What the page shows, unchanged.
    async fn open(site: &Site, path: &str) -> Self {
        let page = site.get(path).await.text().await.unwrap();
        let form = page.split("class=\"sections\"").nth(1).unwrap();
        let form = form.split("</form>").next().unwrap();
        let mut fields = Vec::new();
        for tag in form.split("<input ").skip(1) {
            let tag = tag.split('>').next().unwrap();
            let is_off = tag.contains("type=\"checkbox\"") && !tag.contains(" checked");
            if !is_off {
                fields.push((attribute(tag, "name"), attribute(tag, "value")));
            }
        }
        for select in form.split("<select ").skip(1) {
            let select = select.split("</select>").next().unwrap();
            let chosen = select
                .split("<option ")
                .find(|option| option.contains(" selected"));
            fields.push((
                attribute(select, "name"),
                attribute(chosen.unwrap(), "value"),
            ));
        }
        Self(fields)
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    fn tick(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    fn untick(mut self, name: &str, value: &str) -> Self {
        let before = self.0.len();
        self.0.retain(|(known, was)| known != name || was != value);
        assert!(self.0.len() < before, "{name}={value} was ticked");
        self
    }

    async fn send(&self, site: &Site, path: &str) -> String {
        let response = post(site, path, &encoded(&self.0)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("set-cookie"));
        response.text().await.unwrap()
    }
}

fn encoded(fields: &[(String, String)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", fields).unwrap();
    url.query().unwrap_or_default().to_owned()
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split(&format!("{name}=\"")).nth(1);
    let value = value
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default();
    value.replace("&quot;", "\"").replace("&amp;", "&")
}

async fn post(site: &Site, path: &str, body: &str) -> reqwest::Response {
    let post = site.ask(Method::POST, path).header(CONTENT_TYPE, FORM);
    post.body(body.to_owned()).send().await.unwrap()
}

/// Topics by email that may be written about.
async fn on(db: &Db, name: &str, customer: CustomerId) -> Vec<&'static str> {
    let print = format!("fingerprint of {name}");
    let mut topics = Vec::new();
    for topic in ["news", "offers"] {
        if consent::may_contact(&**db, customer, &print, Channel::Email, topic)
            .await
            .unwrap()
        {
            topics.push(topic);
        }
    }
    topics
}

async fn texts(db: &Db, sql: &str) -> Vec<String> {
    let rows = db.rows(sql.to_owned(), []).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// The link that the newest confirmation would be sent with.
async fn newest_link(db: &Db, keys: &Keys) -> String {
    let row = db
        .row(
            "SELECT id, nonce FROM confirmations ORDER BY id DESC LIMIT 1",
            [],
        )
        .await
        .unwrap()
        .unwrap();
    let id = ConfirmationId(row.try_get("", "id").unwrap());
    let nonce: String = row.try_get("", "nonce").unwrap();
    format!("/confirm/{}", confirmation::token(keys, id, &nonce))
}

on_both! {
    async fn a_form_changes_what_he_changed_in_it_and_says_so(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "fr", "full").await;
        let site = Site::open(db).await;
        let path = path(&site, ada);
        let page = site.get(&path).await.text().await.unwrap();
        for text in ["lang=\"fr\"", "a•••@e•••.org", "Offres", "Je souhaite recevoir vos offres.", "Tout arrêter"] {
            assert!(page.contains(text), "{text} in {page}");
        }
        assert!(!page.contains("ada@") && !page.contains("<script") && !page.contains("SMS"), "{page}");

        let same = Filled::open(&site, &path).await.send(&site, &path).await;
        assert!(same.contains("Tout reste comme avant"), "{same}");
        let before = number(db, "SELECT COUNT(*) FROM permission_evidence").await;
        assert_eq!(before, 2, "a form that changes nothing leaves nothing");
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_records").await, 0);

        let form = Filled::open(&site, &path).await.untick("topic", "email:offers").untick("tracking", "full")
            .set("frequency", "fortnightly").set("pause", "3").set("language", "de");
        let said = form.send(&site, &path).await;
        for text in [
            "lang=\"de\"", "keine Nachrichten mehr zum Thema „Angebote“ per E-Mail", "höchstens alle zwei Wochen",
            "Pause bis zum 22. Februar 2027", "auf Deutsch", "Wir halten nicht mehr fest",
        ] {
            assert!(said.contains(text), "{text} in {said}");
        }
        assert_eq!(on(db, "ada", ada).await, ["news"]);
        assert_eq!(texts(db, "SELECT topic || ' ' || action || ' ' || source || ' ' || COALESCE(fingerprint, '') FROM permission_evidence WHERE id > 2").await,
            ["offers withdraw preference_centre fingerprint of ada"]);
        assert_eq!(texts(db, "SELECT scope FROM suppressions").await, ["offers"]);
        assert_eq!(texts(db, "SELECT language || ' ' || tracking || ' ' || frequency_days FROM customers").await, ["de none 14"]);
        // 2027-02-22 00:00 UTC: he has no zone.
        assert_eq!(number(db, "SELECT paused_until FROM customers").await, 1_803_254_400_000);
        assert_eq!(texts(db, "SELECT actor || ' ' || action FROM audit_records").await, ["person preferences"]);

        // And back: a yes is a consent of its own, with the words that stood there.
        site.clock.advance(chrono::Duration::minutes(1));
        let form = Filled::open(&site, &path).await.tick("topic", "email:offers").tick("tracking", "full")
            .set("frequency", "any").set("pause", "off");
        let said = form.send(&site, &path).await;
        for text in ["Sie erhalten unsere Nachrichten zum Thema „Angebote“", "Die Pause ist vorbei", "Sie erlauben uns"] {
            assert!(said.contains(text), "{text} in {said}");
        }
        assert_eq!(on(db, "ada", ada).await, ["news", "offers"]);
        assert_eq!(texts(db, "SELECT action || ' ' || basis || ' ' || wording FROM permission_evidence WHERE id > 3").await,
            ["grant consent Ich möchte Ihre Angebote erhalten."]);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE frequency_days IS NULL AND paused_until IS NULL AND tracking = 'full'").await, 1);
        site.close().await;
    }

    async fn a_form_older_than_another_change_never_grants_again(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let path = path(&site, ada);
        let unsubscribe = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
        Filled::open(&site, &path).await.untick("topic", "email:offers").send(&site, &path).await;
        let yes = Filled::open(&site, &path).await.tick("topic", "email:offers").tick("tracking", "full");
        let said = yes.send(&site, &path).await;
        assert!(said.contains("preferences are saved"), "{said}");
        assert_eq!(on(db, "ada", ada).await, ["news", "offers"]);
        // He says no elsewhere; then his browser sends the old form again.
        post(&site, &unsubscribe, "List-Unsubscribe=One-Click").await;
        assert_eq!(on(db, "ada", ada).await, ["news"]);
        let said = yes.send(&site, &path).await;
        assert!(said.contains("Something had changed"), "{said}");
        assert_eq!(on(db, "ada", ada).await, ["news"]);
        // What it asks for less is done all the same, and what it does not know of is left alone.
        let old = Filled::open(&site, &path).await.untick("topic", "email:news").set("frequency", "monthly");
        consent::record(&***db, &Evidence::grant(ada, Channel::Email, "offers", Basis::Consent, "form", LAUNCHED_AT + DAY_MS), None, 0).await.unwrap();
        old.send(&site, &path).await;
        assert_eq!(on(db, "ada", ada).await, ["offers"]);
        assert_eq!(number(db, "SELECT frequency_days FROM customers").await, 30);
        site.close().await;
    }

    async fn what_was_not_shown_is_not_granted_whatever_is_sent(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "none").await;
        db.run("UPDATE customers SET phone = '+33612345678', phone_fingerprint = 'phone of ada'", []).await.unwrap();
        for channel in [Channel::Email, Channel::Sms] {
            consent::record(&***db, &Evidence::withdrawal(ada, channel, Scope::All, "form", LAUNCHED_AT + 1), Some("fingerprint of ada"), 0).await.unwrap();
        }
        let site = Site::open(db).await;
        let path = path(&site, ada);
        let shown = Filled::open(&site, &path).await;
        // A text message is agreed to by text message, and nobody agrees to what is not offered.
        shown.tick("topic", "sms:offers").tick("topic", "email:secrets").tick("topic", "email:*").send(&site, &path).await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE is_granted").await, 0);

        let fields: Vec<String> = Filled::open(&site, &path).await.0.into_iter()
            .filter(|(name, _)| name == "shown").map(|(_, value)| value).collect();
        let value = prop_oneof![
            Just(fields[0].clone()),
            proptest::sample::select(vec![
                "email:offers", "email:news", "sms:offers", "any", "weekly", "full", "date", "6", "2027-01-01", "9999-12-31",
                "-1", "save", "en", "xx", "\u{0}", "<b>", "{}", "null",
            ]).prop_map(str::to_owned),
            ".{0,30}",
        ];
        let name = proptest::sample::select(vec![
            "topic", "shown", "seal", "tracking", "frequency", "pause", "pause_until", "language", "action", "other",
        ]);
        let form = proptest::collection::vec((name, value), 0..14)
            .prop_map(|fields| encoded(&fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>()).into_bytes());
        let body = prop_oneof![4 => form, 1 => proptest::collection::vec(any::<u8>(), 0..300)];
        let mut runner = TestRunner::default();
        for _ in 0..60 {
            let body = body.new_tree(&mut runner).unwrap().current();
            let kind = if body.len() % 7 == 0 { "multipart/form-data; boundary=x" } else { FORM };
            let response = site.ask(Method::POST, &path).header(CONTENT_TYPE, kind).body(body.clone()).send().await.unwrap();
            assert!(!response.status().is_server_error(), "{:?}", String::from_utf8_lossy(&body));
            assert_eq!(number(db, "SELECT COUNT(*) FROM permissions WHERE is_granted").await, 0, "{:?}", String::from_utf8_lossy(&body));
            assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE tracking = 'full'").await, 0, "{:?}", String::from_utf8_lossy(&body));
        }
        site.close().await;
    }

    async fn text_messages_can_be_stopped_and_are_shown_to_who_may_get_them(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        db.run("UPDATE customers SET phone = '+33612345678', phone_fingerprint = 'phone of ada'", []).await.unwrap();
        consent::record(&***db, &Evidence::grant(ada, Channel::Sms, "offers", Basis::Consent, "STOP", LAUNCHED_AT), None, 0).await.unwrap();
        let site = Site::open(db).await;
        let path = path(&site, ada);
        let page = site.get(&path).await.text().await.unwrap();
        assert!(page.contains("value=\"sms:offers\" checked") && !page.contains("value=\"sms:news\""), "{page}");
        assert!(page.contains("il nous faut votre accord par SMS") && !page.contains("612345"), "{page}");
        let said = Filled::open(&site, &path).await.untick("topic", "sms:offers").send(&site, &path).await;
        assert!(said.contains("« Offres » par SMS") || said.contains("Offres\u{a0}» par SMS"), "{said}");
        assert_eq!(texts(db, "SELECT fingerprint || channel || scope FROM suppressions").await, ["phone of adasmsoffers"]);
        site.close().await;
    }

    async fn one_button_stops_everything(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "es", "full").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        db.run("UPDATE customers SET phone = '+33612345678', phone_fingerprint = 'phone of ada'", []).await.unwrap();
        let site = Site::open(db).await;
        let path = path(&site, ada);
        for _ in 0..2 {
            let said = post(&site, &path, "action=stop").await.text().await.unwrap();
            assert!(said.contains("No recibirá más publicidad nuestra"), "{said}");
            assert_eq!(on(db, "ada", ada).await, Vec::<&str>::new());
        }
        assert_eq!(texts(db, "SELECT channel || fingerprint FROM suppressions WHERE scope = '*' ORDER BY channel").await,
            ["emailfingerprint of ada", "smsphone of ada"]);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence WHERE action = 'withdraw'").await, 2, "said once");
        // No message already sent is followed any more.
        site.get(&format!("/o/{}.gif", site.token(delivery, LinkKind::Open))).await;
        let unsubscribe = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
        let page = site.get(&unsubscribe).await.text().await.unwrap();
        assert!(page.contains("Ya se había dado de baja") && !page.contains("<button"), "{page}");
        site.close().await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses WHERE kind = 'open'").await, 0);
    }

    async fn the_unsubscribe_page_knows_what_is_off(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "en", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let unsubscribe = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
        let centre = format!("href=\"..{}\"", path(&site, ada));
        let page = site.get(&unsubscribe).await.text().await.unwrap();
        assert!(page.contains("“Offers”") && page.contains(&centre) && page.matches("<button").count() == 2, "{page}");
        let page = post(&site, &unsubscribe, "scope=topic").await.text().await.unwrap();
        assert!(page.contains("You are unsubscribed") && page.contains(&centre), "{page}");
        let page = site.get(&unsubscribe).await.text().await.unwrap();
        assert!(page.contains("You get no messages about “Offers”") && page.contains(&centre), "{page}");
        assert!(page.contains("value=\"all\"") && !page.contains("value=\"topic\""), "{page}");
        site.close().await;
    }

    async fn a_day_that_is_missing_is_asked_for_and_nothing_is_lost(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "none").await;
        let site = Site::open(db).await;
        let path = path(&site, ada);
        let form = Filled::open(&site, &path).await.untick("topic", "email:offers").set("pause", "date").set("frequency", "weekly");
        let page = form.send(&site, &path).await;
        assert!(page.contains("role=\"alert\"") && page.contains("href=\"#pause-until\"") && page.contains("aria-invalid"), "{page}");
        assert!(page.contains("value=\"email:news\" checked") && page.contains("value=\"email:offers\">"), "{page}");
        assert!(page.contains("value=\"weekly\" selected"));
        assert_eq!(on(db, "ada", ada).await, ["news", "offers"], "nothing was saved");
        let said = form.set("pause_until", "2026-12-24").send(&site, &path).await;
        assert!(said.contains("We take a break until 24 December 2026") && said.contains("once a week"), "{said}");
        assert_eq!(on(db, "ada", ada).await, ["news"]);
        site.close().await;
    }

    async fn a_link_dies_with_the_address_it_was_sent_to(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "en", "none").await;
        let site = Site::open(db).await;
        let path = path(&site, ada);
        for (action, email) in [("action=download", "new@example.org"), ("action=erase", "newer@example.org")] {
            post(&site, &path, action).await;
            let link = newest_link(db, &site.keys).await;
            let fields = [("email".to_owned(), email.to_owned())];
            let correction = visavis::customers::import::read_fields(&fields, "FR", LAUNCHED_AT).unwrap();
            let now = visavis::clock::Clock::now_ms(&*site.clock);
            visavis::dialogue::rectify::rectify(db, &site.keys, ada, &correction, true, "operator jo", now).await.unwrap();
            let before = dump::tables(db).await;
            let told = post(&site, &link, "").await.text().await.unwrap();
            assert!(told.contains("expired") && !told.contains(&path), "{told}");
            assert_eq!(dump::tables(db).await, before, "nothing was given or done");
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM audit_records WHERE action = 'export'").await, 0);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 1);
        post(&site, &path, "action=erase").await;
        post(&site, &newest_link(db, &site.keys).await, "").await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 0, "the link to the new address works");
        site.close().await;
    }

    async fn his_data_leaves_and_is_deleted_by_a_link_to_his_own_mailbox_only(db: &TestDb) {
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let bob = ledger::customer(db, "bob", "fr", "none").await;
        let site = Site::open(db).await;
        let path = path(&site, ada);
        for _ in 0..2 {
            let told = post(&site, &path, "action=download").await.text().await.unwrap();
            assert!(told.contains("Nous avons envoyé un lien à a•••@e•••.org"), "{told}");
        }
        assert_eq!(texts(db, "SELECT purpose || ' ' || COALESCE(address, '-') FROM confirmations").await, ["download -"], "once, and without the address");
        let link = newest_link(db, &site.keys).await;
        let before = dump::tables(db).await;
        let page = site.get(&link).await.text().await.unwrap();
        assert!(page.contains("Télécharger mes données") && page.contains("<form method=\"post\">"), "{page}");
        assert_eq!(dump::tables(db).await, before, "looking downloads nothing");
        let zip = post(&site, &link, "").await;
        assert_eq!(header(&zip, "content-type"), "application/zip");
        assert!(header(&zip, "content-disposition").starts_with("attachment"));
        assert!(zip.bytes().await.unwrap().starts_with(b"PK"));
        let again = post(&site, &link, "").await.text().await.unwrap();
        assert!(again.contains("Ce lien a déjà servi"), "{again}");

        post(&site, &path, "action=erase").await;
        let link = newest_link(db, &site.keys).await;
        site.clock.advance(chrono::Duration::hours(25));
        let late = post(&site, &link, "").await.text().await.unwrap();
        assert!(late.contains("Ce lien a expiré"), "{late}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 2);
        post(&site, &path, "action=erase").await;
        let link = newest_link(db, &site.keys).await;
        let page = site.get(&link).await.text().await.unwrap();
        assert!(page.contains("irréversible"), "{page}");
        let gone = post(&site, &link, "").await.text().await.unwrap();
        assert!(gone.contains("Vos données sont supprimées"), "{gone}");
        let twice = post(&site, &link, "").await;
        assert_eq!(twice.status(), StatusCode::OK);
        assert!(twice.text().await.unwrap().contains("Vos données sont supprimées"), "the second click of two");
        let looked = site.get(&link).await.text().await.unwrap();
        assert!(looked.contains("Vos données sont supprimées") && !looked.contains("<form"), "{looked}");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 1);
        assert_eq!(on(db, "bob", bob).await, ["news", "offers"], "nobody else is touched");
        let told = site.ask(Method::GET, &path).header(ACCEPT_LANGUAGE, "fr").send().await.unwrap();
        assert_eq!(told.status(), StatusCode::OK);
        assert!(told.text().await.unwrap().contains("Nous n’avons plus vos données"));
        for action in ["action=stop", "action=save&topic=email:offers", "action=erase"] {
            assert_eq!(post(&site, &path, action).await.status(), StatusCode::OK);
        }
        assert_eq!(dump::holders(db, "ada@").await, Vec::<String>::new());
        site.close().await;
    }

    async fn links_that_are_not_ours_open_nothing(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        let foreign = Keys::from_secret(&[8; 32]);
        let good = preferences_token(ada, &site.keys);
        let unsubscribe = site.token(delivery, LinkKind::Unsubscribe);
        let mut paths: Vec<String> = [
            &good[..31], &good[1..], "x", "%00", &"a".repeat(4_000), &preferences_token(ada, &foreign), &unsubscribe,
        ].iter().map(|token| format!("/p/{token}")).collect();
        // The number of another customer under the MAC of this one.
        let other = preferences_token(CustomerId(ada.0 + 1), &site.keys);
        paths.push(format!("/p/{}{}", &other[..11], &good[11..]));
        let forged = LinkToken { delivery, kind: LinkKind::Unsubscribe }.encode(&foreign);
        paths.extend([&unsubscribe[..46], &forged, &good, "%ff"].map(|token| format!("/u/{token}")));
        let before = dump::tables(db).await;
        for path in &paths {
            for method in [Method::GET, Method::POST] {
                let response = site.ask(method, path).header(ACCEPT, "text/html").header(CONTENT_TYPE, FORM)
                    .body("action=stop").send().await.unwrap();
                assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            }
        }
        assert_eq!(dump::tables(db).await, before);
        site.close().await;
    }

    async fn scanners_change_nothing(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = ledger::customer(db, "ada", "fr", "none").await;
        let delivery = ledger::delivery(db, wave, 1, ada).await;
        let site = Site::open(db).await;
        post(&site, &path(&site, ada), "action=erase").await;
        let paths = [
            path(&site, ada),
            format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe)),
            format!("/v/{}", site.token(delivery, LinkKind::Browser)),
            format!("/o/{}.gif", site.token(delivery, LinkKind::Open)),
            newest_link(db, &site.keys).await,
        ];
        let before = dump::tables(db).await;
        for path in &paths {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                for (name, value) in [
                    ("accept", "*/*"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch"),
                    ("user-agent", "Mozilla/5.0 (compatible; BarracudaCentral)"),
                ] {
                    let response = site.client.request(method.clone(), format!("{}{path}", site.base)).header(name, value).send().await.unwrap();
                    assert!(!response.status().is_server_error() || path.starts_with("/v/"), "{method} {path}");
                    assert!(!response.status().is_redirection(), "{method} {path}");
                }
            }
        }
        assert_eq!(dump::tables(db).await, before);
        site.close().await;
        assert_eq!(number(db, "SELECT COUNT(*) FROM responses").await, 0);
    }

    async fn one_click_as_gmail_and_yahoo_send_it(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let site = Site::open(db).await;
        let host = site.base.strip_prefix("http://").unwrap().to_owned();
        let gmail = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n\r\nList-Unsubscribe=One-Click".to_owned();
        let multipart = "--ab12\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--ab12--\r\n";
        let yahoo = format!("Content-Type: multipart/form-data; boundary=ab12\r\nContent-Length: {}\r\n\r\n{multipart}", multipart.len());
        for (seq, (rest, origin)) in (1..).zip([
            (&gmail, ""), (&yahoo, ""), (&gmail, "Origin: https://evil.example\r\n"), (&yahoo, "Origin: null\r\n"),
        ]) {
            let name = format!("c{seq}");
            let customer = ledger::customer(db, &name, "fr", "none").await;
            let delivery = ledger::delivery(db, wave, seq, customer).await;
            let path = format!("/u/{}", site.token(delivery, LinkKind::Unsubscribe));
            for turn in ["once", "twice", "after the person was erased"] {
                if turn.starts_with("after") {
                    db.run("DELETE FROM customers WHERE id = $1", [customer.0.into()]).await.unwrap();
                }
                let answer = raw(&host, &format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: close\r\n{rest}")).await;
                assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{turn}: {answer}");
                let (head, _) = answer.split_once("\r\n\r\n").unwrap();
                let head = head.to_ascii_lowercase();
                assert!(!head.contains("location:") && !head.contains("set-cookie:"), "{turn}: {head}");
                assert_eq!(number(db, &format!("SELECT COUNT(*) FROM suppressions WHERE fingerprint = 'fingerprint of {name}'")).await, 1);
            }
            assert_eq!(number(db, &format!("SELECT COUNT(*) FROM permission_evidence WHERE customer_id = {customer} AND source = 'rfc8058_post'")).await, 1);
        }
        let unknown = format!("/u/{}", site.token(DeliveryKey { wave, seq: 4_711 }, LinkKind::Unsubscribe));
        let answer = raw(&host, &format!("POST {unknown} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{gmail}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        site.close().await;
    }

    async fn every_page_speaks_four_languages(db: &TestDb) {
        let site = Site::open(db).await;
        let mut titles = BTreeMap::new();
        for language in ["en", "fr", "de", "es"] {
            let customer = ledger::customer(db, language, language, "none").await;
            let path = path(&site, customer);
            let page = site.get(&path).await.text().await.unwrap();
            assert!(page.contains(&format!("<html lang=\"{language}\">")));
            assert!(!page.contains("{topic}") && !page.contains("{address}") && !page.contains("{date}"), "{page}");
            // Each field is named.
            for id in ["frequency", "pause", "pause-until", "language"] {
                assert!(page.contains(&format!("for=\"{id}\"")) && page.contains(&format!("id=\"{id}\"")), "{id}");
            }
            let title = page.split("<title>").nth(1).unwrap().split('<').next().unwrap().to_owned();
            titles.insert(title, language);
        }
        assert_eq!(titles.len(), 4, "{titles:?}");
        site.close().await;
    }
}

/// What a server answers to these very bytes.
async fn raw(host: &str, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
