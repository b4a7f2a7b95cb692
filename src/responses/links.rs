//! Where the links of a wave lead: read once from its frozen template, then kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{ResponseError, store};
use crate::ids::WaveId;
use crate::storage::Db;
use crate::templates::model::Link;
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

/// The links of the waves asked for lately.
#[derive(Debug, Default)]
pub struct Destinations(Mutex<HashMap<WaveId, Arc<[Link]>>>);

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
    ) -> Result<Option<Link>, ResponseError> {
        let links = match self.kept(wave) {
            Some(links) => links,
            None => {
                let Some((version, source)) = store::template_source(db, wave).await? else {
                    return Ok(None);
                };
                let links: Arc<[Link]> = links(&source)
                    .map_err(|cause| ResponseError::Template {
                        version,
                        cause: Box::new(cause),
                    })?
                    .into();
                self.keep(wave, Arc::clone(&links));
                links
            }
        };
        Ok(links
            .iter()
            .find(|link| link.number == number && is_web_page(&link.url))
            .cloned())
    }

    fn kept(&self, wave: WaveId) -> Option<Arc<[Link]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&wave).cloned()
    }

    fn keep(&self, wave: WaveId, links: Arc<[Link]>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(wave, links);
    }
}

/// Whether a redirect may lead there: the template's check says the same, but a redirect is the last
/// place to be sure.
fn is_web_page(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://")) && !url.contains(['\r', '\n', '\0'])
}
