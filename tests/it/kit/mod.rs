//! The test kit: real databases, real peers, time and chance in the test's hands.

use std::io::Write as _;

pub mod certificate;
pub mod console;
pub mod database;
pub mod dns;
pub mod dovecot;
pub mod dump;
pub mod house;
pub mod ledger;
pub mod oidc;
pub mod postgres;
pub mod program;
pub mod sms;
pub mod smsc;
pub mod smtp;

/// Says that a test did not run because `tool` is missing; with `VISAVIS_TEST_ALL=1` that is a failure.
pub fn missing(tool: &str) {
    assert!(
        std::env::var_os("VISAVIS_TEST_ALL").is_none_or(|all| all != "1"),
        "{tool} is missing, and VISAVIS_TEST_ALL=1 asks for every test"
    );
    // Past the test harness, which keeps what a passing test prints to itself.
    let line = format!("NOT RUN: a test wants {tool}, which is not installed on this machine\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
}
