//! The outbox's pages: what the sandbox kept, as people read it. They know nothing of where it is kept.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use mail_parser::{Address, MessageParser, MimeHeaders};
use serde::Serialize;

use super::Visit;
use crate::channels::sms::SMS_HEADER;
use crate::web::words::Words;
use crate::web::{ApiError, State};

/// The policy of a message's page. The message stands in a sandboxed frame, which inherits it: its
/// styles are let in, its remote pictures (and with them its own open pixel) are not.
pub(super) const MESSAGE_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A line of the list.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub number: u64,
    pub subject: String,
    pub recipient: String,
    /// Whether it is a text message.
    pub is_sms: bool,
    /// As people read it.
    pub received: String,
    pub size: String,
}

impl Entry {
    /// A line of the list; `received_at` in milliseconds since the epoch.
    pub fn new(
        number: u64,
        received_at: i64,
        recipient: &str,
        subject: &str,
        bytes: u64,
        words: &Words,
    ) -> Self {
        Self {
            number,
            subject: or_none(subject, words),
            recipient: recipient.to_owned(),
            is_sms: recipient.starts_with('+') && !recipient.contains('@'),
            received: words.moment(received_at),
            size: size(bytes, words),
        }
    }
}

/// The list page.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    title: String,
    section: &'static str,
    count: String,
    /// What is here, and what is not.
    note: String,
    search: String,
    entries: Vec<Entry>,
    is_paged: bool,
    newer: Option<String>,
    older: Option<String>,
}

impl Listing {
    /// Page `page` (counted from 0) of the outbox, or of what `search` finds in it. `count` is of the whole
    /// outbox; `note` says what is kept there; `has_older` whether another page follows.
    pub fn new(
        count: u64,
        note: &'static str,
        search: Option<&str>,
        page: u32,
        entries: Vec<Entry>,
        has_older: bool,
        words: &Words,
    ) -> Self {
        let search = search.unwrap_or_default();
        let to = |page: u32| {
            let query = match search {
                "" => String::new(),
                search => format!("&q={}", super::path_segment(search)),
            };
            format!("/outbox?page={page}{query}")
        };
        let newer = (page > 0).then(|| to(page));
        let older = has_older.then(|| to(page.saturating_add(2)));
        Self {
            title: words.t("Outbox").to_owned(),
            section: "outbox",
            count: words.counted(count, "{n} message", "{n} messages"),
            note: words.t(note).to_owned(),
            search: search.to_owned(),
            entries,
            is_paged: newer.is_some() || older.is_some(),
            newer,
            older,
        }
    }
}

/// The page of one message.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    title: String,
    section: &'static str,
    from: String,
    to: String,
    received: String,
    html: Option<String>,
    text: String,
    headers: String,
    /// What is said of a text message.
    sms: Option<Sms>,
    newer: Option<u64>,
    older: Option<u64>,
}

/// A text message as its telephone shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Sms {
    encoding: String,
    parts: String,
    characters: String,
}

impl Sms {
    /// Reads the header of the sandbox: `GSM-7; parts=2`.
    fn read(header: &str, text: &str, words: &Words) -> Self {
        let (encoding, parts) = header.split_once("; parts=").unwrap_or((header, ""));
        Self {
            encoding: encoding.trim().to_owned(),
            parts: words.counted(parts.trim().parse().unwrap_or(0), "{n} part", "{n} parts"),
            characters: words.counted(
                u64::try_from(text.chars().count()).unwrap_or(u64::MAX),
                "{n} character",
                "{n} characters",
            ),
        }
    }
}

impl Message {
    /// Reads a message as it was handed over; `newer` and `older` are its neighbours in the outbox. One
    /// that cannot be read is shown raw.
    pub fn read(
        raw: &[u8],
        received_at: i64,
        newer: Option<u64>,
        older: Option<u64>,
        words: &Words,
    ) -> Self {
        let whole = String::from_utf8_lossy(raw);
        let head = whole.split("\r\n\r\n").next().unwrap_or_default();
        let parsed = MessageParser::default().parse(raw);
        let body = |body: Option<std::borrow::Cow<'_, str>>| body.map(std::borrow::Cow::into_owned);
        let mark = parsed
            .as_ref()
            .and_then(|message| message.header_raw(SMS_HEADER));
        let (mut title, from, to, mut html, text) = match &parsed {
            Some(message) => (
                or_none(message.subject().unwrap_or_default(), words),
                addresses(message.from()),
                addresses(message.to()),
                body(message.body_html(0))
                    .map(|html| with_links_in_new_tabs(&with_pictures(&html, message))),
                body(message.body_text(0)).unwrap_or_default(),
            ),
            None => (
                or_none("", words),
                String::new(),
                String::new(),
                None,
                whole.to_string(),
            ),
        };
        let sms = mark.map(|mark| {
            // The line ends of mail are not those of the text.
            Sms::read(mark.trim(), &text.trim_end().replace("\r\n", "\n"), words)
        });
        if sms.is_some() {
            // It has no subject, and its text is shown once.
            title = words.fill("Text message to {to}", &[("to", &to)]);
            html = None;
        }
        let text = if sms.is_some() {
            text.trim_end().replace("\r\n", "\n")
        } else {
            text
        };
        Self {
            title,
            section: "outbox",
            sms,
            from,
            to,
            received: words.moment(received_at),
            html,
            text,
            headers: head.to_owned(),
            newer,
            older,
        }
    }
}

/// Answers with the list.
///
/// # Errors
/// When the page cannot be rendered.
pub(super) fn list(
    visit: &Visit,
    state: &State,
    listing: &Listing,
) -> Result<HttpResponse, ApiError> {
    visit.answer(state, "outbox", listing)
}

/// Answers with a message.
///
/// # Errors
/// When the page cannot be rendered.
pub(super) fn message(
    visit: &Visit,
    state: &State,
    message: &Message,
) -> Result<HttpResponse, ApiError> {
    let mut response = visit.answer(state, "outbox_message", message)?;
    let policy = HeaderValue::from_static(MESSAGE_POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

fn addresses(address: Option<&Address<'_>>) -> String {
    let Some(address) = address else {
        return String::new();
    };
    let one = |(name, address): (Option<&str>, Option<&str>)| match (name, address) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (one, other) => one.or(other).unwrap_or_default().to_owned(),
    };
    let all: Vec<String> = address
        .iter()
        .map(|a| one((a.name(), a.address())))
        .collect();
    all.join(", ")
}

fn or_none(subject: &str, words: &Words) -> String {
    match subject.trim() {
        "" => words.t("(no subject)").to_owned(),
        subject => subject.to_owned(),
    }
}

fn size(bytes: u64, words: &Words) -> String {
    if bytes < 1024 {
        words.fill("{n} B", &[("n", bytes.to_string())])
    } else {
        let kibibytes = crate::reports::figures::as_f64(bytes) / 1024.0;
        words.fill("{n} KiB", &[("n", words.decimal(kibibytes, 1))])
    }
}

/// Puts the pictures that travel with a message where its HTML names them.
fn with_pictures(html: &str, message: &mail_parser::Message<'_>) -> String {
    let mut html = html.to_owned();
    for part in message.attachments() {
        let kind = part.content_type();
        let is_png =
            kind.is_some_and(|kind| kind.ctype() == "image" && kind.subtype() == Some("png"));
        if let Some(id) = part.content_id()
            && is_png
        {
            let data = data_encoding::BASE64.encode(part.contents());
            html = html.replace(
                &format!("\"cid:{id}\""),
                &format!("\"data:image/png;base64,{data}\""),
            );
        }
    }
    html
}

/// Puts `<base target="_blank">` into the head, since a link followed inside the frame could not leave it.
fn with_links_in_new_tabs(html: &str) -> String {
    const BASE: &str = "<base target=\"_blank\">";
    let lower = html.to_ascii_lowercase();
    let place = lower
        .find("<head")
        .and_then(|head| Some(head + lower.get(head..)?.find('>')? + 1));
    match place.and_then(|place| html.split_at_checked(place)) {
        Some((before, after)) => format!("{before}{BASE}{after}"),
        None => format!("{BASE}{html}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::console::visit::tests::{english, shown};

    const RAW: &[u8] = b"From: Chef <chef@shop.example>\r\nTo: =?utf-8?q?=C3=89lodie?= <elodie@example.org>\r\n\
        Subject: =?utf-8?q?Vos_po=C3=AAles?=\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBonjour\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><HEAD lang=\"fr\"></HEAD><body><script>alert(1)</script><b>Bonjour</b></body></html>\r\n--b--\r\n";

    #[test]
    fn a_message_is_read_and_framed() {
        let read = Message::read(RAW, 0, None, Some(1), &english());
        assert_eq!(read.title, "Vos poêles");
        assert_eq!(read.to, "Élodie <elodie@example.org>");
        assert!(read.headers.ends_with("boundary=b"), "{}", read.headers);
        assert!(MESSAGE_POLICY.starts_with("default-src 'none'"));
        let page = shown("outbox_message", &read);
        assert!(page.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
        assert!(
            !page.contains("<script>"),
            "the message stays inside its frame's attribute"
        );
        assert!(page.contains(
            "&lt;HEAD lang&#x3D;&quot;fr&quot;&gt;&lt;base target&#x3D;&quot;_blank&quot;&gt;"
        ));
    }

    #[test]
    fn a_text_message_stands_in_a_bubble() {
        const RAW: &[u8] = b"From: MAISON\r\nTo: +33612345678\r\nX-Visavis-Sms: GSM-7; parts=2\r\n\
            Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
            Po\xc3\xaales <b>-20 %</b>\r\nSTOP au 36111\r\n";
        let read = Message::read(RAW, 0, None, None, &english());
        assert_eq!(
            (read.title.as_str(), read.from.as_str()),
            ("Text message to +33612345678", "MAISON")
        );
        assert_eq!(
            read.sms,
            Some(Sms {
                encoding: "GSM-7".into(),
                parts: "2 parts".into(),
                characters: "33 characters".into()
            })
        );
        let page = shown("outbox_message", &read);
        assert!(page.contains("class=\"bubble\""), "{page}");
        assert!(
            page.contains("&lt;b&gt;-20 %&lt;/b&gt;"),
            "what somebody wrote is text: {page}"
        );
        assert!(!page.contains("<iframe"), "{page}");
        let panels = page.matches("<section class=\"panel\"").count();
        assert_eq!(panels, 1, "none stands empty: {page}");
    }

    #[test]
    fn the_list_tells_text_messages_from_mails() {
        let of = |recipient| Entry::new(1, 0, recipient, "x", 1, &english()).is_sms;
        assert_eq!(
            (of("+33612345678"), of("a@b.example"), of("+a@b.example")),
            (true, false, false)
        );
    }

    #[test]
    fn the_list_keeps_its_search_from_page_to_page() {
        let entry = Entry::new(
            7,
            1_795_000_000_000,
            "a@example.org",
            " ",
            2_048,
            &english(),
        );
        let listing = Listing::new(
            1_200,
            "Kept.",
            Some("a&b"),
            1,
            vec![entry],
            true,
            &english(),
        );
        let page = shown("outbox", &listing);
        for expected in [
            "1,200 messages",
            "(no subject)",
            "2.0 KiB",
            "/outbox?page&#x3D;1&amp;q&#x3D;a%26b",
            "/outbox?page&#x3D;3&amp;q&#x3D;a%26b",
        ] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
    }

    #[test]
    fn the_empty_outbox_says_what_to_do() {
        let listing = Listing::new(0, "Kept.", None, 0, Vec::new(), false, &english());
        let page = shown("outbox", &listing);
        assert!(page.contains("The outbox is empty"));
    }

    #[test]
    fn any_bytes_are_shown_without_panic() {
        for raw in [b"".as_slice(), b"\xff\xfe", b"no headers", b"\r\n\r\n"] {
            let read = Message::read(raw, i64::MAX, None, None, &english());
            shown("outbox_message", &read);
        }
    }
}
