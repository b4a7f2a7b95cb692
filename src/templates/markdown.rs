//! One text made ready: as HTML and as plain text, with marks where fields and tracked links stand.
//!
//! Styles are written into the elements, since many mail programs drop style sheets.

use pulldown_cmark::{
    CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag as Element, TagEnd,
};

use super::tags::{CLOSE, Fault, OPEN, Piece, Tag, mark, pieces, take};
use super::wording::{Form, Text, Theme};
use super::{layouts, links};

/// Elements within elements: more than any text needs, few enough for every mail program.
const MAX_ELEMENTS: usize = 12;
/// Bytes of a line, such as a headline.
const MAX_LINE_BYTES: usize = 1_000;
/// How a paragraph begins; layouts look for it.
pub(super) const PARAGRAPH: &str = "<p style=\"margin:0 0 16px 0\">";
/// Bytes of a body.
const MAX_BODY_BYTES: usize = 40_000;

/// A text ready to be put into a layout. Marks: `t` a tag, `c` a tracked link, by their places in the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ReadyText {
    pub(super) html: String,
    /// Paragraphs are one line each; lines are wrapped when the fields are filled in.
    pub(super) text: String,
    pub(super) tags: Vec<Tag>,
    /// Where each link leads and what the reader sees.
    pub(super) links: Vec<(String, String)>,
}

/// Makes a text ready.
///
/// # Errors
/// When a field, a link or the Markdown is not allowed; the flag tells whether the button's address is meant.
pub(super) fn ready(text: &Text<'_>, theme: &Theme) -> Result<ReadyText, (Fault, bool)> {
    let limit = match text.form {
        Form::Markdown => MAX_BODY_BYTES,
        Form::Line | Form::Button { .. } => MAX_LINE_BYTES,
    };
    let words = text.text.trim();
    if words.len() > limit {
        let problem = format!(
            "{} bytes, and at most {limit} are read here; shorten it",
            words.len()
        );
        return Err((Fault::new(words, problem), false));
    }
    let (marked, tags) = take(words).map_err(|fault| (fault, false))?;
    match text.form {
        Form::Markdown => Writer::new(tags, theme)
            .write(&marked)
            .map_err(|fault| (fault, false)),
        Form::Line => line(&marked, tags).map_err(|fault| (fault, false)),
        Form::Button { link, .. } => {
            let mut ready = line(&marked, tags).map_err(|fault| (fault, false))?;
            let link = link.trim();
            if !link.is_empty() {
                links::check(link).map_err(|problem| (Fault::new(link, problem), true))?;
                ready.links.push((link.to_owned(), label(&marked)));
            }
            Ok(ready)
        }
    }
}

fn line(marked: &str, tags: Vec<Tag>) -> Result<ReadyText, Fault> {
    if marked.contains(char::is_control) {
        return Err(Fault::new(
            marked,
            "this is one line: remove line breaks and tabs",
        ));
    }
    Ok(ReadyText {
        html: layouts::escape(marked),
        text: marked.to_owned(),
        tags,
        links: Vec::new(),
    })
}

/// What a reader sees, without what differs from reader to reader.
pub(super) fn label(marked: &str) -> String {
    let words: String = pieces(marked)
        .into_iter()
        .map(|piece| match piece {
            Piece::Raw(raw) => raw,
            Piece::Mark(..) => "…",
        })
        .collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a line of plain text begins with, within a list or a quotation.
struct Prefix {
    first: String,
    rest: String,
    is_used: bool,
}

struct Writer<'a> {
    ready: ReadyText,
    theme: &'a Theme,
    /// The number of each open element: two places are the same when these are.
    open: Vec<u32>,
    elements: u32,
    /// For each open condition, where it was opened.
    conditions: Vec<Vec<u32>>,
    next_tag: usize,
    /// The line of plain text being written.
    line: String,
    prefixes: Vec<Prefix>,
    lists: Vec<Option<u64>>,
    /// The open link: its number and the place in `line` where its label began.
    link: Option<(usize, usize, bool)>,
}

impl<'a> Writer<'a> {
    fn new(tags: Vec<Tag>, theme: &'a Theme) -> Self {
        Self {
            ready: ReadyText {
                tags,
                ..ReadyText::default()
            },
            theme,
            open: Vec::new(),
            elements: 0,
            conditions: Vec::new(),
            next_tag: 0,
            line: String::new(),
            prefixes: Vec::new(),
            lists: Vec::new(),
            link: None,
        }
    }

    fn write(mut self, marked: &str) -> Result<ReadyText, Fault> {
        let mut events = Parser::new_ext(marked, Options::empty());
        let mut paragraph = Vec::new();
        while let Some(event) = events.next() {
            if !matches!(event, Event::Start(Element::Paragraph)) {
                self.event(event)?;
                continue;
            }
            paragraph.clear();
            for event in events.by_ref() {
                if matches!(event, Event::End(TagEnd::Paragraph)) {
                    break;
                }
                paragraph.push(event);
            }
            // Conditions on a line of their own enclose paragraphs; they are none themselves.
            if paragraph.iter().all(|event| self.is_only_conditions(event)) {
                for event in paragraph.drain(..) {
                    if let Event::Text(text) = event {
                        self.text(text.trim(), true)?;
                    }
                }
                continue;
            }
            self.enter(PARAGRAPH)?;
            for event in paragraph.drain(..) {
                self.event(event)?;
            }
            self.leave("</p>");
            self.flush(true);
        }
        if self.next_tag != self.ready.tags.len() {
            return Err(Fault::new(
                marked,
                "a field stands where it would not be shown, such as in the definition of a link; move it into the text",
            ));
        }
        self.ready.text = self.ready.text.trim().to_owned();
        Ok(self.ready)
    }

    fn is_only_conditions(&self, event: &Event<'_>) -> bool {
        match event {
            Event::SoftBreak => true,
            Event::Text(text) => pieces(text).into_iter().all(|piece| match piece {
                Piece::Raw(raw) => raw.trim().is_empty(),
                Piece::Mark(_, number) => self.ready.tags.get(number).is_some_and(Tag::is_block),
            }),
            _ => false,
        }
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Start(element) => self.start(element),
            Event::End(element) => {
                self.end(element);
                Ok(())
            }
            Event::Text(text) => self.text(&text, false),
            Event::Code(text) => {
                self.ready
                    .html
                    .push_str("<code style=\"font-family:Consolas,Menlo,monospace\">");
                self.text(&text, false)?;
                self.ready.html.push_str("</code>");
                Ok(())
            }
            Event::SoftBreak => {
                self.ready.html.push('\n');
                self.line.push(' ');
                Ok(())
            }
            Event::HardBreak => {
                self.ready.html.push_str("<br>");
                self.line.push('\n');
                Ok(())
            }
            Event::Rule => {
                self.ready
                    .html
                    .push_str("<hr style=\"border:0;border-top:1px solid #e3ded6;margin:24px 0\">");
                self.line.push_str("* * *");
                self.flush(true);
                Ok(())
            }
            Event::Html(html) | Event::InlineHtml(html) => Err(Fault::new(
                html.trim(),
                "HTML is not allowed in a text, since the layout makes it; write Markdown, or \\< for a bare <",
            )),
            _ => Err(Fault::new("", "this kind of Markdown is not known here")),
        }
    }

    fn start(&mut self, element: Element<'_>) -> Result<(), Fault> {
        match element {
            // Taken whole in `write`; within a list item it comes here only through it.
            Element::Paragraph => self.enter(PARAGRAPH),
            Element::Heading { level, .. } => {
                let (name, size) = heading(level);
                self.enter(&format!(
                    "<{name} style=\"margin:26px 0 10px 0;font-family:{};font-size:{size};line-height:1.3;font-weight:bold;color:#1d1a16\">",
                    layouts::SERIF
                ))
            }
            Element::BlockQuote(_) => {
                self.flush(true);
                self.prefixes.push(Prefix {
                    first: "> ".to_owned(),
                    rest: "> ".to_owned(),
                    is_used: false,
                });
                self.enter(&format!(
                    "<blockquote style=\"margin:0 0 16px 0;padding:0 0 0 18px;border-left:3px solid {}\">",
                    self.theme.accent
                ))
            }
            Element::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => self.enter(
                "<pre style=\"margin:0 0 16px 0;white-space:pre-wrap;font-family:Consolas,Menlo,monospace;font-size:15px\">",
            ),
            Element::List(start) => {
                self.flush(false);
                self.lists.push(start);
                let name = if start.is_some() { "ol" } else { "ul" };
                let from = start
                    .filter(|start| *start != 1)
                    .map(|start| format!(" start=\"{start}\""))
                    .unwrap_or_default();
                self.enter(&format!(
                    "<{name}{from} style=\"margin:0 0 16px 0;padding:0 0 0 22px\">"
                ))
            }
            Element::Item => {
                let bullet = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let bullet = format!("{number}. ");
                        *number = number.saturating_add(1);
                        bullet
                    }
                    _ => "- ".to_owned(),
                };
                self.prefixes.push(Prefix {
                    rest: " ".repeat(bullet.len()),
                    first: bullet,
                    is_used: false,
                });
                self.enter("<li style=\"margin:0 0 8px 0\">")
            }
            Element::Emphasis => {
                self.line.push('_');
                self.enter("<em>")
            }
            Element::Strong => {
                self.line.push('*');
                self.enter("<strong style=\"color:#1d1a16\">")
            }
            Element::Link {
                link_type,
                dest_url,
                ..
            } => {
                if link_type == LinkType::Email {
                    return Err(Fault::new(
                        &dest_url,
                        "mail addresses cannot be linked; readers answer with Reply-To",
                    ));
                }
                links::check(&dest_url).map_err(|problem| {
                    let near = dest_url.split(OPEN).next().unwrap_or_default();
                    Fault::new(near, problem)
                })?;
                let number = self.ready.links.len();
                self.ready.links.push((dest_url.to_string(), String::new()));
                self.link = Some((number, self.line.len(), link_type == LinkType::Autolink));
                self.enter(&format!(
                    "<a href=\"{}\" target=\"_blank\" style=\"color:{};text-decoration:underline\">",
                    mark('c', number),
                    self.theme.accent
                ))
            }
            Element::Image { dest_url, .. } => Err(Fault::new(
                &dest_url,
                "a picture stands in attention.image, with its alt text; remove it here",
            )),
            Element::HtmlBlock => Ok(()),
            _ => Err(Fault::new("", "this kind of Markdown is not known here")),
        }
    }

    fn end(&mut self, element: TagEnd) {
        match element {
            TagEnd::Paragraph => {
                self.leave("</p>");
                self.flush(true);
            }
            TagEnd::Heading(level) => {
                self.leave(&format!("</{}>", heading(level).0));
                self.flush(true);
            }
            TagEnd::BlockQuote(_) => {
                self.leave("</blockquote>");
                self.flush(true);
                self.prefixes.pop();
            }
            TagEnd::CodeBlock => {
                self.leave("</pre>");
                self.flush(true);
            }
            TagEnd::List(is_ordered) => {
                self.leave(if is_ordered { "</ol>" } else { "</ul>" });
                self.lists.pop();
                if self.lists.is_empty() {
                    self.ready.text.push('\n');
                }
            }
            TagEnd::Item => {
                self.leave("</li>");
                self.flush(false);
                self.prefixes.pop();
            }
            TagEnd::Emphasis => {
                self.leave("</em>");
                self.line.push('_');
            }
            TagEnd::Strong => {
                self.leave("</strong>");
                self.line.push('*');
            }
            TagEnd::Link => {
                self.leave("</a>");
                if let Some((number, began, is_bare)) = self.link.take() {
                    let seen = label(self.line.get(began..).unwrap_or_default());
                    if is_bare {
                        self.line.truncate(began);
                    } else {
                        self.line.push(' ');
                    }
                    self.line.push_str(&format!("<{}>", mark('c', number)));
                    if let Some((_, label)) = self.ready.links.get_mut(number) {
                        *label = seen;
                    }
                }
            }
            _ => {}
        }
    }

    /// Writes text. Between paragraphs only conditions come, and they make no line of their own.
    fn text(&mut self, text: &str, between_paragraphs: bool) -> Result<(), Fault> {
        if text.matches([OPEN, CLOSE]).count() != 2 * marks(text) {
            return Err(Fault::new(
                text,
                "the characters U+E000 and U+E001 cannot be shown; remove them",
            ));
        }
        for piece in pieces(text) {
            let number = match piece {
                Piece::Raw(raw) => {
                    if !between_paragraphs {
                        self.ready.html.push_str(&layouts::escape(raw));
                        self.line.push_str(raw);
                    }
                    continue;
                }
                Piece::Mark(kind, number) => {
                    // Written as an entity, a mark would have slipped past `take`.
                    if kind != 't' || number != self.next_tag {
                        return Err(Fault::new(
                            text,
                            "the characters U+E000 and U+E001 cannot be shown; remove them",
                        ));
                    }
                    number
                }
            };
            self.next_tag += 1;
            self.condition(number)?;
            let mark = mark('t', number);
            self.ready.html.push_str(&mark);
            if between_paragraphs {
                self.ready.text.push_str(&mark);
            } else {
                self.line.push_str(&mark);
            }
        }
        Ok(())
    }

    /// A condition must close in the element in which it was opened, or the HTML would break for those
    /// for whom it does not hold.
    fn condition(&mut self, number: usize) -> Result<(), Fault> {
        let Some(tag) = self.ready.tags.get(number) else {
            return Ok(());
        };
        let opened = match tag {
            Tag::Value(_) => return Ok(()),
            Tag::If { .. } => {
                self.conditions.push(self.open.clone());
                return Ok(());
            }
            Tag::ElseIf(_) | Tag::Else => self.conditions.last().cloned(),
            Tag::End { .. } => self.conditions.pop(),
        };
        if opened.as_ref() == Some(&self.open) {
            return Ok(());
        }
        let near = match tag {
            Tag::End { negated: false } => "{{/if}}",
            Tag::End { negated: true } => "{{/unless}}",
            _ => "{{else",
        };
        Err(Fault::new(
            near,
            "this condition opens in one paragraph, list or emphasis and goes on in another; put {{#if …}}, {{else}} and {{/if}} each on a line of its own with an empty line before and after, or all within one paragraph",
        ))
    }

    fn enter(&mut self, html: &str) -> Result<(), Fault> {
        if self.open.len() >= MAX_ELEMENTS {
            return Err(Fault::new(
                "",
                format!(
                    "more than {MAX_ELEMENTS} lists, quotations or emphases within one another; flatten the text"
                ),
            ));
        }
        self.elements += 1;
        self.open.push(self.elements);
        self.ready.html.push_str(html);
        Ok(())
    }

    fn leave(&mut self, html: &str) {
        self.open.pop();
        self.ready.html.push_str(html);
    }

    /// Ends the line of plain text, with an empty line after it where a paragraph ends.
    fn flush(&mut self, is_paragraph: bool) {
        let line = std::mem::take(&mut self.line);
        for part in line.trim().split('\n') {
            if line.trim().is_empty() {
                break;
            }
            for prefix in &mut self.prefixes {
                let start = if prefix.is_used {
                    &prefix.rest
                } else {
                    &prefix.first
                };
                self.ready.text.push_str(start);
                prefix.is_used = true;
            }
            self.ready.text.push_str(part.trim());
            self.ready.text.push('\n');
        }
        if is_paragraph && !line.trim().is_empty() {
            self.ready.text.push('\n');
        }
    }
}

/// How many whole marks stand in a text.
fn marks(text: &str) -> usize {
    pieces(text)
        .iter()
        .filter(|piece| matches!(piece, Piece::Mark(..)))
        .count()
}

fn heading(level: HeadingLevel) -> (&'static str, &'static str) {
    match level {
        HeadingLevel::H1 | HeadingLevel::H2 => ("h2", "22px"),
        _ => ("h3", "18px"),
    }
}
