//! Settings: who wins, what is refused, and that every complaint names its key.

use std::collections::HashMap;
use std::path::Path;

use visavis::config::{DEFAULTS, Settings};

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("visavis.toml");
    std::fs::write(&path, file).unwrap();
    let environment: HashMap<String, String> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::load_from(Some(&path), environment).map_err(|error| error.to_string())
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[email]\nconnections = 7\nmessages_per_connection = 33\n";
    let settings = load(file, &[("VISAVIS__EMAIL__CONNECTIONS", "9")]).unwrap();
    assert_eq!(settings.email.connections, 9);
    assert_eq!(settings.email.messages_per_connection, 33);
    assert_eq!(settings.delivery.workers, 2, "the default");
}

#[test]
fn the_database_url_of_the_environment_is_taken_and_its_password_never_shown() {
    let url = "postgres://visavis:hunter2@db.example/visavis";
    let settings = load("", &[("DATABASE_URL", url)]).unwrap();
    assert_eq!(settings.database_url().expose(), url);
    let shown = format!("{settings:?} {}", settings.database_url());
    assert!(
        shown.contains("db.example") && !shown.contains("hunter2"),
        "{shown}"
    );
    let own = "sqlite:///elsewhere.db";
    let both = load(
        "",
        &[("DATABASE_URL", url), ("VISAVIS__DATABASE__URL", own)],
    )
    .unwrap();
    assert_eq!(
        both.database_url().expose(),
        own,
        "our own name is the last word"
    );
}

#[test]
fn every_complaint_names_its_key() {
    let relay = "[email.relay]\nhost = \"smtp.example\"\nport = 587\n";
    let limit = "[[email.limits]]\nsenders = [\"a.example\"]\nrate_per_second = 1\n";
    let both = |keys: &str| {
        format!(
            "{relay}tls = \"none\"\n[email.relays.eu1]\nhost = \"x\"\nport = 25\ntls = \"none\"\n{keys}\n"
        )
    };
    for (file, key) in [
        ("[email]\nconections = 3", "conections"),
        ("[emial]\nconnections = 3", "emial"),
        ("[email]\nconnections = \"many\"", "email.connections"),
        ("[email]\nconnections = 0", "email.connections"),
        ("[delivery]\nbatch = 9000", "delivery.batch"),
        ("[delivery]\nlease_seconds = 30", "delivery.lease_seconds"),
        ("[delivery]\nkeep_days = 399", "delivery.keep_days"),
        ("[web]\npublic_url = \"ftp://x\"", "web.public_url"),
        ("[web]\npublic_url = \"https://x/\"", "web.public_url"),
        ("[web]\nshort_url = \"go.x\"", "web.short_url"),
        ("[web]\nshort_url = \"https://x/\"", "web.short_url"),
        ("[web]\nlisten = \"everywhere\"", "web.listen"),
        ("[email]\nbounce_domain = \"a b\"", "email.bounce_domain"),
        ("[email]\nfeedback_id = \"x\"", "email.feedback_id"),
        (&format!("{relay}tls = \"perhaps\""), "email.relay.tls"),
        (
            &format!("{relay}tls = \"starttls\"\nusername = \"me\""),
            "email.relay.password",
        ),
        (
            &format!("{relay}tls = \"none\"\nusername = \"me\"\npassword = \"x\""),
            "email.relay.tls",
        ),
        (
            &format!(
                "{relay}tls = \"starttls\"\nusername = \"me\"\npassword = \"x\"\npassword_file = \"/y\""
            ),
            "email.relay.password",
        ),
        (
            "[email.relays.eu1]\nhost = \"x\"\nport = 25\ntls = \"none\"",
            "email.relay:",
        ),
        (
            &both("senders = [\"a.example\"]\nusername = \"me\""),
            "email.relays.eu1.password",
        ),
        (
            &both("senders = [\"A.example\"]"),
            "email.relays.eu1.senders",
        ),
        (&both("timeout_seconds = 500"), "delivery.lease_seconds"),
        (&both("connections = 0"), "email.relays.eu1.connections"),
        ("[[email.limits]]\nrate_per_second = 1", "email.limits[0]"),
        (
            "[[email.limits]]\nrecipients = [\"a.example\"]\nrate_per_second = 0",
            "email.limits[0].rate_per_second",
        ),
        (
            "[[email.limits]]\nrecipients = [\"*\", \"a.example\"]\nrate_per_second = 1",
            "email.limits[0]",
        ),
        (&format!("{limit}{limit}"), "email.limits[1]"),
        (
            &format!(
                "{relay}tls = \"starttls\"\nusername = \"me\"\npassword_file = \"/not/there\""
            ),
            "email.relay.password_file",
        ),
    ] {
        let complaint = load(file, &[]).unwrap_err();
        assert!(complaint.contains(key), "{file}: {complaint}");
    }
}

#[test]
fn a_sender_goes_the_way_that_lists_him_or_that_he_asks_for() {
    let relay = "host = \"127.0.0.1\"\nport = 25\ntls = \"none\"\n";
    let file = format!(
        "[email]\nrate_per_second = 9\n[email.relay]\n{relay}
         [email.relays.eu1]\n{relay}senders = [\"vaisselle.example\"]\nrate_per_second = 5\ntimeout_seconds = 7\n
         [email.relays.eu2]\n{relay}connections = 2\n"
    );
    let email = load(&file, &[]).unwrap().email;
    assert_eq!(email.route(None, "a@Vaisselle.example"), Ok("eu1"));
    assert_eq!(email.route(None, "a@elsewhere.example"), Ok("default"));
    assert_eq!(email.route(Some("eu2"), "a@vaisselle.example"), Ok("eu2"));
    assert_eq!(
        email.route(Some("default"), "a@vaisselle.example"),
        Ok("default")
    );
    let refusal = email.route(Some("eu9"), "a@b.example").unwrap_err();
    assert!(refusal.contains("default, eu1, eu2"), "{refusal}");
    assert_eq!(
        [email.rate_of("eu1"), email.rate_of("eu2")],
        [Some(5), Some(9)]
    );
    let eu = |name| email.relay_named(name).unwrap();
    assert_eq!(email.timeout_of(eu("eu1")), 7);
    assert_eq!(email.connections_to(eu("eu2")), 2);
    assert_eq!(email.connections_to(eu("default")), 10);
}

#[test]
fn a_secret_comes_from_its_file_and_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "hunter2\n").unwrap();
    let file = format!(
        "[email.relay]\nhost = \"smtp.example\"\nport = 465\ntls = \"implicit\"\nusername = \"me\"\npassword_file = {path:?}\n"
    );
    let settings = load(&file, &[]).unwrap();
    let (name, password) = settings
        .email
        .relay
        .unwrap()
        .credentials("email.relay")
        .unwrap()
        .unwrap();
    assert_eq!((name.as_str(), password.expose()), ("me", "hunter2"));
    assert_eq!(format!("{password:?}"), "***");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Settings::load_from(Some(Path::new("/no/such.toml")), HashMap::new()).unwrap_err();
    assert!(error.to_string().contains("/no/such"), "{error}");
}

/// What the file with the defaults documents in a comment is a key that exists.
#[test]
fn every_documented_key_exists() {
    // The accounts of [sms] are one of several kinds each: see below.
    let (before, _, after) = around_accounts();
    // Those of [mail_hooks] too, which stand before [sms].
    let (before, rest) = before.split_once("# [mail_hooks.main]\n").unwrap();
    let (_, sms) = rest.split_once("\n[sms]").unwrap();
    let before = format!("{before}\n[sms]{sms}");
    let uncommented: String = before
        .lines()
        .chain(after.lines())
        .map(|line| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let is_example = line.starts_with("# ")
                && (bare.starts_with('[')
                    || bare.split_once(" = ").is_some_and(|(key, _)| {
                        key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                    }));
            // One of two ways to say the same, and files that are not there.
            let is_left_out = ["password_file", "ca_file", "# url = \"postgres"]
                .iter()
                .any(|start| bare.starts_with(start) || line.starts_with(start));
            match (is_example, is_left_out) {
                (_, true) => String::new(),
                (true, false) => format!(
                    "{}\n",
                    bare.replace("key_file = \"/run/secrets/dkim.pem\"", "key = \"x\"")
                ),
                (false, false) => format!("{line}\n"),
            }
        })
        .collect();
    let uncommented =
        ["visavis", "bounces@example.com"]
            .into_iter()
            .fold(uncommented, |text, name| {
                let username = format!("username = \"{name}\"");
                text.replace(&username, &format!("{username}\npassword = \"x\""))
            });
    let folder = tempfile::tempdir().unwrap();
    for name in uncommented
        .split('"')
        .filter_map(|word| word.strip_prefix("/run/secrets/"))
    {
        std::fs::write(folder.path().join(name), "x".repeat(32)).unwrap();
    }
    let secrets = folder.path().display().to_string();
    let uncommented = uncommented.replace("/run/secrets", &secrets);
    // Tables written as comments stand before keys of the table around them: put those first.
    let settings: toml::Table = toml::from_str(&reorder(&uncommented)).unwrap();
    let path = folder.path().join("all.toml");
    std::fs::write(&path, toml::to_string(&settings).unwrap()).unwrap();
    let loaded = Settings::load_from(Some(&path), HashMap::new()).unwrap();
    assert!(loaded.email.relay.is_some() && loaded.email.dkim.len() == 1);
    assert!(loaded.email.relays.contains_key("eu1") && loaded.email.limits.len() == 3);
    assert_eq!(loaded.email.rate_per_second, Some(50));
    let inbound = &loaded.inbound;
    assert!(inbound.lmtp.is_some() && inbound.imap.contains_key("bounces"));
    assert!(loaded.email.takes_opt_outs);
}

/// The defaults before, in and after the commented accounts of `[sms]`.
fn around_accounts() -> (&'static str, &'static str, &'static str) {
    let from = DEFAULTS.find("# An account with a provider").unwrap();
    let to = DEFAULTS.find("\n[delivery]").unwrap();
    (&DEFAULTS[..from], &DEFAULTS[from..to], &DEFAULTS[to..])
}

/// So is what it documents of each kind of SMS provider.
#[test]
fn every_documented_kind_of_sms_provider_exists() {
    let (_, accounts, _) = around_accounts();
    // By the name of the table, with its keys uncommented and its files given in place.
    let mut tables: Vec<(String, String)> = Vec::new();
    for line in accounts.lines().filter_map(|line| line.strip_prefix("# ")) {
        if let Some(name) = line
            .strip_prefix("[sms.providers.main")
            .and_then(|rest| rest.split(']').next())
        {
            tables.push((name.trim_start_matches('.').to_owned(), String::new()));
        } else if let Some((key, value)) = line.split_once(" = ")
            && let Some((_, text)) = tables.last_mut()
            && !key.contains(' ')
        {
            let line = match key.strip_suffix("_file") {
                Some(key) => format!("{key} = \"a-secret-of-16-letters\""),
                None => format!("{key} = {value}"),
            };
            text.push_str(&format!("{line}\n"));
        }
    }
    let table = |(name, text): &(String, String)| {
        let end = if name.is_empty() {
            String::new()
        } else {
            format!(".{name}")
        };
        format!("[sms.providers.main{end}]\n{text}")
    };
    let common: String = ["", "stop", "prices"]
        .iter()
        .map(|name| table(tables.iter().find(|(known, _)| known == name).unwrap()))
        .collect();
    let mut kinds = 0;
    for (kind, _) in tables.iter().filter(|(name, _)| !name.contains('.')) {
        if ["", "stop", "prices"].contains(&kind.as_str()) {
            continue;
        }
        let of_kind: String = tables
            .iter()
            .filter(|(name, _)| name == kind || name.starts_with(&format!("{kind}.")))
            .map(table)
            .collect();
        let settings = load(&format!("{common}{of_kind}"), &[])
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(settings.sms.route(None), Ok("main"));
        assert_eq!(
            settings.sms.providers["main"].price_micros("FR"),
            Some(49_000)
        );
        assert_eq!(
            settings.sms.providers["main"].price_micros("DE"),
            Some(90_000)
        );
        kinds += 1;
    }
    assert_eq!(kinds, 7);
}

/// The tables of `[email]` after its plain keys.
fn reorder(text: &str) -> String {
    let (mut plain, mut relay, mut dkim) = (String::new(), String::new(), String::new());
    let mut place = 0;
    for line in text.lines() {
        match line.trim() {
            "[email.relay]" | "[email.relays.eu1]" => place = 1,
            "[[email.dkim]]" | "[[email.limits]]" => place = 2,
            // The first plain key after the relay's, and the next section after the signatures.
            line if line.starts_with("connections = ") || line == "[inbound]" => place = 0,
            _ => {}
        }
        let part = match place {
            1 => &mut relay,
            2 => &mut dkim,
            _ => &mut plain,
        };
        part.push_str(line);
        part.push('\n');
    }
    plain + &relay + &dkim
}

#[test]
fn a_list_of_ones_own_needs_to_say_what_differs_only() {
    let file = "[[pressure]]\nmax = 1\ndays = 2\n[[quiet_hours]]\nchannel = \"email\"\nallowed = [\"Mon-Fri 08:00-20:00\"]\n";
    let settings = load(file, &[]).unwrap();
    assert_eq!(
        settings.pressure[0].window,
        visavis::config::WindowKind::Calendar
    );
    assert!(settings.quiet_hours[0].holidays_are_quiet);
}
