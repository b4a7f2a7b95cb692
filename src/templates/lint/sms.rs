//! What a copywriter would say about the text message.

use std::collections::BTreeSet;

use super::{Reader, SMS_TEXT};
use crate::statistics::Sentence;
use crate::templates::Template;
use crate::templates::error::TemplateError;
use crate::templates::fields::FieldFacts;
use crate::templates::sms::SmsFrame;
use crate::templates::wording::Wording;

/// Parts of a text message that one pays for without a thought.
const FEW_PARTS: usize = 2;

impl Reader<'_> {
    /// What `[sms]` says.
    pub(super) fn sms(&mut self, template: &Template, wording: &Wording, facts: &FieldFacts) {
        if wording.sms.is_some() && wording.sms().is_none() {
            self.warn(None, SMS_TEXT, Sentence::new("there is no text: the layout will take one from the four parts; write it, or remove [sms]"));
        }
        let Some(text) = template.texts.get(self.language).filter(|text| text.is_own) else {
            return;
        };
        self.fields(
            None,
            SMS_TEXT,
            &text.value_tags(),
            facts,
            &mut BTreeSet::new(),
        );
        let letter = template.ready.get(self.language);
        let letter = letter.map_or(0..0, |(first, made)| *first..first + made.links.len());
        // The letter's own links were read with the letter.
        for place in text.links.iter().filter(|place| !letter.contains(*place)) {
            if let Some(link) = template.links.get(*place) {
                self.link(None, SMS_TEXT, SMS_TEXT, &link.url, &link.label);
            }
        }
        if text.links.is_empty() {
            self.warn(None, SMS_TEXT, Sentence::new("there is no link: write {link} where the reader shall go on, it leads to action.link").with("link", "{{link}}"));
        }
        let says_stop = wording.sms().is_some_and(|text| {
            text.split(|c: char| !c.is_alphanumeric())
                .any(|word| word == "STOP")
        });
        if says_stop {
            self.warn(None, SMS_TEXT, Sentence::new("STOP is written here, and the provider's settings add it to every message: it would stand there twice; remove it"));
        }
        let frame = SmsFrame::sample();
        match template.measure_sms(self.language, &frame, facts) {
            Ok(measure) if measure.typical.size.parts > FEW_PARTS => self.warn(None, SMS_TEXT, Sentence::new("{size}: each part is paid for, and more than {few} are seldom read; say it shorter")
                .with("size", measure.typical.size.sentence())
                .named("few", FEW_PARTS)),
            Ok(_) => {}
            // A field that nobody has was named above.
            Err(TemplateError::Layout { .. }) => {}
            Err(error) => self.refuse(None, SMS_TEXT, error.to_string()),
        }
    }
}
