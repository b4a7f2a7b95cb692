//! The words of receipts and inbound texts, without I/O.

use serde::Serialize;

use crate::channels::model::Class;
use crate::channels::sms::model::{Receipt, ReceiptState};

/// What an inbound text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    Stop,
    Start,
    Help,
    /// For a person to read.
    Reply,
}

impl TextKind {
    pub const ALL: [Self; 4] = [Self::Stop, Self::Start, Self::Help, Self::Reply];

    /// As the database keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Help => "help",
            Self::Reply => "reply",
        }
    }

    /// Reads the database's word.
    pub fn from_column(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What the receipts of a message say together. Of two of them the furthest counts; of equals the one from which
/// something follows, then the earliest, so that neither their order nor their number matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub state: ReceiptState,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// Why it was not delivered: a class and the provider's code.
    pub failure: Option<String>,
}

impl Standing {
    /// What one receipt says that came at `now_ms`.
    pub fn of(receipt: &Receipt, now_ms: i64) -> Self {
        Self {
            state: receipt.state,
            at: receipt.at.unwrap_or(now_ms),
            failure: receipt
                .failure
                .as_ref()
                .map(|failure| format!("{} {}", failure.class.as_str(), failure.code)),
        }
    }

    /// What both say together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let rank = |standing: &Self| {
            (
                standing.state,
                // The parts of a message have receipts of their own: an opt-out in one of them is one.
                match standing.class() {
                    Some(Class::OptedOut) => 2,
                    Some(_) => 1,
                    None => 0,
                },
                std::cmp::Reverse(standing.at),
                standing.failure.clone(),
            )
        };
        if rank(&other) > rank(&self) {
            other
        } else {
            self
        }
    }

    /// Whether the number does not exist, and whether whoever has it told the provider to stop.
    pub fn class(&self) -> Option<Class> {
        let word = self.failure.as_deref()?.split(' ').next()?;
        [Class::InvalidRecipient, Class::OptedOut]
            .into_iter()
            .find(|class| class.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn standing() -> impl Strategy<Value = Standing> {
        let failure = prop_oneof![
            Just(None),
            Just(Some("network 30008".to_owned())),
            Just(Some("invalid_recipient 30005".to_owned())),
            Just(Some(format!("{} 21610", Class::OptedOut.as_str()))),
        ];
        (0..3_usize, 0..4_i64, failure).prop_map(|(state, at, failure)| Standing {
            state: ReceiptState::ALL[state],
            at,
            failure,
        })
    }

    proptest! {
        #[test]
        fn receipts_in_any_order_and_twice_say_the_same(
            (ordered, shuffled) in proptest::collection::vec(standing(), 1..8)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        ) {
            let sum = |all: &[Standing]| all.iter().cloned().reduce(Standing::with);
            let expected = sum(&ordered);
            prop_assert_eq!(&sum(&shuffled), &expected);
            prop_assert_eq!(&sum(&[shuffled, ordered.clone()].concat()), &expected);
            let furthest = ordered.iter().map(|one| one.state).max();
            prop_assert_eq!(expected.as_ref().map(|one| one.state), furthest);
            let has_said_no = ordered
                .iter()
                .any(|one| Some(one.state) == furthest && one.class() == Some(Class::OptedOut));
            let says_no = expected.and_then(|one| one.class()) == Some(Class::OptedOut);
            prop_assert_eq!(says_no, has_said_no);
        }
    }
}
