//! What chance alone may do, without I/O.

/// Below this probability a difference is said to be more than chance.
pub const LEVEL: f64 = 0.05;

/// `p = 0.03`, or `p below 0.001`.
pub fn p_in_words(p: f64) -> String {
    if p < 0.001 {
        "p below 0.001".to_owned()
    } else if p < 0.1 {
        format!("p = {p:.3}")
    } else {
        format!("p = {p:.2}")
    }
}
