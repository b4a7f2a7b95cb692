//! What chance alone may do, in the words of reports, without I/O.

use crate::statistics::proportions::z_test;
use crate::statistics::sentence::Value;
use crate::statistics::{ALPHA, Sentence, Share};

pub use crate::statistics::several::holm;

/// Below this probability a difference is said to be more than chance.
pub const LEVEL: f64 = ALPHA;

/// The probability that two proportions, each given as count and whole, differ so much by chance. `None` where
/// there is nothing to compare.
pub fn of_two_proportions(one: (u64, u64), other: (u64, u64)) -> Option<f64> {
    let test = z_test(Share::new(one.0, one.1), Share::new(other.0, other.1));
    test.map(|test| test.p)
}

/// `p = 0.030`, or `p below 0.001`.
pub fn p_in_words(p: f64) -> Sentence {
    if p < 0.001 {
        Sentence::new("p below {p}").with("p", Value::Decimal(0.001, 3))
    } else {
        let places = if p < 0.1 { 3 } else { 2 };
        Sentence::new("p = {p}").with("p", Value::Decimal(p, places))
    }
}
