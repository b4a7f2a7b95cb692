//! Summaries: notices with pictures, for the people who run the campaigns.

use std::fmt;
use std::sync::Arc;

use super::mime::MimeFrame;
use super::pool::Pool;
use super::{ComposeError, Composed, EmailChannel, Inner, refused};
use crate::channels::model::{Outcome, Sender, SummaryMessage};
use crate::tokens;

/// What summaries have in common, compiled. They share connections and pace with the waves.
#[derive(Clone)]
pub struct EmailSummaries {
    inner: Arc<Inner>,
    pool: Arc<Pool>,
    frame: Result<MimeFrame, ComposeError>,
}

impl fmt::Debug for EmailSummaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailSummaries")
            .field("fault", &self.frame.as_ref().err())
            .finish_non_exhaustive()
    }
}

impl EmailChannel {
    /// Prepares summaries that go through the relay of this name, or the default one when there is none.
    pub fn open_summaries(&self, relay: &str, sender: &Sender) -> EmailSummaries {
        EmailSummaries {
            inner: Arc::clone(&self.inner),
            pool: Arc::clone(self.pool(relay).unwrap_or(&self.inner.pool)),
            frame: MimeFrame::of_summaries(sender),
        }
    }
}

impl EmailSummaries {
    /// The summary as it would be sent: the same bytes at every attempt with the same `at`.
    ///
    /// # Errors
    /// When something of it cannot stand in a header, or the reader is no address.
    pub fn compose(&self, summary: &SummaryMessage) -> Result<Composed, ComposeError> {
        let frame = self.frame.as_ref().map_err(|fault| *fault)?;
        let keys = &self.inner.keys;
        self.inner.compose(
            frame,
            &summary.to_address,
            &summary.into(),
            &tokens::summary_return_path_tag(summary.summary, keys),
            &tokens::summary_message_id_local(summary.summary, keys),
        )
    }

    /// Hands a summary over.
    pub async fn send(&self, summary: &SummaryMessage) -> Outcome {
        match self.compose(summary) {
            Ok(composed) => {
                let outcome = self.pool.deliver(composed, |_| true).await;
                outcome.unwrap_or(Outcome::Unknown {
                    why: "the message was held back",
                })
            }
            Err(fault) => refused(fault),
        }
    }
}
