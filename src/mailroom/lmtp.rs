//! The listener for mail servers.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Mailroom;
use super::session::Session;

/// How long a stop waits for dialogues under way.
const STOP: Duration = Duration::from_secs(10);

/// The pause after the system gave no connection: it may be out of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// Listens until `stop`; then ends what is under way.
pub(super) async fn listen(mailroom: &Mailroom, listener: TcpListener, stop: &CancellationToken) {
    let Some(settings) = mailroom.shared.settings.inbound.lmtp.clone() else {
        return;
    };
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "no mail can be taken: the listener cannot be used");
            return;
        }
    };
    let room = Arc::new(Semaphore::new(settings.connections));
    let patience = Duration::from_secs(settings.timeout_seconds);
    let tasks = TaskTracker::new();
    loop {
        // Who finds no room waits in the system's queue, and is not told to go.
        let place = tokio::select! {
            place = Arc::clone(&room).acquire_owned() => place,
            () = stop.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a mail server could not connect");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (mailroom, stop) = (mailroom.clone(), stop.clone());
        tasks.spawn(async move {
            let _place = place;
            let (reader, writer) = stream.into_split();
            let session = Session::new(&mailroom, reader, writer, patience);
            if let Err(error) = session.run(&stop).await {
                tracing::debug!(%error, "a mail server left in the middle");
            }
        });
    }
    tasks.close();
    // What was not acknowledged the peer keeps; one that hangs does not hold up the stop.
    if tokio::time::timeout(STOP, tasks.wait()).await.is_err() {
        tracing::warn!("a mail server that did not listen was left");
    }
}
