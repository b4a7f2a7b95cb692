//! Characters that force a text into UCS-2, and what says the same within the GSM alphabet.

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::encoding::{Encoding, septets, size};

/// A character that the GSM alphabet does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offender {
    pub character: char,
    /// How often it stands in the text.
    pub count: usize,
    /// What to write instead: nothing where it may go, none where only the author knows.
    pub replacement: Option<String>,
}

/// The characters of a text that the GSM alphabet does not have, in the order in which they come.
///
/// A letter and an accent written apart are taken for the one letter they are, as
/// [`CompiledSms::render`](super::CompiledSms::render) sends them.
pub fn offenders(text: &str) -> Vec<Offender> {
    let mut offenders: Vec<Offender> = Vec::new();
    for character in text.nfc().filter(|c| septets(*c).is_none()) {
        match offenders.iter_mut().find(|o| o.character == character) {
            Some(known) => known.count += 1,
            None => offenders.push(Offender {
                character,
                count: 1,
                replacement: replacement(character),
            }),
        }
    }
    offenders
}

/// The text within the GSM alphabet, if that can be said and takes no more parts; otherwise as it was.
///
/// A text that must stay UCS-2, for an emoji or a name in Greek, keeps all its accents too: they cost
/// nothing there.
pub fn transliterate(text: &str) -> String {
    let replaced = replaced(text);
    let (before, after) = (size(text), size(&replaced));
    if after.encoding == Encoding::Gsm7 && after.parts <= before.parts {
        replaced
    } else {
        text.to_owned()
    }
}

fn replaced(text: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut chars = text.nfc().peekable();
    while let Some(c) = chars.next() {
        // The spaces inside French quotation marks have no place inside straight ones.
        if is_space(c) && chars.peek() == Some(&'»') {
            continue;
        }
        if septets(c).is_some() {
            replaced.push(c);
        } else {
            match replacement(c) {
                // As one writes Oeuvre at the beginning of a sentence.
                Some(_) if c == 'Œ' && chars.peek().is_some_and(|next| next.is_lowercase()) => {
                    replaced.push_str("Oe");
                }
                Some(other) => replaced.push_str(&other),
                None => replaced.push(c),
            }
        }
        if c == '«' {
            while chars.next_if(|c| is_space(*c)).is_some() {}
        }
    }
    replaced
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

/// What stands for a character that the alphabet does not have, in characters that it has.
fn replacement(c: char) -> Option<String> {
    if let Some(known) = known(c) {
        return Some(known.to_owned());
    }
    let (mut plain, mut was_letter) = (String::new(), false);
    for part in std::iter::once(c).nfkd() {
        if is_combining_mark(part) {
            // An accent may go, also one that was left alone; the stroke of ≠ may not.
            let may_go = was_letter || (plain.is_empty() && ('\u{300}'..='\u{36f}').contains(&c));
            if !may_go {
                return None;
            }
            continue;
        }
        was_letter = part.is_alphabetic();
        match (septets(part), known(part)) {
            (Some(_), _) => plain.push(part),
            (None, Some(other)) => plain.push_str(other),
            (None, None) => return None,
        }
    }
    Some(plain)
}

/// What taking off accents does not give.
fn known(c: char) -> Option<&'static str> {
    Some(match c {
        '‘' | '’' | '‚' | '‛' | '′' | '‵' | 'ʼ' | 'ʹ' | 'ˈ' | '`' | '´' => "'",
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '‶' | '¨' => "\"",
        '‹' => "<",
        '›' => ">",
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '•' | '‣' | '⁃' | '◦' => {
            "-"
        }
        '…' => "...",
        '·' | '‧' => ".",
        '⁄' | '∕' | '÷' => "/",
        '×' => "x",
        '≤' => "<=",
        '≥' => ">=",
        '→' => "->",
        '←' => "<-",
        '¦' => "|",
        '°' => "o",
        'µ' | 'μ' => "u",
        '©' => "(c)",
        '®' => "(R)",
        '¢' => "c",
        'œ' => "oe",
        'Œ' => "OE",
        'ẞ' => "SS",
        'ł' => "l",
        'Ł' => "L",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'ħ' => "h",
        'Ħ' => "H",
        'ŧ' => "t",
        'Ŧ' => "T",
        'þ' => "th",
        'Þ' => "Th",
        'ı' => "i",
        'ĸ' => "k",
        'ŋ' => "n",
        'Ŋ' => "N",
        '\t' | '\u{2028}' | '\u{2029}' => " ",
        // What nobody sees: zero width, direction, soft hyphen, variation, byte order.
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => "",
        _ => return None,
    })
}
