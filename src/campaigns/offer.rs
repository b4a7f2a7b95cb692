//! What a campaign proposes, and what it costs to say so.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::statistics::Sentence;

/// The word for coupons of a signed series; any other names a pool of imported codes.
pub const SERIES: &str = "series";

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// As reports call it.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The campaign's code, named by whoever comes to the shop or calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Each person gets a coupon of his own: `"series"`, or of the pool of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub deadline: Option<NaiveDate>,
    /// What of a sale is left before the costs of the campaign, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_percent: Option<f64>,
    /// What a response costs besides, such as a gift, in cents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_cents: i64,
}

/// What the campaign costs besides what its channel bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Of text, pictures and work, in cents.
    #[serde(default)]
    pub fixed_cents: i64,
    /// Of a thousand emails, in cents.
    #[serde(default)]
    pub per_thousand_cents: i64,
}

impl Offer {
    /// What is wrong with it: the key and the problem.
    pub(super) fn validate(&self) -> Result<(), (&'static str, Sentence)> {
        one_line("offer.name", &self.name, 120)?;
        if let Some(product) = &self.product {
            one_line("offer.product", product, 120)?;
        }
        let is_sayable = |code: &String| {
            (3..=32).contains(&code.len())
                && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        if !self.code.as_ref().is_none_or(is_sayable) {
            return Err((
                "offer.code",
                Sentence::new(
                    "must be 3 to 32 letters, digits or hyphens, as one says them at a till",
                ),
            ));
        }
        if let Some(coupon) = &self.coupon {
            one_line("offer.coupon", coupon, 60)?;
        }
        if self
            .margin_percent
            .is_some_and(|margin| !(0.0..=100.0).contains(&margin))
        {
            return Err((
                "offer.margin_percent",
                Sentence::new("must be between 0 and 100"),
            ));
        }
        if self.cost_cents < 0 {
            return Err(("offer.cost_cents", Sentence::new("must not be below 0")));
        }
        Ok(())
    }
}

impl Costs {
    /// What is wrong with them: the key and the problem.
    pub(super) fn validate(&self) -> Result<(), (&'static str, Sentence)> {
        for (key, cents) in [
            ("costs.fixed_cents", self.fixed_cents),
            ("costs.per_thousand_cents", self.per_thousand_cents),
        ] {
            if cents < 0 {
                return Err((key, Sentence::new("must not be below 0")));
            }
        }
        Ok(())
    }
}

fn one_line(key: &'static str, text: &str, most: usize) -> Result<(), (&'static str, Sentence)> {
    if text.trim().is_empty() || text.chars().any(char::is_control) || text.len() > most {
        return Err((
            key,
            Sentence::new("must be one line of text, of at most {n} bytes").named("n", most),
        ));
    }
    Ok(())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(cents: &i64) -> bool {
    *cents == 0
}
