//! From the bytes of a mail to what it is.

use super::model::{Envelope, MailKind, ReadMail};

/// Reads a mail.
pub fn read(raw: &[u8], known: &Envelope) -> ReadMail {
    let _ = known;
    ReadMail {
        kind: MailKind::Unknown,
        refs: Vec::new(),
        message_id: None,
        subject: None,
        from: None,
        at: None,
        text: String::new(),
        size: raw.len(),
    }
}
