//! What the public pages say, in the customer's language: English, French, German, Spanish. A file per page.

mod errors;
mod preferences;
mod sign_up;
mod unsubscribe;

pub use errors::ErrorWords;
pub use preferences::PreferencesWords;
pub use sign_up::SignUpWords;
pub use unsubscribe::Words;

/// A language the public pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    French,
    German,
    Spanish,
}

impl Language {
    /// The language of an ISO 639-1 code or a tag such as `fr-CA`; `None` for one we do not speak.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "fr" => Some(Self::French),
            "de" => Some(Self::German),
            "es" => Some(Self::Spanish),
            _ => None,
        }
    }

    /// The best of an Accept-Language header (RFC 9110 §12.5.4) that we speak; English otherwise.
    pub fn from_header(header: Option<&str>) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for item in header.unwrap_or_default().split(',').take(20) {
            let mut fields = item.split(';');
            let tag = fields.next().unwrap_or_default();
            let quality = fields
                .find_map(|field| field.trim().strip_prefix("q="))
                .map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0));
            if let Some(language) = Self::from_tag(tag)
                && quality > best.map_or(0.0, |(quality, _)| quality)
            {
                best = Some((quality, language));
            }
        }
        best.map_or_else(Self::default, |(_, language)| language)
    }

    /// ISO 639-1, for the page's `lang`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::German => "de",
            Self::Spanish => "es",
        }
    }

    /// All of them, and what each calls itself.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::English, "English"),
        (Self::French, "Français"),
        (Self::German, "Deutsch"),
        (Self::Spanish, "Español"),
    ];

    /// The texts of the unsubscribe page.
    pub fn words(self) -> &'static Words {
        self.of([
            &unsubscribe::ENGLISH,
            &unsubscribe::FRENCH,
            &unsubscribe::GERMAN,
            &unsubscribe::SPANISH,
        ])
    }

    /// The texts of the preference centre.
    pub fn preferences(self) -> &'static PreferencesWords {
        self.of([
            &preferences::ENGLISH,
            &preferences::FRENCH,
            &preferences::GERMAN,
            &preferences::SPANISH,
        ])
    }

    /// The texts of the sign-up and confirmation pages.
    pub fn sign_up(self) -> &'static SignUpWords {
        self.of([
            &sign_up::ENGLISH,
            &sign_up::FRENCH,
            &sign_up::GERMAN,
            &sign_up::SPANISH,
        ])
    }

    /// What is said when something went wrong.
    pub fn errors(self) -> &'static ErrorWords {
        self.of([
            &errors::ENGLISH,
            &errors::FRENCH,
            &errors::GERMAN,
            &errors::SPANISH,
        ])
    }

    /// Its one of the four, which stand in the order English, French, German, Spanish.
    fn of<T: ?Sized>(self, [english, french, german, spanish]: [&'static T; 4]) -> &'static T {
        match self {
            Self::English => english,
            Self::French => french,
            Self::German => german,
            Self::Spanish => spanish,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_s_own_order_counts() {
        for (header, language) in [
            (None, Language::English),
            (Some("fr-CA,fr;q=0.9,en;q=0.8"), Language::French),
            (Some("ja,de;q=0.5,es;q=0.7"), Language::Spanish),
            (Some("ja"), Language::English),
            (Some("fr;q=0, de;q=0.1"), Language::German),
            (Some(";;,q=,\u{0}"), Language::English),
        ] {
            assert_eq!(Language::from_header(header), language, "{header:?}");
        }
    }

    #[test]
    fn tags_are_read_whatever_their_case() {
        assert_eq!(Language::from_tag("DE_at"), Some(Language::German));
        assert_eq!(Language::from_tag("pt"), None);
    }
}
