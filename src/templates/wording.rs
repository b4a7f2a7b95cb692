//! A template as its author writes it: the four parts in one language, and what they have in common.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::Part;

/// `template.toml`: the template and its wording in the default language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MainFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    /// The default language, ISO 639-1.
    pub(super) language: String,
    #[serde(default)]
    pub(super) theme: Theme,
    #[serde(default)]
    pub(super) attention: Attention,
    #[serde(default)]
    pub(super) interest: Interest,
    #[serde(default)]
    pub(super) desire: Desire,
    #[serde(default)]
    pub(super) action: Action,
    pub(super) sms: Option<Sms>,
    /// What a click on a link shows interest in, by the link's address.
    #[serde(default)]
    pub(super) interests: BTreeMap<String, String>,
}

/// The whole template as it is frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) language: String,
    pub(super) theme: Theme,
    /// By language.
    pub(super) wordings: BTreeMap<String, Wording>,
    /// What a click on a link shows interest in, by the link's address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) interests: BTreeMap<String, String>,
}

/// The colours of a template, as `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Theme {
    /// Kicker, links and buttons, on white.
    pub(super) accent: String,
    /// Around the sheet.
    pub(super) paper: String,
}

impl Default for Theme {
    fn default() -> Self {
        Self {
            accent: "#8a3b12".to_owned(),
            paper: "#f4f1ec".to_owned(),
        }
    }
}

/// The four parts in one language; an empty text is one that is not given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wording {
    pub(super) attention: Attention,
    pub(super) interest: Interest,
    pub(super) desire: Desire,
    pub(super) action: Action,
    // Not written when it is not given: what was frozen before keeps its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sms: Option<Sms>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Attention {
    pub(super) subject: String,
    pub(super) preheader: String,
    pub(super) kicker: String,
    pub(super) headline: String,
    pub(super) subheadline: String,
    pub(super) image: Option<Image>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Image {
    pub(super) url: String,
    pub(super) alt: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Interest {
    pub(super) headline: String,
    pub(super) body: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Desire {
    pub(super) body: String,
    pub(super) points: Vec<String>,
    pub(super) quote: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Action {
    pub(super) body: String,
    pub(super) button: String,
    pub(super) link: String,
    pub(super) deadline: String,
    #[serde(rename = "box")]
    pub(super) panel: Option<Panel>,
    pub(super) ps: String,
}

/// `[action.box]`: what is set apart in a frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) button: String,
    pub(super) link: String,
}

/// `[sms]`: what a text message says instead of what the layout takes from the four parts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sms {
    pub(super) text: String,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// One line without Markdown.
    Line,
    Markdown,
    /// A line that leads to an address.
    Button {
        link_key: &'static str,
        link: &'a str,
    },
}

/// One text of a wording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub(super) part: Part,
    /// As in the file: `desire.points[0]`.
    pub(super) key: String,
    pub(super) form: Form<'a>,
    pub(super) text: &'a str,
}

impl Wording {
    /// The text of `[sms]`, if it says something.
    pub(super) fn sms(&self) -> Option<&str> {
        let text = self.sms.as_ref()?.text.trim();
        (!text.is_empty()).then_some(text)
    }

    /// All texts that are given, in the order in which they are read.
    pub(super) fn texts(&self) -> Vec<Text<'_>> {
        let Self {
            attention,
            interest,
            desire,
            action,
            // No part of the letter.
            sms: _,
        } = self;
        let line = |part, key: &str, text| Text {
            part,
            key: key.to_owned(),
            form: Form::Line,
            text,
        };
        let markdown = |part, key: &str, text| Text {
            part,
            key: key.to_owned(),
            form: Form::Markdown,
            text,
        };
        let mut texts = vec![
            line(Part::Attention, "attention.subject", &attention.subject),
            line(Part::Attention, "attention.preheader", &attention.preheader),
            line(Part::Attention, "attention.kicker", &attention.kicker),
            line(Part::Attention, "attention.headline", &attention.headline),
            line(
                Part::Attention,
                "attention.subheadline",
                &attention.subheadline,
            ),
        ];
        if let Some(image) = &attention.image {
            texts.push(line(Part::Attention, "attention.image.alt", &image.alt));
        }
        texts.push(line(
            Part::Interest,
            "interest.headline",
            &interest.headline,
        ));
        texts.push(markdown(Part::Interest, "interest.body", &interest.body));
        texts.push(markdown(Part::Desire, "desire.body", &desire.body));
        for (number, point) in desire.points.iter().enumerate() {
            texts.push(markdown(
                Part::Desire,
                &format!("desire.points[{number}]"),
                point,
            ));
        }
        texts.push(markdown(Part::Desire, "desire.quote", &desire.quote));
        texts.push(markdown(Part::Action, "action.body", &action.body));
        if let Some(panel) = &action.panel {
            texts.push(line(Part::Action, "action.box.title", &panel.title));
            texts.push(markdown(Part::Action, "action.box.body", &panel.body));
            texts.push(Text {
                part: Part::Action,
                key: "action.box.button".to_owned(),
                form: Form::Button {
                    link_key: "action.box.link",
                    link: &panel.link,
                },
                text: &panel.button,
            });
        }
        texts.push(Text {
            part: Part::Action,
            key: "action.button".to_owned(),
            form: Form::Button {
                link_key: "action.link",
                link: &action.link,
            },
            text: &action.button,
        });
        texts.push(line(Part::Action, "action.deadline", &action.deadline));
        texts.push(markdown(Part::Action, "action.ps", &action.ps));
        texts.retain(|text| {
            let has_link =
                matches!(text.form, Form::Button { link, .. } if !link.trim().is_empty());
            !text.text.trim().is_empty() || has_link
        });
        texts
    }
}
