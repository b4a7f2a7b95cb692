//! Access, erasure, rectification and objection, on both databases.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use serde_json::Value;
use visavis::consent::model::{Basis, Channel, Details, Evidence, Scope};
use visavis::consent::{audit, chain, store as consent};
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::customers::store;
use visavis::dialogue::confirmation;
use visavis::dialogue::lookup::{self, Who};
use visavis::dialogue::model::{AgreedTopic, Agreement, Ask, Limits, Purpose};
use visavis::dialogue::object::{self, Objection};
use visavis::dialogue::{DialogueError, erase, export, rectify};
use visavis::ids::{CustomerId, WaveId};
use visavis::keys::Keys;
use visavis::reports;
use visavis::responses::opt_out::{self, Choice, Source};
use visavis::storage::{Db, Sql};

use crate::kit::dump;
use crate::kit::ledger::{self, CLICKS, LAUNCHED_AT, SETTLED_AT, number};
use crate::on_both;

const NOW: i64 = SETTLED_AT + 60_000;

fn keys() -> Keys {
    Keys::from_secret(&[7; 32])
}

async fn import_text(db: &Db, kind: ImportKind, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, text).unwrap();
    import::run(db, &keys(), NOW, ImportRequest::new(path, kind), |_| {})
        .await
        .unwrap();
}

/// The customer file about `name`: in every field of his own stands `{name}canary` or his number.
fn row(name: &str, phone: &str) -> String {
    format!(
        "external_id,email,phone,first_name,last_name,company,region,postal_code,city,language,tags,attribute.note,\
         permission.email.offers,permission.sms.offers,permission_source,permission_date,permission_basis\n\
         {name}canary-id,{name}canary@mail.example,{phone},{name}canary-first,{name}canary-last,{name}canary-firm,\
         {name}canary-region,{name}canary-zip,{name}canary-city,de,{name}canary-tag,=cmd {name}canary-note,\
         yes,yes,shop form 3,2026-03-01,consent\n"
    )
}

/// A person of whom every table holds something.
async fn person(db: &Db, name: &str, phone: &str, wave: WaveId, seq: i64) -> CustomerId {
    import_text(db, ImportKind::Customers, &row(name, phone)).await;
    import_text(
        db,
        ImportKind::Orders,
        &format!(
            "order_id,customer_id,ordered_at,amount,product,category\n\
             {name}canary-order,{name}canary-id,2026-04-01,12.50,{name}canary-product,{name}canary-category\n"
        ),
    )
    .await;
    let id = number(
        db,
        &format!("SELECT id FROM customers WHERE external_id = '{name}canary-id'"),
    )
    .await;
    let customer = CustomerId(id);
    let fingerprint = keys().fingerprint(&format!("{name}canary@mail.example"));
    let evidence = Evidence {
        details: Some(Details {
            ip: Some("198.51.100.7".to_owned()),
            user_agent: Some(format!("{name}canary-browser")),
            page_url: None,
        }),
        ..Evidence::grant(
            customer,
            Channel::Email,
            "news",
            Basis::Consent,
            "sign_up_form:1",
            LAUNCHED_AT,
        )
    };
    consent::record(&**db, &evidence, Some(&fingerprint), LAUNCHED_AT)
        .await
        .unwrap();
    ledger::delivery(db, wave, seq, customer).await;
    for statement in [
        format!(
            "UPDATE customers SET household = '{name}canary-house', household_key = '{name}canary-house' WHERE id = {id}"
        ),
        format!(
            "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic) VALUES ({id}, {SETTLED_AT}, {}, {seq}, 'email', 'offers')",
            wave.0
        ),
        format!(
            "INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at) VALUES ('{fingerprint}', 'email', 'archive', 'complaint', 7)"
        ),
    ] {
        db.run(statement, []).await.unwrap();
    }
    let txn = db.begin().await.unwrap();
    for (known, address) in [
        (Some(customer), None),
        (None, Some(format!("{name}canary@mail.example"))),
    ] {
        let ask = Ask {
            purpose: Purpose::OptIn,
            channel: Channel::Email,
            customer: known,
            address,
            fingerprint: fingerprint.clone(),
            limit_key: fingerprint.clone(),
            language: "de".to_owned(),
            payload: serde_json::to_value(Agreement {
                topics: vec![AgreedTopic {
                    name: "offers".to_owned(),
                    wording: "Yes.".to_owned(),
                }],
                source: "sign_up_form:1".to_owned(),
                fields: BTreeMap::from([("first_name".to_owned(), format!("{name}canary-typed"))]),
                asked_from: Details::default(),
            })
            .unwrap(),
            expires_at: NOW + 1_000_000,
        };
        confirmation::ask(&txn, &ask, Limits::NONE, NOW)
            .await
            .unwrap();
    }
    txn.commit().await.unwrap();
    customer
}

fn unpack(archive: Vec<u8>) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    (0..archive.len())
        .map(|n| {
            let mut file = archive.by_index(n).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            (file.name().unwrap().into_owned(), text)
        })
        .collect()
}

on_both! {
    async fn an_export_holds_everything_of_him_and_nothing_of_anyone_else(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = person(db, "ada", "+33612345678", wave, 1).await;
        let bob = person(db, "bob", "+33698765432", wave, 2).await;
        let delivery = visavis::ids::DeliveryKey { wave, seq: 1 };
        opt_out::opt_out(db, delivery, Choice::Topic, Source::OneClick, NOW).await.unwrap();
        chain::seal(db, &keys(), NOW).await.unwrap();
        let files = unpack(export::archive(db, &keys(), ada, "operator", NOW).await.unwrap());
        let all = files.values().cloned().collect::<String>();
        assert!(!all.contains("bobcanary") && !all.contains("698765432"));
        let document: Value = serde_json::from_str(&files["everything.json"]).unwrap();
        assert_eq!(document["profile"]["email"], "adacanary@mail.example");
        assert_eq!(document["profile"]["attributes"]["note"], "=cmd adacanary-note");
        // Whatever the base holds of his own stands in the archive, but for the folded copies.
        for word in [
            "id", "first", "last", "firm", "region", "zip", "city", "tag", "note", "house", "order", "product",
            "category", "browser", "typed",
        ] {
            assert!(files["everything.json"].contains(&format!("adacanary-{word}")), "{word}");
        }
        for section in ["tags", "orders", "permissions", "evidence", "suppressions", "messages", "contacts",
            "responses", "confirmations", "audit_records"] {
            let rows = document[section].as_array().unwrap();
            assert!(!rows.is_empty(), "{section}");
            let mut reader = csv::Reader::from_reader(files[&format!("{section}.csv")].as_bytes());
            assert_eq!(reader.records().count(), rows.len(), "{section}");
        }
        let of_evidence = document["evidence"].as_array().unwrap();
        assert!(of_evidence.iter().any(|piece| piece["details"].as_str().is_some_and(|text| text.contains("198.51.100.7"))));
        assert!(of_evidence.iter().all(|piece| piece["chain_position"].is_i64()));
        assert_eq!(document["messages"][0]["state"], "accepted");
        assert_eq!(document["suppressions"].as_array().unwrap().len(), 2);
        assert!(!all.contains("nonce"), "what makes links is not given out");
        // A cell is no formula, and the JSON is raw.
        let profile = &files["profile.csv"];
        assert!(profile.contains("'+33612345678") && document["profile"]["phone"] == "+33612345678");
        assert!(files["README.txt"].starts_with("Ihre Daten"));
        let records = audit::of_customer(&***db, ada).await.unwrap();
        assert_eq!((records[0].action.as_str(), records[0].actor.as_str()), (export::EXPORT, "operator"));
        let others = audit::of_customer(&***db, bob).await.unwrap();
        assert!(others.is_empty());
    }

    async fn erasure_leaves_fingerprints_and_proof_and_nothing_else(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = person(db, "ada", "+33612345678", wave, 1).await;
        let bob = person(db, "bob", "+33698765432", wave, 2).await;
        crate::reports::set(db, wave, &[("selected", 2), ("accepted", 2)]).await;
        let keys = keys();
        let prints = [keys.fingerprint("adacanary@mail.example"), keys.fingerprint("+33612345678")];
        chain::seal(db, &keys, NOW).await.unwrap();
        let of_bob = unpack(export::archive(db, &keys, bob, "operator", NOW).await.unwrap());
        let report = reports::store::report(db, CLICKS.campaign).await.unwrap();
        let evidence = number(db, "SELECT COUNT(*) FROM permission_evidence").await;
        erase::erase(db, &keys, ada, "operator", NOW).await.unwrap();
        for text in ["adacanary", "612345678", "198.51.100.7"] {
            let holders = dump::holders(db, text).await;
            let expected: &[&str] = if text.starts_with("198") { &["evidence_details"] } else { &[] };
            assert_eq!(holders, expected, "{text}: what is left is Bob's");
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM evidence_details").await, 1);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence").await, evidence);
        assert_eq!(number(db, &format!("SELECT COUNT(*) FROM deliveries WHERE customer_id = {ada}")).await, 1);
        assert_eq!(reports::store::report(db, CLICKS.campaign).await.unwrap(), report);
        let verified = chain::verify(db, &keys, None).await.unwrap();
        assert!(verified.broken.is_none(), "{:?}", verified.broken);
        for (print, channel) in prints.iter().zip([Channel::Email, Channel::Sms]) {
            assert!(consent::is_suppressed(&***db, print, channel, "offers").await.unwrap());
        }
        let records = audit::of_customer(&***db, ada).await.unwrap();
        assert_eq!(records.last().unwrap().action, audit::ERASURE);
        // Bob is as he was.
        let after = unpack(export::archive(db, &keys, bob, "operator", NOW + 1).await.unwrap());
        for (name, text) in &of_bob {
            if !["everything.json", "audit_records.csv"].contains(&name.as_str()) {
                assert_eq!(after[name], *text, "{name}");
            }
        }
        // His links still answer, and change nothing.
        let delivery = visavis::ids::DeliveryKey { wave, seq: 1 };
        let told = opt_out::opt_out(db, delivery, Choice::Topic, Source::OneClick, NOW + 2).await.unwrap();
        assert!(told.is_some_and(|told| told.language.is_none()));
        let again = erase::erase(db, &keys, ada, "operator", NOW + 3).await;
        assert!(matches!(again, Err(DialogueError::Erased { .. })), "{again:?}");
        let never = erase::erase(db, &keys, CustomerId(999_999), "operator", NOW + 3).await;
        assert!(matches!(never, Err(DialogueError::NoSuchCustomer(_))), "{never:?}");
    }

    async fn nothing_of_an_erased_person_stands_in_the_files(db: &TestDb) {
        let Some(file) = db.url.expose().strip_prefix("sqlite://").and_then(|rest| rest.split('?').next()) else {
            return;
        };
        let wave = ledger::wave(db, CLICKS).await;
        let ada = person(db, "ada", "+33612345678", wave, 1).await;
        person(db, "bob", "+33698765432", wave, 2).await;
        let holds = |end: &str, text: &str| {
            let bytes = std::fs::read(format!("{file}{end}")).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        assert!(holds("-wal", "adacanary"), "the test can see it");
        erase::erase(db, &keys(), ada, "operator", NOW).await.unwrap();
        for end in ["", "-wal"] {
            assert!(!holds(end, "adacanary"), "{end}");
        }
        assert!(holds("", "bobcanary"));
        // The connection is as patient as before.
        for _ in 0..8 {
            let row = db.row("PRAGMA busy_timeout", []).await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 120_000);
        }
    }

    async fn who_was_erased_is_not_revived_by_an_import_but_by_his_own_yes(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = person(db, "ada", "+33612345678", wave, 1).await;
        erase::erase(db, &keys(), ada, "person", NOW).await.unwrap();
        import_text(db, ImportKind::Customers, &row("ada", "+33612345678")).await;
        let id = number(db, "SELECT id FROM customers WHERE external_id = 'adacanary-id'").await;
        let back = CustomerId(id);
        assert_ne!(back, ada, "a number is not given twice");
        let print = keys().fingerprint("adacanary@mail.example");
        let may = |topic: &'static str| {
            let print = print.clone();
            async move { consent::may_contact(&***db, back, &print, Channel::Email, topic).await.unwrap() }
        };
        assert!(!may("offers").await);
        let yes = Evidence::grant(back, Channel::Email, "offers", Basis::Consent, "sign_up_form:1", NOW + 1);
        consent::record(&***db, &yes, Some(&print), NOW + 1).await.unwrap();
        assert!(may("offers").await);
        assert!(!may("news").await);
        assert!(consent::permissions_of(&***db, back).await.unwrap().iter().all(|p| p.scope != Scope::All));
    }

    async fn an_objection_is_a_no_everywhere_or_where_it_was_said(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = person(db, "ada", "+33612345678", wave, 1).await;
        let print = keys().fingerprint("adacanary@mail.example");
        let phone = keys().fingerprint("+33612345678");
        let may = |print: &str, channel: Channel, topic: &'static str| {
            let print = print.to_owned();
            async move { consent::may_contact(&***db, ada, &print, channel, topic).await.unwrap() }
        };
        let mut objection = Objection {
            channel: Some(Channel::Email),
            scope: Scope::Topic("news".to_owned()),
            source: "telephone, 22 November".to_owned(),
        };
        object::object(db, &keys(), ada, &objection, "operator jo", NOW).await.unwrap();
        assert!(!may(&print, Channel::Email, "news").await);
        assert!(may(&print, Channel::Email, "offers").await && may(&phone, Channel::Sms, "offers").await);
        objection.channel = None;
        objection.scope = Scope::All;
        object::object(db, &keys(), ada, &objection, "operator jo", NOW + 1).await.unwrap();
        assert!(!may(&print, Channel::Email, "offers").await && !may(&phone, Channel::Sms, "offers").await);
        for (print, channel) in [(&print, Channel::Email), (&phone, Channel::Sms)] {
            assert!(consent::is_suppressed(&***db, print, channel, "anything").await.unwrap());
        }
        let records = audit::of_customer(&***db, ada).await.unwrap();
        let told: Vec<_> = records.iter().map(|r| (r.actor.as_str(), r.action.as_str())).collect();
        assert_eq!(told, [("operator jo", object::OBJECTION); 2]);
        chain::seal(db, &keys(), NOW).await.unwrap();
        assert!(chain::verify(db, &keys(), None).await.unwrap().broken.is_none());
    }

    async fn who_changes_what_he_read_changes_nothing_else(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = person(db, "ada", "+33612345678", wave, 1).await;
        let read = store::get(&***db, db.dialect(), ada).await.unwrap().unwrap();
        let fields = |city: &str| import::read_fields(&[("city".to_owned(), city.to_owned())], "FR", NOW).unwrap();
        rectify::rectify(db, &keys(), &read, &fields("Lille"), false, "operator jo", NOW).await.unwrap();
        let late = rectify::rectify(db, &keys(), &read, &fields("Arras"), false, "operator jo", NOW).await;
        assert!(matches!(late, Err(DialogueError::Stale)), "{late:?}");
        let late = erase::erase(db, &keys(), &read, "operator jo", NOW).await;
        assert!(matches!(late, Err(DialogueError::Stale)), "{late:?}");
        let now = store::get(&***db, db.dialect(), ada).await.unwrap().unwrap();
        assert_eq!(now.city.as_deref(), Some("Lille"));
        erase::erase(db, &keys(), &now, "operator jo", NOW).await.unwrap();
        assert!(store::get(&***db, db.dialect(), ada).await.unwrap().is_none());
    }

    async fn a_new_address_needs_a_yes_of_its_own(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = person(db, "ada", "+33612345678", wave, 1).await;
        let set = |fields: &[(&str, &str)], is_asked: bool, at: i64| {
            let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let correction = import::read_fields(&fields, "FR", NOW).unwrap();
            async move { rectify::rectify(db, &keys(), ada, &correction, is_asked, "operator jo", at).await.unwrap() }
        };
        let may = |email: &str, topic: &'static str| {
            let print = keys().fingerprint(email);
            async move { consent::may_contact(&***db, ada, &print, Channel::Email, topic).await.unwrap() }
        };
        // What is not an address leaves permission alone, and is normalised like an import's.
        let outcome = set(&[("last_name", "Lovelace"), ("attribute.note", ""), ("country", "france"), ("phone", "06 12 34 56 78")], false, NOW).await;
        assert!(outcome.is_changed && outcome.ended.is_empty());
        assert!(may("adacanary@mail.example", "offers").await);
        assert_eq!(dump::holders(db, "adacanary-last").await, Vec::<String>::new());
        assert_eq!(dump::holders(db, "lovelace").await, ["customers"]);
        assert_eq!(dump::holders(db, "adacanary-note").await, Vec::<String>::new());
        // He asked: it moves along, but not over an opt-out that the new address has.
        let new = keys().fingerprint("ada@new.example");
        db.run("INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at) VALUES ($1, 'email', 'news', 'opt_out', 7)",
            [new.into()]).await.unwrap();
        let outcome = set(&[("email", "ada@NEW.example")], true, NOW + 1).await;
        assert_eq!((outcome.moved, outcome.ended), (vec!["email/offers".to_owned()], vec!["email/news".to_owned()]));
        assert!(may("ada@new.example", "offers").await && !may("ada@new.example", "news").await);
        // Nobody says that he asked: it ends, without a suppression.
        let outcome = set(&[("email", "ada@third.example")], false, NOW + 2).await;
        assert_eq!((outcome.moved.len(), outcome.ended), (0, vec!["email/offers".to_owned()]));
        assert!(!may("ada@third.example", "offers").await);
        let third = keys().fingerprint("ada@third.example");
        assert!(!consent::is_suppressed(&***db, &third, Channel::Email, "offers").await.unwrap());
        // He opts out there and moves again: the no follows him, whoever asks.
        consent::opt_out(&***db, ada, Some(&third), Channel::Email, &Scope::All, "test", NOW + 3).await.unwrap();
        set(&[("email", "ada@fourth.example")], true, NOW + 4).await;
        let fourth = keys().fingerprint("ada@fourth.example");
        for print in [&third, &fourth] {
            assert!(consent::is_suppressed(&***db, print, Channel::Email, "offers").await.unwrap());
        }
        assert!(!may("ada@fourth.example", "offers").await);
        // The telephone is another matter.
        let phone = keys().fingerprint("+33612345678");
        assert!(consent::may_contact(&***db, ada, &phone, Channel::Sms, "offers").await.unwrap());
        chain::seal(db, &keys(), NOW).await.unwrap();
        assert!(chain::verify(db, &keys(), None).await.unwrap().broken.is_none());
        let records = audit::of_customer(&***db, ada).await.unwrap();
        assert!(records.iter().all(|record| !record.details.to_string().contains("example")));
    }

    async fn a_customer_is_found_by_what_he_tells(db: &TestDb) {
        let wave = ledger::wave(db, CLICKS).await;
        let ada = person(db, "ada", "+33612345678", wave, 1).await;
        for who in [
            Who::Email("Ada <ADACANARY@mail.example>".to_owned()),
            Who::Phone("06 12 34 56 78".to_owned(), "FR".to_owned()),
            Who::ExternalId("adacanary-id".to_owned()),
        ] {
            assert_eq!(lookup::find(db, &who).await.unwrap(), [ada], "{who:?}");
        }
        assert_eq!(lookup::find(db, &Who::ExternalId("x".to_owned())).await.unwrap(), []);
        assert!(lookup::find(db, &Who::Email("nobody".to_owned())).await.is_err());
    }
}

#[test]
fn a_field_that_cannot_be_read_is_told() {
    for (name, value) in [
        ("shoe", "43"),
        ("email", "nobody"),
        ("phone", "12"),
        ("birth_date", "soon"),
        ("language", ""),
        ("permission.email.offers", "yes"),
        ("tags", "vip"),
        ("last_name", "a\nb"),
    ] {
        let fields = [(name.to_owned(), value.to_owned())];
        assert!(
            import::read_fields(&fields, "FR", NOW).is_err(),
            "{name}={value}"
        );
    }
}
