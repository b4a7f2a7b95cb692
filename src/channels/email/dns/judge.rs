//! Whether what is published is what we need.

use data_encoding::BASE64;

use super::model::{Difference, Purpose, Record, Standing};

/// The algorithm that stands before an RSA key, with the lengths around it, at most.
const ALGORITHM_BYTES: usize = 24;

/// How a record stands when these texts are published at its name.
pub(super) fn judge(record: &Record, texts: &[String]) -> (Standing, Vec<String>) {
    let meant = |prefix: &str| -> Vec<String> {
        texts
            .iter()
            .filter(|text| begins(text, prefix))
            .cloned()
            .collect()
    };
    match record.purpose {
        Purpose::Dkim => {
            let keys: Vec<String> = texts
                .iter()
                .filter(|text| tag(text, "p").is_some())
                .cloned()
                .collect();
            (one_of(&keys, |text| dkim(&record.value, text)), keys)
        }
        Purpose::Spf => {
            let policies = meant("v=spf1");
            (one_of(&policies, |text| spf(&record.value, text)), policies)
        }
        Purpose::Dmarc => {
            let policies = meant("v=DMARC1");
            (one_of(&policies, dmarc), policies)
        }
        Purpose::ReturnPath => (return_path(texts), texts.to_vec()),
    }
}

/// Whether a record begins with its version: the word, and then its end, a space or a semicolon.
fn begins(text: &str, version: &str) -> bool {
    text.trim_start()
        .get(..version.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(version))
        && text
            .trim_start()
            .get(version.len()..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ';']))
}

fn one_of(values: &[String], judged: impl Fn(&str) -> Standing) -> Standing {
    match values {
        [] => Standing::Missing,
        [one] => judged(one),
        _ => Standing::Different(Difference::Several),
    }
}

/// A tag of a list such as `v=DKIM1; k=rsa; p=…` (RFC 6376 section 3.2), without white space in it.
fn tag(text: &str, name: &str) -> Option<String> {
    text.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key.trim() == name).then(|| value.split_whitespace().collect())
    })
}

fn dkim(ours: &str, published: &str) -> Standing {
    let key = |text: &str| tag(text, "p").unwrap_or_default();
    let kind = |text: &str| tag(text, "k").unwrap_or_else(|| "rsa".to_owned());
    let different = Standing::Different;
    let theirs = key(published);
    if theirs.is_empty() {
        return different(Difference::Revoked);
    }
    if !kind(ours).eq_ignore_ascii_case(&kind(published)) {
        return different(Difference::OtherKind);
    }
    let Ok(theirs) = BASE64.decode(theirs.as_bytes()) else {
        return different(Difference::Malformed);
    };
    let ours = BASE64.decode(key(ours).as_bytes()).unwrap_or_default();
    // An RSA key is published with its algorithm before it, or bare (RFC 6376 erratum 3017): ours has it.
    if !ours.ends_with(&theirs) || ours.len() - theirs.len() > ALGORITHM_BYTES {
        return different(Difference::OtherKey);
    }
    let listed = |name: &str, wanted: &[&str]| {
        tag(published, name).is_none_or(|list| list.split(':').any(|item| wanted.contains(&item)))
    };
    if !listed("h", &["sha256"]) || !listed("s", &["*", "email"]) {
        return different(Difference::Unusable);
    }
    if tag(published, "t").is_some_and(|flags| flags.split(':').any(|flag| flag == "y")) {
        return different(Difference::Testing);
    }
    Standing::Right
}

fn spf(ours: &str, published: &str) -> Standing {
    let terms = |text: &str| -> Vec<String> {
        text.split_whitespace()
            .skip(1)
            .map(|term| term.trim_start_matches('+').to_ascii_lowercase())
            .collect()
    };
    let theirs = terms(published);
    if theirs.iter().any(|term| term == "all") {
        return Standing::Different(Difference::AllowsAll);
    }
    let is_named = terms(ours)
        .iter()
        .filter(|term| !term.ends_with("all"))
        .all(|term| theirs.contains(term));
    if is_named {
        Standing::Right
    } else {
        Standing::Different(Difference::NotNamed)
    }
}

fn dmarc(published: &str) -> Standing {
    match tag(published, "p").as_deref() {
        Some("none" | "quarantine" | "reject") => Standing::Right,
        _ => Standing::Different(Difference::Malformed),
    }
}

/// Which server takes the mail is the firm's own affair: that one does, is what counts.
fn return_path(servers: &[String]) -> Standing {
    if servers.is_empty() {
        return Standing::Missing;
    }
    let takes_mail = |server: &String| {
        server
            .split_whitespace()
            .last()
            .is_some_and(|host| host != ".")
    };
    if servers.iter().any(takes_mail) {
        Standing::Right
    } else {
        Standing::Different(Difference::TakesNoMail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::email::dns::model::RecordKind;

    fn judged(purpose: Purpose, ours: &str, published: &[&str]) -> Standing {
        let record = Record {
            purpose,
            name: "x.example".to_owned(),
            kind: RecordKind::Txt,
            value: ours.to_owned(),
        };
        let texts: Vec<String> = published.iter().map(|text| (*text).to_owned()).collect();
        judge(&record, &texts).0
    }

    #[test]
    fn a_key_is_ours_with_its_algorithm_or_without() {
        use Difference::{Malformed, OtherKey, OtherKind, Revoked, Several, Testing, Unusable};
        // "head" and "key!", of which the second is what stands bare.
        let ours = "v=DKIM1; k=rsa; p=aGVhZGtleSE=";
        for (published, standing) in [
            (&[][..], Standing::Missing),
            (&["google-site-verification=x"], Standing::Missing),
            (&["v=DKIM1; k=rsa; p=aGVhZGtleSE="], Standing::Right),
            (&["p=aGVh ZGtl eSE="], Standing::Right),
            (&["v=DKIM1; p=a2V5IQ=="], Standing::Right),
            (&["v=DKIM1; p="], Standing::Different(Revoked)),
            (&["v=DKIM1; p=b3RoZXI="], Standing::Different(OtherKey)),
            (&["v=DKIM1; p=%%%"], Standing::Different(Malformed)),
            (
                &["v=DKIM1; k=ed25519; p=aGVhZGtleSE="],
                Standing::Different(OtherKind),
            ),
            (
                &["v=DKIM1; t=y:s; p=aGVhZGtleSE="],
                Standing::Different(Testing),
            ),
            (&["v=DKIM1; t=s; p=aGVhZGtleSE="], Standing::Right),
            (
                &["v=DKIM1; h=sha1; p=aGVhZGtleSE="],
                Standing::Different(Unusable),
            ),
            (
                &["p=aGVhZGtleSE=", "p=aGVhZGtleSE="],
                Standing::Different(Several),
            ),
        ] {
            assert_eq!(
                judged(Purpose::Dkim, ours, published),
                standing,
                "{published:?}"
            );
        }
    }

    #[test]
    fn spf_is_right_where_it_names_our_way_and_not_everybody() {
        use Difference::{AllowsAll, NotNamed, Several};
        let ours = "v=spf1 include:sendgrid.net ~all";
        for (published, standing) in [
            (&["v=spf10 include:sendgrid.net"][..], Standing::Missing),
            (&["v=spf1 a mx include:SendGrid.net -all"], Standing::Right),
            (&["v=spf1 +include:sendgrid.net ?all"], Standing::Right),
            (&["v=spf1 mx -all"], Standing::Different(NotNamed)),
            (
                &["v=spf1 include:sendgrid.net +all"],
                Standing::Different(AllowsAll),
            ),
            (
                &["v=spf1 include:sendgrid.net all"],
                Standing::Different(AllowsAll),
            ),
            (
                &["v=spf1 mx -all", "v=spf1 include:sendgrid.net -all"],
                Standing::Different(Several),
            ),
        ] {
            assert_eq!(
                judged(Purpose::Spf, ours, published),
                standing,
                "{published:?}"
            );
        }
    }

    #[test]
    fn a_domain_that_takes_no_mail_gets_no_bounces() {
        for (published, standing) in [
            (&[][..], Standing::Missing),
            (&["0 ."], Standing::Different(Difference::TakesNoMail)),
            (&["10 mx.example.com."], Standing::Right),
        ] {
            assert_eq!(judged(Purpose::ReturnPath, "10 mine.", published), standing);
        }
    }

    #[test]
    fn a_policy_needs_its_word() {
        for (published, standing) in [
            (&["v=DMARC1; p=reject; sp=none"][..], Standing::Right),
            (&["v=DMARC1"], Standing::Different(Difference::Malformed)),
            (
                &["v=DMARC1; p=maybe"],
                Standing::Different(Difference::Malformed),
            ),
            (&["v=spf1 -all"], Standing::Missing),
        ] {
            assert_eq!(
                judged(Purpose::Dmarc, "v=DMARC1; p=none", published),
                standing
            );
        }
    }
}
