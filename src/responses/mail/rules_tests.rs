use super::*;

#[test]
fn the_file_that_is_built_in_can_be_used() {
    let rules = Rules::parse(FILE).unwrap();
    assert!(rules.rules.len() > 30);
    assert!(RULES.is_some());
    for pattern in [&BOTH, &STATUS, &CODE, &BREAKS, &ADDRESS] {
        assert!(pattern.is_some());
    }
}

/// The file with one line put before its first rule.
fn with(rule: &str) -> Result<Rules, RulesError> {
    let (signs, rules) = FILE.split_once("[[rule]]").unwrap();
    Rules::parse(&format!("{signs}{rule}\n[[rule]]{rules}"))
}

#[test]
fn a_rule_that_cannot_hold_names_its_line() {
    let line = FILE.split_once("[[rule]]").unwrap().0.matches('\n').count() + 1;
    for (rule, what) in [
        (
            "[[rule]]\nname = \"x\"\nclass = \"quota\"",
            "holds for everything",
        ),
        (
            "[[rule]]\nname = \"spam\"\nclass = \"quota\"\ncodes = [550]",
            "twice",
        ),
        (
            "[[rule]]\nname = \"x\"\nclass = \"quota\"\ncodes = [250]",
            "no code of a refusal",
        ),
        (
            "[[rule]]\nname = \"x\"\nclass = \"quota\"\nwords = [\"Boîte Pleine\"]",
            "boite pleine",
        ),
        (
            "[[rule]]\nname = \"x\"\nclass = \"quota\"\nstatus = [\"1\"]",
            "no status",
        ),
        (
            "[[rule]]\nname = \"x\"\nclass = \"quota\"\nstatus = [\"7.9-1\"]",
            "no status",
        ),
        (
            "[[rule]]\nname = \"x\"\nclass = \"hard\"\ncodes = [550]",
            "unknown variant",
        ),
        (
            "[[rule]]\nname = \"x\"\nclass = \"quota\"\ncode = [550]",
            "unknown field",
        ),
    ] {
        let error = with(rule).unwrap_err();
        assert!(error.what.contains(what), "{rule}: {error}");
        // Of two with one name the second is told, which stands further down.
        assert!(
            what == "twice" || (line..line + 5).contains(&error.line),
            "{rule}: {error}, not {line}"
        );
    }
}

#[test]
fn codes_are_found_where_servers_write_them_and_nowhere_else() {
    for (text, status, code) in [
        (
            "550 5.1.1 <a@example.com>: User unknown",
            Some((5, 1, 1)),
            Some(550),
        ),
        (
            "550-5.7.26 This mail\n550 5.7.26 is not",
            Some((5, 7, 26)),
            Some(550),
        ),
        (
            "Sorry, no mailbox here by that name. (#5.1.1)",
            Some((5, 1, 1)),
            None,
        ),
        (
            "host mx.example.com[192.0.2.1] said: 552 mailbox full",
            None,
            Some(552),
        ),
        (
            "host mx said: 550 5.0.0 x (#5.2.1)",
            Some((5, 2, 1)),
            Some(550),
        ),
        (
            "SMTP error from remote mail server after RCPT TO:<a@example.com>:\n550 No such user",
            None,
            Some(550),
        ),
        (
            "Remote server returned '554 5.2.2 mailbox full'",
            Some((5, 2, 2)),
            Some(554),
        ),
        (
            "Room 550, 10.5.1.1 and 5.1.1.2 and version 8.5.1",
            None,
            None,
        ),
        ("", None, None),
    ] {
        let read = Diagnosis::of(text);
        assert_eq!((read.status, read.code), (status, code), "{text}");
    }
}

#[test]
fn a_sentence_on_several_lines_is_one_sentence() {
    let (class, _) = class_of(
        "550-5.1.1 The email account that you tried to\r\n550-5.1.1 reach does not exist.\r\n550 5.1.1 Learn more",
        None,
        None,
    );
    assert_eq!(class, Class::InvalidRecipient);
    let (class, _) = class_of("550 User <spam.quota@example.com> unknown", None, None);
    assert_eq!(class, Class::InvalidRecipient);
    let (class, rule) = class_of("", Some((5, 0, 0)), None);
    assert_eq!((class, rule), (Class::Network, "undetermined"));
}
