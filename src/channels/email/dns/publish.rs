//! What belongs into DNS for a sender.

use super::model::{Purpose, Record, RecordKind, Sender};
use crate::channels::email::DkimError;
use crate::channels::email::dkim::DkimSigner;
use crate::config::{MailProvider, RelaySettings, Settings};

/// The records for mail from `domain`, as the settings would send it.
///
/// # Errors
/// When a key of `[[email.dkim]]` cannot be used.
pub fn sender(settings: &Settings, domain: &str) -> Result<Sender, DkimError> {
    let email = &settings.email;
    let mut records = Vec::new();
    let mut is_signed = false;
    for dkim in &email.dkim {
        if !is_aligned(&dkim.domain, domain) {
            continue;
        }
        is_signed = true;
        let signer = DkimSigner::new(dkim)?;
        records.push(Record {
            purpose: Purpose::Dkim,
            name: signer.record(),
            kind: RecordKind::Txt,
            value: signer.published(),
        });
    }
    let bounces = email.bounce_domain.to_ascii_lowercase();
    let route = email.route(None, domain).ok();
    let relay = route.and_then(|name| email.relay_named(name)).flatten();
    records.push(Record {
        purpose: Purpose::Spf,
        name: bounces.clone(),
        kind: RecordKind::Txt,
        value: format!("v=spf1 {} ~all", mechanism(relay)),
    });
    records.push(Record {
        purpose: Purpose::ReturnPath,
        name: bounces.clone(),
        kind: RecordKind::Mx,
        value: format!("10 {}.", mail_host(settings)),
    });
    records.push(Record {
        purpose: Purpose::Dmarc,
        name: format!("_dmarc.{domain}"),
        kind: RecordKind::Txt,
        value: format!("v=DMARC1; p=none; rua=mailto:dmarc@{domain}"),
    });
    Ok(Sender {
        domain: domain.to_owned(),
        records,
        is_signed,
        is_return_path_own: is_aligned(&bounces, domain),
    })
}

/// What allows a relay in SPF: that of its provider, or the address of its host. A relay on this machine
/// sends from here, where the mail server of the return path is too.
fn mechanism(relay: Option<&RelaySettings>) -> String {
    let Some(relay) = relay else {
        return "mx".to_owned();
    };
    let provided = relay.provider.map(|provider| match provider {
        MailProvider::Ses => "include:amazonses.com",
        MailProvider::Sendgrid => "include:sendgrid.net",
        MailProvider::Mailgun => "include:mailgun.org",
        MailProvider::Postmark => "include:spf.mtasv.net",
        MailProvider::Brevo => "include:spf.brevo.com",
    });
    if let Some(provided) = provided {
        return provided.to_owned();
    }
    let host = relay.host.to_ascii_lowercase();
    match host.parse::<std::net::IpAddr>() {
        Ok(address) if address.is_loopback() => "mx".to_owned(),
        Ok(std::net::IpAddr::V4(address)) => format!("ip4:{address}"),
        Ok(std::net::IpAddr::V6(address)) => format!("ip6:{address}"),
        Err(_) if host == "localhost" => "mx".to_owned(),
        Err(_) => format!("a:{host}"),
    }
}

/// The server at which bounces arrive, as far as one can guess: the one that answers the links.
fn mail_host(settings: &Settings) -> String {
    reqwest::Url::parse(&settings.web.public_url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| settings.email.bounce_domain.clone())
}

/// Whether two domains count as one sender (RFC 7489 section 3.1.1, relaxed): they share the domain that its
/// owner registered.
pub(super) fn is_aligned(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    one == other || registered(&one) == registered(&other)
}

/// The domain that was registered, as far as one can tell without a list of public suffixes: two labels, and three
/// below a country's short ones, such as `co.uk`.
fn registered(domain: &str) -> String {
    let labels: Vec<&str> = domain.split('.').collect();
    let wanted = match labels.as_slice() {
        [.., second, top] if top.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    let from = labels.len().saturating_sub(wanted);
    labels.into_iter().skip(from).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_one_owner_are_aligned() {
        for (one, other, aligned) in [
            ("shop.example", "Shop.example", true),
            ("news.shop.example", "shop.example", true),
            ("news.shop.example", "bounce.shop.example", true),
            ("shop.example", "other.example", false),
            ("a.co.uk", "b.co.uk", false),
            ("x.a.co.uk", "a.co.uk", true),
        ] {
            assert_eq!(is_aligned(one, other), aligned, "{one} {other}");
        }
    }
}
