//! Who may be contacted, asked of the whole: launch, gate and `why` through real databases and peers.

use std::collections::BTreeMap;
use std::collections::HashMap;

use chrono::{DateTime, Duration as Span, TimeDelta, Utc};
use sea_orm::Value;
use visavis::campaigns::definition::Definition;
use visavis::campaigns::{check, plan};
use visavis::config::{PressureSettings, QuietHoursSettings, WindowKind};
use visavis::consent::ladder::{Level, OfferKind};
use visavis::delivery::launch::{self, Occurrence};
use visavis::delivery::{progress, store, why};
use visavis::gate::model::Withheld;
use visavis::ids::{CustomerId, WaveId};
use visavis::scheduler;
use visavis::storage::{Db, Sql};
use visavis::templates::Template;

use crate::kit::house::{House, definition, noon};
use crate::kit::smtp::{Act, Script, SmtpPeer, Step, When};
use crate::on_both;

const DAY: i64 = 86_400_000;

fn cap(max: u32, days: u32, window: WindowKind) -> PressureSettings {
    PressureSettings {
        max,
        days,
        window,
        channel: None,
        topic: None,
    }
}

fn email_hours(country: Option<&str>, allowed: &[&str]) -> QuietHoursSettings {
    QuietHoursSettings {
        channel: "email".to_owned(),
        country: country.map(str::to_owned),
        provider: None,
        allowed: allowed.iter().map(|&text| text.to_owned()).collect(),
        holidays_are_quiet: true,
    }
}

async fn set(db: &Db, change: &str, id: i64) {
    db.run(
        format!("UPDATE customers SET {change} WHERE id = $1"),
        [id.into()],
    )
    .await
    .unwrap();
}

async fn set_permission(db: &Db, change: &str, id: i64) {
    db.run(
        format!("UPDATE permissions SET {change} WHERE customer_id = $1"),
        [id.into()],
    )
    .await
    .unwrap();
}

async fn contacted(db: &Db, id: i64, at: i64, seq: i64) {
    db.run(
        "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic)
         VALUES ($1, $2, 900, $3, 'email', 'offers')",
        [id.into(), at.into(), seq.into()],
    )
    .await
    .unwrap();
}

/// What became of each customer of a wave: `accepted`, or why not.
async fn outcomes(db: &Db, wave: WaveId) -> BTreeMap<i64, String> {
    db.rows(
        "SELECT customer_id, state, reason FROM deliveries WHERE wave_id = $1",
        [wave.0.into()],
    )
    .await
    .unwrap()
    .iter()
    .map(|row| {
        let state: i16 = row.try_get("", "state").unwrap();
        let reason: Option<String> = row.try_get("", "reason").unwrap();
        let outcome = match state {
            2 => "accepted".to_owned(),
            6 => reason.unwrap(),
            other => format!("state {other}"),
        };
        (row.try_get("", "customer_id").unwrap(), outcome)
    })
    .collect()
}

async fn history(db: &Db) -> i64 {
    db.row("SELECT COUNT(*) AS n FROM contacts", [])
        .await
        .unwrap()
        .unwrap()
        .try_get("", "n")
        .unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// People with every reason, by id; the rest are eligible.
async fn varied(house: &House) -> BTreeMap<i64, &'static str> {
    let db = &house.parts.db;
    let now = house.clock_ms();
    let first = house.add_customers(60, "mail.example").await;
    let mut expected: BTreeMap<i64, &'static str> =
        (first..first + 60).map(|id| (id, "accepted")).collect();
    let changes: &[(&str, &str, String)] = &[
        ("no_address", "", "email = NULL, email_key = NULL".into()),
        ("malformed_address", "", "email_state = 'malformed'".into()),
        ("refused_address", "", "email_state = 'refused'".into()),
        ("no_permission", "is_granted = FALSE", String::new()),
        ("no_basis", "basis = 'soft_opt_in'", String::new()),
        (
            "accepted",
            "basis = 'soft_opt_in'",
            format!("last_order_at = {}", now - DAY),
        ),
        (
            "accepted",
            "basis = 'soft_opt_in'",
            "stage = 'lapsed'".into(),
        ),
        (
            "no_basis",
            "basis = 'b2b_legitimate_interest'",
            String::new(),
        ),
        (
            "accepted",
            "basis = 'b2b_legitimate_interest'",
            "company = 'Maison'".into(),
        ),
        // Offers are not sent on a contract.
        (
            "no_basis",
            "basis = 'contract'",
            "stage = 'customer'".into(),
        ),
        ("expired", &format!("expires_at = {now}"), String::new()),
        (
            "accepted",
            &format!("expires_at = {}", now + 1),
            String::new(),
        ),
        (
            "expired",
            &format!("since_at = {0}, level_since_at = {0}", now - 1096 * DAY),
            String::new(),
        ),
        (
            "accepted",
            &format!("since_at = {0}, level_since_at = {0}", now - 1096 * DAY),
            format!("last_response_at = {}", now - 300 * DAY),
        ),
        (
            "level",
            "level = 1",
            format!("last_response_at = {}", now - 91 * DAY),
        ),
        (
            "level",
            &format!(
                "level = 1, since_at = {0}, level_since_at = {0}",
                now - 91 * DAY
            ),
            String::new(),
        ),
        ("accepted", "level = 1", String::new()),
        ("paused", "", format!("paused_until = {}", now + 1)),
        ("accepted", "", format!("paused_until = {now}")),
        ("pressure", "", "frequency_days = 7".into()),
        ("accepted", "", "frequency_days = 7".into()),
        ("pressure", "", "gender = 'm'".into()),
        ("accepted", "", "gender = 'f'".into()),
        (
            "duplicate_address",
            "",
            format!("email_key = 'c{}@mail.example'", first + 59),
        ),
    ];
    for (n, (outcome, permission, customer)) in changes.iter().enumerate() {
        let id = first + i64::try_from(n).unwrap();
        if !permission.is_empty() {
            set_permission(db, permission, id).await;
        }
        if !customer.is_empty() {
            set(db, customer, id).await;
        }
        expected.insert(id, outcome);
    }
    // The double known longer gets it.
    let double = first + 23;
    expected.insert(double, "accepted");
    expected.insert(first + 59, "duplicate_address");
    // A little less than level 1 holds is checked by its own permission; this one never had one older.
    let stale = first + 14;
    set_permission(
        db,
        &format!("since_at = {0}, level_since_at = {0}", now - 95 * DAY),
        stale,
    )
    .await;
    // Who wants a message a week at most got one six days ago, or on the same weekday a week ago.
    contacted(db, first + 19, now - 6 * DAY, 1).await;
    contacted(db, first + 20, now - 7 * DAY, 2).await;
    // Two messages within the cap's two days, or one of them before.
    for (offset, days_ago) in [(21, 0), (21, 1), (22, 0), (22, 2)] {
        contacted(db, first + offset, now - days_ago * DAY - 1, days_ago).await;
    }
    let print = house
        .parts
        .keys
        .fingerprint(&format!("c{}@mail.example", first + 30));
    for (offset, suppressed_at, outcome) in
        [(30, now, "suppressed"), (31, now - 31 * DAY, "accepted")]
    {
        let print = if offset == 30 {
            print.clone()
        } else {
            house
                .parts
                .keys
                .fingerprint(&format!("c{}@mail.example", first + offset))
        };
        db.run(
            "INSERT INTO suppressions (fingerprint, channel, scope, reason, suppressed_at) VALUES ($1, 'email', '*', 'link', $2)",
            [print.into(), Value::from(suppressed_at)],
        )
        .await
        .unwrap();
        expected.insert(first + offset, outcome);
    }
    for offset in [40, 41, 42] {
        set(db, "household_key = 'h'", first + offset).await;
        expected.insert(
            first + offset,
            if offset == 40 {
                "accepted"
            } else {
                "household"
            },
        );
    }
    expected
}

fn strict(name: &str) -> Definition {
    let mut plan = definition(name);
    plan.per_household = true;
    plan
}

on_both! {
    async fn every_reason_is_found_and_why_agrees_with_the_gate(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| settings.pressure = vec![cap(2, 2, WindowKind::Sliding)]);
        let expected = varied(&house).await;
        let id = house.apply(&strict("spring")).await;
        let campaign = plan::find(&house.parts.db, "spring").await.unwrap();
        let mut foretold = BTreeMap::new();
        for customer in expected.keys() {
            let why = why::why(&house.parts.db, &house.parts.rules, &campaign, CustomerId(*customer), house.now()).await.unwrap();
            let verdict = match why.verdict {
                why::Verdict::WouldBe { .. } => "accepted".to_owned(),
                why::Verdict::Withheld { reason } => reason.as_str().to_owned(),
                other => format!("{other:?}"),
            };
            let fails = why.steps.iter().any(|step| step.passes == Some(false));
            assert_eq!(fails, verdict != "accepted", "a rule is marked: {why}");
            assert!(!why.to_string().contains("@mail.example"), "{why}");
            foretold.insert(*customer, verdict);
        }
        let wave = house.launch(id).await.wave;
        house.deliver().await;
        let outcomes = outcomes(&house.parts.db, wave).await;
        let expected: BTreeMap<i64, String> = expected.into_iter().map(|(id, outcome)| (id, outcome.to_owned())).collect();
        assert_eq!(outcomes, expected);
        assert_eq!(foretold, expected);
        house.ledger(wave).await;
        // Afterwards the ledger answers.
        let campaign = plan::find(&house.parts.db, "spring").await.unwrap();
        for (customer, outcome) in &outcomes {
            let why = why::why(&house.parts.db, &house.parts.rules, &campaign, CustomerId(*customer), house.now()).await.unwrap();
            match why.verdict {
                why::Verdict::Contacted { .. } => assert_eq!(outcome, "accepted"),
                why::Verdict::Withheld { reason } => assert_eq!(outcome, reason.as_str()),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn the_gate_finds_what_came_after_the_launch(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| settings.pressure = vec![cap(2, 2, WindowKind::Sliding)]);
        // Launched when nothing was wrong with anyone.
        let first = house.add_customers(60, "mail.example").await;
        let wave = {
            let id = house.apply(&strict("spring")).await;
            house.launch(id).await.wave
        };
        let db = &house.parts.db;
        let now = house.clock_ms();
        let later = now + 1;
        set_permission(db, "basis = 'contract'", first).await;
        set_permission(db, &format!("expires_at = {now}"), first + 1).await;
        set_permission(db, "level = 0", first + 2).await;
        set(db, &format!("paused_until = {later}"), first + 3).await;
        contacted(db, first + 4, now - 1, 1).await;
        contacted(db, first + 4, now - 2, 2).await;
        // Two people whose address or household became the same since.
        for offset in [5, 6] {
            set(db, &format!("email_key = 'one@mail.example', updated_at = {later}"), first + offset).await;
        }
        for offset in [40, 59] {
            set(db, &format!("household_key = 'h', updated_at = {later}"), first + offset).await;
        }
        house.deliver().await;
        let outcomes = outcomes(db, wave).await;
        let mut refused: BTreeMap<i64, &str> = outcomes.iter().filter(|(_, outcome)| *outcome != "accepted").map(|(id, outcome)| (id - first, outcome.as_str())).collect();
        // They lie in two leases: one of them is first.
        let household = [refused.remove(&40), refused.remove(&59)];
        assert_eq!(household.iter().flatten().collect::<Vec<_>>(), [&"household"]);
        assert_eq!(refused, [(0, "no_basis"), (1, "expired"), (2, "level"), (3, "paused"), (4, "pressure"), (6, "duplicate_address")].into());
        house.ledger(wave).await;
    }

    async fn the_contact_history_holds_what_was_sent_and_nothing_else(db: &TestDb) {
        let peer = SmtpPeer::start(
            Script::new()
                .on(Step::Rcpt, When::To("c1@mail.example"), Act::Reply("450 4.7.1 greylisted"))
                .on(Step::Rcpt, When::To("c2@mail.example"), Act::Reply("550 5.1.1 no such user"))
                .on(Step::Dot, When::To("c3@mail.example"), Act::AcceptAndHangUp),
        ).await;
        let house = House::new(db, Some(peer.settings()));
        house.add_customers(10, "mail.example").await;
        let wave = house.send("spring").await;
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 7), ("deferred", 1), ("failed", 1), ("unknown", 1)].into());
        let rows = db.rows("SELECT customer_id FROM contacts ORDER BY customer_id", []).await.unwrap();
        let ids: Vec<i64> = rows.iter().map(|row| row.try_get("", "customer_id").unwrap()).collect();
        // The unknown one may have arrived.
        assert_eq!(ids, [3, 4, 5, 6, 7, 8, 9, 10]);
        // A gate whose commit was lost leaves none behind.
        let next = house.send("summer").await;
        let lease = store::claim(&house.parts.db, "here", "default", 60, house.clock_ms()).await.unwrap().unwrap();
        let entry = house.entry(next).await;
        house.ask(&lease, &entry, 20).await.unwrap();
        assert_eq!(history(db).await, 8 + 9);
        store::take_back(&house.parts.db, &lease, house.clock_ms()).await.unwrap();
        assert_eq!(history(db).await, 8);
    }

    async fn caps_hold_over_campaigns_and_calendar_days_over_both_clock_changes(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| settings.pressure = vec![cap(1, 1, WindowKind::Calendar)]);
        let first = house.add_customers(2, "mail.example").await;
        set(db, "time_zone = 'Europe/Paris'", first).await;
        set(db, "time_zone = 'Indian/Reunion'", first + 1).await;
        for (name, now, paris, reunion) in [
            // The day of 23 hours in Paris: from 23:00 UTC to 22:00 UTC.
            ("spring-1", "2027-03-27T22:59:00Z", true, true),
            ("spring-2", "2027-03-27T23:01:00Z", true, false),
            ("spring-3", "2027-03-28T20:01:00Z", false, true),
            ("spring-4", "2027-03-28T21:59:00Z", false, false),
            ("spring-5", "2027-03-28T22:01:00Z", true, false),
            // The day of 25 hours: from 22:00 UTC to 23:00 UTC.
            ("autumn-1", "2027-10-30T22:01:00Z", true, true),
            ("autumn-2", "2027-10-31T22:30:00Z", false, true),
            ("autumn-3", "2027-10-31T23:01:00Z", true, false),
        ] {
            house.advance(at(now) - house.now());
            let db = &house.parts.db;
            // Nothing expires here.
            set_permission(db, &format!("since_at = {0}, level_since_at = {0}", house.clock_ms()), first).await;
            set_permission(db, &format!("since_at = {0}, level_since_at = {0}", house.clock_ms()), first + 1).await;
            let wave = house.send(name).await;
            house.deliver().await;
            let outcomes = outcomes(db, wave).await;
            let got = |id: i64| outcomes[&id] == "accepted";
            assert_eq!((got(first), got(first + 1)), (paris, reunion), "{name}: {outcomes:?}");
        }
    }

    async fn pause_wish_and_pressure_are_the_mailbox_s(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        let folder = tempfile::tempdir().unwrap();
        let defaults = crate::kit::house::settings(folder.path()).pressure;
        house.change_settings(|settings| settings.pressure = defaults);
        // Two customers with one mailbox, and one who has his own.
        let first = house.add_customers(3, "mail.example").await;
        let print = house.parts.keys.fingerprint("one@mail.example");
        for id in [first, first + 1] {
            set(db, &format!("email = 'one@mail.example', email_key = 'one@mail.example', email_fingerprint = '{print}'"), id).await;
        }
        let send = |name: &'static str| {
            let (house, db) = (&house, &house.parts.db);
            async move {
                let wave = house.send(name).await;
                house.deliver().await;
                let outcomes = outcomes(db, wave).await;
                [0, 1, 2].map(|n| outcomes[&(first + n)].clone())
            }
        };
        for name in ["one", "two"] {
            assert_eq!(send(name).await, ["accepted", "duplicate_address", "accepted"], "{name}");
        }
        // Two a day: the second customer does not step in for the first.
        for name in ["three", "four"] {
            assert_eq!(send(name).await, ["pressure", "pressure", "pressure"], "{name}");
        }
        let campaign = plan::find(&house.parts.db, "four").await.unwrap();
        let why = why::why(&house.parts.db, &house.parts.rules, &campaign, CustomerId(first + 1), house.now()).await.unwrap();
        assert!(why.to_string().contains("2 of at most 2"), "{why}");
        house.advance(TimeDelta::days(8));
        set(db, &format!("paused_until = {}", house.clock_ms() + DAY), first + 1).await;
        assert_eq!(send("five").await, ["paused", "paused", "accepted"]);
        let campaign = plan::find(&house.parts.db, "five").await.unwrap();
        let why = why::why(&house.parts.db, &house.parts.rules, &campaign, CustomerId(first), house.now()).await.unwrap();
        assert!(why.to_string().contains("asked for a pause until"), "{why}");
        house.advance(TimeDelta::days(2));
        assert_eq!(send("six").await, ["accepted", "duplicate_address", "accepted"]);
        // The other wants one a week.
        set(db, "frequency_days = 7", first + 1).await;
        house.advance(TimeDelta::days(3));
        assert_eq!(send("seven").await, ["pressure", "pressure", "accepted"]);
        house.advance(TimeDelta::days(4));
        // The gate counts what the other was sent after the launch.
        let waiting = house.send("eight").await;
        contacted(db, first + 1, house.clock_ms() - DAY, 1).await;
        house.deliver().await;
        assert_eq!(outcomes(db, waiting).await[&first], "pressure");
    }

    async fn caps_by_topic_and_channel_count_their_own(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| {
            let of_topic = PressureSettings { topic: Some("offers".to_owned()), ..cap(1, 1, WindowKind::Sliding) };
            let of_sms = PressureSettings { channel: Some("sms".to_owned()), ..cap(1, 7, WindowKind::Sliding) };
            settings.pressure = vec![of_topic, of_sms, cap(2, 7, WindowKind::Sliding)];
        });
        let first = house.add_customers(1, "mail.example").await;
        db.run("INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level_since_at)
            VALUES ($1, 'email', 'news', $2, 'consent', $3, 0, $3)", [first.into(), true.into(), (house.clock_ms() - DAY).into()]).await.unwrap();
        let mut seen = Vec::new();
        for (name, topic) in [("a", "offers"), ("b", "offers"), ("c", "news"), ("d", "news")] {
            let mut plan = definition(name);
            plan.topic = topic.to_owned();
            let id = house.apply(&plan).await;
            let wave = house.launch(id).await.wave;
            house.deliver().await;
            seen.push(outcomes(&house.parts.db, wave).await.remove(&first).unwrap());
        }
        assert_eq!(seen, ["accepted", "pressure", "accepted", "pressure"]);
    }

    async fn the_lower_rung_gets_less(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| {
            settings.permission.levels.situational.contacts_per_week = 1;
            settings.permission.levels.brand_trust.contacts_per_week = 2;
        });
        let first = house.add_customers(3, "mail.example").await;
        for (offset, level) in [(0, 1), (1, 2), (2, 5)] {
            set_permission(db, &format!("level = {level}"), first + offset).await;
        }
        let mut got = [0, 0, 0];
        for name in ["a", "b", "c"] {
            let wave = house.send(name).await;
            house.deliver().await;
            let outcomes = outcomes(&house.parts.db, wave).await;
            for (offset, n) in (0..).zip(&mut got) {
                *n += i32::from(outcomes[&(first + offset)] == "accepted");
            }
        }
        assert_eq!(got, [1, 2, 3]);
        // A campaign that needs trust leaves out who only asked a question.
        house.advance(Span::days(8));
        let mut plan = definition("trust");
        plan.level = Level::BrandTrust;
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        assert_eq!(outcomes(&house.parts.db, wave).await[&first], "level");
    }

    async fn who_has_priority_goes_first(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| settings.pressure = vec![cap(1, 1, WindowKind::Sliding)]);
        house.add_customers(20, "mail.example").await;
        // Due at the same tick, the lower one first by name and by id.
        for (name, priority, segment) in [("a-low", 0, "everyone"), ("b-high", 10, "id <= 5")] {
            let mut plan = definition(name);
            plan.priority = priority;
            plan.segment = segment.to_owned();
            plan.schedule = Some(toml::from_str("at = \"2026-11-23T09:00\"\nzone = \"UTC\"").unwrap());
            house.apply(&plan).await;
        }
        house.advance(Span::days(1));
        assert_eq!(scheduler::launch_due(&house.parts.db, house.parts.launch_options(), house.now()).await.unwrap(), 2);
        let mut waves = Vec::new();
        for name in ["a-low", "b-high"] {
            let campaign = plan::find(&house.parts.db, name).await.unwrap();
            waves.push(store::latest_wave(&house.parts.db, campaign.id).await.unwrap().unwrap().id);
        }
        house.deliver().await;
        assert_eq!(house.ledger(waves[1]).await, [("accepted", 5)].into());
        assert_eq!(house.ledger(waves[0]).await, [("accepted", 15), ("withheld", 5)].into());
        // One that is launched while the lower is under way takes its people, too.
        house.advance(Span::days(2));
        let low = house.send("c-low").await;
        let mut plan = definition("d-high");
        plan.priority = 1;
        plan.segment = "id > 5".to_owned();
        let id = house.apply(&plan).await;
        let high = house.launch(id).await.wave;
        house.deliver().await;
        assert_eq!(house.ledger(low).await, [("accepted", 5), ("withheld", 15)].into());
        assert_eq!(house.ledger(high).await, [("accepted", 15)].into());
    }

    async fn quiet_hours_hold_and_release(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| {
            settings.quiet_hours = vec![email_hours(None, &["Mon-Sun 08:00-20:00"]), email_hours(Some("DE"), &["Mon-Sun 00:00-24:00"])];
        });
        let first = house.add_customers(70, "mail.example").await;
        for (offset, zone) in [(0, "Indian/Reunion"), (1, "America/Cayenne")] {
            set(db, &format!("time_zone = '{zone}'"), first + offset).await;
        }
        set(db, "country = 'DE'", first + 2).await;
        // 18:00 in Paris, 21:00 on Réunion, 14:00 in Cayenne; then three hours later.
        house.advance(Span::hours(5));
        let early = house.send("early").await;
        let state = progress::progress(&house.parts.db, &house.parts.settings, &plan::find(&house.parts.db, "early").await.unwrap(), house.clock_ms()).await.unwrap();
        assert_eq!((state.held, state.held_until), (1, Some(at("2026-11-23T04:00:00Z").timestamp_millis())));
        house.deliver().await;
        assert_eq!(house.ledger(early).await, [("accepted", 69), ("pending", 1)].into());
        // A wave that is late: held at the gate, though it was allowed at the launch.
        let late = house.send("late").await;
        house.advance(Span::hours(3));
        house.deliver().await;
        assert_eq!(house.ledger(late).await, [("accepted", 2), ("pending", 68)].into(), "Cayenne, and the country without quiet hours");
        for (hours, accepted) in [(8, 3), (3, 70)] {
            // 04:00 UTC is eight on Réunion, 07:00 UTC in Paris.
            house.advance(Span::hours(hours));
            house.deliver().await;
            assert_eq!(house.ledger(late).await.get("accepted"), Some(&accepted), "{}", house.now());
        }
        assert_eq!(house.ledger(early).await, [("accepted", 70)].into());
        assert_eq!(plan::find(&house.parts.db, "late").await.unwrap().status, visavis::campaigns::model::Status::Finished);
    }

    async fn a_holiday_in_strasbourg_is_none_in_paris(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new()).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| settings.quiet_hours = vec![email_hours(Some("FR"), &["Mon-Sat 08:00-20:00"])]);
        let first = house.add_customers(2, "mail.example").await;
        set(db, "postal_code = '67000'", first).await;
        // Saturday, 26 December.
        house.advance(at("2026-12-26T10:00:00Z") - house.now());
        let wave = house.send("sales").await;
        house.deliver().await;
        assert_eq!(outcomes(&house.parts.db, wave).await, [(first, "state 0".to_owned()), (first + 1, "accepted".to_owned())].into());
        house.advance(at("2026-12-28T07:00:00Z") - house.now());
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 2)].into());
    }

    async fn a_deferred_message_keeps_the_quiet_hours_too(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().on(Step::Rcpt, When::FirstTimes(1), Act::Reply("450 4.7.1 greylisted"))).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| settings.quiet_hours = vec![email_hours(None, &["Mon-Sun 08:00-13:05"])]);
        house.add_customers(3, "mail.example").await;
        // 13:00 in Paris.
        let wave = house.send("spring").await;
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("deferred", 3)].into());
        house.advance(Span::minutes(7));
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("deferred", 3)].into());
        house.advance(at("2026-11-23T07:00:00Z") - house.now());
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 3)].into());
    }

    async fn nothing_leaves_after_the_end(db: &TestDb) {
        let peer = SmtpPeer::start(Script::new().on(Step::Rcpt, When::To("c1@mail.example"), Act::Reply("450 4.7.1 later"))).await;
        let mut house = House::new(db, Some(peer.settings()));
        house.change_settings(|settings| settings.quiet_hours = vec![email_hours(None, &["Mon-Sun 08:00-20:00"])]);
        let first = house.add_customers(4, "mail.example").await;
        set(db, "time_zone = 'Asia/Tokyo'", first + 1).await;
        let mut plan = definition("spring");
        // Paris: 23:00 UTC.
        plan.ends_at = Some("2026-11-22T23:00:00".parse().unwrap());
        let template = Template::embedded("super-chef").unwrap();
        // 21:00 in Tokyo is quiet; its morning is at 23:00 UTC, after the end at 22:00 UTC.
        let checked = check::check(&house.parts.db, &plan, &[&template], &house.parts.settings, house.now()).await.unwrap();
        assert_eq!(checked.withheld, [(Withheld::QuietHours, 1)]);
        assert_eq!(checked.held, []);
        let id = house.apply(&plan).await;
        let wave = house.launch(id).await.wave;
        house.deliver().await;
        let outcomes = outcomes(&house.parts.db, wave).await;
        assert_eq!(outcomes[&(first + 1)], "quiet_hours", "{outcomes:?}");
        // The deferred one whose time comes after the end.
        house.advance(Span::hours(11));
        house.deliver().await;
        assert_eq!(house.ledger(wave).await, [("accepted", 2), ("withheld", 2)].into());
        let counters = store::counters(&*house.parts.db, wave).await.unwrap();
        assert_eq!(counters.get("withheld.ended"), Some(&1));
        // A wave that is launched in the evening and ends before the morning.
        plan.name = "evening".to_owned();
        plan.ends_at = Some("2026-11-23T07:00:00".parse().unwrap());
        let checked = check::check(&house.parts.db, &plan, &[&template], &house.parts.settings, house.now()).await.unwrap();
        assert!(checked.withheld.contains(&(Withheld::QuietHours, 3)), "{checked}");
        assert!(checked.to_string().contains("quiet hours"), "{checked}");
    }

    async fn an_offer_needs_the_rung_that_allows_it(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(2, "mail.example").await;
        let mut plan = definition("gift");
        plan.level = Level::BrandTrust;
        plan.offer_kind = Some(OfferKind::Reward);
        let template = Template::embedded("super-chef").unwrap();
        let checked = check::check(&house.parts.db, &plan, &[&template], &house.parts.settings, house.now()).await.unwrap();
        assert!(!checked.is_ready());
        assert!(checked.to_string().contains("these do: points, intravenous"), "{checked}");
        let id = house.apply(&plan).await;
        let refused = launch::launch(&house.parts.db, id, Occurrence::ByHand, house.parts.launch_options(), "test", house.now()).await;
        assert!(refused.unwrap_err().to_string().contains("reward"));
        plan.level = Level::Points;
        let checked = check::check(&house.parts.db, &plan, &[&template], &house.parts.settings, house.now()).await.unwrap();
        assert!(checked.is_ready(), "{checked}");
    }

    async fn a_definition_stored_before_the_new_keys_still_reads(db: &TestDb) {
        let house = House::new(db, None);
        let id = house.apply(&definition("old")).await;
        let old = r#"{"name":"old","segment":"everyone","template":"super-chef","channel":"email","topic":"offers",
            "sender":{"name":"a","address":"a@a.example","postal_address":"b"},"control_percent":0,"goal":"click","window_days":14}"#;
        db.run("UPDATE campaigns SET definition = $2 WHERE id = $1", [id.0.into(), old.into()]).await.unwrap();
        let campaign = plan::find(&house.parts.db, "old").await.unwrap();
        assert_eq!((campaign.definition.level, campaign.definition.priority), (Level::Situational, 0));
        assert_eq!(campaign.definition.ends_at, None);
    }
}

/// Two campaigns to the same people, each worked by a node of its own, and room for one message: nobody
/// gets two, however the two gates meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_and_room_for_one_message() {
    let Some(db) = crate::kit::database::postgres().await else {
        return;
    };
    let peer = SmtpPeer::start(Script::new()).await;
    let mut house = House::new(&db, Some(peer.settings()));
    house.change_settings(|settings| {
        settings.pressure = vec![cap(1, 1, WindowKind::Sliding)];
        settings.delivery.batch = 7;
    });
    let mut elsewhere = House::new(&db, Some(peer.settings()));
    elsewhere.change_settings(|settings| {
        settings.pressure = vec![cap(1, 1, WindowKind::Sliding)];
        settings.delivery.batch = 11;
    });
    house.add_customers(150, "mail.example").await;
    let mut sent = 0;
    for round in 0..6 {
        // Both launched before either is sent, so that only the gate can tell.
        let waves = [
            house.send(&format!("a-{round}")).await,
            house.send(&format!("b-{round}")).await,
        ];
        tokio::join!(house.deliver(), elsewhere.deliver());
        let mut both = HashMap::new();
        for wave in waves {
            let ledger = house.ledger(wave).await;
            assert_eq!(ledger.values().sum::<i64>(), 150, "{ledger:?}");
            for (customer, outcome) in outcomes(&db, wave).await {
                *both.entry(customer).or_insert(0) += i32::from(outcome == "accepted");
            }
        }
        assert!(both.values().all(|n| *n == 1), "round {round}: {both:?}");
        sent += 150;
        assert_eq!(peer.accepted().len(), sent);
        house.advance(TimeDelta::days(2));
        elsewhere.advance(TimeDelta::days(2));
    }
    assert_eq!(house.now(), noon() + TimeDelta::days(12));
}
