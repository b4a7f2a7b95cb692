//! What was expected at the launch beside what came, without I/O.

use serde::Serialize;

use super::economics::Economics;
use super::figures::as_f64;
use crate::campaigns::forecast::Forecast;
use crate::statistics::Sentence;
use crate::statistics::prediction::Range;

/// The forecast of a wave and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    pub wave: i64,
    /// What the forecast rested on, in words.
    pub rests_on: Sentence,
    /// Milliseconds since the epoch: what comes after does not count.
    pub window_ends_at: i64,
    /// Whether that is over; until then a figure that only grows cannot be below.
    pub is_over: bool,
    pub lines: Vec<Line>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    pub figure: &'static str,
    pub unit: Unit,
    pub expected: f64,
    pub low_95: f64,
    pub high_95: f64,
    /// `None` where it is not known.
    pub actual: Option<f64>,
    pub verdict: Verdict,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    People,
    /// Of 1.
    Share,
    Cents,
}

/// How the actual figure lies to the expected range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Within,
    Above,
    Below,
    /// The window is not over.
    Open,
    /// What came is not known.
    Unknown,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Within => "within",
            Self::Above => "above",
            Self::Below => "below",
            Self::Open => "not over",
            Self::Unknown => "not known",
        }
    }
}

/// What came of a wave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Actual<'a> {
    pub wave: i64,
    pub delivered: u64,
    pub window_ends_at: i64,
    pub economics: &'a Economics,
}

impl Compared {
    /// Puts a wave's forecast and what came side by side; the verdicts are those of a window that is over
    /// until [`Compared::at`] says when it is.
    pub(super) fn new(forecast: &Forecast, actual: Actual<'_>) -> Self {
        let economics = actual.economics;
        let (delivered, responders) = (as_f64(actual.delivered), as_f64(economics.responders));
        let rate = (actual.delivered > 0).then(|| responders / delivered);
        let figures = [
            (
                "delivered",
                Unit::People,
                // Without earlier waves nobody knows how many arrive.
                Some(forecast.delivered).filter(|range| !range.is_exact()),
                Some(delivered),
            ),
            ("response rate", Unit::Share, forecast.response_rate, rate),
            (
                "responses",
                Unit::People,
                forecast.responses,
                Some(responders),
            ),
            (
                "orders",
                Unit::People,
                forecast.orders,
                Some(as_f64(economics.orders)),
            ),
            (
                "revenue",
                Unit::Cents,
                forecast.revenue_cents,
                Some(super::cells::signed(economics.revenue_cents)),
            ),
            (
                "cost",
                Unit::Cents,
                forecast.cost_cents,
                economics.cost.map(|cost| cost.total_cents),
            ),
            (
                "profit",
                Unit::Cents,
                forecast.profit_cents,
                economics.profit_cents,
            ),
        ];
        let lines = figures
            .into_iter()
            .filter_map(|(figure, unit, range, actual)| {
                let Range {
                    expected,
                    low_95,
                    high_95,
                } = range?;
                Some(Line {
                    figure,
                    unit,
                    expected,
                    low_95,
                    high_95,
                    actual,
                    verdict: verdict(unit, range?, actual),
                })
            })
            .collect();
        Self {
            wave: actual.wave,
            rests_on: forecast.rests_on(),
            window_ends_at: actual.window_ends_at,
            is_over: true,
            lines,
        }
    }

    /// As of an instant: before the window is over, what has not come yet is not missing.
    #[must_use]
    pub(super) fn at(mut self, now_ms: i64) -> Self {
        self.is_over = now_ms > self.window_ends_at;
        if !self.is_over {
            for line in &mut self.lines {
                if matches!(line.verdict, Verdict::Within | Verdict::Below) {
                    line.verdict = Verdict::Open;
                }
            }
        }
        self
    }
}

fn verdict(unit: Unit, range: Range, actual: Option<f64>) -> Verdict {
    // Less than a ten-thousandth, a whole person, or a cent is no difference.
    let slack = match unit {
        Unit::People | Unit::Cents => 0.5,
        Unit::Share => 0.000_05,
    };
    match actual {
        None => Verdict::Unknown,
        Some(actual) if actual < range.low_95 - slack => Verdict::Below,
        Some(actual) if actual > range.high_95 + slack => Verdict::Above,
        Some(_) => Verdict::Within,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaigns::forecast::Basis;

    fn forecast() -> Forecast {
        Forecast {
            people: 1_000,
            basis: Basis::Stated,
            delivered: Range {
                expected: 995.0,
                low_95: 990.0,
                high_95: 1_000.0,
            },
            response_rate: Some(Range {
                expected: 0.03,
                low_95: 0.02,
                high_95: 0.04,
            }),
            responses: Some(Range {
                expected: 30.0,
                low_95: 20.0,
                high_95: 40.0,
            }),
            orders: None,
            revenue_cents: None,
            cost_cents: Some(Range::exactly(500.0)),
            profit_cents: None,
        }
    }

    fn compared(delivered: u64, responders: u64) -> Compared {
        let economics = Economics {
            responders,
            ..Economics::default()
        };
        let actual = Actual {
            wave: 1,
            delivered,
            window_ends_at: 5_000,
            economics: &economics,
        };
        Compared::new(&forecast(), actual)
    }

    #[test]
    fn each_figure_is_within_above_or_below_its_range() {
        let verdicts = |delivered, responders| {
            let lines = compared(delivered, responders).lines;
            lines.iter().map(|line| line.verdict).collect::<Vec<_>>()
        };
        let within = Verdict::Within;
        assert_eq!(
            verdicts(1_000, 30),
            [within, within, within, Verdict::Unknown]
        );
        assert_eq!(
            verdicts(900, 50),
            [
                Verdict::Below,
                Verdict::Above,
                Verdict::Above,
                Verdict::Unknown
            ]
        );
        assert_eq!(verdicts(1_000, 19)[2], Verdict::Below);
    }

    #[test]
    fn before_the_window_is_over_nothing_is_missing() {
        let open = compared(1_000, 10).at(5_000);
        assert!(!open.is_over);
        assert_eq!(open.lines[2].verdict, Verdict::Open);
        assert_eq!(
            compared(1_000, 50).at(5_000).lines[2].verdict,
            Verdict::Above
        );
        assert_eq!(
            compared(1_000, 10).at(5_001).lines[2].verdict,
            Verdict::Below
        );
    }
}
