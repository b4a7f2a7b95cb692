//! The program as a person uses it: its commands, what they print, and how they end.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use visavis::accounts::audit::{self, Filter};
use visavis::config::Settings;
use visavis::storage::Db;

pub fn visavis(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_visavis"))
        .args(arguments)
        .arg("--data-dir")
        .arg(folder.join("data"))
        .env_remove("DATABASE_URL")
        .current_dir(folder)
        .output()
        .unwrap()
}

/// What a command that must succeed printed.
pub fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = visavis(folder, arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// What a command that must fail said.
pub fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = visavis(folder, arguments);
    assert!(!output.status.success(), "{arguments:?} went well");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    text
}

const CAMPAIGN: &str = r#"
name = "spring"
segment = 'city in ("Amiens", "Lille")'
template = "super-chef"
topic = "offers"
[sender]
name = "Maison Vaisselle"
address = "bonjour@vaisselle.example"
postal_address = "12 rue des Chaudronniers, 80000 Amiens"
"#;

const CUSTOMERS: &str = "id;prénom;nom;courriel;ville;permission.email.offers;permission_source;permission_date;permission_basis
1;Élodie;Lefèvre;elodie@mail.example;Amiens;oui;form;2025-01-02;consent
2;Paul;Martin;paul@mail.example;Lille;oui;form;2025-01-02;consent
3;Zoé;Petit;zoe@mail.example;Paris;oui;form;2025-01-02;consent
4;Max;Noir;max@mail.example;Amiens;non;form;2025-01-02;
5;Ada;Blanc;ada@mail.example;Amiens;oui;;;
";

/// What the audit log says of a campaign; whoever the system says gave the commands.
fn noted(folder: &Path, name: &str) -> Vec<String> {
    let mut settings = Settings::load_from(None, Default::default()).unwrap();
    settings.data_dir = folder.join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let db = Db::open(&settings.database_url(), 1).await.unwrap();
        let filter = Filter {
            subject: name.to_owned(),
            ..Filter::default()
        };
        let entries = audit::list(&db, &filter, 100).await.unwrap();
        db.close().await;
        let told = entries.into_iter().rev().map(|entry| {
            let actor: Vec<&str> = entry.actor.splitn(3, ' ').take(2).collect();
            format!("{} by {}", entry.action, actor.join(" "))
        });
        told.collect()
    })
}

#[test]
fn the_demo_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let text = told(
        folder.path(),
        &["demo", "--once", "--json", "--size", "600"],
    );
    let report: Value = serde_json::from_str(&text).unwrap();
    let n = |name: &str| {
        report[name]
            .as_i64()
            .unwrap_or_else(|| panic!("{name} in {report}"))
    };
    assert_eq!(n("selected"), n("withheld") + n("deliveries"));
    assert_eq!(
        n("deliveries"),
        n("accepted") + n("failed") + n("unknown") + n("deferred")
    );
    assert!(
        n("accepted") > 150 && n("failed") > 0 && n("deferred") > 0,
        "{report}"
    );
    assert_eq!(n("unknown"), 0);
    assert_eq!(report["is_simulated"], true);
    assert!(report["response_rate"]["count"].as_i64().unwrap() > 0);
    assert_eq!(report["discrepancies"].as_array().unwrap().len(), 0);
    // Again in the same folder: it begins anew and comes to the same people.
    let again: Value = serde_json::from_str(&told(
        folder.path(),
        &["demo", "--once", "--json", "--size", "600"],
    ))
    .unwrap();
    for name in ["selected", "withheld", "deliveries", "accepted", "failed"] {
        assert_eq!(again[name], report[name], "{name}");
    }
}

#[test]
fn the_demo_spares_a_folder_that_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // Begun as a demo's, and then somebody imported into it.
    told(folder.path(), &["demo", "--once", "--size", "20"]);
    std::fs::write(folder.path().join("customers.csv"), CUSTOMERS).unwrap();
    told(folder.path(), &["import", "customers.csv"]);
    let said = refused(folder.path(), &["demo", "--once"]);
    assert!(
        said.contains("not only of a demo") && said.contains("--data-dir"),
        "{said}"
    );
}

#[test]
fn from_a_file_to_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("customers.csv"), CUSTOMERS).unwrap();
    std::fs::write(folder.join("spring.toml"), CAMPAIGN).unwrap();
    let imported = told(folder, &["import", "customers.csv"]);
    assert!(
        imported.contains("5 created") && imported.contains("3 reachable by email"),
        "{imported}"
    );
    assert_eq!(
        told(folder, &["segment", "count", "city = \"amiens\""]),
        "3 of 5 customers: city = \"amiens\"\n"
    );
    let misspelt = told(
        folder,
        &[
            "segment",
            "count",
            "not clicked campaign \"wintr\" and not tagged \"vip\"",
        ],
    );
    assert!(
        misspelt.contains("no campaign \"wintr\"") && misspelt.contains("tagged \"vip\""),
        "{misspelt}"
    );
    let explained = told(
        folder,
        &[
            "segment",
            "explain",
            "city = \"amiens\" and age > 30",
            "--customer",
            "1",
        ],
    );
    assert!(
        explained.contains('✓') && explained.contains('✗'),
        "{explained}"
    );
    assert!(
        told(
            folder,
            &["template", "preview", "super-chef", "--customer", "1"]
        )
        .contains("Élodie")
    );
    assert!(told(folder, &["campaign", "apply", "spring.toml"]).contains("spring created, ready"));
    assert!(told(folder, &["campaign", "apply", "spring.toml"]).contains("unchanged"));
    insta::assert_snapshot!(
        "campaign_check",
        told(folder, &["campaign", "check", "spring"])
    );
    assert!(
        told(folder, &["campaign", "launch", "spring"]).contains("2 messages to send, 2 withheld")
    );
    assert!(refused(folder, &["campaign", "cancel", "autumn"]).contains("campaign list"));
    told(
        folder,
        &["campaign", "pause", "spring", "--reason", "lunch"],
    );
    told(folder, &["campaign", "resume", "spring"]);
    let acts = ["save", "launch", "pause", "resume"];
    assert_eq!(
        noted(folder, "spring"),
        acts.map(|act| format!("campaign.{act} by command line"))
    );
    assert!(told(folder, &["work", "--until-idle"]).contains("2 messages accepted"));
    assert!(told(folder, &["campaign", "status", "spring"]).contains("spring: finished"));
    assert!(told(folder, &["report", "spring"]).contains("of 2 delivered"));
    assert!(told(folder, &["report", "spring", "--csv"]).lines().count() > 10);
    let shown = told(folder, &["campaign", "show", "spring"]);
    assert!(
        shown.contains("# finished, revision 1") && shown.contains("topic = \"offers\""),
        "{shown}"
    );
    assert!(told(folder, &["check"]).contains("ok    database"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let typo = refused(folder, &["segment", "count", "citty = \"Amiens\""]);
    assert!(typo.contains("^^^^^") && typo.contains("city"), "{typo}");
    for (change, expected) in [
        (
            ("template = \"super-chef\"", "template = \"super-chief\""),
            "super-chef",
        ),
        (("topic = \"offers\"", "topic = \"Big Offers\""), "topic"),
        (("topic = \"offers\"", "topics = \"offers\""), "topics"),
        (
            (
                "address = \"bonjour@vaisselle.example\"",
                "address = \"bonjour\"",
            ),
            "sender.address",
        ),
    ] {
        std::fs::write(
            folder.join("wrong.toml"),
            CAMPAIGN.replace(change.0, change.1),
        )
        .unwrap();
        let said = refused(folder, &["campaign", "apply", "wrong.toml"]);
        assert!(said.contains(expected), "{change:?}: {said}");
    }
    std::fs::write(folder.join("settings.toml"), "[email]\nconections = 3\n").unwrap();
    let said = refused(folder, &["migrate", "--config", "settings.toml"]);
    assert!(
        said.contains("conections") && said.contains("connections"),
        "{said}"
    );
    let said = refused(folder, &["import", "nowhere.csv"]);
    assert!(said.contains("nowhere.csv"), "{said}");
}

#[test]
fn a_lost_secret_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("customers.csv"), CUSTOMERS).unwrap();
    told(folder, &["import", "customers.csv"]);
    let secret = folder.join("data").join("secret.key");
    let kept = std::fs::read(&secret).unwrap();
    std::fs::remove_file(&secret).unwrap();
    let said = refused(folder, &["import", "customers.csv"]);
    assert!(
        said.contains("secret.key") && said.contains("backup"),
        "{said}"
    );
    assert!(!secret.exists(), "no other stands in its place");
    let checked = visavis(folder, &["check"]);
    assert!(!checked.status.success());
    assert!(
        String::from_utf8(checked.stdout)
            .unwrap()
            .contains("FAIL  secret")
    );
    std::fs::write(&secret, kept).unwrap();
    told(folder, &["import", "customers.csv"]);
}

#[test]
fn each_relay_is_tried_and_a_campaign_cannot_ask_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let relay = "host = \"127.0.0.1\"\nport = 1\ntls = \"none\"\n";
    std::fs::write(
        folder.join("visavis.toml"),
        format!("[email.relay]\n{relay}[email.relays.eu1]\n{relay}"),
    )
    .unwrap();
    let checked = visavis(folder, &["check", "--config", "visavis.toml"]);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("FAIL  relay: cannot reach"), "{said}");
    assert!(said.contains("FAIL  relay eu1: cannot reach"), "{said}");
    assert!(said.contains("check email.relays.eu1.port"), "{said}");
    for (name, is_known) in [("eu1", true), ("eu9", false)] {
        let plan = CAMPAIGN.replace("topic =", &format!("relay = \"{name}\"\ntopic ="));
        std::fs::write(folder.join("spring.toml"), plan).unwrap();
        let arguments = [
            "campaign",
            "apply",
            "spring.toml",
            "--config",
            "visavis.toml",
        ];
        if is_known {
            told(folder, &arguments);
        } else {
            let refusal = refused(folder, &arguments);
            assert!(refusal.contains("there are: default, eu1"), "{refusal}");
        }
    }
}

#[test]
fn rejected_rows_replace_neither_the_input_nor_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "email,first_name\nada@mail.example,\"Eve\nX\"\n";
    std::fs::write(folder.join("customers.csv"), text).unwrap();
    let said = refused(
        folder,
        &["import", "customers.csv", "--rejects", "customers.csv"],
    );
    assert!(said.contains("--rejects"), "{said}");
    assert_eq!(
        std::fs::read_to_string(folder.join("customers.csv")).unwrap(),
        text
    );
    told(
        folder,
        &["import", "customers.csv", "--rejects", "/dev/null"],
    );
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_template_with_errors_is_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let template = folder.join("campaign-templates/bare");
    std::fs::create_dir_all(&template).unwrap();
    std::fs::write(
        template.join("template.toml"),
        "name = \"bare\"\nlanguage = \"fr\"\n[attention]\nsubject = \"Bonjour\"\nheadline = \"Bonjour\"\n[interest]\nbody = \"Oui.\"\n[desire]\nbody = \"\"\n[action]\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("spring.toml"),
        CAMPAIGN.replace("super-chef", "bare"),
    )
    .unwrap();
    let said = refused(folder, &["campaign", "apply", "spring.toml"]);
    assert!(said.contains("call to action"), "{said}");
}

/// SIGTERM in the middle of a wave: what is in flight is settled, nothing is unknown.
#[cfg(unix)]
#[test]
fn a_signal_drains_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut customers = String::from(
        "email,permission.email.offers,permission_source,permission_date,permission_basis\n",
    );
    for n in 0..3_000 {
        customers.push_str(&format!("c{n}@mail.example,yes,form,2025-01-02,consent\n"));
    }
    std::fs::write(folder.join("customers.csv"), customers).unwrap();
    std::fs::write(
        folder.join("spring.toml"),
        CAMPAIGN.replace("city in (\"Amiens\", \"Lille\")", "everyone"),
    )
    .unwrap();
    std::fs::write(
        folder.join("settings.toml"),
        "[web]\nlisten = \"127.0.0.1:0\"\nconsole_listen = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    told(folder, &["import", "customers.csv"]);
    told(folder, &["campaign", "apply", "spring.toml"]);
    told(folder, &["campaign", "launch", "spring"]);
    let mut server = Command::new(env!("CARGO_BIN_EXE_visavis"))
        .args(["serve", "--config", "settings.toml", "--data-dir"])
        .arg(folder.join("data"))
        .env_remove("DATABASE_URL")
        .current_dir(folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = || -> Value {
        serde_json::from_str(&told(folder, &["campaign", "status", "spring", "--json"])).unwrap()
    };
    let begin = std::time::Instant::now();
    while status()["accepted"].as_i64() < Some(100) {
        assert!(begin.elapsed().as_secs() < 60, "it sends");
    }
    let killed = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(server.wait().unwrap().success());
    let after = status();
    assert_eq!(after["unknown"], 0, "{after}");
    assert_eq!(after["sending"], 0, "{after}");
    told(folder, &["work", "--until-idle"]);
    assert_eq!(status()["accepted"], 3_000);
}
