//! The test kit: real databases, real peers, time and chance in the test's hands.

pub mod certificate;
pub mod database;
pub mod house;
pub mod ledger;
pub mod postgres;
pub mod smtp;

/// Says that a test did not run because `tool` is missing; with `VISAVIS_TEST_ALL=1` that is a failure.
pub fn missing(tool: &str) {
    assert!(
        std::env::var_os("VISAVIS_TEST_ALL").is_none_or(|all| all != "1"),
        "{tool} is missing, and VISAVIS_TEST_ALL=1 asks for every test"
    );
    eprintln!("NOT RUN: {tool} is not installed on this machine");
}
