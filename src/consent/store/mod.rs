//! Permission evidence, the permissions derived from it, and suppression.
//!
//! A permission is a function of the set of evidence, whatever the order in which it was recorded: of
//! what concerns a topic (its own evidence and withdrawals of the whole channel) the newest counts, and
//! of equally new the withdrawal. A suppression row is never deleted; it blocks where it is as new as
//! the permission, or where the permission does not rest on consent or names another address.

mod address;
pub(super) mod audit;
pub(super) mod chain;
mod evidence;
pub(super) mod expiry;
mod first;
mod mailbox;
mod opt_out;
mod permission;
pub(super) mod proof;
pub(super) mod standing;
mod suppression;
mod told;
pub(super) mod topics;

use serde_json::Value;

pub use address::{AddressChange, follow};
pub use evidence::{record, record_all, record_with_new};
pub use expiry::{basis_ends_at, last_act};
pub use mailbox::{Mailboxes, hold_mailboxes};
pub use opt_out::{complain, opt_out, opt_out_by};
pub use permission::{permissions_of, permissions_of_all};
pub use standing::standing;
pub use suppression::{
    COMPLAINT, OPT_OUT, Suppression, count_known, is_suppressed, may_contact, stands_against,
    suppress, suppressions_after, suppressions_of,
};

/// Rows that go into one statement.
const CHUNK: usize = 1_000;

fn as_text(rows: Vec<Value>) -> String {
    Value::Array(rows).to_string()
}
