//! What the plan and the settings make of a text message: who writes it, and what stands around its text.

use super::definition::Definition;
use crate::config::{ProviderSettings, SANDBOX, SmsSettings, StopBy, in_language};
use crate::templates::sms::SmsFrame;

/// What stands around the text of a message to a reader of `language`, as the provider's settings say; in the
/// sandbox an example, so that lengths are true.
pub fn frame(settings: &SmsSettings, provider: &str, language: &str) -> SmsFrame {
    if provider == SANDBOX {
        return SmsFrame {
            transliterate: settings.transliterates(provider),
            ..SmsFrame::sample()
        };
    }
    let stop = settings
        .provider_named(provider)
        .and_then(|account| account.stop.as_ref());
    let text = |by: StopBy| {
        stop.filter(|stop| stop.by == by)
            .map(|stop| in_language(&stop.text, language).to_owned())
    };
    SmsFrame {
        stop: text(StopBy::Us),
        appended: text(StopBy::Provider),
        transliterate: settings.transliterates(provider),
    }
}

/// Who writes: as the campaign says, else the account, else the name of the campaign's sender as far as one
/// is allowed to be.
pub fn sender_of(definition: &Definition, account: Option<&ProviderSettings>) -> String {
    let own = definition.sender.sms.clone();
    own.or_else(|| account.and_then(|account| account.sender.clone()))
        .unwrap_or_else(|| {
            let letters = definition.sender.name.chars();
            letters
                .filter(char::is_ascii_alphanumeric)
                .take(11)
                .collect()
        })
}
