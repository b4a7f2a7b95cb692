//! What telephone numbers tell, and who may be written to by them, on both databases.

use std::collections::HashMap;

use chrono_tz::Tz;
use sea_orm::Value;
use visavis::clock::from_ms;
use visavis::config::Settings;
use visavis::consent::ladder::Level;
use visavis::consent::model::Channel;
use visavis::customers::import::{self, ImportKind, ImportRequest};
use visavis::customers::model::{Customer, PhoneState};
use visavis::customers::number::PhoneKind;
use visavis::customers::rectify::rectify;
use visavis::customers::store::{self, numbers};
use visavis::gate::model::{Request, Withheld};
use visavis::gate::moment::{self, Moment};
use visavis::gate::quiet_hours::Whereabouts;
use visavis::gate::rules::Rules;
use visavis::gate::store::{Question, places};
use visavis::ids::CustomerId;
use visavis::keys::Keys;
use visavis::storage::{Db, Sql};

use crate::on_both;

/// 2026-11-22T12:00:00Z.
const NOW: i64 = 1_795_348_800_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

const HEADER: &str = "external_id,email,phone,country,time_zone,permission.sms.offers,permission_source,\
                      permission_date,permission_basis\n";

fn keys() -> Keys {
    Keys::from_secret(&[7; 32])
}

/// A row of someone who allows offers by SMS.
fn row(name: &str, phone: &str, country: &str, zone: &str) -> String {
    format!(
        "{name},{name}@mail.example,{phone},{country},{zone},yes,shop form 3,2026-11-01,consent\n"
    )
}

async fn import(db: &Db, rows: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, format!("{HEADER}{}", rows.concat())).unwrap();
    let request = ImportRequest::new(path, ImportKind::Customers);
    let report = import::run(db, &keys(), NOW, request, |_| {})
        .await
        .unwrap();
    assert_eq!(report.rejected, 0, "{:?}", report.first_rejections);
}

async fn id(db: &Db, name: &str) -> CustomerId {
    let sql = "SELECT id FROM customers WHERE external_id = $1";
    let row = db.row(sql, [Value::from(name)]).await.unwrap().unwrap();
    CustomerId(row.try_get("", "id").unwrap())
}

async fn customer(db: &Db, name: &str) -> Customer {
    let id = id(db, name).await;
    store::get(&**db, db.dialect(), id).await.unwrap().unwrap()
}

/// Kind, country and zone as the base has them.
async fn told(db: &Db, name: &str) -> (Option<PhoneKind>, Option<String>, Option<String>) {
    let customer = customer(db, name).await;
    (
        customer.phone_kind,
        customer.phone_country,
        customer.phone_zone,
    )
}

fn mobile(country: &str, zone: &str) -> (Option<PhoneKind>, Option<String>, Option<String>) {
    (
        Some(PhoneKind::Mobile),
        Some(country.to_owned()),
        Some(zone.to_owned()),
    )
}

async fn state(db: &Db, name: &str) -> PhoneState {
    customer(db, name).await.phone_state
}

async fn correct(db: &Db, name: &str, phone: &str) {
    let fields = [("phone".to_owned(), phone.to_owned())];
    let correction = import::read_fields(&fields, "FR", NOW).unwrap();
    let txn = db.begin().await.unwrap();
    rectify(&txn, &keys(), id(db, name).await, &correction, NOW)
        .await
        .unwrap()
        .unwrap();
    txn.commit().await.unwrap();
}

async fn refuse(db: &Db, phone: &str, at: &[i64]) {
    let fingerprint = keys().fingerprint(phone);
    let receipts: Vec<_> = at.iter().map(|at| (fingerprint.clone(), *at)).collect();
    let txn = db.begin().await.unwrap();
    numbers::note_refused(&txn, &receipts).await.unwrap();
    txn.commit().await.unwrap();
}

fn request() -> Request {
    Request {
        channel: Channel::Sms,
        provider: None,
        topic: "offers".to_owned(),
        level: Level::Situational,
        priority: 0,
        fallback_zone: Tz::Europe__Paris,
        per_household: false,
        ends_at: None,
    }
}

fn rules() -> Rules {
    Rules::new(&Settings::load_from(None, HashMap::new()).unwrap()).unwrap()
}

/// Why the gate withholds, by external id.
async fn withheld(db: &Db) -> Vec<(String, Option<Withheld>)> {
    let (rules, request) = (rules(), request());
    let places = places(&**db, request.fallback_zone).await.unwrap();
    let moment = Moment::of_instant(&NOW.to_string(), NOW, "c", &rules, &places);
    let question = Question {
        dialect: db.dialect(),
        rules: &rules,
        request: &request,
        moment: &moment,
        rivals: &[],
        c: "c",
        p: "p",
    };
    let sql = format!(
        "SELECT c.external_id, {} AS reason FROM customers c LEFT JOIN permissions p ON {} ORDER BY c.id",
        question.reason(|_| None),
        question.permission_join(),
    );
    db.rows(sql, [])
        .await
        .unwrap()
        .iter()
        .map(|row| {
            let reason: Option<String> = row.try_get("", "reason").unwrap();
            (
                row.try_get("", "external_id").unwrap(),
                reason.map(|word| Withheld::from_column(&word).unwrap()),
            )
        })
        .collect()
}

on_both! {
    async fn a_number_is_read_wherever_it_is_written(db: &TestDb) {
        import(db, &[
            row("ada", "06 12 34 56 78", "FR", ""),
            row("bea", "+262 692 12 34 56", "FR", ""),
            row("cleo", "01 99 00 12 34", "FR", ""),
            row("dora", "", "FR", ""),
            row("emma", "06 39 98 00 12", "FR", ""),
        ]).await;
        assert_eq!(told(db, "ada").await, mobile("FR", "Europe/Paris"));
        assert_eq!(told(db, "bea").await, mobile("RE", "Indian/Reunion"));
        assert_eq!(told(db, "cleo").await.0, Some(PhoneKind::Fixed));
        assert_eq!(told(db, "dora").await, (None, None, None));
        assert_eq!(told(db, "emma").await, mobile("FR", "Europe/Paris"));
        // Another import, and a correction by hand, may change it; clearing it leaves nothing.
        import(db, &[row("ada", "+1 312 555 0123", "FR", "")]).await;
        assert_eq!(told(db, "ada").await, mobile("US", "America/Chicago"));
        correct(db, "bea", "+33 1 99 00 12 34").await;
        assert_eq!(told(db, "bea").await.0, Some(PhoneKind::Fixed));
        correct(db, "bea", "").await;
        assert_eq!(told(db, "bea").await, (None, None, None));
    }

    async fn numbers_of_an_older_program_are_read_at_the_start(db: &TestDb) {
        let rows: Vec<String> = (0..25).map(|n| row(&format!("n{n}"), &format!("+3361234{n:04}"), "FR", "")).collect();
        import(db, &rows).await;
        import(db, &[row("none", "", "FR", "")]).await;
        db.run("UPDATE customers SET phone_kind = NULL, phone_zone = NULL, phone_country = NULL", []).await.unwrap();
        db.run("UPDATE customers SET phone = 'what is this' WHERE external_id = 'n7'", []).await.unwrap();
        assert_eq!(numbers::read_unread(db).await.unwrap(), 25);
        assert_eq!(told(db, "n0").await, mobile("FR", "Europe/Paris"));
        assert_eq!(told(db, "n24").await, mobile("FR", "Europe/Paris"));
        assert_eq!(told(db, "n7").await, (Some(PhoneKind::Other), None, None));
        assert_eq!(told(db, "none").await, (None, None, None));
        assert_eq!(numbers::read_unread(db).await.unwrap(), 0);
    }

    async fn only_mobile_numbers_that_reach_somebody_are_written_to(db: &TestDb) {
        import(db, &[
            row("none", "", "FR", ""),
            row("mobile", "06 12 34 56 78", "FR", ""),
            row("either", "+1 312 555 0123", "US", ""),
            row("fixed", "01 99 00 12 34", "FR", ""),
            row("voip", "+33 9 12 34 56 78", "FR", ""),
            row("unread", "06 12 34 56 79", "FR", ""),
            row("refused", "06 12 34 56 80", "FR", ""),
        ]).await;
        db.run("UPDATE customers SET phone_kind = NULL WHERE external_id = 'unread'", []).await.unwrap();
        db.run("UPDATE customers SET phone_state = 'refused' WHERE external_id IN ('refused', 'fixed')", []).await.unwrap();
        let expected = [
            ("none", Some(Withheld::NoAddress)),
            ("mobile", None),
            ("either", None),
            ("fixed", Some(Withheld::NotMobile)),
            ("voip", Some(Withheld::NotMobile)),
            ("unread", Some(Withheld::NotMobile)),
            ("refused", Some(Withheld::RefusedAddress)),
        ].map(|(name, reason)| (name.to_owned(), reason));
        assert_eq!(withheld(db).await, expected);
    }

    async fn a_number_is_refused_on_the_second_day(db: &TestDb) {
        const PHONE: &str = "+33612345678";
        import(db, &[row("ada", PHONE, "FR", ""), row("bea", PHONE, "FR", ""), row("cleo", "+33612345679", "FR", "")]).await;
        // Duplicates, and other receipts of the day, are one day.
        refuse(db, PHONE, &[NOW]).await;
        refuse(db, PHONE, &[NOW, NOW + HOUR]).await;
        assert_eq!(state(db, "ada").await, PhoneState::Ok);
        refuse(db, PHONE, &[NOW + DAY]).await;
        assert_eq!([state(db, "ada").await, state(db, "bea").await], [PhoneState::Refused; 2]);
        assert_eq!(state(db, "cleo").await, PhoneState::Ok);
        // Another number is another matter; the same one, imported again, is not.
        import(db, &[row("ada", PHONE, "BE", ""), row("bea", "+33612345670", "FR", "")]).await;
        assert_eq!([state(db, "ada").await, state(db, "bea").await], [PhoneState::Refused, PhoneState::Ok]);
        refuse(db, "+33612345670", &[NOW + 2 * DAY]).await;
        assert_eq!(state(db, "bea").await, PhoneState::Ok, "what was noted of the old number is gone");
        // The days may come out of order, and at once.
        refuse(db, "+33612345670", &[NOW + 2 * DAY, NOW]).await;
        assert_eq!(state(db, "bea").await, PhoneState::Refused);
        refuse(db, "+33612345679", &[NOW, NOW + DAY]).await;
        assert_eq!(state(db, "cleo").await, PhoneState::Refused);
        // The number was given to somebody who can be reached.
        let txn = db.begin().await.unwrap();
        numbers::note_reached(&txn, &[keys().fingerprint("+33612345679")]).await.unwrap();
        txn.commit().await.unwrap();
        assert_eq!(state(db, "cleo").await, PhoneState::Ok);
        refuse(db, "+33612345679", &[NOW + 3 * DAY]).await;
        assert_eq!(state(db, "cleo").await, PhoneState::Ok);
    }

    async fn a_number_tells_where_he_is_whose_zone_is_not_known(db: &TestDb) {
        import(db, &[
            row("paris", "06 12 34 56 78", "FR", ""),
            row("reunion", "+262 692 12 34 56", "FR", ""),
            row("moved", "+262 692 12 34 57", "FR", "Europe/Paris"),
            row("tahiti", "+689 87 12 34 56", "PF", ""),
            row("chicago", "+1 312 555 0123", "FR", ""),
            row("nowhere", "+7 916 123 45 67", "FR", ""),
            row("none", "", "BE", ""),
        ]).await;
        let rules = rules();
        let places = places(&***db, Tz::Europe__Paris).await.unwrap();
        for channel in [Channel::Email, Channel::Sms] {
            // A Saturday, 19:00 in Paris.
            let at = NOW - DAY + 6 * HOUR;
            let release = |zone: Tz, country: &str| {
                let place = Whereabouts { country, postal_code: None, zone };
                rules.quiet_hours.next_allowed(from_ms(at), channel, place).map_or(at, |at| at.timestamp_millis())
            };
            let midnight = |zone: Tz| moment::begin(from_ms(at), zone, 1);
            let sql = format!(
                "SELECT id, {} AS release, {} AS zoned FROM customers c ORDER BY id",
                places.by_place("c", channel, release),
                places.by_zone("c", midnight),
            );
            let mut releases = Vec::new();
            for row in db.rows(sql, []).await.unwrap() {
                let id = CustomerId(row.try_get("", "id").unwrap());
                let customer = store::get(&***db, db.dialect(), id).await.unwrap().unwrap();
                let place = Whereabouts::of(&customer, channel, Tz::Europe__Paris);
                let release_at: i64 = row.try_get("", "release").unwrap();
                assert_eq!(release_at, release(place.zone, place.country), "{customer:?}");
                assert_eq!(row.try_get::<i64>("", "zoned").unwrap(), midnight(place.zone), "{customer:?}");
                releases.push((release_at - at) / HOUR);
            }
            match channel {
                Channel::Email => assert_eq!(releases, [0; 7]),
                // Monday at 8 in Paris is in 37 hours, on Réunion three hours earlier; in Tahiti it is Saturday
                // morning, 8 o'clock. American, Russian and Belgian hours are not over yet.
                Channel::Sms => assert_eq!(releases, [37, 34, 37, 2, 0, 0, 0]),
            }
        }
    }
}
