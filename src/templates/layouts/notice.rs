//! The layout of a notice: the campaign's sheet with one message, one button, and nothing to sell.

use mrml::prelude::parser::ParserOptions;
use mrml::prelude::render::RenderOptions;

use super::email::{BODY, INK, QUIET, STYLE, fill, into_lines, place};
use super::{SANS, SERIF, escape};
use crate::templates::notice::Notice;
use crate::templates::wording::Theme;

/// The notice as HTML. Nothing is fetched, nothing is counted.
///
/// # Errors
/// When mrml refuses the layout or drops one of its texts.
pub(in crate::templates) fn html(notice: &Notice<'_>) -> Result<String, String> {
    let Theme { accent, paper } = Theme::default();
    let mut slots = Vec::new();
    let mut slot = |html: String| {
        slots.push(html);
        place('s', slots.len() - 1)
    };
    let title = slot(escape(notice.subject));
    let name = slot(escape(notice.sender_name.trim()));
    let headline = slot(format!(
        "<h1 style=\"margin:0;font:inherit;color:inherit\">{}</h1>",
        escape(notice.headline)
    ));
    let lead = slot(escape(notice.lead));
    let points = if notice.points.is_empty() {
        String::new()
    } else {
        let rows: String = notice
            .points
            .iter()
            .map(|point| {
                format!(
                    "\n<tr role=\"listitem\"><td width=\"30\" valign=\"top\" aria-hidden=\"true\" style=\"width:30px;padding:11px 0;border-top:1px solid #ebe6de;font-size:17px;font-weight:bold;line-height:1.5;color:{accent}\">&#10003;</td>\n<td valign=\"top\" style=\"padding:11px 0;border-top:1px solid #ebe6de;font-size:16px;line-height:1.5;color:{BODY}\">{}</td></tr>",
                    escape(point)
                )
            })
            .collect();
        let table = slot(format!(
            "<table role=\"list\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\" style=\"width:100%;border-bottom:1px solid #ebe6de\">{rows}</table>"
        ));
        format!("<mj-text css-class=\"side\" padding=\"18px 48px 0 48px\">{table}</mj-text>\n")
    };
    let href = slot(escape(notice.link));
    let button = slot(escape(notice.button));
    let until = slot(escape(notice.until));
    let plain = slot(format!(
        "{}<br><span style=\"word-break:break-all\">{}</span>",
        escape(notice.plain_link),
        escape(notice.link)
    ));
    let ignore = slot(escape(notice.ignore));
    let reason = slot(escape(notice.reason));
    let sender = slot(format!(
        "<strong>{}</strong><br>{}",
        escape(notice.sender_name.trim()),
        notice
            .postal_lines()
            .map(escape)
            .collect::<Vec<_>>()
            .join("<br>")
    ));
    let language = notice.language;
    let mjml = format!(
        r##"<mjml lang="{language}"><mj-head><mj-title>{title}</mj-title>
<mj-attributes>
<mj-all font-family="{SANS}" />
<mj-text padding="0 48px" font-size="17px" line-height="1.6" color="{BODY}" />
</mj-attributes>
<mj-raw><meta name="color-scheme" content="light"><meta name="supported-color-schemes" content="light"></mj-raw>
<mj-style>{STYLE}</mj-style></mj-head>
<mj-body width="600px" background-color="{paper}">
<mj-section padding="26px 0 16px 0"><mj-column>
<mj-text css-class="side" padding="0 48px" font-size="14px" font-weight="bold" letter-spacing="0.5px" color="{INK}">{name}</mj-text>
</mj-column></mj-section>
<mj-section background-color="#ffffff" border-top="4px solid {accent}" padding="0 0 34px 0"><mj-column>
<mj-text css-class="side headline" padding="36px 48px 0 48px" font-family="{SERIF}" font-size="32px" line-height="1.2" color="{INK}">{headline}</mj-text>
<mj-text css-class="side" padding="18px 48px 0 48px">{lead}</mj-text>
{points}<mj-button css-class="side wide" href="{href}" align="left" padding="26px 48px 0 48px" inner-padding="17px 34px" background-color="{accent}" border-radius="6px" color="#ffffff" font-size="18px" font-weight="bold" line-height="1.3">{button}</mj-button>
<mj-text css-class="side" padding="14px 48px 0 48px" font-size="15px" line-height="1.5" color="{QUIET}">{until}</mj-text>
<mj-text css-class="side" padding="24px 48px 0 48px" font-size="16px">{ignore}</mj-text>
</mj-column></mj-section>
<mj-section padding="22px 0 36px 0"><mj-column>
<mj-text css-class="side" padding="0 48px 0 48px" font-size="13px" line-height="1.6" color="{QUIET}">{plain}</mj-text>
<mj-text css-class="side" padding="14px 48px 0 48px" font-size="13px" line-height="1.6" color="{QUIET}">{reason}</mj-text>
<mj-text css-class="side" padding="14px 48px 0 48px" font-size="13px" line-height="1.6" color="{QUIET}">{sender}</mj-text>
</mj-column></mj-section>
</mj-body></mjml>"##
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
    fill(&into_lines(html), &slots)
}

/// The notice as text.
pub(in crate::templates) fn text(notice: &Notice<'_>) -> String {
    let rule: String = std::iter::repeat_n('=', notice.headline.chars().count()).collect();
    let points: Vec<String> = notice
        .points
        .iter()
        .map(|point| format!("- {point}"))
        .collect();
    let postal: Vec<&str> = std::iter::once(notice.sender_name.trim())
        .chain(notice.postal_lines())
        .collect();
    [
        &format!("{}\n{rule}", notice.headline),
        notice.lead,
        &points.join("\n"),
        &format!("{}{}\n{}", notice.button, notice.colon(), notice.link),
        notice.until,
        notice.ignore,
        &"_".repeat(40),
        notice.reason,
        &postal.join("\n"),
    ]
    .iter()
    .filter(|paragraph| !paragraph.is_empty())
    .fold(String::new(), |text, paragraph| text + paragraph + "\n\n")
}
