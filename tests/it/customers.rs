//! Importing customers and orders on both databases.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;
use proptest::prelude::*;
use sea_orm::Value;
use tempfile::TempDir;
use visavis::consent::chain;
use visavis::consent::ladder::Level;
use visavis::consent::model::{Channel, Scope, Tracking};
use visavis::consent::store as consent;
use visavis::customers::import::{
    self, ImportError, ImportKind, ImportReport, ImportRequest, Progress, WarningKind,
};
use visavis::customers::model::{Customer, EmailState, Stage};
use visavis::customers::{sample, store};
use visavis::ids::CustomerId;
use visavis::keys::Keys;
use visavis::storage::{Db, Sql};

use crate::on_both;

/// 2026-11-22T12:00:00Z.
const NOW: i64 = 1_795_348_800_000;

fn keys() -> Keys {
    Keys::from_secret(&[7; 32])
}

/// A folder with one file to import.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

async fn try_import(db: &Db, request: ImportRequest) -> Result<ImportReport, ImportError> {
    import::run(db, &keys(), NOW, request, |_| {}).await
}

/// Imports a text as customers.
async fn import(db: &Db, text: impl AsRef<[u8]>) -> ImportReport {
    import_as(db, ImportKind::Customers, text).await
}

async fn import_as(db: &Db, kind: ImportKind, text: impl AsRef<[u8]>) -> ImportReport {
    let files = Files::new();
    let path = files.put("file.csv", text);
    let request = ImportRequest::new(path, kind);
    let trial = ImportRequest {
        dry_run: true,
        ..request.clone()
    };
    let trial = try_import(db, trial).await.unwrap();
    let report = try_import(db, request).await.unwrap();
    let is_dry_run = false;
    assert_eq!(
        ImportReport {
            is_dry_run,
            ..trial
        },
        report,
        "a trial says what the import does"
    );
    report
}

fn counts(report: &ImportReport) -> [u64; 4] {
    [
        report.created,
        report.updated,
        report.unchanged,
        report.rejected,
    ]
}

async fn count(db: &Db, table: &str) -> i64 {
    let row = db
        .row(format!("SELECT COUNT(*) AS n FROM {table}"), [])
        .await
        .unwrap()
        .unwrap();
    row.try_get("", "n").unwrap()
}

async fn find(db: &Db, column: &str, value: &str) -> Customer {
    let sql = format!("SELECT id FROM customers WHERE {column} = $1 ORDER BY id");
    let row = db
        .row(sql, [Value::from(value)])
        .await
        .unwrap()
        .expect("the customer is there");
    let id = CustomerId(row.try_get("", "id").unwrap());
    store::get(&**db, db.dialect(), id).await.unwrap().unwrap()
}

async fn may(db: &Db, customer: &Customer, key: &str, topic: &str) -> bool {
    let fingerprint = keys().fingerprint(key);
    consent::may_contact(&**db, customer.id, &fingerprint, Channel::Email, topic)
        .await
        .unwrap()
}

const GRANT: &str =
    "email,permission.email.offers,permission_source,permission_date,permission_basis\n";

on_both! {
    async fn rows_create_update_leave_alone_and_are_rejected(db: &TestDb) {
        let report = import(db, "external_id,email,first_name,city\n1,a@example.com,Anne,Lille\n2,b@example.com,Bob,\n,,Nobody,Paris\n").await;
        assert_eq!(counts(&report), [2, 0, 0, 1]);
        assert_eq!(report.first_rejections[0].line, 4);
        // An empty cell erases nothing; a second row about the same person follows the first.
        let report = import(db, "external_id,email,first_name,city\n1,a@example.com,Anne,\n2,b@example.com,Robert,\n3,c@example.com,Cleo,\n3,,Cléo,Nice\n").await;
        assert_eq!(counts(&report), [1, 2, 1, 0]);
        let twice = &report.warnings.0[&WarningKind::StandsTwice];
        assert_eq!((twice.count, twice.first_lines.as_slice()), (1, &[4, 5][..]));
        assert_eq!(find(db, "external_id", "1").await.city.as_deref(), Some("Lille"));
        assert_eq!(find(db, "external_id", "2").await.first_name.as_deref(), Some("Robert"));
        let cleo = find(db, "external_id", "3").await;
        assert_eq!((cleo.first_name.as_deref(), cleo.city.as_deref()), (Some("Cléo"), Some("Nice")));
        assert_eq!(count(db, "customers").await, 3);
    }

    async fn whom_a_row_is_about(db: &TestDb) {
        import(db, "external_id,email,phone,first_name\n,a@example.com,,Anne\n,,0612345678,Paul\n7,b@example.com,,Bea\n").await;
        let report = import(db, "external_id,email,phone,first_name\n,A@EXAMPLE.com,,Anna\n,,+33 6 12 34 56 78,Pol\n1,a@example.com,,\n8,b@example.com,,Bob\n").await;
        // By address, by number, the address adopts a number of ours; another number is another person.
        assert_eq!(counts(&report), [1, 3, 0, 0]);
        let anna = find(db, "external_id", "1").await;
        assert_eq!((anna.first_name.as_deref(), anna.email.as_deref()), (Some("Anna"), Some("a@example.com")));
        assert_eq!(find(db, "phone", "+33612345678").await.first_name.as_deref(), Some("Pol"));
        assert_eq!(find(db, "external_id", "7").await.first_name.as_deref(), Some("Bea"));
        assert_eq!(find(db, "external_id", "8").await.first_name.as_deref(), Some("Bob"));
    }

    async fn a_french_spreadsheet_is_read_as_it_comes(db: &TestDb) {
        let text = "N° client;Prénom;Nom;Courriel;Téléphone;Ville;Code postal;Date de naissance;Langue;Pays;Civilité;attribute.Panier moyen;Remarque\r\n\
            12;Élodie;Lefèvre;elodie@example.com;06 12 34 56 78;L'Haÿ-les-Roses;94240;31/05/1984;français;France;Mme;12,5;rien\r\n";
        let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(text);
        let report = import(db, &bytes).await;
        assert_eq!(counts(&report), [1, 0, 0, 0]);
        assert_eq!((report.encoding, report.delimiter), ("windows-1252", ';'));
        assert_eq!(report.ignored_columns, ["Remarque"]);
        let customer = find(db, "external_id", "12").await;
        assert_eq!(customer.first_name.as_deref(), Some("Élodie"));
        assert_eq!(customer.city.as_deref(), Some("L'Haÿ-les-Roses"));
        assert_eq!(customer.postal_code.as_deref(), Some("94240"));
        assert_eq!(customer.phone.as_deref(), Some("+33612345678"));
        assert_eq!(customer.birth_date, NaiveDate::from_ymd_opt(1984, 5, 31));
        assert_eq!((customer.language.as_str(), customer.country.as_str()), ("fr", "FR"));
        assert_eq!(customer.gender.as_deref(), Some("female"));
        assert_eq!(customer.attributes["panier_moyen"], 12.5);
        let row = db.row("SELECT first_name_key, city_key FROM customers", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", "first_name_key").unwrap(), "elodie");
        assert_eq!(row.try_get::<String>("", "city_key").unwrap(), "l'hay-les-roses");
        let short = "id_client;prenom;nom;mail;portable;ville;cp;date_naissance\r\n13;Zoé;Petit;zoe@example.com;06 12 34 56 79;Lille;59000;01/02/1990\r\n";
        let report = import(db, short).await;
        assert_eq!((counts(&report), report.ignored_columns.len()), ([1, 0, 0, 0], 0));
        let zoe = find(db, "external_id", "13").await;
        assert_eq!((zoe.birth_date, zoe.postal_code.as_deref()), (NaiveDate::from_ymd_opt(1990, 2, 1), Some("59000")));
    }

    async fn every_encoding_and_line_ending_says_the_same(db: &TestDb) {
        let text = "external_id\temail\tfirst_name\tattribute.note\n1\tzoe@example.com\tZoé Łukasz\t\"two\nlines \"\"quoted\"\"\"\n";
        let utf_16 = |is_big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let files: [(&str, Vec<u8>); 7] = [
            ("UTF-8", text.into()),
            ("UTF-8", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
            ("UTF-16LE", [b"\xff\xfe".to_vec(), utf_16(false)].concat()),
            ("UTF-16BE", [b"\xfe\xff".to_vec(), utf_16(true)].concat()),
            ("UTF-16LE", utf_16(false)),
            ("UTF-16BE", utf_16(true)),
            ("UTF-8", text.replace('\t', "|").into()),
        ];
        for (n, (encoding, bytes)) in files.into_iter().enumerate() {
            let report = import(db, bytes).await;
            assert_eq!(report.encoding, encoding, "file {n}");
            assert_eq!(counts(&report), if n == 0 { [1, 0, 0, 0] } else { [0, 0, 1, 0] }, "file {n}");
        }
        assert_eq!(find(db, "external_id", "1").await.attributes["note"], "two\nlines \"quoted\"");
        for end in ["\r\n", "\r"] {
            let report = import(db, "sep=;\nexternal_id;first_name\n1;Zoé Łukasz\n\nx;\"a\nb\"\n".replace('\n', end)).await;
            assert_eq!(counts(&report), [0, 0, 1, 1], "{end:?}");
            assert_eq!(report.first_rejections[0].line, 5, "{end:?}");
        }
    }

    async fn a_file_that_stops_being_utf_8_is_not_misread(db: &TestDb) {
        let mut bytes = b"external_id,first_name\n".to_vec();
        for n in 0..20_000 {
            bytes.extend(format!("{n},Ren\u{e9}\n").as_bytes());
        }
        bytes.extend(b"late,Ren\xe9\nlast,Anne\n");
        let report = import(db, bytes).await;
        assert_eq!(counts(&report), [20_001, 0, 0, 1]);
        assert_eq!(report.first_rejections[0].line, 20_002);
        assert_eq!(find(db, "external_id", "0").await.first_name.as_deref(), Some("René"));
    }

    async fn the_header_says_what_is_wrong(db: &TestDb) {
        let files = Files::new();
        for (text, map, expected) in [
            ("", None, "is empty"),
            ("\n\n", None, "is empty"),
            ("first_name\nAnne\n", None, "no column says who a row is about"),
            ("email,courriel\n", None, "\"email\" and \"courriel\" hold the same field"),
            ("email,who\n", Some("Who?=first_name"), "names the column \"Who?\""),
            ("email,who\n", Some("who=first_nam"), "did you mean \"first_name\"?"),
            ("email,permission.fax.offers\n", None, "does not name a permission"),
        ] {
            let mut request = ImportRequest::new(files.put("file.csv", text), ImportKind::Customers);
            request.map = map.map(|map| import::parse_map(map).unwrap()).into_iter().collect();
            let error = try_import(db, request).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let missing = ImportRequest::new(files.path("nowhere.csv"), ImportKind::Customers);
        assert!(matches!(try_import(db, missing).await, Err(ImportError::Read { .. })));
        let folder = ImportRequest::new(files.folder.path(), ImportKind::Customers);
        assert!(matches!(try_import(db, folder).await, Err(ImportError::NotAFile { .. } | ImportError::Read { .. })));
        assert_eq!(count(db, "customers").await, 0);
    }

    async fn columns_can_be_mapped(db: &TestDb) {
        let files = Files::new();
        let path = files.put("file.csv", "Kontakt,Wohnort,Hobby,Nom,Name\nanna@example.com,Köln,Kochen,Weiß,ignored\n");
        let mut request = ImportRequest::new(path, ImportKind::Customers);
        request.map = ["Kontakt=email", "wohnort=city", "Hobby=attribute.hobby", "Name=ignore"].map(|map| import::parse_map(map).unwrap()).to_vec();
        let report = try_import(db, request).await.unwrap();
        assert_eq!(counts(&report), [1, 0, 0, 0]);
        assert!(report.ignored_columns.is_empty());
        let customer = find(db, "email_key", "anna@example.com").await;
        assert_eq!(customer.city.as_deref(), Some("Köln"));
        assert_eq!(customer.last_name.as_deref(), Some("Weiß"));
        assert_eq!(customer.attributes["hobby"], "Kochen");
    }

    async fn a_broken_address_is_kept_and_not_reachable(db: &TestDb) {
        let text = "external_id,email,phone,permission.email.offers,permission_source,permission_date,permission_basis\n\
            1,anne@,123,yes,form,2026-01-01,consent\n";
        let report = import(db, text).await;
        assert_eq!(counts(&report), [1, 0, 0, 0]);
        assert_eq!(report.warnings.count(WarningKind::MalformedEmail), 1);
        assert_eq!(report.warnings.count(WarningKind::InvalidPhone), 1);
        assert_eq!(report.reachable["email"], 0);
        let customer = find(db, "external_id", "1").await;
        assert_eq!((customer.email_state, customer.email.as_deref(), customer.phone), (EmailState::Malformed, Some("anne@"), None));
        assert_eq!(counts(&import(db, text).await), [0, 0, 1, 0]);
        // A good address replaces it; a broken one does not replace a good one.
        import(db, "external_id,email\n1,anne@example.com\n").await;
        let report = import(db, "external_id,email\n1,anne@@example.com\n").await;
        assert_eq!(counts(&report), [0, 0, 1, 0]);
        assert_eq!(report.warnings.count(WarningKind::EmailKept), 1);
        let customer = find(db, "external_id", "1").await;
        assert_eq!((customer.email_state, customer.email.as_deref()), (EmailState::Ok, Some("anne@example.com")));
    }

    async fn what_would_break_a_header_is_rejected(db: &TestDb) {
        let report = import(db, "external_id,first_name,last_name\n1,\"Eve\r\nBcc: all@example.com\",X\n2,Ok,\"a\u{2028}b\"\n3,\"nul\0\",X\n4,Fine,Fine\n").await;
        assert_eq!(counts(&report), [1, 0, 0, 3]);
        assert_eq!(report.first_rejections[0].reason, "first_name holds a line break or another control character");
        assert_eq!(report.first_rejections.iter().map(|r| r.line).collect::<Vec<_>>(), [2, 4, 5]);
    }

    async fn rejected_rows_can_be_mended_and_imported(db: &TestDb) {
        let files = Files::new();
        let path = files.put("base.csv", "id;permission.email.offers;first_name\n1;peut-être;\"Anne; Marie\"\n2;non;Bob\n3;no;C;extra\n");
        let report = try_import(db, ImportRequest::new(&path, ImportKind::Customers)).await.unwrap();
        assert_eq!(counts(&report), [1, 0, 0, 2]);
        let rejects = report.rejects.unwrap();
        assert_eq!(rejects, import::rejects_path(&path));
        let text = std::fs::read_to_string(&rejects).unwrap();
        assert_eq!(text, "\u{feff}id;permission.email.offers;first_name;line;reason\n\
            1;peut-être;\"Anne; Marie\";2;\"permission.email.offers holds \"\"peut-être\"\"; write yes or no\"\n\
            3;no;C;4;the row has 4 cells, the header 3;extra\n");
        std::fs::write(&rejects, text.replace(";peut-être;", ";oui;").replace(";extra", "")).unwrap();
        let report = try_import(db, ImportRequest::new(&rejects, ImportKind::Customers)).await.unwrap();
        assert_eq!(counts(&report), [2, 0, 0, 0]);
        assert!(report.ignored_columns.is_empty());
        assert_eq!(report.rejects, None);
        assert_eq!(find(db, "external_id", "1").await.first_name.as_deref(), Some("Anne; Marie"));
    }

    async fn a_dry_run_says_the_same_and_leaves_nothing(db: &TestDb) {
        let files = Files::new();
        let path = files.put("file.csv", format!("{GRANT}a@example.com,yes,form,2026-01-01,consent\nb@example.com,no,,,\n"));
        let mut request = ImportRequest::new(path, ImportKind::Customers);
        request.dry_run = true;
        let mut report = try_import(db, request.clone()).await.unwrap();
        for table in ["customers", "permissions", "permission_evidence", "suppressions"] {
            assert_eq!(count(db, table).await, 0, "{table}");
        }
        assert!(report.is_dry_run);
        report.is_dry_run = false;
        request.dry_run = false;
        assert_eq!(try_import(db, request).await.unwrap(), report);
        assert_eq!(count(db, "customers").await, 2);
    }

    async fn a_dry_run_waits_for_nobody(db: &TestDb) {
        import(db, "external_id,email,city\n1,a@example.com,Lille\n").await;
        let files = Files::new();
        // Of two batches, the second about the people of the first, and about one whom somebody changes just now.
        let row = |n: usize| format!("{n},n{n}@example.com,Paris\n");
        let text: String = (1..1_000).chain(1..1_000).map(row).collect();
        let path = files.put("file.csv", format!("external_id,email,city\n{text}"));
        let request = ImportRequest { dry_run: true, ..ImportRequest::new(path, ImportKind::Customers) };
        let txn = db.begin().await.unwrap();
        txn.run("UPDATE customers SET city = 'Metz'", []).await.unwrap();
        let tried = tokio::time::timeout(Duration::from_secs(120), try_import(db, request)).await;
        let report = tried.expect("it does not wait for the writer").unwrap();
        assert_eq!(counts(&report), [998, 1, 999, 0]);
        txn.commit().await.unwrap();
        assert_eq!(count(db, "customers").await, 1);
    }

    async fn an_interruption_leaves_nothing(db: &TestDb) {
        let files = Files::new();
        let path = files.path("many.csv");
        sample::write_customers(&path, 3_000, 1, NaiveDate::from_ymd_opt(2026, 11, 22).unwrap()).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<u64>();
        let mut stop = Some(stop);
        let progress = |progress: Progress| {
            if progress.rows >= 1_000 && let Some(stop) = stop.take() {
                stop.send(progress.rows).unwrap();
            }
        };
        let keys = keys();
        let run = import::run(db, &keys, NOW, ImportRequest::new(&path, ImportKind::Customers), progress);
        tokio::select! {
            biased;
            rows = stopped => assert_eq!(rows.unwrap(), 1_000),
            _ = run => panic!("the import was to be dropped in the middle"),
        }
        for table in ["customers", "customer_tags", "permissions", "permission_evidence", "suppressions"] {
            assert_eq!(count(db, table).await, 0, "{table}");
        }
        // And the next import does not wait for the one that is gone.
        let again = try_import(db, ImportRequest::new(&path, ImportKind::Customers));
        let report = tokio::time::timeout(Duration::from_secs(120), again).await.unwrap().unwrap();
        assert_eq!(report.created, 3_000);
    }

    async fn a_failure_in_the_middle_leaves_nothing(db: &TestDb) {
        use sea_orm::ConnectionTrait as _;
        // The second batch meets a table that is gone.
        let text: String = (0..1_200).map(|n| if n < 600 { format!("{n},\n") } else { format!("{n},vip\n") }).collect();
        db.execute_unprepared("ALTER TABLE customer_tags RENAME TO elsewhere").await.unwrap();
        let files = Files::new();
        let path = files.put("file.csv", format!("external_id,tags\n{text}"));
        let error = try_import(db, ImportRequest::new(path, ImportKind::Customers)).await.unwrap_err();
        assert!(matches!(error, ImportError::Database(_)));
        assert_eq!(count(db, "customers").await, 0);
    }

    async fn importing_again_never_revives_who_opted_out(db: &TestDb) {
        let text = format!("{GRANT}anne@example.com,yes,shop card,2026-05-01,consent\n");
        assert_eq!(import(db, &text).await.reachable["email"], 1);
        let anne = find(db, "email_key", "anne@example.com").await;
        assert!(may(db, &anne, "anne@example.com", "offers").await);
        let fingerprint = keys().fingerprint("anne@example.com");
        consent::opt_out(&***db, anne.id, Some(&fingerprint), Channel::Email, &Scope::All, "link", NOW - 1_000).await.unwrap();
        let report = import(db, &text).await;
        assert_eq!((report.unchanged, report.reachable["email"]), (1, 0));
        // Nor does a new reason that is not consent, nor a date that lies ahead.
        import(db, format!("{GRANT}anne@example.com,yes,order,2026-11-22T11:59:59.500Z,soft_opt_in\n")).await;
        let report = import(db, format!("{GRANT}anne@example.com,yes,form,2027-01-01,consent\n")).await;
        assert_eq!((report.no_basis, report.warnings.count(WarningKind::UnusablePermissionDate)), (1, 1));
        assert!(!may(db, &anne, "anne@example.com", "offers").await);
        // Not even after he was erased and imported as a stranger.
        db.run("DELETE FROM customers WHERE id = $1", [anne.id.0.into()]).await.unwrap();
        let report = import(db, &text).await;
        assert_eq!((report.created, report.reachable["email"]), (1, 0));
        // A consent given after the opt-out does.
        let report = import(db, format!("{GRANT}anne@example.com,yes,form 9,2026-11-22T11:59:59.800Z,consent\n")).await;
        assert_eq!((report.updated, report.reachable["email"]), (1, 1));
    }

    async fn a_yes_needs_proof_and_a_no_does_not(db: &TestDb) {
        let report = import(db, format!("{GRANT}a@example.com,oui,,2026-01-01,consent\nb@example.com,yes,form,,consent\nc@example.com,yes,form,2026-01-01,\nd@example.com,yes,form,2026-01-01,telepathy\ne@example.com,non,,,\nf@example.com,yes,form,22/11/2026,Opt-in\n")).await;
        assert_eq!(counts(&report), [6, 0, 0, 0]);
        assert_eq!((report.no_basis, report.reachable["email"]), (4, 1));
        assert_eq!(report.warnings.count(WarningKind::UnknownBasis), 1);
        assert_eq!(count(db, "permission_evidence").await, 2);
        let row = db.row("SELECT source, occurred_at, topic FROM permission_evidence WHERE action = 'withdraw'", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", "source").unwrap(), "import of file.csv");
        assert_eq!(row.try_get::<i64>("", "occurred_at").unwrap(), NOW);
        assert_eq!(count(db, "suppressions").await, 1);
    }

    async fn permissions_are_told_by_channel_topic_and_own_proof(db: &TestDb) {
        let report = import(db, "email,phone,permission.email.offers,permission.email.news,permission.sms,permission.email.news.source,permission.email.news.date,permission.email.news.basis,permission_source,permission_date,permission_basis\n\
            a@example.com,0612345678,yes,yes,no,letter,2024-02-01,b2b,form,2025-03-01,consent\n").await;
        assert_eq!((report.reachable["email"], report.reachable["sms"]), (1, 0));
        let customer = find(db, "email_key", "a@example.com").await;
        let permissions: Vec<String> = consent::permissions_of(&***db, customer.id).await.unwrap().iter()
            .map(|p| format!("{} {} {} {:?}", p.channel, p.scope.as_str(), p.is_granted, p.basis)).collect();
        assert_eq!(permissions, ["email news true Some(B2bLegitimateInterest)", "email offers true Some(Consent)", "sms * false None"]);
        let report = import(db, "email,permission.sms\na@example.com,yes\n").await;
        assert_eq!(report.warnings.count(WarningKind::YesWithoutTopic), 1);
    }

    async fn a_yes_may_name_its_level_and_its_end(db: &TestDb) {
        const COLUMNS: &str = "email,household,permission.email.offers,permission_source,permission_date,permission_basis,permission_level,permission_expires,permission.email.news,permission.email.news.level\n";
        let text = format!("{COLUMNS}a@example.com, Foyer  Lefèvre ,yes,form,2026-01-01,consent,points,2027-01-01,yes,2\n\
            b@example.com,,yes,form,2026-01-01,consent,closest friend,,,\n\
            c@example.com,,yes,form,2026-01-01,consent,stranger,,,\n\
            d@example.com,,yes,form,2026-01-01,consent,,some day,,\n");
        let report = import(db, &text).await;
        assert_eq!(counts(&report), [4, 0, 0, 0]);
        assert_eq!((report.no_basis, report.reachable["email"]), (3, 1), "a rung or an end that cannot be read is not guessed");
        assert_eq!(report.warnings.count(WarningKind::UnknownLevel), 2);
        assert_eq!(report.warnings.count(WarningKind::UnreadablePermissionEnd), 1);
        assert_eq!(report.warnings.count(WarningKind::NoWording), 1);
        let customer = find(db, "email_key", "a@example.com").await;
        let of = async || -> Vec<(String, Level, Option<i64>)> {
            consent::permissions_of(&***db, customer.id).await.unwrap().into_iter()
                .map(|p| (p.scope.as_str().to_owned(), p.level, p.expires_at)).collect()
        };
        let end = Some(1_798_761_600_000);
        assert_eq!(of().await, [("news".to_owned(), Level::BrandTrust, end), ("offers".to_owned(), Level::Points, end)]);
        let row = db.row("SELECT household, household_key FROM customers WHERE email_key = 'a@example.com'", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", "household").unwrap(), "Foyer  Lefèvre");
        assert_eq!(row.try_get::<String>("", "household_key").unwrap(), "foyer lefevre");
        assert_eq!(import(db, &text).await.unchanged, 4);
        // Whoever said no stays where he is, whatever rung the file names.
        let fingerprint = keys().fingerprint("a@example.com");
        consent::opt_out(&***db, customer.id, Some(&fingerprint), Channel::Email, &Scope::All, "link", NOW - 1_000).await.unwrap();
        import(db, &text).await;
        import(db, text.replace("points", "intravenous")).await;
        assert!(of().await.iter().all(|(_, level, _)| *level == Level::Stranger));
        assert!(!may(db, &customer, "a@example.com", "offers").await);
    }

    async fn tracking_is_not_loosened_by_importing_again(db: &TestDb) {
        let text = "email,tracking,permission_date\na@example.com,full,2026-01-01\n";
        import(db, text).await;
        import(db, "email,tracking\na@example.com,none\n").await;
        let report = import(db, text).await;
        assert_eq!((report.unchanged, report.warnings.count(WarningKind::TrackingKept)), (1, 1));
        assert_eq!(find(db, "email_key", "a@example.com").await.tracking, Tracking::None);
    }

    async fn a_field_of_fifty_megabytes_is_one_rejected_row(db: &TestDb) {
        let mut text = String::from("external_id,first_name\n1,Anne\n2,\"");
        text.push_str(&"x".repeat(50 * 1024 * 1024));
        text.push_str("\"\n3,Bob\n");
        let report = import(db, text).await;
        assert_eq!(counts(&report), [2, 0, 0, 1]);
        assert_eq!(report.first_rejections[0].line, 3);
        assert!(report.first_rejections[0].reason.to_string().contains("more than 262144 bytes"));
    }

    async fn an_open_quotation_mark_is_told_with_its_lines(db: &TestDb) {
        let report = import(db, "external_id,first_name,city\n1,\"Anne,Lille\n2,Bob,Nice\n3,Cleo,Paris\n").await;
        assert_eq!(counts(&report), [0, 0, 0, 1]);
        assert_eq!(report.first_rejections[0].reason, "the row has 2 cells, the header 3; it goes from line 2 to 4: is a quotation mark not closed?");
    }

    async fn orders_add_up_on_the_customer(db: &TestDb) {
        import(db, "external_id,email,phone\n1,a@example.com,\n2,b@example.com,\n,,0612345678\n").await;
        let text = "N° commande;Client;Courriel;Téléphone;Date de commande;Montant TTC;Devise;Produit;Campagne\n\
            A1;1;;;31/05/2024;1 234,56 €;EUR;Poêle;\nA2;1;;;2023-01-02;10,00;€;;spring\nA3;;B@example.com;;2024-01-01;5;;;\nA4;;;06 12 34 56 78;2024-01-01;7,5;;;\nA5;9;;;2024-01-01;5;;;\nA6;1;;;2024-01-01;1,234;;;\n";
        let report = import_as(db, ImportKind::Orders, text).await;
        assert_eq!(counts(&report), [4, 0, 0, 2]);
        assert_eq!(report.warnings.count(WarningKind::UnknownCampaign), 1);
        assert_eq!(report.first_rejections.iter().map(|r| r.line).collect::<Vec<_>>(), [6, 7]);
        let one = find(db, "external_id", "1").await;
        assert_eq!((one.orders_count, one.revenue_cents, one.stage), (2, 124_456, Stage::Customer));
        assert_eq!((one.first_order_at, one.last_order_at), (Some(1_672_617_600_000), Some(1_717_113_600_000)));
        assert_eq!(find(db, "phone", "+33612345678").await.revenue_cents, 750);
        assert_eq!(counts(&import_as(db, ImportKind::Orders, text).await), [0, 0, 4, 2]);
        // A corrected amount, and an order that goes to another customer.
        let report = import_as(db, ImportKind::Orders, "order_id,customer_id,date,amount\nA1,1,2024-05-31,1000\nA2,2,2023-01-02,10\n").await;
        assert_eq!(counts(&report), [0, 2, 0, 0]);
        let one = find(db, "external_id", "1").await;
        assert_eq!((one.orders_count, one.revenue_cents), (1, 100_000));
        assert_eq!(find(db, "external_id", "2").await.revenue_cents, 1_500);
    }

    async fn orders_name_their_campaign_and_are_known_without_a_number(db: &TestDb) {
        use sea_orm::ConnectionTrait as _;
        db.execute_unprepared("INSERT INTO template_versions (id, name, digest, source, frozen_at) VALUES (1, 't', 'd', 's', 0)").await.unwrap();
        db.execute_unprepared("INSERT INTO campaigns (id, name, definition, template_version_id, status, revision, created_at, updated_at) VALUES (5, 'spring', '{}', 1, 'draft', 1, 0, 0)").await.unwrap();
        import(db, "external_id,stage\n1,lapsed\n").await;
        let text = "customer_id,date,amount,product,campaign\n1,2024-01-01,5,Pan,spring\n1,2024-01-01,6,Pan,\n1,2024-01-01,5,Pan,\n";
        let report = import_as(db, ImportKind::Orders, text).await;
        assert_eq!(counts(&report), [2, 0, 1, 0]);
        assert_eq!(counts(&import_as(db, ImportKind::Orders, text).await), [0, 0, 3, 0]);
        assert_eq!(find(db, "external_id", "1").await.stage, Stage::Customer);
        let row = db.row("SELECT campaign_id FROM orders WHERE amount_cents = 500", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<Option<i64>>("", "campaign_id").unwrap(), Some(5));
    }

    async fn permissions_of_new_people_are_what_their_evidence_says(db: &TestDb) {
        let files = Files::new();
        let path = files.path("customers.csv");
        sample::write_customers(&path, 600, 3, NaiveDate::from_ymd_opt(2026, 11, 22).unwrap()).unwrap();
        try_import(db, ImportRequest::new(&path, ImportKind::Customers)).await.unwrap();
        let may_2026 = 1_777_593_600_000;
        for (address, suppressed_at) in [("late@example.com", NOW - 1), ("early@example.com", may_2026 - 1)] {
            let one = consent::Suppression {
                fingerprint: keys().fingerprint(address),
                channel: Channel::Email,
                scope: Scope::All,
                reason: "robinson".to_owned(),
                suppressed_at,
            };
            consent::suppress(&***db, &[one]).await.unwrap();
        }
        // Alone; twice of a topic; of the topic and the whole channel; at a suppressed address.
        let text = "external_id,email,permission.email,permission.email.offers,permission.email.news,permission_source,permission_date,permission_basis,permission_level
            1,alone@example.com,,yes,no,form,2026-05-01,consent,points
            2,twice@example.com,,yes,,form,2026-05-01,contract,
            2,twice@example.com,,no,,form,2026-05-02,,
            3,all@example.com,no,yes,,form,2026-05-01,consent,
            4,late@example.com,,yes,,form,2026-05-01,consent,
            5,early@example.com,,yes,,form,2026-05-01,contract,";
        assert_eq!(counts(&import(db, text.replace("            ", "")).await), [5, 1, 0, 0]);
        let found = chain::verify(db, &keys(), None).await.unwrap();
        assert!(found.is_whole && found.permissions > 600, "{found:?}");
        let mut rungs = Vec::new();
        for id in ["1", "2", "3", "4", "5"] {
            for permission in consent::permissions_of(&***db, find(db, "external_id", id).await.id).await.unwrap() {
                rungs.push((id, permission.scope.as_str().to_owned(), permission.is_granted, permission.level));
            }
        }
        let rungs: Vec<_> = rungs.iter().map(|(id, scope, is_granted, level)| (*id, &**scope, *is_granted, *level)).collect();
        assert_eq!(rungs, [
            ("1", "news", false, Level::Stranger),
            ("1", "offers", true, Level::Points),
            ("2", "offers", false, Level::Stranger),
            ("3", "*", false, Level::Stranger),
            ("3", "offers", false, Level::Stranger),
            ("4", "offers", true, Level::Stranger),
            ("5", "offers", true, Level::Situational),
        ]);
    }

    async fn the_sample_base_is_imported_whole_and_twice_the_same(db: &TestDb) {
        let files = Files::new();
        let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let (customers, orders) = (files.path("customers.csv"), files.path("orders.csv"));
        sample::write_customers(&customers, 2_000, 42, today).unwrap();
        sample::write_orders(&orders, 2_000, 42, today).unwrap();
        let report = try_import(db, ImportRequest::new(&customers, ImportKind::Customers)).await.unwrap();
        assert_eq!((report.created, report.rejected), (2_000, 0), "{report}");
        assert!(report.reachable["email"] > 1_000 && report.reachable["sms"] > 100, "{report}");
        assert!((10..60).contains(&report.warnings.count(WarningKind::MalformedEmail)), "{report}");
        assert!((100..400).contains(&report.no_basis), "{report}");
        assert_eq!(report.warnings.count(WarningKind::InvalidPhone), 0, "{report}");
        let bought = try_import(db, ImportRequest::new(&orders, ImportKind::Orders)).await.unwrap();
        assert!(bought.created > 2_000 && bought.rejected == 0, "{bought}");
        let again = try_import(db, ImportRequest::new(&customers, ImportKind::Customers)).await.unwrap();
        assert_eq!(counts(&again), [0, 0, 2_000, 0], "{again}");
        assert_eq!(again.reachable, report.reachable);
        let again = try_import(db, ImportRequest::new(&orders, ImportKind::Orders)).await.unwrap();
        assert_eq!((again.created, again.updated), (0, 0));
        let row = db.row("SELECT COUNT(*) AS n FROM customers WHERE (orders_count > 0) <> (stage = 'customer')", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 0);
        // Of the French numbers most are mobile, each its own, some are fixed lines.
        let row = db.row("SELECT SUM(CASE WHEN phone_kind = 'mobile' THEN 1 ELSE 0 END) AS mobile, \
            SUM(CASE WHEN phone_kind = 'fixed' THEN 1 ELSE 0 END) AS fixed, \
            COUNT(DISTINCT CASE WHEN phone_kind = 'mobile' THEN phone END) AS numbers \
            FROM customers WHERE phone_country = 'FR'", []).await.unwrap().unwrap();
        let [mobile, fixed, numbers] = ["mobile", "fixed", "numbers"].map(|name| row.try_get::<i64>("", name).unwrap());
        assert!(mobile > 4 * fixed && fixed > 20 && mobile == numbers, "{mobile} {numbers} {fixed}");
    }
}

#[test]
fn the_sample_base_is_the_same_for_the_same_seed() {
    let files = Files::new();
    let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
    let write =
        |name: &str, size, seed, write: fn(&Path, u32, u64, NaiveDate) -> std::io::Result<()>| {
            let path = files.path(name);
            write(&path, size, seed, today).unwrap();
            std::fs::read_to_string(path).unwrap()
        };
    let once = write("a", 1_000, 42, sample::write_customers);
    assert_eq!(once, write("b", 1_000, 42, sample::write_customers));
    assert_ne!(once, write("c", 1_000, 43, sample::write_customers));
    // A larger base begins with the smaller one.
    assert!(write("d", 1_200, 42, sample::write_customers).starts_with(&once));
    let orders = write("e", 1_000, 42, sample::write_orders);
    assert_eq!(orders, write("f", 1_000, 42, sample::write_orders));
    // Nobody outside can be reached.
    let mut reader = csv::Reader::from_reader(once.as_bytes());
    for record in reader.records() {
        let record = record.unwrap();
        let domain = record[1].rsplit_once('@').map_or("", |(_, domain)| domain);
        let is_reserved = domain.is_empty()
            || domain == "example"
            || domain.ends_with(".example")
            || ["example.com", "example.org", "example.net"].contains(&domain);
        assert!(is_reserved, "{domain}");
    }
}

#[test]
fn the_report_reads_well() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = runtime.block_on(async {
        let db = crate::kit::database::sqlite().await;
        let files = Files::new();
        let path = files.put("base.csv", format!("{}x\n{}", GRANT.trim_end().to_owned() + ",Their ", "a@example.com,yes,form,2026-01-01,consent,\nb@,no,,,,\nc@example.com,yes,,,,\nd@example.com,perhaps,,,,\n"));
        let mut request = ImportRequest::new(path, ImportKind::Customers);
        request.rejects = None;
        try_import(&db, request).await.unwrap()
    });
    insta::assert_snapshot!(report, @r#"
    4 rows of customers read (UTF-8, delimiter ,)
             3 created
             0 updated
             0 unchanged
             1 rejected
             1 reachable by email
             0 reachable by sms
             1 not reachable: yes without source, date and legal basis
    Warning: e-mail address is not one; kept, not reachable by e-mail (1; line 3)
    Warning: yes without source, date and legal basis; not reachable (1; line 4)
    Warning: consent without the words that were agreed to; add permission_wording, a regulator asks for them (1; line 2)
    Ignored columns: Their x
    Rejected line 5: permission.email.offers holds "perhaps"; write yes or no
    "#);
    insta::assert_json_snapshot!(report, @r#"
    {
      "kind": "customers",
      "is_dry_run": false,
      "rows": 4,
      "created": 3,
      "updated": 0,
      "unchanged": 0,
      "rejected": 1,
      "reachable": {
        "email": 1,
        "sms": 0
      },
      "has_permissions": true,
      "no_basis": 1,
      "warnings": {
        "malformed_email": {
          "count": 1,
          "first_lines": [
            3
          ]
        },
        "no_basis": {
          "count": 1,
          "first_lines": [
            4
          ]
        },
        "no_wording": {
          "count": 1,
          "first_lines": [
            2
          ]
        }
      },
      "first_rejections": [
        {
          "line": 5,
          "reason": "permission.email.offers holds \"perhaps\"; write yes or no"
        }
      ],
      "rejects": null,
      "ignored_columns": [
        "Their x"
      ],
      "encoding": "UTF-8",
      "delimiter": ","
    }
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_importer_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..600),
        likely in "(email|id|phone|permission.email.a|\"|,|;|\t|\n|\r|é|1|yes|no|@|a@b.fr|2024-01-01| |\0){0,80}",
        has_header in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let db = crate::kit::database::sqlite().await;
            let files = Files::new();
            let header: &[u8] = if has_header { b"email,id,phone,permission.email.a\n" } else { b"" };
            for body in [&noise[..], likely.as_bytes()] {
                let path = files.put("file.csv", [header, body].concat());
                for kind in [ImportKind::Customers, ImportKind::Orders] {
                    if let Ok(report) = try_import(&db, ImportRequest::new(&path, kind)).await {
                        let taken: u64 = counts(&report).iter().sum();
                        assert_eq!(taken, report.rows);
                    }
                }
            }
        });
    }
}
