//! How a channel shows the four parts.

pub(super) mod email;
pub(super) mod notice;
pub(super) mod phrases;
pub(super) mod text;

/// For what is set large; on every machine.
pub(super) const SERIF: &str = "Georgia, 'Times New Roman', Times, serif";
/// For what is read at length; on every machine.
pub(super) const SANS: &str = "'Helvetica Neue', Helvetica, Arial, sans-serif";

/// Text as HTML shows it, in an element or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// How well white text reads on a colour `#rrggbb`: the contrast ratio of WCAG 2.1, from 1 to 21.
pub(super) fn contrast_with_white(colour: &str) -> Option<f64> {
    let digits = colour.strip_prefix('#').filter(|d| d.len() == 6)?;
    let channel = |range| {
        let value = u8::from_str_radix(digits.get(range)?, 16).ok()?;
        let value = f64::from(value) / 255.0;
        Some(if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        })
    };
    let luminance = 0.2126 * channel(0..2)? + 0.7152 * channel(2..4)? + 0.0722 * channel(4..6)?;
    Some(1.05 / (luminance + 0.05))
}
