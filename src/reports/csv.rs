//! A report as CSV: one figure a row, for a spreadsheet.

use super::ReportError;
use super::cells::Cells;
use super::figures::Rate;
use super::lift::CausedBy;
use super::model::Report;
use crate::storage::text::formula_safe;

/// The columns.
const HEADER: [&str; 9] = [
    "campaign", "label", "section", "figure", "count", "of", "rate", "low_95", "high_95",
];

/// Writes a report as CSV (RFC 4180), UTF-8, with a header.
///
/// # Errors
/// When a row cannot be written, which in memory does not happen.
pub fn write(report: &Report) -> Result<String, ReportError> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    let mut row = |section: &str, figure: &str, count: String, rate: Option<&Rate>| {
        let share = |value: Option<f64>| value.map(|v| format!("{v:.6}")).unwrap_or_default();
        writer.write_record([
            formula_safe(&report.campaign),
            report.label.unwrap_or_default().to_owned(),
            section.to_owned(),
            formula_safe(figure),
            count,
            rate.map(|rate| rate.of.to_string()).unwrap_or_default(),
            share(rate.and_then(|rate| rate.value)),
            share(rate.and_then(|rate| rate.interval_95).map(|i| i.low)),
            share(rate.and_then(|rate| rate.interval_95).map(|i| i.high)),
        ])
    };
    for (figure, rate) in [
        ("response_rate", &report.response_rate),
        ("delivery_rate", &report.delivery_rate),
        ("open_rate", &report.open_rate),
        ("click_rate", &report.click_rate),
        ("order_rate", &report.order_rate),
        ("opt_out_rate", &report.opt_out_rate),
    ] {
        row("rates", figure, rate.count.to_string(), Some(rate))?;
    }
    for line in &report.clicks_by_part {
        let count = line.clickers.count.to_string();
        row(
            "clickers_by_part",
            line.part.as_str(),
            count,
            Some(&line.clickers),
        )?;
    }
    for (figure, count) in [
        ("selected", report.selected),
        ("withheld", report.withheld),
        ("deliveries", report.deliveries),
        ("pending", report.pending),
        ("sending", report.sending),
        ("sent", report.sent),
        ("accepted", report.accepted),
        ("undelivered", report.undelivered),
        ("bounces", report.bounces),
        ("deferred", report.deferred),
        ("failed", report.failed),
        ("unknown", report.unknown),
    ] {
        row("dispatch", figure, count.to_string(), None)?;
    }
    for (section, reasons) in [
        ("withheld", &report.withheld_by_reason),
        ("failed", &report.failed_by_class),
    ] {
        for reason in reasons {
            row(section, &reason.reason, reason.count.to_string(), None)?;
        }
    }
    for (figure, count) in [
        ("opens_machine", report.opens_machine),
        ("clicks_total", report.clicks_total),
        ("clicks_machine", report.clicks_machine),
        ("clicks_scanner", report.clicks_scanner),
        ("orders", report.orders),
        ("redemptions", report.redemptions),
        ("answers", report.answers),
        ("answers_unmatched", report.answers_unmatched),
        ("replies", report.replies),
    ] {
        row("responses", figure, count.to_string(), None)?;
    }
    row(
        "responses",
        "revenue_cents",
        report.revenue_cents.to_string(),
        None,
    )?;
    for (figure, rate) in [
        ("click_to_open_rate", &report.click_to_open_rate),
        ("bounce_rate", &report.lost.bounce_rate),
        ("hard_bounce_rate", &report.lost.hard_bounce_rate),
        ("soft_bounce_rate", &report.lost.soft_bounce_rate),
        ("complaint_rate", &report.lost.complaint_rate),
        ("contacts_lost", &report.lost.contacts_lost),
    ] {
        row("rates", figure, rate.count.to_string(), Some(rate))?;
    }
    for step in &report.funnel.steps {
        row(
            "funnel",
            step.stage,
            step.people.to_string(),
            Some(&step.of_delivered),
        )?;
    }
    for (figure, amount) in report.economics.amounts() {
        let is_ratio = figure.ends_with("_rate") || figure == "return_on_cost";
        let decimals = if is_ratio { 6 } else { 2 };
        row("economics", figure, format!("{amount:.decimals$}"), None)?;
    }
    for line in report.forecast.iter().flat_map(|compared| &compared.lines) {
        for (kind, value) in [
            ("expected", Some(line.expected)),
            ("low_95", Some(line.low_95)),
            ("high_95", Some(line.high_95)),
            ("actual", line.actual),
        ] {
            let Some(value) = value else { continue };
            let figure = format!("{} {kind}", line.figure);
            row("forecast", &figure, format!("{value:.4}"), None)?;
        }
    }
    if let Some(over) = &report.over_time {
        for column in &over.columns {
            let figure = format!("{} {}", over.unit.as_str(), column.after + 1);
            row("over_time", &figure, column.responders.to_string(), None)?;
        }
    }
    for line in &report.channels {
        let section = format!("channel_{}", line.channel);
        for (figure, count) in [
            ("selected", line.selected),
            ("withheld", line.withheld),
            ("accepted", line.accepted),
            ("undelivered", line.undelivered),
        ] {
            row(&section, figure, count.to_string(), None)?;
        }
        for (figure, rate) in [
            ("response_rate", &line.response_rate),
            ("opt_out_rate", &line.opt_out_rate),
        ] {
            row(&section, figure, rate.count.to_string(), Some(rate))?;
        }
        let Some(texts) = &line.texts else { continue };
        for (figure, count) in [
            ("parts", texts.parts),
            ("cost_micros", texts.cost_micros),
            ("unpriced", texts.unpriced),
            ("receipts_sent", texts.receipts.sent),
            ("receipts_delivered", texts.receipts.delivered),
            ("receipts_undelivered", texts.receipts.undelivered),
            ("receipts_none", texts.receipts.none),
        ] {
            row(&section, figure, count.to_string(), None)?;
        }
    }
    for link in &report.links {
        let figure = format!("{} {}", link.number, link.label);
        row("clicks_by_link", &figure, link.clicks.to_string(), None)?;
    }
    for [section, figure, count, of, rate, low, high] in [
        report.cells.as_ref().map(Cells::rows),
        report.effect.as_ref().map(CausedBy::figures),
    ]
    .into_iter()
    .flatten()
    .flatten()
    {
        writer.write_record([
            formula_safe(&report.campaign),
            report.label.unwrap_or_default().to_owned(),
            section,
            formula_safe(&figure),
            count,
            of,
            rate,
            low,
            high,
        ])?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| ::csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::model::tests::sample;

    #[test]
    fn a_report_as_csv() {
        insta::assert_snapshot!(write(&sample()).unwrap());
    }

    #[test]
    fn channels_are_rows_of_their_own() {
        let csv = write(&crate::reports::model::tests::sample_of_two_channels()).unwrap();
        let rows: Vec<&str> = csv
            .lines()
            .filter(|row| row.contains(",channel_"))
            .collect();
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn no_cell_is_a_formula() {
        for start in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            let mut report = sample();
            report.campaign = start.to_owned();
            let csv = write(&report).unwrap();
            let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
            for record in reader.records() {
                assert_eq!(record.unwrap().get(0), Some(format!("'{start}").as_str()));
            }
        }
    }
}
