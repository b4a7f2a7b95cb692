//! What `campaign check` says of a campaign by text message, on both databases.

use chrono::Duration;
use visavis::campaigns::check::{self, CheckedCampaign};
use visavis::campaigns::definition::Definition;
use visavis::config::Settings;
use visavis::storage::Sql;
use visavis::templates::Template;

use crate::kit::house::{House, definition};
use crate::on_both;

const PROVIDER: &str = r#"
[web]
public_url = "https://www.acme.example"
short_url = "https://go.acme.fr"
[sms.providers.main]
sender = "36111"
[sms.providers.main.prices]
FR = 0.05
GB = 0.10
[sms.providers.main.stop]
text = { fr = "STOP au 36111" }
[sms.providers.main.http]
url = "https://sms.example.com/send"
body = '{"to": "{{to}}"}'
"#;

/// Of `configured`, as a file.
fn settings(configured: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("visavis.toml");
    std::fs::write(&file, configured).unwrap();
    Settings::load_from(Some(&file), Default::default()).unwrap()
}

fn template(text: &str) -> Template {
    let folder = tempfile::tempdir().unwrap();
    let source = format!(
        r#"
        name = "soldes"
        language = "fr"
        description = "Soldes"
        [attention]
        subject = "Soldes"
        headline = "Soldes"
        [interest]
        body = "Tout."
        [desire]
        body = "Moins cher."
        [action]
        button = "Voir"
        link = "https://shop.example/soldes"
        [sms]
        text = "{text}"
        "#
    );
    std::fs::write(folder.path().join("template.toml"), source).unwrap();
    Template::load(folder.path()).unwrap()
}

fn by_sms() -> Definition {
    let mut plan = definition("soldes");
    plan.channel = visavis::consent::model::Channel::Sms;
    plan
}

/// Four people who allow text messages: three French, one British, whose names make their texts differ.
async fn people(house: &House) {
    let first = house.add_customers(4, "mail.example").await;
    let db = &house.parts.db;
    let since = (house.now() - Duration::days(30)).timestamp_millis();
    for (id, phone, name) in [
        (first, "+33612345601", "Anne"),
        (first + 1, "+33612345602", "Zoê"),
        (first + 2, "+33612345603", "Paul"),
        (first + 3, "+447400123456", "Jane"),
    ] {
        db.run(
            "UPDATE customers SET phone = $2, phone_fingerprint = $3, phone_kind = 'mobile', first_name = $4 WHERE id = $1",
            [
                id.into(),
                phone.into(),
                house.parts.keys.fingerprint(phone).into(),
                name.into(),
            ],
        )
        .await
        .unwrap();
        db.run(
            "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level_since_at)
             VALUES ($1, 'sms', 'offers', TRUE, 'consent', $2, 0, $2)",
            [id.into(), since.into()],
        )
        .await
        .unwrap();
    }
}

async fn checked(
    house: &House,
    plan: &Definition,
    text: &str,
    configured: &str,
) -> CheckedCampaign {
    let settings = settings(configured);
    // A Monday noon: nobody waits for his hours.
    let now = house.now() + Duration::days(1);
    check::check(&house.parts.db, plan, &[&template(text)], &settings, now)
        .await
        .unwrap()
}

on_both! {
    async fn a_check_says_what_text_messages_weigh_and_cost(db: &TestDb) {
        let house = House::new(db, None);
        people(&house).await;
        let checked = checked(&house, &by_sms(), "{{first_name}}, tout doit partir: {{link}}", PROVIDER).await;
        let sms = checked.sms.as_ref().unwrap();
        assert_eq!((sms.provider.as_str(), sms.sampled, sms.will_receive), ("main", 4, 4), "{checked}");
        // "Zoê, tout doit partir: " + 30 + "\nSTOP au 36111" are 67 of 70 units.
        assert_eq!(sms.parts, [(1, 4)].into());
        assert_eq!((sms.ucs2, sms.offenders.as_slice()), (1, &[('ê', 1)][..]));
        // 3 × 0.05 + 0.10, and four times the dearest.
        assert_eq!((sms.typical_micros, sms.worst_micros), (Some(250_000), Some(400_000)));
        assert_eq!(sms.currency, "EUR");
        let told = checked.to_string();
        for part in [
            "1 part: 100 %", "UCS-2 for 25 %, because of 'ê' 25 %", "about 0.25 EUR, at worst 0.40 EUR",
            "FR: Mon-Fri 08:00-20:00, Sat 10:00-18:00, not on public holidays",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(checked.is_ready(), "{told}");
        // The short link of a code has the length that was counted.
        assert!(!told.contains("short links take"), "{told}");
    }

    async fn a_longer_text_costs_more_where_a_name_forces_the_other_alphabet(db: &TestDb) {
        let house = House::new(db, None);
        people(&house).await;
        let text = "{{first_name}}, tout doit partir, et tout de suite: {{link}}";
        let plain = checked(&house, &by_sms(), text, PROVIDER).await.sms.unwrap();
        assert_eq!(plain.parts, [(1, 3), (2, 1)].into());
        assert_eq!((plain.typical_micros, plain.worst_micros), (Some(300_000), Some(800_000)));
        let transliterated = PROVIDER.replace("sender = \"36111\"", "sender = \"36111\"\ntransliterate = true");
        let sms = checked(&house, &by_sms(), text, &transliterated).await.sms.unwrap();
        assert_eq!((sms.parts, sms.ucs2), ([(1, 4)].into(), 0));
        // What the provider appends is counted too.
        let provider = transliterated.replace("text = { fr = \"STOP au 36111\" }", "text = { fr = \"STOP au 36111 pour ne plus recevoir de messages de nous\" }\nby = \"provider\"");
        let long = "{{first_name}}, tout doit partir, et tout de suite, avant que les autres ne viennent: {{link}}";
        let sms = checked(&house, &by_sms(), long, &provider).await.sms.unwrap();
        assert_eq!(sms.parts, [(2, 4)].into());
    }

    async fn what_the_law_or_the_networks_forbid_is_refused_before_the_launch(db: &TestDb) {
        let house = House::new(db, None);
        people(&house).await;
        let text = "Tout doit partir: {{link}}";
        for (from, to, refusal) in [
            ("\"36111\"", "\"38111\"", "transactional"),
            ("sender = \"36111\"", "sender = \"ACME\"", ""),
            ("sender = \"36111\"", "", ""),
        ] {
            let configured = PROVIDER.replacen(from, to, 1);
            let checked = checked(&house, &by_sms(), text, &configured).await;
            assert_eq!(checked.is_ready(), refusal.is_empty(), "{to}: {checked}");
            assert!(checked.to_string().contains(refusal), "{checked}");
        }
        let without_number = PROVIDER.replacen("\"36111\"", "\"ACME\"", 1).replace("STOP au 36111", "STOP");
        let checked_one = checked(&house, &by_sms(), text, &without_number).await;
        assert!(!checked_one.is_ready() && checked_one.to_string().contains("nobody can answer ACME"), "{checked_one}");
        let mut mobile = by_sms();
        mobile.sender.sms = Some("+33612345678".to_owned());
        let checked_one = checked(&house, &mobile, text, PROVIDER).await;
        assert!(!checked_one.is_ready() && checked_one.to_string().contains("2018-0881"), "{checked_one}");
        let own = Definition { provider: Some("other".to_owned()), ..by_sms() };
        let checked_one = checked(&house, &own, text, PROVIDER).await;
        assert!(checked_one.to_string().contains("there are: main"), "{checked_one}");
    }

    async fn what_stands_in_the_way_is_warned_about(db: &TestDb) {
        let house = House::new(db, None);
        people(&house).await;
        let text = "Tout doit partir: {{link}}";
        for (configured, text, warning) in [
            (String::new(), text, "no SMS provider is configured"),
            (PROVIDER.replace("short_url = \"https://go.acme.fr\"", ""), text, "short links take 36 characters"),
            (PROVIDER.replace("https://go", "http://go"), text, "web.short_url is not https"),
            (PROVIDER.replace("GB = 0.10", ""), text, "no price for GB"),
            (PROVIDER.replace("GB = 0.10", "").replace("FR = 0.05", ""), text, "there is no price in"),
            (PROVIDER.to_owned(), "Tout doit partir: {{link}} STOP au 36111", "the template says STOP itself"),
        ] {
            let checked = checked(&house, &by_sms(), text, &configured).await;
            assert!(checked.warnings.iter().any(|told| told.to_string().contains(warning)), "{warning}: {checked}");
            assert!(checked.refusals.is_empty(), "{checked}");
            assert!(!checked.to_string().contains("no relay"), "{checked}");
        }
    }
}

#[test]
fn settings_that_cannot_work_are_refused_by_their_key() {
    for (from, to, key) in [
        (
            "\"36111\"\n",
            "\"Vaisselle800\"\n",
            "sms.providers.main.sender",
        ),
        (
            "\"STOP au 36111\"",
            "\"\"",
            "sms.providers.main.stop.text.fr",
        ),
        (
            "{ fr = \"STOP au 36111\" }",
            "{}",
            "sms.providers.main.stop.text",
        ),
        (
            "{ fr = \"STOP au 36111\" }",
            "{ fr = \"STOP {link}\" }\nby = \"provider\"",
            "sms.providers.main.stop.text.fr",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("visavis.toml");
        std::fs::write(&file, PROVIDER.replacen(from, to, 1)).unwrap();
        let error = Settings::load_from(Some(&file), Default::default()).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
}
