//! Whether the offer of a campaign holds what its texts promise.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::campaigns::definition::Definition;
use crate::campaigns::offer::{Offer, SERIES};
use crate::campaigns::store::coupons;
use crate::statistics::Sentence;
use crate::templates::Template;

/// Why a text that uses the fields of an offer may not be sent with this one.
pub fn unmet(offer: Option<&Offer>, template: &Template) -> Vec<Sentence> {
    let fields = template.fields();
    let has = |field: &str| {
        let Some(offer) = offer else { return false };
        match field {
            "coupon" => offer.coupon.is_some(),
            "offer.code" => offer.code.is_some(),
            "offer.deadline" => offer.deadline.is_some(),
            _ => true,
        }
    };
    let advice = |field: &str| match field {
        "coupon" => Sentence::new("write coupon = \"series\", or the name of a pool, into [offer]"),
        "offer.code" => Sentence::new("write code into [offer]"),
        "offer.deadline" => Sentence::new("write deadline into [offer]"),
        _ => Sentence::new("write [offer]"),
    };
    fields
        .iter()
        .filter(|field| *field == "coupon" || field.starts_with("offer."))
        .filter(|field| !has(field))
        .map(|field| {
            Sentence::new("template {template}: {field} has nothing to say: {advice}")
                .with("template", template.name())
                .with("field", format!("{{{{{field}}}}}"))
                .with("advice", advice(field))
        })
        .collect()
}

/// As [`unmet`], of each cell; `templates` are those that [`Definition::templates`] names.
pub fn unmet_by_cells(definition: &Definition, templates: &[&Template]) -> Vec<Sentence> {
    let names = definition.templates();
    let named = |name: &str| {
        let place = names.iter().position(|known| *known == name)?;
        templates.get(place).copied()
    };
    let own = named(&definition.template);
    if definition.cells.is_empty() {
        return own.map_or_else(Vec::new, |own| unmet(definition.offer.as_ref(), own));
    }
    let mut refusals = Vec::new();
    for cell in &definition.cells {
        let template = cell.template.as_deref().and_then(named).or(own);
        for refusal in template
            .into_iter()
            .flat_map(|template| unmet(definition.offer_of(&cell.name), template))
        {
            if !refusals.contains(&refusal) {
                refusals.push(refusal);
            }
        }
    }
    refusals
}

/// Why the coupons of a campaign cannot be given to so many people.
pub(super) async fn refusals(
    connection: &impl ConnectionTrait,
    definition: &Definition,
    will_receive: u64,
) -> Result<Vec<Sentence>, DbErr> {
    let mut refusals: Vec<Sentence> = mixed(definition).into_iter().collect();
    let names: BTreeSet<&str> = sources(definition)
        .into_iter()
        .flatten()
        .filter(|name| *name != SERIES)
        .collect();
    for name in &names {
        let pool = coupons::pool(connection, name).await?;
        let left = pool.map_or(0, |pool| pool.left());
        if pool.is_none() {
            refusals.push(no_such_pool(name));
        } else if sources(definition).iter().all(|one| *one == Some(*name))
            && left.unsigned_abs() < will_receive
        {
            refusals.push(too_few(name, left, will_receive));
        }
    }
    Ok(refusals)
}

/// Why those who wait for the winner of a test could not be given their coupons beforehand.
pub fn mixed(definition: &Definition) -> Option<Sentence> {
    let waits = definition
        .test
        .as_ref()
        .is_some_and(|test| test.share_percent.is_some());
    let cells = definition.cells.iter();
    let offers = cells.map(|cell| {
        let offer = definition.offer_of(&cell.name)?;
        offer
            .coupon
            .as_deref()
            .map(|coupon| (coupon, offer.deadline))
    });
    let kinds: BTreeSet<_> = offers.collect();
    (waits && kinds.len() > 1).then(|| {
        Sentence::new("offer.coupon: cells with different coupons or deadlines go with a test of everyone only; leave test.share_percent out, or give all cells one kind of coupon and one deadline")
    })
}

/// That an offer ends before its message comes.
pub(super) fn is_over(definition: &Definition, now: DateTime<Utc>) -> Option<Sentence> {
    let today = now.with_timezone(&definition.fallback_zone()).date_naive();
    let cells = definition
        .cells
        .iter()
        .filter_map(|cell| cell.offer.as_ref());
    let past = definition.offer.iter().chain(cells);
    let past = past
        .filter_map(|offer| offer.deadline)
        .find(|day| *day < today)?;
    Some(
        Sentence::new(
            "offer.deadline: {day} is over, so that nobody could take the offer any more",
        )
        .named("day", past),
    )
}

/// That there is no pool of this name.
pub fn no_such_pool(name: &str) -> Sentence {
    Sentence::new("offer.coupon: there is no pool {pool}; fill it with `visavis coupon import {name} FILE`, or write {series}")
        .with("pool", format!("{name:?}"))
        .with("name", name)
        .with("series", format!("{SERIES:?}"))
}

/// That a pool has fewer coupons than are wanted.
pub fn too_few(name: &str, left: i64, wanted: u64) -> Sentence {
    Sentence::new("offer.coupon: the pool {pool} has {left} coupons left and {wanted} people would get one; fill it with `visavis coupon import {name} FILE`")
        .with("pool", format!("{name:?}"))
        .named("left", left)
        .named("wanted", wanted)
        .with("name", name)
}

/// Where the coupons come from: of each cell, or of the campaign.
fn sources(definition: &Definition) -> Vec<Option<&str>> {
    if definition.cells.is_empty() {
        return vec![
            definition
                .offer
                .as_ref()
                .and_then(|offer| offer.coupon.as_deref()),
        ];
    }
    definition
        .cells
        .iter()
        .map(|cell| {
            let offer = definition.offer_of(&cell.name);
            offer.and_then(|offer| offer.coupon.as_deref())
        })
        .collect()
}
