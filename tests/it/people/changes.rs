//! What is done for a person in the console.

use std::io::Read as _;

use reqwest::StatusCode;
use visavis::accounts::model::Role;
use visavis::consent::model::Channel;
use visavis::consent::store as consent;
use visavis::customers::model::Customer;
use visavis::customers::store as customers;
use visavis::ids::CustomerId;
use visavis::storage::Db;

use super::{import_people, link, location, post};
use crate::kit::console;
use crate::kit::house::House;
use crate::kit::ledger::{SETTLED_AT, number};
use crate::on_both;
use crate::web::Site;

const NOW: i64 = SETTLED_AT + 60_000;

async fn ada(db: &Db) -> CustomerId {
    let text = "external_id,email,phone,first_name,last_name,city\n\
        ada,ada@mail.example,+33639980001,Ada,Petit,Paris\n";
    import_people(db, text, SETTLED_AT).await;
    CustomerId(number(db, "SELECT id FROM customers WHERE external_id = 'ada'").await)
}

async fn get(db: &Db, id: CustomerId) -> Customer {
    customers::get(&**db, db.dialect(), id)
        .await
        .unwrap()
        .unwrap()
}

async fn text(site: &Site, path: &str) -> String {
    site.get(path).await.text().await.unwrap()
}

/// How often the audit log holds this.
async fn audited(db: &Db, action: &str) -> i64 {
    number(
        db,
        &format!("SELECT COUNT(*) FROM audit_log WHERE action = '{action}'"),
    )
    .await
}

on_both! {
    async fn notes_are_shared_and_go_with_the_person(db: &TestDb) {
        let ada = ada(db).await;
        let site = Site::open(db).await;
        let path = format!("/customers/{ada}/notes");
        let written = post(&site, &path, &[("text", "<b>Call her\r\nin the afternoon</b>")]).await;
        assert_eq!(location(&written), format!("/customers/{ada}?done=noted#notes"));
        assert_eq!(post(&site, &path, &[("text", "Second")]).await.status(), StatusCode::SEE_OTHER);
        let page = text(&site, &format!("/customers/{ada}?done=noted")).await;
        assert!(page.contains("Written down.") && page.contains("&lt;b&gt;Call her\nin the afternoon&lt;/b&gt;"), "{page}");
        assert!(page.find("Second").unwrap() < page.find("Call her").unwrap(), "the newest first");
        // What is none is not lost, and is said to be none.
        for (bad, fault) in [(" \r\n ".to_owned(), "the note is empty"), ("x".repeat(2_001), "longer than 2000")] {
            let answer = post(&site, &path, &[("text", &bad)]).await;
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.text().await.unwrap().contains(fault));
        }
        let export = post(&site, &format!("/customers/{ada}/export"), &[]).await;
        assert_eq!(export.status(), StatusCode::OK);
        let bytes = export.bytes().await.unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut notes = String::new();
        archive.by_name("notes.csv").unwrap().read_to_string(&mut notes).unwrap();
        assert!(notes.contains("Call her") && notes.contains("Second"), "{notes}");
        let second = number(db, "SELECT id FROM customer_notes WHERE body = 'Second'").await;
        let removed = post(&site, &format!("/customers/{ada}/notes/{second}/remove"), &[]).await;
        assert_eq!(location(&removed), format!("/customers/{ada}?done=removed#notes"));
        let again = post(&site, &format!("/customers/{ada}/notes/{second}/remove"), &[]).await;
        assert_eq!(again.status(), StatusCode::NOT_FOUND);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customer_notes").await, 1);
        // Erasure asks for the number first, and takes the notes along.
        let erase = format!("/customers/{ada}/erase");
        assert_eq!(post(&site, &erase, &[("number", "0")]).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers").await, 1);
        assert_eq!(location(&post(&site, &erase, &[("number", &format!(" {ada} "))]).await), "/customers?done=erased");
        assert_eq!(number(db, "SELECT COUNT(*) FROM customer_notes").await, 0);
        assert_eq!(site.get(&format!("/customers/{ada}")).await.status(), StatusCode::NOT_FOUND);
        for (action, times) in [("customer.note", 2), ("customer.note_removed", 1), ("customer.export", 1), ("customer.erase", 1)] {
            assert_eq!(audited(db, action).await, times, "{action}");
        }
        site.close().await;
    }

    async fn fields_are_set_right_and_only_those_that_differ(db: &TestDb) {
        let ada = ada(db).await;
        let site = Site::open(db).await;
        let path = format!("/customers/{ada}/edit");
        let form = text(&site, &path).await;
        assert!(form.contains("value=\"ada@mail.example\"") && form.contains("value=\"prospect\"") , "{form}");
        let all = |city: &'static str, email: &'static str| {
            vec![
                ("first_name", "Ada"), ("last_name", "Petit"), ("company", ""), ("email", email),
                ("phone", "+33639980001"), ("external_id", "ada"), ("language", "fr"), ("country", "FR"),
                ("postal_code", ""), ("city", city), ("stage", "suspect"),
            ]
        };
        let before = get(db, ada).await;
        assert_eq!(location(&post(&site, &path, &all("Paris", "ada@mail.example")).await), format!("/customers/{ada}?done=unchanged"));
        assert_eq!(get(db, ada).await, before);
        assert_eq!(location(&post(&site, &path, &all("Lyon", "ada@mail.example")).await), format!("/customers/{ada}?done=rectified"));
        assert_eq!(get(db, ada).await.city.as_deref(), Some("Lyon"));
        // An empty field is one that is to be empty; what cannot be read is said, and the form comes back as it was.
        assert_eq!(post(&site, &path, &all("", "ada@mail.example")).await.status(), StatusCode::SEE_OTHER);
        assert_eq!(get(db, ada).await.city, None);
        let refused = post(&site, &path, &all("Metz", "ada@@mail")).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = refused.text().await.unwrap();
        assert!(page.contains("value=\"ada@@mail\"") && page.contains("value=\"Metz\""), "{page}");
        assert_eq!(get(db, ada).await.city, None);
        site.close().await;
    }

    async fn what_changed_behind_an_open_form_stays(db: &TestDb) {
        let ada = ada(db).await;
        let site = Site::open(db).await;
        let path = format!("/customers/{ada}/edit");
        // The form as a browser sends it, with what it shows.
        let filled = |page: &str, changes: &[(&str, &str)]| {
            let mut fields: Vec<(String, String)> = page
                .split("<input ")
                .skip(1)
                .filter_map(|input| {
                    let input = input.split('>').next()?;
                    let of = |name: &str| Some(input.split_once(&format!("{name}=\""))?.1.split('"').next()?.to_owned());
                    (!input.contains("checkbox")).then_some(())?;
                    Some((of("name")?, of("value")?))
                })
                .collect();
            fields.push(("stage".to_owned(), "suspect".to_owned()));
            for (name, value) in changes {
                fields.iter_mut().find(|(field, _)| field == name).unwrap().1 = (*value).to_owned();
            }
            fields
        };
        let send = async |fields: &[(String, String)]| {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            post(&site, &path, &fields).await
        };
        let open = text(&site, &path).await;
        let stage = open.split("name=\"was-stage\" value=\"").nth(1).unwrap();
        assert!(stage.starts_with("suspect"), "{open}");
        // She says her new address herself meanwhile, and moves.
        let moved = [("email", "ada@new.example"), ("city", "Metz")];
        location(&send(&filled(&open, &moved)).await);
        assert_eq!(location(&send(&filled(&open, &[("first_name", "Adèle")])).await), format!("/customers/{ada}?done=rectified"));
        let now = get(db, ada).await;
        assert_eq!((now.first_name.as_deref(), now.email.as_deref(), now.city.as_deref()), (Some("Adèle"), Some("ada@new.example"), Some("Metz")));
        // Both changed the city: it is told, and yours is taken when you send it again.
        let told = send(&filled(&open, &[("city", "Lyon")])).await;
        assert_eq!(told.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let told = told.text().await.unwrap();
        assert!(told.contains("City: “Metz”") && told.contains("value=\"Lyon\"") && told.contains("value=\"ada@new.example\""), "{told}");
        assert_eq!(get(db, ada).await, now);
        location(&send(&filled(&told, &[])).await);
        assert_eq!(get(db, ada).await.city.as_deref(), Some("Lyon"));
        site.close().await;
    }

    async fn a_firm_elsewhere_has_its_own_country_and_language(db: &TestDb) {
        let site = Site::open_set(db, |settings| {
            settings.customers.country = "DE".to_owned();
            settings.customers.language = "de".to_owned();
        }).await;
        let form = text(&site, "/customers/new").await;
        assert!(form.contains("name=\"country\" type=\"text\" value=\"DE\"") && form.contains("value=\"de\""), "{form}");
        let fields = [("phone", "030 901820"), ("first_name", "Bert"), ("language", "de"), ("country", "DE"), ("stage", "prospect")];
        location(&post(&site, "/customers/new", &fields).await);
        assert_eq!(number(db, "SELECT COUNT(*) FROM customers WHERE phone = '+4930901820'").await, 1);
        site.close().await;
    }

    async fn a_new_customer_is_taken_in_once(db: &TestDb) {
        let ada = ada(db).await;
        let site = Site::open(db).await;
        let nobody = post(&site, "/customers/new", &[("first_name", "Bob"), ("language", "fr"), ("country", "FR"), ("stage", "prospect")]).await;
        assert_eq!(nobody.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(nobody.text().await.unwrap().contains("so that the person is found again"));
        for known in [("email", "ADA@mail.example"), ("phone", "06 39 98 00 01"), ("external_id", "ada")] {
            let fields = [known, ("first_name", "Bob"), ("language", "fr"), ("country", "FR"), ("stage", "prospect")];
            let refused = post(&site, "/customers/new", &fields).await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{known:?}");
            let page = refused.text().await.unwrap();
            assert!(page.contains(&format!("href=\"/customers/{ada}\"")) && page.contains("value=\"Bob\""), "{page}");
        }
        let fields = [("email", "bob@mail.example"), ("first_name", "Bob"), ("last_name", "Émile"), ("language", "de"), ("country", "BE"), ("stage", "prospect")];
        let taken = post(&site, "/customers/new", &fields).await;
        let id: i64 = location(&taken).trim_start_matches("/customers/").split('?').next().unwrap().parse().unwrap();
        let bob = get(db, CustomerId(id)).await;
        assert_eq!((bob.language.as_str(), bob.country.as_str(), bob.last_name.as_deref()), ("de", "BE", Some("Émile")));
        assert_eq!(number(db, "SELECT COUNT(*) FROM permissions").await, 0, "nobody may write to him by that");
        site.close().await;
    }

    async fn a_yes_needs_proof_and_a_no_counts_at_once(db: &TestDb) {
        let ada = ada(db).await;
        let site = Site::open(db).await;
        let path = format!("/customers/{ada}/permission");
        let print = site.keys.fingerprint("ada@mail.example");
        let may = async || consent::may_contact(&***db, ada, &print, Channel::Email, "offers").await.unwrap();
        let yes = |day: &'static str, source: &'static str, wording: &'static str| {
            vec![
                ("answer", "yes"), ("channel", "email"), ("topic", "offers"), ("basis", "consent"), ("day", day),
                ("source", source), ("wording", wording),
            ]
        };
        for (fields, fault) in [
            (yes("2026-03-01", "", "Yes."), "Say where it was said"),
            (yes("2026-03-01", "form 3", " "), "Write the words that were agreed to"),
            (yes("2999-03-01", "form 3", "Yes."), "lies ahead"),
            (yes("-262143-01-01", "form 3", "Yes."), "lies before 1970"),
            (yes("1969-12-31", "form 3", "Yes."), "lies before 1970"),
            (yes("soon", "form 3", "Yes."), "is not a day"),
        ] {
            let refused = post(&site, &path, &fields).await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(refused.text().await.unwrap().contains(fault), "{fault}");
        }
        assert!(!may().await);
        let given = post(&site, &path, &yes("2026-03-01", "paper form 3", "I want offers.")).await;
        assert_eq!(location(&given), format!("/customers/{ada}?done=yes"));
        assert!(may().await);
        let said = number(db, "SELECT occurred_at FROM permission_evidence WHERE source = 'paper form 3'").await;
        assert_eq!(said, 1_772_319_600_000, "the day begins at midnight in Paris");
        let no = [("answer", "no"), ("channel", "email"), ("topic", ""), ("source", "telephone")];
        assert_eq!(location(&post(&site, &path, &no).await), format!("/customers/{ada}?done=no"));
        assert!(!may().await);
        // An older yes does not undo it.
        let late = post(&site, &path, &yes("2026-03-02", "paper form 4", "I want offers.")).await;
        assert_eq!(location(&late), format!("/customers/{ada}?done=kept"));
        assert!(!may().await);
        assert_eq!(number(db, "SELECT COUNT(*) FROM permission_evidence WHERE source = 'paper form 3' AND wording = 'I want offers.'").await, 1);
        assert_eq!(audited(db, "customer.permission").await, 3);
        site.close().await;
    }

    async fn what_was_sent_and_why_is_shown(db: &TestDb) {
        let house = House::new(db, None);
        let ada = CustomerId(house.add_customers(1, "one.example").await);
        let wave = house.send("super-chef").await;
        house.deliver().await;
        let site = Site::open(db).await;
        let page = text(&site, &format!("/customers/{ada}")).await;
        let sent = link(&page, "<th scope=\"row\"><a href=\"").unwrap();
        assert_eq!(sent, format!("/customers/{ada}/messages/{}", wave.0));
        let answer = site.get(&sent).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(crate::web::header(&answer, "content-security-policy").starts_with("default-src 'none'"));
        let message = answer.text().await.unwrap();
        assert!(message.contains("sandbox=\"\" srcdoc=\"") && message.contains("super-chef"), "{message}");
        assert!(!message.contains("localhost"), "its links are nobody's: {message}");
        let nobody = site.get(&format!("/customers/{ada}/messages/999")).await;
        assert_eq!(nobody.status(), StatusCode::NOT_FOUND);
        let why = text(&site, &format!("/customers/{ada}/why?campaign=super-chef")).await;
        assert!(why.contains("<table") && why.contains("permission"), "{why}");
        assert!(!why.contains(" UTC") && !why.contains("opt_out"), "in the reader's own words: {why}");
        site.close().await;
    }

    async fn each_role_sees_and_changes_what_it_may(db: &TestDb) {
        let ada = ada(db).await;
        let site = Site::open(db).await;
        for (role, sees, changes) in [
            (Role::Administrator, true, true),
            (Role::Marketer, true, true),
            (Role::Approver, true, false),
            (Role::Support, true, true),
            (Role::Analyst, false, false),
        ] {
            let (_, cookie) = console::sign_in(db, role, NOW).await;
            let client = console::with_cookie(&cookie);
            let status = async |path: String| client.get(format!("{}{path}", site.base)).send().await.unwrap().status();
            let expected = |may: bool| if may { StatusCode::OK } else { StatusCode::FORBIDDEN };
            for path in ["/customers".to_owned(), format!("/customers/{ada}"), format!("/customers/{ada}/why")] {
                assert_eq!(status(path.clone()).await, expected(sees), "{role:?} {path}");
            }
            for path in [format!("/customers/{ada}/edit"), "/customers/new".to_owned(), format!("/customers/{ada}/erase")] {
                assert_eq!(status(path.clone()).await, expected(changes), "{role:?} {path}");
            }
            // A file brings permissions by the thousand.
            let takes_files = matches!(role, Role::Administrator | Role::Marketer);
            assert_eq!(status("/imports".to_owned()).await, expected(takes_files), "{role:?}");
            let note = client
                .post(format!("{}/customers/{ada}/notes", site.base))
                .header("content-type", "application/x-www-form-urlencoded")
                .body("text=hello")
                .send().await.unwrap();
            assert_eq!(note.status() == StatusCode::SEE_OTHER, changes, "{role:?}");
            if sees {
                let page = client.get(format!("{}/customers/{ada}", site.base)).send().await.unwrap().text().await.unwrap();
                assert_eq!(page.contains("Download everything"), changes, "{role:?}");
            }
        }
        assert_eq!(number(db, "SELECT COUNT(*) FROM customer_notes").await, 3);
        site.close().await;
    }
}
