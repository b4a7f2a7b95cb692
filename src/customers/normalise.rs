//! Addresses and numbers as they are matched and suppressed.

use phonenumber::Mode;
use unicode_normalization::UnicodeNormalization;

use super::number::is_of_fiction;

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// As it is written to: trimmed, NFC, the domain in lower case; the case of the local part is kept,
    /// since only the receiving host may interpret it (RFC 5321 section 2.4).
    pub address: String,
    /// As it is matched: all in lower case, the domain as ASCII (UTS 46).
    pub key: String,
}

/// What is wrong with an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("it is empty")]
    Empty,
    #[error("it holds a line break or another control character")]
    ControlCharacter,
    #[error("it needs exactly one @")]
    At,
    #[error("what stands before the @ is not a mailbox name")]
    Local,
    #[error("what stands after the @ is not a domain name")]
    Domain,
    #[error("it is longer than an address may be")]
    TooLong,
}

/// Octets before the @ (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Octets of a domain (RFC 5321 section 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;
/// Octets of the whole: a path of 256 less its angle brackets (RFC 5321 section 4.5.3.1.3, RFC 3696 erratum 1690).
const MAX_ADDRESS: usize = 254;

/// Reads an address as people type, paste and export it: with white space around, `mailto:`, or
/// `Name <address>`.
///
/// Quoted local parts and address literals are refused: no mailbox of a customer has one, a slip of
/// the keyboard often looks like one.
///
/// # Errors
/// What is wrong with it.
pub fn email(text: &str) -> Result<Email, EmailError> {
    let text = strip(text);
    if text.is_empty() {
        return Err(EmailError::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(EmailError::ControlCharacter);
    }
    // NFC can lengthen a text; far beyond the limit nothing need be normalised.
    if text.len() > 4 * MAX_ADDRESS {
        return Err(EmailError::TooLong);
    }
    let text: String = text.nfc().collect();
    let (local, domain) = text.split_once('@').ok_or(EmailError::At)?;
    if domain.contains('@') {
        return Err(EmailError::At);
    }
    if !is_local(local) {
        return Err(EmailError::Local);
    }
    let ascii = idna::domain_to_ascii(domain).map_err(|_errors| EmailError::Domain)?;
    if !is_domain(&ascii) {
        return Err(EmailError::Domain);
    }
    let domain = domain.to_lowercase();
    let address = format!("{local}@{domain}");
    let key = format!("{}@{ascii}", local.to_lowercase());
    let is_too_long = local.len() > MAX_LOCAL
        || domain.len().max(ascii.len()) > MAX_DOMAIN
        || address.len().max(key.len()) > MAX_ADDRESS;
    if is_too_long {
        return Err(EmailError::TooLong);
    }
    Ok(Email { address, key })
}

/// The key under which an address that is none is found again.
pub fn malformed_key(text: &str) -> String {
    strip(text).to_lowercase()
}

fn strip(text: &str) -> &str {
    let is_blank = |c: char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}');
    let mut text = text.trim_matches(is_blank);
    if let Some(inner) = text.strip_suffix('>')
        && let Some((_, address)) = inner.rsplit_once('<')
    {
        text = address.trim_matches(is_blank);
    }
    match text.split_at_checked("mailto:".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto:") => rest,
        _ => text,
    }
}

/// `Dot-string` of RFC 5321 section 4.1.2, with the letters RFC 6531 section 3.3 adds.
fn is_local(local: &str) -> bool {
    let is_atom = |c: char| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(c)
            || (!c.is_ascii() && !c.is_whitespace() && !is_invisible(c))
    };
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}')
}

/// At least two labels of letters, digits and inner hyphens (RFC 1123 section 2.1), the last not a number.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let mut labels = domain.rsplit('.');
    let is_top = |label: &str| label.len() > 1 && !label.bytes().all(|b| b.is_ascii_digit());
    labels
        .next()
        .is_some_and(|top| is_label(top) && is_top(top))
        && domain.contains('.')
        && labels.all(is_label)
}

/// What is wrong with a telephone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    #[error("it is not a telephone number")]
    Unreadable,
    #[error("there is no such number in the numbering plan")]
    Invalid,
}

/// A telephone number as E.164 (`+33612345678`). `region` (ISO 3166-1 alpha-2) is where a number
/// without a country code is from.
///
/// # Errors
/// When it is not a valid number of that country's plan (libphonenumber's data), nor one kept for fiction.
pub fn phone(text: &str, region: &str) -> Result<String, PhoneError> {
    // A spreadsheet's mark for "this is text", and the trunk zero that is only dialled at home.
    let text = text.trim().trim_start_matches('\'').replace("(0)", "");
    let is_number = |c: char| {
        c.is_ascii_digit() || c.is_whitespace() || "+-./()\u{2010}\u{2011}\u{2013}".contains(c)
    };
    if text.chars().count() > 40 || !text.chars().all(is_number) {
        return Err(PhoneError::Unreadable);
    }
    let mut digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let has_plus = text.trim_start().starts_with(['+', '(']) && text.contains('+');
    if text.chars().filter(|c| *c == '+').count() > usize::from(has_plus) || digits.len() < 3 {
        return Err(PhoneError::Unreadable);
    }
    if has_plus {
        digits.insert(0, '+');
    }
    let region = region.parse::<phonenumber::country::Id>().ok();
    let number = phonenumber::parse(region, &digits).map_err(|_error| PhoneError::Unreadable)?;
    let e164 = number.format().mode(Mode::E164).to_string();
    if number.is_valid() || is_of_fiction(&e164) {
        Ok(e164)
    } else {
        Err(PhoneError::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_kept_as_typed_and_matched_in_lower_case() {
        let read = email("  mailto:Jean.Dupont+News@EXAMPLE.com\u{a0}").unwrap();
        assert_eq!(read.address, "Jean.Dupont+News@example.com");
        assert_eq!(read.key, "jean.dupont+news@example.com");
        assert_eq!(
            email("Jean <jean@example.com>").unwrap().address,
            "jean@example.com"
        );
    }

    #[test]
    fn an_international_domain_matches_its_ascii_form() {
        let unicode = email("kontakt@MÜNCHEN.example").unwrap();
        assert_eq!(unicode.address, "kontakt@münchen.example");
        assert_eq!(
            unicode.key,
            email("kontakt@xn--mnchen-3ya.example").unwrap().key
        );
        // Composed and decomposed accents are one address.
        assert_eq!(
            email("ren\u{e9}@example.com"),
            email("rene\u{301}@example.com")
        );
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, error) in [
            ("", EmailError::Empty),
            ("jean\r\nBcc: all@example.com", EmailError::ControlCharacter),
            ("jean.example.com", EmailError::At),
            ("jean@@example.com", EmailError::At),
            ("jean dupont@example.com", EmailError::Local),
            ("jean.@example.com", EmailError::Local),
            (".jean@example.com", EmailError::Local),
            ("@example.com", EmailError::Local),
            ("jean@", EmailError::Domain),
            ("jean@example", EmailError::Domain),
            ("jean@exa_mple.com", EmailError::Domain),
            ("jean@-example.com", EmailError::Domain),
            ("jean@example..com", EmailError::Domain),
            ("jean@192.0.2.1", EmailError::Domain),
            ("jean@example.com.", EmailError::Domain),
        ] {
            assert_eq!(email(text), Err(error), "{text:?}");
        }
        let local = "a".repeat(65);
        assert_eq!(
            email(&format!("{local}@example.com")),
            Err(EmailError::TooLong)
        );
    }

    #[test]
    fn a_number_becomes_e164() {
        for text in [
            "06 12 34 56 78",
            "+33 (0)6.12.34.56.78",
            "0033612345678",
            "'+33612345678",
            "612345678",
        ] {
            assert_eq!(phone(text, "FR").as_deref(), Ok("+33612345678"), "{text:?}");
        }
        assert_eq!(
            phone("0151 23456789", "DE").as_deref(),
            Ok("+4915123456789")
        );
        // Kept for fiction, so that nobody is reached by mistake.
        assert_eq!(phone("06 39 98 00 12", "FR").as_deref(), Ok("+33639980012"));
        assert_eq!(phone("06 39 97 00 12", "FR"), Err(PhoneError::Invalid));
        assert_eq!(phone("6,12E+08", "FR"), Err(PhoneError::Unreadable));
        assert_eq!(phone("1234", "FR"), Err(PhoneError::Invalid));
        assert_eq!(phone("06 12", "??"), Err(PhoneError::Unreadable));
    }

    proptest! {
        #[test]
        fn an_address_read_again_is_the_same(local in "[A-Za-z0-9.éß+]{1,12}", domain in "[A-Za-zäé-]{1,9}\\.(fr|Example)") {
            if let Ok(once) = email(&format!("{local}@{domain}")) {
                prop_assert_eq!(email(&once.address).unwrap(), once.clone());
                prop_assert_eq!(email(&once.key).unwrap().key, once.key);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), digits in "[-+0-9 ().]{0,24}") {
            let _ = email(&text);
            let _ = phone(&text, "FR");
            if let Ok(number) = phone(&digits, "FR") {
                prop_assert!(number.starts_with('+'));
            }
        }
    }
}
