//! When people responded, as the page draws it.

use serde::Serialize;

use super::charts::round_count;
use crate::reports::figures::as_f64;
use crate::reports::over_time::{OverTime, Unit};
use crate::web::words::Words;

/// Units of the drawing by column.
const STEP: f64 = 10.0;
/// Of them, those the column fills.
const COLUMN: f64 = 8.0;
/// The height of the drawing.
const HEIGHT: f64 = 100.0;

/// The curve.
#[derive(Debug, Serialize)]
pub(super) struct OverTimeView {
    /// The caption of the table.
    caption: String,
    later: Option<String>,
    width: String,
    columns: Vec<ColumnView>,
    /// The end of the upright scale.
    end: String,
    /// Below the columns: the first, the middle, the last.
    labels: Vec<String>,
    summary: String,
}

#[derive(Debug, Serialize)]
struct ColumnView {
    name: String,
    responders: String,
    until: String,
    x: String,
    y: String,
    width: String,
    height: String,
}

impl OverTimeView {
    pub(super) fn new(over: &OverTime, words: &Words) -> Self {
        let most = over.columns.iter().map(|column| column.responders).max();
        let end = round_count(most.unwrap_or(1).max(1));
        let is_hourly = over.unit == Unit::Hour;
        let columns: Vec<ColumnView> = over
            .columns
            .iter()
            .zip(0_u32..)
            .map(|(column, place)| {
                let height = as_f64(column.responders) / as_f64(end) * HEIGHT;
                let height = if column.responders > 0 {
                    height.max(1.0)
                } else {
                    0.0
                };
                ColumnView {
                    name: {
                        let n = (column.after + 1).to_string();
                        let text = if is_hourly { "hour {n}" } else { "day {n}" };
                        words.fill(text, &[("n", n)])
                    },
                    responders: words.number(column.responders),
                    until: words.percent(Some(column.share_until)),
                    x: format!("{:.1}", f64::from(place) * STEP + (STEP - COLUMN) / 2.0),
                    y: format!("{:.1}", HEIGHT - height),
                    width: format!("{COLUMN:.1}"),
                    height: format!("{height:.1}"),
                }
            })
            .collect();
        let count = columns.len();
        let labels = [0, count / 2, count.saturating_sub(1)]
            .into_iter()
            .filter_map(|place| columns.get(place).map(|column| column.name.clone()))
            .collect();
        let half = over.half_in_words().map(|half| words.say(&half));
        let caption = if is_hourly {
            words.t("Responders by hour after the launch")
        } else {
            words.t("Responders by day after the launch")
        };
        Self {
            later: (over.later > 0).then(|| {
                let n = words.number(over.later);
                words.fill("{n} came after what is drawn.", &[("n", n)])
            }),
            width: format!("{:.0}", as_f64(u64::try_from(count).unwrap_or(1)) * STEP),
            end: words.number(end),
            labels,
            summary: match &half {
                Some(half) => words.fill(
                    "{what}; half came {half}.",
                    &[("what", caption), ("half", half.as_str())],
                ),
                None => format!("{caption}."),
            },
            caption: caption.to_owned(),
            columns,
        }
    }
}
