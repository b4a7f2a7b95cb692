//! visavis: direct-marketing campaigns, one to one.
//!
//! The rooms, in the order in which data flows through them; each knows only what stands before it.

// The ground floor.
pub mod clock;
pub mod config;
pub mod ids;
pub mod keys;
pub mod statistics;
pub mod storage;
pub mod tokens;

// Who works here.
pub mod accounts;

// What other programs are told.
pub mod events;

// What they allow, who they are, whom we mean, what we say.
pub mod consent;
pub mod customers;
pub mod segments;
pub mod templates;

// Who may be contacted now, and why not.
pub mod gate;

// The plan, the ways out, the work.
pub mod campaigns;
pub mod channels;
pub mod delivery;

// What comes back, what comes in, what is asked of us, and what it means.
pub mod dialogue;
pub mod imports;
pub mod mailroom;
pub mod reports;
pub mod responses;

// What is due, pages and links, and who knows everyone.
pub mod app;
pub mod cli;
pub mod lifecycle;
pub mod scheduler;
pub mod telemetry;
pub mod web;
