//! What the messages of a cell propose: the words of its offer, and each person's coupon.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DbErr;

use super::store;
use crate::campaigns::offer::{Offer, SERIES};
use crate::ids::{DeliveryKey, WaveId};
use crate::keys::Keys;
use crate::storage::Db;
use crate::templates::model::{OfferWords, RecipientLinks};
use crate::templates::{RenderError, Template};
use crate::tokens::coupon_code;

/// The offer of a cell, ready to stand in its messages.
#[derive(Debug)]
pub struct Offering {
    words: Option<Arc<OfferWords>>,
    coupons: Coupons,
}

/// Where the coupons of its people come from.
#[derive(Debug)]
enum Coupons {
    /// No text asks for one.
    None,
    /// A text asks for one, and there are none.
    Missing,
    Series,
    /// Those of whoever passed the gate, by place.
    Pool(Mutex<HashMap<i64, String>>),
}

impl Offering {
    /// The offer of a cell as its template needs it.
    pub fn new(offer: Option<&Offer>, template: &Template) -> Self {
        let fields = template.fields();
        let source = offer.and_then(|offer| offer.coupon.as_deref());
        Self {
            words: offer.map(|offer| {
                Arc::new(OfferWords {
                    name: offer.name.clone(),
                    code: offer.code.clone(),
                    deadline: offer.deadline.map(|day| day.format("%Y-%m-%d").to_string()),
                })
            }),
            coupons: match source {
                _ if !fields.contains("coupon") => Coupons::None,
                None => Coupons::Missing,
                Some(SERIES) => Coupons::Series,
                Some(_) => Coupons::Pool(Mutex::default()),
            },
        }
    }

    /// Has the coupons of these people at hand, where they are not reckoned.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn fetch(
        &self,
        db: &Db,
        wave: WaveId,
        seqs: impl Iterator<Item = i64>,
    ) -> Result<(), DbErr> {
        if let Coupons::Pool(at_hand) = &self.coupons {
            let seqs: Vec<i64> = seqs.collect();
            let coupons = store::coupons::pool_coupons(db, wave, &seqs).await?;
            at_hand
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(coupons);
        }
        Ok(())
    }

    /// Puts the offer and the coupon of a delivery where its message finds them.
    ///
    /// # Errors
    /// When it should have a coupon and has none: it must not go out without.
    pub fn put(
        &self,
        links: &mut RecipientLinks,
        delivery: DeliveryKey,
        keys: &Keys,
    ) -> Result<(), RenderError> {
        links.offer.clone_from(&self.words);
        links.coupon = match &self.coupons {
            Coupons::None => return Ok(()),
            Coupons::Missing => None,
            Coupons::Series => coupon_code(delivery, keys),
            Coupons::Pool(at_hand) => at_hand
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&delivery.seq),
        };
        match links.coupon {
            Some(_) => Ok(()),
            None => Err(RenderError::NoCoupon),
        }
    }
}
