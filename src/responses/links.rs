//! Where the links of a wave lead: read once from its frozen template, then kept.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{ResponseError, store};
use crate::ids::WaveId;
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

/// The destinations of a wave by the number of the link; `None` where a link does not lead to a web page.
type OfWave = Arc<[Option<Destination>]>;

/// The links of the waves asked for lately.
#[derive(Debug, Default)]
pub struct Destinations(RwLock<HashMap<WaveId, OfWave>>);

impl Destinations {
    /// Link `number` of a wave's template; `None` when there is no such wave or link, or it does not lead
    /// to a web page.
    ///
    /// # Errors
    /// When the database is away or the template cannot be read.
    pub async fn find(
        &self,
        db: &Db,
        wave: WaveId,
        number: u16,
    ) -> Result<Option<Destination>, ResponseError> {
        if let Some(kept) = self.kept(wave, number) {
            return Ok(kept);
        }
        let Some((version, source)) = store::template_source(&**db, wave).await? else {
            return Ok(None);
        };
        let links = links(&source).map_err(|cause| ResponseError::Template {
            version,
            cause: Box::new(cause),
        })?;
        let destinations = by_number(&links);
        let found = at(&destinations, number);
        self.keep(wave, destinations);
        Ok(found)
    }

    /// What is known of a link; `None` when the wave is not kept.
    fn kept(&self, wave: WaveId, number: u16) -> Option<Option<Destination>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(&wave).map(|links| at(links, number))
    }

    fn keep(&self, wave: WaveId, links: OfWave) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(wave, links);
    }
}

fn at(links: &OfWave, number: u16) -> Option<Destination> {
    links.get(usize::from(number)).cloned().flatten()
}

fn by_number(links: &[Link]) -> OfWave {
    let end = links.iter().map(|link| usize::from(link.number) + 1).max();
    let mut destinations = vec![None; end.unwrap_or_default()];
    for link in links.iter().filter(|link| is_web_page(&link.url)) {
        if let Some(place) = destinations.get_mut(usize::from(link.number)) {
            *place = Some(Destination {
                part: link.part,
                url: link.url.as_str().into(),
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
