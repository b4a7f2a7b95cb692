//! What a notice says. Nothing that a stranger typed into a form stands in it: whoever gives another's
//! address cannot make us carry his words.

use chrono::Timelike;

use super::words::{self, Words};
use crate::clock;
use crate::config::Settings;
use crate::dialogue::confirmation;
use crate::dialogue::model::{Agreement, Purpose};
use crate::dialogue::store::Claimed;
use crate::keys::Keys;
use crate::templates::model::Rendered;
use crate::templates::notice::{Notice, day_in_words};

/// The message of a confirmation, in its language.
///
/// # Errors
/// When the payload is not what its purpose says, or the layout is refused.
pub(super) fn render(
    settings: &Settings,
    keys: &Keys,
    claimed: &Claimed,
) -> Result<Rendered, String> {
    let confirmation = &claimed.confirmation;
    let (language, words) = words::of(&confirmation.language);
    let text = match confirmation.purpose {
        Purpose::OptIn => &words.opt_in,
        Purpose::RePermission => &words.re_permission,
        Purpose::Download => &words.download,
        Purpose::Erasure => &words.erasure,
    };
    let points: Vec<String> = match confirmation.purpose {
        Purpose::OptIn | Purpose::RePermission => {
            let agreement = Agreement::read(&confirmation.payload)?;
            let wordings = agreement.topics.into_iter();
            wordings.map(|topic| topic.wording).collect()
        }
        Purpose::Download | Purpose::Erasure => Vec::new(),
    };
    let sender = settings.notices.sender_name.trim();
    let asked_on = day_in_words(
        language,
        clock::from_ms(confirmation.requested_at).date_naive(),
    );
    let fill = |text: &str| text.replace("{sender}", sender).replace("{day}", &asked_on);
    let token = confirmation::token(keys, confirmation.id, &claimed.nonce);
    Notice {
        language,
        sender_name: sender,
        postal_address: &settings.notices.postal_address,
        subject: &fill(text.subject),
        headline: text.headline,
        lead: &fill(text.lead),
        points: &points,
        button: text.button,
        link: &format!("{}/confirm/{token}", settings.web.public_url),
        until: &until(words, language, confirmation.expires_at),
        ignore: text.ignore,
        plain_link: words.plain_link,
        reason: &fill(words.reason),
    }
    .render()
}

/// Until when the link works. The reader's zone is not known, so the hour names its own.
fn until(words: &Words, language: &str, expires_at: i64) -> String {
    let at = clock::from_ms(expires_at);
    let time = match language {
        "fr" => format!("{} h {:02}", at.hour(), at.minute()),
        _ => format!("{}:{:02}", at.hour(), at.minute()),
    };
    words
        .until
        .replace("{day}", &day_in_words(language, at.date_naive()))
        .replace("{time}", &time)
}
