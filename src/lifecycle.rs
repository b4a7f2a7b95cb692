//! Stop means drain: the first signal asks for an end, the second does not wait for it.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first SIGTERM or SIGINT; ends the process at the second.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn stop_on_signal(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut signals = 0;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            signals += 1;
            if signals == 1 {
                tracing::info!("stopping: nothing new is begun, what is in flight is settled");
                stop.cancel();
            } else {
                tracing::warn!("stopped at once: what was in flight will be unknown");
                std::process::exit(130);
            }
        }
    });
    Ok(())
}
