//! Which message earned an order: the rules, without I/O.
//!
//! The first rule that finds a message counts:
//!
//! 1. **Token**: the shop gives back what a click on one of our links handed it. It names the message.
//! 2. **Coupon**: the order was paid with the coupon of a message, and that coupon was not used before.
//! 3. **Campaign**: the order is said to come from a campaign, by name; the last message of that campaign
//!    before the order. It needs no window, since somebody said so.
//! 4. **Code**: the order names the code of an offer; the last message with that offer before the order.
//! 5. **Click**: the last message the customer clicked in before the order.
//!
//! By token, code and click an order counts within its campaign's window for orders after the hand-over; a
//! coupon has a deadline of its own. Of several messages the one touched last earns it (last touch). What no
//! rule finds was earned by no message. Scanners' clicks earn nothing.

mod model;

pub use model::{Claim, MatchedBy};

use std::collections::HashMap;

use super::model::{Goal, Terms};
use crate::ids::WaveId;

/// The claim that earns an order made at `ordered_at` (milliseconds since the epoch), by the rules above; of
/// two touched at one instant the higher key, so that the answer is always the same.
pub fn earned_by(
    ordered_at: i64,
    claims: &[Claim],
    terms: &HashMap<WaveId, Terms>,
) -> Option<Claim> {
    claims
        .iter()
        .filter(|claim| claim.touched_at <= ordered_at || claim.by.is_proof())
        .filter(|claim| {
            !claim.by.has_window()
                || terms.get(&claim.key.wave).is_some_and(|terms| {
                    terms.is_within_window(Goal::Order, claim.settled_at, ordered_at)
                })
        })
        .max_by_key(|claim| (std::cmp::Reverse(claim.by), claim.touched_at, claim.key))
        .copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{CampaignId, DeliveryKey};

    const DAY: i64 = 86_400_000;

    fn claim(by: MatchedBy, wave: i64, settled_at: i64, touched_at: i64) -> Claim {
        Claim {
            by,
            key: DeliveryKey {
                wave: WaveId(wave),
                seq: 1,
            },
            campaign: CampaignId(wave),
            settled_at: Some(settled_at),
            touched_at,
        }
    }

    fn terms() -> HashMap<WaveId, Terms> {
        let days = |days| Terms {
            window_days: days,
            ..Terms::default()
        };
        HashMap::from([(WaveId(1), days(7)), (WaveId(2), days(1))])
    }

    fn earned(ordered_at: i64, claims: &[Claim]) -> Option<(MatchedBy, i64)> {
        let claim = earned_by(ordered_at, claims, &terms())?;
        Some((claim.by, claim.key.wave.0))
    }

    #[test]
    fn the_last_click_earns_the_order() {
        let claims = [
            claim(MatchedBy::Click, 1, 0, 20),
            claim(MatchedBy::Click, 2, 0, 10),
        ];
        assert_eq!(earned(DAY / 2, &claims), Some((MatchedBy::Click, 1)));
    }

    #[test]
    fn a_later_click_whose_window_is_over_leaves_it_to_the_earlier() {
        let claims = [
            claim(MatchedBy::Click, 1, 0, 10),
            claim(MatchedBy::Click, 2, 0, 20),
        ];
        assert_eq!(earned(2 * DAY, &claims), Some((MatchedBy::Click, 1)));
        assert_eq!(earned(8 * DAY, &claims), None);
    }

    #[test]
    fn a_click_after_the_order_earns_nothing_but_a_token_does() {
        assert_eq!(earned(5, &[claim(MatchedBy::Click, 1, 0, 10)]), None);
        let token = [claim(MatchedBy::Token, 1, 0, 10)];
        assert_eq!(earned(5, &token), Some((MatchedBy::Token, 1)));
    }

    #[test]
    fn the_rules_stand_in_their_order() {
        let all = [
            claim(MatchedBy::Click, 1, 0, 90),
            claim(MatchedBy::Code, 1, 0, 80),
            claim(MatchedBy::Campaign, 1, 0, 70),
            claim(MatchedBy::Coupon, 1, 0, 60),
            claim(MatchedBy::Token, 1, 0, 50),
        ];
        for n in (1..=all.len()).rev() {
            let expected = all[n - 1].by;
            assert_eq!(earned(100, &all[..n]), Some((expected, 1)));
        }
        assert_eq!(earned(100, &[]), None);
    }

    #[test]
    fn what_is_named_or_redeemed_needs_no_window() {
        for (by, is_earned) in [
            (MatchedBy::Token, false),
            (MatchedBy::Coupon, true),
            (MatchedBy::Campaign, true),
            (MatchedBy::Code, false),
            (MatchedBy::Click, false),
        ] {
            let found = earned(300 * DAY, &[claim(by, 2, 0, 10)]);
            assert_eq!(found.is_some(), is_earned, "{by:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_the_claims_does_not_matter(places in proptest::collection::vec((0_usize..5, 1_i64..3, 0_i64..100), 0..8), at in 0_i64..100) {
            let claims: Vec<Claim> = places
                .iter()
                .map(|(by, wave, touched)| claim(MatchedBy::ALL[*by], *wave, 0, *touched))
                .collect();
            let reversed: Vec<Claim> = claims.iter().rev().copied().collect();
            prop_assert_eq!(earned_by(at, &claims, &terms()), earned_by(at, &reversed, &terms()));
        }
    }
}
