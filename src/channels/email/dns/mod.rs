//! What must stand in DNS for a sender's mail to be believed: said, looked up, compared.
//!
//! Promise: nothing is published by us, and a look changes nothing. What cannot be told (no answer, a
//! record that may allow us in another way) is never called wrong.

mod judge;
mod look;
mod model;
mod publish;

pub use look::{Dns, LookError, look};
pub use model::{Difference, Found, Purpose, Record, RecordKind, Sender, Standing};
pub use publish::sender;
