//! Where a link of a template may lead.

/// Bytes of an address; mail clients cut longer ones.
const MAX_URL_BYTES: usize = 2_000;

/// Checks that `url` is absolute, http or https, and the same for every recipient.
///
/// The scheme is what keeps `javascript:` and `data:` out: escaping does not.
pub(super) fn check(url: &str) -> Result<(), String> {
    if url.contains("{{") || url.contains(super::tags::OPEN) {
        return Err(
            "a link leads to the same place for everyone: fields cannot stand in it. Who clicked is known without"
                .to_owned(),
        );
    }
    if url.len() > MAX_URL_BYTES {
        return Err(format!("this address is longer than {MAX_URL_BYTES} bytes"));
    }
    let Some(rest) = strip_scheme(url, "https://").or_else(|| strip_scheme(url, "http://")) else {
        let problem = match url.split_once(':') {
            Some((scheme, _))
                if !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()) =>
            {
                format!("links to {scheme}: are refused")
            }
            _ => format!("{:?} is not a whole address", short(url)),
        };
        return Err(format!("{problem}; write it from https:// on"));
    };
    if url.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'<>\\`{}|^".contains(c)) {
        return Err(format!(
            "{:?} holds a character that no address may hold; percent-encode it",
            short(url)
        ));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("a link must not carry a user name or password".to_owned());
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let is_host = host
        .split('.')
        .all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'));
    if !is_host || !(port.is_empty() || port.parse::<u16>().is_ok()) {
        return Err(format!("{:?} names no host", short(url)));
    }
    Ok(())
}

/// Whether readers are led over an open line.
pub(super) fn is_plain_http(url: &str) -> bool {
    strip_scheme(url, "http://").is_some()
}

fn strip_scheme<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = url.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn short(url: &str) -> String {
    url.chars().take(60).collect()
}
