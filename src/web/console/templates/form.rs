//! The editor's form as a browser sends it.

use std::collections::{BTreeMap, BTreeSet};

use crate::templates::draft::{Draft, SLOTS};

/// What is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Save,
    AddLanguage(String),
    RemoveLanguage(String),
}

/// A form that came in.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) draft: Draft,
    /// The revision that was edited.
    pub(super) base: i64,
    /// The language that is being looked at.
    pub(super) tab: String,
    /// As whom the preview is; empty for the invented customer.
    pub(super) customer: String,
    pub(super) note: String,
    pub(super) act: Act,
}

/// The number of the revision that a form was made of; 0 where it says none.
pub(super) fn base_of(body: &[u8]) -> i64 {
    form_urlencoded::parse(body)
        .find(|(name, _)| name == "base")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0)
}

impl Form {
    /// Puts what a form says over the draft it was made of. Names that it could not have are passed over.
    pub(super) fn read(body: &[u8], base: Draft) -> Self {
        let mut form = Self {
            tab: base.language.clone(),
            draft: base,
            base: base_of(body),
            customer: String::new(),
            note: String::new(),
            act: Act::Save,
        };
        let mut wanted = String::new();
        let mut urls: BTreeMap<String, String> = BTreeMap::new();
        let mut relisted: BTreeSet<String> = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(body) {
            let value = value.into_owned();
            match name.as_ref() {
                "description" => form.draft.description = value,
                "accent" => form.draft.accent = value,
                "paper" => form.draft.paper = value,
                "customer" => form.customer = value.trim().to_owned(),
                "note" => form.note = value.trim().to_owned(),
                "new_language" => wanted = value.trim().to_ascii_lowercase(),
                "tab" if form.draft.wordings.contains_key(&value) => form.tab = value,
                "do" => {
                    form.act = match value.split_once(' ') {
                        _ if value == "add-language" => Act::AddLanguage(String::new()),
                        Some(("remove-language", code)) => Act::RemoveLanguage(code.to_owned()),
                        _ => Act::Save,
                    }
                }
                name => {
                    if let Some(number) = name.strip_prefix("interest-url.") {
                        urls.insert(number.to_owned(), value);
                    } else if let Some(number) = name.strip_prefix("interest.") {
                        if let Some(url) = urls.get(number) {
                            form.draft.interests.insert(url.clone(), value);
                        }
                    } else if let Some(language) = name.strip_prefix("points.") {
                        if let Some(fields) = form.draft.wordings.get_mut(language) {
                            if relisted.insert(language.to_owned()) {
                                fields.points.clear();
                            }
                            fields.points.push(value);
                        }
                    } else if let Some((language, key)) = name
                        .strip_prefix("text.")
                        .and_then(|name| name.split_once('.'))
                        && let Some(fields) = form.draft.wordings.get_mut(language)
                        && SLOTS.iter().any(|slot| slot.key == key)
                    {
                        fields.texts.insert(key.to_owned(), value);
                    }
                }
            }
        }
        if matches!(form.act, Act::AddLanguage(_)) {
            form.act = Act::AddLanguage(wanted);
        }
        form
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::FileTexts;

    #[test]
    fn a_form_is_put_over_what_it_was_made_of() {
        let texts = FileTexts::embedded("win-back").unwrap();
        let base = Draft::read(&texts).unwrap();
        let body = "base=7&tab=en&tab=xx&text.en.attention.subject=New+%26+short&text.en.no.such=1\
            &text.de.attention.subject=Neu&points.en=One&points.en=&points.en=Two&accent=%23123456\
            &interest.9=lost&interest-url.0=https%3A%2F%2Fshop.example%2F&interest.0=knives\
            &customer=+17+&do=remove-language+fr&unknown=1";
        let form = Form::read(body.as_bytes(), base.clone());
        assert_eq!(
            (form.base, form.tab.as_str(), form.customer.as_str()),
            (7, "en", "17")
        );
        assert_eq!(form.act, Act::RemoveLanguage("fr".to_owned()));
        let english = &form.draft.wordings["en"];
        assert_eq!(english.text("attention.subject"), "New & short");
        assert_eq!(english.points, ["One", "", "Two"]);
        assert_eq!(
            english.text("action.link"),
            base.wordings["en"].text("action.link")
        );
        assert_eq!(form.draft.wordings["fr"], base.wordings["fr"]);
        assert_eq!(form.draft.wordings.len(), 2);
        assert_eq!(form.draft.accent, "#123456");
        assert_eq!(form.draft.interests.len(), 1);
        let form = Form::read(b"do=add-language&new_language=DE", base.clone());
        assert_eq!(form.act, Act::AddLanguage("de".to_owned()));
        assert_eq!(form.draft, base);
    }
}
