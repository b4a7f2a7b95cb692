//! Progress of long work, on a terminal only.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar with rate and time left; silent where nobody watches.
pub(super) fn bar(label: &'static str, length: u64, unit: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let template = match unit {
        "bytes" => {
            "{msg:<22} {bar:32} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12}  {eta} left"
        }
        _ => "{msg:<22} {bar:32} {human_pos:>10}/{human_len:<10} {per_sec:>12}  {eta} left",
    };
    let bar = ProgressBar::with_draw_target(Some(length), target).with_message(label);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")),
        Err(_template) => bar,
    }
}
