//! The parts of a mail, whatever state they are in.
//!
//! Headers are read by mail-parser; the tree is walked here, because what comes back is often broken and may be
//! hostile: depth, parts and bytes are bounded, a missing boundary or a wrong encoding loses as little as can be.

use std::borrow::Cow;

use data_encoding::BASE64_NOPAD;
use encoding_rs::{Encoding, WINDOWS_1252};
use mail_parser::decoders::html::html_to_text;
use mail_parser::{MessageParser, MimeHeaders};
use memchr::memmem;

/// Bytes of a mail that are read: what says why a message came back stands before the message itself.
const READ_AT_MOST: usize = 1 << 20;
/// Bytes of one header block.
const HEAD_AT_MOST: usize = 128 << 10;
/// Fields of one header block.
const FIELDS_AT_MOST: usize = 500;
/// Bytes of one field's value.
const VALUE_AT_MOST: usize = 8 << 10;
/// Bytes of one part's text.
const TEXT_AT_MOST: usize = 256 << 10;
const PARTS_AT_MOST: usize = 64;
const DEPTH_AT_MOST: usize = 6;

/// Header fields or the fields of a report: names in lower case, values unfolded.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `Name: value` lines up to the end of the text; lines that are no field are left out.
    pub(super) fn read(text: &str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut()
                    && value.len() < VALUE_AT_MOST
                {
                    value.push(' ');
                    value.push_str(head(line.trim(), VALUE_AT_MOST));
                }
            } else if let Some((name, value)) = field(line) {
                if fields.len() == FIELDS_AT_MOST {
                    break;
                }
                let value = head(value.trim(), VALUE_AT_MOST).to_owned();
                fields.push((name.to_ascii_lowercase(), value));
            }
        }
        Self(fields)
    }

    /// The value of the first field of that name; `name` in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A line as a field, if its name can be one (RFC 5322 section 2.2).
pub(super) fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end();
    let is_name =
        (1..=78).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then_some((name, value))
}

/// The beginning of a text, at most so many bytes of it.
pub(super) fn head(text: &str, at_most: usize) -> &str {
    text.get(..text.floor_char_boundary(at_most))
        .unwrap_or(text)
}

/// A leaf of the tree.
#[derive(Debug)]
pub(super) struct Part {
    /// Type and subtype in lower case, such as `text/plain`.
    pub kind: String,
    /// Decoded, HTML as text; empty where it is no text.
    pub text: String,
    /// Of HTML: its source, for what marks quotes in it.
    pub html: Option<String>,
    /// The header of the message that this part gives back; empty where it gives back none.
    pub returned: Fields,
    /// Whether it is a file beside the text.
    pub is_attachment: bool,
}

/// A mail in its parts.
#[derive(Debug, Default)]
pub(super) struct Mail {
    pub fields: Fields,
    pub subject: Option<String>,
    pub from: Option<String>,
    pub from_name: Option<String>,
    pub message_id: Option<String>,
    pub at: Option<i64>,
    /// The type of the whole, in lower case.
    pub kind: String,
    /// The parameter `report-type`, in lower case.
    pub report_type: Option<String>,
    pub parts: Vec<Part>,
}

impl Mail {
    pub(super) fn read(raw: &[u8]) -> Self {
        let raw = raw.get(..READ_AT_MOST).unwrap_or(raw);
        let raw = without_mbox_line(raw.trim_ascii_start());
        let (block, body) = split(raw);
        let mut mail = Self {
            fields: Fields::read(&decoded(block, None)),
            ..Self::default()
        };
        let mut kind = ContentType::default();
        if let Some(message) = MessageParser::default().parse_headers(block) {
            mail.subject = message.subject().map(one_line);
            if let Some(from) = message.from().and_then(|from| from.first()) {
                mail.from = from.address().map(one_line);
                mail.from_name = from.name().map(one_line);
            }
            mail.message_id = message.message_id().map(one_line);
            mail.at = message
                .date()
                .filter(|date| date.is_valid())
                .and_then(|date| date.to_timestamp().checked_mul(1000));
            kind = ContentType::of(&message);
        }
        mail.kind.clone_from(&kind.name);
        mail.report_type.clone_from(&kind.report_type);
        walk(&kind, body, 0, &mut mail.parts);
        mail
    }

    /// The parts that are text and no file.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Part> {
        self.parts
            .iter()
            .filter(|part| !part.text.is_empty() && !part.is_attachment && part.returned.is_empty())
    }
}

/// Text on one line of at most 998 bytes.
fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    head(line.trim(), 998).to_owned()
}

fn without_mbox_line(raw: &[u8]) -> &[u8] {
    match raw.strip_prefix(b"From ") {
        Some(rest) => after_line(rest),
        None => raw,
    }
}

fn after_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    bytes.get(end..).unwrap_or_default()
}

/// Header and body. A line that is neither field nor its continuation ends a header as an empty line does.
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |found| found + 1);
        let line = rest.get(..end).unwrap_or_default();
        if line.trim_ascii().is_empty() {
            return (
                raw.get(..at.min(HEAD_AT_MOST)).unwrap_or_default(),
                raw.get(at + end..).unwrap_or_default(),
            );
        }
        let is_field = line.first().is_some_and(|byte| b" \t".contains(byte))
            || memchr::memchr(b':', line).is_some_and(|colon| {
                let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
                !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
            });
        if !is_field {
            break;
        }
        at += end;
    }
    (
        raw.get(..at.min(HEAD_AT_MOST)).unwrap_or_default(),
        raw.get(at..).unwrap_or_default(),
    )
}

/// What the header of a part says of its body.
#[derive(Debug, Default)]
struct ContentType {
    name: String,
    boundary: Option<String>,
    charset: Option<String>,
    report_type: Option<String>,
    encoding: String,
    is_attachment: bool,
}

impl ContentType {
    fn of(message: &mail_parser::Message<'_>) -> Self {
        let mut read = Self::default();
        let root = message.root_part();
        if let Some(kind) = root.content_type() {
            let attribute = |name| kind.attribute(name).map(str::to_owned);
            read.name = match kind.subtype() {
                Some(subtype) => format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase(),
                None => kind.ctype().to_ascii_lowercase(),
            };
            read.boundary = attribute("boundary").filter(|boundary| !boundary.is_empty());
            read.charset = attribute("charset");
            read.report_type = attribute("report-type").map(|kind| kind.to_ascii_lowercase());
        }
        read.encoding = root
            .content_transfer_encoding()
            .map(|encoding| encoding.trim().to_ascii_lowercase())
            .unwrap_or_default();
        read.is_attachment = root
            .content_disposition()
            .is_some_and(mail_parser::ContentType::is_attachment);
        read
    }
}

fn walk(kind: &ContentType, body: &[u8], depth: usize, parts: &mut Vec<Part>) {
    if parts.len() >= PARTS_AT_MOST {
        return;
    }
    let boundary = match kind.name.starts_with("multipart/") && depth < DEPTH_AT_MOST {
        true => boundary(kind, body),
        false => None,
    };
    if let Some(boundary) = boundary {
        for piece in pieces(body, &boundary) {
            if parts.len() >= PARTS_AT_MOST {
                return;
            }
            let (block, body) = split_part(piece);
            let inner = MessageParser::default()
                .parse_headers(block)
                .map(|message| ContentType::of(&message))
                .unwrap_or_default();
            walk(&inner, body, depth + 1, parts);
        }
        return;
    }
    parts.push(leaf(kind, body));
}

/// A part may begin with an empty line: it has no header then.
fn split_part(piece: &[u8]) -> (&[u8], &[u8]) {
    match piece {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => (&[], rest),
        _ => split(piece),
    }
}

fn leaf(kind: &ContentType, body: &[u8]) -> Part {
    let name = match kind.name.as_str() {
        "" | "text" => "text/plain".to_owned(),
        name => name.to_owned(),
    };
    let bytes: Cow<'_, [u8]> = match kind.encoding.as_str() {
        "base64" => from_base64(body).into(),
        "quoted-printable" => from_quoted_printable(body).into(),
        _ => body.into(),
    };
    let mut part = Part {
        kind: name,
        text: String::new(),
        html: None,
        returned: Fields::default(),
        is_attachment: kind.is_attachment,
    };
    match part.kind.as_str() {
        "message/rfc822"
        | "message/global"
        | "message/partial"
        | "text/rfc822-headers"
        | "text/rfc822"
        | "message/rfc822-headers"
        | "message/global-headers" => {
            let bytes = without_mbox_line(bytes.trim_ascii_start());
            let (block, _) = split(bytes);
            part.returned = Fields::read(&decoded(block, None));
        }
        "text/html" => {
            let source = decoded(&bytes, kind.charset.as_deref());
            part.text = html_to_text(&source);
            part.html = Some(source);
        }
        name if name.starts_with("text/") || name.starts_with("message/") => {
            part.text = decoded(&bytes, kind.charset.as_deref());
        }
        // Reports that are called something else are known by what they say.
        "application/octet-stream" if bytes.is_ascii() => {
            part.text = decoded(&bytes, None);
        }
        _ => {}
    }
    part
}

/// The boundary of a multipart body: as its header says, else as its first line looks.
fn boundary(kind: &ContentType, body: &[u8]) -> Option<Vec<u8>> {
    let stands = |boundary: &[u8]| memmem::find(body, &[b"--", boundary].concat()).is_some();
    if let Some(named) = &kind.boundary
        && stands(named.as_bytes())
    {
        return Some(named.as_bytes().to_vec());
    }
    let window = body.get(..4096).unwrap_or(body);
    window
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .find_map(|line| line.strip_prefix(b"--").filter(|rest| rest.len() > 2))
        .map(<[u8]>::to_vec)
}

/// What stands between the lines of a boundary; the last piece may lack its end.
fn pieces<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let needle = [b"--", boundary].concat();
    let mut pieces = Vec::new();
    let mut begin = None;
    for at in memmem::find_iter(body, &needle) {
        let starts_line = at == 0 || body.get(at - 1) == Some(&b'\n');
        let after = body.get(at + needle.len()..).unwrap_or_default();
        let is_close = after.starts_with(b"--");
        let ends_line = is_close || after.first().is_none_or(u8::is_ascii_whitespace);
        if !(starts_line && ends_line) {
            continue;
        }
        if let Some(begin) = begin {
            pieces.push(body.get(begin..at).unwrap_or_default());
        }
        begin = (!is_close).then(|| body.len() - after_line(after).len());
        if is_close || pieces.len() >= PARTS_AT_MOST {
            return pieces;
        }
    }
    if let Some(begin) = begin {
        pieces.push(body.get(begin..).unwrap_or_default());
    }
    pieces
}

/// Base64 as far as it is some: what is no letter of it is skipped, a broken end dropped.
fn from_base64(body: &[u8]) -> Vec<u8> {
    let mut letters: Vec<u8> = body
        .iter()
        .copied()
        .take_while(|byte| *byte != b'=')
        .filter(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
        .collect();
    if let Ok(decoded) = BASE64_NOPAD.decode(&letters) {
        return decoded;
    }
    letters.truncate(letters.len() / 4 * 4);
    BASE64_NOPAD.decode(&letters).unwrap_or_default()
}

/// Quoted-printable; what is none stays as it is (RFC 2045 section 6.7).
fn from_quoted_printable(body: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = after;
                }
                _ => decoded.push(byte),
            },
            _ => decoded.push(byte),
        }
    }
    decoded
}

/// Bytes as text: in the charset they name, else in UTF-8 where they are that, else in what old mailers write.
fn decoded(bytes: &[u8], charset: Option<&str>) -> String {
    let was_cut = bytes.len() > TEXT_AT_MOST;
    let bytes = bytes.get(..TEXT_AT_MOST).unwrap_or(bytes);
    let named = charset
        .and_then(|label| Encoding::for_label(label.trim().as_bytes()))
        .filter(|encoding| *encoding != encoding_rs::UTF_8);
    let text = match named {
        // Many a mailer says Latin-1 and writes UTF-8.
        Some(encoding) if encoding == WINDOWS_1252 => None,
        Some(encoding) => Some(encoding.decode_without_bom_handling(bytes).0),
        None => None,
    };
    let text = text.unwrap_or_else(|| match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        // Cut within a character, and else sound.
        Err(error) if was_cut && error.valid_up_to() + 4 > bytes.len() => {
            String::from_utf8_lossy(bytes)
        }
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    });
    text.into_owned()
}
