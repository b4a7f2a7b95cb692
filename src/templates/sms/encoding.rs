//! How a text travels, and into how many parts it is cut (3GPP TS 23.038 §6.2.1, TS 23.040 §9.2.3.24.1).
//!
//! National shift tables are not used: the provider would have to know them, and their header costs septets.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statistics::sentence::{Sentence, Value};

/// The letters of the default alphabet, beside those it shares with ASCII.
const BEYOND_ASCII: &str = "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà";
/// What costs two septets: the escape, and a character of the extension table.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The alphabet of a text message: the whole message has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The default alphabet and its extension table, counted in septets.
    Gsm7,
    /// Everything else, counted in UTF-16 units.
    Ucs2,
}

impl Encoding {
    /// The alphabet that `text` needs.
    pub fn of(text: &str) -> Self {
        if text.chars().all(|c| septets(c).is_some()) {
            Self::Gsm7
        } else {
            Self::Ucs2
        }
    }

    /// Units of a message that needs no cutting: 160 septets or 70 UTF-16 units.
    pub fn single(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// Units of one part of several; a header of six octets takes the rest.
    pub fn part(self) -> usize {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }

    /// The units of a character, which never straddle the border of a part.
    fn units(self, c: char) -> usize {
        match self {
            // A character that is not in the alphabet does not come here.
            Self::Gsm7 => septets(c).unwrap_or(0),
            Self::Ucs2 => c.len_utf16(),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        })
    }
}

/// What a text takes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub encoding: Encoding,
    /// Septets or UTF-16 units.
    pub units: usize,
    /// Messages of the network, each of which is paid for; none for no text.
    pub parts: usize,
}

impl Size {
    /// The units that its parts have room for.
    pub fn room(&self) -> usize {
        match self.parts {
            0 | 1 => self.encoding.single(),
            parts => parts * self.encoding.part(),
        }
    }
}

impl Size {
    /// In words: `GSM, 170 of 306, 2 parts`.
    pub fn sentence(&self) -> Sentence {
        let parts = u64::try_from(self.parts).unwrap_or(u64::MAX);
        Sentence::new("{encoding}, {n} of {room}, {parts}")
            .named("encoding", self.encoding)
            .named("n", self.units)
            .named("room", self.room())
            .with("parts", Value::counted(parts, "{n} part", "{n} parts"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

/// The septets of a character: one in the default alphabet, two in its extension table, none elsewhere.
pub(super) fn septets(c: char) -> Option<usize> {
    match c {
        '\n' | '\r' | ' '..='Z' | 'a'..='z' | '_' => Some(1),
        c if EXTENSION.contains(c) => Some(2),
        c if BEYOND_ASCII.contains(c) => Some(1),
        _ => None,
    }
}

/// The alphabet, the units and the parts of a text as it stands, line ends included.
pub fn size(text: &str) -> Size {
    let encoding = Encoding::of(text);
    Size {
        encoding,
        units: text.chars().map(|c| encoding.units(c)).sum(),
        parts: parts(text).len(),
    }
}

/// The text of each part, cut where a telephone network cuts it.
///
/// The two septets of an extension and the two units of a surrogate pair stay together: the part before
/// ends one unit early.
pub fn parts(text: &str) -> Vec<&str> {
    let encoding = Encoding::of(text);
    let whole: usize = text.chars().map(|c| encoding.units(c)).sum();
    if whole == 0 {
        return Vec::new();
    }
    if whole <= encoding.single() {
        return vec![text];
    }
    let mut parts = Vec::new();
    let (mut rest, mut filled, mut end) = (text, 0, 0);
    for c in text.chars() {
        let units = encoding.units(c);
        if filled + units > encoding.part() {
            let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            parts.push(part);
            (rest, filled, end) = (after, 0, 0);
        }
        filled += units;
        end += c.len_utf8();
    }
    parts.push(rest);
    parts
}
