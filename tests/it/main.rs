//! The behaviour tests: one binary, so that it links once and starts PostgreSQL once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, in its kit too"
)]

mod accounts;
mod anchor;
mod api;
mod audience;
mod bench_data;
mod browser;
mod calendar;
mod cells;
mod channels;
mod clean_up;
mod cli;
mod config;
mod consent;
mod customers;
mod delivery;
mod drafts;
mod events;
mod evidence;
mod faults;
mod feedback;
mod gate;
mod grid;
mod inbound;
mod journey;
mod kit;
mod mail;
mod mail_hooks;
mod numbers;
mod orders;
mod people;
mod plain_words;
mod preferences;
mod readme;
mod reimport;
mod relays;
mod reports;
mod responses;
mod retention;
mod rights;
mod rooms;
mod scrub_list;
mod segments;
mod short_links;
mod sign_up;
mod sink;
mod sms;
mod sms_check;
mod statistics;
mod storage;
mod template_pages;
mod templates;
mod time_to_effect;
mod tracking;
mod turns;
mod verdicts;
mod web;
mod wizard;
