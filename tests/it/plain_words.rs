//! What an operator is told: the facts as they are, and what to do about them.

use chrono::Duration as Span;
use visavis::campaigns::{check, plan};
use visavis::clock::{Clock, SystemClock};
use visavis::config::{PressureSettings, WindowKind};
use visavis::consent::model::{Basis, Channel, Evidence, Scope};
use visavis::consent::proof::{self, Standing};
use visavis::consent::store::{self as consent, Suppression};
use visavis::consent::{expiry, topics};
use visavis::delivery::why;
use visavis::dialogue::DialogueError;
use visavis::dialogue::lookup::{self, one};
use visavis::ids::CustomerId;
use visavis::storage::Sql;
use visavis::templates::Template;
use visavis::web::console::permission;

use crate::cli::{told, visavis};
use crate::kit::house::{House, definition};
use crate::on_both;

on_both! {
    async fn only_the_cap_that_is_reached_is_marked(db: &TestDb) {
        let mut house = House::new(db, None);
        let cap = |max, days, topic: Option<&str>| PressureSettings {
            max,
            days,
            window: WindowKind::Sliding,
            channel: None,
            topic: topic.map(str::to_owned),
        };
        house.change_settings(|settings| {
            settings.pressure = vec![cap(1, 1, None), cap(5, 7, None), cap(3, 7, Some("offers"))];
        });
        let first = house.add_customers(1, "mail.example").await;
        db.run("UPDATE customers SET frequency_days = 1 WHERE id = $1", [first.into()]).await.unwrap();
        db.run(
            "INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic) VALUES ($1, $2, 1, 1, 'email', 'offers')",
            [first.into(), (house.now() - Span::hours(20)).timestamp_millis().into()],
        ).await.unwrap();
        house.apply(&definition("spring")).await;
        let campaign = plan::find(&house.parts.db, "spring").await.unwrap();
        let why = why::why(&house.parts.db, &house.parts.rules, &campaign, CustomerId(first), house.now()).await.unwrap();
        let marks: Vec<bool> = why.steps.iter().filter(|step| step.rule == "pressure").filter_map(|step| step.passes).collect();
        // The rungs of the house have room; the message of yesterday is not of today.
        assert_eq!(marks.first(), Some(&false), "{why}");
        assert!(marks.len() > 3 && marks[1..].iter().all(|passes| *passes), "{why}");
        let text = why.to_string();
        assert!(text.contains("basis") && text.contains("existing customer or business interest"), "{text}");
    }

    async fn a_permission_that_ended_is_not_called_withdrawn(db: &TestDb) {
        let house = House::new(db, None);
        let first = CustomerId(house.add_customers(1, "mail.example").await);
        let print = house.parts.keys.fingerprint(&format!("c{first}@mail.example"));
        let long_ago = (house.now() - Span::days(1200)).timestamp_millis();
        db.run("DELETE FROM permissions", []).await.unwrap();
        let yes = Evidence::grant(first, Channel::Email, "offers", Basis::Consent, "form", long_ago);
        consent::record(&***db, &yes, Some(&print), long_ago).await.unwrap();
        let settings = &house.parts.settings;
        let before = proof::of_customer(db, settings, first, house.clock_ms()).await.unwrap();
        assert_eq!(before.permissions[0].current.as_ref().unwrap().state, Standing::Ended, "ended, though no upkeep noticed");
        expiry::expire_due(db, &settings.permission, house.clock_ms()).await.unwrap();
        house.apply(&definition("spring")).await;
        let campaign = plan::find(&house.parts.db, "spring").await.unwrap();
        let why = why::why(&house.parts.db, &house.parts.rules, &campaign, first, house.now()).await.unwrap().to_string();
        assert!(why.contains("ended on ") && why.contains("(nothing came from the person for 1095 days)"), "{why}");
        assert!(!why.contains("withdrawn"), "{why}");
        let after = proof::of_customer(db, settings, first, house.clock_ms()).await.unwrap();
        assert_eq!(after.permissions[0].current.as_ref().unwrap().state, Standing::Ended);
    }

    async fn the_proof_calls_a_suppressed_address_blocked(db: &TestDb) {
        let mut house = House::new(db, None);
        house.change_settings(|settings| settings.notices.postal_address = "12 rue des Chaudronniers".to_owned());
        let first = CustomerId(house.add_customers(1, "mail.example").await);
        let print = house.parts.keys.fingerprint(&format!("c{first}@mail.example"));
        let now = house.clock_ms();
        db.run("DELETE FROM permissions", []).await.unwrap();
        for topic in ["offers", "news"] {
            let yes = Evidence::grant(first, Channel::Email, topic, Basis::Consent, "form", now - 5_000);
            consent::record(&***db, &yes, Some(&print), now).await.unwrap();
        }
        let robinson = Suppression {
            fingerprint: print,
            channel: Channel::Email,
            scope: Scope::Topic("offers".to_owned()),
            reason: "robinson".to_owned(),
            suppressed_at: now,
        };
        consent::suppress(&***db, &[robinson]).await.unwrap();
        let proof = proof::of_customer(db, &house.parts.settings, first, now).await.unwrap();
        let json = serde_json::to_value(&proof).unwrap();
        assert_eq!(json["permissions"][0]["current"]["state"], "allowed", "news is not on the list");
        let offers = &json["permissions"][1]["current"];
        assert_eq!((offers["state"].as_str(), offers["level_today"].as_str()), (Some("blocked"), Some("stranger")));
        assert_eq!(offers["blocked_by"]["reason"], "robinson");
        assert_eq!(json["controller"]["postal_address"], "12 rue des Chaudronniers");
        let page = permission::html(&proof, None).unwrap();
        assert!(page.contains("blocked<br><span class=\"small quiet\">robinson, since 2026-11-22"), "{page}");
        assert!(page.contains("12 rue des Chaudronniers"), "{page}");
        // A newer yes lifts it.
        let yes = Evidence::grant(first, Channel::Email, "offers", Basis::Consent, "form", now + 1);
        consent::record(&***db, &yes, None, now + 1).await.unwrap();
        let proof = proof::of_customer(db, &house.parts.settings, first, now + 1).await.unwrap();
        assert_eq!(proof.permissions[1].current.as_ref().unwrap().state, Standing::Allowed);
    }

    async fn a_number_and_a_key_are_not_mixed_up(db: &TestDb) {
        let house = House::new(db, None);
        let first = house.add_customers(4, "mail.example").await;
        let (a, b, c, d) = (CustomerId(first), CustomerId(first + 1), CustomerId(first + 2), CustomerId(first + 3));
        for (id, change) in [
            (a, "external_id = 'A1'".to_owned()),
            (b, format!("external_id = '{c}'")),
            (c, "email_key = 'double@mail.example'".to_owned()),
            (d, "email_key = 'double@mail.example', phone = '+33612345678'".to_owned()),
        ] {
            db.run(format!("UPDATE customers SET {change} WHERE id = $1"), [id.0.into()]).await.unwrap();
        }
        assert_eq!(one(db, "A1").await.unwrap(), a);
        assert_eq!(one(db, &a.to_string()).await.unwrap(), a);
        assert_eq!(one(db, &format!("C{a}@mail.example")).await.unwrap(), a);
        let refused = one(db, &c.to_string()).await.unwrap_err();
        assert!(matches!(&refused, DialogueError::Whom(text) if text.contains(&format!("number:{b}"))), "{refused}");
        assert_eq!(one(db, &format!("number:{c}")).await.unwrap(), c);
        assert!(one(db, "double@mail.example").await.unwrap_err().to_string().contains("several"));
        assert!(one(db, "nobody").await.is_err());
        assert_eq!(lookup::sharing_an_address(db, c).await.unwrap(), [d]);
        assert!(lookup::sharing_an_address(db, a).await.unwrap().is_empty());
    }

    async fn a_sign_up_that_waits_is_found_and_deleted(db: &TestDb) {
        let house = House::new(db, None);
        let keys = &house.parts.keys;
        for (email, used_at) in [("ada@mail.example", "NULL"), ("ada@mail.example", "5"), ("bert@mail.example", "NULL")] {
            db.run(
                format!("INSERT INTO confirmations (purpose, nonce, channel, fingerprint, limit_key, language, payload, requested_at, expires_at, \
                 send_state, attempt, used_at) VALUES ('opt_in', 'n', 'email', $1, $1, 'en', '{{}}', 1, 9, 'sent', 1, {used_at})"),
                [keys.fingerprint(email).into()],
            ).await.unwrap();
        }
        assert_eq!(lookup::waiting_sign_ups(db, keys, "Ada@Mail.example").await.unwrap(), 1);
        assert_eq!(lookup::delete_waiting_sign_ups(db, keys, "ADA@mail.example", "operator", 10).await.unwrap(), 1);
        assert_eq!(lookup::waiting_sign_ups(db, keys, "ada@mail.example").await.unwrap(), 0);
        assert_eq!(lookup::waiting_sign_ups(db, keys, "bert@mail.example").await.unwrap(), 1);
        let row = db.row("SELECT details FROM audit_records WHERE action = 'sign_up_deleted'", []).await.unwrap();
        assert!(row.is_some());
    }

    async fn a_misspelt_topic_is_refused(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(1, "mail.example").await;
        db.run("UPDATE permissions SET topic = 'archive'", []).await.unwrap();
        let known = async |topic: &str| {
            topics::ensure_known(db, &house.parts.settings, ["loyalty".to_owned()], topic).await.map_err(|error| error.to_string())
        };
        for topic in ["offers", "archive", "loyalty"] {
            known(topic).await.unwrap();
        }
        let refused = known("offfers").await.unwrap_err();
        assert!(refused.contains("did you mean \"offers\"?") && refused.contains("archive, loyalty, news, offers"), "{refused}");
    }

    async fn a_check_tells_of_an_earlier_launch(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(2, "mail.example").await;
        let plan = definition("spring");
        let template = Template::embedded(&plan.template).unwrap();
        let checked = async |plan| {
            check::check(db, plan, &[&template], &house.parts.settings, house.now()).await.unwrap().to_string()
        };
        let id = house.apply(&plan).await;
        assert!(checked(&plan).await.ends_with("Ready to launch."));
        house.launch(id).await;
        let text = checked(&plan).await;
        assert!(text.contains("Launched before: wave ") && text.contains("it is running") && !text.contains("Ready"), "{text}");
        house.deliver().await;
        let text = checked(&plan).await;
        assert!(text.contains("it is finished. See `visavis campaign status spring`") && !text.contains("Ready"), "{text}");
        let mut changed = plan.clone();
        changed.control_percent = 10;
        let text = checked(&changed).await;
        assert!(text.contains("Launched before") && text.ends_with("Ready to launch."), "{text}");
    }
}

fn failed(folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = visavis(folder, arguments);
    assert!(!output.status.success(), "{arguments:?} went well");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_data_protection_officer_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(
        folder.join("customers.csv"),
        "external_id,email,permission.email.offers,permission_source,permission_date,permission_basis\n\
         A1,ada@mail.example,yes,form,2026-01-01,consent\nA2,ada@mail.example,yes,form,2026-01-01,consent\n",
    )
    .unwrap();
    told(folder, &["import", "customers.csv"]);
    let object = |topic: &'static str| {
        let mut arguments = vec!["customer", "object", "--customer", "A1", "--source", "call"];
        if !topic.is_empty() {
            arguments.extend(["--topic", topic]);
        }
        arguments
    };
    assert!(failed(folder, &object("offfers")).contains("did you mean \"offers\"?"));
    assert!(
        failed(folder, &["consent", "levels", "--topic", "ofers"])
            .contains("did you mean \"offers\"?")
    );
    assert!(told(folder, &object("offers")).contains("any more about offers."));
    let everything = told(folder, &object(""));
    assert!(
        everything.ends_with("is not written to any more.\n"),
        "{everything}"
    );
    let refused = failed(
        folder,
        &[
            "customer",
            "rectify",
            "--customer",
            "A1",
            "--set",
            "phone=12",
        ],
    );
    assert!(
        refused.contains("nothing was changed") && !refused.contains("left out"),
        "{refused}"
    );
    let export = ["customer", "export", "--customer", "A1", "all.zip"];
    told(folder, &export);
    assert!(failed(folder, &export).contains("choose another name"));
    let erased = told(folder, &["customer", "erase", "--customer", "A1", "--yes"]);
    assert!(
        erased.contains("is not erased: `visavis customer erase --customer 2`"),
        "{erased}"
    );
    let missing = visavis(folder, &["check", "--config", "nowhere.toml"]);
    let missing = String::from_utf8([missing.stdout, missing.stderr].concat()).unwrap();
    assert_eq!(missing.matches("nowhere.toml").count(), 1, "{missing}");
}

#[test]
fn a_plan_that_cannot_be_launched_is_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plan = |more: &str, schedule: &str| {
        format!(
            "name = \"spring\"\nsegment = \"everyone\"\ntemplate = \"super-chef\"\ntopic = \"offers\"\n{more}\n\
             [sender]\nname = \"M\"\naddress = \"m@vaisselle.example\"\npostal_address = \"Amiens\"\n{schedule}"
        )
    };
    let apply = ["campaign", "apply", "plan.toml"];
    let write = |text: String| std::fs::write(folder.join("plan.toml"), text).unwrap();
    write(plan("offer_kind = \"on_approval\"", ""));
    assert!(failed(folder, &apply).contains("does not allow on_approval offers"));
    write(plan("", "[schedule]\n"));
    assert!(failed(folder, &apply).contains("neither at nor every"));
    // An hour ago by the clock of the first zones, and to come in the last.
    let local = (SystemClock.now() - Span::hours(1)).format("%Y-%m-%dT%H:%M");
    write(plan(
        "",
        &format!("[schedule]\nat = \"{local}\"\nzone = \"recipient\"\n"),
    ));
    let overdue = told(folder, &apply);
    assert!(
        overdue.contains("is overdue; starts with the next"),
        "{overdue}"
    );
}
