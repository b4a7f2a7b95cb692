//! A form of a template: read out of its files and written back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use visavis::templates::draft::{Draft, Fields, SLOTS};
use visavis::templates::{FileTexts, Template};

/// As an author wrote it, with all that a form knows nothing of.
const BY_HAND: &str = r##"# Our spring letter.
name = "short"   # never change this
language = 'en'
weight = 12 # of a later version

[theme]
accent = "#8a3b12"

# What stands in the inbox.
[attention]
subject = "A short letter" # 14 characters
tone = "calm"
preheader = """With a \
  short promise."""
# above the headline
headline = 'Short, and "to the point".'
[attention.image]
# our own server
url = "https://shop.example/spring.jpg"

[interest]
body = """
Hello,

this is **it**.
"""

[desire]
points = [
  # the first
  "It is **short**.", # said at once
  'It is cheap.',

  # the last
  "It is here."
  # and no more
]

[action]
button = "Read on"
link = "https://shop.example/on"
box = { title = "A gift", body = "For you." } # in one line

[interests]
"https://shop.example/on" = "letters"

[later]
key = [1, 2]
# the end
"##;

fn draft(texts: &FileTexts) -> Draft {
    Draft::read(texts).unwrap()
}

/// The lines of a file's comments, wherever they stand.
fn comments(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| {
            let at = line.find("# ")?;
            line.get(at..)
        })
        .collect()
}

#[test]
fn a_form_that_was_not_changed_changes_nothing() {
    let mut all = vec![FileTexts::new(BY_HAND)];
    for name in Template::embedded_names() {
        all.push(FileTexts::embedded(&name).unwrap());
    }
    for texts in all {
        let mut form = draft(&texts);
        assert_eq!(form.write(&texts).unwrap(), texts);
        // As a browser sends it back.
        for fields in form.wordings.values_mut() {
            for text in fields.texts.values_mut() {
                *text = text.replace('\n', "\r\n");
            }
            fields.points.push(String::new());
        }
        assert_eq!(form.write(&texts).unwrap(), texts);
    }
}

#[test]
fn one_change_changes_one_line() {
    let texts = FileTexts::new(BY_HAND);
    let set = |key: &str, text: &str| {
        let mut form = draft(&texts);
        let fields = form.wordings.get_mut("en").unwrap();
        fields.texts.insert(key.to_owned(), text.to_owned());
        form.write(&texts).unwrap().main().to_owned()
    };
    for (key, text, before, after) in [
        (
            "attention.subject",
            "Shorter",
            "\"A short letter\" # 14",
            "\"Shorter\" # 14",
        ),
        (
            "attention.headline",
            "Now",
            "'Short, and \"to the point\".'",
            "\"Now\"",
        ),
        (
            "interest.body",
            "Hello,\r\n\r\nthat is **it**.",
            "this is",
            "that is",
        ),
        (
            "action.box.title",
            "A \"gift\"",
            "\"A gift\"",
            "'A \"gift\"'",
        ),
        (
            "action.deadline",
            "Soon.",
            "# in one line\n",
            "# in one line\ndeadline = \"Soon.\"\n",
        ),
        (
            "attention.image.alt",
            "Spring",
            "spring.jpg\"\n",
            "spring.jpg\"\nalt = \"Spring\"\n",
        ),
    ] {
        assert_eq!(set(key, text), BY_HAND.replacen(before, after, 1), "{key}");
    }
    let with_sms = set("sms.text", "Short: {{link}}");
    assert!(
        with_sms.contains("[sms]\ntext = \"Short: {{link}}\"\n"),
        "{with_sms}"
    );
}

#[test]
fn what_is_emptied_goes_and_its_comments_stay() {
    let texts = FileTexts::new(BY_HAND);
    let mut form = draft(&texts);
    let fields = form.wordings.get_mut("en").unwrap();
    fields.texts.remove("attention.headline");
    fields.texts.remove("attention.image.url");
    fields
        .texts
        .insert("action.box.title".to_owned(), "  ".to_owned());
    fields.texts.remove("action.box.body");
    fields.points.clear();
    form.interests
        .insert("https://shop.example/on".to_owned(), String::new());
    let written = form.write(&texts).unwrap();
    let main = written.main();
    for gone in [
        "headline =",
        "[attention.image]",
        "box =",
        "points =",
        "\"letters\"",
    ] {
        assert!(!main.contains(gone), "{gone} in {main}");
    }
    for comment in comments(BY_HAND) {
        assert!(main.contains(comment), "{comment} in {main}");
    }
    assert_eq!(
        draft(&written)
            .wordings
            .get("en")
            .unwrap()
            .text("attention.subject"),
        "A short letter"
    );
    assert!(draft(&written).interests.is_empty());
}

#[test]
fn points_keep_their_comments_when_others_come_and_go() {
    let texts = FileTexts::new(BY_HAND);
    let with = |points: &[&str]| {
        let mut form = draft(&texts);
        form.wordings.get_mut("en").unwrap().points =
            points.iter().map(|p| (*p).to_owned()).collect();
        let written = form.write(&texts).unwrap();
        let read = draft(&written).wordings["en"].points.clone();
        assert_eq!(read, points);
        for comment in comments(BY_HAND) {
            assert!(
                written.main().contains(comment),
                "{comment} in {}",
                written.main()
            );
        }
        written.main().to_owned()
    };
    assert!(
        with(&["It is **short**.", "It is free.", "It is here.", "And new."]).contains(
            "'It is cheap.'"
                .replace("'It is cheap.'", "\"It is free.\"")
                .as_str()
        )
    );
    let moved = with(&["It is here.", "It is **short**."]);
    assert!(
        moved.contains("# the first\n  \"It is **short**.\""),
        "{moved}"
    );
    with(&["Only this."]);
}

#[test]
fn a_new_language_gets_a_file_of_its_own() {
    let texts = FileTexts::new(BY_HAND);
    let mut form = draft(&texts);
    let mut french = Fields::default();
    french
        .texts
        .insert("attention.subject".to_owned(), "Une lettre".to_owned());
    french
        .texts
        .insert("interest.body".to_owned(), "Bonjour,\n\nvoilà.".to_owned());
    french.points = vec!["Courte.".to_owned()];
    form.wordings.insert("fr".to_owned(), french);
    let written = form.write(&texts).unwrap();
    assert_eq!(written.main(), BY_HAND);
    assert_eq!(
        written.translation("fr").unwrap(),
        "[attention]\nsubject = \"Une lettre\"\n\n[interest]\nbody = \"\"\"\nBonjour,\n\nvoilà.\n\"\"\"\n\n[desire]\npoints = [\n  \"Courte.\",\n]\n"
    );
    let differing = draft(&texts).differences(&draft(&written));
    let keys: Vec<_> = differing
        .iter()
        .map(|d| (d.language.as_deref(), d.key.as_str()))
        .collect();
    assert_eq!(
        keys,
        [
            (Some("fr"), "attention.subject"),
            (Some("fr"), "interest.body"),
            (Some("fr"), "desire.points[0]"),
        ]
    );
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z \"'\\\\#=\\[\\]{}é€\n]{0,40}",
        1 => any::<String>(),
        1 => Just(String::new()),
    ]
}

fn fields() -> impl Strategy<Value = Fields> {
    let texts = proptest::collection::btree_map(0..SLOTS.len(), words(), 0..8);
    (texts, proptest::collection::vec(words(), 0..5)).prop_map(|(texts, points)| Fields {
        texts: texts
            .into_iter()
            .map(|(slot, text)| (SLOTS[slot].key.to_owned(), text))
            .collect(),
        points,
    })
}

/// As the files give it back.
fn tidied(fields: &Fields) -> Fields {
    let tidy = |text: &String| {
        text.replace("\r\n", "\n")
            .replace('\r', "\n")
            .trim()
            .to_owned()
    };
    let texts: BTreeMap<_, _> = fields
        .texts
        .iter()
        .map(|(key, text)| (key.clone(), tidy(text)))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let points = fields.points.iter().map(tidy).filter(|p| !p.is_empty());
    Fields {
        texts,
        points: points.collect(),
    }
}

proptest! {
    #[test]
    fn what_a_form_says_is_what_the_files_say(
        english in fields(),
        french in fields(),
        description in words(),
        second in fields(),
    ) {
        let texts = FileTexts::new(BY_HAND);
        let mut form = draft(&texts);
        form.description.clone_from(&description);
        form.wordings.insert("en".to_owned(), english.clone());
        form.wordings.insert("fr".to_owned(), french.clone());
        let written = form.write(&texts).unwrap();
        let read = draft(&written);
        prop_assert_eq!(&tidied(&read.wordings["en"]), &tidied(&english));
        prop_assert_eq!(&tidied(&read.wordings["fr"]), &tidied(&french));
        let description = description.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(read.description.trim(), description.trim());
        // And once more, over what was written.
        let mut form = read;
        form.wordings.insert("en".to_owned(), second.clone());
        let again = form.write(&written).unwrap();
        prop_assert_eq!(&tidied(&draft(&again).wordings["en"]), &tidied(&second));
        prop_assert_eq!(again.translation("fr"), written.translation("fr"));
        for kept in ["weight = 12 # of a later version", "tone = \"calm\"", "[later]\nkey = [1, 2]"] {
            prop_assert!(again.main().contains(kept), "{} in {}", kept, again.main());
        }
        for comment in comments(BY_HAND) {
            prop_assert!(again.main().contains(comment), "{} in {}", comment, again.main());
        }
    }
}
