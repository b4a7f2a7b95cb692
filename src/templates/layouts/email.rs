//! The email layout: one calm column of 600 px in MJML, dark on white, without pictures or fonts of its own.
//!
//! MJML sees only marks in the places of the texts, so that nothing an author writes can break it.

use mrml::prelude::parser::ParserOptions;
use mrml::prelude::render::RenderOptions;

use super::phrases::Phrases;
use super::{SANS, SERIF, escape};
use crate::templates::email::Imprint;
use crate::templates::markdown::PARAGRAPH;
use crate::templates::ready::ReadyWording;
use crate::templates::tags::{CLOSE, OPEN, Piece, mark, pieces};
use crate::templates::wording::Theme;

pub(super) const INK: &str = "#1d1a16";
pub(super) const BODY: &str = "#38332c";
/// On paper and on white its contrast is above 4.5 (WCAG 2.1, AA).
pub(super) const QUIET: &str = "#69625a";

/// On a telephone the margins shrink, the headline too, and the button is as wide as the thumb wants it.
pub(super) const STYLE: &str = "
@media only screen and (max-width:520px) {
  .side { padding-left:22px !important; padding-right:22px !important; }
  .frame > table > tbody > tr > td { padding-left:22px !important; padding-right:22px !important; }
  .inset { padding-left:18px !important; padding-right:18px !important; }
  .headline > div { font-size:30px !important; }
  .subheadline > div { font-size:18px !important; }
  .wide table { width:100% !important; }
  .wide a { display:block !important; }
}";

/// What a mail program shows after a short preheader, instead of the first words of the body.
const FILLER: &str = "\u{34f}\u{200c}\u{a0}";

/// The whole message as HTML, with the marks of the wording and of the footer's links (`u`, `p`, `b`, `o`).
///
/// # Errors
/// When mrml refuses the layout or drops one of its texts; the author cannot cause it.
pub(in crate::templates) fn html(
    wording: &ReadyWording,
    theme: &Theme,
    language: &str,
    phrases: &Phrases,
    imprint: &Imprint,
) -> Result<String, String> {
    let mut sheet = Sheet {
        wording,
        accent: &theme.accent,
        paper: &theme.paper,
        slots: Vec::new(),
    };
    let head = sheet.head();
    let name = sheet.slot(escape(&imprint.sender_name));
    let parts = [
        sheet.attention(),
        sheet.interest(),
        sheet.desire(),
        sheet.action(),
    ]
    .concat();
    let panel = sheet.panel();
    let call = sheet.call(phrases);
    let footer = sheet.footer(phrases, imprint);
    let accent = &theme.accent;
    let paper = &theme.paper;
    let mjml = format!(
        r##"<mjml lang="{language}">{head}
<mj-body width="600px" background-color="{paper}">
<mj-section padding="26px 0 16px 0"><mj-column>
<mj-text css-class="side" padding="0 48px" font-size="14px" font-weight="bold" letter-spacing="0.5px" color="{INK}">{name}</mj-text>
</mj-column></mj-section>
<mj-section background-color="#ffffff" border-top="4px solid {accent}" padding="0 0 10px 0"><mj-column>
{parts}</mj-column></mj-section>
{panel}
{call}
{footer}
<mj-raw>{open}</mj-raw>
</mj-body></mjml>"##,
        open = place('o', 0),
    );
    let parsed = mrml::parse_with_options(&mjml, &ParserOptions::default())
        .map_err(|error| error.to_string())?;
    let options = RenderOptions {
        disable_comments: true,
        ..RenderOptions::default()
    };
    let html = parsed
        .element
        .render(&options)
        .map_err(|error| error.to_string())?;
    fill(&into_lines(html), &sheet.slots)
}

/// Breaks mrml's one long line where it may be broken: SMTP carries lines of 998 bytes (RFC 5321 §4.5.3.1.6),
/// and a message that fits needs no recoding on its way.
pub(super) fn into_lines(html: String) -> String {
    ["<table", "<td", "<div", "<!--[if", "</body"]
        .into_iter()
        .fold(html, |html, tag| html.replace(tag, &format!("\n{tag}")))
}

/// A mark as mrml can carry it: it writes attributes as Rust writes strings, and would escape the characters
/// of a mark. Nothing else in the layout has two percent signs.
pub(super) fn place(kind: char, number: usize) -> String {
    format!("%%{kind}{number}%%")
}

/// Puts the texts into the places that MJML left for them.
pub(super) fn fill(html: &str, slots: &[String]) -> Result<String, String> {
    let html: String = html
        .split("%%")
        .enumerate()
        .map(|(number, piece)| match number % 2 {
            0 => piece.to_owned(),
            _ => format!("{OPEN}{piece}{CLOSE}"),
        })
        .collect();
    let mut filled = String::with_capacity(html.len() * 2);
    let mut seen = vec![false; slots.len()];
    for piece in pieces(&html) {
        match piece {
            Piece::Raw(raw) => filled.push_str(raw),
            Piece::Mark('s', number) => {
                let slot = slots.get(number).ok_or("a place without a text")?;
                filled.push_str(slot);
                if let Some(seen) = seen.get_mut(number) {
                    *seen = true;
                }
            }
            Piece::Mark(kind, number) => filled.push_str(&mark(kind, number)),
        }
    }
    match seen.iter().position(|seen| !seen) {
        None => Ok(filled),
        Some(number) => Err(format!("the text of place {number} was lost")),
    }
}

struct Sheet<'a> {
    wording: &'a ReadyWording,
    accent: &'a str,
    paper: &'a str,
    slots: Vec<String>,
}

impl Sheet<'_> {
    /// Keeps `html` for later and gives what stands for it in the MJML.
    fn slot(&mut self, html: String) -> String {
        self.slots.push(html);
        place('s', self.slots.len() - 1)
    }

    /// A text of the wording in an `mj-text`; nothing when it is not given.
    fn text(&mut self, key: &str, attributes: &str) -> String {
        match self.wording.html(key) {
            Some(html) => {
                let slot = self.slot(html.to_owned());
                format!("<mj-text {attributes}>{slot}</mj-text>\n")
            }
            None => String::new(),
        }
    }

    fn head(&mut self) -> String {
        let title = self.wording.html("attention.subject").unwrap_or_default();
        let title = self.slot(title.to_owned());
        let preview = match self.wording.html("attention.preheader") {
            Some(preheader) => {
                let preview = self.slot(format!("{preheader}{}", FILLER.repeat(40)));
                format!("<mj-preview>{preview}</mj-preview>")
            }
            None => String::new(),
        };
        format!(
            r#"<mj-head><mj-title>{title}</mj-title>{preview}
<mj-attributes>
<mj-all font-family="{SANS}" />
<mj-text padding="0 48px" font-size="17px" line-height="1.6" color="{BODY}" />
</mj-attributes>
<mj-raw><meta name="color-scheme" content="light"><meta name="supported-color-schemes" content="light"></mj-raw>
<mj-style>{STYLE}</mj-style></mj-head>"#
        )
    }

    fn attention(&mut self) -> String {
        let mut out = String::new();
        if let Some(image) = &self.wording.image {
            let src = self.slot(escape(image));
            let alt = self.wording.html("attention.image.alt").unwrap_or_default();
            let alt = self.slot(alt.to_owned());
            out.push_str(&format!(
                "<mj-image src=\"{src}\" alt=\"{alt}\" width=\"600px\" padding=\"0\" fluid-on-mobile=\"true\" />\n"
            ));
        }
        let accent = self.accent;
        let kicker = self.text(
            "attention.kicker",
            &format!(
                r#"css-class="side" padding="38px 48px 0 48px" font-size="13px" line-height="1.4" font-weight="bold" letter-spacing="1.2px" text-transform="uppercase" color="{accent}""#
            ),
        );
        // Without a kicker the headline keeps the distance from the edge itself.
        let top = if kicker.is_empty() { "40px" } else { "12px" };
        out.push_str(&kicker);
        if let Some(headline) = self.wording.html("attention.headline") {
            let slot = self.slot(format!(
                "<h1 style=\"margin:0;font:inherit;color:inherit\">{headline}</h1>"
            ));
            out.push_str(&format!(
                "<mj-text css-class=\"side headline\" padding=\"{top} 48px 0 48px\" font-family=\"{SERIF}\" font-size=\"38px\" line-height=\"1.18\" color=\"{INK}\">{slot}</mj-text>\n"
            ));
        }
        out.push_str(&self.text(
            "attention.subheadline",
            &format!(
                r#"css-class="side subheadline" padding="16px 48px 0 48px" font-family="{SERIF}" font-size="20px" line-height="1.45" color="{QUIET}""#
            ),
        ));
        out
    }

    /// A headline within the letter.
    fn heading(&mut self, key: &str, padding: &str) -> String {
        let Some(html) = self.wording.html(key) else {
            return String::new();
        };
        let slot = self.slot(format!(
            "<h2 style=\"margin:0;font:inherit;color:inherit\">{html}</h2>"
        ));
        format!(
            "<mj-text css-class=\"side\" padding=\"{padding}\" font-family=\"{SERIF}\" font-size=\"24px\" line-height=\"1.3\" color=\"{INK}\">{slot}</mj-text>\n"
        )
    }

    fn interest(&mut self) -> String {
        let mut out = self.heading("interest.headline", "32px 48px 0 48px");
        let top = if out.is_empty() { "30px" } else { "12px" };
        out.push_str(&self.text(
            "interest.body",
            &format!(r#"css-class="side" padding="{top} 48px 0 48px""#),
        ));
        out
    }

    fn desire(&mut self) -> String {
        let mut out = self.text(
            "desire.body",
            r#"css-class="side" padding="6px 48px 0 48px""#,
        );
        let points = self.wording.points();
        if !points.is_empty() {
            let accent = self.accent;
            let rows: String = points
                .iter()
                .map(|point| {
                    let point = point.html.replace(PARAGRAPH, "<p style=\"margin:0\">");
                    format!(
                        "\n<tr role=\"listitem\"><td width=\"30\" valign=\"top\" aria-hidden=\"true\" style=\"width:30px;padding:11px 0;border-top:1px solid #ebe6de;font-size:17px;font-weight:bold;line-height:1.5;color:{accent}\">&#10003;</td>\n<td valign=\"top\" style=\"padding:11px 0;border-top:1px solid #ebe6de;font-size:16px;line-height:1.5;color:{BODY}\">{point}</td></tr>"
                    )
                })
                .collect();
            let slot = self.slot(format!(
                "<table role=\"list\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\" style=\"width:100%;border-bottom:1px solid #ebe6de\">{rows}</table>"
            ));
            out.push_str(&format!(
                "<mj-text css-class=\"side\" padding=\"8px 48px 22px 48px\">{slot}</mj-text>\n"
            ));
        }
        if let Some(quote) = self.wording.html("desire.quote") {
            let quote = quote.replace(PARAGRAPH, "<p style=\"margin:0\">");
            let slot = self.slot(format!(
                "<blockquote style=\"margin:0;padding:2px 0 2px 20px;border-left:3px solid {};font-style:italic\">{quote}</blockquote>",
                self.accent
            ));
            out.push_str(&format!(
                "<mj-text css-class=\"side\" padding=\"6px 48px 20px 48px\" font-family=\"{SERIF}\" font-size=\"19px\" line-height=\"1.5\" color=\"{INK}\">{slot}</mj-text>\n"
            ));
        }
        out
    }

    fn action(&mut self) -> String {
        self.text(
            "action.body",
            r#"css-class="side" padding="6px 48px 0 48px""#,
        )
    }

    /// The framed box.
    fn panel(&mut self) -> String {
        let mut inside = self.text(
            "action.box.title",
            &format!(
                r#"css-class="inset" padding="22px 26px 0 26px" font-family="{SERIF}" font-size="21px" line-height="1.3" color="{INK}""#
            ),
        );
        let top = if inside.is_empty() { "22px" } else { "10px" };
        inside.push_str(&self.text(
            "action.box.body",
            &format!(r#"css-class="inset" padding="{top} 26px 6px 26px" font-size="16px""#),
        ));
        let accent = self.accent;
        if let Some(button) = self.wording.button("action.box.button") {
            let label = self.slot(button.html.to_owned());
            inside.push_str(&format!(
                "<mj-button css-class=\"inset wide\" href=\"{}\" align=\"left\" padding=\"0 26px 24px 26px\" inner-padding=\"12px 22px\" background-color=\"#ffffff\" border=\"2px solid {accent}\" border-radius=\"6px\" color=\"{accent}\" font-size=\"16px\" font-weight=\"bold\" line-height=\"1.3\">{label}</mj-button>\n",
                place('c', button.link)
            ));
        }
        if inside.is_empty() {
            return String::new();
        }
        let edge = towards_white(accent);
        format!(
            "<mj-section css-class=\"frame\" background-color=\"#ffffff\" padding=\"10px 48px 16px 48px\"><mj-column background-color=\"{paper}\" border=\"1px solid {edge}\" border-radius=\"8px\">\n{inside}</mj-column></mj-section>",
            paper = self.paper,
        )
    }

    /// The button and what stands under it.
    fn call(&mut self, phrases: &Phrases) -> String {
        let accent = self.accent;
        let mut out = String::new();
        if let Some(button) = self.wording.button("action.button") {
            let label = self.slot(button.html.to_owned());
            let ink = if super::contrast_with_white(accent).is_some_and(|ratio| ratio < 4.5) {
                INK
            } else {
                "#ffffff"
            };
            out.push_str(&format!(
                "<mj-button css-class=\"side wide\" href=\"{}\" align=\"left\" padding=\"14px 48px 0 48px\" inner-padding=\"17px 34px\" background-color=\"{accent}\" border-radius=\"6px\" color=\"{ink}\" font-size=\"18px\" font-weight=\"bold\" line-height=\"1.3\">{label}</mj-button>\n",
                place('c', button.link)
            ));
        }
        out.push_str(&self.text(
            "action.deadline",
            &format!(
                r#"css-class="side" padding="12px 48px 0 48px" font-size="15px" line-height="1.5" color="{QUIET}""#
            ),
        ));
        if let Some(postscript) = self.wording.html("action.ps") {
            let lead = format!(
                "<strong style=\"color:{INK}\">{}</strong> ",
                phrases.postscript
            );
            let html = match postscript.strip_prefix(PARAGRAPH) {
                Some(rest) => format!("{PARAGRAPH}{lead}{rest}"),
                None => format!("{lead}{postscript}"),
            };
            let slot = self.slot(html);
            out.push_str(&format!(
                "<mj-text css-class=\"side\" padding=\"28px 48px 0 48px\" font-size=\"16px\">{slot}</mj-text>\n"
            ));
        }
        format!(
            "<mj-section background-color=\"#ffffff\" padding=\"0 0 30px 0\"><mj-column>\n{out}</mj-column></mj-section>"
        )
    }

    /// Who writes, from where, why, and the ways out (LCEN art. 20, CAN-SPAM, Gmail's visible link).
    fn footer(&mut self, phrases: &Phrases, imprint: &Imprint) -> String {
        let reason = self.slot(escape(&imprint.reason(phrases)));
        let sender = self.slot(format!(
            "<strong>{}</strong><br>{}",
            escape(imprint.sender_name.trim()),
            imprint
                .postal_lines()
                .map(escape)
                .collect::<Vec<_>>()
                .join("<br>")
        ));
        let link = |kind, words: &str| {
            format!(
                "<a href=\"{}\" target=\"_blank\" style=\"color:{QUIET};text-decoration:underline\">{}</a>",
                mark(kind, 0),
                escape(words)
            )
        };
        let ways = self.slot(format!(
            "{} &nbsp;·&nbsp; {}<br>{}",
            link('u', phrases.unsubscribe),
            link('p', phrases.preferences),
            link('b', phrases.browser)
        ));
        let text = |padding: &str, slot: &str| {
            format!(
                "<mj-text css-class=\"side\" padding=\"{padding}\" font-size=\"13px\" line-height=\"1.6\" color=\"{QUIET}\">{slot}</mj-text>\n"
            )
        };
        format!(
            "<mj-section padding=\"22px 0 36px 0\"><mj-column>\n{}{}{}</mj-column></mj-section>",
            text("0 48px 0 48px", &reason),
            text("10px 48px 0 48px", &ways),
            text("14px 48px 0 48px", &sender),
        )
    }
}

/// The accent mixed with twice as much white: the edge of the box.
fn towards_white(accent: &str) -> String {
    let channel = |range| {
        accent
            .strip_prefix('#')
            .and_then(|digits| u8::from_str_radix(digits.get(range)?, 16).ok())
            .map_or(255, |value| 255 - (255 - value) / 3)
    };
    format!(
        "#{:02x}{:02x}{:02x}",
        channel(0..2),
        channel(2..4),
        channel(4..6)
    )
}
