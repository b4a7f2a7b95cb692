//! A report as a table for the terminal, 80 columns wide.

mod funnel;
mod money;

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::cells::Cells;
use super::channels::{self, ChannelLine};
use super::figures::{Denominator, Rate, as_f64};
use super::lift::{self, CausedBy};
use super::model::{Reason, Report, in_words};

use crate::statistics::sentence::Value;

pub use crate::statistics::sentence::thousands;

/// Cells of a full bar.
const BAR: f64 = 24.0;

/// Writes a report for a reader at a terminal.
pub fn write(report: &Report) -> String {
    let mut text = String::new();
    let mut title = format!("Response-rate report: {}", report.campaign);
    if let Some(label) = report.label {
        let _ = write!(title, "  [{}]", label.to_uppercase());
    }
    let _ = writeln!(text, "\n  {title}\n  {}", "─".repeat(title.chars().count()));
    let _ = writeln!(
        text,
        "  goal: {} within {} of the hand-over{}",
        report.goal.as_str(),
        days(report.window_days),
        report
            .topic
            .as_ref()
            .map(|topic| format!(" · topic: {topic}"))
            .unwrap_or_default()
    );
    headline(&mut text, &report.response_rate);
    section(&mut text, "From selected to delivered", waterfall(report));
    section(&mut text, "What came back", rates(report));
    if !report.channels.is_empty() {
        section(&mut text, "By channel", by_channel(&report.channels));
        for texts in report
            .channels
            .iter()
            .filter_map(|line| line.texts.as_ref())
        {
            section(&mut text, "Text messages", facts(channels::of_texts(texts)));
        }
    }
    if let Some(cells) = &report.cells {
        section(&mut text, "The cells of the test", by_cell(cells));
        remark(&mut text, &cells.judgement.headline.to_string());
        if let Some(chosen) = &cells.chosen {
            remark(&mut text, &chosen.to_string());
        }
        for pair in cells.others() {
            remark(&mut text, &pair.sentence.to_string());
        }
        remark(&mut text, cells.basis());
    }
    if let Some(effect) = &report.effect {
        section(&mut text, "What the campaign caused", caused(effect));
        remark(&mut text, &effect.sentence.to_string());
        for row in effect.rows() {
            if let (Some(caused), Some(range)) = (&row.caused, &row.range) {
                let mut line = format!("{}: {caused}, 95 % interval {range}", row.name);
                if let Some(lift) = &row.lift {
                    let ends = row
                        .lift_range
                        .as_ref()
                        .map_or_else(|| "no interval".to_owned(), ToString::to_string);
                    let _ = write!(line, "; lift {lift} ({ends})");
                }
                remark(&mut text, &format!("{line}."));
            }
        }
        remark(&mut text, &effect.basis().to_string());
    }
    if let Some(table) = money::economics(&report.economics, &report.currency) {
        section(&mut text, "What it cost and earned", table);
        for missing in &report.economics.missing {
            remark(&mut text, &missing.sentence.to_string());
        }
    }
    if let Some(compared) = &report.forecast {
        section(
            &mut text,
            "Expected at the launch, and actual",
            money::forecast(compared, &report.currency),
        );
        remark(&mut text, &format!("Rests on {}.", compared.rests_on));
    }
    section(
        &mut text,
        "How far people went",
        funnel::stages(&report.funnel),
    );
    for note in report.funnel.verdict.iter().chain(&report.funnel.notes) {
        remark(&mut text, &note.to_string());
    }
    if let Some(half) = report
        .over_time
        .as_ref()
        .and_then(|over| over.half_in_words())
    {
        remark(
            &mut text,
            &format!("Half of the responders came {half} of the launch."),
        );
    }
    if let Some(table) = funnel::lost(report) {
        section(&mut text, "What was lost", table);
    }
    section(
        &mut text,
        "Which part persuades (people who clicked there)",
        parts(report),
    );
    if report.links.iter().any(|link| link.clicks > 0) {
        section(&mut text, "Which link (clicks, not people)", links(report));
    }
    notes(&mut text, report);
    text
}

fn headline(text: &mut String, rate: &Rate) {
    let _ = writeln!(text, "\n  RESPONSE RATE   {}", percent(rate.value));
    let of = format!(
        "{} of {} delivered",
        counted(rate.count, "responder", "responders"),
        thousands(rate.of)
    );
    let _ = match rate.interval_95 {
        Some(i) => writeln!(
            text,
            "  {of} · 95 % interval {} to {}",
            percent(Some(i.low)),
            percent(Some(i.high))
        ),
        None => writeln!(text, "  {of} · no interval"),
    };
}

pub(super) fn section(text: &mut String, heading: &str, mut table: Table) {
    table.load_style(presets::NOTHING);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if place == 0 { 4 } else { 1 }, 1));
    }
    let _ = writeln!(text, "\n  {heading}");
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn number(count: u64) -> Cell {
    Cell::new(thousands(count)).set_alignment(CellAlignment::Right)
}

fn waterfall(report: &Report) -> Table {
    let mut table = Table::new();
    let mut left = report.selected;
    let mut line = |sign: &str, name: &str, count: u64| {
        // What is lost hangs where it was lost.
        let mut drawing = String::new();
        if !sign.is_empty() {
            left = left.saturating_sub(count);
            drawing.push_str(&" ".repeat(eighths(left, report.selected) / 8));
        }
        drawing.push_str(&bar(count, report.selected));
        table.add_row(vec![
            Cell::new(format!("{sign}{name}")),
            number(count),
            Cell::new(drawing),
        ]);
    };
    let each = |line: &mut dyn FnMut(&str, &str, u64), reasons: &[Reason]| {
        for reason in reasons {
            line("  − ", &in_words(&reason.reason), reason.count);
        }
    };
    line("", "selected", report.selected);
    each(&mut line, &report.withheld_by_reason);
    line("", "deliveries", report.deliveries);
    for (name, count) in [
        ("pending", report.pending),
        ("being sent", report.sending),
        ("deferred, will be tried again", report.deferred),
        ("unknown, answer lost", report.unknown),
    ] {
        if count > 0 {
            line("  − ", name, count);
        }
    }
    let failed: Vec<Reason> = report
        .failed_by_class
        .iter()
        .map(|class| Reason {
            reason: format!("failed: {}", class.reason),
            count: class.count,
        })
        .collect();
    each(&mut line, &failed);
    if report.bounces > 0 {
        line("  − ", "bounced later", report.bounces);
    }
    if report.undelivered > 0 {
        line("  − ", "undelivered, by receipt", report.undelivered);
    }
    line("", "delivered", report.delivered());
    table
}

fn rates(report: &Report) -> Table {
    let mut table = Table::new();
    if report.can_be_opened() {
        let remark = apart(report.opens_machine, 0);
        table.add_row(rate_row("opened", &report.open_rate, remark));
    }
    for (name, rate, remark) in [
        (
            "clicked",
            &report.click_rate,
            format!(
                "{}{}",
                counted(report.clicks_total, "click", "clicks"),
                match apart(report.clicks_machine, report.clicks_scanner) {
                    none if none.is_empty() => none,
                    others => format!(", {others}"),
                }
            ),
        ),
        (
            "ordered",
            &report.order_rate,
            format!(
                "{}, {}",
                counted(report.orders, "order", "orders"),
                revenue(report)
            ),
        ),
        ("opted out", &report.opt_out_rate, String::new()),
    ] {
        table.add_row(rate_row(name, rate, remark));
    }
    let unmatched = match report.answers_unmatched {
        0 => String::new(),
        n => format!("{} without a message", thousands(n)),
    };
    for (name, count, remark) in [
        ("redeemed", report.redemptions, String::new()),
        ("answered", report.answers, unmatched),
        ("wrote back", report.replies, String::new()),
    ] {
        if count > 0 || !remark.is_empty() {
            let rate = Rate::new(count, report.delivered(), Denominator::Delivered);
            table.add_row(rate_row(name, &rate, remark));
        }
    }
    table
}

fn by_channel(lines: &[ChannelLine]) -> Table {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    let names = lines.iter().map(|line| right(line.name().to_owned()));
    table.add_row([Cell::new("")].into_iter().chain(names));
    for (name, cells) in channels::side_by_side(lines) {
        table.add_row(
            [Cell::new(name)]
                .into_iter()
                .chain(cells.into_iter().map(|cell| right(cell.to_string()))),
        );
    }
    table
}

fn by_cell(cells: &Cells) -> Table {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    let heads = ["assigned", "responders", "of assigned"].map(|head| right(head.to_owned()));
    let heads = [Cell::new("")].into_iter().chain(heads);
    let rest = ["95 % interval", "a head", "best"].map(|head| right(head.to_owned()));
    table.add_row(heads.chain(rest));
    for line in &cells.lines {
        let rate = &line.response_of_assigned;
        table.add_row(vec![
            Cell::new(shortened(&line.name().to_string(), 14)),
            number(line.people),
            number(rate.count),
            right(percent(rate.value)),
            right(interval(rate)),
            right(line.per_head().to_string()),
            right(line.chance().to_string()),
        ]);
    }
    table
}

fn caused(effect: &CausedBy) -> Table {
    let right = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    let heads = lift::HEADS.map(str::to_lowercase);
    table.add_row(
        [Cell::new("")]
            .into_iter()
            .chain(heads.iter().map(|head| right(head))),
    );
    for row in effect.rows() {
        let figure = |value: &Option<Value>| {
            let value = value.as_ref().map(ToString::to_string);
            value.unwrap_or_else(|| lift::NONE.to_owned())
        };
        let cells = [
            row.contacted.to_string(),
            row.held_back.to_string(),
            figure(&row.caused),
            figure(&row.attributed),
        ];
        let cells = cells.into_iter().map(|cell| right(&cell));
        table.add_row([Cell::new(row.name)].into_iter().chain(cells));
    }
    table
}

/// A sentence below a section, in lines that fit.
fn remark(text: &mut String, sentence: &str) {
    const WIDTH: usize = 76;
    let mut line = String::new();
    for word in sentence.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() + 1 > WIDTH {
            let _ = writeln!(text, "    {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "    {line}");
}

fn interval(rate: &Rate) -> String {
    rate.interval_95.map_or_else(
        || "no interval".to_owned(),
        |i| format!("{} to {}", percent(Some(i.low)), percent(Some(i.high))),
    )
}

fn facts(facts: Vec<(&'static str, Value)>) -> Table {
    let mut table = Table::new();
    for (name, fact) in facts {
        table.add_row([name.to_owned(), fact.to_string()]);
    }
    table
}

/// What is counted apart from people; a line has no room to tell scanners from other machines.
fn apart(machines: u64, scanners: u64) -> String {
    match machines + scanners {
        0 => String::new(),
        others => format!("{} by machines", thousands(others)),
    }
}

fn parts(report: &Report) -> Table {
    let most = report
        .clicks_by_part
        .iter()
        .map(|line| line.clickers.count)
        .max()
        .unwrap_or(0);
    let mut table = Table::new();
    for line in &report.clicks_by_part {
        let bar = bar(line.clickers.count, most);
        table.add_row(rate_row(line.part.as_str(), &line.clickers, bar));
    }
    table
}

fn links(report: &Report) -> Table {
    let most = report
        .links
        .iter()
        .map(|link| link.clicks)
        .max()
        .unwrap_or(0);
    let mut table = Table::new();
    for link in &report.links {
        table.add_row(vec![
            Cell::new(shortened(&link.label, 30)),
            Cell::new(link.part.as_str()),
            number(link.clicks),
            Cell::new(bar(link.clicks, most)),
        ]);
    }
    table
}

fn rate_row(name: &str, rate: &Rate, remark: String) -> Vec<Cell> {
    vec![
        Cell::new(name),
        number(rate.count),
        Cell::new(percent(rate.value)).set_alignment(CellAlignment::Right),
        Cell::new(interval(rate)),
        Cell::new(remark),
    ]
}

fn notes(text: &mut String, report: &Report) {
    let _ = writeln!(
        text,
        "\n  Rates are of {} delivered, with 95 % intervals (Wilson). Machines are\n  counted apart{}.",
        thousands(report.delivered()),
        if report.can_be_opened() {
            ", and opens are of those who agreed to be seen opening"
        } else {
            ""
        }
    );
    if !report.channels.is_empty() {
        let _ = writeln!(
            text,
            "  A receipt is the provider's word, passed on from the networks: some\n  telephones and networks never send one."
        );
    }
    if report.is_simulated {
        let _ = writeln!(
            text,
            "  The responses are simulated: nobody read these messages."
        );
    }
    if let Some(since) = &report.final_since {
        let _ = writeln!(
            text,
            "  Deliveries of old waves were let go on {}: responses to them are\n  not counted since.",
            since.split('T').next().unwrap_or(since)
        );
    }
    for discrepancy in &report.discrepancies {
        let _ = writeln!(text, "  DOES NOT ADD UP: {discrepancy}");
    }
}

/// `count` of `most` as a bar of block characters, in eighths; a count above 0 always shows.
fn bar(count: u64, most: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if count == 0 || most == 0 {
        return String::new();
    }
    let eighths = eighths(count, most).max(1);
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    format!("{}{rest}", "█".repeat(eighths / 8))
}

/// `count` of `most` in eighths of a cell, a full bar being [`BAR`] cells.
fn eighths(count: u64, most: u64) -> usize {
    if most == 0 {
        return 0;
    }
    let eighths = (as_f64(count.min(most)) / as_f64(most) * BAR * 8.0).round();
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 192"
    )]
    let eighths = eighths as usize;
    eighths
}

/// A share in per cent with two decimals, or a dash.
pub fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.2} %", value * 100.0))
}

/// `1 click`, `1,234 clicks`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        thousands(count),
        if count == 1 { one } else { many }
    )
}

/// An amount in the currency of the orders: `12,345.67`.
pub fn money(cents: i64) -> String {
    let sign = if cents < 0 { "−" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", thousands(cents / 100), cents % 100)
}

/// An amount of cents with its currency, where one is set: `12,345.67 EUR`.
pub fn amount(cents: f64, currency: &str) -> String {
    format!("{} {currency}", money(whole(cents)))
        .trim_end()
        .to_owned()
}

/// The revenue, and beside it what came in other currencies: `12,345.67 EUR and 120.00 USD`.
pub fn revenue(report: &Report) -> String {
    let mut text = format!("{} {}", money(report.revenue_cents), report.currency)
        .trim_end()
        .to_owned();
    for (currency, cents) in &report.revenue_elsewhere_cents {
        text.push_str(&format!(" and {} {currency}", money(*cents)));
    }
    text
}

/// An expected count of people.
pub fn people(count: f64) -> String {
    thousands(whole(count).unsigned_abs())
}

/// Per cent of more than a share, such as a return: `26 %`, `−12 %`.
pub fn signed_percent(percent: f64) -> String {
    let sign = if percent.round() < 0.0 { "−" } else { "" };
    format!("{sign}{} %", people(percent.abs()))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "as saturates"
)]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// `1 day`, `14 days`.
pub fn days(count: i64) -> String {
    match count {
        1 => "1 day".to_owned(),
        count => format!("{count} days"),
    }
}

fn shortened(text: &str, width: usize) -> String {
    // A label comes from a template: a control character in it must not reach the terminal.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::model::Report;
    use crate::reports::model::tests::{
        sample, sample_of_text_messages, sample_of_two_channels, sample_wave,
    };

    #[test]
    fn a_report_as_a_table() {
        insta::assert_snapshot!(write(&sample()));
    }

    #[test]
    fn a_campaign_that_never_ran_as_a_table() {
        insta::assert_snapshot!(write(&Report::new("not-yet", "planned", &[], &[])));
    }

    #[test]
    fn a_report_of_two_channels_as_a_table() {
        insta::assert_snapshot!(write(&sample_of_two_channels()));
    }

    #[test]
    fn a_report_of_text_messages_knows_no_opens() {
        insta::assert_snapshot!(write(&sample_of_text_messages()));
    }

    #[test]
    fn one_is_not_many() {
        let wave = sample_wave(&[
            ("selected", 2),
            ("accepted", 2),
            ("responders", 1),
            ("clicks.total", 1),
            ("orders", 1),
        ]);
        let text = write(&Report::new("c", "finished", &[wave], &[]));
        for expected in [
            "  1 responder of 2 delivered",
            "  1 click\n",
            "  1 order, 0.00\n",
        ] {
            assert!(text.contains(expected), "{expected:?} in {text}");
        }
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        for report in [
            sample(),
            sample_of_two_channels(),
            sample_of_text_messages(),
        ] {
            for line in write(&report).lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn numbers_are_written_for_readers() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(money(-123_456), "−1,234.56");
        assert_eq!(percent(Some(0.012_34)), "1.23 %");
        assert_eq!(bar(1, 1_000_000), "▏", "one of many still shows");
        assert_eq!(bar(5, 5).chars().count(), 24);
    }
}
