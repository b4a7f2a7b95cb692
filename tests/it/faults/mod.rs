//! Truth under faults: the program killed, stopped, paused and joined by others, its database and its relay
//! failing. Never twice, never skipped, and the ledger says what happened.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use visavis::delivery::model::State;
use visavis::ids::WaveId;
use visavis::storage::Sql;

use crate::kit::house::House;
use crate::kit::smtp::SmtpPeer;

mod database;
mod kill;
mod nodes;
mod relay;
mod stop;

/// Of a wave that is over: the ledger, which must be what happened. Who is `accepted` got it once, who is
/// `unknown` at most once, who is `failed` or `withheld` not at all; counters and contacts agree.
async fn truth(house: &House, wave: WaveId, peer: &SmtpPeer) -> BTreeMap<&'static str, i64> {
    assert!(house.is_over(wave).await);
    let ledger = house.closed_ledger(wave).await;
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for recipient in peer.recipients() {
        *arrived.entry(recipient).or_default() += 1;
    }
    let rows = house
        .parts
        .db
        .rows(
            "SELECT c.email, d.state FROM deliveries d JOIN customers c ON c.id = d.customer_id WHERE d.wave_id = $1",
            [wave.0.into()],
        )
        .await
        .unwrap();
    for row in rows {
        let email: String = row.try_get("", "email").unwrap();
        let state = State::from_code(row.try_get("", "state").unwrap()).unwrap();
        let times = arrived.remove(&email).unwrap_or(0);
        let is_true = match state {
            State::Accepted => times == 1,
            State::Unknown => times <= 1,
            State::Failed | State::Withheld => times == 0,
            State::Pending | State::Sending | State::Deferred => false,
        };
        assert!(
            is_true,
            "{email} is {state:?} and got it {times} times: {ledger:?}"
        );
    }
    assert!(arrived.is_empty(), "strangers got it: {arrived:?}");
    ledger
}

/// Waits until the wave is over; panics after `seconds`.
async fn until_over(house: &House, wave: WaveId, seconds: u64) {
    let begin = Instant::now();
    while !house.is_over(wave).await {
        assert!(
            begin.elapsed() < Duration::from_secs(seconds),
            "the wave ends by itself"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
