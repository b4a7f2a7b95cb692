//! Tests within a campaign: who gets what, who waits, who is held back, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use visavis::campaigns::definition::Definition;
use visavis::channels::outbox::Outbox;
use visavis::delivery::decide::{self, Decision};
use visavis::delivery::message;
use visavis::ids::{DeliveryKey, WaveId};
use visavis::responses::ResponseWriter;
use visavis::responses::effects;
use visavis::responses::links::Destinations;
use visavis::responses::model::{MadeBy, Response, What};
use visavis::scheduler;
use visavis::storage::Sql;
use visavis::templates::model::Part;

use crate::kit::house::{House, definition};
use crate::on_both;

/// What stands in the subjects of the two templates.
const SUPER_CHEF: &str = "poêle";
const WIN_BACK: &str = "reprenons";

/// `super-chef` against `win-back`, one to one.
fn two_cells(name: &str, keys: &str, test: &str) -> Definition {
    let text = format!(
        r#"
        name = "{name}"
        segment = "everyone"
        template = "super-chef"
        topic = "offers"
        {keys}
        [sender]
        name = "Maison Vaisselle"
        address = "bonjour@vaisselle.example"
        postal_address = "12 rue des Chaudronniers, 80000 Amiens"
        [[cells]]
        name = "pan"
        [[cells]]
        name = "back"
        template = "win-back"
        {test}
        "#
    );
    Definition::parse(&text, "test").expect("a good definition")
}

/// Customers of each cell of a wave, the empty cell included.
async fn people(house: &House, wave: WaveId) -> BTreeMap<String, BTreeSet<i64>> {
    let mut people: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for row in house
        .parts
        .db
        .rows(
            "SELECT cell, customer_id FROM deliveries WHERE wave_id = $1",
            [wave.0.into()],
        )
        .await
        .unwrap()
    {
        let cell: String = row.try_get("", "cell").unwrap();
        people
            .entry(cell)
            .or_default()
            .insert(row.try_get("", "customer_id").unwrap());
    }
    people
}

/// The places of a cell, in order.
async fn places(house: &House, wave: WaveId, cell: &str) -> Vec<i64> {
    house
        .parts
        .db
        .rows(
            "SELECT seq FROM deliveries WHERE wave_id = $1 AND cell = $2 ORDER BY seq",
            [wave.0.into(), cell.into()],
        )
        .await
        .unwrap()
        .iter()
        .map(|row| row.try_get("", "seq").unwrap())
        .collect()
}

/// The subject that each place of a wave was sent.
fn subjects(house: &House, wave: WaveId) -> BTreeMap<i64, String> {
    let outbox = Outbox::open(&house.parts.settings.data_dir.join("outbox")).unwrap();
    let entries = outbox.list(0, usize::MAX, None).unwrap();
    let n = entries.len();
    let subjects: BTreeMap<i64, String> = entries
        .into_iter()
        .filter_map(|entry| {
            let delivery = entry.delivery.filter(|delivery| delivery.wave == wave)?;
            Some((delivery.seq, entry.subject.to_lowercase()))
        })
        .collect();
    assert!(subjects.len() <= n, "nobody got two");
    subjects
}

async fn click(house: &House, wave: WaveId, seqs: &[i64]) {
    let writer = ResponseWriter::start(house.parts.db.clone());
    for seq in seqs {
        writer
            .record(Response {
                delivery: DeliveryKey { wave, seq: *seq },
                what: What::Click {
                    link: 0,
                    part: Part::Interest,
                },
                made_by: MadeBy::Person,
                at: house.clock_ms() + 60_000,
            })
            .await;
    }
    writer.drain().await;
}

async fn decision(house: &House, wave: WaveId) -> Option<Decision> {
    let (_, json) = visavis::delivery::store::cells::decision(&*house.parts.db, wave)
        .await
        .unwrap();
    json.as_deref().and_then(Decision::read)
}

on_both! {
    async fn each_cell_gets_its_text_and_the_same_person_the_same_cell(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(600, "mail.example").await;
        let plan = two_cells("spring", "control_percent = 10", "");
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        house.deliver().await;

        let of = people(&house, wave).await;
        let names: Vec<&str> = of.keys().map(String::as_str).collect();
        assert_eq!(names, ["back", "control", "pan"]);
        let sent = subjects(&house, wave);
        for (cell, words) in [("pan", SUPER_CHEF), ("back", WIN_BACK)] {
            let places = places(&house, wave, cell).await;
            assert!((200..340).contains(&places.len()), "{cell}: {}", places.len());
            assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 1), "they lie together");
            for seq in places {
                assert!(sent[&seq].contains(words), "{cell} {seq}: {}", sent[&seq]);
            }
        }
        house.closed_ledger(wave).await;

        // Links and pages show the text that was sent.
        let destinations = Destinations::default();
        for cell in ["pan", "back"] {
            let seq = places(&house, wave, cell).await[0];
            let delivery = DeliveryKey { wave, seq };
            let link = destinations.find(&house.parts.db, delivery, 0).await.unwrap().unwrap();
            let shown = message::for_browser(&house.parts.db, &house.parts.keys, "http://localhost:0", delivery).await.unwrap();
            let is_pan = link.url.contains("super-chef") || shown.to_lowercase().contains(SUPER_CHEF);
            assert_eq!(is_pan, cell == "pan", "{cell}: {}", link.url);
        }

        // Another launch of the campaign draws the same lots.
        let again = Definition { segment: "not city = \"Nowhere\"".to_owned(), ..plan };
        let id = house.apply(&again).await;
        let second = house.launch(id).await.wave;
        assert_ne!(second, wave);
        assert_eq!(people(&house, second).await, of);
    }

    async fn the_rest_waits_and_gets_the_winner(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(500, "mail.example").await;
        let plan = two_cells("spring", "", "[test]\nby = \"click\"\nshare_percent = 40\nwait_hours = 6");
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        house.deliver().await;
        let rest = places(&house, wave, "rest").await;
        let (pan, back) = (places(&house, wave, "pan").await, places(&house, wave, "back").await);
        assert!((240..360).contains(&rest.len()), "{}", rest.len());
        assert_eq!(subjects(&house, wave).len(), pan.len() + back.len(), "the rest waits");
        assert!(!house.is_over(wave).await);

        let campaign = visavis::campaigns::plan::find(&house.parts.db, "spring").await.unwrap();
        let progress = visavis::delivery::progress::progress(&house.parts.db, &house.parts.settings, &campaign, house.clock_ms()).await.unwrap();
        let test = progress.test.as_ref().unwrap();
        assert_eq!(test.waiting, i64::try_from(rest.len()).unwrap());
        assert!(progress.next_pending_at.is_none(), "nobody knows who wins, but when");
        assert!(progress.to_string().contains("wait for the winner"), "{progress}");

        click(&house, wave, &pan[..4]).await;
        click(&house, wave, &back[..9]).await;
        let of_rest = DeliveryKey { wave, seq: rest[0] };
        let destinations = Destinations::default();
        assert_eq!(destinations.find(&house.parts.db, of_rest, 0).await.unwrap(), None);
        house.advance(Duration::hours(5));
        assert_eq!(decide::decide_due(&house.parts.db, house.now()).await.unwrap(), 0, "not before its time");
        house.advance(Duration::hours(2));
        assert_eq!(decide::decide_due(&house.parts.db, house.now()).await.unwrap(), 1);
        assert_eq!(decide::decide_due(&house.parts.db, house.now()).await.unwrap(), 0, "once");
        let decided = decision(&house, wave).await.unwrap();
        assert_eq!((decided.winner.as_str(), decided.by_hand), ("back", false));
        let counts: Vec<i64> = decided.cells.iter().map(|cell| cell.count).collect();
        assert_eq!(counts, [4, 9]);

        house.deliver_to_the_end(wave).await;
        let sent = subjects(&house, wave);
        assert_eq!(sent.len(), 500);
        assert!(rest.iter().all(|seq| sent[seq].contains(WIN_BACK)));
        assert!(destinations.find(&house.parts.db, of_rest, 0).await.unwrap().is_some(), "what was kept did not know");
        house.closed_ledger(wave).await;
    }

    async fn each_wave_of_a_recurring_campaign_leans_to_what_did_best_so_far(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| settings.delivery.batch = 200);
        house.add_customers(400, "mail.example").await;
        let plan = two_cells("spring", "", "[test]\nby = \"click\"\nthompson = true\n[schedule]\nevery = \"0 9 * * *\"\nzone = \"Europe/Paris\"");
        let id = house.apply(&plan).await;
        let first = house.launch(id).await.wave;
        house.deliver().await;
        let (pan, back) = (places(&house, first, "pan").await, places(&house, first, "back").await);
        assert!(pan.len().abs_diff(back.len()) < 80, "{} and {}", pan.len(), back.len());
        click(&house, first, &pan[..3]).await;
        click(&house, first, &back[..40]).await;
        house.advance(Duration::days(1));
        let id = visavis::campaigns::plan::find(&house.parts.db, "spring").await.unwrap().id;
        let second = house.launch(id).await.wave;
        assert_ne!(first, second);
        let (pan, back) = (places(&house, second, "pan").await, places(&house, second, "back").await);
        assert!((5..45).contains(&pan.len()), "the floor is 5 %: {}", pan.len());
        assert_eq!(pan.len() + back.len(), 400);
        let cells = visavis::delivery::store::cells::cells(&*house.parts.db, second).await.unwrap();
        assert_eq!(cells.iter().map(|cell| cell.weight).collect::<Vec<_>>(), [500, 9_500]);
    }

    async fn a_test_is_not_decided_while_its_messages_are_not_out_and_a_person_may_choose(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(200, "mail.example").await;
        let plan = two_cells("spring", "", "[test]\nshare_percent = 50\nwait_hours = 1");
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        house.advance(Duration::hours(2));
        assert_eq!(decide::decide_due(&house.parts.db, house.now()).await.unwrap(), 0, "nothing went out");
        let unknown = decide::decide_now(&house.parts.db, "spring", Some("c"), "test", house.clock_ms()).await.unwrap_err();
        assert!(unknown.to_string().contains("pan, back"), "{unknown}");
        let decided = decide::decide_now(&house.parts.db, "spring", Some("pan"), "test", house.clock_ms()).await.unwrap();
        assert!(decided.by_hand);
        let twice = decide::decide_now(&house.parts.db, "spring", None, "test", house.clock_ms()).await.unwrap_err();
        assert!(twice.to_string().contains("no test that waits"), "{twice}");
        house.deliver_to_the_end(wave).await;
        let sent = subjects(&house, wave);
        for seq in places(&house, wave, "rest").await {
            assert!(sent[&seq].contains(SUPER_CHEF));
        }
        house.closed_ledger(wave).await;
    }

    async fn of_two_waves_that_wait_the_older_is_decided_first(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(60, "mail.example").await;
        let plan = two_cells("spring", "", "[test]\nshare_percent = 50\nwait_hours = 72\n[schedule]\nevery = \"0 13 * * *\"\nzone = \"Europe/Paris\"");
        let id = house.apply(&plan).await;
        let db = &house.parts.db;
        for _ in 0..2 {
            house.advance(Duration::minutes(24 * 60 + 1));
            assert_eq!(scheduler::launch_due(db, house.parts.launch_options(), house.now()).await.unwrap(), 1);
        }
        let waves = visavis::delivery::store::cells::waves_with_cells(&**db, id).await.unwrap();
        let [first, second] = waves[..] else { panic!("{waves:?}") };
        decide::decide_now(db, "spring", Some("back"), "test", house.clock_ms()).await.unwrap();
        assert_eq!(decision(&house, first).await.unwrap().winner, "back");
        assert!(decision(&house, second).await.is_none());
        decide::decide_now(db, "spring", Some("pan"), "test", house.clock_ms()).await.unwrap();
        assert_eq!(decision(&house, second).await.unwrap().winner, "pan");
        assert_eq!(decision(&house, first).await.unwrap().winner, "back", "it stands");
    }

    /// Those who wait have their coupons from the launch on, though the campaign itself has no offer.
    async fn the_rest_has_coupons_of_the_cells(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(120, "mail.example").await;
        let mut plan = two_cells("spring", "", "[test]\nshare_percent = 50");
        for cell in &mut plan.cells {
            cell.offer = Some(toml::from_str("name = \"Gift\"\ncoupon = \"series\"").unwrap());
        }
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        let sql = "SELECT CAST(SUM(last_seq - first_seq + 1) AS BIGINT) AS n FROM coupon_spans WHERE wave_id = $1";
        let row = house.parts.db.row(sql, [wave.0.into()]).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 120);
    }

    async fn a_cancelled_test_leaves_nobody_waiting(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(120, "mail.example").await;
        let plan = two_cells("spring", "control_percent = 10", "[test]\nshare_percent = 50");
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        house.deliver().await;
        visavis::delivery::cancel::cancel(&house.parts.db, "spring", "test", house.clock_ms()).await.unwrap();
        house.advance(Duration::hours(48));
        assert_eq!(decide::decide_due(&house.parts.db, house.now()).await.unwrap(), 0);
        house.deliver().await;
        let ledger = house.closed_ledger(wave).await;
        assert!(!ledger.contains_key("pending"), "{ledger:?}");
        let rest = places(&house, wave, "rest").await;
        let sent = subjects(&house, wave);
        assert!(rest.iter().all(|seq| !sent.contains_key(seq)));
    }

    async fn the_standing_control_group_is_left_out_by_all_and_others_stand_next_quarter(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| settings.control.percent = 20);
        house.add_customers(400, "mail.example").await;
        let mut groups = Vec::new();
        for name in ["one", "two"] {
            let wave = house.send(name).await;
            house.deliver().await;
            groups.push(people(&house, wave).await["global"].clone());
            house.closed_ledger(wave).await;
        }
        assert_eq!(groups[0], groups[1]);
        assert!((50..110).contains(&groups[0].len()), "{}", groups[0].len());

        // Whatever the settings say in between, the group of a period stays what it was.
        house.change_settings(|settings| settings.control.percent = 40);
        let wave = house.send("three").await;
        assert_eq!(people(&house, wave).await["global"], groups[0]);
        let everyone = Definition { global_control: false, ..definition("all") };
        let id = house.apply(&everyone).await;
        let wave = house.launch(id).await.wave;
        assert!(!people(&house, wave).await.contains_key("global"));

        house.advance(Duration::days(60));
        let wave = house.send("four").await;
        let next = &people(&house, wave).await["global"];
        assert!((120..200).contains(&next.len()), "{}", next.len());
        assert!(next != &groups[0] && !groups[0].is_subset(next), "others were drawn");
    }

    async fn the_standing_group_is_compared_with_all_others_who_were_there(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| settings.control.percent = 25);
        let first = house.add_customers(100, "mail.example").await;
        let wave = house.send("one").await;
        let held_back = people(&house, wave).await["global"].clone();
        house.advance(Duration::days(1));
        let late = house.add_customers(10, "late.example").await;
        let txn = house.parts.db.begin().await.unwrap();
        txn.run("UPDATE customers SET created_at = $1 WHERE id >= $2", [house.clock_ms().into(), late.into()]).await.unwrap();
        txn.commit().await.unwrap();
        let one = *held_back.first().unwrap();
        let other = (first..first + 100).find(|id| !held_back.contains(id)).unwrap();
        for (customer, cents) in [(one, 300), (other, 500), (other, 500), (late, 9_999)] {
            let txn = house.parts.db.begin().await.unwrap();
            txn.run(
                "INSERT INTO orders (customer_id, ordered_at, amount_cents, currency) VALUES ($1, $2, $3, 'EUR')",
                [customer.into(), house.clock_ms().into(), cents.into()],
            ).await.unwrap();
            txn.commit().await.unwrap();
        }
        assert_eq!(effects::reckon_standing(&house.parts.db, "EUR", house.clock_ms()).await.unwrap(), 1);
        assert_eq!(effects::reckon_standing(&house.parts.db, "EUR", house.clock_ms()).await.unwrap(), 0, "it holds");
        let standings = effects::standings(&house.parts.db).await.unwrap();
        let [standing] = standings.as_slice() else { panic!("{standings:?}") };
        assert_eq!((standing.period.as_str(), standing.percent), ("2026-Q4", 25));
        let n = i64::try_from(held_back.len()).unwrap();
        let figures: Vec<_> = standing.arms.iter()
            .map(|arm| (arm.cell.as_str(), arm.people, arm.buyers, arm.orders, arm.spend_cents))
            .collect();
        assert_eq!(figures, [("all", 100 - n, 1, 2, 1_000), ("global", n, 1, 1, 300)]);
    }

    async fn where_some_wait_for_the_winner_the_window_of_all_begins_with_it(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(200, "mail.example").await;
        let plan = two_cells("spring", "control_percent = 20\nwindow_days = 10", "[test]\nshare_percent = 50\nwait_hours = 48");
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        house.deliver().await;
        let of = people(&house, wave).await;
        let launched = house.clock_ms();
        let (hour, day) = (3_600_000, 86_400_000);
        let db = &house.parts.db;
        let order = async |cell: &str, at: i64| {
            let customer = of[cell].first().copied();
            db.run(
                "INSERT INTO orders (customer_id, ordered_at, amount_cents, currency) VALUES ($1, $2, 100, 'EUR')",
                [customer.into(), at.into()],
            ).await.unwrap();
        };
        // Nobody was told anything that could move the rest: it counts for no arm.
        for cell in ["rest", "control", "pan"] {
            order(cell, launched + hour).await;
        }
        house.advance(Duration::hours(40));
        assert_eq!(effects::reckon(db, "EUR", house.clock_ms()).await.unwrap(), 0, "it has not begun");
        let waves = effects::of_campaign(db, id).await.unwrap();
        assert_eq!(waves[0].reckoned_at, None);
        assert!(waves[0].window_ends_at >= launched + 12 * day);
        decide::decide_now(db, "spring", Some("pan"), "test", house.clock_ms()).await.unwrap();
        let decided = house.clock_ms();
        for cell in ["rest", "control", "pan"] {
            order(cell, decided + hour).await;
        }
        order("back", decided + 10 * day - 1).await;
        order("rest", decided + 10 * day).await;
        house.advance(Duration::days(11));
        assert_eq!(effects::reckon(db, "EUR", house.clock_ms()).await.unwrap(), 1);
        let waves = effects::of_campaign(db, id).await.unwrap();
        let one = &waves[0];
        assert_eq!((one.launched_at, one.window_begins_at, one.window_ends_at), (launched, decided, decided + 10 * day));
        assert!(one.reckoned_at.is_some());
        let orders: Vec<_> = one.cells.iter().map(|cell| (cell.cell.as_str(), cell.orders)).collect();
        assert_eq!(orders, [("pan", 1), ("back", 1), ("rest", 1), ("control", 1)]);
    }

    async fn a_cancelled_test_is_looked_at_from_the_launch(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(100, "mail.example").await;
        let plan = two_cells("spring", "control_percent = 20", "[test]\nshare_percent = 50");
        let id = house.apply(&plan).await;
        house.launch(id).await;
        house.deliver().await;
        let launched = house.clock_ms();
        visavis::delivery::cancel::cancel(&house.parts.db, "spring", "test", launched).await.unwrap();
        assert_eq!(effects::reckon(&house.parts.db, "EUR", launched).await.unwrap(), 1);
        let waves = effects::of_campaign(&house.parts.db, id).await.unwrap();
        assert_eq!((waves[0].window_begins_at, waves[0].reckoned_at), (launched, Some(launched)));
    }

    async fn effects_are_by_assignment_and_in_one_window(db: &TestDb) {
        let house = House::new(db, None);
        let first = house.add_customers(300, "mail.example").await;
        let plan = Definition { control_percent: 30, window_days: 10, ..definition("spring") };
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        house.deliver().await;
        let of = people(&house, wave).await;
        let launched = house.clock_ms();
        let day = 86_400_000;
        let order = async |customer: i64, at: i64, cents: i64, currency: &str| {
            let txn = house.parts.db.begin().await.unwrap();
            txn.run(
                "INSERT INTO orders (customer_id, ordered_at, amount_cents, currency) VALUES ($1, $2, $3, $4)",
                [customer.into(), at.into(), cents.into(), currency.into()],
            ).await.unwrap();
            txn.commit().await.unwrap();
        };
        let treated: Vec<i64> = of["all"].iter().copied().collect();
        let control: Vec<i64> = of["control"].iter().copied().collect();
        order(treated[0], launched + day, 1_000, "EUR").await;
        order(treated[0], launched + 2 * day, 500, "EUR").await;
        order(treated[1], launched + 3 * day, 2_000, "EUR").await;
        order(control[0], launched + 3 * day, 700, "EUR").await;
        // Before, after, of another money, of nobody who was selected.
        order(treated[2], launched - 1, 9_999, "EUR").await;
        order(treated[2], launched + 10 * day, 9_999, "EUR").await;
        order(control[1], launched + day, 9_999, "USD").await;
        assert!(first > 0);
        house.advance(Duration::days(11));
        assert_eq!(effects::reckon(&house.parts.db, "EUR", house.clock_ms()).await.unwrap(), 1);
        assert_eq!(effects::reckon(&house.parts.db, "EUR", house.clock_ms()).await.unwrap(), 0, "nothing is new");
        let waves = effects::of_campaign(&house.parts.db, id).await.unwrap();
        let [one] = waves.as_slice() else { panic!("{waves:?}") };
        let figures: Vec<_> = one.cells.iter()
            .map(|cell| (cell.cell.as_str(), cell.people, cell.buyers, cell.orders, cell.spend_cents, cell.spend_squares))
            .collect();
        let (t, c) = (i64::try_from(treated.len()).unwrap(), i64::try_from(control.len()).unwrap());
        assert_eq!(figures, [
            ("all", t, 2, 3, 3_500, 1_500.0_f64.powi(2) + 2_000.0_f64.powi(2)),
            ("control", c, 1, 1, 700, 700.0_f64.powi(2)),
        ]);
        // A late order within the window is reckoned when it comes.
        order(control[1], launched + day, 300, "EUR").await;
        assert_eq!(effects::reckon(&house.parts.db, "EUR", house.clock_ms()).await.unwrap(), 1);
        let waves = effects::of_campaign(&house.parts.db, id).await.unwrap();
        assert_eq!(waves[0].cells[1].buyers, 2);
    }
}
