//! What SMSCs tell over their own connections (SMPP), recorded as what others post.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Account;
use crate::channels::sms::smpp::SmscEvent;
use crate::clock::SharedClock;
use crate::config::SmsSettings;
use crate::keys::Keys;
use crate::storage::Db;

/// Events recorded at once.
const BATCH: usize = 64;

/// Records events and acknowledges each once it is committed, until `stop`. What could not be recorded is not
/// acknowledged, and the SMSC brings it again.
pub async fn listen(
    db: &Db,
    keys: &Keys,
    clock: &SharedClock,
    settings: &SmsSettings,
    mut events: mpsc::Receiver<SmscEvent>,
    stop: &CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            n = events.recv_many(&mut batch, BATCH) => if n == 0 { return },
            () = stop.cancelled() => return,
        }
        let mut by_provider = BTreeMap::<String, (Vec<_>, Vec<_>)>::new();
        for one in batch.drain(..) {
            let (told, acknowledgements) = by_provider.entry(one.provider).or_default();
            told.push(one.event);
            acknowledgements.push(one.acknowledgement);
        }
        for (provider, (told, acknowledgements)) in by_provider {
            let account = settings.provider_named(&provider);
            let account = Account {
                provider: &provider,
                answers_keywords: account.is_some_and(|account| account.answers_keywords),
            };
            match super::record(db, keys, account, told, clock.now_ms()).await {
                Ok(()) => {
                    for acknowledgement in acknowledgements {
                        acknowledgement.recorded();
                    }
                }
                Err(error) => {
                    tracing::error!(%error, provider, "what an SMSC told is not recorded; it will tell it again");
                }
            }
        }
    }
}
