//! The library of templates, on both databases.

use std::path::Path;

use sea_orm::ConnectionTrait;
use visavis::customers::store::spread::spread;
use visavis::storage::Db;
use visavis::templates::library::{self, Change, LibraryError, Origin, Saved};
use visavis::templates::{FileTexts, Template, difference};

use super::{folder, with_interest};
use crate::kit::ledger;
use crate::on_both;

const ANNE: &str = "user 3 Anne Petit";
const NOWHERE: &str = "/nowhere";

fn texts(interest: &str) -> FileTexts {
    FileTexts::new(with_interest(interest))
}

async fn save(
    db: &Db,
    folder: &Path,
    texts: &FileTexts,
    base: Option<i64>,
) -> Result<Saved, LibraryError> {
    let change = Change {
        name: "short",
        texts,
        base,
        by: ANNE,
        note: "",
    };
    library::save(db, folder, &change, 1_000).await
}

on_both! {
    async fn the_library_comes_before_the_folder_and_the_folder_before_the_binary(db: &TestDb) {
        let found = library::open(db, NOWHERE.as_ref(), "win-back").await.unwrap();
        assert_eq!((found.origin, found.saved_at), (Origin::Binary, None));
        let own = tempfile::tempdir().unwrap();
        std::fs::create_dir(own.path().join("win-back")).unwrap();
        let text = with_interest("Of the folder.").replace("\"short\"", "\"win-back\"");
        std::fs::write(own.path().join("win-back/template.toml"), &text).unwrap();
        let found = library::open(db, own.path(), "win-back").await.unwrap();
        assert_eq!((found.origin, found.texts.main()), (Origin::Folder, text.as_str()));

        let edited = FileTexts::new(text.replace("Of the folder", "Of the library"));
        let change = Change { name: "win-back", texts: &edited, base: Some(0), by: ANNE, note: "shorter" };
        let saved = library::save(db, own.path(), &change, 5_000).await.unwrap();
        assert_eq!(saved, Saved { revision: 2, is_new: true }, "revision 1 are the files it had");
        let found = library::open(db, own.path(), "win-back").await.unwrap();
        assert_eq!(found.origin, Origin::Library { revision: 2 });
        assert_eq!((found.texts, found.saved_at, found.saved_by.as_str()), (edited, Some(5_000), ANNE));
        let first = library::revision(db, "win-back", 1).await.unwrap();
        assert_eq!((first.files.main(), first.saved_by.as_str()), (text.as_str(), ""));
        let template = library::find(db, own.path(), "win-back").await.unwrap();
        assert!(template.source().contains("Of the library"));

        let list = library::list(db, own.path()).await.unwrap();
        let shown: Vec<_> = list.iter().map(|entry| (entry.name.as_str(), entry.origin)).collect();
        assert_eq!(shown, [
            ("store-evening", Origin::Binary),
            ("super-chef", Origin::Binary),
            ("win-back", Origin::Library { revision: 2 }),
        ]);
        let error = library::find(db, own.path(), "win-bakc").await.unwrap_err().to_string();
        assert_eq!(error, "there is no template \"win-bakc\"; there are store-evening, super-chef, win-back (did you mean \"win-back\"?)");
        for name in ["../win-back", "", "/etc"] {
            assert!(library::open(db, own.path(), name).await.is_err(), "{name}");
        }
    }

    async fn who_saves_over_anothers_work_is_told_first(db: &TestDb) {
        let nowhere = Path::new(NOWHERE);
        let first = save(db, nowhere, &texts("One."), Some(0)).await.unwrap();
        assert_eq!(first, Saved { revision: 1, is_new: true });
        save(db, nowhere, &texts("Two."), Some(1)).await.unwrap();
        let error = save(db, nowhere, &texts("Mine."), Some(1)).await.unwrap_err();
        assert!(matches!(&error, LibraryError::Conflict { revision: 2, .. }), "{error:?}");
        assert!(error.to_string().contains("saved by user 3 Anne Petit meanwhile, as revision 2"), "{error}");
        let error = save(db, nowhere, &texts("Mine."), Some(0)).await.unwrap_err();
        assert!(matches!(&error, LibraryError::Conflict { .. }), "it was begun by another: {error:?}");
        // Many at once: one is first, the others are told.
        let tries = (0..6).map(|n| {
            let (db, texts) = (db.db.clone(), texts(&format!("At once, {n}.")));
            tokio::spawn(async move { save(&db, NOWHERE.as_ref(), &texts, Some(2)).await })
        });
        let mut won = 0;
        for tried in tries.collect::<Vec<_>>() {
            match tried.await.unwrap() {
                Ok(saved) => {
                    assert_eq!(saved.revision, 3);
                    won += 1;
                }
                Err(error) => assert!(matches!(error, LibraryError::Conflict { .. }), "{error:?}"),
            }
        }
        assert_eq!(won, 1);
        // From the command line: over whatever stands there; the same again is nothing new.
        assert_eq!(save(db, nowhere, &texts("Last."), None).await.unwrap(), Saved { revision: 4, is_new: true });
        assert_eq!(save(db, nowhere, &texts("Last."), None).await.unwrap(), Saved { revision: 4, is_new: false });
        let numbers: Vec<_> = library::history(db, "short").await.unwrap().iter().map(|r| r.number).collect();
        assert_eq!(numbers, [4, 3, 2, 1]);
    }

    async fn a_past_revision_comes_back_as_a_new_one(db: &TestDb) {
        let nowhere = Path::new(NOWHERE);
        let (one, two) = (texts("One way of saying it."), texts("Another way of saying it."));
        save(db, nowhere, &one, Some(0)).await.unwrap();
        save(db, nowhere, &two, Some(1)).await.unwrap();
        let saved = library::restore(db, nowhere, "short", 1, ANNE, 9_000).await.unwrap();
        assert_eq!(saved, Saved { revision: 3, is_new: true });
        let found = library::open(db, nowhere, "short").await.unwrap();
        assert_eq!((&found.texts, found.saved_at), (&one, Some(9_000)));
        let history = library::history(db, "short").await.unwrap();
        assert_eq!((history[0].note.as_str(), history.len()), ("as revision 1", 3));
        let lines = difference::unified(&two, &found.texts);
        assert!(lines.contains("--- template.toml\n+++ template.toml\n"), "{lines}");
        assert!(lines.contains("\n-Another way of saying it.\n+One way of saying it.\n"), "{lines}");
        let error = library::restore(db, nowhere, "short", 7, ANNE, 0).await.unwrap_err().to_string();
        assert!(error.contains("no revision 7"), "{error}");
    }

    async fn what_cannot_be_read_is_not_saved_and_what_reads_badly_is(db: &TestDb) {
        let nowhere = Path::new(NOWHERE);
        let error = save(db, nowhere, &texts("{{fist_name"), Some(0)).await.unwrap_err().to_string();
        assert!(error.starts_with("template.toml:11: interest.body: "), "{error}");
        let no_toml = FileTexts::new("name = \"short\"\nlanguage = \"en\"\n[attention\n");
        let error = save(db, nowhere, &no_toml, Some(0)).await.unwrap_err().to_string();
        assert!(error.starts_with("template.toml:3"), "{error}");
        let other = FileTexts::new(with_interest("x").replace("\"short\"", "\"long\""));
        let error = save(db, nowhere, &other, Some(0)).await.unwrap_err().to_string();
        assert!(error.contains("name = \"long\", and it is to be saved as \"short\""), "{error}");
        assert!(library::history(db, "short").await.unwrap().is_empty());
        // No button: lint calls it an error, and it is the author's own business until he launches.
        let bare = FileTexts::new("name = \"short\"\nlanguage = \"en\"\n");
        save(db, nowhere, &bare, Some(0)).await.unwrap();
    }

    async fn what_is_archived_is_not_taken_by_campaigns_and_comes_back(db: &TestDb) {
        let nowhere = Path::new(NOWHERE);
        library::archive(db, nowhere, "super-chef", true, ANNE, 1_000).await.unwrap();
        let error = library::find(db, nowhere, "super-chef").await.unwrap_err().to_string();
        assert!(error.contains("\"super-chef\" is archived"), "{error}");
        let found = library::open(db, nowhere, "super-chef").await.unwrap();
        assert!(found.is_archived);
        assert_eq!(found.texts, FileTexts::embedded("super-chef").unwrap());
        library::archive(db, nowhere, "super-chef", false, ANNE, 1_000).await.unwrap();
        library::find(db, nowhere, "super-chef").await.unwrap();
        library::archive(db, nowhere, "super-chef", true, ANNE, 1_000).await.unwrap();
        library::restore(db, nowhere, "super-chef", 1, ANNE, 2_000).await.unwrap();
        library::find(db, nowhere, "super-chef").await.unwrap();
        assert!(library::archive(db, nowhere, "nobody-knows", true, ANNE, 0).await.is_err());
    }

    async fn fields_are_judged_by_customers_from_all_over_the_base(db: &TestDb) {
        assert!(spread(db, 4).await.unwrap().is_empty());
        for number in 1..=40 {
            ledger::customer(db, &format!("c{number}"), "fr", "none").await;
        }
        db.execute_unprepared("DELETE FROM customers WHERE id BETWEEN 11 AND 20").await.unwrap();
        let ids: Vec<i64> = spread(db, 8).await.unwrap().iter().map(|customer| customer.id.0).collect();
        assert!((4..=8).contains(&ids.len()), "{ids:?}");
        assert!(ids[0] <= 4 && ids[ids.len() - 1] >= 29, "from one end to the other: {ids:?}");
        assert_eq!(spread(db, 1_000).await.unwrap().len(), 30);
    }

    async fn a_copy_has_its_own_name_and_takes_nobody_elses(db: &TestDb) {
        let nowhere = Path::new(NOWHERE);
        let chef = FileTexts::embedded("super-chef").unwrap();
        library::copy(db, nowhere, &chef, "chef-in-spring", ANNE, 1_000).await.unwrap();
        let copy = library::open(db, nowhere, "chef-in-spring").await.unwrap();
        assert_eq!(copy.texts.main(), chef.main().replace("\"super-chef\"", "\"chef-in-spring\""));
        assert_eq!(copy.texts.translation("en"), chef.translation("en"));
        for name in ["chef-in-spring", "win-back", "No Name", ""] {
            let error = library::copy(db, nowhere, &chef, name, ANNE, 1_000).await.unwrap_err();
            assert!(matches!(error, LibraryError::Exists(_) | LibraryError::Name(_)), "{name}: {error:?}");
        }
    }
}

#[test]
fn the_example_to_begin_with_is_a_good_letter() {
    for language in ["fr", "en", "de"] {
        let texts = library::start::texts("my-letter", language).unwrap();
        let template = Template::from_texts(&texts).unwrap();
        assert_eq!(
            (template.name(), template.languages()),
            ("my-letter", &[language.to_owned()][..])
        );
        // Nothing is said but that it is the example.
        let findings = template.lint(&visavis::templates::FieldFacts::unknown());
        assert!(
            findings.iter().all(|finding| finding
                .message
                .to_string()
                .contains("still the example's text")),
            "{language}: {findings:?}"
        );
        let keys: Vec<&str> = findings
            .iter()
            .map(|finding| finding.key.as_str())
            .collect();
        for key in [
            "attention.subject",
            "attention.subheadline",
            "interest.body",
            "desire.points[2]",
            "action.button",
            "sms.text",
        ] {
            assert!(keys.contains(&key), "{language}: {key} in {keys:?}");
        }
        // As an editor breaks the lines of it.
        let edited = texts
            .main()
            .replace("letter has\n", "letter has\r\n")
            .replace(
                "Whom it is for, and why now.",
                "For <b>cooks</b>, if 3 < 4 > 2.",
            );
        let edited = Template::from_texts(&FileTexts::new(&edited)).unwrap();
        let edited = edited.lint(&visavis::templates::FieldFacts::unknown());
        assert_eq!(edited.len(), findings.len(), "{edited:?}");
        if language != "fr" {
            let of_line = edited
                .iter()
                .find(|finding| finding.key == "attention.subheadline")
                .unwrap();
            assert!(
                of_line
                    .message
                    .to_string()
                    .contains("will see <b> as it stands"),
                "{of_line}"
            );
        }
    }
}

#[test]
fn texts_are_read_as_a_folder_is() {
    let (main, french) = (
        with_interest("Hello."),
        "[attention]\nsubject = \"Une lettre\"\n",
    );
    let folder = folder(&main, Some(french));
    let texts = FileTexts::of_folder(folder.path()).unwrap();
    assert_eq!(
        texts.iter().collect::<Vec<_>>(),
        [("template.fr.toml", french), ("template.toml", &*main)]
    );
    let of_texts = Template::from_texts(&texts).unwrap();
    let of_folder = Template::load(folder.path()).unwrap();
    assert_eq!(of_texts.digest(), of_folder.digest());
    for name in Template::embedded_names() {
        let texts = FileTexts::embedded(&name).unwrap();
        let template = Template::from_texts(&texts).unwrap();
        assert_eq!(
            template.digest(),
            Template::embedded(&name).unwrap().digest()
        );
    }
}
