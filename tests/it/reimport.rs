//! Importing again: the clock of the file, and addresses that change.

use sea_orm::Value;
use visavis::consent::model::{Channel, Scope};
use visavis::consent::{chain, store as consent};
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::ids::CustomerId;
use visavis::keys::Keys;
use visavis::storage::{Db, Sql};

use crate::on_both;

/// 2026-11-22T00:00:00Z.
const DAY: i64 = 1_795_305_600_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

const YES: &str = "external_id,email,permission.email.offers,permission_source,permission_date,permission_basis,permission_wording\n";

fn keys() -> Keys {
    Keys::from_secret(&[7; 32])
}

async fn import_at(db: &Db, now_ms: i64, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, text).unwrap();
    import::run(
        db,
        &keys(),
        now_ms,
        ImportRequest::new(path, ImportKind::Customers),
        |_| {},
    )
    .await
    .unwrap();
}

async fn id(db: &Db, external_id: &str) -> CustomerId {
    let row = db
        .row(
            "SELECT id FROM customers WHERE external_id = $1",
            [Value::from(external_id)],
        )
        .await
        .unwrap()
        .unwrap();
    CustomerId(row.try_get("", "id").unwrap())
}

async fn may(db: &Db, external_id: &str, email: &str, topic: &str) -> bool {
    let customer = id(db, external_id).await;
    consent::may_contact(
        &**db,
        customer,
        &keys().fingerprint(email),
        Channel::Email,
        topic,
    )
    .await
    .unwrap()
}

async fn opt_out(db: &Db, external_id: &str, email: &str, scope: &Scope, at: i64) {
    let customer = id(db, external_id).await;
    let fingerprint = keys().fingerprint(email);
    consent::opt_out(
        &**db,
        customer,
        Some(&fingerprint),
        Channel::Email,
        scope,
        "link",
        at,
    )
    .await
    .unwrap();
}

async fn suppress(db: &Db, email: &str, scope: Scope, reason: &str, at: i64) {
    let one = consent::Suppression {
        fingerprint: keys().fingerprint(email),
        channel: Channel::Email,
        scope,
        reason: reason.to_owned(),
        suppressed_at: at,
    };
    consent::suppress(&**db, &[one]).await.unwrap();
}

async fn suppressions(db: &Db, email: &str) -> Vec<(String, String, i64)> {
    let held = consent::suppressions_of(&**db, &[keys().fingerprint(email)])
        .await
        .unwrap();
    held.into_iter()
        .map(|one| {
            (
                one.scope.as_str().to_owned(),
                one.reason,
                one.suppressed_at - DAY,
            )
        })
        .collect()
}

fn topic(name: &str) -> Scope {
    Scope::Topic(name.to_owned())
}

on_both! {
    async fn a_yes_of_this_evening_never_revives_who_opts_out_by_day(db: &TestDb) {
        for (n, first) in [0, 9 * HOUR, 17 * HOUR + 59 * MINUTE, 18 * HOUR, 18 * HOUR + MINUTE, 23 * HOUR].into_iter().enumerate() {
            let email = format!("p{n}@example.com");
            let text = format!("{YES}p{n},{email},yes,shop,2026-11-22 18:00,consent,Offers by e-mail\n");
            let name = format!("p{n}");
            import_at(db, DAY + first, &text).await;
            assert!(may(db, &name, &email, "offers").await, "the first time it is a yes");
            opt_out(db, &name, &email, &topic("offers"), DAY + first + 30_000).await;
            for later in [MINUTE, 2 * MINUTE, HOUR, 9 * HOUR, 18 * HOUR, 24 * HOUR, 300 * HOUR] {
                import_at(db, DAY + first + later, &text).await;
                assert!(!may(db, &name, &email, "offers").await, "imported at {first}, again {later} later");
            }
            // Another yes, said after that, is one.
            let text = text.replace("2026-11-22 18:00,consent,Offers", "2026-11-24 08:00,consent,All offers");
            import_at(db, DAY + 400 * HOUR, &text).await;
            assert!(may(db, &name, &email, "offers").await);
        }
    }

    async fn a_yes_from_later_today_is_not_newer_than_yesterdays_no(db: &TestDb) {
        let text = |date: &str| format!("{YES}ada,ada@example.com,yes,shop,{date},consent,Offers\n");
        import_at(db, DAY - 30 * HOUR, &text("2026-11-01")).await;
        opt_out(db, "ada", "ada@example.com", &Scope::All, DAY - 2 * HOUR).await;
        for hour in [1, 12, 17, 18, 19, 48] {
            import_at(db, DAY + hour * HOUR, &text("2026-11-22 18:00")).await;
            assert!(!may(db, "ada", "ada@example.com", "offers").await, "{hour}:00");
        }
        import_at(db, DAY + 60 * HOUR, &text("2026-11-23 18:00")).await;
        assert!(may(db, "ada", "ada@example.com", "offers").await, "a later yes that lies behind the import");
    }

    async fn a_no_follows_the_person_to_the_address_an_import_gives_him(db: &TestDb) {
        let text = format!("{YES}ada,ada@old.example,yes,shop,2026-11-20,consent,Offers\n").replace("offers", "club");
        import_at(db, DAY, &text).await;
        suppress(db, "ada@old.example", topic("offers"), "complaint", DAY + 1).await;
        suppress(db, "ada@old.example", topic("news"), "robinson", DAY + 2).await;
        suppress(db, "ada@old.example", topic("club"), "opt_out", DAY - 900 * HOUR).await;
        opt_out(db, "ada", "ada@old.example", &topic("tips"), DAY + 3).await;
        import_at(db, DAY + HOUR, "external_id,email\nada,ada@new.example\n").await;
        let followed = suppressions(db, "ada@new.example").await;
        assert_eq!(followed, [("offers".to_owned(), "complaint".to_owned(), 1), ("tips".to_owned(), "opt_out".to_owned(), 3)],
            "his own word, with its date, unless a newer consent lifted it; not what was about the mailbox");
        assert_eq!(suppressions(db, "ada@old.example").await.len(), 4, "nothing is taken from the former address");
        // Gone and back with the new address only, he is still out.
        db.run("DELETE FROM customers", []).await.unwrap();
        import_at(db, DAY + 2 * HOUR, &format!("{YES}ada,ada@new.example,yes,shop,2026-11-20,consent,Offers\n")).await;
        assert!(!may(db, "ada", "ada@new.example", "offers").await);
    }

    async fn a_no_to_all_that_one_topic_lifted_follows_for_the_others(db: &TestDb) {
        let text = format!("{YES}ada,ada@old.example,yes,shop,2026-11-20,soft_opt_in,\n");
        import_at(db, DAY, &text).await;
        import_at(db, DAY, &text.replace("offers", "news").replace("2026-11-20,soft_opt_in", "2026-11-21,consent")).await;
        suppress(db, "ada@old.example", Scope::All, "complaint", DAY - 36 * HOUR).await;
        assert!(may(db, "ada", "ada@old.example", "news").await && !may(db, "ada", "ada@old.example", "offers").await);
        import_at(db, DAY, "external_id,email\nada,ada@new.example\n").await;
        assert_eq!(suppressions(db, "ada@new.example").await, [("offers".to_owned(), "complaint".to_owned(), -36 * HOUR)]);
        assert!(may(db, "ada", "ada@new.example", "news").await && !may(db, "ada", "ada@new.example", "offers").await);
    }

    async fn a_yes_to_one_address_does_not_lift_what_another_said(db: &TestDb) {
        let text = format!("{YES}ada,ada@old.example,yes,shop,2026-11-20,consent,Offers\n");
        suppress(db, "ada@new.example", Scope::All, "opt_out", DAY - 900 * HOUR).await;
        import_at(db, DAY, &text).await;
        import_at(db, DAY, "external_id,email\nada,ada@new.example\n").await;
        assert!(may(db, "ada", "ada@old.example", "offers").await);
        assert!(!may(db, "ada", "ada@new.example", "offers").await, "whoever reads mail there said no");
        // The same words with the new address are a yes from there, newer than the no.
        import_at(db, DAY + HOUR, &text.replace("old", "new")).await;
        let row = db.row("SELECT COUNT(*) AS n FROM permission_evidence", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 2);
        assert!(may(db, "ada", "ada@new.example", "offers").await);
        import_at(db, DAY + HOUR, &text.replace("old", "new")).await;
        let row = db.row("SELECT COUNT(*) AS n FROM permission_evidence", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 2, "once");
        chain::seal(db, &keys(), DAY + HOUR).await.unwrap();
        assert!(chain::verify(db, &keys(), None).await.unwrap().broken.is_none());
    }
}
