//! What `visavis check` says of the ways in for mail.

use super::Line;
use crate::config::Settings;
use crate::mailroom;
use crate::storage::text::counted;

/// Whether mailboxes can be had, and whether what comes back by mail is read at all.
pub(super) async fn lines(settings: &Settings) -> Vec<Line> {
    let mut lines = Vec::new();
    let inbound = &settings.inbound;
    if let Some(lmtp) = &inbound.lmtp {
        let line = format!(
            "mail in: have your mail server hand over what comes to {} at {} (LMTP)",
            settings.email.bounce_domain, lmtp.listen
        );
        lines.push(if lmtp.listen.ip().is_loopback() {
            Line::Good(line)
        } else {
            Line::Note(format!(
                "{line}; anybody who reaches that address can hand over mail without TLS or login: keep it on loopback"
            ))
        });
    }
    for (name, found) in mailroom::look(settings).await {
        lines.push(match found {
            Ok(mails) => Line::Good(format!(
                "mail in: mailbox {name} can be collected, with {} in it",
                counted(u64::from(mails), "mail", "mails")
            )),
            Err(error) => Line::Bad(format!("mail in: inbound.imap.{name}: {error}")),
        });
    }
    let is_sending = settings.email.relay.is_some();
    let is_told = inbound.takes_opt_outs() || !settings.mail_hooks.is_empty();
    if is_sending && !is_told {
        lines.push(Line::Note(
            "mail in: no way in is set, so bounces that come later are not read; set [inbound.lmtp] or [inbound.imap.NAME], or unsubscribe_by_mail where mail comes by the pipe"
                .to_owned(),
        ));
    }
    lines
}
