//! A message as bytes (RFC 5322, 2045 to 2047): the frame once per wave, the rendered parts spliced in.
//!
//! What is promised: CRLF only, no line over 998 bytes, no header value that could become a header of
//! its own, and a boundary that cannot stand in a body.

use data_encoding::BASE64;
use lettre::Address;
use mail_builder::encoders::QuotedPrintableEncoder;
use mail_builder::headers::Header;
use mail_builder::headers::address::EmailAddress;
use mail_builder::headers::text::Text;
use unicode_normalization::UnicodeNormalization;

use super::reference;
use crate::channels::model::{
    Class, EmailMessage, NoticeMessage, Picture, Sender, SummaryMessage, WaveFrame,
};
use crate::clock;
use crate::config::MailProvider;

/// `=_` cannot stand in quoted-printable text, where `=` comes before two digits or a line end
/// (RFC 2045 section 6.7); so neither can this boundary, whatever the body says.
const BOUNDARY: &str = "=_visavis_alternative";
/// The same around a message and its pictures.
const RELATED: &str = "=_visavis_related";

/// Why a message cannot be composed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    #[error(
        "{header} holds a line break or another control character; it must be one line of text"
    )]
    ControlCharacter { header: &'static str },
    #[error("{header} is no email address; give one like name@example.com")]
    NotAnAddress { header: &'static str },
    #[error(
        "the unsubscribe link is not an http(s) URL of ASCII characters below 900 bytes; check web.public_url"
    )]
    UnsubscribeUrl,
    #[error("the DKIM key refuses to sign; make a new one")]
    Signature,
}

impl ComposeError {
    /// How the refusal counts.
    pub fn class(self) -> Class {
        match self {
            Self::NotAnAddress { header: "To" } => Class::InvalidRecipient,
            Self::ControlCharacter { .. } | Self::NotAnAddress { .. } | Self::UnsubscribeUrl => {
                Class::Content
            }
            Self::Signature => Class::Policy,
        }
    }
}

/// The headers and separators that every message of a wave has in common, as bytes.
#[derive(Debug, Clone)]
pub(super) struct MimeFrame {
    /// `From`.
    head: Vec<u8>,
    /// From `Reply-To` to `Content-Type`, without what changes per message.
    tail: Vec<u8>,
    /// Whether pictures follow the message (RFC 2387).
    has_pictures: bool,
    /// Who sends it on, where he repeats our reference in what he posts.
    provider: Option<MailProvider>,
}

/// What a message needs from outside its text.
#[derive(Debug)]
pub(super) struct Ids<'a> {
    pub return_path_tag: &'a str,
    pub message_id_local: &'a str,
    pub message_domain: &'a str,
    /// Where an opt-out by mail is read, if anywhere.
    pub opt_out_domain: Option<&'a str>,
}

/// What is spliced into a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter<'a> {
    pub to_name: Option<&'a str>,
    pub subject: &'a str,
    pub html: &'a str,
    pub text: &'a str,
    /// `None` on a notice, which nobody subscribed to.
    pub unsubscribe_url: Option<&'a str>,
    /// What the HTML shows of its own; none but in a frame made for them.
    pub pictures: &'a [Picture],
    pub at: i64,
}

impl<'a> From<&'a EmailMessage> for Letter<'a> {
    fn from(message: &'a EmailMessage) -> Self {
        Self {
            to_name: message.to_name.as_deref(),
            subject: &message.subject,
            html: &message.html,
            text: &message.text,
            unsubscribe_url: Some(&message.unsubscribe_url),
            pictures: &[],
            at: message.at,
        }
    }
}

impl<'a> From<&'a NoticeMessage> for Letter<'a> {
    fn from(message: &'a NoticeMessage) -> Self {
        Self {
            to_name: None,
            subject: &message.subject,
            html: &message.html,
            text: &message.text,
            unsubscribe_url: None,
            pictures: &[],
            at: message.at,
        }
    }
}

impl<'a> From<&'a SummaryMessage> for Letter<'a> {
    fn from(message: &'a SummaryMessage) -> Self {
        Self {
            to_name: None,
            subject: &message.subject,
            html: &message.html,
            text: &message.text,
            unsubscribe_url: None,
            pictures: &message.pictures,
            at: message.at,
        }
    }
}

impl MimeFrame {
    /// Compiles the frame of a wave.
    ///
    /// # Errors
    /// When a name, an address, the campaign or the topic cannot stand in a header.
    pub fn compile(
        frame: &WaveFrame,
        message_domain: &str,
        feedback_id: &str,
    ) -> Result<Self, ComposeError> {
        let (head, mut tail) = write_sender(&frame.sender)?;
        tail.extend_from_slice(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
        // The topic, not the campaign: it must stay the same over the years (RFC 2919 section 3).
        let topic = slug(&frame.topic);
        let list = format!("{topic}.{message_domain}");
        write_mailbox(&mut tail, "List-Id", Some(&frame.topic), &list)?;
        refuse_controls("Feedback-ID", &frame.campaign)?;
        write_field(
            &mut tail,
            "Feedback-ID",
            &format!("{}:visavis:{topic}:{feedback_id}", slug(&frame.campaign)),
        );
        tail.extend_from_slice(b"Precedence: bulk\r\n");
        write_content_type(&mut tail);
        Ok(Self {
            head,
            tail,
            has_pictures: false,
            provider: None,
        })
    }

    /// The same for messages that a provider sends on.
    #[must_use]
    pub fn through(self, provider: Option<MailProvider>) -> Self {
        Self { provider, ..self }
    }

    /// Compiles the frame of notices: a machine's answer to what a person did (RFC 3834 section 5), so
    /// without list, feedback loop and way out.
    ///
    /// # Errors
    /// When the sender's name or address cannot stand in a header.
    pub fn of_notices(sender: &Sender) -> Result<Self, ComposeError> {
        let (head, mut tail) = write_sender(sender)?;
        tail.extend_from_slice(b"Auto-Submitted: auto-generated\r\n");
        write_content_type(&mut tail);
        Ok(Self {
            head,
            tail,
            has_pictures: false,
            provider: None,
        })
    }

    /// Compiles the frame of summaries: as of notices, with pictures.
    ///
    /// # Errors
    /// When the sender's name or address cannot stand in a header.
    pub fn of_summaries(sender: &Sender) -> Result<Self, ComposeError> {
        let (head, mut tail) = write_sender(sender)?;
        tail.extend_from_slice(b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
        tail.extend_from_slice(
            b"Content-Type: multipart/related; type=\"multipart/alternative\";\r\n boundary=\"",
        );
        tail.extend_from_slice(RELATED.as_bytes());
        tail.extend_from_slice(b"\"\r\n");
        Ok(Self {
            head,
            tail,
            has_pictures: true,
            provider: None,
        })
    }

    /// The message, unsigned. `to` is its recipient, checked.
    ///
    /// # Errors
    /// When the name, the subject or the link cannot stand in a header.
    pub fn compose(
        &self,
        message: &Letter<'_>,
        to: &str,
        ids: &Ids<'_>,
    ) -> Result<Vec<u8>, ComposeError> {
        let bodies = message.html.len() + message.text.len();
        let mut out = Vec::with_capacity(2048 + bodies + bodies / 8);
        out.extend_from_slice(&self.head);
        write_mailbox(&mut out, "To", message.to_name, to)?;
        write_field(&mut out, "Date", &clock::from_ms(message.at).to_rfc2822());
        write_field(
            &mut out,
            "Message-ID",
            &format!("<{}@{}>", ids.message_id_local, ids.message_domain),
        );
        refuse_controls("Subject", message.subject)?;
        write_text(&mut out, "Subject", message.subject);
        if let Some(url) = message.unsubscribe_url {
            let mailbox = ids
                .opt_out_domain
                .map(|domain| format!("unsubscribe+{}@{domain}", ids.return_path_tag));
            write_list_unsubscribe(&mut out, url, mailbox.as_deref())?;
        }
        write_field(&mut out, "X-Visavis-Ref", ids.return_path_tag);
        if let Some(provider) = self.provider {
            let (name, value) = reference::header(provider, ids.return_path_tag);
            write_field(&mut out, name, &value);
        }
        out.extend_from_slice(&self.tail);
        if self.has_pictures {
            write_boundary(&mut out, RELATED);
            out.extend_from_slice(b"\r\nContent-Type: multipart/alternative;\r\n boundary=\"");
            out.extend_from_slice(BOUNDARY.as_bytes());
            out.extend_from_slice(b"\"\r\n");
        }
        // Text first: readers show the last part that they understand (RFC 2046 section 5.1.4).
        write_part(&mut out, "text/plain", message.text);
        write_part(&mut out, "text/html", message.html);
        out.extend_from_slice(b"\r\n--");
        out.extend_from_slice(BOUNDARY.as_bytes());
        out.extend_from_slice(b"--\r\n");
        if self.has_pictures {
            for picture in message.pictures {
                write_picture(&mut out, picture);
            }
            write_boundary(&mut out, RELATED);
            out.extend_from_slice(b"--\r\n");
        }
        Ok(out)
    }
}

/// `From`, and where answers go.
fn write_sender(sender: &Sender) -> Result<(Vec<u8>, Vec<u8>), ComposeError> {
    let mut head = Vec::with_capacity(256);
    let from = mailbox_address("From", &sender.address)?;
    write_mailbox(&mut head, "From", Some(&sender.name), &from)?;
    let mut tail = Vec::with_capacity(512);
    if let Some(reply_to) = &sender.reply_to {
        let reply_to = mailbox_address("Reply-To", reply_to)?;
        write_mailbox(&mut tail, "Reply-To", None, &reply_to)?;
    }
    Ok((head, tail))
}

fn write_content_type(tail: &mut Vec<u8>) {
    tail.extend_from_slice(b"MIME-Version: 1.0\r\n");
    tail.extend_from_slice(b"Content-Type: multipart/alternative;\r\n boundary=\"");
    tail.extend_from_slice(BOUNDARY.as_bytes());
    tail.extend_from_slice(b"\"\r\n");
}

/// The address with its domain in ASCII (RFC 5890), checked; the local part is kept as typed.
///
/// # Errors
/// When it is not an address.
pub(super) fn mailbox_address(header: &'static str, address: &str) -> Result<String, ComposeError> {
    let malformed = ComposeError::NotAnAddress { header };
    let (local, domain) = address.rsplit_once('@').ok_or(malformed)?;
    if address.chars().any(char::is_control) {
        return Err(malformed);
    }
    let domain = mail_auth::common::to_a_label(domain);
    if !domain.is_ascii() || local.len() > 64 || local.len() + domain.len() + 1 > 254 {
        return Err(malformed);
    }
    Address::new(local, domain)
        .map(|address| address.to_string())
        .map_err(|_malformed: lettre::address::AddressError| malformed)
}

fn refuse_controls(header: &'static str, value: &str) -> Result<(), ComposeError> {
    if value.bytes().any(|b| b.is_ascii_control()) {
        return Err(ComposeError::ControlCharacter { header });
    }
    Ok(())
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Whether a value that is plain ASCII would all the same be read back as something else.
fn reads_back_differently(value: &str) -> bool {
    value.contains("=?") || value.starts_with(' ')
}

fn write_text(out: &mut Vec<u8>, name: &'static str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    if reads_back_differently(value) {
        write_encoded_words(out, value);
        out.extend_from_slice(b"\r\n");
    } else {
        Text::new(value).write_header(out, name.len() + 2);
    }
}

/// `name: "Label" <address>`.
fn write_mailbox(
    out: &mut Vec<u8>,
    name: &'static str,
    label: Option<&str>,
    address: &str,
) -> Result<(), ComposeError> {
    let label = label.map(str::trim).filter(|label| !label.is_empty());
    refuse_controls(name, label.unwrap_or_default())?;
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    match label {
        Some(label) if reads_back_differently(label) => {
            write_encoded_words(out, label);
            out.extend_from_slice(b"\r\n <");
            out.extend_from_slice(address.as_bytes());
            out.extend_from_slice(b">\r\n");
        }
        _ => EmailAddress {
            name: label.map(Into::into),
            email: address.into(),
        }
        .write_header(out, name.len() + 2),
    }
    Ok(())
}

/// RFC 2047 words of at most 75 characters, split between characters, each on a line of its own.
fn write_encoded_words(out: &mut Vec<u8>, value: &str) {
    // 42 bytes become 56 characters, 68 with the frame.
    const LONGEST: usize = 42;
    let mut rest = value;
    let mut is_first = true;
    while !rest.is_empty() {
        let cut = rest
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .take_while(|end| *end <= LONGEST)
            .last()
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(cut);
        if !is_first {
            out.extend_from_slice(b"\r\n ");
        }
        out.extend_from_slice(b"=?utf-8?B?");
        out.extend_from_slice(BASE64.encode(word.as_bytes()).as_bytes());
        out.extend_from_slice(b"?=");
        is_first = false;
        rest = after;
    }
}

/// RFC 2369, for RFC 8058: the https link first, which is preferred (RFC 2369 section 2), then the mailbox, where
/// somebody reads it. Its tag proves whose opt-out it is, so that a mail without a word will do.
fn write_list_unsubscribe(
    out: &mut Vec<u8>,
    url: &str,
    mailbox: Option<&str>,
) -> Result<(), ComposeError> {
    let is_url = (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() < 900
        && url
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'));
    if !is_url {
        return Err(ComposeError::UnsubscribeUrl);
    }
    let value = match mailbox {
        Some(mailbox) => format!("<{url}>,\r\n <mailto:{mailbox}>"),
        None => format!("<{url}>"),
    };
    write_field(out, "List-Unsubscribe", &value);
    Ok(())
}

fn write_boundary(out: &mut Vec<u8>, boundary: &str) {
    out.extend_from_slice(b"\r\n--");
    out.extend_from_slice(boundary.as_bytes());
}

/// A picture in lines of 76 characters (RFC 2045 section 6.8), shown within the message and not listed beside
/// it (RFC 2183).
fn write_picture(out: &mut Vec<u8>, picture: &Picture) {
    write_boundary(out, RELATED);
    let head = format!(
        "\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <{}>\r\n\
         Content-Disposition: inline\r\n\r\n",
        picture.id
    );
    out.extend_from_slice(head.as_bytes());
    for line in BASE64.encode(&picture.png).as_bytes().chunks(76) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_part(out: &mut Vec<u8>, content_type: &str, body: &str) {
    out.extend_from_slice(b"\r\n--");
    out.extend_from_slice(BOUNDARY.as_bytes());
    out.extend_from_slice(b"\r\nContent-Type: ");
    out.extend_from_slice(content_type.as_bytes());
    out.extend_from_slice(
        b"; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    write_quoted_printable(out, body.as_bytes());
}

/// The encoder turns line ends to CRLF and breaks at 76 columns, but passes control characters through;
/// these are encoded here, and a bare CR becomes a line end (RFC 5321 section 2.3.8).
fn write_quoted_printable(out: &mut Vec<u8>, body: &[u8]) {
    let encoder = QuotedPrintableEncoder::new().preserve_line_breaks();
    // Over all of them without a branch, which takes a tenth of the time of looking for the first.
    let has_control = body
        .iter()
        .fold(false, |found, byte| found | is_control(*byte));
    if !has_control {
        encoder.encode_into(body, out);
        return;
    }
    let mut rest = body;
    while let Some(at) = next_control(rest) {
        let (plain, after) = rest.split_at(at);
        encoder.encode_into(plain, out);
        match after.split_first() {
            Some((b'\r', after)) => {
                out.extend_from_slice(b"\r\n");
                rest = after;
            }
            Some((control, after)) => {
                // Between soft line breaks, since the column is not known.
                out.extend_from_slice(format!("=\r\n={control:02X}=\r\n").as_bytes());
                rest = after;
            }
            None => return,
        }
    }
    encoder.encode_into(rest, out);
}

fn next_control(bytes: &[u8]) -> Option<usize> {
    bytes.iter().enumerate().position(|(at, byte)| match byte {
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        byte => is_control(*byte),
    })
}

/// A control character that is neither a line end nor a tab.
fn is_control(byte: u8) -> bool {
    byte < b' ' && byte != b'\n' && byte != b'\t'
}

/// A name of a-z, 0-9 and hyphens, at most 60 long, for List-Id and Feedback-ID.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.nfd().filter(|c| !is_mark(*c)) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= 60 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "list" } else { slug }.to_owned()
}

fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
#[path = "mime_tests.rs"]
mod tests;
