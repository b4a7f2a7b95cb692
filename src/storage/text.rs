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

/// What a spreadsheet takes for the beginning of a formula, or passes over before one; the wide forms too, which some
/// take for the narrow.
const OPENS_FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠'];

/// A text that a spreadsheet will not take for a formula (OWASP ASVS 1.2.10): what begins like one gets an apostrophe
/// before it. So does what stands behind a `;` or a line break: where the list separator is a semicolon, a spreadsheet
/// begins a new cell there, and reads quotation marks within a cell as they stand.
pub fn formula_safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    let mut is_first = true;
    let mut rest = text;
    loop {
        // A cell of its own may be in quotation marks, the cell of the file is not.
        let begun = if is_first {
            rest
        } else {
            rest.trim_start_matches('"')
        };
        if begun.starts_with(OPENS_FORMULA) {
            safe.push('\'');
        }
        let Some(end) = rest.find([';', '\n', '\r']) else {
            safe.push_str(rest);
            return safe;
        };
        let (cell, behind) = rest.split_at(end + 1);
        safe.push_str(cell);
        rest = behind;
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{fold, formula_safe};

    #[test]
    fn accents_case_and_spaces_do_not_count() {
        assert_eq!(fold("  Élodie \t LEFÈVRE "), "elodie lefevre");
        assert_eq!(fold("Œuvre Straße Łódź"), "oeuvre strasse lodz");
        assert_eq!(fold("L’Haÿ-les-Roses"), "l'hay-les-roses");
    }

    #[test]
    fn no_cell_opens_like_a_formula_wherever_it_begins() {
        for (text, safe) in [
            ("Ada", "Ada"),
            ("a-b; c=d", "a-b; c=d"),
            ("=1+1", "'=1+1"),
            ("＝1+1", "'＝1+1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠a", "'＠a"),
            ("a;=1+1", "a;'=1+1"),
            ("a;b;-1", "a;b;'-1"),
            ("a;\"=1+1\"", "a;'\"=1+1\""),
            ("a\n=1+1", "a\n'=1+1"),
            ("a\r\n@b", "a\r\n'@b"),
            ("=a;=b", "'=a;'=b"),
            ("a;", "a;"),
        ] {
            assert_eq!(formula_safe(text), safe, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
