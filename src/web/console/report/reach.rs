//! Whom the campaign reached, and which part and link moved them.

use serde::Serialize;

use super::super::{RateView, share_of};
use super::FULL;
use crate::reports::figures::as_f64;
use crate::reports::model::{Report, in_words};
use crate::reports::table::thousands;

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
    name: &'static str,
    rate: RateView,
    width: String,
}

#[derive(Debug, Serialize)]
pub(super) struct LinkRow {
    label: String,
    part: &'static str,
    url: String,
    clicks: String,
    width: String,
}

/// The waterfall: what is lost at each step hangs where it was lost.
pub(super) fn steps(report: &Report) -> Vec<Step> {
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
                thousands(count)
            } else {
                format!("− {}", thousands(count))
            },
            share: share_of(value),
            x: format!("{x:.1}"),
            width: bar_width(width, count),
        });
    };
    add("Selected".to_owned(), selected, true);
    for reason in &report.withheld_by_reason {
        add(
            format!("withheld: {}", in_words(&reason.reason)),
            reason.count,
            false,
        );
    }
    add("Deliveries".to_owned(), report.deliveries, true);
    for (name, count) in [
        ("waiting", report.pending),
        ("being sent", report.sending),
        ("deferred, will be tried again", report.deferred),
        ("unknown, the answer was lost", report.unknown),
    ] {
        if count > 0 {
            add(name.to_owned(), count, false);
        }
    }
    for class in &report.failed_by_class {
        add(
            format!("failed: {}", in_words(&class.reason)),
            class.count,
            false,
        );
    }
    if report.bounces > 0 {
        add("bounced later".to_owned(), report.bounces, false);
    }
    if report.undelivered > 0 {
        add(
            "undelivered, by receipt".to_owned(),
            report.undelivered,
            false,
        );
    }
    add("Delivered".to_owned(), report.delivered(), true);
    steps
}

pub(super) fn parts(report: &Report) -> Vec<PartRow> {
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
            name: line.part.as_str(),
            rate: RateView::new(&line.clickers),
            width: of_most(line.clickers.count, most),
        })
        .collect()
}

pub(super) fn links(report: &Report) -> Vec<LinkRow> {
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
            part: link.part.as_str(),
            url: link.url.clone(),
            clicks: thousands(link.clicks),
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
        let steps = steps(&sample());
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
