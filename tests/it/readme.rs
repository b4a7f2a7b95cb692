//! What the README shows works as it stands there.

use visavis::campaigns::definition::Definition;
use visavis::segments::Rule;
use visavis::templates::{FieldFacts, Severity, Template};

const README: &str = include_str!("../../README.md");

fn blocks() -> Vec<&'static str> {
    README
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_campaign_can_be_applied() {
    let text = blocks()
        .into_iter()
        .find(|block| block.contains("segment = "))
        .unwrap();
    let definition = Definition::parse(text, "README.md").unwrap();
    Rule::parse(&definition.segment).unwrap();
    Template::embedded(&definition.template).unwrap();
}

#[test]
fn the_sms_provider_can_be_configured() {
    #[derive(serde::Deserialize)]
    struct Sms {
        providers: std::collections::BTreeMap<String, visavis::config::ProviderSettings>,
    }
    #[derive(serde::Deserialize)]
    struct Part {
        sms: Sms,
    }
    let text = blocks()
        .into_iter()
        .find(|block| block.contains("[sms.providers"))
        .unwrap();
    let Part { sms } = toml::from_str(text).unwrap();
    let account = sms.providers.get("main").unwrap();
    assert!(account.ovh.is_some() && account.stop.is_some());
    assert_eq!(account.price_micros("FR"), Some(49_000));
}

#[test]
fn the_template_loads_and_has_no_errors() {
    let text = blocks()
        .into_iter()
        .find(|block| block.contains("[attention]"))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("template.toml"), text).unwrap();
    let template = Template::load(folder.path()).unwrap();
    let errors: Vec<_> = template
        .lint(&FieldFacts::unknown())
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn the_rules_are_rules() {
    for line in README
        .lines()
        .filter(|line| line.contains("visavis segment"))
    {
        let Some(rule) = line.split('\'').nth(1) else {
            continue;
        };
        Rule::parse(rule).unwrap();
    }
}
