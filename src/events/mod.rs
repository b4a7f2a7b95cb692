//! Events out: what happened here, told to the programs that asked, by the rules of *Standard Webhooks*
//! (github.com/standard-webhooks/standard-webhooks, version 1.0.0).
//!
//! Promise: an event is written in the transaction of what happened, so it is told exactly when that stands;
//! it is told at least once, in order per endpoint, and names no address of a person. Whoever wants nothing
//! costs nothing but one look at a table of few rows. No secret of an endpoint stands in the database, in a
//! list or in a log; what an endpoint's name leads to is checked, and it is that address we connect to.
//!
//! # The events
//!
//! The body is `{"type": …, "timestamp": …, "data": …}`. What concerns people comes in lists of up to
//! [`LIST`], each entry with `customer`: `{"id": 17, "key": "C-4711"}`, the number here and the firm's own key
//! or null. Instants are RFC 3339 in UTC, money is cents.
//!
//! | type | data |
//! | --- | --- |
//! | `campaign.launched` | `campaign` (`id`, `name`), `wave`, `deliveries`, `withheld` (by reason), `is_simulated` |
//! | `campaign.paused` | `campaign`, `reason` |
//! | `campaign.finished` | `campaign`, `reason` (why it ended without a wave, else null) |
//! | `campaign.cancelled` | `campaign` |
//! | `customer.opted_out` | `customers`: `customer`, `channel`, `topic` (`*`: all of the channel), `source`, `at` |
//! | `customer.permission_changed` | `customers`: `customer`, `channel`, `topic`, `action` (`grant`, `expire`), `basis`, `source`, `at` |
//! | `response.recorded` | `responses`: `customer`, `campaign` (its number), `wave`, `delivery`, `kind`, `part`, `amount_cents`, `class`, `at` |
//! | `order.attributed` | `orders`: `order` (its number at the shop, or null), `customer`, `campaign`, `wave`, `delivery`, `amount_cents`, `currency`, `matched_by`, `at` |
//! | `import.finished` | `kind`, `file`, `rows`, `created`, `updated`, `unchanged`, `rejected` |
//! | `webhook.test` | `message` |

mod endpoints;
pub mod guard;
pub mod model;
mod record;
mod sending;
mod signing;
pub mod store;

pub use endpoints::{
    Change, EventError, New, add, add_in, change, disable, enable, list, remove, resend, rotate,
    rotate_in, send_test,
};
pub use record::{LIST, is_wanted, keys_of, person, record, record_list, told};
pub use sending::{EventSender, forget_old};
pub use signing::{PREFIX, sign};
