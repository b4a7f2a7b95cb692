//! Which of our messages a mail proves to be about.

use crate::ids::{ConfirmationId, DeliveryKey};
use crate::keys::Keys;
use crate::tokens;

/// A message of ours, proved by its MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proved {
    /// A message of a campaign.
    Delivery(DeliveryKey),
    /// A notice: a sign-up to be confirmed, and the like.
    Notice(ConfirmationId),
}

/// The first reference that we wrote.
pub(super) fn first(refs: &[String], keys: &Keys) -> Option<Proved> {
    refs.iter().find_map(|text| read(text, keys))
}

fn read(text: &str, keys: &Keys) -> Option<Proved> {
    let text = text.to_ascii_lowercase();
    tokens::read_return_path_tag(&text, keys)
        .or_else(|| tokens::read_message_id_local(&text, keys))
        .map(Proved::Delivery)
        .or_else(|| tokens::read_notice_return_path_tag(&text, keys).map(Proved::Notice))
}
