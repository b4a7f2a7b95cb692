//! Whom the campaign reached, and which part and link moved them.

use serde::Serialize;

use super::super::RateView;
use super::FULL;
use crate::reports::figures::as_f64;
use crate::reports::model::{Report, in_words};
use crate::web::words::Words;

#[derive(Debug, Serialize)]
pub(super) struct Step {
    name: String,
    is_total: bool,
    count: String,
    share: String,
    x: String,
    width: String,
}

#[derive(Debug, Serialize)]
pub(super) struct PartRow {
    letter: String,
    name: String,
    rate: RateView,
    width: String,
}

#[derive(Debug, Serialize)]
pub(super) struct LinkRow {
    label: String,
    part: String,
    url: String,
    clicks: String,
    share: String,
    width: String,
}

/// The waterfall: what is lost at each step hangs where it was lost.
pub(super) fn steps(report: &Report, words: &Words) -> Vec<Step> {
    let selected = report.selected;
    let share = |count: u64| {
        let share = (selected > 0).then(|| as_f64(count) / as_f64(selected));
        (share, share.unwrap_or(0.0).min(1.0) * FULL)
    };
    let mut steps = Vec::new();
    let mut left = selected;
    let mut add = |name: String, count: u64, is_total: bool| {
        let (value, width) = share(count);
        let x = if is_total {
            0.0
        } else {
            left = left.saturating_sub(count);
            share(left).1
        };
        steps.push(Step {
            name,
            is_total,
            count: if is_total {
                words.number(count)
            } else {
                format!("− {}", words.number(count))
            },
            share: words.percent(value),
            x: format!("{x:.1}"),
            width: bar_width(width, count),
        });
    };
    add(words.t("Selected").to_owned(), selected, true);
    for reason in &report.withheld_by_reason {
        add(
            words.fill(
                "withheld: {why}",
                &[("why", words.t(&in_words(&reason.reason)))],
            ),
            reason.count,
            false,
        );
    }
    add(words.t("Deliveries").to_owned(), report.deliveries, true);
    for (name, count) in [
        ("waiting", report.pending),
        ("being sent", report.sending),
        ("deferred, will be tried again", report.deferred),
        ("unknown, the answer was lost", report.unknown),
    ] {
        if count > 0 {
            add(words.t(name).to_owned(), count, false);
        }
    }
    for class in &report.failed_by_class {
        add(
            words.fill(
                "failed: {why}",
                &[("why", words.t(&in_words(&class.reason)))],
            ),
            class.count,
            false,
        );
    }
    if report.bounces > 0 {
        add(words.t("bounced later").to_owned(), report.bounces, false);
    }
    if report.undelivered > 0 {
        add(
            words.t("undelivered, by receipt").to_owned(),
            report.undelivered,
            false,
        );
    }
    add(words.t("Delivered").to_owned(), report.delivered(), true);
    steps
}

pub(super) fn parts(report: &Report, words: &Words) -> Vec<PartRow> {
    let counts = report.clicks_by_part.iter().map(|line| line.clickers.count);
    let most = counts.max().unwrap_or(0);
    report
        .clicks_by_part
        .iter()
        .map(|line| PartRow {
            letter: line
                .part
                .as_str()
                .chars()
                .take(1)
                .map(|letter| letter.to_ascii_uppercase())
                .collect(),
            name: words.t(line.part.as_str()).to_owned(),
            rate: RateView::in_words(&line.clickers, words),
            width: of_most(line.clickers.count, most),
        })
        .collect()
}

pub(super) fn links(report: &Report, words: &Words) -> Vec<LinkRow> {
    let all: u64 = report.links.iter().map(|link| link.clicks).sum();
    let most = report
        .links
        .iter()
        .map(|link| link.clicks)
        .max()
        .unwrap_or(0);
    report
        .links
        .iter()
        .map(|link| LinkRow {
            label: link.label.clone(),
            part: words.t(link.part.as_str()).to_owned(),
            url: link.url.clone(),
            clicks: words.number(link.clicks),
            share: words.percent((all > 0).then(|| as_f64(link.clicks) / as_f64(all))),
            width: of_most(link.clicks, most),
        })
        .collect()
}

pub(super) fn of_most(count: u64, most: u64) -> String {
    let width = if most == 0 {
        0.0
    } else {
        as_f64(count) / as_f64(most) * FULL
    };
    bar_width(width, count)
}

/// A count above 0 always shows.
pub(super) fn bar_width(width: f64, count: u64) -> String {
    format!("{:.1}", if count > 0 { width.max(3.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::model::tests::sample;

    #[test]
    fn the_waterfall_hangs_each_loss_where_it_was_lost() {
        let steps = steps(&sample(), &crate::web::console::visit::tests::english());
        let number = |text: &str| text.parse::<f64>().unwrap();
        let mut left = 1000.0;
        for step in &steps {
            if step.is_total {
                assert!((number(&step.width) - left).abs() < 0.4, "{step:?}");
            } else {
                left = number(&step.x);
            }
        }
        assert_eq!(
            steps.last().map(|step| step.name.as_str()),
            Some("Delivered")
        );
    }
}
