//! Campaigns being planned: incomplete ones, the second person's word, and a start that happens once.

use visavis::accounts::model::Role;
use visavis::accounts::users::{self, NewUser};
use visavis::campaigns::check;
use visavis::campaigns::definition::Definition;
use visavis::campaigns::drafts::{
    self, Author, Draft, DraftError, Seen, Standing, Step, approval, edit, store,
};
use visavis::campaigns::model::Status;
use visavis::campaigns::plan::{self, PlanError};
use visavis::campaigns::reschedule::{MoveTo, reschedule};
use visavis::channels::outbox::Outbox;
use visavis::consent::model::{Channel, Scope};
use visavis::consent::store::{OPT_OUT, Suppression, suppress};
use visavis::delivery::start::{StartError, Started, start};
use visavis::delivery::trial::{self, Trial};
use visavis::storage::Sql;
use visavis::templates::{Template, sample_customer};

use crate::kit::house::{House, definition, halved};
use crate::on_both;

fn author(key: &str, may_launch: bool) -> Author {
    Author {
        key: key.to_owned(),
        name: key.to_owned(),
        actor: format!("user {key}"),
        may_launch,
    }
}

fn marketer() -> Author {
    author("anne", false)
}

fn approver() -> Author {
    author("boss", true)
}

/// A complete draft of `definition`, by a marketer.
async fn draft(house: &House, plan: Definition) -> Draft {
    let now_ms = house.now().timestamp_millis();
    let begun = edit::begin_with(&house.parts.db, plan, &marketer(), now_ms).await;
    begun.unwrap()
}

fn super_chef() -> Template {
    Template::embedded("super-chef").unwrap()
}

/// What its reader has before him: this revision, with the template as it is.
fn digest_of(draft: &Draft) -> String {
    drafts::digest(&draft.definition, &[&super_chef()]).unwrap()
}

async fn started(house: &House, draft: &Draft, author: &Author) -> Result<Started, StartError> {
    let template = super_chef();
    start(
        &house.parts.db,
        (&draft.name, seen(draft, &digest_of(draft))),
        &[&template],
        author,
        &house.parts.launch_options(),
        house.now(),
    )
    .await
}

fn seen<'a>(draft: &Draft, digest: &'a str) -> Seen<'a> {
    Seen {
        revision: draft.revision,
        digest: Some(digest),
    }
}

async fn number(house: &House, sql: &str) -> i64 {
    let row = house.parts.db.row(sql, []).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

on_both! {
    async fn a_draft_may_be_incomplete_and_says_what_is_missing(db: &TestDb) {
        let house = House::new(db, None);
        let now_ms = house.now().timestamp_millis();
        let db = &house.parts.db;
        let draft = edit::begin(db, "spring", &marketer(), now_ms).await.unwrap();
        assert_eq!((draft.revision, draft.standing), (1, Standing::Open));
        let taken = edit::begin(db, "spring", &marketer(), now_ms).await;
        assert!(matches!(taken, Err(DraftError::Taken { .. })), "{taken:?}");
        for name in ["", "Spring", "new", "a b"] {
            let refused = edit::begin(db, name, &marketer(), now_ms).await;
            assert!(matches!(refused, Err(DraftError::Name { .. })), "{name:?}");
        }
        let mut plan = draft.definition.clone();
        plan.segment = "everyone".to_owned();
        let saved = edit::save(db, "spring", 1, plan.clone(), Step::Message, &marketer(), now_ms)
            .await
            .unwrap();
        assert_eq!((saved.revision, saved.step), (2, Step::Message));
        let keys: Vec<String> = drafts::gaps(&saved.definition)
            .into_iter()
            .map(|gap| gap.key)
            .collect();
        assert_eq!(keys[..2], ["template", "topic"]);
        // The same form again is no change; another over it is told.
        let again = edit::save(db, "spring", 1, plan.clone(), Step::Audience, &marketer(), now_ms).await;
        assert_eq!(again.unwrap().revision, 2);
        plan.segment = "age > 30".to_owned();
        let stale = edit::save(db, "spring", 1, plan, Step::Audience, &approver(), now_ms).await;
        assert!(matches!(stale, Err(DraftError::Stale)), "{stale:?}");
        let asked = approval::ask(db, "spring", 2, "", &marketer(), now_ms).await;
        assert!(matches!(asked, Err(DraftError::Incomplete(_))), "{asked:?}");
        let refused = started(&house, &saved, &approver()).await;
        assert!(
            matches!(refused, Err(StartError::Draft(DraftError::Incomplete(_)))),
            "{refused:?}"
        );
        edit::delete(db, "spring", &marketer(), now_ms).await.unwrap();
        assert!(store::by_name(&**db, "spring").await.unwrap().is_none());
    }

    async fn a_second_person_approves_one_definition_and_a_change_voids_it(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(5, "one.example").await;
        let now_ms = house.now().timestamp_millis();
        let db = &house.parts.db;
        let made = draft(&house, definition("spring")).await;
        let refused = started(&house, &made, &marketer()).await;
        assert!(
            matches!(refused, Err(StartError::Draft(DraftError::NeedsApproval))),
            "{refused:?}"
        );
        let asked = approval::ask(db, "spring", made.revision, "please", &marketer(), now_ms)
            .await
            .unwrap();
        let templates = [&super_chef()];
        for (who, own) in [(marketer(), true), (author("carl", false), false)] {
            let digest = digest_of(&asked);
            let answer = approval::approve(db, "spring", seen(&asked, &digest), &templates, &who, now_ms).await;
            let is_expected = match own {
                true => matches!(answer, Err(DraftError::OwnRequest)),
                false => matches!(answer, Err(DraftError::MayNotApprove)),
            };
            assert!(is_expected, "{answer:?}");
        }
        let back = approval::send_back(db, "spring", asked.revision, "more people", &approver(), now_ms)
            .await
            .unwrap();
        assert_eq!(back.standing, Standing::SentBack);
        assert_eq!(back.review.sent_back.as_ref().unwrap().word, "more people");
        let asked = approval::ask(db, "spring", back.revision, "", &marketer(), now_ms).await.unwrap();
        let approved = approval::approve(db, "spring", seen(&asked, &digest_of(&asked)), &templates, &approver(), now_ms)
            .await
            .unwrap();
        assert_eq!(approved.standing, Standing::Approved);

        // A change, and the approval is of something else.
        let mut plan = approved.definition.clone();
        plan.control_percent = 20;
        let changed = edit::save(db, "spring", approved.revision, plan, Step::Review, &marketer(), now_ms)
            .await
            .unwrap();
        assert_eq!(changed.standing, Standing::Open);
        let refused = started(&house, &changed, &marketer()).await;
        assert!(
            matches!(refused, Err(StartError::Draft(DraftError::NeedsApproval))),
            "{refused:?}"
        );
        let asked = approval::ask(db, "spring", changed.revision, "", &marketer(), now_ms).await.unwrap();
        let approved = approval::approve(db, "spring", seen(&asked, &digest_of(&asked)), &templates, &approver(), now_ms)
            .await
            .unwrap();
        // Another wording of the template is another message than the one approved.
        let other = Template::embedded("win-back").unwrap();
        let options = house.parts.launch_options();
        let any = Seen { revision: approved.revision, digest: None };
        let refused = start(db, ("spring", any), &[&other], &marketer(), &options, house.now()).await;
        assert!(
            matches!(refused, Err(StartError::Draft(DraftError::ChangedSince))),
            "{refused:?}"
        );
        let launched = started(&house, &approved, &marketer()).await.unwrap();
        assert!(launched.launched.is_some());
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM waves").await, 1);
    }

    async fn whose_role_launches_needs_nobody_but_whom_he_asked(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(3, "one.example").await;
        let now_ms = house.now().timestamp_millis();
        let db = &house.parts.db;
        let begun = edit::begin_with(db, definition("own"), &approver(), now_ms).await.unwrap();
        let asked = approval::ask(db, "own", begun.revision, "", &approver(), now_ms).await.unwrap();
        let refused = started(&house, &asked, &approver()).await;
        assert!(
            matches!(refused, Err(StartError::Draft(DraftError::OwnRequest))),
            "{refused:?}"
        );
        let open = approval::withdraw(db, "own", asked.revision, &approver(), now_ms).await.unwrap();
        assert_eq!(open.standing, Standing::Open);
        assert!(started(&house, &open, &approver()).await.unwrap().launched.is_some());
        // What a marketer made, his launch approves.
        let made = draft(&house, definition("theirs")).await;
        assert!(started(&house, &made, &approver()).await.unwrap().launched.is_some());
    }

    async fn two_starts_at_once_send_once(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(20, "one.example").await;
        let made = draft(&house, definition("spring")).await;
        let boss = approver();
        let (one, other) = tokio::join!(started(&house, &made, &boss), started(&house, &made, &boss));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_ne!(one.was_already, other.was_already, "{one:?} {other:?}");
        assert_eq!(one.campaign, other.campaign);
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM waves").await, 1);
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM deliveries").await, 20);
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM campaign_drafts").await, 0);
        // And later as well.
        let late = started(&house, &made, &boss).await.unwrap();
        assert!(late.was_already);
    }

    async fn a_time_is_waited_for_and_the_plan_can_be_opened_again(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(3, "one.example").await;
        let now_ms = house.now().timestamp_millis();
        let db = &house.parts.db;
        let text = "at = 2026-12-01T09:30:00\nzone = \"Europe/Paris\"";
        let mut plan = definition("spring");
        plan.schedule = Some(toml::from_str(text).unwrap());
        let made = draft(&house, plan).await;
        let launched = started(&house, &made, &approver()).await.unwrap();
        assert_eq!(launched.launched, None);
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM waves").await, 0);
        let campaign = plan::find(db, "spring").await.unwrap();
        assert_eq!(campaign.status, Status::Scheduled);

        let again = edit::reopen(db, "spring", &marketer(), now_ms).await.unwrap();
        let mut plan = again.definition.clone();
        plan.schedule = None;
        let saved = edit::save(db, "spring", again.revision, plan, Step::Review, &marketer(), now_ms)
            .await
            .unwrap();
        let launched = started(&house, &saved, &approver()).await.unwrap();
        assert_eq!(launched.launched.unwrap().deliveries, 3);
        let running = edit::reopen(db, "spring", &marketer(), now_ms).await;
        assert!(matches!(running, Err(DraftError::NotEditable { .. })), "{running:?}");
        let copy = edit::duplicate(db, "spring", "spring-2", &marketer(), now_ms).await.unwrap();
        assert_eq!(copy.definition.segment, "everyone");
    }

    async fn an_approval_holds_as_long_as_its_giver_may_give_it(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(3, "one.example").await;
        let now_ms = house.now().timestamp_millis();
        let db = &house.parts.db;
        let txn = db.begin().await.unwrap();
        let mut ids = Vec::new();
        for (name, role) in [("Ada", Role::Administrator), ("Bea", Role::Approver)] {
            let email = format!("{name}@maison.example");
            let new = NewUser { email: &email, name, role, language: "en" };
            ids.push(users::add(&txn, new, "test", now_ms).await.unwrap());
        }
        txn.commit().await.unwrap();
        let bea = Author { name: "Bea".to_owned(), ..author(&format!("user {}", ids[1]), true) };
        let made = draft(&house, definition("spring")).await;
        let asked = approval::ask(db, "spring", made.revision, "", &marketer(), now_ms).await.unwrap();
        let approved = approval::approve(db, "spring", seen(&asked, &digest_of(&asked)), &[&super_chef()], &bea, now_ms)
            .await
            .unwrap();
        let txn = db.begin().await.unwrap();
        users::set_disabled(&txn, ids[1], true, "test", now_ms).await.unwrap();
        txn.commit().await.unwrap();
        let refused = started(&house, &approved, &marketer()).await;
        assert!(
            matches!(&refused, Err(StartError::Draft(DraftError::ApproverGone { name })) if name == "Bea"),
            "{refused:?}"
        );
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM waves").await, 0);
        let txn = db.begin().await.unwrap();
        users::set_disabled(&txn, ids[1], false, "test", now_ms).await.unwrap();
        txn.commit().await.unwrap();
        assert!(started(&house, &approved, &marketer()).await.unwrap().launched.is_some());
    }

    async fn nothing_is_started_twice_by_a_draft_that_changes_nothing(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(3, "one.example").await;
        let now_ms = house.now().timestamp_millis();
        let db = &house.parts.db;
        let mut plan = definition("spring");
        plan.schedule = Some(toml::from_str("at = 2026-12-01T09:30:00\nzone = \"Europe/Paris\"").unwrap());
        let made = draft(&house, plan).await;
        started(&house, &made, &approver()).await.unwrap();
        // Opened and launched as it was, it waits as before.
        let again = edit::reopen(db, "spring", &marketer(), now_ms).await.unwrap();
        assert_eq!(started(&house, &again, &approver()).await.unwrap().launched, None);
        let campaign = plan::find(db, "spring").await.unwrap();
        assert_eq!(campaign.status, Status::Scheduled);
        // While it is planned anew, the calendar does not move it, or the launch of the draft would move it back.
        let again = edit::reopen(db, "spring", &marketer(), now_ms).await.unwrap();
        let day = MoveTo::Day("2026-12-02".parse().unwrap());
        let moved = reschedule(db, campaign.id, day, "test", house.now()).await;
        assert!(matches!(moved, Err(PlanError::Drafted { .. })), "{moved:?}");
        plan::cancel(db, "spring", "test", now_ms).await.unwrap();
        let refused = started(&house, &again, &approver()).await;
        assert!(matches!(refused, Err(StartError::NothingNew)), "{refused:?}");
        assert_eq!(plan::find(db, "spring").await.unwrap().status, Status::Cancelled);
    }

    async fn what_a_draft_is_counted_as_is_what_its_launch_writes(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(60, "one.example").await;
        let db = &house.parts.db;
        let mut lots = Vec::new();
        for name in ["spring", "summer", "autumn"] {
            let mut plan = halved(definition(name));
            plan.control_percent = 30;
            let made = draft(&house, plan).await;
            let template = super_chef();
            let check = async || {
                check::check(db, &made.definition, &[&template], &house.parts.settings, house.now()).await.unwrap()
            };
            let before = check().await;
            let launched = started(&house, &made, &approver()).await.unwrap().launched.unwrap();
            assert_eq!(launched.deliveries, before.will_receive, "{name}");
            assert_eq!(launched.withheld.into_iter().collect::<Vec<_>>(), before.withheld, "{name}");
            assert_eq!(check().await.withheld, before.withheld, "{name}: and is counted so for good");
            let held = format!("SELECT CAST(SUM(customer_id * customer_id) AS BIGINT) AS n FROM deliveries WHERE wave_id = {} AND reason = 'control'", launched.wave);
            let held = db.row(held, []).await.unwrap().unwrap();
            lots.push(held.try_get::<i64>("", "n").ok());
        }
        lots.dedup();
        assert_eq!(lots.len(), 3, "each holds others back");
        // One of before has its number for a salt.
        db.run("UPDATE campaigns SET salt = NULL", []).await.unwrap();
        let old = visavis::campaigns::store::by_name(&**db, "summer").await.unwrap().unwrap();
        assert_eq!(old.salt, old.id.0);
    }

    async fn a_check_tells_who_reads_another_language(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(5, "one.example").await;
        let db = &house.parts.db;
        let template = super_chef();
        let check = async || {
            let plan = definition("spring");
            check::check(db, &plan, &[&template], &house.parts.settings, house.now()).await.unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        db.run("UPDATE customers SET language = 'fr'", []).await.unwrap();
        let told = check().await;
        assert!(!told.contains("people selected"), "{told}");
        db.run("UPDATE customers SET language = 'de' WHERE id IN (SELECT MIN(id) FROM customers)", []).await.unwrap();
        let told = check().await;
        assert!(told.contains("of 5 people selected, 1 read German; the template super-chef has"), "{told}");
    }

    async fn a_look_at_the_audience_is_kept_until_the_plan_changes(db: &TestDb) {
        let house = House::new(db, None);
        house.add_customers(10, "one.example").await;
        let now_ms = house.now().timestamp_millis();
        let db = &house.parts.db;
        let made = draft(&house, definition("spring")).await;
        let templates = [&super_chef()];
        let digest = drafts::digest(&made.definition, &templates).unwrap();
        let found = check::check(db, &made.definition, &templates, &house.parts.settings, house.now())
            .await
            .unwrap();
        store::keep_check(&**db, "spring", &digest, &found, now_ms).await.unwrap();
        let (kept, at) = store::kept_check(&**db, "spring", &digest).await.unwrap().unwrap();
        assert_eq!(at, now_ms);
        assert_eq!(
            serde_json::to_value(&kept).unwrap(),
            serde_json::to_value(&found).unwrap()
        );
        assert!(store::kept_check(&**db, "spring", "other").await.unwrap().is_none());
    }

    async fn a_trial_looks_real_counts_nowhere_and_spares_who_opted_out(db: &TestDb) {
        let house = House::new(db, None);
        let db = &house.parts.db;
        let plan = definition("spring");
        let template = super_chef();
        let customer = sample_customer();
        let trial = Trial {
            definition: &plan,
            template: &template,
            cell: "",
            customer: &customer,
            channel: Channel::Email,
        };
        let gone = house.parts.keys.fingerprint("gone@one.example");
        let suppression = Suppression {
            fingerprint: gone,
            channel: Channel::Email,
            scope: Scope::All,
            reason: OPT_OUT.to_owned(),
            suppressed_at: 0,
        };
        suppress(&**db, &[suppression]).await.unwrap();
        let engine = house.parts.engine().await.unwrap();
        house.add_customers(1, "one.example").await;
        db.run("UPDATE permissions SET is_granted = FALSE", []).await.unwrap();
        let to = ["boss@one.example", "gone@one.example", "nonsense", "c1@one.example"].map(str::to_owned);
        let way = (&*house.parts.settings, engine.channels());
        let now_ms = house.now().timestamp_millis();
        let tried = trial::send(db, &house.parts.keys, way, trial, &to, "user 1", now_ms).await.unwrap();
        let problems: Vec<bool> = tried.iter().map(|one| one.problem.is_some()).collect();
        assert_eq!(problems, [false, true, true, true], "{tried:?}");
        // A mailing cannot be sent bit by bit.
        let ten: Vec<String> = (0..10).map(|n| format!("nonsense {n}")).collect();
        let mut taken = 0;
        while trial::send(db, &house.parts.keys, way, trial, &ten, "user 1", now_ms).await.is_ok() {
            taken += 1;
            assert!(taken < 10, "for ever");
        }
        assert_eq!(taken, 4, "with the four of before more than 40, and 50 at most");
        assert!(trial::send(db, &house.parts.keys, way, trial, &ten, "user 2", now_ms).await.is_ok());
        let tomorrow = now_ms + 86_400_001;
        assert!(trial::send(db, &house.parts.keys, way, trial, &ten, "user 1", tomorrow).await.is_ok());
        engine.close().await;
        let outbox = Outbox::open(&house.parts.settings.data_dir.join("outbox")).unwrap();
        let entries = outbox.list(0, 10, None).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].recipient, "boss@one.example");
        assert!(entries[0].subject.starts_with("[Test] "), "{}", entries[0].subject);
        assert_eq!(number(&house, "SELECT COUNT(*) AS n FROM deliveries").await, 0);
    }
}
