//! A text message made from the four parts: what is promised, one reason, until when, and what to do.

use pulldown_cmark::{Event, Parser, Tag as Element, TagEnd};

use super::ready::{ReadySms, Target};
use crate::templates::layouts::phrases::Phrases;
use crate::templates::tags::{Piece, Tag, mark, pieces, take};
use crate::templates::wording::Wording;

/// The text of `wording`, which was read before; `button` is its call to action.
pub(super) fn text(wording: &Wording, button: Option<Target>, phrases: &Phrases) -> ReadySms {
    let mut sheet = Sheet::default();
    let attention = &wording.attention;
    sheet.line(&first_of(&[&attention.headline, &attention.subject]));
    let panel = wording.action.panel.as_ref();
    let point = wording.desire.points.iter().find(|p| !p.trim().is_empty());
    // What is set apart is the reason to act; without one, what the reader gains first.
    match (panel.map(|panel| panel.title.trim()), point) {
        (Some(title), _) if !title.is_empty() => sheet.line(title),
        (_, Some(point)) => sheet.marked_line(point, gist),
        (_, None) => {}
    }
    sheet.line(&wording.action.deadline);
    if let Some(target) = button {
        sheet.line(&wording.action.button);
        // A space that does not break would take the whole message into UCS-2.
        let colon = phrases.colon.replace('\u{a0}', " ");
        sheet.0.text.push_str(&format!("{colon} {}", mark('c', 0)));
        sheet.0.targets.push(target);
    }
    sheet.0
}

fn first_of(texts: &[&str]) -> String {
    let given = texts.iter().find(|text| !text.trim().is_empty());
    given.copied().unwrap_or_default().to_owned()
}

#[derive(Default)]
struct Sheet(ReadySms);

impl Sheet {
    fn line(&mut self, text: &str) {
        self.marked_line(text, str::to_owned);
    }

    /// A line of `text` as `read` sees it, with the tags that are left in it.
    fn marked_line(&mut self, text: &str, read: fn(&str) -> String) {
        // What could not be read was refused with the letter.
        let Ok((marked, tags)) = take(text.trim()) else {
            return;
        };
        let line = read(&marked);
        if line.is_empty() {
            return;
        }
        if !self.0.text.is_empty() {
            self.0.text.push('\n');
        }
        for piece in pieces(&line) {
            match piece {
                Piece::Raw(raw) => self.0.text.push_str(raw),
                Piece::Mark(_, number) => self.tag(tags.get(number)),
            }
        }
    }

    fn tag(&mut self, tag: Option<&Tag>) {
        if let Some(tag) = tag {
            self.0.text.push_str(&mark('t', self.0.tags.len()));
            self.0.tags.push(tag.clone());
        }
    }
}

/// The words of a point without its Markdown; when it begins with some in bold, these alone.
fn gist(marked: &str) -> String {
    let mut words = String::new();
    let (mut is_first, mut is_lead) = (true, false);
    for event in Parser::new(marked) {
        match event {
            Event::Start(Element::Paragraph) => continue,
            Event::Start(Element::Strong) if is_first => is_lead = true,
            Event::End(TagEnd::Strong) if is_lead && !words.trim().is_empty() => break,
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Paragraph | TagEnd::Item) => {
                words.push(' ');
            }
            _ => {}
        }
        is_first = false;
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
