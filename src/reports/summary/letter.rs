//! The message of a summary: text, HTML and pictures.

use chrono_tz::Tz;

use super::chart;
use super::model::{CampaignLine, Summary, change};
use crate::channels::model::Picture;
use crate::clock::from_ms;
use crate::reports::figures::Rate;
use crate::reports::table::{counted, money, percent, thousands};

/// A written summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
    pub pictures: Vec<Picture>,
}

/// Writes it; days are those of `zone`, money is of `currency`.
///
/// # Errors
/// When a picture cannot be encoded.
pub(super) fn write(summary: &Summary, zone: Tz, currency: &str) -> Result<Letter, String> {
    let mut pictures = Vec::new();
    let mut picture = |name: String, png: Result<Vec<u8>, png::EncodingError>| {
        let png = png.map_err(|error| error.to_string())?;
        let id = format!("{name}@visavis.invalid");
        pictures.push(Picture {
            id: id.clone(),
            png,
        });
        Ok::<String, String>(id)
    };
    let scale = chart::scale(summary.campaigns.iter().map(|line| &line.rate));
    let mut bars = Vec::new();
    for (place, line) in summary.campaigns.iter().take(SHOWN).enumerate() {
        bars.push(picture(
            format!("bar-{place}"),
            chart::bar(&line.rate, scale),
        )?);
    }
    let past: Vec<Rate> = summary.past.iter().map(|past| past.rate).collect();
    let has_past = past.iter().filter(|rate| rate.of > 0).count() > 1;
    let trend = if has_past {
        let columns = chart::columns(&past, chart::scale(past.iter()));
        Some(picture("trend".to_owned(), columns)?)
    } else {
        None
    };
    Ok(Letter {
        subject: subject(summary, zone),
        text: text(summary, zone, currency),
        html: html(summary, zone, currency, &bars, trend.as_deref()),
        pictures,
    })
}

/// Campaigns that are listed; a summary is to be read.
const SHOWN: usize = 20;

fn day(ms: i64, zone: Tz) -> String {
    from_ms(ms)
        .with_timezone(&zone)
        .format("%-d %B %Y")
        .to_string()
}

fn subject(summary: &Summary, zone: Tz) -> String {
    let until = day(summary.until, zone);
    match summary.campaigns.len() {
        0 => format!("No campaign until {until}"),
        n => format!(
            "{} until {until}: response rate {}",
            counted(n as u64, "campaign", "campaigns"),
            percent(summary.rate.value)
        ),
    }
}

/// `6.13 % (5.47 to 6.86 %) of 4,677`.
fn rated(rate: &Rate) -> String {
    let interval = rate.interval_95.map_or_else(String::new, |interval| {
        format!(
            " ({:.2} to {:.2} %)",
            interval.low * 100.0,
            interval.high * 100.0
        )
    });
    format!(
        "{}{interval} of {}",
        percent(rate.value),
        thousands(rate.of)
    )
}

fn money_of(line: &CampaignLine, currency: &str) -> String {
    let cost = match line.cost_cents {
        Some(cents) => format!("cost {} {currency}", money(cents)),
        None => "cost not known".to_owned(),
    };
    format!(
        "{}, revenue {} {currency}, {cost}",
        counted(line.orders, "order", "orders"),
        money(line.revenue_cents)
    )
}

fn compared(line: &CampaignLine) -> String {
    match &line.before {
        Some(before) => format!(
            "before {}: {}",
            percent(before.value),
            change(&line.rate, before)
        ),
        None => "first time".to_owned(),
    }
}

fn introduction(summary: &Summary, zone: Tz) -> String {
    format!(
        "From {} to {}{}.",
        day(summary.since, zone),
        day(summary.until, zone),
        if summary.is_simulated {
            ", with simulated responses"
        } else {
            ""
        }
    )
}

const EXPLANATION: &str = "The response rate is unique responders of delivered, with its 95 % interval (Wilson). Revenue is what orders that answer a message brought; whether the campaign caused it is told by the control group alone.";

/// The summary as text.
pub fn text(summary: &Summary, zone: Tz, currency: &str) -> String {
    let mut lines = vec![introduction(summary, zone), String::new()];
    if summary.campaigns.is_empty() {
        lines.push("No campaign was launched.".to_owned());
    } else {
        lines.push(format!("Response rate: {}", rated(&summary.rate)));
        lines.push(format!(
            "Period before: {}",
            change(&summary.rate, &summary.before)
        ));
        lines.push(format!(
            "Revenue: {} {currency}",
            money(summary.revenue_cents())
        ));
        if let Some(cents) = summary.cost_cents() {
            lines.push(format!("Cost: {} {currency}", money(cents)));
        }
    }
    if !summary.warnings.is_empty() {
        lines.extend([String::new(), "TO LOOK AT".to_owned()]);
        lines.extend(
            summary
                .warnings
                .iter()
                .map(|warning| format!("- {warning}")),
        );
    }
    for line in summary.campaigns.iter().take(SHOWN) {
        lines.extend([
            String::new(),
            line.name.to_uppercase(),
            format!("  {}", rated(&line.rate)),
            format!("  {}", compared(line)),
            format!("  {}", money_of(line, currency)),
        ]);
        lines.extend(line.held_back.iter().map(|said| format!("  {said}")));
    }
    if summary.campaigns.len() > SHOWN {
        lines.push(format!("and {} more", summary.campaigns.len() - SHOWN));
    }
    if !summary.criteria.is_empty() {
        lines.extend([String::new(), "WHO RESPONDED".to_owned()]);
        lines.extend(summary.criteria.iter().map(|one| {
            format!(
                "  {}: {}, all others {}",
                one.words,
                percent(one.inside.value),
                percent(one.outside.value)
            )
        }));
    }
    lines.extend([String::new(), EXPLANATION.to_owned()]);
    lines.join("\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const SANS: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

fn html(
    summary: &Summary,
    zone: Tz,
    currency: &str,
    bars: &[String],
    trend: Option<&str>,
) -> String {
    let mut body = String::new();
    let mut paragraph = |style: &str, text: &str| {
        body.push_str(&format!(
            "<p style=\"margin:0 0 12px;{style}\">{text}</p>\n"
        ));
    };
    paragraph("color:#5b676c", &escape(&introduction(summary, zone)));
    if summary.campaigns.is_empty() {
        paragraph("", "No campaign was launched.");
    } else {
        paragraph(
            "font-size:40px;line-height:1.1;font-weight:bold;color:#0b6468;margin-bottom:4px",
            &escape(&percent(summary.rate.value)),
        );
        paragraph(
            "",
            &escape(&format!(
                "responded, of {} delivered to{}. Against the period before: {}.",
                thousands(summary.rate.of),
                summary
                    .rate
                    .interval_95
                    .map_or_else(String::new, |interval| format!(
                        " (95 % interval {:.2} to {:.2} %)",
                        interval.low * 100.0,
                        interval.high * 100.0
                    )),
                change(&summary.rate, &summary.before)
            )),
        );
        let cost = summary.cost_cents().map_or_else(String::new, |cents| {
            format!(
                ", known cost <strong>{} {}</strong>",
                money(cents),
                escape(currency)
            )
        });
        paragraph(
            "",
            &format!(
                "Revenue <strong>{} {}</strong>{cost}.",
                money(summary.revenue_cents()),
                escape(currency)
            ),
        );
    }
    if let Some(trend) = trend {
        body.push_str(&trend_of(summary, zone, trend));
    }
    if !summary.warnings.is_empty() {
        let list: String = summary
            .warnings
            .iter()
            .map(|warning| format!("<li style=\"margin:4px 0\">{}</li>", escape(warning)))
            .collect();
        body.push_str(&format!(
            "<div style=\"background:#fbf1dc;color:#6b4a0b;padding:12px 16px;margin:0 0 20px\"><strong>To look at</strong><ul style=\"margin:4px 0 0;padding-left:18px\">{list}</ul></div>\n"
        ));
    }
    if !summary.campaigns.is_empty() {
        body.push_str("<h2 style=\"font-size:18px;margin:24px 0 4px\">Campaigns</h2>\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:collapse\">");
        for (line, bar) in summary.campaigns.iter().zip(bars) {
            body.push_str(&campaign(line, currency, bar));
        }
        body.push_str("</table>\n");
    }
    if summary.campaigns.len() > SHOWN {
        body.push_str(&format!(
            "<p>and {} more</p>",
            summary.campaigns.len() - SHOWN
        ));
    }
    if !summary.criteria.is_empty() {
        body.push_str("<h2 style=\"font-size:18px;margin:24px 0 4px\">Who responded</h2>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:collapse\">");
        for one in &summary.criteria {
            body.push_str(&format!(
                "<tr><td style=\"padding:8px 8px 8px 0;border-top:1px solid #dfdcd5\">{}</td><td align=\"right\" style=\"padding:8px 0;border-top:1px solid #dfdcd5\"><strong>{}</strong> <span style=\"color:#5b676c\">all others {}</span></td></tr>\n",
                escape(&one.words.to_string()),
                percent(one.inside.value),
                percent(one.outside.value)
            ));
        }
        body.push_str("</table>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{}</title></head>\n<body style=\"margin:0;background:#f6f5f2\"><table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\"><tr><td align=\"center\" style=\"padding:20px 10px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background:#ffffff;border:1px solid #dfdcd5\"><tr><td style=\"padding:24px;{SANS};font-size:15px;line-height:1.5;color:#1d2528;text-align:left\">\n<h1 style=\"font-size:22px;line-height:1.25;margin:0 0 4px\">Campaign summary</h1>\n{body}<p style=\"margin:24px 0 0;font-size:13px;color:#5b676c\">{}</p>\n</td></tr></table></td></tr></table></body></html>\n",
        escape(&subject(summary, zone)),
        escape(EXPLANATION)
    )
}

/// The periods as columns, with their figures below: the picture is for the eye, the table for everyone.
fn trend_of(summary: &Summary, zone: Tz, picture: &str) -> String {
    let said: Vec<String> = summary
        .past
        .iter()
        .map(|past| {
            format!(
                "from {}: {}",
                day(past.since, zone),
                percent(past.rate.value)
            )
        })
        .collect();
    let cells: String = summary
        .past
        .iter()
        .map(|past| {
            let at = from_ms(past.since).with_timezone(&zone);
            let rate = past.rate.value.map_or_else(
                || "–".to_owned(),
                |value| format!("{:.1}&nbsp;%", value * 100.0),
            );
            format!(
                "<td align=\"center\" style=\"font-size:12px;line-height:1.4;color:#5b676c\"><strong style=\"color:#1d2528\">{rate}</strong><br>{}</td>",
                at.format("%-d %b")
            )
        })
        .collect();
    format!(
        "<h2 style=\"font-size:18px;margin:24px 0 8px\">Response rate by period</h2>\n<img src=\"cid:{picture}\" width=\"552\" alt=\"Response rate by period: {}\" style=\"display:block;width:100%;height:auto;border:0\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"table-layout:fixed;margin:4px 0 20px\"><tr>{cells}</tr></table>\n",
        escape(&said.join("; "))
    )
}

fn campaign(line: &CampaignLine, currency: &str, bar: &str) -> String {
    let held_back = line.held_back.as_ref().map_or_else(String::new, |said| {
        format!("<br>Control group: {}.", escape(said))
    });
    format!(
        "<tr><td style=\"padding:12px 0;border-top:1px solid #dfdcd5\"><strong style=\"overflow-wrap:anywhere\">{}</strong><br>\n<img src=\"cid:{bar}\" width=\"200\" height=\"18\" alt=\"{}\" style=\"vertical-align:middle;border:0;margin:4px 8px 4px 0\"><span style=\"white-space:nowrap\"><strong>{}</strong></span> <span style=\"color:#5b676c\">{}</span><br>\n<span style=\"font-size:13px;color:#5b676c\">{}. {}.{held_back}</span></td></tr>\n",
        escape(&line.name),
        escape(&format!("Response rate {}", rated(&line.rate))),
        percent(line.rate.value),
        escape(
            rated(&line.rate)
                .trim_start_matches(&percent(line.rate.value))
                .trim()
        ),
        escape(&capital(&compared(line))),
        escape(&capital(&money_of(line, currency)))
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}
