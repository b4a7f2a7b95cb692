//! Forms of a text: folded, so that accents and case do not count; and safe for a spreadsheet.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// `1 message`, `2 messages`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Lower case, without accents, white space collapsed: `"  Élodie  LEFÈVRE"` becomes `"elodie lefevre"`.
///
/// Compatibility decomposition (Unicode NFKD) less the combining marks, then the letters that have no
/// decomposition but are one to a reader: œ, æ, ø, ß, ł, đ.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        // Nothing to decompose: many times faster, and most names are like this.
        for word in text.split_whitespace() {
            if !folded.is_empty() {
                folded.push(' ');
            }
            folded.push_str(word);
        }
        folded.make_ascii_lowercase();
        return folded;
    }
    let mut is_gap = false;
    for character in text.nfkd().filter(|c| !is_combining_mark(*c)) {
        if character.is_whitespace() {
            is_gap = true;
            continue;
        }
        if is_gap && !folded.is_empty() {
            folded.push(' ');
        }
        is_gap = false;
        for lower in character.to_lowercase() {
            match lower {
                'œ' => folded.push_str("oe"),
                'æ' => folded.push_str("ae"),
                'ß' => folded.push_str("ss"),
                'ø' => folded.push('o'),
                'ł' => folded.push('l'),
                'đ' => folded.push('d'),
                '’' => folded.push('\''),
                // Lower-casing İ leaves a combining dot behind.
                mark if is_combining_mark(mark) => {}
                other => folded.push(other),
            }
        }
    }
    folded
}

/// A text that a spreadsheet will not take for a formula (OWASP ASVS 1.2.10): one that begins with `=`,
/// `+`, `-`, `@`, a tab, a return or a NUL gets an apostrophe before it.
pub fn formula_safe(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fold;

    #[test]
    fn accents_case_and_spaces_do_not_count() {
        assert_eq!(fold("  Élodie \t LEFÈVRE "), "elodie lefevre");
        assert_eq!(fold("Œuvre Straße Łódź"), "oeuvre strasse lodz");
        assert_eq!(fold("L’Haÿ-les-Roses"), "l'hay-les-roses");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
