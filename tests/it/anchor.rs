//! Attacks on the chain by whom only the database is open to: what the anchor of a node and the comparison
//! with permissions and suppressions show, and what they do not.

use visavis::consent::anchor::{self, AnchorFile, SealError};
use visavis::consent::chain::{self, Defect};
use visavis::consent::model::{Channel, Scope};
use visavis::consent::store;
use visavis::ids::CustomerId;
use visavis::storage::{Db, Sql};

use crate::evidence::{base, grant, keys, verify};
use crate::kit::database::TestDb;
use crate::on_both;

/// Ten pieces of evidence as [`base`], their end noted by a node; its data folder.
async fn anchored(db: &TestDb) -> (tempfile::TempDir, AnchorFile) {
    base(db).await;
    let folder = tempfile::tempdir().unwrap();
    let file = AnchorFile::in_folder(folder.path());
    assert_eq!(seal(db, &file).await.unwrap(), 0);
    assert_eq!(file.read().unwrap().unwrap().position, 10);
    (folder, file)
}

async fn seal(db: &Db, file: &AnchorFile) -> Result<u64, SealError> {
    anchor::seal(db, &keys(), file, 300).await
}

on_both! {
    async fn a_chain_made_anew_is_neither_extended_nor_whole(db: &TestDb) {
        let (_folder, file) = anchored(db).await;
        let kept = file.read().unwrap().unwrap();
        for sql in [
            "UPDATE permission_evidence SET wording = 'I want everything' WHERE id = 4",
            "DELETE FROM evidence_chain",
            "INSERT INTO unsealed_evidence SELECT id FROM permission_evidence",
        ] {
            db.run(sql, []).await.unwrap();
        }
        let refused = seal(db, &file).await.unwrap_err();
        assert!(matches!(refused, SealError::NotHeld { position: 10, .. }), "{refused}");
        assert!(refused.to_string().contains("visavis consent verify --accept"));
        assert!(matches!(anchor::follow(db, &file).await, Err(SealError::NotHeld { .. })));
        assert_eq!(file.read().unwrap().unwrap(), kept);
        let found = verify(db, Some(&kept)).await;
        assert_eq!((found.links, found.unsealed), (0, 10));
        assert_eq!(found.broken.unwrap().defect, Defect::Anchor);
        // A server without its anchor seals the forgery, and every anchor noted before shows it.
        chain::seal(db, &keys(), 400).await.unwrap();
        assert_eq!(verify(db, Some(&kept)).await.broken.unwrap().defect, Defect::Anchor);
        assert!(matches!(seal(db, &file).await, Err(SealError::NotHeld { .. })));
    }

    async fn each_node_notes_the_end_wherever_it_was_sealed(db: &TestDb) {
        let (folder, file) = anchored(db).await;
        let (anna, other) = (CustomerId(1), tempfile::tempdir().unwrap());
        let idle = AnchorFile::in_folder(other.path());
        anchor::follow(db, &idle).await.unwrap();
        assert_eq!(idle.read().unwrap(), file.read().unwrap());
        store::record(&***db, &grant(anna, 9), None, 100).await.unwrap();
        assert_eq!(seal(db, &file).await.unwrap(), 1);
        let head = verify(db, file.read().unwrap().as_ref()).await.head.unwrap();
        assert_eq!((head.position, file.read().unwrap()), (11, Some(head.clone())));
        anchor::follow(db, &idle).await.unwrap();
        assert_eq!(idle.read().unwrap(), Some(head));
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["evidence.anchor"], "nothing is left beside it");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = folder.path().join("evidence.anchor").metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // An older backup of the database; then a person has looked.
        for sql in ["DELETE FROM evidence_chain WHERE position = 11", "DELETE FROM permission_evidence WHERE id = 11"] {
            db.run(sql, []).await.unwrap();
        }
        assert!(matches!(anchor::follow(db, &idle).await, Err(SealError::NotHeld { position: 11, .. })));
        assert!(matches!(seal(db, &file).await, Err(SealError::NotHeld { position: 11, .. })));
        file.replace(verify(db, None).await.head.as_ref()).unwrap();
        assert_eq!(seal(db, &file).await.unwrap(), 0);
        std::fs::write(folder.path().join("evidence.anchor"), "11:short").unwrap();
        assert!(matches!(seal(db, &file).await, Err(SealError::Malformed { .. })));
    }

    async fn a_withdrawal_without_its_suppression_is_named(db: &TestDb) {
        let (anna, bert) = base(db).await;
        store::opt_out(&***db, anna, Some("fa"), Channel::Email, &Scope::Topic("offers".to_owned()), "link", 50).await.unwrap();
        store::opt_out(&***db, bert, Some("fb"), Channel::Email, &Scope::All, "link", 50).await.unwrap();
        chain::seal(db, &keys(), 300).await.unwrap();
        assert!(verify(db, None).await.is_whole);
        db.run("CREATE TABLE before_harm AS SELECT * FROM suppressions", []).await.unwrap();
        for (harm, customer) in [
            ("DELETE FROM suppressions WHERE fingerprint = 'fa'", anna),
            ("UPDATE suppressions SET suppressed_at = 49 WHERE fingerprint = 'fb'", bert),
            ("UPDATE suppressions SET scope = 'news' WHERE fingerprint = 'fb'", bert),
            ("UPDATE suppressions SET channel = 'sms' WHERE fingerprint = 'fa'", anna),
            ("UPDATE suppressions SET fingerprint = 'fx' WHERE fingerprint = 'fa'", anna),
        ] {
            db.run(harm, []).await.unwrap();
            let broken = verify(db, None).await.broken.unwrap();
            assert_eq!((broken.defect, broken.customer), (Defect::SuppressionMissing, Some(customer)), "{harm}");
            for sql in ["DELETE FROM suppressions", "INSERT INTO suppressions SELECT * FROM before_harm"] {
                db.run(sql, []).await.unwrap();
            }
        }
        db.run("UPDATE suppressions SET scope = '*', suppressed_at = 60 WHERE fingerprint = 'fa'", []).await.unwrap();
        assert!(verify(db, None).await.is_whole, "a newer one of the whole channel covers it");
    }

    async fn a_withdrawal_deleted_while_it_waits_shows_in_the_permission(db: &TestDb) {
        let (anna, _) = base(db).await;
        store::opt_out(&***db, anna, Some("fa"), Channel::Email, &Scope::All, "link", 50).await.unwrap();
        for sql in ["DELETE FROM unsealed_evidence", "DELETE FROM permission_evidence WHERE id > 10", "DELETE FROM suppressions"] {
            db.run(sql, []).await.unwrap();
        }
        let broken = verify(db, None).await.broken.unwrap();
        assert_eq!((broken.defect, broken.customer), (Defect::Permission, Some(anna)));
    }

    async fn evidence_forged_with_its_place_in_the_line_shows_in_the_permission_at_most(db: &TestDb) {
        let (_folder, file) = anchored(db).await;
        for sql in [
            "INSERT INTO permission_evidence (id, customer_id, channel, topic, action, basis, source, occurred_at, recorded_at) \
             VALUES (77, 1, 'email', 'news', 'grant', 'consent', 'form 3', 50, 100)",
            "INSERT INTO unsealed_evidence VALUES (77)",
        ] {
            db.run(sql, []).await.unwrap();
        }
        let broken = verify(db, None).await.broken.unwrap();
        assert_eq!((broken.defect, broken.permission.as_deref()), (Defect::Permission, Some("email/news")));
        // The limit that the chain owns up to: whoever forges the permission too is believed.
        let forged = "INSERT INTO permissions (customer_id, channel, topic, is_granted, basis, since_at, evidence_id, level, level_since_at) \
             VALUES (1, 'email', 'news', TRUE, 'consent', 50, 77, 2, 50)";
        db.run(forged, []).await.unwrap();
        assert_eq!(seal(db, &file).await.unwrap(), 1);
        assert!(verify(db, None).await.is_whole);
    }
}
