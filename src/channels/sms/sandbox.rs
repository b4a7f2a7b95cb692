//! The sandbox of text messages: what is handed over lies in the outbox, and nothing leaves the machine.

use std::sync::Arc;

use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;

use super::model::{Handed, SmsMessage};
use crate::channels::model::Class;
use crate::channels::outbox::Outbox;
use crate::clock::SharedClock;
use crate::keys::Keys;
use crate::templates::sms::Encoding;
use crate::tokens;

/// The header that tells a text message from a mail in the outbox: its encoding and parts.
pub const SMS_HEADER: &str = "X-Visavis-Sms";

/// Characters of the text that stand for a subject.
const SUBJECT: usize = 60;

#[derive(Debug)]
pub(super) struct SmsSandbox {
    outbox: Arc<Outbox>,
    keys: Keys,
    clock: SharedClock,
}

impl SmsSandbox {
    pub fn new(outbox: Arc<Outbox>, keys: Keys, clock: SharedClock) -> Self {
        Self {
            outbox,
            keys,
            clock,
        }
    }

    /// Takes a message into the outbox.
    pub async fn take(&self, message: &SmsMessage) -> Handed {
        let now_ms = self.clock.now_ms();
        let encoding = match message.size.encoding {
            Encoding::Gsm7 => "GSM-7",
            Encoding::Ucs2 => "UCS-2",
        };
        let parts = message.size.parts;
        let subject: String = message.text.chars().take(SUBJECT).collect();
        let raw = MessageBuilder::new()
            .header("From", Raw::new(message.sender.clone()))
            .header("To", Raw::new(message.to.clone()))
            .header(SMS_HEADER, Raw::new(format!("{encoding}; parts={parts}")))
            .date(now_ms / 1000)
            .message_id(format!("{}@sms.invalid", message.reference))
            .subject(subject.replace(['\r', '\n'], " "))
            .text_body(message.text.as_str())
            .write_to_vec();
        let delivery = tokens::read_return_path_tag(&message.reference, &self.keys);
        let outbox = Arc::clone(&self.outbox);
        let to = message.to.clone();
        let written =
            tokio::task::spawn_blocking(move || outbox.append(&raw?, &to, delivery, now_ms)).await;
        match written {
            Ok(Ok(number)) => Handed::accepted(Some(number.to_string()), u16::try_from(parts).ok()),
            Ok(Err(_)) | Err(_) => Handed::deferred(Class::Network, 0, None),
        }
    }
}
