//! What a deliver_sm tells: what became of a message, or what somebody wrote (SMPP 3.4 appendix B).

use super::pdu::Deliver;
use super::text;
use crate::channels::model::Class;
use crate::channels::sms::model::{Failure, Inbound, Receipt, ReceiptState, SmsEvent};
use crate::config::SmppMessageIds;

/// The states by their name in a receipt's text and their number in `message_state`.
const STATES: [(&str, u8, ReceiptState, Option<Class>); 8] = [
    ("ENROUTE", 1, ReceiptState::Sent, None),
    ("DELIVRD", 2, ReceiptState::Delivered, None),
    (
        "EXPIRED",
        3,
        ReceiptState::Undelivered,
        Some(Class::Expired),
    ),
    (
        "DELETED",
        4,
        ReceiptState::Undelivered,
        Some(Class::Blocked),
    ),
    // That does not say that the number is dead.
    (
        "UNDELIV",
        5,
        ReceiptState::Undelivered,
        Some(Class::Network),
    ),
    ("ACCEPTD", 6, ReceiptState::Sent, None),
    ("UNKNOWN", 7, ReceiptState::Sent, None),
    (
        "REJECTD",
        8,
        ReceiptState::Undelivered,
        Some(Class::Blocked),
    ),
];

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Event(SmsEvent),
    /// A receipt that names no message or no state, or something that we did not ask for.
    Nothing,
}

/// Reads a deliver_sm.
pub fn read(deliver: &Deliver, ids: SmppMessageIds) -> Told {
    match deliver.esm_class & 0x3C {
        0x00 => Told::Event(SmsEvent::Inbound(Inbound {
            message_id: None,
            from: deliver.source.clone(),
            to: Some(deliver.destination.clone()).filter(|to| !to.is_empty()),
            text: text::decode(&deliver.text, deliver.data_coding),
            reference: None,
            at: None,
        })),
        // A receipt, or word of a message that is still on its way.
        0x04 | 0x20 => receipt(deliver, ids).map_or(Told::Nothing, |receipt| {
            Told::Event(SmsEvent::Receipt(receipt))
        }),
        _ => Told::Nothing,
    }
}

fn receipt(deliver: &Deliver, ids: SmppMessageIds) -> Option<Receipt> {
    let text = match deliver.data_coding {
        0x08 => text::decode(&deliver.text, 0x08),
        // Ids have characters that are elsewhere in the default alphabet, and no peer writes them so.
        _ => deliver.text.iter().map(|b| char::from(*b)).collect(),
    };
    let message_id = match &deliver.receipted_message_id {
        // It stands there as in the answer.
        Some(id) => of_answer(id, ids),
        None => of_receipt(field(&text, "id:")?, ids),
    };
    let by_number = deliver
        .message_state
        .and_then(|number| STATES.iter().find(|(_, known, ..)| *known == number));
    let (_, _, state, class) = by_number.or_else(|| by_word(field(&text, "stat:")?))?;
    let code: String = field(&text, "err:")
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(10)
        .collect();
    Some(Receipt {
        reference: None,
        message_id: Some(message_id),
        state: *state,
        failure: class.map(|class| Failure { class, code }),
        // "done date" is in a time zone that nobody names.
        at: None,
    })
}

/// The state of a word, which may be cut where no other begins so.
fn by_word(word: &str) -> Option<&'static (&'static str, u8, ReceiptState, Option<Class>)> {
    let word = word.to_ascii_uppercase();
    let mut alike = STATES
        .iter()
        .filter(|(name, ..)| word.len() >= 3 && name.starts_with(&word));
    let state = alike.next()?;
    alike.next().is_none().then_some(state)
}

/// The word after a name, which stands at the beginning or after a space.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    // What the message itself said comes last, and may hold anything.
    let lower = text.to_ascii_lowercase();
    let end = lower.find(" text:").unwrap_or(text.len());
    let mut from = 0;
    loop {
        let at = from + lower.get(from..end)?.find(name)?;
        let is_begin = at == 0 || lower.as_bytes().get(at - 1) == Some(&b' ');
        from = at + name.len();
        if is_begin {
            let word = text.get(from..end)?.split(' ').next()?;
            return Some(word).filter(|word| !word.is_empty());
        }
    }
}

/// The name of a message in the answer to it, in the form in which it is kept.
pub fn of_answer(id: &str, ids: SmppMessageIds) -> String {
    match (ids, u64::from_str_radix(id, 16)) {
        (SmppMessageIds::HexThenDecimal, Ok(number)) => format!("{number:x}"),
        _ => id.to_owned(),
    }
}

/// The name of a message in the text of a receipt, in the form in which it is kept.
fn of_receipt(id: &str, ids: SmppMessageIds) -> String {
    match (ids, id.parse::<u64>()) {
        (SmppMessageIds::HexThenDecimal, Ok(number)) => format!("{number:x}"),
        _ => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "id:0123456789 sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:id:7 stat:UNDELIV";

    fn told(text: &str, ids: SmppMessageIds) -> Option<(String, ReceiptState, Option<Failure>)> {
        let deliver = Deliver {
            esm_class: 0x04,
            text: text.as_bytes().to_vec(),
            ..Deliver::default()
        };
        match read(&deliver, ids) {
            Told::Event(SmsEvent::Receipt(receipt)) => {
                Some((receipt.message_id?, receipt.state, receipt.failure))
            }
            _ => None,
        }
    }

    #[test]
    fn a_receipt_is_read_from_its_text() {
        let same = SmppMessageIds::Same;
        let delivered = ("0123456789".to_owned(), ReceiptState::Delivered, None);
        assert_eq!(told(WHOLE, same), Some(delivered.clone()));
        // Cut after "stat:DELIV": no other state begins so.
        let cut = WHOLE.split("RD err").next().unwrap();
        assert_eq!(told(cut, same), Some(delivered));
        assert_eq!(told("id:1 stat:DEL", same), None, "delivered or deleted");
        assert_eq!(told("id:1 sub:001 dlvrd:0", same), None);
        assert_eq!(told("stat:DELIVRD", same), None);
        assert_eq!(told("", same), None);
        let (_, state, failure) = told("id:1 stat:EXPIRED err:0a-1", same).unwrap();
        assert_eq!(state, ReceiptState::Undelivered);
        let failure = failure.unwrap();
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (Class::Expired, "0a1")
        );
    }

    #[test]
    fn an_id_is_hexadecimal_in_the_answer_and_decimal_in_the_receipt() {
        let ids = SmppMessageIds::HexThenDecimal;
        let kept = of_answer("075BCD15", ids);
        assert_eq!(told(WHOLE, ids).unwrap().0, kept);
        assert_eq!(of_answer("not-hex", ids), "not-hex");
        assert_eq!(of_answer("075BCD15", SmppMessageIds::Same), "075BCD15");
    }
}
