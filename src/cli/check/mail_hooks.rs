//! What `visavis check` says of what providers of email post.

use super::Line;
use crate::config::{MailProvider, Settings};
use crate::responses::mail_events::MailHook;

/// Where each account is to post to, and what is missing.
pub(super) fn lines(settings: &Settings) -> Vec<Line> {
    let url = settings.web.public_url.trim_end_matches('/');
    let mut lines = Vec::new();
    for (name, account) in &settings.mail_hooks {
        let hook = match MailHook::open(name, account) {
            Ok(hook) => hook,
            Err(error) => {
                lines.push(Line::Bad(format!("{error}")));
                continue;
            }
        };
        let has_secret = account.hook_secret.is_some() || account.hook_secret_file.is_some();
        let (end, said) = if has_secret {
            ("/…", " (… is the hook_secret)")
        } else {
            ("", "")
        };
        let provider = hook.provider();
        lines.push(Line::Good(format!(
            "mail hook {name}: have {} post to {url}/hooks/mail/{name}{end}{said}",
            title(provider)
        )));
        let has_relay = settings
            .email
            .routes()
            .any(|(_, relay)| relay.is_some_and(|relay| relay.provider == Some(provider)));
        if !has_relay {
            lines.push(Line::Note(format!(
                "mail hook {name}: no relay of [email] has provider = \"{}\"; what is posted may not say which message it is about",
                provider.as_str()
            )));
        }
    }
    lines
}

fn title(provider: MailProvider) -> &'static str {
    match provider {
        MailProvider::Ses => "Amazon SNS",
        MailProvider::Sendgrid => "SendGrid",
        MailProvider::Mailgun => "Mailgun",
        MailProvider::Postmark => "Postmark",
        MailProvider::Brevo => "Brevo",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_address_is_shown_without_its_secret_end() {
        let mut settings = Settings::load_from(None, HashMap::new()).unwrap();
        settings.web.public_url = "https://news.example".to_owned();
        settings.mail_hooks = toml::from_str(
            "[main]\nhook_secret = \"abcdefghijklmnopqrst\"\n[main.brevo]\n[other.sendgrid]\npublic_key = \"x\"",
        )
        .unwrap();
        let said: Vec<String> = lines(&settings)
            .into_iter()
            .map(|line| match line {
                Line::Good(text) => format!("ok {text}"),
                Line::Note(text) => format!("note {text}"),
                Line::Bad(text) => format!("FAIL {text}"),
            })
            .collect();
        assert_eq!(
            said[0],
            "ok mail hook main: have Brevo post to https://news.example/hooks/mail/main/… (… is the hook_secret)"
        );
        assert!(said[1].starts_with("note mail hook main: no relay"));
        assert!(said[2].starts_with("FAIL mail_hooks.other.sendgrid.public_key"));
    }
}
