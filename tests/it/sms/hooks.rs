//! What providers post to us: receipts, STOP, START and replies, over HTTP.

use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use tokio_util::sync::CancellationToken;
use visavis::campaigns::definition::{Cell, Definition};
use visavis::channels::outbox::Outbox;
use visavis::channels::sms::SmsChannel;
use visavis::channels::sms::model::ReceiptState::{Delivered, Sent, Undelivered};
use visavis::consent::model::{Basis, Channel, Evidence, Scope};
use visavis::consent::store as consent;
use visavis::dialogue::replies::TextReplies;
use visavis::dialogue::{erase, export, upkeep};
use visavis::ids::{CustomerId, DeliveryKey, WaveId};
use visavis::responses::ResponseWriter;
use visavis::responses::opt_out::{self, Choice, Source};
use visavis::storage::{Db, Sql};
use visavis::web::{SmsHooks, State, configure_console, configure_public};

use super::{by_sms, house};
use crate::kit::database::TestDb;
use crate::kit::house::House;
use crate::kit::ledger::{DAY_MS, number};
use crate::kit::sms::{Behaviour, HOOK_SECRET, Kind, Posted, SmsServer, Taken, Text};
use crate::on_both;

/// A house whose wave has gone out by Twilio, and its pages on a port.
struct Desk {
    house: House,
    server: SmsServer,
    wave: WaveId,
    base: String,
    handle: ServerHandle,
    replies: TextReplies<SmsChannel>,
    responses: ResponseWriter,
    _folder: tempfile::TempDir,
}

impl Desk {
    /// `people` have mobile numbers and said yes to offers by SMS, and got a message.
    async fn open(db: &TestDb, people: i64) -> Self {
        Self::open_with(db, people, &by_sms("spring")).await
    }

    /// The same, with a campaign of its own.
    async fn open_with(db: &TestDb, people: i64, plan: &Definition) -> Self {
        let server = SmsServer::start(Kind::Twilio);
        let mut house = house(db, &server);
        house.change_settings(|settings| settings.sms.contact = "03 22 00 00 00".to_owned());
        let first = house.add_customers(people, "mail.example").await;
        assert_eq!(first, 1);
        house.give_mobiles(1, people, "FR").await;
        for id in 1..=people {
            agree(&house, id, "offers", -40 * DAY_MS).await;
        }
        let campaign = house.apply(plan).await;
        let wave = house.launch(campaign).await.wave;
        house.deliver_to_the_end(wave).await;
        assert_eq!(server.count() as i64, people);
        let parts = &house.parts;
        let folder = tempfile::tempdir().unwrap();
        let outbox = Arc::new(Outbox::open(folder.path()).unwrap());
        let channel = SmsChannel::new(
            &parts.settings.sms,
            &parts.settings.web.public_url,
            &parts.keys,
            &outbox,
            &parts.clock,
        )
        .unwrap();
        let responses = ResponseWriter::start(db.db.clone());
        let providers = channel.providers().iter();
        let hooks = SmsHooks::new(providers.map(|(name, one)| (name.clone(), Arc::clone(one))));
        let state = State::new(
            db.db.clone(),
            Arc::clone(&parts.clock),
            parts.keys.clone(),
            Arc::clone(&parts.settings),
            responses.clone(),
            outbox,
        )
        .unwrap()
        .with_sms(hooks);
        let state = web::Data::new(state);
        let served = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .configure(configure_public)
                .configure(configure_console)
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let base = format!("http://{}", served.addrs()[0]);
        let served = served.run();
        let handle = served.handle();
        tokio::spawn(served);
        let replies = TextReplies::new(
            db.db.clone(),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.settings),
            channel,
        );
        Self {
            house,
            server,
            wave,
            base,
            handle,
            replies,
            responses,
            _folder: folder,
        }
    }

    fn db(&self) -> &Db {
        &self.house.parts.db
    }

    fn url(&self, kind: &str) -> String {
        let public = &self.house.parts.settings.web.public_url;
        format!("{public}/hooks/sms/main/{kind}/{HOOK_SECRET}")
    }

    fn posted(&self, from: &str, text: &str, message_id: &str) -> Posted {
        let text = Text {
            from,
            to: "36111",
            text,
            message_id,
        };
        self.server
            .inbound(&self.url("inbound"), &text, self.house.clock_ms() / 1_000)
    }

    /// Somebody writes; the provider posts it twice, since it never knows.
    async fn writes(&self, from: &str, text: &str, message_id: &str) {
        let posted = self.posted(from, text, message_id);
        assert_eq!(posted.send(&self.base).await, 204);
        assert_eq!(posted.send(&self.base).await, 204);
    }

    async fn told(
        &self,
        taken: &Taken,
        state: visavis::channels::sms::model::ReceiptState,
        code: Option<&str>,
    ) {
        let now = self.house.clock_ms() / 1_000;
        let posted = self.server.receipt(taken, state, code, now);
        assert_eq!(posted.send(&self.base).await, 204);
    }

    /// What the provider was given besides the wave since the last time, after everything due was sent.
    async fn answers(&self, before: usize) -> Vec<Taken> {
        let never = CancellationToken::new();
        self.replies.run_until_idle(&never).await.unwrap();
        self.server.taken().split_off(before)
    }

    async fn counter(&self, name: &str) -> i64 {
        let counters = visavis::delivery::store::counters(&**self.db(), self.wave)
            .await
            .unwrap();
        counters.get(name).copied().unwrap_or_default()
    }

    async fn number(&self, sql: &str) -> i64 {
        number(self.db(), sql).await
    }

    /// Whether this customer may be written to about the topic by SMS.
    async fn may(&self, customer: i64, topic: &str) -> bool {
        let print = self.house.parts.keys.fingerprint(&phone(customer));
        consent::may_contact(
            &**self.db(),
            CustomerId(customer),
            &print,
            Channel::Sms,
            topic,
        )
        .await
        .unwrap()
    }

    async fn close(self) {
        self.handle.stop(true).await;
        self.responses.drain().await;
    }
}

fn phone(customer: i64) -> String {
    format!("+3363998{customer:04}")
}

/// Says yes by SMS, so many milliseconds from now.
async fn agree(house: &House, customer: i64, topic: &str, from_now: i64) {
    let at = house.clock_ms() + from_now;
    let yes = Evidence::grant(
        CustomerId(customer),
        Channel::Sms,
        topic,
        Basis::Consent,
        "form",
        at,
    );
    let print = house.parts.keys.fingerprint(&phone(customer));
    consent::record(&*house.parts.db, &yes, Some(&print), at)
        .await
        .unwrap();
}

on_both! {
    async fn receipts_come_twice_and_in_any_order_and_are_counted_once(db: &TestDb) {
        let desk = Desk::open(db, 5).await;
        let taken = desk.server.taken();
        for (state, code) in [(Delivered, None), (Sent, None), (Delivered, None), (Undelivered, Some("30008"))] {
            desk.told(&taken[0], state, code).await;
        }
        desk.told(&taken[1], Sent, None).await;
        desk.told(&taken[2], Undelivered, Some("30003")).await;
        desk.told(&taken[2], Undelivered, Some("30003")).await;
        // A "no" counts also behind another failure: parts of a message have receipts of their own.
        desk.told(&taken[2], Undelivered, Some("21610")).await;
        desk.told(&taken[2], Undelivered, Some("30003")).await;
        // The provider knows that he wants nothing more: so do we.
        desk.told(&taken[3], Undelivered, Some("21610")).await;
        for (name, expected) in [
            ("receipts.delivered", 1), ("receipts.sent", 1), ("receipts.undelivered", 2), ("opt_outs", 2), ("accepted", 5),
        ] {
            assert_eq!(desk.counter(name).await, expected, "{name}");
            assert_eq!(desk.counter(&format!("sms.{name}")).await, expected, "sms.{name}");
        }
        for state in [Delivered, Sent, Undelivered] {
            let rows = format!("SELECT COUNT(*) FROM sms_messages WHERE receipt = '{}'", state.as_str());
            let name = format!("receipts.{}", state.as_str());
            assert_eq!(desk.number(&rows).await, desk.counter(&name).await);
        }
        let opted_out = desk.number("SELECT customer_id FROM permission_evidence WHERE source = 'sms_provider_opt_out'").await;
        assert!(!desk.may(opted_out, "offers").await);
        // One of a message that is not settled yet waits for it.
        let id = taken[4].message_id.clone();
        db.run("UPDATE sms_messages SET wave_id = -wave_id, message_id = NULL WHERE message_id = $1", [id.clone().into()]).await.unwrap();
        desk.told(&taken[4], Delivered, None).await;
        assert_eq!(desk.number("SELECT COUNT(*) FROM unmatched_receipts").await, 1);
        desk.answers(5).await;
        assert_eq!(desk.counter("receipts.delivered").await, 1);
        db.run("UPDATE sms_messages SET wave_id = -wave_id, message_id = $1 WHERE wave_id < 0", [id.into()]).await.unwrap();
        desk.answers(5).await;
        assert_eq!(desk.counter("receipts.delivered").await, 2);
        assert_eq!(desk.number("SELECT COUNT(*) FROM unmatched_receipts").await, 0);
        desk.close().await;
    }

    async fn a_receipt_counts_for_the_cell_of_its_message(db: &TestDb) {
        let cell = |name: &str| Cell { name: name.to_owned(), weight: 1, template: None, offer: None };
        let plan = Definition { cells: vec![cell("a"), cell("b")], ..by_sms("spring") };
        let desk = Desk::open_with(db, 12, &plan).await;
        let sql = "SELECT m.message_id FROM sms_messages m
            JOIN deliveries d ON d.wave_id = m.wave_id AND d.seq = m.seq WHERE d.cell = 'a'";
        let of_a: Vec<String> = db.rows(sql, []).await.unwrap().iter().map(|row| row.try_get("", "message_id").unwrap()).collect();
        let taken: Vec<_> = desk.server.taken().into_iter().filter(|one| of_a.contains(&one.message_id)).collect();
        assert!(taken.len() > 1, "{of_a:?}");
        desk.told(&taken[0], Sent, None).await;
        desk.told(&taken[0], Undelivered, Some("30003")).await;
        desk.told(&taken[1], Delivered, None).await;
        for (name, expected) in [("undelivered", 1), ("delivered", 1), ("sent", 0)] {
            for prefix in ["", "sms.", "cell.a."] {
                let name = format!("{prefix}receipts.{name}");
                assert_eq!(desk.counter(&name).await, expected, "{name}");
            }
            assert_eq!(desk.counter(&format!("cell.b.receipts.{name}")).await, 0);
        }
        desk.close().await;
    }

    async fn stop_acts_on_everyone_with_the_number_and_is_answered_once(db: &TestDb) {
        let desk = Desk::open(db, 3).await;
        // Two share a number.
        let print = desk.house.parts.keys.fingerprint(&phone(1));
        db.run("UPDATE customers SET phone = $1, phone_fingerprint = $2 WHERE id = 2", [phone(1).into(), print.as_str().into()]).await.unwrap();
        agree(&desk.house, 1, "news", -30 * DAY_MS).await;
        desk.writes(&phone(1), " Arrêt. ", "m1").await;
        desk.writes(&phone(1), "STOP 36111", "m2").await;
        assert!(!desk.may(1, "offers").await && !desk.may(1, "news").await && desk.may(3, "offers").await);
        let withdrawn = "SELECT COUNT(DISTINCT customer_id) FROM permission_evidence
            WHERE source = 'sms_stop' AND action = 'withdraw' AND topic = '*' AND wording = 'Arrêt.'";
        assert_eq!(desk.number(withdrawn).await, 2);
        let stands = consent::is_suppressed(&**desk.db(), &print, Channel::Sms, "anything").await.unwrap();
        assert!(stands);
        assert_eq!(desk.counter("opt_outs").await, 1);
        assert_eq!(desk.counter("sms.opt_outs").await, 1);
        let answers = desk.answers(3).await;
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!((answers[0].to.as_str(), answers[0].sender.as_str()), (phone(1).as_str(), "36111"));
        assert_eq!(answers[0].text, "Maison Vaisselle : c'est fait, vous ne recevrez plus de SMS de notre part.");
        assert_eq!(desk.number("SELECT COUNT(*) FROM text_replies WHERE state = 'sent' AND number IS NULL").await, 1);
        // A stranger: nobody to withdraw, and yet his number is safe.
        desk.writes("+33639989999", "stop", "m3").await;
        let stranger = desk.house.parts.keys.fingerprint("+33639989999");
        assert!(consent::is_suppressed(&**desk.db(), &stranger, Channel::Sms, "offers").await.unwrap());
        assert_eq!(desk.answers(4).await.len(), 1);
        // After a day he is answered again.
        desk.house.advance(chrono::Duration::hours(25));
        desk.writes(&phone(1), "stop", "m4").await;
        assert_eq!(desk.answers(5).await.len(), 1);
        desk.writes(&phone(3), "Aide", "m5").await;
        desk.writes(&phone(3), "info", "m6").await;
        let help = desk.answers(6).await;
        assert_eq!(help.len(), 1);
        assert_eq!(help[0].text, "Maison Vaisselle. Contact : 03 22 00 00 00. Répondez STOP pour ne plus recevoir de SMS.");
        assert!(desk.may(3, "offers").await);
        // A landline or a premium number is kept, and not answered.
        desk.writes("+33322000000", "HELP", "m7").await;
        desk.writes("+33899000000", "STOP", "m8").await;
        assert_eq!(desk.answers(7).await.len(), 0);
        desk.close().await;
    }

    async fn start_lifts_what_stop_disabled_and_nothing_else(db: &TestDb) {
        let desk = Desk::open(db, 7).await;
        let db = desk.db();
        // Customer 1 allowed news too, and took them back by himself.
        agree(&desk.house, 1, "news", -30 * DAY_MS).await;
        let no = Evidence::withdrawal(CustomerId(1), Channel::Sms, Scope::Topic("news".to_owned()), "page", desk.house.clock_ms() - DAY_MS);
        let print = |id| desk.house.parts.keys.fingerprint(&phone(id));
        consent::record(&**db, &no, Some(&print(1)), no.occurred_at).await.unwrap();
        // START without a STOP gives nobody anything, and YES answers something we said.
        desk.writes(&phone(1), "START", "m0").await;
        desk.writes(&phone(1), "yes", "m00").await;
        assert!(!desk.may(1, "news").await);
        assert_eq!(desk.number("SELECT COUNT(*) FROM inbound_texts WHERE kind = 'reply'").await, 1);
        for id in [1, 2, 3, 4, 5, 7] {
            desk.writes(&phone(id), "STOP", &format!("stop {id}")).await;
            assert!(!desk.may(id, "offers").await);
        }
        desk.house.advance(chrono::Duration::minutes(5));
        // 2 and 7 also say so by the link, 3 objects, 4 was put on a list.
        for id in [2, 7] {
            let seq = desk.number(&format!("SELECT seq FROM deliveries WHERE customer_id = {id}")).await;
            let link = DeliveryKey { wave: desk.wave, seq };
            opt_out::opt_out(db, link, Choice::Topic, Source::Page, desk.house.clock_ms()).await.unwrap();
        }
        let objection = visavis::dialogue::object::Objection { channel: Some(Channel::Sms), scope: Scope::All, source: "letter".to_owned() };
        visavis::dialogue::object::object(db, &desk.house.parts.keys, CustomerId(3), &objection, "operator", desk.house.clock_ms()).await.unwrap();
        let robinson = consent::Suppression {
            fingerprint: print(4), channel: Channel::Sms, scope: Scope::All, reason: "robinson".to_owned(), suppressed_at: desk.house.clock_ms(),
        };
        consent::suppress(&**db, &[robinson]).await.unwrap();
        desk.house.advance(chrono::Duration::minutes(5));
        // What 7 took back on the page is not what this STOP disables.
        desk.writes(&phone(7), "STOP", "stop 7 again").await;
        desk.house.advance(chrono::Duration::minutes(5));
        for (id, word) in [(1, "START"), (2, "START"), (3, "start"), (4, "unstop"), (5, "Yes"), (6, "start"), (7, "start")] {
            desk.writes(&phone(id), word, &format!("start {id}")).await;
        }
        for (id, is_back) in [(1, true), (2, false), (3, false), (4, false), (5, true), (6, true), (7, false)] {
            assert_eq!(desk.may(id, "offers").await, is_back, "{id}");
        }
        assert!(!desk.may(1, "news").await);
        let yes = "SELECT COUNT(*) FROM permission_evidence WHERE source = 'sms_start' AND action = 'grant'";
        assert_eq!(desk.number(yes).await, 2);
        // Only they are told that they are back; and a STOP counts again.
        let starts = "SELECT COUNT(*) FROM text_replies WHERE kind = 'start'";
        assert_eq!(desk.number(starts).await, 2);
        desk.house.advance(chrono::Duration::minutes(5));
        desk.writes(&phone(1), "STOP", "stop again").await;
        assert!(!desk.may(1, "offers").await);
        // Also where the provider gives it the name of the first.
        desk.writes(&phone(5), "STOP", "stop 5").await;
        assert!(!desk.may(5, "offers").await);
        desk.close().await;
    }

    async fn an_answer_that_may_have_gone_is_not_sent_again(db: &TestDb) {
        let desk = Desk::open(db, 3).await;
        // One is refused for now, one is taken without an answer, one number does not exist.
        desk.server.behave_for(&phone(1), Behaviour::Throttle(Some(1)));
        desk.server.behave_for(&phone(2), Behaviour::Close);
        desk.server.behave_for(&phone(3), Behaviour::Refuse);
        for id in 1..=3 {
            desk.writes(&phone(id), "STOP", &format!("m{id}")).await;
        }
        assert_eq!(desk.answers(3).await.len(), 1);
        let state = async |state: &str| desk.number(&format!("SELECT COUNT(*) FROM text_replies WHERE state = '{state}'")).await;
        assert_eq!((state("waiting").await, state("unknown").await, state("failed").await), (1, 1, 1));
        for id in 1..=3 {
            desk.server.behave_for(&phone(id), Behaviour::Take);
        }
        desk.house.advance(chrono::Duration::hours(2));
        let sent = desk.answers(4).await;
        assert_eq!((sent.len(), sent[0].to.as_str()), (1, phone(1).as_str()));
        // A process that dies while it sends leaves it in doubt.
        desk.house.advance(chrono::Duration::hours(30));
        desk.writes(&phone(1), "STOP", "m4").await;
        db.run("UPDATE text_replies SET state = 'sending', attempt = 1 WHERE state = 'waiting'", []).await.unwrap();
        assert!(desk.answers(5).await.is_empty());
        assert_eq!((state("unknown").await, state("sending").await), (2, 0));
        desk.close().await;
    }

    async fn a_number_that_nobody_has_on_two_days_is_refused(db: &TestDb) {
        let desk = Desk::open(db, 1).await;
        let first = desk.server.taken().remove(0);
        let is_refused = "SELECT COUNT(*) FROM customers WHERE phone_state = 'refused'";
        desk.told(&first, Undelivered, Some("30005")).await;
        desk.house.advance(chrono::Duration::days(1));
        // The same receipt a day later says nothing new.
        desk.told(&first, Undelivered, Some("30005")).await;
        assert_eq!(desk.number(is_refused).await, 0);
        let campaign = desk.house.apply(&by_sms("again")).await;
        let wave = desk.house.launch(campaign).await.wave;
        desk.house.deliver_to_the_end(wave).await;
        let second = desk.server.taken().remove(1);
        desk.told(&second, Undelivered, Some("30005")).await;
        assert_eq!(desk.number(is_refused).await, 1);
        // It arrived after all: somebody has the number.
        desk.told(&second, Delivered, None).await;
        assert_eq!(desk.number(is_refused).await, 0);
        desk.close().await;
    }

    async fn a_reply_is_a_response_and_is_shown_to_people(db: &TestDb) {
        let desk = Desk::open(db, 2).await;
        desk.house.advance(chrono::Duration::minutes(5));
        desk.writes(&phone(1), "Ne STOPpez pas <b>svp</b>", "m1").await;
        desk.writes(&phone(1), "Et merci", "m2").await;
        desk.writes("+33639989999", "Qui êtes-vous ?", "m3").await;
        assert!(desk.may(1, "offers").await);
        assert_eq!((desk.counter("replies").await, desk.counter("sms.replies").await), (1, 1));
        assert_eq!(desk.number("SELECT COUNT(*) FROM responses WHERE kind = 'reply' AND customer_id = 1").await, 2);
        assert_eq!(desk.number("SELECT last_response_at FROM customers WHERE id = 1").await, desk.house.clock_ms());
        assert!(desk.answers(2).await.is_empty(), "a person answers, not we");
        let client = crate::kit::console::administrator(&desk.house.parts.db, desk.house.clock_ms()).await;
        let get = async || client.get(format!("{}/replies", desk.base)).send().await.unwrap().text().await.unwrap();
        let page = get().await;
        assert!(page.contains("Ne STOPpez pas &lt;b&gt;svp&lt;/b&gt;") && !page.contains("<b>svp"), "{page}");
        assert!(page.contains("3 replies, 3 to be read") && page.contains("/reports/campaigns/spring") && page.contains("nobody we know"), "{page}");
        let newest = page.find("Qui êtes-vous").unwrap();
        assert!(newest < page.find("Et merci").unwrap());
        let id = desk.number("SELECT MIN(id) FROM inbound_texts").await;
        let done = |origin: String| client.post(format!("{}/replies/{id}/done", desk.base)).header("origin", origin)
            .header("content-type", "application/x-www-form-urlencoded").body("page=1").send();
        assert_eq!(done("https://elsewhere.example".to_owned()).await.unwrap().status(), 403);
        assert!(get().await.contains("3 replies, 3 to be read"));
        let marked = done(desk.base.clone()).await.unwrap();
        assert_eq!((marked.status().as_u16(), marked.headers()["location"].to_str().unwrap()), (303, "/replies?page=1"));
        assert!(get().await.contains("3 replies, 2 to be read"));
        desk.close().await;
    }

    async fn who_is_not_the_provider_learns_and_changes_nothing(db: &TestDb) {
        let desk = Desk::open(db, 1).await;
        let good = desk.posted(&phone(1), "STOP", "m1");
        let mut forged = good.clone();
        forged.body = forged.body.replace("STOP", "STOQ");
        assert_eq!(forged.send(&desk.base).await, 403);
        let signed_by_nobody = reqwest::Client::new().post(format!("{}/hooks/sms/main/inbound", desk.base)).body("x").send().await.unwrap();
        let problem: serde_json::Value = signed_by_nobody.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["title"]), (&"forbidden".into(), &"Forbidden".into()), "{problem}");
        assert_eq!(problem["detail"], "This request is not accepted here.");
        for (path, status) in [
            ("/hooks/sms/other/inbound", 404), ("/hooks/sms/main/else", 404), ("/hooks/sms/main", 404),
        ] {
            let answer = reqwest::Client::new().post(format!("{}{path}", desk.base)).body(good.body.clone()).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{path}");
        }
        let long = reqwest::Client::new().post(format!("{}/hooks/sms/main/inbound", desk.base)).body(vec![b'a'; 70_000]).send().await.unwrap();
        assert_eq!(long.status().as_u16(), 413);
        assert!(desk.may(1, "offers").await);
        assert_eq!(desk.number("SELECT COUNT(*) FROM inbound_texts").await, 0);
        // What a column or an index cannot hold is taken all the same, or the provider posts it for ever.
        let long: String = (0..4_000).map(|n| n.to_string()).collect();
        for id in ["m\0", &long] {
            desk.writes("Mai\0son", "bon\0jour", id).await;
        }
        assert_eq!(desk.number("SELECT COUNT(*) FROM inbound_texts WHERE kind = 'reply'").await, 2);
        // While it cannot be kept, it is not taken, and comes again.
        db.run("ALTER TABLE inbound_texts RENAME TO away", []).await.unwrap();
        assert_eq!(good.send(&desk.base).await, 503);
        assert!(desk.may(1, "offers").await);
        db.run("ALTER TABLE away RENAME TO inbound_texts", []).await.unwrap();
        assert_eq!(good.send(&desk.base).await, 204);
        assert!(!desk.may(1, "offers").await);
        desk.close().await;
    }

    async fn a_persons_texts_are_exported_and_erased_with_him(db: &TestDb) {
        let desk = Desk::open(db, 2).await;
        desk.told(&desk.server.taken()[0], Delivered, None).await;
        desk.writes(&phone(1), "Canary words", "m1").await;
        desk.writes(&phone(1), "STOP", "m2").await;
        desk.writes(&phone(2), "Other words", "m3").await;
        let parts = &desk.house.parts;
        let archive = export::archive(&parts.db, &parts.keys, CustomerId(1), "operator", desk.house.clock_ms()).await.unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
        let mut all = String::new();
        std::io::Read::read_to_string(&mut archive.by_name("everything.json").unwrap(), &mut all).unwrap();
        let document: serde_json::Value = serde_json::from_str(&all).unwrap();
        assert_eq!(document["texts_received"].as_array().unwrap().len(), 2);
        assert_eq!(document["texts_answered"].as_array().unwrap().len(), 1);
        assert_eq!(document["text_messages"].as_array().unwrap().len(), 1);
        assert!(all.contains("Canary words") && !all.contains("Other words"));
        erase::erase(&parts.db, &parts.keys, CustomerId(1), "person", desk.house.clock_ms()).await.unwrap();
        assert_eq!(desk.number("SELECT COUNT(*) FROM inbound_texts WHERE number IS NOT NULL OR body IS NOT NULL").await, 1);
        assert_eq!(desk.number("SELECT COUNT(*) FROM text_stops").await, 0);
        assert!(desk.answers(2).await.is_empty(), "an erased person is not written to");
        // Of what was a keyword the words go after a month, of a customer's reply only with him.
        desk.writes(&phone(2), "STOP", "m4").await;
        let later = desk.house.clock_ms() + 31 * DAY_MS;
        let report = upkeep::run(&parts.db, &parts.keys, &parts.settings, later, &CancellationToken::new()).await.unwrap();
        assert_eq!(report.texts, 1);
        assert_eq!(desk.number("SELECT COUNT(*) FROM inbound_texts WHERE body IS NOT NULL AND kind = 'reply'").await, 1);
        desk.close().await;
    }
}
