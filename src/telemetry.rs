//! Logs: for a person on a terminal, JSON lines for a machine. Never an address, a name, a token or a
//! message.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error; `RUST_LOG` chooses what, `info` of ours by default, and nothing of
/// the malformed requests strangers send.
pub fn start(default_level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| {
        EnvFilter::new(format!("warn,actix_http=off,visavis={default_level}"))
    });
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start (tests in one process) keeps the first.
    let started = if std::io::stderr().is_terminal() {
        logs.compact().try_init()
    } else {
        logs.json().try_init()
    };
    drop(started);
}
