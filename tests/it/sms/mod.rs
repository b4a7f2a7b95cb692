//! Text messages.

mod faults;
mod hooks;
mod kill;
mod providers;
mod smpp;
mod unsigned;
mod waves;

use std::collections::{BTreeMap, HashMap};

use visavis::campaigns::definition::Definition;
use visavis::delivery::model::State;
use visavis::ids::WaveId;
use visavis::storage::Sql;

use crate::kit::database::TestDb;
use crate::kit::house::{House, definition};
use crate::kit::sms::SmsServer;

/// A campaign by SMS to everyone who allows offers that way.
fn by_sms(name: &str) -> Definition {
    let mut definition = definition(name);
    definition.channel = visavis::consent::model::Channel::Sms;
    definition.sender.sms = Some("36111".to_owned());
    definition
}

/// A house on a Monday at noon that sends text messages through `server`, five cents a part to France.
fn house(db: &TestDb, server: &SmsServer) -> House {
    let mut house = House::new(db, None);
    house.advance(chrono::Duration::days(1));
    let mut account = server.settings();
    account.prices = [("FR".to_owned(), 0.05)].into();
    account.stop = Some(visavis::config::StopSettings {
        text: [("fr".to_owned(), "STOP au 36111".to_owned())].into(),
        by: visavis::config::StopBy::Us,
    });
    house.change_settings(|settings| {
        settings.sms.providers = [("main".to_owned(), account)].into();
        settings.sms.timeout_seconds = 2;
        settings.sms.transliterate = true;
        settings.web.short_url = Some("https://go.v.fr".to_owned());
    });
    house
}

/// Of a wave that is over: the ledger, which must be what happened, as the provider saw it.
async fn truth(house: &House, wave: WaveId, server: &SmsServer) -> BTreeMap<&'static str, i64> {
    assert!(house.is_over(wave).await);
    assert_eq!(server.complaints(), Vec::<String>::new());
    let ledger = house.closed_ledger(wave).await;
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for number in server.numbers() {
        *arrived.entry(number).or_default() += 1;
    }
    let rows = house
        .parts
        .db
        .rows(
            "SELECT c.phone, d.state, d.channel FROM deliveries d JOIN customers c ON c.id = d.customer_id
             WHERE d.wave_id = $1 AND d.channel = 'sms'",
            [wave.0.into()],
        )
        .await
        .unwrap();
    for row in rows {
        let phone: Option<String> = row.try_get("", "phone").unwrap();
        let state = State::from_code(row.try_get("", "state").unwrap()).unwrap();
        let times = phone
            .as_deref()
            .and_then(|phone| arrived.remove(phone))
            .unwrap_or(0);
        let is_true = match state {
            State::Accepted => times == 1,
            State::Unknown => times <= 1,
            State::Failed | State::Withheld => times == 0,
            State::Pending | State::Sending | State::Deferred => false,
        };
        assert!(
            is_true,
            "{phone:?} is {state:?} and got it {times} times: {ledger:?}"
        );
    }
    assert!(arrived.is_empty(), "strangers got it: {arrived:?}");
    ledger
}
