//! The evidence chain: every way of changing the past is told by its name.

use sea_orm::Value;
use visavis::config::Settings;
use visavis::consent::chain::{self, Anchor, Defect};
use visavis::consent::ladder::{Ladder, Level};
use visavis::consent::model::{Action, Basis, Channel, Details, Evidence, Scope};
use visavis::consent::proof::{self, ProofError};
use visavis::consent::{audit, expiry, overview, store};
use visavis::ids::CustomerId;
use visavis::keys::Keys;
use visavis::storage::{Db, Sql};
use visavis::web::console::permission;

use crate::cli::{told, visavis};
use crate::consent::customer;
use crate::kit::database::TestDb;
use crate::on_both;

pub(crate) fn keys() -> Keys {
    Keys::from_secret(&[7; 32])
}

pub(crate) fn grant(customer: CustomerId, at: i64) -> Evidence {
    Evidence::grant(
        customer,
        Channel::Email,
        "offers",
        Basis::Consent,
        "form 3",
        at,
    )
}

/// Ten pieces of evidence about two people, the fifth with details, sealed.
pub(crate) async fn base(db: &TestDb) -> (CustomerId, CustomerId) {
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
        store::record(&***db, &grant(bert, at), Some("fb"), 100)
            .await
            .unwrap();
    }
    assert_eq!(chain::seal(db, &keys(), 200).await.unwrap(), 10);
    (anna, bert)
}

pub(crate) async fn verify(db: &Db, anchor: Option<&Anchor>) -> chain::Verification {
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
        let broken = verify(db, None).await.broken.unwrap();
        assert_eq!((broken.defect, broken.position), (Defect::DetailsMissing, Some(5)), "he is still there");
        for sql in ["DELETE FROM permissions WHERE customer_id = 1", "DELETE FROM customers WHERE id = 1"] {
            db.run(sql, []).await.unwrap();
        }
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

    async fn a_list_that_comes_late_takes_the_rungs_before_its_date(db: &TestDb) {
        let anna = customer(db).await;
        let intimate = Evidence { level: Some(Level::Intravenous), ..grant(anna, 5) };
        store::record(&***db, &intimate, Some("fa"), 100).await.unwrap();
        store::record(&***db, &grant(anna, 20), Some("fa"), 100).await.unwrap();
        let robinson = store::Suppression { fingerprint: "fa".to_owned(), channel: Channel::Email, scope: Scope::All, reason: "robinson".to_owned(), suppressed_at: 10 };
        store::suppress(&***db, &[robinson]).await.unwrap();
        let permission = &store::permissions_of(&***db, anna).await.unwrap()[0];
        assert!(permission.is_granted, "the consent is newer than the list");
        assert_eq!((permission.level, permission.level_since_at), (Level::BrandTrust, 20));
        chain::seal(db, &keys(), 200).await.unwrap();
        assert!(verify(db, None).await.is_whole);
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

    async fn a_proof_holds_all_that_is_on_record_and_survives_erasure(db: &TestDb) {
        let settings = Settings::load_from(None, std::collections::HashMap::new()).unwrap();
        let anna = customer(db).await;
        db.run("UPDATE customers SET email_fingerprint = 'fa' WHERE id = $1", [anna.0.into()]).await.unwrap();
        let confirmation: i64 = db.row(
            "INSERT INTO confirmations (purpose, nonce, channel, fingerprint, limit_key, language, payload, requested_at, expires_at, \
             send_state, attempt, sent_at, used_at) VALUES ('opt_in', 'n', 'email', 'fa', 'fa', 'en', '{}', 1000, 9000, 'sent', 1, 2000, 3000) RETURNING id",
            [],
        ).await.unwrap().unwrap().try_get("", "id").unwrap();
        let yes = Evidence {
            wording: Some("I would like <b>offers</b>.".to_owned()),
            locale: Some("en".to_owned()),
            actor: Some("person".to_owned()),
            level: Some(Level::Points),
            confirmation: Some(confirmation),
            details: Some(Details { ip: Some("192.0.2.7".to_owned()), user_agent: None, page_url: Some("https://example.com/join".to_owned()) }),
            ..grant(anna, 3_000)
        };
        store::record(&***db, &yes, Some("fa"), 3_000).await.unwrap();
        for at in [4_000_i64, 5_000] {
            db.run("INSERT INTO contacts (customer_id, contacted_at, wave_id, seq, channel, topic) VALUES ($1, $2, 1, 1, 'email', 'offers')", [anna.0.into(), at.into()]).await.unwrap();
        }
        store::opt_out(&***db, anna, Some("fa"), Channel::Email, &Scope::Topic("news".to_owned()), "unsubscribe_page", 6_000).await.unwrap();
        chain::seal(db, &keys(), 7_000).await.unwrap();

        let told = proof::of_customer(db, &settings, anna, 8_000).await.unwrap();
        let json = serde_json::to_value(&told).unwrap();
        let offers = &json["permissions"][1];
        assert_eq!((offers["channel"].as_str(), offers["topic"].as_str()), (Some("email"), Some("offers")));
        let current = &offers["current"];
        assert_eq!((current["is_granted"].as_bool(), current["level_granted"].as_str(), current["level_today"].as_str()), (Some(true), Some("points"), Some("points")));
        assert_eq!((current["since"].as_str(), current["ground"]["basis"].as_str()), (Some("1970-01-01T00:00:03.000Z"), Some("consent")));
        assert_eq!(current["basis_ends_at"], "1972-12-31T00:00:03.000Z");
        let piece = &offers["evidence"][0];
        assert_eq!((piece["details"]["ip"].as_str(), piece["position"].as_i64()), (Some("192.0.2.7"), Some(1)));
        assert_eq!(piece["link"].as_str().unwrap().len(), 64);
        assert_eq!(piece["confirmation"]["confirmed_at"], "1970-01-01T00:00:03.000Z");
        assert_eq!((offers["contacts"]["count"].as_u64(), offers["contacts"]["last_at"].as_str()), (Some(2), Some("1970-01-01T00:00:05.000Z")));
        assert_eq!((json["permissions"][0]["topic"].as_str(), json["permissions"][0]["current"]["is_granted"].as_bool()), (Some("news"), Some(false)));
        assert_eq!((json["suppressions"][0]["scope"].as_str(), json["suppressions"][0]["reason"].as_str()), (Some("news"), Some("opt_out")));
        let page = permission::html(&told, None).unwrap();
        for expected in ["I would like &lt;b&gt;offers&lt;/b&gt;.", "192.0.2.7", "the button of our unsubscribe page", "2 handed over"] {
            assert!(page.contains(expected), "{expected} in {page}");
        }

        // As an erasure does: the row and the details go, the record says so.
        db.run("DELETE FROM customers WHERE id = $1", [anna.0.into()]).await.unwrap();
        db.run("DELETE FROM evidence_details", []).await.unwrap();
        db.run("DELETE FROM confirmations", []).await.unwrap();
        audit::record(&***db, 9_000, "person", audit::ERASURE, Some(anna), serde_json::json!({})).await.unwrap();
        let told = proof::of_customer(db, &settings, anna, 10_000).await.unwrap();
        assert_eq!((told.is_known, told.erased_at.as_deref()), (false, Some("1970-01-01T00:00:09.000Z")));
        assert_eq!((told.permissions.len(), told.suppressions.len(), told.audit.len()), (2, 1, 1));
        let piece = &told.permissions[1].evidence[0];
        assert!(told.permissions[1].current.is_none() && piece.are_details_erased && piece.details.is_none());
        assert_eq!(piece.wording.as_deref(), Some("I would like <b>offers</b>."));
        let page = permission::html(&told, None).unwrap();
        assert!(page.contains("This person was erased on 1970-01-01 00:00 UTC.") && !page.contains("192.0.2.7"), "{page}");
        assert!(verify(db, None).await.is_whole);
        let nobody = proof::of_customer(db, &settings, CustomerId(4711), 10_000).await.unwrap_err();
        assert!(matches!(nobody, ProofError::Nothing(_)));
    }

    async fn people_are_counted_where_the_ladder_says_they_stand(db: &TestDb) {
        const DAY: i64 = 86_400_000;
        let mut settings = Settings::load_from(None, std::collections::HashMap::new()).unwrap();
        settings.permission.consent_days = 0;
        let ladder = Ladder::new(&settings.permission.levels).unwrap();
        let now = 20_000 * DAY;
        let mut expected = [0_u64; 6];
        for granted in Level::ALL {
            for days in [0, 90, 91, 365, 366, 731, 1_095, 1_096, 1_826, 3_000, 5_000] {
                for clicked in [None, Some(100_i64)] {
                    let one = customer(db).await;
                    let evidence = Evidence { level: Some(granted), ..grant(one, now - days * DAY) };
                    store::record(&***db, &evidence, None, now).await.unwrap();
                    let at = clicked.map(|days| now - days * DAY);
                    db.run("UPDATE customers SET last_response_at = $2 WHERE id = $1", [one.0.into(), at.into()]).await.unwrap();
                    let act = at.map_or(evidence.occurred_at, |at| at.max(evidence.occurred_at));
                    let stands = ladder.standing(granted, act, now);
                    expected[usize::try_from(stands.code()).unwrap()] += 1;
                }
            }
        }
        // Strangers: who has no permission, whose grant ended, whose address is suppressed.
        let ended = customer(db).await;
        store::record(&***db, &Evidence { expires_at: Some(now), ..grant(ended, now - 1) }, None, now).await.unwrap();
        let suppressed = customer(db).await;
        db.run("UPDATE customers SET email_fingerprint = 'fs' WHERE id = $1", [suppressed.0.into()]).await.unwrap();
        store::record(&***db, &grant(suppressed, now - 2), Some("fs"), now).await.unwrap();
        let robinson = store::Suppression { fingerprint: "fs".to_owned(), channel: Channel::Email, scope: Scope::All, reason: "robinson".to_owned(), suppressed_at: now - 1 };
        store::suppress(&***db, &[robinson]).await.unwrap();
        customer(db).await;
        expected[0] += 3;
        for (topic, expected) in [(None, expected), (Some("offers"), expected), (Some("news"), [expected.iter().sum(), 0, 0, 0, 0, 0])] {
            let overview = overview::overview(db, &settings, topic, now).await.unwrap();
            let mut counts: Vec<u64> = overview.rungs.iter().map(|rung| rung.people.unwrap()).collect();
            counts.reverse();
            assert_eq!(counts, expected, "{topic:?}");
        }
        settings.permission.consent_days = 1;
        let overview = overview::overview(db, &settings, None, now).await.unwrap();
        let standing: u64 = overview.rungs.iter().filter(|rung| rung.level != Level::Stranger).map(|rung| rung.people.unwrap()).sum();
        assert_eq!(standing, 10, "a basis that ended carries no rung: only those of today stand");
    }
}

#[test]
fn the_program_verifies_proves_and_shows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String = (1..=30)
        .map(|n| format!("{n},c{n}@example.com,yes,form,2026-01-01,consent,I want offers.\n"))
        .collect();
    std::fs::write(
        folder.join("customers.csv"),
        format!("external_id,email,permission.email.offers,permission_source,permission_date,permission_basis,permission_wording\n{rows}"),
    )
    .unwrap();
    told(folder, &["import", "customers.csv"]);
    let whole = told(folder, &["consent", "verify"]);
    assert!(
        whole.starts_with("The chain is whole: 30 links, 30 permissions"),
        "{whole}"
    );
    let anchor = whole.lines().last().unwrap();
    let proof = told(
        folder,
        &["consent", "proof", "--customer", "c7@example.com"],
    );
    let proof: serde_json::Value = serde_json::from_str(&proof).unwrap();
    assert_eq!(proof["person"]["external_id"], "7");
    assert_eq!(
        proof["permissions"][0]["evidence"][0]["wording"],
        "I want offers."
    );
    told(
        folder,
        &[
            "consent",
            "proof",
            "--customer",
            "7",
            "--html",
            "proof.html",
        ],
    );
    let page = std::fs::read_to_string(folder.join("proof.html")).unwrap();
    assert!(page.contains("c7@example.com") && page.contains("I want offers."));
    let ladder = told(folder, &["consent", "levels", "--topic", "offers"]);
    assert!(
        ladder.contains("BRAND TRUST") && ladder.contains("30 people"),
        "{ladder}"
    );

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = visavis::storage::DbUrl::sqlite_file(&folder.join("data/visavis.db"));
        let db = Db::open(&url, 1).await.unwrap();
        for sql in [
            "DELETE FROM evidence_chain WHERE position > 20",
            "DELETE FROM permissions WHERE evidence_id > 20",
            "DELETE FROM permission_evidence WHERE id > 20",
        ] {
            db.run(sql, []).await.unwrap();
        }
        db.close().await;
    });
    let broken = |arguments: &[&str]| {
        let cut = visavis(folder, arguments);
        assert_eq!(cut.status.code(), Some(1));
        let text = String::from_utf8(cut.stdout).unwrap();
        assert!(text.contains("The chain is BROKEN at link 30"), "{text}");
        text
    };
    let text = broken(&["consent", "verify"]);
    assert!(text.contains("visavis consent verify --accept"), "{text}");
    // What comes in waits, and nobody is kept from his work.
    std::fs::write(
        folder.join("more.csv"),
        "external_id,email,permission.email.offers,permission_source,permission_date,permission_basis\n31,c31@example.com,yes,form,2026-01-01,consent\n",
    )
    .unwrap();
    let imported = visavis(folder, &["import", "more.csv"]);
    assert!(imported.status.success());
    broken(&["consent", "verify"]);
    let accepted = told(folder, &["consent", "verify", "--accept"]);
    assert!(
        accepted.starts_with("The chain is whole: 21 links"),
        "{accepted}"
    );
    told(folder, &["consent", "verify"]);
    let text = broken(&["consent", "verify", "--accept", "--anchor", anchor]);
    assert!(
        !text.contains("--accept"),
        "an anchor noted elsewhere is no affair of this server: {text}"
    );
}
