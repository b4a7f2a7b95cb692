//! Evidence, permissions and suppression on both databases.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sea_orm::Value;
use visavis::consent::ladder::Level;
use visavis::consent::model::{Action, Basis, Channel, Evidence, Permission, Scope};
use visavis::consent::store;
use visavis::ids::CustomerId;
use visavis::storage::{Db, Sql};

use crate::on_both;

pub async fn customer(db: &Db) -> CustomerId {
    let row = db
        .row(
            "INSERT INTO customers (email_state, language, country, stage, attributes, attributes_key, \
             tracking, orders_count, revenue_cents, engagement, created_at, updated_at) \
             VALUES ('ok', 'fr', 'FR', 'prospect', '{}', '{}', 'none', 0, 0, 0, 0, 0) RETURNING id",
            [],
        )
        .await
        .unwrap()
        .unwrap();
    CustomerId(row.try_get("", "id").unwrap())
}

fn topic(name: &str) -> Scope {
    Scope::Topic(name.to_owned())
}

fn says(customer: CustomerId, scope: Scope, action: Action, at: i64) -> Evidence {
    let no = Evidence::withdrawal(customer, Channel::Email, scope, "form 3", at);
    Evidence {
        action,
        basis: (action == Action::Grant).then_some(Basis::Consent),
        ..no
    }
}

async fn may(db: &Db, customer: CustomerId, about: &str) -> bool {
    store::may_contact(&**db, customer, "f1", Channel::Email, about)
        .await
        .unwrap()
}

async fn count(db: &Db, table: &str) -> i64 {
    let row = db
        .row(format!("SELECT COUNT(*) AS n FROM {table}"), [])
        .await
        .unwrap()
        .unwrap();
    row.try_get("", "n").unwrap()
}

on_both! {
    async fn the_newest_word_counts_in_whatever_order_it_is_recorded(db: &TestDb) {
        let customer = customer(db).await;
        store::record(&***db, &says(customer, topic("offers"), Action::Grant, 20), Some("f1"), 100).await.unwrap();
        store::record(&***db, &says(customer, topic("offers"), Action::Withdraw, 10), Some("f1"), 101).await.unwrap();
        assert!(may(db, customer, "offers").await);
        store::record(&***db, &says(customer, topic("offers"), Action::Withdraw, 20), Some("f1"), 102).await.unwrap();
        assert!(!may(db, customer, "offers").await, "of two words at one instant the no counts");
        store::record(&***db, &says(customer, topic("offers"), Action::Grant, 21), Some("f1"), 103).await.unwrap();
        assert!(may(db, customer, "offers").await);
        assert_eq!(count(db, "permission_evidence").await, 4);
    }

    async fn a_no_to_the_channel_covers_topics_recorded_later(db: &TestDb) {
        let customer = customer(db).await;
        store::record(&***db, &says(customer, topic("offers"), Action::Grant, 1), Some("f1"), 100).await.unwrap();
        store::record(&***db, &says(customer, Scope::All, Action::Withdraw, 10), Some("f1"), 100).await.unwrap();
        store::record(&***db, &says(customer, topic("news"), Action::Grant, 5), Some("f1"), 100).await.unwrap();
        assert!(!may(db, customer, "offers").await);
        assert!(!may(db, customer, "news").await);
        store::record(&***db, &says(customer, topic("news"), Action::Grant, 11), Some("f1"), 100).await.unwrap();
        assert!(may(db, customer, "news").await);
        assert!(!may(db, customer, "offers").await);
        assert!(store::is_suppressed(&***db, "f1", Channel::Email, "offers").await.unwrap());
        assert!(!store::is_suppressed(&***db, "f1", Channel::Sms, "offers").await.unwrap());
    }

    async fn only_consent_lifts_a_suppression(db: &TestDb) {
        let customer = customer(db).await;
        store::record(&***db, &says(customer, topic("offers"), Action::Withdraw, 10), Some("f1"), 100).await.unwrap();
        let mut grant = says(customer, topic("offers"), Action::Grant, 20);
        grant.basis = Some(Basis::SoftOptIn);
        store::record(&***db, &grant, Some("f1"), 100).await.unwrap();
        assert!(!may(db, customer, "offers").await, "a purchase does not revive who said no");
        store::record(&***db, &says(customer, topic("offers"), Action::Grant, 30), Some("f1"), 100).await.unwrap();
        assert!(may(db, customer, "offers").await);
        assert_eq!(count(db, "suppressions").await, 1, "a suppression is kept even so");
    }

    async fn a_grant_without_basis_or_topic_is_refused(db: &TestDb) {
        let customer = customer(db).await;
        let mut grant = says(customer, topic("offers"), Action::Grant, 20);
        grant.basis = None;
        assert!(store::record(&***db, &grant, None, 100).await.is_err());
        let all = says(customer, Scope::All, Action::Grant, 20);
        assert!(store::record(&***db, &all, None, 100).await.is_err());
        assert_eq!(count(db, "permission_evidence").await, 0);
    }

    async fn opting_out_twice_is_once(db: &TestDb) {
        let customer = customer(db).await;
        store::record(&***db, &says(customer, topic("offers"), Action::Grant, 1), Some("f1"), 100).await.unwrap();
        let out = async |scope: Scope, at| {
            store::opt_out(&***db, customer, Some("f1"), Channel::Email, &scope, "link", at).await.unwrap()
        };
        assert!(out(topic("offers"), 10).await);
        assert!(!out(topic("offers"), 11).await);
        assert!(!may(db, customer, "offers").await);
        assert!(out(Scope::All, 12).await, "the channel is more than the topic");
        assert!(!out(Scope::All, 13).await);
        assert_eq!(count(db, "permission_evidence").await, 3);
        store::record(&***db, &says(customer, topic("offers"), Action::Grant, 20), Some("f1"), 100).await.unwrap();
        assert!(may(db, customer, "offers").await);
        assert!(out(topic("offers"), 21).await);
        assert!(!may(db, customer, "offers").await);
    }

    async fn who_is_gone_can_still_opt_out(db: &TestDb) {
        let gone = CustomerId(4711);
        let out = async || {
            store::opt_out(&***db, gone, Some("f9"), Channel::Email, &Scope::All, "link", 5).await.unwrap()
        };
        assert!(out().await);
        assert!(!out().await);
        assert!(store::is_suppressed(&***db, "f9", Channel::Email, "anything").await.unwrap());
        assert_eq!(count(db, "permission_evidence").await, 0);
    }

    async fn a_suppression_keeps_its_newest_date(db: &TestDb) {
        let suppression = |at: i64, reason: &str| store::Suppression {
            fingerprint: "f1".to_owned(),
            channel: Channel::Email,
            scope: Scope::All,
            reason: reason.to_owned(),
            suppressed_at: at,
        };
        store::suppress(&***db, &[suppression(5, "refused"), suppression(9, "complaint"), suppression(7, "refused")]).await.unwrap();
        store::suppress(&***db, &[suppression(8, "opt_out")]).await.unwrap();
        let row = db.row("SELECT reason, suppressed_at FROM suppressions", []).await.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", "reason").unwrap(), "complaint");
        assert_eq!(row.try_get::<i64>("", "suppressed_at").unwrap(), 9);
    }

    /// A no of his own follows the person to another address; a list that names the old one must not take that away.
    async fn his_own_word_stays_his_whatever_list_names_the_address_too(db: &TestDb) {
        let no = |fingerprint: &str, reason: &str, at: i64| store::Suppression {
            fingerprint: fingerprint.to_owned(),
            channel: Channel::Email,
            scope: Scope::All,
            reason: reason.to_owned(),
            suppressed_at: at,
        };
        for (fingerprint, first, then) in [
            ("f1", no("f1", "opt_out", 5), no("f1", "list", 9)),
            ("f2", no("f2", "list", 9), no("f2", "opt_out", 5)),
        ] {
            store::suppress(&***db, &[first]).await.unwrap();
            store::suppress(&***db, &[then]).await.unwrap();
            let sql = "SELECT reason, suppressed_at FROM suppressions WHERE fingerprint = $1";
            let row = db.row(sql, [fingerprint.into()]).await.unwrap().unwrap();
            assert_eq!(row.try_get::<String>("", "reason").unwrap(), "opt_out", "{fingerprint}");
            assert_eq!(row.try_get::<i64>("", "suppressed_at").unwrap(), 9, "{fingerprint}");
        }
        store::suppress(&***db, &[no("f3", "list", 9), no("f3", "opt_out", 5)]).await.unwrap();
        let row = db.row("SELECT reason, suppressed_at FROM suppressions WHERE fingerprint = 'f3'", []).await.unwrap().unwrap();
        let both: (String, i64) = (row.try_get("", "reason").unwrap(), row.try_get("", "suppressed_at").unwrap());
        assert_eq!(both, ("opt_out".to_owned(), 9));
    }

    async fn any_order_of_the_same_evidence_ends_in_the_same_permissions(db: &TestDb) {
        let scope = prop_oneof![Just(Scope::All), Just(topic("offers")), Just(topic("news"))];
        let word = (scope, any::<bool>(), 0_i64..6, 0_usize..3).prop_map(|(scope, is_no, at, basis)| {
            let action = if is_no || scope == Scope::All { Action::Withdraw } else { Action::Grant };
            let mut evidence = says(CustomerId(0), scope, action, at);
            evidence.basis = evidence.basis.and(Basis::ALL.get(basis).copied());
            evidence
        });
        let words = proptest::collection::vec(word, 1..8);
        let strategy = words.prop_flat_map(|words| (Just(words.clone()), Just(words).prop_shuffle(), any::<bool>()));
        let handle = tokio::runtime::Handle::current();
        let mut runner = TestRunner::new(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() });
        tokio::task::block_in_place(|| {
            runner.run(&strategy, |(words, shuffled, is_batch)| {
                handle.block_on(async {
                    let first = record(db, &words, false).await;
                    let second = record(db, &shuffled, is_batch).await;
                    prop_assert_eq!(&first, &second);
                    // The rule itself, said again in memory.
                    for permission in &first {
                        let newest_no = words.iter()
                            .filter(|w| w.action == Action::Withdraw && (w.scope == permission.scope || w.scope == Scope::All))
                            .map(|w| w.occurred_at).max();
                        let newest_yes = words.iter()
                            .filter(|w| w.action == Action::Grant && w.scope == permission.scope)
                            .map(|w| w.occurred_at).max();
                        prop_assert_eq!(permission.is_granted, newest_yes > newest_no);
                    }
                    // Recording it all again changes nothing.
                    prop_assert_eq!(record(db, &[words.clone(), words.clone()].concat(), true).await, first);
                    Ok(())
                })
            }).unwrap();
        });
    }

    async fn no_order_of_events_loosens_a_permission_without_a_newer_grant(db: &TestDb) {
        let handle = tokio::runtime::Handle::current();
        let mut runner = TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() });
        let (checked, reached) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        tokio::task::block_in_place(|| {
            runner.run(&proptest::collection::vec(event(), 1..12), |events| {
                handle.block_on(async {
                    db.run("DELETE FROM suppressions", []).await.unwrap();
                    let mut life = Life::begin(db).await;
                    for event in &events {
                        life.live(event).await;
                        for about in ["offers", "news"] {
                            let may = store::may_contact(&***db, life.customer, life.address, Channel::Email, about).await.unwrap();
                            checked.set(checked.get() + 1);
                            reached.set(reached.get() + i32::from(may));
                            let allowed = life.allowed(about);
                            prop_assert!(!may || allowed.is_some(), "{about} after {event:?}");
                            let permissions = store::permissions_of(&***db, life.customer).await.unwrap();
                            let level = permissions.iter().find(|p| p.scope == topic(about)).map_or(Level::Stranger, |p| p.level);
                            prop_assert!(!may || Some(level) <= allowed, "{about}: {level} after {event:?}, allowed {allowed:?}");
                        }
                    }
                    Ok(())
                })
            }).unwrap();
        });
        assert!(reached.get() * 20 > checked.get(), "it does happen that one may: {reached:?} of {checked:?}");
    }
}

/// What can befall a permission.
#[derive(Debug, Clone)]
enum Event {
    Grant {
        about: &'static str,
        basis: Basis,
        level: Option<Level>,
        at: i64,
    },
    Withdraw {
        scope: Scope,
        at: i64,
    },
    OptOut {
        scope: Scope,
        at: i64,
    },
    ScrubList {
        scope: Scope,
        at: i64,
    },
    Expire {
        about: &'static str,
        at: i64,
    },
    /// Every grant ever recorded is imported again.
    Reimport,
    /// The row is gone, and the same address comes in as a stranger.
    Erase,
    /// He has the other of two addresses from now on.
    Move,
}

fn event() -> impl Strategy<Value = Event> {
    let about = || proptest::sample::select(vec!["offers", "news"]);
    let scope = || prop_oneof![Just(Scope::All), about().prop_map(topic)];
    let level = proptest::option::of(proptest::sample::select(Level::ALL.to_vec()));
    let basis =
        prop_oneof![3 => Just(Basis::Consent), 1 => proptest::sample::select(Basis::ALL.to_vec())];
    prop_oneof![
        8 => (about(), basis, level, 0_i64..30)
            .prop_map(|(about, basis, level, at)| Event::Grant { about, basis, level, at }),
        1 => (scope(), 0_i64..30).prop_map(|(scope, at)| Event::Withdraw { scope, at }),
        1 => (scope(), 0_i64..30).prop_map(|(scope, at)| Event::OptOut { scope, at }),
        1 => (scope(), 0_i64..30).prop_map(|(scope, at)| Event::ScrubList { scope, at }),
        1 => (about(), 0_i64..30).prop_map(|(about, at)| Event::Expire { about, at }),
        2 => Just(Event::Reimport),
        1 => Just(Event::Erase),
        2 => Just(Event::Move),
    ]
}

/// A person's permissions in the database, and the rule said again in memory.
struct Life<'a> {
    db: &'a Db,
    customer: CustomerId,
    address: &'static str,
    /// With the address each names.
    grants: Vec<(Evidence, &'static str)>,
    /// Every no at an address, whoever had it, and whether it is his own word: never forgotten.
    noes: Vec<(&'static str, Scope, i64, bool)>,
    /// Ends of grants, and what he withdrew himself; forgotten with the row.
    ends: Vec<(Scope, i64)>,
    /// The newest evidence about the present row.
    newest: i64,
}

impl<'a> Life<'a> {
    async fn begin(db: &'a Db) -> Self {
        let life = Self {
            db,
            customer: customer(db).await,
            address: "f1",
            grants: Vec::new(),
            noes: Vec::new(),
            ends: Vec::new(),
            newest: 0,
        };
        life.put_address().await;
        life
    }

    async fn put_address(&self) {
        self.db
            .run(
                "UPDATE customers SET email_fingerprint = $1 WHERE id = $2",
                [self.address.into(), self.customer.0.into()],
            )
            .await
            .unwrap();
    }

    /// What he said against the address, and no newer consent given there lifted, goes with him.
    async fn change_address(&mut self) {
        let former = self.address;
        self.address = if former == "f1" { "f2" } else { "f1" };
        let following: Vec<_> = self
            .noes
            .iter()
            .filter(|(address, scope, at, is_own)| {
                let is_lifted = self.grants.iter().any(|(grant, _)| {
                    grant.basis == Some(Basis::Consent)
                        && grant.occurred_at > *at
                        && (*scope == Scope::All || *scope == grant.scope)
                });
                *address == former && *is_own && !is_lifted
            })
            .cloned()
            .collect();
        for (_, scope, at, is_own) in following {
            self.noes.push((self.address, scope, at, is_own));
        }
        self.put_address().await;
        let change = store::AddressChange {
            customer: self.customer,
            channel: Channel::Email,
            former: Some(former.to_owned()),
            new: Some(self.address.to_owned()),
        };
        store::follow(&**self.db, &[change]).await.unwrap();
    }

    async fn live(&mut self, event: &Event) {
        match event.clone() {
            Event::Grant {
                about,
                basis,
                level,
                at,
            } => {
                let grant = Evidence {
                    basis: Some(basis),
                    level,
                    ..says(self.customer, topic(about), Action::Grant, at)
                };
                self.record(&grant).await;
                self.grants.push((grant, self.address));
            }
            Event::Withdraw { scope, at } => {
                self.record(&says(self.customer, scope.clone(), Action::Withdraw, at))
                    .await;
                self.ends.push((scope.clone(), at));
                self.noes.push((self.address, scope, at, true));
            }
            Event::OptOut { scope, at } => {
                store::opt_out(
                    &**self.db,
                    self.customer,
                    Some(self.address),
                    Channel::Email,
                    &scope,
                    "link",
                    at,
                )
                .await
                .unwrap();
                // Newer than whatever is on record of him.
                self.newest = self.newest.max(at);
                self.noes.push((self.address, scope, self.newest, true));
            }
            Event::ScrubList { scope, at } => {
                let one = store::Suppression {
                    fingerprint: self.address.to_owned(),
                    channel: Channel::Email,
                    scope: scope.clone(),
                    reason: "robinson".to_owned(),
                    suppressed_at: at,
                };
                store::suppress(&**self.db, &[one]).await.unwrap();
                self.noes.push((self.address, scope, at, false));
            }
            Event::Expire { about, at } => {
                self.record(&says(self.customer, topic(about), Action::Expire, at))
                    .await;
                self.ends.push((topic(about), at));
            }
            Event::Reimport => {
                let all: Vec<_> = self
                    .grants
                    .iter()
                    .map(|(grant, _)| {
                        (
                            Evidence {
                                customer: self.customer,
                                ..grant.clone()
                            },
                            Some(self.address.to_owned()),
                        )
                    })
                    .collect();
                store::record_all(&**self.db, &all, 100).await.unwrap();
                self.newest = all
                    .iter()
                    .map(|(grant, _)| grant.occurred_at)
                    .fold(self.newest, i64::max);
                self.grants
                    .extend(all.into_iter().map(|(grant, _)| (grant, self.address)));
            }
            Event::Move => self.change_address().await,
            Event::Erase => {
                self.db
                    .run(
                        "DELETE FROM customers WHERE id = $1",
                        [self.customer.0.into()],
                    )
                    .await
                    .unwrap();
                self.customer = customer(self.db).await;
                self.put_address().await;
                self.ends.clear();
                self.newest = 0;
            }
        }
    }

    async fn record(&mut self, evidence: &Evidence) {
        store::record(&**self.db, evidence, Some(self.address), 100)
            .await
            .unwrap();
        self.newest = self.newest.max(evidence.occurred_at);
    }

    /// The highest rung a grant gives that is newer than every no; `None` without one, or where a no to
    /// the address is on record and no newer consent names it.
    fn allowed(&self, about: &str) -> Option<Level> {
        let newest = |list: &[(Scope, i64)]| {
            list.iter()
                .filter(|(scope, _)| *scope == Scope::All || *scope == topic(about))
                .map(|(_, at)| *at)
                .max()
        };
        let here: Vec<_> = self
            .noes
            .iter()
            .filter(|(address, ..)| *address == self.address)
            .map(|(_, scope, at, _)| (scope.clone(), *at))
            .collect();
        let (no, end) = (newest(&here), newest(&self.ends));
        let live = || {
            self.grants
                .iter()
                .filter(|(grant, _)| grant.scope == topic(about))
                .filter(|(grant, _)| Some(grant.occurred_at) > no.max(end))
        };
        let lifts = |(grant, address): &(Evidence, &str)| {
            grant.basis == Some(Basis::Consent) && *address == self.address
        };
        if no.is_some() && !live().any(lifts) {
            return None;
        }
        live()
            .map(|(grant, _)| {
                grant
                    .level
                    .unwrap_or_else(|| Level::of_basis(grant.basis.unwrap()))
            })
            .max()
    }
}

/// Records for a new customer; his permissions, without the number of the evidence.
async fn record(db: &Db, words: &[Evidence], is_batch: bool) -> Vec<Permission> {
    let customer = customer(db).await;
    let own: Vec<_> = words
        .iter()
        .map(|word| {
            (
                Evidence {
                    customer,
                    ..word.clone()
                },
                None,
            )
        })
        .collect();
    if is_batch {
        store::record_all(&**db, &own, 100).await.unwrap();
    } else {
        for (word, _) in &own {
            store::record(&**db, word, None, 100).await.unwrap();
        }
    }
    let mut permissions = store::permissions_of(&**db, customer).await.unwrap();
    for permission in &mut permissions {
        permission.evidence_id = 0;
    }
    db.run(
        "DELETE FROM customers WHERE id = $1",
        [Value::from(customer.0)],
    )
    .await
    .unwrap();
    permissions
}
