//! Where the links of a wave lead: read once from its frozen templates, then kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::Url;

use super::{ResponseError, store};
use crate::ids::{DeliveryKey, WaveId};
use crate::storage::Db;
use crate::templates::model::{Link, Part};
use crate::templates::{Template, TemplateError};

/// The links of a frozen template, in the order of their numbers.
///
/// # Errors
/// When the text is not the source of a template.
pub fn links(source: &str) -> Result<Vec<Link>, TemplateError> {
    Template::from_source(source).map(|template| template.links().to_vec())
}

/// Waves whose links are kept at once; a wave's links never change, so any may be forgotten.
const KEPT: usize = 256;

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The part of the message it stands in.
    pub part: Part,
    pub url: Arc<str>,
}

/// The destinations of a template by the number of the link; `None` where a link does not lead to a web page.
type OfTemplate = Arc<[Option<Destination>]>;

/// The templates of a wave, by the places that got them.
type OfWave = Arc<[(RangeInclusive<i64>, OfTemplate)]>;

/// The links of the waves asked for lately.
#[derive(Debug, Default)]
pub struct Destinations(RwLock<HashMap<WaveId, OfWave>>);

impl Destinations {
    /// Link `number` of the template that a delivery got; `None` when there is no such wave or link, or it does
    /// not lead to a web page.
    ///
    /// # Errors
    /// When the database is away or the template cannot be read.
    pub async fn find(
        &self,
        db: &Db,
        delivery: DeliveryKey,
        number: u16,
    ) -> Result<Option<Destination>, ResponseError> {
        if let Some(kept) = self.kept(delivery, number) {
            return Ok(kept);
        }
        let mut templates: HashMap<i64, OfTemplate> = HashMap::new();
        let mut of_wave = Vec::new();
        for text in store::texts(&**db, delivery.wave).await? {
            let version = text.version;
            if let Entry::Vacant(vacant) = templates.entry(version) {
                let links = links(&text.source).map_err(|cause| ResponseError::Template {
                    version,
                    cause: Box::new(cause),
                })?;
                vacant.insert(by_number(&links));
            }
            if let Some(links) = templates.get(&version) {
                of_wave.push((text.places, Arc::clone(links)));
            }
        }
        if of_wave.is_empty() {
            return Ok(None);
        }
        let of_wave: OfWave = of_wave.into();
        let found = at(&of_wave, delivery.seq, number).flatten();
        self.keep(delivery.wave, of_wave);
        Ok(found)
    }

    /// What is known of a link; `None` when the wave is not kept, or the place waited for the winner of a test
    /// when it was read.
    fn kept(&self, delivery: DeliveryKey, number: u16) -> Option<Option<Destination>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        at(kept.get(&delivery.wave)?, delivery.seq, number)
    }

    fn keep(&self, wave: WaveId, links: OfWave) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(wave, links);
    }
}

/// Where a link leads that stands in the message of a place; `None` when the place has no template.
fn at(of_wave: &OfWave, seq: i64, number: u16) -> Option<Option<Destination>> {
    let (_, links) = of_wave.iter().find(|(places, _)| places.contains(&seq))?;
    Some(links.get(usize::from(number)).cloned().flatten())
}

fn by_number(links: &[Link]) -> OfTemplate {
    let end = links.iter().map(|link| usize::from(link.number) + 1).max();
    let mut destinations = vec![None; end.unwrap_or_default()];
    for link in links.iter().filter(|link| is_web_page(&link.url)) {
        if let Some(place) = destinations.get_mut(usize::from(link.number)) {
            *place = Some(Destination {
                part: link.part,
                url: in_ascii(&link.url).into(),
            });
        }
    }
    destinations.into()
}

/// Whether a redirect may lead there: the template's check says the same, but a redirect is the last
/// place to be sure.
fn is_web_page(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://")) && !url.contains(['\r', '\n', '\0'])
}

/// As a header may hold it: what is not ASCII percent-encoded, of the host in punycode.
fn in_ascii(url: &str) -> String {
    if url.is_ascii() {
        return url.to_owned();
    }
    Url::parse(url).map_or_else(|_unreadable| url.to_owned(), String::from)
}

/// What the shop finds the token under.
const TOKEN: &str = "vv";

/// Whether an address has a place for the token: `vv=` without a value.
pub fn asks_for_token(url: &str) -> bool {
    parameters(url).is_some_and(|query| query.split('&').any(is_place))
}

/// An address with the token: in its place where it has one, else as the last parameter; what stands behind `#`
/// stays there.
pub fn with_token(url: &str, token: &str) -> String {
    let (bare, fragment) = match url.split_once('#') {
        Some((bare, fragment)) => (bare, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let Some((path, query)) = bare.split_once('?') else {
        return format!("{bare}?{TOKEN}={token}{fragment}");
    };
    let given = format!("{TOKEN}={token}");
    let mut parameters: Vec<&str> = query.split('&').filter(|one| !one.is_empty()).collect();
    match parameters.iter_mut().find(|one| is_place(one)) {
        Some(place) => *place = &given,
        None => parameters.push(&given),
    }
    format!("{path}?{}{fragment}", parameters.join("&"))
}

fn parameters(url: &str) -> Option<&str> {
    let bare = url.split('#').next()?;
    bare.split_once('?').map(|(_, query)| query)
}

fn is_place(parameter: &str) -> bool {
    parameter.strip_prefix(TOKEN) == Some("=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ascii_is_encoded_and_nothing_else_is_touched() {
        assert_eq!(
            in_ascii("https://bücher.example/für?x=ä&vv=#übersicht"),
            "https://xn--bcher-kva.example/f%C3%BCr?x=%C3%A4&vv=#%C3%BCbersicht"
        );
        for plain in ["https://shop.example", "https://shop.example/A/../b?c=%c3"] {
            assert_eq!(in_ascii(plain), plain);
        }
    }

    #[test]
    fn a_token_is_put_where_the_shop_reads_it() {
        for (url, expected) in [
            (
                "https://shop.example/pans",
                "https://shop.example/pans?vv=T",
            ),
            (
                "https://shop.example/pans?",
                "https://shop.example/pans?vv=T",
            ),
            (
                "https://shop.example/?a=1#top",
                "https://shop.example/?a=1&vv=T#top",
            ),
            (
                "https://shop.example/?vv=&a=1",
                "https://shop.example/?vv=T&a=1",
            ),
            (
                "https://shop.example/?x=%C3%A9&vv=old",
                "https://shop.example/?x=%C3%A9&vv=old&vv=T",
            ),
            (
                "https://shop.example/#a?b",
                "https://shop.example/?vv=T#a?b",
            ),
        ] {
            assert_eq!(with_token(url, "T"), expected);
        }
        assert!(asks_for_token("https://shop.example/?a=1&vv="));
        assert!(!asks_for_token("https://shop.example/?a=1&vv=x#vv="));
    }
}
