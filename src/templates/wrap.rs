//! Plain text as it goes out: lines of about 76 characters, never two empty lines.

/// Columns a line fills; an address longer than that is never broken.
const COLUMNS: usize = 76;

/// Wraps each line at spaces. Further lines of a list item or a quotation begin as the first one asks.
pub(super) fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / 40);
    let mut is_after_gap = true;
    for line in text.lines() {
        let line = line.trim_end_matches([' ', '\t']);
        if line.is_empty() {
            if !is_after_gap {
                wrapped.push('\n');
            }
            is_after_gap = true;
            continue;
        }
        is_after_gap = false;
        wrap_line(line, &mut wrapped);
        wrapped.push('\n');
    }
    wrapped.truncate(wrapped.trim_end().len());
    wrapped.push('\n');
    wrapped
}

fn wrap_line(line: &str, wrapped: &mut String) {
    // Bytes are never fewer than characters.
    if line.len() <= COLUMNS {
        wrapped.push_str(line);
        return;
    }
    let (first, rest) = prefixes(line);
    wrapped.push_str(first);
    let mut column = first.chars().count();
    let mut is_first_word = true;
    let words = line.get(first.len()..).unwrap_or_default();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let width = word.chars().count();
        if is_first_word {
            is_first_word = false;
        } else if column + 1 + width > COLUMNS {
            wrapped.push('\n');
            wrapped.push_str(&rest);
            column = rest.len();
        } else {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += width;
    }
}

/// What a line begins with, and what its further lines begin with.
fn prefixes(line: &str) -> (&str, String) {
    let mut rest = String::new();
    let mut tail = line;
    loop {
        if let Some(after) = tail.strip_prefix(' ') {
            rest.push(' ');
            tail = after;
        } else if let Some(after) = tail.strip_prefix("> ") {
            rest.push_str("> ");
            tail = after;
        } else if let Some(after) = tail.strip_prefix("- ") {
            rest.push_str("  ");
            tail = after;
            break;
        } else {
            let digits = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number = tail
                .get(digits..)
                .and_then(|after| after.strip_prefix(". "));
            if let (1..=3, Some(after)) = (digits, number) {
                rest.extend(std::iter::repeat_n(' ', digits + 2));
                tail = after;
            }
            break;
        }
        if rest.len() > COLUMNS / 2 {
            break;
        }
    }
    (
        line.get(..line.len() - tail.len()).unwrap_or_default(),
        rest,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn items_hang_and_addresses_stay_whole() {
        let address = format!("<https://shop.example/{}>", "a".repeat(90));
        let text = format!(
            "- {} {address}\n\n\n\n> {}\n12. {}",
            "bons couteaux ".repeat(6).trim(),
            "dit-elle ".repeat(12).trim(),
            "plus tard ".repeat(9).trim()
        );
        insta::assert_snapshot!(wrap(&text));
    }

    proptest! {
        #[test]
        fn only_spaces_and_line_breaks_change(text in "[ a-zé>.0-9-]{0,300}(\n[ a-zé>.-]{0,200}){0,6}") {
            let bare = |text: &str| text.replace([' ', '\n', '>'], "");
            let wrapped = wrap(&text);
            prop_assert_eq!(bare(&wrapped), bare(&text));
            for line in wrapped.lines() {
                prop_assert!(
                    line.chars().count() <= COLUMNS || !line.trim_start_matches([' ', '>', '-']).trim().contains(' ')
                        || line.trim_start().starts_with(|c: char| c.is_ascii_digit()),
                    "{:?}", line
                );
            }
        }
    }
}
