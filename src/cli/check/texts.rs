//! What `visavis check` says of SMS.

use super::Line;
use crate::channels::check;
use crate::channels::sms::model::Looked;
use crate::cli::clock;
use crate::config::{ProviderSettings, Settings, SmsSettings};

/// Whether each provider is there and knows us, where it is to post to, and what is missing.
pub(super) async fn providers(settings: &Settings) -> Vec<Line> {
    let folder = settings.data_dir.join("outbox");
    if settings.sms.providers.is_empty() {
        return vec![Line::Note(format!(
            "sms: no provider; text messages go to the outbox in {} and nothing leaves this machine",
            folder.display()
        ))];
    }
    let clock = clock();
    let tries = settings
        .sms
        .providers
        .keys()
        .map(|name| check::provider(settings, name, &clock));
    let answers = futures_util::future::join_all(tries).await;
    let url = &settings.web.public_url;
    let mut lines = Vec::new();
    for ((name, account), answer) in settings.sms.providers.iter().zip(answers) {
        lines.push(match answer {
            Ok(Looked::Known) => {
                Line::Good(format!("sms {name}: reached, and it accepts our key"))
            }
            Ok(Looked::Reached) => Line::Note(format!(
                "sms {name}: its address answers; whether it accepts our key, only a message will show"
            )),
            Err(problem) => Line::Bad(format!("sms {name}: {problem}")),
        });
        lines.extend(account_lines(name, account, url));
    }
    lines.extend(contact(&settings.sms));
    lines
}

fn account_lines(name: &str, account: &ProviderSettings, url: &str) -> Vec<Line> {
    let has_secret = account.hook_secret.is_some() || account.hook_secret_file.is_some();
    let end = if has_secret { "/…" } else { "" };
    let url = url.trim_end_matches('/');
    let mut lines = vec![Line::Good(format!(
        "sms {name}: have it post receipts to {url}/hooks/sms/{name}/receipt{end} and replies to {url}/hooks/sms/{name}/inbound{end}{}",
        if has_secret {
            " (… is the hook_secret)"
        } else {
            ""
        }
    ))];
    if account.prices.is_empty() {
        lines.push(Line::Note(format!(
            "sms {name}: no prices; the ledger and the report show no cost until [sms.providers.{name}.prices] has some"
        )));
    }
    if account.stop.is_none() {
        lines.push(Line::Note(format!(
            "sms {name}: no STOP mention; set sms.providers.{name}.stop before advertising"
        )));
    }
    lines
}

/// Whoever writes HELP or CONTACT wants to know how to reach somebody.
fn contact(sms: &SmsSettings) -> Option<Line> {
    let is_asked = |account: &ProviderSettings| !account.answers_keywords;
    let is_missing = sms.contact.trim().is_empty() && sms.providers.values().any(is_asked);
    is_missing.then(|| {
        Line::Note(
            "sms: HELP and CONTACT are answered without a way to reach you; set sms.contact to a number or an address"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_contact_is_noted_where_we_answer() {
        let noted = |contact_is: &str, answers: &str| {
            let settings: SmsSettings = toml::from_str(&format!(
                "connections = 1\ntimeout_seconds = 1\ncurrency = \"EUR\"\ntransliterate = false\ncontact = \"{contact_is}\"\n{answers}"
            ))
            .unwrap();
            contact(&settings).is_some()
        };
        assert!(noted("", "[providers.main]"));
        assert!(!noted("03 22 00 00 00", "[providers.main]"));
        assert!(!noted("", "[providers.main]\nanswers_keywords = true"));
        assert!(!noted("", ""), "the sandbox gets no texts");
    }

    fn said(account: &str) -> Vec<String> {
        let account: ProviderSettings = toml::from_str(account).unwrap();
        account_lines("main", &account, "https://news.example/")
            .into_iter()
            .map(|line| match line {
                Line::Good(text) => format!("ok {text}"),
                Line::Note(text) => format!("note {text}"),
                Line::Bad(text) => format!("FAIL {text}"),
            })
            .collect()
    }

    #[test]
    fn the_secret_end_of_an_address_is_not_shown() {
        let lines = said("hook_secret = \"abcdefghijklmnopqrst\"").join("\n");
        assert!(
            lines.contains("https://news.example/hooks/sms/main/receipt/… and"),
            "{lines}"
        );
        assert!(!lines.contains("abcdef"), "{lines}");
        let lines = said("").join("\n");
        assert!(
            lines.contains("https://news.example/hooks/sms/main/inbound\n"),
            "{lines}"
        );
    }

    #[test]
    fn missing_prices_and_a_missing_stop_mention_are_noted() {
        let bare = said("");
        assert!(
            bare.iter()
                .any(|line| line.starts_with("note sms main: no prices")),
            "{bare:?}"
        );
        assert!(
            bare.iter()
                .any(|line| line.starts_with("note sms main: no STOP")),
            "{bare:?}"
        );
        assert_eq!(
            said("[prices]\nFR = 0.05\n[stop]\ntext = { fr = \"STOP 36111\" }").len(),
            1
        );
    }
}
