//! Texts to octets and back (3GPP TS 23.038 §6.2.1): one octet for each septet, not packed.

use crate::templates::sms::Encoding;

/// The default alphabet, in its order.
const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const ESCAPE: u8 = 0x1B;
/// What follows the escape.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// The data_coding of an alphabet.
pub fn data_coding(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Gsm7 => 0x00,
        Encoding::Ucs2 => 0x08,
    }
}

/// The octets of a text in an alphabet that has all its characters.
pub fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Ucs2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Gsm7 => {
            let mut octets = Vec::with_capacity(text.len());
            for c in text.chars() {
                if let Some(septet) = ALPHABET.chars().position(|known| known == c) {
                    octets.extend(u8::try_from(septet));
                } else if let Some((septet, _)) = EXTENSION.iter().find(|(_, known)| *known == c) {
                    octets.extend([ESCAPE, *septet]);
                }
            }
            octets
        }
    }
}

/// The text of octets in the alphabet that `data_coding` names; what it does not have becomes U+FFFD.
pub fn decode(octets: &[u8], data_coding: u8) -> String {
    match data_coding {
        0x08 => {
            let units = octets
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        // ASCII and Latin-1, and binary, which nobody reads anyway.
        0x01..=0x07 => octets.iter().map(|b| char::from(*b)).collect(),
        _ => gsm7(octets),
    }
}

fn gsm7(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut octets = octets.iter().copied();
    while let Some(octet) = octets.next() {
        let c = if octet == ESCAPE {
            let Some(after) = octets.next() else { break };
            EXTENSION
                .iter()
                .find(|(septet, _)| *septet == after)
                .map(|(_, c)| *c)
        } else {
            ALPHABET.chars().nth(usize::from(octet))
        };
        text.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::sms::size;

    #[test]
    fn every_character_of_the_alphabet_comes_back() {
        assert_eq!(ALPHABET.chars().count(), 128);
        let extension: String = EXTENSION.iter().map(|(_, c)| *c).collect();
        let all = format!("{}{extension}", ALPHABET.replace('\u{1b}', ""));
        let octets = encode(&all, Encoding::Gsm7);
        assert_eq!(Encoding::of(&all), Encoding::Gsm7);
        assert_eq!(octets.len(), size(&all).units, "as it is counted");
        assert_eq!(decode(&octets, 0x00), all);
    }

    #[test]
    fn the_vectors_of_the_alphabet() {
        assert_eq!(encode("@£à", Encoding::Gsm7), [0x00, 0x01, 0x7F]);
        assert_eq!(encode("[€]", Encoding::Gsm7), b"\x1b\x3c\x1b\x65\x1b\x3e");
        assert_eq!(encode("ê😀", Encoding::Ucs2), b"\x00\xea\xd8\x3d\xde\x00");
        assert_eq!(decode(b"\xc9t\xe9", 0x03), "Été");
        assert_eq!(decode(b"\x00S\x00T\x00\xf4\xd8\x00", 0x08), "STô\u{fffd}");
        assert_eq!(decode(b"STOP\x1b", 0x00), "STOP", "a cut escape is nothing");
        assert_eq!(decode(b"\xff", 0x00), "\u{fffd}");
    }
}
