//! Segments that bear a name, and what is told about them, on both databases.

use std::time::Duration;

use chrono::{DateTime, Utc};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use visavis::consent::model::Channel;
use visavis::gate::reach;
use visavis::gate::rules::Rules;
use visavis::gate::study::Studies;
use visavis::ids::CustomerId;
use visavis::segments::analysis::{self, analyse};
use visavis::segments::library::{self, Archived, Draft, LibraryError};
use visavis::segments::model::Node;
use visavis::segments::{Rule, store};
use visavis::storage::{Db, Sql as _, Unanswered};

use super::base::{self, Person};
use super::trees;
use super::varied::varied;
use crate::kit::house::{self, House};
use crate::on_both;

const SIZE: usize = 150;
const PATIENCE: Duration = Duration::from_secs(60);

fn now() -> DateTime<Utc> {
    "2026-11-22T13:37:42.123Z".parse().unwrap()
}

fn rule(text: &str) -> Rule {
    Rule::parse(text).unwrap()
}

fn draft<'d>(name: &'d str, rule: &'d Rule) -> Draft<'d> {
    Draft {
        name,
        description: "",
        rule,
    }
}

async fn count(db: &Db, node: Node) -> u64 {
    let rule = Rule::from_tree(node).unwrap();
    store::count(db, &rule, now()).await.unwrap()
}

on_both! {
    async fn a_segment_is_kept_changed_and_put_away(db: &TestDb) {
        let young = rule("age < 30");
        let made = library::create(db, draft(" Jeunes  été ", &young), "Anne", 5).await.unwrap();
        assert_eq!((made.name.as_str(), made.rule.as_str(), made.revision), ("Jeunes  été", "age < 30", 1));
        // A name is one, whatever its case and accents.
        let again = library::create(db, draft("jeunes ETE", &young), "Ben", 6).await;
        assert!(matches!(again, Err(LibraryError::Taken { .. })), "{again:?}");
        let other = library::create(db, draft("Others", &young), "Ben", 6).await.unwrap();
        let taken = library::change(db, other.id, 1, draft("JEUNES été", &young), "Ben", 7).await;
        assert!(matches!(taken, Err(LibraryError::Taken { .. })));
        for name in ["", "  ", "a\tb", &"x".repeat(81)] {
            assert!(library::create(db, draft(name, &young), "Ben", 6).await.is_err(), "{name:?}");
        }
        let younger = rule("age < 25");
        let changed = library::change(db, made.id, 1, draft("Jeunes", &younger), "Ben", 8).await.unwrap();
        assert_eq!((changed.rule.as_str(), changed.revision, changed.updated_by.as_str()), ("age < 25", 2, "Ben"));
        assert_eq!(library::by_name(db, "JEUNES").await.unwrap(), Some(changed));
        // Who still sees the first form is told who was faster, and nothing is written.
        let late = library::change(db, made.id, 1, draft("Jeunes", &young), "Anne", 9).await;
        let Err(LibraryError::Changed { by, at, revision }) = late else { panic!("{late:?}") };
        assert_eq!((by.as_str(), at, revision), ("Ben", 8, 2));
        assert_eq!(library::by_id(db, made.id).await.unwrap().unwrap().rule, "age < 25");
        library::archive(db, made.id, true, "Anne", 10).await.unwrap();
        let names = async |archived| -> Vec<String> {
            library::list(db, archived).await.unwrap().into_iter().map(|segment| segment.name).collect()
        };
        assert_eq!((names(Archived::No).await, names(Archived::Yes).await), (vec!["Others".to_owned()], vec!["Jeunes".to_owned()]));
    }

    async fn a_segment_says_which_campaigns_are_planned_with_it(db: &TestDb) {
        let house = House::new(db, None);
        for (name, segment) in [("now", "age<25 and  city = \"Lille\""), ("then", "age < 30"), ("else", "everyone")] {
            let mut definition = house::definition(name);
            definition.segment = segment.to_owned();
            house.apply(&definition).await;
        }
        let made = library::create(db, draft("Young", &rule("age < 30")), "Anne", 1).await.unwrap();
        library::change(db, made.id, 1, draft("Young", &rule("age < 25 and city = \"Lille\"")), "Anne", 2).await.unwrap();
        let uses = library::uses(db).await.unwrap();
        let uses: Vec<(&str, bool)> = uses[&made.id].iter().map(|used| (used.campaign.as_str(), used.is_current)).collect();
        assert_eq!(uses, [("now", true), ("then", false)]);
    }

    async fn each_line_is_counted_as_the_rule_up_to_it(db: &TestDb) {
        base::insert(db, &varied(SIZE, now().timestamp_millis(), now().date_naive())).await;
        let mut runner = TestRunner::deterministic();
        let leaves: Vec<Node> = (0..60).map(|_| trees::leaf().new_tree(&mut runner).unwrap().current()).collect();
        for (n, leaves) in leaves.chunks(3).enumerate() {
            let join = |parts: &[Node]| if n % 2 == 0 { Node::All(parts.to_vec()) } else { Node::Any(parts.to_vec()) };
            let rule = Rule::from_tree(join(leaves)).unwrap();
            let found = analyse(db, &rule, now(), PATIENCE).await.unwrap();
            assert_eq!(found.base, SIZE as u64);
            assert_eq!(found.people, store::count(db, &rule, now()).await.unwrap(), "{rule}");
            assert_eq!(found.lines.len(), 3);
            let mut before = if n % 2 == 0 { SIZE as u64 } else { 0 };
            for (k, line) in found.lines.iter().enumerate() {
                assert_eq!(line.people, count(db, join(&leaves[..=k])).await, "line {k} of {rule}");
                assert_eq!(line.moved, line.people.abs_diff(before), "line {k} of {rule}");
                before = line.people;
            }
            let since = "last_response within 365 days";
            let inside = count(db, Node::All(vec![rule.root().clone(), Rule::parse(since).unwrap().root().clone()])).await;
            let all = store::count(db, &Rule::parse(since).unwrap(), now()).await.unwrap();
            // A response that lies ahead of the clock is not one of the year.
            assert!(found.responded.inside >= inside && found.responded.inside + found.responded.outside >= all);
        }
    }

    async fn what_the_base_does_not_know_is_told(db: &TestDb) {
        let person = |city: Option<&str>| Person { city: city.map(str::to_owned), ..Person::default() };
        base::insert(db, &[person(Some("Lille")), person(None), person(None), person(None)]).await;
        let rule = rule("city = \"Lille\" and age is unknown and not tagged \"vpi\" and country = \"FR\"");
        let found = analyse(db, &rule, now(), PATIENCE).await.unwrap();
        let known: Vec<(&str, u64)> = found.known.iter().map(|known| (known.subject.as_str(), known.people)).collect();
        assert_eq!(known, [("city", 1), ("age", 0)]);
        assert_eq!(found.unknown.len(), 1);
        assert_eq!((found.base, found.people), (4, 1));
    }

    async fn a_sample_goes_around_the_base(db: &TestDb) {
        base::insert(db, &vec![Person::default(); 20]).await;
        let rule = rule("id != 3");
        let sample = async |from| analysis::sample(db, &rule, now(), CustomerId(from), 5, PATIENCE).await.unwrap();
        let ids = async |from| -> Vec<i64> { sample(from).await.into_iter().map(|id| id.0).collect() };
        assert_eq!(ids(2).await, [2, 4, 5, 6, 7]);
        assert_eq!(ids(18).await, [1, 2, 18, 19, 20]);
        assert_eq!(analysis::last_customer(db).await.unwrap(), CustomerId(20));
    }

    async fn the_reach_is_the_gate_s(db: &TestDb) {
        let house = House::new(db, None);
        let first = house.add_customers(40, "example.org").await;
        house.give_mobiles(first, 10, "FR").await;
        let change = async |sql: &str| {
            let txn = db.begin().await.unwrap();
            txn.run(sql, []).await.unwrap();
            txn.commit().await.unwrap();
        };
        change(&format!("UPDATE customers SET email = NULL, email_key = NULL WHERE id < {}", first + 2)).await;
        change(&format!("UPDATE customers SET email_state = 'refused' WHERE id = {}", first + 2)).await;
        change(&format!("UPDATE permissions SET is_granted = FALSE WHERE customer_id = {}", first + 3)).await;
        change(&format!(
            "INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at)
             SELECT email_fingerprint, 'email', '*', 'opt_out', {} FROM customers WHERE id = {}",
            house.clock_ms(), first + 4
        )).await;
        // A pause passes; it is no lack of reach.
        change(&format!("UPDATE customers SET paused_until = {} WHERE id = {}", house.clock_ms() + 1, first + 5)).await;
        let everyone = rule("everyone");
        let rules: &Rules = &house.parts.rules;
        let reach = async |channel, topic| reach::reach(db, rules, &everyone, topic, house.now(), PATIENCE).await.unwrap().into_iter().find(|reach| reach.channel == channel).unwrap();
        let email = reach(Channel::Email, "offers").await;
        assert_eq!(email.reachable, 35);
        let withheld: Vec<(&str, u64)> = email.withheld.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
        assert_eq!(withheld, [("no_address", 2), ("refused_address", 1), ("suppressed", 1), ("no_permission", 1)]);
        assert_eq!(reach(Channel::Sms, "offers").await.reachable, 9);
        assert_eq!(reach(Channel::Email, "news").await.reachable, 0);
        assert_eq!(reach(Channel::Email, "' OR TRUE --").await.reachable, 0);
        // The launch contacts as many, but for the pause.
        let wave = house.send("spring").await;
        assert_eq!(house.ledger(wave).await["pending"], 34);
    }

    async fn a_study_is_noted_on_the_segment_and_kept_for_a_minute(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(30, "example.org").await;
        let language = rule("language = \"fr\"");
        let made = library::create(db, draft("French", &language), "Anne", 1).await.unwrap();
        assert_eq!(made.counted, None);
        let studies = Studies::default();
        let study = async || studies.of(db, &house.parts.rules, &language, "offers", house.now()).await.unwrap();
        let first = study().await;
        assert_eq!((first.analysis.people, first.reachable(Channel::Email), first.reachable(Channel::Sms)), (30, 30, 0));
        assert_eq!(first.sample.len(), 10);
        assert_eq!(first.verdict().len(), 5);
        let noted = library::by_id(db, made.id).await.unwrap().unwrap();
        let counted = noted.counted.unwrap();
        assert_eq!((counted.people, counted.base, counted.reach_email, counted.topic.as_str()), (30, 30, 30, "offers"));
        // Noting a count is no change that another editor would run into.
        assert_eq!(noted.revision, 1);
        let text = library::study(db, made.id).await.unwrap().unwrap();
        assert_eq!(serde_json::from_str::<visavis::gate::study::Study>(&text).unwrap(), *first);
        house.add_customers(5, "example.net").await;
        assert_eq!(study().await.analysis.people, 30);
        let anew = Studies::default().of(db, &house.parts.rules, &language, "offers", house.now()).await.unwrap();
        assert_eq!(anew.analysis.people, 35);
        // Another rule has not been counted.
        let changed = library::change(db, made.id, 1, draft("French", &rule("language = \"de\"")), "Anne", 2).await.unwrap();
        assert_eq!(changed.counted, None);
        assert_eq!(library::study(db, made.id).await.unwrap(), None);
    }

    async fn a_count_that_takes_too_long_is_given_up(db: &TestDb) {
        base::insert(db, &vec![Person::default(); 400]).await;
        let join = "SELECT COUNT(*) AS n FROM customers a, customers b, customers c, customers d WHERE a.id + b.id + c.id > d.id";
        let asked = visavis::storage::rows_within(db, join.to_owned(), Vec::new(), Duration::from_millis(100)).await;
        assert!(matches!(asked, Err(Unanswered::TooLong(_))), "{asked:?}");
        // The connections are as they were: a longer question than that is answered.
        for _ in 0..20 {
            let pairs = "SELECT COUNT(*) AS n FROM customers a, customers b, customers c WHERE c.id <= 20 AND a.id <> b.id";
            let row = db.row(pairs, []).await.unwrap().unwrap();
            assert_eq!(row.try_get::<i64>("", "n").unwrap(), 400 * 399 * 20);
        }
        // Nor does one go on that nobody waits for: all connections are free again.
        for _ in 0..12 {
            let asked = visavis::storage::rows_within(db, join.to_owned(), Vec::new(), Duration::from_secs(2));
            let dropped = tokio::time::timeout(Duration::from_millis(5), asked).await;
            assert!(dropped.is_err(), "{dropped:?}");
        }
        let row = db.row("SELECT COUNT(*) AS n FROM customers", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 400);
        let refused = Studies::patient(Duration::ZERO).of(db, &House::new(db, None).parts.rules, &rule("everyone"), "offers", now()).await;
        assert!(matches!(refused, Err(Unanswered::TooLong(_))), "{refused:?}");
    }
}

/// The commands, as a person types them.
#[test]
fn segments_are_kept_from_the_command_line() {
    use crate::cli::{refused, told};
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(
        folder.join("customers.csv"),
        "id;prénom;ville;courriel\n1;Élodie;Amiens;elodie@mail.example\n2;Paul;Lille;paul@mail.example\n",
    )
    .unwrap();
    told(folder, &["import", "customers.csv"]);
    let saved = told(
        folder,
        &[
            "segment",
            "save",
            "Picards",
            "city = \"amiens\" and not tagged \"vpi\"",
        ],
    );
    assert!(
        saved.contains("saved Picards") && saved.contains("nobody is tagged \"vpi\""),
        "{saved}"
    );
    let shown = told(folder, &["segment", "show", "PICARDS"]);
    assert!(
        shown.contains("1 of 2 customers") && shown.contains("Measurable: failed"),
        "{shown}"
    );
    let changed = told(folder, &["segment", "save", "picards", "city = \"Amiens\""]);
    assert!(changed.contains("changed Picards"), "{changed}");
    assert!(told(folder, &["segment", "list"]).contains("Picards: city = \"Amiens\""));
    told(folder, &["segment", "archive", "Picards"]);
    assert!(told(folder, &["segment", "list"]).contains("no segments"));
    assert!(told(folder, &["segment", "list", "--archived"]).contains("Picards"));
    let unknown = refused(folder, &["segment", "show", "Bretons"]);
    assert!(
        unknown.contains("there is no segment \"Bretons\""),
        "{unknown}"
    );
}
