//! The plain-text layout, made from the four parts and not from the HTML. Paragraphs are one line
//! each; `wrap` breaks them when the fields are filled in.

use super::phrases::Phrases;
use crate::templates::email::Imprint;
use crate::templates::ready::ReadyWording;
use crate::templates::tags::{Piece, mark, pieces};

/// The whole message as text, with the marks of the wording and of the footer's links.
pub(in crate::templates) fn text(
    wording: &ReadyWording,
    phrases: &Phrases,
    imprint: &Imprint,
) -> String {
    let mut page = Page(String::new());
    let colon = phrases.colon;
    page.paragraph(wording.text("attention.kicker"));
    page.headline(wording.text("attention.headline"), '=');
    page.paragraph(wording.text("attention.subheadline"));
    page.headline(wording.text("interest.headline"), '-');
    page.paragraph(wording.text("interest.body"));
    page.paragraph(wording.text("desire.body"));
    for point in wording.points() {
        page.indented("- ", "  ", &point.text);
    }
    page.gap();
    if let Some(quote) = wording.text("desire.quote") {
        page.indented("> ", "> ", quote);
        page.gap();
    }
    page.paragraph(wording.text("action.body"));
    if wording.has_panel() {
        let rule = "-".repeat(40);
        page.paragraph(Some(&rule));
        page.paragraph(wording.text("action.box.title"));
        page.paragraph(wording.text("action.box.body"));
        if let Some(button) = wording.button("action.box.button") {
            page.link(button.text, colon, &mark('c', button.link));
        }
        page.paragraph(Some(&rule));
    }
    if let Some(button) = wording.button("action.button") {
        page.link(button.text, colon, &mark('c', button.link));
    }
    page.paragraph(wording.text("action.deadline"));
    if let Some(postscript) = wording.text("action.ps") {
        page.paragraph(Some(&format!("{} {postscript}", phrases.postscript)));
    }
    page.paragraph(Some(&"_".repeat(40)));
    page.paragraph(Some(&imprint.reason(phrases)));
    page.link(phrases.unsubscribe, colon, &mark('u', 0));
    page.link(phrases.preferences, colon, &mark('p', 0));
    page.link(phrases.browser, colon, &mark('b', 0));
    let address: Vec<&str> = std::iter::once(imprint.sender_name.trim())
        .chain(imprint.postal_lines())
        .collect();
    page.paragraph(Some(&address.join("\n")));
    page.0
}

struct Page(String);

impl Page {
    fn gap(&mut self) {
        self.0.push_str("\n\n");
    }

    fn paragraph(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.0.push_str(text);
            self.gap();
        }
    }

    fn headline(&mut self, text: Option<&str>, rule: char) {
        let Some(text) = text else {
            return;
        };
        // A field is taken for eight characters: a line slightly off is no harm.
        let width: usize = pieces(text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Raw(raw) => raw.chars().count(),
                Piece::Mark(..) => 8,
            })
            .sum();
        self.0.push_str(text);
        self.0.push('\n');
        self.0.extend(std::iter::repeat_n(rule, width.clamp(8, 72)));
        self.gap();
    }

    fn link(&mut self, words: &str, colon: &str, address: &str) {
        self.0.push_str(&format!("{words}{colon}\n{address}"));
        self.gap();
    }

    fn indented(&mut self, first: &str, rest: &str, text: &str) {
        for (number, line) in text.lines().enumerate() {
            self.0.push_str(if number == 0 { first } else { rest });
            self.0.push_str(line);
            self.0.push('\n');
        }
    }
}
