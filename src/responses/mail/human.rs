//! What people and the machines that answer for them write.

use super::mime::{Mail, field, head};
use super::model::Envelope;
use super::rules::Signs;
use crate::storage::text::fold;

/// Bytes of a person's text that are kept.
const KEPT: usize = 8 << 10;
/// Lines of a text that are looked at: what a person writes stands above what he quotes.
const LINES_AT_MOST: usize = 2_000;
/// Bytes of a line that is compared with signs.
const LINE_AT_MOST: usize = 400;
/// Bytes of the longest text that can be nothing but an opt-out.
const OPT_OUT_AT_MOST: usize = 200;

/// The first text of a mail as it stands; empty where it has none.
pub(super) fn whole(mail: &Mail) -> &str {
    let mut texts = mail.texts().filter(|part| part.kind.starts_with("text/"));
    let first = texts.next();
    let plain = std::iter::chain(first, texts)
        .find(|part| part.kind == "text/plain" && !part.text.trim().is_empty());
    plain
        .or_else(|| mail.texts().find(|part| part.html.is_some()))
        .or_else(|| mail.texts().next())
        .map(|part| part.text.as_str())
        .unwrap_or_default()
}

/// What a person wrote: without quotes, signature and what his program adds.
pub(super) fn text(mail: &Mail, signs: &Signs) -> String {
    let plain = mail
        .texts()
        .find(|part| part.kind == "text/plain" && !part.text.trim().is_empty());
    if let Some(plain) = plain {
        return unquoted(&plain.text, signs);
    }
    let Some(part) = mail.texts().next() else {
        return String::new();
    };
    match part.html.as_deref().and_then(before_quote) {
        Some(source) => unquoted(&mail_parser::decoders::html::html_to_text(source), signs),
        None => unquoted(&part.text, signs),
    }
}

/// The source of HTML before the element that mail programs put a quote into.
fn before_quote(source: &str) -> Option<&str> {
    const QUOTES: &[&str] = &[
        "<blockquote",
        "class=\"gmail_quote",
        "class=\"gmail_attr",
        "id=\"divRplyFwdMsg",
        "id=\"appendonsend",
        "class=\"moz-cite-prefix",
        "class=\"yahoo_quoted",
        "class=\"OutlookMessageHeader",
        "id=\"mail-editor-reference-message-container",
    ];
    let at = QUOTES.iter().filter_map(|mark| source.find(mark)).min()?;
    let before = source.get(..at)?;
    // The mark stands within a tag.
    let tag = before
        .rfind('<')
        .filter(|tag| !before.get(*tag..).unwrap_or_default().contains('>'));
    before.get(..tag.unwrap_or(at))
}

fn unquoted(text: &str, signs: &Signs) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().take(LINES_AT_MOST).peekable();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with('>') || line.starts_with('|') {
            continue;
        }
        if line == "--" || line == "-- " {
            break;
        }
        let folded = fold(head(line, LINE_AT_MOST));
        let next = lines.peek().copied();
        let ends = |line: &str| line.ends_with(':') || line.ends_with("ecrit");
        if signs.quotes_from.begins(&folded) && is_quoted_header(&folded, next) {
            break;
        }
        if ends(&folded) && signs.quotes_after.stands_in(&folded) {
            break;
        }
        if begins_introduction(&folded) {
            // The introduction of a quote is often broken in two.
            let next = fold(head(next.unwrap_or_default(), LINE_AT_MOST));
            let two = format!("{folded} {next}");
            if (ends(&folded) || ends(&two)) && signs.quote_verbs.stands_in(&two) {
                break;
            }
        }
        if signs.footers.begins(&folded) {
            break;
        }
        if kept.len() + line.len() > KEPT {
            kept.push_str(head(line, KEPT.saturating_sub(kept.len())));
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    clean(&kept)
}

/// "From:" begins a quote only above other fields; a line of dashes always.
fn is_quoted_header(folded: &str, next: Option<&str>) -> bool {
    let is_field =
        !folded.starts_with(['-', '_']) && field(folded).is_some() || folded.contains(" : ");
    !is_field || next.is_some_and(|next| field(next).is_some() || next.contains(" : "))
}

fn begins_introduction(folded: &str) -> bool {
    ["on ", "le ", "am ", "el ", "il ", "op ", "em ", "den "]
        .iter()
        .any(|word| folded.starts_with(word))
}

/// Without control characters, at most one empty line in a row.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for line in text.trim().lines() {
        let is_gap = line.is_empty();
        if is_gap && cleaned.ends_with("\n\n") {
            continue;
        }
        cleaned.extend(line.chars().filter(|c| !c.is_control() || *c == '\t'));
        cleaned.push('\n');
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

/// The first words of a machine's mail.
pub(super) fn first_words(mail: &Mail) -> String {
    clean(head(whole(mail), 2 << 10))
}

/// Whether the mail asks for no more messages and says nothing else. `text` is what the person wrote.
pub(super) fn is_opt_out(mail: &Mail, known: &Envelope, text: &str, signs: &Signs) -> bool {
    let name = fold(mail.from_name.as_deref().unwrap_or_default());
    is_to_opt_out_mailbox(mail, known, signs)
        || is_opt_out_text(text, &name, signs)
        || (mail.subject.as_deref()).is_some_and(|subject| {
            let subject = fold(head(subject, OPT_OUT_AT_MOST));
            // Behind "Re:" stands what we wrote, not what he says.
            !signs.answers.begins(&subject) && is_opt_out_text(&subject, &name, signs)
        })
}

fn is_to_opt_out_mailbox(mail: &Mail, known: &Envelope, signs: &Signs) -> bool {
    let is_opt_out = |address: &str| {
        let folded = fold(head(address, LINE_AT_MOST));
        let local = folded.rsplit_once('@').map_or("", |(local, _)| local);
        let local = local.rsplit(['<', ' ', '"']).next().unwrap_or_default();
        let name = local.split('+').next().unwrap_or_default();
        signs.opt_out_mailboxes.begins(name)
    };
    if !known.recipients.is_empty() {
        return known.recipients.iter().any(|address| is_opt_out(address));
    }
    ["delivered-to", "x-original-to", "to"].iter().any(|name| {
        mail.fields
            .all(name)
            .any(|value| value.split(',').take(8).any(is_opt_out))
    })
}

/// Whether a text is an opt-out and nothing else but a courtesy and the name of who writes.
fn is_opt_out_text(text: &str, name: &str, signs: &Signs) -> bool {
    if text.len() > OPT_OUT_AT_MOST {
        return false;
    }
    let mut said = false;
    for piece in text.split(['\n', ',', '.', '!', ';']) {
        let piece = bare(&fold(piece));
        let is_name = || {
            piece
                .split(' ')
                .all(|word| name.split(' ').any(|own| own == word))
        };
        if piece.is_empty() || signs.courtesies.is_whole(&piece) || is_name() {
            continue;
        }
        if said || !is_opt_out_piece(&piece, signs) {
            return false;
        }
        said = true;
    }
    said
}

fn is_opt_out_piece(piece: &str, signs: &Signs) -> bool {
    if signs.opt_outs.is_whole(piece) {
        return true;
    }
    // "Please unsubscribe", "stop merci": one courtesy before or behind.
    let words: Vec<&str> = piece.split(' ').collect();
    (1..words.len()).any(|at| {
        let (before, behind) = words.split_at(at);
        let (before, behind) = (before.join(" "), behind.join(" "));
        signs.courtesies.is_whole(&before) && signs.opt_outs.is_whole(&behind)
            || signs.opt_outs.is_whole(&before) && signs.courtesies.is_whole(&behind)
    })
}

/// Without what stands around it.
fn bare(text: &str) -> String {
    text.trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

/// Whether a machine asks for a proof that the sender is human.
pub(super) fn is_challenge(mail: &Mail, folded: &str, signs: &Signs) -> bool {
    mail.fields.has("x-boxbe-challenge")
        || mail.fields.has("x-mib-challenge")
        || (mail.fields.iter())
            .any(|(name, _)| name.starts_with("x-tmda-") && name.contains("confirm"))
        || signs.challenges.stands_in(folded)
}

/// Whether a machine answered for a person (RFC 3834 section 5 and what programs wrote before it).
pub(super) fn is_auto_reply(mail: &Mail, known: &Envelope, folded: &str, signs: &Signs) -> bool {
    let fields = &mail.fields;
    let says = |name: &str, words: &[&str]| {
        fields.all(name).any(|value| {
            let value = value.to_ascii_lowercase();
            words
                .iter()
                .any(|word| value.trim_start().starts_with(word))
        })
    };
    if says("auto-submitted", &["auto-replied", "auto-notified"])
        || says("precedence", &["auto_reply", "auto-reply", "autoreply"])
        || says("delivered-to", &["autoresponder"])
    {
        return true;
    }
    const MARKS: &[&str] = &[
        "x-autoreply",
        "x-autorespond",
        "x-autoresponder",
        "x-auto-reply",
        "x-auto-reply-from",
        "x-mail-autoreply",
        "x-autoreply-from",
        "x-vacation",
        "x-autogenerated-reply",
        "x-ms-exchange-inbox-rules-loop",
        "x-ms-exchange-generated-message-source",
        "x-pardot-autoreply",
        "x-zendesk-autoreply",
        "x-fc-machinegenerated",
    ];
    if MARKS.iter().any(|name| says_yes(fields.get(name))) {
        return true;
    }
    let subject = fold(head(
        mail.subject.as_deref().unwrap_or_default(),
        LINE_AT_MOST,
    ));
    let is_null = known
        .sender
        .as_deref()
        .is_some_and(|sender| sender.trim_matches(['<', '>', ' ']).is_empty())
        || fields
            .get("return-path")
            .is_some_and(|path| path.trim() == "<>");
    let is_automatic = is_null
        || says("auto-submitted", &["auto-generated"])
        || says("precedence", &["bulk", "junk", "list"])
        || fields.has("x-auto-response-suppress");
    let has_subject = signs.auto_subjects.stands_in(&subject);
    let is_away = signs.away_subjects.stands_in(&subject);
    let has_text = signs.auto_texts.stands_in(head(folded, 4 << 10));
    // A person who answers may quote our subject, and whoever writes anew may be on holiday himself: what is
    // taken for a machine's is read by nobody, so it must look like one twice.
    let answers = signs.answers.begins(&subject);
    signs.auto_subjects.begins(&subject)
        || has_subject && !answers
        || is_away && has_text && !answers
        || is_automatic && (has_subject || is_away || has_text)
}

fn says_yes(value: Option<&str>) -> bool {
    value.is_some_and(|value| {
        !matches!(
            value.trim().to_ascii_lowercase().as_str(),
            "no" | "false" | "0" | ""
        )
    })
}
