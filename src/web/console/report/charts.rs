//! The geometry of drawings: numbers for the attributes of SVG shapes, a full length being [`FULL`].

use serde::Serialize;

use super::FULL;

/// An interval with its point on a scale that begins at 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::web::console) struct Whisker {
    pub low: String,
    pub width: String,
    /// Where the mark of the value begins.
    pub point: String,
    /// Where a second mark begins, of what it is compared with.
    pub other: Option<String>,
}

/// The width of a mark.
const MARK: f64 = 6.0;

impl Whisker {
    /// Between `from` and `to`, all values within them.
    pub fn new((from, to): (f64, f64), (low, high): (f64, f64), value: Option<f64>) -> Self {
        let at = |value: f64| {
            let span = to - from;
            if span > 0.0 {
                ((value - from) / span * FULL).clamp(0.0, FULL)
            } else {
                0.0
            }
        };
        let mark = |value: f64| format!("{:.1}", (at(value) - MARK / 2.0).clamp(0.0, FULL - MARK));
        Self {
            low: format!("{:.1}", at(low)),
            width: format!("{:.1}", (at(high) - at(low)).max(4.0)),
            point: value.map(mark).unwrap_or_default(),
            other: None,
        }
    }

    /// With a second mark.
    #[must_use]
    pub fn beside(mut self, (from, to): (f64, f64), other: f64) -> Self {
        let span = to - from;
        if span > 0.0 && (from..=to).contains(&other) {
            let x = ((other - from) / span * FULL - 2.0).clamp(0.0, FULL - 4.0);
            self.other = Some(format!("{x:.1}"));
        }
        self
    }
}

/// The next round share above a value, so that a scale ends at a number one can read.
pub(in crate::web::console) fn round_end(share: f64) -> Option<f64> {
    const ENDS: [f64; 10] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0];
    ENDS.into_iter().find(|end| share <= *end)
}

/// The next of 1, 2, 5, 10, 20, 50 … above a count.
pub(super) fn round_count(most: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for times in [1, 2, 5] {
            let end = step.saturating_mul(times);
            if end >= most {
                return end;
            }
        }
        step = step.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stay_on_the_paper() {
        for value in [0.0, 0.5, 1.0, 2.0, -1.0] {
            let whisker = Whisker::new((0.0, 1.0), (0.2, 0.4), Some(value)).beside((0.0, 1.0), 0.3);
            let number = |text: &str| text.parse::<f64>().unwrap();
            assert!(
                (0.0..=FULL - MARK).contains(&number(&whisker.point)),
                "{whisker:?}"
            );
            assert_eq!(
                (whisker.low.as_str(), whisker.width.as_str()),
                ("200.0", "200.0")
            );
            assert_eq!(whisker.other.as_deref(), Some("298.0"));
        }
        let flat = Whisker::new((1.0, 1.0), (1.0, 1.0), Some(1.0));
        assert_eq!(flat.width, "4.0", "nothing is drawn as nothing");
    }

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!(
            [0, 1, 3, 7, 12, 99, 101, u64::MAX].map(round_count),
            [1, 1, 5, 10, 20, 100, 200, u64::MAX]
        );
        assert_eq!(round_end(0.013), Some(0.02));
        assert_eq!(round_end(1.1), None);
    }
}
