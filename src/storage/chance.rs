//! A lot that is the same whenever and wherever it is drawn: in SQL on both databases and in Rust.

/// The prime 2^31 - 1.
const P: i64 = 2_147_483_647;

/// SQL for a number from 0 to `of` - 1 that depends on `id` and `salt` only; `of` at most 1,000,000.
///
/// Two rounds of squaring modulo the prime 2^31 - 1 between linear steps; squaring keeps neighbours
/// from staying neighbours. Every product stays below 2^63, since SQLite turns to floats beyond it.
pub fn lot(id: &str, salt: i64, of: i64) -> String {
    let salt = salt.rem_euclid(P);
    let first = format!("((({id} % {P}) * 48271 + {salt}) % {P})");
    let second = format!("((({first} * {first}) % {P} + {salt} + 12345) % {P})");
    let third = format!("((({second} * {second}) % {P} * 69621 + 7) % {P})");
    format!("({third} / 13 % {of})")
}

/// What [`lot`] gives for an id.
pub fn lot_of(id: i64, salt: i64, of: i64) -> i64 {
    let salt = salt.rem_euclid(P);
    let first = (id % P * 48_271 + salt) % P;
    let second = (first * first % P + salt + 12_345) % P;
    let third = (second * second % P * 69_621 + 7) % P;
    third / 13 % of
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how ids fall into `ways` × `ways` by two salts; χ² of independence.
    fn chi_squared(one: i64, other: i64, ways: i64) -> f64 {
        let side = usize::try_from(ways).unwrap();
        let mut counts = vec![0_u32; side * side];
        let people = 40_000;
        for id in 1..=people {
            let at = lot_of(id, one, ways) * ways + lot_of(id, other, ways);
            counts[usize::try_from(at).unwrap()] += 1;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::as_conversions,
            reason = "a test's numbers"
        )]
        let expected = people as f64 / (ways * ways) as f64;
        counts
            .iter()
            .map(|n| (f64::from(*n) - expected).powi(2) / expected)
            .sum()
    }

    #[test]
    fn each_way_gets_its_share_and_two_lots_do_not_know_each_other() {
        // 15 degrees of freedom: above 37.7 by chance once in a thousand; a fixed computation, not a chance.
        for (one, other) in [(1, 2), (1, 1_000_003), (17, 18), (202_604, 5), (9, 900_019)] {
            let chi = chi_squared(one, other, 4);
            assert!(chi < 37.7, "salts {one} and {other}: {chi}");
        }
        assert!(chi_squared(1, 1, 4) > 1000.0, "the test can fail");
    }
}
