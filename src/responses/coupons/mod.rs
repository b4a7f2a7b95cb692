//! Coupons: each stands in one message, is redeemed once, and so tells which message was answered.
//!
//! Promise: of two who redeem one coupon at the same instant exactly one succeeds, by whatever way; the other
//! learns when it was used. A code is read however it is spaced and written, and nothing of it is kept before
//! it is redeemed, but for codes of imported pools.

mod pool;
mod redeem;

pub use pool::{PoolError, PoolImport, import_pool};
pub use redeem::{RedeemError, ShownCoupon, show};
pub(crate) use redeem::{Redemption, redeem};
