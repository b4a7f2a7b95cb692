//! Suppression lists come in, go out and come back.

use tempfile::TempDir;
use visavis::consent::audit;
use visavis::consent::model::{Basis, Channel, Evidence, Scope};
use visavis::consent::store;
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::customers::scrub_list::{self, ScrubError, ScrubReport, ScrubRequest};
use visavis::ids::CustomerId;
use visavis::keys::Keys;
use visavis::storage::{Db, Sql};

use crate::on_both;

const NOW: i64 = 1_795_348_800_000; // 2026-11-22T12:00:00Z

fn keys() -> Keys {
    Keys::from_secret(&[7; 32])
}

fn request(folder: &TempDir, text: &[u8]) -> ScrubRequest {
    let path = folder.path().join("list.txt");
    std::fs::write(&path, text).unwrap();
    ScrubRequest {
        path,
        channel: None,
        reason: Some("robinson".to_owned()),
        scope: Scope::All,
        date: None,
        region: "FR".to_owned(),
        dry_run: false,
    }
}

async fn scrub(db: &Db, request: &ScrubRequest) -> Result<ScrubReport, ScrubError> {
    scrub_list::import(db, &keys(), NOW, request).await
}

async fn customers(db: &Db, folder: &TempDir) {
    let path = folder.path().join("customers.csv");
    let text = "email,phone,permission.email.offers,permission.sms.offers,permission_source,permission_date,permission_basis\n\
        anne@example.com,0612345678,yes,yes,form,2026-01-01,consent\n\
        bert@example.com,0612345679,yes,yes,form,2026-01-01,consent\n\
        zoé@exämple.com,,yes,,form,2026-01-01,consent\n";
    std::fs::write(&path, text).unwrap();
    let report = import::run(
        db,
        &keys(),
        NOW,
        ImportRequest::new(path, ImportKind::Customers),
        |_| {},
    )
    .await
    .unwrap();
    assert_eq!((report.reachable["email"], report.reachable["sms"]), (3, 2));
}

async fn may(db: &Db, channel: Channel, address: &str) -> bool {
    let column = if channel == Channel::Email {
        "email_fingerprint"
    } else {
        "phone_fingerprint"
    };
    let fingerprint = keys().fingerprint(address);
    let row = db
        .row(
            format!("SELECT id FROM customers WHERE {column} = $1"),
            [fingerprint.as_str().into()],
        )
        .await
        .unwrap()
        .unwrap();
    let customer = CustomerId(row.try_get("", "id").unwrap());
    store::may_contact(&**db, customer, &fingerprint, channel, "offers")
        .await
        .unwrap()
}

async fn export(db: &Db) -> Vec<u8> {
    let mut bytes = Vec::new();
    scrub_list::export(db, &keys(), NOW, &mut bytes)
        .await
        .unwrap();
    bytes
}

on_both! {
    async fn addresses_are_read_as_those_of_customers_are(db: &TestDb) {
        let folder = tempfile::tempdir().unwrap();
        customers(db, &folder).await;
        let mut list = request(&folder, "\u{feff}ANNE@Example.com \r\nnobody@example.org\r\n\r\nZoé <mailto:zoé@EXÄMPLE.com>\r\nnot an address\r\nanne@example.com\r\n".as_bytes());
        assert!(matches!(scrub(db, &list).await, Err(ScrubError::NoChannel)));
        list.channel = Some(Channel::Email);
        list.dry_run = true;
        let tried = scrub(db, &list).await.unwrap();
        assert!(may(db, Channel::Email, "anne@example.com").await, "a dry run keeps nothing");
        assert!(store::suppressions_after(&***db, None).await.unwrap().is_empty());
        list.dry_run = false;
        let report = scrub(db, &list).await.unwrap();
        assert_eq!((report.rows, report.new, report.known, report.rejected, report.unreachable), (5, 3, 1, 1, 2));
        assert_eq!(ScrubReport { is_dry_run: false, ..tried }, report);
        assert_eq!(report.first_rejections[0].line, 5);
        assert!(!format!("{report:?}").contains("not an address"), "the report holds nothing of the rows");
        assert!(!may(db, Channel::Email, "anne@example.com").await);
        assert!(may(db, Channel::Email, "bert@example.com").await);
        assert!(may(db, Channel::Sms, "+33612345678").await, "the list is about email");
        let again = scrub(db, &list).await.unwrap();
        assert_eq!((again.new, again.known, again.unreachable), (0, 4, 0));
        let row = db.row("SELECT COUNT(*) AS n FROM audit_records WHERE action = 'suppression_import'", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 2);
        assert!(audit::of_customer(&***db, CustomerId(1)).await.unwrap().is_empty());
    }

    async fn a_french_spreadsheet_of_numbers_names_its_columns(db: &TestDb) {
        let folder = tempfile::tempdir().unwrap();
        customers(db, &folder).await;
        // Windows-1252, semicolons.
        let text = b"Nom;T\xe9l\xe9phone;Date;Motif\r\nD\xe9d\xe9;06.12.34.56.78;15/03/2026;bloctel\r\nX;12;;\r\nY;0612345679;some day;\r\n";
        let mut list = request(&folder, text);
        list.scope = Scope::Topic("offers".to_owned());
        let report = scrub(db, &list).await.unwrap();
        assert_eq!((report.rows, report.new, report.rejected, report.unreachable), (3, 1, 2, 1));
        let [one] = &store::suppressions_after(&***db, None).await.unwrap()[..] else { panic!("one row") };
        assert_eq!((one.channel, one.scope.as_str(), one.reason.as_str()), (Channel::Sms, "offers", "bloctel"));
        assert_eq!(one.suppressed_at, 1_773_619_199_999, "a day counts to its end");
        assert!(!may(db, Channel::Sms, "+33612345678").await);
        // A consent of a later day lifts it, one of an earlier does not.
        let row = db.row("SELECT id FROM customers WHERE phone = '+33612345678'", []).await.unwrap().unwrap();
        let customer = CustomerId(row.try_get("", "id").unwrap());
        for (at, lifted) in [(one.suppressed_at - 1, false), (one.suppressed_at + 1, true)] {
            let yes = Evidence::grant(customer, Channel::Sms, "offers", Basis::Consent, "form", at);
            store::record(&***db, &yes, Some(&one.fingerprint), NOW).await.unwrap();
            assert_eq!(may(db, Channel::Sms, "+33612345678").await, lifted);
        }
    }

    async fn what_goes_out_comes_back_to_the_byte(db: &TestDb) {
        let folder = tempfile::tempdir().unwrap();
        customers(db, &folder).await;
        let mut list = request(&folder, b"email\nanne@example.com\nx@example.org\n");
        scrub(db, &list).await.unwrap();
        list = request(&folder, b"phone,reason,scope,date\n0612345678,complaint,news,2026-05-01T10:11:12.345Z\n");
        scrub(db, &list).await.unwrap();
        let bytes = export(db).await;
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 4);
        db.run("DELETE FROM suppressions", []).await.unwrap();
        assert!(may(db, Channel::Email, "anne@example.com").await);
        let mut back = request(&folder, &bytes);
        back.reason = None;
        let report = scrub(db, &back).await.unwrap();
        assert_eq!((report.new, report.rejected, report.unreachable), (3, 0, 1));
        assert_eq!(export(db).await, bytes);
        assert!(!may(db, Channel::Email, "anne@example.com").await);
    }
    async fn fingerprints_of_another_installation_are_refused(db: &TestDb) {
        let folder = tempfile::tempdir().unwrap();
        customers(db, &folder).await;
        scrub(db, &request(&folder, b"email\nanne@example.com\n")).await.unwrap();
        let own = String::from_utf8(export(db).await).unwrap();
        db.run("DELETE FROM suppressions", []).await.unwrap();
        let key = keys().fingerprint_key_id();
        assert!(own.lines().all(|line| line.ends_with(",key") || line.ends_with(&format!(",{key}"))), "{own}");
        let another = Keys::from_secret(&[8; 32]).fingerprint_key_id();
        let without: String = own.lines().map(|line| format!("{}\n", line.rsplit_once(',').unwrap().0)).collect();
        for foreign in [own.replace(&key, &another), own.replace(&key, ""), without] {
            let mut list = request(&folder, foreign.as_bytes());
            list.reason = None;
            let refused = scrub(db, &list).await.unwrap_err();
            assert!(matches!(refused, ScrubError::ForeignKey { line: 2, .. }), "{refused}");
            assert!(refused.to_string().contains("secret.key"), "{refused}");
            assert!(store::suppressions_after(&***db, None).await.unwrap().is_empty());
        }
        scrub(db, &request(&folder, own.as_bytes())).await.unwrap();
        assert!(!may(db, Channel::Email, "anne@example.com").await);
    }
}
