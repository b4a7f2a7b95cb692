//! How likely one arm is the better one, by the Beta distribution of its rate.
//!
//! Before the first response every rate is held equally likely (Beta(1, 1)); s successes and f failures
//! make it Beta(1 + s, 1 + f).

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::beta::ln_beta;

use super::{Share, as_f64};

/// What is known of a rate: Beta(α, β).
#[derive(Debug, Clone, Copy)]
struct Posterior {
    successes: u64,
    failures: u64,
}

impl Posterior {
    fn new(share: Share) -> Self {
        Self {
            successes: share.count.min(share.of).saturating_add(1),
            failures: share.of.saturating_sub(share.count).saturating_add(1),
        }
    }

    fn alpha(self) -> f64 {
        as_f64(self.successes)
    }

    fn beta(self) -> f64 {
        as_f64(self.failures)
    }

    fn mean(self) -> f64 {
        self.alpha() / (self.alpha() + self.beta())
    }

    fn variance(self) -> f64 {
        let mean = self.mean();
        mean * (1.0 - mean) / (self.alpha() + self.beta() + 1.0)
    }

    /// The same of the rate of failures.
    fn mirrored(self) -> Self {
        Self {
            successes: self.failures,
            failures: self.successes,
        }
    }
}

/// From so many successes and failures in each arm the distribution is as good as normal.
const NORMAL_FROM: u64 = 5_000;

/// The chance that the rate behind `first` is higher than that behind `second` (METHODS.md M5; Evan
/// Miller, "Formulas for Bayesian A/B Testing", 2014): with B the first and A the second, Σ_{i=0}^{α_B−1}
/// B(α_A+i, β_A+β_B) / \[(β_B+i)·B(1+i, β_B)·B(α_A, β_A)\], in logarithms and held between 0 and 1. The sum
/// runs over the smallest of the four counts, as the roles of arms and of success may be exchanged; where
/// all are large, the difference is taken as normal.
pub fn chance_better(first: Share, second: Share) -> f64 {
    let (b, a) = (Posterior::new(first), Posterior::new(second));
    let least = [b.successes, a.successes, a.failures, b.failures]
        .into_iter()
        .min()
        .unwrap_or(1);
    let chance = if least > NORMAL_FROM {
        let z = (b.mean() - a.mean()) / (b.variance() + a.variance()).sqrt();
        Normal::standard().cdf(z)
    } else if least == b.successes {
        sum(b, a)
    } else if least == a.successes {
        1.0 - sum(a, b)
    } else if least == a.failures {
        sum(a.mirrored(), b.mirrored())
    } else {
        1.0 - sum(b.mirrored(), a.mirrored())
    };
    chance.clamp(0.0, 1.0)
}

/// The chance that `b` is above `a`, as a sum over the successes of `b`.
fn sum(b: Posterior, a: Posterior) -> f64 {
    let whole = ln_beta(a.alpha(), a.beta());
    (0..b.successes)
        .map(|i| {
            let i = as_f64(i);
            (ln_beta(a.alpha() + i, a.beta() + b.beta())
                - (b.beta() + i).ln()
                - ln_beta(1.0 + i, b.beta())
                - whole)
                .exp()
        })
        .sum()
}

/// Where an arm stands among several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// The chance that its rate is the highest; those of all arms come to 1.
    pub chance_best: f64,
    /// By how much its rate is expected to fall short of the highest (0.001 is a tenth of a percentage
    /// point): what it may cost to choose this arm now (METHODS.md M5; Stucchio 2015, "Bayesian A/B
    /// Testing at VWO").
    pub expected_loss: f64,
}

/// Where each of several arms stands, by numerical integration over all of them at once: the chance of
/// being best is ∫ f_k·Π_{j≠k} F_j, the expected loss ∫ F_k·(1 − Π_{j≠k} F_j).
///
/// Good to six decimals, and always the same for the same counts.
pub fn standings(arms: &[Share]) -> Vec<Standing> {
    let curves: Vec<Curve> = arms.iter().map(|arm| Curve::new(*arm)).collect();
    let mut nodes: Vec<f64> = curves.iter().flat_map(|curve| curve.nodes()).collect();
    nodes.sort_by(f64::total_cmp);
    nodes.dedup();
    let nodes = filled(&nodes);
    let tables: Vec<Table> = curves
        .iter()
        .map(|curve| Table::new(curve, &nodes))
        .collect();
    let mut standings: Vec<Standing> = (0..arms.len())
        .map(|arm| standing(arm, &tables, &nodes))
        .collect();
    let whole: f64 = standings.iter().map(|one| one.chance_best).sum();
    if whole > 0.0 {
        for one in &mut standings {
            one.chance_best /= whole;
        }
    }
    standings
}

fn standing(arm: usize, tables: &[Table], nodes: &[f64]) -> Standing {
    let mut standing = Standing {
        chance_best: 0.0,
        expected_loss: 0.0,
    };
    let Some(own) = tables.get(arm) else {
        return standing;
    };
    for (cell, ends) in nodes.windows(2).enumerate() {
        let [from, to] = ends else { continue };
        // Simpson's rule, at the ends and in the middle of each cell.
        let (mut chance, mut loss) = (0.0, 0.0);
        for (place, part, weight) in [(0, 0.0, 1.0), (1, 0.5, 4.0), (2, 1.0, 1.0)] {
            let at = 2 * cell + place;
            let others: f64 = tables
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != arm)
                .map(|(_, table)| table.below(at))
                .product();
            chance += weight * own.density(at) * others;
            let rate = rate_at(from + (to - from) * part);
            loss += weight * own.below(at) * (1.0 - others) * rate * (1.0 - rate);
        }
        standing.chance_best += chance * (to - from) / 6.0;
        standing.expected_loss += loss * (to - from) / 6.0;
    }
    standing
}

/// The nodes and others between them wherever two are far apart, since losses run on between the arms.
fn filled(nodes: &[f64]) -> Vec<f64> {
    const FAR: f64 = 0.25;
    let mut filled = Vec::with_capacity(nodes.len());
    for ends in nodes.windows(2) {
        let [from, to] = ends else { continue };
        let mut at = *from;
        while at < *to {
            filled.push(at);
            at += FAR;
        }
    }
    filled.extend(nodes.last());
    filled
}

/// The rate whose logit this is.
fn rate_at(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// The density of a rate over its logit, where even the rate of nobody has a bell's shape.
#[derive(Debug, Clone, Copy)]
struct Curve {
    alpha: f64,
    beta: f64,
    mode: f64,
}

impl Curve {
    fn new(share: Share) -> Self {
        let posterior = Posterior::new(share);
        let (alpha, beta) = (posterior.alpha(), posterior.beta());
        Self {
            alpha,
            beta,
            mode: (alpha / beta).ln(),
        }
    }

    /// The logarithm of the density, 0 where it is highest.
    fn ln(&self, logit: f64) -> f64 {
        let soft = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        self.alpha * (soft(-self.mode) - soft(-logit)) + self.beta * (soft(self.mode) - soft(logit))
    }

    /// Evenly spaced over all that is not next to nothing.
    fn nodes(&self) -> impl Iterator<Item = f64> {
        const CELLS: u32 = 120;
        const NOTHING: f64 = -34.0;
        let step = (1.0 / self.alpha + 1.0 / self.beta).sqrt();
        let end = |sign: f64| {
            let mut away = 6.0 * step;
            while self.ln(self.mode + sign * away) > NOTHING {
                away += step;
            }
            self.mode + sign * away
        };
        let (from, to) = (end(-1.0), end(1.0));
        (0..=CELLS).map(move |cell| from + (to - from) * f64::from(cell) / f64::from(CELLS))
    }
}

/// The density and the share below, at the nodes and in the middle between them.
#[derive(Debug)]
struct Table {
    points: Vec<(f64, f64)>,
}

impl Table {
    fn new(curve: &Curve, nodes: &[f64]) -> Self {
        let density = |logit: f64| curve.ln(logit).exp();
        let mut points = Vec::with_capacity(2 * nodes.len());
        let mut below = 0.0;
        let mut left = nodes.first().map_or(0.0, |node| density(*node));
        points.push((left, below));
        for ends in nodes.windows(2) {
            let [from, to] = ends else { continue };
            let width = to - from;
            let (middle, right) = (density(f64::midpoint(*from, *to)), density(*to));
            // The parabola through the three, up to its middle and to its end.
            let half = width * (5.0 * left + 8.0 * middle - right) / 24.0;
            points.push((middle, below + half.max(0.0)));
            below += width * (left + 4.0 * middle + right) / 6.0;
            points.push((right, below));
            left = right;
        }
        if below > 0.0 {
            for (density, share) in &mut points {
                *density /= below;
                *share = (*share / below).min(1.0);
            }
        }
        Self { points }
    }

    fn density(&self, at: usize) -> f64 {
        self.points.get(at).map_or(0.0, |point| point.0)
    }

    fn below(&self, at: usize) -> f64 {
        self.points.get(at).map_or(1.0, |point| point.1)
    }
}

/// How to share out the next people among arms (Thompson 1933, Biometrika 25, 285–294, in batches): each
/// gets its chance of being the best, but none less than `floor`, so that none is given up for good
/// (METHODS.md M5). The shares come to 1; a floor too high for so many arms gives all the same.
pub fn thompson_shares(arms: &[Share], floor: f64) -> Vec<f64> {
    let chances: Vec<f64> = standings(arms).iter().map(|one| one.chance_best).collect();
    with_floor(&chances, floor)
}

/// Raises what is below the floor to it, and takes that from the others in proportion.
fn with_floor(chances: &[f64], floor: f64) -> Vec<f64> {
    let arms = as_f64(u64::try_from(chances.len()).unwrap_or(u64::MAX));
    let floor = floor.clamp(0.0, 1.0 / arms.max(1.0));
    let mut is_raised = vec![false; chances.len()];
    loop {
        let raised =
            as_f64(u64::try_from(is_raised.iter().filter(|one| **one).count()).unwrap_or(u64::MAX));
        let free: f64 = chances
            .iter()
            .zip(&is_raised)
            .filter(|(_, raised)| !**raised)
            .map(|(chance, _)| *chance)
            .sum();
        let left = 1.0 - raised * floor;
        let share = |chance: f64| {
            if free > 0.0 {
                chance * left / free
            } else {
                1.0 / arms
            }
        };
        let mut is_settled = true;
        for (chance, raised) in chances.iter().zip(&mut is_raised) {
            if !*raised && share(*chance) < floor {
                *raised = true;
                is_settled = false;
            }
        }
        if is_settled {
            return chances
                .iter()
                .zip(&is_raised)
                .map(|(chance, raised)| if *raised { floor } else { share(*chance) })
                .collect();
        }
    }
}
