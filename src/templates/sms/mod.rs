//! A template as a text message: its own words, or those the layout takes from the four parts.
//!
//! Promise: the text is never HTML; what a value holds is never read as a field; the parts are counted
//! after everything is in its place: fields, short links and the mention of the way out.

mod compiled;
mod encoding;
mod layout;
mod measure;
mod ready;
mod replacement;

pub use compiled::{CompiledSms, MAX_PARTS, RenderedSms};
pub use encoding::{Encoding, Size, parts, size};
pub use measure::{SmsMeasure, sample_links};
pub use replacement::{Offender, offenders, transliterate};

pub(super) use ready::{ReadySms, Target};

/// What stands around the text of every message, as the provider's settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmsFrame {
    /// What we write at the end, such as "STOP au 36179"; "{link}" in it is the short unsubscribe link.
    pub stop: Option<String>,
    /// What the provider appends itself: counted, not written.
    pub appended: Option<String>,
    /// Whether characters that force UCS-2 are replaced where all of them can be.
    pub transliterate: bool,
}

impl SmsFrame {
    /// The frame by which a template is judged: a mention as French short codes have it.
    pub fn sample() -> Self {
        Self {
            stop: Some("STOP au 36179".to_owned()),
            ..Self::default()
        }
    }
}
