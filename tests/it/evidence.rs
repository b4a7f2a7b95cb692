//! The evidence chain: every way of changing the past is told by its name.

use sea_orm::Value;
use visavis::config::Settings;
use visavis::consent::chain::{self, Anchor, Defect};
use visavis::consent::ladder::Level;
use visavis::consent::model::{Action, Basis, Channel, Details, Evidence, Scope};
use visavis::consent::{audit, expiry, store};
use visavis::ids::CustomerId;
use visavis::keys::Keys;
use visavis::storage::{Db, Sql};

use crate::consent::customer;
use crate::kit::database::TestDb;
use crate::on_both;

fn keys() -> Keys {
    Keys::from_secret(&[7; 32])
}

fn grant(customer: CustomerId, at: i64) -> Evidence {
    Evidence::grant(customer, Channel::Email, "offers", Basis::Consent, "form 3", at)
}

/// Ten pieces of evidence about two people, the fifth with details, sealed.
async fn base(db: &TestDb) -> (CustomerId, CustomerId) {
    let (anna, bert) = (customer(db).await, customer(db).await);
    for at in 1..=5 {
        let mut yes = grant(anna, at);
        if at == 3 {
            yes.details = Some(Details {
                ip: Some("192.0.2.7".to_owned()),
                user_agent: Some("Firefox".to_owned()),
                page_url: None,
            });
        }
        store::record(&***db, &yes, Some("fa"), 100).await.unwrap();
        store::record(&***db, &grant(bert, at), Some("fb"), 100).await.unwrap();
    }
    assert_eq!(chain::seal(db, &keys(), 200).await.unwrap(), 10);
    (anna, bert)
}

async fn verify(db: &Db, anchor: Option<&Anchor>) -> chain::Verification {
    chain::verify(db, &keys(), anchor).await.unwrap()
}

/// Does harm; what is found then, and where.
async fn harm(db: &TestDb, statements: &[&str]) -> (Defect, Option<i64>) {
    base(db).await;
    let whole = verify(db, None).await;
    assert!(whole.is_whole, "{whole:?}");
    assert_eq!((whole.links, whole.unsealed, whole.permissions), (10, 0, 2));
    for sql in statements {
        db.run(*sql, []).await.unwrap();
    }
    let found = verify(db, whole.head.as_ref()).await;
    assert!(!found.is_whole);
    let broken = found.broken.unwrap();
    (broken.defect, broken.position)
}

on_both! {
    async fn changed_evidence_is_named(db: &TestDb) {
        let found = harm(db, &["UPDATE permission_evidence SET occurred_at = 99 WHERE id = 4"]).await;
        assert_eq!(found, (Defect::EvidenceChanged, Some(4)));
    }

    async fn changed_evidence_at_the_end_is_named(db: &TestDb) {
        let found = harm(db, &["UPDATE permission_evidence SET fingerprint = 'other' WHERE id = 10"]).await;
        assert_eq!(found, (Defect::EndAltered, Some(10)));
    }

    async fn deleted_evidence_is_named(db: &TestDb) {
        let found = harm(db, &["DELETE FROM permission_evidence WHERE id = 4"]).await;
        assert_eq!(found, (Defect::EvidenceMissing, Some(4)));
    }

    async fn evidence_deleted_with_its_link_is_named(db: &TestDb) {
        let found = harm(db, &[
            "DELETE FROM permission_evidence WHERE id = 4",
            "DELETE FROM evidence_chain WHERE position = 4",
        ]).await;
        assert_eq!(found, (Defect::LinkMissing, Some(4)));
    }

    async fn evidence_taken_out_under_new_positions_is_named(db: &TestDb) {
        let found = harm(db, &[
            "DELETE FROM permission_evidence WHERE id = 4",
            "DELETE FROM evidence_chain WHERE position = 4",
            "UPDATE evidence_chain SET position = -position + 1 WHERE position > 4",
            "UPDATE evidence_chain SET position = -position WHERE position < 0",
        ]).await;
        assert_eq!(found, (Defect::EvidenceChanged, Some(4)));
    }

    async fn an_altered_link_is_named(db: &TestDb) {
        let found = harm(db, &["UPDATE evidence_chain SET link = 'ff' WHERE position = 4"]).await;
        assert_eq!(found, (Defect::LinkAltered, Some(4)));
    }

    async fn swapped_links_are_named(db: &TestDb) {
        let swap = [
            "UPDATE evidence_chain SET position = 0 WHERE position = 4",
            "UPDATE evidence_chain SET position = 4 WHERE position = 5",
            "UPDATE evidence_chain SET position = 5 WHERE position = 0",
        ];
        assert_eq!(harm(db, &swap).await, (Defect::Order, Some(4)));
    }

    async fn swapped_evidence_is_named(db: &TestDb) {
        let swap = [
            "UPDATE evidence_chain SET evidence_id = 0 WHERE evidence_id = 4",
            "UPDATE evidence_chain SET evidence_id = 4 WHERE evidence_id = 7",
            "UPDATE evidence_chain SET evidence_id = 7 WHERE evidence_id = 0",
        ];
        assert_eq!(harm(db, &swap).await, (Defect::Order, Some(4)));
    }

    async fn an_inserted_link_is_named(db: &TestDb) {
        let insert = [
            "UPDATE evidence_chain SET position = -position - 1 WHERE position >= 4",
            "UPDATE evidence_chain SET position = -position WHERE position < 0",
            "INSERT INTO permission_evidence (id, customer_id, channel, topic, action, basis, source, occurred_at, recorded_at) \
             VALUES (77, 1, 'email', 'news', 'grant', 'consent', 'form 3', 50, 100)",
            "INSERT INTO evidence_chain (position, evidence_id, link, sealed_at) VALUES (4, 77, 'ab', 200)",
        ];
        assert_eq!(harm(db, &insert).await, (Defect::Inserted, Some(4)));
    }

    async fn evidence_inserted_past_the_chain_is_named(db: &TestDb) {
        let insert = [
            "INSERT INTO permission_evidence (id, customer_id, channel, topic, action, basis, source, occurred_at, recorded_at) \
             VALUES (77, 1, 'email', 'news', 'grant', 'consent', 'form 3', 50, 100)",
        ];
        assert_eq!(harm(db, &insert).await, (Defect::Unlinked, None));
    }

    async fn a_cut_end_is_named_by_its_anchor(db: &TestDb) {
        let cut = [
            "DELETE FROM evidence_chain WHERE position > 8",
            "DELETE FROM permission_evidence WHERE id > 8",
        ];
        assert_eq!(harm(db, &cut).await, (Defect::Anchor, Some(10)));
    }

    async fn altered_details_are_named(db: &TestDb) {
        let alter = ["UPDATE evidence_details SET details = '{\"ip\":\"198.51.100.1\"}'"];
        assert_eq!(harm(db, &alter).await, (Defect::DetailsAltered, Some(5)));
    }

    async fn details_may_only_go_with_an_erasure(db: &TestDb) {
        assert_eq!(harm(db, &["DELETE FROM evidence_details"]).await, (Defect::DetailsMissing, Some(5)));
        let customer = CustomerId(1);
        audit::record(&***db, 300, "operator", audit::ERASURE, Some(customer), serde_json::json!({})).await.unwrap();
        assert!(verify(db, None).await.is_whole);
    }

    async fn a_permission_set_by_hand_is_named(db: &TestDb) {
        let (anna, _) = base(db).await;
        store::opt_out(&***db, anna, Some("fa"), Channel::Email, &Scope::All, "link", 50).await.unwrap();
        chain::seal(db, &keys(), 201).await.unwrap();
        assert!(verify(db, None).await.is_whole);
        for set in ["is_granted = NOT is_granted", "level = 5", "since_at = 60", "expires_at = 9", "basis = 'contract'"] {
            let before = "CREATE TABLE before_harm AS SELECT * FROM permissions";
            db.run(before, []).await.unwrap();
            db.run(format!("UPDATE permissions SET {set} WHERE customer_id = $1 AND topic = 'offers'"), [anna.0.into()]).await.unwrap();
            let broken = verify(db, None).await.broken.unwrap();
            assert_eq!(broken.defect, Defect::Permission, "{set}");
            assert_eq!((broken.customer, broken.permission.as_deref()), (Some(anna), Some("email/offers")));
            for sql in ["DELETE FROM permissions", "INSERT INTO permissions SELECT * FROM before_harm", "DROP TABLE before_harm"] {
                db.run(sql, []).await.unwrap();
            }
        }
        assert!(verify(db, None).await.is_whole);
    }

    async fn what_waits_is_not_broken_and_another_secret_is(db: &TestDb) {
        let (anna, _) = base(db).await;
        store::record(&***db, &grant(anna, 9), None, 100).await.unwrap();
        let found = verify(db, None).await;
        assert!(found.is_whole);
        assert_eq!(found.unsealed, 1);
        assert_eq!(chain::seal(db, &keys(), 300).await.unwrap(), 1);
        let head = verify(db, None).await.head.unwrap();
        assert_eq!(head.position, 11);
        assert_eq!(head.to_string().parse::<Anchor>().unwrap(), head);
        let stranger = chain::verify(db, &Keys::from_secret(&[8; 32]), None).await.unwrap();
        assert!(!stranger.is_whole, "who has not the secret cannot make a chain that holds");
    }

    async fn many_seal_at_once_and_the_chain_has_no_gap(db: &TestDb) {
        let anna = customer(db).await;
        for at in 1..=40 {
            store::record(&***db, &grant(anna, at), None, 100).await.unwrap();
        }
        let tasks: Vec<_> = (0..4).map(|_| {
            let db = db.db.clone();
            tokio::spawn(async move { chain::seal(&db, &keys(), 200).await.unwrap() })
        }).collect();
        let mut sealed = 0;
        for task in tasks {
            sealed += task.await.unwrap();
        }
        assert_eq!(sealed, 40);
        assert_eq!(verify(db, None).await.links, 40);
    }

    async fn a_level_counts_from_the_newest_no_on(db: &TestDb) {
        let anna = customer(db).await;
        let record = async |at: i64, level: Option<Level>| {
            let evidence = Evidence { level, ..grant(anna, at) };
            store::record(&***db, &evidence, Some("fa"), 100).await.unwrap();
            let permissions = store::permissions_of(&***db, anna).await.unwrap();
            let offers = permissions.iter().find(|p| p.scope == Scope::Topic("offers".to_owned())).unwrap();
            (offers.level, offers.level_since_at, offers.since_at)
        };
        assert_eq!(record(10, None).await, (Level::BrandTrust, 10, 10));
        assert_eq!(record(20, Some(Level::Points)).await, (Level::Points, 20, 20));
        assert_eq!(record(30, None).await, (Level::Points, 20, 30), "a lower grant takes nothing away");
        assert_eq!(record(5, Some(Level::Intravenous)).await, (Level::Intravenous, 5, 30), "recorded late");
        store::opt_out(&***db, anna, Some("fa"), Channel::Email, &Scope::Topic("offers".to_owned()), "link", 40).await.unwrap();
        assert_eq!(record(39, Some(Level::Intravenous)).await, (Level::Stranger, 40, 40));
        assert_eq!(record(50, Some(Level::Situational)).await, (Level::Situational, 50, 50));
        assert_eq!(record(45, Some(Level::Points)).await, (Level::Points, 45, 50));
    }

    async fn grants_end_at_their_date_and_with_their_basis(db: &TestDb) {
        const DAY: i64 = 86_400_000;
        let settings = Settings::load_from(None, std::collections::HashMap::new()).unwrap().permission;
        let (dated, old, active, contract) =
            (customer(db).await, customer(db).await, customer(db).await, customer(db).await);
        let now = 2_000 * DAY;
        let say = async |evidence: Evidence| store::record(&***db, &evidence, Some("f"), now).await.unwrap();
        say(Evidence { expires_at: Some(1_900 * DAY), ..grant(dated, 1_800 * DAY) }).await;
        say(grant(old, 800 * DAY)).await;
        say(grant(active, 800 * DAY)).await;
        say(Evidence { basis: Some(Basis::Contract), ..grant(contract, DAY) }).await;
        db.run("UPDATE customers SET last_response_at = $2 WHERE id = $1", [active.0.into(), (1_500 * DAY).into()]).await.unwrap();
        let expired = expiry::expire_due(db, &settings, now).await.unwrap();
        assert_eq!((expired.by_date, expired.count()), (1, 2));
        assert_eq!(expired.by_basis.get("consent"), Some(&1));
        let may = async |customer| store::may_contact(&***db, customer, "f", Channel::Email, "offers").await.unwrap();
        assert!(!may(dated).await && !may(old).await);
        assert!(may(active).await && may(contract).await);
        assert_eq!(expiry::expire_due(db, &settings, now).await.unwrap().count(), 0, "once");
        // Dated when it came: a yes said since then counts, and nothing was suppressed.
        say(grant(dated, 1_950 * DAY)).await;
        assert!(may(dated).await);
        let permission = &store::permissions_of(&***db, old).await.unwrap()[0];
        assert_eq!(permission.since_at, (800 + 1_095) * DAY);
        chain::seal(db, &keys(), now).await.unwrap();
        assert!(verify(db, None).await.is_whole);
        let row = db.row("SELECT COUNT(*) AS n FROM permission_evidence WHERE action = $1 AND actor = 'system'", [Value::from(Action::Expire.as_str())]).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 2);
    }
}
