//! Queries about mails that came back.

pub(super) mod faults;
pub(super) mod kept;
pub(super) mod mailboxes;
pub(super) mod mails;
pub(super) mod notices;
pub(super) mod retention;
