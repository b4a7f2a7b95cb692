//! Finding people on both databases.

use std::collections::BTreeSet;

use visavis::customers::model::Stage;
use visavis::customers::search::{self, Found, Place, ValueClass, Wanted};
use visavis::customers::value;
use visavis::storage::{Db, Sql};

use super::import_people;
use crate::kit::house::House;
use crate::kit::ledger::SETTLED_AT;
use crate::on_both;

const PEOPLE: &str = "external_id,email,phone,first_name,last_name,company,postal_code,city,country,language,stage\n\
    a1,anne.petit@mail.example,+33639980001,Anne,Petit,,75011,Paris,FR,fr,customer\n\
    a2,anne@petitjean.example,+33639980002,Anne-Marie,Petitjean,,75012,Paris,FR,fr,prospect\n\
    a3,petit.anne@mail.example,+33639980003,Petit,Anne,,69001,Lyon,FR,fr,prospect\n\
    a4,elodie@mail.example,,Élodie,LEFÈVRE,Maison Vaisselle,80000,Amiens,FR,fr,prospect\n\
    a5,m@delatour.example,,Marc,de la Tour,,1000,Bruxelles,BE,fr,suspect\n\
    a6,office@petit.example,,,,Petit & Fils,75002,Paris,FR,fr,prospect\n\
    a7,jp@mail.example,,Jean-Pierre,Roux,,13001,Marseille,FR,fr,lapsed\n\
    a8,paris@mail.example,,Paris,Hill,,33000,Bordeaux,FR,en,prospect\n";

fn wanted(text: &str) -> Wanted {
    Wanted {
        text: text.to_owned(),
        region: "FR".to_owned(),
        ..Wanted::default()
    }
}

/// Their own keys, in the order found.
fn keys(found: &Found) -> Vec<&str> {
    let customers = found.customers.iter();
    customers
        .map(|customer| customer.external_id.as_deref().unwrap())
        .collect()
}

async fn all(db: &Db, text: &str) -> Vec<String> {
    let found = search::search(db, &wanted(text), None, 50).await.unwrap();
    assert_eq!(found.next, None);
    keys(&found).into_iter().map(str::to_owned).collect()
}

/// Page by page of `limit` until the end.
async fn paged(db: &Db, wanted: &Wanted, limit: usize) -> (Vec<i64>, usize) {
    let mut ids = Vec::new();
    let mut after: Option<Place> = None;
    let mut pages = 0;
    loop {
        let found = search::search(db, wanted, after.as_ref(), limit)
            .await
            .unwrap();
        assert!(found.customers.len() <= limit);
        ids.extend(found.customers.iter().map(|customer| customer.id.0));
        pages += 1;
        // As a link carries it.
        after = found
            .next
            .map(|next| Place::from_word(&next.to_word()).unwrap());
        if after.is_none() {
            return (ids, pages);
        }
    }
}

on_both! {
    async fn people_are_found_by_all_they_are_known_by(db: &TestDb) {
        import_people(db, PEOPLE, SETTLED_AT).await;
        for (text, expected) in [
            // Both orders, capitals, accents; as it is written comes first.
            ("anne petit", vec!["a1", "a3", "a2"]),
            ("PETIT Anne", vec!["a3", "a1", "a2"]),
            ("petit", vec!["a1", "a2", "a3", "a6"]),
            ("élodie", vec!["a4"]),
            ("elodie lefevre", vec!["a4"]),
            ("lefèvre é", vec!["a4"]),
            ("de la tour", vec!["a5"]),
            ("marc de la", vec!["a5"]),
            ("jean pierre", vec!["a7"]),
            ("jean-pierre roux", vec!["a7"]),
            ("maison v", vec!["a4"]),
            // Keys, addresses and numbers.
            ("a5", vec!["a5"]),
            ("Anne.Petit@MAIL.example", vec!["a1"]),
            ("petit.anne@", vec!["a3"]),
            ("anne.pet", vec!["a1"]),
            ("06 39 98 00 03", vec!["a3"]),
            ("+33639980003", vec!["a3"]),
            // Places; a name that is one comes first.
            ("paris", vec!["a8", "a1", "a2", "a6"]),
            ("750", vec!["a6", "a1", "a2"]),
            ("75011 paris", vec!["a1"]),
            ("bruxelles 1000", vec!["a5"]),
            ("nobody", vec![]),
            ("100% '; --", vec![]),
        ] {
            let mut found = all(db, text).await;
            if text == "petit" {
                // Anne Petit and Anne-Marie Petitjean by the last name; by the first, by the firm.
                assert_eq!(found[..2], ["a1", "a2"], "{text}");
                found.sort();
            }
            if text == "paris" {
                assert_eq!(found[0], "a8", "{text}");
            }
            assert_eq!(found, expected, "{text}");
        }
        let number = search::search(db, &wanted("a7"), None, 9).await.unwrap().customers[0].id;
        assert_eq!(all(db, &format!("number:{number}")).await, ["a7"]);
    }

    async fn the_newest_come_first_where_nobody_is_named_and_some_are_wanted(db: &TestDb) {
        import_people(db, PEOPLE, SETTLED_AT).await;
        assert_eq!(all(db, "").await, ["a8", "a7", "a6", "a5", "a4", "a3", "a2", "a1"]);
        let found = async |wanted: Wanted| -> Vec<String> {
            let found = search::search(db, &wanted, None, 50).await.unwrap();
            keys(&found).into_iter().map(str::to_owned).collect()
        };
        assert_eq!(found(Wanted { country: Some("BE".to_owned()), ..wanted("") }).await, ["a5"]);
        assert_eq!(found(Wanted { language: Some("en".to_owned()), ..wanted("paris") }).await, ["a8"]);
        assert_eq!(found(Wanted { stage: Some(Stage::Prospect), ..wanted("petit") }).await, ["a2", "a3", "a6"]);
        // Nobody's class is known before the upkeep.
        let class = |class| Wanted { class: Some(class), ..wanted("") };
        assert_eq!(found(class(ValueClass::A)).await, [""; 0]);
        for (key, cents) in [("a1", 9_000), ("a2", 800), ("a3", 200)] {
            let sql = "UPDATE customers SET orders_count = 1, revenue_cents = $1, last_order_at = 1 WHERE external_id = $2";
            db.run(sql, [cents.into(), key.into()]).await.unwrap();
        }
        value::find_breaks(db, SETTLED_AT).await.unwrap();
        for (of, expected) in [(ValueClass::A, "a1"), (ValueClass::B, "a2"), (ValueClass::C, "a3")] {
            assert_eq!(found(class(of)).await, [expected], "{of:?}");
        }
    }

    async fn pages_are_complete_and_nobody_stands_on_two(db: &TestDb) {
        let mut rows = String::from("external_id,email,first_name,last_name,company,city,stage\n");
        let mut expected = BTreeSet::new();
        for n in 0..160 {
            // Found by one way, by several, by none; with and without the second name.
            let (first, last, company, city) = match n % 8 {
                0 => ("", "Martin", "", "Lyon"),
                1 => ("Martin", "Martin", "Martin SA", "Martin-Église"),
                2 => ("Luc", "Martinez", "", ""),
                3 => ("Martine", "", "", ""),
                4 => ("Zoé", "Martin", "", "Martinique"),
                5 => ("", "", "Martin & Co", ""),
                6 => ("", "", "", "Martigues"),
                _ => ("Ann", "Marti", "", "Paris"),
            };
            let stage = if n % 3 == 0 { "customer" } else { "prospect" };
            let email = if n % 16 == 7 { format!("martin{n}@mail.example") } else { format!("x{n}@mail.example") };
            rows.push_str(&format!("k{n},{email},{first},{last},{company},{city},{stage}\n"));
            if n % 8 < 6 || n % 16 == 7 {
                expected.insert(format!("k{n}"));
            }
        }
        import_people(db, &rows, SETTLED_AT).await;
        let mut ids = BTreeSet::new();
        for key in &expected {
            ids.insert(crate::kit::ledger::number(db, &format!("SELECT id FROM customers WHERE external_id = '{key}'")).await);
        }
        for limit in [7, 50, 200] {
            let (found, pages) = paged(db, &wanted("martin"), limit).await;
            assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len(), "nobody twice");
            assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), ids);
            assert_eq!(pages, ids.len().div_ceil(limit));
        }
        let customers = Wanted { stage: Some(Stage::Customer), ..wanted("martin") };
        let (some, _) = paged(db, &customers, 7).await;
        let of_all: Vec<i64> = {
            let found = search::search(db, &wanted("martin"), None, 200).await.unwrap();
            let customers = found.customers.iter().filter(|customer| customer.stage == Stage::Customer);
            customers.map(|customer| customer.id.0).collect()
        };
        assert_eq!(some, of_all, "the same order, only some");
        let (everyone, _) = paged(db, &wanted(""), 23).await;
        assert_eq!(everyone.len(), 160);
        assert!(everyone.is_sorted_by(|one, next| one > next));
    }

    async fn a_page_looks_through_so_many_people_and_the_next_looks_on(db: &TestDb) {
        let house = House::new(db, None);
        let first = house.add_customers(5_200, "many.example").await;
        db.run("UPDATE customers SET language = 'it' WHERE id = $1", [first.into()]).await.unwrap();
        for text in ["", "elodie"] {
            let wanted = Wanted { language: Some("it".to_owned()), ..wanted(text) };
            let page = search::search(db, &wanted, None, 50).await.unwrap();
            // Everyone is called Élodie: the oldest is the first by name, the last of all.
            if text.is_empty() {
                assert!(page.is_cut && page.customers.is_empty() && page.next.is_some());
            }
            let (found, _) = paged(db, &wanted, 50).await;
            assert_eq!(found, [first], "{text:?}");
        }
    }
}
